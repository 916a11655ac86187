"""Comparison tables on the console, in Markdown, CSV and HTML."""

import csv
import io
import math
import subprocess
import sys

import fake_records as fake
import pytest
from shown import one, printed, with_task

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.report import stats
from pixcl_bench.report.render import tables, words
from pixcl_bench.report.render.board import board_html
from pixcl_bench.report.render.figures import bar_svg


@pytest.fixture(scope="module")
def config() -> Config:
    return fake.load()


def test_titles_name_the_kind_of_data(config: Config) -> None:
    table = one(config, fake.grid(2))
    assert "landcover-tiles (embedded surrogate)" in tables.table_title(table)
    assert "embedded surrogate" in " ".join(printed(tables.console_table(table)).split())
    canonical = one(config, fake.grid(2, dataset_kind="canonical"))
    assert "canonical data" in tables.table_title(canonical)


def test_markdown_has_as_many_cells_in_every_line(config: Config) -> None:
    text = tables.markdown_table(one(config, fake.grid(10, profile="study")), heading=2)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert "**PatchMix ★**" in text
    assert "supervised (labels)" in text
    assert "kNN top-1 (k = 20), %" in text


def test_csv_keeps_the_records_scale(config: Config) -> None:
    records = fake.grid(3)
    table = one(config, records)
    lines = list(csv.DictReader(io.StringIO(tables.csv_table([table]))))
    assert len(lines) == len(table.rows) * len(table.metrics)
    line = next(x for x in lines if x["method"] == "simclr" and x["metric"] == "knn20_top1")
    mean = sum(r.metrics["knn20_top1"] for r in records if r.method == "simclr") / 3
    assert float(line["mean"]) == pytest.approx(mean, abs=1e-15)
    assert (line["scale"], line["n"], line["failed"]) == ("100.0", "3", "0")
    assert len(line["keys"].split()) == 3


def titled(config: Config, title: str) -> Config:
    """The configuration with another title of SimCLR."""
    methods = dict(config.tasks["image_ssl"].methods)
    methods["simclr"] = methods["simclr"].model_copy(update={"title": title})
    return with_task(config, "image_ssl", methods=methods)


def test_texts_are_escaped(config: Config) -> None:
    table = one(titled(config, '<b onclick="x">|&'), fake.grid(2))
    html = board_html(table)
    assert "&lt;b onclick=&#34;x&#34;&gt;|&amp;" in html
    assert "<b " not in html
    assert '\\<b onclick="x"\\>\\|&' in tables.markdown_table(table)
    assert '<b onclick="x">|&' in printed(tables.console_table(table))
    assert "&lt;b onclick=" in bar_svg(table)


def test_roles_are_apart_and_holes_stand_out(config: Config) -> None:
    records = [*fake.grid(10, profile="study"), fake.failure("simclr", 11, profile="study")]
    table = one(config, [r for r in records if r.method != "patchmix"])
    html = board_html(table)
    assert "<strong>" in html
    assert '<span class="px-none">not run</span>' in html
    lines = printed(tables.console_table(table)).splitlines()
    assert sum(line.startswith("├") for line in lines) == len({r.role for r in table.rows}) - 1
    failed = board_html(one(config, [fake.failure("simclr", 0)]))
    assert '<span class="px-failed">failed: out of memory</span>' in failed


def test_numbers(config: Config) -> None:
    metric = config.tasks["image_ssl"].metrics["knn20_top1"]
    assert words.number(0.12345, metric) == "12.3"
    assert words.number(-0.0001, metric, signed=True) == "0.0"
    assert words.number(-0.05, metric, signed=True) == f"{words.MINUS}5.0"
    assert words.number(math.nan, metric) == words.number(None, metric) == "—"
    assert words.plus_minus(stats.mean_interval([0.5]), metric) == "50.0"
    assert words.p_text(0.0004) == "< 0.001"
    assert words.p_text(None) == "—"


def test_the_console_path_is_light() -> None:
    """A second `make bench` must end at once: nothing heavy is loaded for a table of few seeds."""
    heavy = ("pandas", "matplotlib", "torch", "scipy.stats", "nbdev", "jinja2")
    code = (
        "import sys; sys.path.insert(0, 'tests'); import fake_records as f\n"
        "from pixcl_bench.report.render import build, tables\n"
        "from pixcl_bench.report import rows\n"
        "tables.console_table(rows.tables(f.load(), f.grid(3))[0])\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=fake.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
