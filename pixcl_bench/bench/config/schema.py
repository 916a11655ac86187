"""The models of `benchmarks.yaml`: strict, and closed against unknown keys.

They describe what stands in the files. `extends`, groups and included files are resolved before
(`bench/includes.py`, `bench/inherit.py`): the models see every entry whole."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Natural = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Seconds = Annotated[float, Field(gt=0.0)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
FileName = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$")]
Settings = dict[str, Any]
Scalar = bool | int | float | str
MOST_SEEDS = 1000


def _all(value: object) -> object:
    return ["all"] if value == "all" else value


def _by_name(value: object) -> object:
    """A list of data sets as the mapping that it stands for."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {name: {} for name in value}
    if not isinstance(value, dict):
        hint = f": write [{value}]" if isinstance(value, str) else ""
        raise ValueError(
            "datasets: a list of names is wanted, or a mapping from names to settings, "
            f"got {value!r}{hint}"
        )
    return value


def _classes(value: object) -> object:
    """One class as the list that it stands for; each is written `module:Class`."""
    names = [value] if isinstance(value, str) else value
    for name in names if isinstance(names, list) else ():
        if not isinstance(name, str) or not re.fullmatch(r"[\w.]+:\w+", name):
            raise ValueError(f"contract: {name!r} is no class: write package.module:Class")
    return names


def _counted(value: object) -> object:
    """A number of seeds as the list that it stands for: `9` is 0 to 8."""
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if not 1 <= value <= MOST_SEEDS:
        raise ValueError(
            f"seeds: a number of seeds is from 1 to {MOST_SEEDS}, got {value}: "
            f"write [{value}] for the one seed {value}"
        )
    return list(range(value))


