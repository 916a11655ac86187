"""What tasks share around the training loop: its configuration from their settings, learners built by name, the
trainings of a run with their progress, and what a training took."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pixcl_bench import runtime
from pixcl_bench.methods.base import Learner
from pixcl_bench.methods.options import group_options
from pixcl_bench.tasks.image_ssl import find_builder
from pixcl_bench.tasks.settings import TrainingSettings
from pixcl_bench.train import TrainConfig, TrainResult, fit

OnStep = Callable[[int, int], None]
"""Told of progress: steps done, steps in all."""
Stream = Callable[[int], Iterator[Mapping[str, Tensor]]]
"""Training batches without end, from a step on."""


def train_config(settings: TrainingSettings, seed: int) -> TrainConfig:
    """The part of the settings that the training loop reads."""
    known = settings.model_dump()
    return TrainConfig(**{f.name: known[f.name] for f in fields(TrainConfig) if f.name in known}, seed=seed)


def timings(trained: TrainResult, settings: TrainingSettings, prefix: str = "") -> dict[str, float]:
    """Steps, seconds and images a second of one training, each name with the prefix."""
    steps = settings.steps - trained.started_at if trained.history else 0
    found = {
        "steps": float(settings.steps if trained.history else 0),
        "train_seconds": trained.seconds,
        "resumed_at": float(trained.started_at),
    }
    if steps:
        found["seconds_per_step"] = trained.seconds / steps
        found["images_per_second"] = steps * settings.batch_size / trained.seconds
    return {prefix + name: value for name, value in found.items()}


def build_learner(
    target: str, args: Mapping[str, Any], offered: Mapping[str, Callable[[], Any]], *, seed: int
) -> Learner:
    """The learner `target` with its `args` and what it names of `offered`.

    Only what is named is made. All of it, and what the builder draws itself, comes from a seed of its own.
    Raises `ValueError` for an unknown target.
    """
    builder = find_builder(target)
    names = inspect.signature(builder).parameters
    runtime.seed_all(runtime.derive_seed(seed, "heads"))
    given = {name: make() for name, make in offered.items() if name in names}
    return builder(**given, **group_options(builder, args))


@dataclass
class Trainings:
    """The trainings of one run: each has a name, and with it a seed, a checkpoint folder and an owner of its own.

    `counted`: those whose progress `on_step` hears, in their order, with their steps. `timings` fills up.
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
        """Progress of one training as progress of the whole run; None where nobody listens or it is not counted."""
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
