"""`pixcl-bench index` and `pixcl-bench search`: images of a folder, found by a description."""

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import path_of
from pixcl_bench.cli.shared import console, stop

if TYPE_CHECKING:
    from rich.table import Table

_OPENING, _SESSION, _WEB = (f"pixcl_bench.app.{name}" for name in ("opening", "session", "web"))
"""Imported by name when a command runs: they need torch, and `web` the extra `app`."""

_SHOWN = 10


@app.command()
def index(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=path_of, metavar="DIR", help="A folder with manifest.csv and images."
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", parser=path_of, metavar="FILE", help="A saved model that embeds the images."
        ),
    ] = None,
    train: Annotated[
        bool, typer.Option("--train", help="Train a small model on the folder's own records.")
    ] = False,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of --train.")] = 600,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of --train.")] = 0,
) -> None:
    """Index the images of a folder, so that `pixcl-bench search DIR` can search them."""
    if not folder.is_dir():
        stop(_no_folder(folder))
    opening = import_module(_OPENING)
    with _plain_errors():
        found, own = opening.index_folder(folder, model=model, train=train, steps=steps, seed=seed)
    for problem in own.problems[:_SHOWN]:
        print(problem, file=sys.stderr)
    if len(own.problems) > _SHOWN:
        print(f"and {len(own.problems) - _SHOWN} more rows or values", file=sys.stderr)
    print(f"{folder}: {len(found)} images are indexed; search with: pixcl-bench search {folder}")


@app.command()
def search(
    folder: Annotated[
        Path | None,
        typer.Argument(
            parser=path_of,
            metavar="[DIR]",
            help="An indexed folder (default: drawn dental radiographs).",
        ),
    ] = None,
    query: Annotated[
        str | None, typer.Option("--query", "-q", help="Print results here and open no page.")
    ] = None,
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, max=100, help="Results of --query.")
    ] = 9,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Port of the page.")
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Search images by a description, on a page in the browser, or with --query in the terminal."""
    if folder is not None and not folder.is_dir():
        stop(_no_folder(folder))
    web = _web() if query is None else None
    gallery = _gallery(folder)
    if web is not None:
        with _plain_errors():
            web.serve(gallery, port, browser)
        return
    session = import_module(_SESSION).SearchSession(gallery)
    answer = session.search(query, number)
    if not answer.hits:
        stop(answer.message)
    if answer.message:
        print(answer.message, file=sys.stderr)
    console().print(table(gallery, answer.hits))


def table(gallery: Any, hits: Any) -> "Table":
    """The results of a query: rank, cosine, id and caption."""
    from rich.table import Table
    from rich.text import Text

    shown = Table()
    for column in ("rank", "cosine", "image", "caption"):
        shown.add_column(column, justify="right" if column in ("rank", "cosine") else "left")
    for hit in hits:
        # Text, not markup: brackets in a caption are shown as they are.
        words = Text(gallery.captioner.canonical(hit.record))
        shown.add_row(str(hit.rank), f"{hit.score:.3f}", Text(hit.id), words)
    return shown


def _web() -> Any:
    try:
        return import_module(_WEB)
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "gradio":
            raise
        stop(
            "the page needs gradio: pip install 'pixcl-bench[app]' (or print results here with "
            "--query 'some words')"
        )


def _gallery(folder: Path | None) -> Any:
    opening = import_module(_OPENING)
    with _plain_errors():
        if folder is not None:
            return opening.open_folder(folder)
        return opening.default_gallery(on_train=_say_training)


def _say_training() -> None:
    print("training a small model for the first search (a few minutes, once) ...", file=sys.stderr)


class _plain_errors:
    """Errors of the app as the one line of a usage error."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        # Errors of what a user gave are ValueErrors whose classes are the project's own.
        if isinstance(error, ValueError) and type(error).__module__.startswith("pixcl_bench."):
            stop(str(error))


def _no_folder(folder: Path) -> str:
    from pixcl_bench.bench.errors import nearest

    parent = folder.parent
    names = [each.name for each in parent.iterdir() if each.is_dir()] if parent.is_dir() else []
    hint = nearest(folder.name, names)
    near = f" ({hint})" if hint.startswith("did you mean") else ""
    return f"{folder}: there is no such folder{near}"
