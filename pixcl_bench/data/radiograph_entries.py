"""Catalogue entries of the radiographs that landmark papers report on: the ISBI 2015 cephalograms and the hands of the Digital Hand Atlas."""

from pixcl_bench.data.info import DatasetInfo, Published

_CODE = tuple(f"pixcl_bench.data.{name}" for name in ("radiographs", "landmarks", "splits"))

CEPHALOMETRIC: tuple[str, ...] = (
    "sella",
    "nasion",
    "orbitale",
    "porion",
    "subspinale",
    "supramentale",
    "pogonion",
    "menton",
    "gnathion",
    "gonion",
    "lower incisor tip",
    "upper incisor tip",
    "upper lip",
    "lower lip",
    "subnasale",
    "soft tissue pogonion",
    "posterior nasal spine",
    "anterior nasal spine",
    "articulare",
)
"""The 19 landmarks of the challenge in the order of its files."""

HAND: tuple[str, ...] = tuple(f"point {k:02d}" for k in range(37))
"""The 37 points of a hand have numbers, no names; the wrist is between 0 and 4."""

ISBI2015 = DatasetInfo(
    name="isbi2015",
    kind="canonical",
    title="ISBI 2015: lateral cephalograms with 19 landmarks",
    licence="of the challenge: research use, from its organisers; no redistribution",
    citation=(
        "Wang et al., A benchmark for comparison of dental radiography analysis algorithms, "
        "Medical Image Analysis 2016, doi:10.1016/j.media.2016.02.004"
    ),
    size="400 radiographs of 1935 x 2400 pixels (0.1 mm), two annotators, about 5.6 GB of BMP",
    classes=CEPHALOMETRIC,
    split_rule=(
        "published: files 001-150 train, 151-300 (Test1) and 301-400 (Test2) together test; "
        "15 of the training files are held out as val by seed, never the published template (file 115)"
    ),
    loader="pixcl_bench.data.radiographs:isbi2015",
    image_size=None,
    published=Published(
        what="the images and both annotations of the ISBI 2015 Grand Challenge in Dental X-ray Image Analysis (challenge 1)",
        homepage="http://www-o.ntust.edu.tw/~cweiwang/ISBI2015/",
        folder="Cephalometric",
        tree=(
            "ROOT/Cephalometric/\n"
            "    RawImage/TrainingData/001.bmp .. 150.bmp\n"
            "    RawImage/Test1Data/151.bmp .. 300.bmp\n"
            "    RawImage/Test2Data/301.bmp .. 400.bmp   (or in Test1Data)\n"
            "    400_junior/001.txt .. 400.txt\n"
            "    400_senior/001.txt .. 400.txt"
        ),
        paths=(
            "Cephalometric/RawImage/TrainingData",
            "Cephalometric/RawImage/Test1Data",
            "Cephalometric/400_junior",
            "Cephalometric/400_senior",
        ),
        listed=True,
    ),
    code=_CODE,
    notes="Truth: the mean of both annotators. The published evaluation truncates it twice; both are kept.",
)

HAND_ATLAS = DatasetInfo(
    name="hand-atlas",
    kind="canonical",
    title="Hand radiographs of the Digital Hand Atlas with 37 landmarks",
    licence="of its authors: research use; no redistribution",
    citation=(
        "Gertych et al., Bone age assessment of children using a digital hand atlas, Computerized Medical Imaging and "
        "Graphics 2007, doi:10.1016/j.compmedimag.2007.02.012; landmarks: Payer et al., Medical Image Analysis 2019, "
        "doi:10.1016/j.media.2019.03.007"
    ),
    size="909 radiographs of varying size, one annotation",
    classes=HAND,
    split_rule=(
        "as the authors' code: the first 300 files in the order of their names test, the other 609 train, "
        "15 of them held out as val by seed, never the published template (the 22nd)"
    ),
    loader="pixcl_bench.data.radiographs:hand_atlas",
    image_size=None,
    published=Published(
        what="the 909 radiographs as .jpg and the table all.csv of their 37 landmarks",
        homepage="https://ipilab.usc.edu/research/baaweb/",
        folder="hand",
        tree="ROOT/hand/\n    all.csv            id,x0,y0,x1,y1, ... ,x36,y36\n    jpg/3128.jpg ...   named by the ids",
        paths=("hand/all.csv", "hand/jpg"),
        listed=True,
    ),
    code=_CODE,
    notes="No pixel size is published: the wrist (points 0 and 4) is taken to be 50 mm wide in every image.",
)

RADIOGRAPHS: tuple[DatasetInfo, ...] = (ISBI2015, HAND_ATLAS)
