"""`pixcl-bench claims`."""

from typing import Annotated

import typer

from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import ConfigFile, Profile, Results
from pixcl_bench.cli.shared import console, load, stop


@app.command()
def claims(
    profile: Profile = "study",
    results: Results = None,
    published: Annotated[
        bool, typer.Option("--published", help="Decide from the published records.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Decide the claims of the papers from the records of a profile."""
    from pixcl_bench.bench.records.published import read_all_published
    from pixcl_bench.bench.records.store import scan
    from pixcl_bench.report.render.build import pilot_records
    from pixcl_bench.report.render.claims import console_claims
    from pixcl_bench.report.verdicts import decide_claims

    loaded = load(config)
    loaded.profile(profile)
    if published and results is not None:
        stop("--published and --results exclude each other")
    if published:
        records = read_all_published(loaded.path.parent / "published", profile)
    else:
        records = scan(results or loaded.results, profile)
    pilots = pilot_records(loaded, results or loaded.results)
    if not records:
        kind, command = "published " if published else "", f"pixcl-bench run --profile {profile}"
        stop(f"no {kind}record of profile {profile!r} (make some: {command})")
    console().print(console_claims(loaded, decide_claims(loaded, records, pilots)))
