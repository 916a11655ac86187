"""The curves of pilots, metric against steps, and how many steps are enough for each claim."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.schema import Claim, Metric
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report.pilots import Pilot, ask, read_pilot
from pixcl_bench.report.render import html
from pixcl_bench.report.render.figures import GREY, colours, new_figure, style, svg
from pixcl_bench.report.render.html import Cell, cell, code
from pixcl_bench.report.render.words import NONE, header_name, plus_minus, unit
from pixcl_bench.report.rows import describe

if TYPE_CHECKING:
    from markupsafe import Markup

Place = tuple[str, str, str]
"""Task, data set, device."""


def places(config: Config, records: Sequence[Record]) -> dict[Place, list[Record]]:
    """The records of pilots by task, data set and device, in the order of the configuration."""
    found: dict[Place, list[Record]] = defaultdict(list)
    for record in records:
        if record.task in config.tasks:
            found[record.task, record.dataset, record.device].append(record)
    order = list(config.tasks)
    return {place: found[place] for place in sorted(found, key=lambda p: (order.index(p[0]), p))}


def pilot_svg(config: Config, pilot: Pilot) -> str:
    """One line for each method: the metric against the number of steps, with its interval; floors
    are dashed."""
    task = config.tasks[pilot.task]
    metric = task.metrics[pilot.metric]
    methods = [method for method in task.methods if method in pilot.curves]
    palette = colours(methods, {method: task.methods[method].role for method in methods})
    with style():
        figure = new_figure(7.0, 3.6)
        axes = figure.subplots()
        for method in methods:
            title = describe(config, pilot.task, method)[0]
            _line(axes, pilot, method, title, palette[method], metric.scale)
        axes.set_xscale("log")
        every = sorted({p.steps for curve in pilot.curves.values() for p in curve if p.steps})
        axes.set_xticks(every, [f"{steps:,}" for steps in every])
        axes.minorticks_off()
        axes.set_xlabel("training steps")
        axes.set_ylabel(header_name(metric))
        axes.grid(axis="y")
        figure.legend(loc="outside right upper", frameon=False, fontsize=8)
        return svg(figure, f"{header_name(metric)} on {pilot.dataset} against training steps")


def _line(axes: Any, pilot: Pilot, method: str, title: str, colour: str, scale: float) -> None:
    curve = pilot.curves[method]
    if len(curve) == 1:
        axes.axhline(scale * curve[0].mean, color=GREY, linestyle="--", linewidth=1, label=title)
        return
    steps = [point.steps for point in curve]
    axes.plot(steps, [scale * p.mean for p in curve], "o-", ms=3, lw=1.2, color=colour, label=title)
    for point in curve:
        low, high = point.interval.low, point.interval.high
        if point.interval.defined:
            axes.plot([point.steps] * 2, [scale * low, scale * high], color=colour, lw=0.6)


def claims_at(config: Config, place: Place) -> list[Claim]:
    """The claims that a pilot of this task and data set speaks about."""
    return [
        claim
        for claim in config.claims
        if claim.task == place[0] and claim.kind != "exact" and claim.dataset in (None, place[1])
    ]


def answers_html(
    config: Config, place: Place, records: Sequence[Record], claims: Sequence[Claim] | None = None
) -> "Markup":
    """A row for each claim: its methods with most steps, and how many steps are enough.

    `claims`: only these; all that the pilot speaks about where None."""
    rows: list[list[str | Cell]] = []
    for claim in claims_at(config, place) if claims is None else claims:
        pilot = read_pilot(records, claim.metric)
        metric = config.tasks[claim.task].metrics[claim.metric]
        sides = [m for m in (claim.better, claim.than) if m]
        ends = [f"{describe(config, claim.task, m)[0]}: {_end(pilot, m, metric)}" for m in sides]
        rows.append([cell(code(claim.id)), cell(*ends), ask(config, claim, records).words])
    return html.table(["claim", "with the most steps", "steps that are enough"], rows, "lll")


def _end(pilot: Pilot | None, method: str, metric: Metric) -> str:
    last = pilot.last(method) if pilot else None
    return f"{plus_minus(last.interval, metric)} {unit(metric)}".strip() if last else NONE


def sections(config: Config, records: Sequence[Record]) -> Iterator[tuple[str, str, "Markup"]]:
    """For each task and data set of pilots: its heading, its figure and its table of claims."""
    for place, own in places(config, records).items():
        task = config.tasks[place[0]]
        pilot = read_pilot(own, task.primary)
        if pilot is not None:
            heading = f"{task.title}: {place[1]}, validation, {place[2]}"
            yield heading, pilot_svg(config, pilot), answers_html(config, place, own)
