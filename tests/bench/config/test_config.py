"""`benchmarks.yaml`: every problem is found, with its line and the nearest right name; merging of
settings; the grid."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from bad_claims import BAD_CLAIMS, EXACT
from bad_names import BAD_NAMES
from bad_shapes import BAD_SHAPES
from bad_sharing import BAD_SHARING
from project import ROOT
from toy_project import CONFIG, make_project

from pixcl_bench.bench.config.grid import make_run, plan
from pixcl_bench.bench.config.reading import Config, check_config, find_config, load_config
from pixcl_bench.bench.config.settings import merge, nested
from pixcl_bench.bench.config.signature import fits
from pixcl_bench.bench.errors import ConfigError, UsageError, nearest

BAD = [*BAD_SHAPES, *BAD_NAMES, *BAD_CLAIMS, *BAD_SHARING]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(make_project(tmp_path))


def test_the_right_one_is_right(tmp_path: Path) -> None:
    assert check_config(make_project(tmp_path)) == []


def test_at_least_thirty_bad_configurations() -> None:
    assert len(BAD) >= 30
    assert len({name for name, *_ in BAD}) == len(BAD)


@pytest.mark.parametrize(
    ("old", "new", "parts"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_bad_configuration(tmp_path: Path, old: str, new: str, parts: list[str]) -> None:
    assert CONFIG.count(old) >= 1, "the edit must fit the configuration"
    text = CONFIG.replace(old, new, 1)
    path = make_project(tmp_path, text)
    problems = check_config(path)
    marked = [i for i, line in enumerate(text.splitlines(), 1) if "#!" in line] or [14]
    fitting = [p for p in problems if all(part in str(p) for part in parts)]
    assert fitting, "\n".join(map(str, problems)) or "nothing was found"
    assert marked[0] in {p.line for p in fitting}, "\n".join(map(str, fitting))
    assert all(p.file == str(path) and p.column >= 1 for p in problems)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert error.value.problems == problems


def test_no_follow_up_problems(tmp_path: Path) -> None:
    """One mistake is one problem: what is wrong in one place is not reported as unknown in
    another."""
    for old, new in (
        ("        title: better\n", "        titel: better\n"),
        ("    purpose: for tests\n    seeds: [0, 1]\n", "    seeds: [0, x]\n"),
    ):
        problems = check_config(make_project(tmp_path, CONFIG.replace(old, new, 1)))
        assert 1 <= len(problems) <= 2, "\n".join(map(str, problems))
        assert not any("unknown method" in str(p) or "unknown profile" in str(p) for p in problems)


def test_all_problems_at_once(tmp_path: Path) -> None:
    text = CONFIG
    for old, new in (
        ("baseline: plain", "baseline: plane"),
        ("{steps: 4}", "{stepz: 4}"),
        ("threads: 2", "threads: two"),
        ("than: chance", "than: chanc"),
    ):
        text = text.replace(old, new, 1)
    messages = "\n".join(map(str, check_config(make_project(tmp_path, text))))
    assert all(word in messages for word in ("'plane'", "'stepz'", "'two'", "'chanc'"))


def test_a_missing_canonical_data_set_is_no_problem(tmp_path: Path) -> None:
    assert not check_config(make_project(tmp_path, CONFIG.replace("landcover-tiles", "cifar10")))


def test_nearest() -> None:
    assert nearest("patchmx", ["patchmix", "simclr"]) == "did you mean 'patchmix'?"
    assert nearest("MoCo-v3", ["moco_v3", "simclr"]) == "did you mean 'moco_v3'?"
    assert nearest("zzz", ["a", "b"]) == "known: a, b"


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("int", [1], [1.0, True, "1", None]),
        ("float", [1, 1.5], [True, "1"]),
        ("bool", [True], [1]),
        ("str | None", ["a", None], [1]),
        ("Optional[int]", [1, None], ["a"]),
        ("Literal['a', 2]", ["a", 2], ["b", 2.0]),
        ("tuple[int, ...]", [[], [1, 2]], [[1.5], 1]),
        ("tuple[int, float]", [[1, 2]], [[1], [1, "a"]]),
        ("Sequence[str]", [["a"]], [[1], "a"]),
        ("'int'", [1], ["a"]),
        ("nn.Module", [1, "a"], []),
    ],
)
def test_static_types(annotation: str, good: list[object], bad: list[object]) -> None:
    import ast

    node = ast.parse(annotation, mode="eval").body
    assert all(fits(value, node) for value in good)
    assert not any(fits(value, node) for value in bad)


def test_settings_are_merged_deeply_and_remember_their_place() -> None:
    merged, origins = merge(
        [(("a",), {"views": {"x": 1, "y": 2}, "z": 1}), (("b",), {"views": {"y": 3}})]
    )
    assert merged == {"views": {"x": 1, "y": 3}, "z": 1}
    assert origins["views", "x"] == ("a", "views", "x")
    assert origins["views", "y"] == ("b", "views", "y")
    assert nested({"views.x": 1, "lr": 2}) == {"views": {"x": 1}, "lr": 2}


def test_order_of_the_layers(config: Config) -> None:
    settings = config.settings("toy", "digits", "better", "quick", {"views.flip": 0.3})
    assert (settings["batch_size"], settings["steps"], settings["lr"]) == (8, 4, 0.01)
    assert settings["views"]["flip"] == 0.3
    assert settings["views"]["scale"] == [0.5, 1.0]
    assert settings["momentum"] == 0.9
    assert settings["weight_decay"] == 0.05
    assert (
        config.settings("toy", "digits", "better", "study")["weight_decay"] == 0.2
    )  # own of the budget
    assert config.settings("toy", "digits", "plain", "study")["weight_decay"] == 0.05
    with pytest.raises(UsageError, match=r"--set lrr: unknown key 'lrr' \(did you mean 'lr'\?\)"):
        config.settings("toy", "digits", "better", "quick", {"lrr": 0.3})


def test_plan(config: Config) -> None:
    runs = plan(config, "study")
    assert len(runs) == 3 * 2 * 3
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    assert {run.method for run in runs[:3]} == {"chance", "plain", "better"}
    assert runs[0].folder == Path("study/toy/digits/chance/seed-0")
    assert runs[0].threads == 2
    assert [run.method for run in plan(config, "quick", methods=["better"], seeds=[7])] == [
        "better"
    ]


@pytest.mark.parametrize(
    ("wish", "hint"),
    [
        ({"tasks": ["tyo"]}, "did you mean 'toy'"),
        ({"datasets": ["digit"]}, "did you mean 'digits'"),
        ({"methods": ["plian"]}, "did you mean 'plain'"),
        ({"seeds": [-1]}, "not negative"),
        ({"overrides": {"batch_size": "x"}}, "--set batch_size"),
        ({"overrides": {"a": 1, "a.b": 2}}, "given a value as well"),
    ],
)
def test_unknown_wishes(config: Config, wish: dict[str, object], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        plan(config, "quick", **wish)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="did you mean 'quick'"):
        plan(config, "quik")


def test_find_config(tmp_path: Path) -> None:
    path = make_project(tmp_path)
    (tmp_path / "a/b").mkdir(parents=True)
    assert find_config(tmp_path / "a/b") == path.resolve()


def test_the_suite_s_own_file_is_right() -> None:
    path = ROOT / "benchmarks.yaml"
    assert [str(problem) for problem in check_config(path)] == []


def test_a_check_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from pixcl_bench.bench.config.reading import load_config;"
        "from pixcl_bench.bench.config.grid import plan;"
        f"plan(load_config({str(make_project(tmp_path))!r}), 'study');"
        "heavy = ('torch', 'timm', 'pandas', 'scipy', 'toybench', 'matplotlib');"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_budget_may_replace_arguments_of_a_method(config: Config) -> None:
    quick, study = (
        make_run(config, "toy", dataset="digits", method="better", seed=0, profile=profile)
        for profile in ("quick", "study")
    )
    assert quick.args == {"width": 8}
    assert study.args == {"width": 8, "sizes": [2, 3]}
    assert config.args("toy", "plain", "study") == config.method("toy", "plain").args


BY_DATASET = """\
        seeds: [5, 6]
        settings: {steps: 8, warmup: 0.2}
        args: {better: {sizes: [2, 3]}}
        datasets:
          digits:
            settings: {steps: 9, lr: 0.5, views: {flip: 0.25}}
            methods: [better]
            args: {better: {width: 3}}
          landcover-tiles: {}
