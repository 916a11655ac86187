"""Tables, claims, figures and the report page, from records with invented numbers."""

import csv
import io
import math
import subprocess
import sys
import xml.dom.minidom

import fake_records as fake
import pytest
from rich.console import Console

from pixcl_bench.bench.store import RecordError, seal
from pixcl_bench.report import build, claims, places, published_page, rows, stats, tables, words
from pixcl_bench.report.figures import bar_svg, curves_svg, standalone, table_colours


@pytest.fixture(scope="module")
def config():
    return fake.load()


def one(config, records):
    found = rows.tables(config, records)
    assert len(found) == 1
    return found[0]


def printed(renderable, width=110):
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(renderable)
    return out.getvalue()


# rows


def test_rows_are_ordered_by_role_then_by_the_primary_metric(config):
    order = [row.method for row in rows.summary(config, fake.grid(10, profile="study"), "image_ssl")]
    assert order[:2] == ["random_init", "mean_color"]
    assert set(order[2:4]) == {"simclr", "moco_v3"}
    assert order[4:] == ["patchmix", "patchmix_ema", "supervised"]


def test_a_row_is_mean_and_t_interval(config):
    values = [0.5, 0.52, 0.57]
    records = [fake.record("simclr", seed, value) for seed, value in enumerate(values)]
    row = next(r for r in rows.summary(config, records, "image_ssl") if r.method == "simclr")
    assert row.values["knn20_top1"] == stats.mean_interval(values)
    expected = len(config.profiles["quick"].seeds)
    assert (row.n, row.expected, row.failed, row.uses_labels) == (3, expected, (), False)


def test_methods_of_the_profile_without_a_run_have_a_row(config):
    row = next(
        r for r in rows.summary(config, [fake.record("simclr", 0)], "image_ssl") if r.method == "patchmix"
    )
    assert row.hole == "not run"
    assert row.values["knn20_top1"] is None
    assert row.uses_labels is None


def test_holes_say_why(config):
    records = [
        *fake.grid(3, ("simclr",)),
        fake.failure("moco_v3", 0),
        fake.failure("moco_v3", 1, "time limit"),
    ]
    table = one(config, records)
    row = next(r for r in table.rows if r.method == "moco_v3")
    assert row.hole == "failed: out of memory, time limit"
    assert "MoCo v3, seed 1: failed: time limit" in table.notes
    for text in (
        tables.markdown_table(table),
        tables.html_table(table),
        printed(tables.console_table(table), 200),
    ):
        assert "failed: out of memory, time limit" in " ".join(text.split())


def test_a_note_says_that_n_differs(config):
    table = one(config, [*fake.grid(3, ("simclr",)), fake.record("moco_v3", 0)])
    assert any(note.startswith("n differs between methods (1, 3)") for note in table.notes)


def test_undefined_metrics_are_counted(config):
    records = fake.grid(3, ("simclr",))
    without = {**records[0].metrics, "effective_rank": None}
    table = one(config, [seal(records[0].model_copy(update={"metrics": without})), *records[1:]])
    row = next(r for r in table.rows if r.method == "simclr")
    assert (row.undefined["effective_rank"], row.values["effective_rank"].n) == (1, 2)
    assert "SimCLR: effective rank is undefined in 1 of 3 runs" in table.notes


def test_runs_of_another_budget_are_left_out(config):
    odd = fake.record("simclr", 2, 0.99, settings={"lr": 1e-3, "steps": 9000, "views": {"flip": 0.5}})
    table = one(config, [*fake.grid(2, ("simclr", "moco_v3")), odd])
    row = next(r for r in table.rows if r.method == "simclr")
    assert row.n == 2
    assert any("1 runs with other settings" in note for note in table.notes)


