"""Exports: LaTeX, runs as rows, the hub's model index against its schema, and the command."""

import csv
import importlib.util
import io
import re
from pathlib import Path

import fake_records as fake
import jsonschema
import pytest
from ruamel.yaml import YAML
from shown import one

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.report.render import exports

SCHEMA = {
    "type": "object",
    "required": ["model-index"],
    "properties": {
        "model-index": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "results"],
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "results": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["task", "dataset", "metrics"],
                            "properties": {
                                "task": {"type": "object", "required": ["type"]},
                                "dataset": {"type": "object", "required": ["type", "name"]},
                                "metrics": {
                                    "type": "array",
                                    "minItems": 1,
                                    "items": {
                                        "type": "object",
                                        "required": ["type", "value"],
                                        "properties": {"value": {"type": "number"}},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}
"""What the hub asks of the metadata `model-index` of a model card."""


@pytest.fixture(scope="module")
def config() -> Config:
    return fake.load()


def test_latex_is_balanced_and_escaped(config: Config) -> None:
    table = one(config, [*fake.grid(3, ("simclr", "patchmix")), fake.failure("moco_v3", 0)])
    text = exports.latex_table(table)
    for pair in (("\\begin{table}", "\\end{table}"), ("\\begin{tabular}", "\\end{tabular}")):
        assert [text.count(part) for part in pair] == [1, 1]
    rules = [text.index(f"\\{name}rule") for name in ("top", "mid", "bottom")]
    assert rules == sorted(rules)
    body = text[rules[1] : rules[2]].splitlines()[1:]
    assert len(body) == len(table.rows)
    columns = len(re.search(r"begin\{tabular\}\{([lr]+)\}", text)[1])  # type: ignore[index]
    assert {len(re.split(r"(?<!\\)&", line)) for line in body} == {columns}
    assert "failed: out of memory" in text
    assert not re.search(r"(?<!\\)[%#_]", text.replace("\\label{tab:image_ssl", ""))
    assert text.isascii()
    assert exports.escape_latex("a_b & 5 % \\") == r"a\_b \& 5 \% \textbackslash{}"


def test_every_run_and_metric_is_a_row(config: Config) -> None:
    records = [*fake.grid(2, ("simclr",)), fake.failure("moco_v3", 0)]
    text = exports.runs_csv(exports.run_rows(config, records))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == exports.RUN_COLUMNS
    assert len(rows) == 2 * len(records[0].metrics) + 1
    first = rows[0]
    assert float(first["value"]) == records[0].metrics[first["metric"]]
    assert (first["key"], first["commit"]) == (records[0].key, "0123456789abcdef")
    assert (rows[-1]["status"], rows[-1]["reason"], rows[-1]["value"]) == (
        "failed",
        "out of memory",
        "",
    )


def test_files_and_the_schema_of_the_hub(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "has_parquet", lambda: False)
    written = exports.export(config, fake.grid(3, ("simclr", "patchmix")), tmp_path)
    names = {"tables.tex", "tables.md", "runs.csv", "model-index.yaml"}
    assert {path.name for path in written} == names == {p.name for p in tmp_path.iterdir()}
    index = YAML(typ="safe").load((tmp_path / "model-index.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(index, SCHEMA)
    assert {model["name"] for model in index["model-index"]} == {"SimCLR", "PatchMix"}
    table = one(config, fake.grid(3, ("simclr", "patchmix")))
    simclr = next(m for m in index["model-index"] if m["name"] == "SimCLR")["results"][0]
    row = next(row for row in table.rows if row.method == "simclr")
    value = row.values[table.primary]
    assert value is not None
    assert simclr["metrics"][0]["value"] == pytest.approx(100 * value.mean)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"model-index": [{"name": "x", "results": []}]}, SCHEMA)


@pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="parquet: pyarrow is not installed"
)
def test_parquet_has_the_same_rows(config: Config, tmp_path: Path) -> None:
    import pandas as pd

    exports.export(config, fake.grid(2, ("simclr",)), tmp_path)
    found = pd.read_parquet(tmp_path / "runs.parquet")
    assert list(found.columns) == list(exports.RUN_COLUMNS)
    assert len(found) == 8
