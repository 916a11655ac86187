"""`pixcl-bench init`: a project of one's own to edit."""

from pathlib import Path
from typing import Annotated

import typer

from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import path_of
from pixcl_bench.cli.shared import stop

README = """\
# A benchmark project

A copy of the project of pixcl_bench {version}, to edit. Everything is run from this folder:

    pixcl-bench check                  # is benchmarks.yaml right? problems come with their line
    pixcl-bench list                   # profiles, tasks, methods, data sets
    pixcl-bench run --profile smoke    # the grid in a few minutes: does everything work?
    pixcl-bench run                    # profile quick
    pixcl-bench status                 # done, stale, failed, missing
    pixcl-bench claims --published     # the papers' claims, from the published records

- `benchmarks.yaml` names profiles, tasks, data sets, methods and claims.
- `nbs/benchmarks/` holds the notebook of each task, which the suite runs and you can open.
- `published/` holds records that were published with pixcl_bench.
- `results/` is made by runs and is not committed.

A method of your own is a module beside `benchmarks.yaml` and an entry in the file of its task.
These commands write one that works, to be replaced piece by piece, and hold it to its contract:

    pixcl-bench new-method NAME --task image_ssl
    pixcl-bench check-method NAME
    pixcl-bench run -p smoke --task image_ssl --method NAME
"""
GITIGNORE = "/results/\n__pycache__/\n*.py[cod]\n.ipynb_checkpoints/\n"


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(parser=path_of, metavar="DIR", help="Where to; made if absent.")
    ],
) -> None:
    """Write a project to edit: benchmarks.yaml, its notebooks and published records. Overwrites
    nothing."""
    from pixcl_bench.bench.records.disk import write_atomic
    from pixcl_bench.bench.run.guards import shown

    files = _files()
    taken = [name for name in files if (folder / name).exists()]
    if taken:
        more = f" and {len(taken) - 5} more" if len(taken) > 5 else ""
        stop(
            f"{shown(folder)} has {', '.join(taken[:5])}{more} already: nothing was written; "
            "name another folder, or move these away"
        )
    # The configuration comes last: without it, a folder half written is no project.
    for name in sorted(files, key="benchmarks.yaml".__eq__):
        write_atomic(folder / name, files[name])
    print(f"{shown(folder)}: {len(files)} files; go there and start with: pixcl-bench check")


def _files() -> dict[str, str]:
    """The text of every file of a new project, by its path."""
    from pixcl_bench.bench.config.builtin import builtin_project, project_files
    from pixcl_bench.bench.keys import version_of

    root = builtin_project()
    found = {path.as_posix(): (root / path).read_text("utf-8") for path in project_files(root)}
    return {
        "README.md": README.format(version=version_of("pixcl_bench")),
        ".gitignore": GITIGNORE,
        **found,
    }
