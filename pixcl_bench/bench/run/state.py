"""What has become of the runs of a profile: done, stale, failed, missing, and how long the rest
takes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.table import Table

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.records.scan import Found
from pixcl_bench.bench.records.store import Record
from pixcl_bench.bench.run.jobs import Job
from pixcl_bench.bench.run.machine import default_jobs
from pixcl_bench.bench.run.progress import Board, duration

STATES = ("done", "stale", "failed", "missing")
_LISTED = 10


@dataclass(frozen=True)
class JobState:
    """A run and what has become of it.

    Attributes:
        job: the run, with the key that it has today.
        state: `done`, `stale` (done, but settings, code or data have changed since), `failed` or
            `missing`.
        record: that of the run, or of its failure; None where there is none that can be read.
    """

    job: Job
    state: str
    record: Record | None = None


def job_states(jobs: Sequence[Job], found: Found) -> list[JobState]:
    """What has become of each job, by the records of its results folder."""
    records = {record.folder: record for record in found.records}
    return [_state(job, records.get(job.run.folder)) for job in jobs]


def _state(job: Job, record: Record | None) -> JobState:
    if record is None:
        return JobState(job, "missing")
    if record.status != "ok":
        return JobState(job, "failed", record)
    return JobState(job, "done" if record.key == job.key else "stale", record)


def status_table(
    states: Sequence[JobState], config: Config, profile: str, *, methods: bool = False
) -> Table:
    """How many runs of each task and data set (and method, where asked for) are done, stale,
    failed and missing, and about how long the runs that are not done take."""
    rows: dict[tuple[str, ...], list[JobState]] = {}
    for one in states:
        run = one.job.run
        place = (run.task, run.dataset, run.method)[: 3 if methods else 2]
        rows.setdefault(place, []).append(one)
    table = Table(title=f"profile {profile}", title_justify="left")
    for name in ("task", "data set", "method")[: 3 if methods else 2]:
        table.add_column(name, overflow="fold")
    for name in (*STATES, "left"):
        table.add_column(name, justify="right", no_wrap=True)
    board = _board(states, config)
    for place, members in rows.items():
        counts = Counter(one.state for one in members)
        numbers = (str(counts[state] or "") for state in STATES)
        table.add_row(*place, *numbers, _left(board, members))
    total = Counter(one.state for one in states)
    table.add_section()
    empty = [""] * (2 if methods else 1)
    table.add_row("all", *empty, *(str(total[s]) for s in STATES), _left(board, states))
    return table


def _board(states: Sequence[JobState], config: Config) -> Board:
    """The times of the runs that are done, to expect those of the others from."""
    board = Board(config, [one.job.run for one in states])
    for one in states:
        if one.record is not None and one.record.status == "ok":
            board.add(one.record)
    return board


def _left(board: Board, members: Iterable[JobState]) -> str:
    """About how long the runs take that are not done; empty where all are, `?` where no finished
    run tells."""
    todo = [one.job.run for one in members if one.state != "done"]
    if not todo:
        return ""
    at_once = min(default_jobs(todo[0].device, todo[0].threads), len(todo))
    seconds = [board.expected(run) for run in todo]
    known = [value for value in seconds if value is not None]
    return duration(sum(known) / at_once) if len(known) == len(seconds) else "?"


def failure_lines(states: Sequence[JobState]) -> list[str]:
    """The runs that failed, each with its reason, and how to read more."""
    failed = [one for one in states if one.state == "failed" and one.record is not None]
    lines = []
    for one in failed[:_LISTED]:
        record = one.record
        assert record is not None
        detail = (record.detail or "no detail").strip().splitlines()[0]
        lines.append(f"failed: {one.job.run.name}: {record.reason}: {detail}")
    if len(failed) > _LISTED:
        lines.append(f"failed: and {len(failed) - _LISTED} more")
    if failed:
        lines.append("the log of a run: pixcl-bench logs TASK/DATASET/METHOD/SEED")
    return lines


def stale_line(states: Sequence[JobState]) -> str:
    """A line about runs that are stale; empty where none is."""
    count = sum(one.state == "stale" for one in states)
    return f"{count} stale: pixcl-bench status --why says what changed" if count else ""
