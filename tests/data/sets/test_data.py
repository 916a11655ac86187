"""Splits, sources and loaders: on the embedded data, and on miniatures of the canonical sets as
published.

CIFAR is published as pickles, so its miniature has to be one: only bytes written here are unpickled
here.
"""

import gzip
import hashlib
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pixcl_bench.data.canonical.images import (
    CIFAR10,
    CIFAR100,
    STL10,
    cifar10,
    cifar100,
    imagefolder,
    stl10,
)
from pixcl_bench.data.catalogue import CatalogueError, get_info, load
from pixcl_bench.data.embedded.digits import digits as load_digits
from pixcl_bench.data.embedded.digits import read_digits
from pixcl_bench.data.embedded.landcover import (
    TILE,
    cut_tiles,
    fetch_maps,
    merge_classes,
    read_maps,
    tile_counts,
)
from pixcl_bench.data.embedded.landcover import landcover_tiles as load_tiles
from pixcl_bench.data.sets.images import (
    FolderImages,
    ImageFileError,
    ImageSet,
    ImageSource,
    TensorImages,
    channel_stats,
)
from pixcl_bench.data.sets.splits import (
    SplitError,
    check_splits,
    part_sizes,
    random_parts,
    seeded_order,
    split_digest,
    stratified_parts,
)

# ---- splits


def test_the_order_is_the_same_for_ever() -> None:
    assert seeded_order(8, 0, "toy").tolist() == [6, 4, 1, 3, 0, 7, 5, 2]
    assert sorted(seeded_order(100, 7, "toy")) == list(range(100))
    assert seeded_order(100, 1, "toy").tolist() != seeded_order(100, 2, "toy").tolist()
    assert seeded_order(100, 1, "toy").tolist() != seeded_order(100, 1, "other").tolist()
    with pytest.raises(ValueError, match="seed=-1"):
        seeded_order(3, -1, "toy")


@pytest.mark.parametrize("count", [0, 1, 2, 5, 99, 1000])
def test_parts_are_disjoint_and_complete(count: int) -> None:
    parts = random_parts(count, (0.6, 0.2, 0.2), 0, "toy")
    assert sorted(np.concatenate(parts).tolist()) == list(range(count))
    assert [len(part) for part in parts] == part_sizes(count, (0.6, 0.2, 0.2))
    with pytest.raises(ValueError, match="add up to 1"):
        part_sizes(count, (0.6, 0.6))


