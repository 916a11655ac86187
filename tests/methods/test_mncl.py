"""MNCL: worked numbers and properties of section 8 of its specification (`nbs/specs/mncl.md`)."""

import math
from itertools import combinations
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixcl_bench.methods.contract.build import build_learner
from pixcl_bench.methods.contract.learner import check_learner, copied_state
from pixcl_bench.methods.mncl import (
    MNCL,
    GlobalTargets,
    LocalOptions,
    MemoryOptions,
    accept_any_size,
    frozen_statistics,
    global_loss,
    local_loss,
    local_targets,
    mncl,
    mncl_heads,
    mncl_terms,
    split_cells,
    subset_means,
    subset_weights,
)
from pixcl_bench.nets.encoders import build_encoder
from pixcl_bench.ops.losses import nt_xent

P1 = torch.tensor([[1.0, 0], [0, 1]])
P2 = torch.tensor([[1, 0.2], [0.1, 1]])
P3 = torch.tensor([[0.8, 0], [0, 0.5]])
K1 = torch.stack([torch.tensor([[1, 0.1 * c], [0.2 * c, 1]]) for c in range(6)])
K2 = torch.stack([torch.tensor([[1, -0.1 * c], [-0.1 * c, 1]]) for c in range(6)])
J1 = torch.tensor([[1, 0.3], [0.3, 1]])
J3 = torch.tensor([[2.0, 0], [0.5, 1]])


def small(seed: int = 0, encoder: str = "conv_nano", **args: Any) -> MNCL:
    torch.manual_seed(seed)
    args = {"hidden": 16, "out": 8, "predictor": 8, "queue": 10, "momentum": 0.9} | args
    learner = build_learner(
        "pixcl_bench.methods.mncl:mncl", args, encoder=build_encoder(encoder), num_classes=3
    )
    assert isinstance(learner, MNCL)
    return learner


def batch(seed: int = 0, b: int = 4, side: int = 16) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {f"view{v}": torch.rand(b, 3, side, side, generator=g) for v in (1, 2, 3)}


def randoms(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=g, dtype=torch.float64) for shape in shapes]


def nce(p: Tensor, k: Tensor, tau: float) -> Tensor:
    rows = []
    for i in range(len(p)):
        scores = torch.stack([F.cosine_similarity(p[i], x, dim=0) for x in k]) / tau
        rows.append(-scores.log_softmax(0)[i])
    return torch.stack(rows).mean()


def local(p: Tensor, k: Tensor, tau: float = 1.0) -> Tensor:
    return torch.stack([nce(p, one, tau) for one in k]).mean()


def ntx(z1: Tensor, z2: Tensor, tau: float = 1.0) -> Tensor:
    z, n, rows = torch.cat([z1, z2]), len(z1), []
    for u in range(2 * n):
        others = [v for v in range(2 * n) if v != u]
        scores = torch.stack([F.cosine_similarity(z[u], z[v], dim=0) for v in others]) / tau
        rows.append(-scores.log_softmax(0)[others.index((u + n) % (2 * n))])
    return torch.stack(rows).mean()


def total(p1: Tensor, p2: Tensor, p3: Tensor, tau: float = 1.0) -> Tensor:
    k1, k2, j1, j3 = (x.double() for x in (K1, K2, J1, J3))
    both = (local(p2, k1, tau) + local(p1, k2, tau)) / 2
    return both + 6 * (ntx(j3, p1, tau) + ntx(j1, p3, tau)) / 2


# (a) cells


def test_example_1() -> None:
    cells = split_cells(torch.arange(16.0).view(1, 1, 4, 4))
    expected = [[0, 1, 4, 5], [8, 9, 12, 13], [2, 3, 6, 7], [10, 11, 14, 15]]
    assert cells.flatten(1).int().tolist() == expected


@pytest.mark.parametrize(("n", "h", "w"), [(1, 5, 7), (2, 4, 8), (3, 9, 6), (4, 8, 8)])
def test_cells_put_together_are_the_image(n: int, h: int, w: int) -> None:
    images = torch.rand(2, 3, h, w)
    cells = split_cells(images, n)
    columns = [torch.cat(list(cells[c * n : (c + 1) * n]), dim=-2) for c in range(n)]
    assert torch.equal(torch.cat(columns, dim=-1), images)


