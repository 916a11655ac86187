"""Looks at built pages in a browser without a window: what is hard to read or comes from elsewhere.

`python -m tools.look _docs` measures every page of the site, `python -m tools.look FILE.html` one.
The browser is the Chromium or Chrome of this machine, driven by playwright.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SCRIPT = Path(__file__).with_suffix(".js")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SIZES = ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark"))
"""Widths in pixels and colour schemes at which a page is seen."""
_HEIGHT = 900


@dataclass(frozen=True)
class Flaw:
    """Something wrong with a page.

    Attributes:
        page: its file.
        seen: the width and the colour scheme.
        what: a sentence.
    """

    page: Path
    seen: str
    what: str

    def __str__(self) -> str:
        return f"{self.page} ({self.seen}): {self.what}"


def find_browser() -> str | None:
    """The program of a browser on this machine; None where there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextmanager
def browser() -> "Iterator[Browser]":
    """A browser without a window.

    Raises:
        FileNotFoundError: there is none on this machine.
    """
    from playwright.sync_api import sync_playwright

    program = find_browser()
    if program is None:
        raise FileNotFoundError(f"no browser on PATH ({', '.join(BROWSERS)}): install chromium")
    with sync_playwright() as driver:
        # Without the sandbox it also runs as root and in a container.
        found = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


def look(
    found: "Browser",
    pages: Sequence[Path],
    sizes: Sequence[tuple[int, str]] = SIZES,
    shots: Path | None = None,
) -> list[Flaw]:
    """What is wrong with these pages at these sizes, in the order of the pages.

    Args:
        found: the browser.
        pages: HTML files.
        sizes: width in pixels, and `light` or `dark`.
        shots: folder in which a picture of every page is left, where given.
    """
    flaws: list[Flaw] = []
    for width, scheme in sizes:
        size: Any = {"width": width, "height": _HEIGHT}
        context = found.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
        for path in pages:
            flaws += _look_once(context, path, f"{width} px, {scheme}")
            if shots is not None:
                shots.mkdir(parents=True, exist_ok=True)
                file = shots / f"{path.stem}-{width}-{scheme}.png"
                context.pages[-1].screenshot(path=file, full_page=True)
            context.pages[-1].close()
        context.close()
    return sorted(flaws, key=lambda flaw: flaw.page)


def _look_once(context: Any, path: Path, seen: str) -> list[Flaw]:
    """Open a page with everything that is folded on it, measure it, and note what it asks for."""
    tab = context.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(path.resolve().as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    foreign = sorted({url for url in asked if not url.startswith(("file:", "data:", "blob:"))})
    words = [f"asks another host for {url}" for url in foreign]
    words += tab.evaluate(SCRIPT.read_text(encoding="utf-8"))
    return [Flaw(path, seen, text) for text in words]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure pages and print what is wrong; the exit code is 1 where anything is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="+", type=Path, help="HTML files, or folders of them")
    parser.add_argument("--shots", type=Path, help="folder for a picture of every page")
    asked = parser.parse_args(arguments)
    pages = [file for page in asked.pages for file in _files(page)]
    with browser() as found:
        flaws = look(found, pages, shots=asked.shots)
    for flaw in flaws:
        print(flaw, file=sys.stderr)
    print(f"{len(pages)} pages, {len(flaws)} flaws")
    return 1 if flaws or not pages else 0


def _files(page: Path) -> list[Path]:
    """The file itself, or all pages of a folder."""
    return sorted(page.rglob("*.html")) if page.is_dir() else [page]


if __name__ == "__main__":
    sys.exit(main())
