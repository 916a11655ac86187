"""The NIfTI and NRRD files that come with packages, whose content a checksum fixes.

What decides the arrays of published runs, so its meaning stays as it is; files of a user are read
with more checks by `pixcl_bench.data.canonical.medical_files`.
"""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import nibabel
import nrrd
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from pixcl_bench.data.sets.volumes import VolumeError

Volume = NDArray[Any]
Spacing = tuple[float, float, float]
_BROKEN = (OSError, EOFError, ValueError, KeyError, zlib.error, ImageFileError, nrrd.NRRDError)


class Stored(NamedTuple):
    """One volume: its voxels, their size, and how they lie in the patient.

    `voxels` and `spacing` (mm) are in the order (z, y, x). `affine` is the matrix (4, 4) from
    voxels (x, y, z) to mm towards the patient's right, front and head; it is None if the file does
    not say it.
    """

    voxels: Volume
    spacing: Spacing
    affine: NDArray[np.float64] | None = None


def reversed_axes(voxels: Volume) -> Volume:
    """Convert (x, y, z) to (z, y, x), and back."""
    return np.ascontiguousarray(voxels.transpose(2, 1, 0))


def _stored(
    voxels: Volume, spacing: Sequence[float], path: Path, affine: NDArray[np.float64] | None
) -> Stored:
    if voxels.ndim != 3 or 0 in voxels.shape:
        raise VolumeError(f"{path}: shape {voxels.shape}, expected one volume (x, y, z)")
    z, y, x = (float(size) for size in reversed(spacing))
    if not all(np.isfinite(size) and size > 0 for size in (z, y, x)):
        raise VolumeError(
            f"{path}: voxel size (z, y, x) = {(z, y, x)} mm, expected three positive numbers"
        )
    return Stored(reversed_axes(voxels), (z, y, x), affine)


def _unreadable(path: Path, what: str, error: Exception) -> VolumeError:
    if not path.exists():
        return VolumeError(f"{path}: there is no such file")
    size = f"{path.stat().st_size} bytes"
    return VolumeError(
        f"{path}: not a whole {what} file ({size}; {type(error).__name__}: {error});"
        " copy or download it again"
    )


def read_nifti(path: Path, axes: Literal["stored", "ras"] = "stored") -> Stored:
    """Read one volume of a NIfTI file.

    `axes`: "stored" keeps the order of the file, whatever it means in the patient; "ras" first
    turns the axes to the patient's right, front and head. Raises `VolumeError` naming the file if
    it is missing, truncated, or not a 3D volume.
    """
    try:
        image = nibabel.nifti1.load(path)
        image = nibabel.as_closest_canonical(image) if axes == "ras" else image
        voxels, spacing = np.asarray(image.dataobj), image.header.get_zooms()
    except _BROKEN as error:
        raise _unreadable(path, "NIfTI", error) from error
    steps = [round(float(size), 6) for size in spacing[:3]]  # the header stores float32
    return _stored(voxels, steps, path, image.affine)


def read_nrrd(path: Path) -> Stored:
    """Read one volume of an NRRD file in its own order of axes. Errors as in `read_nifti`."""
    try:
        voxels, header = nrrd.read(str(path))
    except _BROKEN as error:
        raise _unreadable(path, "NRRD", error) from error
    sizes = header.get("spacings", header.get("space directions"))
    if sizes is None:
        raise VolumeError(f"{path}: the header has neither 'spacings' nor 'space directions'")
    steps = np.asarray(sizes, dtype=np.float64)
    spacing = (np.linalg.norm(steps, axis=1) if steps.ndim == 2 else steps).tolist()
    return _stored(voxels, spacing, path, _nrrd_affine(header))


def _nrrd_affine(header: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """The affine matrix of a header in LPS space, which counts to left and back, as in DICOM.

    Returns None for other spaces.
    """
    steps = np.asarray(header.get("space directions", ()))
    known = header.get("space") == "left-posterior-superior" and "space origin" in header
    if not known or steps.shape != (3, 3):
        return None
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = steps.T, header["space origin"]
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
