"""Pictures of a user as 8-bit RGB or grey: read as they are meant, or refused with the reason.

Nothing is scaled or lost in silence. Refused are: more than 8 bits a channel and numbers with a
fraction (except where a reader states its rule), several pictures in one file, more than four
channels, and pixels that are transparent. An opaque alpha channel is dropped. CMYK, palettes and
single bits become RGB or grey.
"""

import gzip
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError


class PictureError(ValueError):
    """A picture that is damaged, or cannot be read without a guess; the message names the file."""


Turn = Literal["apply", "refuse"]
Fourth = Literal["alpha", "band"]

UNREADABLE = (
    *(OSError, EOFError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError),
    *(NotImplementedError, RuntimeError, SyntaxError, MemoryError, zlib.error, struct.error),
    *(UnidentifiedImageError, Image.DecompressionBombError),
)
"""What decoders raise for damaged files."""
_LARGEST = 1 << 28
"""Bytes of an unpacked picture; a larger file is not a photograph but an attack."""
_PREVIEWS = ("MPO",)
"""Formats in which the first picture is the photograph and the others are made from it."""


def _source(path: Path) -> Path | BytesIO:
    """The file, or what is in it where it is packed with gzip, whatever its name says."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return path
    with gzip.open(path) as packed:
        content = packed.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise OSError(f"unpacked it has more than {_LARGEST:,} bytes")
    return BytesIO(content)


@contextmanager
def opened(
    path: Path, error: type[Exception] = PictureError, deep: bool = False
) -> Iterator[Image.Image]:
    """A picture whose header is checked and whose pixels are not yet decoded.

    `deep`: grey values of more than 8 bits are allowed. Raises `error` naming the file where it is
    missing, damaged or refused, also for what goes wrong while it is decoded inside the context.
    """
    if not path.is_file():
        what = "a folder, not a picture" if path.is_dir() else "there is no such file"
        raise error(f"{path}: {what}")
    refusal = ""
    try:
        with Image.open(_source(path)) as image:
            refusal = _refusal(image, deep)
            if not refusal:
                yield image
    except error:
        raise
    except UNREADABLE as reason:
        said = " ".join(str(reason).replace(str(path), path.name).split())
        raise error(
            f"{path}: cannot be read as an image ({path.stat().st_size:,} bytes; {said}); copy it"
            " again, or convert it to PNG of 8 bits a channel"
        ) from reason
    if refusal:
        raise error(f"{path}: {refusal}")


def _refusal(image: Image.Image, deep: bool) -> str:
    """Why a picture is not read; empty where it is."""
    if (pages := _pages(image)) > 1:
        return f"the file holds {pages} pictures, expected one; save the right one alone"
    if (channels := _channels(image)) > 4:
        return f"the picture has {channels} channels, expected at most 4; save the three of RGB"
    depth = _depth(image)
    if depth and not (deep and image.getbands() in (("I",), ("F",))):
        return (
            f"pixels are of mode {image.mode!r} with {depth}, expected 8 bits a channel; convert"
            " it to 8 bits with the range that you mean (nothing is scaled in silence)"
        )
    return ""


def _pages(image: Image.Image) -> int:
    """How many pictures of full size a file holds; previews do not count."""
    count = int(getattr(image, "n_frames", 1))
    if count == 1 or image.format in _PREVIEWS:
        return 1
    if image.format != "TIFF":
        return count
    full = 0
    for page in range(count):
        image.seek(page)
        full += not int(image.tag_v2.get(254, 0)) & 0b101
    image.seek(0)
    return full


def _channels(image: Image.Image) -> int:
    if image.format == "TIFF":
        return int(image.tag_v2.get(277, 1))
    return len(image.getbands())


def _depth(image: Image.Image) -> str:
    """In words, how far pixels are from 8 bits a channel; empty where they have no more."""
    if image.mode == "F":
        return "numbers with a fraction"
    if image.mode.startswith("I"):
        return "more than 8 bits"
    bits = [8]
    if image.format == "TIFF":
        bits += list(image.tag_v2.get(258, (8,)))
    if image.format == "JPEG2000":
        bits.append(_bits_of_jpeg2000(image))
    for _, _, _, given in image.tile:
        words = given if isinstance(given, tuple) else (given,)
        if re.match(r"(L|LA|RGB[AaX]?|CMYK|YCbCr|LAB);16", str(words[0])):
            bits.append(16)
        if image.format == "PPM" and isinstance(words[-1], int) and words[-1] > 255:
            bits.append(words[-1].bit_length())
    return f"{max(bits)} bits a channel" if max(bits) > 8 else ""


def _bits_of_jpeg2000(image: Image.Image) -> int:
    """The bits of the first channel, from the segment SIZ at the start of the code stream."""
    stream = image.fp
    if stream is None:
        return 8
    at = stream.tell()
    stream.seek(0)
    head = stream.read(1 << 16)
    stream.seek(at)
    size = head.find(b"\xff\x4f\xff\x51")
    return (head[size + 42] & 0x7F) + 1 if 0 <= size < len(head) - 42 else 8


def upright(image: Image.Image, path: Path, turn: Turn, error: type[Exception]) -> Image.Image:
    """The picture turned as its EXIF orientation says, or refused where labels lie on its pixels.

    Raises `error` naming the file and the orientation.
    """
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    if orientation not in range(2, 9):
        return image
    if turn == "refuse":
        raise error(
            f"{path}: its EXIF orientation is {orientation}, so programs show it turned, and labels"
            " may lie on either; save it upright without this mark, as its labels lie"
        )
    return ImageOps.exif_transpose(image)


def opaque(image: Image.Image, path: Path, error: type[Exception]) -> Image.Image:
    """The picture without its alpha channel, which must be opaque everywhere.

    Raises `error` naming the file and the first transparent pixel.
    """
    if not image.has_transparency_data:
        return image
    whole = image if image.mode in ("RGBA", "LA") else image.convert("RGBA")
    alpha = np.asarray(whole.getchannel("A"))
    if alpha.min() < 255:
        y, x = np.argwhere(alpha < 255)[0].tolist()
        raise error(
            f"{path}: the pixel at (y, x) = ({y}, {x}) is transparent (alpha {alpha[y, x]} of 255),"
            f" and {int((alpha < 255).sum()) - 1} more are; flatten the picture on the background"
            " that it should have"
        )
    return whole.convert("L" if image.mode == "LA" else "RGB")


def _not_premultiplied(image: Image.Image) -> None:
    """Keep the decoder from dividing the colours by a fourth channel that is no alpha."""
    for k, part in enumerate(image.tile):
        if isinstance(part[3], tuple) and part[3][0] == "RGBa":
            image.tile[k] = part._replace(args=("RGBA", *part[3][1:]))


def read_picture(
    path: Path,
    mode: Literal["RGB", "L"],
    error: type[Exception] = PictureError,
    *,
    turn: Turn = "refuse",
    fourth: Fourth = "alpha",
) -> UInt8[np.ndarray, "h w *c"]:
    """Read a picture file, packed with gzip or not, as "RGB" (h, w, 3) or "L" (h, w).

    `turn`: what an EXIF orientation means; labels that lie on the pixels ask for "refuse".
    `fourth`: the fourth channel of a TIFF is alpha, or a further band, which is dropped. Raises
    `error` naming the file, the value and what to do.
    """
    with opened(path, error) as image:
        band = fourth == "band" and image.format == "TIFF" and len(image.getbands()) == 4
        if band:
            _not_premultiplied(image)
        straight = upright(image, path, turn, error)
        if band and image.mode != "CMYK":
            return np.ascontiguousarray(np.asarray(straight)[..., :3])
        return np.array(opaque(straight, path, error).convert(mode))
