"""Workshop 01: right answers pass, each typical mistake is told by its own sentence.

The answers are written as learners write them, in the stubs as they stand in the
notebook, and not as the checks model them. Backward pass, SGD step, standardising, R2
and the open exercise are in test_workshop_01_training.py.
"""

import inspect
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from babel.messages.pofile import read_po

from check_frame import RightAnswers, listed
from course_utils import checks
from course_utils.checks import Status, answers, check, judge
from course_utils.checks.answers import NotAttempted, NotYet, Slip
from course_utils.locale import __file__ as locale_module
from course_utils.locale import set_language

PO = "es/LC_MESSAGES/course_utils.po"
NAMES = [
    "01.forward",
    "01.activations",
    "01.logistic_derivative",
    "01.linear_layers",
    "01.mse",
    "01.cross_entropy",
]


# ---- the stubs, with the blanks as functions ---------------------------------------
def forward(
    z=lambda x, W1, b1: x @ W1 + b1,
    hidden=lambda z1, gamma1: gamma1(z1),
    out=lambda h, W2, b2: h @ W2 + b2,
):
    def answer(x, W1, b1, W2, b2, gamma1):
        z1 = z(x, W1, b1)
        h = hidden(z1, gamma1)
        return out(h, W2, b2)

    return answer


def logistic(z):
    return 1 / (1 + np.exp(-z))


LINES = {
    "step": lambda z: np.heaviside(z, 0.5),
    "sign": np.sign,
    "linear": lambda z: z,
    "piecewise": lambda z: np.clip(z + 0.5, 0, 1),
    "logistic": logistic,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(0, z),
    "softplus": lambda z: np.log(1 + np.exp(z)),
}


def activation(**lines):
    """The stub filled rightly but for `lines`; None is a blank (not in the source)."""
    lines = {**LINES, **lines}
    return lambda name, z: Ellipsis if lines[name] is None else lines[name](z)


def derivative(f):
    return lambda z: f(logistic(z))


def layers(
    W=lambda W1, b1, W2, b2: W1 @ W2,
    b=lambda W1, b1, W2, b2: b1 @ W2 + b2,
):
    return lambda *case: (W(*case), b(*case))


# ---- right answers -----------------------------------------------------------------
def forward_in_loops(x, W1, b1, W2, b2, gamma1):
    y_hat = np.zeros((len(x), 1))
    for n in range(len(x)):
        h = [gamma1(sum(x[n] * W1[:, j]) + b1[j]) for j in range(len(b1))]
        y_hat[n, 0] = sum(h[j] * W2[j, 0] for j in range(len(h))) + b2[0]
    return y_hat


def forward_with_bias_rows(x, W1, b1, W2, b2, gamma1):
    ones = np.ones((len(x), 1))
    h = gamma1(np.hstack([x, ones]) @ np.vstack([W1, b1]))
    return np.hstack([h, ones]) @ np.vstack([W2, b2])


def forward_in_place(x, W1, b1, W2, b2, gamma1):
    z1 = np.dot(x, W1)
    z1 += b1
    return np.dot(gamma1(z1), W2) + b2.reshape(1, 1)


def activation_in_pieces(name, z):
    if name == "step":
        return np.heaviside(z, 0.5)
    if name == "sign":
        return np.where(z > 0, 1, np.where(z < 0, -1, 0))
    if name == "linear":
        return 1.0 * z
    if name == "piecewise":
        return np.where(z < -0.5, 0, np.where(z > 0.5, 1, z + 0.5))
    if name == "logistic":
        return np.exp(z) / (1 + np.exp(z))
    if name == "tanh":
        return (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))
    if name == "relu":
        return z * (z > 0)
    if name == "softplus":
        return np.log1p(np.exp(z))
    raise ValueError(name)


def activation_otherwise(name, z):
    return {
        "step": (np.sign(z) + 1) / 2,
        "sign": (z > 0) * 1 - (z < 0) * 1,
        "linear": z,
        "piecewise": np.minimum(np.maximum(z + 1 / 2, 0), 1),
        "logistic": (1 + np.tanh(z / 2)) / 2,
        "tanh": 2 * logistic(2 * z) - 1,
        "relu": (z + np.abs(z)) / 2,
        "softplus": np.logaddexp(0, z),
    }[name]


def activation_vectorized(name, z):
    one = {
        **LINES,
        "relu": lambda v: max(0.0, v),
        "sign": lambda v: math.copysign(1, v) if v else 0.0,
    }
    return np.vectorize(one[name], otypes=[float])(z)


def layers_by_probing(W1, b1, W2, b2):
    def both(x):
        return (x @ W1 + b1) @ W2 + b2

    b = both(np.zeros(len(W1)))
    return np.array([both(row) - b for row in np.eye(len(W1))]), b


def mse_in_a_loop(t, y):
    loss = 0
    for n in range(len(t)):
        loss += 0.5 * (t[n] - y[n]) ** 2
    return loss / len(t)


def cross_entropy_in_a_loop(t, y):
    loss = 0
    for n in range(t.shape[0]):
        for i in range(t.shape[1]):
            loss -= t[n, i] * math.log(y[n, i])
    return loss / t.shape[0]


