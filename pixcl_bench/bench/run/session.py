"""A run seen from inside its notebook: what to do, where to write, and how to hand in the
result."""

import ast
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixcl_bench.bench.config.grid import Run, make_run
from pixcl_bench.bench.config.reading import Config, load_config
from pixcl_bench.bench.config.settings import nested
from pixcl_bench.bench.errors import BenchError, UsageError, unknown
from pixcl_bench.bench.keys import run_code, run_key
from pixcl_bench.bench.notebook import assigned_names, parameter_names
from pixcl_bench.bench.records import rerun, store
from pixcl_bench.bench.records.disk import make_folder, remove, write_atomic
from pixcl_bench.bench.records.provenance import provenance
from pixcl_bench.bench.run.machine import resolve_device
from pixcl_bench.bench.run.surroundings import recorded

SUITE, ATTEMPT = "PIXCL_BENCH_SUITE", "PIXCL_BENCH_ATTEMPT"
RUN_FILE, PROGRESS, CODE_FILE = "run.json", "progress.json", "code.json"
RUNNER_FILES = frozenset({"executed.ipynb", "run.log", "job.json"})
_EVERY = 1.0


@dataclass
class OpenRun:
    """A run that is open: what to do is `run`.

    `folder` exists; write nowhere else. Where there is a result already, it is a folder beside it
    until `finish` makes the run a success.
    """

    run: Run
    config: Config
    key: str
    folder: Path
    in_suite: bool
    started: str = field(default_factory=store.now)
    _told: float = field(default=-math.inf, repr=False)

    def progress(self, step: int, total: int) -> None:
        """Tell how far the run is; at most one write a second, and always the last step."""
        moment = time.monotonic()
        if moment - self._told >= _EVERY or step >= total:
            self._told = moment
            write_atomic(
                self.folder / PROGRESS, json.dumps({"step": int(step), "total": int(total)})
            )

    def finish(
        self,
        *,
        metrics: Mapping[str, Any],
        data: Mapping[str, Any] | None = None,
        timings: Mapping[str, Any] | None = None,
        environment: Mapping[str, Any] | None = None,
        history: Sequence[Mapping[str, Any]] = (),
        notes: Mapping[str, Any] | None = None,
        uses_labels: bool | None = None,
    ) -> store.Record:
        """Write `history.csv`, then `record.json`, and return the record. Numbers may be of numpy
        or 0-d tensors.

        metrics: by name, in their own unit, None where undefined; the primary metric of the task
        must be among them. notes: anything worth keeping; `uses_labels` is taken from here where it
        is not given. Raises UsageError for a number that is not finite, a missing primary metric,
        or what JSON cannot hold."""
        extra = dict(notes or {})
        labels = extra.pop("uses_labels", None) if uses_labels is None else uses_labels
        values = {
            name: None if value is None else _finite(name, value) for name, value in metrics.items()
        }
        primary = self.config.task(self.run.task).primary
        if primary not in values:
            raise UsageError(
                unknown("primary metric", primary, values)
                + f": task {self.run.task!r} must return it"
            )
        record = blank_record(self.run, self.key).model_copy(
            update={
                "uses_labels": labels,
                "metrics": values,
                "data": _plain("data", {"fingerprint": self.run.data_fingerprint, **(data or {})}),
                "timings": {name: _finite(name, value) for name, value in (timings or {}).items()},
                "environment": _plain("environment", self._environment(environment or {})),
                "code": provenance(self.run, self.config.root),
                "notes": _plain("notes", extra | _attempts()),
                "curve": store.curve(history),
                "started": self.started,
                "finished": store.now(),
            }
        )
        self._note_code()
        store.write_history(self.folder, history)
        store.write_record(self.folder, record)
        return (
            store.read_record(self.folder / store.RECORD) if self.in_suite else self._kept(record)
        )

    def _note_code(self) -> None:
        """Note the definitions that the run reaches, so that a later one can tell which of them
        have changed."""
        code = run_code(self.run, self.config.root)
        about = {"hash": code.hash, "definitions": dict(code.definitions)}
        write_atomic(self.folder / CODE_FILE, json.dumps(about, indent=0) + "\n")

    def _kept(self, record: store.Record) -> store.Record:
        """By hand nobody waits for the end of the notebook: what lies beside the record now is
        noted, and takes the place of an earlier result."""
        record = rerun.complete(self.folder, record, without=RUNNER_FILES)
        if self.folder.name == rerun.RERUN:
            self.folder = self.folder.parent
        return record

    def _environment(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """The environment that the notebook tells of, and the variables that tune libraries."""
        return {**told, **{f"variable_{name}": v for name, v in recorded(os.environ).items()}}


def _attempts() -> dict[str, int]:
    """Which attempt of the suite a run is, where it is not the first."""
    number = os.environ.get(ATTEMPT, "1")
    return {"attempts": int(number)} if number.isdecimal() and int(number) > 1 else {}


def blank_record(run: Run, key: str) -> store.Record:
    """The record of a run before there is a result."""
    from pixcl_bench.data.catalogue import get_info

    return store.Record(
        key=key,
        task=run.task,
        dataset=run.dataset,
        dataset_kind=get_info(run.dataset).kind,
        method=run.method,
        seed=run.seed,
        profile=run.profile,
        learner=run.learner,
        args=run.args,
        settings=run.settings,
        data={"fingerprint": run.data_fingerprint},
        device=run.device,
        threads=run.threads,
        sweep=run.sweep,
    )


def open_run(
    task: str,
    *,
    method: str,
    dataset: str,
    seed: int = 0,
    profile: str = "quick",
    device: str = "auto",
    overrides: Mapping[str, Any] | str | None = None,
    config: Path | str | None = None,
    results: Path | str | None = None,
) -> OpenRun:
    """Open a run inside a benchmark notebook: the same by the suite, by papermill and by hand.

    overrides: settings to change, as a dict or its JSON text, with dotted keys: `{"lr": 0.001,
    "views.grey": 0.1}`. config: `benchmarks.yaml`, looked for from the working folder upwards where
    None. results: `results` beside it where None. Raises UsageError or ConfigError, with the
    nearest right name.
    """
    loaded = load_config(config or None)
    _check_injected(loaded, task)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UsageError(f"seed: a whole number from 0 is wanted, got {seed!r}")
    chosen = make_run(
        loaded,
        task,
        dataset=dataset,
        method=method,
        seed=seed,
        profile=profile,
        device=resolve_device(device),
        overrides=read_overrides(overrides),
    )
    key = run_key(chosen, loaded.root)
    folder = (Path(results) if results else loaded.results).resolve() / chosen.folder
    folder = rerun.work_folder(folder)
    prepare(folder, key, chosen)
    return OpenRun(chosen, loaded, key, folder, os.environ.get(SUITE) == "1")


def read_overrides(overrides: Mapping[str, Any] | str | None) -> dict[str, Any]:
    """Overrides as a dict, also from JSON text. Raises UsageError."""
    if isinstance(overrides, str):
        try:
            overrides = json.loads(overrides or "{}")
        except ValueError as error:
            raise UsageError(f'overrides: not JSON like {{"lr": 0.001}}: {error}') from error
    if overrides is not None and not isinstance(overrides, Mapping):
        raise UsageError(f"overrides: a mapping of settings is wanted, got {overrides!r}")
    nested(overrides or {})
    return dict(overrides or {})


def prepare(folder: Path, key: str, run: Run) -> None:
    """Make the folder of a run ready: what a run of another key left there (record, checkpoint) is
    removed."""
    make_folder(folder)
    if _key_of(folder) != key:
        for path in folder.iterdir():
            if path.name not in RUNNER_FILES:
                remove(path)
    for name in (store.FAILURE, PROGRESS):
        remove(folder / name)
    write_atomic(
        folder / RUN_FILE,
        json.dumps({"key": key, "run": run.model_dump(mode="json")}, indent=1) + "\n",
    )


def _key_of(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _check_injected(config: Config, task: str) -> None:
    """Raise UsageError for a parameter that papermill injected and the notebook does not take:
    papermill only warns."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    if shell is None:
        return
    known: set[str] = set()
    try:
        known = parameter_names(config.root / config.task(task).notebook)
    except BenchError:
        return
    for cell in list(shell.user_ns.get("In", ())):
        wrong = [name for name in _injected(cell) if name not in known]
        if wrong:
            raise UsageError("; ".join(unknown("parameter", name, known) for name in wrong))


def _injected(cell: str) -> Iterator[str]:
    """The names assigned in a cell that papermill wrote: it begins with `# Parameters` and assigns
    constants only."""
    if cell.lstrip().startswith("# Parameters\n"):
        yield from (name for name in assigned_names(cell) if _only_constants(cell))


def _only_constants(cell: str) -> bool:
    allowed = (ast.Assign, ast.AnnAssign)
    return all(isinstance(node, allowed) for node in ast.parse(cell).body)


def _finite(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: a number is wanted, got {value!r}") from error
    if not math.isfinite(number):
        raise UsageError(f"{name}: {number} is not finite; write None where a metric is undefined")
    return number


def _plain(name: str, value: Any) -> Any:
    """Plain JSON data. Raises UsageError for what JSON cannot hold."""
    try:
        return json.loads(json.dumps(value, allow_nan=False, default=_convert))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: not plain data: {error}") from error


def _convert(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r}")
