"""Exact neighbours: a loop over pairs, ties, windows, chunks, and memory that does not grow."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from largest import Largest

from pixcl_bench.ops.search import Chunks, nearest, pack, unpack, within


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def loop(
    queries: torch.Tensor,
    bank: torch.Tensor,
    own: torch.Tensor,
    window: tuple[float, float],
    k: int,
) -> list[list[int]]:
    q, b = F.normalize(queries.double(), dim=1), F.normalize(bank.double(), dim=1)
    found = []
    for i in range(len(q)):
        seen = [(-float(q[i] @ b[j]), j) for j in range(len(b)) if j != int(own[i])]
        inside = sorted((s, j) for s, j in seen if window[0] <= -s < window[1])[:k]
        found.append([j for _, j in inside] + [-1] * (k - len(inside)))
    return found


@pytest.mark.parametrize("k", [1, 3, 50])
@pytest.mark.parametrize("window", [(-2.0, 2.0), (-0.3, 0.4), (0.9, 0.9001)])
@pytest.mark.parametrize("size", [1, 6, 64])
def test_search_is_the_loop(k: int, window: tuple[float, float], size: int) -> None:
    bank = torch.randn(40, 7, generator=gen()) * torch.rand(40, 1, generator=gen(1))
    own = torch.randperm(40, generator=gen(2))[:13]
    chunks = Chunks(queries=size, bank=size + 3)
    found = nearest(bank[own], bank, k, window=window, own=own, chunks=chunks)
    assert found.index.tolist() == loop(bank[own], bank, own, window, k)
    none = found.index < 0
    assert torch.equal(none, found.sim == -torch.inf)
    everything = within(bank[own], bank, window, own=own, chunks=chunks)
    expected = loop(bank[own], bank, own, window, 40)
    pairs = sorted((i, j) for i, row in enumerate(expected) for j in row if j >= 0)
    assert list(zip(*(t.tolist() for t in everything[:2]), strict=True)) == pairs


def test_packing_keeps_every_float_and_its_order() -> None:
    sim = torch.cat([torch.randn(500, generator=gen()), torch.tensor([0.0, -0.0, 1.0, -1.0])])
    index = torch.randint(2**31, (len(sim),), generator=gen(1))
    back, place = unpack(pack(sim, index))
    assert torch.equal(back, sim)
    assert torch.equal(place, index)
    assert torch.equal(pack(sim, index * 0).sort().values, pack(sim.sort().values, index * 0))
    assert int(pack(torch.tensor([0.5]), torch.tensor([3]))) > int(
        pack(torch.tensor([0.5]), torch.tensor([4]))
    )


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 4, 30])
def test_of_equal_rows_the_lower_index_comes_first(k: int, size: int) -> None:
    bank = torch.ones(20, 4)
    found = nearest(bank[5:6], bank, k, own=torch.tensor([5]), chunks=Chunks(bank=size))
    assert found.index.tolist() == [[0, 1, 2, 3, 4][:k]]


def test_half_precision_and_files(tmp_path: Path) -> None:
    table = torch.randn(30, 8, generator=gen()).half().numpy()
    np.save(tmp_path / "embed.npy", table)
    on_disk = np.load(tmp_path / "embed.npy", mmap_mode="r")
    own = torch.arange(30)
    a = nearest(on_disk, on_disk, 4, own=own, chunks=Chunks(queries=7, bank=11))
    b = nearest(torch.from_numpy(table).float(), torch.from_numpy(table), 4, own=own)
    assert a.sim.dtype == torch.float32
    assert torch.equal(a.index, b.index)
    torch.testing.assert_close(a.sim, b.sim, atol=1e-6, rtol=0)


def test_memory_does_not_grow_with_the_bank() -> None:
    seen = []
    for n in (300, 3000):
        table = torch.randn(n, 4, generator=gen()).numpy()
        with Largest() as largest:
            nearest(table[:20], table, 3, chunks=Chunks(queries=20, bank=100))
        seen.append(largest.elements)
    assert seen[0] == seen[1] == 20 * 103


def test_wrong_input_is_named() -> None:
    rows = torch.ones(3, 2)
    with pytest.raises(ValueError, match="k is at least 1"):
        nearest(rows, rows, 0)
    with pytest.raises(ValueError, match="at least one row"):
        Chunks(queries=0)
    with pytest.raises(ValueError, match="not finite"):
        nearest(rows, torch.full((3, 2), torch.nan))
    assert nearest(rows[:0], rows, 2).index.shape == (0, 2)
