"""The LD learner: views, both stages against their parts, gradients, matching, options,
contract."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from blobs import blobs
from largest import Largest

from pixcl_bench.methods.contract.localiser import Support, check_localiser
from pixcl_bench.methods.contract.options import group_options
from pixcl_bench.methods.ld import learner as M
from pixcl_bench.methods.ld import local_discrimination as P
from pixcl_bench.nets.dense import ld_unet
from pixcl_bench.ops.centre import center_pool
from pixcl_bench.train import TrainConfig, fit

STILL = M.ViewOptions(
    rotation=0.0,
    flips=False,
    scale=(1.0, 1.0),
    ratio=(1.0, 1.0),
    jitter=(0.0, 0.0, 0.0, 0.0),
    tilt=0.0,
)


def small(**args: Any) -> M.LD:
    torch.manual_seed(0)
    args = {"dim": 8, "clusters": 4, "grid": 4, **args}
    return M.ld(network=ld_unet(width=4, levels=3), **group_options(M.ld, args))


def test_views_are_in_order_and_turn_back() -> None:
    images = blobs(6)[0]
    torch.manual_seed(0)
    views = M.draw_views(images, STILL)
    one, two, mix = views.images.split(6)[0], views.images[6:12], views.images[12:]
    assert torch.allclose(one, images, atol=1e-5)
    assert torch.allclose(P.turn(two, -views.quarters), images, atol=1e-5)
    assert len(set(views.quarters.tolist())) > 1
    w = views.weight.view(3, 1, 1, 1)
    assert torch.allclose(mix, w * images[:3] + (1 - w) * images[3:], atol=1e-5)
    assert 0.2 <= views.weight.min() <= views.weight.max() <= 0.8


def test_views_of_one_image_share_their_geometry() -> None:
    images = blobs(8, 64)[0]
    torch.manual_seed(0)
    options = M.ViewOptions(crop=48, jitter=(0.0, 0.0, 0.0, 0.0), tilt=0.0, turns=False)
    views = M.draw_views(images, options)
    assert views.images.shape == (20, 1, 48, 48)
    assert torch.equal(views.images[:8], views.images[8:16])
    assert torch.equal(views.quarters, torch.zeros(8, dtype=torch.int64))
    tilted = M.draw_views(images, replace(STILL, tilt=2.0, turns=False)).images
    assert 0 < (tilted[:8] - tilted[8:16]).abs().mean() < 0.02


def test_bad_batches() -> None:
    images = blobs(4)[0]
    with pytest.raises(ValueError, match="batch of 3: make batch_size even"):
        small().losses({"image": images[:3]}, 0.0)
    with pytest.raises(ValueError, match="images of 16 x 32 need crop"):
        small().losses({"image": images[:, :, :16]}, 0.0)
    with pytest.raises(ValueError, match="multiples of 4"):
        small(crop=30).losses({"image": images}, 0.0)
    with pytest.raises(ValueError, match="a side of 4"):
        small(crop=4, grid=8).losses({"image": images}, 0.0)


@pytest.mark.parametrize("pool", ["mean", "center"])
def test_stage_b_is_the_sum_of_its_parts(pool: str) -> None:
    learner, images = small(pool=pool), blobs(6)[0]
    torch.manual_seed(3)
    logged = learner.losses({"image": images}, 0.5)
    torch.manual_seed(3)
    views = M.draw_views(images, learner.views)
    fine = learner.network((views.images - 0.5) / 0.5)[-1]
    v = learner.embedding(fine)
    s = P.pool_cells(v, 4, 9 / 4 if pool == "center" else None)  # cells of 8 pixels, a window of 9
    back = torch.stack(
        [x.rot90(-int(k), (1, 2)) for x, k in zip(s[6:12], views.quarters, strict=True)]
    )
    w = views.weight.view(-1, 1, 1, 1)
    target = F.normalize(w * s[:3] + (1 - w) * s[3:6], dim=1).detach()
    pd = P.patch_discrimination(P.patches(torch.cat([s[:6], back])))
    mix = P.patch_discrimination(P.patches(torch.cat([s[12:], target])))
    assert learner.clustering is not None
    r = learner.clustering(fine[:12])
    t = F.normalize((r[:, :, None] * v[:12, None]).mean((3, 4)), dim=-1)
    rd, entropy = P.region_discrimination(t), P.cluster_entropy(r)
    assert logged["pd"].item() == pytest.approx(pd.item(), abs=1e-4)
    assert logged["mix"].item() == pytest.approx(mix.item(), abs=1e-4)
    assert logged["rd"].item() == pytest.approx(rd.item(), abs=1e-5)
    assert logged["entropy"].item() == pytest.approx(entropy.item(), abs=1e-5)
    assert logged["loss"].item() == pytest.approx(
        (pd + mix + 10 * rd + 0.1 * entropy).item(), abs=1e-3
    )


def test_stage_a_leaves_the_clusters_alone() -> None:
    learner, batch = small(stage_a=0.3), {"image": blobs(4)[0]}
    logged = learner.losses(batch, 0.29)
    assert sorted(logged) == ["loss", "mix", "pd"]
    logged["loss"].backward()
    assert learner.clustering is not None
    assert all(p.grad is None for p in learner.clustering.parameters())
    assert all(
        p.grad is not None
        for part in (learner.network, learner.embedding)
        for p in part.parameters()
    )
    learner.losses(batch, 0.3)["loss"].backward()
    assert all(p.grad is not None for p in learner.clustering.parameters())


def test_training_goes_through_both_stages_and_teaches() -> None:
    images = blobs(16)[0]
    learner = small(stage_a=0.5, rotation=10.0, flips=False, turns=False)
    assert learner.clustering is not None
    drawn = {k: v.clone() for k, v in learner.clustering.named_parameters()}

    def untouched(done: int, total: int) -> None:
        assert learner.clustering is not None
        same = all(torch.equal(v, drawn[k]) for k, v in learner.clustering.named_parameters())
        assert same == (done <= 20), f"after {done} steps"

    def batches(start: int) -> Any:
        while True:
            yield {"image": images[torch.randperm(16)[:8]]}

    history = fit(
        learner,
        batches,
        TrainConfig(steps=40, lr=3e-3, weight_decay=0.01, schedule="constant"),
        on_step=untouched,
        progress=False,
    ).history
    n = 2 * 8 * 16  # patches of a step
    alike = torch.tensor([n - 1.0]).log().item() + 1
    assert history[-1]["pd"] < min(history[0]["pd"], alike)
    assert "rd" not in history[10]
    assert history[-1]["rd"] < 1.2  # log 4 is what equal regions cost


def test_regions_false_is_patch_discrimination_alone() -> None:
    learner, batch = small(regions=False), {"image": blobs(4)[0]}
    assert learner.clustering is None
    assert sorted(learner.losses(batch, 0.9)) == ["loss", "mix", "pd"]
    with pytest.raises(ValueError, match="regions=False"):
        learner.memberships(batch["image"])


def test_maps_are_unit_vectors_and_memberships() -> None:
    learner, images = small().eval(), blobs(3)[0]
    with torch.no_grad():
        v, r, features = (
            learner.pixel_vectors(images),
            learner.memberships(images),
            learner.describe(images),
        )
    assert v.shape == (3, 8, 32, 32)
    assert r.shape == (3, 4, 32, 32)
    assert torch.allclose(v.norm(dim=1), torch.ones(3, 32, 32), atol=1e-5)
    assert torch.allclose(r.sum(1), torch.ones(3, 32, 32), atol=1e-5)
    assert r.min() >= 0
    assert torch.allclose(features.maps, center_pool(v, 9))


@pytest.mark.parametrize(
    "args", [{}, {"pool": "center"}, {"regions": False}, {"center": 5}, {"crop": 24, "grid": 3}]
)
def test_an_image_matched_with_itself(args: dict[str, Any]) -> None:
    images, points = blobs(2)
    learner = small(**args).eval()
    found = learner.locate(images, [Support(images[0], points[0])])
    assert torch.equal(found[0, 0], (points[0] + 0.5).floor())


def test_rotations_describe_a_turned_support_alike() -> None:
    images, _ = blobs(1)
    learner = small(rotations=True).eval()
    with torch.no_grad():
        upright = learner.at(learner.describe(images), torch.tensor([[10.0, 20.0]]))
        turned = learner.at(
            learner.describe(images.rot90(1, (2, 3))), torch.tensor([[31.0 - 20, 10.0]])
        )
        plain = small().eval()
        other = plain.at(plain.describe(images), torch.tensor([[10.0, 20.0]]))
    assert torch.allclose(upright, turned, atol=1e-5)
    assert not torch.allclose(upright, other, atol=1e-3)


def test_the_field_is_all_that_is_searched() -> None:
    images, points = blobs(3)
    learner = small(field_threshold=0.3).eval()
    found = learner.locate(images, [Support(images[1], points[1])])[0]
    at = found.long()
    assert (images[torch.arange(3)[:, None], 0, at[..., 0], at[..., 1]] > 0.3).all()


def test_missing_landmarks_and_several_supports() -> None:
    images, points = blobs(4)
    lacking = points[1].clone()
    lacking[2] = torch.nan
    supports = [Support(images[0], points[0]), Support(images[1], lacking)]
    found = small().eval().locate(images, supports)
    assert found.shape == (2, 4, 4, 2)
    assert found[1, :, 2].isnan().all()
    assert found[0].isfinite().all()


@pytest.mark.parametrize(
    "args", [{}, {"regions": False}, {"pool": "center", "rotations": True, "field_threshold": 0.1}]
)
def test_contract(args: dict[str, Any]) -> None:
    images, points = blobs(4)
    lacking = points[1].clone()
    lacking[0] = torch.nan
    logged = check_localiser(
        small(**args),
        {"image": images},
        [Support(images[0], points[0]), Support(images[1], lacking)],
    )
    assert {"loss", "pd", "mix"} <= set(logged)
    assert small(**args).embed(images).shape == (4, 16)


def test_a_step_makes_nothing_of_five_axes() -> None:
    learner, images = small(clusters=8), blobs(4)[0]
    with Largest() as seen:
        learner.losses({"image": images}, 0.9)["loss"].backward()
    # 4 items: 8 views with 8 clusters and 8 dimensions
    assert seen.elements < 8 * 8 * 8 * 32 * 32 / 4
    with Largest() as seen:
        learner.eval().locate(images, [Support(images[0], blobs(4)[1][0])])
    assert seen.elements < 4 * 4 * 8 * 32 * 32


def test_options() -> None:
    assert [M.LDOptions().window(side) for side in (448, 96, 128, 64)] == [57, 13, 17, 9]
    assert M.LDOptions(center=21).window(448) == 21
    published = M.ld(network=ld_unet())
    assert published.options == M.LDOptions()
    assert published.views == M.ViewOptions()
    decoder = sum(
        p.numel()
        for part in (published.network.decoder, published.embedding, published.clustering)
        for p in part.parameters()
    )
    assert decoder == 510_384
    with pytest.raises(ValueError, match="stage_a lies between"):
        M.LDOptions(stage_a=1.5)
    coarse = ld_unet(width=2, levels=3)
    coarse.scales = (8, 4, 2)
    with pytest.raises(ValueError, match="describes every pixel"):
        M.ld(network=coarse)
    with pytest.raises(ValueError, match="odd number of pixels"):
        small(center=4).eval().describe(blobs(1)[0])


def test_the_untrained_control_is_ld_before_its_first_step() -> None:
    built = []
    for builder in (M.ld, M.ld_untrained):
        torch.manual_seed(0)
        args = {"dim": 8, "crop": 16, "center": 3}
        built.append(
            builder(network=ld_unet(width=4, levels=3), **group_options(builder, args)).eval()
        )
    trains, floor = built
    assert (trains.trains, floor.trains, floor.batch_keys) == (True, False, ())
    own = trains.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in floor.state_dict().items())
    images = blobs(4)[0]
    support = Support(images[0], torch.tensor([[5.0, 9.0], [11.0, 3.0]]))
    assert torch.equal(*(m.locate(images, [support]) for m in built))
