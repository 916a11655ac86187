"""The papers with their verdicts as a table, what was found in a few sentences, and in one
figure."""

import math
from collections.abc import Mapping, Sequence
from statistics import stdev
from typing import Any

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.schema import Metric
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report.papers import Paper, of_paper, tally
from pixcl_bench.report.profiles import step_range
from pixcl_bench.report.render.figures import GREY, INK, PALETTE, new_figure, style, svg
from pixcl_bench.report.render.words import md_escape, md_list, md_table, number, points, range_text
from pixcl_bench.report.rows import describe
from pixcl_bench.report.verdicts import Verdict

_LEAST, _MOST = -3.0, 5.0
"""Standardised differences beyond these are drawn as an arrow at the edge of the figure."""


def markdown_papers(papers: Sequence[Paper], verdicts: Sequence[Verdict], prefix: str = "") -> str:
    """Every paper with its idea, tasks, notebook and verdicts. `prefix` leads from the page to the
    top of the project."""
    rows = []
    for paper in papers:
        found = of_paper(paper, verdicts)
        notebook = f"[open]({prefix}{paper.notebook})" if paper.notebook else "coming"
        said = tally(found).words if paper.notebook else "—"
        name = f"[{paper.name}]({paper.url})"
        rows.append([name, md_escape(paper.idea), notebook, md_escape(said)])
    return md_table(["paper", "idea", "notebook", "verdicts on its claims here"], rows, "llll")


def _difference(v: Verdict, metric: Metric) -> str:
    """`+2.2 points [+1.4, +3.1]`."""
    if v.difference is None:
        return "no value"
    mean = number(v.difference.mean, metric, signed=True)
    return f"{mean} {points(metric)} {range_text(v.difference, metric)}".replace("  ", " ")


_HINTS = {
    "reproduced": "interval and test agree with the claim",
    "contradicted": "interval and test speak against the claim",
}


def _sentence(config: Config, v: Verdict) -> str:
    """`FBA-Net+ against Mean Teacher on atrium: Dice −16.4 points [−38.2, −7.5]`."""
    first = describe(config, v.claim.task, v.claim.better)[0]
    second = describe(config, v.claim.task, v.claim.than or "")[0] if v.claim.than else "the bound"
    where = v.comparison.dataset if v.comparison else ""
    if v.metric is None:
        return v.claim.statement
    if v.claim.margin is not None:
        second += f", claimed to be within {number(v.claim.margin, v.metric)} {points(v.metric)},"
    return f"{first} against {second} on {where}: {v.metric.label} {_difference(v, v.metric)}"


def markdown_found(config: Config, verdicts: Sequence[Verdict], records: Sequence[Record]) -> str:
    """What the records of `study` say, in a few sentences that are made from the verdicts."""
    mine = [v for v in verdicts if v.claim.origin == "paper"]
    controls = [v for v in verdicts if v.claim.origin == "control"]
    lines = [
        f"Of the {len(mine)} verdicts on claims of papers: {tally(mine).words}.",
        f"Of the {len(controls)} verdicts on controls, which we added: {tally(controls).words}.",
    ]
    held = [v for v in mine if v.tendency]
    for word in ("reproduced", "contradicted"):
        found = [_sentence(config, v) for v in mine if v.verdict == word and v.metric]
        if found:
            lines.append(f"{word.capitalize()}: {'; '.join(found)}.")
        hint = [_sentence(config, v) for v in held if v.tendency == word]
        if hint:
            lines.append(
                f"At a budget that is not shown to be large enough, {_HINTS[word]}: "
                f"{'; '.join(hint)}."
            )
    exact = [v.claim.statement for v in mine if v.verdict == "holds exactly"]
    lines += [f"Proved and checked exactly, without training: {text}" for text in exact]
    few, most = step_range(records, "study")
    lines.append(
        "All of this was measured on embedded and synthetic stand-ins for the papers' data, with "
        f"small networks and {few} to {most} training steps. Premature means that no pilot has "
        "shown such a budget to be large enough; a verdict speaks of its data and its budget, not "
        "of the paper's table."
    )
    return md_list(lines)


def standardised(v: Verdict, records: Mapping[str, Record]) -> tuple[float, float, float] | None:
    """The mean paired difference and the ends of its interval, divided by the standard deviation
    of the difference over seeds; positive where the claim is right.

    `records`: by key. None where there is no interval, or where all seeds differ by the same.
    """
    if v.difference is None or v.metric is None or v.n < 2:
        return None
    sides = [
        {r.seed: r.metrics[v.claim.metric] for k in keys if (r := records.get(k))}
        for keys in (v.keys_better, v.keys_than)
    ]
    gaps = [
        float(sides[0][s] or 0) - float(sides[1][s] or 0)
        for s in v.seeds
        if s in sides[0] and s in sides[1]
    ]
    spread = stdev(gaps) if len(gaps) > 1 else 0.0
    if spread == 0.0 or not math.isfinite(v.difference.low + v.difference.high):
        return None
    sign = -1.0 if v.metric.direction == "min" else 1.0
    ends = sorted((sign * v.difference.low / spread, sign * v.difference.high / spread))
    return sign * v.difference.mean / spread, ends[0], ends[1]


def found_svg(verdicts: Sequence[Verdict], records: Sequence[Record]) -> str:
    """One line for each verdict with an interval: the papers' claims above, our controls below.

    Raises:
        ValueError: no verdict has an interval.
    """
    by_key = {record.key: record for record in records}
    claims = [v for v in verdicts if v.claim.kind == "superiority"]
    shown = [(v, at) for v in claims if (at := standardised(v, by_key))]
    if not shown:
        raise ValueError("found_svg: no verdict has an interval")
    shown.sort(key=lambda pair: pair[0].claim.origin == "control")
    with style():
        figure = new_figure(7.2, 0.9 + 0.24 * len(shown))
        axes = figure.subplots()
        for row, (v, at) in enumerate(shown):
            _line(axes, row, v, at)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(shown)), [_label(v) for v, _ in shown])
        axes.invert_yaxis()
        axes.set_xlim(_LEAST, _MOST)
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(
            "← against the claim: paired difference / its deviation over seeds: for it →"
        )
        return svg(figure, "paired difference of every claim and control with its 95 % interval")


def _label(v: Verdict) -> str:
    """The id of a claim with its data set; controls say so."""
    where = f" ({v.comparison.dataset})" if v.comparison else ""
    return f"{'control: ' if v.claim.origin == 'control' else ''}{v.claim.id}{where}"


def _line(axes: Any, row: int, v: Verdict, at: tuple[float, float, float]) -> None:
    """The interval of one verdict: blue where interval and test agree with the claim, orange where
    they speak against it, else grey."""
    colours = {"reproduced": PALETTE[0], "contradicted": PALETTE[3]}
    colour = colours.get(v.tendency or v.verdict, GREY)
    mean, low, high = (min(max(x, _LEAST), _MOST) for x in at)
    axes.plot([low, high], [row, row], color=colour, linewidth=1.6, solid_capstyle="butt")
    marker = "s" if v.claim.origin == "control" else "o"
    if at[0] != mean:
        marker = ">" if at[0] > mean else "<"
    axes.plot([mean], [row], marker, color=colour, markersize=6, clip_on=False)
