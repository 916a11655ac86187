"""`extends`, groups and numbers of seeds: short entries come to what they would be when written
out."""

from pathlib import Path

import pytest
from toy_project import CONFIG, make_project

from pixcl_bench.bench.config.grid import make_run, plan
from pixcl_bench.bench.config.reading import Config, check_config, load_config

METHODS = """\
      best:
        title: best
        extends: good
        args: {width: 9}
      good:
        title: good
        extends: better
        role: ablation
        args: {sizes: [3, 4]}
        settings: {weight_decay: 0.3}
"""
OLD = "    literature: {elsewhere: A method of others}\n"
GROUPS = """\
    groups:
      methods:
        pair: [plain, better]
        three: [better, good, best]
      datasets:
        both: [digits, landcover-tiles]
"""
STUDY = CONFIG[
    CONFIG.index("        datasets: [digits, landcover-tiles]\n") : CONFIG.index("claims:\n")
]


def config(root: Path, study: str = STUDY, groups: str = GROUPS) -> Config:
    """The toy configuration with two more methods, groups, and another budget."""
    text = CONFIG.replace(OLD, METHODS + OLD + groups).replace(STUDY, study)
    return load_config(make_project(root, text))


def test_an_entry_takes_over_what_it_does_not_say_itself(tmp_path: Path) -> None:
    methods = config(tmp_path).tasks["toy"].methods
    best, good, better = (methods[name] for name in ("best", "good", "better"))
    assert (best.title, best.role, best.learner) == ("best", "ablation", better.learner)
    assert (good.args, good.settings) == (
        {"width": 8, "sizes": [3, 4]},
        {"lr": 0.01, "weight_decay": 0.3},
    )
    assert (best.args, best.settings) == ({"width": 9, "sizes": [3, 4]}, good.settings)
    assert better.args == {"width": 8}
    assert list(methods) == ["chance", "plain", "better", "best", "good"]


def test_data_sets_and_budgets_extend_each_other(tmp_path: Path) -> None:
    text = CONFIG.replace(
        "landcover-tiles: {}", "landcover-tiles: {extends: digits, settings: {views: {flip: 0.5}}}"
    ).replace(STUDY, "        extends: quick\n        settings: {lr: 0.5}\n")
    task = load_config(make_project(tmp_path, text)).tasks["toy"]
    assert task.datasets["landcover-tiles"].settings == {
        "views": {"flip": 0.5, "scale": [0.5, 1.0]}
    }
    assert task.datasets["digits"].settings == {"views": {"flip": 0.0, "scale": [0.5, 1.0]}}
    quick, study = task.budgets["quick"], task.budgets["study"]
    assert study.settings == {"steps": 4, "lr": 0.5}
    assert (study.methods, list(study.datasets)) == (quick.methods, ["digits"])


def test_a_list_is_replaced(tmp_path: Path) -> None:
    study = "        extends: quick\n        datasets: [landcover-tiles]\n        methods: all\n"
    found = config(tmp_path, study)
    assert found.dataset_names("toy", "study") == ["landcover-tiles"]
    assert len(found.method_names("toy", "study")) == 5


def test_groups_stand_for_their_members(tmp_path: Path) -> None:
    study = """\
        datasets: [both]
        methods: [chance, three]
        args:
          three: {width: 5, sizes: [1, 1]}
          good: {width: 6}
        own:
          good: {lr: 0.5}
          three: {lr: 0.1}
"""
    found = config(tmp_path, study)
    assert found.dataset_names("toy", "study") == ["digits", "landcover-tiles"]
    names = found.method_names("toy", "study", "digits")
    assert names == ["chance", "better", "good", "best"]
    args = [found.args("toy", name, "study") for name in ("better", "good", "best")]
    assert args == [{"width": w, "sizes": [1, 1]} for w in (5, 6, 5)]
    rates = [found.settings("toy", "digits", name, "study")["lr"] for name in ("better", "good")]
    assert rates == [0.1, 0.1]  # what is said later comes on top


