"""Ranks, hit, MRR, precision, recall and MAP: worked numbers, loops, chance, properties."""

import itertools

import pytest
import torch
from sklearn.metrics import average_precision_score

from pixcl_bench.metrics.retrieval import (
    Ties,
    bootstrap_interval,
    chance_hit,
    chance_map,
    chance_mrr,
    chance_scores,
    hit_at,
    mean_average_precision,
    median_rank,
    mrr,
    precision_at,
    recall_at,
    relevant_ranks,
    retrieval_scores,
    skipped,
)

SCORES = torch.tensor([[0.9, 0.1, 0.8, 0.3], [0.2, 0.7, 0.6, 0.9], [0.5, 0.5, 0.1, 0.4]])
RELEVANT = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 0], [1, 0, 0, 1]]).bool()
RULES: tuple[Ties, ...] = ("index", "pessimistic")


def by_sorting(scores: torch.Tensor, relevant: torch.Tensor, ties: str) -> list[list[int]]:
    found = []
    for row, right in zip(scores.tolist(), relevant.tolist(), strict=True):
        keys = [
            (-s, r and ties == "pessimistic", i)
            for i, (s, r) in enumerate(zip(row, right, strict=True))
        ]
        order = [key[2] for key in sorted(keys)]
        found.append([place for place, i in enumerate(order, 1) if right[i]])
    return found


def test_worked_numbers_of_the_specification() -> None:
    ranks = relevant_ranks(SCORES, RELEVANT)
    assert ranks.tolist() == [[2, 3], [2, 0], [1, 3]]
    found = retrieval_scores(ranks, (1, 2, 3))
    expected = {
        "hit1": 1 / 3,
        "hit2": 1,
        "hit3": 1,
        "mrr": 2 / 3,
        "precision2": 0.5,
        "precision3": 0.555556,
        "recall1": 0.166667,
        "recall2": 0.666667,
        "recall3": 1,
        "map": 0.638889,
        "median_rank": 2,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("ties", RULES)
@pytest.mark.parametrize("levels", [2, 6, 10_000])
def test_ranks_equal_those_of_a_sorted_gallery(ties: Ties, levels: int) -> None:
    g = torch.Generator().manual_seed(levels)
    scores = torch.randint(0, levels, (25, 17), generator=g).float()
    relevant = torch.rand(25, 17, generator=g) < 0.25
    ranks = relevant_ranks(scores, relevant, ties)
    assert [[r for r in row if r] for row in ranks.tolist()] == by_sorting(scores, relevant, ties)
    assert skipped(ranks) == int((~relevant.any(1)).sum())


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    g = torch.Generator().manual_seed(0)
    scores, relevant = torch.rand(30, 11, generator=g), torch.rand(30, 11, generator=g) < 0.4
    whole = relevant_ranks(scores, relevant)
    monkeypatch.setattr("pixcl_bench.metrics.retrieval._CHUNK", 23)
    assert torch.equal(relevant_ranks(scores, relevant), whole)


def test_average_precision_is_that_of_scikit_learn() -> None:
    g = torch.Generator().manual_seed(1)
    scores, relevant = torch.rand(20, 30, generator=g), torch.rand(20, 30, generator=g) < 0.3
    relevant[:, 0] = True
    found = mean_average_precision(relevant_ranks(scores, relevant))
    expected = [
        average_precision_score(r.numpy(), s.numpy()) for r, s in zip(relevant, scores, strict=True)
    ]
    assert found.tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("r", [1, 2, 3, 5])
def test_chance_counts_all_orders(r: int) -> None:
    orders = torch.tensor(list(itertools.permutations(range(5)))).double()
    ranks = relevant_ranks(orders, (torch.arange(5) < r).expand(len(orders), 5))
    counts = torch.tensor([r])
    for k in (1, 2, 5, 7):
        assert chance_hit(counts, 5, k).item() == pytest.approx(hit_at(ranks, k).mean().item())
    assert chance_mrr(counts, 5).item() == pytest.approx(mrr(ranks).mean().item())
    assert chance_map(counts, 5).item() == pytest.approx(
        mean_average_precision(ranks).mean().item()
    )
    found, measured = chance_scores(counts, 5, (1, 3)), retrieval_scores(ranks, (1, 3))
    assert found == pytest.approx(measured)


def test_a_constant_score_gains_nothing_by_the_pessimistic_rule() -> None:
    scores, relevant = torch.zeros(4, 10), torch.eye(10)[:4].bool()
    assert relevant_ranks(scores, relevant, "pessimistic").flatten().tolist() == [10] * 4
    assert relevant_ranks(scores, relevant, "index").flatten().tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("seed", range(4))
def test_properties(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, 6, (12, 9), generator=g).double()
    relevant = torch.rand(12, 9, generator=g) < 0.4
    relevant[:, 2] = True
    ranks, worse = (relevant_ranks(scores, relevant, ties) for ties in RULES)
    hits = torch.stack([hit_at(ranks, k) for k in range(1, 10)])
    assert bool((hits.diff(dim=0) >= 0).all())
    assert bool((hits[-1] == 1).all())
    assert bool((hits[0] <= mrr(ranks)).all())
    assert bool((mrr(ranks) >= hits[2] / 3).all())
    assert bool((mrr(worse) <= mrr(ranks)).all())
    assert torch.equal(relevant_ranks(scores.exp(), relevant), ranks)
    extra = torch.full((12, 2), -5.0).double()
    nothing = torch.zeros(12, 2).bool()
    longer = relevant_ranks(torch.cat([scores, extra], 1), torch.cat([relevant, nothing], 1))
    assert torch.equal(longer, ranks)
    perfect = relevant_ranks(relevant.float(), relevant)
    assert precision_at(perfect, 4).tolist() == pytest.approx(
        (relevant.sum(1).clamp(max=4) / 4).tolist()
    )


def test_strict_recall_is_hit() -> None:
    scores = torch.rand(8, 8, generator=torch.Generator().manual_seed(3))
    ranks = relevant_ranks(scores, torch.eye(8).bool())
    assert torch.equal(recall_at(ranks, 3), hit_at(ranks, 3))
    assert median_rank(ranks) == float(ranks[:, 0].double().quantile(0.5))


def test_the_interval_is_seeded_and_holds_the_mean() -> None:
    values = (torch.rand(60, generator=torch.Generator().manual_seed(0)) < 0.7).double()
    low, high = bootstrap_interval(values, torch.Generator().manual_seed(1))
    assert low < float(values.mean()) < high
    assert (low, high) == bootstrap_interval(values, torch.Generator().manual_seed(1))
    expected = 1.96 * float(values.std()) / 60**0.5
    assert (high - low) / 2 == pytest.approx(expected, rel=0.15)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="NaN"):
        relevant_ranks(SCORES * float("nan"), RELEVANT)
    with pytest.raises(ValueError, match="at least 1"):
        recall_at(relevant_ranks(SCORES, RELEVANT), 0)
    with pytest.raises(ValueError, match="none of 3"):
        retrieval_scores(torch.zeros(3, 1, dtype=torch.int64))
