"""From records to the rows of a table: their means, their holes, their ranks."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.schema import Metric
from pixcl_bench.bench.errors import UsageError
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report.comparisons import Cells, Compared, Comparison, compared
from pixcl_bench.report.decisions import rank_groups
from pixcl_bench.report.stats import Interval, mean_interval, pairs_needed

ROLES = ("floor", "baseline", "method", "ablation", "ceiling")
"""In the order of the rows."""
COMPETING = ("baseline", "method", "ablation")
"""Only these are ranked; floors and ceilings are lines to read them against."""


def role_order(role: str) -> int:
    """Where rows of a role stand in a table; an unknown role counts as a method."""
    return ROLES.index(role if role in ROLES else "method")


@dataclass(frozen=True)
class Row:
    """One method of a table.

    Attributes:
        method, title: its name in the configuration, and what it is called in tables.
        role: one of `ROLES`.
        values: for each metric the mean with its interval, or None where no run has a value.
        undefined: for each metric how many finished runs have no value for it.
        n: finished runs.
        failed: seed and reason of each failed run.
        expected: runs that the profile asks for; None where it asks for none.
        uses_labels: whether training saw labels; None where no run says so.
        rank: shared where undecided; None where not ranked.
        best: whether it holds rank 1 among the methods that compete.
        records: the runs, failed ones included.
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
    def competes(self) -> bool:
        """Whether the method is compared, and no line to read the others against."""
        return self.role in COMPETING

    @property
    def finished(self) -> list[Record]:
        """The runs that did not fail."""
        return [record for record in self.records if record.status == "ok"]

    @property
    def hole(self) -> str:
        """Words for a row without a value: `failed: out of memory`, or that it has not been run."""
        if self.n or not self.failed:
            return "" if self.n else "not run"
        return "failed: " + ", ".join(sorted({reason for _, reason in self.failed}))


@dataclass(frozen=True)
class Table:
    """The rows of one comparison with what a reader must know about them.

    Attributes:
        comparison: task, profile, data set and device of all rows.
        title: the task's.
        dataset_kind: embedded, synthetic or canonical.
        primary: name of the metric that rows are ordered and ranked by.
        metrics: those that this data set knows, by name.
        rows: by role, then from the best to the worst.
        notes: what is missing, undefined or left out, a sentence each.
        records: all runs of the rows.
        roles: of every method of the task, also of those that this table does not show.
    """

    comparison: Comparison
    title: str
    dataset_kind: str
    primary: str
    metrics: Mapping[str, Metric]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    records: tuple[Record, ...] = field(default=(), repr=False)
    roles: Mapping[str, str] = field(default_factory=dict, repr=False)

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
    """Value of `metric` by seed, of the finished runs that have one, in the record's own scale."""
    found = {r.seed: r.metrics.get(metric) for r in records if r.status == "ok"}
    return {s: float(v) for s, v in found.items() if v is not None and math.isfinite(v)}


def describe(config: Config, task: str, method: str) -> tuple[str, str]:
    """Title and role of a method; its own name and "method" where the configuration knows it no
    longer."""
    try:
        entry = config.method(task, method)
    except UsageError:
        return method, "method"
    return entry.title, entry.role


def _expected(config: Config, where: Comparison, only: Cells | None) -> dict[str, int]:
    """Runs that the profile asks of each method of a comparison, or of `only` those."""
    task, profile, dataset = where.task, where.profile, where.dataset
    if profile not in config.profiles or dataset not in config.dataset_names(task, profile):
        return {}
    methods = [
        name
        for name in config.method_names(task, profile, dataset)
        if only is None or (task, dataset, name) in only
    ]
    return {name: len(config.seeds(task, profile, dataset, name)) for name in methods}


def _row(
    config: Config, task: str, method: str, records: Sequence[Record], expected: int | None
) -> Row:
    """The row of a method from its runs in one comparison, without a rank."""
    title, role = describe(config, task, method)
    finished = [r for r in records if r.status == "ok"]
    values: dict[str, Interval | None] = {}
    undefined: dict[str, int] = {}
    for metric in config.tasks[task].metrics:
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
    """Order of rows: role, those with a value first, the best first, name."""
    sign = -1.0 if direction == "max" else 1.0

    def key(row: Row) -> tuple[int, bool, float, str]:
        value = row.values.get(primary)
        return role_order(row.role), value is None, sign * value.mean if value else 0.0, row.method

    return key