RIGHT = {
    "01.forward": [
        forward(),
        forward_in_loops,
        forward_with_bias_rows,
        forward_in_place,
        forward(z=lambda x, W1, b1: (W1.T @ x.T).T + b1),
        lambda x, W1, b1, W2, b2, gamma1: (
            np.einsum("nj,jk->nk", gamma1(x @ W1 + b1), W2) + b2
        ),
    ],
    "01.activations": [
        activation(),
        activation_in_pieces,
        activation_otherwise,
        activation_vectorized,
    ],
    "01.logistic_derivative": [
        derivative(lambda h: h * (1 - h)),
        derivative(lambda h: h - h**2),
        lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
        lambda z: 1 / (2 + np.exp(z) + np.exp(-z)),
        lambda z: (logistic(z + 1e-5) - logistic(z - 1e-5)) / 2e-5,
        lambda z: (1 - np.tanh(z / 2) ** 2) / 4,
    ],
    "01.linear_layers": [
        layers(),
        layers_by_probing,
        lambda *case: list(layers()(*case)),
        lambda W1, b1, W2, b2: (np.dot(W1, W2), np.dot(W2.T, b1) + b2),
        lambda W1, b1, W2, b2: (
            (W2.T @ W1.T).T,
            (b1[:, None] * W2).sum(0) + b2,
        ),
    ],
    "01.mse": [
        lambda t, y: np.mean((t - y) ** 2) / 2,
        lambda t, y: 0.5 * ((y - t) ** 2).mean(),
        lambda t, y: float(np.sum(1 / 2 * (t - y) ** 2) / len(t)),
        lambda t, y: ((t - y).T @ (t - y)) / (2 * len(t)),
        mse_in_a_loop,
        lambda t, y: np.mean(np.square(t - y) * 0.5, axis=0),
    ],
    "01.cross_entropy": [
        lambda t, y: -np.mean(np.sum(t * np.log(y), axis=1)),
        lambda t, y: -(t * np.log(y)).sum() / len(t),
        lambda t, y: -np.log(y[t == 1]).mean(),
        lambda t, y: -np.log((t * y).sum(1)).mean(),
        lambda t, y: np.mean(-np.log(y[np.arange(len(t)), t.argmax(1)])),
        cross_entropy_in_a_loop,
    ],
}
ALL_RIGHT = [(name, a) for name, right in RIGHT.items() for a in right]


class TestRightAnswers(RightAnswers):
    right = RIGHT


# ---- typical mistakes --------------------------------------------------------------
def only(**wrong):
    """One wrong version of each named activation, or several."""
    return [
        activation(**{name: line})
        for name, lines in wrong.items()
        for line in (lines if isinstance(lines, list) else [lines])
    ]


