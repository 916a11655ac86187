"""The arguments of a builder function, checked against its source: nothing is imported.

A builder may group arguments in option classes (dataclasses, see
`pixcl_bench.methods.contract.options`); a configuration file writes their fields flat. The source
of these classes is followed through the project's imports."""

import ast
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixcl_bench.bench.config.source import (
    find_module,
    parse_source,
    sibling_modules,
    top_level_names,
)
from pixcl_bench.bench.errors import nearest, unknown

INJECTED = frozenset(
    {"encoder", "network", "num_classes", "num_landmarks", "tokenizer", "normalise"}
)
"""Arguments that a task gives to a builder whose signature names them."""

_SCALARS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
}
_SEQUENCES = {"tuple", "Tuple", "list", "List", "Sequence"}
_KNOWN = {*_SCALARS, *_SEQUENCES, "Literal", "Optional", "Union", "Annotated", "None", "Any"}
"""Names of annotations that are looked up nowhere."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a learner: `argument` is None where it is the learner's own name."""

    argument: str | None
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Signature:
    """Named arguments of a function as a configuration file writes them: name to annotation (None:
    not annotated), those without default, the arguments that take an option object with their
    fields, and `**kwargs`."""

    arguments: Mapping[str, ast.expr | None]
    required: frozenset[str]
    open_ended: bool
    objects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """The source of a module: its dotted name, its syntax tree, and the folder where modules are
    looked for."""

    module: str
    tree: ast.Module
    root: Path

    def definition(self, name: str, depth: int = 4) -> "tuple[ast.stmt, Source] | None":
        """The statement that gives `name` its value, and the module it stands in: a class, a
        function, an assignment, here or where it is imported from. None for what lies outside the
        project, or is not found within `depth` imports."""
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
                return node, self
            if isinstance(node, ast.Assign | ast.AnnAssign) and name in _assigned(node):
                return node, self
            if isinstance(node, ast.ImportFrom) and depth:
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        other = self._imported(node)
                        return other.definition(alias.name, depth - 1) if other else None
        return None

    def _imported(self, node: ast.ImportFrom) -> "Source | None":
        """The project's module that `from ... import` reads; None for any other package."""
        package = self.module.split(".")[: -node.level] if node.level else []
        module = ".".join([*package, *([node.module] if node.module else [])])
        top = module.partition(".")[0]
        if top not in (self.module.partition(".")[0], "pixcl_bench"):
            return None
        path = find_module(module, self.root)
        try:
            return Source(module, parse_source(path), self.root) if path else None
        except SyntaxError:
            return None


