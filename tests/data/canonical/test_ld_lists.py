"""LD's fundus and chest sets on miniature trees in their published forms: files, lists, divisions,
errors."""

import gzip
import importlib
import inspect
import json
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from pixcl_bench.data.canonical.chest_files import (
    decode_runs,
    read_chest,
    read_dicom,
    read_film,
    read_runs,
    scr_pairs,
    siim_pairs,
)
from pixcl_bench.data.canonical.fundus_files import (
    Pair,
    field_of_view,
    files_of,
    frame,
    fundus_pairs,
    list_rules,
    object_mask,
    read_fundus,
    read_label,
    read_picture,
    read_unlabelled_fundus,
    shrunk,
    to_side,
)
from pixcl_bench.data.canonical.ld_lists import (
    convert_pairs,
    held_out,
    ld_list,
    list_names,
    list_pairs,
    person_of,
    read_pairs,
    unlabelled_files,
    write_pairs,
)
from pixcl_bench.data.catalogue import CatalogueError, get_info, load, missing
from pixcl_bench.data.sets.pixels import IGNORE, PixelError

SIZE = (40, 48)
FILM = 32
LIST_RULES = {name: list_rules(name) for name in list_names()}
MINI = {name: replace(rules, counts=(5, 3), film=FILM) for name, rules in LIST_RULES.items()}
MINI["siim-pneumothorax"] = replace(MINI["siim-pneumothorax"], counts=(4, 4))
IDRID = {
    "disc": ("5. Optic Disc", "OD"),
    "hard-exudates": ("3. Hard Exudates", "EX"),
    "haemorrhages": ("2. Haemorrhages", "HE"),
    "microaneurysms": ("1. Microaneurysms", "MA"),
    "soft-exudates": ("4. Soft Exudates", "SE"),
}
SIIM = "X-ray/SIIM-ACR/siim"


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    Image.fromarray(array).save(plain)
    if plain != path:
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    return path


def eye(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright disc with noise, and an object in it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] - np.array([20, 24])[:, None, None]
    inside = y**2 + x**2 < 18**2
    photo = np.where(inside[..., None], rng.integers(60, 256, (*SIZE, 3)), 3).astype(np.uint8)
    return photo, (y + seed % 4) ** 2 + x**2 < 36


def pair_of(root: Path, image: str, label: str, seed: int, colour: bool = False) -> None:
    photo, mask = eye(seed)
    values = np.where(mask, np.uint8(255), np.uint8(0))
    save(root / "retinal_images/original_data" / image, photo)
    red = np.stack([values, values * 0, values * 0], -1)
    save(root / "retinal_images/original_data" / label, red if colour else values)


def fundus_tree(root: Path, name: str) -> None:
    """The miniature of a set: 5 training and 3 test images."""
    home = "Drishti-GS1_files/Drishti-GS1_files"
    for k in range(8):
        train, n = k < 5, k + 1
        match name.partition("-"):
            case "idrid", _, lesion:
                place, code = IDRID[lesion]
                part = "a. Training Set" if train else "b. Testing Set"
                image = f"IDRID/A. Segmentation/1. Original Images/{part}/IDRiD_{n:02d}.jpg"
                masks = "IDRID/A. Segmentation/2. All Segmentation Groundtruths"
                truth = f"{masks}/{part}/{place}/IDRiD_{n:02d}_{code}.tif"
                pair_of(root, image, truth, k, colour=True)
            case "drishti", _, thing:
                part, gt = ("Training", "GT") if train else ("Test", "Test_GT")
                code = {"disc": "OD", "cup": "cup"}[thing]
                stem = f"drishtiGS_{n:03d}"
                pair_of(
                    root,
                    f"{home}/{part}/Images/{stem}.png",
                    f"{home}/{part}/{gt}/{stem}/SoftMap/{stem}_{code}segSoftmap.png",
                    k,
                )
            case "rite", _, _:
                part = "training" if train else "test"
                pair_of(
                    root,
                    f"RITE/{part}/images/{n:02d}_{part}.tif",
                    f"RITE/{part}/vessel/{n:02d}_{part}.png",
                    k,
                )
            case "stare", _, _:
                pair_of(
                    root,
                    f"STARE/stare-images/im{n:04d}.ppm.gz",
                    f"STARE/labels-ah/im{n:04d}.ah.ppm.gz",
                    k,
                )
            case "chase", _, _:
                pair_of(root, f"CHASEDB/Image_{n:02d}L.jpg", f"CHASEDB/Image_{n:02d}L_1stHO.png", k)
            case "hrf", _, _:
                pair_of(root, f"HRF/images/{n:02d}_dr.JPG", f"HRF/manual1/{n:02d}_dr.tif", k)


