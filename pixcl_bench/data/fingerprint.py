"""What the fingerprint of a data set is made of: the meaning of its code, digests of files and
folders."""

import hashlib
from pathlib import Path

from pixcl_bench.meaning.graph import HOME, Boundary, Code, code_graph
from pixcl_bench.meaning.source import find_module


BOUNDARY = Boundary(
    modules=tuple(
        f"{HOME}.data.{name}"
        for name in ("catalogue", "fetch", "info", "fingerprint", "listing", "cards")
    )
)
"""Machinery that finds files and does not decide what the arrays hold."""


def data_meaning(loader: str, modules: tuple[str, ...] = ()) -> Code:
    """The code that makes a data set: what its `loader` ("module:function") reaches, and all of
    further `modules` that are reached in ways which cannot be read from the code.

    Nothing is imported. Raises ModuleNotFoundError where there is no such source.
    """
    for module in (loader.partition(":")[0], *modules):
        if find_module(module) is None:
            raise ModuleNotFoundError(
                f"no source of module {module!r}: is its package installed?", name=module
            )
    packages = frozenset(name.split(".")[0] for name in (HOME, loader, *modules))
    return code_graph(None, BOUNDARY, packages, code_shelves()).code([loader, *modules])


def code_shelves() -> Path:
    """Where what was read of code is kept for the next process."""
    from pixcl_bench.data.fetch import cache_dir  # it needs the digests that stand here

    return cache_dir() / "code"


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of a file's content, read in pieces."""
    digest = (
        hashlib.new(algorithm, usedforsecurity=False)
        if algorithm == "md5"
        else hashlib.new(algorithm)
    )
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
