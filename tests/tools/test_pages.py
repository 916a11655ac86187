"""Pages of the site: what Quarto's filter makes of every notebook, and how pages look."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_records as fake
import nbformat
import pytest
from project import ROOT

from pixcl_bench.bench.config.reading import Config, load_config
from pixcl_bench.report.render import build, published_page
from tools import look, preview, quarto_filter
from tools.project import code, directives, joined, notebooks, read_notebook

RESULTS = sorted((ROOT / "nbs/results").glob("*.ipynb"))
RESOURCE = re.compile(
    r"""<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)\s*=\s*["']?\s*(?:https?:)?//"""
    r"""|@import|url\(\s*["']?(?:https?:)?//|!\[[^\]]*\]\(https?:"""
)
"""What makes a page ask another host: scripts, sheets, pictures, fonts."""


def made(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """A filtered notebook of these cells."""
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    return json.loads(quarto_filter.apply(text))


def cell(kind: str, source: str, outputs: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {"cell_type": kind, "id": "a", "metadata": {}, "source": source}
    return found | ({"execution_count": None, "outputs": list(outputs)} if kind == "code" else {})


def sources(notebook: dict[str, Any]) -> list[str]:
    return [joined(c["source"]) for c in notebook["cells"]]


def test_a_page_shows_what_is_exported() -> None:
    title = cell("markdown", "# Things\n\n> What they are.")
    hidden, module = cell("code", "#| hide\nsecret = 1"), cell("code", "#| default_exp things")
    imports = cell("code", "#| export\nimport math")
    exported = cell("code", "#| export\ndef twice(x):\n    return 2 * x")
    shown = sources(made([title, module, hidden, imports, exported, cell("code", "twice(1)")]))
    assert "title: Things" in shown[0]
    assert "output-file" not in shown[0]
    assert shown[1:] == [
        '#| code-fold: true\n#| code-summary: "Imports"\nimport math',
        '#| code-fold: show\n#| code-summary: "Exported code"\ndef twice(x):\n    return 2 * x',
        "twice(1)",
    ]


def test_html_outputs_ask_for_no_scripts() -> None:
    """Quarto puts scripts of another host into every page with an output of the kind HTML."""
    data = {"text/html": ["<b>``` x</b>\n", "<table></table>"], "text/plain": "x"}
    output = {"output_type": "display_data", "metadata": {}, "data": data}
    [found] = made([cell("code", "x", (output,))])["cells"]
    assert set(found["outputs"][0]["data"]) == {"text/markdown", "text/plain"}
    text = joined(found["outputs"][0]["data"]["text/markdown"])
    assert text.startswith(f"````{{=html}}\n{quarto_filter.RAW_HTML}\n<b>``` x</b>\n<table>")
    assert text.endswith("\n````\n")


def test_the_filter_runs_alone_and_without_torch() -> None:
    """As Quarto calls it: in the folder of the notebook, with nothing but its own file."""
    script = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"
    check = "; assert not {'torch', 'pixcl_bench'} & set(sys.modules)"
    page = ROOT / "nbs/methods/00_patchmix.ipynb"
    done = subprocess.run(
        [sys.executable, "-c", script + check, str(ROOT / "tools/quarto_filter.py")],
        input=page.read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        cwd=page.parent,
        check=True,
    )
    assert json.loads(done.stdout)["nbformat"] == 4


@pytest.fixture(scope="module")
def filtered() -> dict[Path, dict[str, Any]]:
    """Every notebook as its page shows it."""
    texts = {path: path.read_text(encoding="utf-8") for path in notebooks(ROOT)}
    return {path: json.loads(quarto_filter.apply(text)) for path, text in texts.items()}


def test_every_notebook_becomes_a_page(filtered: dict[Path, dict[str, Any]]) -> None:
    assert len(filtered) > 150
    for path, page in filtered.items():
        shown = "\n".join(sources(page))
        assert "show_doc(" not in shown, path
        for each in read_notebook(path)["cells"]:
            if each["cell_type"] == "code" and "export" in directives(each):
                assert code(each) in shown, path


def test_pages_ask_no_other_host(filtered: dict[Path, dict[str, Any]]) -> None:
    for path, page in filtered.items():
        assert "widgets" not in page["metadata"], path
        for each in page["cells"]:
            outputs = [o for o in each.get("outputs", []) if "data" in o]
            kinds = {kind for o in outputs for kind in o["data"]}
            assert not kinds & {"text/html", "application/javascript"}, path
            texts = [joined(o["data"].get("text/markdown", "")) for o in outputs]
            texts += [joined(each["source"])] if each["cell_type"] == "markdown" else []
            for text in texts:
                assert not RESOURCE.search(text), path
                assert "__main__." not in text, path


def test_styles_ask_no_other_host() -> None:
    sheets = [*(ROOT / "nbs/styles").glob("*"), *(ROOT / preview.PARTS).glob("*.css")]
    assert len(sheets) >= 5
    for sheet in sheets:
        text = sheet.read_text(encoding="utf-8")
        assert "http" not in text, sheet
        assert "@import" not in text, sheet
    # Themes of Bootswatch import their fonts; formulas need no script.
    settings = (ROOT / "_quarto.yml").read_text(encoding="utf-8")
    assert "html-math-method: mathml" in settings
    assert not re.search(r"\b(cosmo|darkly|flatly|lux|litera)\b", settings)


# pages run without records


@pytest.fixture(scope="module")
def whole() -> Config:
    """The whole configuration, read once."""
    return load_config(ROOT / "benchmarks.yaml")


def run_cells(path: Path, shown: list[Any]) -> None:
    """Run the cells of a notebook here; what it displays is added to `shown`."""
    import IPython.display

    space = {"__name__": "page"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IPython.display, "display", lambda *found: shown.extend(found))
        patch.chdir(path.parent)
        for each in nbformat.read(path, 4).cells:
            if each.cell_type == "code":
                exec(compile(code(each), path.name, "exec"), space)  # our own notebooks


@pytest.mark.parametrize("path", [p for p in RESULTS if "examined" not in p.stem], ids=str)
def test_pages_of_results_run_without_records(
    path: Path, whole: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(published_page.VARIABLE, str(tmp_path))
    monkeypatch.setattr(published_page, "load_config", lambda _: whole)
    shown: list[Any] = []
    run_cells(path, shown)
    text = "".join(str(each.data) for each in shown)
    assert ("een published" in text) == (path.stem != "02_sources")


# how pages look


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    pytest.importorskip("playwright.sync_api", reason="look: playwright is not installed")
    if look.find_browser() is None:
        pytest.skip("look: no browser is installed")
    with look.browser() as found:
        yield found


PLANTED = """<!doctype html><html><head><title>x</title></head>
<body style="background:#222;color:#fff"><p style="color:#2a2a2a">hardly seen</p>
<p style="opacity:.3">faint</p><p style="color:#999">enough</p><img src="a.png" width=60 height=60>
<svg viewBox="0 0 10 10" width="80"><text fill="#333">ab</text></svg>
<div style="width:2000px">w</div>
<table style="width:60px;table-layout:fixed"><tr><td style="overflow-wrap:anywhere">extraordinarily
</td></tr></table><p>__main__.f</p><script src="https://example.invalid/x.js"></script></body></html>
"""


def test_every_kind_of_flaw_is_found(browser: Any, tmp_path: Path) -> None:
    page = tmp_path / "planted.html"
    page.write_text(PLANTED, encoding="utf-8")
    found = [flaw.what for flaw in look.look(browser, [page], [(1280, "light")])]
    assert found == [
        "asks another host for https://example.invalid/x.js",
        'contrast of p 1.11: "hardly seen" and 0 more',
        'contrast of p 2.70: "faint" and 0 more',
        'contrast of text 1.26: "ab" and 0 more',
        "scrolls sideways at 1280 px: 2008 px wide, first div",
        "no alternative text: img a.png",
        "no alternative text: svg ",
        "a word is broken in a table: extraordinarily",
        "shows __main__.",
    ]


def test_the_report_can_be_read(browser: Any, tmp_path: Path) -> None:
    fake.write(tmp_path, [*fake.grid(3)[:-1], fake.failure("supervised", 2)])
    report = build.build_report(fake.load(), "quick", tmp_path)
    assert [str(flaw) for flaw in look.look(browser, [report.index])] == []


SEEN = ("nbs/index.ipynb", "nbs/results/01_claims.ipynb", "nbs/results/06_landmarks.ipynb")


def test_pages_can_be_read(browser: Any, tmp_path: Path) -> None:
    """Both themes and both widths, each on every page, but not every pair of them."""
    pages = preview.write(ROOT, [ROOT / name for name in SEEN], tmp_path)
    flaws = look.look(browser, pages, [(1280, "dark"), (390, "light")])
    assert [str(flaw) for flaw in flaws] == []


@pytest.mark.quarto
@pytest.mark.skipif(
    shutil.which("quarto") is None, reason="quarto: the program quarto is not on PATH"
)
def test_built_pages_can_be_read(browser: Any) -> None:
    """A few pages by Quarto itself, which must leave the tree of git as it is."""

    def state() -> str:
        done = ["git", "status", "--porcelain"]
        return subprocess.run(done, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    before = state()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for name in SEEN:
        subprocess.run(
            ["quarto", "render", name], cwd=ROOT, check=True, env=os.environ | {"PATH": path}
        )
    assert state() == before
    pages = [(ROOT / "_docs" / name).with_suffix(".html") for name in SEEN]
    assert [str(flaw) for flaw in look.look(browser, pages)] == []


def test_report_and_site_have_the_same_colours() -> None:
    """The report is one file and the site has a sheet for each theme, so that they stand twice."""
    found = re.compile(r"(--px-[a-z-]+): (#[0-9a-f]{6});")
    report = (ROOT / "pixcl_bench/report/render/templates/style.css").read_text("utf-8")
    light, dark = report.split("prefers-color-scheme: dark", 1)
    for name, part in (("light", light), ("dark", dark)):
        sheet = (ROOT / f"nbs/styles/pixcl-{name}.scss").read_text("utf-8")
        colours = dict(found.findall(part))
        assert len(colours) > 10
        assert dict(found.findall(sheet)) == colours
