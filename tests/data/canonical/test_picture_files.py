"""Pictures of every kind that cameras and tools write: read as they are meant, or refused."""

import io
import re
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from pixcl_bench.data.canonical.fundus_files import read_label
from pixcl_bench.data.canonical.fundus_files import read_picture as read_fundus_picture
from pixcl_bench.data.canonical.manifest import NotAnImage, read_image
from pixcl_bench.data.canonical.radiographs import read_grey
from pixcl_bench.data.canonical.tiles import (
    Coding,
    Sheet,
    _tiles_of,
    colours_drawn,
    read_mask,
    read_rgb,
)
from pixcl_bench.data.canonical.tiny_imagenet import decode
from pixcl_bench.data.files.labels import read_label_picture
from pixcl_bench.data.files.pictures import PictureError, read_picture
from pixcl_bench.data.sets.images import ImageFileError, decode_square
from pixcl_bench.data.sets.landmarks import LandmarkError
from pixcl_bench.data.sets.pixels import IGNORE, PixelError

SIDE = 64
RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
GREY = COLOUR[..., 0]
DEEP = RNG.integers(0, 2048, (SIDE, SIDE, 3)).astype(np.uint16)  # an 11-bit sensor
READERS: Mapping[str, tuple[Callable[[Path], Any], type[Exception]]] = {
    "imagefolder": (lambda path: decode_square(path, 16), ImageFileError),
    "tiny-imagenet": (decode, ImageFileError),
    "tiles": (read_rgb, PixelError),
    "fundus": (lambda path: read_fundus_picture(path, "RGB"), PixelError),
    "radiographs": (read_grey, LandmarkError),
    "manifest": (read_image, NotAnImage),
}


