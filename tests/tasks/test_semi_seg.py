"""The task semi_seg: who has labels, what a batch holds, whole volumes, and runs that repeat and
resume."""

import json
import math
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from stopping import same_weights, stopped_and_resumed

from pixcl_bench import runtime
from pixcl_bench.data.sets.volumes import Case, VolumeSet
from pixcl_bench.methods.contract.segmenter import Segmenter
from pixcl_bench.tasks import semi_seg
from pixcl_bench.tasks.settings import SemiSegSettings

CPU = torch.device("cpu")


def toy_case(i: int, patient: str, shape: tuple[int, int, int] = (4, 20, 24)) -> Case:
    g = torch.Generator().manual_seed(i)
    label = torch.zeros(shape, dtype=torch.uint8)
    y, x = (int(v) for v in torch.randint(3, 9, (2,), generator=g))
    label[1:, y : y + 8, x : x + 9] = 1
    label[1:3, y + 2 : y + 5, x + 2 : x + 6] = 2
    image = label.float() + 0.3 * torch.randn(shape, generator=g)
    return Case(f"case-{i}", patient, image, label, (5.0, 1.0, 2.0))


def toy_set(unit: str = "patient") -> VolumeSet:
    cases = tuple(toy_case(i, f"p{i // 2}") for i in range(16))
    splits = {"train": torch.arange(10), "val": torch.arange(10, 12), "test": torch.arange(12, 16)}
    return VolumeSet(
        "toy", "synthetic", "0" * 64, cases, splits, ("background", "wall", "pool"), unit
    )  # type: ignore[arg-type]


def toy_settings(**changes: object) -> SemiSegSettings:
    base = {
        "width": 4,
        "levels": 3,
        "patch": [16, 16],
        "labelled": 2,
        "batch_size": 6,
        "labelled_batch": 3,
        "steps": 6,
        "optimizer": "adamw",
        "lr": 5e-3,
    }
    return SemiSegSettings.model_validate_json(json.dumps(base | changes))


FLAT = toy_settings()
DEEP = toy_settings(network="vnet", patch=[4, 8, 8], batch_size=4, labelled_batch=2, steps=4)


class Painter(Segmenter):
    """Predicts class 2 where the image is bright, 1 where it is middling: no training needed."""

    trains = False

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.teacher = None

    def segment(self, images: torch.Tensor, *, teacher: bool = False) -> torch.Tensor:
        return torch.cat([-(images - c).square() for c in range(3)], 1)


# Who has labels


def test_items_are_slices_or_volumes_of_the_training_part_only() -> None:
    data = toy_set()
    flat = semi_seg.training_items(data, FLAT, seed=0)
    assert flat.where.tolist() == [[c, z] for c in range(10) for z in range(4)]
    deep = semi_seg.training_items(data, DEEP, seed=0)
    assert deep.where.tolist() == [[c, -1] for c in range(10)]


def test_whole_patients_have_labels() -> None:
    data = toy_set()
    items = semi_seg.training_items(data, FLAT, seed=0)
    owners = {data.cases[c].patient for c in items.where[items.labelled, 0].tolist()}
    others = {data.cases[c].patient for c in items.where[items.unlabelled, 0].tolist()}
    assert len(owners) == 2
    assert not owners & others
    assert len(items.labelled) == 2 * 2 * 4


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_number_of_slices_has_labels(count: int) -> None:
    settings = toy_settings(labelled=count)
    items = semi_seg.training_items(toy_set("slice"), settings, seed=3)
    assert len(items.labelled) == count
    assert len(items.unlabelled) == 40 - count
    by_list = semi_seg.training_items(
        toy_set("slice"), toy_settings(labelled=count, labelled_by="list"), seed=3
    )
    assert by_list.labelled.tolist() == list(range(count))


def test_the_draw_belongs_to_the_seed_and_more_labels_contain_fewer() -> None:
    data = toy_set("slice")
    few, more = (
        semi_seg.training_items(data, toy_settings(labelled=n), seed=1).labelled.tolist()
        for n in (3, 10)
    )
    assert set(few) <= set(more)
    assert semi_seg.training_items(data, toy_settings(labelled=3), seed=2).labelled.tolist() != few


def test_too_many_labels_and_slices_of_volumes_are_refused() -> None:
    with pytest.raises(ValueError, match="toy has 5 training patients, so 6"):
        semi_seg.training_items(toy_set(), toy_settings(labelled=6), seed=0)
    with pytest.raises(ValueError, match="labelled_unit: patient"):
        semi_seg.training_items(toy_set("slice"), DEEP, seed=0)


