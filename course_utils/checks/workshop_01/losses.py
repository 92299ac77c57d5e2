"""Exercises: the mean squared error and the cross-entropy."""

from collections.abc import Callable

import numpy as np

from course_utils.checks import exercise
from course_utils.checks.answers import NotYet, compare, number
from course_utils.checks.workshop_01.plain_words import plain_stop
from course_utils.locale import _


@exercise(
    "01.mse",
    hints=lambda: [
        _("Do it on paper for two examples: `t = 1, 3` and `y = 0, 5`."),
        _("For each example: the difference, squared, and half of that."),
        _("The loss is one number: the average of those over all the examples."),
    ],
)
def mse(answer):
    generator = np.random.RandomState(5)
    cases = [
        # Three: with two, to forget a half and to multiply by N would look alike.
        (np.array([[1.0], [3], [2]]), np.array([[0.0], [5], [5]])),
        (np.array([[2.0], [-1], [0.5], [4]]), np.array([[1.0], [1], [0.5], [0]])),
        tuple(generator.normal(size=(2, 7, 1))),
        (np.array([[3.0]]), np.array([[-1.0]])),
    ]

    def half(f: Callable) -> Callable:
        return lambda t, y: f(t, y) / 2

    def mean_square(t, y):
        return ((t - y) ** 2).mean()

    def total(t, y):
        return ((t - y) ** 2).sum()

    mistakes = [
        (
            mean_square,
            _("The half before each square is missing: with it, the derivative comes "
              "out without a 2."),
        ),
        (half(total), _("You add the examples up: the mean divides by how many.")),
        (
            total,
            _("You add the examples up, and the half is missing: take the mean of "
              "half of each square."),
        ),
        (
            lambda t, y: 2 * mean_square(t, y),
            _("You double where a half is meant: are parentheses missing?"),
        ),
        (
            lambda t, y: total(t, y) / 2 * len(t),
            _("Parentheses are missing: after `/ 2`, what follows `*` multiplies "
              "again."),
        ),
        (
            half(half(mean_square)),
            _("The half counts twice: is it inside the square?"),
        ),
        (
            lambda t, y: np.abs(t - y).mean(),
            _("That is the mean absolute error: here the differences are squared."),
        ),
        (
            lambda t, y: np.abs(t - y).mean() / 2,
            _("You halve the absolute differences: here they are squared before."),
        ),
        (
            lambda t, y: np.sqrt(mean_square(t, y)),
            _("That is the root of the mean square: here there is a half, and no "
              "root."),
        ),
        (
            lambda t, y: np.sqrt(mean_square(t, y) / 2),
            _("You take a root at the end: the loss stays squared."),
        ),
        (
            lambda t, y: (t - y).mean() / 2,
            _("The square is missing: without it, positive and negative errors cancel "
              "out."),
        ),
        (
            lambda t, y: (t - y).mean(),
            _("That is the mean difference: positive and negative errors cancel out. "
              "Square them first."),
        ),
        (
            lambda t, y: (t - y).mean() ** 2 / 2,
            _("You average first and square afterwards: each example has its own "
              "square."),
        ),
        (
            lambda t, y: ((t - y**2) / 2).mean(),
            _("Parentheses are missing: `**` comes before subtracting."),
        ),
        (
            lambda t, y: (t**2 - y**2).mean() / 2,
            _("You square `t` and `y` apart: it is their difference that is "
              "squared."),
        ),
        (
            lambda t, y: ((t + y) ** 2).mean() / 2,
            _("You add `t` and `y`: the error is their difference."),
        ),
        (
            lambda t, y: -mean_square(t, y) / 2,
            _("The sign is turned around: a loss of squares is never negative."),
        ),
        (
            lambda t, y: 0,
            _("You always give 0: in Python `1 // 2` is a whole division, and gives "
              "0."),
        ),
    ]  # fmt: skip
    compare(
        answer,
        cases,
        lambda t, y: float((t - y).ravel() @ (t - y).ravel() / (2 * len(t))),
        mistakes,
        read=_mean,
        describe=_values("t", "y"),
        stop=plain_stop,
        unnamed=_of_infinity,
    )
    return _("Try it with an error twice as large: how many times larger is the loss?")


