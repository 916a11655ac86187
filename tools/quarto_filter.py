"""Quarto's notebook filter: notebook JSON on stdin, nbdev's processors applied, JSON on stdout.

Named in `_quarto.yml` as `ipynb-filters`. nbdev's own `nbdev_filter` cannot stand there, for Quarto
does not say where the notebook lies, which nbdev asks for.
"""

import contextlib
import json
import os
import sys


def apply(text: str, path: str = "nbs/index.ipynb") -> str:
    """The notebook `text` (JSON) as nbdev shows it: hidden cells gone, directives read, titles as
    front matter.

    Args:
        text: JSON of a notebook.
        path: where nbdev is to believe that it lies; only its folder matters.
    """
    os.environ["IN_TEST"] = "1"  # nbdev must not export while pages are made
    # nbdev prints while it works: stdout is for the notebook alone.
    with contextlib.redirect_stdout(sys.stderr):
        from execnb.nbio import dict2nb, nb2str
        from nbdev.processors import FilterDefaults

        notebook = dict2nb(json.loads(text))
        notebook.path_ = path
        FilterDefaults()(notebook)
        for cell in notebook.cells:
            if cell.cell_type == "raw":
                # It names a page after the path above, which is not the notebook's own.
                lines = cell.source.splitlines()
                cell.source = "\n".join(
                    line for line in lines if not line.startswith("output-file:")
                )
                break
        return str(nb2str(notebook))


if __name__ == "__main__":
    sys.stdout.write(apply(sys.stdin.read()))
