"""What several commands do: load the configuration, print, stop with a message."""

import sys
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from rich.console import Console

    from pixcl_bench.bench.config.reading import Config
    from pixcl_bench.bench.records.store import Record


def load(config: Path | None) -> "Config":
    """The configuration named, or the one found from here upwards, or the one of the package, which
    is then said on stderr. Raises ConfigError or UsageError."""
    from pixcl_bench.bench.config.reading import load_config

    return load_config(place(config))


def place(config: Path | None) -> Path:
    """The configuration file that a command uses; the same words as `load` where it is that of the
    package. Raises UsageError."""
    from pixcl_bench.bench.config.reading import find_config

    if config is not None:
        return config
    found = find_config()
    if not Path.cwd().resolve().is_relative_to(found.parent):
        print(
            "no benchmarks.yaml here or above: using the one of the package "
            "(pixcl-bench init DIR writes a copy to edit)",
            file=sys.stderr,
        )
    return found


def console(width: int = 120) -> "Console":
    """The console for tables; `width`: in characters, where it is not a terminal. A terminal that
    is narrower than a table can be is taken as one of 40 characters, and its lines fold."""
    from rich.console import Console

    class TableConsole(Console):
        """Ends the command as other programs do where nobody reads its output."""

        def on_broken_pipe(self) -> NoReturn:
            raise BrokenPipeError

    if not sys.stdout.isatty():
        return TableConsole(highlight=False, width=width)
    out = TableConsole(highlight=False)
    return out if out.width >= 40 else TableConsole(highlight=False, width=40)


def show_results(
    config: "Config",
    profile: str,
    results: Path,
    out: "Console",
    only: AbstractSet[tuple[str, str, str]] | None = None,
) -> None:
    """Build the report of a profile; print its tables, and where everything lies. only: the cells
    (task, data set, method) that are shown; all where None."""
    from pixcl_bench.bench.records.scan import look
    from pixcl_bench.report.render.build import build_report, summary_lines
    from pixcl_bench.report.render.tables import console_table
    from pixcl_bench.report.rows import tables

    compares = config.profile(profile).compares
    found = look(results, profile)
    if not compares:
        show_sweep(config, profile, found.records, out)
        for line in found.notes():
            out.print(line, markup=False, soft_wrap=True)
        return
    paths = build_report(config, profile, results, found=found)
    for table in tables(config, found.records, only=only):
        out.print(console_table(table))
    for line in summary_lines(profile, results, paths, found):
        out.print(line, markup=False, soft_wrap=True)


def show_sweep(config: "Config", profile: str, records: "Sequence[Record]", out: "Console") -> None:
    """Print what came of a sweep: a table for each task and data set, and what follows from it."""
    from pixcl_bench.report.render.sweeps import console_sweeps

    for part in console_sweeps(config, profile, records):
        out.print(part)


def own_or_published(
    config: "Config", profile: str, results: Path | None, published: bool
) -> "list[Record]":
    """The records of a profile. Where a results folder is not named and has none, the published
    ones are taken, and that is said on stderr. Raises UsageError where there are none either, or
    where both kinds are asked for."""
    from pixcl_bench.bench.records.published import read_all_published
    from pixcl_bench.bench.records.store import scan

    if published and results is not None:
        stop("--published and --results exclude each other")
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
        words = f"no results of profile {profile!r} here: taking the published records"
        print(words, file=sys.stderr)
    return found


def stop(message: str) -> NoReturn:
    """End the command with a message and exit code 2."""
    from pixcl_bench.bench.errors import UsageError

    raise UsageError(message)