def scr_tree(root: Path) -> None:
    rng = np.random.default_rng(0)
    (root / "X-ray/SCR/oriIMG").mkdir(parents=True)
    for k in range(8):
        rng.integers(0, 4096, (FILM, FILM)).astype(">i2").tofile(
            root / f"X-ray/SCR/oriIMG/JPCLN{k:03d}.IMG"
        )
        for j, organ in enumerate(
            ("heart", "left lung", "right lung", "left clavicle", "right clavicle")
        ):
            mask = np.zeros((FILM // 2, FILM // 2), np.uint8)
            mask[2 + k : 6 + k, 2 * j : 2 * j + 3] = 255
            fold = "fold1" if k < 5 else "fold2"
            save(root / f"X-ray/SCR/scratch/{fold}/masks/{organ}/JPCLN{k:03d}.gif", mask)


def siim_tree(root: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["ImageId, EncodedPixels"]
    for k in range(10):
        save(
            root / SIIM / f"dicom-images-train/{k}/{k}/1.2.{k}.png",
            rng.integers(0, 256, (FILM, FILM), np.uint8),
        )
        rows += [f"1.2.{k}, -1"] if k > 7 else [f"1.2.{k},{33 + k} 3 29 3", f"1.2.{k}, 0 2"]
    (root / SIIM / "train-rle.csv").write_text("\n".join(rows) + "\n")


def tree(root: Path, name: str) -> None:
    if name.startswith("scr"):
        scr_tree(root)
    elif name.startswith("siim"):
        siim_tree(root)
    else:
        fundus_tree(root, name)


def refuse(call: Callable[[], object], *parts: str, error: type[Exception] = PixelError) -> None:
    with pytest.raises(error) as caught:
        call()
    assert all(part in str(caught.value) for part in parts), str(caught.value)


# the sets


@pytest.mark.parametrize("name", list(LIST_RULES))
def test_a_set_in_its_published_tree(name: str, tmp_path: Path) -> None:
    tree(tmp_path, name)
    loader = getattr(
        importlib.import_module("pixcl_bench.data.canonical.ld_lists"),
        get_info(name).loader.partition(":")[2],
    )
    data = loader(root=tmp_path, cache=tmp_path / "cache", image_size=32, rules=MINI[name])
    first, second = MINI[name].counts
    fundus = MINI[name].look == "fundus"
    assert data.images.shape == (8, 3 if fundus else 1, 32, 32)
    assert data.masks.shape == (8, 32, 32)
    assert (data.name, data.background, data.num_classes) == (name, 0, 2)
    count = int(0.2 * first)
    assert data.splits["val"].tolist() == list(range(count))
    assert count in (0, 1)
    assert (
        data.splits["train"].tolist()
        == data.splits["unlabelled"].tolist()
        == list(range(count, first))
    )
    assert data.splits["test"].tolist() == list(range(first, first + second))
    assert data.masks.unique().tolist() == [0, 1]
    assert bool((data.masks == 1).any(-1).any(-1).all())
    assert data.palette.tolist() == [[0, 0, 0], list(LIST_RULES[name].colour)]
    assert ("field" in data.extra) == fundus
    assert len(set(data.stems)) == 8
    if fundus:
        assert bool((data.masks <= data.extra["field"]).all())
        assert 0.4 < data.extra["field"].float().mean() < 1
    elif name != "siim-pneumothorax":
        assert list(data.stems) == [f"JPCLN{k:03d}" for k in range(8)]


def test_the_catalogue_takes_the_loaders(tmp_path: Path) -> None:
    module = importlib.import_module("pixcl_bench.data.canonical.ld_lists")
    assert len(LIST_RULES) == 15
    for info in map(get_info, LIST_RULES):
        train, test = LIST_RULES[info.name].counts
        assert info.size.startswith(f"{train:,} + {test:,} ")
        names = inspect.signature(getattr(module, info.loader.partition(":")[2])).parameters
        assert {"root", "cache", "split_seed", "image_size", "workers", "pretraining"} <= set(names)
        assert len(info.classes) == 2
        assert info.published is not None
        assert "lists" in info.published.tree
    assert "SCR" in str(missing("scr-heart", tmp_path))
    assert "isi.uu.nl" in str(missing("scr-heart", tmp_path))
    fundus_tree(tmp_path, "rite-vessel")
    assert missing("rite-vessel", tmp_path) is None
    assert "HRF" in str(missing("hrf-vessel", tmp_path))
    refuse(
        lambda: load("rite-vessel", tmp_path),
        "found 5 + 3 images, expected 20 + 20",
        "lists/rite-vessel/train.json",
    )
    refuse(lambda: load("drishti-cup", tmp_path), "Drishti", error=CatalogueError)
    refuse(
        lambda: ld_list("rite", root=tmp_path),
        "'rite' is no set",
        "rite-vessel",
        error=CatalogueError,
    )


def test_sizes_options_and_fingerprints(tmp_path: Path) -> None:
    fundus_tree(tmp_path, "drishti-disc")
    cache, rules = tmp_path / "cache", MINI["drishti-disc"]

    def made(**options: object) -> object:
        return ld_list(
            "drishti-disc",
            **({"root": tmp_path, "cache": cache, "rules": rules, "image_size": 16} | options),
        )

    data = made()
    assert made().fingerprint == data.fingerprint == made(split_seed=5, workers=1).fingerprint
    assert torch.equal(made(cache=tmp_path / "other", workers=4).images, data.images)
    others = [
        made(image_size=24),
        made(rules=replace(rules, val=0.5)),
        made(rules=replace(rules, threshold=0.6)),
    ]
    assert len({one.fingerprint for one in (data, *others)}) == 4
    assert others[0].size == (24, 24)
    assert others[1].splits["val"].tolist() == [0, 1]
    assert ld_list("drishti-disc", root=tmp_path, cache=cache, rules=rules).size == (512, 512)
    refuse(lambda: made(image_size=4), "image_size is 4")
    stored = sorted(path.name for path in (cache / "converted").iterdir() if path.is_dir())
    assert len(stored) == 5
    assert not any(name.startswith(".") for name in stored)
    home = tmp_path / "retinal_images/original_data/Drishti-GS1_files/Drishti-GS1_files/Training"
    save(home / "Images/drishtiGS_001.png", eye(9)[0])
    assert not torch.equal(made().images, data.images)  # not the old cache


# lists


def files(root: Path) -> list[Pair]:
    return [
        Pair(save(root / f"x/{k}.png", eye(k)[0]), (save(root / f"y/{k}.png", eye(k)[1]),))
        for k in range(4)
    ]


def test_lists_are_written_and_read(tmp_path: Path) -> None:
    pairs = files(tmp_path)
    path = write_pairs(tmp_path / "lists/a/train.json", pairs[::-1], tmp_path)
    assert json.loads(path.read_text())[0] == ["x/3.png", "y/3.png"]
    assert read_pairs(path, tmp_path) == pairs[::-1]
    assert read_pairs(str(path), str(tmp_path)) == pairs[::-1]
    assert [one.name for one in path.parent.iterdir()] == ["train.json"]
    for away in (str(pairs[0].image), "../x/0.png"):
        (tmp_path / "away.json").write_text(json.dumps([[away, "y/0.png"]]))
        refuse(lambda: read_pairs(tmp_path / "away.json", tmp_path), "pair 1: ", "leads out of")
    refuse(
        lambda: write_pairs(path, [replace(pairs[0], labels=())], tmp_path),
        "pair 1, 0.png",
        "one file a label",
    )
    refuse(
        lambda: write_pairs(path, [pairs[0], Pair(pairs[1].image, runs=("1 2",))], tmp_path),
        "pair 2",
        "run lengths",
    )
    refuse(lambda: write_pairs(path, pairs, tmp_path / "x"), "pair 1", "relative")
    assert read_pairs(path, tmp_path) == pairs[::-1]  # a refused one leaves the old one


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ("cannot be read as JSON",)),
        ("[]", ("the list is empty",)),
        ('{"train": []}', ("holds dict",)),
        ('[["x/0.png", "y/0.png"], "x/1.png"]', ("pair 2", '"x/1.png" is no pair')),
        ('[["x/0.png", "y/0.png", "z"]]', ("pair 1", "is no pair")),
        ('[["x/0.png", ""]]', ("pair 1", "is no pair")),
        ('[["x/0.png", ["y/0.png"]]]', ("pair 1", "is no pair")),
        ('[["x/0.png", "y/0.png"], ["x/0.png", "y/1.png"]]', ("pair 2", "already", "pair 1")),
        (
            '[["x/0.png", "y/0.png"], ["x/8.png", "y/1.png"], ["x/9.png", "y/9.png"]]',
            ("pair 2", "x/8.png", "3 of the 6"),
        ),
    ],
)
def test_a_bad_list_is_refused(content: str, parts: tuple[str, ...], tmp_path: Path) -> None:
    files(tmp_path)
    path = tmp_path / "train.json"
    path.write_text(content)
    refuse(lambda: read_pairs(path, tmp_path), "train.json", *parts)