Methods = Annotated[list[str], Field(min_length=1), BeforeValidator(_all)]
Seeds = Annotated[list[Seed], Field(min_length=1), BeforeValidator(_counted)]
Names = Annotated[list[Text], Field(min_length=1)]
Contract = Annotated[list[str], Field(min_length=1), BeforeValidator(_classes)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Profile(_Strict):
    """How often and how long: the seeds (a list, or their number: `9` is 0 to 8), the CPU threads
    of a run, and its time limit in seconds. `compares`: whether its records stand in tables and
    decide claims; those of pilots and of tuning, on validation data, do not."""

    purpose: Text
    compares: bool = True
    seeds: Seeds
    threads: Natural = 1
    time_limit: Seconds


class Metric(_Strict):
    """How a metric is shown: its label, which direction is better, the factor it is multiplied by,
    and its digits."""

    label: Text
    direction: Literal["max", "min"]
    scale: Annotated[float, Field(gt=0.0)] = 1.0
    digits: Annotated[int, Field(ge=0, le=8)] = 3


class DatasetEntry(_Strict):
    """A data set of a task, with what it changes in the settings. `extends`: the data set of the
    task whose entry it takes over where it says nothing else itself."""

    extends: Text | None = None
    settings: Settings = {}


class Method(_Strict):
    """A method of a task: its learner `package.module:builder` (or the name of an entry point) and
    the builder's arguments. `extends`: the method of the task whose entry it takes over, all but
    the title, where it says nothing else itself. `trains`: whether sweeps run it with all their
    values; a floor is not trained where it does not say so, everything else is."""

    extends: Text | None = None
    title: Text
    role: Literal["floor", "baseline", "method", "ablation", "ceiling"]
    trains: bool | None = None
    learner: Text
    args: Settings = {}
    settings: Settings = {}


class BudgetDataset(_Strict):
    """What a profile changes on one data set of a task: the settings, the methods and the seeds
    that it runs there (those of the budget where None), by method the seeds where they are others
    (`method_seeds`), and the arguments that replace its own there."""

    settings: Settings = {}
    methods: Methods | None = None
    seeds: Seeds | None = None
    method_seeds: dict[str, Seeds] = {}
    args: dict[str, Settings] = {}


class Budget(_Strict):
    """What a profile runs of a task: data sets (in the file a list of names, or a mapping with what
    changes on each), methods (`all` is read as `["all"]`), seeds (those of the profile where None),
    the settings of the budget, and by method the arguments (a wider head, say) and the settings of
    its own, `own` (another learning rate, say), that replace the method's there. In the file the
    name of a group may stand for its data sets or methods. `sweep`: the values that every method
    is run with in turn, of settings and of arguments (`args.NAME`); each combination is a run.
    `variants`: sets of values that belong together, an optimiser and its rate, say; each is run
    with each combination of the sweep.
    `extends`: the budget of the task that it takes over where it says nothing else."""

    extends: Text | None = None
    datasets: Annotated[dict[str, BudgetDataset], Field(min_length=1), BeforeValidator(_by_name)]
    methods: Methods = ["all"]
    seeds: Seeds | None = None
    settings: Settings = {}
    args: dict[str, Settings] = {}
    own: dict[str, Settings] = {}
    sweep: dict[str, Annotated[list[Scalar], Field(min_length=1)]] = {}
    variants: list[Annotated[dict[str, Scalar], Field(min_length=1)]] = []


class Groups(_Strict):
    """Lists of methods and of data sets with a name, which budgets may use in place of the
    members."""

    methods: dict[Name, Names] = {}
    datasets: dict[Name, Names] = {}


class Task(_Strict):
    """One evaluation protocol: its notebook and code, metrics, data sets, methods, groups of both,
    and a budget for each profile. `contract`: the class `module:Class`, or several, that a learner
    of the task has to be; without it learners are not checked before a run. `literature`: titles
    of methods that only stand in the reported numbers. `reported`: the CSV file of these, relative
    to `benchmarks.yaml`. `claims` of the task stand here without `task`; when the files are read
    they move to the list of all claims, so that the model has none."""

    title: Text
    notebook: Text
    code: Text
    settings_model: Text
    contract: Contract = []
    primary: str
    metrics: Annotated[dict[Name, Metric], Field(min_length=1)]
    baseline: str
    floor: str | None = None
    ceiling: str | None = None
    per_method: list[str] = []
    settings: Settings = {}
    datasets: Annotated[dict[Name, DatasetEntry], Field(min_length=1)]
    methods: Annotated[dict[Name, Method], Field(min_length=1)]
    groups: Groups = Groups()
    literature: dict[Name, Text] = {}
    budgets: dict[str, Budget]
    claims: list[Settings] = []
    reported: FileName | None = None


_BY_KIND: dict[str, set[str]] = {
    "superiority": {"metric", "better", "than"},
    "equivalence": {"metric", "better", "than", "margin"},
    "threshold": {"metric", "better", "threshold"},
    "exact": {"check", "evidence"},
}
"""What a claim of each kind needs; `dataset` is free, but for exact claims."""


class Claim(_Strict):
    """A sentence made testable. `superiority`: `better` beats `than`; `equivalence`: they differ by
    at most `margin`; `threshold`: `better` reaches `threshold`. `margin` and `threshold` are in the
    metric's own unit (a fraction, not per cent). `exact`: no run is needed, the function `check`
    (`package.module:function`, no torch, no argument, returns an `Exact` of `report.exact`)
    decides; `evidence` is the notebook about it."""

    id: Name
    task: str
    metric: str = ""
    better: str = ""
    than: str | None = None
    kind: Literal["superiority", "equivalence", "threshold", "exact"] = "superiority"
    margin: Annotated[float, Field(gt=0.0)] | None = None
    threshold: float | None = None
    dataset: str | None = None
    check: str = ""
    evidence: str = ""
    statement: Text
    origin: Literal["paper", "control"]
    paper: str | None = None
    source: str | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Claim":
        wanted = _BY_KIND[self.kind]
        unused = {"dataset"} if self.kind == "exact" else set()
        for name in (*sorted(set().union(*_BY_KIND.values())), *unused):
            given = getattr(self, name) not in (None, "")
            if given != (name in wanted):
                what = "not used by" if given else "missing in"
                raise ValueError(f"{name}: {what} a claim of kind {self.kind}")
        if self.better and self.better == self.than:
            raise ValueError(f"than: {self.better!r} is compared with itself")
        return self


class Reported(_Strict):
    """A number printed by a paper or its code's page, with its source; the data set and metric in
    the paper's words."""

    task: str
    method: str
    dataset: Text
    encoder: str | None = None
    metric: Text
    value: float
    unit: str = ""
    source: Text
    notes: str | None = None


class Benchmarks(_Strict):
    """The whole of `benchmarks.yaml` with its included files (`include`: each holds the entry of
    one task, named as the file)."""

    version: Literal[1]
    include: list[FileName] = []
    profiles: Annotated[dict[Name, Profile], Field(min_length=1)]
    tasks: Annotated[dict[Name, Task], Field(min_length=1)]
    claims: list[Claim] = []
    reported: list[Reported] = []
