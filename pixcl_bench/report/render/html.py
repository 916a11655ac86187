"""HTML from templates: jinja2 escapes every text, and no other module writes a tag.

A table is a head and rows of cells; a cell is a text, or a `Cell` of several lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Span:
    """A piece of a line that is more than plain text.

    Attributes:
        text: what is read.
        kind: `code`, or a class of `parts.css` without its prefix: `half`, `small`, `none`,
            `failed`.
        href: where it leads, or empty.
    """

    text: str
    kind: str = ""
    href: str = ""


Piece = str | Span
Line = Piece | Sequence[Piece]


@dataclass(frozen=True)
class Cell:
    """A cell of several lines.

    Attributes:
        lines: each of one or more pieces.
        strong: whether the first line stands out.
        sort: what a sortable table orders it by, an empty text for a hole; its text where None.
    """

    lines: tuple[tuple[Piece, ...], ...]
    strong: bool = False
    sort: float | str | None = None


def cell(*lines: Line, strong: bool = False, sort: float | str | None = None) -> Cell:
    """A cell of these lines; empty ones are left out."""
    pieces = [(line,) if isinstance(line, str | Span) else tuple(line) for line in lines]
    return Cell(tuple(line for line in pieces if any(map(_text, line))), strong, sort)


def _text(piece: Piece) -> str:
    """What is read of a piece."""
    return piece if isinstance(piece, str) else piece.text


def small(text: str) -> Span:
    """A smaller and softer text, for what stands below a number."""
    return Span(text, "small")


def code(text: str) -> Span:
    """A name as it is typed."""
    return Span(text, "code")


@lru_cache(maxsize=1)
def environment() -> "Environment":
    """The templates, with escaping on; a name that a template does not know is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, /, **values: Any) -> "Markup":
    """The template `template` of `templates/`, filled in: HTML that other templates take as it is.

    Raises:
        jinja2.UndefinedError: it asks for a value that is not given.
    """
    from markupsafe import Markup

    return Markup(environment().get_template(template).render(**values))


def trusted(text: str) -> "Markup":
    """Text that is HTML or SVG already, made here from escaped parts."""
    from markupsafe import Markup

    return Markup(text)


def style_sheet() -> "Markup":
    """The frame of the report page and the parts in it, as one style sheet."""
    files = (TEMPLATES / name for name in ("style.css", "parts.css"))
    return trusted("".join(file.read_text(encoding="utf-8") for file in files))


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str | Cell]],
    align: str,
    *,
    legend: Sequence[str] = (),
    sortable: bool = False,
) -> "Markup":
    """A table in a container that scrolls sideways.

    Args:
        head: a text for each column.
        rows: cells of each row; the first is the row's head.
        align: for each column `l` or `r`, or `n` for text that is never broken.
        legend: sentences below it.
        sortable: whether its heads are buttons, for `board.html`.

    Raises:
        ValueError: a row, or `align`, has not as many cells as the head.
    """
    if wrong := {len(head), len(align), *map(len, rows)} - {len(head)}:
        raise ValueError(f"table: {len(head)} columns in the head, but also {sorted(wrong)} cells")
    return render("table.html", head=head, rows=rows, align=align, legend=legend, sortable=sortable)
