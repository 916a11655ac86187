"""mIoU, OA, Kappa, F1 of a table of counts, and Dice by image: worked numbers, scikit-learn, edge
cases."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import cohen_kappa_score, confusion_matrix, f1_score, jaccard_score

from pixcl_bench.metrics.segmentation import confusion
from pixcl_bench.metrics.semantic import class_keys, image_counts, image_dice, scores

M = torch.tensor([[50, 3, 2], [5, 30, 5], [1, 4, 20]])
MEASURES = ("miou", "oa", "kappa", "mf1")


def drawn(
    seed: int, classes: int = 5, pixels: int = 400
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, a prediction that is partly right, and which pixels are seen."""
    rng = np.random.default_rng(seed)
    truth, pred = rng.integers(0, classes, pixels), rng.integers(0, classes, pixels)
    pred = np.where(rng.random(pixels) < rng.random(), truth, pred)
    return truth, pred, rng.random(pixels) > 0.2


def table(truth: np.ndarray, pred: np.ndarray, seen: np.ndarray, classes: int = 5) -> torch.Tensor:
    return confusion(torch.tensor(pred), torch.tensor(np.where(seen, truth, 255)), classes)


def test_worked_numbers_of_the_protocol() -> None:
    found = scores(M)
    assert [found[f"iou_{k}"] for k in range(3)] == pytest.approx(
        [0.819672, 0.638298, 0.625], abs=5e-7
    )
    expected = [0.694323, 0.833333, 0.738134, (0.900901 + 0.779221 + 0.769231) / 3]
    assert [found[m] for m in MEASURES] == pytest.approx(expected, abs=6e-7)


