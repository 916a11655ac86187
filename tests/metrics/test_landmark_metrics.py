"""Radial errors, rates and intervals: worked numbers, loops as reference, and what is missing or
unknown."""

import inspect
import math

import numpy as np
import pytest
import torch

from pixcl_bench.metrics.landmarks import (
    SDR_RADII,
    exact_truth,
    hand_errors,
    isbi_errors,
    mean_over_images,
    published_truth,
    radial_errors,
    score_points,
    summarise_errors,
)

INF, NAN = math.inf, math.nan
NAMES = ("sella", "upper lip", "menton")


def points(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, 2, generator=torch.Generator().manual_seed(seed)) * 100


# ---- radial errors


def test_the_worked_cephalogram() -> None:
    native = torch.tensor([[[1000.5, 800.0]] * 19])
    truth = published_truth(native, torch.tensor([[2400, 1935]]))
    found = isbi_errors(truth.float() + torch.tensor([3.0, 4.0]), native)
    assert torch.allclose(found, torch.full((1, 19), 2.752884, dtype=torch.float64), atol=1e-6)
    spacing = torch.tensor([[0.625, 0.50390625]])
    assert radial_errors(truth.float() + torch.tensor([3.0, 4.0]), truth.float(), spacing)[
        0, 0
    ].item() == (pytest.approx(2.752884, abs=1e-6))


def test_errors_are_those_of_a_loop() -> None:
    pred, truth = points(0, 2, 4, 3), points(1, 4, 3)
    spacing = torch.tensor([[0.1, 0.3], [1, 2], [0.5, 0.5], [2, 1]])
    found = radial_errors(pred, truth, spacing)
    for s, n, k in np.ndindex(2, 4, 3):
        dy, dx = ((pred[s, n, k].double() - truth[n, k].double()) * spacing[n].double()).tolist()
        assert found[s, n, k].item() == pytest.approx(math.hypot(dy, dx), abs=1e-6)


def test_the_state_of_a_point_decides() -> None:
    truth = torch.tensor([[[1.0, 1.0], [NAN, NAN], [5.0, 5.0]]])
    pred = torch.tensor([[[NAN, 1.0], [2.0, 2.0], [5.0, INF]]])
    assert radial_errors(pred, truth)[0, 0].item() == INF
    assert radial_errors(pred, truth)[0, 1].isnan()
    assert radial_errors(pred, truth)[0, 2].item() == INF
    assert radial_errors(torch.full_like(pred, NAN), truth)[0].isnan().tolist() == [
        False,
        True,
        False,
    ]


def test_the_truth_may_differ_by_support() -> None:
    truth = points(0, 2, 4, 3)
    truth[1, :, 2] = NAN  # the second support has no such point
    found = radial_errors(truth.nan_to_num(7.0), truth)
    assert found[0].eq(0).all()
    assert found[1, :, 2].isnan().all()


@pytest.mark.parametrize(
    ("value", "message"), [(0.0, "positive lengths"), (-1.0, "positive"), (INF, "infinite")]
)
def test_a_spacing_that_is_no_length_is_refused(value: float, message: str) -> None:
    spacing = torch.ones(4, 2)
    spacing[2, 0] = value
    with pytest.raises(ValueError, match=message):
        radial_errors(points(0, 4, 3), points(1, 4, 3), spacing)


def test_points_of_other_images_are_refused() -> None:
    unchecked = inspect.unwrap(radial_errors)  # without the type checker, which would say it first
    for other, spacing in ((points(1, 4, 2), None), (points(1, 4, 3), torch.ones(3, 2))):
        with pytest.raises(ValueError, match="same n and L"):
            unchecked(points(0, 4, 3), other, spacing)


# ---- truth and spacing as published


def test_truncation_is_exact_where_it_divides() -> None:
    x = torch.arange(0, 1935, 645.0, dtype=torch.float64)
    native = torch.stack([torch.arange(3, dtype=torch.float64) * 25, x], -1)[None]
    found = published_truth(native, torch.tensor([[2400, 1935]]))
    assert found[0].tolist() == [[0.0, 0.0], [4.0, 128.0], [8.0, 256.0]]


def test_truncation_is_within_a_pixel_of_the_exact_truth() -> None:
    native = torch.floor(points(0, 50, 19) * 38) / 2
    sides = torch.full((50, 2), 2000)
    apart = published_truth(native, sides) - exact_truth(native, sides)
    assert apart.abs().max() < 0.75
    assert apart.mean().abs() < 0.2


def test_a_wrist_of_fifty_pixels_is_a_millimetre_each() -> None:
    native = torch.zeros(1, 37, 2) + 100
    native[0, 4] = torch.tensor([130.0, 140.0])
    sides = torch.tensor([[384, 384]])
    for frame in ("native", "resized"):
        found = hand_errors(native + torch.tensor([0.0, 2.0]), native, sides, frame=frame)
        assert torch.allclose(found, torch.full((1, 37), 2.0, dtype=torch.float64))
    tall = torch.tensor([[768, 384]])
    moved = published_truth(native, tall).float() + torch.tensor([1.0, 0.0])
    assert hand_errors(moved, native, tall)[0, 0].item() == pytest.approx(2.0)


