"""`pixcl-bench logs`."""

from typing import Annotated

import typer

from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import ConfigFile, Results


@app.command()
def logs(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A run's folder, its key, or TASK/DATASET/METHOD/SEED."),
    ],
    profile: Annotated[
        str | None, typer.Option("--profile", "-p", help="Only runs of this profile.")
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many lines.")] = 30,
    results: Results = None,
    config: ConfigFile = None,
) -> None:
    """Print how a run has ended, why it failed, and the end of its log."""
    from pathlib import Path

    from pixcl_bench.bench.config.builtin import own_folder
    from pixcl_bench.bench.run.logs import find_runs, log_lines
    from pixcl_bench.cli.shared import place

    where: Path = results or own_folder(place(config).resolve(), "results")
    for folder in find_runs(run, where, profile):
        for line in log_lines(folder, lines):
            print(line)
