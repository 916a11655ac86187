"""Which code a run reaches: the definitions that its method, its task and its notebook use, followed through
their imports.

A definition nothing uses can change without touching a key, so that a module shared by many tasks can grow.
What cannot be followed by name (a decorator of the project, a call on import, `globals()`, a module passed
around) is counted whole."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pixcl_bench.bench.notebook import numbers_code
from pixcl_bench.bench.source import find_module, parse_source
from pixcl_bench.bench.units import Target, Units, canonical, split

_HOME = "pixcl_bench"
_BESIDE = tuple(f"{_HOME}.{name}" for name in ("bench", "report", "cli", "app"))
"""Machinery that carries numbers and does not make them."""
_BY_FINGERPRINT = tuple(
    f"{_HOME}.data.{name}"
    for name in (
        *("catalogue", "entries", "volume_entries", "anatomy_entries", "fetch", "fingerprint", "info"),
        *("landcover", "digits", "canonical", "medical", "phantom", "cardiac", "atrium", "anatomy"),
        *("landmark_entries", "drawn_entries", "radiograph_entries", "drawing", "cephalogram", "hand"),
        *("projections", "correspondences", "radiographs"),
        *("pixel_entries", "drawn_pixel_entries", "remote_entries", "list_entries"),
        *("landcover_pixels", "anatomy_slices", "fundus", "vessel_trees", "aerial", "aerial_canvas"),
        *("remote_sensing", "tiles", "neutral", "ld_lists", "fundus_files", "chest_files"),
    )
)
"""What these make is in the fingerprint of the data set."""
_BY_SETTINGS = (f"{_HOME}.tasks.settings",)
"""What these make is in the resolved settings."""
_PROVENANCE = {(f"{_HOME}.runtime", "environment")}
"""Describes the machine; no number depends on it."""
_OUTSIDE = (*_BESIDE, *_BY_FINGERPRINT, *_BY_SETTINGS)
_WHOLE = {"globals", "vars", "locals"}


@dataclass(frozen=True)
class Code:
    """The code that a run reaches: its `hash`, the files it lies in, and their stamps when it was read."""

    hash: str
    files: tuple[Path, ...]
    stamps: tuple[tuple[int, int], ...]

    def current(self) -> bool:
        """Whether no file has changed since."""
        return all(_stamp(path) == stamp for path, stamp in zip(self.files, self.stamps, strict=True))


@dataclass
class CodeReader:
    """Reads the code of one project; every file is parsed once as long as it does not change."""

    root: Path
    units: dict[str, tuple[tuple[int, int], Units]] = field(default_factory=dict)
    texts: dict[tuple[str, tuple[int, int], int], str] = field(default_factory=dict)
    codes: dict[tuple[str, str, str], Code] = field(default_factory=dict)

    def code(self, learner: str, task_code: str, notebook: str) -> Code:
        """The code reached by a learner `module:builder`, the module of its task and its notebook (relative
        to the root)."""
        key = (learner, task_code, notebook)
        if key not in self.codes or not self.codes[key].current():
            self.codes[key] = self._read(*key)
        return self.codes[key]

    def _read(self, learner: str, task_code: str, notebook: str) -> Code:
        module, _, builder = learner.partition(":")
        walk = _Walk(self, {_HOME, module.split(".")[0], task_code.split(".")[0]})
        walk.reach((module, builder))
        walk.reach((task_code, None))
        path = self.root / notebook
        cells = [notebook_cell(source) for source in numbers_code(path)]
        walk.cells([tree for _, tree in cells if tree])
        digest = hashlib.sha256()
        for name in sorted(walk.taken):
            digest.update(f"\n{name}\n".encode())
            for index in sorted(walk.taken[name]):
                digest.update(self.text(name, index).encode() + b"\n")
        digest.update("\n".join(["", *(text for text, _ in cells if text)]).encode())
        files = (*sorted({self.units[name][1].path for name, taken in walk.taken.items() if taken}), path)
        return Code(digest.hexdigest()[:20], files, tuple(_stamp(file) for file in files))

    def module(self, name: str) -> Units | None:
        """The units of a module of the project, or None where there is no such source."""
        path = find_module(name, self.root)
        if path is None:
            return None
        stamp = _stamp(path)
        if name not in self.units or self.units[name][0] != stamp:
            self.units[name] = (stamp, split(name, path, parse_source(path)))
        return self.units[name][1]

    def text(self, name: str, index: int) -> str:
        """The canonical text of a statement of a module."""
        stamp, units = self.units[name]
        if (name, stamp, index) not in self.texts:
            self.texts[name, stamp, index] = canonical(units.body[index])
        return self.texts[name, stamp, index]


@lru_cache(maxsize=32)
def code_reader(root: Path) -> CodeReader:
    """The reader of a project, one for a process."""
    return CodeReader(root)


def notebook_cell(source: str) -> tuple[str, ast.Module | None]:
    """The canonical text of a cell and its syntax tree; lines without comments and blanks where it has
    magics."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        lines = [line.rstrip() for line in source.splitlines()]
        return "\n".join(line for line in lines if line.strip() and not line.strip().startswith("#")), None
    return (canonical(tree.body) if tree.body else ""), tree


