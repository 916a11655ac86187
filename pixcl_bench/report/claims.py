"""The verdict on every claim of `benchmarks.yaml` that the records allow."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pixcl_bench.bench.config import Config
from pixcl_bench.bench.schema import Claim, Metric
from pixcl_bench.bench.store import Record
from pixcl_bench.report import stats
from pixcl_bench.report.rows import Place, by_place, describe, metric_values, same_budget
from pixcl_bench.report.stats import MIN_PAIRS, Interval
from pixcl_bench.report.words import (
    escape,
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
)

if TYPE_CHECKING:
    import rich.table

Word = Literal["reproduced", "contradicted", "undecided", "no data"]
MARKS = {"reproduced": "✔", "contradicted": "✘", "undecided": "?", "no data": "–"}
RULE = (
    "Paired over seeds; interval: 95 % BCa bootstrap of the mean difference (Student t below 6 pairs); p: "
    "two-sided sign-flip permutation test, Holm-adjusted over the claims of the same task and data set. "
    "Reproduced: the interval excludes zero in the claimed direction and p ≤ 0.05."
)


@dataclass(frozen=True)
class Verdict:
    """What the records of one place say about one claim.

    Attributes:
        claim: the claim as configured.
        metric: how its metric is shown.
        place: task, profile, data set and device; None where there are no records at all.
        dataset_kind: embedded, synthetic or canonical: a verdict on surrogate data is about the mechanism.
        n: paired seeds.
        difference: better - than (or the value itself, for a threshold claim) with its interval, in
            the metric's own scale and sign.
        p, p_holm: None where there are too few pairs, or where the claim is not of superiority.
        better, than: means of both methods over the paired seeds.
        note: why it is undecided, or what was left out.
    """

    claim: Claim
    metric: Metric
    verdict: Word
    place: Place | None = None
    dataset_kind: str = ""
    n: int = 0
    seeds: tuple[int, ...] = ()
    difference: Interval | None = None
    p: float | None = None
    p_holm: float | None = None
    better: Interval | None = None
    than: Interval | None = None
    keys_better: tuple[str, ...] = ()
    keys_than: tuple[str, ...] = ()
    note: str = ""


def _few(n: int) -> str:
    return f"{n} paired seed{'' if n == 1 else 's'}: at least {MIN_PAIRS} are needed to decide"


def _measure(claim: Claim, metric: Metric, where: Place, records: Sequence[Record]) -> Verdict | None:
    """Difference, interval and raw p of a claim in one place; None where one side has no value there."""
    sides = [
        [r for r in records if r.method == name and r.status == "ok"] for name in (claim.better, claim.than)
    ]
    first, second = (metric_values(side, claim.metric) for side in sides)
    alone = claim.kind == "threshold"
    seeds, values = (sorted(first), []) if alone else stats.paired_differences(first, second)
    values = [first[s] for s in seeds] if alone else values
    if not seeds:
        return None
    few = len(seeds) < MIN_PAIRS
    # Resampling a handful of values gives an interval that is far too short.
    interval = None if few else stats.bootstrap_interval(values)
    superior = claim.kind == "superiority"
    notes = [_few(len(seeds))] if few else []
    lonely = len(set(first) ^ set(second)) if not alone else 0
    if lonely:
        notes.append(f"{lonely} seed{'' if lonely == 1 else 's'} without a partner left out")
    keys = [tuple(r.key for r in side if r.seed in set(seeds)) for side in sides]
    return Verdict(
        claim=claim,
        metric=metric,
        verdict="undecided",
        place=where,
        dataset_kind=" and ".join(sorted({r.dataset_kind for side in sides for r in side})),
        n=len(seeds),
        seeds=tuple(seeds),
        difference=interval or stats.mean_interval(values),
        p=stats.sign_flip_test(values) if superior else None,
        better=stats.mean_interval([first[s] for s in seeds]),
        than=None if alone else stats.mean_interval([second[s] for s in seeds]),
        keys_better=keys[0],
        keys_than=() if alone else keys[1],
        note="; ".join(notes),
    )


def _oriented(difference: Interval, direction: str) -> Interval:
    if direction == "max":
        return difference
    return Interval(-difference.mean, -difference.high, -difference.low, difference.n)


def _decide(verdict: Verdict, p_holm: float | None) -> Verdict:
    claim, difference = verdict.claim, verdict.difference
    if verdict.n < MIN_PAIRS or difference is None:
        return verdict
    direction = verdict.metric.direction
    if claim.kind == "equivalence":
        word = stats.equivalence(difference, float(claim.margin or 0))
    elif claim.kind == "threshold":
        word = stats.threshold(difference, float(claim.threshold or 0), direction)
    else:
        word = stats.superiority(_oriented(difference, direction), p_holm)
    return replace(verdict, verdict=word, p_holm=p_holm)


def _family(
    config: Config, where: Place, claims: Sequence[Claim], records: Sequence[Record]
) -> list[Verdict]:
    """Verdicts of all claims of one place: the family of Holm's adjustment."""
    task = config.tasks[where.task]
    kept, left_out = same_budget(records, task.per_method)
    found = [_measure(claim, task.metrics[claim.metric], where, kept) for claim in claims]
    measured = [v for v in found if v is not None]
    adjusted = stats.holm([v.p for v in measured])
    decided = [_decide(v, p) for v, p in zip(measured, adjusted, strict=True)]
    return [_with_left_out(v, left_out) for v in decided]


def _with_left_out(verdict: Verdict, left_out: Sequence[Record]) -> Verdict:
    sides = {verdict.claim.better, verdict.claim.than}
    count = sum(r.method in sides and r.status == "ok" for r in left_out)
    if not count:
        return verdict
    words = f"{count} runs with other settings or other data left out"
    return replace(verdict, note=f"{verdict.note}; {words}" if verdict.note else words)


