"""What the schema cannot see: files that must exist, learners and their arguments, settings of
every run."""

import ast
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from pixcl_bench.bench.config import settings as merging
from pixcl_bench.bench.config.contracts import Contracts
from pixcl_bench.bench.config.loaded import Config, Rows
from pixcl_bench.bench.config.names import (
    among,
    claim_problems,
    duplicates,
    reported_problems,
    task_names,
)
from pixcl_bench.bench.config.schema import Task
from pixcl_bench.bench.config.signature import check_arguments
from pixcl_bench.bench.config.source import (
    METHODS_GROUP,
    find_module,
    method_entry_points,
    parse_source,
    resolve_learner,
    sibling_modules,
    top_level_names,
)
from pixcl_bench.bench.config.sweeps import ARGUMENT, swept_values, unknown_arguments
from pixcl_bench.bench.config.yamlpos import KeyPath
from pixcl_bench.bench.errors import Problem, nearest
from pixcl_bench.bench.notebook import PARAMETERS, NotebookError, notebook_fault, parameter_names


def cross_checks(config: Config, rows: Rows) -> list[Problem]:
    """Every problem between the parts of a configuration that passed its schema. `rows`: the claims
    and reported numbers kept."""
    found: list[Problem] = []
    for name, profile in config.profiles.items():
        found += duplicates(config, ("profiles", name, "seeds"), profile.seeds, "seed")
    contracts = Contracts(config.root, config.tasks)
    for name, task in config.tasks.items():
        found += task_names(config, name, task)
        found += _task_files(config, name, task)
        found += _contract(config, name, contracts)
        found += _methods(config, name, task, contracts)
        found += _settings(config, name, task)
        found += _sweeps(config, name, task)
    found += claim_problems(config, rows.get("claims", []))
    found += reported_problems(config, rows.get("reported", []))
    return found


def _task_files(config: Config, name: str, task: Task) -> Iterator[Problem]:
    at: KeyPath = ("tasks", name)
    yield from _notebook(config, (*at, "notebook"), task.notebook)
    if find_module(task.code, config.root) is None:
        hint = nearest(task.code, sibling_modules(task.code, config.root))
        yield config.document.problem((*at, "code"), f"module {task.code!r} does not exist", hint)


def _notebook(config: Config, at: KeyPath, notebook: str) -> Iterator[Problem]:
    fault, hint = notebook_fault(notebook, config.root)
    if fault:
        yield config.document.problem(at, fault, hint)
        return
    try:
        missing = [p for p in PARAMETERS if p not in parameter_names(config.root / notebook)]
    except NotebookError as error:
        yield config.document.problem(at, str(error))
    else:
        if missing:
            yield config.document.problem(
                at, f"notebook {notebook!r} does not take the parameter {', '.join(missing)}"
            )


def _contract(config: Config, name: str, contracts: Contracts) -> Iterator[Problem]:
    for i, message, hint in contracts.faults(name):
        at: KeyPath = ("tasks", name, "contract")
        yield config.document.problem((*at, i), message, hint)


def _methods(config: Config, name: str, task: Task, contracts: Contracts) -> Iterator[Problem]:
    for method, entry in task.methods.items():
        at: KeyPath = ("tasks", name, "methods", method)
        if ":" not in entry.learner and entry.learner not in method_entry_points():
            message = (
                f"{entry.learner!r} is neither package.module:builder nor an entry point of "
                f"{METHODS_GROUP}"
            )
            yield config.document.problem(
                (*at, "learner"), message, nearest(entry.learner, method_entry_points())
            )
            continue
        wrong_kind = contracts.fault(name, resolve_learner(entry.learner))
        if wrong_kind:
            place = (*at, "learner")
            yield config.document.problem(place, wrong_kind.message, wrong_kind.hint)
        seen: set[KeyPath] = set()
        for profile, dataset in _argument_places(task, method):
            args = entry.args if profile is None else config.args(name, method, profile, dataset)
            for fault in check_arguments(resolve_learner(entry.learner), args, config.root):
                wrong = fault.argument
                place = (
                    (*at, "learner")
                    if wrong is None
                    else _argument(task, at, profile, dataset, wrong)
                )
                if place not in seen:
                    seen.add(place)
                    is_name = fault.message.startswith(("unknown", repr(wrong)))
                    yield config.document.problem(place, fault.message, fault.hint, key=is_name)


def _argument_places(task: Task, method: str) -> Iterator[tuple[str | None, str | None]]:
    """The profiles and data sets that change the arguments of a method, after the method itself."""
    yield None, None
    for profile, budget in task.budgets.items():
        if method in budget.args:
            yield profile, None
        yield from (
            (profile, name) for name, entry in budget.datasets.items() if method in entry.args
        )