def test_images_that_cannot_be_cut() -> None:
    for n in (0, 3):
        with pytest.raises(ValueError, match=f"cannot be cut into {n} x {n}"):
            split_cells(torch.zeros(1, 3, 4, 4), n)


# (b) averages of cells


def test_example_2() -> None:
    features = torch.tensor([[1.0, 0], [0, 1], [2, 2], [-1, 1]])[:, None]
    expected = [[0.5, 0.5], [1.5, 1], [0, 0.5], [1, 1.5], [-0.5, 1], [0.5, 1.5]]
    assert subset_means(features)[:, 0].tolist() == expected


@pytest.mark.parametrize(("n", "r"), [(2, 1), (2, 2), (2, 3), (2, 4), (3, 2), (3, 9)])
def test_averages_against_a_loop(n: int, r: int) -> None:
    (features,) = randoms((n * n, 3, 5))
    naive = [sum(features[c] for c in s) / r for s in combinations(range(n * n), r)]
    means = subset_means(features, r)
    assert len(means) == math.comb(n * n, r) == LocalOptions(split_num=n, combs=r).targets
    torch.testing.assert_close(means, torch.stack(naive), rtol=1e-6, atol=1e-6)
    if r == n * n:
        torch.testing.assert_close(means[0], features.mean(0), rtol=1e-6, atol=1e-6)


def test_two_entries_of_a_half_in_each_row() -> None:
    weights = subset_weights(4, 2)
    assert weights.shape == (6, 4)
    assert ((weights == 0.5).sum(1) == 2).all()
    assert (weights.sum(1) == 1).all()
    for r in (0, 5):
        with pytest.raises(ValueError, match="between 1 and 4 of 4"):
            subset_weights(4, r)


@pytest.mark.parametrize(("n", "r"), [(2, 2), (2, 4), (4, 3)])
def test_local_targets_against_a_loop(n: int, r: int) -> None:
    torch.manual_seed(0)
    encoder = build_encoder("conv_nano").eval()
    projector = mncl_heads(128, 16, 8, 4)[0].eval()
    images = torch.rand(3, 3, 16, 16)
    side = 16 // n
    with torch.no_grad():
        y = []
        for column in range(n):
            for row in range(n):
                top, left = row * side, column * side
                y.append(encoder(images[:, :, top : top + side, left : left + side]))
        naive = [projector(sum(y[c] for c in s) / r) for s in combinations(range(n * n), r)]
    found = local_targets(images, encoder, projector, LocalOptions(split_num=n, combs=r))
    assert not found.requires_grad
    torch.testing.assert_close(found, torch.stack(naive), rtol=1e-4, atol=1e-5)


# worked numbers of the losses


def test_example_3() -> None:
    terms = mncl_terms((P1, P2, P3), (K1, K2), (J1, J3))
    assert terms["local"].item() == pytest.approx(0.373149, abs=1e-6)
    assert nt_xent(J3, P1, 1.0).item() == pytest.approx(0.687479, abs=1e-6)
    assert nt_xent(J1, P3, 1.0).item() == pytest.approx(0.708602, abs=1e-6)
    assert terms["global"].item() == pytest.approx(0.698040, abs=1e-6)
    assert terms["loss"].item() == pytest.approx(4.561392, abs=5e-6)
    assert total(P1.double(), P2.double(), P3.double()).item() == pytest.approx(4.561392, abs=1e-6)


@pytest.mark.parametrize("tau", [0.2, 1.0])
def test_losses_against_loops(tau: float) -> None:
    p1, p3, j1, j3, k = randoms((5, 4), (5, 4), (5, 4), (5, 4), (6, 5, 4))
    assert local_loss(p1, k, tau).item() == pytest.approx(local(p1, k, tau).item(), abs=1e-5)
    expected = (ntx(j3, p1, tau) + ntx(j1, p3, tau)) / 2
    assert global_loss(p1, p3, j1, j3, tau).item() == pytest.approx(expected.item(), abs=1e-5)


# (c) the gradient of the local loss


