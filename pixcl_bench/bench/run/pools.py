"""Where runs go on at the same time: processes of this machine, or a Dask cluster."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pixcl_bench.bench.errors import UsageError
from pixcl_bench.bench.records import store
from pixcl_bench.bench.run.failures import LOST, fail
from pixcl_bench.bench.run.jobs import STOP, Job, supervise, warm_server
from pixcl_bench.bench.run.machine import gpu_names
from pixcl_bench.bench.run.warm import can_fork

_CLUSTER_LOST = ("KilledWorker", "CommClosedError", "LostWorkerError")
"""What Dask raises where a worker is gone, and not what a run raises."""


class Local:
    """Processes of this machine; one run for each GPU at a time. Where more runs are to do than go
    at once, they are forked from a process that has imported the libraries."""

    def __init__(self, count: int, todo: Sequence[Job]):
        self.count = count
        self.running: list[Job] = []
        self.gpus = gpu_names() if todo[0].run.device == "cuda" else []
        self.warm = warm_server(todo) if can_fork() and len(todo) > count else None

    def free(self) -> bool:
        return len(self.running) < self.count

    def start(self, job: Job) -> None:
        used = [other.gpu for other in self.running]
        if self.gpus:
            job.gpu = min(self.gpus, key=lambda name: used.count(name))
        self.running.append(job)
        job.start(self.warm)

    def ended(self) -> Iterator[tuple[Job, store.Record]]:
        for job in list(self.running):
            record = job.poll()
            if record is not None:
                self.running.remove(job)
                yield job, record

    def stop(self) -> None:
        for job in self.running:
            job.stop()
        if self.warm is not None:
            self.warm.close()


class Cluster:
    """The workers of a Dask cluster; project and results must lie on a disk that they share."""

    def __init__(self, address: str):
        try:
            from distributed import Client
        except ImportError as error:
            raise UsageError(
                "--scheduler needs dask: python -m pip install 'dask[distributed]'"
            ) from error
        try:
            self.client = Client(address, timeout=10)
        except (OSError, TimeoutError, ValueError) as error:
            raise UsageError(f"no Dask scheduler answers at {address!r}: {error}") from error
        self.executor = self.client.get_executor(pure=False)
        self.running: list[Job] = []
        self.futures: dict[int, Any] = {}

    def free(self) -> bool:
        return True

    def start(self, job: Job) -> None:
        job.began, job.started = time.monotonic(), store.now()
        run = job.run.model_dump(mode="json")
        self.futures[id(job)] = self.executor.submit(
            *(supervise, run, job.key, str(job.config), str(job.root), str(job.results)),
            *(job.again, job.attempt),
        )
        self.running.append(job)

    def ended(self) -> Iterator[tuple[Job, store.Record]]:
        for job in list(self.running):
            future = self.futures[id(job)]
            if future.done():
                self.running.remove(job)
                yield job, _cluster_record(job, future.result)

    def stop(self) -> None:
        for job in self.running:
            if not self.futures[id(job)].cancel() and job.folder.is_dir():
                (job.folder / STOP).touch()
        self.executor.shutdown(wait=False)
        self.client.close()


def _cluster_record(job: Job, result: Callable[[], str]) -> store.Record:
    try:
        return store.Record.model_validate_json(result())
    # whatever a remote process raises is the failure of that run, not of the grid
    except Exception as error:
        name = type(error).__name__
        cause = LOST if name in _CLUSTER_LOST else None
        detail = f"on the cluster: {name}: {error}"
        return job.noted(fail(job.spec(), "error", detail, job.started, cause))
