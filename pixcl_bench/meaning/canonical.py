"""The canonical form of code: what is left when all that changes no result is taken away.

Docstrings, comments, annotations, names of local variables, texts of errors, warnings and
prints, and the way in which something was imported do not count. A name defined elsewhere in the
project becomes a reference, so that neither the name nor the file that it stands in counts.
Names that can be used from outside do count: parameters, attributes, methods."""

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pixcl_bench.meaning.modules import (
    DEFINITIONS,
    QUIET_DECORATORS,
    Target,
    is_idle_test,
    is_text,
    last_name,
)
from pixcl_bench.meaning.scopes import (
    Scopes,
    comprehension_scope,
    function_scope,
    parameters,
    statements_scope,
)


@dataclass(frozen=True)
class Reference:
    """A definition of the project (module and name), or a whole module (name None)."""

    module: str
    name: str | None


Piece = str | Reference
Meaning = tuple[Piece, int]
"""What a name with some attributes stands for, and how many of the attributes belong to it."""


@runtime_checkable
class Names(Protocol):
    """Says what names stand for."""

    def resolve(self, what: str | Target, attributes: tuple[str, ...]) -> Meaning:
        """A global name, or the target of a local import, with the attributes taken of it."""

    def quoted(self, module: str, name: str | None) -> Reference | None:
        """The definition that a text like "package.module:name" names, or None."""


_SKIPPED = frozenset(
    {"ctx", "kind", "type_comment", "type_ignores", "type_params", "returns", "annotation"}
)
_LOGS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
_WHOLE = frozenset({"globals", "locals", "exec", "eval"})


