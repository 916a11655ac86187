"""Comparison tables for the console, Markdown, CSV and HTML."""

import csv
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pixcl_bench.report.render.html import Cell, Span, cell
from pixcl_bench.report.render.words import (
    ARROW_NOTE,
    NONE,
    STAR,
    header,
    kind_name,
    md_escape,
    md_list,
    md_table,
    plus_minus,
)
from pixcl_bench.report.rows import Row, Table

if TYPE_CHECKING:
    import rich.table

INTERVAL_NOTE = "mean ± half of the 95 % interval (Student t) over n seeds"
CSV_HEADER = (
    "task",
    "profile",
    "dataset",
    "dataset_kind",
    "device",
    "method",
    "title",
    "role",
    "uses_labels",
    "metric",
    "scale",
    "mean",
    "low",
    "high",
    "n",
    "failed",
    "rank",
    "keys",
)


def table_title(table: Table) -> str:
    """Task, data set with the kind of its data, profile and device."""
    where = table.comparison
    data = f"{where.dataset} ({kind_name(table.dataset_kind)})"
    return f"{table.title}: {data}, profile {where.profile}, {where.device}"


def _head(table: Table) -> list[str]:
    """The names of the columns."""
    cells = ["method", "role", *(header(m) for m in table.metrics.values()), "n"]
    return [*cells, "rank"] if table.ranked else cells


def _cells(row: Row, table: Table) -> list[str]:
    """Cells behind the method's name and role: one for each metric, then n and rank."""
    cells = [plus_minus(row.values[name], metric) for name, metric in table.metrics.items()]
    if row.hole:
        cells[list(table.metrics).index(table.primary)] = row.hole
    cells.append(count_text(row))
    return [*cells, "" if row.rank is None else str(row.rank)] if table.ranked else cells


def count_text(row: Row) -> str:
    """How many runs have finished: `9`, or `3 of 9` where the profile asks for more."""
    return f"{row.n}" if row.expected in (None, row.n) else f"{row.n} of {row.expected}"


def row_name(row: Row, table: Table, star: str = STAR) -> str:
    """The method's title, marked where it saw labels that others did not, and where it is best."""
    labels = " (labels)" if table.labels_differ and row.saw_labels else ""
    return f"{row.title}{labels}{' ' + star if row.best else ''}"


def legend(table: Table, star: str = STAR) -> list[str]:
    """What numbers and marks mean, then the table's notes."""
    words = [INTERVAL_NOTE]
    if any(metric.direction == "min" for metric in table.metrics.values()):
        words.append(ARROW_NOTE)
    best = [row for row in table.rows if row.best]
    if best:
        kind = "best" if all(row.saw_labels for row in best) else "best self-supervised"
        words.append(f"{star} {kind}; methods whose difference is undecided share a rank")
    return [*words, *table.notes]


def console_table(table: Table) -> "rich.table.Table":
    """The table for a terminal; roles are separated by lines, the legend is the caption."""
    from rich.table import Table as RichTable
    from rich.text import Text

    caption = "\n".join(legend(table, "*"))
    # A justified or wrapped name is hard to read: columns of numbers give way first.
    grid = RichTable(title=table_title(table), caption=caption, caption_justify="left")
    grid.add_column("method", no_wrap=True)
    for name in _head(table)[2:]:
        grid.add_column(name, justify="right", overflow="fold")
    after = [*(row.role for row in table.rows[1:]), None]
    for row, following in zip(table.rows, after, strict=False):
        cells = [Text(row_name(row, table, "*")), *(Text(text) for text in _cells(row, table))]
        grid.add_row(*cells, style=_console_style(row), end_section=following != row.role)
    return grid


def _console_style(row: Row) -> str:
    """How a row looks on a terminal."""
    if row.hole and row.failed:
        return "red"
    if row.best:
        return "bold green"
    return "" if row.competes else "dim"


def markdown_table(table: Table, *, heading: int = 0) -> str:
    """The table in Markdown with its legend.

    Args:
        table: what to show.
        heading: where it is above 0, the title stands above as a heading of that level.
    """
    rows = []
    for row in table.rows:
        name = md_escape(row_name(row, table))
        first = f"**{name}**" if row.best else name
        rows.append([first, row.role, *map(md_escape, _cells(row, table))])
    head = [md_escape(text) for text in _head(table)]
    title = f"{'#' * heading} {table_title(table)}\n\n" if heading else ""
    grid = md_table(head, rows, "ll" + "r" * (len(head) - 2))
    return f"{title}{grid}\n{md_list(legend(table))}"


def csv_table(many: Sequence[Table]) -> str:
    """All tables as one CSV in long form: a line for each method and metric, values in the records'
    own scale."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for table in many:
        for row in table.rows:
            for metric in table.metrics:
                writer.writerow(_csv_line(table, row, metric))
    return out.getvalue()


def _csv_line(table: Table, row: Row, metric: str) -> list[object]:
    """The line of a method and metric, under `CSV_HEADER`."""
    where, value = table.comparison, row.values[metric]
    ends = [value.mean, value.low, value.high] if value else [math.nan] * 3
    keys = " ".join(r.key for r in row.finished)
    return [
        *(where.task, where.profile, where.dataset, table.dataset_kind, where.device),
        *(row.method, row.title, row.role, "" if row.uses_labels is None else row.uses_labels),
        *(metric, table.metrics[metric].scale),
        *("" if math.isnan(end) else repr(end) for end in ends),
        *(value.n if value else 0, len(row.failed), row.rank or "", keys),
    ]


def html_value(text: str, *below: str, strong: bool = False) -> Cell:
    """The cell of a value: the interval stands back behind the mean, a failure and a hole stand
    out.

    Args:
        text: `54.3 ± 1.2`, `54.3`, `failed: ...`, `not run` or an em dash.
        below: smaller lines under it.
        strong: whether the value stands out.
    """
    mean, sign, half = text.partition(" ± ")
    pieces: list[str | Span] = [mean, Span(f" ± {half}", "half")] if sign else [text]
    if text.startswith("failed"):
        pieces = [Span(text, "failed")]
    elif text in (NONE, "not run"):
        pieces = [Span(text, "none")]
    return cell(pieces, *(Span(line, "small") for line in below), strong=strong)
