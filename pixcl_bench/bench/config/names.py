"""Names in `benchmarks.yaml` that must exist, and those that stand there twice."""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pixcl_bench.bench.config.loaded import Config
from pixcl_bench.bench.config.schema import Budget, Claim, Task
from pixcl_bench.bench.config.source import (
    find_module,
    imported_packages,
    method_entry_points,
    parse_source,
    sibling_modules,
)
from pixcl_bench.bench.config.yamlpos import KeyPath
from pixcl_bench.bench.errors import Problem, nearest, unknown
from pixcl_bench.bench.notebook import notebook_fault

HEAVY = frozenset({"torch", "timm", "torchvision", "kornia", "monai"})
"""What the check of an exact claim may not import: reports are made without them."""


def _written(config: Config, *path: str) -> list[str]:
    """The keys written at `path` in the file, also those whose value is wrong: a name that is there
    is not unknown."""
    data = config.document.data
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return list(data) if isinstance(data, dict) else []


def _listed(config: Config, at: KeyPath) -> list[str]:
    """The items written at `at` where that is a list; none where it is a mapping."""
    data: Any = config.document.data
    for part in at:
        data = data.get(part) if isinstance(data, dict) else None
    return list(data) if isinstance(data, list) else []


def duplicates(config: Config, at: KeyPath, values: Iterable[Any], kind: str) -> Iterator[Problem]:
    """Values of the list at `at` that stand there twice."""
    first: dict[Any, int] = {}
    for i, value in enumerate(values):
        if value in first:
            line = config.document.line((*at, first[value]), (*at, i))
            yield config.document.problem(
                (*at, i), f"duplicate {kind} {value!r}: first on {line}", "remove one"
            )
        first.setdefault(value, i)


def among(
    config: Config, at: KeyPath, kind: str, word: str | None, known: Collection[str]
) -> Iterator[Problem]:
    """A word that is none of the known ones."""
    if word is not None and word not in known:
        yield config.document.problem(at, f"unknown {kind} {word!r}", nearest(word, known))


def task_names(config: Config, name: str, task: Task) -> Iterator[Problem]:
    """What is wrong with the names in a task."""
    from pixcl_bench.data.catalogue import catalogue

    at: KeyPath = ("tasks", name)
    methods = _written(config, "tasks", name, "methods")
    usable = [*methods, *_written(config, "tasks", name, "groups", "methods")]
    yield from among(
        config, (*at, "primary"), "metric", task.primary, _written(config, "tasks", name, "metrics")
    )
    for role, method in (
        ("baseline", task.baseline),
        ("floor", task.floor),
        ("ceiling", task.ceiling),
    ):
        yield from among(config, (*at, role), "method", method, methods)
    known = set(catalogue())
    for dataset in task.datasets:
        if dataset not in known:
            yield config.document.problem(
                (*at, "datasets", dataset),
                f"unknown data set {dataset!r}",
                nearest(dataset, known),
                key=True,
            )
    profiles = _written(config, "profiles")
    for profile, budget in task.budgets.items():
        here = (*at, "budgets", profile)
        if profile not in profiles:
            yield config.document.problem(
                here, f"unknown profile {profile!r}", nearest(profile, profiles), key=True
            )
        yield from _budget_names(config, here, budget, usable)
        yield from duplicates(config, (*here, "seeds"), budget.seeds or [], "seed")


def _budget_names(
    config: Config, at: KeyPath, budget: Budget, methods: list[str]
) -> Iterator[Problem]:
    task = [str(part) for part in at[:2]]
    datasets = [
        *_written(config, *task, "datasets"),
        *_written(config, *task, "groups", "datasets"),
    ]
    listed = _listed(config, (*at, "datasets"))
    yield from duplicates(config, (*at, "datasets"), listed, "data set")
    for i, name in enumerate(listed):
        yield from among(config, (*at, "datasets", i), "data set", name, datasets)
    yield from _method_names(config, at, budget.methods, budget.args, methods)
    for word in budget.own:
        if word not in methods:
            hint = nearest(word, methods)
            yield config.document.problem(
                (*at, "own", word), f"unknown method {word!r}", hint, key=True
            )
    for name, entry in budget.datasets.items():
        here = (*at, "datasets", name)
        if not listed and name not in datasets:
            yield config.document.problem(
                here, f"unknown data set {name!r}", nearest(name, datasets), key=True
            )
        yield from _method_names(config, here, entry.methods or ["all"], entry.args, methods)
        yield from duplicates(config, (*here, "seeds"), entry.seeds or [], "seed")
        for method, seeds in entry.method_seeds.items():
            there = (*here, "method_seeds", method)
            if method not in methods:
                hint = nearest(method, methods)
                yield config.document.problem(there, f"unknown method {method!r}", hint, key=True)
            yield from duplicates(config, there, seeds, "seed")


