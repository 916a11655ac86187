"""Tables, claims, figures and pages of two tasks, one of them with two data sets, ten methods, and
metrics of which less is better."""

import io
from fractions import Fraction
from itertools import product

import fake_records as fake
import pytest
import two_tasks as two
from project import ROOT
from rich.console import Console
from shown import printed, with_task

from pixcl_bench.bench.config.grid import Run, plan
from pixcl_bench.bench.config.reading import load_config
from pixcl_bench.bench.records.store import seal
from pixcl_bench.bench.run.progress import Board, PlainScreen
from pixcl_bench.report import exact, rows, stats
from pixcl_bench.report.render import build, claims, profiles, published_page, tables
from pixcl_bench.report.render.figures import table_colours
from pixcl_bench.report.render.reported import html_reported
from pixcl_bench.report.verdicts import decide_claims


@pytest.fixture(scope="module")
def config():
    return two.load()


@pytest.fixture(scope="module")
def records():
    return two.grid(10)


@pytest.fixture(scope="module")
def verdicts(config, records):
    return {v.claim.id: v for v in decide_claims(config, records)}


# tables


def test_a_table_for_each_task_and_data_set_in_the_order_of_the_file(config, records):
    found = rows.tables(config, reversed(records))
    assert [(t.comparison.task, t.comparison.dataset) for t in found] == [
        ("image_ssl", "landcover-tiles"),
        ("semi_seg", "heart"),
        ("semi_seg", "chamber"),
    ]
    assert [len(t.rows) for t in found] == [7, 10, 5]
    only = rows.tables(config, records, "semi_seg")
    assert [t.comparison.dataset for t in only] == ["heart", "chamber"]


def test_expected_runs_follow_methods_and_seeds_of_the_budget(config):
    (table,) = rows.tables(config, [two.record("cps", 0, "chamber")])
    assert {row.method for row in table.rows} == set(
        config.method_names("semi_seg", "study", "chamber")
    )
    (table,) = rows.tables(config, [two.record("cps", 0, "heart", profile="quick")])
    assert {row.expected for row in table.rows} == {3}


def test_smaller_is_better_is_marked_and_ranked(config, records):
    chamber = rows.tables(config, records, "semi_seg")[1]
    text = tables.markdown_table(chamber)
    assert "HD95, mm ↓" in text
    assert "- ↓ smaller is better" in text
    assert "↓" not in tables.markdown_table(rows.tables(config, records, "image_ssl")[0])
    smaller = with_task(config, "semi_seg", primary="hd95")
    table = rows.tables(smaller, records, "semi_seg")[1]
    values = [r.values["hd95"].mean for r in table.rows if r.role == "baseline"]
    assert values == sorted(values)
    assert next(r for r in table.rows if r.best).method == "fba_net"


def test_methods_that_all_see_labels_compete(config, records):
    chamber = rows.tables(config, records, "semi_seg")[1]
    ranks = {row.method: row.rank for row in chamber.rows}
    assert ranks["fba_net"] == 1
    assert ranks["all_labels"] is ranks["supervised_only"] is None
    text = tables.markdown_table(chamber)
    assert "(labels)" not in text
    assert "★ best; methods" in text
    assert "best self-supervised" in tables.markdown_table(
        rows.tables(config, records, "image_ssl")[0]
    )


def test_too_many_methods_for_the_seeds_have_no_ranks(config, records):
    heart = rows.tables(config, records, "semi_seg")[0]
    assert not heart.ranked
    assert "no ranks: to rank 8 methods takes at least 11 paired seeds" in heart.notes
    assert not any(row.best for row in heart.rows)
    more = rows.tables(config, two.grid(11), "semi_seg")[0]
    assert {r.method: r.rank for r in more.rows}["fba_net"] == 1


def test_how_many_pairs_it_takes():
    assert [stats.pairs_needed(m) for m in (0, 1, 6, 8, 25, 28)] == [6, 6, 8, 9, 10, 11]
    for m in (1, 6, 28):
        n = stats.pairs_needed(m)
        assert m * stats.sign_flip_test([1.0] * n) <= 0.05


