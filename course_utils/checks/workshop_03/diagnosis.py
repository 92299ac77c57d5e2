"""Exercise: sensitivity and specificity of a test at a threshold."""

import re
from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Slip,
    Stopped,
    call,
    difference,
    error_text,
    expect_callable,
    number,
    part,
    same,
)
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.locale import _

NAMES = ("sensitivity", "specificity")


@exercise(
    "03.sensitivity_specificity",
    hints=lambda: [
        _(
            "Two groups are looked at apart: of the ill, how many test positive? Of "
            "the healthy, how many test negative?"
        ),
        _(
            "`positive` marks with True whoever reaches the threshold, also by a hair. "
            "`y == 1` marks the ill, and `~` turns a mask around."
        ),
        _(
            "Each is a fraction: hits in its group, divided by how many are in that "
            "group."
        ),
    ],
    blanks=3,
)
def sensitivity_specificity(answer):
    expect_callable(answer)
    cases = _cases()
    results = [_run(answer, case) for case in cases]
    for name in NAMES:
        read = part(name, NAMES, number)
        got = [read(result) for result in results]
        wanted = [_rates(*case)[name] for case in cases]
        wrong = [i for i in range(len(cases)) if not same(got[i], wanted[i])]
        if wrong:
            case = f"`{name}`, {_describe(*cases[wrong[0]])}"
            told = difference(case, wanted[wrong[0]], got[wrong[0]])
            raise NotYet(f"{told} {_named(name, cases, got)}".rstrip())
    return _("Try it with the thresholds 0 and 1.1: what do both become, and why?")


def _cases() -> list[tuple[Tensor, Tensor, float]]:
    """In each, somebody ill and somebody healthy stand exactly on the threshold."""
    p = torch.tensor([0.9, 0.5, 0.3, 0.7, 0.5, 0.2, 0.1, 0.4])
    y = torch.tensor([1, 1, 1, 0, 0, 0, 0, 0])
    generator = torch.Generator().manual_seed(2)
    cases = [(p, y, 0.5)]
    for threshold in (0.25, 0.75):
        y = (torch.rand(40, generator=generator) < 0.6).long()
        p = (0.3 * y + 0.7 * torch.rand(40, generator=generator)).mul(64).round() / 64
        p[-1 - y.flip(0).argmax()] = p[-1 - y.flip(0).argmin()] = threshold
        p[0] = 0  # or `positive[y]`, which looks at 0 and 1, would always find True
        cases.append((p, y, threshold))
    return cases


def _describe(p: Tensor, y: Tensor, threshold: float) -> str:
    if len(y) > 8:
        return f"`p` {tuple(p.shape)}, `y` {tuple(y.shape)}, threshold={threshold}"
    probabilities = ", ".join(f"{value:g}" for value in p.tolist())
    return f"p=[{probabilities}], y={y.tolist()}, threshold={threshold}"


def _run(answer: Callable, case: tuple) -> object:
    try:
        return call(answer, *case, case=_describe(*case))
    except Stopped as stopped:
        raise _named_stop(stopped) or plain_tensor_stop(stopped) or stopped from None


def _rates(p: Tensor, y: Tensor, threshold: float) -> dict[str, float]:
    ill = [value >= threshold for value, label in zip(p, y, strict=True) if label == 1]
    well = [value < threshold for value, label in zip(p, y, strict=True) if label == 0]
    fractions = (sum(map(int, group)) / len(group) for group in (ill, well))
    return dict(zip(NAMES, fractions, strict=True))


def _named(name: str, cases: list[tuple], got: list) -> str:
    """A sentence for a wrong part `name`, or an empty one."""
    for version, text in _mistakes(name):
        if all(same(g, version(*case)) for g, case in zip(got, cases, strict=True)):
            return text
    if any(value > 1 for value in got):
        return _("A fraction is never above 1: what do you divide by?")
    if any(value < 0 for value in got):
        return _("A fraction is never below 0: `~` wants a mask of True and False.")
    return ""


