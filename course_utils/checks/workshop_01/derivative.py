"""Exercise: the derivative of the logistic."""

from collections.abc import Callable

import numpy as np
import torch

from course_utils.checks import exercise
from course_utils.checks.answers import array, compare
from course_utils.checks.workshop_01.activations import CASES, written
from course_utils.checks.workshop_01.plain_words import plain_stop
from course_utils.locale import _


@exercise(
    "01.logistic_derivative",
    hints=lambda: [
        _("Where is the logistic steepest? There its derivative is 1/4."),
        _(
            "Differentiate the quotient by the chain rule, or look at the table: the "
            "derivative can be written with the value alone."
        ),
        _(
            "Call the value h. The derivative is a product of two factors: it is 0 "
            "where h is 0, and 0 where h is 1."
        ),
    ],
)
def logistic_derivative(answer):
    def slope(z):  # from autograd
        z = torch.from_numpy(z).requires_grad_()
        return torch.autograd.grad(torch.sigmoid(z).sum(), z)[0].numpy()

    def of_value(f: Callable) -> Callable:
        return lambda z: f(1 / (1 + np.exp(-z)))

    right = of_value(lambda h: h * (1 - h))
    mistakes = [
        (
            of_value(lambda h: h),
            _("That is the logistic itself: its slope is asked for."),
        ),
        (
            lambda z: 2 * right(z),
            _("It is twice too large. If you take differences: from z - eps to z + eps "
              "there are two steps."),
        ),
        (
            of_value(lambda h: 1 - h**2),
            _("That is the derivative's form for tanh: the logistic has another."),
        ),
        (
            lambda z: 1 - np.tanh(z) ** 2,
            _("That is the derivative of tanh: here it is the logistic's."),
        ),
        (
            lambda z: -right(z),
            _("The sign is turned around: the logistic rises, and its slope is "
              "positive."),
        ),
        (
            of_value(lambda h: 1 - h),
            _("One factor is missing: this one does not die for very negative z."),
        ),
        (
            of_value(lambda h: h - 1),
            _("One factor is missing, and the order of the subtraction is turned "
              "around."),
        ),
        (
            of_value(lambda h: h * 1 - h),
            _("That is 0 everywhere: `*` comes before `-`. Are parentheses missing?"),
        ),
        (
            of_value(lambda h: h * (1 + h)),
            _("Look at the sign in the second factor: the slope must die where the "
              "logistic reaches 1."),
        ),
        (
            of_value(lambda h: h**2),
            _("At z = 0 that is right, and for large z the slope must die: yours goes "
              "to 1."),
        ),
        (
            of_value(lambda h: (1 - h) ** 2),
            _("At z = 0 that is right, and for very negative z the slope must die: "
              "yours goes to 1."),
        ),
        (
            of_value(lambda h: 1 - 2 * h),
            _("You differentiate once more: it is the slope of the logistic that is "
              "asked for."),
        ),
        (
            of_value(lambda h: h * (1 - h) * (1 - 2 * h)),
            _("That is the second derivative: one is enough."),
        ),
        (
            lambda z: z * (1 - z),
            _("The form is right, and the variable is not: z goes through the logistic "
              "first."),
        ),
        (
            lambda z: right(1 / (1 + np.exp(-z))),
            _("The logistic is applied twice: once is enough."),
        ),
        (
            lambda z: right(z) * z,
            _("There is a z too many."),
        ),
        (
            lambda z: np.exp(-z),
            _("That is the derivative of the exponential alone: a quotient is around "
              "it."),
        ),
        (
            of_value(np.gradient),
            _("`np.gradient` takes differences between the numbers of the array: here "
              "it is the derivative at each z."),
        ),
    ]  # fmt: skip
    compare(
        answer,
        CASES[:3],  # `np.gradient` gives two things for a table
        slope,
        mistakes,
        read=array,
        describe=written,
        stop=plain_stop,
    )
    return _(
        "Try it at z = 0 and at z = 10: how much of a gradient is left after five such "
        "layers?"
    )
