"""README.md: short, in step with the configuration, and every command in it works."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT

from pixcl_bench.bench.config.reading import load_config
from pixcl_bench.bench.records.published import read_all_published
from pixcl_bench.report.papers import paper_problems, read_papers
from pixcl_bench.report.profiles import counts
from pixcl_bench.report.render.papers import found_svg, markdown_found
from pixcl_bench.report.verdicts import decide_claims
from tools.project import code, read_notebook

README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SHELL = [line for kind, text in FENCES if kind == "sh" for line in text.splitlines()]
PYTHON = [text for kind, text in FENCES if kind == "python"]
TABLE = [line for line in README.splitlines() if line.startswith("| `pixcl-bench ")]
NAMED = [word for line in TABLE for word in re.findall(r"`(?:pixcl-bench )?([a-z]+)`", line)]
INDEX = read_notebook(ROOT / "nbs/index.ipynb")["cells"]
FIRST_CELLS = "\n\n".join(code(c) for c in INDEX if c["cell_type"] == "code") + "\n"
BIN = Path(sys.executable).parent


def environment() -> dict[str, str]:
    """With the commands of this interpreter first on the path, and this checkout's package."""
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    return os.environ | {"PATH": path, "TERM": "dumb"}


def execute(command: list[str], cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_numbers_are_those_of_the_configuration() -> None:
    assert counts(load_config(ROOT / "benchmarks.yaml")).words in README


def test_findings_are_those_of_the_records() -> None:
    config = load_config(ROOT / "benchmarks.yaml")
    records = read_all_published(ROOT / "published", "study")
    verdicts = decide_claims(config, records, read_all_published(ROOT / "published", "pilot"))
    assert markdown_found(config, verdicts, records) in README
    assert "<svg" in found_svg(verdicts, records)


def test_papers_fit_the_configuration() -> None:
    config = load_config(ROOT / "benchmarks.yaml")
    papers = read_papers(ROOT)
    assert len(papers) == 9
    assert paper_problems(papers, config, ROOT) == []


@pytest.mark.parametrize("picture", re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", README))
def test_pictures_are_there_and_described(picture: tuple[str, str]) -> None:
    words, file = picture
    assert len(words) > 40
    assert 1_000 < (ROOT / file).stat().st_size < 250_000


@pytest.mark.parametrize("link", re.findall(r"(?<!!)\[[^\]]+\]\(((?!http)[^)#]+)\)", README))
def test_links_lead_to_files(link: str) -> None:
    assert (ROOT / link).is_file()


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("make ")])
def test_targets_exist(line: str, tmp_path: Path) -> None:
    """They take minutes: make says what it would do."""
    make = line.partition("#")[0].split()
    assert execute([make[0], "-n", "-C", str(ROOT), *make[1:]], tmp_path)


@pytest.mark.parametrize("command", NAMED)
def test_commands_exist(command: str, tmp_path: Path) -> None:
    assert "Usage" in execute([str(BIN / "pixcl-bench"), command, "--help"], tmp_path)


def test_clone_and_papermill_name_what_is_there() -> None:
    (clone,) = [line for line in SHELL if line.startswith("git clone")]
    assert clone.split()[2] in (ROOT / "settings.ini").read_text()
    (papermill,) = re.findall(r"`papermill (\S+) ", README)
    assert (ROOT / papermill).is_file()


@pytest.mark.slow  # the tutorial on methods of one's own runs the same three commands
def test_adding_a_method_works(tmp_path: Path) -> None:
    execute([str(BIN / "pixcl-bench"), "init", "."], tmp_path)
    lines = [line for line in SHELL if line.startswith("pixcl-bench ")]
    assert len(lines) == 3
    for line in lines:
        words = shlex.split(line, comments=True)
        execute([str(BIN / words[0]), *words[1:]], tmp_path)
    assert (tmp_path / "results/smoke/image_ssl/digits/my_method/seed-0/record.json").is_file()


def test_python_works(tmp_path: Path) -> None:
    """The first block is a cell of the notebook that the README is made from, and runs there."""
    first, method = PYTHON
    assert first in FIRST_CELLS
    assert execute([sys.executable, "-c", f"{method}\nprint(MyMethod.batch_keys)"], tmp_path)
