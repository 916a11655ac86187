"""Where voxels lie: the size of a voxel, and whether a label lies on the grid of its image."""

import numpy as np
from jaxtyping import Float64
from nibabel.orientations import apply_orientation, inv_ornt_aff
from numpy.typing import NDArray

from pixcl_bench.data.sets.volumes import VolumeError

Affine = Float64[np.ndarray, "4 4"]
NEAR = 0.1
"""How far two corners of one grid may lie apart, as a fraction of the smallest side of a voxel:
headers round, and a tool that re-orients a file writes its matrix anew."""


def voxel_sides(affine: Affine, where: str) -> tuple[float, float, float]:
    """The sides of a voxel along its axes (x, y, z), in the unit of the matrix.

    Rounded to six decimals, since headers store float32. Raises `VolumeError` naming `where` for a
    matrix that is not finite, or that folds voxels flat.
    """
    turns = affine[:3, :3]
    sides = np.linalg.norm(turns, axis=0)
    flat = not np.isfinite(affine).all() or not (sides > 0).all()
    if flat or abs(np.linalg.det(turns / sides)) < 1e-3:
        raise VolumeError(
            f"{where}: the affine {shown(affine)} gives no voxels of three positive sides; the"
            " header is damaged, so convert the file again"
        )
    x, y, z = (round(float(side), 6) for side in sides)
    return x, y, z


def shown(affine: Affine | None) -> str:
    """The first three rows of a matrix, for messages."""
    if affine is None:
        return "(none)"
    rows = (" ".join(f"{value:.6g}" for value in row) for row in affine[:3])
    return f"[{'; '.join(rows)}]"


def same_grid(one: Affine, other: Affine, shape: tuple[int, ...]) -> bool:
    """Whether two matrices put the voxels of one shape (x, y, z) at the same places, up to `NEAR`
    of the smallest side of a voxel of `one` at the outermost voxels."""
    corners = np.indices((2, 2, 2)).reshape(3, -1) * (np.array(shape)[:, None] - 1)
    apart = (one - other) @ np.vstack([corners, np.ones(8)])
    sides = np.linalg.norm(one[:3, :3], axis=0)
    return bool(np.abs(apart).max() <= NEAR * sides.min())


def on_grid(
    label: NDArray[np.generic], of_label: Affine, of_image: Affine, shape: tuple[int, ...]
) -> NDArray[np.generic] | None:
    """Bring a label (x, y, z) to the grid of an image by turning axes, without resampling.

    `of_label`, `of_image`: the matrices of both; `shape`: of the image (x, y, z). Returns None
    where the voxels of the label are not those of the image in another order.
    """
    if label.shape == shape and same_grid(of_image, of_label, shape):
        return label
    steps = np.linalg.solve(of_image[:3, :3], of_label[:3, :3])
    axes = np.abs(steps).argmax(0)
    if sorted(axes.tolist()) != [0, 1, 2]:
        return None
    signs = np.sign(steps[axes, range(3)])
    turn = np.stack([axes, signs], 1)
    turned = apply_orientation(label, turn)
    moved = of_label @ inv_ornt_aff(turn, label.shape)
    fits = turned.shape == shape and same_grid(of_image, moved, shape)
    return np.ascontiguousarray(turned) if fits else None
