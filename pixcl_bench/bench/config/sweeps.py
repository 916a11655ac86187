"""Sweeps: a budget that runs each method with several values of a setting or an argument.

Pilots (how many steps are enough?) and tuning (which learning rate, which temperature?) are budgets
with a `sweep`. A run of a sweep says in its folder and its record which values it has."""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from pixcl_bench.bench.config.schema import Budget, Method, Scalar, Task
from pixcl_bench.bench.config.signature import INJECTED, Fault, builder_source, read_signature
from pixcl_bench.bench.config.source import resolve_learner

ARGUMENT = "args."
"""How the name of an argument of a method begins among settings."""


def variant_name(sweep: Mapping[str, Any]) -> str:
    """The values of a sweep as part of a folder's name: `steps=300,temperature=0.2`."""
    return ",".join(f"{key.removeprefix(ARGUMENT)}={_word(value)}" for key, value in sweep.items())


def _word(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^\w.+-]", "_", text)


def split_overrides(overrides: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Overrides of settings, and those of arguments (`args.NAME`) by their names."""
    arguments = {
        key.removeprefix(ARGUMENT): value
        for key, value in overrides.items()
        if key.startswith(ARGUMENT)
    }
    settings = {key: value for key, value in overrides.items() if not key.startswith(ARGUMENT)}
    return settings, arguments


def swept_values(budget: Budget) -> list[tuple[str, Scalar]]:
    """Every value that a budget sweeps over, with the name of its setting or argument."""
    together = [item for variant in budget.variants for item in variant.items()]
    return [(key, value) for key, values in budget.sweep.items() for value in values] + together


def swept_names(budget: Budget) -> list[str]:
    """The settings and arguments that a budget sweeps over, each once."""
    return list(dict.fromkeys(key for key, _ in swept_values(budget)))


def variants(task: Task, profile: str, method: str, root: Path) -> list[dict[str, Scalar]]:
    """What a budget sweeps over for one method: a dictionary for each combination of values.

    Arguments that the method does not have are left out. A method that is not trained is run once,
    as it stands: it has nothing to tune, and more steps change nothing. One empty dictionary where
    nothing is swept.
    """
    budget = task.budgets.get(profile)
    entry = task.methods.get(method)
    if budget is None or entry is None or not is_trained(entry):
        return [{}]
    known = arguments_of(entry.learner, root)

    def fits(key: str) -> bool:
        return not key.startswith(ARGUMENT) or key.removeprefix(ARGUMENT) in known

    axes = {key: values for key, values in budget.sweep.items() if fits(key)}
    found: list[dict[str, Scalar]] = []
    for variant in budget.variants or [{}]:
        own = {key: value for key, value in variant.items() if fits(key)}
        for chosen in product(*axes.values()):
            combination = own | dict(zip(axes, chosen, strict=True))
            if combination not in found:
                found.append(combination)
    return found


def is_trained(entry: Method) -> bool:
    """Whether sweeps run a method with all their values."""
    return entry.role != "floor" if entry.trains is None else entry.trains


def arguments_of(learner: str, root: Path) -> frozenset[str]:
    """The names of the arguments that a configuration may give to a learner."""
    found = builder_source(resolve_learner(learner), root)
    if isinstance(found, Fault):
        return frozenset()
    return frozenset(read_signature(*found).arguments) - INJECTED


def unknown_arguments(task: Task, profile: str, root: Path) -> Iterator[str]:
    """The swept arguments that no method of the task has."""
    known: set[str] = set()
    for entry in task.methods.values():
        known |= arguments_of(entry.learner, root)
    for key in swept_names(task.budgets[profile]):
        if key.startswith(ARGUMENT) and key.removeprefix(ARGUMENT) not in known:
            yield key
