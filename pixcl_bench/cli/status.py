"""`pixcl-bench status`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixcl_bench.cli.app import app
from pixcl_bench.cli.options import ConfigFile, DataRoot, Device, Profiles, Results
from pixcl_bench.cli.shared import console, load

if TYPE_CHECKING:
    from pixcl_bench.bench.config.reading import Config
    from pixcl_bench.bench.run.state import JobState


@app.command()
def status(
    profile: Profiles = None,
    device: Device = "auto",
    results: Results = None,
    methods: Annotated[
        bool, typer.Option("--methods", help="A row for each method, not for each data set.")
    ] = False,
    why: Annotated[
        bool, typer.Option("--why", help="Say what has changed since a stale run was done.")
    ] = False,
    data_root: DataRoot = None,
    config: ConfigFile = None,
) -> None:
    """Show which runs are done, stale (changed since), failed and missing, and how many published
    records have the key of today's code."""
    from pixcl_bench.bench.config.grid import plan
    from pixcl_bench.bench.config.words import split, use_data_root
    from pixcl_bench.bench.records.published import read_all_published
    from pixcl_bench.bench.records.scan import look
    from pixcl_bench.bench.run import state
    from pixcl_bench.bench.run.guards import shown
    from pixcl_bench.bench.run.machine import resolve_device
    from pixcl_bench.bench.run.runner import make_jobs
    from pixcl_bench.bench.run.verify import published_line, published_state

    use_data_root(data_root)
    loaded, out = load(config), console()
    place = results or loaded.results
    out.print(f"results in {shown(place)}/", markup=False, soft_wrap=True)
    wanted = split(profile) or list(loaded.profiles)
    for name in wanted:
        jobs = make_jobs(plan(loaded, name, device=resolve_device(device)), loaded, place)
        found = look(place, name)
        states = state.job_states(jobs, found)
        out.print(state.status_table(states, loaded, name, methods=methods))
        lines = [*state.failure_lines(states), *found.notes()]
        lines += _why(states, loaded, place) if why else [state.stale_line(states)]
        for line in filter(None, lines):
            out.print(line, markup=False, soft_wrap=True)
    every = read_all_published(loaded.path.parent / "published")
    records = [record for record in every if record.profile in wanted]
    if records:
        out.print(published_line(published_state(records, loaded)), soft_wrap=True)


def _why(states: "Sequence[JobState]", config: "Config", results: Path) -> Iterator[str]:
    """What has changed since the stale runs were done; the seeds of a method that say the same in
    one line."""
    from pixcl_bench.bench.keys import Codes
    from pixcl_bench.bench.run.why import reasons

    codes = Codes(config.root)
    told: dict[tuple[str, str], list[int]] = {}
    for one in states:
        if one.state == "stale" and one.record is not None:
            folder = results / one.job.run.folder
            found = reasons(one.record, one.job.run, config.root, folder, codes)
            name = Path(one.job.run.name).parent.as_posix()
            told.setdefault((name, "; ".join(found)), []).append(one.job.run.seed)
    for (name, text), seeds in told.items():
        word = "seed" if len(seeds) == 1 else "seeds"
        yield f"stale: {name} ({word} {', '.join(map(str, seeds))}): {text}"
