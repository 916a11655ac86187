"""The statistics against brute force in plain Python and against scipy."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from pixcl_bench.report import stats


def brute_sign_flip(differences, alternative):
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


def brute_holm(pvalues):
    order = sorted(range(len(pvalues)), key=lambda i: pvalues[i])
    adjusted = [0.0] * len(pvalues)
    for place, i in enumerate(order):
        adjusted[i] = max(min(1.0, (len(pvalues) - k) * pvalues[order[k]]) for k in range(place + 1))
    return adjusted


@pytest.mark.parametrize("n", [2, 3, 10, 30])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_mean_interval_equals_scipy(n, level):
    values = np.random.default_rng(n).normal(3, 2, n)
    ours = stats.mean_interval(values, level)
    low, high = scipy_stats.t.interval(level, n - 1, values.mean(), scipy_stats.sem(values))
    assert (ours.mean, ours.low, ours.high) == pytest.approx((values.mean(), low, high))
    assert ours.half == pytest.approx((high - low) / 2)
    assert ours.n == n


def test_mean_interval_of_one_and_of_equal_values():
    one = stats.mean_interval([0.5])
    assert one.mean == 0.5
    assert not one.defined
    assert math.isnan(one.half)
    same = stats.mean_interval([0.5, 0.5, 0.5])
    assert (same.low, same.high) == (0.5, 0.5)


@pytest.mark.parametrize("bad", [[], [1.0, math.nan], [math.inf]])
def test_values_must_be_finite(bad):
    for function in (stats.mean_interval, stats.sign_flip_test, stats.bootstrap_interval):
        with pytest.raises(ValueError, match=r"no values|not finite"):
            function(bad)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("n", [1, 2, 5, 6, 9, 11])
def test_sign_flip_equals_brute_force(n, alternative):
    rng = np.random.default_rng(n)
    for differences in (rng.normal(0.3, 1, n), rng.integers(-3, 4, n) / 7, np.zeros(n)):
        ours = stats.sign_flip_test(differences, alternative, minimum=1)
        assert ours == brute_sign_flip(list(differences), alternative)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("n", [6, 8, 10])
def test_sign_flip_equals_scipy(n, alternative):
    differences = np.random.default_rng(n + 1).normal(0.4, 1, n)
    theirs = scipy_stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", alternative=alternative, n_resamples=np.inf
    )
    assert stats.sign_flip_test(differences, alternative) == pytest.approx(theirs.pvalue)


def test_sign_flip_limits():
    assert stats.sign_flip_test([1.0] * 5) is None
    assert stats.sign_flip_test([1.0] * 6) == 2 / 64
    assert stats.sign_flip_test([0.1] * 10, "greater") == 1 / 1024
    assert stats.sign_flip_test([0.1] * 9 + [0.0]) == 4 / 1024  # ties count


def test_sign_flip_monte_carlo_is_seeded_and_near_the_exact_value():
    differences = np.random.default_rng(0).normal(0.25, 1, 18)
    first = stats.sign_flip_test(differences, seed=1)
    assert first == stats.sign_flip_test(differences, seed=1)
    sums = stats._all_sums(differences)
    exact = float((np.abs(sums) >= abs(differences.sum()) - 1e-12).mean())
    assert first == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 100_000))
    assert stats.sign_flip_test([1.0] * 20) >= 1 / 100_001


def test_sign_flip_holds_its_level():
    rng = np.random.default_rng(3)
    rejected = [stats.sign_flip_test(rng.normal(0, 1, 8)) <= 0.05 for _ in range(1000)]
    assert np.mean(rejected) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


def test_bootstrap_equals_scipy_and_falls_back():
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


def test_bootstrap_percentile_is_the_quantile_of_the_resampled_means():
    array = np.random.default_rng(2).normal(0, 1, 12)
    low, high = stats._percentile(array, 0.95, 20_000, 0)
    error = array.std() / math.sqrt(12)
    assert low == pytest.approx(array.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(array.mean() + 1.96 * error, abs=0.15 * error)


def test_holm_equals_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(50):
        pvalues = list(rng.uniform(0, 0.2, rng.integers(1, 9)))
        assert stats.holm(pvalues) == pytest.approx(brute_holm(pvalues))
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_holm_leaves_out_what_was_not_tested():
    assert stats.holm([None, 0.02, None, 0.01]) == [None, 0.02, None, 0.02]
    assert stats.holm([]) == []
    with pytest.raises(ValueError, match="number 1"):
        stats.holm([0.1, 1.5])


def test_eight_comparisons_need_nine_pairs():
    eight = [stats.sign_flip_test([1.0] * 8)] * 8
    nine = [stats.sign_flip_test([1.0] * 9)] * 8
    assert min(stats.holm(eight)) > 0.05
    assert max(stats.holm(nine)) <= 0.05


def test_superiority_rule():
    above, below, over = (stats.Interval(m, m - 1, m + 1, 9) for m in (2, -2, 0.5))
    assert stats.superiority(above, 0.01) == "reproduced"
    assert stats.superiority(below, 0.01) == "contradicted"
    assert stats.superiority(over, 0.01) == "undecided"
    assert stats.superiority(above, 0.06) == "undecided"
    assert stats.superiority(above, None) == "undecided"
    assert stats.superiority(None, 0.01) == "undecided"


def test_equivalence_rule():
    def verdict(low, high):
        return stats.equivalence(stats.Interval((low + high) / 2, low, high, 9), 0.5)

    assert verdict(-0.4, 0.5) == "reproduced"
    assert verdict(-0.6, 0.1) == "undecided"
    assert verdict(0.6, 0.9) == verdict(-0.9, -0.6) == "contradicted"
    assert stats.equivalence(None, 0.5) == "undecided"
    with pytest.raises(ValueError, match="positive"):
        stats.equivalence(None, 0)


def test_threshold_rule():
    value = stats.Interval(0.93, 0.91, 0.95, 9)
    assert stats.threshold(value, 0.90) == "reproduced"
    assert stats.threshold(value, 0.92) == "undecided"
    assert stats.threshold(value, 0.96) == "contradicted"
    assert stats.threshold(value, 0.96, "min") == "reproduced"
    assert stats.threshold(value, 0.90, "min") == "contradicted"
    assert stats.threshold(stats.mean_interval([1.0]), 0.9) == "undecided"


def by_seed(values):
    return dict(enumerate(values))


def test_ranks_are_shared_where_undecided():
    rng = np.random.default_rng(0)
    base = rng.normal(0.5, 0.05, 10)
    values = {
        "best": by_seed(base + 0.20 + rng.normal(0, 0.001, 10)),
        "same": by_seed(base + 0.20 + rng.normal(0, 0.001, 10)),
        "worse": by_seed(base + 0.10),
        "worst": by_seed(base),
    }
    assert stats.rank_groups(values) == {"best": 1, "same": 1, "worse": 3, "worst": 4}
    down = stats.rank_groups(values, "min")
    assert down["worst"] == 1
    assert down["worse"] == 2
    assert down["best"] == down["same"] == 3


def test_no_ranks_below_six_pairs():
    values = {"a": by_seed([0.9] * 3), "b": by_seed([0.1] * 3)}
    assert stats.rank_groups(values) == {"a": None, "b": None}
    assert stats.rank_groups({"a": by_seed([0.9] * 3)}) == {"a": None}
    assert stats.rank_groups({"a": by_seed([0.9] * 6)}) == {"a": 1}
    long = {"a": by_seed([0.9] * 8), "b": by_seed([0.1] * 8), "short": by_seed([0.5] * 2)}
    assert stats.rank_groups(long) == {"a": 1, "b": 2, "short": None}
    apart = {"a": by_seed([0.9] * 6), "b": {seed + 3: 0.1 for seed in range(6)}}
    assert stats.rank_groups(apart) == {"a": None, "b": None}
    assert stats.rank_groups({}) == {}


def test_ranks_pair_the_seeds():
    """Seeds differ far more than methods: only a paired test sees it."""
    base = np.linspace(0, 1, 10)
    assert stats.rank_groups({"a": by_seed(base + 0.01), "b": by_seed(base)}) == {"a": 1, "b": 2}
