"""Information maps of training images, kept in the cache between runs.

A map of information (the entropy around every pixel) depends on the images and on how a learner
measures it, not on a seed, and takes seconds for a set of images. A learner touches no file, so the
task keeps the maps for it.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pixcl_bench.data.sets.arrays import converted
from pixcl_bench.methods.contract.localiser import Localiser

VERSION = 1
"""Raise it when the arrays of an entry mean something else than before."""


def probe_image(size: tuple[int, int]) -> UInt8[Tensor, "1 h w"]:
    """A fixed grey image of `size` (h, w) with flat, regular and irregular parts."""
    y, x = torch.meshgrid(*(torch.arange(side) for side in size), indexing="ij")
    irregular = (y * y * 7 + x * x * 13 + x * y * 31) % 251
    parts = [torch.full_like(x, 90), (x + y) // 2 % 256, irregular % 4, irregular]
    return torch.stack(parts)[(4 * x // size[1]).clamp(max=3), y, x].to(torch.uint8)[None]


def _digest(array: Tensor) -> str:
    content = np.ascontiguousarray(array.detach().cpu().numpy())
    head = f"{content.dtype.str} {content.shape}\n".encode()
    return hashlib.sha256(head + content.tobytes()).hexdigest()


def maps_fingerprint(
    learner: Localiser, images: UInt8[Tensor, "n h w"], data_fingerprint: str
) -> str:
    """sha256 (hex) of everything that the maps of `images` by `learner` depend on.

    That is the data set with its files (`data_fingerprint`), the images as they are after splitting
    and resizing, and the learner's measure: its settings, its code and the arithmetic of this
    machine. The measure is identified by its answer to a fixed image, so that another window,
    a changed formula or a processor that rounds differently never reads another's maps.
    """
    answer = learner.information(probe_image((images.shape[1], images.shape[2])).to(images.device))
    facts = {
        "version": VERSION,
        "data": data_fingerprint,
        "images": _digest(images),
        "measure": _digest(answer),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def kept_maps(
    measure: Callable[[], Float[Tensor, "n h w"]],
    learner: Localiser,
    images: UInt8[Tensor, "n h w"],
    *,
    name: str,
    data_fingerprint: str,
    cache: Path | None,
) -> Float[Tensor, "n h w"]:
    """What `measure()` returns: the information maps of `images` by `learner`, on their device.

    With `cache`, a folder, they are computed once and then read from
    `<cache>/converted/information-NAME-FINGERPRINT`, bit for bit the same; one process computes,
    others wait for it. None: they are computed. `name` is the data set's.
    """
    if cache is None:
        return measure()

    def build() -> dict[str, np.ndarray]:
        return {"maps": measure().cpu().numpy()}

    fingerprint = maps_fingerprint(learner, images, data_fingerprint)
    found = converted(f"information-{name}", fingerprint, build, cache)
    return torch.from_numpy(np.array(found["maps"])).to(images.device)
