"""The drawn radiographs that come with the package. Facts only: nothing here is computed."""

from pixcl_bench.data.info import DatasetInfo
from pixcl_bench.data.radiograph_entries import CEPHALOMETRIC

_CODE = tuple(f"pixcl_bench.data.{part}" for part in ("drawing", "phantom", "volumes", "splits"))
_SPLIT_RULE = "200/40/100 patients by seed"
_NOTES = "Surrogate data: no number on it can be set beside a paper's."

CEPHALOGRAM = DatasetInfo(
    name="cephalogram",
    kind="synthetic",
    title="Drawn lateral skull films with 19 landmarks, a stand-in for ISBI 2015",
    licence="Apache-2.0 (drawn by this package)",
    citation="none; the layout follows Wang et al., Medical Image Analysis 2016, doi:10.1016/j.media.2016.02.004",
    size="340 patients, one film of 128 x 128 each (1.875 x 1.512 mm a pixel), 19 landmarks",
    classes=CEPHALOMETRIC,
    split_rule=_SPLIT_RULE,
    loader="pixcl_bench.data.cephalogram:cephalogram",
    image_size=128,
    code=("pixcl_bench.data.cephalogram", *_CODE),
    notes=_NOTES,
)

HAND = DatasetInfo(
    name="hand",
    kind="synthetic",
    title="Drawn hand radiographs with 37 landmarks, a stand-in for the Digital Hand Atlas",
    licence="Apache-2.0 (drawn by this package)",
    citation="none; the layout follows Payer et al., Medical Image Analysis 2019, doi:10.1016/j.media.2019.03.007",
    size="340 patients, one film of 128 x 128 each (50 mm from landmark 0 to 4), 37 landmarks",
    classes=(
        "wrist radial",
        "radius",
        "wrist notch",
        "ulna",
        "wrist ulnar",
        "scaphoid",
        "lunate",
        "triquetrum",
        "pisiform",
        "trapezium",
        "trapezoid",
        "capitate",
        "hamate",
        "thumb base",
        "thumb knuckle",
        "thumb joint",
        "thumb tip",
        "index base",
        "index knuckle",
        "index middle",
        "index end",
        "index tip",
        "middle base",
        "middle knuckle",
        "middle middle",
        "middle end",
        "middle tip",
        "ring base",
        "ring knuckle",
        "ring middle",
        "ring end",
        "ring tip",
        "little base",
        "little knuckle",
        "little middle",
        "little end",
        "little tip",
    ),
    split_rule=_SPLIT_RULE,
    loader="pixcl_bench.data.hand:hand",
    image_size=128,
    code=("pixcl_bench.data.hand", *_CODE),
    notes=_NOTES,
)

DRAWN: tuple[DatasetInfo, ...] = (CEPHALOGRAM, HAND)