def _argument(
    task: Task, at: KeyPath, profile: str | None, dataset: str | None, name: str
) -> KeyPath:
    """Where an argument of the method at `at` is written: in the profile's budget for a data set,
    in that budget, or with the method."""
    method = str(at[3])
    if profile is not None:
        budget, here = task.budgets[profile], (*at[:2], "budgets", profile)
        if dataset is not None and name in budget.datasets[dataset].args[method]:
            return (*here, "datasets", dataset, "args", method, name)
        if name in budget.args.get(method, {}):
            return (*here, "args", method, name)
    return (*at, "args", name)


def _settings(config: Config, name: str, task: Task) -> Iterator[Problem]:
    at: KeyPath = ("tasks", name)
    model = yield from _model(config, (*at, "settings_model"), task.settings_model)
    if model is None:
        return
    for i, key in enumerate(task.per_method):
        parts = key.split(".")
        known = merging.field_names(model, tuple(parts[:-1]))
        yield from among(config, (*at, "per_method", i), "setting", parts[-1], known)
    yield from duplicates(config, (*at, "per_method"), task.per_method, "setting")
    for place, settings in _of_methods(at, task):
        for path in _leaves(settings):
            if not any(".".join(path[:end]) in task.per_method for end in range(1, len(path) + 1)):
                message = (
                    f"{'.'.join(path)!r} may not be set by a method: the budget is the same for all"
                )
                hint = nearest(path[0], task.per_method)
                yield config.document.problem((*place, *path), message, hint, key=True)
    seen: set[str] = set()
    for dataset, method, profile in _combinations(config, name, task):
        plain = merging.layers(name, task, dataset, method, profile)
        for stack in (plain, *([*plain, layer] for layer in _swept(name, task, profile))):
            state = json.dumps(stack)
            if state not in seen:
                seen.add(state)
                yield from _one_setting(config, model, stack)


def _sweeps(config: Config, name: str, task: Task) -> Iterator[Problem]:
    """Arguments that budgets sweep over and no method has."""
    for profile in task.budgets:
        for key in unknown_arguments(task, profile, config.root):
            message = f"no method of the task has the argument {key.removeprefix(ARGUMENT)!r}"
            where = "sweep" if key in task.budgets[profile].sweep else "variants"
            at = ("tasks", name, "budgets", profile, where)
            yield config.document.problem((*at, key) if where == "sweep" else at, message, key=True)


def _swept(name: str, task: Task, profile: str | None) -> Iterator[merging.Layer]:
    """Each value that a budget sweeps over, as a layer of settings."""
    budget = task.budgets.get(profile or "")
    for key, value in swept_values(budget) if budget else ():
        if not key.startswith(ARGUMENT):
            where = "sweep" if key in budget.sweep else "variants"  # type: ignore[union-attr]
            at: KeyPath = ("tasks", name, "budgets", str(profile), where)
            yield at, merging.nested({key: value})


def _of_methods(at: KeyPath, task: Task) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """The settings that belong to one method alone, with their place in the file."""
    for method, entry in task.methods.items():
        yield (*at, "methods", method, "settings"), entry.settings
    for profile, budget in task.budgets.items():
        for method, settings in budget.own.items():
            yield (*at, "budgets", profile, "own", method), settings


def _combinations(config: Config, name: str, task: Task) -> Iterator[tuple[str, str, str | None]]:
    for profile, budget in task.budgets.items():
        for dataset in budget.datasets:
            methods = config.method_names(name, profile, dataset)
            yield from ((dataset, method, profile) for method in methods)
    for dataset in task.datasets:
        yield from ((dataset, method, None) for method in task.methods)


def _one_setting(
    config: Config, model: type[BaseModel], parts: list[merging.Layer]
) -> Iterator[Problem]:
    merged, origins = merging.merge(parts)
    try:
        model.model_validate_json(json.dumps(merged))
    except ValidationError as error:
        for item in error.errors():
            message, hint = merging.explain(item, model)
            place = merging.locate(tuple(item["loc"]), message, origins) or parts[-1][0]
            yield config.document.problem(
                place, message, hint, key=item["type"] == "extra_forbidden"
            )


def _leaves(settings: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key)


def _model(config: Config, at: KeyPath, spec: str) -> "Iterator[Problem] | Any":
    """Yields problems; returns the settings model, or None."""
    module, _, name = spec.partition(":")
    source = find_module(module, config.root)
    if source is None:
        yield config.document.problem(
            at,
            f"module {module!r} does not exist",
            nearest(module, sibling_modules(module, config.root)),
        )
        return None
    tree = parse_source(source)
    names = list(top_level_names(tree))
    if name not in names:
        classes = [
            node.name
            for node in tree.body
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        ]
        yield config.document.problem(
            at, f"module {module!r} has no class {name!r}", nearest(name, classes)
        )
        return None
    try:
        return merging.import_settings_model(spec, config.root)
    except (ImportError, TypeError, AttributeError) as error:
        yield config.document.problem(at, f"settings model {spec!r} cannot be used: {error}")
        return None
