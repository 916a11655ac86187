"""Anchors: who is drawn, where crops are cut, where points go, and how crops are changed."""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from pixcl_bench.methods.igu_aug.anchors import (
    Interpolation,
    Sampler,
    draw_anchors,
    draw_corners,
    draw_weighted,
    margin_box,
    more_anchors,
    random_crop,
    rotate,
    tournament,
)
from pixcl_bench.ops.jitter import draw_jitter, jitter


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def dots(size: tuple[int, int], points: Tensor, sigma: float = 1.5) -> Tensor:
    y, x = torch.arange(float(size[0]))[:, None], torch.arange(float(size[1]))
    squared = (y - points[:, 0, None, None]) ** 2 + (x - points[:, 1, None, None]) ** 2
    return torch.exp(-squared / (2 * sigma**2))[:, None]


def centres(images: Tensor) -> Tensor:
    y, x = torch.arange(float(images.shape[2]))[:, None], torch.arange(float(images.shape[3]))
    total = images.sum((1, 2, 3))
    return torch.stack(
        [(images * y).sum((1, 2, 3)) / total, (images * x).sum((1, 2, 3)) / total], -1
    )


def shares(sampler: Sampler, weights: list[float], n: int = 200_000) -> Tensor:
    weight = torch.tensor([[weights]])
    drawn = draw_anchors((1, len(weights)), 1, weight=weight, sampler=sampler, margin=0.0, count=n)
    return torch.bincount(drawn[0, :, 1], minlength=len(weights)) / n


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        ("tournament", [0.194444, 0.333333, 0.472222]),
        ("hard", [0.142857, 0.285714, 0.571429]),
        ("uniform", [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_marginals_of_the_samplers(sampler: Sampler, expected: list[float]) -> None:
    assert torch.allclose(shares(sampler, [1.0, 2.0, 4.0]), torch.tensor(expected), atol=0.004)


@pytest.mark.parametrize(
    ("weights", "wins"), [([2.0, 1.0], 0.75), ([1.0, 1.0], 0.5), ([1.0, 4.0], 0.125)]
)
def test_win_rate_of_a_tournament(weights: list[float], wins: float) -> None:
    first = torch.zeros(1, 200_000, 2, dtype=torch.long)
    winner = tournament(torch.tensor([[weights]]), first, first + torch.tensor([0, 1]))
    assert float((winner[..., 1] == 0).float().mean()) == pytest.approx(wins, abs=0.004)


def test_zero_weight_is_never_drawn() -> None:
    weight = (torch.rand(3, 2000) < 0.01).float() * torch.rand(3, 2000) * 1e-6
    weight[:, 7] = 1e6  # next to it, all others are rounded up to the smallest share
    drawn, some = draw_weighted(weight, 100_000)
    assert some.all()
    assert bool((weight.gather(1, drawn) > 0).all())


def test_weights_that_are_no_weights() -> None:
    drawn, some = draw_weighted(
        torch.tensor([[math.nan, -1.0, 2.0, math.inf], [0.0, 0.0, 0.0, -2.0]]), 500
    )
    assert some.tolist() == [True, False]
    assert drawn[0].unique().tolist() == [2]
    assert drawn[1].unique().tolist() == [0]


@pytest.mark.parametrize("sampler", ["uniform", "hard", "tournament"])
def test_anchors_fill_the_margin_box(sampler: Sampler) -> None:
    drawn = draw_anchors((40, 30), 2, weight=torch.ones(2, 40, 30), sampler=sampler, count=50_000)
    assert drawn.amin((0, 1)).tolist() == [4, 3]
    assert drawn.amax((0, 1)).tolist() == [35, 26]
    counts = torch.bincount(drawn[1] @ torch.tensor([30, 1]), minlength=1200).view(40, 30)[
        4:36, 3:27
    ]
    expected = 50_000 / (32 * 24)
    assert float((counts - expected).square().mean() / expected) == pytest.approx(1.0, abs=0.2)


def test_image_without_information_gets_uniform_anchors() -> None:
    weight = torch.stack([torch.zeros(20, 20), torch.eye(20)])
    drawn = draw_anchors((20, 20), 2, weight=weight, count=2000)
    assert len(drawn[0].unique(dim=0)) == 16 * 16
    assert bool((drawn[1, :, 0] == drawn[1, :, 1]).all())


def test_generators_repeat() -> None:
    weight = torch.rand(2, 20, 20)
    again = [
        draw_anchors(
            (20, 20), 2, weight=weight, count=5, generator=torch.Generator().manual_seed(3)
        )
        for _ in range(2)
    ]
    assert torch.equal(*again)


def test_bad_requests_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="leaves no pixel of an image of 1 x 128"):
        margin_box((1, 128), 0.3)
    with pytest.raises(ValueError, match=r"weights are \(2, 9, 9\)"):
        draw_anchors((9, 9), 3, weight=torch.ones(2, 9, 9))
    with pytest.raises(ValueError, match="a patch of 64 x 64 pixels out of an image of 20 x 130"):
        random_crop(torch.zeros(1, 1, 20, 130), torch.tensor([[3, 3]]), 64)


@pytest.mark.parametrize("exclusive", [True, False])
def test_corners(exclusive: bool) -> None:
    places = torch.tensor([[0, 50], [40, 99], [63, 5]]).repeat_interleave(4000, 0)
    corners = draw_corners((100, 100), places, 64, exclusive=exclusive).view(3, 4000, 2)
    last = 0 if exclusive else 1
    assert corners.amin(1).tolist() == [[0, 0], [0, 36], [0, 0]]
    assert corners.amax(1).tolist() == [[0, 35 + last], [35 + last, 36], [35 + last, 4 + last]]
    counts = torch.bincount(corners[0, :, 1])
    assert float(counts.float().std() / counts.float().mean()) < 0.15


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("degrees", [0.0, 20.0, 60.0])
def test_dots_are_found_where_they_are_tracked(
    interpolation: Interpolation, degrees: float
) -> None:
    anchor = torch.stack([torch.randint(20, 60, (200,)), torch.randint(20, 80, (200,))], -1)
    crop = random_crop(
        dots((80, 100), anchor.float()), anchor, 40, degrees=degrees, interpolation=interpolation
    )
    place = crop.track(anchor[:, None])[:, 0]
    whole = ((place > 7) & (place < 32)).all(1)
    assert int(whole.sum()) > 40
    assert float((centres(crop.images) - place)[whole].norm(dim=1).max()) < 0.1


@pytest.mark.parametrize(
    ("size", "patch"),
    [((40, 50), 8), ((16, 16), 16), ((20, 9), 2), ((64, 64), 33), ((128, 128), 64)],
)
def test_no_anchor_leaves_its_crop(size: tuple[int, int], patch: int) -> None:
    anchor = torch.stack([torch.randint(n, (5000,)) for n in size], -1)
    corners = torch.tensor([[0, 0], [0, size[1] - 1], [size[0] - 1, 0], [size[0] - 1, size[1] - 1]])
    anchor[:2000] = corners.repeat(500, 1)
    images = torch.zeros(1, 1, *size).expand(5000, -1, -1, -1)
    for degrees in (20.0, 180.0):
        crop = random_crop(images, anchor, patch, degrees=degrees)
        place = crop.track(anchor[:, None])
        assert bool(crop.inside(anchor[:, None]).all())
        assert float(place.min()) >= 0
        assert float(place.max()) <= patch - 1
        assert torch.allclose(crop.source(place)[:, 0], anchor.float(), atol=1e-3)
        assert bool((crop.angle.abs() <= math.radians(degrees)).all())


def test_a_quarter_turn_moves_pixels_exactly() -> None:
    square = torch.rand(2, 3, 6, 6)
    turned = rotate(square, torch.tensor([math.pi / 2, 0.0]))
    assert torch.allclose(turned[0], torch.rot90(square[0], 1, (1, 2)), atol=1e-5)
    assert torch.allclose(turned[1], square[1], atol=1e-6)


def test_change_is_made_before_the_turn() -> None:
    crop = random_crop(
        torch.zeros(4, 1, 32, 32), torch.full((4, 2), 16), 16, degrees=90.0, change=lambda x: x + 1
    )
    corner = (crop.angle.abs() > 0.2) & (crop.angle.abs() < 1.3)
    assert bool((crop.images[corner, 0, 0, 0] == 0).all())
    assert torch.allclose(crop.images[:, 0, 7:9, 7:9], torch.ones(4, 2, 2))


def test_more_anchors_are_seen_allowed_and_weighted() -> None:
    first = torch.tensor([[10, 12], [30, 30], [20, 25]])
    crop = random_crop(torch.rand(3, 1, 48, 48), first, 24, degrees=45.0)
    weight, allowed = torch.rand(3, 48, 48), torch.rand(3, 48, 48) < 0.3
    weight[:, ::2] = 0
    allowed[2] = False
    several = more_anchors(crop, first, weight, allowed, 60)
    assert torch.equal(several[:, 0], first)
    assert bool(crop.inside(several).all())
    items = torch.arange(2)[:, None]
    others = several[:2, 1:]
    assert bool(allowed[items, others[..., 0], others[..., 1]].all())
    assert bool((others[..., 0] % 2 == 1).all())
    assert torch.equal(several[2], first[2].expand(60, 2))
    assert torch.equal(more_anchors(crop, first), first[:, None])


def test_all_that_the_turned_crop_shows_can_be_an_anchor() -> None:
    first = torch.tensor([[10, 12]])
    crop = random_crop(torch.rand(1, 1, 24, 24), first, 12, degrees=45.0)
    every = torch.cartesian_prod(torch.arange(24), torch.arange(24))[None]
    expected = every[0, crop.inside(every)[0]]
    assert torch.equal(
        more_anchors(crop, first, count=20_000)[0].unique(dim=0), expected.unique(dim=0)
    )
    within = ((expected - crop.corner[0] >= 0) & (expected - crop.corner[0] < 12)).all()
    assert bool(within)  # black corners of the turned crop show nothing of the image


def jitter_loop(picture: np.ndarray, b: float, c: float, bright_first: bool) -> np.ndarray:
    def bright(x: np.ndarray) -> np.ndarray:
        return np.trunc(np.clip(np.float32(b) * x, 0, 255))

    def contrast(x: np.ndarray) -> np.ndarray:
        mean = np.float32(int(x.mean(dtype=np.float64) + 0.5))
        return np.trunc(np.clip(mean + np.float32(c) * (x - mean), 0, 255))

    x = picture.astype(np.float32)
    for step in (bright, contrast) if bright_first else (contrast, bright):
        x = step(x)
    return x.astype(np.uint8)


def jitter_pillow(picture: np.ndarray, b: float, c: float, bright_first: bool) -> np.ndarray:
    steps = [(ImageEnhance.Brightness, b), (ImageEnhance.Contrast, c)]
    image = Image.fromarray(picture)
    for enhancer, factor in steps if bright_first else steps[::-1]:
        image = enhancer(image).enhance(factor)
    return np.asarray(image)


def test_jitter_equals_a_loop_and_pillow() -> None:
    pictures = torch.randint(0, 256, (200, 1, 12, 17), dtype=torch.uint8)
    drawn = draw_jitter(
        torch.tensor([[0.0, 2.0]]).expand(200, 2), torch.tensor([[0.0, 2.5]]).expand(200, 2)
    )
    before = pictures / 255
    ours = (jitter(before, *drawn) * 255).round().byte()[:, 0].numpy()
    assert torch.equal(before, pictures / 255)
    for reference in (jitter_loop, jitter_pillow):
        for i, (b, c, o) in enumerate(zip(*drawn, strict=True)):
            assert np.array_equal(
                ours[i], reference(pictures[i, 0].numpy(), float(b), float(c), bool(o))
            )
    smooth = jitter(before, *drawn, quantise=False)
    assert float((smooth * 255 - torch.from_numpy(ours)[:, None]).abs().max()) < 5


def test_jitter_factors_stay_in_their_ranges() -> None:
    n = 20_000
    brightness = torch.tensor([[0.505, 1.997], [-0.5, 0.0]]).repeat(n // 2, 1)
    contrast = torch.tensor([[-1.0, 1.0], [1.0, 1.0]]).repeat(n // 2, 1)
    drawn = draw_jitter(brightness, contrast)
    assert float(drawn.brightness[::2].min()) == pytest.approx(0.505, abs=0.01)
    assert float(drawn.brightness[::2].max()) == pytest.approx(1.997, abs=0.01)
    assert float(drawn.brightness[1::2].abs().max()) == 0.0
    assert float(drawn.contrast[::2].min()) >= 0.0
    assert float(drawn.contrast[::2].mean()) == pytest.approx(0.5, abs=0.02)
    assert bool((drawn.contrast[1::2] == 1).all())
    assert float(drawn.order.float().mean()) == pytest.approx(0.5, abs=0.02)
