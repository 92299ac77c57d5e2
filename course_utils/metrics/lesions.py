"""Scores of a region lesion by lesion, and the largest of its pieces."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_utils.guards import need
from course_utils.metrics.masks import as_mask, as_masks, joint_box, millimetres
from course_utils.metrics.overlap import dice
from course_utils.metrics.surface import UNDEFINED, outline_distance

SMALLEST = 50.0  # mm³: a true lesion up to this size is left out of the lesions' scores
NEAR, NEAR_IN_ALL = 3.0, 6.0  # mm along one axis, summed over all: still one lesion


class LesionScores(NamedTuple):
    """What `lesion_wise` says about one region of one patient."""

    dice: float  # 0..1, mean over true and false lesions
    hd95: float  # mm, mean over true and false lesions
    lesions: int  # true lesions that are scored
    missed: int  # those of them that no prediction comes near
    false: int  # predicted lesions that are near no true one


def lesion_wise(
    pred: Tensor, target: Tensor, spacing: float | Sequence[float]
) -> LesionScores:
    """Scores of one region, lesion by lesion: a small one counts as much as a large.

    True lesions that lie within some 6 mm of each other count as one, and the predicted
    pieces within some 3 mm of it are its prediction. Each true lesion above 50 mm³
    scores its Dice and HD95 (missed: 0 and 374); each predicted piece that is near no
    true lesion, however small, is a false one and scores 0 and 374 too. The result is
    the mean over both kinds, 1 and 0 where there is none.

    pred, target: bool or {0, 1}, shape (D, H, W).
    spacing: mm between voxels, one number or one an axis (D, H, W).

    At 1 mm these are the numbers of the challenge (BraTS 2023, gliomas), but that its
    HD95 is measured between surfaces, ours between the voxels along them. On a coarser
    grid, near is as many voxels as fit into these distances.
    """
    pred, target = as_masks("lesion_wise", pred, target, "(D, H, W)", axes=[3])
    spacing = millimetres("lesion_wise", spacing, 3)
    nothing = LesionScores(1.0, 0.0, 0, 0, 0)
    if not (pred.any() or target.any()):
        return nothing
    box = joint_box(pred, target)
    pred, target = pred[box].numpy(), target[box].numpy()
    zones, count = _zones(target, spacing)
    pieces, _count = _components(pred)
    dices, distances, missed = [], [], 0
    for zone in range(1, count + 1):
        lesion = target & (zones == zone)
        if lesion.sum() * math.prod(spacing) <= SMALLEST:
            continue
        found = np.isin(pieces, np.unique(pieces[pred & (zones == zone)]))
        pair = torch.from_numpy(found), torch.from_numpy(lesion)
        box = joint_box(*pair)
        dices.append(dice(*(mask[box][None, None] for mask in pair)).item())
        distances.append(outline_distance(*pair, spacing))
        missed += not found.any()
    false = len({*np.unique(pieces[pred])} - {*np.unique(pieces[pred & (zones > 0)])})
    scored = len(dices) + false
    if not scored:
        return nothing
    far = sum(distances) + false * UNDEFINED
    return LesionScores(sum(dices) / scored, far / scored, len(dices), missed, false)


def _zones(target: np.ndarray, spacing: Sequence[float]) -> tuple[np.ndarray, int]:
    """The number of the lesion that each voxel is near, 0 far from all; how many."""
    from scipy import ndimage

    zones = np.zeros(target.shape, dtype=np.int32)
    if not target.any():
        return zones, 0
    near = _near(spacing)
    # What is near lies within this box: the rest need not be searched.
    (inside,) = ndimage.find_objects(target.astype(np.uint8))
    box = tuple(
        slice(max(0, side.start - reach // 2), side.stop + reach // 2)
        for side, reach in zip(inside, near.shape, strict=True)
    )
    zones[box], count = _components(ndimage.binary_dilation(target[box], near))
    return zones, count


def _near(spacing: Sequence[float]) -> np.ndarray:
    """Which voxels around one are near it, bool, odd sides.

    The challenge dilates three times by the 18 neighbours. At 1 mm that reaches this
    far; written in mm it means the same on any grid.
    """
    slack = 1e-3  # the spacing of a file's header may be 1.0000001
    steps = [int(NEAR / side + slack) for side in spacing]
    away = [
        s * np.abs(np.arange(-n, n + 1)) for s, n in zip(spacing, steps, strict=True)
    ]
    return sum(np.ix_(*away)) <= NEAR_IN_ALL + slack


def largest_component(mask: Tensor) -> Tensor:
    """The mask without its smaller pieces: a false speck far away costs HD95 dearly.

    mask: bool or {0, 1}, shape (D, H, W), or (C, D, H, W): each channel on its own.
    Voxels that touch by a side, an edge or a corner belong together. Of two largest
    pieces the first in memory is kept. Returns bool of the same shape.
    """
    shape = tuple(mask.shape)
    need("largest_component", "mask", shape, len(shape) in (3, 4), "([C,] D, H, W)")
    mask = as_mask("largest_component", "mask", mask)
    if mask.ndim == 4:
        return torch.stack([largest_component(channel) for channel in mask])
    pieces, count = _components(mask.numpy())
    if count < 2:
        return mask.clone()
    sizes = np.bincount(pieces.ravel())
    return torch.from_numpy(pieces == 1 + sizes[1:].argmax())


def _components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Number of each voxel's piece, 0 outside, and how many pieces there are."""
    from scipy import ndimage

    return ndimage.label(mask, np.ones((3, 3, 3)))
