"""A run that is done again: the old record, with all that lies beside it, goes only when a whole
new one replaces it.

Where a run's folder holds a record already, the run works in the folder `rerun` inside it. What is
there takes the place of the old files when the run has finished; if it fails, its failure stays
there, beside the old record."""

import os
from collections.abc import Set
from pathlib import Path

from pixcl_bench.bench.errors import RecordError
from pixcl_bench.bench.records.disk import remove, write_atomic, written
from pixcl_bench.bench.records.store import (
    FAILURE,
    RECORD,
    Record,
    read_record,
    record_text,
    seal,
)
from pixcl_bench.data.fingerprint import file_digest

RERUN = "rerun"
_NOT_KEPT = frozenset({RECORD, FAILURE, "stop", "checkpoint.safetensors"})


def work_folder(folder: Path) -> Path:
    """Where the run of a folder has to work: in `rerun` where there is a record, even a damaged
    one."""
    return folder / RERUN if (folder / RECORD).exists() else folder


def digests(folder: Path) -> dict[str, str]:
    """sha256 (hex) of every file of a run that stays, by its path in the folder."""
    found: dict[str, str] = {}
    for place, folders, names in os.walk(folder):
        inside = Path(place)
        hidden = (RERUN,) if inside == folder else ()
        folders[:] = sorted(d for d in folders if not d.startswith(".") and d not in hidden)
        for name in sorted(names):
            if not name.startswith(".") and name not in _NOT_KEPT:
                path = inside / name
                found[path.relative_to(folder).as_posix()] = file_digest(path)
    return found


def whole(folder: Path, key: str | None = None) -> Record | None:
    """The record of a folder, of this key where one is given; None where there is none that can be
    trusted."""
    try:
        record = read_record(folder / RECORD)
    except RecordError:
        return None
    return record if key in (None, record.key) else None


def failed_rerun(folder: Path) -> Record | None:
    """How a run that was done again has failed, where its earlier record is still in place."""
    try:
        return read_record(folder / RERUN / FAILURE)
    except RecordError:
        return None


def complete(work: Path, record: Record, without: Set[str] = frozenset()) -> Record:
    """Note in the record of a run that has ended what lies beside it; where it was done again, put
    all of it in the place of the old. `without`: names of files that are not noted. Raises
    DiskError."""
    files = record.files | {n: d for n, d in digests(work).items() if n not in without}
    record = seal(record.model_copy(update={"files": files}))
    write_atomic(work / RECORD, record_text(record))
    if work.name == RERUN:
        _replace(work.parent, record)
    return record


def settle(folder: Path) -> None:
    """Finish a replacement that was interrupted. Raises DiskError."""
    work = folder / RERUN
    if (work / RECORD).is_file() and (record := whole(work)) is not None:
        complete(work, record)


def _replace(folder: Path, record: Record) -> None:
    """Put what lies in `rerun` in the place of what lies in the folder, the record last. Stopped
    at any moment, it can be done again from the start."""
    work = folder / RERUN
    (work / FAILURE).unlink(missing_ok=True)
    kept = {name.partition("/")[0] for name in record.files} | {RECORD, RERUN}
    new = sorted(path for path in work.iterdir() if path.name != RECORD)
    fresh = {path.name for path in new}
    for path in folder.iterdir():
        if path.name not in kept or (path.name in fresh and path.is_dir()):
            remove(path)
    for path in (*new, work / RECORD):
        with written(folder / path.name):
            os.replace(path, folder / path.name)
    remove(work)