def test_stratified_parts_cut_every_class_alike() -> None:
    labels = np.repeat([4, 1, 7], [50, 20, 10])
    train, val = stratified_parts(labels, (0.9, 0.1), 0, "toy")
    assert np.bincount(labels[val], minlength=8)[[4, 1, 7]].tolist() == [5, 2, 1]
    assert sorted([*train, *val]) == list(range(80))
    with pytest.raises(ValueError, match="must be integers"):
        stratified_parts(np.array([0.5, 1.0]), (0.9, 0.1), 0, "toy")


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": [0, 1], "test": [1, 2]}, "'train' and 'test' share 1 item.*the first is 1"),
        ({"unlabelled": [0, 3], "val": [3]}, "'unlabelled' and 'val' share 1 item"),
        ({"unlabelled": [0, 3], "test": [0]}, "'unlabelled' and 'test' share 1 item"),
        ({"train": [0, 1], "test": [4, 5]}, "'train' and 'test' share 1 group.*the first is 10"),
        ({"train": [2, 2]}, "'train' holds item 2 more than once"),
        ({"train": [0, 6]}, "'train' holds index 6, allowed 0..5"),
        ({"train": [-1]}, "'train' holds index -1"),
        ({"train": [[0]]}, "integers of shape"),
        ({"train": [0.0]}, "integers of shape"),
    ],
)
def test_overlapping_or_impossible_splits_are_refused(splits: dict[str, Any], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        check_splits(splits, groups=[10, 11, 12, 13, 10, 15], count=6)


def test_pre_training_may_share_with_train_alone() -> None:
    check_splits(
        {"unlabelled": [0, 1, 2], "train": [0, 1], "val": [3], "test": torch.tensor([4])}, count=5
    )


def test_the_digest_sees_every_index() -> None:
    splits = {"train": [0, 1], "test": torch.tensor([2])}
    assert split_digest(splits) == split_digest(
        {"test": np.array([2]), "train": np.array([0, 1], np.int32)}
    )
    assert split_digest(splits) != split_digest(splits | {"test": [3]})
    assert split_digest({"a": [1], "b": []}) != split_digest({"a": [], "b": [1]})


# ---- embedded data


def all_images(data: ImageSet, split: str) -> torch.Tensor:
    return next(data.images.batches([data.splits[split]], "cpu"))


def test_landcover_splits_share_no_pixel(landcover_tiles: ImageSet) -> None:
    from pixcl_bench.data.sets.arrays import converted

    def never() -> dict[str, np.ndarray]:
        raise AssertionError("the fixture has built them")

    info = get_info("landcover-tiles")
    corners = converted(info.name, info.fingerprint(), never, verify=True)["corners"]
    owner = np.zeros((2250, 5400), np.uint8)
    for bit, split in enumerate(("unlabelled", "val", "test")):
        for y, x in corners[landcover_tiles.splits[split].numpy()]:
            owner[y : y + TILE, x : x + TILE] |= 1 << bit
    assert set(np.unique(owner)) == {0, 1, 2, 4}


def test_landcover_is_what_the_catalogue_says(landcover_tiles: ImageSet) -> None:
    info = get_info("landcover-tiles")
    assert landcover_tiles.class_names == info.classes
    assert landcover_tiles.fingerprint == info.fingerprint()
    assert landcover_tiles.images.size == (32, 32)
    assert f"{len(landcover_tiles.images):,}" in info.size
    sizes = [len(landcover_tiles.splits[split]) for split in ("unlabelled", "train", "val", "test")]
    assert sizes == [5860, 3420, 1129, 1182]
    assert set(landcover_tiles.splits["train"].tolist()) <= set(
        landcover_tiles.splits["unlabelled"].tolist()
    )


def test_landcover_is_the_same_again_and_another_with_another_seed(
    landcover_tiles: ImageSet,
) -> None:
    assert load_tiles().summary() == landcover_tiles.summary()
    other = load_tiles(split_seed=1)
    assert other.summary()["split_digest"] != landcover_tiles.summary()["split_digest"]
    assert other.fingerprint == landcover_tiles.fingerprint


def test_landcover_colours_tell_something_but_not_all(landcover_tiles: ImageSet) -> None:
    bank, queries = (
        all_images(landcover_tiles, split).float().mean((2, 3)) for split in ("train", "test")
    )
    labels = landcover_tiles.labels[landcover_tiles.splits["train"]]
    near = torch.cdist(queries, bank).argsort(dim=1, stable=True)[:, :20]
    votes = torch.nn.functional.one_hot(labels[near], 11).sum(1)
    accuracy = (
        (votes.argmax(1) == landcover_tiles.labels[landcover_tiles.splits["test"]])
        .float()
        .mean()
        .item()
    )
    assert 0.6 < accuracy < 0.85


def test_tile_counts_equal_a_count_of_each_tile() -> None:
    classes = np.random.default_rng(0).integers(0, 12, (300, 450), dtype=np.uint8)
    counts = tile_counts(classes)
    assert counts.shape == (2, 3, 8, 8, 12)
    for by, bx, i, j in [(0, 0, 0, 0), (1, 2, 7, 7), (0, 1, 3, 5)]:
        y, x = by * 150 + i * 16, bx * 150 + j * 16
        assert (
            counts[by, bx, i, j].tolist()
            == np.bincount(classes[y : y + 32, x : x + 32].ravel(), minlength=12).tolist()
        )


def test_the_conversion_gives_what_the_cache_holds(landcover_tiles: ImageSet) -> None:
    tiles = cut_tiles(*read_maps(*fetch_maps()))
    assert tiles["labels"].tolist() == landcover_tiles.labels.tolist()
    test = landcover_tiles.splits["test"]
    assert torch.equal(
        torch.from_numpy(tiles["images"][test.numpy()]), all_images(landcover_tiles, "test")
    )


def test_wrong_maps_are_named(tmp_path: Path) -> None:
    Image.new("L", (10, 5)).save(tmp_path / "map.png")
    with pytest.raises(ValueError, match=r"map\.png: 10 x 5 L, expected 5400 x 2700 RGB"):
        read_maps(tmp_path / "map.png", tmp_path / "map.png")
    with pytest.raises(ValueError, match=r"map\.png: class 17 is not an IGBP class"):
        merge_classes(np.array([[3, 17]], np.uint8), "map.png")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0] * 784 + [10], "digit 10 is out of range"),
        ([256] + [0] * 784, "grey value 256"),
        ([1, 2], "rows of 2 numbers"),
    ],
)
def test_wrong_digits_are_named(tmp_path: Path, row: list[int], message: str) -> None:
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(gzip.compress(",".join(map(str, row)).encode()))
    with pytest.raises(ValueError, match=rf"digits\.csv\.gz: {message}"):
        read_digits(path)


