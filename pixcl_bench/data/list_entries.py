"""Catalogue entries of the sets that LD transfers to: eleven of the eye's fundus, four of the chest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pixcl_bench.data.info import DatasetInfo, Published

_CODE = tuple(
    f"pixcl_bench.data.{name}" for name in ("ld_lists", "fundus_files", "chest_files", "pixels", "splits")
)
_NOTES = (
    "Licence and address are as generally known; read the terms of the owners before you use the images. "
)
_VAL = (
    "; the first fifth of the training images is val, and pre-training sees the others (on request also the unlabelled images "
    "beside them); train.json and test.json in {}/lists/{} replace this"
)


@dataclass(frozen=True)
class ListRules:
    """How a list is read, as LD's code does it.

    `counts`: training and test images; `threshold`: a pixel is object where its label is above this fraction of 255 after
    resizing to 512 pixels; `soft`: labels are grey, not only 0 and more; `val`: first part of the training images that
    is held out; `extra`: at most so many unlabelled images; `film`: side of a film in pixels (.IMG files have no header);
    `colour`: of the object, for people, ours.
    """

    look: Literal["fundus", "chest"]
    counts: tuple[int, int]
    colour: tuple[int, int, int]
    threshold: float = 0.3
    soft: bool = False
    val: float = 0.2
    extra: int = 30_000
    film: int = 2048


_YELLOW, _ORANGE, _RED, _PINK, _WHITE = (
    (255, 220, 60),
    (255, 140, 0),
    (220, 40, 40),
    (255, 120, 190),
    (240, 240, 220),
)
_CYAN, _GREEN, _BLUE = (60, 220, 240), (80, 200, 120), (90, 140, 255)

LIST_RULES: Mapping[str, ListRules] = {
    "idrid-disc": ListRules("fundus", (54, 27), _YELLOW),
    "idrid-hard-exudates": ListRules("fundus", (54, 27), _WHITE),
    "idrid-haemorrhages": ListRules("fundus", (53, 27), _RED),
    "idrid-microaneurysms": ListRules("fundus", (54, 27), _PINK),
    "idrid-soft-exudates": ListRules("fundus", (26, 14), _ORANGE),
    "drishti-disc": ListRules("fundus", (50, 51), _YELLOW, soft=True),
    "drishti-cup": ListRules("fundus", (50, 51), _ORANGE, soft=True),
    "rite-vessel": ListRules("fundus", (20, 20), _CYAN),
    "stare-vessel": ListRules("fundus", (10, 10), _CYAN),
    "chase-vessel": ListRules("fundus", (20, 8), _CYAN),
    "hrf-vessel": ListRules("fundus", (25, 20), _CYAN, threshold=0.01),
    "siim-pneumothorax": ListRules("chest", (1334, 1335), _PINK, extra=100_000),
    "scr-heart": ListRules("chest", (124, 123), _RED, extra=100_000),
    "scr-lung": ListRules("chest", (124, 123), _BLUE, extra=100_000),
    "scr-clavicle": ListRules("chest", (124, 123), _GREEN, extra=100_000),
}
"""The sets by name, with the sizes that LD's own lists have."""


@dataclass(frozen=True)
class _Owner:
    """What the sets from one source share. `place`: folder below the folder of the look."""

    title: str
    licence: str
    citation: str
    what: str
    homepage: str
    place: str
    tree: str
    split: str
    size: str
    notes: str = ""


_FUNDUS, _CHEST = "retinal_images", "X-ray"
_EYEPACS = "ROOT/retinal_images/original_data/kaggle_training/10_left.jpeg ...    (unlabelled, optional)"
_CXR8 = "ROOT/X-ray/CXR8/images/00000001_000.png ...   (unlabelled, optional; sub-folders will do)"

