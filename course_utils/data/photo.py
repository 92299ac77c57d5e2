"""From a photo of a hand to what a network trained on Sign-Language-MNIST expects."""

import operator
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.locale import _

SIDE = 28  # of an image of Sign-Language-MNIST
LUMA = 0.299, 0.587, 0.114  # of red, green, blue in grey: ITU-R BT.601


def preprocess_photo(
    photo: Tensor | np.ndarray, box: Sequence[int] | None = None
) -> Tensor:
    """Cut a square out of a photo and reduce it to 28 by 28 grey pixels.

    photo: uint8 tensor or array, grey (H, W) or red, green, blue (H, W, 3), 0..255.
    box: (left, top, side) of the square in pixels, inside the photo; None takes the
        largest square in the middle.
    Returns uint8 (1, 28, 28). Each pixel is the mean of the area that it covers, and
    the darkest becomes 0, the brightest 255, as in the data set (every one of its
    images is stretched so). A square of one single grey gives zeros.
    Raises ValueError for another type or shape, or a box that leaves the photo.
    """
    photo = _checked(photo)
    left, top, side = _box(box, *photo.shape[:2])
    square = photo[top : top + side, left : left + side].float()
    grey = square @ torch.tensor(LUMA) if square.ndim == 3 else square
    small = F.interpolate(grey[None, None], size=(SIDE, SIDE), mode="area")[0]
    low, high = small.min(), small.max()
    if high - low < 1:  # of 255: less than a grey level is rounding, not a picture
        return torch.zeros(1, SIDE, SIDE, dtype=torch.uint8)
    return (255 * (small - low) / (high - low)).round().to(torch.uint8)


def _checked(photo: Tensor | np.ndarray) -> Tensor:
    """The photo as a uint8 tensor on the CPU, or a ValueError that says what it is."""
    found = type(photo).__name__
    if isinstance(photo, (Tensor, np.ndarray)):
        dtype = str(photo.dtype).removeprefix("torch.")
        grey, color = photo.ndim == 2, photo.ndim == 3 and photo.shape[2] == 3
        if dtype == "uint8" and (grey or color) and 0 not in photo.shape:
            if isinstance(photo, Tensor):
                return photo.cpu()
            return torch.from_numpy(photo.copy())  # torch refuses negative strides
        found = f"{dtype} {tuple(photo.shape)}"
    raise ValueError(
        _(
            "preprocess_photo: expected a uint8 photo, grey (H, W) or in colour "
            "(H, W, 3), with values from 0 to 255, got {found}."
        ).format(found=found)
    )


def _box(box: Sequence[int] | None, height: int, width: int) -> tuple[int, int, int]:
    """(left, top, side), inside the photo, or a ValueError."""
    if box is None:
        side = min(height, width)
        return (width - side) // 2, (height - side) // 2, side
    try:
        left, top, side = map(operator.index, box)
        inside = side >= 1 and 0 <= left <= width - side and 0 <= top <= height - side
    except (TypeError, ValueError):  # not three, or not whole numbers
        inside = False
    if not inside:
        raise ValueError(
            _(
                "preprocess_photo: box must be (left, top, side), three whole numbers "
                "of a square inside the photo ({width} pixels wide, {height} high), "
                "got {box!r}."
            ).format(width=width, height=height, box=box)
        )
    return left, top, side
