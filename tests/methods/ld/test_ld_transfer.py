"""LD on colour images: views, hooks, both stages, contract; the soft Dice loss and the end of the
decoder."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pixcl_bench.methods.contract.options import group_options
from pixcl_bench.methods.ld import local_discrimination as P
from pixcl_bench.methods.ld import transfer as M
from pixcl_bench.methods.ld.learner import LDOptions, ViewOptions, ld
from pixcl_bench.nets.dense import ld_unet
from pixcl_bench.nets.transfer import build_map_encoder, dense_network
from pixcl_bench.train import TrainConfig, fit

STILL = ViewOptions(
    rotation=0.0,
    flips=False,
    scale=(1.0, 1.0),
    ratio=(1.0, 1.0),
    jitter=(0.0, 0.0, 0.0, 0.0),
    tilt=0.0,
)


def pictures(n: int, side: int = 32, seed: int = 0) -> Tensor:
    """Coloured discs on a dark ground."""
    g = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    place = side * (0.3 + 0.4 * torch.rand(n, 2, generator=g))[..., None, None]
    near = ((y - place[:, 0]) ** 2 + (x - place[:, 1]) ** 2 < (side / 5) ** 2)[:, None]
    colours = 0.3 + 0.7 * torch.rand(n, 3, 1, 1, generator=g)
    return 0.1 + 0.8 * near * colours


def small(**args: Any) -> M.ColourLD:
    torch.manual_seed(0)
    args = {"dim": 8, "clusters": 4, "grid": 4, **args}
    network = ld_unet(in_channels=3, width=4, levels=3)
    return M.ld_dense(network=network, **group_options(M.ld_dense, args))


def test_views_are_in_order_and_turn_back() -> None:
    images = pictures(6)
    learner = small(views=STILL, grey=0.0)
    torch.manual_seed(0)
    views = learner.draw({"pixels": images})
    assert views.images.shape == (15, 3, 32, 32)
    assert torch.allclose(views.images[:6], images, atol=1e-5)
    assert torch.allclose(P.turn(views.images[6:12], -views.quarters), images, atol=1e-5)
    w = views.weight.view(3, 1, 1, 1)
    assert torch.allclose(views.images[12:], w * images[:3] + (1 - w) * images[3:], atol=1e-5)


def test_light_differs_between_the_views_and_stays_in_range() -> None:
    images = pictures(40)
    learner = small(turns=False, tilt=0.0)
    torch.manual_seed(1)
    x = learner.draw({"pixels": images}).images
    one, two = x[:40], x[40:80]
    assert x.min() >= 0
    assert x.max() <= 1
    assert (one - two).abs().mean() > 0.02
    grey = ((x[:80].amax(1) - x[:80].amin(1)).amax((1, 2)) < 1e-6).float().mean()
    assert 0.05 < grey < 0.4
    assert not any(name.startswith("colour") for name in learner.state_dict())


def test_images_reach_the_network_as_they_are() -> None:
    learner, images = small().eval(), pictures(2)
    with torch.no_grad():
        expected = learner.embedding(learner.network(images)[-1])
        assert torch.equal(learner.pixel_vectors(images), expected)
        assert torch.allclose(learner.memberships(images).sum(1), torch.ones(2, 32, 32), atol=1e-5)
    assert learner.embed(images).shape == (2, 16)


def test_both_stages_log_and_train_what_ld_does() -> None:
    learner, batch = small(), {"pixels": pictures(4)}
    first = learner.losses(batch, 0.19)
    assert list(first) == ["loss", "pd", "mix"]
    first["loss"].backward()
    assert learner.clustering is not None
    assert all(p.grad is None for p in learner.clustering.parameters())
    second = learner.losses(batch, 0.2)
    assert list(second) == ["loss", "pd", "mix", "rd", "entropy", "area_min", "area_max"]
    whole = second["pd"] + second["mix"] + 10 * second["rd"] + 0.1 * second["entropy"]
    assert second["loss"].item() == pytest.approx(whole.item(), abs=1e-4)
    second["loss"].backward()
    assert all(p.grad is not None for p in learner.parameters())
    assert all(not v.requires_grad for k, v in second.items() if k != "loss")


def test_patches_alone_and_bad_batches() -> None:
    learner = small(regions=False)
    assert list(learner.losses({"pixels": pictures(4)}, 0.9)) == ["loss", "pd", "mix"]
    with pytest.raises(ValueError, match="regions=False"):
        learner.memberships(pictures(2))
    with pytest.raises(ValueError, match="batch of 3: make batch_size even"):
        learner.losses({"pixels": pictures(3)}, 0.0)


def test_defaults_are_those_of_ld() -> None:
    ours, published = M.ld_dense(network=ld_unet(in_channels=3)), ld(network=ld_unet())
    assert ours.options == published.options == LDOptions()
    assert ours.views.geometry == published.views.geometry
    assert ours.views.tilt == published.views.tilt
    shapes = [p.shape for p in published.parameters()]
    # all but the first layer's three channels
    assert [p.shape for p in ours.parameters()][1:] == shapes[1:]


def test_the_encoder_that_was_given_learns() -> None:
    torch.manual_seed(0)
    encoder = build_map_encoder("resnet_nano")
    network = dense_network(encoder, width=8)
    learner = M.ld_dense(network=network, dim=8, clusters=4, options=LDOptions(grid=4))
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    images = pictures(8)

    def batches(start: int) -> Any:
        while True:
            yield {"pixels": images}

    history = fit(
        learner,
        batches,
        TrainConfig(steps=16, lr=3e-3, weight_decay=0.0, schedule="constant"),
        progress=False,
    ).history
    moved = [k for k, v in encoder.state_dict().items() if not torch.equal(v, before[k])]
    assert len(moved) == len(before)
    assert history[-1]["pd"] < history[0]["pd"]


def test_dice_loss() -> None:
    p, y = torch.tensor([[0.9, 0.2, 0.7, 0.1]]), torch.tensor([[1, 0, 1, 0]])
    assert M.negative_dice(p, y).item() == pytest.approx(-0.653061, abs=1e-6)
    assert M.negative_dice(p, 0 * y).item() == pytest.approx(
        M.negative_dice(1 - p, torch.ones_like(y)).item(), abs=1e-6
    )
    for label in (torch.zeros(2, 9, 9), torch.ones(2, 9, 9), torch.eye(9).expand(2, 9, 9)):
        n = max(label.sum().item(), (1 - label).sum().item() if label.sum() == 0 else 0)
        assert M.negative_dice(label, label.bool()).item() == pytest.approx(-2 * n / (2 * n + 1))
        assert M.negative_dice(1 - label, label).item() == 0
        soft = torch.rand(2, 9, 9).requires_grad_()
        loss = M.negative_dice(soft, label)
        assert -1 <= loss.item() <= 0
        (gradient,) = torch.autograd.grad(loss, soft)
        assert torch.isfinite(gradient).all()
        assert gradient.abs().sum() > 0
    assert M.negative_dice(p.bfloat16(), y).dtype == torch.float32


def test_head() -> None:
    head = M.BinaryHead(32)
    assert head(torch.rand(2, 32, 8, 6)).shape == (2, 8, 6)
    convolutions = [m for m in head.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [16, 16, 1]
