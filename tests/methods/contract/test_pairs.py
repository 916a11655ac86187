"""The contract of learners of pairs: an inner learner sees the views, and statistics of pairs."""

import pytest
import torch
from torch import nn

from pixcl_bench.methods.baselines.image_ssl.simclr import simclr
from pixcl_bench.methods.contract.pairs import PairLearner, pair_statistics
from pixcl_bench.nets.encoders import build_encoder


def test_the_inner_learner_sees_the_pairs_as_views() -> None:
    torch.manual_seed(0)
    inner = simclr(encoder=build_encoder("conv_nano"), hidden=16, out=8)
    learner = PairLearner(inner)
    one, two = torch.rand(2, 4, 3, 32, 32)
    batch = {"pair1": one, "pair2": two, "source1": torch.arange(4), "source2": torch.arange(4)}
    found = learner.losses(batch, 0.0)["loss"]
    assert torch.equal(found, inner.losses({"view1": one, "view2": two}, 0.0)["loss"])
    assert learner.batch_keys == ("pair1", "pair2", "source1", "source2")
    assert torch.equal(learner.eval().embed(one), inner.eval().embed(one))
    assert isinstance(learner.encoder, nn.Module)
    assert not learner.prepared


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([[0, 1], [0, 2]], {"pairs": 2, "pair_coverage": 0.5, "pair_precision": 0.5}),
        ([[0, 5]], {"pairs": 1, "pair_coverage": 2 / 6}),
        ([], {"pairs": 0, "pair_coverage": 0}),
    ],
)
def test_statistics_count_known_labels_alone(
    pairs: list[list[int]], expected: dict[str, float]
) -> None:
    labels = torch.tensor([1, 1, 2, 2, 1, -1])
    found = pair_statistics(torch.tensor(pairs, dtype=torch.int64).view(-1, 2), 6, labels)
    assert found == pytest.approx(expected)
