"""Which files of a folder count: names in any spelling, without what systems leave behind."""

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from unicodedata import normalize

from pixcl_bench.data.listing import is_litter


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC): macOS writes letters and accents apart."""
    return normalize("NFC", name)


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name, without hidden files and those of systems; empty where
    there is no such folder."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if not is_litter(path.name)]
    return sorted(found, key=lambda path: composed(path.name))


def files_by_stem(
    folder: Path, endings: tuple[str, ...], error: type[Exception] = ValueError
) -> dict[str, Path]:
    """The files of a folder with one of these endings, in either case, by name without the ending.

    Sorted by name; of two files of one stem the first counts. Raises `error` naming a link that
    leads nowhere.
    """
    named: dict[str, Path] = {}
    for path in visible(folder):
        stem = _stem(path.name, endings)
        if stem is not None and _is_file(path, error):
            named.setdefault(stem, path)
    return named


def _stem(name: str, endings: tuple[str, ...]) -> str | None:
    fits = [ending for ending in endings if name.lower().endswith(ending.lower())]
    return composed(name[: len(name) - len(max(fits, key=len))]) if fits else None


def _is_file(path: Path, error: type[Exception]) -> bool:
    if path.is_file():
        return True
    if path.is_symlink() and not path.is_dir():
        raise error(f"{path}: is a link that leads nowhere; get its file, or remove the link")
    return False


def files_below(
    folder: Path, endings: tuple[str, ...], error: type[Exception] = ValueError
) -> list[Path]:
    """The files with one of these endings in a folder and all folders below, sorted by name.

    A link that leads back up is not followed again. Errors as in `files_by_stem`.
    """
    found = [path for path in _walk(folder, ()) if _stem(path.name, endings) is not None]
    return sorted((path for path in found if _is_file(path, error)), key=lambda path: path.name)


def _walk(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    if not folder.is_dir():
        return
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    for path in visible(folder):
        if path.is_dir():
            yield from _walk(path, (*above, here))
        else:
            yield path


def existing(path: Path) -> Path:
    """The file or folder of this name, also where the disk spells it otherwise.

    Letters with accents may be stored composed or apart, and an ending in upper case. Returns
    `path` itself where there is no such file, or several.
    """
    if path.exists() or path.parent == path:
        return path
    parent = existing(path.parent)
    if not parent.is_dir():
        return path
    found = _spellings(os.fspath(parent), parent.stat().st_mtime_ns).get(_plain(path.name), ())
    return parent / found[0] if len(found) == 1 else path


def _plain(name: str) -> str:
    return re.sub(r"(\.[A-Za-z0-9]{1,5}){1,2}$", lambda end: end[0].lower(), composed(name))


@lru_cache(maxsize=16)
def _spellings(folder: str, stamp: int) -> dict[str, tuple[str, ...]]:
    """Names on the disk by their plain spelling; `stamp` says whether the folder has changed."""
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted(os.listdir(folder)):
        found[_plain(name)] = (*found.get(_plain(name), ()), name)
    return found