"""


@pytest.fixture
def by_dataset(tmp_path: Path) -> Config:
    old = "        datasets: [digits, landcover-tiles]\n"
    text = CONFIG.replace(old, "").replace("        settings: {steps: 8}\n", "")
    text = text.replace("        args: {better: {sizes: [2, 3]}}\n", BY_DATASET)
    assert BY_DATASET in text
    return load_config(make_project(tmp_path, text))


def test_a_budget_may_differ_between_data_sets(by_dataset: Config) -> None:
    config = by_dataset
    digits, tiles = (
        make_run(config, "toy", dataset=name, method="better", seed=0, profile="study")
        for name in ("digits", "landcover-tiles")
    )
    assert (digits.args, tiles.args) == (
        {"width": 3, "sizes": [2, 3]},
        {"width": 8, "sizes": [2, 3]},
    )
    assert (digits.settings["steps"], tiles.settings["steps"]) == (9, 8)
    assert digits.settings["views"]["flip"] == 0.25  # stronger than the task's own for digits
    assert digits.settings["views"]["scale"] == [0.5, 1.0]
    assert digits.settings["warmup"] == tiles.settings["warmup"] == 0.2
    assert digits.settings["lr"] == 0.01  # weaker than the method's own
    assert config.settings("toy", "digits", "better", "study", {"steps": 1})["steps"] == 1
    assert config.settings("toy", "digits", "better", "quick")["views"]["flip"] == 0.0


def test_a_budget_may_have_methods_and_seeds_of_its_own(by_dataset: Config) -> None:
    config = by_dataset
    assert config.method_names("toy", "study", "digits") == ["better"]
    assert config.method_names("toy", "study") == ["chance", "plain", "better"]
    assert config.method_names("toy", "paper") == []
    assert (config.seeds("toy", "study"), config.seeds("toy", "quick")) == ([5, 6], [0, 1])
    runs = [(run.dataset, run.method, run.seed) for run in plan(config, "study")]
    first = [
        ("digits", "better"),
        *(("landcover-tiles", name) for name in ("chance", "plain", "better")),
    ]
    assert runs == [(*each, seed) for seed in (5, 6) for each in first]
    assert len(plan(config, "study", seeds=[1], datasets=["digits"])) == 1


def test_a_data_set_may_have_seeds_of_its_own(by_dataset: Config) -> None:
    budget = by_dataset.tasks["toy"].budgets["study"]
    fewer = budget.datasets["digits"].model_copy(
        update={"seeds": [6], "method_seeds": {"plain": [7]}}
    )
    changed = budget.model_copy(update={"datasets": {**budget.datasets, "digits": fewer}})
    task = by_dataset.tasks["toy"]
    toy = task.model_copy(update={"budgets": {**task.budgets, "study": changed}})
    benchmarks = by_dataset.benchmarks.model_copy(
        update={"tasks": {**by_dataset.tasks, "toy": toy}}
    )
    config = replace(by_dataset, benchmarks=benchmarks)
    assert (config.seeds("toy", "study", "digits"), config.seeds("toy", "study")) == ([6], [5, 6])
    assert config.seeds("toy", "study", "digits", "plain") == [7]
    assert config.seeds("toy", "study", "landcover-tiles", "plain") == [5, 6]
    runs = [(run.dataset, run.seed) for run in plan(config, "study") if run.method == "better"]
    assert runs == [("landcover-tiles", 5), ("digits", 6), ("landcover-tiles", 6)]


def test_a_list_of_data_sets_is_a_mapping_without_changes(tmp_path: Path) -> None:
    old = "        datasets: [digits, landcover-tiles]\n"
    new = "        datasets: {digits: {}, landcover-tiles: {}}\n"
    one = load_config(make_project(tmp_path / "a"))
    other = load_config(make_project(tmp_path / "b", CONFIG.replace(old, new)))
    assert plan(one, "study") == plan(other, "study")


def test_tasks_come_one_after_the_other(tmp_path: Path) -> None:
    start, end = CONFIG.index("  toy:\n"), CONFIG.index("claims:\n")
    second = CONFIG[start:end].replace("  toy:\n", "  toy2:\n", 1)
    config = load_config(make_project(tmp_path, CONFIG[:end] + second + CONFIG[end:]))
    runs = [(run.task, run.seed) for run in plan(config, "study")]
    assert runs == sorted(runs)
    assert len(runs) == 2 * 18


def test_an_exact_claim_is_right(tmp_path: Path) -> None:
    old = "    metric: score\n    better: plain\n    than: chance\n"
    text = CONFIG.replace(old, EXACT)
    assert check_config(make_project(tmp_path, text)) == []
