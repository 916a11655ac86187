"""The task retrieval: captions, queries, relevance, controls, exactness and learning."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
import torch

from pixcl_bench.data.sets.images import TensorImages
from pixcl_bench.data.sets.pairs import PairSet, key_numbers
from pixcl_bench.metrics import retrieval as metrics
from pixcl_bench.tasks import retrieval
from pixcl_bench.tasks.examples import example_data
from pixcl_bench.tasks.settings import RetrievalSettings

CPU = torch.device("cpu")
CLAIRES = "pixcl_bench.methods.claires.learner:claires"
CHANCE = "pixcl_bench.methods.floors.retrieval:chance"
TINY: dict[str, Any] = {"out": 16, "text_width": 16, "text_layers": 1, "text_heads": 2}
SETTINGS = RetrievalSettings(
    encoder="conv_nano", image_size=16, batch_size=8, steps=3, resamples=100, lr=5e-3
)


@pytest.fixture(scope="module")
def data() -> PairSet:
    found = example_data(SETTINGS.model_copy(update={"batch_size": 24}))
    assert isinstance(found, PairSet)
    return found


def coloured(data: PairSet) -> PairSet:
    """The same set with images in the colour of their name."""
    colours = 255 * torch.tensor([[int(c) for c in f"{n:03b}"] for n in range(1, 7)])
    numbers = [int(record["name"].split()[1]) for record in data.records]
    images = colours[numbers][:, :, None, None].expand(-1, -1, 16, 16).to(torch.uint8)
    return replace(data, images=TensorImages(images.contiguous()))


def made(data: PairSet, **args: Any) -> retrieval.RetrievalLearner:
    return retrieval.make_learner(CLAIRES, {**TINY, **args}, SETTINGS, data, seed=0)


def stream(data: PairSet, settings: RetrievalSettings, start: int = 0) -> Iterator[dict[str, Any]]:
    return retrieval.batches(data, made(data), settings, seed=0, device=CPU, start=start)


def test_batches_go_on_where_they_stopped(data: PairSet) -> None:
    for change in ({}, {"unique_keys": True}, {"paraphrase": 0.5}):
        settings = SETTINGS.model_copy(update=change)
        whole = list(islice(stream(data, settings), 7))
        for step in (1, 3, 6):
            again = next(stream(data, settings, step))
            for name in ("tokens", "mask", "group"):
                assert torch.equal(again[name], whole[step][name])


def test_canonical_captions_where_nothing_is_varied(data: PairSet) -> None:
    index = data.splits["train"][:6]
    settings = SETTINGS.model_copy(update={"paraphrase": 0.0})
    assert retrieval.spoken(data, index, settings, 0, 3) == data.captions(index)
    varied = retrieval.spoken(data, index, SETTINGS, 0, 3)
    assert varied != data.captions(index)
    assert varied == retrieval.spoken(data, index, SETTINGS, 0, 3)


def test_permuted_captions_stay_in_the_training_part(data: PairSet) -> None:
    learner, pool = made(data, permuted=True), data.splits["train"]
    found = retrieval.caption_sources(learner, pool, 0)
    assert torch.equal(found.sort().values, pool)
    assert not torch.equal(found, pool)
    assert torch.equal(found, retrieval.caption_sources(learner, pool, 0))
    assert torch.equal(retrieval.caption_sources(made(data), pool, 0), pool)
    numbers = key_numbers(data)
    batch = next(retrieval.batches(data, learner, SETTINGS, seed=0, device=CPU))
    order = next(retrieval.epoch_order(len(pool), 8, 0))
    assert torch.equal(batch["group"], numbers[found[order]])


@pytest.mark.parametrize("seed", range(3))
def test_unique_orders_are_permutations_with_few_repeats(seed: int) -> None:
    groups = torch.arange(37) % 11
    found = list(islice(retrieval.unique_order(groups, 6, seed), 12))
    for epoch in (found[:6], found[6:]):
        assert len(torch.cat(epoch).unique()) == 36
    repeats = sum(6 - len(groups[batch].unique()) for batch in found)
    assert repeats <= 12
    for start in (2, 7):
        assert torch.equal(next(retrieval.unique_order(groups, 6, seed, start)), found[start])


def test_augmentation_without_strength_is_none(data: PairSet) -> None:
    images = data.images.batches([torch.arange(3)], CPU)
    still = SETTINGS.model_copy(update={"rotation": 0.0, "crop": (1.0, 1.0), "jitter": (0.0, 0.0)})
    shown = next(iter(images))
    assert torch.allclose(retrieval.augmented(shown, still), shown / 255, atol=1e-5)
    torch.manual_seed(0)
    changed = retrieval.augmented(shown, SETTINGS)
    assert (changed - shown / 255).abs().max() > 0.05


def test_relevance_by_its_three_rules(data: PairSet) -> None:
    index = data.splits["train"]
    places = retrieval.query_places(data, index, SETTINGS)
    keys = [data.captioner.key(data.records[i]) for i in index.tolist()]
    assert [keys[p] for p in places.tolist()] == list(dict.fromkeys(keys))
    for rule in ("strict", "key", "field"):
        settings = SETTINGS.model_copy(update={"relevance": rule})
        found = retrieval.relevance(data, index, places, settings)
        for row, place in zip(found.tolist(), places.tolist(), strict=True):
            expected = [
                i == place if rule == "strict" else keys[i] == keys[place] for i in range(len(keys))
            ]
            assert row == expected
    every = SETTINGS.model_copy(update={"queries": "per_image"})
    assert len(retrieval.query_places(data, index, every)) == len(index)


def test_fields_that_a_query_does_not_name_may_differ(data: PairSet) -> None:
    records = list(data.records)
    first, second = data.splits["test"][:2].tolist()
    records[first] = {"name": "cat", "category": ""}
    records[second] = {"name": "cat", "category": "pets"}
    changed = replace(data, records=tuple(records))
    settings = SETTINGS.model_copy(update={"relevance": "field"})
    found = retrieval.relevance(changed, changed.splits["test"][:2], torch.arange(2), settings)
    assert found.tolist() == [[True, True], [False, True]]


def test_metrics_are_those_of_the_search(data: PairSet) -> None:
    learner = made(data)
    found = retrieval.search(learner, data, SETTINGS, CPU)
    scores = retrieval.evaluate(learner, data, SETTINGS, seed=0, device=CPU)
    ranks = metrics.relevant_ranks(found.scores, found.right)
    back = metrics.relevant_ranks(found.scores.T, found.right.T)
    assert scores["mrr"] == float(metrics.mrr(ranks).mean())
    assert scores["image_hit1"] == float(metrics.hit_at(back, 1).mean())
    counts = found.right.sum(1)
    expected = float(metrics.chance_hit(counts, len(found.index), 3).mean())
    assert scores["chance_hit3"] == pytest.approx(expected)
    assert scores["hit3_low"] <= scores["hit3"] <= scores["hit3_high"]
    assert scores["gallery"] == 4


def test_chance_is_reported_without_a_search(data: PairSet) -> None:
    learner = retrieval.make_learner(CHANCE, {}, SETTINGS, data, seed=0)
    scores = retrieval.evaluate(learner, data, SETTINGS, seed=0, device=CPU)
    assert scores["hit3"] == scores["chance_hit3"]
    assert scores["image_mrr"] == scores["chance_image_mrr"]
    assert "hit3_low" not in scores


def test_runs_with_the_same_seed_are_bit_equal(data: PairSet) -> None:
    def run(seed: int) -> retrieval.RunResult:
        return retrieval.run_retrieval(
            CLAIRES, TINY, data, SETTINGS, seed=seed, device=CPU, progress=False
        )

    one, two, other = run(0), run(0), run(1)
    assert one.metrics == two.metrics
    assert one.history == two.history
    for a, b in zip(
        one.learner.state_dict().values(), two.learner.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)
    assert one.history != other.history


def test_true_pairs_are_learned_and_permuted_ones_are_not(data: PairSet) -> None:
    shown = coloured(data)
    settings = SETTINGS.model_copy(update={"steps": 60, "eval_split": "train", "paraphrase": 0.0})
    found = {}
    # `train` may be evaluated here, because the question is what the pairs say.
    settings = RetrievalSettings.model_construct(**settings.model_dump())
    for permuted in (False, True):
        args = {**TINY, "permuted": permuted, "objective": "group"}
        run = retrieval.run_retrieval(
            CLAIRES, args, shown, settings, seed=0, device=CPU, progress=False
        )
        found[permuted] = run.metrics["mrr"]
    assert found[False] > 0.9
    assert found[True] < 0.7


def test_mistakes_are_named(data: PairSet) -> None:
    with pytest.raises(TypeError, match="no RetrievalLearner"):
        retrieval.make_learner(
            "pixcl_bench.methods.floors.image_ssl:random_init", {}, SETTINGS, data, seed=0
        )
    with pytest.raises(ValueError, match="areas rise"):
        RetrievalSettings(crop=(1.0, 0.5))
    with pytest.raises(ValueError, match="3 is among them"):
        RetrievalSettings(ks=(1, 5))