def leaves() -> list[Tensor]:
    return [p.clone().requires_grad_() for p in (P1, P2, P3)]


def gradients(local_grad: bool, weights: tuple[float, float] = (1.0, 6.0)) -> list[Tensor | None]:
    p1, p2, p3 = found = leaves()
    terms = mncl_terms((p1, p2, p3), (K1, K2), (J1, J3), local_grad=local_grad)
    (weights[0] * terms["local"] + weights[1] * terms["global"]).backward()
    return [leaf.grad for leaf in found]


def test_as_released_only_the_global_loss_has_a_gradient() -> None:
    released, alone = gradients(False), gradients(True, (0.0, 6.0))
    assert released[1] is None
    for i in (0, 2):
        torch.testing.assert_close(released[i], alone[i])
    p1, p2, p3 = leaves()
    terms = mncl_terms((p1, p2, p3), (K1, K2), (J1, J3), local_grad=False)
    assert not terms["local"].requires_grad
    assert terms["loss"].item() == pytest.approx(4.561392, abs=5e-6)


def test_as_in_the_figure_both_losses_have_one() -> None:
    figure, alone = gradients(True), gradients(True, (0.0, 6.0))
    assert figure[0] is not None
    assert figure[1] is not None
    assert alone[0] is not None
    assert figure[1].norm() > 0.05
    assert (figure[0] - alone[0]).norm() > 1e-3
    torch.testing.assert_close(figure[2], alone[2])  # view 3 has a global role only


def test_learner_as_released_has_the_gradient_of_the_global_loss() -> None:
    def of_encoder(learner: MNCL, name: str, factor: float) -> list[Tensor]:
        loss = factor * learner.losses(batch(), 0.0)[name]
        return list(torch.autograd.grad(loss, list(learner.encoder.parameters())))

    released = of_encoder(small(local_grad=False), "loss", 1.0)
    alone = of_encoder(small(), "global", 6.0)
    figure = of_encoder(small(), "loss", 1.0)
    apart = [float((a - b).abs().max()) for a, b in zip(released, alone, strict=True)]
    assert max(apart) < 2e-6
    assert max(float((a - b).abs().max()) for a, b in zip(figure, alone, strict=True)) > 1e-3


def test_gradient_equals_that_of_loops_in_float64() -> None:
    doubles = [p.double().requires_grad_() for p in (P1, P2, P3)]
    assert torch.autograd.gradcheck(total, tuple(doubles))
    total(*doubles).backward()
    for fast, slow in zip(gradients(True), doubles, strict=True):
        assert fast is not None
        assert slow.grad is not None
        torch.testing.assert_close(fast.double(), slow.grad, rtol=1e-4, atol=1e-6)


# (d) what never receives a gradient


def test_targets_receive_none() -> None:
    k1, k2, j1, j3 = (x.clone().requires_grad_() for x in (K1, K2, J1, J3))
    p1, p2, p3 = leaves()
    mncl_terms((p1, p2, p3), (k1, k2), (j1, j3))["loss"].backward()
    assert all(x.grad is None for x in (k1, k2, j1, j3))


def test_momentum_copy_and_queue_receive_none() -> None:
    learner = small()
    for step in range(2):
        learner.losses(batch(step), 0.0)["loss"].backward()
        assert all(p.grad is None for p in learner.targets.parameters())
        assert not learner.targets.queue.keys.requires_grad
        trained = [p for p in learner.parameters() if p.requires_grad]
        assert all(p.grad is not None for p in trained)
        learner.after_step(0.0)


# (e) the queue


def test_queue_of_any_length_is_looked_up_before_it_moves() -> None:
    learner, held = small(queue=10), []
    for step in range(4):
        data, before = batch(step), learner.targets.queue.keys.clone()
        with torch.no_grad():
            outputs = [learner.targets.copy(data[v]) for v in ("view1", "view3")]
            found = learner.targets(data["view1"], data["view3"])
        learner.losses(data, 0.0)
        assert torch.equal(learner.targets.queue.keys, before)
        for u, j in zip(outputs, found, strict=True):
            cosines = [[float(F.cosine_similarity(v, k, dim=0)) for k in held] for v in u]
            best = [held[row.index(max(row))] for row in cosines] if held else list(u)
            expected = F.normalize(torch.stack(best), dim=1)
            torch.testing.assert_close(F.normalize(j, dim=1), expected, rtol=1e-4, atol=1e-5)
        learner.after_step(0.0)
        held = [*held, *outputs[1]][-10:]
        assert len(learner.targets.queue) == min(10, 4 * (step + 1))
    stored = F.normalize(torch.stack(held), dim=1).tolist()
    found_keys = torch.tensor(sorted(learner.targets.queue.keys.tolist()))
    torch.testing.assert_close(found_keys, torch.tensor(sorted(stored)), rtol=1e-4, atol=1e-5)


