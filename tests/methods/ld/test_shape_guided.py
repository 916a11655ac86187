"""LD guided by shapes: reference masks, discriminator and its Adam, gradients, answers,
refinement."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixcl_bench.methods.contract.options import group_options
from pixcl_bench.methods.ld import shape_guided as M
from pixcl_bench.methods.ld import shape_prior as S
from pixcl_bench.methods.ld.transfer import negative_dice
from pixcl_bench.nets.dense import ld_unet
from pixcl_bench.train import TrainConfig, fit


def bars(n: int, side: int = 48, seed: int = 0) -> Tensor:
    """Masks of a vertical and a horizontal bar."""
    g = torch.Generator().manual_seed(seed)
    masks = torch.zeros(n, side, side, dtype=torch.uint8)
    for mask in masks:
        y, x = torch.randint(4, side - 6, (2,), generator=g).tolist()
        mask[y : y + 2] = 1
        mask[:, x : x + 3] = 1
    return masks


def pictures(n: int, side: int = 40, seed: int = 0) -> Tensor:
    masks = bars(n, side, seed + 1).float()[:, None]
    noise = 0.1 * torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))
    return noise + 0.7 - 0.5 * masks


def small(**args: Any) -> M.ShapeGuided:
    torch.manual_seed(0)
    network = ld_unet(in_channels=3, width=4, levels=3)
    args = {"dim": 8, "clusters": 4, "grid": 4, "blocks": 3, "adversary_lr": 1e-3, **args}
    return M.shape_guided(network=network, **group_options(M.shape_guided, args))


def batch(n: int = 4) -> dict[str, Tensor]:
    torch.manual_seed(9)
    return {"pixels": pictures(n), "shapes": S.draw_shapes(bars(5), 2 * n, 40)}


# ---- reference masks


def test_drawn_shapes() -> None:
    masks = bars(6)
    torch.manual_seed(0)
    shapes = S.draw_shapes(masks, 9, 40)
    assert shapes.shape == (9, 1, 40, 40)
    assert set(shapes.unique().tolist()) == {0.0, 1.0}
    torch.manual_seed(0)
    assert torch.equal(S.draw_shapes(masks * 255, 9, 40), shapes)
    torch.manual_seed(0)
    assert S.draw_shapes(masks, 9, 40, 0.5).sum() < shapes.sum()
    thin = S.draw_shapes(masks.repeat_interleave(5, 1).repeat_interleave(5, 2), 60, 40, 0.5).mean()
    assert thin.item() == pytest.approx(masks.float().mean().item(), rel=0.4)
    for nothing in (masks[:0], 0 * masks):
        with pytest.raises(ValueError, match="prior of shapes"):
            S.draw_shapes(nothing, 2, 40)


def test_shapes_keep_their_place_without_turns() -> None:
    masks = bars(6).float()[:, None]
    still = S.ShapeGeometry(0.0, (0.0, 0.0), trim=0.0).draw(6, (48, 48))
    assert torch.equal((S.take(masks, still, 48) > 0.1).float(), masks)
    half, middle = S.ShapeGeometry()._boxes(2000, 1.0, None)
    assert half.min() >= 0.8
    assert (half + middle.abs()).max() <= 1


# ---- the discriminator


@pytest.mark.parametrize("quirk", [False, True])
def test_size_of_the_discriminator(quirk: bool) -> None:
    net = S.Discriminator(official_quirk=quirk)
    assert sum(p.numel() for p in net.parameters()) == 52_129
    assert net.least == 160
    slopes = {m.negative_slope for m in net.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {1.0 if quirk else 0.2}
    assert net(torch.rand(2, 1, 160, 163)).shape == (2,)


def test_small_shapes() -> None:
    for blocks in (1, 2, 3, 4):
        net = S.Discriminator(blocks)
        assert net(torch.rand(3, 1, net.least, net.least)).shape == (3,)
        with pytest.raises(
            ValueError, match=f"of {blocks} blocks sees masks of at least {net.least}"
        ):
            net(torch.rand(1, 1, net.least - 1, 300))
    with pytest.raises(ValueError, match=r"take blocks=3 \(at least 40 pixels\)"):
        S.Discriminator()(torch.rand(1, 1, 64, 64))
    with pytest.raises(ValueError, match="at least one block"):
        S.Discriminator(0)


def test_slope_one_and_average_pools_are_affine() -> None:
    def gap(net: S.Discriminator) -> float:
        a, b = torch.rand(
            2, 1, 1, 40, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
        )
        layers = net.double().layers
        return (layers((a + b) / 2) - layers(a) / 2 - layers(b) / 2).abs().item()

    torch.manual_seed(0)
    averaged = S.Discriminator(3, official_quirk=True)
    assert gap(copy.deepcopy(averaged)) > 1e-5
    for i, layer in enumerate(averaged.layers):
        if isinstance(layer, nn.MaxPool2d):
            averaged.layers[i] = nn.AvgPool2d(2)
    assert gap(averaged) < 1e-12


def test_objectives() -> None:
    unsure = torch.zeros(4)
    assert S.fooling(unsure).item() == pytest.approx(0.693147, abs=1e-6)
    assert S.telling(unsure, unsure).item() == pytest.approx(0.693147, abs=1e-6)
    real, fake = torch.randn(5), torch.randn(3)
    target = torch.cat([torch.ones(5), torch.zeros(3)])
    both = torch.cat([real, fake]).sigmoid()
    assert torch.allclose(S.telling(real, fake), F.binary_cross_entropy(both, target), atol=1e-6)
    assert torch.allclose(
        S.fooling(fake), F.binary_cross_entropy(fake.sigmoid(), torch.ones(3)), atol=1e-6
    )


def test_adam_is_adam() -> None:
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(11, 6), nn.Conv2d(1, 2, 3))
    twin = copy.deepcopy(ours)
    own, usual = S.OwnAdam(ours, 3e-3), torch.optim.Adam(twin.parameters(), lr=3e-3)
    for _ in range(15):
        for p in twin.parameters():
            p.grad = torch.randn_like(p)
        own.step([*ours.parameters()], [p.grad for p in twin.parameters() if p.grad is not None])
        usual.step()
    assert all(map(torch.equal, ours.parameters(), twin.parameters()))
    assert own.steps.item() == 15
    assert sorted(own.state_dict()) == ["mean", "square", "steps"]


def test_a_lesson_is_a_step_of_adam() -> None:
    torch.manual_seed(0)
    net = S.Discriminator(2)
    twin = copy.deepcopy(net)
    net.requires_grad_(False)
    own, usual = S.OwnAdam(net, 1e-3), torch.optim.Adam(twin.parameters(), lr=1e-3)
    for seed in range(6):
        torch.manual_seed(seed)
        real, fake = S.draw_shapes(bars(3), 4, 24), torch.rand(4, 1, 24, 24).requires_grad_()
        said = S.teach(net, own, real, fake)
        usual.zero_grad()
        logits = twin(torch.cat([real, fake.detach()]))
        loss = S.telling(logits[:4], logits[4:])
        loss.backward()
        usual.step()
        assert torch.equal(said, loss.detach())
        assert fake.grad is None
    assert all(map(torch.equal, net.parameters(), twin.parameters()))
    assert not any(p.requires_grad or p.grad is not None for p in net.parameters())


# ---- the learner


def test_who_gets_which_gradient() -> None:
    learner, data = small(), batch()
    logged = learner.losses(data, 0.5)
    logged["loss"].backward()
    assert learner.discriminator is not None
    trained = [
        p
        for part in (learner.network, learner.embedding, learner.clustering)
        for p in part.parameters()
    ]
    assert all(p.grad is not None for p in trained)
    assert {id(p) for p in trained} == {id(p) for p in learner.parameters() if p.requires_grad}
    assert all(p.grad is None for p in learner.discriminator.parameters())
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    learner.after_step(0.5)
    changed = {
        k.split(".")[0] for k, v in learner.state_dict().items() if not torch.equal(v, before[k])
    }
    assert changed == {"discriminator", "optimiser", "told"}
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    learner.after_step(0.5)  # nothing is left to learn from
    assert all(torch.equal(v, before[k]) for k, v in learner.state_dict().items())


def test_fooling_reaches_cluster_zero() -> None:
    learner, data = small(region_weight=0.0, entropy_weight=0.0), batch()
    gradients = []
    for adversary in (learner.discriminator, None):
        learner.discriminator = adversary
        learner.zero_grad()
        torch.manual_seed(2)
        learner.losses(data, 0.5)["loss"].backward()
        gradients.append([p.grad for p in learner.clustering.parameters()])
    assert all(g is not None and g.abs().sum() > 0 for g in gradients[0][:1])
    assert all(g is None or g.abs().max() == 0 for g in gradients[1])


def test_stage_a_and_comparison_have_no_adversary() -> None:
    learner, data = small(), batch()
    assert list(learner.losses(data, 0.1)) == ["loss", "pd", "mix"]
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    learner.after_step(0.1)
    assert all(torch.equal(v, before[k]) for k, v in learner.state_dict().items())
    plain = small(adversary=False)
    assert list(plain.losses(data, 0.5)) == [
        *("loss", "pd", "mix", "rd", "entropy", "area_min", "area_max")
    ]
    torch.manual_seed(1)
    other = small(adversary=False).losses(data, 0.5)
    torch.manual_seed(1)
    guided = small().losses(data, 0.5)
    assert guided["tell"].item() == pytest.approx(0.693147, abs=1e-6)
    assert guided["entropy"].item() == pytest.approx(other["entropy"].item(), abs=0.5)


def test_bad_shapes_are_told_at_the_first_step() -> None:
    data = batch()
    with pytest.raises(ValueError, match=r"draw_shapes\(masks, count, 40\)"):
        small().losses({**data, "shapes": data["shapes"][..., :32]}, 0.0)
    with pytest.raises(ValueError, match="take blocks=3"):
        small(blocks=5).losses(data, 0.0)
    with pytest.raises(ValueError, match="reference masks"):
        small().losses({**data, "shapes": data["shapes"][:0]}, 0.0)


def test_a_training_resumes_bit_by_bit(tmp_path: Any) -> None:
    images, masks = pictures(8), bars(4)

    def batches(start: int) -> Any:
        step = start
        while True:
            order = torch.arange(4) + 2 * (step % 3)
            yield {"pixels": images[order], "shapes": S.draw_shapes(masks, 8, 40)}
            step += 1

    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise Stop

    config = TrainConfig(
        steps=8, lr=2e-3, weight_decay=0.0, schedule="constant", checkpoint_every=4
    )
    whole, parts = small(), small()
    history = fit(whole, batches, config, progress=False).history
    with pytest.raises(Stop):
        fit(parts, batches, config, folder=tmp_path, owner="x", on_step=stop, progress=False)
    resumed = small()
    again = fit(resumed, batches, config, folder=tmp_path, owner="x", progress=False)
    assert again.started_at == 4
    assert all(torch.equal(v, whole.state_dict()[k]) for k, v in resumed.state_dict().items())
    assert again.history == history
    assert resumed.optimiser is not None
    assert resumed.optimiser.steps.item() == 6  # two of eight steps are stage A


def test_answers() -> None:
    learner, images = small().eval(), pictures(3)
    field = torch.ones(3, 40, 40, dtype=torch.uint8)
    field[:, :, :10] = 0
    found = learner.maps(images, field)
    with torch.no_grad():
        v, r = learner.pixel_vectors(images), learner.memberships(images)
    for i in range(3):
        inside = field[i].float()
        t = F.normalize((v[i][None] * (r[i] * inside)[:, None]).mean((2, 3)), dim=1)
        q = (torch.einsum("kd,dhw->khw", t, v[i]) / 0.2).softmax(0)[0]
        assert torch.allclose(found.clustering[i], r[i, 0] * inside, atol=1e-6)
        assert torch.allclose(found.embedding[i], q * inside, atol=1e-4)
    assert found.embedding[:, :, :10].abs().sum() == 0
    nothing = learner.maps(images, torch.zeros(3, 40, 40))
    assert all(torch.isfinite(x).all() and x.sum() == 0 for x in nothing)
    whole = learner.maps(images)
    assert torch.equal(whole.clustering, learner.maps(images, torch.ones(3, 40, 40)).clustering)
    assert not whole.clustering.requires_grad


# ---- refinement


def test_pseudo_labels() -> None:
    said = M.pseudo_labels(
        M.Stages(torch.tensor([[[0.9, 0.7, 0.5]]]), torch.tensor([[[0.6, 0.2, 0.5]]]))
    )
    assert said.label.tolist() == [[[1, 0, 0]]]
    assert said.label.dtype == torch.uint8
    assert said.uncertainty[0, 0, 0].item() == pytest.approx(0.268764, abs=2e-6)
    assert (-said.uncertainty[0, 0, 0]).exp().item() == pytest.approx(0.764324, abs=2e-6)
    assert said.uncertainty[0, 0, 2].item() == 0
    torch.manual_seed(0)
    r, q = torch.rand(2, 3, 9, 9).clamp(0.01, 0.99)
    kl = torch.distributions.kl_divergence
    one, two = torch.distributions.Bernoulli(r), torch.distributions.Bernoulli(q)
    expected = (kl(one, two) + kl(two, one)) / 2
    assert torch.allclose(M.pseudo_labels(M.Stages(r, q)).uncertainty, expected, atol=1e-5)
    extreme = M.pseudo_labels(M.Stages(torch.zeros(1, 2, 2), torch.ones(1, 2, 2)))
    assert torch.isfinite(extreme.uncertainty).all()
    assert extreme.uncertainty.min() > 9


def test_weighted_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, label, u = (
        torch.randn(2, 7, 7),
        (torch.rand(2, 7, 7) < 0.3).to(torch.uint8),
        torch.rand(2, 7, 7),
    )
    each = F.binary_cross_entropy(logits.sigmoid(), label.float(), reduction="none")
    assert torch.allclose(
        M.weighted_bce(logits, label, u), (torch.exp(-u) * each).mean(), atol=1e-6
    )
    assert torch.allclose(M.weighted_bce(logits, label, 0 * u), each.mean(), atol=1e-6)
    assert M.weighted_bce(logits, label, u + 60).item() < 1e-20


def labelled(n: int = 4) -> dict[str, Tensor]:
    images = pictures(n)
    label = (images[:, 0] < 0.45).to(torch.uint8)
    return {"pixels": images, "label": label, "uncertainty": torch.rand(n, 40, 40) * (1 - label)}


def test_refiner_adds_its_parts() -> None:
    torch.manual_seed(0)
    learner, data = (
        M.refiner(network=ld_unet(in_channels=3, width=4, levels=3), augment=False),
        labelled(),
    )
    logged = learner.losses(data, 0.0)
    z = learner.logits(data["pixels"])
    bce = M.weighted_bce(z, data["label"], data["uncertainty"])
    dice = negative_dice(z.sigmoid(), data["label"])
    assert logged["loss"].item() == pytest.approx((bce + dice).item(), abs=1e-5)
    logged["loss"].backward()
    assert all(p.grad is not None for p in learner.parameters())
    assert learner.embed(data["pixels"]).shape == (4, 16)
    refined = learner.eval().refined(data["pixels"], torch.zeros(4, 40, 40))
    assert refined.abs().sum() == 0


def test_image_label_and_uncertainty_turn_together(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    learner, seen = M.refiner(network=ld_unet(in_channels=3, width=4, levels=3)), {}
    smooth = F.interpolate(torch.rand(4, 1, 5, 5), 40, mode="bilinear")
    data = {
        "pixels": smooth.expand(-1, 3, -1, -1),
        "label": (smooth[:, 0] > 0.5).to(torch.uint8),
        "uncertainty": smooth[:, 0],
    }

    def logits(pixels: Tensor) -> Tensor:
        seen["pixels"] = pixels
        return pixels[:, 0]

    monkeypatch.setattr(learner, "logits", logits)
    loss = learner.losses(data, 0.0)
    x = seen["pixels"][:, 0]
    assert (x - smooth[:, 0]).abs().mean() > 0.05
    expected = M.weighted_bce(x, x > 0.5, x) + negative_dice(x.sigmoid(), x > 0.5)
    assert loss["loss"].item() == pytest.approx(expected.item(), abs=0.02)


@pytest.mark.parametrize("value", [0, 1])
def test_empty_and_full_labels(value: int) -> None:
    torch.manual_seed(0)
    learner, data = M.refiner(network=ld_unet(in_channels=3, width=4, levels=3)), labelled()
    logged = learner.losses(
        {**data, "label": torch.full((4, 40, 40), value, dtype=torch.uint8)}, 0.0
    )
    logged["loss"].backward()
    assert all(torch.isfinite(v).all() for v in logged.values())
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in learner.parameters())


def test_refiner_learns_what_it_is_told() -> None:
    torch.manual_seed(0)
    network = ld_unet(in_channels=3, width=4, levels=2)
    learner, data = M.refiner(network=network, augment=False), labelled(8)

    def batches(start: int) -> Any:
        while True:
            yield data

    fit(learner, batches, TrainConfig(steps=30, lr=2e-2, weight_decay=0.0), progress=False)
    found = learner.eval().refined(data["pixels"]) > 0.5
    truth = data["label"] > 0
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.8


def test_published_values() -> None:
    published = M.shape_guided(network=ld_unet(in_channels=3))
    assert published.discriminator is not None
    assert published.optimiser is not None
    assert published.discriminator.blocks == 5
    assert published.optimiser.lr == pytest.approx(5e-5)
    decoder = [published.network.decoder, published.embedding, published.clustering]
    assert sum(p.numel() for part in decoder for p in part.parameters()) == 506_320
