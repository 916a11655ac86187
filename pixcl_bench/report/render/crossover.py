"""The crossover table in HTML and Markdown."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.schema import Metric
from pixcl_bench.report.crossover import Crossover, Entry
from pixcl_bench.report.render import html
from pixcl_bench.report.render.html import Cell
from pixcl_bench.report.render.tables import html_value
from pixcl_bench.report.render.words import (
    NONE,
    md_escape,
    md_list,
    md_table,
    number,
    plus_minus,
    unbroken,
)
from pixcl_bench.report.rows import describe
from pixcl_bench.report.stats import MIN_PAIRS

if TYPE_CHECKING:
    from markupsafe import Markup


def _head(found: Crossover) -> list[str]:
    """Method, role, and each data set with its number of seeds."""
    columns = zip(found.datasets, found.seeds, strict=True)
    return ["method", "role", *(f"{data} (n = {n})" for data, n in columns)]


def _align(found: Crossover) -> str:
    """Names, then numbers."""
    return "ll" + "r" * len(found.datasets)


def notes(found: Crossover, title: str) -> list[str]:
    """What a reader must know: the metric, what bold, brackets and the dot say.

    Args:
        found: the table.
        title: of its reference.
    """
    return [
        f"{found.metric.label}: mean ± half of the 95 % interval (Student t) over seeds; in "
        f"brackets the difference to {title}, paired over seeds",
        "bold: best among the methods that compete, over the seeds that all of them have; a dot: "
        f"the 95 % interval of the difference, as claims have it (BCa, {MIN_PAIRS} pairs or more), "
        "leaves out zero (not corrected for the number of cells: a description, no verdict)",
    ]


def _notes(config: Config, found: Crossover) -> list[str]:
    """The notes with the title of the reference."""
    return notes(found, describe(config, found.task, found.reference)[0])


def _below(entry: Entry, metric: Metric, most: int) -> str:
    """The gain in brackets, and how many seeds an entry has where that is not the column's
    number."""
    gain = ""
    if entry.gain is not None:
        mean = number(entry.gain.mean, metric, signed=True)
        gain = f"({mean}{' ·' if entry.sure else ''})"
    return gain + (f" n = {entry.value.n}" if entry.value.n != most else "")


def html_crossover(config: Config, found: Crossover) -> "Markup":
    """The table in HTML with its notes, in a container that scrolls sideways."""
    rows: list[list[str | Cell]] = []
    for line in found.lines:
        pairs = zip(line.entries, found.seeds, strict=True)
        cells = [_html_entry(entry, found.metric, most) for entry, most in pairs]
        rows.append([line.title, line.role, *cells])
    head = [unbroken(text) for text in _head(found)]
    return html.table(head, rows, _align(found), legend=_notes(config, found))


def _html_entry(entry: Entry | None, metric: Metric, most: int) -> Cell:
    """Mean and interval with the gain below."""
    if entry is None:
        return html_value(NONE)
    below = unbroken(_below(entry, metric, most))
    return html_value(plus_minus(entry.value, metric), below, strong=entry.best)


def markdown_crossover(config: Config, found: Crossover) -> str:
    """The same in Markdown."""
    rows = [
        [md_escape(line.title), line.role, *_md_cells(line.entries, found)] for line in found.lines
    ]
    head = [md_escape(text) for text in _head(found)]
    return f"{md_table(head, rows, _align(found))}\n{md_list(_notes(config, found))}"


def _md_cells(entries: Sequence[Entry | None], found: Crossover) -> list[str]:
    """The cells of a line behind title and role."""
    words = []
    for entry, most in zip(entries, found.seeds, strict=True):
        if entry is None:
            words.append(NONE)
            continue
        value = plus_minus(entry.value, found.metric)
        value = f"**{value}**" if entry.best else value
        words.append(f"{value} {_below(entry, found.metric, most)}".rstrip())
    return words
