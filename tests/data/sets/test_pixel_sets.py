"""Sets of images with a class at every pixel: what is refused, label budgets, colours of
classes."""

import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pixcl_bench.data.info import DatasetInfo
from pixcl_bench.data.sets.pixels import (
    IGNORE,
    PixelError,
    PixelSet,
    class_pixels,
    classes_shown,
    decode_colours,
    encode_colours,
    labelled_subset,
    make_pixel_set,
)

INFO = DatasetInfo(
    name="toy",
    kind="synthetic",
    title="noise",
    licence="none",
    citation="none",
    size="20 images",
    classes=("ground", "disc", "square"),
    split_rule="by hand",
    loader="pixcl_bench.data.sets.pixels:make_pixel_set",
    image_size=None,
)
SPLITS = {"unlabelled": range(14), "train": range(4, 14), "val": [14, 15], "test": range(16, 20)}
CODES = {(255, 0, 0): 0, (0, 255, 0): 1, (0, 0, 255): 2, (0, 0, 0): IGNORE}


def parts(**changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 3, (20, 8, 12)).astype(np.uint8)
    masks[:, :, 0] = IGNORE
    made = {
        "images": rng.integers(0, 256, (20, 3, 8, 12)).astype(np.uint8),
        "masks": masks,
        "splits": SPLITS,
        "palette": [(255, 0, 0), (0, 255, 0), (0, 0, 255)],
        "groups": np.repeat(range(10), 2),
        "background": 0,
    }
    return made | changes


def toy(**changes: Any) -> PixelSet:
    return make_pixel_set(INFO, **parts(**changes))


def with_pixel(value: int) -> np.ndarray:
    masks: np.ndarray = parts()["masks"]
    masks[9, 3, 5] = value
    return masks


def test_a_set_knows_its_parts() -> None:
    data, given = toy(split_seed=3), parts()
    assert (data.size, data.num_classes, data.background) == ((8, 12), 3, 0)
    np.testing.assert_allclose(data.mean, given["images"][:14].mean((0, 2, 3)) / 255, atol=1e-9)
    np.testing.assert_allclose(data.std, given["images"][:14].std((0, 2, 3)) / 255, atol=1e-9)
    assert class_pixels(data, "test").tolist() == [
        (given["masks"][16:] == k).sum() for k in range(3)
    ]
    facts = json.loads(json.dumps(data.summary()))
    assert (facts["split_seed"], facts["train"], facts["image_size"]) == (3, 10, [8, 12])
    assert facts["fingerprint"] == INFO.fingerprint()
    with pytest.raises(
        PixelError, match=r"toy: there is no split 'tset', there are unlabelled, train"
    ):
        class_pixels(data, "tset")


def test_one_channel_has_its_statistics_three_times() -> None:
    data = toy(images=parts()["images"][:, 1:2])
    # Sums over three channels at once may be added in another order than over one: the last bit.
    assert data.mean == pytest.approx((toy().mean[1],) * 3, rel=1e-12)
    assert data.std == pytest.approx((toy().std[1],) * 3, rel=1e-12)


