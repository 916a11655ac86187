"""Words of the command line read into values."""

import math
import os
from pathlib import Path
from typing import Any

from pixcl_bench.bench.config.settings import read_value
from pixcl_bench.bench.errors import UsageError

LAST_SEED = 2**31 - 1


def split(values: list[str] | None) -> list[str] | None:
    """Repeated and comma-separated words as one list; None where there is none."""
    words = [part.strip() for value in values or () for part in value.split(",") if part.strip()]
    return words or None


def seeds(values: list[str] | None) -> list[int] | None:
    """Seeds as numbers. Raises UsageError."""
    words = split(values) or []
    for word in words:
        if not (word.isascii() and word.isdecimal()) or len(word) > 10 or int(word) > LAST_SEED:
            raise UsageError(
                f"--seed {brief(word)}: a seed is a whole number from 0 to {LAST_SEED};"
                " several are separated by commas"
            )
    return [int(word) for word in words] or None


def time_limit(word: str | None) -> float | None:
    """Seconds that a run may take. Raises UsageError."""
    try:
        seconds = None if word is None else float(word)
    except ValueError:
        seconds = math.nan
    if seconds is not None and not 0 < seconds < math.inf:
        raise UsageError(f"--time-limit {brief(word)}: a number of seconds above 0 is wanted")
    return seconds


def brief(word: object) -> str:
    """A word of a user as a message shows it: on one line, not longer than 60 characters."""
    text = str(word)
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= 60 else text[:57] + "..."


def overrides(values: list[str] | None) -> dict[str, Any]:
    """`key=value` words as settings; a value is read as YAML, and `1e-3` is a number. Raises
    UsageError."""
    found = {}
    for value in values or ():
        key, equals, text = value.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {brief(value)}: write --set key=value")
        if not all(part.strip() for part in key.split(".")):
            raise UsageError(f"--set {brief(value)}: a part of the key {brief(key)!r} is empty")
        found[key.strip()] = read_value(text)
    return found


def place_of(path: Path | str) -> Path:
    """A path of a user, from the folder where the user stands: `~` written out, and absolute, so
    that it stays the same for runs, which stand elsewhere. Raises UsageError."""
    text = str(path)
    if not text or "\0" in text:
        raise UsageError(f"{text!r} is not a path")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(f"{text}: {error}") from error


def use_data_root(folder: Path | None) -> None:
    """Look for canonical data in this folder, here and in every run that is started."""
    if folder is not None:
        os.environ["PIXCL_BENCH_DATA"] = str(place_of(folder))
