"""Reading a results folder: only the folder that a record names counts. What else lies there, and
what cannot be read, costs a note."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pixcl_bench.bench.config.grid import run_folder
from pixcl_bench.bench.errors import RecordError
from pixcl_bench.bench.records.rerun import RERUN
from pixcl_bench.bench.records.store import FAILURE, RECORD, Record, read_record

_DEPTH = 12
_SHOWN = 5


@dataclass
class Found:
    """What lies in a results folder.

    Attributes:
        records: of every run its record, else its failure, in a fixed order.
        reruns: failures of runs that were done again and whose earlier record is still in place.
        copies: folders, relative to the results, whose records name other folders.
        damaged: a sentence for each file that cannot be read as a record.
    """

    records: list[Record] = field(default_factory=list)
    reruns: list[Record] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def finished(self) -> list[Record]:
        """The records of runs that succeeded."""
        return [record for record in self.records if record.status == "ok"]

    def notes(self) -> list[str]:
        """What a reader must know beside the records, a sentence each."""
        lines = []
        if self.copies:
            what = "folder is" if len(self.copies) == 1 else "folders are"
            lines.append(
                f"not read: {len(self.copies)} {what} not where their records belong:"
                f" {_some(self.copies)}"
            )
        if self.damaged:
            what = "file" if len(self.damaged) == 1 else "files"
            more = len(self.damaged) - _SHOWN
            lines.append(f"not read: {len(self.damaged)} damaged {what}:")
            lines += [f"  {text}" for text in self.damaged[:_SHOWN]]
            lines += [f"  and {more} more: pixcl-bench verify --files"] if more > 0 else []
        for record in self.reruns[:_SHOWN]:
            name = run_folder(record).as_posix()
            lines.append(
                f"done again and failed, the earlier result stays: {name}: {record.reason}:"
                f" {_first(record.detail)}"
            )
        if len(self.reruns) > _SHOWN:
            lines.append(f"and {len(self.reruns) - _SHOWN} more runs that failed when done again")
        return lines


def look(results: Path | str, profile: str | None = None) -> Found:
    """Read a results folder, or one profile of it."""
    base, found = Path(results), Found()
    strays: dict[str, str] = {}
    for folder, names in run_folders(base, profile, found.damaged):
        record = _settled(folder, names, found.damaged)
        if record is None:
            continue
        place, named = folder.relative_to(base).as_posix(), run_folder(record).as_posix()
        if place != named:
            strays[place] = named
            continue
        found.records.append(record)
        if record.status == "ok" and RERUN in names:
            failure = folder / RERUN / FAILURE
            again = _read(failure, found.damaged) if failure.is_file() else None
            found.reruns += [again] if again else []
    found.records.sort(key=_order)
    found.reruns.sort(key=_order)
    found.copies = _copies(strays, found.records)
    return found


def run_folders(
    base: Path, profile: str | None = None, unread: list[str] | None = None
) -> Iterator[tuple[Path, frozenset[str]]]:
    """Every folder that holds a record or a failure, with the names of all that lies in it.

    Of the folders beside that of a `profile` the first of each is given, which tells whether it is
    a copy of the profile. `unread` takes a sentence for each folder that cannot be read."""
    for name in _folders(base, unread):
        folders = _walk(base / name, base, unread)
        if profile in (None, name):
            yield from folders
        else:
            yield from _copy_of(str(profile), name, folders)


def _copy_of(
    profile: str, name: str, folders: Iterator[tuple[Path, frozenset[str]]]
) -> Iterator[tuple[Path, frozenset[str]]]:
    """The first run in another profile's place, where its record names this profile."""
    first = next(folders, None)
    if first is None:
        return
    record = _settled(*first, [])
    if record is not None and record.profile == profile != name:
        yield first


def _folders(base: Path, unread: list[str] | None) -> list[str]:
    try:
        return sorted(e.name for e in os.scandir(base) if _is_place(e))
    except FileNotFoundError:
        return []
    except OSError as error:
        if unread is not None:
            unread.append(f"{base}: cannot be read: {error.strerror}")
        return []


def _is_place(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir() and not entry.name.startswith(".")
    except OSError:
        return False


def _walk(
    folder: Path, base: Path, unread: list[str] | None, depth: int = 0
) -> Iterator[tuple[Path, frozenset[str]]]:
    """The run folders at and below a folder. A link into the results is not followed: its target
    is read in its own place."""
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        if unread is not None:
            unread.append(f"{folder}: cannot be read: {error.strerror}")
        return
    names = frozenset(entry.name for entry in entries)
    holds = RECORD in names or FAILURE in names
    if holds:
        yield folder, names
    for entry in entries:
        inner = folder / entry.name
        if not _is_place(entry) or depth >= _DEPTH or (holds and entry.name == RERUN):
            continue
        if entry.is_symlink() and inner.resolve().is_relative_to(base.resolve()):
            continue
        yield from _walk(inner, base, unread, depth + 1)


def _settled(folder: Path, names: frozenset[str], damaged: list[str]) -> Record | None:
    """The record of a run's folder, else its failure, else None."""
    for name in (RECORD, FAILURE):
        if name in names and (record := _read(folder / name, damaged)):
            return record
    return None


def _read(path: Path, damaged: list[str]) -> Record | None:
    try:
        return read_record(path)
    except RecordError as error:
        damaged.append(str(error))
        return None


def _order(record: Record) -> tuple[str, str, str, str, int, str]:
    place = (record.profile, record.task, record.dataset, record.method, record.seed)
    return (*place, run_folder(record).as_posix() if record.sweep else "")


def _copies(strays: dict[str, str], records: Sequence[Record]) -> list[str]:
    """The highest folders that hold nothing but copies."""
    right = {
        parent.as_posix()
        for record in records
        for parent in PurePosixPath(run_folder(record).as_posix()).parents
    }
    return sorted({_highest(place, named, right) for place, named in strays.items()})


def _highest(place: str, named: str, right: set[str]) -> str:
    """The first part of a path that differs from the one its record names, and holds no run that
    counts."""
    parts, wanted = place.split("/"), named.split("/")
    pairs = enumerate(zip(parts, wanted, strict=False), 1)
    first = next((i for i, (one, other) in pairs if one != other), len(parts))
    for count in range(first, len(parts) + 1):
        if "/".join(parts[:count]) not in right:
            return "/".join(parts[:count])
    return place


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(name) for name in names[:_SHOWN]) + more


def _first(text: str | None) -> str:
    lines = (text or "").strip().splitlines() or ["no detail"]
    return lines[0] if len(lines[0]) <= 160 else lines[0][:157] + "..."
