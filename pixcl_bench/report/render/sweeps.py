"""Pilots and tunings for the console: a table for each data set, and what follows from it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.schema import Claim, Metric
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report.pilots import PROFILE, enough_steps, read_pilot, smallest_effect, unfitness
from pixcl_bench.report.render.words import NONE, header_name, plus_minus
from pixcl_bench.report.rows import describe
from pixcl_bench.report.sweeps import Sweep, sweeps

if TYPE_CHECKING:
    import rich.table


def console_sweeps(
    config: Config, profile: str, records: Sequence[Record]
) -> "Iterator[rich.table.Table | str]":
    """A table for each task and data set; below it the plateau of each claim's methods (pilot), or
    the best values of each method (any other sweep)."""
    for sweep in sweeps(config, records):
        yield _table(config, sweep)
        if profile == PROFILE:
            yield from plateau_lines(config, sweep, records)
        else:
            yield from tuned_lines(config, sweep)


def _table(config: Config, sweep: Sweep) -> "rich.table.Table":
    from rich.table import Table

    metric = _primary(config, sweep)
    title = f"{config.tasks[sweep.task].title}: {sweep.dataset}, validation: {header_name(metric)}"
    grid = Table(title=title, title_justify="left")
    grid.add_column("method", overflow="fold")
    for variant in sweep.variants:
        grid.add_column(variant or "as it is", justify="right", overflow="fold")
    for method in sweep.methods:
        trials = [sweep.trial(method, variant) for variant in sweep.variants]
        values = [plus_minus(trial.interval, metric) if trial else NONE for trial in trials]
        grid.add_row(describe(config, sweep.task, method)[0], *values)
    return grid


def _primary(config: Config, sweep: Sweep) -> Metric:
    task = config.tasks[sweep.task]
    return task.metrics[task.primary]


def claims_of(config: Config, sweep: Sweep) -> list[Claim]:
    """The claims that a sweep of their task and data set speaks about."""
    return [
        claim
        for claim in config.claims
        if claim.task == sweep.task
        and claim.kind != "exact"
        and claim.dataset in (None, sweep.dataset)
    ]


def plateau_lines(config: Config, sweep: Sweep, records: Sequence[Record]) -> Iterator[str]:
    """For each claim: how many steps are enough, or that none of the pilot's are, or why the set is
    unfit."""
    place = (sweep.task, sweep.dataset, sweep.device)
    own = [r for r in records if (r.task, r.dataset, r.device) == place]
    task = config.tasks[sweep.task]
    for claim in claims_of(config, sweep):
        pilot = read_pilot(own, claim.metric)
        sides = [m for m in (claim.better, claim.than) if m and task.methods[m].role != "floor"]
        if pilot is None or any(method not in pilot.curves for method in sides):
            yield f"{claim.id}: not all of its methods are in the pilot"
            continue
        level = min(abs(pilot.curves[m][-1].mean) for m in sides) if sides else 0.0
        effect = smallest_effect(task.metrics[claim.metric], level)
        enough = enough_steps(pilot, sides, effect)
        words = "no budget of the pilot is enough" if enough is None else f"{enough:,} steps"
        unfit = unfitness(pilot, task, sides)
        yield f"{claim.id}: {words}{f'; unfit: {unfit}' if unfit else ''}"


def tuned_lines(config: Config, sweep: Sweep) -> Iterator[str]:
    """For each method: its best values by the primary metric, with the id of the tuning."""
    largest = _primary(config, sweep).direction == "max"
    for method in sweep.methods:
        best = sweep.best(method, largest=largest)
        if best.variant:
            yield f"{method}: {best.variant} (tuning {sweep.tunings[method]})"
