"""What a sweep found: each method with each combination of values, and the best of them."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.sweeps import variant_name
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report.rows import metric_values
from pixcl_bench.report.stats import Interval, mean_interval


@dataclass(frozen=True)
class Trial:
    """One method with one combination of values: its means over the seeds. `interval`: of the
    task's primary metric."""

    method: str
    variant: str
    interval: Interval


@dataclass(frozen=True)
class Sweep:
    """The trials on one data set of a task, methods in the order of the configuration.

    Attributes:
        task, dataset, device: names of the configuration.
        trials: by method and combination.
        tunings: method to the id of its tuning: a hash of the records that the choice is made from.
    """

    task: str
    dataset: str
    device: str
    trials: tuple[Trial, ...]
    tunings: dict[str, str]

    @property
    def variants(self) -> list[str]:
        """The combinations, in the order in which they come."""
        return list(dict.fromkeys(trial.variant for trial in self.trials))

    @property
    def methods(self) -> list[str]:
        """The methods, in order."""
        return list(dict.fromkeys(trial.method for trial in self.trials))

    def trial(self, method: str, variant: str) -> Trial | None:
        """The trial of a method with a combination."""
        found = [t for t in self.trials if (t.method, t.variant) == (method, variant)]
        return found[0] if found else None

    def best(self, method: str, *, largest: bool) -> Trial:
        """The trial with the best mean of those with the most seeds: others would be compared on
        other seeds. The earlier one of two that are equal."""
        own = [trial for trial in self.trials if trial.method == method]
        most = max(trial.interval.n for trial in own)
        own = [trial for trial in own if trial.interval.n == most]
        pick = max if largest else min
        return pick(own, key=lambda trial: trial.interval.mean)


def sweeps(config: Config, records: Sequence[Record]) -> list[Sweep]:
    """The sweeps of the records of one profile, in the order of the configuration."""
    groups: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.status == "ok" and record.task in config.tasks:
            groups[record.task, record.dataset, record.device].append(record)
    order = list(config.tasks)
    places = sorted(groups, key=lambda place: (order.index(place[0]), *place[1:]))
    return [_sweep(config, *place, groups[place]) for place in places]


def _sweep(
    config: Config, task: str, dataset: str, device: str, records: Sequence[Record]
) -> Sweep:
    entry = config.tasks[task]
    trials, tunings = [], {}
    for method in [m for m in entry.methods if any(r.method == m for r in records)]:
        own = [r for r in records if r.method == method]
        tunings[method] = tuning_id(own)
        own.sort(key=lambda r: [(str(type(v)), v) for v in r.sweep.values()])
        for variant in dict.fromkeys(variant_name(r.sweep) for r in own):
            of_variant = [r for r in own if variant_name(r.sweep) == variant]
            values = metric_values(of_variant, entry.primary)
            if values:
                trials.append(Trial(method, variant, mean_interval(list(values.values()))))
    return Sweep(task, dataset, device, tuple(trials), tunings)


def tuning_id(records: Sequence[Record]) -> str:
    """12 hex digits that stand for the records of a tuning: their keys and metrics, in any
    order."""
    texts = sorted(f"{r.key} {sorted(r.metrics.items())}" for r in records)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]
