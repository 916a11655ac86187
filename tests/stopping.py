"""Runs that are stopped on the way and go on: what comes out has to be the same to the bit."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from torch import nn

T = TypeVar("T")


class Stopped(Exception):
    """A run ends here, as if it had been killed."""


def stop_at(step: int | None) -> Callable[[int, int], None]:
    """Progress that stops the run when `step` steps are done; None: never."""

    def on_step(done: int, total: int) -> None:
        assert 0 < done <= total
        if done == step:
            raise Stopped

    return on_step


def stopped_and_resumed(
    run: Callable[[Path, Callable[[int, int], None]], T], folder: Path, at: int
) -> T:
    """What `run(folder, on_step)` gives in its second go, after a first that stopped at step
    `at`."""
    folder.mkdir(exist_ok=True)
    with pytest.raises(Stopped):
        run(folder, stop_at(at))
    return run(folder, stop_at(None))


def same_weights(one: nn.Module, other: nn.Module) -> None:
    """Both have the same parameters and buffers, bit for bit."""
    theirs = other.state_dict()
    assert one.state_dict().keys() == theirs.keys()
    for name, value in one.state_dict().items():
        assert torch.equal(value, theirs[name]), name
