"""The command line: what it imports, what it prints, and its exit codes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from caller import Call, caller
from project import ROOT
from toy_project import CELLS, CONFIG, make_project, notebook

import pixcl_bench
from pixcl_bench import cli
from pixcl_bench.bench.config.builtin import builtin_project, project_files
from pixcl_bench.bench.config.reading import Config, load_config
from pixcl_bench.bench.run.session import open_run

HEAVY = ("torch", "timm", "pandas", "scipy", "matplotlib", "numpy", "papermill", "kornia")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(make_project(tmp_path))


@pytest.fixture
def call(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Call the command in the toy project; returns the exit code, stdout and stderr."""
    monkeypatch.chdir(config.root)

    return caller(monkeypatch, capsys)


def finish(config: Config, *seeds: int, methods: tuple[str, ...] = ("chance", "plain")) -> None:
    """Records of runs as their notebooks would write them."""
    for method in methods:
        for seed in seeds:
            job = open_run(
                "toy",
                method=method,
                dataset="digits",
                seed=seed,
                profile="quick",
                device="cpu",
                config=config.path,
            )
            job.finish(
                metrics={"score": 0.5 + 0.01 * seed + 0.1 * (method == "plain"), "error": None}
            )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, runpy; sys.argv = ['pixcl-bench', '--help']\n"
        "try: runpy.run_module('pixcl_bench.cli', run_name='__main__')\n"
        f"finally: print('HEAVY', [m for m in {HEAVY} if m in sys.modules])"
    )
    root = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert "HEAVY []" in done.stdout
    words = (
        "run",
        "list",
        "status",
        "report",
        "claims",
        "check",
        "data",
        "publish",
        "verify",
        "init",
    )
    assert all(f" {word} " in done.stdout for word in words)


def test_exactly_these_commands() -> None:
    import typer

    command = typer.main.get_command(cli.app)
    assert sorted(command.commands) == sorted(  # type: ignore[attr-defined]
        [
            *("run", "list", "status", "logs", "report", "claims", "export", "check"),
            *("check-method", "ingredients", "pilot", "tune"),
            *("new-method", "data", "publish", "verify", "init", "index", "search"),
        ]
    )