MISTAKES = {
    "01.forward": {
        "order of the product": [
            forward(z=lambda x, W1, b1: W1 @ x + b1),
            forward(z=lambda x, W1, b1: np.dot(W1, x) + b1),
            forward(z=lambda x, W1, b1: x @ W1.T + b1),
            forward(z=lambda x, W1, b1: W1.T @ x + b1),
            forward(z=lambda x, W1, b1: x.T @ W1 + b1),
            forward(z=lambda x, W1, b1: W1.T @ x.T + b1),
            forward(z=lambda x, W1, b1: W1.T @ x.T + b1[:, None]),
        ],
        "output layer the order": [
            forward(out=lambda h, W2, b2: W2.T @ h + b2),
        ],
        "subtract the bias b1": [forward(z=lambda x, W1, b1: x @ W1 - b1)],
        "subtract the bias b2": [forward(out=lambda h, W2, b2: h @ W2 - b2)],
        "bias b1 is missing": [forward(z=lambda x, W1, b1: x @ W1)],
        "bias b2 is missing": [forward(out=lambda h, W2, b2: h @ W2)],
        "Both biases are missing": [
            forward(z=lambda x, W1, b1: x @ W1, out=lambda h, W2, b2: h @ W2)
        ],
        "at the output too": [
            lambda x, W1, b1, W2, b2, gamma1: gamma1(gamma1(x @ W1 + b1) @ W2 + b2)
        ],
        "The activation is missing": [
            forward(hidden=lambda z1, gamma1: z1),
            lambda x, W1, b1, W2, b2, gamma1: (x @ W1 + b1) @ W2 + b2,
        ],
        "at the output only": [
            lambda x, W1, b1, W2, b2, gamma1: gamma1((x @ W1 + b1) @ W2 + b2)
        ],
        "b1 after the activation": [
            lambda x, W1, b1, W2, b2, gamma1: (gamma1(x @ W1) + b1) @ W2 + b2
        ],
        "gamma1 to x": [
            lambda x, W1, b1, W2, b2, gamma1: (gamma1(x) @ W1 + b1) @ W2 + b2
        ],
        "never used": [
            lambda x, W1, b1, W2, b2, gamma1: gamma1(x) @ W2 + b2,
        ],
        "W1 and W2 swapped": [
            lambda x, W1, b1, W2, b2, gamma1: gamma1(x @ W2 + b1) @ W1 + b2
        ],
        "gamma1 twice": [forward(hidden=lambda z1, gamma1: gamma1(gamma1(z1)))],
        "biases swapped": [
            lambda x, W1, b1, W2, b2, gamma1: gamma1(x @ W1 + b2) @ W2 + b1
        ],
        "In the hidden layer `*`": [forward(z=lambda x, W1, b1: x * W1 + b1)],
        "In the output layer `*`": [forward(out=lambda h, W2, b2: h * W2 + b2)],
        "return the hidden layer": [forward(out=lambda h, W2, b2: h)],
        "You return `z1`": [lambda x, W1, b1, W2, b2, gamma1: x @ W1 + b1],
        "keep the column": [
            forward(out=lambda h, W2, b2: (h @ W2 + b2).ravel()),
            forward(out=lambda h, W2, b2: (h @ W2 + b2)[:, 0]),
            forward(out=lambda h, W2, b2: (h @ W2 + b2).squeeze()),
            forward(out=lambda h, W2, b2: h @ W2.ravel() + b2),
        ],
        "same activation, tanh": [forward(hidden=lambda z1, gamma1: np.tanh(z1))],
        "same activation, logistic": [forward(hidden=lambda z1, gamma1: logistic(z1))],
        "same activation, relu": [forward(hidden=lambda z1, gamma1: np.maximum(z1, 0))],
    },
    "01.activations": {
        "in `sign`, for z=[-1.0, 0.25, 2.0] I expected -1 at position [0] and got 0. "
        "That is the step": only(
            sign=[
                lambda z: np.heaviside(z, 0.5),
                lambda z: np.heaviside(z, 0),
                lambda z: np.where(z >= 0, 1, 0),
            ]
        ),
        "at z = 0 exactly": only(
            sign=[
                lambda z: np.where(z > 0, 1, -1),
                lambda z: np.where(z >= 0, 1, -1),
            ]
        ),
        "the sign jumps": only(sign=lambda z: np.clip(z, -1, 1)),
        "The sign is turned around": only(
            sign=lambda z: -np.sign(z), linear=lambda z: -z, tanh=lambda z: -np.tanh(z)
        ),
        "size of z": only(sign=abs),
        "holds nan": only(sign=lambda z: z / np.abs(z)),
        "True and False": only(sign=lambda z: z > 0),
        "That is its derivative": only(
            linear=np.ones_like,
            logistic=lambda z: logistic(z) * (1 - logistic(z)),
            tanh=lambda z: 1 - np.tanh(z) ** 2,
            relu=[lambda z: (z > 0) * 1.0, lambda z: (z >= 0) * 1.0],
            softplus=logistic,
        ),
        "always 0": only(linear=lambda z: 0 * z),
        "one number: there is one for each": only(linear=lambda z: 1.0),
        "is shifted: where does it begin": only(piecewise=lambda z: np.clip(z, 0, 1)),
        "shifted the wrong way": only(piecewise=lambda z: np.clip(z - 1 / 2, 0, 1)),
        "too low by a half": only(piecewise=lambda z: np.clip(z, -0.5, 0.5)),
        "which are values of z": only(piecewise=lambda z: np.clip(z + 0.5, -0.5, 0.5)),
        "the table's goes from 0": only(piecewise=lambda z: np.clip(z, -1, 1)),
        "too wide": only(piecewise=lambda z: np.clip(z / 2 + 0.5, 0, 1)),
        "Below and above": only(piecewise=lambda z: z + 0.5),
        "ceiling is missing": only(piecewise=lambda z: np.maximum(0, z + 0.5)),
        "floor is missing": only(piecewise=lambda z: np.minimum(1, z + 0.5)),
        "The ends are right": only(
            piecewise=lambda z: np.where(z < -0.5, 0, np.where(z > 0.5, 1, z))
        ),
        "the table says 0.?": only(
            piecewise=lambda z: np.where(z < -0.5, -1, np.where(z > 0.5, 1, z + 0.5))
        ),
        "ends are swapped": only(
            piecewise=lambda z: np.where(z < -0.5, 1, np.where(z > 0.5, 0, z + 0.5))
        ),
        "Yours falls": only(
            logistic=lambda z: 1 / (1 + np.exp(z)),
            softplus=lambda z: np.log(1 + np.exp(-z)),
        ),
        "or the quotient is upside down": only(
            logistic=[lambda z: 1 / 1 + np.exp(-z), lambda z: 1 + np.exp(-z)]
        ),
        "exponential alone: its": only(logistic=[np.exp, lambda z: np.exp(-z)]),
        "That is tanh, from": only(logistic=np.tanh),
        "That is the logistic, from": only(tanh=logistic),
        "half as steep": only(
            tanh=[
                lambda z: 2 * logistic(z) - 1,
                lambda z: (1 - np.exp(-z)) / (1 + np.exp(-z)),
            ]
        ),
        "the tangent": only(tanh=np.tan),
        "arctangent": only(tanh=np.arctan),
        "only the numerator": only(
            tanh=[np.sinh, lambda z: np.exp(z) - np.exp(-z)],
        ),
        "Parentheses are missing: `/`": only(
            tanh=lambda z: np.exp(z) - np.exp(-z) / np.exp(z) + np.exp(-z)
        ),
        "absolute value": only(relu=np.abs),
        "keep the negative ones": only(relu=lambda z: np.minimum(0, z)),
        "has a ceiling": only(relu=lambda z: np.clip(z, 0, 1)),
        "`np.max` looks": only(relu=[lambda z: np.max(z, 0), lambda z: np.max(z)]),
        "throw the negative": only(relu=lambda z: z[z > 0]),
        "a leaky ReLU": only(relu=lambda z: np.where(z > 0, z, 0.01 * z)),
        "to base 10": only(softplus=lambda z: np.log10(1 + np.exp(z))),
        "to base 2": only(softplus=lambda z: np.log2(1 + np.exp(z))),
        "logarithm of the logistic": only(softplus=lambda z: np.log(logistic(z))),
        "undid the exponential": only(softplus=lambda z: np.log(np.exp(z))),
        "parentheses of the logarithm": only(softplus=lambda z: np.log(1) + np.exp(z)),
        "The logarithm is missing": only(softplus=lambda z: 1 + np.exp(z)),
        "The 1 is outside": only(softplus=lambda z: 1 + np.log(np.exp(z))),
        "the smooth curve": only(softplus=lambda z: np.maximum(z, 0)),
        "That is `relu`: are two": only(linear=lambda z: np.maximum(z, 0)),
        "That is `piecewise`: are two": only(logistic=LINES["piecewise"]),
        "the line of `step`": only(step=lambda z: z * 0.0),
    },
    "01.logistic_derivative": {
        "the logistic itself": [derivative(lambda h: h)],
        "two steps": [
            lambda z: (logistic(z + 1e-5) - logistic(z - 1e-5)) / 1e-5,
        ],
        "form for tanh": [derivative(lambda h: 1 - h**2)],
        "derivative of tanh:": [lambda z: 1 - np.tanh(z) ** 2],
        "The sign is turned around: the logistic": [
            derivative(lambda h: -h * (1 - h)),
            derivative(lambda h: h * (h - 1)),
            lambda z: -np.exp(-z) / (1 + np.exp(-z)) ** 2,
        ],
        "One factor is missing: this": [derivative(lambda h: 1 - h)],
        "order of the subtraction": [derivative(lambda h: h - 1)],
        "0 everywhere": [derivative(lambda h: h * 1 - h)],
        "second factor": [derivative(lambda h: h * (1 + h))],
        "for large z": [derivative(lambda h: h**2)],
        "for very negative z the": [derivative(lambda h: (1 - h) ** 2)],
        "differentiate once more": [derivative(lambda h: 1 - 2 * h)],
        "second derivative": [derivative(lambda h: h * (1 - h) * (1 - 2 * h))],
        "variable is not": [lambda z: z * (1 - z)],
        "applied twice": [derivative(lambda h: logistic(h) * (1 - logistic(h)))],
        "a z too many": [lambda z: z * logistic(z) * (1 - logistic(z))],
        "exponential alone": [lambda z: np.exp(-z)],
        "differences between": [derivative(np.gradient)],
    },
    "01.linear_layers": {
        "That is b: return W first": [
            lambda *case: layers()(*case)[::-1],
        ],
        "Is the order of the product right, or": [
            layers(W=lambda W1, b1, W2, b2: W2 @ W1),
            layers(W=lambda W1, b1, W2, b2: W2.T @ W1.T),
            layers(W=lambda W1, b1, W2, b2: W1 @ W2.T),
        ],
        "You add the matrices": [layers(W=lambda W1, b1, W2, b2: W1 + W2)],
        "other need the product": [layers(W=lambda W1, b1, W2, b2: W1 * W2)],
        "first layer alone": [layers(W=lambda W1, b1, W2, b2: W1)],
        "second layer alone": [layers(W=lambda W1, b1, W2, b2: W2)],
        "You add the biases": [layers(b=lambda W1, b1, W2, b2: b1 + b2)],
        "second bias alone": [layers(b=lambda W1, b1, W2, b2: b2)],
        "first bias as it was": [layers(b=lambda W1, b1, W2, b2: b1)],
        "a bias of its own": [layers(b=lambda W1, b1, W2, b2: b1 @ W2)],
        "b1 is a row": [
            layers(b=lambda W1, b1, W2, b2: W2 @ b1 + b2),
        ],
        "which matrix comes next": [layers(b=lambda W1, b1, W2, b2: b1 @ W1 + b2)],
        "the second matrix only": [layers(b=lambda W1, b1, W2, b2: b1 @ W1 @ W2 + b2)],
        "multiply the biases": [layers(b=lambda W1, b1, W2, b2: b1 * b2)],
        "`*` multiplies place by place: b1": [
            layers(b=lambda W1, b1, W2, b2: b1 * W2 + b2),
            layers(b=lambda W1, b1, W2, b2: b1[:, None] * W2 + b2),
        ],
        "must return 2 things": [
            lambda W1, b1, W2, b2: W1 @ W2,
            lambda W1, b1, W2, b2: (W1 @ W2,),
        ],
    },
    "01.mse": {
        "The half before": [lambda t, y: np.mean((t - y) ** 2)],
        "You add the examples up: the": [
            lambda t, y: np.sum((t - y) ** 2) / 2,
            lambda t, y: 0.5 * sum((t - y) ** 2),
        ],
        "after `/ 2`, what follows": [
            lambda t, y: sum((t - y) ** 2) / 2 * len(t),
            lambda t, y: np.sum((t - y) ** 2) / 2 * len(t),
        ],
        "You double where": [
            lambda t, y: 2 * np.mean((t - y) ** 2),
            lambda t, y: np.sum((t - y) ** 2) / len(t) * 2,
        ],
        "and the half is missing": [lambda t, y: ((t - y) ** 2).sum()],
        "The half counts twice": [
            lambda t, y: np.mean(0.5 * (t - y) ** 2) / 2,
            lambda t, y: np.mean((1 / 2 * (t - y)) ** 2),
        ],
        "mean absolute error": [lambda t, y: np.abs(t - y).mean()],
        "halve the absolute": [lambda t, y: 0.5 * np.mean(np.abs(t - y))],
        "root of the mean square": [lambda t, y: np.sqrt(np.mean((t - y) ** 2))],
        "a root at the end": [lambda t, y: np.sqrt(0.5 * np.mean((t - y) ** 2))],
        "The square is missing": [lambda t, y: 0.5 * np.mean(t - y)],
        "mean difference": [lambda t, y: np.mean(t - y)],
        "average first and square": [lambda t, y: 0.5 * np.mean(t - y) ** 2],
        "`**` comes before": [lambda t, y: 0.5 * np.mean(t - y**2)],
        "square `t` and `y` apart": [lambda t, y: 0.5 * np.mean(t**2 - y**2)],
        "You add `t` and `y`": [lambda t, y: 0.5 * np.mean((t + y) ** 2)],
        "never negative": [lambda t, y: -0.5 * np.mean((t - y) ** 2)],
        "always give 0": [lambda t, y: 1 // 2 * np.mean((t - y) ** 2)],
        "a loss is one number": [
            lambda t, y: 0.5 * (t - y) ** 2,
            lambda t, y: np.mean(0.5 * (t - y) ** 2, axis=1),
        ],
    },
    "01.cross_entropy": {
        "The sign is missing: logarithms": [
            lambda t, y: np.mean(np.sum(t * np.log(y), axis=1))
        ],
        "You add the rows up: the mean": [lambda t, y: -np.sum(t * np.log(y))],
        "and the sign is missing": [lambda t, y: np.sum(t * np.log(y))],
        "You divide by rows times": [lambda t, y: -np.mean(t * np.log(y))],
        "and you divide by rows": [lambda t, y: np.mean(t * np.log(y))],
        "by the number of classes": [
            lambda t, y: -np.mean(np.sum(t * np.log(y), axis=0))
        ],
        "to base 10": [lambda t, y: -np.mean(np.sum(t * np.log10(y), axis=1))],
        "to base 2": [lambda t, y: -np.mean(np.sum(t * np.log2(y), axis=1))],
        "You multiply before the logarithm": [
            lambda t, y: -np.mean(np.sum(np.log(t * y), axis=1)),
            lambda t, y: -np.sum(np.log(t * y)) / len(t),
            lambda t, y: -np.sum(np.log(t * y)),
        ],
        "You use `1 - y`": [
            lambda t, y: -np.mean(np.sum(t * np.log(1 - y), axis=1)),
            lambda t, y: -np.mean(np.sum((1 - t) * np.log(1 - y), axis=1)),
        ],
        "`t` and `y` swapped": [lambda t, y: -np.mean(np.sum(y * np.log(t), axis=1))],
        "entropy of `y`": [lambda t, y: -np.mean(np.sum(y * np.log(y), axis=1))],
        "add up the logarithms of all": [
            lambda t, y: -np.mean(np.sum(np.log(y), axis=1))
        ],
        "average the logarithms": [lambda t, y: -np.mean(np.log(y))],
        "The logarithm is missing": [lambda t, y: -np.mean(np.sum(t * y, axis=1))],
        "mean probability": [lambda t, y: np.mean(np.sum(t * y, axis=1))],
        "average first": [lambda t, y: -np.log(np.mean(np.sum(t * y, axis=1)))],
        "what binary": [
            lambda t, y: (
                -np.mean(np.sum(t * np.log(y) + (1 - t) * np.log(1 - y), axis=1))
            )
        ],
        "class by class": [
            lambda t, y: -np.mean(t * np.log(y) + (1 - t) * np.log(1 - y))
        ],
        "softmax again": [
            lambda t, y: F.cross_entropy(torch.tensor(y), torch.tensor(t)).item()
        ],
        "squared error": [
            lambda t, y: 0.5 * np.mean(np.sum((t - y) ** 2, axis=1)),
            lambda t, y: np.mean((t - y) ** 2),
        ],
        "the logarithm of 0, or": [lambda t, y: np.log(t).mean()],
        "a loss is one number": [
            lambda t, y: -t * np.log(y),
            lambda t, y: -np.sum(t * np.log(y), axis=1),
        ],
    },
}
ALL = listed(MISTAKES)


@pytest.mark.parametrize(("name", "part", "answer"), ALL)
def test_a_typical_mistake_is_told_by_its_own_sentence(name, part, answer, recwarn):
    verdict = judge(name, answer)
    assert verdict.status is Status.NOT_YET
    assert part.rstrip("?") in verdict.message, verdict.message
    others = [p for p in MISTAKES[name] if p != part and p in verdict.message]
    assert not others, verdict.message
    assert "stops with an error" not in verdict.message
    assert len(verdict.message) < 450
    set_language("es")
    spanish = judge(name, answer)
    assert spanish.status is Status.NOT_YET
    assert spanish.message.startswith(("Todavía no: ", "Casi: "))
    assert part.rstrip("?") not in spanish.message
    assert not recwarn.list


# ---- slips -------------------------------------------------------------------------
def undefined_prefix(z):
    return tanh(z)  # noqa: F821


def misspelt(x, W1, b1, W2, b2, gamma1):
    z1 = x @ Wl + b1  # noqa: F821
    h = gamma1(z1)
    return h @ W2 + b2


def lower_case(x, W1, b1, W2, b2, gamma1):
    z1 = x @ w1 + b1  # noqa: F821
    return gamma1(z1) @ W2 + b2


def used_too_early(x, W1, b1, W2, b2, gamma1):
    h = gamma1(z1)  # noqa: F821
    z1 = x @ W1 + b1  # noqa: F841
    return h @ W2 + b2


def wrong_matrix(x, W1, b1, W2, b2, gamma1):
    z1 = x @ W1 + b1
    h = gamma1(z1)
    return h @ W2.T + b2


def not_called(x, W1, b1, W2, b2, gamma1):
    z1 = x @ W1 + b1
    h = gamma1 * z1
    return h @ W2 + b2


def not_called_either(z):
    return logistic * (1 - logistic)


def method_not_called(t, y):
    return ((t - y) ** 2).mean / 2


def no_setup(z):
    return exec("np.exp(z)", {}, {"z": z})


def prints_forward(x, W1, b1, W2, b2, gamma1):
    print(gamma1(x @ W1 + b1) @ W2 + b2)


def prints_derivative(z):
    print(logistic(z) * (1 - logistic(z)))


SLIPS = {
    "its prefix, `np.`, is missing": [
        ("01.logistic_derivative", undefined_prefix),
        ("01.activations", activation(tanh=undefined_prefix)),
    ],
    "is `W1` meant?": [("01.forward", misspelt), ("01.forward", lower_case)],
    "`gamma1` is a function: call it, `gamma1(...)`": [("01.forward", not_called)],
    "`logistic` is a function: call it": [
        ("01.logistic_derivative", not_called_either)
    ],
    "A method needs its parentheses": [("01.mse", method_not_called)],
    "before it gets a value": [("01.forward", used_too_early)],
    "Run the set-up cell": [("01.logistic_derivative", no_setup)],
    "want one number": [
        ("01.logistic_derivative", lambda z: math.exp(-z)),
        ("01.activations", activation(tanh=math.tanh)),
        ("01.cross_entropy", lambda t, y: -(t * math.log(y)).sum()),
    ],
    "decide place by place": [
        ("01.activations", activation(relu=lambda z: max(0, z))),
        ("01.activations", activation(sign=lambda z: 1 if z > 0 else -1)),
        ("01.activations", activation(piecewise=lambda z: z > -1 and z < 1)),
    ],
    "here the arrays are NumPy's": [
        ("01.activations", activation(tanh=torch.tanh)),
        ("01.activations", activation(relu=F.relu)),
        ("01.activations", activation(relu=lambda z: torch.clamp(z, 0))),
        ("01.mse", lambda t, y: torch.mean((t - y) ** 2) / 2),
        ("01.cross_entropy", lambda t, y: -torch.sum(t * torch.log(y), 1).mean()),
    ],
    "a PyTorch tensor; here": [
        ("01.activations", activation(tanh=lambda z: torch.tanh(torch.tensor(z)))),
    ],
    "NumPy has no `relu`": [("01.activations", activation(relu=lambda z: np.relu(z)))],
    "NumPy has no `sigmoid`": [
        ("01.activations", activation(logistic=lambda z: np.sigmoid(z)))
    ],
    "For NumPy `exp` is a function": [
        ("01.logistic_derivative", lambda z: (-z).exp()),
    ],
    "`unsqueeze` belongs to PyTorch's": [
        ("01.mse", lambda t, y: t.unsqueeze(1).sum()),
    ],
    "a power is written `**`": [
        ("01.mse", lambda t, y: 0.5 * np.mean((t - y) ^ 2)),
    ],
    "still holds its `...`": [
        ("01.logistic_derivative", lambda z: Ellipsis * (1 - z)),
        ("01.logistic_derivative", lambda z: 1 - Ellipsis),
    ],
    "read a(b) as a product": [
        ("01.logistic_derivative", derivative(lambda h: h(1 - h))),
    ],
    "The second argument of that function is an axis": [
        ("01.activations", activation(relu=lambda z: np.max(0, z))),
    ],
    "takes a single array, and no base": [
        ("01.activations", activation(softplus=lambda z: np.log(1 + np.exp(z), 10)))
    ],
    "`return` missing": [
        ("01.forward", prints_forward),
        ("01.logistic_derivative", prints_derivative),
        ("01.activations", activation(relu=lambda z: None)),
        ("01.mse", lambda t, y: print(np.mean((t - y) ** 2) / 2)),
    ],
    "leave its `def` line": [
        ("01.forward", lambda x, W1, b1: x),
        ("01.activations", lambda z: z),
        ("01.mse", lambda t, y, n: 0),
    ],
    "name without parentheses": [("01.mse", 1.25), ("01.forward", np.ones((3, 1)))],
    "a Python list": [
        ("01.activations", activation(relu=lambda z: [max(0, v) for v in z.ravel()])),
    ],
    "something of type str": [("01.activations", activation(relu=lambda z: "z"))],
}
ALL_SLIPS = [(name, part, a) for part, all in SLIPS.items() for name, a in all]


@pytest.mark.parametrize(("name", "part", "answer"), ALL_SLIPS)
def test_a_slip_is_told_in_plain_words_and_uses_up_no_hint(name, part, answer, capsys):
    verdict = judge(name, answer)
    assert verdict.status is Status.NOT_YET
    assert part in verdict.message, verdict.message
    assert not [p for p in SLIPS if p != part and p in verdict.message]
    assert "Error" not in verdict.message
    assert verdict.slip
    assert len(verdict.message) < 450
    set_language("es")
    assert part not in judge(name, answer).message


def test_shapes_that_do_not_fit_are_told_with_the_line_and_the_shapes():
    message = judge("01.forward", wrong_matrix).message
    assert message == (
        "Not yet: for 3 examples, 3 inputs, 3 hidden neurons and tanh your code stops "
        "at `return h @ W2.T + b2`. In a product of matrices, the columns of the first "
        "must be as many as the rows of the second, and here they are 3 and 1: check "
        "which arrays they are, their order, each `.T`, and whether `@` or `*` is "
        "meant. Here: h (3, 3), W2 (3, 1), b2 (1,)."
    )
    assert not judge("01.forward", wrong_matrix).slip


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        (lambda t, y: np.dot(t, y).sum(), "columns of the first"),
        (lambda t, y: t @ y, "columns of the first"),
        (lambda t, y: t + np.ones(3) + np.ones(2), "(3, 3) and (2,) do not fit"),
        (lambda t, y: t @ t.sum(), "a single number"),
        (lambda t, y: t.sum(2), "the first is axis 0"),
    ],
)
def test_numpys_errors_about_shapes(wrong, part):
    verdict = judge("01.mse", wrong)
    assert part in verdict.message
    assert "Error" not in verdict.message
    assert not verdict.slip