def _assigned(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def check_arguments(learner: str, args: Mapping[str, Any], root: Path) -> list[Fault]:
    """Everything wrong with a learner `module:builder` and its `args`; an empty list where it
    fits."""
    found = builder_source(learner, root)
    if isinstance(found, Fault):
        return [found]
    return list(_check_args(read_signature(*found), args, learner.partition(":")[2]))


def builder_source(learner: str, root: Path) -> tuple[ast.FunctionDef, Source] | Fault:
    """The definition of the builder of `module:builder` with its module, or what is wrong with the
    name."""
    module, colon, builder = learner.partition(":")
    if not colon or not module or not builder:
        return Fault(None, f"{learner!r} is not a learner", "write package.module:builder")
    path = find_module(module, root)
    if path is None:
        hint = nearest(module, sibling_modules(module, root))
        return Fault(None, f"module {module!r} does not exist", hint)
    try:
        tree = parse_source(path)
    except SyntaxError as error:
        return Fault(None, f"module {module!r} does not parse: {error.msg}, line {error.lineno}")
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == builder:
            return node, Source(module, tree, root)
    names = [name for name in top_level_names(tree) if not name.startswith("_")]
    return Fault(None, f"module {module!r} has no function {builder!r}", nearest(builder, names))


def read_signature(function: ast.FunctionDef, source: Source) -> Signature:
    """The named arguments of a function definition, the fields of its option classes in place of
    the arguments that take their objects."""
    a = function.args
    positional = [*a.posonlyargs, *a.args]
    required = {arg.arg for arg in positional[: len(positional) - len(a.defaults)]}
    keywords = zip(a.kwonlyargs, a.kw_defaults, strict=True)
    required |= {arg.arg for arg, default in keywords if default is None}
    arguments: dict[str, ast.expr | None] = {}
    objects: dict[str, tuple[str, ...]] = {}
    for arg in (*positional, *a.kwonlyargs):
        options = None if arg.arg in INJECTED else _option_class(arg.annotation, source)
        if options is None:
            known = arg.arg in INJECTED or arg.annotation is None
            arguments[arg.arg] = arg.annotation if known else _spelt_out(arg.annotation, source)
            continue
        fields = _flat_fields(*options)
        arguments |= {name: annotation for name, (annotation, _) in fields.items()}
        if arg.arg in required:  # without a default of the builder's, the class's own count
            required |= {name for name, (_, needed) in fields.items() if needed}
        required.discard(arg.arg)
        objects[arg.arg] = tuple(fields)
    return Signature(arguments, frozenset(required), a.kwarg is not None, objects)


def _option_class(
    annotation: ast.expr | None, source: Source
) -> tuple[ast.ClassDef, Source] | None:
    """The dataclass that an annotation names, with its module; None where it names something
    else."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.Name(annotation.value)
    found = source.definition(annotation.id) if isinstance(annotation, ast.Name) else None
    if found is None:
        return None
    node, place = found
    if not isinstance(node, ast.ClassDef):
        return None
    is_dataclass = any("dataclass" in (_name(d), _called(d)) for d in node.decorator_list)
    return (node, place) if is_dataclass else None


def _called(node: ast.expr) -> str:
    return _name(node.func) if isinstance(node, ast.Call) else ""


def _flat_fields(
    options: ast.ClassDef, source: Source, nested: bool = True
) -> dict[str, tuple[ast.expr | None, bool]]:
    """The fields of an option class and of its bases: name to annotation and whether a value is
    needed. Fields that take an option object themselves give way to the fields of that, one level
    deep."""
    found: dict[str, tuple[ast.expr | None, bool]] = {}
    for base in reversed(options.bases):
        inherited = _option_class(base, source)
        found |= _flat_fields(*inherited, nested) if inherited else {}
    for node in options.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        if _head(node.annotation) in ("ClassVar", "KW_ONLY", "InitVar") or _without_init(
            node.value
        ):
            continue
        inner = _option_class(node.annotation, source) if nested else None
        if inner:
            inside = _flat_fields(*inner, nested=False)
            optional = node.value is not None
            found |= {
                name: (kind, needed and not optional) for name, (kind, needed) in inside.items()
            }
        else:
            found[node.target.id] = (_spelt_out(node.annotation, source), _needs_value(node.value))
    return found


def _head(annotation: ast.expr) -> str:
    return _name(annotation.value if isinstance(annotation, ast.Subscript) else annotation)


def _field_keywords(value: ast.expr | None) -> dict[str, ast.expr] | None:
    """The keywords of `field(...)`; None for any other value."""
    if not isinstance(value, ast.Call) or _name(value.func) != "field":
        return None
    return {keyword.arg: keyword.value for keyword in value.keywords if keyword.arg}


def _without_init(value: ast.expr | None) -> bool:
    init = (_field_keywords(value) or {}).get("init")
    return isinstance(init, ast.Constant) and init.value is False


def _needs_value(value: ast.expr | None) -> bool:
    keywords = _field_keywords(value)
    if keywords is None:
        return value is None
    return not keywords.keys() & {"default", "default_factory"}


def _spelt_out(annotation: ast.expr | None, source: Source) -> ast.expr | None:
    """An annotation with the names of type aliases replaced by what they stand for."""
    if annotation is None or all(
        node.id in _KNOWN for node in ast.walk(annotation) if isinstance(node, ast.Name)
    ):
        return annotation
    spelt: ast.expr = _Aliases(source).visit(deepcopy(annotation))
    return spelt


class _Aliases(ast.NodeTransformer):
    """Replaces the names of type aliases, such as `Sampler = Literal[...]`, at most three deep."""

    def __init__(self, source: Source, depth: int = 3) -> None:
        self.source, self.depth = source, depth

    def visit_Name(self, node: ast.Name) -> ast.expr:
        found = None if node.id in _KNOWN or not self.depth else self.source.definition(node.id)
        if found is None or not isinstance(found[0], ast.Assign | ast.AnnAssign):
            return node
        value, place = found[0].value, found[1]
        if not isinstance(value, ast.Subscript | ast.Name | ast.BinOp):
            return node
        spelt: ast.expr = _Aliases(place, self.depth - 1).visit(deepcopy(value))
        return spelt


def _check_args(signature: Signature, args: Mapping[str, Any], builder: str) -> Iterator[Fault]:
    free = [name for name in signature.arguments if name not in INJECTED]
    for name, value in args.items():
        if name in INJECTED:
            yield Fault(name, f"{name!r} is given by the task, not in args", "remove it")
        elif name in signature.objects:
            known = ", ".join(signature.objects[name])
            message = f"{name!r} of {builder} is an object, whose fields are written flat in args"
            yield Fault(name, message, f"known: {known}")
        elif name not in signature.arguments:
            if not signature.open_ended:
                message = unknown("argument", name, []) + f" of {builder}"
                yield Fault(name, message, nearest(name, free))
        elif not fits(value, signature.arguments[name]):
            wanted = ast.unparse(signature.arguments[name])  # type: ignore[arg-type]
            message = f"{name}: {builder} wants {wanted}, got {value!r}"
            yield Fault(name, message, _type_hint(value, signature.arguments[name]))
    for name in sorted(signature.required - INJECTED - set(args)):
        yield Fault(None, f"{builder} needs the argument {name!r}", f"add {name}: ... to args")


def _type_hint(value: Any, annotation: ast.expr | None) -> str:
    choices = (
        [
            c.value
            for c in ast.walk(annotation)
            if isinstance(c, ast.Constant) and isinstance(c.value, str)
        ]
        if annotation
        else []
    )
    return nearest(value, choices) if isinstance(value, str) and choices else ""


def fits(value: Any, annotation: ast.expr | None) -> bool:
    """Whether a YAML value may be an argument with this annotation. What cannot be decided from the
    text fits."""
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
            isinstance(p, ast.Constant) and p.value == value and type(p.value) is type(value)
            for p in parts
        )
    if name not in _SEQUENCES:
        return True
    if not isinstance(value, list):
        return False
    if name not in ("tuple", "Tuple") or _is_ellipsis(parts[-1]):
        return all(fits(item, parts[0]) for item in value)
    return len(value) == len(parts) and all(
        fits(item, part) for item, part in zip(value, parts, strict=True)
    )


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _name(node: ast.expr | None) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
