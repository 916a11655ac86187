"""`benchmarks.yaml` in several files: the same as in one, and every problem names the right file
and line."""

from pathlib import Path
from textwrap import dedent

import pytest
from toy_project import CONFIG, make_project

from pixcl_bench.bench.config.grid import plan
from pixcl_bench.bench.config.reading import check_config, load_config
from pixcl_bench.bench.errors import ConfigError

TASK = "benchmarks/toy.yaml"
TABLE = "benchmarks/reported/toy.csv"
CSV = "method,dataset,top-1 [%],source\nbetter,MNIST,99.0,a paper\n"


def split(text: str = CONFIG) -> dict[str, str]:
    """The files of a toy configuration, by their names."""
    head, _, rest = text.partition("tasks:\n  toy:\n")
    entry, _, rest = rest.partition("claims:\n")
    claims = rest.partition("reported:\n")[0].replace("    task: toy\n", "")
    entry = "".join(line.removeprefix("    ") for line in entry.splitlines(keepends=True))
    return {
        "benchmarks.yaml": f"{head}include: [{TASK}]\n",
        TASK: f"{entry}claims:\n{claims}reported: {TABLE}\n",
        TABLE: CSV,
    }


def write(root: Path, files: dict[str, str]) -> Path:
    path = make_project(root)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return path


def problems(root: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    path = write(root, files)
    monkeypatch.chdir(root)
    return [str(problem) for problem in check_config(path)]


def test_several_files_are_the_same_as_one(tmp_path: Path) -> None:
    one = load_config(make_project(tmp_path / "one"))
    several = load_config(write(tmp_path / "several", split()))
    assert several.benchmarks.include == [TASK]
    assert several.profiles == one.profiles
    assert several.tasks["toy"].model_copy(update={"reported": None}) == one.tasks["toy"]
    assert several.claims == one.claims
    assert several.reported == one.reported
    for profile in one.profiles:
        assert plan(several, profile) == plan(one, profile)
    assert several.results == tmp_path.resolve() / "several/results"


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (TASK, "floor: chance", "floor: chanse", f"{TASK}:10:8: unknown method 'chanse'"),
        (TASK, "title: A toy", "titel: A toy", f"{TASK}:1:1: unknown key 'titel'"),
        (TASK, "{steps: 4}", "{stepz: 4}", f"{TASK}:42:16: unknown key 'stepz'"),
        (TASK, "{width: 8}", "{widht: 8}", f"{TASK}:35:12: unknown argument 'widht'"),
        (TASK, "than: chance", "than: chanse", f"{TASK}:59:11: unknown method 'chanse'"),
        (TASK, "id: plain-over-chance", "id: better-over-plain", f"{TASK}:56:9: duplicate claim"),
        (TASK, "metrics:\n", "metrics: [\n", f"{TASK}:8:3: not valid YAML"),
        (TASK, "primary: score\n", "", f"{TASK}:1:1: missing key 'primary'"),
        (TASK, TABLE, "benchmarks/toy.csv", f"{TASK}:62:11: file 'benchmarks/toy.csv' does not"),
        (TASK, TABLE, "../toy.csv", f"{TASK}:62:11: file '../toy.csv' leaves the project"),
        (TASK, "floor: chance", "include: []", f"{TASK}:10:1: unknown key 'include'"),
        ("benchmarks.yaml", "threads: 2", "threads: no", "benchmarks.yaml:11:14: threads"),
        ("benchmarks.yaml", "toy.yaml", "tyo.yaml", f"13:11: file {TASK.replace('toy', 'tyo')!r}"),
        ("benchmarks.yaml", f"[{TASK}]", f"[{TASK}, ./{TASK}]", "included twice: first on line 13"),
        (TABLE, "better,", "beter,", f"{TABLE}:2:1: unknown method 'beter'"),
        (TABLE, "99.0", '"99,0"', f"{TABLE}:2:1: top-1 [%]: '99,0' is not a number (write a point"),
        (TABLE, "99.0", "nan", f"{TABLE}:2:1: top-1 [%]: 'nan' is not a number"),
        (TABLE, "99.0", "", f"{TABLE}:2:1: no number in this row"),
        (TABLE, "a paper", "", f"{TABLE}:2:1: no source in this row"),
        (TABLE, "a paper", "a paper, page 3", f"{TABLE}:2:1: 5 cells in a table of 4 columns"),
        (TABLE, "source", "sorce", "1:1: missing column 'source' (is 'sorce' meant for it?)"),
        (TABLE, "source", "source,top-1 [%]", f"{TABLE}:1:1: duplicate column 'top-1 [%]'"),
        (TABLE, "top-1 [%]", "[%]", f"{TABLE}:1:1: column 3: '[%]' is no name of a metric"),
        (TABLE, "a paper", '"a paper', "not a CSV table"),
    ],
)
def test_a_problem_names_its_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str, message: str
) -> None:
    files = split()
    assert files[name].count(old) >= 1
    files[name] = files[name].replace(old, new, 1)
    found = problems(tmp_path, files, monkeypatch)
    assert any(message in text for text in found), "\n".join(found)
    assert len(found) <= 2, "\n".join(found)
    with pytest.raises(ConfigError):
        load_config(tmp_path / "benchmarks.yaml")


