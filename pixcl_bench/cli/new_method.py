"""`pixcl-bench new-method`: a small method that works, to be replaced piece by piece."""

import importlib.util
import keyword
import re
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import ConfigFile
from pixcl_bench.cli.shared import load, stop

if TYPE_CHECKING:
    from pixcl_bench.bench.config.reading import Config
    from pixcl_bench.bench.config.schema import Task

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PACKAGE = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*")


@dataclass(frozen=True)
class _Plan:
    """What is written: files by their path from the project's folder, the module of the method, and
    whether nbdev still has to write that module."""

    files: dict[str, str]
    module: str
    exported: bool


@app.command("new-method")
def new_method(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name: letters, digits and _.")],
    task: Annotated[str, typer.Option("--task", help="The task that it is a method of.")],
    package: Annotated[
        str | None,
        typer.Option("--package", help="Package of yours beside benchmarks.yaml for its module."),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Write the notebook (and module) of a method that works, and its entry in the YAML file."""
    from pixcl_bench.bench.records.disk import write_atomic
    from pixcl_bench.cli.scaffold import title_of

    loaded = load(config)
    root, entry = _own_root(loaded), loaded.task(task)
    _check_name(loaded, name, task)
    plan = _plan(root, name, task, _template(task, entry), package)
    taken = [path for path in plan.files if (root / path).exists()]
    if taken:
        stop(f"{taken[0]} exists already: nothing was written; take another name for the method")
    method = {
        "title": title_of(name),
        "role": "method",
        "learner": f"{plan.module}:{name}",
    }
    place, text = _with_entry(loaded, task, name, method)
    # The entry comes last: without its module it would be a mistake.
    for path, content in plan.files.items():
        write_atomic(root / path, content)
    write_atomic(place, text)
    _tell(loaded, name, task, plan, place)


def _own_root(config: "Config") -> Path:
    """The folder of the project. Stops where the file is that of the package, used from outside."""
    from pixcl_bench.bench.config.builtin import builtin_project, is_installed

    inside = Path.cwd().resolve().is_relative_to(config.path.parent)
    packaged = config.path.parent == builtin_project() and (is_installed() or not inside)
    if packaged or config.root != config.path.parent:
        stop(
            "a new method needs a project of its own: make one with pixcl-bench init DIR, "
            "and call this command there"
        )
    return config.root


def _check_name(config: "Config", name: str, task: str) -> None:
    from pixcl_bench.bench.config.source import method_entry_points

    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        stop(f"{name!r} is no name for a method: a small letter, then small letters, digits and _")
    entry = config.task(task)
    if name in entry.methods or name in method_entry_points():
        stop(f"the task {task} has a method {name!r} already: take another name")
    if name in entry.groups.methods or name in entry.literature:
        stop(f"the task {task} uses the name {name!r} already: take another")


def _template(task: str, entry: "Task") -> str:
    """The first class of the task's contract that there is a template for."""
    from pixcl_bench.cli.scaffold import templates

    known = templates()
    classes = [spec.rpartition(":")[2] for spec in entry.contract]
    for kind in classes:
        if kind in known:
            return kind
    named = " or ".join(classes) or "no class"
    stop(f"the contract of the task {task} names {named}; templates are of {', '.join(known)}")


def _plan(root: Path, name: str, task: str, template: str, package: str | None) -> _Plan:
    from pixcl_bench.cli.scaffold import cells_of, importing_cells, module_text, notebook_text

    cells = cells_of(template, name, task)
    library = None if package else _nbdev_library(root)
    if library:
        files = {f"nbs/methods/{name}.ipynb": notebook_text(cells)}
        if (root / library / "methods" / f"{name}.py").exists():
            stop(f"{library}/methods/{name}.py exists already: take another name for the method")
        return _Plan(files, f"{library}.methods.{name}", exported=True)
    module = f"{package}.{name}" if package else name
    _check_module(root, module)
    code = [cell for cell in cells if cell.exported or cell.markdown]
    files = dict.fromkeys(_package_files(root, package), "")
    files[f"{module.replace('.', '/')}.py"] = module_text(code)
    files[f"nbs/methods/{name}.ipynb"] = notebook_text(importing_cells(cells, module))
    return _Plan(files, module, exported=False)


def _nbdev_library(root: Path) -> str | None:
    """The library that nbdev exports to, where the project is one with notebooks of methods."""
    parser = ConfigParser(delimiters=["="], interpolation=None)
    parser.read(root / "settings.ini", encoding="utf-8")
    library = parser.defaults().get("lib_path", "")
    there = library and (root / library / "methods").is_dir() and (root / "nbs/methods").is_dir()
    return library if there else None


def _check_module(root: Path, module: str) -> None:
    """Stop where a package of that name is installed, or cannot be."""
    if not _PACKAGE.fullmatch(module):
        stop(f"--package {module.rpartition('.')[0]}: a package is named by letters, digits and _")
    top = module.partition(".")[0]
    spec = importlib.util.find_spec(top)
    origin = Path(spec.origin).resolve() if spec and spec.origin and spec.has_location else None
    if spec and not (origin and origin.is_relative_to(root)):
        stop(f"{top!r} is the name of a package that Python has already: take another name")


def _package_files(root: Path, package: str | None) -> list[str]:
    """The files `__init__.py` that a package still lacks."""
    parts = package.split(".") if package else []
    paths = ["/".join([*parts[: i + 1], "__init__.py"]) for i in range(len(parts))]
    return [path for path in paths if not (root / path).exists()]


def _with_entry(config: "Config", task: str, name: str, method: dict[str, str]) -> tuple[Path, str]:
    """The file that holds the task, and its text with the method in it."""
    from pixcl_bench.bench.config.yamledit import add_entry

    key = ("tasks", task, "methods")
    file = config.document.mark(key, key=True).file
    place = Path(file).resolve()
    at = key if place == config.path else key[2:]
    return place, add_entry(_read(place), file, at, name, method)


def _read(path: Path) -> str:
    """The text of a file with its own ends of lines."""
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def _tell(config: "Config", name: str, task: str, plan: _Plan, place: Path) -> None:
    from pixcl_bench.bench.run.guards import shown

    for path in plan.files:
        print(f"wrote {shown(config.root / path)}")
    print(f"added {name} to {shown(place)}")
    print("\nIt works as it is; replace it piece by piece. Then:")
    if plan.exported:
        print("  nbdev_export                      # writes the module from the notebook")
    print("  pixcl-bench check                 # the files, the arguments, the kind of learner")
    print(f"  pixcl-bench check-method {name} --task {task}")
    print(f"  pixcl-bench run -p smoke --task {task} -m {name}")
