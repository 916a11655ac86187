"""The command `pixcl-bench`. Everything heavy is imported inside the command that needs it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pixcl_bench.bench.datacli import data_app

if TYPE_CHECKING:
    from rich.console import Console

    from pixcl_bench.bench.config import Config
    from pixcl_bench.bench.store import Record

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    help="Benchmarks of contrastive learning: run a grid, compare, decide the claims of the papers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="benchmarks.yaml (default: of this folder or above).")
]
Results = Annotated[
    Path | None, typer.Option("--results", help="Results folder (default: results beside the file).")
]
Profile = Annotated[
    str, typer.Option("--profile", "-p", help="smoke, quick, study, paper, or another of the file.")
]
Names = list[str] | None
Tasks = Annotated[Names, typer.Option("--task", help="Only these; repeat the option or separate by commas.")]
Datasets = Annotated[Names, typer.Option("--dataset", help="These data sets in place of the profile's.")]
Methods = Annotated[Names, typer.Option("--method", "-m", help="These methods in place of the profile's.")]
Seeds = Annotated[Names, typer.Option("--seed", help="These seeds in place of the profile's.")]
Settings = Annotated[Names, typer.Option("--set", help="Change a setting: --set lr=1e-3 --set views.grey=0.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
DataRoot = Annotated[Path | None, typer.Option("--data-root", help="Folder of the canonical data sets.")]


@app.command()
def run(
    profile: Profile = "quick",
    task: Tasks = None,
    dataset: Datasets = None,
    method: Methods = None,
    seed: Seeds = None,
    settings: Settings = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", help="Runs at once (default: what the cores hold).")
    ] = None,
    device: Device = "auto",
    results: Results = None,
    config: ConfigFile = None,
    scheduler: Annotated[str | None, typer.Option("--scheduler", help="Address of a Dask scheduler.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Run again what is done.")] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going/--stop-on-failure", help="Go on after a failed run.")
    ] = True,
    data_root: DataRoot = None,
) -> None:
    """Run a profile's grid; what is done already is not run again. Then the tables and the report."""
    from pixcl_bench.bench.grid import plan
    from pixcl_bench.bench.listing import fetch_for
    from pixcl_bench.bench.machine import resolve_device
    from pixcl_bench.bench.runner import make_jobs, run_grid, survey
    from pixcl_bench.bench.words import overrides, seeds, split, use_data_root

    use_data_root(data_root)
    loaded, console = _load(config), _console()
    place = results or loaded.results
    runs = plan(
        loaded,
        profile,
        split(task),
        split(dataset),
        split(method),
        seeds(seed),
        overrides(settings),
        resolve_device(device),
    )
    fetch_for(survey(make_jobs(runs, loaded, place), loaded, force)[0])
    summary = run_grid(
        runs,
        config=loaded,
        results=place,
        jobs=jobs,
        scheduler=scheduler,
        force=force,
        keep_going=keep_going,
        console=console,
    )
    if summary.interrupted:
        finished = summary.before + summary.done
        console.print(
            f"\nStopped: {finished} of {summary.total} runs are done. The same command goes on from here."
        )
        raise typer.Exit(INTERRUPTED)
    if summary.before == summary.total:
        console.print(f"All {summary.total} runs are done already: nothing to run.")
    _show_results(loaded, profile, place, {r.task for r in runs}, console)
    for record in summary.failed:
        console.print(
            f"FAILED {record.folder.as_posix()}: {record.reason}: {record.detail}", style="red", markup=False
        )
    raise typer.Exit(FAILED if summary.failed or summary.left else OK)


@app.command("list")
def list_(config: ConfigFile = None) -> None:
    """Show profiles, tasks, methods and data sets."""
    from pixcl_bench.bench.listing import config_tables

    console = _console()
    for table in config_tables(_load(config)):
        console.print(table)


@app.command()
def status(
    profile: Annotated[Names, typer.Option("--profile", "-p", help="Only these profiles.")] = None,
    device: Device = "auto",
    results: Results = None,
    config: ConfigFile = None,
) -> None:
    """Show which runs are done, stale (changed since), failed and missing."""
    from pixcl_bench.bench.grid import plan
    from pixcl_bench.bench.listing import status_table
    from pixcl_bench.bench.machine import resolve_device
    from pixcl_bench.bench.runner import make_jobs, shown
    from pixcl_bench.bench.words import split

    loaded, console = _load(config), _console()
    place = results or loaded.results
    console.print(f"results in {shown(place)}/")
    for name in split(profile) or loaded.profiles:
        runs = plan(loaded, name, device=resolve_device(device))
        console.print(status_table(make_jobs(runs, loaded, place), name))


