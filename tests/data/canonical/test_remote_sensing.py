"""Potsdam and LoveDA on miniature trees in their published forms, tiling, lists, the neutral
layout."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pixcl_bench.data.canonical.neutral import (
    TiledSet,
    export_neutral,
    neutral,
    read_meta,
    stems_of,
)
from pixcl_bench.data.canonical.remote_sensing import (
    LOVEDA_CODES,
    POTSDAM_CODES,
    LoveDARules,
    PotsdamRules,
    loveda,
    potsdam,
)
from pixcl_bench.data.canonical.tiles import (
    Coding,
    Sheet,
    TileChoice,
    convert_sheets,
    cut_tiles,
    group_of,
    join_tiles,
    listed_tiles,
    natural_key,
    read_mask,
    read_rgb,
    read_tile_list,
    tile_splits,
    tile_starts,
    tile_stems,
)
from pixcl_bench.data.catalogue import CatalogueError, get_info, missing
from pixcl_bench.data.sets.pixels import (
    IGNORE,
    PixelError,
    encode_colours,
    labelled_subset,
    make_pixel_set,
)

MINI = PotsdamRules(train=("2_10", "2_9", "3_10"), val=("2_13",), size=40, tile=16)
SMALL = LoveDARules(size=32, tile=16)
THIRD = TileChoice(val_fraction=0.34)
NONE = TileChoice(val_fraction=0.0)


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def sheet(seed: int, side: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (side, side, 3), np.uint8), rng.integers(
        0, classes, (side, side), np.uint8
    )


def town(
    root: Path, folder: str = "2_Ortho_RGB", kind: str = "RGB"
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    made = {}
    for seed, name in enumerate((*MINI.train, *MINI.val)):
        image, mask = made[name] = sheet(seed, MINI.size, 6)
        infrared = [np.full((MINI.size, MINI.size, 1), 7, np.uint8)] if kind == "RGBIR" else []
        save(
            root / "potsdam" / folder / f"top_potsdam_{name}_{kind}.tif",
            np.concatenate([image, *infrared], -1),
        )
        save(
            root / "potsdam/5_Labels_all" / f"top_potsdam_{name}_label.tif",
            encode_colours(mask, POTSDAM_CODES),
        )
    return made


def country(root: Path, scene: str = "Urban") -> None:
    for part, numbers in (("Train", (10, 2, 3)), ("Val", (20,))):
        for number in numbers:
            image, mask = sheet(number, SMALL.size, 8)
            save(root / "loveda" / part / scene / "images_png" / f"{number}.png", image)
            save(root / "loveda" / part / scene / "masks_png" / f"{number}.png", mask)


def sizes(data: TiledSet) -> dict[str, int]:
    return {key: len(index) for key, index in data.splits.items()}


Load = Callable[..., TiledSet]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def read(**options: object) -> TiledSet:
        given = {
            "root": tmp_path,
            "cache": tmp_path / "cache",
            "rules": MINI,
            "choice": THIRD,
            **options,
        }
        return potsdam(**given)  # type: ignore[arg-type]

    return read


@pytest.fixture
def land(tmp_path: Path) -> Load:
    def read(**options: object) -> TiledSet:
        given = {
            "root": tmp_path,
            "cache": tmp_path / "cache",
            "rules": SMALL,
            "choice": THIRD,
            **options,
        }
        return loveda("urban", **given)  # type: ignore[arg-type]

    return read


def test_numbers_of_the_protocol() -> None:
    starts = tile_starts(6000, 256)
    assert (len(starts), starts[-2:], len(tile_starts(1024, 256))) == (24, [5632, 5744], 4)
    covered = np.zeros(6000, bool)
    for start in starts:
        covered[start : start + 256] = True
    assert covered.all()
    rules = PotsdamRules()
    assert (len(rules.train), len(rules.val), set(rules.train) & set(rules.val)) == (24, 14, set())
    train = [24 * 576, 1156 * 16, 1366 * 16]
    assert train == [13_824, 18_496, 21_856]
    assert [count // 100 for count in train] == [138, 184, 218]
    assert [14 * 576, 677 * 16, 992 * 16] == [8_064, 10_832, 15_872]


def test_one_per_cent_of_potsdam(tmp_path: Path) -> None:
    """138 of the published 13,824 tiles, 126 of those left beside the two ortho images held out."""
    sheets = [
        Sheet(tmp_path, tmp_path, part, tile_stems(f"top_potsdam_{name}_RGBIR", 576))
        for part, names in (("train", PotsdamRules().train), ("val", PotsdamRules().val))
        for name in names
    ]
    stems = [stem for one in sheets for stem in one.stems]
    for choice, expected in ((NONE, (13_824, 0, 138)), (TileChoice(), (12_672, 1_152, 126))):
        splits = tile_splits(sheets, choice, seed=0, name="potsdam", where="here")
        assert (len(splits["train"]), len(splits["val"]), len(splits["test"])) == (
            *expected[:2],
            8_064,
        )
        data = make_pixel_set(
            get_info("potsdam"),
            images=np.zeros((len(stems), 1, 1, 1), np.uint8),
            masks=np.zeros((len(stems), 1, 1), np.uint8),
            splits=splits,
            palette=np.zeros((6, 3), np.uint8),
        )
        assert len(labelled_subset(data, 0.01, seed=0)) == expected[2]
    groups = [
        {stems[i].rpartition("__")[0] for i in splits[key]} for key in ("train", "val", "test")
    ]
    assert [len(group) for group in groups] == [22, 2, 14]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    quick = tile_splits(sheets, TileChoice(quick_val=True), seed=3, name="potsdam", where="here")[
        "test"
    ]
    again = tile_splits(sheets, TileChoice(quick_val=True), seed=4, name="potsdam", where="here")[
        "test"
    ]
    assert len(quick) == 1500
    assert (quick == again).all()


@pytest.mark.parametrize(("size", "tile"), [((40, 56), 16), ((16, 16), 16), ((33, 17), 16)])
def test_cut_and_join(size: tuple[int, int], tile: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    tiles = cut_tiles(image, tile)
    assert tiles.shape[1:] == (tile, tile, 3)
    assert (join_tiles(tiles, size) == image).all()
    assert (join_tiles(cut_tiles(image[..., 0], tile), size) == image[..., 0]).all()


def test_tiling_refuses_what_does_not_fit() -> None:
    with pytest.raises(PixelError, match="tiles of 256 pixels cannot be cut from a side of 255"):
        tile_starts(255, 256)
    with pytest.raises(PixelError, match="3 tiles of 4 pixels, but a picture of 8 x 8 has 2 x 2"):
        join_tiles(np.zeros((3, 4, 4), np.uint8), (8, 8))


def test_names() -> None:
    assert tile_stems("top_potsdam_2_10_RGBIR", 576)[::575] == (
        "top_potsdam_2_10_RGBIR__1",
        "top_potsdam_2_10_RGBIR__576",
    )
    assert [group_of(stem) for stem in ("a_b__12", "a__b", "7", "__3")] == [
        "a_b",
        "a__b",
        "7",
        "__3",
    ]
    assert sorted(["t10__1", "t2__10", "t2__9"], key=natural_key) == ["t2__9", "t2__10", "t10__1"]


def test_lists(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("\ufeffimg/a__1.tif lab/a__1.tif\r\n\r\nb\\a__2.PNG\na__3\n")
    listed = read_tile_list(path)
    assert (listed.stems, listed.lines) == (("a__1", "a__2", "a__3"), (1, 3, 4))
    assert listed_tiles(listed, {"a__3": 0, "a__1": 5, "a__2": 2}, "x").tolist() == [0, 2, 5]
    with pytest.raises(
        PixelError,
        match=(
            r"train\.txt, line 3: there is no tile 'a__2' in the set; 2 of its 3 tiles are missing"
        ),
    ):
        listed_tiles(listed, {"a__1": 0}, "the set")
    path.write_text("\n")
    with pytest.raises(PixelError, match=r"train\.txt: the list is empty"):
        read_tile_list(path)


@pytest.mark.parametrize("extra", [None, "UNSPECIFIED", "ASSOCALPHA", "UNASSALPHA"])
def test_infrared_is_dropped_however_it_is_declared(tmp_path: Path, extra: str | None) -> None:
    tifffile = pytest.importorskip("tifffile")
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8)
    options = {} if extra is None else {"extrasamples": [extra]}
    tifffile.imwrite(tmp_path / "x.tif", image, photometric="rgb", **options)
    assert (read_rgb(tmp_path / "x.tif") == image[..., :3]).all()


def test_images_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(PixelError, match=r"text\.png: cannot be read as an image"):
        read_rgb(tmp_path / "text.png")
    save(tmp_path / "deep.png", np.zeros((4, 4), np.uint16))
    with pytest.raises(PixelError, match=r"deep\.png: pixels are of mode 'I;16'"):
        read_rgb(tmp_path / "deep.png")
    save(tmp_path / "grey.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(PixelError, match=r"grey\.png: the image has one channel"):
        read_rgb(tmp_path / "grey.png")
    save(tmp_path / "rgb.png", np.eye(3, dtype=np.uint8).repeat(4, 0).reshape(4, 3, 3))
    with pytest.raises(PixelError, match=r"rgb\.png: the mask is coloured, expected one channel"):
        read_mask(tmp_path / "rgb.png", Coding(values={0: 0}))


def test_colours_and_values_round_trip(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 2, 3], [4, 5, IGNORE, 0]], np.uint8)
    save(tmp_path / "m.tif", encode_colours(ids, POTSDAM_CODES))
    assert (read_mask(tmp_path / "m.tif", Coding(POTSDAM_CODES)) == ids).all()
    save(tmp_path / "m.png", np.arange(8, dtype=np.uint8).reshape(2, 4))
    assert read_mask(tmp_path / "m.png", Coding(values=LOVEDA_CODES)).flatten().tolist() == [
        255,
        *range(7),
    ]
    save(tmp_path / "m.png", np.full((2, 2), 8, np.uint8))
    with pytest.raises(
        PixelError, match=r"m\.png: value 8 at \(y, x\) = \(0, 0\) is no class, nor are 3"
    ):
        read_mask(tmp_path / "m.png", Coding(values=LOVEDA_CODES))
    assert (
        read_mask(tmp_path / "m.png", Coding(values=LOVEDA_CODES, unknown="ignore")) == IGNORE
    ).all()


@pytest.mark.parametrize(
    ("folder", "kind"), [("2_Ortho_RGB", "RGB"), ("4_Ortho_RGBIR/4_Ortho_RGBIR", "RGBIR")]
)
def test_potsdam_from_ortho_images(tmp_path: Path, load: Load, folder: str, kind: str) -> None:
    made, data = town(tmp_path, folder, kind), load()
    assert sizes(data) == {"unlabelled": 18, "train": 18, "val": 9, "test": 9}
    assert tuple(data.images.shape) == (36, 3, 16, 16)
    assert (data.class_names, data.palette[4].tolist()) == (
        get_info("potsdam").classes,
        [255, 255, 0],
    )
    assert data.groups is not None
    for group, name in enumerate(("2_9", "2_10", "3_10", "2_13")):
        of = torch.nonzero(data.groups == group)[:, 0]
        assert [data.stems[int(i)] for i in of[:2]] == [
            f"top_potsdam_{name}_RGBIR__{k}" for k in (1, 2)
        ]
        whole = join_tiles(data.images[of].permute(0, 2, 3, 1).numpy(), (40, 40))
        assert (whole == made[name][0]).all()
        assert (join_tiles(data.masks[of].numpy(), (40, 40)) == made[name][1]).all()
    assert sorted(
        path.name[:8] for path in (tmp_path / "cache/converted").iterdir() if path.is_dir()
    ) == ["potsdam-"]


def test_potsdam_options(tmp_path: Path, load: Load) -> None:
    town(tmp_path)
    first = load()
    assert sizes(load(choice=NONE)) == {"unlabelled": 27, "train": 27, "val": 0, "test": 9}
    small = load(image_size=8)
    assert small.size == (8, 8)
    prints = {
        first.fingerprint,
        load(choice=NONE).fingerprint,
        small.fingerprint,
        load(unknown="ignore").fingerprint,
    }
    assert len(prints) == 4
    assert load().fingerprint == first.fingerprint
    other = [set(load(split_seed=seed).splits["val"].tolist()) for seed in range(8)]
    assert any(val != other[0] for val in other)


def test_potsdam_eroded_labels(tmp_path: Path, load: Load) -> None:
    made = town(tmp_path)
    for name, (_, mask) in made.items():
        eroded = mask.copy()
        eroded[:, :2] = IGNORE
        where = (
            tmp_path
            / "potsdam/5_Labels_all_noBoundary"
            / f"top_potsdam_{name}_label_noBoundary.tif"
        )
        save(where, encode_colours(eroded, POTSDAM_CODES))
    data = load(labels="no-boundary")
    assert (data.masks[0][:, :2] == IGNORE).all()
    assert torch.equal(data.masks[0][:, 2:], load().masks[0][:, 2:])


def test_potsdam_says_what_is_wrong(tmp_path: Path, load: Load) -> None:
    made = town(tmp_path)
    label = tmp_path / "potsdam/5_Labels_all/top_potsdam_2_13_label.tif"
    colours = encode_colours(made["2_13"][1], POTSDAM_CODES)
    colours[5, 6] = (252, 255, 0)
    save(label, colours)
    with pytest.raises(
        PixelError,
        match=(
            r"2_13_label\.tif: colour \(252, 255, 0\) at \(y, x\) = \(5, 6\) is not in the"
            r" palette.*car|4"
        ),
    ):
        load()
    assert int((load(unknown="ignore").masks == IGNORE).sum()) >= 1
    save(label, encode_colours(made["2_13"][1], POTSDAM_CODES)[:, :-1])
    with pytest.raises(
        PixelError, match=r"2_13_RGB\.tif is 40 x 40 .* its mask .* is 40 x 39; they must be of one"
    ):
        load()
    label.unlink()
    with pytest.raises(
        PixelError, match=r"2_13_label\.tif: there is no such file; 1 of the 8 files of potsdam"
    ):
        load()
    assert not list((tmp_path / "cache/converted").glob(".potsdam*[!k]"))


def test_a_failed_conversion_leaves_nothing(tmp_path: Path) -> None:
    image, mask = sheet(0, 16, 3)
    good = Sheet(save(tmp_path / "a.png", image), save(tmp_path / "a_.png", mask), "train", ("a",))
    odd = Sheet(good.image, save(tmp_path / "b_.png", mask + 3), "val", ("b",))
    values, cache = Coding(values={0: 0, 1: 1, 2: 2}), tmp_path / "cache"
    convert = partial(
        convert_sheets, "x", tile=16, size=16, coding=values, fingerprint="x", cache=cache
    )
    with pytest.raises(PixelError, match=r"b_\.png: value"):
        convert([good, odd])
    assert not [path for path in (tmp_path / "cache/converted").iterdir() if path.is_dir()]
    made = convert([good])
    assert (made["images"][0].transpose(1, 2, 0) == image).all()
    assert isinstance(made["images"], np.memmap)


def test_potsdam_from_tiles_and_lists(tmp_path: Path, load: Load) -> None:
    town(tmp_path / "whole")
    whole = load(root=tmp_path / "whole")
    tiles = tmp_path / "potsdam/tiles"
    for i, stem in enumerate(whole.stems):
        save(tiles / "images" / f"{stem}.tif", whole.images[i].permute(1, 2, 0).numpy())
        name = stem.replace("RGBIR", "label") if i % 2 else stem
        save(tiles / "labels" / f"{name}.tif", encode_colours(whole.masks[i], POTSDAM_CODES))
    same = load()
    assert same.stems == whole.stems
    assert torch.equal(same.masks, whole.masks)
    assert all(torch.equal(same.splits[key], whole.splits[key]) for key in whole.splits)
    lists = {"train": whole.stems[:18], "val": whole.stems[18:27]}
    for name, stems in lists.items():
        (tiles / f"{name}.txt").write_text("".join(f"{stem}.tif\n" for stem in stems))
    (tiles / "few.txt").write_text(f"{whole.stems[2]}\n{whole.stems[11]}\n")
    listed = load(choice=TileChoice(labelled_list=tiles / "few.txt"))
    assert sizes(listed) == {"unlabelled": 18, "train": 2, "val": 0, "test": 9}
    (tiles / "few.txt").write_text(f"{whole.stems[2]}\n{whole.stems[20]}\n")
    with pytest.raises(PixelError, match=r"few\.txt, line 2: .* is no training tile"):
        load(choice=TileChoice(labelled_list=tiles / "few.txt"))
    (tiles / "train.txt").write_text(f"{whole.stems[0]}.tif\n{whole.stems[18]}.tif\n")
    with pytest.raises(
        PixelError, match="tiles of 'top_potsdam_3_10_RGBIR' are for training and for evaluation"
    ):
        load(choice=NONE)
    (tiles / "images" / f"{whole.stems[20]}.tif").unlink()
    with pytest.raises(
        PixelError,
        match=(
            r"val\.txt, line 3: there is no tile 'top_potsdam_3_10_RGBIR__3' in .*; 1 of its 9"
            r" tiles"
        ),
    ):
        load(choice=NONE)


def test_labels_of_tiles_in_one_channel_need_codes(tmp_path: Path, load: Load) -> None:
    for name in (*MINI.train, *MINI.val):
        image, mask = sheet(0, 16, 7)
        save(tmp_path / f"potsdam/tiles/images/top_potsdam_{name}_RGBIR__1.png", image)
        save(tmp_path / f"potsdam/tiles/labels/top_potsdam_{name}_RGBIR__1.png", mask)
    with pytest.raises(
        PixelError, match="the mask has one channel, expected colours; say which value"
    ):
        load()
    data = load(codes={0: IGNORE} | {k: k - 1 for k in range(1, 7)})
    assert (data.masks[0].numpy() == np.where(mask == 0, IGNORE, mask - 1)).all()
    save(tmp_path / "potsdam/tiles/images/berlin__1.png", image)
    with pytest.raises(PixelError, match=r"berlin__1\.png: the name says no published ortho image"):
        load()


def test_loveda(tmp_path: Path, land: Load) -> None:
    country(tmp_path)
    data = land()
    assert sizes(data) == {"unlabelled": 8, "train": 8, "val": 4, "test": 4}
    assert data.stems[::4] == (
        "Train_Urban_2__1",
        "Train_Urban_3__1",
        "Train_Urban_10__1",
        "Val_Urban_20__1",
    )
    image, mask = sheet(20, 32, 8)
    assert (join_tiles(data.images[12:].permute(0, 2, 3, 1).numpy(), (32, 32)) == image).all()
    expected = np.where(mask == 0, IGNORE, mask - 1)
    assert (join_tiles(data.masks[12:].numpy(), (32, 32)) == expected).all()
    assert (data.num_classes, data.background) == (7, None)
    export_neutral(data, tmp_path / "other/loveda/urban")
    back = land(root=tmp_path / "other", choice=TileChoice())
    assert torch.equal(back.images, data.images)
    assert all(torch.equal(back.splits[key], data.splits[key]) for key in data.splits)


def test_loveda_says_what_is_wrong(tmp_path: Path, land: Load) -> None:
    with pytest.raises(CatalogueError, match="LoveDA"):
        land()
    country(tmp_path, "Rural")
    with pytest.raises(CatalogueError, match="images_png holds no image"):
        land()
    country(tmp_path)
    save(tmp_path / "loveda/Train/Urban/masks_png/3.png", np.full((32, 32), 8, np.uint8))
    with pytest.raises(PixelError, match=r"3\.png: value 8 at"):
        land()
    save(tmp_path / "loveda/Train/Urban/masks_png/3.png", np.ones((30, 32), np.uint8))
    with pytest.raises(PixelError, match=r"3\.png is 32 x 32 .* is 30 x 32"):
        land()
    save(tmp_path / "loveda/Train/Urban/images_png/3.png", np.ones((30, 32, 3), np.uint8))
    save(tmp_path / "loveda/Train/Urban/images_png/10.png", np.ones((48, 32, 3), np.uint8))
    save(tmp_path / "loveda/Train/Urban/masks_png/10.png", np.ones((48, 32), np.uint8))
    with pytest.raises(PixelError, match=r"10\.png is 48 x 32 .*: 6 tiles of 16, expected 4"):
        land()


def test_neutral_round_trip_of_another_set(tmp_path: Path) -> None:
    """One channel becomes three; names are made of the groups, or of the places."""
    info, rng = get_info("potsdam"), np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 1, 8, 8), np.uint8)
    masks = rng.integers(0, 6, (30, 8, 8), np.uint8)
    splits = {
        "unlabelled": [*range(18)],
        "train": [*range(3, 18)],
        "val": [*range(18, 24)],
        "test": [*range(24, 30)],
    }
    for groups in (np.arange(30) // 3, None):
        data = make_pixel_set(
            info,
            images=images,
            masks=masks,
            splits=splits,
            palette=np.eye(6, 3) * 255,
            groups=groups,
            background=2,
        )
        folder = export_neutral(data, tmp_path / str(groups is None), source="a test")
        back = neutral(folder, cache=tmp_path / "cache")
        place = {stem: i for i, stem in enumerate(stems_of(data))}
        order = [place[stem] for stem in back.stems]
        assert torch.equal(back.images, data.images[order].expand(-1, 3, -1, -1))
        assert torch.equal(back.masks, data.masks[order])
        for key, index in splits.items():
            assert sorted(order[int(i)] for i in back.splits[key]) == index
        assert (back.background, back.class_names, back.palette.tolist()) == (
            2,
            info.classes,
            data.palette.tolist(),
        )


def test_neutral_says_what_is_wrong(tmp_path: Path, load: Load) -> None:
    town(tmp_path / "whole")
    data = load(root=tmp_path / "whole")
    folder = export_neutral(data, tmp_path / "potsdam")
    assert read_meta(folder / "meta.json").tile == 16
    assert (folder / "splits/train.txt").read_text().splitlines()[
        0
    ] == "top_potsdam_2_9_RGBIR__1.png"
    with pytest.raises(PixelError, match="potsdam: is not empty"):
        export_neutral(data, folder)
    with (folder / "splits/val.txt").open("a") as file:
        file.write("top_potsdam_9_9_RGBIR__1.png\n")
    with pytest.raises(
        PixelError, match=r"val\.txt, line 10: there is no tile 'top_potsdam_9_9_RGBIR__1' in"
    ):
        load(choice=TileChoice())
    (folder / "splits/val.txt").unlink()
    assert load(choice=TileChoice()).stems == data.stems
    text = (folder / "meta.json").read_text()
    (folder / "meta.json").write_text(text.replace("clutter", "other"))
    with pytest.raises(PixelError, match=r"meta\.json: classes are .* expected those of potsdam"):
        load()
    (folder / "meta.json").write_text(text.replace('"tile": 16', '"tile": "16"'))
    with pytest.raises(
        PixelError, match=r"meta\.json: tile is '16', expected the side of the images"
    ):
        load()


def test_catalogue() -> None:
    for info in map(get_info, ("potsdam", "loveda-urban", "loveda-rural")):
        assert len(info.fingerprint()) == 64
        problem = missing(info.name, Path(__file__).parent)
        assert problem is not None
        assert "expected tree" in problem
