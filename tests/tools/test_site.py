"""README, sync of notebooks and modules, Quarto's filter and settings, and the pages of results."""

import json
import shutil
import subprocess

import fake_records as fake
import pytest
import yaml

from tools import project, readme, site_index, sync


def cell(kind, source, outputs=()):
    made = {
        "cell_type": kind,
        "id": f"{abs(hash(source)) % 10**8:08d}",
        "metadata": {},
        "source": source,
    }
    return made | ({"execution_count": None, "outputs": list(outputs)} if kind == "code" else {})


def notebook(*cells):
    metadata = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def stream(text):
    return {"output_type": "stream", "name": "stdout", "text": [text]}


TITLE = cell("markdown", "# Things\n\n> What they are.")

# readme


def test_readme_of_a_notebook():
    made = readme.readme(
        notebook(
            cell("raw", "---\nx: 1\n---"),
            TITLE,
            cell("code", "#| hide\nsecret = 1"),
            cell(
                "markdown",
                "See [a](methods/00_patchmix.ipynb), [b](../LICENSE), [c](https://x.y),"
                " [d](#top).\n::: {.note}\n",
            ),
            cell(
                "code",
                "#| echo: false\nshow()",
                [
                    {
                        "output_type": "display_data",
                        "data": {"text/markdown": ["| a |\n", "| - |"], "text/plain": "x"},
                    }
                ],
            ),
            cell(
                "code",
                "print(1)",
                [
                    stream("1\n"),
                    {
                        "output_type": "display_data",
                        "data": {"image/png": "aa", "text/plain": "<Figure>"},
                    },
                ],
            ),
            cell("code", "%%bash\npixcl-bench list"),
            cell("markdown", "```sh\n[x](y)\n:::\n```"),
        )
    )
    assert (
        made == f"# Things\n\n{readme.NOTE}\n\n> What they are.\n\nSee"
        " [a](nbs/methods/00_patchmix.ipynb), [b](LICENSE), [c](https://x.y), [d](#top).\n\n| a"
        " |\n| - |\n\n```python\nprint(1)\n```\n\n```\n1\n```\n\n```sh\npixcl-bench"
        " list\n```\n\n```sh\n[x](y)\n:::\n```\n"
    )


def test_readme_refuses_errors_and_a_wrong_title():
    error = {"output_type": "error", "ename": "ValueError", "evalue": "x", "traceback": []}
    with pytest.raises(ValueError, match="is an error"):
        readme.readme(notebook(TITLE, cell("code", "f()", [error])))
    with pytest.raises(ValueError, match="first cell"):
        readme.readme(notebook(cell("markdown", "Hello")))


def test_readme_check(tmp_path, capsys):
    (tmp_path / "nbs").mkdir()
    (tmp_path / "nbs" / "index.ipynb").write_text(
        json.dumps(notebook(TITLE, cell("markdown", "Text.")))
    )
    root = ["--root", str(tmp_path)]
    assert readme.main(["--check", *root]) == 1
    assert "mend it: python -m tools.readme" in capsys.readouterr().err
    assert readme.main(root) == 0
    assert readme.main(["--check", *root]) == 0
    target = tmp_path / "README.md"
    target.write_text(target.read_text().replace("Text.", "Other."))
    assert readme.main(["--check", *root]) == 1
    assert "README has 'Other.', the notebook gives 'Text.'" in capsys.readouterr().err
    assert readme.main(["--root", str(tmp_path / "none")]) == 2


# sync


EXPORTED = """#| export
def double(x: int) -> int:
    "Twice `x`."
    return 2 * x"""


@pytest.fixture
def small(tmp_path):
    """A project with one notebook, exported, executed and clean."""
    root = tmp_path / "small"
    (root / "nbs").mkdir(parents=True)
    (root / "pixcl_bench").mkdir()
    (root / "pixcl_bench" / "__init__.py").write_text('__version__ = "0.1.0"\n')
    (root / "pixcl_bench" / "plain.py").write_text("x = 1\n")
    shutil.copy(fake.ROOT / "settings.ini", root)
    made = notebook(
        TITLE,
        cell("code", "#| default_exp things"),
        cell("code", EXPORTED),
        cell("code", "print(4)", [stream("4\n")]),
    )
    (root / "nbs" / "00_things.ipynb").write_text(json.dumps(made))
    assert sync.main(["--root", str(root)]) == 0
    return root


def test_sync_is_content_with_a_project_in_step(small, capsys):
    assert "def double" in (small / "pixcl_bench" / "things.py").read_text()
    before = {p: p.read_bytes() for p in small.rglob("*") if p.is_file()}
    assert sync.main(["--check", "--root", str(small)]) == 0
    assert "1 notebooks, 0 problems" in capsys.readouterr().out
    assert before == {p: p.read_bytes() for p in small.rglob("*") if p.is_file()}


