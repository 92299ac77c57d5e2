"""The Tversky index, right and wrong: what the check of 04.tversky compares with."""

from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import Tensor

from course_utils.locale import _


def by_regions(
    p: Tensor,
    target: Tensor,
    missed_weight: float = 0.7,
    false_weight: float = 0.3,
) -> Tensor:
    """The reference: one region after the other, tumour and the rest apart."""
    indices = []
    for of_p, of_target in zip(p.unbind(1), target.unbind(1), strict=True):
        inside, outside = of_p[of_target == 1], of_p[of_target == 0]
        errors = missed_weight * (len(inside) - inside.sum())
        errors += false_weight * outside.sum()
        indices.append((inside.sum() + 1) / (inside.sum() + errors + 1))
    return torch.stack(indices)


def _summed(formula: Callable, axes: tuple[int, ...] = (0, 2, 3)) -> Callable:
    """The stub with another formula of what it adds up over `axes`."""

    def version(
        p: Tensor,
        target: Tensor,
        missed_weight: float = 0.7,
        false_weight: float = 0.3,
    ) -> Tensor:
        v = SimpleNamespace(
            h=(p * target).sum(axes),
            m=((1 - p) * target).sum(axes),
            f=(p * (1 - target)).sum(axes),
            t=target.sum(axes),
            p=p.sum(axes),
            not_p=(1 - p).sum(axes),
            not_t=(1 - target).sum(axes),
            a=missed_weight,
            b=false_weight,
            voxels=p[:, 0].numel(),
        )
        return formula(v)

    return version


def _with_errors(m: Callable, f: Callable) -> Callable:
    """The stub with other errors, missed and false, of what is added up."""

    def formula(v: SimpleNamespace) -> Tensor:
        return (v.h + 1) / (v.h + v.a * m(v) + v.b * f(v) + 1)

    return _summed(formula)


def wrong_errors() -> list[tuple[Callable, str]]:
    """(wrong index, sentence), with other errors."""
    # What an error may be taken for, by the letter of `_summed`.
    whole_truth = _(
        "You take the whole tumour for missed, also where p finds it: what p lacks up "
        "to 1 is missed."
    )
    whole_p = _(
        "You take all of p for false alarms, also what lies in the tumour: only what "
        "is outside counts."
    )
    everywhere = _(
        "You count as missed what p lacks everywhere, also outside of the tumour, "
        "where it should lack it."
    )
    outside = _(
        "You count every voxel outside of the tumour as a false alarm, whatever p says "
        "there."
    )
    images = _(
        "The images are still apart: `axes` adds them up too, as in `hits`, and the "
        "regions alone stay."
    )
    return [
        (_with_errors(lambda v: v.t, lambda v: v.f), whole_truth),
        (_with_errors(lambda v: v.m, lambda v: v.p), whole_p),
        (
            _with_errors(lambda v: v.t, lambda v: v.p),
            _("You count the whole of both masks as errors, also what they share: "
              "missed and false are what is left."),
        ),
        (_with_errors(lambda v: v.not_p, lambda v: v.f), everywhere),
        (_with_errors(lambda v: v.m, lambda v: v.not_t), outside),
        (
            _with_errors(lambda v: v.not_p, lambda v: v.not_t),
            _("You count background: missed is inside of the tumour, and false is "
              "where p is."),
        ),
        (
            _with_errors(lambda v: v.voxels - v.h, lambda v: v.f),
            _("The `1 -` is outside of the product: it belongs to p alone."),
        ),
        *(
            (_with_errors(m, f),
             _("A sum without its `axes` adds up all regions together: give it the "
               "same ones as in `hits`."))
            for m, f in [
                (lambda v: v.m.sum(), lambda v: v.f.sum()),
                (lambda v: v.m.sum(), lambda v: v.f),
                (lambda v: v.m, lambda v: v.f.sum()),
            ]
        ),
        *(
            (_with_errors(part, part),
             _("Both errors are the same thing there: one is in the tumour and one "
               "outside."))
            for part in (lambda v: v.m, lambda v: v.f, lambda v: v.m + v.f)
        ),
        (_with_errors(lambda v: v.t - v.p, lambda v: v.p - v.t),
         _("With differences, what is missed in one place and false in another cancels "
           "out: multiply place by place.")),
        (lambda p, *rest: torch.Size(p.shape[:2]), images),
        (
            lambda p, *rest: p.shape,
            _("An error is still a map: add it up over `axes`, as the hits are."),
        ),
    ]  # fmt: skip


