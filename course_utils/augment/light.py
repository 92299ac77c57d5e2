"""Changes of how bright each pixel is: light, noise, blur."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from course_utils.augment.shared import draw, need_images, need_range


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
        need_range("RandomBrightnessContrast", "brightness", self.brightness)
        need_range("RandomBrightnessContrast", "contrast", self.contrast, below=1)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        need_images("RandomBrightnessContrast", x)
        offset, gain = draw((2, len(x), 1, 1, 1), x, generator)
        mean = x.mean((1, 2, 3), keepdim=True)
        return x + (x - mean) * (gain * self.contrast) + offset * self.brightness


@dataclass(frozen=True)
class RandomLighting:
    """Light from one side: add to each image a slope of random direction and steepness.

    strength: largest change at the middle of a side, in the units of x, >= 0 (up to
        1.4 times as much in a corner); the opposite side changes by as much the other
        way, so the mean stays. Raises ValueError below 0.
    """

    strength: float = 0.3

    def __post_init__(self):
        need_range("RandomLighting", "strength", self.strength)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        need_images("RandomLighting", x)
        angle, steepness = draw((2, len(x), 1, 1, 1), x, generator)
        angle, steepness = angle * math.pi, steepness * self.strength
        down, right = (_middles(side, x) for side in x.shape[2:])
        slope = angle.cos() * right + angle.sin() * down.view(-1, 1)
        return x + steepness * slope


@dataclass(frozen=True)
class GaussianNoise:
    """Add independent normal noise to each pixel.

    std: its standard deviation, in the units of x, >= 0. Raises ValueError below 0.
    """

    std: float = 0.1

    def __post_init__(self):
        need_range("GaussianNoise", "std", self.std)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        need_images("GaussianNoise", x)
        device = generator.device if generator else x.device
        noise = torch.randn(x.shape, generator=generator, device=device, dtype=x.dtype)
        return x + noise.to(x.device) * self.std


@dataclass(frozen=True)
class GaussianBlur:
    """Blur each image as a lens out of focus does, each by a deviation of its own.

    sigma: largest standard deviation of the bell, in pixels, >= 0; each image draws
        its own between 0 and sigma. At the edges the weights of the pixels that exist
        are scaled to add up to 1. Raises ValueError below 0.
    """

    sigma: float = 1.0

    def __post_init__(self):
        need_range("GaussianBlur", "sigma", self.sigma)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        need_images("GaussianBlur", x)
        return blur(x, (draw((len(x),), x, generator) + 1) / 2 * self.sigma)


def blur(x: Tensor, sigma: Tensor) -> Tensor:
    """Blur each image of x (N, C, H, W) by its own deviation in pixels, (N,), >= 0."""
    # The bell of two dimensions is a product of two: blur columns, then rows.
    rows, columns = (_bells(sigma.view(-1, 1, 1, 1), side) for side in x.shape[2:])
    return rows @ x @ columns.mT


def _middles(side: int, x: Tensor) -> Tensor:
    """The middles of `side` pixels on a scale from -1 to 1, dtype and device of x."""
    places = torch.arange(side, dtype=x.dtype, device=x.device)
    return (2 * places + 1) / side - 1


def _bells(sigma: Tensor, side: int) -> Tensor:
    """Weights (N, 1, side, side) with which each pixel averages all of them."""
    places = torch.arange(side, dtype=sigma.dtype, device=sigma.device)
    away = (places.view(-1, 1) - places) / sigma.clamp(min=0.01)  # at 0.01: no blur
    # Beyond 6 deviations all weigh 1e-8: numbers near 1e-38 would take 5 times as long.
    return (-(away.clamp(-6, 6) ** 2) / 2).softmax(-1)
