"""Exercise: the gradients of a small network, by hand."""

import itertools
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch

from course_utils.checks import exercise
from course_utils.checks.answers import (
    Almost,
    NotAttempted,
    NotYet,
    Partly,
    Slip,
    Stopped,
    array,
    call,
    compare,
    expect_callable,
    part,
    same,
)
from course_utils.checks.workshop_01.plain_words import plain_stop
from course_utils.locale import _

NAMES = ("dW1", "db1", "dW2", "db2")


class OtherOrder(Almost, Slip):
    """Right but for the order, which its sentence tells: no hint is needed."""


def _hints() -> dict[str, str]:
    return {
        "shapes": _(
            "Follow the shapes: a gradient has the shape of what it belongs to, and "
            "delta1 that of `h`, one row for each example."
        ),
        "weights": _(
            "A weight's gradient: what enters by it times the delta where it arrives, "
            "added up over the examples. A bias is a weight whose input is always 1."
        ),
        "delta1": _(
            "delta1: bring delta2 back through W2, and multiply place by place by the "
            "derivative of tanh, which is written with `h` alone."
        ),
    }


@exercise("01.backward", hints=lambda: list(_hints().values()), blanks=5)
def backward(answer):
    expect_callable(answer)
    # Square at first, so that a forgotten `.T` gives numbers: a wrong number can be
    # told by its name, where an error would hide it.
    square, others = [(3, 3, 3), (2, 2, 2)], [(5, 2, 4), (1, 4, 3)]
    for cases in [_cases(square), _cases(others)]:
        results = [_run(answer, case) for case in cases]
        for case, result in zip(cases, results, strict=True):
            _expect_order(result, _by_autograd(*case))
        blank = _blank(results[0])
        right = []
        for name in [name for name in _mistakes() if name not in blank]:
            try:  # in the order of the computation
                _judge_one(name, answer, cases)
            except NotYet as failure:
                if blank:
                    raise Partly(f"{failure} {_so_far(right)}".rstrip()) from None
                failure.hints = _hints_for(name, results[0], cases[0])
                raise
            right.append(name)
    if right and blank:
        told = _("there is still a `...` to fill in.")
        raise Partly(f"{told} {_so_far(right)}")
    if blank:
        raise NotAttempted
    return _(
        "Try it the slow way: add 1e-5 to one weight. Does the loss change as your "
        "gradient says?"
    )


def _judge_one(name: str, answer: Callable, cases: list[tuple]) -> None:
    compare(
        answer,
        cases,
        lambda *case: _by_autograd(*case)[name],
        [(_of_forward(f), text) for f, text in _mistakes()[name]],
        read=part(name, NAMES, _bias if name == "db2" else array),
        describe=lambda *case: _("{name} with {sizes}").format(
            name=f"`{name}`", sizes=_sizes(*case)
        ),
    )


def _blank(result: object) -> list[str]:
    """The arrays that still are `...`."""
    if not isinstance(result, tuple | list) or len(result) != len(NAMES):
        return []
    return [name for name, p in zip(NAMES, result, strict=True) if p is ...]


def _so_far(right: list[str]) -> str:
    names = ", ".join(f"`{name}`" for name in right)
    return _("Right so far: {names}.").format(names=names) if right else ""


def _hints_for(name: str, result: object, case: tuple) -> tuple[str, ...]:
    """The hints for a wrong `name`; db1 tells whether delta1 is the wrong part."""
    kinds = ["shapes", "weights"]
    db1 = result[NAMES.index("db1")]
    if name == "dW1" and not same(db1, _by_autograd(*case)["db1"]):
        kinds = ["shapes", "delta1"]
    return tuple(_hints()[kind] for kind in kinds)


def _run(answer: Callable, case: tuple) -> object:
    try:
        return call(answer, *case, case=_sizes(*case))
    except Stopped as stopped:
        failure = plain_stop(stopped) or stopped
        failure.hints = (_hints()["shapes"],)
        raise failure from None


def _cases(sizes: list[tuple[int, int, int]]) -> list[tuple]:
    """(x, y, W1, b1, W2, b2) for each (examples, inputs, hidden neurons)."""
    generator = np.random.RandomState(7)
    return [
        tuple(
            generator.uniform(-1.5, 1.5, shape)
            for shape in [(n, m), (n, 1), (m, hidden), (hidden,), (hidden, 1), (1,)]
        )
        for n, m, hidden in sizes
    ]


