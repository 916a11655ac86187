"""IGU-Aug: classes, jitter by class, guidance on and off, preparing, state."""

import math

import pytest
import torch
from torch import Tensor

from pixcl_bench.methods.contract.localiser import Preparation, Support, check_localiser
from pixcl_bench.methods.contract.options import group_options
from pixcl_bench.methods.igu_aug.cross_patch import (
    ContrastOptions,
    CropOptions,
    MatcherOptions,
    cc2d,
)
from pixcl_bench.methods.igu_aug.information import classes, entropy_map, quantile_thresholds
from pixcl_bench.methods.igu_aug.intensity import PRESETS
from pixcl_bench.methods.igu_aug.learner import Guidance, IGUAug, igu_aug, same_class, terciles
from pixcl_bench.nets.dense import build_dense


def pictures(n: int, side: int = 96) -> Tensor:
    """Grey images with a flat, a smooth and a rough third, and blobs that SIFT finds."""
    g = torch.Generator().manual_seed(0)
    y, x = torch.arange(side)[:, None].float(), torch.arange(side).float()
    base = 60 + 0.6 * y + 25 * torch.sin(x / 5) * torch.sin(y / 6)
    for _ in range(14):
        r, c, s = [
            *(8 + (side - 16) * torch.rand(2, generator=g)).tolist(),
            2 + 3 * float(torch.rand(1, generator=g)),
        ]
        base = base + 70 * torch.exp(-((y - r) ** 2 + (x - c) ** 2) / (2 * s**2))
    noise = 6 * torch.randn(n, side, side, generator=g) * (x > side / 2)
    return (base + noise).where(x > side / 6, 20.0).clamp(0, 255).to(torch.uint8)


def small(**more: object) -> IGUAug:
    torch.manual_seed(0)
    args = {
        "crop": 48,
        "anchors": 6,
        "window": 4,
        "context": False,
        "shared": True,
        "radius": 3,
        "key_points": 4,
    } | more
    return igu_aug(network=build_dense("ld_unet", width=4), **group_options(igu_aug, args))


@pytest.fixture(scope="module")
def given() -> Preparation:
    images = pictures(6)
    points = torch.tensor([[30.0, 40.0], [60.5, 70.2], [math.nan, math.nan]])
    return Preparation(
        images, entropy_map(images, size=3), Support(images[0][None].float() / 255, points)
    )


def batch_of(given: Preparation, k: int = 4) -> dict[str, Tensor]:
    assert given.information is not None
    return {"image": given.images[:k, None].float() / 255, "information": given.information[:k]}


def test_contract(given: Preparation) -> None:
    for args in ({}, {"thresholds": None, "sampler": "tournament", "intensity": "paper"}):
        learner = small(**args)
        learner.prepare(given)
        check_localiser(learner, batch_of(given), [given.support])
        assert learner.batch_keys == ("image", "information")


def test_information_is_the_entropy_map(given: Preparation) -> None:
    assert given.information is not None
    torch.testing.assert_close(small().information(given.images), given.information)
    box = small(information="box", radius=8).information(given.images)
    torch.testing.assert_close(box, entropy_map(given.images, window="box", size=8))


def test_classes_and_ranges(given: Preparation) -> None:
    assert given.information is not None
    learner = small(intensity="paper", thresholds=(2.3, 4.0))
    kinds = learner.kinds(given.information)
    assert torch.equal(kinds, classes(given.information, (2.3, 4.0)).long())
    assert learner.kinds(torch.tensor([2.2, 2.3, 3.9, 4.0])).tolist() == [0, 1, 1, 2]
    batch = batch_of(given, 3)
    first = torch.stack([(kinds[k] == k).nonzero()[7] for k in range(3)])
    assert torch.equal(learner.ranges(batch, first), PRESETS["paper"].table())


def test_tables_by_name() -> None:
    for name in ("paper", "official_code"):
        table = small(intensity=name).table
        assert torch.equal(table, PRESETS[name].table())
        assert torch.equal(table[0], table[1])
    uniform = small(intensity="uniform", brightness=0.1, contrast=0.2).table
    torch.testing.assert_close(uniform, torch.tensor([[0.9, 1.1], [0.8, 1.2]]).expand(3, 2, 2))
    assert Guidance(intensity="adaptive").by_class
    assert not Guidance(intensity="estimated").by_class


