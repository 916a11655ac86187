"""The statistics of every table and verdict: intervals, a paired test, Holm's adjustment, shared ranks.

Only numpy and `scipy.special` are imported at the top, for the console table must be there at once; the
bootstrap loads `scipy.stats` when it is first asked for.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Alternative = Literal["two-sided", "greater", "less"]
Direction = Literal["max", "min"]
Decision = Literal["reproduced", "contradicted", "undecided"]

MIN_PAIRS = 6
"""Fewer paired seeds than this cannot reach p < 0.05 two-sided (2 / 2**5 = 0.0625): no p-value is shown."""
EXACT_PAIRS = 16
"""Up to this many pairs all sign patterns are counted (65,536 at most); above, they are drawn."""


@dataclass(frozen=True)
class Interval:
    """A mean (or a mean difference) with its interval.

    Attributes:
        mean: the estimate, in the unit of the values.
        low: lower end; NaN where the interval is undefined (a single value).
        high: upper end; NaN likewise.
        n: how many values it rests on.
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def half(self) -> float:
        """Half the width: the number after the plus-minus sign; NaN for a single value."""
        return (self.high - self.low) / 2

    @property
    def defined(self) -> bool:
        """Whether there is an interval at all."""
        return math.isfinite(self.low) and math.isfinite(self.high)


def _finite(values: ArrayLike, what: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64).ravel()
    if array.size == 0:
        raise ValueError(f"{what}: no values")
    if not np.isfinite(array).all():
        raise ValueError(f"{what}: {int((~np.isfinite(array)).sum())} of {array.size} values are not finite")
    return array


def t_quantile(probability: float, df: float) -> float:
    """Quantile of Student's t distribution with `df` > 0 degrees of freedom; `probability` in (0, 1)."""
    from scipy.special import stdtrit

    if not 0 < probability < 1 or df <= 0:
        raise ValueError(f"t_quantile: probability in (0, 1) and df > 0, got {probability} and {df}")
    return float(stdtrit(df, probability))


def mean_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Mean and Student-t interval of independent values (n,).

    A single value has no interval (NaN ends); equal values have one of width zero.

    Raises:
        ValueError: no values, or values that are not finite.
    """
    array = _finite(values, "mean_interval")
    mean = float(array.mean())
    if array.size == 1:
        return Interval(mean, math.nan, math.nan, 1)
    error = float(array.std(ddof=1)) / math.sqrt(array.size)
    half = t_quantile(0.5 + level / 2, array.size - 1) * error
    return Interval(mean, mean - half, mean + half, int(array.size))


def _all_sums(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of `differences` under all 2^n sign patterns, doubling once for each difference."""
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate([sums + difference, sums - difference])
    return sums


