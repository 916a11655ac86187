"""Figures, the report page, and pages of published records, from records with invented numbers."""

import xml.dom.minidom
from pathlib import Path

import fake_records as fake
import pytest
from shown import one

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.records.scan import look
from pixcl_bench.report.render import build, published_page
from pixcl_bench.report.render.figures import bar_svg, curves_svg, standalone, table_colours
from pixcl_bench.report.rows import tables


@pytest.fixture(scope="module")
def config() -> Config:
    return fake.load()


# figures


def test_figures_are_small_valid_and_follow_the_theme(config: Config) -> None:
    table = one(config, fake.grid(10, profile="study"))
    bars, curves = bar_svg(table), curves_svg(table, build.histories(table))
    for svg in (bars, curves):
        xml.dom.minidom.parseString(standalone(svg))
        assert "currentColor" in svg
        assert "#010203" not in svg
        assert "#000000" not in svg
        assert "<dc:date>" not in svg
        assert len(svg) < 90_000
    assert "PatchMix (n = 10)" in bars
    assert bars == bar_svg(table)
    assert curves == curves_svg(table, build.histories(table))


def test_figures_without_data_say_so(config: Config) -> None:
    table = one(config, [fake.failure("simclr", 0)])
    with pytest.raises(ValueError, match="no finished run"):
        bar_svg(table)
    with pytest.raises(ValueError, match="no run has a history"):
        curves_svg(table, {})


def test_drawing_leaves_the_callers_settings(config: Config) -> None:
    import matplotlib

    matplotlib.rcParams["font.size"] = 13.5
    bar_svg(one(config, fake.grid(2)))
    assert matplotlib.rcParams["font.size"] == 13.5
    matplotlib.rcdefaults()


# the report


def test_report_is_whole_and_built_once(config: Config, tmp_path: Path) -> None:
    records = [*fake.grid(3)[:-1], fake.failure("supervised", 2)]
    fake.write(tmp_path, records)
    paths = build.build_report(config, "quick", tmp_path)
    assert paths.built
    names = {
        "index.html",
        "table.md",
        "table.csv",
        "claims.md",
        "bars.svg",
        "cost.svg",
        "curves.svg",
    }
    assert {p.name for p in paths.folder.iterdir()} == names
    html = paths.index.read_text()
    assert 'href="../image_ssl/landcover-tiles/simclr/seed-1/executed.ipynb"' in html
    assert 'href="../image_ssl/landcover-tiles/supervised/seed-2/failure.json"' in html
    assert "Model &lt;X&gt; &amp; co" in html
    assert "What the papers report (not comparable" in html
    assert html.count("<script") == 1
    assert 'class="px-board"' in html
    style = html[html.index("<style>") : html.index("</style>")]
    assert style.count("{") == style.count("}") > 50
    assert style.index("/*") < style.index(":root {") < style.index("prefers-color-scheme: dark")
    assert '"' * 3 not in style
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "https://" not in html
    again = build.build_report(config, "quick", tmp_path)
    assert not again.built
    assert any(
        "up to date" in line
        for line in build.summary_lines("quick", tmp_path, again, look(tmp_path, "quick"))
    )


def test_report_follows_the_records(config: Config, tmp_path: Path) -> None:
    fake.write(tmp_path, fake.grid(2))
    first = build.build_report(config, "quick", tmp_path)
    text = first.index.read_text()
    fake.write(tmp_path, [fake.record("simclr", 2, 0.9)])
    assert build.build_report(config, "quick", tmp_path).built
    assert first.index.read_text() != text
    first.table_md.unlink()
    assert build.build_report(config, "quick", tmp_path).built


def test_report_of_several_tables_has_a_figure_for_each(config: Config, tmp_path: Path) -> None:
    fake.write(tmp_path, fake.grid(2) + fake.grid(2, dataset="digits"))
    paths = build.build_report(config, "quick", tmp_path)
    assert "bars-image_ssl-digits-cpu.svg" in {p.name for p in paths.figures}
    assert len(paths.figures) == 6


def test_report_without_records_says_so(config: Config, tmp_path: Path) -> None:
    paths = build.build_report(config, "quick", tmp_path)
    assert "No finished run" in paths.table_md.read_text()
    assert paths.figures == ()
    fake.write(tmp_path, [fake.failure("simclr", 0)])
    assert build.build_report(config, "quick", tmp_path).built


def test_a_broken_history_costs_only_its_detail(config: Config, tmp_path: Path) -> None:
    fake.write(tmp_path, fake.grid(2, ("simclr",)))
    path = tmp_path / fake.record("simclr", 0).folder / "history.csv"
    path.write_text("step,other\n1,2\n")
    table = one(config, fake.grid(2, ("simclr",)))
    with pytest.raises(ValueError, match="no column loss"):
        build.read_history(path)
    assert len(build.histories(table, tmp_path)["simclr", 0][0]) == 50


def test_a_damaged_record_is_named(config: Config, tmp_path: Path) -> None:
    fake.write(tmp_path, fake.grid(1, ("simclr",)))
    (tmp_path / fake.record("simclr", 0).folder / "record.json").write_text("{")
    found = look(tmp_path, "quick")
    paths = build.build_report(config, "quick", tmp_path, found=found)
    assert "No finished run yet." in paths.table_md.read_text()
    assert "record.json" in "\n".join(build.summary_lines("quick", tmp_path, paths, found))


# pages from published records


def test_published_parts(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = fake.grid(3) + fake.grid(8, profile="study")
    fake.publish(tmp_path, records + fake.flat_pilot())
    monkeypatch.setenv(published_page.VARIABLE, str(tmp_path))
    monkeypatch.setattr(published_page, "load_config", lambda _: config)
    published = published_page.load()
    found = published_page.task_tables(published, "image_ssl")
    assert [t.comparison.profile for t in found] == ["study", "quick"]
    assert "commit `0123456789`" in published_page.provenance(config, found[0])
    assert "has changed since" in published_page.provenance(config, found[0])
    assert "<svg" in published_page.section_html(found[0])
    decided, few = published_page.verdicts(published)
    assert published_page.verdict_words(decided).startswith("6 reproduced")
    assert {v.n for v in few} == {3}
    fake.publish(tmp_path / "no-pilot", records)
    monkeypatch.setenv(published_page.VARIABLE, str(tmp_path / "no-pilot"))
    decided, _ = published_page.verdicts(published_page.load())
    assert published_page.verdict_words(decided) == "6 premature"
    assert {v.tendency for v in decided} == {"reproduced"}
    assert "BSD-3-Clause" in published_page.datasets_html(config)
    assert "arXiv 2306.12243" in published_page.sources_html(config)


def test_nothing_published(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(published_page.VARIABLE, str(tmp_path / "none"))
    monkeypatch.setattr(published_page, "load_config", lambda _: config)
    published = published_page.load()
    assert "Nothing has been published yet" in published.words
    assert published_page.task_tables(published, "image_ssl") == []
    decided, few = published_page.verdicts(published)
    assert {v.verdict for v in decided} == {"no data"}
    assert few == []


def test_a_method_keeps_its_colour_from_profile_to_profile(config: Config) -> None:
    few = tables(config, fake.grid(3, ("simclr", "moco_v3")))[0]
    more = tables(config, fake.grid(3, ("moco_v3", "patchmix", "patchmix_ema", "simclr")))[0]
    a, b = table_colours(few), table_colours(more)
    assert {m: a[m] for m in ("simclr", "moco_v3")} == {m: b[m] for m in ("simclr", "moco_v3")}
    assert len({b[m] for m in ("simclr", "moco_v3", "patchmix", "patchmix_ema")}) == 4
