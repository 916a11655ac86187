"""Drawn hearts and atria: the same from a seed, patients who differ, no grey value that tells the
label.

Few patients of each cohort are drawn here; the notebooks hold the figures of whole cohorts.
"""

from collections.abc import Callable
from functools import cache
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pixcl_bench.data.catalogue import get_info
from pixcl_bench.data.sets.volumes import Case, VolumeSet, make_volume_set, min_max, z_score
from pixcl_bench.data.synthetic import atrium, cardiac
from pixcl_bench.data.synthetic.phantom import Draws, ellipsoid, inside, smooth_field, tube
from pixcl_bench.methods.floors.semi_seg import trivial_dice

SETS = pytest.mark.parametrize("module", [cardiac, atrium], ids=["cardiac", "atrium"])
TRAIN, TEST = 24, 8
Patient = dict[str, NDArray]


@cache
def patients(module: ModuleType) -> list[Patient]:
    return [module.draw_patient(number) for number in range(TRAIN + TEST)]


def cohort(module: ModuleType) -> VolumeSet:
    name = module.__name__.rpartition(".")[2]
    scale: Callable[[torch.Tensor], torch.Tensor] = min_max if module is cardiac else z_score
    cases = [
        Case(
            f"p{i}",
            f"p{i}",
            scale(torch.from_numpy(p["image"]).float()),
            torch.from_numpy(p["label"]),
            tuple(p["spacing"].tolist()),
        )
        for i, p in enumerate(patients(module))
    ]
    splits = {"train": list(range(TRAIN)), "val": [], "test": list(range(TRAIN, TRAIN + TEST))}
    return make_volume_set(get_info(name), cases=cases, splits=splits, unit="patient")


# ---- what they are drawn with


def test_draws_are_the_same_for_ever() -> None:
    assert Draws(0, "toy", 1).unit(3).round(6).tolist() == [0.025448, 0.109176, 0.829132]
    assert Draws(0, "toy", 1).unit(3).tolist() != Draws(0, "toy", 2).unit(3).tolist()
    assert Draws(0, "toy", 1).unit(3).tolist() != Draws(1, "toy", 1).unit(3).tolist()
    with pytest.raises(ValueError, match="seed must not be negative, got -1"):
        Draws(-1, "toy")


def test_draws_have_the_named_distributions() -> None:
    draws = Draws(0, "toy")
    values, normal = draws.unit(20000), draws.normal(20000)
    assert 0 < values.min() < values.max() < 1.5
    assert abs(values.mean() - 0.5) < 4 * 12**-0.5 * 20000**-0.5
    assert abs(normal.mean()) < 4 * 20000**-0.5
    assert abs(normal.std() - 1) < 0.02
    assert {draws.whole(2, 4) for _ in range(100)} == {2, 3, 4}
    assert sum(draws.chance(0.2) for _ in range(1000)) == pytest.approx(200, abs=51)


def test_distances_of_simple_shapes() -> None:
    points = np.asarray([[0.0, 0, 0], [0, 0, 5], [0, 3, 0], [4, 0, 0]])
    np.testing.assert_allclose(ellipsoid(points, (3, 3, 3))[1:], [2, 0, 1], atol=1e-9)
    assert ellipsoid(points, (1, 2, 9))[1] < 0 < ellipsoid(points, (1, 2, 9))[3]
    distance, along = tube(points, np.zeros(3), np.asarray([0.0, 0, 10]), 2, 1)
    np.testing.assert_allclose(distance, [-2, -1.5, 1, 2])
    np.testing.assert_allclose(along, [0, 0.5, 0, 0])
    assert inside(np.asarray([-9.0, 0, 9])).tolist() == [1, 0.5, 0]
    field = smooth_field(Draws(0, "toy"), (5, 20, 20), (2, 4, 4))
    assert (field.shape, round(field.mean(), 9), round(field.std(), 9)) == ((5, 20, 20), 0, 1)
    assert np.abs(np.diff(field, axis=2)).max() < 1.5


# ---- patients


@SETS
def test_a_patient_is_the_same_again(module: ModuleType) -> None:
    first, again = patients(module)[2], module.draw_patient(2)
    assert all(np.array_equal(first[key], again[key]) for key in first)
    other = module.draw_patient(2, seed=1)
    assert other["label"].shape != first["label"].shape or (other["label"] != first["label"]).any()


