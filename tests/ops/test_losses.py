"""The shared objectives against slow references, over sizes and temperatures."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from pixcl_bench.ops.losses import cosine_logits, info_nce, nt_xent, soft_cross_entropy

SIZES = [(1, 1, 2), (2, 2, 3), (3, 7, 5), (8, 8, 16)]
TEMPERATURES = [0.05, 0.2, 1.0]


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slow_info_nce(q: torch.Tensor, k: torch.Tensor, tau: float) -> float:
    total = 0.0
    for i in range(len(q)):
        scores = [
            math.exp(float(F.cosine_similarity(q[i].double(), k[j].double(), dim=0)) / tau)
            for j in range(len(k))
        ]
        total -= math.log(scores[i] / sum(scores))
    return total / len(q)


def slow_nt_xent(z1: torch.Tensor, z2: torch.Tensor, tau: float) -> float:
    z, n, total = torch.cat([z1, z2]).double(), len(z1), 0.0
    for u in range(2 * n):
        scores = [
            math.exp(float(F.cosine_similarity(z[u], z[v], dim=0)) / tau) * (v != u)
            for v in range(2 * n)
        ]
        total -= math.log(scores[(u + n) % (2 * n)] / sum(scores))
    return total / (2 * n)


@pytest.mark.parametrize(("size", "tau"), itertools.product(SIZES, TEMPERATURES))
def test_info_nce_is_the_loop(size: tuple[int, int, int], tau: float) -> None:
    n, m, d = size
    q, k = rand(n, d), rand(m, d, seed=1)
    assert float(info_nce(q, k, tau)) == pytest.approx(slow_info_nce(q, k, tau), abs=2e-5)


@pytest.mark.parametrize(("size", "tau"), itertools.product(SIZES, TEMPERATURES))
def test_nt_xent_is_the_loop(size: tuple[int, int, int], tau: float) -> None:
    n, _, d = size
    a, b = rand(n, d), rand(n, d, seed=1)
    assert float(nt_xent(a, b, tau)) == pytest.approx(slow_nt_xent(a, b, tau), abs=2e-5)


def test_worked_numbers() -> None:
    q = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [1, 1]])
    k = torch.tensor([[1, 0.5], [0, 2], [-1, 1], [0.5, -0.5]])
    assert float(info_nce(q, k, 0.2)) == pytest.approx(1.411319, abs=1e-6)
    assert float(nt_xent(q, k, 0.2)) == pytest.approx(1.582612, abs=1e-6)


@pytest.mark.parametrize("loss", [info_nce, nt_xent])
@pytest.mark.parametrize("tau", [1e-3, 1e-2, 1.0, 10.0])
@pytest.mark.parametrize("case", ["random", "same", "opposite", "zero"])
def test_finite_in_value_and_gradient(loss, tau: float, case: str) -> None:  # type: ignore[no-untyped-def]
    a = rand(6, 4)
    b = {
        "random": rand(6, 4, seed=1),
        "same": a.clone(),
        "opposite": -a,
        "zero": torch.zeros(6, 4),
    }[case]
    a.requires_grad_()
    value = loss(a, b, tau)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(a.grad).all()


@pytest.mark.parametrize("loss", [info_nce, nt_xent])
def test_scale_and_order_do_not_matter(loss) -> None:  # type: ignore[no-untyped-def]
    a, b = rand(7, 5), rand(7, 5, seed=1)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(loss(3 * a, 0.2 * b), loss(a, b))
    torch.testing.assert_close(loss(a[order], b[order]), loss(a, b))


def test_float32_under_autocast() -> None:
    a, b = rand(8, 16), rand(8, 16, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = nt_xent(a, b, 0.05)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, nt_xent(a, b, 0.05))


def test_soft_cross_entropy_with_one_hot_is_cross_entropy() -> None:
    logits = rand(5, 7)
    labels = torch.tensor([0, 3, 6, 2, 2])
    torch.testing.assert_close(
        soft_cross_entropy(logits, F.one_hot(labels, 7).float()), F.cross_entropy(logits, labels)
    )


def test_extra_keys_are_negatives() -> None:
    q, k = rand(4, 5), rand(9, 5, seed=1)
    assert info_nce(q, k) > info_nce(q, k[:4])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: info_nce(rand(4, 3), rand(3, 3)), "4 queries, 3 keys"),
        (lambda: cosine_logits(rand(4, 3), rand(4, 3), -0.1), "must be positive, got -0.1"),
    ],
)
def test_errors_name_the_values(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()
