"""The papers' own numbers in HTML and Markdown."""

from typing import TYPE_CHECKING

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.report.render import html
from pixcl_bench.report.render.words import md_escape, md_table
from pixcl_bench.report.reported import HEAD, TITLE, WARNING, reported_rows

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["TITLE", "html_reported", "markdown_reported"]

_ALIGN = "llllrl"


def html_reported(config: Config, *tasks: str) -> "Markup":
    """The reported numbers as HTML tables with their sources, one for each task; empty where there
    are none.

    Args:
        config: where they are.
        tasks: only of these; of all where none is named.
    """
    parts = []
    for name, entry in config.tasks.items():
        rows = reported_rows(config, name) if not tasks or name in tasks else []
        if rows:
            parts.append((entry.title, html.table(HEAD, rows, _ALIGN)))
    return html.render("reported.html", warning=WARNING, parts=parts)


def markdown_reported(config: Config, task: str | None = None) -> str:
    """The same as one Markdown table."""
    rows = [list(map(md_escape, row)) for row in reported_rows(config, task)]
    return f"{md_table(HEAD, rows, _ALIGN)}\n{md_escape(WARNING)}\n" if rows else ""