# ---- summaries


def test_counts_by_hand() -> None:
    truth = torch.zeros(2, 3, 2) + 50
    pred = truth.clone()
    pred[0, 0, 1] += 2.0  # exactly 2: not within 2
    pred[0, 1, 0] += 3.0
    pred[1, 2] = NAN
    truth[1, 1] = NAN
    spacing = torch.tensor([[1.0, 1.0], [3.0, 4.0]])
    found = score_points(pred, truth, spacing, names=NAMES, size=(100, 100))
    missing = math.hypot(300, 400)
    assert found["mre"] == pytest.approx((2 + 3 + missing) / 5)
    assert found["median"] == 2.0
    assert [found[key] for key in SDR_RADII] == [2 / 5, 3 / 5, 3 / 5, 4 / 5, 4 / 5]
    assert (found["mre_sella"], found["mre_upper_lip"]) == (1.0, 3.0)
    assert found["mre_menton"] == pytest.approx(missing / 2)
    assert found["mre_grid"] == pytest.approx((2 + 3 + math.hypot(100, 100)) / 5)
    assert found["mre_px"] == pytest.approx(found["mre_grid"] * 5.12)
    assert (found["success8"], found["success16"], found["success32"]) == (2 / 5, 4 / 5, 4 / 5)
    assert found["undefined"] == 1.0


def test_the_summary_has_all_keys_and_plain_floats() -> None:
    found = score_points(
        points(0, 3, 4, 3), points(1, 4, 3), torch.ones(4, 2), names=NAMES, size=(100, 80)
    )
    wanted = {"mre", "median", *SDR_RADII, "mre_low", "mre_high", "mre_px", "median_px", "mre_grid"}
    wanted |= {
        "success8",
        "success16",
        "success32",
        "undefined",
        "mre_sella",
        "mre_upper_lip",
        "mre_menton",
    }
    assert set(found) == wanted
    assert all(isinstance(value, float) for value in found.values())


def test_silence_is_never_better_than_an_answer() -> None:
    truth = points(0, 6, 3)
    far = (truth - 50).sign() * -1 * torch.tensor([49.0, 49.0]) + 50  # the opposite corner
    silent = torch.full_like(truth, NAN)
    scores = [
        score_points(p, truth, torch.ones(6, 2), names=NAMES, size=(100, 100))
        for p in (truth, far, silent)
    ]
    assert [s["mre"] for s in scores] == sorted(s["mre"] for s in scores)  # type: ignore[type-var]
    assert scores[2]["mre"] == pytest.approx(math.hypot(100, 100))
    assert (scores[2]["sdr10"], scores[2]["success32"], scores[2]["undefined"]) == (0.0, 0.0, 18.0)


def test_a_landmark_that_nobody_knows_has_no_mean() -> None:
    truth = points(0, 4, 3)
    truth[:, 1] = NAN
    found = score_points(points(1, 4, 3), truth, torch.ones(4, 2), names=NAMES, size=(100, 100))
    assert found["mre_upper_lip"] is None
    assert found["mre_sella"] is not None


def test_nothing_known_and_names_that_clash_are_refused() -> None:
    pred, spacing = points(0, 4, 3), torch.ones(4, 2)
    with pytest.raises(ValueError, match="nothing to measure"):
        score_points(pred, torch.full_like(pred, NAN), spacing, names=NAMES, size=(9, 9))
    for names in (("a", "b"), ("a", "b", "a"), ("a", "low", "b")):
        with pytest.raises(ValueError, match="3 different names"):
            score_points(pred, pred, spacing, names=names, size=(9, 9))
    errors, other = radial_errors(pred, pred, spacing), radial_errors(pred, pred)
    other[0, 0] = NAN
    with pytest.raises(ValueError, match="not of the same points"):
        summarise_errors(errors, other, names=NAMES, size=(9, 9), spacing=spacing)


# ---- the interval


def test_the_interval_is_that_of_a_loop_over_images() -> None:
    errors = points(0, 2, 12, 4)[..., 0].double()
    errors[0, 3] = NAN
    errors[:, 5, 1] = NAN
    low, high = mean_over_images(errors, resamples=4000, seed=1) or (0.0, 0.0)
    rng = np.random.default_rng(0)
    means = [np.nanmean(errors[:, rng.integers(0, 12, 12)].numpy()) for _ in range(4000)]
    assert [low, high] == pytest.approx(np.quantile(means, [0.025, 0.975]).tolist(), abs=0.6)
    assert low < errors[~errors.isnan()].mean() < high


def test_the_interval_is_seeded_and_needs_two_images() -> None:
    errors = points(0, 1, 12, 4)[..., 0]
    assert mean_over_images(errors, seed=1) == mean_over_images(errors, seed=1)
    assert mean_over_images(errors, seed=1) != mean_over_images(errors, seed=2)
    assert mean_over_images(errors[:, :1]) is None
    errors[:, 1:] = NAN
    assert mean_over_images(errors) is None
