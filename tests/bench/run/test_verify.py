"""`pixcl-bench verify` adopts what is bit-equal, and nothing else."""

import math
import subprocess
from pathlib import Path
from typing import Any

import pytest
from toy_project import make_project

from pixcl_bench.bench.config.reading import Config, load_config
from pixcl_bench.bench.errors import UsageError
from pixcl_bench.bench.records.published import (
    current_key,
    publish,
    read_published,
    write_published,
)
from pixcl_bench.bench.records.store import Record
from pixcl_bench.bench.run.session import open_run
from pixcl_bench.bench.run.verify import (
    Check,
    adopt,
    cells,
    judge,
    published_state,
    samples,
    verify,
)

HERE = {"cpu": "This CPU", "cpu_capability": "AVX2", "machine": "x86_64"}
OLD, NEW = "0.5 + 0.01 * seed", "0.01 * seed + 0.5"


def git(config: Config, *words: str) -> None:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
    subprocess.run(command, cwd=config.root, check=True, capture_output=True)


def finish(
    config: Config, seed: int, results: Path, score: float | None = None, **environment: Any
) -> Record:
    """A run of the toy project that ends at once, with the score that its code gives."""
    run = open_run(
        "toy",
        method="plain",
        dataset="digits",
        seed=seed,
        profile="quick",
        device="cpu",
        config=config.path,
        results=results,
    )
    return run.finish(
        metrics={"score": 0.5 + 0.01 * seed if score is None else score, "error": None},
        history=[{"step": i, "loss": 1 / (i + 1)} for i in range(80)],
        environment=HERE | environment,
    )


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The toy project with two published records, and then a change of its code that changes no
    number."""
    config = load_config(make_project(tmp_path / "project"))
    (config.root / ".gitignore").write_text("results*/\npublished/\n__pycache__/\n")
    commit(config, "first")
    for seed in (0, 1):
        finish(config, seed, config.results)
    publish(config, config.results, "quick", "cpu", config.root / "published")
    task = config.root / "toybench/task.py"
    task.write_text(task.read_text().replace(OLD, NEW))
    commit(config, "second")
    return config


def commit(config: Config, message: str) -> None:
    git(config, "init", "-q")
    git(config, "add", "-A")
    git(config, "commit", "-q", "-m", message)


def published(config: Config) -> list[Record]:
    return read_published(config.root / "published/quick-cpu.jsonl")


def judged(config: Config, results: Path, against: Path | None = None) -> Check:
    chosen = cells(published(config))
    assert len(chosen) == 1
    run = next(iter(samples(chosen, config).values()))
    assert run is not None
    name, records = next(iter(chosen.items()))
    return judge(name, records, run, config, results, against)


def test_a_cell_that_is_bit_equal_is_adopted(config: Config, tmp_path: Path) -> None:
    before = published(config)
    assert published_state(before, config).current == 0
    finish(config, 0, tmp_path / "new")
    check = judged(config, tmp_path / "new")
    assert (check.verdict, check.detail) == ("equal", "")
    assert adopt([check], config, config.root / "published") == 2
    after = published(config)
    state = published_state(after, config)
    assert (state.total, state.current, state.adopted) == (2, 2, 2)
    for old, new in zip(before, after, strict=True):
        assert new.key == current_key(new, config) != old.key
        assert (new.metrics, new.curve, new.finished) == (old.metrics, old.curve, old.finished)
        assert old.published
        assert new.published
        assert new.published["commit"] == old.published["commit"]
        note = new.published["adopted"]
        assert note["commit"] not in (None, old.published["commit"])
        assert (note["from_key"], note["sample"]["seed"]) == (old.key, 0)
        assert note["sample"]["reference"] == "the record"


def test_a_table_is_adopted_as_a_whole(config: Config, tmp_path: Path) -> None:
    path = config.root / "published/quick-cpu.jsonl"
    kept = published(config)
    other = [r.model_copy(update={"method": "chance", "key": "0" * 20}) for r in kept]
    write_published(path, [*kept, *other])
    finish(config, 0, tmp_path / "new")
    name = next(cell for cell in cells(published(config)) if cell[4] == "plain")
    run = samples({name: kept}, config)[name]
    check = judge(name, kept, run, config, tmp_path / "new", None)
    assert check.verdict == "equal"
    assert adopt([check], config, path.parent) == 0
    assert published_state(published(config), config).current == 0


def test_one_bit_is_seen(config: Config, tmp_path: Path) -> None:
    finish(config, 0, tmp_path / "new", math.nextafter(0.5, 1.0))
    check = judged(config, tmp_path / "new")
    assert check.verdict == "differs"
    assert check.detail == "metric score: 0.5 before, 0.5000000000000001 now"
    assert adopt([check], config, config.root / "published") == 0
    assert published_state(published(config), config).current == 0


def test_another_loss_curve_is_seen(config: Config, tmp_path: Path) -> None:
    record = finish(config, 0, tmp_path / "new")
    path = tmp_path / "new" / record.folder / "record.json"
    text = path.read_text()
    assert '"curve"' in text
    run = open_run(
        "toy",
        method="plain",
        dataset="digits",
        seed=0,
        profile="quick",
        device="cpu",
        config=config.path,
        results=tmp_path / "new",
    )
    run.finish(
        metrics={"score": 0.5, "error": None},
        history=[{"step": i, "loss": 2 / (i + 1)} for i in range(80)],
        environment=HERE,
    )
    check = judged(config, tmp_path / "new")
    assert check.verdict == "differs"
    assert check.detail.startswith("loss curve: (0, 1.0) before, (0, 2.0) now")


def test_on_another_machine_the_old_code_is_the_reference(config: Config, tmp_path: Path) -> None:
    other = {"cpu": "Another CPU"}
    finish(config, 0, tmp_path / "new", 0.7, **other)
    check = judged(config, tmp_path / "new")
    assert check.verdict == "no reference"
    assert "published on This CPU, run on Another CPU" in check.detail
    # A reference of code that is not that of the record proves nothing.
    finish(config, 0, tmp_path / "wrong", 0.7, **other)
    assert judged(config, tmp_path / "new", tmp_path / "wrong").verdict == "no reference"
    task = config.root / "toybench/task.py"
    task.write_text(task.read_text().replace(NEW, OLD))
    finish(config, 0, tmp_path / "old", 0.7, **other)
    task.write_text(task.read_text().replace(OLD, NEW))
    check = judged(config, tmp_path / "new", tmp_path / "old")
    assert check.verdict == "equal"
    assert check.own_machine
    assert adopt([check], config, config.root / "published") == 2
    note = (published(config)[1].published or {})["adopted"]
    assert note["sample"] == {
        "seed": 0,
        "cpu": "Another CPU",
        "reference": "the old code on this machine",
    }
    assert published(config)[0].metrics["score"] == 0.5, "the record keeps its numbers"


def test_a_failed_reference_proves_nothing(config: Config, tmp_path: Path) -> None:
    from pixcl_bench.bench.records.store import write_failure

    record = finish(config, 0, tmp_path / "new", 0.7)
    empty = {"metrics": {}, "curve": [], "key": published(config)[0].key}
    failed = record.model_copy(
        update=empty | {"status": "failed", "reason": "time limit", "detail": "slow"}
    )
    (tmp_path / "old" / record.folder).mkdir(parents=True)
    write_failure(tmp_path / "old" / record.folder, failed)
    check = judged(config, tmp_path / "new", tmp_path / "old")
    assert (check.verdict, check.detail) == ("no reference", "the reference failed: time limit")


def test_histories_are_compared_as_a_whole(config: Config, tmp_path: Path) -> None:
    finish(config, 0, tmp_path / "new")
    task = config.root / "toybench/task.py"
    task.write_text(task.read_text().replace(NEW, OLD))
    record = finish(config, 0, tmp_path / "old")
    task.write_text(task.read_text().replace(OLD, NEW))
    history = tmp_path / "old" / record.folder / "history.csv"
    lines = history.read_text().splitlines()
    history.write_text("\n".join([*lines[:4], lines[4] + "1", *lines[5:]]) + "\n")
    check = judged(config, tmp_path / "new", tmp_path / "old")
    assert (check.verdict, check.detail) == ("differs", "history.csv: line 5 differs")


def test_code_that_is_not_committed_adopts_nothing(config: Config, tmp_path: Path) -> None:
    task = config.root / "toybench/task.py"
    task.write_text(task.read_text().replace(NEW, NEW + " + 0"))
    helpers = config.root / "toybench/learners.py"
    helpers.write_text(helpers.read_text() + "\n# not committed\n")
    finish(config, 0, tmp_path / "new")
    check = judged(config, tmp_path / "new")
    with pytest.raises(UsageError, match="not committed"):
        adopt([check], config, config.root / "published")


def test_another_version_of_a_library_adopts_nothing(config: Config, tmp_path: Path) -> None:
    finish(config, 0, tmp_path / "new")
    check = judged(config, tmp_path / "new")
    path = config.root / "published/quick-cpu.jsonl"
    records = [
        r.model_copy(update={"code": r.code | {"versions": {"numpy": "0.1"}}})
        for r in check.records
    ]
    check = Check(check.cell, tuple(records), "equal", "", check.sample, check.reference)
    with pytest.raises(UsageError, match=r"made with numpy 0\.1, here is"):
        adopt([check], config, path.parent)


def test_records_of_a_data_set_that_is_gone_are_not_current(config: Config) -> None:
    gone = [record.model_copy(update={"dataset": "gone"}) for record in published(config)]
    assert published_state(gone, config).current == 0


def test_a_cell_that_the_grid_lost(config: Config, tmp_path: Path) -> None:
    chosen = cells(published(config))
    name, records = next(iter(chosen.items()))
    assert judge(name, records, None, config, tmp_path, None).verdict == "gone"


def test_verify_runs_one_seed_of_each_cell(config: Config, tmp_path: Path) -> None:
    """From end to end, with a kernel: the environment of the toy project names no CPU, so the
    machine is the same."""
    path = config.root / "published/quick-cpu.jsonl"
    kept = [r.model_copy(update={"environment": {}}) for r in published(config)]
    write_published(path, kept)
    checks = verify(cells(published(config)), config, tmp_path / "new", seed=1, jobs=1)
    assert [check.verdict for check in checks] == ["differs"], checks
    assert "metric score" in checks[0].detail  # the notebook adds 0.001 * width
    assert not (tmp_path / "new/quick/toy/digits/plain/seed-0").exists()
