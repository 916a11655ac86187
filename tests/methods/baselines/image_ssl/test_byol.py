"""BYOL: the error against a loop, symmetry, no gradient to targets, schedule, contract, exact
resume."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pixcl_bench.methods.baselines.image_ssl.byol import BYOL, byol, prediction_error
from pixcl_bench.methods.contract.learner import check_learner
from pixcl_bench.nets.encoders import build_encoder
from pixcl_bench.ops.memory import ema_schedule

P = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [1, 1]])
Z = torch.tensor([[1, 0.5], [0, 2], [-1, 1], [0.5, -0.5]])


def small(seed: int = 0, **args: Any) -> BYOL:
    torch.manual_seed(seed)
    args = {"hidden": 16, "out": 8, "momentum": 0.9} | args
    return byol(encoder=build_encoder("conv_nano"), **args)


def batch(seed: int = 0, b: int = 4) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {v: torch.rand(b, 3, 16, 16, generator=g) for v in ("view1", "view2")}


def naive(p: Tensor, z: Tensor) -> Tensor:
    rows = []
    for a, b in zip(p, z, strict=True):
        long, goal = sum(v * v for v in a) ** 0.5, sum(v * v for v in b) ** 0.5
        rows.append(sum((x / long - y / goal) ** 2 for x, y in zip(a, b, strict=True)))
    return torch.stack(rows).mean()


def test_worked_number_of_the_protocol() -> None:
    assert prediction_error(P, Z).item() == pytest.approx(0.699233, abs=1e-6)


@pytest.mark.parametrize(
    ("p", "z", "error"),
    [
        ([[3.0, 0]], [[0.1, 0]], 0.0),
        ([[3.0, 0]], [[0, 7.0]], 2.0),
        ([[3.0, 0]], [[-2.0, 0]], 4.0),
        ([[1.0, 1]], [[1.0, 0]], 2 - 2**0.5),
        ([[0.0, 0]], [[1.0, 0]], 2.0),
    ],
)
def test_by_hand(p: list[list[float]], z: list[list[float]], error: float) -> None:
    assert prediction_error(torch.tensor(p), torch.tensor(z)).item() == pytest.approx(
        error, abs=1e-6
    )


def test_equals_a_loop_with_its_gradient() -> None:
    g = torch.Generator().manual_seed(0)
    p, z = (torch.randn(5, 4, generator=g, dtype=torch.float64) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x: naive(x, z), (p.clone().requires_grad_(),))
    leaf, slow = p.float().requires_grad_(), p.clone().requires_grad_()
    fast = prediction_error(leaf, z.float())
    fast.backward()
    naive(slow, z).backward()
    assert fast.item() == pytest.approx(naive(p, z).item(), abs=1e-6)
    assert leaf.grad is not None
    assert slow.grad is not None
    torch.testing.assert_close(leaf.grad.double(), slow.grad, rtol=1e-4, atol=1e-6)


def test_no_gradient_into_the_target_and_any_scale() -> None:
    p, z = P.clone().requires_grad_(), Z.clone().requires_grad_()
    prediction_error(p, z).backward()
    assert p.grad is not None
    assert z.grad is None
    for scale in (1e-8, 1e8):
        assert prediction_error(scale * P, Z).item() == pytest.approx(0.699233, abs=1e-5)
    assert prediction_error(P.bfloat16(), Z.bfloat16()).dtype == torch.float32


def test_loss_of_the_learner_is_symmetric_and_from_its_parts() -> None:
    learner, data = small(), batch()
    with torch.no_grad():
        p1, p2 = (
            learner.predictor(learner.projector(learner.encoder(data[v])))
            for v in ("view1", "view2")
        )
        expected = naive(p1, learner.target(data["view2"])) + naive(
            p2, learner.target(data["view1"])
        )
    loss = learner.losses(data, 0.0)["loss"]
    assert loss.item() == pytest.approx(expected.item(), abs=1e-4)
    swapped = learner.losses({"view1": data["view2"], "view2": data["view1"]}, 0.0)["loss"]
    torch.testing.assert_close(loss, swapped)
    assert 0 <= loss.item() <= 8


def test_spread_is_zero_for_a_constant_target() -> None:
    learner = small()
    with torch.no_grad():
        last = learner.target.module[1][-1]
        last.weight.zero_()
    assert learner.losses(batch(), 0.0)["spread"].item() == 0.0
    assert small().losses(batch(b=16), 0.0)["spread"].item() > 0.1


def test_contract() -> None:
    logged = check_learner(small(), batch())
    assert set(logged) == {"loss", "spread"}


def test_gradients_reach_the_online_network_only() -> None:
    learner = small()
    learner.losses(batch(), 0.0)["loss"].backward()
    assert all(p.grad is None for p in learner.target.parameters())
    assert all(
        p.grad is not None and torch.isfinite(p.grad).all()
        for p in learner.parameters()
        if p.requires_grad
    )


@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_target_follows_the_cosine(progress: float) -> None:
    learner = small()
    before = learner.target.module[1][0].weight.clone()
    with torch.no_grad():
        learner.projector[0].weight.add_(1.0)
    learner.after_step(progress)
    moved = learner.target.module[1][0].weight - before
    torch.testing.assert_close(
        moved, torch.full_like(moved, 1 - ema_schedule(progress, 0.9)), rtol=1e-4, atol=1e-6
    )


def test_heads_and_defaults_are_the_papers() -> None:
    with torch.device("meta"):
        learner = byol(encoder=build_encoder("resnet50"))
    kinds = ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    for head, width in ((learner.projector, 2048), (learner.predictor, 256)):
        assert [type(m).__name__ for m in head] == kinds
        assert head[0].weight.shape == (4096, width)
        assert head[3].weight.shape == (256, 4096)
    assert learner.momentum == 0.996


def test_resume_gives_the_same_bits() -> None:
    learner, other = small(), small(seed=9)
    for step in range(2):
        learner.losses(batch(step), 0.0), learner.after_step(step / 5)
    other.load_state_dict({n: v.clone() for n, v in learner.state_dict().items()})
    for step in range(2, 5):
        one, two = (net.losses(batch(step), 0.0)["loss"] for net in (learner, other))
        assert torch.equal(one, two)
        learner.after_step(step / 5), other.after_step(step / 5)
    assert all(torch.equal(v, other.state_dict()[n]) for n, v in learner.state_dict().items())


def test_momentum_outside_its_range() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        small(momentum=2.0)
