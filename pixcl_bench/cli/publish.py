"""`pixcl-bench publish`."""

from pathlib import Path
from typing import Annotated

import typer

from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import ConfigFile, Device, Profile, Results, Tasks, path_of
from pixcl_bench.cli.shared import load


@app.command()
def publish(
    profile: Profile = "study",
    task: Tasks = None,
    device: Device = "auto",
    results: Results = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            parser=path_of,
            metavar="DIR",
            help="Folder of published records (default: published).",
        ),
    ] = None,
    allow_dirty: Annotated[
        bool, typer.Option("--allow-dirty", help="Also records of code not committed.")
    ] = False,
    allow_stale: Annotated[
        bool, typer.Option("--allow-stale", help="Also records of code changed since.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Write compact records with their commit to published/PROFILE-DEVICE.jsonl."""
    from pixcl_bench.bench.config.builtin import own_folder
    from pixcl_bench.bench.config.words import split
    from pixcl_bench.bench.records.published import publish as write
    from pixcl_bench.bench.run.guards import shown
    from pixcl_bench.bench.run.machine import resolve_device

    loaded = load(config)
    loaded.profile(profile)
    path, count = write(
        loaded,
        results or loaded.results,
        profile,
        resolve_device(device),
        out or own_folder(loaded.path, "published"),
        tasks=split(task),
        allow_dirty=allow_dirty,
        allow_stale=allow_stale,
    )
    print(f"{shown(path)}: {count} records of profile {profile}")
