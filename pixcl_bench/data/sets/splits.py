"""Splits: drawn from a seed as no library version changes it, refused where two share an item or a
group."""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Indices = NDArray[np.int64]

# Pre-training may see the images of the labelled training split, never those of val or test.
_MAY_OVERLAP = frozenset({frozenset({"unlabelled", "train"})})


class SplitError(ValueError):
    """Two splits share an item or a group, or a split is no set of indices."""


def seeded_order(count: int, seed: int, salt: str) -> Indices:
    """A random order of `range(count)` that depends on `seed` and on `salt` (the name of what is
    split).

    It sorts the raw output of PCG64, which numpy promises to keep; `Generator.permutation` may
    change between versions. Raises ValueError for a negative count or seed.
    """
    if count < 0 or seed < 0:
        raise ValueError(f"count and seed must not be negative, got count={count}, seed={seed}")
    word = int.from_bytes(hashlib.sha256(salt.encode()).digest()[:8], "little")
    keys = np.random.PCG64([seed, word]).random_raw(count)
    return np.argsort(np.asarray(keys, dtype=np.uint64), kind="stable").astype(np.int64)


def part_sizes(count: int, fractions: Sequence[float]) -> list[int]:
    """`count` cut into `len(fractions)` parts.

    All but the first are rounded (half up), the first takes the rest.
    """
    if any(f < 0 for f in fractions) or abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"fractions must be at least 0 and add up to 1, got {tuple(fractions)}")
    rest = [int(count * f + 0.5) for f in fractions[1:]]
    return [count - sum(rest), *rest]


def random_parts(count: int, fractions: Sequence[float], seed: int, salt: str) -> list[Indices]:
    """`range(count)` in disjoint parts of the given fractions; each part sorted."""
    order, parts, start = seeded_order(count, seed, salt), [], 0
    for size in part_sizes(count, fractions):
        parts.append(np.sort(order[start : start + size]))
        start += size
    return parts


def stratified_parts(
    labels: ArrayLike, fractions: Sequence[float], seed: int, salt: str
) -> list[Indices]:
    """Indices of `labels` in disjoint parts, each class cut by the same fractions; each part
    sorted.

    `labels`: one integer per item, shape (N,).
    """
    array = np.asarray(labels)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(
            f"labels must be integers of shape (N,), got {array.dtype} of shape {array.shape}"
        )
    pieces: list[list[Indices]] = [[] for _ in fractions]
    for label in np.unique(array):
        members = np.flatnonzero(array == label)
        for piece, part in zip(
            pieces, random_parts(len(members), fractions, seed, f"{salt}/{label}"), strict=True
        ):
            piece.append(members[part])
    return [np.sort(np.concatenate(piece)) if piece else np.empty(0, np.int64) for piece in pieces]


def check_splits(
    splits: Mapping[str, Any], groups: Any | None = None, count: int | None = None
) -> None:
    """Refuse splits that overlap.

    `splits`: name -> indices (numpy or CPU tensor, shape (n,)). `unlabelled` and `train` may share
    items; no other two may. `groups`: group of every item (block, patient, concept), shape (N,);
    where given, splits may not share a group either. `count`: number of items; indices must lie in
    0..count-1. Raises SplitError naming both splits and the first shared item or group.
    """
    arrays = {name: _indices(name, value, count) for name, value in splits.items()}
    _refuse(arrays, "item")
    if groups is not None:
        of = np.asarray(groups)
        _refuse({name: np.unique(of[index]) for name, index in arrays.items()}, "group")


def _indices(name: str, value: Any, count: int | None) -> Indices:
    array = np.asarray(value)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise SplitError(
            f"split {name!r} must be integers of shape (n,), got {array.dtype} of shape"
            f" {array.shape}"
        )
    if array.size and (array.min() < 0 or (count is not None and array.max() >= count)):
        bad = int(array.min() if array.min() < 0 else array.max())
        raise SplitError(
            f"split {name!r} holds index {bad}, allowed 0..{'' if count is None else count - 1}"
        )
    unique, times = np.unique(array, return_counts=True)
    if unique.size != array.size:
        raise SplitError(f"split {name!r} holds item {int(unique[times > 1][0])} more than once")
    return array.astype(np.int64)


def _refuse(arrays: Mapping[str, Indices], what: str) -> None:
    for one, other in combinations(arrays, 2):
        shared = np.intersect1d(arrays[one], arrays[other])
        if shared.size and frozenset({one, other}) not in _MAY_OVERLAP:
            raise SplitError(
                f"splits {one!r} and {other!r} share {shared.size} {what}(s), the first is"
                f" {shared[0]}"
            )


def split_digest(splits: Mapping[str, Any]) -> str:
    """sha256 (hex) of all splits: names, sizes, indices.

    Two runs with the same digest saw the same division.
    """
    digest = hashlib.sha256()
    for name in sorted(splits):
        array = np.asarray(splits[name]).astype("<i8")
        digest.update(f"{name}:{array.size};".encode() + array.tobytes())
    return digest.hexdigest()
