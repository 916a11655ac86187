"""A method's entry added to the text of a YAML file: every other character stays as it is."""

import json
from collections.abc import Mapping

from pixcl_bench.bench.config.yamlpos import Document, KeyPath, parse
from pixcl_bench.bench.errors import UsageError


def entry_text(name: str, entry: Mapping[str, str], indent: int, step: int) -> list[str]:
    """The lines of an entry: its name after `indent` blanks, its keys `step` further in."""
    inside = " " * (indent + step)
    return [f"{' ' * indent}{name}:", *(f"{inside}{k}: {_scalar(v)}" for k, v in entry.items())]


def _scalar(text: str) -> str:
    """A text as YAML: plain where it is read back as the same text, else in quotes."""
    plain = parse(f"key: {text}\n", "entry")
    same = not plain.problems and plain.data == {"key": text}
    return text if same else json.dumps(text, ensure_ascii=False)


def add_entry(text: str, file: str, at: KeyPath, name: str, entry: Mapping[str, str]) -> str:
    """The text of a YAML file with one more entry at the end of the mapping at `at`, in the layout
    of those before it. Raises UsageError where the mapping is not written as a block, or the new
    text would not say just that."""
    before = parse(text, file)
    lines = text.splitlines(keepends=True)
    end, indent, step = _place(before, at, lines, file)
    newline = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    if end and not lines[end - 1].endswith(("\n", "\r")):
        lines[end - 1] += newline
    lines[end:end] = [line + newline for line in entry_text(name, entry, indent, step)]
    new = "".join(lines)
    after, wanted = parse(new, file), parse(text, file)
    wanted.at(at)[name] = dict(entry)
    if after.problems or after.data != wanted.data:
        raise _by_hand(file, at, name, entry)
    return new


def _place(document: Document, at: KeyPath, lines: list[str], file: str) -> tuple[int, int, int]:
    """The line (from 0) that the entry comes before, the indent of its name, and how much further
    in its keys are."""
    entries = document.at(at)
    key, first = document.keys.get(at), None
    if isinstance(entries, dict) and entries:
        first = document.keys.get((*at, next(iter(entries))))
    if key is None or first is None or first.line == key.line:
        raise UsageError(f"{file}: {'.'.join(map(str, at))} is no mapping of one line an entry")
    indent = first.column - 1
    last = key.line  # the line below the key
    for i in range(key.line, len(lines)):
        bare = lines[i].strip()
        if bare and _indent(lines[i]) < indent and not (bare.startswith("#")):
            break
        if bare and _indent(lines[i]) >= indent:
            last = i + 1
    return last, indent, _step(document, at, entries, indent)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _step(document: Document, at: KeyPath, entries: Mapping[str, object], indent: int) -> int:
    """How much further in the keys of the first entry are that is written over several lines."""
    for name, entry in entries.items():
        place = (*at, name)
        own = document.keys[place].line
        for key in entry if isinstance(entry, dict) else ():
            mark = document.keys.get((*place, key))
            if mark and mark.line > own and mark.column - 1 > indent:
                return mark.column - 1 - indent
    return 2


def _by_hand(file: str, at: KeyPath, name: str, entry: Mapping[str, str]) -> UsageError:
    text = "\n".join(entry_text(name, entry, 2, 2))
    where = ".".join(map(str, at))
    return UsageError(
        f"{file}: the entry cannot be added, write it under {where} yourself:\n{text}"
    )