@exercise(
    "01.cross_entropy",
    hints=lambda: [
        _("Each row of `t` has a single 1: which number of `y` does it pick?"),
        _(
            "For each example: the logarithm of the probability given to its true "
            "class, with the sign turned around."
        ),
        _(
            "Multiply `t` by the logarithm of `y`, add everything up, turn the sign "
            "around and divide by the number of rows."
        ),
    ],
)
def cross_entropy(answer):
    cases = [
        (np.eye(3)[[0, 2]], np.array([[0.5, 0.3, 0.2], [0.1, 0.65, 0.25]])),
        (np.eye(2)[[1, 0, 1]], np.array([[0.1, 0.9], [0.6, 0.4], [0.7, 0.3]])),
        (
            np.eye(4)[[3, 1, 0, 0, 2]],
            np.random.RandomState(6).dirichlet(np.ones(4) * 2, size=5),
        ),
        (np.eye(3)[[1]], np.array([[0.2, 0.7, 0.1]])),
        (np.ones((1, 1)), np.array([[0.5]])),  # t without zeros: which log is infinite?
    ]

    def total(t, y, log=np.log):
        return -(t * log(y)).sum()

    def loss(t, y):
        return total(t, y) / len(t)

    mistakes = [
        (
            lambda t, y: -loss(t, y),
            _("The sign is missing: logarithms of probabilities are negative, and a "
              "loss is positive."),
        ),
        (total, _("You add the rows up: the mean divides by how many there are.")),
        (
            lambda t, y: -total(t, y),
            _("You add the rows up and the sign is missing: take the mean, turned "
              "positive."),
        ),
        (
            lambda t, y: total(t, y) / t.size,
            _("You divide by rows times classes: add the classes up, and average over "
              "the rows only."),
        ),
        (
            lambda t, y: -total(t, y) / t.size,
            _("The sign is missing, and you divide by rows times classes: average over "
              "the rows only."),
        ),
        (
            lambda t, y: total(t, y) / t.shape[1],
            _("You divide by the number of classes: how many rows are there?"),
        ),
        (
            lambda t, y: total(t, y, np.log10) / len(t),
            _("That is the logarithm to base 10: here it is the natural one."),
        ),
        (
            lambda t, y: total(t, y, np.log2) / len(t),
            _("That is the logarithm to base 2: here it is the natural one."),
        ),
        (
            lambda t, y: -(y * np.log(t)).sum() / len(t),
            _("Are `t` and `y` swapped? The logarithm of `t`, which holds zeros, "
              "is infinite."),
        ),
        *(
            (f, _("You multiply before the logarithm, which is infinite where `t` is "
                  "0: it is that of `y` alone."))
            for f in [
                lambda t, y: -np.log(t * y).sum() / len(t),
                lambda t, y: -np.log(t * y).sum(),
            ]
        ),
        *(
            (f, _("You use `1 - y`: what counts is what `y` gives to the true class."))
            for f in [
                lambda t, y: total(t, 1 - y) / len(t),
                lambda t, y: total(1 - t, 1 - y) / len(t),
            ]
        ),
        (
            lambda t, y: -(y * np.log(y)).sum() / len(t),
            _("That is the entropy of `y`: where does the true class come in?"),
        ),
        (
            lambda t, y: -np.log(y).sum() / len(t),
            _("You add up the logarithms of all the classes: only the true one "
              "counts, and `t` says which it is."),
        ),
        (
            lambda t, y: -np.log(y).mean(),
            _("You average the logarithms of all the classes: only the true one "
              "counts, and `t` says which it is."),
        ),
        (
            lambda t, y: -(t * y).sum() / len(t),
            _("The logarithm is missing."),
        ),
        (
            lambda t, y: (t * y).sum() / len(t),
            _("That is the mean probability of the true class: the logarithm and the "
              "sign are missing."),
        ),
        (
            lambda t, y: -np.log((t * y).sum() / len(t)),
            _("You average first and take the logarithm afterwards: each row has its "
              "own."),
        ),
        (
            lambda t, y: -(t * np.log(y) + (1 - t) * np.log(1 - y)).sum() / len(t),
            _("You add what binary cross-entropy adds for the other class: here only "
              "the true class counts."),
        ),
        (
            lambda t, y: -(t * np.log(y) + (1 - t) * np.log(1 - y)).mean(),
            _("That is binary cross-entropy, class by class: here only the true class "
              "counts."),
        ),
        (
            lambda t, y: total(t, np.exp(y) / np.exp(y).sum(1, keepdims=True)) / len(t),
            _("You apply a softmax again: `y` holds probabilities already."),
        ),
        (
            lambda t, y: ((t - y) ** 2).sum() / len(t) / 2,
            _("That is the squared error: here the logarithm of `y` counts."),
        ),
        (
            lambda t, y: ((t - y) ** 2).mean(),
            _("That is the squared error: here the logarithm of `y` counts."),
        ),
    ]  # fmt: skip
    compare(
        answer,
        cases,
        lambda t, y: float(np.mean([-np.log(row[t[i] == 1][0]) for i, row in
                                    enumerate(y)])),
        mistakes,
        read=_mean,
        describe=_values("t", "y"),
        stop=plain_stop,
        unnamed=_of_infinity,
    )  # fmt: skip
    return _(
        "Try it with the true class at 0.01: how much does being so sure of something "
        "wrong cost?"
    )


def _mean(result: object) -> int | float:
    """A loss: one number, which may be infinite so that its mistake can be named."""
    if isinstance(result, np.ndarray) and result.size > 1:
        reason = _(
            "a loss is one number, and you return several, of shape {shape}: the mean "
            "over the examples is missing."
        )
        raise NotYet(reason.format(shape=result.shape))
    if isinstance(result, np.ndarray | np.generic) and result.dtype.kind == "f":
        result = result.item()
    if isinstance(result, float) and np.isinf(result):
        return result
    return number(result)


def _of_infinity(got: list) -> str:
    if not any(part in (np.inf, -np.inf) for part in got):
        return ""
    return _("Is there the logarithm of 0, or a division by zero?")


def _values(*names: str) -> Callable:
    """A function that writes small arrays out, and of larger ones the shape."""

    def describe(*case):
        return ", ".join(
            f"{name}={value.tolist()}" if value.size <= 6 else f"{name} {value.shape}"
            for name, value in zip(names, case, strict=True)
        )

    return describe
