"""A new method as files: a template, divided into cells, becomes a notebook that nbdev exports, or
a module with a notebook that imports from it."""

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "templates"
_CELL = re.compile(r"^# %%(.*)$", re.MULTILINE)
_EXPORT, _DEFAULT = "#| export\n", "#| default_exp"


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook: markdown, or code that may be exported to the module."""

    source: str
    markdown: bool = False

    @property
    def exported(self) -> bool:
        """Whether the module gets this cell."""
        return self.source.startswith(_EXPORT)


def templates() -> list[str]:
    """The names of the contract classes that there is a template for."""
    return sorted(path.stem for path in TEMPLATES.glob("*.txt"))


def title_of(name: str) -> str:
    """`my_method` as tables show it: `My method`."""
    return name.replace("_", " ").capitalize()


def cells_of(template: str, name: str, task: str) -> list[Cell]:
    """The cells of a template for a method called `name`."""
    text = (TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
    camel = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    words = {"my_method": name, "MyMethod": camel, "My method": title_of(name), "TASK": task}
    for word, mine in words.items():
        text = text.replace(word, mine)
    parts = _CELL.split(text)[1:]
    return [
        _cell(kind, body.strip("\n")) for kind, body in zip(parts[::2], parts[1::2], strict=True)
    ]


def _cell(kind: str, body: str) -> Cell:
    if "[markdown]" not in kind:
        return Cell(body)
    return Cell(
        "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines()), True
    )


def notebook_text(cells: Sequence[Cell]) -> str:
    """The cells as a notebook (format 4.5), not yet executed, as nbdev writes it."""
    kernel = {"display_name": "python3", "language": "python", "name": "python3"}
    data = {
        "cells": [_json(cell, i) for i, cell in enumerate(cells)],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def _json(cell: Cell, place: int) -> dict[str, Any]:
    digest = hashlib.sha256(f"{place} {cell.source}".encode()).hexdigest()[:8]
    common = {"id": digest, "metadata": {}, "source": cell.source.splitlines(keepends=True)}
    if cell.markdown:
        return {"cell_type": "markdown", **common}
    return {"cell_type": "code", "execution_count": None, "outputs": [], **common}


def module_text(cells: Iterable[Cell]) -> str:
    """The module that the exported cells make."""
    known = list(cells)
    summary = next(line for line in known[0].source.splitlines() if line.startswith("> "))
    parts = [cell.source.removeprefix(_EXPORT) for cell in known if cell.exported]
    imports = [part for part in parts if not _defined(part)]
    rest = [part for part in parts if _defined(part)]
    head = f'"""{summary.removeprefix("> ")}"""'
    return "\n\n\n".join(["\n\n".join([head, *imports]), *rest]) + "\n"


def importing_cells(cells: Iterable[Cell], module: str) -> list[Cell]:
    """The cells of a notebook beside the module: what it defines is imported from there."""
    found: list[Cell] = []
    started = False
    for cell in cells:
        if cell.source.startswith(_DEFAULT):
            found.append(Cell(_PATH))
        elif not cell.exported:
            found.append(cell)
        elif names := _defined(cell.source):
            found.append(Cell(f"from {module} import {', '.join(names)}"))
        elif not started:
            found.append(Cell(_needed(cells)))
            started = True
    return found


_PATH = """\
#| hide
import sys
from pathlib import Path

above = (Path.cwd(), *Path.cwd().parents)
sys.path.insert(0, str(next(f for f in above if (f / "benchmarks.yaml").is_file())))"""


def _needed(cells: Iterable[Cell]) -> str:
    """The imports of the exported cells that the other cells of the notebook use as well."""
    known = list(cells)
    used = {
        node.id
        for cell in known
        if not (cell.markdown or cell.exported)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Name)
    }
    lines = [
        line
        for cell in known
        if cell.exported and not _defined(cell.source)
        for line in cell.source.removeprefix(_EXPORT).splitlines()
        if used & _bound(line)
    ]
    return "\n".join(lines)


def _bound(line: str) -> set[str]:
    """The names that a line of imports binds."""
    return {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(ast.parse(line))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }


def _defined(source: str) -> list[str]:
    """The functions and classes that a cell defines."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in ast.parse(source).body if isinstance(node, kinds)]
