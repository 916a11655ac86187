"""A configuration that passed its schema, and what it says of a run."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pixcl_bench.bench.config import settings as merging
from pixcl_bench.bench.config.builtin import own_folder
from pixcl_bench.bench.config.schema import Benchmarks, Claim, Method, Profile, Reported, Task
from pixcl_bench.bench.config.source import METHODS_GROUP, method_entry_points, method_fault
from pixcl_bench.bench.config.yamlpos import Document
from pixcl_bench.bench.errors import UsageError, unknown
from pixcl_bench.data.plugins import PluginWarning

Rows = dict[str, list[int]]
"""Which rows of the lists `claims` and `reported` are right."""


@dataclass(frozen=True, eq=False)
class Config:
    """A configuration file that passed its schema: `path`, the project's `root`, the models, and
    the marks of its text."""

    path: Path
    root: Path
    benchmarks: Benchmarks
    document: Document

    @property
    def profiles(self) -> dict[str, Profile]:
        """The profiles by name."""
        return self.benchmarks.profiles

    @property
    def tasks(self) -> dict[str, Task]:
        """The tasks by name."""
        return self.benchmarks.tasks

    @property
    def claims(self) -> list[Claim]:
        """The claims in the order of the file."""
        return self.benchmarks.claims

    @property
    def reported(self) -> list[Reported]:
        """The papers' own numbers."""
        return self.benchmarks.reported

    @cached_property
    def results(self) -> Path:
        """The results folder where none is named: `results` beside the file, or in the working
        folder for the file that comes with the package. Raises UsageError inside an installed
        package."""
        return own_folder(self.path, "results")

    def profile(self, name: str) -> Profile:
        """The profile `name`. Raises UsageError with the nearest name."""
        return _known("profile", name, self.profiles)

    def task(self, name: str) -> Task:
        """The task `name`. Raises UsageError with the nearest name."""
        return _known("task", name, self.tasks)

    def method(self, task: str, name: str) -> Method:
        """A method of a task, or one that an installed package adds by an entry point. Raises
        UsageError."""
        methods = self.task(task).methods
        if name in methods:
            _warn_of_clash(name, methods[name])
        if name not in methods and name in method_entry_points():
            return Method(title=name, role="method", learner=name)
        if name not in methods and (fault := method_fault(name)):
            raise UsageError(f"method {name!r}: {fault}")
        return _known("method", name, methods)

    def method_names(self, task: str, profile: str, dataset: str | None = None) -> list[str]:
        """The methods that a profile runs of a task on one data set, in the order of the file; on
        any of its data sets where None; none where the task has no such budget."""
        entry = self.task(task)
        budget = entry.budgets.get(profile)
        if budget is None:
            return []
        if dataset is None:
            every = dict.fromkeys(
                m for d in budget.datasets for m in self.method_names(task, profile, d)
            )
            known = [name for name in entry.methods if name in every]
            return [*known, *(name for name in every if name not in entry.methods)]
        own = budget.datasets[dataset].methods if dataset in budget.datasets else None
        chosen = own or budget.methods
        return list(entry.methods) if chosen == ["all"] else list(chosen)

    def seeds(
        self, task: str, profile: str, dataset: str | None = None, method: str | None = None
    ) -> list[int]:
        """The seeds that a profile runs of a task: those of its budget there for the method on the
        data set, else for the data set, else of the budget, else of the profile."""
        budget = self.task(task).budgets.get(profile)
        entry = budget.datasets.get(dataset) if budget and dataset else None
        own = (entry.method_seeds.get(method or "") or entry.seeds) if entry else None
        return list(own or (budget.seeds if budget else None) or self.profile(profile).seeds)

    def args(
        self, task: str, method: str, profile: str, dataset: str | None = None
    ) -> dict[str, Any]:
        """The arguments of a method's builder in a profile: its own, over them those of the budget,
        and over these those of the budget for the data set."""
        budget = self.task(task).budgets.get(profile)
        found = dict(self.method(task, method).args)
        if budget is not None:
            found |= budget.args.get(method, {})
            if dataset in budget.datasets:
                found |= budget.datasets[str(dataset)].args.get(method, {})
        return found

    def grid(self, task: str, profile: str) -> list[tuple[str, str]]:
        """Every data set with every method that a profile runs of a task."""
        names = self.dataset_names(task, profile)
        return [
            (data, method) for data in names for method in self.method_names(task, profile, data)
        ]

    def dataset_names(self, task: str, profile: str) -> list[str]:
        """The data sets that a profile runs of a task; none where the task has no such budget."""
        budget = self.task(task).budgets.get(profile)
        return list(budget.datasets) if budget else []

    def settings_model(self, task: str) -> type[BaseModel]:
        """The pydantic model of the settings of a task."""
        return merging.import_settings_model(self.task(task).settings_model, self.root)

    def settings(
        self,
        task: str,
        dataset: str,
        method: str,
        profile: str,
        overrides: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The resolved settings of a run. Raises UsageError where the overrides do not fit."""
        entry = self.method(task, method)
        parts = merging.layers(task, self.task(task), dataset, method, profile, overrides, entry)
        model = self.settings_model(task)
        try:
            return merging.resolve(model, parts)
        except ValidationError as error:
            raise UsageError("\n".join(merging.override_errors(error, model))) from error


def _warn_of_clash(name: str, method: Method) -> None:
    """Tell that a package offers a method under a name that the configuration has for another."""
    value = method_entry_points().get(name)
    if value is not None and method.learner not in (name, value):
        message = (
            f"entry point {name!r} = {value!r} of {METHODS_GROUP} takes the name of a method of the"
            " configuration; it is left out"
        )
        warnings.warn(message, PluginWarning, stacklevel=2)


def _known(kind: str, name: str, table: Mapping[str, Any]) -> Any:
    if name not in table:
        raise UsageError(unknown(kind, name, table))
    return table[name]
