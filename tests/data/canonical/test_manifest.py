"""A user's manifest: each mistake is named with its row, and no file outside the folder is read."""

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pixcl_bench.data.canonical.chest_files import read_dicom
from pixcl_bench.data.canonical.manifest import (
    COLUMNS,
    ManifestError,
    ManifestReport,
    ManifestWarning,
    NotAnImage,
    eight_bits,
    fit_square,
    load_manifest,
    read_film,
    read_image,
    read_manifest,
)
from pixcl_bench.data.catalogue import CatalogueError, load
from pixcl_bench.data.files.dicom import _padding
from pixcl_bench.data.sets.captions import ClinicalCaptions, PlainCaptions
from pixcl_bench.data.sets.pairs import PairError, PairSet
from pixcl_bench.data.sets.pixels import PixelError

Cells = dict[str, str]


def rows_of(count: int = 12) -> list[Cells]:
    return [
        {
            "image_id": f"film-{i}",
            "path": f"images/{i}.png",
            "patient_id": f"p{i // 2}",
            "age": str(20 + 5 * i),
            "teeth": f"{11 + i};12",
        }
        for i in range(count)
    ]


def write(root: Path, rows: list[Cells], encoding: str = "utf-8") -> Path:
    """The folder with an image for each row, and the table."""
    folder = root / "manifest"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for i in range(len(rows)):
        Image.fromarray(np.full((6, 8), 10 * i + 5, np.uint8)).save(folder / f"images/{i}.png")
    with (folder / "manifest.csv").open("w", encoding=encoding, newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return folder


def loaded(root: Path, size: int = 8, **more: Any) -> tuple[PairSet, ManifestReport]:
    return load_manifest(root, image_size=size, cache=root / "cache", **more)


def problems(report: ManifestReport) -> list[tuple[int, str, str, str]]:
    return [(p.row, p.column, p.value, p.dropped) for p in report.problems]


# ---- what works


def test_a_good_manifest_becomes_a_pair_set(tmp_path: Path) -> None:
    write(tmp_path, rows_of())
    data, report = loaded(tmp_path)
    assert (report.rows, report.kept, report.problems, report.ignored) == (12, 12, (), ())
    assert isinstance(data.captioner, ClinicalCaptions)
    assert data.captioner.fields == ("age", "teeth")
    assert data.captions(torch.tensor([0])) == ["young adult patient, teeth 11 and 12."]
    assert data.ids[:2] == ("film-0", "film-1")
    assert set(data.records[0]) == {"age", "teeth"}  # neither patient nor path
    sizes = {split: len(index) for split, index in data.splits.items()}
    assert sizes == {"train": 8, "val": 2, "test": 2}  # whole patients
    pixels = next(data.images.batches([torch.tensor([0, 11])], "cpu"))
    assert pixels.shape == (2, 3, 8, 8)
    assert pixels[:, :, 4, 4].tolist() == [[5] * 3, [115] * 3]
    assert pixels[:, :, 0].max() == 0  # 8 x 6 pixels in a square of 8: nothing is cut off
    found = load("manifest", tmp_path, image_size=8, cache=tmp_path / "cache")
    assert isinstance(found, PairSet)
    assert found.ids == data.ids
    assert found.fingerprint == data.fingerprint


def test_given_splits_are_used(tmp_path: Path) -> None:
    rows = rows_of()
    for row, split in zip(rows, ["train"] * 6 + ["val"] * 2 + ["test"] * 4, strict=True):
        row["split"] = split
    write(tmp_path, rows)
    data, _ = loaded(tmp_path, split_seed=5)
    assert data.splits["train"].tolist() == list(range(6))
    assert data.splits["val"].tolist() == [6, 7]
    assert data.splits["test"].tolist() == [8, 9, 10, 11]
    write(tmp_path, [row | {"split": "train"} for row in rows])
    with pytest.raises(PairError, match="manifest: split 'test' is empty"):
        loaded(tmp_path)


def test_captions_serve_where_clinical_columns_are_empty(tmp_path: Path) -> None:
    rows = [row | {"caption": f"film {row['age']}", "age": "", "teeth": ""} for row in rows_of()]
    write(tmp_path, rows)
    data, _ = loaded(tmp_path)
    assert isinstance(data.captioner, PlainCaptions)
    assert data.captions(torch.tensor([1])) == ["film 25"]
    rows[3]["caption"] = " "
    write(tmp_path, rows)
    _, report = loaded(tmp_path)
    assert problems(report) == [(5, "image_id", "film-3", "row")]


def test_a_mark_at_the_beginning_and_windows_paths_do_not_matter(tmp_path: Path) -> None:
    rows = [row | {"path": row["path"].replace("/", "\\")} for row in rows_of()]
    write(tmp_path, rows, encoding="utf-8-sig")
    data, report = loaded(tmp_path)
    assert len(data) == 12
    assert not report.problems


def test_a_changed_table_is_another_fingerprint(tmp_path: Path) -> None:
    write(tmp_path, rows_of())
    before, _ = loaded(tmp_path)
    write(tmp_path, [row | {"age": "70"} for row in rows_of()])
    after, _ = loaded(tmp_path)
    assert before.fingerprint != after.fingerprint
    assert {record["age"] for record in after.records} == {"70"}


# ---- errors of the whole table


def test_no_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"(?s)manifest\.csv.*image_id,path,patient_id"):
        load("manifest", tmp_path)
    with pytest.raises(ManifestError, match=r"manifest\.csv: there is no such file"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("image_id", "image id", "the column 'image_id' is missing; the nearest header is 'image"),
        ("path", "x", r"the column 'path' is missing\. The header is image_id, x, patient_id"),
        ("teeth", "teth", "the column 'teth' is unknown; did you mean 'teeth'"),
        ("teeth", "age", "the column 'age' occurs twice"),
        ("film-7,", "film-2,", "rows 4 and 9 have the same image_id 'film-2'"),
        ("images/3.png", "../3.png", r"row 5: the path '\.\./3\.png' leads out of the folder"),
        ("images/3.png", "/etc/hosts", r"row 5: the path '/etc/hosts' leads out of the folder"),
        ("film-3", '"film-3', "is not a table of comma-separated values: unexpected end of data"),
    ],
)
def test_errors_name_the_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = write(tmp_path, rows_of()) / "manifest.csv"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ManifestError, match=message):
        read_manifest(file.parent)


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, rows_of())
    Image.new("L", (4, 4)).save(tmp_path / "outside.png")
    (folder / "images/0.png").unlink()
    (folder / "images/0.png").symlink_to(tmp_path / "outside.png")
    with pytest.raises(ManifestError, match=r"row 2: the path 'images/0\.png' leads out"):
        read_manifest(folder)


