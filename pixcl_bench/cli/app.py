"""The application that the commands add themselves to, and its entry point."""

import sys
from typing import Annotated, Any

import typer

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_ClickError: type[Any] = typer.BadParameter.__mro__[2]
"""What the command line's own library raises for what was typed; it has no public name in typer."""

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
    from pixcl_bench.cli.terminal import CLOSED, flush, prepare

    prepare()
    code: object = OK
    try:
        code = _call()
    except BrokenPipeError:
        code = CLOSED
    except SystemExit as end:
        code = end.code
    if not flush():
        code = CLOSED
    sys.exit(code)  # type: ignore[arg-type]


def _call() -> object:
    """Run the command; its exit code. What was typed wrongly is one line, as other errors are."""
    from pixcl_bench.bench.errors import BenchError
    from pixcl_bench.data.catalogue import CatalogueError, FetchError

    try:
        return app(standalone_mode=False) or OK
    except _ClickError as error:
        message = " ".join(error.format_message().split())
        if len(message) > 400:  # it quotes what was typed
            message = f"{message[:200]} ... {message[-150:]}"
        where = getattr(error, "ctx", None)
        if message and where is not None:
            message += f" (see {where.command_path} --help)"
    except typer.Abort:
        return INTERRUPTED
    except (BenchError, CatalogueError, FetchError) as error:
        message = str(error)
    except BrokenPipeError:
        raise
    except OSError as error:
        message = _of_the_system(error)
    except MemoryError:
        message = "memory ran out"
    if message:  # the help of a command without arguments has been shown
        print(f"pixcl-bench: {message}", file=sys.stderr)
    return USAGE


def _of_the_system(error: OSError) -> str:
    """What the system did not do, and with which file."""
    reason = error.strerror or str(error) or type(error).__name__
    places = [str(place) for place in (error.filename, error.filename2) if place is not None]
    short = [place if len(place) <= 200 else f"{place[:200]}..." for place in places]
    return f"{' and '.join(short)}: {reason[:1].lower()}{reason[1:]}" if short else reason
