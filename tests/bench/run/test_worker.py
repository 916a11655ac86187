"""How a run's kernel is started: at unix sockets that leave nothing behind, and again where it dies
or stays silent before any cell."""

import io
import json
import logging
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from project import ROOT
from rich.console import Console
from toy_project import CELLS, make_project, notebook

from pixcl_bench.bench.config.grid import Run, plan
from pixcl_bench.bench.config.reading import Config, load_config
from pixcl_bench.bench.records.store import Record, read_record
from pixcl_bench.bench.run import failures, worker
from pixcl_bench.bench.run.failures import KernelStartError, explain
from pixcl_bench.bench.run.jobs import Job
from pixcl_bench.bench.run.runner import make_jobs, run_grid
from pixcl_bench.bench.run.worker import addresses

POSIX = pytest.mark.skipif(os.name != "posix", reason="unix sockets")

# Stands in the way of `ipykernel`, the first that a kernel imports: it counts the kernels started
# in a file and ends those that the plan names by their number (the last for all that follow)
# before they have begun; the others get the real one.
SITE = """\
import importlib
import os
import sys
import time

if sys.argv[1:2] == ["kernel"]:
    with open({count!r}, "a+") as file:
        file.write("start\\n")
        file.seek(0)
        number = len(file.readlines())
    plan = {plan!r}
    act = plan[min(number, len(plan)) - 1]
    if act == "hang":
        time.sleep(100)
    elif act != "ok":
        os._exit(act)
sys.path.remove({folder!r})
del sys.modules["ipykernel"]
importlib.import_module("ipykernel")
"""

# Tells where its kernel listens, and what lies there while it runs.
WHERE = """\
import json, os
from ipykernel.connect import get_connection_info
info = get_connection_info(unpack=True)
files = sorted(os.listdir(os.path.dirname(info["ip"]) or "."))
where = {"transport": info["transport"], "ip": info["ip"], "files": files}
open("where.json", "w").write(json.dumps(where))
"""


class Kernels:
    """The kernels of a test: how each start is to end (an exit code, `hang` or `ok`; the last for
    all that follow), and how many there were."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.count = folder, folder / "count"
        folder.mkdir()
        path = [str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))

    def plan(self, *acts: int | str) -> None:
        text = SITE.format(count=str(self.count), plan=acts, folder=str(self.folder))
        (self.folder / "ipykernel").mkdir(exist_ok=True)
        (self.folder / "ipykernel/__init__.py").write_text(text)

    @property
    def started(self) -> int:
        return len(self.count.read_text().splitlines())


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(make_project(tmp_path / "project"))


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernels:
    return Kernels(tmp_path / "site", monkeypatch)


def one(config: Config, **changes: Any) -> Run:
    return plan(config, "quick", methods=["plain"], seeds=[0])[0].model_copy(update=changes)


def make_job(config: Config) -> Job:
    """A job with its folder, not started."""
    [job] = make_jobs([one(config)], config, config.results)
    job.folder.mkdir(parents=True)
    return job


def through_suite(config: Config, run: Run) -> tuple[Record, Path, str]:
    """Run it as the suite does: its record as read from the disk, its folder, its log."""
    run_grid([run], config=config, results=config.results, console=Console(file=io.StringIO()))
    folder = config.results / run.folder
    name = "record.json" if (folder / "record.json").exists() else "failure.json"
    return read_record(folder / name), folder, (folder / "run.log").read_text()


def special(root: Path) -> list[Path]:
    """What lies in a project that a kernel's connection could have left there."""
    found = []
    for path in root.rglob("*"):
        if stat.S_ISSOCK(path.lstat().st_mode) or path.name.startswith(("kernel", "pixcl-")):
            found.append(path)
    return found


def test_a_kernel_that_dies_at_the_start_is_started_again(config: Config, kernels: Kernels) -> None:
    kernels.plan(7, "ok")
    record, folder, log = through_suite(config, one(config))
    assert (record.status, record.metrics["score"]) == ("ok", pytest.approx(0.504))
    assert kernels.started == 2
    assert log.count("Kernel start 1 of 3 failed (exit code 7)") == log.count("Kernel start") == 1
    cells = json.loads((folder / "executed.ipynb").read_text())["cells"]
    assert cells[-1]["metadata"]["papermill"]["status"] == "completed"
    assert not (folder / "failure.json").exists()


