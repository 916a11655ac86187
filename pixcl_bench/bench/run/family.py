"""The processes of a run: all that its worker has started, how much memory they use, and their end.

A kernel is in a session of its own, and what a notebook starts may be in another, or may outlive
its parent. So sessions that were seen once are remembered, and a worker takes in what its
descendants leave behind."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
_EVERY = 1.0


def adopt_orphans() -> None:
    """On Linux, make this process the parent of descendants whose own parent ends; elsewhere
    nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)


@dataclass
class Family:
    """A process `pid`, which leads a session, with its descendants. `peak`: the most memory in
    bytes (resident, all together) that was seen."""

    pid: int
    peak: int = 0
    sessions: set[int] = field(default_factory=set)
    ended: bool = False
    """Whether the process itself is gone; its number may be another's then."""
    _looked: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        self.sessions.add(self.pid)

    def watch(self) -> None:
        """Look at the processes, at most once a second."""
        if time.monotonic() - self._looked >= _EVERY:
            self._looked = time.monotonic()
            self.look()

    def look(self) -> list[int]:
        """The processes that live now; takes note of their memory and their sessions."""
        import psutil  # type: ignore[import-untyped, unused-ignore]

        used, living = 0, []
        members = list(self._members())
        for process in members:
            with suppress(psutil.Error):  # it ended just now, or is another user's
                used += process.memory_info().rss
                living.append(process.pid)
        # Only sessions that one of them leads: a process that has just been forked is still in
        # that of its parent, the server of warm starts, where other runs are at home.
        led = {process.pid for process in members}
        self.sessions |= led & {_session(pid) for pid in led}
        self.peak = max(self.peak, used)
        return living

    def _members(self) -> Iterator[Any]:
        """The process, its descendants, and what else is in a session of theirs."""
        import psutil  # type: ignore[import-untyped, unused-ignore]

        seen = {os.getpid()}
        found = []
        if not self.ended:
            with suppress(psutil.Error):
                first = psutil.Process(self.pid)
                found = [first, *first.children(recursive=True)]
        for process in found:
            seen.add(process.pid)
            yield process
        for pid in psutil.pids():
            if pid not in seen and _session(pid) in self.sessions:
                try:
                    yield psutil.Process(pid)
                except psutil.Error:
                    continue

    def kill(self, seconds: float = 2.0) -> None:
        """End them all, also those that are started meanwhile; goes on until none is left, or
        `seconds` are over (a process that waits for a disk cannot be ended before)."""
        end = time.monotonic() + seconds
        while living := [pid for pid in self.look() if not _is_zombie(pid)]:
            for pid in living:
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    continue
            if time.monotonic() > end:
                return
            time.sleep(0.01)


def _session(pid: int) -> int:
    """The session of a process; 0, which is none, where it is gone or the system has none."""
    try:
        return os.getsid(pid) if hasattr(os, "getsid") else 0
    except OSError:
        return 0


def _is_zombie(pid: int) -> bool:
    import psutil  # type: ignore[import-untyped, unused-ignore]

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True
