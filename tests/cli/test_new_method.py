"""A new method: its entry in the YAML file, its files, and that it works as it is written."""

import importlib
import json
import os
import runpy
import shutil
from pathlib import Path

import pytest
from caller import Call, caller

from pixcl_bench.bench.config.grid import plan
from pixcl_bench.bench.config.reading import check_config, load_config
from pixcl_bench.bench.config.yamledit import add_entry
from pixcl_bench.bench.config.yamlpos import parse
from pixcl_bench.bench.errors import UsageError
from pixcl_bench.cli.scaffold import cells_of, module_text, templates

ENTRY = {"title": "Mine", "role": "method", "learner": "mine:mine"}
LINES = ["title: Mine", "role: method", "learner: mine:mine"]
TASKS = ("image_ssl", "semi_seg", "landmarks", "dense_transfer", "shape_guided", "retrieval")


def added(text: str, *at: str) -> list[str]:
    """The lines that the entry adds to a text; all others are there as before, in their order."""
    new = add_entry(text, "some.yaml", at or ("methods",), "mine", ENTRY)
    old, lines = text.splitlines(), new.splitlines()
    start = next((i for i, (a, b) in enumerate(zip(old, lines, strict=False)) if a != b), len(old))
    count = len(lines) - len(old)
    assert lines[:start] + lines[start + count :] == old
    assert parse(new, "new").data != parse(text, "old").data
    return lines[start : start + count]


def test_an_entry_comes_last_in_the_layout_of_the_others() -> None:
    text = (
        "# head\nmethods:  # all\n  a:\n    title: A  # first\n\n  # about b\n  b:\n"
        "    title: B\n    args: {x: 1}\n    # after b\n\n# the groups\ngroups: {}\n"
    )
    assert added(text) == ["  mine:", *(f"    {line}" for line in LINES)]
    new = add_entry(text, "f", ("methods",), "mine", ENTRY)
    assert "    # after b\n  mine:\n" in new
    assert new.endswith("    learner: mine:mine\n\n# the groups\ngroups: {}\n")


def test_wider_layouts_are_kept() -> None:
    text = "tasks:\n    one:\n        methods:\n            a:\n                title: A\n"
    found = added(text, "tasks", "one", "methods")
    assert found == [" " * 12 + "mine:", *(" " * 16 + line for line in LINES)]


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "\n# end\n", "\n  # end"])
def test_the_end_of_the_file_may_be_any(end: str) -> None:
    assert added("methods:\n  a:\n    title: A" + end)[0].strip() == "mine:"


def test_ends_of_lines_are_kept() -> None:
    text = "methods:\r\n  a:\r\n    title: A\r\nlast: 1\r\n"
    new = add_entry(text, "f", ("methods",), "mine", ENTRY)
    assert new.count("\r\n") == new.count("\n") == 8


def test_entries_written_on_one_line_and_texts_over_several() -> None:
    assert added("methods:\n  a: {title: A}\n  b: {title: B}\n")[1] == "    title: Mine"
    text = "methods:\n  a:\n    title: |\n      many\n\n      lines\nother: 1\n"
    assert added(text)[0] == "  mine:"


def test_a_value_that_yaml_would_read_otherwise_is_quoted() -> None:
    entry = {"title": "1e3: no", "learner": "a:b"}
    new = add_entry("methods:\n  a:\n    title: A\n", "f", ("methods",), "mine", entry)
    assert parse(new, "f").data["methods"]["mine"] == entry


@pytest.mark.parametrize(
    "text",
    ["methods: {a: {title: A}}\n", "methods: {}\n", "other: 1\n", "methods: {\n  a: {title: A}}\n"],
)
def test_what_is_no_block_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"some\.yaml: "):
        add_entry(text, "some.yaml", ("methods",), "mine", ENTRY)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call a command; returns the exit code, stdout and stderr."""

    return caller(monkeypatch, capsys)


@pytest.fixture
def project(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project made by `pixcl-bench init`, which is the working folder."""
    assert call("init", str(tmp_path / "own"))[0] == 0
    monkeypatch.chdir(tmp_path / "own")
    monkeypatch.syspath_prepend(str(tmp_path / "own"))
    return tmp_path / "own"


def texts(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in files}


def code_of(notebook: Path) -> str:
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


# The tutorial on methods of one's own does the same for image_ssl; others have its contract.
ALIKE = ("image_ssl", "dense_transfer", "shape_guided", "retrieval")


