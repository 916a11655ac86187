"""Grey DICOM images as 8 bits with bright bones, as the tables in the file say."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from pixcl_bench.data.files.pictures import UNREADABLE, PictureError

_REMEDY = (
    "decompress it (for instance gdcmconv --raw, or pip install pylibjpeg pylibjpeg-libjpeg"
    " pylibjpeg-openjpeg), copy it again, or export a PNG of 8 bits"
)


def eight_bits(
    values: np.ndarray, padding: Bool[np.ndarray, "h w"] | None = None, inverted: bool = False
) -> UInt8[np.ndarray, "h w"]:
    """Grey values (h, w) as 8 bits, the smallest as 0 and the largest as 255.

    Values of 8 bits without padding are not stretched. `padding`: pixels that take no part and
    become black. `inverted`: bright pixels have low values. Raises ValueError for NaN and infinite
    values.
    """
    seen = np.ones(values.shape, bool) if padding is None else ~padding
    if not np.isfinite(values[seen]).all():
        raise ValueError("a grey value is NaN or infinite")
    if values.dtype != np.uint8 or not seen.all():
        wide = values.astype(np.float64)
        low, high = (wide[seen].min(), wide[seen].max()) if seen.any() else (0.0, 0.0)
        part = (np.clip(wide, low, high) - low) / max(high - low, 1e-12)
        values = np.rint(255 * part).astype(np.uint8)
    grey = 255 - values if inverted else values
    return np.where(seen, grey, np.uint8(0)).astype(np.uint8)


def read_grey_dicom(path: Path, error: type[Exception] = PictureError) -> UInt8[np.ndarray, "h w"]:
    """Read a grey DICOM image of one frame: modality table, then the first window or table of
    values of interest, then `eight_bits`, with padding and MONOCHROME1 as the header says.

    Raises `error`, whose text does not name the path, for other files, for colour, for several
    frames, for pixels that no installed decoder reads, or without pydicom.
    """
    pydicom, tables = _pydicom(error)
    try:
        content = pydicom.dcmread(path)
        stored, kind = np.asarray(content.pixel_array), str(content.PhotometricInterpretation)
        if stored.ndim == 2 and kind.startswith("MONOCHROME"):
            values = np.asarray(tables.apply_modality_lut(stored, content))
            seen = np.asarray(tables.apply_voi_lut(values, content))
            padding = _padding(stored, content)
            return eight_bits(seen, padding if padding.any() else None, kind == "MONOCHROME1")
    except (pydicom.errors.InvalidDicomError, *UNREADABLE) as reason:
        said = " ".join(str(reason).replace(str(path), path.name).split())
        raise error(f"cannot be read as a DICOM image: {said}; {_REMEDY}") from reason
    raise error(
        f"a DICOM image {kind} of shape {stored.shape}, expected one grey picture; export the right"
        " frame as a PNG"
    )


def _pydicom(error: type[Exception]) -> tuple[Any, Any]:
    """The package, and its module of tables, whose name depends on the version."""
    try:
        pydicom = importlib.import_module("pydicom")
    except ImportError as reason:
        raise error(
            "to read DICOM, install pydicom: pip install 'pixcl_bench[dicom]'; or export a PNG"
        ) from reason
    newer = int(pydicom.__version__.split(".")[0]) >= 3
    return pydicom, importlib.import_module(
        "pydicom.pixels" if newer else "pydicom.pixel_data_handlers.util"
    )


def _padding(stored: np.ndarray, content: Any) -> Bool[np.ndarray, "h w"]:
    """The pixels whose stored value is padding: one value, or a range up to a limit.

    A header may write a negative value as the unsigned number of the same bits.
    """
    value = content.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, bool)
    limit = content.get("PixelPaddingRangeLimit", value)
    low, high = np.sort(np.array([int(value), int(limit)], np.int64).astype(stored.dtype))
    return (stored >= low) & (stored <= high)
