"""The catalogue: which data sets there are, which can be had here, and how to load one.

Imports no torch until a set is loaded. Other packages add data sets through the entry-point group
`pixcl_bench.datasets`. An entry point's name is the data set's name and its value is
`module:ATTRIBUTE`, where the attribute is a `DatasetInfo` whose `loader` names the loading
function. Keep the attribute in a module that does not import torch, so that the catalogue stays
quick:

    [project.entry-points."pixcl_bench.datasets"]
    my-tiles = "my_package.entries:MY_TILES"
"""

import importlib
import inspect
import os
import sys
import warnings
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pixcl_bench.data.cards import BUILT_IN, CardError
from pixcl_bench.data.fetch import FetchError, Member, Source, cache_dir, fetch_member
from pixcl_bench.data.info import DatasetInfo, Published
from pixcl_bench.data.plugins import PluginError, PluginWarning, load_plugin, sort_plugins

if TYPE_CHECKING:
    from pixcl_bench.data.sets.images import ImageSet
    from pixcl_bench.data.sets.landmarks import LandmarkSet
    from pixcl_bench.data.sets.pairs import PairSet
    from pixcl_bench.data.sets.pixels import PixelSet
    from pixcl_bench.data.sets.volumes import VolumeSet

__all__ = [
    "GROUP",
    "CardError",
    "CatalogueError",
    "DatasetInfo",
    "FetchError",
    "Member",
    "Published",
    "Source",
    "cache_dir",
    "catalogue",
    "data_root",
    "fetch_file",
    "fetch_member",
    "find_root",
    "get_info",
    "load",
    "missing",
    "open_folder",
]

GROUP = "pixcl_bench.datasets"


class CatalogueError(ValueError):
    """A data set that is unknown, not there, or wrongly announced by a package."""


class _Catalogue(Mapping[str, DatasetInfo]):
    """Built-in entries, and those of entry points: a package is imported when its entry is looked
    up."""

    def __init__(self, built_in: Mapping[str, DatasetInfo], points: Iterable[EntryPoint]) -> None:
        self._built_in = built_in
        self._points = sort_plugins(points, built_in)

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        yield from self._points.usable

    def __len__(self) -> int:
        return len(self._built_in) + len(self._points.usable)

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._points.usable

    def __getitem__(self, name: str) -> DatasetInfo:
        if name in self._built_in:
            return self._built_in[name]
        return _from_point(self._points.usable[name])

    def loadable(self) -> dict[str, DatasetInfo]:
        """The entries that can be had; warns of each other one."""
        found = {}
        for name in self:
            try:
                found[name] = self[name]
            except CatalogueError as error:
                warnings.warn(f"{error}; it is left out", PluginWarning, stacklevel=2)
        return found

    def items(self) -> ItemsView[str, DatasetInfo]:
        """The names and entries of those that can be had."""
        return self.loadable().items()

    def fault(self, name: str) -> str:
        """Why an entry point of this name cannot be used; empty where there is none."""
        return self._points.faults.get(name, "")


def _from_point(point: EntryPoint) -> DatasetInfo:
    def fault(found: Any) -> str:
        if not isinstance(found, DatasetInfo):
            return f"must be a DatasetInfo named {point.name!r}, it is {found!r:.100}"
        if found.name != point.name:
            return f"must be a DatasetInfo named {point.name!r}, it is one named {found.name!r:.80}"
        return found.fault()

    try:
        info: DatasetInfo = load_plugin(point, fault)
    except PluginError as error:
        raise CatalogueError(f"data set {point.name!r}: {error}") from error
    return info


def catalogue() -> _Catalogue:
    """All data sets by name: the built-in ones, then those of other packages.

    Warns of a foreign entry whose name is in use or cannot be; one that cannot be loaded raises
    CatalogueError when it is looked up.
    """
    return _catalogue(entry_points, tuple(sys.path))


