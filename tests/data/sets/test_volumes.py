"""Cases, sets of cases and their splits: what is refused names the case, the patient and the
value."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from pixcl_bench.data.info import DatasetInfo
from pixcl_bench.data.sets.splits import SplitError
from pixcl_bench.data.sets.volumes import (
    IGNORE,
    Case,
    VolumeError,
    VolumeSet,
    check_case,
    make_volume_set,
    min_max,
    split_patients,
    z_score,
)
from pixcl_bench.methods.floors.semi_seg import trivial_dice

INFO = DatasetInfo(
    name="toy",
    kind="synthetic",
    title="t",
    licence="l",
    citation="c",
    size="s",
    classes=("background", "box"),
    split_rule="r",
    loader="pixcl_bench.data.sets.volumes:make_volume_set",
    image_size=None,
)
PEOPLE = ("dora", "anna", "bert", "carl")


def toy(name: str = "case_7", patient: str = "anna", seed: int = 0) -> Case:
    image = torch.randn(3, 8, 10, generator=torch.Generator().manual_seed(seed))
    label = torch.zeros(3, 8, 10, dtype=torch.uint8)
    label[1:, 2 + seed % 3 : 6, 3:7] = 1
    return Case(name, patient, image, label, (5.0, 1.5, 1.5))


def made(**changes: Any) -> VolumeSet:
    cases = [toy(f"{who}_{k}", who, 2 * i + k) for i, who in enumerate(PEOPLE) for k in range(2)]
    given: dict[str, Any] = {"cases": cases, "unit": "patient"}
    given["splits"] = {"train": [4, 5, 2, 3], "val": [6], "test": [0, 1]}
    return make_volume_set(INFO, **(given | changes))


def test_a_set_knows_its_cases_and_patients() -> None:
    data = made()
    assert data.patients("train") == ("bert", "anna")  # the order of the list, not of the names
    assert [case.name for case in data.of("train")] == ["bert_0", "bert_1", "anna_0", "anna_1"]
    assert data.num_classes == 2
    assert data.dims == ((3, 8, 10), (3, 8, 10))
    assert data.counts("test").sum() == 2 * 3 * 8 * 10
    facts = data.summary()
    assert facts["fingerprint"] == INFO.fingerprint()
    assert (facts["train"], facts["patients_train"], facts["unit"]) == (4, 2, "patient")


def test_the_order_of_the_train_list_is_part_of_the_split() -> None:
    other = made(splits={"train": [2, 3, 4, 5], "val": [6], "test": [0, 1]})
    assert other.summary()["split_digest"] != made().summary()["split_digest"]


def with_voxel(part: str, value: float) -> Case:
    case = toy()
    tensor = getattr(case, part).clone()
    tensor[2, 1, 4] = value
    return replace(case, **{part: tensor})


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            with_voxel("label", 2),
            r"'case_7': label has 2 at \(z, y, x\) = \(2, 1, 4\).*0\.\.1 and 255",
        ),
        (
            with_voxel("image", float("nan")),
            r"'case_7': image has nan at \(z, y, x\) = \(2, 1, 4\)",
        ),
        (with_voxel("image", float("-inf")), r"'case_7': image has -inf"),
        (
            replace(toy(), label=toy().label[:2]),
            r"'case_7': image of shape \(3, 8, 10\).*\(2, 8, 10\)",
        ),
        (
            replace(toy(), image=toy().image[0]),
            r"'case_7': image is torch.float32 of shape \(8, 10\)",
        ),
        (replace(toy(), image=toy().image.double()), r"'case_7': image is torch.float64"),
        (replace(toy(), label=toy().label.long()), r"'case_7': label is torch.int64"),
        (replace(toy(), label=toy().label[:, :0]), r"'case_7': label is .*\(3, 0, 10\)"),
        (replace(toy(), spacing=(5.0, -1.5, 1.5)), r"'case_7': spacing \(5.0, -1.5, 1.5\)"),
        (replace(toy(), spacing=(5.0, float("nan"), 1.5)), "'case_7': spacing"),
    ],
)
def test_a_wrong_case_is_named_with_its_value(case: Case, message: str) -> None:
    with pytest.raises(VolumeError, match=message):
        check_case(case, 2)
    with pytest.raises(VolumeError, match=message):
        made(cases=[*made().cases, case])


def test_ignored_voxels_are_allowed_and_not_counted() -> None:
    case = with_voxel("label", IGNORE)
    check_case(case, 2)
    data = made(cases=[*made().cases, case], splits={"train": [0], "val": [], "test": [8]})
    assert data.counts("test").sum() == 3 * 8 * 10 - 1


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (
            {"train": [0, 1, 2], "val": [4], "test": [2]},
            r"'train' and 'test' share 1 item.*the first is 2",
        ),
        (
            {"train": [0], "val": [4], "test": [1]},
            r"toy: patient 'dora' is in 'train' \(case 'dora_0'\) and in 'test' \(case 'dora_1'\)",
        ),
        ({"train": [0], "val": [4], "test": [5]}, r"patient 'bert' is in 'val' .* and in 'test'"),
        ({"train": [0, 0], "val": [4], "test": [2]}, r"'train' holds item 0 more than once"),
        ({"train": [0], "val": [4], "test": [8]}, r"'test' holds index 8, allowed 0\.\.7"),
        ({"train": [], "val": [4], "test": [2]}, r"toy: split 'train' is empty"),
        ({"train": [0], "val": [4], "test": []}, r"toy: split 'test' is empty"),
        ({"train": [0], "test": [2]}, r"expected \['test', 'train', 'val'\]"),
    ],
)
def test_overlapping_or_impossible_splits_are_refused(
    splits: dict[str, list[int]], message: str
) -> None:
    with pytest.raises(SplitError, match=message):
        made(splits=splits)


def test_names_and_classes_are_checked() -> None:
    with pytest.raises(VolumeError, match="case name 'anna_0' stands 2 times"):
        made(cases=[*made().cases, toy("anna_0")])
    with pytest.raises(VolumeError, match="1 classes"):
        made(class_names=("background",))
    with pytest.raises(VolumeError, match="0 classes"):
        made(class_names=())


def test_normalisation_forgets_the_scale() -> None:
    image = toy().image
    torch.testing.assert_close(min_max(40 * image - 7), min_max(image))
    torch.testing.assert_close(z_score(40 * image - 7), z_score(image), atol=1e-5, rtol=1e-5)
    assert [v.item() for v in min_max(image).aminmax()] == [0, 1]
    for flat in (min_max, z_score):
        assert torch.equal(flat(torch.full((2, 3, 4), 5.0)), torch.zeros(2, 3, 4))


def test_patients_are_split_by_the_seed_alone() -> None:
    parts = split_patients(90, (60, 10, 20), 0, "toy")
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(90))
    assert [len(part) for part in parts.values()] == [60, 10, 20]
    again, other = (split_patients(90, (60, 10, 20), seed, "toy") for seed in (0, 1))
    assert all(np.array_equal(parts[key], again[key]) for key in parts)
    assert set(parts["test"]) != set(other["test"])
    with pytest.raises(ValueError, match=r"toy: parts \(60, 10, 2\) do not make 90 patients"):
        split_patients(90, (60, 10, 2), 0, "toy")


def test_the_floors_are_exact_where_they_can_be() -> None:
    def case(i: int, where: int, bright: float) -> Case:
        label = torch.zeros(4, 16, 16, dtype=torch.uint8)
        label[:, where : where + 6, 4:10] = 1
        image = torch.rand(4, 16, 16, generator=torch.Generator().manual_seed(i)) + bright * label
        return Case(str(i), str(i), image, label, (1.0, 1.0, 1.0))

    def floors(where: list[int], bright: float) -> dict[str, float]:
        cases = [case(i, w, bright) for i, w in enumerate(where)]
        splits = {"train": range(4), "val": [4], "test": [5, 6, 7]}
        return trivial_dice(
            make_volume_set(
                INFO, cases=cases, splits={k: list(v) for k, v in splits.items()}, unit="patient"
            )
        )

    fixed, moving = floors([4] * 8, 0.0), floors([0, 2, 8, 10, 1, 9, 3, 6], 9.0)
    assert fixed["position"] > 0.9 > 0.5 > fixed["intensity"]
    assert moving["intensity"] > 0.9 > 0.8 > moving["position"]
