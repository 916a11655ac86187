"""What was read of code is kept for the next process, and never out of date."""

from pathlib import Path

import pytest

from pixcl_bench.meaning.graph import Boundary, Code, CodeGraph
from pixcl_bench.meaning.shelf import Shelf

ROOTS = ["pkg.a:go"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").write_text("")
    (tmp_path / "pkg/a.py").write_text("from pkg.b import n\n\n\ndef go():\n    return n() + 1\n")
    (tmp_path / "pkg/b.py").write_text("import numpy as np\n\n\ndef n():\n    return np.pi\n")
    return tmp_path


def graph(root: Path) -> CodeGraph:
    names = frozenset({"pkg"})
    return CodeGraph(root, Boundary(), names, shelf=Shelf(root / "kept", root, names, "none"))


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> Code:
        raise AssertionError("the code was read again")

    monkeypatch.setattr(CodeGraph, "_read", refuse)


def test_another_process_reads_nothing(root: Path, request: pytest.FixtureRequest) -> None:
    first = graph(root).code(ROOTS)
    assert first == CodeGraph(root, Boundary(), frozenset({"pkg"})).code(ROOTS)
    assert set(first.definitions) == {"notebook", "pkg.a.go", "pkg.b.n"}
    request.getfixturevalue("unread")
    second = graph(root).code(ROOTS)
    assert (second, second.definitions) == (first, first.definitions)
    with pytest.raises(AssertionError, match="read again"):
        graph(root).code(["pkg.b:n"])


def test_a_change_is_seen_in_this_process_and_the_next(root: Path) -> None:
    here = graph(root)
    first = here.code(ROOTS)
    (root / "pkg/b.py").write_text("import numpy as np\n\n\ndef n():\n    return np.pi * 2\n")
    second = here.code(ROOTS)
    assert second.hash != first.hash
    assert graph(root).code(ROOTS) == second
    changed = {n for n, d in second.definitions.items() if first.definitions[n] != d}
    assert changed == {"pkg.b.n"}, "what calls it has not changed itself"
    (root / "pkg/b.py").write_text("import numpy as np\n\n\ndef n():\n    return np.pi\n")
    assert graph(root).code(ROOTS) == first


def test_damage_and_a_disk_that_cannot_be_written_cost_only_time(root: Path) -> None:
    first = graph(root).code(ROOTS)
    [kept] = (root / "kept").rglob("*.json")
    kept.write_text(kept.read_text().replace(first.hash, "0" * 20))
    assert graph(root).code(ROOTS) == first
    names = frozenset({"pkg"})
    blocked = Shelf(root / "pkg/a.py/kept", root, names, "none")
    assert CodeGraph(root, Boundary(), names, shelf=blocked).code(ROOTS) == first


def test_a_linked_folder_is_not_trusted(root: Path) -> None:
    (root / "elsewhere").mkdir()
    (root / "pkg/linked").symlink_to(root / "elsewhere")
    graph(root).code(ROOTS)
    assert not (root / "kept").exists()


def test_old_states_go(root: Path) -> None:
    for i in range(12):
        (root / "pkg/b.py").write_text(f"def n():\n    return {i}\n")
        graph(root).code(ROOTS)
    assert len(list((root / "kept").iterdir())) == 8
