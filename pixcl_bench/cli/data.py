"""The command `pixcl-bench data`."""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import ConfigFile, DataRoot, Names
from pixcl_bench.cli.shared import console, load, stop


class ListByDefault(TyperGroup):
    """Without a command of its own, `data` lists."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Add `list` where no command is named."""
        named = any(word in self.commands or word == "--help" for word in args)
        return super().parse_args(ctx, args if named else [*args, "list"])


data_app = typer.Typer(
    help="Data sets: what they are, whether they are here, fetch them.", cls=ListByDefault
)
app.add_typer(data_app, name="data")


@data_app.callback()
def data(data_root: DataRoot = None) -> None:
    """Data sets: what they are, whether they are here, fetch them. Without a command: the list."""
    from pixcl_bench.bench.config.words import use_data_root

    use_data_root(data_root)


@data_app.command("list")
def data_list() -> None:
    """Every data set, and whether it is here."""
    from pixcl_bench.bench.run.listing import data_table
    from pixcl_bench.data.catalogue import catalogue

    console(160).print(data_table(catalogue().loadable()))


@data_app.command("fetch")
def data_fetch(
    names: Annotated[Names, typer.Argument(help="Data sets.")] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", "-p", help="Everything that a profile needs.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Fetch data sets into the cache; those that must be brought by hand are told, with exit code
    1."""
    from pixcl_bench.bench.run.listing import fetch

    wanted = list(names or ())
    if profile is not None:
        loaded = load(config)
        loaded.profile(profile)
        wanted += [data for task in loaded.tasks for data in loaded.dataset_names(task, profile)]
    if not wanted:
        stop("name a data set, or --profile NAME")
    absent = fetch(dict.fromkeys(wanted), print)
    for message in absent:
        print(message, file=sys.stderr)
    raise typer.Exit(1 if absent else 0)


@data_app.command("path")
def data_path() -> None:
    """Where fetched data are kept, and where canonical data are looked for."""
    from pixcl_bench.data.catalogue import cache_dir, data_root

    canonical = data_root() or "not set (--data-root or PIXCL_BENCH_DATA)"
    print(f"cache      {cache_dir()}\ncanonical  {canonical}")


@data_app.command("info")
def data_info(name: Annotated[str, typer.Argument(help="A data set.")]) -> None:
    """What a data set is: licence, citation, classes, splits, sources."""
    from pixcl_bench.bench.run.listing import data_state
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