def test_sync_names_modules_out_of_step(small, capsys):
    module = small / "pixcl_bench" / "things.py"
    module.write_text(module.read_text().replace("2 * x", "3 * x"))
    (small / "pixcl_bench" / "lost.py").write_text(
        "# AUTOGENERATED! DO NOT EDIT! File to edit: ../nbs/lost.ipynb.\n"
    )
    assert sync.main(["--check", "--root", str(small)]) == 1
    err = capsys.readouterr().err
    assert "pixcl_bench/things.py: differs from what its notebook exports" in err
    assert "run: nbdev_export" in err
    assert "pixcl_bench/lost.py: no notebook exports it" in err
    module.unlink()
    assert any(p.what.startswith("missing") for p in sync.module_problems(small))


def changed(root, change):
    path = root / "nbs" / "00_things.ipynb"
    made = json.loads(path.read_text())
    change(made)
    path.write_text(json.dumps(made))
    return [p.what for p in sync.notebook_problems(path, root)]


def test_sync_finds_what_is_wrong_with_a_notebook(small):
    def run_count(made):
        made["cells"][2]["execution_count"] = 3

    def no_output(made):
        made["cells"][3]["outputs"] = []

    def error(made):
        made["cells"][3]["outputs"] = [
            {"output_type": "error", "ename": "KeyError", "evalue": "k", "traceback": []}
        ]

    def long(made):
        made["cells"][2]["source"] = "#| export\n" + "x = 1\n\n" * 41

    def large(made):
        made["cells"][3]["outputs"] = [stream("x" * 400_001)]

    assert changed(small, run_count) == ["not clean"]
    assert "not executed: no cell has an output" in changed(small, no_output)
    assert "has the error output KeyError: k" in changed(small, error)
    assert any(w.startswith("exported cell of 41 lines") for w in changed(small, long))
    assert any("more than 400" in w for w in changed(small, large))
    (small / "nbs" / "00_things.ipynb").write_text("{")
    assert [p.mend for p in sync.notebook_problems(small / "nbs" / "00_things.ipynb", small)] == [
        "restore it"
    ]


# the site


def quarto():
    return yaml.safe_load((fake.ROOT / "_quarto.yml").read_text(encoding="utf-8"))


def test_site_settings_name_what_exists():
    settings, ini = quarto(), project.settings(fake.ROOT)
    assert settings["project"]["output-dir"] == ini["doc_path"]
    assert settings["execute"] == {"enabled": False}
    assert settings["website"]["repo-url"] == ini["git_url"]
    assert settings["website"]["site-url"] == ini["doc_host"] + ini["doc_baseurl"]
    for command in (*settings["ipynb-filters"], *settings["project"]["post-render"]):
        script = command.removesuffix(".py").removeprefix("python -m ").replace(".", "/")
        assert (fake.ROOT / f"{script}.py").is_file()
    html = settings["format"]["html"]
    for theme in (*html["theme"]["light"], *html["theme"]["dark"]):
        assert not theme.endswith("scss") or (fake.ROOT / theme).is_file()
    for name in settings["project"]["resources"]:
        assert (fake.ROOT / name).is_file()


def pages_of(contents):
    """The notebooks of a part of the sidebar: of a pattern, of a list, of sections in sections."""
    if isinstance(contents, str):
        found = set(fake.ROOT.glob(contents))
        assert found, f"nothing is {contents}"
        return found
    if isinstance(contents, dict):
        return pages_of(contents["contents"])
    return set().union(*(pages_of(part) for part in contents))


def test_every_notebook_is_in_the_sidebar():
    pages = pages_of(quarto()["website"]["sidebar"]["contents"])
    specifications = set((fake.ROOT / "nbs/specs").glob("*.md"))
    assert pages == set(project.notebooks(fake.ROOT)) | specifications


def test_sections_are_in_the_order_of_reading():
    names = [section["section"] for section in quarto()["website"]["sidebar"]["contents"]]
    wanted = "Start, The nine papers, Results, Methods, Tutorials, Tasks, Data, Foundations"
    wanted += ", Metrics, Benchmarks, Specifications, Sources"
    assert names == wanted.split(", ")


def test_site_index_leads_to_the_first_page(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="render the site first"):
        site_index.main(tmp_path)
    (tmp_path / "nbs").mkdir()
    (tmp_path / "nbs" / "index.html").write_text("")
    monkeypatch.setenv("QUARTO_PROJECT_OUTPUT_DIR", str(tmp_path))
    assert 'href="nbs/index.html"' in site_index.main().read_text()


@pytest.mark.quarto
@pytest.mark.skipif(
    shutil.which("quarto") is None, reason="quarto: the program quarto is not on PATH"
)
def test_quarto_reads_the_settings():
    done = subprocess.run(
        ["quarto", "inspect"], cwd=fake.ROOT, capture_output=True, text=True, check=True
    )
    assert any(file.endswith("index.ipynb") for file in json.loads(done.stdout)["files"]["input"])


def test_pages_are_not_exported():
    for path in (fake.ROOT / "nbs" / "results").glob("*.ipynb"):
        cells = project.read_notebook(path)["cells"]
        assert not any(
            "default_exp" in project.directives(c) for c in cells if c["cell_type"] == "code"
        )
