"""A run that is done again keeps its old record until a whole new one takes its place."""

import os
from pathlib import Path
from typing import Any

import pytest
from toy_project import make_project

from pixcl_bench.bench.config.reading import Config, load_config
from pixcl_bench.bench.records import rerun, store
from pixcl_bench.bench.records.scan import look
from pixcl_bench.bench.run.runner import make_jobs
from pixcl_bench.bench.run.session import SUITE, OpenRun, open_run
from pixcl_bench.bench.run.worker import fail

PLACE = "quick/toy/digits/plain/seed-0"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(make_project(tmp_path))


def opened(config: Config, **more: Any) -> OpenRun:
    names = {"method": "plain", "dataset": "digits", "seed": 0, "profile": "quick"}
    return open_run("toy", **names, device="cpu", config=config.path, **more)


def finished(config: Config, score: float, **more: Any) -> store.Record:
    run = opened(config, **more)
    (run.folder / "model.safetensors").write_bytes(f"weights {score}".encode())
    return run.finish(metrics={"score": score, "error": None}, history=[{"step": 1, "loss": score}])


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("overrides", [{}, {"lr": 0.5}])
def test_the_old_stays_until_the_new_is_whole(config: Config, overrides: dict[str, float]) -> None:
    finished(config, 0.5)
    folder = config.results / PLACE
    (folder / "old.txt").write_text("of the first run")
    before = contents(folder)
    run = opened(config, overrides=overrides)
    assert run.folder == folder / "rerun"
    assert before.items() <= contents(folder).items(), "nothing of the old run is touched"
    (run.folder / "model").mkdir()
    (run.folder / "model/config.json").write_text("{}")
    record = run.finish(metrics={"score": 0.75, "error": None})
    assert run.folder == folder
    assert store.read_record(folder / "record.json").metrics["score"] == 0.75
    assert sorted(record.files) == ["code.json", "history.csv", "model/config.json", "run.json"]
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["code.json", "history.csv", "model", "record.json", "run.json"]
    )


def test_a_rerun_that_fails_leaves_the_old_record(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pixcl_bench.bench.config.grid import plan

    monkeypatch.setenv(SUITE, "1")
    old = finished(config, 0.5)
    [job] = make_jobs(plan(config, "quick", methods=["plain"], seeds=[0]), config, config.results)
    job.forget()
    job.work = rerun.work_folder(job.folder)
    assert job.done() == old
    record = fail(job.spec(), "error", "no luck", store.now())
    assert job.outcome(1) == store.seal(record), (
        "a run that was forced is not done by its old record"
    )
    found = look(config.results, "quick")
    assert found.records == [old]
    assert [again.detail for again in found.reruns] == ["no luck"]
    assert found.notes() == [
        f"done again and failed, the earlier result stays: {PLACE}: error: no luck"
    ]


def test_the_suite_notes_what_lies_beside_a_record(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pixcl_bench.bench.config.grid import plan

    monkeypatch.setenv(SUITE, "1")
    finished(config, 0.5)
    [job] = make_jobs(plan(config, "quick", methods=["plain"], seeds=[0]), config, config.results)
    job.work = job.folder
    (job.folder / "executed.ipynb").write_text("{}")
    (job.folder / ".record.json.1234.tmp").write_text("half")
    record = job.outcome(0)
    names = ["code.json", "executed.ipynb", "history.csv", "model.safetensors", "run.json"]
    assert sorted(record.files) == names
    assert store.read_record(job.folder / "record.json") == record


@pytest.mark.parametrize("step", range(5))
def test_a_replacement_that_was_interrupted_is_finished(
    config: Config, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Killed before any of its renames, what was done again is put in place by the next run."""
    finished(config, 0.5)
    folder = config.results / PLACE
    (folder / "old.txt").write_text("of the first run")
    run, count, replace = opened(config), 0, os.replace
    (run.folder / "model.safetensors").write_bytes(b"new weights")

    def stopping(old: Any, new: Any) -> None:
        nonlocal count
        if Path(old).parent == run.folder and not str(old).endswith(".tmp"):
            if count == step:
                raise KeyboardInterrupt
            count += 1
        replace(old, new)

    work = run.folder
    monkeypatch.setattr(os, "replace", stopping)
    with pytest.raises(KeyboardInterrupt):
        run.finish(metrics={"score": 0.75, "error": None})
    monkeypatch.undo()
    assert rerun.whole(folder) is not None, "there is a whole record at any moment"
    rerun.settle(folder)
    record = store.read_record(folder / "record.json")
    assert record.metrics["score"] == 0.75
    assert record.files == rerun.digests(folder)
    assert (folder / "model.safetensors").read_bytes() == b"new weights"
    assert not work.exists()
    assert not (folder / "old.txt").exists()


def test_settling_leaves_what_is_not_whole(config: Config) -> None:
    finished(config, 0.5)
    run = opened(config)
    (run.folder / "record.json").write_text("{}")
    rerun.settle(config.results / PLACE)
    assert store.read_record(config.results / PLACE / "record.json").metrics["score"] == 0.5
