"""Before anything is written: the device, the data, who else is at work; and afterwards no run is
done twice."""

import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from toy_project import make_project

from pixcl_bench.bench.config.grid import Run, plan
from pixcl_bench.bench.config.reading import Config, load_config
from pixcl_bench.bench.errors import DiskError, UsageError
from pixcl_bench.bench.records import store
from pixcl_bench.bench.run import machine, pools
from pixcl_bench.bench.run.again import draw, repeat, repeatable
from pixcl_bench.bench.run.jobs import Job
from pixcl_bench.bench.run.runner import Summary, run_grid
from pixcl_bench.bench.run.session import open_run
from pixcl_bench.data import catalogue


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(make_project(tmp_path))


def go(runs: list[Run], config: Config, results: Path | None = None, **more: Any) -> Summary:
    console = Console(file=io.StringIO(), width=120)
    place = results or config.results
    return run_grid(runs, config=config, results=place, console=console, **more)


def everything(config: Config) -> list[str]:
    return sorted(str(path.relative_to(config.root)) for path in config.root.rglob("*"))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs that end at once in this process, by their notebook's own way; the list of them."""
    done: list[str] = []

    def start(self: Job, warm: object = None) -> None:
        run = self.run
        names = {"method": run.method, "dataset": run.dataset, "seed": run.seed}
        session = open_run(
            *(run.task,), **names, profile=run.profile, config=self.config, results=self.results
        )
        done.append(run.name)
        session.finish(
            metrics={"score": 0.5 + 0.01 * run.seed, "error": None},
            history=[{"step": 0, "loss": 1.0}],
        )

    monkeypatch.setattr(Job, "start", start)
    monkeypatch.setattr(Job, "poll", lambda self: self.done())
    monkeypatch.setattr(pools, "can_fork", lambda: False)
    return done


def test_a_device_that_is_not_here_is_refused_first(
    config: Config, monkeypatch: pytest.MonkeyPatch, at_once: list[str]
) -> None:
    go(plan(config, "quick"), config)
    before = everything(config)
    monkeypatch.setattr(machine, "version_of", lambda name: "2.13.0")
    monkeypatch.setattr(machine, "gpus", lambda: 0)
    monkeypatch.setattr(machine, "_GPU_NODES", ())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for force in (False, True):
        with pytest.raises(
            UsageError, match=r"^--device cuda: no NVIDIA GPU .*: use --device cpu$"
        ):
            go(plan(config, "quick", device="cuda"), config, force=force)
    assert everything(config) == before
    assert len(at_once) == 4


def test_data_that_are_not_here_are_refused_first(
    config: Config, monkeypatch: pytest.MonkeyPatch, at_once: list[str]
) -> None:
    monkeypatch.setattr(
        catalogue, "missing", lambda name: f"data set {name} is not there\n  get it"
    )
    with pytest.raises(
        UsageError, match=r"^data set digits is not there: .*data info digits"
    ) as told:
        go(plan(config, "quick"), config)
    assert "\n" not in str(told.value)
    assert not config.results.exists()
    assert at_once == []


def test_no_run_is_done_twice(config: Config, at_once: list[str]) -> None:
    """Two suites on one folder: one is refused, or finds the other's runs done."""
    runs, refused = plan(config, "quick"), []
    gate = threading.Barrier(2)

    def suite() -> None:
        gate.wait()
        try:
            go(runs, config, jobs=1)
        except UsageError as error:
            refused.append(str(error))

    suites = [threading.Thread(target=suite) for _ in range(2)]
    for thread in suites:
        thread.start()
    for thread in suites:
        thread.join()
    assert sorted(at_once) == sorted(run.name for run in runs)
    assert all("another pixcl-bench is at work" in text for text in refused)


def test_forced_runs_are_done_again_and_replace_the_old(config: Config, at_once: list[str]) -> None:
    runs = plan(config, "quick", methods=["plain"], seeds=[0])
    go(runs, config)
    before = store.read_record(config.results / runs[0].folder / "record.json")
    assert go(runs, config, force=True).done == 1
    assert len(at_once) == 2
    assert store.read_record(config.results / runs[0].folder / "record.json").key == before.key


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_results_folder_that_cannot_be_written(config: Config, at_once: list[str]) -> None:
    config.results.mkdir()
    config.results.chmod(0o555)
    with pytest.raises(DiskError, match=r"results/quick: cannot be written: Permission denied"):
        go(plan(config, "quick"), config)


def test_results_below_a_file(config: Config, at_once: list[str]) -> None:
    (config.root / "file").write_text("")
    with pytest.raises(DiskError, match=r"file/results/quick: cannot be written"):
        go(plan(config, "quick"), config, config.root / "file/results")
    assert at_once == []


def test_random_runs_are_repeated_and_compared(
    config: Config, tmp_path: Path, at_once: list[str]
) -> None:
    go(plan(config, "quick"), config)
    names = {"method": "plain", "dataset": "digits", "seed": 1, "profile": "quick"}
    other = open_run("toy", **names, device="cpu", config=config.path, overrides={"lr": 0.5})
    other.finish(metrics={"score": 0.25, "error": None})
    runs = repeatable(config, config.results)
    assert len(runs) == 4, "a run with other settings is repeated with them"
    assert draw(runs, 2, 0) == draw(runs, 2, 0)
    assert len({tuple(run.name for run in draw(runs, 2, seed)) for seed in range(20)}) > 2
    assert len(draw(runs, 99)) == 4
    first = draw({k: r for k, r in runs.items() if not r.overrides}, 99)
    folder = config.results / first[0].folder
    (folder / "model.safetensors").write_bytes(b"weights")
    (config.results / first[1].folder / "history.csv").write_text("step,loss\n0,2.0\n")
    console = Console(file=io.StringIO())
    done = repeat(first, config, config.results, tmp_path / "again", console=console)
    assert [one.detail for one in done] == [
        "model.safetensors: not there now",
        "history.csv: other bytes",
        "",
    ]
