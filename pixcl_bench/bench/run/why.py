"""Why is a finished run no longer current? What differs between the key of its record and the key
that the same run has today."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pixcl_bench.bench.config.grid import Run
from pixcl_bench.bench.keys import Codes, run_versions
from pixcl_bench.bench.records.store import Record
from pixcl_bench.bench.run.session import CODE_FILE

_SHOWN = 6
_ABSENT = "absent"


def reasons(
    record: Record, run: Run, root: Path, folder: Path, codes: Codes | None = None
) -> list[str]:
    """What changed between a record in a `folder` and its run today, a part of a sentence each.

    Args:
        record: of a run that has ended.
        run: the same run as it would be done today.
        root: of the project.
        folder: where the record lies, with what its run noted of the code.
        codes: of runs asked about before, where there were some.
    """
    codes = codes or Codes(root)
    found = [
        *_changes("setting", record.settings, run.settings),
        *_changes("argument", record.args, run.args),
        *(
            f"{name} {getattr(record, name)} is now {getattr(run, name)}"
            for name in ("device", "threads")
            if getattr(record, name) != getattr(run, name)
        ),
    ]
    if record.data.get("fingerprint") != run.data_fingerprint:
        found.append(f"data: the data set {run.dataset} or the code that reads it has changed")
    versions = record.code.get("versions", {})
    found += _changes("library", versions, run_versions(run, root, codes))
    if record.code.get("hash") != codes[run].hash:
        found.append(f"code: {_code(record, folder, codes[run].definitions)}")
    return found or ["key: of another version of pixcl-bench, with the same parts"]


def _changes(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Every value that differs between two mappings, by dotted name."""
    before, now = _flat(old), _flat(new)
    for name in sorted(before.keys() | now.keys()):
        if before.get(name, _ABSENT) != now.get(name, _ABSENT):
            yield (
                f"{kind} {name}: {_word(before.get(name, _ABSENT))} is now"
                f" {_word(now.get(name, _ABSENT))}"
            )


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = value
    return found


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _code(record: Record, folder: Path, now: Mapping[str, str]) -> str:
    """Which definitions changed, came and went, as far as the run has noted them."""
    try:
        before = json.loads((folder / CODE_FILE).read_text(encoding="utf-8"))["definitions"]
        names = {name for name in {*before, *now} if before.get(name) != now.get(name)}
    except (OSError, ValueError, KeyError, TypeError):
        commit = record.code.get("commit")
        since = f" since commit {commit[:12]}" if commit else ""
        return f"changed{since}; which functions is not noted beside this record"
    if not names:
        return "changed outside of the definitions that it reaches"
    words = [f"{name}{_fate(name, before, now)}" for name in sorted(names)]
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more


def _fate(name: str, before: Mapping[str, str], now: Mapping[str, str]) -> str:
    if name not in before:
        return " (new)"
    return "" if name in now else " (gone)"
