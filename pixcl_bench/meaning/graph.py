"""The meaning of code: the definitions that it reaches, as a graph of canonical forms without names
and places.

The hash of a definition is that of its canonical form, in which each reference to another
definition of the project is replaced by the hash of that one. So a change counts for all that
reach it, and a name, a file or an order of definitions for nobody. Definitions that call each
other in a circle are hashed together."""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pixcl_bench.meaning.canonical import Meaning, Piece, Reference, statements
from pixcl_bench.meaning.circles import strong_components
from pixcl_bench.meaning.modules import Module, Target, import_targets, read_module
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


@dataclass(frozen=True)
class Code:
    """The code that something reaches: its `hash` (20 hex digits), the `files` that it stands
    in, and the `libraries` (top-level packages) that it uses."""

    hash: str
    files: tuple[Path, ...]
    libraries: tuple[str, ...]


@dataclass
class _Node:
    """One definition: its canonical form and the libraries that it uses."""

    pieces: tuple[Piece, ...]
    libraries: frozenset[str]
    loads: tuple[str, ...]


@dataclass
class CodeGraph:
    """The code of one project as a graph. Every file is parsed once as long as no file changes."""

    root: Path | None
    boundary: Boundary
    packages: frozenset[str] = frozenset({HOME})
    _modules: dict[str, Module | None] = field(default_factory=dict)
    _stamps: dict[Path, Stamp] = field(default_factory=dict)
    _nodes: dict[Reference, _Node] = field(default_factory=dict)
    _hashes: dict[Reference, str] = field(default_factory=dict)
    _loaded: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _codes: dict[tuple[tuple[str, ...], ...], Code] = field(default_factory=dict)

    def refresh(self) -> None:
        """Forget what is no longer so where files that were read have changed: all of the graph
        where names came, went or point elsewhere; else the definitions of these files."""
        changed = {path for path, stamp in self._stamps.items() if stamp_of(path) != stamp}
        if not changed:
            return
        old = {name: m for name, m in self._modules.items() if m and m.path in changed}
        for name in old:
            del self._modules[name]
        same = all(_shape(module) == _shape(self.module(name)) for name, module in old.items())
        if same:
            self._nodes = {ref: n for ref, n in self._nodes.items() if ref.module not in old}
        else:
            self._modules.clear()
            self._stamps.clear()
            self._nodes.clear()
        self._hashes.clear()
        self._loaded.clear()
        self._codes.clear()

    def code(self, roots: Iterable[str], cells: Iterable[str] = ()) -> Code:
        """The code reached by `roots` (each "module:name", or "module" for all of it) and by the
        cells of a notebook."""
        self.refresh()
        key = (tuple(roots), tuple(cells))
        if key not in self._codes:
            self._codes[key] = self._read(*key)
        return self._codes[key]

    def _read(self, roots: tuple[str, ...], cells: tuple[str, ...]) -> Code:
        main, plain = self._cells(cells)
        starts = [self._start(root) for root in roots]
        reached = self._reach([start for start in starts if isinstance(start, Reference)], main)
        acts = sorted({self._hash(act) for act in reached.acts})
        parts = [start if isinstance(start, str) else self._hash(start) for start in starts]
        parts += [_digest(self._filled(main.pieces)), *plain, *acts]
        nodes = [main, *(self._node(reference) for reference in reached.definitions)]
        libraries = {name for node in nodes for name in node.libraries}
        places = {reference.module for reference in reached.definitions}
        files = sorted({module.path for name in places if (module := self.module(name))})
        return Code(_digest(parts), tuple(files), tuple(sorted(libraries)))

    def _start(self, root: str) -> Piece:
        module, _, name = root.partition(":")
        found, _ = self.target((module, name or None), ())
        return found

    def module(self, name: str) -> Module | None:
        """A module of the project, or None where there is no such source."""
        if name not in self._modules:
            path = find_module(name, self.root)
            self._modules[name] = None
            if path is not None:
                self._stamps[path] = stamp_of(path)
                self._modules[name] = read_module(name, path, parse_source(path))
        return self._modules[name]

    # Reaching

    def _reach(self, starts: list[Reference], main: _Node) -> "_Reached":
        reached = _Reached()
        queue = [*starts, *_references(main.pieces)]
        for name in main.loads:
            self._load(name, reached, queue)
        while queue:
            reference = queue.pop()
            if reference in reached.definitions:
                continue
            reached.definitions.add(reference)
            node = self._node(reference)
            queue += _references(node.pieces)
            for name in (reference.module, *node.loads):
                self._load(name, reached, queue)
        return reached

    def _load(self, name: str, reached: "_Reached", queue: list[Reference]) -> None:
        """Count what happens when a module is imported: in it, in the packages above it, and in
        what it imports."""
        if name in reached.asked:
            return
        reached.asked.add(name)
        stack = [name]
        while stack:
            parts = stack.pop().split(".")
            for part in (".".join(parts[:end]) for end in range(1, len(parts) + 1)):
                if (
                    part in reached.loaded
                    or not self._ours(part)
                    or self.boundary.holds(part, None)
                ):
                    continue
                module = self.module(part)
                if module is None:
                    continue
                reached.loaded.add(part)
                stack += self._loads(module)
                acts = [Reference(part, f"#{index}") for index in module.acts]
                reached.acts |= set(acts)
                queue += acts

    def _loads(self, module: Module) -> tuple[str, ...]:
        """The modules that a module imports, also those that it takes out of a package by name."""
        if module.name not in self._loaded:
            taken = (self._child(target) for target in module.imports.values())
            inner = [place for place, name in taken if name is None]
            self._loaded[module.name] = (*module.loads, *inner)
        return self._loaded[module.name]

    # Hashes

    def _hash(self, reference: Reference) -> str:
        if reference not in self._hashes:
            for circle in strong_components(reference, self._inner_references, self._hashes):
                self._hash_circle(circle)
        return self._hashes[reference]

    def _inner_references(self, reference: Reference) -> list[Reference]:
        return list(dict.fromkeys(_references(self._node(reference).pieces)))

    def _hash_circle(self, circle: list[Reference]) -> None:
        """Definitions that reach each other: as many rounds as there are definitions tell all
        apart that differ, whatever their names are."""
        alone = len(circle) == 1 and circle[0] not in self._inner_references(circle[0])
        hashes = dict.fromkeys(circle, "circle")
        for _ in range(1 if alone else len(circle) + 1):
            known: Mapping[Reference, str] = {**{ref: hashes[ref] for ref in circle}}
            hashes = {ref: _digest(self._filled(self._node(ref).pieces, known)) for ref in circle}
        self._hashes.update(hashes)

    def _filled(
        self, pieces: Iterable[Piece], known: Mapping[Reference, str] | None = None
    ) -> Iterator[str]:
        for piece in pieces:
            if isinstance(piece, str):
                yield piece
            elif known and piece in known:
                yield known[piece]
            else:
                yield self._hash(piece)

    # Definitions

    def _node(self, reference: Reference) -> _Node:
        if reference not in self._nodes:
            module = self.module(reference.module)
            assert module is not None, reference
            if reference.name is None:
                self._nodes[reference] = self._whole(module)
            else:
                self._nodes[reference] = self._definition(module, reference.name)
        return self._nodes[reference]

    def _definition(self, module: Module, name: str) -> _Node:
        places = [int(name[1:])] if name.startswith("#") else module.defines[name]
        return self._written(module, [module.body[place] for place in places], name)

    def _whole(self, module: Module) -> _Node:
        """All of a module: its names count, since it is unknown which are used."""
        pieces: list[Piece] = ["module"]
        libraries: set[str] = set()
        for name in sorted(module.defines):
            pieces += [f" {name}=", Reference(module.name, name)]
        for name, target in sorted(module.imports.items()):
            found, _ = self.target(target, ())
            pieces += [f" {name}=", found]
            libraries |= _library_of(found)
        pieces += [Reference(module.name, f"#{index}") for index in module.acts]
        pieces += [
            Reference(star, None) for star in module.stars if self._ours(star) and self.module(star)
        ]
        return _Node(tuple(pieces), frozenset(libraries), ())

    def _written(
        self, module: Module, body: list[ast.stmt], name: str | None, with_scope: bool = False
    ) -> _Node:
        names = _Names(self, module)
        pieces = statements(
            body,
            names,
            module.package,
            binds=name,
            with_scope=with_scope,
            typed=lambda node: self._is_model(module, node),
        )
        whole: Piece = "all cells" if with_scope else Reference(module.name, None)
        here = tuple(whole if piece == Reference("", None) else piece for piece in pieces)
        loads = tuple(
            target[0]
            for node in body
            for inner in ast.walk(node)
            if isinstance(inner, ast.Import | ast.ImportFrom)
            for _, target in import_targets(inner, module.package)
        )
        return _Node(here, frozenset(names.libraries), loads)

    def _cells(self, cells: Iterable[str]) -> tuple[_Node, list[str]]:
        """The cells of a notebook as one definition, and the text of those with magics."""
        body: list[ast.stmt] = []
        plain: list[str] = []
        for cell in cells:
            try:
                body += ast.parse(cell).body
            except SyntaxError:
                lines = (line.rstrip() for line in cell.splitlines())
                plain += [
                    line for line in lines if line.strip() and not line.strip().startswith("#")
                ]
        module = Module("__notebook__", Path("notebook.py"))
        return self._written(module, body, None, with_scope=True), plain

    def _is_model(self, module: Module, node: ast.ClassDef, depth: int = 0) -> bool:
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
                if isinstance(base_node, ast.ClassDef) and self._is_model(
                    inner, base_node, depth + 1
                ):
                    return True
        return False

    # Names

    def _ours(self, module: str) -> bool:
        return module.split(".")[0] in self.packages

    def global_name(self, module: Module, name: str, attributes: tuple[str, ...]) -> Meaning:
        """What a name means at the top level of a module."""
        if name in module.defines:
            return Reference(module.name, name), 0
        if name in module.imports:
            return self.target(module.imports[name], attributes)
        for star in module.stars:
            inner = self.module(star) if self._ours(star) else None
            if inner is not None and (name in inner.defines or name in inner.imports):
                return self.target((star, name), attributes)
        return f"name {name}", 0

    def target(self, target: Target, attributes: tuple[str, ...]) -> Meaning:
        """What an imported name with its attributes means; followed through modules that pass it
        on."""
        used = 0
        for _ in range(50):
            module, name = target = self._child(target)
            if not self._ours(module):
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
                star = next((s for s in inner.stars if self._ours(s)), None)
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

    def _child(self, target: Target) -> Target:
        """A name imported from a package may be a module of it."""
        module, name = target
        if name is None or not self._ours(module):
            return target
        inner = self.module(module)
        if inner is not None and (name in inner.defines or name in inner.imports):
            return target
        below = f"{module}.{name}"
        return (below, None) if self.module(below) is not None else target


