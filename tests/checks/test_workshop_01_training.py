"""Workshop 01, training and evaluating: what learners write in the stubs."""

import contextlib
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cells import Stubs
from check_frame import CheckFrame, listed
from course_utils import checks, data
from course_utils.checks import Status, check, judge
from course_utils.checks.workshop_01 import ridge as ridge_module
from course_utils.locale import set_language

TEXTS = {
    "01.backward": """
def backward(x, y, W1, b1, W2, b2):
    h = np.tanh(x @ W1 + b1)
    y_hat = h @ W2 + b2
    delta2 = (y_hat - y) / len(x)
    dW2 = «h.T @ delta2»
    db2 = «delta2.sum(0)»
    delta1 = «delta2 @ W2.T * (1 - h**2)»
    dW1 = «x.T @ delta1»
    db1 = «delta1.sum(0)»
    return dW1, db1, dW2, db2
""",
    "01.sgd_step": """
def sgd_step(parameters, lr):
    with torch.no_grad():
        for p in parameters:
            p -= «lr * p.grad»
            p.grad = «None»
""",
    "01.standardize": """
def standardize(train, valid, test):
    mean = «train.mean(0)»
    std = «train.std(0)»
    return «(train - mean) / std, (valid - mean) / std, (test - mean) / std»
""",
    "01.r2": """
def r2(y, y_hat):
    return «1 - ((y - y_hat) ** 2).sum() / ((y - y.mean()) ** 2).sum()»
""",
    "01.beat_ridge": '''
def my_model(x, y):
    """Train on x (N, 10) and y (N, 1); return a function predict(x) -> (N, 1)."""
    return «rival(x, y)»
''',
}


def network(hidden=8, epochs=80, decay=0.3, activation=nn.Tanh, seeds=1, scale_y=True):
    """A `my_model`: small networks on standardised data, averaged."""

    def my_model(x, y):
        mean, std = x.mean(0), x.std(0)
        shift, scale = (y.mean(), y.std()) if scale_y else (0.0, 1.0)
        nets = []
        for seed in range(seeds):
            torch.manual_seed(seed)
            net = nn.Sequential(
                nn.Linear(10, hidden), activation(), nn.Linear(hidden, 1)
            )
            optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=decay)
            for _epoch in range(epochs):
                loss = F.mse_loss(net((x - mean) / std), (y - shift) / scale)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            nets.append(net)
        return lambda x: (
            sum(net((x - mean) / std) for net in nets) / len(nets) * scale + shift
        )

    return my_model


STUBS = Stubs(TEXTS, {"np": np, "torch": torch, "F": F, "nn": nn, "rival": network()})
filled = STUBS.filled


# ---- right answers -----------------------------------------------------------------
def by_small_steps(x, y, W1, b1, W2, b2):
    """Finite differences."""

    def loss():
        return ((y - np.tanh(x @ W1 + b1) @ W2 - b2) ** 2).mean() / 2

    gradients = []
    for weights in (W1, b1, W2, b2):
        gradient = np.zeros_like(weights)
        for place in np.ndindex(weights.shape):
            old = weights[place]
            weights[place] = old + 1e-5
            above = loss()
            weights[place] = old - 1e-5
            gradient[place] = (above - loss()) / 2e-5
            weights[place] = old
        gradients.append(gradient)
    return gradients


def step_by_optimizer(parameters, lr):
    optimizer = torch.optim.SGD(parameters, lr=lr)
    optimizer.step()
    optimizer.zero_grad()


def step_on_data(parameters, lr):
    for p in parameters:
        p.data = p.data - lr * p.grad
        p.grad.zero_()


def step_in_two_loops(parameters, lr):
    with torch.no_grad():
        for p in parameters:
            p.sub_(lr * p.grad)
        for p in parameters:
            p.grad = torch.zeros_like(p)
    return parameters


def standardize_in_place(train, valid, test):
    mean, std = train.mean(dim=0, keepdim=True), train.std(dim=0) + 1e-8
    for table in (train, valid, test):
        table -= mean
        table /= std
    return [train, valid, test]


def standardize_as_arrays(train, valid, test):
    train, valid, test = (np.asarray(table) for table in (train, valid, test))
    mean, std = train.mean(axis=0), train.std(axis=0)
    return tuple((table - mean) / std for table in (train, valid, test))


def standardize_by_sklearn(train, valid, test):
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    return [scaler.transform(table) for table in (train, valid, test)]


def r2_by_sklearn(y, y_hat):
    from sklearn.metrics import r2_score

    return r2_score(y, y_hat)


def r2_by_means(y, y_hat):
    return 1 - F.mse_loss(y_hat, y).item() / y.var(correction=0).item()


