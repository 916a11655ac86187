"""Pages of papers: one for each, from records and configuration, no number typed by hand."""

import re
from pathlib import Path

import pytest
from project import ROOT

from pixcl_bench.bench.config.reading import load_config
from pixcl_bench.bench.records.published import read_all_published
from pixcl_bench.report.papers import PapersError, find_paper, read_papers
from pixcl_bench.report.render import paper_page
from pixcl_bench.report.render.published_page import Published
from tools.project import joined, read_notebook

PAPERS = read_papers(ROOT)
PAGES = sorted((ROOT / "nbs/papers").glob("*.ipynb"))


@pytest.fixture(scope="module")
def published() -> Published:
    records = read_all_published(ROOT / "published", "study")
    return Published(load_config(ROOT / "benchmarks.yaml"), tuple(records))


def test_every_paper_has_a_page_with_little_code() -> None:
    assert len(PAGES) == len(PAPERS) == 9
    for paper, path in zip(PAPERS, PAGES, strict=True):
        cells = read_notebook(path)["cells"]
        assert joined(cells[0]["source"]) == f"# {paper.name}\n\n> {paper.idea}"
        assert f'paper_page(pages.load(), "{paper.name}")' in joined(cells[-1]["source"])
        assert len(cells) == 3
        assert cells[-1]["outputs"], path


def test_views_hold_no_numbers() -> None:
    for paper in PAPERS:
        assert len(paper.view.split()) > 30, paper.name
        text = re.sub(r"MoCo v3|CIFAR-100", "", paper.view)
        assert not re.search(r"\d", text), paper.name


def test_a_page_is_made_of_records(published: Published) -> None:
    """As the README counts: two claims of PatchMix, measured with ten seeds each."""
    parts = dict(paper_page.paper_page(published, "PatchMix"))
    titles = [words.splitlines()[0] for words in parts]
    assert titles[1:3] == ["## What it claims", "## What we measured"]
    assert titles[-1] == "## What we think"
    head, claims, measured, *tables, _ = parts.values()
    assert "2 premature" in head
    assert "patchmix-linear" in claims
    assert "our control" in measured
    assert "Our controls" in measured
    assert len(tables) == 1
    table = tables[0]
    assert all(f">{name}" in table for name in ("PatchMix", "MoCo v3", "supervised"))
    assert "SimCLR" not in table
    for link in re.findall(r"\]\((\.\./[^)]+)\)", "".join(parts)):
        assert (ROOT / "nbs/papers" / link).is_file(), link


def test_a_paper_without_records_says_so(published: Published) -> None:
    empty = Published(published.config, ())
    parts = list(paper_page.paper_page(empty, "CLAIRES"))
    assert "no data" in parts[0][1]
    with pytest.raises(PapersError, match=r"no paper 'Claire'.*PatchMix"):
        find_paper(PAPERS, "Claire")
    assert Path(paper_page.FOLDER).parts == ("nbs", "papers")
