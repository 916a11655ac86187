"""The slow copy and the queue: worked numbers, naive references, checkpoints."""

import math
from collections import deque

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixcl_bench.ops.memory import EMA, Queue, ema_schedule


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def shake(module: nn.Module) -> None:
    with torch.no_grad():
        for p in module.parameters():
            p += torch.randn_like(p)


def params(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(
        torch.equal(x.view(torch.int32), y.view(torch.int32)) for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize(
    ("start", "expected"),
    [(0.99, (0.99, 0.991464, 0.995, 1.0)), (0.996, (0.996, 0.99658579, 0.998, 1.0))],
)
def test_schedule_worked_numbers(start: float, expected: tuple[float, ...]) -> None:
    got = [ema_schedule(t, start) for t in (0.0, 0.25, 0.5, 1.0)]
    assert got == pytest.approx(expected, abs=1e-6)
    assert got[-1] == 1.0


def test_schedule_is_monotone_between_its_ends() -> None:
    values = [ema_schedule(i / 100, 0.9, 0.999) for i in range(101)]
    assert values == sorted(values)
    assert (values[0], values[-1]) == pytest.approx((0.9, 0.999), abs=1e-15)


@pytest.mark.parametrize(
    "bad",
    [(-0.1, 0.9, 1.0), (1.1, 0.9, 1.0), (math.nan, 0.9, 1.0), (0.5, 1.2, 1.0), (0.5, 0.9, -1.0)],
)
def test_schedule_refuses(bad: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        ema_schedule(*bad)


@pytest.mark.parametrize("mu", [0.25, 0.5, 0.99])
def test_update_equals_the_loop(mu: float) -> None:
    source = network()
    ema = EMA(source)
    expected = params(source)
    for _ in range(5):
        shake(source)
        expected = [mu * x + (1 - mu) * t for x, t in zip(expected, params(source), strict=True)]
        ema.update(source, mu)
    for got, want in zip(ema.module.parameters(), expected, strict=True):
        torch.testing.assert_close(got, want, atol=1e-6, rtol=1e-5)


def test_one_freezes_and_zero_copies_to_the_bit() -> None:
    source = network()
    with torch.no_grad():
        source[0].weight[0, 0] = -0.0
    ema, before = EMA(source), params(source)
    shake(source)
    with torch.no_grad():
        source[0].weight[0, 1] = math.inf
    ema.update(source, 1.0)
    assert same(params(ema.module), before)
    now = params(source)
    ema.update(source, 0.0)
    assert same(params(ema.module), now)
    assert same(params(source), now)


def test_copy_is_detached_from_its_source() -> None:
    source = network()
    ema = EMA(source)
    assert all(p.requires_grad for p in source.parameters())
    assert not any(p.requires_grad for p in ema.parameters())
    x = torch.randn(6, 3, requires_grad=True)
    assert not ema(x).requires_grad
    source(x).sum().backward()
    assert all(p.grad is None for p in ema.parameters())
    before = params(ema.module)
    shake(source)
    assert same(params(ema.module), before)


def test_buffers_are_the_copys_own_unless_asked() -> None:
    source = network()
    own, following = EMA(source), EMA(source, copy_buffers=True)
    source.train()(torch.randn(32, 3) + 4)
    for ema in (own, following):
        ema.update(source, 0.9)
    assert torch.equal(own.module[1].running_mean, torch.zeros(4))
    assert torch.equal(following.module[1].running_mean, source[1].running_mean)
    assert int(following.module[1].num_batches_tracked) == 1
    before = own.module[1].running_mean.clone()
    own.train()(torch.randn(32, 3))  # in train mode it gathers its own statistics
    assert not torch.equal(own.module[1].running_mean, before)


def test_no_parameters_or_no_buffers() -> None:
    EMA(nn.ReLU(), copy_buffers=True).update(nn.ReLU(), 0.5)
    EMA(nn.Linear(2, 2), copy_buffers=True).update(nn.Linear(2, 2), 0.5)


def test_ema_state_dict_goes_round() -> None:
    source = network()
    ema = EMA(source)
    shake(source)
    ema.update(source, 0.7)
    again = EMA(network(5))
    again.load_state_dict(ema.state_dict())
    assert same(params(again), params(ema))
    for e in (ema, again):
        e.update(source, 0.7)
    assert same(params(again), params(ema))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (nn.Sequential(nn.Linear(3, 4)), "only one of the two networks"),
        (
            nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)),
            r"'0.weight': \(4, 3\)",
        ),
        (nn.ModuleDict({"module": network()}), "pass the bare module"),
        (network().double(), "torch.float64 in the source"),
    ],
)
def test_another_network_is_refused(other: nn.Module, message: str) -> None:
    ema = EMA(network())
    before = params(ema)
    with pytest.raises(ValueError, match=message):
        ema.update(other, 0.9)
    assert same(params(ema), before)


