"""How far apart the outlines of two masks are."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from course_utils.metrics.masks import as_masks, joint_box, millimetres

UNDEFINED = 374.0  # mm: a distance to nothing; the diagonal of a BraTS volume, rounded


def hausdorff95(
    pred: Tensor, target: Tensor, spacing: float | Sequence[float]
) -> Tensor:
    """How far apart two outlines are: 95 % of the way to the worst place, in mm.

    Of each outline's voxels the distances to the other outline are taken, of these the
    95th percentile, and of both directions the larger one.

    pred, target: as for `dice`, two or three spatial axes.
    spacing: mm between voxels, one number or one an axis, in the order of the axes.
    Returns float32 (N, C): 0 where both masks are empty, 374 where one is.

    Huttenlocher, D. P. et al. (1993). https://doi.org/10.1109/34.232073
    """
    pred, target = as_masks("hausdorff95", pred, target)
    spacing = millimetres("hausdorff95", spacing, pred.ndim - 2)
    distances = torch.zeros(pred.shape[:2])
    for n, c in np.ndindex(*distances.shape):
        distances[n, c] = outline_distance(pred[n, c], target[n, c], spacing)
    return distances


def outline_distance(pred: Tensor, target: Tensor, spacing: Sequence[float]) -> float:
    """HD95 of one pair of masks, bool (*spatial,); spacing: mm, one number an axis."""
    if not (pred.any() and target.any()):
        return UNDEFINED if pred.any() or target.any() else 0.0
    from monai.metrics import compute_hausdorff_distance

    box = joint_box(pred, target)
    with warnings.catch_warnings():
        # MONAI 1.6 warns of an argument that it passes to itself.
        warnings.simplefilter("ignore", FutureWarning)
        return compute_hausdorff_distance(
            pred[box][None, None],
            target[box][None, None],
            include_background=True,  # it takes channel 0 for background; ours is not
            percentile=95,
            spacing=spacing,
        ).item()
