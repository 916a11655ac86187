"""Every baseline of semi_seg, in 2D and 3D, is held to the contract and to the protocol's
invariants."""

import copy
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from project import ROOT
from stopping import Stopped, same_weights, stop_at
from torch import Tensor, nn

from pixcl_bench.bench.config.signature import check_arguments
from pixcl_bench.methods.baselines.semi_seg.cps import cps, cross_supervision
from pixcl_bench.methods.baselines.semi_seg.entropy_min import entropy_min, mean_entropy
from pixcl_bench.methods.baselines.semi_seg.mean_teacher import (
    TeacherOptions,
    consistency,
    mean_teacher,
)
from pixcl_bench.methods.baselines.semi_seg.supervised import (
    all_labels,
    position_prior,
    supervised_only,
)
from pixcl_bench.methods.baselines.semi_seg.ua_mt import (
    gated_consistency,
    mean_answer,
    threshold,
    ua_mt,
)
from pixcl_bench.methods.contract.segmenter import (
    Ramp,
    Segmenter,
    StepCount,
    add_noise,
    check_segmenter,
    cutmix_mask,
    paste,
    teacher_momentum,
)
from pixcl_bench.nets.segmentation import SegNet, unet, vnet
from pixcl_bench.ops.dense_losses import IGNORE, cross_entropy, dice_loss, probabilities
from pixcl_bench.ops.memory import EMA
from pixcl_bench.train import TrainConfig, fit

BUILDERS: dict[str, Callable[..., Segmenter]] = {
    "supervised_only": supervised_only,
    "all_labels": all_labels,
    "position_prior": position_prior,
    "mean_teacher": mean_teacher,
    "mean_teacher, cutmix": lambda **k: mean_teacher(cutmix=True, **k),
    "mean_teacher, no dropout": lambda **k: mean_teacher(
        slow=TeacherOptions(teacher_dropout=False), **k
    ),
    "ua_mt": ua_mt,
    "ua_mt, classes": lambda **k: ua_mt(constants="classes", passes=2, **k),
    "cps": cps,
    "cps, cutmix": lambda **k: cps(cutmix=True, **k),
    "entropy_min": entropy_min,
}
TAUGHT = [name for name in BUILDERS if name.startswith(("mean_teacher", "ua_mt"))]


def network(dims: int = 2, *, dropout: bool = True, classes: int = 3) -> SegNet:
    torch.manual_seed(0)
    build = unet if dims == 2 else vnet
    return build(num_classes=classes, width=4 if dims == 2 else 2, levels=3, dropout=dropout)


def batch(dims: int = 2, *, classes: int = 3, seed: int = 0) -> dict[str, Tensor]:
    g, space = torch.Generator().manual_seed(seed), (16,) * dims
    return {
        "labelled": torch.randn(2, 1, *space, generator=g),
        "label": torch.randint(-1, classes, (2, *space), generator=g),
        "unlabelled": torch.randn(3, 1, *space, generator=g),
    }


@pytest.mark.parametrize("name", BUILDERS)
def test_the_contract_holds_in_three_dimensions(name: str) -> None:
    """In two, as the suite runs them, test_contracts holds them to it."""
    learner = BUILDERS[name](network=network(3))
    before = copy.deepcopy(learner.state_dict())
    logged = check_segmenter(learner, batch(3))
    assert math.isfinite(logged["loss"])
    assert all(torch.equal(v, before[k]) for k, v in learner.state_dict().items()), (
        "the check left traces"
    )


@pytest.mark.parametrize("name", BUILDERS)
def test_a_deep_copy_is_the_same_learner(name: str) -> None:
    learner = BUILDERS[name](network=network())
    twin = copy.deepcopy(learner)
    learner.after_step(0.1)
    assert (int(learner.steps), int(twin.steps), int(twin.count)) == (1, 0, 0)
    twin.load_state_dict(learner.state_dict())
    assert twin.ema_momentum() == learner.ema_momentum() == 0.5


