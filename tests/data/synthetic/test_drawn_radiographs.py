"""Drawn skulls and hands: outlines become areas, patients stay as they are, the look ignores the
anatomy.

A few patients are drawn here; the notebooks hold the figures of the whole sets.
"""

from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pixcl_bench.data.catalogue import get_info
from pixcl_bench.data.synthetic import cephalogram as cephalogram_module
from pixcl_bench.data.synthetic import hand as hand_module
from pixcl_bench.data.synthetic.drawing import (
    Plate,
    curve,
    each,
    expose,
    fit,
    mean_position_error,
    patch_match,
    pink,
    ribbon,
    ring,
    spline,
    to_pixels,
)
from pixcl_bench.data.synthetic.phantom import Draws

SETS = pytest.mark.parametrize(
    "module", [cephalogram_module, hand_module], ids=["cephalogram", "hand"]
)
COUNT = 60
LANDMARKS = {cephalogram_module.__name__: 19, hand_module.__name__: 37}


@cache
def patients(module: ModuleType) -> dict[str, NDArray]:
    parts = [module.draw_patients(range(start, start + 20)) for start in range(0, COUNT, 20)]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def spacing(module: ModuleType) -> NDArray:
    if module is hand_module:
        return patients(module)["spacing"].astype(float)
    return np.repeat([[240 / 128, 193.5 / 128]], COUNT, 0)


# ---- what they are drawn with


def area(outline: NDArray, side: int = 50) -> float:
    plate = Plate(1, side, (10.0, 10.0))
    plate.add(outline, 1.0)
    return float(plate.values().sum()) * (10 / side) ** 2


def test_splines_pass_through_their_knots_and_move_with_them() -> None:
    knots = np.asarray([[[2.0, 2], [1, 6], [5, 9], [9, 5], [6, 3]]])
    np.testing.assert_allclose(curve(knots, closed=True, per=4)[0, ::4], knots[0])
    np.testing.assert_allclose(curve(knots, closed=False, per=4)[0, ::4], knots[0])
    np.testing.assert_allclose(curve(knots + 3, closed=True), curve(knots, closed=True) + 3)
    np.testing.assert_allclose(
        curve(knots[:, :2], closed=False)[0, 3], knots[0, :2].mean(0)
    )  # a straight line
    for closed, least in ((True, 2), (False, 1)):
        with pytest.raises(ValueError, match=f"got {least}"):
            spline(least, closed=closed)


def test_areas_are_right_wherever_an_outline_lies() -> None:
    disc = ring(np.asarray([[4.13, 5.31]]), np.asarray([2.0, 3.0]), 200)
    assert area(disc) == pytest.approx(6 * np.pi, rel=2e-3)
    assert area(disc[:, ::-1]) == pytest.approx(area(disc))
    # half off to the right
    assert area(disc + np.asarray([0, 4.69])) == pytest.approx(3 * np.pi, rel=5e-3)
    assert area(disc - np.asarray([0, 5.31])) == pytest.approx(3 * np.pi, rel=5e-3)
    assert area(disc - np.asarray([4.13, 0])) == pytest.approx(3 * np.pi, rel=5e-3)
    assert area(disc + 50) == area(disc - 50) == 0
    path = np.stack([np.linspace(2, 8, 9), np.full(9, 5.0)], -1)[None]
    assert area(ribbon(path, 1.5)) == pytest.approx(9)
    assert area(ribbon(path, np.linspace(1, 2, 9))) == pytest.approx(9)


