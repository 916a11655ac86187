"""Only the folder that a record names is read; copies and damage cost a note."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_records import failure, grid, record, write

from pixcl_bench.bench.records.scan import look
from pixcl_bench.bench.records.store import scan

METHODS = ("simclr", "moco_v3")
PLACE = "quick/image_ssl/landcover-tiles/simclr"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write(tmp_path, [*grid(2, METHODS), failure("random_init", 0)])
    return tmp_path


@pytest.mark.parametrize(
    ("source", "target", "named"),
    [
        (f"{PLACE}/seed-0", f"{PLACE}/seed-0 (copy)", f"{PLACE}/seed-0 (copy)"),
        (f"{PLACE}/seed-0", f"{PLACE}/seed-0-old", f"{PLACE}/seed-0-old"),
        (f"{PLACE}/seed-0", f"{PLACE}/seed-7", f"{PLACE}/seed-7"),
        (f"{PLACE}/seed-0", f"{PLACE}/seed-0/seed-0", f"{PLACE}/seed-0/seed-0"),
        (PLACE, f"{PLACE}_old", f"{PLACE}_old"),
        ("quick/image_ssl", "quick/image_ssl_old", "quick/image_ssl_old"),
        ("quick", "quick/quick", "quick/quick"),
        ("quick", "old/results/quick", "old"),
        ("quick", "quick-2025", "quick-2025"),
        (f"{PLACE}/seed-0", "quick/image_ssl/landcover-tiles/moco_v3/seed-7", None),
    ],
)
def test_copies_are_not_read(results: Path, source: str, target: str, named: str | None) -> None:
    before = scan(results, "quick")
    assert len(before) == 5
    shutil.copytree(results / source, results.parent / "copied")
    shutil.copytree(results.parent / "copied", results / target)
    shutil.rmtree(results.parent / "copied")
    found = look(results, "quick")
    assert found.records == before
    assert found.copies == [named or target]
    assert repr(named or target) in found.notes()[0]


def test_another_profile_is_no_copy(results: Path) -> None:
    write(results, [record("simclr", 0, profile="study")])
    assert look(results, "quick").notes() == []
    assert len(scan(results)) == 6
    assert scan(results / "nowhere") == []


def test_links_into_the_results_are_read_once(results: Path) -> None:
    (results / "quick/again").symlink_to(results / "quick")
    (results / "quick/image_ssl/loop").symlink_to(results)
    assert len(look(results, "quick").records) == 5


def garbage(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (garbage(""), "it is empty"),
        (garbage("{"), "not whole JSON"),
        (garbage("[1, 2]"), "JSON of another program"),
        (garbage('{"name": "package", "version": "1.0"}'), "JSON of another program"),
        (garbage('{"format": 2, "key": "k"}'), "another version of pixcl-bench"),
        (garbage("[" * 100_000), "not whole JSON"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "cannot be read"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
    ],
)
def test_a_damaged_record_costs_a_note(
    results: Path, damage: Callable[[Path], object], told: str
) -> None:
    path = results / PLACE / "seed-1/record.json"
    damage(path)
    found = look(results, "quick")
    assert len(found.records) == 4
    assert len(found.damaged) == 1
    assert str(path) in found.damaged[0]
    assert told in found.damaged[0]
    assert found.notes()[0] == "not read: 1 damaged file:"


def test_the_failure_counts_beside_a_damaged_record(results: Path) -> None:
    write(results, [failure("simclr", 1)])
    (results / PLACE / "seed-1/record.json").write_text("")
    found = look(results, "quick")
    assert len(found.damaged) == 1
    assert [r.method for r in found.records if r.status == "failed"] == ["random_init", "simclr"]
