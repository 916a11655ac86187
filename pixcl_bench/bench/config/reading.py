"""`benchmarks.yaml`: load it, or list everything that is wrong with it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pixcl_bench.bench.config import settings as merging
from pixcl_bench.bench.config.builtin import builtin_project
from pixcl_bench.bench.config.checks import cross_checks
from pixcl_bench.bench.config.includes import read_document
from pixcl_bench.bench.config.loaded import Config, Rows
from pixcl_bench.bench.config.schema import Benchmarks, Claim, Reported
from pixcl_bench.bench.config.yamlpos import Document, KeyPath
from pixcl_bench.bench.errors import ConfigError, Problem, UsageError, nearest

__all__ = ["Config", "check_config", "find_config", "load_config", "validated"]

CONFIG_NAME = "benchmarks.yaml"
_REPOSITORY = builtin_project()
_ROUNDS = 50


def find_config(start: Path | None = None) -> Path:
    """`benchmarks.yaml` of this folder or the nearest above it, else the one that comes with the
    package. Raises UsageError."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, _REPOSITORY):
        if (folder / CONFIG_NAME).is_file():
            return folder / CONFIG_NAME
    raise UsageError(
        f"no {CONFIG_NAME} in {here.name or here} or above it: name one with --config FILE"
    )


def load_config(path: Path | str | None = None) -> Config:
    """Load a configuration file. Raises ConfigError with every problem of it."""
    config, problems = _load(path)
    if problems or config is None:
        raise ConfigError(problems)
    return config


def check_config(path: Path | str | None = None) -> list[Problem]:
    """Every problem of a configuration file, in the order of its lines; an empty list where it is
    right."""
    return _load(path)[1]


def _load(path: Path | str | None) -> tuple[Config | None, list[Problem]]:
    place = Path(path) if path else find_config()
    document = read_document(place)
    problems = list(document.problems)
    if document.data is None:
        return None, _each_once(problems)
    benchmarks, rows, found = validated(document)
    problems += found
    if benchmarks is None:
        return None, _each_once(problems)
    place = place.resolve()
    config = Config(place, _root(place, benchmarks), benchmarks, document)
    return config, _each_once([*problems, *cross_checks(config, rows)])


def _each_once(problems: Iterable[Problem]) -> list[Problem]:
    """The problems in the order of their lines. What several entries take over from one place is
    wrong once, there."""
    found = {(p.file, p.line, p.column, p.message): p for p in sorted(problems, reverse=True)}
    return sorted(found.values())


def _root(path: Path, benchmarks: Benchmarks) -> Path:
    """The project that the paths of the file start from: its folder, or the package's repository
    for a copy kept elsewhere."""
    notebooks = [task.notebook for task in benchmarks.tasks.values()]
    here = path.parent
    if not any((here / notebook).is_file() for notebook in notebooks):
        inside = [n for n in notebooks if not Path(n).is_absolute() and ".." not in Path(n).parts]
        if any((_REPOSITORY / notebook).is_file() for notebook in inside):
            return _REPOSITORY
    return here


def validated(document: Document) -> tuple[Benchmarks | None, Rows, list[Problem]]:
    """The models of a document, the rows of its lists `claims` and `reported` that are right, and
    every problem. A wrong part is reported, then left out, so that the checks can go on with the
    rest."""
    data = json.loads(json.dumps(document.data))
    problems: list[Problem] = []
    rows: Rows = {}
    for key, model in (("claims", Claim), ("reported", Reported)):
        if isinstance(data.get(key), list):
            good = [
                _valid(model, data[key][i], (key, i), document, problems)
                for i in range(len(data[key]))
            ]
            rows[key] = [i for i, item in enumerate(good) if item is not None]
            data[key] = [data[key][i] for i in rows[key]]
    return _valid(Benchmarks, data, (), document, problems), rows, problems


def _valid(
    model: type[BaseModel], data: Any, at: KeyPath, document: Document, problems: list[Problem]
) -> Any:
    removed: set[KeyPath] = set()
    for _ in range(_ROUNDS):
        try:
            return model.model_validate_json(json.dumps(data))
        except ValidationError as error:
            errors = error.errors()
        for item in errors:
            if not _is_follow_up(item, at, document, removed):
                problems.append(_problem(item, at, data, model, document))
        cuts = {_cut(data, tuple(item["loc"]), item["type"]) for item in errors}
        if () in cuts:
            return None
        for path in sorted(cuts, key=len, reverse=True):
            _remove(data, path)
        removed |= cuts
    return None


def _is_follow_up(
    item: ErrorDetails, at: KeyPath, document: Document, removed: set[KeyPath]
) -> bool:
    """Whether another problem is the cause: something was left out, or an entry is not whole."""
    loc = tuple(item["loc"])
    if item["type"] == "too_short":
        return any(path[:-1] == loc for path in removed)
    lacking = item["type"] == "missing"
    return lacking and (loc in removed or (*at, *loc[:-1]) in document.incomplete)


def _problem(
    item: ErrorDetails, at: KeyPath, data: Any, model: type[BaseModel], document: Document
) -> Problem:
    loc, kind = tuple(item["loc"]), item["type"]
    message, hint = merging.explain(item, model)
    child = (*loc, message.partition(":")[0]) if kind == "value_error" else loc
    place = child if (*at, *child) in document.marks else loc
    is_key = kind in ("extra_forbidden", "missing") or loc[-1:] == ("[key]",)
    where = (*at, *(part for part in place if part != "[key]"))
    if kind == "missing" and not hint:
        hint = _missing_hint(loc, data, model)
    return document.problem(where, message, hint, key=is_key)


def _missing_hint(loc: KeyPath, data: Any, model: type[BaseModel]) -> str:
    for part in loc[:-1]:
        data = data.get(part) if isinstance(data, dict) else None
    known = merging.field_names(model, loc[:-1])
    strangers = [key for key in data if key not in known] if isinstance(data, dict) else []
    meant = [key for key in strangers if nearest(key, [str(loc[-1])]).startswith("did")]
    return f"is {meant[0]!r} meant for it?" if meant else ""


def _cut(data: Any, loc: KeyPath, kind: str) -> KeyPath:
    """The part to leave out for an error at `loc`: the whole list for an item of a list, the parent
    for a missing key."""
    path = tuple(part for part in loc[:-1] if part != "[key]") if kind == "missing" else loc
    kept: KeyPath = ()
    for part in path:
        if not isinstance(data, dict) or part not in data:
            break
        kept = (*kept, part)
        data = data[part]
    return kept


def _remove(data: Any, path: KeyPath) -> None:
    for part in path[:-1]:
        data = data[part]
    del data[path[-1]]
