"""Information maps are computed once, come back bit for bit, and are never those of another
measure."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pixcl_bench.methods.contract.localiser import Localiser
from pixcl_bench.methods.igu_aug.information import entropy_map
from pixcl_bench.tasks import information_cache
from pixcl_bench.tasks.information_cache import kept_maps, maps_fingerprint, probe_image


class Entropy(Localiser):
    """Measures entropy, and counts how many images it has measured."""

    def __init__(self, radius: int = 3, shift: float = 0.0) -> None:
        super().__init__()
        self.radius, self.shift, self.measured = radius, shift, 0

    def information(self, images: Tensor) -> Tensor:
        self.measured += len(images)
        return entropy_map(images, size=self.radius) + self.shift


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (4, 20, 24), dtype=torch.uint8, generator=generator)


def kept(learner: Entropy, images: Tensor, cache: Path | None, data: str = "a" * 64) -> Tensor:
    measure: Callable[[], Tensor] = lambda: learner.information(images)  # noqa: E731
    return kept_maps(measure, learner, images, name="toy", data_fingerprint=data, cache=cache)


def test_the_second_time_maps_are_read_and_are_the_same_bits(
    images: Tensor, tmp_path: Path
) -> None:
    first, second = Entropy(), Entropy()
    computed, read = kept(first, images, tmp_path), kept(second, images, tmp_path)
    assert torch.equal(computed, Entropy().information(images))
    assert torch.equal(computed, read)
    assert (first.measured, second.measured) == (4 + 1, 1), "one image tells which measure it is"
    (folder,) = [path for path in (tmp_path / "converted").iterdir() if path.is_dir()]
    assert folder.name.startswith("information-toy-")


def test_what_is_read_may_be_changed_without_changing_the_cache(
    images: Tensor, tmp_path: Path
) -> None:
    kept(Entropy(), images, tmp_path).zero_()
    kept(Entropy(), images, tmp_path).zero_()
    assert torch.equal(kept(Entropy(), images, tmp_path), Entropy().information(images))


def test_without_a_cache_nothing_is_written(images: Tensor, tmp_path: Path) -> None:
    learner = Entropy()
    assert torch.equal(kept(learner, images, None), Entropy().information(images))
    assert learner.measured == 4


def test_other_data_images_or_measures_have_maps_of_their_own(
    images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = images.clone()
    changed[0, 0, 0] += 1
    found = [
        maps_fingerprint(Entropy(), images, "a"),
        maps_fingerprint(Entropy(), images, "b"),
        maps_fingerprint(Entropy(), changed, "a"),
        maps_fingerprint(Entropy(), images.flip(0), "a"),
        maps_fingerprint(Entropy(), images.transpose(1, 2), "a"),
        maps_fingerprint(Entropy(radius=4), images, "a"),
        maps_fingerprint(Entropy(shift=1e-6), images, "a"),
    ]
    monkeypatch.setattr(information_cache, "VERSION", 0)
    found.append(maps_fingerprint(Entropy(), images, "a"))
    assert len(set(found)) == len(found)
    monkeypatch.undo()
    assert maps_fingerprint(Entropy(), images, "a") == found[0]
    kept(Entropy(), images, tmp_path)
    other = Entropy(radius=4)
    assert torch.equal(kept(other, images, tmp_path), Entropy(radius=4).information(images))


def test_every_radius_and_window_answers_the_probe_image_in_another_way() -> None:
    probe = probe_image((48, 40))
    assert (probe.dtype, tuple(probe.shape)) == (torch.uint8, (1, 48, 40))
    assert torch.equal(probe, probe_image((48, 40)))
    answers = [entropy_map(probe, size=radius) for radius in range(1, 12)]
    answers += [entropy_map(probe, window="box", size=side) for side in range(3, 24)]
    answers += [entropy_map(probe, size=4, base="nats")]
    distinct = {answer.numpy().tobytes() for answer in answers}
    assert len(distinct) == len(answers)
