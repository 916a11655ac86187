"""The learners of image_ssl: contract, worked numbers, naive references over grids of m and B."""

import itertools
from collections.abc import Callable, Mapping

import pytest
import torch
import torch.nn.functional as F

from pixcl_bench.methods.baselines.image_ssl.moco_v3 import contrast, moco_v3
from pixcl_bench.methods.contract.learner import (
    Learner,
    LearnerWrapper,
    check_gradients,
    check_learner,
    check_losses,
    copied_state,
)
from pixcl_bench.methods.floors.image_ssl import mean_color, random_init, supervised
from pixcl_bench.methods.patchmix import (
    MixOptions,
    cyclic_cross_entropy,
    mix_images,
    mixed_weights,
    original_weights,
    patchmix,
    patchmix_terms,
    segment_map,
    target_matrix,
)
from pixcl_bench.nets.encoders import build_encoder
from pixcl_bench.ops.losses import cosine_logits

Q = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [1, 1]])
K = torch.tensor([[1, 0.5], [0, 2], [-1, 1], [0.5, -0.5]])
KM = torch.tensor([[1, 1], [-1, 1], [-1, -0.5], [1, -0.2]])
SMALL = {"hidden": 32, "out": 16}
MIXES = [(m, b) for m in (1, 2, 3, 4) for b in range(m, 10)]


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(b: int = 6) -> dict[str, torch.Tensor]:
    g = gen()
    return {
        "view1": torch.randn(b, 3, 32, 32, generator=g),
        "view2": torch.randn(b, 3, 32, 32, generator=g),
        "label": torch.arange(b) % 3,
    }


@pytest.mark.parametrize("encoder", ["vit_micro", "conv_nano"])
def test_contract_with_every_option(encoder: str) -> None:
    """As the suite runs them, methods are held to the contract in test_contracts."""
    torch.manual_seed(0)
    options = MixOptions(patch=(4, 8), num_mix=(2, 3), mix_p=0.5, wrap="overwrite")
    built = patchmix(
        encoder=build_encoder(encoder), mixing=options, momentum=0.9, drop_path=0.0, **SMALL
    )
    assert check_learner(built, batch())["loss"] > 0


def test_floors_do_not_train() -> None:
    for floor in (
        random_init(encoder=build_encoder("vit_micro")),
        mean_color(),
    ):
        assert not floor.trains
        with pytest.raises(NotImplementedError, match="does not train"):
            floor.losses({}, 0.0)
    x = torch.rand(4, 3, 8, 8)
    torch.testing.assert_close(mean_color().embed(x)[:, :3], x.mean((2, 3)))


def test_moco_worked_number_and_directions() -> None:
    assert float(contrast(Q, K)) == pytest.approx(0.564528, abs=1e-6)
    net = moco_v3(encoder=build_encoder("vit_micro"), **SMALL)
    swapped = {"view1": batch()["view2"], "view2": batch()["view1"]}
    torch.testing.assert_close(
        net.losses(batch(), 0.0)["loss"], net.losses(swapped, 0.0)["loss"], atol=1e-4, rtol=0
    )


@pytest.mark.parametrize(
    "build",
    [moco_v3, lambda **k: patchmix(mixing=MixOptions(patch=4), **k)],
    ids=["moco_v3", "patchmix"],
)
@pytest.mark.parametrize(("mu", "share"), [(1.0, 0.0), (0.0, 1.0), (0.75, 0.25)])
def test_momentum_network_follows(build, mu: float, share: float) -> None:  # type: ignore[no-untyped-def]
    net = build(encoder=build_encoder("vit_micro"), momentum=mu, **SMALL)
    before = net.target.module[0].pos_embed.clone()
    with torch.no_grad():
        net.encoder.pos_embed.add_(1.0)
    net.after_step(0.0)
    torch.testing.assert_close(net.target.module[0].pos_embed, before + share)
    net.losses(batch(), 0.0)["loss"].backward()
    assert all(p.grad is None for p in net.target.parameters())