@pytest.mark.parametrize(
    "task",
    [pytest.param(task, marks=pytest.mark.slow) if task in ALIKE else task for task in TASKS],
)
def test_a_new_method_works_from_notebook_to_plan(
    task: str, project: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, before = f"fresh_{task}", texts(project)
    code, out, _ = call("new-method", name, "--task", task)
    assert code == 0
    after = texts(project)
    assert after.keys() - before.keys() == {f"{name}.py", f"nbs/methods/{name}.ipynb"}
    assert [path for path in before if after[path] != before[path]] == [f"benchmarks/{task}.yaml"]
    assert f"check-method {name}" in out
    importlib.invalidate_caches()
    assert check_config() == []
    code, out, _ = call("check-method", name)
    assert (code, "WRONG" in out) == (0, False)
    config = load_config()
    for profile in ("smoke", "quick", "study"):
        runs = plan(config, profile, [task], None, [name])
        assert {run.method for run in runs} == {name}
        assert next(run.seed for run in runs) == 0
    script = project / "nbs/methods/script.py"
    script.write_text(code_of(project / f"nbs/methods/{name}.ipynb"), encoding="utf-8")
    monkeypatch.chdir(script.parent)
    made = runpy.run_path(str(script))
    assert made[name].__module__ == name


@pytest.mark.parametrize("template", templates())
def test_templates_keep_to_the_form_of_a_notebook(template: str) -> None:
    cells = cells_of(template, "some_name", "some_task")
    assert cells[0].source.splitlines()[0] == "# Some name"
    assert cells[1].source == "#| default_exp methods.some_name"
    for cell in cells:
        lines = cell.source.splitlines()
        assert all(len(line) <= 100 for line in lines)
        assert len(lines) <= 40
        for word in ("my_method", "MyMethod", "My method", "TASK"):
            assert word not in cell.source
    assert len([line for line in module_text(cells).splitlines() if line.startswith("class ")]) == 1


def test_in_a_repository_of_notebooks_the_notebook_is_the_source(
    project: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbdev.export import nb_export

    (project / "settings.ini").write_text("[DEFAULT]\nlib_path = ownlib\n", encoding="utf-8")
    for folder in ("ownlib/methods", "nbs/methods"):
        (project / folder).mkdir(parents=True, exist_ok=True)
    for package in ("ownlib", "ownlib/methods"):
        (project / package / "__init__.py").write_text("", encoding="utf-8")
    assert call("new-method", "told", "--task", "image_ssl")[0] == 0
    assert not (project / "ownlib/methods/told.py").exists()
    assert "ownlib.methods.told:told" in (project / "benchmarks/image_ssl.yaml").read_text("utf-8")
    nb_export(project / "nbs/methods/told.ipynb", lib_path=project / "ownlib")
    importlib.invalidate_caches()
    assert check_config() == []
    code, out, _ = call("check-method", "told")
    assert (code, "6 of 6 requirements are met" in out) == (0, True)


def test_a_package_of_ones_own(project: Path, call: Call) -> None:
    words = ("--task", "semi_seg", "--package", "fresh_package.inner")
    assert call("new-method", "fresh_in_package", *words)[0] == 0
    for path in ("fresh_package/__init__.py", "fresh_package/inner/__init__.py"):
        assert (project / path).read_text("utf-8") == ""
    importlib.invalidate_caches()
    assert check_config() == []
    learner = load_config().method("semi_seg", "fresh_in_package").learner
    assert learner == "fresh_package.inner.fresh_in_package:fresh_in_package"
    shutil.copy(project / "benchmarks/semi_seg.yaml", project / "kept.yaml")
    code, _, err = call("new-method", "fresh_in_package", *words)
    assert (code, "has a method 'fresh_in_package' already" in err) == (2, True)
    assert (project / "kept.yaml").read_bytes() == (
        project / "benchmarks/semi_seg.yaml"
    ).read_bytes()


REFUSED = [
    (("simclr", "--task", "image_ssl"), "has a method 'simclr' already"),
    (("Mine", "--task", "image_ssl"), "'Mine' is no name for a method"),
    (("mine", "--task", "image_sl"), "unknown task 'image_sl' (did you mean 'image_ssl'?)"),
    (("torch", "--task", "image_ssl"), "'torch' is the name of a package that Python has"),
    (("mine", "--task", "image_ssl", "--package", "torch"), "'torch' is the name of a package"),
    (("there", "--task", "image_ssl"), "there.py exists already: nothing was written"),
]


def test_names_that_are_refused(project: Path, call: Call) -> None:
    (project / "there.py").write_text("", encoding="utf-8")
    before = texts(project)
    for words, message in REFUSED:
        code, _, err = call("new-method", *words)
        assert (code, message in err) == (2, True), err
    assert texts(project) == before


def test_the_project_of_the_package_is_not_changed(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = call("new-method", "mine", "--task", "image_ssl")
    assert (code, "pixcl-bench init DIR" in err) == (2, True)
    assert os.listdir(tmp_path) == []


def test_check_method_says_what_is_wrong(project: Path, call: Call) -> None:
    assert call("new-method", "fresh_wrong", "--task", "image_ssl")[0] == 0
    module = project / "fresh_wrong.py"
    right = 'return {"loss": view_loss(z1, z2, self.temperature)}'
    text = module.read_text("utf-8")
    assert right in text
    module.write_text(text.replace(right, 'return {"lost": view_loss(z1, z2, 0.2)}'), "utf-8")
    importlib.invalidate_caches()
    code, out, _ = call("check-method", "fresh_wrong")
    assert code == 1
    assert "WRONG  losses()" in out
    assert "losses() must return the key 'loss', got ['lost']" in out


def test_check_method_knows_names(project: Path, call: Call) -> None:
    code, _, err = call("check-method", "simcler")
    assert (code, "unknown method 'simcler' (did you mean 'simclr'?)" in err) == (2, True)
    code, _, err = call("check-method", "simclr", "--task", "semi_seg")
    assert (code, "unknown method 'simclr'" in err) == (2, True)
    code, out, _ = call("check-method", "simclr")
    assert code == 0
    assert out.startswith("image_ssl: simclr (")
    assert "\ndense_transfer: simclr (" in out
