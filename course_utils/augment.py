"""Random changes of a batch of images that leave their meaning as it was.

Each is a callable (x, generator=None) -> x on float images (N, C, H, W), on any device;
the result has the shape, dtype and device of x, and x itself is left as it was. Each
image draws its own change. The same seed of the generator gives the same changes.
There is no flip: a 2 in a mirror is not a 2, a right hand becomes a left one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_utils.locale import _


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
        _need_range("RandomAffine", "degrees", self.degrees)
        _need_range("RandomAffine", "translate", self.translate)
        _need_range("RandomAffine", "scale", self.scale, below=1)
        _need_range("RandomAffine", "shear", self.shear)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        _need_images("RandomAffine", x)
        n, _channels, height, width = x.shape
        angle, zoom, slant, right, down = _draw((5, n), x, generator)
        angle = angle * math.radians(self.degrees)
        cos, sin = angle.cos(), angle.sin()
        zoom = 1 / (1 + zoom * self.scale)
        slant = slant * self.shear
        # affine_grid asks, for each point of the result, where in x it comes from: the
        # inverse of rotate * slant * zoom, then of the shift. Its coordinates run from
        # -1 to 1 along each side, hence `wide` where one axis is read off the other.
        wide = height / width
        a, b = zoom * (cos - slant * sin), zoom * (sin + slant * cos) * wide
        c, d = -zoom * sin / wide, zoom * cos
        right = right * (2 * self.translate / width)
        down = down * (2 * self.translate / height)
        theta = torch.stack(
            [a, b, -(a * right + b * down), c, d, -(c * right + d * down)], dim=1
        )
        grid = F.affine_grid(theta.view(n, 2, 3), list(x.shape), align_corners=False)
        return F.grid_sample(
            x, grid, mode="bilinear", padding_mode="border", align_corners=False
        )


@dataclass(frozen=True)
class RandomBrightnessContrast:
    """x * gain + offset, one gain and one offset an image.

    brightness: largest offset either way, in the units of x, >= 0.
    contrast: largest relative change of gain, 0 <= contrast < 1, about the mean of the
        image, so that it does not change the brightness.
    Raises ValueError for a range out of these bounds.
    """

    brightness: float = 0.1
    contrast: float = 0.1

    def __post_init__(self):
        _need_range("RandomBrightnessContrast", "brightness", self.brightness)
        _need_range("RandomBrightnessContrast", "contrast", self.contrast, below=1)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        _need_images("RandomBrightnessContrast", x)
        offset, gain = _draw((2, len(x), 1, 1, 1), x, generator)
        mean = x.mean((1, 2, 3), keepdim=True)
        return x + (x - mean) * (gain * self.contrast) + offset * self.brightness


@dataclass(frozen=True)
class GaussianNoise:
    """Add independent normal noise to each pixel.

    std: its standard deviation, in the units of x, >= 0. Raises ValueError below 0.
    """

    std: float = 0.1

    def __post_init__(self):
        _need_range("GaussianNoise", "std", self.std)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        _need_images("GaussianNoise", x)
        device = generator.device if generator else x.device
        noise = torch.randn(x.shape, generator=generator, device=device, dtype=x.dtype)
        return x + noise.to(x.device) * self.std


class Compose:
    """Apply several changes, one after the other.

    steps: callables (x, generator) -> x; none at all leaves x as it is.
    Raises ValueError for a step that cannot be called.
    """

    def __init__(self, *steps: Callable[..., Tensor]):
        for step in steps:
            if not callable(step):
                raise ValueError(
                    _(
                        "Compose: {step!r} cannot be called; give it the changes one "
                        "by one, Compose(a, b)."
                    ).format(step=step)
                )
        self.steps = steps

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        for step in self.steps:
            x = step(x, generator)
        return x

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.steps))})"


def _draw(shape: tuple[int, ...], x: Tensor, generator: Generator | None) -> Tensor:
    """Uniform numbers in [-1, 1), drawn where the generator lives, moved to x."""
    device = generator.device if generator else x.device
    numbers = torch.rand(shape, generator=generator, device=device, dtype=x.dtype)
    return (numbers * 2 - 1).to(x.device)


def _need_images(name: str, x: Tensor) -> None:
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(
            _(
                "{name}: x must be float images (N, C, H, W), got {dtype} {shape}."
            ).format(name=name, dtype=x.dtype, shape=tuple(x.shape))
        )


def _need_range(name: str, field: str, value: float, below: float = math.inf) -> None:
    if not 0 <= value < below:
        bounds = ">= 0" if below == math.inf else f">= 0, < {below}"
        raise ValueError(
            _("{name}: {field} must be {bounds}, got {value!r}.").format(
                name=name, field=field, bounds=bounds, value=value
            )
        )
