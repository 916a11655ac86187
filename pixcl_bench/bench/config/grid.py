"""From the configuration to the list of runs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from pixcl_bench.bench.config.contracts import Contracts
from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.signature import check_arguments
from pixcl_bench.bench.config.source import (
    METHODS_GROUP,
    find_module,
    method_entry_points,
    method_fault,
    resolve_learner,
)
from pixcl_bench.bench.config.sweeps import split_overrides, swept_names, variant_name, variants
from pixcl_bench.bench.errors import UsageError, unknown

if TYPE_CHECKING:
    from pixcl_bench.data.info import DatasetInfo

Device = Literal["cpu", "cuda"]


class Run(BaseModel):
    """One run, with everything resolved that its numbers depend on. `notebook` is relative to
    the project's root."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    dataset: str
    method: str
    seed: int = Field(ge=0, lt=2**31)
    profile: str
    learner: str
    args: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    notebook: str
    code: str
    threads: int = Field(1, ge=1)
    device: Device = "cpu"
    time_limit: float
    data_fingerprint: str
    overrides: dict[str, Any] = {}
    sweep: dict[str, Any] = {}
    """The overrides that the budget sweeps over: two runs of a method differ by them."""

    @property
    def folder(self) -> Path:
        """`PROFILE/TASK/DATASET/METHOD/seed-N`, relative to the results folder; of a sweep
        `METHOD@NAME=VALUE,...`."""
        return run_folder(self)

    @property
    def name(self) -> str:
        """`TASK/DATASET/METHOD/seed-N`, for messages."""
        return self.folder.relative_to(self.profile).as_posix()


