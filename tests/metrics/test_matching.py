"""Matching of features across two styles."""

import pytest
import torch
from torch.nn.functional import normalize

from pixcl_bench.metrics.matching import matching_scores


def test_worked_example() -> None:
    queries = torch.tensor([[1.0, 0], [0, 2], [3, 1]])
    gallery = torch.tensor([[1, 0.1], [1, 4], [1, 1]])
    scores = matching_scores(queries, gallery, torch.arange(3), ks=(1, 2))
    assert scores == pytest.approx(
        {"matching_top1": 2 / 3, "matching_top2": 1.0, "matching_chance": 1 / 3}
    )


def test_it_is_the_loop_over_all_pairs() -> None:
    draw = torch.Generator().manual_seed(0)
    gallery = torch.randn(30, 5, generator=draw)
    right = torch.randint(
        0, 30, (70,), generator=draw
    )  # some rows serve several queries, some none
    queries = gallery[right] + 0.7 * torch.randn(70, 5, generator=draw)
    order = (normalize(queries, dim=1) @ normalize(gallery, dim=1).T).argsort(1, descending=True)
    scores = matching_scores(queries, gallery, right)
    for k in (1, 5):
        hits = [right[i].item() in order[i, :k].tolist() for i in range(70)]
        assert scores[f"matching_top{k}"] == pytest.approx(sum(hits) / 70)
    assert 0.2 < scores["matching_top1"] < scores["matching_top5"] < 1


def test_scale_and_order_do_not_count() -> None:
    draw = torch.Generator().manual_seed(1)
    gallery, right = torch.randn(20, 4, generator=draw), torch.arange(20)
    queries = gallery + torch.randn(20, 4, generator=draw)
    shuffled = torch.randperm(20, generator=draw)
    scores = matching_scores(queries, gallery, right)
    scaled = queries * torch.logspace(-3, 3, 20)[:, None]
    assert matching_scores(scaled, gallery, right) == scores
    assert matching_scores(queries, gallery[shuffled], shuffled.argsort()) == scores


@pytest.mark.parametrize("count", [1, 3, 50])
def test_a_collapsed_encoder_gets_chance(count: int) -> None:
    same = torch.ones(count, 3)
    scores = matching_scores(same, same, torch.arange(count))
    assert scores["matching_top1"] == scores["matching_chance"] == 1 / count
    assert ("matching_top5" in scores) == (count >= 5)


@pytest.mark.parametrize(
    ("queries", "right", "message"),
    [
        (torch.ones(2, 3), torch.tensor([0]), "2 queries but 1 right rows"),
        (torch.ones(2, 3), torch.tensor([0, 4]), r"right row 4 of query 1, allowed are 0\.\.3"),
        (torch.ones(2, 3), torch.tensor([-1, 0]), "right row -1 of query 0"),
        (torch.full((2, 3), torch.nan), torch.tensor([0, 1]), "queries: 2 of 2 feature rows"),
        (torch.ones(0, 3), torch.empty(0, dtype=torch.int64), "queries: want features"),
    ],
)
def test_what_does_not_fit_is_refused(
    queries: torch.Tensor, right: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        matching_scores(queries, torch.eye(4)[:, :3], right)
