"""Every method of a task against every data set of a profile in one table: does what wins here win there?"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pixcl_bench.bench.config import Config
from pixcl_bench.bench.schema import Metric
from pixcl_bench.bench.store import Record
from pixcl_bench.report.rows import ROLES, describe, metric_values, tables
from pixcl_bench.report.stats import (
    MIN_PAIRS,
    Interval,
    bootstrap_interval,
    mean_interval,
    paired_differences,
)
from pixcl_bench.report.words import escape, html_rows, md_escape, md_table, number, plus_minus, unbroken

COMPETING = ("baseline", "method", "ablation")


@dataclass(frozen=True)
class Cell:
    """One method on one data set.

    Attributes:
        value: mean over seeds with its interval.
        gain: the paired difference to the reference, see `paired_gain`; None for the reference itself, or
            without common seeds.
        best: whether no competing method of the column is better over the seeds that all have.
    """

    value: Interval
    gain: Interval | None = None
    best: bool = False

    @property
    def sure(self) -> bool:
        """Whether the interval of the gain leaves out zero."""
        gain = self.gain
        return gain is not None and gain.defined and (gain.low > 0 or gain.high < 0)


@dataclass(frozen=True)
class Line:
    """One method: its title and role, and a cell (or None) for each data set."""

    method: str
    title: str
    role: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Crossover:
    """The table: `datasets` are its columns, `seeds` how many each has at most."""

    task: str
    profile: str
    name: str
    metric: Metric
    reference: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    lines: tuple[Line, ...]


def crossover(
    config: Config,
    records: Iterable[Record],
    task: str,
    profile: str,
    *,
    metric: str | None = None,
    reference: str | None = None,
    device: str = "cpu",
) -> Crossover | None:
    """The table of a task in a profile; None with fewer than two data sets.

    Args:
        metric: the task's primary one by default.
        reference: the method that gains are taken over; the task's floor by default.
    """
    entry = config.task(task)
    name, against = metric or entry.primary, reference or entry.floor or entry.baseline
    found = {
        t.place.dataset: t
        for t in tables(config, list(records), task)
        if (t.place.profile, t.place.device) == (profile, device)
    }
    values: dict[str, dict[str, dict[int, float]]] = {}
    for dataset, table in found.items():
        rows = {row.method: metric_values(row.records, name) for row in table.rows}
        if known := {method: by_seed for method, by_seed in rows.items() if by_seed}:
            values[dataset] = known
    if len(values) < 2:
        return None
    metric_entry = entry.metrics[name]
    columns = {
        data: _column(config, task, rows, metric_entry.direction, against) for data, rows in values.items()
    }
    methods = [m for m in entry.methods if any(m in column for column in columns.values())]
    lines = [
        Line(m, *describe(config, task, m), tuple(column.get(m) for column in columns.values()))
        for m in methods
    ]
    lines.sort(key=lambda line: ROLES.index(line.role) if line.role in ROLES else len(ROLES))
    seeds = tuple(max(map(len, rows.values())) for rows in values.values())
    return Crossover(task, profile, name, metric_entry, against, tuple(values), seeds, tuple(lines))


def paired_gain(differences: Sequence[float]) -> Interval:
    """Mean of paired differences with the interval that claims have (BCa); its ends are NaN below MIN_PAIRS
    pairs, with which no claim could be decided either."""
    found = bootstrap_interval(differences) if len(differences) >= MIN_PAIRS else None
    mean = sum(differences) / len(differences)
    return found or Interval(mean, math.nan, math.nan, len(differences))


def _column(
    config: Config, task: str, rows: dict[str, dict[int, float]], direction: str, reference: str
) -> dict[str, Cell]:
    sign = -1.0 if direction == "min" else 1.0
    competing = {m: rows[m] for m in rows if describe(config, task, m)[1] in COMPETING}
    common = set.intersection(*(set(by_seed) for by_seed in competing.values())) if competing else set()
    fair = {m: sign * sum(by_seed[s] for s in common) for m, by_seed in competing.items()} if common else {}
    top = max(fair.values(), default=math.inf)
    cells = {}
    for method, by_seed in rows.items():
        differences = paired_differences(by_seed, rows.get(reference, {}))[1]
        gain = paired_gain(differences) if differences and method != reference else None
        best = fair.get(method, -math.inf) >= top
        cells[method] = Cell(mean_interval(list(by_seed.values())), gain, best)
    return cells


def _head(found: Crossover) -> list[str]:
    return [
        "method",
        "role",
        *(f"{data} (n = {n})" for data, n in zip(found.datasets, found.seeds, strict=True)),
    ]


def notes(found: Crossover, title: str) -> list[str]:
    """What a reader must know: the metric, what bold, brackets and the dot say."""
    return [
        f"{found.metric.label}: mean ± half of the 95 % interval (Student t) over seeds; in brackets the "
        f"difference to {title}, paired over seeds",
        "bold: best among the methods that compete, over the seeds that all of them have; a dot: the 95 % "
        f"interval of the difference, as claims have it (BCa, {MIN_PAIRS} pairs or more), leaves out zero "
        "(not corrected for the number of cells: a description, no verdict)",
    ]


def _gain(cell: Cell, metric: Metric) -> str:
    if cell.gain is None:
        return ""
    return f"({number(cell.gain.mean, metric, signed=True)}{' ·' if cell.sure else ''})"


def _count(cell: Cell, most: int) -> str:
    """How many seeds a cell has, where that is not the column's number."""
    return f" n = {cell.value.n}" if cell.value.n != most else ""


def html_crossover(config: Config, found: Crossover) -> str:
    """The table in HTML with its notes, in a container that scrolls sideways."""
    rows = []
    for line in found.lines:
        cells = [escape(line.title), escape(line.role)]
        for cell, most in zip(line.cells, found.seeds, strict=True):
            if cell is None:
                cells.append('<span class="px-none">—</span>')
                continue
            value = escape(plus_minus(cell.value, found.metric)).replace(" ± ", '<span class="px-half"> ± ')
            value += "</span>" if "<span" in value else ""
            value = f"<strong>{value}</strong>" if cell.best else value
            gain = f"{_gain(cell, found.metric)}{_count(cell, most)}"
            cells.append(value + (f'<br><span class="px-small">{unbroken(gain)}</span>' if gain else ""))
        rows.append(cells)
    head = [unbroken(cell) for cell in _head(found)]
    title = describe(config, found.task, found.reference)[0]
    legend = "".join(f"<li>{escape(line)}</li>" for line in notes(found, title))
    grid = html_rows(head, rows, "ll" + "r" * len(found.datasets))
    return f'{grid}<ul class="px-legend">{legend}</ul>\n'


def markdown_crossover(config: Config, found: Crossover) -> str:
    """The same in Markdown."""
    rows = [[md_escape(line.title), line.role, *_md_cells(line.cells, found)] for line in found.lines]
    title = describe(config, found.task, found.reference)[0]
    legend = "".join(f"- {md_escape(line)}\n" for line in notes(found, title))
    head = [md_escape(cell) for cell in _head(found)]
    return f"{md_table(head, rows, 'll' + 'r' * len(found.datasets))}\n{legend}"


def _md_cells(cells: Sequence[Cell | None], found: Crossover) -> list[str]:
    words = []
    for cell, most in zip(cells, found.seeds, strict=True):
        if cell is None:
            words.append("—")
            continue
        value = plus_minus(cell.value, found.metric)
        rest = f"{_gain(cell, found.metric)}{_count(cell, most)}"
        words.append(f"{f'**{value}**' if cell.best else value} {rest}".rstrip())
    return words
