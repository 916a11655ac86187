"""The meaning of code: the definitions that it reaches, as a graph of canonical forms without names
and places.

The hash of a definition is that of its canonical form, in which each reference to another
definition of the project is replaced by the hash of that one. So a change counts for all that
reach it, and a name, a file or an order of definitions for nobody. Definitions that call each
other in a circle are hashed together."""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pixcl_bench.meaning.canonical import Piece, Reference, statements
from pixcl_bench.meaning.circles import strong_components
from pixcl_bench.meaning.modules import Module, import_targets
from pixcl_bench.meaning.project import HOME, Boundary, NamesOf, Project, library_of
from pixcl_bench.meaning.shelf import Shelf


@dataclass(frozen=True)
class Code:
    """The code that something reaches: its `hash` (20 hex digits), the `files` that it stands
    in, the `libraries` (top-level packages) that it uses, and of each of its `definitions` a hash
    of what stands in it alone, without what it calls."""

    hash: str
    files: tuple[Path, ...]
    libraries: tuple[str, ...]
    definitions: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


@dataclass
class _Node:
    """One definition: its canonical form and the libraries that it uses."""

    pieces: tuple[Piece, ...]
    libraries: frozenset[str]
    loads: tuple[str, ...]


@dataclass
class CodeGraph(Project):
    """The code of one project as a graph. Every file is parsed once as long as no file changes."""

    _nodes: dict[Reference, _Node] = field(default_factory=dict)
    _hashes: dict[Reference, str] = field(default_factory=dict)
    _loaded: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _codes: dict[tuple[tuple[str, ...], ...], Code] = field(default_factory=dict)
    shelf: Shelf | None = None
    """Where codes are kept from one process to the next."""

    def refresh(self) -> None:
        """Forget what is no longer so where files that were read have changed: all of the graph
        where names came, went or point elsewhere; else the definitions of these files."""
        if self.shelf is not None and not self.shelf.changed():
            return
        changed, same = self.read_again()
        if self.shelf is not None:
            self._codes.clear()
        if not changed:
            return
        if same:
            self._nodes = {ref: n for ref, n in self._nodes.items() if ref.module not in changed}
        else:
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
            kept = self.shelf.get(key) if self.shelf else None
            self._codes[key] = Code(*kept) if kept else self._read(*key)
            if self.shelf and not kept:
                code = self._codes[key]
                self.shelf.put(key, (code.hash, code.files, code.libraries, code.definitions))
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
        definitions = self._alone(main, reached.definitions)
        return Code(_digest(parts), tuple(files), tuple(sorted(libraries)), definitions)

    def _alone(self, main: _Node, reached: Iterable[Reference]) -> dict[str, str]:
        """A hash of each definition in which those that it refers to are named, not hashed; what
        a module does when it is imported is one of them."""
        parts: dict[str, list[str]] = {"notebook": list(_named(main.pieces))} if main.pieces else {}
        for ref in sorted(reached, key=lambda ref: (ref.module, ref.name or "")):
            act = ref.name is None or ref.name.startswith("#")
            name = f"{ref.module} (top level)" if act else f"{ref.module}.{ref.name}"
            parts.setdefault(name, []).extend(_named(self._node(ref).pieces))
        return {name: _digest(pieces)[:10] for name, pieces in parts.items()}

    def _start(self, root: str) -> Piece:
        module, _, name = root.partition(":")
        found, _ = self.target((module, name or None), ())
        return found

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
                if part in reached.loaded or not self.ours(part) or self.boundary.holds(part, None):
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
            taken = (self.child(target) for target in module.imports.values())
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
            libraries |= library_of(found)
        pieces += [Reference(module.name, f"#{index}") for index in module.acts]
        pieces += [
            Reference(star, None) for star in module.stars if self.ours(star) and self.module(star)
        ]
        return _Node(tuple(pieces), frozenset(libraries), ())

    def _written(
        self, module: Module, body: list[ast.stmt], name: str | None, with_scope: bool = False
    ) -> _Node:
        names = NamesOf(self, module)
        pieces = statements(
            body,
            names,
            module.package,
            binds=name,
            with_scope=with_scope,
            typed=lambda node: self.is_model(module, node),
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


@dataclass
class _Reached:
    definitions: set[Reference] = field(default_factory=set)
    loaded: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    acts: set[Reference] = field(default_factory=set)


def _references(pieces: Iterable[Piece]) -> Iterator[Reference]:
    for piece in pieces:
        if isinstance(piece, Reference):
            yield piece


def _named(pieces: Iterable[Piece]) -> Iterator[str]:
    for piece in pieces:
        yield piece if isinstance(piece, str) else f"{piece.module}.{piece.name or ''}"


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:20]


@lru_cache(maxsize=32)
def code_graph(
    root: Path | None,
    boundary: Boundary,
    packages: frozenset[str] = frozenset({HOME}),
    shelves: Path | None = None,
) -> CodeGraph:
    """The graph of a project, one for a process. `shelves`: a folder in which what was found is
    kept for other processes."""
    limits = f"{sorted(boundary.modules)} {sorted(boundary.names)}"
    shelf = Shelf(shelves, root, packages, limits) if shelves else None
    return CodeGraph(root, boundary, packages, shelf=shelf)
