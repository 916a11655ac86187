"""A process that has everything imported and waits to become the kernel of a run."""

import json
import multiprocessing
import os
import random
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from pixcl_bench.bench.run import kernel
from pixcl_bench.bench.run.worker import die_with_parent


class WaitingKernel:
    """A process with everything imported, which becomes a kernel when it is told the command."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        self._told, listens = context.Pipe()
        self._process = context.Process(target=_become_kernel, args=(listens, os.getpid()))
        self._process.start()
        listens.close()
        self.free = True

    def launch(self, command: Sequence[str], env: Mapping[str, str], cwd: str) -> "KernelProcess":
        """Let it become the kernel of `command`, which can be done once."""
        self.free = False
        told = {"arguments": list(command[3:]), "env": dict(env), "cwd": cwd}
        self._told.send_bytes(json.dumps(told).encode())
        return KernelProcess(self._process)

    def close(self) -> None:
        """Kill the process if it still runs."""
        self._told.close()
        if self._process.is_alive():
            self._process.kill()
        self._process.join()


class KernelProcess:
    """A forked process as the kernel's manager expects a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self.pid: int = process.pid or 0

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()


def _become_kernel(listens: Connection, parent: int) -> None:
    os.setsid()
    die_with_parent(parent)
    try:
        told = json.loads(listens.recv_bytes())
    except EOFError:
        return
    listens.close()
    settle(told["env"], told["cwd"])
    kernel.begin(told["arguments"])


def settle(env: Mapping[str, str], cwd: str) -> None:
    """Take over environment and working folder, and random states that no other process has."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
