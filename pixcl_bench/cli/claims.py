"""`pixcl-bench claims`."""

from typing import Annotated

import typer

from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import ConfigFile, Profile, Results
from pixcl_bench.cli.shared import console, load, own_or_published


@app.command()
def claims(
    profile: Profile = "study",
    results: Results = None,
    published: Annotated[
        bool, typer.Option("--published", help="Decide from the published records.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Decide the claims of the papers from the records of a profile; from the published ones where
    there are no results."""
    from pixcl_bench.report.render.build import pilot_records
    from pixcl_bench.report.render.claims import console_claims
    from pixcl_bench.report.verdicts import decide_claims

    loaded = load(config)
    loaded.profile(profile)
    records = own_or_published(loaded, profile, results, published)
    pilots = pilot_records(loaded, results or loaded.results)
    console().print(console_claims(loaded, decide_claims(loaded, records, pilots)))