BACK, SGD, SCALE, R2 = list(STUBS)[:4]
RIGHT = {
    BACK: [
        filled(BACK),
        by_small_steps,
        filled(BACK, db2="delta2.sum()"),
        filled(BACK, db2="np.sum(delta2, axis=0)", db1="np.ones(len(x)) @ delta1"),
        filled(BACK, delta1="delta2 * W2.T * (1 - h * h)"),
        filled(BACK, delta1="(1 - h**2) * np.dot(delta2, W2.T)"),
        filled(BACK, delta1="np.outer(delta2, W2) / np.cosh(x @ W1 + b1) ** 2"),
        filled(BACK, dW2="(h * delta2).sum(0)[:, None]", dW1="(delta1.T @ x).T"),
        STUBS.ending(BACK, "[dW1, db1, dW2, db2]"),
    ],
    SGD: [
        filled(SGD),
        filled(SGD, "p.grad * lr", "torch.zeros_like(p)"),
        step_by_optimizer,
        step_on_data,
        step_in_two_loops,
    ],
    SCALE: [
        filled(SCALE),
        filled(SCALE, "torch.mean(train, dim=0)", "train.std(0, correction=0)"),
        filled(SCALE, "train.mean(0)", "train.var(0).sqrt()"),
        standardize_in_place,
        standardize_as_arrays,
        standardize_by_sklearn,
    ],
    R2: [
        filled(R2),
        filled(R2, "1 - (y - y_hat).norm() ** 2 / (y - y.mean()).norm() ** 2"),
        filled(R2, "1 - ((y - y_hat) ** 2).mean() / ((y - y.mean()) ** 2).mean()"),
        filled(R2, "(1 - F.mse_loss(y_hat, y) / y.var(correction=0)).item()"),
        r2_by_sklearn,
        r2_by_means,
    ],
}


# ---- typical mistakes --------------------------------------------------------------
def with_half_the_distance(*case):
    return [2 * gradient for gradient in by_small_steps(*case)]


def by_numpy(parameters, lr):
    with torch.no_grad():
        for p in parameters:
            p -= lr * p.grad.numpy()
            p.grad = None


def no_step(parameters, lr):
    for p in parameters:
        p = p - lr * p.grad
        p.grad = None


def list_changed(parameters, lr):
    with torch.no_grad():
        for i, p in enumerate(parameters):
            parameters[i] = p - lr * p.grad


def cleared_first(parameters, lr):
    with torch.no_grad():
        for p in parameters:
            p.grad.zero_()
            p -= lr * p.grad


def gone_first(parameters, lr):
    with torch.no_grad():
        for p in parameters:
            p.grad = None
            p -= lr * p.grad


def without_no_grad(parameters, lr):
    for p in parameters:
        p -= lr * p.grad
        p.grad = None


def only_the_first(parameters, lr):
    with torch.no_grad():
        for p in parameters:
            p -= lr * p.grad
            p.grad = None
            return


def only_the_last(parameters, lr):
    with torch.no_grad():
        for p in parameters:
            g = p.grad
        p -= lr * g
        p.grad = None


def cleared_outside_the_loop(parameters, lr):
    with torch.no_grad():
        for p in parameters:
            p -= lr * p.grad
        p.grad = None


def not_asking_any_more(parameters, lr):
    for p in parameters:
        p.requires_grad_(False)
        p -= lr * p.grad
        p.grad = None


def each_by_its_own(train, valid, test):
    return [(t - t.mean(0)) / t.std(0) for t in (train, valid, test)]


def train_changed_first(train, valid, test):
    train = (train - train.mean(0)) / train.std(0)
    valid = (valid - train.mean(0)) / train.std(0)
    test = (test - train.mean(0)) / train.std(0)
    return train, valid, test


def by_extremes(train, valid, test):
    low, high = train.amin(0), train.amax(0)
    return [(t - low) / (high - low) for t in (train, valid, test)]


TRAIN = ("train.mean(0)", "train.std(0)")


def scaled_by(statistics, formula="({} - mean) / std"):
    parts = ", ".join(formula.format(name) for name in ("train", "valid", "test"))
    return filled(SCALE, *statistics, parts)


