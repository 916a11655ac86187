"""A real Dask cluster on this machine: a scheduler and two workers, one of which is killed while it
runs. Skipped by name where `distributed` is not installed (`pip install '.[cluster]'`)."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from toy_project import CONFIG, TASK, make_project

from pixcl_bench.bench.config.grid import plan
from pixcl_bench.bench.config.reading import load_config
from pixcl_bench.bench.records.store import scan
from pixcl_bench.bench.run.runner import run_grid

distributed = pytest.importorskip("distributed", reason="cluster: distributed is not installed")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

SLOWER = TASK.replace(
    '    """End as asked."""\n',
    '    """End as asked."""\n'
    '    with open("starts.txt", "a") as told:\n'
    '        told.write(f"{job.run.method}-{job.run.seed}\\n")\n'
    "    job.progress(1, 2)\n"
    "    time.sleep(1.5)\n",
)


def dask(*words: str, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
    with log.open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)


def until(condition: Callable[[], object], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler with two workers of one thread each, and the workers."""
    place = tmp_path / "scheduler.json"
    options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")
    scheduler = dask(
        "scheduler", *options, "--scheduler-file", str(place), log=tmp_path / "scheduler.log"
    )
    workers: list[subprocess.Popen[bytes]] = []
    try:
        assert until(place.is_file), (tmp_path / "scheduler.log").read_text()
        here = ("--scheduler-file", str(place), "--nthreads", "1", "--no-nanny", "--no-dashboard")
        workers += [
            dask("worker", *here, "--local-directory", str(tmp_path), log=tmp_path / f"w{i}.log")
            for i in range(2)
        ]
        with distributed.Client(scheduler_file=str(place), timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
            yield client.scheduler.address, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait(10)


def test_a_killed_worker_loses_no_run_and_repeats_none_that_has_finished(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    project = make_project(tmp_path / "shared", CONFIG)
    (project.parent / "toybench/task.py").write_text(SLOWER, encoding="utf-8")
    config = load_config(project)
    address, workers = cluster
    runs = plan(config, "quick", seeds=[0, 1, 2])

    def kill_one() -> None:
        running = lambda: list(config.results.rglob("progress.json"))  # noqa: E731
        if until(running):
            workers[0].send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    console = Console(file=io.StringIO(), width=120)
    summary = run_grid(
        runs, config=config, results=config.results, scheduler=address, console=console, retries=2
    )
    killer.join()
    assert workers[0].wait(10) == -signal.SIGKILL
    assert (summary.done, summary.failed, summary.left) == (len(runs), [], 0)
    records = scan(config.results)
    assert {(r.method, r.seed, r.status) for r in records} == {
        (run.method, run.seed, "ok") for run in runs
    }
    again = run_grid(
        runs, config=config, results=config.results, scheduler=address, console=console
    )
    assert (again.before, again.done) == (len(runs), 0)
    starts = next(tmp_path.rglob("starts.txt")).read_text(encoding="utf-8").split()
    assert len(starts) - len(runs) <= 2, "only what the lost worker ran was started again"
