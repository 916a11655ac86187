"""Which learners a task takes, read from source: what a builder says that it returns is followed to
its class and on to its base classes. Nothing is imported.

Each task names its `contract` in its entry: one class, or several, of which a learner has to be.
Every class that some task names is a kind of learner. A learner is of the kind that is nearest
among its base classes: a `Segmenter` is a `Learner` too, but a task of learners does not take
it."""

import ast
import builtins
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pixcl_bench.bench.config.schema import Task
from pixcl_bench.bench.config.signature import Fault, builder_source
from pixcl_bench.bench.config.source import find_module, sibling_modules, top_level_names
from pixcl_bench.bench.errors import nearest
from pixcl_bench.meaning.canonical import Reference
from pixcl_bench.meaning.graph import HOME, Boundary, CodeGraph, code_graph
from pixcl_bench.meaning.modules import Module

_DEEPEST = 20
_PLAIN_LIBRARIES = ("torch", "numpy")
"""Libraries whose classes are no learners."""


@dataclass(frozen=True)
class Contracts:
    """The contracts of the tasks of a project with the folder `root`."""

    root: Path
    tasks: Mapping[str, Task]

    def fault(self, task: str, learner: str) -> Fault | None:
        """What is wrong with `module:builder` as a learner of the task; None where it fits, and
        where it cannot be told: there is no annotation, or it leads out of the project."""
        wanted = self.tasks[task].contract
        built = self._built(learner) if wanted else []
        if not built or any(kind is None or self._takes(task, kind) for _, kind in built):
            return None
        name, kind = built[0]
        need = " or ".join(map(_class_name, wanted))
        what = f"a {kind}" if kind else "no learner that a task takes"
        message = f"learner: {learner} builds {name}, {what}; the task {task} needs a {need}"
        if kind == name:
            message = f"learner: {learner} builds {name}; the task {task} needs a {need}"
        others = [other for other in self.tasks if kind and self._takes(other, kind)]
        taken = f"a {kind} is taken by: {', '.join(others)}" if others else ""
        return Fault(None, message, taken or f"derive {name} from {need}")

    def faults(self, task: str) -> Iterator[tuple[int, str, str]]:
        """What is wrong with the contract itself: its position in the list, a message, a hint."""
        for i, spec in enumerate(self.tasks[task].contract):
            module, _, name = spec.partition(":")
            path = find_module(module, self.root)
            if path is None:
                hint = nearest(module, sibling_modules(module, self.root))
                yield i, f"module {module!r} does not exist", hint
            elif self._class(spec) is None:
                tree = ast.Module(self._graph(module)[1].body, [])
                hint = nearest(name, top_level_names(tree))
                yield i, f"module {module!r} has no class {name!r}", hint

    def _takes(self, task: str, kind: str) -> bool:
        return kind in map(_class_name, self.tasks[task].contract)

    @cached_property
    def _kinds(self) -> dict[Reference, str]:
        """The classes that some task names, and how messages call them."""
        specs = dict.fromkeys(spec for task in self.tasks.values() for spec in task.contract)
        return {found: _class_name(spec) for spec in specs if (found := self._class(spec))}

    @cached_property
    def _packages(self) -> frozenset[str]:
        """The top-level packages and modules of the project: what lies beside the file."""
        beside = [path for path in self.root.iterdir() if path.suffix == ".py" or path.is_dir()]
        return frozenset({HOME, *(path.stem for path in beside if path.stem.isidentifier())})

    def _graph(self, name: str) -> tuple[CodeGraph, Module]:
        """A graph in which the module `name` belongs to the project, and that module."""
        packages = self._packages | {name.partition(".")[0]}
        graph = code_graph(self.root, Boundary(), packages)
        graph.refresh()
        module = graph.module(name)
        assert module is not None, name
        return graph, module

    def _class(self, spec: str) -> Reference | None:
        """The class `module:Class` where it is defined."""
        name, _, attribute = spec.partition(":")
        if find_module(name, self.root) is None or not attribute.isidentifier():
            return None
        try:
            graph, module = self._graph(name)
            found = _Names(graph).classes(module, ast.Name(attribute))
        except SyntaxError:
            return None
        return found[0] if found else None

    def _built(self, learner: str) -> "list[tuple[str, str | None]]":
        """The classes that a builder may return, each with its kind: "" for no kind at all, None
        where that is not known. Empty where nothing is known of what it returns."""
        found = builder_source(learner, self.root)
        if isinstance(found, Fault) or found[0].returns is None:
            return []
        try:
            graph, module = self._graph(found[1].module)
            names = _Names(graph)
            classes = names.classes(module, found[0].returns)
            if None in classes:
                return []
            return [(str(c.name), names.kind(c, self._kinds)) for c in classes if c]
        except SyntaxError:
            return []


