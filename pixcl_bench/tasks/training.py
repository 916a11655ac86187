"""What tasks share around the training loop: its configuration from their settings, and what a training took."""

from dataclasses import fields

from pixcl_bench.tasks.settings import TrainingSettings
from pixcl_bench.train import TrainConfig, TrainResult


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
