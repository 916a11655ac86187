"""The losses of segmentation against loops over pixels, the worked numbers, and what is ignored."""

import math

import pytest
import torch
import torch.nn.functional as F

from pixcl_bench.ops.dense_losses import (
    IGNORE,
    binary_dice_loss,
    cross_entropy,
    dice_loss,
    entropy,
    one_hot,
    probabilities,
    ramp_up,
    sharpen,
    supervised_loss,
)

SHAPES = [((2, 5, 6), 3), ((1, 3, 4, 5), 2), ((3, 4, 4), 5), ((1, 1, 1), 2)]
P = torch.tensor([[[0.8, 0.4], [0.2, 0.6]]])
EYE = torch.eye(2, dtype=torch.int64)[None]


def draw(shape: tuple[int, ...], classes: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(shape[0], classes, *shape[1:], generator=g)
    return logits, torch.randint(-1, classes, shape, generator=g)


def pixels(probs: torch.Tensor, label: torch.Tensor) -> list[tuple[list[float], int]]:
    rows = probs.movedim(1, -1).flatten(0, -2).tolist()
    return [(p, y) for p, y in zip(rows, label.flatten().tolist(), strict=True) if y != IGNORE]


@pytest.mark.parametrize(("shape", "classes"), SHAPES)
@pytest.mark.parametrize("squared", [True, False])
def test_dice_is_the_loop(shape: tuple[int, ...], classes: int, squared: bool) -> None:
    logits, label = draw(shape, classes)
    probs, eps, total = logits.softmax(1), 1e-5, 0.0
    for c in range(classes):
        inside = sum(p[c] for p, y in pixels(probs, label) if y == c)
        size = sum((p[c] ** 2 if squared else p[c]) + (y == c) for p, y in pixels(probs, label))
        total += 1 - (2 * inside + eps) / (size + eps)
    assert float(dice_loss(probs, label, squared=squared)) == pytest.approx(
        total / classes, abs=1e-5
    )


@pytest.mark.parametrize(("shape", "classes"), SHAPES)
def test_binary_dice_is_the_loop(shape: tuple[int, ...], classes: int) -> None:
    logits, label = draw(shape, 2)
    some = pixels(logits.softmax(1), label)
    inside, size = sum(p[1] * y for p, y in some), sum(p[1] + y for p, y in some)
    expected = 1 - (2 * inside + 1e-8) / (size + 1e-8)
    assert float(binary_dice_loss(logits.softmax(1)[:, 1], label)) == pytest.approx(
        expected, abs=1e-5
    )


@pytest.mark.parametrize(("shape", "classes"), SHAPES)
@pytest.mark.parametrize("kind", ["none", "pixel", "image"])
def test_cross_entropy_is_the_loop(shape: tuple[int, ...], classes: int, kind: str) -> None:
    logits, label = draw(shape, classes)
    per = shape if kind == "pixel" else (shape[0], *[1] * (len(shape) - 1))
    weight = None if kind == "none" else torch.rand(per, generator=torch.Generator().manual_seed(1))
    each = (weight if weight is not None else torch.ones(1)).expand(shape)[label != IGNORE].tolist()
    some = pixels(logits.log_softmax(1), label)
    expected = sum(-w * p[y] for w, (p, y) in zip(each, some, strict=True)) / max(len(some), 1)
    assert float(cross_entropy(logits, label, weight=weight)) == pytest.approx(expected, abs=1e-5)


def test_cross_entropy_is_torchs_where_something_counts() -> None:
    logits, label = draw((2, 5, 6), 3)
    expected = F.cross_entropy(logits, label, ignore_index=IGNORE)
    assert float(cross_entropy(logits, label)) == pytest.approx(float(expected), abs=1e-6)


def test_worked_numbers() -> None:
    assert float(dice_loss(torch.stack([1 - P, P], 1), EYE)) == pytest.approx(0.12499958, abs=1e-7)
    assert float(binary_dice_loss(P, EYE)) == pytest.approx(0.29999995, abs=1.5e-7)
    assert float(sharpen(torch.tensor(0.6), 0.1)) == pytest.approx(0.982954, abs=1e-6)


def test_supervised_is_half_and_half() -> None:
    logits, label = draw((2, 5, 6), 3)
    halves = (cross_entropy(logits, label) + dice_loss(logits.softmax(1), label)) / 2
    assert float(supervised_loss(logits, label)) == pytest.approx(float(halves), abs=1e-6)
    assert float(supervised_loss(logits, label, ce=0.0, dice=1.0)) == pytest.approx(
        float(dice_loss(logits.softmax(1), label)), abs=1e-6
    )


def test_ignored_pixels_count_nowhere() -> None:
    logits, label = draw((2, 5, 6), 3)
    other = torch.where(
        (label == IGNORE)[:, None], torch.randn_like(logits), logits
    ).requires_grad_()
    for loss in (
        lambda z: dice_loss(z.softmax(1), label),
        lambda z: dice_loss(z.softmax(1), label, squared=False),
        lambda z: cross_entropy(z, label),
        lambda z: supervised_loss(z, label),
        lambda z: binary_dice_loss(z.softmax(1)[:, 1], label),
    ):
        assert loss(other).item() == pytest.approx(loss(logits).item(), abs=1e-6)
        (gradient,) = torch.autograd.grad(loss(other), other)
        assert float(gradient.movedim(1, -1)[label == IGNORE].abs().max()) == 0
        assert float(gradient.abs().sum()) > 0


def test_nothing_but_ignored_is_zero_with_a_graph() -> None:
    logits, label = draw((2, 5, 6), 3)
    leaf, none = logits.requires_grad_(), torch.full_like(label, IGNORE)
    loss = supervised_loss(leaf, none)
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert leaf.grad is not None
    assert float(leaf.grad.abs().max()) == 0


def test_perfect_prediction() -> None:
    _, label = draw((2, 5, 6), 3)
    perfect = one_hot(label.clamp(min=0), 3)
    assert float(dice_loss(perfect, label)) == pytest.approx(0, abs=1e-6)
    assert float(cross_entropy(100 * perfect, label)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "name", ["dice", "plain dice", "cross entropy", "supervised", "binary", "entropy", "sharpen"]
)
def test_gradients_in_float64(name: str) -> None:
    logits, label = draw((2, 2, 3), 3)
    loss = {
        "dice": lambda z: dice_loss(z.softmax(1), label),
        "plain dice": lambda z: dice_loss(z.softmax(1), label, squared=False),
        "cross entropy": lambda z: cross_entropy(z, label),
        "supervised": lambda z: supervised_loss(z, label),
        "binary": lambda z: binary_dice_loss(z.softmax(1)[:, 1], label.clamp(max=1)),
        "entropy": lambda z: entropy(z.softmax(1)),
        "sharpen": lambda z: sharpen(z.softmax(1), 0.5),
    }[name]
    assert torch.autograd.gradcheck(loss, (logits.double().requires_grad_(),))


def test_autocast_stays_float32() -> None:
    logits, label = draw((2, 5, 6), 3)
    probs = logits.softmax(1)

    def everything() -> list[torch.Tensor]:
        first = [
            supervised_loss(logits, label),
            dice_loss(probs, label),
            cross_entropy(logits, label),
        ]
        rest = [entropy(probs), sharpen(probs), probabilities(logits)]
        return [*first, *rest, binary_dice_loss(probs[:, 1], label)]

    outside = everything()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = everything()
        assert supervised_loss(logits.bfloat16(), label).dtype == torch.float32
    for a, b in zip(inside, outside, strict=True):
        assert a.dtype == torch.float32
        assert torch.equal(a, b)


def test_entropy_lies_between_0_and_ln_c() -> None:
    for classes in (2, 4, 13):
        uniform = torch.full((1, classes, 3), 1 / classes)
        assert (entropy(uniform) / math.log(classes)).tolist()[0] == pytest.approx(
            [1.0] * 3, abs=2e-5
        )
        assert entropy(one_hot(torch.zeros(1, 3, dtype=torch.int64), classes)).abs().max() < 2e-6


def test_sharpen() -> None:
    p = torch.linspace(0, 1, 101)
    assert torch.allclose(sharpen(p, 0.1), p**10 / (p**10 + (1 - p) ** 10), atol=1e-5)
    assert torch.allclose(sharpen(p, 0.1) + sharpen(1 - p, 0.1), torch.ones(101), atol=1e-5)
    assert torch.allclose(sharpen(p, 1.0), p, atol=1e-6)
    assert torch.isfinite(sharpen(p, 0.01)).all()
    with pytest.raises(ValueError, match=r"at least 0\.01, got 0"):
        sharpen(p, 0.0)


def test_ramp_is_the_protocols_staircase() -> None:
    for total, length, stairs in [(30000, 1.0, 200), (6000, 1.0, 40), (15000, 0.4, 40)]:
        for t in [*range(0, total, 150), 149, 151, total - 1]:
            expected = math.exp(-5 * (1 - min(t // 150, stairs) / stairs) ** 2)
            assert ramp_up(t / total, length=length, stairs=stairs) == pytest.approx(
                expected, abs=1e-9
            ), t
    assert ramp_up(0.0) == pytest.approx(0.006738, abs=1e-6)
    assert ramp_up(1.0) == 1
    with pytest.raises(ValueError, match="length > 0"):
        ramp_up(0.5, length=0.0)


def test_shapes_that_disagree_are_named() -> None:
    logits, _ = draw((2, 5, 6), 3)
    with pytest.raises(ValueError, match=r"\(2, 3, 5, 6\).*\(3, 5, 6\)"):
        unchecked_dice(logits, torch.zeros(3, 5, 6, dtype=torch.int64))


def unchecked_dice(probs: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """`dice_loss` without the test suite's own check of shapes, which would speak first."""
    return getattr(dice_loss, "__wrapped__", dice_loss)(probs, label)
