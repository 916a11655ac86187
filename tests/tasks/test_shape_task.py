"""The task shape_guided: what it sees, stages, floors and ceiling, resuming, bad input."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from stopping import same_weights, stopped_and_resumed

from pixcl_bench.data.sets.pixels import PixelError, PixelSet
from pixcl_bench.methods.ld import vessel_filters
from pixcl_bench.tasks import shape_guided
from pixcl_bench.tasks.settings import ShapeGuidedSettings
from pixcl_bench.tasks.shape_guided import RunResult

CPU = torch.device("cpu")
GUIDED = "pixcl_bench.methods.ld.shape_guided:shape_guided"
GREEN = "pixcl_bench.methods.ld.vessel_filters:green_threshold"
FRANGI = "pixcl_bench.methods.ld.vessel_filters:frangi"
SUPERVISED = "pixcl_bench.methods.ld.vessel_filters:shape_supervised"
ARGS: dict[str, object] = {"dim": 4, "clusters": 3, "grid": 4, "blocks": 2, "adversary_lr": 1e-3}


def toy_set(channels: int = 3, count: int = 30, side: int = 32) -> PixelSet:
    """Dark lines on a bright ground, in a field that leaves the border out; the prior has lines
    elsewhere."""
    g = torch.Generator().manual_seed(5)
    vessel = torch.zeros(count, side, side, dtype=torch.uint8)
    prior = torch.zeros(8, side, side, dtype=torch.uint8)
    for masks in (vessel, prior):
        for mask in masks:
            y, x = torch.randint(6, side - 8, (2,), generator=g).tolist()
            mask[y : y + 2], mask[:, x] = 1, 1
    field = torch.zeros_like(vessel)
    field[:, 2:-2, 2:-2] = 1
    vessel *= field
    images = (
        170
        + torch.randint(0, 20, (count, channels, side, side), generator=g)
        - 90 * vessel[:, None]
    )
    images = (images * field[:, None]).to(torch.uint8)
    splits = {
        "unlabelled": torch.arange(16),
        "train": torch.arange(16),
        "val": torch.arange(16, 20),
        "test": torch.arange(20, 30),
    }
    palette = torch.tensor([[0, 0, 0], [255, 0, 0]], dtype=torch.uint8)
    extra = {"vessel": vessel, "field": field, "prior": prior}
    statistics = (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)
    return PixelSet(
        "toy",
        "synthetic",
        "0" * 64,
        images,
        vessel,
        splits,
        ("ground", "vessel"),
        palette,
        *statistics,
        background=0,
        extra=extra,
    )


def toy_settings(**changes: Any) -> ShapeGuidedSettings:
    base: dict[str, object] = {
        "batch_size": 4,
        "steps": 3,
        "width": 4,
        "levels": 2,
        "prior_masks": 5,
        "refine": {"batch_size": 4, "steps": 3},
        "eval_batch": 4,
    }
    return ShapeGuidedSettings.model_validate_json(json.dumps(base | changes))


def run(target: str = GUIDED, args: dict[str, object] | None = None, **changes: Any) -> RunResult:
    data, folder, on_step = (changes.pop(name, None) for name in ("data", "folder", "on_step"))
    return shape_guided.run_shape_guided(
        target,
        (ARGS if target == GUIDED else {}) if args is None else args,
        data or toy_set(),
        toy_settings(**changes),
        seed=0,
        device=CPU,
        folder=folder,
        owner="k",
        on_step=on_step,
        progress=False,
    )


# What a run sees


def test_only_some_reference_masks_are_seen_and_the_seed_says_which() -> None:
    data, settings = toy_set(), toy_settings(prior_masks=2)
    chosen = [
        shape_guided.photographs_of(data, settings, seed=s, device=CPU).prior for s in range(6)
    ]
    assert all(tuple(p.shape) == (2, 32, 32) for p in chosen)
    assert torch.equal(
        chosen[0], shape_guided.photographs_of(data, settings, seed=0, device=CPU).prior
    )
    assert any(not torch.equal(chosen[0], p) for p in chosen[1:])
    everything = shape_guided.photographs_of(
        data, toy_settings(prior_masks=None), seed=0, device=CPU
    )
    assert torch.equal(everything.prior, data.extra["prior"])


def test_a_set_without_a_field_is_seen_whole() -> None:
    data = toy_set()
    open_field = replace(data, extra={k: v for k, v in data.extra.items() if k != "field"})
    assert bool(
        shape_guided.photographs_of(open_field, toy_settings(), seed=0, device=CPU).inside.all()
    )


@pytest.mark.parametrize("missing", ["vessel", "prior"])
def test_a_set_without_masks_is_refused(missing: str) -> None:
    data = toy_set()
    poor = replace(data, extra={k: v for k, v in data.extra.items() if k != missing})
    with pytest.raises(PixelError, match=rf"toy: .* needs maps '{missing}'; the set has .*field"):
        run(data=poor)


def test_what_cannot_be_run_is_refused() -> None:
    with pytest.raises(ValueError, match="no split 'tset'"):
        run(eval_split="tset")
    with pytest.raises(PixelError, match=r"8 reference masks .* 9 are wanted"):
        run(prior_masks=9)
    data = toy_set()
    blank = replace(data, extra={**data.extra, "prior": torch.zeros(3, 32, 32, dtype=torch.uint8)})
    with pytest.raises(PixelError, match="0 not empty"):
        run(data=blank, prior_masks=None)
    few = replace(data, extra={**data.extra, "vessel": data.extra["vessel"][:7]})
    with pytest.raises(PixelError, match="one for each image"):
        run(data=few)
    with pytest.raises(TypeError, match="takes a ShapeGuided"):
        run("pixcl_bench.methods.floors.image_ssl:mean_color", {})
    with pytest.raises(ValueError, match="take blocks="):
        run(args=ARGS | {"blocks": 5})


@pytest.mark.parametrize(
    "changes",
    [{"batch_size": 3}, {"threshold": 1.0}, {"levels": 6}, {"shape_threshold": 1.0}, {"lrr": 1.0}],
)
def test_settings_are_checked(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        toy_settings(**changes)


# First stage


def test_batches_are_unlabelled_photographs_and_shapes_as_large_as_the_views() -> None:
    data, settings = toy_set(1), toy_settings(shapes_per_image=3)
    marked = replace(
        data,
        images=torch.arange(30, dtype=torch.uint8)
        .view(-1, 1, 1, 1)
        .expand(30, 1, 32, 32)
        .contiguous(),
    )
    photos = shape_guided.photographs_of(marked, settings, seed=0, device=CPU)
    learner = shape_guided.make_learner(GUIDED, ARGS | {"crop": 24}, settings, data, seed=0)
    assert isinstance(learner, shape_guided.ShapeGuided)
    stream = shape_guided.guided_batches(photos, learner, settings, seed=0)
    found = [next(stream) for _ in range(4)]
    seen = [round(255 * float(v)) for b in found for v in b["pixels"][:, 0, 0, 0]]
    assert sorted(seen) == list(range(16))
    assert tuple(found[0]["pixels"].shape) == (4, 3, 32, 32)
    assert tuple(found[0]["shapes"].shape) == (12, 1, 24, 24)
    late = next(shape_guided.guided_batches(photos, learner, settings, seed=0, start=2))
    assert torch.equal(late["pixels"], found[2]["pixels"])


def test_a_higher_threshold_makes_thinner_shapes() -> None:
    data = toy_set()
    shares = []
    for threshold in (0.1, 0.8):
        settings = toy_settings(shape_threshold=threshold)
        photos = shape_guided.photographs_of(data, settings, seed=0, device=CPU)
        learner = shape_guided.make_learner(GUIDED, ARGS, settings, data, seed=0)
        assert isinstance(learner, shape_guided.ShapeGuided)
        torch.manual_seed(0)
        batch = next(shape_guided.guided_batches(photos, learner, settings, seed=0))
        shares.append(float(batch["shapes"].mean()))
    assert shares[1] < 0.8 * shares[0]


def test_all_methods_start_from_the_same_network() -> None:
    data, settings = toy_set(), toy_settings()
    with_prior = shape_guided.make_learner(GUIDED, ARGS, settings, data, seed=1).state_dict()
    for target, args in ((GUIDED, ARGS | {"adversary": False}), (SUPERVISED, {})):
        other = shape_guided.make_learner(target, args, settings, data, seed=1).state_dict()
        shared = [k for k in other if k.startswith("network.")]
        assert shared
        assert all(torch.equal(other[k], with_prior[k]) for k in shared)
    again = shape_guided.make_learner(GUIDED, ARGS, settings, data, seed=2).state_dict()
    assert not torch.equal(
        again["network.encoder.stages.0.0.0.weight"],
        with_prior["network.encoder.stages.0.0.0.weight"],
    )


def test_windows_of_masks_as_large_as_the_views() -> None:
    data, settings = toy_set(), toy_settings(shapes_side=32)
    photos = shape_guided.photographs_of(data, settings, seed=0, device=CPU)
    learner = shape_guided.make_learner(GUIDED, ARGS | {"crop": 24}, settings, data, seed=0)
    assert isinstance(learner, shape_guided.ShapeGuided)
    batch = next(shape_guided.guided_batches(photos, learner, settings, seed=0))
    assert tuple(batch["shapes"].shape) == (8, 1, 24, 24)
    with pytest.raises(ValueError, match="smaller than the views of 24"):
        run(args=ARGS | {"crop": 24}, shapes_side=20)


# Whole runs

NAMES = {f"{kind}_{stage}" for kind in ("dice", "share") for stage in shape_guided.STAGES}


def test_a_run_answers_three_times_and_repeats() -> None:
    steps: list[tuple[int, int]] = []
    one = run(on_step=lambda done, total: steps.append((done, total)))
    two = run()
    assert set(one.metrics) == NAMES | {"undefined", "dice_best_cluster_oracle", "share_labelled"}
    assert one.metrics == two.metrics
    assert one.history == two.history
    assert steps == [(k, 6) for k in range(1, 7)]
    assert {"fool", "tell", "pd"} <= {k for row in one.history for k in row}
    assert {"refine_loss", "refine_bce"} <= set(one.history[-1])
    assert set(one.predictions) == set(shape_guided.STAGES)
    for stage, answer in one.predictions.items():
        assert torch.equal(answer, two.predictions[stage])
        assert tuple(answer.shape) == (10, 32, 32)
        assert bool((answer[toy_set().extra["field"][20:] == 0] == 0).all())
    assert {"train_seconds", "refine_train_seconds", "eval_seconds", "steps"} <= set(one.timings)
    assert min(one.timings.values()) >= 0


def test_without_the_prior_nothing_of_the_adversary_is_logged() -> None:
    found = run(args=ARGS | {"adversary": False, "stage_a": 0.0})
    assert not {"fool", "tell"} & {k for row in found.history for k in row}
    assert found.metrics["dice_best_cluster_oracle"] is not None


def test_an_encoder_of_maps_can_be_the_network() -> None:
    found = run(network="resnet_nano", steps=1, refine={"batch_size": 4, "steps": 1})
    assert found.metrics["dice_refined"] is not None
    with pytest.raises(ValueError, match="unknown encoder 'resnet_nona'"):
        run(network="resnet_nona")


def test_no_steps_leave_the_weights_as_drawn() -> None:
    none: dict[str, Any] = {"batch_size": 4, "steps": 0}
    found, data = run(steps=0, refine=none), toy_set()
    drawn = shape_guided.make_learner(GUIDED, ARGS, toy_settings(), data, seed=0).state_dict()
    assert all(torch.equal(v, drawn[k]) for k, v in found.learner.state_dict().items())
    assert found.history == []


@pytest.mark.parametrize("at", [3, 6])
def test_a_stopped_run_is_resumed_to_the_same_bits(at: int, tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "steps": 4,
        "checkpoint_every": 2,
        "refine": {"batch_size": 4, "steps": 4, "checkpoint_every": 1},
    }
    whole = run(**changes)
    resumed = stopped_and_resumed(
        lambda folder, on_step: run(folder=folder, on_step=on_step, **changes), tmp_path, at
    )
    assert resumed.timings["resumed_at"] == 2
    assert resumed.timings["refine_resumed_at"] == (0 if at == 3 else 2)
    assert resumed.metrics == whole.metrics
    assert resumed.refiner is not None
    assert whole.refiner is not None
    same_weights(whole.learner, resumed.learner)
    same_weights(whole.refiner, resumed.refiner)


# Scores


def test_dice_is_the_mean_over_photographs_and_empty_ones_are_counted() -> None:
    data = toy_set()
    vessel = data.extra["vessel"].clone()
    vessel[20] = 0
    photos = shape_guided.photographs_of(
        replace(data, extra={**data.extra, "vessel": vessel}), toy_settings(), seed=0, device=CPU
    )
    truth = photos.vessels[20:].float()
    half = truth.clone()
    half[1] = 0
    assert shape_guided.score(truth, photos, toy_settings())[:2] == (1.0, 1.0)
    dice, undefined, _ = shape_guided.score(half, photos, toy_settings())
    assert dice == pytest.approx(8 / 9)
    assert undefined == 1.0
    half[0, 5, 5] = 1
    assert shape_guided.score(half, photos, toy_settings())[:2] == (pytest.approx(0.8), 0.0)
    assert shape_guided.score(0.4 * truth, photos, toy_settings(threshold=0.3))[0] == 1.0


def test_floors_and_ceiling_have_one_answer_for_all_stages() -> None:
    for target in (GREEN, FRANGI, SUPERVISED):
        found = run(target).metrics
        assert len({found[f"dice_{stage}"] for stage in shape_guided.STAGES}) == 1
        assert found["dice_best_cluster_oracle"] is None
    assert float(run(GREEN).metrics["dice_refined"] or 0) > 0.95
    assert float(run(FRANGI, prior_masks=None).metrics["dice_refined"] or 0) > 0.5


def test_the_ceiling_learns_from_true_masks() -> None:
    longer = {"batch_size": 8, "steps": 40, "lr": 1e-2}
    found = run(SUPERVISED, refine=longer)
    assert float(found.metrics["dice_refined"] or 0) > 0.7
    assert found.learner is found.refiner
    assert found.learner.labels == "all"


# Filters


def test_filters_look_inside_the_field_only() -> None:
    data = toy_set()
    images = data.images.clone()
    images[:, :, :2] = 40
    for build in (vessel_filters.green_threshold, vessel_filters.frangi):
        floor = build()
        floor.fit_prior(data.extra["prior"])
        one = floor.vessels(data.images[:4], data.extra["field"][:4])
        assert torch.equal(one, floor.vessels(images[:4], data.extra["field"][:4]))
        assert float(one[data.extra["field"][:4] == 0].sum()) == 0
        assert float(floor.vessels(images[:1], 0 * data.extra["field"][:1]).sum()) == 0


def test_a_grey_photograph_is_its_own_green() -> None:
    grey = toy_set(1)
    floor = vessel_filters.green_threshold()
    one = floor.vessels(grey.images[:2], grey.extra["field"][:2])
    assert torch.equal(
        one,
        floor.vessels(grey.images[:2].expand(-1, 3, -1, -1).contiguous(), grey.extra["field"][:2]),
    )
