"""Which runs may be compared: those of one table, of one budget, of one state of the data."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.records.store import Record

Cells = Collection[tuple[str, str, str]]
"""Parts of a grid: (task, data set, method)."""


@dataclass(frozen=True, order=True)
class Comparison:
    """What runs must share to be compared, and so to stand in one table.

    Attributes:
        task, profile, dataset: names of the configuration.
        device: `cpu` or `cuda`.
    """

    task: str
    profile: str
    dataset: str
    device: str


@dataclass(frozen=True)
class Compared:
    """The runs of one comparison.

    Attributes:
        comparison: what all of them share.
        kept: those of one budget and one state of the data, by method and seed.
        left_out: the rest, in the same order: with other settings, or on other data.
    """

    comparison: Comparison
    kept: tuple[Record, ...]
    left_out: tuple[Record, ...] = ()


def comparison_of(record: Record) -> Comparison:
    """The comparison that a record belongs to."""
    return Comparison(record.task, record.profile, record.dataset, record.device)


def compared(
    config: Config, records: Iterable[Record], task: str | None = None, only: Cells | None = None
) -> list[Compared]:
    """The records in groups that may be compared, in the order of the configuration.

    Args:
        records: of any tasks, profiles, data sets and devices; records of tasks that the
            configuration does not know are left out.
        task: only this one.
        only: only records of these (task, data set, method), where given.
    """
    groups: dict[Comparison, list[Record]] = defaultdict(list)
    for record in records:
        wanted = only is None or (record.task, record.dataset, record.method) in only
        known = record.task in config.tasks and task in (None, record.task)
        profile = config.profiles.get(record.profile)
        compares = not record.sweep and (profile is None or profile.compares)
        if known and wanted and compares:
            groups[comparison_of(record)].append(record)
    return [
        _compared(config, where, sorted(groups[where], key=lambda r: (r.method, r.seed)))
        for where in sorted(groups, key=_config_order(config))
    ]


def _compared(config: Config, where: Comparison, records: Sequence[Record]) -> Compared:
    """The group of a comparison, divided by budget and state of the data."""
    kept, left_out = same_budget(records, config.tasks[where.task].per_method)
    return Compared(where, tuple(kept), tuple(left_out))


def _config_order(config: Config) -> Callable[[Comparison], tuple[int, str, int, Comparison]]:
    """Order: tasks and data sets as configured, unknown data sets last; profiles, devices by
    name."""
    tasks = list(config.tasks)

    def key(where: Comparison) -> tuple[int, str, int, Comparison]:
        datasets = list(config.tasks[where.task].datasets)
        known = where.dataset in datasets
        place = datasets.index(where.dataset) if known else len(datasets)
        return tasks.index(where.task), where.profile, place, where

    return key


def _drop(settings: dict[str, Any], dotted: str) -> None:
    """Remove `a.b.c` from nested settings, where it is there."""
    *parents, last = dotted.split(".")
    for name in parents:
        inner = settings.get(name)
        if not isinstance(inner, dict):
            return
        settings = inner
    settings.pop(last, None)


def budget_key(record: Record, per_method: Iterable[str]) -> str:
    """Canonical text of a run's settings without those that a method may choose for itself.

    Args:
        record: the run.
        per_method: dotted names of the settings left out, like `views.flip`.
    """
    settings = json.loads(json.dumps(record.settings))
    for name in per_method:
        _drop(settings, name)
    return json.dumps(settings, sort_keys=True)


def same_budget(
    records: Sequence[Record], per_method: Iterable[str]
) -> tuple[list[Record], list[Record]]:
    """Splits runs of one comparison into those of one budget and one state of the data, and the
    rest.

    The budget that most finished runs share is taken; the newest of them where that is a tie.
    Failed runs go with their settings, for they may not have reached their data.
    """
    names = tuple(per_method)
    budgets = {id(r): budget_key(r, names) for r in records}
    states = {id(r): (budgets[id(r)], str(r.data.get("fingerprint", ""))) for r in records}
    finished = sorted((r for r in records if r.status == "ok"), key=lambda r: r.finished)
    if not finished:
        return list(records), []
    counts = Counter(states[id(r)] for r in finished)
    newest = {states[id(r)]: r.finished for r in finished}
    chosen = max(counts, key=lambda state: (counts[state], newest[state]))

    def belongs(record: Record) -> bool:
        if record.status == "ok":
            return states[id(record)] == chosen
        return budgets[id(record)] == chosen[0]

    return [r for r in records if belongs(r)], [r for r in records if not belongs(r)]
