"""The report page of a profile: head, tables with their figures, claims, runs, environment."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pixcl_bench.bench.config.grid import run_place
from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.records.store import FAILURE, HISTORY, RECORD, Record
from pixcl_bench.report.provenance import commits
from pixcl_bench.report.render import html
from pixcl_bench.report.render.board import board_html
from pixcl_bench.report.render.claims import html_claims
from pixcl_bench.report.render.environments import environment_html
from pixcl_bench.report.render.html import Cell, Span, cell, code, small
from pixcl_bench.report.render.reported import html_reported
from pixcl_bench.report.render.words import NONE, header, kind_name, number, short, unbroken
from pixcl_bench.report.reported import TITLE, reported_of
from pixcl_bench.report.rows import Table, describe
from pixcl_bench.report.verdicts import Verdict

if TYPE_CHECKING:
    from markupsafe import Markup

RUN_FILES = {
    "notebook": "executed.ipynb",
    "record": RECORD,
    "failure": FAILURE,
    "history": HISTORY,
    "log": "run.log",
}
"""What a link to a file of a run is called, in the order of the links."""
FIGURE_NOTES = {
    "bars": (
        "Bars: mean; whiskers: 95 % interval; dots: seeds; hatched: references outside the "
        "comparison."
    ),
    "cost": (
        "Value against the seconds of training, on the machine of the runs; hollow: references "
        "outside the comparison. Methods that do not train are left out."
    ),
    "curves": (
        "Each method minimises its own objective: compare the shapes, not the heights. "
        "Thin: seeds; thick: mean."
    ),
}
"""The caption of each figure of a table, in their order."""


@dataclass(frozen=True)
class Report:
    """All that the page of a profile shows.

    Attributes:
        profile: its name.
        records: all runs, failed ones included.
        tables: one for each comparison.
        drawn: the figures of each table as SVG, by `slug` and kind.
        verdicts: on the claims of the tasks at hand.
    """

    profile: str
    records: Sequence[Record]
    tables: Sequence[Table]
    drawn: Mapping[str, Mapping[str, str]]
    verdicts: Sequence[Verdict]


def slug(table: Table) -> str:
    """Name of a table in addresses: task, data set and device."""
    where = table.comparison
    return "-".join((where.task, where.dataset, where.device))


def figures_html(drawn: Mapping[str, str]) -> "Markup":
    """Drawings with their captions.

    Args:
        drawn: `bars`, `cost` and `curves` as SVG, where they exist.
    """
    shown = {
        html.trusted(drawn[name]): note for name, note in FIGURE_NOTES.items() if name in drawn
    }
    return html.render("figures.html", figures=list(shown.items()))


def _table_section(table: Table, drawn: Mapping[str, str]) -> "Markup":
    """Heading, table and figures of one table."""
    where = table.comparison
    return html.render(
        "section.html",
        name=slug(table),
        title=f"{table.title} on {where.dataset}",
        tags=(kind_name(table.dataset_kind), f"profile {where.profile}", where.device),
        inner=board_html(table) + figures_html(drawn),
    )


def _section(name: str, title: str, inner: "Markup") -> "Markup":
    """A section with a heading."""
    return html.render("section.html", name=name, title=title, tags=(), inner=inner)


def details(summary: str, inner: "Markup", is_open: bool = False) -> "Markup":
    """A part that is folded under its summary."""
    return html.render("details.html", summary=summary, inner=inner, is_open=is_open)


def _links(record: Record, results: Path) -> Cell:
    """Links from the report's folder to the files of a run, as far as they are there."""
    pieces: list[str | Span] = []
    place = run_place(record)
    inside = quote(place.removeprefix(f"{record.profile}/"))
    for label, name in RUN_FILES.items():
        if os.path.isfile(f"{results}/{place}/{name}"):
            pieces += [" · "] if pieces else []
            pieces.append(Span(label, href=f"../{inside}/{quote(name)}"))
    return cell(pieces or NONE)


