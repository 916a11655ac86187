"""NNCLR: the loss against a loop, the queue while it fills, no gradient to neighbours, contract."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pixcl_bench.methods.baselines.image_ssl.nnclr import NNCLR, neighbour_loss, nnclr
from pixcl_bench.methods.contract.learner import check_learner
from pixcl_bench.nets.encoders import build_encoder

Q = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [1, 1]])
K = torch.tensor([[1, 0.5], [0, 2], [-1, 1], [0.5, -0.5]])


def small(seed: int = 0, **args: Any) -> NNCLR:
    torch.manual_seed(seed)
    args = {"hidden": 16, "predictor": 16, "out": 8, "queue": 10} | args
    return nnclr(encoder=build_encoder("conv_nano"), **args)


def batch(seed: int = 0, b: int = 4) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {v: torch.rand(b, 3, 16, 16, generator=g) for v in ("view1", "view2")}


def one_way(n: Tensor, p: Tensor, tau: float) -> Tensor:
    """Neighbour i asks which of the predictions is that of image i."""
    rows = []
    for i in range(len(n)):
        scores = torch.stack([F.cosine_similarity(n[i], x, dim=0) for x in p]) / tau
        rows.append(-scores.log_softmax(0)[i])
    return torch.stack(rows).mean()


def neighbours(z: Tensor, held: list[Tensor]) -> Tensor:
    if not held:
        return z
    cosines = [[float(F.cosine_similarity(u, k, dim=0)) for k in held] for u in z]
    return torch.stack([held[row.index(max(row))] for row in cosines])


def test_worked_number_of_the_protocol_for_equal_views() -> None:
    assert neighbour_loss(Q, Q, K, K, 0.2).item() == pytest.approx(1.411319, abs=1e-6)


def test_neighbours_of_one_view_meet_predictions_of_the_other() -> None:
    g = torch.Generator().manual_seed(0)
    n1, n2, p1, p2 = (torch.randn(5, 3, generator=g) for _ in range(4))
    for tau in (0.1, 1.0):
        expected = (one_way(n1, p2, tau) + one_way(n2, p1, tau)) / 2
        torch.testing.assert_close(neighbour_loss(n1, n2, p1, p2, tau), expected)
        swapped = neighbour_loss(n2, n1, p2, p1, tau)
        torch.testing.assert_close(swapped, expected)
    torch.testing.assert_close(
        neighbour_loss(3 * n1, n2 / 9, 0.1 * p1, p2, 1.0), neighbour_loss(n1, n2, p1, p2, 1.0)
    )


def test_gradient_equals_that_of_a_loop_in_float64_and_stops_at_neighbours() -> None:
    g = torch.Generator().manual_seed(1)
    n, p = (torch.randn(4, 3, generator=g, dtype=torch.float64) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x: one_way(n, x, 0.1), (p.clone().requires_grad_(),))
    leaf, slow = p.float().requires_grad_(), p.clone().requires_grad_()
    goal = n.float().requires_grad_()
    neighbour_loss(goal, goal, leaf, leaf).backward()
    one_way(n, slow, 0.1).backward()
    assert goal.grad is None
    assert leaf.grad is not None
    assert slow.grad is not None
    torch.testing.assert_close(leaf.grad.double(), slow.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("tau", [1e-4, 100.0])
def test_extreme_temperatures(tau: float) -> None:
    p = K.clone().requires_grad_()
    loss = neighbour_loss(Q, Q, p, p, tau)
    loss.backward()
    assert p.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(p.grad).all()
    with pytest.raises(ValueError, match="temperature must be positive"):
        neighbour_loss(Q, Q, K, K, 0.0)


def test_learner_while_the_queue_fills_and_turns_over() -> None:
    learner, held = small(), []
    for step in range(5):
        data = batch(step)
        before = learner.queue.keys.clone()
        logged = learner.losses(data, 0.0)
        assert torch.equal(learner.queue.keys, before)  # looked up before anything enters
        with torch.no_grad():
            z1, z2 = (learner.projector(learner.encoder(data[v])) for v in ("view1", "view2"))
            ways = (
                one_way(neighbours(z1, held), learner.predictor(z2), 0.1),
                one_way(neighbours(z2, held), learner.predictor(z1), 0.1),
            )
        assert logged["loss"].item() == pytest.approx(float(sum(ways)) / 2, abs=1e-4)
        learner.after_step(0.0)
        held = [*held, *z1][-10:]
        assert len(learner.queue) == len(held)
    stored = F.normalize(torch.stack(held), dim=1).tolist()
    torch.testing.assert_close(
        torch.tensor(sorted(learner.queue.keys.tolist())), torch.tensor(sorted(stored))
    )


def test_own_counts_equal_neighbours() -> None:
    learner, data = small(), batch()
    learner.losses(data, 0.0), learner.after_step(0.0)
    data["view2"] = data["view1"]
    assert learner.losses(data, 0.0)["own"].item() == 1.0
    lonely = small(queue=1)
    lonely.losses(batch(), 0.0), lonely.after_step(0.0)
    assert lonely.losses(batch(1), 0.0)["own"].item() == 1.0


def test_contract() -> None:
    assert set(check_learner(small(), batch())) == {"loss", "own"}
    fed = small()
    fed.losses(batch(), 0.0), fed.after_step(0.0)
    check_learner(fed, batch(1))


def test_resume_gives_the_same_bits() -> None:
    learner, other = small(), small(seed=9)
    for step in range(2):
        learner.losses(batch(step), 0.0), learner.after_step(0.0)
    other.load_state_dict({n: v.clone() for n, v in learner.state_dict().items()})
    for step in range(2, 4):
        one, two = (net.losses(batch(step), 0.0)["loss"] for net in (learner, other))
        assert torch.equal(one, two)
        learner.after_step(0.0), other.after_step(0.0)


def test_heads_and_defaults_are_the_papers() -> None:
    with torch.device("meta"):
        learner = nnclr(encoder=build_encoder("resnet50"))
    widths = [tuple(m.weight.shape) for m in learner.projector if hasattr(m, "in_features")]
    assert widths == [(2048, 2048), (2048, 2048), (256, 2048)]
    kinds = ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert [type(m).__name__ for m in learner.predictor] == kinds
    assert learner.predictor[0].weight.shape == (4096, 256)
    assert learner.queue.keys.shape == (98304, 256)
    assert learner.temperature == 0.1
