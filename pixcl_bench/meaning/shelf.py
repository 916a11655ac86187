"""What the graph of a project found, kept on disk for the next process.

Everything that the meaning of code depends on is in the name of the place where it is kept: the
content of every source file of the packages, this package's own way of reading them, the version of
Python. So nothing that is found there can be out of date, and losing it costs only time."""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from pixcl_bench.meaning.source import Stamp, package_folder, stamp_of

Key = tuple[tuple[str, ...], ...]
Kept = tuple[str, tuple[Path, ...], tuple[str, ...], Mapping[str, str]]
"""Hash, files, libraries and definitions of a code."""

_STATES = 8


class Shelf:
    """Codes of one state of a project's packages."""

    def __init__(
        self, folder: Path, root: Path | None, packages: frozenset[str], boundary: str
    ) -> None:
        """folder: of all states. root, packages, boundary: of the graph."""
        self.folder = folder
        self.packages = {name: package_folder(name, root) for name in sorted(packages)}
        self.boundary = boundary
        self._stamps: dict[Path, Stamp] = {}
        self._state: Path | None = None

    def changed(self) -> bool:
        """Whether a source file has changed since the last look; the first look is a change."""
        if self._stamps and self._same():
            return False
        self._state = self._look()
        return True

    def _same(self) -> bool:
        return all(stamp_of(path) == stamp for path, stamp in self._stamps.items())

    def get(self, key: Key) -> Kept | None:
        """What was found for a key in this very state of the sources, or None."""
        if self._state is None:
            return None
        try:
            text = (self._state / f"{_name(key)}.json").read_text(encoding="utf-8")
            body, _, mark = text.rpartition("\n")
            if hashlib.sha256(body.encode()).hexdigest() != mark:
                return None
            data = json.loads(body)
            files = tuple(self._path(name) for name in data["files"])
            return data["hash"], files, tuple(data["libraries"]), data["definitions"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: Key, found: Kept) -> None:
        """Keep what was found; a disk that cannot be written keeps nothing."""
        code, files, libraries, definitions = found
        if self._state is None or not self._same():
            return  # a file that changed while it was read belongs to another state
        with contextlib.suppress(OSError, ValueError, KeyError):
            data = {
                "hash": code,
                "files": [self._place(path) for path in files],
                "libraries": libraries,
                "definitions": dict(definitions),
            }
            body = json.dumps(data, sort_keys=True)
            if not self._state.is_dir():
                self._state.mkdir(parents=True)
                self._prune()
            target = self._state / f"{_name(key)}.json"
            fresh = target.with_suffix(f".{secrets.token_hex(4)}.tmp")
            fresh.write_text(
                f"{body}\n{hashlib.sha256(body.encode()).hexdigest()}", encoding="utf-8"
            )
            os.replace(fresh, target)

    def _look(self) -> Path | None:
        """The place of the present state; None where it cannot be told."""
        state = hashlib.sha256(f"{sys.version_info[:3]} {self.boundary}".encode())
        self._stamps.clear()
        own = sorted(Path(__file__).parent.glob("*.py"))
        try:
            for path in own:
                state.update(path.read_bytes() + b"\0")
            for name, folder in self.packages.items():
                state.update(f"package {name}\0".encode())
                for path in _sources(folder):
                    self._stamps[path] = stamp_of(path)
                    state.update(self._place(path).encode() + b"\0" + path.read_bytes() + b"\0")
        except (OSError, KeyError):
            return None
        return self.folder / state.hexdigest()[:24]

    def _place(self, path: Path) -> str:
        """A file of the packages, independent of where these lie. Raises KeyError for others."""
        for name, folder in self.packages.items():
            if folder is not None and path.is_relative_to(folder):
                return f"{name}/{path.relative_to(folder).as_posix()}"
        raise KeyError(path)

    def _path(self, place: str) -> Path:
        name, _, inside = place.partition("/")
        folder = self.packages[name]
        if folder is None:
            raise KeyError(place)
        return folder if inside == "." else folder / inside

    def _prune(self) -> None:
        """Keep the newest states."""
        states = [path for path in self.folder.iterdir() if path.is_dir()]
        states.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in states[_STATES:]:
            shutil.rmtree(path, ignore_errors=True)


def _sources(folder: Path | None) -> list[Path]:
    """Every source file of a package. Raises OSError where a folder of it is a link: what lies
    there would go unseen."""
    if folder is None or folder.is_file():
        return [folder] if folder else []
    found = []
    for place, folders, names in os.walk(folder):
        if any(os.path.islink(os.path.join(place, name)) for name in folders):
            raise OSError(f"{place}: a link to a folder")
        folders[:] = sorted(name for name in folders if name.isidentifier())
        found += [Path(place, name) for name in sorted(names) if name.endswith(".py")]
    return found


def _name(key: Key) -> str:
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]