@pytest.mark.parametrize("mu", [-0.01, 1.01, math.nan])
def test_momentum_out_of_range(mu: float) -> None:
    with pytest.raises(ValueError, match="momentum must be in"):
        EMA(network()).update(network(), mu)


def ordered(queue: Queue) -> Tensor:
    slots = (torch.arange(len(queue)) + queue.pointer - queue.count) % queue.size
    return queue.keys[slots]


@pytest.mark.parametrize("size", [1, 2, 7, 16])
@pytest.mark.parametrize("seed", range(4))
def test_queue_is_a_deque(size: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    queue, reference = Queue(size=size, dim=3), deque(maxlen=size)
    for batch in torch.randint(0, 2 * size + 3, (25,), generator=g).tolist():
        keys = torch.randn(batch, 3, generator=g) * 5
        queue.enqueue(keys)
        reference.extend(F.normalize(keys, dim=1))
        assert len(queue) == len(reference)
        assert queue.full == (len(reference) == size)
        assert int(queue.valid.sum()) == len(reference)
        if reference:
            assert torch.equal(ordered(queue), torch.stack(list(reference)))
        assert not queue.keys[~queue.valid].any()


def test_queue_holds_no_graph_and_may_be_filled_before_backward() -> None:
    torch.manual_seed(0)
    queue = Queue(size=4, dim=2)
    keys, query = torch.randn(3, 2, requires_grad=True), torch.randn(5, 2, requires_grad=True)
    queue.enqueue(keys)
    assert not queue.keys.requires_grad
    held = queue.keys.clone()
    loss = (query @ queue.keys.T).masked_fill(~queue.valid, -math.inf).logsumexp(1).sum()
    queue.enqueue(torch.randn(2, 2))
    loss.backward()
    weights = (
        (query @ held.T)
        .masked_fill(torch.tensor([False, False, False, True]), -math.inf)
        .softmax(1)
    )
    torch.testing.assert_close(query.grad, (weights @ held).detach())
    assert keys.grad is None
    assert not list(queue.parameters())


def test_queue_keeps_its_own_precision() -> None:
    queue = Queue(size=4, dim=2)
    queue.enqueue(torch.randn(3, 2).bfloat16())
    assert queue.keys.dtype == torch.float32
    torch.testing.assert_close(queue.keys[:3].norm(dim=1), torch.ones(3))


def test_queue_resumes_where_it_stopped() -> None:
    torch.manual_seed(0)
    first, second = Queue(size=5, dim=2), Queue(size=5, dim=2)
    first.enqueue(torch.randn(8, 2))
    second.load_state_dict(first.state_dict())
    more = torch.randn(4, 2)
    for queue in (first, second):
        queue.enqueue(more)
    assert set(first.state_dict()) == {"keys", "pointer", "count"}
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])


def test_queue_refuses() -> None:
    with pytest.raises(ValueError, match=r"keys must be \(batch, 3\), got \(2, 4\)"):
        Queue(size=4, dim=3).enqueue(torch.randn(2, 4))
    with pytest.raises(ValueError, match="size=0, dim=3"):
        Queue(size=0, dim=3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_as_on_cpu() -> None:
    torch.manual_seed(0)
    source, batches = network(), [torch.randn(b, 2) for b in (3, 9, 4)]
    here, there = EMA(source), EMA(source).to("cuda")
    queues = Queue(size=5, dim=2), Queue(size=5, dim=2).to("cuda")
    shake(source)
    here.update(source, 0.9)
    there.update(source.to("cuda"), 0.9)
    for batch in batches:
        queues[0].enqueue(batch)
        queues[1].enqueue(batch.to("cuda"))
    for a, b in zip(here.parameters(), there.parameters(), strict=True):
        torch.testing.assert_close(a, b.cpu())
    torch.testing.assert_close(queues[0].keys, queues[1].keys.cpu())
