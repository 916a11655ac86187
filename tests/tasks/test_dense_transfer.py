"""The task dense_transfer: batches, statistics, label budgets, stages, floors, runs that repeat."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from stopping import stopped_and_resumed
from torch import Tensor

from pixcl_bench import runtime
from pixcl_bench.data.sets.pixels import IGNORE, PixelError, PixelSet, labelled_subset
from pixcl_bench.methods.floors.image_ssl import random_init
from pixcl_bench.tasks import dense_transfer, fine_tuning
from pixcl_bench.tasks.settings import (
    DenseTransferSettings,
    ImageSSLSettings,
    SampleSettings,
    TrainingSettings,
)
from pixcl_bench.tasks.training import OnStep, Trainings, train_config
from pixcl_bench.train import TrainConfig

CPU = torch.device("cpu")
RANDOM = "pixcl_bench.methods.floors.image_ssl:random_init"


def toy_images(count: int = 40, side: int = 32) -> tuple[Tensor, Tensor]:
    """Coloured squares on a dark ground; the mask is the square's class, some pixels are
    unknown."""
    g = torch.Generator().manual_seed(3)
    images = torch.randint(0, 60, (count, 3, side, side), generator=g)
    masks = torch.zeros(count, side, side, dtype=torch.uint8)
    for i in range(count):
        y, x = torch.randint(0, side - 12, (2,), generator=g).tolist()
        kind = i % 2
        images[i, kind, y : y + 12, x : x + 12] += 150
        masks[i, y : y + 12, x : x + 12] = 1 + kind
    masks[:, 0] = IGNORE
    return images.to(torch.uint8), masks


def toy_set(channels: int = 3, background: int | None = 0) -> PixelSet:
    images, masks = toy_images()
    splits = {
        "unlabelled": torch.arange(24),
        "train": torch.arange(20),
        "val": torch.arange(24, 30),
        "test": torch.arange(30, 40),
    }
    palette = torch.tensor([[0, 0, 0], [255, 0, 0], [0, 255, 0]], dtype=torch.uint8)
    return PixelSet(
        "toy",
        "synthetic",
        "0" * 64,
        images[:, :channels].contiguous(),
        masks,
        splits,
        ("ground", "red one", "green"),
        palette,
        (0.2, 0.2, 0.2),
        (0.2, 0.2, 0.2),
        background=background,
    )


SHORT = {"batch_size": 4, "steps": 2}


def toy_settings(**changes: object) -> DenseTransferSettings:
    base: dict[str, object] = {
        **SHORT,
        "view_size": 16,
        "network_width": 4,
        "decoder_width": 8,
        "atrous_rates": [1, 2, 3],
        "labels": 0.2,
        "probe_labels": [0.2],
        "statistics": 2,
        "probe": SHORT,
        "frozen": SHORT,
        "tuned": SHORT,
        "eval_batch": 4,
    }
    return DenseTransferSettings.model_validate_json(json.dumps(base | changes))


def run(
    target: str = RANDOM,
    args: dict[str, object] | None = None,
    data: PixelSet | None = None,
    **changes: Any,
) -> dense_transfer.RunResult:
    folder, on_step = (changes.pop(name, None) for name in ("folder", "on_step"))
    settings = toy_settings(**changes)
    return dense_transfer.run_dense_transfer(
        target,
        args or {},
        data or toy_set(),
        settings,
        seed=0,
        device=CPU,
        progress=False,
        folder=folder,
        owner="k",
        on_step=on_step,
    )


# Crops of labelled images


def test_a_crop_moves_image_and_mask_together() -> None:
    torch.manual_seed(0)
    masks = torch.randint(0, 3, (6, 32, 32), dtype=torch.uint8)
    masks = masks.repeat_interleave(4, 1)[:, :32].repeat_interleave(4, 2)[:, :, :32]
    images = masks[:, None].float().expand(-1, 3, -1, -1) / 2
    options = SampleSettings(scale=(0.5, 2.0), rotation=30.0, flip_vertical=0.5)
    cut, classes = fine_tuning.sample(images, masks, options, num_classes=3, fill=torch.zeros(3))
    inside = classes >= 0
    flat = torch.nn.functional.max_pool2d(cut[:, :1], 3, 1, 1) == -torch.nn.functional.max_pool2d(
        -cut[:, :1], 3, 1, 1
    )
    sure = inside & flat[:, 0]
    assert sure.float().mean() > 0.1
    assert torch.equal((cut[:, 0][sure] * 2).round().long(), classes[sure])


def test_what_lies_outside_is_the_mean_colour_and_unknown() -> None:
    torch.manual_seed(0)
    images, masks = torch.ones(2, 3, 32, 32), torch.ones(2, 32, 32, dtype=torch.uint8)
    fill = torch.tensor([0.1, 0.2, 0.3])
    cut, classes = fine_tuning.sample(
        images, masks, SampleSettings(scale=(0.5, 0.5)), num_classes=2, fill=fill
    )
    assert torch.equal(classes[:, 0], torch.full((2, 32), -1))
    torch.testing.assert_close(cut[:, :, 0], fill[None, :, None].expand(2, 3, 32))
    assert bool((classes[:, 8:24, 8:24] == 1).all())


def test_ignored_pixels_stay_ignored() -> None:
    masks = torch.full((1, 8, 8), IGNORE, dtype=torch.uint8)
    places = fine_tuning.placements(1, 8, SampleSettings(flip=0.0))
    assert bool((fine_tuning.cut_masks(masks, places, 8) == -1).all())


def test_uniform_crops_are_avoided_where_others_can_be_had() -> None:
    torch.manual_seed(1)
    masks = torch.zeros(64, 64, 64, dtype=torch.uint8)
    masks[:, 24:40] = 1
    free, held = (SampleSettings(crop=16, max_ratio=ratio) for ratio in (1.0, 0.75))
    shares = [
        (
            fine_tuning.dominant(
                fine_tuning.cut_masks(masks, fine_tuning.varied_places(masks, o, 2), 16), 2
            )
            > 0.8
        )
        .float()
        .mean()
        for o in (free, held)
    ]
    assert shares[1] < 0.5 * shares[0]


def test_a_batch_larger_than_the_budget_repeats_images_with_crops_of_their_own() -> None:
    data = toy_set()
    few = fine_tuning.labelled_images(data, torch.tensor([0, 1, 2]), CPU)
    batch = next(few.batches(SampleSettings(crop=16), 8, seed=0))
    assert tuple(batch["pixels"].shape) == (8, 3, 16, 16)
    assert len({tuple(row.flatten().tolist()) for row in batch["pixels"]}) == 8


# Batches of the first part


def test_methods_of_a_comparison_start_from_the_same_encoder() -> None:
    data, settings = toy_set(), toy_settings()
    one = dense_transfer.make_learner(RANDOM, {}, settings, data, seed=1)
    two = dense_transfer.make_learner(
        "pixcl_bench.methods.ld.transfer:ld_dense", LD, settings, data, seed=1
    )
    other = dense_transfer.make_learner(RANDOM, {}, settings, data, seed=2)
    for key, value in one.encoder.state_dict().items():
        assert torch.equal(value, two.encoder.state_dict()[key]), key
    assert any(
        not torch.equal(v, other.encoder.state_dict()[k])
        for k, v in one.encoder.state_dict().items()
    )


@pytest.mark.parametrize("channels", [3, 1])
def test_batches_hold_what_the_learner_asks_for(channels: int) -> None:
    data, settings = toy_set(channels), toy_settings()
    built = dense_transfer.make_learner(
        "pixcl_bench.methods.baselines.image_ssl.simclr:simclr",
        {"hidden": 8, "out": 4},
        settings,
        data,
        seed=0,
    )
    source = dense_transfer.Unlabelled(data, built.learner, settings, CPU)
    batch = next(dense_transfer.batches(source, settings, seed=0))
    assert set(batch) == {"view1", "view2"}
    for view in batch.values():
        assert tuple(view.shape) == (4, 3, 16, 16)
        assert view.min() >= 0
        assert view.max() <= 1
    built.learner.batch_keys = ("pixels", "image", "matrix1", "view1")  # type: ignore[misc]
    batch = next(
        dense_transfer.batches(
            dense_transfer.Unlabelled(data, built.learner, settings, CPU), settings, seed=0
        )
    )
    assert [tuple(batch[k].shape) for k in ("pixels", "image", "matrix1")] == [
        (4, 3, 32, 32),
        (4, 1, 32, 32),
        (4, 3, 3),
    ]
    weights = torch.tensor(dense_transfer.GREY)[:, None, None]
    torch.testing.assert_close(batch["image"][:, 0], (batch["pixels"] * weights).sum(1))


def test_only_unlabelled_images_are_shown_and_the_order_is_the_seeds() -> None:
    data, settings = toy_set(), toy_settings()
    marked = replace(
        data,
        images=torch.arange(40, dtype=torch.uint8)
        .view(-1, 1, 1, 1)
        .expand(40, 3, 32, 32)
        .contiguous(),
    )
    learner = random_init(encoder=torch.nn.Identity())
    learner.batch_keys = ("pixels",)  # type: ignore[misc]
    source = dense_transfer.Unlabelled(marked, learner, settings, CPU)

    def shown(start: int, steps: int) -> list[int]:
        stream = dense_transfer.batches(source, settings, seed=4, start=start)
        return [
            round(255 * float(v)) for _ in range(steps) for v in next(stream)["pixels"][:, 0, 0, 0]
        ]

    seen = shown(0, 6)
    assert sorted(seen) == list(range(24))
    assert shown(3, 3) == seen[12:]


def test_an_entry_that_the_task_cannot_give_is_told() -> None:
    learner = random_init(encoder=torch.nn.Identity())
    learner.batch_keys = ("label",)  # type: ignore[misc]
    source = dense_transfer.Unlabelled(toy_set(), learner, toy_settings(), CPU)
    with pytest.raises(ValueError, match="cannot give \\['label'\\]"):
        source.batch(torch.arange(2))


# Statistics, stages and probes


def test_statistics_are_means_over_unlabelled_images_and_weights_stay() -> None:
    data, settings = toy_set(), toy_settings(batch_size=24, statistics=1)
    encoder = dense_transfer.make_learner(RANDOM, {}, settings, data, seed=0).encoder
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    dense_transfer.measure_statistics(encoder, data, settings, seed=0, device=CPU)
    first = next(m for m in encoder.modules() if isinstance(m, torch.nn.BatchNorm2d))
    seen: list[Tensor] = []
    first.register_forward_hook(lambda module, given, out: seen.append(given[0]))
    encoder.eval()(data.images[:24].float() / 255)
    torch.testing.assert_close(first.running_mean, seen[0].mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    changed = [k for k, v in encoder.state_dict().items() if not torch.equal(v, before[k])]
    assert changed
    assert all(k.endswith(("running_mean", "running_var", "num_batches_tracked")) for k in changed)
    assert first.momentum == 0.1


def test_the_frozen_stage_leaves_the_encoder_bit_for_bit() -> None:
    data, settings = toy_set(), toy_settings(tuned={"batch_size": 4, "steps": 0})
    encoder = dense_transfer.make_learner(RANDOM, {}, settings, data, seed=0).encoder
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    work = dense_transfer.Downstream(data, settings, Trainings(0, CPU, progress=False))
    scores, network, history = dense_transfer.transfer_stages(work, encoder, 0.2)
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())
    assert scores["miou"] == scores["miou_frozen"]
    assert {"loss_frozen"} < set(history[0])
    assert all(p.requires_grad for p in network.parameters())


def test_probes_of_several_budgets_are_named_by_their_percent() -> None:
    result = run(probe_labels=[0.05, 0.125, 1.0])
    assert {"miou_linear_5", "miou_linear_12_5", "miou_linear_100", "dice_linear_5"} <= set(
        result.metrics
    )


def test_dice_only_where_there_is_a_background() -> None:
    assert "dice" not in run(data=toy_set(background=None)).metrics
    found = run().metrics
    assert {"dice", "dice_frozen", "dice_red_one", "iou_ground", "oa_frozen", "kappa"} <= set(found)


def test_the_transfer_learns_and_beats_no_training() -> None:
    longer = {"batch_size": 8, "steps": 40, "lr": 1e-2}
    poor, good = (
        run(frozen=SHORT, tuned=SHORT),
        run(labels=1.0, frozen=longer, tuned=longer, probe_labels=[]),
    )
    assert float(good.metrics["miou"] or 0) > 0.5 > float(poor.metrics["miou"] or 0)


# Whole runs

LD = {"dim": 4, "clusters": 3, "grid": 4, "crop": 16}
EVERY: dict[str, tuple[str, dict[str, object]]] = {
    "simclr": ("baselines.image_ssl.simclr:simclr", {"hidden": 8, "out": 4}),
    "moco_v2": (
        "baselines.image_ssl.moco_v2:moco_v2",
        {"hidden": 8, "out": 4, "queue": 8, "momentum": 0.9, "distinct": True},
    ),
    "byol": ("baselines.image_ssl.byol:byol", {"hidden": 8, "out": 4, "momentum": 0.9}),
    "patchmix": ("patchmix:patchmix", {"patch": 8, "hidden": 8, "out": 4, "drop_path": 0.0}),
    "pixcontrast": ("baselines.dense_transfer.pixpro:pixcontrast", {"dim": 4, "hidden": 8}),
    "pixpro": ("baselines.dense_transfer.pixpro:pixpro", {"dim": 4, "hidden": 8}),
    "grass": ("grass.learner:grass", {"hidden": 8, "out": 4, "warmup": 0.5}),
    "ld": ("ld.transfer:ld_dense", LD),
    "ld_patch_only": ("ld.transfer:ld_dense", LD | {"regions": False}),
    "igu_aug": (
        "igu_aug.learner:igu_aug",
        {
            "shared": True,
            "context": False,
            "crop": 16,
            "anchors": 4,
            "radius": 3,
            "thresholds": None,
            "intensity": "paper",
            "levels": 4,
            "window": 4,
        },
    ),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_pretraining_moves_the_encoder_that_is_transferred(name: str) -> None:
    target, args = f"pixcl_bench.methods.{EVERY[name][0]}", EVERY[name][1]
    data, settings = toy_set(), toy_settings()
    built = dense_transfer.make_learner(target, args, settings, data, seed=0)
    before = {k: v.clone() for k, v in built.encoder.named_parameters()}
    trained = dense_transfer.pretrain(built, data, settings, seed=0, device=CPU, progress=False)
    assert len(trained.history) == 2
    moved = [k for k, v in built.encoder.named_parameters() if not torch.equal(v, before[k])]
    assert len(moved) > 0.8 * len(before), f"only {moved} moved"


def test_the_same_run_twice_gives_the_same_bits() -> None:
    target, args = "pixcl_bench.methods.grass.learner:grass", {"hidden": 8, "out": 4, "warmup": 0.5}
    one, two = (run(target, args) for _ in range(2))
    assert one.metrics == two.metrics
    assert torch.equal(one.predictions, two.predictions)
    assert one.history == two.history


@pytest.mark.parametrize("at", [3, 5, 7])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path, at: int) -> None:
    target, args = (
        "pixcl_bench.methods.baselines.image_ssl.byol:byol",
        {"hidden": 8, "out": 4, "momentum": 0.9},
    )
    stage = {"batch_size": 4, "steps": 3, "checkpoint_every": 1}
    steps: list[tuple[int, int]] = []

    def go(folder: Path | None, on_step: OnStep) -> dense_transfer.RunResult:
        return run(
            target,
            args,
            folder=folder,
            on_step=on_step,
            steps=3,
            checkpoint_every=1,
            frozen=stage,
            tuned=stage,
        )

    whole = go(None, lambda done, total: steps.append((done, total)))
    assert steps == [(k, 9) for k in range(1, 10)]
    again = stopped_and_resumed(go, tmp_path, at)
    assert again.metrics == whole.metrics
    assert torch.equal(again.predictions, whole.predictions)


def test_a_floor_without_a_network_sees_the_same_labels() -> None:
    forest = run(
        "pixcl_bench.methods.floors.dense_transfer:pixel_forest",
        {"trees": 5, "window": 3, "pixels": 500},
    )
    network = run()
    assert forest.labelled == network.labelled
    assert len(forest.labelled) == 4
    assert forest.network is None
    assert forest.metrics["miou"] == forest.metrics["miou_frozen"]
    whole = run(
        "pixcl_bench.methods.floors.dense_transfer:pixel_forest",
        {"trees": 5, "window": 3, "pixels": 500, "labels": "all"},
    )
    assert len(whole.labelled) == 20


def test_a_floor_takes_grey_images_too() -> None:
    target, args = (
        "pixcl_bench.methods.floors.dense_transfer:pixel_forest",
        {"trees": 3, "window": 3, "pixels": 300},
    )
    assert run(target, args, data=toy_set(1)).metrics["miou"] is not None


def test_the_ceiling_gets_all_labels() -> None:
    assert len(run("pixcl_bench.methods.floors.dense_transfer:full_labels").labelled) == 20


# Bad input


def test_an_empty_label_budget_says_which_would_do() -> None:
    with pytest.raises(PixelError, match=r"label budget 0\.01 is empty.*0\.05"):
        run(labels=0.01)


def rare_set() -> PixelSet:
    """`toy_set` in which one training image shows the class green."""
    data = toy_set()
    masks = data.masks.clone()
    masks[masks == 2] = 1
    masks[13, 4:9, 4:9] = 2
    return replace(data, masks=masks)


@pytest.mark.parametrize(
    "target", [RANDOM, "pixcl_bench.methods.floors.dense_transfer:pixel_forest"]
)
def test_the_rule_of_the_settings_draws_the_labelled_images(target: str) -> None:
    data, args = rare_set(), {} if target == RANDOM else {"trees": 3, "window": 3, "pixels": 300}
    plain, fair = (
        run(target, args, data, label_rule=rule).labelled for rule in ("uniform", "stratified")
    )
    assert plain == run(target, args, data).labelled == labelled_subset(data, 0.2, seed=0).tolist()
    assert fair == labelled_subset(data, 0.2, seed=0, rule="stratified").tolist()
    assert (13 in plain, 13 in fair) == (False, True)


def test_every_stage_is_trained_with_the_images_of_the_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[str, list[int]]] = []
    usual = dense_transfer.train_stage

    def spy(
        trainings: Trainings, name: str, learner: Any, labelled: Any, options: Any, config: Any
    ) -> Any:
        seen.append((name, sorted(int(image[0, 0, 0]) for image in labelled.images)))
        return usual(trainings, name, learner, labelled, options, config)

    data = rare_set()
    images = data.images.clone()
    # every image tells its number
    images[:, :, 0, 0] = torch.arange(40, dtype=torch.uint8)[:, None]
    data = replace(data, images=images)
    monkeypatch.setattr(dense_transfer, "train_stage", spy)
    run(data=data, label_rule="stratified", probe_labels=[0.1, 1.0])
    drawn = {
        part: labelled_subset(data, part, seed=0, rule="stratified").sort().values.tolist()
        for part in (0.1, 0.2, 1.0)
    }
    assert dict(seen) == {
        "linear_10": drawn[0.1],
        "linear_100": drawn[1.0],
        "frozen": drawn[0.2],
        "tuned": drawn[0.2],
    }
    assert all(13 in images for images in drawn.values())


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(
        ValueError,
        match="toy has no split 'tset'; it has \\['unlabelled', 'train', 'val', 'test'\\]",
    ):
        run(eval_split="tset")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frozen": {"steps": 0}, "tuned": {"steps": 0}}, "one of the two must be above 0"),
        ({"probe_labels": [0.1, 0.1]}, "every part stands once"),
        ({"labels": 0}, "greater than 0"),
        ({"sample": {"scale": [2.0, 1.0]}}, "lower bound 2.0 is above"),
        ({"decoder": "linear"}, "deeplabv3plus"),
        ({"label_rule": "stratify"}, "'uniform' or 'stratified'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        toy_settings(**changes)


def test_training_settings_reach_the_loop() -> None:
    config = train_config(
        TrainingSettings(steps=7, lr=0.5, optimizer="sgd", decay_all=True), seed=3
    )
    assert (config.steps, config.lr, config.optimizer, config.decay_all, config.seed) == (
        7,
        0.5,
        "sgd",
        True,
        3,
    )


def test_what_settings_lack_keeps_the_loops_default() -> None:
    config = train_config(ImageSSLSettings(steps=7, weight_decay_end=0.2), seed=3)
    assert config == TrainConfig(steps=7, weight_decay_end=0.2, seed=3)


def test_labelled_images_are_drawn_once_for_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    data, drawn = toy_set(), []

    def counted(*words: Any, **named: Any) -> Tensor:
        drawn.append(words[1])
        return labelled_subset(*words, **named)

    monkeypatch.setattr(dense_transfer, "labelled_subset", counted)
    settings = toy_settings(labels=0.2, probe_labels=[0.2, 0.5, 1.0])
    found = dense_transfer.run_dense_transfer(RANDOM, {}, data, settings, seed=0, device=CPU)
    assert sorted(drawn) == [0.2, 0.5, 1.0]
    assert found.labelled == labelled_subset(data, 0.2, seed=0).tolist()


def test_information_maps_are_read_in_the_second_run(tmp_path: Path) -> None:
    data = toy_set()
    target = "pixcl_bench.methods.igu_aug.learner:igu_aug"
    args = {"dim": 4, "crop": 16, "window": 2, "radius": 3, "levels": 2}
    built = dense_transfer.make_learner(target, args, toy_settings(), data, seed=0)
    sources = [
        dense_transfer.Unlabelled(data, built.learner, toy_settings(), CPU, cache)
        for cache in (None, tmp_path, tmp_path)
    ]
    maps = [source.information for source in sources]
    assert all(torch.equal(maps[0], other) for other in maps[1:])  # type: ignore[arg-type]
    assert len([p for p in (tmp_path / "converted").iterdir() if p.is_dir()]) == 1


def test_no_global_random_state_of_the_caller_decides() -> None:
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        results.append(run().metrics)
    assert results[0] == results[1]
    runtime.seed_all(0)
