"""Warm starts: the same runs, forked from one server, and what happens when that ends."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console
from toy_project import CELLS, CONFIG, make_project, notebook

from pixcl_bench.bench.config.grid import plan
from pixcl_bench.bench.config.reading import Config, load_config
from pixcl_bench.bench.records.store import scan
from pixcl_bench.bench.run import pools, runner
from pixcl_bench.bench.run.jobs import Job, modules_of, warm_server
from pixcl_bench.bench.run.runner import make_jobs, run_grid
from pixcl_bench.bench.run.warm import WarmProcess, WarmServer, WarmStartError, can_fork

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="warm starts are for Linux")

SURROUNDINGS = """
import os, sys, random, numpy, matplotlib
surroundings = {
    "raised": "raised" in globals(), "site": os.environ.get("SITE_OF_USER"),
    "asserts": __debug__, "hash": os.environ.get("PYTHONHASHSEED"),
    "warnings": os.environ.get("PYTHONWARNINGS"), "encoding": open(os.devnull).encoding.lower(),
    "dpi": matplotlib.rcParams["figure.dpi"], "tf32": os.environ.get("NVIDIA_TF32_OVERRIDE"),
    "data": os.environ.get("PIXCL_BENCH_DATA"), "random": random.__file__,
    "parent": os.getppid(), "group": os.getpgrp() == os.getpid(), "cwd": os.getcwd(),
    "path": sys.path[:3], "suite": os.environ["PIXCL_BENCH_SUITE"],
    "threads": os.environ["OMP_NUM_THREADS"], "backend": os.environ["MPLBACKEND"],
    "draws": [random.random(), numpy.random.rand()], "name": __name__,
    "torch": "torch" in sys.modules,
}
import json
(job.folder / "surroundings.json").write_text(json.dumps(surroundings))
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(make_project(tmp_path / "{odd} [1] %41"))


@pytest.fixture
def warm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXCL_BENCH_WARM", "1")


def go(config: Config, **more: Any) -> runner.Summary:
    runs = plan(config, "quick", methods=["plain"], **more)
    console = Console(file=io.StringIO())
    return run_grid(runs, config=config, results=config.results, jobs=1, console=console)


def surroundings(config: Config, seed: int) -> dict[str, Any]:
    folder = config.results / f"quick/toy/digits/plain/seed-{seed}"
    found: dict[str, Any] = json.loads((folder / "surroundings.json").read_text())
    return found


