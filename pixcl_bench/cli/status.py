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
    from pixcl_bench.bench.grid import plan
    from pixcl_bench.bench.listing import status_table
    from pixcl_bench.bench.machine import resolve_device
    from pixcl_bench.bench.published import read_all_published
    from pixcl_bench.bench.runner import make_jobs, shown
    from pixcl_bench.bench.verify import published_line, published_state
    from pixcl_bench.bench.words import split

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
