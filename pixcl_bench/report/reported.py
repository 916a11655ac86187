"""The papers' own numbers, in tables of their own: they are never put beside ours."""

from collections.abc import Sequence

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.schema import Reported
from pixcl_bench.report.rows import describe

TITLE = "What the papers report (not comparable with the tables above)"
WARNING = (
    "Other data, networks, budgets and protocols than ours: these numbers say what was claimed, "
    "and must not be read beside ours."
)
HEAD = ("method", "data set", "network", "metric", "value", "source")


def reported_of(config: Config, task: str | None = None) -> Sequence[Reported]:
    """The reported numbers of a task, or all."""
    return [entry for entry in config.reported if task in (None, entry.task)]


def reported_rows(config: Config, task: str | None = None) -> list[list[str]]:
    """The same as texts under `HEAD`."""
    return [_cells(config, entry) for entry in reported_of(config, task)]


def _cells(config: Config, entry: Reported) -> list[str]:
    """One reported number as texts."""
    title = config.tasks[entry.task].literature.get(entry.method)
    title = title or describe(config, entry.task, entry.method)[0]
    value = f"{entry.value:g} {entry.unit}".strip()
    source = entry.source + (f" ({entry.notes})" if entry.notes else "")
    return [title, entry.dataset, entry.encoder or "—", entry.metric, value, source]
