"""Records of runs: one JSON file each, written last and atomically, with a checksum."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pixcl_bench.bench.config.grid import run_folder
from pixcl_bench.bench.errors import RecordError
from pixcl_bench.bench.keys import canonical_json
from pixcl_bench.bench.records.disk import write_atomic

RECORD, FAILURE, HISTORY = "record.json", "failure.json", "history.csv"
CURVE_POINTS = 50

Reason = Literal["error", "time limit", "out of memory", "killed"]


class Record(BaseModel):
    """The result of one run. `metrics` are in their own unit (fractions, not per cent), None where
    undefined; `timings` in seconds unless their name says otherwise; `curve` is at most 50 points
    [step, loss]; `started` and `finished` are ISO, UTC. `published` (commit, date) is there in
    published records only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    status: Literal["ok", "failed"] = "ok"
    key: str
    task: str
    dataset: str
    dataset_kind: Literal["embedded", "synthetic", "canonical"]
    method: str
    seed: int = Field(ge=0)
    profile: str
    learner: str
    args: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    uses_labels: bool | None = None
    metrics: dict[str, float | None] = {}
    data: dict[str, Any] = {}
    timings: dict[str, float] = {}
    environment: dict[str, Any] = {}
    code: dict[str, Any] = {}
    notes: dict[str, Any] = {}
    curve: list[tuple[int, float]] = []
    device: str = "cpu"
    threads: int = 1
    started: str = ""
    finished: str = ""
    reason: Reason | None = None
    detail: str | None = None
    published: dict[str, Any] | None = None
    sweep: dict[str, Any] = {}
    """The values of a sweep that the run had; only in its text where there are any."""
    files: dict[str, str] = {}
    """sha256 (hex) of the files beside the record, by their path in the folder of the run; only in
    its text where there are any."""
    checksum: str = ""

    @property
    def folder(self) -> Path:
        """The folder of the run, relative to the results folder."""
        return run_folder(self)


def now() -> str:
    """The time in UTC, ISO, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def checksum(record: Record) -> str:
    """sha256 (hex) over the canonical JSON of a record without its checksum."""
    return _digest(plain(record))


def _digest(data: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in data.items() if name != "checksum"}
    return hashlib.sha256(canonical_json(rest).encode()).hexdigest()


def plain(record: Record) -> dict[str, Any]:
    """A record as plain JSON data."""
    data = record.model_dump(mode="json")
    for name in ("sweep", "files"):
        if not data[name]:
            del data[name]
    return data


def seal(record: Record) -> Record:
    """The record with its checksum filled in."""
    return record.model_copy(update={"checksum": checksum(record)})


def write_record(folder: Path, record: Record) -> Path:
    """Write `record.json`: after this, and only then, the run has succeeded. Removes a failure of
    before."""
    if record.status != "ok":
        raise RecordError(f"{RECORD} is for runs that succeeded, not for status {record.status!r}")
    write_atomic(folder / RECORD, record_text(seal(record)))
    (folder / FAILURE).unlink(missing_ok=True)
    return folder / RECORD


def write_failure(folder: Path, record: Record) -> Path:
    """Write `failure.json`: why a run has no result."""
    if record.status != "failed" or record.reason is None:
        raise RecordError(f"{FAILURE} is for runs that failed, with a reason")
    write_atomic(folder / FAILURE, record_text(seal(record)))
    return folder / FAILURE


def record_text(record: Record) -> str:
    """A record as JSON for a file of its own."""
    return json.dumps(plain(record), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_record(path: Path | str) -> Record:
    """Read and verify a record. Raises RecordError with the file, the field, and what to do."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    return parse_record(text, str(path))


def parse_record(text: str, where: str) -> Record:
    """Read and verify a record from its JSON. `where` names it in the message of a RecordError. A
    record of before there were checksums has none, and is taken as it is."""
    again = "delete the file and run again"
    try:
        data = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        told = f"not whole JSON ({error})" if text.strip() else "not whole JSON (it is empty)"
        raise RecordError(f"{where}: {told}: {again}") from error
    if not isinstance(data, dict) or not {"format", "key", "task"} & set(data):
        raise RecordError(f"{where}: JSON of another program, no record: move it away")
    if data.get("format", 1) != 1:
        raise RecordError(
            f"{where}: field format: {data['format']!r} is of another version of pixcl-bench, this"
            " one reads 1: use that version, or run again"
        )
    try:
        record = Record.model_validate(data)
        seal = record.checksum
        fits = not seal or seal == _digest(data) or seal == checksum(record)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise RecordError(f"{where}: field {field}: {first['msg']}: {again}") from error
    except ValueError as error:  # text that cannot be encoded
        raise RecordError(f"{where}: {error}: {again}") from error
    if not fits:
        raise RecordError(
            f"{where}: field checksum does not fit the content: the file was changed or damaged:"
            f" {again}"
        )
    return record


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a number")


def settled(folder: Path) -> Record | None:
    """The record of a run's folder, else its failure, else None. Raises RecordError."""
    for name in (RECORD, FAILURE):
        if (folder / name).is_file():
            return read_record(folder / name)
    return None


def scan(results: Path | str, profile: str | None = None) -> list[Record]:
    """Every record and failure in a results folder, in a fixed order; what is no whole record, and
    what does not lie where its record belongs, is left out (`records.scan.look` names it)."""
    from pixcl_bench.bench.records.scan import look  # it is made of what stands here

    return look(results, profile).records


def write_history(folder: Path, history: Sequence[Mapping[str, Any]]) -> Path:
    """Write `history.csv`: one row an entry, the columns in the order of their first appearance."""
    columns = list(dict.fromkeys(key for row in history for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(history)
    write_atomic(folder / HISTORY, text.getvalue())
    return folder / HISTORY


def curve(
    history: Sequence[Mapping[str, Any]], points: int = CURVE_POINTS
) -> list[tuple[int, float]]:
    """The loss against the step, thinned to at most `points` evenly spaced rows, first and last
    among them."""
    rows = [
        (int(row["step"]), float(row["loss"]))
        for row in history
        if _has(row, "step") and _has(row, "loss")
    ]
    if len(rows) <= points:
        return rows
    return [rows[round(i * (len(rows) - 1) / (points - 1))] for i in range(points)]


def _has(row: Mapping[str, Any], name: str) -> bool:
    return row.get(name) not in (None, "")
