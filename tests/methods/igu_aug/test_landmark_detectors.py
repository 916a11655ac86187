"""Landmark detectors: targets, loss, votes, moved images, the stages of training and what they
remember."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pixcl_bench.methods.contract.localiser import (
    Preparation,
    Support,
    argmax_points,
    check_localiser,
)
from pixcl_bench.methods.contract.options import group_options
from pixcl_bench.methods.igu_aug.detection_maps import (
    Maps,
    detection_loss,
    disk_pixels,
    disk_radius,
    move_together,
    vote,
)
from pixcl_bench.methods.igu_aug.detectors import (
    DetectionOptions,
    Detector,
    OneShotDetector,
    detector,
    labelled_pool,
    one_shot_detector,
    pretrained_detector,
)
from pixcl_bench.nets.dense import ld_unet, vgg19_unet

FIRST = {"crop": 16, "dim": 4, "window": 2, "levels": 3, "context": False}
PLACES = torch.tensor([[5.3, 7.9], [0.0, 0.0], [12.5, 3.5], [-2.2, 6.0], [40.0, 4.0]])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def targets(points: Tensor, size: tuple[int, int], radius: int) -> tuple[Tensor, Tensor]:
    mask, offset = torch.zeros(len(points), *size), torch.zeros(2, len(points), *size)
    for i, (py, px) in enumerate(points.tolist()):
        for y in range(size[0]):
            for x in range(size[1]):
                if (y - py) ** 2 + (x - px) ** 2 <= radius**2:
                    mask[i, y, x] = 1
                    offset[:, i, y, x] = torch.tensor([(py - y) / radius, (px - x) / radius])
    return mask, offset


def dense(mask: Tensor, offsets: Tensor) -> Maps:
    _, b, n, h, w = offsets.shape
    features = offsets.movedim(0, 1).reshape(b, 2 * n, h, w)
    return Maps(mask, features, torch.eye(2 * n).view(2, n, -1), torch.zeros(2, n))


def given(images: int = 6, side: int = 32, landmarks: int = 3) -> Preparation:
    points = torch.rand(images, landmarks, 2) * (side - 1)
    shown = torch.randint(0, 256, (images, side, side), dtype=torch.uint8)
    support = Support(shown[:1].float() / 255, points[0])
    return Preparation(
        images=shown, information=torch.rand(images, side, side) * 6, support=support, points=points
    )


def batch_of(g: Preparation) -> dict[str, Tensor]:
    assert g.points is not None
    assert g.information is not None
    return {
        "image": g.images[:4, None].float() / 255,
        "points": g.points[:4],
        "information": g.information[:4],
    }


def build(maker: Callable[..., Any], **options: Any) -> Any:
    torch.manual_seed(0)
    return maker(
        network=ld_unet(width=2, levels=3), num_landmarks=3, **group_options(maker, options)
    )


def test_disks_equal_a_loop() -> None:
    points = torch.cat([PLACES, torch.tensor([[math.nan, 3.0]])])
    mask, offset = targets(points, (13, 17), 4)
    index, within, ours = disk_pixels(points[None], (13, 17), 4)
    stacked = torch.cat([within, ours[:, 0] * within]).float().view(3, 6, -1)
    full = torch.zeros(3, 6, 13 * 17).scatter_add_(2, index.expand(3, -1, -1), stacked)
    assert torch.allclose(full.view(3, 6, 13, 17), torch.cat([mask[None], offset]), atol=1e-6)


def test_radius() -> None:
    assert [disk_radius((n, n + 5)) for n in (384, 128, 10)] == [19, 6, 1]
    with pytest.raises(ValueError, match="a part of the side"):
        disk_radius((64, 64), 0.0)


def test_loss_equals_torch_on_full_targets() -> None:
    both = torch.stack([PLACES, PLACES + 1])
    drawn = [targets(p, (13, 17), 4) for p in both]
    mask, offset = torch.stack([m for m, _ in drawn]), torch.stack([o for _, o in drawn], 1)
    maps = dense(torch.randn(2, 5, 13, 17), torch.randn(2, 2, 5, 13, 17))
    found = detection_loss(maps, both, 4, 3.0, "image")
    entropy = F.binary_cross_entropy_with_logits(maps.mask, mask)
    error = ((maps.dense_offsets() - offset).abs().sum(0) * mask).sum() / mask.sum()
    assert torch.allclose(found["mask"], entropy, atol=1e-5)
    assert torch.allclose(found["offset"], error, atol=1e-5)
    assert torch.allclose(found["loss"], entropy + 3 * error, atol=1e-5)
    balanced = detection_loss(maps, both, 4)["mask"]
    assert torch.allclose(balanced, entropy * mask.numel() / mask.sum(), rtol=1e-4)
    assert float(detection_loss(dense(200 * mask - 100, offset), both, 4)["loss"]) < 1e-5


def test_unknown_landmarks_count_in_nothing() -> None:
    mask, offsets = (
        torch.randn(2, 5, 13, 17, requires_grad=True),
        torch.randn(2, 2, 5, 13, 17, requires_grad=True),
    )
    points = torch.stack([PLACES, PLACES + 1])
    points[1, 2:] = math.nan
    detection_loss(dense(mask, offsets), points, 4)["loss"].backward()
    assert mask.grad is not None
    assert offsets.grad is not None
    assert not mask.grad[1, 2:].any()
    assert not offsets.grad[:, 1, 2:].any()
    assert bool(mask.grad[0].any())
    nothing = detection_loss(dense(mask, offsets), points * math.nan, 4)
    assert {k: float(v.detach()) for k, v in nothing.items()} == {
        "loss": 0.0,
        "mask": 0.0,
        "offset": 0.0,
    }


def vote_loop(mask: Tensor, offsets: Tensor, radius: int) -> Tensor:
    h, w = mask.shape
    votes = torch.zeros(h, w)
    order = sorted(range(h * w), key=lambda i: -float(mask.flatten()[i]))[: int(3.14 * radius**2)]
    for i in order:
        y = i // w + math.floor(radius * float(offsets[0].flatten()[i]) + 0.5)
        x = i % w + math.floor(radius * float(offsets[1].flatten()[i]) + 0.5)
        if 0 <= y < h and 0 <= x < w:
            votes[y, x] += 1
    return votes


def test_votes_equal_a_loop() -> None:
    maps = dense(torch.randn(2, 3, 13, 17), torch.randn(2, 2, 3, 13, 17))
    votes, offsets = vote(maps, 3), maps.dense_offsets()
    for b in range(2):
        for n in range(3):
            assert torch.equal(votes[b, n], vote_loop(maps.mask[b, n], offsets[:, b, n], 3))


def test_perfect_maps_give_the_landmarks_back() -> None:
    points = torch.randint(6, 24, (4, 3, 2)).float()
    drawn = [targets(p, (30, 30), 5) for p in points]
    maps = dense(torch.stack([m for m, _ in drawn]), torch.stack([o for _, o in drawn], 1))
    assert torch.equal(argmax_points(vote(maps, 5)), points)
    assert float((argmax_points(vote(maps, 5, "floor")) - points).abs().max()) <= 1


def test_images_and_points_move_together() -> None:
    place = 25 + 20 * torch.rand(200, 1, 2) + torch.tensor([0.0, 10.0])
    y, x = torch.arange(70.0)[:, None], torch.arange(90.0)
    dots = torch.exp(-((y - place[..., :1]) ** 2 + (x - place[..., 1:]) ** 2) / 8)[:, None]
    seen, where = move_together(dots, place, degrees=20.0)
    total = seen.sum((1, 2, 3))
    found = torch.stack([(seen * y).sum((1, 2, 3)) / total, (seen * x).sum((1, 2, 3)) / total], -1)
    assert float((found - where[:, 0]).norm(dim=1).max()) < 0.1
    assert float((where - place).norm(dim=-1).max()) > 5


@pytest.mark.parametrize("hidden", [True, False])
def test_detector_keeps_the_contract(hidden: bool) -> None:
    g = given()
    learner = build(detector, hidden=hidden)
    learner.prepare(g)
    assert learner.pool is None
    points = g.support.points.clone()
    points[1] = math.nan
    check_localiser(learner, batch_of(g), [g.support, Support(g.support.image, points)])


def test_detector_learns() -> None:
    place = 4 + 24 * torch.rand(64, 1, 2)
    y, x = torch.arange(32.0)[:, None], torch.arange(32.0)
    images = torch.exp(-((y - place[..., :1]) ** 2 + (x - place[..., 1:]) ** 2) / 8)[:, None]
    options = DetectionOptions(part=0.1)
    learner = Detector(network=ld_unet(width=4, levels=3), num_landmarks=1, detection=options)
    optimizer = torch.optim.Adam(learner.parameters(), 0.01)
    for _ in range(40):
        optimizer.zero_grad()
        learner.losses({"image": images[:32], "points": place[:32]}, 0.0)["loss"].backward()
        optimizer.step()
    found = learner.eval().locate(images[32:], [Support(images[0], place[0])])[0]
    assert float((found - place[32:]).norm(dim=-1).median()) < 1.0


def test_few_labels_are_drawn_from_the_labelled() -> None:
    g = given()
    points = g.points.clone() if g.points is not None else torch.zeros(0)
    points[2:] = math.nan
    few = Preparation(images=g.images, information=None, support=g.support, points=points)
    pool = labelled_pool(few)
    assert pool is not None
    assert torch.equal(pool.images, g.images[:2])
    learner = build(detector, augment=False)
    learner.prepare(few)
    images, drawn = learner.draw({"image": g.images[2:, None].float() / 255, "points": points[2:]})
    assert images.shape == (4, 1, 32, 32)
    for image, place in zip(images, drawn, strict=True):
        which = int((g.images[:2].float() / 255 - image).abs().sum((1, 2)).argmin())
        assert torch.equal(image[0], g.images[which].float() / 255)
        assert torch.equal(place, points[which])
    assert labelled_pool(g) is None


@pytest.mark.parametrize("first", ["cc2d", "igu_aug"])
@pytest.mark.parametrize("maker", [one_shot_detector, pretrained_detector])
def test_two_stages_keep_the_contract(first: str, maker: Callable[..., Any]) -> None:
    g = given()
    learner = build(maker, first=first, intensity="uniform", **FIRST)
    learner.prepare(g)
    guided = ("information",) if first == "igu_aug" else ()
    labels = ("points",) if maker is pretrained_detector else ()
    assert learner.batch_keys == ("image", *guided, *labels)
    assert learner.uses_labels == bool(labels)
    check_localiser(learner, batch_of(g), [g.support])


def advance(
    learner: Any, batch: dict[str, Tensor], first: int, last: int, total: int = 6
) -> list[float]:
    optimizer = torch.optim.SGD(learner.parameters(), lr=0.01)
    seen = []
    for k in range(first, last):
        torch.manual_seed(k)
        optimizer.zero_grad(set_to_none=True)
        loss = learner.losses({key: batch[key] for key in learner.batch_keys}, k / total)["loss"]
        loss.backward()
        optimizer.step()
        learner.after_step((k + 1) / total)
        seen.append(float(loss.detach()))
    return seen


def test_one_shot_stages() -> None:
    g = given()
    batch = batch_of(g)
    learner: OneShotDetector = build(one_shot_detector, **FIRST)
    learner.prepare(g)
    before = {k: v.clone() for k, v in learner.network.state_dict().items()}
    advance(learner, batch, 0, 2)
    assert all(torch.equal(v, before[k]) for k, v in learner.network.state_dict().items())
    advance(learner, batch, 2, 3)  # the last step of the first stage: the detector takes over
    matcher = {k: v.clone() for k, v in learner.matcher.state_dict().items()}
    for name, value in learner.network.state_dict().items():
        assert torch.equal(value, matcher[f"network.{name}"])
    advance(learner, batch, 3, 6)
    assert all(torch.equal(v, matcher[k]) for k, v in learner.matcher.state_dict().items())
    assert learner.pool is not None
    located = learner.matcher.eval().locate(g.images[:, None].float() / 255, [g.support])[0]
    assert torch.equal(learner.pool.points, torch.cat([located, g.support.points[None]]))
    assert torch.equal(learner.pool.images[-1], g.images[0])


@pytest.mark.parametrize("maker", [one_shot_detector, pretrained_detector])
@pytest.mark.parametrize("stop", [2, 3, 4])
def test_resume_gives_the_same_losses(maker: Callable[..., Any], stop: int) -> None:
    g = given()
    batch = batch_of(g)
    whole = build(maker, **FIRST)
    whole.prepare(g)
    expected = advance(whole, batch, 0, 6)
    part = build(maker, **FIRST)
    part.prepare(g)
    advance(part, batch, 0, stop)
    resumed = build(maker, **FIRST)
    resumed.prepare(g)
    resumed.load_state_dict(part.state_dict())
    assert advance(resumed, batch, stop, 6) == expected[stop:]


def test_bad_requests_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"got 1\.0"):
        build(pretrained_detector, pretrain=1.0, **FIRST)
    with pytest.raises(RuntimeError, match=r"prepare\(\)"):
        build(one_shot_detector, **FIRST).losses({"image": torch.rand(2, 1, 32, 32)}, 0.9)
    with pytest.raises(ValueError, match="at least one landmark"):
        Detector(network=ld_unet(width=2, levels=3), num_landmarks=0)
    with pytest.raises(ValueError, match="multiples of 4"):
        build(detector).maps(torch.rand(1, 1, 30, 32))


def test_the_large_network_fits() -> None:
    learner = detector(
        network=vgg19_unet(), num_landmarks=2, detection=DetectionOptions(hidden=False)
    )
    maps = learner.eval().maps(torch.rand(1, 1, 32, 32))
    assert maps.mask.shape == (1, 2, 32, 32)


@pytest.mark.parametrize("first", ["cc2d", "igu_aug"])
def test_both_stages_get_the_refined_network(first: str) -> None:
    for refine, finest in ((False, 4), (True, 2)):
        learner = build(one_shot_detector, first=first, refine=refine, **FIRST)
        assert learner.matcher.network.channels[-1] == finest
        assert learner.network.channels[-1] == finest
