"""The modules of a project, and what the names in them stand for."""

import ast
import sys
from dataclasses import dataclass, field
from pathlib import Path

from pixcl_bench.meaning.canonical import Meaning, Piece, Reference
from pixcl_bench.meaning.modules import Module, Target, read_module
from pixcl_bench.meaning.source import Stamp, find_module, parse_source, stamp_of

HOME = "pixcl_bench"
_NOT_NUMBERS = "no numbers"
"""Stands for all code that carries numbers and does not make them."""


@dataclass(frozen=True)
class Boundary:
    """What is not followed: `modules` (with all below them) and single `names`, because they
    make no numbers or because what they make is known otherwise."""

    modules: tuple[str, ...] = ()
    names: frozenset[tuple[str, str]] = frozenset()

    def holds(self, module: str, name: str | None) -> bool:
        """Whether a definition lies beyond the boundary."""
        inside = any(module == m or module.startswith(m + ".") for m in self.modules)
        return inside or (name is not None and (module, name) in self.names)


@dataclass
class Project:
    """The modules of one project: those of `packages`, looked for under `root` first. Every file is
    parsed once as long as no file changes."""

    root: Path | None
    boundary: Boundary
    packages: frozenset[str] = frozenset({HOME})
    _modules: dict[str, Module | None] = field(default_factory=dict)
    _stamps: dict[Path, Stamp] = field(default_factory=dict)

    def read_again(self) -> tuple[frozenset[str], bool]:
        """Read files again that have changed: the names of their modules, and whether what other
        modules know of them is the same. Where it is not, every module is forgotten."""
        changed = {path for path, stamp in self._stamps.items() if stamp_of(path) != stamp}
        old = {name: m for name, m in self._modules.items() if m and m.path in changed}
        for name in old:
            del self._modules[name]
        same = all(_shape(module) == _shape(self.module(name)) for name, module in old.items())
        if not same:
            self._modules.clear()
            self._stamps.clear()
        return frozenset(old), same

    def module(self, name: str) -> Module | None:
        """A module of the project, or None where there is no such source."""
        if name not in self._modules:
            path = find_module(name, self.root)
            self._modules[name] = None
            if path is not None:
                self._stamps[path] = stamp_of(path)
                self._modules[name] = read_module(name, path, parse_source(path))
        return self._modules[name]

    def ours(self, module: str) -> bool:
        """Whether a module belongs to the project."""
        return module.split(".")[0] in self.packages

    def global_name(self, module: Module, name: str, attributes: tuple[str, ...]) -> Meaning:
        """What a name means at the top level of a module."""
        if name in module.defines:
            return Reference(module.name, name), 0
        if name in module.imports:
            return self.target(module.imports[name], attributes)
        for star in module.stars:
            inner = self.module(star) if self.ours(star) else None
            if inner is not None and (name in inner.defines or name in inner.imports):
                return self.target((star, name), attributes)
        return f"name {name}", 0

    def target(self, target: Target, attributes: tuple[str, ...]) -> Meaning:
        """What an imported name with its attributes means; followed through modules that pass it
        on."""
        used = 0
        for _ in range(50):
            module, name = target = self.child(target)
            if not self.ours(module):
                return self._library(target, attributes[used:]), len(attributes)
            if self.boundary.holds(module, name):
                return _NOT_NUMBERS, used + (name is None and used < len(attributes))
            inner = self.module(module)
            if inner is None:
                return f"missing {module}.{name or ''}", used
            if name is None:
                if used == len(attributes) or attributes[used].startswith("__"):
                    return Reference(module, None), used
                target, used = (module, attributes[used]), used + 1
            elif name in inner.defines:
                return Reference(module, name), used
            elif name in inner.imports:
                target = inner.imports[name]
            else:
                star = next((s for s in inner.stars if self.ours(s)), None)
                if star is None:
                    return Reference(module, None), max(0, used - 1)
                target = (star, name)
        return f"circle {target[0]}", used

    def _library(self, target: Target, attributes: tuple[str, ...]) -> str:
        module, name = target
        parts = [module, *([name] if name else []), *attributes]
        if module.split(".")[0] in sys.stdlib_module_names:
            return f"standard {'.'.join(parts)}"
        return f"library {'.'.join(parts)}"

    def child(self, target: Target) -> Target:
        """A name imported from a package may be a module of it."""
        module, name = target
        if name is None or not self.ours(module):
            return target
        inner = self.module(module)
        if inner is not None and (name in inner.defines or name in inner.imports):
            return target
        below = f"{module}.{name}"
        return (below, None) if self.module(below) is not None else target

    def is_model(self, module: Module, node: ast.ClassDef, depth: int = 0) -> bool:
        """Whether a class is a pydantic model, directly or through a class of the project: there
        annotations convert values."""
        for base in node.bases:
            name = ast.unparse(base).split("[")[0].split(".")
            found, _ = self.global_name(module, name[0], tuple(name[1:]))
            if isinstance(found, str):
                if found.startswith("library pydantic"):
                    return True
                continue
            inner = self.module(found.module)
            if inner is None or found.name is None or depth > 20:
                continue
            for place in inner.defines.get(found.name, []):
                base_node = inner.body[place]
                if isinstance(base_node, ast.ClassDef) and self.is_model(
                    inner, base_node, depth + 1
                ):
                    return True
        return False


@dataclass
class NamesOf:
    """What names mean in one module, and which libraries were among them."""

    project: Project
    module: Module
    libraries: set[str] = field(default_factory=set)

    def resolve(self, what: str | Target, attributes: tuple[str, ...]) -> Meaning:
        if isinstance(what, str):
            found = self.project.global_name(self.module, what, attributes)
        else:
            found = self.project.target(what, attributes)
        self.libraries |= library_of(found[0])
        return found

    def quoted(self, module: str, name: str | None) -> Reference | None:
        found, _ = self.project.target((module, name), ())
        return found if isinstance(found, Reference) else None


def _shape(module: Module | None) -> tuple[object, ...]:
    """What the names of other modules depend on: what a module defines and imports, and its
    bases."""
    if module is None:
        return ()
    bases = [
        (node.name, *(ast.unparse(base) for base in node.bases))
        for node in module.body
        if isinstance(node, ast.ClassDef)
    ]
    return (sorted(module.defines), sorted(module.imports.items()), module.stars, bases)


def library_of(piece: Piece) -> set[str]:
    """The top-level package of a name that belongs to a library."""
    if isinstance(piece, str) and piece.startswith("library "):
        return {piece.removeprefix("library ").split(".")[0]}
    return set()
