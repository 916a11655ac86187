"""From records to the rows of a table: their means, their holes, their ranks."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pixcl_bench.bench.config import Config
from pixcl_bench.bench.errors import UsageError
from pixcl_bench.bench.schema import Metric
from pixcl_bench.bench.store import Record
from pixcl_bench.report.places import Place, by_place, same_budget
from pixcl_bench.report.stats import Interval, mean_interval, pairs_needed, rank_groups

__all__ = [
    "Place",
    "Row",
    "Table",
    "by_place",
    "describe",
    "metric_values",
    "same_budget",
    "summary",
    "tables",
]

ROLES = ("floor", "baseline", "method", "ablation", "ceiling")
RANKED = ("baseline", "method", "ablation")
"""Only these compete; floors and ceilings are lines to read them against."""


@dataclass(frozen=True)
class Row:
    """One method of a table.

    Attributes:
        values: for each metric the mean with its interval, or None where no run has a value.
        undefined: for each metric how many finished runs have no value for it.
        n: finished runs.
        failed: seed and reason of each failed run.
        expected: runs that the profile asks for; None where it asks for none.
        uses_labels: whether training saw labels; None where no run says so.
        rank: shared where undecided; None where not ranked.
        best: whether it holds rank 1 among the methods that compete.
    """

    method: str
    title: str
    role: str
    values: Mapping[str, Interval | None]
    undefined: Mapping[str, int]
    n: int
    failed: tuple[tuple[int, str], ...] = ()
    expected: int | None = None
    uses_labels: bool | None = None
    rank: int | None = None
    best: bool = False
    records: tuple[Record, ...] = field(default=(), repr=False)

    @property
    def saw_labels(self) -> bool:
        """Whether training saw labels; a ceiling without a finished run is taken to."""
        return self.role == "ceiling" if self.uses_labels is None else self.uses_labels

    @property
    def hole(self) -> str:
        """The words for a row without a value: `failed: out of memory`, or that it has not been run."""
        if self.n or not self.failed:
            return "" if self.n else "not run"
        return "failed: " + ", ".join(sorted({reason for _, reason in self.failed}))


@dataclass(frozen=True)
class Table:
    """The rows of one place with what a reader must know about them."""

    place: Place
    title: str
    dataset_kind: str
    primary: str
    metrics: Mapping[str, Metric]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    records: tuple[Record, ...] = field(default=(), repr=False)
    roles: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of every method of the task, also of those that this table does not show."""

    @property
    def labels_differ(self) -> bool:
        """Whether some methods saw labels and others none: those with labels are marked, and do not
        compete."""
        return len({row.saw_labels for row in self.rows}) > 1

    @property
    def ranked(self) -> bool:
        """Whether any method could be ranked."""
        return any(row.rank is not None for row in self.rows)


def metric_values(records: Iterable[Record], metric: str) -> dict[int, float]:
    """Value of `metric` by seed, of the finished runs that have one."""
    found = {r.seed: r.metrics.get(metric) for r in records if r.status == "ok"}
    return {s: float(v) for s, v in found.items() if v is not None and math.isfinite(v)}


def _expected(config: Config, where: Place) -> dict[str, int]:
    """Runs that the profile asks of each method of this place."""
    if where.profile not in config.profiles or where.dataset not in config.dataset_names(
        where.task, where.profile
    ):
        return {}
    methods = config.method_names(where.task, where.profile, where.dataset)
    return {m: len(config.seeds(where.task, where.profile, where.dataset, m)) for m in methods}


def describe(config: Config, task: str, method: str) -> tuple[str, str]:
    """Title and role of a method; its own name and "method" where the configuration knows it no longer."""
    try:
        entry = config.method(task, method)
    except UsageError:
        return method, "method"
    return entry.title, entry.role


def _row(config: Config, where: Place, method: str, records: list[Record], expected: int | None) -> Row:
    task = config.tasks[where.task]
    title, role = describe(config, where.task, method)
    finished = [r for r in records if r.status == "ok"]
    values: dict[str, Interval | None] = {}
    undefined: dict[str, int] = {}
    for metric in task.metrics:
        seen = metric_values(finished, metric)
        values[metric] = mean_interval(list(seen.values())) if seen else None
        undefined[metric] = len(finished) - len(seen)
    return Row(
        method=method,
        title=title,
        role=role,
        values=values,
        undefined=undefined,
        n=len(finished),
        failed=tuple((r.seed, r.reason or "error") for r in records if r.status != "ok"),
        expected=expected,
        uses_labels=any(r.uses_labels for r in finished) if finished else None,
        records=tuple(records),
    )


def _order(primary: str, direction: str) -> Callable[[Row], tuple[int, bool, float, str]]:
    sign = -1.0 if direction == "max" else 1.0

    def key(row: Row) -> tuple[int, bool, float, str]:
        role = ROLES.index(row.role) if row.role in ROLES else ROLES.index("method")
        value = row.values.get(primary)
        return role, value is None, sign * value.mean if value else 0.0, row.method

    return key


