"""Cross-patch learning: the windowed contrast against loops, anchors in crops, the learner's
contract."""

import math

import pytest
import torch
from torch import Tensor

from pixcl_bench.methods.contract.localiser import (
    Support,
    argmax_points,
    check_localiser,
    level_similarity,
    product_similarity,
)
from pixcl_bench.methods.contract.options import group_options
from pixcl_bench.methods.igu_aug.cross_patch import CropOptions, CrossPatch, MatcherOptions, cc2d
from pixcl_bench.methods.igu_aug.windowed_nce import (
    anchor_losses,
    cells_at,
    cross_patch_loss,
    in_window,
    vectors_at_cells,
    window_index,
    window_nce,
)
from pixcl_bench.nets.dense import build_dense, vgg19_unet

SCALES, SIDES = (32, 16, 8, 4, 2), (12, 24, 48, 96, 192)


def naive(
    full: Tensor,
    templates: Tensor,
    cells: Tensor,
    window: int | None,
    temperature: float,
    clip: bool,
) -> Tensor:
    out = torch.zeros(cells.shape[:2])
    for i in range(len(full)):
        for a in range(cells.shape[1]):
            r, c = cells[i, a].tolist()
            scores, positive = [], 0.0
            for y in range(full.shape[2]):
                for x in range(full.shape[3]):
                    f, t = full[i, :, y, x], templates[i, a]
                    m = float(f @ t) / max(float(f.norm()), 1e-3) / max(float(t.norm()), 1e-3)
                    m = min(max(m, 0.0), 1.0) if clip else m
                    if (y, x) == (r, c):
                        positive = m
                    if window is None or (
                        max(r - window, 0) <= y <= min(r + window, full.shape[2]) - 1
                        and max(c - window, 0) <= x <= min(c + window, full.shape[3]) - 1
                    ):
                        scores.append(math.exp(m / temperature))
            out[i, a] = math.log(sum(scores)) - positive / temperature
    return out


@pytest.mark.parametrize(
    ("size", "window", "temperature", "clip"),
    [
        ((13, 11), 2, 1.0, True),
        ((13, 11), 2, 0.1, False),
        ((6, 5), 9, 0.5, True),
        ((5, 7), None, 0.2, True),
        ((9, 9), 1, 0.07, True),
    ],
)
def test_window_nce_equals_a_loop(
    size: tuple[int, int], window: int | None, temperature: float, clip: bool
) -> None:
    g = torch.Generator().manual_seed(0)
    full, templates = torch.randn(2, 3, *size, generator=g), torch.randn(2, 4, 3, generator=g)
    full[0, :, 2, 2] = 1e-5  # shorter than epsilon
    cells = torch.stack([torch.randint(n, (2, 4), generator=g) for n in size], -1)
    cells[0, 0], cells[1, 0] = 0, torch.tensor(size) - 1
    found = window_nce(full, templates, cells, window=window, temperature=temperature, clip=clip)
    torch.testing.assert_close(
        found, naive(full, templates, cells, window, temperature, clip), rtol=1e-4, atol=1e-4
    )


def test_worked_numbers_of_the_loss() -> None:
    first = torch.tensor([[[0, 0]]])
    wanted = torch.tensor([[1, 0.5], [-0.3, 0.2]])
    maps = torch.stack([wanted, (1 - wanted**2).sqrt()])[None]
    assert float(
        window_nce(maps, torch.tensor([[[1.0, 0.0]]]), first, window=None)
    ) == pytest.approx(0.885311, abs=1e-6)
    vectors = torch.tensor([[3.0, 4], [1, 0], [0, 2], [-1, 0]]).T.reshape(1, 2, 2, 2)
    assert float(
        window_nce(vectors, torch.tensor([[[0.6, 0.8]]]), first, window=None)
    ) == pytest.approx(1.049748, abs=1e-6)
    similarity = level_similarity(vectors, torch.tensor([[0.6, 0.8]])).flatten()
    torch.testing.assert_close(
        similarity, torch.tensor([0.999800, 0.599401, 0.799600, 0.0]), rtol=0, atol=1e-6
    )
    flat = window_nce(torch.ones(1, 2, 40, 40), torch.ones(1, 1, 2), first, window=9)
    assert float(flat) == pytest.approx(4.394449, abs=1e-6)


def test_worked_number_of_the_product() -> None:
    coarse, fine = torch.tensor([[[[0.2, 0.9], [0.4, 0.1]]]]), torch.zeros(1, 1, 4, 4)
    fine[0, 0, 1, 2], fine[0, 0, 0, 3], fine[0, 0, 3, 0] = 0.8, 0.7, 1.0
    product = product_similarity([coarse, fine], (4, 4), "nearest")
    assert float(product.max()) == pytest.approx(0.72)
    assert argmax_points(product).tolist() == [[[1.0, 2.0]]]


