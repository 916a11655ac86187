"""The runner with a small notebook: skips what is done, records failures with their reason, leaves
no process behind."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
from project import ROOT
from rich.console import Console
from toy_project import CELLS, CONFIG, make_project, notebook

from pixcl_bench.bench.config.grid import Run, plan
from pixcl_bench.bench.config.reading import Config, load_config
from pixcl_bench.bench.errors import UsageError
from pixcl_bench.bench.notebook import NotebookError, check_parameters
from pixcl_bench.bench.records.store import Record, scan
from pixcl_bench.bench.run import failures, machine, worker
from pixcl_bench.bench.run.failures import LOST, UNSTARTED, explain, fail
from pixcl_bench.bench.run.family import Family
from pixcl_bench.bench.run.jobs import Job, supervise
from pixcl_bench.bench.run.machine import default_jobs, resolve_device, usable_cores
from pixcl_bench.bench.run.progress import Board, LiveScreen, running_row
from pixcl_bench.bench.run.runner import Summary, make_jobs, run_grid
from pixcl_bench.bench.run.start import order
from pixcl_bench.bench.run.surroundings import environment_of, hidden_library, recorded
from pixcl_bench.data.fetch import locked

PACKAGE = str(ROOT)
POSIX = pytest.mark.skipif(os.name != "posix", reason="sessions and signals")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(make_project(tmp_path))


def go(runs: list[Run], config: Config, **more: Any) -> tuple[Summary, str]:
    text = io.StringIO()
    console = Console(file=text, width=120)
    return (
        run_grid(runs, config=config, results=config.results, console=console, **more),
        text.getvalue(),
    )


def ended(config: Config) -> dict[str, Record]:
    return {f"{r.method}-{r.seed}": r for r in scan(config.results)}


def test_finished_runs_are_not_run_again(config: Config) -> None:
    runs = plan(config, "quick", seeds=[1])
    summary, text = go(runs, config, jobs=2)
    assert (summary.total, summary.done, summary.left, summary.failed) == (2, 2, 0, [])
    records = ended(config)
    assert {r.status for r in records.values()} == {"ok"}
    assert records["plain-1"].metrics["score"] == pytest.approx(0.514)
    folder = config.results / runs[0].folder
    assert {"executed.ipynb", "record.json", "history.csv", "run.log", "job.json"} <= {
        p.name for p in folder.iterdir()
    }
    assert (folder / "history.csv").read_text().startswith("step,loss,lr\n0,1.0,0.1\n")
    assert json.loads((folder / "executed.ipynb").read_text())["cells"][1]["metadata"]["tags"] == [
        "parameters"
    ]
    lines = text.splitlines()
    assert lines[0].startswith(
        "2 runs of profile 'quick'; 2 runs to do on cpu, 2 at once, 1 thread each"
    )
    assert sum("started" in line for line in lines) == sum(" done " in line for line in lines) == 2
    assert text.count("A toy task: score") == 1, "the table is printed when a seed is complete"
    assert "51.4" in text
    before = {name: r.checksum for name, r in records.items()}
    summary, text = go(runs, config)
    assert (summary.before, summary.done, text) == (2, 0, "")
    more = plan(config, "quick", methods=["plain"], seeds=[1, 5])
    summary, _ = go(more, config)
    assert (summary.before, summary.done) == (1, 1)
    (folder / "marker").write_text("x")
    summary, _ = go([runs[0]], config, force=True)
    assert summary.done == 1
    assert not (folder / "marker").exists()
    assert {name: ended(config)[name].metrics for name in before} == {
        n: r.metrics for n, r in records.items()
    }


MODES = ("raise", "memory", "kill", "silent", "sleep", "ok")


@pytest.mark.parametrize("warm", [pytest.param("0", marks=pytest.mark.slow), "1"])
def test_failures_are_recorded_and_the_grid_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm: str
) -> None:
    monkeypatch.setenv("PIXCL_BENCH_WARM", warm)
    text = CONFIG.replace("seeds: [0, 1]\n", "seeds: [0]\n")
    extra = "".join(
        f"      m_{mode}: {{title: {mode}, role: method, learner: 'toybench.learners:plain', "
        f"args: {{width: 1, mode: {mode}}}}}\n"
        for mode in MODES
    )
    text = text.replace("    methods:\n      chance:", f"    methods:\n{extra}      chance:", 1)
    config = load_config(make_project(tmp_path, text))
    runs = plan(config, "quick", methods=[f"m_{mode}" for mode in MODES])
    runs = [
        run.model_copy(update={"time_limit": 5.0}) if run.method == "m_sleep" else run
        for run in runs
    ]
    summary, lines = go(runs, config, jobs=3)
    assert (summary.done, len(summary.failed), summary.left) == (1, 5, 0)
    why = {r.method: (r.reason, r.detail or "") for r in scan(config.results)}
    assert why["m_raise"] == (
        "error",
        "ValueError: the loss is not finite (cell [5] of executed.ipynb)",
    )
    assert why["m_memory"][0] == "out of memory"
    assert why["m_kill"][0] in ("out of memory", "killed")
    assert "SIGKILL" in why["m_kill"][1]
    assert "GiB" in why["m_kill"][1]
    assert why["m_silent"][0] == "error"
    assert "run.finish" in why["m_silent"][1]
    assert why["m_sleep"] == ("time limit", "stopped after 5 s")
    assert "FAILED" in lines
    assert "time limit: stopped after 5 s" in lines
    assert not mine(tmp_path), "no process outlives its run"
    helper = config.root / "toybench/task.py"
    helper.write_text(helper.read_text().replace('if mode == "raise":', 'if mode == "never":'))
    summary, _ = go([run for run in runs if run.method == "m_raise"], config)
    assert (summary.done, summary.failed) == (1, []), "what failed is tried again"
    assert {r.method: r.status for r in scan(config.results)}["m_raise"] == "ok"


def test_stop_on_failure(config: Config) -> None:
    path = config.root / "nbs/benchmarks/toy.ipynb"
    path.write_text(notebook([CELLS[0], "1 / 0"]))
    summary, _ = go(plan(config, "quick"), config, jobs=1, keep_going=False)
    assert (len(summary.failed), summary.left) == (1, 3)
    assert (
        summary.failed[0].detail
        == "ZeroDivisionError: division by zero (cell [3] of executed.ipynb)"
    )


def mine(root: Path) -> list[psutil.Process]:
    """The living processes that work in a project."""
    found = []
    for process in psutil.process_iter():
        try:
            inside = process.cwd() == str(root) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
        if inside and process.pid != os.getpid():
            found.append(process)
    return found


def until(condition: Any, seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopping_the_suite_leaves_no_children(tmp_path: Path, number: signal.Signals) -> None:
    make_project(tmp_path, CONFIG.replace("mode: ok", "mode: sleep"))
    suite = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pixcl_bench.cli",
            "run",
            "--method",
            "plain",
            "--jobs",
            "1",
            "--device",
            "cpu",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": PACKAGE, "PIXCL_BENCH_WARM": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Tests that were started in the background ignore SIGINT, and children would inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    told = tmp_path / "results/quick/toy/digits/plain/seed-0/progress.json"
    assert until(told.exists), suite.communicate(timeout=1)
    expected = 4 if sys.platform == "linux" else 3
    assert len(mine(tmp_path)) >= expected, "suite, its server of warm starts, worker, kernel"
    suite.send_signal(number)
    text, _ = suite.communicate(timeout=20)
    assert until(lambda: not mine(tmp_path), 10), [process.cmdline() for process in mine(tmp_path)]
    if number != signal.SIGKILL:
        assert suite.returncode == 130
        assert "Stopped: 0 of 2 runs are done. The same command goes on from here." in text
        assert "Traceback" not in text
    assert not list(tmp_path.rglob("record.json"))
    assert not list(tmp_path.rglob("failure.json"))


def test_misspelt_parameters(config: Config) -> None:
    path = config.root / "nbs/benchmarks/toy.ipynb"
    with pytest.raises(
        NotebookError, match=r"unknown parameter 'methd' \(did you mean 'method'\?\)"
    ):
        check_parameters(["methd", "seed"], path)
    [run] = plan(config, "quick", methods=["plain"], seeds=[0])
    job = make_jobs([run], config, config.results)[0]
    path.write_text(notebook([CELLS[0].replace("method", "methd"), *CELLS[1:]]))
    with pytest.raises(NotebookError, match="unknown parameter 'method'"):
        worker.execute(job.spec(), [])


def test_papermill_by_hand(config: Config, tmp_path: Path) -> None:
    """By hand the run has the same key and folder as by the suite; a misspelt parameter fails."""
    command = [
        sys.executable,
        "-m",
        "papermill",
        "nbs/benchmarks/toy.ipynb",
        "out.ipynb",
        "-k",
        "python3",
        "-p",
        "seed",
        "0",
    ]
    env = {**os.environ, "PYTHONPATH": PACKAGE}
    good = subprocess.run(
        [*command, "-p", "method", "plain"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert good.returncode == 0, good.stderr
    assert make_jobs(plan(config, "quick", methods=["plain"], seeds=[0]), config, config.results)[
        0
    ].done()
    bad = subprocess.run(
        [*command, "-p", "methd", "plain"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert bad.returncode != 0
    assert "unknown parameter 'methd' (did you mean 'method'?)" in bad.stderr


def test_two_suites_do_not_meet(config: Config) -> None:
    with (
        locked(config.results / "quick/.lock"),
        pytest.raises(UsageError, match=r"another pixcl-bench is at work on .*quick"),
    ):
        go(plan(config, "quick"), config)
    assert not list(config.results.rglob("run.json"))


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_a_disk_without_locks_is_told_and_used(
    config: Config, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def flock(file: object, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    summary, text = go(plan(config, "quick", methods=["plain"], seeds=[0]), config)
    assert (summary.done, summary.failed) == (1, [])
    assert "quick: no file locks on this disk" in text


def test_a_cluster(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the interface of `distributed.Client`, here with threads of this process."""

    class Client:
        def __init__(self, address: str, timeout: float) -> None:
            if address != "tcp://somewhere:1":
                raise OSError("nobody there")

        def get_executor(self, **options: object) -> ThreadPoolExecutor:
            return ThreadPoolExecutor(1)

        def close(self) -> None:
            return None

    fake = ModuleType("distributed")
    fake.Client = Client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "distributed", fake)
    runs = plan(config, "quick", methods=["plain"], seeds=[0])
    with pytest.raises(UsageError, match="no Dask scheduler answers"):
        go(runs, config, scheduler="tcp://elsewhere:1")
    summary, _ = go(runs, config, scheduler="tcp://somewhere:1")
    assert summary.done == 1
    assert ended(config)["plain-0"].status == "ok"
    again = supervise(
        runs[0].model_dump(),
        make_jobs(runs, config, config.results)[0].key,
        str(config.path),
        str(config.root),
        str(config.results),
    )
    assert Record.model_validate_json(again).status == "ok"


