"""Catalogue entries of the papers' own volumes: ACDC, LA 2018, Pancreas-CT, two tasks of the Medical Segmentation Decathlon."""

from pixcl_bench.data.info import DatasetInfo, Published

_CODE = tuple(
    f"pixcl_bench.data.{name}" for name in ("medical", "medical_files", "medical_h5", "volumes", "splits")
)
_ATRIUM = ("background", "left atrium")
_PANCREAS = ("background", "pancreas")
_FIELD_VAL = (
    "test: test.list; train: train.list in its order; val: val.list where there is one, else a tenth of train.list by seed, "
    "drawn behind the first {} (which the field's settings label)"
)
_DECATHLON = "Antonelli et al., The Medical Segmentation Decathlon, Nature Communications 2022, doi:10.1038/s41467-022-30695-9"

ACDC_PREFIXES: tuple[tuple[int, tuple[str, ...]], ...] = (
    (23, ("patient099",)),
    (68, ("patient038", "patient050")),
    (136, ("patient021", "patient049", "patient058", "patient100")),
)
"""How many slices of the field's `train_slices.list` its 1-, 3- and 7-patient settings label, and which patients each adds."""

ACDC = DatasetInfo(
    name="acdc",
    kind="canonical",
    title="ACDC: short-axis cine MRI of the heart",
    licence="registration with its authors; research use under their terms, no redistribution",
    citation=(
        "Bernard et al., Deep Learning Techniques for Automatic MRI Cardiac Multi-Structures Segmentation and Diagnosis, "
        "IEEE TMI 2018, doi:10.1109/TMI.2018.2837502"
    ),
    size="100 patients with two frames each (end-diastole, end-systole), 200 volumes, about 1,900 slices",
    classes=("background", "right ventricle", "myocardium", "left ventricle"),
    split_rule=(
        "70/10/20 patients: train.list, val.list, test.list, with train in the order of train_slices.list; without lists, "
        "by seed, except that the patients which the field labels first (099, 038, 050, 021, 049, 058, 100) lead train"
    ),
    loader="pixcl_bench.data.medical:acdc",
    image_size=None,
    published=Published(
        what="the ACDC database (training part), or the .h5 tree that SSL4MIS made from it",
        homepage="https://www.creatis.insa-lyon.fr/Challenge/acdc/",
        folder="ACDC",
        tree=(
            "ROOT/ACDC/                 either the .h5 tree\n"
            "    train.list  val.list  test.list  train_slices.list\n"
            "    data/patient001_frame01.h5 ...\n"
            "    data/slices/patient001_frame01_slice_0.h5 ...\n"
            "ROOT/ACDC/                 or the original files (the four lists may lie beside them)\n"
            "    training/patient001/patient001_frame01.nii.gz  patient001_frame01_gt.nii.gz  Info.cfg ..."
        ),
        paths=("ACDC",),
        listed=True,
    ),
    code=_CODE,
    notes="The .h5 files keep no voxel size: distances on them are in voxels. The 50 patients of testing/ are not used.",
)

LA2018 = DatasetInfo(
    name="la2018",
    kind="canonical",
    title="LA 2018: late-enhancement MRI of the left atrium",
    licence="terms of the challenge; research use, no redistribution",
    citation=(
        "Xiong et al., A Global Benchmark of Algorithms for Segmenting the Left Atrium, Medical Image Analysis 2021, "
        "doi:10.1016/j.media.2020.101832"
    ),
    size="100 volumes of 88 slices, 0.625 mm isotropic; .h5 about 1.5 GB, the original files about 10 GB in memory",
    classes=_ATRIUM,
    split_rule=_FIELD_VAL.format(16) + "; without lists 72/8/20 of 100 by seed",
    loader="pixcl_bench.data.medical:la2018",
    image_size=None,
    published=Published(
        what="the Left Atrium Segmentation Challenge 2018 training set, or the .h5 tree that UA-MT made from it",
        homepage="https://www.cardiacatlas.org/atriaseg2018-challenge/",
        folder="LA",
        tree=(
            "ROOT/LA/                   either the .h5 tree\n"
            "    train.list  test.list\n"
            "    2018LA_Seg_Training Set/<id>/mri_norm2.h5\n"
            "ROOT/LA/                   or the original files (the lists may lie beside them)\n"
            "    Training Set/<id>/lgemri.nrrd  laendo.nrrd"
        ),
        paths=("LA",),
        listed=True,
    ),
    code=_CODE,
    notes="The field crops every volume, test volumes too, around the true label: a leak. `la2018(crop=...)` has other ways.",
)

