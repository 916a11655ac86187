"""MoCo v2: loss against a loop, the queue while it fills, no gradient to keys, contract, exact
resume."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pixcl_bench.methods.baselines.image_ssl.moco_v2 import (
    MoCoV2,
    moco_v2,
    own_key_first,
    queue_logits,
)
from pixcl_bench.methods.contract.learner import check_learner
from pixcl_bench.nets.encoders import build_encoder

Q = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [1, 1]])
K = torch.tensor([[1, 0.5], [0, 2], [-1, 1], [0.5, -0.5]])
HELD = torch.tensor([[0.0, -1], [1, -1]])


def every(n: int) -> Tensor:
    return torch.ones(1, n, dtype=torch.bool)


def small(seed: int = 0, **args: Any) -> MoCoV2:
    torch.manual_seed(seed)
    args = {"hidden": 16, "out": 8, "queue": 10, "momentum": 0.9} | args
    return moco_v2(encoder=build_encoder("conv_nano"), **args)


def batch(seed: int = 0, b: int = 4) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {v: torch.rand(b, 3, 16, 16, generator=g) for v in ("view1", "view2")}


def naive(q: Tensor, k: Tensor, negatives: list[list[Tensor]], tau: float) -> float:
    total = 0.0
    for i in range(len(q)):
        scores = [float(F.cosine_similarity(q[i], n, dim=0)) / tau for n in (k[i], *negatives[i])]
        total += math.log(sum(math.exp(s) for s in scores)) - scores[0]
    return total / len(q)


def test_worked_number_of_the_protocol() -> None:
    assert own_key_first(queue_logits(Q, K, HELD, every(2))).item() == pytest.approx(
        0.269073, abs=1e-6
    )


def test_by_hand() -> None:
    q, k, held = (
        torch.tensor([[2.0, 0]]),
        torch.tensor([[5.0, 0]]),
        torch.tensor([[0.0, 3], [-1, 0]]),
    )
    for tau in (0.5, 1.0):
        expected = math.log(1 + math.exp(-1 / tau) + math.exp(-2 / tau))
        assert own_key_first(queue_logits(q, k, held, every(2), tau)).item() == pytest.approx(
            expected
        )


def test_empty_slots_are_no_keys() -> None:
    slots = torch.cat([HELD, torch.zeros(5, 2)])
    valid = torch.arange(7)[None] < 2
    alone = own_key_first(queue_logits(Q, K, HELD, every(2)))
    assert torch.equal(own_key_first(queue_logits(Q, K, slots, valid)), alone)
    assert own_key_first(queue_logits(Q, K, slots, every(7))) > alone + 0.1


def test_each_query_can_have_negatives_of_its_own() -> None:
    valid = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]]).bool()
    rows = [[HELD[j] for j in range(2) if v[j]] for v in valid]
    loss = own_key_first(queue_logits(Q, K, HELD, valid))
    assert loss.item() == pytest.approx(naive(Q, K, rows, 0.2), abs=1e-5)


def test_gradient_equals_that_of_a_loop_in_float64() -> None:
    g = torch.Generator().manual_seed(1)
    q, k, held = (torch.randn(n, 3, generator=g, dtype=torch.float64) for n in (4, 4, 6))

    def loop(x: Tensor) -> Tensor:
        s = [
            torch.stack([F.cosine_similarity(a, n, dim=0) for n in (b, *held)]) / 0.2
            for a, b in zip(x, k, strict=True)
        ]
        return -torch.stack([row.log_softmax(0)[0] for row in s]).mean()

    assert torch.autograd.gradcheck(loop, (q.clone().requires_grad_(),))
    leaf, slow = q.float().requires_grad_(), q.clone().requires_grad_()
    own_key_first(queue_logits(leaf, k.float(), held.float(), every(6))).backward()
    loop(slow).backward()
    assert leaf.grad is not None
    assert slow.grad is not None
    torch.testing.assert_close(leaf.grad.double(), slow.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tau", [1e-4, 0.07, 100.0])
def test_extreme_temperatures(tau: float) -> None:
    q = Q.clone().requires_grad_()
    loss = own_key_first(queue_logits(q, K, HELD, every(2), tau))
    loss.backward()
    assert q.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(q.grad).all()


def test_low_precision_gives_float32() -> None:
    low = queue_logits(Q.bfloat16(), K.bfloat16(), HELD, every(2))
    torch.testing.assert_close(low, queue_logits(Q, K, HELD, every(2)))


def test_temperature_must_be_positive() -> None:
    with pytest.raises(ValueError, match="temperature must be positive"):
        queue_logits(Q, K, HELD, every(2), 0.0)


def test_learner_while_the_queue_fills_and_turns_over() -> None:
    learner, held = small(), []
    for step in range(5):
        data = batch(step)
        logged = learner.losses(data, 0.0)
        with torch.no_grad():
            q, k = learner.projector(learner.encoder(data["view1"])), learner.target(data["view2"])
        rows = [held] * 4 if held else [[k[j] for j in range(4) if j != i] for i in range(4)]
        assert logged["loss"].item() == pytest.approx(naive(q, k, rows, 0.2), abs=1e-4)
        learner.after_step(0.0)
        held = [*held, *k][-10:]
        assert len(learner.queue) == len(held)


def test_found_counts_the_queries_nearest_to_their_own_key() -> None:
    learner = small()
    data = batch()
    data["view2"] = data["view1"]  # same weights, same statistics: the key is the query
    assert learner.losses(data, 0.0)["found"].item() == 1.0


def test_contract() -> None:
    logged = check_learner(small(), batch())
    assert set(logged) == {"loss", "found"}
    fed = small()
    fed.losses(batch(), 0.0), fed.after_step(0.0)
    check_learner(fed, batch(1))


def test_losses_move_nothing_and_reach_no_key() -> None:
    learner = small()
    learner.losses(batch(), 0.0), learner.after_step(0.0)
    before = {
        n: v.clone()
        for n, v in learner.state_dict().items()
        if n.startswith("queue") or "0.weight" in n
    }
    learner.losses(batch(1), 0.0)["loss"].backward()
    assert all(torch.equal(v, learner.state_dict()[n]) for n, v in before.items())
    assert all(p.grad is None for p in learner.target.parameters())
    assert all(p.grad is not None for p in learner.parameters() if p.requires_grad)


def test_copy_moves_by_one_minus_momentum() -> None:
    learner = small()
    before = learner.target.module[1][2].bias.clone()
    with torch.no_grad():
        learner.projector[2].bias.add_(1.0)
    learner.after_step(0.7)
    torch.testing.assert_close(learner.target.module[1][2].bias, before + 0.1)
    assert len(learner.queue) == 0  # nothing was made, nothing enters


def test_resume_gives_the_same_bits() -> None:
    learner, other = small(), small(seed=9)
    for step in range(3):
        learner.losses(batch(step), 0.0), learner.after_step(0.0)
    other.load_state_dict({n: v.clone() for n, v in learner.state_dict().items()})
    for step in range(3, 6):
        one, two = (net.losses(batch(step), 0.0)["loss"] for net in (learner, other))
        assert torch.equal(one, two)
        learner.after_step(0.0), other.after_step(0.0)
    assert all(torch.equal(v, other.state_dict()[n]) for n, v in learner.state_dict().items())


@pytest.mark.parametrize("momentum", [-0.1, 1.1])
def test_momentum_outside_its_range(momentum: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        small(momentum=momentum)


def test_published_sizes_are_the_defaults() -> None:
    with torch.device("meta"):
        learner = moco_v2(encoder=build_encoder("resnet50"))
    assert learner.projector[0].weight.shape == (2048, 2048)
    assert learner.projector[2].weight.shape == (
        128,
        2048,
    )
    assert learner.queue.keys.shape == (65536, 128)
    assert (learner.temperature, learner.momentum) == (0.2, 0.999)
