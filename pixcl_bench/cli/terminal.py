"""Standard streams that take every text, whatever the locale is and whoever reads them."""

import codecs
import os
import sys
import unicodedata
import warnings
from collections.abc import Callable
from typing import Any

_ASCII = {
    **{"±": "+/-", "×": "x", "·": "*", "−": "-", "–": "-", "—": "-", "…": "...", "≥": ">="},
    **{"≤": "<=", "≈": "~", "→": "->", "←": "<-", "“": '"', "”": '"', "‘": "'", "’": "'"},
    **{"µ": "u", "μ": "u", "✓": "+", "✗": "x", "°": "deg", "\u00a0": " ", "\u202f": " "},
    **dict.fromkeys("━─═╌┄", "-"),
    **dict.fromkeys("┃│║", "|"),
    **dict.fromkeys("┏┓┗┛┳┻╋┣┫┡┩╇┌┐└┘├┤┬┴┼╭╮╰╯", "+"),
}
"""What stands for characters that an encoding does not have."""

CLOSED = 141
"""The exit code where nobody reads the output any more: 128 and SIGPIPE, as a shell shows it."""


def plain(text: str) -> str:
    """A text in ASCII: signs by others that look like them, letters without accents, else `?`."""
    return "".join(map(_plain, text))


def _plain(character: str) -> str:
    if character.isascii():
        return character
    if character in _ASCII:
        return _ASCII[character]
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode() or "?"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return plain(error.object[error.start : error.end]), error.end


def prepare() -> None:
    """Make the standard streams of this process take every text. One that was closed becomes one
    that forgets. Warnings are shown as one line, and are no errors of a command: PYTHONWARNINGS is
    for those who write programs."""
    codecs.register_error("pixcl_bench.plain", _replace)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        reconfigure: Callable[..., None] | None = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="pixcl_bench.plain")
    warnings.filterwarnings("default", category=Warning, append=True)
    warnings.filters[:] = [each for each in warnings.filters if each[0] != "error"]  # type: ignore[index]
    warnings.showwarning = show_warning


def show_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    """A warning as one line on stderr; of Python's own kinds, which speak to programmers, none."""
    if not issubclass(category, DeprecationWarning | PendingDeprecationWarning | ImportWarning):
        print(f"pixcl-bench: warning: {' '.join(str(message).split())}", file=sys.stderr)


def flush() -> bool:
    """Write out what is left; False where nobody reads it. Then nothing more is written, also not
    when Python ends."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _forget()
        return False
    except (OSError, ValueError):  # a full disk, or a stream closed by somebody
        return True
    return True


def _forget() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.__stdout__.fileno() if sys.__stdout__ else 1)
    except (OSError, ValueError):
        pass
    finally:
        os.close(nowhere)
