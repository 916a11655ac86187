"""Kinds of learners read from source, and methods held to the contract of their task."""

import json
import sys
from pathlib import Path

import pytest
from project import ROOT
from pydantic import BaseModel

from pixcl_bench.bench.config import grid, loaded
from pixcl_bench.bench.config.contracts import Contracts
from pixcl_bench.bench.config.reading import Config, check_config, load_config
from pixcl_bench.bench.errors import ConfigError, UsageError
from pixcl_bench.tasks.contracts import Finding, UnknownTaskError, check_contract
from pixcl_bench.tasks.settings import (
    DenseTransferSettings,
    ImageSSLSettings,
    LandmarksSettings,
    SemiSegSettings,
)

CONFIG = load_config(ROOT / "benchmarks.yaml")
SMOKE = list(
    dict.fromkeys((task, m) for task in CONFIG.tasks for _, m in CONFIG.grid(task, "smoke"))
)


@pytest.mark.parametrize(("task", "method"), SMOKE, ids=["-".join(pair) for pair in SMOKE])
def test_methods_of_the_smoke_profile_fulfil_their_contract(task: str, method: str) -> None:
    dataset = next(data for data, name in CONFIG.grid(task, "smoke") if name == method)
    model: type[BaseModel] = CONFIG.settings_model(task)
    values = CONFIG.settings(task, dataset, method, "smoke")
    settings = model.model_validate_json(json.dumps(values))
    args = CONFIG.args(task, method, "smoke", dataset)
    found = check_contract(CONFIG.method(task, method).learner, args, settings)
    assert len(found) >= 2
    assert {f.requirement: f.problem for f in found if f.problem} == {}


BROKEN = '''\
"""Learners that break their contract, each in one way."""
import itertools

import torch
from torch import nn

from pixcl_bench.methods.contract.learner import Learner
from pixcl_bench.methods.contract.localiser import PyramidMatcher
from pixcl_bench.methods.contract.segmenter import Segmenter

COUNT = itertools.count(1)

class Images(Learner):
    def __init__(self, encoder, how):
        super().__init__()
        self.encoder, self.how = encoder, how
        self.own = nn.Parameter(torch.ones(()))
        if how == "keys":
            self.batch_keys = ("view1", "mask")

    def losses(self, batch, progress):
        loss = self.encoder(batch["view1"]).square().mean() * self.own
        if self.how == "nan":
            loss = loss / 0 * 0
        if self.how == "vector":
            loss = loss.expand(2)
        if self.how == "random":
            loss = loss * next(COUNT)
        if self.how == "batch":
            batch["view1"].mul_(2)
        if self.how == "gradient":
            loss = loss.detach().requires_grad_()
        if self.how == "encoder":
            loss = self.own.square()
        if self.how == "raises":
            raise KeyError("view3")
        if self.how == "no loss":
            return {"objective": loss}
        return {"loss": loss}

    def embed(self, images):
        if self.how == "embed":
            return self.encoder(images)[0]
        return super().embed(images)


def images(*, encoder: nn.Module, how: str = "right"):
    return Images(encoder, how)


class Masks(Segmenter):
    def __init__(self, network, how):
        super().__init__(network=network)
        self.how = how

    def losses(self, batch, progress):
        labelled, _ = self.both(batch)
        return {"loss": self.supervised(labelled, batch["label"])}

    def after_step(self, progress):
        if self.how != "step":
            super().after_step(progress)

    def segment(self, images, *, teacher=False):
        found = super().segment(images, teacher=teacher)
        return found[..., ::2] if self.how == "size" else found


def masks(*, network: nn.Module, how: str = "right"):
    return Masks(network, how)


class Points(PyramidMatcher):
    def __init__(self, network, how):
        super().__init__(network=network)
        self.how = how

    def losses(self, batch, progress):
        return {"loss": sum(m.square().mean() for m in self.describe(batch["image"]))}

    def locate(self, images, supports):
        found = super().locate(images, supports)
        if self.how == "outside":
            found = found + 1000
        return found.nan_to_num(0.0) if self.how == "invents" else found


def points(*, network: nn.Module, how: str = "right"):
    return Points(network, how)


def nothing(*, encoder: nn.Module):
    return encoder
'''
IMAGES = ImageSSLSettings(encoder="conv_nano", batch_size=8)
DENSE = DenseTransferSettings(batch_size=4)
SLICES = SemiSegSettings(
    width=2, levels=3, patch=(16, 16), labelled=2, batch_size=4, labelled_batch=2
)
POINTS = LandmarksSettings(width=2, levels=3, batch_size=2, image_size=32, supports=1)


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_learners.py").write_text(BROKEN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken_learners", raising=False)


