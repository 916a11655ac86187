"""When a pilot lets a claim be decided: budgets at their plateau, much to win on the set."""

from dataclasses import replace

import fake_records as fake
import pytest
from shown import by_id

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.bench.config.schema import Metric
from pixcl_bench.bench.records.store import Record
from pixcl_bench.report.pilots import (
    Pilot,
    Point,
    enough_steps,
    read_pilot,
    smallest_effect,
    unfitness,
)
from pixcl_bench.report.verdicts import Verdict, decide_claims

CLAIM = "patchmix-over-moco-v3"
FLAT = {
    "random_init": (0.42,),
    "mean_color": (0.38,),
    "moco_v3": (0.60, 0.61, 0.611),
    "patchmix": (0.64, 0.66, 0.661),
    "supervised": (0.79, 0.80, 0.801),
}
STEPS = (100, 300, 900)


@pytest.fixture(scope="module")
def config() -> Config:
    return fake.load()


def verdict(config: Config, pilots: list[Record], steps: int = 100) -> Verdict:
    settings = {"lr": 1e-3, "steps": steps, "views": {"flip": 0.5}, "eval_split": "test"}
    records = fake.grid(10, profile="study", settings=settings)
    return by_id(decide_claims(config, records, pilots))[CLAIM]


def points(*means: float) -> tuple[Point, ...]:
    return tuple(Point(s, {100: m, 101: m, 102: m}) for s, m in zip(STEPS, means, strict=False))


def test_a_budget_is_enough_when_three_times_of_it_change_nothing() -> None:
    pilot = Pilot(
        "t", "d", "cpu", "m", {"a": points(0.5, 0.51, 0.512), "b": points(0.6, 0.602, 0.6)}
    )
    assert enough_steps(pilot, ["b"], 0.01) == 100
    assert enough_steps(pilot, ["a"], 0.01) == 300
    assert enough_steps(pilot, ["a", "b"], 0.01) == 300, "it must be enough for both"
    assert enough_steps(pilot, ["a"], 0.005) is None
    assert enough_steps(pilot, ["a", "absent"], 0.01) is None
    short = replace(pilot, curves={"a": points(0.5)})
    assert enough_steps(short, ["a"], 0.01) is None, "nothing to compare with"
    same = {0: 0.5, 1: 0.5, 2: 0.5}
    twice = Pilot("t", "d", "cpu", "m", {"a": (Point(100, same), Point(200, same))})
    assert enough_steps(twice, ["a"], 0.01) is None, "twice is not three times"


def test_the_smallest_effect_is_a_point_or_a_twentieth_of_an_error() -> None:
    accuracy = Metric(label="a", direction="max", scale=100.0)
    error = Metric(label="e", direction="min")
    assert smallest_effect(accuracy, 0.7) == 0.01
    assert smallest_effect(error, 4.0) == pytest.approx(0.2)


def test_without_a_pilot_every_claim_is_premature(config: Config) -> None:
    found = verdict(config, [])
    assert (found.verdict, found.tendency) == ("premature", "reproduced")
    assert "no pilot" in found.note
    records = fake.grid(10, profile="study")
    assert by_id(decide_claims(config, records))[CLAIM].verdict == "reproduced", "not asked about"


def test_a_claim_is_decided_at_the_plateau_only(config: Config) -> None:
    pilots = fake.pilot(FLAT, STEPS)
    short = verdict(config, pilots, 100)
    assert short.verdict == "premature"
    assert short.note.startswith("100 steps; by the pilot 300 are enough")
    assert verdict(config, pilots, 300).verdict == "reproduced"
    assert verdict(config, pilots, 300).tendency is None
    rising = fake.pilot({**FLAT, "patchmix": (0.6, 0.65, 0.7)}, STEPS)
    still = verdict(config, rising, 900)
    assert still.verdict == "premature"
    assert "not at its plateau after the pilot's 900 steps" in still.note
    lacking = [record for record in pilots if record.method != "moco_v3"]
    assert "no runs of moco_v3" in verdict(config, lacking, 300).note


def test_a_pilot_on_other_data_says_nothing(config: Config) -> None:
    assert verdict(config, fake.pilot(FLAT, STEPS, dataset="digits"), 300).verdict == "premature"
    assert verdict(config, fake.pilot(FLAT, STEPS, device="cuda"), 300).verdict == "premature"
    changed = fake.pilot(FLAT, STEPS, data={"fingerprint": "e" * 64})
    assert verdict(config, changed, 300).verdict == "premature"


def test_a_pilot_of_another_network_says_nothing(config: Config) -> None:
    pilots = fake.pilot(FLAT, STEPS)
    other = [r.model_copy(update={"settings": {**r.settings, "encoder": "x"}}) for r in pilots]
    assert "no pilot" in verdict(config, other, 300).note
    tuned = [r.model_copy(update={"settings": {**r.settings, "lr": 0.5}}) for r in pilots]
    assert verdict(config, tuned, 300).verdict == "reproduced", "a rate is a method's own choice"


def test_two_seeds_show_no_plateau(config: Config) -> None:
    some = [record for record in fake.pilot(FLAT, STEPS) if record.seed < 102]
    assert "not at its plateau" in verdict(config, some, 900).note


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mean_color": (0.7,)}, "mean colour beats every network"),
        ({"supervised": (0.5, 0.5, 0.5)}, "too little between floor and ceiling"),
    ],
)
def test_unfit_sets(config: Config, changed: dict[str, tuple[float, ...]], words: str) -> None:
    found = verdict(config, fake.pilot({**FLAT, **changed}, STEPS), 300)
    assert (found.verdict, found.tendency) == ("unfit", "reproduced")
    assert words in found.note


def test_seeds_that_differ_widely_make_a_set_unfit(config: Config) -> None:
    records = fake.pilot({k: v for k, v in FLAT.items() if k != "patchmix"}, STEPS)
    for steps in STEPS:
        more = {"settings": {"steps": steps}, "sweep": {"steps": steps}, "profile": "pilot"}
        records += [fake.record("patchmix", 100 + i, 0.5 + 0.3 * i, **more) for i in range(2)]
    pilot = read_pilot(records, "knn20_top1")
    assert pilot is not None
    task = config.tasks["image_ssl"]
    assert "seeds of one method" in unfitness(pilot, task, ["patchmix", "moco_v3"])
    assert unfitness(pilot, task, ["moco_v3"]) == ""


def test_records_of_a_sweep_stand_in_no_table(config: Config) -> None:
    pilots = fake.pilot(FLAT, STEPS, profile="study")
    swept = [record for record in pilots if record.sweep]
    assert {v.verdict for v in decide_claims(config, swept)} == {"no data"}
