"""Run a grid: a pool of processes on this machine, or a Dask cluster. Finished runs are never
repeated."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from pixcl_bench.bench.config.grid import Run
from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.errors import UsageError
from pixcl_bench.bench.keys import Codes, run_key
from pixcl_bench.bench.records import store
from pixcl_bench.bench.records.rerun import settle
from pixcl_bench.bench.run.failures import LOST, UNSTARTED
from pixcl_bench.bench.run.guards import interruptible, locks, preflight, refuse_hidden, shown
from pixcl_bench.bench.run.jobs import Job
from pixcl_bench.bench.run.machine import default_jobs
from pixcl_bench.bench.run.pools import Cluster, Local
from pixcl_bench.bench.run.progress import Board, PlainScreen, screen

_PAUSE = 0.05


@dataclass
class Summary:
    """What came of a grid: runs done before, done now, failed now, and whether it was
    interrupted."""

    total: int
    before: int = 0
    done: int = 0
    failed: list[store.Record] = field(default_factory=list)
    interrupted: bool = False

    @property
    def left(self) -> int:
        """Runs without an outcome."""
        return self.total - self.before - self.done - len(self.failed)


def make_jobs(runs: Sequence[Run], config: Config, results: Path) -> list[Job]:
    """A job for each run, with its key; the results folder is made absolute."""
    place = results.resolve()
    codes = Codes(config.root)
    return [
        Job(run, run_key(run, config.root, codes=codes), config.path, config.root, place)
        for run in runs
    ]


def run_grid(
    runs: Sequence[Run],
    *,
    config: Config,
    results: Path,
    jobs: int | None = None,
    scheduler: str | None = None,
    force: bool = False,
    keep_going: bool = True,
    retries: int = 1,
    console: Console | None = None,
) -> Summary:
    """Run what is not done yet and return the summary.

    jobs: processes at once (default: as many as the cores, or the GPUs, hold). scheduler: address
    of a Dask scheduler. force: run everything again. keep_going: go on after a failure; otherwise
    start nothing after the first. retries: how often a run is tried again whose process was lost,
    or whose kernel did not start. Ctrl-C stops every process; what is finished stays. Raises
    UsageError where another suite works on this profile, and before anything is written where this
    machine lacks the device or a data set."""
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs}: at least 1 is wanted")
    every = make_jobs(runs, config, results)
    todo, _, summary = survey(every, config, force)
    if not todo:
        return summary
    if scheduler is None:
        preflight(todo)
    refuse_hidden(todo)
    console = console or Console()
    with interruptible(), locks(todo, console):
        # another suite may have finished some meanwhile, or been killed while it put one in place
        for job in todo:
            settle(job.folder)
        todo, board, summary = survey(every, config, force)
        if not todo:
            return summary
        if force:
            for job in todo:
                job.forget()
        count = jobs or default_jobs(todo[0].run.device, todo[0].run.threads)
        board.at_once = len(todo) if scheduler else count
        console.print(
            _plan(summary, todo, count, scheduler, results), highlight=False, soft_wrap=True
        )
        with screen(board, console) as view:
            pool = Cluster(scheduler) if scheduler else Local(count, todo)
            try:
                _drive(todo, pool, board, view, summary, keep_going, retries)
            except KeyboardInterrupt:
                summary.interrupted = True
            finally:
                pool.stop()
    return summary


def survey(
    jobs: Sequence[Job], config: Config, force: bool = False
) -> tuple[list[Job], Board, Summary]:
    """Which jobs are still to do, and a board with the records of the others."""
    board = Board(config, [job.run for job in jobs])
    todo = []
    for job in jobs:
        record = None if force else job.done()
        if record is None:
            todo.append(job)
        else:
            board.add(record)
    return todo, board, Summary(len(jobs), before=len(jobs) - len(todo))


def _plan(
    summary: Summary, todo: Sequence[Job], count: int, scheduler: str | None, results: Path
) -> str:
    threads = todo[0].run.threads
    where = (
        f"on the cluster at {scheduler}"
        if scheduler
        else f"{min(count, len(todo))} at once, {_many(threads, 'thread')} each"
    )
    run, before = todo[0].run, f", {summary.before} of them done before" if summary.before else ""
    return (
        f"{_many(summary.total, 'run')} of profile {run.profile!r}{before};"
        f" {_many(len(todo), 'run')} to do on {run.device}, {where}, at most {run.time_limit:g} s a"
        f" run\n{_by_task(todo)}results in {shown(results / run.profile)}/"
    )


def _by_task(todo: Sequence[Job]) -> str:
    """A line with the runs to do of each task, in the order in which they come; none where there is
    one task."""
    counts = Counter(job.run.task for job in todo)
    words = ", then ".join(f"{count} of {task}" for task, count in counts.items())
    return f"{words}\n" if len(counts) > 1 else ""


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _drive(
    todo: Sequence[Job],
    pool: "Local | Cluster",
    board: Board,
    view: PlainScreen,
    summary: Summary,
    keep_going: bool,
    retries: int,
) -> None:
    queue = list(todo)
    while queue or pool.running:
        while queue and pool.free():
            job = queue.pop(0)
            pool.start(job)
            view.started(job.run)
        for job, record in pool.ended():
            if _may_pass(record) and job.attempt <= retries:
                view.again(job.run, record)
                job.attempt += 1
                queue.append(job)
                continue
            board.add(record, job.seconds)
            if record.status == "ok":
                summary.done += 1
            else:
                summary.failed.append(record)
                if not keep_going:
                    queue.clear()
            view.ended(job.run, record, job.seconds)
        view.tick(pool.running)
        time.sleep(_PAUSE)


def _may_pass(record: store.Record) -> bool:
    """Whether a run failed for what another attempt may not meet again."""
    return record.status == "failed" and record.notes.get("cause") in (LOST, UNSTARTED)
