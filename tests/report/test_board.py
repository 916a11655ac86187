"""Leaderboards: intervals drawn on one scale, shared ranks, holes, costs; sorting in a browser."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.dom import minidom

import fake_records as fake
import pytest
from shown import one

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.report.costs import COSTS, cost_of, told, untold
from pixcl_bench.report.render import build
from pixcl_bench.report.render.board import NOT_RUN, board_html
from pixcl_bench.report.render.cost_figure import cost_svg, spots
from tools import look


@pytest.fixture(scope="module")
def config() -> Config:
    return fake.load()


def drawn(text: str) -> dict[str, list[float]]:
    """Low, high and mean of the drawn interval of each row, in per cent of the scale."""
    body = text[text.index("<tbody>") : text.index("</tbody>")]
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL):
        name = re.sub(r"<[^>]*>|\s*★", "", re.search(r"<th.*?</th>", row, re.DOTALL)[0]).strip()  # type: ignore[index]
        ends = re.search(r'<line x1="([\d.]+)" x2="([\d.]+)"', row)
        mean = re.search(r'<line class="px-mean" x1="([\d.]+)"', row)
        if ends and mean:
            found[name] = [*map(float, ends.groups()), float(mean[1])]
    return found


def test_intervals_share_one_scale(config: Config) -> None:
    table = one(config, fake.grid(10, profile="study"))
    found = drawn(board_html(table))
    assert len(found) == len(table.rows)
    assert min(low for low, _, _ in found.values()) == 2.0
    assert max(high for _, high, _ in found.values()) == 98.0
    values = {row.title: row.values[table.primary] for row in table.rows}
    low = min(value.low for value in values.values() if value)
    high = max(value.high for value in values.values() if value)
    for name, ends in found.items():
        value = values[name.removesuffix(" (labels)")]
        assert value is not None
        wanted = [2 + 96 * (at - low) / (high - low) for at in (value.low, value.high, value.mean)]
        assert ends == pytest.approx(wanted, abs=0.051)


def test_ties_share_a_rank_and_holes_say_why(config: Config) -> None:
    records = fake.grid(10, ("simclr", "moco_v3", "patchmix"), profile="study")
    text = board_html(one(config, records))
    assert text.count(">2 =<") == 2
    assert re.search(r'data-sort="1">\s*1<', text)
    assert NOT_RUN in text
    assert re.search(r'<td class="l" data-sort="">—</td>', text)


def test_costs_are_means_and_missing_ones_are_named(config: Config) -> None:
    records = fake.grid(3, ("simclr",))
    assert [cost.title for cost in told(records)] == ["training, s", "images / s"]
    assert cost_of(records, COSTS[0]) == pytest.approx(21.5)
    text = board_html(one(config, records))
    assert "21.5" in text
    assert "640" in text
    assert "no record of these runs tells: evaluation, peak memory, parameters" in text
    more = [r.model_copy(update={"timings": r.timings | {"peak_memory_mib": 1e3}}) for r in records]
    assert "peak memory, MiB" in board_html(one(config, more))
    assert [cost.title for cost in untold(more)] == ["evaluation, s", "parameters"]
    assert cost_of([], COSTS[0]) is None


def test_quality_against_cost(config: Config) -> None:
    table = one(config, fake.grid(3))
    svg = cost_svg(table)
    assert svg == cost_svg(table)
    minidom.parseString(svg)
    assert all(row.title in svg for row, _, _ in spots(table))
    with pytest.raises(ValueError, match="fewer than two"):
        cost_svg(one(config, fake.grid(3, ("simclr",))))


@pytest.fixture(scope="module")
def page(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A report in a browser."""
    pytest.importorskip("playwright.sync_api", reason="board: playwright is not installed")
    if look.find_browser() is None:
        pytest.skip("board: no browser is installed")
    results: Path = tmp_path_factory.mktemp("results")
    fake.write(results, fake.grid(3)[:-1])
    index = build.build_report(config, "quick", results).index
    with look.browser() as found:
        tab = found.new_page()
        tab.goto(index.resolve().as_uri())
        yield tab
    shutil.rmtree(results)


def column(page: Any, number: int) -> list[str]:
    cells = page.locator(f".px-board tbody tr:visible > :nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_a_head_sorts_and_a_word_filters(page: Any) -> None:
    before = column(page, 1)
    button = page.locator(".px-board thead button").nth(2)
    button.click()
    numbers = [float(text.split()[0]) for text in column(page, 3)]
    assert numbers == sorted(numbers)
    button.click()
    again = [float(text.split()[0]) for text in column(page, 3)]
    assert again == sorted(numbers, reverse=True)
    page.locator(".px-board thead button").first.click()
    assert column(page, 1) == sorted(before, key=str.lower)
    page.fill(".px-board input", "patchmix ablation")
    assert len(column(page, 1)) == 1
    page.fill(".px-board input", "")
    assert sorted(column(page, 1)) == sorted(before)
