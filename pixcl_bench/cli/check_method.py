"""`pixcl-bench check-method`: hold a method to the contract of its task."""

import json
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel

from pixcl_bench.cli.app import FAILED, OK, app
from pixcl_bench.cli.options import ConfigFile
from pixcl_bench.cli.shared import load, stop

if TYPE_CHECKING:
    from pixcl_bench.bench.config.reading import Config

_CONTRACTS = "pixcl_bench.tasks.contracts"
"""Imported by name when the command runs: it needs torch, which no command imports with itself."""


@app.command("check-method")
def check_method(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A method, ours or yours.")],
    task: Annotated[
        str | None, typer.Option("--task", help="Only this task (default: all that have it).")
    ] = None,
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="Whose settings and arguments are taken.")
    ] = "smoke",
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Whose settings are taken; no data are read.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Check every requirement of a method's contract, in seconds; exit code 1 where one fails."""
    loaded = load(config)
    loaded.profile(profile)
    wrong = [_check(loaded, each, name, profile, dataset) for each in _tasks(loaded, name, task)]
    raise typer.Exit(FAILED if any(wrong) else OK)


def _tasks(config: "Config", name: str, task: str | None) -> list[str]:
    """The tasks to check the method for. Raises UsageError."""
    from pixcl_bench.bench.config.source import method_entry_points
    from pixcl_bench.bench.errors import unknown

    if task is not None:
        config.method(task, name)
        return [task]
    found = [each for each, entry in config.tasks.items() if name in entry.methods]
    if not found and name in method_entry_points():
        stop(f"{name} is of another package and belongs to no task: say which with --task")
    if not found:
        stop(unknown("method", name, {m for t in config.tasks.values() for m in t.methods}))
    return found


def _check(config: "Config", task: str, name: str, profile: str, dataset: str | None) -> int:
    """Print what holds and what does not; returns how many requirements are not met."""
    from pixcl_bench.bench.config.source import resolve_learner

    data = dataset or _dataset(config, task, name, profile)
    learner = resolve_learner(config.method(task, name).learner)
    print(f"{task}: {name} ({learner}), profile {profile}, settings for {data}")
    findings = _findings(config, task, name, profile, data)
    for finding in findings:
        print(f"  {'WRONG' if finding.problem else 'ok   '}  {finding.requirement}")
        for line in finding.problem.splitlines():
            print(f"           {line}")
    wrong = sum(bool(finding.problem) for finding in findings)
    print(f"  {len(findings) - wrong} of {len(findings)} requirements are met")
    return wrong


def _dataset(config: "Config", task: str, name: str, profile: str) -> str:
    """The first data set that the profile runs the method on, else the first of the profile, else
    of the task."""
    ran = [data for data, method in config.grid(task, profile) if method == name]
    return [*ran, *config.dataset_names(task, profile), *config.task(task).datasets][0]


def _findings(config: "Config", task: str, name: str, profile: str, data: str) -> list[Any]:
    """What `check_contract` of `pixcl_bench.tasks.contracts` finds. Raises UsageError for a task
    that is not known there."""
    from pixcl_bench.bench.config.grid import refuse_wrong_kind
    from pixcl_bench.bench.config.source import resolve_learner
    from pixcl_bench.bench.errors import UsageError

    refuse_wrong_kind(config, task, name)
    model: type[BaseModel] = config.settings_model(task)
    settings = model.model_validate_json(json.dumps(config.settings(task, data, name, profile)))
    import_module(config.task(task).code)  # a task of another package adds itself to the contracts
    contracts = import_module(_CONTRACTS)
    learner = resolve_learner(config.method(task, name).learner)
    try:
        found = contracts.check_contract(learner, config.args(task, name, profile, data), settings)
    except contracts.UnknownTaskError as error:
        raise UsageError(f"task {task}: {error}") from error
    # Importing the module of a method may do anything, also end the process.
    except (Exception, SystemExit) as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        raise UsageError(f"{learner} cannot be checked: {text}") from error
    return list(found)
