"""Exercise: the Dice coefficient of two masks."""

import math

import torch
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import (
    Almost,
    NotYet,
    Slip,
    Stopped,
    any_number,
    compare,
    error_text,
    same_or_nan,
)
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.checks.workshop_04.dice_mistakes import (
    by_sets,
    mistakes,
    smoothing,
)
from course_utils.locale import _


@exercise(
    "04.dice",
    hints=lambda: [
        _(
            "Draw two circles that overlap: which voxels do both masks mark, and how "
            "many does each one mark?"
        ),
        _(
            "True counts as 1, so that the sum of a mask is its number of voxels. `&` "
            "between two masks marks what both mark."
        ),
        _(
            "`total` counts the shared voxels twice, once in each mask: what does it "
            "take for two equal masks to give 1?"
        ),
    ],
    blanks=3,
)
def dice(answer):
    try:
        compare(
            answer,
            _cases(),
            by_sets,
            mistakes(),
            read=_read,
            describe=_describe,
            agree=lambda got, wanted: same_or_nan(
                got, wanted, rel_tol=1e-5, abs_tol=1e-5
            ),
            stop=_named_stop,
            unnamed=_of_scores,
        )
    except NotYet as error:
        if str(error).endswith(smoothing()):  # right, but for what was added
            raise Almost(str(error)) from None
        raise
    return _(
        "Try it with a tumour of 10 voxels and one of 10,000, each missed by the same "
        "5 voxels: which score suffers?"
    )


def _cases() -> list[tuple[Tensor, Tensor]]:
    """The first can be done on paper: 2 shared, of 3 and of 5."""
    generator = torch.Generator().manual_seed(5)
    pred = torch.tensor([[0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]).bool()
    target = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]]).bool()
    volumes = torch.rand(2, 3, 4, 5, generator=generator) < 0.3
    volumes[:, 0] = False  # an empty slice, which a mean over slices takes for a hit
    nothing = torch.zeros(3, 4, dtype=torch.bool)
    return [
        (pred, target),
        (volumes[0], volumes[1]),
        (pred, torch.roll(target, 2, 0) & ~pred),
        (target, target),
        (nothing, target),
        (pred, nothing),
        (nothing, nothing),
    ]


def _read(result: object) -> int | float:
    """As `any_number` reads it; several numbers come of a sum that is missing."""
    try:
        return any_number(result)
    except NotYet as error:
        if not isinstance(result, Tensor) or result.numel() == 1:
            raise
        reason = _(
            "The `.sum()` of a mask counts its voxels over all dimensions; Python's "
            "own `sum` goes along the first one alone."
        )
        raise NotYet(f"{error} {reason}") from None


def _describe(pred: Tensor, target: Tensor) -> str:
    shared, a, b = (int(m.sum()) for m in (pred & target, pred, target))
    text = _("a prediction of {a} voxels and a truth of {b} ({shared} shared)")
    if a + b == 0:
        text = _("two empty masks")
    elif a == 0:
        text = _("an empty prediction and a truth of {b} voxels")
    elif b == 0:
        text = _("a prediction of {a} voxels and an empty truth")
    return text.format(a=a, b=b, shared=shared)


def _of_scores(got: list) -> str:
    """What to add where no mistake is named."""
    numbers = [score for score in got if isinstance(score, int | float)]
    if any(score > 1 for score in numbers):
        return _("A Dice is never above 1: what do you divide by?")
    if any(score < 0 for score in numbers):
        return _("A Dice is never below 0.")
    if any(math.isnan(score) for score in numbers):
        return _("Is there a division by zero?")
    return ""


def _named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in dice."""
    text, told = error_text(stopped.error), _("your code stops.")
    total = stopped.local("total")
    if isinstance(total, Tensor) and total.numel() > 1:
        reason = _(
            "`total` must be one number: count the voxels of each mask by its sum."
        )
    elif "Boolean value of Tensor" in text:
        reason = _(
            "`and`, `or` and `if` want one True or False, and a mask has many: `&` and "
            "`|` go place by place, and a sum makes one number of a mask."
        )
    elif "bool tensor" in text:
        reason = _(
            "Masks of True and False are not subtracted: `&` marks what both mark, and "
            "`~` turns a mask around."
        )
    elif stopped.operation == "mean":
        reason = _(
            "True and False have no mean: turn them into numbers with `.float()`."
        )
    elif "division by zero" in text:
        reason = _(
            "You divide by a count that can be 0: the `if` looks at `total` only."
        )
    else:
        return plain_tensor_stop(stopped)
    return Slip(f"{told} {reason}")
