"""What drawn anatomy is made of: draws that stay the same for ever, shapes with soft edges, a
scanner.

Everything works on numpy arrays (z, y, x). Distances are negative inside a shape.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate, ndimage, special

Array = NDArray[np.float64]


class Draws:
    """Random numbers of one thing, from a seed and the thing's name.

    They come from the raw output of PCG64, which numpy promises to keep; its distributions may
    change between versions.
    """

    def __init__(self, seed: int, *axes: str | int) -> None:
        if seed < 0:
            raise ValueError(f"a seed must not be negative, got {seed}")
        word = hashlib.sha256("/".join(map(str, axes)).encode()).digest()[:8]
        self._bits = np.random.PCG64([seed, int.from_bytes(word, "little")])

    def unit(self, *shape: int) -> Array:
        """Uniform in the open interval (0, 1)."""
        raw = np.asarray(self._bits.random_raw(int(np.prod(shape, dtype=np.int64))), np.uint64)
        return (((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53).reshape(shape)

    def uniform(self, low: float, high: float) -> float:
        """One number in (low, high)."""
        return low + (high - low) * float(self.unit(1)[0])

    def normal(self, *shape: int) -> Array:
        """Standard normal numbers."""
        return np.asarray(special.ndtri(self.unit(*shape)))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.uniform(0, 1) < probability

    def whole(self, low: int, high: int) -> int:
        """An integer in low..high, both included."""
        return low + int(self.uniform(0, 1) * (high - low + 1))


def smooth_field(draws: Draws, shape: Sequence[int], cells: Sequence[int]) -> Array:
    """A smooth random field of `shape`, mean 0 and deviation 1: normal numbers on `cells` (2 or
    more each), cubic splines between."""
    field = draws.normal(*cells)
    for axis, (cell, side) in enumerate(zip(cells, shape, strict=True)):
        spline = interpolate.CubicSpline(np.arange(cell), field, axis=axis, bc_type="natural")
        field = spline(np.linspace(0, cell - 1, side))
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-9))


def inside(distance: Array, softness: float = 1.0) -> Array:
    """How much of each voxel is inside: 1 to 0 over a border of `softness` (in the distance's
    unit)."""
    return np.clip(0.5 - distance / softness, 0.0, 1.0)


def paint(image: Array, value: Array | float, cover: Array) -> Array:
    """`image` with `value` laid over it where `cover` is 1."""
    return image + cover * (value - image)


def ellipsoid(points: Array, radii: Sequence[float]) -> Array:
    """Approximate distance of points (..., d) to the ellipsoid around the origin."""
    parts = [np.square(points[..., i] / radius) for i, radius in enumerate(radii)]
    near = np.sqrt(sum(parts))
    slope = np.sqrt(sum(part / radius**2 for part, radius in zip(parts, radii, strict=True)))
    return np.asarray(near * (near - 1) / np.maximum(slope, 1e-9))


def tube(
    points: Array, start: Array, end: Array, radius: float, end_radius: float
) -> tuple[Array, Array]:
    """Distance of points (..., d) to a tapering tube with round ends, and the place along its axis
    (0 to 1)."""
    axis = end - start
    along = np.clip((points - start) @ axis / float(axis @ axis), 0.0, 1.0)
    off = np.sqrt(
        sum(np.square(points[..., i] - start[i] - along * axis[i]) for i in range(len(axis)))
    )
    return off - (radius + along * (end_radius - radius)), along


def harmonics(
    draws: Draws, angle: Array, amplitude: float, orders: Sequence[int] = (2, 3, 4, 5)
) -> Array:
    """A closed outline's factor around 1, as a function of the angle."""
    factor = np.ones_like(angle)
    for order in orders:
        factor += (
            amplitude
            / order
            * float(draws.normal(1)[0])
            * np.cos(order * angle + draws.uniform(0, 6.2832))
        )
    return np.clip(factor, 0.6, 1.5)


def scan(
    draws: Draws,
    image: Array,
    *,
    noise: tuple[float, float],
    bias: tuple[float, float],
    ghost: float,
) -> NDArray[np.uint8]:
    """What a scanner makes of `image` (about 0 to 1): blur, uneven coils, ghosts, Rician noise,
    gamma, 8 bits.

    `noise`, `bias`: ranges of a patient's noise deviation and of the log-deviation of the coil's
    field; `ghost`: largest strength. The darkest voxel becomes 0, the brightest 255.
    """
    width = draws.uniform(0.25, 0.85)
    seen = ndimage.gaussian_filter(image, (0, width, width))
    seen = seen * np.exp(draws.uniform(*bias) * smooth_field(draws, image.shape, (2, 4, 4)))
    phase, shift = draws.whole(1, 2), draws.uniform(0.25, 0.5)
    strength = draws.uniform(0, ghost) * (0.5 + draws.unit(image.shape[0], 1, 1))
    seen = (1 - strength) * seen + strength * np.roll(
        seen, round(shift * image.shape[phase]), phase
    )
    deviation = draws.uniform(*noise)
    seen = np.hypot(
        seen + deviation * draws.normal(*image.shape), deviation * draws.normal(*image.shape)
    )
    seen = ((seen - seen.min()) / max(float(np.ptp(seen)), 1e-9)) ** draws.uniform(0.7, 1.4)
    return np.rint(seen * 255).astype(np.uint8)
