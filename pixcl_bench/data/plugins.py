"""Entry points of other packages: which can be used, and why the others cannot.

A package of somebody else must not stop a command that has nothing to do with it. What is wrong
with one of its entries is one warning, and an error only for whoever asks for that entry."""

import io
import re
import sys
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VALUE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


class PluginError(RuntimeError):
    """An entry point that cannot be used; the message names it and its distribution."""


class PluginWarning(UserWarning):
    """An entry point of another package is left out."""


@dataclass(frozen=True)
class Plugins:
    """The entry points of a group by name: those that can be used, and of the others what is
    wrong with them."""

    usable: dict[str, EntryPoint] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


def sort_plugins(
    points: Iterable[EntryPoint], taken: Collection[str] = (), owner: str = "pixcl_bench"
) -> Plugins:
    """Divide the entry points of a group, without importing any. `taken`: names that `owner` has
    already, and keeps. Of two packages that claim one name neither has it: which of them numbers
    would be of must not depend on the order in which they were installed. Warns of each entry that
    is left out."""
    found: dict[str, list[EntryPoint]] = {}
    for point in points:
        others = found.setdefault(point.name, [])
        if all((point.value, _package(point)) != (o.value, _package(o)) for o in others):
            others.append(point)
    plugins = Plugins()
    for name, claims in found.items():
        fault = _fault(name, claims, taken, owner)
        if fault:
            warnings.warn(f"{fault}; it is left out", PluginWarning, stacklevel=2)
            plugins.faults[name] = fault
        else:
            plugins.usable[name] = claims[0]
    return plugins


def _fault(name: str, claims: list[EntryPoint], taken: Collection[str], owner: str) -> str:
    first = described(claims[0])
    if not _NAME.fullmatch(name):
        return f"{first} has no name for a folder: letters, digits and . _ - only"
    if name in taken:
        return f"{first} takes the name {name!r}, which {owner} has"
    if len(claims) > 1:
        return f"{first} takes the same name as {described(claims[1])}: uninstall one of them"
    if not _VALUE.fullmatch(claims[0].value):
        return f"{first} is not written as package.module:NAME"
    return ""


def _package(point: EntryPoint) -> str:
    dist = getattr(point, "dist", None)
    return str(dist.name) if dist is not None else "an unknown distribution"


def described(point: EntryPoint) -> str:
    """`entry point 'x' = 'package.module:NAME' of DISTRIBUTION`."""
    return f"entry point {point.name!r} = {point.value!r} of {_package(point)}"


def load_plugin(point: EntryPoint, check: Callable[[Any], str] = lambda found: "") -> Any:
    """What an entry point stands for. `check` says what is wrong with it; empty: nothing.

    Whatever its package does when it is imported, the worst is a PluginError: it cannot end the
    process, and what it writes to the standard output goes to a warning."""
    with _quiet(described(point)), _wrapped(point):
        found = point.load()
    fault = check(found)
    if fault:
        raise PluginError(f"{described(point)} {fault}")
    return found


@contextmanager
def _wrapped(point: EntryPoint) -> Iterator[None]:
    try:
        yield
    except (Exception, SystemExit) as error:
        kind, text = type(error).__name__, " ".join(str(error).split())[:300]
        what = f"{kind}: {text}" if text else kind
        raise PluginError(f"{described(point)} cannot be loaded: {what}") from error


@contextmanager
def _quiet(who: str) -> Iterator[None]:
    """Keep what an import prints out of the output of a command, which others may read."""
    text = io.StringIO()
    try:
        with redirect_stdout(text):
            yield
    finally:
        lines = text.getvalue().split("\n")
        if any(line.strip() for line in lines) and sys.exc_info()[0] is None:
            told = next(line.strip() for line in lines if line.strip())[:80]
            message = f"{who} writes to the standard output when it is imported: {told!r}"
            warnings.warn(message, PluginWarning, stacklevel=2)
