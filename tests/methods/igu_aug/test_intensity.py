"""Ranges of jitter: presets, the search for the strength, key points and their correspondences."""

import math

import pytest
import torch
import torch.nn.functional as F

from pixcl_bench.methods.igu_aug.information import CLASSES, entropy_map, mutual_information
from pixcl_bench.methods.igu_aug.intensity import (
    BASELINE,
    PRESETS,
    Estimate,
    EstimateOptions,
    Intensity,
    Ranges,
    Search,
    choose_points,
    continuous_ranges,
    correspondences,
    cut_patches,
    estimate_intensity,
    fits,
    jittered,
    ranges_of,
    search,
    sift_points,
    spread_images,
    stop_factors,
)


def blobs(n: int, h: int, w: int) -> torch.Tensor:
    """The same random landscape n times, each shifted a little and with its own noise: uint8 (n, h,
    w)."""
    g = torch.Generator().manual_seed(0)
    base = sum(
        F.interpolate(torch.randn(1, 1, k, k, generator=g), (h + 8, w + 8), mode="bicubic")
        / math.sqrt(k)
        * 3
        for k in (6, 12, 24)
    )
    base = (base - base.min()) / (base.max() - base.min()) * 200 + 20
    moved = [base[0, 0, i % 5 : i % 5 + h, (2 * i) % 7 : (2 * i) % 7 + w] for i in range(n)]
    return (
        (torch.stack(moved) + 2 * torch.randn(n, h, w, generator=g)).clamp(0, 255).to(torch.uint8)
    )


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return blobs(5, 96, 112)


@pytest.fixture(scope="module")
def information(images: torch.Tensor) -> torch.Tensor:
    return entropy_map(images)


@pytest.fixture(scope="module")
def estimate(images: torch.Tensor, information: torch.Tensor) -> Estimate:
    return estimate_intensity(images, information, EstimateOptions(thresholds=(2.3, 5.0)))


def test_ranges() -> None:
    r = Ranges.from_scalar(1.3)
    assert r.brightness == pytest.approx((0.7, 1.3))
    assert r.contrast == pytest.approx((0.6, 1.4))
    assert Ranges.from_scalar(1.4).contains(Ranges.from_scalar(1.2))
    assert not Ranges.from_scalar(1.2).contains(Ranges.from_scalar(1.4))
    with pytest.raises(ValueError, match="contrast is low, high"):
        Ranges((1.0, 1.0), (-0.1, 1.0))
    with pytest.raises(ValueError, match="at least 1"):
        Ranges.from_scalar(0.9)


def test_presets_nest_as_the_method_file_says() -> None:
    for name in ("paper", "official_code", "adap"):
        preset = PRESETS[name]
        assert preset.medium.contains(preset.high)
        assert preset.low == preset.medium
        assert preset.high.contains(BASELINE)
    assert PRESETS["baseline"] == Intensity.uniform(Ranges((0.85, 1.15), (0.75, 1.25)))
    assert PRESETS["official_code"].medium == Ranges((0.505, 1.997), (0.34, 2.329))


def test_the_table_is_looked_up_by_class() -> None:
    table = PRESETS["paper"].table()
    brightness, contrast = ranges_of(table, torch.tensor([2, 1, 0, 2], dtype=torch.uint8))
    torch.testing.assert_close(brightness[:, 1], torch.tensor([1.2, 1.4, 1.4, 1.2]))
    torch.testing.assert_close(contrast[0], torch.tensor([1 - 0.8 / 3, 1 + 0.8 / 3]))


def test_continuous_ranges() -> None:
    b, c = continuous_ranges(torch.tensor([3.0, 8.0, 0.0]))
    torch.testing.assert_close(b, torch.tensor([[0.6, 1.6], [1.0, 1.0], [0.3, 2.2]]))
    torch.testing.assert_close(c, torch.tensor([[0.5, 1.7], [1.0, 1.0], [0.05, 2.3]]))
    b, c = continuous_ranges(torch.tensor([0.0]), "root")
    torch.testing.assert_close(torch.cat([b, c]), torch.tensor([[0.092, 2.984], [0.0, 3.08]]))