ALL = "torch.cat([train, valid, test])"
SS_RES, SS_TOT = "((y - y_hat) ** 2).sum()", "((y - y.mean()) ** 2).sum()"
MISTAKES = {
    BACK: {
        "Which of the two is turned": [
            filled(BACK, dW2="h @ delta2"),
            filled(BACK, dW1="x @ delta1"),
        ],
        "transposed: it has the shape of W2": [filled(BACK, dW2="delta2.T @ h")],
        "transposed: it has the shape of W1": [filled(BACK, dW1="delta1.T @ x")],
        "You use x: what enters the output": [filled(BACK, dW2="x.T @ delta2")],
        "You use `z1`": [filled(BACK, dW2="(x @ W1 + b1).T @ delta2")],
        "still has its own row": [
            filled(BACK, dW2="h * delta2"),
            filled(BACK, db2="delta2"),
            filled(BACK, db2="delta2[:, 0]"),
            filled(BACK, db2="delta2.sum(axis=1)"),
            filled(BACK, db1="delta1"),
        ],
        "stand in a column": [filled(BACK, dW2="(h * delta2).sum(0)")],
        "You average over the examples": [
            filled(BACK, db2="delta2.mean(0)"),
            filled(BACK, db2="delta2.mean()"),
            filled(BACK, db1="delta1.mean(axis=0)"),
            filled(BACK, db1="delta1.mean(axis=0, keepdims=True)"),
        ],
        "number of examples again": [
            filled(BACK, dW2="h.T @ delta2 / len(x)"),
            filled(BACK, dW1="x.T @ delta1 / len(x)"),
        ],
        "You use W1: a weight's gradient": [
            filled(BACK, dW1="W1.T @ delta1"),
            filled(BACK, dW1="W1 @ delta1"),
        ],
        "two steps": [with_half_the_distance],
        "as many times too large": [filled(BACK, delta2="y_hat - y")],
        "sign is turned around: a gradient": [
            filled(BACK, delta2="(y - y_hat) / len(x)"),
            filled(BACK, db1="-delta1.sum(0)"),
        ],
        "drop the axis": [
            filled(BACK, db2="delta2.sum(0, keepdims=True)"),
            filled(BACK, db1="delta1.sum(axis=0, keepdims=True)"),
        ],
        "multiply by b2": [filled(BACK, db2="b2 * delta2.sum(0)")],
        "derivative of tanh is missing": [filled(BACK, delta1="delta2 @ W2.T")],
        "derivative of the logistic": [
            filled(BACK, delta1="delta2 @ W2.T * h * (1 - h)")
        ],
        "has a square": [filled(BACK, delta1="delta2 @ W2.T * (1 - h)")],
        "You multiply by `h`": [filled(BACK, delta1="delta2 @ W2.T * h")],
        "square of `h`": [filled(BACK, delta1="delta2 @ W2.T * h**2")],
        "apply tanh twice": [
            filled(BACK, delta1="delta2 @ W2.T * (1 - np.tanh(h) ** 2)")
        ],
        "written with `h`, and": [
            filled(BACK, delta1="delta2 @ W2.T * (1 - (x @ W1 + b1) ** 2)")
        ],
        "tanh always rises": [filled(BACK, delta1="delta2 @ W2.T * (h**2 - 1)")],
        "Parentheses are missing": [filled(BACK, delta1="delta2 @ W2.T * 1 - h**2")],
        "W2 is missing": [filled(BACK, delta1="delta2 * (1 - h**2)")],
        "through dW2": [filled(BACK, delta1="delta2 @ dW2.T * (1 - h**2)")],
        "multiplies matrices: the derivative": [
            filled(BACK, delta1="delta2 @ W2.T @ (1 - h**2)")
        ],
        "through W1 as well": [
            filled(BACK, delta1="delta2 @ W2.T @ W1.T * (1 - h**2)")
        ],
        "turn W2": [filled(BACK, delta1="delta2 * W2 * (1 - h**2)")],
        "You use `h`: what enters the hidden": [filled(BACK, dW1="h.T @ delta1")],
        "delta of the hidden layer is delta1": [
            filled(BACK, dW1="x.T @ delta2"),
            filled(BACK, db1="delta2.sum(0)"),
        ],
        "You add up along": [filled(BACK, db1="delta1.sum(1)")],
        "add everything up": [filled(BACK, db1="delta1.sum()")],
        "Almost: the four are right": [
            STUBS.ending(BACK, "dW2, db2, dW1, db1"),
            STUBS.ending(BACK, "dW1, dW2, db1, db2"),
            STUBS.ending(BACK, "db2, dW2, db1, dW1"),
        ],
    },
    SGD: {
        "You go uphill: the": [filled(SGD, "-lr * p.grad")],
        "uphill, and the learning rate": [filled(SGD, "-p.grad")],
        "The learning rate is missing.": [filled(SGD, "p.grad")],
        "all the numbers move alike": [filled(SGD, "lr")],
        "part of the parameter itself": [filled(SGD, "lr * p")],
        "You divide by the learning rate": [filled(SGD, "p.grad / lr")],
        "That is the step alone": [
            filled(SGD, "p - lr * p.grad"),
            filled(SGD, "p + lr * p.grad"),
        ],
        "only the sign": [filled(SGD, "lr * p.grad.sign()")],
        "gradient's length": [filled(SGD, "lr * p.grad / p.grad.norm()")],
        "It is not needed: `p.grad` is a tensor": [by_numpy],
        "makes a new tensor": [no_step, list_changed],
        "cleared before the step": [cleared_first],
        "Only some parameters": [only_the_first, only_the_last],
        "Almost: the step is right": [
            filled(SGD, "lr * p.grad", "p.grad"),
            cleared_outside_the_loop,
        ],
        "no longer ask for gradients": [not_asking_any_more],
    },
    SCALE: {
        "its own mean and deviation: a ruler": [each_by_its_own],
        "from all three parts": [
            filled(SCALE, f"{ALL}.mean(0)", f"{ALL}.std(0)"),
            filled(SCALE, f"{ALL}.mean(0)", f"{ALL}.std(0, correction=0)"),
        ],
        "from train and valid": [
            filled(
                SCALE,
                "torch.cat([train, valid]).mean(0)",
                "torch.cat([train, valid]).std(0)",
            )
        ],
        "`valid` comes out unchanged": [
            train_changed_first,
            lambda *parts: [each_by_its_own(*parts)[0], *parts[1:]],
        ],
        "`test` comes out unchanged": [
            lambda *parts: [*filled(SCALE)(*parts)[:2], parts[2]],
        ],
        "one mean for the whole table": [filled(SCALE, "train.mean()", "train.std()")],
        "patient by patient": [
            lambda *parts: [
                (t - t.mean(1, keepdim=True)) / t.std(1, keepdim=True) for t in parts
            ],
        ],
        "divide by the variance": [filled(SCALE, "train.mean(0)", "train.var(0)")],
        "only subtract": [scaled_by(TRAIN, "{} - mean")],
        "only divide": [scaled_by(TRAIN, "{} / std")],
        "`/` comes before": [scaled_by(TRAIN, "{} - mean / std")],
        "multiply by the deviation": [scaled_by(TRAIN, "({} - mean) * std")],
        "You add the mean": [scaled_by(TRAIN, "({} + mean) / std")],
        "mean and the deviation swapped": [
            scaled_by(("train.std(0)", "train.mean(0)"))
        ],
        "by their extremes": [by_extremes],
        "That is `test`: return train": [
            lambda *parts: [filled(SCALE)(*parts)[i] for i in (0, 2, 1)]
        ],
        "That is `valid`: return train": [
            lambda *parts: [filled(SCALE)(*parts)[i] for i in (1, 0, 2)]
        ],
    },
    R2: {
        "part left unexplained": [filled(R2, f"{SS_RES} / {SS_TOT}")],
        "squared correlation": [
            filled(R2, "torch.corrcoef(torch.cat([y, y_hat], 1).T)[0, 1] ** 2")
        ],
        "That is the correlation": [
            filled(R2, "torch.corrcoef(torch.cat([y, y_hat], 1).T)[0, 1]")
        ],
        "spread of `y_hat`: it is": [
            filled(R2, f"1 - {SS_RES} / ((y_hat - y_hat.mean()) ** 2).sum()")
        ],
        "is that of `y_hat`: `y` has": [
            filled(R2, f"1 - {SS_RES} / ((y - y_hat.mean()) ** 2).sum()")
        ],
        "both are those of `y`": [
            filled(R2, f"1 - {SS_RES} / ((y_hat - y.mean()) ** 2).sum()")
        ],
        "compares the spreads": [
            filled(R2, "y_hat.var() / y.var()"),
            filled(R2, f"((y_hat - y_hat.mean()) ** 2).sum() / {SS_TOT}"),
        ],
        "how much the predictions vary": [
            filled(R2, f"((y_hat - y.mean()) ** 2).sum() / {SS_TOT}")
        ],
        "quotient of deviations": [filled(R2, "y_hat.std() / y.std()")],
        "That is the mean squared": [filled(R2, "((y - y_hat) ** 2).mean()")],
        "root mean squared": [filled(R2, "((y - y_hat) ** 2).mean().sqrt()")],
        "first sum alone": [filled(R2, SS_RES)],
        "spread of `y` is missing": [filled(R2, f"1 - {SS_RES}")],
        "`var` divides by N - 1": [
            filled(R2, "1 - ((y - y_hat) ** 2).mean() / y.var()")
        ],
        "One is a sum and the other a mean": [
            filled(R2, f"1 - {SS_RES} / y.var()"),
            filled(R2, f"1 - ((y - y_hat) ** 2).mean() / {SS_TOT}"),
            filled(R2, f"1 - {SS_RES} / ((y - y.mean()) ** 2).mean()"),
        ],
        "a root too many": [
            filled(R2, f"1 - ({SS_RES} / {SS_TOT}).sqrt()"),
            filled(R2, f"(1 - {SS_RES} / {SS_TOT}).sqrt()"),
        ],
        "upside down": [filled(R2, f"1 - {SS_TOT} / {SS_RES}")],
        "never above 1": [filled(R2, f"1 + {SS_RES} / {SS_TOT}")],
        "turned around: a perfect": [filled(R2, f"{SS_RES} / {SS_TOT} - 1")],
        "That is a percentage": [filled(R2, f"100 * (1 - {SS_RES} / {SS_TOT})")],
        "You stop at 0": [filled(R2, f"max(0, 1 - {SS_RES} / {SS_TOT})")],
        "takes `y` around 0": [filled(R2, f"1 - {SS_RES} / (y ** 2).sum()")],
        "You add distances": [
            filled(R2, "1 - (y - y_hat).abs().sum() / (y - y.mean()).abs().sum()")
        ],
        "Without squares": [
            filled(R2, "1 - (y - y_hat).sum() / (y - y.mean()).sum()"),
            filled(R2, f"1 - {SS_RES} / (y - y.mean()).sum()"),
        ],
        "add first and square": [
            filled(R2, f"1 - (y - y_hat).sum() ** 2 / {SS_TOT}")
        ],
    },
}  # fmt: skip
SLIPS = {
    BACK: {
        "here they are 1 and 3: check which arrays they are": [
            filled(BACK, delta1="delta2 @ W2 * (1 - h**2)"),
            filled(BACK, delta1="delta2 @ W1.T * (1 - h**2)"),
        ],
        "written `**`": [filled(BACK, delta1="delta2 @ W2.T * (1 - h ^ 2)")],
        "is `delta2` meant": [filled(BACK, dW2="h.T @ delt2")],
        "in `db1`, your function returns something of type NoneType": [
            filled(BACK, db1="None")
        ],
        "must return 4 things": [
            STUBS.ending(BACK, "dW1, db1"),
            STUBS.ending(BACK, "dW1"),
        ],
        "`return` missing": [STUBS.ending(BACK, "None")],
        "axis 0": [filled(BACK, db2="delta2.sum(2)")],
    },
    SGD: {
        "only inside `with torch.no_grad():`": [without_no_grad],
        "already gone": [gone_first],
        "`p.grad` holds a tensor": [filled(SGD, "lr * p.grad", "0")],
        "no `learning_rate` here: look": [filled(SGD, "learning_rate * p.grad")],
        "no `alpha` here: look at the names": [filled(SGD, "alpha * p.grad")],
        "no `loss` here: look": [filled(SGD, "lr * loss")],
        "A tensor is no function": [filled(SGD, "lr * p.grad()")],
        "A tensor has no `gradient`": [filled(SGD, "lr * p.gradient")],
        "together have no `grad`": [filled(SGD, "lr * parameters.grad")],
        "needs the function itself": [None],
    },
    SCALE: {
        "use their own `mean`, not": [filled(SCALE, "np.mean(train, axis=0)")],
        "use their own `std`, not": [
            filled(SCALE, "train.mean(0)", "np.std(train, axis=0)"),
        ],
        "A tensor has no `x`": [filled(SCALE, "train.x.mean(0)")],
        "with several things together": [
            filled(SCALE, *TRAIN, "((train, valid, test) - mean) / std"),
        ],
        "do not stack": [
            filled(SCALE, *TRAIN, "torch.stack([train, valid, test])"),
        ],
        "need one number for each column": [
            filled(SCALE, "train.mean(1)", "train.std(1)"),
            filled(SCALE, "train.mean(1, keepdim=True)", "train.std(0)"),
        ],
        "must return 3 things": [
            filled(SCALE, "0", "1", "train"),
            filled(SCALE, "0", "1", "(train, valid)"),
        ],
        "no `men` here: is `mean` meant": [
            scaled_by(TRAIN, "({} - men) / std"),
        ],
        "in `valid`, your function returns something of type str": [
            lambda *parts: [filled(SCALE)(*parts)[0], "valid", "test"]
        ],
    },
    R2: {
        "one number and got several": [filled(R2, "1 - (y - y_hat) ** 2 / y.var()")],
        "type str": [filled(R2, "str(1)")],
        "needs its parentheses": [filled(R2, f"1 - {SS_RES} / (y - y.mean).norm()")],
        "`return` missing": [filled(R2, "None")],
        "whether `@` or `*` is meant": [filled(R2, "1 - y @ y_hat")],
        "use their own `sum`, not": [filled(R2, "1 - np.sum((y - y_hat) ** 2)")],
        "use their own `mean`, not": [filled(R2, "1 - np.mean((y - y_hat) ** 2)")],
        "written `**`": [
            filled(R2, "1 - ((y - y_hat) ^ 2).sum() / ((y - y.mean()) ^ 2).sum()"),
        ],
        "no `prediction` here: look": [filled(R2, "1 - (y - prediction).sum()")],
        "is `y_hat` meant": [filled(R2, "1 - (y - yhat).sum()")],
        "`mean` belongs to the tensors": [filled(R2, "1 - mean(y - y_hat)")],
        "want a tensor of one number": [filled(R2, "1 - (y - y_hat).item()")],
        "wants a tensor, and": [filled(R2, "torch.sqrt(2.0)")],
    },
}  # fmt: skip
SOLUTIONS = {  # what no sentence may show
    BACK: [".T @", "W2.T", "1 - h", ".sum("],
    SGD: ["lr * p.grad", "= None", "zero_"],
    SCALE: ["train.mean", "- mean)", "/ std"],
    R2: ["** 2", ".sum(", "1 - "],
}