def test_a_patient_in_two_splits_is_refused(tmp_path: Path) -> None:
    rows = [row | {"split": "train" if i < 7 else "test"} for i, row in enumerate(rows_of())]
    folder = write(tmp_path, rows)
    with pytest.raises(ManifestError, match="rows 8 and 9 is in the splits 'train' and 'test'"):
        read_manifest(folder)


def test_encodings_and_separators_are_named(tmp_path: Path) -> None:
    rows = [row | {"findings": "Füllung"} for row in rows_of()]
    folder = write(tmp_path, rows, encoding="latin-1")
    with pytest.raises(
        ManifestError, match=r"is not UTF-8 \(byte 0xfc .*'CSV UTF-8' in a spreadsheet"
    ):
        read_manifest(folder)
    file = folder / "manifest.csv"
    file.write_text("image_id;path;patient_id\n")
    with pytest.raises(ManifestError, match="separated by ';', expected a comma"):
        read_manifest(folder)
    file.write_text("")
    with pytest.raises(ManifestError, match="is empty, expected a header such as image_id,path"):
        read_manifest(folder)
    file.write_text("image_id,path,patient_id,age\n")
    with pytest.raises(ManifestError, match="no row can be used: it has no rows"):
        read_manifest(folder)
    file.write_text("image_id,path,patient_id\na,images/0.png,p\n")
    with pytest.raises(ManifestError, match="no row has a value in any of the columns age, sex"):
        read_manifest(folder)


# ---- problems of a row