def save(path: Path, array: np.ndarray, **options: Any) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def png16(path: Path, array: np.ndarray) -> Path:
    """A PNG of 16 bits a channel, which Pillow does not write for colours."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    kind = {3: 2, 4: 6}[array.shape[2]]
    head = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 16, kind, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def tiff(path: Path, array: np.ndarray, **options: Any) -> Path:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(path, array, **{"photometric": "rgb", **options})
    return path


def ppm16(path: Path, array: np.ndarray) -> Path:
    head = f"P6\n{array.shape[1]} {array.shape[0]}\n65535\n".encode()
    path.write_bytes(head + array.astype(">u2").tobytes())
    return path


def frames(path: Path, **options: Any) -> Path:
    more = [Image.fromarray(255 - GREY)]
    return save(path, GREY, save_all=True, append_images=more, **options)


def clear(alpha: int) -> np.ndarray:
    picture = np.dstack([COLOUR, np.full((SIDE, SIDE), 255, np.uint8)])
    picture[5, 7, 3] = alpha
    return picture


def cut(path: Path, array: np.ndarray, lost: int, **options: Any) -> Path:
    save(path, array, **options)
    path.write_bytes(path.read_bytes()[:-lost])
    return path


def see_through(path: Path) -> Path:
    return save(path, GREY, transparency=int(GREY[0, 0]))


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


REFUSED: Mapping[str, tuple[str, Callable[[Path], object], str]] = {
    "rgb of 16 bits": ("a.png", lambda p: png16(p, DEEP), "16 bits a channel"),
    "rgba of 16 bits": ("a.png", lambda p: png16(p, clear(9) * np.uint16(9)), "16 bits a channel"),
    "tiff of 16 bits": ("a.tif", lambda p: tiff(p, DEEP), "16 bits a channel"),
    "ppm of 16 bits": ("a.ppm", lambda p: ppm16(p, DEEP), "16 bits a channel"),
    "two frames": ("a.gif", frames, "holds 2 pictures, expected one"),
    "two pages": ("a.tif", frames, "holds 2 pictures, expected one"),
    "animated png": ("a.png", frames, "holds 2 pictures, expected one"),
    "five channels": (
        "a.tif",
        lambda p: tiff(p, np.dstack([COLOUR, GREY, GREY])),
        "has 5 channels, expected at most 4",
    ),
    "cut jpeg": ("a.jpg", lambda p: cut(p, COLOUR, 99), "cannot be read as an image .*truncated"),
    "cut png": ("a.png", lambda p: cut(p, COLOUR, 99), "cannot be read as an image"),
    "cut tiff": (
        "a.tif",
        lambda p: write(p, tiff(p, COLOUR).read_bytes()[:-999]),
        "cannot be read",
    ),
    "cut gif": ("a.gif", lambda p: cut(p, GREY, 999), "cannot be read as an image"),
    "cut bmp": ("a.bmp", lambda p: cut(p, COLOUR, 99), "cannot be read as an image"),
    "empty": ("a.png", lambda p: write(p, b""), r"cannot be read as an image \(0 bytes"),
    "page": ("a.jpg", lambda p: write(p, b"<html>404</html>"), "cannot be read as an image"),
    "bomb": (
        "a.png",
        lambda p: write(
            p,
            save(p, GREY)
            .read_bytes()
            .replace(struct.pack(">II", SIDE, SIDE), struct.pack(">II", 60000, 60000)),
        ),
        "cannot be read as an image",
    ),
    "transparent": ("a.png", lambda p: save(p, clear(3)), r"\(5, 7\) is transparent \(alpha 3"),
    "transparent grey": ("a.png", see_through, "is transparent"),
}
"""Ending, how it is made, and what the message says."""


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("reader", READERS)
def test_what_no_reader_takes_is_named(tmp_path: Path, reader: str, kind: str) -> None:
    name, make, message = REFUSED[kind]
    make(tmp_path / name)
    read, error = READERS[reader]
    if reader == "tiles" and kind in ("transparent grey", "cut gif"):
        message = "has one channel"
    with pytest.raises(error, match=message) as refused:
        read(tmp_path / name)
    assert reader == "manifest" or f"{tmp_path / name}: " in str(refused.value)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("value", [DEEP[..., 0], GREY / np.float32(255), DEEP[..., 0].astype("i4")])
def test_deep_grey_is_refused_or_stretched(tmp_path: Path, reader: str, value: np.ndarray) -> None:
    path = save(tmp_path / "a.tif", value)
    read, error = READERS[reader]
    if reader == "manifest":
        seen = np.array(read(path))[..., 0]
        assert (seen.min(), seen.max()) == (0, 255)
        wide = (value - value.min()) / float(np.ptp(value)) * 255
        assert np.abs(seen - wide).max() <= 0.5 + 1e-3
        return
    with pytest.raises(error, match=r"a\.tif: .*expected 8 bits a channel; convert"):
        read(path)


def test_what_is_read_as_it_is_meant(tmp_path: Path) -> None:
    def read(name: str) -> np.ndarray:
        return read_picture(tmp_path / name, "RGB")

    save(tmp_path / "opaque.png", clear(255))
    assert (read("opaque.png") == COLOUR).all()
    two = Image.fromarray(COLOUR).quantize(16)
    two.save(tmp_path / "palette.png")
    assert (read("palette.png") == np.array(two.convert("RGB"))).all()
    save(tmp_path / "bits.png", GREY > 127)
    assert (read("bits.png")[..., 0] == np.where(GREY > 127, 255, 0)).all()
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "cmyk.tif")
    assert np.abs(read("cmyk.tif").astype(int) - COLOUR).max() <= 1
    tiff(tmp_path / "planar.tif", COLOUR.transpose(2, 0, 1), planarconfig="separate")
    assert (read("planar.tif") == COLOUR).all()
    more = [Image.fromarray(COLOUR[::2, ::2])]
    save(tmp_path / "preview.mpo", COLOUR, save_all=True, append_images=more)
    assert read("preview.mpo").shape == COLOUR.shape


def test_overviews_of_a_tiff_are_no_pages(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(COLOUR, photometric="rgb")
        file.write(COLOUR[::2, ::2], photometric="rgb", subfiletype=1)
    assert (read_rgb(tmp_path / "a.tif") == COLOUR).all()


@pytest.mark.skipif(not features.check("jpg_2000"), reason="Pillow without JPEG 2000")
def test_jpeg_2000_says_its_bits(tmp_path: Path) -> None:
    save(tmp_path / "a.jp2", COLOUR, irreversible=False)
    assert (read_picture(tmp_path / "a.jp2", "RGB") == COLOUR).all()
    content = bytearray((tmp_path / "a.jp2").read_bytes())
    at = content.find(b"\xff\x4f\xff\x51") + 42
    assert content[at] == 7  # bits minus one
    content[at] = content[at + 3] = content[at + 6] = 15
    (tmp_path / "a.jp2").write_bytes(content)
    with pytest.raises(PictureError, match=r"a\.jp2: .*16 bits a channel"):
        read_picture(tmp_path / "a.jp2", "RGB")


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("reader", READERS)
def test_photographs_are_turned_unless_labels_lie_on_them(
    tmp_path: Path, reader: str, orientation: int
) -> None:
    half = np.zeros((SIDE, SIDE), np.uint8)
    half[:8] = 255  # bright above
    image = Image.fromarray(np.dstack([half] * 3))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif)
    read, error = READERS[reader]
    if orientation > 1 and reader not in ("imagefolder", "manifest"):
        with pytest.raises(error, match=rf"a\.jpg: its EXIF orientation is {orientation}"):
            read(tmp_path / "a.jpg")
        return
    seen = np.array(read(tmp_path / "a.jpg"))
    seen = seen.transpose(1, 2, 0) if seen.shape[0] == 3 else seen
    seen = seen[..., 0] if seen.ndim == 3 else seen
    bright = {1: seen[:2], 3: seen[-2:], 6: seen[:, -2:]}[orientation]
    assert bright.mean() > 100
    assert seen.mean() < 60


# ---- labels

CODES = Coding(
    values={0: IGNORE, 1: 0, 2: 1, 3: 2}, drawn=colours_drawn([(255, 0, 0), (0, 255, 0)])
)
CLASSES = RNG.integers(0, 4, (SIDE, SIDE)).astype(np.uint8)
EXPECTED = np.array([IGNORE, 0, 1, 2], np.uint8)[CLASSES]


@pytest.mark.parametrize(
    ("name", "values", "options"),
    [
        ("grey.png", CLASSES, {}),
        ("grey.tif", CLASSES, {"compression": "tiff_lzw"}),
        ("deep.png", CLASSES.astype(np.uint16), {}),
        ("wide.tif", CLASSES.astype(np.int32), {}),
        ("float.tif", CLASSES.astype(np.float32), {}),
        ("near.tif", CLASSES + np.float32(0.0009), {}),
        ("equal.png", np.dstack([CLASSES] * 3), {}),
        ("equal.bmp", np.dstack([CLASSES] * 3), {}),
        ("opaque.png", np.dstack([CLASSES, np.full_like(CLASSES, 255)]), {}),
    ],
)
def test_numbers_of_every_type_are_classes(
    tmp_path: Path, name: str, values: np.ndarray, options: dict[str, Any]
) -> None:
    assert (read_mask(save(tmp_path / name, values, **options), CODES) == EXPECTED).all()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_are_numbers(tmp_path: Path, bits: int) -> None:
    values = CLASSES % 2 ** min(bits, 2)
    rows = np.unpackbits(values[..., None], axis=-1)[..., -bits:].reshape(SIDE, -1)
    packed = np.packbits(rows, axis=-1)
    head = struct.pack(">IIBBBBB", SIDE, SIDE, bits, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in packed))
    chunks = [(b"IHDR", head), (b"IDAT", body), (b"IEND", b"")]
    content = b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
        for kind, part in chunks
    )
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    assert (read_label_picture(tmp_path / "a.png").values == values).all()


def palette(values: np.ndarray, colours: list[tuple[int, int, int]]) -> Image.Image:
    image = Image.fromarray(values, "P")
    image.putpalette([part for colour in colours for part in colour])
    return image


def test_the_colours_of_a_palette_decide(tmp_path: Path) -> None:
    path, colours = tmp_path / "a.png", [(0, 0, 0), (255, 0, 0), (0, 255, 0)]
    values = CLASSES.clip(1, 2)
    known = Coding(values=CODES.values, drawn={**CODES.drawn, (0, 0, 0): IGNORE})
    palette(values, colours).save(path)
    assert (read_mask(path, known) == values - 1).all()
    palette(values, colours).remap_palette([2, 0, 1]).save(path)
    assert (np.array(Image.open(path)) != values).any()
    assert (read_mask(path, known) == values - 1).all()
    by_colour = Coding(colours={(255, 0, 0): 0, (0, 255, 0): 1})
    assert (read_mask(path, by_colour) == values - 1).all()
    ramp = [(k, k, k) for k in range(4)]
    palette(CLASSES, ramp).save(path)
    assert (read_mask(path, CODES) == EXPECTED).all()


@pytest.mark.parametrize(
    ("colours", "message"),
    [
        ([(0, 0, 0), (9, 9, 9), (8, 8, 8), (7, 7, 7)], r"draws the value 0 as \(0, 0, 0\)"),
        ([(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9)], r"the value 2 as \(0, 0, 255\)"),
        ([(0, 0, 0), (1, 1, 1), (1, 1, 1), (3, 3, 3)], "the values 1 and 2 in one colour"),
    ],
)
def test_a_palette_of_unknown_meaning_is_refused(
    tmp_path: Path, colours: list[tuple[int, int, int]], message: str
) -> None:
    palette(CLASSES, colours).save(tmp_path / "a.png")
    with pytest.raises(PixelError, match=rf"a\.png: .*palette.*{message}"):
        read_mask(tmp_path / "a.png", CODES)


OFF = CLASSES.astype(np.float32)
OFF[2, 3] = 1.5
BLIND = CLASSES.astype(np.float32)
BLIND[2, 3] = np.nan
WRONG = CLASSES.astype(np.int32)
WRONG[2, 3] = 70000


@pytest.mark.parametrize(
    ("name", "values", "options", "message"),
    [
        ("a.jpg", CLASSES, {}, "a label as JPEG is stored with loss"),
        ("a.webp", np.dstack([CLASSES] * 3), {}, "a label as WEBP is stored with loss"),
        ("a.tif", CLASSES, {"compression": "jpeg"}, "JPEG in TIFF"),
        ("a.tif", OFF, {}, r"the label has 1.5 at \(y, x\) = \(2, 3\)"),
        ("a.tif", BLIND, {}, r"the label has nan at \(y, x\) = \(2, 3\)"),
        ("a.tif", WRONG, {}, r"value 70000 at \(y, x\) = \(2, 3\) is no class.*known are \[0, 1"),
        ("a.png", CLASSES + 1, {}, "value 4 at .*is no class"),
        ("a.png", np.dstack([CLASSES, CLASSES]), {}, "is transparent"),
        ("a.png", COLOUR, {}, "the mask is coloured, expected one channel with the values"),
    ],
)
def test_labels_that_are_not_certain_are_refused(
    tmp_path: Path, name: str, values: np.ndarray, options: dict[str, Any], message: str
) -> None:
    save(tmp_path / name, values, **options)
    with pytest.raises(PixelError, match=rf"{re.escape(name)}: .*{message}"):
        read_mask(tmp_path / name, CODES)


def test_object_labels(tmp_path: Path) -> None:
    square = np.zeros((SIDE, SIDE), np.uint8)
    square[20:40, 20:40] = 255
    for name in ("a.png", "a.gif", "a.bmp", "a.tif"):
        assert (read_label(save(tmp_path / name, square)) == square).all()
    deep = save(tmp_path / "deep.png", square.astype(np.uint16) * 257)
    assert (read_label(deep) == square).all()
    red = np.dstack([square, square * 0, square * 0])
    path = tmp_path / "b.png"
    assert (read_label(save(path, np.dstack([red, square]))) == square).all()
    black = np.dstack([red * 0, square])
    with pytest.raises(PixelError, match=r"b\.png: .*is transparent"):
        read_label(save(path, black))
    with pytest.raises(PixelError, match=r"a\.jpg: a label as JPEG is stored with loss"):
        read_label(save(tmp_path / "a.jpg", square))
    tiff(tmp_path / "white.tif", square, photometric="miniswhite")
    assert (read_label(tmp_path / "white.tif") == 255 - square).all()
    with pytest.raises(PixelError, match="white as 0"):
        read_mask(tmp_path / "white.tif", CODES)


def test_image_and_mask_of_other_sizes_are_both_named(tmp_path: Path) -> None:
    image, mask = save(tmp_path / "i.png", COLOUR), save(tmp_path / "m.png", CLASSES[1:])
    message = rf"i\.png is {SIDE} x {SIDE} pixels .*m\.png is {SIDE - 1} x {SIDE}"
    with pytest.raises(PixelError, match=message):
        _tiles_of(Sheet(image, mask, "train", ("i",)), SIDE, SIDE, CODES)


def test_what_was_read_in_part_is_closed(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="there is no such file"):
        read_picture(tmp_path / "a.png", "L")
    with pytest.raises(PictureError, match="a folder, not a picture"):
        read_picture(tmp_path, "L")
    content = io.BytesIO()
    Image.fromarray(GREY).save(content, "PNG")
    (tmp_path / "name with blanks #1 %20 {a}[b].PNG").write_bytes(content.getvalue())
    assert (read_picture(next(tmp_path.iterdir()), "L") == GREY).all()
