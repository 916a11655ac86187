"""`pixcl-bench export`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import ConfigFile, Profile, Results
from pixcl_bench.cli.shared import load, own_or_published


@app.command()
def export(
    profile: Profile = "study",
    out: Annotated[Path, typer.Option("--out", help="Folder of the files.")] = Path("exports"),
    results: Results = None,
    published: Annotated[
        bool, typer.Option("--published", help="Export the published records.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Write the tables as LaTeX and Markdown, every run as CSV and parquet, and a model index."""
    from pixcl_bench.bench.run.runner import shown
    from pixcl_bench.report.render import exports

    loaded = load(config)
    loaded.profile(profile)
    records = own_or_published(loaded, profile, results, published)
    for path in exports.export(loaded, records, out):
        print(shown(path))
    if not exports.has_parquet():
        print("no runs.parquet: pyarrow is not installed (pip install pyarrow)", file=sys.stderr)
