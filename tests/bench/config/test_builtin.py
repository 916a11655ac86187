"""The project that comes with the package: which files it has, where results go, and that a wheel
carries it."""

import os
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from project import ROOT

from pixcl_bench.bench.config import builtin
from pixcl_bench.bench.config.builtin import (
    builtin_project,
    own_folder,
    project_files,
    working_folder,
)
from pixcl_bench.bench.config.grid import plan
from pixcl_bench.bench.config.reading import find_config, load_config
from pixcl_bench.bench.errors import UsageError
from pixcl_bench.bench.records.provenance import state
from pixcl_bench.bench.run.runner import make_jobs
from pixcl_bench.bench.run.worker import parameters

SOURCES = ("setup.py", "settings.ini", "MANIFEST.in", "README.md", "LICENSE", "CITATION.cff")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As in a package installed from a wheel; returns the folder of the package."""
    package = tmp_path / "site-packages" / "pixcl_bench"
    for path in project_files(ROOT):
        target = package / builtin.COPY / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, target)
    monkeypatch.setattr(builtin, "_PACKAGE", package)
    return package


def test_the_checkout_is_its_own_project() -> None:
    assert builtin_project() == ROOT
    assert not builtin.is_installed()


def test_the_files_are_what_the_configuration_names() -> None:
    names = {path.as_posix() for path in project_files(ROOT)}
    config = load_config(ROOT / "benchmarks.yaml")
    assert "benchmarks.yaml" in names
    assert {task.notebook for task in config.tasks.values()} <= names
    assert {claim.evidence for claim in config.claims if getattr(claim, "evidence", None)} <= names
    assert {f"published/{path.name}" for path in ROOT.glob("published/*.jsonl")} <= names
    folder = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("benchmarks/**/*.*")}
    assert folder <= names
    allowed = (".yaml", ".csv", ".ipynb", ".jsonl", "papers.toml")
    assert not [name for name in names if not name.endswith(allowed)]


@pytest.mark.parametrize(
    "line",
    ["evidence: nbs/x.ipynb", "  - evidence: 'nbs/x.ipynb'", "{id: a, evidence: nbs/x.ipynb}"],
)
def test_notebooks_named_as_evidence_come_along(tmp_path: Path, line: str) -> None:
    (tmp_path / "nbs").mkdir()
    (tmp_path / "nbs/x.ipynb").touch()
    (tmp_path / "nbs/y.ipynb").touch()
    (tmp_path / "benchmarks.yaml").write_text(f"claims:\n{line}\n")
    assert project_files(tmp_path) == [Path("benchmarks.yaml"), Path("nbs/x.ipynb")]


def test_results_lie_beside_a_file_of_one_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert own_folder(tmp_path / "a/benchmarks.yaml", "results") == tmp_path / "a/results"


def test_results_of_the_package_s_project_lie_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ROOT / "benchmarks.yaml"
    monkeypatch.chdir(tmp_path)
    assert own_folder(config, "results") == tmp_path / "results"
    monkeypatch.chdir(ROOT / "nbs")
    assert own_folder(config, "results") == ROOT / "results"


def test_nothing_is_written_into_an_installed_package(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = builtin_project() / "benchmarks.yaml"
    assert config.is_relative_to(installed)
    monkeypatch.chdir(tmp_path)
    assert own_folder(config, "results") == tmp_path / "results"
    monkeypatch.chdir(config.parent / "nbs")
    with pytest.raises(UsageError, match="pixcl-bench init DIR"):
        own_folder(config, "results")


def test_a_kernel_works_outside_an_installed_package(installed: Path, tmp_path: Path) -> None:
    config, results = load_config(builtin_project() / "benchmarks.yaml"), tmp_path / "results"
    assert config.root == builtin_project()
    run = plan(config, "smoke", ["image_ssl"], methods=["mean_color"])[0]
    [job] = make_jobs([run], config, results)
    assert working_folder(job.root, job.results) == results
    given = parameters(job.spec(), run)
    assert given["results"] == "."
    assert Path(given["config"]) == config.path
    assert working_folder(tmp_path, results) == tmp_path, "a project of one's own is for working in"


def test_a_repository_around_the_environment_is_not_the_code_s(
    installed: Path, tmp_path: Path
) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init"], [*identity, "commit", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    assert state(builtin_project(), []) == (None, None)
    assert state(tmp_path, [])[0] is not None


def copy_sources(folder: Path) -> Path:
    """What a build needs of this project."""
    for name in SOURCES:
        folder.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    skip = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    shutil.copytree(ROOT / "pixcl_bench", folder / "pixcl_bench", ignore=skip)
    for path in project_files(ROOT):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / path)
    return folder


def setup(folder: Path, *words: str) -> None:
    """Run `setup.py` as a build does."""
    command = [sys.executable, "-W", "ignore", "setup.py", "--quiet", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def files_of(folder: Path) -> set[str]:
    skip = ("__pycache__",)
    found = (path for path in folder.rglob("*") if path.is_file())
    return {p.relative_to(folder).as_posix() for p in found if not set(skip) & set(p.parts)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is in a wheel that is built from a source archive."""
    pytest.importorskip("setuptools")
    here = tmp_path_factory.mktemp("build")
    source = copy_sources(here / "source")
    stale = here / "lib/pixcl_bench/gone.py"
    stale.parent.mkdir(parents=True)
    stale.touch()
    setup(source, "sdist", "--formats=gztar", "--dist-dir", str(here / "dist"))
    [archive] = (here / "dist").glob("*.tar.gz")
    shutil.unpack_archive(archive, here / "unpacked", filter="data")
    [folder] = (here / "unpacked").iterdir()
    setup(folder, "build_py", "--build-lib", str(here / "lib"))
    assert not (source / "pixcl_bench" / builtin.COPY).exists(), "nothing is put into the sources"
    return here / "lib"


def test_a_wheel_carries_the_project_and_the_data_of_the_package(built: Path) -> None:
    found = files_of(built / "pixcl_bench")
    assert {f"{builtin.COPY}/{path.as_posix()}" for path in project_files(ROOT)} <= found
    kinds = (".py", ".pyi", ".toml", ".html", ".css", ".js", ".typed", ".jinja", ".j2", ".svg")
    sources = {name for name in files_of(ROOT / "pixcl_bench") if name.endswith(kinds)}
    assert sources <= found
    assert not (built / "pixcl_bench/gone.py").exists(), "what an earlier build left is not packed"


def test_the_built_package_works_in_an_empty_folder(built: Path, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(built)}

    def call(*words: str) -> str:
        command = [sys.executable, "-m", "pixcl_bench", *words]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    before = files_of(built)
    assert str(built / "pixcl_bench" / builtin.COPY) in call("check")
    assert "claim" in call("claims", "--published")
    assert "results in results/" in call("status", "--profile", "smoke", "--device", "cpu")
    call("init", "own")
    assert find_config(tmp_path / "own") == tmp_path / "own/benchmarks.yaml"
    assert files_of(built) == before


def test_markers_stand_without_blanks_so_that_setup_can_split_the_line() -> None:
    parser = ConfigParser(delimiters=["="], interpolation=None)
    parser.read(ROOT / "settings.ini", encoding="utf-8")
    words = parser["DEFAULT"]["requirements"].split()
    assert "tomli;python_version<'3.11'" in words
    assert not [word for word in words if word.startswith((";", "<", ">"))]
