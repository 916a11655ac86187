"""Where the numbers of a table come from: dates, commits, and what has become of the code since."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.errors import BenchError
from pixcl_bench.bench.records.published import stale
from pixcl_bench.bench.records.store import Record

SHORT = 10
"""Digits of a commit that are shown."""


@dataclass(frozen=True, order=True)
class Adoption:
    """Records that were taken over unchanged because other code gave the same numbers.

    Attributes:
        commit: of that code, shortened.
        date: `2026-01-31`, or empty where the record does not say.
        n: how many records.
    """

    commit: str
    date: str
    n: int


@dataclass(frozen=True)
class Provenance:
    """Where finished runs come from.

    Attributes:
        n: how many runs.
        first, last: the days of the earliest and of the latest run; empty without runs.
        commits: shortened, in the order of the alphabet.
        dirty: how many ran with changes that were not committed.
        changed: methods whose code is not the same any more.
        adoptions: by commit.
    """

    n: int
    first: str
    last: str
    commits: tuple[str, ...]
    dirty: int
    changed: tuple[str, ...]
    adoptions: tuple[Adoption, ...]


def short_commit(value: object) -> str:
    """A commit as it is shown; `unknown` where there is none."""
    return str(value or "unknown")[:SHORT]


def commits(records: Iterable[Record]) -> tuple[str, ...]:
    """The commits that records come from, shortened."""
    return tuple(sorted({short_commit((r.published or r.code).get("commit")) for r in records}))


def adoptions(records: Iterable[Record]) -> tuple[Adoption, ...]:
    """How many published records were adopted, by the commit of the code that gave the same
    numbers."""
    found: Counter[tuple[str, str]] = Counter()
    for record in records:
        adopted = (record.published or {}).get("adopted")
        if isinstance(adopted, dict):
            date = str(adopted.get("date") or "")[:10]
            found[short_commit(adopted.get("commit")), date] += 1
    return tuple(sorted(Adoption(commit, date, n) for (commit, date), n in found.items()))


def _is_stale(record: Record, config: Config) -> bool:
    """Whether the code that a record reaches has changed, or cannot be found any more."""
    try:
        return stale(record, config)
    except BenchError:
        return True


def changed_methods(config: Config, records: Iterable[Record]) -> tuple[str, ...]:
    """Methods with a run whose code has changed since.

    Code is read once for each method and version, not for each seed.
    """
    versions = {(r.task, r.profile, r.dataset, r.method, r.code.get("hash")): r for r in records}
    return tuple(sorted({r.method for r in versions.values() if _is_stale(r, config)}))


def provenance(config: Config, records: Sequence[Record]) -> Provenance:
    """Where the finished ones of these records come from."""
    good = [r for r in records if r.status == "ok"]
    days = sorted(r.finished[:10] for r in good)
    return Provenance(
        n=len(good),
        first=days[0] if days else "",
        last=days[-1] if days else "",
        commits=commits(good),
        dirty=sum(bool(r.code.get("dirty")) for r in good),
        changed=changed_methods(config, good),
        adoptions=adoptions(good),
    )


def sentences(found: Provenance) -> str:
    """The same in Markdown: plain facts, no fault."""
    if not found.n:
        return "No finished run."
    when = found.first if found.first == found.last else f"{found.first} to {found.last}"
    parts = [f"{found.n} runs of {when}, from commit {', '.join(f'`{c}`' for c in found.commits)}."]
    if found.dirty:
        parts.append(f"{found.dirty} of them ran with changes that were not committed.")
    for each in found.adoptions:
        day = f" of {each.date}" if each.date else ""
        parts.append(
            f"{each.n} of them were adopted with commit `{each.commit}`{day}: a sample that ran "
            "again on its code gave the same numbers to the last bit."
        )
    if found.changed:
        parts.append(
            f"Code has changed since ({', '.join(found.changed)}); the numbers are those of the "
            "commit named."
        )
    else:
        parts.append("The code that they reach has not changed since.")
    return " ".join(parts)
