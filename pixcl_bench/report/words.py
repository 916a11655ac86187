"""How numbers, units, kinds of data and reasons are written: the same in the console, Markdown, HTML and
figures."""

import math
from collections.abc import Mapping
from html import escape as html_escape
from typing import Any

from pixcl_bench.bench.schema import Metric
from pixcl_bench.report.stats import Interval

KINDS: Mapping[str, str] = {
    "embedded": "embedded surrogate",
    "synthetic": "synthetic data",
    "canonical": "canonical data",
}
"""What a kind of data is called in titles: a surrogate is never silently taken for the paper's data."""

MINUS = "\N{MINUS SIGN}"
DOWN = "\N{DOWNWARDS ARROW}"
ARROW_NOTE = f"{DOWN} smaller is better"


def kind_name(kind: str) -> str:
    """The words for a kind of data, for titles."""
    return KINDS.get(kind, kind)


def unit(metric: Metric) -> str:
    """The unit in the header: `%` for fractions shown times 100; other units are part of the label."""
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
        return "—"
    text = f"{value * metric.scale:{'+' if signed else ''}.{metric.digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def plus_minus(interval: Interval | None, metric: Metric) -> str:
    """`54.3 ± 1.2`, or `54.3` where one value has no interval."""
    if interval is None:
        return "—"
    mean = number(interval.mean, metric)
    return f"{mean} ± {number(interval.half, metric)}" if interval.defined else mean


def range_text(interval: Interval | None, metric: Metric, *, signed: bool = True) -> str:
    """`[+1.2, +3.4]`, or an em dash."""
    if interval is None or not interval.defined:
        return "—"
    low, high = (number(end, metric, signed=signed) for end in (interval.low, interval.high))
    return f"[{low}, {high}]"


def p_text(p: float | None) -> str:
    """`0.012`, `< 0.001`, or an em dash where no test was possible."""
    if p is None:
        return "—"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def points(metric: Metric) -> str:
    """The unit of a difference: percentage points for fractions."""
    return "points" if metric.scale == 100 else ""


def short(text: Any, limit: int = 160) -> str:
    """One line of `text`, cut at a word."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1].rsplit(" ", 1)[0] + "…"


def md_escape(text: Any) -> str:
    """Text for a cell of a Markdown table."""
    line = " ".join(str(text).split())
    for sign in ("\\", "|", "*", "_", "`", "<", ">"):
        line = line.replace(sign, "\\" + sign)
    return line


def escape(text: Any) -> str:
    """Text for HTML, quotes included."""
    return html_escape(str(text), quote=True)


def md_table(header_cells: list[str], rows: list[list[str]], align: str) -> str:
    """A Markdown table; `align` has one of `l`, `r` for each column. Cells are written as they come."""
    rule = {"l": ":---", "r": "---:"}
    lines = ["| " + " | ".join(header_cells) + " |", "| " + " | ".join(rule[a] for a in align) + " |"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def unbroken(text: str) -> str:
    """HTML of a short text that breaks at no space around `=`, `±` and before a unit."""
    found = escape(text)
    for part in (" = ", " ± ", ", %", f" {DOWN}"):
        found = found.replace(part, part.replace(" ", "\N{NO-BREAK SPACE}"))
    return found


def html_rows(header_cells: list[str], rows: list[list[str]], align: str, *, caption: str = "") -> str:
    """An HTML table in a container that scrolls sideways; cells are HTML already, the first is the row's
    head."""
    head = "".join(f'<th scope="col" class="{a}">{c}</th>' for c, a in zip(header_cells, align, strict=True))
    body = []
    for row in rows:
        first, rest = row[0], row[1:]
        cells = "".join(f'<td class="{a}">{c}</td>' for c, a in zip(rest, align[1:], strict=True))
        body.append(f'<tr><th scope="row" class="{align[0]}">{first}</th>{cells}</tr>')
    words = f"<caption>{caption}</caption>" if caption else ""
    label = ' role="region" tabindex="0" aria-label="table, scrolls sideways"'
    lines = "\n".join(body)
    return (
        f'<div class="px-scroll"{label}><table class="px-table">{words}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{lines}\n</tbody></table></div>\n"
    )
