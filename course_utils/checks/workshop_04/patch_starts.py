"""Exercise: where the patches of a sliding window begin."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Slip,
    Stopped,
    call,
    expect_callable,
)
from course_utils.checks.workshop_01.plain_words import plain_stop
from course_utils.locale import _

# Of size, patch and step: an exact fit, a rest, a single patch, and then mixed.
CASES = [(10, 4, 3), (10, 4, 4), (8, 8, 4), (96, 32, 24), (9, 4, 2), (80, 32, 16)]


@exercise(
    "04.patch_starts",
    hints=lambda: [*_hints_of_range(), *_hints_of_added()],
    blanks=2,
)
def patch_starts(answer):
    expect_callable(answer)
    for case in CASES:
        got, wanted = _run(answer, case), _by_steps(*case)
        if got != wanted:
            told = _("for {case} I expected {wanted} and got {got}.")
            told = told.format(case=_describe(*case), wanted=wanted, got=_short(got))
            raise NotYet(f"{told} {_reason(got, *case)}".rstrip(), _hints(got, *case))
    return _(
        "Try it with a volume of 155 x 240 x 240 voxels, patches of 96 and steps of "
        "48: how many patches are there? And with steps of 96?"
    )


def _hints_of_range() -> list[str]:
    return [
        _(
            "Take a line of 10 voxels and a patch of 4: which is the last place where "
            "a patch may begin without sticking out?"
        ),
        _(
            "`range` leaves its end out: for a place to be reached, the end must lie "
            "one beyond it. Try it with a patch as long as the line."
        ),
    ]


def _hints_of_added() -> list[str]:
    return [
        _(
            "If the last patch does not reach the end, one more is needed, pushed back "
            "until it ends where the line ends."
        ),
    ]


def _by_steps(size: int, patch: int, step: int) -> list[int]:
    """The reference: walk on, and never beyond the last place that fits."""
    last, starts = size - patch, [0]
    while starts[-1] < last:
        starts.append(min(starts[-1] + step, last))
    return starts


def _describe(size: int, patch: int, step: int) -> str:
    return f"size={size}, patch={patch}, step={step}"


def _run(answer: Callable, case: tuple[int, int, int]) -> list[int]:
    try:
        found = call(answer, *case, case=_describe(*case))
    except Stopped as stopped:
        raise _named_stop(stopped, case) or plain_stop(stopped) or stopped from None
    if isinstance(found, Tensor | np.ndarray) and found.ndim == 1:
        found = found.tolist()
    if not isinstance(found, list | tuple | range):
        reason = _("I expected a list of places and got something of type {kind}.")
        raise Slip(reason.format(kind=type(found).__name__))
    for start in found:
        if isinstance(start, bool) or not isinstance(start, int | np.integer):
            reason = _(
                "each place is a whole number, and one of yours is of type {kind}."
            )
            raise Slip(reason.format(kind=type(start).__name__))
    return [int(start) for start in found]


def _short(places: list[int]) -> str:
    return str(places) if len(places) <= 12 else f"{str(places[:12])[:-1]}, ...]"


def _reason(got: list[int], size: int, patch: int, step: int) -> str:
    """A sentence for wrong places, or an empty one."""
    if not got:
        return _("No patch at all: the first one begins at 0.")
    if got[0] != 0:
        return _("The first patch begins at 0.")
    if min(got) < 0:
        return _("A place before the line: is a subtraction the wrong way round?")
    outside = [start for start in got if start + patch > size]
    if size in got:
        return _(
            "{size} is where the line ends: the added patch has to end there, and not "
            "begin."
        ).format(size=size)
    if outside:
        steps_are_right = got[:-1] == _by_steps(size, patch, step)[:-1]
        text = _(
            "The patch at {start} would end at {end}, and the line ends at {n}: up to "
            "where may a patch begin?"
        )
        if outside == got[-1:] and steps_are_right:
            text = _(
                "The added patch at {start} would end at {end}, and the line ends at "
                "{n}: it is pushed back until it fits."
            )
        return text.format(start=outside[0], end=outside[0] + patch, n=size)
    if len(set(got)) < len(got):
        return _("A patch comes twice.")
    reached = max(got) + patch
    if reached < size:
        return _(
            "The patches end at {reached}, and the last voxels of {n} are never seen."
        ).format(reached=reached, n=size)
    if any(b - a > patch for a, b in pairwise(got)):
        return _("There are voxels between two patches that none covers.")
    return _("From one patch to the next it is `step`, but for the last one.")


def _hints(got: list[int], size: int, patch: int, step: int) -> list[str]:
    """The hints of the blank that gives those wrong places."""
    steps = list(range(0, size - patch + 1, step))
    one_more = steps[-1] + patch < size
    if one_more and got[: len(steps)] == steps and len(got) <= len(steps) + 1:
        return _hints_of_added()
    return _hints_of_range()


def _named_stop(stopped: Stopped, case: tuple[int, int, int]) -> NotYet | None:
    """What to say of an error in starts."""
    told = _("for {case} your code stops.").format(case=stopped.case)
    text = str(stopped.error)
    if isinstance(stopped.error, IndexError) and stopped.local("first") == []:
        reason = _("`range` gives no place at all: where does it end?")
        if case[0] == case[1]:
            reason = _(
                "A patch as long as the line fits exactly once, and `range`, which "
                "leaves its end out, gives no place."
            )
        return NotYet(f"{told} {reason}", _hints_of_range())
    if "'float' object cannot be interpreted" in text:
        reason = _("`range` wants whole numbers: `/` gives decimals.")
    elif "append() takes exactly one" in text or "concatenate list" in text:
        reason = _("A single number is added: the place where that patch begins.")
    else:
        return None
    return Slip(f"{told} {reason}")
