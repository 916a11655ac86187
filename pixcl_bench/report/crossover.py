"""Every method of a task against every data set of a profile: does what wins here win there?"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.schema import Metric
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report.rows import COMPETING, describe, metric_values, role_order, tables
from pixcl_bench.report.stats import (
    MIN_PAIRS,
    Interval,
    bootstrap_interval,
    mean_interval,
    paired_differences,
)

BySeed = Mapping[int, float]
"""Values of a metric by seed."""


@dataclass(frozen=True)
class Entry:
    """One method on one data set.

    Attributes:
        value: mean over seeds with its interval.
        gain: the paired difference to the reference, see `paired_gain`; None for the reference
            itself, or without common seeds.
        best: whether no competing method of the column is better over the seeds that all have.
    """

    value: Interval
    gain: Interval | None = None
    best: bool = False

    @property
    def sure(self) -> bool:
        """Whether the interval of the gain leaves out zero."""
        gain = self.gain
        return gain is not None and gain.defined and (gain.low > 0 or gain.high < 0)


@dataclass(frozen=True)
class Line:
    """One method.

    Attributes:
        method, title, role: as configured.
        entries: one for each data set, None where it has no run there.
    """

    method: str
    title: str
    role: str
    entries: tuple[Entry | None, ...]


@dataclass(frozen=True)
class Crossover:
    """The table.

    Attributes:
        task, profile: what the runs share.
        name, metric: of the metric shown.
        reference: the method that gains are taken over.
        datasets: the columns.
        seeds: how many seeds a column has at most.
        lines: the methods, by role.
    """

    task: str
    profile: str
    name: str
    metric: Metric
    reference: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    lines: tuple[Line, ...]


def crossover(
    config: Config,
    records: Iterable[Record],
    task: str,
    profile: str,
    *,
    metric: str | None = None,
    reference: str | None = None,
    device: str = "cpu",
) -> Crossover | None:
    """The table of a task in a profile; None with fewer than two data sets.

    Args:
        config: names, titles and roles.
        records: of any tasks, profiles and devices.
        task, profile, device: which of them are shown.
        metric: the task's primary one by default.
        reference: the method that gains are taken over; the task's floor by default.
    """
    entry = config.task(task)
    name, against = metric or entry.primary, reference or entry.floor or entry.baseline
    mine = [r for r in records if (r.profile, r.device) == (profile, device)]
    values: dict[str, Mapping[str, BySeed]] = {}
    for table in tables(config, mine, task):
        rows = {row.method: metric_values(row.records, name) for row in table.rows}
        if known := {method: by_seed for method, by_seed in rows.items() if by_seed}:
            values[table.comparison.dataset] = known
    if len(values) < 2:
        return None
    shown = entry.metrics[name]
    roles = {m: describe(config, task, m)[1] for rows in values.values() for m in rows}
    columns = [_column(rows, roles, shown.direction, against) for rows in values.values()]
    methods = [m for m in entry.methods if any(m in column for column in columns)]
    lines = [
        Line(m, *describe(config, task, m), tuple(column.get(m) for column in columns))
        for m in methods
    ]
    lines.sort(key=lambda line: role_order(line.role))
    seeds = tuple(max(map(len, rows.values())) for rows in values.values())
    return Crossover(task, profile, name, shown, against, tuple(values), seeds, tuple(lines))


def paired_gain(differences: Sequence[float]) -> Interval:
    """Mean of paired differences with the interval that claims have (BCa).

    Its ends are NaN below MIN_PAIRS pairs, with which no claim could be decided either.

    Args:
        differences: (n,) with n > 0, in the metric's own scale.
    """
    found = bootstrap_interval(differences) if len(differences) >= MIN_PAIRS else None
    mean = sum(differences) / len(differences)
    return found or Interval(mean, math.nan, math.nan, len(differences))


def _column(
    rows: Mapping[str, BySeed], roles: Mapping[str, str], direction: str, reference: str
) -> dict[str, Entry]:
    """The entries of a data set by method."""
    sign = -1.0 if direction == "min" else 1.0
    competing = {m: by_seed for m, by_seed in rows.items() if roles[m] in COMPETING}
    common = set.intersection(*map(set, competing.values())) if competing else set()
    fair = {m: sign * sum(by_seed[s] for s in common) for m, by_seed in competing.items() if common}
    top = max(fair.values(), default=math.inf)
    entries = {}
    for method, by_seed in rows.items():
        differences = paired_differences(by_seed, rows.get(reference, {}))[1]
        gain = paired_gain(differences) if differences and method != reference else None
        best = fair.get(method, -math.inf) >= top
        entries[method] = Entry(mean_interval(list(by_seed.values())), gain, best)
    return entries
