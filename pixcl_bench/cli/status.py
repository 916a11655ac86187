"""`pixcl-bench status`."""

from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import ConfigFile, Device, Profiles, Results
from pixcl_bench.cli.shared import console, load


@app.command()
def status(
    profile: Profiles = None,
    device: Device = "auto",
    results: Results = None,
    config: ConfigFile = None,
) -> None:
    """Show which runs are done, stale (changed since), failed and missing."""
    from pixcl_bench.bench.grid import plan
    from pixcl_bench.bench.listing import status_table
    from pixcl_bench.bench.machine import resolve_device
    from pixcl_bench.bench.runner import make_jobs, shown
    from pixcl_bench.bench.words import split

    loaded, out = load(config), console()
    place = results or loaded.results
    out.print(f"results in {shown(place)}/")
    for name in split(profile) or loaded.profiles:
        runs = plan(loaded, name, device=resolve_device(device))
        out.print(status_table(make_jobs(runs, loaded, place), name))