def hostile(root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and variables of a user that reach into Python, IPython, Jupyter and matplotlib."""
    bad = "raise SystemExit('this is not for runs')\n"
    lines = 'c = get_config()\nc.InteractiveShellApp.exec_lines = ["raised = 1 / 0"]\n'
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "x", "language": "python"}
    files = {
        "ipython/profile_default/ipython_config.py": lines,
        "ipython/profile_default/ipython_kernel_config.py": lines,
        "ipython/profile_default/startup/first.py": "raised = True\n" + bad,
        "jupyter/kernels/python3/kernel.json": json.dumps(spec),
        "startup.py": bad,
        "places/sitecustomize.py": "import os; os.environ['SITE_OF_USER'] = '1'\n",
        "places/random.py": bad,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (root / "random.py").write_text(bad)
    (root / "ipython_config.py").write_text(lines)
    (root / "matplotlibrc").write_text("figure.dpi: 7\n")
    path = [str(folder / "places"), os.environ.get("PYTHONPATH", "")]
    variables = {
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_PATH": str(folder / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(folder / "startup.py"),
        "PYTHONSTARTUP": str(folder / "startup.py"),
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "PYTHONHASHSEED": "7",
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "2",
        "PYTHONUTF8": "0",
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii",
        "MPLBACKEND": "TkAgg",
        "NVIDIA_TF32_OVERRIDE": "1",
        "KMP_AFFINITY": "disabled",
        "PIXCL_BENCH_DATA": "~/of-the-user",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_runs_see_nothing_of_their_surroundings_cold_or_warm(
    config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = config.root / "nbs/benchmarks/toy.ipynb"
    path.write_text(notebook([*CELLS[:-1], SURROUNDINGS, CELLS[-1]]))
    hostile(config.root, tmp_path_factory.mktemp("user"), monkeypatch)
    monkeypatch.setenv("PIXCL_BENCH_WARM", "0")
    assert go(config, seeds=[0]).done == 1
    cold = surroundings(config, 0)
    metrics = {r.seed: r.metrics for r in scan(config.results)}
    monkeypatch.setenv("PIXCL_BENCH_WARM", "1")
    runs = plan(config, "quick", methods=["plain"], seeds=[0, 1])
    console = Console(file=io.StringIO())
    again = {"jobs": 1, "force": True, "console": console}
    assert run_grid(runs, config=config, results=config.results, **again).done == 2
    warm = [surroundings(config, seed) for seed in (0, 1)]
    records = {r.seed: r for r in scan(config.results)}
    assert records[0].metrics == metrics[0]
    assert records[0].environment["variable_KMP_AFFINITY"] == "disabled"
    own = ("parent", "draws", "torch")
    for found in warm:
        assert {k: v for k, v in found.items() if k not in own} == {
            k: v for k, v in cold.items() if k not in own
        }
    assert [found["torch"] for found in (cold, *warm)] == [False, True, True]
    assert len({found["parent"] for found in warm}) == 2, "each kernel has a worker of its own"
    assert warm[0]["draws"] != warm[1]["draws"], "random states are not those of the server"
    assert (cold["raised"], cold["site"], cold["asserts"]) == (False, None, True)
    assert (cold["hash"], cold["warnings"], cold["encoding"]) == ("0", None, "utf-8")
    assert (cold["dpi"], cold["tf32"]) == (100.0, None)
    assert cold["data"] == str(Path.home() / "of-the-user")
    assert cold["random"] == random.__file__


def test_a_server_is_started_only_for_more_runs_than_go_at_once(
    config: Config, warm: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def count(jobs: list[Job]) -> WarmServer:
        asked.append(len(jobs))
        return warm_server(jobs)

    monkeypatch.setattr(pools, "warm_server", count)
    assert go(config, seeds=[0]).done == 1
    assert asked == []
    assert go(config, seeds=[1, 2]).done == 2
    assert asked == [2]
    monkeypatch.setenv("PIXCL_BENCH_WARM", "0")
    assert not can_fork()


def test_without_a_server_runs_start_cold(config: Config, warm: None) -> None:
    jobs = make_jobs(plan(config, "quick", methods=["plain"], seeds=[0, 1]), config, config.results)
    server = warm_server(jobs)
    jobs[0].start(server)
    assert isinstance(jobs[0].process, WarmProcess)
    assert jobs[0].process.wait(60) == 0
    record = jobs[0].poll()
    assert record is not None
    assert record.status == "ok"
    server._process.kill()
    server._process.wait()
    with pytest.raises(WarmStartError):
        server.start(Path("job.json"), Path("run.log"), config.root, {})
    jobs[1].start(server)
    assert isinstance(jobs[1].process, subprocess.Popen)
    assert jobs[1].process.wait(60) == 0
    server.close()


def test_a_worker_dies_with_its_server(tmp_path: Path, warm: None) -> None:
    config = load_config(make_project(tmp_path, CONFIG.replace("mode: ok", "mode: sleep")))
    [job, _] = make_jobs(
        plan(config, "quick", methods=["plain"], seeds=[0, 1]), config, config.results
    )
    server = warm_server([job])
    job.start(server)
    assert job.process is not None
    assert job.process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        job.process.wait(0.05)
    worker = psutil.Process(job.process.pid)
    end = time.monotonic() + 60
    while not (job.folder / "progress.json").exists() and time.monotonic() < end:
        time.sleep(0.05)
    kernels = worker.children()
    assert kernels, "the kernel is a child of the worker"
    os.kill(server._process.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs([worker, *kernels], timeout=10)
    assert not alive
    record = job.poll()
    assert record is not None
    assert record.status == "failed"
    assert "SIGKILL" in (record.detail or "")
    server.close()


def test_modules_of_other_packages_are_not_imported_ahead(config: Config) -> None:
    jobs = make_jobs(plan(config, "quick"), config, config.results)
    assert modules_of(jobs) == ["pixcl_bench.data.embedded.digits"]
