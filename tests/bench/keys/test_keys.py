"""The key of a run changes with everything that could change its numbers, and with nothing else."""

import json
from pathlib import Path

import pytest
from project import ROOT
from toy_project import CELLS, HELPERS, LEARNERS, TASK, make_project, notebook

from pixcl_bench.bench.config.grid import Run, plan
from pixcl_bench.bench.config.reading import Config, load_config
from pixcl_bench.bench.keys import code_hash, key, run_code, run_key, run_versions
from pixcl_bench.meaning.graph import Boundary, Code, CodeGraph


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(make_project(tmp_path))


@pytest.fixture
def run(config: Config) -> Run:
    return plan(config, "quick", methods=["plain"])[0]


def edit(config: Config, name: str, old: str, new: str) -> None:
    path = config.root / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


LEARNER, HELPER, CODE, NOTEBOOK = (
    "toybench/learners.py",
    "toybench/helpers.py",
    "toybench/task.py",
    "nbs/benchmarks/toy.ipynb",
)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (LEARNER, "helpers.used(width) * temperature", "helpers.used(width) + temperature"),
        (LEARNER, "temperature: float = 0.1", "temperature: float = 0.2"),
        (HELPER, "return FACTOR * x", "return FACTOR + x"),
        (HELPER, "FACTOR = 2.0", "FACTOR = 3.0"),
        (HELPER, "FACTOR = 2.0", "FACTOR = 2.0\nprint(FACTOR)"),
        (HELPER, "FACTOR = 2.0", "FACTOR = 2"),
        (CODE, "0.5 + 0.01", "0.5 - 0.01"),
        (CODE, "import os\n", "import os\nos.environ['A'] = '1'\n"),
        (CODE, "import os\n", "import os\nSET = os.putenv('A', '1')\n"),
        (NOTEBOOK, "range(120)", "range(121)"),
        (NOTEBOOK, "act(mode, job)", "act(mode, None)"),
    ],
)
def test_code_that_counts(config: Config, run: Run, name: str, old: str, new: str) -> None:
    before = run_key(run, config.root), code_hash(run, config.root)
    edit(config, name, old, new)
    assert run_key(run, config.root) != before[0]
    assert code_hash(run, config.root) != before[1]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (LEARNER, '"""A sum."""', '"""Another text."""'),
        (
            LEARNER,
            "    return helpers.used(width) * temperature",
            "\n    # why\n    return (helpers.used(width)\n            * temperature)",
        ),
        (LEARNER, "    return 1 / num_classes", "    return 2 / num_classes"),
        (HELPER, "  # twice", ""),
        (
            HELPER,
            "def unused(x: float) -> float:\n    return x",
            "def unused(x: float) -> float:\n    return -x",
        ),
        (
            HELPER,
            '"""Shared."""',
            '"""Shared by all."""\n\n__all__ = ["used"]\n\n\ndef new() -> int:\n    return 1\n',
        ),
        (CODE, '"""The task."""', '"""A text."""'),
        (NOTEBOOK, "# Toy", "# Another title"),
        (NOTEBOOK, "  # as asked", "  # a comment"),
        (NOTEBOOK, 'method = \\"plain\\"', 'method = \\"better\\"'),
    ],
)
def test_what_does_not_count(config: Config, run: Run, name: str, old: str, new: str) -> None:
    before = run_key(run, config.root)
    edit(config, name, old, new)
    assert run_key(run, config.root) == before