def test_undefined_values_are_told(config):
    group = two.grid(10)
    for i, r in enumerate(group):
        if r.dataset == "chamber":
            gone = {
                "asd": None,
                **({"hd95": None} if r.method == "mean_teacher" and r.seed < 2 else {}),
            }
            group[i] = seal(r.model_copy(update={"metrics": {**r.metrics, **gone}}))
    chamber = rows.tables(config, group, "semi_seg")[1]
    assert "Mean Teacher: HD95, mm is undefined in 2 of 10 runs" in chamber.notes
    assert "ASD, mm is undefined in every run" in chamber.notes
    row = next(r for r in chamber.rows if r.method == "mean_teacher")
    assert (row.n, row.values["hd95"].n, row.values["asd"]) == (10, 8, None)
    assert build.draw(chamber)
    found = {v.claim.id: v for v in decide_claims(config, group)}
    assert found["fba-over-mean-teacher"].n == 8
    assert found["fba-over-mean-teacher"].note == "2 seeds where HD95, mm is undefined left out"
    assert found["fba-good"].verdict == "no data"


def test_ten_methods_have_ten_colours(config, records):
    found = table_colours(rows.tables(config, records, "semi_seg")[0])
    competing = [
        name for name, (_, role, _) in two.METHODS.items() if role not in ("floor", "ceiling")
    ]
    assert len({found[name] for name in competing}) == len(competing)


# claims


def test_claims_of_a_data_set_are_decided_there_alone(config, records, verdicts):
    places = [
        v.comparison.dataset for v in decide_claims(config, records) if v.claim.id == "sg-over-ns"
    ]
    assert places == ["heart"]
    for name in ("fba-over-mean-teacher", "fba-near-full", "fba-good"):
        assert verdicts[name].comparison.dataset == "chamber"
    few = decide_claims(config, [r for r in records if r.dataset != "chamber"])
    none = {v.claim.id: v for v in few}["fba-near-full"]
    assert (none.verdict, none.note) == ("no data", "no paired runs of both methods on chamber")


def test_families_are_of_one_task_and_data_set(config, records, verdicts):
    assert verdicts["sg-over-ns"].p_holm == pytest.approx(2 / 2**10)
    assert verdicts["fba-over-mean-teacher"].p_holm == pytest.approx(2 / 2**10)
    alone = decide_claims(fake.load(), fake.grid(10, profile="study"))
    both = [v for v in decide_claims(config, records) if v.claim.task == "image_ssl"]
    assert [v.p_holm for v in both] == [v.p_holm for v in alone]


def test_smaller_is_reproduced_by_a_negative_difference(verdicts):
    verdict = verdicts["fba-over-mean-teacher"]
    assert verdict.verdict == "reproduced"
    assert verdict.difference.high < 0


def test_an_equivalence_claim_shows_its_margin(config, verdicts):
    verdict = verdicts["fba-near-full"]
    assert verdict.verdict == "reproduced"
    assert verdict.p_holm is None
    words = "FBA-Net − all labels: Dice, within ± 0.5 points"
    assert words in claims.markdown_claims(config, [verdict])
    assert words.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}") in claims.html_claims(
        config, [verdict]
    )
    assert "whole interval must lie inside" in claims.markdown_claims(config, [verdict])


def test_a_threshold_claim_shows_its_bound(config, verdicts):
    verdict = verdicts["fba-good"]
    assert verdict.verdict == "reproduced"
    text = claims.markdown_claims(config, [verdict])
    assert "FBA-Net: ASD, mm ↓, at most 3.50" in text
    assert "[+" not in text


def test_an_exact_claim_needs_no_records(config):
    found = {v.claim.id: v for v in decide_claims(config, [])}
    verdict = found["arco-variance"]
    assert verdict.verdict == "holds exactly"
    assert (verdict.n, verdict.comparison, verdict.metric) == (0, None, None)
    for text in (
        claims.markdown_claims(config, [verdict]),
        claims.html_claims(config, [verdict]),
        printed(claims.console_claims(config, [verdict])),
    ):
        assert "holds exactly" in text
        assert "no training, no seeds" in " ".join(text.split())
        assert "bootstrap" not in text
    assert "0.820312 | 0.195312 | 0.000000 | 0.625000" in claims.markdown_claims(config, [verdict])
    assert "nbs/ops/00_losses.ipynb" in claims.html_claims(config, [verdict])