def test_bad_rows_and_values_are_dropped_and_reported(tmp_path: Path) -> None:
    rows = [row | {"stage": "", "ward": "A"} for row in rows_of(14)]
    rows[0]["patient_id"] = ""
    rows[1]["path"] = "images/none.png"
    rows[2]["age"] = "old"
    rows[3]["stage"] = "V"
    rows[4] |= {"age": "", "teeth": " ; "}
    folder = write(tmp_path, rows)
    (folder / "images/5.png").write_bytes(b"no image")
    (folder / "images/6.png").write_bytes((folder / "images/7.png").read_bytes()[:50])
    with (folder / "manifest.csv").open("a") as file:
        file.write("\nfilm-20,images/0.png\n")
    data, report = loaded(tmp_path)
    assert problems(report) == [
        (2, "patient_id", "", "row"),
        (3, "path", "images/none.png", "row"),
        (4, "age", "old", "value"),
        (5, "stage", "V", "value"),
        (6, "image_id", "film-4", "row"),
        (7, "path", "images/5.png", "row"),
        (8, "path", "images/6.png", "row"),
        (17, "image_id", "film-20", "row"),
    ]
    assert (report.rows, report.kept, report.ignored) == (15, 9, ("ward",))
    assert report.counts() == {"patient_id": 1, "path": 3, "age": 1, "stage": 1, "image_id": 2}
    assert data.ids == ("film-2", "film-3", *(f"film-{i}" for i in range(7, 14)))
    pixels = next(data.images.batches([torch.arange(9)], "cpu"))
    assert pixels[:, 0, 4, 4].tolist() == [10 * i + 5 for i in (2, 3, *range(7, 14))]
    assert data.records[0]["age"] == ""
    text = str(report).splitlines()
    assert text[0] == "9 of 15 rows are used, 2 values were dropped; ignored columns: ward"
    assert text[3] == (
        "row 4, age 'old': age is 'old', expected a number from 0 to 130, or nothing (value"
        " dropped)"
    )
    with pytest.warns(ManifestWarning, match="9 of 15 rows are used"):
        load("manifest", tmp_path, image_size=8, cache=tmp_path / "cache")
    report.write(tmp_path / "report.csv")
    with (tmp_path / "report.csv").open(newline="") as file:
        again = list(csv.DictReader(file))
    assert [(int(r["row"]), r["column"], r["value"], r["dropped"]) for r in again] == problems(
        report
    )


def test_a_split_must_be_known_and_complete(tmp_path: Path) -> None:
    rows = [row | {"split": "train" if i < 6 else "test"} for i, row in enumerate(rows_of())]
    for row, split in ((rows[2], ""), (rows[3], ""), (rows[6], "tests"), (rows[7], "tests")):
        row["split"] = split
    write(tmp_path, rows)
    data, report = loaded(tmp_path)
    assert problems(report) == [
        (4, "split", "", "row"),
        (5, "split", "", "row"),
        (8, "split", "tests", "row"),
        (9, "split", "tests", "row"),
    ]
    assert {split: len(at) for split, at in data.splits.items()} == {
        "train": 4,
        "val": 0,
        "test": 4,
    }


def test_every_column_of_the_specification_is_known() -> None:
    text = (
        "image_id,path,patient_id,split,age,sex,race_ethnicity,diagnosis,stage,grade,rbl_percent,"
        "arch,region,teeth,findings,note"
    )
    assert set(COLUMNS) == {*text.split(","), "caption"}


# ---- images


