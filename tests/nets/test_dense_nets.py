"""Dense networks: layers, published numbers of weights, shapes, and what they refuse."""

import copy

import pytest
import torch
from torch import nn

from pixcl_bench.nets.dense import (
    ClusterBranch,
    ContextBlock,
    DenseNet,
    EmbeddingBranch,
    PyramidHeads,
    build_dense,
    draw_weights,
    fresh_copy,
    ld_unet,
    refined,
    vgg19_unet,
)
from pixcl_bench.nets.segmentation import count_parameters


@pytest.fixture(scope="module")
def vgg() -> DenseNet:
    torch.manual_seed(0)
    return vgg19_unet()


def test_ld_parameters() -> None:
    net = ld_unet(in_channels=3)
    assert count_parameters(net.encoder) == 922_896
    assert count_parameters(ld_unet().encoder) == 922_896 - 2 * 16 * 9  # one input channel
    for clusters, published in ((16, 510_384), (8, 506_320)):
        branches = EmbeddingBranch(32, 32), ClusterBranch(32, clusters)
        assert count_parameters(net.decoder) + sum(map(count_parameters, branches)) == published


def test_igu_parameters(vgg: DenseNet) -> None:
    with torch.device("meta"):
        full, crop = (PyramidHeads(vgg.channels, 16, context) for context in (True, False))
    assert count_parameters(vgg) + count_parameters(full) == 58_253_856
    assert count_parameters(vgg) + count_parameters(crop) == 24_508_704
    assert vgg.channels == (512, 256, 128, 64, 128, 128)
    assert vgg.scales == (32, 16, 8, 4, 2, 1)


@pytest.mark.parametrize("levels", [2, 3, 4, 5])
@pytest.mark.parametrize("channels", [1, 3])
def test_maps(levels: int, channels: int) -> None:
    torch.manual_seed(0)
    net = ld_unet(in_channels=channels, width=2, levels=levels)
    assert net.divisor == net.scales[0] == 2 ** (levels - 1)
    h, w = 2 * net.divisor, 3 * net.divisor
    maps = net(torch.rand(2, 1, h, w))
    expected = [(2, c, h // s, w // s) for c, s in zip(net.channels, net.scales, strict=True)]
    assert [tuple(m.shape) for m in maps] == expected
    encoder = net.encoder(net.fit(torch.rand(2, 1, h, w)))
    assert [m.shape[2] for m in encoder] == [h // 2**k for k in range(levels)]


def test_finest_map_is_a_concatenation() -> None:
    net = ld_unet(width=2, levels=3).eval()
    images = torch.rand(1, 1, 16, 16)
    maps, skips = net(images), net.encoder(images)
    assert torch.equal(maps[-1][:, -2:], skips[0])
    assert torch.equal(maps[-1][:, :2, ::2, ::2], maps[-2])  # enlarged by repetition
    assert torch.equal(maps[0], skips[-1])


def test_grey_is_repeated(vgg: DenseNet) -> None:
    vgg.eval()
    grey = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(vgg(grey)[-1], vgg(grey.repeat(1, 3, 1, 1))[-1])
        assert [m.shape[2] for m in vgg.encoder(vgg.fit(grey))] == [16, 8, 4, 2, 1]


def test_refusals(vgg: DenseNet) -> None:
    with pytest.raises(ValueError, match=r"multiples of 32, got \(48, 64\)"):
        vgg(torch.rand(1, 1, 48, 64))
    with pytest.raises(ValueError, match="3 channels"):
        vgg(torch.rand(1, 2, 32, 32))
    with pytest.raises(ValueError, match="levels=1"):
        ld_unet(levels=1)
    with pytest.raises(ValueError, match="no pretrained"):
        build_dense("ld_unet", pretrained=True)
    with pytest.raises(ValueError, match="heads for 2 maps, got 3"):
        PyramidHeads((4, 4), 2)([torch.rand(1, 4, 2, 2)] * 3)


def test_fresh_copy() -> None:
    torch.manual_seed(0)
    net = build_dense("ld_unet", width=2, levels=3)
    with torch.no_grad():
        net(torch.rand(2, 1, 16, 16))  # moves the running statistics
    other = fresh_copy(net.eval().requires_grad_(False))
    assert other.training
    assert all(p.requires_grad for p in other.parameters())
    weights = [
        (p, q) for p, q in zip(net.parameters(), other.parameters(), strict=True) if p.ndim == 4
    ]
    assert not any(torch.equal(p, q) for p, q in weights)
    means = [v for k, v in other.named_buffers() if "mean" in k]
    assert all(torch.equal(v, torch.zeros_like(v)) for v in means)
    net.pretrained = True
    third = fresh_copy(net)
    assert torch.equal(net.encoder.stages[1][1][0].weight, third.encoder.stages[1][1][0].weight)
    assert not torch.equal(net.decoder.blocks[0][0][0].weight, third.decoder.blocks[0][0][0].weight)


def test_weights_are_kaiming() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 128, 3)
    draw_weights(conv)
    assert float(conv.weight.detach().std()) == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.03)
    assert float(conv.bias.detach().abs().max()) == 0
    torch.manual_seed(3)
    first = ld_unet(width=2, levels=2)
    torch.manual_seed(3)
    assert all(
        torch.equal(p, q)
        for p, q in zip(first.parameters(), ld_unet(width=2, levels=2).parameters(), strict=True)
    )


def test_heads_and_context() -> None:
    torch.manual_seed(0)
    net = ld_unet(width=2)
    plain, seeing = PyramidHeads(net.channels, 8), PyramidHeads(net.channels, 8, context=True)
    maps = net(torch.rand(2, 1, 32, 32))
    for heads in (plain, seeing):
        assert [tuple(m.shape) for m in heads(maps)] == [(2, 8, n, n) for n in (2, 4, 8, 16, 32)]
        assert len(heads(maps[:2])) == 2
    blocks = [isinstance(c, ContextBlock) for c in seeing.context]
    assert blocks == [True, True, True, False, False]
    assert float(ContextBlock(4)(torch.randn(1, 4, 9, 9)).detach().min()) >= 0
    sum(m.square().mean() for m in seeing(maps)).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in seeing.parameters())


