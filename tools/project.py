"""Where the project's files are, and its notebooks as plain JSON."""

import json
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]
Cell = dict[str, Any]


def find_root(start: Path | None = None) -> Path:
    """The folder with `settings.ini` and `nbs/`: the working folder, one above it, or the package's
    repository.

    Raises:
        FileNotFoundError: there is none.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[1]):
        if (folder / "settings.ini").is_file() and (folder / "nbs").is_dir():
            return folder
    raise FileNotFoundError(
        "no folder with settings.ini and nbs/ here or above: run this inside a clone of the"
        " repository"
    )


def settings(root: Path) -> dict[str, str]:
    """The values of `settings.ini`."""
    parser = ConfigParser(delimiters=["="], interpolation=None)
    parser.read(root / "settings.ini", encoding="utf-8")
    return dict(parser["DEFAULT"])


def notebooks(root: Path) -> Iterator[Path]:
    """All notebooks of the project in a fixed order, without hidden and generated folders."""
    for path in sorted((root / "nbs").rglob("*.ipynb")):
        if not any(part.startswith((".", "_")) for part in path.relative_to(root).parts):
            yield path


def read_notebook(path: Path) -> Notebook:
    """The notebook's JSON.

    Raises:
        ValueError: it is not a notebook of format 4.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(notebook, dict) or notebook.get("nbformat") != 4 or "cells" not in notebook:
        raise ValueError(f"{path.name} is not a notebook of format 4")
    return notebook


def joined(text: Any) -> str:
    """Text that a notebook stores as a string or as a list of lines."""
    return text if isinstance(text, str) else "".join(text or [])


def directives(cell: Cell) -> dict[str, str]:
    """The `#|` directives at the head of a code cell: `{"export": "", "echo": "false"}`."""
    found = {}
    for line in joined(cell["source"]).splitlines():
        if line.strip() and not line.lstrip().startswith("#|"):
            break
        name, _, value = line.lstrip().removeprefix("#|").strip().partition(" ")
        if name:
            found[name.rstrip(":")] = value.strip()
    return found


def code(cell: Cell) -> str:
    """The source of a code cell without its directives."""
    lines = joined(cell["source"]).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#|")).strip("\n")
