"""Spatial augmentation: image with label, numpy's and scipy's results, distributions, crops,
resizing."""

import numpy as np
import pytest
import scipy.ndimage
import torch
from jaxtyping import TypeCheckError

from pixcl_bench.ops.spatial import (
    MODES,
    SpatialAugment,
    crop_padding,
    move_planes,
    plane_sources,
    random_crop,
    resize_nearest,
    rotation,
    turn_and_mirror,
)

SHAPES = [(6, 12, 12), (6, 10, 14), (3, 5, 12, 12), (3, 4, 14, 9)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", SHAPES)
def test_image_and_label_move_together(mode: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    label = torch.randint(0, 9, shape)
    image = torch.stack([label.float(), 2 * label.float()], 1)
    kept = label.clone()
    for seed in range(5):
        torch.manual_seed(seed)
        moved, moved_label = SpatialAugment(mode)(image, label)
        assert moved_label is not None
        assert torch.equal(moved[:, 0].long(), moved_label)
        assert torch.equal(moved[:, 1].long(), 2 * moved_label)
        assert moved_label.dtype == torch.int64
        torch.manual_seed(seed)
        again, none = SpatialAugment(mode)(image)
        assert none is None
        assert torch.equal(again, moved)
    assert torch.equal(label, kept)


@pytest.mark.parametrize("mode", ["flip", "flip_rot90"])
@pytest.mark.parametrize("size", [(8, 8), (5, 5), (6, 9)])
def test_turns_and_flips_permute(mode: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    image = torch.arange(1.0, size[0] * size[1] + 1).view(1, 1, *size).repeat(40, 1, 1, 1)
    moved, _ = SpatialAugment(mode)(image)
    assert torch.equal(moved.flatten(1).sort().values, image.flatten(1))
    results = {tuple(m.flatten().tolist()) for m in moved}
    assert len(results) == (4 if size[0] == size[1] or mode == "flip" else 2)


@pytest.mark.parametrize("n", [1, 2, 7, 16, 33])
def test_symmetries_are_numpys(n: int) -> None:
    plane = torch.arange(n * n).view(1, n, n)
    for k in range(4):
        for axis, flip in enumerate([(0,), (1,), (), (0, 1)]):
            sources = plane_sources(
                turn_and_mirror(torch.tensor([k]), torch.tensor([axis])), (n, n)
            )
            assert sources.min() >= 0
            expected = np.flip(np.rot90(plane[0].numpy(), k), flip)
            assert (move_planes(plane, sources, -1)[0].numpy() == expected).all()


@pytest.mark.parametrize("size", [(17, 17), (20, 33), (32, 32)])
def test_rotation_is_scipys(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    picture = torch.rand(size) + 1
    angles = torch.arange(-20, 20)
    ours = move_planes(picture.expand(40, *size), plane_sources(rotation(angles.double()), size), 0)
    for angle, mine in zip(angles.tolist(), ours, strict=True):
        theirs = scipy.ndimage.rotate(picture.numpy(), angle, order=0, reshape=False)
        assert (mine.numpy() == theirs).all()


def test_three_dimensions_move_in_plane() -> None:
    torch.manual_seed(0)
    depth = torch.arange(1.0, 7).view(1, 1, 6, 1, 1).expand(8, 1, 6, 9, 9)
    columns = torch.rand(8, 1, 1, 9, 9).expand(8, 1, 6, 9, 9)
    for mode in MODES:
        moved, _ = SpatialAugment(mode)(torch.cat([depth, columns], 1))
        assert ((moved[:, 0] == depth[:, 0]) | (moved[:, 0] == 0)).all()
        assert (moved[:, 1] == moved[:, 1, :1]).all()  # every slice alike


@pytest.mark.parametrize("fill", [0, -1])
def test_what_comes_from_outside(fill: int) -> None:
    torch.manual_seed(0)
    image, label = torch.ones(32, 1, 16, 16), torch.ones(32, 16, 16).long()
    moved, moved_label = SpatialAugment("flip_or_rotate", fill_label=fill)(image, label)
    assert moved_label is not None
    assert (moved == 0).any()
    assert torch.equal(moved[:, 0] == 0, moved_label == fill)
    assert set(moved_label.unique().tolist()) == {1, fill}


def test_distribution_of_choices() -> None:
    torch.manual_seed(0)
    n = 40_000
    expected = {  # how often each of (mirrored, unchanged, oblique)
        "flip": (0.5, 0.25, 0),
        "flip_rot90": (1, 0, 0),
        "flip_or_rotate": (0.5, 0.5 / 40, 0.5 * 39 / 40),
        "flip_or_rotate_half": (0.5, 0.25 + 0.25 / 40, 0.25 * 39 / 40),
    }
    for mode, rates in expected.items():
        matrices = SpatialAugment(mode).draw(n)
        right = (matrices.abs().sum((1, 2)) - 2).abs() < 1e-9
        found = (
            torch.linalg.det(matrices) < 0,
            (matrices == torch.eye(2)).flatten(1).all(1),
            ~right,
        )
        for rate, event in zip(rates, found, strict=True):
            assert abs(event.double().mean().item() - rate) <= 5 * (rate * (1 - rate) / n) ** 0.5


def test_eight_combinations_are_equally_likely() -> None:
    torch.manual_seed(0)
    matrices = SpatialAugment("flip_rot90").draw(40_000).long().flatten(1)
    _, counts = matrices.unique(dim=0, return_counts=True)
    assert len(counts) == 4  # the reflections of the square, each reached in two ways
    assert ((counts - 10_000).abs() < 5 * 7500**0.5).all()
    straight = SpatialAugment("flip_rot90").draw(1000, square=False)
    assert (straight[:, 0, 1] == 0).all()


@pytest.mark.parametrize("bound", [5, 20])
def test_bounds_of_angles(bound: int) -> None:
    torch.manual_seed(0)
    matrices = SpatialAugment("flip_or_rotate", degrees=bound).draw(20_000)
    turned = matrices[torch.linalg.det(matrices) > 0]
    angles = torch.rad2deg(torch.atan2(turned[:, 0, 1], turned[:, 0, 0]))
    assert torch.allclose(angles, angles.round(), atol=1e-9)
    counts = torch.bincount(angles.round().long() + bound).double()
    assert len(counts) == 2 * bound
    assert ((counts - counts.mean()).abs() < 5 * counts.mean().sqrt()).all()


def test_errors() -> None:
    with pytest.raises(ValueError, match="degrees 1 to 180"):
        SpatialAugment("flip", degrees=0)
    with pytest.raises((ValueError, TypeCheckError)):  # the type checker of the tests sees it first
        SpatialAugment("flip")(torch.zeros(2, 1, 4, 4), torch.zeros(2, 4, 5).long())
    with pytest.raises(ValueError, match=r"cannot crop \(8, 8\)"):
        random_crop(torch.zeros(1, 9, 9, 9), None, (8, 8))
    with pytest.raises(ValueError, match="cannot resize"):
        resize_nearest(torch.zeros(3, 3), (0, 2))


@pytest.mark.parametrize(
    ("sides", "padding"),
    [
        ((10, 10, 10), [0, 0, 0]),
        ((8, 10, 14), [3, 2, 0]),
        ((5, 8, 9), [4, 3, 2]),
        ((9, 9, 9), [0, 0, 0]),
        ((8, 20, 20), [3, 0, 0]),
    ],
)
def test_padding_rule(sides: tuple[int, ...], padding: list[int]) -> None:
    assert crop_padding(sides, (8, 8, 8)) == padding


def test_crop_starts_and_alignment() -> None:
    torch.manual_seed(0)
    label = torch.arange(1, 11 * 10 * 12 + 1).view(11, 10, 12)
    starts = set()
    for _ in range(200):
        image, cropped = random_crop(torch.stack([label, -label]).double(), label, (9, 9, 8))
        assert cropped is not None
        assert cropped.shape == (9, 9, 8)
        assert torch.equal(image[0].long(), cropped)
        assert torch.equal(image[1].long(), -cropped)
        first = int(cropped[0, 0, 0]) - 1
        starts.add((first // 120, first // 12 % 10, first % 12))
    # the last possible start never occurs
    assert starts == {(z, 0, x) for z in range(2) for x in range(4)}


def test_crop_of_a_small_volume_is_padded() -> None:
    torch.manual_seed(0)
    for _ in range(20):
        ones = torch.ones(5, 6, 20)
        image, label = random_crop(ones[None], ones.long(), (8, 8, 8), fill_label=-1)
        assert label is not None
        assert image.shape == (1, 8, 8, 8)
        assert torch.equal(image[0] == 1, label == 1)
        assert torch.equal(image[0] == 0, label == -1)
        assert image.sum() > 0


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((5, 7), (8, 3)),
        ((31, 45), (64, 64)),
        ((64, 64), (31, 45)),
        ((3, 9, 12), (5, 6, 20)),
        ((4, 6), (1, 6)),
        ((1, 6), (3, 5)),
    ],
)
def test_resize_is_scipys_zoom(source: tuple[int, ...], target: tuple[int, ...]) -> None:
    label = np.random.default_rng(0).integers(1, 5, source).astype(np.uint8)
    zoomed = scipy.ndimage.zoom(
        label, [t / s for s, t in zip(source, target, strict=True)], order=0
    )
    assert (resize_nearest(torch.from_numpy(label), target).numpy() == zoomed).all()


def test_resize_many_sizes_and_back() -> None:
    ramp = np.arange(1, 61, dtype=np.int64)
    differing = 0
    for n in range(2, 60, 3):
        for m in range(2, 60):
            theirs = scipy.ndimage.zoom(ramp[:n], m / n, order=0)
            ours = resize_nearest(torch.from_numpy(ramp[:n].copy()), [len(theirs)]).numpy()
            assert (ours[:-1] == theirs[:-1]).all()
            # scipy's own rounding puts some last samples outside
            assert theirs[-1] in (0, ours[-1])
            differing += int(theirs[-1] == 0)
    assert differing < 50
    x = torch.rand(2, 1, 3, 7, 9)
    assert torch.equal(resize_nearest(resize_nearest(x, (14, 18)), (7, 9)), x)