def test_key_points_are_sorted_and_found_again(images: torch.Tensor) -> None:
    found = sift_points(images[0])
    assert len(found.points) > 10
    assert (found.response.diff() <= 0).all()
    assert len({tuple(p) for p in found.points.tolist()}) == len(found.points)
    again = sift_points(images[0])
    assert torch.equal(found.points, again.points)
    assert torch.equal(found.descriptors, again.descriptors)
    usable = fits(found.points, (96, 112), 16, 0.1)
    strong = type(found)(*(v[usable][:6] for v in found))
    matched = correspondences(strong, images[:2], patch=16)
    assert torch.equal(matched[0], strong.points)
    # image 1 is shifted so
    near = (matched[1] - (strong.points - torch.tensor([1.0, 2.0]))).norm(dim=1) < 2
    assert near.sum() >= 4


def test_images_without_detail_have_no_key_points(images: torch.Tensor) -> None:
    flat = torch.full((96, 112), 90, dtype=torch.uint8)
    assert len(sift_points(flat).points) == 0
    assert correspondences(sift_points(images[0]), flat[None], patch=16).isnan().all()


def test_room_for_a_patch() -> None:
    p = torch.tensor([[9.0, 30], [10, 30], [54, 30], [55, 30], [math.nan, 30]])
    assert fits(p, (64, 64), 20, 0.1).tolist() == [False, True, True, False, False]
    assert fits(p, (64, 64), 2, 0.15).tolist() == [False, True, True, False, False]


def test_the_strongest_of_each_class() -> None:
    kinds = torch.tensor([2, 2, 1, 2, 1, 1, 0], dtype=torch.uint8)
    usable = torch.tensor([True, True, True, True, False, True, True])
    keep, of = choose_points(usable, kinds, 2)
    assert keep.tolist() == [0, 1, 2, 5, 6]
    assert of.int().tolist() == [
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [0, 1, 0, 0],
        [0, 1, 0, 0],
        [1, 0, 0, 0],
    ]


@pytest.mark.parametrize("kind", ["joint_hist", "hist_labels"])
@pytest.mark.parametrize("quirk", [False, True])
def test_search_is_the_loop(images: torch.Tensor, kind: str, quirk: bool) -> None:
    """Two points, three images, against a walk of one patch at a time."""
    points = torch.tensor([[40.0, 50], [60, 31]]).expand(3, 2, 2)
    patch, least = 18, [1.2, 2.9]
    of = torch.tensor([[True, True], [True, False]])
    ours = search(images[:3], points, of, least, Search(patch, kind, official_quirk=quirk))  # type: ignore[arg-type]
    for group, limit in enumerate(least):
        ends: dict[int, list[tuple[float, float]]] = {1: [], -1: []}
        for i in range(3):
            for k in range(2):
                if not of[k, group]:
                    continue
                item = torch.tensor([0])
                original = cut_patches(images[i : i + 1], item, points[0, k : k + 1], patch)
                for way in (1, -1):
                    best = (0.0, 0.0) if quirk else (1.0, 1.0)
                    for s in range(100):
                        changed = cut_patches(
                            jittered(images[i : i + 1], way * s), item, points[0, k : k + 1], patch
                        )
                        if mutual_information(original, changed, kind=kind).double().item() < limit:  # type: ignore[arg-type]
                            break
                        at = s + 1 if quirk else s
                        best = (max(0.0, 1 + 0.03 * way * at), max(0.0, 1 + 0.04 * way * at))
                    ends[way].append(best)
        up, down = (
            torch.tensor(ends[way], dtype=torch.float64).mean(0).tolist() for way in (1, -1)
        )
        r = ours[group]
        assert r is not None
        assert r.brightness == pytest.approx(tuple(sorted((down[0], up[0]))), abs=1e-9)
        assert r.contrast == pytest.approx(tuple(sorted((down[1], up[1]))), abs=1e-9)


def test_recorded_factors() -> None:
    assert stop_factors(torch.tensor([1, 3]), 1, False) == pytest.approx((1.03, 1.04))
    assert stop_factors(torch.tensor([1, 3]), 1, True) == pytest.approx((1.06, 1.08))
    assert stop_factors(torch.tensor([0, 2]), -1, True) == pytest.approx((0.47, 0.46))
    assert stop_factors(torch.tensor([100]), 1, False) == pytest.approx((3.97, 4.96))


