"""The models of `benchmarks.yaml`: strict, and closed against unknown keys."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Natural = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Seconds = Annotated[float, Field(gt=0.0)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
Settings = dict[str, Any]


def _all(value: object) -> object:
    return ["all"] if value == "all" else value


Methods = Annotated[list[str], Field(min_length=1), BeforeValidator(_all)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Profile(_Strict):
    """How often and how long: the seeds, the CPU threads of a run, and its time limit in seconds."""

    purpose: Text
    seeds: Annotated[list[Seed], Field(min_length=1)]
    threads: Natural = 1
    time_limit: Seconds


class Metric(_Strict):
    """How a metric is shown: its label, which direction is better, the factor it is multiplied by, and its
    digits."""

    label: Text
    direction: Literal["max", "min"]
    scale: Annotated[float, Field(gt=0.0)] = 1.0
    digits: Annotated[int, Field(ge=0, le=8)] = 3


class DatasetEntry(_Strict):
    """A data set of a task, with what it changes in the settings."""

    settings: Settings = {}


class Method(_Strict):
    """A method of a task: its learner `package.module:builder` (or the name of an entry point) and the
    builder's arguments."""

    title: Text
    role: Literal["floor", "baseline", "method", "ablation", "ceiling"]
    learner: Text
    args: Settings = {}
    settings: Settings = {}


class Budget(_Strict):
    """What a profile runs of a task: data sets, methods (`all` is read as `["all"]`), the settings of the
    budget, and by method the arguments that replace its own there (a wider head, say)."""

    datasets: Annotated[list[str], Field(min_length=1)]
    methods: Methods = ["all"]
    settings: Settings = {}
    args: dict[str, Settings] = {}


class Task(_Strict):
    """One evaluation protocol: its notebook and code, metrics, data sets, methods, and a budget for each
    profile."""

    title: Text
    notebook: Text
    code: Text
    settings_model: Text
    primary: str
    metrics: Annotated[dict[Name, Metric], Field(min_length=1)]
    baseline: str
    floor: str | None = None
    ceiling: str | None = None
    per_method: list[str] = []
    settings: Settings = {}
    datasets: Annotated[dict[Name, DatasetEntry], Field(min_length=1)]
    methods: Annotated[dict[Name, Method], Field(min_length=1)]
    budgets: dict[str, Budget]


class Claim(_Strict):
    """A sentence made testable. `superiority`: `better` beats `than`; `equivalence`: they differ by at most
    `margin`; `threshold`: `better` reaches `threshold`. `margin` and `threshold` are in the metric's own unit
    (a fraction, not per cent)."""

    id: Name
    task: str
    metric: str
    better: str
    than: str | None = None
    kind: Literal["superiority", "equivalence", "threshold"] = "superiority"
    margin: Annotated[float, Field(gt=0.0)] | None = None
    threshold: float | None = None
    dataset: str | None = None
    statement: Text
    origin: Literal["paper", "control"]
    paper: str | None = None
    source: str | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Claim":
        wanted = {"superiority": {"than"}, "equivalence": {"than", "margin"}, "threshold": {"threshold"}}[
            self.kind
        ]
        for name in ("than", "margin", "threshold"):
            given = getattr(self, name) is not None
            if given != (name in wanted):
                raise ValueError(
                    f"{name}: {'not used by' if given else 'missing in'} a claim of kind {self.kind}"
                )
        if self.better == self.than:
            raise ValueError(f"than: {self.better!r} is compared with itself")
        return self


class Reported(_Strict):
    """A number printed by a paper or its code's page, with its source; the data set and metric in the paper's
    words."""

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
    """The whole of `benchmarks.yaml`."""

    version: Literal[1]
    profiles: Annotated[dict[Name, Profile], Field(min_length=1)]
    tasks: Annotated[dict[Name, Task], Field(min_length=1)]
    claims: list[Claim] = []
    reported: list[Reported] = []
