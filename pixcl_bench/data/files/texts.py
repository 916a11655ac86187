"""Lists and tables of a user: their encoding, their lines, and names that must stay in a folder."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks; that of UTF-32 begins with that of UTF-16, so it is looked for first."""
_INVISIBLE = "\ufeff\u200b\u2060"


def read_text(path: Path, error: type[Exception] = ValueError) -> str:
    """The content of a text file in UTF-8, or in UTF-16 or UTF-32 with a byte order mark.

    Raises `error` naming the file, and the byte and its place where it is in another encoding.
    """
    try:
        content = path.read_bytes()
    except OSError as reason:
        raise error(f"{path}: cannot be read ({reason.strerror or reason})") from reason
    mark, encoding = next((m for m in _MARKS if content.startswith(m[0])), (b"", "utf-8"))
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as reason:
        raise error(
            f"{path}: is not {encoding.upper()} (byte {reason.object[reason.start]:#04x} at place"
            f" {reason.start + len(mark)}); save it as UTF-8 ('CSV UTF-8' in a spreadsheet), for"
            f" instance with iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8{path.suffix}"
        ) from reason
    if "\0" in text:
        raise error(
            f"{path}: is no text in UTF-8 (a zero byte at place {content.index(0)}); if it is"
            f" UTF-16 without a mark, convert it: iconv -f UTF-16LE -t UTF-8 {path.name}"
        )
    return text


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Number (from 1) and content of each line, without blanks around it.

    Empty lines are left out, and comments: `#` alone or before a blank or another `#`. A name may
    begin with `#`.
    """
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        content = line.strip().strip(_INVISIBLE).strip()
        if content and not re.match(r"#(\s|#|$)", content):
            yield number, content


def read_lines(path: Path, error: type[Exception] = ValueError) -> list[tuple[int, str]]:
    """The numbered lines of a text file; errors as in `read_text`."""
    return list(numbered_lines(read_text(path, error)))


def check_inside(name: str, where: str, error: type[Exception] = ValueError) -> None:
    """Raise `error` naming `where` for a name that leads out of the folder it is relative to."""
    out = ".." in re.split(r"[/\\]", name)
    if out or name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]", name):
        raise error(
            f"{where}: {name!r} leads out of the folder of the data; put the file inside and give"
            " its path from there, without '..' and without a leading '/'"
        )
