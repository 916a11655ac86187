"""Where published numbers come from: commits, adopted records, code that has changed since."""

from typing import Any

import fake_records as fake
import pytest

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.errors import UsageError
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report import provenance


@pytest.fixture(scope="module")
def config() -> Config:
    return fake.load()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """The records that were asked for changes; PatchMix has changed, and `gone` cannot be found."""
    seen: list[Record] = []

    def stale(record: Record, config: Config) -> bool:
        seen.append(record)
        if record.method == "gone":
            raise UsageError("no such method")
        return record.method == "patchmix"

    monkeypatch.setattr(provenance, "stale", stale)
    return seen


def published(method: str, seed: int, **fields: Any) -> Record:
    """A published record of a commit."""
    origin = {"commit": "a" * 40, "dirty": False, "date": "2026-01-01", **fields}
    return fake.record(method, seed, published=origin)


def test_days_and_commits(config: Config, asked: list[Record]) -> None:
    records = [
        fake.record("simclr", 0, finished="2026-01-03T10:00:00+00:00"),
        published("simclr", 1),
        fake.record("simclr", 2, code={"hash": "c", "commit": None, "dirty": True}),
        fake.failure("simclr", 3),
    ]
    found = provenance.provenance(config, records)
    assert (found.n, found.first, found.last) == (3, "2026-01-01", "2026-01-03")
    assert found.commits == ("0123456789", "a" * 10, "unknown")
    assert (found.dirty, found.changed, found.adoptions) == (1, (), ())
    text = provenance.sentences(found)
    assert text.startswith("3 runs of 2026-01-01 to 2026-01-03, from commit `0123456789`, `aaaa")
    assert "1 of them ran with changes that were not committed." in text
    assert text.endswith("The code that they reach has not changed since.")


def test_changed_code_is_a_plain_note(config: Config, asked: list[Record]) -> None:
    methods = ("patchmix", "simclr", "gone")
    records = [published(m, seed) for m in methods for seed in range(4)]
    found = provenance.provenance(config, records)
    assert found.changed == ("gone", "patchmix")
    text = provenance.sentences(found)
    assert text.endswith(
        "Code has changed since (gone, patchmix); the numbers are those of the commit named."
    )
    assert "**" not in text
    assert len(asked) == len(methods), "code is read once for a method, not for each seed"


def test_every_version_and_profile_of_a_method_is_asked_for(
    config: Config, asked: list[Record]
) -> None:
    records = [
        published("simclr", 0),
        fake.record("simclr", 1, code={"hash": "other", "commit": "b", "dirty": False}),
        fake.record("simclr", 1, profile="study"),
        fake.record("simclr", 1, dataset="digits"),
    ]
    provenance.changed_methods(config, records)
    assert len(asked) == 4


def test_adopted_records_are_counted_by_commit(config: Config, asked: list[Record]) -> None:
    adopted = {"commit": "f" * 40, "sample": {"seed": 0}, "date": "2026-02-03"}
    records = [published("simclr", seed, adopted=adopted) for seed in range(1, 4)]
    records += [published("simclr", 0), published("simclr", 4, adopted={"commit": "e" * 40})]
    found = provenance.provenance(config, records)
    assert found.adoptions == (
        provenance.Adoption("e" * 10, "", 1),
        provenance.Adoption("f" * 10, "2026-02-03", 3),
    )
    text = provenance.sentences(found)
    assert "3 of them were adopted with commit `ffffffffff` of 2026-02-03: a sample" in text
    assert "1 of them were adopted with commit `eeeeeeeeee`: a sample" in text
    assert provenance.adoptions([fake.record("simclr", 0), published("simclr", 1)]) == ()


def test_no_runs(config: Config, asked: list[Record]) -> None:
    found = provenance.provenance(config, [fake.failure("simclr", 0)])
    assert provenance.sentences(found) == "No finished run."
