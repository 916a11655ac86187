"""The localisers' contract: points and cells, similarity maps, matching in portions, the check of
methods."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pixcl_bench.methods.contract.localiser import (
    Localiser,
    Matcher,
    Preparation,
    PyramidMatcher,
    ResizedMatcher,
    Support,
    argmax_points,
    at_size,
    check_localiser,
    level_similarity,
    pixels,
    product_similarity,
    vectors_at_points,
)
from pixcl_bench.nets.dense import ld_unet

NAN = float("nan")


class GreyValue(Matcher):
    """A pixel is described by its own value."""

    batch_keys = ()
    trains = False

    def describe(self, images: Tensor) -> Tensor:
        return images

    def at(self, features: Tensor, points: Tensor) -> Tensor:
        return vectors_at_points(features, points)

    def similarity(self, features: Any, vectors: Any) -> Tensor:
        return -(features - vectors[None, :, :, None]).abs()


@pytest.fixture
def ramp() -> Tensor:
    return (torch.arange(48.0).view(1, 1, 6, 8) / 48).clone()


def test_pixels_and_cells() -> None:
    points = torch.tensor([[0.49, 0.5], [NAN, 3.0], [-4.0, 99.0]])
    assert pixels(points, (6, 8)).tolist() == [[0, 1], [0, 3], [0, 7]]
    features = torch.arange(12.0).view(1, 1, 3, 4)
    found = vectors_at_points(features, torch.tensor([[5.0, 7.0], [1.4, 2.0]]), scale=2)
    assert found[:, 0].tolist() == [11, 1]


def test_worked_number_4() -> None:
    features = torch.tensor([[3.0, 4], [1, 0], [0, 2], [-1, 0]]).T.view(1, 2, 2, 2)
    template = torch.tensor([[0.6, 0.8]])
    free = level_similarity(features, template, clip=False).flatten()
    torch.testing.assert_close(
        free, torch.tensor([0.999800, 0.599401, 0.799600, -0.599401]), rtol=0, atol=1e-6
    )
    clipped = level_similarity(features, template).flatten()
    torch.testing.assert_close(clipped, free.clamp(min=0), rtol=0, atol=0)


def test_worked_number_6() -> None:
    coarse = torch.tensor([[0.2, 0.9], [0.4, 0.1]])[None, None]
    fine = torch.zeros(1, 1, 4, 4)
    fine[0, 0, 1, 2], fine[0, 0, 0, 3], fine[0, 0, 3, 0] = 0.8, 0.7, 1.0
    product = product_similarity([coarse, fine], (4, 4), upsample="nearest")
    assert float(product.max()) == pytest.approx(0.72)
    assert argmax_points(product).tolist() == [[[1, 2]]]
    rows = [
        [0.2, 0.375, 0.725, 0.9],
        [0.25, 0.3625, 0.5875, 0.7],
        [0.35, 0.3375, 0.3125, 0.3],
        [0.4, 0.325, 0.175, 0.1],
    ]
    torch.testing.assert_close(product_similarity([coarse], (4, 4))[0, 0], torch.tensor(rows))


def test_positive_scaling_changes_little() -> None:
    torch.manual_seed(0)
    maps, vectors = torch.randn(2, 8, 5, 5) * 10, torch.randn(3, 8)
    a, b = level_similarity(maps, vectors), level_similarity(maps, 7 * vectors)
    assert torch.equal(argmax_points(a), argmax_points(b))
    torch.testing.assert_close(a, b, atol=1e-3, rtol=0)
    cosine = F.cosine_similarity(maps[:, None], vectors[None, :, :, None, None], dim=2)
    torch.testing.assert_close(level_similarity(maps, vectors, eps=0.0, clip=False), cosine)


def test_argmax_is_the_first() -> None:
    maps = torch.zeros(1, 2, 3, 4)
    maps[0, 1, 1, 2] = maps[0, 1, 2, 0] = 1
    assert argmax_points(maps).tolist() == [[[0, 0], [1, 2]]]


def test_locate(ramp: Tensor) -> None:
    points = torch.tensor([[0.0, 0.0], [5.0, 7.0], [2.0, 3.0], [NAN, 1.0]])
    supports = [Support(ramp[0], points), Support(ramp[0], points.flip(0))]
    found = GreyValue().locate(torch.cat([ramp, ramp.roll((1, 2), (2, 3))]), supports)
    assert found.shape == (2, 2, 4, 2)
    assert torch.equal(found[0, 0, :3], points[:3])
    assert torch.equal(found[1, 0, 1:], points.flip(0)[1:])
    assert found[0, 1, :3].tolist() == [[1, 2], [0, 1], [3, 5]]
    assert found[0, :, 3].isnan().all()
    assert found[1, :, 0].isnan().all()


def test_portions_change_nothing() -> None:
    torch.manual_seed(0)
    images, points = torch.rand(5, 1, 16, 16), torch.rand(7, 2) * 15
    matcher = PyramidMatcher(network=ld_unet(width=2, levels=3)).eval()
    whole = matcher.locate(images, [Support(images[0], points)])
    calls = []

    class Counting(PyramidMatcher):
        pixels_at_once = 512  # two images
        values_at_once = 1024  # two landmarks

        def describe(self, images: Tensor) -> list[Tensor]:
            calls.append(len(images))
            return super().describe(images)

        def similarity(self, features: Any, vectors: Any) -> Tensor:
            assert len(features[0]) <= 2
            assert len(vectors[0]) <= 2
            return super().similarity(features, vectors)

    counting = Counting(network=matcher.network)
    counting.load_state_dict(matcher.state_dict())
    assert torch.equal(
        counting.eval().locate(images, [Support(images[0], points)] * 3),
        whole.expand(3, -1, -1, -1),
    )
    assert calls == [1, 1, 1, 2, 2, 1]  # each support once, each image once


def test_untrained_pyramid_finds_itself() -> None:
    torch.manual_seed(0)
    images = F.avg_pool2d(torch.rand(2, 1, 36, 36), 5, 1)
    points = torch.randint(32, (9, 2)).float()
    net = ld_unet(width=4, levels=4)
    exact = PyramidMatcher(network=net, upsample="nearest").eval()
    assert torch.equal(exact.locate(images[:1], [Support(images[0], points)])[0, 0], points)
    with torch.no_grad():
        features = exact.describe(images)
        levels = [
            level_similarity(f, t)
            for f, t in zip(features, exact.at(exact.describe(images[:1]), points), strict=True)
        ]
    assert [tuple(m.shape[2:]) for m in levels] == [(n, n) for n in (4, 8, 16, 32)]
    two = PyramidMatcher(network=net, levels=2).eval()
    assert two.locate(images, [Support(images[0], points)]).shape == (1, 2, 9, 2)
    with pytest.raises(ValueError, match="has 4 maps to match, got levels=5"):
        PyramidMatcher(network=net, levels=5)


class Trained(PyramidMatcher):
    """Its loss: all head maps small."""

    def losses(self, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        noisy = batch["image"] + 0.01 * torch.randn_like(batch["image"])
        return {"loss": sum((m.square().mean() for m in self.describe(noisy)), torch.zeros(()))}


@pytest.fixture
def batch() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {"image": torch.rand(4, 1, 16, 16)}


@pytest.fixture
def supports(batch: dict[str, Tensor]) -> list[Support]:
    points = torch.tensor([[3.0, 4.0], [NAN, NAN], [15.0, 0.0]])
    return [
        Support(batch["image"][0], points),
        Support(batch["image"][1], points.flip(0).nan_to_num(2.0)),
    ]


def test_check_accepts_and_leaves_alone(batch: dict[str, Tensor], supports: list[Support]) -> None:
    learner = Trained(network=ld_unet(width=2, levels=3))
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    logged = check_localiser(learner, batch, supports)
    assert logged["loss"] > 0
    assert all(torch.equal(v, before[k]) for k, v in learner.state_dict().items())
    assert learner.training
    assert check_localiser(GreyValue(), batch, supports) == {}


class Peeks(Trained):
    batch_keys = ("image", "points")


class Mislabelled(Trained):
    batch_keys = ("image", "label")


class Vector(Trained):
    def losses(self, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        return {"loss": super().losses(batch, progress)["loss"] + torch.zeros(2)}


class Late(Trained):
    def losses(self, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        loss = super().losses(batch, progress)["loss"]
        return {"loss": loss / (0.0 if progress > 0.9 else 1.0)}


class Spoils(Trained):
    def losses(self, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        logged = super().losses(batch, progress)
        batch["image"].clamp_(max=0.5)
        return logged


class Detached(Trained):
    def losses(self, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        return {"loss": 0 * super().losses(batch, progress)["loss"]}


class Misplaced(Trained):
    def locate(self, images: Tensor, supports: Any) -> Tensor:
        return super().locate(images, supports) + 9


class Invents(Trained):
    def locate(self, images: Tensor, supports: Any) -> Tensor:
        return super().locate(images, supports).nan_to_num(0)


class OneShape(Trained):
    def locate(self, images: Tensor, supports: Any) -> Tensor:
        return super().locate(images, supports)[0]


class Batchwise(Trained):
    def locate(self, images: Tensor, supports: Any) -> Tensor:
        return super().locate(images, supports).flip(1)


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (Peeks, "does not say uses_labels"),
        (Mislabelled, "batch_keys asks for"),
        (Vector, "is a scalar"),
        (Late, "at progress 0.999"),
        (Detached, "no parameter receives a gradient"),
        (Misplaced, "outside its image"),
        (Invents, "must be NaN"),
        (OneShape, "returns \\(s, b, L, 2\\)"),
        (Batchwise, "one image at a time"),
        (Spoils, "changed the batch|another loss"),
    ],
)
def test_check_refuses(
    broken: type[Trained], complaint: str, batch: dict[str, Tensor], supports: list[Support]
) -> None:
    torch.manual_seed(0)
    with pytest.raises(Exception, match=complaint):
        check_localiser(broken(network=ld_unet(width=2, levels=3)), batch, supports)


def test_base_says_what_is_missing(batch: dict[str, Tensor], supports: list[Support]) -> None:
    base = Localiser()
    for ask in (lambda: base.locate(batch["image"], supports), lambda: base.losses(batch, 0.0)):
        with pytest.raises(NotImplementedError, match="Localiser"):
            ask()
    with pytest.raises(NotImplementedError, match="does not measure information"):
        base.information(torch.zeros(1, 4, 4, dtype=torch.uint8))
    assert base.embed(batch["image"]).shape == (4, 64)
    assert base.prepare.__doc__


# Matching at another size


def test_matching_at_another_size_is_that_of_resized_images_enlarged() -> None:
    torch.manual_seed(0)
    inner = PyramidMatcher(network=ld_unet(width=2, levels=3)).eval()
    images = F.avg_pool2d(torch.rand(2, 1, 40, 56), 9, 1)
    points = torch.tensor([[3.0, 40.0], [20.0, 11.0]])
    matcher = ResizedMatcher(inner, 16)
    with torch.no_grad():
        features = matcher.describe(images[:1])
        found = matcher.similarity(matcher.describe(images), matcher.at(features, points))
        small = F.interpolate(images, (16, 16), mode="bilinear")
        ratio = torch.tensor([16 / 32, 16 / 48])
        vectors = inner.at(inner.describe(small[:1]), (points + 0.5) * ratio - 0.5)
        expected = inner.similarity(inner.describe(small), vectors)
    assert found.shape == (2, 2, 32, 48)
    torch.testing.assert_close(found, F.interpolate(expected, (32, 48), mode="bilinear"))
    located = matcher.locate(images, [Support(images[0], points)])
    assert torch.equal(located[0], argmax_points(found))


def test_excluded_pixels_stay_excluded_at_another_size(ramp: Tensor) -> None:
    class Dark(GreyValue):
        def similarity(self, features: Any, vectors: Any) -> Tensor:
            return super().similarity(features, vectors).masked_fill(features > 0.5, -torch.inf)

    matcher = ResizedMatcher(Dark(), 12)
    support = Support(ramp[0], torch.tensor([[5.0, 7.0]]))
    row = matcher.locate(ramp, [support])[0, 0, 0, 0]
    assert row.isfinite()
    assert row <= 3  # the grey values above one half lie below


def test_a_resized_matcher_says_and_does_what_its_inner_one_does() -> None:
    class Trained(GreyValue):
        batch_keys = ("image", "points")
        trains = True
        uses_labels = True
        seen: ClassVar[list[Any]] = []

        def losses(self, batch: Any, progress: float) -> dict[str, Tensor]:
            return {"loss": batch["image"].sum() * progress}

        def prepare(self, given: Any) -> None:
            self.seen.append(given)

    matcher = at_size(Trained(), 4)
    assert (matcher.batch_keys, matcher.trains, matcher.uses_labels) == (
        ("image", "points"),
        True,
        True,
    )
    assert float(matcher.losses({"image": torch.ones(2, 1, 2, 2)}, 0.5)["loss"]) == 4
    point = torch.zeros(1, 2)
    shown = torch.zeros(1, 4, 4, dtype=torch.uint8)
    given = Preparation(shown, None, Support(shown[:1].float(), point))
    matcher.prepare(given)
    assert Trained.seen == [given]
    inner = GreyValue()
    assert at_size(inner, None) is inner
    with pytest.raises(ValueError, match=r"match_size: .* got 0"):
        at_size(inner, 0)