PANCREAS_CT = DatasetInfo(
    name="pancreas-ct",
    kind="canonical",
    title="Pancreas-CT, as the field's .h5 files",
    licence="CC BY 3.0 (see the collection's page)",
    citation="Roth et al., Data From Pancreas-CT, The Cancer Imaging Archive 2016, doi:10.7937/K9/TCIA.2016.tNB1kqBU",
    size="82 volumes (62 train, 20 test), 1 mm isotropic, cropped around the label",
    classes=_PANCREAS,
    split_rule=_FIELD_VAL.format(12) + "; up to two listed ids may be absent (0025 and 0070 were withdrawn)",
    loader="pixcl_bench.data.medical:pancreas_ct",
    image_size=None,
    published=Published(
        what="the collection Pancreas-CT, converted to .h5 as MC-Net and others publish it",
        homepage="https://www.cancerimagingarchive.net/collection/pancreas-ct/",
        folder="Pancreas",
        tree="ROOT/Pancreas/\n    train.list  test.list\n    Pancreas_h5/image0001_norm.h5 ...",
        paths=("Pancreas/train.list", "Pancreas/test.list", "Pancreas/Pancreas_h5"),
        listed=True,
    ),
    code=_CODE,
    notes="The field crops every volume around the true label: a leak in the pre-processing.",
)

MSD_HEART = DatasetInfo(
    name="msd-heart",
    kind="canonical",
    title="Medical Segmentation Decathlon, Task02: left atrium in MRI",
    licence="CC BY-SA 4.0",
    citation=_DECATHLON,
    size="20 labelled volumes, about 1.25 x 1.25 x 1.37 mm, 435 MB",
    classes=_ATRIUM,
    split_rule="14/2/4 of the 20 labelled volumes by seed",
    loader="pixcl_bench.data.decathlon:msd_heart",
    image_size=None,
    published=Published(
        what="Task02_Heart.tar, unpacked (or call pixcl_bench.data.decathlon.msd_heart(root=ROOT, download=True))",
        homepage="http://medicaldecathlon.com/",
        folder="Task02_Heart",
        tree="ROOT/Task02_Heart/\n    dataset.json\n    imagesTr/la_003.nii.gz ...\n    labelsTr/la_003.nii.gz ...",
        paths=("Task02_Heart/dataset.json",),
        listed=True,
    ),
    code=(*_CODE, "pixcl_bench.data.decathlon"),
    notes="Resampled to 1.25 mm isotropic, z-scored over the whole volume. Openly licensed, a stand-in for LA 2018.",
)

MSD_PANCREAS = DatasetInfo(
    name="msd-pancreas",
    kind="canonical",
    title="Medical Segmentation Decathlon, Task07: pancreas in CT",
    licence="CC BY-SA 4.0",
    citation=_DECATHLON,
    size="281 labelled volumes, 11 GB; about 9 GB converted",
    classes=_PANCREAS,
    split_rule="197/28/56 of the 281 labelled volumes by seed",
    loader="pixcl_bench.data.decathlon:msd_pancreas",
    image_size=None,
    published=Published(
        what="Task07_Pancreas.tar, unpacked (or call pixcl_bench.data.decathlon.msd_pancreas(root=ROOT, download=True))",
        homepage="http://medicaldecathlon.com/",
        folder="Task07_Pancreas",
        tree=(
            "ROOT/Task07_Pancreas/\n    dataset.json\n    imagesTr/pancreas_001.nii.gz ...\n"
            "    labelsTr/pancreas_001.nii.gz ..."
        ),
        paths=("Task07_Pancreas/dataset.json",),
        listed=True,
    ),
    code=(*_CODE, "pixcl_bench.data.decathlon"),
    notes="The tumour counts as pancreas. Cropped around the true label as the field does (a leak); `crop=` has another way.",
)

MEDICAL: tuple[DatasetInfo, ...] = (ACDC, LA2018, PANCREAS_CT, MSD_HEART, MSD_PANCREAS)
