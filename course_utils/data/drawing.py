"""From a drawing of any size to what a network trained on MNIST expects."""

import numpy as np
import torch
from torch import Tensor

from course_utils.locale import _

SIDE = 28  # of an MNIST image
BOX = 20  # of the square that its digit fits in
CENTER = 14  # row and column of its centre of mass
FAINT = 0.1  # of the strongest ink: weaker is paper grain or JPEG noise, not a stroke


def preprocess_drawing(drawing: Tensor | np.ndarray, *, center: bool = True) -> Tensor:
    """Reduce a drawing to 28 by 28 pixels, by default the way MNIST was made.

    drawing: uint8 tensor or array (H, W), 0 = paper, 255 = ink.
    center: True crops to the ink, fits it into 20x20 pixels keeping its proportions
        (each new pixel is the mean of the area that it covers), and moves it by whole
        pixels so that the centre of mass comes to row 14, column 14, or as near as it
        can without cutting ink off. False only reduces the whole drawing to 28x28.
    Returns uint8 (28, 28); an empty drawing gives zeros.
    Raises ValueError for another type or shape.

    LeCun, Y., Bottou, L., Bengio, Y., Haffner, P. (1998). Proceedings of the IEEE
    86(11), section III-A. https://doi.org/10.1109/5.726791
    """
    ink = _checked(drawing)
    if not center:
        return _resize(ink, SIDE, SIDE).to(torch.uint8)
    digit = _crop(ink)
    scale = BOX / max(digit.shape)
    digit = _resize(digit, *(max(1, round(side * scale)) for side in digit.shape))
    out = torch.zeros(SIDE, SIDE, dtype=torch.uint8)
    top, left = (_offset(digit.sum(1 - axis)) for axis in (0, 1))
    out[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return out


def _checked(drawing: Tensor | np.ndarray) -> Tensor:
    """The drawing as float32 (H, W) in 0..255, or a ValueError that says what it is."""
    found = type(drawing).__name__
    if isinstance(drawing, (Tensor, np.ndarray)):
        dtype = str(drawing.dtype).removeprefix("torch.")
        if dtype == "uint8" and drawing.ndim == 2 and 0 not in drawing.shape:
            if isinstance(drawing, Tensor):
                return drawing.cpu().float()
            return torch.from_numpy(drawing.astype(np.float32))
        found = f"{dtype} {tuple(drawing.shape)}"
    raise ValueError(
        _(
            "preprocess_drawing: expected a uint8 tensor (H, W) with 0 = paper and "
            "255 = ink, got {found}."
        ).format(found=found)
    )


def _crop(ink: Tensor) -> Tensor:
    """The smallest rectangle that holds every stroke; all of it where there is none."""
    # The strongest ink of each row, then of each column: quicker than comparing all.
    peaks = ink.amax(1), ink.amax(0)
    rows, columns = ((peak > FAINT * ink.max()).nonzero().flatten() for peak in peaks)
    if len(rows) == 0:
        return ink
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _resize(image: Tensor, height: int, width: int) -> Tensor:
    """Area average: each new pixel is the mean of the rectangle that it covers.

    Overlaps and sums are whole numbers, exact in float64: no rounding error before the
    only division, so that preprocess.js of the web page gets the very same pixels.
    """
    rows = _overlaps(image.shape[0], height)
    columns = _overlaps(image.shape[1], width)
    return (rows @ image.double() @ columns.T / image.numel()).round()


def _overlaps(old: int, new: int) -> Tensor:
    """(new, old): the length of old pixel j under new pixel i, in parts of a pixel."""
    edges, pixel = torch.arange(new + 1) * old, torch.arange(old) * new
    end = torch.minimum(edges[1:, None], pixel + new)
    start = torch.maximum(edges[:-1, None], pixel)
    return (end - start).clamp(min=0).double()


def _offset(profile: Tensor) -> int:
    """Where to begin, 0..28 - n, so that the mass of profile (n,) centres on 14."""
    room = SIDE - len(profile)
    mass = profile.sum()
    if mass == 0:
        return room // 2
    mean = (profile * torch.arange(len(profile))).sum() / mass
    return min(max(round(CENTER - mean.item()), 0), room)
