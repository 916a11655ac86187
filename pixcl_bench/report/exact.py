"""Claims that are theorems: checked with whole numbers and fractions, without training or seeds.

`stratified_variance` is about the samplers of ARCO (You et al., NeurIPS 2023): the mean of a
function h over all pixels is estimated from n draws. Draws are independent, so the variance of the
estimate follows exactly from the values that a single draw (or a pair of point reflections) can
take; nothing is simulated.
"""

import importlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

Values = Sequence[Fraction | int]
SIDE, CUT, DRAWS = 8, 2, 8
RANDOM_IMAGES, RANDOM_STRATA = 200, 300
FUNCTIONS: tuple[tuple[str, Callable[[int, int], Fraction]], ...] = (
    ("r + c/2", lambda r, c: r + Fraction(c, 2)),
    ("2⌊r/4⌋ + ⌊c/4⌋", lambda r, c: Fraction(2 * (r // 4) + c // 4)),
    ("(r + c) mod 2", lambda r, c: Fraction((r + c) % 2)),
    (
        "(r − 3.5)² + (c − 3.5)²",
        lambda r, c: (r - Fraction(7, 2)) ** 2 + (c - Fraction(7, 2)) ** 2,
    ),
    (
        "(r mod 4 − 1.5)² + (c mod 4 − 1.5)²",
        lambda r, c: (r % 4 - Fraction(3, 2)) ** 2 + (c % 4 - Fraction(3, 2)) ** 2,
    ),
)
"""The functions of the table: row r and column c from 0."""


@dataclass(frozen=True)
class Exact:
    """What an exact check found.

    Attributes:
        holds: whether the claim holds in every case that was counted.
        text: what was counted, in one or two sentences.
        head, rows: the numbers as a table; empty where there is nothing to show.
    """

    holds: bool
    text: str
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@lru_cache(maxsize=32)
def run_check(spec: str) -> Exact:
    """The result of the check `module:function`, counted once in a process.

    Raises:
        ImportError, AttributeError: there is no such function.
        TypeError: it does not return an `Exact`.
    """
    module, _, function = spec.partition(":")
    found = getattr(importlib.import_module(module), function)()
    if not isinstance(found, Exact):
        raise TypeError(f"{spec} returns {type(found).__name__}, not an Exact")
    return found


def mean(values: Values) -> Fraction:
    """Mean of numbers, as a fraction."""
    return Fraction(sum(values)) / len(values)


def variance(values: Values) -> Fraction:
    """Variance of one uniform draw from `values`."""
    return mean([value * value for value in values]) - mean(values) ** 2


def naive(strata: Sequence[Values], n: int) -> Fraction:
    """Variance of the mean of n independent uniform draws from all strata together."""
    return variance([value for stratum in strata for value in stratum]) / n


def stratified(strata: Sequence[Values], shares: Sequence[int]) -> Fraction:
    """Variance of the weighted mean of shares[m] independent uniform draws from each stratum m."""
    total = sum(map(len, strata))
    pairs = zip(strata, shares, strict=True)
    return sum((Fraction(len(s), total) ** 2 * variance(s) / n for s, n in pairs), Fraction(0))


def antithetic(strata: Sequence[Values], shares: Sequence[int]) -> Fraction:
    """The same where half of the draws of a stratum are point reflections of the other half.

    The values of a stratum are in row-major order, so that the reflection of number i is number
    -1 - i; the shares are even.
    """
    total, found = sum(map(len, strata)), Fraction(0)
    for stratum, n in zip(strata, shares, strict=True):
        pairs = [Fraction(a + b) / 2 for a, b in zip(stratum, reversed(stratum), strict=True)]
        found += Fraction(len(stratum), total) ** 2 * variance(pairs) / (n // 2)
    return found


def between(strata: Sequence[Values], n: int) -> Fraction:
    """Variance of the strata's means, weighted by size, over n: what proportional shares save."""
    total = sum(map(len, strata))
    middle = mean([value for stratum in strata for value in stratum])
    return sum((Fraction(len(s), total) * (mean(s) - middle) ** 2 for s in strata), Fraction(0)) / n


def cells(function: Callable[[int, int], Fraction | int]) -> list[list[Fraction | int]]:
    """Values of `function` on the image, in square groups, each in row-major order."""
    width = SIDE // CUT
    corners = [(top, left) for top in range(0, SIDE, width) for left in range(0, SIDE, width)]
    inside = [(r, c) for r in range(width) for c in range(width)]
    return [[function(top + r, left + c) for r, c in inside] for top, left in corners]


def _image_holds(strata: Sequence[Values]) -> bool:
    """Whether the theorem and the lemma hold for one image, cut into equal groups."""
    shares = [DRAWS // len(strata)] * len(strata)
    ns, sg, sag = naive(strata, DRAWS), stratified(strata, shares), antithetic(strata, shares)
    return sg <= ns and ns - sg == between(strata, DRAWS) and sag <= 2 * sg


def _random_image(rng: random.Random) -> list[list[Fraction | int]]:
    """Random whole numbers on the image, in groups."""
    values = [[rng.randint(-50, 50) for _ in range(SIDE)] for _ in range(SIDE)]
    return cells(lambda r, c: values[r][c])


def _random_strata_hold(rng: random.Random) -> bool:
    """Whether the theorem holds for strata of unequal size, with shares in proportion."""
    shares = [rng.randint(1, 5) for _ in range(rng.randint(2, 9))]
    scale = rng.randint(1, 6)
    strata = [[rng.randint(-50, 50) for _ in range(share * scale)] for share in shares]
    ns, sg, n = naive(strata, sum(shares)), stratified(strata, shares), sum(shares)
    return sg <= ns and ns - sg == between(strata, n)


def _table_row(name: str, function: Callable[[int, int], Fraction]) -> tuple[str, ...]:
    """The numbers of one function: mean, three variances, and what the groups save."""
    strata = cells(function)
    shares = [DRAWS // len(strata)] * len(strata)
    numbers = (
        mean([value for stratum in strata for value in stratum]),
        naive(strata, DRAWS),
        stratified(strata, shares),
        antithetic(strata, shares),
        between(strata, DRAWS),
    )
    return (name, *(f"{float(number):.6f}" for number in numbers))


def stratified_variance() -> Exact:
    """Stratified group sampling never has more variance than naive sampling.

    This needs that every group has its proportional share of the draws: NS - SG is the variance
    between the groups over n, which is not negative. Counted for the functions of the table, random
    functions on the same image, and random strata of unequal sizes. Also counted: antithetic draws
    have at most twice the variance of SG (Lemma 3.1).
    """
    rng = random.Random(0)
    holds = [_image_holds(cells(function)) for _, function in FUNCTIONS]
    holds += [_image_holds(_random_image(rng)) for _ in range(RANDOM_IMAGES)]
    holds += [_random_strata_hold(rng) for _ in range(RANDOM_STRATA)]
    text = (
        f"Counted in fractions: {len(FUNCTIONS)} named and {RANDOM_IMAGES} random functions on "
        f"{SIDE}×{SIDE} pixels in {CUT}×{CUT} groups with {DRAWS} draws, and {RANDOM_STRATA} "
        "random sets of unequal groups. "
        f"NS − SG is the variance between the groups over n in {sum(holds)} of {len(holds)} cases. "
        "It needs shares in proportion to the sizes of the groups."
    )
    head = ("h (row r, column c)", "mean", "Var NS", "Var SG", "Var SAG", "between / n")
    return Exact(all(holds), text, head, tuple(_table_row(*entry) for entry in FUNCTIONS))
