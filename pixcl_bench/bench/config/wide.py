"""The papers' numbers as a wide CSV table: one row for a method, data set and source, one column
for a metric."""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from pixcl_bench.bench.config.yamlpos import Document, Mark
from pixcl_bench.bench.errors import Problem, nearest

NEEDED = ("method", "dataset", "source")
WORDS = (*NEEDED, "encoder", "notes")
"""The columns that are no metrics. Any other is one: `NAME [UNIT]`, or `NAME` alone."""

_METRIC = re.compile(r"(?P<metric>[^\[\]]*[^\[\]\s])(?:\s*\[(?P<unit>[^\[\]]+)\])?")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def read_wide(text: str, file: str, task: str) -> Document:
    """The numbers of a task as a list of rows with `task`, `method`, `dataset`, `encoder`,
    `metric`, `value`, `unit`, `source` and `notes`, in the order of rows, then columns. An empty
    cell is no number. Problems go to the document."""
    document = Document(file, data=[])
    table = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        head = next(table, [])
        columns = _columns(document, head)
        for row in table if columns is not None else ():
            if row and len(row) != len(head):
                message = f"{len(row)} cells in a table of {len(head)} columns"
                _note(document, table.line_num, message, "a text with a comma stands in quotes")
            elif row:
                words = dict(zip(head, (cell.strip() for cell in row), strict=True))
                for number in _numbers(document, table.line_num, words, columns or {}):
                    _add(document, table.line_num, {"task": task, **number})
    except csv.Error as error:
        _note(document, table.line_num or 1, f"not a CSV table: {error}")
    return document


def _columns(document: Document, head: list[str]) -> dict[str, tuple[str, str]] | None:
    """The metric and unit of each column that has one; None where the heading is wrong."""
    wrong = len(document.problems)
    for name in NEEDED:
        if name not in head:
            meant = [word for word in head if nearest(word, [name]).startswith("did")]
            hint = f"is {meant[0]!r} meant for it?" if meant else ""
            _note(document, 1, f"missing column {name!r}", hint)
    found: dict[str, tuple[str, str]] = {}
    for i, name in enumerate(head):
        match = _METRIC.fullmatch(name)
        if name in head[:i]:
            _note(document, 1, f"duplicate column {name!r}")
        elif match is None:
            _note(document, 1, f"column {i + 1}: {name!r} is no name of a metric", "NAME [UNIT]")
        elif name not in WORDS:
            found[name] = (match["metric"], match["unit"] or "")
    return found if len(document.problems) == wrong else None


def _numbers(
    document: Document, line: int, words: dict[str, str], columns: dict[str, tuple[str, str]]
) -> Iterator[dict[str, Any]]:
    for name in NEEDED:
        if not words[name]:
            _note(document, line, f"no {name} in this row")
    given = {name: words[name] for name in columns if words[name]}
    if not given:
        _note(document, line, "no number in this row")
    for name, text in given.items():
        if not _NUMBER.fullmatch(text):
            hint = "write a point, not a comma" if re.fullmatch(r"[-+]?\d+,\d+", text) else ""
            _note(document, line, f"{name}: {text!r} is not a number", hint)
        elif all(words[need] for need in NEEDED):
            metric, unit = columns[name]
            number = {"metric": metric, "value": float(text), "unit": unit}
            yield {key: words[key] for key in WORDS if words.get(key)} | number


def _add(document: Document, line: int, number: dict[str, Any]) -> None:
    at = len(document.data)
    document.data.append(number)
    for path in ((at,), *((at, key) for key in number)):
        document.marks[path] = Mark(document.file, line, 1)


def _note(document: Document, line: int, message: str, hint: str = "") -> None:
    document.problems.append(Problem(document.file, line, 1, "", message, hint))
