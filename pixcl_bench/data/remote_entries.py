"""Catalogue entries of the remote sensing sets that GraSS reports on: ISPRS Potsdam, LoveDA urban, LoveDA rural."""

from pixcl_bench.data.info import DatasetInfo, Published

_CODE = tuple(
    f"pixcl_bench.data.{name}" for name in ("remote_sensing", "neutral", "tiles", "pixels", "splits")
)
_NOTES = (
    "Licence and address are as generally known; read the terms of the owners before you use the images. "
)

POTSDAM_COLOURS: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("impervious surface", (255, 255, 255)),
    ("building", (0, 0, 255)),
    ("low vegetation", (0, 255, 255)),
    ("tree", (0, 255, 0)),
    ("car", (255, 255, 0)),
    ("clutter", (255, 0, 0)),
)
"""The six classes and the colours of their labels; black is the eroded border, which counts nowhere."""

LOVEDA_COLOURS: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("background", (255, 255, 255)),
    ("building", (255, 0, 0)),
    ("road", (255, 255, 0)),
    ("water", (0, 0, 255)),
    ("barren", (159, 129, 183)),
    ("forest", (0, 255, 0)),
    ("agriculture", (255, 195, 128)),
)
"""The seven classes in the order of the mask values 1..7 and the colours they are shown in; 0 is no data."""

_TRAIN = (
    "2_10 2_11 2_12 3_10 3_11 3_12 4_10 4_11 4_12 5_10 5_11 5_12 "
    "6_7 6_8 6_9 6_10 6_11 6_12 7_7 7_8 7_9 7_10 7_11 7_12"
)
POTSDAM_TRAIN: tuple[str, ...] = tuple(_TRAIN.split())
"""The 24 ortho images (row_column) of the published training part."""

_VAL = "2_13 2_14 3_13 3_14 4_13 4_14 4_15 5_13 5_14 5_15 6_13 6_14 6_15 7_13"
POTSDAM_VAL: tuple[str, ...] = tuple(_VAL.split())
"""The 14 ortho images of the published test part, the protocol's val."""

POTSDAM = DatasetInfo(
    name="potsdam",
    kind="canonical",
    title="ISPRS Potsdam: aerial images of 5 cm with six classes",
    licence="registration with ISPRS; research use under their terms, no redistribution",
    citation=(
        "Rottensteiner et al., The ISPRS Benchmark on Urban Object Classification and 3D Building Reconstruction, "
        "ISPRS Annals I-3, 2012, doi:10.5194/isprsannals-I-3-293-2012"
    ),
    size="38 ortho images of 6000 x 6000 pixels (4 GB of tif), 13,824 + 8,064 tiles of 256 x 256 (6 GB converted)",
    classes=tuple(name for name, _ in POTSDAM_COLOURS),
    split_rule=(
        "published: the tiles of 24 ortho images train, those of 14 test; a tenth of the 24 (2 ortho images) is held out "
        "as val by seed, and pre-training sees the tiles of the other 22"
    ),
    loader="pixcl_bench.data.remote_sensing:potsdam",
    image_size=None,
    published=Published(
        what="the ISPRS 2D semantic labelling contest, Potsdam: 2_Ortho_RGB.zip or 4_Ortho_RGBIR.zip, and 5_Labels_all.zip",
        homepage="https://www.isprs.org/education/benchmarks/UrbanSemLab/2d-sem-label-potsdam.aspx",
        folder="potsdam",
        tree=(
            "ROOT/potsdam/              the zips, each unpacked in a folder of its name\n"
            "    2_Ortho_RGB/top_potsdam_2_10_RGB.tif ...        or 4_Ortho_RGBIR/top_potsdam_2_10_RGBIR.tif ...\n"
            "    5_Labels_all/top_potsdam_2_10_label.tif ...     or 5_Labels_all_noBoundary/..._label_noBoundary.tif\n"
            "ROOT/potsdam/tiles/        or tiles that are cut already\n"
            "    images/top_potsdam_2_10_RGBIR__1.tif ...  labels/ the same names  (train.txt  val.txt)\n"
            "ROOT/potsdam/              or the neutral layout\n"
            "    meta.json  images/{train,val}  masks/{train,val}  splits/*.txt"
        ),
        paths=("potsdam",),
    ),
    code=_CODE,
    notes=_NOTES
    + "Infrared, where it is there, is not used. 7_10 is known for label noise and kept, as the field does.",
)

_CITATION = (
    "Wang et al., LoveDA: A Remote Sensing Land-Cover Dataset for Domain Adaptive Semantic Segmentation, "
    "NeurIPS Datasets and Benchmarks 2021, doi:10.5281/zenodo.5706578"
)


def _loveda(scene: str, train: int, val: int) -> DatasetInfo:
    folder = scene.capitalize()
    return DatasetInfo(
        name=f"loveda-{scene}",
        kind="canonical",
        title=f"LoveDA, {scene} scenes: satellite images of 0.3 m with seven classes",
        licence="CC BY-NC-SA 4.0",
        citation=_CITATION,
        size=f"{train:,} + {val:,} images of 1024 x 1024 pixels, 16 tiles of 256 x 256 each (counts as published; the files are counted)",
        classes=tuple(name for name, _ in LOVEDA_COLOURS),
        split_rule=(
            f"published: the tiles of Train/{folder} train, those of Val/{folder} test (the labels of Test are hidden); a tenth of "
            "the training images is held out as val by seed, and pre-training sees the tiles of the others"
        ),
        loader=f"pixcl_bench.data.remote_sensing:loveda_{scene}",
        image_size=None,
        published=Published(
            what="LoveDA: Train.zip and Val.zip",
            homepage="https://zenodo.org/records/5706578",
            folder="loveda",
            tree=(
                f"ROOT/loveda/\n    Train/{folder}/images_png/*.png   Train/{folder}/masks_png/*.png\n"
                f"    Val/{folder}/images_png/*.png     Val/{folder}/masks_png/*.png\n"
                f"ROOT/loveda/{scene}/          or the neutral layout\n"
                "    meta.json  images/{train,val}  masks/{train,val}  splits/*.txt"
            ),
            paths=("loveda",),
        ),
        code=_CODE,
        notes=_NOTES + "The mask value 0 (no data) counts nowhere.",
    )


LOVEDA_URBAN = _loveda("urban", 1156, 677)
LOVEDA_RURAL = _loveda("rural", 1366, 992)

REMOTE: tuple[DatasetInfo, ...] = (POTSDAM, LOVEDA_URBAN, LOVEDA_RURAL)