def test_three_starts_and_no_more(
    config: Config,
    kernels: Kernels,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kernels.plan(7)
    job = make_job(config)
    spec = job.folder / "job.json"
    spec.write_text(json.dumps(job.spec()))
    monkeypatch.setattr(worker, "PAUSE", (0.0, 0.1))
    # It would bind this very process to the one that started the tests.
    monkeypatch.setattr(worker, "die_with_parent", lambda parent: None)
    with caplog.at_level(logging.WARNING, "pixcl_bench.bench.run.worker"):
        assert worker.main(str(spec)) == 1
    record = read_record(job.folder / "failure.json")
    assert (record.status, record.reason, record.key) == ("failed", "error", job.key)
    assert (
        record.detail
        == "the kernel (the last of 3 starts, before any cell was run) ended with exit code 7 "
        "without a record; see run.log"
    )
    assert kernels.started == 3
    assert [f"Kernel start {i} of 3 failed (exit code 7)" in caplog.text for i in (1, 2, 3)] == [
        True
    ] * 3
    assert not (job.folder / "executed.ipynb").exists(), "nothing has been executed"


@pytest.mark.parametrize("end", ["1 / 0", "import os; os._exit(9)"])
def test_what_fails_in_a_cell_is_not_tried_again(
    config: Config, kernels: Kernels, end: str
) -> None:
    kernels.plan("ok")
    path = config.root / "nbs/benchmarks/toy.ipynb"
    path.write_text(notebook([CELLS[0], WHERE, end]))
    record, folder, log = through_suite(config, one(config))
    assert record.detail is not None
    assert ("ZeroDivisionError" if "0" in end else "exit code 9") in record.detail
    assert "starts" not in record.detail
    assert kernels.started == 1
    assert "Kernel start" not in log
    assert (folder / "executed.ipynb").exists()
    told = json.loads((config.root / "where.json").read_text())
    assert not Path(told["ip"]).parent.exists()
    assert not special(config.root)


def in_process(config: Config, kernels: Kernels, *acts: int | str) -> list[Any]:
    """Execute a run without the suite; the worker's list of kernels."""
    kernels.plan(*acts)
    listed: list[Any] = []
    worker.execute(make_job(config).spec(), listed)
    return listed


@POSIX
def test_a_silent_kernel_at_unix_sockets(
    config: Config,
    kernels: Kernels,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A kernel that never answers is ended and started again; then all goes through unix
    sockets."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        monkeypatch.setattr(worker, "START_TIMEOUT", 1)

        def patient(low: float, high: float) -> float:
            monkeypatch.setattr(worker, "START_TIMEOUT", 60)
            return low

        monkeypatch.setattr(worker.random, "uniform", patient)
        (config.root / "nbs/benchmarks/toy.ipynb").write_text(notebook([CELLS[0], WHERE]))
        with caplog.at_level(logging.WARNING, "pixcl_bench.bench.run.worker"):
            listed = in_process(config, kernels, "hang", "ok")
        assert kernels.started == 2
        assert (
            "Kernel start 1 of 3 failed (still running): Kernel didn't respond in 1 seconds"
            in caplog.text
        )
        assert [process.poll() is not None for process in listed] == [True, True], "both are gone"
        told = json.loads((config.root / "where.json").read_text())
        assert told["transport"] == "ipc"
        assert told["files"] == ["kernel.json", "own", "s-1", "s-2", "s-3", "s-4", "s-5"]
        assert Path(told["ip"]).parent.parent == Path(short)
        assert not list(Path(short).iterdir()), "sockets and folder go with the kernel"
    assert not special(config.root)


def test_ports_where_the_path_is_too_long(
    config: Config, kernels: Kernels, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a long folder of temporary files a run goes through ports."""
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    (config.root / "nbs/benchmarks/toy.ipynb").write_text(notebook([CELLS[0], WHERE]))
    listed = in_process(config, kernels, "ok")
    assert [process.poll() is not None for process in listed] == [True], "one start, and it is gone"
    assert json.loads((config.root / "where.json").read_text())["transport"] == "tcp"
    assert not list(long.iterdir())


@POSIX
def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as short:
        folder = Path(short)
        file = {"connection_file": str(folder / "kernel.json")}
        assert addresses(folder) == {**file, "transport": "ipc", "ip": str(folder / "s")}
        assert not list(folder.iterdir()), "the probe is gone"
        deep = folder / ("x" * 100)
        deep.mkdir()
        assert addresses(deep) == {"connection_file": str(deep / "kernel.json")}
        assert addresses(folder / "missing").keys() == {"connection_file"}
        monkeypatch.setattr(os, "name", "nt")
        assert addresses(folder) == file


@POSIX
def test_a_time_limit_holds_while_the_kernel_starts(
    config: Config, kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is killed in the first start, and its sockets are removed for it."""
    kernels.plan("hang")
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as short:
        monkeypatch.setenv("TMPDIR", short)
        monkeypatch.setattr(tempfile, "tempdir", None)  # it is read again
        [job] = make_jobs([one(config, time_limit=100.0)], config, config.results)
        job.start()
        while not kernels.count.exists():
            assert job.process is not None
            assert job.process.poll() is None
            time.sleep(0.05)
        assert list(Path(short).glob("pixcl-*")), "the kernel has a folder while it starts"
        job.run = job.run.model_copy(update={"time_limit": 0.0})
        record = job.poll()
        assert record is not None
        assert (record.reason, record.detail) == ("time limit", "stopped after 0 s")
        assert kernels.started == 1
        assert not list(Path(short).glob("pixcl-*"))
        monkeypatch.undo()
    assert not special(config.root)


@pytest.mark.parametrize(
    ("code", "kills", "reason", "words"),
    [
        (-9, (1, 2), "out of memory", "was killed by SIGKILL because memory ran out; see run.log"),
        (-9, (1, 1), "killed", "was killed by SIGKILL; see run.log"),
        (-11, (1, 1), "killed", "was killed by SIGSEGV; see run.log"),
        (7, (1, 1), "error", "ended with exit code 7 without a record; see run.log"),
        (None, (1, 1), "error", "was given up: it did not answer; see run.log"),
    ],
)
def test_why_no_kernel_could_be_started(
    monkeypatch: pytest.MonkeyPatch,
    code: int | None,
    kills: tuple[int, int],
    reason: str,
    words: str,
) -> None:
    monkeypatch.setattr(failures, "memory_kills", lambda: kills[1])
    told = explain(KernelStartError("it did not answer", code, 3), [], kills[0])
    assert told == (reason, f"the kernel (the last of 3 starts, before any cell was run) {words}")
