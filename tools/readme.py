"""Writes `README.md` from `nbs/index.ipynb`, without Quarto: `python -m tools.readme
[--check]`."""

import argparse
import posixpath
import re
import sys
from pathlib import Path

from pixcl_bench.bench.records.disk import write_atomic
from tools.project import Cell, Notebook, code, directives, find_root, joined, read_notebook

COMMAND = "python -m tools.readme"
NOTE = f"<!-- Written from nbs/index.ipynb by `{COMMAND}`: edit the notebook. -->"
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)")
_FENCE = re.compile(r"^(```|~~~)")


def _from_top(target: str) -> str:
    """A link's target as seen from the top level, where it is relative to `nbs/`."""
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|[#/]", target):
        return target
    path, mark, anchor = target.partition("#")
    return posixpath.normpath(posixpath.join("nbs", path)) + mark + anchor


def _markdown(text: str) -> str:
    """Markdown of a cell or output: links as seen from the top level, Quarto's `:::` lines left
    out, code untouched."""
    lines, inside = [], False
    for line in text.strip("\n").splitlines():
        inside ^= bool(_FENCE.match(line.lstrip()))
        if not inside:
            if line.startswith(":::"):
                continue
            line = _LINK.sub(lambda m: m[1] + _from_top(m[2]), line)
        lines.append(line.rstrip() if inside or not line.endswith("  ") else line.rstrip() + "  ")
    return "\n".join(lines).strip("\n")


def _fenced(text: str, language: str = "") -> str:
    ticks = "`" * max(3, 1 + max((len(m) for m in re.findall(r"`+", text)), default=0))
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def _output(output: dict[str, object]) -> str:
    """Markdown of one output: Markdown as it is, else text in a fence; pictures are left to the
    page."""
    kind = output.get("output_type")
    if kind == "error":
        raise ValueError(
            f"an output is an error ({output.get('ename')}): mend and run the notebook first"
        )
    if kind == "stream":
        return _fenced(joined(output.get("text"))) if output.get("name") == "stdout" else ""
    data = output.get("data")
    data = data if isinstance(data, dict) else {}
    if "text/markdown" in data:
        return _markdown(joined(data["text/markdown"]))
    if any(name.startswith("image/") for name in data) or "text/plain" not in data:
        return ""
    return _fenced(joined(data["text/plain"]))


def _code_cell(cell: Cell) -> list[str]:
    words = directives(cell)
    if words.get("include") == "false" or {"hide", "default_exp"} & set(words):
        return []
    parts = []
    source = code(cell)
    if source and words.get("echo") != "false":
        magic = re.match(r"(%%(?:bash|sh)\s*\n|!)", source)
        parts.append(_fenced(source[magic.end() :], "sh") if magic else _fenced(source, "python"))
    if words.get("output") != "false":
        parts += [_output(output) for output in cell.get("outputs", [])]
    return [part for part in parts if part.strip()]


def readme(notebook: Notebook) -> str:
    """The Markdown of a notebook: prose as it is, code and its outputs in fences.

    Raises:
        ValueError: an output is an error, or the first cell is not `# Title` with `> summary`.
    """
    cells = [c for c in notebook["cells"] if c["cell_type"] in ("markdown", "code")]
    first = joined(cells[0]["source"]).strip() if cells else ""
    match = re.fullmatch(r"# (?P<title>[^\n]+)\n+(?P<summary>(?:> ?[^\n]*\n?)+)", first)
    if match is None:
        raise ValueError("the first cell must hold `# Title` and `> summary`, nothing else")
    parts = [f"# {match['title'].strip()}", NOTE, match["summary"].strip()]
    for cell in cells[1:]:
        parts += (
            _code_cell(cell) if cell["cell_type"] == "code" else [_markdown(joined(cell["source"]))]
        )
    return "\n\n".join(_merged([part for part in parts if part.strip()])) + "\n"


def _merged(parts: list[str]) -> list[str]:
    """Code cells that follow each other without an output become one fence."""
    found: list[str] = []
    for part in parts:
        if found and all(each.startswith("```python\n") for each in (found[-1], part)):
            before, after = found.pop().removesuffix("\n```"), part.removeprefix("```python\n")
            part = f"{before}\n\n{after}"
        found.append(part)
    return found


def difference(old: str, new: str) -> str:
    """The first line in which two texts differ."""
    was, now = old.splitlines(), new.splitlines()
    for number, (a, b) in enumerate(zip(was, now, strict=False), start=1):
        if a != b:
            return f"line {number}: README has {a!r}, the notebook gives {b!r}"
    return f"README has {len(was)} lines, the notebook gives {len(now)}"


def main(argv: list[str] | None = None) -> int:
    """Write README.md, or with `--check` compare it only; 0 where it is in step, 1 where it is not,
    2 on an error."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit code 1 where README.md differs"
    )
    parser.add_argument(
        "--root", type=Path, help="the repository (default: found from the working folder)"
    )
    options = parser.parse_args(argv)
    try:
        root = options.root or find_root()
        text = readme(read_notebook(root / "nbs" / "index.ipynb"))
    except (OSError, ValueError) as error:
        print(f"nbs/index.ipynb: {error}", file=sys.stderr)
        return 2
    target = root / "README.md"
    old = target.read_text(encoding="utf-8") if target.is_file() else ""
    if not options.check:
        write_atomic(target, text)
        print("README.md is in step" if old == text else "README.md written")
        return 0
    if old == text:
        return 0
    print(
        f"README.md is not what nbs/index.ipynb gives; {difference(old, text)}\nmend it: {COMMAND}",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
