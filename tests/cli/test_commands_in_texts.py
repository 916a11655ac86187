"""Facts in texts: every command that a page, a notebook or the README names is one that works, and
no notebook shows a key of a run, which would be out of date with the next change."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from project import ROOT

from pixcl_bench import cli
from tools.project import joined, notebooks, read_notebook

NAMED = re.compile(r"(?:^|[\s`(/])pixcl-bench +((?:[^`\n\\]|\\\n)*)", re.MULTILINE)
TEXTS = ("README.md", "CONTRIBUTING.md", "llms.txt", "CHANGELOG.md", "benchmarks.yaml")
COMMAND: Any = typer.main.get_command(cli.app)
UsageError: Any = typer.BadParameter.__base__
"""That of the click that typer brings."""


def texts() -> Iterator[tuple[str, str]]:
    """Where, and what a reader reads there: text of pages, and code of notebooks."""
    for path in notebooks(ROOT):
        for cell in read_notebook(path)["cells"]:
            yield path.name, joined(cell["source"])
    pages = [ROOT / name for name in TEXTS if (ROOT / name).is_file()]
    pages += [*(ROOT / "nbs/specs").glob("*.md"), *(ROOT / "pixcl_bench/report").rglob("*.py")]
    for path in pages:
        yield path.name, path.read_text(encoding="utf-8")


def words_of(found: str) -> list[str]:
    """The words of a command up to what belongs to the sentence or to the shell."""
    text = re.split(r"\s#|[|;>)\"']| && |\{|\.\.\.|, |\. |\.$", found.replace("\\\n", " "))[0]
    words = shlex.split(text)
    # Code may join a text from pieces: an option at the end of one has its value in the next.
    return words[:-1] if words and words[-1] in ("--method", "--profile") else words


def commands() -> dict[str, str]:
    """Every command with the place where it stands first; prose about `pixcl-bench` is none."""
    found: dict[str, str] = {}
    for where, text in texts():
        for match in NAMED.finditer(text):
            words = words_of(match[1])
            fenced = text[max(0, match.start(1) - 14) : match.start(1)]
            named = words and not words[0].startswith("-")
            if named and (words[0] in COMMAND.commands or "`" in fenced):
                found.setdefault(shlex.join(words), where)
    return found


def parse(words: list[str]) -> None:
    """Hold a command against the real command line, without running it. A name of a command alone
    may lack its arguments.

    Raises:
        UsageError: it is none.
    """
    command, rest, context = COMMAND, list(words), None
    while hasattr(command, "commands") and rest:
        context = command.make_context(command.name, list(rest), parent=context)
        _, command, rest = command.resolve_command(context, rest)
    if rest:
        command.make_context(command.name, rest, parent=context)


def test_every_named_command_parses() -> None:
    found = commands()
    assert len(found) > 50
    wrong = {}
    for line, where in found.items():
        try:
            parse(shlex.split(line))
        except UsageError as error:
            wrong[f"{where}: pixcl-bench {line}"] = error.format_message()
    assert wrong == {}


@pytest.mark.parametrize("line", ["datasets", "run --methd x", "report --seed 1", "init a b"])
def test_a_wrong_command_is_found(line: str) -> None:
    with pytest.raises(UsageError):
        parse(shlex.split(line))


def test_no_notebook_shows_the_key_of_a_run() -> None:
    for path in notebooks(ROOT):
        for cell in read_notebook(path)["cells"]:
            for output in cell.get("outputs", []):
                shown = joined(output.get("text", output.get("data", {}).get("text/plain", "")))
                assert not re.search(r"\brun [0-9a-f]{20}\b", shown), path
