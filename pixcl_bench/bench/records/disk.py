"""Writing to a disk that may be full, read-only, or taken away: a file is the old one or the new
one, and an error is one sentence with the path."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixcl_bench.bench.errors import DiskError

_ADVICE = {
    errno.ENOSPC: "free some space, or name another folder with --results",
    errno.EDQUOT: "free some space, or name another folder with --results",
    errno.EROFS: "name a folder that can be written with --results",
    errno.EACCES: "name a folder that can be written with --results",
    errno.EPERM: "name a folder that can be written with --results",
    errno.ENOTDIR: "a part of the path is a file: name another folder with --results",
    errno.EEXIST: "a part of the path is a file: name another folder with --results",
    errno.ENAMETOOLONG: "name a folder with a shorter path with --results",
}


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Errors of the system while `path` is written, as a DiskError that names it."""
    try:
        yield
    except DiskError:
        raise
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "")
        what = error.strerror or str(error)
        text = f"{path}: cannot be written: {what}" + (f": {advice}" if advice else "")
        raise DiskError(text) from error


def write_atomic(path: Path, text: str) -> None:
    """Write a text file so that it is either the old one or the new one, whatever is killed and
    when. Raises DiskError; then nothing of the new one is left."""
    with written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        name = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        # Made by `os.open` so that the umask of the user decides who may read it.
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            name.unlink(missing_ok=True)
            raise


def make_folder(path: Path) -> Path:
    """Make a folder and those above it. Raises DiskError."""
    with written(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder. Raises DiskError."""
    with written(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