def test_estimate(estimate: Estimate) -> None:
    assert set(estimate.targets) <= {*CLASSES, "all"}
    assert {"high", "all"} <= set(estimate.targets)
    assert estimate.targets["all"].points == 8
    assert estimate.targets["all"].pairs == 8 * 4
    for r in (estimate.overall, estimate.intensity.high, estimate.intensity.medium):
        assert r.brightness[0] <= 1 <= r.brightness[1]
        assert r.contrast[0] <= 1 <= r.contrast[1]
    assert estimate.intensity.low == estimate.intensity.medium
    assert estimate.overall.brightness[1] > 1
    excess = estimate.overall.contrast[1] - 1
    assert excess == pytest.approx(4 / 3 * (estimate.overall.brightness[1] - 1))


def test_estimates_repeat_and_use_no_random_numbers(
    images: torch.Tensor, information: torch.Tensor, estimate: Estimate
) -> None:
    state = torch.get_rng_state()
    again = estimate_intensity(images, information, EstimateOptions(thresholds=(2.3, 5.0)))
    assert torch.equal(state, torch.get_rng_state())
    assert again.intensity == estimate.intensity
    assert again.overall == estimate.overall
    assert torch.equal(again.points.nan_to_num(-1), estimate.points.nan_to_num(-1))


def test_a_higher_target_means_milder_jitter(
    images: torch.Tensor, information: torch.Tensor, estimate: Estimate
) -> None:
    points = estimate.points

    def overall(**settings: object) -> Ranges:
        options = EstimateOptions(limit=3, **settings)  # type: ignore[arg-type]
        return estimate_intensity(images, information, options, points=points).overall

    plain = overall()
    assert overall(alpha=0.7).contains(plain)
    assert plain.contains(overall(alpha=1.3))
    assert overall(stop="mean-std").contains(plain)
    assert overall(alpha=(1.0, 1.0, 1.0)) == plain
    by_all = estimate_intensity(
        images, information, EstimateOptions(limit=3, target="all"), points=points
    )
    assert by_all.overall == plain
    assert by_all.targets["all"].mean > 0


def test_classes_without_key_points_fall_back(
    images: torch.Tensor, information: torch.Tensor
) -> None:
    points = torch.tensor([[40.0, 50], [60, 31]]).expand(5, 2, 2)
    high, low = (EstimateOptions(thresholds=(bits, bits), low="own") for bits in (0.0, 9.0))
    only_high = estimate_intensity(images, information, high, points=points)
    assert set(only_high.targets) == {"high", "all"}
    assert only_high.intensity == Intensity.uniform(only_high.overall)
    only_low = estimate_intensity(images, information, low, points=points)
    assert only_low.intensity.low == only_low.overall


def test_given_points_may_be_unknown(images: torch.Tensor, information: torch.Tensor) -> None:
    points = torch.tensor([[40.0, 50], [60, 31], [2.0, 2.0]]).repeat(5, 1, 1)
    points[2, 0] = math.nan
    found = estimate_intensity(images, information, EstimateOptions(patch=20), points=points)
    assert found.targets["all"].pairs == 7
    assert found.targets["all"].points == 2


def test_images_are_spread_or_drawn() -> None:
    assert spread_images(10, 4, 3, None).tolist() == [3, 0, 5, 9]
    assert spread_images(3, 16, 0, None).tolist() == [0, 1, 2]
    drawn = [spread_images(50, 6, 7, torch.Generator().manual_seed(s)).tolist() for s in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0][0] == 7
    assert len(set(drawn[0])) == 6


def test_bad_input(images: torch.Tensor, information: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="96 x 112 pixels are smaller than the patch of 100 x 100"):
        estimate_intensity(images, information, EstimateOptions(patch=100))
    with pytest.raises(TypeError, match=r"got torch\.float32"):
        estimate_intensity(images.float(), information)
    with pytest.raises(ValueError, match="at least two images"):
        estimate_intensity(images[:1], information[:1])
    flat = torch.full_like(images, 7)
    with pytest.raises(ValueError, match="0 key points with room for a patch of 16 in image 0"):
        estimate_intensity(flat, entropy_map(flat))
    with pytest.raises(ValueError, match="no pair of corresponding ones in 4 other images"):
        estimate_intensity(torch.cat([images[:1], flat[1:]]), information)
