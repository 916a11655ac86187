"""Quality against cost: the primary metric of a table over the seconds of its training."""

import math
from collections.abc import Sequence
from typing import Any

from pixcl_bench.report.costs import TRAINING, cost_of
from pixcl_bench.report.render.figures import INK, new_figure, style, svg, table_colours
from pixcl_bench.report.render.words import header
from pixcl_bench.report.rows import Row, Table

_WIDTH, _HEIGHT = 4.7, 3.4
"""Inches."""
_LINE = 0.055
"""The least distance of two labels, as a part of the height."""

Spot = tuple[Row, float, float]
"""A row with its seconds and its value in the metric's scale."""


def spots(table: Table) -> list[Spot]:
    """The rows of a table that have a value and say how long their training took; a method that
    does not train has no place on an axis of seconds."""
    scale = table.metrics[table.primary].scale
    found = []
    for row in table.rows:
        value, seconds = row.values[table.primary], cost_of(row.records, TRAINING)
        if value is not None and seconds:
            found.append((row, seconds, scale * value.mean))
    return found


def cost_svg(table: Table) -> str:
    """A point for each method that trains: value over training seconds, with its interval.

    Raises:
        ValueError: fewer than two methods have both.
    """
    found = spots(table)
    if len(found) < 2:
        raise ValueError("cost_svg: fewer than two methods tell value and seconds")
    from matplotlib.ticker import LogLocator

    metric, palette = table.metrics[table.primary], table_colours(table)
    with style():
        figure = new_figure(_WIDTH, _HEIGHT)
        axes = figure.subplots()
        for row, seconds, value in found:
            _spot(axes, row, seconds, value, palette[row.method], table)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.set_xlabel("training, seconds (mean)")
        axes.set_ylabel(header(metric))
        axes.grid(axis="both")
        axes.margins(x=0.12)
        _label(axes, found)
        label = f"{metric.label} against training seconds on {table.comparison.dataset}"
        return svg(figure, label)


def _spot(axes: Any, row: Row, seconds: float, value: float, colour: str, table: Table) -> None:
    """The point of one method; hollow where it does not compete."""
    interval, scale = row.values[table.primary], table.metrics[table.primary].scale
    if interval is not None and interval.defined:
        ends = [scale * interval.low, scale * interval.high]
        axes.plot([seconds] * 2, ends, color=colour, linewidth=0.8)
    axes.plot([seconds], [value], "o", color=colour, mfc=colour if row.competes else "none", ms=5)


def _label(axes: Any, found: Sequence[Spot]) -> None:
    """Names to the right of the points, moved apart where they would overlap, with a thin line to
    the point."""
    low, high = axes.get_ylim()
    step = _LINE * (high - low)
    ordered = sorted(found, key=lambda spot: spot[2])
    heights: list[float] = []
    for _, _, value in ordered:
        heights.append(max(value, heights[-1] + step) if heights else value)
    shift = max(0.0, heights[-1] - high)
    heights = [height - shift for height in heights]
    right = 10 ** (math.log10(max(s for _, s, _ in found)) + 0.06)
    for (row, seconds, value), height in zip(ordered, heights, strict=True):
        axes.plot([seconds, right], [value, height], color=INK, linewidth=0.3, alpha=0.5)
        axes.text(right, height, f" {row.title}", fontsize=7.5, va="center", clip_on=False)
