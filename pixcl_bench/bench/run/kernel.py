"""The kernel of a run: the one of IPython in this very interpreter, without any configuration of
the user or of the system.

IPython would read `ipython_config.py` and `ipython_kernel_config.py` from folders of the user, of
the system and of this environment. What these change (extensions, lines to execute, formats) is
in no key of a run, so that none of them is read."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pixcl_bench.bench.run.start import order

ENTRY = str(Path(__file__).with_name("start.py"))
COMMAND = (sys.executable, ENTRY, "kernel", "-f", "{connection_file}")
"""What starts a kernel, with the field that its manager fills in."""


def begin(arguments: Sequence[str]) -> None:
    """Be the kernel of these arguments until it is shut down."""
    from ipykernel.kernelapp import IPKernelApp

    class SuiteKernelApp(IPKernelApp):
        """A kernel that reads no file of configuration and finds the modules of its project."""

        def load_config_file(self, *args: Any, **options: Any) -> None:
            """None is read."""

        def init_path(self) -> None:
            """The working folder comes after the standard library, before installed packages."""
            sys.path[:] = order(sys.path, [*_given(), os.getcwd()])

    import_matplotlib_elsewhere()
    SuiteKernelApp.launch_instance(argv=["--HistoryManager.enabled=False", *arguments])


def _given() -> list[str]:
    places = os.environ.get("PIXCL_BENCH_PATH", "").split(os.pathsep)
    return [place for place in places if place and place in sys.path]


def import_matplotlib_elsewhere() -> None:
    """Import matplotlib where the working folder has a `matplotlibrc`: it would be read there
    before any other, and cannot be told not to."""
    if not Path("matplotlibrc").is_file() or "matplotlib" in sys.modules:
        return
    here = os.getcwd()
    os.chdir(Path(ENTRY).parent)
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        pass
    finally:
        os.chdir(here)
