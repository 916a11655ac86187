"""Tiny-ImageNet and MedMNIST, on miniatures in the published form."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pixcl_bench.data.canonical import medmnist_files
from pixcl_bench.data.canonical.medmnist_files import find_set, medmnist, read_arrays
from pixcl_bench.data.canonical.tiny_imagenet import decode, tiny_imagenet
from pixcl_bench.data.catalogue import CatalogueError, get_info, load
from pixcl_bench.data.sets.images import ImageFileError, ImageSet


def all_images(data: ImageSet, split: str) -> torch.Tensor:
    return next(data.images.batches([data.splits[split]], "cpu"))


# ---- Tiny-ImageNet

WNIDS = ("n02", "n01", "n03")


def write_tiny(root: Path, per_class: int = 10) -> Path:
    """The published tree in miniature: a class has its own shade of red."""
    home = root / "tiny-imagenet-200"
    (home / "val" / "images").mkdir(parents=True)
    lines = []
    for number, wnid in enumerate(WNIDS):
        (home / "train" / wnid / "images").mkdir(parents=True)
        picture = Image.new("RGB", (64, 64), (80 * number + 40, 0, 0))
        for k in range(per_class):
            picture.save(home / f"train/{wnid}/images/{wnid}_{k}.JPEG")
        picture.save(home / f"val/images/val_{2 - number}.JPEG")
        lines.append(f"val_{2 - number}.JPEG\t{wnid}\t0\t0\t62\t62\n")
    (home / "val" / "val_annotations.txt").write_text("".join(lines))
    (home / "wnids.txt").write_text("\n".join(WNIDS))
    (home / "words.txt").write_text("n01\tone, uno\nn02\ttwo\nn03\tthree\nn04\tfour\n")
    return home


def test_tiny_imagenet_in_miniature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny(tmp_path)
    monkeypatch.setenv("PIXCL_BENCH_CACHE", str(tmp_path / "cache"))
    data = load("tiny-imagenet", tmp_path, image_size=64)
    assert isinstance(data, ImageSet)
    assert data.class_names == ("two", "one", "three")
    sizes = {split: len(index) for split, index in data.splits.items()}
    assert sizes == {"unlabelled": 27, "train": 27, "val": 3, "test": 3}
    assert data.counts("val").tolist() == [1, 1, 1]
    assert data.labels[data.splits["test"]].tolist() == [0, 1, 2]
    for split in ("train", "test"):
        shade = all_images(data, split)[:, 0].float().mean((1, 2)) / 80 - 0.5
        assert torch.equal(shade.round().long(), data.labels[data.splits[split]])
    assert data.fingerprint == get_info("tiny-imagenet").fingerprint(tmp_path)
    assert load("tiny-imagenet", tmp_path).summary() == data.summary()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("wnids.txt", "n01\nn01\n", r"wnids\.txt: expected distinct classes"),
        ("wnids.txt", "n05\n", r"words\.txt: class n05 of wnids\.txt has no name"),
        ("wnids.txt", "n04\n", r"n04.images holds no \.JPEG"),
        ("words.txt", "n01 one\n", r"words\.txt, line 1: 'n01 one' has fewer than 2 columns"),
        ("val/val_annotations.txt", "val_7.JPEG\tn01\n", "line 1: no file val_7.JPEG"),
        ("val/val_annotations.txt", "val_0.JPEG\tn9\n", "line 1: no class n9"),
    ],
)
def test_a_wrong_list_is_named(tmp_path: Path, file: str, content: str, message: str) -> None:
    home = write_tiny(tmp_path, 1)
    (home / file).write_text(content)
    with pytest.raises(ValueError, match=message):
        tiny_imagenet(root=tmp_path, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("converted/*/"))


def test_a_wrong_image_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (64, 63)).save(tmp_path / "small.JPEG")
    with pytest.raises(ImageFileError, match=r"small\.JPEG: 64 x 63 pixels, expected 64 x 64"):
        decode(tmp_path / "small.JPEG")
    (tmp_path / "half.JPEG").write_bytes(b"\xff\xd8 half")
    with pytest.raises(ImageFileError, match=r"half\.JPEG: cannot be read as an image"):
        decode(tmp_path / "half.JPEG")


def test_grey_files_become_rgb(tmp_path: Path) -> None:
    Image.new("L", (64, 64), 90).save(tmp_path / "grey.JPEG")
    assert decode(tmp_path / "grey.JPEG")[:, 5, 5].tolist() == [90] * 3


def test_what_is_missing_of_tiny_imagenet_is_said(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"tiny-imagenet-200\.zip, unpacked"):
        load("tiny-imagenet", tmp_path)


# ---- MedMNIST

FACTS: dict[str, dict[str, Any]] = {
    "toymnist": {"task": "multi-class", "label": {"0": "one", "1": "other"}},
    "chestmnist": {"task": "multi-label, binary-class", "label": {}},
    "breastmnist": {"task": "binary-class", "label": {}},
    "retinamnist": {"task": "ordinal-regression", "label": {}},
    "organmnist3d": {"task": "multi-class", "label": {}},
}


def write_medmnist(root: Path, size: int, colour: bool = False, **change: Any) -> Path:
    """The file of a toy set in the published form; `change` replaces arrays of it."""
    (root / "medmnist").mkdir(exist_ok=True)
    rng, shape = np.random.default_rng(0), (size, size, 3) if colour else (size, size)
    arrays: dict[str, Any] = {}
    for split, count in (("train", 8), ("val", 4), ("test", 6)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
    path = root / "medmnist" / ("toymnist.npz" if size == 28 else f"toymnist_{size}.npz")
    np.savez_compressed(path, **(arrays | change))
    return path


@pytest.mark.parametrize(("size", "colour"), [(28, False), (64, True), (128, False), (224, True)])
def test_medmnist_in_miniature(tmp_path: Path, size: int, colour: bool) -> None:
    path = write_medmnist(tmp_path, size, colour)
    data = medmnist(root=tmp_path, image_size=size, cache=tmp_path / "cache", facts=FACTS)
    sizes = {split: len(index) for split, index in data.splits.items()}
    assert sizes == {"unlabelled": 8, "train": 8, "val": 4, "test": 6}
    assert data.class_names == ("one", "other")
    assert data.labels[data.splits["test"]].tolist() == [0, 1] * 3
    stored = torch.from_numpy(np.load(path)["val_images"])
    wanted = stored.permute(0, 3, 1, 2) if colour else stored[:, None].expand(-1, 3, -1, -1)
    assert torch.equal(all_images(data, "val"), wanted)


def test_the_size_chooses_the_file(tmp_path: Path) -> None:
    write_medmnist(tmp_path, 28)
    write_medmnist(tmp_path, 64)
    assert find_set(tmp_path / "medmnist", 28, FACTS)[1].name == "toymnist.npz"
    assert find_set(tmp_path / "medmnist", 64, FACTS)[1].name == "toymnist_64.npz"
    with pytest.raises(
        ValueError, match=r"one file NAME_128\.npz, found toymnist\.npz, toymnist_64"
    ):
        find_set(tmp_path / "medmnist", 128, FACTS)
    with pytest.raises(ValueError, match="no images of size 32; its sizes are"):
        find_set(tmp_path / "medmnist", 32, FACTS)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "chestmnist",
            "chestmnist has the task 'multi-label, binary-class'; possible are toymnist",
        ),
        ("breastmnist", "breastmnist has the task 'binary-class'"),
        ("retinamnist", "retinamnist has the task 'ordinal-regression'"),
        ("organmnist3d", "organmnist3d holds volumes"),
        ("dogmnist", "dogmnist is unknown; possible are toymnist"),
    ],
)
def test_other_labels_are_refused_by_name(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / f"{name}.npz").touch()
    with pytest.raises(ValueError, match=message):
        find_set(tmp_path, 28, FACTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"val_labels": np.full((4, 1), 2)}, r"label 2 at position 8, allowed are 0\.\.1"),
        ({"val_labels": np.zeros((3, 1), int)}, r"val: labels int64 \(3, 1\)"),
        ({"val_labels": np.zeros((4, 14), int)}, r"val: labels int64 \(4, 14\)"),
        ({"test_images": np.zeros((6, 28, 28))}, r"test: images float64 \(28, 28\)"),
        ({"test_images": np.zeros((6, 64, 64), np.uint8)}, r"test: images uint8 \(64, 64\)"),
    ],
)
def test_wrong_arrays_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write_medmnist(tmp_path, 28, **change)
    with pytest.raises(ValueError, match=message):
        read_arrays(path, 28, 2)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = write_medmnist(tmp_path, 28)
    good = hashlib.md5(path.read_bytes()).hexdigest()
    facts = {"toymnist": FACTS["toymnist"] | {"MD5": good}}
    assert (
        len(medmnist(root=tmp_path, image_size=28, cache=tmp_path / "c", facts=facts).images) == 18
    )
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=rf"toymnist\.npz .*is damaged: expected md5 {good}"):
        medmnist(root=tmp_path, image_size=28, cache=tmp_path / "c", facts=facts)
    with pytest.raises(ValueError, match=r"toymnist\.npz: not in the published form"):
        read_arrays(path, 28, 2)


def test_the_package_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_medmnist(tmp_path, 28)
    monkeypatch.setitem(__import__("sys").modules, "medmnist", None)
    with pytest.raises(CatalogueError, match=r"pip install 'pixcl_bench\[medmnist\]'"):
        load("medmnist", tmp_path, image_size=28)
    monkeypatch.setattr(medmnist_files, "package_facts", lambda: FACTS)
    monkeypatch.setenv("PIXCL_BENCH_CACHE", str(tmp_path / "cache"))
    assert isinstance(load("medmnist", tmp_path, image_size=28), ImageSet)


def test_the_facts_of_the_package_have_the_form_that_is_read() -> None:
    pytest.importorskip("medmnist")
    facts = medmnist_files.package_facts()
    for name in ("pathmnist", "bloodmnist", "organamnist"):
        assert facts[name]["task"] == "multi-class"
        assert [str(k) for k in range(len(facts[name]["label"]))] == list(facts[name]["label"])
        assert all(len(facts[name][key]) == 32 for key in ("MD5", "MD5_64", "MD5_128", "MD5_224"))