def _drawn_sums(differences: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    chunks = [min(8192, draws - start) for start in range(0, draws, 8192)]
    return np.concatenate([(rng.integers(0, 2, (c, differences.size)) * 2 - 1) @ differences for c in chunks])


def sign_flip_test(
    differences: ArrayLike,
    alternative: Alternative = "two-sided",
    *,
    minimum: int = MIN_PAIRS,
    draws: int = 100_000,
    seed: int = 0,
) -> float | None:
    """p-value of the paired sign-flip permutation test of "the mean difference is zero".

    Under the null the two members of a pair may be swapped, which flips the sign of their difference. Exact
    over all 2^n patterns for n <= 16; above, a seeded Monte Carlo test whose p is (hits + 1) / (draws + 1).

    Args:
        differences: (n,) paired differences, one a seed.
        alternative: "greater" asks whether the mean difference is above zero.
        minimum: with fewer pairs there is no p-value.
        draws: sign patterns drawn where n > 16.
        seed: of those draws.

    Returns:
        p in (0, 1], or None where n < `minimum`.

    Raises:
        ValueError: no differences, or differences that are not finite.
    """
    array = _finite(differences, "sign_flip_test")
    if array.size < minimum:
        return None
    exact = array.size <= EXACT_PAIRS
    sums = _all_sums(array) if exact else _drawn_sums(array, draws, seed)
    observed = float(array.sum())
    if alternative == "two-sided":
        sums, observed = np.abs(sums), abs(observed)
    elif alternative == "less":
        sums, observed = -sums, -observed
    # Accuracies are multiples of 1/N, so ties are common: rounding of the sums must not break them.
    slack = 1e-12 * float(np.abs(array).sum())
    hits = int((sums >= observed - slack).sum())
    return hits / sums.size if exact else (hits + 1) / (sums.size + 1)


def _percentile(array: NDArray[np.float64], level: float, n: int, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    means = array[rng.integers(0, array.size, (n, array.size))].mean(axis=1)
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def bootstrap_interval(
    differences: ArrayLike, level: float = 0.95, n: int = 10_000, seed: int = 0
) -> Interval | None:
    """Bootstrap interval of the mean of `differences` (k,): BCa, or percentiles where BCa is undefined.

    BCa has no value where the resamples do not vary (all differences equal); the percentile interval is then
    a point, which says the same thing. A single difference has no interval: None.

    Raises:
        ValueError: no differences, or differences that are not finite.
    """
    array = _finite(differences, "bootstrap_interval")
    if array.size < 2:
        return None
    mean = float(array.mean())
    if float(np.ptp(array)) == 0.0:
        return Interval(mean, mean, mean, int(array.size))
    from scipy.stats import bootstrap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of degenerate data; the fallback below answers that
        result = bootstrap(
            (array,),
            np.mean,
            confidence_level=level,
            n_resamples=n,
            method="BCa",
            vectorized=True,
            random_state=np.random.default_rng(seed),
        )
    low, high = (float(end) for end in result.confidence_interval)
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = _percentile(array, level, n, seed)
    return Interval(mean, low, high, int(array.size))


def holm(pvalues: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjusted p-values, in the order given.

    None (a comparison that could not be tested) stays None and does not count in the family.

    Raises:
        ValueError: a p-value outside [0, 1].
    """
    tested = [(p, i) for i, p in enumerate(pvalues) if p is not None]
    for p, i in tested:
        if not 0 <= p <= 1:
            raise ValueError(f"holm: p-value number {i} is {p}, not in [0, 1]")
    adjusted: list[float | None] = [None] * len(pvalues)
    running = 0.0
    for step, (p, i) in enumerate(sorted(tested)):
        running = max(running, min(1.0, (len(tested) - step) * p))
        adjusted[i] = running
    return adjusted


def superiority(gain: Interval | None, p_holm: float | None, alpha: float = 0.05) -> Decision:
    """Verdict of "better than": `gain` is oriented, positive in the claimed direction.

    Decided only where the interval excludes zero and the adjusted test is significant.
    """
    if gain is None or not gain.defined or p_holm is None or p_holm > alpha:
        return "undecided"
    if gain.low > 0:
        return "reproduced"
    return "contradicted" if gain.high < 0 else "undecided"


def equivalence(difference: Interval | None, margin: float) -> Decision:
    """Verdict of "differs by at most `margin`": the whole interval inside it, wholly outside, or
    undecided."""
    if margin <= 0:
        raise ValueError(f"equivalence: the margin is positive, got {margin}")
    if difference is None or not difference.defined:
        return "undecided"
    if -margin <= difference.low and difference.high <= margin:
        return "reproduced"
    return "contradicted" if difference.low > margin or difference.high < -margin else "undecided"


def threshold(value: Interval | None, bound: float, direction: Direction = "max") -> Decision:
    """Verdict of "reaches `bound`" (at least it for "max", at most it for "min"), by the whole interval."""
    if value is None or not value.defined:
        return "undecided"
    sign = 1.0 if direction == "max" else -1.0
    ends = sorted((sign * value.low, sign * value.high))
    if ends[0] >= sign * bound:
        return "reproduced"
    return "contradicted" if ends[1] < sign * bound else "undecided"


def paired_differences(a: Mapping[int, float], b: Mapping[int, float]) -> tuple[list[int], list[float]]:
    """Seeds that both have, in order, and `a - b` for each of them."""
    seeds = sorted(set(a) & set(b))
    return seeds, [a[seed] - b[seed] for seed in seeds]


def pairs_needed(comparisons: int, alpha: float = 0.05) -> int:
    """How many paired seeds it takes until the sign-flip test can decide one of so many comparisons: its
    smallest p is 2 / 2^n, which Holm multiplies by their number."""
    return max(MIN_PAIRS, math.ceil(math.log2(2 * max(1, comparisons) / alpha)))


def rank_groups(
    values: Mapping[str, Mapping[int, float]], direction: Direction = "max", alpha: float = 0.05
) -> dict[str, int | None]:
    """Ranks (1 is best) from values by method and seed; methods whose difference is undecided share a rank.

    Methods are ordered by their mean. Going down, a method opens a new group where it is decidedly worse than
    the first method of the group above it: two-sided sign-flip test over their common seeds, Holm over all
        pairs.
    So a rank never contradicts the order of the means. A new group's rank is its place in the order.

    Returns:
        rank of each method; None for a method with fewer than six seeds, and for all where some pair of the
        rest has too few in common to be decided (`pairs_needed`).
    """
    sign = 1.0 if direction == "max" else -1.0
    enough = [m for m in values if len(values[m]) >= MIN_PAIRS]
    names = sorted(enough, key=lambda m: (-sign * float(np.mean(list(values[m].values()))), m))
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    found = [paired_differences(values[a], values[b])[1] for a, b in pairs]
    if any(len(differences) < pairs_needed(len(pairs), alpha) for differences in found):
        return dict.fromkeys(values, None)
    adjusted = dict(zip(pairs, holm([sign_flip_test(each) for each in found]), strict=True))
    ranks: dict[str, int | None] = dict.fromkeys(values, None)
    leader, rank = "", 1
    for place, name in enumerate(names, start=1):
        p = adjusted.get((leader, name))
        if not leader or (p is not None and p <= alpha):
            leader, rank = name, place
        ranks[name] = rank
    return ranks