def test_own_lists_go_before_the_rule(tmp_path: Path) -> None:
    fundus_tree(tmp_path, "rite-vessel")
    info, home = get_info("rite-vessel"), tmp_path / "retinal_images"
    rule = list_pairs(info, home, MINI["rite-vessel"])
    assert [len(part) for part in rule] == [5, 3]
    lists = home / "lists" / "rite-vessel"
    write_pairs(lists / "test.json", rule[0][:2], home)
    refuse(lambda: list_pairs(info, home, MINI["rite-vessel"]), "train.json", "no such list")
    write_pairs(lists / "train.json", rule[0][4:1:-1], home)
    data = load("rite-vessel", tmp_path, cache=tmp_path / "cache", image_size=16)
    assert data.stems == ("05_training", "04_training", "03_training", "01_training", "02_training")
    assert [len(data.splits[key]) for key in ("train", "val", "test", "unlabelled")] == [3, 0, 2, 3]
    write_pairs(lists / "test.json", rule[0][2:4], home)
    refuse(
        lambda: load("rite-vessel", tmp_path, cache=tmp_path / "cache"),
        "also in train.json",
        "1 more",
    )
    same = save(home / "again/05_training.tif", eye(7)[0])
    write_pairs(
        lists / "test.json",
        [rule[1][0], Pair(same.rename(same.with_name("x.tif")), rule[1][1].labels)],
        home,
    )
    assert (
        len(load("rite-vessel", tmp_path, cache=tmp_path / "cache", image_size=16).splits["test"])
        == 2
    )


