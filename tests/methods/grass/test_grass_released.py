"""GraSS as released: LARC steps taken in the backward pass are those of the optimiser in a loop."""

from collections.abc import Iterator, Mapping

import pytest
import torch
from stopping import same_weights, stopped_and_resumed
from torch import Tensor, nn

from pixcl_bench.methods.contract.learner import Learner
from pixcl_bench.methods.grass.learner import GradientGuided
from pixcl_bench.methods.grass.recipe import LARC, grass_learning_rate, larc_groups
from pixcl_bench.methods.grass.released import SelfOptimised, grass_released
from pixcl_bench.nets.transfer import build_map_encoder
from pixcl_bench.train import TrainConfig, fit

# What the loop is told and must not do: a large rate, a large decay, gradients cut to nothing.
LOUD = TrainConfig(
    steps=6, lr=3.0, weight_decay=0.5, decay_all=True, clip_grad=1e-9, checkpoint_every=2
)


class Twice(Learner):
    """Uses its encoder and a tied weight twice in a step; a bias starts at 0, a tensor gets no
    gradient."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.encoder = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 7))
        self.tied = nn.Parameter(torch.randn(7, 7) / 3)
        self.bias = nn.Parameter(torch.zeros(7))
        self.unused = nn.Parameter(torch.ones(2))

    def losses(self, batch: Mapping[str, Tensor], progress: float) -> dict[str, Tensor]:
        one, two = (self.encoder(batch[k]) @ self.tied for k in ("view1", "view2"))
        return {"loss": ((one - two) @ self.tied.T + self.bias - 1).square().mean()}


def views(start: int = 0) -> Iterator[dict[str, Tensor]]:
    for step in range(start, 100):
        generator = torch.Generator().manual_seed(step)
        yield {k: torch.randn(16, 5, generator=generator) for k in ("view1", "view2")}


def rate(progress: float) -> float:
    return 0.2 * grass_learning_rate(progress)


def by_hand(learner: Learner, momentum: float, decay: float) -> LARC:
    larc = LARC(larc_groups(learner, decay), 1.0, momentum=momentum)
    for step, batch in zip(range(LOUD.steps), views(), strict=False):
        for group in larc.param_groups:
            group["lr"] = rate(step / LOUD.steps)
        larc.zero_grad()
        learner.train().losses(batch, step / LOUD.steps)["loss"].backward()
        larc.step()
    return larc


@pytest.mark.parametrize(("momentum", "decay"), [(0.9, 1e-6), (0.0, 0.1), (0.5, 0.3)])
def test_the_steps_are_those_of_larc_in_a_loop(momentum: float, decay: float) -> None:
    own, hand = SelfOptimised(Twice(), rate, momentum=momentum, weight_decay=decay), Twice()
    history = fit(own, views, LOUD, progress=False).history
    by_hand(hand, momentum, decay)
    same_weights(own.inner, hand)
    assert not torch.equal(hand.tied, Twice().tied)
    assert torch.equal(hand.unused, torch.ones(2)), "no gradient, no step, no decay"
    assert [row["own_lr"] for row in history] == pytest.approx(
        [rate(step / 6) for step in range(6)]
    )


def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path) -> None:  # type: ignore[no-untyped-def]
    def run(folder, on_step):  # type: ignore[no-untyped-def]
        own = SelfOptimised(Twice(), rate)
        fit(own, views, LOUD, folder=folder, owner="k", on_step=on_step, progress=False)
        return own

    (tmp_path / "a").mkdir()
    whole = run(tmp_path / "a", None)
    same_weights(whole, stopped_and_resumed(run, tmp_path / "b", at=5))
    assert any(float(buffer.abs().sum()) for buffer in whole.buffers(recurse=False)), (
        "momentum is kept"
    )


def test_the_preset_is_the_release() -> None:
    learner = grass_released(encoder=build_map_encoder("resnet_nano"), hidden=24, out=8, scale=0.5)
    assert isinstance(learner.inner, GradientGuided)
    options = learner.inner.options
    assert (options.region, options.resize_mode, options.neg, options.sign) == (
        "release",
        "nearest",
        "release",
        1,
    )
    assert options.guide_updates_bn
    kinds = [type(layer) for layer in learner.inner.inner.projector]
    assert kinds == [nn.Linear, nn.Linear], "the configured ReLU is dropped"
    batch = {k: torch.rand(4, 3, 32, 32) for k in ("view1", "view2")}
    for progress in (0.05, 0.9):
        before = {k: v.clone() for k, v in learner.named_parameters()}
        found = learner.train().losses(batch, progress)
        found["loss"].backward()
        assert float(found["own_lr"]) == pytest.approx(0.5 * grass_learning_rate(progress))
        assert all(p.grad is None for p in learner.parameters())
        assert not any(torch.equal(v, before[k]) for k, v in learner.named_parameters()), (
            "all have moved"
        )
        assert ("box_area" in found) == (progress > 0.5)
    assert learner.embed(batch["view1"]).shape == (4, 96)


@pytest.mark.parametrize("wrong", [{"momentum": 1.0}, {"momentum": -0.1}, {"weight_decay": -1.0}])
def test_wrong_values_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="momentum is in"):
        SelfOptimised(Twice(), rate, **wrong)
    with pytest.raises(ValueError, match="scale"):
        grass_released(encoder=build_map_encoder("resnet_nano"), scale=0.0)
