"""Exercise: centring a drawn digit."""

import math

import torch
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Slip,
    Stopped,
    call,
    difference,
    expect_callable,
    same,
    tensor,
)
from course_utils.locale import _


@exercise(
    "02.center",
    hints=lambda: [
        _(
            "The centre of mass is an average of positions in which black pixels "
            "count 0."
        ),
        _(
            "For the rows: add up each row's number times its ink, and divide by all "
            "the ink. For the columns, the same the other way."
        ),
        _(
            "`torch.roll` moves towards higher numbers: from where it is to 14, "
            "rounded."
        ),
    ],
    blanks=2,
)
def center(answer):
    expect_callable(answer)
    images = _drawings()
    moves = []
    for image in images:
        row, column = _centre_of_mass(image)
        case = _("a drawing with its centre of mass at row {row}, column {column}")
        case = case.format(row=f"{row:.1f}", column=f"{column:.1f}")
        try:
            got = tensor(call(answer, image, case=case))
        except Stopped as stopped:
            raise _named_roll(stopped) or stopped from None
        if got.shape != image.shape:
            raise NotYet(difference(case, image, got))
        moves.append((case, (row, column), _roll_between(image, got, case)))
    ideal = [(14 - row, 14 - column) for case, (row, column), move in moves]
    moved = [move for case, centre, move in moves]
    # Rounding to 14 or to 13.5, the middle of 28 pixels, is equally good.
    wrong = [
        i
        for i, (to, by) in enumerate(zip(ideal, moved, strict=True))
        if not all(-1.01 <= b - t <= 0.51 for t, b in zip(to, by, strict=True))
    ]
    if wrong:
        case, (row, column), by = moves[wrong[0]]
        reason = _(
            "you move {case} to row {row}, column {column}; I expected it within half "
            "a pixel of 14, 14."
        )
        told = reason.format(
            case=case, row=f"{row + by[0]:.1f}", column=f"{column + by[1]:.1f}"
        )
        raise NotYet(f"{told} {_named_move(images, ideal, moved)}".rstrip())
    return _("Try it on your own drawing, in a corner of the pad, and predict before.")


def _named_roll(stopped: Stopped) -> Slip | None:
    """What to say of an error in center, if it is about the shifts."""
    text = str(stopped.error)
    if isinstance(stopped.error, TypeError) and ("round" in text or "roll" in text):
        reason = _(
            "`torch.roll` wants Python integers: take each number out of its tensor "
            "with `.item()`, and round it."
        )
    elif stopped.operation == "roll":
        reason = _("`torch.roll` wants one shift for each of `dims`: a pair.")
    else:
        return None
    told = _("for {case} your code stops.").format(case=stopped.case)
    return Slip(f"{told} {reason}")


def _drawings() -> list[Tensor]:
    """Drawings whose ink, box and outline have their centres far from each other."""
    first, second, third = torch.zeros(3, 28, 28)
    first[2:7, 12:16] = 1.0
    first[2:20, 16:20] = 0.1
    second[21:25, 17:21] = 0.9
    second[9:23, 13:17] = 0.1
    third[12:19, 3:6] = 0.8
    third[4:13, 4:14] = 0.05
    return [first, second, third]


def _centre_of_mass(image: Tensor) -> tuple[float, float]:
    places = torch.stack(torch.meshgrid(*2 * [torch.arange(28.0)], indexing="ij"))
    return tuple(((places * image).sum((1, 2)) / image.sum()).tolist())


def _roll_between(image: Tensor, got: Tensor, case: str) -> tuple[int, int]:
    """The whole pixels (down, right) by which `got` is moved, each in -14..13."""
    for down in range(-14, 14):
        for right in range(-14, 14):
            if same(got, image.roll((down, right), (0, 1))):
                return down, right
    if got.double().sum().sub(image.double().sum()).abs() > 0.01 * image.sum():
        reason = _(
            "for {case}, the ink changed from {before} to {after}: move it without "
            "cutting, scaling or erasing anything."
        )
        ink = {"before": f"{image.sum():.1f}", "after": f"{got.double().sum():.1f}"}
        raise NotYet(reason.format(case=case, **ink))
    reason = _(
        "for {case}, the drawing itself changed: move it by whole pixels, rounding the "
        "shift, so that no grey value is mixed with its neighbours."
    )
    raise NotYet(reason.format(case=case))


def _named_move(images: list[Tensor], ideal: list, moved: list) -> str:
    """A sentence for a wrong shift, or an empty one."""

    def near(targets):
        return all(
            abs(b - t) <= 1.01
            for to, by in zip(targets, moved, strict=True)
            for t, b in zip(to, by, strict=True)
        )

    mistakes = [
        ([(0, 0) for _to in ideal], _("It comes back where it was.")),
        (
            [(b, a) for a, b in ideal],
            _("Rows and columns are swapped: in `image[row, column]`, dims=0 is the "
              "row."),
        ),
        (
            [(-a, -b) for a, b in ideal],
            _("You move it the wrong way: from where it is to where it should be."),
        ),
        (
            [(0, round(a) + round(b)) for a, b in ideal],
            _("Without `dims`, `torch.roll` moves along the rows, one after another: "
              "tell it in which direction."),
        ),
        (
            [(a, a) for a, b in ideal],
            _("Your column uses the ink of the rows: does it need sum(1) or sum(0)?"),
        ),
        (
            [(b, b) for a, b in ideal],
            _("Your row uses the ink of the columns: does it need sum(1) or sum(0)?"),
        ),
        ([(a, 0) for a, b in ideal], _("Only the rows move: and the columns?")),
        ([(0, b) for a, b in ideal], _("Only the columns move: and the rows?")),
        (
            [_box_shift(image) for image in images],
            _("That is the centre of the box around the drawing: in the centre of mass "
              "each pixel weighs what it has of ink."),
        ),
        (
            [_ideal((image > 0).float()) for image in images],
            _("You count the inked pixels all alike: each weighs its grey value."),
        ),
        (
            [(math.trunc(a), math.trunc(b)) for a, b in ideal],
            _("It is one pixel away: `int()` cuts towards zero. Round instead."),
        ),
    ]  # fmt: skip
    return next((text for targets, text in mistakes if near(targets)), "")


def _ideal(image: Tensor) -> tuple[float, float]:
    row, column = _centre_of_mass(image)
    return 14 - row, 14 - column


def _box_shift(image: Tensor) -> tuple[float, float]:
    places = image.nonzero().float()
    middle = (places.amin(0) + places.amax(0)) / 2
    return tuple((14 - middle).tolist())
