"""The page of a paper: what it claims, what was measured, what we think. Every number is read from
records and configuration."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pixcl_bench.report.papers import (
    Paper,
    controls_of,
    find_paper,
    methods_of,
    of_paper,
    read_papers,
    tally,
)
from pixcl_bench.report.pilots import read_pilot
from pixcl_bench.report.render import html
from pixcl_bench.report.render.board import board_html
from pixcl_bench.report.render.claims import html_claims
from pixcl_bench.report.render.html import Cell, cell, code, small
from pixcl_bench.report.render.page import details
from pixcl_bench.report.render.pilots import answers_html, pilot_svg, places
from pixcl_bench.report.render.published_page import (
    Published,
    claims_html,
    heading,
    task_tables,
    verdicts,
)
from pixcl_bench.report.render.words import NONE
from pixcl_bench.report.rows import Table
from pixcl_bench.report.verdicts import Verdict

if TYPE_CHECKING:
    from markupsafe import Markup

FOLDER = "nbs/papers"
"""Where the pages lie."""
REFERENCES = ("floor", "ceiling")
"""Roles of rows that a paper's rows are read against."""

Part = tuple[str, "Markup"]
"""Markdown, and the HTML below it."""


def paper_page(published: Published, name: str) -> Iterator[Part]:
    """The sections of a paper's page in their order.

    Raises:
        PapersError: there is no such paper.
    """
    paper = find_paper(read_papers(published.config.root), name)
    decided, few = verdicts(published)
    yield head(paper, decided)
    yield "## What it claims", statements(published, paper)
    yield "## What we measured", measured(published, paper, decided, few)
    yield from budgets(published, paper)
    yield from rows(published, paper)
    yield f"## What we think\n\n{paper.view.strip()}", html.trusted("")


def head(paper: Paper, decided: Sequence[Verdict]) -> Part:
    """Title and links of the paper; a badge for each verdict on its claims."""
    links = [f"*{paper.title}*, [arXiv {paper.arxiv}]({paper.url})"]
    if paper.notebook:
        links.append(f"[the notebook that tells and tests it]({_link(paper.notebook)})")
    counts = tally(of_paper(paper, decided)).counts
    return " · ".join(links), html.render("badges.html", counts=counts)


def _link(file: str) -> str:
    """The address of a file of the project from a paper's page."""
    return PurePosixPath(os.path.relpath(file, FOLDER)).as_posix()


def statements(published: Published, paper: Paper) -> "Markup":
    """The paper's claims as sentences, with its own numbers, which are not comparable to ours."""
    mine = [claim for claim in published.config.claims if claim.id in paper.claims]
    table: list[list[str | Cell]] = [
        [cell(code(c.id)), c.statement, cell(c.paper or NONE, small(c.source or ""))] for c in mine
    ]
    return html.table(["claim", "in words", "the paper's own numbers"], table, "lll")


def measured(
    published: Published, paper: Paper, decided: Sequence[Verdict], few: Sequence[Verdict]
) -> "Markup":
    """The verdicts on the paper's claims; folded below them comparisons with few seeds, and our
    controls."""
    controls = controls_of(paper, published.config)
    checks = [v for v in decided if v.claim.id in controls]
    made = claims_html(published, of_paper(paper, decided))
    if hints := of_paper(paper, few):
        made += details("Comparisons with few seeds", html_claims(published.config, hints))
    if checks:
        title = "Our controls: comparisons that the paper does not make"
        made += details(title, html_claims(published.config, checks))
    return made


def budgets(published: Published, paper: Paper) -> Iterator[Part]:
    """For each pilot on data of the paper's claims: the metric against the number of steps."""
    config = published.config
    mine = [claim for claim in config.claims if claim.id in paper.claims]
    title = "## How many steps are enough\n\n"
    for place, records in places(config, published.pilots).items():
        asked = [c for c in mine if c.task == place[0] and c.dataset in (None, place[1])]
        pilot = read_pilot(records, config.tasks[place[0]].primary)
        if asked and pilot is not None:
            figure = html.trusted(pilot_svg(config, pilot))
            words = f"{config.tasks[place[0]].title}: {place[1]}, validation data"
            yield f"{title}{words}", figure + answers_html(config, place, records, asked)
            title = ""


def rows(published: Published, paper: Paper) -> Iterator[Part]:
    """The rows of the tables that the paper's claims compare, with floor and ceiling."""
    wanted = methods_of(paper, published.config)
    more = [f"[{_name(page)}]({_link(page)})" for page in paper.pages]
    title = "## Its rows in the tables\n\n"
    title += f"Whole tables and a closer look: {', '.join(more)}.\n\n" if more else ""
    for task in dict.fromkeys(task for task, _ in sorted(wanted)):
        for table in task_tables(published, task):
            mine = of_methods(table, {method for t, method in wanted if t == task})
            if mine is not None:
                yield f"{title}{heading(mine).replace('## ', '### ')}", board_html(mine)
                title = ""


def of_methods(table: Table, methods: set[str]) -> Table | None:
    """The table with the rows of these methods, floors and ceilings; None where no method has one
    with a value. Ranks and notes are those of the whole table, so they are left out."""
    if not any(row.method in methods and row.n for row in table.rows):
        return None
    kept = [row for row in table.rows if row.method in methods or row.role in REFERENCES]
    bare = tuple(replace(row, rank=None, best=False) for row in kept if row.n or not row.expected)
    mine = {row.method for row in bare}
    records = tuple(record for record in table.records if record.method in mine)
    return replace(table, rows=bare, notes=(), records=records)


def _name(page: str) -> str:
    """What a page of results is called in a link: its file without number."""
    return PurePosixPath(page).stem.partition("_")[2].replace("_", " ")