def wrong_indices() -> list[tuple[Callable, str]]:
    """(wrong index, sentence), with the right errors."""

    def right(v: SimpleNamespace) -> Tensor:
        return (v.h + 1) / (v.h + v.a * v.m + v.b * v.f + 1)

    smoothing = _(
        "The 1 belongs above and below: without it a region that nobody has is 0 over "
        "0, and with it 1."
    )
    return [
        (
            _summed(lambda v: (v.h + 1) / (v.h + v.b * v.m + v.a * v.f + 1)),
            _("The weights are swapped, or what they weigh: missed is what the target "
              "marks and p lacks."),
        ),
        *(
            (_with_errors(m, f),
             _("The weights are applied twice, in the errors and again in the "
               "`return`: once is enough."))
            for m, f in [
                (lambda v: v.a * v.m, lambda v: v.b * v.f),
                (lambda v: v.a * v.m, lambda v: v.f),
                (lambda v: v.m, lambda v: v.b * v.f),
            ]
        ),
        (_summed(lambda v: v.h / (v.h + v.a * v.m + v.b * v.f)), smoothing),
        (_summed(lambda v: (v.h + 1) / (v.h + v.a * v.m + v.b * v.f)), smoothing),
        (_summed(lambda v: v.h / (v.h + v.a * v.m + v.b * v.f + 1)), smoothing),
        *(
            (_summed(lambda v, e=e: (v.h + e) / (v.h + v.a * v.m + v.b * v.f + e)),
             _("What is added above and below is 1 here, and not a tiny number."))
            for e in (0.1, 1e-2, 1e-3, 1e-5, 1e-6, 1e-8)
        ),
        (
            _summed(lambda v: v.h + 1 / (v.h + v.a * v.m + v.b * v.f + 1)),
            _("Parentheses are missing above: only the 1 is divided."),
        ),
        (
            _summed(lambda v: (v.h + 1) / v.h + v.a * v.m + v.b * v.f + 1),
            _("Parentheses are missing below: only the hits divide."),
        ),
        (
            _summed(lambda v: right(v) * (v.h + v.m + v.f + 1) / (v.h + 1)),
            _("Above the line there are only the hits and the 1."),
        ),
        (
            lambda *case: 1 - by_regions(*case),
            _("That is the loss, 1 - the index: here the index is meant."),
        ),
        (
            _summed(lambda v: (v.h + 1) / (v.h + v.m + v.f + 1)),
            _("The weights are missing: each kind of error counts with its own."),
        ),
        (
            _summed(lambda v: (2 * v.h + 1) / (2 * v.h + v.a * v.m + v.b * v.f + 1)),
            _("That is how Dice counts its hits, twice: here the weights do it."),
        ),
        (
            _summed(lambda v: (v.h + 1) / (v.a * v.m + v.b * v.f + 1)),
            _("The hits are missing below the line."),
        ),
        (
            lambda p, target, *weights: by_regions(p, target),
            _("You always weigh with 0.7 and 0.3: use the two arguments."),
        ),
        (
            lambda p, target, m=0.7, f=0.3: by_regions(p, target, m, 1 - m),
            _("You compute one weight from the other: they need not add up to 1."),
        ),
        (
            lambda p, target, m=0.7, f=0.3: by_regions(p.round(), target, m, f),
            _("You decide at 0.5 first: a loss needs the probabilities, or nothing "
              "leads down."),
        ),
        (
            lambda *case: by_regions(*case).mean(),
            _("You average the regions: each keeps its own index."),
        ),
        (_summed(lambda v: right(v).mean(0), (2, 3)),
         _("You average over the images: hits and errors are added up over them "
           "first.")),
    ]  # fmt: skip
