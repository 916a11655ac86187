"""Records with invented numbers, for the tests of tables, claims, figures and pages."""

import math
from pathlib import Path
from textwrap import indent

import numpy as np
from project import ROOT

from pixcl_bench.bench.config.includes import assemble
from pixcl_bench.bench.config.reading import Config, validated
from pixcl_bench.bench.config.yamlpos import parse
from pixcl_bench.bench.records import store
from pixcl_bench.bench.records.disk import write_atomic
from pixcl_bench.bench.records.store import Record

MEANS = {
    "random_init": 0.42,
    "mean_color": 0.38,
    "simclr": 0.60,
    "moco_v3": 0.61,
    "patchmix": 0.66,
    "patchmix_ema": 0.655,
    "supervised": 0.80,
}


def text() -> str:
    """`benchmarks.yaml` in one file, with the task image_ssl alone."""
    index = (ROOT / "benchmarks.yaml").read_text(encoding="utf-8").partition("\ninclude:\n")[0]
    task = (ROOT / "benchmarks/image_ssl.yaml").read_text(encoding="utf-8")
    return f"{index}\ntasks:\n  image_ssl:\n{indent(task, '    ')}"


def load(config: str | None = None, tasks: tuple[str, ...] = ("image_ssl",)) -> Config:
    """`benchmarks.yaml` (or this text of one) without the checks that read source code and data,
    and without what is about other tasks or about methods of image_ssl beside those of `MEANS`: a
    method that joins the task changes no test of tables and pages."""
    config = config or (ROOT / "benchmarks.yaml").read_text(encoding="utf-8")
    document = assemble(parse(config, "benchmarks.yaml"), ROOT)
    document.data["tasks"] = {k: v for k, v in document.data["tasks"].items() if k in tasks}
    for part in ("claims", "reported"):
        document.data[part] = [row for row in document.data[part] if row["task"] in tasks]
    _keep_known_methods(document.data)
    benchmarks, _, problems = validated(document)
    assert benchmarks is not None, problems
    assert not problems, problems
    return Config(ROOT / "benchmarks.yaml", ROOT, benchmarks, document)


def _keep_known_methods(data: dict) -> None:
    """Take the methods of image_ssl that are not in `MEANS` out of the configuration, in place."""
    task = data["tasks"]["image_ssl"]
    gone = set(task["methods"]) - set(MEANS) | set(task.pop("literature", {}))
    task["methods"] = {name: m for name, m in task["methods"].items() if name not in gone}
    groups = task["groups"]["methods"]
    for name in [name for name, members in groups.items() if gone & set(members)]:
        gone.add(name)
        del groups[name]
    for budget in task["budgets"].values():
        if isinstance(budget.get("methods"), list):
            budget["methods"] = [name for name in budget["methods"] if name not in gone]
        for name in gone & set(budget.get("args", {})):
            del budget["args"][name]
    for part, names in (("claims", ("better", "than")), ("reported", ("method",))):
        rows = (row for row in data[part] if row["task"] == "image_ssl")
        out = [row for row in rows if gone & {row.get(name) for name in names}]
        data[part] = [row for row in data[part] if row not in out]


def record(method: str, seed: int, value: float | None = None, **changes) -> Record:
    """A sealed record of a finished run whose primary metric is `value`."""
    rng = np.random.default_rng([seed, sum(map(ord, method))])
    value = MEANS.get(method, 0.5) + 0.01 * rng.standard_normal() if value is None else value
    fields = {
        "key": f"{method}-{seed}".encode().hex()[:20],
        "task": "image_ssl",
        "dataset": "landcover-tiles",
        "dataset_kind": "embedded",
        "method": method,
        "seed": seed,
        "profile": "quick",
        "learner": "pixcl_bench.methods.baselines.image_ssl.simclr:simclr",
        "settings": {"lr": 1e-3, "steps": 100, "views": {"flip": 0.5}},
        "uses_labels": method == "supervised",
        "metrics": {
            "knn20_top1": value,
            "knn200_top1": value - 0.02,
            "linear_top1": value + 0.03,
            "effective_rank": 10 + 20 * value,
        },
        "data": {"fingerprint": "f" * 64},
        "timings": {"train_seconds": 20.5 + seed, "images_per_second": 640.0},
        "environment": {
            "version_torch": "2.13.0+cpu",
            "cpu": "Model <X> & co",
            "threads": 1,
            "hostless": seed % 2,
        },
        "code": {"hash": "c" * 64, "commit": "0123456789abcdef", "dirty": False, "versions": {}},
        "curve": [
            (s, 5 * math.exp(-s / 40) + 0.1 * float(rng.standard_normal()))
            for s in range(0, 100, 2)
        ],
        "started": "2026-01-01T10:00:00+00:00",
        "finished": f"2026-01-01T10:{seed:02d}:30+00:00",
    }
    return store.seal(Record(**{**fields, **changes}))


def failure(method: str, seed: int, reason: str = "out of memory", **changes) -> Record:
    """A sealed record of a failed run."""
    empty = {"metrics": {}, "timings": {}, "environment": {}, "curve": [], "uses_labels": None}
    failed = {"status": "failed", "reason": reason, "detail": "a | b <c>"}
    return record(method, seed, 0.0, **{**empty, **failed, **changes})


def grid(seeds: int, methods=tuple(MEANS), **changes) -> list[Record]:
    """One finished run for each method and seed."""
    return [record(method, seed, **changes) for seed in range(seeds) for method in methods]


def pilot(means: dict[str, tuple[float, ...]], steps=(100, 300), **changes) -> list[Record]:
    """Records of a pilot: by method its mean with each number of steps; a floor has one mean."""
    found = []
    for method, values in means.items():
        for count, value in zip(steps, values, strict=False):
            swept = {"steps": count} if len(values) > 1 else {}
            settings = {"lr": 1e-3, "steps": count, "views": {"flip": 0.5}, "eval_split": "val"}
            more = {"settings": settings, "sweep": swept, "profile": "pilot"}
            found += [
                record(method, 100 + i, value + 0.001 * (i - 1), **{**more, **changes})
                for i in range(3)
            ]
    return found


def flat_pilot() -> list[Record]:
    """A pilot by which 100 steps are enough for every method, and every set is fit."""
    trained = [m for m in MEANS if m not in ("random_init", "mean_color")]
    floors = {m: (MEANS[m],) for m in ("random_init", "mean_color")}
    return pilot({**floors, **{m: (MEANS[m], MEANS[m] + 0.001) for m in trained}})


def write(results: Path, records: list[Record]) -> None:
    """The records in their folders, with a history and an executed notebook beside them."""
    for item in records:
        folder = results / item.folder
        if item.status == "ok":
            store.write_history(folder, [{"step": s, "loss": v, "lr": 0.1} for s, v in item.curve])
            store.write_record(folder, item)
        else:
            store.write_failure(folder, item)
        write_atomic(folder / "executed.ipynb", '{"nbformat": 4, "cells": []}')


def publish(folder: Path, records: list[Record]) -> None:
    """The records as published files."""
    from pixcl_bench.bench.records.published import compact, published_path

    files: dict[Path, list[str]] = {}
    for item in records:
        path = published_path(folder, item.profile, item.device)
        files.setdefault(path, []).append(compact(item).model_dump_json())
    for path, lines in files.items():
        write_atomic(path, "\n".join(lines) + "\n")