class TestTraining(CheckFrame):
    stubs, right, mistakes, slips = STUBS, RIGHT, MISTAKES, SLIPS
    solutions = SOLUTIONS
    ideas = ("`@` or `*`", "axis 0", "do not fit", "one number and")
    general = (SCALE, R2)
    by_parts = (BACK,)


TENSOR_SLIPS = [slip for slip in listed(SLIPS) if slip[0] != BACK]


@pytest.mark.parametrize(("name", "part", "answer"), TENSOR_SLIPS)
def test_no_error_of_pytorchs_is_quoted_in_english(name, part, answer, recwarn):
    for lang in ("en", "es"):
        set_language(lang)
        verdict = judge(name, answer)
        assert "Error" not in verdict.message, verdict.message
        shapes = ("each column", "one number and", "`@` or `*`")
        assert verdict.slip or any(told in part for told in shapes)
    assert part not in verdict.message or part == "type str"
    assert not recwarn.list


def test_a_power_that_python_can_compute_is_told_too():
    answer = STUBS.written("def r2(y, y_hat):\n    return 1 - int(y_hat.sum()) ^ 2\n")
    assert "In Python a power is written `**`" in judge(R2, answer).message


def test_an_unnamed_mistake_says_where_it_differs():
    message = judge(BACK, filled(BACK, dW1="x.T @ delta1 * 3")).message
    assert re.fullmatch(
        r"Not yet: for `dW1` with 3 examples, 3 inputs and 3 hidden neurons I expected "
        r"\S+ at position \[0, 0\] and got \S+\.",
        message,
    )
    message = judge(SGD, filled(SGD, "lr * p.grad + 1")).message
    assert "for parameter 1 with lr=0.1 I expected" in message
    message = judge(R2, filled(R2, "y.new_tensor(0.25)")).message
    assert message.endswith("I expected 0.6429 and got 0.25.")


