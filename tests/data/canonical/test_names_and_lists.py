"""Lists, tables and folders as people and systems leave them: read, or refused by name."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixcl_bench.data.canonical.decathlon import decathlon_files
from pixcl_bench.data.canonical.images import class_images, imagefolder
from pixcl_bench.data.canonical.ld_lists import read_pairs
from pixcl_bench.data.canonical.medical import read_info_cfg
from pixcl_bench.data.canonical.medical_files import expected, read_list
from pixcl_bench.data.canonical.medmnist_files import read_arrays
from pixcl_bench.data.canonical.neutral import neutral_sheets
from pixcl_bench.data.canonical.radiographs import read_points
from pixcl_bench.data.canonical.tiles import read_tile_list
from pixcl_bench.data.files.names import existing, files_below, files_by_stem, visible
from pixcl_bench.data.files.texts import read_lines
from pixcl_bench.data.sets.landmarks import LandmarkError
from pixcl_bench.data.sets.pixels import PixelError
from pixcl_bench.data.sets.volumes import VolumeError

LITTER = (".DS_Store", "._a.png", "Thumbs.db", "desktop.ini", ".hidden.png", "a.png~")
STRAY = ("README.txt", "notes", "a.xcf")
ODD = ("a b", "x#1", "#x", "50%", "{y}", "[z]", "caf\u00e9", "-n", "'q'", "a.b")
"""Names that shells, patterns or formats read in their own way."""


def picture(path: Path, level: int = 9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(path, "PNG")
    return path


def clutter(folder: Path) -> None:
    """What systems and people leave beside data, and links that lead nowhere or back."""
    for name in (*LITTER, *STRAY):
        (folder / name).write_bytes(b"nothing that counts")
    (folder / "lost.txt").symlink_to(folder / "absent")
    (folder / "loop").symlink_to("loop")
    (folder / ".cache").mkdir()
    picture(folder / ".cache/b.png")


# ---- texts

TEXT = "one\r\n\r\n# a comment\r\n  tw\u00f6 \t\r\n#3\n##\nfour"
LINES = [(1, "one"), (4, "tw\u00f6"), (5, "#3"), (7, "four")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_in_every_unicode_encoding(tmp_path: Path, encoding: str, ends: str) -> None:
    text = TEXT.replace("\r\n", "\n").replace("\n", ends)
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert read_lines(tmp_path / "a.txt") == LINES


READERS: dict[str, tuple[Callable[[Path], Any], type[Exception]]] = {
    "cases": (read_list, VolumeError),
    "tiles": (read_tile_list, PixelError),
    "info": (read_info_cfg, VolumeError),
    "points": (read_points, LandmarkError),
    "pairs": (lambda path: read_pairs(path, path.parent), PixelError),
    "decathlon": (lambda path: decathlon_files(path.parent), VolumeError),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "f\u00fcnf\n".encode("latin-1"),
            r"is not UTF-8 \(byte 0xfc at place 1\); save it as UTF-8",
        ),
        ("one\n".encode("utf-16-le"), r"is no text in UTF-8 \(a zero byte at place 1\).*UTF-16LE"),
        ("one\n".encode("utf-16")[:-1], "is not UTF-16-LE"),
    ],
)
def test_other_encodings_are_refused_by_name(
    tmp_path: Path, reader: str, content: bytes, message: str
) -> None:
    (tmp_path / "dataset.json").write_bytes(content)
    read, error = READERS[reader]
    with pytest.raises(error, match=rf"dataset\.json: {message}"):
        read(tmp_path / "dataset.json")


@pytest.mark.parametrize("away", ["/data/a", "../a", "x/../../a", "C:\\a", "..\\a"])
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path, away: str) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(f"good\n{away}\n")
    with pytest.raises(VolumeError, match=r"json: line 2: .*leads out of the folder"):
        read_list(path)
    path.write_text(json.dumps([["a", away]]))
    with pytest.raises(PixelError, match=r"json, pair 1: .*leads out of the folder"):
        read_pairs(path, tmp_path)
    path.write_text(json.dumps({"training": [{"image": away, "label": "b"}]}))
    with pytest.raises(VolumeError, match=r"json: 'training': .*leads out of the folder"):
        decathlon_files(tmp_path)


def test_one_image_with_two_labels_is_refused(tmp_path: Path) -> None:
    items = [{"image": "a.nii.gz", "label": name} for name in ("b.nii.gz", "b.nii.gz", "c.nii.gz")]
    (tmp_path / "dataset.json").write_text(json.dumps({"training": items}), encoding="utf-8-sig")
    with pytest.raises(VolumeError, match=r"names a\.nii\.gz twice, with two labels"):
        decathlon_files(tmp_path)


def test_both_eyes_of_a_person_belong_to_one_list(tmp_path: Path) -> None:
    from pixcl_bench.data.canonical.fundus_files import list_rules
    from pixcl_bench.data.canonical.ld_lists import list_pairs
    from pixcl_bench.data.catalogue import get_info

    info = get_info("chase-vessel")
    for part, eye in (("train", "L"), ("test", "R")):
        for kind in ("i", "m"):
            picture(tmp_path / f"{kind}/7{eye}.png")
        path = tmp_path / "lists/chase-vessel" / f"{part}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([[f"i/7{eye}.png", f"m/7{eye}.png"]]))
    with pytest.raises(PixelError, match=r"test\.json, pair 1: 7R\.png and 7L\.png of train\.json"):
        list_pairs(info, tmp_path, list_rules("chase-vessel"))


@pytest.mark.parametrize(
    ("line", "stem"),
    [
        ("x/my tile 1.png", "my tile 1"),
        ("a,b.PNG", "a,b"),
        ("a__2.png labels/a__2.png", "a__2"),
        ("a.tif.png, b.png", "a.tif"),
        ("b__1 b__1_mask", "b__1"),
        ("cafe\u0301.jpeg", "caf\u00e9"),
        ("#1.png", "#1"),
    ],
)
def test_names_of_tiles(tmp_path: Path, line: str, stem: str) -> None:
    (tmp_path / "a.txt").write_text(f"# tiles\n{line}\n", encoding="utf-8")
    assert read_tile_list(tmp_path / "a.txt").stems == (stem,)


# ---- folders


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_names(tmp_path: Path, name: str) -> None:
    home = tmp_path / name / name
    path = picture(home / f"{name}.PNG")
    clutter(home)
    found = files_by_stem(home, (".png",))
    assert found == {name: path}
    assert files_below(tmp_path, (".png",)) == [path]
    assert existing(home / f"{name}.png") == path
    (tmp_path / "a.list").write_text(f"{name}\n", encoding="utf-8")
    assert expected(read_list(tmp_path / "a.list"), name, home / f"{name}.png") == path


def test_accents_apart_are_the_same_name(tmp_path: Path) -> None:
    path = picture(tmp_path / "e\u0301te\u0301" / "e\u0301.nii.GZ")
    assert existing(tmp_path / "\u00e9t\u00e9" / "\u00e9.nii.gz") == path
    assert (
        existing(tmp_path / "\u00e9t\u00e9" / "absent.png") == tmp_path / "\u00e9t\u00e9/absent.png"
    )
    assert list(files_by_stem(path.parent, (".nii.gz",))) == ["\u00e9"]
    both = picture(tmp_path / "b.PNG"), picture(tmp_path / "b.Png")
    assert existing(tmp_path / "b.png") == tmp_path / "b.png"  # it is not certain which
    both[1].unlink()
    assert existing(tmp_path / "b.png") == both[0]


def test_links_are_followed_and_lost_ones_are_named(tmp_path: Path) -> None:
    picture(tmp_path / "far/1.png")
    home = tmp_path / "home"
    home.mkdir()
    (home / "1.png").symlink_to(tmp_path / "far/1.png")
    (home / "up").symlink_to(home)
    (home / "there").symlink_to(tmp_path / "far")
    (home / "folder.png").mkdir()
    assert files_by_stem(home, (".png",)) == {"1": home / "1.png"}
    assert files_below(home, (".png",)) == [home / "1.png", home / "there/1.png"]
    (home / "2.png").symlink_to("2.png")
    for find in (files_by_stem, files_below):
        with pytest.raises(PixelError, match=r"2\.png: is a link that leads nowhere"):
            find(home, (".png",), PixelError)
    assert visible(home / "absent") == []


def test_a_neutral_folder_with_clutter(tmp_path: Path) -> None:
    for part, name in (("train", "a__1.png"), ("train", "b c__1.PNG"), ("val", "[d]__1.png")):
        picture(tmp_path / "images" / part / name)
        picture(tmp_path / "masks" / part / name.lower())
    for place in ("images/train", "masks/val"):
        clutter(tmp_path / place)
    sheets = neutral_sheets(tmp_path)
    assert [sheet.stems[0] for sheet in sheets] == ["a__1", "b c__1", "[d]__1"]
    assert all(sheet.image.is_file() and sheet.mask.is_file() for sheet in sheets)
    picture(tmp_path / "images/val/a__1.PNG")
    with pytest.raises(PixelError, match=r"a__1\.png is in train and in val"):
        neutral_sheets(tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for part in ("train", "val"):
        for k in range(10):
            picture(tmp_path / f"imagefolder/{part}/b b/{k}.png", 200)
            picture(tmp_path / f"imagefolder/{part}/[a]/{k}.JPG", 50)
    return tmp_path / "imagefolder"


def test_an_image_folder_with_clutter(home: Path) -> None:
    before = imagefolder(root=home.parent, image_size=8, workers=0)
    fingerprint = before.fingerprint
    for place in (home, home / "train", home / "val/b b"):
        for name in LITTER:
            (place / name).write_bytes(b"x")
        (place / ".git").mkdir()
        picture(place / ".git/a.png")
    assert imagefolder(root=home.parent, image_size=8, workers=0).fingerprint == fingerprint
    for name in STRAY:
        (home / "train/b b" / name).write_bytes(b"x")
    (home / "train/b b/loop").symlink_to("loop")
    after = imagefolder(root=home.parent, image_size=8, workers=0)
    assert after.class_names == before.class_names == ("[a]", "b b")
    assert after.labels.tolist() == before.labels.tolist()
    assert len(after.images) == 40


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda home: (home / "val/c").mkdir(), r"val/c: the class 'c' holds no image"),
        (lambda home: picture(home / "val/c/1.png"), "not in both train and val: c; rename or add"),
        (
            lambda home: picture(home / "train/b b/x/1.png"),
            r"b b/x: is a folder with images inside",
        ),
        (
            lambda home: (home / "val/[a]/9.png").symlink_to("absent"),
            r"9\.png: is a link that leads nowhere",
        ),
        (lambda home: os.rename(home / "val", home / "val1"), r"imagefolder.*val"),
    ],
)
def test_an_image_folder_that_is_not_certain(
    home: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(home)
    with pytest.raises(ValueError, match=message):
        imagefolder(root=home.parent, image_size=8, workers=0)


def test_a_folder_without_classes(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    with pytest.raises(ValueError, match="holds no folder of a class"):
        class_images(tmp_path)
    with pytest.raises(ValueError, match="there is no such folder"):
        class_images(tmp_path / "absent")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half", b"<html>"])
def test_a_damaged_archive_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.npz: not in the published form \({len(content)} "):
        read_arrays(tmp_path / "a.npz", 28, 2)
