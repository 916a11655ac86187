"""The page in a real browser: Debian's Chromium without a window, driven by playwright.

Skipped by name where gradio, playwright or Chromium is missing.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from colours import make_gallery

pytest.importorskip("gradio", reason="app: gradio is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="app: playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("app: chromium is not installed", allow_module_level=True)

from pixcl_bench.app import web  # noqa: E402

WAIT = 60_000


@pytest.fixture(scope="module")
def served() -> Iterator[Any]:
    blocks = web.serve(make_gallery(), browser=False, wait=False)
    yield blocks
    blocks.close(verbose=False)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        # Without the sandbox it also runs as root and in a container.
        yield (found := driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]))
        found.close()


@pytest.fixture
def page(served: Any, browser: Any) -> Iterator[Any]:
    """A new tab, whose requests all go to the app and whose scripts raise nothing."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(WAIT)
    wrong: list[str] = []
    ours = (served.local_url, "data:", "blob:")
    tab.on("request", lambda r: None if r.url.startswith(ours) else wrong.append(r.url))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("dialog", lambda dialog: wrong.append(dialog.message))
    tab.goto(served.local_url)
    tab.wait_for_selector("#px-results .px-card")
    yield tab
    context.close()
    assert wrong == []


def ask(page: Any, text: str) -> None:
    page.fill("#px-query textarea", text)
    page.click("#px-search")
    page.wait_for_selector(f"#px-results h2 q:text-is('{text}')")


def captions(page: Any) -> list[str]:
    return page.locator("#px-results .px-caption").all_inner_texts()


def row(page: Any, number: int) -> list[str]:
    return page.locator("#px-metrics tbody tr").nth(number).locator("td").all_inner_texts()


def test_the_served_page_names_no_other_host(served: Any) -> None:
    answer = httpx.get(served.local_url)
    hosts = set(re.findall(r"https?://([^/\"'\\:]+)", answer.text))
    assert hosts <= {"127.0.0.1"}
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert served.local_url.startswith("http://127.0.0.1:")
    assert not served.share
    assert httpx.get(served.local_url, headers={"host": "example.org"}).status_code == 421


def test_search_filter_mark_and_save(page: Any, tmp_path: Path) -> None:
    assert "For research only" in page.inner_text("body")
    assert len(captions(page)) == 8, "images are shown before the first query"
    ask(page, "red")
    assert len(captions(page)) == 9
    assert all("red" in caption for caption in captions(page)[:8])
    assert page.locator("#px-results .px-card dd:text-is('<b>bold</b>')").count() == 1

    page.locator("#px-results button[data-act=no]").first.click()
    page.locator("#px-results button[data-act=yes]").nth(1).click()
    page.wait_for_function("document.querySelector('#px-metrics td:last-child').innerText > 0")
    assert row(page, 0) == ["1", "0.00", "1.00", "1.00", "1.00", "0.50"]
    assert row(page, 1) == ["1", "1.00", "1.00", "1.00", "1.00", "1.00"]

    with page.expect_download() as saved:
        page.get_by_role("button", name="Save JSON").click()
    saved.value.save_as(tmp_path / "marks.json")
    found = json.loads((tmp_path / "marks.json").read_text("utf-8"))
    marks = [result["relevant"] for result in found["queries"][0]["results"]]
    assert marks[:3] == [False, True, None]

    page.click("#px-filters button")
    page.get_by_label("shade").click()
    page.get_by_role("option", name="dark").click()
    page.click("#px-search")
    page.wait_for_function(
        "!document.querySelector('#px-results').innerText.includes('A bright red')"
    )
    assert all("dark" in caption for caption in captions(page))

    page.get_by_role("button", name="More like this").first.click()
    page.wait_for_selector("#px-results h2:has-text('Images like')")
    page.locator("button[data-act=ask]:text-is('red')").first.click()
    page.wait_for_selector("#px-results h2 q:text-is('red')")
    assert page.locator(".px-history li[value]").count() == 4


def test_bad_input_is_answered_in_words(page: Any) -> None:
    page.click("#px-search")
    page.wait_for_selector("#px-results .px-note:has-text('Type some words')")
    page.fill("#px-query textarea", "<script>alert(1)</script> xyzzy")
    page.click("#px-search")
    page.wait_for_selector("#px-results .px-note:has-text('knows none of these words')")
    page.click("#px-by-image button")
    broken = {"name": "broken.png", "mimeType": "image/png", "buffer": b"no image"}
    page.set_input_files("#px-by-image input[type=file]", files=[broken])
    page.wait_for_selector("#px-by-image :text('broken')")
    page.click("#px-image-search")
    page.wait_for_selector("#px-results .px-note:has-text('cannot be read as an image')")


def test_a_narrow_dark_screen_needs_no_sideways_scrolling(served: Any, browser: Any) -> None:
    size = {"width": 390, "height": 844}
    context = browser.new_context(viewport=size, color_scheme="dark")
    tab = context.new_page()
    tab.set_default_timeout(WAIT)
    tab.goto(served.local_url)
    tab.wait_for_selector("#px-results .px-card")
    ask(tab, "blue")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    ink = tab.locator("#px-results h2").evaluate("e => getComputedStyle(e).color")
    assert min(map(int, re.findall(r"\d+", ink)[:3])) > 150, "light letters on a dark page"
    context.close()


def test_two_hundred_queries_in_a_row() -> None:
    """The handlers of the page, as the server calls them: no error, and memory that stays."""
    handlers = web.Handlers(gallery := make_gallery(), gallery.choices())
    session, process, sizes = None, psutil.Process(), []
    for i in range(200):
        text = f"a {['dark', 'bright'][i % 2]} {['red', 'green', 'blue'][i % 3]} square {i}"
        session, shown, *_ = handlers.ask(session, text, 5, *_unset(handlers))
        assert shown.count("<article") == 5
        if i % 100 == 99:
            sizes.append(process.memory_info().rss)
    assert session is not None
    assert len(session.history) == 200
    assert sizes[1] - sizes[0] < 20_000_000


def _unset(handlers: web.Handlers) -> list[Any]:
    """The inputs of the filters as they are before anything is chosen."""
    found: list[Any] = []
    for choice in handlers.choices:
        found += [[]] if choice.values else [choice.low, choice.high]
    return found
