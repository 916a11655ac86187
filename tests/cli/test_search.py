"""`pixcl-bench index` and `pixcl-bench search`: what they print, and their exit codes."""

import sys
from pathlib import Path

import pytest
from caller import Call, caller
from colours import make_gallery

from pixcl_bench.app import opening


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return caller(monkeypatch, capsys)


@pytest.fixture
def coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "default_gallery", lambda **_: make_gallery())


@pytest.mark.usefixtures("coloured")
def test_results_are_printed(call: Call) -> None:
    code, out, err = call("search", "--query", "a red xyzzy", "-n", "3")
    assert (code, err) == (0, "The model does not know: xyzzy.\n")
    assert out.count("A bright red square.") == 3
    assert "PATIENT" not in out


@pytest.mark.usefixtures("coloured")
@pytest.mark.parametrize(("query", "words"), [("", "Type some words"), ("xyzzy", "knows none")])
def test_a_query_without_results_is_one_line(call: Call, query: str, words: str) -> None:
    code, out, err = call("search", "--query", query)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", [["search", "films"], ["index", "films", "--train"]])
def test_an_unknown_folder_has_a_nearest_name(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film").mkdir()
    code, _, err = call(*words)
    assert code == 2
    place = tmp_path / "films"
    assert err == f"pixcl-bench: {place}: there is no such folder (did you mean 'film'?)\n"


def test_a_model_must_be_named(call: Call, tmp_path: Path) -> None:
    code, _, err = call("index", str(tmp_path))
    assert code == 2
    assert "--model FOLDER" in err
    assert err.count("\n") == 1


def test_the_page_says_what_to_install(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "pixcl_bench.app.web", raising=False)
    code, _, err = call("search")
    assert code == 2
    assert "pip install 'pixcl-bench[app]'" in err
