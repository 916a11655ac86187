"""Samplers: variances against the exact ones, no bias for any mask, the released sampler's known
faults."""

import numpy as np
import pytest
import torch

from pixcl_bench.methods.arco.sampling import (
    Strata,
    cells,
    draw,
    exact_variance,
    official_indices,
    stratify,
)

SAMPLERS = ("ns", "sg", "sag")
R, C = np.divmod(np.arange(64), 8)
TABLE = {  # h on 8 x 8 pixels: mean, variance of NS, SG, SAG with n = 8 and 2 x 2 groups
    "slope": (R + 0.5 * C, 5.25, 0.820312, 0.195312, 0.0),
    "steps": (2.0 * (R // 4) + C // 4, 1.5, 0.15625, 0.0, 0.0),
    "chequers": ((R + C) % 2.0, 0.5, 0.03125, 0.03125, 0.0625),
    "bowl": ((R - 3.5) ** 2 + (C - 3.5) ** 2, 10.5, 5.25, 5.25, 0.5),
    "bowls": ((R % 4 - 1.5) ** 2 + (C % 4 - 1.5) ** 2, 2.5, 0.25, 0.25, 0.5),
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stratum_of(strata: Strata, c: int = 0) -> torch.Tensor:
    ranks = torch.arange(int(strata.low[c, 0]), int(strata.high[c, -1]))
    return torch.searchsorted(strata.high[c].contiguous(), ranks, right=True)


def check_moments(
    values: torch.Tensor, mean: float, variance: float, tolerance: float = 0.05
) -> None:
    """Mean within 4 standard errors, variance within `tolerance`, over the first axis."""
    if variance < 1e-12:
        assert float(values.var()) < 1e-20
        assert float(values.mean()) == pytest.approx(mean, abs=1e-9)
        return
    assert abs(float(values.mean()) - mean) < 4 * (variance / len(values)) ** 0.5
    assert float(values.var()) == pytest.approx(variance, rel=tolerance)


@pytest.mark.parametrize("name", TABLE)
def test_variances_are_those_of_the_table(name: str) -> None:
    h, mean, *known = TABLE[name]
    strata = stratify(torch.zeros(1, 8, 8, dtype=torch.int64), 1, grid=2)
    group = cells((8, 8), 2).numpy()
    exact = [exact_variance(h, group, 8, s) for s in SAMPLERS]
    assert exact == pytest.approx(known, abs=1e-6)
    assert exact[1] <= exact[0] + 1e-12
    assert exact[2] <= 2 * exact[1] + 1e-12
    for sampler, variance in zip(SAMPLERS, exact, strict=True):
        drawn = draw(strata, 8, sampler=sampler, sets=20_000, generator=seeded(7))[0]
        check_moments(torch.from_numpy(h)[drawn].mean(1), mean, variance)


def ragged(shape: tuple[int, ...], keep: int) -> torch.Tensor:
    score = torch.rand(shape, generator=seeded(3))
    return torch.where(score <= score.flatten().kthvalue(keep).values, 0, -1)


@pytest.mark.parametrize("layout", ["spatial", "list"])
@pytest.mark.parametrize("shape", [(2, 64, 64), (2, 24, 20, 16)])
@pytest.mark.parametrize("n", [32, 33])
def test_no_bias_on_4000_ragged_candidates(layout: str, shape: tuple[int, ...], n: int) -> None:
    mask = ragged(shape, 4000)
    strata = stratify(mask, 1, layout=layout)
    along = [
        torch.linspace(0, 1, s).view([-1 if i == k else 1 for i in range(len(shape))])
        for k, s in enumerate(shape)
    ]
    field = sum((k + 1) * a**2 for k, a in enumerate(along)).double() + 0.3 * torch.rand(
        shape, generator=seeded(1)
    )
    h = field.flatten()[strata.order[:4000]]
    for sampler in SAMPLERS:
        variance = exact_variance(h, stratum_of(strata), n, sampler)
        drawn = draw(strata, n, sampler=sampler, sets=20_000, generator=seeded(n))[0]
        assert bool((mask.flatten()[drawn] == 0).all())
        check_moments(field.flatten()[drawn].mean(1), float(h.mean()), variance)


def test_every_candidate_is_as_likely_as_any_other() -> None:
    mask = ragged((1, 6, 7), 19)
    for layout in ("spatial", "list"):
        for sampler in SAMPLERS:
            for n in (5, 8):
                drawn = draw(
                    stratify(mask, 1, layout=layout, grid=3),
                    n,
                    sampler=sampler,
                    sets=20_000,
                    generator=seeded(2),
                )
                counts = torch.bincount(drawn.flatten(), minlength=42)[mask.flatten() == 0] / (
                    20_000 * n
                )
                assert (counts - 1 / 19).abs().max() < 5 * (2 / 19 / 20_000 / n) ** 0.5


def test_theorems_hold_where_the_numbers_are_whole() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        m, each, n = int(rng.integers(1, 6)), int(rng.integers(1, 7)), 2 * int(rng.integers(1, 4))
        stratum, h = np.repeat(np.arange(m), each), rng.normal(size=m * each).cumsum()
        ns, sg, sag = (exact_variance(h, stratum, n * m, s) for s in SAMPLERS)
        between = sum(
            ((stratum == k).mean()) * (h[stratum == k].mean() - h.mean()) ** 2 for k in range(m)
        ) / (n * m)
        assert ns - sg == pytest.approx(between, abs=1e-10)
        assert sag <= 2 * sg * (1 + 1e-9) + 1e-12


def test_independent_positions_are_never_worse_than_naive_ones() -> None:
    striped, four = np.repeat([1.0, 0.0, 1.0, 0.0], 4), np.repeat(np.arange(4), 4)
    assert exact_variance(striped, four, 2, "sg") == pytest.approx(0.25)
    assert exact_variance(striped, four, 2, "sg", allocation="independent") == pytest.approx(0.125)
    rng = np.random.default_rng(0)
    for _ in range(100):
        stratum, h, n = (
            np.sort(rng.integers(0, rng.integers(1, 9), 40)),
            rng.normal(size=40),
            int(rng.integers(1, 12)),
        )
        sg = exact_variance(h, stratum, n, "sg", allocation="independent")
        assert sg <= exact_variance(h, stratum, n, "ns") * (1 + 1e-9)


@pytest.mark.parametrize("layout", ["spatial", "list", "official"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_shapes_ranges_and_seeds(layout: str, sampler: str) -> None:
    classes = torch.randint(-1, 3, (2, 9, 11), generator=seeded(5))
    strata = stratify(classes, 4, layout=layout)  # class 3 is empty
    assert strata.counts.tolist() == [int((classes == c).sum()) for c in range(4)]
    for n in (0, 1, 7, 300):
        drawn = draw(strata, n, sampler=sampler, generator=seeded(1))
        assert drawn.shape == (4, n)
        assert drawn.dtype == torch.int64
        assert torch.equal(drawn, draw(strata, n, sampler=sampler, generator=seeded(1)))
        assert bool((classes.flatten()[drawn[:3]] == torch.arange(3)[:, None]).all())
        assert bool(((drawn >= 0) & (drawn < classes.numel())).all())
    torch.manual_seed(4)
    first = draw(strata, 50, sampler=sampler)
    torch.manual_seed(4)
    assert torch.equal(first, draw(strata, 50, sampler=sampler))
    one = torch.full((1, 5, 5), -1)
    one[0, 2, 3] = 0
    assert draw(stratify(one, 1, layout=layout), 6, sampler=sampler).tolist() == [[13] * 6]
    nobody = stratify(torch.full((1, 5, 5), -1), 2, layout=layout)
    assert nobody.counts.tolist() == [0, 0]
    assert draw(nobody, 6, sampler=sampler).shape == (2, 6)


@pytest.mark.parametrize("n", [16, 40, 41, 200])
def test_groups_get_their_share_and_sag_is_closed_under_reflection(n: int) -> None:
    classes = torch.randint(-1, 2, (3, 20, 22), generator=seeded(6))
    strata = stratify(classes, 2)
    rank = torch.empty_like(strata.order)
    rank[strata.order] = torch.arange(len(rank))
    for sampler, slack in (("sg", 1), ("sag", 2)):
        drawn = rank[draw(strata, n, sampler=sampler, generator=seeded(n))]
        for c in range(2):
            stratum = torch.searchsorted(strata.high[c].contiguous(), drawn[c], right=True)
            counts = torch.bincount(stratum, minlength=strata.low.shape[1])
            share = n * (strata.high[c] - strata.low[c]) / strata.counts[c]
            assert (counts - share).abs().max() < slack + n % 2 + 1e-6
            if sampler == "sag":
                pairs, where = drawn[c][: n - n % 2], stratum[: n - n % 2]
                mirror = strata.low[c][where] + strata.high[c][where] - 1 - pairs
                assert torch.equal(mirror.sort().values, pairs.sort().values)


def test_reflection_is_the_point_reflection_in_a_full_cell() -> None:
    strata = stratify(torch.zeros(1, 12, 8, 10, dtype=torch.int64), 1, grid=2)
    first, second = draw(strata, 64, sampler="sag", generator=seeded()).view(2, 32)
    place = torch.stack(torch.unravel_index(torch.stack([first, second]), (12, 8, 10)))
    size = torch.tensor([6, 4, 5])[:, None]
    assert torch.equal(place[:, 0] // size, place[:, 1] // size)
    assert torch.equal(place[:, 0] % size + place[:, 1] % size, (size - 1).expand(3, 32))


def test_mixed_rows_have_the_mean_of_their_mixture() -> None:
    classes = torch.randint(-1, 3, (2, 16, 16), generator=seeded(8))
    mix = torch.tensor([[0.0, 0.9, 0.1], [0.3, 0.0, 0.7], [0.0, 0.0, 0.0]])
    field = torch.arange(512.0).double() + 300 * classes.flatten()
    means = torch.stack([field[classes.flatten() == c].mean() for c in range(3)])
    for sampler in SAMPLERS:
        drawn = draw(
            stratify(classes, 3), 11, sampler=sampler, mix=mix, sets=20_000, generator=seeded(9)
        )
        assert drawn.shape == (3, 20_000, 11)
        values = field[drawn[:2]].mean(2)
        error = (values.mean(1) - mix[:2].double() @ means) / (values.std(1) / 20_000**0.5)
        assert error.abs().max() < 4


@pytest.mark.parametrize(
    ("high", "bias", "sg", "sag"),
    [(4096, 0, 0.065, 0.0), (5233, -33, 0.127, 0.120), (4000, -246, 0.125, 0.128)],
)
def test_the_released_sampler_is_biased_as_measured(
    high: int, bias: float, sg: float, sag: float
) -> None:
    edge = round(high**0.5)
    place = torch.arange(high, dtype=torch.float64)
    h = place // edge + 0.5 * (place % edge)
    values = {
        s: h[official_indices(high, 256, sampler=s, sets=4000, generator=seeded(high))].mean(1)
        for s in SAMPLERS
    }
    assert float(
        (values["sg"].mean() - h.mean()) / values["sg"].std() * 4000**0.5
    ) == pytest.approx(bias, abs=6)
    assert float(values["sg"].var() / values["ns"].var()) == pytest.approx(sg, abs=0.015)
    assert float(values["sag"].var() / values["ns"].var()) == pytest.approx(sag, abs=0.015)


def test_the_released_sampler_on_short_lists_and_in_runs() -> None:
    for high in (1, 5, 12, 13, 16, 40, 300):
        for run in (None, 8):
            for s in SAMPLERS:
                drawn = official_indices(
                    high, 37, sampler=s, run=run, sets=3, generator=seeded(high)
                )
                assert drawn.shape == (3, 37)
                assert 0 <= int(drawn.min()) <= int(drawn.max()) < high
    drawn = official_indices(256, 64, run=16, sets=5, generator=seeded())
    assert all(torch.bincount(one // 16, minlength=16).tolist() == [4] * 16 for one in drawn)


def test_mistakes_are_named() -> None:
    strata = stratify(torch.zeros(1, 4, 4, dtype=torch.int64), 1)
    with pytest.raises(ValueError, match="cannot draw -1"):
        draw(strata, -1)
    with pytest.raises(ValueError, match="candidate to draw, got 0"):
        official_indices(0, 3)
    with pytest.raises(ValueError, match="at least one draw"):
        exact_variance([1.0], [0], 0)
    with pytest.raises(ValueError, match="grid must be at least 1"):
        stratify(torch.zeros(1, 4, 4, dtype=torch.int64), 1, grid=0)
