"""The canonical form of code: what changes no result leaves no trace in it, and what may change
one does."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from pixcl_bench.meaning.circles import strong_components
from pixcl_bench.meaning.graph import Boundary, Code, CodeGraph

BASE = {
    "pkg/__init__.py": "",
    "pkg/a.py": (
        '''"""A module."""

import math
from dataclasses import dataclass

import numpy as np

from pkg.b import SCALE, helper


@dataclass(frozen=True)
class Options:
    """Options."""

    width: int = 4
    depth: int = 2

    def area(self) -> int:
        """Area."""
        return self.width * self.depth

    def other(self) -> int:
        return self.depth


def go(x, *, options=Options(), names=("a",)):
    """Go."""
    if x < 0:
        raise ValueError(f"x: {x} is negative")
    total: float = 0.0
    for value in range(options.width):
        total += helper(value) * SCALE
    pairs = [(k, np.sin(k)) for k in names for _ in k]
    print("done", total)
    assert total >= 0, "negative"
    return total + math.pi + len(pairs)


def even(n):
    return True if n == 0 else odd(n - 1)


def odd(n):
    return False if n == 0 else even(n - 1)
'''
    ),
    "pkg/b.py": (
        """SCALE = 2.0
TABLE = {}
TABLE["k"] = 1


def helper(value):
    inner = lambda v: v + 1
    return inner(value) if value else TABLE["k"]


def unused():
    return 0
