"""The key of a run: its resolved settings, its data, the meaning of its code, the versions of
its libraries."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixcl_bench.bench.config.grid import Run
from pixcl_bench.bench.keys.libraries import library_versions
from pixcl_bench.bench.notebook import numbers_code
from pixcl_bench.data.fingerprint import code_shelves
from pixcl_bench.meaning.graph import HOME, Boundary, Code, code_graph

if TYPE_CHECKING:
    from pixcl_bench.data.info import DatasetInfo

_IN_KEY = (
    "task",
    "dataset",
    "method",
    "seed",
    "args",
    "settings",
    "device",
    "threads",
    "data_fingerprint",
)

BOUNDARY = Boundary(
    modules=(
        # Machinery that carries numbers and does not make them.
        *(f"{HOME}.{room}" for room in ("bench", "report", "cli", "app", "meaning")),
        *(
            f"{HOME}.data.{name}"
            for name in ("catalogue", "fetch", "info", "fingerprint", "listing", "cards", "plugins")
        ),
        # What it makes is in the resolved settings.
        f"{HOME}.tasks.settings",
    ),
    # Describes the machine; no number depends on it.
    names=frozenset({(f"{HOME}.runtime", "environment")}),
)


def run_code(run: Run, root: Path) -> Code:
    """The code that a run reaches from the builder of its learner and from its notebook; the
    notebook is among its files."""
    packages = frozenset(name.split(".")[0] for name in (HOME, run.learner, run.code))
    notebook = root / run.notebook
    graph = code_graph(root, BOUNDARY, packages, code_shelves())
    code = graph.code([run.learner], numbers_code(notebook))
    return replace(code, files=(*code.files, notebook))


class Codes:
    """The code of runs and of their data, each read once: for many runs at one moment."""

    def __init__(self, root: Path) -> None:
        """root: of the project."""
        self.root = root
        self._runs: dict[tuple[str, str, str], Code] = {}
        self._data: dict[str, Code | None] = {}

    def __getitem__(self, run: Run) -> Code:
        place = (run.learner, run.code, run.notebook)
        if place not in self._runs:
            self._runs[place] = run_code(run, self.root)
        return self._runs[place]

    def data(self, dataset: str) -> Code | None:
        """The code that makes a data set, None where the catalogue does not know it."""
        if dataset not in self._data:
            self._data[dataset] = data_code(dataset)
        return self._data[dataset]


def code_hash(run: Run, root: Path) -> str:
    """The hash (20 hex digits) of the code that a run reaches."""
    return run_code(run, root).hash


def data_code(dataset: str) -> Code | None:
    """The code that makes a data set, None where the catalogue does not know it."""
    info = _entry(dataset)
    return None if info is None else info.meaning()


@lru_cache(maxsize=256)
def _entry(dataset: str) -> "DatasetInfo | None":
    # Looking through the entry points of all installed packages takes some 30 ms.
    from pixcl_bench.data.catalogue import CatalogueError, get_info

    try:
        return get_info(dataset)
    except CatalogueError:
        return None


def run_versions(run: Run, root: Path, codes: Codes | None = None) -> dict[str, str]:
    """The versions, in this environment, of every library that the code of a run or of its data
    uses."""
    codes = codes or Codes(root)
    data = codes.data(run.dataset)
    return library_versions({*codes[run].libraries, *(data.libraries if data else ())})


def run_key(
    run: Run, root: Path, versions: Mapping[str, str] | None = None, codes: Codes | None = None
) -> str:
    """The key of a run, 20 hex digits. `versions`: those of the libraries that it ran with;
    those of this environment by default. `codes`: of the runs asked about at the same moment. The
    profile's name, the time limit and the place of the code are not in it."""
    codes = codes or Codes(root)
    parts: dict[str, Any] = {name: getattr(run, name) for name in _IN_KEY}
    parts["code"] = codes[run].hash
    parts["versions"] = dict(versions or run_versions(run, root, codes))
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:20]


def canonical_json(data: object) -> str:
    """JSON with sorted keys and without blanks: the same text for the same data."""
    return json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
