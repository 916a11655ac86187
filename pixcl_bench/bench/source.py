"""Find and parse the source of a module without importing it."""

import ast
import importlib.machinery
import importlib.util
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path

METHODS_GROUP = "pixcl_bench.methods"


@lru_cache(maxsize=256)
def _package_folder(top: str, root: Path) -> Path | None:
    """The folder (or the single file) of a top-level package: beside the configuration first, then where
    Python finds it."""
    spec = importlib.machinery.PathFinder.find_spec(top, [str(root)])
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


def find_module(module: str, root: Path) -> Path | None:
    """The source file of `module` (dotted name), or None. Imports nothing."""
    top, *rest = module.split(".")
    if not all(part.isidentifier() for part in (top, *rest)):
        return None
    folder = _package_folder(top, root)
    if folder is None or folder.is_file():
        return folder if folder and not rest else None
    place = folder.joinpath(*rest)
    for candidate in (place.with_suffix(".py") if rest else None, place / "__init__.py"):
        if candidate and candidate.is_file():
            return candidate
    return None


def sibling_modules(module: str, root: Path) -> list[str]:
    """The names of the modules beside `module`: what a misspelt module name may have meant."""
    package = module.rpartition(".")[0]
    source = find_module(package, root) if package else None
    if source is None:
        top = module.split(".")[0]
        return [top] if _package_folder(top, root) else ["pixcl_bench"]
    names = {path.stem for path in source.parent.glob("*.py")} | {
        path.parent.name for path in source.parent.glob("*/__init__.py")
    }
    return sorted(f"{package}.{name}" for name in names if not name.startswith("_"))


@lru_cache(maxsize=512)
def _parsed(path: Path, stamp: tuple[int, int]) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=path.name)


def parse_source(path: Path) -> ast.Module:
    """The syntax tree of a source file, parsed once as long as the file does not change. Raises
    SyntaxError."""
    status = path.stat()
    return _parsed(path, (status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=1)
def method_entry_points() -> dict[str, str]:
    """Methods that installed packages add: the entry points `pixcl_bench.methods`, name to
    `module:builder`."""
    return {point.name: point.value for point in entry_points(group=METHODS_GROUP)}


def resolve_learner(learner: str) -> str:
    """`module:builder` as it is; the name of an entry point as the `module:builder` it stands for."""
    return learner if ":" in learner else method_entry_points().get(learner, learner)


def top_level_names(tree: ast.Module) -> Iterator[str]:
    """The functions and classes that a module defines."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node.name


def imported_packages(tree: ast.Module) -> Iterator[str]:
    """The top-level packages that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