@dataclass
class _Names:
    """What names mean in one module, and which libraries were among them."""

    graph: CodeGraph
    module: Module
    libraries: set[str] = field(default_factory=set)

    def resolve(self, what: str | Target, attributes: tuple[str, ...]) -> Meaning:
        if isinstance(what, str):
            found = self.graph.global_name(self.module, what, attributes)
        else:
            found = self.graph.target(what, attributes)
        self.libraries |= _library_of(found[0])
        return found

    def quoted(self, module: str, name: str | None) -> Reference | None:
        found, _ = self.graph.target((module, name), ())
        return found if isinstance(found, Reference) else None


@dataclass
class _Reached:
    definitions: set[Reference] = field(default_factory=set)
    loaded: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    acts: set[Reference] = field(default_factory=set)


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


def _library_of(piece: Piece) -> set[str]:
    """The top-level package of a name that belongs to a library."""
    if isinstance(piece, str) and piece.startswith("library "):
        return {piece.removeprefix("library ").split(".")[0]}
    return set()


def _references(pieces: Iterable[Piece]) -> Iterator[Reference]:
    for piece in pieces:
        if isinstance(piece, Reference):
            yield piece


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:20]


@lru_cache(maxsize=32)
def code_graph(
    root: Path | None, boundary: Boundary, packages: frozenset[str] = frozenset({HOME})
) -> CodeGraph:
    """The graph of a project, one for a process."""
    return CodeGraph(root, boundary, packages)
