"""What lies in the folders of canonical data sets is part of their fingerprints."""

import os
from pathlib import Path

import pytest

from pixcl_bench.data import listing
from pixcl_bench.data.cards import BUILT_IN
from pixcl_bench.data.listing import file_stamps, folder_digest, is_litter

CANONICAL = [name for name, info in BUILT_IN.items() if info.published is not None]


def put(path: Path, content: bytes, at: int = 1) -> Path:
    """A file whose last change was `at` seconds after the epoch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at, at))
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    put(tmp_path / "home" / "a" / "1.png", b"abc")
    put(tmp_path / "home" / "b" / "2.png", b"def")
    put(tmp_path / "home" / "train.list", b"one\ntwo\n")
    return tmp_path / "home"


@pytest.mark.parametrize("name", CANONICAL)
def test_the_fingerprint_covers_the_folder(name: str, tmp_path: Path) -> None:
    info = BUILT_IN[name]
    assert info.published is not None
    home = tmp_path / info.published.folder
    assert info.fingerprint(tmp_path) == info.fingerprint(), "where nothing lies nothing counts"
    image, names = put(home / "deep" / "x.png", b"abc"), put(home / "train.list", b"one\ntwo\n")
    prints = [info.fingerprint(), info.fingerprint(tmp_path)]
    put(home / "deep" / "y.png", b"abc")
    prints.append(info.fingerprint(tmp_path))  # a file more
    put(image, b"xyz", at=2)
    prints.append(info.fingerprint(tmp_path))  # a file of the same size changed in place
    put(names, b"two\none\n")
    prints.append(info.fingerprint(tmp_path))  # a list of the same length, and of the same time
    assert len(set(prints)) == len(prints)
    for litter in (".DS_Store", "deep/Thumbs.db", "._x.png", ".Trashes/501/x.png", "train.list~"):
        put(home / litter, b"litter", at=3)
    assert info.fingerprint(tmp_path) == prints[-1]


def test_sets_that_need_no_folder_do_not_look_at_one(tmp_path: Path) -> None:
    put(tmp_path / "digits" / "x.png", b"abc")
    for name in set(BUILT_IN) - set(CANONICAL):
        assert BUILT_IN[name].fingerprint(tmp_path) == BUILT_IN[name].fingerprint()


def test_names_sizes_times_and_places_count(home: Path) -> None:
    prints = [folder_digest(home)]
    assert folder_digest(home) == prints[0]
    put(home / "a" / "1.png", b"abcd")
    prints.append(folder_digest(home))
    put(home / "a" / "1.png", b"abcd", at=5)
    prints.append(folder_digest(home))
    (home / "a" / "1.png").rename(home / "a" / "3.png")
    prints.append(folder_digest(home))
    (home / "a" / "3.png").rename(home / "b" / "3.png")
    prints.append(folder_digest(home))
    (home / "b" / "3.png").unlink()
    prints.append(folder_digest(home))
    assert len(set(prints)) == len(prints)


def test_a_copy_elsewhere_is_the_same(home: Path, tmp_path: Path) -> None:
    before = folder_digest(home)
    home.rename(tmp_path / "other")
    assert folder_digest(tmp_path / "other") == before


@pytest.mark.parametrize(
    "ending", [".txt", ".CSV", ".json", ".xml", ".yaml", ".cfg", ".tsv", ".toml"]
)
def test_small_lists_count_by_content_not_by_time(home: Path, ending: str) -> None:
    path = put(home / f"split{ending}", b"12")
    before = folder_digest(home)
    put(path, b"12", at=99)
    assert folder_digest(home) == before
    put(path, b"21")
    assert folder_digest(home) != before


def test_large_tables_count_by_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SMALL", 3)
    path = put(home / "big.csv", b"1234")
    before = folder_digest(home)
    put(path, b"4321")
    assert folder_digest(home) == before
    put(path, b"4321", at=2)
    assert folder_digest(home) != before


@pytest.mark.parametrize(
    "name",
    [
        *(".DS_Store", "thumbs.db", "Desktop.ini", "._1.png", "__MACOSX/1.png", ".Trashes/x"),
        *("notes.txt~", ".train.list.swp", ".#a.list", ".Trash-0/a", "$RECYCLE.BIN/x.png"),
        *("#a.list#", ".hidden", ".git/HEAD", ".nfs0001"),
        "System Volume Information/x",
    ],
)
def test_litter_does_not_count(home: Path, name: str) -> None:
    before = folder_digest(home)
    for place in (home, home / "a"):
        put(place / name, b"litter")
    assert folder_digest(home) == before


@pytest.mark.parametrize(
    "name", ["x.png", "trash", "DS_Store", "a.swp", "_1.png", "~x", "#1.png", "a#"]
)
def test_what_looks_like_litter_and_is_none_counts(home: Path, name: str) -> None:
    before = folder_digest(home)
    put(home / name, b"data")
    assert not is_litter(name)
    assert folder_digest(home) != before


def test_links_are_followed_but_not_in_a_circle(home: Path, tmp_path: Path) -> None:
    before = folder_digest(home)
    (tmp_path / "link").symlink_to(home)
    assert folder_digest(tmp_path / "link") == before
    (home / "a" / "up").symlink_to(home)
    assert folder_digest(home) == before
    put(tmp_path / "far" / "3.png", b"ghi")
    (home / "far").symlink_to(tmp_path / "far")
    there = folder_digest(home)
    put(tmp_path / "far" / "3.png", b"jkl", at=7)
    assert len({before, there, folder_digest(home)}) == 3


def test_a_link_that_leads_nowhere_is_no_error(home: Path) -> None:
    before = folder_digest(home)
    (home / "lost.png").symlink_to(home / "absent.png")
    assert folder_digest(home) != before


def test_what_may_not_be_read_is_no_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prints = [folder_digest(home)]
    (home / "loop").symlink_to("loop")
    prints.append(folder_digest(home))
    inside = os.scandir

    def refused(place: str) -> object:
        if place.endswith("/b"):
            raise PermissionError(13, "Permission denied", place)
        return inside(place)

    monkeypatch.setattr(os, "scandir", refused)
    prints.append(folder_digest(home))
    monkeypatch.setattr("builtins.open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "")))
    prints.append(folder_digest(home))
    assert len(set(prints)) == len(prints)


def test_a_name_counts_in_either_spelling(home: Path, tmp_path: Path) -> None:
    put(home / "caf\u00e9.png", b"x")
    there = folder_digest(home)
    (home / "caf\u00e9.png").rename(home / "cafe\u0301.png")
    assert folder_digest(home) == there


def test_empty_folders_and_odd_names(home: Path) -> None:
    before = folder_digest(home)
    (home / "empty" / "deeper").mkdir(parents=True)
    assert folder_digest(home) == before
    put(home / os.fsdecode(b"\xff.png"), b"x")
    assert folder_digest(home) != before


def test_stamps_follow_name_size_and_time(home: Path) -> None:
    files = [home / "a" / "1.png", home / "b" / "2.png"]
    assert file_stamps(files) == [["a/1.png", 3, 10**9], ["b/2.png", 3, 10**9]]
    assert file_stamps(files[:1]) == [["1.png", 3, 10**9]]
    assert file_stamps([]) == []
    with pytest.raises(FileNotFoundError, match=r"absent\.png"):
        file_stamps([home / "absent.png"])