@runtime_checkable
class Placed(Protocol):
    """What says where a run lies among the results."""

    @property
    def profile(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def dataset(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def sweep(self) -> dict[str, Any]: ...


def run_folder(run: Placed) -> Path:
    """The folder of a run or of its record, relative to the results folder."""
    return Path(run_place(run))


def run_place(run: Placed) -> str:
    """The folder of a run or of its record as a text with slashes."""
    method = f"{run.method}@{variant_name(run.sweep)}" if run.sweep else run.method
    return f"{run.profile}/{run.task}/{run.dataset}/{method}/seed-{run.seed}"


def make_run(
    config: Config,
    task: str,
    *,
    dataset: str,
    method: str,
    seed: int,
    profile: str,
    device: Device = "cpu",
    overrides: Mapping[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    data_fingerprint: str | None = None,
) -> Run:
    """One run of a task; `settings` and `data_fingerprint` where they are known already. Any
    known data set, method and seed will do, also outside the profile's budget. Raises UsageError
    with the nearest right name."""
    entry, budget = config.task(task), config.profile(profile)
    chosen = config.method(task, method)
    if method not in entry.methods:
        refuse_wrong_kind(config, task, method)
        _refuse_absent(config, method, resolve_learner(chosen.learner))
    if dataset not in entry.datasets:
        raise UsageError(unknown("data set", dataset, entry.datasets) + f" of task {task!r}")
    changed, arguments = split_overrides(overrides or {})
    if settings is None:
        settings = config.settings(task, dataset, method, profile, changed)
    swept = swept_names(entry.budgets[profile]) if profile in entry.budgets else []
    return Run(
        task=task,
        dataset=dataset,
        method=method,
        seed=seed,
        profile=profile,
        learner=resolve_learner(chosen.learner),
        args=_with_arguments(config, task, method, profile, dataset, arguments),
        settings=settings,
        notebook=entry.notebook,
        code=entry.code,
        threads=budget.threads,
        device=device,
        time_limit=budget.time_limit,
        data_fingerprint=data_fingerprint or fingerprint(dataset),
        overrides=dict(overrides or {}),
        sweep={name: value for name, value in (overrides or {}).items() if name in swept},
    )


def _with_arguments(
    config: Config,
    task: str,
    method: str,
    profile: str,
    dataset: str,
    arguments: Mapping[str, Any],
) -> dict[str, Any]:
    """The arguments of a method with those of the overrides. Raises UsageError where one does not
    fit."""
    found = config.args(task, method, profile, dataset) | dict(arguments)
    if arguments:
        learner = resolve_learner(config.method(task, method).learner)
        for fault in check_arguments(learner, found, config.root):
            hint = f" ({fault.hint})" if fault.hint else ""
            raise UsageError(f"--set args.{fault.argument}: {fault.message}{hint}")
    return found


def _refuse_absent(config: Config, method: str, learner: str) -> None:
    """Raise UsageError where the module is not there that another package names for a method."""
    module = learner.partition(":")[0]
    if find_module(module, config.root) is None:
        group = f"entry point {method!r} of {METHODS_GROUP}"
        raise UsageError(f"method {method!r}: {group} names {module!r}, which is no module here")


def refuse_wrong_kind(config: Config, task: str, method: str) -> None:
    """Raise UsageError where the method, one of the file or of another package, is not the kind of
    learner that the task takes."""
    learner = resolve_learner(config.method(task, method).learner)
    fault = Contracts(config.root, config.tasks).fault(task, learner)
    if fault:
        raise UsageError(f"{fault.message} ({fault.hint})")


def fingerprint(dataset: str) -> str:
    """The fingerprint of a data set of the catalogue."""
    from pixcl_bench.data.catalogue import data_root, get_info

    return get_info(dataset).fingerprint(data_root())


class Fingerprints(dict[str, str]):
    """The fingerprints of data sets, each taken once for a plan: that of a user's own data looks
    at every file."""

    _known: "Mapping[str, DatasetInfo] | None" = None

    def __missing__(self, dataset: str) -> str:
        from pixcl_bench.data.catalogue import catalogue, data_root

        if self._known is None:
            self._known = catalogue()  # looks through all installed packages
        info = self._known.get(dataset)
        self[dataset] = info.fingerprint(data_root()) if info else fingerprint(dataset)
        return self[dataset]


def plan(
    config: Config,
    profile: str,
    tasks: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    overrides: Mapping[str, Any] | None = None,
    device: Device = "cpu",
) -> list[Run]:
    """The runs of a profile, task by task. Of a task, all data sets and methods of the first
    seed come before those of the next, so that its tables grow evenly. The filters choose among
    what the configuration knows, also outside the profile's budget: a method that the profile does
    not run on any data set runs where it runs the task's baseline. Raises UsageError."""
    config.profile(profile)
    _check_names("task", tasks, config.tasks)
    chosen = list(dict.fromkeys(tasks or config.tasks))
    _check_names("data set", datasets, [d for task in chosen for d in config.task(task).datasets])
    known = [m for task in chosen for m in config.task(task).methods]
    _check_names(
        "method",
        methods,
        [*known, *method_entry_points()] if methods and set(methods) - set(known) else known,
    )
    for seed in seeds or ():
        if seed < 0:
            raise UsageError(f"seed {seed}: a seed is not negative")
    foreign = [
        m for m in methods or () if m not in known
    ]  # of other packages: they belong to no task
    runs: list[Run] = []
    fingerprints = Fingerprints()
    for task in chosen:
        first = [
            make_run(
                config,
                task,
                dataset=dataset,
                method=method,
                seed=0,
                profile=profile,
                device=device,
                overrides={**variant, **(overrides or {})},
                data_fingerprint=fingerprints[dataset],
            )
            for dataset in _pick(
                datasets, config.task(task).datasets, config.dataset_names(task, profile)
            )
            for method in _pick(
                methods,
                [*config.task(task).methods, *foreign],
                config.method_names(task, profile, dataset),
            )
            if datasets or not methods or dataset in _usual(config, task, profile, method)
            for variant in variants(config.task(task), profile, method, config.root)
        ]
        wanted = [
            list(seeds or config.seeds(task, profile, run.dataset, run.method)) for run in first
        ]
        usual = seeds or config.seeds(task, profile)
        every = dict.fromkeys([*usual, *(seed for own in wanted for seed in own)])
        runs += [
            run.model_copy(update={"seed": seed})
            for seed in every
            for run, own in zip(first, wanted, strict=True)
            if seed in own
        ]
    if not runs:
        raise UsageError(f"profile {profile!r} runs nothing of {', '.join(chosen)}")
    return runs


def _usual(config: Config, task: str, profile: str, method: str) -> list[str]:
    """The data sets of a profile on which a method runs that is asked for by name: those on which
    the profile runs it; where there is none, those of the task's baseline, which it is compared
    with; else all. So a new method, which no profile lists, is not tried on a data set for others,
    such as one without a training part."""
    grid = config.grid(task, profile)
    for name in (method, config.task(task).baseline):
        found = [dataset for dataset, other in grid if other == name]
        if found:
            return found
    return config.dataset_names(task, profile)


def _pick(wanted: Sequence[str] | None, known: Iterable[str], budget: list[str]) -> list[str]:
    """What is asked for and known, in the order of the file; without a wish, what the budget
    names."""
    return list(dict.fromkeys(name for name in known if name in wanted)) if wanted else budget


def _check_names(kind: str, wanted: Sequence[str] | None, known: Iterable[str]) -> None:
    table = list(known)
    wrong = [name for name in wanted or () if name not in table]
    if wrong:
        raise UsageError("; ".join(_wrong_name(kind, name, table) for name in wrong))


def _wrong_name(kind: str, name: str, known: Sequence[str]) -> str:
    """Why a name cannot be used: a package that adds it is at fault, or there is none."""
    fault = method_fault(name) if kind == "method" else ""
    return f"method {name!r}: {fault}" if fault else unknown(kind, name, known)