def _run_row(config: Config, record: Record, results: Path) -> list[str | Cell]:
    """One run: name, links, status, primary metric, cost, key."""
    task = config.tasks[record.task]
    seconds = record.timings.get("train_seconds")
    speed = record.timings.get("images_per_second")
    status: str | Cell = "ok"
    if record.status != "ok":
        failed = Span(f"failed: {record.reason or 'error'}", "failed")
        status = cell(failed, small(short(record.detail or "")))
    return [
        f"{describe(config, record.task, record.method)[0]}, seed {record.seed}",
        _links(record, results),
        status,
        number(record.metrics.get(task.primary), task.metrics[task.primary]),
        NONE if seconds is None else f"{seconds:.1f}",
        NONE if speed is None else f"{speed:.0f}",
        cell(code(record.key)),
    ]


def _runs_table(config: Config, records: Sequence[Record], results: Path) -> "Markup":
    """The runs of one task and data set."""
    task = config.tasks[records[0].task]
    primary = header(task.metrics[task.primary])
    head = ["run", "files", "status", primary, "training, s", "images / s", "key"]
    ordered = sorted(records, key=lambda r: (r.device, r.method, r.seed))
    rows = [_run_row(config, record, results) for record in ordered]
    return html.table([unbroken(name) for name in head], rows, "nnlrrrn")


def runs_section(config: Config, records: Sequence[Record], results: Path) -> "Markup":
    """Every run with links to its executed notebook and record, relative to the report's folder."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.task, record.dataset), []).append(record)
    parts = [
        details(
            f"{config.tasks[task].title} on {dataset}: {len(mine)} runs",
            _runs_table(config, mine, results),
            is_open=len(groups) == 1,
        )
        for (task, dataset), mine in groups.items()
    ]
    return _section("runs", "Runs", html.trusted("").join(parts))


def facts(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Counts, commits, versions and time of the runs: names and values."""
    good = [r for r in records if r.status == "ok"]
    items = [("finished runs", str(len(good)))]
    if len(good) < len(records):
        items.append(("failed", str(len(records) - len(good))))
    if good:
        dirty = " with local changes" if any(r.code.get("dirty") for r in good) else ""
        items.append(("commit", ", ".join(commits(good)[:3]) + dirty))
    versions = {str(r.environment.get("version_torch") or "") for r in good} - {""}
    if versions:
        items.append(("torch", ", ".join(sorted(versions))))
    if good:
        last = max(r.finished for r in good)[:16].replace("T", " ")
        items.append(("last run", f"{last} UTC"))
    return items


def _sections(config: Config, report: Report, results: Path) -> "list[tuple[str, str, Markup]]":
    """All sections of the page: their address, what the list of contents calls them, their HTML."""
    every = [
        (slug(t), f"{t.title}: {t.comparison.dataset}", _table_section(t, report.drawn[slug(t)]))
        for t in report.tables
    ]
    if report.verdicts:
        claims = html_claims(config, report.verdicts)
        every.append(("claims", "Claims", _section("claims", "Claims", claims)))
    every.append(("runs", "Runs", runs_section(config, report.records, results)))
    tasks = [name for name in config.tasks if any(r.task == name for r in report.records)]
    if any(reported_of(config, name) for name in tasks):
        reported = html_reported(config, *tasks)
        every.append(("reported", "Reported", _section("reported", TITLE, reported)))
    inner = details("versions, processor, flags", environment_html(report.records))
    every.append(("environment", "Environment", _section("environment", "Environment", inner)))
    return every


def page(config: Config, report: Report, digest: str, results: Path) -> str:
    """The whole page, without any address outside itself but the links to the runs.

    Args:
        config: names and titles.
        report: what is shown.
        digest: of all that the page is made from.
        results: the folder in which the runs lie.
    """
    known = config.profiles.get(report.profile)
    return html.render(
        "page.html",
        css=html.style_sheet(),
        digest=digest,
        profile=report.profile,
        purpose=known.purpose if known else "",
        facts=facts(report.records),
        sections=_sections(config, report, results),
    )
