"""What segments without learning a shape: the floors that a set of volumes must keep far below a
network.

`position`: for each class one fixed mask, the voxels where training labels have it most often.
`intensity`: for each grey level the class that is most over-represented there. `both`: the product
of the two, a naive Bayes classifier. Each may choose the weight of the background on the training
cases.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pixcl_bench.data.sets.volumes import IGNORE, Case, VolumeSet, min_max

Array = NDArray[np.float64]
LEVELS = 32
WEIGHTS = tuple(2.0**k for k in range(-8, 3))


def trivial_dice(
    data: VolumeSet, *, train: Sequence[int] | None = None, size: tuple[int, int, int] | None = None
) -> dict[str, float]:
    """Dice in [0, 1] of each floor on the test cases: mean over cases, then over the foreground
    classes.

    `train`: indices of the cases that it learns from, all of the train split by default. `size`:
    the common grid (z, y, x), by default the largest of each axis; cases are brought to it by
    nearest neighbour, intensities to each case's own quantiles.
    """
    grid = size or data.dims[1]
    known = [data.cases[i] for i in (data.splits["train"].tolist() if train is None else train)]
    seen = [_on_grid(case, grid) for case in known]
    test = [_on_grid(case, grid) for case in data.of("test")]
    position, intensity = _frequencies(seen, data.num_classes)
    return {
        name: _best(
            seen, test, data.num_classes, position if where else None, intensity if what else None
        )
        for name, where, what in (
            ("position", True, False),
            ("intensity", False, True),
            ("both", True, True),
        )
    }


def _on_grid(case: Case, grid: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Grey level (0..LEVELS-1 by the case's own quantiles) and label of each voxel of the grid."""
    image, label = min_max(case.image).numpy(), case.label.numpy()
    edges = np.quantile(image, np.linspace(0, 1, LEVELS + 1)[1:-1])
    index = np.ix_(
        *(
            (2 * np.arange(n) + 1) * side // (2 * n)
            for n, side in zip(grid, label.shape, strict=True)
        )
    )
    return np.searchsorted(edges, image[index]), label[index]


def _frequencies(
    seen: Sequence[tuple[NDArray[np.int64], NDArray[np.uint8]]], classes: int
) -> tuple[Array, Array]:
    position = np.stack(
        [np.mean([label == c for _, label in seen], axis=0) for c in range(classes)]
    )
    position = np.stack([ndimage.gaussian_filter(p, (0.5, 1.5, 1.5)) for p in position]) + 1e-4
    counts = np.stack(
        [
            sum(np.bincount(grey[label == c], minlength=LEVELS) for grey, label in seen)
            for c in range(classes)
        ]
    )
    return position, (counts + 1.0) / (counts + 1.0).sum(1, keepdims=True)


def _best(
    seen: Sequence[tuple[NDArray[np.int64], NDArray[np.uint8]]],
    test: Sequence[tuple[NDArray[np.int64], NDArray[np.uint8]]],
    classes: int,
    position: Array | None,
    intensity: Array | None,
) -> float:
    def score(cases: Sequence[tuple[NDArray[np.int64], NDArray[np.uint8]]], weight: float) -> float:
        return float(
            np.mean(
                [
                    _dice(_predict(grey, classes, position, intensity, weight), label, classes)
                    for grey, label in cases
                ]
            )
        )

    # A quarter of the training cases is enough to choose one number.
    weight = max(WEIGHTS, key=lambda w: score(seen[:: max(1, len(seen) // 12)], w))
    return score(test, weight)


def _predict(
    grey: NDArray[np.int64],
    classes: int,
    position: Array | None,
    intensity: Array | None,
    weight: float,
) -> NDArray[np.int64]:
    odds = np.ones((classes, *grey.shape)) if position is None else position.copy()
    if intensity is not None:
        odds = odds * intensity[:, grey]
    odds[0] *= weight
    return odds.argmax(0)


def _dice(guess: NDArray[np.int64], label: NDArray[np.uint8], classes: int) -> float:
    valid = label != IGNORE
    both = [((guess == c) & (label == c)).sum() for c in range(1, classes)]
    sizes = [((guess == c) & valid).sum() + (label == c).sum() for c in range(1, classes)]
    return float(np.mean([2 * b / s if s else 1.0 for b, s in zip(both, sizes, strict=True)]))
