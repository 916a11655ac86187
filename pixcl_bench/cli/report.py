"""`pixcl-bench report`."""

import sys

import typer

from pixcl_bench.cli.app import FAILED, app
from pixcl_bench.cli.options import ConfigFile, Profile, Results
from pixcl_bench.cli.shared import console, load, show_results


@app.command()
def report(profile: Profile = "quick", results: Results = None, config: ConfigFile = None) -> None:
    """Build the report of a profile from its records."""
    from pixcl_bench.bench.records.store import scan

    loaded = load(config)
    loaded.profile(profile)
    place = results or loaded.results
    if not scan(place, profile):
        print(
            f"pixcl-bench: {place}: no record of profile {profile!r}, so no report "
            f"(make some: pixcl-bench run --profile {profile})",
            file=sys.stderr,
        )
        raise typer.Exit(FAILED)
    show_results(loaded, profile, place, console())
