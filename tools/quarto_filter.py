"""Quarto's notebook filter: notebook JSON on stdin, the page that it becomes as JSON on stdout.

Named in `_quarto.yml` as `ipynb-filters`. It applies nbdev's processors but for those that execute
code: the exported code itself is shown, in place of a signature without it, so that pages need no
torch and no data. HTML outputs become raw blocks, for which Quarto asks no other host for scripts.
"""

import ast
import contextlib
import json
import re
import sys
from collections.abc import Sequence
from typing import Any

HIDDEN = frozenset({"hide", "default_exp"})
"""Directives of cells that are no part of a page."""
EXPORTED = frozenset({"export", "exports", "exporti"})
RAW_HTML = "<!--| quarto-html-table-processing: none -->"
"""Inside a raw block: Quarto leaves the tables in it as they are."""


def apply(text: str, path: str = "nbs/index.ipynb") -> str:
    """The notebook `text` (JSON) as its page shows it: hidden cells gone, directives read, exported
    code marked, the title as front matter, HTML outputs as raw blocks.

    Args:
        text: JSON of a notebook.
        path: where nbdev is to believe that it lies; only its folder matters.
    """
    # nbdev prints while it works: stdout is for the notebook alone.
    with contextlib.redirect_stdout(sys.stderr):
        from execnb.nbio import dict2nb, nb2str
        from nbdev.process import NBProcessor

        notebook = dict2nb(json.loads(text))
        notebook.path_ = path
        NBProcessor(nb=notebook, procs=_processors()).process()
        _name_no_file(notebook)
        notebook.metadata.pop("widgets", None)
        return str(nb2str(notebook))


def _processors() -> Sequence[Any]:
    """Those of nbdev's that only read and rewrite cells, then ours."""
    from nbdev import processors as nbdev
    from nbdev.frontmatter import FrontmatterProc

    first = [FrontmatterProc, nbdev.populate_language, nbdev.strip_ansi, nbdev.hide_line]
    then = [nbdev.filter_stream_, nbdev.rm_header_dash, nbdev.strip_hidden_metadata]
    return [*first, *then, _show, nbdev.clean_magics, _without_scripts]


def _name_no_file(notebook: Any) -> None:
    """Drop what nbdev adds to the front matter: it names a page after `path`, which is not the
    notebook's own."""
    for cell in notebook.cells[:1]:
        if cell.cell_type == "raw":
            lines = cell.source.splitlines()
            cell.source = "\n".join(line for line in lines if not line.startswith("output-file:"))


def _show(cell: Any) -> None:
    """Hidden cells go; exported ones stay open, but for imports, which are folded."""
    found = set(cell.directives_)
    if cell.cell_type != "code":
        return
    if found & HIDDEN:
        del cell["source"]
    elif found & EXPORTED:
        fold, summary = ("true", "Imports") if _imports(cell) else ("show", "Exported code")
        cell.source = f'#| code-fold: {fold}\n#| code-summary: "{summary}"\n{cell.source}'


def _imports(cell: Any) -> bool:
    """Whether a cell does nothing but import."""
    return all(
        isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(cell.source).body
    )


def _without_scripts(cell: Any) -> None:
    """HTML outputs as raw blocks of Markdown: for outputs of the kind HTML Quarto would put scripts
    of another host into the page."""
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "text/html" in data:
            data["text/markdown"] = [raw_block("".join(data.pop("text/html")))]


def raw_block(html: str) -> str:
    """HTML as a fenced raw block of Markdown, whatever backticks it holds."""
    longest = max(map(len, re.findall("`+", html)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{{=html}}\n{RAW_HTML}\n{html.strip()}\n{fence}\n"


if __name__ == "__main__":
    sys.stdout.write(apply(sys.stdin.read()))