class _Walk:
    """One traversal. `taken`: for each module, the positions of its statements that are reached."""

    def __init__(self, reader: CodeReader, packages: set[str]):
        self.reader = reader
        self.packages = packages
        self.taken: dict[str, set[int]] = {}
        self.done: set[Target] = set()

    def _ours(self, module: str) -> bool:
        if module.split(".")[0] not in self.packages:
            return False
        return not any(module == name or module.startswith(name + ".") for name in _OUTSIDE)

    def cells(self, trees: list[ast.Module]) -> None:
        """Reach what the cells of a notebook use."""
        units = split(
            "__notebook__",
            Path("notebook.py"),
            ast.Module([node for tree in trees for node in tree.body], []),
        )
        for module in units.loads:
            self.load(module)
        for index in range(len(units.body)):
            for target in self._targets(units, index):
                self.reach(target)

    def reach(self, target: Target) -> None:
        """Reach a name of a module, or the whole module."""
        queue = [target]
        while queue:
            module, name = queue.pop()
            if (module, name) in self.done or not self._ours(module) or (module, name) in _PROVENANCE:
                continue
            self.done.add((module, name))
            self.load(module)
            units = self.reader.module(module)
            if units is None:
                continue
            queue += self._follow(units, name)

    def _follow(self, units: Units, name: str | None) -> Iterator[Target]:
        if name is None:
            yield from ((star, None) for star in units.stars)
            yield from self._take(units, range(len(units.body)))
        elif name in units.defines:
            yield from self._take(units, units.defines[name])
        elif name in units.imports:
            yield self._child(units.imports[name])
        elif self.reader.module(f"{units.module}.{name}") is not None:
            yield (f"{units.module}.{name}", None)
        else:
            yield (units.module, None)

    def _child(self, target: Target) -> Target:
        """A name imported from a package may be a module of it."""
        module, name = target
        if name is not None and self._ours(module) and self.reader.module(f"{module}.{name}") is not None:
            units = self.reader.module(module)
            if units is None or (name not in units.defines and name not in units.imports):
                return (f"{module}.{name}", None)
        return target

    def load(self, module: str) -> None:
        """Count what happens when a module is imported: in it, in the packages above it, and in what it
        imports."""
        parts = module.split(".")
        for name in (".".join(parts[:end]) for end in range(1, len(parts) + 1)):
            if name in self.taken or not self._ours(name):
                continue
            units = self.reader.module(name)
            if units is None:
                continue
            self.taken[name] = set()
            for inner in units.loads:
                self.load(inner)
            for local in units.imports.values():
                child = self._child(local)
                if child[1] is None:
                    self.load(child[0])
            for target in self._take(units, units.acts):
                self.reach(target)

    def _take(self, units: Units, indices: Iterable[int]) -> Iterator[Target]:
        for index in indices:
            node = units.body[index]
            if index not in self.taken[units.module] and not isinstance(node, ast.Import | ast.ImportFrom):
                self.taken[units.module].add(index)
                yield from self._targets(units, index)

    def _targets(self, units: Units, index: int) -> Iterator[Target]:
        mentioned = units.mentions(index)
        local = units.imports
        if mentioned.imports:
            local = {**local, **dict(mentioned.imports)}
            for name, target in mentioned.imports:
                self.load(target[0])
                if name == "*":
                    yield (target[0], None)
        for name, attributes in mentioned.names:
            yield from self._named(name, attributes, local, units)
        for text in mentioned.texts:
            yield from self._quoted(text)

    def _named(
        self, name: str, attributes: tuple[str, ...], local: dict[str, Target], units: Units
    ) -> Iterator[Target]:
        if name in _WHOLE:
            yield (units.module, None)
        if name in local:
            module, inner = self._child(local[name])
            while inner is None and attributes and self._ours(module):
                module, inner = self._child((module, attributes[0]))
                attributes = attributes[1:]
            yield (module, inner)
        elif name in units.defines:
            yield (units.module, name)

    def _quoted(self, text: str) -> Iterator[Target]:
        """Text that names code, like "package.module:function" or "package.module"."""
        module, _, name = text.partition(":")
        if "." in module and self._ours(module) and self.reader.module(module) is not None:
            yield (module, name or None)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)
