"""Image sets whose images have counterparts in a second style."""

import pytest
import torch

from pixcl_bench.data.sets.images import ImageSet, TensorImages
from pixcl_bench.data.sets.paired import PairedImageSet, with_counterparts


def noise(count: int, side: int = 8) -> TensorImages:
    draw = torch.Generator().manual_seed(count)
    return TensorImages(
        torch.randint(0, 256, (count, 3, 8, side), dtype=torch.uint8, generator=draw)
    )


@pytest.fixture
def plain() -> ImageSet:
    parts = {"unlabelled": [0, 1], "train": [0, 1], "val": [2], "test": [3, 5, 4]}
    return ImageSet(
        "toy",
        "synthetic",
        "0" * 64,
        noise(6),
        torch.zeros(6, dtype=torch.int64),
        {name: torch.tensor(index) for name, index in parts.items()},
        ("thing",),
        (0.5,) * 3,
        (0.25,) * 3,
        7,
    )


def test_the_gallery_holds_each_counterpart_of_a_split_once(plain: ImageSet) -> None:
    data = with_counterparts(plain, noise(9), torch.tensor([0, 1, 2, 8, 3, 8]))
    chosen, right = data.gallery("test")
    assert chosen.tolist() == [3, 8]
    assert right.tolist() == [1, 1, 0]
    assert torch.equal(chosen[right], data.partner[data.splits["test"]])


def test_all_else_is_that_of_the_image_set(plain: ImageSet) -> None:
    data = with_counterparts(plain, noise(9), torch.arange(6))
    assert isinstance(data, PairedImageSet)
    assert data.summary() == plain.summary()
    assert data.split_seed == 7
    assert repr(data) == repr(plain)
    assert data.images is plain.images


@pytest.mark.parametrize(
    ("counterparts", "partner", "message"),
    [
        (noise(9), torch.arange(5), "toy: 6 images but 5 partners"),
        (noise(5), torch.arange(6), r"toy: partner 5 at position 5, allowed are 0\.\.4"),
        (noise(9), torch.arange(6) - 1, "toy: partner -1 at position 0"),
        (
            noise(9, 4),
            torch.arange(6),
            r"counterparts of \(8, 4\) pixels beside images of \(8, 8\)",
        ),
    ],
)
def test_partners_that_do_not_fit_are_refused(
    plain: ImageSet, counterparts: TensorImages, partner: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        with_counterparts(plain, counterparts, partner)
