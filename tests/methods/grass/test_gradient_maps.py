"""Gradient maps: closed form, regions and crops, each against a slow reference."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage import measure
from torch import Tensor, nn

from pixcl_bench.methods.grass.gradient_maps import (
    above_threshold,
    attention,
    components,
    crop_matrix,
    crop_resize,
    enlarge,
    grow_boxes,
    normalise_map,
    pooled_gradient,
    select_boxes,
)
from pixcl_bench.nets.encoders import ConvNano
from pixcl_bench.ops.losses import nt_xent


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth(n: int, grid: int, size: tuple[int, int], seed: int = 0) -> Tensor:
    return enlarge(torch.randn(n, grid, grid, generator=generator(seed)), size)


def head(kind: str, width: int) -> nn.Module:
    bias, norm = "bias" in kind, [nn.BatchNorm1d(24)] if "norm" in kind else []
    layers = [nn.Linear(width, 24, bias=bias), *norm, nn.ReLU(), nn.Linear(24, 8, bias=bias)]
    return nn.Identity() if kind == "identity" else nn.Sequential(*layers)


def by_autograd(encoder: ConvNano, head: nn.Module, images: Tensor, temperature: float) -> Tensor:
    maps = encoder.feature_maps(images)[-1]
    maps.retain_grad()
    z1, z2 = head(maps.mean((2, 3))).chunk(2)
    nt_xent(z1, z2, temperature).backward()
    assert maps.grad is not None
    return (maps.grad.mean((2, 3), keepdim=True) * maps).mean(1).detach()


def test_worked_loss() -> None:
    z = torch.tensor([[1.0, 0], [0, 1], [0.8, 0.6], [-0.6, 0.8]])
    zn = F.normalize(z, dim=1)
    logits = (zn @ zn.T / 0.5).masked_fill(torch.eye(4, dtype=torch.bool), -torch.inf)
    torch.testing.assert_close(logits[0, 1:], torch.tensor([0, 1.6, -1.2]), atol=1e-6, rtol=0)
    rows = F.cross_entropy(logits, torch.tensor([2, 3, 0, 1]), reduction="none")
    expected = torch.tensor([0.233258, 0.627123, 0.627123, 0.233258])
    torch.testing.assert_close(rows, expected, atol=1e-6, rtol=0)
    assert float(nt_xent(z[:2], z[2:], 0.5)) == pytest.approx(0.430190, abs=1e-6)
    assert float(nt_xent(torch.ones(2, 3), torch.ones(2, 3), 0.5)) == pytest.approx(
        math.log(3), abs=1e-6
    )


def test_properties_of_the_loss() -> None:
    z = torch.randn(10, 6, generator=generator())
    base = nt_xent(z[:5], z[5:], 0.5)
    scaled = z * (0.1 + torch.rand(10, 1, generator=generator(1)))
    order = torch.randperm(5, generator=generator(2))
    for a, b in ((scaled[:5], scaled[5:]), (z[5:], z[:5]), (z[:5][order], z[5:][order])):
        torch.testing.assert_close(nt_xent(a, b, 0.5), base)
    assert torch.isfinite(nt_xent(z[:5], z[5:], 0.005))  # direct exponentials would overflow


@pytest.mark.parametrize("kind", ["identity", "plain", "bias", "norm", "bias norm"])
@pytest.mark.parametrize("neg", ["release", "keep"])
def test_closed_form_is_back_propagation(kind: str, neg: str) -> None:
    for seed, temperature in ((0, 0.5), (1, 0.1)):
        torch.manual_seed(seed)
        encoder, projector = ConvNano((4, 8, 16)), head(kind, 16)
        images = torch.randn(12, 3, 16, 24, generator=generator(seed))
        slow = by_autograd(encoder, projector, images, temperature)
        with torch.no_grad():
            maps = encoder.feature_maps(images)[-1]
        encoder.zero_grad(), projector.zero_grad()
        raw = attention(pooled_gradient(projector, maps.mean((2, 3)), temperature), maps)
        assert all(p.grad is None for m in (encoder, projector) for p in m.parameters())
        torch.testing.assert_close(
            raw / slow.abs().amax(), slow / slow.abs().amax(), atol=1e-5, rtol=0
        )
        # else rounding noise is divided by itself
        sure = slow.abs().amax((1, 2)) > 1e-3 * slow.abs().amax()
        ours, theirs = normalise_map(raw, neg)[sure], normalise_map(slow, neg)[sure]
        largest = theirs.abs().amax((1, 2), keepdim=True)
        torch.testing.assert_close(ours / largest, theirs / largest, atol=1e-5, rtol=0)


def test_a_head_without_bias_gives_maps_of_mean_zero_that_ignore_scale() -> None:
    torch.manual_seed(0)
    projector = head("plain", 6)
    maps = torch.rand(8, 6, 4, 4, generator=generator())
    raw = attention(pooled_gradient(projector, maps.mean((2, 3))), maps)
    assert float(raw.mean((1, 2)).abs().max()) < 1e-6 * float(raw.abs().max())
    a = normalise_map(raw)
    torch.testing.assert_close(a.amax((1, 2)), torch.ones(8))
    maps[3] *= 7.0
    again = normalise_map(attention(pooled_gradient(projector, maps.mean((2, 3))), maps))
    torch.testing.assert_close(again, a, atol=1e-3, rtol=1e-3)
    assert torch.equal(
        select_boxes(enlarge(again, (32, 32)), 0.55), select_boxes(enlarge(a, (32, 32)), 0.55)
    )


def loop(maps: Tensor, rho: float, rule: str) -> Tensor:
    boxes = []
    for u in maps.numpy():
        labels = measure.label(u > u.min() + np.float32(rho) * (u.max() - u.min()), connectivity=2)
        best, kept = -np.inf, (0, 0, *u.shape)
        for region in measure.regionprops(labels):
            r0, c0, r1, c1 = region.bbox
            own = labels[np.unravel_index(u.argmax(), u.shape)] == region.label
            if own if rule == "peak" else u[r0:r1, c0:c1].max() >= best:
                best, kept = u[r0:r1, c0:c1].max(), region.bbox
        boxes.append(kept)
    return torch.tensor(boxes)


def test_stacked_components_equal_a_loop() -> None:
    masks = np.random.default_rng(0).random((60, 15, 11)) < 0.4
    masks[7] = False
    masks[8] = True
    labels, first = components(masks), 0
    for mask, found in zip(masks, labels, strict=True):
        alone = measure.label(mask, connectivity=2)
        assert np.array_equal(np.where(found > 0, found - first, 0), alone)
        first += int(alone.max())


@pytest.mark.parametrize("rule", ["peak", "release"])
def test_boxes_equal_a_loop(rule: str) -> None:
    # ties and boxes within boxes
    noisy = torch.randint(0, 6, (150, 9, 14), generator=generator()).float()
    for rho in (0.3, 0.5, 0.7):
        for maps in (smooth(150, 5, (20, 30)), noisy):
            assert torch.equal(select_boxes(maps, rho, rule), loop(maps, rho, rule))


def test_the_two_rules_rarely_differ() -> None:
    shares = []
    for grid in (2, 3, 4, 7):
        maps = smooth(400, grid, (28, 28), seed=grid)
        shares.append(
            float(
                (select_boxes(maps) != select_boxes(maps, region="release")).any(1).float().mean()
            )
        )
    assert shares[0] == 0.0
    assert max(shares) < 0.05


def test_release_takes_the_last_of_equals() -> None:
    tie = torch.tensor([[[1.0, 0, 0], [0, 0, 0], [0, 0, 1]]])
    assert select_boxes(tie).tolist() == [[0, 0, 1, 1]]
    assert select_boxes(tie, region="release").tolist() == [[2, 2, 3, 3]]


@pytest.mark.parametrize("rule", ["peak", "release"])
def test_constant_and_nan_maps_keep_the_view(rule: str) -> None:
    maps = torch.stack(
        [torch.ones(6, 8), torch.full((6, 8), torch.nan), normalise_map(torch.zeros(1, 6, 8))[0]]
    )
    boxes = select_boxes(maps, 0.5, rule)
    assert boxes.tolist() == [[0, 0, 6, 8]] * 3
    images = torch.rand(3, 3, 6, 8, generator=generator())
    for mode in ("nearest", "bilinear"):
        assert torch.equal(crop_resize(images, boxes, mode), images)


def test_peak_boxes_hold_the_peak_shrink_and_follow_the_image() -> None:
    maps = smooth(200, 5, (24, 24))
    boxes, peak = select_boxes(maps), maps.flatten(1).argmax(1)
    place = torch.stack([peak // 24, peak % 24], 1)
    assert ((boxes[:, :2] <= place) & (place < boxes[:, 2:])).all()
    areas = []
    for rho in (0.0, 0.2, 0.5, 0.8, 0.99):
        b = select_boxes(maps, rho)
        areas.append((b[:, 2:] - b[:, :2]).prod(1))
    assert all((small <= large).all() for large, small in itertools.pairwise(areas))
    assert float(areas[0].float().mean()) > 0.98 * 576
    assert float(areas[-1].float().mean()) < 0.05 * 576
    assert torch.equal(select_boxes(2 * maps + 4), boxes)
    flipped = select_boxes(maps.flip(2))
    assert torch.equal(
        torch.stack([flipped[:, 0], 24 - flipped[:, 3], flipped[:, 2], 24 - flipped[:, 1]], 1),
        boxes,
    )
    assert torch.equal(above_threshold(maps.flip(2)), above_threshold(maps).flip(2))


def test_crops_equal_a_loop() -> None:
    maps, images = smooth(80, 4, (20, 28)), torch.rand(80, 3, 20, 28, generator=generator())
    boxes = select_boxes(maps)
    near, between = crop_resize(images, boxes), crop_resize(images, boxes, "bilinear")
    for i, (r0, c0, r1, c1) in enumerate(boxes.tolist()):
        cut = images[i, :, r0:r1, c0:c1]
        rows, columns = (
            [t * n // size for t in range(size)] for n, size in ((r1 - r0, 20), (c1 - c0, 28))
        )
        assert torch.equal(near[i], cut[:, rows][:, :, columns])
        assert set(near[i].flatten().tolist()) <= set(cut.flatten().tolist())
        smooth_cut = F.interpolate(cut[None], (20, 28), mode="bilinear", align_corners=False)[0]
        torch.testing.assert_close(between[i], smooth_cut, atol=1e-5, rtol=0)
    half = crop_resize(images[:1], torch.tensor([[4, 7, 14, 21]]))
    expected = images[:1, :, 4:14, 7:21].repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(half, expected)


def test_growing_and_matrices() -> None:
    boxes = select_boxes(smooth(100, 6, (24, 32)), 0.9)
    grown = grow_boxes(boxes, 9, (24, 32))
    assert ((grown[:, 2:] - grown[:, :2]) >= 9).all()
    assert ((grown[:, :2] <= boxes[:, :2]) & (boxes[:, 2:] <= grown[:, 2:])).all()
    assert (grown[:, 0] >= 0).all()
    assert (grown[:, 2] <= 24).all()
    assert (grown[:, 3] <= 32).all()
    corners = torch.cat([boxes[:, [1, 0]] - 0.5, torch.ones(100, 1)], 1)[
        :, :, None
    ]  # outer corner of the box
    moved = (crop_matrix(boxes, (24, 32)) @ corners)[:, :2, 0]
    torch.testing.assert_close(moved, torch.full((100, 2), -0.5), atol=1e-4, rtol=0)


def test_wrong_words_are_refused() -> None:
    maps = torch.rand(1, 4, 4)
    for call, message in (
        (lambda: above_threshold(maps, 1.0), "below 1"),
        (lambda: above_threshold(maps, -0.1), "at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