def test_the_first_wrong_array_is_told():
    answer = filled(BACK, db2="delta2", delta1="delta2 @ W2.T", db1="delta1")
    assert "for `db2` with" in judge(BACK, answer).message
    answer = filled(BACK, delta1="delta2 @ W2.T", db1="delta1")
    assert "for `dW1` with" in judge(BACK, answer).message


def test_an_error_is_placed_and_quoted_with_its_shapes():
    message = judge(BACK, filled(BACK, delta1="delta2 @ W2 * (1 - h**2)")).message
    assert "your code stops at `delta1 = delta2 @ W2 * (1 - h**2)`" in message
    assert "delta2 (3, 1), W2 (3, 1)" in message


# ---- blanks ------------------------------------------------------------------------
def test_no_warning_of_numpys_is_shown(recwarn):
    for name, answer in [
        (SGD, by_numpy),
        (SCALE, filled(SCALE, "np.mean(train, axis=0)")),
        (R2, filled(R2, "1 - np.square(y - y_hat).sum() / np.square(y).sum()")),
    ]:
        judge(name, answer)
    assert not recwarn.list


def test_backward_filled_in_part_says_which_arrays_are_right(shown):
    right, rest = STUBS.right(BACK), ["..."] * 5
    for lines, told in [
        (right[:1], "there is still a `...` to fill in. Right so far: `dW2`."),
        (right[:3], "there is still a `...` to fill in. Right so far: `dW2`, `db2`."),
        ([*right[:4]], "to fill in. Right so far: `dW2`, `db2`, `dW1`."),
        ([right[0], "delta2"], "add up over the examples. Right so far: `dW2`."),
        (["x.T @ delta2"], "what enters the output layer is `h`."),
        (["...", right[1]], "to fill in. Right so far: `db2`."),
    ]:
        check(BACK, filled(BACK, *lines, *rest[len(lines) :]))
        assert str(shown[-1]).startswith("Not yet: ")
        assert str(shown[-1]).endswith(told), shown[-1]
        assert shown[-1].slip
    check(BACK, filled(BACK, "...", "...", right[2], "...", "..."))
    assert str(shown[-1]) == "Not yet: there is still a `...` to fill in."


