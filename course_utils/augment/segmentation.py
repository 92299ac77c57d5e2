"""Random changes of images together with their masks, in 2-D and in 3-D."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_utils.augment.shared import draw, need_range
from course_utils.locale import _


@dataclass(frozen=True)
class SegmentationAugment:
    """Turn, zoom, shift and mirror image and mask alike; change the image's intensity.

    degrees: largest rotation either way, >= 0; of volumes about each of the three axes.
    scale: largest relative zoom, 0 <= scale < 1. translate: largest shift along each
        axis, as a part of the side, >= 0. All uniform, about the centre; what comes in
        from outside is 0, in the mask too.
    flip: mirror half of them along the last axis (left for right: a brain in a mirror
        is a brain). True or False.
    intensity: standard deviation of each channel's gain about 1, and of what is added
        to it, >= 0. noise: standard deviation of each voxel's noise, >= 0. Both only
        where the image is not 0 in all channels: outside of the brain it stays 0.
    Raises ValueError for a range out of these bounds.

    Called with x float (N, C, *sides), two sides or three, y bool or float
    (N, K, *sides) and a generator, it returns both, of the same shapes and dtypes; x
    bilinear, y nearest: a mask is never a mixture. x and y are left as they were; each
    image draws its own change, and the same seed gives the same. Raises ValueError
    where x and y do not belong together.
    """

    degrees: float = 15
    scale: float = 0.12
    translate: float = 0.06
    flip: bool = True
    intensity: float = 0.15
    noise: float = 0.05

    def __post_init__(self):
        for field in ("degrees", "translate", "intensity", "noise"):
            need_range("SegmentationAugment", field, getattr(self, field))
        need_range("SegmentationAugment", "scale", self.scale, below=1)

    def __call__(
        self, x: Tensor, y: Tensor, generator: Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        _need_pair(x, y)
        theta = self._draw_affine(x, generator)
        grid = F.affine_grid(theta, [len(x), 1, *x.shape[2:]], align_corners=False)
        x = F.grid_sample(x, grid, mode="bilinear", align_corners=False)
        mask = F.grid_sample(y.to(x.dtype), grid, mode="nearest", align_corners=False)
        return self._change_intensity(x, generator), mask.to(y.dtype)

    def _draw_affine(self, x: Tensor, generator: Generator | None) -> Tensor:
        """(N, d, d + 1): where in x each place of the result comes from.

        As affine_grid has it: the last axis first, each side from -1 to 1.
        """
        dims = x.ndim - 2
        planes = [(0, 1)] if dims == 2 else [(0, 1), (0, 2), (1, 2)]
        numbers = draw((len(planes) + 2 + dims, len(x)), x, generator)
        angles, (zoom, mirror), shift = numbers.split([len(planes), 2, dims])
        matrix = torch.eye(dims).to(x).expand(len(x), -1, -1)
        for plane, angle in zip(planes, angles, strict=True):
            matrix = matrix @ _turn(dims, plane, angle * math.radians(self.degrees))
        # A rotation is one in voxels, not in sides of unequal length.
        sides = torch.tensor(x.shape[:1:-1]).to(x)
        matrix = matrix * (sides / sides.view(-1, 1))
        matrix = matrix / (1 + zoom * self.scale).view(-1, 1, 1)
        if self.flip:
            matrix[:, 0] *= torch.where(mirror < 0, -1.0, 1.0).to(x).view(-1, 1)
        return torch.cat([matrix, 2 * self.translate * shift.T.unsqueeze(2)], dim=2)

    def _change_intensity(self, x: Tensor, generator: Generator | None) -> Tensor:
        inside = (x != 0).any(1, keepdim=True)
        each = (2, *x.shape[:2], *[1] * (x.ndim - 2))
        gain, offset = _normal(each, x, generator) * self.intensity
        noise = _normal(x.shape, x, generator) * self.noise
        return (x * (1 + gain) + offset + noise) * inside


def _turn(dims: int, plane: tuple[int, int], angle: Tensor) -> Tensor:
    """Rotations (N, dims, dims) in the plane of two axes, by angle (N,) in radians."""
    first, second = plane
    matrix = torch.eye(dims).to(angle).repeat(len(angle), 1, 1)
    matrix[:, first, first] = matrix[:, second, second] = angle.cos()
    matrix[:, second, first] = angle.sin()
    matrix[:, first, second] = -angle.sin()
    return matrix


def _normal(shape: tuple[int, ...], x: Tensor, generator: Generator | None) -> Tensor:
    """Standard normal numbers, drawn where the generator lives, moved to x."""
    device = generator.device if generator else x.device
    numbers = torch.randn(shape, generator=generator, device=device, dtype=x.dtype)
    return numbers.to(x.device)


def _need_pair(x: Tensor, y: Tensor) -> None:
    good = x.ndim in (4, 5) and x.is_floating_point()
    if good and y.ndim == x.ndim and len(y) == len(x) and y.shape[2:] == x.shape[2:]:
        return
    raise ValueError(
        _(
            "SegmentationAugment: x must be float images (N, C, *sides), with two "
            "sides or three, and y masks (N, K, *sides), got {dtype} {x} and {y}."
        ).format(dtype=x.dtype, x=tuple(x.shape), y=tuple(y.shape))
    )