def test_what_each_sees() -> None:
    learners = {name: BUILDERS[name](network=network()) for name in BUILDERS}
    assert [n for n, learner in learners.items() if learner.sees == "all"] == ["all_labels"]
    blind = [n for n, learner in learners.items() if "unlabelled" not in learner.batch_keys]
    assert blind == ["supervised_only", "all_labels", "position_prior"]


def test_supervised_is_half_cross_entropy_half_dice() -> None:
    learner, data = supervised_only(network=network(dropout=False)), batch()
    logits = learner.network(data["labelled"])
    expected = (
        cross_entropy(logits, data["label"]) + dice_loss(logits.softmax(1), data["label"])
    ) / 2
    assert learner.losses(data, 0.0)["loss"].item() == pytest.approx(expected.item(), abs=1e-6)


def test_momentum_of_the_teacher() -> None:
    assert teacher_momentum(0) == 0.0
    assert teacher_momentum(1) == 0.5
    assert teacher_momentum(98) < teacher_momentum(99) == pytest.approx(0.99, abs=1e-12)
    assert teacher_momentum(100_000) == 0.99
    assert teacher_momentum(10, alpha=0.5) == 0.5


@pytest.mark.parametrize("name", TAUGHT)
def test_the_teacher_follows_in_its_parameters_only(name: str) -> None:
    learner = BUILDERS[name](network=network())
    assert learner.teacher is not None
    student, teacher = learner.network, learner.teacher.module
    with torch.no_grad():
        for p in student.parameters():
            p.add_(1.0)
        for b in student.buffers():
            b.add_(5)
    kept = {k: b.clone() for k, b in teacher.named_buffers()}
    learner.after_step(0.0)
    for (k, p), q in zip(teacher.named_parameters(), student.parameters(), strict=True):
        assert torch.equal(p, q), k
    assert all(torch.equal(b, kept[k]) for k, b in teacher.named_buffers())
    assert kept


@pytest.mark.parametrize("name", TAUGHT)
def test_no_gradient_reaches_the_teacher(name: str) -> None:
    learner = BUILDERS[name](network=network()).train()
    learner.losses(batch(), 0.9)["loss"].backward()
    assert learner.teacher is not None
    assert all(p.grad is None and not p.requires_grad for p in learner.teacher.parameters())
    assert all(p.grad is not None for p in learner.network.parameters())


def test_teacher_dropout_can_be_switched_off() -> None:
    for wanted in (True, False):
        learner = (
            mean_teacher(network=network(), slow=TeacherOptions(teacher_dropout=wanted))
            .eval()
            .train()
        )
        assert learner.teacher is not None
        dropouts = [m.training for m in learner.teacher.modules() if isinstance(m, nn.Dropout)]
        norms = [m.training for m in learner.teacher.modules() if isinstance(m, nn.BatchNorm2d)]
        assert set(dropouts) == {wanted}
        assert set(norms) == {True}
        assert not any(m.training for m in learner.eval().modules())


def test_before_its_start_the_mean_teacher_is_supervised() -> None:
    learner = mean_teacher(network=network(), ramp=Ramp(start=0.5))
    early, late = learner.losses(batch(), 0.49), learner.losses(batch(), 0.5)
    assert torch.equal(early["loss"].detach(), early["supervised"])
    expected = late["supervised"] + 0.1 * math.exp(-5 * 0.25) * late["consistency"]
    assert late["loss"].item() == pytest.approx(expected.item(), abs=1e-6)


def test_ua_mt_that_trusts_all_is_mean_teacher() -> None:
    g = torch.Generator().manual_seed(0)
    for shape in [(3, 2, 6, 7), (2, 2, 4, 5, 6)]:
        logits, target = torch.randn(shape, generator=g), torch.randn(shape, generator=g).softmax(1)
        everything = torch.ones(shape[0], *shape[2:], dtype=torch.bool)
        mean = consistency(logits, target).item()
        assert gated_consistency(logits, target, everything).item() == pytest.approx(mean, rel=1e-6)
    four, target = (
        torch.randn(2, 4, 5, 5, generator=g),
        torch.randn(2, 4, 5, 5, generator=g).softmax(1),
    )
    everything = torch.ones(2, 5, 5, dtype=torch.bool)
    released = gated_consistency(four, target, everything).item()
    assert released == pytest.approx(2 * consistency(four, target).item(), rel=1e-6)


