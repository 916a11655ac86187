"""ARCO: worked numbers, its terms, the two stages, what is remembered, in 2D and 3D."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pixcl_bench.methods.arco.learner import (
    ARCO,
    TERMS,
    PretrainingOptions,
    arco,
    at_centres,
    bottleneck_width,
    preset_of,
    set_goal,
)
from pixcl_bench.methods.arco.pretraining import cut_windows, likeness, relational_kl
from pixcl_bench.methods.arco.terms import (
    cell_means,
    equivariance_loss,
    neighbour_loss,
    pooled,
    unsupervised_loss,
)
from pixcl_bench.methods.arco.views import Warp, blur, half_of_classes, jitter, mix, noise
from pixcl_bench.methods.contract.options import group_options
from pixcl_bench.methods.contract.segmenter import check_segmenter
from pixcl_bench.nets.segmentation import unet, vnet
from pixcl_bench.ops.memory import Queue

Batch = dict[str, Tensor]


def batch_of(space: tuple[int, ...], classes: int, items: int = 2, seed: int = 0) -> Batch:
    torch.manual_seed(seed)
    label = torch.randint(-1, classes, (items, *space))
    return {
        "labelled": torch.rand(items, 1, *space),
        "label": label,
        "unlabelled": torch.rand(items, 1, *space),
    }


def small(dims: int = 2, classes: int = 3, **options: Any) -> ARCO:
    torch.manual_seed(0)
    build: Callable[..., Any] = unet if dims == 2 else vnet
    network = build(num_classes=classes, width=4, levels=3)
    options = {"dim": 16, "num_queries": 32, "num_negatives": 64, **options}
    return arco(network=network, num_classes=classes, **group_options(arco, options))


def advance(learner: ARCO, batch: Batch, first: int, last: int, total: int = 10) -> list[float]:
    optimizer = torch.optim.SGD([p for p in learner.parameters() if p.requires_grad], lr=0.01)
    seen = []
    for k in range(first, last):
        torch.manual_seed(k)
        optimizer.zero_grad(set_to_none=True)
        loss = learner.losses(batch, k / total)["loss"]
        loss.backward()
        optimizer.step()
        learner.after_step((k + 1) / total)
        seen.append(float(loss.detach()))
    return seen


def test_worked_numbers() -> None:
    kl = relational_kl(torch.tensor([[2.0, 0, -1]]), torch.tensor([[1.0, 1, 0]]))
    assert float(kl) == pytest.approx(0.463214, abs=1e-6)
    pool = torch.tensor([[1.0, 0], [0, 1], [0.5**0.5, 0.5**0.5], [-1, 0]])
    student, teacher = torch.tensor([[0.6, 0.8]], requires_grad=True), torch.tensor([[1.0, 0.0]])
    repaired = neighbour_loss(student, teacher, pool, top=2)
    released = neighbour_loss(student, teacher, pool, top=2, form="released")
    assert [float(repaired.detach()), float(released.detach())] == pytest.approx(
        [0.410050, 1.292893], abs=1e-6
    )
    assert torch.autograd.grad(repaired, student)[0].abs().sum() > 0.1
    assert torch.autograd.grad(released, student)[0].abs().sum() == 0
    logits = torch.tensor([[[[2.0, 0], [0, 1]], [[0, 1], [1, 0]]]])
    target, sure = torch.tensor([[[0, 1], [1, 0]]]), torch.tensor([[[0.99, 0.98], [0.5, 0.6]]])
    assert float(unsupervised_loss(logits, target, sure)) == pytest.approx(0.133339, abs=1e-6)


def test_unsupervised_ignores_and_weighs() -> None:
    torch.manual_seed(0)
    logits, target, sure = (
        torch.randn(2, 3, 4, 4),
        torch.randint(0, 3, (2, 4, 4)),
        torch.ones(2, 4, 4),
    )
    sure[1] = 0
    expected = torch.nn.functional.cross_entropy(logits[:1], target[:1]) / 2
    assert torch.allclose(unsupervised_loss(logits, target, sure), expected)
    target[0, :2] = -1
    each = torch.nn.functional.cross_entropy(
        logits[:1], target[:1], ignore_index=-1, reduction="sum"
    )
    expected = each / 24  # 8 valid pixels of the first image, 16 of the second
    assert torch.allclose(unsupervised_loss(logits, target, sure), expected)
    assert unsupervised_loss(logits, torch.full_like(target, -1), sure) == 0


def test_neighbours_skip_empty_slots() -> None:
    torch.manual_seed(0)
    queue, z, bank = Queue(size=8, dim=6), torch.randn(2, 6), torch.randn(3, 6)
    assert neighbour_loss(z, z, queue.keys, valid=queue.valid) == 0
    queue.enqueue(bank)
    full = neighbour_loss(z, -z, bank, top=3)
    assert torch.allclose(neighbour_loss(z, -z, queue.keys, valid=queue.valid), full, atol=1e-6)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        neighbour_loss(z, z, bank, top=0)


def test_likeness_compares_window_by_window() -> None:
    torch.manual_seed(0)
    z, keys = torch.randn(2, 3, 4), torch.randn(5, 3, 4)
    filled = torch.arange(5) < 4
    found = likeness(z, keys, filled, 0.1)
    for w in range(3):
        expected = (
            torch.nn.functional.cosine_similarity(z[:, w, None], keys[None, :4, w], dim=-1) / 0.1
        )
        assert torch.allclose(found[:, w, :4], expected, atol=1e-5)
    assert torch.isfinite(relational_kl(found, found / 10))
    assert (found[..., 4] == -1e4).all()


@pytest.mark.parametrize(
    ("space", "cells"), [((16, 16), 8), ((10, 7), 4), ((4, 6), 8), ((4, 8, 6), 4)]
)
def test_cell_means_are_adaptive_pooling(space: tuple[int, ...], cells: int) -> None:
    maps = torch.rand(2, 3, *space)
    pool = getattr(torch.nn.functional, f"adaptive_avg_pool{len(space)}d")
    assert torch.allclose(cell_means(maps, cells), pool(maps, cells), atol=1e-6)


@pytest.mark.parametrize(("space", "windows"), [((256, 256), 49), ((16, 32, 32), 343)])
def test_window_count_does_not_depend_on_the_patch(space: tuple[int, ...], windows: int) -> None:
    cells = 32 if len(space) == 2 else 16
    assert cut_windows(cell_means(torch.rand(1, 2, *space), cells)).shape == (1, windows, 128)
    assert pooled(torch.rand(1, 2, *space)).shape == (1, 128)


def test_warp_commutes_with_a_pixelwise_network() -> None:
    torch.manual_seed(0)
    images, layer, warp = torch.rand(3, 1, 12, 16), torch.nn.Conv2d(1, 4, 1, bias=False), Warp()
    grid = warp.draw(images)
    assert grid.shape == (3, 12, 16, 2)
    assert torch.allclose(layer(warp(images, grid)), warp(layer(images), grid), atol=1e-5)
    mask = warp(torch.ones(3, 1, 12, 16), grid)[:, 0]
    loss = equivariance_loss(layer(warp(images, grid)), warp(layer(images), grid), mask)
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-6)
    volume = torch.rand(3, 2, 5, 12, 16)
    assert torch.allclose(warp(volume, grid)[:, :, 3], warp(volume[:, :, 3], grid))


@pytest.mark.parametrize("kind", ["cutmix", "classmix", "cutout"])
@pytest.mark.parametrize("space", [(12, 16), (4, 8, 12)])
def test_mixing_keeps_image_label_and_confidence_together(
    kind: Any, space: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    label = torch.randint(0, 3, (3, *space))
    images, target, sure = mix(
        kind, 1 + label[:, None].float(), label, (1 + label) / 3, num_classes=3
    )
    assert torch.equal(images[:, 0].long() - 1, target)
    assert torch.allclose(sure, (1 + target) / 3)
    assert not torch.equal(target, label)
    away = half_of_classes(torch.full((2, *space), -1), 3)
    assert not away.any()


@pytest.mark.parametrize("space", [(8, 12), (3, 8, 12)])
def test_intensity_changes_keep_shape_and_can_be_off(space: tuple[int, ...]) -> None:
    images = torch.rand(4, 1, *space)
    for change in (jitter, noise, blur):
        assert change(images).shape == images.shape
        assert torch.equal(change(images, chance=0.0), images)
        assert not torch.equal(change(images, chance=1.0), images)


@pytest.mark.parametrize("preset", ["paper", "code"])
@pytest.mark.parametrize(
    ("dims", "space", "classes"), [(2, (32, 32), 4), (2, (32, 48), 2), (3, (16, 32, 32), 2)]
)
def test_contract(preset: Any, dims: int, space: tuple[int, ...], classes: int) -> None:
    learner = small(dims, classes, preset=preset)
    logged = check_segmenter(learner, batch_of(space, classes))
    assert set(logged) == {"loss", *TERMS}
    assert (logged["equivariance"] > 0) == (preset == "code" and dims == 2)


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": "ns"},
        {"sampler": "sag", "layout": "list"},
        {"queries": "hard", "negatives": "graph"},
        {"queries": "all", "negatives": "bank", "keys": "own"},
        {"mixture": "classmix", "colour": True, "teacher_mode": "eval"},
        {"mixture": "cutout", "teacher_mode": "dropout", "eqv_weight": 0.5},
        {"head": "released", "con_weight": 0.0},
        {"con_weight": 0.0, "nn_weight": 0.0, "unsup_weight": 0.0},
    ],
)
def test_options(options: dict[str, Any]) -> None:
    # two classes never occur
    logged = check_segmenter(small(classes=5, **options), batch_of((32, 32), 3))
    assert torch.isfinite(torch.tensor(list(logged.values()))).all()


def test_stages_and_total() -> None:
    learner, batch = small(pretrain=0.5), batch_of((32, 32), 3)
    advance(learner, batch, 0, 2)
    looks = (learner.losses(batch, p) for p in (0.4999, 0.5))
    first, second = ({k: float(v.detach()) for k, v in logged.items()} for logged in looks)
    total = first["supervised"] + first["global"] + first["local"]
    assert first["loss"] == pytest.approx(total, rel=1e-5)
    assert first["local"] > 0 == first["contrast"]
    total = (
        second["supervised"]
        + 0.01 * second["contrast"]
        + second["unsupervised"]
        + second["neighbour"]
    )
    assert second["loss"] == pytest.approx(total, rel=1e-5)
    assert second["contrast"] > 0 == second["local"]
    advance(learner, batch, 6, 8)
    assert learner.losses(batch, 0.8)["neighbour"] > 0
    assert int(learner.finetuning.dense.pool.count) == 4  # two steps of two unlabelled images


def test_gradients_reach_students_only() -> None:
    learner, batch = small(preset="code"), batch_of((32, 32), 3)
    for progress in (0.1, 0.6):
        learner.losses(batch, progress)["loss"].backward()
        learner.after_step(progress)
    taught = [n for n, p in learner.named_parameters() if p.grad is not None]
    assert not any("teacher" in name for name in taught)
    wanted = {n for n, p in learner.named_parameters() if "teacher" not in n}
    assert set(taught) == wanted


def test_resume_gives_the_same_bits() -> None:
    batch = batch_of((32, 32), 3)
    for options in ({"preset": "code", "pretrain": 0.3}, {"negatives": "graph", "pretrain": 0.5}):
        whole = small(**options)
        straight = advance(whole, batch, 0, 6)
        again, fresh = small(**options), small(**options)
        assert advance(again, batch, 0, 4) == straight[:4]
        torch.manual_seed(99)
        fresh.load_state_dict(again.state_dict())
        assert advance(fresh, batch, 4, 6) == straight[4:]


def test_teacher_modes() -> None:
    batch = batch_of((32, 32), 3)
    learner = small().train()
    names = {
        type(m).__name__: m.training for m in learner.teacher.modules() if not list(m.children())
    }
    assert names["BatchNorm2d"]
    assert not names["Dropout"]
    running = small(teacher_mode="eval")
    with torch.no_grad():
        running.losses(batch, 0.9)
    running.after_step(0.9)
    for k, v in running.network.named_buffers():
        assert torch.equal(dict(running.teacher.module.named_buffers())[k], v)
    goal = set_goal(running.teacher.module, batch)
    images = torch.cat([batch["labelled"], batch["unlabelled"]])
    assert torch.equal(goal.probs, running.teacher(images).softmax(1))


def test_errors_and_small_parts() -> None:
    network = unet(num_classes=3, width=4, levels=3)
    with pytest.raises(ValueError, match="segments 3 classes and num_classes is 4"):
        arco(network=network, num_classes=4)
    with pytest.raises(ValueError, match=r"got 1\.0"):
        PretrainingOptions(pretrain=1.0)
    with pytest.raises(ValueError, match="got 'papers'"):
        preset_of("papers", 2)
    assert (
        bottleneck_width(network) == bottleneck_width(vnet(num_classes=2, width=4, levels=3)) == 16
    )
    assert at_centres(torch.arange(12), (3,)).tolist() == [2, 6, 10]
