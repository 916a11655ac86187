"""Option objects: flat names grouped for a builder, the static check of flat names, and the
builders of the package held to both."""

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from project import ROOT

from pixcl_bench.bench.config.reading import load_config
from pixcl_bench.bench.config.signature import (
    Fault,
    Signature,
    builder_source,
    check_arguments,
    read_signature,
)
from pixcl_bench.methods.arco.learner import arco
from pixcl_bench.methods.arco.pixel_contrast import PixelContrastLoss
from pixcl_bench.methods.baselines.landmarks.simclr_features import simclr_features
from pixcl_bench.methods.baselines.semi_seg.mean_teacher import mean_teacher
from pixcl_bench.methods.baselines.semi_seg.ua_mt import ua_mt
from pixcl_bench.methods.contract.options import flat_names, group_options, option_parameters
from pixcl_bench.methods.fba_net import fba_net, mc_net
from pixcl_bench.methods.grass.learner import grass
from pixcl_bench.methods.igu_aug.cross_patch import cc2d
from pixcl_bench.methods.igu_aug.detectors import detector, one_shot_detector, pretrained_detector
from pixcl_bench.methods.igu_aug.learner import igu_aug, igu_aug_matcher
from pixcl_bench.methods.ld.learner import ld, ld_untrained
from pixcl_bench.methods.ld.shape_guided import shape_guided
from pixcl_bench.methods.ld.transfer import ld_dense
from pixcl_bench.methods.patchmix import patchmix

if TYPE_CHECKING:
    from collections import OrderedDict

BUILDERS: list[Callable[..., Any]] = [
    arco,
    cc2d,
    detector,
    fba_net,
    grass,
    igu_aug,
    igu_aug_matcher,
    ld,
    ld_dense,
    ld_untrained,
    mc_net,
    mean_teacher,
    one_shot_detector,
    patchmix,
    pretrained_detector,
    shape_guided,
    simclr_features,
    ua_mt,
]


@dataclass(frozen=True, kw_only=True)
class Inner:
    depth: int = 3
    sides: tuple[int, ...] = (1, 2)


@dataclass(frozen=True, kw_only=True)
class Outer:
    width: float = 0.5
    inner: Inner = field(default_factory=Inner)
    derived: int = field(default=7, init=False)


@dataclass(frozen=True, kw_only=True)
class Needed:
    must: int
    may: str = "so"


def build(*, network: str, plain: int = 1, outer: Outer = Outer(width=0.75)) -> Outer:
    return outer


def strict(*, needed: Needed) -> Needed:
    return needed


# ---- grouping


def test_flat_names_lead_to_their_places() -> None:
    assert flat_names(build) == {
        "width": ("outer", "width"),
        "depth": ("outer", "inner", "depth"),
        "sides": ("outer", "inner", "sides"),
    }
    assert option_parameters(build) == {"outer": Outer}


def test_values_replace_fields_of_the_builders_own_object() -> None:
    assert group_options(build, {}) == {}
    assert group_options(build, {"plain": 2}) == {"plain": 2}
    assert group_options(build, {"depth": 9}) == {"outer": Outer(width=0.75, inner=Inner(depth=9))}
    given = group_options(build, {"width": 0.1, "sides": [4, 5], "plain": 3})
    assert given == {"plain": 3, "outer": Outer(width=0.1, inner=Inner(sides=(4, 5)))}
    assert build(network="net", **given).inner.sides == (4, 5)


def test_a_class_without_object_is_made_from_its_own_defaults() -> None:
    assert strict(**group_options(strict, {"must": 4})) == Needed(must=4)
    with pytest.raises(TypeError, match="must"):
        group_options(strict, {"may": "not"})


def test_an_object_may_stand_for_its_fields_but_not_beside_them() -> None:
    outer = Outer(width=2.0)
    assert group_options(build, {"outer": outer}) == {"outer": outer}
    with pytest.raises(
        TypeError, match=r"build\(\): 'depth' is given twice, also by the object 'outer'"
    ):
        group_options(build, {"outer": outer, "depth": 1})
    with pytest.raises(TypeError, match=r"outer is an object of Outer, got \{'width': 1.0\}"):
        group_options(build, {"outer": {"width": 1.0}})


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        TypeError, match=r"build\(\) has no argument 'dept'; did you mean 'depth'\?"
    ):
        group_options(build, {"dept": 1})
    with pytest.raises(TypeError, match="it has depth, network, plain, sides, width"):
        group_options(build, {"quite_another": 1})
    with pytest.raises(TypeError, match="has no argument 'derived'"):
        group_options(build, {"derived": 1})


