"""Sweeps: one run for each combination of values, each with a folder, a record and a key of its
own."""

from pathlib import Path

import pytest
from toy_project import CONFIG, make_project

from pixcl_bench.bench.config.grid import make_run, plan
from pixcl_bench.bench.config.reading import Config, check_config, load_config
from pixcl_bench.bench.config.sweeps import split_overrides, variant_name
from pixcl_bench.bench.errors import UsageError
from pixcl_bench.bench.keys import run_key
from pixcl_bench.bench.records import store
from pixcl_bench.bench.records.published import current_key, publish, read_published
from pixcl_bench.bench.run.progress import Board
from pixcl_bench.bench.run.session import blank_record, open_run
from pixcl_bench.bench.run.verify import cells, samples

SWEPT = CONFIG.replace(
    "        settings: {steps: 4}\n",
    "        settings: {steps: 4}\n        sweep: {steps: [4, 12], args.temperature: [0.1, 0.5]}\n",
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(make_project(tmp_path, SWEPT))


def test_each_combination_is_a_run(config: Config) -> None:
    runs = plan(config, "quick", seeds=[0])
    found = {(run.method, variant_name(run.sweep)) for run in runs}
    assert found == {
        ("chance", ""),  # a floor is run once
        ("plain", "steps=4,temperature=0.1"),
        ("plain", "steps=4,temperature=0.5"),
        ("plain", "steps=12,temperature=0.1"),
        ("plain", "steps=12,temperature=0.5"),
    }
    assert len({run_key(run, config.root) for run in runs}) == 5
    assert len({run.folder for run in runs}) == 5
    last = runs[-1]
    assert last.folder.as_posix() == "quick/toy/digits/plain@steps=12,temperature=0.5/seed-0"
    assert (last.settings["steps"], last.args["temperature"]) == (12, 0.5)
    better = plan(config, "quick", methods=["better"], seeds=[0])
    assert [run.sweep for run in better] == [{"steps": 4}, {"steps": 12}], "it has no temperature"


def test_values_that_belong_together(tmp_path: Path) -> None:
    text = CONFIG.replace(
        "        settings: {steps: 4}\n",
        "        settings: {steps: 4}\n"
        "        sweep: {steps: [4, 12]}\n"
        "        variants: [{batch_size: 8, args.temperature: 0.1}, {batch_size: 16}]\n",
    ).replace("role: floor", "role: floor\n        trains: true", 1)
    config = load_config(make_project(tmp_path, text))
    found = {(run.method, variant_name(run.sweep)) for run in plan(config, "quick", seeds=[0])}
    assert found == {
        (method, f"batch_size={batch}{rest},steps={steps}")
        for steps in (4, 12)
        for method, batch, rest in (
            ("chance", 8, ""),
            ("chance", 16, ""),
            ("plain", 8, ",temperature=0.1"),
            ("plain", 16, ""),
        )
    }, "a trained floor is swept too; it has no temperature"
    wrong = text.replace("{batch_size: 16}", "{batch_sizes: 16}")
    (config.root / "benchmarks.yaml").write_text(wrong, encoding="utf-8")
    [problem] = {p.message for p in check_config(config.root / "benchmarks.yaml")}
    assert "batch_sizes" in problem


def test_the_notebook_opens_the_same_run(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.root)
    run = plan(config, "quick", methods=["plain"], seeds=[0])[-1]
    job = open_run(
        "toy",
        method="plain",
        dataset="digits",
        profile="quick",
        overrides=run.overrides,
        device="cpu",
    )
    assert job.folder == config.results / run.folder
    assert job.key == run_key(run, config.root)
    record = job.finish(metrics={"score": 0.5, "error": 1.0})
    assert record.sweep == run.sweep
    assert record.folder == run.folder
    assert store.read_record(config.results / run.folder / store.RECORD) == record
    assert [r.key for r in store.scan(config.results, "quick")] == [job.key]
    path, count = publish(
        config, config.results, "quick", "cpu", config.root / "published", allow_dirty=True
    )
    assert count == 1
    [published] = read_published(path)
    assert published.sweep == run.sweep
    assert current_key(published, config) == job.key


def test_a_record_without_a_sweep_is_written_as_before(config: Config) -> None:
    record = store.seal(blank_record(plan(config, "study", seeds=[0])[0], "k" * 20))
    assert "sweep" not in store.record_text(record)
    assert store.parse_record(store.record_text(record), "here") == record


def test_arguments_of_overrides_are_checked(config: Config) -> None:
    given = {"dataset": "digits", "method": "plain", "seed": 0, "profile": "study"}
    run = make_run(config, "toy", **given, overrides={"args.width": 3, "lr": 0.5})
    assert (run.args["width"], run.settings["lr"], run.sweep) == (3, 0.5, {})
    with pytest.raises(UsageError, match=r"--set args.widht: unknown argument 'widht'.*width"):
        make_run(config, "toy", **given, overrides={"args.widht": 3})
    with pytest.raises(UsageError, match=r"--set args.width: width: plain wants int, got 'x'"):
        make_run(config, "toy", **given, overrides={"args.width": "x"})


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("steps: [4, 12]", "stesp: [4, 12]", "unknown key 'stesp'"),
        ("steps: [4, 12]", "steps: [4, -1]", "steps: "),
        ("args.temperature", "args.temperatur", "no method of the task has the argument"),
        ("[0.1, 0.5]", "[]", "at least 1 item"),
    ],
)
def test_wrong_sweeps_are_found(tmp_path: Path, before: str, after: str, words: str) -> None:
    problems = check_config(make_project(tmp_path, SWEPT.replace(before, after)))
    assert any(words in problem.message for problem in problems), problems
    assert all(problem.line > 1 for problem in problems)


def test_names_of_variants_are_safe() -> None:
    sweep = {"lr": 1e-3, "views.scale": "0/1 ..", "args.queue": 1024}
    assert variant_name(sweep) == "lr=0.001,views.scale=0_1_..,queue=1024"
    assert split_overrides(sweep) == (
        {"lr": 1e-3, "views.scale": "0/1 .."},
        {"queue": 1024},
    )


def test_each_combination_is_verified_on_its_own(config: Config) -> None:
    runs = plan(config, "quick", methods=["plain"], seeds=[0, 1])
    records = [blank_record(run, f"{i:020d}") for i, run in enumerate(runs)]
    found = cells(records)
    assert [len(each) for each in found.values()] == [2, 2, 2, 2]
    for each in found.values():
        assert len({variant_name(record.sweep) for record in each}) == 1
    chosen = samples(found, config)
    first = {record.folder for record in records if record.seed == 0}
    assert {run.folder for run in chosen.values() if run} == first


def test_the_growing_table_has_no_mean_over_a_sweep(config: Config) -> None:
    runs = plan(config, "quick", methods=["plain"], seeds=[0])
    board = Board(config, runs)
    for run in runs:
        board.add(blank_record(run, "k" * 20).model_copy(update={"metrics": {"score": 0.5}}))
    assert board._cells("toy", "digits", "plain") == ("-", "4")
    [whole] = plan(config, "study", methods=["plain"], datasets=["digits"], seeds=[0])
    board = Board(config, [whole])
    board.add(blank_record(whole, "k" * 20).model_copy(update={"metrics": {"score": 0.5}}))
    assert board._cells("toy", "digits", "plain") == ("50.0", "1")