def _sizes(x: np.ndarray, y: np.ndarray, W1: np.ndarray, *rest: np.ndarray) -> str:
    return _("{n} examples, {m} inputs and {hidden} hidden neurons").format(
        n=len(x), m=len(W1), hidden=W1.shape[1]
    )


def _by_autograd(x, y, *parameters) -> dict[str, np.ndarray]:
    """The four gradients by name, from PyTorch."""
    leaves = [torch.tensor(p, requires_grad=True) for p in parameters]
    W1, b1, W2, b2 = leaves
    y_hat = (torch.tensor(x) @ W1 + b1).tanh() @ W2 + b2
    loss = ((torch.tensor(y) - y_hat) ** 2 / 2).mean()
    gradients = torch.autograd.grad(loss, leaves)
    return {name: g.numpy() for name, g in zip(NAMES, gradients, strict=True)}


def _bias(result: object) -> np.ndarray:
    """db2, which has one number and may come without its axis."""
    found = array(result)
    return found.reshape(1) if found.ndim == 0 else found


def _expect_order(got: object, wanted: dict[str, np.ndarray]) -> None:
    """Almost, if the four are right and in another order."""
    if not isinstance(got, tuple | list) or len(got) != len(NAMES):
        return
    for order in itertools.permutations(NAMES):
        if order != NAMES and all(
            isinstance(g, np.ndarray) and same(g, wanted[name])
            for g, name in zip(got, order, strict=True)
        ):
            reason = _("the four are right, and in another order: return {names}.")
            raise OtherOrder(reason.format(names=f"`{', '.join(NAMES)}`"))


def _of_forward(formula: Callable) -> Callable:
    """`formula`, of the forward pass's values, as a function of a case."""

    def version(x, y, W1, b1, W2, b2):
        z = x @ W1 + b1
        h = np.tanh(z)
        delta2 = (h @ W2 + b2 - y) / len(x)
        back = delta2 @ W2.T
        delta1 = back * (1 - h**2)
        return np.asarray(formula(SimpleNamespace(**locals())))

    return version


def _mistakes() -> dict[str, list]:
    """(wrong formula of the forward pass's values, sentence) by array."""
    again = _("You divide by the number of examples again: delta2 already carries it.")
    lost = _("The derivative of tanh is missing: `h` does not follow `z1` one to one.")
    alike = _("You average over the examples: delta2 is already divided, so add.")
    turned = _("The numbers are right, but transposed: it has the shape of {name}.")
    alone = _("Each example still has its own row: add up over the examples.")
    kept = _("The numbers are right: drop the axis that the sum leaves over.")
    across = _("You add up along the neurons: a bias adds up over the examples.")
    everything = _("You add everything up: each hidden neuron has its own bias.")
    sign = _("The sign is turned around: a gradient points to where the loss grows.")

    inner = _("You use W1: a weight's gradient is made of its input, which is x.")
    double = _("It is twice too large. If you take differences: from w - eps to "
               "w + eps there are two steps.")  # fmt: skip

    def shared(name: str) -> list:
        return [
            (lambda v: 2 * _right(v)[name], double),
            (lambda v: -_right(v)[name], sign),
            (lambda v: _right(v)[name] / len(v.x), again),
        ]

    return {
        "dW2": [
            (
                lambda v: v.h @ v.delta2,
                _("Which of the two is turned? The sum runs over the examples."),
            ),
            (lambda v: v.delta2.T @ v.h, turned.format(name="W2")),
            (
                lambda v: v.x.T @ v.delta2,
                _("You use x: what enters the output layer is `h`."),
            ),
            (
                lambda v: v.z.T @ v.delta2,
                _("You use `z1`: what enters the output layer is `h`."),
            ),
            (lambda v: v.h * v.delta2, alone),
            (
                lambda v: (v.h * v.delta2).sum(0),
                _("The numbers are right: they stand in a column, as in W2."),
            ),
            (lambda v: (v.h * v.delta2).mean(0), alike),
            (
                lambda v: v.h.T @ (v.delta2 * len(v.x)),
                _("It is as many times too large as there are examples: the loss is a "
                  "mean."),
            ),
            *shared("dW2"),
        ],
        "db2": [
            (lambda v: v.delta2, alone),
            (lambda v: v.delta2.ravel(), alone),
            (lambda v: v.delta2.sum(1), alone),
            (lambda v: v.delta2.mean(0), alike),
            (lambda v: v.delta2.mean(0, keepdims=True), alike),
            (lambda v: v.delta2.sum(0, keepdims=True), kept),
            (
                lambda v: v.b2 * v.delta2.sum(0),
                _("You multiply by b2: a bias is multiplied by 1, whatever it is."),
            ),
            (
                lambda v: v.h.sum(0),
                _("That is the sum of `h`: a bias gets the delta that arrives at it."),
            ),
            *shared("db2"),
        ],
        "dW1": [
            *(
                (lambda v, f=delta1: v.x.T @ f(v), text)
                for delta1, text in _wrong_deltas(lost)
            ),
            (
                lambda v: v.x @ v.delta1,
                _("Which of the two is turned? The sum runs over the examples."),
            ),
            (lambda v: v.delta1.T @ v.x, turned.format(name="W1")),
            (
                lambda v: v.h.T @ v.delta1,
                _("You use `h`: what enters the hidden layer is x."),
            ),
            (
                lambda v: v.x.T @ v.delta2,
                _("You use delta2: the delta of the hidden layer is delta1."),
            ),
            (lambda v: v.W1 @ v.delta1.T, inner),
            (lambda v: v.W1 @ v.delta1, inner),
            (lambda v: v.W1.T @ v.delta1, inner),
            *shared("dW1"),
        ],
        "db1": [
            (lambda v: v.delta1, alone),
            (lambda v: v.delta1.mean(0), alike),
            (lambda v: v.delta1.mean(0, keepdims=True), alike),
            (lambda v: v.delta1.sum(1), across),
            (lambda v: v.delta1.sum(1, keepdims=True), across),
            (lambda v: v.delta1.sum(0, keepdims=True), kept),
            (lambda v: v.delta1.sum(), everything),
            (
                lambda v: v.delta2.sum(0),
                _("You use delta2: the delta of the hidden layer is delta1."),
            ),
            *shared("db1"),
        ],
    }  # fmt: skip


