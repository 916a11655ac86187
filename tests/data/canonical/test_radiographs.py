"""The loaders of the papers' radiographs on miniature trees in their published formats."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pixcl_bench.data.canonical.radiographs import (
    CephalogramRules,
    HandRules,
    halves,
    hand_atlas,
    hold_out,
    isbi2015,
    read_grey,
    read_points,
    read_table,
)
from pixcl_bench.data.catalogue import CatalogueError, get_info, missing
from pixcl_bench.data.sets.landmarks import LandmarkError, LandmarkSet
from pixcl_bench.metrics.landmarks import hand_errors, isbi_errors, radial_errors

MINI = CephalogramRules(counts=(5, 3, 2), size=(90, 70), held_out=2, template=3)
HANDS = HandRules(count=8, test=3, held_out=1, template=2)


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def film(seed: int, h: int, w: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    points = rng.integers(3, [h - 3, w - 3], (count, 2))
    points[4] = (points[0] + [h // 3, w // 3]) % [h - 3, w - 3]
    return rng.integers(0, 256, (h, w)).astype(np.uint8), points


def text(points: np.ndarray, codes: str = "1\n1\n3\n") -> str:
    return "".join(f"{x},{y}\n" for y, x in points) + codes


def heads(root: Path, second: str = "Test2Data", colour: bool = False) -> Path:
    home = root / "Cephalometric"
    for n in range(1, 11):
        image, points = film(n, 90, 70, 19)
        part = "TrainingData" if n < 6 else "Test1Data" if n < 9 else second
        save(
            home / "RawImage" / part / f"{n:03d}.bmp",
            image[..., None].repeat(3, -1) if colour else image,
        )
        for annotator, off in (("400_junior", 1), ("400_senior", 0)):
            (home / annotator).mkdir(exist_ok=True)
            (home / annotator / f"{n:03d}.txt").write_text(text(points + off))
    return home


def row(name: int, points: np.ndarray) -> str:
    return f"{name}," + ",".join(f"{x},{y}" for y, x in points)


def hands(root: Path) -> Path:
    home, rows = root / "hand", []
    for n in range(8):
        image, points = film(n, 80 + 10 * n, 70, 37)
        save(home / "jpg" / f"{3100 + n}.jpg", image)
        rows.append(row(3100 + n, points))
    (home / "all.csv").write_text("\n".join(["id,x0,y0", *rows]) + "\n")
    return home


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., LandmarkSet]:
    def read(**options: object) -> LandmarkSet:
        given = {
            "root": tmp_path,
            "cache": tmp_path / "cache",
            "image_size": 32,
            "rules": MINI,
            **options,
        }
        return isbi2015(**given)  # type: ignore[arg-type]

    return read


@pytest.fixture
def load_hands(tmp_path: Path) -> Callable[..., LandmarkSet]:
    def read(**options: object) -> LandmarkSet:
        given = {
            "root": tmp_path,
            "cache": tmp_path / "cache",
            "image_size": 32,
            "rules": HANDS,
            **options,
        }
        return hand_atlas(**given)  # type: ignore[arg-type]

    return read


# ---- the catalogue


def test_the_catalogue_knows_both() -> None:
    infos = [get_info(name) for name in ("isbi2015", "hand-atlas")]
    assert [len(info.classes) for info in infos] == [19, 37]
    assert get_info("isbi2015").classes == get_info("cephalogram").classes
    for info in infos:
        assert get_info(info.name) is info
        assert info.kind == "canonical"
        assert len(info.fingerprint()) == 64


def test_what_to_get_is_said(tmp_path: Path) -> None:
    for name, part in (("isbi2015", "400_junior"), ("hand-atlas", "all.csv")):
        problem = missing(name, tmp_path)
        assert problem is not None
        assert part in problem
    with pytest.raises(CatalogueError, match=r"909 radiographs as \.jpg"):
        hand_atlas(root=tmp_path)


# ---- isbi2015


def test_the_mean_of_both_annotators_on_the_grid(
    tmp_path: Path, load: Callable[..., LandmarkSet]
) -> None:
    heads(tmp_path)
    data = load()
    native = np.stack([film(n, 90, 70, 19)[1] for n in range(1, 11)]) + 0.5
    sides = np.array([90, 70])
    assert np.allclose(data.points.numpy(), (native + 0.5) * 32 / sides - 0.5, atol=1e-5)
    assert data.published_points is not None
    assert np.array_equal(data.published_points.numpy(), np.floor(np.floor(native) * 32 / sides))
    assert torch.allclose(data.spacing, torch.tensor([0.1 * 90 / 32, 0.1 * 70 / 32]).expand(10, 2))
    assert (data.names, data.unit, data.size) == (get_info("isbi2015").classes, "mm", (32, 32))


def test_splits_are_the_published_ones(tmp_path: Path, load: Callable[..., LandmarkSet]) -> None:
    heads(tmp_path)
    for seed in range(5):
        data = load(split_seed=seed)
        train, val, test = (data.splits[s].tolist() for s in ("train", "val", "test"))
        assert sorted(train + val) == [0, 1, 2, 3, 4]
        assert (len(val), test, data.templates) == (2, [5, 6, 7, 8, 9], (3,))
        assert 3 in train
    found = halves(data, MINI)
    assert (found["test1"].tolist(), found["test2"].tolist()) == ([5, 6, 7], [8, 9])
    with pytest.raises(LandmarkError, match="no published halves"):
        halves(data)


def test_the_published_numbers_are_the_defaults() -> None:
    rules, hand_rules = CephalogramRules(), HandRules()
    assert (rules.counts, rules.size, rules.mm, rules.template) == (
        (150, 150, 100),
        (2400, 1935),
        0.1,
        114,
    )
    assert (hand_rules.count, hand_rules.test, hand_rules.template) == (909, 300, 21)
    split = hold_out(range(300, 909), 321, 15, seed=0, name="hand-atlas")
    assert (len(split["train"]), len(split["val"]), 321 in split["train"]) == (594, 15, True)


def test_images_are_grey_resized_and_native(
    tmp_path: Path, load: Callable[..., LandmarkSet]
) -> None:
    heads(tmp_path, colour=True)
    data = load()
    image = film(7, 90, 70, 19)[0]
    assert data.native is not None
    assert np.array_equal(data.native(6), image)
    small = Image.fromarray(image).resize((32, 32), Image.Resampling.BILINEAR)
    assert np.array_equal(data.images[6].numpy(), np.asarray(small))


def test_the_last_part_may_lie_beside_the_first(
    tmp_path: Path, load: Callable[..., LandmarkSet]
) -> None:
    heads(tmp_path, second="Test1Data")
    assert len(load().images) == 10


def test_a_changed_file_is_seen_through_the_cache(
    tmp_path: Path, load: Callable[..., LandmarkSet]
) -> None:
    home = heads(tmp_path)
    before = load()
    assert torch.equal(before.images, load().images)
    save(home / "RawImage" / "Test1Data" / "007.bmp", film(99, 90, 70, 19)[0])
    after = load()
    assert [i for i in range(10) if not torch.equal(before.images[i], after.images[i])] == [6]


def test_the_size_changes_the_fingerprint(tmp_path: Path, load: Callable[..., LandmarkSet]) -> None:
    heads(tmp_path)
    assert len({load(image_size=side).fingerprint for side in (16, 32, 384)}) == 3


def test_the_evaluator_from_native_points_agrees(
    tmp_path: Path, load: Callable[..., LandmarkSet]
) -> None:
    heads(tmp_path)
    data = load(image_size=384)
    real = torch.rand(10, 19, 2) * torch.tensor([2399.0, 1934.0])
    guess = torch.rand(10, 19, 2) * 384
    path = isbi_errors(guess, real)
    truth = torch.floor(torch.floor(real.double()) * 384 / torch.tensor([2400.0, 1935.0]).double())
    spacing = torch.tensor([0.625, 0.50390625]).expand(10, 2)
    assert torch.allclose(radial_errors(guess, truth.float(), spacing), path, atol=1e-4)
    assert torch.allclose(data.spacing[0] * 384, torch.tensor([9.0, 7.0]))


def replace_text(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def first(home: Path, n: int) -> str:
    return (home / "400_junior" / f"{n:03d}.txt").read_text().splitlines()[0]


BAD_HEADS: dict[str, tuple[Callable[[Path], object], str]] = {
    "annotator": (
        lambda home: (home / "400_senior" / "002.txt").unlink(),
        r"400_senior.002.txt: this annotator's file is not there \(9 files",
    ),
    "too few": (
        lambda home: (home / "400_junior" / "004.txt").write_text("1,2\n" * 18),
        r"004.txt: found 18 points, expected 19",
    ),
    "no point": (
        lambda home: replace_text(home / "400_junior" / "004.txt", first(home, 4), "1;2"),
        r"004.txt, line 1: '1;2' is no point .* found 0 points, expected 19",
    ),
    "not finite": (
        lambda home: replace_text(home / "400_junior" / "004.txt", first(home, 4), "nan,2"),
        r"004.txt, line 1: 'nan,2' is no point",
    ),
    "outside": (
        lambda home: replace_text(home / "400_junior" / "004.txt", first(home, 4), "70,20"),
        (
            r"400_junior.004.txt: landmark 1 \(sella\) is at x=70, y=20, outside its image 004.bmp"
            r" of 70 x 90"
        ),
    ),
    "negative": (
        lambda home: replace_text(home / "400_junior" / "004.txt", first(home, 4), "-1,20"),
        r"004.txt: landmark 1 \(sella\) is at x=-1",
    ),
    "no image": (
        lambda home: (home / "RawImage" / "TrainingData" / "001.bmp").unlink(),
        r"001.bmp: there is no such image; 1 of the 10 images of isbi2015",
    ),
    "one pixel": (
        lambda home: save(home / "RawImage" / "Test2Data" / "009.bmp", np.zeros((1, 1), np.uint8)),
        r"009.bmp: image is 1 x 1 pixels .*, expected 90 x 70; .* original file",
    ),
    "resized": (
        lambda home: save(
            home / "RawImage" / "Test2Data" / "009.bmp", np.zeros((180, 140), np.uint8)
        ),
        r"009.bmp: image is 180 x 140 pixels .*, expected 90 x 70",
    ),
    "no picture": (
        lambda home: (home / "RawImage" / "Test2Data" / "009.bmp").write_text("not a bitmap"),
        r"009.bmp: cannot be read as an image",
    ),
}


@pytest.mark.parametrize("case", BAD_HEADS)
def test_bad_cephalograms_are_named(
    tmp_path: Path, load: Callable[..., LandmarkSet], case: str
) -> None:
    change, message = BAD_HEADS[case]
    change(heads(tmp_path))
    with pytest.raises(LandmarkError, match=message):
        load()


def test_a_part_of_the_published_files_is_refused(tmp_path: Path) -> None:
    heads(tmp_path)
    with pytest.raises(
        LandmarkError, match=r"011.txt: this annotator's file is not there \(10 files"
    ):
        isbi2015(root=tmp_path, cache=tmp_path)


def test_deep_images_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((9, 9), np.int32)).save(tmp_path / "deep.tif")
    with pytest.raises(
        LandmarkError, match=r"deep.tif: pixels are of mode 'I' with .*expected 8 bits"
    ):
        read_grey(tmp_path / "deep.tif")


def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf1,2\r\n\r\n3,4\r\n7\r\n")
    assert read_points(tmp_path / "a.txt", 2).tolist() == [[2.0, 1.0], [4.0, 3.0]]


# ---- hand-atlas


def test_hands_are_fifty_millimetres_wide(
    tmp_path: Path, load_hands: Callable[..., LandmarkSet]
) -> None:
    hands(tmp_path)
    data, flat = load_hands(), load_hands(hand_frame="resized")
    native = torch.from_numpy(
        np.stack([film(n, 80 + 10 * n, 70, 37)[1] for n in range(8)])
    ).double()
    sides = torch.tensor([[80 + 10 * n, 70] for n in range(8)])
    wide = radial_errors(data.points[:, :1], data.points[:, 4:5], data.spacing)
    assert torch.allclose(wide, torch.full((8, 1), 50.0, dtype=torch.float64), atol=1e-3)
    guess = torch.rand(8, 37, 2) * 32
    for found, frame in ((data, "native"), (flat, "resized")):
        assert found.published_points is not None
        errors = radial_errors(guess, found.published_points, found.spacing)
        expected = hand_errors(guess, native, sides, size=(32, 32), frame=frame)  # type: ignore[arg-type]
        assert torch.allclose(errors, expected, atol=1e-3)
    assert data.fingerprint != flat.fingerprint
    assert data.native is not None
    assert data.native(7).shape == (150, 70)


def test_the_first_files_of_the_hands_are_test(
    tmp_path: Path, load_hands: Callable[..., LandmarkSet]
) -> None:
    hands(tmp_path)
    data = load_hands()
    assert data.splits["test"].tolist() == [0, 1, 2]
    assert sorted(data.splits["train"].tolist() + data.splits["val"].tolist()) == [3, 4, 5, 6, 7]
    assert (data.templates, len(data.splits["val"]), data.names) == (
        (5,),
        1,
        get_info("hand-atlas").classes,
    )


@pytest.mark.parametrize("head", ["", "id,x0,y0\n", "2999,1,2\n", "2999," + "1," * 73 + "1\n"])
def test_the_first_line_is_dropped_only_where_it_is_no_record(
    tmp_path: Path, load_hands: Callable[..., LandmarkSet], head: str
) -> None:
    home = hands(tmp_path)
    rows = (home / "all.csv").read_text().splitlines()[1:]
    expected = load_hands().points
    (home / "all.csv").write_text(head + "\n".join(rows[::-1]))  # and the order of the rows is free
    assert torch.equal(load_hands().points, expected)


def no_wrist(record: str) -> str:
    fields = record.split(",")
    return ",".join([*fields[:9], *fields[1:3], *fields[11:]])


BAD_HANDS: dict[str, tuple[Callable[[Path, list[str]], list[str] | None], str]] = {
    "points": (
        lambda home, rows: [rows[0], rows[1].rpartition(",")[0].rpartition(",")[0], *rows[2:]],
        r"all.csv, line 2: id 3101 has 36 points, expected 37",
    ),
    "odd": (lambda home, rows: [*rows[:-1], rows[-1] + ",7"], r"line 8: id 3107 has 37.5 points"),
    "letters": (lambda home, rows: [*rows[:-1], "3107," + "a," * 73 + "a"], r"line 8: id 3107"),
    "twice": (lambda home, rows: [*rows, rows[2]], r"line 9: id 3102 is there twice"),
    "no image": (
        lambda home, rows: [*rows, rows[2].replace("3102", "9", 1)],
        r"line 9: id 9 has no image of that name",
    ),
    "no row": (lambda home, rows: rows[:-1], r"image 3107 has no row"),
    "outside": (
        lambda home, rows: [rows[0].replace(rows[0].split(",")[1], "70", 1), *rows[1:]],
        r"all.csv: landmark 1 \(point 00\) is at x=70, .* outside its image 3100.jpg of 70 x 80",
    ),
    "no wrist": (
        lambda home, rows: [no_wrist(rows[0]), *rows[1:]],
        r"3100.jpg: points 0 and 4 are the same",
    ),
    "one pixel": (
        lambda home, rows: save(home / "jpg" / "3104.jpg", np.zeros((1, 1), np.uint8)),
        r"3104.jpg: image is 1 x 1 pixels .*, expected at least 64 x 64",
    ),
    "count": (
        lambda home, rows: (home / "jpg" / "3104.jpg").unlink(),
        r"found 7 images .jpg, expected 8: the published split",
    ),
}


@pytest.mark.parametrize("case", BAD_HANDS)
def test_bad_hands_are_named(
    tmp_path: Path, load_hands: Callable[..., LandmarkSet], case: str
) -> None:
    home = hands(tmp_path)
    change, message = BAD_HANDS[case]
    changed = change(home, (home / "all.csv").read_text().splitlines()[1:])
    if changed is not None:
        (home / "all.csv").write_text("\n".join(changed))
    with pytest.raises(LandmarkError, match=message):
        load_hands()


def test_ids_may_have_leading_zeros(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text("7,1,2,3,4\n")
    assert read_table(tmp_path / "all.csv", ["0007"], 2)["7"].tolist() == [[2.0, 1.0], [4.0, 3.0]]


# ---- the sets themselves, where they are


@pytest.mark.canonical("isbi2015")
def test_the_published_cephalograms() -> None:
    data = isbi2015()
    assert [len(data.splits[s]) for s in ("train", "val", "test")] == [135, 15, 250]
    assert torch.allclose(data.spacing[0], torch.tensor([0.625, 0.50390625]))


@pytest.mark.canonical("hand-atlas")
def test_the_published_hands() -> None:
    data = hand_atlas()
    assert [len(data.splits[s]) for s in ("train", "val", "test")] == [594, 15, 300]
