"""What tests of tables, claims and pages share: one table, changed configurations, printed text."""

import io
from dataclasses import replace
from typing import Any

from rich.console import Console, RenderableType

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.schema import Claim
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report.rows import Row, Table, tables
from pixcl_bench.report.verdicts import Verdict


def one(config: Config, records: list[Record]) -> Table:
    """The only table of these records."""
    (found,) = tables(config, records)
    return found


def row(table: Table, method: str) -> Row:
    """The row of a method."""
    return next(each for each in table.rows if each.method == method)


def by_id(verdicts: list[Verdict]) -> dict[str, Verdict]:
    """Verdicts by the id of their claim."""
    return {v.claim.id: v for v in verdicts}


def printed(renderable: RenderableType, width: int = 110) -> str:
    """What a console of so many columns shows, without colours."""
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(renderable)
    return out.getvalue()


def with_task(config: Config, name: str, **changes: Any) -> Config:
    """The configuration with other fields of a task."""
    tasks = {**config.tasks, name: config.tasks[name].model_copy(update=changes)}
    return replace(config, benchmarks=config.benchmarks.model_copy(update={"tasks": tasks}))


def with_claim(config: Config, **fields: Any) -> Config:
    """The configuration with one made-up claim on `image_ssl` and no other."""
    common = {"id": "made-up", "task": "image_ssl", "origin": "control", "statement": "Made up."}
    claims = [Claim(**common, **fields)]
    return replace(config, benchmarks=config.benchmarks.model_copy(update={"claims": claims}))
