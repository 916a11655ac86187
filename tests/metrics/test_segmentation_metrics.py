"""Segmentation metrics: the protocol's fixture, brute force, missing classes, sliding windows."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from pixcl_bench.metrics import segmentation as S

REFUSED = (ValueError, TypeError)


def cube() -> Tensor:
    p = torch.zeros(8, 8, 8, dtype=torch.uint8)
    p[2:6, 2:6, 2:6] = 1
    return p


def blob(seed: int, *shape: int, dtype: torch.dtype = torch.uint8) -> Tensor:
    noise = np.random.default_rng(seed).standard_normal(shape)
    return torch.from_numpy(ndimage.gaussian_filter(noise, 1.3) > 0.1).to(dtype)


def one(pred: Tensor, truth: Tensor, **kwargs: object) -> S.ClassScore:
    return S.score_case(pred, truth, num_classes=2, **kwargs).classes[1]  # type: ignore[arg-type]


def test_fixture_of_the_protocol() -> None:
    p, g = cube(), cube().roll(1, 0)
    s = one(p, g)
    assert (s.dice, s.jaccard, s.hd95) == pytest.approx((0.75, 0.6, 1.0), abs=1e-6)
    assert (s.asd, s.assd) == pytest.approx((0.357143, 0.357143), abs=1e-6)
    p[0, 0, 0] = 1
    s, r = one(p, g), one(g, p)
    assert (s.dice, s.hd95, s.asd, s.assd) == pytest.approx(
        (0.744186, 1.0, 0.423212, 0.390470), abs=1e-6
    )
    assert r.asd == pytest.approx(0.357143, abs=1e-6)
    assert (r.dice, r.jaccard, r.hd95, r.assd) == pytest.approx((s.dice, s.jaccard, s.hd95, s.assd))


def surface(mask: np.ndarray) -> np.ndarray:
    found = []
    for v in itertools.product(*map(range, mask.shape)):
        if mask[v]:
            around = [(*v[:a], v[a] + s, *v[a + 1 :]) for a in range(mask.ndim) for s in (-1, 1)]
            if not all(
                all(0 <= i < n for i, n in zip(w, mask.shape, strict=True)) and mask[w]
                for w in around
            ):
                found.append(v)
    return np.array(found, float)


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((11, 13), None), ((8, 12), (1.5, 0.7)), ((5, 8, 7), None), ((4, 8, 8), (6.0, 1.2, 0.9))],
)
def test_against_brute_force(shape: tuple[int, ...], spacing: tuple[float, ...] | None) -> None:
    for seed in range(3):
        p, g = blob(seed, *shape), blob(seed + 50, *shape)
        scale = np.ones(len(shape)) if spacing is None else np.array(spacing)
        sp, sg = surface(p.numpy()) * scale, surface(g.numpy()) * scale
        every = np.sqrt(((sp[:, None] - sg[None]) ** 2).sum(-1))
        there, back = every.min(1), every.min(0)
        s = one(p, g, spacing=spacing)
        both = np.concatenate([there, back])
        assert (s.hd95, s.asd, s.assd) == pytest.approx(
            (np.percentile(both, 95), there.mean(), both.mean()), abs=1e-5
        )
        inter, union = int((p & g).sum()), int((p | g).sum())
        assert (s.dice, s.jaccard) == pytest.approx((2 * inter / (inter + union), inter / union))
        assert s.jaccard == pytest.approx(s.dice / (2 - s.dice))


def test_border_is_background_and_spacing_scales() -> None:
    whole = torch.ones(5, 6, 7, dtype=torch.int64)
    s = one(whole, whole)
    assert (s.dice, s.hd95, s.asd) == (1.0, 0.0, 0.0)
    p, g = blob(1, 6, 9, 9), blob(2, 6, 9, 9)
    plain, twice = one(p, g), one(p, g, spacing=(2.0, 2.0, 2.0))
    assert twice.hd95 == pytest.approx(2 * plain.hd95)  # type: ignore[operator]
    assert one(p, g, spacing=(1.0, 1.0, 1.0)) == plain


def test_missing_classes() -> None:
    p, empty = cube(), torch.zeros_like(cube())
    assert one(empty, empty) == S.ClassScore(1.0, 1.0, None, None, None, "absent")
    assert one(empty, empty, undefined="field") == S.ClassScore(0.0, 0.0, 0.0, 0.0, 0.0, "absent")
    for a, b in ((p, empty), (empty, p)):
        s = one(a, b, spacing=(3.0, 1.0, 2.0))
        far = math.sqrt(24**2 + 8**2 + 16**2)
        assert (s.dice, s.jaccard, s.state) == (0.0, 0.0, "undefined")
        assert (s.hd95, s.asd, s.assd) == pytest.approx((far,) * 3)
        assert one(a, b, undefined="field") == S.ClassScore(0.0, 0.0, 0.0, 0.0, 0.0, "undefined")


def test_ignored_voxels_belong_to_nothing() -> None:
    g = torch.zeros(4, 6, 6, dtype=torch.uint8)
    g[1:3, 1:4, 1:4] = 1
    p = g.clone()
    p[:, 5] = 1
    masked = g.clone()
    masked[:, 5] = 255
    assert one(p, masked) == S.ClassScore(1.0, 1.0, 0.0, 0.0, 0.0)
    assert one(p, g).dice < 1
    nothing = torch.full_like(g, 255)
    assert one(p, nothing).state == "absent"
    inside = g.clone()
    inside[1, 1, 1] = 255  # a hole in both: still equal
    assert one(g, inside) == S.ClassScore(1.0, 1.0, 0.0, 0.0, 0.0)


def test_classes_alone_and_together() -> None:
    rng = np.random.default_rng(3)
    p, g = torch.from_numpy(rng.integers(0, 5, (2, 4, 9, 9)))
    cases = S.score_case(p, g, num_classes=5, spacing=(4.0, 1.0, 1.0))
    for c in range(1, 5):
        assert cases.classes[c] == one((p == c).long(), (g == c).long(), spacing=(4.0, 1.0, 1.0))
    some = S.score_case(p, g, num_classes=5, spacing=(4.0, 1.0, 1.0), classes=(2, 4))
    assert some.classes == {c: cases.classes[c] for c in (2, 4)}


@pytest.mark.filterwarnings("ignore::FutureWarning:monai")
def test_overlaps_are_monais() -> None:
    from monai.metrics import (
        compute_average_surface_distance,
        compute_dice,
        compute_hausdorff_distance,
        compute_iou,
    )

    p, g = (blob(s, 6, 10, 10) + blob(s + 9, 6, 10, 10) for s in (0, 1))
    hot = [torch.stack([v == c for c in range(3)])[None].float() for v in (p, g)]
    scores = S.score_case(p, g, num_classes=3).classes
    for i, c in enumerate((1, 2)):
        assert scores[c].dice == pytest.approx(
            float(compute_dice(*hot, include_background=False)[0, i])
        )
        assert scores[c].jaccard == pytest.approx(
            float(compute_iou(*hot, include_background=False)[0, i])
        )
        for measure, symmetric in (("asd", False), ("assd", True)):
            theirs = float(compute_average_surface_distance(*hot, symmetric=symmetric)[0, i])
            assert getattr(scores[c], measure) == pytest.approx(theirs, abs=1e-5)
        assert scores[c].hd95 <= float(compute_hausdorff_distance(*hot, percentile=95)[0, i]) + 1e-5


def test_wrong_input_is_named() -> None:
    p = cube()
    with pytest.raises(REFUSED):
        S.score_case(p, p[1:], num_classes=2)
    with pytest.raises(ValueError, match=r"prediction has labels 0\.\.3"):
        S.score_case(p * 3, p, num_classes=2)
    with pytest.raises(ValueError, match=r"truth has labels -1\.\.0"):
        S.score_case(p, -p.long(), num_classes=2)
    with pytest.raises(ValueError, match="positive lengths in mm"):
        S.score_case(p, p, num_classes=2, spacing=(1.0, -1.0, 1.0))
    with pytest.raises(ValueError, match=r"among 1\.\.1"):
        S.score_case(p, p, num_classes=2, classes=(2,))


def test_summary_means_cases_then_classes() -> None:
    p, g, empty = cube(), cube().roll(1, 0), torch.zeros_like(cube())
    cases = [S.score_case(p, g, num_classes=3), S.score_case(empty, g, num_classes=3)]
    got = S.summarise(cases, ["background", "left atrium", "b"])
    assert got["dice_left_atrium"] == pytest.approx(0.375)
    assert got["dice"] == pytest.approx((0.375 + 1) / 2)
    assert got["hd95"] == pytest.approx((1 + 8 * math.sqrt(3)) / 2)
    assert (got["undefined"], got["absent"]) == (1, 2)
    assert set(got) == {
        "dice",
        "jaccard",
        "hd95",
        "asd",
        "assd",
        "dice_left_atrium",
        "dice_b",
        "undefined",
        "absent",
    }
    with pytest.raises(ValueError, match="at least one case"):
        S.summarise([], ["background", "a"])
    with pytest.raises(ValueError, match="all scored on the same classes"):
        S.summarise([cases[0], S.score_case(p, g, num_classes=2)], ["background", "a", "b"])


@pytest.mark.parametrize(
    ("shape", "patch", "stride"),
    [
        ((19, 23), (8, 9), (3, 4)),
        ((9, 20), (9, 8), (9, 8)),
        ((7, 12, 11), (4, 6, 7), (1, 5, 2)),
        ((26, 26), (24, 24), (1, 23)),
    ],
)
def test_windows_start_where_the_protocol_says(
    shape: tuple[int, ...], patch: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    starts: list[tuple[int, ...]] = []
    corner = (slice(None), slice(None), *([0] * len(shape)))

    def predict(x: Tensor) -> Tensor:
        starts.extend(tuple(v) for v in x[corner].int().tolist())
        return torch.ones_like(x[:, :1])

    grid = torch.meshgrid(*[torch.arange(float(n)) for n in shape], indexing="ij")
    out = S.sliding_window(predict, torch.stack(grid), patch=patch, stride=stride, batch=3)
    axes = [
        [min(k * s, n - p) for k in range(-(-(n - p) // s) + 1)]
        for n, p, s in zip(shape, patch, stride, strict=True)
    ]
    assert starts == list(itertools.product(*axes))
    torch.testing.assert_close(out, torch.ones(1, *shape))


def test_window_average_padding_and_caller_untouched() -> None:
    kept: list[Tensor] = []

    def predict(x: Tensor) -> Tensor:
        kept.append(x * 2)
        return kept[-1]

    out = S.sliding_window(predict, torch.ones(1, 3, 5), patch=(6, 6), stride=(2, 2))
    assert torch.equal(out, torch.full((1, 3, 5), 2.0))
    assert len(kept) == 1
    assert kept[0].sum(3)[0, 0].tolist() == [0, 10, 10, 10, 0, 0]
    low = S.sliding_window(lambda x: x.bfloat16(), torch.ones(1, 3, 5), patch=(2, 2), stride=(1, 1))
    assert low.dtype == torch.float32
    with pytest.raises(ValueError, match="0 < stride <= patch"):
        S.sliding_window(predict, torch.ones(1, 3, 5), patch=(2, 2), stride=(3, 1))


def test_largest_component() -> None:
    p = cube() * 2
    p[0, 0, 0] = 1
    assert torch.equal(S.largest_component(p), cube() * 2)
    p[1, 1, 1] = 1  # a bridge over two corners
    assert torch.equal(S.largest_component(p), p)
    assert S.largest_component(torch.zeros(3, 3, dtype=torch.uint8)).sum() == 0


def test_monai_is_imported_late() -> None:
    code = "import sys, pixcl_bench.metrics.segmentation; sys.exit('monai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
