"""Contrastive learning for dense vision: methods, data sets, and a benchmark of them.

import pixcl_bench as pb

pb.list_methods("dense_transfer")
learner = pb.build("grass")
data = pb.load("landcover")
record = pb.run("dense_transfer", "landcover", "grass", seed=0)
record.metrics
"""

__version__ = "0.1.0"

__all__ = [
    "RunFailedError",
    "build",
    "list_datasets",
    "list_methods",
    "list_tasks",
    "load",
    "run",
]


def __getattr__(name: str) -> object:
    """The functions of `pixcl_bench.cli.face`, imported when they are first asked for: every import
    of a part of this package passes here. Their types stand in `__init__.pyi`."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.cli.face"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
