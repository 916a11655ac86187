"""What tasks share around the training loop.

Its configuration from their settings, one training of a learner, the trainings of a run with their
progress, what a training took, the two views of an image, and the statistics of batch
normalisation.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from pixcl_bench import runtime
from pixcl_bench.methods.contract.learner import Learner
from pixcl_bench.tasks.settings import CosineSettings, TrainingSettings, ViewSettings
from pixcl_bench.train import TrainConfig, TrainResult, epoch_order, fit
from pixcl_bench.ops.views import TwoViews

OnStep = Callable[[int, int], None]
"""Told of progress: steps done, steps in all."""
Stream = Callable[[int], Iterator[Mapping[str, Tensor]]]
"""Training batches without end, from a step on."""


@runtime_checkable
class DividedSet(Protocol):
    """A data set with a name and splits."""

    @property
    def name(self) -> str:
        """The name of the data set."""

    @property
    def splits(self) -> Mapping[str, Tensor]:
        """The indices of the images of each split."""


def check_eval_split(data: DividedSet, split: str) -> None:
    """Raise `ValueError` where `split`, the setting `eval_split`, has no images in `data`."""
    there = [name for name in data.splits if len(data.splits[name])]
    if split not in there:
        raise ValueError(f"eval_split: {data.name} has no split {split!r}; it has {there}")


def train_config(settings: CosineSettings, seed: int) -> TrainConfig:
    """The part of the settings that the training loop reads.

    What the settings do not have keeps the training loop's default.
    """
    known = settings.model_dump()
    names = [f.name for f in fields(TrainConfig) if f.name in known]
    return TrainConfig(**{name: known[name] for name in names}, seed=seed)


def train_learner(
    learner: Learner,
    stream: Stream,
    settings: CosineSettings,
    *,
    seed: int,
    device: torch.device,
    folder: Path | None = None,
    owner: str = "",
    on_step: OnStep | None = None,
    progress: bool | None = None,
) -> TrainResult:
    """Train `learner` in place on batches of `stream`; the arguments are those of `train.fit`.

    One that does not train, or not with these settings, is moved to the device and left as it is.
    """
    if not will_train(learner, settings):
        learner.to(device)
        return untrained()
    return fit(
        learner,
        stream,
        train_config(settings, seed),
        device=device,
        folder=folder,
        owner=owner,
        on_step=on_step,
        progress=progress,
    )


def will_train(learner: Learner, settings: CosineSettings) -> bool:
    """Whether the learner trains, and the settings give it steps."""
    return learner.trains and settings.steps > 0


def untrained() -> TrainResult:
    """The result of a training that did not take place."""
    return TrainResult([], 0.0, 0)


def timings(
    trained: TrainResult, settings: CosineSettings, prefix: str = "", unit: str = "images"
) -> dict[str, float]:
    """Steps, seconds and images (or what else `unit` says) a second of one training.

    Each name gets the prefix.
    """
    steps = settings.steps - trained.started_at if trained.history else 0
    found = {
        "steps": float(settings.steps if trained.history else 0),
        "train_seconds": trained.seconds,
        "resumed_at": float(trained.started_at),
    }
    if steps:
        found["seconds_per_step"] = trained.seconds / steps
        found[f"{unit}_per_second"] = steps * settings.batch_size / trained.seconds
    return {prefix + name: value for name, value in found.items()}


def augmentation(
    views: ViewSettings, size: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> TwoViews:
    """The augmentation of the settings, to views of `size` pixels, normalised by `mean` and `std`.

    `blur_2` and `solarise_2` belong to the second view.
    """
    own = {"blur": views.blur_2, "solarise": views.solarise_2}
    second = {name: value for name, value in own.items() if value is not None}
    first = views.model_dump(exclude={"blur_2", "solarise_2"})
    return TwoViews(size=size, mean=mean, std=std, second=second, **first)


@runtime_checkable
class UnlabelledSet(Protocol):
    """Images (n, c, h, w), uint8, and the indices of those that may be seen without labels."""

    @property
    def images(self) -> Tensor:
        """The images, with 1 or 3 channels."""

    @property
    def splits(self) -> Mapping[str, Tensor]:
        """The indices of each split; `unlabelled` is among them."""


@runtime_checkable
class StatisticsSettings(Protocol):
    """The settings by which statistics are measured."""

    @property
    def batch_size(self) -> int:
        """Images in a batch."""

    @property
    def statistics(self) -> int:
        """The number of batches."""


@torch.no_grad()
def measure_statistics(
    encoder: nn.Module,
    data: UnlabelledSet,
    settings: StatisticsSettings,
    *,
    seed: int,
    device: torch.device,
) -> None:
    """Measure the running statistics of a network's batch normalisations on unlabelled images.

    They become means over `settings.statistics` batches of images (b, 3, h, w) in [0, 1]; with 0
    they are not changed. The network is left in its training mode.
    """
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    if not norms or not settings.statistics:
        return
    usual = [m.momentum for m in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    pool, size = data.splits["unlabelled"], min(settings.batch_size, len(data.splits["unlabelled"]))
    encoder.to(device).train()
    for rows, _ in zip(
        epoch_order(len(pool), size, runtime.derive_seed(seed, "statistics")),
        range(settings.statistics),
        strict=False,
    ):
        encoder(data.images[pool[rows]].to(device).expand(-1, 3, -1, -1).float() / 255)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum


@dataclass
class Trainings:
    """The trainings of one run: each has a name.

    With the name it has a seed, a checkpoint folder and an owner of its own. `counted`: those whose
    progress `on_step` hears, in their order, with their steps. `timings` fills up.
    """

    seed: int
    device: torch.device
    folder: Path | None = None
    owner: str = ""
    progress: bool | None = None
    on_step: OnStep | None = None
    counted: Mapping[str, int] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)

    def seed_of(self, name: str) -> int:
        """The seed of one training."""
        return runtime.derive_seed(self.seed, name)

    def on_step_of(self, name: str) -> OnStep | None:
        """Progress of one training as progress of the whole run.

        None where nobody listens or the training is not counted.
        """
        tell = self.on_step
        if tell is None or name not in self.counted:
            return None
        names, total = list(self.counted), sum(self.counted.values())
        before = sum(self.counted[earlier] for earlier in names[: names.index(name)])
        return lambda done, _: tell(before + done, total)

    def train(
        self,
        name: str,
        learner: Learner,
        stream: Stream,
        config: TrainingSettings,
        *,
        prefix: str | None = None,
    ) -> TrainResult:
        """Train `learner` in place. `prefix`: of its timings; None: its name."""
        folder = self.folder / name if self.folder and config.checkpoint_every else None
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        trained = fit(
            learner,
            stream,
            train_config(config, self.seed_of(name)),
            device=self.device,
            folder=folder,
            owner=f"{self.owner}/{name}",
            on_step=self.on_step_of(name),
            progress=self.progress,
        )
        self.timings |= timings(trained, config, f"{name}_" if prefix is None else prefix)
        return trained
