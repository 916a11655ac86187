"""What intervals and tests decide: better than, equal within a margin, at least; shared ranks."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from pixcl_bench.report.stats import (
    MIN_PAIRS,
    Interval,
    holm,
    paired_differences,
    pairs_needed,
    sign_flip_tests,
)

Direction = Literal["max", "min"]
Decision = Literal["reproduced", "contradicted", "undecided"]


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
    undecided.

    Raises:
        ValueError: the margin is not positive.
    """
    if margin <= 0:
        raise ValueError(f"equivalence: the margin is positive, got {margin}")
    if difference is None or not difference.defined:
        return "undecided"
    if -margin <= difference.low and difference.high <= margin:
        return "reproduced"
    return "contradicted" if difference.low > margin or difference.high < -margin else "undecided"


def threshold(value: Interval | None, bound: float, direction: Direction = "max") -> Decision:
    """Verdict of "reaches `bound`" by the whole interval: at least it for "max", at most for
    "min"."""
    if value is None or not value.defined:
        return "undecided"
    sign = 1.0 if direction == "max" else -1.0
    ends = sorted((sign * value.low, sign * value.high))
    if ends[0] >= sign * bound:
        return "reproduced"
    return "contradicted" if ends[1] < sign * bound else "undecided"


def rank_groups(
    values: Mapping[str, Mapping[int, float]], direction: Direction = "max", alpha: float = 0.05
) -> dict[str, int | None]:
    """Ranks (1 is best) from values by method and seed; methods whose difference is undecided share
    one.

    Methods are ordered by their mean. Going down, a method opens a new group where it is decidedly
    worse than the first method of the group above it: two-sided sign-flip test over their common
    seeds, Holm over all pairs. So a rank never contradicts the order of the means. A new group's
    rank is its place in the order.

    Args:
        values: for each method the value of the metric by seed.
        direction: whether more ("max") or less ("min") is better.
        alpha: level of the adjusted test.

    Returns:
        rank of each method; None for a method with fewer than six seeds, and for all where some
        pair of the rest has too few in common to be decided (`pairs_needed`).
    """
    sign = 1.0 if direction == "max" else -1.0
    enough = [m for m in values if len(values[m]) >= MIN_PAIRS]
    names = sorted(enough, key=lambda m: (-sign * float(np.mean(list(values[m].values()))), m))
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    found = [paired_differences(values[a], values[b])[1] for a, b in pairs]
    if any(len(differences) < pairs_needed(len(pairs), alpha) for differences in found):
        return dict.fromkeys(values, None)
    adjusted = dict(zip(pairs, holm(sign_flip_tests(found)), strict=True))
    ranks: dict[str, int | None] = dict.fromkeys(values, None)
    leader, rank = "", 1
    for place, name in enumerate(names, start=1):
        p = adjusted.get((leader, name))
        if not leader or (p is not None and p <= alpha):
            leader, rank = name, place
        ranks[name] = rank
    return ranks
