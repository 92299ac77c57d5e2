"""Random numbers and smooth random fields of one synthetic patient."""

import functools
import math

import numpy as np
import torch
from torch import Tensor

GRID = (80, 96, 80)  # voxels: inferior-superior, anterior-posterior, right-left
SPACING = 2.0  # mm a voxel


class Stream:
    """A stream of random numbers: the same key draws the same on every machine.

    key: ints >= 0. Equal keys draw equal numbers.
    """

    def __init__(self, *key: int):
        # RandomState mixes the numbers of the key; torch draws whole volumes faster.
        seed = np.random.RandomState(key).randint(2**31)
        self._generator = torch.Generator().manual_seed(int(seed))

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self._draw()

    def log_uniform(self, low: float, high: float) -> float:
        """Between two positive numbers: as often in 1..2 as in 10..20."""
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return self._draw() < p

    def pick(self, n: int) -> int:
        """One of 0 .. n - 1."""
        return min(int(n * self._draw()), n - 1)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, float32."""
        return torch.randn(shape, generator=self._generator)

    def field(self, scale: float) -> Tensor:
        """A smooth random field over GRID, float32, mean 0 and deviation 1.

        scale: mm from bump to bump, about; one voxel or more. A cubic B-spline through
        random numbers on a coarse grid, at most as fine as the voxels.
        """
        weights = [_spline(side, max(1.0, scale / SPACING)) for side in GRID]
        field = self.normal(*(w.shape[1] for w in weights))
        for w in weights:  # each turn treats the first axis and makes it the last
            field = torch.tensordot(field, w, dims=([0], [1]))
        return (field - field.mean()) / field.std()

    def fields(self, scale: float) -> Tensor:
        """Three fields, one for each axis: float32 (3, *GRID)."""
        return torch.stack([self.field(scale) for _axis in range(3)])

    def _draw(self) -> float:
        return torch.rand((), generator=self._generator, dtype=torch.float64).item()


@functools.lru_cache(maxsize=64)
def _spline(side: int, step: float) -> Tensor:
    """Cubic B-spline weights, float32 (side, knots), of knots `step` voxels apart."""
    knots = math.ceil(side / step) + 3
    distance = torch.arange(side)[:, None] / step - (torch.arange(knots) - 1)[None]
    near = distance.abs()
    inner = 2 / 3 - near**2 + near**3 / 2
    outer = (2 - near).clamp(0) ** 3 / 6
    return torch.where(near < 1, inner, outer)


def smooth(volume: Tensor, times: int = 1) -> Tensor:
    """Mean over 3 x 3 x 3 voxels, `times` times (deviation 1.6 mm once)."""
    for _ in range(times):
        for axis in range(3):  # sums of slices: several times as fast as a pooling
            low, high = neighbours(volume, axis)
            volume = (low + volume + high) / 3
    return volume


def neighbours(volume: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The volume moved by one voxel each way; at the border, where it was."""
    side = volume.shape[axis]
    first, last = volume.narrow(axis, 0, 1), volume.narrow(axis, side - 1, 1)
    before = torch.cat([first, volume.narrow(axis, 0, side - 1)], axis)
    return before, torch.cat([volume.narrow(axis, 1, side - 1), last], axis)


def length(vectors: Tensor) -> Tensor:
    """Euclidean length along the first axis (torch's norm is slow on that one)."""
    return (vectors * vectors).sum(0).sqrt()


def coordinates() -> Tensor:
    """The indices of each voxel, float32 (3, *GRID)."""
    axes = [torch.arange(side, dtype=torch.float32) for side in GRID]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))
