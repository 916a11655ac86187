"""Tables for the command line: what there is, what is done, which data are here."""

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from rich.table import Table

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.run.jobs import Job

if TYPE_CHECKING:
    from pixcl_bench.data.info import DatasetInfo


def config_tables(config: Config, tasks: Iterable[str] | None = None) -> list[Table]:
    """Profiles, then for each of `tasks` (default: all) its methods, its data sets, and what each
    profile runs of it. Raises UsageError for an unknown task."""
    profiles = _table("Profiles", "profile", "seeds", "threads", "limit a run", "purpose")
    for name, profile in config.profiles.items():
        seeds = str(len(profile.seeds))
        profiles.add_row(
            name, seeds, str(profile.threads), f"{profile.time_limit:g} s", profile.purpose
        )
    chosen = list(tasks or config.tasks)
    return [profiles, *(table for name in chosen for table in _task_tables(config, name))]


def _task_tables(config: Config, name: str) -> Iterable[Table]:
    from pixcl_bench.data.catalogue import get_info

    task = config.task(name)
    methods = _table(f"{name}: {task.title}", "method", "title", "role", "profiles")
    for method, entry in task.methods.items():
        where = [p for p in config.profiles if method in config.method_names(name, p)]
        methods.add_row(method, entry.title, entry.role, ", ".join(where))
    datasets = _table(f"{name}: data sets", "data set", "kind", "size", "profiles")
    for dataset in task.datasets:
        where = [p for p in config.profiles if dataset in config.dataset_names(name, p)]
        info = get_info(dataset)
        datasets.add_row(dataset, info.kind, info.size, ", ".join(where))
    budgets = _table(f"{name}: budgets", "profile", "data set", "methods", "seeds", "runs")
    for profile in config.profiles:
        for dataset in config.dataset_names(name, profile):
            methods_there = config.method_names(name, profile, dataset)
            counts = [len(config.seeds(name, profile, dataset, method)) for method in methods_there]
            seeds = str(max(counts)) if len({*counts}) == 1 else f"{min(counts)} to {max(counts)}"
            budgets.add_row(profile, dataset, str(len(counts)), seeds, str(sum(counts)))
    return methods, datasets, budgets


def known_datasets(names: Collection[str]) -> "dict[str, DatasetInfo]":
    """The entries of these data sets, in the order of the catalogue."""
    from pixcl_bench.data.catalogue import catalogue

    return {name: info for name, info in catalogue().items() if name in names}


def data_table(names: Iterable[str]) -> Table:
    """The data sets: what they are and whether they are here."""
    from pixcl_bench.data.catalogue import get_info

    table = _table("Data sets", "data set", "kind", "state", "licence", "size")
    for name in names:
        info = get_info(name)
        table.add_row(name, info.kind, data_state(name), info.licence, info.size)
    return table


def data_state(name: str) -> str:
    """`here`, `to be fetched`, `made when needed`, or `not here` (a canonical set that the user
    must bring)."""
    from pixcl_bench.data.catalogue import cache_dir, get_info, missing

    info = get_info(name)
    if info.published is not None:
        return "not here" if missing(name) else "here"
    if not info.sources:
        return "made when needed"
    folders = [cache_dir() / f"{source.package}-{source.version}" for source in info.sources]
    members = [
        folder / m.path
        for folder, source in zip(folders, info.sources, strict=True)
        for m in source.members
    ]
    return "here" if all(path.is_file() for path in members) else "to be fetched"


def fetch(names: Iterable[str], say: Callable[[str], None]) -> list[str]:
    """Fetch the sources of data sets into the cache; return those that must be brought by hand,
    each with its message."""
    from pixcl_bench.data.catalogue import fetch_member, get_info, missing

    absent = []
    for name in names:
        if problem := missing(name):
            absent.append(problem)
            continue
        for source in get_info(name).sources:
            for member in source.members:
                fetch_member(source, member.path)
        say(f"{name}: {data_state(name)}")
    return absent


def fetch_for(jobs: Iterable[Job], say: Callable[[str], None] = print) -> None:
    """Fetch what jobs need before any starts; `say` tells of each data set. One that must be
    brought by hand is left alone: `guards.preflight` refuses it."""
    needed = dict.fromkeys(job.run.dataset for job in jobs)
    fetch([name for name in needed if data_state(name) == "to be fetched"], say)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        numbers = column in ("seeds", "threads", "runs")
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    return table
