"""The papers' own numbers, in tables of their own: they are never put beside ours."""

from collections.abc import Sequence

from pixcl_bench.bench.config import Config
from pixcl_bench.bench.schema import Reported
from pixcl_bench.report.rows import describe
from pixcl_bench.report.words import escape, html_rows, md_escape, md_table

TITLE = "What the papers report (not comparable with the tables above)"
WARNING = (
    "Other data, networks, budgets and protocols than ours: these numbers say what was claimed, and must not "
    "be read beside ours."
)
_HEAD = ["method", "data set", "network", "metric", "value", "source"]


def _cells(config: Config, entry: Reported) -> list[str]:
    title = config.tasks[entry.task].literature.get(entry.method)
    title = title or describe(config, entry.task, entry.method)[0]
    value = f"{entry.value:g} {entry.unit}".strip()
    source = entry.source + (f" ({entry.notes})" if entry.notes else "")
    return [title, entry.dataset, entry.encoder or "—", entry.metric, value, source]


def reported_of(config: Config, task: str | None = None) -> Sequence[Reported]:
    """The reported numbers of a task, or all."""
    return [entry for entry in config.reported if task in (None, entry.task)]


def html_reported(config: Config, task: str | None = None) -> str:
    """The reported numbers as HTML tables with their sources, one for each task; empty where there are
    none."""
    parts = []
    names = [name for name in config.tasks if task in (None, name) and reported_of(config, name)]
    for name in names:
        rows = [[escape(cell) for cell in _cells(config, entry)] for entry in reported_of(config, name)]
        title = f"<h3>{escape(config.tasks[name].title)}</h3>\n" if len(names) > 1 else ""
        parts.append(title + html_rows(_HEAD, rows, "llllrl"))
    return f'<p class="px-legend">{escape(WARNING)}</p>\n{"".join(parts)}' if parts else ""


def markdown_reported(config: Config, task: str | None = None) -> str:
    """The same in Markdown."""
    rows = [[md_escape(cell) for cell in _cells(config, entry)] for entry in reported_of(config, task)]
    return f"{md_table(_HEAD, rows, 'llllrl')}\n{md_escape(WARNING)}\n" if rows else ""