def test_a_product_of_matrices_for_one_place_by_place_is_asked_about():
    message = judge("01.cross_entropy", lambda t, y: -(t @ np.log(y)).mean()).message
    assert "each `.T`, and whether `@` or `*` is meant" in message


def test_an_error_without_plain_words_is_quoted():
    def answer(t, y):
        raise KeyError("t")

    assert "stops with an error: KeyError: 't'" in judge("01.mse", answer).message


class Rude(TypeError):
    """An error that cannot even be told."""

    def __str__(self):
        raise RuntimeError("no")


def test_an_error_that_cannot_be_told_does_not_stop_the_check():
    def answer(t, y):
        raise Rude

    assert "your code stops with an error: Rude" in judge("01.mse", answer).message


def test_the_variable_y_never_reads_as_the_spanish_for_and():
    """Where a sentence speaks of y, it stands between backticks, like the others."""
    with (Path(locale_module).parent / PO).open("rb") as file:
        pairs = [(m.id, m.string) for m in read_po(file) if m.id]
    spoken = [
        (english, spanish)
        for english, spanish in pairs
        if re.search(r"`(t|y|y_hat)`", english)
    ]
    assert len(spoken) > 20
    for english, spanish in spoken:
        for text in (english, spanish):
            assert not re.search(r"(?<![`\w])(t|y_hat|x)(?![`\w])", text), text
        assert not re.search(r"\by y\b|\bx e y\b|: y |\bde y\b", spanish), spanish
    said = {english for english, _spanish in spoken}
    for name in [*NAMES[4:], "01.r2"]:
        for hint in checks._exercises[name].hints():
            assert hint in said or not re.search(r"(?<!`)\by\b", hint), hint