def statements(
    body: Sequence[ast.stmt],
    names: Names,
    package: str,
    *,
    binds: str | None = None,
    with_scope: bool = False,
    typed: Callable[[ast.ClassDef], bool] = lambda node: False,
) -> tuple[Piece, ...]:
    """The canonical form of statements as text and references.

    binds: the global name whose definition they are; only its own place in them counts.
    with_scope: the names that they bind are local (the cells of a notebook). typed: whether the
    annotations of a class count."""
    writer = _Writer(names, package, binds, typed)
    if with_scope:
        writer.scopes.stack.append(statements_scope(body, package))
    writer.body(body)
    return tuple(_joined(writer.out))


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Texts that follow each other as one."""
    text: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            text.append(piece)
            continue
        if text:
            yield "".join(text)
            text = []
        yield piece
    if text:
        yield "".join(text)


class _Writer:
    def __init__(
        self, names: Names, package: str, binds: str | None, typed: Callable[[ast.ClassDef], bool]
    ):
        self.names = names
        self.package = package
        self.binds = binds
        self.typed = typed
        self.scopes = Scopes()
        self.out: list[Piece] = []
        self.quiet = 0

    def body(self, nodes: Iterable[object]) -> None:
        self.out.append("[")
        for node in nodes:
            if not isinstance(node, ast.Pass) and not is_text(node):
                self.node(node)
        self.out.append("]")

    def node(self, node: object) -> None:
        """Write a node of the syntax tree, a list of nodes or a constant of the grammar."""
        if isinstance(node, list):
            self.body(node)
        elif isinstance(node, ast.AST):
            special = getattr(self, f"on_{type(node).__name__}", None)
            if special is None:
                self.plain(node)
            else:
                special(node)
        else:
            self.out.append(repr(node))

    def plain(self, node: ast.AST, skip: Iterable[str] = ()) -> None:
        self.out.append(f"({type(node).__name__}")
        for name in node._fields:
            value = getattr(node, name, None)
            if name in _SKIPPED or name in skip or value is None or value == []:
                continue
            self.out.append(f" {name}=")
            self.node(value)
        self.out.append(")")

    # Names

    def on_Name(self, node: ast.Name) -> None:
        self.named(node.id, (), isinstance(node.ctx, ast.Store))

    def on_Attribute(self, node: ast.Attribute) -> None:
        attributes, place = [node.attr], node.value
        while isinstance(place, ast.Attribute):
            attributes.insert(0, place.attr)
            place = place.value
        if isinstance(place, ast.Name):
            self.named(place.id, tuple(attributes))
        else:
            self.out.append("(of ")
            self.node(place)
            self.out.append(f" {'.'.join(attributes)})")

    def named(self, name: str, attributes: tuple[str, ...], store: bool = False) -> None:
        found = self.scopes.find(name)
        if isinstance(found, str):
            piece: Piece = found
            used = 0
        elif found is None and not self.scopes.stack and store:
            piece, used = ("itself" if name == self.binds else "another"), 0
        else:
            piece, used = self.names.resolve(found or name, attributes)
        self.out += ["<", piece, *(f".{name}" for name in attributes[used:]), ">"]
        if name in _WHOLE and found is None:
            self.out.append(Reference("", None))

    def on_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        return

    on_Nonlocal = on_Global

    # Imports leave no trace: what they bind is known where it is used

    def on_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        return

    on_ImportFrom = on_Import

    # Texts for people

    @contextmanager
    def silence(self) -> Iterator[None]:
        self.quiet += 1
        try:
            yield
        finally:
            self.quiet -= 1

    def on_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if self.quiet and isinstance(value, str):
            self.out.append("(text)")
        elif isinstance(value, str) and 2 < len(value) < 200 and "." in value:
            self.out += ["(Constant ", *self.quoted(value), ")"]
        else:
            self.out.append(f"(Constant {value!r})")

    def quoted(self, value: str) -> list[Piece]:
        """A text that names code, like "package.module:function", is a reference to it."""
        module, colon, name = value.partition(":")
        if all(part.isidentifier() for part in module.split(".")) and (
            not colon or name.isidentifier()
        ):
            found = self.names.quoted(module, name or None)
            if found is not None:
                return [found]
        return [repr(value)]

    def on_JoinedStr(self, node: ast.JoinedStr) -> None:
        if self.quiet:
            self.out.append("(text)")
        else:
            self.plain(node)

    def on_Raise(self, node: ast.Raise) -> None:
        with self.silence():
            self.plain(node)

    def on_Assert(self, node: ast.Assert) -> None:
        self.plain(node, skip=("msg",))

    def on_Call(self, node: ast.Call) -> None:
        if _speaks(node.func):
            with self.silence():
                self.plain(node)
        else:
            self.plain(node)

    # Annotations

    def on_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.out.append("(Assign targets=[")
            self.node(node.target)
            self.out.append("] value=")
            self.node(node.value)
            self.out.append(")")

    def field_of_class(self, node: ast.AnnAssign, typed: bool) -> None:
        """An annotated name in the body of a class: a field of a dataclass, so its place counts."""
        marks = [
            mark for mark in ("ClassVar", "InitVar", "KW_ONLY") if _mentions(node.annotation, mark)
        ]
        self.out.append(f"(field {ast.unparse(node.target)} {' '.join(marks)}")
        if typed:
            self.node(node.annotation)
        if node.value is not None:
            self.out.append(" = ")
            self.node(node.value)
        self.out.append(")")

    # Scopes

    def on_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.function(node, method=False)

    on_AsyncFunctionDef = on_FunctionDef

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, method: bool) -> None:
        """A function. The name of a method counts; that of another function is a name like any
        other."""
        kind = type(node).__name__
        self.out.append(f"({kind} {node.name if method else ''}")
        if not method and self.scopes.stack:
            self.named(node.name, (), store=True)
        self.node(node.decorator_list)
        typed = any(last_name(mark) not in QUIET_DECORATORS for mark in node.decorator_list)
        self.signature(node, typed)
        self.scopes.stack.append(function_scope(node, self.package))
        self.body(node.body)
        self.scopes.stack.pop()
        self.out.append(")")

    def on_Lambda(self, node: ast.Lambda) -> None:
        self.out.append("(Lambda")
        self.signature(node, typed=False)
        self.scopes.stack.append(function_scope(node, self.package))
        for arg in parameters(node.args):
            self.named(arg.arg, ())
        self.node(node.body)
        self.scopes.stack.pop()
        self.out.append(")")

    def signature(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, typed: bool
    ) -> None:
        """Parameters by name and kind, with their defaults."""
        a = node.args
        kinds = (
            (a.posonlyargs, "/"),
            (a.args, ""),
            ([a.vararg], "*"),
            (a.kwonlyargs, "k"),
            ([a.kwarg], "**"),
        )
        for args, kind in kinds:
            for arg in args:
                if arg is not None:
                    self.out.append(f" {kind}{'' if isinstance(node, ast.Lambda) else arg.arg}")
                    if typed and arg.annotation is not None:
                        self.node(arg.annotation)
        self.node(a.defaults)
        self.out.append("".join("-" if d is None else "d" for d in a.kw_defaults))
        self.node([d for d in a.kw_defaults if d is not None])

    def on_ClassDef(self, node: ast.ClassDef) -> None:
        self.out.append("(ClassDef ")
        if self.scopes.stack:
            self.named(node.name, (), store=True)
        self.node(node.decorator_list)
        self.node(node.bases)
        self.node(node.keywords)
        typed = self.typed(node)
        self.scopes.stack.append(statements_scope(node.body, self.package, is_class=True))
        self.class_body(node, typed)
        self.scopes.stack.pop()
        self.out.append(")")

    def class_body(self, node: ast.ClassDef, typed: bool) -> None:
        """Fields and other statements in their order, then the methods by name: their order is
        free."""
        methods = [inner for inner in node.body if isinstance(inner, DEFINITIONS)]
        for inner in node.body:
            if isinstance(inner, ast.AnnAssign):
                self.field_of_class(inner, typed)
            elif inner not in methods and not is_text(inner) and not isinstance(inner, ast.Pass):
                self.node(inner)
        for inner in sorted(methods, key=lambda method: method.name):
            if isinstance(inner, ast.ClassDef):
                self.out.append(f" {inner.name}")
                self.node(inner)
            else:
                self.function(inner, method=True)

    def comprehension(self, node: ast.AST) -> None:
        """The first iterable is evaluated outside the scope of a comprehension."""
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        self.out.append(f"({type(node).__name__} in ")
        self.node(generators[0].iter)
        self.scopes.stack.append(comprehension_scope(generators))
        for i, generator in enumerate(generators):
            self.node(generator.target)
            if i:
                self.node(generator.iter)
            self.node(generator.ifs)
            self.out.append(" async" if generator.is_async else "")
        self.plain(node, skip=("generators",))
        self.scopes.stack.pop()
        self.out.append(")")

    on_ListComp = on_SetComp = on_DictComp = on_GeneratorExp = comprehension

    def on_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.binder(node, "name")

    def on_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        self.binder(node, "name")

    on_MatchStar = on_MatchAs

    def on_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.binder(node, "rest")

    def binder(self, node: ast.AST, name: str) -> None:
        """A node that binds a name by a text of its own."""
        bound = getattr(node, name)
        if bound:
            self.named(bound, (), store=True)
        self.plain(node, skip=(name,))

    def on_If(self, node: ast.If) -> None:
        if is_idle_test(node.test):
            self.body(node.orelse)
        else:
            self.plain(node)


def _speaks(function: ast.expr) -> bool:
    """Whether a call only tells people something: `print`, `warnings.warn`, the methods of
    loggers."""
    name = last_name(function)
    if isinstance(function, ast.Name):
        return name in ("print", "warn")
    if not isinstance(function, ast.Attribute):
        return False
    owner = last_name(function.value).lower()
    return (owner == "warnings" and name == "warn") or (name in _LOGS and owner.startswith("log"))


def _mentions(node: ast.AST, name: str) -> bool:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name | ast.Attribute) and last_name(inner) == name:
            return True
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and name in inner.value:
            return True
    return False
