"""The Dice coefficient, right and wrong: what the check of 04.dice compares with."""

import math
from collections.abc import Callable
from types import SimpleNamespace

from torch import Tensor

from course_utils.locale import _


def by_sets(pred: Tensor, target: Tensor) -> float:
    """The reference, on sets of places."""
    a, b = ({tuple(place) for place in mask.nonzero().tolist()}
            for mask in (pred, target))  # fmt: skip
    return 2 * len(a & b) / (len(a) + len(b)) if a | b else 1.0


def smoothing() -> str:
    return _(
        "You add a small number above or below: a loss needs that, and a score does "
        "not, since the empty masks have been seen to."
    )


def _counted(formula: Callable, empty: float = 1.0) -> Callable:
    """The stub with another formula; `empty` is its score of two empty masks."""

    def version(pred: Tensor, target: Tensor) -> float:
        if not (pred | target).any():
            return empty
        v = SimpleNamespace(
            s=(pred & target).sum().double(),
            p=pred.sum().double(),
            t=target.sum().double(),
            either=(pred | target).sum(),
            alike=(pred == target).sum(),
            voxels=pred.numel(),
            rows=len(pred),
        )
        return float(formula(v))

    return version


def mistakes() -> list[tuple[Callable, str]]:
    """(wrong Dice, sentence)"""
    background = _(
        "You count the background that both leave out as a hit: in a brain nearly all "
        "is background, and nearly every mask would look good."
    )
    rows = _("`len` counts rows, marked or not: the sum of a mask counts its voxels.")
    count = _("That is a number of voxels: out of how many?")
    all_voxels = _("You divide by all the voxels: only those that are marked count.")
    one_sided = _("You divide by one mask only: `total` counts the voxels of both.")
    return [
        (
            _counted(lambda v: v.s / (v.p + v.t)),
            _("A factor is missing: two equal masks would get one half."),
        ),
        (
            _counted(lambda v: v.s / v.either),
            _("That is the IoU, shared over either: Dice divides by the two sizes "
              "added."),
        ),
        (
            _counted(lambda v: 2 * v.s / v.either),
            _("Your `total` is the union, where a shared voxel counts once: in `total` "
              "it counts in each mask. (`+` between masks is a union too.)"),
        ),
        (_counted(lambda v: 2 * v.alike / (v.p + v.t)), background),
        (_counted(lambda v: v.alike / (v.p + v.t)), background),
        (_counted(lambda v: v.alike / v.voxels, 1.0), background),
        (_counted(lambda v: 2 * v.alike / v.either), background),
        (_counted(lambda v: v.s / v.voxels, 0.0), all_voxels),
        (_counted(lambda v: 2 * v.s / v.voxels, 0.0), all_voxels),
        (
            _counted(lambda v: v.s / v.p),
            _("That is the precision: the voxels that were missed are not in it."),
        ),
        (
            _counted(lambda v: v.s / v.t),
            _("That is the sensitivity: the false voxels are not in it."),
        ),
        (_counted(lambda v: 2 * v.s / v.p), one_sided),
        (_counted(lambda v: 2 * v.s / v.t), one_sided),
        (
            _counted(lambda v: (v.s / v.p + v.s / v.t) / 2),
            _("You average precision and sensitivity: Dice divides once, by both "
              "sizes."),
        ),
        (_counted(lambda v: v.s), count),
        (_counted(lambda v: 2 * v.s), count),
        (
            _counted(lambda v: 2 * v.either / (v.p + v.t)),
            _("You count what either mask marks: shared is what both mark."),
        ),
        (
            _counted(lambda v: 2 * (v.either - v.s) / (v.p + v.t)),
            _("You count where the masks differ: shared is where both mark."),
        ),
        (
            _counted(lambda v: 1 - 2 * v.s / (v.p + v.t)),
            _("That is 1 - Dice, a loss: the coefficient is meant."),
        ),
        (
            _counted(lambda v: 2 * v.s / (v.p * v.t)),
            _("You multiply the two sizes: they are added."),
        ),
        (
            _counted(lambda v: 2 * v.s // (v.p + v.t)),
            _("`//` drops the decimals: divide with `/`."),
        ),
        (
            _counted(lambda v: 200 * v.s / (v.p + v.t)),
            _("That is a percentage: here a fraction between 0 and 1 is meant."),
        ),
        (
            _by_slices,
            _("That is a mean over slices, where each empty one counts as 1: all "
              "voxels are counted at once."),
        ),
        (_counted(lambda v: 2 * v.rows / (v.p + v.t)), rows),
        (_counted(lambda v: v.s / v.rows, 0.0), rows),
        (_counted(lambda v: 2 * v.s / (2 * v.rows), 0.0), rows),
        *(
            (_counted(lambda v, d=digits: round((2 * v.s / (v.p + v.t)).item(), d)),
             _("Do not round."))
            for digits in (1, 2, 3, 4)
        ),
        (
            lambda pred, target: (
                by_sets(pred, target) if pred.any() and target.any() else 1.0
            ),
            _("With one empty mask nothing is found, and that is 0: only two empty "
              "ones agree."),
        ),
        *(
            (_counted(lambda v: 2 * v.s / (v.p + v.t), empty),
             _("Two empty masks agree: that is 1. Leave the stub's `if` as it was."))
            for empty in (0.0, math.nan)
        ),
        *(
            (_counted(lambda v, e=e, k=k: (2 * v.s + k * e) / (v.p + v.t + e)),
             smoothing())
            for e in (1.0, 0.1, 0.01, 0.001, 1e-4) for k in (0, 1, 2)
        ),
    ]  # fmt: skip


def _by_slices(pred: Tensor, target: Tensor) -> float:
    scores = [by_sets(*pair) for pair in zip(pred, target, strict=True)]
    return sum(scores) / len(scores)
