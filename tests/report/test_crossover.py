"""The crossover table: every method against every data set, gains over the floor, what is best
where."""

import math

import pytest
import two_tasks as two

from pixcl_bench.report.crossover import crossover, paired_gain
from pixcl_bench.report.render.crossover import html_crossover, markdown_crossover
from pixcl_bench.report.stats import MIN_PAIRS, bootstrap_interval


@pytest.fixture(scope="module")
def config():
    return two.load()


@pytest.fixture(scope="module")
def found(config):
    return crossover(config, two.grid(10), "semi_seg", "study")


def test_the_columns_are_the_data_sets_with_their_seeds(config, found) -> None:
    assert found.datasets == ("heart", "chamber")
    assert found.seeds == (10, 10)
    assert {line.method for line in found.lines} <= set(config.tasks["semi_seg"].methods)
    missing = [line.method for line in found.lines if line.entries[1] is None]
    assert missing, "the second data set has fewer methods: its entries are empty"


def test_gains_are_paired_over_seeds_and_the_reference_has_none(config, found) -> None:
    floor = config.tasks["semi_seg"].floor or config.tasks["semi_seg"].baseline
    lines = {line.method: line for line in found.lines}
    assert all(entry is None or entry.gain is None for entry in lines[floor].entries)
    for line in found.lines:
        for entry, base in zip(line.entries, lines[floor].entries, strict=True):
            if line.method != floor and entry is not None and base is not None:
                assert entry.gain is not None
                assert entry.gain.mean == pytest.approx(entry.value.mean - base.value.mean)


def test_the_interval_of_a_gain_is_that_of_claims_and_few_pairs_have_none() -> None:
    skewed = [0.1, 0.2, 0.1, 0.3, 0.2, 0.1, 4.0, 0.2, 0.1]
    assert paired_gain(skewed) == bootstrap_interval(skewed)
    few = paired_gain(skewed[: MIN_PAIRS - 1])
    assert math.isnan(few.low)
    assert (few.n, few.mean) == (MIN_PAIRS - 1, pytest.approx(0.18))


def test_no_dot_without_enough_pairs(config) -> None:
    few = crossover(config, two.grid(MIN_PAIRS - 1), "semi_seg", "study")
    assert few is not None
    assert not any(entry.sure for line in few.lines for entry in line.entries if entry is not None)
    enough = crossover(config, two.grid(10), "semi_seg", "study")
    assert any(entry.sure for line in enough.lines for entry in line.entries if entry is not None)


def test_only_competing_methods_can_be_best_and_one_is(found) -> None:
    for column in range(2):
        best = [
            line
            for line in found.lines
            if line.entries[column] is not None and line.entries[column].best
        ]
        assert len(best) >= 1
        assert {line.role for line in best} <= {"baseline", "method", "ablation"}


def test_for_a_smaller_is_better_metric_the_smallest_is_best(config) -> None:
    task = config.tasks["semi_seg"]
    name = next(name for name, metric in task.metrics.items() if metric.direction == "min")
    found = crossover(config, two.grid(10), "semi_seg", "study", metric=name)
    if found is None:
        pytest.skip("the toy records have no such metric")
    entries = [(line.entries[0], line.role) for line in found.lines if line.entries[0] is not None]
    competing = [c.value.mean for c, role in entries if role in ("baseline", "method", "ablation")]
    assert [c.value.mean for c, _ in entries if c.best] == [min(competing)]


def test_one_data_set_makes_no_crossover(config) -> None:
    assert crossover(config, two.grid(3), "image_ssl", "study") is None
    assert crossover(config, [], "semi_seg", "study") is None


def test_html_and_markdown_say_the_same(config, found) -> None:
    html, markdown = html_crossover(config, found), markdown_crossover(config, found)
    for line in found.lines:
        assert line.title in html
        for entry in line.entries:
            if entry is not None:
                mean = f"{entry.value.mean * found.metric.scale:.{found.metric.digits}f}"
                assert mean in html
                assert mean in markdown
    assert "<script" not in html
    assert "px-scroll" in html


def test_best_is_decided_over_the_seeds_that_all_have(config) -> None:
    records = two.grid(10)
    methods = {line.method for line in crossover(config, records, "semi_seg", "study").lines}
    best = next(
        line.method
        for line in crossover(config, records, "semi_seg", "study").lines
        if line.entries[0] is not None and line.entries[0].best
    )
    fewer = [r for r in records if r.method != best or r.seed < 3]
    found = crossover(config, fewer, "semi_seg", "study")
    line = next(line for line in found.lines if line.method == best)
    assert line.entries[0].value.n == 3
    assert "n = 3".replace(" ", "\N{NO-BREAK SPACE}") in html_crossover(config, found), (
        "not torn apart on a phone"
    )
    assert "n = 3" in markdown_crossover(config, found)
    assert methods == {line.method for line in found.lines}
