"""Entropy maps are exact at every pixel, weights do what they say, mutual information is its
definition."""

import math

import numpy as np
import pytest
import torch
from skimage.filters import rank
from skimage.morphology import disk

from pixcl_bench.methods.igu_aug.information import (
    auto_thresholds,
    classes,
    entropy_at,
    entropy_map,
    label_entropy,
    label_mutual_information,
    mutual_information,
    positive_similarity_curve,
    quantile_thresholds,
    sampling_weight,
)


def scene(h: int, w: int, seed: int = 0) -> torch.Tensor:
    """A flat part, a ramp, few levels and noise, on one uint8 image."""
    g = torch.Generator().manual_seed(seed)
    image = torch.zeros(h, w)
    image[:, w // 4 :] = torch.linspace(0, 255, w - w // 4)
    image[h // 2 :] = torch.randint(0, 256, (h - h // 2, w), generator=g).float()
    image[h // 2 :, w // 2 :] = (image[h // 2 :, w // 2 :] / 80).floor() * 80
    return image.to(torch.uint8)


def brute_force(image: np.ndarray, window: str, size: int) -> np.ndarray:
    h, w = image.shape
    y, x = np.mgrid[:h, :w]
    out = np.empty((h, w))
    for i in range(h):
        for j in range(w):
            if window == "disk":
                seen = (y - i) ** 2 + (x - j) ** 2 <= size**2
            else:
                first, last = size // 2, size - 1 - size // 2
                seen = (y >= i - first) & (y <= i + last) & (x >= j - first) & (x <= j + last)
            c = np.bincount(image[seen])
            p = c[c > 0] / c.sum()
            out[i, j] = -(p * np.log(p)).sum()
    return out


@pytest.mark.parametrize("shape", [(53, 38), (21, 64), (40, 21)])
def test_disk_10_is_scikit_images_rank_filter(shape: tuple[int, int]) -> None:
    image = scene(*shape)
    expected = rank.entropy(image.numpy(), disk(10))
    np.testing.assert_allclose(entropy_map(image[None])[0].numpy(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("window", "size", "shape"),
    [
        ("box", 64, (66, 71)),
        ("box", 64, (64, 64)),
        ("box", 7, (17, 30)),
        ("box", 1, (5, 4)),
        ("disk", 10, (23, 31)),
        ("disk", 1, (9, 5)),
        ("disk", 4, (30, 9)),
    ],
)
def test_every_window_is_a_histogram_at_every_pixel(
    window: str, size: int, shape: tuple[int, int]
) -> None:
    image = scene(*shape)
    ours = entropy_map(image[None], window=window, size=size, base="nats")[0]  # type: ignore[arg-type]
    np.testing.assert_allclose(
        ours.numpy(), brute_force(image.numpy(), window, size), atol=1e-6, rtol=0
    )


def test_large_windows_count_beyond_16_bits() -> None:
    image = scene(300, 290) // 48
    for window, size in (("disk", 128), ("box", 280)):
        ours = entropy_map(image[None], window=window, size=size, base="nats")[0]  # type: ignore[arg-type]
        for i, j in ((0, 0), (150, 145), (299, 289), (20, 200)):
            y, x = np.mgrid[:300, :290]
            near = (
                (y - i) ** 2 + (x - j) ** 2 <= size**2
                if window == "disk"
                else (abs(2 * (y - i) + 1) <= size) & (abs(2 * (x - j) + 1) <= size)
            )
            c = np.bincount(image.numpy()[near])
            p = c[c > 0] / c.sum()
            assert abs(float(ours[i, j]) + float((p * np.log(p)).sum())) < 1e-6


def test_worked_numbers_of_entropy() -> None:
    counts = torch.tensor([0] * 4 + [1] * 4 + [2] * 2 + [3] * 6, dtype=torch.uint8).view(1, 4, 4)
    nats, bits = (
        entropy_map(counts, window="box", size=4, base=b)[0, 2, 2].item() for b in ("nats", "bits")
    )
    assert nats == pytest.approx(1.320888, abs=1e-6)
    assert bits == pytest.approx(1.905639, abs=1e-6)
    rows = torch.arange(5, dtype=torch.uint8)[:, None].expand(5, 5)[None]
    h = entropy_map(rows, window="box", size=4, base="nats")[0]
    assert h[0, 0].item() == pytest.approx(0.693147, abs=1e-6)
    assert h[2, 2].item() == pytest.approx(1.386294, abs=1e-6)
    assert h[4, 4].item() == pytest.approx(1.098612, abs=1e-6)


def test_properties_of_entropy() -> None:
    g = torch.Generator().manual_seed(1)
    images = torch.stack([scene(40, 33, s) for s in range(3)])
    h = entropy_map(images)
    assert h.dtype == torch.float32
    assert h.min() >= 0
    assert h.max() <= 8
    assert (entropy_map(torch.full((1, 30, 30), 200, dtype=torch.uint8)) == 0).all()
    torch.testing.assert_close(h, entropy_map(images, base="nats") / math.log(2), atol=2e-6, rtol=0)
    remap = torch.randperm(256, generator=g).to(torch.uint8)
    torch.testing.assert_close(entropy_map(remap[images.long()]), h, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        entropy_map(images // 2 + 100), entropy_map(images // 2), atol=1e-6, rtol=0
    )
    shuffled = images[0, :21, :21].flatten()[torch.randperm(441, generator=g)].view(1, 21, 21)
    box = {"window": "box", "size": 21}
    centre = entropy_map(images[:1, :21, :21], **box)[0, 10, 10]
    torch.testing.assert_close(entropy_map(shuffled, **box)[0, 10, 10], centre, atol=1e-6, rtol=0)


@pytest.mark.parametrize("chunk", [1, 5000, 10**7])
def test_batches_and_chunks_change_nothing(chunk: int) -> None:
    images = torch.stack([scene(40, 33, s) for s in range(5)])
    alone = torch.cat([entropy_map(i[None]) for i in images])
    torch.testing.assert_close(entropy_map(images, chunk=chunk), alone, atol=1e-6, rtol=0)
    assert entropy_map(images[:0], chunk=chunk).shape == (0, 40, 33)


@pytest.mark.gpu
def test_the_gpu_counts_the_same() -> None:
    images = torch.stack([scene(70, 90, s) for s in range(5)])
    for window, size in (("disk", 10), ("box", 64)):
        here = entropy_map(images, window=window, size=size)  # type: ignore[arg-type]
        there = entropy_map(images.cuda(), window=window, size=size)  # type: ignore[arg-type]
        torch.testing.assert_close(there.cpu(), here, atol=1e-6, rtol=0)
    pair = images[:2, :40], images[1:3, :40]
    for kind in ("joint_hist", "hist_labels"):
        a, b = (
            mutual_information(*(x.to(d) for x in pair), kind=kind).cpu() for d in ("cpu", "cuda")
        )
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


def test_bad_images_are_refused() -> None:
    with pytest.raises(ValueError, match="20 x 40 pixels are smaller than the disk of 21 x 21"):
        entropy_map(torch.zeros(1, 20, 40, dtype=torch.uint8))
    with pytest.raises(ValueError, match="64 x 63 pixels are smaller than the box of 64 x 64"):
        entropy_map(torch.zeros(1, 64, 63, dtype=torch.uint8), window="box", size=64)
    with pytest.raises(TypeError, match=r"8-bit grey levels \(torch.uint8\), got torch.float32"):
        entropy_map(torch.zeros(1, 64, 64))
    with pytest.raises(TypeError, match=r"got torch\.int64"):
        entropy_at(torch.zeros(1, 64, 64, dtype=torch.int64), (32, 32), resize_first=True)


def test_other_resolutions() -> None:
    image = scene(60, 80)[None]
    native = entropy_map(image)
    torch.testing.assert_close(entropy_at(image, (60, 80)), native, atol=1e-6, rtol=0)
    half = entropy_at(image, (30, 40))
    expected = native.view(1, 30, 2, 40, 2).mean((2, 4))
    torch.testing.assert_close(half, expected, atol=1e-5, rtol=0)
    assert entropy_at(image, (30, 40), resize_first=True).shape == (1, 30, 40)


def test_classes_and_weights() -> None:
    h = torch.tensor([0.0, 2.29, 2.3, 4.49, 4.5, 8.0])
    assert classes(h).tolist() == [0, 0, 1, 1, 2, 2]
    assert classes(h, (3.41, 5.5)).tolist() == [0, 0, 0, 1, 1, 2]
    with pytest.raises(ValueError, match="ascending order"):
        classes(h, (4.5, 2.3))
    torch.testing.assert_close(sampling_weight(h), h**0.3)
    assert (sampling_weight(h, gamma=0.0) == 1).all()
    assert sampling_weight(h, threshold=2.3).tolist() == [0, 0, 1, 1, 1, 1]
    with pytest.raises(ValueError, match="at least 0"):
        sampling_weight(h, gamma=-0.3)


def test_thresholds_from_a_loss() -> None:
    x = torch.linspace(0, 6, 3001, dtype=torch.float64)
    loss = -((x - 3) ** 2)
    low, high = auto_thresholds(x, loss)
    assert low == pytest.approx(3 - math.sqrt(3), abs=1e-3)
    assert high == pytest.approx(3 + math.sqrt(3), abs=1e-3)
    with pytest.raises(ValueError, match="crosses its mean 1 times"):
        auto_thresholds(x, x)
    with pytest.raises(ValueError, match="four different entropies"):
        auto_thresholds(x[:3], x[:3])


def test_thresholds_by_shares() -> None:
    h = entropy_map(scene(60, 50)[None])
    kinds = classes(h, quantile_thresholds(h, (0.1, 0.7)))
    shares = [float((kinds == i).float().mean()) for i in range(3)]
    assert shares == pytest.approx([0.1, 0.6, 0.3], abs=0.02)
    with pytest.raises(ValueError, match="ascending order"):
        quantile_thresholds(h, (0.7, 0.1))
    steps = torch.arange(1001.0).view(7, 11, 13)
    assert quantile_thresholds(steps, (0.25, 0.5)) == pytest.approx((250.0, 500.0))
    assert quantile_thresholds(steps, (0.0, 1.0), most=100) == (0.0, 990.0), "every 11th of 1001"


def test_similarity_curve() -> None:
    g = torch.Generator().manual_seed(2)
    h, s = torch.rand(500, generator=g) * 8, torch.rand(500, generator=g)
    curve = positive_similarity_curve(h, s)
    for i in range(16):
        here = (h >= i / 2) & (h < (i + 1) / 2)
        assert curve.number[i] == here.sum()
        assert curve.mean[i].item() == pytest.approx(s[here].mean().item(), abs=1e-6)
    assert positive_similarity_curve(torch.tensor([8.0]), torch.ones(1)).number[-1] == 1
    assert positive_similarity_curve(torch.tensor([0.1]), torch.ones(1)).mean[1].isnan()


def score(a: list[int], b: list[int]) -> float:
    """The clustering score of two label vectors, from its definition."""
    table = np.zeros((max(a) + 1, max(b) + 1))
    np.add.at(table, (a, b), 1 / len(a))
    p, q = table.sum(1, keepdims=True), table.sum(0, keepdims=True)
    some = table > 0
    return float((table[some] * np.log(table[some] / (p * q)[some])).sum())


def test_mutual_information_is_its_definition() -> None:
    g = torch.Generator().manual_seed(3)
    a, b = torch.randint(0, 256, (2, 4, 11, 7), generator=g, dtype=torch.uint8)
    a[1], b[1] = b[1] // 9, b[1] // 40
    flat = [(x.flatten().tolist(), y.flatten().tolist()) for x, y in zip(a, b, strict=True)]
    joint = [score(x, y) for x, y in flat]
    labels = [
        score(np.bincount(x, minlength=256).tolist(), np.bincount(y, minlength=256).tolist())
        for x, y in flat
    ]
    torch.testing.assert_close(mutual_information(a, b), torch.tensor(joint), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        mutual_information(a, b, kind="hist_labels"), torch.tensor(labels), atol=1e-6, rtol=0
    )
    coarse = [score([v // 32 for v in x], [v // 32 for v in y]) for x, y in flat]
    torch.testing.assert_close(
        mutual_information(a, b, levels=8), torch.tensor(coarse), atol=1e-6, rtol=0
    )


def test_mutual_information_is_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    g = torch.Generator().manual_seed(4)
    a, b = torch.randint(0, 9, (2, 3, 200), generator=g)
    expected = [
        metrics.mutual_info_score(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)
    ]
    np.testing.assert_allclose(label_mutual_information(a, b).numpy(), expected, atol=1e-9)


def test_properties_of_mutual_information() -> None:
    a, b = torch.tensor([[3, 3, 0, 0]]), torch.tensor([[0, 3, 3, 0]])
    assert label_mutual_information(a, a).item() == pytest.approx(0.693147, abs=1e-6)
    assert label_mutual_information(a, b).item() == pytest.approx(0.0, abs=1e-12)
    x, y = scene(24, 24, 5)[None], scene(24, 24, 6)[None]
    inverse = torch.arange(255, -1, -1).to(torch.uint8)
    torch.testing.assert_close(
        mutual_information(x, y), mutual_information(y, x), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(mutual_information(x, inverse[y.long()]), mutual_information(x, y))
    merged = x // 3
    own = label_entropy(merged.flatten(1).long()).float()
    torch.testing.assert_close(mutual_information(x, merged), own, atol=1e-6, rtol=0)
    assert mutual_information(x, torch.full_like(x, 7)).item() == pytest.approx(0, abs=1e-6)


def test_bad_patches_are_refused() -> None:
    x = torch.zeros(2, 8, 8, dtype=torch.uint8)
    with pytest.raises(TypeError, match=r"got torch\.float32 and torch.uint8"):
        mutual_information(x.float(), x)
    with pytest.raises(ValueError, match="levels divide 256"):
        mutual_information(x, x, levels=100)
