"""Is today's code the code of the published records? One seed of each cell is run again and
compared bit for bit.

A clean-up that reaches deeper than the meaning of the code (see `bench.keys`) gives new keys
although it is meant to change nothing. `pixcl-bench verify` proves that it changes nothing: of
every cell (task, data set, method, values of a sweep; of a profile) one seed runs on the present
code. Only where metrics and history are bit-equal, `--adopt` gives the published records of the
cell their new keys, and notes the commit and the seed that was run.

Other processors give other bits. On a machine of another kind the published numbers cannot serve
as the reference: there the same seeds are run on the old commit first (in a checkout of it), and
`--against` names that results folder. A reference counts only where its key is the one of the
published record: then code, data, settings and library versions are those of the record."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pixcl_bench.bench.config.grid import Fingerprints, Run
from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.sweeps import variant_name
from pixcl_bench.bench.errors import RecordError, UsageError
from pixcl_bench.bench.keys import Codes, code_hash, run_key, run_versions, version_of
from pixcl_bench.bench.records import rerun, store
from pixcl_bench.bench.records.published import (
    compact,
    current_key,
    published_path,
    read_all_published,
    read_published,
    run_of,
    write_published,
)
from pixcl_bench.bench.records.store import Record

if TYPE_CHECKING:
    from rich.console import Console

CellName = tuple[str, str, str, str, str, str]
"""Profile, device, task, data set, method, values of a sweep (empty where there is none)."""

Verdict = Literal["equal", "differs", "failed", "no reference", "gone"]
_SAME_MACHINE = ("machine", "cpu", "cpu_capability", "gpu", "gpu_capability", "cuda", "cudnn")


@dataclass(frozen=True)
class Check:
    """What came of one cell: the records of it, the `sample` that was run now, the `reference`
    that it was compared with, the verdict, and a sentence about it. `own_machine`: the reference
    is of this machine and not the published record itself."""

    cell: CellName
    records: tuple[Record, ...]
    verdict: Verdict
    detail: str = ""
    sample: Record | None = None
    reference: Record | None = None
    own_machine: bool = False

    @property
    def name(self) -> str:
        """`PROFILE/TASK/DATASET/METHOD`, of a sweep `METHOD@NAME=VALUE,...`."""
        return self.records[0].folder.parent.as_posix()


def cells(records: Iterable[Record]) -> dict[CellName, list[Record]]:
    """Published records by cell, the seeds in their order."""
    found: dict[CellName, list[Record]] = {}
    for r in sorted(records, key=lambda r: (*cell_of(r), r.seed)):
        found.setdefault(cell_of(r), []).append(r)
    return found


def cell_of(record: Record) -> CellName:
    """The cell of a record."""
    variant = variant_name(record.sweep)
    place = (record.task, record.dataset, record.method, variant)
    return (record.profile, record.device, *place)


def changed(records: Sequence[Record], config: Config) -> bool:
    """Whether some record of a cell has another key than its run would have today."""
    known, codes = Fingerprints(), Codes(config.root)
    return any(current_key(record, config, known, codes) != record.key for record in records)


def samples(
    chosen: dict[CellName, list[Record]], config: Config, seed: int | None = None
) -> dict[CellName, Run | None]:
    """The run to do of each cell: that of its first seed, or of `seed` where the cell has it;
    None where the configuration no longer knows it."""
    runs: dict[CellName, Run | None] = {}
    for name, records in chosen.items():
        wanted = next((r for r in records if r.seed == seed), records[0])
        runs[name] = run_of(wanted, config)
    return runs


def verify(
    chosen: dict[CellName, list[Record]],
    config: Config,
    results: Path,
    *,
    seed: int | None = None,
    against: Path | None = None,
    jobs: int | None = None,
    console: "Console | None" = None,
) -> list[Check]:
    """Run one seed of each cell on the present code and compare; what is done already in
    `results` is not run again. against: a results folder of the old code on this machine. Raises
    UsageError."""
    from pixcl_bench.bench.run.runner import run_grid

    runs = samples(chosen, config, seed)
    for device in sorted({name[1] for name, run in runs.items() if run}):
        for profile in sorted({name[0] for name, run in runs.items() if run and name[1] == device}):
            todo = [run for name, run in runs.items() if run and name[:2] == (profile, device)]
            summary = run_grid(todo, config=config, results=results, jobs=jobs, console=console)
            if summary.interrupted:
                raise KeyboardInterrupt
    return [judge(name, chosen[name], run, config, results, against) for name, run in runs.items()]


def judge(
    cell: CellName,
    records: Sequence[Record],
    run: Run | None,
    config: Config,
    results: Path,
    against: Path | None,
) -> Check:
    """Compare the sample of a cell with its reference."""
    kept = tuple(records)
    if run is None:
        return Check(cell, kept, "gone", "the configuration no longer knows it")
    old = next(record for record in records if record.seed == run.seed)
    sample = _record(results / run.folder)
    if sample is None or sample.status != "ok" or sample.key != run_key(run, config.root):
        failed = rerun.failed_rerun(results / run.folder) or sample
        detail = (failed.detail or failed.reason or "") if failed else "it has no record"
        return Check(cell, kept, "failed", str(detail), sample)
    reference = _record(against / old.folder) if against else None
    if reference is not None and reference.status != "ok":
        detail = f"the reference failed: {reference.reason}"
        return Check(cell, kept, "no reference", detail, sample)
    if reference is not None and reference.key != old.key:
        detail = f"the reference has key {reference.key}, the published record {old.key}"
        return Check(cell, kept, "no reference", detail, sample)
    if reference is None and not same_machine(old, sample):
        detail = (
            f"published on {old.environment.get('cpu')}, run on {sample.environment.get('cpu')}"
        )
        return Check(cell, kept, "no reference", f"{detail}: use --against", sample)
    difference = compare(reference or old, sample)
    if not difference and reference is not None and against is not None:
        difference = _histories(against / old.folder, results / run.folder)
    verdict: Verdict = "differs" if difference else "equal"
    return Check(cell, kept, verdict, difference, sample, reference or old, reference is not None)


def _record(folder: Path) -> Record | None:
    with suppress(RecordError):
        return store.settled(folder)
    return None


def same_machine(one: Record, other: Record) -> bool:
    """Whether two records are of the same kind of processor (and GPU), so that their bits can be
    compared."""
    return all(one.environment.get(name) == other.environment.get(name) for name in _SAME_MACHINE)


def compare(reference: Record, sample: Record) -> str:
    """The first difference between the numbers of two runs, in words; empty where all bits are
    equal."""
    if reference.metrics != sample.metrics:
        names = sorted({*reference.metrics, *sample.metrics})
        for name in names:
            old, new = reference.metrics.get(name), sample.metrics.get(name)
            if old != new or (name in reference.metrics) != (name in sample.metrics):
                return f"metric {name}: {old!r} before, {new!r} now"
    old_curve, new_curve = compact(reference).curve, compact(sample).curve
    if old_curve != new_curve:
        pairs = zip(old_curve, new_curve, strict=False)
        first = next((f"{a} before, {b} now" for a, b in pairs if a != b), "another length")
        return f"loss curve: {first}"
    return ""


def _histories(old: Path, new: Path) -> str:
    one, other = ((folder / store.HISTORY) for folder in (old, new))
    texts = [path.read_text(encoding="utf-8") if path.is_file() else "" for path in (one, other)]
    if texts[0] == texts[1]:
        return ""
    pairs = zip(*(text.splitlines() for text in texts), strict=False)
    line = next((i for i, (a, b) in enumerate(pairs, 1) if a != b), None)
    return f"{store.HISTORY}: " + (f"line {line} differs" if line else "another length")


def adopt(checks: Sequence[Check], config: Config, out_dir: Path) -> int:
    """Give the records of the cells that proved equal the keys of the present code; return how
    many.

    Raises UsageError where the present code is not committed, or where a library has another
    version than a record names."""
    equal = whole_tables(checks, config, out_dir)
    count = 0
    for device in sorted({check.cell[1] for check in equal}):
        for profile in sorted({check.cell[0] for check in equal if check.cell[1] == device}):
            path = published_path(out_dir, profile, device)
            kept = read_published(path)
            fresh: dict[str, Record] = {}
            for check in equal:
                if check.cell[:2] == (profile, device):
                    fresh |= {r.checksum: _adopted(r, check, config) for r in check.records}
            write_published(path, [fresh.get(record.checksum, record) for record in kept])
            count += len(fresh)
    return count


def whole_tables(checks: Sequence[Check], config: Config, out_dir: Path) -> list[Check]:
    """The cells that proved equal, of those published tables of which every other cell did too or
    has today's key already."""
    equal = {check.cell: check for check in checks if check.verdict == "equal" and check.sample}
    broken = {
        cell[:4]
        for cell, records in cells(read_all_published(out_dir)).items()
        if cell not in equal and changed(records, config)
    }
    return [check for cell, check in equal.items() if cell[:4] not in broken]


