"""The profiles as a Markdown table."""

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.report.profiles import profile_rows
from pixcl_bench.report.render.words import md_escape, md_table


def markdown_profiles(config: Config, *, data: bool = True) -> str:
    """Every profile with its purpose, data sets (where `data`), seeds and runs, over all tasks."""
    rows = []
    for row in profile_rows(config):
        sets = [", ".join(row.datasets)] if data else []
        rows.append(
            [f"`{row.name}`", *map(md_escape, (row.purpose, *sets, row.seeds, str(row.runs)))]
        )
    head = ["profile", "purpose", *(["data"] if data else []), "seeds", "runs"]
    return md_table(head, rows, "lllrr" if data else "llrr")
