"""Matchers without training: a picture finds itself, a moved one the move; against loops; the
contract."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pixcl_bench.methods.baselines.landmarks.matchers import (
    daisy,
    direction_votes,
    fast_length,
    mean_position,
    ncc,
    random_init,
    sift,
)
from pixcl_bench.methods.contract.localiser import Matcher, Preparation, Support, check_localiser
from pixcl_bench.nets.dense import ld_unet

NAN = float("nan")


def textured(h: int, w: int, seed: int = 0) -> Tensor:
    """Noise of two grains, in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = F.interpolate(
        torch.rand(1, 1, h // 8, w // 8, generator=generator), (h, w), mode="bicubic"
    )
    fine = F.avg_pool2d(torch.rand(1, 1, h + 2, w + 2, generator=generator), 3, 1)
    image = coarse + fine
    return (image - image.min()) / (image.max() - image.min())


def network_matcher(**more: object) -> Matcher:
    # 8 channels: with fewer, neighbours can lack all the finest features after ReLU and be one to
    # the network
    torch.manual_seed(0)
    return random_init(network=ld_unet(width=8, levels=4), **more).eval()  # type: ignore[arg-type]


MATCHERS = {
    "ncc": lambda: ncc(side=15),
    "daisy": lambda: daisy(radius=9),
    "sift": lambda: sift(cell=4),
    "random_init": lambda: network_matcher(upsample="nearest"),
    "random_init_center": lambda: network_matcher(matching="center", center=9),
}


@pytest.fixture(params=MATCHERS)
def matcher(request: pytest.FixtureRequest) -> Matcher:
    return MATCHERS[request.param]()


def test_a_picture_finds_itself(matcher: Matcher) -> None:
    image = textured(64, 80)
    torch.manual_seed(1)
    points = torch.cat(
        [torch.tensor([[0.0, 0.0], [63.0, 79.0], [0.0, 40.0]]), torch.rand(12, 2) * 60]
    ).round()
    found = matcher.locate(image, [Support(image[0], points)])
    assert torch.equal(found[0, 0], points)


@pytest.mark.parametrize("name", ["ncc", "daisy", "sift"])
def test_a_moved_picture_shows_the_move(name: str) -> None:
    scene = textured(120, 120)
    # content moves by (+7, -5)
    image, moved = scene[:, :, 10:106, 10:106], scene[:, :, 3:99, 15:111]
    points = torch.tensor([[40.0, 40.0], [50.0, 48.0], [55.0, 44.0], [44.0, 55.0]])
    found = MATCHERS[name]().locate(moved, [Support(image[0], points)])[0, 0]
    assert torch.equal(found, points + torch.tensor([7.0, -5.0]))


def test_contract(matcher: Matcher) -> None:
    images = torch.cat([textured(32, 40), textured(32, 40, seed=1)])
    points = torch.tensor([[3.0, 4.2], [NAN, NAN], [31.0, 39.0]])
    supports = [Support(images[0], points), Support(images[1], points.flip(0))]
    assert check_localiser(matcher, {"image": images}, supports) == {}
    assert not matcher.trains


def test_correlation_against_a_loop() -> None:
    torch.manual_seed(0)
    images, side = torch.rand(2, 1, 11, 9), 5
    points = torch.tensor([[0.0, 0.0], [5.0, 4.0], [10.0, 2.0]])
    matcher = ncc(side=side)
    found = matcher.similarity(
        matcher.describe(images), matcher.at(matcher.describe(images[:1]), points)
    )
    padded = F.pad(images, (2, 2, 2, 2), mode="replicate")

    def patch(b: int, y: int, x: int) -> Tensor:
        cut = padded[b, 0, y : y + side, x : x + side]
        return (cut - cut.mean()) / (cut - cut.mean()).norm()

    for b in range(2):
        for k, (py, px) in enumerate(points.int().tolist()):
            expected = [
                [float((patch(b, y, x) * patch(0, py, px)).sum()) for x in range(9)]
                for y in range(11)
            ]
            torch.testing.assert_close(found[b, k], torch.tensor(expected), rtol=0, atol=1e-5)


def test_correlation_ignores_brightness_and_contrast() -> None:
    image = textured(48, 48)
    points = torch.tensor([[20.0, 20.0], [30.0, 11.0], [3.0, 44.0]])
    found = ncc(side=11).locate(0.4 * image + 0.3, [Support(image[0], points)])
    assert torch.equal(found[0, 0], points)


def test_correlation_is_calm_where_nothing_is() -> None:
    image = textured(48, 48)
    image[..., 24:] = 0.5
    matcher = ncc(side=9)
    features = matcher.describe(image)
    scores = matcher.similarity(
        features, matcher.at(features, torch.tensor([[20.0, 10.0], [20.0, 40.0]]))
    )
    assert float(scores.abs().max()) < 1 + 1e-4
    assert float(scores[0, 0, :, 29:].abs().max()) < 1e-2
    assert float(scores[0, 1].abs().max()) < 1e-2  # a flat landmark has nothing to correlate


def test_bad_settings() -> None:
    small = torch.rand(1, 1, 12, 40)
    for make, complaint in (
        (lambda: ncc(side=8), "its side is odd"),
        (lambda: ncc(side=13).describe(small), "smaller than the patch of 13"),
        (lambda: daisy(radius=0), "at least 1"),
        (lambda: daisy(radius=12).describe(small), "too small for a radius of 12"),
        (lambda: sift(cell=5), "even number of pixels"),
        (lambda: random_init(network=ld_unet(width=2), upsample="cubic"), "cubic"),  # type: ignore[arg-type]
    ):
        with pytest.raises(Exception, match=complaint):
            make()


def test_fast_lengths() -> None:
    assert [fast_length(n) for n in (1, 11, 164, 257)] == [1, 12, 180, 270]


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_directions(turns: int) -> None:
    slope = torch.arange(7.0).expand(1, 1, 7, 7).rot90(-turns, (2, 3))
    votes = direction_votes(slope)[0, :, 2, 2]
    assert votes.argmax() == 2 * turns
    assert float(votes.sum()) == pytest.approx(1.0, abs=1e-6)


def test_sift_descriptors() -> None:
    image = textured(32, 32)
    found = sift(cell=2).descriptors(image)
    assert found.shape == (1, 128, 32, 32)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(1, 32, 32))
    torch.testing.assert_close(
        sift(cell=2).descriptors(0.5 * image + 0.2), found, rtol=0, atol=1e-4
    )
    assert float(sift().descriptors(torch.full((1, 1, 8, 8), 0.2)).abs().max()) == 0
    # turning the picture by a right angle turns the cells (and the directions)
    cells = found.view(4, 4, 8, 32, 32)
    quarter = (
        sift(cell=2).descriptors(image.rot90(1, (2, 3))).view(4, 4, 8, 32, 32).rot90(-1, (3, 4))
    )
    torch.testing.assert_close(quarter.rot90(-1, (0, 1)).roll(2, 2), cells, rtol=0, atol=1e-4)


