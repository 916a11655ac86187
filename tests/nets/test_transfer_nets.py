"""Encoders of maps, the decoders on them, and carrying weights from one to the other."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pixcl_bench import runtime  # isort: skip - before torchvision, which the next two import
import segmentation_models_pytorch as smp
import timm

from pixcl_bench.nets.decoders import (
    LinearProbe,
    LowLevelDecoder,
    SegmentationNet,
    build_segmentation,
)
from pixcl_bench.nets.dense import DenseNet
from pixcl_bench.nets.heads import width
from pixcl_bench.nets.transfer import (
    LevelDecoder,
    MapEncoder,
    build_map_encoder,
    dense_network,
    transfer,
)

SMALL: dict[str, dict[str, Any]] = {
    "deeplabv3plus": {"width": 8, "atrous_rates": (1, 2, 3)},
    "unet": {"width": 4},
    "linear": {},
}


@pytest.fixture
def nano() -> MapEncoder:
    torch.manual_seed(0)
    return build_map_encoder("resnet_nano")


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(3, 3, 32, 48, generator=torch.Generator().manual_seed(0))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def trained_a_little(encoder: MapEncoder, images: torch.Tensor) -> MapEncoder:
    encoder.train()(images)  # moves the running statistics
    return encoder


def test_the_small_encoder(nano: MapEncoder, images: torch.Tensor) -> None:
    assert (nano.channels, nano.scales, nano.divisor, width(nano)) == (
        (16, 32, 96),
        (2, 4, 8),
        8,
        96,
    )
    maps = nano.eval().feature_maps(images)
    assert [tuple(m.shape) for m in maps] == [(3, 16, 16, 24), (3, 32, 8, 12), (3, 96, 4, 6)]
    assert torch.equal(nano(images), maps[-1].mean((2, 3)))
    assert float(maps[-1].detach().min()) == 0.0
    assert not any("maxpool" in n and list(m.parameters()) for n, m in nano.named_modules())
    last = [m.bn2.weight for m in nano.modules() if hasattr(m, "bn2")]
    assert len(last) == 3
    assert all(bool((w == 1).all()) for w in last)


def test_every_stage_receives_a_gradient(nano: MapEncoder, images: torch.Tensor) -> None:
    nano.train()(images).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in nano.parameters())


def test_equal_seeds_give_equal_weights() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build_map_encoder("resnet_nano").state_dict())
    assert same(*states)


@pytest.mark.parametrize(
    ("name", "stride", "scales"),
    [
        ("resnet10t", None, (2, 4, 8, 16, 32)),
        ("resnet10t", 16, (2, 4, 8, 16, 16)),
        ("resnet10t", 8, (2, 4, 8, 8, 8)),
        ("convnext_atto", None, (4, 8, 16, 32)),
        ("resnet_nano", 4, (2, 4, 4)),
    ],
)
def test_maps_have_the_sizes_they_say(
    name: str, stride: int | None, scales: tuple[int, ...]
) -> None:
    net = build_map_encoder(name, output_stride=stride).eval()
    assert net.scales == scales
    with torch.no_grad():
        maps = net.feature_maps(torch.rand(1, 3, 64, 32))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (c, 64 // s, 32 // s) for c, s in zip(net.channels, net.scales, strict=True)
    ]


def test_maps_with_channels_last_are_turned() -> None:
    net = nn.Sequential()
    net.forward = lambda x: [x.permute(0, 2, 3, 1)]  # type: ignore[method-assign]
    encoder = MapEncoder(net, channels=[3], scales=[1], last=True)
    assert encoder.feature_maps(torch.rand(2, 3, 4, 6))[0].shape == (2, 3, 4, 6)


def test_normalisation_is_inside_and_not_saved(nano: MapEncoder, images: torch.Tensor) -> None:
    mean, std = (0.35, 0.4, 0.3), (0.2, 0.18, 0.15)
    nano.eval()
    by_hand = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    expected = nano.set_statistics((0.0,), (1.0,))(by_hand)
    assert nano.set_statistics(mean, std) is nano
    assert torch.allclose(nano(images), expected, atol=1e-5)
    assert not {"mean", "std"} & nano.state_dict().keys()
    assert torch.equal(copy.deepcopy(nano).mean, nano.mean)
    with pytest.raises(ValueError, match="std above 0"):
        nano.set_statistics(mean, (0.1, 0.0, 0.1))
    with pytest.raises(ValueError, match="3 numbers each"):
        nano.set_statistics((0.1, 0.2), std)


def test_grey_images_are_repeated(nano: MapEncoder, images: torch.Tensor) -> None:
    grey = images[:, :1]
    for net in (nano.eval(), build_segmentation(nano, "linear", num_classes=2).eval()):
        assert torch.equal(net(grey), net(grey.repeat(1, 3, 1, 1)))
    with pytest.raises(ValueError, match="or 1, repeated"):
        nano(torch.rand(1, 2, 32, 32))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet_nan", {}, "did you mean resnet_nano"),
        ("resnet5o", {}, "did you mean"),
        ("zzzzqqqq", {}, "unknown encoder 'zzzzqqqq'$"),
        ("resnet_nano", {"output_stride": 16}, "its output_stride is 8"),
        ("resnet_nano", {"pretrained": True}, "no published weights"),
        ("resnet10t", {"output_stride": 4}, "cannot give maps that end at 1/4"),
        ("vit_tiny_patch16_224", {"output_stride": 8}, "cannot give maps that end at 1/8"),
    ],
)
def test_what_cannot_be_built_is_explained(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build_map_encoder(name, **options)


def test_weights_from_a_file(tmp_path: Path, images: torch.Tensor) -> None:
    whole, file = timm.create_model("resnet10t").eval(), tmp_path / "weights.safetensors"
    save_file(whole.state_dict(), file)
    for stride in (None, 8):
        loaded = build_map_encoder("resnet10t", output_stride=stride, pretrained=str(file)).eval()
        trunk = {k: v for k, v in whole.state_dict().items() if not k.startswith("fc.")}
        assert loaded.pretrained
        assert same(loaded.net.state_dict(), trunk)
        assert torch.allclose(loaded.mean.flatten(), torch.tensor(whole.pretrained_cfg["mean"]))
    plain = build_map_encoder("resnet10t", pretrained=file).eval().set_statistics((0.0,), (1.0,))
    assert torch.allclose(plain.feature_maps(images)[-1], whole.forward_features(images), atol=1e-5)
    save_file(trunk, file)  # without a classifier as well
    assert same(build_map_encoder("resnet10t", pretrained=file).net.state_dict(), trunk)


def test_names_that_timm_converts_are_matched(tmp_path: Path) -> None:
    whole, file = timm.create_model("convnext_atto"), tmp_path / "weights.safetensors"
    save_file(whole.state_dict(), file)
    loaded = (
        build_map_encoder("convnext_atto", pretrained=file).eval().set_statistics((0.0,), (1.0,))
    )
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = whole.eval().stages(whole.stem(x))
        assert torch.allclose(loaded.feature_maps(x)[-1], expected, atol=1e-5)


def test_our_own_weights_from_a_file(
    tmp_path: Path, nano: MapEncoder, images: torch.Tensor
) -> None:
    file = tmp_path / "nano.safetensors"
    save_file(trained_a_little(nano, images).net.state_dict(), file)
    loaded = build_map_encoder("resnet_nano", pretrained=file)
    assert loaded.pretrained
    assert same(loaded.state_dict(), nano.state_dict())
    assert loaded.mean.flatten().tolist() == [0.5] * 3


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    file, state = tmp_path / "half.safetensors", timm.create_model("resnet10t").state_dict()
    save_file({k: v for k, v in state.items() if "layer4.0.bn2" not in k}, file)
    with pytest.raises(
        ValueError, match=r"half.safetensors does not hold the weights of resnet10t: (.|\n)*layer4"
    ):
        build_map_encoder("resnet10t", pretrained=file)
    with pytest.raises(ValueError, match=r"weights of resnet_nano: \d+ missing: .*unexpected"):
        build_map_encoder("resnet_nano", pretrained=file)
    with pytest.raises(ValueError, match="there is no file of weights"):
        build_map_encoder("resnet10t", pretrained=tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="can run code"):
        build_map_encoder("resnet10t", pretrained=tmp_path / "weights.pth")
    file.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        build_map_encoder("resnet10t", pretrained=file)


def test_transfer_takes_everything_or_nothing(nano: MapEncoder, images: torch.Tensor) -> None:
    trained_a_little(nano, images)
    target = build_map_encoder("resnet_nano", output_stride=4).set_statistics((0.1,), (0.3,))
    transfer(nano, target)
    # weights, running statistics and their counters
    assert same(target.state_dict(), nano.state_dict())
    assert float(target.mean[0, 0, 0, 0]) == pytest.approx(0.1)
    assert all(a is not b for a, b in zip(nano.parameters(), target.parameters(), strict=True))
    other = build_map_encoder("resnet10t")
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(
        ValueError, match=r"nothing was copied: \d+ missing: .*; \d+ unexpected: .*of another shape"
    ):
        transfer(nano, other)
    assert same(other.state_dict(), before)


def test_dense_network_keeps_its_encoder(nano: MapEncoder, images: torch.Tensor) -> None:
    trained_a_little(nano, images)
    kept = copy.deepcopy(nano.state_dict())
    net = dense_network(nano, width=8)
    assert isinstance(net, DenseNet)
    assert same(nano.state_dict(), kept)
    assert any(p is nano.net.conv1[0].weight for p in net.parameters())
    assert (net.channels, net.scales, net.divisor, net.pretrained) == (
        (96, 32, 16, 8),
        (8, 4, 2, 1),
        8,
        False,
    )
    maps = net.eval()(images)
    assert [tuple(m.shape[1:]) for m in maps] == [
        (96, 4, 6),
        (32, 8, 12),
        (16, 16, 24),
        (8, 32, 48),
    ]
    expected = nano.feature_maps(images)
    assert all(torch.equal(a, b) for a, b in zip(net.encoder(images), expected, strict=True))
    assert torch.equal(net(images[:, :1])[-1], net(images[:, :1].repeat(1, 3, 1, 1))[-1])
    with pytest.raises(ValueError, match="multiples of 8"):
        net(images[..., :30])
    with pytest.raises(ValueError, match="width of at least 1"):
        dense_network(nano, width=0)


def test_dense_network_where_maps_have_equal_sizes() -> None:
    net = dense_network(build_map_encoder("resnet10t", output_stride=8), width=2)
    assert net.scales == (8, 8, 8, 4, 2, 1)
    assert net.channels == (512, 32, 16, 8, 4, 2)
    assert [m.shape[-1] for m in net(torch.rand(2, 3, 32, 32))] == [4, 4, 4, 8, 16, 32]


def test_level_decoder_by_hand() -> None:
    fine, coarse = torch.randn(1, 2, 4, 4), torch.randn(1, 3, 2, 2)
    out = LevelDecoder([nn.Identity(), nn.Identity()], [2, 2])([fine, coarse])
    larger = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(out[0], coarse)
    assert torch.equal(out[1], torch.cat([larger, fine], 1))
    assert torch.equal(out[2], out[1].repeat_interleave(2, 2).repeat_interleave(2, 3))


@pytest.mark.parametrize("decoder", list(SMALL))
def test_networks_give_logits_at_full_size(
    decoder: Any, nano: MapEncoder, images: torch.Tensor
) -> None:
    net = build_segmentation(nano, decoder, num_classes=5, auxiliary=True, **SMALL[decoder])
    assert net.encoder is nano
    logits, aside = net.eval().with_auxiliary(images)
    assert aside is not None
    assert logits.shape == aside.shape == (3, 5, 32, 48)
    assert torch.equal(net(images), logits)
    net.train()
    logits, aside = net.with_auxiliary(images)
    (logits.square().mean() + 0.4 * aside.square().mean()).backward()  # type: ignore[union-attr]
    assert all(p.grad is not None for p in net.parameters())
    assert (
        build_segmentation(nano, decoder, num_classes=5, **SMALL[decoder]).with_auxiliary(images)[1]
        is None
    )
    with pytest.raises(ValueError, match="multiples of 8"):
        net(images[..., :44])


@pytest.mark.parametrize(
    ("decoder", "stride"), [("unet", None), ("deeplabv3plus", 16), ("deeplabv3plus", 8)]
)
def test_same_weights_give_what_smp_gives(decoder: Any, stride: int | None) -> None:
    torch.manual_seed(1)
    if decoder == "unet":
        theirs = smp.Unet("tu-resnet18", encoder_weights=None, classes=3)
    else:
        theirs = smp.DeepLabV3Plus(
            "tu-resnet18",
            encoder_weights=None,
            classes=3,
            encoder_output_stride=stride,
            decoder_channels=16,
        )
    encoder = build_map_encoder("resnet18", output_stride=stride).set_statistics((0.0,), (1.0,))
    ours = build_segmentation(encoder, decoder, num_classes=3, width=16, align_corners=True)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    encoder.net.load_state_dict(theirs.encoder.model.state_dict())
    ours.decoder.load_state_dict(theirs.decoder.state_dict())
    ours.head.load_state_dict(theirs.segmentation_head[0].state_dict())
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize(("stride", "factor"), [(None, 8), (16, 4), (8, 2)])
def test_low_level_branch_of_every_output_stride(stride: int | None, factor: int) -> None:
    with torch.device("meta"):
        net = build_segmentation(
            build_map_encoder("resnet50", output_stride=stride),
            "deeplabv3plus",
            num_classes=6,
            auxiliary=True,
        )
        logits = net(torch.rand(2, 3, 64, 64))
    assert logits.shape == (2, 6, 64, 64)
    assert isinstance(net.decoder, LowLevelDecoder)
    assert net.decoder.up.scale_factor == factor
    assert net.decoder.up.align_corners is False
    assert tuple(net.decoder.block1[0].weight.shape) == (48, 256, 1, 1)
    assert isinstance(net.auxiliary, nn.Sequential)
    assert tuple(net.auxiliary[0].weight.shape) == (
        256,
        1024,
        3,
        3,
    )
    assert tuple(net.head.weight.shape) == (6, 512, 1, 1)


def test_what_does_not_fit_is_refused(nano: MapEncoder) -> None:
    even = build_map_encoder("resnet_nano", output_stride=4)
    with pytest.raises(ValueError, match="maps are at 1/2, 1/4, 1/4: take unet or linear"):
        build_segmentation(even, "deeplabv3plus", num_classes=2)
    with pytest.raises(ValueError, match="three rates"):
        build_segmentation(nano, "deeplabv3plus", num_classes=2, width=8, atrous_rates=(1, 2))
    with pytest.raises(ValueError, match="num_classes and width of at least 1"):
        build_segmentation(nano, "unet", num_classes=0)
    alone = MapEncoder(nn.Identity(), channels=[3], scales=[1])
    with pytest.raises(ValueError, match="has one only"):
        build_segmentation(alone, "linear", num_classes=2, auxiliary=True)


def test_linear_probe_is_linear_in_the_enlarged_maps(
    nano: MapEncoder, images: torch.Tensor
) -> None:
    maps = [m.detach() for m in nano.eval().feature_maps(images)]
    probe = LinearProbe(nano.channels, 4)
    with torch.no_grad():
        given = probe([images, *maps])
        enlarged = torch.cat(
            [nn.functional.interpolate(m, images.shape[-2:], mode="bilinear") for m in maps], 1
        )
        weight = torch.cat([layer.weight for layer in probe.layers], 1)
        expected = nn.functional.conv2d(enlarged, weight, probe.layers[0].bias)
    assert torch.allclose(given, expected, atol=1e-5)
    assert sum(p.numel() for p in probe.parameters()) == 4 * (16 + 32 + 96) + 4


def few_steps(net: SegmentationNet, images: torch.Tensor) -> None:
    optimiser = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, weight_decay=5e-4)
    for _ in range(3):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(images), (images.mean(1) > 0.5).long()).backward()
        optimiser.step()


@pytest.mark.parametrize("decoder", list(SMALL))
def test_frozen_trunk_is_bit_identical_after_training(
    decoder: Any, nano: MapEncoder, images: torch.Tensor
) -> None:
    net = build_segmentation(nano, decoder, num_classes=2, **SMALL[decoder]).freeze().train()
    trunk, rest = copy.deepcopy(net.encoder.state_dict()), copy.deepcopy(net.decoder.state_dict())
    few_steps(net, images)
    assert same(net.encoder.state_dict(), trunk)
    assert not same(net.decoder.state_dict(), rest)
    few_steps(net.unfreeze(), images)
    assert not same(net.encoder.state_dict(), trunk)


def test_modes_of_a_frozen_network(nano: MapEncoder) -> None:
    net = build_segmentation(nano, "unet", num_classes=2, width=4)
    assert net.encoder.training
    assert not net.frozen
    net.freeze()
    assert net.training
    assert not any(m.training for m in net.encoder.modules())
    assert net.decoder.training
    assert not net.eval().training
    assert not net.train().encoder.training
    assert not any(p.requires_grad for p in net.encoder.parameters())
    assert all(p.requires_grad for p in net.decoder.parameters())
    net.unfreeze()
    assert net.encoder.training
    assert all(p.requires_grad for p in net.parameters())
    assert not net.eval().unfreeze().encoder.training


def test_gradients_are_reproducible(nano: MapEncoder, images: torch.Tensor) -> None:
    nets = [
        build_segmentation(copy.deepcopy(nano), d, num_classes=2, auxiliary=True, **SMALL[d])
        for d in SMALL
    ]  # type: ignore[arg-type]
    for original in (*nets, dense_network(copy.deepcopy(nano), width=4)):
        found = []
        for _ in range(2):
            net = copy.deepcopy(original).train()
            with runtime.reproducible():
                torch.manual_seed(0)
                out = (
                    net.with_auxiliary(images) if isinstance(net, SegmentationNet) else net(images)
                )
                torch.stack([x.square().mean() for x in out]).sum().backward()
            found.append(
                torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])
            )
        assert torch.equal(*found)
        assert bool(found[0].norm() > 0)
