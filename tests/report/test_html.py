"""The table of cells that all HTML is made of: escaping, lines, links."""

from xml.dom import minidom

import pytest
from jinja2 import UndefinedError

from pixcl_bench.report.render import html
from pixcl_bench.report.render.html import Cell, Span, cell, code, small

EVIL = "<script>alert('x')</script> & \""
SAFE = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &#34;"


def cells_of(text: str) -> list[str]:
    """The inner HTML of the cells of a table's body."""
    nodes = minidom.parseString(str(text).replace("<br>", "<br/>")).getElementsByTagName("tbody")[0]
    every = [n for row in nodes.getElementsByTagName("tr") for n in row.childNodes]
    return ["".join(part.toxml() for part in node.childNodes) for node in every]


def test_every_text_is_escaped() -> None:
    row = [EVIL, cell(EVIL), cell(code(EVIL), small(EVIL), Span(EVIL, "half", href=""))]
    text = html.table([EVIL, "b", "c"], [row], "llr", legend=[EVIL])
    assert "<script" not in text
    assert text.count(SAFE) == 7
    assert html.render("none.html") == "<p>None.</p>\n"


def test_an_address_cannot_leave_its_attribute() -> None:
    text = html.table(["a"], [[cell(Span("x", href='"><script>'))]], "l")
    assert '<a href="&#34;&gt;&lt;script&gt;">x</a>' in text


def test_a_cell_is_its_lines() -> None:
    rows = [["plain", cell(("54.3", Span(" ± 1.2", "half")), small("below"), "", strong=True)]]
    assert cells_of(html.table(["a", "b"], rows, "lr")) == [
        "plain",
        '<strong>54.3<span class="px-half"> ± 1.2</span></strong><br/>'
        '<span class="px-small">below</span>',
    ]


def test_empty_lines_are_left_out() -> None:
    assert cell("a", "", small(""), ("", code(""))) == Cell((("a",),))
    assert cell() == Cell(())


def test_heads_and_rows_are_marked_for_those_who_hear_the_page() -> None:
    text = html.table(["a", "b"], [["1", "2"], ["3", "4"]], "lr")
    assert text.count('<th scope="col"') == 2
    assert text.count('<th scope="row"') == 2
    assert text.count('<td class="r">') == 2
    assert 'tabindex="0"' in text
    assert "px-legend" not in text


@pytest.mark.parametrize(("row", "align"), [(["1"], "lr"), (["1", "2"], "lrr")])
def test_a_row_of_the_wrong_width_is_refused(row: list[str], align: str) -> None:
    with pytest.raises(ValueError, match="2 columns in the head"):
        html.table(["a", "b"], [row], align)


def test_a_template_must_be_given_all_that_it_names() -> None:
    with pytest.raises(UndefinedError, match="summary"):
        html.render("details.html", inner="", is_open=False)


def test_every_template_escapes() -> None:
    """Nothing is marked as safe inside a template: only code that made the HTML may say so."""
    for path in html.TEMPLATES.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        found = [word for word in ("| safe", "|safe", "autoescape", "http") if word in text]
        assert not found, path.name
