"""YAML 1.2 into plain data that remembers the file, line and column of every key and value."""

import math
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pixcl_bench.bench.errors import Problem

KeyPath = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + name for name in ("str", "int", "float", "bool", "null")}
_OLDER = re.compile(r"^%YAML(?![ \t]+1\.2\b)", re.MULTILINE)
_OTHER_NUMBER = re.compile(r"_|^[-+]?0[bB]")
"""In numbers of other versions of YAML, which the library reads all the same."""
_MOST = 100_000
_DEEPEST = 100


@dataclass(frozen=True, order=True)
class Mark:
    """A place in a file: line and column, both from 1."""

    file: str
    line: int
    column: int


@dataclass
class Document:
    """Plain data of a YAML file (and of those that it includes), the marks of its values (`marks`)
    and of its keys (`keys`), and what is wrong with its text."""

    file: str
    data: Any = None
    marks: dict[KeyPath, Mark] = field(default_factory=dict)
    keys: dict[KeyPath, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    incomplete: set[KeyPath] = field(default_factory=set)
    """Entries that could not be made whole: a key that they lack is not their mistake."""

    def mark(self, path: KeyPath, *, key: bool = False) -> Mark:
        """The mark of the value (or the key) at `path`, or of the nearest parent that is in the
        file."""
        first, second = (self.keys, self.marks) if key else (self.marks, self.keys)
        for end in range(len(path), -1, -1):
            found = first.get(path[:end]) or second.get(path[:end])
            if found:
                return found
        return Mark(self.file, 1, 1)

    def problem(self, path: KeyPath, message: str, hint: str = "", *, key: bool = False) -> Problem:
        """A problem at the value (or the key) at `path`."""
        mark = self.mark(path, key=key)
        return Problem(mark.file, mark.line, mark.column, show_path(path), message, hint)

    def note(self, path: KeyPath, message: str, hint: str = "", *, key: bool = False) -> None:
        """Add a problem of the text itself."""
        self.problems.append(self.problem(path, message, hint, key=key))

    def line(self, path: KeyPath, seen_from: KeyPath) -> str:
        """`line 7` for the value at `path`, with its file where `seen_from` stands in another
        one."""
        mark = self.mark(path)
        away = mark.file != self.mark(seen_from).file
        return f"line {mark.line} of {mark.file}" if away else f"line {mark.line}"

    def at(self, path: KeyPath) -> Any:
        """The data at `path`; None where there is none."""
        data = self.data
        for part in path:
            if isinstance(part, str) and isinstance(data, dict):
                data = data.get(part)
            elif isinstance(part, int) and isinstance(data, list) and part < len(data):
                data = data[part]
            else:
                return None
        return data

    def copy_marks(self, data: Any, source: KeyPath, target: KeyPath, to: "Document") -> None:
        """Give `data`, written at `source`, the same marks at `target` of another document."""
        for marks, copies in ((self.marks, to.marks), (self.keys, to.keys)):
            if source in marks:
                copies[target] = marks[source]
        for key, value in _children(data):
            self.copy_marks(value, (*source, key), (*target, key), to)

    def graft(self, at: KeyPath, other: "Document") -> None:
        """Take over the marks and problems of another document, whose data come to stand at
        `at`."""
        self.marks.update({(*at, *path): mark for path, mark in other.marks.items()})
        self.keys.update({(*at, *path): mark for path, mark in other.keys.items()})
        self.keys[at] = Mark(other.file, 1, 1)
        self.problems += other.problems

    def append(self, at: KeyPath, other: "Document") -> None:
        """Add the rows of another document to the list at `at`, with their marks and problems."""
        rows = self.at(at)
        for path, mark in other.marks.items():
            if path and isinstance(path[0], int):
                place = (*at, len(rows) + path[0], *path[1:])
                self.marks[place] = mark
        rows += other.data
        self.problems += other.problems


def _children(data: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(data, dict):
        yield from data.items()
    elif isinstance(data, list):
        yield from enumerate(data)


def show_path(path: KeyPath) -> str:
    """`("tasks", "a", "seeds", 0)` as `tasks.a.seeds[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".")


def parse(text: str, file: str) -> Document:
    """Parse one YAML document. Problems of the text itself (syntax, duplicate keys, dates) are
    collected, not raised."""
    read = _parsed(text, file)
    return Document(
        file, deepcopy(read.data), dict(read.marks), dict(read.keys), list(read.problems)
    )


@lru_cache(maxsize=32)
def _parsed(text: str, file: str) -> Document:
    """The document of a text, read once: a process loads the same files again and again."""
    document = Document(file)
    older = _OLDER.search(text)
    if older:
        line = text.count("\n", 0, older.start()) + 1
        message, hint = "files are read as YAML 1.2 here", "remove the line %YAML"
        document.problems.append(Problem(file, line, 1, "", message, hint))
        return document
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = _DEEPEST
    yaml.composer.warn_double_anchors = False
    try:
        root = yaml.compose(text)
        if root is None:
            document.problems.append(Problem(file, 1, 1, "", "the file is empty"))
        else:
            document.data = _Reader(document, yaml).value(root, (), ())
    except MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        line, column = (place.line + 1, place.column + 1) if place else (1, 1)
        what = ", ".join(part for part in (error.context, error.problem) if part)
        document.problems.append(Problem(file, line, column, "", f"not valid YAML: {what}"))
    except YAMLError as error:
        what = " ".join(str(error).split())
        document.problems.append(Problem(file, 1, 1, "", f"not valid YAML: {what}"))
    return document


class _Reader:
    """Turns nodes into data; a scalar goes through the safe constructor of ruamel.yaml."""

    def __init__(self, document: Document, yaml: YAML):
        self.document = document
        self.constructor = yaml.constructor

    def value(self, node: Node, path: KeyPath, above: tuple[int, ...]) -> Any:
        self.document.marks[path] = self.mark(node)
        if len(self.document.marks) > _MOST:
            raise MarkedYAMLError(
                problem=f"more than {_MOST:,} values: aliases inside aliases?",
                problem_mark=node.start_mark,
            )
        if id(node) in above:
            self.note(node, path, "an alias that contains itself", "write the values out")
            return None
        if isinstance(node, MappingNode):
            return dict(self.items(node, path, (*above, id(node))))
        if isinstance(node, SequenceNode):
            inside = (*above, id(node))
            return [self.value(child, (*path, i), inside) for i, child in enumerate(node.value)]
        return self.scalar(node, path) if isinstance(node, ScalarNode) else None

    def items(
        self, node: MappingNode, path: KeyPath, above: tuple[int, ...]
    ) -> Iterator[tuple[str, Any]]:
        seen: dict[str, Mark] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode) or key_node.tag == _TAG + "merge":
                hint = "merge keys (<<) are not used here: write extends, or the values"
                self.note(key_node, path, "a key must be plain text", hint)
                continue
            key, here = str(key_node.value), self.mark(key_node)
            place = (*path, key)
            if key_node.tag != _TAG + "str":
                message = f"the key {key} is not read as text by YAML"
                self.note(key_node, place, message, f"write '{key}' in quotes")
            if key in seen:
                first, again = seen[key].line, here.line
                message = f"duplicate key {key!r}: first on line {first}, again on line {again}"
                self.note(key_node, place, message)
                continue
            seen[key] = here
            self.document.keys[place] = here
            yield key, self.value(value_node, place, above)

    def scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        if node.tag not in _PLAIN:
            short = str(node.tag).removeprefix(_TAG)
            message = f"{node.value!r} is read as {short} by YAML"
            self.note(node, path, message, "write it in quotes")
            return str(node.value)
        try:
            value = self.constructor.construct_object(node)
        except (ValueError, LookupError, YAMLError):
            self.note(node, path, f"{str(node.value)[:60]!r} cannot be read")
            return None
        if isinstance(value, int | float) and _OTHER_NUMBER.search(str(node.value)):
            self.note(node, path, f"{node.value} is no number in YAML 1.2", f"write {value}")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self.note(node, path, f"{node.value} is not a finite number")
            return None
        return value

    def mark(self, node: Node) -> Mark:
        start = node.start_mark
        return Mark(self.document.file, start.line + 1, start.column + 1)

    def note(self, node: Node, path: KeyPath, message: str, hint: str = "") -> None:
        mark = self.mark(node)
        self.document.problems.append(
            Problem(mark.file, mark.line, mark.column, show_path(path), message, hint)
        )