def test_ua_mt_gate() -> None:
    assert threshold(0.0) == pytest.approx((0.75 + 0.25 * 0.006738) * math.log(2), abs=1e-6)
    assert threshold(1.0) == pytest.approx(math.log(2), abs=1e-12)
    assert threshold(1.0, 4) == pytest.approx(math.log(4), abs=1e-12)
    z = torch.randn(2, 3, 5, 5, requires_grad=True)
    gate = torch.rand(2, 5, 5) < 0.5
    gated_consistency(z, torch.rand(2, 3, 5, 5), gate).backward()
    assert z.grad is not None
    assert z.grad.abs().sum(1)[~gate].max() == 0
    assert gated_consistency(z, torch.rand(2, 3, 5, 5), torch.zeros_like(gate)).item() == 0


@pytest.mark.parametrize("dims", [2, 3])
def test_the_mean_answer_is_the_mean_of_all_answers(dims: int) -> None:
    teacher, images = EMA(network(dims)), batch(dims)["unlabelled"]
    state = copy.deepcopy(teacher.state_dict())
    torch.manual_seed(1)
    mean = mean_answer(teacher.train(), images, passes=6)
    teacher.load_state_dict(state)
    torch.manual_seed(1)
    doubled = torch.cat([images, images])
    all_six = [probabilities(teacher(add_noise(doubled))).unflatten(0, (2, 3)) for _ in range(3)]
    assert torch.allclose(mean, torch.cat(all_six).mean(0), atol=1e-6)
    assert not mean.requires_grad
    for passes in (0, 3):
        with pytest.raises(ValueError, match=f"got {passes}"):
            mean_answer(teacher, images, passes=passes)


def test_noise_is_cut_off() -> None:
    torch.manual_seed(0)
    noise = add_noise(torch.zeros(1, 1, 200, 200))
    assert noise.abs().max() == pytest.approx(0.2)
    assert 0.09 < noise.std() < 0.1


def test_cps_is_symmetric_and_its_networks_differ() -> None:
    learner, data = cps(network=network(dropout=False)), batch()
    assert not torch.equal(next(learner.network.parameters()), next(learner.other.parameters()))
    loss = learner.losses(data, 0.9)["loss"].item()
    learner.network, learner.other = learner.other, learner.network
    assert learner.losses(data, 0.9)["loss"].item() == pytest.approx(loss, abs=1e-6)


def test_cps_labels_carry_no_gradient() -> None:
    a, b = (torch.randn(2, 3, 4, 4, requires_grad=True) for _ in range(2))
    one_way = cross_entropy(a, b.detach().argmax(1))
    (expected,) = torch.autograd.grad(one_way, a)
    (gradient,) = torch.autograd.grad(cross_supervision(a, b), a)
    assert torch.allclose(gradient, expected, atol=1e-7)


def test_entropy_of_the_batch_is_normalised() -> None:
    assert mean_entropy(torch.zeros(2, 5, 3, 3)).item() == pytest.approx(1.0, abs=1e-5)
    assert mean_entropy(torch.tensor([[[40.0], [0.0]]])).item() == pytest.approx(0.0, abs=1e-5)


def test_position_prior_counts_and_looks_at_nothing() -> None:
    learner = position_prior(network=network(), grid=4)
    label = torch.zeros(2, 16, 16, dtype=torch.int64)
    label[:, 4:8, 8:12] = 2
    label[:, :4, :4] = IGNORE
    for _ in range(20):
        learner.losses({"labelled": torch.randn(2, 1, 16, 16), "label": label}, 0.0)
    found = learner.segment(torch.randn(5, 1, 16, 16)).argmax(1)
    assert torch.equal(found, learner.segment(torch.zeros(5, 1, 16, 16)).argmax(1))
    assert (found[:, 5:7, 9:11] == 2).all()
    assert (found[:, 10:] == 0).all()
    counts = learner.network.decoder.counts
    assert float(counts[:, 0, 0].sum()) == 0
    assert torch.equal(counts.sum(0).flatten()[1:], torch.full((15,), 40.0))
    assert [p.shape for p in learner.parameters()] == [(3,)]


