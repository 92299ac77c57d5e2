"""Exercises: recall of one class, and centring a drawn digit."""

import math

import torch
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    call,
    compare,
    difference,
    expect_callable,
    number,
    same,
    tensor,
)
from course_utils.locale import _


@exercise(
    "02.recall",
    hints=lambda: [
        _("Of the images that really are that digit, how many did the network find?"),
        _(
            "`y == digit` marks the images that really are that digit: look only at "
            "them."
        ),
        _("Divide the hits among them by how many they are."),
    ],
)
def recall(answer):
    y = torch.tensor([3, 3, 3, 3, 5, 5, 8, 8, 8, 1, 1, 1])
    y_hat = torch.tensor([3, 3, 3, 8, 3, 3, 8, 8, 5, 1, 1, 1])

    def sensitivity(y, y_hat, digit):
        predicted = [b for a, b in zip(y.tolist(), y_hat.tolist()) if a == digit]  # noqa: B905
        return predicted.count(digit) / len(predicted)

    def hits(y, y_hat, digit):
        return ((y == digit) & (y_hat == digit)).sum().item()

    mistakes = [
        (
            lambda y, y_hat, d: hits(y, y_hat, d) / (y_hat == d).sum().item(),
            _("That is the precision: of those called `digit`, how many are. Recall "
              "looks at those that are."),
        ),
        (
            lambda y, y_hat, d: (y == y_hat).float().mean().item(),
            _("That is the accuracy over all digits: look at one class only."),
        ),
        (
            hits,
            _("That is a count of hits: out of how many?"),
        ),
        (
            lambda y, y_hat, d: (
                ((y != d) & (y_hat != d)).sum().item() / (y != d).sum().item()
            ),
            _("That is the specificity, the hits among the other digits."),
        ),
        (
            lambda y, y_hat, d: 100 * sensitivity(y, y_hat, d),
            _("That is a percentage: here a fraction between 0 and 1 is meant."),
        ),
        (
            lambda y, y_hat, d: 1 - sensitivity(y, y_hat, d),
            _("That is the fraction missed: recall is the fraction found."),
        ),
        (
            lambda y, y_hat, d: hits(y, y_hat, d) / len(y),
            _("You divide by all images: how many of them are of that class?"),
        ),
        (
            lambda y, y_hat, d: (((y == d) == (y_hat == d)).sum().item() / len(y)),
            _("That counts the other digits too, as hits when nobody mistakes them: "
              "look only at the images of that class."),
        ),
        (
            lambda y, y_hat, d: (y == d).sum().item() / len(y),
            _("That is how frequent the digit is: the predictions are missing."),
        ),
    ]  # fmt: skip
    compare(
        answer,
        [(y, y_hat, digit) for digit in (3, 8, 5, 1)],
        sensitivity,
        mistakes,
        read=number,
        describe=lambda y, y_hat, digit: (
            f"y={y.tolist()}, y_hat={y_hat.tolist()}, digit={digit}"
        ),
    )
    return _("Try it on all ten digits: which one does your network miss most often?")


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
)
def center(answer):
    expect_callable(answer)
    images = _drawings()
    moves = []
    for image in images:
        row, column = _centre_of_mass(image)
        case = _("a drawing with its centre of mass at row {row}, column {column}")
        case = case.format(row=f"{row:.1f}", column=f"{column:.1f}")
        got = tensor(call(answer, image, case=case))
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
        reason = _("you move {case} to row {row}, column {column}; I expected 14, 14.")
        told = reason.format(
            case=case, row=f"{row + by[0]:.1f}", column=f"{column + by[1]:.1f}"
        )
        raise NotYet(f"{told} {_named_move(images, ideal, moved)}".rstrip())
    return _("Try it on your own drawing, in a corner of the pad, and predict before.")


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