def decide_claims(config: Config, records: Iterable[Record]) -> list[Verdict]:
    """One verdict for each claim and each place (task, profile, data set, device) that has its records.

    Pairs have the same data set, profile, device, seed and settings, but for those that a method may choose.
    A claim without a pair anywhere has one verdict "no data". Order: as configured, then by place.
    """
    places = by_place(records)
    by_claim: dict[str, list[Verdict]] = defaultdict(list)
    for where, group in places.items():
        claims = [c for c in config.claims if c.task == where.task and c.dataset in (None, where.dataset)]
        claims = claims if where.task in config.tasks else []
        for verdict in _family(config, where, claims, group) if claims else []:
            by_claim[verdict.claim.id].append(verdict)
    verdicts: list[Verdict] = []
    for claim in config.claims:
        metric = config.tasks[claim.task].metrics[claim.metric]
        none = Verdict(claim, metric, "no data", note="no paired runs of both methods")
        verdicts += by_claim.get(claim.id) or [none]
    return verdicts


def _texts(config: Config, v: Verdict) -> list[str]:
    """Cells behind claim and verdict: comparison, difference, interval, p, n, both means, data, note."""
    task = v.claim.task
    versus = describe(config, task, v.claim.better)[0]
    if v.claim.than:
        versus += f" − {describe(config, task, v.claim.than)[0]}"
    data = (
        f"{v.place.dataset}, {kind_name(v.dataset_kind)}; {v.place.profile}, {v.place.device}"
        if v.place
        else "—"
    )
    alone = v.claim.kind == "threshold"
    mean = number(v.difference.mean, v.metric, signed=not alone) if v.difference else "—"
    means = plus_minus(v.better, v.metric) if v.better else "—"
    means += f" / {plus_minus(v.than, v.metric)}" if v.than else ""
    gap = f"{mean} {range_text(v.difference, v.metric)}" if v.difference else "—"
    return [
        f"{versus}: {v.metric.label}",
        gap,
        points(v.metric),
        p_text(v.p_holm),
        str(v.n),
        means,
        data,
        v.note,
    ]


def console_claims(config: Config, verdicts: Sequence[Verdict]) -> "rich.table.Table":
    """The verdicts for a terminal."""
    from rich.table import Table
    from rich.text import Text

    colours = {"reproduced": "green", "contradicted": "red", "undecided": "yellow", "no data": "dim"}
    grid = Table(title="Claims", caption=RULE, caption_justify="left", show_lines=True)
    for name in ("claim", "verdict", "difference [95 %]", "p (Holm)", "n", "data"):
        grid.add_column(name, justify="right" if name in ("p (Holm)", "n") else "left", overflow="fold")
    for v in verdicts:
        versus, gap, unit, p, n, means, data, note = _texts(config, v)
        claim = Text(f"{v.claim.id}\n").append(versus, style="dim")
        word = Text(f"{MARKS[v.verdict]} {v.verdict}", style=colours[v.verdict])
        where = Text(data).append(f"\n{note}" if note else "", style="dim")
        size = Text(gap if gap == "—" else f"{gap} {unit}".strip())
        size.append(f"\n{means}" if v.better else "", style="dim")
        grid.add_row(claim, word, size, Text(p), Text(n), where)
    return grid


def markdown_claims(config: Config, verdicts: Sequence[Verdict]) -> str:
    """The verdicts as a Markdown table with the rule below."""
    head = ["claim", "verdict", "compared", "difference [95 %]", "p (Holm)", "n", "means", "data", "note"]
    rows = []
    for v in verdicts:
        versus, gap, unit, p, n, means, data, note = _texts(config, v)
        word = f"**{v.verdict}**" if v.verdict in ("reproduced", "contradicted") else v.verdict
        gap = gap if gap == "—" else f"{gap} {unit}".strip()
        rows.append([f"`{v.claim.id}`", word, *map(md_escape, (versus, gap, p, n, means, data, note))])
    return f"{md_table(head, rows, 'lllrrrrll')}\n{RULE}\n"


def html_claims(config: Config, verdicts: Sequence[Verdict]) -> str:
    """The verdicts as an HTML table, in a container that scrolls sideways, with the rule below."""
    head = ["claim", "verdict", "difference [95 %]", "p (Holm)", "n", "means", "data", "the paper says"]
    rows = []
    for v in verdicts:
        versus, gap, unit, p, n, means, data, note = _texts(config, v)
        small = '<br><span class="px-small">{}</span>'
        claim = f"<code>{escape(v.claim.id)}</code>" + small.format(unbroken(versus))
        badge = (
            f'<span class="px-badge px-{v.verdict.replace(" ", "-")}">{MARKS[v.verdict]} {v.verdict}</span>'
        )
        badge += small.format(escape(note)) if note else ""
        size, _, ends = gap.partition(" ")
        gap = f"{escape(size)} {escape(unit)}" + (small.format(escape(ends)) if ends else "")
        paper = escape(v.claim.paper or ("our control" if v.claim.origin == "control" else "—"))
        paper += small.format(escape(v.claim.source)) if v.claim.source else ""
        gap = "—" if size == "—" else gap
        rows.append(
            [
                claim,
                badge,
                gap,
                escape(p),
                escape(n),
                escape(means).replace(" / ", "<br>"),
                escape(data),
                paper,
            ]
        )
    return f'{html_rows(head, rows, "llrrrrll")}<p class="px-legend">{escape(RULE)}</p>\n'
