"""Drawn towns: streets, things that stand over each other, one sun, tiles; nothing trivial solves
them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pixcl_bench.data.synthetic import aerial as module
from pixcl_bench.data.synthetic.aerial import aerial, cut_tiles, draw_scene, greys, roof_colours
from pixcl_bench.data.synthetic.aerial_canvas import (
    BUILDING,
    CAR,
    IMPERVIOUS,
    SIDE,
    Canvas,
    cast,
    draw_streets,
    windows,
)
from pixcl_bench.data.synthetic.phantom import Draws

SCENES = 6


@pytest.fixture(scope="module")
def scenes() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images, masks = zip(*(draw_scene(number) for number in range(SCENES)), strict=True)
    return np.stack(images), np.stack(masks)


def test_street_coordinates_come_back() -> None:
    rng = np.random.default_rng(0)
    for number in range(5):
        streets = draw_streets(Draws(0, "test", number))
        y, x = rng.uniform(0, SIDE, (2, 50))
        np.testing.assert_allclose(streets.place(*streets.frame(y, x)), np.stack([y, x], -1))
        at = streets.along[:, 0]
        assert (np.diff(at) >= 100).all()
        assert (np.diff(streets.across[:, 0]) >= 170).all()


def test_the_highest_is_seen_whatever_the_order() -> None:
    middle, turn = np.asarray([[100.0, 100], [104, 100], [3, 380]]), np.zeros(3)
    pixel, a, b = windows(middle, turn, 10)
    cover = (np.abs(a) < 6) & (np.abs(b) < 6)
    height = np.stack([np.full_like(a[0], h) for h in (5.0, 9.0, 2.0)])
    colour = np.ones_like(a)[..., None] * np.asarray([[[[0.1]]], [[[0.5]]], [[[0.9]]]])
    seen = []
    for order in ([0, 1, 2], [2, 1, 0]):
        canvas = Canvas(Draws(0, "test"))
        for part in (order, *([one] for one in order)):  # together, then one by one again
            canvas.stand(pixel[part], cover[part], height[part], colour[part], BUILDING)
        seen.append(canvas)
    assert np.array_equal(seen[0].height, seen[1].height)
    assert np.array_equal(seen[0].colour, seen[1].colour)
    assert seen[0].height[100, 100] == 9
    assert seen[0].height[95, 100] == 5
    assert seen[0].colour[3, 380, 0] == 0.9
    assert (seen[0].height > 0).sum() == (seen[0].label == BUILDING).sum() > 11 * 15 + 50


@pytest.mark.parametrize(
    ("towards", "step"),
    [(0.0, (0, -1)), (np.pi / 2, (-1, 0)), (np.pi, (0, 1)), (np.pi / 4, (-1, -1))],
)
def test_shadows_fall_away_from_the_sun_as_long_as_they_must(
    towards: float, step: tuple[int, int]
) -> None:
    height = np.zeros((61, 61))
    height[30, 30] = 10.3
    dark = np.argwhere(cast(height, towards, np.pi / 4)) - 30
    assert np.array_equal(np.sign(dark), np.broadcast_to(step, dark.shape))
    assert np.linalg.norm(dark, axis=1).max() == pytest.approx(10, abs=0.8)
    assert not cast(np.zeros((9, 9)), 1.0, 0.5).any()


def test_a_scene_is_the_same_for_ever_and_light_is_not_the_town(
    scenes: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    images, masks = scenes
    image, mask = draw_scene(4)
    assert np.array_equal(image, images[4])
    assert np.array_equal(mask, masks[4])
    other, same = draw_scene(4, look=1)
    assert np.array_equal(same, mask)
    assert (other != image).mean() > 0.9
    assert (draw_scene(4, seed=1)[1] != mask).mean() > 0.3


def test_every_class_is_there_and_cars_are_small(
    scenes: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    images, masks = scenes
    share = np.bincount(masks.ravel(), minlength=6) / masks.size
    assert images.dtype == masks.dtype == np.uint8
    assert len(share) == 6
    assert 0.005 < share[CAR] < 0.02
    assert (share > 0.005).all()
    assert share.max() < 0.5
    assert all(len(np.unique(mask)) == 6 for mask in masks)
    brightness = images.mean((1, 2, 3))
    assert brightness.std() > 5  # light differs from scene to scene


def test_grey_roofs_have_the_grey_of_streets() -> None:
    streets, roofs = greys(Draws(0, "a"), 3000), roof_colours(Draws(0, "b"), np.zeros(3000))
    grey = np.isclose(roofs.max(1), roofs.min(1), rtol=0.06) & (roofs.mean(1) < 0.53)
    assert grey.mean() > 0.5
    assert abs(roofs[grey].mean() - streets.mean()) < 0.01
    assert abs(roofs[grey].std() - streets.std()) < 0.01


def test_nearest_mean_colour_and_position_stay_far_below(
    scenes: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    images, masks = scenes
    train, test = slice(0, 4), slice(4, SCENES)
    means = np.stack([images[train][masks[train] == k].mean(0) for k in range(6)])
    nearest = np.stack([np.square(images[test] - mean).sum(-1) for mean in means]).argmin(0)
    majority = np.full_like(nearest, np.bincount(masks[train].ravel()).argmax())
    assert miou(majority, masks[test]) < 0.12
    assert miou(nearest, masks[test]) < 0.3
    place = (
        np.stack([cut_tiles(masks[train][:, None], 64)[:, 0] == k for k in range(6)])
        .sum(1)
        .argmax(0)
    )
    truth = cut_tiles(masks[test][:, None], 64)[:, 0]
    assert miou(np.broadcast_to(place, truth.shape), truth) < 0.15
    # no gap to use
    flat = [images[train][masks[train] == k].mean(-1).mean() for k in (IMPERVIOUS, BUILDING)]
    assert abs(flat[0] - flat[1]) < 25


def miou(pred: NDArray, truth: NDArray) -> float:
    counts = np.bincount(truth.ravel().astype(int) * 6 + pred.ravel(), minlength=36).reshape(6, 6)
    return float((np.diag(counts) / (counts.sum(0) + counts.sum(1) - np.diag(counts))).mean())


def test_tiles_cover_a_scene_once() -> None:
    counted = (np.arange(2 * 3 * 20 * 20) % 251).astype(np.uint8).reshape(2, 3, 20, 20)
    tiles = cut_tiles(counted, 5)
    assert tiles.shape == (32, 3, 5, 5)
    assert np.array_equal(tiles[16 + 4 * 2 + 3], counted[1, :, 10:15, 15:20])
    assert np.array_equal(cut_tiles(counted, 5, 2)[1], counted[0, :, 2:7, 7:12])
    assert cut_tiles(counted, 5, 2).shape[0] == 18
    with pytest.raises(ValueError, match="tiles of 21 pixels cannot be cut from scenes of 20"):
        cut_tiles(counted, 21)


def test_the_set_is_split_by_scene_and_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def quick(number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        drawn.append(number)
        rng = np.random.default_rng(number)
        return rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8), rng.integers(
            0, 6, (SIDE, SIDE), np.uint8
        )

    monkeypatch.setattr(module, "draw_scene", quick)
    data = aerial(cache=tmp_path)
    assert [len(data.splits[split]) for split in ("unlabelled", "train", "val", "test")] == [
        1220,
        720,
        252,
        360,
    ]
    assert data.background is None
    assert data.class_names[4] == "car"
    assert data.palette[3].tolist() == [0, 255, 0]
    assert data.groups is not None
    of = {split: set(data.groups[index].tolist()) for split, index in data.splits.items()}
    assert of["unlabelled"] == of["train"]
    assert not of["train"] & (of["val"] | of["test"])
    assert not of["val"] & of["test"]
    scene = torch.from_numpy(quick(5)[0][64:128, 128:192])
    assert torch.equal(data.images[5 * 36 + 8].permute(1, 2, 0), scene)
    calls = len(drawn)
    other = aerial(cache=tmp_path, split_seed=1, image_size=96)
    assert len(drawn) == calls
    assert other.size == (96, 96)
    assert len(other.splits["train"]) == 320
    assert set(other.groups[other.splits["test"]].tolist()) != of["test"]
    with pytest.raises(ValueError, match=r"side of a tile, 8\.\.192 pixels, got 4"):
        aerial(cache=tmp_path, image_size=4)