def test_no_initial_row_is_left_when_the_queue_is_full() -> None:
    memory = GlobalTargets(nn.Flatten(), 4, MemoryOptions(queue=5))
    images = torch.eye(4).view(4, 1, 2, 2)
    for step in range(3):  # 5 rows, 2 a step
        assert memory.queue.full == (step == 3)
        memory(images[:2], images[2:]), memory.follow(nn.Flatten())
    assert memory.queue.full
    assert (memory.queue.keys.norm(dim=1) == 1).all()
    found = memory(images[:2], images[2:])[1]
    assert torch.equal(found, torch.eye(4)[2:])  # a stored row finds itself


def test_calling_the_targets_changes_no_weight() -> None:
    learner = small()
    before = copied_state(learner)
    learner.losses(batch(), 0.0)
    moved = [n for n, v in learner.state_dict().items() if not torch.equal(v, before[n])]
    assert all("running" in n or "tracked" in n for n in moved)


# (f) invariances


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_losses_do_not_depend_on_lengths(scale: float) -> None:
    found = mncl_terms((scale * P1, P2 / scale, 3 * P3), (scale * K1, K2), (J1 / scale, scale * J3))
    assert found["loss"].item() == pytest.approx(4.561392, abs=1e-5)


def test_losses_do_not_depend_on_the_order_of_images_and_sets() -> None:
    p, k = (x.float() for x in randoms((5, 4), (6, 5, 4)))
    value = local_loss(p, k)
    images, sets = torch.tensor([3, 0, 4, 1, 2]), torch.tensor([5, 0, 3, 1, 2, 4])
    torch.testing.assert_close(local_loss(p[images], k[sets][:, images]), value)
    torch.testing.assert_close(global_loss(P3, P1, J3, J1), global_loss(P1, P3, J1, J3))
    flipped = [x.flip(0) for x in (P1, P3, J1, J3)]
    torch.testing.assert_close(global_loss(*flipped), global_loss(P1, P3, J1, J3))


# (g) bounds


def bound(others: int, tau: float, sign: int) -> float:
    return math.log(1 + others * math.exp(sign * 2 / tau))


def test_floor_of_the_papers_setting() -> None:
    assert bound(255, 1.0, -1) == pytest.approx(3.570, abs=5e-4)


@pytest.mark.parametrize("tau", [0.2, 1.0, 5.0])
def test_bounds_hold_and_are_reached(tau: float) -> None:
    two = torch.tensor([[1.0, 0], [-1, 0]])
    assert local_loss(two, two[None], tau).item() == pytest.approx(bound(1, tau, -1), abs=1e-4)
    assert local_loss(two, -two[None], tau).item() == pytest.approx(bound(1, tau, 1), abs=1e-4)
    for seed in range(3):
        p, q, j, l, k = randoms((5, 3), (5, 3), (5, 3), (5, 3), (6, 5, 3), seed=seed)
        assert bound(4, tau, -1) <= local_loss(p, k, tau) <= bound(4, tau, 1)
        assert bound(8, tau, -1) <= global_loss(p, q, j, l, tau) <= bound(8, tau, 1)