def test_what_a_method_may_set_for_itself_keeps_it_in(config):
    own = [
        fake.record("simclr", s, settings={"lr": 0.5, "steps": 100, "views": {"flip": 0.5}}) for s in range(2)
    ]
    table = one(config, [*fake.grid(2, ("moco_v3",)), *own])
    assert {r.method: r.n for r in table.rows if r.n} == {"simclr": 2, "moco_v3": 2}
    nested = fake.record("simclr", 0)
    assert places.budget_key(nested, ["views.flip", "lr", "no.such"]) == '{"steps": 100, "views": {}}'


def test_places_are_not_mixed(config):
    records = [*fake.grid(2), *fake.grid(2, device="cuda"), *fake.grid(2, dataset="digits")]
    found = [(t.place.dataset, t.place.device) for t in rows.tables(config, records)]
    assert found == [("landcover-tiles", "cpu"), ("landcover-tiles", "cuda"), ("digits", "cpu")]
    with pytest.raises(ValueError, match="3 tables"):
        rows.summary(config, records, "image_ssl")


def test_ranks_only_among_self_supervised_methods(config):
    ranked = {r.method: r for r in one(config, fake.grid(10, profile="study")).rows}
    assert ranked["supervised"].rank is ranked["random_init"].rank is None
    assert ranked["patchmix"].best
    assert ranked["simclr"].rank == 3
    few = one(config, fake.grid(3))
    assert not few.ranked
    assert any(note.startswith("no ranks") for note in few.notes)


# tables


def test_titles_name_the_kind_of_data(config):
    table = one(config, fake.grid(2))
    assert "landcover-tiles (embedded surrogate)" in tables.table_title(table)
    assert "embedded surrogate" in " ".join(printed(tables.console_table(table)).split())
    assert "canonical data" in tables.table_title(one(config, fake.grid(2, dataset_kind="canonical")))


def test_markdown_has_as_many_cells_in_every_line(config):
    text = tables.markdown_table(one(config, fake.grid(10, profile="study")), heading=2)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert "**PatchMix ★**" in text
    assert "supervised (labels)" in text
    assert "kNN top-1 (k = 20), %" in text


def test_csv_keeps_the_records_scale(config):
    records = fake.grid(3)
    table = one(config, records)
    lines = list(csv.DictReader(io.StringIO(tables.csv_table([table]))))
    assert len(lines) == len(table.rows) * len(table.metrics)
    line = next(x for x in lines if x["method"] == "simclr" and x["metric"] == "knn20_top1")
    mean = sum(r.metrics["knn20_top1"] for r in records if r.method == "simclr") / 3
    assert float(line["mean"]) == pytest.approx(mean, abs=1e-15)
    assert (line["scale"], line["n"], line["failed"]) == ("100.0", "3", "0")
    assert len(line["keys"].split()) == 3


def test_html_is_escaped(config):
    text = fake.text()
    bad = fake.load(text.replace("title: SimCLR\n", 'title: "<b>|&"\n'))
    table = one(bad, fake.grid(2))
    assert "&lt;b&gt;|&amp;" in tables.html_table(table)
    assert "<b>" not in tables.html_table(table)
    assert "\\<b\\>\\|&" in tables.markdown_table(table)
    assert "<b>|&" in printed(tables.console_table(table))
    assert "&lt;b&gt;" in bar_svg(table)


def test_numbers(config):
    metric = config.tasks["image_ssl"].metrics["knn20_top1"]
    assert words.number(0.12345, metric) == "12.3"
    assert words.number(-0.0001, metric, signed=True) == "0.0"
    assert words.number(-0.05, metric, signed=True) == f"{words.MINUS}5.0"
    assert words.number(math.nan, metric) == words.number(None, metric) == "—"
    assert words.plus_minus(stats.mean_interval([0.5]), metric) == "50.0"
    assert words.p_text(0.0004) == "< 0.001"
    assert words.p_text(None) == "—"


