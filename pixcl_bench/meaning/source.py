"""Find and parse the source of a module without importing it."""

import ast
import importlib.machinery
import importlib.util
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=256)
def package_folder(top: str, root: Path | None = None) -> Path | None:
    """The folder (or the single file) of a top-level package, or None.

    It is looked for under `root` first, then where Python finds it."""
    spec = importlib.machinery.PathFinder.find_spec(top, [str(root)]) if root else None
    if spec is None or spec.origin is None:
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            spec = None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None


def find_module(module: str, root: Path | None = None) -> Path | None:
    """The source file of `module` (a dotted name), or None. Nothing is imported."""
    top, *rest = module.split(".")
    if not all(part.isidentifier() for part in (top, *rest)):
        return None
    folder = package_folder(top, root)
    if folder is None or folder.is_file():
        return folder if folder and not rest else None
    place = folder.joinpath(*rest)
    for candidate in (place.with_suffix(".py") if rest else None, place / "__init__.py"):
        if candidate and candidate.is_file():
            return candidate
    return None


Stamp = tuple[int, int]
"""Modification time in nanoseconds and size in bytes of a file; zeros where it is gone."""


def stamp_of(path: Path) -> Stamp:
    """The stamp of a file."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=512)
def _parsed(path: Path, stamp: Stamp) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=path.name)


def parse_source(path: Path) -> ast.Module:
    """The syntax tree of a source file, parsed once as long as the file does not change.

    Raises SyntaxError."""
    return _parsed(path, stamp_of(path))
