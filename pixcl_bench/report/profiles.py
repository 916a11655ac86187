"""The profiles as a table: data, seeds, and how many runs."""

from pixcl_bench.bench.config import Config
from pixcl_bench.report.words import md_escape, md_table


def markdown_profiles(config: Config) -> str:
    """Every profile with its purpose, data sets, seeds and runs, over all tasks, as a Markdown table."""
    rows = []
    for name, profile in config.profiles.items():
        tasks = [task for task in config.tasks if name in config.tasks[task].budgets]
        data = dict.fromkeys(d for task in tasks for d in config.dataset_names(task, name))
        grids = [(task, *place) for task in tasks for place in config.grid(task, name)]
        runs = sum(len(config.seeds(task, name, data, method)) for task, data, method in grids)
        cells = (profile.purpose, ", ".join(data), _seeds(config, name, tasks), f"{runs}")
        rows.append([f"`{name}`", *map(md_escape, cells)])
    return md_table(["profile", "purpose", "data", "seeds", "runs"], rows, "lllrr")


def _seeds(config: Config, profile: str, tasks: list[str]) -> str:
    """How many seeds: one number, or the profile's and what other tasks take."""
    usual = str(len(config.profiles[profile].seeds))
    other = {task: _counts(config, profile, task) for task in tasks}
    words = [f"{task} {count}" for task, count in other.items() if count != usual]
    if len({*other.values()}) == 1:
        return next(iter(other.values()))
    return f"{usual} ({', '.join(words)})" if words else usual


def _counts(config: Config, profile: str, task: str) -> str:
    """`9`, or `3 to 9` where data sets or methods take different numbers of seeds."""
    found = sorted({len(config.seeds(task, profile, *place)) for place in config.grid(task, profile)})
    return f"{found[0]} to {found[-1]}" if len(found) > 1 else str(found[0])
