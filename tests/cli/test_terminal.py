"""Output in any locale, to a pipe that nobody reads, and to nothing; paths as users write them."""

import io
import os
import re
import sys
import warnings
from pathlib import Path

import pytest
from toy_project import make_project

from pixcl_bench import cli
from pixcl_bench.bench.config.words import place_of, time_limit, use_data_root
from pixcl_bench.bench.errors import UsageError
from pixcl_bench.cli import terminal
from pixcl_bench.data.plugins import PluginWarning


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toy project with a title that no ASCII has, and the filters of warnings kept."""
    path = make_project(tmp_path)
    text = path.read_text(encoding="utf-8").replace("title: better", "title: 数 é ± 😀")
    path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "filters", list(warnings.filters))
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    return path


def main(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["pixcl-bench", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_an_encoding_without_the_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert main(monkeypatch, "list") == 0
    text = written.getvalue().decode("ascii")
    assert "| better " in text
    assert "? e +/- ?" in text
    assert terminal.plain("─┏±µ…数") == "-++/-u...?"


def test_messages_go_through_any_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, encoding="ascii"))
    assert main(monkeypatch, "run", "--method", "pl\udcffäin") == 2
    sys.stderr.flush()
    assert written.getvalue().startswith(
        b"pixcl-bench: unknown method 'pl\\udcffain' (did you mean"
    )


def test_a_pipe_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", os.fdopen(writes, "w", encoding="utf-8"))
        patch.setattr(sys, "__stdout__", sys.stdout)
        assert main(monkeypatch, "list") == terminal.CLOSED
        assert main(monkeypatch, "check") in (0, terminal.CLOSED)


def test_closed_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(monkeypatch, "list") == 0
    assert main(monkeypatch, "list", "--task", "no") == 2


def test_warnings_are_one_line_and_no_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    warnings.simplefilter("error")
    terminal.prepare()
    warnings.warn("two\nlines", PluginWarning, stacklevel=1)
    warnings.warn("for programmers", DeprecationWarning, stacklevel=1)
    assert capsys.readouterr().err == "pixcl-bench: warning: two lines\n"


@pytest.mark.parametrize(("term", "width"), [("xterm", 40), ("dumb", 80)])
def test_narrow_terminals_and_dumb_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], term: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(monkeypatch, "list") == 0
    text = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert max(map(len, text.splitlines())) <= width


def test_paths_are_read_where_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIXCL_BENCH_DATA", "")
    assert place_of("~/x") == tmp_path / "home/x"
    assert place_of("x/../y") == tmp_path / "x/../y"
    use_data_root(Path("~/data"))
    assert os.environ["PIXCL_BENCH_DATA"] == str(tmp_path / "home/data")
    for wrong in ("", "a\0b", "~nobody-of-this-name/x" if os.name == "posix" else ""):
        with pytest.raises(UsageError):
            place_of(wrong)
    assert main(monkeypatch, "status", "--results=~/r", "--device", "cpu", "-p", "quick") == 0
    assert not (tmp_path / "~").exists()


def test_time_limits() -> None:
    assert (time_limit(None), time_limit("90"), time_limit("0.5")) == (None, 90.0, 0.5)
    for wrong in ("0", "-1", "nan", "inf", "2:00", "", "90s"):
        with pytest.raises(UsageError, match="--time-limit"):
            time_limit(wrong)
