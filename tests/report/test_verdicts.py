"""Verdicts on claims from records with invented numbers, and how they are shown."""

import fake_records as fake
import pytest
from shown import by_id, printed, with_claim, with_task

from pixcl_bench.bench.config.reading import Config
from pixcl_bench.report import stats
from pixcl_bench.report.render import claims
from pixcl_bench.report.rows import metric_values
from pixcl_bench.report.verdicts import decide_claims


@pytest.fixture(scope="module")
def config() -> Config:
    return fake.load()


def test_verdicts_of_ten_seeds(config: Config) -> None:
    records = fake.grid(10, profile="study")
    found = by_id(decide_claims(config, records))
    verdict = found["patchmix-over-moco-v3"]
    a, b = (
        metric_values([r for r in records if r.method == m], "knn20_top1")
        for m in ("patchmix", "moco_v3")
    )
    differences = [a[s] - b[s] for s in range(10)]
    assert verdict.verdict == "reproduced"
    assert (verdict.n, verdict.seeds) == (10, tuple(range(10)))
    assert verdict.difference == stats.bootstrap_interval(differences)
    assert verdict.p == stats.sign_flip_test(differences)
    family = [v.p for v in found.values()]
    assert [v.p_holm for v in found.values()] == stats.holm(family)
    assert verdict.better.mean == pytest.approx(sum(a.values()) / 10)
    assert verdict.keys_than == tuple(r.key for r in records if r.method == "moco_v3")
    assert verdict.dataset_kind == "embedded"


def test_a_claim_can_be_contradicted(config: Config) -> None:
    records = [fake.record("moco_v3", s, 0.8 + s / 1000, profile="study") for s in range(10)]
    records += [fake.record("patchmix", s, 0.6 + s / 2000, profile="study") for s in range(10)]
    verdict = by_id(decide_claims(config, records))["patchmix-over-moco-v3"]
    assert verdict.verdict == "contradicted"
    assert verdict.difference.high < 0


def test_few_seeds_decide_nothing(config: Config) -> None:
    for verdict in decide_claims(config, fake.grid(3)):
        assert verdict.verdict == "undecided"
        assert verdict.p is verdict.p_holm is None
        assert "3 paired seeds: at least 6 are needed" in verdict.note
        assert verdict.difference.n == 3


def test_no_data(config: Config) -> None:
    verdicts = decide_claims(config, fake.grid(10, ("simclr",)))
    assert {v.verdict for v in verdicts} == {"no data"}
    assert len(verdicts) == len(config.claims)
    for text in (claims.markdown_claims(config, verdicts), claims.html_claims(config, verdicts)):
        assert "no paired runs" in text


def test_only_equal_pairs_count(config: Config) -> None:
    records = fake.grid(8, ("patchmix",), profile="study") + fake.grid(
        7, ("moco_v3",), profile="study"
    )
    other = {"lr": 1e-3, "steps": 5, "views": {"flip": 0.5}}
    records[0] = fake.record("patchmix", 0, profile="study", settings=other)
    records[1] = fake.record("patchmix", 1, profile="study", data={"fingerprint": "other"})
    verdict = by_id(decide_claims(config, records))["patchmix-over-moco-v3"]
    assert verdict.seeds == (2, 3, 4, 5, 6)
    assert "2 runs with other settings or other data left out" in verdict.note
    assert "3 seeds without a partner" in verdict.note


def test_devices_and_profiles_are_decided_apart(config: Config) -> None:
    records = fake.grid(8) + fake.grid(8, device="cuda") + fake.grid(8, profile="study")
    found = [v for v in decide_claims(config, records) if v.claim.id == "patchmix-linear"]
    assert [(v.comparison.profile, v.comparison.device, v.n) for v in found] == [
        ("quick", "cpu", 8),
        ("quick", "cuda", 8),
        ("study", "cpu", 8),
    ]


@pytest.mark.parametrize(
    ("margin", "word"), [(0.1, "reproduced"), (0.001, "contradicted"), (0.05, "undecided")]
)
def test_equivalence_claims(config: Config, margin: float, word: str) -> None:
    sides = {"metric": "knn20_top1", "better": "patchmix", "than": "moco_v3"}
    made = with_claim(config, kind="equivalence", margin=margin, **sides)
    (verdict,) = decide_claims(made, fake.grid(10, profile="study"))
    assert verdict.verdict == word
    assert verdict.p is None


@pytest.mark.parametrize(
    ("bound", "word"), [(0.6, "reproduced"), (0.9, "contradicted"), (0.655, "undecided")]
)
def test_threshold_claims(config: Config, bound: float, word: str) -> None:
    made = with_claim(
        config, kind="threshold", metric="knn20_top1", better="patchmix", threshold=bound
    )
    (verdict,) = decide_claims(made, fake.grid(10, ("patchmix",), profile="study"))
    assert verdict.verdict == word
    assert verdict.than is None
    assert printed(claims.console_claims(made, [verdict]))
    assert "PatchMix: kNN" in claims.markdown_claims(made, [verdict])


def test_smaller_can_be_better(config: Config) -> None:
    metrics = dict(config.tasks["image_ssl"].metrics)
    metrics["knn20_top1"] = metrics["knn20_top1"].model_copy(update={"direction": "min"})
    made = with_task(config, "image_ssl", metrics=metrics)
    verdict = by_id(decide_claims(made, fake.grid(10, profile="study")))["patchmix-over-moco-v3"]
    assert verdict.verdict == "contradicted"
    assert verdict.difference is not None
    assert verdict.difference.low > 0


def test_a_claim_may_name_its_data_set(config: Config) -> None:
    made = with_claim(
        config, metric="knn20_top1", better="patchmix", than="moco_v3", dataset="digits"
    )
    (verdict,) = decide_claims(made, fake.grid(10, profile="study"))
    assert verdict.verdict == "no data"


def test_claims_are_shown_everywhere(config: Config) -> None:
    verdicts = decide_claims(config, fake.grid(10, profile="study"))
    console = printed(claims.console_claims(config, verdicts), 140)
    markdown, html = claims.markdown_claims(config, verdicts), claims.html_claims(config, verdicts)
    for text in (console, markdown, html):
        assert all(c.id in text for c in config.claims)
        assert "reproduced" in text
    assert "arXiv 2306.12243, abstract" in html