def test_a_memory_map_is_not_read_into_memory(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", parts()["images"])
    mapped = np.load(tmp_path / "images.npy", mmap_mode="c")
    data = toy(images=mapped)
    assert data.images.data_ptr() == mapped.ctypes.data
    assert data.mean == toy().mean


def test_unlabelled_images_have_ignored_masks_and_val_may_be_empty() -> None:
    masks = parts()["masks"]
    masks[:4] = IGNORE
    data = toy(masks=masks, splits=SPLITS | {"val": []})
    assert class_pixels(data, "val").tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"masks": parts()["masks"][:, :, :11]},
            "toy: images of 8 x 12 but masks of 8 x 11 (height x width)",
        ),
        ({"masks": parts()["masks"][:19]}, "toy: 20 images but 19 masks"),
        (
            {"masks": with_pixel(3)},
            "toy: mask 9 has class 3 at (y, x) = (3, 5) and 0 more such pixels",
        ),
        (
            {"masks": with_pixel(254)},
            "class 254 at (y, x) = (3, 5) and 0 more such pixels; allowed are 0..2 and 255",
        ),
        ({"masks": parts()["masks"].astype(np.int64)}, "masks are torch.int64"),
        (
            {"images": parts()["images"].astype(np.float32)},
            "images are torch.float32 of shape (20, 3, 8, 12)",
        ),
        ({"images": parts()["images"][:, :2]}, "expected torch.uint8 of shape (n, 3 or 1, h, w)"),
        ({"images": parts()["images"][0]}, "images are torch.uint8 of shape (3, 8, 12)"),
        (
            {"palette": [(1, 2, 3)]},
            "palette is torch.uint8 of shape (1, 3), expected torch.uint8 of shape (3, 3)",
        ),
        ({"palette": [(1, 2, 3), (4, 5, 6), (7, 8, 256)]}, "toy: the palette holds 1..256"),
        ({"background": 3}, "toy: background is class 3, allowed are 0..2"),
        ({"class_names": ("a", "a", "b")}, "the names of the classes must be 2..254, each once"),
        (
            {"splits": SPLITS | {"val": [4]}},
            "toy: splits 'unlabelled' and 'val' share 1 item(s), the first is 4",
        ),
        (
            {"splits": SPLITS | {"val": [16]}},
            "toy: splits 'val' and 'test' share 1 item(s), the first is 16",
        ),
        (
            {"splits": SPLITS | {"unlabelled": range(13), "train": [4], "val": [13]}},
            "toy: splits 'unlabelled' and 'val' share 1 group(s), the first is 6",
        ),
        ({"splits": SPLITS | {"test": [20]}}, "split 'test' holds index 20, allowed 0..19"),
        ({"splits": SPLITS | {"test": []}}, "toy: split 'test' is empty"),
        ({"splits": SPLITS | {"unlabelled": []}}, "toy: split 'unlabelled' is empty"),
        (
            {"splits": {"train": [0], "test": [1]}},
            "splits are ['test', 'train'], expected at least",
        ),
        (
            {"groups": [1, 2]},
            "groups are torch.int64 of shape (2,), expected torch.int64 of shape (20,)",
        ),
        (
            {"extra": {"prior": np.zeros((3, 8, 8))}},
            "extra 'prior' is of shape (3, 8, 8), the 20 images are of 8 x 12",
        ),
        ({"extra": {"field": np.zeros((3, 8, 12))}}, "extra 'field' is of shape (3, 8, 12)"),
        (
            {"extra": {"prior": np.full((1, 8, 12), np.inf)}},
            "extra 'prior' holds 96 values that are not finite",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PixelError) as caught:
        toy(**changes)
    assert message in str(caught.value)


def test_statistics_must_be_numbers() -> None:
    data = toy()
    for mean, std in (
        ((0.5,), (0.1,) * 3),
        ((math.nan, 0.5, 0.5), (0.1,) * 3),
        ((0.5,) * 3, (0.1, 0.0, 0.1)),
    ):
        with pytest.raises(PixelError, match="expected three finite numbers each, std above 0"):
            replace(data, mean=mean, std=std)


def many(count: int) -> PixelSet:
    images = torch.zeros(1, 1, 2, 2, dtype=torch.uint8).expand(count + 2, -1, -1, -1)
    splits = {
        "unlabelled": range(count),
        "train": range(count),
        "val": [count],
        "test": [count + 1],
    }
    masks = torch.zeros(1, 2, 2, dtype=torch.uint8).expand(count + 2, -1, -1)
    return make_pixel_set(
        INFO, images=images, masks=masks, splits=splits, palette=parts()["palette"]
    )


@pytest.mark.parametrize(("count", "tiles"), [(13_824, 138), (18_496, 184), (21_856, 218)])
def test_one_percent_of_the_published_sets(count: int, tiles: int) -> None:
    assert len(labelled_subset(many(count), 0.01, seed=0)) == tiles


def test_budgets_are_nested_and_depend_on_the_seed_alone() -> None:
    data = many(200)
    ten, five, one = (
        labelled_subset(data, fraction, seed=1).tolist() for fraction in (0.1, 0.05, 0.01)
    )
    assert (len(ten), len(five), len(one)) == (20, 10, 2)
    assert ten[:10] == five
    assert five[:2] == one
    assert sorted(labelled_subset(data, 1.0, seed=1).tolist()) == list(range(200))
    assert labelled_subset(data, 0.1, seed=1).tolist() == ten
    assert labelled_subset(data, 0.1, seed=2).tolist() != ten
    shuffled = toy(splits=SPLITS | {"train": list(range(13, 3, -1))})
    assert (
        labelled_subset(shuffled, 0.3, seed=0).tolist()
        == labelled_subset(toy(), 0.3, seed=0).tolist()
    )