def test_digits_are_balanced_and_padded(digits: ImageSet) -> None:
    assert [len(digits.splits[split]) for split in ("unlabelled", "train", "val", "test")] == [
        3000,
        3000,
        1000,
        1000,
    ]
    assert digits.counts("val").tolist() == [100] * 10
    images = all_images(digits, "test")
    assert images.shape == (1000, 3, 32, 32)
    assert images.dtype == torch.uint8
    assert not images[:, :, [0, 1, 30, 31]].any()
    assert torch.equal(images[:, 0], images[:, 1])
    assert load_digits().summary() == digits.summary()


def test_an_image_set_refuses_what_does_not_fit(digits: ImageSet) -> None:
    with pytest.raises(ValueError, match="digits: 5000 images but 4999 labels"):
        replace(digits, labels=digits.labels[:-1])
    with pytest.raises(
        ValueError,
        match=r"digits, split 'unlabelled': label 9 at position \d+, allowed are -1\.\.8",
    ):
        replace(digits, class_names=digits.class_names[:9], splits={**digits.splits})
    with pytest.raises(SplitError, match="'val' and 'test' share 1000"):
        replace(digits, splits={**digits.splits, "val": digits.splits["test"]})
    with pytest.raises(SplitError, match="expected"):
        replace(digits, splits={"train": digits.splits["train"]})


# ---- sources


