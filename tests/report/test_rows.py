"""Rows of tables from records with invented numbers: means, holes, ranks, what may be compared."""

import fake_records as fake
import pytest
from shown import one, printed, row

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.records.store import seal
from pixcl_bench.report import stats
from pixcl_bench.report.comparisons import Comparison, budget_key, compared
from pixcl_bench.report.render.board import board_html
from pixcl_bench.report.render.tables import console_table, markdown_table
from pixcl_bench.report.rows import describe, role_order, table_of, tables

OTHER = {"lr": 1e-3, "steps": 9000, "views": {"flip": 0.5}}


@pytest.fixture(scope="module")
def config() -> Config:
    return fake.load()


def test_rows_are_ordered_by_role_then_by_the_primary_metric(config: Config) -> None:
    order = [r.method for r in one(config, fake.grid(10, profile="study")).rows]
    assert order[:2] == ["random_init", "mean_color"]
    assert set(order[2:4]) == {"simclr", "moco_v3"}
    assert order[4:] == ["patchmix", "patchmix_ema", "supervised"]


def test_a_method_that_the_file_knows_no_longer_counts_as_a_method(config: Config) -> None:
    table = one(config, fake.grid(2, ("gone", "simclr", "supervised")))
    assert describe(config, "image_ssl", "gone") == ("gone", "method")
    order = [r.method for r in table.rows if r.n]
    assert order == ["simclr", "gone", "supervised"]
    assert role_order("floor") < role_order("unheard of") == role_order("method")


def test_a_row_is_mean_and_t_interval(config: Config) -> None:
    values = [0.5, 0.52, 0.57]
    records = [fake.record("simclr", seed, value) for seed, value in enumerate(values)]
    found = row(one(config, records), "simclr")
    assert found.values["knn20_top1"] == stats.mean_interval(values)
    expected = len(config.profiles["quick"].seeds)
    assert (found.n, found.expected, found.failed) == (3, expected, ())
    assert found.uses_labels is False


def test_methods_of_the_profile_without_a_run_have_a_row(config: Config) -> None:
    found = row(one(config, [fake.record("simclr", 0)]), "patchmix")
    assert found.hole == "not run"
    assert found.values["knn20_top1"] is None
    assert found.uses_labels is None


def test_only_what_was_run_is_shown(config: Config) -> None:
    records = [*fake.grid(3), *fake.grid(3, dataset="digits"), fake.failure("moco_v3", 9)]
    only = {("image_ssl", "landcover-tiles", m) for m in ("simclr", "moco_v3")}
    (table,) = tables(config, records, only=only)
    assert table.comparison.dataset == "landcover-tiles"
    assert {r.method for r in table.rows} == {"simclr", "moco_v3"}
    assert [r.method for r in table.records] == ["moco_v3"] * 4 + ["simclr"] * 3
    text = printed(console_table(table))
    assert "not run" not in text
    assert "PatchMix" not in text
    assert "no ranks: to rank 2 methods" in " ".join(text.split())
    assert tables(config, records, only=set()) == []
    assert len(tables(config, records)) == 2


def test_a_run_of_other_settings_is_shown_where_it_alone_was_run(config: Config) -> None:
    """Its budget is not that of most runs, which is why a table of all methods leaves it out."""
    odd = [fake.record("simclr", seed, 0.9, settings=OTHER) for seed in range(2)]
    records = [*fake.grid(3, ("moco_v3", "patchmix")), *odd]
    assert row(one(config, records), "simclr").n == 0
    (table,) = tables(config, records, only={("image_ssl", "landcover-tiles", "simclr")})
    (found,) = table.rows
    assert (found.method, found.n) == ("simclr", 2)


def test_holes_say_why(config: Config) -> None:
    failed = [fake.failure("moco_v3", 0), fake.failure("moco_v3", 1, "time limit")]
    table = one(config, [*fake.grid(3, ("simclr",)), *failed])
    assert row(table, "moco_v3").hole == "failed: out of memory, time limit"
    assert "MoCo v3, seed 1: failed: time limit" in table.notes
    for text in (markdown_table(table), board_html(table), printed(console_table(table), 200)):
        assert "failed: out of memory, time limit" in " ".join(text.split())


