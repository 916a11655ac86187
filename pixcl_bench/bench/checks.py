"""What the schema cannot see: names that must exist, duplicates, paths, learners and their arguments,
settings of every run."""

import ast
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ValidationError

from pixcl_bench.bench import settings as merging
from pixcl_bench.bench.config import Config, Rows
from pixcl_bench.bench.errors import Problem, nearest, unknown
from pixcl_bench.bench.notebook import PARAMETERS, NotebookError, parameter_names
from pixcl_bench.bench.schema import Task
from pixcl_bench.bench.signature import check_learner
from pixcl_bench.bench.source import (
    METHODS_GROUP,
    find_module,
    method_entry_points,
    parse_source,
    resolve_learner,
    sibling_modules,
    top_level_names,
)
from pixcl_bench.bench.yamlpos import KeyPath


def cross_checks(config: Config, rows: Rows) -> list[Problem]:
    """Every problem between the parts of a configuration that passed its schema. `rows`: the claims and
    reported numbers kept."""
    found: list[Problem] = []
    for name, profile in config.profiles.items():
        found += _duplicates(config, ("profiles", name, "seeds"), profile.seeds, "seed")
    for name, task in config.tasks.items():
        found += _task_names(config, name, task)
        found += _task_files(config, name, task)
        found += _methods(config, name, task)
        found += _settings(config, name, task)
    found += _claims(config, rows.get("claims", []))
    found += _reported(config, rows.get("reported", []))
    return found


def _written(config: Config, *path: str) -> list[str]:
    """The keys written at `path` in the file, also those whose value is wrong: a name that is there is not
    unknown."""
    data = config.document.data
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return list(data) if isinstance(data, dict) else []


def _duplicates(config: Config, at: KeyPath, values: Iterable[Any], kind: str) -> Iterator[Problem]:
    first: dict[Any, int] = {}
    for i, value in enumerate(values):
        if value in first:
            line = config.document.mark((*at, first[value])).line
            yield config.document.problem(
                (*at, i), f"duplicate {kind} {value!r}: first on line {line}", "remove one"
            )
        first.setdefault(value, i)


def _among(
    config: Config, at: KeyPath, kind: str, word: str | None, known: Collection[str]
) -> Iterator[Problem]:
    if word is not None and word not in known:
        yield config.document.problem(at, f"unknown {kind} {word!r}", nearest(word, known))


def _task_names(config: Config, name: str, task: Task) -> Iterator[Problem]:
    from pixcl_bench.data.catalogue import catalogue

    at: KeyPath = ("tasks", name)
    methods = _written(config, "tasks", name, "methods")
    datasets = _written(config, "tasks", name, "datasets")
    yield from _among(
        config, (*at, "primary"), "metric", task.primary, _written(config, "tasks", name, "metrics")
    )
    for role, method in (("baseline", task.baseline), ("floor", task.floor), ("ceiling", task.ceiling)):
        yield from _among(config, (*at, role), "method", method, methods)
    known = set(catalogue())
    for dataset in task.datasets:
        if dataset not in known:
            yield config.document.problem(
                (*at, "datasets", dataset), f"unknown data set {dataset!r}", nearest(dataset, known), key=True
            )
    for profile, budget in task.budgets.items():
        here = (*at, "budgets", profile)
        if profile not in (profiles := _written(config, "profiles")):
            yield config.document.problem(
                here, f"unknown profile {profile!r}", nearest(profile, profiles), key=True
            )
        for key, chosen, table in (
            ("datasets", budget.datasets, datasets),
            ("methods", budget.methods, methods),
        ):
            kind = "data set" if key == "datasets" else "method"
            yield from _duplicates(config, (*here, key), chosen, kind)
            for i, word in enumerate(chosen if chosen != ["all"] or key == "datasets" else []):
                if not (key == "methods" and word in method_entry_points()):
                    yield from _among(config, (*here, key, i), kind, word, table)
        for word in budget.args:
            if word not in methods:
                yield config.document.problem(
                    (*here, "args", word), f"unknown method {word!r}", nearest(word, methods), key=True
                )


def _task_files(config: Config, name: str, task: Task) -> Iterator[Problem]:
    at: KeyPath = ("tasks", name)
    yield from _notebook(config, (*at, "notebook"), task.notebook)
    if find_module(task.code, config.root) is None:
        hint = nearest(task.code, sibling_modules(task.code, config.root))
        yield config.document.problem((*at, "code"), f"module {task.code!r} does not exist", hint)


def _notebook(config: Config, at: KeyPath, notebook: str) -> Iterator[Problem]:
    path = PurePosixPath(notebook)
    place = config.root / notebook
    if path.is_absolute() or ".." in path.parts or "\\" in notebook:
        yield config.document.problem(
            at,
            f"notebook {notebook!r} leaves the project",
            "write a path inside it, like nbs/benchmarks/NAME.ipynb",
        )
    elif path.suffix != ".ipynb":
        yield config.document.problem(at, f"notebook {notebook!r} is not an .ipynb file")
    elif not place.is_file():
        near = [path.as_posix() for path in PurePosixPath(notebook).parents]
        folder = config.root / near[0]
        others = (
            [f.relative_to(config.root).as_posix() for f in sorted(folder.glob("*.ipynb"))]
            if folder.is_dir()
            else []
        )
        yield config.document.problem(at, f"notebook {notebook!r} does not exist", nearest(notebook, others))
    elif not place.resolve().is_relative_to(config.root.resolve()):
        yield config.document.problem(at, f"notebook {notebook!r} leaves the project by a link")
    else:
        try:
            missing = [p for p in PARAMETERS if p not in parameter_names(place)]
        except NotebookError as error:
            yield config.document.problem(at, str(error))
        else:
            if missing:
                yield config.document.problem(
                    at, f"notebook {notebook!r} does not take the parameter {', '.join(missing)}"
                )