def test_branches() -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 6, 8, 8)
    v, r = EmbeddingBranch(6, 5)(features), ClusterBranch(6, 4)(features)
    torch.testing.assert_close(v.norm(dim=1), torch.ones(2, 8, 8))
    torch.testing.assert_close(r.sum(1), torch.ones(2, 8, 8))
    assert float(r.detach().min()) > 0
    dead = EmbeddingBranch(6, 5)
    nn.init.zeros_(dead[1].weight)
    assert torch.equal(dead(features), torch.zeros(2, 5, 8, 8))  # no division by nothing


@pytest.mark.gpu
def test_same_on_the_gpu() -> None:
    torch.manual_seed(0)
    net = ld_unet(width=4).eval()
    images = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        here = net(images)[-1]
        torch.testing.assert_close(net.cuda()(images.cuda())[-1].cpu(), here, rtol=1e-2, atol=1e-3)


def test_refined_adds_two_convolutions_and_keeps_the_rest(vgg: DenseNet) -> None:
    torch.manual_seed(0)
    plain = ld_unet(width=4, levels=3)
    net = refined(copy.deepcopy(plain))
    assert (plain.channels, net.channels) == ((16, 4, 8), (16, 4, 4))
    weights = dict(net.named_parameters())
    assert all(torch.equal(p, weights[name]) for name, p in plain.named_parameters())
    # two convolutions with bias, each with the two vectors of its normalisation
    expected = 4 * (8 + 4) * 9 + 2 * 4 + 2 * 2 * 4
    assert count_parameters(net) - count_parameters(plain) == expected
    images = torch.rand(2, 1, 16, 16)
    maps, before = net(images), plain(images)
    assert maps[-1].shape == (2, 4, 16, 16)
    assert all(torch.equal(a, b) for a, b in zip(maps[:-1], before[:-1], strict=True))
    maps[-1].square().sum().backward()
    assert all(p.grad is not None for p in net.decoder.blocks[-1].parameters())
    assert fresh_copy(net).channels == net.channels
    for other in (net, vgg):
        with pytest.raises(ValueError, match=r"refine: the last block .* has convolutions already"):
            refined(other)