def test_a_line_is_not_quoted_where_it_would_not_help():
    def long(z):
        return z[:, None] @ z[:, None] + 0 * 1_000_000_000_000 + 0 * 1_000_000_000_000

    source = "def short(z):\n    return z[:, None] @ z[:, None]\n"
    cell = {}
    exec(compile(source, "<no source>", "exec"), cell)
    for answer in (long, cell["short"]):
        message = judge("01.logistic_derivative", answer).message
        assert "your code stops. In a product" in message


# ---- blanks ------------------------------------------------------------------------
def stub_forward(x, W1, b1, W2, b2, gamma1):
    z1 = ...  # noqa: F841
    h = ...  # noqa: F841
    return ...


def stub_activation(name, z):
    if name == "step":
        return np.heaviside(z, 0.5)
    if name == "sign":
        return ...
    if name == "linear":
        return ...
    if name == "piecewise":
        return ...
    if name == "logistic":
        return ...
    if name == "tanh":
        return ...
    if name == "relu":
        return ...
    if name == "softplus":
        return ...
    raise ValueError(name)


def stub_derivative(z):
    return ...


def stub_layers(W1, b1, W2, b2):
    W = ...
    b = ...
    return W, b


def stub_loss(t, y):
    return ...


STUBS = dict(
    zip(
        NAMES,
        [stub_forward, stub_activation, stub_derivative, stub_layers] + [stub_loss] * 2,
        strict=True,
    )
)


