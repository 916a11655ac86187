"""`pixcl-bench pilot` and `pixcl-bench tune`: sweeps on validation data."""

from typing import Annotated

import typer

from pixcl_bench.cli import run as running
from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import (
    ConfigFile,
    DataRoot,
    Datasets,
    Device,
    Methods,
    Results,
    Seeds,
)

Task = Annotated[str, typer.Argument(help="The task.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", help="Runs at once (default: what the cores hold).")
]


@app.command()
def pilot(
    task: Task,
    dataset: Datasets = None,
    method: Methods = None,
    seed: Seeds = None,
    jobs: Jobs = None,
    device: Device = "auto",
    results: Results = None,
    config: ConfigFile = None,
    data_root: DataRoot = None,
) -> None:
    """Run a task with several numbers of steps on validation data: how many are enough?"""
    running.run(
        profile="pilot",
        task=[task],
        dataset=dataset,
        method=method,
        seed=seed,
        jobs=jobs,
        device=device,
        results=results,
        config=config,
        data_root=data_root,
    )


@app.command()
def tune(
    task: Task,
    dataset: Datasets = None,
    method: Methods = None,
    seed: Seeds = None,
    jobs: Jobs = None,
    device: Device = "auto",
    results: Results = None,
    config: ConfigFile = None,
    data_root: DataRoot = None,
) -> None:
    """Run a task with the values of its tuning grid on validation data: which are best?"""
    running.run(
        profile="tune",
        task=[task],
        dataset=dataset,
        method=method,
        seed=seed,
        jobs=jobs,
        device=device,
        results=results,
        config=config,
        data_root=data_root,
    )
