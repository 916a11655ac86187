"""The project as a whole: what must lie where, what must agree, and what must not be written."""

import ast
import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from project import ROOT

from pixcl_bench.bench.config.reading import load_config

TOP_LEVEL = [
    "nbs/index.ipynb",
    "pixcl_bench/__init__.py",
    "pixcl_bench/py.typed",
    "tests",
    "tools",
    "settings.ini",
    "setup.py",
    "pyproject.toml",
    "benchmarks.yaml",
    "benchmarks",
    "_quarto.yml",
    "README.md",
    "Makefile",
    "CONTRIBUTING.md",
    "LICENSE",
    "CITATION.cff",
    "references.bib",
    "CHANGELOG.md",
    "SECURITY.md",
    "llms.txt",
    ".editorconfig",
    ".pre-commit-config.yaml",
    ".devcontainer/devcontainer.json",
    ".github/pull_request_template.md",
    ".github/ISSUE_TEMPLATE/bug.yml",
    "MANIFEST.in",
    ".gitignore",
    ".ci/run",
    ".github/workflows/test.yml",
    ".github/workflows/site.yml",
]
# The nine papers, then SimCLR and MoCo v3.
PAPERS = [
    "2306.12243",
    "2306.16122",
    "2306.15930",
    "2211.07118",
    "2108.09440",
    "2302.01735",
    "2306.15189",
    "2306.15868",
    "2306.15651",
    "2002.05709",
    "2104.02057",
]
FORBIDDEN = {
    "torch.load without weights_only=True": r"\btorch\.load\((?!.*weights_only=True)",
    "yaml.load (use safe_load)": r"\byaml\.load\(",
    "pickle": r"^\s*(?:import|from)\s+pickle\b|\bpickle\.(?:loads?|dumps?)\(",
    "a hard-coded .cuda()": r"\.cuda\(\)",
    "a bare except": r"^\s*except\s*:",
    "eval or exec": r"(?<![\w.])(?:eval|exec)\(",
    "import *": r"^\s*from\s+\S+\s+import\s+\*",
}
MACHINE_PATH = r"(?<![\w.:/~-])/(?:home|root|work|Users|mnt|opt)/\w"


