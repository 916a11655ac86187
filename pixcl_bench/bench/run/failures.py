"""Why a run has no result: its reason, in words, and whether another attempt may have one."""

import re
import signal
from pathlib import Path
from typing import Any

from pixcl_bench.bench.config.grid import Run
from pixcl_bench.bench.records import store
from pixcl_bench.bench.run.machine import memory_kills
from pixcl_bench.bench.run.session import blank_record

_NO_MEMORY = (
    *("out of memory", "cannot allocate memory", "can't allocate memory", "not enough memory"),
    *("unable to allocate", "std::bad_alloc", "status_alloc_failed", "insufficient shared memory"),
)
_WORKER_KILLED = re.compile(r"DataLoader worker \(pid[^)]*\) is killed by signal: Killed")
LOST, UNSTARTED = "lost worker", "kernel start"
"""Causes of failures that may pass: the suite may try such a run again."""
EXECUTED = "executed.ipynb"
_DETAIL = 2000


class KernelStartError(RuntimeError):
    """A kernel that died or never answered before any cell had run. `code`: its exit code
    (negative: a signal), None where it had not ended. `start`: which start of the run this was."""

    def __init__(self, message: str, code: int | None, start: int) -> None:
        super().__init__(message)
        self.code, self.start = code, start


def explain(
    error: Exception, kernels: list[Any], kills_before: int | None
) -> tuple[store.Reason, str]:
    """The reason of a failure and its text."""
    if isinstance(error, KernelStartError):
        return unstarted(error, kills_before)
    name = getattr(error, "ename", type(error).__name__)
    text = str(getattr(error, "evalue", error)).strip()
    if type(error).__name__ == "DeadKernelError":
        code = kernels[-1].poll() if kernels and kernels[-1] is not None else None
        return death(code, "the kernel", kills_before)
    detail = f"{name}: {text}"[-_DETAIL:] if text else str(name)
    cell = getattr(error, "exec_count", None)
    if cell is not None:
        detail += f" (cell [{cell}] of {EXECUTED})"
    if _WORKER_KILLED.search(text):
        return "killed", f"{detail}; perhaps for memory"
    if name.endswith(("MemoryError", "OutOfMemoryError")) or any(
        words in text.lower() for words in _NO_MEMORY
    ):
        return "out of memory", detail
    return "error", detail


def unstarted(error: KernelStartError, kills_before: int | None) -> tuple[store.Reason, str]:
    """Why no kernel could be started, and how often that was tried."""
    who = f"the kernel (the last of {error.start} starts, before any cell was run)"
    if error.code is None:
        return "error", f"{who} was given up: {error}; see run.log"
    reason, detail = death(error.code, who, kills_before)
    return reason, detail if detail.endswith("see run.log") else f"{detail}; see run.log"


def death(code: int | None, who: str, kills_before: int | None) -> tuple[store.Reason, str]:
    """Why a process that ended with this exit code (negative: a signal) may have died."""
    if code is None or code >= 0:
        return "error", f"{who} ended with exit code {code} without a record; see run.log"
    name = signal.Signals(-code).name
    if -code == signal.SIGKILL:
        kills = memory_kills()
        if kills is None or kills_before is None:
            return "killed", f"{who} was killed by {name}, perhaps for memory"
        if kills > kills_before:
            return "out of memory", f"{who} was killed by {name} because memory ran out"
    return "killed", f"{who} was killed by {name}"


def fail(
    job: dict[str, Any], reason: Any, detail: str, started: str, cause: str | None = None
) -> store.Record:
    """Write the failure of a job. `cause`: LOST or UNSTARTED, where it may pass."""
    record = blank_record(Run.model_validate(job["run"]), job["key"]).model_copy(
        update={
            "status": "failed",
            "reason": reason,
            "detail": detail,
            "notes": {"cause": cause} if cause else {},
            "started": started,
            "finished": store.now(),
        }
    )
    store.write_failure(Path(job["folder"]), record)
    return record
