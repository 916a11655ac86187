"""`pixcl-bench verify --files` and `--rerun N`: is a results folder whole, and can it be made
again?"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixcl_bench.cli.shared import console, load, place

if TYPE_CHECKING:
    from pixcl_bench.bench.records.integrity import Integrity

_NAMED = 3


@dataclass(frozen=True)
class Chosen:
    """What was asked for: the configuration file, the results folder, the profiles (None: all)."""

    config: Path | None
    results: Path | None
    profiles: list[str] | None

    @property
    def folder(self) -> Path:
        """The results folder, by default that of the configuration. Raises UsageError."""
        from pixcl_bench.bench.config.builtin import own_folder

        return self.results or own_folder(place(self.config).resolve(), "results")

    @property
    def names(self) -> list[str | None]:
        """The profiles one by one; one None for all of them."""
        from pixcl_bench.bench.config.words import split

        return [*(split(self.profiles) or ()), *([] if split(self.profiles) else [None])]


def files(chosen: Chosen) -> bool:
    """Compare every record with its checksum and every file beside it with its digest, and the
    published tables with theirs; print what differs. Returns whether nothing does."""
    from pixcl_bench.bench.records.integrity import check_published, check_results

    published = place(chosen.config).resolve().parent / "published"
    results = [check_results(chosen.folder, name) for name in chosen.names]
    tables = [check_published(published, name) for name in chosen.names]
    faults = [fault for one in (*results, *tables) for fault in one.faults]
    for fault in faults:
        print(fault)
    for line in _summary(chosen.folder, results):
        print(line)
    for line in _summary(published, tables):
        print(line)
    print("every file is as it was written" if not faults else f"{len(faults)} faults")
    return not faults


def _summary(folder: Path, found: "list[Integrity]") -> list[str]:
    """How much was compared, and what could not be."""
    records, beside = sum(one.records for one in found), sum(one.files for one in found)
    lines = [f"{folder}: {records} records and {beside} files beside them compared"]
    unsealed = [name for one in found for name in one.unsealed]
    bare = [name for one in found for name in one.bare]
    copies = [name for one in found for name in one.copies]
    for names, text in (
        (unsealed, "records without a checksum, of an earlier version"),
        (bare, "records without checksums of the files beside them, of an earlier version"),
        (copies, "folders that are not where their records belong"),
    ):
        if names:
            more = ", ..." if len(names) > _NAMED else ""
            lines.append(f"  {len(names)} {text}: {', '.join(names[:_NAMED])}{more}")
    return lines


def rerun(chosen: Chosen, count: int, seed: int, jobs: int | None) -> bool:
    """Do some finished runs again in a temporary folder and compare; print what differs. Returns
    whether nothing does."""
    from pixcl_bench.bench.run.again import draw, repeat, repeatable

    config, out = load(chosen.config), console()
    runs = {}
    for name in chosen.names:
        runs.update(repeatable(config, chosen.folder, name))
    if not runs:
        out.print(
            f"no finished run in {chosen.folder} has the key of today's code: nothing to compare"
            " (pixcl-bench status --why)",
            soft_wrap=True,
        )
        return False
    picked = draw(runs, count, seed)
    with tempfile.TemporaryDirectory(prefix="pixcl-verify-") as folder:
        done = repeat(picked, config, chosen.folder, Path(folder), jobs=jobs, console=out)
    for one in done:
        text = f"{one.name}: {one.detail or 'bit-equal: metrics, history, weights'}"
        out.print(text, markup=False, soft_wrap=True)
    differ = sum(bool(one.detail) for one in done)
    out.print(f"{len(done) - differ} of {len(done)} runs are the same bit for bit")
    return not differ
