"""NRRD files as voxels (x, y, z) with their sizes and, where the header says it, their place."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nrrd
import numpy as np
from numpy.typing import NDArray

from pixcl_bench.data.canonical.grids import Affine, voxel_sides
from pixcl_bench.data.sets.volumes import VolumeError

_FRAMES = {
    **dict.fromkeys(("left-posterior-superior", "lps"), (-1.0, -1.0, 1.0)),
    **dict.fromkeys(("right-anterior-superior", "ras"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "las"), (-1.0, 1.0, 1.0)),
}
"""The signs that lead from a space of the patient to right, front and head."""
_MM = {
    **dict.fromkeys(("", "mm", "millimeter", "millimeters", "millimetre"), 1.0),
    **dict.fromkeys(("um", "µm", "micron", "microns", "micrometer"), 1e-3),
    **dict.fromkeys(("cm", "centimeter"), 10.0),
    **dict.fromkeys(("m", "meter", "meters"), 1e3),
}


def load_nrrd(
    path: Path,
) -> tuple[NDArray[Any], tuple[float, float, float], Affine | None, str | None]:
    """Voxels (x, y, z), their sizes in mm, the matrix from them to mm, and the space it leads to:
    "patient" (right, front, head), another name, or None where the header states none.

    An axis without a direction (`none`) must have one entry and is dropped. Raises `VolumeError`
    naming the file and the field, and what `nrrd` raises for a damaged file.
    """
    voxels, header = nrrd.read(str(path))
    if voxels.dtype.kind not in "biuf":
        raise VolumeError(f"{path}: voxels are of type {voxels.dtype}, expected one real number")
    directions = header.get("space directions")
    steps = directions if directions is not None else header.get("spacings")
    if steps is None:
        raise VolumeError(f"{path}: the header has neither 'spacings' nor 'space directions'")
    rows = np.asarray(steps, dtype=np.float64).reshape(voxels.ndim, -1)
    placeless: NDArray[np.bool_] = np.asarray(np.isnan(rows).all(1))
    voxels = _without(voxels, placeless, path)
    unit = _unit(header, placeless, directions is not None, path)
    rows = rows[~placeless] * unit
    if directions is None or rows.shape != (3, 3):
        x, y, z = (round(float(size), 6) for size in np.linalg.norm(rows, axis=1))
        return voxels, (x, y, z), None, None
    affine = np.eye(4)
    affine[:3, :3] = rows.T
    affine[:3, 3] = np.asarray(header.get("space origin", (0.0, 0.0, 0.0))) * unit
    return voxels, voxel_sides(affine, str(path)), *_framed(affine, header)


def _without(voxels: NDArray[Any], placeless: NDArray[np.bool_], path: Path) -> NDArray[Any]:
    axes = tuple(np.flatnonzero(placeless).tolist())
    for axis in axes:
        if voxels.shape[axis] != 1:
            raise VolumeError(
                f"{path}: axis {axis} of shape {voxels.shape} has no direction ('none'), so each"
                f" voxel has {voxels.shape[axis]} values; save one volume"
            )
    if voxels.ndim - len(axes) != 3:
        raise VolumeError(f"{path}: shape {voxels.shape}, expected one volume (x, y, z)")
    return voxels.squeeze(axes)


def _unit(
    header: Mapping[str, Any], placeless: NDArray[np.bool_], spatial: bool, path: Path
) -> float:
    """Millimetres of the unit of length."""
    given: Sequence[str] = header.get("space units" if spatial else "units", ())
    lengths = [u for k, u in enumerate(given) if spatial or not placeless[k]]
    units = {str(unit).strip().strip('"').lower() for unit in lengths} or {""}
    if len(units) > 1 or not units <= set(_MM):
        raise VolumeError(
            f"{path}: the unit of length is {', '.join(sorted(units))}, expected mm, um, cm or m for"
            " all axes; correct the header"
        )
    return _MM[units.pop()]


def _framed(affine: Affine, header: Mapping[str, Any]) -> tuple[Affine, str]:
    space = str(header.get("space", "")).lower()
    signs = _FRAMES.get(space.removesuffix("-time"))
    if signs is None:
        return affine, space or "unnamed"
    return np.diag([*signs, 1.0]) @ affine, "patient"