def test_an_open_builder_takes_every_name() -> None:
    def open_ended(*, outer: Outer = Outer(), **rest: Any) -> None: ...

    given = group_options(open_ended, {"more": 1, "depth": 2})
    assert given == {"more": 1, "outer": Outer(inner=Inner(depth=2))}


def test_a_name_with_two_places_is_the_builders_mistake() -> None:
    def shadowed(*, width: float = 1.0, outer: Outer = Outer()) -> None: ...

    def twofold(*, outer: Outer = Outer(), inner: Inner = Inner()) -> None: ...

    with pytest.raises(TypeError, match=r"'width' is the name of both width and outer\.width"):
        group_options(shadowed, {})
    with pytest.raises(TypeError, match=r"'depth' is the name of both outer\.inner\.depth and"):
        group_options(twofold, {})


def test_annotations_that_only_type_checkers_know() -> None:
    def third_party(
        *, table: "OrderedDict[str, int] | None" = None, outer: Outer = Outer()
    ) -> None: ...

    third_party.__annotations__["table"] = "UnknownName"
    assert group_options(third_party, {"depth": 1}) == {"outer": Outer(inner=Inner(depth=1))}


def test_the_classes_checks_are_heard() -> None:
    with pytest.raises(ValueError, match="at least 1 anchor"):
        group_options(cc2d, {"anchors": 0})


# ---- the static check