@pytest.mark.parametrize(("name", "stub"), STUBS.items())
def test_an_untouched_stub_is_not_attempted(name, stub):
    assert judge(name, stub).status is Status.NOT_ATTEMPTED
    assert judge(name, ...).status is Status.NOT_ATTEMPTED
    cell = {"np": np}  # without source, as in a console
    source = inspect.getsource(stub)
    exec(compile(source, "<no source>", "exec"), cell)
    assert judge(name, cell[stub.__name__]).status is Status.NOT_ATTEMPTED


def filled(stub, *lines):
    """The stub with its blanks replaced in order; those left over stay."""
    source = inspect.getsource(stub)
    for line in lines:
        source = source.replace("...", line, 1)
    cell = {"np": np}
    exec(compile(source, "<no source>", "exec"), cell)
    answer = cell[stub.__name__]
    answer.blanks = source.count("...")
    return answer


@pytest.fixture
def source_of_filled(monkeypatch):
    """The blanks of `filled` are counted as in a notebook, where the source is kept."""
    from course_utils.checks import placeholders

    monkeypatch.setattr(
        checks, "placeholders", lambda part: getattr(part, "blanks", placeholders(part))
    )


def test_the_stubs_filled_rightly_are_correct(source_of_filled):
    for name, lines in {
        "01.forward": ["x @ W1 + b1", "gamma1(z1)", "h @ W2 + b2"],
        "01.activations": [
            "np.sign(z)",
            "z",
            "np.clip(z + 0.5, 0, 1)",
            "1 / (1 + np.exp(-z))",
            "np.tanh(z)",
            "np.maximum(0, z)",
            "np.log(1 + np.exp(z))",
        ],
        "01.logistic_derivative": ["np.exp(-z) / (1 + np.exp(-z)) ** 2"],
        "01.linear_layers": ["W1 @ W2", "b1 @ W2 + b2"],
        "01.mse": ["np.mean((t - y) ** 2) / 2"],
        "01.cross_entropy": ["-np.mean(np.sum(t * np.log(y), axis=1))"],
    }.items():
        verdict = judge(name, filled(STUBS[name], *lines))
        assert verdict.status is Status.CORRECT, verdict


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("01.forward", ["x @ W1 + b1"]),
        ("01.forward", ["x @ W1 + b1", "gamma1(z1)"]),
        ("01.forward", ["W1 @ x", "gamma1(z1)"]),
        ("01.linear_layers", ["W1 @ W2"]),
        ("01.linear_layers", ["W2 @ W1"]),
    ],
)
def test_a_second_blank_is_asked_for(name, lines, source_of_filled):
    told = judge(name, filled(STUBS[name], *lines)).message
    assert told == "Not yet: there is still a `...` to fill in."


