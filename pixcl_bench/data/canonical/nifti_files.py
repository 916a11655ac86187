"""NIfTI files of any kind as voxels (x, y, z) and a matrix in millimetres, or a named refusal."""

import gzip
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from pixcl_bench.data.canonical.grids import Affine
from pixcl_bench.data.sets.volumes import VolumeError

BROKEN = (
    *(OSError, EOFError, ValueError, KeyError, IndexError, OverflowError, MemoryError),
    *(zlib.error, struct.error, ImageFileError, HeaderDataError, WrapStructError),
)
"""What the reader raises for damaged files."""
_KINDS = {348: nibabel.Nifti1Image, 540: nibabel.Nifti2Image}
"""By the first number of the header, which is its length."""
_MM = {"unknown": 1.0, "mm": 1.0, "meter": 1e3, "micron": 1e-3}


def load_nifti(path: Path, ras: bool = False) -> tuple[NDArray[Any], Affine, bool]:
    """Voxels (x, y, z), the matrix from them to mm towards right, front and head, and whether the
    file states where it lies (otherwise the matrix holds only the sizes of voxels).

    NIfTI-1 and NIfTI-2, either byte order, packed or not whatever the name says, and pairs of .hdr
    and .img. `ras`: the axes are first turned to right, front and head. Stored numbers are scaled
    as the header says. Raises `VolumeError` naming the file for what is no single volume of real
    numbers, and one of `BROKEN` for a damaged file.
    """
    image, head = _image(path)
    _check_type(path, image.header)
    stated = bool(int(image.header["sform_code"]) or int(image.header["qform_code"]))
    if not int(image.header["sform_code"]):
        _check_sizes(path, head)
    if ras:
        image = nibabel.as_closest_canonical(image)
    shape = image.shape
    if len(shape) < 3 or 0 in shape or any(size != 1 for size in shape[3:]):
        many = f"; it holds {shape[3]} volumes, save one of them" if len(shape) > 3 else ""
        raise VolumeError(f"{path}: shape {shape}, expected one volume (x, y, z){many}")
    affine = np.diag([*[_unit(path, image.header)] * 3, 1.0]) @ image.affine
    return np.asarray(image.dataobj).reshape(shape[:3]), affine, stated


def _image(path: Path) -> tuple[Any, Any]:
    """The opened file, and its header as it is stored, before the reader mends it."""
    if path.suffix.lower() in (".hdr", ".img"):
        header, voxels = (_content(_part(path, ending)) for ending in (".hdr", ".img"))
        kind = nibabel.Nifti1Pair if _length(header) == 348 else nibabel.Nifti2Pair
        names = {"header": header, "image": voxels}
        files = {key: nibabel.FileHolder(fileobj=BytesIO(part)) for key, part in names.items()}
        return kind.from_file_map(files), _raw(kind, header)
    content = _content(path)
    length = _length(content)
    if length not in _KINDS:
        raise ValueError(f"its first number is {length}, expected 348 (NIfTI-1) or 540 (NIfTI-2)")
    return _KINDS[length].from_bytes(content), _raw(_KINDS[length], content)


def _part(path: Path, ending: str) -> Path:
    upper = path.with_suffix(ending.upper())
    return upper if upper.is_file() else path.with_suffix(ending)


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def _length(content: bytes) -> int:
    if len(content) < 348:
        raise ValueError("it is shorter than a header")
    little, big = struct.unpack("<i", content[:4])[0], struct.unpack(">i", content[:4])[0]
    return big if big in _KINDS else little


def _raw(kind: Any, content: bytes) -> Any:
    header = kind.header_class
    little = struct.unpack("<i", content[:4])[0] in _KINDS
    size = header.template_dtype.itemsize
    return header(content[:size], endianness="<" if little else ">", check=False)


def _check_type(path: Path, header: Any) -> None:
    if header.get_data_dtype().kind not in "biuf":
        name = nibabel.nifti1.data_type_codes.label[int(header["datatype"])]
        raise VolumeError(
            f"{path}: voxels are of type {name}, expected one real number each; convert the file to"
            " a grey volume"
        )


def _check_sizes(path: Path, header: Any) -> None:
    """Refuse sizes of voxels that the reader would replace by 1."""
    sizes = [float(size) for size in header["pixdim"][1:4]]
    if not all(np.isfinite(size) and size != 0 for size in sizes):
        raise VolumeError(
            f"{path}: voxel size (x, y, z) = {tuple(sizes)} mm, expected three positive numbers;"
            " convert the file again"
        )


def _unit(path: Path, header: Any) -> float:
    """Millimetres of the header's unit of length."""
    try:
        return _MM[header.get_xyzt_units()[0]]
    except KeyError as error:
        raise VolumeError(
            f"{path}: the unit of length has the code {int(header['xyzt_units']) % 8}, expected 1"
            " (m), 2 (mm) or 3 (micron); correct the header"
        ) from error