@pytest.mark.parametrize("tau", [1e-4, 100.0])
def test_extreme_temperatures(tau: float) -> None:
    p1, p2, p3 = found = leaves()
    loss = mncl_terms((p1, p2, p3), (K1, K2), (J1, J3), temperature=tau)["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in found)


def test_low_precision_gives_float32() -> None:
    low = local_loss(P1.bfloat16(), K2.bfloat16())
    assert low.dtype == torch.float32
    assert low.item() == pytest.approx(local_loss(P1, K2).item(), abs=0.02)


# the learner


@pytest.mark.parametrize("encoder", ["conv_nano", "vit_nano"])
@pytest.mark.parametrize("local_grad", [True, False])
def test_contract(encoder: str, local_grad: bool) -> None:
    learner = small(encoder=encoder, local_grad=local_grad)
    assert set(check_learner(learner, batch(side=32))) == {"loss", "local", "global"}
    learner.after_step(0.0)
    check_learner(learner, batch(1, side=32))


def test_transformer_gives_the_same_features_of_its_own_size() -> None:
    torch.manual_seed(0)
    encoder, images = build_encoder("vit_nano").eval(), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        before = encoder(images)
        accept_any_size(encoder)
        assert torch.equal(encoder(images), before)
        assert encoder(images[..., :16, :16]).shape == before.shape


@pytest.mark.parametrize("freeze", [True, False])
def test_local_pass_and_running_statistics(freeze: bool) -> None:
    learner = small(freeze_bn_local=freeze)
    before = copied_state(learner)
    local_targets(batch()["view1"], learner.encoder, learner.projector, learner.local)
    same = all(torch.equal(v, before[n]) for n, v in learner.state_dict().items())
    assert same == freeze
    norms = [m for m in learner.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert all(norm.track_running_stats for norm in norms)


def test_frozen_statistics_normalise_by_the_batch_and_end_with_an_error() -> None:
    norm, x = nn.BatchNorm1d(3), torch.randn(8, 3) + 5

    def fail() -> None:
        with frozen_statistics(norm):
            torch.testing.assert_close(norm(x).mean(0), torch.zeros(3), rtol=0, atol=1e-5)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert norm.track_running_stats
    assert torch.equal(norm.running_mean, torch.zeros(3))


def test_momentum_copy_at_the_start_and_after_a_step() -> None:
    learner, apart = small(), small(ema_init="independent")
    copied, own = (net.targets.copy.module[1][0].weight for net in (learner, apart))
    assert torch.equal(copied, learner.projector[0].weight)
    assert not torch.equal(own, apart.projector[0].weight)
    assert torch.equal(learner.projector[0].weight, apart.projector[0].weight)
    before = copied.clone()
    with torch.no_grad():
        learner.projector[0].weight.add_(1.0)
    learner.after_step(0.7)
    torch.testing.assert_close(learner.targets.copy.module[1][0].weight, before + 0.1)
    assert len(learner.targets.queue) == 0  # nothing was made, nothing enters


def test_resume_gives_the_same_bits() -> None:
    learner, other = small(), small(seed=9)
    for step in range(2):
        learner.losses(batch(step), 0.0), learner.after_step(0.0)
    other.load_state_dict(copied_state(learner))
    for step in range(2, 4):
        one, two = (net.losses(batch(step), 0.0)["loss"] for net in (learner, other))
        assert torch.equal(one, two)
        learner.after_step(0.0), other.after_step(0.0)
    assert all(torch.equal(v, other.state_dict()[n]) for n, v in learner.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"combs": 5}, "between 1 and split_num\\^2 = 4"),
        ({"combs": 0}, "between 1 and split_num\\^2 = 4"),
        ({"momentum": 1.1}, "between 0 and 1"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**options)


def test_published_sizes_are_the_defaults() -> None:
    with torch.device("meta"):
        learner = mncl(encoder=build_encoder("resnet18"))
    widths = [tuple(m.weight.shape) for m in learner.projector if isinstance(m, nn.Linear)]
    assert widths == [(2048, 512), (2048, 2048), (2048, 2048)]
    assert [tuple(learner.predictor[i].weight.shape) for i in (0, 3)] == [(512, 2048), (2048, 512)]
    assert sum(isinstance(m, nn.BatchNorm1d) for m in learner.projector) == 3
    assert learner.targets.queue.keys.shape == (16384, 2048)
    assert (learner.temperature, learner.weight, learner.targets.momentum) == (1.0, 6.0, 0.99)
    assert learner.local == LocalOptions(split_num=2, combs=2, local_grad=True)
    assert learner.local.targets == 6