@app.command()
def report(profile: Profile = "quick", results: Results = None, config: ConfigFile = None) -> None:
    """Build the report of a profile from its records."""
    loaded = _load(config)
    _show_results(loaded, profile, results or loaded.results, set(loaded.tasks), _console())


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
    from pixcl_bench.bench.published import read_all_published
    from pixcl_bench.bench.store import scan
    from pixcl_bench.report.render.claims import console_claims
    from pixcl_bench.report.verdicts import decide_claims

    loaded = _load(config)
    loaded.profile(profile)
    folder = results or loaded.results
    if published and results is not None:
        _stop("--published and --results exclude each other")
    records = (
        read_all_published(loaded.path.parent / "published", profile) if published else scan(folder, profile)
    )
    if not records:
        command = f"pixcl-bench run --profile {profile}"
        _stop(f"no {'published ' if published else ''}record of profile {profile!r} (make some: {command})")
    _console().print(console_claims(loaded, decide_claims(loaded, records)))


@app.command()
def check(file: Annotated[Path | None, typer.Argument(help="benchmarks.yaml by default.")] = None) -> None:
    """Check a configuration; every problem goes to stderr with its line, and the exit code is 2."""
    from pixcl_bench.bench.config import check_config, find_config
    from pixcl_bench.bench.runner import shown

    place = file or find_config()
    problems = check_config(place)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}", file=sys.stderr)
        raise typer.Exit(USAGE)
    loaded = _load(place)
    counts = f"{len(loaded.tasks)} tasks, {len(loaded.profiles)} profiles, {len(loaded.claims)} claims"
    print(f"{shown(place)}: OK ({counts})")


@app.command()
def publish(
    profile: Profile = "study",
    task: Tasks = None,
    device: Device = "auto",
    results: Results = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of published records (default: published).")
    ] = None,
    allow_dirty: Annotated[
        bool, typer.Option("--allow-dirty", help="Also records of code not committed.")
    ] = False,
    allow_stale: Annotated[
        bool, typer.Option("--allow-stale", help="Also records of code changed since.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Write compact records with their commit to published/PROFILE-DEVICE.jsonl."""
    from pixcl_bench.bench.machine import resolve_device
    from pixcl_bench.bench.published import publish as write
    from pixcl_bench.bench.runner import shown
    from pixcl_bench.bench.words import split

    loaded = _load(config)
    loaded.profile(profile)
    path, count = write(
        loaded,
        results or loaded.results,
        profile,
        resolve_device(device),
        out or loaded.path.parent / "published",
        tasks=split(task),
        allow_dirty=allow_dirty,
        allow_stale=allow_stale,
    )
    print(f"{shown(path)}: {count} records of profile {profile}")


def _load(config: Path | None) -> "Config":
    from pixcl_bench.bench.config import load_config

    return load_config(config)


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=120)


def _stop(message: str) -> NoReturn:
    from pixcl_bench.bench.errors import UsageError

    raise UsageError(message)


def _show_results(config: "Config", profile: str, results: Path, tasks: set[str], console: "Console") -> None:
    from pixcl_bench.report.render.build import build_report, summary_lines

    config.profile(profile)
    paths = build_report(config, profile, results)
    for table in _console_tables(config, _records(results, profile, tasks)):
        console.print(table)
    for line in summary_lines(config, profile, results, paths):
        console.print(line, markup=False, soft_wrap=True)


def _records(results: Path, profile: str, tasks: set[str]) -> "list[Record]":
    from pixcl_bench.bench.store import scan

    return [record for record in scan(results, profile) if record.task in tasks]


def _console_tables(config: "Config", records: "list[Record]") -> list[Any]:
    from pixcl_bench.report.render.tables import console_table
    from pixcl_bench.report.rows import tables

    return [console_table(table) for table in tables(config, records)]


def main() -> None:
    """The console script: expected errors are one message on stderr and exit code 2."""
    from pixcl_bench.bench.errors import BenchError
    from pixcl_bench.data.catalogue import CatalogueError, FetchError

    try:
        app()
    except (BenchError, CatalogueError, FetchError, OSError) as error:
        print(f"pixcl-bench: {error}", file=sys.stderr)
        sys.exit(USAGE)


if __name__ == "__main__":
    main()
