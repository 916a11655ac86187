"""Comparison tables for the console, Markdown, CSV and HTML."""

import csv
import io
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pixcl_bench.report.rows import Place, Row, Table, summary, tables
from pixcl_bench.report.words import (
    ARROW_NOTE,
    escape,
    header,
    html_rows,
    kind_name,
    md_escape,
    md_table,
    plus_minus,
    unbroken,
)

if TYPE_CHECKING:
    import rich.table

__all__ = [
    "Place",
    "Row",
    "Table",
    "console_table",
    "csv_table",
    "html_table",
    "markdown_table",
    "summary",
    "table_title",
    "tables",
]

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
    where = table.place
    data = f"{where.dataset} ({kind_name(table.dataset_kind)})"
    return f"{table.title}: {data}, profile {where.profile}, {where.device}"


def _head(table: Table) -> list[str]:
    cells = ["method", "role", *(header(m) for m in table.metrics.values()), "n"]
    return [*cells, "rank"] if table.ranked else cells


def _cells(row: Row, table: Table) -> list[str]:
    """Cells behind the method's name and role: one for each metric, then n and rank."""
    cells = [plus_minus(row.values[name], metric) for name, metric in table.metrics.items()]
    if row.hole:
        cells[list(table.metrics).index(table.primary)] = row.hole
    count = f"{row.n}" if row.expected in (None, row.n) else f"{row.n} of {row.expected}"
    cells.append(count)
    return [*cells, "" if row.rank is None else str(row.rank)] if table.ranked else cells


def _name(row: Row, table: Table, star: str = "*") -> str:
    labels = " (labels)" if table.labels_differ and row.saw_labels else ""
    return f"{row.title}{labels}{' ' + star if row.best else ''}"


def _legend(table: Table, star: str = "*") -> list[str]:
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

    # A justified or wrapped name is hard to read: columns of numbers give way first.
    grid = RichTable(title=table_title(table), caption="\n".join(_legend(table)), caption_justify="left")
    grid.add_column("method", no_wrap=True)
    for name in _head(table)[2:]:
        grid.add_column(name, justify="right", overflow="fold")
    for i, row in enumerate(table.rows):
        last = i + 1 == len(table.rows) or table.rows[i + 1].role != row.role
        style = "bold green" if row.best else "dim" if row.role in ("floor", "ceiling") else ""
        cells = [Text(_name(row, table)), *(Text(cell) for cell in _cells(row, table))]
        if row.hole and row.failed:
            style = "red"
        grid.add_row(*cells, style=style, end_section=last)
    return grid


def markdown_table(table: Table, *, heading: int = 0) -> str:
    """The table in Markdown with its legend; `heading` > 0 puts the title above as a heading of that
    level."""
    rows = []
    for row in table.rows:
        cells = [md_escape(_name(row, table, "★")), row.role, *map(md_escape, _cells(row, table))]
        if row.best:
            cells[0] = f"**{cells[0]}**"
        rows.append(cells)
    head = [md_escape(cell) for cell in _head(table)]
    title = f"{'#' * heading} {table_title(table)}\n\n" if heading else ""
    legend = "".join(f"- {md_escape(line)}\n" for line in _legend(table, "★"))
    return f"{title}{md_table(head, rows, 'll' + 'r' * (len(head) - 2))}\n{legend}"


def csv_table(many: Sequence[Table]) -> str:
    """All tables as one CSV in long form: a line for each method and metric, values in the records' own
    scale."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for table in many:
        for row in table.rows:
            for metric in table.metrics:
                writer.writerow(_csv_line(table, row, metric))
    return out.getvalue()


def _csv_line(table: Table, row: Row, metric: str) -> list[object]:
    where, value = table.place, row.values[metric]
    ends = [value.mean, value.low, value.high] if value else [math.nan] * 3
    keys = " ".join(r.key for r in row.records if r.status == "ok")
    return [
        *(where.task, where.profile, where.dataset, table.dataset_kind, where.device),
        *(row.method, row.title, row.role, "" if row.uses_labels is None else row.uses_labels),
        *(metric, table.metrics[metric].scale),
        *("" if math.isnan(end) else repr(end) for end in ends),
        *(value.n if value else 0, len(row.failed), row.rank or "", keys),
    ]


def html_table(table: Table, *, link: Callable[[Row], str | None] | None = None) -> str:
    """The table in HTML, in a container that scrolls sideways.

    Args:
        table: what to show.
        link: address of a method's own section or page, or None.
    """
    rows = []
    for row in table.rows:
        name = escape(_name(row, table, "★"))
        href = link(row) if link else None
        name = f'<a href="{escape(href)}">{name}</a>' if href else name
        cells = [f"<strong>{name}</strong>" if row.best else name, escape(row.role)]
        cells += [_html_cell(cell) for cell in _cells(row, table)]
        rows.append(cells)
    head = [unbroken(cell) for cell in _head(table)]
    grid = html_rows(head, rows, "ll" + "r" * (len(head) - 2))
    legend = "".join(f"<li>{escape(line)}</li>" for line in _legend(table, "★"))
    return f'{grid}<ul class="px-legend">{legend}</ul>\n'


def _html_cell(cell: str) -> str:
    if cell.startswith("failed"):
        return f'<span class="px-failed">{escape(cell)}</span>'
    if cell in ("—", "not run"):
        return f'<span class="px-none">{escape(cell)}</span>'
    mean, sign, half = cell.partition(" ± ")
    return f'{escape(mean)}<span class="px-half"> ± {escape(half)}</span>' if sign else escape(cell)