_IDRID = _Owner(
    title="IDRiD: {} in photographs of the fundus",
    licence="CC BY 4.0",
    citation="Porwal et al., Indian Diabetic Retinopathy Image Dataset (IDRiD), Data 2018, doi:10.3390/data3030025",
    what="IDRiD, part A. Segmentation",
    homepage="https://idrid.grand-challenge.org/",
    place="original_data/IDRID/A. Segmentation",
    tree=(
        "ROOT/retinal_images/original_data/IDRID/A. Segmentation/\n"
        "    1. Original Images/{{a. Training Set,b. Testing Set}}/IDRiD_01.jpg ...\n"
        "    2. All Segmentation Groundtruths/{{a. Training Set,b. Testing Set}}/{}/IDRiD_01_{}.tif ..."
    ),
    split="published by folder: training and testing images that have such a mask",
    size="photographs of 4288 x 2848 pixels",
)
_DRISHTI = _Owner(
    title="Drishti-GS1: optic {} in photographs of the fundus",
    licence="registration with its authors; research use, no redistribution",
    citation="Sivaswamy et al., Drishti-GS: Retinal image dataset for optic nerve head segmentation, ISBI 2014, doi:10.1109/ISBI.2014.6867807",
    what="Drishti-GS1",
    homepage="https://cvit.iiit.ac.in/projects/mip/drishti-gs/mip-dataset2/Home.php",
    place="original_data/Drishti-GS1_files/Drishti-GS1_files",
    tree=(
        "ROOT/retinal_images/original_data/Drishti-GS1_files/Drishti-GS1_files/\n"
        "    Training/Images/drishtiGS_002.png ...   Training/GT/drishtiGS_002/SoftMap/drishtiGS_002_{}segSoftmap.png\n"
        "    Test/Images/drishtiGS_001.png ...       Test/Test_GT/ the same"
    ),
    split="published by folder",
    size="photographs of about 2047 x 1760 pixels, soft maps of four annotators",
)
_RITE = _Owner(
    title="RITE: {} in the photographs of DRIVE",
    licence="registration with its authors; research use, no redistribution",
    citation=(
        "Hu, Abramoff and Garvin, Automated separation of binary overlapping trees in low-contrast color retinal images, "
        "MICCAI 2013, doi:10.1007/978-3-642-40763-5_54; images: Staal et al., IEEE TMI 2004, doi:10.1109/TMI.2004.825627"
    ),
    what="RITE",
    homepage="https://medicine.uiowa.edu/eye/rite-dataset",
    place="original_data/RITE",
    tree=(
        "ROOT/retinal_images/original_data/RITE/\n"
        "    training/images/21_training.tif ...   training/vessel/21_training.png ...\n"
        "    test/images/01_test.tif ...           test/vessel/01_test.png ..."
    ),
    split="published by folder",
    size="photographs of 565 x 584 pixels",
)
_STARE = _Owner(
    title="STARE: {} in photographs of the fundus",
    licence="of its authors: research use; no redistribution",
    citation="Hoover, Kouznetsova and Goldbaum, Locating blood vessels in retinal images, IEEE TMI 2000, doi:10.1109/42.845178",
    what="the 20 images with vessel labels (stare-images.tar) and the labels of Adam Hoover (labels-ah.tar), unpacked",
    homepage="https://cecas.clemson.edu/~ahoover/stare/",
    place="original_data/STARE",
    tree=(
        "ROOT/retinal_images/original_data/STARE/   (.gz or unpacked)\n"
        "    stare-images/im0001.ppm.gz ...   labels-ah/im0001.ah.ppm.gz ..."
    ),
    split="as LD: the first 10 numbers train, the other 10 test",
    size="photographs of 700 x 605 pixels",
)
_CHASE = _Owner(
    title="CHASE_DB1: {} in photographs of children's fundus",
    licence="of its authors: research use with attribution",
    citation="Fraz et al., An ensemble classification-based approach applied to retinal blood vessel segmentation, IEEE TBME 2012, doi:10.1109/TBME.2012.2205687",
    what="CHASE_DB1 (the labels of the first observer are used)",
    homepage="https://blogs.kingston.ac.uk/retinal/chasedb1/",
    place="original_data/CHASEDB",
    tree="ROOT/retinal_images/original_data/CHASEDB/\n    Image_01L.jpg  Image_01L_1stHO.png ...",
    split="as LD: the first 20 names (10 children) train, the other 8 (4 children) test",
    size="photographs of 999 x 960 pixels, both eyes of 14 children",
)
_HRF = _Owner(
    title="HRF: {} in photographs of high resolution",
    licence="CC BY 4.0",
    citation="Budai et al., Robust Vessel Segmentation in Fundus Images, International Journal of Biomedical Imaging 2013, doi:10.1155/2013/154860",
    what="the High-Resolution Fundus Image Database: images and manual1",
    homepage="https://www5.cs.fau.de/research/data/fundus-images/",
    place="original_data/HRF",
    tree="ROOT/retinal_images/original_data/HRF/\n    images/01_dr.JPG  01_g.jpg  01_h.jpg ...   manual1/01_dr.tif ...",
    split="as LD: the first 25 names (01_dr to 09_dr) train, the other 20 test",
    size="photographs of 3504 x 2336 pixels",
    notes="A pixel of its labels counts where at least a hundredth of it is vessel, as in LD's code. ",
)
_SIIM = _Owner(
    title="SIIM-ACR: {} in radiographs of the chest",
    licence="terms of the Kaggle competition; no redistribution",
    citation="SIIM-ACR Pneumothorax Segmentation, Kaggle 2019 (radiographs of NIH ChestX-ray14: Wang et al., CVPR 2017)",
    what="dicom-images-train and train-rle.csv (12,047 radiographs, 2,669 with a pneumothorax)",
    homepage="https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation",
    place="SIIM-ACR/siim",
    tree=(
        "ROOT/X-ray/SIIM-ACR/siim/\n"
        "    train-rle.csv            ImageId, EncodedPixels\n"
        "    dicom-images-train/<uid>/<uid>/<ImageId>.dcm   or <ImageId>.png beside or in place of it"
    ),
    split="the radiographs with a pneumothorax, one half each by seed (ours: LD's halves follow the order of a directory)",
    size="radiographs of 1024 x 1024 pixels",
    notes="DICOM files need pydicom (the extra `dicom`). The unlabelled CXR8 images hold the test radiographs too, as in LD. ",
)
_SCR = _Owner(
    title="SCR: {} in the radiographs of JSRT",
    licence="registration with both owners; research use, no redistribution",
    citation=(
        "van Ginneken, Stegmann and Loog, Segmentation of anatomical structures in chest radiographs using supervised methods, "
        "Medical Image Analysis 2006, doi:10.1016/j.media.2005.02.002; images: Shiraishi et al., AJR 2000, doi:10.2214/ajr.174.1.1740071"
    ),
    what="the masks of SCR (scratch.zip) and the 247 .IMG files of the JSRT database (http://db.jsrt.or.jp/eng.php)",
    homepage="https://www.isi.uu.nl/Research/Databases/SCR/",
    place="SCR",
    tree=(
        "ROOT/X-ray/SCR/\n"
        "    oriIMG/JPCLN001.IMG ...\n"
        "    scratch/{{fold1,fold2}}/masks/{{heart,left lung,right lung,left clavicle,right clavicle}}/JPCLN001.gif ..."
    ),
    split="published: fold1 train, fold2 test",
    size="radiographs of 2048 x 2048 pixels, 12 bits",
)


