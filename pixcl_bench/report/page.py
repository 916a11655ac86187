"""The parts of the report page: head, tables with their figures, claims, runs, environment."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from pixcl_bench.bench.config import Config
from pixcl_bench.bench.store import FAILURE, HISTORY, RECORD, Record
from pixcl_bench.report.claims import html_claims
from pixcl_bench.report.reported import TITLE, html_reported
from pixcl_bench.report.rows import Table, describe
from pixcl_bench.report.style import CSS
from pixcl_bench.report.tables import html_table
from pixcl_bench.report.verdicts import Verdict
from pixcl_bench.report.words import escape, header, html_rows, kind_name, number, short, unbroken

EXECUTED, LOG = "executed.ipynb", "run.log"
CURVES_NOTE = (
    "Each method minimises its own objective: compare the shapes, not the heights. Thin: seeds; thick: mean."
)
BARS_NOTE = "Bars: mean; whiskers: 95 % interval; dots: seeds; hatched: references outside the comparison."


def slug(table: Table) -> str:
    """Name of a table in addresses: task, data set and device."""
    return "-".join((table.place.task, table.place.dataset, table.place.device))


def figure_html(svg: str, note: str) -> str:
    """A drawing with its caption."""
    return f"<figure>{svg}<figcaption>{escape(note)}</figcaption></figure>\n"


def table_section(table: Table, figures: Mapping[str, str]) -> str:
    """Heading, table and figures of one table; `figures` has `bars` and `curves` as SVG, where they exist."""
    where = table.place
    tags = "".join(
        f' <span class="px-tag">{escape(word)}</span>'
        for word in (kind_name(table.dataset_kind), f"profile {where.profile}", where.device)
    )
    notes = {"bars": BARS_NOTE, "curves": CURVES_NOTE}
    drawn = "".join(figure_html(figures[name], notes[name]) for name in notes if name in figures)
    drawn = f'<div class="px-figures">{drawn}</div>\n' if drawn else ""
    title = f"{escape(table.title)} on {escape(where.dataset)}{tags}"
    return f'<section id="{slug(table)}">\n<h2>{title}</h2>\n{html_table(table)}{drawn}</section>\n'


def claims_section(config: Config, verdicts: Sequence[Verdict]) -> str:
    """The claims of the tasks at hand."""
    return f'<section id="claims">\n<h2>Claims</h2>\n{html_claims(config, verdicts)}</section>\n'


def _links(record: Record, results: Path) -> str:
    """Links from the report's folder to the files of a run, as far as they are there."""
    folder = results / record.folder
    files = [
        ("notebook", EXECUTED),
        ("record", RECORD),
        ("failure", FAILURE),
        ("history", HISTORY),
        ("log", LOG),
    ]
    found = []
    for label, name in files:
        if (folder / name).is_file():
            inside = (folder / name).relative_to(results / record.profile)
            address = quote("/".join(("..", *inside.parts)))
            found.append(f'<a href="{address}">{label}</a>')
    return " · ".join(found) or "—"


def _run_cells(config: Config, record: Record) -> list[str]:
    task = config.tasks[record.task]
    seconds = record.timings.get("train_seconds")
    speed = record.timings.get("images_per_second")
    status = "ok" if record.status == "ok" else f"failed: {record.reason or 'error'}"
    word = escape(status) if status == "ok" else f'<span class="px-failed">{escape(status)}</span>'
    if record.status != "ok" and record.detail:
        word += f'<br><span class="px-small">{escape(short(record.detail))}</span>'
    title, _ = describe(config, record.task, record.method)
    return [
        f"{escape(title)}, seed {record.seed}",
        word,
        escape(number(record.metrics.get(task.primary), task.metrics[task.primary])),
        "—" if seconds is None else f"{seconds:.1f}",
        "—" if speed is None else f"{speed:.0f}",
        f"<code>{escape(record.key)}</code>",
    ]


def runs_section(config: Config, records: Sequence[Record], results: Path) -> str:
    """Every run with links to its executed notebook and record, relative to the report's folder."""
    parts = []
    present = dict.fromkeys((r.task, r.dataset) for r in records)
    for task, dataset in present:
        entry = config.tasks[task]
        primary = header(entry.metrics[entry.primary])
        head = ["run", "files", "status", primary, "training, s", "images / s", "key"]
        mine = [r for r in records if (r.task, r.dataset) == (task, dataset)]
        rows = []
        for record in sorted(mine, key=lambda r: (r.device, r.method, r.seed)):
            first, *rest = _run_cells(config, record)
            rows.append([first, _links(record, results), *rest])
        words = f"{entry.title} on {dataset}: {len(mine)} runs"
        parts.append(
            _details(words, html_rows([unbroken(h) for h in head], rows, "nnlrrrn"), len(present) == 1)
        )
    return f'<section id="runs">\n<h2>Runs</h2>\n{"".join(parts)}</section>\n'