def test_a_run_on_a_cluster_stops_when_asked(tmp_path: Path) -> None:
    config = load_config(make_project(tmp_path, CONFIG.replace("mode: ok", "mode: sleep")))
    [job] = make_jobs(plan(config, "quick", methods=["plain"], seeds=[0]), config, config.results)
    words = (job.run.model_dump(), job.key, str(config.path), str(config.root), str(config.results))
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(supervise, *words)
        assert until((job.folder / "progress.json").exists)
        (job.folder / "stop").touch()
        with pytest.raises(InterruptedError):
            future.result(20)
    assert until(lambda: not mine(tmp_path), 10)
    assert not (job.folder / "stop").exists()


def test_without_dask_the_message_says_how(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="pip install"):
        go(plan(config, "quick"), config, scheduler="tcp://somewhere:1")


def test_live_screen(config: Config) -> None:
    runs = plan(config, "quick", methods=["plain"])
    board = Board(config, runs)
    text = io.StringIO()
    job = make_jobs(runs, config, config.results)[0]
    job.began = time.monotonic()
    job.folder.mkdir(parents=True)
    (job.folder / "progress.json").write_text('{"step": 5, "total": 10}')
    with LiveScreen(board, Console(file=text, force_terminal=True, width=120)) as view:
        view.started(job.run)
        view.tick([job])
    assert "5/10" in text.getvalue()
    assert "0 of 2 runs" in text.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_row_of_a_running_run(config: Config, width: int) -> None:
    [run] = plan(config, "quick", methods=["plain"], seeds=[1])
    names = {"task": "retrieval", "dataset": "periapical-left", "method": "claires_shuffled"}
    job = Job(run.model_copy(update=names), "k", config.path, config.root, config.results)
    job.folder.mkdir(parents=True)
    (job.folder / "progress.json").write_text('{"step": 100, "total": 400}')
    job.began = time.monotonic() - 60
    row = running_row(job, width).plain
    assert len(row) <= width
    assert ("claires_shuffled/seed-1" in row) == (width > 60)
    assert "seed-1" in row
    assert row.endswith("100/400  1 min 0 s, 3 min 0 s left")


