"""The loop: schedules, optimisers, precision, checkpoints, and a resume that gives the same
bits."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from stopping import Stopped, same_weights, stop_at
from torch import nn

from pixcl_bench.methods.contract.learner import Learner, check_learner
from pixcl_bench.train import (
    History,
    TrainConfig,
    build_optimizer,
    epoch_order,
    fit,
    learning_rate,
    load_checkpoint,
    parameter_groups,
    save_checkpoint,
    weight_decay,
)


class Toy(Learner):
    """A linear map with dropout, so that the random state of each step matters."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(
            nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 3)
        )

    def losses(self, batch, progress):  # type: ignore[no-untyped-def]
        return {
            "loss": (self.encoder(batch["x"]) - batch["y"]).square().mean(),
            "progress": torch.tensor(progress),
        }


X = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
Y = X[:, :3] * 2


def batches(start: int) -> Iterator[dict[str, torch.Tensor]]:
    for i in epoch_order(64, 16, seed=0, start=start):
        yield {"x": X[i] + 0.1 * torch.randn(16, 6), "y": Y[i]}


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lars"])
@pytest.mark.parametrize("killed_at", [1, 9, 10, 19, 24])
def test_resume_gives_the_same_bits(tmp_path: Path, optimizer: str, killed_at: int) -> None:
    config = TrainConfig(
        steps=25, lr=0.05, optimizer=optimizer, checkpoint_every=5, weight_decay_end=0.2
    )
    whole = Toy()
    straight = fit(whole, batches, config)
    with pytest.raises(Stopped):
        fit(Toy(), batches, config, folder=tmp_path, owner="k", on_step=stop_at(killed_at))
    again = Toy()
    resumed = fit(again, batches, config, folder=tmp_path, owner="k")
    saved = [s for s in (5, 10, 15, 20) if s < killed_at or (s == killed_at)]
    assert resumed.started_at == (saved[-1] if saved else 0)
    assert resumed.history == straight.history
    same_weights(whole, again)


def test_two_runs_agree_and_seeds_differ() -> None:
    a, b, c = Toy(), Toy(), Toy()
    fit(a, batches, TrainConfig(steps=5))
    fit(b, batches, TrainConfig(steps=5))
    fit(c, batches, TrainConfig(steps=5, seed=1))
    assert torch.equal(a.encoder[0].weight, b.encoder[0].weight)
    assert not torch.equal(a.encoder[0].weight, c.encoder[0].weight)


def test_checkpoint_of_another_run_is_not_used(tmp_path: Path) -> None:
    learner = Toy()
    optimizer = build_optimizer(learner, TrainConfig(steps=1))
    save_checkpoint(tmp_path / "c", learner, optimizer, step=3, history=History(), owner="a")
    assert load_checkpoint(tmp_path / "c", learner, optimizer, owner="b") is None
    assert load_checkpoint(tmp_path / "missing", learner, optimizer, owner="a") is None
    found = load_checkpoint(tmp_path / "c", learner, optimizer, owner="a")
    assert found == (3, [])
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_schedules() -> None:
    c = TrainConfig(
        steps=100, lr=1.0, min_lr=0.1, warmup=0.2, weight_decay=0.04, weight_decay_end=0.4
    )
    rates = [learning_rate(s, c) for s in range(100)]
    assert rates[0] == pytest.approx(0.05)
    assert rates[19] == rates[20] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.1)
    assert all(a >= b for a, b in pairwise(rates[20:]))
    assert weight_decay(0, c) == pytest.approx(0.04)
    assert weight_decay(99, c) == pytest.approx(0.4)


def test_lars_worked_number() -> None:
    for clip, wanted in ((True, [2.94, 3.92]), (False, [2.982, 3.976])):
        layer = nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([[3.0, 4.0]]))
        layer.weight.grad = torch.tensor([[0.6, 0.8]])
        optimizer = build_optimizer(
            layer, TrainConfig(steps=1, lr=0.3, optimizer="lars", weight_decay=1e-4)
        )
        for group in optimizer.param_groups:
            group["trust_clip"] = clip
        optimizer.step()
        assert layer.weight.tolist()[0] == pytest.approx(wanted, abs=2e-4)


def test_norms_and_biases_are_not_decayed() -> None:
    groups = parameter_groups(Toy(), 0.1)
    assert [g["weight_decay"] for g in groups] == [0.1, 0.0]
    assert all(p.ndim > 1 for p in groups[0]["params"])
    assert all(p.ndim == 1 for p in groups[1]["params"])


def test_every_epoch_sees_every_image_once() -> None:
    order = epoch_order(10, 5, seed=3)
    first = torch.cat([next(order), next(order)])
    second = torch.cat([next(order), next(order)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(10))
    assert first.tolist() != second.tolist()


def test_nan_stops_the_run_and_names_the_step() -> None:
    class Bad(Toy):
        def losses(self, batch, progress):  # type: ignore[no-untyped-def]
            return {"loss": self.encoder(batch["x"]).mean() * float("nan")}

    with pytest.raises(FloatingPointError, match="step 1:"):
        fit(Bad(), batches, TrainConfig(steps=3))


def test_history_is_thinned() -> None:
    result = fit(Toy(), batches, TrainConfig(steps=120))
    assert len(result.history) == 60
    assert result.history[-1]["step"] == 120
    assert set(result.history[0]) == {"step", "lr", "loss", "progress"}


@pytest.mark.parametrize(
    "change", [{"precision": "bf16"}, {"channels_last": True}, {"clip_grad": 0.5}]
)
def test_switches_train(change: dict) -> None:  # type: ignore[type-arg]
    learner = Toy()
    result = fit(learner, batches, TrainConfig(steps=60, lr=0.02, **change))
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    assert learner.encoder[0].weight.dtype == torch.float32


def test_unknown_optimizer() -> None:
    with pytest.raises(ValueError, match="use adamw, sgd or lars"):
        build_optimizer(Toy(), TrainConfig(steps=1, optimizer="adam"))


def test_contract_check_finds_faults() -> None:
    class Changes(Toy):
        batch_keys = ("x", "y")

        def losses(self, batch, progress):  # type: ignore[no-untyped-def]
            loss = super().losses(batch, progress)["loss"]
            batch["x"].mul_(2)
            return {"loss": loss * 1.0}

    class NoGradient(Toy):
        batch_keys = ("x", "y")

        def losses(self, batch, progress):  # type: ignore[no-untyped-def]
            return {"loss": batch["x"].mean().requires_grad_()}

    batch = {"x": X[:8].clone(), "y": Y[:8], "view1": X[:8]}
    with pytest.raises(AssertionError, match="no parameter receives a gradient"):
        check_learner(NoGradient(), batch)
    with pytest.raises((AssertionError, RuntimeError)):
        check_learner(Changes(), batch)
