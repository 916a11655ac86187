"""The shape of every notebook: sections in order, cells of one idea, legible pictures, links."""

import ast
import base64
import json
import re
import statistics
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from project import ROOT

from tools.project import code, directives, joined, notebooks, read_notebook

PAGES = list(notebooks(ROOT))
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
METHODS = [path for path in PAGES if "methods" in path.parts]
WIDTH, MEDIAN = 100, 8
NARROWEST = 600
"""Pixels: a narrower picture cannot be read at full size."""
ORDER = ("The idea", "A short fit", "Where we deviate", "The paper's numbers, and ours")
LEARNERS = (
    "methods/00_patchmix",
    "methods/01_fba_net",
    "methods/02_mncl",
    "methods/arco/02_learner",
    "methods/igu_aug/05_learner",
    "methods/ld/01_learner",
    "methods/ld/02_transfer",
    "methods/ld/03_shape_guided",
    "methods/grass/00_learner",
    "methods/spps/01_learner",
    "methods/claires/02_learner",
)
"""Notebooks that tell a paper from its idea to its numbers."""
TIMED = ("speed_image_ssl", "speed_semi_seg")
"""Their timings, taken on an idle machine, are not taken again for the sake of a wider picture."""
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [c for c in read_notebook(path)["cells"] if c["cell_type"] == kind]


def is_exported(cell: dict[str, Any]) -> bool:
    return bool({"export", "exports"} & set(directives(cell)))


def line_count(cell: dict[str, Any]) -> int:
    """Lines of code, without directives, blank lines and docstrings."""
    source = code(cell)
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            first = node.body[0]
            skipped |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    lines = enumerate(source.splitlines(), 1)
    return sum(bool(line.strip()) for number, line in lines if number not in skipped)


def pictures(cell: dict[str, Any]) -> list[bytes]:
    found = []
    for output in cell.get("outputs", []):
        for kind, data in output.get("data", {}).items():
            if kind in ("image/png", "image/jpeg"):
                found.append(base64.b64decode(joined(data)))
    return found


def width_of(picture: bytes) -> int:
    """Width in pixels of a PNG or JPEG file."""
    if picture[:4] == b"\x89PNG":
        return int(struct.unpack(">I", picture[16:20])[0])
    at = 2
    while picture[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int(struct.unpack(">H", picture[at + 2 : at + 4])[0])
    return int(struct.unpack(">H", picture[at + 7 : at + 9])[0])


def headings(path: Path) -> list[str]:
    text = "\n".join(joined(c["source"]) for c in cells(path, "markdown"))
    return re.findall(r"^## +(.+?)\s*$", text, re.MULTILINE)


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_lines_are_narrow(path: Path) -> None:
    sources = [joined(c["source"]) for c in cells(path, "code")]
    wide = [line for text in sources for line in text.splitlines() if len(line) > WIDTH]
    assert not wide, wide
    assert not [text for text in sources if "fmt: skip" in text or "fmt: off" in text]


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_first_cell_is_title_and_summary(path: Path) -> None:
    first = joined(cells(path, "markdown")[0]["source"]).strip()
    found = re.match(r"# ([^\n]+)\n+> ([^\n]+)(\n|$)", first)
    assert found, f"the first cell is {first[:80]!r}, not `# Title` and `> summary`"
    assert len(found[2]) <= WIDTH - 6, "the summary becomes the first line of the module"


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_imports_stand_in_cells_of_their_own(path: Path) -> None:
    """Pages fold them, and nbdev's own page maker executes cells that mix them with other code."""
    for cell in cells(path, "code"):
        source = code(cell)
        if re.search(r"^\s*[%!]|= !", source, re.MULTILINE):
            continue
        kinds = {isinstance(n, ast.Import | ast.ImportFrom) for n in ast.parse(source).body}
        assert len(kinds) < 2, f"imports beside other code: {source[:200]}"


def test_no_exported_cell_is_left_out() -> None:
    """`make notebooks` skips cells marked slow: what others need must not be among them."""
    marked = {
        path.name: joined(cell["source"])[:60]
        for path in PAGES
        for cell in cells(path, "code")
        if is_exported(cell) and "slow" in directives(cell)
    }
    assert marked == {}


def test_exported_cells_are_short() -> None:
    exported = [c for path in PAGES for c in cells(path, "code") if is_exported(c)]
    assert len(exported) > 1000
    assert statistics.median(map(line_count, exported)) <= MEDIAN


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_pictures_are_described_and_wide_enough(path: Path) -> None:
    for cell in (c for c in cells(path, "code") if pictures(c)):
        words = directives(cell)
        text = words.get("fig-alt", "").strip("\"'")
        assert len(text) >= 20, f"no alternative text: {code(cell)[:120]}"
        if path.stem in TIMED:
            continue
        widths = [width_of(picture) for picture in pictures(cell)]
        assert min(widths) >= NARROWEST, f"{widths} pixels: {code(cell)[:120]}"


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_links_lead_to_files(path: Path) -> None:
    for cell in cells(path, "markdown"):
        for target in _LINK.findall(joined(cell["source"])):
            file = target.partition("#")[0]
            if re.match(r"[a-z]+:", target) or not file:
                continue
            assert (path.parent / file).exists(), f"[...]({target}) leads nowhere"


@pytest.mark.parametrize("name", LEARNERS)
def test_papers_are_told_in_one_order(name: str) -> None:
    found = headings(ROOT / "nbs" / f"{name}.ipynb")
    assert [h for h in found if h in ORDER] == list(ORDER)
    assert found[0] == ORDER[0]
    assert found[-1] == ORDER[-1]


@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_sections_that_are_there_are_in_order(path: Path) -> None:
    found = [h for h in headings(path) if h in ORDER]
    assert found == sorted(found, key=ORDER.index)


@pytest.mark.parametrize("name", LEARNERS)
def test_equations_stand_above_their_code(name: str) -> None:
    """After the overview, a cell with a displayed equation is followed by the code that is it, or
    that shows it where the code stands in another notebook."""
    all_cells = read_notebook(ROOT / "nbs" / f"{name}.ipynb")["cells"]
    section, above = "", []
    for cell, following in pairwise(all_cells):
        text = joined(cell["source"])
        if cell["cell_type"] != "markdown":
            continue
        section = (re.findall(r"^## +(.+?)\s*$", text, re.MULTILINE) or [section])[-1]
        if "$$" in text and section not in ("", "Equations", *ORDER):
            assert following["cell_type"] == "code", text[:120]
            above.append(is_exported(following))
    if len(above) > 1:
        assert sum(above) >= len(above) / 2, "most equations stand above exported code"


def test_specifications_are_cited() -> None:
    """No "method file" or "protocol" without the page that is meant."""
    for path in PAGES:
        text = json.dumps([joined(c["source"]) for c in cells(path, "markdown")])
        assert not re.search(r"\bmethod file\b", text, re.IGNORECASE), path