def _entry(name: str, owner: _Owner, thing: str, *words: str) -> DatasetInfo:
    """`thing`: the object; `words`: what the owner's tree has in its gaps."""
    rules = LIST_RULES[name]
    folder, unlabelled = (_FUNDUS, _EYEPACS) if rules.look == "fundus" else (_CHEST, _CXR8)
    tree = owner.tree.format(*words)
    return DatasetInfo(
        name=name,
        kind="canonical",
        title=owner.title.format(thing),
        licence=owner.licence,
        citation=owner.citation,
        size=f"{rules.counts[0]:,} + {rules.counts[1]:,} {owner.size}, brought to 512 x 512",
        classes=("background", thing),
        split_rule=owner.split + _VAL.format(folder, name),
        loader=f"pixcl_bench.data.ld_lists:{name.replace('-', '_')}",
        image_size=None,
        published=Published(
            what=owner.what,
            homepage=owner.homepage,
            folder=folder,
            tree=f"{tree}\n{unlabelled}\nROOT/{folder}/lists/{name}/train.json  test.json   (another division, optional)",
            paths=(f"{folder}/{owner.place}",),
        ),
        code=_CODE,
        notes=_NOTES + owner.notes,
    )


LISTS: tuple[DatasetInfo, ...] = (
    _entry("idrid-disc", _IDRID, "optic disc", "5. Optic Disc", "OD"),
    _entry("idrid-hard-exudates", _IDRID, "hard exudate", "3. Hard Exudates", "EX"),
    _entry("idrid-haemorrhages", _IDRID, "haemorrhage", "2. Haemorrhages", "HE"),
    _entry("idrid-microaneurysms", _IDRID, "microaneurysm", "1. Microaneurysms", "MA"),
    _entry("idrid-soft-exudates", _IDRID, "soft exudate", "4. Soft Exudates", "SE"),
    _entry("drishti-disc", _DRISHTI, "disc", "OD"),
    _entry("drishti-cup", _DRISHTI, "cup", "cup"),
    _entry("rite-vessel", _RITE, "vessel"),
    _entry("stare-vessel", _STARE, "vessel"),
    _entry("chase-vessel", _CHASE, "vessel"),
    _entry("hrf-vessel", _HRF, "vessel"),
    _entry("siim-pneumothorax", _SIIM, "pneumothorax"),
    _entry("scr-heart", _SCR, "heart"),
    _entry("scr-lung", _SCR, "lung"),
    _entry("scr-clavicle", _SCR, "clavicle"),
)
"""The fifteen sets in the order of the fundus and the chest; LD reports on twelve of them."""
