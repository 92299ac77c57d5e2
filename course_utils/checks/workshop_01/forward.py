"""Exercise: the forward pass of a network with one hidden layer."""

from collections.abc import Callable

import numpy as np

from course_utils.checks import exercise
from course_utils.checks.answers import array, compare
from course_utils.checks.workshop_01.plain_words import plain_stop
from course_utils.locale import _


@exercise(
    "01.forward",
    hints=lambda: [
        _(
            "Follow the shapes: x is (N, m), the hidden layer (N, λ), the output "
            "(N, 1)."
        ),
        _(
            "Each layer does the same: a product of matrices with the examples in the "
            "rows, plus the bias. Which of the two layers has an activation?"
        ),
        _(
            "`z1` goes from x to the hidden layer with W1 and b1; `h` is what the "
            "activation makes of it; the output goes from `h` with W2 and b2."
        ),
    ],
    blanks=3,
)
def forward(answer):
    def layers(x, W1, b1, W2, b2, gamma1):
        h = gamma1(np.einsum("ni,ij->nj", x, W1) + b1)
        return (h * W2.T).sum(1, keepdims=True) + b2

    always = _("You always apply the same activation, {name}: use `gamma1`.")
    bias = _("The bias {name} is missing: a layer adds it to what comes in.")
    subtracted = _("You subtract the bias {name}: a layer adds it to what comes in.")
    transposed = _(
        "Is the order of the product, or a `.T`, right? Examples stay in the rows: x "
        "comes first, and the weights as they are."
    )
    mistakes = [
        *(
            (_network(hidden=hidden), transposed)
            for hidden in [
                lambda x, W1, b1: W1 @ x + b1,
                lambda x, W1, b1: x @ W1.T + b1,
                lambda x, W1, b1: x.T @ W1 + b1,
                lambda x, W1, b1: W1.T @ x + b1,
                lambda x, W1, b1: (W1.T @ x.T) + b1,
                lambda x, W1, b1: (W1.T @ x.T) + b1[:, None],
            ]
        ),
        (
            _network(output=lambda h, W2, b2: W2.T @ h + b2),
            _("In the output layer the order is turned around: `h` comes first."),
        ),
        (_network(hidden=lambda x, W1, b1: x @ W1), bias.format(name="b1")),
        (_network(output=lambda h, W2, b2: h @ W2), bias.format(name="b2")),
        (
            _network(hidden=lambda x, W1, b1: x @ W1 - b1),
            subtracted.format(name="b1"),
        ),
        (
            _network(output=lambda h, W2, b2: h @ W2 - b2),
            subtracted.format(name="b2"),
        ),
        (
            _network(lambda x, W1, b1: x @ W1, output=lambda h, W2, b2: h @ W2),
            _("Both biases are missing: each layer adds its own."),
        ),
        (
            _network(after=lambda y_hat, gamma1: gamma1(y_hat)),
            _("You apply gamma1 at the output too: in regression the output stays as "
              "it is, of any size."),
        ),
        (
            _network(active=lambda z1, gamma1: z1),
            _("The activation is missing: `h` is what gamma1 makes of `z1`."),
        ),
        (
            _network(
                active=lambda z1, gamma1: z1, after=lambda y_hat, gamma1: gamma1(y_hat)
            ),
            _("You apply gamma1 at the output only: its place is the hidden layer."),
        ),
        (
            lambda x, W1, b1, W2, b2, gamma1: (gamma1(x @ W1) + b1) @ W2 + b2,
            _("You add b1 after the activation: the bias shifts what goes into it."),
        ),
        (
            lambda x, W1, b1, W2, b2, gamma1: (gamma1(x) @ W1 + b1) @ W2 + b2,
            _("You apply gamma1 to x: it is the weighted sum that goes through it."),
        ),
        (
            lambda x, W1, b1, W2, b2, gamma1: gamma1(x) @ W2 + b2,
            _("The hidden layer gets x itself: `z1` is never used."),
        ),
        (
            lambda x, W1, b1, W2, b2, gamma1: gamma1(x @ W2 + b1) @ W1 + b2,
            _("Are W1 and W2 swapped? W1 goes with the inputs."),
        ),
        (
            _network(active=lambda z1, gamma1: gamma1(gamma1(z1))),
            _("You apply gamma1 twice: once is enough."),
        ),
        (
            lambda x, W1, b1, W2, b2, gamma1: gamma1(x @ W1 + b2) @ W2 + b1,
            _("Are the biases swapped? b1 has one number for each hidden neuron."),
        ),
        (
            _network(hidden=lambda x, W1, b1: x * W1 + b1),
            _("In the hidden layer `*` multiplies place by place: here each neuron "
              "adds up all its inputs."),
        ),
        (
            _network(output=lambda h, W2, b2: h * W2 + b2),
            _("In the output layer `*` multiplies place by place: here the hidden "
              "neurons are added up."),
        ),
        (
            _network(output=lambda h, W2, b2: h),
            _("You return the hidden layer: the output layer is missing."),
        ),
        (
            lambda x, W1, b1, W2, b2, gamma1: x @ W1 + b1,
            _("You return `z1`: the activation and the output layer are missing."),
        ),
        (
            _network(after=lambda y_hat, gamma1: y_hat.ravel()),
            _("The numbers are right: keep the column, one row for each example."),
        ),
        *(
            (_network(active=lambda z1, _g, f=f: f(z1)), always.format(name=f.__name__))
            for f in GAMMAS
        ),
    ]  # fmt: skip
    compare(
        answer,
        _forward_cases(),
        layers,
        mistakes,
        read=array,
        describe=lambda x, W1, b1, W2, b2, gamma1: _(
            "{n} examples, {m} inputs, {hidden} hidden neurons and {name}"
        ).format(n=len(x), m=len(W1), hidden=len(b1), name=gamma1.__name__),
        stop=plain_stop,
    )
    return _(
        "Try it with 1,000 hidden neurons: which of your lines would have to change?"
    )


def logistic(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0)


GAMMAS = (np.tanh, logistic, relu)  # what gamma1 may be; the sentences give their names


def _forward_cases() -> list[tuple]:
    generator = np.random.RandomState(1)
    return [
        (
            *(
                generator.uniform(-1.5, 1.5, shape)
                for shape in [(n, m), (m, hidden), (hidden,), (hidden, 1), (1,)]
            ),
            gamma1,
        )
        # All square at first, so that a wrong order gives numbers and not an error.
        for n, m, hidden, gamma1 in [
            (3, 3, 3, np.tanh),
            (5, 2, 4, np.tanh),
            (4, 3, 2, logistic),
            (1, 2, 3, relu),
        ]
    ]


def _network(
    hidden: Callable = lambda x, W1, b1: x @ W1 + b1,
    *,
    active: Callable = lambda z1, gamma1: gamma1(z1),
    output: Callable = lambda h, W2, b2: h @ W2 + b2,
    after: Callable = lambda y_hat, gamma1: y_hat,
) -> Callable:
    """The forward pass with a part to be got wrong."""
    return lambda x, W1, b1, W2, b2, gamma1: after(
        output(active(hidden(x, W1, b1), gamma1), W2, b2), gamma1
    )