def test_environment_of_a_run() -> None:
    base = {"PATH": "p", "PYTHONPATH": os.pathsep.join(["q", "", "."]), "PYTHONHASHSEED": "3"}
    env = environment_of({**base, "PIXCL_BENCH_DATA": "~/d", "MKL_CBWR": "AVX2"}, 2, "cpu")
    assert env["OMP_NUM_THREADS"] == env["MKL_NUM_THREADS"] == "2"
    assert (env["PATH"], env["CUDA_VISIBLE_DEVICES"], env["PYTHONHASHSEED"]) == ("p", "", "0")
    here = str(Path.cwd())
    places = env["PIXCL_BENCH_PATH"].split(os.pathsep)
    assert places == list(dict.fromkeys([PACKAGE, str(Path("q").absolute()), here]))
    assert "PYTHONPATH" not in env
    assert env["PIXCL_BENCH_DATA"] == str(Path.home() / "d")
    assert recorded(env) == {"MKL_CBWR": "AVX2"}
    assert environment_of({}, 1, "cuda", "3")["CUDA_VISIBLE_DEVICES"] == "3"


def test_the_search_path_of_a_run() -> None:
    path = ["/python/lib", "/venv/site-packages", "/more/site-packages"]
    assert order(path, ["/a", "/b"]) == [path[0], "/a", "/b", *path[1:]]
    assert order(["/b", *path], ["/a", "/b"]) == [path[0], "/a", "/b", *path[1:]]
    assert order(["/python/lib"], ["/a"]) == ["/python/lib", "/a"]


