"""What every score asks of its masks and millimetres, and the box that holds both."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from course_utils.guards import need
from course_utils.locale import _


def as_masks(
    where: str,
    pred: Tensor,
    target: Tensor,
    shape: str = "(N, C, *spatial)",
    axes: Sequence[int] = (3, 4, 5),
) -> tuple[Tensor, Tensor]:
    """Both as bool, on the CPU; ValueError unless they are masks of one such shape.

    where: the function they were given to. shape: what it wants, for the sentence.
    axes: how many axes that may be.
    """
    if pred.shape != target.shape or pred.ndim not in axes:
        raise ValueError(
            _(
                "{where}: pred and target must both be {shape}, of equal size; they "
                "are {pred} and {target}."
            ).format(
                where=where,
                shape=shape,
                pred=tuple(pred.shape),
                target=tuple(target.shape),
            )
        )
    return as_mask(where, "pred", pred), as_mask(where, "target", target)


def as_mask(where: str, name: str, mask: Tensor) -> Tensor:
    """As bool, on the CPU; ValueError for other values than 0 and 1."""
    mask = mask.detach().cpu()
    if not (mask == mask.bool()).all():
        raise ValueError(
            _(
                "{where}: {name} must be a mask of 0 and 1, but its values run from "
                "{low:.4g} to {high:.4g}: make a mask of probabilities (p > 0.5), "
                "regions of labels."
            ).format(
                where=where, name=name, low=mask.min().item(), high=mask.max().item()
            )
        )
    return mask.bool()


def millimetres(where: str, spacing: float | Sequence[float], axes: int) -> list[float]:
    """One number an axis."""
    each = np.asarray(spacing, dtype=np.float64)
    good = each.shape in ((), (axes,)) and (np.isfinite(each) & (each > 0)).all()
    need(where, "spacing", spacing, bool(good), f"mm > 0 | ({axes} × mm > 0)")
    return np.broadcast_to(each, axes).tolist()


def joint_box(pred: Tensor, target: Tensor) -> tuple[slice, ...]:
    """The smallest box that holds both masks, which are not both empty."""
    inside = (pred | target).nonzero()
    low, high = inside.amin(0).tolist(), (inside.amax(0) + 1).tolist()
    return tuple(map(slice, low, high))