def found_of(builder: str, settings: BaseModel, how: str) -> list[Finding]:
    return check_contract(f"broken_learners:{builder}", {"how": how}, settings)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(
    ("builder", "settings"),
    [("images", IMAGES), ("images", DENSE), ("masks", SLICES), ("points", POINTS)],
    ids=["image_ssl", "dense_transfer", "semi_seg", "landmarks"],
)
def test_what_is_right_has_no_problem(builder: str, settings: BaseModel) -> None:
    found = found_of(builder, settings, "right")
    assert len(found) >= 6
    assert [f for f in found if f.problem] == []


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(
    ("builder", "settings", "how", "requirement", "problem"),
    [
        ("images", IMAGES, "keys", "batch_keys", "cannot give ['mask']"),
        ("images", IMAGES, "nan", "finite scalars", "'loss' is nan at progress 0.0"),
        ("images", IMAGES, "vector", "finite scalars", "'loss' is a scalar, got shape (2,)"),
        ("images", IMAGES, "random", "finite scalars", "another loss"),
        ("images", IMAGES, "batch", "stays as it was", "changed the batch in place"),
        ("images", IMAGES, "no loss", "'loss' among them", "got ['objective']"),
        ("images", IMAGES, "raises", "losses()", "KeyError: 'view3'"),
        ("images", IMAGES, "gradient", "reaches a parameter", "no parameter receives"),
        ("images", IMAGES, "embed", "embed(images)", "features are"),
        ("images", DENSE, "encoder", "the encoder of the task", "no parameter of the encoder"),
        ("masks", SLICES, "step", "counts the step", "must count"),
        ("masks", SLICES, "size", "of the images' size", "segment() returns"),
        ("points", POINTS, "outside", "locate(images", "outside its image"),
        ("points", POINTS, "invents", "locate(images", "must be NaN"),
    ],
)
def test_what_is_wrong_is_named(
    builder: str, settings: BaseModel, how: str, requirement: str, problem: str
) -> None:
    wrong = [f for f in found_of(builder, settings, how) if f.problem]
    assert any(requirement in f.requirement and problem in f.problem for f in wrong), wrong


@pytest.mark.usefixtures("broken")
def test_nothing_more_is_checked_of_what_cannot_be_built() -> None:
    (one,) = check_contract("broken_learners:images", {"hows": "right"}, IMAGES)
    assert one.problem.startswith("TypeError: ")
    assert "did you mean 'how'?" in one.problem
    (one,) = check_contract("broken_learners:missing", {}, IMAGES)
    assert "has no builder 'missing'" in one.problem
    (one,) = check_contract("broken_learners:images", {}, SLICES)
    assert "argument" in one.problem or "Segmenter" in one.problem


def test_settings_of_another_task_are_refused() -> None:
    class Other(BaseModel):
        pass

    with pytest.raises(UnknownTaskError, match="Other: register a function"):
        check_contract("broken_learners:images", {}, Other())


KINDS = '''\
"""Builders with return annotations of every kind."""
import typing
from typing import Annotated, Any, Optional, TYPE_CHECKING, Union

import elsewhere
import pixcl_bench.methods.contract.segmenter as seg
from pixcl_bench.methods.contract import localiser
from pixcl_bench.methods.contract.learner import Learner
from pixcl_bench.methods.baselines.image_ssl.simclr import SimCLR
from torch import nn

from .inner import Own, Passed

if TYPE_CHECKING:
    from pixcl_bench.methods.contract.segmenter import Segmenter

Alias = SimCLR


class Local(seg.Segmenter):
    pass


class Module(nn.Module):
    pass


class Mixed(Module, Learner):
    pass


class Foreign(elsewhere.Base):
    pass


class Plain:
    pass


def by_name() -> SimCLR: ...
def quoted() -> "SimCLR": ...
def alias() -> Alias: ...
def abstract() -> Learner: ...
def optional() -> Optional[SimCLR]: ...
def either() -> Union[SimCLR, Local]: ...
def bar() -> SimCLR | None: ...
def annotated() -> Annotated[SimCLR, "text"]: ...
def attribute() -> localiser.Matcher: ...
def local() -> Local: ...
def own() -> Own: ...
def passed() -> Passed: ...
def mixed() -> Mixed: ...
def plain() -> Plain: ...
def module() -> Module: ...
def unknown(): ...
def anything() -> Any: ...
def network() -> nn.Module: ...
def foreign() -> Foreign: ...
def checked() -> "Segmenter": ...
def nowhere() -> Missing: ...
'''
INNER = """\
from mine.deep import Deep as Passed
from pixcl_bench.methods.contract.localiser import PyramidMatcher


class Between(PyramidMatcher):
    pass


class Own(Between):
    pass
"""
DEEP = """\
from pixcl_bench.methods.baselines.semi_seg.mean_teacher import MeanTeacher


class Deep(MeanTeacher):
    pass
"""
IS = {
    "Learner": ["by_name", "quoted", "alias", "abstract", "optional", "bar", "annotated", "mixed"],
    "Segmenter": ["local", "passed"],
    "Localiser": ["attribute", "own"],
    "": ["plain", "module"],
}
UNKNOWN = ["unknown", "anything", "network", "foreign", "checked", "nowhere"]
TAKEN = {
    "image_ssl": {"Learner"},
    "semi_seg": {"Segmenter"},
    "landmarks": {"Localiser"},
    "dense_transfer": {"Learner", "Localiser"},
    "shape_guided": set(),
    "retrieval": set(),
}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Contracts:
    """The tasks of the suite, for a project with the package `mine`."""
    root = tmp_path_factory.mktemp("kinds")
    (root / "mine").mkdir()
    texts = {"__init__": "", "learners": KINDS, "inner": INNER, "deep": DEEP}
    for name, text in texts.items():
        (root / "mine" / f"{name}.py").write_text(text, encoding="utf-8")
    return Contracts(root, CONFIG.tasks)