def _with_ranks(rows: list[Row], primary: str, metric: Metric) -> list[Row]:
    """Rows with their ranks. Methods without labels do not compete with those that have some."""
    competing = [r for r in rows if r.competes and r.values[primary] is not None]
    if not all(r.uses_labels for r in competing):
        competing = [r for r in competing if not r.uses_labels]
    values = {r.method: metric_values(r.records, primary) for r in competing}
    ranks = rank_groups(values, metric.direction)
    return [
        replace(row, rank=ranks.get(row.method), best=ranks.get(row.method) == 1) for row in rows
    ]


def _rows(config: Config, group: Compared, only: Cells | None) -> list[Row]:
    """The rows of a comparison in their order; methods asked for and not yet run have one, too."""
    where, task = group.comparison, config.tasks[group.comparison.task]
    expected = _expected(config, where, only)
    runs: dict[str, list[Record]] = {method: [] for method in expected}
    for record in group.kept:
        runs.setdefault(record.method, []).append(record)
    rows = [_row(config, where.task, m, mine, expected.get(m)) for m, mine in runs.items()]
    primary = task.metrics[task.primary]
    ranked = _with_ranks(rows, task.primary, primary)
    return sorted(ranked, key=_order(task.primary, primary.direction))


def _shown(
    metrics: Mapping[str, Metric], primary: str, records: Sequence[Record]
) -> dict[str, Metric]:
    """The metrics that a data set knows: one of which no finished run speaks, not even as
    undefined, belongs to other data sets of the task."""
    finished = [r for r in records if r.status == "ok"]
    spoken = {name for r in finished for name in r.metrics} or set(metrics)
    return {name: each for name, each in metrics.items() if name in spoken or name == primary}


def _row_notes(row: Row, rows: Sequence[Row], metrics: Mapping[str, Metric]) -> Iterable[str]:
    """What a reader must know about one row among others."""
    for seed, reason in row.failed:
        yield f"{row.title}, seed {seed}: failed: {reason}"
    for name, count in row.undefined.items():
        if count and any(other.values[name] is not None for other in rows):
            yield f"{row.title}: {metrics[name].label} is undefined in {count} of {row.n} runs"
    versions = {r.code.get("hash") for r in row.finished}
    if len(versions) > 1:
        yield f"{row.title}: runs of {len(versions)} versions of the code"


def _notes(
    rows: Sequence[Row], left_out: Sequence[Record], metrics: Mapping[str, Metric]
) -> Iterable[str]:
    """What a reader must know about a table, a sentence each."""
    ns = sorted({row.n for row in rows if row.n})
    if len(ns) > 1:
        yield f"n differs between methods ({', '.join(map(str, ns))}): compare with care"
    for row in rows:
        yield from _row_notes(row, rows, metrics)
    for name, metric in metrics.items():
        if any(row.n for row in rows) and all(row.values[name] is None for row in rows):
            yield f"{metric.label} is undefined in every run"
    if left_out:
        names = ", ".join(sorted({r.method for r in left_out}))
        yield f"left out: {len(left_out)} runs with other settings or other data ({names})"
    competing = sum(row.competes and row.n > 0 for row in rows)
    if competing > 1 and all(row.rank is None for row in rows):
        needed = pairs_needed(competing * (competing - 1) // 2)
        yield f"no ranks: to rank {competing} methods takes at least {needed} paired seeds"


def table_of(config: Config, group: Compared, only: Cells | None = None) -> Table:
    """The table of one comparison.

    Args:
        group: its runs.
        only: rows of these (task, data set, method) alone, where given.
    """
    where, entry = group.comparison, config.tasks[group.comparison.task]
    rows = _rows(config, group, only)
    finished = {r.dataset_kind for r in group.kept if r.status == "ok"}
    kinds = finished or {r.dataset_kind for r in group.kept}
    metrics = _shown(entry.metrics, entry.primary, group.kept)
    return Table(
        comparison=where,
        title=entry.title,
        dataset_kind=" and ".join(sorted(map(str, kinds))),
        primary=entry.primary,
        metrics=metrics,
        rows=tuple(rows),
        notes=tuple(_notes(rows, group.left_out, metrics)),
        records=group.kept,
        roles={name: method.role for name, method in entry.methods.items()},
    )


def tables(
    config: Config,
    records: Iterable[Record],
    task: str | None = None,
    *,
    only: Cells | None = None,
) -> list[Table]:
    """One table for each task, profile, data set and device that has records.

    Args:
        records: of any tasks; those of tasks that the configuration does not know are left out.
        task: only this one.
        only: only these (task, data set, method): what a command has just run. Other methods have
            no row, and are no part of ranks and notes. Without it methods that the profile asks for
            and that have no run yet get a row without values.
    """
    return [table_of(config, group, only) for group in compared(config, records, task, only)]
