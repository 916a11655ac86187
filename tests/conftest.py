"""Types and shapes of all of pixcl_bench are checked in tests; data come through the ordinary
cache."""

import os
from typing import TYPE_CHECKING

import pytest
from jaxtyping import install_import_hook
from project import ROOT

# Before anything of the package is imported, or that part stays unchecked. `meaning` is left out:
# it has no
# tensors, and calls a function for every node of every syntax tree of the package, many times over.
_ROOMS = [path.stem for path in (ROOT / "pixcl_bench").iterdir()]
_CHECKED = [f"pixcl_bench.{room}" for room in sorted(_ROOMS) if room not in ("meaning", "__init__")]
install_import_hook(_CHECKED, "typechecks.check")

# The grids of tests are small and need no torch: only the tests of warm starts wait for its import.
os.environ.setdefault("PIXCL_BENCH_WARM", "0")

if TYPE_CHECKING:
    from pixcl_bench.data.sets.images import ImageSet
    from pixcl_bench.data.sets.volumes import VolumeSet


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "canonical(name): needs the data set `name` under PIXCL_BENCH_DATA"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip by name what this machine cannot run."""
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("gpu: torch sees no CUDA device here")
    marker = item.get_closest_marker("canonical")
    if marker is not None:
        from pixcl_bench.data.catalogue import missing

        problem = missing(marker.args[0])
        if problem is not None:
            pytest.skip(f"canonical: {problem.splitlines()[0]}")


@pytest.fixture(scope="session")
def landcover_tiles() -> "ImageSet":
    """The embedded data set `landcover-tiles`, fetched with pip where the cache lacks it."""
    from pixcl_bench.data.catalogue import load

    return load("landcover-tiles")


@pytest.fixture(scope="session")
def digits() -> "ImageSet":
    """The embedded data set `digits`, fetched with pip where the cache lacks it."""
    from pixcl_bench.data.catalogue import load

    return load("digits")


@pytest.fixture(scope="session")
def brain() -> "VolumeSet":
    """The embedded data set `brain`, fetched with pip where the cache lacks it."""
    from pixcl_bench.data.embedded.anatomy import brain as load_brain

    return load_brain()


@pytest.fixture(scope="session")
def torso() -> "VolumeSet":
    """The embedded data set `torso`, fetched with pip where the cache lacks it."""
    from pixcl_bench.data.embedded.anatomy import torso as load_torso

    return load_torso()
