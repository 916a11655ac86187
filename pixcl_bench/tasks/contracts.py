"""Hold any method to the contract of a task: it is built as the task builds it, gets a batch as the
task makes it, of a small drawn data set, and every requirement is checked on its own.

`pixcl-bench check-method` prints what `check_contract` finds. A task of another package, with
settings of its own, adds itself by registering a function with `requirements_of` and one with
`pixcl_bench.tasks.examples.example_data`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor

from pixcl_bench import runtime
from pixcl_bench.data.sets.images import ImageSet
from pixcl_bench.data.sets.landmarks import LandmarkSet
from pixcl_bench.data.sets.pairs import PairSet
from pixcl_bench.data.sets.pixels import PixelSet
from pixcl_bench.data.sets.volumes import VolumeSet
from pixcl_bench.methods.contract.learner import (
    Learner,
    Requirement,
    gradients,
    learner_requirements,
    training_requirements,
)
from pixcl_bench.methods.contract.localiser import Localiser, localiser_requirements
from pixcl_bench.methods.contract.pairs import PairLearner
from pixcl_bench.methods.contract.retrieval import RetrievalLearner, retrieval_requirements
from pixcl_bench.methods.floors.dense_transfer import PixelFloor
from pixcl_bench.methods.contract.segmenter import segmenter_requirements
from pixcl_bench.methods.ld.shape_guided import Refiner, ShapeGuided
from pixcl_bench.methods.ld.vessel_filters import VesselFilter
from pixcl_bench.tasks import (
    dense_transfer,
    image_ssl,
    landmarks,
    retrieval,
    semi_seg,
    shape_guided,
)
from pixcl_bench.tasks.examples import example_data
from pixcl_bench.tasks.settings import (
    DenseTransferSettings,
    ImageSSLSettings,
    LandmarksSettings,
    RetrievalSettings,
    SemiSegSettings,
    ShapeGuidedSettings,
)

_CPU, _FEW = torch.device("cpu"), 4
_BUILT = "the builder takes these arguments and makes a learner of the task's kind"
_FED = "the task makes a batch with the learner's batch_keys"

_PAIRED = "prepare(given) finds pairs, and pairs() returns them: (p, 2), two different images each"


class UnknownTaskError(TypeError):
    """No requirements are registered for the settings of a task."""


@dataclass(frozen=True)
class Finding:
    """A requirement in words, and what is wrong; an empty `problem` where it is met."""

    requirement: str
    problem: str = ""


@dataclass(frozen=True)
class Method:
    """What is checked: the builder `target` with its `args`, at a seed."""

    target: str
    args: Mapping[str, Any]
    seed: int = 0


def check_contract(
    target: str, args: Mapping[str, Any], settings: BaseModel, *, seed: int = 0
) -> list[Finding]:
    """What holds and what does not of the method `target` with its `args`, for the task whose
    `settings` these are. Requirements that come after a failure to build the learner, or to make a
    batch for it, are left out. Takes seconds; needs no data. Sets torch's global random state.

    Raises `UnknownTaskError` for settings of a task that has not registered itself here."""
    requirements = requirements_of(settings, Method(target, args, seed))
    return [_finding(*requirement) for requirement in _until_it_stops(requirements)]


def _until_it_stops(requirements: Iterable[Requirement]) -> Iterator[Requirement]:
    """The requirements; where finding the next one fails, that failure as the last of them."""
    try:
        yield from requirements
    except _Stop as stop:
        yield stop.requirement, stop.again


class _Stop(Exception):
    """A requirement without which the others cannot be checked is not met."""

    def __init__(self, requirement: str, error: Exception) -> None:
        super().__init__(requirement)
        self.requirement, self.error = requirement, error

    def again(self) -> None:
        raise self.error


def _finding(words: str, check: Callable[[], object]) -> Finding:
    try:
        check()
    except AssertionError as error:
        return Finding(words, str(error) or "an assertion of the learner does not hold")
    except Exception as error:  # whatever a method raises is what is wrong with it
        return Finding(words, f"{type(error).__name__}: {error}")
    return Finding(words)


def _done(words: str, act: Callable[[], Any]) -> Any:
    """What `act` returns, which the following requirements need."""
    try:
        return act()
    except Exception as error:  # as above
        raise _Stop(words, error) from error


def _met() -> None:
    """The check of what has been done already."""


@singledispatch
def requirements_of(settings: BaseModel, method: Method) -> Iterator[Requirement]:
    """The requirements of the task whose `settings` these are, one after the other; the learner is
    built, and its batch made, on the way."""
    raise UnknownTaskError(
        f"there is no contract for settings of the class {type(settings).__name__}: "
        "register a function with pixcl_bench.tasks.contracts.requirements_of"
    )


@requirements_of.register
def _image_ssl(settings: ImageSSLSettings, method: Method) -> Iterator[Requirement]:
    data = _example(settings, ImageSet)

    def build() -> Learner:
        return image_ssl.make_learner(
            method.target, method.args, settings, num_classes=data.num_classes, seed=method.seed
        )

    learner = _done(_BUILT, build)
    yield _BUILT, _met
    if isinstance(learner, PairLearner):
        few = settings.model_copy(update={"steps": min(settings.steps, 2)})
        _done(_PAIRED, lambda: _prepare(learner, data, few, method.seed))
        yield _PAIRED, _met
    stream = image_ssl.batches(data, learner, settings, seed=method.seed, device=_CPU)
    batch = _done(_FED, lambda: next(stream))
    yield _FED, _met
    images = next(iter(data.images.batches([torch.arange(4)], _CPU))).float() / 255
    yield from learner_requirements(learner, batch, images)


def _prepare(learner: PairLearner, data: ImageSet, settings: ImageSSLSettings, seed: int) -> None:
    image_ssl.prepare(learner, data, settings, seed=seed, device=_CPU)
    pairs = learner.pairs()
    assert learner.prepared or not settings.steps, "prepare() must set `prepared`"
    assert pairs.shape[1:] == (2,), f"pairs() are (p, 2), got {tuple(pairs.shape)}"
    assert bool((pairs[:, 0] != pairs[:, 1]).all()), "pairs() holds an image with itself"


@requirements_of.register
def _semi_seg(settings: SemiSegSettings, method: Method) -> Iterator[Requirement]:
    data = _example(settings, VolumeSet)

    def build() -> semi_seg.Segmenter:
        return semi_seg.make_learner(
            method.target, method.args, settings, num_classes=data.num_classes, seed=method.seed
        )

    learner = _done(_BUILT, build)
    yield _BUILT, _met
    _done(_FED, lambda: next(_segmenter_batches(data, learner, settings, method.seed)))
    yield _FED, _met
    everything = _WithAllKeys(learner.sees, ("labelled", "label", "unlabelled"))
    batch = next(_segmenter_batches(data, everything, settings, method.seed))
    yield from segmenter_requirements(learner, batch)


@dataclass(frozen=True)
class _WithAllKeys:
    """What `semi_seg.batches` reads of a learner, for a batch with everything in it."""

    sees: str
    batch_keys: tuple[str, ...]


def _segmenter_batches(
    data: VolumeSet, learner: Any, settings: SemiSegSettings, seed: int
) -> Iterator[dict[str, Tensor]]:
    made: Callable[..., Iterator[dict[str, Tensor]]] = getattr(
        semi_seg.batches, "__wrapped__", semi_seg.batches
    )
    return made(data, learner, settings, seed=seed, device=_CPU)


@requirements_of.register
def _landmarks(settings: LandmarksSettings, method: Method) -> Iterator[Requirement]:
    # Nothing of the contract depends on how many images there are, and these are large.
    settings = settings.model_copy(update={"batch_size": min(settings.batch_size, _FEW)})
    data = _example(settings, LandmarkSet)

    def build() -> Localiser:
        return landmarks.make_learner(
            method.target,
            method.args,
            settings,
            num_landmarks=data.num_landmarks,
            seed=method.seed,
        )

    learner = _done(_BUILT, build)
    yield _BUILT, _met
    training = _done(_FED, lambda: landmarks.Training(data, learner, _CPU))
    batch = next(landmarks.batches(training, settings, seed=method.seed))
    yield _FED, _met
    prepared = "prepare(given) takes the images, the support, and points where it uses labels"
    _done(
        prepared,
        lambda: landmarks.prepare(learner, training, data, settings, seed=method.seed),
    )
    yield prepared, _met
    small = {name: value[:2] for name, value in batch.items()} if not learner.trains else batch
    yield from localiser_requirements(learner, small, _supports(data))


def _supports(data: LandmarkSet) -> list[landmarks.Support]:
    """Two labelled images; the second lacks a landmark."""
    one, two = (landmarks.support(data, i) for i in (0, 1))
    points = two.points.clone()
    points[0] = torch.nan
    return [one, landmarks.Support(two.image, points)]


@requirements_of.register
def _dense_transfer(settings: DenseTransferSettings, method: Method) -> Iterator[Requirement]:
    data = _example(settings, PixelSet)

    def build() -> dense_transfer.Built:
        return dense_transfer.make_learner(
            method.target, method.args, settings, data, seed=method.seed
        )

    built = _done(_BUILT, build)
    yield _BUILT, _met
    learner = built.learner
    if isinstance(learner, PixelFloor):
        yield "fit_pixels(images, masks), then segment(images)", lambda: _fitted(learner, data)
    if not learner.trains:
        return
    source = _done(_FED, lambda: dense_transfer.Unlabelled(data, learner, settings, _CPU))
    batch = _done(_FED, lambda: next(dense_transfer.batches(source, settings, seed=method.seed)))
    yield _FED, _met
    if isinstance(learner, Localiser):
        prepared = "prepare(given) takes grey images and no points"
        _done(prepared, lambda: learner.prepare(dense_transfer.shown(source)))
        yield prepared, _met
    yield from training_requirements(learner, batch)
    yield (
        "the gradient reaches the encoder of the task, which is what moves on",
        lambda: _reaches(learner, built.encoder, batch),
    )


def _reaches(learner: Learner, encoder: torch.nn.Module, batch: Mapping[str, Tensor]) -> None:
    reached = {id(p) for p, gradient in gradients(learner, batch) if bool(gradient.any())}
    inside = any(id(p) in reached for p in encoder.parameters())
    assert inside, "no parameter of the encoder receives a gradient"


def _fitted(learner: PixelFloor, data: PixelSet) -> None:
    index = data.splits["train"][:2]
    learner.fit_pixels(data.images[index], data.masks[index], seed=0)
    found = learner.segment(data.images[index].float() / 255)
    expected = (len(index), data.num_classes, *data.size)
    assert tuple(found.shape) == expected, f"segment() gives {tuple(found.shape)}, not {expected}"


@requirements_of.register
def _shape_guided(settings: ShapeGuidedSettings, method: Method) -> Iterator[Requirement]:
    data = _example(settings, PixelSet)
    photos = shape_guided.photographs_of(data, settings, seed=method.seed, device=_CPU)

    def build() -> Learner:
        return shape_guided.make_learner(
            method.target, method.args, settings, data, seed=method.seed
        )

    learner = _done(_BUILT, build)
    yield _BUILT, _met
    if isinstance(learner, ShapeGuided):
        stream = shape_guided.guided_batches(photos, learner, settings, seed=method.seed)
        batch = _done(_FED, lambda: next(stream))
        yield _FED, _met
        yield from training_requirements(learner, batch)
    elif isinstance(learner, Refiner):
        yield from training_requirements(learner, _labelled(photos))
    yield _ANSWERS[_kind(learner)], lambda: _check_answers(learner, photos)


_ANSWERS: dict[type[Learner], str] = {
    ShapeGuided: "maps(images, field): two maps (b, h, w) in [0, 1]",
    Refiner: "refined(images, field): a map (b, h, w) in [0, 1]",
    VesselFilter: "fit_prior(masks), then vessels(images, field): a map (b, h, w) in [0, 1]",
}


def _kind(learner: Learner) -> type[Learner]:
    return next(kind for kind in _ANSWERS if isinstance(learner, kind))


def _labelled(photos: shape_guided.Photographs) -> dict[str, Tensor]:
    """A batch of the second stage, with the reference masks."""
    index, said = photos.data.splits["train"][:2], shape_guided.true_labels(photos)
    return {
        "pixels": photos.pixels(index),
        "label": said.label[:2],
        "uncertainty": said.uncertainty[:2],
    }


def _check_answers(learner: Learner, photos: shape_guided.Photographs) -> None:
    index = photos.data.splits["test"]
    for answer in _answers(learner.eval(), photos, index):
        shape, expected = tuple(answer.shape), (len(index), *photos.data.size)
        assert shape == expected, f"a map is {shape}, not {expected}"
        inside = bool(((answer >= 0) & (answer <= 1)).all())
        assert inside, "a map has values outside [0, 1], or that are not finite"


def _answers(
    learner: Learner, photos: shape_guided.Photographs, index: Tensor
) -> tuple[Tensor, ...]:
    if isinstance(learner, ShapeGuided):
        return tuple(shape_guided.answers(learner, photos, index, len(index)))
    if isinstance(learner, Refiner):
        return (shape_guided.refined(learner, photos, index, len(index)),)
    assert isinstance(learner, VesselFilter), learner
    learner.fit_prior(photos.prior)
    return (learner.vessels(photos.data.images[index], photos.inside[index]),)


@requirements_of.register
def _retrieval(settings: RetrievalSettings, method: Method) -> Iterator[Requirement]:
    data = _example(settings, PairSet)

    def build() -> RetrievalLearner:
        return retrieval.make_learner(method.target, method.args, settings, data, seed=method.seed)

    learner = _done(_BUILT, build)
    yield _BUILT, _met
    prepared = "prepare(given) takes the training captions, and the training images in batches"
    given = retrieval.training_pairs(data, settings, _CPU)
    _done(prepared, lambda: learner.prepare(given))
    yield prepared, _met
    stream = retrieval.batches(data, learner, settings, seed=method.seed, device=_CPU)
    batch = _done(_FED, lambda: next(stream)) if learner.trains else {}
    yield _FED, _met
    index = data.splits["test"]
    images = next(iter(data.images.batches([index], _CPU))).float() / 255
    yield from retrieval_requirements(learner, batch, images, data.captions(index))


def _example(settings: BaseModel, kind: type[Any]) -> Any:
    """The example of data for these settings, of the class `kind`; the random state is set."""
    runtime.seed_all(0)
    data = example_data(settings)
    assert isinstance(data, kind), type(data)
    return data
