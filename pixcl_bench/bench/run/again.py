"""Are the results of a folder reproducible? Some of its finished runs are done again in another
folder and compared bit for bit: metrics, history, weights."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pixcl_bench.bench.config.grid import Run
from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.errors import UsageError
from pixcl_bench.bench.keys import run_key
from pixcl_bench.bench.records.published import run_of
from pixcl_bench.bench.records.rerun import digests, whole
from pixcl_bench.bench.records.scan import look
from pixcl_bench.bench.records.store import HISTORY, Record
from pixcl_bench.bench.run.session import RUN_FILE
from pixcl_bench.bench.run.verify import compare, same_machine

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Repeated:
    """One run that was done again: its record, and in `detail` the first difference, empty where
    every bit is the same."""

    record: Record
    detail: str

    @property
    def name(self) -> str:
        """`PROFILE/TASK/DATASET/METHOD/seed-N`."""
        return self.record.folder.as_posix()


def repeatable(config: Config, results: Path, profile: str | None = None) -> dict[str, Run]:
    """The finished runs of a folder that today's code would give the key of their record, by
    name."""
    found: dict[str, Run] = {}
    for record in look(results, profile).finished:
        run = run_again(config, results / record.folder, record)
        if run is not None and run_key(run, config.root) == record.key:
            found[record.folder.as_posix()] = run
    return found


def run_again(config: Config, folder: Path, record: Record) -> Run | None:
    """The run of a record as the configuration has it today, with the settings that were changed
    for it; None where the configuration no longer knows it."""
    return run_of(record, config, overrides=_overrides(folder))


def _overrides(folder: Path) -> dict[str, Any]:
    """The settings that were changed for a run, as its folder tells."""
    try:
        told = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        return Run.model_validate(told["run"]).overrides
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return {}


def draw(runs: dict[str, Run], count: int, seed: int = 0) -> list[Run]:
    """`count` of the runs, chosen by a seed."""
    names = sorted(runs)
    chosen = random.Random(seed).sample(names, min(count, len(names)))
    return [runs[name] for name in sorted(chosen)]


def repeat(
    runs: Sequence[Run],
    config: Config,
    results: Path,
    place: Path,
    *,
    jobs: int | None = None,
    console: "Console | None" = None,
) -> list[Repeated]:
    """Do runs again in the folder `place` and compare them with those in `results`. Raises
    UsageError where they are not of one profile, KeyboardInterrupt where they are interrupted."""
    from pixcl_bench.bench.run.runner import run_grid

    for device in sorted({run.device for run in runs}):
        for profile in sorted({run.profile for run in runs if run.device == device}):
            todo = [run for run in runs if (run.profile, run.device) == (profile, device)]
            summary = run_grid(todo, config=config, results=place, jobs=jobs, console=console)
            if summary.interrupted:
                raise KeyboardInterrupt
    return [_compared(run, results, place) for run in runs]


def _compared(run: Run, results: Path, place: Path) -> Repeated:
    old = whole(results / run.folder)
    if old is None:
        raise UsageError(f"{results / run.folder}: its record went away meanwhile")
    new = whole(place / run.folder)
    if new is None:
        return Repeated(old, "it failed when done again: pixcl-bench logs tells why")
    difference = compare(old, new) or _files(results / run.folder, place / run.folder)
    if difference and not same_machine(old, new):
        cpus = f"{old.environment.get('cpu')}, now {new.environment.get('cpu')}"
        difference += f" (another machine: {cpus})"
    return Repeated(old, difference)


def _files(old: Path, new: Path) -> str:
    """The first difference between histories and weights of two runs."""
    before, now = (
        {
            name: digest
            for name, digest in digests(folder).items()
            if name == HISTORY or name.endswith(".safetensors")
        }
        for folder in (old, new)
    )
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            lacking = [word for word, d in (("before", before), ("now", now)) if name not in d]
            return f"{name}: " + (f"not there {lacking[0]}" if lacking else "other bytes")
    return ""
