"""Whatever a user types or writes, a command ends with a message: no traceback, no strange code."""

import random
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

import pytest
from caller import Call, caller
from toy_project import CONFIG, make_project
from typer.main import get_command

from pixcl_bench.bench.config import reading
from pixcl_bench.bench.run import runner

LINES, FILES = 300, 100
"""How many command lines and configurations are drawn; some more are always tried."""


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """The command in a toy project, up to where runs would start."""
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIXCL_BENCH_DATA", "")
    monkeypatch.setattr(runner, "_drive", lambda *all_of_it: None)
    # The same files are read again and again, and stay as they are.
    monkeypatch.setattr(reading, "_load", lru_cache(reading._load))
    monkeypatch.setattr("typer.main.get_command", lru_cache(get_command))
    monkeypatch.setattr("pixcl_bench.cli.run.show_results", lambda *all_of_it: None)

    return caller(monkeypatch, capsys)


def values() -> list[str]:
    """Texts that a setting may be given."""
    return [
        *("", " ", "1", "-1", "0", "010", "0x10", "1_20", "1:30", "1e400", "-1e400", "nan", ".nan"),
        *(".inf", "-.inf", "inf", "1e999999", "9" * 5000, "true", "yes", "no", "~", "null", "on"),
        *("[1, 2", "{a: 1", "{a: {b: {c: 1}}}", "[[[[[[1]]]]]]", "&a [*a]", "*a", "<<: 1", "!!set"),
        *("!!python/object:os.system x", "!!python/object/apply:os.system ['x']", "!!binary x"),
        *(
            "\0",
            "a\0b",
            "\ud800",
            "١",
            "é",
            "数据",
            "😀",
            "\t",
            "a\nb",
            "---\n1\n---\n2",
            "%YAML 1.1",
        ),
        *("2024-01-01", "'", '"', "a: b: c", "#", "- 1", "?", "|", ">", "@", "`", "%", "[" * 3000),
    ]


def keys() -> list[str]:
    return [
        *("lr", "steps", "views.flip", "views", "views.flip.more", "lrr", "", ".", "..", "a.b.c"),
        *(".lr", "lr.", "args.width", "args.widht", "args", "args.", "١", "\0", "é", " lr ", "-"),
        *("x" * 300, "steps.x", "task", "seed", "__class__", "views.scale", "batch_size"),
    ]


def near(word: str, draw: random.Random) -> str:
    """A word with one letter changed, left out or doubled."""
    i = draw.randrange(len(word))
    other = draw.choice([word[i] * 2, "", "x", word[i].upper(), "\u0301", " "])
    return word[:i] + other + word[i + 1 :]


SEEDS = ("-1", "1e9", "0-4", "0,,1", "a", "١", "", ",", "0", "010", "9" * 5000, "2147483648", "0.5")
JOBS = ("0", "-1", "1000000", "x", "", "1.5", "9" * 5000, "١", "nan")
LIMITS = ("0", "-1", "nan", "inf", "1e999", "2:00", "120s", "", "60", "x", "\0")
DEVICES = ("cpu", "gpu", "CPU", "", "cuda:99", "auto", "mps", "\0", "é")
NAMES = {"--task": "toy", "--dataset": "digits", "--method": "plain", "--profile": "quick"}
COMMANDS = (
    "run",
    "status",
    "report",
    "claims",
    "list",
    "check",
    "publish",
    "verify",
    "pilot",
    "tune",
    "data info",
    "data fetch",
    "data path",
    "init",
    "check-method",
    "new-method",
    "",
    "rnu",
    "--version",
)


def places(root: Path) -> list[str]:
    return [
        *(str(root / "benchmarks.yaml"), str(root / "nothing"), str(root), "/dev/null", "", " "),
        *(
            "x" * 300,
            "/" + "long/" * 900,
            "a\0b",
            "~",
            "~/nothing/there",
            "~nobody-here/x",
            "\udcff",
        ),
        *("benchmarks.yaml/below", "..", "nbs", "toybench/learners.py", "-", "{x}", "[y]"),
    ]


