"""The verdict on every claim of `benchmarks.yaml` that the records allow."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.schema import Claim, Metric
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report import decisions, stats
from pixcl_bench.report.comparisons import Compared, Comparison, budget_key, compared
from pixcl_bench.report.exact import Exact, run_check
from pixcl_bench.report.pilots import OF_A_PILOT, STEPS, objection
from pixcl_bench.report.rows import metric_values
from pixcl_bench.report.stats import MIN_PAIRS, Interval

Word = Literal[
    "reproduced",
    "contradicted",
    "undecided",
    "premature",
    "unfit",
    "no data",
    "holds exactly",
    "fails",
]
WORDS: tuple[Word, ...] = (
    "reproduced",
    "contradicted",
    "undecided",
    "premature",
    "unfit",
    "holds exactly",
    "fails",
    "no data",
)
"""In the order in which they are counted."""
RULE = (
    "Paired over seeds; interval: 95 % BCa bootstrap of the mean difference (Student t below 6 "
    "pairs); p: two-sided sign-flip permutation test, Holm-adjusted over the claims of the same "
    "task and data set. Reproduced: the interval excludes zero in the claimed direction and "
    "p ≤ 0.05."
)
EQUIVALENCE_RULE = (
    "Within a margin: the whole interval must lie inside it (contradicted: outside); no test."
)
THRESHOLD_RULE = "At least, at most: the whole interval of the mean must reach it; no test."
EXACT_RULE = (
    "Holds exactly: a theorem, checked with whole numbers and fractions; no training, no seeds."
)


PILOT_RULE = (
    "Premature: no pilot has shown that the budget is large enough, that is, that three times the "
    "steps move no method by a third of a point. Unfit: a trivial predictor beats the networks, or "
    "there is too little to win."
)


@dataclass(frozen=True)
class Verdict:
    """What the records of one comparison say about one claim.

    Attributes:
        claim: the claim as configured.
        metric: how its metric is shown; None for an exact claim.
        verdict: the word, one of `WORDS`.
        comparison: task, profile, data set and device; None where there are no records at all.
        dataset_kind: embedded, synthetic or canonical: on surrogate data a verdict is about the
            mechanism.
        n: paired seeds; they are in `seeds`.
        difference: better - than (or the value itself, for a threshold claim) with its interval, in
            the metric's own scale and sign.
        p, p_holm: None where there are too few pairs, or where the claim is not of superiority.
        better, than: means of both methods over the paired seeds.
        keys_better, keys_than: the keys of the runs of both methods.
        tendency: what intervals and tests alone would say of a claim that is premature or unfit.
        note: why it is undecided, premature or unfit, or what was left out.
        exact: what the check of an exact claim found.
    """

    claim: Claim
    metric: Metric | None
    verdict: Word
    comparison: Comparison | None = None
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
    tendency: Word | None = None
    note: str = ""
    exact: Exact | None = None


@dataclass(frozen=True)
class _Pairs:
    """The runs that a claim compares.

    Attributes:
        first, second: finished runs of the method claimed to be better, and of the other one.
        a, b: their values by seed.
        seeds: those that both have; for a claim about one method alone, those that it has.
    """

    first: Sequence[Record]
    second: Sequence[Record]
    a: Mapping[int, float]
    b: Mapping[int, float]
    seeds: Sequence[int]

    @property
    def records(self) -> list[Record]:
        """The runs of both sides."""
        return [*self.first, *self.second]


def _seeds(n: int) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{n} seed{'' if n == 1 else 's'}"


def _few(n: int) -> str:
    """That so few pairs decide nothing."""
    return f"{n} paired seed{'' if n == 1 else 's'}: at least {MIN_PAIRS} are needed to decide"


def _pairs(claim: Claim, records: Sequence[Record]) -> _Pairs:
    """The runs of both sides of a claim, and their common seeds."""
    finished = [r for r in records if r.status == "ok"]
    first, second = ([r for r in finished if r.method == m] for m in (claim.better, claim.than))
    a, b = metric_values(first, claim.metric), metric_values(second, claim.metric)
    alone = claim.kind == "threshold"
    return _Pairs(first, second, a, b, sorted(a) if alone else sorted(set(a) & set(b)))


def _notes(claim: Claim, metric: Metric, pairs: _Pairs) -> list[str]:
    """Why seeds do not count, and that too few of them do."""
    notes = [_few(len(pairs.seeds))] if len(pairs.seeds) < MIN_PAIRS else []
    silent = {r.seed for r in pairs.records if r.metrics.get(claim.metric) is None}
    undefined = silent - set(pairs.seeds)
    if undefined:
        notes.append(f"{_seeds(len(undefined))} where {metric.label} is undefined left out")
    alone = claim.kind == "threshold"
    lonely = set() if alone else (set(pairs.a) ^ set(pairs.b)) - undefined
    if lonely:
        notes.append(f"{_seeds(len(lonely))} without a partner left out")
    return notes


def _measure(
    claim: Claim, metric: Metric, where: Comparison, records: Sequence[Record]
) -> Verdict | None:
    """Difference, interval and raw p of a claim in one comparison; None where a side has no
    value."""
    pairs, alone = _pairs(claim, records), claim.kind == "threshold"
    seeds = pairs.seeds
    if not seeds:
        return None
    values = [pairs.a[s] - (0.0 if alone else pairs.b[s]) for s in seeds]
    # Resampling a handful of values gives an interval that is far too short.
    interval = None if len(seeds) < MIN_PAIRS else stats.bootstrap_interval(values)
    sides = (pairs.first, () if alone else pairs.second)
    keys = [tuple(r.key for r in side if r.seed in set(seeds)) for side in sides]
    return Verdict(
        claim=claim,
        metric=metric,
        verdict="undecided",
        comparison=where,
        dataset_kind=" and ".join(sorted({r.dataset_kind for r in pairs.records})),
        n=len(seeds),
        seeds=tuple(seeds),
        difference=interval or stats.mean_interval(values),
        p=stats.sign_flip_test(values) if claim.kind == "superiority" else None,
        better=stats.mean_interval([pairs.a[s] for s in seeds]),
        than=None if alone else stats.mean_interval([pairs.b[s] for s in seeds]),
        keys_better=keys[0],
        keys_than=keys[1],
        note="; ".join(_notes(claim, metric, pairs)),
    )


def _oriented(difference: Interval, direction: str) -> Interval:
    """The difference so that more is better."""
    if direction == "max":
        return difference
    return Interval(-difference.mean, -difference.high, -difference.low, difference.n)


def _decide(verdict: Verdict, p_holm: float | None) -> Verdict:
    """The verdict with its word, given the adjusted p of its family."""
    claim, difference = verdict.claim, verdict.difference
    if verdict.n < MIN_PAIRS or difference is None or verdict.metric is None:
        return verdict
    direction = verdict.metric.direction
    if claim.kind == "equivalence":
        word = decisions.equivalence(difference, float(claim.margin or 0))
    elif claim.kind == "threshold":
        word = decisions.threshold(difference, float(claim.threshold or 0), direction)
    else:
        word = decisions.superiority(_oriented(difference, direction), p_holm)
    return replace(verdict, verdict=word, p_holm=p_holm)


def _family(config: Config, group: Compared, claims: Sequence[Claim]) -> list[Verdict]:
    """Verdicts of all claims of one comparison: the family of Holm's adjustment."""
    where, metrics = group.comparison, config.tasks[group.comparison.task].metrics
    found = [_measure(claim, metrics[claim.metric], where, group.kept) for claim in claims]
    measured = [v for v in found if v is not None]
    adjusted = stats.holm([v.p for v in measured])
    decided = [_decide(v, p) for v, p in zip(measured, adjusted, strict=True)]
    return [_with_left_out(v, group.left_out) for v in decided]


