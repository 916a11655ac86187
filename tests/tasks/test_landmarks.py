"""The task landmarks: supports, what a batch holds, errors in millimetres, runs that repeat and
resume."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from stopping import same_weights, stopped_and_resumed
from torch import Tensor

from pixcl_bench import runtime
from pixcl_bench.data.sets.landmarks import LandmarkError, LandmarkSet
from pixcl_bench.methods.contract.localiser import Localiser, Support
from pixcl_bench.tasks import landmarks
from pixcl_bench.tasks.settings import LandmarksSettings

CPU = torch.device("cpu")
NAMES = ("bolt", "ring", "corner")


def toy_images(count: int) -> tuple[Tensor, Tensor]:
    """Smooth texture that is moved as a whole, and three places of it."""
    g = torch.Generator().manual_seed(5)
    world = F.interpolate(torch.rand(1, 1, 24, 24, generator=g), (96, 96), mode="bicubic").clamp(
        0, 1
    )[0, 0]
    places = torch.tensor([[30.0, 40.0], [50.0, 34.0], [44.0, 60.0]])
    moves = torch.randint(0, 32, (count, 2), generator=g)
    moves = moves.clamp(8, 24)
    images = torch.stack([world[y : y + 64, x : x + 64] for y, x in moves.tolist()])
    return (images * 255).to(torch.uint8), places - moves[:, None]


def toy_set(**changes: object) -> LandmarkSet:
    images, points = toy_images(18)
    base: dict[str, object] = {
        "name": "toy",
        "kind": "synthetic",
        "fingerprint": "0" * 64,
        "images": images,
        "points": points,
        "spacing": torch.tensor([[2.0, 0.5]]).expand(18, 2).contiguous(),
        "splits": {
            "train": torch.arange(10),
            "val": torch.arange(10, 12),
            "test": torch.arange(12, 16),
            "test_unseen": torch.arange(16, 18),
        },
        "names": NAMES,
    }
    return LandmarkSet(**(base | changes))  # type: ignore[arg-type]


def toy_settings(**changes: object) -> LandmarksSettings:
    base = {"width": 2, "batch_size": 4, "steps": 3, "lr": 5e-3, "supports": 2, "eval_batch": 3}
    return LandmarksSettings.model_validate_json(json.dumps(base | changes))


class Fixed(Localiser):
    """Answers every image with the same points, moved by `shift`."""

    trains = False

    def __init__(self, points: Tensor) -> None:
        super().__init__()
        self.points = points

    def locate(self, images: Tensor, supports: Sequence[Support]) -> Tensor:
        return self.points.expand(len(supports), len(images), -1, -1)


# Supports


def test_supports_come_from_training_images_and_the_seed() -> None:
    data, settings = toy_set(), toy_settings(supports=4)
    chosen = landmarks.support_images(data, settings, seed=3)
    assert chosen == landmarks.support_images(data, settings, seed=3)
    assert len(set(chosen)) == 4
    assert set(chosen) <= set(range(10))
    assert landmarks.support_images(data, toy_settings(supports=2), seed=3) == chosen[:2], (
        "more supports keep the first ones"
    )
    assert len({tuple(landmarks.support_images(data, settings, seed=s)) for s in range(6)}) > 1


def test_an_image_without_any_landmark_is_no_support() -> None:
    data = toy_set()
    points = data.points.clone()
    points[1:10] = torch.nan
    assert landmarks.support_images(
        replace(data, points=points), toy_settings(supports=1), seed=0
    ) == [0]
    with pytest.raises(ValueError, match="toy has 1 images that can be a support, 2 are asked for"):
        landmarks.support_images(replace(data, points=points), toy_settings(), seed=0)


def test_the_published_template_is_used_where_asked_for() -> None:
    settings = toy_settings(supports=1, support_by="published")
    assert landmarks.support_images(toy_set(templates=(7,)), settings, seed=9) == [7]
    with pytest.raises(ValueError, match="no published template; set support_by: seed"):
        landmarks.support_images(toy_set(), settings, seed=9)


# Batches


def learner_of(
    name: str, settings: LandmarksSettings, args: dict[str, object] | None = None
) -> Localiser:
    return landmarks.make_learner(
        f"pixcl_bench.methods.{name}", args or {}, settings, num_landmarks=3, seed=0
    )


CROSS = {"crop": 32, "anchors": 4, "shared": True, "window": 4}
EVERY_METHOD: dict[str, tuple[str, dict[str, object]]] = {
    "random_init": ("baselines.landmarks.matchers:random_init", {}),
    "mean_position": ("baselines.landmarks.matchers:mean_position", {}),
    "ncc": ("baselines.landmarks.matchers:ncc", {"side": 11}),
    "daisy": ("baselines.landmarks.matchers:daisy", {"radius": 9}),
    "sift": ("baselines.landmarks.matchers:sift", {}),
    "simclr_features": (
        "baselines.landmarks.simclr_features:simclr_features",
        {"crop": 32, "hidden": 16, "out": 8},
    ),
    "ld_untrained": (
        "ld.learner:ld_untrained",
        {"dim": 4, "crop": 32, "center": 5, "match_size": 48},
    ),
    "ld": ("ld.learner:ld", {"dim": 4, "clusters": 3, "grid": 4, "crop": 32, "center": 5}),
    "cc2d": ("igu_aug.cross_patch:cc2d", CROSS),
    "igu_aug": (
        "igu_aug.learner:igu_aug_matcher",
        {**CROSS, "refine": True, "intensity": "paper"},
    ),
    "one_shot_detector": ("igu_aug.detectors:one_shot_detector", {"first": "igu_aug", "crop": 32}),
    "pretrained_detector": ("igu_aug.detectors:pretrained_detector", {"first": "cc2d", "crop": 32}),
    "detector": ("igu_aug.detectors:detector", {}),
}
TRAINED = [
    name
    for name in EVERY_METHOD
    if name not in ("random_init", "mean_position", "ncc", "daisy", "sift", "ld_untrained")
]


@pytest.mark.parametrize("name", TRAINED)
def test_only_learners_that_say_so_see_points(name: str) -> None:
    settings = toy_settings()
    target, args = EVERY_METHOD[name]
    learner = learner_of(target, settings, args)
    batch = next(landmarks.batches(landmarks.Training(toy_set(), learner, CPU), settings, seed=0))
    assert set(batch) == {"image", *learner.batch_keys}
    assert ("points" in batch) <= learner.uses_labels
    assert batch["image"].shape == (4, 1, 64, 64)
    assert batch["image"].dtype == torch.float32
    assert batch["image"].min() >= 0
    assert batch["image"].max() <= 1


def test_methods_share_order_and_initial_weights() -> None:
    settings, data = toy_settings(), toy_set()
    seen = []
    for name in ("cc2d", "ld", "detector"):
        learner = learner_of(EVERY_METHOD[name][0], settings, EVERY_METHOD[name][1])
        training = landmarks.Training(data, learner, CPU)
        stream = landmarks.batches(training, settings, seed=4)
        encoder = learner.network.encoder.state_dict()  # type: ignore[union-attr, operator]
        seen.append(([next(stream)["image"] for _ in range(3)], list(encoder.values())))
        late = landmarks.batches(training, settings, seed=4, start=2)
        assert torch.equal(next(late)["image"], seen[-1][0][2])
    for other in seen[1:]:
        assert all(torch.equal(a, b) for a, b in zip(seen[0][0], other[0], strict=True))
        assert all(torch.equal(a, b) for a, b in zip(seen[0][1], other[1], strict=True))


def test_a_key_that_the_task_does_not_have_is_refused() -> None:
    class Greedy(Fixed):
        batch_keys = ("image", "points")

    with pytest.raises(ValueError, match=r"cannot give \['points'\] to Greedy"):
        landmarks.Training(toy_set(), Greedy(torch.zeros(3, 2)), CPU)


def test_information_is_taken_at_the_films_own_resolution() -> None:
    data = toy_set()
    sizes = []

    class Informed(Fixed):
        batch_keys = ("image", "information")

        def information(self, images: Tensor) -> Tensor:
            sizes.append(tuple(images.shape))
            return images.float()

    def native(i: int) -> np.ndarray:
        return np.full((100, 80), i, np.uint8)

    training = landmarks.Training(replace(data, native=native), Informed(torch.zeros(3, 2)), CPU)
    assert set(sizes) == {(1, 100, 80)}
    assert training.extra["information"].shape == (10, 64, 64)
    assert torch.equal(training.extra["information"][:, 5, 5], torch.arange(10.0))


def test_a_run_with_kept_maps_is_the_same_run(tmp_path: Path) -> None:
    target, args = EVERY_METHOD["igu_aug"]
    runs = [
        landmarks.run_landmarks(
            f"pixcl_bench.methods.{target}",
            args,
            toy_set(),
            toy_settings(),
            seed=0,
            device=CPU,
            cache=cache,
        )
        for cache in (None, tmp_path, tmp_path)
    ]
    assert len([p for p in (tmp_path / "converted").iterdir() if p.is_dir()]) == 1
    for other in runs[1:]:
        assert other.metrics == runs[0].metrics
        assert other.history == runs[0].history
        assert torch.equal(other.predictions, runs[0].predictions)


# Evaluation


def test_errors_are_in_millimetres_of_each_axis() -> None:
    data = toy_set(
        points=torch.tensor([[20.0, 20.0], [30.0, 40.0], [50.0, 10.0]])
        .expand(18, 3, 2)
        .contiguous()
    )
    moved = Fixed(data.points[0] + torch.tensor([3.0, 8.0]))  # 6 mm down, 4 mm to the right
    scores, predicted = landmarks.evaluate(moved, data, toy_settings(), seed=0, device=CPU)
    assert predicted.shape == (2, 4, 3, 2)
    assert scores["mre"] == pytest.approx(52**0.5)
    assert scores["mre_unseen"] == pytest.approx(52**0.5)
    assert scores["mre_first"] == pytest.approx(52**0.5)
    assert scores["sdr4"] == 0.0


def test_a_landmark_that_the_support_lacks_is_not_asked_for() -> None:
    data = toy_set()
    points = data.points.clone()
    points[:10, 1] = torch.nan  # no support has the ring
    points[12, 0] = torch.nan
    wrong = Fixed(torch.full((3, 2), torch.nan).index_fill(0, torch.tensor([0, 2]), 5.0))
    scores, _ = landmarks.evaluate(
        wrong, replace(data, points=points), toy_settings(), seed=0, device=CPU
    )
    assert scores["mre_ring"] is None
    assert scores["undefined"] == 0.0


def test_a_missing_prediction_is_the_diagonal_and_counted() -> None:
    nothing = Fixed(torch.full((3, 2), torch.nan))
    scores, _ = landmarks.evaluate(nothing, toy_set(), toy_settings(), seed=0, device=CPU)
    assert scores["undefined"] == 2 * 4 * 3
    assert scores["mre"] == pytest.approx(((64 * 2.0) ** 2 + (64 * 0.5) ** 2) ** 0.5)


def test_pairs_are_matched_with_their_partner() -> None:
    images, points = toy_images(4)
    empty = torch.empty(0, dtype=torch.int64)
    pairs = LandmarkSet(
        "pairs",
        "synthetic",
        "0" * 64,
        images,
        points,
        torch.ones(4, 2),
        {"train": empty, "val": empty, "test": torch.tensor([1, 3])},
        NAMES,
        "px",
        partners=torch.tensor([-1, 0, -1, 2]),
    )
    settings = toy_settings()
    result = landmarks.run_landmarks(
        "pixcl_bench.methods.baselines.landmarks.matchers:ncc",
        {"side": 11},
        pairs,
        settings,
        seed=0,
        device=CPU,
    )
    assert result.metrics["mre"] == 0.0
    assert result.supports == []
    with pytest.raises(ValueError, match="pairs has no training part, only pairs of images"):
        landmarks.run_landmarks(
            "pixcl_bench.methods.igu_aug.cross_patch:cc2d",
            CROSS,
            pairs,
            settings,
            seed=0,
            device=CPU,
        )


def test_a_split_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="eval_split: toy has no split 'tset'"):
        landmarks.evaluate(
            Fixed(torch.zeros(3, 2)), toy_set(), toy_settings(eval_split="tset"), seed=0, device=CPU
        )


def test_points_outside_their_image_are_refused() -> None:
    points = toy_set().points.clone()
    points[4, 2] = torch.tensor([70.0, 3.0])
    with pytest.raises(
        LandmarkError, match=r"image 4 have 'corner' at .*outside its image of 64 x 64"
    ):
        toy_set(points=points)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [({"supports": 0}, "supports"), ({"network": "unet"}, "network"), ({"levels": 9}, "levels")],
)
def test_settings_are_checked(wrong: dict[str, object], where: str) -> None:
    with pytest.raises(ValidationError, match=where):
        toy_settings(**wrong)


# Networks that are not trained


@pytest.mark.parametrize("name", ["random_init", "ld_untrained"])
def test_an_untrained_network_gets_statistics_of_training_images_and_keeps_its_weights(
    name: str,
) -> None:
    settings = toy_settings(batch_size=10, statistics=1)
    target, args = EVERY_METHOD[name]
    learner = learner_of(target, settings, args)
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    landmarks.train(learner, toy_set(), settings, seed=0, device=CPU)
    changed = [k for k, v in learner.state_dict().items() if not torch.equal(v, before[k])]
    assert changed
    assert all(k.endswith(("running_mean", "running_var", "num_batches_tracked")) for k in changed)
    first = next(m for m in learner.modules() if isinstance(m, torch.nn.BatchNorm2d))
    seen: list[Tensor] = []
    first.register_forward_hook(lambda module, given, out: seen.append(given[0]))
    with torch.no_grad():
        learner.eval().describe(toy_set().images[:10, None] / 255)  # type: ignore[operator, union-attr]
    torch.testing.assert_close(first.running_mean, seen[0].mean((0, 2, 3)), rtol=1e-4, atol=1e-5)


def test_statistics_of_others_are_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    none = toy_settings(statistics=0)
    learner = learner_of(EVERY_METHOD["random_init"][0], none)
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    landmarks.train(learner, toy_set(), none, seed=0, device=CPU)
    assert all(torch.equal(v, before[k]) for k, v in learner.state_dict().items())
    called: list[object] = []
    monkeypatch.setattr(landmarks, "measure_statistics", lambda *given, **more: called.append(more))
    trained = toy_settings(steps=1)
    learner = learner_of(EVERY_METHOD["cc2d"][0], trained, CROSS)
    landmarks.train(learner, toy_set(), trained, seed=0, device=CPU)
    assert not called


# Runs


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_every_method_runs_and_repeats(name: str) -> None:
    target, args = EVERY_METHOD[name]
    with runtime.reproducible():
        first, second = (
            landmarks.run_landmarks(
                f"pixcl_bench.methods.{target}", args, toy_set(), toy_settings(), seed=1, device=CPU
            )
            for _ in range(2)
        )
    assert first.metrics == second.metrics
    same_weights(first.learner, second.learner)


@pytest.mark.parametrize("name", ["igu_aug", "ld", "one_shot_detector"])
def test_a_killed_run_goes_on_to_the_same_bits(name: str, tmp_path: Path) -> None:
    target, args = EVERY_METHOD[name]
    settings = toy_settings(steps=8, checkpoint_every=3, eval_split="val")

    def run(folder: Path, on_step: object = None) -> landmarks.RunResult:
        return landmarks.run_landmarks(
            f"pixcl_bench.methods.{target}",
            args,
            toy_set(),
            settings,
            seed=0,
            device=CPU,
            folder=folder,
            owner="k",
            on_step=on_step,  # type: ignore[arg-type]
        )

    (tmp_path / "a").mkdir()
    with runtime.reproducible():
        whole = run(tmp_path / "a")
        again = stopped_and_resumed(run, tmp_path / "b", at=7)
    assert again.timings["resumed_at"] == 6
    assert whole.metrics == again.metrics
    same_weights(whole.learner, again.learner)


@pytest.mark.parametrize("name", ["ncc", "daisy", "sift"])
def test_an_image_matched_with_itself_has_no_error(name: str) -> None:
    target, args = EVERY_METHOD[name]
    learner = learner_of(target, toy_settings(), args)
    support = landmarks.support(toy_set(), 0)
    assert torch.equal(learner.locate(support.image[None], [support])[0, 0], support.points)


def test_a_learner_of_another_task_is_refused() -> None:
    with pytest.raises(TypeError, match="needs a Localiser"):
        learner_of("floors.image_ssl:mean_color", toy_settings())
