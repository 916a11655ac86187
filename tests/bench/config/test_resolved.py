"""What `benchmarks.yaml` comes to is what it was when everything stood in one file: runs with all
their settings, tasks, claims and the papers' numbers."""

import json

import pytest
from fake_records import ROOT
from resolved import FIXTURE, snapshot

from pixcl_bench.bench.config.reading import Config, load_config

BEFORE: dict[str, list[str]] = json.loads(FIXTURE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(ROOT / "benchmarks.yaml")


@pytest.fixture(scope="module")
def now(config: Config) -> dict[str, list[str]]:
    return snapshot(config)


@pytest.mark.parametrize("part", ["profiles", "tasks", "runs", "claims", "reported"])
def test_the_same_as_before(now: dict[str, list[str]], part: str) -> None:
    assert len(BEFORE[part]) >= 4
    gone = [line for line in BEFORE[part] if line not in now[part]]
    new = [line for line in now[part] if line not in BEFORE[part]]
    assert (gone, new) == ([], [])
    assert now[part] == BEFORE[part], "the order is another"


def test_no_number_is_lost(config: Config) -> None:
    counts = {task: sum(row.task == task for row in config.reported) for task in config.tasks}
    assert counts == {
        "image_ssl": 70,
        "semi_seg": 156,
        "landmarks": 160,
        "dense_transfer": 4,
        "shape_guided": 0,
        "retrieval": 4,
    }
    tables = ROOT.glob("benchmarks/reported/*.csv")
    cells = sum(len(line.split(",")) for path in tables for line in path.open(encoding="utf-8"))
    assert cells > sum(counts.values())


def test_the_index_is_small_and_lines_are_short() -> None:
    index = ROOT / "benchmarks.yaml"
    assert index.stat().st_size <= 8 * 1024
    for path in (index, *sorted(ROOT.glob("benchmarks/*.yaml"))):
        long = [
            f"{path.name}:{i}"
            for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            if len(line) > 100
        ]
        assert not long


def test_every_file_is_included(config: Config) -> None:
    files = sorted(ROOT.glob("benchmarks/*.yaml"))
    assert sorted(config.benchmarks.include) == [f"benchmarks/{path.name}" for path in files]
    tables = sorted(ROOT.glob("benchmarks/reported/*.csv"))
    named = sorted(task.reported for task in config.tasks.values() if task.reported)
    assert named == [f"benchmarks/reported/{path.name}" for path in tables]