@pytest.mark.parametrize("task", CONFIG.tasks)
@pytest.mark.parametrize(("kind", "builder"), [(k, b) for k, names in IS.items() for b in names])
def test_kinds_are_followed_by_name(kinds: Contracts, task: str, kind: str, builder: str) -> None:
    fault = kinds.fault(task, f"mine.learners:{builder}")
    assert (fault is None) == (kind in TAKEN[task])
    if fault and kind:
        assert (f", a {kind};" in fault.message) == (builder != "abstract")
        assert f"the task {task} needs a " in fault.message
        takers = [name for name, taken in TAKEN.items() if kind in taken]
        assert fault.hint == f"a {kind} is taken by: {', '.join(takers)}"
    elif fault:
        assert "no learner that a task takes" in fault.message


@pytest.mark.parametrize("task", CONFIG.tasks)
@pytest.mark.parametrize("builder", UNKNOWN)
def test_what_cannot_be_followed_is_accepted(kinds: Contracts, task: str, builder: str) -> None:
    assert kinds.fault(task, f"mine.learners:{builder}") is None


def test_one_fitting_class_of_several_is_enough(kinds: Contracts) -> None:
    either = "mine.learners:either"
    assert kinds.fault("image_ssl", either) is None
    assert kinds.fault("semi_seg", either) is None
    assert kinds.fault("landmarks", either) is not None


def test_a_task_without_a_contract_takes_everything(kinds: Contracts) -> None:
    tasks = {**CONFIG.tasks, "free": CONFIG.task("image_ssl").model_copy(update={"contract": []})}
    assert Contracts(kinds.root, tasks).fault("free", "mine.learners:plain") is None


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the suite's own files, to be changed."""
    for path in (CONFIG.path, *CONFIG.path.parent.glob("benchmarks/**/*.*")):
        target = tmp_path / path.relative_to(CONFIG.path.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_check_names_file_line_key_and_both_classes(project: Path) -> None:
    file = project / "benchmarks/image_ssl.yaml"
    cps = "pixcl_bench.methods.baselines.semi_seg.cps:cps"
    change(file, "pixcl_bench.methods.floors.image_ssl:random_init", cps)
    lines = file.read_text(encoding="utf-8").splitlines()
    line = next(i for i, text in enumerate(lines, 1) if cps in text)
    (problem,) = check_config(project / "benchmarks.yaml")
    assert problem.path == "tasks.image_ssl.methods.random_init.learner"
    assert str(problem) == (
        f"benchmarks/image_ssl.yaml:{line}:14: learner: {cps} builds "
        "CrossPseudoSupervision, a Segmenter; the task image_ssl needs a Learner "
        "(a Segmenter is taken by: semi_seg)"
    )
    with pytest.raises(ConfigError, match="the task image_ssl needs a Learner"):
        load_config(project / "benchmarks.yaml")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "pixcl_bench.methods.contract.learner:Lerner",
            "has no class 'Lerner' (did you mean 'Learner'?)",
        ),
        ("pixcl_bench.methods.bass:Learner", "does not exist (did you mean"),
        ("Learner", "'Learner' is no class: write package.module:Class"),
    ],
)
def test_a_contract_that_is_none_is_named(project: Path, name: str, message: str) -> None:
    file = project / "benchmarks/image_ssl.yaml"
    change(file, "contract: pixcl_bench.methods.contract.learner:Learner", f"contract: {name}")
    problems = [str(p) for p in check_config(project / "benchmarks.yaml")]
    assert any(p.startswith("benchmarks/image_ssl.yaml:5:") and message in p for p in problems)


def test_methods_of_other_packages_are_refused_before_they_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = {"theirs": "pixcl_bench.methods.baselines.semi_seg.mean_teacher:mean_teacher"}
    for module in (grid, loaded):
        monkeypatch.setattr(module, "method_entry_points", lambda: points)
    monkeypatch.setattr(grid, "resolve_learner", points.__getitem__)

    def planned(config: Config, task: str) -> list[grid.Run]:
        return grid.plan(config, "smoke", [task], ["cardiac"], ["theirs"])

    with pytest.raises(UsageError, match="MeanTeacher, a Segmenter; the task landmarks needs"):
        grid.refuse_wrong_kind(CONFIG, "landmarks", "theirs")
    assert [run.method for run in planned(CONFIG, "semi_seg")] == ["theirs"]
    with pytest.raises(UsageError, match="the task image_ssl needs a Learner"):
        grid.plan(CONFIG, "smoke", ["image_ssl"], None, ["theirs"])