def test_a_merged_mask_may_be_listed(tmp_path: Path) -> None:
    scr_tree(tmp_path)
    home = tmp_path / "X-ray"
    train, test = scr_pairs(home, "lung")
    for part, pairs in (("train", train), ("test", test)):
        merged = []
        for pair in pairs:
            label = np.maximum(*(read_label(path) for path in pair.labels))
            merged.append(
                Pair(pair.image, (save(home / "SCR" / "lung" / f"{pair.image.stem}.png", label),))
            )
        write_pairs(home / "lists/scr-lung" / f"{part}.json", merged, home)
    rules, cache = MINI["scr-lung"], tmp_path / "cache"
    listed = ld_list("scr-lung", root=tmp_path, cache=cache, image_size=32, rules=rules)
    (home / "lists").rename(home / "away")
    ruled = ld_list("scr-lung", root=tmp_path, cache=cache, image_size=32, rules=rules)
    assert torch.equal(listed.masks, ruled.masks)
    assert torch.equal(listed.images, ruled.images)
    assert listed.fingerprint != ruled.fingerprint


def test_persons_are_not_cut() -> None:
    pairs = [Pair(Path(f"Image_{k:02d}{side}.jpg")) for k in range(1, 11) for side in "LR"]
    assert held_out(pairs, 0.2) == 4
    assert held_out(pairs, 0.25) == 6
    assert held_out(pairs[:2], 0.5) == 2
    assert held_out(pairs, 0.0) == 0
    assert person_of(Path("a/10_left.jpeg")) == "10"
    assert person_of(Path("drishtiGS_001.png")) == "drishtiGS_001"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    fundus_tree(tmp_path, "chase-vessel")
    home = tmp_path / "retinal_images/original_data/CHASEDB"
    (home / "Image_02L_1stHO.png").unlink()
    (home / "Image_07L_1stHO.png").unlink()
    rules = MINI["chase-vessel"]
    refuse(
        lambda: ld_list("chase-vessel", root=tmp_path, rules=rules),
        "Image_02L_1stHO.png",
        "2 of the 16",
    )
    for path in home.iterdir():
        path.unlink()
    refuse(
        lambda: ld_list("chase-vessel", root=tmp_path, rules=rules), "CHASEDB: holds no file *.jpg"
    )
    (tmp_path / "retinal_images/original_data/IDRID/A. Segmentation").mkdir(parents=True)
    refuse(
        lambda: ld_list("idrid-disc", root=tmp_path, rules=MINI["idrid-disc"]),
        "5. Optic Disc: is no folder",
        "*_OD.tif",
    )


