"""Pair sets and captions: what is refused and how, keys, words of every subset of fields."""

import re
from itertools import product
from typing import Any

import pytest
import torch

from pixcl_bench.data.info import DatasetInfo
from pixcl_bench.data.sets.captions import (
    CLINICAL_WORDS,
    CaptionError,
    ClinicalCaptions,
    FieldCaptions,
    NameCaptions,
    PlainCaptions,
    SliceCaptions,
    age_band,
    bone_loss_band,
    kept_fields,
    list_items,
)
from pixcl_bench.data.sets.images import TensorImages
from pixcl_bench.data.sets.pairs import (
    Captioner,
    PairError,
    key_numbers,
    make_pair_set,
    split_groups,
)
from pixcl_bench.runtime import generator

INFO = DatasetInfo(
    name="toy",
    kind="synthetic",
    title="toy",
    licence="none",
    citation="none",
    size="6 images",
    classes=(),
    split_rule="by hand",
    loader="pixcl_bench.data.sets.pairs:make_pair_set",
    image_size=4,
)
RECORDS: dict[type, dict[str, str]] = {
    ClinicalCaptions: {
        "age": "52",
        "sex": "female",
        "diagnosis": "periodontitis",
        "stage": "III",
        "grade": "B",
        "rbl_percent": "41",
        "arch": "lower",
        "region": "molar",
        "teeth": "36;37",
        "findings": "filling;lesion",
    },
    NameCaptions: {"name": "fox face", "short_names": "fox_face;fox", "category": "animals"},
    SliceCaptions: {
        "modality": "CT",
        "plane": "axial",
        "level": "upper abdomen",
        "organs": "liver;spleen;stomach",
        "largest": "liver",
        "side": "liver on the right",
    },
    PlainCaptions: {"caption": "A heart of a dog."},
}
KINDS = pytest.mark.parametrize("kind", list(RECORDS), ids=lambda kind: kind.__name__)


def parts() -> dict[str, Any]:
    pixels = torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
    return {
        "images": TensorImages(pixels),
        "records": [{"caption": text} for text in ("a", "b", "a", "c", "A ", "b")],
        "ids": list("uvwxyz"),
        "groups": ["p", "p", "q", "r", "s", "s"],
        "splits": {"train": [0, 1, 2], "val": [3], "test": [4, 5]},
        "captioner": PlainCaptions(),
        "split_seed": 0,
    }


# ---- the set


def test_a_good_set_says_what_it_holds() -> None:
    data = make_pair_set(INFO, **parts())
    assert key_numbers(data).tolist() == [0, 1, 0, 2, 0, 1]
    assert data.captions(torch.tensor([4, 1])) == ["A", "b"]
    assert data.mean == pytest.approx((1 / 255,) * 3)
    assert data.std == pytest.approx((1 / 255,) * 3)  # the least that is allowed
    facts = data.summary()
    assert [facts[key] for key in ("train", "val", "test")] == [3, 1, 2]
    assert [facts[f"keys_{key}"] for key in ("train", "val", "test")] == [2, 1, 2]
    assert (len(data), data.name, data.kind, facts["fields"]) == (
        6,
        "toy",
        "synthetic",
        ["caption"],
    )
    assert repr(data).startswith("PairSet('toy', 6 images 3x4x4, 4 groups, fields caption, train 3")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"records": [{"caption": "a"}] * 5}, "toy: 6 images but 5 records"),
        ({"ids": list("uvwxy")}, "toy: 6 images but 5 ids"),
        ({"groups": list("pqrst")}, "toy: 6 images but 5 groups"),
        ({"ids": list("uvwxyu")}, "images 0 and 5 have the same id 'u'"),
        ({"ids": ["", *"vwxyz"]}, "the id of image 0 is empty"),
        ({"splits": {"train": [0], "test": [1]}}, "splits are"),
        ({"splits": {"train": [0], "val": [], "test": []}}, "split 'test' is empty"),
        (
            {"splits": {"train": [0], "val": [], "test": [1]}},
            r"'p' is in the splits 'train' \(image 'u'\) and",
        ),
        ({"splits": {"train": [0], "val": [], "test": [9]}}, "toy: split 'test' holds index 9"),
        ({"records": [{"caption": "a"}] * 5 + [{}]}, r"image 5 \('z', split 'test'\) has none of"),
    ],
)
def test_a_wrong_set_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(PairError, match=message):
        make_pair_set(INFO, **parts() | change)


def test_images_outside_all_splits_need_no_words() -> None:
    splits = {"train": [0, 1, 2], "val": [], "test": [3]}
    make_pair_set(INFO, **parts() | {"records": [{"caption": "a"}] * 5 + [{}], "splits": splits})


def test_groups_are_drawn_whole() -> None:
    groups = [f"g{(7 * i) % 50}" for i in range(230)]
    splits = split_groups(groups, 3, "toy")
    owners = {split: {groups[i] for i in at.tolist()} for split, at in splits.items()}
    assert [len(owners[split]) for split in ("train", "val", "test")] == [35, 5, 10]
    assert len(set().union(*owners.values())) == 50
    assert torch.cat(list(splits.values())).sort().values.tolist() == list(range(230))
    again = split_groups(groups, 3, "toy")
    assert all(torch.equal(splits[split], again[split]) for split in splits)
    assert not torch.equal(splits["test"], split_groups(groups, 4, "toy")["test"])
    assert not torch.equal(splits["test"], split_groups(groups, 3, "other")["test"])
    # the names of groups do not matter, only which images share one
    renamed = split_groups([f"x{group}" for group in groups], 3, "toy")
    assert torch.equal(splits["test"], renamed["test"])


# ---- captions