def test_the_rest_of_the_key(config: Config, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    base = run_key(run, config.root)
    changes: list[dict[str, object]] = [
        {"settings": {**run.settings, "lr": 0.5}},
        {"args": {**run.args, "width": 5}},
        {"seed": 1},
        {"dataset": "x"},
        {"method": "x"},
        {"task": "x"},
        {"device": "cuda"},
        {"threads": 2},
        {"data_fingerprint": "0"},
        {"learner": "toybench.learners:better"},
    ]
    others = [run_key(run.model_copy(update=change), config.root) for change in changes]
    assert len({base, *others}) == len(changes) + 1
    same: list[dict[str, object]] = [
        {"profile": "study"},
        {"time_limit": 1.0},
        {"overrides": {"lr": 1}},
    ]
    assert {run_key(run.model_copy(update=change), config.root) for change in same} == {base}


def test_a_renamed_builder_keeps_the_key(config: Config, run: Run) -> None:
    before = run_key(run, config.root)
    edit(config, LEARNER, "def plain(", "def renamed(")
    renamed = run.model_copy(update={"learner": "toybench.learners:renamed"})
    assert run_key(renamed, config.root) == before


def test_the_versions_of_the_libraries_that_are_used(
    config: Config, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = run_versions(run, config.root)
    assert set(base) >= {"torch", "numpy"}
    assert "kornia" not in base
    text = "def used(x: float) -> float:\n    import kornia\n\n    kornia.go()\n"
    edit(config, HELPER, "def used(x: float) -> float:\n", text)
    before = run_key(run, config.root)
    versions = run_versions(run, config.root)
    assert set(versions) == {*base, "kornia"}
    monkeypatch.setattr(key, "library_versions", lambda names: {**versions, "kornia": "0.0"})
    assert run_key(run, config.root) != before
    assert run_key(run, config.root, versions) == before


def test_the_libraries_of_the_data_count(config: Config, run: Run) -> None:
    tiles = run.model_copy(update={"dataset": "landcover-tiles"})
    assert "pillow" in run_versions(tiles, config.root)
    assert "pillow" not in run_versions(run, config.root)


def test_outputs_and_empty_cells_do_not_count(config: Config, run: Run) -> None:
    before = run_key(run, config.root)
    path = config.root / NOTEBOOK
    cells = json.loads(notebook([*CELLS, "", "# only a comment"]))
    cells["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    cells["cells"][2]["execution_count"] = 7
    path.write_text(json.dumps(cells))
    assert run_key(run, config.root) == before
    path.write_text(notebook([*CELLS, "%matplotlib inline"]))
    assert run_key(run, config.root) != before


def digest_of(root: Path) -> str:
    return CodeGraph(root, Boundary(), frozenset({"top"})).code(["top.learner:go"]).hash


LAYOUT = {
    "top/__init__.py": "__version__ = '1'\n",
    "top/sub/__init__.py": "",
    "top/sub/deep.py": (
        "def f():\n    return g()\n\n\ndef g():\n    return 1\n\n\ndef h():\n    return 2\n"
    ),
    "top/again.py": "from top.sub.deep import f as renamed\n",
    "top/table.py": (
        "from top.sub import deep\nTABLE = {'h': deep.h}\ndef pick(n):\n    return TABLE[n]\n"
    ),
    "top/whole.py": "def a():\n    return 1\n\n\ndef pick(name):\n    return globals()[name]\n",
    "top/registry.py": (
        "SEEN = []\ndef register(f):\n    SEEN.append(f)\n@register\ndef x():\n    return 1\n"
    ),
}


@pytest.mark.parametrize(
    ("body", "counts", "not_counts"),
    [
        ("from top.sub.deep import f\ndef go():\n    return f()\n", "return 1", "return 2"),
        (
            "from top.again import renamed\ndef go():\n    return renamed()\n",
            "return 1",
            "return 2",
        ),
        ("import top.sub.deep\ndef go():\n    return top.sub.deep.f()\n", "return 1", "return 2"),
        ("import top.sub.deep as d\ndef go():\n    return d.f()\n", "return 1", "return 2"),
        ("from .sub import deep\ndef go():\n    return deep.f()\n", "return 1", "return 2"),
        ("def go():\n    from .sub.deep import f\n    return f()\n", "return 1", "return 2"),
        ("from top.table import pick\ndef go():\n    return pick('h')\n", "return 2", ""),
        ("from top.sub import deep\ndef go():\n    return vars(deep)['h']\n", "return 2", ""),
        ("NAME = 'top.sub.deep:f'\ndef go():\n    return NAME\n", "return 1", "return 2"),
    ],
)
def test_code_is_followed_by_name(tmp_path: Path, body: str, counts: str, not_counts: str) -> None:
    for name, text in {**LAYOUT, "top/learner.py": body}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    deep = tmp_path / "top/sub/deep.py"

    before = digest_of(tmp_path)
    if not_counts:
        deep.write_text(LAYOUT["top/sub/deep.py"].replace(not_counts, "return 99"))
        assert digest_of(tmp_path) == before
    deep.write_text(LAYOUT["top/sub/deep.py"].replace(counts, "return 99"))
    assert digest_of(tmp_path) != before


@pytest.mark.parametrize("module", ["whole", "registry"])
def test_what_cannot_be_followed_counts_whole(tmp_path: Path, module: str) -> None:
    name = "pick" if module == "whole" else "SEEN"
    body = f"from top import {module}\ndef go():\n    return {module}.{name}\n"
    for name, text in {**LAYOUT, "top/learner.py": body}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    before = digest_of(tmp_path)
    path = tmp_path / f"top/{module}.py"
    path.write_text(path.read_text().replace("return 1", "return 3"))
    assert digest_of(tmp_path) != before


def test_real_methods_reach_their_code_and_no_machinery() -> None:
    root = ROOT
    run = plan(load_config(root / "benchmarks.yaml"), "quick", methods=["patchmix"])[0]
    names = {path.stem for path in run_code(run, root).files}
    assert {"patchmix", "image_ssl", "train"} <= names
    assert "moco_v3" not in names
    places = {path.relative_to(root).parts[1] for path in run_code(run, root).files}
    assert not places & {"bench", "report", "cli", "meaning"}
    assert {"torch", "timm", "kornia"} <= set(run_code(run, root).libraries)


def test_code_is_read_once_for_all_runs_of_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study is planned in a few seconds: code is followed once for each learner, not for each
    run."""
    root = ROOT
    runs = plan(load_config(root / "benchmarks.yaml"), "study")
    assert len(runs) >= 70
    read, follow = [], CodeGraph._read

    def counted(self: CodeGraph, roots: tuple[str, ...], cells: tuple[str, ...]) -> Code:
        read.append((self.boundary, roots, cells))
        return follow(self, roots, cells)

    monkeypatch.setattr(CodeGraph, "_read", counted)
    assert len({run_key(run, root) for run in runs}) == len(runs)
    learners = {(run.task, run.learner) for run in runs}
    assert len(read) == len(set(read)) <= len(learners) + len({run.dataset for run in runs})


def test_toy_sources_are_used() -> None:
    assert all(text for text in (LEARNERS, HELPERS, TASK))
