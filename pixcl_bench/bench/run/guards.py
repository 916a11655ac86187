"""What a grid makes sure of before it starts: that this machine can run it, that nobody else works
on the same results, that it can be stopped."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from pixcl_bench.bench.errors import UsageError
from pixcl_bench.bench.keys import run_code
from pixcl_bench.bench.keys.libraries import ALWAYS
from pixcl_bench.bench.records.disk import make_folder, written
from pixcl_bench.bench.run.jobs import Job
from pixcl_bench.bench.run.machine import require_device
from pixcl_bench.bench.run.surroundings import hidden_library

LOCK = ".lock"


def preflight(jobs: Sequence[Job]) -> None:
    """Refuse what this machine cannot run, before anything is written. Raises UsageError where
    there is no such device or data set."""
    from pixcl_bench.data.catalogue import missing

    for device in dict.fromkeys(job.run.device for job in jobs):
        require_device(device)
    absent = {name: missing(name) for name in dict.fromkeys(job.run.dataset for job in jobs)}
    problems = {name: text for name, text in absent.items() if text}
    if problems:
        name, text = next(iter(problems.items()))
        more = f"; also {', '.join(list(problems)[1:])}" if len(problems) > 1 else ""
        raise UsageError(
            f"{text.splitlines()[0]}{more}: pixcl-bench data info {name} says how to get it, then"
            " name its folder with --data-root, or choose others with --dataset"
        )


def refuse_hidden(jobs: Sequence[Job]) -> None:
    """Raise UsageError where a file of the project takes the place of a library that its runs
    use."""
    used = {name for job in jobs for name in run_code(job.run, job.root).libraries}
    found = hidden_library(jobs[0].root, {*used, *ALWAYS})
    if found is not None:
        name = found.parent.name if found.stem == "__init__" else found.stem
        raise UsageError(
            f"{shown(found)} hides the installed library {name!r}, which the runs use: rename it"
        )


def shown(path: Path) -> str:
    """A path as people want to read it: relative to the working folder where it lies inside."""
    full = path.resolve()
    return full.relative_to(Path.cwd()).as_posix() if full.is_relative_to(Path.cwd()) else str(path)


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM stops the suite like Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def locks(jobs: Sequence[Job], console: Console) -> Iterator[None]:
    """Hold the lock of each profile's results, so that no two suites do the same run at once. That
    a disk has no locks is told, and no more."""
    from pixcl_bench.data.fetch import LockHeldError, locked

    with ExitStack() as stack:
        for folder in sorted({job.results / job.run.profile for job in jobs}):
            make_folder(folder)
            try:
                with written(folder / LOCK):
                    alone = stack.enter_context(locked(folder / LOCK, wait=False))
            except LockHeldError as error:
                raise UsageError(
                    f"another pixcl-bench is at work on {shown(folder)}: wait, or use other"
                    " --results"
                ) from error
            if not alone:
                text = "no file locks on this disk: start no second pixcl-bench there meanwhile"
                console.print(f"warning: {shown(folder)}: {text}", highlight=False, soft_wrap=True)
        yield
