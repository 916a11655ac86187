"""Pair sets: what is hidden, what lies where, and that both pictures agree."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from pixcl_bench.data.catalogue import get_info, load
from pixcl_bench.data.embedded import correspondences as c
from pixcl_bench.data.fetch import Member
from pixcl_bench.data.fingerprint import file_digest
from pixcl_bench.data.sets.landmarks import LandmarkSet
from pixcl_bench.data.synthetic.phantom import Draws


@pytest.fixture(scope="module")
def pair() -> LandmarkSet:
    return load("stereo")  # type: ignore[return-value]


@pytest.fixture(scope="module")
def brains() -> LandmarkSet:
    return load("brain-landmarks")  # type: ignore[return-value]


def test_installed_files_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "toy_files" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "toy_files" / "__init__.py").write_text(
        "raise RuntimeError('must not be imported')\n"
    )
    (folder / "a.txt").write_text("hello")
    monkeypatch.syspath_prepend(str(tmp_path))
    digest = file_digest(folder / "a.txt")
    assert c.installed(Member("toy_files/data/a.txt", digest, 5)) == folder / "a.txt"
    assert c.installed(Member("toy_files/data/a.txt", "0" * 64, 5)) is None
    assert c.installed(Member("toy_files/data/b.txt", digest, 5)) is None
    assert c.installed(Member("no_such_folder/a.txt", digest, 5)) is None


def test_what_is_not_installed_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fetch(info: object, name: str, cache: Path | None) -> Path:
        asked.append(name)
        raise LookupError(name)

    monkeypatch.setattr(c, "installed", lambda member: None)
    monkeypatch.setattr(c, "fetch_file", fetch)
    with pytest.raises(LookupError):
        c.read_stereo(tmp_path)
    assert asked == ["left"]
    source, left = get_info("stereo").member("left")
    assert (source.package, Path(left.path).name) == ("scikit-image", "motorcycle_left.png")


def test_hidden_pixels_of_a_drawn_scene() -> None:
    scene = np.full((2, 30), 2.0, np.float32)
    scene[0, 12:18] = 6.0  # near: covers the wall that is 4 to its left
    scene[1, 20] = np.inf
    found = c.hidden(scene)
    assert np.flatnonzero(found[0]).tolist() == [
        0,
        1,
        7,
        8,
        9,
        10,
        11,
    ]  # 8..11, one for safety; 12, 13 are near
    assert np.flatnonzero(found[1]).tolist() == [0, 1, 20]


def test_known_places_keep_all_promises() -> None:
    _, _, disparity = c.read_stereo()
    places = c.known_places(disparity)
    (height, width), (top, left) = c.STEREO_SIZE, c.STEREO_AT
    assert len(places) > 3000
    assert np.abs(places - np.rint(places)).max() < 0.1
    assert places.min() >= c.MARGIN
    assert places[:, 0].max() <= height - 1 - c.MARGIN
    assert places[:, 1:].max() <= width - 1 - c.MARGIN
    row, column = (places[:, 0] + top).astype(int), (places[:, 1] + left).astype(int)
    four = np.stack([disparity[2 * row + a, 2 * column + b] for a in (0, 1) for b in (0, 1)], 1)
    np.testing.assert_allclose(places[:, 1] - places[:, 2], four.mean(1) / 2, atol=1e-4)


def test_the_stereo_pair(pair: LandmarkSet) -> None:
    assert tuple(pair.images.shape) == (2, 224, 352)
    assert all(side % 32 == 0 for side in pair.size)
    assert pair.unit == "px"
    assert pair.partners is not None
    assert pair.partners.tolist() == [1, 0]
    assert {split: len(index) for split, index in pair.splits.items()} == {
        "train": 0,
        "val": 0,
        "test": 2,
    }
    assert torch.equal(pair.points[0, :, 0], pair.points[1, :, 0])  # rectified
    shift = pair.points[0, :, 1] - pair.points[1, :, 1]
    assert float(shift.min()) > 3
    assert float(shift.max() - shift.min()) > 10


def test_both_cameras_see_the_same_grey_there(pair: LandmarkSet) -> None:
    seen = []
    for image, points in zip(pair.images, pair.points.round().long(), strict=True):
        smooth = torch.from_numpy(ndimage.uniform_filter(image.numpy().astype(np.float32), 3))
        seen.append(smooth[points[:, 0], points[:, 1]])
    right = float((seen[0] - seen[1]).abs().median())
    shuffled = float((seen[0] - seen[1].roll(7)).abs().median())
    assert right < 6 < 20 < shuffled


def test_poses_go_forth_and_back() -> None:
    places = 127.0 * Draws(0, "pose").unit(50, 2)
    for number in range(5):
        pose = c.draw_pose(Draws(1, "pose", number))
        np.testing.assert_allclose(pose.back(pose.forth(places)), places, atol=1e-9)
        length = np.linalg.norm(pose.forth(places[:1]) - pose.forth(places[1:2]))
        assert length == pytest.approx(pose.scale * np.linalg.norm(places[0] - places[1]))


@pytest.mark.parametrize("plane", ["axial", "coronal"])
def test_a_bead_in_the_brain_is_seen_where_it_is(plane: c.Plane) -> None:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -90, -120, -70
    spot, height = np.array([24.0, -40.0, 12.0]), {"axial": 12.0, "coronal": -40.0}[plane]
    grid = np.moveaxis(np.indices((90, 100, 80)), 0, -1) * 2.0 + affine[:3, 3]
    volume = np.exp(-((grid - spot) ** 2).sum(-1) / 32).astype(np.float32)
    pose = c.Pose(9.0, 0.96, (3.0, -5.0))
    image = c.sample(volume, affine, c.slice_places(plane, height, pose), 1)
    centre = (np.indices(image.shape) * image).sum((1, 2)) / image.sum()
    up, middle = spot[1 if plane == "axial" else 2], c.CENTRE[plane]
    straight = (c.SIDE - 1) / 2 - np.array([up - middle[0], spot[0] - middle[1]]) / c.PIXEL
    np.testing.assert_allclose(centre, pose.forth(straight[None])[0], atol=0.05)


def test_centres_of_regions() -> None:
    labels = np.zeros((12, 12))
    labels[1:5, 2:6], labels[7:12, 1:6], labels[0, 11] = 3, 4, 5
    labels[8:11, 2:5] = 0  # a ring: its middle is not in it
    found = c.region_centres(labels, np.array([3, 4, 5, 6]))
    np.testing.assert_allclose(found[0], [2.5, 3.5])
    assert np.isnan(found[1:]).all()


def test_the_brain_pairs(brains: LandmarkSet) -> None:
    assert brains.partners is not None
    test = brains.splits["test"]
    partners = brains.partners[test]
    assert (len(brains.splits["train"]), len(test), brains.num_landmarks) == (93, 33, 120)
    assert bool((partners >= 0).all())
    assert bool((brains.partners[brains.splits["train"]] == -1).all())
    used = torch.cat([brains.splits["train"], test, partners])
    assert len(used.unique()) == len(used) == len(brains.images)
    known = brains.points.isfinite().all(-1)
    assert torch.equal(known[test], known[partners])
    assert int(known[test].sum(1).min()) >= 4
    assert {"Precentral L", "Vermis 10"} <= set(brains.names)


def test_left_is_on_the_right(brains: LandmarkSet) -> None:
    left, right = (brains.points[:126, brains.names.index(f"Insula {side}"), 1] for side in "LR")
    both = left.isfinite() & right.isfinite()
    assert int(both.sum()) > 20
    assert bool((left[both] > right[both] + 20).all())


def test_no_train_slice_is_near_a_test_slice() -> None:
    for plane, tested in c.TEST_SLICES.items():
        assert min(abs(a - b) for a in c.train_slices(plane) for b in tested) == 3


def test_copying_coordinates_is_wrong(brains: LandmarkSet) -> None:
    assert brains.partners is not None
    test = brains.splits["test"]
    copied = (brains.points[test] - brains.points[brains.partners[test]]).norm(dim=-1)
    assert 4 < float(copied.nanmean()) < 12
