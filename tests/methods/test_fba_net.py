"""FBA-Net: worked numbers of the method file, naive loops, gradients, heads, options, contract."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pixcl_bench.methods import fba_net as M
from pixcl_bench.methods.contract.options import group_options
from pixcl_bench.methods.contract.segmenter import check_segmenter
from pixcl_bench.nets.segmentation import SegNet, count_parameters, unet, vnet
from pixcl_bench.ops.dense_losses import ramp_up, sharpen

EF = torch.tensor([[1, 0, 0], [0.8, 0.6, 0], [0.6, 0.8, 0]], dtype=torch.float64)
EB = torch.tensor([[0, 0, 1], [0, 0.6, 0.8], [0.6, 0, 0.8]], dtype=torch.float64)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def small(dims: int = 3, classes: int = 2) -> SegNet:
    torch.manual_seed(0)
    return (vnet if dims == 3 else unet)(num_classes=classes, width=4, levels=3)


def fba(network: SegNet, num_classes: int, **flat: object) -> M.FBANet:
    options = group_options(M.fba_net, flat)
    return M.fba_net(network=network, num_classes=num_classes, **options)


def batch_of(*sides: int, classes: int = 2, few: int = 2, many: int = 2) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(1)
    return {
        "labelled": torch.randn(few, 1, *sides, generator=g),
        "label": torch.randint(-1, classes, (few, *sides), generator=g),
        "unlabelled": torch.randn(many, 1, *sides, generator=g),
    }


def test_worked_example() -> None:
    assert M.lpos(EF).item() == pytest.approx(0.141796, abs=1e-6)
    assert M.lpos(EB).item() == pytest.approx(0.171142, abs=1e-6)
    assert M.lneg(EF, EB).item() == pytest.approx(3.109869, abs=1e-6)
    whole = M.contrast_loss(torch.stack([EF, EB]), multi_class=False).item()
    assert whole == pytest.approx(0.141796 + 0.171142 + 3.109869, abs=2e-6)


def test_extremes() -> None:
    same, apart, zero = torch.ones(4, 5), torch.eye(4, 8), torch.zeros(4, 8)
    assert M.lpos(same.double()).item() == pytest.approx(0.000459, abs=1e-6)
    assert M.lneg(same, same).item() == pytest.approx(25.218342, abs=2e-5)
    assert M.lpos(apart).item() == pytest.approx(4.532828, abs=2e-6)
    assert M.lneg(apart, apart.roll(4, 1)).item() == pytest.approx(0.001659, abs=1e-6)
    assert M.lpos(zero).item() == pytest.approx(6.972606, abs=2e-6)
    assert M.lneg(zero, zero).item() == pytest.approx(0.001659, abs=1e-6)
    mean_weight = M.rank_weights(torch.full((4, 4), 0.5), 0.25).mean().item()
    assert mean_weight == pytest.approx(0.917339, abs=1e-6)


def loop(u: Tensor, v: Tensor, alpha: float, positive: bool) -> float:
    total = 0.0
    for a in u:
        sims = sorted(
            (min(max(float(a @ b / a.norm() / b.norm()), 5e-4), 1 - 5e-4) for b in v), reverse=True
        )
        for rank, s in enumerate(sims):
            total += math.exp(-alpha * (rank - 1)) * -math.log(s if positive else 1 - s)
    return total / len(u) / len(v)


@pytest.mark.parametrize(("b", "d"), [(1, 3), (2, 3), (4, 8), (9, 4)])
def test_terms_against_a_loop_and_their_invariances(b: int, d: int) -> None:
    u, v = draw(b, d), draw(b, d, seed=1)
    assert M.lpos(u).item() == pytest.approx(loop(u, u, 0.25, True))
    assert M.lneg(u, v).item() == pytest.approx(loop(u, v, 2.5, False))
    order, scale = (
        torch.randperm(b, generator=torch.Generator().manual_seed(2)),
        0.1 + 5 * draw(b, 1, seed=3),
    )
    for a, c in ((u[order], v[order]), (u * scale, v / scale)):
        assert M.lpos(a).item() == pytest.approx(M.lpos(u).item())
        assert M.lneg(a, c).item() == pytest.approx(M.lneg(u, v).item())


def test_classes_against_a_loop() -> None:
    e = draw(4, 3, 6)
    want = sum(
        M.lpos(e[n]).item() + sum(M.lneg(e[n], e[k]).item() for k in range(4) if k != n)
        for n in range(4)
    )
    assert M.contrast_loss(e, multi_class=True).item() == pytest.approx(want / 12)


def test_gradients() -> None:
    u, v = (1 + 0.5 * draw(4, 3)).requires_grad_(), draw(4, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: M.lneg(a, b, clip=1e-6), (u, v))
    assert torch.autograd.gradcheck(lambda a: M.lpos(a, clip=1e-9), (u,))
    p = (0.3 + 0.4 * draw(3, 1, 2, 2, 2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: M.consistency(x, temperature=0.5), (p,))


@pytest.mark.parametrize("straight", [False, True])
def test_beyond_the_bounds(straight: bool) -> None:
    near = (torch.ones(4, 5).double() + 1e-3 * draw(4, 5)).requires_grad_()
    other = torch.ones(4, 5).double() + 1e-3 * draw(4, 5, seed=1)
    M.lneg(near, other, straight=straight).backward()
    assert near.grad is not None
    assert bool(near.grad.abs().max() > 1e-3) == straight
    assert M.lneg(near, other, straight=True).item() == pytest.approx(M.lneg(near, other).item())


@pytest.mark.parametrize("decoders", [1, 2, 3, 5])
def test_consistency_against_a_loop(decoders: int) -> None:
    p = draw(decoders, 2, 3, 4, 5)
    want = sum(
        (p[i] - sharpen(p[j], 0.1)).square().mean().item()
        for i in range(decoders)
        for j in range(decoders)
        if i != j
    )
    assert M.consistency(p).item() == pytest.approx(want)
    hard = F.one_hot(p[0].argmax(1), 3).movedim(-1, 1).double()
    assert M.consistency(hard.expand(3, *hard.shape)).item() == pytest.approx(0, abs=1e-12)


def test_detached_target_gets_no_gradient() -> None:
    p = draw(2, 1, 2, 3, 3).requires_grad_()
    grad = torch.autograd.grad(M.consistency(p, detach_target=True), p)[0]
    torch.testing.assert_close(grad, 2 * (p - sharpen(p, 0.1).roll(1, 0)).detach() / p[0].numel())


def test_ramp_in_the_released_stairs() -> None:
    values = [ramp_up(0.4 * k / 40, length=0.4, stairs=40) for k in (0, 20, 39, 40)]
    assert values == pytest.approx([0.006738, 0.286505, 0.996880, 1.0], abs=1e-6)


def test_pooling_and_grid() -> None:
    z = draw(2, 5, 4, 6, 8).float()
    half = M.pool_by(torch.full((2, 2, 4, 6, 8), 0.5), z)
    torch.testing.assert_close(half[:, 0], half[:, 1])
    torch.testing.assert_close(half[:, 0], z.mean((2, 3, 4)))
    torch.testing.assert_close(M.halve(z), F.avg_pool3d(z, 2))
    for size in ((10, 14, 14), (3, 4, 5), (4, 6, 8)):
        torch.testing.assert_close(M.to_grid(z, size), F.adaptive_avg_pool3d(z, size))
    maps = M.ClassMaps(num_classes=2, dims=3, multi_class=False)(torch.randn(2, 2, 4, 6, 8))
    assert maps.shape == (2, 2, 2, 3, 4)
    torch.testing.assert_close(maps.sum(1), torch.ones(2, 2, 3, 4))


def test_official_head_divides_by_the_number_of_voxels() -> None:
    head = M.MapHead(spatial=(4, 4, 4), multi_class=False, dim=6)
    a = torch.rand(3, 1, 2, 2, 2)
    out = head(torch.cat([a, 1 - a], dim=1), torch.rand(3, 5, 4, 4, 4))
    for k, m in enumerate((a, 1 - a)):
        torch.testing.assert_close(out[:, k], head.layers[k](m.flatten(1) / 8).relu())
    assert out.min() >= 0


def test_parameter_counts() -> None:
    with torch.device("meta"):
        net = vnet(num_classes=2)
        plus = fba(net, 2, head="official", spatial=(80, 112, 112))
        pooled = M.fba_net(network=vnet(num_classes=2), num_classes=2)
        plain = M.mc_net(network=vnet(num_classes=2), num_classes=2)
    assert count_parameters(plus) == 111_585_422
    assert sum(count_parameters(c.head) for c in plus.contrast) == 96_338_688  # type: ignore[arg-type]
    assert count_parameters(pooled) - count_parameters(plain) == 3 * 18_744


OPTIONS = [
    {},
    {"decoders": 1},
    {"decoders": 2, "con_weight": 0.0},
    {"head": "mlp_norm"},
    {"head": "official", "spatial": (8, 8, 16)},
    {"fg_source": "prob", "head": "mlp_norm"},
    {"supervised": "official", "straight": True, "clip": 1e-6, "detach_target": True},
    {"multi_class": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_contract_in_3d(options: dict[str, object]) -> None:
    check_segmenter(fba(small(), 2, **options), batch_of(8, 8, 16))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fg_source": "prob"},
        {"head": "official", "spatial": (16, 24), "supervised": "official"},
    ],
    ids=str,
)
def test_contract_in_2d_with_classes(options: dict[str, object]) -> None:
    learner = fba(small(2, 4), 4, **options)
    check_segmenter(learner, batch_of(16, 24, classes=4, few=1, many=3))


@pytest.mark.parametrize("sides", [(4, 4, 4), (4, 12, 20), (16, 8, 8)])
def test_any_patch_size(sides: tuple[int, ...]) -> None:
    learner = fba(small(), 2)
    assert torch.isfinite(learner.losses(batch_of(*sides), 0.5)["loss"])


def test_loss_is_the_sum_it_says() -> None:
    learner = fba(small(), 2, con_weight=0.3, cons_weight=2.0)
    out = learner.losses(batch_of(8, 8, 8), 0.2)
    ramp = ramp_up(0.2, length=0.4, stairs=40)
    want = out["supervised"] + 2 * ramp * out["consistency"] + 0.3 * out["contrast"]
    torch.testing.assert_close(out["loss"].detach(), want)
    plain = fba(small(), 2, decoders=1, con_weight=0.0)
    out = plain.losses(batch_of(8, 8, 8), 0.2)
    assert out["consistency"] == 0
    assert out["contrast"] == 0
    assert torch.equal(out["loss"].detach(), out["supervised"])


def test_one_encoder_and_decoders_of_their_own() -> None:
    learner = fba(small(), 2)
    decoders = [learner.network.decoder, *learner.others]
    assert len({id(p) for d in decoders for p in d.parameters()}) == sum(
        len(list(d.parameters())) for d in decoders
    )
    learner.losses(batch_of(8, 8, 8), 0.5)["loss"].backward()
    assert all(p.grad is not None for p in learner.parameters())
    first, second = (d.logits for d in learner.decode_all(batch_of(8, 8, 8)["labelled"])[:2])
    assert not torch.equal(first, second)


def test_official_supervision() -> None:
    y = torch.tensor([[[1, 0], [0, 1]]])
    logits = torch.stack(
        [torch.zeros(1, 2, 2), torch.logit(torch.tensor([[[0.8, 0.4], [0.2, 0.6]]]))], dim=1
    )
    three = fba(small(2), 2, supervised="official")
    one = fba(small(2), 2, supervised="official", decoders=1)
    assert one.supervised_all([logits], y).item() == pytest.approx(0.3, abs=1e-6)
    assert three.supervised_all([logits] * 3, y).item() == pytest.approx(0.45, abs=1e-6)


def test_autocast_changes_little() -> None:
    learner = fba(small(), 2)
    batch = batch_of(8, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = learner.losses(batch, 0.5)
    assert out["loss"].dtype == torch.float32
    full = fba(small(), 2).losses(batch, 0.5)
    assert abs(out["supervised"] - full["supervised"]) < 0.1
    assert torch.isfinite(out["contrast"])  # in bfloat16 the clipped cosine would be 1


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: fba(small(), 2, head="official"), "needs spatial, the 3 sides"),
        (lambda: fba(small(), 2, decoders=4), "decoders is 1, 2 or 3"),
        (lambda: fba(small(), 3), "must be the network's"),
        (lambda: fba(small(), 2, clip=0.6), "clip lies between 0 and 0.5"),
    ],
)
def test_wrong_arguments(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_official_head_knows_one_size() -> None:
    learner = fba(small(), 2, head="official", spatial=(8, 8, 8))
    with pytest.raises(ValueError, match="made for images of"):
        learner.losses(batch_of(8, 8, 16), 0.0)