def test_a_task_stands_in_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {**split(), "benchmarks.yaml": CONFIG + f"include: [{TASK}]\n"}
    (found,) = problems(tmp_path, files, monkeypatch)
    assert found.startswith("benchmarks.yaml:81:11: the task 'toy' stands on line 15 already")


def test_lines_of_another_file_are_told_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = split()
    files["benchmarks/toz.yaml"] = files[TASK]
    files["benchmarks.yaml"] = files["benchmarks.yaml"].replace(
        "yaml]", "yaml, benchmarks/toz.yaml]"
    )
    found = problems(tmp_path, files, monkeypatch)
    assert len(found) == 2
    assert f"duplicate claim 'better-over-plain': first on line 50 of {TASK}" in found[0]


def test_a_link_may_not_leave_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = split()
    outside = tmp_path / "toy.yaml"
    outside.write_text(files.pop(TASK), encoding="utf-8")
    root = tmp_path / "project"
    (root / TASK).parent.mkdir(parents=True)
    (root / TASK).symlink_to(outside)
    (found,) = problems(root, files, monkeypatch)
    assert found.startswith(f"benchmarks.yaml:13:11: file {TASK!r} leaves the project")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- a list\n", f"{TASK}:1:1: the file is not a mapping"),
        (b"", f"{TASK}:1:1: the file is empty"),
        (b"title: \xff\n", f"benchmarks.yaml:13:11: {TASK}: not UTF-8 text: invalid start byte"),
    ],
)
def test_an_included_file_that_is_no_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    path = write(tmp_path, split())
    (tmp_path / TASK).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    (problem,) = check_config(path)
    assert str(problem).startswith(message)


def test_a_table_as_a_spreadsheet_writes_it(tmp_path: Path) -> None:
    files = split()
    rows = """\
        method,dataset,encoder,top-1 [%],error,source,notes
        better,MNIST,ViT,99.0,,"a paper, page 3","two
        lines"

        plain,MNIST,,"9.9e1",1,a paper,
        """
    files[TABLE] = "\ufeff" + dedent(rows).replace("\n", "\r\n")
    found = load_config(write(tmp_path, files)).reported
    assert [(r.method, r.metric, r.value, r.unit, r.encoder) for r in found] == [
        ("better", "top-1", 99.0, "%", "ViT"),
        ("plain", "top-1", 99.0, "%", None),
        ("plain", "error", 1.0, "", None),
    ]
    assert [r.source for r in found] == ["a paper, page 3", "a paper", "a paper"]
    assert [(r.notes or "").split() for r in found] == [["two", "lines"], [], []]
