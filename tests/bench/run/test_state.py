"""What a results folder tells: states of runs, why they are stale, their logs, the time left."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from toy_project import CONFIG, make_project

from pixcl_bench.bench.config.grid import plan
from pixcl_bench.bench.config.reading import Config, load_config
from pixcl_bench.bench.errors import UsageError
from pixcl_bench.bench.records.scan import look
from pixcl_bench.bench.records.store import Record
from pixcl_bench.bench.run.logs import find_runs, log_lines
from pixcl_bench.bench.run.runner import make_jobs
from pixcl_bench.bench.run.session import open_run
from pixcl_bench.bench.run.state import failure_lines, job_states, stale_line, status_table
from pixcl_bench.bench.run.why import reasons
from pixcl_bench.bench.run.worker import fail


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(make_project(tmp_path))


def finish(config: Config, seed: int = 0, **more: Any) -> Record:
    names = {"method": "plain", "dataset": "digits", "seed": seed, "profile": "quick"}
    run = open_run("toy", **names, device="cpu", config=config.path, **more)
    return run.finish(metrics={"score": 0.5, "error": None})


def why(config: Config, record: Record) -> list[str]:
    [run] = plan(config, "quick", methods=["plain"], seeds=[record.seed])
    return reasons(record, run, config.root, config.results / record.folder)


def test_a_setting_is_named(config: Config) -> None:
    record = finish(config, overrides={"lr": 0.5, "args.width": 9})
    assert why(config, record) == ["setting lr: 0.5 is now 0.001", "argument width: 9 is now 4"]


def test_functions_are_named(config: Config) -> None:
    record = finish(config)
    for name, old, new in (
        ("helpers.py", "FACTOR * x", "doubled(x)"),
        (
            "helpers.py",
            '"""Shared."""',
            '"""Shared."""\n\n\ndef doubled(x):\n    return FACTOR + x',
        ),
        ("task.py", "0.5 + 0.01", "0.5 + 0.02"),
    ):
        path = config.root / "toybench" / name
        path.write_text(path.read_text().replace(old, new))
    assert why(config, record) == [
        "code: toybench.helpers.doubled (new), toybench.helpers.used, toybench.task.score"
    ]
    (config.results / record.folder / "code.json").unlink()
    assert "which functions is not noted" in why(config, record)[0]


def test_data_and_libraries_are_named(config: Config) -> None:
    record = finish(config)
    versions = record.code["versions"] | {"numpy": "0.1"}
    changed = {"data": {"fingerprint": "x"}, "code": record.code | {"versions": versions}}
    data, library = why(config, record.model_copy(update=changed))
    assert data.startswith("data: the data set digits or the code that reads it")
    assert library.startswith("library numpy: 0.1 is now ")


def test_states_and_the_time_left(config: Config) -> None:
    record = finish(config)
    finish(config, 1, overrides={"lr": 0.5})
    jobs = make_jobs(plan(config, "quick"), config, config.results)
    fail(jobs[0].spec(), "time limit", "stopped after 60 s", record.started)
    (config.results / "quick/toy/digits/plain/seed-1/rerun").mkdir()
    found = look(config.results, "quick")
    times = {"started": "2026-01-01T10:00:00+00:00", "finished": "2026-01-01T10:10:00+00:00"}
    found.records = [r.model_copy(update=times) for r in found.records]
    states = job_states(jobs, found)
    assert [(one.job.run.method, one.job.run.seed, one.state) for one in states] == [
        ("chance", 0, "failed"),
        ("plain", 0, "done"),
        ("chance", 1, "missing"),
        ("plain", 1, "stale"),
    ]
    assert failure_lines(states)[0] == (
        "failed: toy/digits/chance/seed-0: time limit: stopped after 60 s"
    )
    assert stale_line(states).startswith("1 stale: ")
    text = io.StringIO()
    Console(file=text, width=80).print(status_table(states, config, "quick", methods=True))
    assert (
        "│ toy  │ digits   │ plain  │    1 │     1 │        │         │ 10 min 0 s │"
        in text.getvalue()
    )


def test_names_are_never_cut(tmp_path: Path) -> None:
    name = "a_method_whose_name_is_longer_than_a_column_of_a_terminal"
    text = CONFIG.replace("plain]", f"{name}]").replace("      plain:\n", f"      {name}:\n", 1)
    text = text.replace("baseline: plain", f"baseline: {name}")
    text = text.replace("ceiling: plain", f"ceiling: {name}").replace(
        "than: plain", f"than: {name}"
    )
    text = text.replace("better: plain", f"better: {name}")
    config = load_config(make_project(tmp_path, text))
    jobs = make_jobs(plan(config, "quick"), config, config.results)
    out = io.StringIO()
    table = status_table(job_states(jobs, look(config.results)), config, "quick", methods=True)
    Console(file=out, width=80).print(table)
    lines = [line.split("│") for line in out.getvalue().splitlines() if line.startswith("│")]
    assert name in "".join(cells[3].strip() for cells in lines)
    assert max(map(len, out.getvalue().splitlines())) <= 80


def test_logs(config: Config) -> None:
    record = finish(config)
    folder = config.results / record.folder
    (folder / "run.log").write_text("".join(f"line {i}\n" for i in range(100)))
    for name in (str(folder), record.key, record.key[:8], "toy/digits/plain/0"):
        assert find_runs(name, config.results) == [folder]
    assert find_runs("quick/toy/digits/plain/seed-0", config.results, "quick") == [folder]
    lines = list(log_lines(folder, 3))
    assert lines[0] == f"{folder}: done, finished {record.finished}, key {record.key}"
    assert lines[2:] == ["  line 97", "  line 98", "  line 99"]
    (folder / "rerun").mkdir()
    [job] = make_jobs(plan(config, "quick", methods=["plain"], seeds=[0]), config, config.results)
    fail(job.spec(), "error", "no luck", record.started)
    assert any("rerun: failed, error: no luck" in line for line in log_lines(folder, 3))
    for name in ("toy/digits/plain/7", "ffff", "nowhere/at/all"):
        with pytest.raises(UsageError, match="no run"):
            find_runs(name, config.results)
    with pytest.raises(UsageError, match="no run"):
        find_runs("toy/digits/plain/0", config.results, "study")


def test_the_code_of_a_run_is_noted(config: Config) -> None:
    record = finish(config)
    told = json.loads((config.results / record.folder / "code.json").read_text())
    assert told["hash"] == record.code["hash"]
    assert {"toybench.helpers.used", "toybench.learners.plain", "notebook"} <= set(
        told["definitions"]
    )
    assert "toybench.helpers.unused" not in told["definitions"]
