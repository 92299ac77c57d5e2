"""Exercise: the coefficient of determination."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import any_number, compare, same
from course_utils.checks.source import uses_operator
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.locale import _


@exercise(
    "01.r2",
    hints=lambda: [
        _("Which part of the spread of `y` do the predictions leave unexplained?"),
        _(
            "Two sums of squares: how far the predictions are from `y`, and how far "
            "`y` is from its own mean. The second is what always saying the mean "
            "would get."
        ),
        _(
            "Their quotient is what is left unexplained: 0 is perfect, 1 is no better "
            "than the mean. R2 counts the other way around."
        ),
    ],
)
def r2(answer):
    generator = torch.Generator().manual_seed(8)
    y = 50 + 30 * torch.randn(9, 1, generator=generator)
    noise = torch.randn(9, 1, generator=generator)
    cases = [
        (_column(1, 2, 3, 6), _column(2, 2, 5, 6)),
        (_column(10, 20, 30), _column(30, 10, 20)),  # worse than the mean
        (y, y.mean() + 0.7 * (y - y.mean()) + 8 + 6 * noise),
        (y, y.clone()),
    ]
    power = _("In Python a power is written `**`; `^` is something else.")
    compare(
        answer,
        cases,
        _by_loop,
        [*([(answer, power)] if uses_operator(answer, "^") else []), *_mistakes()],
        read=any_number,
        describe=lambda y, y_hat: (
            f"y={y.flatten().tolist()}, y_hat={y_hat.flatten().tolist()}"
            if len(y) <= 4
            else f"y {tuple(y.shape)}, y_hat {tuple(y_hat.shape)}"
        ),
        agree=_close,
        stop=plain_tensor_stop,
    )
    return _(
        "Try it with `y_hat = 2 * y`: can R2 be below 0? And what would that mean?"
    )


def _column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None]


def _by_loop(y: Tensor, y_hat: Tensor) -> float:
    targets, outputs = y.flatten().tolist(), y_hat.flatten().tolist()
    mean = sum(targets) / len(targets)
    left = sum((t - p) ** 2 for t, p in zip(targets, outputs, strict=True))
    return 1 - left / sum((t - mean) ** 2 for t in targets)


def _close(got: object, wanted: object) -> bool:
    """Like `same`, for sums of float32, of which the last digits depend on the way."""
    if isinstance(got, float) and not math.isfinite(got):  # a tensor divided by 0
        return isinstance(wanted, ZeroDivisionError)
    if isinstance(got, int | float) and isinstance(wanted, int | float):
        return math.isclose(got, wanted, rel_tol=1e-4, abs_tol=1e-4)
    return same(got, wanted)


def _mistakes() -> list[tuple[Callable, str]]:
    def residual(y, y_hat):
        return ((y - y_hat) ** 2).sum().item()

    def total(y):
        return residual(y, y.mean())

    def correlation(y, y_hat):
        return torch.corrcoef(torch.cat([y, y_hat], 1).T)[0, 1].item()

    return [
        (
            lambda y, p: residual(y, p) / total(y),
            _("That is the part left unexplained: R2 is the other part."),
        ),
        (
            lambda y, p: correlation(y, p) ** 2,
            _("That is the squared correlation, which forgives predictions that are "
              "shifted or too small: use the errors themselves."),
        ),
        (
            correlation,
            _("That is the correlation, which forgives predictions that are shifted or "
              "too small: use the errors themselves."),
        ),
        (
            lambda y, p: 1 - residual(y, p) / total(p),
            _("The second sum measures the spread of `y_hat`: it is that of `y`, "
              "which does not depend on the model."),
        ),
        (
            lambda y, p: 1 - residual(y, p) / residual(y, p.mean()),
            _("The mean in the second sum is that of `y_hat`: `y` has its own."),
        ),
        (
            lambda y, p: 1 - residual(y, p) / residual(p, y.mean()),
            _("The second sum takes `y_hat` around the mean of `y`: both are those "
              "of `y`."),
        ),
        (
            lambda y, p: total(p) / total(y),
            _("That compares the spreads only: predictions may vary as much as `y` "
              "and be wrong."),
        ),
        (
            lambda y, p: residual(p, y.mean()) / total(y),
            _("That is how much the predictions vary: where are their errors?"),
        ),
        (
            lambda y, p: (total(p) / total(y)) ** 0.5,
            _("That is a quotient of deviations: predictions may vary as much as "
              "`y` and be wrong."),
        ),
        (
            lambda y, p: residual(y, p) / len(y),
            _("That is the mean squared error: compare it with what the mean gets."),
        ),
        (
            lambda y, p: (residual(y, p) / len(y)) ** 0.5,
            _("That is the root mean squared error: compare it with what the mean "
              "gets."),
        ),
        (residual, _("That is the first sum alone: compare it with the spread of "
                     "`y`.")),
        (
            lambda y, p: 1 - residual(y, p),
            _("The spread of `y` is missing: divide by it."),
        ),
        (
            lambda y, p: 1 - residual(y, p) / len(y) / y.var().item(),
            _("`var` divides by N - 1, and your mean by N: use the same for both."),
        ),
        (
            lambda y, p: 1 - residual(y, p) / y.var().item(),
            _("One is a sum and the other a mean: use the same for both."),
        ),
        (
            lambda y, p: 1 - residual(y, p) / len(y) / total(y),
            _("One is a sum and the other a mean: use the same for both."),
        ),
        (
            lambda y, p: 1 - residual(y, p) / (total(y) / len(y)),
            _("One is a sum and the other a mean: use the same for both."),
        ),
        (
            lambda y, p: 1 - (residual(y, p) / total(y)) ** 0.5,
            _("There is a root too many: R2 compares squares."),
        ),
        (
            lambda y, p: max(_by_loop(y, p), 0) ** 0.5,
            _("There is a root too many: R2 compares squares."),
        ),
        (
            lambda y, p: 1 - total(y) / residual(y, p),
            _("The quotient is upside down: a perfect model leaves nothing of it."),
        ),
        (
            lambda y, p: 1 + residual(y, p) / total(y),
            _("The sign is turned around: R2 is never above 1."),
        ),
        (
            lambda y, p: residual(y, p) / total(y) - 1,
            _("The sign is turned around: a perfect model reaches 1."),
        ),
        (
            lambda y, p: 100 * _by_loop(y, p),
            _("That is a percentage: here a perfect model reaches 1."),
        ),
        (
            lambda y, p: max(0, _by_loop(y, p)),
            _("You stop at 0: worse than the mean is below it, and good to know."),
        ),
        (
            lambda y, p: 1 - residual(y, p) / residual(y, 0),
            _("The second sum takes `y` around 0: around its mean is meant."),
        ),
        (
            lambda y, p: (
                1 - ((y - p).abs().sum() / (y - y.mean()).abs().sum()).item()
            ),
            _("You add distances: R2 adds their squares."),
        ),
        (
            lambda y, p: residual(y, p) / (y - y.mean()).sum().item(),
            _("Is the second sum 0? Without squares, the distances from the mean "
              "cancel out."),
        ),
        (
            lambda y, p: 1 - (y - p).sum().item() ** 2 / total(y),
            _("You add first and square afterwards: each error has its own square."),
        ),
    ]  # fmt: skip
