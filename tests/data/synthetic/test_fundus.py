"""Drawn fundus photographs: what is in them, that nothing trivial finds vessels; masks of another
look."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from pixcl_bench.data.catalogue import get_info
from pixcl_bench.data.sets.pixels import PixelError, PixelSet
from pixcl_bench.data.synthetic import fundus as module
from pixcl_bench.data.synthetic.phantom import Draws
from pixcl_bench.data.synthetic.vessel_trees import (
    FRAME,
    GRID,
    Growth,
    Roots,
    Trees,
    Walk,
    coverage,
    fork,
    grow,
    read_shapes,
    thin_out,
    vessel_shapes,
)

COUNT = 40


@cache
def drawn() -> dict[str, NDArray[np.uint8]]:
    return module.draw_photographs(range(COUNT))


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PixelSet:
    monkeypatch.setattr(module, "PHOTOGRAPHS", COUNT)
    monkeypatch.setattr(module, "PARTS", (24, 4, 12))
    monkeypatch.setattr(module, "SHAPES", 6)
    monkeypatch.setattr(
        module,
        "draw_photographs",
        lambda numbers, *, size: {key: value[list(numbers)] for key, value in drawn().items()},
    )
    return module.fundus(cache=tmp_path)


# ---- trees


def roots(count: int, width: float = 8.0) -> Roots:
    flat = np.zeros((count, 1))
    return Roots(np.full((count, 1, 2), FRAME / 2), flat, flat + width, flat, np.asarray([0]))


def test_a_fork_keeps_the_cubes_of_the_widths_and_turns_to_both_sides() -> None:
    walk = Walk(
        [Draws(0, i) for i in range(5)],
        roots(5),
        Growth(fork=1.0, slots=2),
        np.zeros((5, GRID, GRID)),
    )
    walk.age[:] = 9
    fork(walk, 0)
    np.testing.assert_allclose((walk.width**3).sum(1), 8.0**3)
    assert (walk.heading[:, 0] * walk.heading[:, 1] < 0).all()
    assert walk.alive.all()
    walk.age[:] = 9
    fork(walk, 1)  # no slot is left: nothing forks
    np.testing.assert_allclose((walk.width**3).sum(1), 8.0**3)
    assert walk.used.tolist() == [2] * 5


def test_trees_taper_stay_connected_and_do_not_depend_on_company() -> None:
    draws = [Draws(0, "toy", i) for i in range(3)]
    trees = grow(draws, roots(3), Growth(), np.zeros((3, GRID, GRID)))
    alone = grow([Draws(0, "toy", 1)], roots(1), Growth(), np.zeros((1, GRID, GRID)))
    np.testing.assert_array_equal(alone.paths[0], trees.paths[1])
    np.testing.assert_array_equal(alone.widths[0], trees.widths[1])
    grown = trees.widths[0][trees.widths[0].any(-1)]
    assert len(grown) > 5
    assert grown.max() <= 8
    assert grown[grown > 0].min() >= Growth().thinnest
    steps = np.linalg.norm(np.diff(trees.paths, axis=2), axis=-1)
    np.testing.assert_allclose(
        steps[(trees.widths[..., 1:] > 0) & (trees.widths[..., :-1] > 0)], Growth().stride
    )
    for tree in range(1, len(grown)):  # every branch begins on another vessel
        begin = trees.paths[0, tree, 0]
        others = np.delete(trees.paths[0, : len(grown)], tree, 0).reshape(-1, 2)
        assert np.linalg.norm(others - begin, axis=-1).min() < 1e-9


def test_coverage_is_the_area_and_never_thinner_than_can_be_drawn() -> None:
    # 200 long
    path = np.stack([np.linspace(100, 220, 11), np.linspace(100, 260, 11)], -1)[None, None]
    thick = Trees(path, np.full((1, 1, 11), 6.0), np.zeros((1, 1), np.int64))
    thin = Trees(path, np.full((1, 1, 11), 0.5), np.zeros((1, 1), np.int64))
    assert coverage(thick, 128).sum() * 16 == pytest.approx(1200, rel=0.02)
    assert coverage(thin, 128).sum() * 16 == pytest.approx(0.7 * 4 * 200, rel=0.02)
    assert coverage(thin, 1024).sum() * 0.25 == pytest.approx(0.5 * 200, rel=0.02)
    assert not coverage(thick, 128, kind=1).any()


def test_thinning_out_takes_the_thinnest_and_keeps_the_share() -> None:
    trees = grow(
        [Draws(0, "toy", i) for i in range(4)], roots(4, 12.0), Growth(), np.zeros((4, GRID, GRID))
    )
    field = np.ones((4, 32, 32), bool)
    kept = thin_out(trees, field, np.full(4, 0.03), 8.0)
    assert ((coverage(kept, 128) > 0.3).mean((1, 2)) <= 0.03).all()
    for before, after in zip(trees.widths.max(2), kept.widths.max(2), strict=True):
        assert after.any()
        assert (before[(after == 0) & (before > 0)].max()) <= before[after > 0].min()
    np.testing.assert_array_equal(thin_out(trees, field, np.full(4, 9.0), 8.0).widths, trees.widths)


# ---- photographs


def test_an_eye_is_the_same_in_any_company_and_under_any_look() -> None:
    alone, other = module.draw_photographs([7]), module.draw_photographs([7], look=1)
    for key, value in alone.items():
        np.testing.assert_array_equal(value[0], drawn()[key][7])
    for key in ("mask", "vessel", "field"):
        np.testing.assert_array_equal(other[key], alone[key])
    assert (np.abs(other["image"].astype(int) - alone["image"]) > 8).mean() > 0.2
    assert (module.draw_photographs([7], seed=1)["mask"] != alone["mask"]).mean() > 0.03


def test_sizes() -> None:
    large, tiny = module.draw_photographs([7], size=256), module.draw_photographs([7], size=64)
    assert large["image"].shape == (1, 3, 256, 256)
    shrunk = large["field"].reshape(1, 128, 2, 128, 2).mean((2, 4)) > 0.5
    assert (shrunk == drawn()["field"][7]).mean() > 0.99
    disc = [np.argwhere(one >= 2).mean(0) for one in (large["mask"][0] * (large["mask"][0] < 4),)]
    here = np.argwhere(np.isin(drawn()["mask"][7], (2, 3))).mean(0)
    np.testing.assert_allclose((disc[0] + 0.5) / 2 - 0.5, here, atol=1.0)
    assert 0.08 < tiny["vessel"][tiny["field"] > 0].mean() < 0.14


def test_vessels_are_as_many_as_they_should_be() -> None:
    vessel, field = drawn()["vessel"].astype(bool), drawn()["field"].astype(bool)
    share = (vessel & field).sum((1, 2)) / field.sum((1, 2))
    assert share.min() >= 0.08
    assert share.max() <= 0.13
    assert not vessel[~field].any()
    assert (drawn()["mask"] == 1)[~vessel].sum() == 0
    hidden = vessel & (drawn()["mask"] != 1)
    assert np.isin(drawn()["mask"][hidden], (2, 3)).all()  # only disc and cup lie over vessels


def test_field_disc_cup_lesions_and_sides() -> None:
    mask, field, image = (drawn()[key] for key in ("mask", "field", "image"))
    assert mask.max() == 4
    assert not mask[field == 0].any()
    seen = (image > 20).any(1)
    assert ((seen & (field > 0)).sum((1, 2)) / (seen | (field > 0)).sum((1, 2))).min() > 0.9
    away = np.hypot(*np.meshgrid(*[np.arange(128) - 63.5] * 2))
    assert not field[:, away > 65].any()
    assert field[:, away < 45].all()
    for number in range(COUNT):
        disc = np.argwhere(np.isin(mask[number], (2, 3)))
        assert 90 < len(disc) < 400
        assert (disc[:, 1].mean() > 64) == (number % 2 == 0)  # right eyes have it on the right
        cup = (mask[number] == 3).sum()
        assert 0.05 < cup / len(disc) < 0.6
    sick = (mask == 4).any((1, 2)).mean()
    assert 0.4 < sick < 0.9


def test_colours_what_is_dark_and_what_is_bright() -> None:
    image, mask, field = (drawn()[key] for key in ("image", "mask", "field"))
    green = image[:, 1].astype(float)
    ground = np.asarray(
        [np.median(g[(m == 0) & (f > 0)]) for g, m, f in zip(green, mask, field, strict=True)]
    )

    def tone(value: int) -> float:
        """How much brighter in green than the ground."""
        here = [n for n in range(COUNT) if (mask[n] == value).any()]
        return float(np.mean([green[n][mask[n] == value].mean() - ground[n] for n in here]))

    assert tone(module.VESSEL) < -5
    assert min(tone(value) for value in (module.DISC, module.CUP, module.LESION)) > 15
    ground_colour = np.median(image.transpose(0, 2, 3, 1)[(mask == 0) & (field > 0)], 0)
    assert ground_colour[0] > 1.3 * ground_colour[1] > 1.3 * ground_colour[2]
    assert ground.std() > 8  # photographs differ
    scene = module.draw_scene(range(6), 0, 128)
    assert (scene.vein.sum((1, 2)) > scene.artery.sum((1, 2))).mean() > 0.5
    assert scene.dark.max() == 1
    assert (scene.dark != scene.bright).any()


def test_dice_curves_by_hand() -> None:
    scores = np.asarray([[[9, 5], [5, 0]], [[1, 2], [3, 4]]], np.uint8)
    truth = np.asarray([[[True, True], [False, False]], [[False, False], [False, True]]])
    field = np.asarray([[[True, True], [True, True]], [[True, True], [True, False]]])
    curve = module.dice_curves(scores, truth, field)
    np.testing.assert_allclose(
        curve[0, [0, 1, 5, 6, 9, 10]], [4 / 6, 4 / 5, 4 / 5, 2 / 3, 2 / 3, 0]
    )
    np.testing.assert_allclose(curve[1], 0)  # its only vessel is outside the field


def test_trivial_predictors_stay_far_below(small: PixelSet) -> None:
    found = module.trivial_dice(small, np.asarray(small.extra["vessel"]).astype(bool))
    assert 0.15 < found["position"] < 0.3
    assert 0.15 < found["green"] < 0.35
    assert found["green"] + 0.1 < found["local contrast"] < 0.65
    labelled = module.trivial_dice(small, (small.masks == 1).numpy())
    assert max(labelled["position"], labelled["green"]) < 0.35


# ---- the set


def test_the_set_is_split_by_person_and_drawn_once(small: PixelSet, tmp_path: Path) -> None:
    again = module.fundus(cache=tmp_path, split_seed=1)
    assert {name: len(index) for name, index in small.splits.items()} == {
        "unlabelled": 24,
        "train": 24,
        "val": 4,
        "test": 12,
    }
    assert small.groups is not None
    people = [set(small.groups[small.splits[split]].tolist()) for split in ("train", "val", "test")]
    assert sum(map(len, people)) == COUNT // 2 == len(set.union(*people))
    assert torch.equal(small.images, again.images)
    assert small.splits["test"].tolist() != again.splits["test"].tolist()
    assert (small.background, small.class_names, small.size) == (
        0,
        get_info("fundus").classes,
        (128, 128),
    )
    assert {key: tuple(maps.shape) for key, maps in small.extra.items()} == {
        "field": (40, 128, 128),
        "vessel": (40, 128, 128),
        "prior": (6, 128, 128),
    }
    assert all(maps.dtype == torch.uint8 and int(maps.max()) == 1 for maps in small.extra.values())
    assert small.palette.unique(dim=0).shape == (5, 3)
    assert small.summary()["classes"] == 5


def test_the_entry_says_that_no_number_compares() -> None:
    info = get_info("fundus")
    assert info.kind == "synthetic"
    assert "Surrogate data" in info.notes
    assert len(info.fingerprint()) == 64
    assert {"fundus", "vessel_trees"} <= {path.stem for path in info.meaning().files}


# ---- masks of another imaging style


def test_shapes_have_their_share_and_no_eye_in_them() -> None:
    shapes = vessel_shapes(24)
    assert shapes.dtype == np.uint8
    assert np.unique(shapes).tolist() == [0, 1]
    share = shapes.mean((1, 2))
    assert share.min() > 0.03
    assert share.max() < 0.11
    assert share[::2].mean() > 1.3 * share[1::2].mean()
    np.testing.assert_array_equal(vessel_shapes(3), shapes[:3])
    assert (vessel_shapes(2, seed=1) != shapes[:2]).mean() > 0.05
    assert vessel_shapes(1, size=48).shape == (1, 48, 48)
    eyes = drawn()["vessel"][:24].astype(float).reshape(24, -1)
    dice = 2 * (eyes @ shapes.reshape(24, -1).T) / (eyes.sum(1)[:, None] + shapes.sum((1, 2)))
    assert dice.max() < 0.35  # no shape is an eye's


def save(path: Path, array: NDArray[np.uint8]) -> None:
    Image.fromarray(array).save(path)


def test_reading_a_folder_of_masks(tmp_path: Path) -> None:
    shapes = vessel_shapes(4, size=32)
    save(tmp_path / "b.png", 255 * shapes[0])
    save(tmp_path / "a.TIF", shapes[1])
    save(tmp_path / "c.tiff", np.repeat(255 * shapes[2][..., None], 3, -1))
    Image.fromarray(shapes[3] > 0).save(tmp_path / "d.png")
    (tmp_path / "readme.txt").write_text("not a mask")
    read = read_shapes(tmp_path, 32)
    assert read.dtype == torch.uint8
    np.testing.assert_array_equal(read.numpy(), shapes[[1, 0, 2, 3]])
    half = np.zeros((8, 4), np.uint8)
    half[:, :2] = 9
    (tmp_path / "other").mkdir()
    save(tmp_path / "other" / "x.png", half)
    assert read_shapes(str(tmp_path / "other"), 4)[0].tolist() == [[1, 1, 0, 0]] * 4


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("grey.png", [[0, 3], [7, 255]], r"grey\.png: not binary: 4 values \(0, 3, 7, 255\)"),
        (
            "two.png",
            [[3, 3], [7, 7]],
            r"two\.png: not binary: 2 values \(3, 7\), expected 0 and one other",
        ),
        ("black.tif", [[0, 0], [0, 0]], r"black\.tif: the mask is empty"),
        ("white.png", [[255, 255], [255, 255]], r"white\.png: the mask is foreground everywhere"),
        (
            "red.png",
            [[[0, 0, 0], [255, 0, 0]]],
            r"red\.png: not binary: the pixel at \(y, x\) = \(0, 1\) has the colour \(255, 0, 0\)",
        ),
    ],
)
def test_masks_that_are_none(
    tmp_path: Path, name: str, values: list[list[int]], message: str
) -> None:
    save(tmp_path / name, np.asarray(values, np.uint8))
    with pytest.raises(PixelError, match=message):
        read_shapes(tmp_path, 16)


def test_folders_that_hold_none(tmp_path: Path) -> None:
    with pytest.raises(PixelError, match="no such folder"):
        read_shapes(tmp_path / "absent", 16)
    with pytest.raises(PixelError, match=r"holds no mask, expected files that end on \.png"):
        read_shapes(tmp_path, 16)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(PixelError, match=r"broken\.png: the mask cannot be read as an image"):
        read_shapes(tmp_path, 16)
    speck = np.zeros((64, 64), np.uint8)
    speck[3, 3] = 255
    save(tmp_path / "broken.png", speck)
    with pytest.raises(PixelError, match="nothing of the mask is left at 4 x 4 pixels"):
        read_shapes(tmp_path, 4)
    with pytest.raises(PixelError, match="masks of 0 pixels"):
        read_shapes(tmp_path, 0)