def test_a_check_that_fails_says_so(config, monkeypatch):
    from pixcl_bench.report import verdicts as module

    monkeypatch.setattr(module, "run_check", lambda spec: exact.Exact(False, "No."))
    found = {v.claim.id: v.verdict for v in decide_claims(config, [])}
    assert found["arco-variance"] == "fails"


# the exact check


TABLE = {
    "r + c/2": (5.25, 0.820312, 0.195312, 0.0, 0.625),
    "2⌊r/4⌋ + ⌊c/4⌋": (1.5, 0.15625, 0.0, 0.0, 0.15625),
    "(r + c) mod 2": (0.5, 0.03125, 0.03125, 0.0625, 0.0),
    "(r − 3.5)² + (c − 3.5)²": (10.5, 5.25, 5.25, 0.5, 0.0),
    "(r mod 4 − 1.5)² + (c mod 4 − 1.5)²": (2.5, 0.25, 0.25, 0.5, 0.0),
}


def test_the_variance_table():
    found = exact.stratified_variance()
    assert found.holds
    assert {name: tuple(map(float, numbers)) for name, *numbers in found.rows} == TABLE


def spread(estimates):
    return exact.variance(estimates)


def test_variances_are_those_of_all_draws():
    """Every pair of draws of a small case, counted one by one."""
    groups = [[1, 4, 2, 9], [0, 7]]
    every = [value for group in groups for value in group]
    naive = [Fraction(a + b, 2) for a, b in product(every, every)]
    assert exact.naive(groups, 2) == spread(naive)
    drawn = [
        Fraction(a + b, 2) * Fraction(4, 6) + c * Fraction(2, 6)
        for a, b, c in product(groups[0], groups[0], groups[1])
    ]
    assert exact.stratified(groups, [2, 1]) == spread(drawn)
    mirrored = [
        Fraction(groups[0][i] + groups[0][3 - i], 2) * Fraction(4, 6)
        + Fraction(groups[1][j] + groups[1][1 - j], 2) * Fraction(2, 6)
        for i, j in product(range(4), range(2))
    ]
    assert exact.antithetic(groups, [2, 2]) == spread(mirrored)


def test_shares_must_be_in_proportion():
    """Without it the theorem is wrong, and the check would see that."""
    groups = [[0, 10], [0, 0, 0, 0, 0, 0, 0, 0]]
    assert exact.stratified(groups, [1, 4]) <= exact.naive(groups, 5)
    assert exact.stratified(groups, [1, 9]) > exact.naive(groups, 10)


def test_a_check_must_return_its_result():
    with pytest.raises(TypeError, match="not an Exact"):
        exact.run_check("random:random")


# the report and the pages


def test_the_report_of_two_tasks(config, records, tmp_path):
    fake.write(tmp_path, two.grid(2))
    paths = build.build_report(config, "study", tmp_path)
    page = paths.index.read_text()
    sections = [
        page.index(f'id="{name}"')
        for name in (
            "image_ssl-landcover-tiles-cpu",
            "semi_seg-heart-cpu",
            "semi_seg-chamber-cpu",
            "claims",
            "runs",
        )
    ]
    assert sections == sorted(sections)
    assert len(paths.figures) == 9
    assert "Semi-supervised segmentation on heart: 20 runs" in page
    assert page.count("<h3>Semi-supervised segmentation</h3>") == 1
    assert "holds exactly" in paths.claims_md.read_text()
    assert len(paths.table_csv.read_text().splitlines()) == 1 + 7 * 4 + 15 * 5


def test_pages_of_published_records(config, records, tmp_path, monkeypatch):
    fake.publish(tmp_path, records)
    monkeypatch.setenv(published_page.VARIABLE, str(tmp_path))
    monkeypatch.setattr(published_page, "load_config", lambda _: config)
    published = published_page.load()
    found = published_page.task_tables(published, "semi_seg")
    assert [t.comparison.dataset for t in found] == ["heart", "chamber"]
    decided, few = published_page.verdicts(published)
    assert few == []
    assert published_page.verdict_words(decided) == "10 premature, 1 holds exactly"
    assert "evidence: nbs/ops/00_losses.ipynb" in published_page.statements_html(config)
    assert html_reported(config).count("<h3>") == 2
    assert html_reported(config, "semi_seg").count("<h3>") == 0


