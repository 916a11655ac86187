"""Slices with captions and drawings with names: records are true, splits share no group."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pixcl_bench.data.catalogue import load
from pixcl_bench.data.embedded.emoji_text import read_records, single
from pixcl_bench.data.embedded.slice_captions import (
    LEVELS,
    level_of,
    shares,
    side_of,
    slice_record,
)
from pixcl_bench.data.sets.captions import SYNONYMS, SliceCaptions
from pixcl_bench.data.sets.pairs import PairSet, key_numbers
from pixcl_bench.runtime import generator

NAMES = ("background", "lungs", "liver", "spleen", "stomach", "aorta")


@pytest.fixture(scope="module")
def slices() -> PairSet:
    found = load("slice-captions")
    assert isinstance(found, PairSet)
    return found


# ---- records from label maps


def label_map() -> torch.Tensor:
    label = torch.zeros(100, 100, dtype=torch.uint8)
    label[10:40, 5:35] = 2  # liver: 9 %
    label[10:20, 70:90] = 3  # spleen: 2 %
    label[50:60, 45:55] = 5  # aorta, which is not named
    label[0, :29] = 1  # 29 pixels of lungs: just too few
    return label


def test_a_record_says_what_the_map_holds() -> None:
    label = label_map()
    found = shares(label, NAMES)
    assert found["liver"] == 0.09
    assert "lungs" not in found
    record = slice_record("torso", label, NAMES)
    assert record == {
        "modality": "CT",
        "plane": "axial",
        "level": "upper abdomen",
        "organs": "liver;spleen",
        "largest": "liver",
        "side": "liver on the left;spleen on the right",
    }
    label[0, 29] = 1
    assert slice_record("torso", label, NAMES)["level"] == "lower chest"
    empty = slice_record("torso", torch.zeros(9, 9, dtype=torch.uint8), NAMES)
    assert (empty["organs"], empty["largest"], empty["side"]) == ("", "", "")
    assert SliceCaptions().canonical(empty) == "axial CT slice, at the level of the hips."


def test_a_mirror_swaps_sides_alone() -> None:
    label = label_map()
    one, two = (slice_record("torso", view, NAMES) for view in (label, label.flip(1)))
    assert {key for key in one if one[key] != two[key]} == {"side"}
    assert two["side"] == "liver on the right;spleen on the left"
    middle = torch.zeros(8, 32, dtype=torch.bool)
    middle[:, 14:18] = True
    assert side_of(middle) == ""
    assert side_of(middle.roll(-2, 1)) == "left"
    assert side_of(middle.roll(2, 1)) == "right"


def test_every_slice_has_a_level() -> None:
    for volume, rules in LEVELS.items():
        assert rules[-1][1] == frozenset()
        for level, organs in rules:
            assert level_of(volume, sorted(organs)) == level


def test_synonyms_are_drawn_and_never_in_keys() -> None:
    captions, record = SliceCaptions(), slice_record("torso", label_map(), NAMES)
    texts = [captions.paraphrase(record, generator(0, "synonyms", i)) for i in range(300)]
    assert any("hepatic tissue" in text for text in texts)
    assert any("liver" in text for text in texts)
    assert not any(synonym in captions.key(record) for synonym in SYNONYMS.values())


def test_the_slices_keep_the_slabs_of_the_volumes(slices: PairSet) -> None:
    assert [len(slices.splits[split]) for split in ("train", "val", "test")] == [148, 68, 80]
    assert len(set(slices.groups)) == 14 + 16
    mirrored = [i for i, name in enumerate(slices.ids) if name.endswith("-mirrored")]
    assert len(mirrored) == 84
    pixels = next(slices.images.batches([torch.arange(len(slices))], "cpu"))
    for i in mirrored[::9]:
        torch.testing.assert_close(pixels[i], pixels[i - 1].flip(-1))
        assert slices.groups[i] == slices.groups[i - 1]
    values = [slices.captioner.values(record) for record in slices.records]
    assert {value["modality"] for value in values} == {"CT", "MR"}
    known = {value["organs"] for value in values if "organs" in value}
    assert len(known) > 20


# ---- emoji


def test_emoji_records_follow_the_codes(tmp_path: Path) -> None:
    rows = [
        {"unified": "1", "name": "ONE", "short_names": ["one", "uno"], "category": "Symbols"},
        {"unified": "2", "name": "TWO", "short_names": ["two"], "category": "Objects"},
    ]
    path = tmp_path / "names.json"
    path.write_text(json.dumps(rows))
    found = read_records(path, ["2", "1"])
    assert found[1] == {"name": "one", "short_names": "one;uno", "category": "Symbols"}
    with pytest.raises(ValueError, match=r"names\.json: there is no emoji '3'"):
        read_records(path, ["3"])
    assert single(np.array([0, 2, 0, 5])).tolist() == [False, True, False, True]


def test_emoji_have_two_styles_of_held_out_concepts() -> None:
    data = load("emoji-text")
    assert isinstance(data, PairSet)
    numbers = key_numbers(data)
    assert len(numbers.unique()) == 1629
    assert set(numbers.bincount().tolist()) == {1, 2}
    train, test = (set(numbers[data.splits[split]].tolist()) for split in ("train", "test"))
    assert not train & test
    styles = [name.rpartition("-")[2] for name in data.ids]
    assert styles.count("colour") == 1629
    pixels = next(data.images.batches([torch.arange(len(data))], "cpu"))
    assert (
        pixels.flatten(1).max(1).values > pixels.flatten(1).min(1).values
    ).all()  # none is empty
    lines = torch.tensor([style == "lines" for style in styles])
    assert (pixels[lines] == pixels[lines][:, :1]).all()  # black, grey and white
    assert pixels[lines].flatten(1).unique(dim=0).shape[0] == int(lines.sum())
