"""Builds the report of a profile: one self-contained page, tables, claims and figures, from the
records alone."""

import contextlib
import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.records.disk import remove, write_atomic
from pixcl_bench.bench.records.published import read_all_published
from pixcl_bench.bench.records.scan import Found, look
from pixcl_bench.bench.records.store import HISTORY, Record
from pixcl_bench.report.comparisons import compared
from pixcl_bench.report.pilots import PROFILE
from pixcl_bench.report.render import page
from pixcl_bench.report.render.claims import markdown_claims
from pixcl_bench.report.render.tables import csv_table, markdown_table
from pixcl_bench.report.rows import Table, table_of
from pixcl_bench.report.verdicts import RULE, Verdict, decide

History = dict[tuple[str, int], tuple[list[float], list[float]]]
"""(method, seed) -> (steps, losses)."""
FILES = ("index.html", "table.md", "table.csv", "claims.md")


@dataclass(frozen=True)
class ReportPaths:
    """Where a report lies.

    Attributes:
        folder: all of it; `index`, `table_md`, `table_csv` and `claims_md` are files in it.
        figures: every SVG; `bars.svg` and `curves.svg` where there is one table, else one pair for
            each table.
        built: False where the report was already there for the same records and the same code.
    """

    folder: Path
    index: Path
    table_md: Path
    table_csv: Path
    claims_md: Path
    figures: tuple[Path, ...]
    built: bool


def pilot_records(config: Config, results: Path) -> list[Record]:
    """The records of pilots: those published beside the configuration, and those of a results
    folder."""
    folder = config.path.parent / "published"
    published = read_all_published(folder, PROFILE) if folder.is_dir() else []
    return [*published, *look(results, PROFILE).records]


def _sources() -> list[Path]:
    """The files of this package that decide what a report looks like."""
    room = Path(__file__).parents[1]
    return sorted(p for p in room.rglob("*") if p.suffix in (".py", ".html", ".css"))


def digest(
    config: Config, profile: str, records: Sequence[Record], pilots: Sequence[Record] = ()
) -> str:
    """Hash of all that a report is made from: configuration, records, those of pilots, and the code
    of this package."""
    state = hashlib.sha256(profile.encode())
    state.update(config.benchmarks.model_dump_json().encode())
    places = sorted(records, key=lambda r: (r.task, r.dataset, r.method, r.seed, r.device))
    for record in (*places, *sorted(pilots, key=lambda r: r.folder.as_posix())):
        state.update(f"{record.status} {record.checksum}".encode())
    for source in _sources():
        state.update(source.read_bytes())
    return state.hexdigest()[:24]


def read_history(path: Path) -> tuple[list[float], list[float]]:
    """Steps and losses of a `history.csv`; rows without both are left out.

    Raises:
        OSError: it cannot be read.
        ValueError: it has no columns `step` and `loss`, or a value that is not a number.
    """
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines)
        head = next(reader, [])
        missing = {"step", "loss"} - set(head)
        if missing:
            raise ValueError(f"{path.name}: no column {', '.join(sorted(missing))}")
        step, loss = head.index("step"), head.index("loss")
        rows = [(row[step], row[loss]) for row in reader if len(row) > max(step, loss)]
    pairs = [(float(step), float(loss)) for step, loss in rows if step and loss]
    return [step for step, _ in pairs], [loss for _, loss in pairs]


def histories(table: Table, results: Path | None = None) -> History:
    """The loss curves of a table's finished runs.

    Args:
        table: whose runs.
        results: the folder with their `history.csv`; without it, or without that file, a curve is
            the one that the record keeps.
    """
    found = {}
    for record in table.records:
        if record.status != "ok":
            continue
        steps = [float(step) for step, _ in record.curve]
        losses = [loss for _, loss in record.curve]
        path = results / record.folder / HISTORY if results else None
        if path is not None and path.is_file():
            # An unreadable history only costs the figure its detail.
            with contextlib.suppress(OSError, ValueError):
                steps, losses = read_history(path)
        if steps:
            found[record.method, record.seed] = (steps, losses)
    return found


def draw(table: Table, results: Path | None = None) -> dict[str, str]:
    """The figures of a table as SVG: `bars`, `cost` and `curves`, each where there is something to
    draw."""
    from pixcl_bench.report.render.cost_figure import cost_svg, spots
    from pixcl_bench.report.render.figures import bar_svg, curves_svg

    drawn = {}
    if any(row.values[table.primary] is not None for row in table.rows):
        drawn["bars"] = bar_svg(table)
    if len(spots(table)) > 1:
        drawn["cost"] = cost_svg(table)
    history = histories(table, results)
    if any(len(steps) > 1 for steps, _ in history.values()):
        drawn["curves"] = curves_svg(table, history)
    return drawn


