"""GraSS: options, guided steps, wrapped methods, crop purity."""

from collections.abc import Mapping
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from pixcl_bench.methods.baselines.image_ssl.moco_v3 import moco_v3
from pixcl_bench.methods.baselines.image_ssl.simclr import simclr
from pixcl_bench.methods.contract.learner import Learner, check_learner
from pixcl_bench.methods.contract.options import group_options
from pixcl_bench.methods.grass.gradient_maps import crop_matrix, crop_resize
from pixcl_bench.methods.grass.learner import (
    GradientGuided,
    Guide,
    GuideOptions,
    choose,
    crop_batch,
    crop_purity,
    grass,
    guide_pass,
)
from pixcl_bench.methods.patchmix import MixOptions, patchmix
from pixcl_bench.nets.encoders import ConvNano, build_encoder
from pixcl_bench.ops.losses import nt_xent
from pixcl_bench.ops.memory import Queue
from pixcl_bench.train import TrainConfig, fit


def encoder() -> ConvNano:
    torch.manual_seed(0)
    return ConvNano((4, 8, 16))


def batch_of(n: int = 6, seed: int = 0) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {view: torch.rand(n, 3, 24, 24, generator=g) for view in ("view1", "view2")}


def guide(learner: GradientGuided, batch: Mapping[str, Tensor]) -> Guide:
    return guide_pass(learner.inner, batch, 1.0, learner.options)


def gradients(
    learner: Learner, batch: Mapping[str, Tensor], progress: float
) -> list[Tensor | None]:
    learner.zero_grad(set_to_none=True)
    learner.losses(batch, progress)["loss"].backward()
    return [None if p.grad is None else p.grad.clone() for p in learner.parameters()]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"region": "release", "head_relu": False},
        {"resize_mode": "bilinear", "neg": "keep", "sign": -1, "min_size": 8, "min_signal": 0.05},
        {"guide_updates_bn": False},
    ],
)
def test_contract(more: dict[str, object]) -> None:
    args = {"hidden": 16, "out": 8, "warmup": 0.3, **more}
    learner = grass(encoder=encoder(), **group_options(grass, args))
    logged = check_learner(learner, batch_of())
    assert set(logged) == {"loss", "guide_loss", "box_area", "full_boxes", "negative_max"}
    assert 0 < logged["box_area"] <= 1


def test_map_is_that_of_full_back_propagation() -> None:
    for seed in range(3):
        learner, batch = grass(encoder=encoder(), hidden=16, out=8).train(), batch_of(seed=seed)
        raw = guide(learner, batch).raw
        assert all(p.grad is None for p in learner.parameters())
        maps = learner.encoder.feature_maps(torch.cat([batch["view1"], batch["view2"]]))[-1]
        maps.retain_grad()
        z1, z2 = learner.inner.projector(maps.mean((2, 3))).chunk(2)
        nt_xent(z1, z2, 0.5).backward()
        full = (maps.grad.mean((2, 3), keepdim=True) * maps).mean(1).detach()
        torch.testing.assert_close(
            raw / full.abs().amax(), full / full.abs().amax(), atol=1e-5, rtol=0
        )


def test_guided_step_is_the_plain_step_on_crops() -> None:
    wrapped = (
        simclr(encoder=encoder(), hidden=16, out=8),
        moco_v3(encoder=encoder(), hidden=16, out=8),
        patchmix(encoder=encoder(), mixing=MixOptions(patch=6), hidden=16, out=8, drop_path=0.0),
    )
    for inner in wrapped:
        learner, batch = GradientGuided(inner, GuideOptions(warmup=0.5)).train(), batch_of()
        torch.manual_seed(3)
        boxes = guide(learner, batch).boxes
        crops = crop_resize(torch.cat([batch["view1"], batch["view2"]]), boxes).chunk(2)
        expected = gradients(inner, {"view1": crops[0], "view2": crops[1]}, 0.7)
        torch.manual_seed(3)
        for a, b in zip(gradients(learner, batch, 0.7), expected, strict=True):
            assert (a is None and b is None) or torch.equal(a, b)  # type: ignore[arg-type]
        assert inner.encoder is learner.encoder


def test_moco_sees_both_views_guided() -> None:
    learner = GradientGuided(moco_v3(encoder=encoder(), hidden=16, out=8), GuideOptions(warmup=0.0))
    raw = guide(learner, batch_of()).raw
    assert (raw.abs().amax((1, 2)) > 0).all()
    before = [p.clone() for p in learner.inner.target.parameters()]
    with torch.no_grad():
        next(learner.encoder.parameters()).add_(1.0)
    learner.after_step(0.1)
    assert any(
        not torch.equal(a, b)
        for a, b in zip(before, learner.inner.target.parameters(), strict=True)
    )


def test_stage_switch_and_bits_of_the_warm_up() -> None:
    def stream(start: int):  # type: ignore[no-untyped-def]
        return (batch_of(seed=step) for step in range(start, 100))

    runs = {}
    for name, warmup in (("plain", None), ("all warm-up", 1.0), ("half", 0.5)):
        net = encoder()
        learner = (
            simclr(encoder=net, hidden=16, out=8, temperature=0.5)
            if warmup is None
            else grass(encoder=net, hidden=16, out=8, guide=GuideOptions(warmup=warmup))
        )
        history = fit(learner, stream, TrainConfig(steps=6, warmup=0.0), progress=False).history
        state = (
            learner.inner.state_dict()
            if isinstance(learner, GradientGuided)
            else learner.state_dict()
        )
        runs[name] = (state, history)
    for key, value in runs["plain"][0].items():
        assert torch.equal(value, runs["all warm-up"][0][key])
    assert [row["loss"] for row in runs["plain"][1]] == [
        row["loss"] for row in runs["all warm-up"][1]
    ]
    assert ["box_area" in row for row in runs["half"][1]] == [False] * 3 + [True] * 3
    assert [row["loss"] for row in runs["half"][1]][:3] == [
        row["loss"] for row in runs["plain"][1]
    ][:3]
    assert runs["half"][1][3]["guide_loss"] == pytest.approx(runs["plain"][1][3]["loss"], abs=1e-5)


