"""The functions of `import pixcl_bench as pb`: what there is, build it, load it, run it.

Everything heavy is imported inside them. `config` is a `benchmarks.yaml`; without one, that of the
working folder or above is taken, else the one that comes with the package, as on the command line.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import BaseModel
    from torch import nn

    from pixcl_bench.bench.config.reading import Config
    from pixcl_bench.bench.records.store import Record
    from pixcl_bench.data.sets.images import ImageSet
    from pixcl_bench.data.sets.landmarks import LandmarkSet
    from pixcl_bench.data.sets.pairs import PairSet
    from pixcl_bench.data.sets.pixels import PixelSet
    from pixcl_bench.data.sets.volumes import VolumeSet

    DataSet = ImageSet | LandmarkSet | PairSet | PixelSet | VolumeSet


class RunFailedError(RuntimeError):
    """A run that ended without a result. `record`: its record, with `reason` and `detail`."""

    def __init__(self, record: "Record", folder: Path):
        where = record.folder.as_posix()
        super().__init__(f"{where}: {record.reason}: {record.detail} (see {folder / 'run.log'})")
        self.record = record


def list_tasks(*, config: Path | str | None = None) -> "pd.DataFrame":
    """The tasks: `task`, `title`, its primary `metric`, and how many `methods` and `datasets` it
    has."""
    loaded = _config(config)
    return _frame(
        {
            "task": name,
            "title": task.title,
            "metric": task.metrics[task.primary].label,
            "methods": len(task.methods),
            "datasets": len(task.datasets),
        }
        for name, task in loaded.tasks.items()
    )


def list_methods(task: str | None = None, *, config: Path | str | None = None) -> "pd.DataFrame":
    """The methods of a task, or of all: `task`, `method`, `title`, and `role` (method, baseline,
    floor, ceiling, ...). Raises UsageError for an unknown task."""
    loaded = _config(config)
    return _frame(
        {"task": name, "method": method, "title": entry.title, "role": entry.role}
        for name in ([task] if task else loaded.tasks)
        for method, entry in loaded.task(name).methods.items()
    )


def list_datasets(task: str | None = None, *, config: Path | str | None = None) -> "pd.DataFrame":
    """The data sets of a task, or all that there are: `dataset`, `title`, `kind` (embedded,
    synthetic, canonical), `state` (is it here?), `size` and `licence`. Raises UsageError for an
    unknown task."""
    from pixcl_bench.bench.run.listing import data_state
    from pixcl_bench.data.catalogue import catalogue, get_info

    names = list(_config(config).task(task).datasets) if task else list(catalogue().loadable())
    return _frame(
        {
            "dataset": name,
            "title": info.title,
            "kind": info.kind,
            "state": data_state(name),
            "size": info.size,
            "licence": info.licence,
        }
        for name, info in ((name, get_info(name)) for name in names)
    )


def load(
    name: str,
    *,
    split_seed: int = 0,
    image_size: int | None = None,
    root: Path | str | None = None,
) -> "DataSet":
    """Load a data set by name, fetched first where that is possible.

    split_seed: of splits that are drawn. image_size: side in pixels, for sets that can be had at
    several. root: folder of the canonical data sets. Raises CatalogueError (unknown, or not here:
    the message says how to get it) or FetchError (no network, wrong hash)."""
    from pixcl_bench.data import catalogue

    return catalogue.load(name, root, split_seed=split_seed, image_size=image_size)


def build(
    method: str,
    task: str | None = None,
    profile: str = "quick",
    dataset: str | None = None,
    *,
    seed: int = 0,
    config: Path | str | None = None,
    **overrides: Any,
) -> "nn.Module":
    """The untrained learner of a method with its network, exactly as a run of the task starts with
    it.

    task: may be left out where one task alone has the method. profile: whose settings and options
    are taken. dataset: what the network is made for (its classes, its mean and deviation); by
    default the first that the profile runs the method on. seed: of all weights; the global random
    state is set. overrides: settings of the task (`image_size=32`), or options of the method
    (`temperature=0.1`).

    Raises UsageError for a name or a value that does not fit, with the nearest right one, and the
    errors of `load`."""
    from pixcl_bench.bench.config.source import resolve_learner
    from pixcl_bench.data import catalogue

    loaded = _config(config)
    loaded.profile(profile)
    task = task or _task_of(loaded, method)
    learner = resolve_learner(loaded.method(task, method).learner)
    dataset = dataset or _first_dataset(loaded, task, profile, method)
    model = loaded.settings_model(task)
    mine = {k: v for k, v in overrides.items() if k.partition(".")[0] in model.model_fields}
    values = loaded.settings(task, dataset, method, profile, mine)
    options = {k: v for k, v in overrides.items() if k not in mine}
    args = _checked(loaded, learner, {**loaded.args(task, method, profile, dataset), **options})
    sizes = {k: values[k] for k in ("split_seed", "image_size") if k in values}
    data = catalogue.load(dataset, **sizes)
    settings = model.model_validate_json(json.dumps(values))
    return _learner(loaded.task(task).code, learner, args, settings, data, seed)


def run(
    task: str,
    dataset: str,
    method: str,
    seed: int = 0,
    profile: str = "quick",
    *,
    device: str = "auto",
    results: Path | str | None = None,
    config: Path | str | None = None,
    force: bool = False,
    quiet: bool = False,
    **settings: Any,
) -> "Record":
    """Run a method on a data set in a process of its own, as `pixcl-bench run` does, and return its
    record (`record.metrics`, `record.timings`, ...). A run that is done already is not repeated.

    device: auto, cpu or cuda. results: the results folder, by default that of the command line.
    force: run again what is done. quiet: print nothing. settings: what to change of the task's
    settings (`steps=100, views={"grey": 0.0}`).

    Raises UsageError for a name or a setting that does not fit, with the nearest right one;
    RunFailedError where the run ends without a result; KeyboardInterrupt where it is interrupted,
    and everything that it has started is stopped."""
    from rich.console import Console

    from pixcl_bench.bench.config.grid import plan
    from pixcl_bench.bench.run.guards import preflight
    from pixcl_bench.bench.run.listing import fetch_for
    from pixcl_bench.bench.run.machine import resolve_device
    from pixcl_bench.bench.run.runner import make_jobs, run_grid

    loaded, target = _config(config), resolve_device(device)
    runs = plan(loaded, profile, [task], [dataset], [method], [seed], settings, target)
    place = Path(results) if results else loaded.results
    [job] = make_jobs(runs, loaded, place)
    if not force and (before := job.done()):
        return before
    console = Console(quiet=quiet)
    preflight([job])
    fetch_for([job], console.print)
    summary = run_grid(runs, config=loaded, results=place, force=force, console=console)
    if summary.interrupted:
        raise KeyboardInterrupt
    record = summary.failed[0] if summary.failed else job.outcome(0)
    if record.status != "ok":
        raise RunFailedError(record, job.folder)
    return record


def _config(config: Path | str | None) -> "Config":
    from pixcl_bench.bench.config.reading import load_config

    return load_config(config)


def _frame(rows: Iterable[Mapping[str, object]]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(list(rows))


def _task_of(config: "Config", method: str) -> str:
    from pixcl_bench.bench.errors import UsageError, unknown

    tasks = [name for name, task in config.tasks.items() if method in task.methods]
    if not tasks:
        every = {name for task in config.tasks.values() for name in task.methods}
        raise UsageError(unknown("method", method, every))
    if len(tasks) > 1:
        raise UsageError(f"{method!r} is a method of {', '.join(tasks)}: say task={tasks[0]!r}")
    return tasks[0]


def _first_dataset(config: "Config", task: str, profile: str, method: str) -> str:
    ran = [data for data, other in config.grid(task, profile) if other == method]
    return next(iter([*ran, *config.dataset_names(task, profile), *config.task(task).datasets]))


def _checked(config: "Config", learner: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a builder as plain data, as the configuration would hold them."""
    from pixcl_bench.bench.config.signature import check_arguments
    from pixcl_bench.bench.errors import UsageError

    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(args), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"options of {learner} are plain data (numbers, texts, lists): {error}"
        ) from error
    faults = check_arguments(learner, plain, config.root)
    if faults:
        texts = [
            f"{fault.message} ({fault.hint})" if fault.hint else fault.message for fault in faults
        ]
        raise UsageError("\n".join(texts))
    return plain


def _learner(
    code: str,
    learner: str,
    args: Mapping[str, Any],
    settings: "BaseModel",
    data: "DataSet",
    seed: int,
) -> "nn.Module":
    """What the task's own `make_learner` builds: the one place that calls it."""
    import inspect
    from importlib import import_module

    from pixcl_bench.bench.errors import UsageError

    make = getattr(import_module(code), "make_learner", None)
    if make is None:
        raise UsageError(
            f"{code} has no function make_learner: its learners are built by its runs only"
        )
    wanted = inspect.signature(make).parameters
    offered = {
        name: getattr(data, name) for name in ("num_classes", "num_landmarks") if name in wanted
    }
    if "data" in wanted:
        offered["data"] = data
    built = make(learner, args, settings, **offered, seed=seed)
    return cast("nn.Module", getattr(built, "learner", built))
