"""Changes of where things are: the affine ones, and a square that is missing."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_utils.augment.shared import draw, need_images, need_range
from course_utils.locale import _


def affine(
    x: Tensor,
    *,
    angle: Tensor,
    zoom: Tensor,
    slant: Tensor,
    right: Tensor,
    down: Tensor,
) -> Tensor:
    """Rotate (clockwise), zoom, slant, then shift each image by numbers of its own.

    x: float images (N, C, H, W). The rest (N,), dtype and device of x: radians; the
    factor of size, > 0; displacement to the left over height; pixels to the right and
    down. All about the centre; what comes in from outside repeats the edge pixel.
    """
    height, width = x.shape[2:]
    zoom = 1 / zoom
    cos, sin = angle.cos(), angle.sin()
    # affine_grid asks, for each point of the result, where in x it comes from: the
    # inverse of rotate * slant * zoom, then of the shift. Its coordinates run from
    # -1 to 1 along each side, hence `wide` where one axis is read off the other.
    wide = height / width
    a, b = zoom * (cos - slant * sin), zoom * (sin + slant * cos) * wide
    c, d = -zoom * sin / wide, zoom * cos
    right, down = right * (2 / width), down * (2 / height)
    theta = torch.stack(
        [a, b, -(a * right + b * down), c, d, -(c * right + d * down)], dim=1
    )
    grid = F.affine_grid(theta.view(-1, 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(
        x, grid, mode="bilinear", padding_mode="border", align_corners=False
    )


@dataclass(frozen=True)
class RandomAffine:
    """Rotate, shift, zoom and slant each image at random, by one bilinear sampling.

    degrees: largest rotation either way, >= 0.
    translate: largest shift in pixels along each axis, >= 0.
    scale: largest relative zoom, 0 <= scale < 1 (0.1: from 90 to 110 %).
    shear: largest slant, >= 0: horizontal displacement over height.
    All uniform, about the centre of the image. What comes in from outside repeats the
    edge pixel. Raises ValueError for a range out of these bounds.

    The sampling: Jaderberg, M. et al. (2015). https://arxiv.org/abs/1506.02025
    """

    degrees: float = 10
    translate: float = 2
    scale: float = 0.1
    shear: float = 0.1

    def __post_init__(self):
        # torchvision's, whose names these are, take pairs, and fractions of the side.
        if any(isinstance(v, tuple | list) for v in (self.translate, self.scale)):
            raise ValueError(
                _(
                    "RandomAffine: translate is a single number, in pixels; scale is a "
                    "single number, such as 0.15."
                )
            )
        need_range("RandomAffine", "degrees", self.degrees)
        need_range("RandomAffine", "translate", self.translate)
        need_range("RandomAffine", "scale", self.scale, below=1)
        need_range("RandomAffine", "shear", self.shear)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        need_images("RandomAffine", x)
        angle, zoom, slant, right, down = draw((5, len(x)), x, generator)
        return affine(
            x,
            angle=angle * math.radians(self.degrees),
            zoom=1 + zoom * self.scale,
            slant=slant * self.shear,
            right=right * self.translate,
            down=down * self.translate,
        )


@dataclass(frozen=True)
class RandomErasing:
    """Set a square of some images to 0, the mean of a normalised image.

    size: its side in pixels, a whole number >= 0; it lies inside the image at a random
        place, the same in all channels.
    p: the probability that an image gets one, 0 <= p <= 1.
    Raises ValueError for numbers out of these bounds, and for images below size x size.

    DeVries, T. and Taylor, G. W. (2017). https://arxiv.org/abs/1708.04552 (Cutout);
    Zhong, Z. et al. (2020). https://doi.org/10.1609/aaai.v34i07.7000
    """

    size: int = 8
    p: float = 0.5

    def __post_init__(self):
        need_range("RandomErasing", "size", self.size, whole=True)
        need_range("RandomErasing", "p", self.p, most=1)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        need_images("RandomErasing", x)
        height, width = x.shape[2:]
        if self.size > min(height, width):
            raise ValueError(
                _(
                    "RandomErasing: a square of {size} pixels does not fit into images "
                    "of {height}×{width}."
                ).format(size=self.size, height=height, width=width)
            )
        chance, *corner = (draw((3, len(x), 1, 1, 1), x, generator) + 1) / 2
        rows = self._inside(corner[0], height).mT
        columns = self._inside(corner[1], width)
        return x.masked_fill(rows & columns & (chance < self.p), 0)

    def _inside(self, part: Tensor, side: int) -> Tensor:
        """Which of `side` pixels the square covers: bool (N, 1, 1, side)."""
        first = (part * (side - self.size + 1)).floor().clamp(max=side - self.size)
        pixels = torch.arange(side, device=part.device)
        return (first <= pixels) & (pixels < first + self.size)
