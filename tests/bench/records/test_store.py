"""Records: checksum, damage, atomic writes; publishing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from project import TESTS
from toy_project import make_project

from pixcl_bench.bench.config.grid import plan
from pixcl_bench.bench.config.reading import Config, load_config
from pixcl_bench.bench.errors import RecordError, UsageError
from pixcl_bench.bench.keys import run_key
from pixcl_bench.bench.records import store
from pixcl_bench.bench.records.published import publish, read_published, stale
from pixcl_bench.bench.records.store import Record, read_record, scan, write_failure, write_record
from pixcl_bench.bench.run.session import OpenRun, blank_record, open_run, prepare, read_overrides


def record(**changes: Any) -> Record:
    base: dict[str, Any] = {
        "key": "k",
        "task": "toy",
        "dataset": "digits",
        "dataset_kind": "embedded",
        "method": "plain",
        "seed": 0,
        "profile": "quick",
        "learner": "a:b",
        "metrics": {"score": 0.25, "error": None},
        "timings": {"train_seconds": 1.5},
    }
    return Record(**{**base, **changes})


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(make_project(tmp_path))


def opened(config: Config, seed: int = 0, method: str = "plain", **more: Any) -> OpenRun:
    return open_run(
        "toy",
        method=method,
        dataset="digits",
        seed=seed,
        profile="quick",
        device="cpu",
        config=config.path,
        **more,
    )


def test_round_trip(tmp_path: Path) -> None:
    path = write_record(tmp_path, record())
    again = read_record(path)
    assert again == store.seal(record())
    assert again.metrics == {"score": 0.25, "error": None}
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"score": 0.25', '"score": 0.35', "field checksum"),
        ('"seed": 0', '"seed": "zero"', "field seed"),
        ('"method": "plain"', '"methd": "plain"', "field method"),
        ('"format": 1', '"format": 2', "field format"),
        ("{", "[", "not whole JSON"),
        ('"score": 0.25', '"score": NaN', "not whole JSON"),
        ('"checksum": "', '"checksum": "0', "field checksum"),
    ],
)
def test_damage_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_record(tmp_path, record())
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(RecordError, match=message) as error:
        read_record(path)
    assert "record.json" in str(error.value)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_told(tmp_path: Path, part: float) -> None:
    path = write_record(tmp_path, record())
    text = path.read_text().rstrip()
    path.write_text(text[: int(len(text) * part)])
    with pytest.raises(RecordError, match="not whole JSON"):
        read_record(path)


def test_killed_between_writing_and_renaming(tmp_path: Path) -> None:
    """A process killed at the last moment leaves the old record, and a new one can be written."""
    write_record(tmp_path, record())
    code = (
        "import os, sys; sys.path[:0] = sys.argv[2:]; from pathlib import Path\n"
        "from test_store import record; from pixcl_bench.bench.records.store import write_record\n"
        "os.replace = lambda a, b: os.kill(os.getpid(), 9)\n"
        "write_record(Path(sys.argv[1]), record(metrics={'score': 0.5}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent), str(TESTS)],
        check=False,
    )
    assert done.returncode == -9
    assert read_record(tmp_path / "record.json").metrics["score"] == 0.25
    write_record(tmp_path, record(metrics={"score": 0.75}))
    assert read_record(tmp_path / "record.json").metrics["score"] == 0.75


def test_a_failed_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(a: object, b: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_record(tmp_path, record())
    assert list(tmp_path.iterdir()) == []


def test_failures_are_records_too(tmp_path: Path) -> None:
    failed = record(status="failed", reason="time limit", detail="stopped after 3 s", metrics={})
    folder = tmp_path / failed.folder
    write_failure(folder, failed)
    assert [r.reason for r in scan(tmp_path)] == ["time limit"]
    write_record(folder, record())
    assert [r.status for r in scan(tmp_path, "quick")] == ["ok"]
    assert scan(tmp_path, "study") == []
    with pytest.raises(RecordError, match="succeeded"):
        write_record(folder, failed)
    with pytest.raises(RecordError, match="reason"):
        write_failure(folder, record())


def test_history_and_curve(tmp_path: Path) -> None:
    rows = [{"step": i, "loss": 1.0 / (i + 1)} for i in range(400)]
    rows[3]["lr"] = 0.1
    text = store.write_history(tmp_path, rows).read_text().splitlines()
    assert text[0] == "step,loss,lr"
    assert text[1] == "0,1.0,"
    points = store.curve(rows)
    assert len(points) == 50
    assert points[0][0] == 0
    assert points[-1][0] == 399
    assert store.curve([{"step": 1, "loss": 2.0}, {"step": 2, "loss": None}, {"lr": 1}]) == [
        (1, 2.0)
    ]


def test_a_session_writes_the_record_last(config: Config) -> None:
    job = opened(config)
    assert job.folder == config.root / "results/quick/toy/digits/plain/seed-0"
    assert (job.run.device, job.run.threads, job.in_suite, job.run.learner) == (
        "cpu",
        1,
        False,
        "toybench.learners:plain",
    )
    job.progress(1, 10)
    job.progress(2, 10)
    assert json.loads((job.folder / "progress.json").read_text()) == {"step": 1, "total": 10}
    job.progress(10, 10)
    assert json.loads((job.folder / "progress.json").read_text())["step"] == 10
    done = job.finish(
        metrics={"score": 0.5, "error": None},
        history=[{"step": 0, "loss": 1.0}],
        notes={"uses_labels": True},
    )
    assert (done.status, done.uses_labels, done.dataset_kind, done.notes) == (
        "ok",
        True,
        "embedded",
        {},
    )
    assert done.key == run_key(plan(config, "quick", methods=["plain"])[0], config.root) == job.key
    assert done.code["hash"]
    assert done.data["fingerprint"] == job.run.data_fingerprint


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"score": float("nan")}, "not finite"),
        ({"score": "high"}, "a number is wanted"),
        ({"scor": 0.5}, "did you mean 'scor'"),
    ],
)
def test_a_session_refuses_wrong_results(
    config: Config, result: dict[str, Any], message: str
) -> None:
    job = opened(config)
    with pytest.raises(UsageError, match=message):
        job.finish(metrics=result)
    assert not (job.folder / "record.json").exists()


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"method": "plian"}, "'plain'"),
        ({"seed": -1}, "seed"),
        ({"seed": True}, "seed"),
        ({"overrides": '{"batchsize": 4}'}, "'batch_size'"),
        ({"overrides": "lr=3"}, "not JSON"),
        ({"overrides": "[1]"}, "mapping"),
    ],
)
def test_a_session_checks_its_parameters(
    config: Config, wish: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        opened(config, **wish)
    for more, hint in (
        ({"dataset": "digit"}, "digits"),
        ({"profile": "quik"}, "quick"),
        ({"device": "gpu"}, "cpu"),
    ):
        words: dict[str, Any] = {
            "method": "plain",
            "dataset": "digits",
            "profile": "quick",
            "device": "cpu",
            **more,
        }
        with pytest.raises(UsageError, match=hint):
            open_run("toy", config=config.path, **words)


def test_overrides_in_either_form(config: Config) -> None:
    assert read_overrides('{"views.flip": 0.25}') == {"views.flip": 0.25}
    assert read_overrides("") == read_overrides(None) == {}
    assert opened(config, overrides={"views.flip": 0.25}).run.settings["views"]["flip"] == 0.25
    assert (
        opened(config, overrides='{"views.flip": 0.25}').key
        == opened(config, overrides={"views.flip": 0.25}).key
    )


def test_a_run_of_another_key_is_cleared_away(config: Config) -> None:
    job = opened(config)
    (job.folder / "checkpoint.safetensors").write_text("x")
    (job.folder / "executed.ipynb").write_text("{}")
    assert opened(config).folder == job.folder
    assert (job.folder / "checkpoint.safetensors").exists(), "the same run may resume"
    opened(config, overrides={"lr": 0.5})
    assert sorted(p.name for p in job.folder.iterdir()) == ["executed.ipynb", "run.json"]


def git(config: Config, *words: str) -> None:
    name = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *name, *words], cwd=config.root, check=True, capture_output=True)


def test_publishing(config: Config, tmp_path: Path) -> None:
    git(config, "init", "-q")
    (config.root / ".gitignore").write_text("results/\nout/\n")
    git(config, "add", "-A")
    git(config, "commit", "-q", "-m", "first")
    history = [{"step": i, "loss": 1 / 3} for i in range(99)]
    for seed in (1, 0):
        opened(config, seed).finish(
            metrics={"score": 0.5}, history=history, environment={"python": "3", "secret": 1}
        )
    out = tmp_path / "out"
    path, count = publish(config, config.results, "quick", "cpu", out)
    assert (path.name, count) == ("quick-cpu.jsonl", 2)
    first = path.read_bytes()
    records = read_published(path)
    assert [r.seed for r in records] == [0, 1]
    assert records[0].environment == {"python": "3"}
    assert records[0].published
    assert set(records[0].published) == {"commit", "dirty", "date"}
    assert len(records[0].curve) == 50
    assert not stale(records[0], config)
    publish(config, config.results, "quick", "cpu", out)
    assert path.read_bytes() == first
    opened(config, 2).finish(metrics={"score": 0.5})
    shutil.rmtree(config.results / "quick/toy/digits/plain/seed-0")
    publish(config, config.results, "quick", "cpu", out)
    assert [r.seed for r in read_published(path)] == [0, 1, 2], "what was published before is kept"
    edit = config.root / "toybench/helpers.py"
    edit.write_text(edit.read_text().replace("FACTOR * x", "FACTOR - x"))
    assert stale(records[0], config)
    with pytest.raises(UsageError, match="have changed since"):
        publish(config, config.results, "quick", "cpu", out)
    opened(config, 3).finish(metrics={"score": 0.5})
    with pytest.raises(UsageError, match="were not committed"):
        publish(config, config.results, "quick", "cpu", out, allow_stale=True)
    publish(config, config.results, "quick", "cpu", out, allow_stale=True, allow_dirty=True)
    with pytest.raises(UsageError, match="no finished run"):
        publish(config, config.results, "quick", "cuda", out)
    path.write_text(path.read_text().replace('"score":0.5', '"score":0.9', 1))
    with pytest.raises(RecordError, match=r"quick-cpu\.jsonl:1"):
        read_published(path)


def test_other_files_do_not_make_a_run_dirty(config: Config) -> None:
    git(config, "init", "-q")
    git(config, "add", "-A")
    git(config, "commit", "-q", "-m", "first")
    (config.root / "notes.txt").write_text("x")
    assert opened(config).finish(metrics={"score": 0.5}).code["dirty"] is False


def test_blank_record_of_a_run(config: Config, tmp_path: Path) -> None:
    run = plan(config, "quick")[0]
    blank = blank_record(run, "k")
    assert (blank.folder, blank.device) == (run.folder, "cpu")
    prepare(tmp_path / "new", "k", run)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["run.json"]
