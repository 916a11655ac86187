"""The papers' file, the sentences of what was found, and the standardised differences."""

import math
from dataclasses import replace
from pathlib import Path
from statistics import stdev

import pytest
from project import ROOT

from pixcl_bench.bench.config.reading import Config, load_config
from pixcl_bench.bench.records.published import read_all_published
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report.papers import (
    FILE,
    Paper,
    PapersError,
    of_paper,
    paper_problems,
    read_papers,
    tally,
)
from pixcl_bench.report.profiles import minutes, step_range
from pixcl_bench.report.render.papers import markdown_papers, standardised
from pixcl_bench.report.verdicts import Verdict, decide_claims


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(ROOT / "benchmarks.yaml")


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return [r for r in read_all_published(ROOT / "published") if r.profile == "study"]


@pytest.fixture(scope="module")
def verdicts(config: Config, records: list[Record]) -> list[Verdict]:
    return decide_claims(config, records)


def find(verdicts: list[Verdict], name: str) -> Verdict:
    return next(v for v in verdicts if v.claim.id == name)


@pytest.mark.parametrize(("name", "sign"), [("patchmix-over-random", 1), ("ld-one-shot", -1)])
def test_standardised_difference(
    verdicts: list[Verdict], records: list[Record], name: str, sign: int
) -> None:
    """Mean over deviation of the paired differences, by hand; an error counts the other way."""
    v = find(verdicts, name)
    values = {
        r.key: r.metrics[v.claim.metric] or 0.0 for r in records if v.claim.metric in r.metrics
    }
    seeds = {r.key: r.seed for r in records}
    first, second = ({seeds[k]: values[k] for k in keys} for keys in (v.keys_better, v.keys_than))
    gaps = [first[s] - second[s] for s in v.seeds]
    at = standardised(v, {r.key: r for r in records})
    assert at is not None
    assert math.isclose(at[0], sign * sum(gaps) / len(gaps) / stdev(gaps), rel_tol=1e-9)
    assert at[1] < at[0] < at[2]
    assert standardised(replace(v, difference=None), {}) is None


def test_the_figure_has_every_drawn_claim(verdicts: list[Verdict], records: list[Record]) -> None:
    """The committed figure is of today's verdicts: `python -m tools.pictures --found`."""
    svg = (ROOT / "nbs/pictures/found.svg").read_text(encoding="utf-8")
    by_key = {r.key: r for r in records}
    for v in verdicts:
        drawn = v.claim.kind == "superiority" and standardised(v, by_key) is not None
        assert (v.claim.id in svg) == drawn, v.claim.id


def test_problems_of_the_file(config: Config) -> None:
    papers = read_papers(ROOT)
    assert paper_problems(papers, config, ROOT) == []
    first = papers[0]

    def wrong(**changes: object) -> list[str]:
        changed = first.model_copy(update=changes)
        return paper_problems([changed, *papers[1:]], config, ROOT)

    assert wrong(notebook="nbs/none.ipynb") == ["nbs/none.ipynb: no such notebook"]
    assert "nothing: no such claim" in wrong(claims=(*first.claims, "nothing"))
    assert "patchmix-linear: a claim of no paper in benchmarks/papers.toml" in wrong(
        claims=first.claims[:1]
    )
    doubled = wrong(claims=(*first.claims, first.claims[0]))
    assert f"{first.claims[0]}: named twice" in doubled
    control = wrong(claims=(*first.claims, "simclr-over-random"))
    assert "simclr-over-random: a control, no claim of a paper" in control


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PapersError, match=r"papers\.toml"):
        read_papers(tmp_path)
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text('[[papers]]\nname = "A"\n')
    with pytest.raises(PapersError, match="title"):
        read_papers(tmp_path)


def test_table_counts_the_papers_own_claims(verdicts: list[Verdict]) -> None:
    some = {"title": "t", "arxiv": "1", "idea": "i", "tasks": ("image_ssl",)}
    here = Paper(name="A", notebook="a.ipynb", claims=("ld-one-shot", "fba-near-full"), **some)
    coming = Paper(name="B", **some)
    assert tally(of_paper(here, verdicts)).words == "1 reproduced, 1 contradicted"
    lines = markdown_papers([here, coming], verdicts, "../").splitlines()
    assert "[open](../a.ipynb)" in lines[2]
    assert lines[2].endswith("| 1 reproduced, 1 contradicted |")
    assert "coming" in lines[3]


def test_minutes_and_steps(records: list[Record]) -> None:
    span = {"started": "2026-01-01T10:00:00+00:00", "finished": "2026-01-01T10:06:00+00:00"}
    one = records[0].model_copy(update=span)
    other = one.model_copy(update={"profile": "quick"})
    later = {"started": "2026-01-01T10:04:00+00:00", "finished": "2026-01-01T10:09:00+00:00"}
    again = {"started": "2026-01-02T10:00:00+00:00", "finished": "2026-01-02T10:01:00+00:00"}
    runs = [one, one, other, *(one.model_copy(update=each) for each in (again, later))]
    assert minutes(runs, "study") == pytest.approx(9 + 1)
    steps = [one.model_copy(update={"settings": {"steps": n}}) for n in (0, 40, 300)]
    assert step_range(steps, "study") == (40, 300)
