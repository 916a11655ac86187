"""Local names: which a function binds, and the number that stands for each in the canonical
form."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pixcl_bench.meaning.modules import DEFINITIONS, Target, import_targets

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NAMED = (*DEFINITIONS, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
_OWN_SCOPE = (*DEFINITIONS, ast.Lambda)


@dataclass
class Scope:
    """Names bound in one function, comprehension, class body or sequence of cells.

    `numbers`: a local name to its place in the order of first use, None before that."""

    is_class: bool = False
    numbers: dict[str, int | None] = field(default_factory=dict)
    imports: dict[str, Target] = field(default_factory=dict)


@dataclass
class Scopes:
    """The scopes around a place in the code, the innermost last. Numbers are given once for a whole
    definition, so that names that only differ in spelling get the same numbers."""

    stack: list[Scope] = field(default_factory=list)
    count: int = 0

    def find(self, name: str) -> str | Target | None:
        """What a name stands for: the text of a local, the target of a local import, or None
        where it is not local."""
        for depth, scope in enumerate(reversed(self.stack)):
            if scope.is_class and depth:
                continue  # names of a class body are not seen from its methods
            if name in scope.imports:
                return scope.imports[name]
            if name in scope.numbers:
                return f"attribute {name}" if scope.is_class else self._number(scope, name)
        return None

    def _number(self, scope: Scope, name: str) -> str:
        number = scope.numbers[name]
        if number is None:
            number = scope.numbers[name] = self.count
            self.count += 1
        return f"local {number}"


def function_scope(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, package: str
) -> Scope:
    """The scope of a function: its parameters and what its body binds."""
    body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
    scope = statements_scope(body, package)
    scope.numbers |= dict.fromkeys(arg.arg for arg in parameters(node.args))
    return scope


def statements_scope(body: Iterable[ast.AST], package: str, is_class: bool = False) -> Scope:
    """The scope of statements: what they bind, less what they declare global or nonlocal."""
    scope, outside = Scope(is_class), set()
    for node in _inside(body):
        if isinstance(node, ast.Global | ast.Nonlocal):
            outside |= set(node.names)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            scope.imports |= dict(import_targets(node, package))
        else:
            scope.numbers |= dict.fromkeys(_binds(node))
    for name in outside:
        scope.numbers.pop(name, None)
        scope.imports.pop(name, None)
    return scope


def comprehension_scope(generators: Iterable[ast.comprehension]) -> Scope:
    """The scope of a comprehension: its targets."""
    names = {
        inner.id
        for generator in generators
        for inner in ast.walk(generator.target)
        if isinstance(inner, ast.Name)
    }
    return Scope(numbers=dict.fromkeys(sorted(names)))


def parameters(arguments: ast.arguments) -> Iterator[ast.arg]:
    """All parameters in their order."""
    yield from (*arguments.posonlyargs, *arguments.args)
    if arguments.vararg:
        yield arguments.vararg
    yield from arguments.kwonlyargs
    if arguments.kwarg:
        yield arguments.kwarg


def _inside(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Every node in the scope of these statements; of inner functions and classes only the node
    itself and what is evaluated outside it (decorators, defaults); of comprehensions only walrus
    targets."""
    stack: list[tuple[ast.AST, bool]] = [(node, False) for node in body]
    while stack:
        node, in_comprehension = stack.pop()
        if not in_comprehension or isinstance(node, ast.NamedExpr):
            yield node
        if isinstance(node, _OWN_SCOPE):
            outer: list[ast.AST] = list(getattr(node, "decorator_list", []))
            if isinstance(node, ast.ClassDef):
                outer += node.bases
            else:
                outer += [d for d in (*node.args.defaults, *node.args.kw_defaults) if d]
            stack += [(inner, in_comprehension) for inner in outer]
            continue
        nested = in_comprehension or isinstance(node, COMPREHENSIONS)
        stack += [(inner, nested) for inner in ast.iter_child_nodes(node)]


def _binds(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.NamedExpr):
        yield node.target.id
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
        yield node.id
    elif isinstance(node, _NAMED) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
