"""The profiles as a Markdown table."""

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.report.profiles import profile_rows
from pixcl_bench.report.render.words import md_escape, md_table


def markdown_profiles(config: Config) -> str:
    """Every profile with its purpose, data sets, seeds and runs, over all tasks."""
    rows = []
    for row in profile_rows(config):
        cells = (row.purpose, ", ".join(row.datasets), row.seeds, f"{row.runs}")
        rows.append([f"`{row.name}`", *map(md_escape, cells)])
    return md_table(["profile", "purpose", "data", "seeds", "runs"], rows, "lllrr")
