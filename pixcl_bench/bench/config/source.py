"""What names of learners mean, and what their modules hold, without importing them."""

import ast
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path

from pixcl_bench.data.plugins import Plugins, sort_plugins
from pixcl_bench.meaning.source import find_module, package_folder, parse_source

__all__ = [
    "METHODS_GROUP",
    "find_module",
    "imported_packages",
    "method_entry_points",
    "method_fault",
    "parse_source",
    "resolve_learner",
    "sibling_modules",
    "top_level_names",
]

METHODS_GROUP = "pixcl_bench.methods"


def sibling_modules(module: str, root: Path) -> list[str]:
    """The names of the modules beside `module`: what a misspelt module name may have meant."""
    package = module.rpartition(".")[0]
    source = find_module(package, root) if package else None
    if source is None:
        top = module.split(".")[0]
        return [top] if package_folder(top, root) else ["pixcl_bench"]
    names = {path.stem for path in source.parent.glob("*.py")} | {
        path.parent.name for path in source.parent.glob("*/__init__.py")
    }
    return sorted(f"{package}.{name}" for name in names if not name.startswith("_"))


@lru_cache(maxsize=1)
def method_entry_points() -> dict[str, str]:
    """Methods that installed packages add: the entry points `pixcl_bench.methods`, name to
    `module:builder`. Warns once of those that cannot be used."""
    return {name: point.value for name, point in _method_plugins().usable.items()}


@lru_cache(maxsize=1)
def _method_plugins() -> Plugins:
    return sort_plugins(entry_points(group=METHODS_GROUP))


def method_fault(name: str) -> str:
    """Why an entry point of this name cannot be used; empty where there is none, or nothing is
    wrong with it."""
    return _method_plugins().faults.get(name, "")


def resolve_learner(learner: str) -> str:
    """`module:builder` as it is; the name of an entry point as the `module:builder` it stands
    for."""
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
