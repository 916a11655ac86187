"""Which commit a run's code is, and whether the files it reaches differ from that commit."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pixcl_bench.bench.config.builtin import builtin_project, is_installed
from pixcl_bench.bench.config.grid import Run
from pixcl_bench.bench.keys import run_code, run_versions, version_of


def provenance(run: Run, root: Path) -> dict[str, Any]:
    """The field `code` of a record: the hash of the code reached, the library versions of its key,
    the version of this package, the commit (None outside a repository) and whether a file that the
    run reaches differs from it (`dirty`; None where that is not known)."""
    code = run_code(run, root)
    commit, dirty = state(root, code.files)
    return {
        "hash": code.hash,
        "commit": commit,
        "dirty": dirty,
        "package": version_of("pixcl_bench"),
        "versions": run_versions(run, root),
    }


def state(root: Path, files: Sequence[Path]) -> tuple[str | None, bool | None]:
    """The commit of the repository around `root`, and whether any of these files in it is changed
    or not committed."""
    if is_installed() and root.resolve() == builtin_project():
        return None, None  # a repository around an environment is not the one of this code
    commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if not commit:
        return None, None
    top = Path((_git(root, "rev-parse", "--show-toplevel") or str(root)).strip()).resolve()
    inside = [str(path.resolve()) for path in files if path.resolve().is_relative_to(top)]
    changed = (
        _git(root, "status", "--porcelain", "--untracked-files=all", "--", *inside)
        if inside
        else ""
    )
    return commit.strip(), None if changed is None else bool(changed.strip())


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *words],
            cwd=root,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
