"""What the bench reads of a notebook file: its code cells and its parameters."""

import ast
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

from pixcl_bench.bench.errors import BenchError, nearest, unknown
from pixcl_bench.meaning.source import Stamp, stamp_of

PARAMETERS = ("method", "dataset", "seed", "profile", "device", "overrides", "config", "results")
"""The parameters that a benchmark notebook takes, all of them."""

_SKIPPED = {"parameters", "injected-parameters"}


class NotebookError(BenchError):
    """A notebook that cannot be read or run as a benchmark."""


def code_cells(path: Path) -> Iterator[tuple[str, set[str]]]:
    """The source and the tags of every code cell. Raises NotebookError."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotebookError(f"{path.name} is not a notebook that can be read: {error}") from error
    for cell in cells:
        if cell.get("cell_type") == "code":
            source = cell.get("source", "")
            yield (
                source if isinstance(source, str) else "".join(source),
                set(cell.get("metadata", {}).get("tags", ())),
            )


def numbers_code(path: Path) -> list[str]:
    """The code cells that make the numbers: all but the cells of parameters."""
    return list(_numbers_code(path, stamp_of(path)))


@lru_cache(maxsize=64)
def _numbers_code(path: Path, stamp: Stamp) -> tuple[str, ...]:
    return tuple(source for source, tags in code_cells(path) if not tags & _SKIPPED)


def parameter_names(path: Path) -> set[str]:
    """The names assigned in the cell tagged `parameters`. Raises NotebookError where there is
    none."""
    for source, tags in code_cells(path):
        if "parameters" in tags:
            return set(assigned_names(source))
    raise NotebookError(f"{path.name} has no code cell tagged 'parameters'")


def notebook_fault(notebook: str, root: Path) -> tuple[str, str]:
    """What is wrong with the path of a notebook of the project, and a hint; empty where it is
    there."""
    path, place = PurePosixPath(notebook), root / notebook
    if path.is_absolute() or ".." in path.parts or "\\" in notebook:
        hint = "write a path inside it, like nbs/benchmarks/NAME.ipynb"
        return f"notebook {notebook!r} leaves the project", hint
    if path.suffix != ".ipynb":
        return f"notebook {notebook!r} is not an .ipynb file", ""
    if not place.is_file():
        folder = root / path.parent
        files = sorted(folder.glob("*.ipynb")) if folder.is_dir() else []
        others = [file.relative_to(root).as_posix() for file in files]
        return f"notebook {notebook!r} does not exist", nearest(notebook, others)
    if not place.resolve().is_relative_to(root.resolve()):
        return f"notebook {notebook!r} leaves the project by a link", ""
    return "", ""


def assigned_names(source: str) -> Iterator[str]:
    """The names that the top-level statements of a cell assign; none where the cell does not
    parse."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return
    for node in body:
        if isinstance(node, ast.Assign):
            targets = node.targets
        else:
            targets = [node.target] if isinstance(node, ast.AnnAssign) else []
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def check_parameters(given: Iterable[str], path: Path) -> None:
    """Raise NotebookError for a parameter that the notebook does not take: papermill itself only
    warns."""
    known = parameter_names(path)
    wrong = [name for name in given if name not in known]
    if wrong:
        raise NotebookError(
            "; ".join(unknown("parameter", name, known) for name in wrong) + f" of {path.name}"
        )
