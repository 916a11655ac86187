"""The text of YAML files: values of YAML 1.2, and the place of whatever is wrong."""

import pytest

from pixcl_bench.bench.config.settings import read_value
from pixcl_bench.bench.config.yamlpos import parse
from pixcl_bench.bench.errors import UsageError


def test_values_are_those_of_yaml_1_2() -> None:
    words = {
        "1e-3": 1e-3,
        "2.5e4": 2.5e4,
        ".5": 0.5,
        "5.": 5.0,
        "010": 10,
        "08": 8,
        "0x10": 16,
        "-1": -1,
        "1:30": "1:30",
        "yes": "yes",
        "no": "no",
        "on": "on",
        "true": True,
        "~": None,
        "10e": "10e",
        "'1e-3'": "1e-3",
        "1.0": 1.0,
    }
    document = parse("\n".join(f"- {word}" for word in words), "f")
    assert not document.problems
    found = list(zip(words, document.data, strict=True))
    assert [(word, type(value), value) for word, value in found] == [
        (word, type(value), value) for word, value in words.items()
    ]
    assert parse("\ufeffa: 1\r\nb: 2\r\n", "f").data == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a:\n  - 2024-01-02", 2, 5, "read as timestamp"),
        ("a: 1e999", 1, 4, "not a finite number"),
        ("a: 1_20", 1, 4, "no number in YAML 1.2 (write 120)"),
        ("a: [0b11]", 1, 5, "no number in YAML 1.2 (write 3)"),
        ("a: !!int", 1, 4, "cannot be read"),
        ("a: !!bool x", 1, 4, "cannot be read"),
        ("a: {b: 1, b: 2}", 1, 11, "duplicate key 'b'"),
        ("&a [1, *a]", 1, 1, "an alias that contains itself"),
        ("a: 1\nb: [1", 2, 6, "not valid YAML"),
        ("a: 1\n---\nb: 1", 2, 1, "single document"),
        ("a: !!python/name:os.system x", 1, 4, "read as python/name:os.system"),
        ("a: \x01", 1, 1, "not valid YAML"),
        ("[" * 200, 1, 101, "maximum depth"),
        ("", 1, 1, "empty"),
        ("# nothing\n%YAML 1.1\n---\na: 1", 2, 1, "YAML 1.2"),
        ("a: 1\n1e3: 2", 2, 1, "write '1e3' in quotes"),
    ],
)
def test_wrong_text_is_found_with_its_place(text: str, line: int, column: int, words: str) -> None:
    (problem,) = parse(text, "f").problems
    assert (problem.line, problem.column) == (line, column)
    assert words in str(problem)


def test_aliases_inside_aliases_are_cut_short() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for last, name in zip("abcdefg", "bcdefgh", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]")
    document = parse("\n".join(lines), "f")
    assert "more than 100,000 values" in str(document.problems[0])


def test_values_of_the_command_line() -> None:
    words = ("1e-3", "3", "010", "[1, 2]", "true", "null", "", "sgd", "no", "1.0", "10e")
    values = [read_value(text) for text in words]
    assert values == [1e-3, 3, 10, [1, 2], True, None, None, "sgd", "no", 1.0, "10e"]
    assert type(values[0]) is type(values[9]) is float
    for text, hint in (("[1", "not valid YAML"), ("2024-01-02", "write it in quotes")):
        with pytest.raises(UsageError, match=hint):
            read_value(text)
