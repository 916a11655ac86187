"""A small benchmark project without torch: one task, a few methods that end in different ways, a
notebook of six cells."""

import json
from pathlib import Path

Edit = tuple[str, str, str, list[str]]
"""A name, text of `CONFIG`, what replaces it, and parts of the message that this must give."""

CONFIG = """\
version: 1
profiles:
  quick:
    purpose: for tests
    seeds: [0, 1]
    threads: 1
    time_limit: 60
  study:
    purpose: for tests
    seeds: [0, 1, 2]
    threads: 2
    time_limit: 600
tasks:
  toy:
    title: A toy task
    notebook: nbs/benchmarks/toy.ipynb
    code: toybench.task
    settings_model: pixcl_bench.tasks.settings:ImageSSLSettings
    primary: score
    metrics:
      score: {label: score, direction: max, scale: 100, digits: 1}
      error: {label: error, direction: min}
    baseline: plain
    floor: chance
    ceiling: plain
    per_method: [lr, weight_decay]
    settings:
      batch_size: 8
      warmup: 0.1
    datasets:
      digits:
        settings:
          views: {flip: 0.0, scale: [0.5, 1.0]}
      landcover-tiles: {}
    methods:
      chance:
        title: chance
        role: floor
        learner: toybench.learners:chance
      plain:
        title: plain
        role: baseline
        learner: toybench.learners:plain
        args: {width: 4, temperature: 0.2, mode: ok}
      better:
        title: better
        role: method
        learner: toybench.learners:better
        args: {width: 8}
        settings: {lr: 0.01}
    literature: {elsewhere: A method of others}
    budgets:
      quick:
        datasets: [digits]
        methods: [chance, plain]
        settings: {steps: 4}
      study:
        datasets: [digits, landcover-tiles]
        methods: all
        settings: {steps: 8}
        args: {better: {sizes: [2, 3]}}
        own: {better: {weight_decay: 0.2}}
claims:
  - id: better-over-plain
    task: toy
    metric: score
    better: better
    than: plain
    statement: Better is better.
    origin: paper
  - id: plain-over-chance
    task: toy
    metric: score
    better: plain
    than: chance
    statement: Plain learns.
    origin: control
reported:
  - {task: toy, method: better, dataset: MNIST, metric: top-1, value: 99.0, unit: "%",
     source: a paper}
"""

LEARNERS = '''\
"""Learners."""

from typing import Literal

from toybench import helpers


def chance(*, num_classes: int) -> float:
    """Guess."""
    return 1 / num_classes


def plain(*, encoder: object, width: int, temperature: float = 0.1,
          mode: Literal["ok", "raise", "memory", "sleep", "kill", "silent"] = "ok") -> float:
    """A sum."""
    return helpers.used(width) * temperature


def better(*, encoder: object, width: int = 2, sizes: tuple[int, int] = (1, 2)) -> float:
    return helpers.used(width)
'''

HELPERS = '''\
"""Shared."""

FACTOR = 2.0


def used(x: float) -> float:
    return FACTOR * x  # twice


def unused(x: float) -> float:
    return x
'''

TASK = '''\
"""The task."""

import os
import time


def score(seed: int, width: int) -> float:
    """A number that depends on the seed."""
    return 0.5 + 0.01 * seed + 0.001 * width


def act(mode: str, job: object) -> None:
    """End as asked."""
    if mode == "raise":
        raise ValueError("the loss is not finite")
    if mode == "memory":
        raise MemoryError("no room for 9 GB")
    if mode == "kill":
        os.kill(os.getpid(), 9)
    if mode == "sleep":
        job.progress(1, 100)
        time.sleep(120)
'''

CELLS = [
    (
        'method = "plain"\ndataset = "digits"\nseed = 0\nprofile = "quick"\ndevice = "cpu"\n'
        'overrides = {}\nconfig = ""\nresults = ""'
    ),
    "from pixcl_bench.bench.run.session import open_run\nfrom toybench.task import act, score",
    (
        'job = open_run("toy", method=method, dataset=dataset, seed=seed, profile=profile,'
        " device=device,\n               overrides=overrides, config=config, results=results)"
    ),
    'mode = job.run.args.get("mode", "ok")\nact(mode, job)  # as asked',
    'history = [{"step": i, "loss": 1 / (i + 1), "lr": 0.1} for i in range(120)]',
    (
        'value = score(job.run.seed, job.run.args.get("width", 0))\n'
        'if mode != "silent":\n'
        '    job.finish(metrics={"score": value, "error": None}, history=history,\n'
        '               timings={"train_seconds": 1.5},\n'
        '               environment={"python": "3", "secret": "x"},\n'
        '               notes={"uses_labels": False, "why": "test"})'
    ),
]


def notebook(cells: list[str]) -> str:
    """A notebook whose first cell is the one of parameters."""
    parts = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{i}",
            "metadata": {"tags": ["parameters"]} if i == 0 else {},
            "outputs": [],
            "source": source,
        }
        for i, source in enumerate(cells)
    ]
    words = {"cell_type": "markdown", "id": "words", "metadata": {}, "source": "# Toy"}
    kernel = {"display_name": "python3", "language": "python", "name": "python3"}
    return json.dumps(
        {
            "cells": [words, *parts],
            "metadata": {"kernelspec": kernel},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def make_project(root: Path, config: str = CONFIG) -> Path:
    """Write the project; returns the path of its `benchmarks.yaml`."""
    files = {
        "benchmarks.yaml": config,
        "toybench/__init__.py": "",
        "toybench/learners.py": LEARNERS,
        "toybench/helpers.py": HELPERS,
        "toybench/task.py": TASK,
        "nbs/benchmarks/toy.ipynb": notebook(CELLS),
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root / "benchmarks.yaml"
