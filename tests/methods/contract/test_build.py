"""From a name to a learner: what a builder names it gets, and nothing else."""

from typing import Any

import pytest
from torch import nn

from pixcl_bench.methods.contract.build import build_learner, find_builder, takes
from pixcl_bench.methods.floors.image_ssl import RandomEncoder

FLOORS = "pixcl_bench.methods.floors.image_ssl"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("pixcl_bench.methods.baselines.image_ssl.simclr:simcler", "has no builder 'simcler'"),
        ("pixcl_bench.methods.nothing:x", "no module"),
    ],
)
def test_unknown_builder(target: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_builder(target)


def test_a_builder_gets_what_it_names_and_its_own_arguments() -> None:
    offered: dict[str, Any] = {"encoder": nn.Flatten(), "num_classes": 3, "network": None}
    floor = build_learner(f"{FLOORS}:random_init", {}, **offered)
    assert type(floor) is RandomEncoder
    assert floor.encoder is offered["encoder"]
    assert build_learner(f"{FLOORS}:mean_color", {"lift": 2.0}, **offered).lift == 2.0
    assert takes(f"{FLOORS}:supervised", "num_classes")
    assert not takes(f"{FLOORS}:mean_color", "encoder")


def test_an_argument_that_the_builder_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="life"):
        build_learner(f"{FLOORS}:mean_color", {"life": 2.0})
    with pytest.raises(TypeError, match="multiple values"):
        build_learner(f"{FLOORS}:random_init", {"encoder": nn.Flatten()}, encoder=nn.Flatten())
