"""What the checks of every workshop share: run the learner's code, read its result,
compare it with the reference and with the wrong versions that have a name.
"""

import copy
import math
import os
import re
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from course_utils.locale import _


class NotAttempted(Exception):
    """The stub's `...` is still there."""


class NotYet(Exception):
    """The answer is not right; the message is the reason, in the language set.

    hints: those to offer, where the exercise's own do not help with this failure.
    """

    def __init__(self, reason: str, hints: Sequence[str] = ()):
        super().__init__(reason)
        self.hints = tuple(hints)


class Almost(NotYet):
    """Not right, but by a detail: said with more warmth."""


class Slip(NotYet):
    """Not right, for a reason that no hint about the idea would help with."""


class Partly(Slip):
    """Some blanks are filled and others not; the message says how far it is right."""


class Stopped(Slip):
    """The learner's code raised `error`.

    case: the input it was for. operation: the name of PyTorch's function that refused,
    such as "mul" (`*`) or "__setitem__", or an empty string. operands: its arguments.
    """

    def __init__(self, case: str, error: BaseException, failed: "_LastFailure"):
        reason = _("for {case} your code stops with an error: {error}.")
        told = error_text(error).rstrip(".")
        super().__init__(reason.format(case=case, error=told))
        self.case, self.error = case, error
        self.operation, self.operands = failed.operation, failed.operands
        if isinstance(error, TypeError):  # refused before PyTorch tells the watcher
            opening = re.match(r"(\w+)\(\)", error_text(error).partition(": ")[2])
            self.operation = opening[1] if opening else self.operation

    def inside(self, name: str) -> bool:
        """Whether it stopped in a function `name` that is not one of PyTorch's."""
        trace, found = self.error.__traceback__, False
        while trace:
            code = trace.tb_frame.f_code
            found |= (
                code.co_name == name
                and f"{os.sep}torch{os.sep}" not in code.co_filename
            )
            trace = trace.tb_next
        return found

    def local(self, name: str) -> object:
        """The variable `name` of the learner's code where it stopped, or None."""
        found, trace = None, self.error.__traceback__
        while trace:
            found = trace.tb_frame.f_locals.get(name, found)
            trace = trace.tb_next
        return found


class _LastFailure(TorchFunctionMode):
    """Notes the function of PyTorch that raised last, and what it was given."""

    def __init__(self):
        super().__init__()
        self.operation, self.operands = "", ()

    def __torch_function__(self, func, _types, args=(), kwargs=None):
        try:
            return func(*args, **(kwargs or {}))
        except Exception:
            self.operation, self.operands = getattr(func, "__name__", ""), args
            raise


