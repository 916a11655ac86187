"""`pixcl-bench report`."""

from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import ConfigFile, Profile, Results
from pixcl_bench.cli.shared import console, load, show_results


@app.command()
def report(profile: Profile = "quick", results: Results = None, config: ConfigFile = None) -> None:
    """Build the report of a profile from its records."""
    loaded = load(config)
    show_results(loaded, profile, results or loaded.results, console())