def command_lines(root: Path, draw: random.Random) -> Iterator[list[str]]:
    """Lines with one or two things wrong."""
    names = ("--set", "--seed", "--jobs", "--time-limit", "--device", "--retries", *NAMES)
    options: dict[str, Callable[[], str]] = {
        "--set": lambda: (
            draw.choice(keys()) + draw.choice(["=", "=", "=", ""]) + draw.choice(values())
        ),
        "--seed": lambda: draw.choice(SEEDS),
        "--jobs": lambda: draw.choice(JOBS),
        "--time-limit": lambda: draw.choice(LIMITS),
        "--device": lambda: draw.choice(DEVICES),
        "--retries": lambda: draw.choice(JOBS),
        **{name: (lambda word=word: near(word, draw)) for name, word in NAMES.items()},
    }
    for _ in range(LINES):
        chosen = draw.sample(names, draw.choice([1, 1, 2]))
        yield ["run", *(word for name in chosen for word in (name, options[name]()))]
    for place in places(root):
        for name in ("--results", "--config", "--data-root"):
            yield [draw.choice(["run", "status", "report", "claims", "publish"]), name, place]
    for command in COMMANDS:
        for _ in range(3):
            name = draw.choice([*names, "--results", "--config", "--out", "--nothing"])
            value = draw.choice([*values(), *places(root), *SEEDS, "plain"])
            yield [*command.split(), *draw.choice([[name, value], [value], [], [value, value]])]


def mutants(draw: random.Random) -> Iterator[bytes]:
    """The file of the toy project with something wrong in it, or all of it."""
    lines = CONFIG.splitlines(keepends=True)
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(3)
    )
    whole = [
        *(
            "",
            "\n",
            "# nothing\n",
            "- a\n",
            "text",
            "1",
            "null",
            "{}",
            "[]",
            "\t",
            "\0",
            "---\n---\n",
        ),
        *(CONFIG + "---\n" + CONFIG, CONFIG.replace("\n", "\r\n"), CONFIG.replace("  ", "\t")),
        *(CONFIG.replace("\n", "\r"), "%YAML 1.1\n---\n" + CONFIG, bomb, "[" * 5000, "{a: " * 5000),
        *(
            "a: " * 300,
            "&a [*a]",
            "<<: {a: 1}",
            "? [a]\n: b\n",
            "- " * 3000 + "a",
            "!!python/name:os",
        ),
    ]
    yield from (text.encode() for text in whole)
    yield from (CONFIG.encode(code) for code in ("utf-8-sig", "utf-16", "utf-16-be", "utf-32"))
    yield from (b"\xff\xfe", b"\x80", CONFIG.encode() + b"\xe9", bytes(range(256)))
    while True:
        i = draw.randrange(len(lines))
        line = lines[i]
        head, _, _ = line.partition(": ")
        new = draw.choice(
            [
                *("", line * 2, line.replace(":", "", 1), "\t" + line, "  " + line, line.lstrip()),
                f"{head}: &a {draw.choice(values())}\n",
                *[f"{head}: {draw.choice(values())}\n" for _ in range(6)],
                *[re.sub(r"\w+", lambda m: near(m[0], draw), line, count=2) for _ in range(3)],
            ]
        )
        yield "".join([*lines[:i], new, *lines[i + 1 :]]).encode("utf-8", "surrogatepass")


def told(words: list[str], code: int, out: str, err: str) -> str:
    """What is wrong with how a command ended; empty: nothing."""
    lines = [line for line in err.splitlines() if line.strip()]
    if "Traceback" in err or code not in (0, 1, 2):
        return f"{words} ended with {code}: {err[-500:]}"
    if code == 2 and not lines and "Usage" not in out:
        return f"{words} ended without a message"
    if words[:1] == ["run"] and (len(lines) > 3 or any(len(line) > 600 for line in lines)):
        return f"{words} ended with a long message: {err}"
    return ""


def test_any_command_line_ends_with_a_message(call: Call, tmp_path: Path) -> None:
    faults = []
    for words in command_lines(tmp_path, random.Random(20)):
        faults.append(told(words, *call(*words)))
    assert len(faults) > LINES + 100
    assert [fault for fault in faults if fault] == []


def test_any_configuration_ends_with_a_message(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.yaml"
    faults = []
    for content in islice(mutants(random.Random(21)), FILES):
        path.write_bytes(content)
        reading._load.cache_clear()  # type: ignore[attr-defined]
        code, out, err = call("check", "benchmarks.yaml")
        faults.append(told(["check", content.decode("latin-1")], code, out, err))
        if code == 2 and not re.search(r"benchmarks\.yaml:\d+:\d+: |^pixcl-bench: ", err):
            faults.append(f"no place is named: {err} {content!r}")
    assert [fault for fault in faults if fault] == []
