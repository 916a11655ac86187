"""Is every byte of the results still what was written? Records by their checksums, what lies beside
them by the digests that they hold."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pixcl_bench.bench.config.grid import run_place
from pixcl_bench.bench.errors import RecordError
from pixcl_bench.bench.keys import canonical_json
from pixcl_bench.bench.records.rerun import RERUN
from pixcl_bench.bench.records.scan import run_folders
from pixcl_bench.bench.records.store import (
    FAILURE,
    RECORD,
    Record,
    parse_record,
    plain,
    read_record,
    record_text,
)
from pixcl_bench.data.fingerprint import file_digest


@dataclass
class Integrity:
    """What a check of files found.

    Attributes:
        records, files: how many records, and how many files beside them, were compared.
        unsealed: records of before there were checksums, which nothing can be compared with.
        bare: whole records that hold no digests of the files beside them.
        faults: a sentence for each file that is not what was written.
        copies: folders whose records name other folders; they were checked too.
    """

    records: int = 0
    files: int = 0
    unsealed: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)


def check_results(results: Path, profile: str | None = None) -> Integrity:
    """Compare every record of a results folder with its checksum, and every file beside one with
    its digest."""
    found = Integrity()
    for place, names in run_folders(results, profile, found.faults):
        for path in _record_files(results / place, names):
            try:
                record = read_record(path)
            except RecordError as error:
                found.faults.append(str(error))
                continue
            _check(found, path, record)
            if path.name == RECORD and place != run_place(record):
                found.copies.append(place)
    return found


def check_published(folder: Path, profile: str | None = None) -> Integrity:
    """Compare every line of the published tables with its checksum."""
    found = Integrity()
    for path in sorted(folder.glob(f"{profile or '*'}-*.jsonl")):
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            found.faults.append(f"{path}: cannot be read: {error.strerror}")
            continue
        for number, line in enumerate(lines, 1):
            if line:
                _check_line(found, line, f"{path}:{number}")
    return found


def _record_files(folder: Path, names: frozenset[str]) -> Iterator[Path]:
    yield from (folder / name for name in (RECORD, FAILURE) if name in names)
    if RERUN in names and (folder / RERUN / FAILURE).is_file():
        yield folder / RERUN / FAILURE


def _check(found: Integrity, path: Path, record: Record) -> None:
    """Compare one record that could be read, and what lies beside it."""
    found.records += 1
    if not record.checksum:
        found.unsealed.append(str(path))
    if path.name != RECORD:
        return
    if not record.files:
        found.bare.append(str(path))
    elif path.read_text(encoding="utf-8") != record_text(record):
        found.faults.append(f"{path}: the text is not as it was written; its values are the same")
    for name, digest in record.files.items():
        found.files += 1
        file = path.parent / name
        try:
            now = file_digest(file)
        except FileNotFoundError:
            found.faults.append(f"{file}: is gone")
        except OSError as error:
            found.faults.append(f"{file}: cannot be read: {error.strerror}")
        else:
            if now != digest:
                found.faults.append(f"{file}: was changed or damaged since the run has ended")


def _check_line(found: Integrity, line: bytes, where: str) -> None:
    try:
        text = line.decode("utf-8")
        record = parse_record(text, where)
    except (UnicodeDecodeError, RecordError) as error:
        told = str(error) if isinstance(error, RecordError) else f"{where}: {error}"
        found.faults.append(told.removesuffix(": delete the file and run again"))
        return
    found.records += 1
    if not record.checksum:
        found.unsealed.append(where)
    elif text != canonical_json(plain(record)):
        found.faults.append(f"{where}: the text is not as it was written; its values are the same")
