"""Pages of notebooks without Quarto: the same filter, the same style sheets, no server.

`python -m tools.preview` writes every page to `_preview/`. Formulas stay as they are typed.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ruamel.yaml import YAML

from pixcl_bench.bench.records.disk import write_atomic
from tools import quarto_filter
from tools.project import Cell, Notebook, directives, find_root, joined, notebooks
from tools.project import code as code_of

FOLDER = "_preview"
STYLE = "pixcl.css"
STYLES = "nbs/styles"
PARTS = "pixcl_bench/report/render/templates"
FRAME = """
body { margin: 0; background: var(--px-ground); color: var(--px-ink);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; overflow-wrap: break-word; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; padding: .7rem 1.25rem;
  background: var(--px-band); }
a { color: var(--px-link); }
pre { overflow-x: auto; background: var(--px-band); padding: .6rem .8rem; border-radius: .4rem;
  font-size: .84rem; line-height: 1.4; }
main table:not(.px-table) { display: block; overflow-x: auto; max-width: 100%; }
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{style}">
</head>
<body>
<nav aria-label="site">{links}</nav>
<main>
<h1>{title}</h1>
<p class="px-lead">{summary}</p>
{body}
</main>
</body>
</html>
"""


def style_sheet(root: Path) -> str:
    """The rules of the site in one sheet: light, and dark where the reader's system is."""
    light, dark = (_rules(root / STYLES / f"pixcl-{name}.scss") for name in ("light", "dark"))
    shared = _rules(root / STYLES / "pixcl.scss")
    parts = (root / PARTS / "parts.css").read_text(encoding="utf-8")
    night = f"@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
    return "\n".join((FRAME, shared, light, night, parts))


def _rules(sheet: Path) -> str:
    """The part of a sheet of Sass that is plain CSS."""
    return sheet.read_text(encoding="utf-8").partition("/*-- scss:rules --*/")[2]


def body(notebook: Notebook, folder: str) -> Iterator[str]:
    """The cells of a filtered notebook as HTML."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            yield _markdown(joined(cell["source"]), folder)
        elif cell["cell_type"] == "code":
            words = directives(cell)
            if words.get("echo") != "false":
                yield _code(cell, words)
            yield from (_output(each, words, folder) for each in cell.get("outputs", []))


def _code(cell: Cell, words: dict[str, str]) -> str:
    """The source of a cell, foldable where it is exported."""
    block = f"<pre><code>{escape(code_of(cell))}</code></pre>"
    if "code-fold" not in words:
        return block
    is_open = " open" if words["code-fold"] == "show" else ""
    summary = escape(words.get("code-summary", "Code").strip('"'))
    return f'<details class="code-fold"{is_open}><summary>{summary}</summary>{block}</details>'


def _markdown(text: str, folder: str) -> str:
    """Markdown as HTML; raw blocks of HTML are taken as they are."""
    from nbconvert.filters import markdown2html

    raw = re.match(r"(`{3,})\{=html\}\n(.*)\n\1\s*$", text, re.DOTALL)
    made = raw[2] if raw else markdown2html(re.sub(r"^:::.*$", "", text, flags=re.MULTILINE))
    made = re.sub(r'<a class="anchor-link".*?</a>', "", made)
    made = re.sub(r'(href="(?!\w+:)[^"#]*)\.ipynb', r"\1.html", made)
    return re.sub(r'(<img [^>]*src=")(?!\w+:|data:)', rf"\g<1>{folder}/", made)


def _output(output: dict[str, Any], words: dict[str, str], folder: str) -> str:
    """One output of a cell in a box that scrolls sideways."""
    data = output.get("data", {})
    if output["output_type"] == "stream":
        made = f"<pre>{escape(joined(output['text']))}</pre>"
    elif kind := next((kind for kind in data if kind.startswith("image/")), None):
        alt = escape(words.get("fig-alt", "").strip("\"'"), quote=True)
        picture = joined(data[kind]).replace("\n", "")
        made = f'<img alt="{alt}" src="data:{kind};base64,{picture}">'
    elif "text/markdown" in data:
        made = _markdown(joined(data["text/markdown"]), folder)
    else:
        made = f"<pre>{escape(joined(data.get('text/plain', '')))}</pre>"
    return f'<div class="cell-output-display">{made}</div>'


def page(source: Path, root: Path, out: Path) -> str:
    """The page of a notebook for the folder `out`."""
    made = json.loads(quarto_filter.apply(source.read_text(encoding="utf-8")))
    head = next((joined(c["source"]) for c in made["cells"] if c["cell_type"] == "raw"), "")
    front = YAML(typ="safe").load(head.strip().strip("-")) or {}
    here = (out / source.relative_to(root)).parent
    return _PAGE.format(
        title=escape(str(front.get("title", source.stem))),
        summary=escape(str(front.get("description", ""))),
        style=relative(out / STYLE, here),
        links=_links(root, out, here),
        # Pictures stay where they are: only pages are written.
        body="\n".join(body(made, relative(source.parent, here))),
    )


def relative(target: Path, here: Path) -> str:
    """The address of a file as it stands in a page of the folder `here`."""
    return quote(Path(os.path.relpath(target, here)).as_posix())


def _links(root: Path, out: Path, here: Path) -> str:
    """The links of the site's bar, as `_quarto.yml` has them."""
    site = YAML(typ="safe").load((root / "_quarto.yml").read_text(encoding="utf-8"))["website"]
    found = []
    for entry in site["navbar"]["left"]:
        href = relative((out / entry["href"]).with_suffix(".html"), here)
        found.append(f'<a href="{href}">{escape(entry["text"])}</a>')
    return "\n".join(found)


def write(root: Path, chosen: Sequence[Path], out: Path) -> list[Path]:
    """Write the pages of these notebooks below `out`, in the folders of the notebooks."""
    write_atomic(out / STYLE, style_sheet(root))
    written = []
    for source in chosen:
        target = (out / source.relative_to(root)).with_suffix(".html")
        write_atomic(target, page(source, root, out))
        written.append(target)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages; the exit code is 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="only these (default: all)")
    parser.add_argument("--out", type=Path, help=f"the folder of the pages (default: {FOLDER})")
    asked = parser.parse_args(arguments)
    root = find_root()
    out = (asked.out or root / FOLDER).resolve()
    chosen = [path.resolve() for path in asked.notebooks] or list(notebooks(root))
    written = write(root, chosen, out)
    print(f"{len(written)} pages in {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
