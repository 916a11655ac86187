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
    """Show which runs are done, stale (changed since), failed and missing, and how many published
    records have the key of today's code."""
    from pixcl_bench.bench.config.grid import plan
    from pixcl_bench.bench.config.words import split
    from pixcl_bench.bench.records.published import read_all_published
    from pixcl_bench.bench.run.guards import shown
    from pixcl_bench.bench.run.listing import status_table
    from pixcl_bench.bench.run.machine import resolve_device
    from pixcl_bench.bench.run.runner import make_jobs
    from pixcl_bench.bench.run.verify import published_line, published_state

    loaded, out = load(config), console()
    place = results or loaded.results
    out.print(f"results in {shown(place)}/")
    for name in split(profile) or loaded.profiles:
        runs = plan(loaded, name, device=resolve_device(device))
        out.print(status_table(make_jobs(runs, loaded, place), name))
    wanted = split(profile) or list(loaded.profiles)
    every = read_all_published(loaded.path.parent / "published")
    records = [record for record in every if record.profile in wanted]
    if records:
        out.print(published_line(published_state(records, loaded)))
