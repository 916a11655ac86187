"""The process of one run: executes its notebook with papermill and writes down why it failed, if it
does.

`python start.py worker JOB.json`, started by the suite. The kernel is a child of
this process and dies with it."""

import ctypes
import json
import logging
import os
import random
import signal
import socket
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pixcl_bench.bench.config.builtin import working_folder
from pixcl_bench.bench.config.grid import Run
from pixcl_bench.bench.notebook import NotebookError, check_parameters
from pixcl_bench.bench.records import store
from pixcl_bench.bench.run.failures import (
    EXECUTED,
    UNSTARTED,
    KernelStartError,
    explain,
    fail,
)
from pixcl_bench.bench.run.family import adopt_orphans
from pixcl_bench.bench.run.kernel import COMMAND
from pixcl_bench.bench.run.machine import memory_kills

if TYPE_CHECKING:
    from pixcl_bench.bench.run.waiting import WaitingKernel

_PR_SET_PDEATHSIG = 1
STARTS = 3
START_TIMEOUT = 120
PAUSE = (0.2, 1.0)
_LOG = logging.getLogger(__name__)


def die_with_parent(parent: int | None = None) -> None:
    """On Linux, have this process killed as soon as its parent is gone; elsewhere nothing.
    `parent`: who that should be."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if parent is not None and os.getppid() != parent:
            os._exit(1)


def parameters(job: dict[str, Any], run: Run) -> dict[str, Any]:
    """The parameters of the notebook; paths relative to its working folder where they lie inside
    it."""
    place = working_folder(Path(job["root"]), Path(job["results"]))
    return {
        "method": run.method,
        "dataset": run.dataset,
        "seed": run.seed,
        "profile": run.profile,
        "device": run.device,
        "overrides": run.overrides,
        "config": _relative(Path(job["config"]), place),
        "results": _relative(Path(job["results"]), place),
    }


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def execute(
    job: dict[str, Any], kernels: list[Any], waiting: "WaitingKernel | None" = None
) -> None:
    """Execute the notebook of a job. `kernels` receives the process of each kernel started, the
    last at the end. `waiting`: the process that the first kernel is to run in.

    A kernel that fails before any cell has run is started again, up to STARTS times in all; then
    KernelStartError is raised. What goes wrong in a cell is raised at once."""
    # jsonschema takes a second to build a grammar that no notebook needs, and does without it.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    import papermill

    run = Run.model_validate(job["run"])
    root, folder = Path(job["root"]), Path(job["folder"])
    given = parameters(job, run)
    notebook = root / run.notebook
    known = papermill.inspect_notebook(literal(notebook))
    if set(given) - set(known):
        check_parameters(given, notebook)
    for start in range(1, STARTS + 1):
        try:
            with TemporaryDirectory(
                prefix=sockets_of(os.getpid()), ignore_cleanup_errors=True
            ) as place:
                papermill.execute_notebook(
                    literal(notebook),
                    literal(folder / EXECUTED),
                    parameters=given,
                    kernel_name="python3",
                    cwd=str(working_folder(root, Path(job["results"]))),
                    progress_bar=False,
                    log_output=True,
                    autosave_cell_every=10,
                    request_save_on_cell_execute=True,
                    start_timeout=START_TIMEOUT,
                    kernel_manager_class=_kernel_manager(kernels, Path(place), start, waiting),
                )
            return
        except KernelStartError as error:
            # Papermill has written it as a notebook that went through, with nothing in it.
            (folder / EXECUTED).unlink(missing_ok=True)
            ending = "still running" if error.code is None else f"exit code {error.code}"
            _LOG.warning("Kernel start %d of %d failed (%s): %s", start, STARTS, ending, error)
            if start == STARTS:
                raise
        time.sleep(random.uniform(*PAUSE))


def literal(path: Path) -> str:
    """A path for papermill, which fills in parameters where it finds braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def sockets_of(pid: int) -> str:
    """How the names of a worker's folders begin, among the system's temporary files: one for each
    start of a kernel, which a worker that is killed cannot remove."""
    return f"pixcl-{pid}-"


def addresses(folder: Path) -> dict[str, str]:
    """Where a kernel is to listen, as traits of its manager: at unix sockets in `folder`, or at
    ports where there can be no such sockets. Ports are found free and then let go for the kernel to
    take, so that two workers in the same instant may choose the same."""
    given = {"connection_file": str(folder / "kernel.json")}
    if not _can_listen(str(folder / "s-0")):
        return given
    # The manager appends -1 to -5. Its own choice of `ip` would put sockets into the working
    # folder.
    return {**given, "transport": "ipc", "ip": str(folder / "s")}


