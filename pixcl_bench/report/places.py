"""Which runs belong together: those of one table, of one budget, of one state of the data."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pixcl_bench.bench.config import Config
from pixcl_bench.bench.store import Record


@dataclass(frozen=True, order=True)
class Place:
    """What runs must share to stand in one table."""

    task: str
    profile: str
    dataset: str
    device: str


def place(record: Record) -> Place:
    """The table that a record belongs to."""
    return Place(record.task, record.profile, record.dataset, record.device)


def by_place(records: Iterable[Record], config: Config | None = None) -> dict[Place, list[Record]]:
    """Records grouped by their table, in a fixed order: that of the configuration where it is given."""
    groups: dict[Place, list[Record]] = defaultdict(list)
    for record in records:
        groups[place(record)].append(record)
    places = sorted(groups, key=_config_order(config) if config else None)
    return {key: sorted(groups[key], key=lambda r: (r.method, r.seed)) for key in places}


def _config_order(config: Config) -> Callable[[Place], tuple[int, str, str, int, Place]]:
    """Tasks and data sets as in the file, what it does not know last; profiles and devices by name."""
    tasks = list(config.tasks)

    def key(where: Place) -> tuple[int, str, str, int, Place]:
        datasets = list(config.tasks[where.task].datasets) if where.task in config.tasks else []
        return _index(tasks, where.task), where.task, where.profile, _index(datasets, where.dataset), where

    return key


def _index(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else len(names)


def _drop(settings: dict[str, Any], dotted: str) -> None:
    *parents, last = dotted.split(".")
    for name in parents:
        inner = settings.get(name)
        if not isinstance(inner, dict):
            return
        settings = inner
    settings.pop(last, None)


def budget_key(record: Record, per_method: Iterable[str]) -> str:
    """Canonical text of a run's settings without those that a method may choose for itself."""
    settings = json.loads(json.dumps(record.settings))
    for name in per_method:
        _drop(settings, name)
    return json.dumps(settings, sort_keys=True)


def _data_key(record: Record) -> str:
    return str(record.data.get("fingerprint", ""))


def same_budget(records: Sequence[Record], per_method: Iterable[str]) -> tuple[list[Record], list[Record]]:
    """Splits runs of one place into those of one budget and one state of the data, and the rest.

    The budget that most finished runs share is taken; the newest of them where that is a tie. Failed runs go
    with their settings, for they may not have reached their data.
    """
    names = tuple(per_method)
    finished = [r for r in records if r.status == "ok"]
    if not finished:
        return list(records), []
    keys = {id(r): (budget_key(r, names), _data_key(r)) for r in finished}
    counts = Counter(keys.values())
    newest = {keys[id(r)]: r.finished for r in sorted(finished, key=lambda r: r.finished)}
    chosen = max(counts, key=lambda key: (counts[key], newest[key]))

    def belongs(record: Record) -> bool:
        if record.status == "ok":
            return keys[id(record)] == chosen
        return budget_key(record, names) == chosen[0]

    return [r for r in records if belongs(r)], [r for r in records if not belongs(r)]
