"""What lies in a folder of a user's data, as one digest that tells when it has changed."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from unicodedata import normalize

LISTS = (".txt", ".list", ".csv", ".tsv", ".json", ".xml", ".toml", ".yaml", ".yml", ".cfg")
"""Endings of lists and tables of labels: their content counts, where they are small."""
SMALL = 4 << 20
"""Bytes up to which the content of such a file is read."""
LITTER = frozenset(
    (
        *("thumbs.db", "desktop.ini", "ehthumbs.db", "ehthumbs_vista.db", "__macosx"),
        *("$recycle.bin", "system volume information", "lost+found", "@eadir"),
    )
)
"""Files and folders that operating systems leave behind, in lower case."""


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is hidden (`.name`), or one that an operating system
    or an editor leaves behind."""
    small = name.lower()
    edited = small[-1] == "~" or (len(small) > 2 and small[0] == small[-1] == "#")
    return small[0] == "." or edited or small in LITTER


def folder_digest(folder: Path) -> str:
    """sha256 (hex) over all files under `folder`: relative path, size and time of the last change.

    Of small lists and tables of labels (`LISTS`, up to `SMALL` bytes) the content counts instead of
    the time, so that a copy of them is the same data. Hidden files, `LITTER` and empty folders do
    not count. Links are followed; one that leads nowhere counts as such, one that leads back up is
    not followed again. A file or folder that may not be read counts as such: what needs it names
    it.

    Cost: the system is asked once about each file, which is most of the time (measured: 2 s for
    100,000 files on a busy virtual machine), and small lists are read. A change that keeps size and
    time of a file is not seen.
    """
    digest = hashlib.sha256()
    for lines in _listed(os.fspath(folder), "", ()):
        digest.update(lines.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _listed(place: str, shown: str, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    """The lines of a folder's own files, then those of its folders, all by name."""
    try:
        status = os.stat(place)
        with os.scandir(place) as found:
            visible = [entry for entry in found if not is_litter(entry.name)]
    except OSError as error:
        yield f"{shown}\0{error.strerror}\n"
        return
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    entries = sorted((normalize("NFC", entry.name), entry.name, entry) for entry in visible)
    folders = [(name, entry) for name, _, entry in entries if _is_folder(entry)]
    inside = {entry.name for _, entry in folders}
    yield "".join(f"{shown}{n}\0{_stamp(e)}\n" for n, _, e in entries if e.name not in inside)
    for name, folder in folders:
        yield from _listed(folder.path, f"{shown}{name}/", (*above, here))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _stamp(entry: "os.DirEntry[str]") -> str:
    try:
        status = entry.stat()
    except OSError:
        return "leads nowhere"
    if status.st_size <= SMALL and entry.name.lower().endswith(LISTS):
        try:
            with open(entry.path, "rb") as file:
                return f"{status.st_size}\0{hashlib.sha256(file.read()).hexdigest()}"
        except OSError:
            pass  # it may not be read, so its time counts as that of other files does
    return f"{status.st_size}\0{status.st_mtime_ns}"


def file_stamps(paths: Iterable[Path]) -> list[list[str | int]]:
    """Path below the folder that holds them all, size in bytes and time of the last change (ns) of
    each file.

    What was made of these files must be made anew where this changes. Raises `OSError` naming the
    file that is absent.
    """
    files = list(paths)
    above = Path(os.path.commonpath([path.parent for path in files])) if files else Path()
    stamps: list[list[str | int]] = []
    for path in files:
        status = path.stat()
        stamps.append([path.relative_to(above).as_posix(), status.st_size, status.st_mtime_ns])
    return stamps
