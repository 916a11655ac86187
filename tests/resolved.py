"""What a configuration comes to, one short line for each run's cell, claim and reported number.

`fixtures/resolved.json` was written with it at commit 5029d93, from the one file of that time."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from project import TESTS

from pixcl_bench.bench.config import grid
from pixcl_bench.bench.config.reading import Config

FIXTURE = TESTS / "fixtures/resolved.json"


def digest(value: Any) -> str:
    """The first 16 digits of the SHA-256 of canonical JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def snapshot(config: Config) -> dict[str, list[str]]:
    """Lines of `runs` (in the order of the plan), `tasks`, `profiles`, `claims` and `reported`.
    Modules of learners do not count: they may move; the names of their builders do."""
    return {
        "runs": [line for profile in config.profiles for line in _cells(config, profile)],
        "tasks": [f"{name} {digest(_task(config, name))}" for name in config.tasks],
        "profiles": [f"{name} {digest(p.model_dump())}" for name, p in config.profiles.items()],
        "claims": [f"{claim.id} {digest(_claim(claim))}" for claim in config.claims],
        "reported": sorted(
            f"{r.task} {r.method} {r.metric} {r.value} {digest(r.model_dump())}"
            for r in config.reported
        ),
    }


def _cells(config: Config, profile: str) -> list[str]:
    found: dict[tuple[str, str, str, str], list[int]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid, "fingerprint", lambda dataset: "")
        runs = grid.plan(config, profile)
    for run in runs:
        parts = {
            "args": run.args,
            "settings": run.settings,
            "notebook": Path(run.notebook).name,
            "builder": run.learner.partition(":")[2],
            "threads": run.threads,
            "time_limit": run.time_limit,
        }
        cell = (run.task, run.dataset, run.method, digest(parts))
        found.setdefault(cell, []).append(run.seed)
    return [
        f"{profile} {' '.join(cell)} {','.join(map(str, seeds))}" for cell, seeds in found.items()
    ]


def _task(config: Config, name: str) -> dict[str, Any]:
    task = config.tasks[name].model_dump(
        include={
            "title",
            "primary",
            "metrics",
            "baseline",
            "floor",
            "ceiling",
            "per_method",
            "literature",
        }
    )
    methods = config.tasks[name].methods
    task["methods"] = [(key, method.title, method.role) for key, method in methods.items()]
    task["metrics"] = list(task["metrics"].items())
    task["literature"] = list(task["literature"].items())
    task["datasets"] = list(config.tasks[name].datasets)
    # of every data set and method, also those that no budget names
    task["settings"] = [
        config.settings(name, dataset, method, "")
        for dataset in config.tasks[name].datasets
        for method in methods
    ]
    task["args"] = [method.args for method in methods.values()]
    task["budgets"] = sorted(config.tasks[name].budgets)
    return task


def _claim(claim: Any) -> dict[str, Any]:
    """A claim by the names of its check and of its notebook, whose places may change."""
    evidence = Path(claim.evidence).stem.partition("_")[2]
    names = {"check": claim.check.rpartition(":")[2], "evidence": evidence}
    return claim.model_dump(exclude=set(names)) | names
