"""PixPro and PixContrast: partners, objectives against loops, views that do not overlap, contract,
resume."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pixcl_bench.methods.baselines.dense_transfer import pixpro as M
from pixcl_bench.methods.contract.learner import check_learner
from pixcl_bench.nets.encoders import build_encoder
from pixcl_bench.nets.transfer import build_map_encoder

SIDE = 32
BUILDERS = [M.pixpro, M.pixcontrast]


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def matrices(b: int, seed: int, turned: bool = False) -> Tensor:
    """Random crops as views of `SIDE`, every other one flipped, or all turned by any angle."""
    g, out = gen(seed), []
    for i in range(b):
        scale, shift = 0.8 + 1.2 * torch.rand(2, generator=g), 12 * torch.rand(2, generator=g)
        m = torch.diag(torch.cat([scale, torch.ones(1)]))
        m[:2, 2] = -scale * shift
        if i % 2:
            m = torch.tensor([[-1.0, 0, SIDE - 1], [0, 1, 0], [0, 0, 1]]) @ m
        if turned:
            m[:2, :2] = torch.eye(2) * scale[0]
            a = float(6.28 * torch.rand((), generator=g))
            m = (
                torch.tensor(
                    [[math.cos(a), -math.sin(a), 16], [math.sin(a), math.cos(a), -8], [0, 0, 1]]
                )
                @ m
            )
        out.append(m)
    return torch.stack(out)


def batch(b: int = 5, seed: int = 0) -> dict[str, Tensor]:
    g = gen(seed)
    images = {v: torch.rand(b, 3, SIDE, SIDE, generator=g) for v in ("view1", "view2")}
    return images | {"matrix1": matrices(b, seed + 1), "matrix2": matrices(b, seed + 2)}


def small(builder: Any, seed: int = 0, **args: Any) -> Any:
    torch.manual_seed(seed)
    args = {"dim": 8, "hidden": 16, "momentum": 0.9} | args
    return builder(encoder=build_map_encoder("resnet_nano"), **args)


def naive_cells(
    matrix: Tensor, cells: tuple[int, int], size: tuple[int, int]
) -> list[tuple[Tensor, float]]:
    back, out = matrix.double().inverse(), []
    h, w = size[0] / cells[0], size[1] / cells[1]
    for y in range(cells[0]):
        for x in range(cells[1]):
            corners = [
                (back @ torch.tensor([cx - 0.5, cy - 0.5, 1.0], dtype=torch.float64))[:2]
                for cx, cy in (
                    (x * w, y * h),
                    (x * w + w, y * h + h),
                    (x * w + w, y * h),
                    (x * w, y * h + h),
                )
            ]
            out.append((torch.stack(corners).mean(0), float((corners[0] - corners[1]).norm())))
    return out


def naive_partners(
    m1: Tensor, m2: Tensor, cells1: tuple[int, int], cells2: tuple[int, int], threshold: float
) -> Tensor:
    a, b = (naive_cells(m, c, (SIDE, SIDE)) for m, c in ((m1, cells1), (m2, cells2)))
    return torch.tensor(
        [[float((p - q).norm()) / max(d, e) <= threshold for q, e in b] for p, d in a]
    )


def naive_contrast(x: Tensor, other: Tensor, pairs: Tensor, tau: float) -> Tensor:
    losses = []
    for cell, row in zip(x, pairs, strict=True):
        e = torch.stack([(F.cosine_similarity(cell, o, dim=0) / tau).exp() for o in other])
        if row.any():
            losses.append(-(e[row].sum() / e.sum()).log())
    return torch.stack(losses).mean() if losses else x.new_zeros(())


def naive_agreement(y: Tensor, other: Tensor, pairs: Tensor) -> Tensor:
    found = [F.cosine_similarity(y[i], other[j], dim=0) for i, j in pairs.nonzero().tolist()]
    return torch.stack(found).mean() if found else y.new_zeros(())


def random_cells() -> tuple[Tensor, Tensor, Tensor]:
    g = gen(3)
    x, other = (torch.randn(3, n, 4, generator=g, dtype=torch.float64) for n in (5, 6))
    pairs = torch.rand(3, 5, 6, generator=g) < 0.3
    pairs[0, 2], pairs[1] = False, False
    return x, other, pairs


@pytest.mark.parametrize(
    ("cells1", "cells2", "threshold", "turned"),
    [
        ((4, 4), (4, 4), 0.7, False),
        ((8, 8), (4, 4), 0.7, False),
        ((3, 5), (6, 2), 1.4, False),
        ((4, 4), (4, 4), 0.3, True),
        ((5, 5), (5, 5), 0.7, True),
    ],
)
def test_partners_equal_a_loop(
    cells1: tuple[int, int], cells2: tuple[int, int], threshold: float, turned: bool
) -> None:
    m1, m2 = matrices(6, 0), matrices(6, 9, turned)
    places = M.cell_centres(m1, cells1, (SIDE, SIDE)), M.cell_centres(m2, cells2, (SIDE, SIDE))
    found = M.partners(*places, threshold)
    for i in range(6):
        assert torch.equal(found[i], naive_partners(m1[i], m2[i], cells1, cells2, threshold))
    assert found.any()
    assert torch.equal(M.partners(places[1], places[0], threshold), found.transpose(1, 2))


def test_partners_by_hand() -> None:
    def case(dx: float, threshold: float = 0.7, flip: bool = False) -> list[list[int]]:
        m = torch.tensor([[[1.0, 0, -dx], [0, 1, 0], [0, 0, 1]]])
        m = torch.tensor([[[-1.0, 0, 3], [0, 1, 0], [0, 0, 1]]]) @ m if flip else m
        places = (M.cell_centres(n, (2, 2), (4, 4)) for n in (torch.eye(3)[None], m))
        return M.partners(*places, threshold)[0].int().tolist()

    assert case(0) == torch.eye(4).int().tolist()
    assert case(0, 0.71) == [[1, 1, 1, 0], [1, 1, 0, 1], [1, 0, 1, 1], [0, 1, 1, 1]]
    assert case(1) == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]
    assert case(0, flip=True) == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    assert case(10) == [[0] * 4] * 4


def test_the_larger_cell_measures_the_distance() -> None:
    # a cell is 4 times as large in the image
    wide = torch.diag(torch.tensor([0.25, 0.25, 1.0]))[None]
    a, b = (
        M.cell_centres(torch.eye(3)[None], (4, 4), (16, 16)),
        M.cell_centres(wide, (4, 4), (16, 16)),
    )
    assert a[1].item() == pytest.approx(32**0.5)
    assert b[1].item() == pytest.approx(4 * 32**0.5)
    for one, two in ((a, b), (b, a)):
        distance = (one[0][0, :, None] - two[0][0]).norm(dim=2)
        assert torch.equal(M.partners(one, two)[0], distance <= 0.7 * 4 * 32**0.5)


def test_a_matrix_without_inverse_has_no_partners() -> None:
    good, bad = (
        M.cell_centres(torch.eye(3)[None], (2, 2), (4, 4)),
        M.cell_centres(torch.zeros(1, 3, 3), (2, 2), (4, 4)),
    )
    assert not M.partners(good, bad).any()
    assert not M.partners(bad, bad).any()


def test_contrast_by_hand() -> None:
    x, other = torch.tensor([[[2.0, 0]]]), torch.tensor([[[1.0, 0], [0, 3], [-1, 0]]])
    every = math.log(1 + math.exp(-1) + math.exp(-2))
    for row, loss in {
        (1, 0, 0): every,
        (1, 1, 0): every - math.log(1 + math.exp(-1)),
        (1, 1, 1): 0,
        (0, 0, 0): 0,
    }.items():
        pairs = torch.tensor([[row]]).bool()
        assert M.cell_contrast(x, other, pairs, 1.0).item() == pytest.approx(loss, abs=1e-6)


def test_objectives_equal_loops_with_their_gradients() -> None:
    x, other, pairs = random_cells()
    for fast, loop in (
        (
            lambda a, b, p: M.cell_contrast(a, b, p, 0.3),
            lambda a, b, p: naive_contrast(a, b, p, 0.3),
        ),
        (M.agreement, naive_agreement),
    ):
        leaf, slow = x.float().requires_grad_(), x.clone().requires_grad_()
        values = fast(leaf, other.float(), pairs)
        expected = torch.stack([loop(slow[i], other[i], pairs[i]) for i in range(3)])
        torch.testing.assert_close(values.double(), expected, rtol=1e-4, atol=1e-5)
        values.sum().backward(), expected.sum().backward()
        assert leaf.grad is not None
        assert slow.grad is not None
        torch.testing.assert_close(leaf.grad.double(), slow.grad, rtol=1e-4, atol=1e-5)
        assert (leaf.grad[1] == 0).all()
        assert (leaf.grad[0, 2] == 0).all()
    assert torch.autograd.gradcheck(
        lambda a: naive_contrast(a, other[0], pairs[0], 0.3), (x[0].clone().requires_grad_(),)
    )


@pytest.mark.parametrize("tau", [1e-4, 0.3, 100.0])
def test_extreme_temperatures(tau: float) -> None:
    x, other, pairs = random_cells()
    leaf = x.float().requires_grad_()
    M.cell_contrast(leaf, other.float(), pairs, tau).sum().backward()
    assert leaf.grad is not None
    assert torch.isfinite(leaf.grad).all()
    with pytest.raises(ValueError, match="temperature must be positive"):
        M.cell_contrast(leaf, other.float(), pairs, -tau)


def test_mean_over_images_leaves_out_those_without_pairs() -> None:
    pairs = torch.tensor([1, 0, 1]).bool().view(3, 1, 1)
    assert M.over_images(torch.tensor([1.0, 5, 3]), pairs).item() == 2.0
    assert (
        M.over_images(torch.tensor([1.0, 5, 3]), ~pairs.any(0, keepdim=True).expand(3, 1, 1)).item()
        == 0.0
    )


def test_propagation_by_hand_and_against_a_loop() -> None:
    three = torch.tensor([[[2.0, 0], [1, 1], [-1, 0]]])
    torch.testing.assert_close(
        M.Propagation(2, layers=0)(three), torch.tensor([[[2.5, 0.5], [2, 1], [-1, 0]]])
    )
    x = torch.randn(2, 6, 4, generator=gen())
    for layers, gamma in ((0, 1.0), (1, 2.0), (2, 4.0), (3, 0.5)):
        torch.manual_seed(0)
        net = M.Propagation(4, gamma=gamma, layers=layers).eval()
        with torch.no_grad():
            slow = [
                sum(
                    F.cosine_similarity(c, o, dim=0).clamp(min=0) ** gamma
                    * net.transform(o[None])[0]
                    for o in image
                )
                for image in x
                for c in image
            ]
            torch.testing.assert_close(
                net(x).flatten(0, 1), torch.stack(slow), rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize("gamma", [0.1, 1.0, 2.0, 50.0])
def test_propagation_has_finite_gradients(gamma: float) -> None:
    x = torch.randn(2, 3, 4, generator=gen())
    leaf = torch.cat([x, -x, torch.zeros(2, 1, 4)], 1).requires_grad_()
    M.Propagation(4, gamma=gamma, layers=0)(leaf).sum().backward()
    assert leaf.grad is not None
    assert torch.isfinite(leaf.grad).all()


@pytest.mark.parametrize("args", [{"layers": -1}, {"gamma": 0.0}])
def test_propagation_refuses(args: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="gamma above 0"):
        M.Propagation(4, **args)


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("level", [-1, 1])
def test_loss_of_the_learner_equals_a_loop(builder: Any, level: int) -> None:
    learner, data, values = small(builder, level=level), batch(3), []
    data["matrix2"][1, 0, 2] += 500  # no overlap
    logged = learner.losses(data, 0.0)
    with torch.no_grad():
        online = learner.online()
        (x1, x2), (t1, t2) = (
            [f(data[v]) for v in ("view1", "view2")] for f in (online, learner.target)
        )
        cells = (x1.shape[1], x1.shape[2])
        x1, x2, t1, t2 = (t.flatten(1, 2) for t in (x1, x2, t1, t2))
        for i in (0, 2):
            p = naive_partners(data["matrix1"][i], data["matrix2"][i], cells, cells, 0.7)
            if builder is M.pixcontrast:
                both = naive_contrast(x1[i], t2[i], p, 0.3) + naive_contrast(x2[i], t1[i], p.T, 0.3)
                values.append(both / 2)
            else:
                y1, y2 = (learner.propagation(x[i : i + 1])[0] for x in (x1, x2))
                values.append(-naive_agreement(y1, t2[i], p) - naive_agreement(y2, t1[i], p.T))
    assert logged["loss"].item() == pytest.approx(torch.stack(values).mean().item(), abs=1e-4)
    assert logged["overlap"].item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("builder", BUILDERS)
def test_without_any_overlap_nothing_is_learned(builder: Any) -> None:
    learner, data = small(builder), batch()
    data["matrix2"][:, 1, 2] += 500
    loss = learner.losses(data, 0.0)["loss"]
    loss.backward()
    assert loss.item() == 0.0
    assert all((p.grad == 0).all() for p in learner.parameters() if p.grad is not None)


@pytest.mark.parametrize("builder", BUILDERS)
def test_symmetric_in_the_views(builder: Any) -> None:
    learner, data = small(builder), batch()
    swapped = {f"{kind}{3 - i}": data[f"{kind}{i}"] for kind in ("view", "matrix") for i in (1, 2)}
    torch.testing.assert_close(
        learner.losses(data, 0.0)["loss"], learner.losses(swapped, 0.0)["loss"]
    )


@pytest.mark.parametrize("builder", BUILDERS)
def test_contract_and_gradients(builder: Any) -> None:
    learner = small(builder)
    assert set(check_learner(learner, batch())) == {"loss", "overlap", "partners"}
    learner.losses(batch(), 0.0)["loss"].backward()
    assert all(p.grad is None for p in learner.target.parameters())
    assert all(
        p.grad is not None and torch.isfinite(p.grad).all()
        for p in learner.parameters()
        if p.requires_grad
    )


@pytest.mark.parametrize("builder", BUILDERS)
def test_autocast_keeps_geometry_and_loss_in_float32(builder: Any) -> None:
    learner, data = small(builder), batch()
    plain = learner.losses(data, 0.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = learner.losses(data, 0.0)
    assert mixed["loss"].dtype == torch.float32
    assert torch.equal(mixed["partners"], plain["partners"])
    torch.testing.assert_close(mixed["loss"], plain["loss"], rtol=0.05, atol=0.05)


@pytest.mark.parametrize("builder", BUILDERS)
def test_resume_gives_the_same_bits(builder: Any) -> None:
    learner, other = small(builder), small(builder, seed=9)
    learner.losses(batch(), 0.0), learner.after_step(0.2)
    other.load_state_dict({n: v.clone() for n, v in learner.state_dict().items()})
    for step in range(1, 3):
        one, two = (net.losses(batch(seed=step), 0.0)["loss"] for net in (learner, other))
        assert torch.equal(one, two)
        learner.after_step(0.5), other.after_step(0.5)
    assert all(torch.equal(v, other.state_dict()[n]) for n, v in learner.state_dict().items())


def test_encoders_it_can_and_cannot_take() -> None:
    assert M.map_channels(build_encoder("conv_nano")) == 128
    assert M.map_channels(build_map_encoder("resnet_nano"), 0) == 16
    with pytest.raises(ValueError, match="has no feature_maps"):
        M.pixpro(encoder=build_encoder("vit_micro"))
    with pytest.raises(ValueError, match="nothing of a level 3"):
        small(M.pixcontrast, level=3)
    with pytest.raises(ValueError, match="threshold above 0"):
        small(M.pixpro, threshold=0.0)
