"""Encoders and heads: names, sizes, initial weights."""

import math

import pytest
import torch
from torch import nn

from pixcl_bench.nets.encoders import (
    build_encoder,
    build_vit,
    cifar_stem,
    encoder_names,
    set_drop_path,
)
from pixcl_bench.nets.heads import (
    bn_mlp,
    moco_predictor,
    moco_projector,
    random_head,
    simclr_projector,
)


@pytest.mark.parametrize(
    "name", ["vit_nano", "vit_micro", "conv_nano", "resnet18_cifar", "resnet18", "convnext_atto"]
)
def test_encoder_gives_one_vector_an_image(name: str) -> None:
    net = build_encoder(name, image_size=32).eval()
    with torch.no_grad():
        out = net(torch.randn(3, 3, 32, 32))
    assert out.shape == (3, net.num_features)


@pytest.mark.parametrize("name", [n for n in encoder_names() if n.startswith("vit")])
def test_every_transformer_has_its_published_width(name: str) -> None:
    with torch.device("meta"):
        net = build_encoder(
            name, image_size=224 if name in ("vit_tiny", "vit_small", "vit_base") else 32
        )
    widths = {"nano": 96, "micro": 64, "tiny": 192, "small": 384, "base": 768}
    assert net.num_features == widths[name.split("_")[1]]


def test_equal_seeds_give_equal_weights() -> None:
    torch.manual_seed(0)
    a = build_encoder("vit_nano")
    torch.manual_seed(0)
    b = build_encoder("vit_nano")
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


def test_moco_v3_initial_weights() -> None:
    net = build_vit("vit_micro", 32)
    bound = math.sqrt(6 / (64 + 64))
    assert 0.9 * bound < float(net.blocks[0].attn.qkv.weight.abs().max()) <= bound
    assert float(net.cls_token.abs().max()) < 1e-4
    assert float(net.patch_embed.proj.weight.abs().max()) <= math.sqrt(6 / (3 * 16 + 64))
    assert all(float(m.bias.abs().max()) == 0 for m in net.modules() if isinstance(m, nn.Linear))


def test_published_parameter_counts() -> None:
    vit = build_vit("vit_tiny_cifar", 32, patch_size=4)
    backbone = sum(p.numel() for p in vit.parameters())
    heads = sum(
        p.numel() for net in (moco_projector(192), moco_predictor()) for p in net.parameters()
    )
    assert backbone + 192 * 256 + 256 == 5_410_240
    assert backbone + heads == 26_094_784


def test_drop_path_grows_over_the_blocks() -> None:
    net = build_vit("vit_nano", 32)
    set_drop_path(net, 0.3)
    rates = [getattr(b.drop_path1, "drop_prob", 0.0) for b in net.blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="below 1"):
        set_drop_path(net, 1.0)
    with pytest.raises(ValueError, match="no transformer blocks"):
        set_drop_path(build_encoder("conv_nano"), 0.1)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("vit_nanno", 32, "did you mean vit_nano"),
        ("vit_nano", 30, "do not tile"),
        ("resnet_18", 32, "did you mean"),
    ],
)
def test_errors(name: str, size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_encoder(name, image_size=size)


def test_pretrained_weights_only_where_they_exist() -> None:
    with pytest.raises(ValueError, match="no published weights"):
        build_encoder("vit_nano", pretrained=True)


def test_cifar_stem_keeps_the_resolution() -> None:
    net = build_encoder("resnet18_cifar")
    assert net.conv1(torch.randn(1, 3, 32, 32)).shape == (1, 64, 32, 32)
    with pytest.raises(ValueError, match="no single-convolution stem"):
        cifar_stem(build_encoder("resnet18d"))


def test_heads() -> None:
    assert [type(m).__name__ for m in simclr_projector(8, 16, 4)] == ["Linear", "ReLU", "Linear"]
    predictor = bn_mlp([8, 16, 4])
    assert [type(m).__name__ for m in predictor] == [
        "Linear",
        "BatchNorm1d",
        "ReLU",
        "Linear",
        "BatchNorm1d",
    ]
    assert predictor[0].bias is None
    assert predictor[-1].affine is False
    z = predictor(torch.randn(64, 8))
    torch.testing.assert_close(z.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="input and an output"):
        bn_mlp([8])


def test_random_head_is_seeded_and_frozen() -> None:
    head = random_head(96)
    assert head.weight.shape == (1000, 96)
    assert not head.weight.requires_grad
    assert float(head.weight.abs().max()) <= math.sqrt(6 / 1096)
    assert torch.equal(head.weight, random_head(96).weight)
