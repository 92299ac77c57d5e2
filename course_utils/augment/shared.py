"""What the changes share: their random numbers, and the refusal of wrong input."""

import math

import torch
from torch import Generator, Tensor

from course_utils.locale import _


def draw(shape: tuple[int, ...], x: Tensor, generator: Generator | None) -> Tensor:
    """Uniform numbers in [-1, 1), drawn where the generator lives, moved to x."""
    device = generator.device if generator else x.device
    numbers = torch.rand(shape, generator=generator, device=device, dtype=x.dtype)
    return (numbers * 2 - 1).to(x.device)


def need_images(name: str, x: Tensor) -> None:
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(
            _(
                "{name}: x must be float images (N, C, H, W), got {dtype} {shape}."
            ).format(name=name, dtype=x.dtype, shape=tuple(x.shape))
        )


def need_range(
    name: str,
    field: str,
    value: float,
    *,
    below: float = math.inf,
    most: float = math.inf,
    whole: bool = False,
) -> None:
    if isinstance(value, tuple | list):
        raise ValueError(
            _("{name}: {field} is a single number, got {value!r}.").format(
                name=name, field=field, value=value
            )
        )
    if 0 <= value < below and value <= most and (not whole or value == int(value)):
        return
    bounds = "int >= 0" if whole else ">= 0"
    bounds += f", < {below}" if below < math.inf else ""
    bounds += f", <= {most}" if most < math.inf else ""
    raise ValueError(
        _("{name}: {field} must be {bounds}, got {value!r}.").format(
            name=name, field=field, bounds=bounds, value=value
        )
    )
