"""Leaderboards: the rows of a table with their intervals drawn, their shared ranks, their costs."""

from collections import Counter
from typing import TYPE_CHECKING

from pixcl_bench.bench.config.schema import Metric
from pixcl_bench.report.costs import cost_of, told, untold
from pixcl_bench.report.render import html
from pixcl_bench.report.render.html import Cell, Span, cell
from pixcl_bench.report.render.tables import count_text, html_value, legend, row_name
from pixcl_bench.report.render.words import NONE, header, number, plus_minus, unbroken, unit
from pixcl_bench.report.rows import Row, Table
from pixcl_bench.report.stats import Interval

if TYPE_CHECKING:
    from markupsafe import Markup

NOT_RUN = "not run: the profile asks for these runs, and no record of them is there"


def board_html(table: Table) -> "Markup":
    """The table as a leaderboard: sortable by every column and filtered by a word where scripts
    run, a plain table elsewhere. Every row of the table is there; a hole says why."""
    others = [name for name in table.metrics if name != table.primary]
    costs = told(table.records)
    main = table.metrics[table.primary]
    head = ["method", "role", header(main), "95 % interval"]
    head += [header(table.metrics[name]) for name in others]
    head += ["n", "rank", *(cost.title for cost in costs)]
    shared = Counter(row.rank for row in table.rows)
    scale = _scale(table)
    rows: list[list[str | Cell]] = [
        [
            cell(Span(unbroken(row_name(row, table)), "name"), strong=row.best),
            row.role,
            _value(row, table.primary, table),
            _drawn(row.values[table.primary], main, scale),
            *(_value(row, name, table) for name in others),
            count_text(row),
            _rank(row, shared),
            *(_cost(cost_of(row.records, cost), cost.digits) for cost in costs),
        ]
        for row in table.rows
    ]
    align = "llrl" + "r" * (len(head) - 4)
    titles = [unbroken(text) for text in head]
    made = html.table(titles, rows, align, legend=_legend(table), sortable=True)
    return html.render("board.html", table=made)


def _legend(table: Table) -> list[str]:
    """What numbers and marks mean, why rows have holes, and which costs no record tells."""
    lines = legend(table)
    if any(row.hole == "not run" for row in table.rows):
        lines.append(NOT_RUN)
    missing = untold(table.records)
    if table.records and missing:
        names = ", ".join(cost.title.partition(",")[0] for cost in missing)
        lines.append(f"costs are means over the runs; no record of these runs tells: {names}")
    return lines


def _scale(table: Table) -> tuple[float, float]:
    """The ends of the common scale of the drawn intervals."""
    found = [value for row in table.rows if (value := row.values[table.primary]) is not None]
    ends = [end for value in found for end in _ends(value)]
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def _ends(value: Interval) -> tuple[float, float]:
    """The ends of an interval; the mean twice where there is none."""
    return (value.low, value.high) if value.defined else (value.mean, value.mean)


def _drawn(value: Interval | None, metric: Metric, scale: tuple[float, float]) -> Cell:
    """The interval of a row as a line on the common scale."""
    if value is None:
        return cell(NONE, sort="")
    low, high = scale
    width = (high - low) or 1.0
    ends = [round(2 + 96 * (at - low) / width, 1) for at in (*_ends(value), value.mean)]
    words = f"{interval_words(value, metric)} {unit(metric)}".strip()
    made = html.render("interval.html", low=ends[0], high=ends[1], mean=ends[2], words=words)
    return cell(made, sort=value.mean)


def _value(row: Row, name: str, table: Table) -> Cell:
    """Mean and interval of one metric, or why there is none."""
    value, metric = row.values[name], table.metrics[name]
    text = row.hole if row.hole and name == table.primary else plus_minus(value, metric)
    made = html_value(text)
    return Cell(made.lines, row.best and name == table.primary, value.mean if value else "")


def _rank(row: Row, shared: Counter[int | None]) -> Cell:
    """`2`, or `1 =` where methods share it."""
    if row.rank is None:
        return cell("", sort="")
    return cell(f"{row.rank} =" if shared[row.rank] > 1 else f"{row.rank}", sort=row.rank)


def _cost(value: float | None, digits: int) -> Cell:
    """A cost, or a hole."""
    return cell(NONE, sort="") if value is None else cell(f"{value:,.{digits}f}", sort=value)


def interval_words(value: Interval, metric: Metric) -> str:
    """`54.3 [53.1, 55.5]`, for those who hear the page."""
    low, high = (number(end, metric) for end in _ends(value))
    return f"{number(value.mean, metric)} [{low}, {high}]"
