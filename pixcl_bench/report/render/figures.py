"""The bar figure and the curve figure, as SVG that is readable on light and on dark ground.

Text and axes are drawn in `currentColor`: inside a page they follow its text colour; a file of its
own carries a style that follows the reader's colour scheme. The colours of the methods are those of
Okabe and Ito (2008) that keep their contrast on both grounds, then six more of middling lightness.
"""

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import wrap
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from pixcl_bench.report.render.words import header, kind_name
from pixcl_bench.report.rows import COMPETING, Row, Table, metric_values
from pixcl_bench.report.stats import mean_interval

if TYPE_CHECKING:
    import matplotlib.figure

PALETTE = (
    *("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"),
    *("#8C6BB1", "#9A7D0A", "#B5485D", "#5F8A3A", "#3F8F8F", "#A0673A"),
)
WIDTH = 4.7
"""Inches: so narrow that the text stays readable where the figure is scaled to a phone."""
POINTS = 40
SEEDS = 20
"""Of a curve: no more can be seen in a panel."""
GREY = "#8a8a8a"
INK = "#010203"
"""Stands for the text colour while matplotlib draws; replaced by `currentColor` in the SVG."""
FAINT = "#040506"
"""Stands for the grid: the text colour at a fifth of its strength."""

_INKED = (
    *("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor"),
    *("xtick.color", "ytick.color"),
)

History = Mapping[tuple[str, int], tuple[Sequence[float], Sequence[float]]]
"""(method, seed) -> (steps, loss)."""


@contextmanager
def style() -> Iterator[Any]:
    """Drawing settings for the time of one figure: those of the caller stay, and no window
    opens."""
    import matplotlib
    import seaborn as sns

    chosen: Any = dict.fromkeys(_INKED, INK) | {
        "svg.fonttype": "none",
        "svg.hashsalt": "pixcl_bench",
        "font.size": 9,
        "font.family": "sans-serif",
        "axes.titlesize": 9,
        "axes.labelsize": 9,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": FAINT,
        "hatch.color": INK,
        "grid.linewidth": 0.6,
        "figure.constrained_layout.use": True,
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(chosen)
        yield sns


def new_figure(width: float, height: float) -> "matplotlib.figure.Figure":
    """An empty figure of so many inches, outside of pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def svg(figure: "matplotlib.figure.Figure", label: str) -> str:
    """The figure as an `<svg>` element: transparent, theme-aware, without date and XML prologue."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = _compact(text[text.index("<svg") :].strip())
    text = re.sub(r"(stroke|fill): ?#040506", r"\1: currentColor; \1-opacity: 0.2", text)
    text = text.replace(INK, "currentColor")
    text = re.sub(r'(<svg[^>]*?) width="[\d.]+pt" height="[\d.]+pt"', r"\1", text, count=1)
    width = float(figure.get_figwidth()) * 96
    # Text that names no colour is black in SVG: `fill` on the element makes it follow the page too.
    name = f'class="px-figure" role="img" aria-label={quoteattr(label)}'
    look = f'fill="currentColor" style="max-width:{width:.0f}px"'
    return text.replace("<svg ", f"<svg {name} {look} ", 1) + "\n"


def _compact(text: str) -> str:
    """The same drawing in a third of the bytes: no metadata, no unused names, tenths of a point.

    Names and the style are also what would clash where several figures stand in one page.
    """
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = text.replace("*{stroke-linejoin", ".px-figure *{stroke-linejoin")
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"font-family: [^;]*; ", "", text)
    text = re.sub(r"(-?\d+\.\d)\d{3,}", r"\1", text)
    text = re.sub(r' d="[^"]*"', lambda found: _short_path(found[0]), text)
    text = re.sub(r">\s+<", "><", text)
    while "<g></g>" in text or "<g/>" in text:
        text = text.replace("<g></g>", "").replace("<g/>", "")
    return text


def _short_path(path: str) -> str:
    """` d="M 1 2 L 3 4 "` as ` d="M1 2L3 4"`."""
    data = path.strip()[3:-1]
    data = re.sub(r" ?([A-Za-z]) ?", r"\1", " ".join(data.split()))
    return f' d="{data}"'


def standalone(svg: str) -> str:
    """`svg` as a file of its own, which follows the reader's light or dark scheme."""
    style = (
        "<style>svg.px-figure{color:#222;width:100%;font-family:system-ui,sans-serif}"
        "@media (prefers-color-scheme:dark){svg.px-figure{color:#ddd}}</style>"
    )
    head, close, rest = svg.partition(">")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}{close}{style}{rest}'


def colours(methods: Sequence[str], roles: Mapping[str, str]) -> dict[str, str]:
    """A colour for each method, the same in every figure: grey for those that do not compete."""
    competing = [method for method in methods if roles[method] in COMPETING]
    taken = {method: PALETTE[i % len(PALETTE)] for i, method in enumerate(competing)}
    return {method: taken.get(method, GREY) for method in methods}


def table_colours(table: Table) -> dict[str, str]:
    """The colours of a table's methods."""
    roles = {**table.roles, **{row.method: row.role for row in table.rows}}
    # All methods of the task, sorted: a method keeps its colour in every profile.
    return colours(sorted(roles), roles)


def _ends(values: Any) -> tuple[float, float]:
    """Ends of a whisker: the interval, or the mean where there is none."""
    interval = mean_interval(values)
    return (interval.low, interval.high) if interval.defined else (interval.mean, interval.mean)


