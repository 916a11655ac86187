"""SPPS: worked losses, items, the vanilla training without pairs, controls and resumed runs."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from pixcl_bench.data.sets.images import ImageSet
from pixcl_bench.methods.baselines.image_ssl.simsiam import SimSiam
from pixcl_bench.methods.contract.learner import check_gradients, check_losses
from pixcl_bench.methods.spps.learner import (
    PairOptions,
    ignored_views,
    item_groups,
    item_sources,
    masked_nt_xent,
    sepp_id,
    spps,
)
from pixcl_bench.methods.spps.mining import MiningOptions
from pixcl_bench.nets.encoders import build_encoder
from pixcl_bench.ops.losses import nt_xent
from pixcl_bench.tasks.image_ssl import (
    batches,
    make_learner,
    pair_sources,
    prepare,
    pretrain,
    run_image_ssl,
    uses_labels,
)
from pixcl_bench.tasks.settings import ImageSSLSettings

CPU = torch.device("cpu")
SETTINGS = ImageSSLSettings(
    encoder="conv_nano", steps=3, batch_size=16, probe="none", eval_split="val"
)
SIMCLR = "pixcl_bench.methods.baselines.image_ssl.simclr:simclr"
SPPS = "pixcl_bench.methods.spps.learner:spps"
SMALL = {"hidden": 16, "out": 8}
MINED = {**SMALL, "references": 1.0, "threshold_mode": "quantile", "near": 0.05}


@pytest.fixture
def data(digits: ImageSet) -> ImageSet:
    return replace(digits, splits={k: v[:100] for k, v in digits.splits.items()})


def make(target: str, args: dict[str, Any], settings: ImageSSLSettings = SETTINGS) -> Any:
    return make_learner(target, args, settings, num_classes=10, seed=0)


def loop(
    z1: torch.Tensor,
    z2: torch.Tensor,
    tau: float,
    sources: torch.Tensor | None = None,
    paired: frozenset[tuple[int, int]] = frozenset(),
) -> torch.Tensor:
    z, n = F.normalize(torch.cat([z1, z2]).double(), dim=1), len(z1)
    total = z.new_zeros(())
    for u in range(2 * n):
        partner, below = (u + n) % (2 * n), z.new_zeros(())
        for v in range(2 * n):
            if v == u:
                continue
            if sources is not None and v != partner:
                a, b = sorted((int(sources[u]), int(sources[v])))
                if a == b or (a, b) in paired:
                    continue
            below = below + torch.exp(z[u] @ z[v] / tau)
        total = total - torch.log(torch.exp(z[u] @ z[partner] / tau) / below)
    return total / (2 * n)


def test_example_2() -> None:
    z1 = torch.tensor([[1.0, 0], [0, 1], [1, 1]])
    z2 = torch.tensor([[0.9, 0.1], [0.2, 1], [1, 0.5]])
    assert float(nt_xent(z1[:2], z2[:2], 0.5)) == pytest.approx(0.325526, abs=1e-6)
    assert float(nt_xent(z1, z2, 0.5)) == pytest.approx(1.088026, abs=1e-6)
    assert float(nt_xent(z1, z2, 0.1)) == pytest.approx(0.436549, abs=1e-6)
    ignored = ignored_views(torch.tensor([0, 1, 0, 0, 1, 7]), None, 8)
    assert float(masked_nt_xent(z1, z2, ignored, 0.5)) == pytest.approx(0.934643, abs=1e-6)
    itself = torch.eye(6, dtype=torch.bool)
    assert int((ignored & ~itself & ~itself.roll(3, dims=1)).sum()) == 4


@pytest.mark.parametrize("tau", [0.1, 0.5, 10.0])
@pytest.mark.parametrize("n", [2, 5])
def test_masked_loss_is_the_loop_and_never_larger(n: int, tau: float) -> None:
    g = torch.Generator().manual_seed(n)
    z1, z2 = torch.randn(2, n, 4, generator=g)
    sources = torch.randint(4, (2 * n,), generator=g)
    codes = torch.tensor([0 * 4 + 1, 2 * 4 + 3])
    plain = nt_xent(z1, z2, tau)
    same = masked_nt_xent(z1, z2, ignored_views(sources, None, 4), tau)
    both = masked_nt_xent(z1, z2, ignored_views(sources, codes, 4), tau)
    wanted = loop(z1, z2, tau, sources, frozenset({(0, 1), (2, 3)}))
    torch.testing.assert_close(plain.double(), loop(z1, z2, tau), atol=1e-5, rtol=0)
    torch.testing.assert_close(same.double(), loop(z1, z2, tau, sources), atol=1e-5, rtol=0)
    torch.testing.assert_close(both.double(), wanted, atol=1e-5, rtol=0)
    assert both <= same + 1e-6 <= plain + 2e-6
    nothing = torch.zeros(2 * n, 2 * n, dtype=torch.bool)
    torch.testing.assert_close(masked_nt_xent(z1, z2, nothing, tau), plain)


def test_each_item_once_in_an_epoch() -> None:
    pairs = torch.tensor([[0, 9], [2, 3], [4, 7], [5, 6], [1, 8], [0, 2]])
    learner = spps(encoder=build_encoder("conv_nano"), **SMALL)
    learner.found = replace(learner.found, pairs=pairs, sim=torch.ones(len(pairs)))
    epoch = torch.cat(list(itertools.islice(pair_sources(learner, 10, 4, 0), 4)))
    expected = [[i, i] for i in range(10)] + pairs.tolist()
    assert sorted(epoch.tolist()) == sorted(expected)
    later = list(itertools.islice(pair_sources(learner, 10, 4, 0, start=2), 2))
    assert torch.equal(torch.cat(later), epoch[8:])


def test_items_are_index_arithmetic() -> None:
    pairs = torch.tensor([[0, 4], [2, 3]])
    items = torch.tensor([3, 5, 6, 0])
    assert item_sources(items, pairs, 5).tolist() == [[3, 3], [0, 4], [2, 3], [0, 0]]
    assert item_sources(items[:1], pairs[:0], 5).tolist() == [[3, 3]]
    batch = PairOptions(merge="batch")
    assert item_groups(100, 50, 8, batch) == [(100, 8), (50, 4)]
    assert item_groups(100, 50, 8, replace(batch, rho=0.25)) == [(100, 8), (50, 2)]
    assert item_groups(100, 2, 8, replace(batch, rho=1.0)) == [(100, 8), (2, 2)]
    assert item_groups(100, 1, 8, batch) == [(100, 8)]
    assert item_groups(100, 50, 8, PairOptions()) == [(150, 8)]


@pytest.mark.parametrize("merge", ["dataset", "batch"])
def test_swap_turns_half_of_the_pairs(merge: str) -> None:
    pairs = torch.stack([torch.arange(0, 200, 2), torch.arange(1, 200, 2)], 1)
    options = PairOptions(semantic_swap=True, merge=merge)  # type: ignore[arg-type]
    learner = spps(encoder=build_encoder("conv_nano"), **SMALL, options=options)
    learner.found = replace(learner.found, pairs=pairs, sim=torch.ones(len(pairs)))
    seen = torch.cat(list(itertools.islice(pair_sources(learner, 200, 50, 0), 6)))
    again = torch.cat(list(itertools.islice(pair_sources(learner, 200, 50, 0), 6)))
    assert torch.equal(seen, again)
    semantic = seen[seen[:, 0] != seen[:, 1]]
    assert 0.25 < float((semantic[:, 0] > semantic[:, 1]).float().mean()) < 0.75
    assert {tuple(sorted(p)) for p in semantic.tolist()} <= {tuple(p) for p in pairs.tolist()}


def test_without_pairs_it_is_simclr_bit_for_bit(data: ImageSet) -> None:
    plain, pairless = make(SIMCLR, SMALL), make(SPPS, {**SMALL, "max_pairs": 0})
    rows = [pretrain(one, data, SETTINGS, seed=0, device=CPU).history for one in (plain, pairless)]
    assert [r["loss"] for r in rows[0]] == [r["loss"] for r in rows[1]]
    for a, b in zip(plain.state_dict().values(), pairless.inner.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_window_without_pairs_is_simclr_too(data: ImageSet) -> None:
    plain, none = make(SIMCLR, SMALL), make(SPPS, {**SMALL, "s_min": -1.0, "s_max": -0.999})
    said = prepare(none, data, SETTINGS, seed=0, device=CPU)
    assert said.numbers["pairs"] == 0
    for one in (plain, none):
        pretrain(one, data, SETTINGS, seed=0, device=CPU)
    pairs = zip(plain.state_dict().values(), none.inner.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_run_records_mining_apart(data: ImageSet) -> None:
    result = run_image_ssl(SPPS, MINED, data, SETTINGS, seed=0, device=CPU)
    pairs = result.learner.pairs()  # type: ignore[operator]
    assert result.metrics["pairs"] == len(pairs) > 20
    assert 0 < result.metrics["pair_precision"] <= 1
    assert 0 < result.metrics["pair_coverage"] <= 1
    assert result.metrics["pair_s_min"] < result.metrics["pair_s_max"] <= 1
    assert result.metrics["pair_references"] == 100
    assert result.timings["premine_steps"] == result.timings["steps"] == 3
    assert result.timings["mining_seconds"] > result.timings["premine_train_seconds"]
    assert all(0 <= row["semantic"] <= 1 for row in result.history)
    assert any(row["semantic"] > 0 for row in result.history)
    assert not any("miner" in name for name in result.learner.state_dict())


@pytest.mark.parametrize(("kind", "labels"), [("random", False), ("labels", True)])
def test_controls_have_as_many_pairs(data: ImageSet, kind: str, labels: bool) -> None:
    found = {}
    for pairs in ("mined", kind):
        learner = make(SPPS, {**MINED, "pairs": pairs})
        found[pairs] = prepare(learner, data, SETTINGS, seed=0, device=CPU).numbers
        assert uses_labels(learner) == (labels and pairs == kind)
        assert set(next(batches(data, learner, SETTINGS, seed=0, device=CPU))) == {
            "pair1",
            "pair2",
            "source1",
            "source2",
        }
    assert found["mined"]["pairs"] == found[kind]["pairs"]
    assert "pair_sim_mean" not in found[kind]
    if labels:
        assert found[kind]["pair_precision"] == 1.0


def test_same_bits_after_a_kill_and_pairs_are_kept(data: ImageSet, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"steps": 4, "checkpoint_every": 1})

    def run(**more: Any) -> Any:
        return run_image_ssl(SPPS, MINED, data, settings, seed=0, device=CPU, **more)

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    whole = run()
    with pytest.raises(KeyboardInterrupt):
        run(folder=tmp_path, owner="k", on_step=stop)
    kept = list((tmp_path / "converted").glob("pairs-*/pairs.npy"))
    assert len(kept) == 1
    resumed = run(folder=tmp_path, owner="k")
    assert resumed.timings["resumed_at"] > 0
    assert resumed.timings["premine_resumed_at"] > 0
    assert list((tmp_path / "converted").glob("pairs-*/pairs.npy")) == kept
    assert resumed.metrics == whole.metrics
    assert resumed.history == whole.history
    assert not (tmp_path / "prepare/checkpoint.safetensors").exists()


@pytest.mark.parametrize("feature", ["backbone", "projection"])
def test_warm_start_begins_with_the_mining_encoder(data: ImageSet, feature: str) -> None:
    learner = make(SPPS, {**MINED, "warm_start": True, "base": "moco_v2", "queue": 32})
    before = learner.encoder.stages[0][0].weight.clone()
    learner.mining = replace(learner.mining, feature=feature)
    prepare(learner, data, SETTINGS, seed=0, device=CPU)
    assert not torch.equal(learner.encoder.stages[0][0].weight, before)
    target = learner.inner.target.module[0]
    assert torch.equal(learner.encoder.stages[0][0].weight, target.stages[0][0].weight)


def test_no_training_of_the_miner_on_request(data: ImageSet) -> None:
    learner = make(SPPS, {**MINED, "premine_steps": 0})
    said = prepare(learner, data, SETTINGS, seed=0, device=CPU)
    assert said.timings["premine_steps"] == 0
    assert said.numbers["pairs"] > 0


def batch(n: int = 5) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    one, two = torch.randn(2, n, 3, 32, 32, generator=g)
    second = torch.arange(n)
    second[-1] = 0
    return {"pair1": one, "pair2": two, "source1": torch.arange(n), "source2": second}


@pytest.mark.parametrize(
    ("base", "options"),
    [
        ("simclr", PairOptions()),
        ("simclr", PairOptions(mask_same_source=True)),
        ("simclr", PairOptions(mask_same_source=True, mask_spps=True)),
        ("moco_v2", PairOptions()),
    ],
)
def test_variants_keep_the_contract(base: Any, options: PairOptions) -> None:
    torch.manual_seed(0)
    encoder = build_encoder("conv_nano")
    learner = spps(encoder=encoder, base=base, **SMALL, queue=16, options=options)
    assert float(check_losses(learner, batch())["semantic"]) == pytest.approx(0.2)
    check_gradients(learner, batch())
    learner.after_step(0.5)


def test_masks_are_for_simclr_and_names_are_checked() -> None:
    encoder = build_encoder("conv_nano")
    with pytest.raises(ValueError, match="SimCLR loss alone"):
        sepp_id(encoder=encoder, **SMALL, queue=4, options=PairOptions(mask_same_source=True))
    with pytest.raises(ValueError, match="rho is in"):
        PairOptions(rho=-0.5)
    with pytest.raises(ValueError, match="together with mask_same_source"):
        PairOptions(mask_spps=True)
    assert type(sepp_id(encoder=encoder, **SMALL, queue=4).inner).__name__ == "MoCoV2"


def test_simsiam_as_base() -> None:
    learner = spps(encoder=build_encoder("conv_nano"), base="simsiam", **SMALL)
    assert isinstance(learner.inner, SimSiam)
    check_gradients(learner, batch())


def test_defaults_are_those_of_the_specification() -> None:
    options = MiningOptions()
    window = (options.references, options.s_min, options.s_max, options.per_ref)
    assert window == (0.1, 0.97, 0.99, "top1")
    assert PairOptions().merge == "dataset"
