"""The pixel contrast: worked numbers, a loop, gradients, the bank, and that no big tensor is
made."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pixcl_bench.methods.arco.pixel_contrast import (
    BankOptions,
    ContrastOptions,
    NegativeBank,
    Picked,
    PixelContrastLoss,
    class_graph,
    class_means,
    confident_pixels,
    confusable,
    contrast,
    hard_pixels,
    nce,
    released_rule,
)
from pixcl_bench.methods.contract.options import group_options

CHOICES = [
    (q, n, k)
    for q in ("confident", "hard", "all")
    for n in ("graph", "other", "bank")
    for k in ("shared", "own")
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(
    b: int = 3, c: int = 4, d: int = 6, shape: tuple[int, ...] = (12, 10), seed: int = 0
) -> dict[str, Tensor]:
    g = seeded(seed)
    label = torch.randint(-1, c, (b, *shape), generator=g)
    return {
        "student": torch.randn(b, d, *shape, generator=g),
        "teacher": torch.randn(b, d, *shape, generator=g),
        "label": label,
        "probs": (3 * torch.randn(b, c, *shape, generator=g)).softmax(1),
    }


def entropy_of(probs: Tensor) -> Tensor:
    return -(probs * (probs + 1e-6).log()).sum(1)


def make_loss(**options: Any) -> PixelContrastLoss:
    small = {"num_classes": 4, "dim": 6, "num_queries": 7, "num_negatives": 11, "capacity": 40}
    return PixelContrastLoss(**group_options(PixelContrastLoss, small | options))


def uniform(query: Tensor, key: Tensor, mean: Tensor, tau: float = 0.5) -> Tensor:
    """The loss of one class of queries, through `contrast`: pixels are columns of one image."""
    student = torch.cat([query, query], 0).T[None]
    source = torch.cat([mean.expand_as(query), mean.expand_as(query)]).T[None]
    n = len(query)
    label = torch.tensor([0] * n + [1] * n)[None]
    keys = torch.arange(len(key)).expand(2, len(key))
    picked = Picked(torch.arange(n).expand(2, n), keys, torch.tensor([True, False]), label)
    return contrast(student, source, key, picked, tau)


def test_worked_numbers() -> None:
    q, mean = torch.tensor([[1, 0], [0.6, 0.8]]), torch.tensor([0.8, 0.6])
    assert float(uniform(q, torch.tensor([[0, 1], [-1.0, 0]]), mean)) == pytest.approx(
        0.388766, abs=2e-6
    )
    assert float(uniform(3 * q, torch.tensor([[0, 9], [-2.0, 0]]), 0.1 * mean)) == pytest.approx(
        0.388766, abs=2e-6
    )
    one = torch.tensor([[0.6, 0.8]])
    assert float(uniform(one, one.expand(512, 2), one)) == pytest.approx(math.log(513), abs=3e-6)
    assert float(uniform(one, -one.expand(512, 2), one)) == pytest.approx(2.339650, abs=3e-6)
    assert float(uniform(one, torch.zeros(512, 2), one)) == pytest.approx(4.252654, abs=3e-6)
    each = nce(torch.tensor([1.6, 1.92]), torch.tensor([[0, -2.0], [1.6, -1.2]]))
    assert each.tolist() == pytest.approx([0.206380, 0.571153], abs=2e-6)


def loop(x: dict[str, Tensor], pool: Tensor, picked: Picked, tau: float) -> float:
    flat = {k: x[k].movedim(1, -1).flatten(0, -2).double() for k in ("student", "teacher")}
    keys = pool.double() if pool.ndim == 2 else pool.movedim(1, -1).flatten(0, -2).double()
    classes = []
    for c in range(len(picked.valid)):
        if not picked.valid[c]:
            continue
        mean = flat["teacher"][picked.positives.flatten() == c].mean(0)
        terms = []
        for i, q in enumerate(picked.queries[c]):
            chosen = picked.keys[c] if picked.keys.ndim == 2 else picked.keys[c, i]
            up = math.exp(float(F.cosine_similarity(flat["student"][q], mean, dim=0)) / tau)
            down = [
                math.exp(float(F.cosine_similarity(flat["student"][q], keys[k], dim=0)) / tau)
                for k in chosen
            ]
            terms.append(-math.log(up / (up + sum(down))))
        classes.append(sum(terms) / len(terms))
    return sum(classes) / max(len(classes), 1)


@pytest.mark.parametrize(("queries", "negatives", "keys"), CHOICES)
@pytest.mark.parametrize("shape", [(12, 10), (5, 4, 6)])
def test_agrees_with_a_loop(
    queries: str, negatives: str, keys: str, shape: tuple[int, ...]
) -> None:
    x = make(shape=shape)
    loss = make_loss(queries=queries, negatives=negatives, keys=keys, temperature=0.3)
    picked = loss.pick(**x, labelled=1, entropy=entropy_of(x["probs"]), generator=seeded())
    pool = x["teacher"] if loss.bank is None else loss.bank.keys.flatten(0, 1)
    assert bool(picked.valid.all())
    assert float(contrast(x["student"], x["teacher"], pool, picked, 0.3)) == pytest.approx(
        loop(x, pool, picked, 0.3), abs=1e-5
    )
    label = x["label"].flatten()
    assert bool((label[picked.queries] == torch.arange(4)[:, None]).all())
    if loss.bank is None:
        other = label[picked.keys.flatten(1)]
        assert bool(((other != torch.arange(4)[:, None]) & (other >= 0)).all())


@pytest.mark.parametrize("keys", ["shared", "own"])
def test_gradient_in_float64(keys: str) -> None:
    x = {
        k: v.double() if v.is_floating_point() else v
        for k, v in make(b=2, c=3, d=4, shape=(4, 5)).items()
    }
    picked = make_loss(keys=keys, num_queries=4, num_negatives=5, detach_keys=False).pick(
        **x, generator=seeded()
    )
    student, teacher = x["student"].requires_grad_(), x["teacher"].requires_grad_()
    assert torch.autograd.gradcheck(lambda s, t: contrast(s, t, t, picked), (student, teacher))


@pytest.mark.parametrize(("queries", "negatives", "keys"), CHOICES)
def test_gradient_reaches_the_student_alone(queries: str, negatives: str, keys: str) -> None:
    x = make()
    student, teacher = x["student"].requires_grad_(), x["teacher"].requires_grad_()
    for positive in ("teacher", "student"):
        loss = make_loss(queries=queries, negatives=negatives, keys=keys, positive=positive)
        loss(**x, labelled=1, entropy=entropy_of(x["probs"])).backward()
        assert student.grad is not None
        assert student.grad.abs().sum() > 0
        assert teacher.grad is None
        assert all(not p.requires_grad for p in loss.buffers())
    make_loss(detach_keys=False)(**x).backward()
    assert teacher.grad is not None


@pytest.mark.parametrize(("queries", "negatives", "keys"), CHOICES)
def test_one_class_only_gives_zero(queries: str, negatives: str, keys: str) -> None:
    x = make()
    x["student"].requires_grad_()
    for label in (x["label"].clamp(max=0), torch.full_like(x["label"], -1)):
        x["student"].grad = None
        value = make_loss(queries=queries, negatives=negatives, keys=keys)(
            **{**x, "label": label}, labelled=1, entropy=entropy_of(x["probs"])
        )
        value.backward()
        assert value.item() == 0
        assert x["student"].grad is not None
        assert x["student"].grad.abs().sum() == 0


@pytest.mark.parametrize("layout", ["spatial", "list", "official"])
@pytest.mark.parametrize("sampler", ["ns", "sg", "sag"])
def test_every_sampler_and_layout(layout: str, sampler: str) -> None:
    x = make()
    for negatives in ("graph", "other", "bank"):
        for keys in ("shared", "own"):
            loss = make_loss(layout=layout, sampler=sampler, negatives=negatives, keys=keys)
            first = loss.pick(**x, generator=seeded(1))
            assert first.keys.shape == ((4, 11) if keys == "shared" else (4, 7, 11))
            assert torch.isfinite(loss(**x, generator=seeded(1)))


def test_absent_classes_shift_nothing() -> None:
    x = make()
    x["label"] = torch.where(x["label"] == 1, -1, x["label"])
    for negatives in ("graph", "other", "bank"):
        loss = make_loss(queries="all", negatives=negatives)
        picked = loss.pick(**x, generator=seeded())
        assert picked.valid.tolist() == [True, False, True, True]
        assert bool((x["label"].flatten()[picked.queries[2:]] == torch.tensor([[2], [3]])).all())
        assert bool((x["label"].flatten()[picked.queries[0]] == 0).all())


def test_scale_and_precision() -> None:
    x = make()
    for negatives in ("graph", "other", "bank"):
        torch.manual_seed(0)
        value = make_loss(negatives=negatives)(**x, generator=seeded())
        scaled = make_loss(negatives=negatives)(
            **{**x, "student": 9 * x["student"], "teacher": 0.1 * x["teacher"]}, generator=seeded()
        )
        assert float(scaled) == pytest.approx(float(value), abs=1e-5)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = {**x, "student": x["student"].bfloat16(), "teacher": x["teacher"].bfloat16()}
            low = make_loss(negatives=negatives)(**half, generator=seeded())
        assert low.dtype == torch.float32
        assert float(low) == pytest.approx(float(value), abs=0.05)


def test_queries() -> None:
    label = torch.tensor([[[0, 0, 1, -1]], [[1, 1, 0, 0]]])
    p = torch.tensor([0.99, 0.5, 0.01, 0.4, 0.02, 0.01, 0.975, 0.6]).view(2, 1, 1, 4)
    probs = torch.cat([p, 1 - p], 1)
    assert hard_pixels(label, probs).tolist() == [[[-1, 0, 1, -1]], [[1, 1, -1, 0]]]
    assert confident_pixels(label, entropy_of(probs), 1, 0.5).tolist() == [
        [[0, 0, 1, -1]],
        [[1, 1, -1, -1]],
    ]
    x = make()
    loss = make_loss(queries="confident")
    picked = [
        loss.pick(**x, labelled=0, entropy=entropy_of(x["probs"]), progress=t)
        for t in (0.0, 0.5, 1.0)
    ]
    share = [int((p.positives >= 0).sum()) for p in picked]
    pixels = int((x["label"] >= 0).sum())
    assert share == pytest.approx([0.2 * pixels, 0.1 * pixels, 1], abs=1.1)


def test_means_and_graph() -> None:
    x = make()
    means = class_means(x["teacher"], x["label"], 5)
    listed = x["teacher"].movedim(1, -1).flatten(0, -2)
    for c in range(4):
        assert torch.allclose(means[c], listed[x["label"].flatten() == c].mean(0), atol=1e-6)
    assert means[4].abs().sum() == 0
    graph = class_graph(means, torch.tensor([3, 4, 5, 6, 0]))
    assert torch.allclose(graph.sum(1), torch.ones(5))
    assert graph.diagonal().abs().sum() == 0
    assert graph[:, 4].sum() == 0


def test_bank_is_a_ring() -> None:
    ring, signs = (
        NegativeBank(2, 1, capacity=(5, 3)),
        torch.where(torch.arange(12) % 2 == 0, 1.0, -1.0).view(1, 1, 12),
    )
    for value in range(7):
        chosen = torch.zeros(2, 12, dtype=torch.bool)
        chosen[0, value] = True
        ring.enqueue(signs, chosen, 3)
    assert ring.keys[0].flatten().tolist() == [-1, 1, 1, -1, 1]
    assert (ring.pointer.tolist(), ring.filled.tolist()) == ([2, 0], [5, 0])
    ring.enqueue(signs, torch.ones(2, 12, dtype=torch.bool), 100)
    assert ring.filled.tolist() == [5, 3]
    again = NegativeBank(2, 1, capacity=(5, 3))
    again.load_state_dict(ring.state_dict())
    assert torch.equal(again.keys, ring.keys)


def test_released_bank_starves_with_two_classes() -> None:
    held = {}
    for rule, start in (("released", "zero"), ("confusable", "empty")):
        loss = make_loss(
            queries="confident", negatives="bank", bank_rule=rule, bank_start=start, num_classes=2
        )
        for step in range(20):
            x = make(c=2, seed=step)
            value = loss(**x, labelled=1, entropy=entropy_of(x["probs"]), progress=step / 20)
        assert torch.isfinite(value)
        assert loss.bank is not None
        held[rule] = loss.bank.filled.tolist()
    assert held == {"released": [1, 1], "confusable": [40, 40]}
    x = make()
    entropy = entropy_of(x["probs"])
    # ground truth never enters
    assert not released_rule(x["label"], x["probs"], entropy, 3, 0.2).any()
    assert released_rule(x["label"], x["probs"], entropy, 0, 1.0).any()
    assert confusable(x["label"], x["probs"]).any()


def test_bank_is_filled_in_training_only() -> None:
    loss = make_loss(negatives="bank")
    x = make()
    assert loss.eval()(**x).item() == 0  # nothing to compare with yet
    loss.train()(**x)
    assert loss.bank is not None
    assert loss.bank.filled.min() > 0


class Largest(TorchDispatchMode):
    """The number of elements of the largest tensor any operation returned."""

    numel = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        for x in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(x, Tensor):
                self.numel = max(self.numel, x.numel())
        return out


@pytest.mark.parametrize("keys", ["shared", "own"])
@pytest.mark.parametrize("negatives", ["graph", "bank"])
def test_no_tensor_of_queries_times_negatives_times_dim(keys: str, negatives: str) -> None:
    x = make(b=2, d=64, shape=(32, 32))
    x["student"].requires_grad_()
    options = ContrastOptions(keys=keys, negatives=negatives)  # type: ignore[arg-type]
    memory = BankOptions(capacity=500)
    loss = PixelContrastLoss(options=options, memory=memory, num_classes=4, dim=64)
    with Largest() as seen:
        loss(**x).backward()
    assert seen.numel < 256 * 512 * 64 * (0.07 if keys == "shared" else 0.3)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="needs num_classes and dim"):
        PixelContrastLoss(options=ContrastOptions(negatives="bank"))
    with pytest.raises(ValueError, match="temperatures must be positive"):
        make_loss(temperature=0.0)
    with pytest.raises(ValueError, match="the student's entropy"):
        make_loss(queries="confident")(**make())
    with pytest.raises(ValueError, match="of dimension 9"):
        make_loss(negatives="bank", dim=9)(**make())
