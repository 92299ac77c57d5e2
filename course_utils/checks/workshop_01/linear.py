"""Exercise: two layers without activation between them are one."""

from itertools import product

import numpy as np

from course_utils.checks import exercise
from course_utils.checks.answers import compare, part
from course_utils.checks.workshop_01.plain_words import plain_stop
from course_utils.locale import _


@exercise(
    "01.linear_layers",
    hints=lambda: [
        _("Write the two layers one after the other, on paper, and expand them."),
        _("Collect the terms: what multiplies x, and what is left without x?"),
        _(
            "What multiplies x is a product of two matrices, in the order in which x "
            "meets them. The first bias goes through the second layer as well."
        ),
    ],
    blanks=2,
)
def linear_layers(answer):
    names = ("W", "b")
    generator = np.random.RandomState(3)
    cases = [
        tuple(generator.randint(-4, 5, shape) / 2 for shape in shapes)
        for shapes in [
            # All square at first, so that a wrong order gives numbers and not an error.
            [(2, 2), (2,), (2, 2), (2,)],
            [(2, 3), (3,), (3, 1), (1,)],
            [(4, 3), (3,), (3, 5), (5,)],
        ]
    ]

    def bias(W1, b1, W2, b2):  # what the two layers give for x = 0
        return (np.zeros(len(W1)) @ W1 + b1) @ W2 + b2

    def weights(W1, b1, W2, b2):  # what each input adds to that
        return (np.eye(len(W1)) @ W1 + b1) @ W2 + b2 - bias(W1, b1, W2, b2)

    order = _("Is the order of the product right, or a `.T` too much? x meets W1 "
              "first.")  # fmt: skip
    of_weights = [
        (
            bias,
            _("That is b: return W first and b after it."),
        ),
        (lambda W1, b1, W2, b2: W2 @ W1, order),
        (lambda W1, b1, W2, b2: (W1 @ W2).T, order),
        (lambda W1, b1, W2, b2: W1 @ W2.T, order),
        (lambda W1, b1, W2, b2: W1.T @ W2, order),
        (
            lambda W1, b1, W2, b2: W1 + W2,
            _("You add the matrices: layers one after the other multiply."),
        ),
        (
            lambda W1, b1, W2, b2: W1 * W2,
            _("`*` multiplies place by place: layers one after the other need the "
              "product of matrices."),
        ),
        (
            lambda W1, b1, W2, b2: W1,
            _("That is the first layer alone: x goes through the second as well."),
        ),
        (
            lambda W1, b1, W2, b2: W2,
            _("That is the second layer alone: x goes through the first before."),
        ),
    ]  # fmt: skip
    of_bias = [
        (
            lambda W1, b1, W2, b2: b1 + b2,
            _("You add the biases: the first one goes through the second layer "
              "before."),
        ),
        (
            lambda W1, b1, W2, b2: b2,
            _("That is the second bias alone: what becomes of the first one?"),
        ),
        (
            lambda W1, b1, W2, b2: b1,
            _("That is the first bias as it was: it goes through the second layer, "
              "which adds its own."),
        ),
        (
            lambda W1, b1, W2, b2: b1 @ W2,
            _("The second layer adds a bias of its own: it is missing."),
        ),
        (
            lambda W1, b1, W2, b2: W2 @ b1 + b2,
            _("Is the order of the product right? b1 is a row, as the examples are."),
        ),
        (
            lambda W1, b1, W2, b2: b1 @ W1 + b2,
            _("The first bias is added after W1: which matrix comes next?"),
        ),
        (
            lambda W1, b1, W2, b2: b1 @ W1 @ W2 + b2,
            _("The first bias is added after W1: it meets the second matrix only."),
        ),
        (
            lambda W1, b1, W2, b2: b1 * b2,
            _("You multiply the biases: expand the two layers on paper, with x = 0."),
        ),
        *(
            (
                lambda W1, b1, W2, b2, total=total: total(b1, W2) + b2,
                _("`*` multiplies place by place: b1 goes through the layer by the "
                  "product of matrices."),
            )
            for total in [
                lambda b1, W2: b1 * W2,
                lambda b1, W2: b1[:, None] * W2,
            ]
        ),
    ]  # fmt: skip
    parts = [("W", weights, of_weights), ("b", bias, of_bias)]
    # The square case first for both, before the others stop a wrong b with an error.
    for some, (name, reference, mistakes) in product([cases[:1], cases], parts):
        compare(
            answer,
            some,
            reference,
            mistakes,
            read=part(name, names),
            describe=lambda W1, b1, W2, b2, name=name: _(
                "{name} with W1 {first} and W2 {second}"
            ).format(name=f"`{name}`", first=W1.shape, second=W2.shape),
            stop=plain_stop,
        )
    return _(
        "Try it with ten such layers: how many are they worth? And with a ReLU between?"
    )