def test_the_console_path_is_light():
    """A second `make bench` must end at once: no pandas, plots, torch, scipy.stats for a console table."""
    code = (
        "import sys; sys.path.insert(0, 'tests'); import fake_records as f\n"
        "from pixcl_bench.report import build, tables\n"
        "tables.console_table(tables.tables(f.load(), f.grid(3))[0])\n"
        "print([m for m in ('pandas', 'matplotlib', 'torch', 'scipy.stats', 'nbdev') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=fake.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# claims


def by_id(verdicts):
    return {v.claim.id: v for v in verdicts}


def test_verdicts_of_ten_seeds(config):
    records = fake.grid(10, profile="study")
    found = by_id(claims.decide_claims(config, records))
    verdict = found["patchmix-over-moco-v3"]
    a, b = (
        rows.metric_values([r for r in records if r.method == m], "knn20_top1")
        for m in ("patchmix", "moco_v3")
    )
    differences = [a[s] - b[s] for s in range(10)]
    assert verdict.verdict == "reproduced"
    assert (verdict.n, verdict.seeds) == (10, tuple(range(10)))
    assert verdict.difference == stats.bootstrap_interval(differences)
    assert verdict.p == stats.sign_flip_test(differences)
    family = [v.p for v in found.values()]
    assert [v.p_holm for v in found.values()] == stats.holm(family)
    assert verdict.better.mean == pytest.approx(sum(a.values()) / 10)
    assert verdict.keys_than == tuple(r.key for r in records if r.method == "moco_v3")
    assert verdict.dataset_kind == "embedded"


def test_a_claim_can_be_contradicted(config):
    records = [fake.record("moco_v3", s, 0.8 + s / 1000, profile="study") for s in range(10)]
    records += [fake.record("patchmix", s, 0.6 + s / 2000, profile="study") for s in range(10)]
    verdict = by_id(claims.decide_claims(config, records))["patchmix-over-moco-v3"]
    assert verdict.verdict == "contradicted"
    assert verdict.difference.high < 0


def test_few_seeds_decide_nothing(config):
    for verdict in claims.decide_claims(config, fake.grid(3)):
        assert verdict.verdict == "undecided"
        assert verdict.p is verdict.p_holm is None
        assert "3 paired seeds: at least 6 are needed" in verdict.note
        assert verdict.difference.n == 3


def test_no_data(config):
    verdicts = claims.decide_claims(config, fake.grid(10, ("simclr",)))
    assert {v.verdict for v in verdicts} == {"no data"}
    assert len(verdicts) == len(config.claims)
    for text in (claims.markdown_claims(config, verdicts), claims.html_claims(config, verdicts)):
        assert "no paired runs" in text


def test_only_equal_pairs_count(config):
    records = fake.grid(8, ("patchmix",), profile="study") + fake.grid(7, ("moco_v3",), profile="study")
    other = {"lr": 1e-3, "steps": 5, "views": {"flip": 0.5}}
    records[0] = fake.record("patchmix", 0, profile="study", settings=other)
    records[1] = fake.record("patchmix", 1, profile="study", data={"fingerprint": "other"})
    verdict = by_id(claims.decide_claims(config, records))["patchmix-over-moco-v3"]
    assert verdict.seeds == (2, 3, 4, 5, 6)
    assert "2 runs with other settings or other data left out" in verdict.note
    assert "3 seeds without a partner" in verdict.note


def test_devices_and_profiles_are_decided_apart(config):
    records = fake.grid(8) + fake.grid(8, device="cuda") + fake.grid(8, profile="study")
    found = [v for v in claims.decide_claims(config, records) if v.claim.id == "patchmix-linear"]
    assert [(v.place.profile, v.place.device, v.n) for v in found] == [
        ("quick", "cpu", 8),
        ("quick", "cuda", 8),
        ("study", "cpu", 8),
    ]


def claim_config(**fields):
    text = fake.text()
    lines = "".join(f"    {name}: {value}\n" for name, value in fields.items())
    head = text.partition("    claims:\n")[0]
    claim = f"  - id: made-up\n    task: image_ssl\n    origin: control\n    statement: Made up.\n{lines}"
    return fake.load(head + "claims:\n" + claim)


@pytest.mark.parametrize(
    ("margin", "word"), [(0.1, "reproduced"), (0.001, "contradicted"), (0.05, "undecided")]
)
def test_equivalence_claims(margin, word):
    made = claim_config(
        kind="equivalence", metric="knn20_top1", better="patchmix", than="moco_v3", margin=margin
    )
    (verdict,) = claims.decide_claims(made, fake.grid(10, profile="study"))
    assert verdict.verdict == word
    assert verdict.p is None


@pytest.mark.parametrize(
    ("bound", "word"), [(0.6, "reproduced"), (0.9, "contradicted"), (0.655, "undecided")]
)
def test_threshold_claims(bound, word):
    made = claim_config(kind="threshold", metric="knn20_top1", better="patchmix", threshold=bound)
    (verdict,) = claims.decide_claims(made, fake.grid(10, ("patchmix",), profile="study"))
    assert verdict.verdict == word
    assert verdict.than is None
    assert printed(claims.console_claims(made, [verdict]))
    assert "PatchMix: kNN" in claims.markdown_claims(made, [verdict])


def test_smaller_can_be_better():
    text = fake.text()
    made = fake.load(
        text.replace('label: kNN top-1 (k = 20), direction: max', 'label: "error", direction: min')
    )
    found = by_id(claims.decide_claims(made, fake.grid(10, profile="study")))
    assert found["patchmix-over-moco-v3"].verdict == "contradicted"
    assert found["patchmix-over-moco-v3"].difference.low > 0


def test_a_claim_may_name_its_data_set():
    made = claim_config(metric="knn20_top1", better="patchmix", than="moco_v3", dataset="digits")
    (verdict,) = claims.decide_claims(made, fake.grid(10, profile="study"))
    assert verdict.verdict == "no data"


def test_claims_are_shown_everywhere(config):
    verdicts = claims.decide_claims(config, fake.grid(10, profile="study"))
    console = printed(claims.console_claims(config, verdicts), 140)
    markdown, html = claims.markdown_claims(config, verdicts), claims.html_claims(config, verdicts)
    for text in (console, markdown, html):
        assert all(c.id in text for c in config.claims)
        assert "reproduced" in text
    assert "arXiv 2306.12243, abstract" in html


# figures


def test_figures_are_small_valid_and_follow_the_theme(config):
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


def test_figures_without_data_say_so(config):
    table = one(config, [fake.failure("simclr", 0)])
    with pytest.raises(ValueError, match="no finished run"):
        bar_svg(table)
    with pytest.raises(ValueError, match="no run has a history"):
        curves_svg(table, {})


def test_drawing_leaves_the_callers_settings(config):
    import matplotlib

    matplotlib.rcParams["font.size"] = 13.5
    bar_svg(one(config, fake.grid(2)))
    assert matplotlib.rcParams["font.size"] == 13.5
    matplotlib.rcdefaults()


# the report


def test_report_is_whole_and_built_once(config, tmp_path):
    records = [*fake.grid(3)[:-1], fake.failure("supervised", 2)]
    fake.write(tmp_path, records)
    paths = build.build_report(config, "quick", tmp_path)
    assert paths.built
    names = {"index.html", "table.md", "table.csv", "claims.md", "bars.svg", "curves.svg"}
    assert {p.name for p in paths.folder.iterdir()} == names
    html = paths.index.read_text()
    assert 'href="../image_ssl/landcover-tiles/simclr/seed-1/executed.ipynb"' in html
    assert 'href="../image_ssl/landcover-tiles/supervised/seed-2/failure.json"' in html
    assert "Model &lt;X&gt; &amp; co" in html
    assert "What the papers report (not comparable" in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "https://" not in html
    again = build.build_report(config, "quick", tmp_path)
    assert not again.built
    assert any("up to date" in line for line in build.summary_lines(config, "quick", tmp_path, again))


def test_report_follows_the_records(config, tmp_path):
    fake.write(tmp_path, fake.grid(2))
    first = build.build_report(config, "quick", tmp_path)
    text = first.index.read_text()
    fake.write(tmp_path, [fake.record("simclr", 2, 0.9)])
    assert build.build_report(config, "quick", tmp_path).built
    assert first.index.read_text() != text
    first.table_md.unlink()
    assert build.build_report(config, "quick", tmp_path).built


def test_report_of_several_tables_has_a_figure_for_each(config, tmp_path):
    fake.write(tmp_path, fake.grid(2) + fake.grid(2, dataset="digits"))
    paths = build.build_report(config, "quick", tmp_path)
    assert "bars-image_ssl-digits-cpu.svg" in {p.name for p in paths.figures}
    assert len(paths.figures) == 4


def test_report_without_records_says_so(config, tmp_path):
    paths = build.build_report(config, "quick", tmp_path)
    assert "No finished run" in paths.table_md.read_text()
    assert paths.figures == ()
    fake.write(tmp_path, [fake.failure("simclr", 0)])
    assert build.build_report(config, "quick", tmp_path).built


def test_a_broken_history_costs_only_its_detail(config, tmp_path):
    fake.write(tmp_path, fake.grid(2, ("simclr",)))
    path = tmp_path / fake.record("simclr", 0).folder / "history.csv"
    path.write_text("step,other\n1,2\n")
    table = one(config, fake.grid(2, ("simclr",)))
    with pytest.raises(ValueError, match="no column loss"):
        build.read_history(path)
    assert len(build.histories(table, tmp_path)["simclr", 0][0]) == 50


def test_a_damaged_record_is_named(config, tmp_path):
    fake.write(tmp_path, fake.grid(1, ("simclr",)))
    (tmp_path / fake.record("simclr", 0).folder / "record.json").write_text("{")
    with pytest.raises(RecordError, match=r"record\.json"):
        build.build_report(config, "quick", tmp_path)


# pages from published records


def test_published_parts(config, tmp_path, monkeypatch):
    fake.publish(tmp_path, fake.grid(3) + fake.grid(8, profile="study"))
    monkeypatch.setenv(published_page.VARIABLE, str(tmp_path))
    monkeypatch.setattr(published_page, "load_config", lambda _: config)
    published = published_page.load()
    found = published_page.task_tables(published, "image_ssl")
    assert [t.place.profile for t in found] == ["study", "quick"]
    assert "commit `0123456789`" in published_page.provenance(config, found[0])
    assert "has changed since" in published_page.provenance(config, found[0])
    assert "640" in published_page.cost_html(found[0])
    assert "<svg" in published_page.section_html(found[0])
    decided, few = published_page.verdicts(published)
    assert published_page.verdict_words(decided).startswith("6 reproduced")
    assert {v.n for v in few} == {3}
    assert "BSD-3-Clause" in published_page.datasets_html(config)
    assert "arXiv 2306.12243" in published_page.sources_html(config)


def test_nothing_published(config, tmp_path, monkeypatch):
    monkeypatch.setenv(published_page.VARIABLE, str(tmp_path / "none"))
    monkeypatch.setattr(published_page, "load_config", lambda _: config)
    published = published_page.load()
    assert "Nothing has been published yet" in published.words
    assert published_page.task_tables(published, "image_ssl") == []
    decided, few = published_page.verdicts(published)
    assert {v.verdict for v in decided} == {"no data"}
    assert few == []


def test_a_method_keeps_its_colour_from_profile_to_profile(config):
    few = rows.tables(config, fake.grid(3, ("simclr", "moco_v3")))[0]
    more = rows.tables(config, fake.grid(3, ("moco_v3", "patchmix", "patchmix_ema", "simclr")))[0]
    a, b = table_colours(few), table_colours(more)
    assert {m: a[m] for m in ("simclr", "moco_v3")} == {m: b[m] for m in ("simclr", "moco_v3")}
    assert len({b[m] for m in ("simclr", "moco_v3", "patchmix", "patchmix_ema")}) == 4
