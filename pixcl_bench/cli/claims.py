"""`pixcl-bench claims`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import ConfigFile, Profile, Results
from pixcl_bench.cli.shared import console, load, stop

if TYPE_CHECKING:
    from pixcl_bench.bench.config.reading import Config
    from pixcl_bench.bench.records.store import Record


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
    if published and results is not None:
        stop("--published and --results exclude each other")
    records = _records(loaded, profile, results, published)
    pilots = pilot_records(loaded, results or loaded.results)
    console().print(console_claims(loaded, decide_claims(loaded, records, pilots)))


def _records(
    config: "Config", profile: str, results: Path | None, published: bool
) -> "list[Record]":
    """The records to decide from. Where a results folder is not named and has none, the published
    ones are taken, and that is said on stderr. Raises UsageError where there are none either."""
    from pixcl_bench.bench.records.published import read_all_published
    from pixcl_bench.bench.records.store import scan

    own = [] if published else scan(results or config.results, profile)
    if own:
        return own
    command = f"pixcl-bench run --profile {profile}"
    if results is not None:
        stop(f"{results}: no record of profile {profile!r} (make some: {command})")
    folder = config.path.parent / "published"
    found = read_all_published(folder, profile) if folder.is_dir() else []
    if not found:
        kind = "published record" if published else "record, and no published one,"
        stop(f"no {kind} of profile {profile!r} (make some: {command})")
    if not published:
        words = f"no results of profile {profile!r} here: deciding from the published records"
        print(words, file=sys.stderr)
    return found