def own_folders(folder: Path) -> dict[str, str]:
    """Variables that keep IPython and Jupyter out of the folders of the user, by empty ones that
    are made in `folder`."""
    names = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    own = {name: folder / "own" / name.lower() for name in names}
    for place in own.values():
        place.mkdir(parents=True, exist_ok=True)
    return {name: str(place) for name, place in own.items()}


def _can_listen(path: str) -> bool:
    """Whether a unix socket can be bound to a path: it may be too long (about 100 bytes are
    allowed), or its disk may not hold sockets."""
    if os.name != "posix" or not hasattr(socket, "AF_UNIX"):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(path)
        except OSError:
            return False
    os.unlink(path)
    return True


def _kernel_manager(
    kernels: list[Any], place: Path, start: int, waiting: "WaitingKernel | None" = None
) -> type:
    """A kernel manager whose kernel is killed together with this process, and whose client raises
    KernelStartError where the kernel does not get ready. `place`: an empty folder for its sockets.
    `waiting`: the process that becomes the kernel, where it has not become one yet.
    """
    from jupyter_client.asynchronous import AsyncKernelClient
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    parent = os.getpid()

    class SuiteKernelClient(AsyncKernelClient):
        """Tells a kernel that never got ready from one that failed later."""

        async def _async_wait_for_ready(self, timeout: float | None = None) -> None:
            try:
                await super()._async_wait_for_ready(timeout)
            except RuntimeError as error:
                # Asked now: a kernel that still runs is stopped next, and would seem to have died
                # of that.
                code = kernels[-1].poll() if kernels[-1] is not None else None
                raise KernelStartError(str(error), code, start) from error

        wait_for_ready = _async_wait_for_ready

    class SuiteKernelManager(AsyncKernelManager):
        """Starts the kernel bound to this process and remembers its process. No kernel that is
        installed under some name is looked up: it is always this interpreter's."""

        def __init__(self, **kw: Any) -> None:
            super().__init__(**kw, **addresses(place), client_factory=SuiteKernelClient)
            self._kernel_spec = KernelSpec(
                argv=list(COMMAND), display_name="python3", language="python"
            )

        async def _async_launch_kernel(self, kernel_cmd: list[str], **kw: Any) -> None:
            kw["env"] = {**kw.get("env", os.environ), **own_folders(place)}
            if waiting is not None and waiting.free:
                self._fork(waiting, kernel_cmd, kw)
            else:
                kw["preexec_fn"] = lambda: die_with_parent(parent)
                await super()._async_launch_kernel(kernel_cmd, **kw)
            kernels.append(getattr(self.provisioner, "process", None))

        def _fork(self, waiting: "WaitingKernel", command: list[str], kw: dict[str, Any]) -> None:
            """What the provisioner does, with a process that is there already."""
            local: Any = self.provisioner
            local.process = waiting.launch(command, kw["env"], str(kw.get("cwd") or os.getcwd()))
            local.pid = local.pgid = local.process.pid
            self._reconcile_connection_info(local.connection_info)

        _launch_kernel = _async_launch_kernel

    return SuiteKernelManager


def main(path: str, waiting: "WaitingKernel | None" = None) -> int:
    """Run a job file; 0 where the notebook went through, 1 where not (then `failure.json` tells
    why). `waiting`: the process of the kernel, where this one was forked for the job."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    if waiting is None:
        die_with_parent(job["parent"])
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    warnings.filterwarnings("ignore", module="papermill|jupyter_client|nbformat")
    started, kills = store.now(), memory_kills()
    kernels: list[Any] = []
    cause = None
    try:
        execute(job, kernels, waiting)
    except NotebookError as error:
        reason, detail = "error", str(error)
    except Exception as error:
        reason, detail = explain(error, kernels, kills)
        if isinstance(error, KernelStartError) and reason != "out of memory":
            cause = UNSTARTED
    else:
        return 0
    fail(job, reason, detail, started, cause)
    return 1


def begin(arguments: Sequence[str]) -> int:
    """Run the job file that is the one argument."""
    adopt_orphans()
    return main(arguments[0])
