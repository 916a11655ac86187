"""The drawn sets of labelled images that come with the package. Facts only: nothing here is computed."""

from pixcl_bench.data.info import DatasetInfo

_CODE = tuple(f"pixcl_bench.data.{part}" for part in ("drawing", "phantom", "pixels", "volumes", "splits"))
_NOTES = "Surrogate data: no number on it can be set beside a paper's."

FUNDUS = DatasetInfo(
    name="fundus",
    kind="synthetic",
    title="Drawn photographs of the eye's fundus, a stand-in for DRIVE, STARE and IDRiD",
    licence="Apache-2.0 (drawn by this package)",
    citation="none; the layout follows Staal et al., IEEE TMI 2004, doi:10.1109/TMI.2004.825627",
    size="360 photographs (both eyes of 180 people) of 128 x 128, 5 classes, and 32 vessel masks of another look",
    classes=("background", "vessel", "disc", "cup", "lesion"),
    split_rule="240/40/80 photographs by seed, both eyes of a person together; unlabelled = train",
    loader="pixcl_bench.data.fundus:fundus",
    image_size=128,
    code=("pixcl_bench.data.fundus", "pixcl_bench.data.vessel_trees", *_CODE),
    notes=_NOTES,
)

AERIAL = DatasetInfo(
    name="aerial",
    kind="synthetic",
    title="Drawn aerial images of towns, a stand-in for ISPRS Potsdam",
    licence="Apache-2.0 (drawn by this package)",
    citation="none; classes and colours follow the ISPRS 2D semantic labelling contest, Potsdam",
    size="37 scenes of 384 x 384 (0.4 m a pixel) in tiles of 64 x 64: 720 train, 252 val, 360 test, 1220 unlabelled",
    classes=("impervious surface", "building", "low vegetation", "tree", "car", "clutter"),
    split_rule="20/7/10 scenes by seed; unlabelled = all tiles of the train scenes, also those half a tile further",
    loader="pixcl_bench.data.aerial:aerial",
    image_size=64,
    code=("pixcl_bench.data.aerial", "pixcl_bench.data.aerial_canvas", *_CODE),
    notes=_NOTES,
)

SURFACES: tuple[DatasetInfo, ...] = (FUNDUS, AERIAL)