def _with_left_out(verdict: Verdict, left_out: Sequence[Record]) -> Verdict:
    """The verdict with a note on runs of its methods that could not be compared."""
    sides = {verdict.claim.better, verdict.claim.than}
    count = sum(r.method in sides and r.status == "ok" for r in left_out)
    if not count:
        return verdict
    words = f"{count} runs with other settings or other data left out"
    return replace(verdict, note=f"{verdict.note}; {words}" if verdict.note else words)


def _claims_of(config: Config, where: Comparison) -> list[Claim]:
    """The claims that the runs of a comparison can say something about."""
    return [
        claim
        for claim in config.claims
        if claim.task == where.task
        and claim.dataset in (None, where.dataset)
        and claim.kind != "exact"
    ]


def decide(
    config: Config, groups: Iterable[Compared], pilots: Sequence[Record] | None = None
) -> list[Verdict]:
    """The same as `decide_claims`, from records that are grouped already."""
    by_claim: dict[str, list[Verdict]] = defaultdict(list)
    for group in groups:
        for verdict in _family(config, group, _claims_of(config, group.comparison)):
            held = verdict if pilots is None else _held_back(config, verdict, group, pilots)
            by_claim[verdict.claim.id].append(held)
    verdicts: list[Verdict] = []
    for claim in config.claims:
        verdicts += by_claim.get(claim.id) or [_without_runs(config, claim)]
    return verdicts


