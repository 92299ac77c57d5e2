"""What the checks of every workshop share: run the learner's code, read its result,
compare it with the reference and with the wrong versions that have a name.
"""

import copy
import math
import re
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from course_utils.locale import _


class NotAttempted(Exception):
    """The stub's `...` is still there."""


class NotYet(Exception):
    """The answer is not right; the message is the reason, in the language set."""


class Almost(NotYet):
    """Not right, but by a detail: said with more warmth."""


class Stopped(NotYet):
    """The learner's code raised `error`."""

    def __init__(self, reason: str, error: BaseException):
        super().__init__(reason)
        self.error = error


def error_text(error: BaseException) -> str:
    """`error` in one short line, the same in every run (no memory addresses)."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # a hostile __str__ must not stop the check
        text = ""
    text = re.sub(r"0x[0-9a-fA-F]+", "0x...", text)
    text = text if len(text) <= 200 else text[:197] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def call(function: Callable, *args: object, case: str) -> object:
    """What `function` returns for copies of `args`, so that it may modify them.

    case: the input in a few words, for the sentences. Raises NotAttempted if the result
    is `...`, Stopped if the function raises anything but the user's own interrupt, and
    NotYet if it returns None.
    """
    copies = copy.deepcopy(args)
    try:
        result = function(*copies)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit: exit() in an answer
        reason = _("for {case} your code stops with an error: {error}.")
        told = error_text(error).rstrip(".")
        raise Stopped(reason.format(case=case, error=told), error) from None
    if result is ...:
        raise NotAttempted
    if result is None:
        raise NotYet(_("your function returns nothing: is the `return` missing?"))
    return result


def number(result: object) -> int | float:
    """`result` as a Python number; NotYet says what it is otherwise.

    Accepts int, float, NumPy scalars, and tensors or arrays of one element.
    """
    if isinstance(result, Tensor | np.ndarray | np.generic):
        shape = tuple(result.shape)
        if math.prod(shape) != 1:
            reason = _("I expected one number and got several, of shape {shape}.")
            raise NotYet(reason.format(shape=shape))
        result = result.item()
    if isinstance(result, bool) or not isinstance(result, int | float):
        reason = _("I expected a number and got something of type {kind}.")
        raise NotYet(reason.format(kind=type(result).__name__))
    if not math.isfinite(result):
        reason = _("I expected a number and got {value}. Is there a division by zero?")
        raise NotYet(reason.format(value=result))
    return result


def tensor(result: object) -> Tensor:
    """`result` if it is a tensor of real numbers, detached; NotYet otherwise."""
    if not isinstance(result, Tensor):
        reason = _(
            "your function returns something of type {kind}; here a PyTorch tensor "
            "(torch.Tensor) is meant."
        )
        raise NotYet(reason.format(kind=type(result).__name__))
    if result.is_complex():
        raise NotYet(_("your tensor holds complex numbers; here real ones are meant."))
    return result.detach()


def same(got: object, wanted: object) -> bool:
    """Whether two outcomes agree: numbers, tensors (to 1e-4), or kinds of error.

    wanted: may be a torch.Size, which any tensor of that shape matches.
    """
    if isinstance(got, Stopped):
        return type(got.error) is type(wanted)
    if isinstance(got, Tensor) and isinstance(wanted, torch.Size):
        return got.shape == wanted
    if isinstance(got, Tensor) and isinstance(wanted, Tensor):
        # Shapes first: an expanded tensor of a million by a million costs nothing yet.
        return got.shape == wanted.shape and torch.allclose(
            got.double(), wanted.double(), rtol=1e-4, atol=1e-4
        )
    if isinstance(got, int | float) and isinstance(wanted, int | float):
        return math.isclose(got, wanted, rel_tol=1e-6, abs_tol=1e-6)
    return False


def difference(case: str, wanted: object, got: object) -> str:
    """The sentence that says where `got` first differs from `wanted`."""
    if isinstance(got, Stopped):
        return str(got)
    if not isinstance(wanted, Tensor):
        reason = _("for {case} I expected {wanted} and got {got}.")
        return reason.format(case=case, wanted=_short(wanted), got=_short(got))
    if got.shape != wanted.shape:
        reason = _("for {case} I expected the shape {wanted} and got {got}.")
        return reason.format(
            case=case, wanted=tuple(wanted.shape), got=tuple(got.shape)
        )
    close = torch.isclose(got.double(), wanted.double(), rtol=1e-4, atol=1e-4)
    place = (~close).nonzero()[0].tolist()
    reason = _("for {case} I expected {wanted} at position {place} and got {got}.")
    return reason.format(
        case=case,
        place=place,
        wanted=_short(wanted[tuple(place)].item()),
        got=_short(got[tuple(place)].item()),
    )


def _short(value: int | float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def compare(
    answer: Callable,
    cases: Sequence[tuple],
    reference: Callable,
    mistakes: Sequence[tuple[Callable, str]],
    *,
    read: Callable,
    describe: Callable,
    agree: Callable = same,
) -> list:
    """Run `answer` on every case; return what it gave if all agree with `reference`.

    cases: tuples of arguments, the simplest first: the first that fails is told.
    mistakes: (wrong version, sentence) pairs. A wrong version takes a case and returns
        what a learner who makes that mistake would get, or raises as theirs would. One
        is named if it explains every case or, alone, the first that fails.
    read: turns the learner's result into something comparable, or raises NotYet.
    describe: a case's arguments in a few words. agree: (got, wanted) -> bool.
    Raises NotYet with the reason otherwise.
    """
    expect_callable(answer)
    got = [_outcome(answer, case, read, describe) for case in cases]
    wanted = [reference(*case) for case in cases]
    wrong = [i for i in range(len(cases)) if not agree(got[i], wanted[i])]
    if not wrong:
        return got
    first = wrong[0]
    told = difference(describe(*cases[first]), wanted[first], got[first])

    def explained(wrong_version: Callable, places: Sequence[int]) -> bool:
        return all(agree(got[i], _try(wrong_version, cases[i])) for i in places)

    everywhere = [text for f, text in mistakes if explained(f, range(len(cases)))]
    here = [text for f, text in mistakes if explained(f, [first])]
    if everywhere:
        raise NotYet(f"{told} {everywhere[0]}")
    raise NotYet(f"{told} {here[0]}" if len(here) == 1 else told)


def call_text(*parameters: str) -> Callable:
    """A function that writes a case as the call would: n=28, kernel=3, padding=0.

    parameters: names in order, with "=value" where there is a default.
    """

    def describe(*case):
        texts = []
        for i, parameter in enumerate(parameters):
            name, _equals, value = parameter.partition("=")
            value = case[i] if i < len(case) else value
            if isinstance(value, Tensor):
                texts.append(f"{name} {tuple(value.shape)}")
            else:
                texts.append(f"{name}={value}")
        return ", ".join(texts)

    return describe


def expect_callable(answer: object) -> None:
    """NotYet unless `answer` is a function: `f`, and not its result `f(...)`."""
    if not callable(answer):
        reason = _(
            "the check needs the function itself, its name without parentheses, and "
            "got something of type {kind}."
        )
        raise NotYet(reason.format(kind=type(answer).__name__))


def _outcome(
    answer: Callable, case: tuple, read: Callable, describe: Callable
) -> object:
    try:
        return read(call(answer, *case, case=describe(*case)))
    except Stopped as stopped:
        return stopped


def _try(wrong_version: Callable, case: tuple) -> object:
    try:
        return wrong_version(*case)
    except Exception as error:
        return error