def bar_svg(table: Table) -> str:
    """Primary metric by method: bars with 95 % Student-t intervals, and each seed as a dot.

    Raises:
        ValueError: no row has a value.
    """
    metric = table.metrics[table.primary]
    shown = [row for row in table.rows if row.values[table.primary] is not None]
    if not shown:
        raise ValueError(f"bar_svg: no finished run has a value of {table.primary}")
    kind = kind_name(table.dataset_kind)
    label = f"{metric.label} by method on {table.comparison.dataset}, {kind}"
    with style() as sns:
        figure = new_figure(WIDTH, 0.6 + 0.3 * len(shown))
        axes = figure.subplots()
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        _bars(sns, axes, table, shown)
        axes.set_yticks(range(len(shown)), [f"{row.title} (n = {row.n})" for row in shown])
        axes.set(xlabel=header(metric), ylabel="")
        axes.tick_params(axis="y", length=0)
        return svg(figure, label)


def _bars(sns: Any, axes: Any, table: Table, shown: Sequence[Row]) -> None:
    """The bars of these rows with whiskers and dots; hatched where a method does not compete."""
    scale = table.metrics[table.primary].scale
    columns: dict[str, list[Any]] = {"value": [], "method": []}
    for row in shown:
        values = [v * scale for v in metric_values(row.records, table.primary).values()]
        columns["value"] += values
        columns["method"] += [row.method] * len(values)
    order = [row.method for row in shown]
    common = {"data": columns, "x": "value", "y": "method", "order": order, "ax": axes}
    colour = {"hue": "method", "hue_order": order, "palette": table_colours(table)}
    whisker = {"errorbar": _ends, "err_kws": {"color": INK, "linewidth": 1.1}, "capsize": 0.3}
    sns.barplot(**common, **colour, **whisker, legend=False, alpha=0.75, saturation=1)
    sns.stripplot(**common, color=INK, size=3, jitter=False, alpha=0.65)
    for bar, row in zip(axes.patches, shown, strict=False):
        if not row.competes:
            bar.set_hatch("///")


def _smooth(values: Sequence[float], window: int) -> list[float]:
    """Running mean over the last `window` values: single steps are noisy."""
    out, total = [], 0.0
    for i, value in enumerate(values):
        total += value - (values[i - window] if i >= window else 0.0)
        out.append(total / min(i + 1, window))
    return out


Curve = tuple[Sequence[float], Sequence[float]]
"""Steps and values."""


def _thin(steps: Sequence[float], values: Sequence[float]) -> Curve:
    """At most `POINTS` points, the first and the last among them."""
    count = min(POINTS, len(steps))
    chosen = [round(i * (len(steps) - 1) / (count - 1)) for i in range(count)]
    return [steps[i] for i in chosen], [values[i] for i in chosen]


def _mean_curve(runs: Sequence[Curve]) -> Curve:
    """Mean over the runs at the steps that all of them have."""
    at: dict[float, list[float]] = {}
    for steps, values in runs:
        for step, value in zip(steps, values, strict=True):
            at.setdefault(step, []).append(value)
    full = sorted(step for step, values in at.items() if len(values) == len(runs))
    return full, [math.fsum(at[step]) / len(runs) for step in full]


def curves_svg(table: Table, history: History) -> str:
    """Training loss over steps, one panel a method: thin lines are seeds, the thick one their mean.

    Methods have different objectives, so each has its own axis: shapes can be compared, heights
    cannot.

    Raises:
        ValueError: no method of the table has a history.
    """
    runs: dict[str, list[Curve]] = {}
    for (method, _), (steps, loss) in sorted(history.items()):
        if len(steps) > 1:
            runs.setdefault(method, []).append(_thin(steps, _smooth(loss, max(1, len(loss) // 50))))
    rows = [row for row in table.rows if row.method in runs]
    if not rows:
        raise ValueError("curves_svg: no run has a history of its loss")
    palette, across = table_colours(table), min(3, len(rows))
    down = math.ceil(len(rows) / across)
    with style():
        figure = new_figure(WIDTH, 0.4 + 1.2 * down)
        panels = figure.subplots(down, across, sharex=True, squeeze=False).ravel()
        for axes, row in zip(panels, rows, strict=False):
            _panel(axes, row, runs[row.method], palette[row.method])
        for axes in panels[len(rows) :]:
            axes.set_visible(False)
        for axes in panels[max(0, len(rows) - across) : len(rows)]:
            axes.tick_params(labelbottom=True)
        figure.supxlabel("step", fontsize=9)
        figure.supylabel("training loss", fontsize=9)
        return svg(figure, f"training loss over steps by method on {table.comparison.dataset}")


def _panel(axes: Any, row: Row, runs: Sequence[Curve], colour: str) -> None:
    """The curves of one method: of many seeds the first, and the mean of all."""
    for steps, values in runs[:SEEDS]:
        axes.plot(steps, values, color=colour, alpha=0.35, linewidth=0.7)
    steps, values = _mean_curve(runs)
    axes.plot(steps, values, color=colour, linewidth=1.6)
    axes.set_title(_wrapped(row.title))
    axes.locator_params(nbins=3)
    axes.grid(axis="y")


def _wrapped(title: str) -> str:
    """A title in lines that fit a panel."""
    return "\n".join(wrap(title, 20)) or title
