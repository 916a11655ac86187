"""The verdicts on the claims, for the console, Markdown and HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.schema import Metric
from pixcl_bench.report.render import html
from pixcl_bench.report.render.html import Cell, Span, cell, code, small
from pixcl_bench.report.render.words import (
    ARROW_NOTE,
    NONE,
    header_name,
    kind_name,
    md_escape,
    md_table,
    number,
    p_text,
    plus_minus,
    points,
    range_text,
    unbroken,
    unit,
)
from pixcl_bench.report.rows import describe
from pixcl_bench.report.verdicts import (
    EQUIVALENCE_RULE,
    EXACT_RULE,
    PILOT_RULE,
    RULE,
    THRESHOLD_RULE,
    Verdict,
)

if TYPE_CHECKING:
    import rich.table
    from markupsafe import Markup

MARKS = {
    "reproduced": "✔",
    "contradicted": "✘",
    "undecided": "?",
    "premature": "…",
    "unfit": "∅",
    "no data": "–",
    "holds exactly": "✔",
    "fails": "✘",
}
_COLOURS = {
    "reproduced": "green",
    "contradicted": "red",
    "undecided": "yellow",
    "premature": "dim",
    "unfit": "dim",
    "no data": "dim",
    "holds exactly": "green",
    "fails": "red",
}


_DECIDED = ("reproduced", "contradicted", "holds exactly", "fails")


@dataclass(frozen=True)
class _Texts:
    """The cells of a verdict behind its id and its word.

    Attributes:
        compared: both methods and the metric.
        mean, ends: the difference with its unit, and its interval.
        p, n: the adjusted p-value, and how many pairs.
        means: of both methods.
        data, kind: the data set; its kind, profile and device.
    """

    compared: str
    mean: str = NONE
    ends: str = ""
    p: str = NONE
    n: str = NONE
    means: str = NONE
    data: str = NONE
    kind: str = ""

    @property
    def where(self) -> str:
        """Data set, kind, profile and device in one line."""
        return f"{self.data}, {self.kind}" if self.kind else self.data

    @property
    def gap(self) -> str:
        """The difference with its interval in one line."""
        return f"{self.mean} {self.ends}".strip()


def _texts(config: Config, v: Verdict) -> _Texts:
    """The cells of a verdict."""
    if v.metric is None:
        return _Texts(v.claim.statement, data="exact")
    if v.comparison is None or v.difference is None:
        return _Texts(_compared(config, v, v.metric), n=str(v.n), data=v.claim.dataset or NONE)
    signed = v.claim.kind != "threshold"
    mean = number(v.difference.mean, v.metric, signed=signed)
    means = plus_minus(v.better, v.metric) if v.better else NONE
    means += f" / {plus_minus(v.than, v.metric)}" if v.than else ""
    where = v.comparison
    return _Texts(
        compared=_compared(config, v, v.metric),
        mean=f"{mean} {points(v.metric) if signed else unit(v.metric)}".strip(),
        ends=range_text(v.difference, v.metric, signed=signed),
        p=p_text(v.p_holm),
        n=str(v.n),
        means=means,
        data=where.dataset,
        kind=f"{kind_name(v.dataset_kind)}; {where.profile}, {where.device}",
    )


def _compared(config: Config, v: Verdict, metric: Metric) -> str:
    """`PatchMix − MoCo v3: kNN top-1`, with the margin or the bound where the claim has one."""
    claim = v.claim
    versus = describe(config, claim.task, claim.better)[0]
    if claim.than:
        versus += f" − {describe(config, claim.task, claim.than)[0]}"
    versus += f": {header_name(metric)}"
    if claim.margin is not None:
        return f"{versus}, within ± {number(claim.margin, metric)} {points(metric)}".strip()
    if claim.threshold is not None:
        word = "at least" if metric.direction == "max" else "at most"
        return f"{versus}, {word} {number(claim.threshold, metric)} {unit(metric)}".strip()
    return versus


OURS = "our control"


def origin_words(v: Verdict) -> str:
    """What marks a comparison that no paper makes; empty for a claim of a paper."""
    return OURS if v.claim.origin == "control" else ""


def rules(verdicts: Sequence[Verdict]) -> list[str]:
    """How the kinds of claims at hand are decided, a sentence or two each."""
    kinds = {v.claim.kind for v in verdicts}
    every = {"equivalence": EQUIVALENCE_RULE, "threshold": THRESHOLD_RULE, "exact": EXACT_RULE}
    found = [] if kinds and kinds <= {"exact"} else [RULE]
    found += [rule for kind, rule in every.items() if kind in kinds]
    if any(v.verdict in ("premature", "unfit") for v in verdicts):
        found.append(PILOT_RULE)
    smaller = any(v.metric is not None and v.metric.direction == "min" for v in verdicts)
    return [*found, f"{ARROW_NOTE}."] if smaller else found


def console_claims(config: Config, verdicts: Sequence[Verdict]) -> "rich.table.Table":
    """The verdicts for a terminal."""
    from rich.table import Table
    from rich.text import Text

    caption = " ".join(rules(verdicts))
    grid = Table(title="Claims", caption=caption, caption_justify="left", show_lines=True)
    for name in ("claim", "verdict", "difference [95 %]", "p (Holm)", "n", "data"):
        justify = "right" if name in ("p (Holm)", "n") else "left"
        grid.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for v in verdicts:
        t = _texts(config, v)
        name = f"{v.claim.id} ({OURS})" if origin_words(v) else v.claim.id
        claim = Text(f"{name}\n").append(t.compared, style="dim")
        word = Text(f"{MARKS[v.verdict]} {v.verdict}", style=_COLOURS[v.verdict])
        where = Text(t.where).append(f"\n{v.note}" if v.note else "", style="dim")
        size = Text(t.gap).append(f"\n{t.means}" if v.better else "", style="dim")
        grid.add_row(claim, word, size, Text(t.p), Text(t.n), where)
    return grid


def markdown_claims(config: Config, verdicts: Sequence[Verdict]) -> str:
    """The verdicts as a Markdown table with the rules and the numbers of exact claims below."""
    head = ["claim", "verdict", "compared", "difference [95 %]", "p (Holm)", "n", "means", "data"]
    rows = []
    for v in verdicts:
        t = _texts(config, v)
        word = f"**{v.verdict}**" if v.verdict in _DECIDED else v.verdict
        cells = (t.compared, t.gap, t.p, t.n, t.means, t.where, v.note)
        name = f"`{v.claim.id}` ({OURS})" if origin_words(v) else f"`{v.claim.id}`"
        rows.append([name, word, *map(md_escape, cells)])
    text = f"{md_table([*head, 'note'], rows, 'lllrrrrll')}\n{' '.join(rules(verdicts))}\n"
    return text + "".join(map(_markdown_exact, verdicts))


def _markdown_exact(v: Verdict) -> str:
    """The numbers of an exact claim; empty for another one."""
    if v.exact is None:
        return ""
    text = f"\n`{v.claim.id}`: {md_escape(v.exact.text)} Evidence: `{v.claim.evidence}`.\n"
    if not v.exact.rows:
        return text
    rows = [list(map(md_escape, row)) for row in v.exact.rows]
    return f"{text}\n{md_table(list(map(md_escape, v.exact.head)), rows, _align(v.exact.head))}"


def _align(head: Sequence[str]) -> str:
    """A name, then numbers."""
    return "l" + "r" * (len(head) - 1)


def html_claims(config: Config, verdicts: Sequence[Verdict]) -> "Markup":
    """The verdicts as an HTML table, in a container that scrolls sideways, with the rules and the
    numbers of exact claims below."""
    head = ["claim", "verdict", "difference [95\N{NO-BREAK SPACE}%]", "p (Holm)"]
    head += ["n", "means", "data"]
    rows = [_html_row(config, v) for v in verdicts]
    exact = [
        (v, html.table(v.exact.head, v.exact.rows, _align(v.exact.head)) if v.exact.rows else "")
        for v in verdicts
        if v.exact is not None
    ]
    table = html.table([*head, "the paper says"], rows, "llrrrrll")
    return html.render("claims.html", table=table, rules=rules(verdicts), exact=exact)


def _tag(v: Verdict) -> list[str | Span]:
    """The mark of a control behind its id."""
    return [" ", Span(OURS, "tag")] if origin_words(v) else []


def _html_row(config: Config, v: Verdict) -> list[str | Cell]:
    """The cells of a verdict."""
    t = _texts(config, v)
    badge = Span(f"{MARKS[v.verdict]} {v.verdict}", f"badge px-{v.verdict.replace(' ', '-')}")
    paper = v.claim.paper or origin_words(v) or NONE
    return [
        cell((code(v.claim.id), *_tag(v)), small(unbroken(t.compared))),
        cell(badge, small(v.note)),
        cell(t.mean, small(t.ends)),
        t.p,
        t.n,
        cell(*t.means.split(" / ")),
        cell(t.data, small(t.kind)),
        cell(paper, small(v.claim.source or "")),
    ]
