"""kNN, probes and diagnostics: worked numbers of the protocol, naive references, properties."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixcl_bench.metrics import classification as C
from pixcl_bench.runtime import encoder_fingerprint

BANK = torch.tensor([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [1, 1]])
BANK_LABELS = torch.tensor([0, 0, 1, 1, 1])
QUERY = torch.tensor([[0.8, 0.6]])
# the run-time type checker of the tests may refuse a wrong shape before our own check does
REFUSED = (ValueError, TypeError)


def clusters(
    n: int, seed: int, noise: float, classes: int = 11, dim: int = 24
) -> tuple[Tensor, Tensor]:
    centres = torch.randn(classes, dim, generator=torch.Generator().manual_seed(99))
    g = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (n,), generator=g)
    return centres[y] + noise * torch.randn(n, dim, generator=g), y


def naive_knn(
    bank: Tensor, labels: Tensor, queries: Tensor, k: int, temperature: float, classes: int
) -> np.ndarray:
    out = np.zeros((len(queries), classes))
    for i, u in enumerate(queries.double().numpy()):
        near = []
        for f, y in zip(bank.double().numpy(), labels.tolist(), strict=True):
            near.append((u @ f / np.linalg.norm(u) / np.linalg.norm(f), y))
        for s, y in sorted(near, reverse=True)[:k]:
            out[i, y] += np.exp(s / temperature)
    return out / out.sum(1, keepdims=True)


# ---- accuracy


def test_topk_equals_the_naive_count() -> None:
    g = torch.Generator().manual_seed(0)
    scores, labels = torch.randn(300, 9, generator=g), torch.randint(9, (300,), generator=g)
    got = C.topk_accuracy(scores, labels, (1, 2, 5, 9, 20))
    for k, value in got.items():
        hits = [
            y in sorted(range(9), key=lambda c: -s[c])[:k]
            for s, y in zip(scores.tolist(), labels.tolist(), strict=True)
        ]
        assert value == pytest.approx(np.mean(hits), abs=1e-12)
    assert got[1] == (scores.argmax(1) == labels).double().mean().item()
    assert got[9] == got[20] == 1.0


def test_ties_are_worth_their_share() -> None:
    scores = torch.tensor([[1.0, 1, 0, 0, 0]])
    credit = [
        [C.topk_accuracy(scores, torch.tensor([c]), (k,))[k] for k in (1, 2, 3, 5)]
        for c in (0, 1, 4)
    ]
    np.testing.assert_allclose(
        credit, [[0.5, 1, 1, 1], [0.5, 1, 1, 1], [0, 0, 1 / 3, 1]], atol=1e-6
    )
    labels = torch.randint(11, (50,), generator=torch.Generator().manual_seed(0))
    assert C.topk_accuracy(torch.zeros(50, 11), labels, (1,))[1] == pytest.approx(1 / 11)


def test_ties_average_over_all_orders_of_the_classes() -> None:
    g = torch.Generator().manual_seed(1)
    scores, labels = (
        torch.randint(3, (40, 6), generator=g).float(),
        torch.randint(6, (40,), generator=g),
    )
    expected = np.zeros(40)
    for _ in range(4000):
        order = torch.rand(40, 6, generator=g).add(scores * 10).argsort(dim=1, descending=True)
        expected += (order[:, :2] == labels[:, None]).any(1).numpy() / 4000
    assert C.topk_accuracy(scores, labels, (2,))[2] == pytest.approx(expected.mean(), abs=0.01)
    relabel = torch.randperm(6, generator=g)
    other = C.topk_accuracy(scores[:, relabel.argsort()], relabel[labels], (2,))
    assert other == C.topk_accuracy(scores, labels, (2,))


def test_infinite_scores_are_scores_and_nan_is_an_error() -> None:
    scores = torch.tensor([[-math.inf, 1.0], [math.inf, 0.0]])
    assert C.topk_accuracy(scores, torch.tensor([1, 0]), (1,)) == {1: 1.0}
    with pytest.raises(ValueError, match="1 of 2 feature rows have NaN"):
        C.topk_accuracy(torch.tensor([[0.0, 1.0], [math.nan, 0.0]]), torch.tensor([1, 0]), (1,))
    with pytest.raises(ValueError, match="k must be at least 1"):
        C.topk_accuracy(scores, torch.tensor([1, 0]), (0,))


def test_majority() -> None:
    assert C.majority_accuracy(torch.tensor([2, 2, 1, 0]), torch.tensor([2, 1, 2, 2])) == 0.75
    assert C.majority_accuracy(torch.tensor([3, 1, 1, 3]), torch.tensor([1, 3, 3, 3])) == 0.25
    with pytest.raises(ValueError, match="0 train, 1 test"):
        C.majority_accuracy(torch.tensor([], dtype=torch.int64), torch.tensor([1]))


# ---- kNN


@pytest.mark.parametrize(
    ("k", "temperature", "shares"),
    [
        (3, 0.07, (0.184079, 0.815921)),
        (4, 0.07, (0.182182, 0.817818)),
        (4, 0.1, (0.289191, 0.710809)),
        (4, math.inf, (0.5, 0.5)),
        (5, math.inf, (0.4, 0.6)),
        (99, math.inf, (0.4, 0.6)),
    ],
)
def test_knn_worked_numbers(k: int, temperature: float, shares: tuple[float, float]) -> None:
    got = C.knn_scores(BANK, BANK_LABELS, QUERY, k=k, temperature=temperature, num_classes=2)
    torch.testing.assert_close(got, torch.tensor([shares]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("k", [1, 2, 7, 60])
@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0, 100.0])
def test_knn_equals_the_loop(k: int, temperature: float) -> None:
    g = torch.Generator().manual_seed(k)
    bank, queries = torch.randn(60, 8, generator=g), torch.randn(25, 8, generator=g)
    labels = torch.randint(4, (60,), generator=g)
    got = C.knn_scores(bank, labels, queries, k=k, temperature=temperature, num_classes=6)
    expected = naive_knn(bank, labels, queries, k, temperature, 6)
    np.testing.assert_allclose(got.numpy(), expected, atol=2e-6 / min(temperature, 1))
    assert not got[:, 4:].any()


def test_knn_invariances() -> None:
    g = torch.Generator().manual_seed(3)
    bank, queries = torch.randn(80, 8, generator=g), torch.randn(31, 8, generator=g)
    labels, options = torch.randint(5, (80,), generator=g), {"k": 9, "num_classes": 5}
    scores = C.knn_scores(bank, labels, queries, **options)
    torch.testing.assert_close(scores.sum(1), torch.ones(31))
    scale, order = torch.rand(80, 1, generator=g) * 50 + 0.1, torch.randperm(80, generator=g)
    for other in (
        C.knn_scores(bank * scale, labels, queries * 1e3, **options),
        C.knn_scores(bank[order], labels[order], queries, **options),
        C.knn_scores(bank.double(), labels.int(), queries, **options),
        *(C.knn_scores(bank, labels, queries, chunk=c, **options) for c in (1, 7, 31, 100)),
    ):
        torch.testing.assert_close(other, scores, atol=1e-5, rtol=1e-5)


def test_knn_finds_duplicates() -> None:
    g = torch.Generator().manual_seed(4)
    bank, labels = torch.randn(200, 16, generator=g), torch.randint(7, (200,), generator=g)
    got = C.knn_accuracy(bank, labels, bank, labels, num_classes=7, ks=(1,))
    assert got["knn1_top1"] == 1.0


def test_knn_accuracy_names_and_shared_search() -> None:
    (bank, labels), (queries, truth) = clusters(400, 0, 1.5), clusters(150, 1, 1.5)
    got = C.knn_accuracy(bank, labels, queries, truth, num_classes=11)
    assert list(got) == ["knn20_top1", "knn20_top5", "knn200_top1", "knn200_top5"]
    for k in (20, 200):
        alone = C.topk_accuracy(
            C.knn_scores(bank, labels, queries, k=k, num_classes=11), truth, (1, 5)
        )
        assert (got[f"knn{k}_top1"], got[f"knn{k}_top5"]) == (alone[1], alone[5])
    few = C.knn_accuracy(bank[:50], labels[:50] % 4, queries, truth % 4, num_classes=4, ks=(3, 200))
    assert list(few) == ["knn3_top1", "knn200_top1"]


def test_knn_on_random_labels_is_chance() -> None:
    g = torch.Generator().manual_seed(5)
    bank, queries = torch.randn(1000, 8, generator=g), torch.randn(2000, 8, generator=g)
    labels, truth = (torch.randint(10, (n,), generator=g) for n in (1000, 2000))
    got = C.knn_accuracy(bank, labels, queries, truth, num_classes=10, ks=(20,))
    assert got["knn20_top1"] == pytest.approx(0.1, abs=0.03)
    assert got["knn20_top5"] == pytest.approx(0.5, abs=0.05)


def test_collapsed_features_are_no_better_than_the_class_shares() -> None:
    labels = torch.arange(100) % 10
    for x in (torch.ones(100, 4), torch.zeros(100, 4)):
        got = C.knn_accuracy(x, labels, x[:50], labels[:50], num_classes=10, ks=(100,))
        assert got["knn100_top1"] == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"bank": BANK / torch.tensor([[1], [1], [0], [1], [1]])},
            "kNN bank: 1 of 5 feature rows .* row 2",
        ),
        ({"queries": QUERY * math.nan}, "kNN queries: 1 of 1 feature rows"),
        ({"bank_labels": BANK_LABELS + 1}, r"labels must be in \[0, 2\), got 1 to 2"),
        ({"bank_labels": BANK_LABELS - 1}, r"got -1 to 0"),
        ({"k": 0}, "k=0"),
        ({"chunk": 0}, "chunk=0"),
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
        ({"temperature": math.nan}, "temperature must be positive, got nan"),
    ],
)
def test_knn_refuses(change: dict, message: str) -> None:
    good = {"bank": BANK, "bank_labels": BANK_LABELS, "queries": QUERY, "k": 3, "num_classes": 2}
    with pytest.raises(ValueError, match=message):
        C.knn_scores(**(good | change))


def test_knn_refuses_shapes() -> None:
    with pytest.raises(REFUSED):
        C.knn_scores(BANK, BANK_LABELS[:3], QUERY, k=1, num_classes=2)
    with pytest.raises(REFUSED):
        C.knn_scores(BANK, BANK_LABELS, torch.randn(2, 3), k=1, num_classes=2)
    with pytest.raises(REFUSED):
        C.knn_scores(BANK[:0], BANK_LABELS[:0], QUERY, k=1, num_classes=2)


# ---- linear probe


@pytest.mark.parametrize(("d", "r", "c"), [(5, 4, 3), (1, 1, 2), (8, 7, 11)])
def test_gradient_equals_autograd(d: int, r: int, c: int) -> None:
    g = torch.Generator().manual_seed(d)
    x, y = torch.randn(16, d, generator=g).double(), torch.randint(c, (16,), generator=g)
    w = torch.randn(d, r, c, generator=g).double().requires_grad_()
    (auto,) = torch.autograd.grad(sum(F.cross_entropy(x @ w[:, i], y) for i in range(r)), w)
    torch.testing.assert_close(C._softmax_gradient(x, y, w.detach()), auto, atol=1e-12, rtol=1e-12)


def torch_probe(
    x: Tensor, y: Tensor, lr: float, epochs: int, size: int, seed: int, classes: int
) -> Tensor:
    """The same probe with nn.Linear, torch.optim and a loop."""
    g = torch.Generator().manual_seed(seed)
    start = 0.01 * torch.randn(x.shape[1] + 1, classes, generator=g)
    layer = nn.Linear(x.shape[1], classes)
    with torch.no_grad():
        layer.weight.copy_(start[:-1].T)
        layer.bias.zero_()
    total = epochs * math.ceil(len(x) / size)
    optimiser = torch.optim.SGD(layer.parameters(), lr=lr, momentum=0.9)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda t: (1 + math.cos(math.pi * t / total)) / 2
    )
    for _ in range(epochs):
        for part in torch.randperm(len(x), generator=g).split(size):
            optimiser.zero_grad()
            F.cross_entropy(layer(x[part]), y[part]).backward()
            optimiser.step()
            schedule.step()
    return torch.cat([layer.weight.detach().T, layer.bias.detach()[None]])


@pytest.mark.parametrize("size", [32, 64, 500])
def test_sweep_equals_torch_one_rate_at_a_time(size: int) -> None:
    (x, y), lrs = clusters(150, 3, 1.0, classes=4, dim=6), (0.1, 0.01, 1.0)
    g = torch.Generator().manual_seed(5)
    sweep = C._LinearSweep(dim=6, num_classes=4, lrs=lrs, momentum=0.9, generator=g, device="cpu")
    C._fit_sweep(sweep, x, y, batch_size=size, epochs=4, generator=g)
    for i, lr in enumerate(lrs):
        expected = torch_probe(x, y, lr, 4, size, 5, 4)
        torch.testing.assert_close(sweep.weight[:, i], expected, atol=2e-5, rtol=1e-4)


def test_probe_reads_separable_classes_perfectly() -> None:
    got = C.linear_probe(*clusters(600, 0, 0.1), *clusters(300, 1, 0.1), num_classes=11, epochs=15)
    assert got.metrics() == {"linear_top1": 1.0, "linear_top5": 1.0}
    assert got.held_out == 60
    assert got.standardised


def test_probe_on_random_labels_is_chance() -> None:
    g = torch.Generator().manual_seed(7)
    x, y = torch.randn(1000, 16, generator=g), torch.randint(10, (3000,), generator=g)
    got = C.linear_probe(
        x, y[:1000], torch.randn(2000, 16, generator=g), y[1000:], num_classes=10, epochs=5
    )
    assert got.linear_top1 == pytest.approx(0.1, abs=0.03)


def test_probe_is_repeatable_and_depends_on_the_seed() -> None:
    data = (*clusters(400, 0, 3.0), *clusters(300, 1, 3.0))
    first, again, other = (
        C.linear_probe(*data, num_classes=11, epochs=5, seed=s) for s in (0, 0, 1)
    )
    assert first == again
    assert first.holdout != other.holdout


def test_probe_is_near_the_convex_optimum() -> None:
    (x, y), (test_x, test_y) = clusters(1500, 0, 3.0), clusters(1500, 1, 3.0)
    w = torch.zeros(25, 11, requires_grad=True)
    optimiser = torch.optim.LBFGS([w], max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(F.pad(x, (0, 1), value=1.0) @ w, y)
        loss.backward()
        return loss

    optimiser.step(closure)
    best = ((F.pad(test_x, (0, 1), value=1.0) @ w).argmax(1) == test_y).double().mean().item()
    got = C.linear_probe(x, y, test_x, test_y, num_classes=11, epochs=60)
    assert got.linear_top1 == pytest.approx(best, abs=0.02)


def test_rate_is_chosen_on_training_data_only() -> None:
    x, y = clusters(500, 0, 2.0)
    test_x, test_y = clusters(200, 1, 2.0)
    a = C.linear_probe(x, y, test_x, test_y, num_classes=11, epochs=5)
    b = C.linear_probe(x, y, -test_x, test_y, num_classes=11, epochs=5)
    assert (a.lr, a.holdout) == (b.lr, b.holdout)
    assert a.linear_top1 != b.linear_top1
    assert a.holdout[a.lr] == max(a.holdout.values())


def test_refit_is_the_chosen_rate_on_all_training_data() -> None:
    (x, y), (test_x, test_y) = clusters(300, 0, 2.0), clusters(200, 1, 2.0)
    options = {"num_classes": 11, "epochs": 3, "standardise": False, "lrs": (0.03, 0.3), "seed": 4}
    got = C.linear_probe(x, y, test_x, test_y, **options)
    g = torch.Generator().manual_seed(4)
    fit, held = C._stratified_holdout(y, 0.1, g)
    scores = []
    for data, lrs in ((fit, (0.03, 0.3)), (torch.arange(300), (got.lr,))):
        sweep = C._LinearSweep(
            dim=24, num_classes=11, lrs=lrs, momentum=0.9, generator=g, device="cpu"
        )
        C._fit_sweep(sweep, x[data], y[data], batch_size=256, epochs=3, generator=g)
        scores.append(sweep)
    held_accuracy = (
        (scores[0].scores(x[held]).argmax(-1) == y[held, None]).double().mean(0).tolist()
    )
    assert list(got.holdout.values()) == pytest.approx(held_accuracy, abs=1e-6)
    assert (
        got.linear_top1
        == (scores[1].scores(test_x)[:, 0].argmax(1) == test_y).double().mean().item()
    )


def test_standardised_probe_ignores_scale_and_shift() -> None:
    (x, y), (test_x, test_y) = clusters(400, 0, 2.0), clusters(300, 1, 2.0)
    scale, shift = torch.logspace(-3, 3, 24), torch.linspace(-1, 1, 24)
    a = C.linear_probe(x, y, test_x, test_y, num_classes=11, epochs=5)
    b = C.linear_probe(
        (x + shift) * scale, y, (test_x + shift) * scale, test_y, num_classes=11, epochs=5
    )
    assert a.linear_top1 == pytest.approx(b.linear_top1, abs=0.01)


def test_constant_dimensions_do_not_explode() -> None:
    x = torch.cat([torch.full((50, 1), 3.1), torch.zeros(50, 1), torch.randn(50, 1)], 1)
    z = C._standardiser(x)(x + 1e-3)
    assert z[:, :2].abs().max() < 0.01
    assert float(z[:, 2].std(correction=0)) == pytest.approx(1, abs=1e-5)


def test_few_classes_have_no_top5() -> None:
    (x, y), (test_x, test_y) = clusters(100, 0, 0.5, classes=4), clusters(50, 1, 0.5, classes=4)
    assert C.linear_probe(x, y, test_x, test_y, num_classes=4, epochs=2).linear_top5 is None


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.3, 0.5])
def test_holdout_mirrors_the_classes(fraction: float) -> None:
    y = torch.tensor([0] * 500 + [1] * 100 + [2] * 43 + [3] * 7)
    fit, held = C._stratified_holdout(y, fraction, torch.Generator().manual_seed(0))
    assert torch.equal(torch.cat([fit, held]).sort().values, torch.arange(650))
    assert ((y[held].bincount(minlength=4) - y.bincount() * fraction).abs() < 1 + 1e-9).all()


def test_one_diverged_rate_is_passed_over_and_all_diverged_is_an_error() -> None:
    (x, y), (test_x, test_y) = clusters(100, 0, 0.5), clusters(50, 1, 0.5)
    got = C.linear_probe(
        x, y, test_x, test_y, num_classes=11, epochs=3, lrs=(0.1, 3e38), standardise=False
    )
    assert got.lr == 0.1
    assert got.holdout[3e38] == 0.0
    with pytest.raises(ValueError, match="diverged with lr 3e"):
        C.linear_probe(
            x, y, test_x, test_y, num_classes=11, epochs=3, lrs=(3e38,), standardise=False
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"train_x": torch.full((100, 24), math.nan)},
            "train: 100 of 100 feature rows have NaN or inf",
        ),
        ({"test_x": torch.full((50, 24), math.inf)}, "test: 50 of 50 feature rows"),
        ({"num_classes": 5}, r"labels must be in \[0, 5\), got 0 to 10"),
        ({"lrs": ()}, "lrs must be positive and different"),
        ({"lrs": (0.1, 0.1)}, r"got \(0.1, 0.1\)"),
        ({"lrs": (0.1, -1.0)}, r"got \(0.1, -1.0\)"),
        ({"holdout": 0.001}, "hold out a fraction 0.001 of 100 training samples"),
        ({"holdout": 1.0}, "fraction 1.0"),
        ({"epochs": 0}, "epochs >= 1"),
        ({"batch_size": 0}, "batch_size >= 1"),
    ],
)
def test_probe_refuses(change: dict, message: str) -> None:
    (x, y), (test_x, test_y) = clusters(100, 0, 0.5), clusters(50, 1, 0.5)
    good = {"train_x": x, "train_y": y, "test_x": test_x, "test_y": test_y, "num_classes": 11}
    with pytest.raises(ValueError, match=message):
        C.linear_probe(**(good | change))


def test_online_probe_learns_and_leaves_the_encoder_alone() -> None:
    torch.manual_seed(0)
    x, y = clusters(600, 0, 0.5)
    encoder, probe = nn.Linear(24, 16), C.OnlineProbe(dim=16, num_classes=11)
    assert float(probe.linear.weight.detach().std()) == pytest.approx(0.01, rel=0.3)
    optimiser = torch.optim.SGD(probe.parameters(), lr=0.1, momentum=0.9)
    before = encoder_fingerprint(encoder)
    start = float(probe.accuracy(encoder(x), y))
    for _ in range(60):
        optimiser.zero_grad()
        probe.loss(encoder(x), y).backward()
        optimiser.step()
    assert all(p.grad is None for p in encoder.parameters())
    assert encoder_fingerprint(encoder) == before
    assert float(probe.accuracy(encoder(x), y)) > max(0.9, start)
    torch.testing.assert_close(
        probe.loss(encoder(x), y), F.cross_entropy(probe.linear(encoder(x)), y)
    )


def test_fingerprint_sees_every_tensor_and_bit() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    net.register_buffer("unsaved", torch.zeros(2), persistent=False)
    first = encoder_fingerprint(net)
    assert encoder_fingerprint(net) == first
    net.eval()(torch.randn(5, 3))
    assert encoder_fingerprint(net) == first
    for tensor in (net[0].weight, net[1].running_var, net[1].num_batches_tracked, net.unsaved):
        with torch.no_grad():
            kept = tensor.clone()
            tensor.flatten()[0:1].add_(1)
            assert encoder_fingerprint(net) != first
            tensor.copy_(kept)
    assert encoder_fingerprint(net) == first
    assert encoder_fingerprint(net.bfloat16()) != first
    assert encoder_fingerprint(net.to(memory_format=torch.preserve_format)) == encoder_fingerprint(
        net
    )


# ---- diagnostics


@pytest.mark.parametrize("n", [2, 3, 100, 512, 513, 1100])
def test_uniformity_equals_the_definition(n: int) -> None:
    z = torch.randn(n, 6, generator=torch.Generator().manual_seed(n)) * 3
    expected = (
        torch.pdist(F.normalize(z.double(), dim=1)).square().mul(-2).exp().mean().log().item()
    )
    assert C.uniformity(z) == pytest.approx(expected, abs=1e-5)


def test_uniformity_of_many_is_that_of_a_sample() -> None:
    z = torch.randn(6000, 4, generator=torch.Generator().manual_seed(0))
    assert C.uniformity(z) == C.uniformity(z)
    assert C.uniformity(z) == pytest.approx(C.uniformity(z, limit=6000), abs=0.02)
    with pytest.raises(ValueError, match="at least 2 features"):
        C.uniformity(z[:1])


def test_alignment() -> None:
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(50, 4, generator=g), torch.randn(50, 4, generator=g)
    expected = np.mean(
        [((x / x.norm() - y / y.norm()) ** 2).sum().item() for x, y in zip(a, b, strict=True)]
    )
    assert C.alignment(a, b) == pytest.approx(expected, abs=1e-6)
    assert C.alignment(a, 7 * a) == pytest.approx(0, abs=1e-6)
    assert C.alignment(a, -a) == pytest.approx(4, abs=1e-5)


@pytest.mark.parametrize("shape", [(40, 9), (9, 40), (20, 20)])
def test_effective_rank_equals_the_definition(shape: tuple[int, int]) -> None:
    z = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    p = torch.linalg.svdvals(z.double())
    p = p / p.sum()
    assert C.effective_rank(z) == pytest.approx((-(p * p.log()).sum()).exp().item(), rel=1e-6)
    assert C.effective_rank(z * 1e-15) == pytest.approx(C.effective_rank(z), rel=1e-5)


def test_effective_rank_extremes() -> None:
    assert C.effective_rank(torch.eye(12)) == pytest.approx(12, abs=1e-6)
    assert C.effective_rank(torch.ones(50, 9)) == pytest.approx(1, abs=1e-3)
    assert C.effective_rank(torch.zeros(5, 3)) == 0.0
    assert C.effective_rank(torch.eye(6).half()) == pytest.approx(6, abs=1e-6)


def test_feature_std_tells_spread_from_collapse() -> None:
    z = torch.randn(4000, 64, generator=torch.Generator().manual_seed(0))
    assert C.feature_std(z) == pytest.approx(1 / 8, abs=1e-3)
    assert C.feature_std(torch.ones(10, 64)) == pytest.approx(0, abs=1e-6)
    assert C.feature_std(z[:1] + 1e-3 * z) < 0.001


def diagnose_alignment(z: Tensor) -> float:
    return C.alignment(z, z)


@pytest.mark.parametrize(
    "diagnose", [C.uniformity, C.effective_rank, C.feature_std, diagnose_alignment]
)
def test_diagnostics_refuse_nan(diagnose) -> None:
    with pytest.raises(ValueError, match="1 of 2 feature rows have NaN or inf, the first is row 1"):
        diagnose(torch.tensor([[1.0, 2.0], [math.nan, 1.0]]))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_as_on_cpu() -> None:
    (x, y), (test_x, test_y) = clusters(2000, 0, 2.0), clusters(1000, 1, 2.0)
    here, there = (x, y, test_x, test_y), tuple(t.to("cuda") for t in (x, y, test_x, test_y))
    cpu, gpu = (C.knn_accuracy(*data, num_classes=11) for data in (here, there))
    assert gpu == pytest.approx(cpu, abs=0.003)
    first, again = (C.linear_probe(*there, num_classes=11, epochs=20) for _ in range(2))
    assert first == again
    on_cpu = C.linear_probe(*here, num_classes=11, epochs=20)
    assert first.linear_top1 == pytest.approx(on_cpu.linear_top1, abs=0.02)
    for diagnose in (C.uniformity, C.effective_rank, C.feature_std):
        assert diagnose(x.to("cuda")) == pytest.approx(diagnose(x), rel=1e-4)
