"""Settings of a run, merged from their layers; every value remembers where it was written."""

import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pixcl_bench.bench.config.schema import Budget, BudgetDataset, DatasetEntry, Method, Task
from pixcl_bench.bench.config.yamlpos import KeyPath, parse, show_path
from pixcl_bench.bench.errors import UsageError, nearest

Layer = tuple[KeyPath, Mapping[str, Any]]
OVERRIDE = "--set"


def layers(
    name: str,
    task: Task,
    dataset: str,
    method: str,
    profile: str | None,
    overrides: Mapping[str, Any] | None = None,
    entry: Method | None = None,
) -> list[Layer]:
    """The layers of the settings of a run, weakest first, each with its place in the file."""
    budget = task.budgets.get(profile) if profile else None
    here: KeyPath = ("tasks", name, "budgets", profile or "")
    parts: list[tuple[KeyPath, Task | Budget | DatasetEntry | BudgetDataset | Method | None]] = [
        (("tasks", name), task),
        (here, budget),
        (("tasks", name, "datasets", dataset), task.datasets.get(dataset)),
        ((*here, "datasets", dataset), budget.datasets.get(dataset) if budget else None),
        (("tasks", name, "methods", method), entry or task.methods.get(method)),
    ]
    found: list[Layer] = [
        ((*path, "settings"), part.settings) for path, part in parts if part is not None
    ]
    if budget is not None and method in budget.own:
        found.append(((*here, "own", method), budget.own[method]))
    return [*found, ((OVERRIDE,), nested(overrides))] if overrides else found


def nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as nested dictionaries: `{"views.grey": 0}` becomes `{"views": {"grey": 0}}`."""
    result: dict[str, Any] = {}
    for dotted, value in overrides.items():
        *parents, last = dotted.split(".")
        place = result
        for part in parents:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise UsageError(f"{OVERRIDE} {dotted}: {part!r} is given a value as well")
        place[last] = value
    return result


def merge(parts: list[Layer]) -> tuple[dict[str, Any], dict[KeyPath, KeyPath]]:
    """Merge layers deeply (a dictionary into a dictionary, any other value replaces) and tell where
    each value was written."""
    merged: dict[str, Any] = {}
    origins: dict[KeyPath, KeyPath] = {}
    for place, values in parts:
        _merge_into(merged, values, (), place, origins)
    return merged, origins


def _merge_into(
    into: dict[str, Any],
    values: Mapping[str, Any],
    path: KeyPath,
    place: KeyPath,
    origins: dict[KeyPath, KeyPath],
) -> None:
    for key, value in values.items():
        here = (*path, key)
        origins[here] = (*place, key)
        if isinstance(value, Mapping):
            below = into.get(key)
            into[key] = dict(below) if isinstance(below, dict) else {}
            _merge_into(into[key], value, here, (*place, key), origins)
        else:
            into[key] = value


def import_settings_model(spec: str, root: Path) -> type[BaseModel]:
    """The settings model `module:Class`. Its module is imported, so it must be plain (no torch).
    Raises ImportError or TypeError."""
    module, _, name = spec.partition(":")
    if str(root) not in sys.path:
        sys.path.append(str(root))
    model = getattr(importlib.import_module(module), name)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(f"{spec} is not a pydantic model")
    return model


def resolve(model: type[BaseModel], parts: list[Layer]) -> dict[str, Any]:
    """Merged and validated settings with every default filled in, as plain JSON data. Raises
    ValidationError."""
    merged, _ = merge(parts)
    return model.model_validate_json(json.dumps(merged)).model_dump(mode="json")


def field_names(model: Any, path: KeyPath) -> list[str]:
    """The keys allowed at `path` inside a pydantic model; an empty list where that is not a
    model."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        if not path:
            return list(model.model_fields)
        field = model.model_fields.get(str(path[0]))
        return field_names(field.annotation, path[1:]) if field else []
    for inner in getattr(model, "__args__", ()):
        steps = (
            path[1:] if path and getattr(model, "__origin__", None) in (list, dict, tuple) else path
        )
        if found := field_names(inner, steps):
            return found
    return []


def explain(error: Mapping[str, Any], model: type[BaseModel]) -> tuple[str, str]:
    """A pydantic error in plain words, and a hint."""
    loc, value, kind = tuple(error["loc"]), error.get("input"), error["type"]
    last = str(loc[-1]) if loc else ""
    if loc and isinstance(loc[-1], int):
        last = show_path(loc[-2:])
    if kind == "extra_forbidden":
        return f"unknown key {last!r}", nearest(last, field_names(model, loc[:-1]))
    if kind == "missing" and isinstance(loc[-1], int):
        return f"{last} is missing: more values are wanted", ""
    if kind == "missing":
        return f"missing key {last!r}", ""
    if kind == "literal_error":
        choices = [
            part.strip().strip("'")
            for part in str(error["ctx"]["expected"]).replace(" or ", ", ").split(",")
        ]
        return f"{last}: {value!r} is not one of {', '.join(choices)}", nearest(value, choices)
    if kind == "string_pattern_mismatch":
        if str(loc[0]) == "include" or last == "reported":
            return f"{value!r} is not the name of a file", ""
        return (
            f"{value!r} is not a safe folder name",
            "letters, digits and . _ - only, beginning with a letter or digit",
        )
    if kind == "list_type" and isinstance(value, str):
        return f"{last}: a list is wanted, got {value!r}", f"write [{value}]"
    if kind == "value_error":
        return str(error["msg"]).removeprefix("Value error, "), ""
    message = (
        str(error["msg"])
        .replace("Input should", "should")
        .replace("valid array", "list")
        .replace("valid dictionary", "mapping")
    )
    return f"{last}: {message[:1].lower()}{message[1:]}, got {_short(value)}", ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def locate(loc: KeyPath, message: str, origins: Mapping[KeyPath, KeyPath]) -> KeyPath | None:
    """Where the value at `loc` of the merged settings was written. A message `name: ...` of a
    validator points to that name."""
    child = (*loc, message.partition(":")[0])
    for path in (child, *(loc[:end] for end in range(len(loc), 0, -1))):
        if path in origins:
            return origins[path]
    return None


def override_errors(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """The problems of a validation error as text for the command line."""
    for item in error.errors():
        message, hint = explain(item, model)
        yield f"{OVERRIDE} {show_path(tuple(item['loc']))}: {message}" + (
            f" ({hint})" if hint else ""
        )


def read_value(text: str) -> Any:
    """A value of the command line, read as YAML; None where it is empty. Raises UsageError."""
    if not text.strip():
        return None
    document = parse(text, OVERRIDE)
    for problem in document.problems:
        hint = f" ({problem.hint})" if problem.hint else ""
        raise UsageError(f"{OVERRIDE} {_short(text)}: {problem.message}{hint}")
    return document.data
