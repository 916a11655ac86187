"""A module as definitions, imports, and statements that act when the module is imported."""

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

Target = tuple[str, str | None]
"""A module, and a name in it (None: the module itself)."""

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

QUIET_DECORATORS = frozenset(
    {
        *("dataclass", "property", "staticmethod", "classmethod", "lru_cache", "cache"),
        *("cached_property", "wraps", "contextmanager", "no_grad", "inference_mode", "jaxtyped"),
        *("typechecked", "beartype", "overload", "runtime_checkable", "final", "abstractmethod"),
        *("setter", "script", "ignore", "total_ordering"),
    }
)
"""Decorators that register nothing and read no annotation (`dataclass` reads those of a class)."""

_PURE_LIBRARIES = frozenset(
    {
        *("numpy", "re", "math", "typing", "functools", "collections", "dataclasses", "enum"),
        *("pathlib", "types", "operator", "itertools", "pydantic", "string", "fractions"),
        *("decimal", "datetime"),
    }
)
"""Libraries of which a call in a top-level assignment only makes a value."""

_NOT_CODE = {"__all__", "__version__"}


@dataclass
class Module:
    """A parsed module. `body`: its top-level statements; `defines`: a name to the positions of the
    statements that bind it; `acts`: positions of the statements that may do more than bind a name;
    `imports`: a local name to its target; `stars`: modules of `import *`; `loads`: modules that are
    imported with it."""

    name: str
    path: Path
    body: list[ast.stmt] = field(default_factory=list)
    defines: dict[str, list[int]] = field(default_factory=dict)
    acts: list[int] = field(default_factory=list)
    imports: dict[str, Target] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


def read_module(name: str, path: Path, tree: ast.Module) -> Module:
    """Divide the syntax tree of a module."""
    module = Module(name, path)
    for node in tree.body:
        if not _is_nothing(node):
            _add(module, node)
    classes = {
        name
        for name, places in module.defines.items()
        if any(isinstance(module.body[place], ast.ClassDef) for place in places)
    }
    module.acts = [
        i for i in module.acts if not _only_makes_a_value(module, module.body[i], classes)
    ]
    return module


def _add(module: Module, node: ast.stmt) -> None:
    index = len(module.body)
    module.body.append(node)
    for inner in _imports_of(node):
        _note_import(module, inner)
    names = set(_bound(node))
    changed = _changed(node)
    if changed and changed in module.defines:
        names.add(changed)  # `TABLE["a"] = 1` and `SEEN.append(1)` belong to what they change
    elif not isinstance(node, ast.Import | ast.ImportFrom) and _acts(node):
        module.acts.append(index)
    for name in names:
        module.defines.setdefault(name, []).append(index)


def _imports_of(node: ast.stmt) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports that happen with the module: not those inside functions."""
    if isinstance(node, DEFINITIONS):
        return
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import | ast.ImportFrom):
            yield inner


def _note_import(module: Module, node: ast.Import | ast.ImportFrom) -> None:
    for local, target in import_targets(node, module.package):
        if local == "*":
            module.stars.append(target[0])
        else:
            module.imports[local] = target
        module.loads.append(target[0])
    if isinstance(node, ast.Import):
        module.loads += [alias.name for alias in node.names]


def import_targets(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Target]]:
    """The local names that an import binds, and what each stands for. `import a.b` binds `a`."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.split(".")[0]
            yield (alias.asname, (alias.name, None)) if alias.asname else (top, (top, None))
        return
    base = node.module or ""
    if node.level:
        parts = package.split(".")
        parent = parts[: len(parts) - node.level + 1]
        base = ".".join([*parent, base] if base else parent)
    for alias in node.names:
        yield alias.asname or alias.name, (base, None if alias.name == "*" else alias.name)


def _is_nothing(node: ast.stmt) -> bool:
    """Statements without meaning: texts, `pass`, `__all__`, and code for type checkers or
    scripts."""
    if isinstance(node, ast.Pass) or is_text(node):
        return True
    if isinstance(node, ast.ImportFrom):
        return node.module == "__future__"
    if isinstance(node, ast.Assign):
        return all(isinstance(t, ast.Name) and t.id in _NOT_CODE for t in node.targets)
    return isinstance(node, ast.If) and not node.orelse and is_idle_test(node.test)


def is_idle_test(test: ast.expr) -> bool:
    """Whether a condition is `TYPE_CHECKING` or `__name__ == "__main__"`."""
    if isinstance(test, ast.Compare) and isinstance(test.left, ast.Name):
        return test.left.id == "__name__"
    return last_name(test) == "TYPE_CHECKING"


def is_text(node: object) -> bool:
    """Whether a statement is a bare constant: a docstring, or `...`."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that a top-level statement binds, also inside `if`, `try`, `with` and `for`."""
    if isinstance(node, DEFINITIONS):
        yield node.name
        return
    stack: list[ast.AST] = [node]
    while stack:
        inner = stack.pop()
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.id
        elif isinstance(inner, DEFINITIONS):
            yield inner.name
            continue
        elif isinstance(
            inner, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
        ):
            continue
        stack += list(ast.iter_child_nodes(inner))


def _changed(node: ast.stmt) -> str | None:
    """The name of the object that a statement changes in place: `X[0] = 1`, `X.a = 1`,
    `X.append(1)`."""
    place: ast.AST | None = None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        place = node.targets[0]
    elif isinstance(node, ast.AugAssign):
        place = node.target
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        place = node.value.func
    if not isinstance(place, ast.Subscript | ast.Attribute):
        return None
    while isinstance(place, ast.Subscript | ast.Attribute):
        place = place.value
    return place.id if isinstance(place, ast.Name) else None


def _acts(node: ast.stmt) -> bool:
    """Whether importing the module may do more with this statement than bind a name."""
    if isinstance(node, DEFINITIONS):
        return any(
            last_name(decorator) not in QUIET_DECORATORS for decorator in node.decorator_list
        )
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return not _plain(node) or any(isinstance(inner, ast.Call) for inner in ast.walk(node))
    return True


def _plain(node: ast.Assign | ast.AnnAssign) -> bool:
    """Whether an assignment binds names only: `os.environ["A"] = "1"` changes something
    elsewhere."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return all(isinstance(target, ast.Name | ast.Tuple | ast.List) for target in targets)


def _only_makes_a_value(module: Module, node: ast.stmt, classes: set[str]) -> bool:
    """Whether all calls of an assignment are known to change nothing elsewhere: those of
    builtins, of a few libraries, and of classes."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or not _plain(node):
        return False
    return all(
        _harmless(module, inner.func, classes)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Call)
    )


def _harmless(module: Module, function: ast.expr, classes: set[str]) -> bool:
    place: ast.AST = function
    while isinstance(place, ast.Attribute | ast.Call | ast.Subscript):
        place = place.func if isinstance(place, ast.Call) else place.value
    if isinstance(place, ast.Constant):
        return True  # a method of a text
    if not isinstance(place, ast.Name):
        return False
    name = place.id
    if name in module.imports:
        target = module.imports[name]
        return target[0].split(".")[0] in _PURE_LIBRARIES or bool(
            target[1] and target[1].lstrip("_")[:1].isupper()  # a class of another module
        )
    if name in classes:
        return True
    if name in module.defines:
        return isinstance(function, ast.Attribute)  # a method of a constant
    return hasattr(builtins, name) and name not in ("exec", "eval", "setattr", "open", "__import__")


def last_name(node: ast.expr) -> str:
    """The last part of the name of a decorator, a function or a condition."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
