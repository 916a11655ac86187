"""`pixcl-bench run`."""

from typing import Annotated

import typer

from pixcl_bench.cli.app import FAILED, INTERRUPTED, OK, app
from pixcl_bench.cli.options import (
    ConfigFile,
    DataRoot,
    Datasets,
    Device,
    Jobs,
    Methods,
    Profile,
    Results,
    Seeds,
    Settings,
    Tasks,
)
from pixcl_bench.cli.shared import console, load, show_results


@app.command()
def run(
    profile: Profile = "quick",
    task: Tasks = None,
    dataset: Datasets = None,
    method: Methods = None,
    seed: Seeds = None,
    settings: Settings = None,
    jobs: Jobs = None,
    device: Device = "auto",
    results: Results = None,
    config: ConfigFile = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a Dask scheduler.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run again what is done.")] = False,
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going/--fail-fast",
            " /--stop-on-failure",
            help="Go on after a failed run, or start nothing more.",
        ),
    ] = True,
    retries: Annotated[
        int,
        typer.Option(
            "--retries",
            min=0,
            max=10,
            help="How often a run is tried again that was lost with its process; not for errors.",
        ),
    ] = 1,
    limit: Annotated[
        str | None,
        typer.Option("--time-limit", metavar="SECONDS", help="Of each run, not the profile's."),
    ] = None,
    data_root: DataRoot = None,
) -> None:
    """Run a profile's grid; what is done already is not run again. Then the tables and the
    report."""
    from pixcl_bench.bench.config.grid import plan
    from pixcl_bench.bench.config.words import overrides, seeds, split, time_limit, use_data_root
    from pixcl_bench.bench.run.guards import preflight
    from pixcl_bench.bench.run.listing import fetch_for
    from pixcl_bench.bench.run.machine import resolve_device
    from pixcl_bench.bench.run.runner import make_jobs, run_grid, survey

    use_data_root(data_root)
    most = time_limit(limit)
    loaded, out = load(config), console()
    place = results or loaded.results
    runs = plan(
        loaded,
        profile,
        split(task),
        split(dataset),
        split(method),
        seeds(seed),
        overrides(settings),
        resolve_device(device),
    )
    if most is not None:
        runs = [each.model_copy(update={"time_limit": most}) for each in runs]
    todo = survey(make_jobs(runs, loaded, place), loaded, force)[0]
    if scheduler is None:
        preflight(todo)
    fetch_for(todo)
    summary = run_grid(
        runs,
        config=loaded,
        results=place,
        jobs=jobs,
        scheduler=scheduler,
        force=force,
        keep_going=keep_going,
        retries=retries,
        console=out,
    )
    if summary.interrupted:
        finished = summary.before + summary.done
        out.print(
            f"\nStopped: {finished} of {summary.total} runs are done. "
            "The same command goes on from here."
        )
        raise typer.Exit(INTERRUPTED)
    if summary.before == summary.total:
        out.print(f"All {summary.total} runs are done already: nothing to run.")
    only = {(r.task, r.dataset, r.method) for r in runs}
    show_results(loaded, profile, place, out, only)
    for record in summary.failed:
        text = f"FAILED {record.folder.as_posix()}: {record.reason}: {record.detail}"
        out.print(text, style="red", markup=False)
    raise typer.Exit(FAILED if summary.failed or summary.left else OK)