@pytest.mark.parametrize("module", ["pixcl_bench", "pixcl_bench.cli"])
def test_the_package_runs_as_a_module(module: str) -> None:
    root = str(ROOT)
    command = [sys.executable, "-m", module, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == f"pixcl-bench {pixcl_bench.__version__}\n"


def test_without_a_configuration_the_package_s_own_is_used_and_told(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "benchmarks.yaml").unlink()
    monkeypatch.chdir(empty)
    code, out, err = call("check")
    assert code == 0
    assert err.startswith("no benchmarks.yaml here or above: using the one of the package")
    assert err.count("\n") == 1
    assert "benchmarks.yaml: OK (" in out
    code, out, _ = call("status", "--profile", "smoke", "--device", "cpu")
    assert (code, out.splitlines()[0]) == (0, "results in results/")
    code, _, err = call("report", "--profile", "smoke")
    assert code == 1
    assert "no record of profile 'smoke', so no report" in err
    assert not (empty / "results").exists()


@pytest.mark.slow  # the built package is checked in the same way, in an environment of its own
def test_init_writes_a_project_that_passes_its_check(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = call("init", "own")
    assert (code, err) == (0, "")
    assert "pixcl-bench check" in out
    own = tmp_path / "own"
    wanted = {Path("README.md"), Path(".gitignore"), *project_files(builtin_project())}
    assert {path.relative_to(own) for path in own.rglob("*") if path.is_file()} == wanted
    (own / "results").mkdir()
    monkeypatch.chdir(own)
    code, out, err = call("check")
    assert (code, err) == (0, "")
    assert load_config().results == own / "results"
    assert call("list")[0] == 0


def test_init_overwrites_nothing_and_names_what_is_there(call: Call, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/README.md").write_text("mine")
    code, _, err = call("init", "own")
    assert code == 2
    assert "own has README.md already: nothing was written" in err
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["README.md"]
    (tmp_path / "own/README.md").rename(tmp_path / "own/notes.md")
    assert call("init", "own")[0] == 0, "other files are no hindrance"
    assert re.search(r"own has README\.md, .* and \d+ more already", call("init", "own")[2])


def test_check(call: Call, config: Config) -> None:
    code, out, err = call("check")
    assert (code, err) == (0, "")
    assert out == "benchmarks.yaml: OK (1 tasks, 2 profiles, 2 claims)\n"
    config.path.write_text(CONFIG.replace("baseline: plain", "baseline: plane"))
    code, out, err = call("check", "benchmarks.yaml")
    assert (code, out) == (2, "")
    assert err.startswith(
        "benchmarks.yaml:23:15: unknown method 'plane' (did you mean 'plain'?)\n1 problem"
    )
    code, out, err = call("run")
    assert code == 2
    assert "benchmarks.yaml:23:15" in err
    assert "Traceback" not in err
    assert not config.results.exists(), "no kernel, no folder before the configuration is right"
    assert call("check", "nothing.yaml")[0] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--method", "plian"], "unknown method 'plian' (did you mean 'plain'?)"),
        (["run", "--dataset", "digit"], "did you mean 'digits'?"),
        (["run", "--task", "tyo"], "did you mean 'toy'?"),
        (["run", "--profile", "quik"], "did you mean 'quick'?"),
        (["run", "--seed", "one"], "--seed one"),
        (["run", "--set", "lr"], "write --set key=value"),
        (["run", "--set", "views.flp=1"], "did you mean 'flip'?"),
        (["run", "--set", "lr=fast"], "--set lr"),
        (["run", "--device", "gpu"], "unknown device 'gpu'"),
        (["run", "--jobs", "0"], "--jobs 0"),
        (["run", "--config", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["report", "--profile", "quik"], "did you mean 'quick'?"),
        (["status", "--profile", "quik"], "did you mean 'quick'?"),
        (["claims"], "no record, and no published one, of profile 'study'"),
        (["claims", "--results", "none"], "none: no record of profile 'study'"),
        (["claims", "--published", "--profile", "quick"], "no published record of profile 'quick'"),
        (["publish", "--profile", "quick"], "no finished run of profile 'quick'"),
        (["data", "info", "digit"], "digits"),
        (["data", "fetch"], "name a data set"),
    ],
)
def test_wrong_usage_is_one_message_and_code_2(call: Call, words: list[str], message: str) -> None:
    code, out, err = call(*words)
    assert code == 2, out
    assert message in err
    assert err.startswith("pixcl-bench: ")
    assert "Traceback" not in err


def test_unknown_option_is_code_2(call: Call) -> None:
    assert call("run", "--methd", "plain")[0] == 2
    assert call("rnu")[0] == 2


def test_run_with_nothing_to_do(call: Call, config: Config) -> None:
    finish(config, 0, 1)
    for _ in range(2):
        code, out, err = call("run", "--device", "cpu")
        assert (code, err) == (0, "")
        assert "All 4 runs are done already" in out
        assert "61.5" not in out
        assert "60.5" in out
        assert "results/quick/report/index.html" in out
    assert "up to date" in out
    assert (config.results / "quick/report/table.md").is_file()


def test_run_that_fails_is_code_1(call: Call, config: Config) -> None:
    (config.root / "nbs/benchmarks/toy.ipynb").write_text(notebook([CELLS[0], "1 / 0"]))
    code, out, _ = call("run", "--device", "cpu", "--method", "plain", "--seed", "0")
    assert code == 1
    assert "FAILED quick/toy/digits/plain/seed-0: error: ZeroDivisionError" in out
    assert "failed" in call("status", "--device", "cpu")[1]


def test_status(call: Call, config: Config) -> None:
    finish(config, 0, 1)
    code, out, _ = call("status", "--device", "cpu", "--profile", "quick")
    assert code == 0
    assert [cell.strip() for cell in last_row(out)[-4:]] == ["4", "0", "0", "0"]
    helper = config.root / "toybench/helpers.py"
    helper.write_text(helper.read_text().replace("FACTOR * x", "FACTOR - x"))
    _, out, _ = call("status", "--device", "cpu", "--profile", "quick")
    assert [cell.strip() for cell in last_row(out)[-5:-1]] == ["2", "2", "0", "0"]
    assert "2 stale: pixcl-bench status --why says what changed" in out
    _, out, _ = call("status", "--device", "cpu", "--profile", "quick", "--why", "--methods")
    assert "stale: toy/digits/plain (seeds 0, 1): code: toybench.helpers.used" in out
    assert "│ toy  │ digits   │ chance │" in out


def test_verify_files_names_the_damaged_file(call: Call, config: Config) -> None:
    finish(config, 0)
    assert call("verify", "--files")[0] == 0
    folder = config.results / "quick/toy/digits/plain/seed-0"
    history = folder / "history.csv"
    history.write_bytes(b"x" + history.read_bytes()[1:])
    code, out, _ = call("verify", "--files", "--profile", "quick")
    assert code == 1
    assert out.startswith(f"{history}: was changed or damaged")
    assert "2 records and " in out
    code, out, _ = call("logs", "toy/digits/plain/0")
    assert (code, out.splitlines()[0].startswith(f"{folder}: done, finished")) == (0, True)
    assert call("logs", "toy/digits/plane/0")[0] == 2


def last_row(text: str) -> list[str]:
    [row] = [line for line in text.splitlines() if line.startswith("│ all")]
    return row.strip("│ ").split("│")


def test_list(call: Call) -> None:
    code, out, _ = call("list")
    assert code == 0
    assert all(
        word in out for word in ("quick", "study", "chance", "better", "digits", "landcover-tiles")
    )


def test_list_of_one_task(call: Call) -> None:
    code, out, _ = call("list", "--task", "toy")
    assert code == 0
    assert "better" in out
    code, _, err = call("list", "--task", "toi")
    assert code == 2
    assert "toy" in err


def test_report_and_claims(call: Call, config: Config) -> None:
    finish(config, *range(9), methods=("chance", "plain", "better"))
    assert call("report", "--profile", "quick")[0] == 0
    code, out, _ = call("claims", "--profile", "quick")
    assert code == 0
    assert "plain-over-chance" in out


def test_export(call: Call, config: Config) -> None:
    finish(config, *range(3))
    code, out, _ = call("export", "--profile", "quick", "--out", "here")
    assert code == 0
    names = {"tables.tex", "tables.md", "runs.csv", "model-index.yaml"}
    assert names <= {path.name for path in (config.root / "here").iterdir()}
    assert all(f"here/{name}" in out for name in names)
    code, _, err = call("export", "--profile", "study")
    assert code == 2
    assert "no record, and no published one, of profile 'study'" in err


def test_publish_refuses_what_is_of_no_commit(call: Call, config: Config) -> None:
    finish(config, 0, methods=("plain",))
    code, _, err = call("publish", "--profile", "quick", "--device", "cpu")
    assert code == 2
    assert "--allow-dirty" in err
    code, out, _ = call("publish", "--profile", "quick", "--device", "cpu", "--allow-dirty")
    assert (code, out) == (0, "published/quick-cpu.jsonl: 1 records of profile quick\n")
    code, out, _ = call("claims", "--profile", "quick", "--published")
    assert code == 0
    shutil.rmtree(config.results)
    code, without, err = call("claims", "--profile", "quick")
    assert (code, without) == (0, out)
    assert err == "no results of profile 'quick' here: taking the published records\n"


def test_data(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIXCL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PIXCL_BENCH_DATA", raising=False)
    code, out, _ = call("data")
    assert code == 0
    assert "to be fetched" in out
    assert "not here" in out
    assert call("data", "list")[1] == out
    assert str(tmp_path / "cache") in call("data", "path")[1]
    assert "licence" in call("data", "info", "digits")[1]
    code, _, err = call("data", "fetch", "cifar10")
    assert code == 1
    assert "expected tree" in err
    monkeypatch.setitem(os.environ, "PIXCL_BENCH_DATA", "")
    assert "root" in call("data", "--data-root", str(tmp_path / "root"), "path")[1]


def test_a_pilot_runs_and_says_how_many_steps_are_enough(
    config: Config, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = config.path.read_text(encoding="utf-8")
    budget = "      pilot: {datasets: [digits], seeds: 1, sweep: {steps: [4, 12]}}\n"
    profile = "  pilot: {purpose: p, compares: false, seeds: 1, time_limit: 100}\n"
    text = text.replace("      quick:\n", f"{budget}      quick:\n", 1)
    config.path.write_text(text.replace("profiles:\n", f"profiles:\n{profile}", 1))
    code, out, err = call("pilot", "toy", "--method", "plain", "--jobs", "1", "--device", "cpu")
    assert code == 0, err
    assert "steps=4" in out
    assert "steps=12" in out
    assert "plain-over-chance: premature: not at its plateau after the pilot's 12 steps" in out
    assert (config.results / "pilot/toy/digits/plain@steps=12/seed-0/record.json").is_file()
    code, _, err = call("tune", "toy")
    assert code == 2
    assert "unknown profile 'tune'" in err
