"""Workers that start at once: they are forked from a server that has imported the libraries before.

Importing torch, timm, papermill and the package takes several seconds, which a short run would
spend twice: in its worker and in its kernel. `WarmServer` starts one process that imports them once
and computes nothing. For each run it forks a worker; the worker, before it does anything else,
forks the process that becomes its kernel. Each run still has processes of its own, which die with
their parents. Linux only: elsewhere a fork after such imports is not safe, and runs start cold."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

from pixcl_bench.bench.config.grid import Run
from pixcl_bench.bench.config.reading import load_config
from pixcl_bench.bench.keys import run_key
from pixcl_bench.bench.run import kernel
from pixcl_bench.bench.run.family import adopt_orphans
from pixcl_bench.bench.run.kernel import ENTRY
from pixcl_bench.bench.run.waiting import WaitingKernel, settle
from pixcl_bench.bench.run.worker import die_with_parent, main

LIBRARIES = (
    "papermill",
    "nbclient",
    "jupyter_client.asynchronous",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "torch",
    "matplotlib.pyplot",
    "pixcl_bench.bench.run.session",
    "pixcl_bench.data.catalogue",
    "pixcl_bench.tasks.settings",
)


_PATIENCE = 120.0
"""Seconds until a server that does not answer is given up; the first answer waits for imports."""


@runtime_checkable
class Process(Protocol):
    """What a job needs of its worker's process."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


class WarmStartError(RuntimeError):
    """The server could not be started or has ended."""


def can_fork() -> bool:
    """Whether this system allows warm starts; `PIXCL_BENCH_WARM=0` forbids them."""
    return sys.platform == "linux" and os.environ.get("PIXCL_BENCH_WARM") != "0"


@dataclass
class WarmProcess:
    """A worker that the server has forked, as `subprocess.Popen` would show it."""

    server: "WarmServer"
    pid: int

    def poll(self) -> int | None:
        """The exit code, negative for a signal, or None while the worker runs."""
        return self.server.code_of(self.pid)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(f"worker {self.pid}", timeout or 0)
            time.sleep(0.01)
        return code


@dataclass
class WarmServer:
    """A process that has imported `modules` and forks workers from then on.

    `config`: the configuration that it reads ahead. `runs`: some of the runs to come, whose code
    it reads ahead. `env`: the environment that it and, with their own additions, its workers have.
    `cwd`: its working folder.
    """

    modules: Sequence[str]
    config: Path
    runs: Sequence[Run]
    env: Mapping[str, str]
    cwd: Path
    _process: "subprocess.Popen[bytes]" = field(init=False, repr=False)
    _codes: dict[int, int] = field(default_factory=dict, init=False, repr=False)
    _rest: bytes = field(default=b"", init=False, repr=False)
    _ended: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, ENTRY, "warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.cwd,
            env=dict(self.env),
            start_new_session=True,
        )
        self._tell(
            {
                "parent": os.getpid(),
                "modules": list(self.modules),
                "config": str(self.config),
                "runs": [run.model_dump(mode="json") for run in self.runs],
            }
        )

    def start(self, job: Path, log: Path, cwd: Path, env: Mapping[str, str]) -> WarmProcess:
        """Fork a worker for a job file; its output goes to `log`. Raises WarmStartError where the
        server has ended."""
        if not self._tell({"job": str(job), "log": str(log), "cwd": str(cwd), "env": dict(env)}):
            raise WarmStartError("the server of warm starts has ended")
        while True:
            answer = self._answer(_PATIENCE)
            if answer is None:
                self._process.kill()  # one that does not answer is of no use to the next run
                self._ended = True
                raise WarmStartError("the server of warm starts has ended, or does not answer")
            if "started" in answer:
                return WarmProcess(self, answer["started"])

    def _tell(self, line: Mapping[str, Any]) -> bool:
        try:
            self._input.write(json.dumps(line).encode() + b"\n")
            self._input.flush()
        except OSError:
            self._ended = True
        return not self._ended

    def code_of(self, pid: int) -> int | None:
        """The exit code of a worker, None while it runs; workers die with their server."""
        while self._answer(0.0) is not None:
            pass
        if pid not in self._codes and self._ended:
            return -9
        return self._codes.get(pid)

    def close(self) -> None:
        """End the server, and with it what workers are left."""
        with suppress(BrokenPipeError):  # what could not be written when it ended
            self._input.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _answer(self, seconds: float) -> dict[str, int] | None:
        """The next line of the server; None where it has ended, or says nothing for so long."""
        while b"\n" not in self._rest and not self._ended:
            if not wait([self._output.fileno()], seconds):
                return None
            more = os.read(self._output.fileno(), 65536)
            self._ended = not more
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        if not line:
            return None
        answer: dict[str, int] = json.loads(line)
        if "ended" in answer:
            self._codes[answer["ended"]] = answer["code"]
        return answer


def serve() -> None:
    """Read ahead what the first line of JSON on the standard input names, then fork a worker for
    each further line until the input is closed. Answers on the standard output: `{"started": PID}`,
    `{"ended": PID, "code": CODE}`."""
    requests, answers = os.dup(0), os.dup(1)
    _point(0, os.devnull, os.O_RDONLY)
    os.dup2(2, 1)
    context = multiprocessing.get_context("fork")
    children: dict[int, BaseProcess] = {}
    with os.fdopen(requests, "rb", buffering=0) as lines:
        _read_ahead(json.loads(lines.readline()))
        while True:
            for ready in wait([requests, *children]):
                if ready == requests:
                    line = lines.readline()
                    if not line:
                        os._exit(0)  # workers that are left die with this process
                    child = context.Process(
                        target=_work, args=(json.loads(line), os.getpid(), (requests, answers))
                    )
                    child.start()
                    children[child.sentinel] = child
                    _say(answers, {"started": child.pid})
                else:
                    ended = children.pop(ready)  # type: ignore[arg-type]
                    ended.join()
                    _say(answers, {"ended": ended.pid, "code": ended.exitcode})
                    ended.close()


def _say(place: int, answer: Mapping[str, int | None]) -> None:
    os.write(place, json.dumps(answer).encode() + b"\n")


def _read_ahead(told: Mapping[str, Any]) -> None:
    """Import modules, and fill the caches of configuration and code."""
    die_with_parent(told["parent"])
    kernel.import_matplotlib_elsewhere()
    # As in `worker.execute`: jsonschema does without it.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    for name in told["modules"]:
        with suppress(Exception):  # the run that needs it will say what is wrong
            import_module(name)
    with suppress(Exception):
        root = load_config(told["config"]).root
        for run in told["runs"]:
            run_key(Run.model_validate(run), root)


def _point(number: int, path: str, flags: int) -> None:
    """Let a file descriptor stand for a file."""
    opened = os.open(path, flags, 0o666)
    os.dup2(opened, number)
    os.close(opened)


def _work(request: Mapping[str, Any], parent: int, inherited: tuple[int, ...]) -> None:
    """The worker's process: first it forks the kernel's, then it runs its job."""
    os.setsid()
    die_with_parent(parent)
    for number in inherited:
        os.close(number)
    _point(1, request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(1, 2)
    settle(request["env"], request["cwd"])
    adopt_orphans()
    waiting = WaitingKernel()
    try:
        code = main(request["job"], waiting)
    finally:
        waiting.close()
    sys.exit(code)


def begin(arguments: Sequence[str]) -> None:
    """Serve; there are no arguments."""
    serve()
