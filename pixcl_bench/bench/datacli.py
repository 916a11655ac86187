"""The command `pixcl-bench data`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pixcl_bench.bench.errors import UsageError
from pixcl_bench.bench.words import use_data_root


class ListByDefault(TyperGroup):
    """Without a command of its own, `data` lists."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Add `list` where no command is named."""
        named = any(word in self.commands or word == "--help" for word in args)
        return super().parse_args(ctx, args if named else [*args, "list"])


data_app = typer.Typer(help="Data sets: what they are, whether they are here, fetch them.", cls=ListByDefault)

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="benchmarks.yaml (default: of this folder or above).")
]
DataRoot = Annotated[Path | None, typer.Option("--data-root", help="Folder of the canonical data sets.")]
Names = list[str] | None


@data_app.callback()
def data(data_root: DataRoot = None) -> None:
    """Data sets: what they are, whether they are here, fetch them. Without a command: the list."""
    use_data_root(data_root)


@data_app.command("list")
def data_list() -> None:
    """Every data set, and whether it is here."""
    from rich.console import Console

    from pixcl_bench.bench.listing import data_table
    from pixcl_bench.data.catalogue import catalogue

    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(data_table(catalogue()))


@data_app.command("fetch")
def data_fetch(
    names: Annotated[Names, typer.Argument(help="Data sets.")] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", "-p", help="Everything that a profile needs.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Fetch data sets into the cache; those that must be brought by hand are told, with exit code 1."""
    from pixcl_bench.bench.config import load_config
    from pixcl_bench.bench.listing import fetch

    wanted = list(names or ())
    if profile is not None:
        loaded = load_config(config)
        loaded.profile(profile)
        wanted += [dataset for task in loaded.tasks for dataset in loaded.dataset_names(task, profile)]
    if not wanted:
        raise UsageError("name a data set, or --profile NAME")
    absent = fetch(dict.fromkeys(wanted), print)
    for message in absent:
        print(message, file=sys.stderr)
    raise typer.Exit(1 if absent else 0)


@data_app.command("path")
def data_path() -> None:
    """Where fetched data are kept, and where canonical data are looked for."""
    from pixcl_bench.data.catalogue import cache_dir, data_root

    print(
        f"cache      {cache_dir()}\ncanonical  {data_root() or 'not set (--data-root or PIXCL_BENCH_DATA)'}"
    )


@data_app.command("info")
def data_info(name: Annotated[str, typer.Argument(help="A data set.")]) -> None:
    """What a data set is: licence, citation, classes, splits, sources."""
    from pixcl_bench.bench.listing import data_state
    from pixcl_bench.data.catalogue import get_info, missing

    info = get_info(name)
    rows = {
        "name": info.name,
        "title": info.title,
        "kind": info.kind,
        "state": data_state(name),
        "size": info.size,
        "licence": info.licence,
        "citation": info.citation,
        "classes": ", ".join(info.classes),
        "splits": info.split_rule,
        "sources": ", ".join(source.requirement for source in info.sources),
        "notes": info.notes,
        "fingerprint": info.fingerprint(),
    }
    for key, value in rows.items():
        if value:
            print(f"{key:<12}{value}")
    if problem := missing(name):
        print(problem)