def test_tensor_images_give_what_is_asked_for_in_order() -> None:
    images = torch.randint(
        0, 256, (20, 3, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    source = TensorImages(images)
    assert isinstance(source, ImageSource)
    index = torch.tensor([7, 7, 0, 19])
    assert torch.equal(torch.cat(list(source.batches(index.split(3), "cpu"))), images[index])


@pytest.mark.gpu
def test_tensor_images_live_on_the_device() -> None:
    images = torch.randint(
        0, 256, (20, 3, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    source = TensorImages(images)
    batch = next(source.batches([torch.tensor([3, 1])], "cuda"))
    assert batch.device.type == "cuda"
    assert torch.equal(batch.cpu(), images[[3, 1]])


@pytest.mark.gpu
def test_folder_images_arrive_on_the_device(tmp_path: Path) -> None:
    paths = write_images(tmp_path, 4)
    here, there = (
        torch.cat(
            list(FolderImages(paths, 16, workers=1).batches(torch.arange(4).split(2), device))
        )
        for device in ("cpu", "cuda")
    )
    assert there.device.type == "cuda"
    assert torch.equal(there.cpu(), here)


def write_images(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for k in range(count):
        pixels = rng.integers(0, 256, (30 + k, 50 - k, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.png")
    return sorted(folder.glob("*.png"))


def test_workers_change_nothing_and_leave_the_random_state(tmp_path: Path) -> None:
    paths, state = write_images(tmp_path, 7), torch.get_rng_state()
    index = torch.tensor([3, 1, 4, 1, 5, 0, 2, 6])
    results = [
        torch.cat(list(FolderImages(paths, 24, workers=workers).batches(index.split(3), "cpu")))
        for workers in (0, 2)
    ]
    assert torch.equal(*results)
    assert torch.equal(torch.get_rng_state(), state)
    assert results[0].shape == (8, 3, 24, 24)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_is_no_image_is_named(tmp_path: Path, workers: int) -> None:
    paths = write_images(tmp_path, 2)
    paths[1].write_bytes(paths[1].read_bytes()[:300])
    with pytest.raises(ImageFileError, match=r"1\.png: cannot be read as an image"):
        list(FolderImages(paths, 16, workers=workers).batches([torch.tensor([0, 1])], "cpu"))


def test_colour_statistics_of_many_images_come_from_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixcl_bench.data.sets.images.STATS_IMAGES", 3)
    ramp = torch.arange(5, dtype=torch.uint8)[:, None, None, None].expand(5, 3, 2, 2) * 50
    mean, std = channel_stats(TensorImages(ramp), torch.arange(5))
    assert mean == pytest.approx([100 / 255] * 3)  # the first, the middle and the last
    assert std == pytest.approx([np.std([0, 100, 200]) / 255] * 3)


# ---- canonical sets, in miniature


def write_cifar(root: Path, published: Any, per_class: int, **spoil: Any) -> Any:
    """A miniature of `published` (CIFAR10 or CIFAR100) under `root`; returns its reader, checksums
    set."""
    base, fine = root / published.base_folder, published is CIFAR100
    base.mkdir(parents=True, exist_ok=True)
    names = list(get_info("cifar100" if fine else "cifar10").classes)
    sums: dict[str, str] = {}

    def write(name: str, content: dict[str, Any]) -> None:
        (base / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((base / name).read_bytes()).hexdigest()

    for number, (name, _) in enumerate(published.train_list + published.test_list):
        labels = list(range(len(names))) * per_class
        data = np.random.default_rng(number).integers(0, 256, (len(labels), 3072), dtype=np.uint8)
        content = {"data": data, "fine_labels" if fine else "labels": labels, **spoil.get(name, {})}
        write(name, content)
    write(published.meta["filename"], {published.meta["key"]: spoil.get("names", names)})
    return type(
        "Miniature",
        (published,),
        {
            "train_list": [[name, sums[name]] for name, _ in published.train_list],
            "test_list": [[name, sums[name]] for name, _ in published.test_list],
            "meta": published.meta | {"md5": sums[published.meta["filename"]]},
        },
    )


def test_cifar10_in_miniature(tmp_path: Path) -> None:
    data = cifar10(root=tmp_path, reader=write_cifar(tmp_path, CIFAR10, 2))
    assert {split: len(index) for split, index in data.splits.items()} == {
        "unlabelled": 90,
        "train": 90,
        "val": 10,
        "test": 20,
    }
    assert data.counts("val").tolist() == [1] * 10
    stored = np.random.default_rng(5).integers(
        0, 256, (20, 3072), dtype=np.uint8
    )  # the sixth file, planes R, G, B
    assert torch.equal(all_images(data, "test"), torch.from_numpy(stored).view(20, 3, 32, 32))
    assert data.kind == "canonical"
    assert data.fingerprint == get_info("cifar10").fingerprint(tmp_path)


def test_cifar100_in_miniature(tmp_path: Path) -> None:
    data = cifar100(root=tmp_path, reader=write_cifar(tmp_path, CIFAR100, 5), split_seed=2)
    assert data.num_classes == 100
    assert data.counts("val").tolist() == [1] * 100
    assert data.counts("test").tolist() == [5] * 100
    assert data.split_seed == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            {"data_batch_2": {"labels": [10] * 20}},
            r"data_batch_2.*label 10 at position 20, allowed are 0\.\.9",
        ),
        ({"test_batch": {"labels": [0] * 19}}, "test_batch: 20 images but 19 labels"),
        (
            {"test_batch": {"data": np.zeros((20, 100), np.uint8)}},
            "test_batch: not in the published format",
        ),
        ({"names": ["cat"] * 10}, "batches.meta: class names are not the published ones"),
    ],
)
def test_wrong_content_of_cifar_is_named(
    tmp_path: Path, spoil: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        cifar10(root=tmp_path, reader=write_cifar(tmp_path, CIFAR10, 2, **spoil))


def test_a_damaged_cifar_file_is_never_unpickled(tmp_path: Path) -> None:
    write_cifar(tmp_path, CIFAR10, 2)
    with pytest.raises(
        ValueError, match=r"data_batch_1 .* expected md5 c99cafc152244af753f735de768cd75f, found"
    ):
        load("cifar10", tmp_path)


def write_stl(root: Path) -> type[STL10]:
    base = root / "stl10_binary"
    base.mkdir(parents=True)
    for part, count in (("train", 100), ("test", 20), ("unlabeled", 7)):
        np.random.default_rng(count).integers(0, 256, (count, 3, 96, 96), dtype=np.uint8).tofile(
            base / f"{part}_X.bin"
        )
        if part != "unlabeled":
            (np.arange(count) % 10 + 1).astype(np.uint8).tofile(base / f"{part}_y.bin")

    class Miniature(STL10):
        train_list = [[name, None] for name, _ in STL10.train_list]  # noqa: RUF012
        test_list = [[name, None] for name, _ in STL10.test_list]  # noqa: RUF012

    return Miniature


def test_stl10_in_miniature(tmp_path: Path) -> None:
    reader = write_stl(tmp_path)
    data = stl10(root=tmp_path, cache=tmp_path / "cache", reader=reader)
    assert [len(data.splits[split]) for split in ("unlabelled", "train", "val", "test")] == [
        7,
        90,
        10,
        20,
    ]
    stored = np.random.default_rng(7).integers(0, 256, (7, 3, 96, 96), dtype=np.uint8)
    assert torch.equal(
        all_images(data, "unlabelled"), torch.from_numpy(stored).transpose(2, 3)
    )  # columns first
    assert data.labels[data.splits["test"]].tolist() == [*range(10)] * 2
    assert set(data.labels[data.splits["unlabelled"]].tolist()) == {-1}
    assert stl10(root=tmp_path, cache=tmp_path / "cache", reader=reader).summary() == data.summary()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "train_y.bin",
            bytes([0] * 100),
            r"train_y.bin: label 0 at position 0, allowed are 1\.\.10",
        ),
        ("test_y.bin", bytes([1] * 21), "test_y.bin: 21 labels for 20 images"),
        ("unlabeled_X.bin", b"abc", "unlabeled_X.bin: 3 bytes are no whole number of images"),
        ("test_X.bin", b"", "test_X.bin: 0 bytes are no whole number of images"),
    ],
)
def test_wrong_stl10_files_are_named(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    reader = write_stl(tmp_path)
    (tmp_path / "stl10_binary" / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        stl10(root=tmp_path, cache=tmp_path / "cache", reader=reader)
    assert not list((tmp_path / "cache").glob("converted/stl10-*/"))


def write_folders(root: Path) -> None:
    for part, count in (("train", 20), ("val", 4)):
        for name in ("ants", "bees", "cows"):
            write_images(root / "imagefolder" / part / name, count)


def test_imagefolder_in_miniature(tmp_path: Path) -> None:
    write_folders(tmp_path)
    data = load("imagefolder", tmp_path, image_size=24, workers=0)
    assert data.class_names == ("ants", "bees", "cows")
    assert [len(data.splits[split]) for split in ("unlabelled", "train", "val", "test")] == [
        54,
        54,
        6,
        12,
    ]
    assert data.counts("val").tolist() == [2, 2, 2]
    assert all_images(data, "test").shape == (12, 3, 24, 24)
    assert (
        data.fingerprint
        == get_info("imagefolder").fingerprint(tmp_path)
        != get_info("imagefolder").fingerprint()
    )


def test_wrong_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "imagefolder" / "train").mkdir(parents=True)
    with pytest.raises(CatalogueError, match="has no imagefolder/val"):
        imagefolder(root=tmp_path)
    write_folders(tmp_path)
    (tmp_path / "imagefolder" / "train" / "dogs").mkdir()
    with pytest.raises(ValueError, match="dogs"):
        imagefolder(root=tmp_path, workers=0)
    write_images(tmp_path / "imagefolder" / "train" / "dogs", 3)
    with pytest.raises(ValueError, match="not in both train and val: dogs"):
        imagefolder(root=tmp_path, workers=0)


# ---- canonical sets, where they are


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        pytest.param(
            "cifar10", [45000, 45000, 5000, 10000], marks=pytest.mark.canonical("cifar10")
        ),
        pytest.param(
            "cifar100", [45000, 45000, 5000, 10000], marks=pytest.mark.canonical("cifar100")
        ),
        pytest.param("stl10", [100000, 4500, 500, 8000], marks=pytest.mark.canonical("stl10")),
    ],
)
def test_the_published_sets_have_their_sizes(name: str, sizes: list[int]) -> None:
    data = load(name)
    assert [len(data.splits[split]) for split in ("unlabelled", "train", "val", "test")] == sizes
    assert len(set(data.counts("test").tolist())) == 1
