"""What the settings of the tasks share: the fields of training, their ranges, and the defaults of
each."""

from dataclasses import fields

import pytest
from pydantic import BaseModel, ValidationError

from pixcl_bench.tasks import settings
from pixcl_bench.train import TrainConfig

TASKS: dict[str, type[BaseModel]] = {
    "image_ssl": settings.ImageSSLSettings,
    "semi_seg": settings.SemiSegSettings,
    "landmarks": settings.LandmarksSettings,
    "dense_transfer": settings.DenseTransferSettings,
    "shape_guided": settings.ShapeGuidedSettings,
    "retrieval": settings.RetrievalSettings,
}
SCHEDULES = {"schedule", "power", "drop_every", "decay_all", "nesterov"}
WRONG = [
    ({"steps": -1}, "steps", "greater than or equal to 0"),
    ({"batch_size": 1}, "batch_size", "greater than or equal to 2"),
    ({"lr": 0.0}, "lr", "greater than 0"),
    ({"min_lr": -0.1}, "min_lr", "greater than or equal to 0"),
    ({"warmup": 1.5}, "warmup", "less than or equal to 1"),
    ({"momentum": 2.0}, "momentum", "less than or equal to 1"),
    ({"clip_grad": 0.0}, "clip_grad", "greater than 0"),
    ({"optimizer": "adam"}, "optimizer", "'adamw', 'sgd' or 'lars'"),
    ({"precision": "fp16"}, "precision", "'fp32' or 'bf16'"),
    ({"steps": 1.5}, "steps", "valid integer"),
    ({"learning_rate": 0.1}, "learning_rate", "Extra inputs are not permitted"),
]
DEFAULTS = {
    "image_ssl": (128, 100, "adamw", 1e-3, 0.1, 0.05),
    "semi_seg": (24, 30000, "sgd", 0.01, 0.0, 1e-4),
    "landmarks": (8, 7200, "adamw", 1e-4, 0.0, 1e-4),
    "dense_transfer": (32, 100, "adamw", 2e-3, 0.1, 1e-4),
    "shape_guided": (32, 100, "adamw", 2e-3, 0.1, 1e-4),
    "retrieval": (32, 100, "adamw", 1e-3, 0.1, 1e-3),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("change", "key", "words"), WRONG, ids=[str(change) for change, _, _ in WRONG]
)
def test_wrong_training_is_refused_by_every_task(
    task: str, change: dict[str, object], key: str, words: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        TASKS[task].model_validate(change)
    (error,) = caught.value.errors()
    assert error["loc"] == (key,)
    assert words in error["msg"]


@pytest.mark.parametrize("task", TASKS)
def test_defaults_of_a_task_are_its_own(task: str) -> None:
    names = ("batch_size", "steps", "optimizer", "lr", "warmup", "weight_decay")
    found = TASKS[task]()
    assert tuple(getattr(found, name) for name in names) == DEFAULTS[task]


def test_two_tasks_have_no_choice_of_schedule() -> None:
    for task, model in TASKS.items():
        assert SCHEDULES & set(model.model_fields) == (
            set() if task in ("image_ssl", "retrieval") else SCHEDULES
        ), task
    with pytest.raises(ValidationError, match="schedule"):
        settings.ImageSSLSettings.model_validate({"schedule": "poly"})


def test_the_training_loop_knows_every_field_of_training() -> None:
    known = {field.name for field in fields(TrainConfig)}
    assert set(settings.TrainingSettings.model_fields) - known == {"batch_size"}
    assert known - set(settings.TrainingSettings.model_fields) == {"seed", "weight_decay_end"}


@pytest.mark.parametrize("task", TASKS)
def test_settings_come_back_from_json(task: str) -> None:
    found = TASKS[task]()
    assert TASKS[task].model_validate_json(found.model_dump_json()) == found
