"""The papers' volumes: miniature trees in the published formats, axes, and every error of a damaged
tree."""

import json
import warnings
from pathlib import Path
from typing import Any

import h5py
import nibabel
import nrrd
import numpy as np
import pytest
import torch

from pixcl_bench.data.canonical import decathlon, medical
from pixcl_bench.data.canonical.decathlon import msd_heart, msd_pancreas
from pixcl_bench.data.canonical.medical import acdc, acdc_split, la2018, pancreas_ct
from pixcl_bench.data.canonical.medical_files import CaseList, read_h5, read_nifti, read_nrrd
from pixcl_bench.data.canonical.medical_h5 import (
    ACDC_PREFIXES,
    LA_FOLDER,
    carve,
    check_prefixes,
    prefix_patients,
    write_processed,
)
from pixcl_bench.data.catalogue import CatalogueError, get_info, load, missing
from pixcl_bench.data.sets.splits import SplitError, part_sizes
from pixcl_bench.data.sets.volumes import VolumeError, VolumeSet

SPLITS = ("train", "val", "test")
SHAPE = (3, 6, 5)  # (z, y, x)


def voxels(seed: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Image in [0, 1] and label (z, y, x), the label with every class."""
    rng = np.random.default_rng(seed)
    image = rng.random(SHAPE).astype(np.float32)
    image.flat[:2] = 0, 1
    label = rng.integers(0, classes, SHAPE).astype(np.uint8)
    label.flat[:classes] = range(classes)
    return image, label


def xyz(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array.transpose(2, 1, 0))


def put_h5(path: Path, **arrays: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file.create_dataset(key, data=array, compression="gzip")


def put_nifti(
    path: Path, array: np.ndarray, sizes: tuple[float, float, float] = (1.5, 1.25, 8.0)
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([*sizes, 1.0])), path)


def lines(path: Path, *ids: str, end: str = "\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(end.join(ids).encode())


# ---- trees

TRAIN = ("patient099", "patient003", "patient001")


def acdc_tree(root: Path, stacked: bool = False) -> Path:
    """ACDC's `.h5` tree with three, one and one patients; the slices of each patient are
    shuffled."""
    home = root / "ACDC"
    names = {p: [f"{p}_frame0{f}" for f in (1, 2)] for p in (*TRAIN, "patient004", "patient005")}
    for n, volume in enumerate(v for volumes in names.values() for v in volumes):
        image, label = voxels(n)
        train = volume[:10] in TRAIN
        if not (train and stacked):
            put_h5(home / "data" / f"{volume}.h5", image=image, label=label, scribble=label)
        for k in range(SHAPE[0] if train else 0):
            put_h5(
                home / "data" / "slices" / f"{volume}_slice_{k}.h5", image=image[k], label=label[k]
            )
    order = [f"{v}_slice_{k}" for p in TRAIN for k in (2, 0, 1) for v in reversed(names[p])]
    lines(home / "train_slices.list", *order)
    lines(home / "train.list", *sorted(v for p in TRAIN for v in names[p]), "")
    lines(home / "val.list", *names["patient004"], end="\r\n")
    lines(home / "test.list", *names["patient005"])
    return home


def acdc_raw(root: Path, patients: tuple[str, ...], inside: str = "training") -> Path:
    home = root / "ACDC" / inside
    for n, patient in enumerate(patients):
        for k, frame in enumerate((1, 12)):
            image, label = voxels(2 * n + k)
            put_nifti(home / patient / f"{patient}_frame{frame:02d}.nii.gz", xyz(image * 300))
            put_nifti(home / patient / f"{patient}_frame{frame:02d}_gt.nii.gz", xyz(label))
        (home / patient / "Info.cfg").write_text(
            "ED: 1\nES: 12\nGroup: MINF\nHeight: 180.0\nNbFrame: 30\nWeight: 80.0\n"
        )
    return home


def la_tree(root: Path, train: int = 8, test: int = 2) -> Path:
    home = root / "LA"
    ids = [f"{chr(65 + n)}1B2C3D4E5F6G7H8I9J0"[:20] for n in range(train + test)]
    for n, name in enumerate(ids):
        image, label = voxels(n, 2)
        put_h5(
            home / "2018LA_Seg_Training Set" / name / "mri_norm2.h5",
            image=xyz(image),
            label=xyz(label),
        )
    lines(home / "train.list", *reversed(ids[:train]), end="\r\n")
    lines(home / "test.list", *ids[train:])
    return home


def pancreas_tree(root: Path, ids: tuple[int, ...], test: tuple[int, ...]) -> Path:
    home = root / "Pancreas"
    for n in (*ids, *test):
        image, label = voxels(n, 2)
        put_h5(home / "Pancreas_h5" / f"image{n:04d}_norm.h5", image=xyz(image), label=xyz(label))
    lines(home / "train.list", *(f"image{n:04d}" for n in ids))
    lines(home / "test.list", *(f"image{n:04d}" for n in test))
    return home


def msd_tree(
    root: Path,
    task: str,
    count: int,
    classes: int = 2,
    spacing: tuple[float, float, float] = (1.25,) * 3,
) -> Path:
    home, training = root / task, []
    for n in range(count):
        image, label = voxels(n, classes)
        name = f"case_{n:03d}.nii.gz"
        put_nifti(home / "imagesTr" / name, xyz(image * 800 - 400), spacing)
        put_nifti(home / "labelsTr" / name, xyz(label), spacing)
        training.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
    training.append(
        {"image": "./imagesTr/._case_000.nii.gz", "label": "./labelsTr/._case_000.nii.gz"}
    )
    (home / "imagesTr" / "._case_000.nii.gz").write_bytes(b"mac")
    (home / "dataset.json").write_text(
        json.dumps({"name": task, "training": training, "test": ["./imagesTs/x.nii.gz"]})
    )
    return home


# ---- the order of axes


def test_a_marker_is_where_it_should_be(tmp_path: Path) -> None:
    marker = np.zeros((5, 6, 3), np.float32)  # (x, y, z)
    marker[4, 1, 2] = 1
    put_nifti(tmp_path / "m.nii.gz", marker)
    header = {"space": "left-posterior-superior", "space directions": np.diag([1.5, 1.25, 8.0])}
    nrrd.write(str(tmp_path / "m.nrrd"), marker, header)
    nrrd.write(str(tmp_path / "s.nrrd"), marker, {"spacings": [1.5, 1.25, 8.0]})
    for stored in (
        read_nifti(tmp_path / "m.nii.gz"),
        read_nrrd(tmp_path / "m.nrrd"),
        read_nrrd(tmp_path / "s.nrrd"),
    ):
        assert (stored.voxels.shape, stored.voxels[2, 1, 4], stored.spacing) == (
            SHAPE,
            1,
            (8.0, 1.25, 1.5),
        )
    put_h5(tmp_path / "xyz.h5", image=marker, label=marker)
    put_h5(tmp_path / "zyx.h5", image=xyz(marker), label=xyz(marker))
    for name, axes in (("xyz", "xyz"), ("zyx", "zyx")):
        pair = read_h5(tmp_path / f"{name}.h5", axes)  # type: ignore[arg-type]
        assert (pair.image.shape, pair.image[2, 1, 4], pair.label[2, 1, 4], pair.spacing) == (
            SHAPE,
            1,
            1,
            None,
        )


def test_ras_turns_a_mirrored_axis(tmp_path: Path) -> None:
    marker = np.zeros((5, 6, 3), np.float32)
    marker[4, 1, 2] = 1
    put_nifti(tmp_path / "m.nii.gz", marker, (-1.5, 1.25, 8.0))
    assert read_nifti(tmp_path / "m.nii.gz").voxels[2, 1, 4] == 1
    assert read_nifti(tmp_path / "m.nii.gz", "ras").voxels[2, 1, 0] == 1


# ---- ACDC


@pytest.mark.parametrize("stacked", [False, True])
def test_acdc_follows_its_lists(tmp_path: Path, stacked: bool) -> None:
    acdc_tree(tmp_path, stacked)
    data = acdc(root=tmp_path)
    assert data.patients("train") == TRAIN
    assert [case.name for case in data.of("train")][:2] == [
        "patient099_frame02",
        "patient099_frame01",
    ]
    assert [case.name for case in data.of("val")] == ["patient004_frame01", "patient004_frame02"]
    image, label = voxels(1)  # patient099_frame02
    assert np.array_equal(data.cases[0].image, image)
    assert np.array_equal(data.cases[0].label, label)
    assert (data.kind, data.unit, data.num_classes, data.cases[0].spacing) == (
        "canonical",
        "patient",
        4,
        (1.0, 1.0, 1.0),
    )
    assert data.fingerprint == get_info("acdc").fingerprint(tmp_path)
    assert load("acdc", tmp_path).summary() == data.summary()


def test_acdc_from_the_original_files(tmp_path: Path) -> None:
    people = tuple(f"patient{n:03d}" for n in (*range(1, 9), 38, 99))
    home = acdc_raw(tmp_path, people, "database/training")
    data = acdc(root=tmp_path)
    assert [len(data.patients(split)) for split in SPLITS] == [7, 1, 2]
    assert data.patients("train")[:2] == ("patient099", "patient038")
    image, label = voxels(2 * 9 + 1)
    frame = next(case for case in data.cases if case.name == "patient099_frame02")
    assert np.allclose(frame.image, image, atol=1e-6)
    assert np.array_equal(frame.label, label)
    assert frame.spacing == (8.0, 1.25, 1.5)
    assert acdc(root=tmp_path, split_seed=1).patients("test") != data.patients("test")
    lists = tmp_path / "ACDC"
    lines(lists / "train.list", "patient005_frame02", "patient002_frame01")
    lines(lists / "val.list", "patient001_frame01")
    lines(lists / "test.list", "patient003_frame01")
    listed = acdc(root=tmp_path)
    assert (listed.patients("train"), listed.patients("test")) == (
        ("patient005", "patient002"),
        ("patient003",),
    )
    lines(lists / "val.list", "patient001_frame03")
    with pytest.raises(
        VolumeError, match=r"val\.list: line 1: 'patient001_frame03', expected \.\.\._frame01"
    ):
        acdc(root=tmp_path)
    lines(lists / "val.list", "patient077_frame01")
    with pytest.raises(
        VolumeError,
        match=r"val\.list: line 1: case 'patient077_frame01' has no folder .*patient077",
    ):
        acdc(root=tmp_path)
    (home / "patient005" / "Info.cfg").unlink()
    with pytest.raises(VolumeError, match=r"Info\.cfg: there is no such file"):
        acdc(root=tmp_path)


def test_acdc_prefixes_of_an_artificial_list() -> None:
    """The counts of the published list: 23, 68 and 136 slices end where the named patients end."""
    sizes = {
        "patient099": 23,
        "patient038": 22,
        "patient050": 23,
        **dict.fromkeys(ACDC_PREFIXES[2][1], 17),
    }
    rest = [f"patient{n:03d}" for n in range(1, 101) if f"patient{n:03d}" not in sizes][:63]
    sizes |= dict.fromkeys(rest, 18)
    rng = np.random.default_rng(0)
    names = [
        f"{p}_frame0{1 + k % 2}_slice_{k // 2}"
        for p, count in sizes.items()
        for k in rng.permutation(count).tolist()
    ]
    listed = CaseList(Path("train_slices.list"), tuple(names), tuple(range(1, len(names) + 1)))
    expected = {
        23: {"099"},
        68: {"099", "038", "050"},
        136: {"021", "038", "049", "050", "058", "099", "100"},
    }
    for count, people in expected.items():
        assert {p.removeprefix("patient") for p in prefix_patients(listed, count)} == people
        assert len(prefix_patients(listed, count + 1)) == len(people) + 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_prefixes(listed)
    with pytest.warns(
        UserWarning,
        match="the first 23 slices are of .* in the field's list they are of patient099",
    ):
        check_prefixes(CaseList(listed.path, tuple(sorted(names)), listed.lines))
    everybody = [f"patient{n:03d}" for n in range(1, 101)]
    assert {p[-3:] for p in acdc_split(everybody, 3)["train"][:7]} == expected[136]


# ---- LA, pancreas


def test_la_follows_its_lists(tmp_path: Path) -> None:
    home = la_tree(tmp_path, train=20)
    data = la2018(root=tmp_path)
    ids = (home / "train.list").read_text().split()
    assert [len(data.splits[split]) for split in SPLITS] == [18, 2, 2]
    assert data.patients("train")[:16] == tuple(ids[:16])
    assert set(data.patients("train")) | set(data.patients("val")) == set(ids)
    case = next(case for case in data.cases if case.name == ids[0])
    image, label = voxels(19, 2)
    assert np.array_equal(case.image, image)
    assert np.array_equal(case.label, label)
    assert case.spacing == (0.625,) * 3
    assert la2018(root=tmp_path, split_seed=0).summary() == data.summary()
    whole = la2018(root=tmp_path, val_fraction=0.0)
    assert (whole.patients("train"), len(whole.splits["val"])) == (tuple(ids), 0)
    assert whole.fingerprint != data.fingerprint


def la_raw(root: Path, count: int, size: int = 40) -> Path:
    home = root / "LA" / "Training Set"
    header: dict[str, Any] = {
        "space": "left-posterior-superior",
        "space directions": np.eye(3) * 0.625,
    }
    for n in range(count):
        image = np.random.default_rng(n).integers(0, 200, (size + 10, size, 4)).astype(np.uint8)
        label = np.zeros_like(image)
        label[20:24, 8:11, 1:3] = 255
        (home / f"ID{n:018d}").mkdir(parents=True)
        for name, array in (("lgemri", image), ("laendo", label)):
            nrrd.write(str(home / f"ID{n:018d}" / f"{name}.nrrd"), array, header)
    return home


def test_la_from_the_original_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medical, "LA_LEAST", (0, 12, 12))
    home = la_raw(tmp_path, 10)
    cache = tmp_path / "cache"
    whole = la2018(root=tmp_path, cache=cache, crop="none")
    cut = la2018(root=tmp_path, cache=cache)
    assert [len(cut.splits[split]) for split in SPLITS] == [7, 1, 2]
    assert cut.fingerprint != whole.fingerprint
    big, small = whole.cases[0], cut.cases[0]
    assert big.name == small.name
    assert big.image.shape == (4, 40, 50)
    # x 20..23 is widened by (12 - 3) // 2 and 15, y 8..10 runs into the border; z is whole
    assert small.image.shape == (4, min(10 + 15 + 5, 40), (23 + 15 + 4) - (20 - 15 - 4))
    assert torch.equal(small.image, big.image[:, 0:30, 1:42])
    assert torch.equal(small.label, big.label[:, 0:30, 1:42])
    assert abs(float(big.image.mean())) < 1e-4
    assert float(big.image.std(correction=0)) == pytest.approx(1, abs=1e-4)
    assert small.label.max() == 1
    kept = sorted((cache / "converted").glob("la2018-*/manifest.json"))
    assert len(kept) == 20
    la2018(root=tmp_path, cache=cache)
    assert sorted((cache / "converted").glob("la2018-*/manifest.json")) == kept
    monkeypatch.setattr(medical, "LA_CENTRE", 16)
    with pytest.raises(
        VolumeError,
        match=r"laendo\.nrrd: the centre of \(4, 16, 16\) voxels leaves \d+ labelled voxels out",
    ):
        la2018(root=tmp_path, cache=cache, crop="centre")
    ids = sorted(path.name for path in home.iterdir())
    lines(tmp_path / "LA" / "train.list", *ids[4:0:-1])
    lines(tmp_path / "LA" / "test.list", ids[7])
    listed = la2018(root=tmp_path, cache=cache)
    assert (listed.patients("train"), listed.patients("test")) == (tuple(ids[4:0:-1]), (ids[7],))
    laendo = home / ids[7] / "laendo.nrrd"
    label, space = np.full((50, 40, 4), 7, np.uint8), nrrd.read_header(str(laendo))
    nrrd.write(str(laendo), label)
    with pytest.raises(VolumeError, match=r"laendo\.nrrd: the header has neither"):
        la2018(root=tmp_path, cache=cache)
    nrrd.write(str(laendo), label, space)
    with pytest.raises(
        VolumeError,
        match=(
            rf"{ids[7]}/laendo\.nrrd: label has 7 at \(z, y, x\) = \(0, 0, 0\).*allowed are 0, 255"
        ),
    ):
        la2018(root=tmp_path, cache=cache)


def test_la_asks_for_a_form_that_is_there(tmp_path: Path) -> None:
    la_tree(tmp_path)
    with pytest.raises(CatalogueError, match="holds no nrrd form"):
        la2018(root=tmp_path, crop="centre")
    with pytest.raises(ValueError, match=r"crop is 'centre'.*the \.h5 files are cropped already"):
        la2018(root=tmp_path, crop="centre", layout="h5")


@pytest.mark.parametrize(
    ("count", "keep", "wanted"), [(80, 16, 8), (62, 12, 6), (4, 16, 0), (10, 16, 1)]
)
def test_val_is_carved_behind_the_labelled_cases(count: int, keep: int, wanted: int) -> None:
    found = carve(count, seed=0, name="x", keep=keep)
    assert len(found) == len(set(found)) == wanted
    assert all(min(keep, count - wanted) <= at < count for at in found)


def test_pancreas_counts_what_is_absent(tmp_path: Path) -> None:
    home = pancreas_tree(tmp_path, tuple(range(1, 21)), (70, 71))
    assert [len(pancreas_ct(root=tmp_path).splits[split]) for split in SPLITS] == [18, 2, 2]
    (home / "Pancreas_h5" / "image0070_norm.h5").unlink()
    with pytest.warns(UserWarning, match="pancreas-ct: 1 of 22 listed cases are absent: image0070"):
        data = pancreas_ct(root=tmp_path)
    assert data.patients("test") == ("image0071",)
    with pytest.raises(
        VolumeError, match=r"test\.list: line 1: case 'image0070' has no file .*image0070_norm\.h5"
    ):
        pancreas_ct(root=tmp_path, tolerate=0)
    image, label = voxels(0, 2)
    put_h5(home / "Pancreas_h5" / "image0070_norm.h5", image=xyz(image) * 1000, label=xyz(label))
    with pytest.raises(
        VolumeError, match=r"image0070_norm\.h5: image goes up to 1000, like Hounsfield units"
    ):
        pancreas_ct(root=tmp_path)


# ---- Decathlon


def test_msd_heart(tmp_path: Path) -> None:
    msd_tree(tmp_path, "Task02_Heart", 10)
    data = msd_heart(root=tmp_path, cache=tmp_path / "cache")
    assert [len(data.splits[split]) for split in SPLITS] == [7, 1, 2]
    assert [part_sizes(n, medical.FRACTIONS) for n in (20, 281)] == [[14, 2, 4], [197, 28, 56]]
    assert data.cases[0].spacing == (1.25,) * 3
    image, label = voxels(int(data.cases[0].name[-3:]), 2)
    assert np.array_equal(data.cases[0].label, label)  # at 1.25 mm already
    assert np.allclose(data.cases[0].image, (image - image.mean()) / image.std(), atol=1e-4)
    assert load("msd-heart", tmp_path, cache=tmp_path / "cache").summary() == data.summary()


def test_msd_pancreas_resamples_and_windows(tmp_path: Path) -> None:
    msd_tree(tmp_path, "Task07_Pancreas", 5, classes=3, spacing=(1.0, 1.0, 2.0))
    data = msd_pancreas(root=tmp_path, cache=tmp_path / "cache", crop="none")
    case = data.cases[0]
    assert case.spacing == (1.0,) * 3
    assert case.image.shape[1:] == SHAPE[1:]
    assert case.image.shape[0] in (5, 6)  # 3 planes of 2 mm
    assert (float(case.image.min()), float(case.image.max())) == (0.0, 1.0)
    assert set(case.label.unique().tolist()) == {0, 1}
    boxed = msd_pancreas(root=tmp_path, cache=tmp_path / "cache")
    assert boxed.fingerprint != data.fingerprint


def test_msd_download_is_monai_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import monai.apps.datasets

    asked: list[dict[str, Any]] = []

    def fetch(**given: Any) -> None:
        asked.append(given)
        msd_tree(tmp_path, given["task"], 10)

    monkeypatch.setattr(monai.apps.datasets, "DecathlonDataset", fetch)
    assert len(msd_heart(root=tmp_path, cache=tmp_path / "cache", download=True).cases) == 10
    assert (asked[0]["task"], asked[0]["root_dir"], asked[0]["download"]) == (
        "Task02_Heart",
        tmp_path,
        True,
    )
    monkeypatch.delenv("PIXCL_BENCH_DATA", raising=False)
    with pytest.raises(CatalogueError, match="no data root is set to download to"):
        msd_heart(download=True)


def test_msd_errors(tmp_path: Path) -> None:
    home = msd_tree(tmp_path, "Task02_Heart", 5)
    (home / "labelsTr" / "case_003.nii.gz").unlink()
    with pytest.raises(
        VolumeError,
        match=r"dataset\.json: 'training' names case_003\.nii\.gz, but there is no file .*labelsTr",
    ):
        msd_heart(root=tmp_path, cache=tmp_path)
    (home / "dataset.json").write_text('{"training": []}')
    with pytest.raises(VolumeError, match=r"dataset\.json: 'training' lists no case"):
        msd_heart(root=tmp_path, cache=tmp_path)
    for text in (
        '{"train": []}',
        "{",
        '{"training": [{"image": "a"}]}',
        '{"training": ["a"]}',
        "[]",
    ):
        (home / "dataset.json").write_text(text)
        with pytest.raises(VolumeError, match=r"dataset\.json: not a list of the Decathlon"):
            decathlon.decathlon_files(home)


# ---- writing


def same(one: VolumeSet, other: VolumeSet) -> None:
    assert {split: [case.name for case in one.of(split)] for split in SPLITS} == {
        split: [case.name for case in other.of(split)] for split in SPLITS
    }
    for split in SPLITS:
        for a, b in zip(one.of(split), other.of(split), strict=True):
            assert torch.equal(a.image, b.image)
            assert torch.equal(a.label, b.label)
            assert (a.spacing, a.patient) == (b.spacing, b.patient)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    acdc_raw(tmp_path, tuple(f"patient{n:03d}" for n in (*range(1, 9), 38, 99)))
    la_tree(tmp_path)
    pancreas_tree(tmp_path, tuple(range(1, 21)), (70, 71))
    new = tmp_path / "new"
    for loader, name, layout in (
        (acdc, "ACDC", "acdc"),
        (la2018, "LA", "la2018"),
        (pancreas_ct, "Pancreas", "pancreas-ct"),
    ):
        data = loader(root=tmp_path)
        write_processed(data, new / name, layout=layout)  # type: ignore[arg-type]
        same(data, loader(root=new))
    with h5py.File(next(new.glob(f"LA/{LA_FOLDER}/*/mri_norm2.h5"))) as file:
        assert file["image"].shape == SHAPE[::-1]
        assert (file["image"].dtype, file["label"].dtype, file["image"].compression) == (
            np.float32,
            np.uint8,
            "gzip",
        )
    with h5py.File(new / "ACDC" / "data" / "slices" / "patient099_frame01_slice_0.h5") as file:
        assert file["image"].shape == SHAPE[1:]
    with pytest.raises(FileExistsError, match="holds files already"):
        write_processed(acdc(root=tmp_path), new / "ACDC")
    assert not list(new.glob(".*"))


def test_a_drawn_cohort_can_be_written(tmp_path: Path) -> None:
    from pixcl_bench.data.sets.volumes import Case

    cases = []
    for n in range(3):
        image, label = voxels(n)
        cases.append(
            Case(
                f"p{n}/base",
                f"p{n}",
                torch.from_numpy(image),
                torch.from_numpy(label),
                (8.0, 1.0, 1.0),
            )
        )
    splits = {"train": torch.tensor([1]), "val": torch.tensor([0]), "test": torch.tensor([2])}
    data = VolumeSet(
        "drawn", "synthetic", "f", tuple(cases), splits, ("b", "1", "2", "3"), "patient"
    )
    write_processed(data, tmp_path / "ACDC")
    back = acdc(root=tmp_path)
    assert back.patients("train") == ("p1",)
    assert torch.equal(back.of("test")[0].label, cases[2].label)
    with pytest.raises(VolumeError, match="case 'p0/base': a file needs a name of letters"):
        write_processed(data, tmp_path / "LA", layout="la2018")
    assert not list(tmp_path.glob(".LA*"))
    cases[0].label[0, 0, 0] = 255
    with pytest.raises(VolumeError, match="case 'p0/base' has voxels to ignore"):
        write_processed(data, tmp_path / "other")


# ---- damaged trees


def damage_half(home: Path) -> None:
    path = home / "data" / "patient004_frame01.h5"
    path.write_bytes(path.read_bytes()[:700])


def damage_key(home: Path) -> None:
    put_h5(home / "data" / "patient004_frame01.h5", image=voxels(0)[0], mask=voxels(0)[1])


def damage_label(home: Path) -> None:
    image, label = voxels(0)
    label[2, 1, 3] = 9
    put_h5(home / "data" / "patient004_frame01.h5", image=image, label=label)


def damage_shape(home: Path) -> None:
    image, label = voxels(0)
    put_h5(home / "data" / "patient004_frame01.h5", image=image, label=label[1:])


def damage_nan(home: Path) -> None:
    image, label = voxels(0)
    image[1, 2, 3] = np.nan
    put_h5(home / "data" / "patient004_frame01.h5", image=image, label=label)


def damage_missing(home: Path) -> None:
    (home / "data" / "patient004_frame02.h5").unlink()


def damage_overlap(home: Path) -> None:
    lines(home / "test.list", "patient005_frame01", "patient004_frame02")


def damage_patient(home: Path) -> None:
    lines(home / "val.list", "patient004_frame01")
    lines(home / "test.list", "patient004_frame02")


def damage_train_in_test(home: Path) -> None:
    lines(home / "test.list", "patient001_frame01")


def damage_empty(home: Path) -> None:
    lines(home / "val.list", "", " ", end="\r\n")


def damage_absent_list(home: Path) -> None:
    (home / "test.list").unlink()


def damage_twice(home: Path) -> None:
    lines(home / "test.list", "patient005_frame01", "patient005_frame01")


def damage_slice_name(home: Path) -> None:
    lines(home / "train_slices.list", "patient099_frame01_slice_0", "patient099")


def damage_train_list(home: Path) -> None:
    lines(home / "train.list", "patient099_frame01")


DAMAGES = [
    (
        damage_half,
        VolumeError,
        r"patient004_frame01\.h5: not a whole HDF5 file \(700 bytes; .*download it again",
    ),
    (
        damage_key,
        VolumeError,
        (
            r"patient004_frame01\.h5: no array 'label', it holds image, mask; expected 'image' and"
            r" 'label'"
        ),
    ),
    (
        damage_label,
        VolumeError,
        (
            r"patient004_frame01\.h5: label has 9 at \(z, y, x\) = \(2, 1, 3\) and 0 more .*are 0,"
            r" 1, 2, 3"
        ),
    ),
    (
        damage_shape,
        VolumeError,
        r"patient004_frame01\.h5 has an image of shape \(3, 6, 5\), .*a label of shape \(2, 6, 5\)",
    ),
    (
        damage_nan,
        VolumeError,
        r"patient004_frame01\.h5: image has nan at \(z, y, x\) = \(1, 2, 3\)",
    ),
    (
        damage_missing,
        VolumeError,
        (
            r"val\.list: line 2: case .patient004_frame02. has no file .*patient004_frame02\.h5;"
            r" put it there"
        ),
    ),
    (
        damage_overlap,
        SplitError,
        r"val\.list: line 2 and .*test\.list: line 2 both hold 'patient004_frame02'",
    ),
    (
        damage_patient,
        SplitError,
        r"val\.list: line 1 and .*test\.list: line 1 share patient 'patient004'",
    ),
    (
        damage_train_in_test,
        SplitError,
        r"train_slices\.list: line \d+ and .*test\.list: line 1 both hold 'patient001_frame01'",
    ),
    (damage_empty, VolumeError, r"val\.list: the list is empty"),
    (damage_absent_list, VolumeError, r"test\.list: there is no such list"),
    (damage_twice, VolumeError, r"test\.list: lines 1 and 2 both hold 'patient005_frame01'"),
    (damage_slice_name, VolumeError, r"train_slices\.list: line 2: 'patient099' is no slice"),
    (
        damage_train_list,
        VolumeError,
        r"train_slices\.list in .* holds 'patient001_frame01' and 4 more volumes",
    ),
]


@pytest.mark.parametrize(
    ("damage", "error", "message"), DAMAGES, ids=[damage.__name__[7:] for damage, _, _ in DAMAGES]
)
def test_a_damaged_h5_tree_says_what_is_wrong(
    tmp_path: Path, damage: Any, error: type[Exception], message: str
) -> None:
    home = acdc_tree(tmp_path)
    damage(home)
    with pytest.raises(error, match=message):
        acdc(root=tmp_path)


def test_stacking_says_which_slice_is_wrong(tmp_path: Path) -> None:
    home = acdc_tree(tmp_path, stacked=True)
    path = home / "data" / "slices" / "patient003_frame01_slice_1.h5"
    image, label = voxels(0)
    put_h5(path, image=image[0][1:], label=label[0])
    with pytest.raises(
        VolumeError,
        match=r"slice_1\.h5: image \(5, 5\) and label \(6, 5\), but the first slice is \(6, 5\)",
    ):
        acdc(root=tmp_path)
    path.unlink()
    with pytest.raises(
        VolumeError,
        match=r"train_slices\.list: line \d+: case 'patient003_frame01_slice_1' has no file",
    ):
        acdc(root=tmp_path)
    listed = (home / "train_slices.list").read_text().split()
    lines(home / "train_slices.list", *(name for name in listed if name != path.stem))
    with pytest.raises(
        VolumeError, match=r"'patient003_frame01' has no slice 1, so its volume cannot be stacked"
    ):
        acdc(root=tmp_path)


def test_a_damaged_nifti_tree_says_what_is_wrong(tmp_path: Path) -> None:
    people = tuple(f"patient{n:03d}" for n in range(1, 11))
    home = acdc_raw(tmp_path, people)
    image, label = (home / "patient002" / f"patient002_frame12{end}.nii.gz" for end in ("", "_gt"))
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        VolumeError,
        match=(
            r"patient002_frame12\.nii\.gz: not a whole NIfTI file \(\d+ bytes; .*download it again"
        ),
    ):
        acdc(root=tmp_path)
    image.write_bytes(b"<html>")
    with pytest.raises(VolumeError, match=r"patient002_frame12\.nii\.gz: not a whole NIfTI file"):
        acdc(root=tmp_path)
    image.unlink()
    with pytest.raises(VolumeError, match=r"patient002_frame12\.nii\.gz: there is no such file"):
        acdc(root=tmp_path)
    image.write_bytes(whole)
    put_nifti(label, np.full(SHAPE[::-1], 4, np.uint8))
    with pytest.raises(
        VolumeError,
        match=(
            r"frame12_gt\.nii\.gz: label has 4 at .* and 89 more such voxels; allowed are 0, 1,"
            r" 2, 3"
        ),
    ):
        acdc(root=tmp_path)
    put_nifti(label, np.zeros((5, 6, 4), np.uint8))
    with pytest.raises(
        VolumeError,
        match=(
            r"frame12\.nii\.gz .* image of shape \(3, 6, 5\), .*_gt\.nii\.gz a label of shape \(4,"
            r" 6, 5\)"
        ),
    ):
        acdc(root=tmp_path)


@pytest.mark.parametrize("name", ["acdc", "la2018", "pancreas-ct", "msd-heart", "msd-pancreas"])
def test_what_is_not_there_is_explained(tmp_path: Path, name: str) -> None:
    info = get_info(name)
    published = info.published
    assert published is not None
    for found in (missing(info.name, tmp_path), missing(info.name, tmp_path / "absent")):
        assert found is not None
        assert all(
            part in found
            for part in (
                info.name,
                published.what,
                published.homepage,
                published.folder,
                "PIXCL_BENCH_DATA",
            )
        )
    with pytest.raises(CatalogueError, match="is not there"):
        load(info.name, tmp_path)
    assert info.licence
    assert info.citation


@pytest.mark.parametrize("name", ["acdc", "la2018"])
def test_an_empty_folder_is_explained(tmp_path: Path, name: str) -> None:
    (tmp_path / get_info(name).published.folder).mkdir()  # type: ignore[union-attr]
    with pytest.raises(CatalogueError, match=r"holds neither of its forms\n  get "):
        load(name, tmp_path)
    # refused by its type in tests, by value elsewhere
    with pytest.raises(Exception, match="layout"):
        {"acdc": acdc, "la2018": la2018}[name](root=tmp_path, layout="zip")  # type: ignore[operator]


def test_the_fingerprint_sees_the_listing(tmp_path: Path) -> None:
    home = acdc_tree(tmp_path)
    before = acdc(root=tmp_path).fingerprint
    (home / "notes.txt").write_text("x")
    assert acdc(root=tmp_path).fingerprint != before
