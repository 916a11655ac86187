"""What a person sees while the grid runs: a live screen on a terminal, plain lines elsewhere."""

import time
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import PurePath
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from pixcl_bench.bench.config.grid import Run
from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.records.store import Record
from pixcl_bench.bench.run.jobs import Job

Scope = tuple[str, ...]
"""A part of the grid: (), (task,), (task, data set) or (task, data set, method)."""


class Board:
    """The records so far, and a growing table for each task: for each method and data set the mean
    of the primary metric and how many runs. `at_once`: how many runs go on at the same time."""

    def __init__(self, config: Config, runs: Sequence[Run]):
        """No record yet; `runs` are all that have an outcome in the end."""
        self.config = config
        self.runs = list(runs)
        self.records: dict[PurePath, Record] = {}
        self.seconds: dict[Scope, list[float]] = {}
        self.at_once = 1
        self.began = time.monotonic()

    def add(self, record: Record, seconds: float | None = None) -> None:
        """Take in the outcome of a run; `seconds`: how long it took, where it is known."""
        self.records[record.folder] = record
        taken = _taken(record) if seconds is None else seconds
        if taken is not None:
            whole = (record.task, record.dataset, record.method)
            for end in range(len(whole) + 1):
                self.seconds.setdefault(whole[:end], []).append(taken)

    def value(self, record: Record) -> str:
        """The primary metric of a record as text, like `kNN top-1 61.2`."""
        task = self.config.task(record.task)
        metric, value = task.metrics[task.primary], record.metrics.get(task.primary)
        return f"{metric.label} " + (
            "undefined" if value is None else f"{value * metric.scale:.{metric.digits}f}"
        )

    def seed_complete(self, task: str, seed: int) -> bool:
        """Whether every run of a seed of a task has an outcome."""
        mine = [run for run in self.runs if (run.task, run.seed) == (task, seed)]
        return all(run.folder in self.records for run in mine)

    def left(self) -> float | None:
        """About how many seconds the rest takes: each run as long as those of its method on its
        data set did, else as those of its data set, of its task, of all. None before anything has
        ended."""
        todo = [run for run in self.runs if run.folder not in self.records]
        if not todo or not self.seconds:
            return None
        seconds = sum(self.expected(run) or 0.0 for run in todo)
        return seconds / max(1, min(self.at_once, len(todo)))

    def expected(self, run: Run) -> float | None:
        """Seconds that a run probably takes; None before anything has ended."""
        whole = (run.task, run.dataset, run.method)
        scopes = [whole[:end] for end in (3, 2, 1, 0)]
        known = next((self.seconds[scope] for scope in scopes if scope in self.seconds), None)
        return sum(known) / len(known) if known else None

    def clock(self) -> str:
        """Time since the start, and about how much is left."""
        left = self.left()
        guess = "" if left is None else f", about {duration(left)} left"
        return duration(time.monotonic() - self.began) + guess

    def tables(self, tasks: Collection[str] | None = None) -> list[RichTable]:
        """One table for each task, or for these: the data sets side by side."""
        known = dict.fromkeys(run.task for run in self.runs)
        return [self._table(task) for task in known if tasks is None or task in tasks]

    def _table(self, task: str) -> RichTable:
        """The table of one task."""
        entry = self.config.task(task)
        metric = entry.metrics[entry.primary]
        mine = [run for run in self.runs if run.task == task]
        datasets = list(dict.fromkeys(run.dataset for run in mine))
        table = RichTable(title=f"{entry.title}: {metric.label}", title_justify="left")
        table.add_column("method", no_wrap=True)
        for dataset in datasets:
            table.add_column(dataset, justify="right", overflow="fold")
            table.add_column("n", justify="right", no_wrap=True)
        wanted = {(run.dataset, run.method) for run in mine}
        for method in dict.fromkeys(run.method for run in mine):
            cells: list[str] = []
            for data in datasets:
                run_here = (data, method) in wanted
                cells += self._cells(task, data, method) if run_here else ("", "")
            table.add_row(self.config.method(task, method).title, *cells)
        return table

    def _cells(self, task: str, dataset: str, method: str) -> tuple[str, str]:
        """The mean of the primary metric, and how many runs it is of, with those that failed. Runs
        of a sweep have no common mean."""
        entry = self.config.task(task)
        metric, where = entry.metrics[entry.primary], (task, dataset, method)
        found = [r for r in self.records.values() if (r.task, r.dataset, r.method) == where]
        values = [v for r in found if (v := r.metrics.get(entry.primary)) is not None]
        failed = sum(r.status == "failed" for r in found)
        alike = values and not any(r.sweep for r in found)
        mean = f"{sum(values) / len(values) * metric.scale:.{metric.digits}f}" if alike else "-"
        return mean, f"{len(values)}" + (f", {failed} failed" if failed else "")


