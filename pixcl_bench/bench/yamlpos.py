"""YAML into plain data that remembers the line and column of every key and value."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from pixcl_bench.bench.errors import Problem

KeyPath = tuple[str | int, ...]

_NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?")
_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + name for name in ("str", "int", "float", "bool", "null")}


@dataclass(frozen=True, order=True)
class Mark:
    """A place in a file: line and column, both from 1."""

    line: int
    column: int


@dataclass
class Document:
    """Plain data of a YAML file, the marks of its values (`marks`) and of its keys (`keys`), and what is
    wrong with its text."""

    file: str
    data: Any = None
    marks: dict[KeyPath, Mark] = field(default_factory=dict)
    keys: dict[KeyPath, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def mark(self, path: KeyPath, *, key: bool = False) -> Mark:
        """The mark of the value (or the key) at `path`, or of the nearest parent that is in the file."""
        first, second = (self.keys, self.marks) if key else (self.marks, self.keys)
        for end in range(len(path), -1, -1):
            found = first.get(path[:end]) or second.get(path[:end])
            if found:
                return found
        return Mark(1, 1)

    def problem(self, path: KeyPath, message: str, hint: str = "", *, key: bool = False) -> Problem:
        """A problem at the value (or the key) at `path`."""
        mark = self.mark(path, key=key)
        return Problem(self.file, mark.line, mark.column, show_path(path), message, hint)


def show_path(path: KeyPath) -> str:
    """`("tasks", "a", "seeds", 0)` as `tasks.a.seeds[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".")


def parse(text: str, file: str) -> Document:
    """Parse one YAML document. Problems of the text itself (syntax, duplicate keys, `1e-3`) are collected,
    not raised."""
    document = Document(file)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        line, column = (place.line + 1, place.column + 1) if place else (1, 1)
        what = ", ".join(part for part in (error.context, error.problem) if part)
        document.problems.append(Problem(file, line, column, "", f"not valid YAML: {what}"))
        return document
    except yaml.YAMLError as error:
        document.problems.append(Problem(file, 1, 1, "", f"not valid YAML: {error}"))
        return document
    if root is None:
        document.problems.append(Problem(file, 1, 1, "", "the file is empty"))
        return document
    document.data = _Reader(document).value(root, (), ())
    return document


class _Reader:
    """Turns nodes into data; a scalar goes through the constructor of PyYAML's SafeLoader."""

    def __init__(self, document: Document):
        self.document = document
        self.loader = yaml.SafeLoader("")

    def value(self, node: yaml.Node, path: KeyPath, above: tuple[int, ...]) -> Any:
        self.document.marks[path] = _mark(node)
        if id(node) in above:
            self.note(node, path, "an alias that contains itself", "write the values out")
            return None
        if isinstance(node, yaml.MappingNode):
            return dict(self.items(node, path, (*above, id(node))))
        if isinstance(node, yaml.SequenceNode):
            inside = (*above, id(node))
            return [self.value(child, (*path, i), inside) for i, child in enumerate(node.value)]
        return self.scalar(node, path) if isinstance(node, yaml.ScalarNode) else None

    def items(
        self, node: yaml.MappingNode, path: KeyPath, above: tuple[int, ...]
    ) -> Iterator[tuple[str, Any]]:
        seen: dict[str, Mark] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _TAG + "merge":
                self.note(
                    key_node,
                    path,
                    "a key must be plain text",
                    "merge keys (<<) are not used here: write the values out",
                )
                continue
            key, here = str(key_node.value), _mark(key_node)
            if key_node.tag != _TAG + "str":
                self.note(
                    key_node,
                    (*path, key),
                    f"the key {key} is not read as text by YAML",
                    f"write '{key}' in quotes",
                )
            if key in seen:
                self.note(
                    key_node,
                    (*path, key),
                    f"duplicate key {key!r}: first on line {seen[key].line}, again on line {here.line}",
                )
                continue
            seen[key] = here
            place = (*path, key)
            self.document.keys[place] = here
            yield key, self.value(value_node, place, above)

    def scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        if node.tag not in _PLAIN:
            short = node.tag.removeprefix(_TAG)
            self.note(node, path, f"{node.value!r} is read as {short} by YAML", "write it in quotes")
            return str(node.value)
        if node.tag == _TAG + "str" and node.style is None and is_number(node.value):
            self.note(
                node,
                path,
                f"{node.value} is read as text by YAML, not as a number",
                f"write {as_number(node.value)}",
            )
            return float(node.value)
        try:
            value = self.loader.construct_object(node)
        except (ValueError, yaml.YAMLError):
            self.note(node, path, f"{node.value!r} cannot be read")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self.note(node, path, f"{node.value} is not a finite number")
            return None
        return value

    def note(self, node: yaml.Node, path: KeyPath, message: str, hint: str = "") -> None:
        mark = _mark(node)
        self.document.problems.append(
            Problem(self.document.file, mark.line, mark.column, show_path(path), message, hint)
        )


def _mark(node: yaml.Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)


def is_number(text: str) -> bool:
    """Whether text is spelt like a number, also where YAML 1.1 does not read it as one."""
    return _NUMBER.fullmatch(text) is not None


def as_number(text: str) -> str:
    """The spelling of a number that YAML 1.1 reads as a number: `1e-3` becomes `1.0e-3`, `2.5e4` becomes
    `2.5e+4`."""
    mantissa, _, exponent = text.lower().replace("_", "").partition("e")
    if not exponent:
        return str(int(mantissa)) if mantissa.lstrip("+-").isdigit() else mantissa
    if "." not in mantissa:
        mantissa += ".0"
    if mantissa.endswith("."):
        mantissa += "0"
    return f"{mantissa}e{exponent if exponent[0] in '+-' else '+' + exponent}"
