"""Converted data: cached once as `.npy` files with a manifest, opened as memory maps that processes
share."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from pixcl_bench.data.fetch import cache_dir, locked
from pixcl_bench.data.fingerprint import file_digest

Arrays = dict[str, np.ndarray]


def converted(
    name: str,
    fingerprint: str,
    build: Callable[[], Mapping[str, np.ndarray]],
    cache: Path | None = None,
    *,
    verify: bool = False,
) -> Arrays:
    """The arrays that `build()` returns, built once per `name`, `fingerprint` and versions of the
    libraries that conversions use.

    They live in a folder of `<cache>/converted/`, put there by one rename, so a killed conversion
    leaves nothing that looks whole. Sizes, dtypes and shapes are checked against the manifest at
    every opening, the sha256 of the content only with `verify`. What does not fit is built again.
    """
    home = (cache or cache_dir()) / "converted"
    facts = f"{fingerprint} {_versions()}"
    folder = home / f"{name}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"
    if (arrays := _open(folder, verify)) is not None:
        return arrays
    with locked(home / f"{folder.name}.lock") as alone:
        if alone:
            for stale in home.glob(f".{folder.name}-*"):
                shutil.rmtree(stale, ignore_errors=True)
        if (arrays := _open(folder, verify)) is not None:
            return arrays
        _store(folder, {"name": name, "fingerprint": fingerprint}, build())
    arrays = _open(folder, verify)
    if arrays is None:
        raise OSError(
            f"the converted data in {folder} cannot be read back: is the disk full or failing?"
        )
    return arrays


LIBRARIES = ("numpy", "scipy", "scikit-image", "pillow", "nibabel", "pynrrd", "h5py", "torch")
"""Another version of one of these may read, resample or draw other values."""


@lru_cache(maxsize=1)
def _versions() -> str:
    found = []
    for library in LIBRARIES:
        try:
            found.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _store(folder: Path, head: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        manifest = head | {
            "arrays": {key: _save(part / f"{key}.npy", value) for key, value in arrays.items()}
        }
        (part / "manifest.json").write_text(
            json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
        if folder.exists():  # it did not fit its manifest, or it would not be built again
            os.replace(folder, part / "replaced")
        os.replace(part, folder)
        shutil.rmtree(folder / "replaced", ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _save(path: Path, array: np.ndarray) -> dict[str, Any]:
    with path.open("wb") as file:
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    shape, size = list(array.shape), path.stat().st_size
    return {"bytes": size, "sha256": file_digest(path), "dtype": array.dtype.str, "shape": shape}


def _open(folder: Path, verify: bool) -> Arrays | None:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return {
            key: _load(folder / f"{key}.npy", entry, verify)
            for key, entry in manifest["arrays"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # absent or damaged: the caller builds it (again)


def _load(path: Path, entry: Mapping[str, Any], verify: bool) -> np.ndarray:
    if path.stat().st_size != entry["bytes"] or (verify and file_digest(path) != entry["sha256"]):
        raise ValueError(f"{path.name} does not fit its manifest")
    # Copy-on-write: torch wants a writable array, and the file stays as it is.
    array: np.ndarray = np.load(path, mmap_mode="c", allow_pickle=False)
    if array.dtype.str != entry["dtype"] or list(array.shape) != entry["shape"]:
        raise ValueError(f"{path.name} does not fit its manifest")
    return array
