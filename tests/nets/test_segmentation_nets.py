"""Segmentation networks: published sizes, shapes, determinism and gradients."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pixcl_bench.nets.segmentation import (
    LinearUp,
    Predictor,
    RepresentationHead,
    SegNet,
    build_network,
    channels_last,
    count_parameters,
    fresh_copy,
    linear_resize,
    unet,
    vnet,
)

SMALL = [("unet", (2, 1, 16, 24)), ("vnet", (2, 1, 8, 12, 16))]


def small(name: str, **more: object) -> SegNet:
    torch.manual_seed(0)
    return build_network(name, **({"num_classes": 3, "width": 4, "levels": 3} | more))


def test_published_parameter_counts() -> None:
    with torch.device("meta"):
        assert count_parameters(unet(num_classes=4)) == 1_813_764
        net = vnet(num_classes=2)
    assert count_parameters(net) == 9_448_866
    assert count_parameters(net.encoder) == 7_376_896


def test_parts_of_fba_net_plus_add_up() -> None:
    with torch.device("meta"):
        net = vnet(num_classes=2)
        decoders = [net.new_decoder(up) for up in ("transposed", "linear", "nearest")]
        module = nn.Sequential(
            nn.Conv3d(2, 1, 3, stride=2, padding=1, bias=False), nn.BatchNorm3d(1)
        )
    heads = 6 * (125_440 * 128 + 128)
    assert heads == 96_338_688
    networks = count_parameters(net.encoder) + sum(map(count_parameters, decoders))
    assert networks + 3 * count_parameters(module) + heads == 111_585_422


def test_order_of_layers() -> None:
    net = unet(num_classes=4)
    block = [type(m).__name__ for m in net.encoder.blocks[0]]
    assert block == [
        "Conv2d",
        "BatchNorm2d",
        "LeakyReLU",
        "Dropout",
        "Conv2d",
        "BatchNorm2d",
        "LeakyReLU",
    ]
    assert [b[3].p for b in net.encoder.blocks] == [0.05, 0.1, 0.2, 0.3, 0.5]
    assert {b[3].p for b in net.decoder.blocks} == {0.0}
    assert net.encoder.blocks[0][2].negative_slope == 0.01
    assert [type(m).__name__ for m in net.decoder.ups[0]] == ["Conv2d", "LinearUp"]
    assert net.decoder.ups[0][0].kernel_size == (1, 1)
    assert net.decoder.out.kernel_size == (3, 3)
    volume = vnet(num_classes=2, width=2)
    assert [len(b) // 3 for b in volume.encoder.blocks] == [1, 2, 3, 3, 3]
    assert [len(b) // 3 for b in volume.decoder.blocks] == [3, 3, 2, 1]
    assert isinstance(volume.encoder.dropout, nn.Dropout3d)
    assert isinstance(volume.decoder.dropout, nn.Dropout3d)
    assert volume.decoder.out.kernel_size == (1, 1, 1)


def test_unet_forward_is_the_written_formula() -> None:
    net = small("unet").eval()
    x = torch.randn(2, 1, 16, 24)
    skips = [net.encoder.blocks[0](x)]
    for block in list(net.encoder.blocks)[1:]:
        skips.append(block(F.max_pool2d(skips[-1], 2)))
    y = skips[-1]
    for up, block, skip in zip(net.decoder.ups, net.decoder.blocks, skips[-2::-1], strict=True):
        enlarged = F.interpolate(up[0](y), scale_factor=2, mode="bilinear", align_corners=True)
        y = block(torch.cat([skip, enlarged], 1))
    torch.testing.assert_close(net(x), net.decoder.out(y), atol=1e-5, rtol=1e-5)


def test_vnet_skips_are_added() -> None:
    net = small("vnet").eval()
    x = torch.randn(1, 1, 8, 8, 8)
    skips = net.encoder(x)
    first = net.decoder.ups[0](skips[-1]) + skips[-2]
    second = net.decoder.ups[1](net.decoder.blocks[0](first)) + skips[0]
    logits, taps = net.decode(x)
    torch.testing.assert_close(taps[0], first)
    torch.testing.assert_close(taps[1], second)
    torch.testing.assert_close(taps[2], net.decoder.blocks[1](second))
    torch.testing.assert_close(logits, net.decoder.out(taps[2]))


@pytest.mark.parametrize("levels", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ["unet", "vnet"])
def test_shapes_of_taps(name: str, levels: int) -> None:
    net = small(name, levels=levels, width=2)
    d = net.divisor
    assert d == 2 ** (levels - 1)
    size = (d, 2 * d) if name == "unet" else (d, 2 * d, d)
    decoded = net.decode(torch.randn(2, 1, *size))
    assert decoded.logits.shape == (2, 3, *size)
    assert tuple(t.shape[1] for t in decoded.taps) == net.channels
    assert len(decoded.taps) == levels
    first = d if name == "unet" else d // 2
    assert tuple(decoded.taps[0].shape[2:]) == tuple(n // first for n in size)
    assert tuple(decoded.taps[-1].shape[2:]) == size


def test_anisotropic_volume() -> None:
    net = small("vnet", levels=4, width=2)
    assert net(torch.randn(2, 1, 24, 32, 32)).shape == (2, 3, 24, 32, 32)


@pytest.mark.parametrize(
    ("name", "size"),
    [("unet", (16, 18)), ("vnet", (8, 8, 10)), ("vnet", (8, 8)), ("unet", (0, 16))],
)
def test_wrong_sides_are_named(name: str, size: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"multiples of 4, got \("):
        small(name).decode(torch.zeros(1, 1, *size))


@pytest.mark.parametrize("arguments", [{"levels": 1}, {"levels": 6}, {"width": 0}])
def test_impossible_networks(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="2 to 5 levels"):
        small("unet", **arguments)


@pytest.mark.parametrize(("name", "shape"), SMALL)
def test_every_parameter_learns(name: str, shape: tuple[int, ...]) -> None:
    net = small(name)
    logits, taps = net.decode(torch.randn(shape))
    (logits.square().sum() + sum(t.square().sum() for t in taps)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(("name", "shape"), SMALL)
def test_dropout_only_where_asked(name: str, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    noisy, plain = small(name), small(name, dropout=False)
    assert not torch.equal(noisy(x), noisy(x))
    assert torch.equal(plain(x), plain(x))
    assert count_parameters(noisy) == count_parameters(plain)


@pytest.mark.parametrize(("name", "shape"), SMALL)
@pytest.mark.parametrize("up", ["transposed", "linear", "nearest"])
def test_new_decoder(name: str, shape: tuple[int, ...], up: str) -> None:
    net = small(name).eval()
    x = torch.randn(shape)
    skips = net.encoder(x)
    decoder = net.new_decoder(up).eval()
    decoded = decoder(skips)
    assert decoded.logits.shape == net(x).shape
    assert [t.shape for t in decoded.taps] == [t.shape for t in net.decode(x).taps]
    assert not torch.allclose(decoded.logits, net(x))
    assert not {id(p) for p in decoder.parameters()} & {id(p) for p in net.parameters()}


@pytest.mark.parametrize("name", ["unet", "vnet"])
def test_fresh_copy(name: str) -> None:
    net = small(name)
    with torch.no_grad():
        for buffer in net.buffers():
            buffer.add_(1)
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    before = copy.deepcopy(net.state_dict())
    other = fresh_copy(net.requires_grad_(False).eval())
    assert other.training
    assert all(p.requires_grad and p.grad is None for p in other.parameters())
    assert all(
        torch.equal(a, b) for a, b in zip(before.values(), net.state_dict().values(), strict=True)
    )
    weights = [
        (a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True) if a.ndim > 1
    ]
    assert weights
    assert not any(torch.equal(a, b) for a, b in weights)
    torch.manual_seed(0)
    again = fresh_copy(net)
    for a, b in zip(small(name).state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("name", "shape"), SMALL)
def test_deterministic_mode(name: str, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    gradients = []
    torch.use_deterministic_algorithms(True)
    try:
        for _ in range(2):
            net = small(name)
            heads = RepresentationHead(net.channels, dims=net.dims, dim=5)
            decoded = net.decode(x)
            (decoded.logits.square().sum() + heads(decoded.taps).square().sum()).backward()
            gradients.append([p.grad for p in net.parameters()])
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize(("name", "shape"), SMALL)
def test_channels_last_gives_the_same(name: str, shape: tuple[int, ...]) -> None:
    net = small(name, dropout=False)
    x = torch.randn(shape)
    other = channels_last(copy.deepcopy(net))
    torch.testing.assert_close(net(x), other(x), atol=1e-4, rtol=1e-4)
    decoder = channels_last(fresh_copy(net)).new_decoder("nearest")
    assert decoder(other.encoder(x)).logits.shape == net(x).shape


@pytest.mark.parametrize(
    ("shape", "size"),
    [((2, 3, 5, 7), (10, 14)), ((1, 2, 3, 4, 5), (6, 8, 10)), ((1, 1, 1, 4), (2, 3))],
)
def test_linear_resize_is_interpolate(shape: tuple[int, ...], size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    mode = "bilinear" if len(size) == 2 else "trilinear"
    ours, theirs = (
        linear_resize(x, size),
        F.interpolate(x, size=size, mode=mode, align_corners=True),
    )
    up = torch.randn_like(ours)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        *(torch.autograd.grad(y, x, up)[0] for y in (ours, theirs)), atol=1e-6, rtol=0
    )


def test_linear_resize_keeps_type_and_survives_inference_mode() -> None:
    with torch.inference_mode():
        LinearUp()(torch.ones(1, 1, 3, 11))
    x = torch.ones(1, 1, 3, 11, requires_grad=True)
    LinearUp()(x).sum().backward()
    assert x.grad is not None
    with torch.autocast("cpu", torch.bfloat16):
        assert linear_resize(torch.ones(1, 1, 3, 3), (6, 6)).dtype == torch.float32
        assert linear_resize(torch.ones(1, 1, 3, 3).bfloat16(), (6, 6)).dtype == torch.bfloat16


@pytest.mark.parametrize(("name", "shape"), SMALL)
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_representation_head(name: str, shape: tuple[int, ...], stride: int) -> None:
    net = small(name)
    taps = net.decode(torch.randn(shape)).taps
    head = RepresentationHead(net.channels, dims=net.dims, dim=7, stride=stride)
    out = head(taps)
    assert out.shape == (2, 7, *[n // stride for n in shape[2:]])
    out.square().sum().backward()
    assert all(
        p.grad is not None and p.grad.abs().sum() > 0
        for p in net.encoder.parameters()
        if p.ndim > 1
    )
    assert all(m.bias is None for m in (*head.mixes, head.project))


def test_released_head_sizes() -> None:
    assert RepresentationHead((256, 128, 64, 32, 16), dims=2, form="released").dim == 496
    assert RepresentationHead((128, 64, 32, 16, 16), dims=3, form="released").dim == 16
    with pytest.raises(ValueError, match="multiples of 4"):
        RepresentationHead((8, 4), dims=2)([torch.zeros(1, 8, 3, 3), torch.zeros(1, 4, 6, 6)])


def test_predictor_is_two_linear_maps() -> None:
    torch.manual_seed(0)
    predictor = Predictor(6)
    assert count_parameters(predictor) == 72
    product = predictor.second.weight @ predictor.first.weight
    for size in [(3, 4), (2, 3, 4)]:
        x = torch.randn(2, 6, *size)
        expected = torch.einsum("ij,bj...->bi...", product, x)
        torch.testing.assert_close(predictor(x), expected, atol=1e-5, rtol=1e-4)