def test_published_divisions_by_names(tmp_path: Path) -> None:
    names = [
        f"HRF/images/{k:02d}_{kind}.jpg" for k in range(15, 0, -1) for kind in ("h", "g", "dr")
    ] + [f"CHASEDB/Image_{k:02d}{side}.jpg" for k in range(14, 0, -1) for side in "RL"]
    for name in names:
        path = tmp_path / "original_data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name, last, first in (
        ("hrf-vessel", "09_dr", "09_g"),
        ("chase-vessel", "Image_10R", "Image_11L"),
    ):
        train, test = fundus_pairs(name, tmp_path, LIST_RULES[name])
        assert (len(train), len(test)) == LIST_RULES[name].counts
        assert (train[-1].image.stem, test[0].image.stem) == (last, first)


# unlabelled images


def test_unlabelled_photographs_join_on_request(tmp_path: Path) -> None:
    fundus_tree(tmp_path, "stare-vessel")
    home = tmp_path / "retinal_images/original_data/kaggle_training"
    rules, cache = MINI["stare-vessel"], tmp_path / "cache"

    def made(pretraining: bool = True, **changes: int) -> object:
        return ld_list(
            "stare-vessel",
            root=tmp_path,
            cache=cache,
            image_size=16,
            pretraining=pretraining,
            rules=replace(rules, **changes),
        )

    refuse(made, "kaggle_training: is no folder")
    alone = made(pretraining=False)
    for k, name in enumerate(("9_left", "10_left", "10_right", "11_left")):
        save(home / f"{name}.jpeg", eye(20 + k)[0] // (30 if k == 1 else 1))  # 10_left is dark
    data = made()
    assert made(pretraining=False).fingerprint == alone.fingerprint != data.fingerprint
    assert data.splits["unlabelled"].tolist() == [1, 2, 3, 4, 8, 9, 10]
    assert bool((data.masks[8:] == IGNORE).all())
    assert torch.equal(data.images[:8], alone.images)
    order = [
        read_unlabelled_fundus(home / f"{name}.jpeg", 16)
        for name in ("10_right", "11_left", "9_left")
    ]
    assert all(
        one is not None and np.array_equal(one["image"], data.images[8 + k])
        for k, one in enumerate(order)
    )
    assert len(made(extra=2).images) == 10
    assert len(made(extra=0).images) == 8
    (home / "8_left.jpeg").write_bytes(b"no image")
    refuse(made, "8_left.jpeg", "cannot be read as an image")


def test_unlabelled_radiographs_join_on_request(tmp_path: Path) -> None:
    scr_tree(tmp_path)
    home = tmp_path / "X-ray"
    refuse(lambda: unlabelled_files("chest", home), "CXR8", "pretraining=True")
    for k, folder in ((3, "a"), (1, "b"), (2, "a")):
        save(
            home / f"CXR8/images/{folder}/{k:08d}_000.png",
            np.full((20, 24), 9 * k, np.uint8),
        )
    opaque = np.full((20, 24, 4), 9, np.uint8)  # some of the files have a fourth channel
    opaque[..., 3] = 255
    save(home / "CXR8/images/b/00000001_000.png", opaque)
    data = ld_list(
        "scr-heart",
        root=tmp_path,
        cache=tmp_path / "cache",
        image_size=16,
        rules=MINI["scr-heart"],
        pretraining=True,
    )
    assert data.images[8:, 0, 0, 0].tolist() == [9, 18, 27]
    assert data.splits["unlabelled"].tolist()[-3:] == [
        8,
        9,
        10,
    ]


# fundus files


def test_the_field_is_the_largest_part() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    image[2:6, 70:78] = 255
    image[20:30, 30:40, 1] = 21
    image[30, 40, 2] = 21
    image[40:60, 0:5] = 20
    field = field_of_view(image, where="x")
    assert field.sum() == 101
    assert field[30, 40]
    assert not field[3, 72]
    assert frame(field) == (slice(4, 47), slice(14, 57))
    assert frame(field, 0) == (slice(20, 31), slice(30, 41))
    assert frame(np.ones((5, 7), bool)) == (slice(0, 5), slice(0, 7))
    refuse(lambda: field_of_view(np.full((4, 4, 3), 20, np.uint8), where="night.jpg"), "night.jpg")


@pytest.mark.parametrize("size", [(300, 700), (512, 512), (40, 1000), (1, 3)])
def test_shrinking_looks_at_four_neighbours(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].double()
    expected = F.interpolate(tensor, (512, 512), mode="bilinear", align_corners=False)[0].permute(
        1, 2, 0
    )
    assert np.abs(shrunk(image) - expected.numpy()).max() < 0.5001
    assert np.array_equal(to_side(image, 600), shrunk(image, 600))
    assert to_side(image, 20).shape == (20, 20, 3)


def test_thresholds_act_after_resizing() -> None:
    label = np.zeros((1024, 1024), np.uint8)
    label[:, ::4] = 255  # half of every second pixel at 512
    assert object_mask(label, 512, 0.3).mean() == 0.5
    assert object_mask(label, 512, 0.6).max() == 0
    faint = np.full((8, 8), 5, np.uint8)
    assert object_mask(faint, 512, 0.01).all()
    assert not object_mask(faint, 512, 0.3).any()
    assert object_mask(faint, 16, 0.01).all()  # the published threshold at 512, 0.3 below


def test_hard_and_soft_labels(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(48, dtype=np.uint8) * 5, (40, 1))
    pair = Pair(save(tmp_path / "a.png", eye(0)[0]), (save(tmp_path / "m.png", ramp),))
    hard, soft = (
        read_fundus(pair, 512, rules)["mask"]
        for rules in (LIST_RULES["rite-vessel"], LIST_RULES["drishti-cup"])
    )
    box = frame(field_of_view(eye(0)[0], where="a"))
    assert np.array_equal(soft, shrunk(ramp[box]) > 76.5)
    assert hard.sum() > soft.sum()
    save(tmp_path / "m.png", ramp // 20)
    refuse(
        lambda: read_fundus(pair, 16, LIST_RULES["drishti-disc"]),
        "m.png",
        "brightest value is 11 of 255",
    )
    save(tmp_path / "m.png", ramp * 0)
    assert read_fundus(pair, 16, LIST_RULES["drishti-disc"])["mask"].max() == 0
    save(tmp_path / "m.png", ramp[:-1])
    refuse(
        lambda: read_fundus(pair, 16, LIST_RULES["rite-vessel"]),
        "a.png is 40 x 48",
        "m.png is 39 x 48",
    )


def test_picture_files(tmp_path: Path) -> None:
    photo = eye(0)[0]
    assert np.array_equal(read_picture(save(tmp_path / "a.ppm.gz", photo), "RGB"), photo)
    red = np.zeros((4, 4, 4), np.uint8)
    red[1, 1, 0], red[..., 3] = 200, 255
    assert read_label(save(tmp_path / "r.png", red)).sum() == 255
    assert read_label(save(tmp_path / "r.png", red), soft=True).sum() == 200
    palette = Image.fromarray(red[..., :3]).quantize(2)
    palette.save(tmp_path / "p.gif")
    assert np.count_nonzero(read_label(tmp_path / "p.gif")) == 1
    (tmp_path / "torn.ppm.gz").write_bytes((tmp_path / "a.ppm.gz").read_bytes()[:99])
    (tmp_path / "no.ppm.gz").write_bytes(b"no gzip at all")
    save(tmp_path / "deep.png", np.zeros((4, 4), np.uint16))
    for name in ("torn.ppm.gz", "no.ppm.gz"):
        refuse(
            lambda name=name: read_picture(tmp_path / name, "RGB"),
            name,
            "cannot be read as an image",
        )
    refuse(lambda: read_picture(tmp_path / "deep.png", "L"), "deep.png", "8 bits a channel")
    refuse(lambda: read_picture(tmp_path / "none.png", "L"), "none.png: there is no such file")
    assert list(files_of(tmp_path, ".ppm", ".ppm.gz")) == ["a", "no", "torn"]


def test_an_unlabelled_photograph_of_nothing_is_passed_over(tmp_path: Path) -> None:
    photo = np.zeros((40, 40, 3), np.uint8)
    assert read_unlabelled_fundus(save(tmp_path / "a.png", photo), 16) is None
    photo[:19, :20] = 99
    assert read_unlabelled_fundus(save(tmp_path / "a.png", photo), 16) is None
    photo[:20, :20] = 99
    kept = read_unlabelled_fundus(save(tmp_path / "a.png", photo), 16)
    assert kept is not None
    assert kept["image"].shape == (3, 16, 16)
    assert kept["field"].shape == (16, 16)


# chest files


def test_films(tmp_path: Path) -> None:
    np.array([[0, 10], [4095, 20]], ">i2").tofile(tmp_path / "a.IMG")
    assert read_film(tmp_path / "a.IMG", 2).tolist() == [[255, 254], [0, 253]]
    refuse(lambda: read_film(tmp_path / "a.IMG"), "has 8 bytes, expected 8,388,608")
    refuse(lambda: read_film(tmp_path / "b.IMG"), "b.IMG: there is no such file")
    np.zeros((2, 2), ">i2").tofile(tmp_path / "c.IMG")
    refuse(lambda: read_film(tmp_path / "c.IMG", 2), "every pixel is the same")


def naive_runs(text: str, height: int, width: int) -> np.ndarray:
    flat, at = np.zeros(width * height, bool), 0
    numbers = [int(word) for word in text.split()]
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        at += start
        flat[at : at + length] = True
        at += length
    return flat.reshape(width, height).T


@pytest.mark.parametrize("size", [(7, 5), (5, 7), (1, 9), (12, 12)])
def test_run_lengths_are_relative_and_transposed(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(size))
    for _ in range(20):
        numbers = rng.integers(0, 4, (rng.integers(1, 5), 2))
        if numbers.sum() > size[0] * size[1]:
            continue
        text = " ".join(map(str, numbers.ravel()))
        assert np.array_equal(decode_runs(text, *size, where="x"), naive_runs(text, *size))
    whole = size[0] * size[1]
    assert decode_runs(f"0 {whole}", *size, where="x").all()
    refuse(
        lambda: decode_runs(f"1 {whole}", *size, where="a.csv"),
        "a.csv",
        f"pixel {whole + 1}",
        "from the beginning",
    )
    for bad in ("", "1", "1 2 3", "1 -2", "a b", "1.5 2"):
        refuse(lambda bad=bad: decode_runs(bad, *size, where="a.csv"), "a.csv", "no pairs")


def test_the_table_of_runs(tmp_path: Path) -> None:
    path = tmp_path / "train-rle.csv"
    path.write_text("\ufeffImageId, EncodedPixels\nb, 1 2\na,-1\n\nb,3 4\n", encoding="utf-8")
    assert read_runs(path) == {"b": ("1 2", "3 4")}
    for content, part in (
        ("a, 1 2\nb\n", "line 2"),
        ("a, 1 2, 3\n", "line 1"),
        ("ImageId, EncodedPixels\na, \n", "line 2"),
        ("a, -1\n", "no row has run lengths"),
    ):
        path.write_text(content)
        refuse(lambda: read_runs(path), "train-rle.csv", part)
    refuse(lambda: read_runs(tmp_path / "none.csv"), "no such table")


def test_siim_halves_go_by_seed(tmp_path: Path) -> None:
    siim_tree(tmp_path)
    train, test = siim_pairs(tmp_path / "X-ray", seed=0)
    names = [pair.image.stem for pair in train + test]
    assert sorted(names) == [f"1.2.{k}" for k in range(8)]
    assert len(train) == 4
    assert [pair.image.stem for pair in train] == sorted(pair.image.stem for pair in train)
    assert (
        siim_pairs(tmp_path / "X-ray", seed=0)
        == (train, test)
        != siim_pairs(tmp_path / "X-ray", seed=1)
    )
    expected = naive_runs("33 3 29 3", FILM, FILM) | naive_runs("0 2", FILM, FILM)
    pair = next(pair for pair in train + test if pair.image.stem == "1.2.0")
    mask = read_chest(pair, 512, MINI["siim-pneumothorax"])["mask"]
    assert np.array_equal(
        mask, object_mask(np.where(expected, np.uint8(255), np.uint8(0)), 512, 0.3)
    )
    pair.image.unlink()
    rules = MINI["siim-pneumothorax"]
    refuse(
        lambda: ld_list("siim-pneumothorax", root=tmp_path, rules=rules),
        "1.2.0.dcm",
        "1 of the 8 files",
    )
    bad = Pair(train[-1].image, runs=("9999 1",))
    refuse(lambda: read_chest(bad, 16, rules), train[-1].image.stem, "pixel 10,000")


def test_scr_masks(tmp_path: Path) -> None:
    scr_tree(tmp_path)
    home = tmp_path / "X-ray"
    train, test = scr_pairs(home, "clavicle")
    assert [len(part) for part in (train, test)] == [5, 3]
    assert len(train[0].labels) == 2
    both = read_chest(train[0], FILM, MINI["scr-clavicle"])["mask"]
    single = [
        read_chest(replace(train[0], labels=(one,)), FILM, MINI["scr-clavicle"])["mask"]
        for one in train[0].labels
    ]
    assert both.sum() > max(mask.sum() for mask in single)
    assert np.array_equal(both, np.maximum(*single))
    save(train[0].labels[1], np.zeros((8, 8), np.uint8))
    refuse(lambda: read_chest(train[0], 16, MINI["scr-clavicle"]), "is 8 x 8 pixels", "is 16 x 16")
    save(train[0].labels[1], np.zeros((8, 9), np.uint8))
    lone = replace(train[0], labels=train[0].labels[1:])
    refuse(lambda: read_chest(lone, 16, MINI["scr-clavicle"]), "is 32 x 32", "8 x 9: another shape")
    train[1].labels[1].unlink()
    refuse(
        lambda: convert_pairs(
            get_info("scr-clavicle"),
            train[1:],
            [],
            side=16,
            rules=MINI["scr-clavicle"],
            cache=tmp_path,
        ),
        "JPCLN001.gif: there is no such file; 1 of the 12 files",
    )


# DICOM


def dicom(pixels: np.ndarray, interpretation: str = "MONOCHROME2") -> bytes:
    """A file of the standard, written by hand: explicit little endian, uncompressed."""

    def element(group: int, number: int, kind: bytes, value: bytes) -> bytes:
        value += (b"\0" if kind in (b"UI", b"OB", b"OW") else b" ") * (len(value) % 2)
        long = kind in (b"OB", b"OW")
        length = struct.pack("<2xI", len(value)) if long else struct.pack("<H", len(value))
        return struct.pack("<HH", group, number) + kind + length + value

    def number(value: int) -> bytes:
        return struct.pack("<H", value)

    capture, bits = b"1.2.840.10008.5.1.4.1.1.7", 8 * pixels.dtype.itemsize
    meta = (
        element(2, 1, b"OB", b"\0\1")
        + element(2, 2, b"UI", capture)
        + element(2, 3, b"UI", b"1.2.3")
        + element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1")
        + element(2, 0x12, b"UI", b"1.2.4")
    )
    body = (
        element(8, 0x16, b"UI", capture)
        + element(8, 0x18, b"UI", b"1.2.3")
        + element(0x28, 2, b"US", number(1))
        + element(0x28, 4, b"CS", interpretation.encode())
        + element(0x28, 0x10, b"US", number(pixels.shape[0]))
        + element(0x28, 0x11, b"US", number(pixels.shape[1]))
        + element(0x28, 0x100, b"US", number(bits))
        + element(0x28, 0x101, b"US", number(bits))
        + element(0x28, 0x102, b"US", number(bits - 1))
        + element(0x28, 0x103, b"US", number(0))
        + element(0x7FE0, 0x10, b"OW", pixels.astype(pixels.dtype.newbyteorder("<")).tobytes())
    )
    return b"\0" * 128 + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(meta))) + meta + body