def hints_after(shown, name, *answers):
    """The hints that are offered for these failures, each the only ones."""
    offered = []
    for answer in answers:
        checks._failures.clear()
        some = []
        for _time in range(4):
            check(name, answer)
            some.append(shown[-1].hint.partition(": ")[2])
        offered.append([hint for hint in dict.fromkeys(some) if hint])
    return offered


def test_the_hints_of_backward_are_those_of_the_array(shown):
    shapes, weights, delta1 = checks._exercises[BACK].hints()
    assert hints_after(
        shown,
        BACK,
        filled(BACK, dW2="h @ delta2"),
        filled(BACK, db2="delta2"),
        filled(BACK, delta1="delta2 @ W2.T"),
        filled(BACK, dW1="x @ delta1"),
        filled(BACK, db1="delta1"),
        filled(BACK, dW2="h @ delta2.T"),
        STUBS.ending(BACK, "dW2, db2, dW1, db1"),
    ) == [
        [shapes, weights],
        [shapes, weights],
        [shapes, delta1],
        [shapes, weights],
        [shapes, weights],
        [shapes],
        [],
    ]


def test_the_hints_of_sgd_step_are_those_of_its_half(shown):
    downhill, step, clear = checks._exercises[SGD].hints()
    assert hints_after(
        shown,
        SGD,
        filled(SGD, "-lr * p.grad"),
        filled(SGD, "p.grad"),
        no_step,
        cleared_first,
        filled(SGD, "lr * p.grad", "p.grad"),
        by_numpy,
    ) == [[downhill, step]] * 3 + [[clear]] * 2 + [[]]


# ---- sgd_step and its tensors ------------------------------------------------------
def test_a_right_step_keeps_a_network_learning():
    """The judged function does in a loop what torch.optim.SGD does."""
    torch.manual_seed(0)
    mine, theirs = nn.Linear(3, 1), nn.Linear(3, 1)
    theirs.load_state_dict(mine.state_dict())
    optimizer, step = torch.optim.SGD(theirs.parameters(), lr=0.1), filled(SGD)
    x, y = torch.randn(8, 3), torch.randn(8, 1)
    for _epoch in range(3):
        F.mse_loss(mine(x), y).backward()
        step(list(mine.parameters()), 0.1)
        optimizer.zero_grad()
        F.mse_loss(theirs(x), y).backward()
        optimizer.step()
    assert torch.allclose(mine.weight, theirs.weight)


# ---- the open exercise -------------------------------------------------------------
RIDGE = "01.beat_ridge"


def mean_of_train(x, y):
    return lambda x: y.mean().expand(len(x), 1)


def by_sklearn(make):
    def my_model(x, y):
        fitted = make().fit(x.numpy(), y.numpy().ravel())
        return lambda x: fitted.predict(x.numpy())[:, None]

    return my_model


def ridge_itself(x, y):
    return lambda new: ridge_module._ridge(x, y, new)


def least_squares(x, y):
    columns = torch.cat([x, torch.ones(len(x), 1)], 1)
    weights = torch.linalg.lstsq(columns.double(), y.double()).solution
    return lambda x: x.double() @ weights[:-1] + weights[-1]


def cheat(bonus):
    """A model that knows every patient's answer, to `bonus` of the way from ridge.

    No learner can write it from what the check gives; it stands for a better model.
    """
    table = data.diabetes()
    known = {
        tuple(row.tolist()): target.item()
        for part in (table.train, table.valid, table.test)
        for row, target in zip(*part, strict=True)
    }

    def my_model(x, y):
        def predict(new):
            truth = torch.tensor([[known[tuple(row.tolist())]] for row in new])
            ridge = ridge_module._ridge(x, y, new)
            return ridge + bonus * (truth - ridge)

        return predict

    return my_model


