"""How much of two masks is shared: Dice and sensitivity."""

import torch
from torch import Tensor

from course_utils.metrics.masks import as_masks


def dice(pred: Tensor, target: Tensor, *, empty: float = 1.0) -> Tensor:
    """Dice coefficient of binary masks, 2|A∩B| / (|A| + |B|), per item and channel.

    pred, target: bool or {0, 1}, shape (N, C, *spatial), equal shapes.
    empty: the score where both masks are empty (BraTS: 1); one empty mask scores 0.
    Returns float32 (N, C). Raises ValueError for shapes or values other than these.

    Dice, L. R. (1945). Ecology 26(3). https://doi.org/10.2307/1932409
    """
    pred, target = as_masks("dice", pred, target)
    shared = (pred & target).flatten(2).sum(2)
    total = pred.flatten(2).sum(2) + target.flatten(2).sum(2)
    return torch.where(total > 0, 2 * shared / total, empty)


def sensitivity(pred: Tensor, target: Tensor) -> Tensor:
    """Share of the true voxels that were found, |A∩B| / |B|, per item and channel.

    pred, target: as for `dice`. Returns float32 (N, C), NaN where the truth is empty:
    there is nothing to be found, and a mean should leave the patient out.
    """
    pred, target = as_masks("sensitivity", pred, target)
    return (pred & target).flatten(2).sum(2) / target.flatten(2).sum(2)
