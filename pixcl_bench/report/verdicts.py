"""The verdict on every claim of `benchmarks.yaml` that the records allow."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pixcl_bench.bench.config import Config
from pixcl_bench.bench.schema import Claim, Metric
from pixcl_bench.bench.store import Record
from pixcl_bench.report import stats
from pixcl_bench.report.exact import Exact, run_check
from pixcl_bench.report.rows import Place, by_place, metric_values, same_budget
from pixcl_bench.report.stats import MIN_PAIRS, Interval

Word = Literal["reproduced", "contradicted", "undecided", "no data", "holds exactly", "fails"]
WORDS: tuple[Word, ...] = (
    "reproduced",
    "contradicted",
    "undecided",
    "holds exactly",
    "fails",
    "no data",
)
"""In the order in which they are counted."""
RULE = (
    "Paired over seeds; interval: 95 % BCa bootstrap of the mean difference (Student t below 6 pairs); p: "
    "two-sided sign-flip permutation test, Holm-adjusted over the claims of the same task and data set. "
    "Reproduced: the interval excludes zero in the claimed direction and p ≤ 0.05."
)
EQUIVALENCE_RULE = "Within a margin: the whole interval must lie inside it (contradicted: outside); no test."
THRESHOLD_RULE = "At least, at most: the whole interval of the mean must reach it; no test."
EXACT_RULE = "Holds exactly: a theorem, checked with whole numbers and fractions; no training, no seeds."


@dataclass(frozen=True)
class Verdict:
    """What the records of one place say about one claim.

    Attributes:
        claim: the claim as configured.
        metric: how its metric is shown; None for an exact claim.
        place: task, profile, data set and device; None where there are no records at all.
        dataset_kind: embedded, synthetic or canonical: a verdict on surrogate data is about the mechanism.
        n: paired seeds.
        difference: better - than (or the value itself, for a threshold claim) with its interval, in
            the metric's own scale and sign.
        p, p_holm: None where there are too few pairs, or where the claim is not of superiority.
        better, than: means of both methods over the paired seeds.
        note: why it is undecided, or what was left out.
        exact: what the check of an exact claim found.
    """

    claim: Claim
    metric: Metric | None
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
    exact: Exact | None = None


def _seeds(n: int) -> str:
    return f"{n} seed{'' if n == 1 else 's'}"


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
    undefined = {r.seed for side in sides for r in side} - (set(first) if alone else set(first) & set(second))
    undefined &= {r.seed for side in sides for r in side if r.metrics.get(claim.metric) is None}
    if undefined:
        notes.append(f"{_seeds(len(undefined))} where {metric.label} is undefined left out")
    lonely = set() if alone else (set(first) ^ set(second)) - undefined
    if lonely:
        notes.append(f"{_seeds(len(lonely))} without a partner left out")
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
    if verdict.n < MIN_PAIRS or difference is None or verdict.metric is None:
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
    A claim without a pair anywhere has one verdict "no data"; an exact claim needs no records. Order: as
    configured, then by place.
    """
    places = by_place(records, config)
    by_claim: dict[str, list[Verdict]] = defaultdict(list)
    for where, group in places.items():
        claims = [c for c in config.claims if c.task == where.task and c.dataset in (None, where.dataset)]
        claims = [c for c in claims if c.kind != "exact"] if where.task in config.tasks else []
        for verdict in _family(config, where, claims, group) if claims else []:
            by_claim[verdict.claim.id].append(verdict)
    verdicts: list[Verdict] = []
    for claim in config.claims:
        verdicts += by_claim.get(claim.id) or [_without_runs(config, claim)]
    return verdicts


def _without_runs(config: Config, claim: Claim) -> Verdict:
    if claim.kind == "exact":
        found = run_check(claim.check)
        note = "a theorem, checked exactly: no training, no seeds"
        return Verdict(claim, None, "holds exactly" if found.holds else "fails", note=note, exact=found)
    both = "runs of the method" if claim.kind == "threshold" else "paired runs of both methods"
    where = f" on {claim.dataset}" if claim.dataset else ""
    metric = config.tasks[claim.task].metrics[claim.metric]
    return Verdict(claim, metric, "no data", note=f"no {both}{where}")
