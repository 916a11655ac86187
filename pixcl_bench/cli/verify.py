"""`pixcl-bench verify`: is today's code the code of the published records?"""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixcl_bench.cli.app import FAILED, OK, app
from pixcl_bench.cli.options import ConfigFile, Datasets, Methods, Profiles, Tasks, path_of
from pixcl_bench.cli.shared import console, load

if TYPE_CHECKING:
    from rich.table import Table

    from pixcl_bench.bench.run.verify import Check

_WORDS = {
    "equal": "bit-equal",
    "differs": "DIFFERS",
    "failed": "FAILED",
    "no reference": "no reference",
    "gone": "no longer in the grid",
}


@app.command()
def verify(
    profile: Profiles = None,
    task: Tasks = None,
    dataset: Datasets = None,
    method: Methods = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="The seed to run (default: the first of each cell)."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also cells whose records have today's keys.")
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Give the records of bit-equal cells today's keys.")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            parser=path_of,
            metavar="DIR",
            help="Results of the old commit on this machine, where the CPU differs.",
        ),
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", help="Runs at once.")] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results",
            parser=path_of,
            metavar="DIR",
            help="Where the runs go (default: results-verify).",
        ),
    ] = None,
    files: Annotated[
        bool,
        typer.Option(
            "--files", help="Instead: is every file of the results as it was written? Runs nothing."
        ),
    ] = False,
    rerun: Annotated[
        int,
        typer.Option(
            "--rerun", min=0, help="Instead: do so many finished runs of the results again."
        ),
    ] = 0,
    draw: Annotated[int, typer.Option("--draw", help="Which runs --rerun chooses.")] = 0,
    config: ConfigFile = None,
) -> None:
    """Run one seed of each published cell on the present code and compare it bit for bit. With
    --files or --rerun, look at a results folder instead."""
    if files or rerun:
        from pixcl_bench.cli import verify_results

        chosen = verify_results.Chosen(config, results, profile)
        good = not files or verify_results.files(chosen)
        good = (not rerun or verify_results.rerun(chosen, rerun, draw, jobs)) and good
        raise typer.Exit(OK if good else FAILED)
    from pixcl_bench.bench.config.words import split
    from pixcl_bench.bench.records.published import read_all_published
    from pixcl_bench.bench.run.verify import adopt as adopt_records
    from pixcl_bench.bench.run.verify import cells, changed
    from pixcl_bench.bench.run.verify import verify as check

    loaded, out = load(config), console()
    folder = loaded.path.parent / "published"
    wanted = [split(words) for words in (profile, task, dataset, method)]
    found = {
        name: records
        for name, records in cells(read_all_published(folder)).items()
        if all(not w or part in w for part, w in zip((name[0], *name[2:5]), wanted, strict=True))
        and (every or changed(records, loaded))
    }
    if not found:
        out.print("Every published record that was asked for has the key of today's code.")
        return
    place = results or loaded.path.parent / "results-verify"
    checks = check(found, loaded, place, seed=seed, against=against, jobs=jobs, console=out)
    if any(one.verdict != "equal" for one in checks):
        out.print(table(checks))
    for line in summary(checks):
        out.print(line, markup=False)
    if adopt:
        count = adopt_records(checks, loaded, folder)
        out.print(f"{count} records adopted: they have today's keys.")
        proved = sum(len(one.records) for one in checks if one.verdict == "equal")
        if count < proved:
            out.print(
                f"{proved - count} bit-equal records wait for the other methods of their tables: "
                "a table is adopted as a whole."
            )
    if any(one.verdict != "equal" for one in checks):
        raise typer.Exit(FAILED)


def table(checks: "list[Check]") -> "Table":
    """The cells that are not bit-equal; of the others only how many there are."""
    from rich.table import Table

    shown = Table(title="Cells that are not bit-equal", title_justify="left")
    for column in ("cell", "records", "verdict", "detail"):
        shown.add_column(column, justify="right" if column == "records" else "left")
    for one in checks:
        if one.verdict != "equal":
            shown.add_row(one.name, str(len(one.records)), _WORDS[one.verdict], one.detail)
    return shown


def summary(checks: "list[Check]") -> list[str]:
    """How many cells and records came out how."""
    cells, records = Counter[str](), Counter[str]()
    for one in checks:
        cells[one.verdict] += 1
        records[one.verdict] += len(one.records)
    return [
        f"{_WORDS[verdict]}: {cells[verdict]} cells with {records[verdict]} records"
        for verdict in _WORDS
        if cells[verdict]
    ]