def _with_ranks(rows: list[Row], primary: str, metric: Metric) -> list[Row]:
    """Rows with their ranks. Methods without labels do not compete with those that have some."""
    competing = [r for r in rows if r.role in RANKED and r.values[primary] is not None]
    if not all(r.uses_labels for r in competing):
        competing = [r for r in competing if not r.uses_labels]
    values = {r.method: metric_values(r.records, primary) for r in competing}
    ranks = rank_groups(values, metric.direction)
    return [replace(row, rank=ranks.get(row.method), best=ranks.get(row.method) == 1) for row in rows]


def _rows(config: Config, where: Place, records: Sequence[Record]) -> list[Row]:
    task = config.tasks[where.task]
    expected = _expected(config, where)
    methods = list(dict.fromkeys([*expected, *(r.method for r in records)]))
    rows = [_row(config, where, m, [r for r in records if r.method == m], expected.get(m)) for m in methods]
    primary = task.metrics[task.primary]
    return sorted(_with_ranks(rows, task.primary, primary), key=_order(task.primary, primary.direction))


def summary(config: Config, records: Iterable[Record], task: str) -> list[Row]:
    """Rows of the records of `task`: floors, baselines, methods, ablations, ceilings, each by primary metric.

    Methods that the profile asks for and that have no run yet get a row without values.

    Raises:
        ValueError: the records are of several profiles, data sets or devices (`tables` splits those).
    """
    mine = [r for r in records if r.task == task]
    groups = by_place(mine)
    if len(groups) > 1:
        raise ValueError(
            f"summary: records of {len(groups)} tables ({', '.join(map(str, groups))}): use tables()"
        )
    rows: list[Row] = []
    for where, group in groups.items():
        kept, _ = same_budget(group, config.tasks[task].per_method)
        rows = _rows(config, where, kept)
    return rows


def _shown(metrics: Mapping[str, Metric], primary: str, records: Sequence[Record]) -> dict[str, Metric]:
    """The metrics that this place knows: one of which no finished run speaks, not even as undefined, belongs
    to other data sets of the task."""
    finished = [r for r in records if r.status == "ok"]
    spoken = {name for r in finished for name in r.metrics} or set(metrics)
    return {name: metric for name, metric in metrics.items() if name in spoken or name == primary}


def _notes(rows: Sequence[Row], left_out: Sequence[Record], metrics: Mapping[str, Metric]) -> Iterable[str]:
    ns = sorted({row.n for row in rows if row.n})
    if len(ns) > 1:
        yield f"n differs between methods ({', '.join(map(str, ns))}): compare with care"
    for row in rows:
        for seed, reason in row.failed:
            yield f"{row.title}, seed {seed}: failed: {reason}"
        for name, count in row.undefined.items():
            elsewhere = any(other.values[name] is not None for other in rows)
            if count and elsewhere:
                yield f"{row.title}: {metrics[name].label} is undefined in {count} of {row.n} runs"
        versions = {r.code.get("hash") for r in row.records if r.status == "ok"}
        if len(versions) > 1:
            yield f"{row.title}: runs of {len(versions)} versions of the code"
    for name, metric in metrics.items():
        if any(row.n for row in rows) and all(row.values[name] is None for row in rows):
            yield f"{metric.label} is undefined in every run"
    if left_out:
        names = ", ".join(sorted({r.method for r in left_out}))
        yield f"left out: {len(left_out)} runs with other settings or other data ({names})"
    competing = sum(row.role in RANKED and row.n > 0 for row in rows)
    if competing > 1 and all(row.rank is None for row in rows):
        needed = pairs_needed(competing * (competing - 1) // 2)
        yield f"no ranks: to rank {competing} methods takes at least {needed} paired seeds"


def tables(config: Config, records: Iterable[Record], task: str | None = None) -> list[Table]:
    """One table for each task, profile, data set and device that has records; `task` keeps only that one.

    Records of tasks that the configuration does not know are left out.
    """
    found = []
    for where, group in by_place(records, config).items():
        if where.task not in config.tasks or (task is not None and where.task != task):
            continue
        entry = config.tasks[where.task]
        kept, left_out = same_budget(group, entry.per_method)
        rows = _rows(config, where, kept)
        kinds = {r.dataset_kind for r in kept if r.status == "ok"} or {r.dataset_kind for r in kept}
        metrics = _shown(entry.metrics, entry.primary, kept)
        table = Table(
            place=where,
            title=entry.title,
            dataset_kind=" and ".join(sorted(map(str, kinds))),
            primary=entry.primary,
            metrics=metrics,
            rows=tuple(rows),
            notes=tuple(_notes(rows, left_out, metrics)),
            records=tuple(kept),
            roles={name: method.role for name, method in entry.methods.items()},
        )
        found.append(table)
    return found
