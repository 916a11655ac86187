"""The arguments of a builder function, checked against its source: nothing is imported."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixcl_bench.bench.errors import nearest, unknown
from pixcl_bench.bench.source import find_module, parse_source, sibling_modules, top_level_names

INJECTED = frozenset({"encoder", "network", "num_classes", "num_landmarks"})
"""Arguments that a task gives to a builder whose signature names them."""

_SCALARS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}
_SEQUENCES = {"tuple", "Tuple", "list", "List", "Sequence"}


@dataclass(frozen=True)
class Fault:
    """What is wrong with a learner: `argument` is None where it is the learner's own name."""

    argument: str | None
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Signature:
    """Named arguments of a function: name to annotation (None: not annotated), those without default, and
    `**kwargs`."""

    arguments: Mapping[str, ast.expr | None]
    required: frozenset[str]
    open_ended: bool


def check_learner(learner: str, args: Mapping[str, Any], root: Path) -> list[Fault]:
    """Everything wrong with a learner `module:builder` and its `args`; an empty list where it fits."""
    found = find_builder(learner, root)
    if isinstance(found, Fault):
        return [found]
    return list(_check_args(read_signature(found), args, learner.partition(":")[2]))


def find_builder(learner: str, root: Path) -> ast.FunctionDef | Fault:
    """The definition of the builder of `module:builder`, or what is wrong with the name."""
    module, colon, builder = learner.partition(":")
    if not colon or not module or not builder:
        return Fault(None, f"{learner!r} is not a learner", "write package.module:builder")
    path = find_module(module, root)
    if path is None:
        return Fault(
            None, f"module {module!r} does not exist", nearest(module, sibling_modules(module, root))
        )
    try:
        tree = parse_source(path)
    except SyntaxError as error:
        return Fault(None, f"module {module!r} does not parse: {error.msg}, line {error.lineno}")
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == builder:
            return node
    names = [name for name in top_level_names(tree) if not name.startswith("_")]
    return Fault(None, f"module {module!r} has no function {builder!r}", nearest(builder, names))


def read_signature(function: ast.FunctionDef) -> Signature:
    """The named arguments of a function definition."""
    a = function.args
    positional = [*a.posonlyargs, *a.args]
    required = {arg.arg for arg in positional[: len(positional) - len(a.defaults)]}
    required |= {arg.arg for arg, default in zip(a.kwonlyargs, a.kw_defaults, strict=True) if default is None}
    arguments = {arg.arg: arg.annotation for arg in (*positional, *a.kwonlyargs)}
    return Signature(arguments, frozenset(required), a.kwarg is not None)


def _check_args(signature: Signature, args: Mapping[str, Any], builder: str) -> Iterator[Fault]:
    free = [name for name in signature.arguments if name not in INJECTED]
    for name, value in args.items():
        if name in INJECTED:
            yield Fault(name, f"{name!r} is given by the task, not in args", "remove it")
        elif name not in signature.arguments:
            if not signature.open_ended:
                yield Fault(name, unknown("argument", name, []) + f" of {builder}", nearest(name, free))
        elif not fits(value, signature.arguments[name]):
            wanted = ast.unparse(signature.arguments[name])  # type: ignore[arg-type]
            yield Fault(
                name,
                f"{name}: {builder} wants {wanted}, got {value!r}",
                _type_hint(value, signature.arguments[name]),
            )
    for name in sorted(signature.required - INJECTED - set(args)):
        yield Fault(None, f"{builder} needs the argument {name!r}", f"add {name}: ... to args")


def _type_hint(value: Any, annotation: ast.expr | None) -> str:
    choices = (
        [c.value for c in ast.walk(annotation) if isinstance(c, ast.Constant) and isinstance(c.value, str)]
        if annotation
        else []
    )
    return nearest(value, choices) if isinstance(value, str) and choices else ""


def fits(value: Any, annotation: ast.expr | None) -> bool:
    """Whether a YAML value may be an argument with this annotation. What cannot be decided from the text
    fits."""
    if isinstance(annotation, ast.Constant):
        if annotation.value is None:
            return value is None
        if isinstance(annotation.value, str):
            try:
                return fits(value, ast.parse(annotation.value, mode="eval").body)
            except SyntaxError:
                return True
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return fits(value, annotation.left) or fits(value, annotation.right)
    if isinstance(annotation, ast.Subscript):
        return _fits_generic(value, _name(annotation.value), annotation.slice)
    name = _name(annotation)
    if name in _SCALARS:
        return isinstance(value, _SCALARS[name]) and (name == "bool" or not isinstance(value, bool))
    return isinstance(value, list) if name in _SEQUENCES else True


def _fits_generic(value: Any, name: str, inside: ast.expr) -> bool:
    parts = list(inside.elts) if isinstance(inside, ast.Tuple) else [inside]
    if name == "Optional":
        return value is None or fits(value, parts[0])
    if name == "Union":
        return any(fits(value, part) for part in parts)
    if name == "Annotated":
        return fits(value, parts[0])
    if name == "Literal":
        return any(
            isinstance(p, ast.Constant) and p.value == value and type(p.value) is type(value) for p in parts
        )
    if name not in _SEQUENCES:
        return True
    if not isinstance(value, list):
        return False
    if name not in ("tuple", "Tuple") or _is_ellipsis(parts[-1]):
        return all(fits(item, parts[0]) for item in value)
    return len(value) == len(parts) and all(fits(item, part) for item, part in zip(value, parts, strict=True))


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _name(node: ast.expr | None) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