def test_flat_and_least_loss() -> None:
    anchor, chosen = torch.tensor([[[190, 200]]]), torch.tensor([[[30, 40]]])
    ones = (
        [torch.ones(1, 2, n, n) for n in SIDES],
        [torch.ones(1, 2, 64 // s, 64 // s) for s in SCALES],
    )
    flat = cross_patch_loss(*ones, anchor, chosen, scales=SCALES)
    assert float(flat["loss"]) == pytest.approx(28.092787, abs=5e-6)
    assert float(flat["level0"]) == pytest.approx(4.969813, abs=1e-6)
    full = [torch.stack([torch.zeros(n, n), torch.ones(n, n)])[None] for n in SIDES]
    for maps, s in zip(full, SCALES, strict=True):
        maps[0, :, 190 // s, 200 // s] = torch.tensor([2.0, 0.0])
    crop = [
        torch.stack([torch.ones(64 // s, 64 // s), torch.zeros(64 // s, 64 // s)])[None]
        for s in SCALES
    ]
    best = cross_patch_loss(full, crop, anchor, chosen, scales=SCALES)
    assert float(best["loss"]) == pytest.approx(23.125807, abs=5e-6)
    with pytest.raises(ValueError, match="number of maps"):
        cross_patch_loss(full, crop, anchor, chosen, scales=SCALES, levels=6)


def random_maps(g: torch.Generator, side: int) -> list[Tensor]:
    return [
        torch.randn(
            2, 4, side // s, side // s, generator=g, dtype=torch.float64, requires_grad=True
        )
        for s in (8, 4, 2, 1)
    ]


def test_gradient_stays_in_the_windows() -> None:
    g = torch.Generator().manual_seed(1)
    full, crop = random_maps(g, 48), random_maps(g, 16)
    anchors, chosen = (
        torch.tensor([[[20, 30]], [[5, 40]]]),
        torch.tensor([[[3.0, 11.0]], [[9.4, 2.6]]]),
    )
    cross_patch_loss(full, crop, anchors, chosen, scales=(8, 4, 2, 1), window=3, levels=3)[
        "loss"
    ].backward()
    for i, s in enumerate((8, 4, 2)):
        size = (48 // s, 48 // s)
        cells, inside = cells_at(anchors, s, size), cells_at(chosen, s, (16 // s, 16 // s))
        cosine = torch.einsum("bchw,bc->bhw", full[i], vectors_at_cells(crop[i], inside)[:, 0])
        window = (
            in_window(cells, 3, size)[:, 0] if i else torch.ones(2, *size, dtype=torch.bool)
        )  # coarsest: all
        gradient, own = full[i].grad, crop[i].grad
        assert gradient is not None
        assert own is not None
        assert torch.equal(gradient.abs().sum(1) > 0, window & (cosine > 0))
        reached = (own.abs().sum(1) > 0).nonzero().tolist()
        assert reached == [[b, *inside[b, 0].tolist()] for b in range(2)]
    assert full[3].grad is None
    assert crop[3].grad is None


def test_what_does_not_change_the_loss() -> None:
    g = torch.Generator().manual_seed(2)
    full, crop = ([m.detach().float() for m in random_maps(g, side)] for side in (48, 16))
    anchors, chosen = (
        torch.randint(48, (2, 3, 2), generator=g),
        15 * torch.rand(2, 3, 2, generator=g),
    )

    def loss(
        full: list[Tensor], crop: list[Tensor], order: list[int], scale: float = 1.0
    ) -> Tensor:
        part = [scale * m[order] for m in crop]
        return cross_patch_loss(
            [m[order] for m in full],
            part,
            anchors[order],
            chosen[order],
            scales=(8, 4, 2, 1),
            levels=4,
        )["loss"]

    plain = loss(full, crop, [0, 1])
    torch.testing.assert_close(loss(full, crop, [1, 0]), plain)
    longer = [m * (0.5 + torch.rand(2, 1, *m.shape[2:], generator=g)) for m in full]
    torch.testing.assert_close(loss(longer, crop, [0, 1], 3.0), plain)
    one, t, cell = (
        torch.randn(1, 4, 20, 20, generator=g),
        torch.randn(1, 1, 4),
        torch.tensor([[[9, 8]]]),
    )
    index, inside = window_index(cell, 2, (20, 20))
    assert bool(inside.all())
    negatives = torch.tensor([k for k in index.flatten().tolist() if k != 9 * 20 + 8])
    mixed = one.flatten(2).clone()
    mixed[..., negatives] = mixed[..., negatives[torch.randperm(len(negatives), generator=g)]]
    before, after = (window_nce(m.view_as(one), t, cell, window=2) for m in (one, mixed))
    torch.testing.assert_close(before, after)


def test_cells() -> None:
    assert cells_at(torch.tensor([[0, 31], [32, 95]]), 32, (3, 3)).tolist() == [[0, 0], [1, 2]]
    assert cells_at(
        torch.tensor([[7.4, 7.6], [-4.0, 200.0], [math.nan, 1.0]]), 8, (4, 4)
    ).tolist() == [
        [0, 1],
        [0, 3],
        [0, 0],
    ]
    for a in ((0, 0), (7, 11), (3, 5)):
        index, inside = window_index(torch.tensor([[list(a)]]), 3, (8, 12))
        whole = in_window(torch.tensor([[list(a)]]), 3, (8, 12)).flatten().nonzero()[:, 0]
        assert sorted(index[inside].tolist()) == whole.tolist()


def small(**more: object) -> CrossPatch:
    torch.manual_seed(0)
    args = {"crop": 48, "anchors": 4, "window": 4, "context": False, "shared": True} | more
    return cc2d(network=build_dense("ld_unet", width=4), **group_options(cc2d, args))


def test_contract() -> None:
    images = torch.rand(3, 1, 64, 64)
    points = torch.tensor([[10.0, 20.0], [40.2, 50.7], [math.nan, math.nan]])
    for learner in (small(), small(shared=False, context=True, anchors=1, upsample="nearest")):
        logged = check_localiser(learner, {"image": images}, [Support(images[0], points)])
        assert set(logged) == {"loss", "level0", "level1", "level2", "level3", "level4"}
        assert logged["loss"] == pytest.approx(sum(logged[f"level{i}"] for i in range(5)), rel=1e-5)


def test_anchors_are_in_the_crop_and_in_the_margin() -> None:
    learner, images = small(anchors=6, margin=0.2), torch.rand(64, 1, 64, 80)
    crop, anchors = learner.draw({"image": images})
    assert bool(crop.inside(anchors).all())
    assert anchors.shape == (64, 6, 2)
    first = anchors[:, 0]
    assert int(first[:, 0].min()) >= 12
    assert int(first[:, 0].max()) < 52
    assert int(first[:, 1].min()) >= 16
    tracked = crop.track(anchors)
    assert float(tracked.min()) >= 0
    assert float(tracked.max()) <= 47


def test_anchor_keeps_its_content() -> None:
    """A ramp tells where each pixel came from: value at the tracked place against value at the
    anchor."""
    rows, columns = torch.arange(64.0)[:, None], torch.arange(64.0)
    ramp = ((rows + 2 * columns) / 200).expand(40, 1, 64, 64)
    learner = small(
        brightness=0.0, contrast=0.0, quantise=False, interpolation="bilinear", anchors=8
    )
    crop, anchors = learner.draw({"image": ramp.contiguous()})
    tracked = crop.track(anchors)
    away = ((tracked > 3) & (tracked < 44)).all(-1)
    grid = (tracked / 47 * 2 - 1).flip(-1)[:, None]
    read = torch.nn.functional.grid_sample(crop.images, grid, align_corners=True)[:, 0, 0]
    expected = (anchors[..., 0] + 2 * anchors[..., 1]) / 200
    known = away & (read > 0)
    assert int(known.sum()) > 100
    off = (read - expected).abs()[known]
    assert float(off.median()) < 1e-3
    assert float((off < 0.01).float().mean()) > 0.9


def test_separate_networks() -> None:
    two = small(shared=False, context=True)
    part = two.part
    assert part is not None
    owned = {id(p) for p in part.parameters()}
    assert all((id(p) in owned) == name.startswith("part.") for name, p in two.named_parameters())
    two.losses({"image": torch.rand(2, 1, 64, 64)}, 0.0)["loss"].backward()
    for module in (two.network, part.network, two.heads, part.heads):
        assert any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in module.parameters())
    assert small().part is None


def test_levels_of_a_deeper_network() -> None:
    torch.manual_seed(0)
    net = vgg19_unet().eval()
    learner = cc2d(
        network=net,
        crops=CropOptions(crop=32),
        matcher=MatcherOptions(shared=True, context=False),
    )
    assert learner.scales == (32, 16, 8, 4, 2)
    with torch.no_grad():
        maps = learner.describe(torch.rand(1, 1, 32, 64))
    assert [tuple(m.shape[2:]) for m in maps] == [(1, 2), (2, 4), (4, 8), (8, 16), (16, 32)]
    each = anchor_losses(
        maps, maps, torch.tensor([[[3, 4]]]), torch.tensor([[[3, 4]]]), scales=learner.scales
    )
    assert each.shape == (5, 1, 1)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"crop": 50}, "multiples of 16, got 50"),
        ({"temperature": 0.0}, "temperature is above 0"),
        ({"anchors": 0}, "at least 1 anchor"),
        ({"levels": 9}, "levels"),
        ({"window": 0}, "at least 1 cell"),
    ],
)
def test_bad_arguments(args: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        small(**args)


def test_image_smaller_than_the_crop() -> None:
    with pytest.raises(ValueError, match="48 x 48 pixels out of an image of 32 x 64"):
        small().losses({"image": torch.rand(2, 1, 32, 64)}, 0.0)
