"""The project that comes with the package: `benchmarks.yaml`, its notebooks and published records.

A checkout is that project itself. A wheel carries a copy of its files inside the package, put there
by `setup.py`, which runs this file on its own: it may import the standard library only.
"""

import re
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]
COPY = "_project"
"""The folder of an installed package that holds the project; a checkout has none."""
CONFIG_NAME = "benchmarks.yaml"
_PATTERNS = (
    CONFIG_NAME,
    "benchmarks/**/*.yaml",
    "benchmarks/**/*.csv",
    "benchmarks/papers.toml",
    "nbs/benchmarks/*.ipynb",
    "published/*.jsonl",
)
_EVIDENCE = re.compile(r"(?<![\w.-])evidence:[ \t]*[\"']?([^\s\"',}]+\.ipynb)")


def is_installed() -> bool:
    """Whether this package was installed from a wheel, and does not lie in a checkout."""
    return (_PACKAGE / COPY).is_dir()


def builtin_project() -> Path:
    """The folder with `benchmarks.yaml`, `nbs/benchmarks` and `published`: the checkout, or the
    copy in an installed package. What lies in that copy is not for writing."""
    return _PACKAGE / COPY if is_installed() else _PACKAGE.parent


def project_files(root: Path) -> list[Path]:
    """The files that the runs and claims of the project `root` need, relative to it, sorted: the
    configuration, the benchmark notebooks, the notebooks that claims name as their evidence, and
    the published records. Packages with methods are not among them."""
    found = [path for pattern in _PATTERNS for path in root.glob(pattern)]
    texts = [path.read_text(encoding="utf-8") for path in found if path.suffix == ".yaml"]
    named = [root / name for text in texts for name in _EVIDENCE.findall(text)]
    return sorted({path.relative_to(root) for path in [*found, *named] if path.is_file()})


def own_folder(config: Path, name: str) -> Path:
    """The folder `name` (`results`, `published`) that belongs to a configuration file: beside it,
    but in the working folder where the file is that of the package and is used from elsewhere.

    Raises UsageError where that would be inside an installed package."""
    here, builtin = Path.cwd().resolve(), builtin_project()
    if config.resolve().parent != builtin:
        return config.parent / name
    if not is_installed():
        return (builtin if here.is_relative_to(builtin) else here) / name
    if here.is_relative_to(_PACKAGE):
        from pixcl_bench.bench.errors import UsageError

        raise UsageError(
            f"{name}/ would lie inside the installed package: work in a folder of your own, or make"
            " a project that can be edited with: pixcl-bench init DIR"
        )
    return here / name


def working_folder(root: Path, results: Path) -> Path:
    """Where the kernel of a run works: the project, or the results folder where the project is the
    copy inside an installed package."""
    return results if is_installed() and root.resolve() == builtin_project() else root
