"""The set `landcover`: patches as the maps have them, splits by blocks, every class on every
side."""

import numpy as np
import pytest
import torch

from pixcl_bench.data.catalogue import get_info, load
from pixcl_bench.data.embedded.landcover import WATER
from pixcl_bench.data.embedded.landcover_pixels import cut_patches, land_in_patches, landcover
from pixcl_bench.data.sets.pixels import (
    IGNORE,
    PixelSet,
    class_pixels,
    decode_colours,
    encode_colours,
    labelled_subset,
    palette_of,
)


@pytest.fixture(scope="module")
def data() -> PixelSet:
    return landcover()


def world() -> tuple[np.ndarray, np.ndarray]:
    """Two blocks: one all land, one with land in its right half."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (150, 300, 3)).astype(np.uint8)
    classes = rng.integers(0, WATER, (150, 300)).astype(np.uint8)
    classes[:, 150:225] = WATER
    return rgb, classes


def test_patches_are_windows_of_the_maps() -> None:
    rgb, classes = world()
    land = land_in_patches(classes)
    assert land.shape == (1, 2, 6, 6)
    assert (land[0, 0] == 64 * 64).all()
    assert land[0, 1, 0].tolist() == [64 * min(64, max(0, 64 + 16 * j - 75)) for j in range(6)]
    made = cut_patches(rgb, classes)
    expected = [(16 * i, 16 * j) for i in range(6) for j in range(6)]
    expected += [
        (16 * i, 150 + 16 * j) for i in range(6) for j in (3, 4, 5)
    ]  # half land: 11 + 21 columns or more
    assert sorted(map(tuple, made["corners"].tolist())) == sorted(expected)
    for image, mask, (y, x) in zip(made["images"], made["masks"], made["corners"], strict=True):
        np.testing.assert_array_equal(image, rgb[y : y + 64, x : x + 64].transpose(2, 0, 1))
        window = classes[y : y + 64, x : x + 64]
        np.testing.assert_array_equal(mask == IGNORE, window == WATER)
        np.testing.assert_array_equal(mask[mask != IGNORE], window[window != WATER])
    assert made["blocks"].tolist() == (made["corners"][:, 1] // 150).tolist()
    assert made["coarse"].tolist() == ((made["corners"] % 150 % 32) == 0).all(1).tolist()
    assert made["coarse"].sum() == 9 + 3


def test_blocks_never_meet(data: PixelSet) -> None:
    assert data.groups is not None
    blocks = {split: set(data.groups[index].tolist()) for split, index in data.splits.items()}
    assert blocks["train"] <= blocks["unlabelled"]
    assert not blocks["unlabelled"] & (blocks["val"] | blocks["test"])
    assert not blocks["val"] & blocks["test"]
    assert set(data.splits["train"].tolist()) <= set(data.splits["unlabelled"].tolist())


@pytest.mark.parametrize("seed", range(4))
def test_every_class_is_on_every_side(seed: int) -> None:
    data = landcover(split_seed=seed)
    sizes = {split: len(index) for split, index in data.splits.items()}
    assert sizes["train"] + sizes["val"] + sizes["test"] == 1342
    assert sizes["train"] >= 600
    assert sizes["unlabelled"] > 3 * sizes["train"]
    assert (class_pixels(data, "train") > 0).all()
    assert (class_pixels(data, "test") > 0).all()
    assert len(labelled_subset(data, 0.01, seed=0)) == sizes["train"] // 100


def test_what_the_set_says_of_itself(data: PixelSet) -> None:
    assert data.images.shape == (5387, 3, 64, 64)
    assert (data.masks != IGNORE).float().mean((1, 2)).min() >= 0.5
    assert data.fingerprint == get_info("landcover").fingerprint()
    assert (data.background, data.num_classes) == (None, 11)
    assert class_pixels(data, "train").sum() == (data.masks[data.splits["train"]] != IGNORE).sum()
    other = load("landcover", split_seed=1)
    assert isinstance(other, PixelSet)
    assert torch.equal(other.images[7], data.images[7])
    assert other.summary()["split_digest"] != data.summary()["split_digest"]


def test_the_colours_say_the_class(data: PixelSet) -> None:
    palette = palette_of(get_info("landcover"))
    codes = {colour: k for k, colour in enumerate(palette)} | {(0, 0, 0): IGNORE}
    assert len(codes) == 12
    mask = data.masks[data.splits["test"][0]].numpy()
    np.testing.assert_array_equal(
        decode_colours(encode_colours(mask, palette), codes, where="x"), mask
    )
