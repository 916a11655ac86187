"""What a run said, and why it failed."""

from collections.abc import Iterator
from pathlib import Path

from pixcl_bench.bench.errors import RecordError, UsageError
from pixcl_bench.bench.records import store
from pixcl_bench.bench.records.rerun import RERUN
from pixcl_bench.bench.records.scan import look
from pixcl_bench.bench.run.jobs import LOG

_TAIL = 20_000


def find_runs(name: str, results: Path, profile: str | None = None) -> list[Path]:
    """The folders of the runs that a name means: a folder, a key (or its first characters), or
    `TASK/DATASET/METHOD/SEED` with or without its profile. Raises UsageError where there is none.
    """
    folder = Path(name)
    if any((folder / file).is_file() for file in (store.RECORD, store.FAILURE, LOG)):
        return [folder]
    parts = name.strip("/").split("/")
    if len(parts) in (4, 5):
        seed = parts[-1] if parts[-1].startswith("seed-") else f"seed-{parts[-1]}"
        place = "/".join([*parts[:-1], seed])
        above = [""] if len(parts) == 5 else [profile or "*"]
        found = [path for top in above for path in _under(results, top, place)]
    else:
        found = [
            results / record.folder
            for record in look(results, profile).records
            if record.key.startswith(name)
        ]
    if not found:
        raise UsageError(
            f"no run {name!r} in {results}: name its folder, its key, or TASK/DATASET/METHOD/SEED"
        )
    return found


def _under(results: Path, top: str, place: str) -> list[Path]:
    """The folders `results/TOP/PLACE` that exist; `*` stands for every profile."""
    if top != "*":
        path = results / top / place
        return [path] if path.is_dir() else []
    tops = sorted(path for path in results.glob("*") if path.is_dir())
    return [path / place for path in tops if (path / place).is_dir()]


def log_lines(folder: Path, lines: int) -> Iterator[str]:
    """The outcome of a run with its reason, and the end of its log; of one that was done again
    and failed both."""
    for place in (folder, folder / RERUN):
        if place.is_dir():
            yield from _told(place, lines)


def _told(folder: Path, lines: int) -> Iterator[str]:
    yield f"{folder}: {outcome(folder)}"
    text = tail(folder / LOG)
    if text is None:
        yield f"  no {LOG} here: it was run by hand, or has not started"
        return
    every = text.splitlines()
    if len(every) > lines:
        yield f"  ... the last {lines} lines of {folder / LOG}:"
    yield from (f"  {line}" for line in every[-lines:])


def outcome(folder: Path) -> str:
    """How a run has ended, in a sentence."""
    try:
        record = store.settled(folder)
    except RecordError as error:
        return str(error)
    if record is None:
        return "no outcome yet: it is running, or was interrupted"
    if record.status == "ok":
        return f"done, finished {record.finished}, key {record.key}"
    return f"failed, {record.reason}: {record.detail or 'no detail'}"


def tail(path: Path) -> str | None:
    """The end of a text file; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            size = file.tell()
            file.seek(max(0, size - _TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return None