@lru_cache(maxsize=4)
def _catalogue(find: Callable[..., Iterable[EntryPoint]], path: tuple[str, ...]) -> _Catalogue:
    # Looking through the entry points of all installed packages takes some 30 ms.
    return _Catalogue(BUILT_IN, find(group=GROUP))


def get_info(name: str) -> DatasetInfo:
    """The entry of this name. Raises CatalogueError with the nearest names otherwise."""
    known = catalogue()
    if name in known:
        return known[name]
    if fault := known.fault(name):
        raise CatalogueError(f"data set {name!r}: {fault}")
    near = get_close_matches(name, list(known), 1, 0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise CatalogueError(f"unknown data set {name!r}: {hint}known are {', '.join(known)}")


def data_root(root: Path | str | None = None) -> Path | None:
    """The folder of the canonical data sets: `root`, else the environment's `PIXCL_BENCH_DATA`,
    else None."""
    chosen = root or os.environ.get("PIXCL_BENCH_DATA")
    return Path(chosen).expanduser().absolute() if chosen else None


def find_root(name: str, root: Path | str | None) -> Path:
    """The data root that holds the data set `name`.

    Raises CatalogueError saying what to get where it is not there.
    """
    problem, found = missing(name, root), data_root(root)
    if problem is not None or found is None:
        raise CatalogueError(problem or f"data set {name}: no data root is set")
    return found


def open_folder(name: str, root: Path | str | None) -> tuple[DatasetInfo, Path]:
    """Entry and folder of a canonical data set.

    Raises CatalogueError saying what to get where it is not there.
    """
    info, found = get_info(name), find_root(name, root)
    if info.published is None:
        raise CatalogueError(f"data set {name} is {info.kind}: it has no folder")
    return info, found / info.published.folder


def fetch_file(info: DatasetInfo, name: str, cache: Path | None = None) -> Path:
    """The path of a source file by the short name that `info` has for it, fetched where `cache`
    lacks it.

    Raises KeyError for an unknown name, and what `fetch_member` raises.
    """
    source, member = info.member(name)
    return fetch_member(source, member.path, cache)


def missing(name: str, root: Path | str | None = None) -> str | None:
    """None where the data set is there or can be fetched; else what to get, from where, in which
    tree.

    Raises CatalogueError for an unknown name.
    """
    info = get_info(name)
    if info.published is None:
        return None
    folder = data_root(root)
    if folder is None:
        return info.how_to_get("no data root is set")
    if not folder.is_dir():
        return info.how_to_get(f"the data root {folder} does not exist")
    absent = info.absent(folder)
    if not absent:
        return None
    more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
    return info.how_to_get(f"{folder} has no {', '.join(absent[:3])}{more}")


def load(
    name: str,
    root: Path | str | None = None,
    *,
    split_seed: int = 0,
    image_size: int | None = None,
    workers: int | None = None,
    cache: Path | None = None,
) -> "ImageSet | LandmarkSet | PairSet | PixelSet | VolumeSet":
    """Load a data set by name, fetching it first where that is possible.

    The loader gets those of `root`, `split_seed`, `image_size`, `workers`, `cache` that its
    signature names and that are given. Raises CatalogueError (unknown name, not there), FetchError
    (no network, wrong hash), or the loader's own error on bad files.
    """
    problem = missing(name, root)
    if problem is not None:
        raise CatalogueError(problem)
    loader = _loader(get_info(name))
    offered = {
        "root": data_root(root),
        "split_seed": split_seed,
        "image_size": image_size,
        "workers": workers,
        "cache": cache,
    }
    accepted = inspect.signature(loader).parameters
    given = {key: value for key, value in offered.items() if key in accepted and value is not None}
    return cast("ImageSet | LandmarkSet | PairSet | PixelSet | VolumeSet", loader(**given))


def _loader(info: DatasetInfo) -> Any:
    module, _, function = info.loader.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except AttributeError as error:
        raise CatalogueError(
            f"data set {info.name}: module {module} has no function {function!r}"
        ) from error