def test_mean_position() -> None:
    points = torch.tensor([[[1.0, 2], [5, 5], [NAN, NAN]], [[3, 2], [NAN, NAN], [NAN, NAN]]])
    support = Support(torch.zeros(1, 8, 8), torch.tensor([[1.0, 1], [NAN, NAN], [2, 2]]))
    learner = mean_position(num_landmarks=3)
    images = torch.zeros(2, 8, 8, dtype=torch.uint8)
    learner.prepare(Preparation(images, None, support, points))
    found = learner.locate(
        torch.zeros(4, 1, 8, 8), [support, Support(support.image, torch.ones(3, 2))]
    )
    assert found.shape == (2, 4, 3, 2)
    assert found[1, 3, :2].tolist() == [[2, 2], [5, 5]]
    assert found[:, :, 2].isnan().all()  # no training image has it
    assert found[0, :, 1].isnan().all()  # the support lacks it
    restored = mean_position(num_landmarks=3)
    restored.load_state_dict(learner.state_dict())
    assert torch.equal(restored.mean[:2], learner.mean[:2])
    with pytest.raises(ValueError, match="got none"):
        learner.prepare(Preparation(images, None, support))
    with pytest.raises(ValueError, match="points of 2 landmarks"):
        mean_position(num_landmarks=2).prepare(Preparation(images, None, support, points))


@pytest.mark.gpu
@pytest.mark.parametrize("name", MATCHERS)
def test_same_on_the_gpu(name: str) -> None:
    image, matcher = textured(64, 64), MATCHERS[name]().cuda()
    points = torch.tensor([[20.0, 20.0], [30.0, 41.0]])
    found = matcher.locate(image.cuda(), [Support(image[0], points)])
    assert found.is_cuda
    assert torch.equal(found[0, 0].cpu(), points)