def test_a_note_says_that_n_differs(config: Config) -> None:
    table = one(config, [*fake.grid(3, ("simclr",)), fake.record("moco_v3", 0)])
    assert any(note.startswith("n differs between methods (1, 3)") for note in table.notes)


def test_undefined_metrics_are_counted(config: Config) -> None:
    first, *rest = fake.grid(3, ("simclr",))
    without = {**first.metrics, "effective_rank": None}
    table = one(config, [seal(first.model_copy(update={"metrics": without})), *rest])
    found = row(table, "simclr")
    assert found.undefined["effective_rank"] == 1
    assert found.values["effective_rank"].n == 2
    assert "SimCLR: effective rank is undefined in 1 of 3 runs" in table.notes


def test_runs_of_another_budget_are_left_out(config: Config) -> None:
    odd = fake.record("simclr", 2, 0.99, settings=OTHER)
    records = [*fake.grid(2, ("simclr", "moco_v3")), odd]
    table = one(config, records)
    assert row(table, "simclr").n == 2
    assert any("1 runs with other settings" in note for note in table.notes)
    (group,) = compared(config, records)
    assert group.left_out == (odd,)
    assert table_of(config, group) == table


def test_runs_on_other_data_are_left_out_and_failures_follow_their_settings(config: Config) -> None:
    moved = fake.record("simclr", 5, data={"fingerprint": "other"})
    failed = [fake.failure("moco_v3", 6), fake.failure("moco_v3", 7, settings=OTHER)]
    (group,) = compared(config, [*fake.grid(2), moved, *failed])
    assert set(map(id, group.left_out)) == {id(moved), id(failed[1])}


def test_the_newest_budget_is_taken_in_a_tie(config: Config) -> None:
    old = fake.record("simclr", 0, finished="2026-01-01T10:00:00+00:00")
    new = fake.record("simclr", 1, settings=OTHER, finished="2026-01-02T10:00:00+00:00")
    (group,) = compared(config, [new, old])
    assert group.kept == (new,)


def test_what_a_method_may_set_for_itself_keeps_it_in(config: Config) -> None:
    settings = {"lr": 0.5, "steps": 100, "views": {"flip": 0.5}}
    own = [fake.record("simclr", seed, settings=settings) for seed in range(2)]
    table = one(config, [*fake.grid(2, ("moco_v3",)), *own])
    assert {r.method: r.n for r in table.rows if r.n} == {"simclr": 2, "moco_v3": 2}
    names = ["views.flip", "lr", "no.such"]
    assert budget_key(fake.record("simclr", 0), names) == '{"steps": 100, "views": {}}'


def test_devices_and_data_sets_are_not_mixed(config: Config) -> None:
    records = [*fake.grid(2), *fake.grid(2, device="cuda"), *fake.grid(2, dataset="digits")]
    groups = compared(config, [*records, fake.record("simclr", 0, task="no_task")])
    assert [group.comparison for group in groups] == [
        Comparison("image_ssl", "quick", "landcover-tiles", "cpu"),
        Comparison("image_ssl", "quick", "landcover-tiles", "cuda"),
        Comparison("image_ssl", "quick", "digits", "cpu"),
    ]
    assert [t.comparison for t in tables(config, records)] == [g.comparison for g in groups]


def test_ranks_only_among_self_supervised_methods(config: Config) -> None:
    ranked = {r.method: r for r in one(config, fake.grid(10, profile="study")).rows}
    assert ranked["supervised"].rank is ranked["random_init"].rank is None
    assert ranked["patchmix"].best
    assert ranked["simclr"].rank == 3
    few = one(config, fake.grid(3))
    assert not few.ranked
    assert any(note.startswith("no ranks") for note in few.notes)