def test_deep_and_odd_images(tmp_path: Path) -> None:
    deep = np.linspace(1000, 3000, 8).astype(np.uint16)[None].repeat(4, 0)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    grey = np.array(read_image(tmp_path / "deep.png"))
    assert grey.shape == (4, 8, 3)
    assert grey[0, :, 0].tolist() == np.rint(np.linspace(0, 255, 8)).astype(int).tolist()
    colour = np.zeros((4, 8, 4), np.uint8)
    colour[..., 1], colour[..., 3] = 200, 255
    Image.fromarray(colour).save(tmp_path / "alpha.png")
    assert np.array(read_image(tmp_path / "alpha.png"))[0, 0].tolist() == [0, 200, 0]
    turned = Image.fromarray(deep.astype(np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg").size == (4, 8)
    square = fit_square(Image.new("RGB", (4, 8), (9, 9, 9)), 16)
    assert square.shape == (3, 16, 16)
    assert square[0, 8].tolist() == [0] * 4 + [9] * 8 + [0] * 4


def test_grey_values_become_eight_bits() -> None:
    values = np.array([[-100, 0], [100, 50]], np.int32)
    assert eight_bits(values).tolist() == [[0, 128], [255, 191]]
    padding = values == -100
    assert eight_bits(values, padding).tolist() == [[0, 0], [255, 128]]
    assert eight_bits(values, padding, inverted=True).tolist() == [[0, 255], [0, 127]]
    assert eight_bits(values, np.ones((2, 2), bool)).tolist() == [[0, 0], [0, 0]]


def film(path: Path, stored: np.ndarray, **more: Any) -> Path:
    """Write a DICOM file with these stored values (uint16) and further elements."""
    pydicom = pytest.importorskip("pydicom", reason="pydicom: not installed (the extra `dicom`)")
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    content = pydicom.dataset.FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    if pydicom.__version__.startswith("2"):
        content.is_little_endian, content.is_implicit_VR = True, False
    content.Rows, content.Columns = stored.shape[-2:]
    content.SamplesPerPixel, content.PhotometricInterpretation = 1, "MONOCHROME2"
    bits = 8 * stored.dtype.itemsize
    content.BitsAllocated = content.BitsStored = bits
    content.HighBit, content.PixelRepresentation = bits - 1, 0
    for name, value in more.items():
        setattr(content, name, value)
    content.PixelData = stored.tobytes()
    content.save_as(path)
    return path


def test_dicom_tables_padding_and_inversion(tmp_path: Path) -> None:
    stored = np.array([[0, 1000, 1100], [1200, 1400, 4000]], np.uint16)
    path = tmp_path / "a.dcm"
    plain = np.rint(stored / 4000 * 255).astype(int)
    assert read_film(film(path, stored)).tolist() == plain.tolist()
    inverted = read_film(film(path, stored, PhotometricInterpretation="MONOCHROME1"))
    assert inverted.tolist() == (255 - plain).tolist()
    # slope and intercept give -1000..3000; the window 200 +- 200 shows 0..400 of them
    window = {"RescaleSlope": 1, "RescaleIntercept": -1000, "WindowCenter": 200, "WindowWidth": 400}
    shown = read_film(film(path, stored, **window))
    expected = np.clip((stored - 1000.0 - 199.5) / 399 + 0.5, 0, 1) * 255
    assert np.abs(shown - expected).max() <= 1
    assert (shown[0, 0], shown[1, 2]) == (0, 255)
    # padding takes no part in the stretch, and is black also when values are inverted
    padded = read_film(film(path, stored, PixelPaddingValue=4000))
    assert padded[1].tolist() == [np.rint(1200 / 1400 * 255), 255, 0]
    both = {"PixelPaddingValue": 4000, "PhotometricInterpretation": "MONOCHROME1"}
    assert read_film(film(path, stored, **both))[:, 2].tolist() == [255 - 200, 0]
    limits = {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 1000}
    assert read_film(film(path, stored, **limits))[0].tolist() == [0, 0, 0]
    small = np.array([[3, 200]], np.uint8)
    assert read_film(film(path, small)).tolist() == small.tolist()
    assert np.array(read_image(path)).shape == (1, 2, 3)


def test_signed_padding_may_be_written_unsigned(tmp_path: Path) -> None:
    stored = np.array([[-2000, -1000], [0, 1000]], np.int16)
    signed = {"PixelRepresentation": 1, "PixelPaddingValue": -2000}
    padding = _padding(stored, {"PixelPaddingValue": 65536 - 2000})
    assert padding.tolist() == [[True, False], [False, False]]
    path = film(tmp_path / "a.dcm", stored, **signed)
    assert read_film(path).tolist() == [[0, 0], [128, 255]]


def test_dicom_pixels_without_a_decoder_are_named(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom", reason="pydicom: not installed (the extra `dicom`)")
    path = film(tmp_path / "a.dcm", np.zeros((4, 4), np.uint8))
    content = pydicom.dcmread(path)
    content.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLSLossless
    content.PixelData = pydicom.encaps.encapsulate([b"no pixels"])
    content["PixelData"].VR = "OB"
    content.save_as(path)
    with pytest.raises(NotAnImage, match=r"cannot be read as a DICOM image: .*decompress it"):
        read_film(path)
    with pytest.raises(PixelError, match=r"a\.dcm: cannot be read .*put a\.png in its place"):
        read_dicom(path)
    with pytest.raises(NotAnImage, match="expected one grey picture"):
        read_film(film(path, np.zeros((4, 4), np.uint8), PhotometricInterpretation="PALETTE COLOR"))


def test_a_voi_table_is_applied(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom", reason="pydicom: not installed (the extra `dicom`)")
    table = pydicom.dataset.Dataset()
    table.add_new("LUTDescriptor", "US", [4, 0, 16])
    table.add_new("LUTData", "US", [100, 300, 200, 500])
    stored = np.array([[0, 1, 2, 3]], np.uint16)
    path = film(tmp_path / "a.dcm", stored, VOILUTSequence=pydicom.sequence.Sequence([table]))
    assert read_film(path).tolist() == [[0, 128, 64, 255]]


def test_what_is_no_grey_film_is_refused(tmp_path: Path) -> None:
    frames = np.zeros((3, 2, 2), np.uint8)
    path = film(tmp_path / "a.dcm", frames, NumberOfFrames=3)
    with pytest.raises(NotAnImage, match=r"of shape \(3, 2, 2\), expected one grey picture"):
        read_film(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(NotAnImage, match="cannot be read as a DICOM image"):
        read_image(path)


def test_without_pydicom_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    (tmp_path / "a.dcm").write_bytes(b"\0" * 128 + b"DICM")
    with pytest.raises(NotAnImage, match=r"pip install 'pixcl_bench\[dicom\]'"):
        read_image(tmp_path / "a.dcm")