@pytest.mark.parametrize("space", [(40, 56), (20, 24, 28)])
def test_cutmix_boxes(space: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    mask = cutmix_mask(torch.zeros(200, 1, *space))
    share = mask.float().flatten(1).mean(1)
    assert (share - 0.5).abs().max() < 0.12
    assert (share.mean() - 0.5).abs() < 0.01
    some, label = torch.randn(200, 3, *space), torch.randint(0, 4, (200, *space))
    i, inside = 7, mask[7, 0]
    assert torch.equal(paste(some, mask)[i][:, inside], some[i + 1][:, inside])
    assert torch.equal(paste(some, mask)[i][:, ~inside], some[i][:, ~inside])
    assert torch.equal(paste(label, mask)[i], torch.where(inside, label[i + 1], label[i]))


def test_step_count_survives_loading() -> None:
    first, second = StepCount(), StepCount()
    for _ in range(5):
        first.advance()
    second.load_state_dict(first.state_dict())
    second.advance()
    assert (int(first), int(second), int(second.steps)) == (5, 6, 6)


@pytest.mark.parametrize("name", ["position_prior", "mean_teacher", "ua_mt", "cps, cutmix"])
def test_resumed_training_ends_in_the_same_weights(name: str, tmp_path: Path) -> None:
    config = TrainConfig(steps=6, lr=1e-2, checkpoint_every=2, warmup=0.0)

    def batches(start: int) -> Iterator[dict[str, Tensor]]:
        for step in range(start, 100):
            yield batch(seed=step)

    def train(folder: Path | None, on_step: Callable[[int, int], None] | None = None) -> Segmenter:
        learner = BUILDERS[name](network=network())
        fit(learner, batches, config, folder=folder, on_step=on_step, progress=False)
        return learner

    straight = train(None)
    with pytest.raises(Stopped):
        train(tmp_path, stop_at(5))
    resumed = train(tmp_path)
    assert int(resumed.steps) == int(resumed.count) == 6
    same_weights(straight, resumed)


@pytest.mark.parametrize(
    ("target", "args"),
    [
        (
            "baselines.semi_seg.mean_teacher:mean_teacher",
            {"weight": 1, "stairs": 40, "cutmix": True, "teacher_dropout": False},
        ),
        ("baselines.semi_seg.ua_mt:ua_mt", {"passes": 4, "constants": "classes"}),
        ("baselines.semi_seg.cps:cps", {"weight": 0.5, "length": 0.4}),
        ("baselines.semi_seg.supervised:position_prior", {"grid": 16}),
        ("baselines.semi_seg.entropy_min:entropy_min", {"start": 0.1}),
    ],
)
def test_arguments_can_be_checked_without_importing(target: str, args: dict[str, object]) -> None:
    root = ROOT
    assert check_arguments(f"pixcl_bench.methods.{target}", args, root) == []
    assert len(check_arguments(f"pixcl_bench.methods.{target}", {"wieght": 1}, root)) == 1


def test_wrong_arguments_say_so() -> None:
    with pytest.raises(ValueError, match="alpha"):
        mean_teacher(network=network(), slow=TeacherOptions(alpha=1.2))
    with pytest.raises(ValueError, match="even number of at least 2, got 3"):
        ua_mt(network=network(), passes=3)
    with pytest.raises(ValueError, match="has no teacher"):
        cps(network=network()).segment(batch()["labelled"], teacher=True)
    with pytest.raises(ValueError, match="grid is at least 1"):
        position_prior(network=network(), grid=0)
