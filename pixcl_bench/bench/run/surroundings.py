"""What a run sees of its surroundings: an environment that is the same whoever starts it and from
where.

Three kinds of variables matter. Some reach into Python, Jupyter or matplotlib and are set or left
out. Some change numbers without changing what is computed, and are left out. Those that tune the
numerical libraries for a machine stay, and the record of the run names them."""

import os
import site
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
)
INLINE = "module://matplotlib_inline.backend_inline"
"""The backend that a kernel names before it imports matplotlib."""

PLACES = "PIXCL_BENCH_PATH"
_FOLDERS = ("PIXCL_BENCH_DATA", "PIXCL_BENCH_CACHE")
"""Variables that hold a folder: a run stands elsewhere than the user who wrote `~` or `..`."""

_LEFT_OUT = ("PYTHON", "IPYTHON", "IPYKERNEL", "JUPYTER", "JPY", "PAPERMILL", "NBCLIENT")
_KEPT = frozenset(
    {
        *("PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONUSERBASE", "PYTHONNOUSERSITE"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONFAULTHANDLER"),
    }
)
"""Of those, the ones that say where this very Python lies and where it keeps files."""

_CHANGE_NUMBERS = frozenset(
    {
        *("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),  # precision
        *("OMP_DYNAMIC", "OMP_THREAD_LIMIT", "MKL_DYNAMIC"),  # how many threads, as it happens
        *("MKL_DOMAIN_NUM_THREADS", "OMP_MAX_ACTIVE_LEVELS"),
        "MATPLOTLIBRC",
    }
)
_SET = {
    "PYTHONHASHSEED": "0",
    "PYTHONUNBUFFERED": "1",
    "PYTHONUTF8": "1",
    "PYTHONSAFEPATH": "1",  # Python 3.11: no working folder in front, nor in processes of a run
    "MPLBACKEND": INLINE,
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
_RECORDED = (
    *("OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "BLIS_", "NUMEXPR_", "VECLIB_", "ONEDNN_"),
    *("DNNL_", "ATEN_", "NPY_", "TORCH_", "PYTORCH_", "TORCHINDUCTOR_", "TORCHDYNAMO_"),
    *("CUDA_", "CUBLAS_", "CUDNN_", "NCCL_", "XLA_", "LD_PRELOAD", "MALLOC_"),
)
_PRIVATE = ("_HOME", "_DIR", "_PATH", "_CACHE", "_TOKEN")
"""How names end of variables that hold places or secrets, which no record needs."""


def environment_of(
    base: Mapping[str, str], threads: int, device: str, gpu: str | None = None
) -> dict[str, str]:
    """The environment of a run's processes: `base` without what would reach into them, threads
    shared out, and one GPU (`gpu`), or none for the CPU. Relative folders in it are resolved
    against the working folder of this process."""
    env = {name: value for name, value in base.items() if _stays(name)}
    env.update({name: absolute(env[name]) for name in _FOLDERS if env.get(name)})
    env.update(_SET)
    env.update({name: str(threads) for name in THREADS})
    env[PLACES] = os.pathsep.join(_places(base))
    if rc := _own_matplotlibrc():
        env["MATPLOTLIBRC"] = rc
    if device == "cpu":
        env["CUDA_VISIBLE_DEVICES"] = ""
    elif gpu is not None:
        env["CUDA_VISIBLE_DEVICES"] = gpu
    return env


def _stays(name: str) -> bool:
    upper = name.upper()
    return upper not in _CHANGE_NUMBERS and (upper in _KEPT or not upper.startswith(_LEFT_OUT))


def absolute(path: str) -> str:
    """A path with `~` written out, from the working folder of this process."""
    return str(Path(os.path.expanduser(path)).absolute())


def _places(base: Mapping[str, str]) -> list[str]:
    """Where a run finds packages besides the installed ones: this package, where it is not among
    those, then PYTHONPATH. A folder that PYTHONPATH names by nothing or by `.` is the user's
    working folder; the run has its own."""
    # What is given already comes from a run that starts this one, as on a cluster.
    given = [*base.get("PYTHONPATH", "").split(os.pathsep), *base.get(PLACES, "").split(os.pathsep)]
    found = [absolute(place) for place in given if place]
    return list(dict.fromkeys([*_package_place(), *found]))


def _package_place() -> list[str]:
    """The folder of this package, none where this Python looks there anyway."""
    place = Path(__file__).resolve().parents[3]
    usual = [*site.getsitepackages(), site.getusersitepackages()]
    return [] if place in [Path(folder).resolve() for folder in usual] else [str(place)]


@lru_cache(maxsize=1)
def _own_matplotlibrc() -> str | None:
    """The file of defaults that comes with matplotlib, found without importing it."""
    spec = find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, "mpl-data", "matplotlibrc")
        if path.is_file():
            return str(path)
    return None


def recorded(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment that tune the libraries which make numbers, for the record
    of a run; none of those that every run is given."""
    given = {*_SET, *THREADS, "CUDA_VISIBLE_DEVICES"}
    return {
        name: value
        for name, value in sorted(environ.items())
        if name.startswith(_RECORDED) and not name.endswith(_PRIVATE) and name not in given
    }


def hidden_library(root: Path, libraries: Iterable[str]) -> Path | None:
    """What in a project's folder hides one of these libraries (top-level names) from its runs,
    which look there first: a file or a package of the same name; None where nothing does."""
    for name in sorted({*libraries} - sys.stdlib_module_names):
        own = PathFinder.find_spec(name, [str(root)])
        if own is None or own.origin is None:
            continue
        others = [folder for folder in sys.path if Path(folder).resolve() != root.resolve()]
        installed = PathFinder.find_spec(name, others)
        if installed is not None and installed.origin not in (None, own.origin):
            return Path(own.origin)
    return None
