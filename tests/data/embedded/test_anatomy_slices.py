"""`brain-slices` and `torso-slices`: slices are those of the volumes, slabs stay together, sizes
change."""

from dataclasses import replace

import pytest
import torch

from pixcl_bench.data.catalogue import get_info, load
from pixcl_bench.data.embedded.anatomy_slices import (
    brain_slices,
    resize_slices,
    slices_of,
    torso_slices,
)
from pixcl_bench.data.sets.pixels import (
    PixelError,
    PixelSet,
    class_pixels,
    labelled_subset,
    palette_of,
)
from pixcl_bench.data.sets.volumes import VolumeSet

TORSO_SLICES = get_info("torso-slices")


@pytest.fixture(scope="module")
def slices() -> dict[str, PixelSet]:
    return {"brain": brain_slices(), "torso": torso_slices()}


@pytest.mark.parametrize("name", ["brain", "torso"])
def test_slices_are_those_of_the_slabs(
    name: str, slices: dict[str, PixelSet], request: pytest.FixtureRequest
) -> None:
    volumes: VolumeSet = request.getfixturevalue(name)
    data = slices[name]
    assert data.groups is not None
    for split in ("train", "val", "test"):
        index = data.splits[split]
        images = torch.cat([case.image for case in volumes.of(split)])
        assert (data.images[index, 0] / 255 - images).abs().max() <= 0.5 / 255 + 1e-6
        assert torch.equal(data.masks[index], torch.cat([case.label for case in volumes.of(split)]))
        assert data.groups[index].unique().tolist() == sorted(volumes.splits[split].tolist())
    assert torch.equal(data.splits["unlabelled"], data.splits["train"])


def test_what_the_sets_say_of_themselves(slices: dict[str, PixelSet]) -> None:
    sizes = {
        name: [len(data.splits[split]) for split in data.splits] for name, data in slices.items()
    }
    assert sizes == {"brain": [64, 64, 32, 32], "torso": [42, 42, 18, 24]}
    for name, data in slices.items():
        info = get_info(f"{name}-slices")
        assert (data.name, data.fingerprint, data.background) == (info.name, info.fingerprint(), 0)
        assert data.images.shape[1:] == (1, info.image_size, info.image_size)
        assert data.class_names == get_info(name).classes
        assert (class_pixels(data, "train") > 0).all()
        assert len(labelled_subset(data, 0.1, seed=0)) == sizes[name][1] // 10
    for name in ("brain-slices", "torso-slices"):
        assert len(set(palette_of(get_info(name)))) == 14


def test_the_catalogue_passes_the_size_on(slices: dict[str, PixelSet]) -> None:
    small = load("torso-slices", image_size=64)
    assert isinstance(small, PixelSet)
    assert (small.size, small.num_classes, small.fingerprint) == (
        (64, 64),
        14,
        slices["torso"].fingerprint,
    )
    exact = slices["torso"].images.float().reshape(-1, 64, 2, 64, 2).mean((2, 4))
    assert (small.images[:, 0] - exact).abs().max() <= 1
    assert torch.equal(small.masks, slices["torso"].masks[:, 1::2, 1::2])
    assert small.mean == pytest.approx(slices["torso"].mean, abs=2e-3)


def test_larger_slices_are_smooth_and_their_masks_are_not(torso: VolumeSet) -> None:
    image, mask = torso.cases[3].image, torso.cases[3].label
    large, labels = resize_slices(image, mask, 256, "linear")
    assert torch.equal(labels, mask.repeat_interleave(2, 1).repeat_interleave(2, 2))
    assert torch.allclose(
        large.reshape(6, 128, 2, 128, 2).mean((2, 4))[:, 1:-1, 1:-1].mean(),
        image[:, 1:-1, 1:-1].mean(),
        atol=1e-3,
    )
    grown = slices_of(TORSO_SLICES, torso, palette=palette_of(TORSO_SLICES), image_size=160)
    assert grown.size == (160, 160)


def test_slices_of_several_sizes_need_a_size(torso: VolumeSet) -> None:
    cases = list(torso.cases)
    first = torso.splits["train"][0]
    cases[first] = replace(
        cases[first],
        image=cases[first].image[:, :100].clone(),
        label=cases[first].label[:, :100].clone(),
    )
    mixed = replace(torso, cases=tuple(cases))
    with pytest.raises(
        PixelError,
        match=(
            r"torso-slices: slices of several sizes, \(100, 128\) and \(128, 128\): give an"
            r" image_size"
        ),
    ):
        slices_of(TORSO_SLICES, mixed, palette=palette_of(TORSO_SLICES))
    assert slices_of(TORSO_SLICES, mixed, palette=palette_of(TORSO_SLICES), image_size=64).size == (
        64,
        64,
    )


@pytest.mark.parametrize("size", [0, -4])
def test_a_size_is_positive(size: int) -> None:
    with pytest.raises(PixelError, match=f"image_size {size} is no size, expected at least 1"):
        torso_slices(image_size=size)
