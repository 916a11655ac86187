"""Volumes of every kind that tools write: read as they are meant, or refused by name."""

import gzip
import itertools
import re
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import nibabel
import nrrd
import numpy as np
import pytest

from pixcl_bench.data.canonical.grids import on_grid, same_grid
from pixcl_bench.data.canonical.medical_files import (
    Stored,
    label_on_grid,
    label_tensor,
    read_h5,
    read_nifti,
    read_nrrd,
)
from pixcl_bench.data.sets.volumes import VolumeError

AFFINE = np.diag([1.5, 1.25, 8.0, 1.0])
AFFINE[:3, 3] = -20.0, 5.0, 7.0
SPACING = (8.0, 1.25, 1.5)
LABEL = np.random.default_rng(0).integers(0, 4, (6, 5, 3)).astype(np.int16)
CODES = {k: k for k in range(4)}


def nifti(
    path: Path, voxels: np.ndarray, affine: np.ndarray | None = AFFINE, **header: Any
) -> Path:
    """A NIfTI file whose header has these fields, also those that a writer would correct."""
    image = nibabel.Nifti1Image(voxels, affine)
    nibabel.save(image, path)
    if header:
        raw = bytearray(gzip.decompress(path.read_bytes()))
        places = {"pixdim": (80, "<3f"), "xyzt_units": (123, "<B"), "sform_code": (254, "<h")}
        places |= {"qform_code": (252, "<h"), "srow_y": (296, "<4f")}
        for key, value in header.items():
            at, form = places[key]
            raw[at : at + struct.calcsize(form)] = struct.pack(form, *np.atleast_1d(value))
        path.write_bytes(gzip.compress(bytes(raw)))
    return path


def same(stored: Stored, voxels: np.ndarray = LABEL) -> bool:
    return bool((stored.voxels == voxels.transpose(2, 1, 0)).all())


def plain_bytes(_: object, kind: type = nibabel.Nifti1Image, **header: Any) -> bytes:
    content: bytes = kind(LABEL, AFFINE, **header).to_bytes()
    return content


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("second.nii", lambda f: plain_bytes(f, nibabel.Nifti2Image)),
        ("second.nii.gz", lambda f: gzip.compress(plain_bytes(f, nibabel.Nifti2Image))),
        ("plain.nii.gz", plain_bytes),
        ("packed.nii", lambda f: gzip.compress(plain_bytes(f))),
        ("big.nii", lambda f: plain_bytes(f, header=nibabel.Nifti1Header(endianness=">"))),
    ],
)
def test_every_form_of_nifti(tmp_path: Path, name: str, make: Callable[[Path], bytes]) -> None:
    (tmp_path / name).write_bytes(make(tmp_path))
    stored = read_nifti(tmp_path / name)
    assert same(stored)
    assert stored.spacing == SPACING
    assert np.allclose(stored.affine, AFFINE)


def test_a_pair_of_files_is_one_volume(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Pair(LABEL, AFFINE), tmp_path / "a.img")
    for ending in (".img", ".hdr"):
        assert same(read_nifti(tmp_path / f"a{ending}"))


@pytest.mark.parametrize(
    ("header", "affine", "expected"),
    [
        ({"pixdim": (1, 1, 1)}, AFFINE, SPACING),  # the affine decides
        ({"pixdim": (1, 1, 0)}, AFFINE, SPACING),
        ({"xyzt_units": 1}, AFFINE / 1000, SPACING),
        ({"xyzt_units": 3}, AFFINE * 1000, SPACING),
        ({"xyzt_units": 0}, AFFINE, SPACING),
        ({"sform_code": 0, "qform_code": 0}, AFFINE, SPACING),
    ],
)
def test_spacing_is_that_of_the_affine_in_mm(
    tmp_path: Path, header: Mapping[str, Any], affine: np.ndarray, expected: tuple[float, ...]
) -> None:
    stored = read_nifti(nifti(tmp_path / "a.nii.gz", LABEL, affine, **header))
    assert stored.spacing == pytest.approx(expected, rel=1e-5)
    if stored.affine is None:
        assert header.get("sform_code") == 0
    else:
        assert np.allclose(stored.affine[:3, :3], AFFINE[:3, :3], rtol=1e-5)


