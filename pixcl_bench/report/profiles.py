"""The profiles as rows: purpose, data, seeds, and how many runs; and how large the grid is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.sweeps import variants
from pixcl_bench.bench.records.store import Record


@dataclass(frozen=True)
class ProfileRow:
    """One profile.

    Attributes:
        name, purpose: as configured.
        tasks: those that have a budget in it.
        datasets: those of all its tasks.
        seeds: how many, in words: `5 (semi_seg 3)` where tasks take different numbers.
        runs: of its whole grid.
    """

    name: str
    purpose: str
    tasks: tuple[str, ...]
    datasets: tuple[str, ...]
    seeds: str
    runs: int


@dataclass(frozen=True)
class Counts:
    """How much there is in a configuration.

    Attributes:
        tasks, profiles, claims: as configured.
        methods: different names; one that several tasks have counts once.
        datasets: likewise.
    """

    tasks: int
    methods: int
    datasets: int
    profiles: int
    claims: int

    @property
    def words(self) -> str:
        """`2 tasks, 17 methods, 3 data sets, 4 profiles, 11 claims`."""
        return (
            f"{self.tasks} tasks, {self.methods} methods, {self.datasets} data sets, "
            f"{self.profiles} profiles, {self.claims} claims"
        )


def counts(config: Config) -> Counts:
    """How many tasks, methods, data sets, profiles and claims there are."""
    tasks = config.tasks.values()
    return Counts(
        tasks=len(config.tasks),
        methods=len({name for task in tasks for name in task.methods}),
        datasets=len({name for task in tasks for name in task.datasets}),
        profiles=len(config.profiles),
        claims=len(config.claims),
    )


def minutes(records: Iterable[Record], profile: str) -> float:
    """For how long at least one of the finished runs of a profile was running, by their own
    clocks."""
    spans = sorted(
        (datetime.fromisoformat(r.started), datetime.fromisoformat(r.finished))
        for r in records
        if r.profile == profile
    )
    busy, until = 0.0, None
    for start, end in spans:
        begin = start if until is None else max(start, until)
        if end > begin:
            busy, until = busy + (end - begin).total_seconds(), end
    return busy / 60


def step_range(records: Iterable[Record], profile: str) -> tuple[int, int]:
    """The fewest and the most training steps of the finished runs of a profile; 0 where a task has
    no such setting is left out. Raises ValueError where no run has any."""
    steps = [
        int(n)
        for r in records
        if r.profile == profile and isinstance(n := r.settings.get("steps"), int) and n > 0
    ]
    return min(steps), max(steps)


def profile_rows(config: Config) -> list[ProfileRow]:
    """Every profile over all of its tasks, as configured."""
    rows = []
    for name, profile in config.profiles.items():
        tasks = [task for task in config.tasks if name in config.tasks[task].budgets]
        data = dict.fromkeys(d for task in tasks for d in config.dataset_names(task, name))
        counted = {task: _seed_counts(config, name, task) for task in tasks}
        runs = sum(_runs(config, name, task) for task in tasks)
        seeds = _seeds(len(profile.seeds), counted)
        rows.append(ProfileRow(name, profile.purpose, tuple(tasks), tuple(data), seeds, runs))
    return rows


def _runs(config: Config, profile: str, task: str) -> int:
    """How many runs a task's grid has, each combination of a sweep counted."""
    return sum(
        len(config.seeds(task, profile, data, method))
        * len(variants(config.tasks[task], profile, method, config.root))
        for data, method in config.grid(task, profile)
    )


def _seed_counts(config: Config, profile: str, task: str) -> list[int]:
    """How many seeds each data set and method of a task's grid takes."""
    return [len(config.seeds(task, profile, *where)) for where in config.grid(task, profile)]


def _seeds(usual: int, counted: dict[str, list[int]]) -> str:
    """How many seeds: one number, or the profile's and what other tasks take."""
    words = {task: _range(found) for task, found in counted.items()}
    if len({*words.values()}) == 1:
        return next(iter(words.values()))
    other = [f"{task} {word}" for task, word in words.items() if word != str(usual)]
    return f"{usual} ({', '.join(other)})" if other else str(usual)


def _range(found: list[int]) -> str:
    """`9`, or `3 to 9` where data sets or methods take different numbers of seeds."""
    low, high = min(found), max(found)
    return str(low) if low == high else f"{low} to {high}"
