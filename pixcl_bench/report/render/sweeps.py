"""Sweeps for console and pages: a table for each data set, and what follows from it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.schema import Metric
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report.pilots import PROFILE, ask
from pixcl_bench.report.render import html
from pixcl_bench.report.render.html import Cell, cell, code
from pixcl_bench.report.render.pilots import claims_at
from pixcl_bench.report.render.words import NONE, header_name, plus_minus
from pixcl_bench.report.rows import describe
from pixcl_bench.report.sweeps import Sweep, sweeps

if TYPE_CHECKING:
    import rich.table
    from markupsafe import Markup


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


def plateau_lines(config: Config, sweep: Sweep, records: Sequence[Record]) -> Iterator[str]:
    """For each claim: how many steps are enough, or why that is not known."""
    place = (sweep.task, sweep.dataset, sweep.device)
    own = [r for r in records if (r.task, r.dataset, r.device) == place]
    for claim in claims_at(config, place):
        yield f"{claim.id}: {ask(config, claim, own).words}"


def tuned_lines(config: Config, sweep: Sweep) -> Iterator[str]:
    """For each method: its best values by the primary metric, with the id of the tuning."""
    largest = _primary(config, sweep).direction == "max"
    for method in sweep.methods:
        best = sweep.best(method, largest=largest)
        if best.variant:
            yield f"{method}: {best.variant} (tuning {sweep.tunings[method]})"


def html_sweeps(config: Config, records: Sequence[Record]) -> "Iterator[tuple[str, Markup]]":
    """Heading and table of each data set: a row for each combination of values, a column for each
    method. The values are means over seeds with the 95 % interval; a star marks the best of those
    with the most seeds, and n stands where there are fewer."""
    for sweep in sweeps(config, records):
        yield f"{config.tasks[sweep.task].title}: {sweep.dataset}", _html_sweep(config, sweep)


def _html_sweep(config: Config, sweep: Sweep) -> "Markup":
    metric = _primary(config, sweep)
    best = {m: sweep.best(m, largest=metric.direction == "max").variant for m in sweep.methods}
    rows: list[list[str | Cell]] = []
    most = max(trial.interval.n for trial in sweep.trials)
    for variant in sweep.variants:
        row: list[str | Cell] = [cell(code(variant)) if variant else "as it is"]
        for method in sweep.methods:
            trial = sweep.trial(method, variant)
            words = plus_minus(trial.interval, metric) if trial else NONE
            if trial and trial.interval.n < most:
                words += f" (n = {trial.interval.n})"
            row.append(f"{words} *" if trial and variant and best[method] == variant else words)
        rows.append(row)
    head = [header_name(metric), *(describe(config, sweep.task, m)[0] for m in sweep.methods)]
    return html.table(head, rows, "l" + "r" * len(sweep.methods))
