"""Options that several commands share, as types of their arguments."""

from pathlib import Path
from typing import Annotated

import typer


def path_of(text: str) -> Path:
    """An option that is a path, read where the user stands."""
    from pixcl_bench.bench.config.words import place_of

    return place_of(text)


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        parser=path_of,
        metavar="FILE",
        help="benchmarks.yaml (default: of this folder or above, else the one of the package).",
    ),
]
Results = Annotated[
    Path | None,
    typer.Option(
        "--results",
        parser=path_of,
        metavar="DIR",
        help="Results folder (default: results beside the file; for that of the package, here).",
    ),
]
Profile = Annotated[
    str, typer.Option("--profile", "-p", help="smoke, quick, study, paper, or another of the file.")
]
Names = list[str] | None
Profiles = Annotated[Names, typer.Option("--profile", "-p", help="Only these profiles.")]
Tasks = Annotated[
    Names, typer.Option("--task", help="Only these; repeat the option or separate by commas.")
]
Datasets = Annotated[
    Names, typer.Option("--dataset", help="These data sets in place of the profile's.")
]
Methods = Annotated[
    Names,
    typer.Option(
        "--method",
        "-m",
        help="These methods in place of the profile's; one that it does not list runs where its "
        "baseline does.",
    ),
]
Seeds = Annotated[Names, typer.Option("--seed", help="These seeds in place of the profile's.")]
Settings = Annotated[
    Names, typer.Option("--set", help="Change a setting: --set lr=1e-3 --set views.grey=0.")
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", help="Runs at once (default: what the cores hold).")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root", parser=path_of, metavar="DIR", help="Folder of the canonical data sets."
    ),
]
