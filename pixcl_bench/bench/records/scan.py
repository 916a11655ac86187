"""Reading a results folder: only the folder that a record names counts. What else lies there, and
what cannot be read, costs a note."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pixcl_bench.bench.config.grid import run_place
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
            name = run_place(record)
            lines.append(
                f"done again and failed, the earlier result stays: {name}: {record.reason}:"
                f" {_first(record.detail)}"
            )
        if len(self.reruns) > _SHOWN:
            lines.append(f"and {len(self.reruns) - _SHOWN} more runs that failed when done again")
        return lines


def look(results: Path | str, profile: str | None = None) -> Found:
    """Read a results folder, or one profile of it."""
    base, found = str(results), Found()
    strays: dict[str, str] = {}
    for place, names in run_folders(results, profile, found.damaged):
        folder = f"{base}/{place}"
        record = _settled(folder, names, found.damaged)
        if record is None:
            continue
        named = run_place(record)
        if place != named:
            strays[place] = named
            continue
        found.records.append(record)
        if record.status == "ok" and RERUN in names:
            failure = f"{folder}/{RERUN}/{FAILURE}"
            again = _read(failure, found.damaged) if os.path.isfile(failure) else None
            found.reruns += [again] if again else []
    found.records.sort(key=_order)
    found.reruns.sort(key=_order)
    found.copies = _copies(strays, found.records)
    return found


def run_folders(
    results: Path | str, profile: str | None = None, unread: list[str] | None = None
) -> Iterator[tuple[str, frozenset[str]]]:
    """Every folder that holds a record or a failure, relative to the results, with the names of
    all that lies in it.

    Of the folders beside that of a `profile` the first of each is given, which tells whether it is
    a copy of the profile. `unread` takes a sentence for each folder that cannot be read."""
    base = str(results)
    errors = [] if unread is None else unread
    for name in _folders(base, errors):
        folders = _walk(base, name, errors)
        if profile in (None, name):
            yield from folders
        elif (first := next(folders, None)) is not None:
            record = _settled(f"{base}/{first[0]}", first[1], [])
            if record is not None and record.profile == profile:
                yield first


def _folders(base: str, unread: list[str]) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(base) if _is_place(entry))
    except FileNotFoundError:
        return []
    except OSError as error:
        unread.append(f"{base}: cannot be read: {error.strerror}")
        return []


def _is_place(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir() and not entry.name.startswith(".")
    except OSError:
        return False


def _walk(
    base: str, place: str, unread: list[str], depth: int = 0
) -> Iterator[tuple[str, frozenset[str]]]:
    """The run folders at and below a folder of the results. A link into the results is not
    followed: its target is read in its own place."""
    folder = f"{base}/{place}"
    try:
        with os.scandir(folder) as listed:
            entries = list(listed)
    except OSError as error:
        unread.append(f"{folder}: cannot be read: {error.strerror}")
        return
    names = frozenset(entry.name for entry in entries)
    holds = RECORD in names or FAILURE in names
    if holds:
        yield place, names
    for entry in sorted(filter(_is_place, entries), key=lambda entry: entry.name):
        if depth >= _DEPTH or (holds and entry.name == RERUN):
            continue
        if entry.is_symlink() and _is_inside(entry.path, base):
            continue
        yield from _walk(base, f"{place}/{entry.name}", unread, depth + 1)


def _is_inside(path: str, base: str) -> bool:
    return Path(path).resolve().is_relative_to(Path(base).resolve())


def _settled(folder: str, names: frozenset[str], damaged: list[str]) -> Record | None:
    """The record of a run's folder, else its failure, else None."""
    for name in (RECORD, FAILURE):
        if name in names and (record := _read(f"{folder}/{name}", damaged)):
            return record
    return None


def _read(path: str, damaged: list[str]) -> Record | None:
    try:
        return read_record(path)
    except RecordError as error:
        damaged.append(str(error))
        return None


def _order(record: Record) -> tuple[str, str, str, str, int, str]:
    place = (record.profile, record.task, record.dataset, record.method, record.seed)
    return (*place, run_place(record) if record.sweep else "")


def _copies(strays: dict[str, str], records: Sequence[Record]) -> list[str]:
    """The highest folders that hold nothing but copies."""
    right = {
        parent.as_posix()
        for record in records
        for parent in PurePosixPath(run_place(record)).parents
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
