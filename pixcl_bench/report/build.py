"""Builds the report of a profile: one self-contained page, tables, claims and figures, from the records
alone."""

import contextlib
import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixcl_bench.bench.config import Config
from pixcl_bench.bench.store import HISTORY, Record, scan, write_atomic
from pixcl_bench.report import page
from pixcl_bench.report.claims import markdown_claims
from pixcl_bench.report.rows import Table, by_place, tables
from pixcl_bench.report.tables import csv_table, markdown_table
from pixcl_bench.report.verdicts import RULE, Verdict, decide_claims

History = dict[tuple[str, int], tuple[list[float], list[float]]]
FILES = ("index.html", "table.md", "table.csv", "claims.md")


@dataclass(frozen=True)
class ReportPaths:
    """Where a report lies.

    Attributes:
        figures: every SVG; `bars.svg` and `curves.svg` where there is one table, else one pair for each
            table.
        built: False where the report was already there for the same records and the same code.
    """

    folder: Path
    index: Path
    table_md: Path
    table_csv: Path
    claims_md: Path
    figures: tuple[Path, ...]
    built: bool


def digest(config: Config, profile: str, records: Sequence[Record]) -> str:
    """Hash of all that a report is made from: configuration, records, and the code of this package."""
    state = hashlib.sha256(profile.encode())
    state.update(config.benchmarks.model_dump_json().encode())
    for record in sorted(records, key=lambda r: (r.task, r.dataset, r.method, r.seed, r.device)):
        state.update(f"{record.status} {record.checksum}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        state.update(source.read_bytes())
    return state.hexdigest()[:24]


def read_history(path: Path) -> tuple[list[float], list[float]]:
    """Steps and losses of a `history.csv`; rows without both are left out.

    Raises:
        OSError: it cannot be read.
        ValueError: it has no columns `step` and `loss`, or a value that is not a number.
    """
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        missing = {"step", "loss"} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{path.name}: no column {', '.join(sorted(missing))}")
        rows = [(row["step"], row["loss"]) for row in reader]
    pairs = [(float(step), float(loss)) for step, loss in rows if step and loss]
    return [step for step, _ in pairs], [loss for _, loss in pairs]


def histories(table: Table, results: Path | None = None) -> History:
    """The loss curves of a table's finished runs: from `history.csv` in the results folder, else as the
    record keeps it."""
    found = {}
    for record in table.records:
        if record.status != "ok":
            continue
        steps, losses = [float(step) for step, _ in record.curve], [loss for _, loss in record.curve]
        path = results / record.folder / HISTORY if results else None
        if path is not None and path.is_file():
            # An unreadable history only costs the figure its detail.
            with contextlib.suppress(OSError, ValueError):
                steps, losses = read_history(path)
        if steps:
            found[record.method, record.seed] = (steps, losses)
    return found


def draw(table: Table, results: Path | None = None) -> dict[str, str]:
    """The figures of a table as SVG: `bars` and `curves`, each where there is something to draw."""
    from pixcl_bench.report.figures import bar_svg, curves_svg

    drawn = {}
    if any(row.values[table.primary] is not None for row in table.rows):
        drawn["bars"] = bar_svg(table)
    history = histories(table, results)
    if any(len(steps) > 1 for steps, _ in history.values()):
        drawn["curves"] = curves_svg(table, history)
    return drawn


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_atomic(path, text)


def _write_figures(folder: Path, drawn: Mapping[str, Mapping[str, str]]) -> None:
    from pixcl_bench.report.figures import standalone

    names = set()
    for name, figures in drawn.items():
        for kind, svg in figures.items():
            file = f"{kind}.svg" if len(drawn) == 1 else f"{kind}-{name}.svg"
            names.add(file)
            _write(folder / file, standalone(svg))
    for old in folder.glob("*.svg"):
        if old.name not in names:
            old.unlink()


def _body(
    config: Config,
    every: Sequence[Table],
    drawn: Mapping[str, Mapping[str, str]],
    verdicts: Sequence[Verdict],
) -> str:
    parts = [page.table_section(table, drawn[page.slug(table)]) for table in every]
    return "".join(parts) + (page.claims_section(config, verdicts) if verdicts else "")


def _toc(every: Sequence[Table], verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    toc = [(page.slug(t), f"{t.title}: {t.place.dataset}") for t in every]
    return [
        *toc,
        *([("claims", "Claims")] if verdicts else []),
        ("runs", "Runs"),
        ("environment", "Environment"),
    ]


def _markdown(profile: str, every: Sequence[Table]) -> str:
    body = "\n".join(markdown_table(table, heading=2) for table in every) or "No finished run yet.\n"
    return f"# Results of profile {profile}\n\n{body}"


def _paths(folder: Path, built: bool) -> ReportPaths:
    index, table_md, table_csv, claims_md = (folder / name for name in FILES)
    return ReportPaths(
        folder, index, table_md, table_csv, claims_md, tuple(sorted(folder.glob("*.svg"))), built
    )


def _is_current(folder: Path, mark: str) -> bool:
    if not all((folder / name).is_file() for name in FILES):
        return False
    with (folder / "index.html").open(encoding="utf-8") as lines:
        return f'content="{mark}"' in lines.read(600)


def build_report(config: Config, profile: str, results: Path, *, force: bool = False) -> ReportPaths:
    """Write `results/<profile>/report/` from the records of that profile; nothing is done where it is up to
    date.

    The page is written last, so that its digest vouches for the files beside it.

    Raises:
        RecordError: a record cannot be read.
        OSError: the folder cannot be written.
    """
    results = Path(results)
    folder = results / profile / "report"
    records = [r for r in scan(results, profile) if r.task in config.tasks]
    records = [record for group in by_place(records, config).values() for record in group]
    mark = digest(config, profile, records)
    if not force and _is_current(folder, mark):
        return _paths(folder, built=False)
    every = tables(config, records)
    present = {r.task for r in records}
    verdicts = [v for v in decide_claims(config, records) if v.claim.task in present]
    drawn = {page.slug(table): draw(table, results) for table in every}
    _write_figures(folder, drawn)
    _write(folder / "table.md", _markdown(profile, every))
    _write(folder / "table.csv", csv_table(every))
    claims = markdown_claims(config, verdicts) if verdicts else f"{RULE}\n"
    _write(folder / "claims.md", f"# Claims, profile {profile}\n\n{claims}")
    body = _body(config, every, drawn, verdicts) + page.runs_section(config, records, results)
    _write(folder / "index.html", page.page(config, profile, mark, records, body, _toc(every, verdicts)))
    return _paths(folder, built=True)


def summary_lines(config: Config, profile: str, results: Path, paths: ReportPaths) -> list[str]:
    """What to print after a run: how many runs, and where page, table and notebooks lie, relative to the
    working folder."""
    records = scan(results, profile)
    good = sum(r.status == "ok" for r in records)
    lines = [f"{good} finished runs" + (f", {len(records) - good} failed" if good < len(records) else "")]
    lines.append(f"report     {_shown(paths.index)}{'' if paths.built else ' (up to date)'}")
    lines.append(f"table      {_shown(paths.table_md)}, {paths.table_csv.name}")
    lines.append(f"claims     {_shown(paths.claims_md)}")
    return [*lines, f"notebooks  {_shown(Path(results) / profile)}/<task>/<dataset>/<method>/seed-<n>/"]


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