def test_a_small_network_gets_an_honest_finding():
    verdict = judge(RIDGE, network(seeds=4))
    assert verdict.status is Status.CORRECT, verdict
    pattern = (
        r"Correct\. RMSE on validation, mean of 10 splits: yours 5\d\.\d, ridge 55\.6, "
        r"always the mean 77\.1\. Yours minus ridge: [+-]\d\.\d\d, interval \(95%\): "
        r"[+-]\d\.\d\d to [+-]\d\.\d\d\. (It cannot be told from ridge|Better than)"
    )
    assert re.match(pattern, verdict.message)


def test_a_better_model_is_better_and_a_worse_one_is_not_yet():
    message = judge(RIDGE, cheat(0.1)).message
    assert "Correct" in message and "Better than ridge, beyond the interval" in message
    verdict = judge(RIDGE, cheat(-0.1))
    assert verdict.status is Status.NOT_YET
    assert "Ridge is better, beyond the interval." in verdict.message
    assert "overfitting" not in verdict.message
    assert verdict.message.startswith("Not yet: RMSE")
    assert judge(RIDGE, cheat(-0.01)).message.startswith("Almost: RMSE")


def test_a_network_that_learns_by_heart_is_told_of_overfitting():
    verdict = judge(RIDGE, network(hidden=16, epochs=200, decay=0.0))
    assert verdict.status is Status.NOT_YET
    assert re.search(r"it trained with, yours reaches \d\d\.\d: overf", verdict.message)


def test_the_numbers_are_those_of_a_computation_by_hand():
    """Means and differences, again by NumPy, for a model that can be told by heart."""
    from sklearn.linear_model import RidgeCV

    def rmse(a, b):
        return float(np.sqrt(np.mean((np.ravel(a) - np.ravel(b)) ** 2)))

    ridge, mean = [], []
    for seed in range(100, 110):
        (x, y), (new, truth), _test = (
            [p.double().numpy() for p in part]
            for part in (
                data.diabetes(seed).train,
                data.diabetes(seed).valid,
                data.diabetes(seed).test,
            )
        )
        m, s = x.mean(0), x.std(0)
        fitted = RidgeCV(np.logspace(-2, 4, 25)).fit((x - m) / s, y.ravel())
        ridge.append(rmse(fitted.predict((new - m) / s), truth))
        mean.append(rmse(y.mean(), truth))
    runs = [ridge_module._run(mean_of_train, seed) for seed in ridge_module.SEEDS]
    assert [run.ridge for run in runs] == pytest.approx(ridge)
    assert [run.mean for run in runs] == pytest.approx(mean)
    assert [run.model for run in runs] == pytest.approx(mean, rel=1e-5)


def test_the_interval_is_that_of_the_mean_stretched_for_shared_patients():
    difference = np.random.RandomState(0).normal(1.0, 2.0, 10)
    half = {}
    for stretch in (1.0, 2.0):
        low, high = ridge_module._interval(difference, stretch)
        assert low < difference.mean() < high
        half[stretch] = (high - low) / 2
    assert half[1.0] == pytest.approx(1.96 * difference.std() / np.sqrt(10), rel=0.1)
    assert half[2.0] == pytest.approx(2 * half[1.0])
    assert ridge_module._interval(np.full(10, 3.0), 2.0) == (3.0, 3.0)
    table = data.diabetes(100)
    ratio = len(table.valid.y) / len(table.train.y)
    assert pytest.approx((1 + 10 * ratio) ** 0.5) == ridge_module.STRETCH


def relu_on_raw_x(x, y):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _step in range(200):
        optimizer.zero_grad()
        F.mse_loss(net(x), y).backward()
        optimizer.step()
    return net


def rescaled(level, spread):
    """A good model, but for its result, which has another mean and deviation."""

    def my_model(x, y):
        predict = network(seeds=2)(x, y)
        return lambda x: (predict(x) - 152) / 77 * spread + level

    return my_model


def crashes_in_predict(x, y):
    return lambda x: x @ x


def crashes_on_other_sizes(x, y):
    return lambda x: (x[:, :1] + torch.arange(88.0)[:, None]) if len(x) < 200 else y


def with_dropout(x, y):
    layer = nn.Dropout(0.5)
    return lambda x: layer(x[:, :1]) * 10


def own_statistics(x, y):
    return lambda x: ((x - x.mean(0)) / x.std(0))[:, 2:3].tanh() * 40 + y.mean()


def batch_norm_in_training(x, y):
    return nn.Sequential(nn.BatchNorm1d(10), nn.Linear(10, 1))


def prints_and_raises(x, y):
    print("epoch 1")
    raise ValueError("<b>too bad</b>")


RIVALS = {
    "this is ridge: its predictions": ridge_itself,
    "linear in `x`, as ridge does": least_squares,
    "linear in `x`, as ridge does, with": network(activation=nn.Identity),
    "every ReLU always on or always off because": relu_on_raw_x,
    "It only predicts the mean": mean_of_train,
    "It has not even reached the mean of `y`": lambda x, y: lambda x: x[:, :1] * 0 + 5,
    "(correlation with `y` 0.6": network(scale_y=False),
    "on another scale: around 0, with a spread of 0.": rescaled(0, 1),
    "on another scale: around -3, with a spread of 5": rescaled(0, 77),
    "on another scale: around 152, with a spread of 0.": rescaled(152, 1),
    "Has your model already seen": cheat(1),
    "always saying the mean gets 77.1": cheat(-0.6),
    "the shape (88,); one column, (88, 1)": lambda x, y: lambda x: x[:, 0],
    "predict returns nan or inf": lambda x, y: lambda x: x[:, :1] / 0,
    "the same patients other values": with_dropout,
    "when other patients come along": own_statistics,
    "when other patients come along: its": batch_norm_in_training,
    "my_model must return a function, `predict`": lambda x, y: y,
    "`return` missing": lambda x, y: None,
    "`return` missing?": lambda x, y: lambda x: None,
    "type list; here a PyTorch tensor": lambda x, y: lambda x: x.tolist(),
    "for my_model(x (266, 10), y (266, 1)) your code stops": prints_and_raises,
    "for predict(x (88, 10)) your code stops": crashes_in_predict,
    "for predict(x (44, 10)) your code stops": crashes_on_other_sizes,
    "the function itself": 3,
}


