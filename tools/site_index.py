"""Puts an `index.html` at the top of the built site that leads to its first page, `nbs/index.html`.

Quarto runs it after rendering (`post-render` of `_quarto.yml`), with the site's folder in
`QUARTO_PROJECT_OUTPUT_DIR`.
"""

import os
from pathlib import Path

from pixcl_bench.bench.records.disk import write_atomic

TARGET = "nbs/index.html"
PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>pixcl_bench</title>
<meta http-equiv="refresh" content="0; url={TARGET}">
<link rel="canonical" href="{TARGET}">
</head>
<body><p>The site starts at <a href="{TARGET}">{TARGET}</a>.</p></body>
</html>
"""


def main(folder: Path | None = None) -> Path:
    """Write the page into `folder` (default: the output folder that Quarto names, else `_docs`).

    Raises:
        FileNotFoundError: the site has not been built there.
    """
    folder = folder or Path(os.environ.get("QUARTO_PROJECT_OUTPUT_DIR", "_docs"))
    if not (folder / TARGET).is_file():
        raise FileNotFoundError(f"{folder}: no {TARGET}: render the site first")
    write_atomic(folder / "index.html", PAGE)
    return folder / "index.html"


if __name__ == "__main__":
    main()