def test_groups_in_the_budget_of_a_data_set(tmp_path: Path) -> None:
    study = """\
        seeds: 1
        datasets:
          both:
            methods: [pair]
            args: {pair: {width: 7}}
            method_seeds: {pair: 3, better: [4]}
          digits: {seeds: [8], args: {better: {width: 6}}}
"""
    found = config(tmp_path, study)
    assert found.dataset_names("toy", "study") == ["digits", "landcover-tiles"]
    for dataset in ("digits", "landcover-tiles"):
        assert found.method_names("toy", "study", dataset) == ["plain", "better"]
        assert found.seeds("toy", "study", dataset, "plain") == [0, 1, 2]
        assert found.seeds("toy", "study", dataset, "better") == [4]
        assert found.args("toy", "plain", "study", dataset)["width"] == 7
    widths = [found.args("toy", "better", "study", d)["width"] for d in found.tasks["toy"].datasets]
    assert widths == [6, 7]
    assert found.seeds("toy", "study", "digits") == [8]
    assert len(plan(found, "study")) == 2 * (3 + 1)


def test_a_number_of_seeds(tmp_path: Path) -> None:
    one = load_config(make_project(tmp_path / "a", CONFIG.replace("seeds: [0, 1, 2]", "seeds: 3")))
    assert one.profiles["study"].seeds == [0, 1, 2]
    other = load_config(make_project(tmp_path / "b"))
    assert plan(one, "study") == plan(other, "study")


def test_what_is_wrong_in_one_place_is_told_once_and_there(tmp_path: Path) -> None:
    """Three methods take over one wrong argument; three members of a group are given another."""
    text = CONFIG.replace(OLD, METHODS + OLD + GROUPS).replace("{width: 8}", "{width: x}")
    (problem,) = check_config(make_project(tmp_path, text))
    assert (problem.line, problem.message) == (49, "width: better wants int, got 'x'")
    text = CONFIG.replace(OLD, METHODS + OLD + GROUPS).replace(
        "args: {better: {sizes: [2, 3]}}", "args: {three: {size: [2, 3]}}"
    )
    (problem,) = check_config(make_project(tmp_path, text))
    line = next(i for i, row in enumerate(text.splitlines(), 1) if "size: [" in row)
    assert (problem.line, problem.message) == (line, "unknown argument 'size' of better")


@pytest.mark.parametrize(
    ("parent", "message"),
    [("betterr", "unknown method 'betterr'"), ("best", "in a circle: best -> good -> best")],
)
def test_what_an_entry_could_not_take_over_is_not_missing(
    tmp_path: Path, parent: str, message: str
) -> None:
    text = CONFIG.replace(OLD, METHODS.replace("extends: better", f"extends: {parent}") + OLD)
    (problem,) = check_config(make_project(tmp_path, text))
    assert message in problem.message
    assert text.splitlines()[problem.line - 1].strip() == f"extends: {parent}"


def test_an_error_in_a_group_is_told_at_the_group(tmp_path: Path) -> None:
    text = CONFIG.replace(
        OLD, OLD + GROUPS.replace("pair: [plain, better]", "pair: [plian, better]")
    )
    text = text.replace("methods: [chance, plain]", "methods: [chance, pair]").replace(
        ", good, best]", "]"
    )
    (problem,) = check_config(make_project(tmp_path, text))
    assert problem.message == "unknown method 'plian'"
    assert "pair: [plian" in text.splitlines()[problem.line - 1]


def test_a_run_has_everything_resolved(tmp_path: Path) -> None:
    run = make_run(
        config(tmp_path), "toy", dataset="digits", method="best", seed=0, profile="quick"
    )
    assert run.args == {"width": 9, "sizes": [3, 4]}
    assert run.learner == "toybench.learners:better"
    assert (run.settings["lr"], run.settings["weight_decay"]) == (0.01, 0.3)