@pytest.mark.parametrize("count", [1, 7, 10, 64, 99, 100, 640])
def test_an_empty_budget_names_one_that_is_not(count: int) -> None:
    data = many(count)
    message = rf"toy: label budget 0\.0001 is empty: it is no image of {count} in train"
    with pytest.raises(PixelError, match=message) as caught:
        labelled_subset(data, 0.0001, seed=0)
    least = float(str(caught.value).rpartition(" ")[2])
    assert len(labelled_subset(data, least, seed=0)) == 1
    assert math.floor(Fraction(str(least)) * 0.98 * count) == 0


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.5, math.nan, math.inf])
def test_a_budget_is_a_fraction(fraction: float) -> None:
    with pytest.raises(PixelError, match="is no fraction, allowed are numbers above 0 and up to 1"):
        labelled_subset(toy(), fraction, seed=0)


def test_fractions_are_the_numbers_that_are_written() -> None:
    assert math.floor(0.29 * 100) == 28
    assert len(labelled_subset(many(100), 0.29, seed=0)) == 29


def shows(*classes: set[int], names: int = 5) -> PixelSet:
    """A set whose training images show these classes, each at one pixel; all else is ignored."""
    train = len(classes)
    masks = np.full((train + 2, 4, 6), IGNORE, np.uint8)
    for i, found in enumerate(classes):
        for k in found:
            # 5 and 24 share no factor: each class has its pixel
            masks[i].flat[(7 * i + 5 * k) % 24] = k
    return make_pixel_set(
        INFO,
        images=np.zeros((train + 2, 3, 4, 6), np.uint8),
        masks=masks,
        splits={
            "unlabelled": range(train),
            "train": range(train),
            "val": [train],
            "test": [train + 1],
        },
        palette=[(k, k, k) for k in range(names)],
        class_names=[f"class {k}" for k in range(names)],
    )


def stratified(data: PixelSet, fraction: float, seed: int = 0) -> list[int]:
    return labelled_subset(data, fraction, seed=seed, rule="stratified").tolist()


def test_which_classes_an_image_shows() -> None:
    rng = np.random.default_rng(1)
    classes = [set(np.flatnonzero(rng.random(5) < 0.4).tolist()) for _ in range(300)]
    shown = classes_shown(shows(*classes), torch.arange(300))
    assert [set(row.nonzero()[:, 0].tolist()) for row in shown] == classes
    back = classes_shown(shows(*classes), torch.arange(299, -1, -1))
    assert torch.equal(back, shown.flip(0))
    assert tuple(classes_shown(shows({0}), torch.empty(0, dtype=torch.int64)).shape) == (0, 5)


@pytest.mark.parametrize("trial", range(8))
def test_a_stratified_draw_shows_every_class_and_is_as_large(trial: int) -> None:
    rng = np.random.default_rng(trial)
    often = rng.choice([0.03, 0.1, 0.5, 0.95], 5)
    classes = [set(np.flatnonzero(rng.random(5) < often).tolist()) for _ in range(100)]
    classes[int(rng.integers(100))].add(trial % 5)
    data = shows(*classes)
    there = set().union(*classes)
    for fraction in (0.05, 0.07, 0.1, 0.5):
        for seed in range(5):
            drawn = stratified(data, fraction, seed)
            assert len(set(drawn)) == len(drawn) == round(100 * fraction)
            assert set().union(*(classes[i] for i in drawn)) == there
            assert drawn == stratified(data, fraction, seed)


def test_a_class_that_one_image_shows_is_met_whatever_the_seed() -> None:
    data = shows(*({1} if i == 37 else {0} for i in range(100)))
    assert all(37 in stratified(data, 0.02, seed) for seed in range(50))
    plain = sum(37 in labelled_subset(data, 0.02, seed=seed) for seed in range(50))
    assert plain < 10
    assert stratified(data, 0.5, 0) != stratified(data, 0.5, 1)


