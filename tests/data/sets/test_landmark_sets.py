"""The class of all landmark sets: what it refuses and how it says so; the catalogue's entries."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pixcl_bench.data.catalogue import get_info
from pixcl_bench.data.info import DatasetInfo
from pixcl_bench.data.sets.landmarks import (
    LandmarkError,
    LandmarkSet,
    make_landmark_set,
    rescale_points,
)

INFO = DatasetInfo(
    name="toy",
    kind="synthetic",
    title="toy",
    licence="none",
    citation="none",
    size="4 images",
    classes=("a", "b", "c"),
    split_rule="by hand",
    loader="pixcl_bench.data.sets.landmarks:make_landmark_set",
    image_size=16,
)
NAN = float("nan")


def parts() -> dict[str, Any]:
    draw = torch.Generator().manual_seed(0)
    return {
        "images": torch.randint(0, 256, (4, 16, 20), dtype=torch.uint8, generator=draw),
        "points": 15 * torch.rand(4, 3, 2, generator=draw),
        "spacing": (0.5, 0.25),
        "splits": {"train": [2, 0], "val": [], "test": [1], "test_other": [3]},
        "names": ("a", "b", "c"),
    }


def points_with(image: int, landmark: int, at: tuple[float, float]) -> Tensor:
    points: Tensor = parts()["points"].clone()
    points[image, landmark] = torch.tensor(at)
    return points


def test_a_good_set_says_what_it_holds() -> None:
    points = points_with(3, 1, (NAN, NAN))
    data = make_landmark_set(INFO, **parts() | {"points": points, "templates": (0,)})
    assert isinstance(data, LandmarkSet)
    assert (data.size, data.num_landmarks, data.unit) == ((16, 20), 3, "mm")
    assert data.spacing.tolist() == [[0.5, 0.25]] * 4
    assert data.splits["train"].tolist() == [2, 0]  # the order is part of the set
    facts = data.summary()
    assert (facts["train"], facts["val"], facts["test_other"], facts["landmarks_test_other"]) == (
        2,
        0,
        1,
        2,
    )
    assert data.fingerprint == INFO.fingerprint()


def test_numpy_and_double_are_taken() -> None:
    given = parts()
    given |= {"images": given["images"].numpy(), "points": given["points"].double().numpy()}
    data = make_landmark_set(INFO, **given)
    assert data.points.dtype == torch.float32
    assert data.images.dtype == torch.uint8


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (
            (15.6, 3.0),
            (
                r"toy: points of image 1 have 'c' at \(y, x\) = \(15.6, 3\): that is outside its"
                r" image of 16 x"
            ),
        ),
        ((15.5, 3.0), "outside"),
        ((3.0, 19.5), "outside"),
        ((-0.51, 3.0), "outside"),
        ((float("inf"), 3.0), "only finite values"),
        ((NAN, 3.0), "or NaN twice"),
    ],
)
def test_a_wrong_landmark_is_named(at: tuple[float, float], text: str) -> None:
    with pytest.raises(LandmarkError, match=text):
        make_landmark_set(INFO, **parts() | {"points": points_with(1, 2, at)})


@pytest.mark.parametrize("at", [(-0.5, -0.5), (15.49, 19.49)])
def test_the_border_pixels_belong_to_the_image(at: tuple[float, float]) -> None:
    data = make_landmark_set(INFO, **parts() | {"points": points_with(1, 2, at)})
    place = data.points[1, 2].round()
    assert 0 <= place[0] <= 15
    assert 0 <= place[1] <= 19


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (
            {"names": ("a", "b")},
            r"expected torch.float32 of shape \(4, 2, 2\) for 4 images and 2 names",
        ),
        ({"names": ("a", "b", "b")}, "each once"),
        ({"images": torch.zeros(4, 16, 20)}, "toy: images are torch.float32"),
        ({"images": torch.zeros(4, 1, 16, 20, dtype=torch.uint8)}, r"expected \(n, h, w\)"),
        (
            {"spacing": torch.tensor([[1.0, 1], [1, 1], [1, -1], [1, 1]])},
            r"2 has spacing \[1.0, -1.0\]",
        ),
        ({"spacing": torch.ones(3, 2)}, "spacing are torch.float32 of shape"),
        ({"splits": {"train": [0], "test": [1]}}, "splits are"),
        (
            {"splits": {"train": [0, 1], "val": [], "test": [1]}},
            "toy: splits 'train' and 'test' share 1",
        ),
        ({"splits": {"train": [0], "val": [], "test": [4]}}, "holds index 4"),
        ({"splits": {"train": [0], "val": [1], "test": []}}, "split 'test' is empty"),
        ({"splits": {"train": [], "val": [1], "test": [0]}}, "split 'train' is empty"),
        ({"templates": (1,)}, "template image 1 is not in the split train"),
        ({"partners": [4, -1, -1, -1]}, "image 0 has the partner 4"),
        ({"partners": [-1, 1, -1, -1]}, "image 1 has the partner 1"),
        ({"partners": [0, 1]}, "partners are"),
        (
            {"published_points": points_with(0, 0, (NAN, NAN))},
            "published_points of image 0 have 'a'",
        ),
        (
            {"published_points": points_with(0, 1, (50.0, 1.0))},
            "published_points of image 0 have 'b'",
        ),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, Any], text: str) -> None:
    with pytest.raises(LandmarkError, match=text):
        make_landmark_set(INFO, **parts() | changed)


def test_a_pair_set_needs_no_training_images() -> None:
    splits: dict[str, list[int]] = {"train": [], "val": [], "test": [1, 3]}
    data = make_landmark_set(INFO, **parts() | {"splits": splits, "partners": [-1, 0, -1, 2]})
    assert data.partners is not None
    assert data.summary()["paired"]


def test_points_follow_a_resized_image() -> None:
    points = torch.tensor([[0.0, 0.0], [7.0, 19.0], [NAN, NAN]])
    there = rescale_points(points, (16, 20), (32, 10))
    assert there[:2].tolist() == [[0.5, -0.25], [14.5, 9.25]]
    assert bool(there[2].isnan().all())
    torch.testing.assert_close(rescale_points(there, (32, 10), (16, 20)), points, equal_nan=True)


def test_entries_are_complete() -> None:
    names = ("drr", "drr-lateral", "drr-hard", "brain-landmarks", "stereo")
    for info in map(get_info, names):
        assert info.kind == "embedded"
        assert all((info.licence, info.citation, info.split_rule, info.notes, info.sources))
        assert len(info.fingerprint()) == 64
        for source in info.sources:
            assert all(
                len(m.sha256) == 64 and not Path(m.path).is_absolute() for m in source.members
            )
    assert len({get_info(name).fingerprint() for name in names[:3]}) == 3
