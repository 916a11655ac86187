"""Drawn dental films: records follow the drawing, the look follows neither, nothing is trivial."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pixcl_bench.data.catalogue import get_info, load
from pixcl_bench.data.sets.pairs import PairSet, key_numbers
from pixcl_bench.data.synthetic import periapical as module
from pixcl_bench.data.synthetic.periapical import (
    AGES,
    LOSSES,
    REGIONS,
    Film,
    draw_films,
    films_of,
    grade_of,
    record_of,
)

START = Film(0, 52, "female", "lower", "right", "molar", 0, 0, False, False, False)


@pytest.fixture(scope="module")
def data() -> PairSet:
    found = load("periapical")
    assert isinstance(found, PairSet)
    return found


def pixels(data: PairSet) -> torch.Tensor:
    return next(data.images.batches([torch.arange(len(data))], "cpu"))[:, 0].double()


def test_the_set_has_the_sizes_of_its_card(data: PairSet) -> None:
    assert (len(data), len(set(data.groups)), data.images.size) == (600, 150, (64, 64))
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [420, 60, 120]
    assert "sex" not in data.captioner.fields
    assert {record["sex"] for record in data.records} == {"female", "male"}
    assert data.kind == get_info("periapical").kind == "synthetic"
    free = np.mean([not record["findings"] for record in data.records])
    assert 0.6 <= free <= 0.7
    counts = [len(record["teeth"].split(";")) for record in data.records]
    assert set(counts) == {2, 3, 4}
    keys = key_numbers(data)[data.splits["test"]]
    assert 60 < len(keys.unique()) < 118  # captions repeat, but most do not


def test_records_follow_the_rules_of_the_classification() -> None:
    for patient in range(60):
        for film in films_of(patient):
            record = record_of(film)
            percent = int(record["rbl_percent"])
            assert (record["diagnosis"] == "healthy") == (percent == 0) == (record["stage"] == "")
            if percent:
                stage = "I" if percent < 15 else "II" if percent <= 33 else "III"
                assert record["stage"] == ("IV" if film.missing else stage)
                assert record["grade"] == grade_of(percent, film.age)
            assert not film.missing or percent > 33
            quadrant = {"1": ("upper", "right"), "2": ("upper", "left")} | {
                "3": ("lower", "left"),
                "4": ("lower", "right"),
            }
            teeth = record["teeth"].split(";")
            assert all(quadrant[tooth[0]] == (film.arch, film.side) for tooth in teeth)
            assert len(teeth) == len(REGIONS[film.region]) - film.missing


def test_grade_is_a_function_of_what_can_be_seen() -> None:
    for low, high in AGES:
        for least, most in LOSSES[1:]:
            grades = {grade_of(p, a) for p in range(least, most + 1) for a in range(low, high + 1)}
            assert len(grades) == 1


def test_neighbours_in_a_chain_differ_in_one_attribute() -> None:
    what = ("arch", "side", "region", "severity", "filling", "lesion")
    for patient in range(150):
        chain = films_of(patient)
        for a, b, allowed in ((0, 1, what[3:]), (0, 2, what[:3]), (2, 3, what[3:])):
            changed = [n for n in what if getattr(chain[a], n) != getattr(chain[b], n)]
            assert len(changed) == 1
            assert changed[0] in allowed
    assert films_of(3) == films_of(3) != films_of(3, seed=1)


def test_a_film_is_the_same_in_any_company(data: PairSet) -> None:
    films = films_of(20)
    alone = draw_films(films[2:3], [82])[0]
    np.testing.assert_array_equal(alone, draw_films(films, range(80, 84))[2])
    np.testing.assert_array_equal(alone, pixels(data)[82].numpy())
    assert (draw_films(films[2:3], [82], look=1)[0] != alone).mean() > 0.5
    assert draw_films(films[:1], [80], size=96).shape == (1, 96, 96)


def test_every_named_attribute_changes_the_film_and_nothing_else_does() -> None:
    changes = {
        "arch": "upper",
        "side": "left",
        "region": "premolar",
        "age": 28,
        "missing": True,
        "filling": True,
        "lesion": True,
    }
    films = [replace(START, **{name: value}) for name, value in changes.items()]
    films += [replace(START, severity=s, percent=LOSSES[s][0]) for s in (1, 2, 3)]
    numbers = range(12)
    start = draw_films([START] * 12, numbers).astype(float)
    for film in films:
        changed = draw_films([film] * 12, numbers).astype(float)
        strong = (np.abs(changed - start) > 15).sum((1, 2))
        assert (strong >= 8).all(), (film, strong)
    hidden = replace(START, sex="male", patient=7, age=55)
    np.testing.assert_array_equal(draw_films([hidden] * 12, numbers), start.astype(np.uint8))


def test_bone_falls_with_its_loss_and_the_arch_turns_it() -> None:
    severe = replace(START, severity=3, percent=45)
    numbers = range(20)
    down = draw_films([START] * 20, numbers).astype(float) - draw_films([severe] * 20, numbers)
    # What is lost lies around the necks, in the upper half of a lower film, not at the roots' ends.
    lost = down.mean(0)
    assert lost[24:36].mean() > lost[44:].mean() + 15
    upper = [replace(film, arch="upper") for film in (START, severe)]
    up = draw_films([upper[0]] * 20, numbers).astype(float) - draw_films([upper[1]] * 20, numbers)
    assert up.mean(0)[28:40].mean() > up.mean(0)[:20].mean() + 15


def test_trivial_predictors_stay_at_chance(data: PairSet) -> None:
    """The nearest mean grey value, or contrast, says nothing about a record; nor does the order."""
    images, numbers = pixels(data), key_numbers(data)
    train, test = data.splits["train"], data.splits["test"]
    values = [data.captioner.values(record) for record in data.records]
    for grey in (images.mean((1, 2)), images.std((1, 2))):
        nearest = train[(grey[test][:, None] - grey[train]).abs().argmin(1)]
        assert (numbers[nearest] == numbers[test]).double().mean() < 0.05
        for field in data.captioner.fields:
            field_of = np.asarray([value.get(field, "") for value in values])
            found = (field_of[nearest] == field_of[test]).mean()
            chance = (field_of[test][:, None] == field_of[train]).mean()
            assert abs(found - chance) < 0.15, (field, found, chance)
    # One fixed order of the gallery for every query finds hardly anything.
    keys = numbers[test].unique()
    first = [(numbers[test] == key).nonzero()[0].item() for key in keys]
    assert np.mean(np.asarray(first) < 3) < 0.05


def test_loading_draws_once_and_splits_by_patient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENTS", 20)
    calls: list[int] = []
    real = module.draw_films

    def counted(films: list[Film], numbers: range, *, size: int) -> np.ndarray:
        calls.append(len(films))
        return np.asarray(real(films, numbers, size=size))

    monkeypatch.setattr(module, "draw_films", counted)
    one, two = (module.periapical(cache=tmp_path, split_seed=seed) for seed in (0, 1))
    assert calls == [80]
    assert {s: len(at) for s, at in one.splits.items()} == {"train": 56, "val": 8, "test": 16}
    assert set(one.splits["test"].tolist()) != set(two.splits["test"].tolist())
    assert one.fingerprint == two.fingerprint