def _taken(record: Record) -> float | None:
    """Seconds between start and end of a record of before; None where it does not tell."""
    try:
        began, ended = (datetime.fromisoformat(text) for text in (record.started, record.finished))
    except ValueError:
        return None
    return max(0.0, (ended - began).total_seconds())


class PlainScreen:
    """One line for each run that starts or ends, and the table of a task whenever all its runs of a
    seed have an outcome."""

    def __init__(self, board: Board, console: Console):
        self.board, self.console = board, console

    def __enter__(self) -> "PlainScreen":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def line(self, word: str, text: str) -> None:
        """One line of the log, with how many runs have an outcome."""
        head = f"[{len(self.board.records)}/{len(self.board.runs)}] {word:<7} {text}"
        self.console.print(Text(head), soft_wrap=True)

    def started(self, run: Run) -> None:
        """A run has started."""
        self.line("started", run.name)

    def ended(self, run: Run, record: Record, seconds: float) -> None:
        """A run has an outcome."""
        taken = duration(seconds)
        if record.status == "ok":
            value, clock = self.board.value(record), self.board.clock()
            self.line("done", f"{run.name}  {value}  {taken}  ({clock})")
        else:
            why = f"{record.reason}: {first_line(record.detail)}"
            self.line("FAILED", f"{run.name}  {why}  {taken}")
        if self.board.seed_complete(run.task, run.seed):
            for table in self.board.tables([run.task]):
                self.console.print(table)

    def again(self, run: Run, record: Record) -> None:
        """A run is tried again, for a reason that may pass."""
        self.line("again", f"{run.name}  {record.reason}: {first_line(record.detail)}")

    def tick(self, running: Sequence[Job]) -> None:
        """Nothing between the lines."""


class LiveScreen(PlainScreen):
    """The growing tables of the tasks at work and the running runs, redrawn four times a second;
    failures stay above them."""

    def __init__(self, board: Board, console: Console):
        super().__init__(board, console)
        self.live = Live(console=console, auto_refresh=False, transient=True)
        self.drawn = 0.0

    def __enter__(self) -> "LiveScreen":
        self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.live.stop()

    def started(self, run: Run) -> None:
        """Seen in the list of running runs."""

    def ended(self, run: Run, record: Record, seconds: float) -> None:
        """Only a failure leaves a line."""
        if record.status == "failed":
            self.line("FAILED", f"{run.name}  {record.reason}: {first_line(record.detail)}")

    def tick(self, running: Sequence[Job]) -> None:
        """Redraw, at most four times a second."""
        if time.monotonic() - self.drawn < 0.25:
            return
        self.drawn = time.monotonic()
        done = f"{len(self.board.records)} of {len(self.board.runs)} runs, {self.board.clock()}"
        # What does not fit on the screen is cut off below: the runs come first.
        width = self.console.width
        told = [Text(done, style="bold"), *(running_row(job, width) for job in running)]
        tasks = {job.run.task for job in running}
        self.live.update(Group(*told, *self.board.tables(tasks or None)), refresh=True)


def running_row(job: Job, width: int) -> Text:
    """A running run in one row: its method and seed, then as much of its place as fits, a bar with
    its step, its time and about how much is left."""
    step = job.step()
    part = min(1.0, step[0] / step[1]) if step and step[1] else 0.0
    told = f"{step[0]}/{step[1]}" if step else "starting"
    spent = duration(job.seconds)
    if part:
        spent += f", {duration(job.seconds * (1 - part) / part)} left"
    tail = f" {told}  {spent}"
    name = shortened(job.run.name, max(16, width - len(tail) - 12))
    bar = max(0, min(24, width - len(tail) - len(name) - 4))
    row = f"  {name} {'━' * round(bar * part)}{'─' * (bar - round(bar * part))}{tail}"
    return Text(row, no_wrap=True, overflow="ellipsis")


def shortened(name: str, width: int) -> str:
    """`TASK/DATASET/METHOD/seed-N` in at most `width` characters where that can be: the task goes
    first, then the data set, then the end of the method's name."""
    parts = name.split("/")
    while len("/".join(parts)) > width and len(parts) > 2:
        del parts[0]
    method, seed = parts[-2:]
    if len(parts) == 2 and len(method) + len(seed) + 1 > width:
        kept = max(4, width - len(seed) - 4)
        method = f"{method[:kept]}..."
        return f"{method}/{seed}"
    return "/".join(parts)


def screen(board: Board, console: Console) -> PlainScreen:
    """The screen that fits the console."""
    return LiveScreen(board, console) if console.is_terminal else PlainScreen(board, console)


def duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def first_line(text: str | None) -> str:
    """The first line of a failure's text, shortened."""
    line = (text or "").strip().splitlines()[0] if (text or "").strip() else "no detail"
    return line if len(line) <= 160 else line[:157] + "..."
