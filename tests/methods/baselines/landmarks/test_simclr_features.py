"""SimCLR on a dense network: the loss against its parts, gradients, both matchings, contract."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from blobs import blobs

from pixcl_bench.methods.baselines.landmarks import simclr_features as M
from pixcl_bench.methods.contract.localiser import (
    Support,
    check_localiser,
    level_similarity,
    product_similarity,
)
from pixcl_bench.methods.contract.options import group_options
from pixcl_bench.nets.dense import ld_unet


def small(**args: Any) -> M.SimCLRFeatures:
    torch.manual_seed(0)
    args = {"hidden": 16, "out": 8, **args}
    network = ld_unet(width=4, levels=3)
    return M.simclr_features(network=network, **group_options(M.simclr_features, args))


def test_the_loss_is_nt_xent_of_two_views_through_all_levels() -> None:
    learner, images = small(), blobs(5)[0]
    torch.manual_seed(1)
    loss = learner.losses({"image": images}, 0.0)["loss"]
    torch.manual_seed(1)
    views = torch.cat([learner.views.view(images), learner.views.view(images)])
    assert not torch.allclose(views[:5], views[5:])
    h = torch.cat([m.mean((2, 3)) for m in learner.network(2 * views - 1)], dim=1)
    z = F.normalize(learner.projector(h), dim=1)
    naive = 0.0
    for i in range(10):
        e = [(z[i] @ z[j] / 0.2).exp() if j != i else torch.zeros(()) for j in range(10)]
        naive -= float((e[(i + 5) % 10] / sum(e)).log().detach()) / 10
    assert loss.item() == pytest.approx(naive, abs=1e-4)


def test_every_part_is_trained() -> None:
    learner = small()
    learner.losses({"image": blobs(4)[0]}, 0.0)["loss"].backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in learner.parameters())


def test_nothing_fits_a_landmark_better_than_itself() -> None:
    images, points = blobs(3)
    learner = small().eval()
    with torch.no_grad():
        features = learner.describe(images[:1])
        maps = learner.similarity(features, learner.at(features, points[0]))[0]
    y, x = (points[0] + 0.5).floor().long().unbind(1)
    assert torch.allclose(maps[torch.arange(4), y, x], maps.amax((1, 2)), atol=1e-6)
    assert torch.allclose(maps.amax((1, 2)), torch.ones(4), atol=1e-5)
    found = learner.locate(images, [Support(images[0], points[0])])[0, 0]
    # blobs are round: of nearly equal pixels any may win
    assert (found - points[0]).norm(dim=1).max() <= 3


def test_pyramid_is_the_product_of_levels() -> None:
    images, points = blobs(2)
    learner = small(matching="pyramid").eval()
    with torch.no_grad():
        maps = learner.describe(images)
        vectors = learner.at(learner.describe(images[:1]), points[0])
        found = learner.similarity(maps, vectors)
    assert [m.shape[1] for m in maps] == list(learner.network.channels)
    y, x = (points[0] + 0.5).floor().long().unbind(1)
    levels = [
        level_similarity(m, m[0, :, y // s, x // s].T)
        for m, s in zip(maps, learner.network.scales, strict=True)
    ]
    assert torch.allclose(found, product_similarity(levels, (32, 32)), atol=1e-5)


@pytest.mark.parametrize(
    "args",
    [{}, {"matching": "pyramid"}, {"crop": 16, "flips": False, "rotation": 20.0, "center": 5}],
)
def test_contract(args: dict[str, Any]) -> None:
    images, points = blobs(4)
    assert "loss" in check_localiser(
        small(**args),
        {"image": images},
        [Support(images[0], points[0]), Support(images[1], points[1])],
    )


def test_errors() -> None:
    with pytest.raises(ValueError, match="need crop"):
        small().losses({"image": blobs(2)[0][:, :, :16]}, 0.0)
    coarse = ld_unet(width=2, levels=3)
    coarse.scales = (8, 4, 2)
    with pytest.raises(ValueError, match="use 'pyramid'"):
        M.simclr_features(network=coarse)
