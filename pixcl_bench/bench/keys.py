"""The key of a run: a hash of everything that could change its numbers."""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pixcl_bench.bench.grid import Run
from pixcl_bench.bench.reach import Code, code_reader

LIBRARIES = ("torch", "timm", "numpy")
_IN_KEY = (
    "task",
    "dataset",
    "method",
    "seed",
    "learner",
    "args",
    "settings",
    "device",
    "threads",
    "data_fingerprint",
)


@lru_cache(maxsize=1)
def library_versions() -> Mapping[str, str]:
    """The versions of the libraries that make the numbers, read without importing them; "absent" where not
    installed."""
    return {name: _version(name) for name in LIBRARIES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def run_code(run: Run, root: Path) -> Code:
    """The code that a run reaches."""
    return code_reader(root).code(run.learner, run.code, run.notebook)


def code_hash(run: Run, root: Path) -> str:
    """The hash (20 hex digits) of the code that a run reaches: method, task, what they use, and the
    notebook's code cells."""
    return run_code(run, root).hash


def run_key(run: Run, root: Path, versions: Mapping[str, str] | None = None) -> str:
    """The key of a run, 20 hex digits. `versions`: the library versions it ran with; those of this
    environment by default. The profile's name and the time limit are not in it."""
    parts: dict[str, Any] = {name: getattr(run, name) for name in _IN_KEY}
    parts["code"] = code_hash(run, root)
    parts["versions"] = dict(versions or library_versions())
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:20]


def canonical_json(data: object) -> str:
    """JSON with sorted keys and without blanks: the same text for the same data."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
