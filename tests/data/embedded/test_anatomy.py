"""Brain and torso: the right way round, nothing cut off, nothing shared between slabs, no class
missing."""

from itertools import pairwise, permutations, product
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
import torch

from pixcl_bench.data.catalogue import get_info
from pixcl_bench.data.embedded import anatomy
from pixcl_bench.data.embedded.anatomy import Slabs
from pixcl_bench.data.fetch import pip_command
from pixcl_bench.data.sets.volumes import VolumeSet

GRIDS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


def stored(order: tuple[int, ...], signs: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """A volume whose voxel holds its place in mm (x + 10 y + 100 z), stored with swapped and
    flipped axes."""
    x, y, z = np.meshgrid(np.arange(3), np.arange(4), np.arange(5), indexing="ij")
    voxels, affine = (x + 10 * y + 100 * z).transpose(order).astype(np.int16), np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (source, sign) in enumerate(zip(order, signs, strict=True)):
        affine[source, axis] = sign
        if sign < 0:
            voxels = np.flip(voxels, axis)
            affine[source, 3] = voxels.shape[axis] - 1
    return voxels, affine


@pytest.mark.parametrize(("order", "signs"), GRIDS)
def test_all_48_orientations_come_out_alike(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    voxels, affine = anatomy.canonical(*stored(order, signs), "toy")
    straight, _ = stored((0, 1, 2), (1, 1, 1))
    np.testing.assert_array_equal(voxels, straight)
    np.testing.assert_allclose(affine, np.eye(4), atol=1e-12)


def test_an_oblique_volume_is_named() -> None:
    turned = np.array([[0.8, -0.6, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    with pytest.raises(ValueError, match=r"scan\.nii: the volume is oblique"):
        anatomy.canonical(np.zeros((2, 2, 2), np.int16), turned, "scan.nii")


def test_nrrd_and_nifti_of_one_volume_agree(tmp_path: Path) -> None:
    voxels, affine = stored((0, 1, 2), (-1, 1, 1))
    nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / "a.nii.gz")
    to_lps = np.diag([-1, -1, 1, 1]) @ affine
    header = {
        "space": "left-posterior-superior",
        "space directions": to_lps[:3, :3].T,
        "space origin": to_lps[:3, 3],
    }
    nrrd.write(str(tmp_path / "a.nrrd"), np.ascontiguousarray(voxels), header)
    (one, at), (other, there) = (
        anatomy.read_ras(tmp_path / name) for name in ("a.nii.gz", "a.nrrd")
    )
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(at, there)


def test_an_nrrd_in_another_space_is_named(tmp_path: Path) -> None:
    header = {
        "space": "right-anterior-superior",
        "space directions": np.eye(3),
        "space origin": [0, 0, 0],
    }
    nrrd.write(str(tmp_path / "b.nrrd"), np.zeros((2, 2, 2), np.uint8), header)
    with pytest.raises(ValueError, match=r"b\.nrrd: does not say how it lies in the patient"):
        anatomy.read_ras(tmp_path / "b.nrrd")
    del header["space origin"]
    nrrd.write(
        str(tmp_path / "c.nrrd"), np.zeros((2, 2, 2)), header | {"space": "left-posterior-superior"}
    )
    with pytest.raises(ValueError, match=r"c\.nrrd: does not say how it lies in the patient"):
        anatomy.read_ras(tmp_path / "c.nrrd")


def test_views_hang_as_radiologists_do() -> None:
    body = np.zeros((3, 4, 5), np.uint8)  # right, front, head
    body[2, 3, 4], body[0, 0, 0] = 1, 2
    axial, coronal = anatomy.to_view(body, "axial"), anatomy.to_view(body, "coronal")
    assert (axial.shape, coronal.shape) == ((5, 4, 3), (4, 5, 3))
    assert axial[4, 0, 0] == coronal[3, 0, 0] == 1  # front or head on top, right on the left
    assert axial[0, 3, 2] == coronal[0, 4, 2] == 2


def test_nearest_labels_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(1, 200, (5, 6, 4)).astype(np.uint8)
    source = np.diag([2.0, 1.5, 3.0, 1]) + np.pad([[1.3], [-2.1], [0.4]], ((0, 1), (3, 0)))
    target = np.diag([1.0, 1.1, 0.7, 1]) + np.pad([[-1.2], [-3.0], [2.2]], ((0, 1), (3, 0)))
    found = anatomy.nearest_labels(labels, source, (9, 12, 11), target)
    inside = 0
    for place in np.ndindex(9, 12, 11):
        index = np.rint(np.linalg.solve(source, target @ [*place, 1])[:3]).astype(int)
        ok = all(0 <= i < n for i, n in zip(index, labels.shape, strict=True))
        inside += ok
        assert found[place] == (labels[tuple(index)] if ok else 0)
    assert 0 < inside < found.size


def test_merge_takes_left_with_right_and_refuses_what_nobody_listed() -> None:
    names = ("background", "a", "b")
    groups = {"b": ((3, 4), (9, 9)), "a": ((1, 1),)}
    codes = np.array([0, 1, 3, 4, 9, 7], np.uint16)
    assert anatomy.merge(codes, groups, names, "x", ((7, 7),)).tolist() == [0, 1, 2, 2, 2, 0]
    for code in (5, 300):
        with pytest.raises(ValueError, match=f"seg.nii: code {code} belongs to no class"):
            anatomy.merge(np.array([1, code]), groups, names, "seg.nii")


def test_every_region_is_listed_once() -> None:
    for groups, rest in (
        (anatomy.REGIONS, ()),
        (anatomy.ORGANS, anatomy.ORGANS_REST),
        (anatomy.SEGMENTS, anatomy.SEGMENTS_REST),
    ):
        codes = [
            c
            for ranges in (*groups.values(), rest)
            for low, high in ranges
            for c in range(low, high + 1)
        ]
        assert len(codes) == len(set(codes))
    assert tuple(anatomy.REGIONS) == get_info("brain").classes[1:]
    assert tuple(anatomy.ORGANS) == get_info("torso").classes[1:]


@pytest.mark.parametrize("at", [(0, 0), (3, 11), (17, 2), (20, 20)])
def test_the_square_keeps_everything(at: tuple[int, int]) -> None:
    image = np.zeros((2, 26, 24), np.float32)
    image[1, at[0] : at[0] + 5, at[1] : at[1] + 4] = np.random.default_rng(1).random((5, 4)) + 0.1
    cut, label = anatomy.square(image, (image > 0).astype(np.uint8), 16)
    assert cut.shape == label.shape == (2, 16, 16)
    np.testing.assert_array_equal(np.sort(cut[cut > 0]), np.sort(image[image > 0]))
    np.testing.assert_array_equal(cut > 0, label > 0)
    assert np.abs(np.argwhere(label[1]).mean(0) - 7.5).max() <= 0.5


def test_what_does_not_fit_the_square_is_refused() -> None:
    with pytest.raises(ValueError, match="spans 9 voxels, more than the side of 8"):
        anatomy.square(np.ones((1, 9, 3), np.float32), np.zeros((1, 9, 3), np.uint8), 8)


def test_the_window_and_the_halves() -> None:
    assert anatomy.window(np.array([-3024.0, -200, 25, 250, 3070])).tolist() == [0, 0, 0.5, 1, 1]
    volume = np.random.default_rng(2).integers(-1000, 1000, (5, 4, 7)).astype(np.int16)
    half = anatomy.halve(volume)
    assert half.shape == (2, 2, 3)
    assert half[1, 0, 2] == pytest.approx(volume[2:4, 0:2, 4:6].mean(), rel=1e-6)


@pytest.mark.parametrize("slabs", [anatomy.BRAIN_SLABS, anatomy.TORSO_SLABS, Slabs(0, 3, 1, 9)])
def test_slabs_never_touch(slabs: Slabs) -> None:
    starts = [at for _, at in slabs.parts()]
    assert np.all(np.diff(starts) == slabs.depth + slabs.gap)
    splits = [split for split, _ in slabs.parts()]
    assert all(a != b and "train" in (a, b) for a, b in pairwise(splits))


def test_slabs_beyond_the_volume_are_refused() -> None:
    image = np.zeros((10, 2, 2), np.float32)
    with pytest.raises(ValueError, match="toy: slabs end at slice 11, the volume has 10"):
        anatomy.cut_slabs("toy", image, image.astype(np.uint8), (1.0, 1.0, 1.0), Slabs(0, 3, 1, 3))


def test_few_slices_are_spread() -> None:
    for count in range(12):
        assert sorted(anatomy.farthest_first(count)) == list(range(count))
    assert anatomy.farthest_first(9)[:3] == [4, 0, 8]
    listed = anatomy.spread_slices([8, 6, 8])
    assert sorted(listed) == [
        (case, k) for case, depth in enumerate((8, 6, 8)) for k in range(depth)
    ]
    assert [case for case, _ in listed[:6]] == [0, 1, 2, 0, 1, 2]


def test_entries_are_complete_and_the_leaking_file_is_not_used() -> None:
    for info in map(get_info, ("brain", "torso")):
        assert info.licence
        assert info.citation
        assert info.classes[0] == "background"
        assert len(info.fingerprint()) == 64
        members = [member for source in info.sources for member in source.members]
        assert all(len(member.sha256) == 64 and "ct_sm" not in member.path for member in members)
    assert "--no-binary" in pip_command(get_info("torso").source("TotalSegmentator"), Path("x"))


@pytest.mark.parametrize("name", ["brain", "torso"])
def test_slabs_of_real_volumes(name: str, request: pytest.FixtureRequest) -> None:
    data: VolumeSet = request.getfixturevalue(name)
    slabs = {"brain": anatomy.BRAIN_SLABS, "torso": anatomy.TORSO_SLABS}[name]
    place = {
        case.name: int(case.name.rpartition("-")[2])
        for split in ("train", "val", "test")
        for case in data.of(split)
    }
    taken = [at + k for at in place.values() for k in range(slabs.depth)]
    assert len(taken) == len(set(taken)) == slabs.count * slabs.depth
    for split in ("val", "test"):
        near = min(
            abs(place[a.name] - place[b.name]) for a in data.of("train") for b in data.of(split)
        )
        assert near == slabs.depth + slabs.gap
    assert len({case.patient for case in data.cases}) == len(data.cases)
    first = [place[case.name] for case in data.of("train")[:3]]
    assert max(first) - min(first) > slabs.count * slabs.depth  # the list starts spread


@pytest.mark.parametrize("name", ["brain", "torso"])
def test_what_the_sets_hold(name: str, request: pytest.FixtureRequest) -> None:
    data: VolumeSet = request.getfixturevalue(name)
    assert data.num_classes == 14
    assert data.unit == "slice"
    for case in data.cases:
        assert 0 <= float(case.image.min()) < 1e-6
        assert 0.8 < float(case.image.max()) <= 1
    for split in ("train", "test"):
        assert bool((data.counts(split) > 0).all())
    tail = data.counts("train")[1:]
    assert float(tail.max() / tail.min()) > 40
    assert anatomy.scored_classes(data, "test") == tuple(range(1, 14))


def test_labels_of_the_brain_lie_in_the_brain(brain: VolumeSet) -> None:
    for case in brain.cases:
        assert not bool(((case.label > 0) & (case.image == 0)).any())
    thalamus, cerebellum = (brain.class_names.index(name) for name in ("thalamus", "cerebellum"))
    middle = next(case for case in brain.of("train") if case.name == "brain-104")
    rows = {c: (middle.label == c).nonzero()[:, 1].float().mean() for c in (thalamus, cerebellum)}
    assert rows[cerebellum] > rows[thalamus] + 20  # the head is on top
    assert abs(float((middle.label == thalamus).nonzero()[:, 2].float().mean()) - 79.5) < 3


def test_organs_lie_where_they_should(torso: VolumeSet) -> None:
    centre = {}
    for name in ("liver", "spleen", "spine", "aorta", "kidneys", "bladder"):
        at = [
            (case.label == torso.class_names.index(name)).nonzero()
            + torch.tensor([int(case.name[-3:]), 0, 0])
            for case in torso.of("train")
        ]
        centre[name] = torch.cat(at).float().mean(0)
    # the patient's right is on the left
    assert centre["liver"][2] < centre["spine"][2] < centre["spleen"][2]
    assert centre["aorta"][1] < centre["spine"][1]  # the front is on top
    assert centre["bladder"][0] < centre["kidneys"][0] < centre["liver"][0]  # from foot to head
    assert torso.cases[0].spacing == (3.0, 3.0, 3.0)


def test_other_people_hold_only_what_is_scored(torso: VolumeSet) -> None:
    for split, names in anatomy.SCORED.items():
        (case,) = torso.of(split)
        wanted = anatomy.scored_classes(torso, split)
        assert tuple(torso.class_names[c] for c in wanted) == names
        assert set(case.label.unique().tolist()) == {0, *wanted}
    (aorta,), (chest,) = torso.of("test_aorta"), torso.of("test_chest")
    index = torso.class_names.index("aorta")
    # A contrast agent makes it brighter than any soft tissue.
    assert float(aorta.image[aorta.label == index].mean()) > 0.9
    lungs = torso.class_names.index("lungs")
    assert float(chest.image[chest.label == lungs].mean()) < 0.05
    assert chest.spacing[0] == 10.0


def test_keep_classes_turns_the_rest_to_background() -> None:
    label = torch.tensor([[0, 9, 2], [1, 255, 9]], dtype=torch.uint8)
    assert anatomy.keep_classes(label, (9,)).tolist() == [[0, 9, 0], [0, 255, 9]]
    assert anatomy.keep_classes(label.long(), (1, 2)).tolist() == [[0, 0, 2], [1, 255, 0]]


def test_an_unknown_split_is_named(brain: VolumeSet) -> None:
    with pytest.raises(KeyError, match="brain has no split 'tset'"):
        anatomy.scored_classes(brain, "tset")