SOURCE = """
from dataclasses import dataclass, field, KW_ONLY
from typing import ClassVar, Literal
from toy.shared import Base, Mode
from .shared import Other as Renamed
from elsewhere import Foreign

Size = int | None

@dataclass(frozen=True, kw_only=True)
class Options(Base):
    width: int = 4
    mode: Mode = "fast"
    size: Size = None
    sides: tuple[int, int] = (1, 2)
    kinds: ClassVar[int] = 3
    hidden: int = field(default=1, init=False)
    deep: Renamed = field(default_factory=Renamed)

class Plain:
    colour: str = "red"

def build(*, network: "Net", options: Options = Options(), foreign: Foreign = None,
          plain: Plain = None, kind: Literal["a", "b"] = "a"): ...

def needy(*, options: Renamed): ...

def quoted(*, options: "Options" = Options()): ...

def kept(*, options: Renamed = Renamed(rate=1.0)): ...
"""
SHARED = """
from dataclasses import dataclass
from typing import Literal
from toy.far import Other

Mode = Literal["fast", "slow"]

@dataclass
class Base:
    seed: int = 0
"""
FAR = """
import dataclasses

@dataclasses.dataclass(frozen=True)
class Other:
    rate: float
    levels: int = 5
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    folder = tmp_path / "toy"
    folder.mkdir()
    sources = {"__init__": "", "method": SOURCE, "shared": SHARED, "far": FAR}
    for name, text in sources.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


def signature_of(builder: str, root: Path) -> Signature:
    found = builder_source(builder, root)
    assert not isinstance(found, Fault)
    return read_signature(*found)


def test_fields_of_option_classes_are_arguments(toy: Path) -> None:
    signature = signature_of("toy.method:build", toy)
    assert set(signature.arguments) == {
        "network",
        "foreign",
        "plain",
        "kind",
        "seed",
        "width",
        "mode",
        "size",
        "sides",
        "rate",
        "levels",
    }
    assert signature.objects == {
        "options": ("seed", "width", "mode", "size", "sides", "rate", "levels")
    }
    mode = signature.arguments["mode"]
    assert mode is not None
    assert ast.unparse(mode) == "Literal['fast', 'slow']"
    assert signature.required == {"network"}


@pytest.mark.parametrize(
    ("args", "messages"),
    [
        ({"width": 5, "mode": "slow", "rate": 0.5, "seed": 1, "sides": [3, 4], "size": None}, []),
        ({"widht": 5}, ["unknown argument 'widht' of build (did you mean 'width'?)"]),
        ({"width": "wide"}, ["width: build wants int, got 'wide'"]),
        ({"size": "big"}, ["size: build wants int | None, got 'big'"]),
        (
            {"mode": "slwo"},
            ["mode: build wants Literal['fast', 'slow'], got 'slwo' (did you mean 'slow'?)"],
        ),
        ({"sides": [1]}, ["sides: build wants tuple[int, int], got [1]"]),
        ({"level": 2}, ["unknown argument 'level' of build (did you mean 'levels'?)"]),
        ({"kinds": 3}, ["unknown argument 'kinds' of build (did you mean 'kind'?)"]),
        ({"hidden": 3}, ["unknown argument 'hidden' of build"]),
        ({"deep": 3}, ["unknown argument 'deep' of build"]),
        ({"colour": "blue"}, ["unknown argument 'colour' of build"]),
        (
            {"options": {"width": 1}},
            ["'options' of build is an object, whose fields are written flat"],
        ),
        ({"network": "net"}, ["'network' is given by the task"]),
    ],
)
def test_flat_names_are_checked(toy: Path, args: dict[str, Any], messages: list[str]) -> None:
    found = [
        f"{fault.message} ({fault.hint})" if fault.hint else fault.message
        for fault in check_arguments("toy.method:build", args, toy)
    ]
    assert len(found) == len(messages), found
    for said, message in zip(found, messages, strict=True):
        assert said.startswith(message)


def test_fields_without_default_are_needed_unless_the_builder_has_an_object(toy: Path) -> None:
    assert [f.message for f in check_arguments("toy.method:needy", {}, toy)] == [
        "needy needs the argument 'rate'"
    ]
    assert check_arguments("toy.method:needy", {"rate": 1.0}, toy) == []
    assert check_arguments("toy.method:kept", {}, toy) == []
    assert check_arguments("toy.method:quoted", {"width": 1}, toy) == []


def test_wrong_learners_are_named(toy: Path) -> None:
    assert "is not a learner" in check_arguments("toy.method", {}, toy)[0].message
    assert "does not exist" in check_arguments("toy.methods:build", {}, toy)[0].message
    missing = check_arguments("toy.method:bild", {}, toy)[0]
    assert "has no function 'bild'" in missing.message
    assert "'build'" in missing.hint


# ---- the builders of the package


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda b: b.__name__)
def test_builders_are_short_and_the_two_ways_agree(builder: Callable[..., Any]) -> None:
    parameters = inspect.signature(builder).parameters
    assert len(parameters) <= 8
    signature = signature_of(f"{builder.__module__}:{builder.__name__}", ROOT)
    options = option_parameters(builder)
    assert set(signature.objects) == set(options)
    assert {name for names in signature.objects.values() for name in names} == set(
        flat_names(builder)
    )
    assert set(signature.arguments) == (set(parameters) - set(options)) | set(flat_names(builder))


def option_classes() -> list[type]:
    found: dict[str, type] = {}
    waiting = [
        kind for b in (*BUILDERS, PixelContrastLoss) for kind in option_parameters(b).values()
    ]
    while waiting:
        kind = waiting.pop()
        found[f"{kind.__module__}.{kind.__name__}"] = kind
        waiting += option_parameters(kind).values()
    return [kind for kind in found.values() if kind.__name__ != "Ramp"]


@pytest.mark.parametrize("kind", option_classes(), ids=lambda k: f"{k.__module__}.{k.__name__}")
def test_option_classes_are_frozen_and_every_field_is_documented(kind: type) -> None:
    assert is_dataclass(kind)
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert all(f.kw_only for f in fields(kind))
    assert kind.__doc__
    assert not kind.__doc__.startswith(kind.__name__ + "(")
    assert undocumented(kind) == []


def undocumented(kind: type) -> list[str]:
    """The fields of a class that have no comment, neither on their line nor right above it."""
    lines = inspect.getsource(kind).splitlines()
    wanting = []
    for f in fields(kind):
        at = next(i for i, line in enumerate(lines) if line.startswith(f"    {f.name}: "))
        if "  # " not in lines[at] and not lines[at - 1].startswith("    # "):
            wanting.append(f.name)
    return wanting


def test_every_argument_of_the_configuration_finds_its_place() -> None:
    """The names and values of the configuration file, through the option classes of the
    builders."""
    config = load_config(ROOT / "benchmarks.yaml")
    builders = {f"{b.__module__}:{b.__name__}": b for b in BUILDERS}
    seen = 0
    for task, entry in config.tasks.items():
        for method, chosen in entry.methods.items():
            builder = builders.get(chosen.learner)
            for profile, budget in entry.budgets.items():
                for dataset in budget.datasets if builder else ():
                    assert builder is not None
                    group_options(builder, config.args(task, method, profile, dataset))
                    seen += 1
    assert seen >= 60


def test_choices_are_those_of_the_configuration(toy: Path) -> None:
    """A wrong choice of a real method is found without importing it, with the nearest right one."""
    fault = check_arguments("pixcl_bench.methods.arco.learner:arco", {"sampler": "sgg"}, ROOT)[0]
    assert fault.message.startswith("sampler: arco wants Literal['ns', 'sg', 'sag']")
    assert "'sg'" in fault.hint
    fault = check_arguments("pixcl_bench.methods.igu_aug.learner:igu_aug", {"guidance": {}}, ROOT)[
        0
    ]
    assert fault.argument == "guidance"
    assert "gamma" in fault.hint
