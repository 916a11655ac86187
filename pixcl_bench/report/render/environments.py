"""The environments that runs had: what they share, and what differs between them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pixcl_bench.bench.records.store import Record
from pixcl_bench.report.render import html
from pixcl_bench.report.render.html import Cell, cell, code
from pixcl_bench.report.render.words import NONE, short

if TYPE_CHECKING:
    from markupsafe import Markup

VALUES = 6
"""So many values of one name are shown."""


def environments(records: Iterable[Record]) -> list[tuple[int, dict[str, str]]]:
    """The different environments of finished runs with the number of runs in each, the most used
    first."""
    counts = Counter(
        tuple((name, str(value)) for name, value in sorted(record.environment.items()))
        for record in records
        if record.status == "ok"
    )
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(n, dict(key)) for key, n in ordered]


def environment_html(records: Sequence[Record]) -> "Markup":
    """The environment of the runs as two tables, or a sentence where no run has finished."""
    found = environments(records)
    same: list[list[str | Cell]] = []
    differ: list[list[str | Cell]] = []
    for name in sorted({name for _, env in found for name in env}):
        values: Counter[str] = Counter()
        for count, env in found:
            values[env.get(name, NONE)] += count
        if len(values) == 1:
            same.append([name, cell(code(short(next(iter(values)), 300)))])
        else:
            differ.append([name, _different(values)])
    return html.render(
        "environment.html",
        same=html.table(["shared by all runs", "value"], same, "ll") if same else "",
        differ=html.table(["differs between runs", "values"], differ, "ll") if differ else "",
    )


def _different(values: Counter[str]) -> Cell:
    """The values of one name with the number of runs that had each."""
    lines = [(code(short(text, 120)), f" ({n} runs)") for text, n in list(values.items())[:VALUES]]
    more = f"and {len(values) - VALUES} more" if len(values) > VALUES else ""
    return cell(*lines, more)
