"""The typical mistakes in the exercise of the eight activation functions."""

from collections.abc import Callable

import numpy as np

from course_utils.locale import _


def mistakes_in() -> dict[str, list[tuple[Callable, str]]]:
    """Of each activation the wrong versions and their sentences."""
    return {
        "sign": [
            *(
                (
                    lambda z, middle=middle: np.heaviside(z, middle),
                    _("That is the step, from 0 to 1: the sign goes from -1 to 1."),
                )
                for middle in (0.5, 0, 1)
            ),
            (lambda z: -np.sign(z), _("The sign is turned around.")),
            *(
                (
                    lambda z, middle=middle: np.where(z == 0, middle, np.sign(z)),
                    _("And at z = 0 exactly? The table says 0."),
                )
                for middle in (-1, 1)
            ),
            (
                lambda z: np.clip(z, -1, 1),
                _("Yours goes from -1 to 1 little by little: the sign jumps."),
            ),
            (np.abs, _("That is the size of z, without its sign.")),
        ],
        "linear": [
            (lambda z: -z, _("The sign is turned around.")),
            (
                np.ones_like,
                _("That is its derivative: the function itself is asked for."),
            ),
            (np.zeros_like, _("That is always 0: look at the table again.")),
            (
                lambda z: np.array(1.0),
                _("That is one number: there is one for each z."),
            ),
        ],
        "piecewise": [
            (
                lambda z: np.clip(z, 0, 1),
                _("The ramp is shifted: where does it begin, and what is it at z = 0?"),
            ),
            (
                lambda z: np.clip(z - 0.5, 0, 1),
                _("The ramp is shifted the wrong way: what is it at z = 0?"),
            ),
            (
                lambda z: np.clip(z, -0.5, 0.5),
                _("The ramp is too low by a half: its range goes from 0 to 1."),
            ),
            (
                lambda z: np.clip(z + 0.5, -0.5, 0.5),
                _("You cut at -1/2 and 1/2, which are values of z: its range goes from "
                  "0 to 1."),
            ),
            (
                lambda z: np.clip(z, -1, 1),
                _("That one goes from -1 to 1: the table's goes from 0 to 1."),
            ),
            (
                lambda z: np.clip((z + 1) / 2, 0, 1),
                _("The ramp is too wide: the table's goes from z = -1/2 to 1/2."),
            ),
            (lambda z: z + 0.5, _("Below and above the ramp it stays flat.")),
            (
                lambda z: np.maximum(z + 0.5, 0),
                _("The ceiling is missing: above z = 1/2 it stays flat."),
            ),
            (
                lambda z: np.minimum(z + 0.5, 1),
                _("The floor is missing: below z = -1/2 it stays flat."),
            ),
            (
                lambda z: np.where(z < -0.5, 0, np.where(z > 0.5, 1, z)),
                _("The ends are right: what is the ramp at z = 0, between them?"),
            ),
            (
                lambda z: np.where(z < -0.5, -1, np.where(z > 0.5, 1, z + 0.5)),
                _("The ramp is right: below it, the table says 0."),
            ),
            (
                lambda z: np.where(z < -0.5, 1, np.where(z > 0.5, 0, z + 0.5)),
                _("The ends are swapped: which one is the floor?"),
            ),
        ],
        "logistic": [
            (
                lambda z: 1 / (1 + np.exp(z)),
                _("Yours falls where it should rise: look at the sign in the "
                  "exponential."),
            ),
            (
                lambda z: 1 + np.exp(-z),
                _("Parentheses are missing, or the quotient is upside down: its range "
                  "goes from 0 to 1."),
            ),
            (
                lambda z: 1 + np.exp(z),
                _("Parentheses are missing, or the quotient is upside down: its range "
                  "goes from 0 to 1."),
            ),
            (
                lambda z: np.exp(-z),
                _("That is the exponential alone: its range goes from 0 to 1."),
            ),
            (np.exp, _("That is the exponential alone: its range goes from 0 to 1.")),
            (
                lambda z: 1 / (1 + np.exp(-z)) * (1 - 1 / (1 + np.exp(-z))),
                _("That is its derivative: the function itself is asked for."),
            ),
            (
                np.tanh,
                _("That is tanh, from -1 to 1: the logistic goes from 0 to 1."),
            ),
        ],
        "tanh": [
            (
                lambda z: 1 / (1 + np.exp(-z)),
                _("That is the logistic, from 0 to 1: tanh goes from -1 to 1."),
            ),
            (
                lambda z: np.tanh(z / 2),
                _("The range is right, and yours is half as steep: the exponentials "
                  "have another exponent."),
            ),
            (lambda z: -np.tanh(z), _("The sign is turned around.")),
            (np.tan, _("That is the tangent: the hyperbolic one is asked for.")),
            (np.arctan, _("That is the arctangent: tanh stays between -1 and 1.")),
            (
                lambda z: 1 - np.tanh(z) ** 2,
                _("That is its derivative: the function itself is asked for."),
            ),
            (np.sinh, _("That is only the numerator: its range goes from -1 to 1.")),
            (
                lambda z: 2 * np.sinh(z),
                _("That is only the numerator: its range goes from -1 to 1."),
            ),
            (
                lambda z: np.exp(z) - np.exp(-z) / np.exp(z) + np.exp(-z),
                _("Parentheses are missing: `/` comes before adding and subtracting."),
            ),
        ],
        "relu": [
            (
                np.abs,
                _("That is the absolute value: what does it give for negative z?"),
            ),
            (
                lambda z: np.minimum(z, 0),
                _("You keep the negative ones, and it is the others that pass."),
            ),
            (
                lambda z: np.where(z > 0, 1.0, 0),
                _("That is its derivative: the function itself is asked for."),
            ),
            (
                lambda z: np.where(z >= 0, 1.0, 0),
                _("That is its derivative: the function itself is asked for."),
            ),
            (
                lambda z: np.clip(z, 0, 1),
                _("Yours has a ceiling: above 0, z passes as it is."),
            ),
            (
                lambda z: np.asarray(np.max(z, 0)),
                _("`np.max` looks for the largest of the array: another one compares "
                  "place by place."),
            ),
            (
                lambda z: np.asarray(np.max(z)),
                _("`np.max` looks for the largest of the array: another one compares "
                  "place by place."),
            ),
            (
                lambda z: z[z > 0],
                _("You throw the negative ones away: their places stay, with another "
                  "value."),
            ),
            *(
                (
                    lambda z, slope=slope: np.where(z > 0, z, slope * z),
                    _("That is a leaky ReLU: the table's is flat below 0."),
                )
                for slope in (0.01, 0.1, 0.2)
            ),
        ],
        "softplus": [
            (
                lambda z: np.log10(1 + np.exp(z)),
                _("That is the logarithm to base 10: here it is the natural one."),
            ),
            (
                lambda z: np.log2(1 + np.exp(z)),
                _("That is the logarithm to base 2: here it is the natural one."),
            ),
            (
                lambda z: np.log(1 + np.exp(-z)),
                _("Yours falls where it should rise: look at the sign in the "
                  "exponential."),
            ),
            (
                lambda z: -np.log(1 + np.exp(-z)),
                _("That is the logarithm of the logistic: look at the signs again."),
            ),
            (
                lambda z: z,
                _("That is z itself: the logarithm undid the exponential. Is the 1 "
                  "missing?"),
            ),
            (
                np.exp,
                _("That is the exponential alone: are the parentheses of the logarithm "
                  "right?"),
            ),
            (
                lambda z: 1 + np.exp(z),
                _("The logarithm is missing."),
            ),
            (
                lambda z: 1 + z,
                _("The 1 is outside the logarithm: it goes inside, with the "
                  "exponential."),
            ),
            (
                lambda z: np.maximum(z, 0),
                _("That is the ReLU: softplus is the smooth curve above it."),
            ),
            (
                lambda z: 1 / (1 + np.exp(-z)),
                _("That is its derivative: the function itself is asked for."),
            ),
        ],
    }  # fmt: skip