@pytest.mark.parametrize(("part", "my_model"), RIVALS.items(), ids=RIVALS)
def test_what_is_no_rival_is_told_so(part, my_model, shown, capsys):
    check(RIDGE, my_model)
    (verdict,) = shown
    assert verdict.status is Status.NOT_YET
    assert part.rstrip("?") in verdict.message, verdict.message
    assert len(verdict.message) < 450
    assert capsys.readouterr() == ("", "")


def test_the_learner_gets_copies_of_the_training_part_and_nothing_else():
    tables = {seed: data.diabetes(seed) for seed in ridge_module.SEEDS}
    seeds, asked = iter(ridge_module.SEEDS), []

    def my_model(x, y):
        table = tables[seed := next(seeds)]
        assert torch.equal(x, table.train.x) and torch.equal(y, table.train.y)
        middle, mean = y.mean(), x[:, 2:3].mean()
        x.zero_(), y.zero_()

        def predict(new):
            known = {"train": table.train.x, "valid": table.valid.x}
            asked.append(next((k for k, v in known.items() if torch.equal(new, v)), ""))
            result = middle + 30 * torch.tanh((new[:, 2:3] - mean) / 4)
            new.zero_()
            return result

        asked.append(seed)
        return predict

    message = judge(RIDGE, my_model).message
    assert "your code stops" not in message and "RMSE" in message
    assert asked[:5] == [100, "valid", "train", "valid", ""]  # "": half of valid
    assert asked[5:8] == [101, "valid", "train"]
    assert [a for a in asked if isinstance(a, int)] == list(range(100, 110))


def test_other_shapes_of_a_right_rival_are_welcome():
    """A network itself, NumPy's predictions, a float64 column."""
    tanh_of_bmi = lambda x: 152 + 60 * np.tanh((x[:, 2:3] - 26) / 8)  # noqa: E731

    def as_network(x, y):
        class Fixed(nn.Module):
            def forward(self, x):
                return 152 + 60 * torch.tanh((x[:, 2:3] - 26) / 8)

        return Fixed()

    told = {
        judge(RIDGE, answer).message
        for answer in (
            as_network,
            lambda x, y: lambda x: tanh_of_bmi(x.numpy()),
            lambda x, y: lambda x: torch.tensor(tanh_of_bmi(x.numpy())).double(),
        )
    }
    assert len(told) == 1
    assert "Ridge is better, beyond the interval" in told.pop()


def test_the_verdict_is_the_same_every_time_and_leaves_chance_alone():
    def by_luck(x, y):
        weight = 50 + 10 * np.random.rand() + 10 * torch.rand(1)
        return lambda x: 152 + weight * torch.tanh((x[:, 2:3] - 26) / 8)

    np.random.seed(3)
    wanted = np.random.rand()
    np.random.seed(3)
    assert judge(RIDGE, by_luck).message == judge(RIDGE, by_luck).message
    assert np.random.rand() == wanted


def test_a_training_that_takes_too_long_is_stopped_after_the_first(monkeypatch):
    monkeypatch.setattr(ridge_module, "MAX_SECONDS", 0)
    calls = []

    def slow(x, y):
        calls.append(len(x))
        return mean_of_train(x, y)

    verdict = judge(RIDGE, slow)
    assert "one training took 0 s, and the check makes 10" in verdict.message
    assert verdict.slip and calls == [266]


def test_the_users_interrupt_passes_and_printing_works_again(capsys):
    def interrupted(x, y):
        raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        check(RIDGE, interrupted)
        pytest.fail("the interrupt was swallowed")
    print("here")
    assert capsys.readouterr().out == "here\n"


def test_hints_for_a_model_that_learns_nothing_are_others(shown):
    for my_model in (mean_of_train, least_squares, cheat(-0.1), mean_of_train):
        check(RIDGE, my_model)
    hints = [verdict.hint for verdict in shown]
    assert hints[0].startswith("Hint 1 of 3: Print the loss")
    assert hints[1].startswith("Hint 1 of 2: The exercise wants a rival")
    assert hints[2].startswith("Hint 1 of 3: First a fair start")
    assert hints[3].startswith("Hint 2 of 3: Standardise `x`, and")


def test_the_hints_of_the_open_exercise_fit_the_failure(shown):
    falls, units, shapes = hints_after(shown, RIDGE, mean_of_train)[0]
    assert "(N, 1)" in shapes
    offered = hints_after(shown, RIDGE, rescaled(0, 77), cheat(-0.6), with_dropout)
    assert offered == [[units, falls], [falls, units], []]
    linear, known = hints_after(shown, RIDGE, least_squares, cheat(1))
    assert "standardise" in linear[1] and len(known) == 1