def test_worked_numbers_with_an_ignored_pixel_and_an_absent_class() -> None:
    pred, truth = torch.tensor([0, 0, 1, 1, 2, 2, 0, 1]), torch.tensor([0, 1, 1, 1, 2, 0, 255, 2])
    counts = confusion(pred, truth, 4)
    assert counts.tolist() == [[1, 0, 1, 0], [1, 2, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    found = scores(counts)
    assert found["iou_3"] is None
    assert [found[m] for m in ("miou", "oa", "kappa")] == pytest.approx(
        [0.388889, 0.571429, 0.34375], abs=5e-7
    )


@pytest.mark.parametrize("seed", range(8))
def test_scikit_learn_says_the_same(seed: int) -> None:
    truth, pred, seen = drawn(seed)
    counts, found = table(truth, pred, seen), scores(table(truth, pred, seen))
    t, p = truth[seen], pred[seen]
    assert np.array_equal(counts.numpy(), confusion_matrix(t, p, labels=range(5)))
    assert found["kappa"] == pytest.approx(cohen_kappa_score(t, p), abs=1e-12)
    assert found["oa"] == pytest.approx(float((t == p).mean()), abs=1e-12)
    assert found["mf1"] == pytest.approx(f1_score(t, p, average="macro"), abs=1e-12)
    iou = jaccard_score(t, p, labels=range(5), average=None)
    assert [found[f"iou_{k}"] for k in range(5)] == pytest.approx(iou, abs=1e-12)
    assert found["miou"] == pytest.approx(float(iou.mean()), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_invariances(seed: int) -> None:
    truth, pred, seen = drawn(seed)
    counts = table(truth, pred, seen)
    found = scores(counts)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    relabelled, turned = scores(counts[order][:, order]), scores(counts.T)
    assert [relabelled[m] for m in MEASURES] == pytest.approx(
        [found[m] for m in MEASURES], abs=1e-12
    )
    assert [turned[f"iou_{k}"] for k in range(5)] == [found[f"iou_{k}"] for k in range(5)]
    parts = [
        table(truth[s], pred[s], seen[s]) for s in (slice(0, 91), slice(91, 250), slice(250, None))
    ]
    assert scores(torch.stack(parts).sum(0)) == found
    changed = np.where(seen, pred, (pred + 1) % 5)  # where nothing is known, nothing counts
    assert scores(table(truth, changed, seen)) == found
    assert found["miou"] <= found["mf1"]  # type: ignore[operator]
    iou = np.array([found[f"iou_{k}"] for k in range(5)], dtype=float)
    assert found["mf1"] == pytest.approx(float((2 * iou / (1 + iou)).mean()), abs=1e-12)


def test_kappa_at_its_ends() -> None:
    truth, _, seen = drawn(0)
    assert [scores(table(truth, truth, seen))[m] for m in MEASURES] == [1.0] * 4
    assert scores(table(truth, np.full_like(truth, 3), seen))["kappa"] == 0.0
    assert scores(torch.tensor([[0, 0], [0, 9]]))["kappa"] == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isnan(cohen_kappa_score([1, 1], [1, 1]))  # why that case is ours
    assert scores(torch.tensor([[0, 9], [0, 0]]))["kappa"] == 0.0
    assert scores(torch.tensor([[0, 4], [4, 0]]))["kappa"] == -1.0
    assert set(scores(torch.zeros(3, 3, dtype=torch.int64)).values()) == {None}


def test_counts_of_a_whole_data_set_are_exact() -> None:
    large = torch.tensor([[3_000_000_000, 1], [0, 3_000_000_000]])
    assert 1 - scores(large)["kappa"] == pytest.approx(1 / 3e9, rel=1e-6)  # type: ignore[operator]


def test_excluded_classes_leave_the_means_only() -> None:
    names = ["low vegetation", "tree", "clutter"]
    every, some = scores(M, class_names=names), scores(M, class_names=names, exclude=["clutter"])
    assert every["iou_low_vegetation"] == pytest.approx(0.819672, abs=5e-7)
    assert some["miou"] == pytest.approx((0.819672 + 0.638298) / 2, abs=1e-6)
    assert {k: v for k, v in some.items() if k not in ("miou", "mf1")} == {
        k: v for k, v in every.items() if k not in ("miou", "mf1")
    }
    assert scores(M, class_names=names, exclude=["low vegetation"])["miou"] == pytest.approx(
        (0.638298 + 0.625) / 2, abs=1e-6
    )
    assert scores(M, class_names=names, exclude=names)["miou"] is None


def test_wrong_names_and_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'clutter'"):
        scores(M, class_names=["a", "b", "clutter"], exclude=["cluter"])
    with pytest.raises(ValueError, match="want 3 different class names"):
        scores(M, class_names=["a", "b"])
    with pytest.raises(ValueError, match="want 2 different class names"):
        class_keys(2, ["a b", "a_b"])
    with pytest.raises(ValueError, match="no confusion matrix"):
        scores(-M)


def by_loop(
    pred: torch.Tensor, truth: torch.Tensor, classes: range, rule: str
) -> tuple[list[float | None], int]:
    means, absent = [], 0
    for k in classes:
        values = []
        for p, t in zip(pred, truth, strict=True):
            a, b = (p == k) & (t != 255), t == k
            size = int(a.sum() + b.sum())
            absent += size == 0
            if size or rule == "one":
                values.append(float(2 * (a & b).sum()) / size if size else 1.0)
        means.append(float(np.mean(values)) if values else None)
    return means, absent


@pytest.mark.parametrize("rule", ["skip", "one"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_dice_is_that_of_a_loop(rule: Any, dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 4, (6, 7, 8), generator=g)
    pred = torch.where(
        torch.rand(6, 7, 8, generator=g) < 0.6, truth, torch.randint(0, 4, (6, 7, 8), generator=g)
    )
    truth[torch.rand(6, 7, 8, generator=g) < 0.2] = 255
    for image, missing in ((0, 3), (1, 3), (2, 1)):
        pred[image][pred[image] == missing] = 0
        truth[image][truth[image] == missing] = 0
    pred, truth = pred.to(dtype), truth.to(dtype)
    found = image_dice(pred, truth, num_classes=4, both_empty=rule)
    means, absent = by_loop(pred, truth, range(1, 4), rule)
    assert [found[f"dice_{k}"] for k in (1, 2, 3)] == pytest.approx(means, abs=1e-12)
    assert found["dice"] == pytest.approx(float(np.mean(means)), abs=1e-12)
    assert found["absent"] == absent == 3
    everything = image_dice(pred, truth, num_classes=4, background=None, both_empty=rule)
    assert everything["dice_0"] == pytest.approx(by_loop(pred, truth, range(1), rule)[0][0])


def test_dice_where_a_class_is_missing() -> None:
    empty, spot = torch.zeros(1, 4, 4, dtype=torch.int64), torch.zeros(1, 4, 4, dtype=torch.int64)
    spot[0, 0, 0] = 1
    assert image_dice(spot, empty, num_classes=2) == {"dice": 0.0, "dice_1": 0.0, "absent": 0.0}
    assert image_dice(empty, spot, num_classes=2)["dice"] == 0.0
    assert image_dice(empty, empty, num_classes=2) == {"dice": None, "dice_1": None, "absent": 1.0}
    assert image_dice(empty, empty, num_classes=2, both_empty="one")["dice"] == 1.0
    found = image_dice(spot, spot, num_classes=3, class_names=["ground", "small vessel", "never"])
    assert found == {"dice": 1.0, "dice_small_vessel": 1.0, "dice_never": None, "absent": 1.0}
    other = image_dice(1 - spot, 1 - spot, num_classes=2, background=1)
    assert set(other) == {"dice", "dice_0", "absent"}


def test_ignored_pixels_count_in_no_image() -> None:
    truth = torch.tensor([[[1, 1, 255, 255]]])
    for tail in ([0, 0], [1, 1], [0, 1]):
        pred = torch.tensor([[[1, 0, *tail]]])
        assert image_dice(pred, truth, num_classes=2)["dice"] == pytest.approx(2 / 3)
    both, called, there = image_counts(torch.tensor([[[1, 0, 1, 1]]]), truth, num_classes=2)
    assert (both.tolist(), called.tolist(), there.tolist()) == ([[0, 1]], [[1, 1]], [[0, 2]])


def test_labels_that_do_not_fit_are_named() -> None:
    good, bad = torch.zeros(2, 3, 3, dtype=torch.int64), torch.zeros(2, 3, 3, dtype=torch.int64)
    bad[1, 2, 0] = 7
    with pytest.raises(ValueError, match="prediction of image 1 has class 7 at row 2, column 0"):
        image_dice(bad, good, num_classes=3)
    with pytest.raises(ValueError, match="truth of image 1 has class 7 at row 2, column 0"):
        image_dice(good, bad, num_classes=3)
    with pytest.raises(ValueError, match="prediction of image 1 has class 255"):
        image_dice(torch.where(bad == 7, 255, bad), good, num_classes=3)
    with pytest.raises(ValueError, match="as many predictions as truths"):
        image_dice(good[:1], good, num_classes=3)
    with pytest.raises(ValueError, match="background 5"):
        image_dice(good, good, num_classes=3, background=5)
    with pytest.raises(ValueError, match="leaves no class"):
        image_dice(good, good, num_classes=1)
