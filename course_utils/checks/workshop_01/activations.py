"""Exercise: the eight activation functions."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotAttempted,
    NotYet,
    Partly,
    Slip,
    array,
    compare,
    expect_callable,
)
from course_utils.checks.workshop_01.activation_mistakes import mistakes_in
from course_utils.checks.workshop_01.plain_words import plain_stop
from course_utils.locale import _

CASES = tuple(
    (np.array(z),)
    for z in [
        [-1.0, 0.25, 2.0],  # the first is written out: short, and it says most
        [-0.5, 0.0, 0.5],
        [-3.0, -0.75, -0.25, 0.75],
        [[-1.5, 0.1], [4.0, -0.1], [1.0, -2.0]],
    ]
)

# The eight of the table. Each is a product, a quotient or a call of PyTorch's, so that
# a learner's NumPy is compared with something else.
REFERENCE = {
    "step": lambda z: (torch.sign(z) + 1) / 2,
    "sign": torch.sign,
    "linear": torch.clone,
    "piecewise": lambda z: F.hardtanh(z, -0.5, 0.5) + 0.5,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "softplus": F.softplus,
}


@exercise(
    "01.activations",
    hints=lambda: [
        _(
            "Take the formulas of the table one by one: each line works on the whole "
            "array at once."
        ),
        _(
            "NumPy has some of them ready, and for the pieces it has functions that "
            "compare, choose or clip place by place."
        ),
        _(
            "Draw yours with `plt.plot(z, activation(name, z))` beside the one of the "
            "table: at which z do they part?"
        ),
    ],
    blanks=7,
)
def activations(answer):
    expect_callable(answer)
    right, wrong, blank = [], {}, []
    for name in REFERENCE:
        try:
            _judge_one(name, answer)
        except NotAttempted:
            blank.append(name)
        except NotYet as reason:
            wrong[name] = reason
        else:
            right.append(name)
    done = [f"`{name}`" for name in right if name != "step"]
    so_far = _("Right so far: {names}.").format(names=", ".join(done)) if done else ""
    if wrong:
        name, reason = next(iter(wrong.items()))
        told = _("in {name}, {reason}").format(name=f"`{name}`", reason=reason)
        kind = Slip if isinstance(reason, Slip) else NotYet
        raise (Partly if blank else kind)(f"{told} {so_far}".rstrip())
    if len(blank) == len(REFERENCE) - 1:
        raise NotAttempted
    if blank:
        told = _("the next one is {name}.").format(name=f"`{blank[0]}`")
        raise Partly(f"{told} {so_far}")
    return _(
        "Try it with z = 1000: which of yours stay calm, and which one complains of an "
        "overflow?"
    )


def _judge_one(name: str, answer: Callable) -> None:
    """NotYet or NotAttempted unless `answer` is right for the activation `name`."""
    others = [
        (
            _of_tensor(REFERENCE[other]),
            _("That is {other}: are two lines swapped?").format(other=f"`{other}`"),
        )
        for other in REFERENCE
        if other != name
    ]
    given = _("Leave the line of `step` as it was given.")
    compare(
        lambda z: answer(name, z),
        CASES,
        _of_tensor(REFERENCE[name]),
        [*mistakes_in().get(name, []), *others],
        read=array,
        describe=written,
        stop=plain_stop,
        unnamed=lambda got: given if name == "step" else "",
    )


def _of_tensor(function: Callable) -> Callable:
    """A function of tensors as one of arrays."""
    return lambda z: function(torch.from_numpy(z)).numpy()


def written(z: np.ndarray) -> str:
    return f"z={z.tolist()}"