def test_an_oblique_volume_keeps_its_sizes(tmp_path: Path) -> None:
    turn = np.array([[1.2, 0.3, 0, 0], [-0.3, 1.2, 0.2, 0], [0, -0.2, 2, 0], [0, 0, 0, 1.0]])
    stored = read_nifti(nifti(tmp_path / "a.nii.gz", LABEL, turn), "ras")
    assert stored.spacing == pytest.approx(np.linalg.norm(turn[:3, :3], axis=0)[::-1], abs=1e-5)


@pytest.mark.parametrize("more", [(1,), (1, 1), (1, 1, 1)])
def test_trailing_axes_of_one_entry_are_dropped(tmp_path: Path, more: tuple[int, ...]) -> None:
    path = nifti(tmp_path / "a.nii.gz", LABEL.reshape(*LABEL.shape, *more))
    assert same(read_nifti(path))
    assert same(read_nifti(path, "ras"))


RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: nifti(p, np.stack([LABEL] * 4, -1)), r"shape \(6, 5, 3, 4\).*holds 4 volumes"),
        (lambda p: nifti(p, LABEL[..., 0]), r"shape \(6, 5\), expected one volume"),
        (lambda p: nifti(p, np.zeros((6, 5, 3), RGB)), "of type RGB, expected one real number"),
        (lambda p: nifti(p, LABEL + np.complex64(1j)), "of type complex64, expected one real"),
        (
            lambda p: nifti(p, LABEL, pixdim=(1, 0, 1), sform_code=0, qform_code=0),
            r"voxel size \(x, y, z\) = \(1.0, 0.0, 1.0\) mm, expected three positive numbers",
        ),
        (lambda p: nifti(p, LABEL, srow_y=[0, 0, 0, 5]), "gives no voxels of three positive"),
        (lambda p: nifti(p, LABEL, srow_y=[0, np.nan, 0, 5]), "gives no voxels of three positive"),
        (lambda p: nifti(p, LABEL, xyzt_units=5), "unit of length has the code 5"),
        (lambda p: p.mkdir(), "is a folder, expected a NIfTI file"),
        (lambda p: p.write_bytes(b""), r"not a whole NIfTI file \(0 bytes"),
        (lambda p: p.write_bytes(b"<html>" * 99), "not a whole NIfTI file.*first number"),
        (lambda p: p.write_bytes(plain_bytes(p)[:-9]), "not a whole NIfTI file"),
        (lambda p: p.write_bytes(gzip.compress(plain_bytes(p))[:-9]), "not a whole NIfTI file"),
        (lambda p: None, "there is no such file"),
    ],
)
def test_what_is_no_volume_is_named(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    make(tmp_path / "a.nii.gz")
    with pytest.raises(VolumeError, match=rf"a\.nii\.gz: .*{message}"):
        read_nifti(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("kind", ["float", "slope", "resampled"])
def test_whole_numbers_in_any_type_are_labels(tmp_path: Path, kind: str) -> None:
    values = LABEL.astype(np.float32)
    image = nibabel.Nifti1Image(values + (0.0009 if kind == "resampled" else 0), AFFINE)
    if kind == "slope":
        image.set_data_dtype(np.uint8)  # nibabel then writes 255 steps and a slope
    nibabel.save(image, tmp_path / "a.nii.gz")
    label = label_tensor(read_nifti(tmp_path / "a.nii.gz").voxels, Path("a"), CODES)
    assert (label.numpy() == LABEL.transpose(2, 1, 0)).all()


@pytest.mark.parametrize(
    ("value", "said"), [(1.002, "1.00199997"), (0.5, "0.5"), (np.nan, "nan"), (7, "7"), (-1, "-1")]
)
def test_other_labels_are_named_with_the_allowed_ones(value: float, said: str) -> None:
    voxels = LABEL.astype(np.float32)
    voxels[0, 1, 2] = value
    at = re.escape("(z, y, x) = (0, 1, 2)")
    with pytest.raises(VolumeError, match=rf"a\.nii: label has {said} at {at}.*0, 1, 2, 3"):
        label_tensor(voxels, Path("a.nii"), CODES)


# ---- image and label on one grid


def stored(voxels: np.ndarray, affine: np.ndarray | None, space: str = "patient") -> Stored:
    spacing = (8.0, 1.25, 1.5)
    voxels = voxels.transpose(2, 1, 0)
    return Stored(voxels, spacing, affine, None if affine is None else space)


def match(label: Stored, image: Stored | None = None) -> np.ndarray:
    return label_on_grid(image or stored(LABEL, AFFINE), label, Path("i.nii"), Path("l.nii"))


def test_a_label_in_any_of_48_orientations_is_brought_back() -> None:
    oblique = AFFINE.copy()
    oblique[:3, :3] = AFFINE[:3, :3] @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    for affine in (AFFINE, oblique):
        image = nibabel.Nifti1Image(LABEL, affine)
        for axes in itertools.permutations(range(3)):
            for signs in itertools.product((1, -1), repeat=3):
                turned = image.as_reoriented(np.stack([axes, signs], 1))
                label = stored(np.asarray(turned.dataobj), turned.affine)
                found = match(label, stored(LABEL, affine))
                assert (found == LABEL.transpose(2, 1, 0)).all()


def moved(*by: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[:3, 3] += by
    return affine


@pytest.mark.parametrize(
    "affine",
    [
        np.eye(4),
        AFFINE * [[-1], [1], [1], [1]],
        moved(1.5, 0, 0),
        moved(0.3, 0, 0),
        AFFINE * [1.02, 1, 1, 1],
        AFFINE @ np.array([[0.99, -0.14, 0, 0], [0.14, 0.99, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        None,
    ],
)
def test_a_label_elsewhere_is_refused_with_both_matrices(affine: np.ndarray | None) -> None:
    with pytest.raises(VolumeError) as refused:
        match(stored(LABEL, affine))
    text = str(refused.value)
    assert "l.nii does not lie on the grid of i.nii: its affine is" in text
    assert "the image's is [1.5 0 0 -20; 0 1.25 0 5; 0 0 8 7] with voxels of (8.0, 1.25" in text


def test_rounded_headers_are_one_grid_and_sizes_are_left_to_the_case() -> None:
    rounded = AFFINE.astype(np.float32).astype(np.float64) + 1e-4
    assert (match(stored(LABEL, rounded)) == LABEL.transpose(2, 1, 0)).all()
    assert same_grid(AFFINE, rounded, LABEL.shape)
    assert match(stored(LABEL[1:], AFFINE)).shape == (3, 5, 5)
    assert on_grid(LABEL, AFFINE, AFFINE * 2, LABEL.shape) is None
    both = stored(LABEL, None)
    assert (match(both, both) == both.voxels).all()
    with pytest.raises(VolumeError, match="does not lie on the grid of"):
        match(both._replace(spacing=(8.0, 1.25, 1.6)), both)
    with pytest.raises(VolumeError, match="does not lie on the grid of"):
        match(stored(LABEL, AFFINE, "scanner-xyz"))


# ---- NRRD


def nrrd_file(path: Path, voxels: np.ndarray, **header: Any) -> Path:
    nrrd.write(str(path), voxels, {key.replace("_", " "): value for key, value in header.items()})
    return path


STEPS, NONE = np.diag([1.5, 1.25, 8.0]), [np.nan] * 3
LPS = {"space": "left-posterior-superior", "space_directions": STEPS, "space_origin": [20, -5, 7]}


@pytest.mark.parametrize(
    ("header", "axis"),
    [
        (LPS, None),
        (LPS | {"space_directions": STEPS / 10, "space_units": ["cm"] * 3}, None),
        (LPS | {"space_directions": np.vstack([STEPS, NONE])}, 3),
        (LPS | {"space_directions": np.vstack([NONE, STEPS])}, 0),
        ({"space": "RAS", "space_directions": STEPS, "space_origin": [-20, 5, 7]}, None),
        ({"spacings": [1.5, 1.25, 8.0]}, None),
    ],
)
def test_every_form_of_nrrd(tmp_path: Path, header: dict[str, Any], axis: int | None) -> None:
    voxels = LABEL if axis is None else np.expand_dims(LABEL, axis)
    found = read_nrrd(nrrd_file(tmp_path / "a.nrrd", voxels, **header))
    assert same(found)
    assert found.spacing == pytest.approx(SPACING)
    assert found.space == ("patient" if "space" in header else None)
    if found.affine is not None and header["space"] == "RAS":
        assert np.allclose(found.affine, AFFINE)


@pytest.mark.parametrize(
    ("voxels", "header", "message"),
    [
        (
            np.stack([LABEL] * 2),
            LPS | {"space_directions": np.vstack([NONE, STEPS])},
            r"axis 0 of shape \(2, 6, 5, 3\) has no direction",
        ),
        (LABEL, {}, "the header has neither 'spacings' nor 'space directions'"),
        (LABEL, {"spacings": [1.0, 0.0, 1.0]}, "voxel size .*expected three positive numbers"),
        (LABEL, LPS | {"space_units": ["inch"] * 3}, "the unit of length is inch"),
        (LABEL, LPS | {"space_directions": STEPS * [1, 0, 1]}, "gives no voxels of three positive"),
    ],
)
def test_what_is_no_nrrd_volume_is_named(
    tmp_path: Path, voxels: np.ndarray, header: dict[str, Any], message: str
) -> None:
    with pytest.raises(VolumeError, match=rf"a\.nrrd: .*{message}"):
        read_nrrd(nrrd_file(tmp_path / "a.nrrd", voxels, **header))


# ---- HDF5


def h5(path: Path, spacing: Any = None, **arrays: Any) -> Path:
    with h5py.File(path, "w") as file:
        for key, value in arrays.items():
            file[key] = value
        if spacing is not None:
            file["image"].attrs["spacing"] = spacing
    return path


IMAGE = np.random.default_rng(1).random((3, 5, 6)).astype(np.float32)
MARKS = LABEL.transpose(2, 1, 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        *(
            ({"spacing": value}, "attribute 'spacing' of 'image': voxel size .*three positive")
            for value in ([1.0, 2.0], "1 2 3", [0.0, 1, 1], [1, -1, 1], [np.nan, 1, 1], 1.5, [])
        ),
        ({"image": h5py.ExternalLink("gone.h5", "/image")}, "'image' is a link to 'gone.h5'"),
        ({"image": h5py.SoftLink("/gone")}, "'image' is a link to '/gone'"),
        ({"image": np.zeros((3, 5, 6), [("a", "f4")])}, "'image' is of type .*real number"),
        ({"image": IMAGE + 1j}, "'image' is of type complex"),
        ({"label": "text"}, "'label' is of type object"),
        ({"label": h5py.Empty("f4")}, "'label' is of type float32, expected an array"),
        ({"label": np.stack([k == MARKS for k in range(4)])}, "not one channel each"),
    ],
)
def test_odd_hdf5_files_are_named(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    path = h5(tmp_path / "a.h5", **{"image": IMAGE, "label": MARKS, **given})
    with pytest.raises(VolumeError, match=rf"a\.h5: .*{message}"):
        read_h5(path, "zyx")


def test_a_file_that_another_program_writes_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise BlockingIOError(11, "Unable to lock file")

    path = h5(tmp_path / "a.h5", image=IMAGE, label=MARKS)
    monkeypatch.setattr(h5py, "File", locked)
    with pytest.raises(VolumeError, match=r"a\.h5: may not be read .*another program"):
        read_h5(path, "zyx")


def test_spacing_is_read_and_links_that_hold_are_followed(tmp_path: Path) -> None:
    h5(tmp_path / "far.h5", image=IMAGE)
    link = h5py.ExternalLink("far.h5", "/image")
    path = h5(tmp_path / "a.h5", spacing=(8, 1.25, 1.5), image=link, label=MARKS.astype(float))
    shutil.copy(path, tmp_path / "copy.h5")
    pair = read_h5(tmp_path / "copy.h5", "zyx")
    assert (pair.image == IMAGE).all()
    assert pair.spacing == SPACING