# The two streams (protocol, section 8)


@pytest.mark.parametrize(("n", "batch"), [(7, 3), (6, 3), (1, 4), (3, 8)])
def test_a_stream_shows_each_item_once_a_pass(n: int, batch: int) -> None:
    items = torch.arange(100, 100 + n)
    stream = semi_seg.stream(items, batch, 0, "labelled")
    row = torch.cat([next(stream) for _ in range(4 * n)]).tolist()
    for r in range(len(row) // n):
        assert sorted(row[r * n : (r + 1) * n]) == items.tolist()


@pytest.mark.parametrize("start", [0, 1, 5, 17])
def test_a_stream_can_start_anywhere(start: int) -> None:
    items = torch.arange(5)
    whole, part = semi_seg.stream(items, 3, 4, "u"), semi_seg.stream(items, 3, 4, "u", start)
    for _ in range(start):
        next(whole)
    for _ in range(6):
        assert torch.equal(next(whole), next(part))


def test_the_unlabelled_stream_covers_all_in_a_cycle() -> None:
    stream = semi_seg.stream(torch.arange(11), 4, 0, "unlabelled")
    assert set(torch.cat([next(stream) for _ in range(math.ceil(11 / 4))]).tolist()) == set(
        range(11)
    )


# Batches


def learner(name: str, settings: SemiSegSettings, **args: object) -> Segmenter:
    return semi_seg.make_learner(
        f"pixcl_bench.methods.{name}", args, settings, num_classes=3, seed=0
    )


SUPERVISED, MEAN_TEACHER, CEILING = (
    "baselines.semi_seg.supervised:supervised_only",
    "baselines.semi_seg.mean_teacher:mean_teacher",
    "baselines.semi_seg.supervised:all_labels",
)


@pytest.mark.parametrize("settings", [FLAT, DEEP], ids=["2D", "3D"])
def test_a_batch_holds_what_the_method_asks_for(settings: SemiSegSettings) -> None:
    for name, keys in (
        (SUPERVISED, {"labelled", "label"}),
        (MEAN_TEACHER, {"labelled", "label", "unlabelled"}),
    ):
        batch = next(
            semi_seg.batches(toy_set(), learner(name, settings), settings, seed=0, device=CPU)
        )
        assert set(batch) == keys
        n = settings.labelled_batch
        assert batch["labelled"].shape == (n, 1, *settings.patch)
        assert batch["label"].shape == (n, *settings.patch)
        assert batch["label"].dtype == torch.int64
        if "unlabelled" in batch:
            assert batch["unlabelled"].shape == (settings.batch_size - n, 1, *settings.patch)


@pytest.mark.parametrize("settings", [FLAT, DEEP], ids=["2D", "3D"])
def test_image_and_label_stay_together(settings: SemiSegSettings) -> None:
    """In the toy set the label is the image without its noise."""
    steps = semi_seg.batches(toy_set(), learner(SUPERVISED, settings), settings, seed=0, device=CPU)
    for _ in range(5):
        batch = next(steps)
        inside = batch["label"] > 0
        assert (
            batch["labelled"][:, 0][inside].mean() - batch["labelled"][:, 0][~inside].mean() > 0.8
        )


def test_all_methods_see_the_same_labelled_images() -> None:
    seen = []
    for name in (SUPERVISED, MEAN_TEACHER):
        steps = semi_seg.batches(toy_set(), learner(name, FLAT), FLAT, seed=0, device=CPU)
        for step in range(3):
            runtime.seed_all(step)
            seen.append(next(steps)["labelled"])
    assert all(torch.equal(a, b) for a, b in zip(seen[:3], seen[3:], strict=True))


def test_the_ceiling_draws_from_all_training_items_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, drawn = toy_set(), []
    plain = semi_seg.Training.batch
    monkeypatch.setattr(
        semi_seg.Training,
        "batch",
        lambda self, index: (drawn.extend(index.tolist()), plain(self, index))[1],
    )
    steps = semi_seg.batches(data, learner(CEILING, FLAT), FLAT, seed=0, device=CPU)
    for _ in range(math.ceil(40 / 3)):
        next(steps)
    assert set(drawn) == set(range(40))


def test_an_unlabelled_image_is_never_a_labelled_one(monkeypatch: pytest.MonkeyPatch) -> None:
    data, drawn = toy_set(), []
    plain = semi_seg.Training.batch
    monkeypatch.setattr(
        semi_seg.Training,
        "batch",
        lambda self, index: (drawn.append(index.tolist()), plain(self, index))[1],
    )
    steps = semi_seg.batches(data, learner(MEAN_TEACHER, FLAT), FLAT, seed=0, device=CPU)
    for _ in range(12):
        next(steps)
    items = semi_seg.training_items(data, FLAT, seed=0)
    assert {i for b in drawn[::2] for i in b} == set(items.labelled.tolist())
    assert {i for b in drawn[1::2] for i in b} <= set(items.unlabelled.tolist())


def test_ignored_voxels_arrive_as_minus_one() -> None:
    cases = list(toy_set().cases)
    label = cases[0].label.clone()
    label[0] = 255
    cases[0] = Case("case-0", "p0", cases[0].image, label, cases[0].spacing)
    data = VolumeSet(
        "toy", "synthetic", "0" * 64, tuple(cases), toy_set().splits, toy_set().class_names, "slice"
    )
    settings = toy_settings(labelled=1, labelled_by="list", augment="none")
    batch = next(
        semi_seg.batches(data, learner(SUPERVISED, settings), settings, seed=0, device=CPU)
    )
    assert (batch["label"] == -1).all()


def test_unknown_batch_keys_are_named() -> None:
    greedy = learner(SUPERVISED, FLAT)
    greedy.batch_keys = ("labelled", "views")  # type: ignore[misc]
    with pytest.raises(ValueError, match=r"cannot give \['views'\]"):
        next(semi_seg.batches(toy_set(), greedy, FLAT, seed=0, device=CPU))


# Whole volumes


@pytest.mark.parametrize("settings", [FLAT, DEEP], ids=["2D", "3D"])
def test_a_volume_is_segmented_at_its_own_size(settings: SemiSegSettings) -> None:
    case = toy_set().cases[12]
    sharp = Case(case.name, case.patient, case.label.float(), case.label, case.spacing)
    pred = semi_seg.segment_case(Painter(), sharp, settings, CPU)
    assert pred.shape == case.label.shape
    if len(settings.patch) == 3:
        assert torch.equal(pred, case.label.long())  # windows lose nothing
    else:
        assert (pred == case.label).float().mean() > 0.9  # the resize does, a little


def test_evaluation_scores_the_chosen_split_and_counts_what_is_undefined() -> None:
    data = toy_set()
    scores, predictions = semi_seg.evaluate(Painter(), data, DEEP, device=CPU)
    assert len(predictions) == 4
    assert scores["dice"] is not None
    assert 0.5 < scores["dice"] <= 1
    nothing = [torch.zeros_like(p) for p in predictions]
    empty = semi_seg.score(nothing, data.of("test"), data, DEEP)
    diagonal = math.dist((0, 0, 0), (4 * 5.0, 20 * 1.0, 24 * 2.0))
    assert (empty["dice"], empty["undefined"]) == (0.0, 8.0)
    assert empty["hd95"] == pytest.approx(diagonal)
    field = semi_seg.score(
        nothing, data.of("test"), data, DEEP.model_copy(update={"undefined": "field"})
    )
    assert (field["hd95"], field["undefined"]) == (0.0, 8.0)


def test_distances_in_millimetres_or_voxels() -> None:
    data = toy_set()
    shifted = [c.label.long().roll(1, 2) for c in data.of("test")]
    mm = semi_seg.score(shifted, data.of("test"), data, DEEP)
    voxels = semi_seg.score(
        shifted, data.of("test"), data, DEEP.model_copy(update={"spacing": False})
    )
    assert (mm["hd95"], voxels["hd95"]) == (2.0, 1.0)


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(ValueError, match="eval_split: toy has no split 'tset'"):
        semi_seg.evaluate(Painter(), toy_set(), toy_settings(eval_split="tset"), device=CPU)


def test_evaluating_the_teacher_needs_one() -> None:
    settings = toy_settings(evaluate="teacher", steps=2)
    result = semi_seg.run_semi_seg(
        f"pixcl_bench.methods.{MEAN_TEACHER}", {}, toy_set(), settings, seed=0, device=CPU
    )
    assert result.metrics["dice"] is not None
    with pytest.raises(ValueError, match="no teacher"):
        semi_seg.run_semi_seg(
            f"pixcl_bench.methods.{SUPERVISED}", {}, toy_set(), settings, seed=0, device=CPU
        )


def test_three_planes_pass_through_the_foreground() -> None:
    case = toy_set().cases[0]
    found = semi_seg.planes(case, case.label.long())
    assert [p.name for p in found] == ["z", "y", "x"]
    assert [tuple(p.image.shape) for p in found] == [(20, 24), (4, 24), (4, 20)]
    assert all((p.truth > 0).any() for p in found)
    assert [p.aspect for p in found] == [0.5, 2.5, 5.0]


# Runs

EVERY_METHOD = {
    "position_prior": ("baselines.semi_seg.supervised:position_prior", {}),
    "supervised_only": (SUPERVISED, {}),
    "all_labels": (CEILING, {}),
    "mean_teacher": (MEAN_TEACHER, {"start": 0.0}),
    "ua_mt": ("baselines.semi_seg.ua_mt:ua_mt", {}),
    "cps": ("baselines.semi_seg.cps:cps", {}),
    "mc_net": ("fba_net:mc_net", {}),
    "fba_net": ("fba_net:fba_net", {}),
    "fba_net_single": ("fba_net:fba_net", {"decoders": 1}),
    "arco_ns": ("arco.learner:arco", {"sampler": "ns"}),
    "arco_sg": ("arco.learner:arco", {"sampler": "sg"}),
    "arco_sag": ("arco.learner:arco", {"sampler": "sag"}),
}


@pytest.mark.parametrize("name", EVERY_METHOD)
@pytest.mark.parametrize("settings", [FLAT, DEEP], ids=["2D", "3D"])
def test_every_method_runs_and_repeats(name: str, settings: SemiSegSettings) -> None:
    target, args = EVERY_METHOD[name]
    settings = settings.model_copy(update={"steps": 3, "eval_split": "val"})
    with runtime.reproducible():
        first, second = (
            semi_seg.run_semi_seg(
                f"pixcl_bench.methods.{target}", args, toy_set(), settings, seed=1, device=CPU
            )
            for _ in range(2)
        )
    assert first.metrics == second.metrics
    for (k, a), b in zip(
        first.learner.state_dict().items(), second.learner.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), k


@pytest.mark.parametrize("name", ["mean_teacher", "arco_sg", "fba_net"])
def test_a_killed_run_goes_on_to_the_same_bits(name: str, tmp_path: Path) -> None:
    target, args = EVERY_METHOD[name]
    settings = toy_settings(steps=8, checkpoint_every=3, eval_split="val")

    def run(folder: Path, on_step: object = None) -> semi_seg.RunResult:
        return semi_seg.run_semi_seg(
            f"pixcl_bench.methods.{target}",
            args,
            toy_set(),
            settings,
            seed=0,
            device=CPU,
            folder=folder,
            owner="k",
            on_step=on_step,
        )  # type: ignore[arg-type]

    (tmp_path / "a").mkdir()
    with runtime.reproducible():
        whole = run(tmp_path / "a")
        again = stopped_and_resumed(run, tmp_path / "b", at=7)
    assert again.timings["resumed_at"] == 6
    assert whole.metrics == again.metrics
    same_weights(whole.learner, again.learner)


def test_training_beats_the_initial_weights() -> None:
    settings = toy_settings(steps=60, labelled=4, dropout=False, lr=0.01)
    none, some = (
        semi_seg.run_semi_seg(
            f"pixcl_bench.methods.{SUPERVISED}",
            {},
            toy_set(),
            settings.model_copy(update={"steps": n}),
            seed=0,
            device=CPU,
        )
        for n in (0, 60)
    )
    assert some.metrics["dice"] > none.metrics["dice"] + 0.2  # type: ignore[operator]


def test_a_learner_of_another_task_is_refused() -> None:
    with pytest.raises(TypeError, match="needs a Segmenter"):
        semi_seg.make_learner(
            "pixcl_bench.methods.floors.image_ssl:mean_color", {}, FLAT, num_classes=3, seed=0
        )


# Settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch": [60, 64], "levels": 4}, "multiple of 8"),
        ({"patch": [16, 16, 16]}, "unet takes 2 sides"),
        ({"network": "vnet"}, "vnet takes 3 sides"),
        ({"labelled_batch": 6}, "leaves nothing unlabelled"),
        ({"stride": [4, 4, 4]}, "slices are not cut"),
        ({"network": "vnet", "patch": [4, 8, 8], "stride": [8, 8, 8]}, "skips voxels"),
        ({"labelled": 0}, "greater than or equal to 1"),
        ({"schedule": "polynomial"}, "Input should be"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        toy_settings(**change)


def test_defaults_are_those_of_the_field() -> None:
    d = SemiSegSettings()
    assert (d.lr, d.schedule, d.weight_decay, d.momentum, d.batch_size, d.labelled_batch) == (
        0.01,
        "poly",
        1e-4,
        0.9,
        24,
        12,
    )
    assert (d.patch, d.steps, d.width, d.levels, d.decay_all) == ((256, 256), 30000, 16, 5, True)
