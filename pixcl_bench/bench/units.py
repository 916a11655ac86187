"""A module as units: its definitions, its imports, and the statements that act when it is imported."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

Target = tuple[str, str | None]
"""A module, and a name in it (None: the module itself)."""

_QUIET_DECORATORS = frozenset(
    [
        "dataclass",
        "property",
        "staticmethod",
        "classmethod",
        "lru_cache",
        "cache",
        "cached_property",
        "wraps",
        "contextmanager",
        "no_grad",
        "inference_mode",
        "jaxtyped",
        "typechecked",
        "beartype",
        "overload",
        "runtime_checkable",
        "final",
        "abstractmethod",
        "setter",
        "singledispatch",
        "script",
        "ignore",
    ]
)
_NOT_CODE = {"__all__", "__version__"}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Mentions:
    """What a statement mentions: imports inside it (local name, target), names with the attributes taken of
    them, and short texts that may name code."""

    imports: tuple[tuple[str, Target], ...]
    names: tuple[tuple[str, tuple[str, ...]], ...]
    texts: tuple[str, ...]


@dataclass
class Units:
    """`body` without docstrings; `defines`: name to the positions of the statements that bind it; `acts`:
    positions of the statements that may do something on import; `imports`: local name to its target; `stars`:
    modules of `import *`."""

    module: str
    path: Path
    body: list[ast.stmt] = field(default_factory=list)
    defines: dict[str, list[int]] = field(default_factory=dict)
    acts: list[int] = field(default_factory=list)
    imports: dict[str, Target] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    seen: dict[int, Mentions] = field(default_factory=dict)

    def mentions(self, index: int) -> Mentions:
        """What the statement at `index` mentions."""
        if index not in self.seen:
            package = self.module if self.path.name == "__init__.py" else self.module.rpartition(".")[0]
            self.seen[index] = _mentions(self.body[index], package)
        return self.seen[index]


def split(module: str, path: Path, tree: ast.Module) -> Units:
    """Split the syntax tree of a module into units."""
    units = Units(module, path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in tree.body:
        if _is_text(node) or _is_not_code(node):
            continue
        index = len(units.body)
        units.body.append(node)
        for name in _bound(node):
            units.defines.setdefault(name, []).append(index)
        if isinstance(node, ast.Import | ast.ImportFrom):
            _imports(node, package, units)
        elif _acts(node):
            units.acts.append(index)
            for inner in ast.walk(node):
                if isinstance(inner, ast.Import | ast.ImportFrom) and not isinstance(node, _DEFINITIONS):
                    _imports(inner, package, units)
    return units


def _imports(node: ast.Import | ast.ImportFrom, package: str, units: Units) -> None:
    for local, target in import_targets(node, package):
        if local == "*":
            units.stars.append(target[0])
        else:
            units.imports[local] = target
        units.loads.append(target[0])
    if isinstance(node, ast.Import):
        units.loads += [alias.name for alias in node.names]


def import_targets(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Target]]:
    """The local names that an import binds, and what each stands for. `import a.b` binds `a`."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield (
                (alias.asname, (alias.name, None))
                if alias.asname
                else (alias.name.split(".")[0], (alias.name.split(".")[0], None))
            )
        return
    base = node.module or ""
    if node.level:
        parent = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*parent, base] if base else parent)
    for alias in node.names:
        yield alias.asname or alias.name, (base, None if alias.name == "*" else alias.name)


def _mentions(node: ast.stmt, package: str) -> Mentions:
    imports: list[tuple[str, Target]] = []
    names: dict[tuple[str, tuple[str, ...]], None] = {}
    texts: dict[str, None] = {}
    stack: list[tuple[ast.AST, tuple[str, ...]]] = [(node, ())]
    while stack:
        inner, attributes = stack.pop()
        if isinstance(inner, ast.Import | ast.ImportFrom):
            imports += import_targets(inner, package)
        elif isinstance(inner, ast.Name):
            names[inner.id, attributes] = None
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str) and len(inner.value) < 200:
            texts[inner.value] = None
        elif isinstance(inner, ast.Attribute):
            stack.append((inner.value, (inner.attr, *attributes)))
        else:
            stack += [(child, ()) for child in ast.iter_child_nodes(inner)]
    return Mentions(tuple(imports), tuple(names), tuple(texts))


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that a top-level statement binds, also inside `if`, `try`, `with` and `for`."""
    if isinstance(node, _DEFINITIONS):
        yield node.name
        return
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.id
        elif isinstance(inner, _DEFINITIONS):
            yield inner.name


def _acts(node: ast.stmt) -> bool:
    """Whether importing the module may do more with this statement than bind a name."""
    if isinstance(node, _DEFINITIONS):
        return any(_last_name(decorator) not in _QUIET_DECORATORS for decorator in node.decorator_list)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        plain = all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
        return not plain or any(isinstance(inner, ast.Call) for inner in ast.walk(node))
    return True


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_not_code(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and all(
        isinstance(t, ast.Name) and t.id in _NOT_CODE for t in node.targets
    )


def canonical(node: object) -> str:
    """The code of a syntax tree as text: no positions, comments, docstrings; the same for every version of
    Python."""
    if isinstance(node, list):
        return (
            "["
            + ",".join(canonical(item) for item in node if not (isinstance(item, ast.AST) and _is_text(item)))
            + "]"
        )
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Name):
        return node.id
    parts = [type(node).__name__]
    for name in node._fields:
        value = getattr(node, name, None)
        empty = value is None or value == [] or name in ("ctx", "kind", "type_comment", "type_ignores")
        if empty and not (name == "value" and isinstance(node, ast.Constant)):
            continue
        parts.append(f"{name}={canonical(value)}")
    return "(" + " ".join(parts) + ")"