def _class_name(spec: str) -> str:
    return spec.rpartition(":")[2]


@dataclass(frozen=True)
class _Names:
    """What annotations and base classes mean, by name."""

    graph: CodeGraph

    def classes(
        self, module: Module, node: ast.expr, depth: int = _DEEPEST
    ) -> list[Reference | None]:
        """The classes that an annotation stands for; None for one that cannot be followed."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node = ast.parse(node.value, mode="eval").body
        if isinstance(node, ast.BinOp):
            parts: list[ast.expr] = [node.left, node.right]
        elif isinstance(node, ast.Subscript):
            parts = _inside(node)
        elif isinstance(node, ast.Constant) and node.value is None:
            return []
        else:
            return [self._class(module, node, depth)]
        return [found for part in parts for found in self.classes(module, part, depth)]

    def _class(self, module: Module, node: ast.expr, depth: int) -> Reference | None:
        found = self._meaning(module, node)
        if not isinstance(found, Reference) or depth <= 0:
            return None
        place, definition = self._definition(found)
        if isinstance(definition, ast.ClassDef):
            return found
        if isinstance(definition, ast.Assign | ast.AnnAssign) and definition.value and place:
            known = self.classes(place, definition.value, depth - 1)
            return known[0] if len(known) == 1 else None
        return None

    def kind(self, start: Reference, kinds: Mapping[Reference, str]) -> str | None:
        """The kind that is nearest among a class and its bases, level by level; "" where there is
        none, None where a base cannot be followed."""
        level, known = [start], True
        for _ in range(_DEEPEST):
            for reference in level:
                if reference in kinds:
                    return kinds[reference]
            bases = [base for reference in level for base in self._bases(reference)]
            known = known and None not in bases
            level = [base for base in bases if isinstance(base, Reference)]
        return "" if known else None

    def _bases(self, reference: Reference) -> Iterator[Reference | None]:
        """The base classes that belong to the project; None for one that may be anything."""
        module, definition = self._definition(reference)
        if module is None or not isinstance(definition, ast.ClassDef):
            return
        for base in definition.bases:
            node = base.value if isinstance(base, ast.Subscript) else base
            if not _is_plain(self._meaning(module, node)):
                yield self._class(module, node, _DEEPEST)

    def _meaning(self, module: Module, node: ast.expr) -> Reference | str:
        """What a name, perhaps with attributes, stands for; a text where it is none of the
        project's definitions."""
        parts = _dotted(node)
        if not parts:
            return "unknown"
        found, used = self.graph.global_name(module, parts[0], tuple(parts[1:]))
        if not isinstance(found, Reference):
            return str(found)
        whole = found.name is not None and used == len(parts) - 1
        return found if whole else "unknown"

    def _definition(self, reference: Reference) -> tuple[Module | None, ast.stmt | None]:
        module = self.graph.module(reference.module)
        if module is None or reference.name not in module.defines:
            return None, None
        return module, module.body[module.defines[reference.name][-1]]


def _inside(node: ast.Subscript) -> list[ast.expr]:
    """The annotations that a subscripted one stands for: those inside `Optional`, `Union` and
    `Annotated`, else what is subscripted."""
    head = (_dotted(node.value) or [""])[-1]
    inner = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if head in ("Optional", "Union"):
        return inner
    return inner[:1] if head == "Annotated" else [node.value]


def _dotted(node: ast.expr) -> list[str]:
    """The parts of a dotted name; empty for any other expression."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


def _is_plain(meaning: object) -> bool:
    """Whether a base class is surely no learner: of the standard library, of torch, built in."""
    if not isinstance(meaning, str):
        return False
    kind, _, rest = meaning.partition(" ")
    if kind == "library":
        return rest.partition(".")[0] in _PLAIN_LIBRARIES
    return kind == "standard" or (kind == "name" and hasattr(builtins, rest))
