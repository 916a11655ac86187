"""The statistics of tables and verdicts: intervals, a paired test, Holm's adjustment.

`scipy.stats` does the resampling. It is loaded when it is first asked for: a table of few seeds,
which needs neither ranks nor bootstrap, must be there at once.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Alternative = Literal["two-sided", "greater", "less"]

MIN_PAIRS = 6
"""Fewer paired seeds cannot reach p < 0.05 two-sided (2 / 2**5 = 0.0625): no p-value is shown."""
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
    """The values as a flat array; an error named after `what` where one is not finite."""
    array = np.asarray(values, dtype=np.float64).ravel()
    if array.size == 0:
        raise ValueError(f"{what}: no values")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise ValueError(f"{what}: {bad} of {array.size} values are not finite")
    return array


def t_quantile(probability: float, df: float) -> float:
    """Quantile of Student's t distribution.

    Args:
        probability: in (0, 1).
        df: degrees of freedom, above 0.

    Raises:
        ValueError: either lies outside its range.
    """
    from scipy.special import stdtrit

    if not 0 < probability < 1 or df <= 0:
        got = f"{probability} and {df}"
        raise ValueError(f"t_quantile: probability in (0, 1) and df > 0, got {got}")
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


def _sums(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """The statistic of the sign-flip test, for one sample or many at once."""
    return np.asarray(np.sum(values, axis=axis))


@lru_cache(maxsize=4096)
def _sign_flips(
    samples: tuple[tuple[float, ...], ...], alternative: Alternative, draws: int, seed: int
) -> tuple[float, ...]:
    """p-values of samples of one size, by one enumeration (or one set of draws) for all of them."""
    from scipy.stats import permutation_test

    array = np.asarray(samples, dtype=np.float64)
    exact = array.shape[1] <= EXACT_PAIRS
    found = permutation_test(
        (array,),
        _sums,
        permutation_type="samples",
        vectorized=True,
        axis=1,
        n_resamples=np.inf if exact else draws,
        batch=4096,
        alternative=alternative,
        random_state=np.random.default_rng(seed),
    )
    sums, observed = found.null_distribution, found.statistic
    if alternative == "two-sided":
        sums, observed = np.abs(sums), np.abs(observed)
    elif alternative == "less":
        sums, observed = -sums, -observed
    # Accuracies are multiples of 1/N, so ties are common: rounding of the sums must not break them.
    # scipy's own p-value allows for the rounding of the statistic, which is too little near zero.
    hits = (sums >= observed - 1e-12 * np.abs(array).sum(axis=1)).sum(axis=0)
    extra = 0 if exact else 1
    return tuple(float(p) for p in (hits + extra) / (len(sums) + extra))


def sign_flip_test(
    differences: ArrayLike,
    alternative: Alternative = "two-sided",
    *,
    minimum: int = MIN_PAIRS,
    draws: int = 100_000,
    seed: int = 0,
) -> float | None:
    """p-value of the paired sign-flip permutation test of "the mean difference is zero".

    Under the null the two members of a pair may be swapped, which flips the sign of their
    difference. Exact over all 2^n patterns for n <= 16; above, a seeded Monte Carlo test whose p is
    (hits + 1) / (draws + 1). `scipy.stats.permutation_test` makes the patterns.

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
    if array.size == 1:  # scipy asks for two; a difference of zero changes no p-value
        array = np.append(array, 0.0)
    return _sign_flips((tuple(array.tolist()),), alternative, draws, seed)[0]


def sign_flip_tests(samples: Sequence[Sequence[float]]) -> list[float | None]:
    """Two-sided `sign_flip_test` of many samples, those of one size in one pass.

    Args:
        samples: (n,) paired differences each, of any n > 0.

    Raises:
        ValueError: a sample without differences, or with differences that are not finite.
    """
    arrays = [_finite(each, "sign_flip_tests") for each in samples]
    found: list[float | None] = [None] * len(arrays)
    by_size: dict[int, list[int]] = {}
    for i, array in enumerate(arrays):
        if array.size >= MIN_PAIRS:
            by_size.setdefault(array.size, []).append(i)
    for members in by_size.values():
        group = tuple(tuple(arrays[i].tolist()) for i in members)
        for i, p in zip(members, _sign_flips(group, "two-sided", 100_000, 0), strict=True):
            found[i] = p
    return found


@lru_cache(maxsize=4096)
def _bootstrap(values: tuple[float, ...], level: float, n: int, seed: int) -> tuple[float, float]:
    """Ends of the BCa interval of the mean; of the percentile interval where BCa is undefined."""
    from scipy.stats import DegenerateDataWarning, bootstrap

    def ends(method: str) -> tuple[float, float]:
        interval = bootstrap(
            (np.asarray(values),),
            np.mean,
            confidence_level=level,
            n_resamples=n,
            method=method,
            vectorized=True,
            random_state=np.random.default_rng(seed),
        ).confidence_interval
        return float(interval.low), float(interval.high)

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", DegenerateDataWarning)  # percentiles answer that
        low, high = ends("BCa")
        return (low, high) if math.isfinite(low + high) else ends("percentile")


def bootstrap_interval(
    differences: ArrayLike, level: float = 0.95, n: int = 10_000, seed: int = 0
) -> Interval | None:
    """Bootstrap interval of the mean of `differences` (k,), by `scipy.stats.bootstrap`: BCa, or
    percentiles where BCa is undefined.

    Equal differences have an interval of width zero. A single difference has no interval: None.

    Args:
        differences: (k,) values, in any unit.
        level: of confidence, in (0, 1).
        n: how many resamples.
        seed: of the resamples.

    Raises:
        ValueError: no differences, or differences that are not finite.
    """
    array = _finite(differences, "bootstrap_interval")
    if array.size < 2:
        return None
    mean = float(array.mean())
    if float(np.ptp(array)) == 0.0:
        return Interval(mean, mean, mean, int(array.size))
    return Interval(mean, *_bootstrap(tuple(array.tolist()), level, n, seed), int(array.size))


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


def paired_differences(
    a: Mapping[int, float], b: Mapping[int, float]
) -> tuple[list[int], list[float]]:
    """Seeds that both have, in order, and `a - b` for each of them."""
    seeds = sorted(set(a) & set(b))
    return seeds, [a[seed] - b[seed] for seed in seeds]


def pairs_needed(comparisons: int, alpha: float = 0.05) -> int:
    """How many paired seeds it takes until the sign-flip test can decide one of so many
    comparisons.

    Its smallest p is 2 / 2^n, which Holm multiplies by the number of comparisons.
    """
    return max(MIN_PAIRS, math.ceil(math.log2(2 * max(1, comparisons) / alpha)))
