"""The statistics against brute force in plain Python and against scipy."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats as scipy_stats

from pixcl_bench.report import stats


def brute_sign_flip(differences: list[float], alternative: str) -> float:
    """The p-value by a loop over all sign patterns."""
    observed = sum(differences)
    hits = total = 0
    for signs in itertools.product((1, -1), repeat=len(differences)):
        value = sum(s * d for s, d in zip(signs, differences, strict=True))
        total += 1
        if alternative == "two-sided":
            hits += abs(value) >= abs(observed) - 1e-9
        elif alternative == "greater":
            hits += value >= observed - 1e-9
        else:
            hits += value <= observed + 1e-9
    return hits / total


def brute_holm(pvalues: list[float]) -> list[float]:
    """Holm's adjustment as it is defined, one p-value at a time."""
    order = sorted(range(len(pvalues)), key=lambda i: pvalues[i])
    adjusted = [0.0] * len(pvalues)
    for place, i in enumerate(order):
        adjusted[i] = max(
            min(1.0, (len(pvalues) - k) * pvalues[order[k]]) for k in range(place + 1)
        )
    return adjusted


@pytest.mark.parametrize("n", [2, 3, 10, 30])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_mean_interval_equals_scipy(n: int, level: float) -> None:
    values = np.random.default_rng(n).normal(3, 2, n)
    ours = stats.mean_interval(values, level)
    low, high = scipy_stats.t.interval(level, n - 1, values.mean(), scipy_stats.sem(values))
    assert (ours.mean, ours.low, ours.high) == pytest.approx((values.mean(), low, high))
    assert ours.half == pytest.approx((high - low) / 2)
    assert ours.n == n


def test_mean_interval_of_one_and_of_equal_values() -> None:
    one = stats.mean_interval([0.5])
    assert one.mean == 0.5
    assert not one.defined
    assert math.isnan(one.half)
    same = stats.mean_interval([0.5, 0.5, 0.5])
    assert (same.low, same.high) == (0.5, 0.5)


@pytest.mark.parametrize("bad", [[], [1.0, math.nan], [math.inf]])
def test_values_must_be_finite(bad: list[float]) -> None:
    for function in (stats.mean_interval, stats.sign_flip_test, stats.bootstrap_interval):
        with pytest.raises(ValueError, match=r"no values|not finite"):
            function(bad)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("n", [1, 2, 5, 6, 9, 11])
def test_sign_flip_equals_brute_force(n: int, alternative: str) -> None:
    rng = np.random.default_rng(n)
    for differences in (rng.normal(0.3, 1, n), rng.integers(-3, 4, n) / 7, np.zeros(n)):
        ours = stats.sign_flip_test(differences, alternative, minimum=1)
        assert ours == brute_sign_flip(list(differences), alternative)


def test_sign_flips_of_known_p_values() -> None:
    """Worked by hand: of the sums of 1..6 with signs, 21, 19 and 17 are reached by 1, 1 and 1 of 64
    patterns on each side, and 15 by two."""
    assert stats.sign_flip_test([1, 2, 3, 4, 5, 6]) == 2 / 64
    assert stats.sign_flip_test([-1, 2, 3, 4, 5, 6]) == 4 / 64
    assert stats.sign_flip_test([1, -2, 3, 4, 5, 6]) == 6 / 64
    assert stats.sign_flip_test([-1, -2, 3, 4, 5, 6], "greater") == 5 / 64
    assert stats.sign_flip_test([1, -2, 3, 4, 5, 6], "less") == 62 / 64


def test_rounding_breaks_no_tie() -> None:
    """The sum is zero but for rounding, and so is as large as any: scipy's own p-value is 0.875."""
    differences = [0.1, 0.2, 0.3, -0.1, -0.2, -0.3]
    assert stats.sign_flip_test(differences) == 1.0
    assert stats.sign_flip_test(differences) == brute_sign_flip(differences, "two-sided")


@pytest.mark.parametrize("n", [6, 9, 10])
def test_many_tests_at_once_are_the_same_tests(n: int) -> None:
    rng = np.random.default_rng(n)
    samples = [list(rng.normal(0.3, 1, size)) for size in (n, 3, n, 7, n, 12)]
    samples += [[0.0] * n, [0.25] * n, list(rng.integers(-2, 3, n) / 5)]
    assert stats.sign_flip_tests(samples) == [stats.sign_flip_test(each) for each in samples]
    assert stats.sign_flip_tests([]) == []
    with pytest.raises(ValueError, match="not finite"):
        stats.sign_flip_tests([[1.0, math.nan]])


