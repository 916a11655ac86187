"""Results for other programs: LaTeX, Markdown, every run as a row, and a model index."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.records.disk import write_atomic
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report.render.tables import (
    count_text,
    legend,
    markdown_table,
    row_name,
    table_title,
)
from pixcl_bench.report.render.words import header, plus_minus
from pixcl_bench.report.rows import Row, Table, describe, tables

RUN_COLUMNS = (
    *("task", "profile", "dataset", "dataset_kind", "device", "method", "title", "role", "seed"),
    *("status", "reason", "metric", "scale", "value", "steps", "train_seconds", "key", "commit"),
)
"""Of `runs.csv`: a row for each run and metric; values in the records' own unit."""
_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "−": "$-$"},
    **{"↓": r"$\downarrow$", "★": r"$\star$", "—": "--", "≤": r"$\leq$"},
}
HUB_TASKS: Mapping[str, str] = {
    "image_ssl": "image-classification",
    "semi_seg": "image-segmentation",
    "landmarks": "keypoint-detection",
    "dense_transfer": "image-segmentation",
    "shape_guided": "image-segmentation",
    "retrieval": "image-text-to-image",
}
"""What the hub calls a task; another one keeps its own name."""


def escape_latex(text: str) -> str:
    """Text for LaTeX."""
    return "".join(_LATEX.get(sign, sign) for sign in text)


def latex_table(table: Table) -> str:
    """A `table` environment with rules of booktabs, the legend in its caption."""
    metrics = table.metrics
    head = ["method", "role", *(header(m) for m in metrics.values()), "n"]
    lines = [_latex_row(row, table) for row in table.rows]
    body = "\n".join(" & ".join(map(escape_latex, line)) + r" \\" for line in lines)
    caption = escape_latex(f"{table_title(table)}. {'; '.join(legend(table))}.")
    where = table.comparison
    label = f"tab:{where.task}-{where.dataset}-{where.profile}-{where.device}"
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{caption}}}\n\\label{{{label}}}\n"
        f"\\begin{{tabular}}{{ll{'r' * (len(head) - 2)}}}\n\\toprule\n"
        f"{' & '.join(map(escape_latex, head))} \\\\\n\\midrule\n{body}\n"
        "\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )


def _latex_row(row: Row, table: Table) -> list[str]:
    """The cells of a row; a hole says why."""
    values = {name: plus_minus(row.values[name], m) for name, m in table.metrics.items()}
    if row.hole:
        values[table.primary] = row.hole
    return [row_name(row, table), row.role, *values.values(), count_text(row)]


def run_rows(config: Config, records: Sequence[Record]) -> list[dict[str, Any]]:
    """Every run with every metric; a run without any, a failed one, has one row without a value."""
    return [
        _run_row(config, record, metric)
        for record in records
        if record.task in config.tasks
        for metric in (record.metrics or {"": None})
    ]


def _run_row(config: Config, record: Record, metric: str) -> dict[str, Any]:
    """The row of a run and a metric, under `RUN_COLUMNS`."""
    title, role = describe(config, record.task, record.method)
    known = config.tasks[record.task].metrics.get(metric)
    return {
        **{name: getattr(record, name) for name in RUN_COLUMNS[:6]},
        **{"title": title, "role": role, "seed": record.seed, "status": record.status},
        **{"reason": record.reason, "metric": metric, "value": record.metrics.get(metric)},
        "scale": known.scale if known else None,
        "steps": record.settings.get("steps"),
        "train_seconds": record.timings.get("train_seconds"),
        "key": record.key,
        "commit": (record.published or record.code).get("commit"),
    }


def runs_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of runs as CSV; a hole is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, RUN_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def model_index(found: Sequence[Table]) -> dict[str, Any]:
    """The means of the finished runs in the form of the metadata `model-index` of the hub: a model
    for each method, a result for each task and data set."""
    models: dict[str, list[dict[str, Any]]] = {}
    for table in found:
        for row in table.rows:
            if row.n:
                models.setdefault(row.title, []).append(_result(table, row))
    return {"model-index": [{"name": name, "results": r} for name, r in models.items()]}


def _result(table: Table, row: Row) -> dict[str, Any]:
    """What one method reached on one data set."""
    where = table.comparison
    metrics = [
        {"type": name, "name": metric.label, "value": value.mean * metric.scale}
        for name, metric in table.metrics.items()
        if (value := row.values[name]) is not None
    ]
    kind = f"{table.dataset_kind}, profile {where.profile}, mean of {row.n} runs"
    return {
        "task": {"type": HUB_TASKS.get(where.task, where.task), "name": table.title},
        "dataset": {"type": where.dataset, "name": f"{where.dataset} ({kind})"},
        "metrics": metrics,
    }


def _yaml(data: Any) -> str:
    """Plain data as YAML."""
    from ruamel.yaml import YAML

    out = io.StringIO()
    writer = YAML(typ="safe")
    writer.default_flow_style = False
    writer.dump(data, out)
    return out.getvalue()


def has_parquet() -> bool:
    """Whether pyarrow, which writes parquet, is installed."""
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None


def export(config: Config, records: Sequence[Record], out: Path) -> list[Path]:
    """Write `tables.tex`, `tables.md`, `runs.csv`, `model-index.yaml`, and `runs.parquet` where
    pyarrow is installed; returns their paths."""
    found = tables(config, records)
    rows = run_rows(config, records)
    texts = {
        "tables.tex": "\n".join(map(latex_table, found)),
        "tables.md": "\n".join(markdown_table(table, heading=2) for table in found),
        "runs.csv": runs_csv(rows),
        "model-index.yaml": _yaml(model_index(found)),
    }
    for name, text in texts.items():
        write_atomic(out / name, text)
    written = [out / name for name in texts]
    if has_parquet():
        import pandas as pd

        part = out / ".runs.parquet.tmp"
        pd.DataFrame(rows, columns=list(RUN_COLUMNS)).to_parquet(part)
        written.append(part.replace(out / "runs.parquet"))
    return written
