"""SimSiam: the loss against a loop, symmetry, stop-gradient, heads, contract."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pixcl_bench.methods.baselines.image_ssl.byol import prediction_error
from pixcl_bench.methods.baselines.image_ssl.simsiam import SimSiam, negative_cosine, simsiam
from pixcl_bench.methods.contract.learner import check_learner
from pixcl_bench.nets.encoders import build_encoder

P = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [1, 1]])
Z = torch.tensor([[1, 0.5], [0, 2], [-1, 1], [0.5, -0.5]])


def small(seed: int = 0, **args: Any) -> SimSiam:
    torch.manual_seed(seed)
    args = {"hidden": 16, "out": 16} | args
    return simsiam(encoder=build_encoder("conv_nano"), **args)


def batch(seed: int = 0, b: int = 4) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {v: torch.rand(b, 3, 16, 16, generator=g) for v in ("view1", "view2")}


def naive(p: Tensor, z: Tensor) -> Tensor:
    rows = []
    for a, b in zip(p, z, strict=True):
        lengths = sum(v * v for v in a) ** 0.5 * sum(v * v for v in b) ** 0.5
        rows.append(-sum(x * y for x, y in zip(a, b, strict=True)) / lengths)
    return torch.stack(rows).mean()


@pytest.mark.parametrize(
    ("p", "z", "loss"),
    [
        ([[3.0, 0]], [[0.1, 0]], -1.0),
        ([[3.0, 0]], [[0, 7.0]], 0.0),
        ([[3.0, 0]], [[-2.0, 0]], 1.0),
        ([[1.0, 1]], [[1.0, 0]], -(2**-0.5)),
        ([[0.0, 0]], [[1.0, 0]], 0.0),
    ],
)
def test_by_hand(p: list[list[float]], z: list[list[float]], loss: float) -> None:
    assert negative_cosine(torch.tensor(p), torch.tensor(z)).item() == pytest.approx(loss, abs=1e-6)


def test_it_is_half_of_byols_error_minus_one() -> None:
    assert negative_cosine(P, Z).item() == pytest.approx(0.699233 / 2 - 1, abs=1e-6)
    torch.testing.assert_close(negative_cosine(P, Z), prediction_error(P, Z) / 2 - 1)


def test_gradient_equals_that_of_a_loop_in_float64_and_stops_at_the_projection() -> None:
    g = torch.Generator().manual_seed(0)
    p, z = (torch.randn(5, 4, generator=g, dtype=torch.float64) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x: naive(x, z), (p.clone().requires_grad_(),))
    leaf, slow = p.float().requires_grad_(), p.clone().requires_grad_()
    goal = z.float().requires_grad_()
    negative_cosine(leaf, goal).backward()
    naive(slow, z).backward()
    assert leaf.grad is not None
    assert slow.grad is not None
    assert goal.grad is None
    torch.testing.assert_close(leaf.grad.double(), slow.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_any_scale_and_low_precision(scale: float) -> None:
    assert negative_cosine(scale * P, Z).item() == pytest.approx(-0.650384, abs=1e-5)
    assert negative_cosine(P.bfloat16(), Z.bfloat16()).dtype == torch.float32


def test_loss_of_the_learner_is_symmetric_and_from_its_parts() -> None:
    learner, data = small(), batch()
    with torch.no_grad():
        z1, z2 = (learner.projector(learner.encoder(data[v])) for v in ("view1", "view2"))
        expected = (naive(learner.predictor(z1), z2) + naive(learner.predictor(z2), z1)) / 2
    loss = learner.losses(data, 0.0)["loss"]
    assert loss.item() == pytest.approx(expected.item(), abs=1e-4)
    swapped = learner.losses({"view1": data["view2"], "view2": data["view1"]}, 0.0)["loss"]
    torch.testing.assert_close(loss, swapped)
    assert -1 <= loss.item() <= 1


def test_gradient_is_that_of_constant_projections() -> None:
    learner, data = small(), batch()
    learner.losses(data, 0.0)["loss"].backward()
    found = {n: p.grad.clone() for n, p in learner.named_parameters() if p.grad is not None}
    assert len(found) == len(list(learner.parameters()))
    other = small()
    with torch.no_grad():
        goals = [other.projector(other.encoder(data[v])) for v in ("view2", "view1")]
    for view, goal in zip(("view1", "view2"), goals, strict=True):
        p = other.predictor(other.projector(other.encoder(data[view])))
        (naive(p, goal) / 2).backward()
    for name, parameter in other.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-3, atol=1e-5)


def test_spread_is_zero_for_a_constant_output() -> None:
    learner = small()
    assert learner.losses(batch(b=16), 0.0)["spread"].item() > 0.1
    data = batch()
    data["view1"] = data["view1"][:1].expand(4, -1, -1, -1)
    assert learner.losses(data, 0.0)["spread"].item() == pytest.approx(0.0, abs=1e-6)


def test_contract_and_no_queue_or_copy() -> None:
    assert set(check_learner(small(), batch())) == {"loss", "spread"}
    assert all(p.requires_grad for p in small().parameters())


def test_heads_and_defaults_are_the_papers() -> None:
    with torch.device("meta"):
        learner = simsiam(encoder=build_encoder("resnet50"))
    widths = [m.weight.shape for m in learner.projector if hasattr(m, "in_features")]
    assert widths == [(2048, 2048)] * 3
    kinds = ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert [type(m).__name__ for m in learner.predictor] == kinds
    assert [type(m).__name__ for m in learner.projector][-1] == "BatchNorm1d"
    assert learner.predictor[0].weight.shape == (512, 2048)
    assert learner.predictor[3].bias is not None
    assert small(predictor=3).predictor[0].out_features == 3
