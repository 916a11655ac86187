"""What intervals and tests decide: better, equal, at least; shared ranks."""

import numpy as np
import pytest

from pixcl_bench.report import decisions, stats


def test_superiority_rule():
    above, below, over = (stats.Interval(m, m - 1, m + 1, 9) for m in (2, -2, 0.5))
    assert decisions.superiority(above, 0.01) == "reproduced"
    assert decisions.superiority(below, 0.01) == "contradicted"
    assert decisions.superiority(over, 0.01) == "undecided"
    assert decisions.superiority(above, 0.06) == "undecided"
    assert decisions.superiority(above, None) == "undecided"
    assert decisions.superiority(None, 0.01) == "undecided"


def test_equivalence_rule():
    def verdict(low, high):
        return decisions.equivalence(stats.Interval((low + high) / 2, low, high, 9), 0.5)

    assert verdict(-0.4, 0.5) == "reproduced"
    assert verdict(-0.6, 0.1) == "undecided"
    assert verdict(0.6, 0.9) == verdict(-0.9, -0.6) == "contradicted"
    assert decisions.equivalence(None, 0.5) == "undecided"
    with pytest.raises(ValueError, match="positive"):
        decisions.equivalence(None, 0)


def test_threshold_rule():
    value = stats.Interval(0.93, 0.91, 0.95, 9)
    assert decisions.threshold(value, 0.90) == "reproduced"
    assert decisions.threshold(value, 0.92) == "undecided"
    assert decisions.threshold(value, 0.96) == "contradicted"
    assert decisions.threshold(value, 0.96, "min") == "reproduced"
    assert decisions.threshold(value, 0.90, "min") == "contradicted"
    assert decisions.threshold(stats.mean_interval([1.0]), 0.9) == "undecided"


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
    assert decisions.rank_groups(values) == {"best": 1, "same": 1, "worse": 3, "worst": 4}
    down = decisions.rank_groups(values, "min")
    assert down["worst"] == 1
    assert down["worse"] == 2
    assert down["best"] == down["same"] == 3


def test_no_ranks_below_six_pairs():
    values = {"a": by_seed([0.9] * 3), "b": by_seed([0.1] * 3)}
    assert decisions.rank_groups(values) == {"a": None, "b": None}
    assert decisions.rank_groups({"a": by_seed([0.9] * 3)}) == {"a": None}
    assert decisions.rank_groups({"a": by_seed([0.9] * 6)}) == {"a": 1}
    long = {"a": by_seed([0.9] * 8), "b": by_seed([0.1] * 8), "short": by_seed([0.5] * 2)}
    assert decisions.rank_groups(long) == {"a": 1, "b": 2, "short": None}
    apart = {"a": by_seed([0.9] * 6), "b": {seed + 3: 0.1 for seed in range(6)}}
    assert decisions.rank_groups(apart) == {"a": None, "b": None}
    assert decisions.rank_groups({}) == {}


def test_ranks_pair_the_seeds():
    """Seeds differ far more than methods: only a paired test sees it."""
    base = np.linspace(0, 1, 10)
    assert decisions.rank_groups({"a": by_seed(base + 0.01), "b": by_seed(base)}) == {
        "a": 1,
        "b": 2,
    }
