"""The floor without a network: what a pixel knows, few labels, missing classes, one forest a
seed."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pixcl_bench.methods.floors.dense_transfer import (
    ABSENT,
    PixelFloor,
    full_labels,
    labelled_pixels,
    pixel_features,
    pixel_forest,
)


def pictures(
    n: int = 5, classes: int = 3, channels: int = 3, side: int = 24, seed: int = 0
) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    masks = torch.randint(0, classes, (n, side // 6, side // 6), generator=g, dtype=torch.uint8)
    masks = masks.repeat_interleave(6, 1).repeat_interleave(6, 2)
    scale = torch.tensor([60, 90, 20][:channels]).view(1, -1, 1, 1)
    images = masks[:, None] * scale + torch.randint(0, 30, (n, channels, side, side), generator=g)
    return images.clamp(max=255).to(torch.uint8), masks


def fitted(
    images: Tensor, masks: Tensor, *, seed: int = 0, classes: int = 5, window: int = 9
) -> PixelFloor:
    forest = pixel_forest(num_classes=classes, trees=10, window=window)
    forest.fit_pixels(images, masks, seed)
    return forest


@pytest.mark.parametrize("window", [1, 3, 7])
def test_features_equal_a_loop_over_pixels(window: int) -> None:
    images = torch.rand(2, 2, 8, 9, generator=torch.Generator().manual_seed(0))
    features = pixel_features(images, window)
    assert features.shape == (2, 2 if window == 1 else 6, 8, 9)
    half = window // 2
    for y in range(8):
        for x in range(9):
            part = images[
                :, :, max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1
            ].flatten(2)
            parts = [images[:, :, y, x], part.mean(2), part.std(2, unbiased=False)]
            wanted = torch.cat(parts[: 1 if window == 1 else 3], 1)
            torch.testing.assert_close(features[:, :, y, x], wanted, atol=2e-4, rtol=0)
    constant = pixel_features(torch.full((1, 3, 9, 9), 0.7), 5)
    assert torch.isfinite(constant).all()
    assert constant[:, 6:].max() < 1e-3


def test_pixels_are_drawn_once_each_from_those_with_a_label() -> None:
    images, masks = pictures(20)
    masks[::2] = 255
    features = pixel_features(images.float() / 255, 9).permute(0, 2, 3, 1)[masks != 255]
    rows, truth = labelled_pixels(images, masks, window=9, count=10**6, seed=0)
    assert np.array_equal(rows, features.numpy())
    assert np.array_equal(truth, masks[masks != 255].numpy())
    rows, truth = labelled_pixels(images, masks, window=9, count=500, seed=0)
    again, _ = labelled_pixels(images, masks, window=9, count=500, seed=0)
    other, _ = labelled_pixels(images, masks, window=9, count=500, seed=1)
    assert rows.shape == (500, 9)
    assert np.array_equal(rows, again)
    assert not np.array_equal(rows, other)
    assert len(np.unique(rows, axis=0)) == 500


def test_it_learns_colours_and_never_names_an_absent_class() -> None:
    images, masks = pictures()
    partly = masks.clone()
    partly[:, :, 12:] = 255
    logits = fitted(images, partly).segment(images.float() / 255)
    assert logits.shape == (5, 5, 24, 24)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()
    assert torch.isfinite(logits.softmax(1)).all()
    assert (logits[:, 3:] == ABSENT).all()
    assert (logits[:, :3] > ABSENT / 2).all()
    assert (logits.argmax(1) == masks).float().mean() > 0.95
    torch.testing.assert_close(logits.softmax(1).sum(1), torch.ones(5, 24, 24))


def test_gaps_in_the_classes_keep_their_numbers() -> None:
    images, masks = pictures(classes=2)
    renamed = torch.where(masks == 1, 4, 2).to(torch.uint8)
    logits = fitted(images, renamed).segment(images.float() / 255)
    assert set(logits.argmax(1).unique().tolist()) == {2, 4}
    assert (logits.argmax(1) == renamed).float().mean() > 0.95
    single = fitted(images, torch.full_like(masks, 3)).segment(images.float() / 255)
    assert single[0, :, 0, 0].tolist() == [ABSENT, ABSENT, ABSENT, 0.0, ABSENT]


def test_one_seed_is_one_forest_and_images_do_not_influence_each_other() -> None:
    images, masks = pictures(20)
    photos = images.float() / 255
    first = fitted(images, masks).segment(photos)
    assert torch.equal(fitted(images, masks).segment(photos), first)
    assert not torch.equal(fitted(images, masks, seed=1).segment(photos), first)
    assert torch.equal(fitted(images, masks).segment(photos[17:19]), first[17:19])


def test_unlabelled_pixels_teach_nothing_and_one_channel_is_enough() -> None:
    images, masks = pictures()
    masks[:, :, 12:] = 255
    photos = images.float() / 255
    blank = torch.where((masks == 255)[:, None], 0, images)
    assert torch.equal(
        fitted(images, masks, window=1).segment(photos),
        fitted(blank, masks, window=1).segment(photos),
    )
    grey, truth = pictures(channels=1)
    assert (fitted(grey, truth).segment(grey.float() / 255).argmax(1) == truth).float().mean() > 0.9


def test_what_is_wrong_is_said() -> None:
    images, masks = pictures()
    forest = pixel_forest(num_classes=3)
    with pytest.raises(RuntimeError, match="call fit_pixels first"):
        forest.segment(images.float() / 255)
    with pytest.raises(ValueError, match="0 labelled pixels"):
        forest.fit_pixels(images, torch.full_like(masks, 255), 0)
    with pytest.raises(ValueError, match=r"class 6, allowed are 0\.\.2 and 255"):
        forest.fit_pixels(images, masks + 4, 0)
    with pytest.raises(ValueError, match="an odd window"):
        pixel_forest(num_classes=3, window=4)
    with pytest.raises(ValueError, match=r"2\.\.255 classes"):
        pixel_forest(num_classes=1)
    with pytest.raises(ValueError, match="odd number of pixels, got 0"):
        pixel_features(images.float(), 0)


def test_both_ends_say_which_labels_they_get() -> None:
    encoder = nn.Conv2d(3, 4, 1)
    ceiling = full_labels(encoder=encoder)
    assert ceiling.encoder is encoder
    assert ceiling.labels == "all"
    assert not ceiling.trains
    assert pixel_forest(num_classes=3).labels == "budget"
    assert pixel_forest(num_classes=3, labels="all").labels == "all"
    assert not pixel_forest(num_classes=3).trains
