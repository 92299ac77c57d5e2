"""Checks for the exercises: `check` in a notebook, `verify` for a grader.

    from course_utils.checks import check
    check("02.output_size", output_size)

An exercise is one function in workshop_0N.py, registered by `@exercise(name, hints)`.
It gets the learner's answer and returns a closing remark if it is right, or raises
`NotYet` with the reason. A workshop's module is imported when its first exercise is
checked, so a new workshop is a new file and nothing else.
"""

import html
import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

import torch

from course_utils.checks.answers import (
    Almost,
    NotAttempted,
    NotYet,
    Partly,
    Slip,
    error_text,
)
from course_utils.checks.source import placeholders
from course_utils.locale import _, language


class Status(Enum):
    """The three states of an exercise, with the colour of their box."""

    # Told apart also by colour-blind readers, on light and dark pages; the word that
    # opens the message says the same.
    NOT_ATTEMPTED = "#8c8c8c"
    NOT_YET = "#d55e00"
    CORRECT = "#0a8ad0"


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a check says: its status, its message and, after a failure, a hint.

    slip: a failure that says nothing of the idea, and uses up no hint. hints: those of
    this failure, where they are others than the exercise's.
    """

    status: Status
    message: str
    hint: str = ""
    slip: bool = False
    hints: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def _repr_html_(self) -> str:
        lines = [re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(line))
                 for line in (self.message, self.hint) if line]  # fmt: skip
        style = f"border-left: 4px solid {self.status.value}; padding: 0.3em 0.8em"
        return f'<div lang="{language()}" style="{style}">{"<br>".join(lines)}</div>'


class Exercise(NamedTuple):
    judge: Callable[..., str]
    hints: Callable[[], list[str]]
    blanks: int


_exercises: dict[str, Exercise] = {}
_failures: dict[tuple[str, str], int] = {}  # of an exercise, under its first hint


def exercise(name: str, hints: Callable[[], list[str]], blanks: int = 1) -> Callable:
    """Decorator that registers a function as the check of exercise `name`.

    name: "0N.word". hints: returns the hints in the language set, from the vaguest to
    the most precise. blanks: how many `...` the stub has. The function takes the
    answer's parts, returns the remark that closes a right answer, and raises NotYet (or
    its kinds Almost and Slip) or NotAttempted otherwise.
    """

    def register(judge: Callable[..., str]) -> Callable[..., str]:
        _exercises[name] = Exercise(judge, hints, blanks)
        return judge

    return register


def check(name: str, *answer: object) -> None:
    """Show what is to be said of `answer` to exercise `name`; raises nothing.

    name: such as "02.output_size". answer: what the exercise asks for, usually the
    learner's function. After each failure in this session the next hint is offered; a
    right answer starts them again. Only the user's own interrupt passes through.
    """
    from IPython.display import display

    try:
        verdict = judge(name, *answer)
    except ValueError as error:
        verdict = Verdict(Status.NOT_YET, str(error))
    else:
        verdict = _with_hint(name, verdict)
    display(verdict)


def verify(name: str, *answer: object) -> None:
    """Like `check` for a grader: returns None if `answer` is right, and shows nothing.

    Raises AssertionError with the sentence that `check` would show (without hints), and
    ValueError if there is no exercise `name`.
    """
    verdict = judge(name, *answer)
    if verdict.status is not Status.CORRECT:
        raise AssertionError(verdict.message)


def judge(name: str, *answer: object) -> Verdict:
    """The verdict on `answer`, without hints and without showing it.

    Global random numbers are left as they were, so that a check does not change what a
    later cell trains. Raises ValueError if there is no exercise `name`.
    """
    found = _find(name)
    if any(part is ... for part in answer):
        return _not_attempted()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        try:
            _expect_parts(name, found, answer)
            remark = found.judge(*answer)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, Partly):
                return _failure(error)
            left = sum(placeholders(part) for part in answer)
            if 0 < left < found.blanks:
                text = _("Not yet: there is still a `...` to fill in.")
                return Verdict(Status.NOT_YET, text, slip=True)
            if left or isinstance(error, NotAttempted):
                return _not_attempted()
            return _failure(error)
    return Verdict(Status.CORRECT, _("Correct. {remark}").format(remark=remark))


def names(workshop: str) -> list[str]:
    """The exercises of a workshop, such as "02", in their order."""
    importlib.import_module(f"course_utils.checks.workshop_{workshop}")
    return [name for name in _exercises if name.startswith(f"{workshop}.")]


def _find(name: str) -> Exercise:
    if not isinstance(name, str | int):
        text = _("The exercise's name is missing: {call}.")
        raise ValueError(text.format(call='check("02....", answer)'))
    if isinstance(name, str) and re.fullmatch(r"\d\d\.\w+", name):
        try:
            known = names(name[:2])
        except ModuleNotFoundError:
            known = []
        if name in known:
            return _exercises[name]
    text = _("There is no exercise {name!r}: copy its name from the notebook's cell.")
    raise ValueError(text.format(name=name))


def _expect_parts(name: str, found: Exercise, answer: tuple) -> None:
    parameters = list(inspect.signature(found.judge).parameters)
    if len(parameters) != len(answer):
        reason = _("write it as check({call}): it needs {n} answers and got {m}.")
        call = ", ".join([f'"{name}"', *parameters])
        raise Slip(reason.format(call=call, n=len(parameters), m=len(answer)))


def _failure(error: BaseException) -> Verdict:
    if not isinstance(error, NotYet):
        reason = _("I cannot make sense of this answer ({error}).")
        error = Slip(reason.format(error=error_text(error)))
    almost = isinstance(error, Almost)
    text = _("Almost: {reason}") if almost else _("Not yet: {reason}")
    return Verdict(
        Status.NOT_YET,
        text.format(reason=error),
        slip=isinstance(error, Slip),
        hints=error.hints,
    )


def _not_attempted() -> Verdict:
    text = _("Not attempted yet: write your answer in place of `...`.")
    return Verdict(Status.NOT_ATTEMPTED, text)


def _with_hint(name: str, verdict: Verdict) -> Verdict:
    if verdict.status is Status.CORRECT:
        for key in [key for key in _failures if key[0] == name]:
            del _failures[key]
    if verdict.status is not Status.NOT_YET or verdict.slip:
        return verdict
    hints = verdict.hints or _exercises[name].hints()
    key = (name, hints[0])
    n = _failures[key] = min(_failures.get(key, 0) + 1, len(hints))
    text = _("Hint {n} of {total}: {hint}")
    return replace(verdict, hint=text.format(n=n, total=len(hints), hint=hints[n - 1]))