def test_dicom_files(tmp_path: Path) -> None:
    pytest.importorskip("pydicom", reason="pydicom: not installed (the extra `dicom`)")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8), np.uint8)
    pixels[0, :2] = 0, 255
    path = tmp_path / "a.dcm"
    path.write_bytes(dicom(pixels))
    assert np.array_equal(read_dicom(path), pixels)
    path.write_bytes(dicom(255 - pixels, "MONOCHROME1"))
    assert np.array_equal(read_dicom(path), pixels)
    path.write_bytes(dicom(pixels.astype(np.uint16) * 16 + 5))
    assert np.array_equal(read_dicom(path), pixels)
    path.write_bytes(b"nothing of the kind")
    refuse(lambda: read_dicom(path), "a.dcm: cannot be read as a DICOM image", "a.png in its place")


def test_without_pydicom_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    siim_tree(tmp_path)
    images = tmp_path / SIIM / "dicom-images-train"
    for path in images.rglob("*.png"):
        path.with_suffix(".dcm").write_bytes(b"DICM")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    rules, cache = MINI["siim-pneumothorax"], tmp_path / "cache"
    data = ld_list("siim-pneumothorax", root=tmp_path, cache=cache, image_size=16, rules=rules)
    assert data.images.shape == (8, 1, 16, 16)  # the .png goes before the .dcm
    next(iter(images.rglob("1.2.3.png"))).unlink()
    refuse(
        lambda: ld_list(
            "siim-pneumothorax", root=tmp_path, cache=cache, image_size=16, rules=rules
        ),
        "1.2.3.dcm",
        "pip install 'pixcl_bench[dicom]'",
        "1.2.3.png",
    )
    refuse(lambda: read_dicom(tmp_path / "none.dcm"), "there is no such file")
