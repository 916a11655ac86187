"""Published records: compact, committed, with the commit they came from. The only source of
numbers for pages."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pixcl_bench.bench.config.grid import Fingerprints, Run, make_run
from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.sweeps import variant_name
from pixcl_bench.bench.errors import BenchError, UsageError
from pixcl_bench.bench.keys import Codes, canonical_json, code_hash, run_key
from pixcl_bench.bench.records.disk import write_atomic
from pixcl_bench.bench.records.scan import look
from pixcl_bench.bench.records.store import Record, parse_record, plain, seal

ENVIRONMENT = (
    *("device", "gpu", "gpu_memory_gib", "gpu_capability", "gpu_driver", "cuda", "cudnn"),
    *(
        "system",
        "machine",
        "cpu",
        "cpu_count",
        "cpu_usable",
        "cpu_capability",
        "memory_gib",
        "threads",
    ),
    *(
        "python",
        "version_torch",
        "version_torchvision",
        "version_timm",
        "version_numpy",
        "version_kornia",
    ),
    *("deterministic", "matmul_precision"),
)
"""The fields of the environment that a published record keeps."""

RunName = tuple[str, str, str, str, int]
"""Task, data set, method, values of a sweep, seed."""


def published_path(out_dir: Path, profile: str, device: str) -> Path:
    """`OUT_DIR/PROFILE-DEVICE.jsonl`."""
    return out_dir / f"{profile}-{device}.jsonl"


def publish(
    config: Config,
    results: Path,
    profile: str,
    device: str,
    out_dir: Path,
    *,
    tasks: Sequence[str] | None = None,
    allow_dirty: bool = False,
    allow_stale: bool = False,
) -> tuple[Path, int]:
    """Write the finished runs of a profile and device to `published/PROFILE-DEVICE.jsonl`; return
    the file and how many; of some `tasks` only, where they are named.

    Records already published and not run here are kept. The same records give the same file,
    byte for byte. Raises UsageError where a record's code was not committed, or where it is not
    what would be run today."""
    for task in tasks or ():
        config.task(task)
    done = [r for r in look(results, profile).finished if r.device == device]
    records = [r for r in done if not tasks or r.task in tasks]
    if not records:
        which = f" of task {', '.join(tasks)}" if tasks else ""
        raise UsageError(f"no finished run of profile {profile!r}{which} on {device} in {results}")
    asked = (Fingerprints(), Codes(config.root))
    told = [_refusal(record, config, allow_dirty, allow_stale, *asked) for record in records]
    refused = [why for why in told if why]
    if refused:
        more = f"\n... and {len(refused) - 10} more" if len(refused) > 10 else ""
        raise UsageError(
            f"{len(refused)} of {len(records)} records cannot be published:\n"
            + "\n".join(refused[:10])
            + more
        )
    path = published_path(out_dir, profile, device)
    kept = {_place(r): r for r in (read_published(path) if path.is_file() else [])}
    kept.update({_place(record): compact(record) for record in records})
    write_published(path, kept.values())
    return path, len(records)


def write_published(path: Path, records: Iterable[Record]) -> None:
    """Write published records in a fixed order, each with its checksum, one a line; the file is
    replaced as a whole."""
    lines = [_line(seal(record)) for record in sorted(records, key=_place)]
    write_atomic(path, "".join(lines))


def _refusal(
    record: Record,
    config: Config,
    allow_dirty: bool,
    allow_stale: bool,
    known: Fingerprints,
    codes: Codes,
) -> str:
    name = record.folder.as_posix()
    if not allow_dirty and record.code.get("dirty") is not False:
        why = (
            "its code is of no commit"
            if record.code.get("commit") is None
            else "files that it reaches were not committed"
        )
        return f"{name}: {why} (commit and run again, or --allow-dirty)"
    if not allow_stale and record.key != current_key(record, config, known, codes):
        return f"{name}: settings, code or data have changed since (run again, or --allow-stale)"
    return ""


def run_of(
    record: Record,
    config: Config,
    fingerprints: Fingerprints | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Run | None:
    """The run that the configuration asks for in the place of a record, or None where it knows
    no such run. fingerprints: those of data sets, where many records are asked about. overrides:
    the settings that were changed for it, where they are known to be more than those of a sweep."""
    from pixcl_bench.data.catalogue import CatalogueError

    try:
        return make_run(
            config,
            record.task,
            dataset=record.dataset,
            method=record.method,
            seed=record.seed,
            profile=record.profile,
            device="cuda" if record.device == "cuda" else "cpu",
            overrides=overrides or record.sweep,
            data_fingerprint=None if fingerprints is None else fingerprints[record.dataset],
        )
    except (BenchError, CatalogueError):
        return None


def current_key(
    record: Record,
    config: Config,
    fingerprints: Fingerprints | None = None,
    codes: Codes | None = None,
) -> str | None:
    """The key that the run of a record would have today with the library versions it ran with.
    fingerprints, codes: those of data sets and of code, where many records are asked about."""
    run = run_of(record, config, fingerprints)
    return run_key(run, config.root, record.code.get("versions"), codes) if run else None


def stale(record: Record, config: Config) -> bool:
    """Whether the code that a record reaches has changed since it was made, or is gone."""
    run = run_of(record, config)
    return run is None or code_hash(run, config.root) != record.code.get("hash")


def compact(record: Record) -> Record:
    """A record as it is published: the environment trimmed, without its files, with its commit and
    date."""
    environment = {
        name: record.environment[name] for name in ENVIRONMENT if name in record.environment
    }
    provenance = {
        "commit": record.code.get("commit"),
        "dirty": record.code.get("dirty"),
        "date": record.finished[:10],
    }
    curve = [(step, float(f"{loss:.5g}")) for step, loss in record.curve]
    return seal(
        record.model_copy(
            update={
                "environment": environment,
                "curve": curve,
                "published": provenance,
                "files": {},
            }
        )
    )


def read_published(path: Path | str) -> list[Record]:
    """The records of a published file. Raises RecordError with the line of a damaged one."""
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such file of published records")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        parse_record(line, f"{path.name}:{i}") for i, line in enumerate(lines, 1) if line.strip()
    ]


def read_all_published(out_dir: Path, profile: str | None = None) -> list[Record]:
    """The records of every published file of a profile, or of all profiles."""
    files: Iterable[Path] = sorted(out_dir.glob(f"{profile or '*'}-*.jsonl"))
    return [record for path in files for record in read_published(path)]


def _place(record: Record) -> RunName:
    return (
        record.task,
        record.dataset,
        record.method,
        variant_name(dict(sorted(record.sweep.items()))),
        record.seed,
    )


def _line(record: Record) -> str:
    return canonical_json(plain(record)) + "\n"
