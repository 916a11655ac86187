"""The application that the commands add themselves to, and its entry point."""

import sys
from typing import Annotated

import typer

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    help="Benchmarks of contrastive learning: run a grid, compare, decide the papers' claims.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> bool:
    if wanted:
        from pixcl_bench.bench.keys import version_of

        print(f"pixcl-bench {version_of('pixcl_bench')}")
        raise typer.Exit(OK)
    return wanted


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of the command itself."""


def main() -> None:
    """The console script: expected errors are one message on stderr and exit code 2."""
    from pixcl_bench.bench.errors import BenchError
    from pixcl_bench.data.catalogue import CatalogueError, FetchError

    try:
        app()
    except (BenchError, CatalogueError, FetchError, OSError) as error:
        print(f"pixcl-bench: {error}", file=sys.stderr)
        sys.exit(USAGE)