def test_further_anchors_have_the_class_of_the_first(given: Preparation) -> None:
    learner, batch = small(intensity="paper"), batch_of(given)
    seen = set()
    for seed in range(12):
        torch.manual_seed(seed)
        crop, anchors = learner.draw(batch)
        kinds = learner.kinds(batch["information"])[
            torch.arange(4)[:, None], anchors[..., 0], anchors[..., 1]
        ]
        assert bool((kinds == kinds[:, :1]).all())
        assert bool(crop.inside(anchors).all())
        seen |= set(kinds[:, 0].tolist())
    assert len(seen) > 1
    allowed = same_class(learner.kinds(batch["information"]), anchors[:, 0])
    assert bool(allowed[torch.arange(4), anchors[:, 0, 0], anchors[:, 0, 1]].all())
    assert small(intensity="uniform").allowed(batch, anchors[:, 0]) is None


def test_sampling_prefers_information(given: Preparation) -> None:
    batch = batch_of(given, 6)
    mean = {}
    for name, args in {
        "uniform": {"sampler": "uniform"},
        "hard": {"gamma": 2.0},
        "least": {"least": 4.0},
    }.items():
        learner, found = small(intensity="uniform", anchors=1, **args), []
        torch.manual_seed(0)
        for _ in range(40):
            anchors = learner.draw(batch)[1][:, 0]
            found.append(batch["information"][torch.arange(6), anchors[:, 0], anchors[:, 1]])
        mean[name] = float(torch.cat(found).mean())
        if name == "least":
            assert float(torch.cat(found).min()) >= 4.0
    assert mean["uniform"] < mean["hard"]


def test_guidance_off_is_cc2d(given: Preparation) -> None:
    batch = batch_of(given)
    off = small(sampler="uniform", intensity="uniform")
    plain = cc2d(
        network=off.network,
        crops=CropOptions(crop=48, anchors=6),
        objective=ContrastOptions(window=4),
        matcher=MatcherOptions(context=False, shared=True),
    )
    plain.heads.load_state_dict(off.heads.state_dict())
    found = []
    for learner in (off, plain):
        torch.manual_seed(3)
        found.append(learner.losses(batch, 0.0)["loss"].detach())
    assert torch.equal(*found)


def test_preparing_is_deterministic_and_in_the_state(given: Preparation) -> None:
    first, second = (small(thresholds=None) for _ in range(2))
    for seed, learner in enumerate((first, second)):
        torch.manual_seed(seed)
        learner.prepare(given)
    assert torch.equal(first.table, second.table)
    assert torch.equal(first.bounds, second.bounds)
    assert {"bounds", "table"} <= set(first.state_dict())
    assert bool((first.table[..., 0] <= 1).all())
    assert bool((first.table[..., 1] >= 1).all())
    assert given.information is not None
    assert torch.equal(first.bounds, terciles(given.information, 0.1))
    third = small(thresholds=None)
    third.load_state_dict(first.state_dict())
    assert torch.equal(third.table, first.table)


def test_one_range_for_all_where_estimated(given: Preparation) -> None:
    learner = small(intensity="estimated")
    learner.prepare(given)
    assert torch.equal(learner.table[0], learner.table[1])
    assert torch.equal(learner.table[1], learner.table[2])


def test_terciles() -> None:
    values = torch.rand(3, 40, 50)
    torch.testing.assert_close(
        terciles(values, 0.1), torch.tensor([1 / 3, 2 / 3]), rtol=0, atol=0.03
    )
    assert torch.equal(terciles(values.masked_fill(torch.arange(50) < 5, 9.0)), terciles(values))
    torch.testing.assert_close(terciles(values, most=400), terciles(values), rtol=0, atol=0.07)
    inside = values[:, 4:36, 5:45]
    assert terciles(values, 0.1).tolist() == list(quantile_thresholds(inside, (1 / 3, 2 / 3)))
    expected = torch.quantile(inside.flatten(), torch.tensor([1 / 3, 2 / 3]))
    assert torch.equal(terciles(values, 0.1), expected)


def test_unprepared(given: Preparation) -> None:
    with pytest.raises(RuntimeError, match="call prepare"):
        small().losses(batch_of(given), 0.0)
    with pytest.raises(ValueError, match="prepared without it"):
        small(thresholds=None).prepare(Preparation(given.images, None, given.support))
    small(intensity="paper").losses(batch_of(given), 0.0)  # nothing to estimate: nothing to prepare