def mix_loop(images: torch.Tensor, patch: int, m: int, permutation: torch.Tensor) -> torch.Tensor:
    b, _, h, w = images.shape
    columns, out = w // patch, torch.empty_like(images)
    count = (h // patch) * columns
    size = count // m
    for i, slot in itertools.product(range(b), range(count)):
        position = int(permutation[slot])
        source = (i + (slot // size if slot < size * m else 0)) % b
        y, x = position // columns * patch, position % columns * patch
        out[i, :, y : y + patch, x : x + patch] = images[source, :, y : y + patch, x : x + patch]
    return out


@pytest.mark.parametrize(("m", "b"), MIXES)
@pytest.mark.parametrize(("h", "w", "patch"), [(8, 8, 2), (12, 8, 4), (6, 10, 2)])
def test_mixing_is_the_loop(m: int, b: int, h: int, w: int, patch: int) -> None:
    images = torch.rand(b, 3, h, w, generator=gen(b))
    order = torch.randperm((h // patch) * (w // patch), generator=gen(m))
    if m > len(order):
        pytest.skip("fewer patches than images in a mixture")
    before = images.clone()
    mixed = mix_images(images, patch=patch, num_mix=m, permutation=order)
    assert torch.equal(mixed, mix_loop(images, patch, m, order))
    assert torch.equal(images, before)
    torch.testing.assert_close(mixed.sum(0), images.sum(0))


def test_worked_rows() -> None:
    tokens = (10.0 * torch.arange(3)[:, None] + torch.arange(5)).view(3, 1, 1, 5)
    rows = {
        (0, 1, 2, 3, 4): [[0, 1, 12, 13, 4], [10, 11, 22, 23, 14], [20, 21, 2, 3, 24]],
        (3, 0, 4, 1, 2): [[0, 11, 2, 3, 14], [10, 21, 12, 13, 24], [20, 1, 22, 23, 4]],
    }
    for order, wanted in rows.items():
        mixed = mix_images(tokens, patch=1, num_mix=2, permutation=torch.tensor(order))
        assert mixed.view(3, 5).tolist() == wanted
    assert torch.bincount(segment_map(torch.randperm(17, generator=gen()), 4)).tolist() == [
        5,
        4,
        4,
        4,
    ]


def naive_targets(b: int, m: int) -> tuple[torch.Tensor, torch.Tensor]:
    sources = [[(i + j) % b for j in range(m)] for i in range(b)]
    mto = torch.tensor([[sources[i].count(c) / m for c in range(b)] for i in range(b)])
    mtm = torch.tensor(
        [[sum(s in sources[j] for s in sources[i]) / m**2 for j in range(b)] for i in range(b)]
    )
    return mto, mtm


@pytest.mark.parametrize(("m", "b"), MIXES)
def test_targets_are_the_naive_construction(m: int, b: int) -> None:
    mto, mtm = naive_targets(b, m)
    ours_o, ours_m = target_matrix(original_weights(b, m), b), target_matrix(mixed_weights(b, m), b)
    torch.testing.assert_close(ours_o, mto)
    torch.testing.assert_close(ours_m, mtm)
    torch.testing.assert_close(ours_m, mto @ mto.T)
    torch.testing.assert_close(ours_m.sum(1), torch.ones(b))


@pytest.mark.parametrize(("m", "b"), MIXES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("wrap", ["accumulate", "overwrite"])
def test_cyclic_cross_entropy_is_the_full_sum(m: int, b: int, smoothing: float, wrap: str) -> None:
    logits = torch.randn(b, b, generator=gen(b), dtype=torch.float64).requires_grad_()
    weights = mixed_weights(b, m, wrap)
    target = target_matrix(weights, b, smoothing).double()
    slow = -(target * logits.log_softmax(1)).sum(1).mean()
    fast = cyclic_cross_entropy(logits, weights, smoothing)
    torch.testing.assert_close(fast, slow, atol=1e-6, rtol=1e-6)
    (grad_fast,), (grad_slow,) = (
        torch.autograd.grad(fast, logits),
        torch.autograd.grad(slow, logits),
    )
    torch.testing.assert_close(grad_fast, grad_slow, atol=1e-6, rtol=1e-6)


def test_worked_losses() -> None:
    terms = patchmix_terms(Q, Q, K, K, KM, num_mix=2, options=MixOptions(patch=(8,)))
    wanted = {"oto": 1.639542, "mto": 2.444351, "mtm": 2.932538, "loss": 4.327986}
    assert {k: float(v) for k, v in terms.items()} == pytest.approx(wanted, abs=2e-6)
    assert float(
        cyclic_cross_entropy(cosine_logits(Q, K, 0.2), original_weights(4, 1))
    ) == pytest.approx(1.411319, abs=1e-6)


def test_wrap_around_defect() -> None:
    assert sum(mixed_weights(4, 3, wrap="overwrite").values()) == pytest.approx(0.888889, abs=1e-6)
    assert sum(mixed_weights(4, 3).values()) == pytest.approx(1.0)
    assert mixed_weights(5, 3) == mixed_weights(5, 3, wrap="overwrite")


def test_one_image_a_mixture_is_plain_contrast() -> None:
    options = MixOptions(patch=(4,), num_mix=(1,), smooth_oto=0.0)
    terms = patchmix_terms(Q, Q, K, K, K, num_mix=1, options=options)
    assert float(terms["mto"]) == pytest.approx(float(terms["oto"]), abs=1e-6)
    torch.testing.assert_close(
        terms["oto"], F.cross_entropy(cosine_logits(Q, K, 0.2), torch.arange(4))
    )


def test_keys_carry_no_gradient_and_evaluation_uses_the_momentum_network() -> None:
    for momentum in (None, 0.9):
        net = patchmix(
            encoder=build_encoder("vit_micro"), momentum=momentum, drop_path=0.0, **SMALL
        )
        assert not net.keys(batch()["view1"]).requires_grad
    with torch.no_grad():
        net.encoder.pos_embed.mul_(30.0)
    net.eval()
    torch.testing.assert_close(net.embed(batch()["view1"]), net.target.module[0](batch()["view1"]))
    assert not torch.allclose(net.embed(batch()["view1"]), net.encoder(batch()["view1"]), atol=1e-3)


def test_momentum_once_an_epoch() -> None:
    nets = [
        patchmix(encoder=build_encoder("vit_micro"), momentum=0.5, mu_epochs=e, **SMALL)
        for e in (None, 2)
    ]
    moved = []
    for net in nets:
        with torch.no_grad():
            net.encoder.pos_embed.copy_(net.target.module[0].pos_embed + 1.0)
        before = net.target.module[0].pos_embed.clone()
        net.after_step(0.49)
        moved.append(float((net.target.module[0].pos_embed - before).mean()))
    assert moved[1] == pytest.approx(0.5, abs=1e-5)
    assert moved[0] < 0.3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: mix_images(torch.rand(2, 3, 8, 8), patch=3, num_mix=2),
            "do not tile an image of 8 x 8",
        ),
        (
            lambda: mix_images(torch.rand(2, 3, 8, 8), patch=2, num_mix=3),
            "batch of 2 images cannot be mixed 3",
        ),
        (lambda: mixed_weights(4, 2, wrap="sum"), "'accumulate' or 'overwrite'"),
        (lambda: segment_map(torch.arange(3), 4), "number of patches"),
        (lambda: patchmix(encoder=build_encoder("conv_nano")), "has no patches of its own"),
        (lambda: moco_v3(encoder=build_encoder("vit_micro"), momentum=-0.1), "between 0 and 1"),
        (
            lambda: supervised(encoder=build_encoder("vit_micro"), num_classes=1),
            "at least two classes",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()


class Twice(LearnerWrapper):
    def losses(self, batch: Mapping[str, torch.Tensor], progress: float) -> dict[str, torch.Tensor]:
        return {name: 2 * value for name, value in super().losses(batch, progress).items()}


def test_a_wrapped_learner_is_the_learner_but_for_what_the_wrapper_changes() -> None:
    inner = moco_v3(encoder=build_encoder("conv_nano"), momentum=0.5, **SMALL)
    outer = Twice(inner)
    check_learner(outer, batch())
    assert outer.batch_keys == inner.batch_keys
    assert outer.encoder is inner.encoder
    images = batch()["view1"]
    assert torch.equal(outer.eval().embed(images), inner.embed(images))
    before = copied_state(inner)
    with torch.no_grad():
        next(inner.encoder.parameters()).add_(1.0)
    moved = copied_state(inner)
    outer.after_step(0.5)
    changed = {
        name for name, value in inner.state_dict().items() if not torch.equal(value, moved[name])
    }
    assert changed, "the momentum encoder of the inner learner follows"
    assert {f"inner.{name}" for name in before} == set(outer.state_dict())


class LossOnly(Learner):
    """A loss of one weight, by a rule to be tried."""

    batch_keys = ("view1",)

    def __init__(self, rule: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.rule, self.weight = rule, torch.nn.Parameter(torch.ones(()))
        self.register_buffer("seen", torch.zeros(()))

    def losses(self, batch: Mapping[str, torch.Tensor], progress: float) -> dict[str, torch.Tensor]:
        self.seen += 1
        return {"loss": self.rule(self.weight, batch["view1"]), "seen": self.seen.clone()}


CALLS = itertools.count()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda w, x: w * x, "is a scalar"),
        (lambda w, x: w * torch.inf, "is inf at progress"),
        (lambda w, x: w * next(CALLS), "same state, same draws"),
        (lambda w, x: w * x.zero_().sum(), "changed the batch in place"),
    ],
)
def test_losses_that_break_the_contract(
    rule: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        check_losses(LossOnly(rule), batch())


def test_checks_of_losses_put_buffers_back_and_leave_gradients() -> None:
    learner = LossOnly(lambda w, x: w * torch.rand(()))
    logged = check_losses(learner, batch())
    assert (float(logged["seen"]), float(learner.seen)) == (1.0, 0.0)  # type: ignore[arg-type]
    check_gradients(learner, batch())
    assert learner.weight.grad is not None
    with pytest.raises(AssertionError, match="no parameter receives a gradient"):
        check_gradients(LossOnly(lambda w, x: w * 0), batch())
    with pytest.raises(AssertionError, match="a gradient is not finite"):
        check_gradients(LossOnly(lambda w, x: (w - 1).abs().sqrt() * 1.0), batch())
