"""Nearest neighbours in a queue: the specification's example, empty slots, no gradient."""

import pytest
import torch
import torch.nn.functional as F

from pixcl_bench.ops.memory import Queue
from pixcl_bench.ops.neighbours import nearest_in, nearest_index

ROWS = torch.tensor([[1.0, 0], [0, 3], [-2, 0], [1, 1]])
QUERIES = torch.tensor([[0.9, 0.2], [-0.1, 5]])


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_example_of_the_specification(scale: float) -> None:
    every = torch.ones(4, dtype=torch.bool)
    assert nearest_index(scale * QUERIES, ROWS, every).tolist() == [0, 1]
    assert nearest_index(QUERIES, scale * ROWS, every).tolist() == [0, 1]


def test_a_stored_row_finds_itself_and_an_invalid_one_is_never_found() -> None:
    valid = torch.tensor([True, False, True, True])
    assert nearest_index(ROWS, ROWS, torch.ones(4, dtype=torch.bool)).tolist() == [0, 1, 2, 3]
    assert nearest_index(ROWS, ROWS, valid).tolist() == [0, 3, 2, 3]


def test_an_empty_queue_gives_the_queries_and_zeros_are_no_keys() -> None:
    queue = Queue(size=4, dim=2)
    assert torch.equal(nearest_in(queue, QUERIES), QUERIES)
    queue.enqueue(torch.tensor([[-1.0, 0]]))  # worse than an empty slot, whose cosine would be 0
    assert torch.equal(nearest_in(queue, QUERIES), torch.tensor([[-1.0, 0], [-1, 0]]))


def test_against_a_loop_while_the_queue_fills_and_turns_over() -> None:
    g = torch.Generator().manual_seed(0)
    queue, held = Queue(size=7, dim=4), []
    for _ in range(5):
        keys, asked = (torch.randn(3, 4, generator=g) for _ in range(2))
        queue.enqueue(keys)
        held = [*held, *keys][-7:]
        cosines = [[float(F.cosine_similarity(q, k, dim=0)) for k in held] for q in asked]
        best = torch.stack([held[row.index(max(row))] for row in cosines])
        torch.testing.assert_close(nearest_in(queue, asked), F.normalize(best, dim=1))


def test_no_gradient_and_float32() -> None:
    queue = Queue(size=4, dim=2)
    asked = QUERIES.clone().requires_grad_()
    for _ in range(2):
        assert not nearest_in(queue, asked).requires_grad
        assert nearest_in(queue, QUERIES.bfloat16()).dtype == torch.float32
        queue.enqueue(ROWS)