def error_text(error: BaseException) -> str:
    """`error` in one short line, the same in every run (no memory addresses)."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # a hostile __str__ must not stop the check
        text = ""
    text = re.sub(r"\b0x[0-9a-fA-F]{4,}", "0x...", text)  # 24x10 is a shape
    text = text if len(text) <= 200 else text[:197] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def call(function: Callable, *args: object, case: str) -> object:
    """What `function` returns for copies of `args`, so that it may modify them.

    case: the input in a few words, for the sentences. Raises NotAttempted if the result
    is `...`, Stopped if the function raises anything but the user's own interrupt, and
    Slip if it returns None.
    """
    copies = copy.deepcopy(args)
    failed = _LastFailure()
    try:
        with failed, np.errstate(all="ignore"), warnings.catch_warnings():
            # nan and inf get a sentence instead, and old ways a verdict on the result
            for kind in (DeprecationWarning, UserWarning):
                warnings.simplefilter("ignore", kind)
            result = function(*copies)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit: exit() in an answer
        raise Stopped(case, error, failed) from None
    if result is ...:
        raise NotAttempted
    if result is None:
        raise Slip(_("your function returns nothing: is the `return` missing?"))
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
        raise Slip(reason.format(kind=type(result).__name__))
    if not math.isfinite(result):
        reason = _("I expected a number and got {value}. Is there a division by zero?")
        raise NotYet(reason.format(value=result))
    return result


def any_number(result: object) -> int | float:
    """Like `number`; it may be nan or infinite, so that its mistake can be named."""
    if isinstance(result, Tensor) and result.numel() == 1 and not result.is_complex():
        result = result.item()
    return result if isinstance(result, float) else number(result)


def tensor(result: object) -> Tensor:
    """`result` if it is a tensor of real numbers, detached; NotYet otherwise."""
    if not isinstance(result, Tensor):
        reason = _(
            "your function returns something of type {kind}; here a PyTorch tensor "
            "(torch.Tensor) is meant."
        )
        told = reason.format(kind=type(result).__name__)
        raise Slip(f"{told} {values_and_positions(result)}".rstrip())
    if result.is_complex():
        raise NotYet(_("your tensor holds complex numbers; here real ones are meant."))
    return result.detach()


def array(result: object) -> np.ndarray:
    """`result` as a NumPy array of float64, finite; NotYet says what it is otherwise.

    Accepts arrays of whole or real numbers, NumPy scalars, and Python's numbers, which
    give an array without dimensions.
    """
    if result is ...:
        raise NotAttempted
    if isinstance(result, Tensor):
        reason = _(
            "your function returns a PyTorch tensor; here a NumPy array is meant: is "
            "there a `torch.` in the place of `np.`?"
        )
        raise Slip(reason)
    if isinstance(result, list | tuple):
        reason = _(
            "your function returns a Python {kind}; here one NumPy array is meant."
        )
        raise Slip(reason.format(kind=type(result).__name__))
    known = isinstance(result, np.ndarray | np.generic | int | float)
    found = np.asarray(result if known else None)
    if found.dtype.kind == "b":
        reason = _("your function returns True and False; here numbers are meant.")
        raise NotYet(reason)
    if found.dtype.kind == "c":
        raise NotYet(_("your array holds complex numbers; here real ones are meant."))
    if found.dtype.kind not in "iuf":
        reason = _(
            "your function returns something of type {kind}; here a NumPy array of "
            "numbers is meant."
        )
        raise Slip(reason.format(kind=type(result).__name__))
    found = found.astype(np.float64)
    if not np.isfinite(found).all():
        place = np.argwhere(~np.isfinite(found))[0].tolist()
        reason = _(
            "your array holds {value} at position {place}: is there a division by "
            "zero, or the logarithm of something that is not positive?"
        )
        raise NotYet(reason.format(value=found[tuple(place)], place=place))
    return found


def array_or_tensor(result: object) -> np.ndarray:
    """Like `array`, and also accepts a PyTorch tensor of real numbers."""
    if isinstance(result, Tensor):
        result = tensor(result).cpu().numpy()
    return array(result)


def part(name: str, names: Sequence[str], read: Callable = array) -> Callable:
    """A reader of the part `name` of an answer that returns several things.

    names: all the parts, in the order of the `return`. read: reads that part.
    """

    def read_part(result: object) -> object:
        if not isinstance(result, tuple | list) or len(result) != len(names):
            several = isinstance(result, tuple | list)
            reason = _(
                "your function must return {n} things with commas between them, "
                "{names}, and it returns {m}."
            )
            raise Slip(
                reason.format(
                    n=len(names),
                    names=f"`{', '.join(names)}`",
                    m=len(result) if several else 1,
                )
            )
        try:
            return read(result[list(names).index(name)])
        except NotYet as error:
            told = _("in {name}, {reason}").format(name=f"`{name}`", reason=error)
            raise type(error)(told) from None

    return read_part


def values_and_positions(result: object) -> str:
    """A sentence if `result` is the pair that `max` over one dimension gives."""
    if not isinstance(result, torch.return_types.max):
        return ""
    return _("`max` over one dimension gives two things: take its `.values`.")


def same(got: object, wanted: object) -> bool:
    """Whether two outcomes agree: numbers, arrays or tensors (to 1e-4), kinds of error.

    wanted: may be a torch.Size, which any array or tensor of that shape matches.
    """
    if isinstance(got, Stopped):
        return type(got.error) is type(wanted)
    got, wanted = _as_tensor(got), _as_tensor(wanted)
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


def same_or_nan(got: object, wanted: object, **tolerance: float) -> bool:
    """Like `same`, but nan agrees with nan.

    tolerance: for numbers, rel_tol and abs_tol of `math.isclose`.
    """
    if isinstance(got, int | float) and isinstance(wanted, int | float):
        both = math.isnan(got) and math.isnan(wanted)
        return both or math.isclose(got, wanted, **tolerance)
    if isinstance(got, Tensor) and isinstance(wanted, Tensor):
        got, wanted = got.nan_to_num(-9), wanted.nan_to_num(-9)
    return same(got, wanted)


def difference(case: str, wanted: object, got: object) -> str:
    """The sentence that says where `got` first differs from `wanted`."""
    if isinstance(got, Stopped):
        return str(got)
    got, wanted = _as_tensor(got), _as_tensor(wanted)
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


def _as_tensor(outcome: object) -> object:
    """A NumPy array as a tensor, so that both are compared alike; the rest as it is."""
    if isinstance(outcome, np.ndarray):
        return torch.from_numpy(np.array(outcome, dtype=np.float64))
    return outcome


def _short(value: int | float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def compare(
    answer: Callable,
    cases: Sequence[tuple],
    reference: Callable,
    mistakes: Sequence[tuple],
    *,
    read: Callable,
    describe: Callable,
    agree: Callable = same,
    stop: Callable = lambda stopped: None,
    unnamed: Callable = lambda got: "",
) -> list:
    """Run `answer` on every case; return what it gave if all agree with `reference`.

    cases: tuples of arguments, the simplest first: the first that fails is told.
    mistakes: (wrong version, sentence, *hints). A wrong version takes a case and
        returns what a learner who makes that mistake would get, or raises as theirs
        would. One is named if it explains every case or, alone, the first that fails.
        hints: those of the blank that the mistake is in, where it is in one.
    read: turns the learner's result into something comparable, or raises NotYet.
    describe: a case's arguments in a few words. agree: (got, wanted) -> bool.
    stop: takes the Stopped of the first case that fails; returns the NotYet or Slip
        that names the error, or None. unnamed: takes all that the answer gave; returns
        what to add if no mistake is named.
    Raises NotYet with the reason otherwise.
    """
    expect_callable(answer)
    got = [_outcome(answer, case, read, describe) for case in cases]
    wanted = [reference(*case) for case in cases]
    wrong = [i for i in range(len(cases)) if not agree(got[i], wanted[i])]
    if not wrong:
        return got
    first = wrong[0]
    named = stop(got[first]) if isinstance(got[first], Stopped) else None
    if named:
        raise named
    told = difference(describe(*cases[first]), wanted[first], got[first])

    def explained(wrong_version: Callable, places: Sequence[int]) -> bool:
        return all(agree(got[i], _try(wrong_version, cases[i])) for i in places)

    everywhere = [named for f, *named in mistakes if explained(f, range(len(cases)))]
    here = [named for f, *named in mistakes if explained(f, [first])]
    if everywhere or len(here) == 1:
        sentence, *hints = (everywhere or here)[0]
        raise NotYet(f"{told} {sentence}", hints)
    if isinstance(got[first], Stopped):
        raise got[first]
    raise NotYet(f"{told} {unnamed(got)}".rstrip())


def call_text(*parameters: str) -> Callable:
    """A function that writes a case as the call would: n=28, kernel=3, padding=0.

    parameters: names in order, with "=value" where there is a default.
    """

    def describe(*case):
        texts = []
        for i, parameter in enumerate(parameters):
            name, _equals, value = parameter.partition("=")
            value = case[i] if i < len(case) else value
            if isinstance(value, Tensor | np.ndarray):
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
        raise Slip(reason.format(kind=type(answer).__name__))


def _outcome(
    answer: Callable, case: tuple, read: Callable, describe: Callable
) -> object:
    try:
        return read(call(answer, *case, case=describe(*case)))
    except Stopped as stopped:
        return stopped


def _try(wrong_version: Callable, case: tuple) -> object:
    try:
        with np.errstate(all="ignore"):
            return wrong_version(*case)
    except Exception as error:
        return error
