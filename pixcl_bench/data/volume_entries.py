"""The labelled volumes that come with the package. Facts only: nothing here is computed."""

from pixcl_bench.data.anatomy_entries import ANATOMY
from pixcl_bench.data.info import DatasetInfo
from pixcl_bench.data.medical_entries import MEDICAL

_VOLUMES = "pixcl_bench.data.volumes"
_SPLITS = "pixcl_bench.data.splits"
_PHANTOM = "pixcl_bench.data.phantom"

CARDIAC = DatasetInfo(
    name="cardiac",
    kind="synthetic",
    title="Drawn short-axis hearts, a stand-in for ACDC",
    licence="Apache-2.0 (drawn by this package)",
    citation="none; the layout follows Bernard et al., ACDC, IEEE TMI 2018, doi:10.1109/TMI.2018.2837502",
    size="90 patients, 6-8 slices of 96 x 96 (about 8 x 1.5 x 1.5 mm)",
    classes=("background", "right ventricle", "myocardium", "left ventricle"),
    split_rule="60/10/20 patients by seed; the order of the train patients is part of the split",
    loader="pixcl_bench.data.cardiac:cardiac",
    image_size=96,
    code=("pixcl_bench.data.cardiac", _PHANTOM, _VOLUMES, _SPLITS),
    notes="Surrogate data: no number on it can be set beside a paper's.",
)

ATRIUM = DatasetInfo(
    name="atrium",
    kind="synthetic",
    title="Drawn left atria with late enhancement, a stand-in for LA 2018",
    licence="Apache-2.0 (drawn by this package)",
    citation="none; the layout follows Xiong et al., Medical Image Analysis 2021, doi:10.1016/j.media.2020.101832",
    size="100 patients, 32 x 48 x 48 voxels (about 3.7 x 3 x 3 mm)",
    classes=("background", "left atrium"),
    split_rule="64/16/20 patients by seed; the order of the train patients is part of the split",
    loader="pixcl_bench.data.atrium:atrium",
    image_size=48,
    code=("pixcl_bench.data.atrium", _PHANTOM, _VOLUMES, _SPLITS),
    notes="Surrogate data: no number on it can be set beside a paper's.",
)

SYNTHETIC = (CARDIAC, ATRIUM)

VOLUMES: tuple[DatasetInfo, ...] = (*SYNTHETIC, *ANATOMY, *MEDICAL)