@SETS
def test_the_scanner_does_not_touch_the_label(module: ModuleType) -> None:
    for number in (0, 5):
        first, other = patients(module)[number], module.draw_patient(number, scanner=1)
        assert np.array_equal(first["label"], other["label"])
        assert np.array_equal(first["spacing"], other["spacing"])
        assert np.corrcoef(first["image"].ravel(), other["image"].ravel())[0, 1] < 0.98


@SETS
def test_patients_are_valid_cases(module: ModuleType) -> None:
    data = cohort(module)  # make_volume_set checks every case
    assert all(case.label.max() == data.num_classes - 1 for case in data.cases)
    assert len({case.spacing for case in data.cases}) > TRAIN
    assert all(p["image"].min() == 0 and p["image"].max() == 255 for p in patients(module))


def test_structures_have_the_sizes_of_the_real_set() -> None:
    share = np.mean(
        [np.bincount(p["label"].ravel(), minlength=4) / p["label"].size for p in patients(cardiac)],
        axis=0,
    )
    assert ((share[1:] > 0.02) & (share[1:] < 0.06)).all(), share
    fractions = [p["label"].mean() for p in patients(atrium)]
    assert 0.01 < np.mean(fractions) < 0.03
    assert 0.003 < min(fractions) < max(fractions) < 0.06


def test_a_heart_is_put_together_rightly() -> None:
    for p in patients(cardiac):
        label = p["label"]
        assert 6 <= len(label) <= 8
        near_pool = ndimage.binary_dilation(label == 3, np.ones((1, 3, 3)))
        # the wall closes around the pool in every slice
        assert np.isin(label[near_pool], (2, 3)).all()
        pool = (label == 3).sum((1, 2))
        assert pool[0] > 2 * pool[-1]
        assert (label == 1).sum((1, 2))[0] > (label == 1).sum((1, 2))[-1]


def test_an_atrium_is_one_piece_inside_the_picture() -> None:
    for p in patients(atrium):
        assert p["label"].shape == atrium.SHAPE
        assert ndimage.label(p["label"])[1] == 1


@SETS
def test_patients_differ_in_place_size_and_contrast(module: ModuleType) -> None:
    data = cohort(module)
    centre = torch.stack([(case.label > 0).nonzero().float().mean(0) for case in data.cases])
    assert (centre.std(0)[1:] > 0.07 * data.dims[1][1]).all()
    size = torch.stack([(case.label > 0).float().mean() for case in data.cases])
    assert size.max() > 2 * size.min()
    top = data.num_classes - 1
    bright = torch.stack([case.image[case.label == top].mean() for case in data.cases])
    assert bright.std() > 0.1 * bright.mean()


def test_neighbours_have_the_cavitys_grey() -> None:
    """A perfect threshold of the patient's own cannot find the atrium."""
    best = []
    for p in patients(atrium)[:12]:
        inner = p["image"][p["label"] == 1]
        guess = (p["image"] >= np.quantile(inner, 0.1)) & (p["image"] <= np.quantile(inner, 0.95))
        best.append(2 * (guess & (p["label"] == 1)).sum() / (guess.sum() + p["label"].sum()))
    assert np.mean(best) < 0.45


@SETS
def test_no_trivial_predictor_comes_near_a_network(module: ModuleType) -> None:
    floors = trivial_dice(cohort(module))
    assert floors["position"] < 0.42
    assert floors["intensity"] < 0.35
    assert floors["both"] < (0.62 if module is cardiac else 0.5)


# ---- sets


@pytest.mark.parametrize(
    ("load", "parts"), [(cardiac.cardiac, (60, 10, 20)), (atrium.atrium, (64, 16, 20))]
)
def test_sets_are_what_the_catalogue_says(
    load: Callable[..., VolumeSet], parts: tuple[int, int, int]
) -> None:
    data = load()
    info = get_info(data.name)
    assert (data.kind, data.unit, data.class_names) == ("synthetic", "patient", info.classes)
    assert data.fingerprint == info.fingerprint()
    assert tuple(len(data.splits[split]) for split in ("train", "val", "test")) == parts
    assert f"{sum(parts)} patients" in info.size
    assert f"{parts[0]}/{parts[1]}/{parts[2]}" in info.split_rule
    assert data.dims[1][1] == info.image_size
    module = cardiac if data.name == "cardiac" else atrium
    assert np.array_equal(data.cases[2].label.numpy(), patients(module)[2]["label"])
    other = load(split_seed=1)
    assert set(other.patients("test")) != set(data.patients("test"))
    assert torch.equal(other.cases[2].image, data.cases[2].image)
