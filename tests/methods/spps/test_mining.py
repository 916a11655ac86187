"""Mining: the worked example, invariances, planted pairs, controls, keys and files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pixcl_bench.methods.contract.pairs import pair_statistics
from pixcl_bench.methods.spps.mining import (
    MiningOptions,
    canonical_pairs,
    every_image,
    load_pairs,
    mine_pairs,
    mining_key,
    no_pairs,
    pair_set,
    pairs_within,
    reference_images,
    save_pairs,
    similarity_window,
    weights_digest,
)
from pixcl_bench.ops.search import Chunks

SIX = torch.tensor(
    [[1, 0, 0], [0.98, 0.2, 0], [0.6, 0.8, 0], [0.55, 0.82, 0.05], [0, 0, 1], [1, 0.001, 0]]
)
ALL = MiningOptions(per_ref="all")


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pairs_of(table: Any, **options: Any) -> set[tuple[int, ...]]:
    chosen = MiningOptions(**{"s_min": 0.3, "s_max": 0.8, "per_ref": "all", **options})
    return {tuple(p) for p in mine_pairs(table, every_image(len(table)), chosen).pairs.tolist()}


def test_example_1() -> None:
    found = mine_pairs(SIX, every_image(6), ALL)
    assert found.pairs.tolist() == [[0, 1], [1, 5]]
    assert found.sim.tolist() == pytest.approx([0.979804, 0.980004], abs=1e-6)
    cosine = F.normalize(SIX.double(), dim=1) @ F.normalize(SIX.double(), dim=1).T
    sims = {(2, 3): 0.997334, (0, 2): 0.6, (1, 2): 0.74785, (0, 3): 0.556322, (0, 5): 1.0}
    assert {p: float(cosine[p]) for p in sims} == pytest.approx(sims, abs=1e-6)


@pytest.mark.parametrize("rule", ["top1", "topk", "all"])
@pytest.mark.parametrize("seed", range(3))
def test_mining_is_the_loop(rule: str, seed: int) -> None:
    table = torch.randn(30, 5, generator=gen(seed))
    references = reference_images(30, 0.4, gen(seed))
    options = MiningOptions(s_min=0.2, s_max=0.7, per_ref=rule, k=2)  # type: ignore[arg-type]
    unit, expected = F.normalize(table.double(), dim=1), set()
    for r in references.tolist():
        sims = sorted((-float(unit[r] @ unit[j]), j) for j in range(30) if j != r)
        inside = [j for s, j in sims if 0.2 <= -s < 0.7]
        kept = inside[: {"top1": 1, "topk": 2, "all": 30}[rule]]
        expected |= {(min(r, j), max(r, j)) for j in kept}
    found = mine_pairs(table, references, options, Chunks(queries=4, bank=9))
    assert [tuple(p) for p in found.pairs.tolist()] == sorted(expected)
    assert bool(((found.sim >= 0.2) & (found.sim < 0.7)).all())
    assert bool((found.pairs[:, 0] < found.pairs[:, 1]).all())


def test_a_narrower_window_gives_a_subset() -> None:
    table = torch.randn(40, 6, generator=gen())
    whole = pairs_of(table)
    assert pairs_of(table, s_min=0.5) < whole
    assert pairs_of(table, s_max=0.6) < whole


def test_scale_rotation_chunks_and_order_change_nothing() -> None:
    table = torch.randn(40, 6, generator=gen())
    whole = pairs_of(table)
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=gen(1))).Q
    assert pairs_of((0.1 + torch.rand(40, 1, generator=gen(2))) * table @ rotation) == whole
    for size in (1, 7, 100):
        chunks = Chunks(queries=size, bank=size)
        found = mine_pairs(table, every_image(40), replace(ALL, s_min=0.3, s_max=0.8), chunks)
        assert {tuple(p) for p in found.pairs.tolist()} == whole
    order = torch.randperm(40, generator=gen(3))
    moved = {tuple(sorted((int(order[a]), int(order[b])))) for a, b in pairs_of(table[order])}
    assert moved == whole


@pytest.mark.parametrize("rule", ["top1", "all"])
@pytest.mark.parametrize("half", [False, True])
def test_planted_clusters_are_found_and_copies_are_not(rule: str, half: bool) -> None:
    basis = torch.eye(64)
    rows = [
        0.98**0.5 * basis[c] + 0.02**0.5 * basis[6 + 5 * c + i] for c in range(6) for i in range(5)
    ]
    labels = torch.arange(6).repeat_interleave(5)
    table = torch.stack([*rows, *rows[:3]])
    labels = torch.cat([labels, labels[:3]])
    given = table.half().numpy() if half else table
    options = MiningOptions(per_ref=rule)  # type: ignore[arg-type]
    found = mine_pairs(given, every_image(33), options)
    assert pair_statistics(found.pairs, 33, labels)["pair_precision"] == 1.0
    assert not {(0, 30), (1, 31), (2, 32)} & {tuple(p) for p in found.pairs.tolist()}
    assert set(range(3)) <= set(found.pairs.flatten().tolist())


def test_quantiles_choose_the_share_of_references() -> None:
    table, every = torch.randn(200, 4, generator=gen()), every_image(200)
    options = MiningOptions(threshold_mode="quantile", quantile=0.3, near=0.1)
    low, high = similarity_window(table, every, options)
    best = torch.tensor([max(row[row < 2]) for row in _others(table)])
    assert float((best >= high).float().mean()) == pytest.approx(0.1, abs=0.01)
    below = torch.tensor([float(row[row < high].max()) for row in _others(table)])
    assert float((below >= low).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert similarity_window(table, every, MiningOptions(threshold_mode="quantile"))[1] == 0.99
    alone = similarity_window(torch.eye(1), every_image(1), options)
    assert len(mine_pairs(torch.eye(1), every_image(1), options).pairs) == 0
    assert alone[0] == alone[1]


def _others(table: torch.Tensor) -> torch.Tensor:
    unit = F.normalize(table, dim=1)
    sim = unit @ unit.T
    return sim[~torch.eye(len(sim), dtype=torch.bool)].view(len(sim), -1)


def test_pairs_are_unordered_unique_and_capped() -> None:
    first, second = torch.tensor([3, 1, 5, 2, 1]), torch.tensor([1, 3, 2, 2, 4])
    sim = torch.tensor([0.5, 0.6, 0.9, 1.0, 0.7])
    pairs, kept = canonical_pairs(first, second, sim)
    assert pairs.tolist() == [[1, 3], [1, 4], [2, 5]]
    assert kept.tolist() == pytest.approx([0.6, 0.7, 0.9])
    assert canonical_pairs(first, second, sim, 1)[0].tolist() == [[2, 5]]
    assert canonical_pairs(first, second, sim, 0)[0].shape == (0, 2)


def test_controls_have_as_many_pairs() -> None:
    labels = torch.randint(-1, 4, (60,), generator=gen())
    for number in (0, 1, 50, 200):
        pairs = pairs_within(labels, number, gen(number))
        assert len(pairs.unique(dim=0)) == len(pairs) == number
        assert bool((pairs[:, 0] < pairs[:, 1]).all())
        assert bool((labels[pairs[:, 0]] == labels[pairs[:, 1]]).all())
        assert number == 0 or int(labels[pairs].min()) >= 0
    few = torch.tensor([1, -1, 0, 1, 0, 1, 2])
    assert pairs_within(few, 4, gen()).tolist() == [[0, 3], [0, 5], [2, 4], [3, 5]]
    with pytest.raises(ValueError, match="there are 4 pairs"):
        pairs_within(few, 5, gen())
    with pytest.raises(ValueError, match="there are 0 pairs"):
        pairs_within(torch.full((5,), -1), 1, gen())


def test_references_are_a_share_without_replacement() -> None:
    assert len(reference_images(101, 0.1, gen()).unique()) == 11
    assert torch.equal(reference_images(9, 1.0, gen()), every_image(9))
    assert not torch.equal(reference_images(99, 0.5, gen()), reference_images(99, 0.5, gen(1)))


def test_keys_tell_what_the_pairs_depend_on() -> None:
    net, other, some = nn.Linear(3, 2), nn.Linear(3, 2), every_image(5)
    weights = weights_digest(net)
    assert weights == weights_digest(net) != weights_digest(other)
    base = mining_key("a", weights, some, ALL)
    assert base == mining_key("a", weights, some.clone(), replace(ALL, premine_steps=3))
    changed = [
        mining_key("b", weights, some, ALL),
        mining_key("a", weights_digest(other), some, ALL),
        mining_key("a", weights, some[1:], ALL),
        *(mining_key("a", weights, some, replace(ALL, **new)) for new in CHANGES),
    ]
    assert len({base, *changed}) == 1 + len(changed)


CHANGES: list[dict[str, Any]] = [
    {"s_min": 0.5},
    {"s_max": 0.995},
    {"per_ref": "top1"},
    {"feature": "projection"},
    {"threshold_mode": "quantile"},
]


def test_files_hold_plain_arrays(tmp_path: Path) -> None:
    found = mine_pairs(SIX, every_image(6), ALL)
    save_pairs(tmp_path / "spps.npz", found, {"dataset": "six", "N": 6})
    again, about = load_pairs(tmp_path / "spps.npz")
    assert about == {"dataset": "six", "N": 6}
    assert [p.name for p in tmp_path.iterdir()] == ["spps.npz"]
    assert torch.equal(again.pairs, found.pairs)
    assert torch.equal(again.sim, found.sim)
    assert torch.equal(again.references, found.references)
    assert again.window == found.window == (0.97, 0.99)
    with np.load(tmp_path / "spps.npz", allow_pickle=False) as arrays:
        assert arrays["pairs"].dtype == np.int64
        assert arrays["sim"].dtype == np.float32
        assert not any(arrays[name].dtype.hasobject for name in arrays)
    with pytest.raises(ValueError, match="similarities"):
        pair_set(found.arrays() | {"sim": np.zeros(1, dtype=np.float32)})


def test_numbers_to_record() -> None:
    assert mine_pairs(SIX, every_image(6), ALL).numbers() == pytest.approx(
        {"pair_s_min": 0.97, "pair_s_max": 0.99, "pair_sim_mean": 0.979904}, abs=1e-6
    )
    assert set(no_pairs().numbers()) == {"pair_s_min", "pair_s_max"}
    ends = torch.tensor([[0, 1], [2, 3]])
    drawn = replace(no_pairs(), pairs=ends, sim=torch.full((2,), torch.nan))
    assert set(drawn.numbers()) == {"pair_s_min", "pair_s_max"}


@pytest.mark.parametrize(
    ("wrong", "allowed"),
    [
        ({"references": 0.0}, "references is in"),
        ({"s_min": 0.995}, "s_min is at least -1"),
        ({"quantile": 0.0}, "quantile is in"),
        ({"near": 1.0}, "near is in"),
        ({"k": 0}, "k is at least 1"),
        ({"max_pairs": -1}, "max_pairs is at least 0"),
        ({"premine_steps": -1}, "premine_steps is at least 0"),
    ],
)
def test_wrong_options_are_named(wrong: dict[str, Any], allowed: str) -> None:
    with pytest.raises(ValueError, match=allowed):
        MiningOptions(**wrong)