def _method_names(
    config: Config, at: KeyPath, chosen: list[str], args: Mapping[str, Any], methods: list[str]
) -> Iterator[Problem]:
    """The methods named in a budget, or in a budget for one data set: those it runs, and those
    whose arguments it changes."""
    yield from duplicates(config, (*at, "methods"), chosen, "method")
    for i, word in enumerate(chosen if chosen != ["all"] else []):
        if word not in method_entry_points():
            yield from among(config, (*at, "methods", i), "method", word, methods)
    for word in args:
        if word not in methods:
            yield config.document.problem(
                (*at, "args", word), f"unknown method {word!r}", nearest(word, methods), key=True
            )


def claim_problems(config: Config, rows: list[int]) -> Iterator[Problem]:
    """What is wrong with the names in the claims; `rows`: their places in the file."""
    first: dict[str, int] = {}
    for row, claim in zip(rows, config.claims, strict=True):
        at: KeyPath = ("claims", row)
        if claim.id in first:
            line = config.document.line(("claims", first[claim.id], "id"), (*at, "id"))
            yield config.document.problem(
                (*at, "id"),
                f"duplicate claim {claim.id!r}: first on {line}",
                "claims have ids of their own",
            )
        first.setdefault(claim.id, row)
        tasks = _written(config, "tasks")
        if claim.task not in tasks:
            yield config.document.problem(
                (*at, "task"), unknown("task", claim.task, []), nearest(claim.task, tasks)
            )
            continue
        if claim.kind == "exact":
            yield from _exact(config, at, claim)
            continue
        methods = _written(config, "tasks", claim.task, "methods")
        yield from among(
            config,
            (*at, "metric"),
            "metric",
            claim.metric,
            _written(config, "tasks", claim.task, "metrics"),
        )
        yield from among(config, (*at, "better"), "method", claim.better, methods)
        yield from among(config, (*at, "than"), "method", claim.than, methods)
        yield from among(
            config,
            (*at, "dataset"),
            "data set",
            claim.dataset,
            _written(config, "tasks", claim.task, "datasets"),
        )


def _exact(config: Config, at: KeyPath, claim: Claim) -> Iterator[Problem]:
    fault, hint = notebook_fault(claim.evidence, config.root)
    if fault:
        yield config.document.problem((*at, "evidence"), fault, hint)
    module, _, function = claim.check.partition(":")
    source = find_module(module, config.root)
    where = (*at, "check")
    if source is None:
        near = nearest(module, sibling_modules(module, config.root))
        yield config.document.problem(where, f"module {module!r} does not exist", near)
        return
    tree = parse_source(source)
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if function not in functions:
        public = [name for name in functions if not name.startswith("_")]
        message = f"module {module!r} has no function {function!r}"
        yield config.document.problem(where, message, nearest(function, public))
    heavy = sorted(HEAVY & set(imported_packages(tree)))
    if heavy:
        message = f"module {module!r} imports {', '.join(heavy)}: a report must not"
        yield config.document.problem(where, message, "count with numpy or fractions")


def reported_problems(config: Config, rows: list[int]) -> Iterator[Problem]:
    """What is wrong with the names in the reported numbers; `rows`: their places in the file."""
    for row, number in zip(rows, config.reported, strict=True):
        tasks = _written(config, "tasks")
        yield from among(config, ("reported", row, "task"), "task", number.task, tasks)
        if number.task in tasks:
            methods = _written(config, "tasks", number.task, "methods")
            methods = [*methods, *_written(config, "tasks", number.task, "literature")]
            yield from among(config, ("reported", row, "method"), "method", number.method, methods)
