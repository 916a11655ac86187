"""The first file of every process of a run: puts the search path of modules in order, then starts
its part.

Called by its path, `python start.py PART ARGUMENT...`, so that no folder of the user comes before
the standard library: a `random.py` beside `benchmarks.yaml` must not take the place of Python's
own. Places for packages are given in the variable PIXCL_BENCH_PATH and come between the standard
library and the installed packages. A part is a module of this folder with a function `begin`.
"""

import sys


def order(path: list[str], places: list[str]) -> list[str]:
    """A search path with `places` before the first folder of installed packages, and without what
    was there of them."""
    rest = [folder for folder in path if folder not in places]
    ends = ("site-packages", "dist-packages")
    first = next((i for i, folder in enumerate(rest) if folder.endswith(ends)), len(rest))
    return [*rest[:first], *places, *rest[first:]]


def _start() -> None:
    own = __file__.replace("\\", "/").rpartition("/")[0]
    sys.path[:] = [folder for folder in sys.path if folder.replace("\\", "/") != own]
    import os
    from importlib import import_module

    places = os.environ.get("PIXCL_BENCH_PATH", "")
    sys.path[:] = order(sys.path, [place for place in places.split(os.pathsep) if place])
    # The part stays a module of its own name, so that its classes are the same everywhere.
    part = import_module(f"pixcl_bench.bench.run.{sys.argv[1]}")
    sys.exit(part.begin(sys.argv[2:]))


if __name__ == "__main__":
    _start()