def test_the_profiles_as_a_table(config):
    lines = profiles.markdown_profiles(config).splitlines()
    study, quick = (next(x for x in lines if f"`{name}`" in x) for name in ("study", "quick"))
    assert study.endswith(
        "| landcover-tiles, emoji, heart, chamber | 10 (image\\_ssl 3 to 10) | 247 |"
    )
    assert quick.endswith("| landcover-tiles, heart | 5 (semi\\_seg 3) | 60 |")


# what is seen while it runs


def run(task, dataset, method, seed):
    return Run(
        task=task,
        dataset=dataset,
        method=method,
        seed=seed,
        profile="study",
        learner="a:b",
        notebook="n",
        code="c",
        time_limit=1,
        data_fingerprint="f",
    )


def test_the_growing_table_has_the_data_sets_of_a_task_side_by_side(config):
    cells = [("heart", m) for m in ("cps", "arco_sg")] + [("chamber", "cps")]
    runs = [run("image_ssl", "landcover-tiles", "simclr", 0)]
    runs += [run("semi_seg", d, m, seed) for seed in (0, 1) for d, m in cells]
    board = Board(config, runs)
    out = io.StringIO()
    screen = PlainScreen(board, Console(file=out, width=120))
    for r in runs[1:4]:
        done = two.record(r.method, r.seed, r.dataset)
        board.add(done, 10.0)
        screen.ended(r, done, 10.0)
    text = out.getvalue()
    assert text.count("Semi-supervised segmentation: Dice") == 1
    assert "Image-level" not in text
    [head] = [line for line in text.splitlines() if "method" in line]
    assert "heart" in head
    assert "chamber" in head
    [row] = [line for line in text.splitlines() if "ARCO, stratified" in line]
    assert [cell.strip() for cell in row.strip("│").split("│")][2:] == ["1", "", ""]
    board.add(fake.failure("cps", 1, task="semi_seg", dataset="heart", profile="study"), 1.0)
    assert "1, 1 failed" in printed(board.tables()[1])


def test_the_time_left_knows_tasks_and_methods(config):
    runs = [
        run("image_ssl", "landcover-tiles", m, s) for s in (0, 1) for m in ("simclr", "random_init")
    ]
    runs += [run("semi_seg", "heart", "cps", s) for s in (0, 1)]
    board = Board(config, runs)
    assert board.left() is None
    assert "left" not in board.clock()
    board.add(fake.record("simclr", 0, profile="study"), 100.0)
    board.add(fake.record("random_init", 0, profile="study"), 2.0)
    assert board.left() == pytest.approx(100 + 2 + 2 * 51)
    board.at_once = 2
    assert board.left() == pytest.approx((100 + 2 + 2 * 51) / 2)
    board.add(two.record("cps", 0, "heart"), 400.0)
    assert board.left() == pytest.approx((100 + 2 + 400) / 2)
    before = fake.record(
        "simclr",
        1,
        profile="study",
        started="2026-01-01T10:00:00+00:00",
        finished="2026-01-01T10:05:00+00:00",
    )
    board.add(before)
    assert board.left() == pytest.approx((2 + 400) / 2)


def test_nothing_heavy_is_imported_for_an_exact_claim():
    import subprocess
    import sys

    code = (
        "import sys\nfrom pixcl_bench.report.exact import run_check\n"
        "run_check('pixcl_bench.report.exact:stratified_variance')\n"
        "print([m for m in ('torch', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_a_method_of_one_task_is_planned_there_alone():
    config = load_config(fake.ROOT / "benchmarks.yaml")
    assert {run.task for run in plan(config, "quick", methods=["moco_v3"])} == {"image_ssl"}
    assert {run.task for run in plan(config, "quick", methods=["arco_sg"])} == {"semi_seg"}
    assert {run.task for run in plan(config, "quick", methods=["patchmix"])} == {
        "image_ssl",
        "dense_transfer",
    }