def test_the_activations_are_judged_one_by_one(source_of_filled, shown):
    lines = ["np.sign(z)", "z", "np.clip(z, 0, 1)"]
    for n in (0, 1, 2, 3):
        check("01.activations", filled(stub_activation, *lines[:n]))
    assert [str(verdict) for verdict in shown] == [
        "Not attempted yet: write your answer in place of `...`.",
        "Not yet: the next one is `linear`. Right so far: `sign`.",
        "Not yet: the next one is `piecewise`. Right so far: `sign`, `linear`.",
        "Not yet: in `piecewise`, for z=[-1.0, 0.25, 2.0] I expected 0.75 at position "
        "[1] and got 0.25. The ramp is shifted: where does it begin, and what is it at "
        "z = 0? Right so far: `sign`, `linear`.",
    ]
    check("01.activations", filled(stub_activation, "np.relu(z)"))
    assert "in `sign`, for z=[-1.0, 0.25, 2.0] your code stops" in str(shown[-1])
    assert checks._failures == {}
    set_language("es")
    check("01.activations", filled(stub_activation, *lines[:2]))
    assert "`piecewise`" in str(shown[-1]) and "next" not in str(shown[-1])


def test_an_activation_out_of_order_counts_too():
    blank = dict.fromkeys(LINES, None) | {"step": LINES["step"], "tanh": np.tanh}
    told = judge("01.activations", activation(**blank)).message
    assert told == "Not yet: the next one is `sign`. Right so far: `tanh`."


def test_with_all_filled_a_wrong_activation_gets_a_hint_and_a_slip_none(shown):
    check("01.activations", activation(relu=np.abs))
    assert shown[0].hint.startswith("Hint 1 of 3")
    check("01.activations", activation(relu=lambda z: np.relu(z)))
    assert not shown[1].hint


# ---- the exercises as a whole ------------------------------------------------------
def test_the_hints():
    listed = checks.names("01")
    assert [name for name in listed if name in NAMES] == NAMES
    said = []
    for lang in ("en", "es"):
        set_language(lang)
        for name in NAMES:
            hints = checks._exercises[name].hints()
            assert len(hints) == 3, name
            said += hints
    assert len(set(said)) == len(said)


def test_the_stubs_have_as_many_blanks_as_their_exercises():
    for name in NAMES:
        assert checks._exercises[name].blanks == (
            inspect.getsource(STUBS[name]).count("...")
        )


def test_no_sentence_shows_the_solution():
    solutions = {
        "01.forward": ["x @ W1", "h @ W2", "gamma1(z1)"],
        "01.activations": ["np.exp", "np.tanh", "clip(", "maximum", "1 + e", "+ 1/2"],
        "01.logistic_derivative": ["1 - h", "h *", "exp("],
        "01.linear_layers": ["W1 @", "@ W2", "+ b2"],
        "01.mse": ["** 2", "**2", "mean(", "/ 2 *"],
        "01.cross_entropy": ["np.log", "t *", "sum(", "mean("],
    }
    for name, parts in solutions.items():
        said = [judge(name, a).message for n, _part, a in ALL if n == name]
        for text in said + checks._exercises[name].hints():
            assert not [part for part in parts if part in text], text


