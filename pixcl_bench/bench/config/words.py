"""Words of the command line read into values."""

import os
from pathlib import Path
from typing import Any

from pixcl_bench.bench.config.settings import read_value
from pixcl_bench.bench.errors import UsageError


def split(values: list[str] | None) -> list[str] | None:
    """Repeated and comma-separated words as one list; None where there is none."""
    words = [part.strip() for value in values or () for part in value.split(",") if part.strip()]
    return words or None


def seeds(values: list[str] | None) -> list[int] | None:
    """Seeds as numbers. Raises UsageError."""
    words = split(values) or []
    wrong = [word for word in words if not word.isdecimal()]
    if wrong:
        raise UsageError(f"--seed {wrong[0]}: a seed is a whole number from 0")
    return [int(word) for word in words] or None


def overrides(values: list[str] | None) -> dict[str, Any]:
    """`key=value` words as settings; a value is read as YAML, and `1e-3` is a number. Raises
    UsageError."""
    found = {}
    for value in values or ():
        key, equals, text = value.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {value}: write --set key=value")
        found[key.strip()] = read_value(text)
    return found


def use_data_root(folder: Path | None) -> None:
    """Look for canonical data in this folder, here and in every run that is started."""
    if folder is not None:
        os.environ["PIXCL_BENCH_DATA"] = str(folder.resolve())