def _write(path: Path, text: str) -> None:
    """Write a text where it is not there already."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_atomic(path, text)


def _write_figures(folder: Path, drawn: Mapping[str, Mapping[str, str]]) -> None:
    """Write the figures of every table, and remove those of an earlier report."""
    from pixcl_bench.report.render.figures import standalone

    names = set()
    for name, figures in drawn.items():
        for kind, svg in figures.items():
            file = f"{kind}.svg" if len(drawn) == 1 else f"{kind}-{name}.svg"
            names.add(file)
            _write(folder / file, standalone(svg))
    for old in folder.glob("*.svg"):
        if old.name not in names:
            remove(old)


def _tables_markdown(profile: str, every: Sequence[Table]) -> str:
    """All tables as one Markdown file."""
    body = "\n".join(markdown_table(table, heading=2) for table in every)
    return f"# Results of profile {profile}\n\n" + (body or "No finished run yet.\n")


def _claims_markdown(config: Config, profile: str, verdicts: Sequence[Verdict]) -> str:
    """All verdicts as one Markdown file."""
    body = markdown_claims(config, verdicts) if verdicts else f"{RULE}\n"
    return f"# Claims, profile {profile}\n\n{body}"


def _paths(folder: Path, built: bool) -> ReportPaths:
    """Where the files of a report lie."""
    index, table_md, table_csv, claims_md = (folder / name for name in FILES)
    figures = tuple(sorted(folder.glob("*.svg")))
    return ReportPaths(folder, index, table_md, table_csv, claims_md, figures, built)


def _is_current(folder: Path, mark: str) -> bool:
    """Whether a whole report of this digest is there."""
    if not all((folder / name).is_file() for name in FILES):
        return False
    with (folder / "index.html").open(encoding="utf-8") as lines:
        return f'content="{mark}"' in lines.read(600)


def build_report(
    config: Config,
    profile: str,
    results: Path,
    *,
    force: bool = False,
    found: Found | None = None,
) -> ReportPaths:
    """Write `results/<profile>/report/` from the records of that profile; nothing is done where it
    is up to date.

    The page is written last, so that its digest vouches for the files beside it.

    Args:
        config: tasks, methods and claims.
        profile: its name.
        results: the folder in which all profiles lie.
        force: build it even so.
        found: what lies in the results folder of this profile, where it has been read already.

    Raises:
        DiskError: the folder cannot be written.
    """
    results = Path(results)
    folder = results / profile / "report"
    found = look(results, profile) if found is None else found
    groups = compared(config, found.records)
    pilots = pilot_records(config, results)
    records = [record for group in groups for record in (*group.kept, *group.left_out)]
    mark = digest(config, profile, records, pilots)
    if not force and _is_current(folder, mark):
        return _paths(folder, built=False)
    every = [table_of(config, group) for group in groups]
    present = {r.task for r in records}
    verdicts = [v for v in decide(config, groups, pilots) if v.claim.task in present]
    drawn = {page.slug(table): draw(table, results) for table in every}
    report = page.Report(profile, records, every, drawn, verdicts)
    _write_figures(folder, drawn)
    _write(folder / "table.md", _tables_markdown(profile, every))
    _write(folder / "table.csv", csv_table(every))
    _write(folder / "claims.md", _claims_markdown(config, profile, verdicts))
    _write(folder / "index.html", page.page(config, report, mark, results))
    return _paths(folder, built=True)


def summary_lines(profile: str, results: Path, paths: ReportPaths, found: Found) -> list[str]:
    """What to print after a run: how many runs, what was not read, and where page, table and
    notebooks lie, relative to the working folder."""
    good = len(found.finished)
    failed = f", {len(found.records) - good} failed" if good < len(found.records) else ""
    lines = [f"{good} finished runs{failed}", *found.notes()]
    lines.append(f"report     {_shown(paths.index)}{'' if paths.built else ' (up to date)'}")
    lines.append(f"table      {_shown(paths.table_md)}, {paths.table_csv.name}")
    lines.append(f"claims     {_shown(paths.claims_md)}")
    folder = _shown(Path(results) / profile)
    return [*lines, f"notebooks  {folder}/<task>/<dataset>/<method>/seed-<n>/"]


def _shown(path: Path) -> str:
    """A path relative to the working folder, where it lies below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
