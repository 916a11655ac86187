"""Small drawn data sets in the form of each task's own, for checks of methods: smooth random images
with areas in them, as large as the settings want them, made in a moment and the same every time."""

from functools import singledispatch
from typing import TypeAlias

import torch
import torch.nn.functional as F
from pydantic import BaseModel
from torch import Tensor

from pixcl_bench.data.info import DatasetInfo
from pixcl_bench.data.sets.captions import NameCaptions
from pixcl_bench.data.sets.images import ImageSet, TensorImages
from pixcl_bench.data.sets.landmarks import LandmarkSet
from pixcl_bench.data.sets.pairs import PairSet
from pixcl_bench.data.sets.pixels import PixelSet
from pixcl_bench.data.sets.volumes import Case, VolumeSet
from pixcl_bench.tasks.settings import (
    DenseTransferSettings,
    ImageSSLSettings,
    LandmarksSettings,
    RetrievalSettings,
    SemiSegSettings,
    ShapeGuidedSettings,
)

ExampleSet: TypeAlias = ImageSet | LandmarkSet | PairSet | PixelSet | VolumeSet
_CLASSES = ("background", "one", "two")
_GREY = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
_SIDE, _LANDMARKS = 128, 4


@singledispatch
def example_data(settings: BaseModel) -> ExampleSet:
    """A small data set for the task that these settings belong to: at least one batch of training
    items, every split. Raises `TypeError` for settings of another task."""
    raise TypeError(f"there is no example of data for {type(settings).__name__}")


def _smooth(count: int, channels: int, size: tuple[int, ...], seed: int = 0) -> Tensor:
    """Random fields (count, channels, *size) in [0, 1] that change over an eighth of the side."""
    drawn = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, *(8 for _ in size), generator=drawn)
    mode = "bilinear" if len(size) == 2 else "trilinear"
    fine = F.interpolate(coarse, size=size, mode=mode, align_corners=False)
    return (fine + 0.05 * torch.rand(fine.shape, generator=drawn)).clamp(0, 1)


def _bytes(images: Tensor) -> Tensor:
    return (images * 255).round().to(torch.uint8)


def _areas(images: Tensor) -> Tensor:
    """Classes 0, 1, 2 by the brightness of images (n, c, *s): uint8 (n, *s)."""
    return torch.bucketize(images.mean(1), torch.tensor([0.45, 0.55])).to(torch.uint8)


def _splits(*sizes: tuple[str, int]) -> dict[str, Tensor]:
    """Consecutive indices for each named split."""
    parts = torch.arange(sum(size for _, size in sizes)).split([size for _, size in sizes])
    return {name: part for (name, _), part in zip(sizes, parts, strict=True)}


@example_data.register
def _images(settings: ImageSSLSettings) -> ImageSet:
    count, few = settings.batch_size, 4
    splits = _splits(("unlabelled", count), ("train", count), ("val", few), ("test", few))
    images = _smooth(2 * (count + few), 3, (settings.image_size,) * 2)
    labels = torch.arange(len(images)) % len(_CLASSES)
    source = TensorImages(_bytes(images))
    return ImageSet("example", "synthetic", "", source, labels, splits, _CLASSES, *_GREY)


@example_data.register
def _volumes(settings: SemiSegSettings) -> VolumeSet:
    flat = len(settings.patch) == 2
    size = (4, *settings.patch) if flat else settings.patch
    count = settings.labelled + 2
    images = _smooth(count + 2, 1, size)
    cases = tuple(
        Case(f"case {i}", f"patient {i}", image[0], _areas(image[None])[0], (1.0, 1.0, 1.0))
        for i, image in enumerate(images)
    )
    splits = _splits(("train", count), ("val", 1), ("test", 1))
    return VolumeSet("example", "synthetic", "", cases, splits, _CLASSES, "patient")


@example_data.register
def _landmarks(settings: LandmarksSettings) -> LandmarkSet:
    side = settings.image_size or _SIDE
    count = max(settings.batch_size, settings.supports)
    images = _bytes(_smooth(count + 2, 1, (side, side)))[:, 0]
    drawn = torch.Generator().manual_seed(1)
    points = torch.rand(count + 2, _LANDMARKS, 2, generator=drawn) * (side - 1)
    names = tuple(f"landmark {i}" for i in range(_LANDMARKS))
    splits = _splits(("train", count), ("val", 1), ("test", 1))
    spacing = torch.ones(count + 2, 2)
    templates = tuple(range(settings.supports))
    return LandmarkSet(
        "example", "synthetic", "", images, points, spacing, splits, names, templates=templates
    )


@example_data.register
def _pixels(settings: DenseTransferSettings) -> PixelSet:
    return _pixel_set(settings.image_size or 2 * settings.view_size, settings.batch_size)


@example_data.register
def _photographs(settings: ShapeGuidedSettings) -> PixelSet:
    side = settings.image_size or _SIDE
    data = _pixel_set(side, max(settings.batch_size, settings.refine.batch_size))
    lines = torch.zeros(side, side, dtype=torch.uint8)
    lines[side // 8 :: side // 4] = 1
    data.extra.update(  # type: ignore[attr-defined]
        vessel=lines.expand(len(data.masks), -1, -1).clone(),
        prior=lines.T.expand(settings.prior_masks or 4, -1, -1).clone(),
        field=torch.ones_like(data.masks),
    )
    return data


@example_data.register
def _pairs(settings: RetrievalSettings) -> PairSet:
    count, few = settings.batch_size, 4
    total = count + 2 * few
    side = settings.image_size
    names = tuple(f"shape {i % 6}" for i in range(total))
    records = tuple({"name": name, "category": "shapes"} for name in names)
    ids = tuple(f"image-{i}" for i in range(total))
    splits = _splits(("train", count), ("val", few), ("test", few))
    source = TensorImages(_bytes(_smooth(total, 3, (side, side))))
    words = ("name and category of a drawn image", "none", "none", f"{total} images")
    info = DatasetInfo(
        "example", "synthetic", *words, (), "by image", "pixcl_bench.tasks.examples:none", side
    )
    return PairSet(info, source, records, ids, ids, splits, NameCaptions(), *_GREY, "")


def _pixel_set(side: int, count: int) -> PixelSet:
    splits = _splits(("unlabelled", count), ("train", count), ("val", 1), ("test", 1))
    images = _smooth(2 * count + 2, 3, (side, side))
    palette = torch.tensor([[0, 0, 0], [255, 0, 0], [0, 0, 255]], dtype=torch.uint8)
    return PixelSet(
        "example",
        "synthetic",
        "",
        _bytes(images),
        _areas(images),
        splits,
        _CLASSES,
        palette,
        *_GREY,
    )
