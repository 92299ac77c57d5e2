"""Exercise: the IoU from the Dice coefficient."""

from collections.abc import Callable

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Stopped,
    call_text,
    compare,
    number,
)
from course_utils.checks.source import uses_operator
from course_utils.checks.workshop_01.plain_words import plain_stop
from course_utils.locale import _


@exercise(
    "04.iou",
    hints=lambda: [
        _(
            "Call S what both masks share, and A and B their sizes: Dice is 2S over "
            "A + B. What is the union, in these letters?"
        ),
        _(
            "In A + B the shared voxels count twice, and in the union once: the IoU is "
            "S over A + B - S."
        ),
        _("Divide above and below by A + B: which part of d is S over A + B?"),
    ],
)
def iou(answer):
    compare(
        answer,
        [(d,) for d in (0.5, 0.9, 0.8, 0.25, 1.0, 0.0)],
        _by_voxels,
        _mistakes(answer),
        read=number,
        describe=call_text("d"),
        stop=_named_stop,
        unnamed=_of_scores,
    )
    return _(
        "Try it with d from 0 to 1: where are the two furthest apart? Whoever compares "
        "a Dice with an IoU compares nothing."
    )


def _by_voxels(d: float) -> float:
    """The reference: two masks of 500 voxels with that Dice."""
    shared = 500 * d
    return shared / (500 - shared + 500)


def _mistakes(answer: Callable) -> list[tuple[Callable, str]]:
    """(wrong conversion, sentence)"""
    power = _("In Python a power is written `**`; `^` is something else.")
    count = _("A whole number is missing somewhere: try it with two equal masks, d=1.")
    return [
        # The answer explains itself, so that this is told before anything else.
        *([(answer, power)] if uses_operator(answer, "^") else []),
        (
            lambda d: 2 * d / (1 + d),
            _("That is the way back, from IoU to Dice: the IoU is the smaller of the "
              "two."),
        ),
        (
            lambda d: d / 2,
            _("You halve the Dice: for equal masks both are 1."),
        ),
        (
            lambda d: 1 - d,
            _("That is the Dice loss: an IoU grows with the Dice."),
        ),
        (
            lambda d: d**2,
            _("You square: close, and for equal masks right, but count voxels."),
        ),
        (lambda d: d, _("That is still the Dice: the two agree only at 0 and at 1.")),
        (
            lambda d: 2 * d / (2 - d),
            _("There is a 2 too many above: in the IoU the shared voxels count once."),
        ),
        (lambda d: d / (2 + d), _("A sign is turned around below.")),
        (
            lambda d: (2 - d) / d,
            _("The fraction is upside down: an IoU is never above 1."),
        ),
        (
            lambda d: d / 2 - d,
            _("Parentheses are missing: what is below the line goes together."),
        ),
        (lambda d: d / (1 - d), count),
        (lambda d: d / (1 + d), count),
        (lambda d: 1 / (2 - d), _("Above the line there is no d: with d=0 nothing is "
                                  "shared.")),
        (lambda d: 100 * _by_voxels(d), _("That is a percentage: here a fraction "
                                          "between 0 and 1 is meant.")),
        (lambda d: d // (2 - d), _("`//` drops the decimals: divide with `/`.")),
        (lambda d: 1 - _by_voxels(d), _("That is 1 - IoU, a loss: the IoU is meant.")),
        *(
            (lambda d, digits=digits: round(_by_voxels(d), digits), _("Do not round."))
            for digits in (1, 2, 3, 4)
        ),
    ]  # fmt: skip


def _of_scores(got: list) -> str:
    """What to add where no mistake is named."""
    numbers = [value for value in got if isinstance(value, int | float)]
    if len(numbers) == len(got) and len(set(numbers)) == 1:
        return _("You always give the same number: use `d`.")
    if any(not 0 <= value <= 1 for value in numbers):
        return _("An IoU is never below 0 nor above 1.")
    return ""


def _named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in iou."""
    if isinstance(stopped.error, ZeroDivisionError):
        told = _("for {case} your code stops.").format(case=stopped.case)
        reason = _(
            "You divide by zero: bring the formula to a form in which nothing below "
            "the line becomes 0."
        )
        return NotYet(f"{told} {reason}")
    return plain_stop(stopped)
