"""How numbers, units, kinds of data and reasons are written: alike on the console, in Markdown,
HTML and figures."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pixcl_bench.bench.config.schema import Metric
from pixcl_bench.report.stats import Interval

KINDS: Mapping[str, str] = {
    "embedded": "embedded surrogate",
    "synthetic": "synthetic data",
    "canonical": "canonical data",
}
"""What a kind of data is called in titles: a surrogate is never silently taken for the paper's
data."""

MINUS = "\N{MINUS SIGN}"
DOWN = "\N{DOWNWARDS ARROW}"
STAR = "★"
NONE = "—"
ARROW_NOTE = f"{DOWN} smaller is better"


def kind_name(kind: str) -> str:
    """The words for a kind of data, for titles."""
    return KINDS.get(kind, kind)


def unit(metric: Metric) -> str:
    """The unit in the header: `%` for fractions shown times 100; other units are part of the
    label."""
    return "%" if metric.scale == 100 else ""


def header_name(metric: Metric) -> str:
    """Label, with an arrow where smaller is better: `HD95 ↓`."""
    return f"{metric.label} {DOWN}" if metric.direction == "min" else metric.label


def header(metric: Metric) -> str:
    """The same with its unit: `kNN top-1 (k = 20), %`."""
    return f"{header_name(metric)}, {unit(metric)}" if unit(metric) else header_name(metric)


def number(value: float | None, metric: Metric, *, signed: bool = False) -> str:
    """A value in the metric's scale and digits; an em dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{value * metric.scale:{'+' if signed else ''}.{metric.digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def plus_minus(interval: Interval | None, metric: Metric) -> str:
    """`54.3 ± 1.2`, or `54.3` where one value has no interval."""
    if interval is None:
        return NONE
    mean = number(interval.mean, metric)
    return f"{mean} ± {number(interval.half, metric)}" if interval.defined else mean


def range_text(interval: Interval | None, metric: Metric, *, signed: bool = True) -> str:
    """`[+1.2, +3.4]`, or an em dash."""
    if interval is None or not interval.defined:
        return NONE
    low, high = (number(end, metric, signed=signed) for end in (interval.low, interval.high))
    return f"[{low}, {high}]"


def p_text(p: float | None) -> str:
    """`0.012`, `< 0.001`, or an em dash where no test was possible."""
    if p is None:
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def points(metric: Metric) -> str:
    """The unit of a difference: percentage points for fractions."""
    return "points" if metric.scale == 100 else ""


def short(text: Any, limit: int = 160) -> str:
    """One line of `text`, cut at a word so that it has at most `limit` characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1].rsplit(" ", 1)[0] + "…"


def unbroken(text: str) -> str:
    """A short text that breaks at no space around `=` and `±`, before a unit, an arrow or a
    star."""
    for part in (" = ", " ± ", ", %", f" {DOWN}", f" {STAR}"):
        text = text.replace(part, part.replace(" ", "\N{NO-BREAK SPACE}"))
    return text


def md_escape(text: Any) -> str:
    """Text for a cell of a Markdown table."""
    line = " ".join(str(text).split())
    for sign in ("\\", "|", "*", "_", "`", "<", ">"):
        line = line.replace(sign, "\\" + sign)
    return line


def md_table(head: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A Markdown table.

    Args:
        head: a text for each column.
        rows: cells, which are written as they come.
        align: `l` or `r` for each column.
    """
    rule = {"l": ":---", "r": "---:"}
    lines = [head, [rule[a] for a in align], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def md_list(lines: Sequence[str]) -> str:
    """A Markdown list of plain sentences."""
    return "".join(f"- {md_escape(line)}\n" for line in lines)