def test_a_plate_adds_exact_parts_of_pixels_for_each_film() -> None:
    plate = Plate(2, 4, (4.0, 4.0))
    assert not plate.values().any()
    plate.add(np.repeat([[[1.0, 1.25], [1, 3], [3, 3], [3, 1.25]]], 2, 0), np.asarray([2.0, -4.0]))
    plate.add(np.repeat([[[0.0, 0], [0, 4], [1, 4], [1, 0]]], 2, 0), 1.0)
    expected = [[1, 1, 1, 1], [0, 1.5, 2, 0], [0, 1.5, 2, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(plate.values()[0], expected, atol=1e-12)
    np.testing.assert_allclose(plate.values()[1][1:], -2 * np.asarray(expected)[1:], atol=1e-12)
    with pytest.raises(ValueError, match=r"shape \(1, 3, 2\), expected \(2, samples, 2\)"):
        plate.add(np.zeros((1, 3, 2)), 1.0)


def test_texture_and_films() -> None:
    looks = [Draws(0, "toy", i) for i in range(6)]
    low = each(looks, 2, 3)
    assert 2 < low.min() < low.max() < 3
    field = pink(looks, 64, 1.2)
    np.testing.assert_allclose(field.mean((1, 2)), 0, atol=1e-9)
    np.testing.assert_allclose(field.std((1, 2)), 1)
    spectrum = np.abs(np.fft.rfft2(field)).mean(0)
    assert spectrum[4, 4] > 2 * spectrum[16, 16] > 2 * spectrum[30, 30]
    thickness = np.zeros((6, 64, 64))
    thickness[:, 20:44, 20:44] = 1.0
    films = expose(looks, thickness)
    assert (films.dtype, films.shape) == (np.dtype("uint8"), (6, 32, 32))
    # thick is bright
    assert (films[:, 12:20, 12:20].mean((1, 2)) > films[:, :6].mean((1, 2)) + 40).all()
    assert len(np.unique(films, axis=0)) == 6


def test_fit_leaves_who_fits_and_moves_who_does_not() -> None:
    points = np.asarray([[[4.0, 4], [6, 6]], [[8, 9.5], [6, 5]], [[-10, 0], [10, 4]]])
    factor, shift = fit(points, (10.0, 10.0), 1.0)
    moved = factor * points + shift
    np.testing.assert_allclose(moved[0], points[0])
    np.testing.assert_allclose(moved[1], [[8, 9], [6, 4.5]])
    np.testing.assert_allclose(factor[:, 0, 0], [1, 1, 0.4])
    assert moved.min() >= 1 - 1e-9
    assert moved.max() <= 9 + 1e-9
    np.testing.assert_allclose(
        to_pixels(np.asarray([[[0.0, 10.0]]]), (10.0, 10.0), 20), [[[-0.5, 19.5]]]
    )


def test_yardsticks() -> None:
    assert mean_position_error(
        np.zeros((4, 1, 2)), np.asarray([[[3.0, 2.0]]]), np.asarray([[1.0, 2.0]])
    ) == pytest.approx(5)
    image = pink([Draws(0, "toy")], 64)[0] * 40 + 100
    points = np.asarray([[0.0, 3.0], [30, 40], [63, 20]])
    moved = np.roll(image, (5, -7), (0, 1))
    np.testing.assert_array_equal(patch_match(image, points, image[None], sides=(9, 15))[0], points)
    np.testing.assert_array_equal(
        patch_match(image, points[1:2], moved[None], sides=(9, 15))[0], [[35, 33]]
    )


# ---- the patients


@SETS
def test_a_patient_is_the_same_in_any_company_and_at_any_size(module: ModuleType) -> None:
    alone, other = module.draw_patients([7]), module.draw_patients([7], look=1)
    for key, value in alone.items():
        np.testing.assert_array_equal(value[0], patients(module)[key][7])
    np.testing.assert_array_equal(other["points"], alone["points"])
    assert (other["image"] != alone["image"]).mean() > 0.3
    large = module.draw_patients([7], size=192)
    assert large["image"].shape == (1, 192, 192)
    np.testing.assert_allclose(
        (large["points"] + 0.5) * (128 / 192) - 0.5, alone["points"], atol=1e-3
    )
    assert np.abs(module.draw_patients([7], seed=1)["points"] - alone["points"]).max() > 2


@SETS
def test_landmarks_lie_on_the_film(module: ModuleType) -> None:
    drawn = patients(module)
    assert drawn["points"].dtype == np.float32
    assert drawn["points"].shape == (COUNT, LANDMARKS[module.__name__], 2)
    assert drawn["points"].min() > 5
    assert drawn["points"].max() < 121
    make = module.draw_knots if module is cephalogram_module else module.draw_hands
    many = make([Draws(5, "many", number) for number in range(500)])
    spots = many[:, :19] if module is cephalogram_module else many.landmarks
    assert spots.min() >= module.MARGIN - 1e-9
    assert (spots.max((0, 1)) <= np.asarray(module.EXTENT) - module.MARGIN + 1e-9).all()


@SETS
def test_films_use_their_greys_and_differ(module: ModuleType) -> None:
    images = patients(module)["image"]
    assert images.dtype == np.uint8
    assert (images.reshape(COUNT, -1).std(1) > 20).all()
    assert (np.asarray([len(np.unique(image)) for image in images]) > 100).all()
    assert len(np.unique(images, axis=0)) == COUNT


@SETS
def test_the_mean_place_is_a_poor_guess_and_matching_a_better_one(module: ModuleType) -> None:
    drawn, mm = patients(module), spacing(module)
    points = drawn["points"].astype(float)
    train, test = slice(0, 40), slice(50, 56)
    guess = mean_position_error(points[train], points[test], mm[test])
    errors = np.stack(
        [
            np.linalg.norm(
                (patch_match(drawn["image"][t], points[t], drawn["image"][test]) - points[test])
                * mm[test, None],
                axis=-1,
            )
            for t in (0,)
        ]
    )
    assert guess > 6
    assert errors.mean() < 0.8 * guess
    assert np.median(errors) < 0.3 * guess
    assert np.mean(errors > 4) > 0.1  # not solved by grey values


# ---- what they stand for


def test_cephalogram_has_the_landmarks_the_film_and_the_modes() -> None:
    names, parts, mean = cephalogram_module.mean_skull()
    assert names[:19] == cephalogram_module.KEYS
    assert len(set(names)) == len(parts) == len(mean)
    modes = cephalogram_module.shape_modes()
    assert modes.shape == (len(cephalogram_module.MODES), len(mean), 2)
    assert np.linalg.matrix_rank(modes.reshape(12, -1)) == 12
    at = dict(zip(names, patients(cephalogram_module)["points"].mean(0), strict=False))
    assert (
        at["nasion"][0]
        < at["orbitale"][0]
        < at["ans"][0]
        < at["upper_incisor"][0]
        < at["menton"][0]
    )
    assert (
        at["porion"][1] < at["sella"][1] < at["orbitale"][1] < at["nasion"][1] < at["upper_lip"][1]
    )
    assert at["gonion"][1] < at["pns"][1] < at["ans"][1]


def test_hand_has_the_wrist_rule_and_five_fingers() -> None:
    drawn = patients(hand_module)
    wide = np.linalg.norm(
        (drawn["points"][:, 0] - drawn["points"][:, 4]) * drawn["spacing"], axis=-1
    )
    np.testing.assert_allclose(wide, 50, rtol=1e-5)
    np.testing.assert_array_equal(drawn["spacing"][:, 0], drawn["spacing"][:, 1])
    assert drawn["spacing"].max() / drawn["spacing"].min() > 1.2  # sizes differ
    worked = np.zeros((1, 37, 2), np.float32)
    worked[0, 4] = 30, 40
    assert hand_module.wrist_spacing(worked).tolist() == [[1.0, 1.0]]
    assert len(hand_module.NAMES) == len(set(hand_module.NAMES)) == 37
    at = dict(zip(hand_module.NAMES, drawn["points"].mean(0), strict=True))
    assert at["middle tip"][0] < at["middle knuckle"][0] < at["capitate"][0] < at["radius"][0]
    assert at["little tip"][1] < at["ring tip"][1] < at["middle tip"][1] < at["thumb tip"][1]


# ---- the sets


@SETS
def test_loading_splits_by_patient_and_draws_once(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = patients(module)
    times = 3
    monkeypatch.setattr(module, "PATIENTS", COUNT)
    monkeypatch.setattr(module, "PARTS", (40, 5, 15))
    calls: list[int] = []

    def few(numbers: range, *, size: int) -> dict[str, NDArray]:
        calls.append(size)
        return {key: value[list(numbers)] for key, value in drawn.items()}

    monkeypatch.setattr(module, "draw_patients", few)
    load = module.cephalogram if module is cephalogram_module else module.hand
    data = load(cache=tmp_path)
    again = load(cache=tmp_path, split_seed=1)
    assert calls == [128] * times
    assert {split: len(index) for split, index in data.splits.items()} == {
        "train": 40,
        "val": 5,
        "test": 15,
    }
    assert sorted(torch.cat(list(data.splits.values())).tolist()) == list(range(COUNT))
    assert torch.equal(data.images, again.images)
    assert set(data.splits["test"].tolist()) != set(again.splits["test"].tolist())
    np.testing.assert_allclose(data.spacing.numpy(), spacing(module), rtol=1e-5)
    np.testing.assert_array_equal(data.points.numpy(), drawn["points"])
    assert data.names == get_info("cephalogram" if module is cephalogram_module else "hand").classes
    assert (data.kind, data.unit, data.num_landmarks) == (
        "synthetic",
        "mm",
        LANDMARKS[module.__name__],
    )
    load(cache=tmp_path, image_size=64)
    assert calls[times:] == [64] * times  # another size is another conversion


def test_entries_say_that_no_number_compares() -> None:
    infos = [get_info(name) for name in ("cephalogram", "hand")]
    for info in infos:
        assert info.kind == "synthetic"
        assert "Surrogate data" in info.notes
        assert len(info.fingerprint()) == 64
    assert infos[0].fingerprint() != infos[1].fingerprint()


def test_framed_films_are_the_films_on_black_with_their_points() -> None:
    images = np.zeros((5, 128, 128), np.uint8)
    images[:] = 40
    points = np.asarray([[40.0, 90.0], [64.0, 20.0]], np.float32)[None].repeat(5, 0)
    for y, x in points[0].astype(int):
        images[:, y - 4 : y + 5, x - 4 : x + 5] = 200
    found = cephalogram_module.framed(images, points)
    again = cephalogram_module.framed(images[:2], points[:2])
    assert found["image"].dtype == np.uint8
    np.testing.assert_array_equal(found["image"][:2], again["image"])
    corners = set()
    for image, places in zip(found["image"], found["points"], strict=True):
        rows, columns = (np.flatnonzero((image > 0).any(axis)) for axis in (1, 0))
        assert len(rows) == len(columns) == 84
        corners.add((int(rows[0]), int(columns[0])))
        expected = (points[0] + 0.5) * 84 / 128 - 0.5 + (rows[0], columns[0])
        np.testing.assert_allclose(places, expected, atol=1e-4)
        bright = np.argwhere(image > 150)
        for place in places:  # each point is the middle of its bright square
            near = bright[np.abs(bright - place).max(1) < 6]
            np.testing.assert_allclose(near.mean(0), place, atol=0.5)
    assert len(corners) == 5


def test_the_framed_set_has_the_patients_and_millimetres_of_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, drawn = cephalogram_module, patients(cephalogram_module)
    monkeypatch.setattr(module, "PATIENTS", COUNT)
    monkeypatch.setattr(module, "PARTS", (40, 5, 15))
    monkeypatch.setattr(
        module, "draw_patients", lambda n, *, size: {k: v[list(n)] for k, v in drawn.items()}
    )
    films, data = (load(cache=tmp_path) for load in (module.cephalogram, module.cephalogram_framed))
    assert (data.name, data.names) == ("cephalogram-framed", films.names)
    assert all(torch.equal(data.splits[k], films.splits[k]) for k in films.splits)
    apart = [(d.points[:, :1] - d.points) * d.spacing[:, None] for d in (films, data)]
    torch.testing.assert_close(*apart, rtol=0, atol=1e-3)
    info = get_info("cephalogram-framed")
    assert "Surrogate data" in info.notes
    assert info.fingerprint() != get_info("cephalogram").fingerprint()
