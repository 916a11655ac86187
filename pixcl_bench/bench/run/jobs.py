"""One run as a process of its own: started, watched, stopped at its time limit, and always with an
outcome."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixcl_bench.bench.config.builtin import working_folder
from pixcl_bench.bench.config.grid import Run
from pixcl_bench.bench.config.reading import load_config
from pixcl_bench.bench.errors import RecordError
from pixcl_bench.bench.records import rerun, store
from pixcl_bench.bench.records.disk import write_atomic, written
from pixcl_bench.bench.run.failures import LOST, death, fail
from pixcl_bench.bench.run.family import Family
from pixcl_bench.bench.run.kernel import ENTRY
from pixcl_bench.bench.run.machine import memory_kills
from pixcl_bench.bench.run.session import ATTEMPT, PROGRESS, SUITE, prepare
from pixcl_bench.bench.run.surroundings import environment_of
from pixcl_bench.bench.run.warm import LIBRARIES, Process, WarmServer, WarmStartError
from pixcl_bench.bench.run.worker import sockets_of

JOB, LOG, STOP = "job.json", "run.log", "stop"
_GRACE = 2.0


@dataclass
class Job:
    """A run and its process. `gpu`: the one GPU it may see; the others are hidden."""

    run: Run
    key: str
    config: Path
    root: Path
    results: Path
    gpu: str | None = None
    process: Process | None = None
    began: float = 0.0
    started: str = ""
    attempt: int = 1
    kills: int | None = field(default=None, repr=False)
    again: bool = False
    """Whether it is to be done again although it is done."""
    work: Path | None = None
    """Where the run works, once it has started: its folder, or `rerun` in it."""
    family: Family | None = field(default=None, repr=False)

    @property
    def folder(self) -> Path:
        """The run's folder, absolute."""
        return self.results / self.run.folder

    def done(self) -> store.Record | None:
        """The record of this run where it has succeeded with this very key; a damaged record counts
        as none."""
        return rerun.whole(self.folder, self.key)

    def forget(self) -> None:
        """Have this run start anew, although it is done: what it left half done goes, its record
        and what lies beside that stay until there is a new one."""
        self.again = True
        shutil.rmtree(rerun.work_folder(self.folder), ignore_errors=True)

    def spec(self) -> dict[str, Any]:
        """What the worker must know."""
        return {
            "run": self.run.model_dump(mode="json"),
            "key": self.key,
            "root": str(self.root),
            "config": str(self.config),
            "results": str(self.results),
            "folder": str(self.work or rerun.work_folder(self.folder)),
            "parent": os.getpid(),
        }

    def start(self, warm: WarmServer | None = None) -> None:
        """Start the worker in a process group of its own; its output goes to `run.log`. `warm`: the
        server that forks it; without one, or where that has ended, it starts as a new process."""
        self.work = rerun.work_folder(self.folder)
        prepare(self.work, self.key, self.run)
        job = self.work / JOB
        write_atomic(job, json.dumps(self.spec(), indent=1) + "\n")
        self.began, self.started, self.kills = time.monotonic(), store.now(), memory_kills()
        log, cwd = self.work / LOG, working_folder(self.root, self.results)
        env = self.environment()
        with written(log):
            log.write_bytes(b"")
        if warm is not None:
            try:
                self.process = warm.start(job, log, cwd, env)
                self.began = time.monotonic()  # the first waits for the server's imports
            except WarmStartError:
                self.process = self._start_cold(job, log, cwd, env)
        else:
            self.process = self._start_cold(job, log, cwd, env)
        self.family = Family(self.process.pid)

    def _start_cold(self, job: Path, log: Path, cwd: Path, env: dict[str, str]) -> Process:
        with log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, ENTRY, "worker", str(job)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=env,
                start_new_session=True,
            )

    def environment(self) -> dict[str, str]:
        """The environment of the worker and its kernel."""
        env = environment_of(os.environ, self.run.threads, self.run.device, self.gpu)
        return {**env, SUITE: "1", ATTEMPT: str(self.attempt)}

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    def step(self) -> tuple[int, int] | None:
        """How far the run says it is: steps done and in all, or None."""
        try:
            told = json.loads(((self.work or self.folder) / PROGRESS).read_text(encoding="utf-8"))
            return int(told["step"]), int(told["total"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def poll(self) -> store.Record | None:
        """The outcome, a record with status `ok` or `failed`, or None while the run goes on.
        Enforces the time limit."""
        if self.process is None:
            raise RuntimeError("this job has not been started")
        code = self.process.poll()
        if code is None and self.seconds <= self.run.time_limit:
            if self.family is not None:
                self.family.watch()
            return None
        if code is not None:
            self.end(code)
            record = self.outcome(code)
        else:
            self.stop()
            reason = f"stopped after {self.run.time_limit:g} s"
            record = self.result() or fail(self.spec(), "time limit", reason, self.started)
        return record if record.status == "ok" else self.noted(record)

    def noted(self, record: store.Record) -> store.Record:
        """A failure with what only the suite knows: which attempt it was, and the memory."""
        peak, notes = self.family.peak if self.family else 0, {"attempts": self.attempt}
        detail = record.detail or ""
        if peak and record.reason in ("out of memory", "killed"):
            notes["peak_memory_bytes"] = peak
            detail += f"; its processes were seen to use {peak / 2**30:.2f} GiB"
        told = record.model_copy(update={"detail": detail, "notes": record.notes | notes})
        store.write_failure(self.work or self.folder, told)
        return told

    def result(self) -> store.Record | None:
        """The record of a worker that has ended, with the digests of what lies beside it, in the
        place of an earlier one; None where there is none of this key. Raises DiskError."""
        if self.work is None:
            return self.done()
        record = rerun.whole(self.work, self.key)
        return None if record is None else rerun.complete(self.work, record)

    def outcome(self, code: int) -> store.Record:
        """The record of a worker that has ended; success is read from `record.json` alone."""
        if record := self.result():
            return record
        work = self.work or self.folder
        try:
            found = store.read_record(work / store.FAILURE)
            if found.key == self.key:
                return found
        except RecordError:
            pass
        if (work / store.RECORD).is_file():
            detail = (
                "its record has another key: code, settings or data changed while the suite ran;"
                " run again"
            )
            return fail(self.spec(), "error", detail, self.started)
        if code == 0:
            return fail(
                self.spec(),
                "error",
                "the notebook ended without calling run.finish: there is no record",
                self.started,
            )
        reason, detail = death(code, "the worker", self.kills)
        cause = LOST if reason == "killed" else None
        return fail(self.spec(), reason, detail, self.started, cause)

    def stop(self) -> None:
        """Kill the worker, its kernel, and everything that they started."""
        if self.process is not None and self.process.poll() is None:
            self.end(None)
            # A process that waits for a broken disk does not end; the run is over all the same.
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_GRACE)

    def end(self, code: int | None) -> None:
        """Kill what is left of the worker and its descendants, and remove the sockets of its
        kernels where it could not. `code`: its exit code, None where it still runs."""
        if self.process is None:
            return
        pid, family = self.process.pid, self.family or Family(self.process.pid)
        family.ended = code is not None
        family.kill()
        for folder in Path(tempfile.gettempdir()).glob(f"{sockets_of(pid)}*"):
            shutil.rmtree(folder, ignore_errors=True)


def warm_server(jobs: Sequence[Job]) -> WarmServer:
    """A server of warm starts for jobs of one profile: it imports the libraries and what of this
    package the jobs name."""
    first = jobs[0]
    env = first.environment()
    samples = {job.run.task: job.run for job in jobs}.values()
    place = working_folder(first.root, first.results)
    return WarmServer([*LIBRARIES, *modules_of(jobs)], first.config, list(samples), env, place)


def modules_of(jobs: Sequence[Job]) -> list[str]:
    """The modules of this package that hold tasks, methods and data of the jobs, each once. Modules
    of other packages are left to the runs: importing them may do anything."""
    from pixcl_bench.data.catalogue import get_info

    config = load_config(jobs[0].config)
    found: dict[str, None] = {}
    for job in jobs:
        targets = (
            config.task(job.run.task).code,
            job.run.learner,
            get_info(job.run.dataset).loader,
        )
        found.update(dict.fromkeys(target.partition(":")[0] for target in targets))
    return [name for name in found if name.partition(".")[0] == "pixcl_bench"]


def supervise(
    run: Mapping[str, Any],
    key: str,
    config: str,
    root: str,
    results: str,
    again: bool = False,
    attempt: int = 1,
) -> str:
    """Run one job to its end and return its record as JSON: what a cluster's worker calls. The
    paths are on a shared disk. `again`: even where it is done."""
    job = Job(Run.model_validate(dict(run)), key, Path(config), Path(root), Path(results))
    job.attempt = attempt
    record = None if again else job.done()
    if record is None:
        asked = job.folder / STOP
        asked.unlink(missing_ok=True)
        job.start()
        try:
            while (record := job.poll()) is None:
                if asked.exists():
                    raise InterruptedError("the suite that asked for this run was stopped")
                time.sleep(0.2)
        finally:
            job.stop()
            asked.unlink(missing_ok=True)
    return record.model_dump_json()