@pytest.mark.parametrize("name", NAMES)
def test_a_mistake_without_a_name_says_where_it_differs(name):
    right = RIGHT[name][0]

    def a_little_more(*case):
        result = right(*case)
        return (
            tuple(part + 0.125 for part in result)
            if isinstance(result, tuple)
            else result + 0.125
        )

    message = judge(name, a_little_more).message
    assert "I expected" in message and "and got" in message
    assert message.endswith(".") or "Right so far" in message


def refuses(*args):
    raise ValueError("x" * 10_000)


def endless(*args):
    return endless(*args)


class Hostile(np.ndarray):
    """An array of which little can be asked."""

    def __array_finalize__(self, other):
        pass

    def astype(self, *args, **kwargs):
        raise RuntimeError("no")


HOSTILE = {
    "nothing": None,
    "a module": torch.nn.Linear(2, 2),
    "a type": dict,
    "raises": refuses,
    "exits": lambda *a: exit(3),
    "never ends": endless,
    "its arguments": lambda *a: a,
    "a generator": lambda *a: (i for i in a),
    "text": lambda *a: "<b>28</b>",
    "a huge int": lambda *a: 10**6000,
    "objects": lambda *a: np.array([None, "a"]),
    "dates": lambda *a: np.array(["2020-01-01"], "datetime64[D]"),
    "an empty array": lambda *a: np.zeros((0, 3)),
    "a huge array": lambda *a: np.broadcast_to(1.0, (10**9, 10**3))[:2],
    "a masked array": lambda *a: np.ma.masked_less(np.ones((3, 1)), 2),
    "a hostile array": lambda *a: np.ones((3, 1)).view(Hostile),
    "a meta tensor": lambda *a: torch.ones(3, 1, device="meta"),
    "two hostile parts": lambda *a: (np.ones(3).view(Hostile), object()),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_check_never_raises(name, answer, shown):
    check(name, answer)
    (verdict,) = shown
    assert verdict.status is Status.NOT_YET
    assert len(str(verdict)) < 1_000
    assert str(verdict).startswith(("Not yet: ", "Almost: "))
    assert verdict._repr_html_()


def test_global_random_numbers_stay_as_they_were():
    np.random.seed(0)
    torch.manual_seed(0)
    wanted = np.random.rand(), torch.rand(1).item()
    np.random.seed(0)
    torch.manual_seed(0)
    for name, answer in ALL_RIGHT:
        judge(name, answer)
    assert (np.random.rand(), torch.rand(1).item()) == wanted


# ---- what the checks read ----------------------------------------------------------
@pytest.mark.parametrize(
    ("result", "failure", "part"),
    [
        (torch.ones(2), Slip, "`torch.` in the place of `np.`"),
        ([1.0], Slip, "Python list"),
        ((1.0,), Slip, "Python tuple"),
        ("a", Slip, "type str"),
        (np.array(["a"]), Slip, "type ndarray"),
        (np.array([None]), Slip, "type ndarray"),
        pytest.param(10**6000, Slip, "type int", id="huge"),
        (None, Slip, "type NoneType"),
        (np.array([True]), NotYet, "True and False"),
        (True, NotYet, "True and False"),
        (np.array([1j]), NotYet, "complex"),
        (np.array([[0, 1], [np.nan, 2]]), NotYet, "holds nan at position [1, 0]"),
        (np.array([0, -np.inf]), NotYet, "holds -inf at position [1]"),
        (float("nan"), NotYet, "holds nan at position []"),
        (..., NotAttempted, ""),
    ],
)
def test_array_refuses_what_is_no_array_of_numbers(result, failure, part):
    with pytest.raises(failure) as raised:
        answers.array(result)
    assert type(raised.value) is failure
    assert part in str(raised.value)


def test_array_gives_float64_of_the_same_shape():
    for result in (np.ones((2, 1), np.float32), np.arange(3), np.float32(2), 3, 2.5):
        found = answers.array(result)
        assert found.dtype == np.float64
        assert found.shape == np.shape(result)
        assert np.array_equal(found, result)


def test_array_or_tensor_reads_both():
    for result in (np.arange(3), torch.arange(3), torch.arange(3.0).requires_grad_()):
        assert np.array_equal(answers.array_or_tensor(result), np.arange(3.0))
    with pytest.raises(NotYet, match="nan"):
        answers.array_or_tensor(torch.tensor([float("nan")]))


def test_part_reads_one_of_several_and_names_it():
    read = answers.part("b", ("W", "b"))
    assert read((np.ones(2), np.zeros(3))).shape == (3,)
    assert read([np.ones(2), np.zeros(3)]).shape == (3,)
    for wrong, m in [(np.ones((2, 3)), 1), ((np.ones(2),), 1), ((1, 2, 3), 3)]:
        with pytest.raises(Slip, match=f"2 things .* `W, b`, and it returns {m}"):
            read(wrong)
    with pytest.raises(Slip, match="in `b`, your function returns a PyTorch tensor"):
        read((np.ones(2), torch.ones(2)))
    with pytest.raises(NotYet, match="in `b`, your array holds inf"):
        read((np.ones(2), np.array([np.inf])))
    with pytest.raises(NotAttempted):
        read((np.ones(2), ...))


def test_arrays_are_compared_as_tensors_are():
    ones = np.ones((2, 3))
    assert answers.same(ones, ones + 1e-5)
    assert answers.same(ones, torch.ones(2, 3))
    assert answers.same(ones[::-1].T, np.ones((3, 2), np.float32))
    assert answers.same(ones, torch.Size([2, 3]))
    assert not answers.same(ones, ones + 1e-3)
    assert not answers.same(ones, np.ones((3, 2)))
    assert not answers.same(ones, np.ones(3))
    assert not answers.same(np.ones(()), 1.0)
    assert answers.difference("a", ones, np.ones(3)) == (
        "for a I expected the shape (2, 3) and got (3,)."
    )
    assert answers.difference("a", ones, ones + np.eye(3)[2]) == (
        "for a I expected 1 at position [0, 2] and got 2."
    )
    assert answers.call_text("x", "n=2")(ones) == "x (2, 3), n=2"