def is_clean(text: str) -> bool:
    bad = r"  | ,|, ,|,,|;;|^[ ,;]|\. *\.|[,;:] *\.$|\{|\}|with\.$|with,"
    return not re.search(bad, text) and text == text.strip()


@KINDS
def test_missing_fields_leave_no_trace(kind: type[FieldCaptions]) -> None:
    captioner, record, draw = kind(), RECORDS[kind], generator(0, "test")
    assert isinstance(captioner, Captioner)
    keys = set()
    for bits in product([0, 1], repeat=len(record)):
        part = {name: value for (name, value), bit in zip(record.items(), bits, strict=True) if bit}
        blank = {name: part.get(name, " ") for name in record}
        text = captioner.canonical(part)
        assert is_clean(text), text
        assert captioner.canonical(blank) == text
        assert set(captioner.values(part)) == set(part)
        assert bool(text) == bool(part)
        assert all(value in text for value in captioner.values(part).values())
        drawn = captioner.paraphrase(part, draw)
        assert is_clean(drawn), drawn
        assert bool(drawn) == bool(part)
        keys.add(captioner.key(part))
    assert len(keys) == 2 ** len(record)


@KINDS
def test_captions_are_deterministic(kind: type[FieldCaptions]) -> None:
    captioner, record = kind(), RECORDS[kind]
    spaced = {name: f"  {value.replace(' ', '  ')} " for name, value in record.items()}
    assert captioner.key(spaced) == captioner.key(record)
    assert captioner.key(record | {"note": "x", "weight": "1"}) == captioner.key(record)
    one, two = ([captioner.paraphrase(record, generator(s, "t")) for s in range(9)] for _ in "ab")
    assert one == two
    if kind is not PlainCaptions:
        assert len(set(one)) > 5


def test_the_canonical_sentence_is_that_of_the_specification() -> None:
    captioner, record = ClinicalCaptions(), RECORDS[ClinicalCaptions]
    assert captioner.canonical(record) == (
        "middle-aged female patient with periodontitis stage III grade B, severe bone loss, lower"
        " molar, teeth 36 and 37, filling and lesion."
    )
    healthy = {"diagnosis": "healthy", "rbl_percent": "0", "arch": "upper"}
    assert captioner.canonical(healthy) == "patient with healthy, no bone loss, upper."
    assert captioner.canonical({"sex": "male"}) == "male patient."
    assert captioner.key(record | {"teeth": "37; 36;36", "stage": "3"}) == captioner.key(record)
    assert captioner.key(record | {"age": "41", "rbl_percent": "60"}) == captioner.key(record)
    assert captioner.key(record | {"age": "39"}) != captioner.key(record)


def test_bands() -> None:
    ages = {"0": "child", "12.9": "child", "13": "teen", "20": "young adult", "40": "middle-aged"}
    assert {age: age_band(age) for age in ages} == ages
    assert [age_band(age) for age in ("64", "65", "130")] == ["middle-aged"] + ["older adult"] * 2
    losses = {"0": "no", "0.1": "mild", "15": "moderate", "33": "moderate", "34": "severe"}
    assert {loss: bone_loss_band(loss) for loss in losses} == losses
    assert list_items("10;9; b;a;9;") == ["9", "10", "a", "b"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("age", "-1"),
        ("age", "131"),
        ("age", "1e1"),
        ("age", "nan"),
        ("rbl_percent", "100.5"),
        ("stage", "0"),
        ("grade", "E"),
    ],
)
def test_a_value_without_words_is_named(field: str, value: str) -> None:
    with pytest.raises(CaptionError, match=f"{field} is '{re.escape(value)}', expected"):
        ClinicalCaptions().canonical({field: value})


def test_fields_can_be_left_out() -> None:
    captioner, record = ClinicalCaptions(("teeth", "age")), RECORDS[ClinicalCaptions]
    assert captioner.fields == ("age", "teeth")
    assert captioner.canonical(record) == "middle-aged patient, teeth 36 and 37."
    with pytest.raises(ValueError, match="no clinical field 'tooth'; known: age, sex"):
        ClinicalCaptions(("tooth",))
    with pytest.raises(ValueError, match=r"dropout must lie in 0\.\.1, got 1\.5"):
        ClinicalCaptions(dropout=1.5)


def test_dropout_is_p_and_never_takes_everything() -> None:
    captioner, record = ClinicalCaptions(("teeth", "sex"), dropout=0.3), RECORDS[ClinicalCaptions]
    texts = [captioner.paraphrase(record, generator(0, "drop", i)) for i in range(3000)]
    both = [("female" in text, "36" in text) for text in texts]
    assert all(one or other for one, other in both)
    # Both dropped (0.09) becomes one of them: 0.49 both, 0.255 each alone.
    share = torch.tensor(both).float().mean(0)
    assert share.sub(0.745).abs().max() < 0.025
    assert abs(sum(one and other for one, other in both) / 3000 - 0.49) < 0.03
    full = ClinicalCaptions(dropout=0)
    values = full.values(record).values()
    for i in range(50):
        said = full.paraphrase(record, generator(1, "full", i))
        assert all(value in said for value in values)
    assert kept_fields("ab", [0.0, 0.0], 1.0) == ["a"]


def test_every_wording_names_its_value() -> None:
    for kind in (ClinicalCaptions, NameCaptions, SliceCaptions):
        for name, options in kind().wordings.items():
            assert name.partition("=")[0] in kind().fields
            assert "=" in name or all(option.count("{}") == 1 for option in options)
        assert all(frame.count("{}") == 1 for frame in kind().frames)
    assert set(ClinicalCaptions().fields) == set(CLINICAL_WORDS)
