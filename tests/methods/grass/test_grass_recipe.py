"""The recipe of GraSS: learning rate, LARC, views."""

import copy

import pytest
import torch
from torch import nn

from pixcl_bench.methods.grass.recipe import (
    GRASS_VIEWS,
    LARC,
    grass_learning_rate,
    larc_gradient,
    larc_groups,
)

TABLE = {
    0: 0.6,
    0.05: 2.7,
    0.0999: 4.7958,
    0.1: 3.596849,
    0.2: 2.702086,
    0.3: 0.909322,
    0.4006: 0.0048,
    0.5: 0.29803,
    0.6: 0.891983,
    0.7012: 1.194913,
    0.8: 0.904893,
    0.9: 0.310987,
    0.999: 0.005055,
}


@pytest.mark.parametrize(("done", "rate"), TABLE.items())
def test_schedule(done: float, rate: float) -> None:
    assert grass_learning_rate(done) == pytest.approx(rate, abs=1e-6)


def test_schedule_ends() -> None:
    assert grass_learning_rate(1.0) == pytest.approx(0.005, abs=3e-4)
    for wrong in (-0.1, 1.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            grass_learning_rate(wrong)


def test_worked_larc_step() -> None:
    p = nn.Parameter(torch.tensor([3.0, 4.0]))
    p.grad = torch.tensor([0.6, 0.8])
    factor = larc_gradient(p, p.grad, weight_decay=1e-6) / (p.grad + 1e-6 * p.detach())
    torch.testing.assert_close(factor, torch.full((2,), 0.0049999752), atol=1e-9, rtol=0)
    LARC([p], 4.8, weight_decay=1e-6).step()
    step = torch.tensor([3.0, 4.0]) - p.detach()
    torch.testing.assert_close(step, torch.tensor([0.0144, 0.0192]), atol=1e-6, rtol=0)
    assert p.grad.tolist() == torch.tensor([0.6, 0.8]).tolist()


def test_zero_norms_pass_raw() -> None:
    gradient = torch.tensor([0.3, -0.2])
    bias = nn.Parameter(torch.zeros(2))
    bias.grad = gradient.clone()
    LARC([bias], 0.5, weight_decay=0.1).step()
    torch.testing.assert_close(bias.detach(), -0.5 * gradient)
    still = nn.Parameter(torch.ones(2))
    still.grad = torch.zeros(2)
    LARC([still], 0.5, weight_decay=0.1).step()
    assert still.tolist() == [1.0, 1.0]
    unused = nn.Parameter(torch.ones(2))
    LARC([unused], 0.5).step()
    assert unused.tolist() == [1.0, 1.0]


def toy() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


def test_larc_is_sgd_on_changed_gradients_and_resumes() -> None:
    ours, theirs, resumed = toy(), toy(), toy()
    larc = LARC(larc_groups(ours, 1e-2), 2.0)
    sgd = torch.optim.SGD(theirs.parameters(), 2.0, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    again = None
    for step in range(8):
        if step == 4:
            resumed.load_state_dict(ours.state_dict())
            again = LARC(larc_groups(resumed, 1e-2), 2.0)
            again.load_state_dict(copy.deepcopy(larc.state_dict()))
        x = torch.randn(16, 5, generator=generator)
        for net in (ours, theirs, *([resumed] if again else [])):
            net.zero_grad()
            net(x).square().mean().backward()
        for name, p in theirs.named_parameters():
            decay, w = 0.0 if name.startswith("1.") else 1e-2, p.detach()
            assert p.grad is not None
            if w.norm() > 0 and p.grad.norm() > 0:
                p.grad = (
                    1e-3
                    * w.norm()
                    / (p.grad.norm() + decay * w.norm() + 1e-8)
                    * (p.grad + decay * w)
                )
        for optimizer in (larc, sgd, *([again] if again else [])):
            optimizer.step()
    for a, b, c in zip(ours.parameters(), theirs.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b)
        assert torch.equal(a, c)


def test_groups_and_views() -> None:
    net = toy()
    net[0].weight.requires_grad_(False)
    decayed, free = larc_groups(net)
    assert [len(decayed["params"]), len(free["params"])] == [3, 2]
    assert (decayed["weight_decay"], free["weight_decay"]) == (1e-6, 0.0)
    assert GRASS_VIEWS["scale"] == (0.08, 1.0)
    with pytest.raises(ValueError, match="momentum < 1"):
        LARC(net.parameters(), 0.1, momentum=1.0)
