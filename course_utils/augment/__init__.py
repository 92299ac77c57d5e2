"""Random changes of a batch of images that leave their meaning as it was.

Each is a callable (x, generator=None) -> x on float images (N, C, H, W), on any device;
the result has the shape, dtype and device of x, and x itself is left as it was. Each
image draws its own change. The same seed of the generator gives the same changes.
There is no flip: a 2 in a mirror is not a 2, a right hand becomes a left one. Where the
answer is a mask, see SegmentationAugment, which changes both (and may flip).
"""

from collections.abc import Callable

from torch import Generator, Tensor

from course_utils.augment.geometry import RandomAffine, RandomErasing
from course_utils.augment.light import (
    GaussianBlur,
    GaussianNoise,
    RandomBrightnessContrast,
    RandomLighting,
)
from course_utils.augment.segmentation import SegmentationAugment
from course_utils.locale import _

__all__ = [
    "Compose",
    "GaussianBlur",
    "GaussianNoise",
    "RandomAffine",
    "RandomBrightnessContrast",
    "RandomErasing",
    "RandomLighting",
    "SegmentationAugment",
]


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
