"""Errors that a user can act on, and the nearest right name of a wrong one."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a configuration file: where (line and column from 1, path of keys), what,
    and what to do."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{hint}"


class BenchError(Exception):
    """An expected error: the command line prints its text and ends with exit code 2."""


class ConfigError(BenchError):
    """The configuration file has problems: all of them are in `problems`."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(p) for p in self.problems))


class UsageError(BenchError):
    """A command or a parameter that cannot be followed: an unknown name, a wrong value."""


class RecordError(BenchError):
    """A result record that cannot be trusted: the message names the file and the field."""


class DiskError(BenchError, OSError):
    """A file or folder that cannot be written: the message names it and says what to do."""


def nearest(word: object, known: Iterable[str]) -> str:
    """What to write in place of `word`: the nearest of `known`, else the whole list where it is
    short, else nothing."""
    names = sorted({str(name) for name in known})
    folded = {name.lower().replace("-", "_"): name for name in reversed(names)}
    match = get_close_matches(str(word).lower().replace("-", "_"), list(folded), n=1, cutoff=0.55)
    if match:
        return f"did you mean {folded[match[0]]!r}?"
    if names and len(names) <= 12:
        return "known: " + ", ".join(names)
    return ""


def unknown(kind: str, word: object, known: Iterable[str]) -> str:
    """The sentence `unknown KIND 'WORD'` with the nearest right name."""
    hint = nearest(word, known)
    return f"unknown {kind} {str(word)!r}" + (f" ({hint})" if hint else "")
