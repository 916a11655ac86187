"""Whether a set is fit for a claim and a budget is large enough, from the records of a pilot.

A pilot runs floor, baseline, methods and ceiling with several numbers of steps on validation data.
Rule 1: there must be something to win, and no trivial predictor may beat every trained network.
Rule 2: three times the budget may move no method of the claim by a third of the smallest effect
that is worth claiming. Only then may records of that budget decide the claim."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Literal

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.schema import Claim, Metric, Task
from pixcl_bench.bench.config.sweeps import is_trained
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report.rows import metric_values
from pixcl_bench.report.stats import Interval, mean_interval

PROFILE = "pilot"
STEPS = "steps"
SMALLEST_EFFECT = 0.01
"""One point of accuracy, Dice or mIoU, as a fraction."""
SMALLEST_SHARE = 0.05
"""Of an error, the part of it that is worth claiming."""
MORE = 3
"""How many times the budget is compared with it."""
WIDEST = 0.10
"""By how much, as a fraction, a ceiling lies above its floor at least."""
SEEDS = 3
"""So many seeds a point of a curve has at least before it says anything."""
OF_A_PILOT = (STEPS, "eval_split", "checkpoint_every")
"""Settings in which a pilot differs from the runs that it speaks about."""
TIMES = 2.0
"""How many times the error of the ceiling that of the floor is at least."""

Objection = Literal["premature", "unfit"]


@dataclass(frozen=True)
class Point:
    """The values of one method with one number of steps, by seed."""

    steps: int
    values: Mapping[int, float]

    @property
    def interval(self) -> Interval:
        """Mean over the seeds with its 95 % interval (Student t)."""
        return mean_interval(list(self.values.values()))

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return self.interval.mean


@dataclass(frozen=True)
class Pilot:
    """What a pilot measured on one data set and device with one metric.

    Attributes:
        task, dataset, device, metric: names of the configuration.
        curves: method to its points in the order of their steps; a floor has one point.
    """

    task: str
    dataset: str
    device: str
    metric: str
    curves: Mapping[str, tuple[Point, ...]]

    def last(self, method: str) -> Point | None:
        """The point of a method with the most steps."""
        points = self.curves.get(method)
        return points[-1] if points else None


def read_pilot(records: Iterable[Record], metric: str) -> Pilot | None:
    """The pilot of records of one task, data set and device; None where none has the metric."""
    by_method: dict[str, dict[int, list[Record]]] = defaultdict(lambda: defaultdict(list))
    place = ("", "", "")
    for record in records:
        if record.status == "ok" and record.metrics.get(metric) is not None:
            place = (record.task, record.dataset, record.device)
            by_method[record.method][int(record.settings.get(STEPS, 0))].append(record)
    if not by_method:
        return None
    curves = {
        method: tuple(
            Point(steps, metric_values(found, metric)) for steps, found in sorted(budgets.items())
        )
        for method, budgets in by_method.items()
    }
    return Pilot(*place, metric, curves)


def smallest_effect(metric: Metric, level: float) -> float:
    """The smallest difference worth claiming: one point, or a twentieth of an error of `level`."""
    return SMALLEST_EFFECT if metric.direction == "max" else SMALLEST_SHARE * abs(level)


def enough_steps(pilot: Pilot, methods: Collection[str], effect: float) -> int | None:
    """The smallest number of steps of which three times as many move no method by a third of
    `effect`; None where the pilot shows none."""
    curves = [
        {p.steps: p.mean for p in pilot.curves.get(method, ()) if len(p.values) >= SEEDS}
        for method in methods
    ]
    if not curves or not all(curves):
        return None
    for steps in sorted(set.intersection(*(set(curve) for curve in curves))):
        if all(_is_flat(curve, steps, effect / 3) for curve in curves):
            return steps
    return None


def _is_flat(curve: Mapping[int, float], steps: int, most: float) -> bool:
    """Whether the next budget of three times the steps or more differs by less than `most`."""
    longer = [other for other in curve if other >= MORE * steps]
    return bool(longer) and abs(curve[min(longer)] - curve[steps]) < most


@dataclass(frozen=True)
class Answer:
    """What a pilot says about a claim: `steps` that are enough, or the objection to deciding it.
    Both are None for a claim about floors alone, which do not train."""

    steps: int | None = None
    against: tuple[Objection, str] | None = None

    @property
    def words(self) -> str:
        """The answer in a few words."""
        if self.against is not None:
            return ": ".join(self.against)
        return "no training" if self.steps is None else f"{self.steps:,} steps"


def ask(config: Config, claim: Claim, records: Sequence[Record]) -> Answer:
    """What the records of a pilot, those of one task, data set and device, say about a claim."""
    task = config.tasks[claim.task]
    pilot = read_pilot(records, claim.metric)
    if pilot is None:
        return Answer(against=("premature", "no pilot has measured how many steps are enough"))
    methods = [m for m in (claim.better, claim.than) if m and is_trained(task.methods[m])]
    unfit = unfitness(pilot, task, methods)
    if unfit:
        return Answer(against=("unfit", unfit))
    absent = [method for method in methods if method not in pilot.curves]
    if absent:
        return Answer(against=("premature", f"the pilot has no runs of {', '.join(absent)}"))
    ends = [pilot.curves[method][-1] for method in methods]
    level = min((abs(point.mean) for point in ends), default=0.0)
    enough = enough_steps(pilot, methods, smallest_effect(task.metrics[claim.metric], level))
    if methods and enough is None:
        longest = max(point.steps for point in ends)
        words = f"not at its plateau after the pilot's {longest:,} steps"
        return Answer(against=("premature", words))
    return Answer(enough)


def objection(
    config: Config, claim: Claim, records: Sequence[Record], steps: int | None
) -> tuple[Objection, str] | None:
    """Why records of `steps` steps may not decide a claim, with the reason; None where they may.

    `records`: the pilot of the claim's task, data set and device.
    """
    found = ask(config, claim, records)
    if found.against is not None or found.steps is None:
        return found.against
    if steps is None or steps < found.steps:
        return "premature", f"{steps or 0:,} steps; by the pilot {found.steps:,} are enough"
    return None


def unfitness(pilot: Pilot, task: Task, methods: Collection[str]) -> str:
    """Why a set is unfit for a claim about these methods; an empty text where it is fit or where
    the pilot lacks floor or ceiling."""
    metric = task.metrics[pilot.metric]
    sign = 1.0 if metric.direction == "max" else -1.0
    entries = {name: task.methods[name] for name in pilot.curves if name in task.methods}
    means = {name: point.mean for name in entries if (point := pilot.last(name)) is not None}
    trained = [
        sign * means[name]
        for name in means
        if is_trained(entries[name]) and entries[name].role != "ceiling"
    ]
    for name in means:
        trivial = not is_trained(entries[name])
        if trivial and trained and sign * means[name] >= max(trained):
            return f"{task.methods[name].title} beats every network"
    if task.floor not in means or task.ceiling not in means:
        return ""
    floor, ceiling = means[str(task.floor)], means[str(task.ceiling)]
    gap = sign * (ceiling - floor)
    enough = gap >= WIDEST if metric.direction == "max" else floor >= TIMES * ceiling
    if not enough:
        return "there is too little between floor and ceiling"
    spreads = [_spread(point) for m in methods if (point := pilot.last(m)) is not None]
    if spreads and max(spreads) > gap / 3:
        return "seeds of one method differ by more than a third of what there is to win"
    return ""


def _spread(point: Point) -> float:
    """The standard deviation between seeds."""
    return stdev(point.values.values()) if len(point.values) > 1 else 0.0
