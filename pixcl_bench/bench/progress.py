"""What a person sees while the grid runs: a live screen on a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from pixcl_bench.bench.config import Config
from pixcl_bench.bench.grid import Run
from pixcl_bench.bench.jobs import Job
from pixcl_bench.bench.store import Record

Row = tuple[str, str, str]


class Board:
    """The records so far, and the growing table: for each method the mean of the primary metric and how many
    runs."""

    def __init__(self, config: Config, runs: Sequence[Run]):
        self.config = config
        self.runs = list(runs)
        self.records: dict[Any, Record] = {}
        self.began = time.monotonic()
        self.fresh = 0

    def add(self, record: Record, *, fresh: bool = True) -> None:
        """Take in the outcome of a run; `fresh` where it ran now."""
        self.records[record.folder] = record
        self.fresh += fresh

    def value(self, record: Record) -> str:
        """The primary metric of a record as text, like `kNN top-1 61.2`."""
        task = self.config.task(record.task)
        metric, value = task.metrics[task.primary], record.metrics.get(task.primary)
        return f"{metric.label} " + (
            "undefined" if value is None else f"{value * metric.scale:.{metric.digits}f}"
        )

    def seed_complete(self, seed: int) -> bool:
        """Whether every run of a seed has an outcome."""
        return all(run.folder in self.records for run in self.runs if run.seed == seed)

    def clock(self) -> str:
        """Time since the start, and about how much is left."""
        elapsed = time.monotonic() - self.began
        left = len(self.runs) - len(self.records)
        guess = f", about {duration(elapsed / self.fresh * left)} left" if self.fresh and left else ""
        return duration(elapsed) + guess

    def tables(self) -> list[RichTable]:
        """One table for each task and data set."""
        places = dict.fromkeys((run.task, run.dataset) for run in self.runs)
        return [self._table(task, dataset) for task, dataset in places]

    def _table(self, task: str, dataset: str) -> RichTable:
        entry = self.config.task(task)
        metric = entry.metrics[entry.primary]
        table = RichTable(title=f"{entry.title}: {dataset}", title_justify="left")
        for name in ("method", metric.label, "n", "failed"):
            table.add_column(name, justify="left" if name == "method" else "right")
        for method in dict.fromkeys(r.method for r in self.runs if (r.task, r.dataset) == (task, dataset)):
            mine = [
                r for r in self.records.values() if (r.task, r.dataset, r.method) == (task, dataset, method)
            ]
            values = [v for r in mine if (v := r.metrics.get(entry.primary)) is not None]
            failed = sum(r.status == "failed" for r in mine)
            mean = f"{sum(values) / len(values) * metric.scale:.{metric.digits}f}" if values else "-"
            table.add_row(self.config.method(task, method).title, mean, str(len(values)), str(failed or ""))
        return table


class PlainScreen:
    """One line for each run that starts or ends, and the table whenever all methods of a seed are
    complete."""

    def __init__(self, board: Board, console: Console):
        self.board, self.console = board, console

    def __enter__(self) -> "PlainScreen":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
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
        if record.status == "ok":
            self.line(
                "done", f"{run.name}  {self.board.value(record)}  {duration(seconds)}  ({self.board.clock()})"
            )
        else:
            self.line(
                "FAILED", f"{run.name}  {record.reason}: {first_line(record.detail)}  {duration(seconds)}"
            )
        if self.board.seed_complete(run.seed):
            for table in self.board.tables():
                self.console.print(table)

    def tick(self, running: Sequence[Job]) -> None:
        """Nothing between the lines."""


class LiveScreen(PlainScreen):
    """The growing table and the running runs, redrawn four times a second; failures stay above it."""

    def __init__(self, board: Board, console: Console):
        super().__init__(board, console)
        self.live = Live(console=console, auto_refresh=False, transient=True)
        self.drawn = 0.0

    def __enter__(self) -> "LiveScreen":
        self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
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
        self.live.update(
            Group(*self.board.tables(), Text(done, style="bold"), *map(_running, running)), refresh=True
        )


def _running(job: Job) -> Text:
    step = job.step()
    part = step[0] / step[1] if step and step[1] else 0.0
    bar = "━" * round(24 * part) + "─" * (24 - round(24 * part))
    told = f"{step[0]}/{step[1]}" if step else "starting"
    return Text(f"  {bar} {told:>12}  {duration(job.seconds):>7}  {job.run.name}", no_wrap=True)


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