def test_running_statistics_and_look() -> None:
    for updates, passes in ((True, 2), (False, 1)):
        options = GuideOptions(warmup=0.0, guide_updates_bn=updates)
        learner = grass(encoder=encoder(), hidden=16, out=8, guide=options)
        learner.losses(batch_of(), 0.0)
        assert int(learner.encoder.stages[0][1].num_batches_tracked) == passes
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    views = torch.rand(8, 3, 24, 24)
    maps, boxes = learner.look(views)
    assert maps.shape == (8, 24, 24)
    assert boxes.shape == (8, 4)
    assert all(torch.equal(v, before[k]) for k, v in learner.state_dict().items())


class Queued(Learner):
    """Asymmetric, with a queue that grows whenever losses are computed."""

    def __init__(self, dense: bool = False) -> None:
        super().__init__()
        self.encoder, self.queue, self.dense = encoder(), Queue(size=32, dim=16), dense

    def losses(self, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        if self.dense:
            q = self.encoder.feature_maps(batch["view1"])[-1].square().mean((2, 3))
        else:
            q = self.encoder(batch["view1"])
        with torch.no_grad():
            k = self.encoder(batch["view2"])
        self.queue.enqueue(k)
        return {"loss": nt_xent(q, k)}


@pytest.mark.parametrize("dense", [False, True])
def test_queues_see_a_batch_once_and_views_without_gradient_stay_whole(dense: bool) -> None:
    learner = GradientGuided(Queued(dense), GuideOptions(warmup=0.0))
    batch = batch_of()
    boxes = guide(learner, batch).boxes
    assert len(learner.inner.queue) == 0
    assert boxes[6:].tolist() == [[0, 0, 24, 24]] * 6
    assert (boxes[:6] != boxes[6:]).any()
    learner.losses(batch, 0.5)
    assert len(learner.inner.queue) == 6


def test_matrices_follow_the_crops() -> None:
    learner, g = grass(encoder=encoder(), hidden=16, out=8), torch.Generator().manual_seed(0)
    batch = batch_of() | {f"matrix{v}": torch.randn(6, 3, 3, generator=g) for v in (1, 2)}
    boxes = guide(learner, batch).boxes
    changed = crop_batch(batch, boxes)
    torch.testing.assert_close(
        changed["matrix2"], crop_matrix(boxes[6:], (24, 24)) @ batch["matrix2"]
    )
    assert changed["view1"] is not batch["view1"]


def test_choose() -> None:
    raw = torch.tensor(
        [[[-1.0, 0], [0, 1]], [[1e-6, 0], [0, -1e-6]], [[0, 0], [0, 0]], [[-3, -2], [-1, -4]]]
    )
    boxes = choose(raw, (4, 4), GuideOptions(rho=0.6))[1]
    assert boxes[:3].tolist() == [[1, 1, 4, 4], [0, 0, 3, 3], [0, 0, 4, 4]]
    peaks = {
        neg: choose(raw, (2, 2), GuideOptions(rho=0.9, neg=neg))[1][3].tolist()
        for neg in ("release", "keep")
    }
    assert peaks == {"release": [1, 1, 2, 2], "keep": [1, 0, 2, 1]}
    silent = choose(raw, (4, 4), GuideOptions(rho=0.6, min_signal=0.01))[1]
    assert silent[:3].tolist() == [[1, 1, 4, 4], [0, 0, 4, 4], [0, 0, 4, 4]]


def test_bad_options_and_encoders() -> None:
    for wrong in (
        {"rho": 1.0},
        {"sign": 2},
        {"warmup": -1.0},
        {"min_size": 0},
        {"min_signal": 1.0},
    ):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
            GuideOptions(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no feature_maps"):
        grass(encoder=build_encoder("vit_micro"))


class Blind(Learner):
    batch_keys: ClassVar[tuple[str, ...]] = ("view1", "view2")

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.weight = encoder(), nn.Parameter(torch.ones(1))

    def losses(self, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        return {"loss": self.weight.sum() + self.encoder(batch["view1"][:2]).sum()}


def test_a_learner_that_shows_no_view_cannot_be_guided() -> None:
    with pytest.raises(ValueError, match="never asked its `encoder`"):
        GradientGuided(Blind(), GuideOptions(warmup=0.0)).losses(batch_of(), 0.0)


def test_crop_purity() -> None:
    masks = torch.tensor([[[0, 0, 1], [0, 0, 255], [2, 2, 2]]], dtype=torch.uint8).expand(4, 3, 3)
    boxes = torch.tensor([[0, 0, 2, 2], [0, 0, 2, 3], [0, 0, 3, 3], [1, 2, 2, 3]])
    purity = crop_purity(masks, boxes, num_classes=3)
    torch.testing.assert_close(purity[:3], torch.tensor([1, 0.8, 0.5]))
    assert purity[3].isnan()