@pytest.mark.parametrize("n", [2, 6, 9, 30])
@pytest.mark.parametrize("value", [0.0, 0.25, -1e-17, 0.1])
@pytest.mark.filterwarnings("error")
def test_equal_differences_need_no_luck(n: int, value: float) -> None:
    """No spread, so the interval is a point and nothing is divided by zero."""
    differences = [value] * n
    found = stats.bootstrap_interval(differences)
    assert found is not None
    assert found.low == found.high == found.mean == pytest.approx(value)
    p = stats.sign_flip_test(differences)
    if n < stats.MIN_PAIRS:
        assert p is None
    elif value == 0:
        assert p == 1.0
    else:
        assert p == (2 / 2**n if n <= stats.EXACT_PAIRS else 1 / 100_001)
    interval = stats.mean_interval(differences)
    assert interval.half == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("differences", [[0, 1], [0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1 + 1e-15]])
@pytest.mark.filterwarnings("error")
def test_nearly_degenerate_samples_have_finite_ends(differences: list[float]) -> None:
    found = stats.bootstrap_interval(differences)
    assert found is not None
    assert found.defined
    slack = 1e-12
    assert min(differences) - slack <= found.low <= found.mean + slack
    assert found.mean - slack <= found.high <= max(differences) + slack


def test_sign_flip_limits() -> None:
    assert stats.sign_flip_test([1.0] * 5) is None
    assert stats.sign_flip_test([1.0] * 6) == 2 / 64
    assert stats.sign_flip_test([0.1] * 10, "greater") == 1 / 1024
    assert stats.sign_flip_test([0.1] * 9 + [0.0]) == 4 / 1024  # ties count


def test_sign_flip_monte_carlo_is_seeded_and_near_the_exact_value() -> None:
    differences = np.random.default_rng(0).normal(0.25, 1, 18)
    first = stats.sign_flip_test(differences, seed=1)
    assert first == stats.sign_flip_test(differences, seed=1)
    signs = (np.arange(2**18)[:, None] >> np.arange(18) & 1) * 2 - 1
    exact = float((np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12).mean())
    assert first == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 100_000))
    assert stats.sign_flip_test([1.0] * 20) >= 1 / 100_001


def test_sign_flip_holds_its_level() -> None:
    rng = np.random.default_rng(3)
    rejected = [stats.sign_flip_test(rng.normal(0, 1, 8)) <= 0.05 for _ in range(1000)]
    assert np.mean(rejected) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


def test_bootstrap_equals_scipy_and_falls_back() -> None:
    differences = np.random.default_rng(5).exponential(1, 10)
    ours = stats.bootstrap_interval(differences, seed=7)
    theirs = scipy_stats.bootstrap(
        (differences,), np.mean, n_resamples=10_000, random_state=np.random.default_rng(7)
    ).confidence_interval
    assert ours is not None
    assert (ours.low, ours.high) == (theirs.low, theirs.high)
    assert ours == stats.bootstrap_interval(differences, seed=7)
    assert ours.low < ours.mean < ours.high
    same = stats.bootstrap_interval([0.25] * 7)
    assert same == stats.Interval(0.25, 0.25, 0.25, 7)
    assert stats.bootstrap_interval([0.25]) is None


def test_bootstrap_falls_back_on_percentiles_where_bca_is_undefined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, asked = scipy_stats.bootstrap, []

    def bootstrap(*args: object, method: str, **named: object) -> object:
        asked.append(method)
        if method == "BCa":
            ends = SimpleNamespace(low=math.nan, high=math.nan)
            return SimpleNamespace(confidence_interval=ends)
        return real(*args, method=method, **named)

    monkeypatch.setattr(scipy_stats, "bootstrap", bootstrap)
    array = np.random.default_rng(2).normal(0, 1, 12)
    found = stats.bootstrap_interval(array, n=20_001)
    assert asked == ["BCa", "percentile"]
    assert found is not None
    error = array.std() / math.sqrt(12)
    assert found.low == pytest.approx(array.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(array.mean() + 1.96 * error, abs=0.15 * error)


def test_bca_interval_of_a_known_sample() -> None:
    """Skewed: the interval reaches further up than down, and is not that of the percentiles."""
    sample = [0.1, 0.2, 0.1, 0.3, 0.2, 0.1, 4.0, 0.2, 0.1]
    found = stats.bootstrap_interval(sample)
    assert found is not None
    assert found.high - found.mean > 2 * (found.mean - found.low)
    draws = np.random.default_rng(0).choice(sample, (10_000, 9)).mean(axis=1)
    assert found.high > np.quantile(draws, 0.975)


def test_holm_equals_brute_force() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        pvalues = list(rng.uniform(0, 0.2, rng.integers(1, 9)))
        assert stats.holm(pvalues) == pytest.approx(brute_holm(pvalues))
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_holm_leaves_out_what_was_not_tested() -> None:
    assert stats.holm([None, 0.02, None, 0.01]) == [None, 0.02, None, 0.02]
    assert stats.holm([]) == []
    with pytest.raises(ValueError, match="number 1"):
        stats.holm([0.1, 1.5])


def test_eight_comparisons_need_nine_pairs() -> None:
    eight = [stats.sign_flip_test([1.0] * 8)] * 8
    nine = [stats.sign_flip_test([1.0] * 9)] * 8
    assert min(stats.holm(eight)) > 0.05
    assert max(stats.holm(nine)) <= 0.05
