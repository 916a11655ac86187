"""Objectives of CLAIRES: worked numbers, naive loops, symmetry, gradients and extremes."""

import math
import warnings

import pytest
import torch
import torch.nn.functional as F

from pixcl_bench.methods.claires.objectives import (
    Temperature,
    clip_loss,
    group_loss,
    pair_loss,
    soft_loss,
    soft_targets,
    text_image_logits,
)

I = torch.tensor([[1, 0, 0], [0.6, 0.8, 0], [0, 0.6, 0.8]])
T = torch.tensor([[0.8, 0.6, 0], [0, 1, 0], [0, 0, 1]])
NAMES = ("clip", "group", "soft")


def drawn(seed: int, b: int = 6, d: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    rows = torch.randn(2, b, d, generator=g).double()
    return rows[0], rows[1], torch.randint(0, 3, (b,), generator=g)


def slow_clip(a: torch.Tensor, b: torch.Tensor, scale: float) -> torch.Tensor:
    a, b, total = F.normalize(a, dim=1), F.normalize(b, dim=1), torch.zeros(())
    for i in range(len(a)):
        row = torch.stack([scale * (b[i] @ a[j]) for j in range(len(a))])
        column = torch.stack([scale * (b[j] @ a[i]) for j in range(len(a))])
        total = total - row[i] + row.logsumexp(0) - column[i] + column.logsumexp(0)
    return total / (2 * len(a))


def slow_group(
    a: torch.Tensor, b: torch.Tensor, scale: float, groups: torch.Tensor
) -> torch.Tensor:
    a, b, total = F.normalize(a, dim=1), F.normalize(b, dim=1), torch.zeros(())
    z = scale * b @ a.T
    for i in range(len(a)):
        alike = [j for j in range(len(a)) if groups[i] == groups[j]]
        for j in alike:
            total = total - (z[i, j] - z[i].logsumexp(0)) / len(alike)
            total = total - (z[j, i] - z[:, i].logsumexp(0)) / len(alike)
    return total / (2 * len(a))


@pytest.mark.parametrize(
    ("tau", "expected"),
    [(1.0, (0.831980, 0.835563, 0.833772)), (0.07, (0.812873, 0.813399, 0.813136))],
)
def test_worked_numbers_of_clip(tau: float, expected: tuple[float, ...]) -> None:
    z, pairs = text_image_logits(I, T, 1 / tau), torch.arange(3)
    found = [F.cross_entropy(z, pairs), F.cross_entropy(z.T, pairs), clip_loss(I, T, 1 / tau)]
    assert [float(v) for v in found] == pytest.approx(expected, abs=2e-6)


def test_worked_numbers_of_group_and_soft() -> None:
    found = group_loss(I, T, 1 / 0.07, torch.tensor([0, 1, 0]))
    assert float(found) == pytest.approx(3.765517, abs=1e-5)
    assert float(soft_loss(I, T)) == pytest.approx(1.062622, abs=2e-6)
    rows = [
        [0.490629, 0.328879, 0.180492],
        [0.313529, 0.467730, 0.218742],
        [0.200420, 0.254783, 0.544797],
    ]
    assert torch.allclose(soft_targets(I, T, 1.0), torch.tensor(rows), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scale", [1.0, 1 / 0.07])
def test_loops_say_the_same(seed: int, scale: float) -> None:
    a, b, groups = drawn(seed)
    assert float(clip_loss(a, b, scale)) == pytest.approx(float(slow_clip(a, b, scale)))
    assert float(group_loss(a, b, scale, groups)) == pytest.approx(
        float(slow_group(a, b, scale, groups))
    )


@pytest.mark.parametrize("name", NAMES)
def test_gradients_in_double_precision(name: str) -> None:
    a, b, groups = (v.requires_grad_() if v.is_floating_point() else v for v in drawn(1, 4, 3))
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=name != "soft")
    assert torch.autograd.gradcheck(
        lambda x, y, s: pair_loss(name, x, y, s, groups),  # type: ignore[arg-type]
        (a, b, scale),
    )


def test_symmetries() -> None:
    a, b, groups = drawn(2)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    for one, other in (
        (clip_loss(a, b, 4.0), clip_loss(b, a, 4.0)),
        (clip_loss(a, b, 4.0), clip_loss(a[order], b[order], 4.0)),
        (group_loss(a, b, 4.0, groups), group_loss(b, a, 4.0, groups)),
        (group_loss(a, b, 4.0, groups), group_loss(a[order], b[order], 4.0, groups[order])),
        (group_loss(a, b, 4.0, torch.arange(6)), clip_loss(a, b, 4.0)),
        (clip_loss(7 * a, b / 3, 4.0), clip_loss(a, b, 4.0)),
        (soft_loss(a, b), soft_loss(a[order], b[order])),
    ):
        assert float(one) == pytest.approx(float(other), abs=1e-9)


def test_extremes() -> None:
    same = torch.ones(7, 3)
    assert float(clip_loss(same, same, 9.0)) == pytest.approx(math.log(7), abs=1e-6)
    assert float(clip_loss(torch.eye(5), torch.eye(5), 100.0)) == pytest.approx(0, abs=1e-6)
    for name in NAMES:
        one = pair_loss(name, I[:1], T[:1], torch.tensor(5.0), torch.zeros(1).long())  # type: ignore[arg-type]
        assert float(one) == pytest.approx(0, abs=1e-7)


def test_softmaxes_stay_in_single_precision_under_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = clip_loss(I.bfloat16(), T.bfloat16(), 1 / 0.07)
        exact = clip_loss(I, T, 1 / 0.07)
    assert found.dtype == exact.dtype == torch.float32
    assert float(exact) == pytest.approx(0.813136, abs=2e-6)


def test_the_temperature_stays_in_its_range_and_can_leave_the_boundary() -> None:
    temperature = Temperature(0.01)
    optimizer = torch.optim.SGD(temperature.parameters(), lr=1.0)
    assert float(temperature().detach()) == pytest.approx(100, rel=1e-4)
    for sign, end in ((-1, 100.0), (1, 1.0)):
        for _ in range(20):
            optimizer.zero_grad()
            (sign * temperature.log_scale * 1.0).backward()
            optimizer.step()
            temperature.keep_in_range()
        assert float(temperature().detach()) == pytest.approx(end, rel=1e-4)
    loss = clip_loss(I, T, temperature())
    loss.backward()
    assert temperature.log_scale.grad is not None
    assert torch.isfinite(temperature.log_scale.grad)
    assert not Temperature(learnable=False).log_scale.requires_grad


def test_a_fixed_temperature_of_one_warns() -> None:
    with pytest.warns(UserWarning, match="flat loss"):
        Temperature(1.0, learnable=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Temperature(1.0)
        Temperature(0.07, learnable=False)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="temperature is in"):
        Temperature(0.0)
