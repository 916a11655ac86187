"""Pictures whose pixels are labels: the numbers or colours that the file holds, without loss."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from numpy.typing import NDArray
from PIL import Image

from pixcl_bench.data.files.pictures import PictureError, opaque, opened, upright

_LOSSY = ("JPEG", "MPO", "JPEG2000", "WEBP", "AVIF")
NEAR = 1e-3
"""How far a stored number may lie from a whole one: what resampling in float32 leaves."""


@dataclass(frozen=True)
class LabelPicture:
    """What a label file holds.

    `values`: whole numbers (h, w) of one channel or of a palette's indices; `colours`: (h, w, 3).
    A coloured picture has no values, a grey one no colours, and a palette has both; a coloured
    picture whose three channels are equal has both, too, and is no palette.
    """

    path: Path
    values: NDArray[Any] | None
    colours: UInt8[np.ndarray, "h w 3"] | None
    palette: bool = False


def whole_numbers(
    values: Shaped[np.ndarray, "*s"],
) -> tuple[Shaped[np.ndarray, "*s"], NDArray[np.bool_]]:
    """Numbers rounded to whole ones, and where they are none: off by more than `NEAR`, or NaN."""
    if values.dtype.kind != "f":
        return values, np.zeros(values.shape, bool)
    rounded = np.rint(values)
    return rounded, ~(np.abs(values - rounded) <= NEAR)


def read_label_picture(
    path: Path, error: type[Exception] = PictureError, *, shown: bool = False
) -> LabelPicture:
    """Read a label file as it is stored; `shown`: grey values as the picture shows them, where a
    TIFF file stores white as 0 (which is refused otherwise).

    Raises `error` naming the file where it is damaged, or stored in a way that does not keep
    labels: with loss (JPEG), transparent, turned by EXIF, or as numbers with a fraction.
    """
    with opened(path, error, deep=True) as image:
        if reason := _lossy(image):
            raise error(
                f"{path}: {reason}, which changes labels; get the original, or draw the label again"
                " and save it as PNG"
            )
        if image.format == "TIFF" and image.tag_v2.get(262) == 0 and not shown:
            raise error(f"{path}: the label stores white as 0 (WhiteIsZero); convert it to PNG")
        step = _step(image)
        return _contents(upright(image, path, "refuse", error), step, path, error)


def _lossy(image: Image.Image) -> str:
    if image.format in _LOSSY:
        return f"a label as {image.format} is stored with loss"
    if "jpeg" in str(image.info.get("compression", "")):
        return "the label is stored with loss (JPEG in TIFF)"
    return ""


def _contents(image: Image.Image, step: int, path: Path, error: type[Exception]) -> LabelPicture:
    """The labels of a picture whose numbers the decoder multiplies by `step`."""
    if image.mode in ("P", "PA"):
        return _with_palette(image, path, error)
    if image.mode in ("RGB", "RGBA", "RGBX", "RGBa"):
        colours = _coloured(image, path, error)
        grey = (colours == colours[..., :1]).all()
        return LabelPicture(path, colours[..., 0] if grey else None, colours)
    if image.mode == "LA":
        return LabelPicture(path, np.array(opaque(image, path, error)), None)
    if len(image.getbands()) > 1:
        raise error(
            f"{path}: the label is of mode {image.mode!r}, expected grey or RGB; convert it"
        )
    stored = np.array(image)
    values, wrong = whole_numbers(stored.astype(np.uint8) if stored.dtype == bool else stored)
    if wrong.any():
        y, x = np.argwhere(wrong)[0].tolist()
        raise error(
            f"{path}: the label has {stored[y, x]:.9g} at (y, x) = ({y}, {x}), and"
            f" {int(wrong.sum()) - 1} more pixels are no whole numbers; store class numbers"
        )
    return LabelPicture(path, values.astype(np.int64) // step, None)


def _coloured(image: Image.Image, path: Path, error: type[Exception]) -> UInt8[np.ndarray, "h w 3"]:
    """The colours of a label; it may be transparent exactly where it is black."""
    colours = np.array(image.convert("RGB"))
    if "A" in image.getbands():
        covered = np.asarray(image.getchannel("A")) == 255
        if (covered == (colours.max(-1) > 0)).all():
            return colours
    opaque(image, path, error)
    return colours


def _step(image: Image.Image) -> int:
    """By how much the decoder multiplies the 2-bit and 4-bit numbers of a PNG."""
    raw = {str(part[3]) for part in image.tile}
    if image.format != "PNG" or not raw <= {"L;2", "L;4"} or not raw:
        return 1
    return 85 if "L;2" in raw else 17


def _with_palette(image: Image.Image, path: Path, error: type[Exception]) -> LabelPicture:
    if image.mode == "PA":
        opaque(image, path, error)
    values = np.array(image.getchannel("P") if image.mode == "PA" else image)
    image.info.pop("transparency", None)  # of an index, which stays a label
    colours = np.array(image.convert("RGB"))
    used, at = np.unique(values, return_index=True)
    drawn = [tuple(colour) for colour in colours.reshape(-1, 3)[at].tolist()]
    for k, colour in enumerate(drawn):
        if drawn.index(colour) != k:
            raise error(
                f"{path}: the palette draws the values {used[drawn.index(colour)]} and {used[k]} in"
                f" one colour {colour}, so it is not certain what they mean; store one grey channel"
            )
    return LabelPicture(path, values, colours, palette=True)
