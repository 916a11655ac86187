"""What runs cost, from their records: time, speed, memory and size of the model."""

from collections.abc import Sequence
from dataclasses import dataclass

from pixcl_bench.bench.records.store import Record
from pixcl_bench.report.stats import mean_interval


@dataclass(frozen=True)
class Cost:
    """One kind of cost.

    Attributes:
        title: head of its column, with the unit.
        names: of the values in a record's timings or notes that tell it; the first found counts.
        digits: behind the point.
    """

    title: str
    names: tuple[str, ...]
    digits: int


TRAINING = Cost("training, s", ("train_seconds",), 1)
COSTS = (
    TRAINING,
    Cost("images / s", ("images_per_second", "items_per_second"), 0),
    Cost("evaluation, s", ("eval_seconds", "transfer_seconds"), 1),
    Cost("peak memory, MiB", ("peak_memory_mib",), 0),
    Cost("parameters", ("parameters",), 0),
)


def cost_of(records: Sequence[Record], cost: Cost) -> float | None:
    """The mean over the finished runs that tell it; None where none does."""
    values = [v for r in records if r.status == "ok" and (v := _value(r, cost)) is not None]
    return mean_interval(values).mean if values else None


def _value(record: Record, cost: Cost) -> float | None:
    """What one run says."""
    for name in cost.names:
        value = record.timings.get(name, record.notes.get(name))
        if isinstance(value, int | float):
            return float(value)
    return None


def told(records: Sequence[Record]) -> list[Cost]:
    """The kinds of cost that at least one of these runs tells, in the order of `COSTS`."""
    return [cost for cost in COSTS if cost_of(records, cost) is not None]


def untold(records: Sequence[Record]) -> list[Cost]:
    """The others."""
    return [cost for cost in COSTS if cost_of(records, cost) is None]
