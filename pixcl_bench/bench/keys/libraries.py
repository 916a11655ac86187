"""The versions of the libraries that make the numbers, read without importing them."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version

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
    return packages_distributions()


@lru_cache(maxsize=256)
def distribution_of(package: str) -> str:
    """The distribution that a top-level package comes from; its own name where none is
    installed."""
    found = _distributions().get(package)
    return sorted(found)[0] if found else package