def _methods(config: Config, name: str, task: Task) -> Iterator[Problem]:
    for method, entry in task.methods.items():
        at: KeyPath = ("tasks", name, "methods", method)
        if ":" not in entry.learner and entry.learner not in method_entry_points():
            message = (
                f"{entry.learner!r} is neither package.module:builder nor an entry point of {METHODS_GROUP}"
            )
            yield config.document.problem(
                (*at, "learner"), message, nearest(entry.learner, method_entry_points())
            )
            continue
        seen: set[KeyPath] = set()
        for profile in (None, *task.budgets):
            args = entry.args if profile is None else config.args(name, method, profile)
            for fault in check_learner(resolve_learner(entry.learner), args, config.root):
                wrong = fault.argument
                place = (*at, "learner") if wrong is None else _argument(config, at, profile, wrong)
                if place not in seen:
                    seen.add(place)
                    is_name = fault.message.startswith(("unknown", repr(wrong)))
                    yield config.document.problem(place, fault.message, fault.hint, key=is_name)


def _argument(config: Config, at: KeyPath, profile: str | None, name: str) -> KeyPath:
    """Where an argument of the method at `at` is written: in the profile's budget, or with the method."""
    task, method = str(at[1]), str(at[3])
    budget = config.tasks[task].budgets[profile] if profile else None
    inside = budget is not None and name in budget.args.get(method, {})
    return ("tasks", task, "budgets", profile or "", "args", method, name) if inside else (*at, "args", name)


def _settings(config: Config, name: str, task: Task) -> Iterator[Problem]:
    at: KeyPath = ("tasks", name)
    model = yield from _model(config, (*at, "settings_model"), task.settings_model)
    if model is None:
        return
    for i, key in enumerate(task.per_method):
        parts = key.split(".")
        known = merging.field_names(model, tuple(parts[:-1]))
        yield from _among(config, (*at, "per_method", i), "setting", parts[-1], known)
    yield from _duplicates(config, (*at, "per_method"), task.per_method, "setting")
    for method, entry in task.methods.items():
        for path in _leaves(entry.settings):
            if not any(".".join(path[:end]) in task.per_method for end in range(1, len(path) + 1)):
                message = f"{'.'.join(path)!r} may not be set by a method: the budget is the same for all"
                hint = nearest(path[0], task.per_method)
                yield config.document.problem(
                    (*at, "methods", method, "settings", *path), message, hint, key=True
                )
    seen: set[str] = set()
    for dataset, method, profile in _combinations(config, name, task):
        stack = merging.layers(name, task, dataset, method, profile)
        state = json.dumps(stack)
        if state not in seen:
            seen.add(state)
            yield from _one_setting(config, model, stack)


def _combinations(config: Config, name: str, task: Task) -> Iterator[tuple[str, str, str | None]]:
    for profile, budget in task.budgets.items():
        for dataset in budget.datasets:
            yield from ((dataset, method, profile) for method in config.method_names(name, profile))
    for dataset in task.datasets:
        yield from ((dataset, method, None) for method in task.methods)


def _one_setting(config: Config, model: type[BaseModel], parts: list[merging.Layer]) -> Iterator[Problem]:
    merged, origins = merging.merge(parts)
    try:
        model.model_validate_json(json.dumps(merged))
    except ValidationError as error:
        for item in error.errors():
            message, hint = merging.explain(item, model)
            place = merging.locate(tuple(item["loc"]), message, origins) or parts[-1][0]
            yield config.document.problem(place, message, hint, key=item["type"] == "extra_forbidden")


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
            at, f"module {module!r} does not exist", nearest(module, sibling_modules(module, config.root))
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
        yield config.document.problem(at, f"module {module!r} has no class {name!r}", nearest(name, classes))
        return None
    try:
        return merging.import_settings_model(spec, config.root)
    except (ImportError, TypeError, AttributeError) as error:
        yield config.document.problem(at, f"settings model {spec!r} cannot be used: {error}")
        return None


def _claims(config: Config, rows: list[int]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for row, claim in zip(rows, config.claims, strict=True):
        at: KeyPath = ("claims", row)
        if claim.id in first:
            line = config.document.mark(("claims", first[claim.id], "id")).line
            yield config.document.problem(
                (*at, "id"),
                f"duplicate claim {claim.id!r}: first on line {line}",
                "claims have ids of their own",
            )
        first.setdefault(claim.id, row)
        tasks = _written(config, "tasks")
        if claim.task not in tasks:
            yield config.document.problem(
                (*at, "task"), unknown("task", claim.task, []), nearest(claim.task, tasks)
            )
            continue
        methods = _written(config, "tasks", claim.task, "methods")
        yield from _among(
            config, (*at, "metric"), "metric", claim.metric, _written(config, "tasks", claim.task, "metrics")
        )
        yield from _among(config, (*at, "better"), "method", claim.better, methods)
        yield from _among(config, (*at, "than"), "method", claim.than, methods)
        yield from _among(
            config,
            (*at, "dataset"),
            "data set",
            claim.dataset,
            _written(config, "tasks", claim.task, "datasets"),
        )


def _reported(config: Config, rows: list[int]) -> Iterator[Problem]:
    for row, number in zip(rows, config.reported, strict=True):
        tasks = _written(config, "tasks")
        yield from _among(config, ("reported", row, "task"), "task", number.task, tasks)
        if number.task in tasks:
            methods = _written(config, "tasks", number.task, "methods")
            yield from _among(config, ("reported", row, "method"), "method", number.method, methods)