def _details(summary: str, inner: str, is_open: bool = False) -> str:
    return f"<details{' open' if is_open else ''}><summary>{escape(summary)}</summary>\n{inner}</details>\n"


def _folded(name: str, title: str, summary: str, inner: str) -> str:
    return f'<section id="{name}">\n<h2>{escape(title)}</h2>\n{_details(summary, inner)}</section>\n'


def environments(records: Iterable[Record]) -> list[tuple[int, dict[str, str]]]:
    """The different environments of finished runs with the number of runs in each, the most used first."""
    counts: dict[tuple[tuple[str, str], ...], int] = {}
    for record in records:
        if record.status == "ok":
            key = tuple((k, str(v)) for k, v in sorted(record.environment.items()))
            counts[key] = counts.get(key, 0) + 1
    return [(n, dict(key)) for key, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def environment_html(records: Sequence[Record]) -> str:
    """The environment of the runs: what they share, then what differs between them."""
    found = environments(records)
    if not found:
        return "<p>No finished run, so no environment.</p>\n"
    names = sorted({name for _, env in found for name in env})
    same, differ = [], []
    for name in names:
        values: dict[str, int] = {}
        for count, env in found:
            value = env.get(name, "—")
            values[value] = values.get(value, 0) + count
        if len(values) == 1:
            same.append([escape(name), f"<code>{escape(short(next(iter(values)), 300))}</code>"])
        else:
            each = "<br>".join(
                f"<code>{escape(short(v, 120))}</code> ({n} runs)" for v, n in list(values.items())[:6]
            )
            more = f"<br>and {len(values) - 6} more" if len(values) > 6 else ""
            differ.append([escape(name), each + more])
    parts = html_rows(["shared by all runs", "value"], same, "ll") if same else ""
    return parts + (html_rows(["differs between runs", "values"], differ, "ll") if differ else "")


def facts(records: Sequence[Record]) -> str:
    """Counts, commit and time of the runs as a list of short facts."""
    good = [r for r in records if r.status == "ok"]
    items = [("finished runs", str(len(good)))]
    if len(good) < len(records):
        items.append(("failed", str(len(records) - len(good))))
    commits = sorted({str(r.code.get("commit") or "unknown")[:10] for r in good})
    dirty = any(r.code.get("dirty") for r in good)
    if commits:
        items.append(("commit", ", ".join(commits[:3]) + (" with local changes" if dirty else "")))
    torch = sorted({str(r.environment["version_torch"]) for r in good if r.environment.get("version_torch")})
    if torch:
        items.append(("torch", ", ".join(torch)))
    if good:
        items.append(("last run", max(r.finished for r in good)[:16].replace("T", " ") + " UTC"))
    return "".join(f"<li>{escape(name)} <b>{escape(value)}</b></li>" for name, value in items)


def page(
    config: Config,
    profile: str,
    digest: str,
    records: Sequence[Record],
    body: str,
    toc: Sequence[tuple[str, str]],
) -> str:
    """The whole page, without any address outside itself but the links to the runs."""
    purpose = config.profiles[profile].purpose if profile in config.profiles else ""
    links = "".join(f'<a href="#{target}">{escape(words)}</a>' for target, words in toc)
    env = _folded("environment", "Environment", "versions, processor, flags", environment_html(records))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="digest" content="{digest}">\n'
        f"<title>pixcl_bench: {escape(profile)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
        f'<header><h1>pixcl_bench, profile {escape(profile)}</h1>\n<p class="px-lead">{escape(purpose)}</p>\n'
        f'<ul class="px-facts">{facts(records)}</ul>\n<nav aria-label="sections">{links}</nav></header>\n'
        f"{body}{_reported(config, records)}{env}"
        '<footer>Files beside this page: <a href="table.md">table.md</a>, '
        '<a href="table.csv">table.csv</a>, <a href="claims.md">claims.md</a>.</footer>\n'
        "</main>\n</body>\n</html>\n"
    )


def _reported(config: Config, records: Sequence[Record]) -> str:
    present = {record.task for record in records}
    every = [
        (config.tasks[task].title, html_reported(config, task)) for task in config.tasks if task in present
    ]
    found = [(title, inner) for title, inner in every if inner]
    if not found:
        return ""
    parts = (f"<h3>{escape(title)}</h3>\n{inner}" if len(found) > 1 else inner for title, inner in found)
    return f'<section id="reported">\n<h2>{escape(TITLE)}</h2>\n{"".join(parts)}</section>\n'
