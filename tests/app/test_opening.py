"""Galleries from folders: a manifest is indexed, opened and searched, and mistakes are said."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from pixcl_bench.app.manifest import read_folder
from pixcl_bench.app.opening import OpeningError, index_folder, open_folder
from pixcl_bench.app.session import SearchSession
from pixcl_bench.app.training import TrainingError
from pixcl_bench.data.canonical.manifest import ManifestError
from pixcl_bench.methods.claires.index import IndexMismatchError
from pixcl_bench.methods.claires.saving import ModelFolderError

COLOURS = {"upper": (230, 40, 40), "lower": (40, 40, 230)}


def make_folder(folder: Path, count: int = 24) -> Path:
    """Two kinds of images, of the upper and the lower jaw, and two of each patient."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for i in range(count):
        arch = list(COLOURS)[i // 2 % 2]
        Image.new("RGB", (20, 30), COLOURS[arch]).save(folder / "images" / f"{i}.png")
        about = {"arch": arch, "age": str(20 + i), "note": "seen twice" if i else ""}
        row = {
            "image_id": f"film-{i}",
            "path": f"images/{i}.png",
            "patient_id": f"PATIENT-{i // 2}",
        }
        rows.append(row | about)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_folder(tmp_path_factory.mktemp("own") / "films")
    (folder / "images" / "3.png").write_bytes(b"no image")
    (folder / "images" / "5.png").unlink()
    index_folder(folder, train=True, steps=15)
    return folder


def test_a_folder_is_read(indexed: Path) -> None:
    own = read_folder(indexed, image_size=16)
    assert len(own.data) == 22
    assert {problem.value for problem in own.problems} == {"images/3.png", "images/5.png"}
    assert own.data.images.size == (16, 16)


def test_a_folder_is_indexed_and_searched(indexed: Path) -> None:
    gallery = open_folder(indexed)
    assert len(gallery.index) == 22
    answer = SearchSession(gallery).search("upper jaw", 5)
    assert {hit.record["arch"] for hit in answer.hits} == {"upper"}
    assert gallery.pictures.png(gallery.row(answer.hits[0].id)).startswith(b"\x89PNG")
    assert gallery.captioner.canonical(answer.hits[0].record).endswith("patient, upper.")
    text = "".join(path.read_text() for path in (indexed / "index").glob("*.[cj]s*"))
    assert "PATIENT" not in text


def test_a_saved_model_indexes_another_folder(indexed: Path, tmp_path: Path) -> None:
    other = make_folder(tmp_path / "other", 8)
    index, _ = index_folder(other, model=indexed / "index" / "model")
    assert len(index) == 8
    assert open_folder(other).index.fingerprint == open_folder(indexed).index.fingerprint


def test_an_index_beside_another_model_is_refused(indexed: Path, tmp_path: Path) -> None:
    other = make_folder(tmp_path / "other", 24)
    index_folder(other, train=True, steps=1, seed=1)
    for name in ("model.safetensors", "vocabulary.json", "config.json"):
        data = (indexed / "index" / "model" / name).read_bytes()
        (other / "index" / "model" / name).write_bytes(data)
    with pytest.raises(IndexMismatchError, match="build the index again"):
        open_folder(other)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(OpeningError, match="there is no such folder"):
        open_folder(tmp_path / "none")
    with pytest.raises(OpeningError, match=r"has no manifest\.csv"):
        open_folder(tmp_path)
    folder = make_folder(tmp_path / "films", 4)
    with pytest.raises(OpeningError, match=r"pixcl-bench index .* --train"):
        open_folder(folder)
    with pytest.raises(OpeningError, match="--model FOLDER"):
        index_folder(folder)
    with pytest.raises(ModelFolderError):
        index_folder(folder, model=tmp_path)
    with pytest.raises(ManifestError):
        index_folder(tmp_path, train=True)


def test_one_caption_is_too_little_to_train_on(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "films", 24)
    text = (folder / "manifest.csv").read_text().replace("lower", "upper")
    lines = [",".join([*line.split(",")[:4], "30", ""]) for line in text.splitlines()[1:]]
    head = text.splitlines()[0]
    (folder / "manifest.csv").write_text("\n".join([head, *lines]) + "\n")
    with pytest.raises(TrainingError, match="different captions"):
        index_folder(folder, train=True, steps=1)