def _mistakes(name: str) -> list[tuple[Callable, str]]:
    """(wrong version of part `name`, sentence)"""
    other = NAMES[1 - NAMES.index(name)]
    sick = name == "sensitivity"  # the group, and the answer that is right for it

    def counted(fraction: Callable) -> Callable:
        """Of masks: in the group, called so, and both."""

        def version(p: Tensor, y: Tensor, threshold: float) -> float:
            group, called = (y == 1) == sick, (p >= threshold) == sick
            return float(fraction(group, called, group & called))

        return version

    everybody = (
        _("You divide by everybody: sensitivity is a fraction of the ill.")
        if sick
        else _("You divide by everybody: specificity is a fraction of the healthy.")
    )
    places = _(
        "Whole numbers in brackets are places, here 0 and 1: a mask, from a comparison "
        "with `y`, picks a group."
    )
    return [
        (
            counted(lambda group, called, hits: hits.sum() / called.sum()),
            _("That is the precision: of those who test positive, how many are ill. "
              "Sensitivity looks at the ill.")
            if sick
            else _("That is the predictive value of a negative test: of those who test "
                   "negative, how many are healthy. Specificity looks at the healthy."),
        ),
        (
            lambda p, y, t: _rates(p, y, t)[other],
            _("That is the specificity: sensitivity is about the ill. Are the two "
              "swapped?")
            if sick
            else _("That is the sensitivity once more: specificity is about the "
                   "healthy."),
        ),
        (
            lambda p, y, t: 1 - _rates(p, y, t)[name],
            _("That is the fraction of the ill that the test misses: is something "
              "turned around?")
            if sick
            else _("That is the fraction of false alarms: is something turned around?"),
        ),
        (
            lambda p, y, t: 1 - _rates(p, y, t)[other],
            _("That is the fraction of the healthy with a false alarm: look at the "
              "ill.")
            if sick
            else _("That is the fraction of the ill that are missed: look at the "
                   "healthy."),
        ),
        (
            counted(lambda group, called, hits: (group == called).float().mean()),
            _("That is the accuracy, over the ill and the healthy together."),
        ),
        (
            counted(lambda group, called, hits: hits.sum()),
            _("That is a count: out of how many?"),
        ),
        (counted(lambda group, called, hits: hits.float().mean()), everybody),
        (
            counted(lambda group, called, hits: hits.sum() / (~group).sum()),
            _("You divide by the other group: the hits are among the ill.")
            if sick
            else _("You divide by the other group: the hits are among the healthy."),
        ),
        (
            counted(lambda group, called, hits: group.float().mean()),
            _("That is how frequent the group is: the test is missing."),
        ),
        (
            counted(lambda group, called, hits: called.float().mean()),
            _("That is how often the test says so: who of them is ill, `y` tells."),
        ),
        (
            counted(lambda group, called, hits: called.sum() / group.sum()),
            _("You count all whom the test calls so, from both groups: only those in "
              "the group are hits."),
        ),
        (
            lambda p, y, t: 100 * _rates(p, y, t)[name],
            _("That is a percentage: here a fraction between 0 and 1 is meant."),
        ),
        (
            lambda p, y, t: _rates(p, y, t + 1e-4)[name],
            _("Whoever is exactly on the threshold tests positive."),
        ),
        (
            lambda p, y, t: _rates(p, y, 0.5)[name],
            _("You always decide at 0.5: use `threshold`."),
        ),
        (
            lambda p, y, t: _rates(p, y, 0.5 + 1e-4)[name],
            _("You always decide at 0.5: use `threshold`."),
        ),
        (
            counted(lambda group, called, hits:
                    2 * hits.sum() / (group.sum() + called.sum())),
            _("That is the F1 score, which mixes two questions: look at one group "
              "only."),
        ),
        (
            lambda p, y, t: ((y >= t) == sick)[(y == 1) == sick].float().mean().item(),
            _("You compare `y` with the threshold: the alarm compares `p`."),
        ),
        (
            lambda p, y, t: (p <= t if sick else p > t)[(y == 1) == sick]
            .float().mean().item(),
            _("The inequality is the wrong way round."),
        ),
        *(
            (
                lambda p, y, t, part=part: part(p[(y == 1) == sick].mean().item()),
                _("You average probabilities: first decide the alarm."),
            )
            for part in (lambda mean: mean, lambda mean: 1 - mean)
        ),
        *(
            (
                lambda p, y, t, digits=digits: round(_rates(p, y, t)[name], digits),
                _("Do not round."),
            )
            for digits in (1, 2, 3, 4)
        ),
        *(
            (
                lambda p, y, t, turned=turned: float(
                    ((p >= t) == sick)[1 - y if turned else y].float().mean()
                ),
                places,
            )
            for turned in (False, True)
        ),
    ]  # fmt: skip


def _named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in sensitivity_specificity."""
    text, told = error_text(stopped.error), _("your code stops.")
    if "Boolean value of Tensor" in text:
        reason = _(
            "Between tensors, `&` takes the place of `and` and `~` that of `not`, with "
            "each comparison in parentheses."
        )
    elif stopped.operation == "mean" and "dtype" in text:
        reason = _(
            "True and False have no mean: turn them into numbers with `.float()`."
        )
    elif "bool tensor is not supported" in text:
        reason = _("A mask of True and False is turned around with `~`, not with `-`.")
    elif "bitwise" in text or "operator.invert" in text:
        reason = _(
            "`&` and `~` are for masks of True and False: leave `positive` as the "
            "comparison gives it."
        )
    elif re.search("shape of the mask|tuple|converted to an index", text):
        reason = _(
            "`positive` needs one True or False for each person, in the order of `y`: "
            "leave it as the comparison gives it."
        )
    elif "division by zero" in text:
        reason = _("You divide by a group that is empty: is its mask the right one?")
    else:
        return None
    return Slip(f"{told} {reason}")