def test_a_file_that_hides_a_library_is_refused(config: Config) -> None:
    (config.root / "random.py").write_text("")
    assert hidden_library(config.root, ["random", "numpy"]) is None
    (config.root / "numpy.py").write_text("")
    with pytest.raises(UsageError, match=r"numpy\.py hides the installed library 'numpy'"):
        go(plan(config, "quick"), config)


def test_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
    assert default_jobs("cpu", 1) == usable_cores()
    assert default_jobs("cpu", 10_000) == 1
    assert resolve_device("cpu") == "cpu"
    with pytest.raises(UsageError, match="did you mean 'cuda'"):
        resolve_device("cude")
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: H'\necho 'GPU 1: H'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "version_of", lambda name: "2.13.0")
    machine.gpus.cache_clear()
    machine.require_device("cuda")
    assert (
        machine.gpus(),
        machine.gpu_names(),
        resolve_device("auto"),
        default_jobs("cuda", 8),
    ) == (
        2,
        ["0", "1"],
        "cuda",
        2,
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert default_jobs("cuda", 8) == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert resolve_device("auto") == "cpu"
    with pytest.raises(UsageError, match="hides every GPU: use --device cpu"):
        machine.require_device("cuda")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(machine, "version_of", lambda name: "2.13.0+cpu")
    assert resolve_device("auto") == "cpu", "a GPU that the installed torch cannot use"
    with pytest.raises(UsageError, match="built without CUDA"):
        machine.require_device("cuda")
    machine.gpus.cache_clear()


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
sleep = [sys.executable, "-c", "import time; time.sleep(90)"]
children = [subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)]
if os.fork() == 0:  # its own child outlives it
    os.setsid()
    if os.fork() == 0:
        time.sleep(90)
    os._exit(0)