def test_with_too_few_places_the_rarest_are_shown() -> None:
    data = shows({0}, {0}, {0, 1}, {0}, {0, 1}, {0, 2}, {0}, {0, 1}, {0, 3}, {0, 3})
    assert stratified(data, 0.1) == [5]
    for seed in range(20):
        two, three = set(stratified(data, 0.2, seed)), set(stratified(data, 0.3, seed))
        assert 5 in two & three
        assert two & {8, 9}
        assert three & {8, 9}
        assert three & {2, 4, 7}


def test_where_every_class_is_everywhere_a_stratified_draw_is_uniform() -> None:
    data, counts, pairs = (
        shows(*({0, 1, 2, 3, 4} for _ in range(20))),
        np.zeros(20),
        np.zeros((20, 20)),
    )
    for seed in range(600):
        drawn = stratified(data, 0.25, seed)
        counts[drawn] += 1
        pairs[np.ix_(drawn, drawn)] += 1
    assert abs(counts - 150).max() < 4.5 * math.sqrt(600 * 0.25 * 0.75)
    chance = (5 * 4) / (20 * 19)
    other = pairs[~np.eye(20, dtype=bool)]
    assert abs(other - 600 * chance).max() < 4.5 * math.sqrt(600 * chance * (1 - chance))


def test_the_image_of_a_rare_class_is_any_of_those_that_show_it() -> None:
    data = shows(*({0, 1} if i in (3, 4, 11, 18) else {0} for i in range(20)))
    first = [stratified(data, 0.05, seed)[0] for seed in range(400)]
    assert set(first) == {3, 4, 11, 18}
    assert all(60 < first.count(i) < 140 for i in (3, 4, 11, 18))


def test_masks_that_show_nothing_are_drawn_as_many() -> None:
    data = shows(*(set() for _ in range(40)))
    assert not classes_shown(data, data.splits["train"]).any()
    assert stratified(data, 0.25, 3) == labelled_subset(data, 0.25, seed=3).tolist()
    assert len(stratified(data, 0.025)) == 1


def test_all_labels_are_the_same_images_in_the_same_order() -> None:
    data = shows(*({i % 3} for i in range(30)))
    assert stratified(data, 1.0, 2) == labelled_subset(data, 1.0, seed=2).tolist()


def test_stratified_budgets_are_refused_like_the_others() -> None:
    data = shows({0}, {1}, {2})
    with pytest.raises(
        PixelError, match=r"label budget 0\.1 is empty: it is no image of 3 in train"
    ):
        stratified(data, 0.1)
    with pytest.raises(PixelError, match="is no fraction"):
        stratified(data, 1.5)


def test_colours_go_both_ways() -> None:
    mask = parts()["masks"][0]
    coloured = encode_colours(mask, CODES)
    assert coloured.shape == (8, 12, 3)
    np.testing.assert_array_equal(decode_colours(coloured, CODES, where="m.png"), mask)
    np.testing.assert_array_equal(encode_colours(torch.from_numpy(mask), toy().palette), coloured)
    every = {(i, 255 - i, 7): i for i in range(255)} | {(0, 0, 0): IGNORE}
    ramp = np.arange(256, dtype=np.uint8)[None]
    np.testing.assert_array_equal(
        decode_colours(encode_colours(ramp, every), every, where="m.png"), ramp
    )


def test_a_strange_colour_is_refused_or_ignored() -> None:
    mask = parts()["masks"][0]
    coloured = encode_colours(mask, CODES)
    coloured[2, 4], coloured[7, 11] = (250, 10, 0), (0, 0, 250)
    message = (
        r"area_3\.tif: colour \(250, 10, 0\) at \(y, x\) = \(2, 4\) is not in the palette, "
        r"nor are 1 more pixels; "
        r"the nearest colour is \(255, 0, 0\) \(class 0\)"
    )
    with pytest.raises(PixelError, match=message):
        decode_colours(coloured, CODES, where="area_3.tif")
    found = decode_colours(coloured, CODES, unknown="ignore", where="area_3.tif")
    mask[2, 4] = mask[7, 11] = IGNORE
    np.testing.assert_array_equal(found, mask)


def test_what_is_no_coloured_mask_is_refused() -> None:
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)):
        with pytest.raises(PixelError, match=r"a\.png: the coloured mask is uint8 of shape"):
            decode_colours(wrong, CODES, where="a.png")
    with pytest.raises(PixelError, match="class 7 has no colour, the palette has 3"):
        encode_colours(np.array([[0, 7]], np.uint8), toy().palette)
