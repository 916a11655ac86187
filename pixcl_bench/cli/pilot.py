"""`pixcl-bench ingredients`, `pilot` and `tune`: sweeps on validation data."""

from typing import Annotated

import typer

from pixcl_bench.cli import run as running
from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import (
    ConfigFile,
    DataRoot,
    Datasets,
    Device,
    Jobs,
    Methods,
    Results,
    Seeds,
)

Task = Annotated[str, typer.Argument(help="The task.")]


_COMMANDS = {
    "ingredients": "Run floor and ceiling of a task with other ingredients on validation data.",
    "pilot": "Run a task with several numbers of steps on validation data: how many are enough?",
    "tune": "Run a task with the values of its tuning grid on validation data: which are best?",
}
"""The profiles that are commands too."""


def _add(profile: str, words: str) -> None:
    @app.command(name=profile, help=words)
    def command(
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
        running.run(
            profile=profile,
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


for _profile, _words in _COMMANDS.items():
    _add(_profile, _words)
