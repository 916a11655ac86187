"""`pixcl-bench check`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pixcl_bench.cli.app import USAGE, app
from pixcl_bench.cli.options import path_of
from pixcl_bench.cli.shared import load, place


@app.command()
def check(
    file: Annotated[
        Path | None,
        typer.Argument(parser=path_of, metavar="[FILE]", help="benchmarks.yaml by default."),
    ] = None,
) -> None:
    """Check a configuration; every problem goes to stderr with its line, and the exit code is 2."""
    from pixcl_bench.bench.config.reading import check_config
    from pixcl_bench.bench.run.guards import shown

    where = place(file)
    problems = check_config(where)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}", file=sys.stderr)
        raise typer.Exit(USAGE)
    loaded = load(where)
    counts = (len(loaded.tasks), len(loaded.profiles), len(loaded.claims))
    print(f"{shown(where)}: OK ({counts[0]} tasks, {counts[1]} profiles, {counts[2]} claims)")
