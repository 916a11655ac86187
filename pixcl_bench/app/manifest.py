"""A folder of one's own: `manifest.csv` and the images that it names, as a pair set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pixcl_bench.data.canonical.manifest import (
    ManifestError,
    NotAnImage,
    Problem,
    Row,
    fit_square,
    image_path,
    read_image,
    read_manifest,
)
from pixcl_bench.data.catalogue import get_info
from pixcl_bench.data.sets.images import TensorImages
from pixcl_bench.data.sets.pairs import PAIR_SPLITS, PairSet, make_pair_set, split_groups

MANIFEST = "manifest.csv"
IMAGE_SIZE = 64
_KEPT_APART = ("image_id", "patient_id", "split")


@dataclass(frozen=True)
class OwnFolder:
    """The images of a folder, whose records keep the column `path`, and what was left out."""

    data: PairSet
    problems: tuple[Problem, ...]


def read_folder(folder: Path, *, image_size: int = IMAGE_SIZE, split_seed: int = 0) -> OwnFolder:
    """Read the manifest of a folder and decode its images, in memory, to squares.

    Raises ManifestError for a manifest that cannot be used, PairError where a split is empty.
    """
    manifest = read_manifest(folder)
    images: list[np.ndarray] = []
    rows, broken = [], []
    for row in manifest.rows:
        try:
            images.append(fit_square(read_image(image_path(row, folder)), image_size))
            rows.append(row)
        except NotAnImage as error:
            broken.append(Problem(row.number, "path", row.cells["path"], str(error)))
    if not rows:
        raise ManifestError(f"{folder / MANIFEST}: no image can be read: {broken[0]}")
    data = make_pair_set(
        get_info("manifest"),
        TensorImages(torch.from_numpy(np.stack(images))),
        [{k: v for k, v in row.cells.items() if k not in _KEPT_APART} for row in rows],
        [row.cells["image_id"] for row in rows],
        [row.cells["patient_id"] for row in rows],
        _splits(rows, split_seed),
        manifest.captioner,
        split_seed,
    )
    return OwnFolder(data, (*manifest.report.problems, *broken))


def _splits(rows: Sequence[Row], seed: int) -> Mapping[str, Any]:
    """The column `split`, or the patients divided by seed where it is empty."""
    named = [row.cells.get("split", "") for row in rows]
    if any(named):
        return {part: [at for at, name in enumerate(named) if name == part] for part in PAIR_SPLITS}
    return split_groups([row.cells["patient_id"] for row in rows], seed, "manifest")
