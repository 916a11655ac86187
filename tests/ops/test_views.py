"""Views: geometry that is exact, colours that stay in range, seeds that decide."""

import pytest
import torch

from pixcl_bench.ops.views import (
    Normalise,
    RandomView,
    TwoViews,
    coordinate_map,
    geometry,
    move_points,
    warp,
)


def images(n: int = 8, side: int = 32) -> torch.Tensor:
    return torch.randint(
        0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def ramps(n: int, side: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(float(side)), torch.arange(float(side)), indexing="ij")
    return torch.stack([x, y]).expand(n, -1, -1, -1).contiguous()


@pytest.mark.parametrize(("side", "size"), [(32, 32), (40, 24), (24, 48)])
@pytest.mark.parametrize("flip", [0.0, 0.5, 1.0])
def test_coordinate_map_is_where_pixels_came_from(side: int, size: int, flip: float) -> None:
    torch.manual_seed(0)
    crop = geometry(size, scale=(0.1, 1.0), flip=flip)
    arrived = crop(ramps(32, side)).permute(0, 2, 3, 1)
    coords = coordinate_map(crop.transform_matrix, (size, size))
    assert (arrived - coords).abs().max() < 2e-3
    assert coords.min() > -0.01
    assert coords.max() < side - 1 + 0.01


def test_warp_and_points_follow_the_map() -> None:
    torch.manual_seed(1)
    crop = geometry(20, scale=(0.2, 0.8))
    source = torch.rand(16, 3, 32, 32)
    view = crop(source)
    coords = coordinate_map(crop.transform_matrix, (20, 20))
    torch.testing.assert_close(warp(source, coords), view, atol=1e-4, rtol=0)
    corner = coords[:, 3, 5][:, None]  # the source place of view pixel x = 5, y = 3
    torch.testing.assert_close(
        move_points(corner, crop.transform_matrix),
        torch.tensor([5.0, 3.0]).expand(16, 1, 2),
        atol=1e-3,
        rtol=0,
    )


def test_seed_decides_and_input_is_left_alone() -> None:
    view = RandomView(size=32, mean=(0.4,) * 3, std=(0.2,) * 3)
    x = images()
    before = x.clone()
    torch.manual_seed(3)
    a = view(x)
    torch.manual_seed(3)
    b = view(x)
    c = view(x)
    assert torch.equal(a.image, b.image)
    assert torch.equal(a.matrix, b.matrix)
    assert not torch.equal(a.image, c.image)
    assert torch.equal(x, before)
    assert a.image.dtype == torch.float32


def test_no_augmentation_is_normalisation() -> None:
    view = RandomView(
        size=32,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        scale=(1.0, 1.0),
        ratio=(1.0, 1.0),
        flip=0.0,
        jitter=(0.0, 0.0, 0.0, 0.0),
        grey=0.0,
        blur=0.0,
    )
    torch.testing.assert_close(
        view(images()).image, Normalise((0.5,) * 3, (0.25,) * 3)(images()), atol=1e-4, rtol=0
    )
    assert len(view.colour) == 0


def test_grey_and_solarise_do_what_they_say() -> None:
    still = {
        "scale": (1.0, 1.0),
        "ratio": (1.0, 1.0),
        "flip": 0.0,
        "jitter": (0.0, 0.0, 0.0, 0.0),
        "blur": 0.0,
    }
    plain = {"size": 32, "mean": (0.0,) * 3, "std": (1.0,) * 3}
    grey = RandomView(**plain, **still, grey=1.0)(images()).image
    torch.testing.assert_close(grey[:, 0], grey[:, 2])
    sun = RandomView(**plain, **still, grey=0.0, solarise=1.0)(images()).image
    x = images().float() / 255
    torch.testing.assert_close(sun, torch.where(x >= 0.5, 1 - x, x), atol=1e-4, rtol=0)


def test_second_view_takes_its_own_values() -> None:
    pair = TwoViews(size=16, mean=(0.0,) * 3, std=(1.0,) * 3, blur=1.0, second={"blur": 0.0})
    assert len(pair.one.colour) == len(pair.two.colour) + 1
    one, two = pair(images())
    assert one.image.shape == two.image.shape == (8, 3, 16, 16)
    assert one.coords.shape == (8, 16, 16, 2)


@pytest.mark.parametrize("std", [(0.0, 1.0, 1.0), (1.0,)])
def test_bad_normalisation(std: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="three numbers"):
        Normalise((0.5,) * 3, std)
