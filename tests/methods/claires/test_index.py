"""The index of images: a search is brute force, filters exclude, and the disk keeps every bit."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from pixcl_bench.methods.claires import index as module
from pixcl_bench.methods.claires.index import (
    ApproximateSearch,
    Hit,
    ImageIndex,
    IndexFileError,
    IndexMismatchError,
    agreement,
    first_rank,
)


def make_index(n: int = 300, d: int = 12, copies: int = 1) -> ImageIndex:
    draw = torch.Generator().manual_seed(0)
    rows = F.normalize(torch.randn(n, d, generator=draw), dim=1).repeat(copies, 1)
    records = [
        {"age": str(i % 90), "kind": "ab"[i % 2], "of": f"x;{i % 3}"} for i in range(len(rows))
    ]
    ids = tuple(f"image-{i}" for i in range(len(rows)))
    return ImageIndex(rows, ids, tuple(records), "a" * 64, {"title": "test"})


def naive(
    index: ImageIndex, query: torch.Tensor, k: int, allowed: torch.Tensor | None
) -> list[str]:
    """Sort all allowed images by cosine in Python; the sort is stable."""
    scored = []
    for i, row in enumerate(index.embeddings.tolist()):
        dot = math.fsum(a * b for a, b in zip(row, query.tolist(), strict=True))
        if allowed is None or allowed[i]:
            scored.append((-float(torch.tensor(dot, dtype=torch.float64).float()), i))
    return [index.ids[i] for _, i in sorted(scored)[:k]]


def ids(hits: list[Hit]) -> list[str]:
    return [hit.id for hit in hits]


@pytest.mark.parametrize("block", [7, 1 << 16])
@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("k", [1, 5, 2000])
def test_a_search_is_brute_force(
    monkeypatch: pytest.MonkeyPatch, k: int, copies: int, block: int
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    index = make_index(100, copies=copies)
    queries = make_index(9).embeddings
    allowed = torch.arange(len(index)) % 4 != 1
    for mask in (None, allowed):
        found = index.search(queries, k, allowed=mask)
        for query, hits in zip(queries, found, strict=True):
            assert ids(hits) == naive(index, query, k, mask)
            assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
            assert index.search(query, k, allowed=mask) == [hits], "alone and in a batch"


def test_batches_of_queries_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    index = make_index()
    whole = index.search(index.embeddings[:10], 4)
    monkeypatch.setattr(module, "_SCORES", 700)
    assert index.search(index.embeddings[:10], 4) == whole


def test_filters_never_return_what_they_exclude() -> None:
    index = make_index()
    mask = index.rows_where({"age": (20, 30), "kind": {"a"}, "of": {"2"}})
    wanted = [i for i in range(300) if 20 <= i % 90 <= 30 and i % 2 == 0 and i % 3 == 2]
    assert mask.nonzero()[:, 0].tolist() == wanted
    assert set(ids(index.search(index.embeddings[1], 300, allowed=mask)[0])) == {
        index.ids[i] for i in wanted
    }
    assert index.rows_where({}).all()
    assert not index.rows_where({"kind": ()}).any()
    with pytest.raises(ValueError, match="there is age"):
        index.rows_where({"agee": (1, 2)})


def test_the_first_rank_is_that_of_the_full_ranking() -> None:
    index = make_index(120, copies=2)
    draw = torch.Generator().manual_seed(1)
    for query in make_index(6).embeddings:
        relevant = torch.rand(240, generator=draw) < 0.05
        order = [index.ids.index(each) for each in ids(index.search(query, 240)[0])]
        wanted = next(rank for rank, i in enumerate(order, 1) if relevant[i])
        assert first_rank(query, index.embeddings, relevant) == wanted


@pytest.mark.parametrize("half", [False, True])
def test_the_disk_keeps_every_bit(tmp_path: Path, half: bool) -> None:
    index = make_index().half() if half else make_index()
    index.save(tmp_path / "a")
    again = ImageIndex.load(tmp_path / "a", fingerprint="a" * 64)
    assert again.embeddings.dtype == index.embeddings.dtype
    assert torch.equal(again.embeddings, index.embeddings)
    assert (again.ids, again.records, again.meta) == (index.ids, index.records, index.meta)
    with pytest.raises(IndexMismatchError, match="another model"):
        ImageIndex.load(tmp_path / "a", fingerprint="b" * 64)


@pytest.mark.parametrize("name", ["embeddings.npy", "ids.json", "manifest.csv", "meta.json"])
def test_a_folder_that_was_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    make_index().save(tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(IndexFileError, match=name):
        ImageIndex.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(IndexFileError, match=name):
        ImageIndex.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ids": ("a",) * 300}, "'a' stands for two"),
        ({"ids": ("a",)}, "300 rows, 1 ids"),
        ({"embeddings": torch.full((300, 2), torch.nan)}, "finite"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, object], words: str) -> None:
    index = make_index()
    parts = {name: getattr(index, name) for name in ("embeddings", "ids", "records", "fingerprint")}
    with pytest.raises(ValueError, match=words):
        ImageIndex(**{**parts, **change})


def test_half_precision_agrees() -> None:
    index = make_index(2000, 64)
    queries = F.normalize(index.embeddings[:40] + 0.02, dim=1)
    assert agreement(index.half().search(queries, 10), index.search(queries, 10)) > 0.97
    assert agreement(index.search(queries, 5), index.search(queries, 10)) == 0.5


def test_small_indices_are_searched_exactly() -> None:
    with pytest.raises(ValueError, match="searched exactly"):
        ApproximateSearch(make_index())


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_approximate_search_finds_nearly_all(kind: str) -> None:
    pytest.importorskip("faiss", reason="faiss: faiss-cpu is not installed")
    draw = torch.Generator().manual_seed(2)
    centres = F.normalize(torch.randn(40, 32, generator=draw), dim=1)
    rows = centres.repeat(50, 1) + 0.1 * torch.randn(2000, 32, generator=draw)
    names = tuple(map(str, range(2000)))
    index = ImageIndex(F.normalize(rows, dim=1), names, ({},) * 2000, "x")
    approximate = ApproximateSearch(index, kind=kind, smallest=0)
    found = approximate.search(index.embeddings[:30], 10)
    exact = index.search(index.embeddings[:30], 10)
    assert agreement(found, exact) >= 0.95
    assert found[0][0] == exact[0][0]