def _adopted(record: Record, check: Check, config: Config) -> Record:
    sample, run = check.sample, run_of(record, config)
    assert sample is not None
    assert run is not None
    name = record.folder.as_posix()
    if sample.code.get("dirty") is not False:
        raise UsageError(f"{name}: the present code is not committed: commit and verify again")
    versions = run_versions(run, config.root)
    known = record.code.get("versions", {}) | {
        library: record.environment[f"version_{library}"]
        for library in versions
        if record.environment.get(f"version_{library}")
    }
    other = {n: v for n, v in known.items() if n in versions and v != versions[n]}
    if other:
        library, old = sorted(other.items())[0]
        raise UsageError(f"{name}: made with {library} {old}, here is {version_of(library)}")
    published = dict(record.published or {})
    published["adopted"] = {
        "commit": sample.code.get("commit"),
        "date": sample.finished[:10],
        "from_key": published.get("adopted", {}).get("from_key", record.key),
        "sample": {
            "seed": sample.seed,
            "cpu": sample.environment.get("cpu"),
            "reference": "the old code on this machine" if check.own_machine else "the record",
        },
    }
    return record.model_copy(
        update={
            "key": run_key(run, config.root, versions),
            "learner": run.learner,
            "args": run.args,
            "settings": run.settings,
            "data": record.data | {"fingerprint": run.data_fingerprint},
            "code": record.code | {"hash": code_hash(run, config.root), "versions": versions},
            "published": published,
        }
    )


@dataclass(frozen=True)
class PublishedState:
    """How many published records there are, how many have the key of today's code, and how many
    of these were adopted."""

    total: int
    current: int
    adopted: int


def published_state(records: Sequence[Record], config: Config) -> PublishedState:
    """Count published records."""
    known, codes = Fingerprints(), Codes(config.root)
    current = [r for r in records if current_key(r, config, known, codes) == r.key]
    adopted = [r for r in current if (r.published or {}).get("adopted")]
    return PublishedState(len(records), len(current), len(adopted))


def published_line(state: PublishedState) -> str:
    """The line of `pixcl-bench status` about published records."""
    changed = state.total - state.current
    line = f"published: {state.total} records, {state.current} with the key of today's code"
    if state.adopted:
        line += f" ({state.adopted} of them adopted after a bit-equal run)"
    if changed:
        line += f"; the code of {changed} has changed since: pixcl-bench verify"
    return line