"""
    ),
}


def code(root: Path, files: Mapping[str, str], start: str = "pkg.a:go", cells: str = "") -> Code:
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    graph = CodeGraph(root, Boundary(), frozenset({"pkg"}))
    return graph.code([start] if start else [], [cells] if cells else [])


def edited(name: str, *changes: tuple[str, str]) -> dict[str, str]:
    files = dict(BASE)
    for old, new in changes:
        assert old in files[name], old
        files[name] = files[name].replace(old, new)
    return files


SAME: dict[str, dict[str, str]] = {
    "docstring": edited("pkg/a.py", ('"""Go."""', '"""Another text."""')),
    "no docstring": edited("pkg/a.py", ('    """Area."""\n', "")),
    "comment": edited("pkg/a.py", ("    total: float", "    # why\n    total: float")),
    "local": edited("pkg/a.py", ("total", "whole")),
    "loop variable": edited("pkg/a.py", ("value", "item")),
    "variable of a comprehension": edited(
        "pkg/a.py",
        (
            "[(k, np.sin(k)) for k in names for _ in k]",
            "[(m, np.sin(m)) for m in names for j in m]",
        ),
    ),
    "parameter of a lambda": edited("pkg/b.py", ("lambda v: v + 1", "lambda w: w + 1")),
    "text of an error": edited("pkg/a.py", ('f"x: {x} is negative"', '"below 0"')),
    "text of an assertion": edited("pkg/a.py", (', "negative"', "")),
    "printed text": edited("pkg/a.py", ('"done"', '"finished"')),
    "annotation of a parameter": edited("pkg/a.py", ("def go(x,", "def go(x: float,")),
    "annotation of a result": edited("pkg/a.py", ("def even(n):", "def even(n: int) -> bool:")),
    "annotation of a local": edited("pkg/a.py", ("total: float = 0.0", "total = 0.0")),
    "annotation of a field": edited("pkg/a.py", ("width: int = 4", 'width: "int | None" = 4')),
    "order of definitions": {
        **BASE,
        "pkg/a.py": (
            BASE["pkg/a.py"].replace("def even", "def _even").split("\n\n\ndef go")[0]
            + "\n\n\ndef odd(n):\n    return n\n\n\ndef go"
            + BASE["pkg/a.py"].split("\n\n\ndef go")[1].split("\n\n\ndef even")[0]
            + "\n"
        ),
    },
    "order of methods": edited(
        "pkg/a.py",
        (
            (
                '    def area(self) -> int:\n        """Area."""\n'
                "        return self.width * self.depth\n\n"
                "    def other(self) -> int:\n        return self.depth\n"
            ),
            (
                "    def other(self) -> int:\n        return self.depth\n\n"
                "    def area(self) -> int:\n        return self.width * self.depth\n"
            ),
        ),
    ),
    "from import": edited(
        "pkg/a.py", ("import math\n", "from math import pi\n"), ("math.pi", "pi")
    ),
    "another name of a library": edited(
        "pkg/a.py", ("import numpy as np", "import numpy"), ("np.sin", "numpy.sin")
    ),
    "import of a module": edited(
        "pkg/a.py",
        ("from pkg.b import SCALE, helper", "from pkg import b"),
        ("helper(value) * SCALE", "b.helper(value) * b.SCALE"),
    ),
    "relative import": edited("pkg/a.py", ("from pkg.b import", "from .b import")),
    "import inside": edited(
        "pkg/a.py",
        ("from pkg.b import SCALE, helper\n", ""),
        ("    total: float", "    from pkg.b import SCALE, helper\n\n    total: float"),
    ),
    "renamed function": {
        **edited("pkg/a.py", ("helper", "renamed")),
        "pkg/b.py": BASE["pkg/b.py"].replace("helper", "renamed"),
    },
    "renamed constant": {
        **edited("pkg/a.py", ("SCALE", "FACTOR")),
        "pkg/b.py": BASE["pkg/b.py"].replace("SCALE", "FACTOR"),
    },
    "renamed class": edited("pkg/a.py", ("Options", "Settings")),
    "moved file": {
        **{k: v for k, v in BASE.items() if k != "pkg/b.py"},
        "pkg/deep/__init__.py": "",
        "pkg/deep/c.py": BASE["pkg/b.py"],
        "pkg/a.py": BASE["pkg/a.py"].replace("pkg.b", "pkg.deep.c"),
    },
    "divided file": {
        **BASE,
        "pkg/b.py": "from pkg.c import SCALE\n" + BASE["pkg/b.py"].split("\n", 1)[1],
        "pkg/c.py": "SCALE = 2.0\n",
    },
    "passed on": {**edited("pkg/a.py", ("pkg.b", "pkg.d")), "pkg/d.py": "from pkg.b import *\n"},
    "unused function": edited("pkg/b.py", ("return 0", "return 1")),
    "types only": edited(
        "pkg/a.py",
        (
            "import math\n",
            (
                "import math\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import"
                " torch\n"
            ),
        ),
    ),
    "a constant that only makes a value": edited(
        "pkg/b.py", ("SCALE = 2.0", "import re\nWORD = re.compile('a')\nSCALE = 2.0")
    ),
}

OTHER: dict[str, dict[str, str]] = {
    "constant": edited("pkg/b.py", ("SCALE = 2.0", "SCALE = 3.0")),
    "type of a constant": edited("pkg/b.py", ("SCALE = 2.0", "SCALE = 2")),
    "table": edited("pkg/b.py", ('TABLE["k"] = 1', 'TABLE["k"] = 2')),
    "operator": edited("pkg/a.py", ("helper(value) * SCALE", "helper(value) + SCALE")),
    "order of operands": edited("pkg/a.py", ("helper(value) * SCALE", "SCALE * helper(value)")),
    "called function": edited("pkg/a.py", ("np.sin", "np.cos")),
    "called function of the project": edited(
        "pkg/a.py",
        ("import SCALE, helper", "import SCALE, helper, unused"),
        ("helper(value)", "unused()"),
    ),
    "attribute": edited("pkg/a.py", ("options.width", "options.depth")),
    "default": edited("pkg/a.py", ('names=("a",)', 'names=("b",)')),
    "field": edited("pkg/a.py", ("width: int = 4", "width: int = 5")),
    "order of fields": edited(
        "pkg/a.py",
        ("    width: int = 4\n    depth: int = 2\n", "    depth: int = 2\n    width: int = 4\n"),
    ),
    "no field any more": edited("pkg/a.py", ("width: int = 4", "width = 4")),
    "class variable": edited(
        "pkg/a.py", ("width: int = 4", '"ClassVar"\n    width: "ClassVar[int]" = 4')
    ),
    "decorator": edited("pkg/a.py", ("@dataclass(frozen=True)", "@dataclass(frozen=False)")),
    "method": edited("pkg/a.py", ("self.width * self.depth", "self.width")),
    "name of a parameter": edited("pkg/a.py", ("names", "labels")),
    "kind of an error": edited("pkg/a.py", ("raise ValueError", "raise TypeError")),
    "lambda": edited("pkg/b.py", ("lambda v: v + 1", "lambda v: v")),
    "swapped locals": edited("pkg/b.py", ("inner(value) if value", "inner(inner) if value")),
    "variable of a comprehension": edited("pkg/a.py", ("for _ in k", "for _ in names")),
    "effect of an import": edited(
        "pkg/b.py", ("SCALE = 2.0", "import os\nos.putenv('A', '1')\nSCALE = 2.0")
    ),
    "another literal": edited("pkg/a.py", ("return total + math.pi", "return total + math.e")),
}


@pytest.mark.parametrize("name", SAME)
def test_what_changes_no_result_does_not_count(tmp_path: Path, name: str) -> None:
    assert SAME[name] != BASE
    assert code(tmp_path / "1", SAME[name]).hash == code(tmp_path / "0", BASE).hash


@pytest.mark.parametrize("name", OTHER)
def test_what_may_change_a_result_counts(tmp_path: Path, name: str) -> None:
    assert code(tmp_path / "1", OTHER[name]).hash != code(tmp_path / "0", BASE).hash


def test_definitions_that_call_each_other(tmp_path: Path) -> None:
    before = code(tmp_path / "0", BASE, "pkg.a:even").hash
    names = edited("pkg/a.py", ("even", "first"), ("odd", "second"))
    assert code(tmp_path / "1", names, "pkg.a:first").hash == before
    assert code(tmp_path / "0", BASE, "pkg.a:odd").hash != before
    one = edited("pkg/a.py", ("False if n == 0", "None if n == 0"))
    assert code(tmp_path / "2", one, "pkg.a:even").hash != before


def test_twins_in_a_circle_are_alike(tmp_path: Path) -> None:
    twins = {
        "pkg/__init__.py": "",
        "pkg/a.py": "def f(n):\n    return g(n)\n\n\ndef g(n):\n    return f(n)\n",
    }
    assert code(tmp_path, twins, "pkg.a:f").hash == code(tmp_path, twins, "pkg.a:g").hash


def test_libraries_are_those_that_the_reached_code_names(tmp_path: Path) -> None:
    assert code(tmp_path, BASE).libraries == ("numpy",)
    assert code(tmp_path, BASE, "pkg.a:even").libraries == ()
    text = "def f():\n    from skimage.filters import rank\n\n    return rank.entropy, 'torch.nn'\n"
    assert code(tmp_path / "1", {"pkg/__init__.py": "", "pkg/a.py": text}, "pkg.a:f").libraries == (
        "skimage",
    )


CELLS = "from pkg.b import helper\nvalues = [1, 2]\nresult = [helper(v) for v in values]"


@pytest.mark.parametrize(
    ("cells", "same"),
    [
        (CELLS, True),
        (CELLS.replace("values", "numbers").replace("result", "found"), True),
        (
            CELLS.replace("from pkg.b import helper", "from pkg import b").replace(
                "helper(v)", "b.helper(v)"
            ),
            True,
        ),
        ("# a comment\n" + CELLS, True),
        (CELLS.replace("[1, 2]", "[1, 3]"), False),
        (CELLS + "\nresult.reverse()", False),
        (CELLS.replace("import helper", "import unused as helper"), False),
        ("%matplotlib inline", False),
    ],
)
def test_cells_of_a_notebook(tmp_path: Path, cells: str, same: bool) -> None:
    before = code(tmp_path, BASE, "", CELLS).hash
    assert (code(tmp_path, BASE, "", cells).hash == before) is same


def test_annotations_of_a_pydantic_model_convert_values(tmp_path: Path) -> None:
    text = "from pydantic import BaseModel\n\n\nclass Base(BaseModel):\n    pass\n"
    text += "\n\nclass M(Base):\n    x: int = 1\n"
    files = {"pkg/__init__.py": "", "pkg/a.py": text}
    other = {**files, "pkg/a.py": text.replace("x: int", "x: float")}
    assert (
        code(tmp_path / "0", files, "pkg.a:M").hash != code(tmp_path / "1", other, "pkg.a:M").hash
    )


def test_annotations_count_where_a_decorator_may_read_them(tmp_path: Path) -> None:
    text = "from lib import register\n\n\n@register\ndef f(x: int):\n    return x\n"
    files = {"pkg/__init__.py": "", "pkg/a.py": text}
    other = {**files, "pkg/a.py": text.replace("x: int", "x: float")}
    assert (
        code(tmp_path / "0", files, "pkg.a:f").hash != code(tmp_path / "1", other, "pkg.a:f").hash
    )


def test_a_boundary_is_not_crossed(tmp_path: Path) -> None:
    code(tmp_path, BASE)
    graph = CodeGraph(tmp_path, Boundary(("pkg.b",)), frozenset({"pkg"}))
    before = graph.code(["pkg.a:go"])
    assert {path.name for path in before.files} == {"a.py"}
    (tmp_path / "pkg/b.py").write_text(BASE["pkg/b.py"].replace("2.0", "3.0"))
    assert graph.code(["pkg.a:go"]).hash == before.hash


def test_one_graph_sees_every_change(tmp_path: Path) -> None:
    """Whether names stay or go, a graph that lives on says the same as a new one."""
    code(tmp_path, BASE)
    graph = CodeGraph(tmp_path, Boundary(), frozenset({"pkg"}))
    texts = [
        OTHER["constant"],
        OTHER["field"],
        SAME["divided file"],
        SAME["passed on"],
        OTHER["table"],
        BASE,
    ]
    for files in texts:
        fresh = code(tmp_path, {**BASE, **files}).hash
        assert graph.code(["pkg.a:go"]).hash == fresh


def test_strong_components() -> None:
    edges = {1: [2], 2: [3, 5], 3: [1, 4], 4: [], 5: [6], 6: [5, 4]}
    found = [sorted(part) for part in strong_components(1, edges.__getitem__, frozenset())]
    assert found == [[4], [5, 6], [1, 2, 3]]
    assert [sorted(part) for part in strong_components(1, edges.__getitem__, {5, 4})] == [[1, 2, 3]]
