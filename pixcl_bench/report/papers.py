"""The nine papers: what they say in one sentence, where their notebooks are, and what became of
their claims."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.report.verdicts import WORDS, Verdict

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "benchmarks/papers.toml"


class PapersError(ValueError):
    """`papers.toml` cannot be read; the message names the file, the paper and the value."""


class Paper(BaseModel):
    """One paper.

    Attributes:
        name, title, arxiv: short name, title, and number on arXiv.
        idea: the method in one sentence.
        tasks: of the suite, in which it is measured.
        notebook: where it is told, relative to the project; None where it is not built yet.
        claims: ids of the claims that the paper makes.
        pages: of results, which tell more, relative to the project.
        view: what we think, in prose.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    arxiv: str
    idea: str
    tasks: tuple[str, ...]
    notebook: str | None = None
    claims: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    view: str = ""

    @property
    def url(self) -> str:
        """The paper's page on arXiv."""
        return f"https://arxiv.org/abs/{self.arxiv}"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    papers: list[Paper]


@dataclass(frozen=True)
class Tally:
    """How often each verdict was given: `counts` by word, only those that occur, in the order of
    `WORDS`."""

    counts: dict[str, int]

    @property
    def words(self) -> str:
        """`1 reproduced, 2 undecided`; `no verdict` where there is none."""
        parts = [f"{n} {word}" for word, n in self.counts.items()]
        return ", ".join(parts) or "no verdict"


def read_papers(root: Path) -> list[Paper]:
    """The papers of the project `root`, in the order of its `benchmarks/papers.toml`.

    Raises:
        PapersError: the file is absent or is not as it should be.
    """
    path = root / FILE
    try:
        return _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).papers
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise PapersError(f"{path}: {error}") from error


def paper_problems(papers: Sequence[Paper], config: Config, root: Path) -> list[str]:
    """What does not fit the configuration: unknown or unnamed claims, absent notebooks."""
    known = {claim.id: claim.origin for claim in config.claims}
    named = [name for paper in papers for name in paper.claims]
    problems = [f"{name}: no such claim" for name in named if name not in known]
    problems += [f"{name}: named twice" for name in sorted(set(named)) if named.count(name) > 1]
    problems += [
        f"{name}: a control, no claim of a paper" for name in named if known.get(name) == "control"
    ]
    missing = [name for name, origin in known.items() if origin == "paper" and name not in named]
    problems += [f"{name}: a claim of no paper in {FILE}" for name in missing]
    files = [file for p in papers for file in (p.notebook, *p.pages) if file]
    absent = [file for file in dict.fromkeys(files) if not (root / file).is_file()]
    return problems + [f"{name}: no such notebook" for name in absent]


def find_paper(papers: Sequence[Paper], name: str) -> Paper:
    """The paper of this name.

    Raises:
        PapersError: there is none.
    """
    for paper in papers:
        if paper.name == name:
            return paper
    names = ", ".join(paper.name for paper in papers)
    raise PapersError(f"{FILE}: no paper {name!r}: it has {names}")


def methods_of(paper: Paper, config: Config) -> set[tuple[str, str]]:
    """Task and method of every side of the paper's claims."""
    mine = [claim for claim in config.claims if claim.id in paper.claims]
    return {(c.task, m) for c in mine for m in (c.better, c.than) if m}


def controls_of(paper: Paper, config: Config) -> list[str]:
    """Ids of the controls that say something about a method that the paper's claims favour."""
    first = {(c.task, c.better) for c in config.claims if c.id in paper.claims}
    return [
        c.id
        for c in config.claims
        if c.origin == "control" and first & {(c.task, c.better), (c.task, c.than)}
    ]


def tally(verdicts: Sequence[Verdict]) -> Tally:
    """How often each word was given."""
    said = [v.verdict for v in verdicts]
    return Tally({word: said.count(word) for word in WORDS if word in said})


def of_paper(paper: Paper, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts on the claims of a paper, in the order of its claims."""
    return [v for name in paper.claims for v in verdicts if v.claim.id == name]
