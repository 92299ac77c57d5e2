"""Exercise: standardising without looking ahead."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Stopped,
    array_or_tensor,
    call,
    difference,
    expect_callable,
    part,
    same,
)
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.locale import _

PARTS = ("train", "valid", "test")


@exercise(
    "01.standardize",
    hints=lambda: [
        _("What would you know of the patients on the day when the model is used?"),
        _(
            "One mean and one standard deviation for each column, from train alone: "
            "which dimension runs over the patients?"
        ),
        _("Subtract that mean and divide by that deviation, in all three parts alike."),
    ],
    blanks=3,
)
def standardize(answer):
    expect_callable(answer)
    # Square at first, so that a wrong dimension gives numbers and not an error.
    cases = [_tables(3, 3, 3), _tables(6, 4, 5)]
    results = [_run_scaling(answer, case) for case in cases]
    for i, name in enumerate(PARTS):
        read = part(name, PARTS, array_or_tensor)
        got = [read(result) for result in results]
        right = [_like(got[k], _scaled, case, i) for k, case in enumerate(cases)]
        if all(right):
            continue
        first = right.index(False)
        shape = tuple(cases[first][i].shape)
        told = difference(f"`{name}` {shape}", _scaled(cases[first], i, 1), got[first])
        for version, sentence in _scaling_mistakes(name):
            if all(_like(g, version, c, i) for g, c in zip(got, cases, strict=True)):
                told = f"{told} {sentence}"
                break
        raise NotYet(told)
    return _(
        "Try it: print the means of the validation part. Why are they not exactly 0?"
    )


def _run_scaling(answer: Callable, case: tuple) -> object:
    try:
        return call(answer, *case, case=_sizes(case))
    except Stopped as stopped:
        named = _named_stop(stopped) or plain_tensor_stop(stopped)
        raise named or stopped from None


def _sizes(case: tuple) -> str:
    tables = zip(PARTS, case, strict=True)
    return ", ".join(f"{name} {tuple(table.shape)}" for name, table in tables)


def _like(got: np.ndarray, version: Callable, case: tuple, i: int) -> bool:
    """Whether `got` is `version` with deviations that divide by N or by N - 1."""
    return any(same(got, version(case, i, ddof)) for ddof in (0, 1))


def _tables(*rows: int) -> tuple[Tensor, ...]:
    """train, valid and test with 3 columns each, of other sizes and places."""
    generator = torch.Generator().manual_seed(sum(rows))
    size, place = torch.tensor([1.0, 20, 5]), torch.tensor([3.0, -50, 100])
    return tuple(
        (torch.randn(n, 3, generator=generator) + 0.7 * i) * size + place
        for i, n in enumerate(rows)
    )


def _scaled(case: tuple, i: int, ddof: int) -> np.ndarray:
    mean, std = _statistics(case[0], ddof)
    return (case[i].double().numpy() - mean) / std


def _statistics(table: Tensor, ddof: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and deviations of the columns, (1, 3) each."""
    values = table.double().numpy()
    return values.mean(0, keepdims=True), values.std(0, ddof=ddof, keepdims=True)


def _scaling_mistakes(name: str) -> list[tuple[Callable, str]]:
    """(wrong version of part i, which is called `name`, sentence)."""

    def by(statistics: Callable, formula: Callable = lambda x, m, s: (x - m) / s):
        def version(case, i, ddof):
            x = case[i].double().numpy()
            return formula(x, *statistics(case, i, ddof))

        return version

    def train(case, i, ddof):
        return _statistics(case[0], ddof)

    def all_columns(case, i, ddof):
        values = case[0].double().numpy()
        return values.mean(), values.std(ddof=ddof)

    def rows(case, i, ddof):
        values = case[i].double().numpy()
        return (
            values.mean(1, keepdims=True),
            values.std(1, ddof=ddof, keepdims=True),
        )

    return [
        (
            by(lambda case, i, ddof: _statistics(case[i], ddof)),
            _("You measure this part by its own mean and deviation: a ruler is made "
              "once, on train."),
        ),
        (
            by(lambda case, i, ddof: _statistics(torch.cat(case), ddof)),
            _("The mean and the deviation come from all three parts: validation and "
              "test stay unseen."),
        ),
        (
            by(lambda case, i, ddof: _statistics(torch.cat(case[:2]), ddof)),
            _("The mean and the deviation come from train and valid: validation stays "
              "unseen."),
        ),
        (
            by(train, lambda x, m, s: x),
            _("`{name}` comes out unchanged: standardise it too, with train's mean and "
              "deviation, measured before train changes.").format(name=name),
        ),
        (
            by(all_columns),
            _("You take one mean for the whole table: each column has its own, as "
              "years and mg/dL have nothing in common."),
        ),
        (
            by(rows),
            _("You measure along the rows, patient by patient: each column has its own "
              "mean."),
        ),
        (
            lambda case, i, ddof: (
                (case[i] - case[0].mean(1)) / case[0].std(1, correction=ddof)
            ),
            _("You measure along the rows, patient by patient: each column has its own "
              "mean."),
        ),
        (
            by(train, lambda x, m, s: (x - m) / s**2),
            _("You divide by the variance: the deviation is its root."),
        ),
        (
            by(train, lambda x, m, s: x - m),
            _("You only subtract the mean: the columns keep their sizes."),
        ),
        (
            by(train, lambda x, m, s: x / s),
            _("You only divide: the columns are not around 0 yet."),
        ),
        (
            by(train, lambda x, m, s: x - m / s),
            _("Parentheses are missing: `/` comes before subtracting."),
        ),
        (
            by(train, lambda x, m, s: (x - m) * s),
            _("You multiply by the deviation: wide columns get wider."),
        ),
        (
            by(train, lambda x, m, s: (x + m) / s),
            _("You add the mean: subtract it, so that the columns are around 0."),
        ),
        (
            by(train, lambda x, m, s: (x - s) / m),
            _("Are the mean and the deviation swapped?"),
        ),
        (
            by(lambda case, i, ddof: (
                case[0].double().numpy().min(0), np.ptp(case[0].double().numpy(), 0)
            )),
            _("You bring the columns to 0..1 by their extremes: here it is the mean "
              "and the deviation."),
        ),
        *(
            (
                lambda case, i, ddof, other=other: _scaled(case, other, ddof),
                _("That is `{other}`: return train, valid and test, in this "
                  "order.").format(other=PARTS[other]),
            )
            for other in range(3)
        ),
    ]  # fmt: skip


def _named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of statistics that do not fit the tables."""
    told = _("for {case} your code stops.").format(case=stopped.case)
    shapes = [tuple(s.shape) for s in stopped.operands if isinstance(s, Tensor)]
    if (
        stopped.operation in ("sub", "div", "__sub__", "__truediv__")
        and len(shapes) == 2
    ):
        reason = _(
            "The shapes {a} and {b} do not fit: your statistics need one number for "
            "each column. Which dimension runs over the patients?"
        ).format(a=shapes[0], b=shapes[1])
        return NotYet(f"{told} {reason}")
    return None
