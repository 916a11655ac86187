"""Every flipped byte of a results folder and of published tables is found and named."""

import json
from pathlib import Path

import pytest
from fake_records import grid, record, write

from pixcl_bench.bench.records import rerun, store
from pixcl_bench.bench.records.integrity import check_published, check_results
from pixcl_bench.bench.records.published import compact, write_published


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a finished run whose files are noted in its record."""
    item = record("simclr", 0)
    write(tmp_path, [item])
    place = tmp_path / item.folder
    (place / "model.safetensors").write_bytes(bytes(range(256)))
    rerun.complete(place, item)
    return place


def test_every_flipped_byte_is_found(folder: Path) -> None:
    results = folder.parents[4]
    assert check_results(results).faults == []
    assert check_results(results).files == 3
    for name in ("record.json", "history.csv", "executed.ipynb", "model.safetensors"):
        path = folder / name
        whole = path.read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // 40)):
            for bit in (0x01, 0x20, 0x80):
                path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
                faults = check_results(results).faults
                assert len(faults) == 1, (name, place, bit)
                assert str(path) in faults[0]
        path.write_bytes(whole)
    (folder / "history.csv").unlink()
    assert check_results(results).faults == [f"{folder / 'history.csv'}: is gone"]


def test_every_flipped_byte_of_a_table_is_found(tmp_path: Path) -> None:
    path = tmp_path / "quick-cpu.jsonl"
    write_published(path, [compact(item) for item in grid(1, ("simclr", "moco_v3"))])
    assert check_published(tmp_path) == check_published(tmp_path, "quick")
    assert (check_published(tmp_path).records, check_published(tmp_path).faults) == (2, [])
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x01]) + whole[place + 1 :])
        found = check_published(tmp_path)
        assert found.faults, place
        assert f"{path}:" in found.faults[0]


def test_what_has_no_checksum_is_valid_and_told(folder: Path) -> None:
    path = folder / "record.json"
    data = json.loads(path.read_text())
    del data["checksum"], data["files"]
    path.write_text(json.dumps(data))
    assert store.read_record(path).checksum == ""
    found = check_results(folder.parents[4])
    assert (found.faults, found.unsealed, found.bare) == ([], [str(path)], [str(path)])
    data["checksum"] = "0" * 64
    path.write_text(json.dumps(data))
    assert "checksum" in check_results(folder.parents[4]).faults[0]


def test_published_records_hold_no_files(folder: Path) -> None:
    item = store.read_record(folder / "record.json")
    assert item.files
    assert "files" not in store.plain(compact(item))
