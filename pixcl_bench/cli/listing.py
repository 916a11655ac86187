"""`pixcl-bench list`."""

from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import ConfigFile, Tasks
from pixcl_bench.cli.shared import console, load


@app.command("list")
def list_(task: Tasks = None, config: ConfigFile = None) -> None:
    """Show profiles, tasks, methods and data sets."""
    from pixcl_bench.bench.config.words import split
    from pixcl_bench.bench.run.listing import config_tables

    out = console()
    for table in config_tables(load(config), split(task)):
        out.print(table)
