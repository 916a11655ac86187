"""LD's parts: worked numbers, naive loops, gradients in float64, symmetries, turns, views,
memory."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from largest import Largest
from torch import Tensor

from pixcl_bench.methods.ld import local_discrimination as M
from pixcl_bench.ops.affine import Geometry, recolour, take, twist
from pixcl_bench.ops.centre import center_pool, center_weights, similarity_maps


def unit(*shape: int, seed: int = 0, axis: int = -1) -> Tensor:
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(drawn, dim=axis)


def rotation(d: int, seed: int = 9) -> Tensor:
    return torch.linalg.qr(unit(d, d, seed=seed))[0]


def test_worked_patch_discrimination() -> None:
    aligned = torch.tensor([[1, 0], [0, 1], [1, 0], [0, 1]], dtype=torch.float64)
    skewed = torch.tensor([[1, 0], [0.6, 0.8], [0.8, 0.6], [0, 1]], dtype=torch.float64)
    assert M.patch_discrimination(aligned).item() == pytest.approx(1.815894e-04, abs=1e-10)
    assert M.patch_discrimination(skewed).item() == pytest.approx(1.881359, abs=1e-6)


@pytest.mark.parametrize(("n", "expected"), [(8, 2.870814), (1024, 7.930006)])
def test_identical_embeddings(n: int, expected: float) -> None:
    same = M.patch_discrimination(unit(1, 5).expand(n, 5)).item()
    assert same == pytest.approx(expected, abs=1e-6)
    assert same == pytest.approx(math.log(n - 1) - (n - 2) * math.log((n - 2) / (n - 1)), abs=1e-9)


def pd_loop(x: Tensor, temperature: float, keys: Tensor) -> Tensor:
    n, total = len(x), x.new_zeros(())
    for i in range(n):
        partner = (i + n // 2) % n
        e = {k: (x[i] @ keys[k] / temperature).exp() for k in range(n) if k != i}
        p = {k: v / sum(e.values()) for k, v in e.items()}
        total = total - p[partner].log() - sum((1 - p[j]).log() for j in p if j != partner)
    return total / n


@pytest.mark.parametrize(
    ("n", "d", "temperature"), [(4, 3, 0.5), (10, 8, 0.2), (12, 16, 0.1), (6, 2, 5.0)]
)
def test_patch_discrimination_equals_loops_with_detached_keys(
    n: int, d: int, temperature: float
) -> None:
    x, y = unit(n, d, seed=n).requires_grad_(), unit(n, d, seed=n).requires_grad_()
    loss, naive = M.patch_discrimination(x, temperature), pd_loop(y, temperature, y.detach())
    loss.backward()
    naive.backward()
    assert loss.item() == pytest.approx(naive.item(), abs=1e-9)
    assert x.grad is not None
    assert y.grad is not None
    assert torch.allclose(x.grad, y.grad, atol=1e-10)


def test_gradient_of_a_row_combines_the_others_as_the_formula_says() -> None:
    x, temperature = unit(10, 12, seed=2).requires_grad_(), 0.2
    M.patch_discrimination(x, temperature).backward()
    with torch.no_grad():
        logits = (x @ x.T / temperature).fill_diagonal_(-torch.inf)
        p, partner = logits.softmax(1), torch.arange(10).roll(5)
        positive = F.one_hot(partner, 10).double()
        q = (p / (1 - p)) * (1 - positive)
        by_formula = p - positive + q - p * q.sum(1, keepdim=True)
        assert torch.all(by_formula.diagonal() == 0)
    assert x.grad is not None
    assert torch.allclose(x.grad, by_formula @ x.detach() / temperature / 10, atol=1e-12)


def test_symmetries_of_patch_discrimination() -> None:
    x, order = unit(14, 6, seed=1), torch.randperm(7, generator=torch.Generator().manual_seed(0))
    base = M.patch_discrimination(x)
    for same in (x @ rotation(6), torch.cat([x[:7][order], x[7:][order]]), x.roll(7, 0)):
        assert torch.allclose(M.patch_discrimination(same), base, atol=1e-12)


def test_extremes_of_patch_discrimination_stay_finite() -> None:
    assert M.patch_discrimination(torch.eye(2)).item() == 0.0
    for temperature in (1e-3, 1e3):
        x = unit(64, 4).float().requires_grad_()
        loss = M.patch_discrimination(x, temperature)
        loss.backward()
        assert torch.isfinite(loss)
        assert x.grad is not None
        assert torch.isfinite(x.grad).all()
    half = M.patch_discrimination(unit(32, 8).to(torch.bfloat16))
    assert half.dtype == torch.float32
    for wrong, temperature in ((torch.eye(3), 0.1), (torch.zeros(0, 2), 0.1), (torch.eye(4), 0.0)):
        with pytest.raises(ValueError, match="pairs the halves"):
            M.patch_discrimination(wrong, temperature)


@pytest.mark.parametrize(("h", "w", "grid"), [(56, 56, 8), (30, 42, 6), (30, 42, 4), (7, 9, 7)])
def test_cells_equal_adaptive_pooling(h: int, w: int, grid: int) -> None:
    v = unit(2, 5, h, w, axis=1)
    expected = F.normalize(F.adaptive_avg_pool2d(v, grid), dim=1)
    assert torch.allclose(M.pool_cells(v, grid), expected, atol=1e-6)
    assert torch.allclose(M.pool_cells(v, grid, sigma=1e5), expected, atol=1e-4)


def test_centred_cells() -> None:
    weights = M.cell_weights(448, 8, 57 / 4)
    at = torch.arange(56) - 27.5
    expected = torch.exp(-(at**2) / (2 * (57 / 4) ** 2))
    assert torch.allclose(weights[0, :56], expected / expected.sum(), atol=1e-7)
    assert torch.allclose(weights.sum(1), torch.ones(8))
    assert torch.equal(weights[0, 56:], torch.zeros(392))
    with pytest.raises(ValueError, match="a side of 7"):
        M.cell_weights(7, 8)


def test_pooled_patches_have_unit_norm_and_gradients() -> None:
    v = unit(2, 3, 6, 6, axis=1).requires_grad_()
    assert torch.allclose(M.pool_cells(v, 3).norm(dim=1), torch.ones(2, 3, 3, dtype=torch.float64))
    assert torch.autograd.gradcheck(lambda v: M.pool_cells(v, 3, 1.0), (v,))


def test_turns() -> None:
    x = torch.rand(8, 3, 6, 6)
    flip, rot = torch.arange(8) // 4, torch.arange(8) % 4
    quarters = M.quarter_turns(flip, rot)
    by_hand = [
        (i.flip(1, 2) if f else i).rot90(int(k), (1, 2))
        for i, f, k in zip(x, flip, rot, strict=True)
    ]
    other = [
        i.rot90(int(k), (1, 2)).flip(1, 2) if f else i.rot90(int(k), (1, 2))
        for i, f, k in zip(x, flip, rot, strict=True)
    ]
    assert torch.equal(M.turn(x, quarters), torch.stack(by_hand))
    assert torch.equal(M.turn(x, quarters), torch.stack(other))
    assert torch.equal(M.turn(M.turn(x, quarters), -quarters), x)
    assert int(M.quarter_turns(torch.tensor([1]), torch.tensor([2]))) == 0
    assert torch.bincount(quarters).tolist() == [2, 2, 2, 2]
    assert torch.equal(M.orientation_table(5).sort(1).values, torch.arange(25).expand(4, 25))


def test_turned_images_give_turned_features() -> None:
    v, quarters = unit(4, 5, 16, 16, axis=1), torch.arange(4)
    turned_back = M.turn(M.pool_cells(M.turn(v, quarters), 4), -quarters)
    assert torch.allclose(turned_back, M.pool_cells(v, 4), atol=1e-7)


def test_turn_passes_gradients() -> None:
    x = torch.rand(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: M.turn(x, torch.tensor([1, 3])).square(), (x,))


def test_mixup_target() -> None:
    worked = M.mixup_target(torch.tensor([[1.0, 0]]), torch.tensor([[0.0, 1]]), torch.tensor([0.3]))
    assert worked[0].tolist() == pytest.approx([0.393919, 0.919145], abs=1e-6)
    a, b = unit(3, 5, 2, 2, axis=1).requires_grad_(), unit(3, 5, 2, 2, axis=1, seed=1)
    w = torch.tensor([0.2, 0.5, 0.8])
    target = M.mixup_target(a, b, w)
    assert not target.requires_grad
    assert torch.allclose(target.norm(dim=1), torch.ones(3, 2, 2, dtype=torch.float64))
    for n in range(3):
        mixed = w[n].double() * a[n, :, 1, 0] + (1 - w[n].double()) * b[n, :, 1, 0]
        assert torch.allclose(target[n, :, 1, 0], mixed / mixed.norm())
    assert torch.allclose(M.mixup_target(a, b, torch.ones(3)), a)


def test_mixup_loss_of_a_perfect_match_is_small_and_reaches_the_mixture_only() -> None:
    a, b = torch.eye(36).view(1, 36, 6, 6), torch.eye(36).flip(0).view(1, 36, 6, 6)
    a, b = torch.cat([a, torch.zeros_like(a)], 1), torch.cat([torch.zeros_like(b), b], 1)
    source = a.clone().requires_grad_()
    mixed = M.mixup_target(a, b, torch.tensor([0.6])).requires_grad_()
    loss = M.patch_discrimination(
        M.patches(torch.cat([mixed, M.mixup_target(source, b, torch.tensor([0.6]))]))
    )
    loss.backward()
    assert loss.item() < 0.01
    assert source.grad is None
    assert mixed.grad is not None


def test_region_vectors() -> None:
    v = torch.tensor([[1, 0], [0, 1], [0.6, 0.8]], dtype=torch.float64).T[None, :, None]
    r = torch.tensor([0.5, 0.25, 1], dtype=torch.float64).view(1, 1, 1, 3)
    assert M.region_vectors(v, r)[0, 0].tolist() == pytest.approx([0.723356, 0.690476], abs=1e-6)
    v, r = unit(3, 4, 7, 5, axis=1), torch.rand(3, 6, 7, 5, dtype=torch.float64)
    t = M.region_vectors(v, r)
    assert torch.allclose(
        t, F.normalize((r[:, :, None] * v[:, None]).mean((3, 4)), dim=-1), atol=1e-12
    )
    assert torch.allclose(M.region_vectors(v, r * torch.rand(6, 1, 1).double()), t, atol=1e-10)
    assert torch.allclose(t.norm(dim=-1), torch.ones(3, 6, dtype=torch.float64))


def rd_loop(t: Tensor, temperature: float) -> Tensor:
    n, k, _ = t.shape
    c = [sum(t[i, j] for i in range(n)) / n for j in range(k)]
    c = [v / v.norm() for v in c]
    terms = []
    for i in range(n):
        for j in range(k):
            e = [(t[i, j] @ other / temperature).exp() for other in c]
            terms.append(-(e[j] / sum(e)).log())
    return torch.stack(terms).mean()


def test_region_discrimination() -> None:
    worked = torch.tensor([[[1, 0], [0, 1]], [[0.6, 0.8], [0, 1]]], dtype=torch.float64)
    assert M.region_discrimination(worked).item() == pytest.approx(0.154580, abs=1e-6)
    assert M.region_discrimination(torch.ones(3, 16, 1).double()).item() == pytest.approx(
        2.772589, abs=1e-6
    )
    for k, expected in ((4, 0.020012), (16, 0.096282)):
        assert M.region_discrimination(
            torch.eye(k).double().expand(5, k, k)
        ).item() == pytest.approx(expected, abs=1e-6)
    for temperature in (0.2, 1.0):
        t, u = unit(4, 5, 6, seed=3).requires_grad_(), unit(4, 5, 6, seed=3).requires_grad_()
        loss, naive = M.region_discrimination(t, temperature), rd_loop(u, temperature)
        loss.backward()
        naive.backward()  # gradients go through the prototypes in both
        assert loss.item() == pytest.approx(naive.item(), abs=1e-10)
        assert t.grad is not None
        assert u.grad is not None
        assert torch.allclose(t.grad, u.grad, atol=1e-10)


def test_symmetries_and_gradients_of_region_discrimination() -> None:
    t = unit(4, 5, 6, seed=4)
    base = M.region_discrimination(t)
    for same in (t[[2, 0, 3, 1]], t[:, [4, 1, 0, 2, 3]], t @ rotation(6)):
        assert torch.allclose(M.region_discrimination(same), base, atol=1e-12)
    v, r = (
        unit(2, 3, 2, 3, axis=1).requires_grad_(),
        torch.rand(2, 4, 2, 3, dtype=torch.float64, requires_grad=True),
    )
    assert torch.autograd.gradcheck(
        lambda v, r: M.region_discrimination(M.region_vectors(v, r)), (v, r)
    )


@pytest.mark.parametrize(("k", "expected"), [(16, 0.337290), (8, 0.543564), (2, 1.0)])
def test_entropy_of_the_undecided(k: int, expected: float) -> None:
    assert M.cluster_entropy(torch.full((2, k, 3, 4), 1 / k)).item() == pytest.approx(
        expected, abs=1e-6
    )


def test_entropy_of_the_decided_is_zero_with_finite_gradients() -> None:
    hot = F.one_hot(torch.randint(5, (2, 3, 4)), 5).movedim(-1, 1).float().requires_grad_()
    loss = M.cluster_entropy(hot)
    loss.backward()
    assert loss.item() == 0.0
    assert hot.grad is not None
    assert torch.isfinite(hot.grad).all()
    q = torch.rand(2, 3, 2, 2, dtype=torch.float64) * 0.8 + 0.1
    naive = [-p * math.log2(p) - (1 - p) * math.log2(1 - p) for p in q.flatten().tolist()]
    assert M.cluster_entropy(q).item() == pytest.approx(sum(naive) / len(naive), abs=1e-12)
    assert torch.autograd.gradcheck(M.cluster_entropy, (q.requires_grad_(),))


def test_region_assignment() -> None:
    worked = M.region_assignment(torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1), torch.eye(3)[None])
    assert worked.flatten().tolist() == pytest.approx([0.964663, 0.017668, 0.017668], abs=1e-6)
    v, t = unit(2, 4, 5, 6, axis=1), unit(2, 3, 4)
    q = M.region_assignment(v, t)
    assert torch.allclose(q[1, :, 2, 3], (t[1] @ v[1, :, 2, 3] / 0.2).softmax(0))


def test_center_weights() -> None:
    w = center_weights(5, 1.25)
    assert [w[2, 2].item(), w[0, 2].item(), w[0, 0].item()] == pytest.approx(
        [0.110493, 0.030721, 0.008542], abs=1e-6
    )
    w = center_weights()
    assert w.shape == (57, 57)
    assert w.sum().item() == pytest.approx(1, abs=1e-5)
    assert torch.equal(w, w.T)
    assert torch.equal(w, w.flip(0))
    for g, sigma in ((4, None), (0, None), (5, 0.0)):
        with pytest.raises(ValueError, match="odd number of pixels"):
            center_weights(g, sigma)


@pytest.mark.parametrize("g", [1, 3, 7, 33])
def test_center_pool_is_a_convolution(g: int) -> None:
    v = unit(2, 4, 13, 10, axis=1)
    window = center_weights(g).double().expand(4, 1, g, g)
    expected = F.normalize(F.conv2d(v, window, padding=g // 2, groups=4), dim=1)
    assert torch.allclose(center_pool(v, g), expected, atol=1e-6)


def test_the_best_match_on_the_support_itself_is_the_landmark() -> None:
    v = center_pool(unit(1, 8, 12, 15, axis=1), 5)
    points = torch.tensor([[0, 0], [3, 14], [11, 7], [6, 6]])
    maps = similarity_maps(v, v[0, :, points[:, 0], points[:, 1]].T)
    at = maps.flatten(2).argmax(2)[0]
    assert torch.stack([at // 15, at % 15], 1).tolist() == points.tolist()
    assert torch.allclose(maps.amax((2, 3)), torch.ones(1, 4, dtype=torch.float64))


@pytest.mark.parametrize("what", ["regions", "similarity", "assignment"])
def test_nothing_of_five_axes_is_made(what: str) -> None:
    v, r = (
        torch.randn(5, 12, 32, 32, requires_grad=True),
        torch.rand(5, 8, 32, 32, requires_grad=True),
    )
    run: dict[str, Callable[[], Tensor]] = {
        "regions": lambda: M.region_discrimination(M.region_vectors(v, r)),
        "similarity": lambda: similarity_maps(v, torch.randn(8, 12)).sum(),
        "assignment": lambda: M.region_assignment(v, torch.randn(5, 8, 12)).sum(),
    }
    with Largest() as seen:
        run[what]().backward()
    assert 0 < seen.elements <= v.numel()


def test_geometry_without_chance_is_the_image() -> None:
    x = torch.rand(2, 1, 12, 12)
    for flips, axes in (
        ((0.0, 0.0), ()),
        ((1.0, 0.0), (2,)),
        ((0.0, 1.0), (3,)),
        ((1.0, 1.0), (2, 3)),
    ):
        still = Geometry(0.0, flips, (1.0, 1.0), (1.0, 1.0)).draw(2, (12, 12))
        assert torch.allclose(take(x, still, 12), x.flip(*axes) if axes else x, atol=1e-5)


def test_crops_stay_inside_and_keep_their_area() -> None:
    torch.manual_seed(0)
    boxes = Geometry(0.0, (0.0, 0.0), (0.3, 0.5)).draw(3000, (30, 50))
    area, ratio = boxes[:, 0, 0] * boxes[:, 1, 1], boxes[:, 0, 0] * 50 / (boxes[:, 1, 1] * 30)
    assert 0.2999 < area.min() < 0.31
    assert 0.49 < area.max() < 0.5001
    assert ratio.min() > 0.749
    assert ratio.max() < 1.3334
    assert (boxes[:, :, :2].abs().sum(2) + boxes[:, :, 2].abs() <= 1 + 1e-6).all()


def test_rotations_keep_the_shape_of_what_they_turn() -> None:
    """The view's axes stay at right angles and equally long in pixels, in an image that is not
    square."""
    torch.manual_seed(0)
    views = Geometry(180.0, (0.5, 0.5), (0.9, 1.0), (1.0, 1.0)).draw(200, (40, 40))
    for linear, size in (
        (views[:, :, :2], (40, 40)),
        (Geometry(180.0).draw(200, (40, 70))[:, :, :2], (40, 70)),
    ):
        x, y = (linear * torch.tensor([[size[1]], [size[0]]])).unbind(2)
        assert torch.allclose(
            (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1)), torch.zeros(200), atol=1e-4
        )
    twisted = twist(views, 2.0)
    angle = (twisted[:, 0, 0] * views[:, 0, 0] + twisted[:, 1, 0] * views[:, 1, 0]) / views[
        :, :, 0
    ].norm(dim=1) ** 2
    assert torch.rad2deg(angle.clamp(max=1).acos()).max() <= 2.01
    assert torch.equal(twisted[:, :, 2], views[:, :, 2])


def test_recolour() -> None:
    x = torch.rand(16, 1, 8, 8)
    assert torch.allclose(recolour(x, 0.0, 0.0), x, atol=1e-6)
    torch.manual_seed(0)
    changed = recolour(x)
    assert changed.shape == x.shape
    assert 0 <= changed.min() <= changed.max() <= 1
    assert (changed - x).abs().mean() > 0.01


def test_impossible_geometry() -> None:
    for scale, ratio, degrees in (
        ((0.0, 1.0), (1.0, 1.0), 0.0),
        ((0.9, 0.8), (1.0, 1.0), 0.0),
        ((0.5, 1.0), (1.0, 1.0), -1.0),
    ):
        with pytest.raises(ValueError, match="scale lies in"):
            Geometry(degrees, (0.5, 0.5), scale, ratio)
