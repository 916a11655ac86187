"""The task: what a learner is shown, the same bits twice, and an evaluation that changes
nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pixcl_bench.data.sets.images import ImageSet
from pixcl_bench.data.sets.paired import with_counterparts
from pixcl_bench.methods.contract.learner import Learner
from pixcl_bench.methods.contract.pairs import PairLearner
from pixcl_bench.tasks.image_ssl import (
    Prepared,
    RunResult,
    batches,
    evaluate,
    features,
    make_learner,
    match_counterparts,
    prepare,
    pretrain,
    run_image_ssl,
    two_views,
    uses_labels,
)
from pixcl_bench.tasks.settings import ImageSSLSettings, ViewSettings
from pixcl_bench.train import epoch_order

CPU = torch.device("cpu")
SETTINGS = ImageSSLSettings(
    encoder="vit_micro",
    steps=3,
    batch_size=16,
    probe_epochs=2,
    probe_lrs=(0.1, 1.0),
    views=ViewSettings(flip=0.0, grey=0.0, jitter=(0.2, 0.2, 0.0, 0.0)),
)
SIMCLR, PATCHMIX = (
    "pixcl_bench.methods.baselines.image_ssl.simclr:simclr",
    "pixcl_bench.methods.patchmix:patchmix",
)
SMALL = {"hidden": 16, "out": 8}


def small(digits: ImageSet, n: int = 200) -> ImageSet:
    from dataclasses import replace

    return replace(digits, splits={k: v[:n] for k, v in digits.splits.items()})


def test_encoder_weights_depend_on_the_seed_alone() -> None:
    def make(target: str, seed: int, **args: Any) -> Any:
        return make_learner(target, args, SETTINGS, num_classes=3, seed=seed)

    a, b = make(SIMCLR, 0, **SMALL), make(PATCHMIX, 0, **SMALL)
    assert all(
        torch.equal(x, y)
        for x, y in zip(a.encoder.parameters(), b.encoder.parameters(), strict=True)
    )
    assert not torch.equal(make(SIMCLR, 1, **SMALL).encoder.pos_embed, a.encoder.pos_embed)


def test_learner_sees_what_it_lists_and_nothing_else(digits: ImageSet) -> None:
    class Curious(Learner):
        batch_keys = ("view1", "depth")

    learner = make_learner(SIMCLR, SMALL, SETTINGS, num_classes=10, seed=0)
    assert set(next(batches(digits, learner, SETTINGS, seed=0, device=CPU))) == {"view1", "view2"}
    with pytest.raises(ValueError, match="cannot give \\['depth'\\]"):
        next(batches(digits, Curious(), SETTINGS, seed=0, device=CPU))


def test_labels_only_for_the_ceiling_and_from_train(digits: ImageSet) -> None:
    ceiling = make_learner(
        "pixcl_bench.methods.floors.image_ssl:supervised", {}, SETTINGS, num_classes=10, seed=0
    )
    assert uses_labels(ceiling)
    assert not uses_labels(make_learner(SIMCLR, SMALL, SETTINGS, num_classes=10, seed=0))
    batch = next(batches(digits, ceiling, SETTINGS, seed=0, device=CPU))
    assert set(batch) == {"view1", "label"}
    assert int(batch["label"].min()) >= 0


def test_methods_see_the_same_images_in_the_same_views(digits: ImageSet) -> None:
    seen = []
    for target in (SIMCLR, PATCHMIX):
        learner = make_learner(target, SMALL, SETTINGS, num_classes=10, seed=0)
        stream = batches(digits, learner, SETTINGS, seed=0, device=CPU, start=2)
        torch.manual_seed(7)
        seen.append(next(stream)["view2"])
    assert torch.equal(*seen)


def asks_for(*keys: str) -> Learner:
    class Asking(Learner):
        batch_keys = keys

    return Asking()


def test_third_view_is_drawn_like_the_first_and_moves_no_other_draw(digits: ImageSet) -> None:
    """A learner of two views gets what `TwoViews` draws after the same seed, as it always did; one
    that also asks for a third gets these and another view."""
    views = SETTINGS.views.model_copy(update={"blur": 1.0, "solarise_2": 1.0})
    settings = SETTINGS.model_copy(update={"views": views})
    found, after = {}, {}
    for keys in (("view1", "view2"), ("view1", "view2", "view3")):
        stream = batches(digits, asks_for(*keys), settings, seed=0, device=CPU)
        torch.manual_seed(7)
        found[len(keys)], after[len(keys)] = next(stream), torch.rand(())
    order = next(epoch_order(len(digits.splits["unlabelled"]), settings.batch_size, 0))
    images = next(digits.images.batches([digits.splits["unlabelled"][order]], CPU))
    augment = two_views(settings, digits.mean, digits.std)
    torch.manual_seed(7)
    one, two = augment(images)
    assert torch.equal(after[2], torch.rand(()))
    for batch in found.values():
        assert torch.equal(batch["view1"], one.image)
        assert torch.equal(batch["view2"], two.image)
    torch.manual_seed(7)
    drawn = [augment.one(images), augment.two(images), augment.one(images)]
    assert torch.equal(found[3]["view3"], drawn[2].image)
    assert torch.equal(after[3], torch.rand(()))
    assert not torch.equal(found[3]["view3"], found[3]["view1"])


@pytest.mark.parametrize("start", [0, 5])
def test_ordinary_learners_draw_as_before_there_were_pairs(digits: ImageSet, start: int) -> None:
    """The order of images, the views and the random state: from the definition, in plain words."""
    learner = make_learner(SIMCLR, SMALL, SETTINGS, num_classes=10, seed=0)
    pool = digits.splits["unlabelled"]
    augment = two_views(SETTINGS, digits.mean, digits.std)
    for one in (learner, PairLearner(learner)):
        stream = batches(digits, one, SETTINGS, seed=3, device=CPU, start=start)
        order = epoch_order(len(pool), SETTINGS.batch_size, 3, start)
        for step in range(2):
            torch.manual_seed(step)
            images = next(iter(digits.images.batches([pool[next(order)]], CPU)))
            wanted = [augment.one(images).image, augment.two(images).image]
            state = torch.get_rng_state()
            torch.manual_seed(step)
            batch = next(stream)
            assert torch.equal(torch.get_rng_state(), state)
            assert all(
                torch.equal(batch[k], w) for k, w in zip(one.batch_keys, wanted, strict=False)
            )


def test_pairs_are_of_the_images_that_they_name(digits: ImageSet) -> None:
    class Next(PairLearner):
        def sources(self, items: Any, count: int, generator: Any) -> Any:
            return torch.stack([items, (items + 1) % count], 1)

    still = ViewSettings(
        scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0, jitter=(0, 0, 0, 0), grey=0.0, blur=0.0
    )
    settings = SETTINGS.model_copy(update={"views": still})
    learner = Next(make_learner(SIMCLR, SMALL, settings, num_classes=10, seed=0))
    batch = next(batches(digits, learner, settings, seed=0, device=CPU))
    pool = digits.splits["unlabelled"]
    mean, std = (torch.tensor(t).view(3, 1, 1) for t in (digits.mean, digits.std))
    for view, source in (("pair1", "source1"), ("pair2", "source2")):
        images = next(iter(digits.images.batches([pool[batch[source]]], CPU))).float() / 255
        torch.testing.assert_close(batch[view] * std + mean, images, atol=1e-4, rtol=0)
    learner.batch_keys = ("pair1", "view1")  # type: ignore[misc]
    with pytest.raises(ValueError, match="cannot give \\['view1'\\] of pairs"):
        next(batches(digits, learner, settings, seed=0, device=CPU))


def test_ordinary_learners_are_not_prepared(digits: ImageSet) -> None:
    learner = make_learner(SIMCLR, SMALL, SETTINGS, num_classes=10, seed=0)
    assert prepare(learner, digits, SETTINGS, seed=0, device=CPU) == Prepared()


def test_same_bits_twice_and_after_a_kill(digits: ImageSet, tmp_path: Path) -> None:
    data = small(digits)
    settings = SETTINGS.model_copy(update={"steps": 6, "checkpoint_every": 2})

    def run(**more: Any) -> RunResult:
        args = {**SMALL, "momentum": 0.9}
        return run_image_ssl(PATCHMIX, args, data, settings, seed=0, device=CPU, **more)

    first, second = run(), run()

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder=tmp_path, owner="k", on_step=stop)
    third = run(folder=tmp_path, owner="k")
    assert third.timings["resumed_at"] == 4
    for other in (second, third):
        assert other.metrics == first.metrics
        assert other.history == first.history
        states = zip(
            first.learner.state_dict().values(), other.learner.state_dict().values(), strict=True
        )
        assert all(torch.equal(a, b) for a, b in states)


def test_evaluation_changes_nothing_and_gives_all_metrics(digits: ImageSet) -> None:
    data = small(digits)
    settings = SETTINGS.model_copy(update={"random_head": True})
    learner = make_learner(SIMCLR, SMALL, settings, num_classes=10, seed=0).to(CPU)
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    scores = evaluate(learner, data, settings, seed=0, device=CPU)
    assert all(torch.equal(v, before[k]) for k, v in learner.state_dict().items())
    accuracies = {
        "knn20_top1",
        "knn200_top1",
        "knn20_top5",
        "linear_top1",
        "linear_top5",
        "majority_top1",
    }
    diagnostics = {"alignment", "uniformity", "effective_rank", "feature_std"}
    wanted = {*accuracies, *diagnostics, "random_head_knn20_top1"}
    assert wanted <= set(scores)
    assert all(0 <= scores[k] <= 1 for k in wanted if "top" in k)


def test_only_paired_sets_are_matched_and_other_scores_stay(digits: ImageSet) -> None:
    data, learner = small(digits), make_learner(SIMCLR, SMALL, SETTINGS, num_classes=10, seed=0)
    partner = torch.arange(len(digits.images))
    twins = with_counterparts(data, digits.images, partner)
    plain, paired = (evaluate(learner, d, SETTINGS, seed=0, device=CPU) for d in (data, twins))
    assert not [name for name in plain if name.startswith("matching")]
    matched = {name: paired.pop(name) for name in sorted(paired) if name.startswith("matching")}
    assert paired == plain
    assert matched == {"matching_chance": 1 / 200, "matching_top1": 1.0, "matching_top5": 1.0}
    shifted = with_counterparts(data, digits.images, partner.roll(1))
    assert match_counterparts(learner, shifted, SETTINGS, CPU)["matching_top1"] < 0.1
    one = with_counterparts(data, digits.images, torch.zeros_like(partner))
    assert match_counterparts(learner, one, SETTINGS, CPU) == {
        "matching_top1": 1.0,
        "matching_chance": 1.0,
    }


def test_pre_training_sees_all_unlabelled_images_and_no_others(digits: ImageSet) -> None:
    """As on STL-10, where the unlabelled images are others than the labelled ones."""
    from dataclasses import replace

    unlabelled = torch.arange(32)
    labels = digits.labels.index_fill(0, unlabelled, -1)
    splits = {k: v[v >= 32][:40] for k, v in digits.splits.items()} | {"unlabelled": unlabelled}
    data, asked = replace(digits, labels=labels, splits=splits), []

    class Watched:
        size, __len__ = data.images.size, data.images.__len__

        def batches(self, index_batches: Any, device: Any) -> Any:
            for index in index_batches:
                asked.append(index)
                yield from data.images.batches([index], device)

    learner = make_learner(SIMCLR, SMALL, SETTINGS, num_classes=10, seed=0)
    settings = SETTINGS.model_copy(update={"steps": 2, "batch_size": 16})
    pretrain(learner, replace(data, images=Watched()), settings, seed=0, device=CPU)
    assert sorted(torch.cat(asked[:2]).tolist()) == unlabelled.tolist()
    assert set(torch.cat(asked).tolist()) == set(unlabelled.tolist())


def test_features_follow_the_split(digits: ImageSet) -> None:
    data = small(digits, 30)
    learner = make_learner(
        "pixcl_bench.methods.floors.image_ssl:mean_color", {}, SETTINGS, num_classes=10, seed=0
    )
    whole = features(learner, data, "val", SETTINGS, CPU)
    parts = features(learner, data, "val", SETTINGS.model_copy(update={"eval_batch": 7}), CPU)
    torch.testing.assert_close(whole, parts)
    assert whole.shape == (30, 4)  # three means and the constant


def test_zero_steps_leave_the_weights(digits: ImageSet) -> None:
    learner = make_learner(SIMCLR, SMALL, SETTINGS, num_classes=10, seed=0)
    before = learner.encoder.pos_embed.clone()
    settings = SETTINGS.model_copy(update={"steps": 0})
    assert pretrain(learner, digits, settings, seed=0, device=CPU).history == []
    assert torch.equal(learner.encoder.pos_embed, before)


@pytest.mark.gpu
def test_runs_on_a_gpu_in_bf16(digits: ImageSet) -> None:
    settings = SETTINGS.model_copy(update={"precision": "bf16", "channels_last": True})
    result = run_image_ssl(
        PATCHMIX, SMALL, small(digits), settings, seed=0, device=torch.device("cuda")
    )
    assert result.metrics["knn20_top1"] > 0