def _right(v: SimpleNamespace) -> dict[str, np.ndarray]:
    return _by_autograd(v.x, v.y, v.W1, v.b1, v.W2, v.b2)


def _wrong_deltas(lost: str) -> list:
    """(wrong delta1, sentence), which dW1 and db1 inherit."""
    logistic = _("That is the derivative of the logistic function: here it is tanh.")
    square = _("The derivative of tanh has a square: look at its formula again.")
    weights = _("W2 is missing: each hidden neuron gets its part of delta2 through "
                "its own weight.")  # fmt: skip
    return [
        (lambda v: v.back, lost),
        (lambda v: v.back * v.h * (1 - v.h), logistic),
        (lambda v: v.back * (1 - v.h), square),
        (lambda v: v.back * (1 + v.h), square),
        (
            lambda v: v.back * v.h,
            _("You multiply by `h`: what is the derivative of tanh?"),
        ),
        (
            lambda v: v.back * v.h**2,
            _("You multiply by the square of `h`: look at the formula of tanh's "
              "derivative again."),
        ),
        (
            lambda v: v.back * (1 - np.tanh(v.h) ** 2),
            _("You apply tanh twice: `h` already is the tanh of `z1`."),
        ),
        (
            lambda v: v.back * (1 - v.z**2),
            _("The derivative of tanh is written with `h`, and you use `z1`."),
        ),
        (
            lambda v: v.back * (v.h**2 - 1),
            _("The sign of tanh's derivative is turned around: tanh always rises."),
        ),
        (
            lambda v: v.back * 1 - v.h**2,
            _("Parentheses are missing: `*` comes before subtracting."),
        ),
        (lambda v: v.delta2 * (1 - v.h**2), weights),
        (
            lambda v: v.delta2 @ (v.h.T @ v.delta2).T * (1 - v.h**2),
            _("You go back through dW2: delta2 came through the weights, W2."),
        ),
        (
            lambda v: v.back @ (1 - v.h**2),
            _("`@` multiplies matrices: the derivative multiplies place by place."),
        ),
        (
            lambda v: v.back @ v.W1.T * (1 - v.h**2),
            _("You go back through W1 as well: delta1 is at the hidden layer, before "
              "W1."),
        ),
        (
            lambda v: v.delta2 * v.W2 * (1 - v.h**2),
            _("In delta1 the weights run along the neurons, and yours along the "
              "examples: turn W2."),
        ),
    ]  # fmt: skip