print("ready", flush=True)
big = b"x" * 2**26
sum(range(10**12))  # in C, where no handler runs
"""


@POSIX
def test_a_family_ends_as_a_whole() -> None:
    """Signals ignored, busy in C, children in sessions of their own, an orphan."""
    start = "from pixcl_bench.bench.run.family import adopt_orphans as a; a()\n" + STUBBORN
    child = subprocess.Popen(
        [sys.executable, "-c", start], start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    family = Family(child.pid)
    assert until(lambda: len(family.look()) >= (5 if sys.platform == "linux" else 3), 10)
    assert until(lambda: bool(family.look()) and family.peak > 2**26, 10)
    members = family.look()
    began = time.monotonic()
    family.kill()
    assert child.wait(10) == -signal.SIGKILL
    assert until(lambda: not any(psutil.pid_exists(pid) for pid in members), 5)
    assert time.monotonic() - began < 5
    family.ended = True
    family.kill()


@POSIX
def test_what_a_lost_worker_leaves_is_ended() -> None:
    """The worker is gone; what it started lives on in a session that was seen before."""
    start = (
        "import subprocess, sys, time\n"
        "code = 'import time; time.sleep(90)'\n"
        "child = subprocess.Popen([sys.executable, '-c', code], start_new_session=True)\n"
        "print(child.pid, flush=True)\ntime.sleep(90)"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", start], start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    child = int(worker.stdout.readline())
    family = Family(worker.pid)
    assert set(family.look()) == {worker.pid, child}
    worker.kill()
    worker.wait(10)
    family.ended = True
    family.kill()
    assert until(lambda: not psutil.pid_exists(child), 5)


@POSIX
def test_a_run_that_has_no_session_yet_takes_no_server_with_it() -> None:
    """A worker that has just been forked is still in the session of its server."""
    start = (
        "import subprocess, sys, time\n"
        "code = 'import time; time.sleep(90)'\n"
        "child = subprocess.Popen([sys.executable, '-c', code])\n"
        "print(child.pid, flush=True)\ntime.sleep(90)"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", start], start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    family = Family(int(server.stdout.readline()))
    assert family.look() == [family.pid]
    family.kill()
    assert server.poll() is None
    server.kill()
    server.wait(10)


class Ends:
    """Stands in for the start of a worker: each attempt ends as planned, without a process."""

    def __init__(self, *reasons: tuple[str, str | None]) -> None:
        self.reasons, self.attempts = list(reasons), 0

    def start(self, job: Job, warm: object = None) -> None:
        job.process, job.started = None, "2024-01-01T00:00:00+00:00"
        job.folder.mkdir(parents=True, exist_ok=True)

    def poll(self, job: Job) -> Record:
        reason, cause = self.reasons[min(self.attempts, len(self.reasons) - 1)]
        self.attempts += 1
        return job.noted(fail(job.spec(), reason, "as planned", job.started, cause))


@pytest.mark.parametrize(
    ("ends", "retries", "attempts"),
    [
        ([("killed", LOST)], 1, 2),
        ([("killed", LOST)], 0, 1),
        ([("error", UNSTARTED)], 3, 4),
        ([("error", None)], 3, 1),
        ([("killed", LOST), ("out of memory", None)], 3, 2),
        ([("time limit", None)], 3, 1),
    ],
)
def test_what_may_pass_is_tried_again(
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    ends: list[tuple[str, str | None]],
    retries: int,
    attempts: int,
) -> None:
    fake = Ends(*ends)
    monkeypatch.setattr(Job, "start", lambda job, warm=None: fake.start(job, warm))
    monkeypatch.setattr(Job, "poll", lambda job: fake.poll(job))
    runs = plan(config, "quick", methods=["plain"], seeds=[0])
    summary, text = go(runs, config, retries=retries)
    assert (fake.attempts, len(summary.failed)) == (attempts, 1)
    assert ended(config)["plain-0"].notes["attempts"] == attempts
    assert text.count("again") == attempts - 1


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("MemoryError", "", "out of memory"),
        ("_ArrayMemoryError", "Unable to allocate 7.28 TiB for an array", "out of memory"),
        ("OutOfMemoryError", "CUDA out of memory. Tried to allocate 20 GiB", "out of memory"),
        ("RuntimeError", "DefaultCPUAllocator: can't allocate memory: you", "out of memory"),
        ("RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when", "out of memory"),
        ("RuntimeError", "DataLoader worker (pid 7) is killed by signal: Killed. ", "killed"),
        ("RuntimeError", "shapes do not fit", "error"),
    ],
)
def test_memory_that_ran_out_is_known_by_its_words(name: str, text: str, reason: str) -> None:
    assert explain(type(name, (Exception,), {})(text), [], 0)[0] == reason


@pytest.mark.parametrize(
    ("code", "kills", "reason"),
    [
        (-9, (None, None), "killed"),
        (-9, (1, 2), "out of memory"),
        (-9, (1, 1), "killed"),
        (-15, (1, 1), "killed"),
        (3, (1, 1), "error"),
    ],
)
def test_why_a_process_died(
    monkeypatch: pytest.MonkeyPatch, code: int, kills: tuple[Any, Any], reason: str
) -> None:
    monkeypatch.setattr(failures, "memory_kills", lambda: kills[1])
    assert failures.death(code, "the kernel", kills[0])[0] == reason