def committed(*patterns: str) -> list[Path]:
    """Files of the project: what git tracks or would track; where there is no git, those in its
    folders."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode == 0:
        names = [name for name in listing.stdout.split("\0") if name]
        return sorted({ROOT / name for name in names if (ROOT / name).is_file()})
    found = [path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts]
    return sorted(
        p for p in found if any(fnmatch(p.relative_to(ROOT).as_posix(), each) for each in patterns)
    )


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def hits(pattern: str, lines: list[str]) -> list[str]:
    return [
        f"{number}: {line.strip()[:120]}"
        for number, line in enumerate(lines, 1)
        if re.search(pattern, line)
    ]


def cells(path: Path, kind: str = "code") -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == kind and cell.source.strip()]


NOTEBOOKS = committed("nbs/*.ipynb")
MODULES = committed("pixcl_bench/*.py", "tools/*.py")


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    parser = ConfigParser(delimiters=["="], interpolation=None)
    parser.read(ROOT / "settings.ini", encoding="utf-8")
    return dict(parser["DEFAULT"])


@pytest.mark.parametrize("entry", TOP_LEVEL)
def test_top_level(entry: str) -> None:
    assert (ROOT / entry).exists(), f"{entry} is missing"


def test_settings_keys(settings: dict[str, str]) -> None:
    wanted = {
        "nbs_path": "nbs",
        "doc_path": "_docs",
        "lib_path": "pixcl_bench",
        "min_python": "3.10",
        "custom_sidebar": "True",
        "update_pyproject": "False",
        "tst_flags": "notest slow",
        "allowed_cell_metadata_keys": "tags",
    }
    assert {key: settings.get(key) for key in wanted} == wanted
    assert "pixcl-bench=pixcl_bench.cli:main" in settings["console_scripts"]


@pytest.mark.parametrize("key", ["requirements", "dev_requirements", "cluster_requirements"])
def test_requirements_stand_on_one_line_and_parse(settings: dict[str, str], key: str) -> None:
    assert "\n" not in settings[key], f"settings.ini: {key} must be one line, nbdev reads no more"
    names = [Requirement(word).name for word in settings[key].split()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "package", ["torch", "nbdev", "execnb", "fastcore", "ghapi", "timm", "jupyterlab", "papermill"]
)
def test_requirements_are_capped(settings: dict[str, str], package: str) -> None:
    found = {
        Requirement(word).name: Requirement(word).specifier
        for word in settings["requirements"].split()
    }
    assert any(spec.operator == "<" for spec in found[package]), f"{package} needs an upper bound"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_title_cell(path: Path) -> None:
    first = nbformat.read(path, as_version=4).cells[0]
    title = [line.partition(" ")[0] for line in first.source.splitlines() if line.strip()]
    form = (
        "the first cell holds `# Title` and `> summary`: anything else would be lost from the page"
    )
    assert [first.cell_type, *title] == ["markdown", "#", ">"], form


def test_benchmark_notebooks_have_a_parameters_cell() -> None:
    for task, entry in load_config(ROOT / "benchmarks.yaml").tasks.items():
        tags = [cell.metadata.get("tags", []) for cell in cells(ROOT / entry.notebook)]
        count = sum("parameters" in names for names in tags)
        assert count == 1, f"{task}: {entry.notebook} needs one cell with the tag `parameters`"


@pytest.mark.parametrize("what", FORBIDDEN)
def test_forbidden_calls(what: str) -> None:
    found = {
        name(path): hits(FORBIDDEN[what], path.read_text(encoding="utf-8").splitlines())
        for path in MODULES
    }
    for path in NOTEBOOKS:
        found[name(path)] = hits(
            FORBIDDEN[what], [line for cell in cells(path) for line in cell.source.splitlines()]
        )
    assert not {where: lines for where, lines in found.items() if lines}


def test_forbidden_patterns_find_what_they_name() -> None:
    samples = [
        "torch.load(path)",
        "yaml.load(text)",
        "import pickle",
        "x.cuda()",
        "except:",
        "eval('1')",
        "from a import *",
    ]
    assert [
        bool(hits(pattern, [text]))
        for pattern, text in zip(FORBIDDEN.values(), samples, strict=True)
    ] == [True] * 7
    innocent = [
        "torch.load(path, weights_only=True)",
        "model.eval()",
        "except ValueError:",
        "yaml.safe_load(text)",
    ]
    assert not [pattern for pattern in FORBIDDEN.values() if hits(pattern, innocent)]


def test_no_path_of_one_machine() -> None:
    patterns = [MACHINE_PATH] + ([re.escape(f"{ROOT.as_posix()}/")] if len(ROOT.parts) > 2 else [])
    kinds = [
        "*.py",
        "*.ipynb",
        "*.yaml",
        "*.csv",
        "*.yml",
        "*.ini",
        "*.toml",
        "*.md",
        "*.cff",
        "*.jsonl",
        "Makefile",
        ".ci/run",
    ]
    files = [path for path in committed(*kinds) if path != Path(__file__).resolve()]
    found = {
        name(p): hits("|".join(patterns), p.read_text(encoding="utf-8").splitlines()) for p in files
    }
    assert not {where: lines for where, lines in found.items() if lines}
    assert hits(MACHINE_PATH, ["open('/home/someone/data')"])
    assert not hits(MACHINE_PATH, ["https://host/home/x", "~/work/x"])


@pytest.mark.parametrize("module", ["tools.readme", "tools.sync"])
def test_readme_notebooks_and_modules_are_in_step(module: str) -> None:
    check = subprocess.run(
        [sys.executable, "-m", module, "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert check.returncode == 0, check.stdout + check.stderr


@pytest.fixture(scope="module")
def make() -> str:
    program = shutil.which("make")
    if program is None:
        pytest.skip("the program make is not installed")
    return program


def dry_run(make: str, target: str, folder: Path) -> str:
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    }
    result = subprocess.run(
        [make, "-n", "-C", str(ROOT), target],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize(
    "target", ["venv", "bench", "smoke", "test", "lint", "lab", "docs", "clean", "help"]
)
def test_make_targets(make: str, target: str, tmp_path: Path) -> None:
    dry_run(make, target, tmp_path)


def test_make_bench_runs_the_quick_profile(make: str, tmp_path: Path) -> None:
    assert "pixcl-bench run --profile quick" in dry_run(make, "bench", tmp_path)


def test_make_test_ends_with_pytest(make: str, tmp_path: Path) -> None:
    steps = [line for line in dry_run(make, "test", tmp_path).splitlines() if ".venv/bin/" in line]
    order = [
        "ruff check",
        "mypy",
        "lint-imports",
        "tools.sync --check",
        "tools.readme --check",
        "nbdev_test",
        "run --profile smoke",
        "pytest",
    ]
    places = [next(i for i, step in enumerate(steps) if word in step) for word in order]
    assert places == sorted(places)
    assert "pytest" in steps[-1]


def test_ci_runs_the_readme_s_test_command() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK), ".ci/run must be executable"
    assert "make test" in (ROOT / ".ci/run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("workflow", ["test", "site"])
def test_workflows_parse(workflow: str) -> None:
    jobs = yaml.safe_load((ROOT / f".github/workflows/{workflow}.yml").read_text())["jobs"]
    assert all("runs-on" in job and job["steps"] for job in jobs.values())


def test_citation_names_papers_and_data(settings: dict[str, str]) -> None:
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "license", "version"} <= set(cff)
    assert cff["version"] == settings["version"]
    assert cff["license"] == "Apache-2.0"
    preferred = cff["preferred-citation"]
    assert (preferred["title"], preferred["version"]) == (cff["title"], cff["version"])
    sources = (ROOT / "references.bib").read_text(encoding="utf-8")
    cited = set(re.findall(r"^  eprint = \{([\d.]+)\},$", sources, re.MULTILINE))
    assert cited >= set(PAPERS)
    entries = re.findall(r"^@\w+\{(\w+),$", sources, re.MULTILINE)
    assert len(entries) == len(set(entries)) >= 33
    assert sources.count("{") == sources.count("}")


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", (ROOT / "llms.txt").read_text()))
def test_llms_txt_names_files_that_are_there(link: str) -> None:
    assert (ROOT / link).is_file()


def test_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_conditional_expression_inside_another(path: Path) -> None:
    """`a if x else b if y else c` is read twice; `if` statements once."""
    found = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.IfExp)
        and any(isinstance(part, ast.IfExp) for part in (node.body, node.orelse))
    ]
    assert not found, f"lines {found}"
