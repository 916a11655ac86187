"""The verdicts on the claims, for the console, Markdown and HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixcl_bench.bench.config import Config
from pixcl_bench.report.rows import describe
from pixcl_bench.report.verdicts import (
    EQUIVALENCE_RULE,
    EXACT_RULE,
    RULE,
    THRESHOLD_RULE,
    Verdict,
    decide_claims,
)
from pixcl_bench.report.words import (
    ARROW_NOTE,
    escape,
    header_name,
    html_rows,
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

if TYPE_CHECKING:
    import rich.table

__all__ = ["Verdict", "console_claims", "decide_claims", "html_claims", "markdown_claims", "rules"]

MARKS = {
    "reproduced": "✔",
    "contradicted": "✘",
    "undecided": "?",
    "no data": "–",
    "holds exactly": "✔",
    "fails": "✘",
}
_COLOURS = {
    "reproduced": "green",
    "contradicted": "red",
    "undecided": "yellow",
    "no data": "dim",
    "holds exactly": "green",
    "fails": "red",
}


@dataclass(frozen=True)
class _Texts:
    """The cells of a verdict behind its id and its word."""

    compared: str
    mean: str = "—"
    ends: str = ""
    p: str = "—"
    n: str = "—"
    means: str = "—"
    data: str = "—"
    kind: str = ""

    @property
    def where(self) -> str:
        return f"{self.data}, {self.kind}" if self.kind else self.data

    @property
    def gap(self) -> str:
        return f"{self.mean} {self.ends}".strip()


def _texts(config: Config, v: Verdict) -> _Texts:
    if v.metric is None:
        return _Texts(v.claim.statement, data="exact")
    if v.place is None or v.difference is None:
        return _Texts(_compared(config, v), n=str(v.n), data=v.claim.dataset or "—")
    mean = number(v.difference.mean, v.metric, signed=v.claim.kind != "threshold")
    means = plus_minus(v.better, v.metric) if v.better else "—"
    means += f" / {plus_minus(v.than, v.metric)}" if v.than else ""
    return _Texts(
        compared=_compared(config, v),
        mean=f"{mean} {_unit(v)}".strip(),
        ends=range_text(v.difference, v.metric, signed=v.claim.kind != "threshold"),
        p=p_text(v.p_holm),
        n=str(v.n),
        means=means,
        data=v.place.dataset,
        kind=f"{kind_name(v.dataset_kind)}; {v.place.profile}, {v.place.device}",
    )


def _unit(v: Verdict) -> str:
    if v.metric is None:
        return ""
    return unit(v.metric) if v.claim.kind == "threshold" else points(v.metric)


def _compared(config: Config, v: Verdict) -> str:
    """`PatchMix − MoCo v3: kNN top-1`, with the margin or the bound where the claim has one."""
    claim, metric = v.claim, v.metric
    if metric is None:
        return claim.statement
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


def rules(verdicts: Sequence[Verdict]) -> list[str]:
    """How the kinds of claims at hand are decided, a sentence or two each."""
    kinds = {v.claim.kind for v in verdicts}
    every = {"equivalence": EQUIVALENCE_RULE, "threshold": THRESHOLD_RULE, "exact": EXACT_RULE}
    found = [] if kinds and kinds <= {"exact"} else [RULE]
    found += [rule for kind, rule in every.items() if kind in kinds]
    smaller = any(v.metric is not None and v.metric.direction == "min" for v in verdicts)
    return [*found, f"{ARROW_NOTE}."] if smaller else found


def console_claims(config: Config, verdicts: Sequence[Verdict]) -> "rich.table.Table":
    """The verdicts for a terminal."""
    from rich.table import Table
    from rich.text import Text

    caption = " ".join(rules(verdicts))
    grid = Table(title="Claims", caption=caption, caption_justify="left", show_lines=True)
    for name in ("claim", "verdict", "difference [95 %]", "p (Holm)", "n", "data"):
        grid.add_column(name, justify="right" if name in ("p (Holm)", "n") else "left", overflow="fold")
    for v in verdicts:
        t = _texts(config, v)
        claim = Text(f"{v.claim.id}\n").append(t.compared, style="dim")
        word = Text(f"{MARKS[v.verdict]} {v.verdict}", style=_COLOURS[v.verdict])
        where = Text(t.where).append(f"\n{v.note}" if v.note else "", style="dim")
        size = Text(t.gap).append(f"\n{t.means}" if v.better else "", style="dim")
        grid.add_row(claim, word, size, Text(t.p), Text(t.n), where)
    return grid


def markdown_claims(config: Config, verdicts: Sequence[Verdict]) -> str:
    """The verdicts as a Markdown table with the rules and the numbers of exact claims below."""
    head = ["claim", "verdict", "compared", "difference [95 %]", "p (Holm)", "n", "means", "data", "note"]
    rows = []
    for v in verdicts:
        t = _texts(config, v)
        word = f"**{v.verdict}**" if v.verdict not in ("undecided", "no data") else v.verdict
        cells = (t.compared, t.gap, t.p, t.n, t.means, t.where, v.note)
        rows.append([f"`{v.claim.id}`", word, *map(md_escape, cells)])
    text = f"{md_table(head, rows, 'lllrrrrll')}\n{' '.join(rules(verdicts))}\n"
    for v in verdicts:
        if v.exact is not None:
            text += f"\n`{v.claim.id}`: {md_escape(v.exact.text)} Evidence: `{v.claim.evidence}`.\n"
            if v.exact.rows:
                inner = [list(map(md_escape, row)) for row in v.exact.rows]
                table = md_table(list(map(md_escape, v.exact.head)), inner, _align(v.exact.head))
                text += f"\n{table}"
    return text


def _align(head: Sequence[str]) -> str:
    return "l" + "r" * (len(head) - 1)


def html_claims(config: Config, verdicts: Sequence[Verdict]) -> str:
    """The verdicts as an HTML table, in a container that scrolls sideways, with the rules and the numbers of
    exact claims below."""
    head = ["claim", "verdict", "difference [95 %]", "p (Holm)", "n", "means", "data", "the paper says"]
    rows = [_html_row(config, v) for v in verdicts]
    table = f'<div class="px-claims">{html_rows(head, rows, "llrrrrll")}</div>'
    legend = "".join(f"<li>{escape(rule)}</li>" for rule in rules(verdicts))
    return f'{table}<ul class="px-legend">{legend}</ul>\n{"".join(map(_html_exact, verdicts))}'


def _html_row(config: Config, v: Verdict) -> list[str]:
    t, small = _texts(config, v), '<br><span class="px-small">{}</span>'
    badge = f'<span class="px-badge px-{v.verdict.replace(" ", "-")}">{MARKS[v.verdict]} {v.verdict}</span>'
    paper = escape(v.claim.paper or ("our control" if v.claim.origin == "control" else "—"))
    return [
        f"<code>{escape(v.claim.id)}</code>{small.format(unbroken(t.compared))}",
        badge + (small.format(escape(v.note)) if v.note else ""),
        escape(t.mean) + (small.format(escape(t.ends)) if t.ends else ""),
        escape(t.p),
        escape(t.n),
        escape(t.means).replace(" / ", "<br>"),
        f"{escape(t.data)}{small.format(escape(t.kind)) if t.kind else ''}",
        paper + (small.format(escape(v.claim.source)) if v.claim.source else ""),
    ]


def _html_exact(v: Verdict) -> str:
    if v.exact is None:
        return ""
    rows = [[escape(cell) for cell in row] for row in v.exact.rows]
    head = [escape(cell) for cell in v.exact.head]
    table = html_rows(head, rows, _align(head)) if rows else ""
    title = f"<summary><code>{escape(v.claim.id)}</code>: the numbers</summary>"
    evidence = f"Evidence: <code>{escape(v.claim.evidence)}</code>."
    return f"<details>{title}\n<p>{escape(v.exact.text)} {evidence}</p>\n{table}</details>\n"