def _held_back(
    config: Config, verdict: Verdict, group: Compared, pilots: Sequence[Record]
) -> Verdict:
    """The verdict, or that the budget is too small or the set unfit for one."""
    claim, where = verdict.claim, group.comparison
    sides = {claim.better, claim.than}
    mine = [r for r in group.kept if r.method in sides]
    free = (*config.tasks[where.task].per_method, *OF_A_PILOT)
    states = {_state(record, free) for record in mine}
    place = (where.task, where.dataset, where.device)
    found = [
        r for r in pilots if (r.task, r.dataset, r.device) == place and _state(r, free) in states
    ]
    known = [int(n) for r in mine if isinstance(n := r.settings.get(STEPS), int)]
    against = objection(config, claim, found, min(known, default=None))
    if against is None:
        return verdict
    word, why = against
    note = f"{why}; {verdict.note}" if verdict.note else why
    return replace(verdict, verdict=word, tendency=verdict.verdict, note=note)


def _state(record: Record, free: Sequence[str]) -> tuple[str, str]:
    """The settings of a run but for those that are `free`, and the state of its data."""
    return budget_key(record, free), str(record.data.get("fingerprint", ""))


def decide_claims(
    config: Config, records: Iterable[Record], pilots: Sequence[Record] | None = None
) -> list[Verdict]:
    """One verdict for each claim and each comparison (task, profile, data set, device) of its
    records.

    Pairs have the same data set, profile, device, seed and settings, but for those that a method
    may choose. A claim without a pair anywhere has one verdict "no data"; an exact claim needs no
    records. Order: as configured, then by comparison. `pilots`: the records of pilots, which tell
    what is premature or unfit; where None, intervals and tests alone decide.
    """
    return decide(config, compared(config, records), pilots)


def _without_runs(config: Config, claim: Claim) -> Verdict:
    """The verdict on an exact claim, or that there are no runs."""
    if claim.kind == "exact":
        found = run_check(claim.check)
        word: Word = "holds exactly" if found.holds else "fails"
        note = "a theorem, checked exactly: no training, no seeds"
        return Verdict(claim, None, word, note=note, exact=found)
    both = "runs of the method" if claim.kind == "threshold" else "paired runs of both methods"
    where = f" on {claim.dataset}" if claim.dataset else ""
    metric = config.tasks[claim.task].metrics[claim.metric]
    return Verdict(claim, metric, "no data", note=f"no {both}{where}")
