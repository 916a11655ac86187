"""The versions of the libraries that make the numbers, read without importing them."""

import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version

from pixcl_bench.data.fingerprint import code_shelves

ALWAYS = ("torch", "numpy")
"""Every number comes out of these, whether the code of a run names them or not."""

NO_NUMBERS = frozenset(
    {
        *("matplotlib", "seaborn", "tqdm", "rich", "IPython", "ipywidgets"),
        *("jaxtyping", "beartype", "safetensors", "pydantic", "papermill", "typer", "filelock"),
    }
)
"""Libraries that draw, show progress, check types or write files."""


def library_versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of the distributions that hold these top-level packages, and of those always
    used; "absent" where one is not installed. By the name of the distribution: `skimage` is
    `scikit-image`."""
    names = {distribution_of(package) for package in packages if package not in NO_NUMBERS}
    return {name: version_of(name) for name in sorted({*names, *ALWAYS})}


@lru_cache(maxsize=256)
def version_of(distribution: str) -> str:
    """The version of an installed distribution, or "absent"."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "absent"


@lru_cache(maxsize=1)
def _distributions() -> Mapping[str, list[str]]:
    """The distributions that hold each top-level package. Reading the lists of all installed files
    takes a second, so the answer is kept until something is installed or removed."""
    place, state = code_shelves() / "distributions.json", _installed()
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(place.read_text(encoding="utf-8"))
        if kept["state"] == state:
            return {str(name): [str(d) for d in held] for name, held in kept["packages"].items()}
    found = packages_distributions()
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_suffix(f".{secrets.token_hex(4)}.tmp")
        fresh.write_text(json.dumps({"state": state, "packages": found}), encoding="utf-8")
        os.replace(fresh, place)
    return found


def _installed() -> str:
    """A hash of what is installed where Python looks: names and times of the folders with the
    metadata of distributions."""
    found = []
    for place in sys.path:
        with suppress(OSError), os.scandir(place or ".") as entries:
            found += [
                (entry.path, entry.stat().st_mtime_ns)
                for entry in entries
                if entry.name.endswith((".dist-info", ".egg-info", ".egg-link", ".egg"))
            ]
    words = f"{sys.version_info[:3]} {sys.path} {sorted(found)}"
    return hashlib.sha256(words.encode("utf-8", "surrogateescape")).hexdigest()


@lru_cache(maxsize=256)
def distribution_of(package: str) -> str:
    """The distribution that a top-level package comes from; its own name where none is
    installed."""
    found = _distributions().get(package)
    return sorted(found)[0] if found else package
