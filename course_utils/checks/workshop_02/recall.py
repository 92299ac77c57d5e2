"""Exercise: recall of one class."""

import torch

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Slip,
    Stopped,
    compare,
    number,
)
from course_utils.locale import _


@exercise(
    "02.recall",
    hints=lambda: [
        _("Of the images that really are that digit, how many did the network find?"),
        _(
            "`y == digit` marks the images that really are that digit: look only at "
            "them."
        ),
        _("Divide the hits among them by how many they are."),
    ],
)
def recall(answer):
    # Chosen so that no two of the measures below agree for the first digit.
    y = torch.tensor([3, 3, 3, 3, 3, 8, 8, 8, 8, 5, 5, 5, 1, 1])
    y_hat = torch.tensor([3, 5, 8, 3, 3, 5, 8, 5, 1, 3, 1, 5, 5, 1])
    digits = (3, 8, 5, 1)

    def sensitivity(y, y_hat, digit):
        predicted = [b for a, b in zip(y.tolist(), y_hat.tolist()) if a == digit]  # noqa: B905
        return predicted.count(digit) / len(predicted)

    def hits(y, y_hat, digit):
        return ((y == digit) & (y_hat == digit)).sum().item()

    always = _("You always look at the same digit, the {fixed}: use `digit`.")
    mistakes = [
        (
            lambda y, y_hat, d: hits(y, y_hat, d) / (y_hat == d).sum().item(),
            _("That is the precision: of those called `digit`, how many are. Recall "
              "looks at those that are."),
        ),
        (
            lambda y, y_hat, d: (y == y_hat).float().mean().item(),
            _("That is the accuracy over all digits: look at one class only."),
        ),
        (
            hits,
            _("That is a count of hits: out of how many?"),
        ),
        (
            lambda y, y_hat, d: (
                ((y != d) & (y_hat != d)).sum().item() / (y != d).sum().item()
            ),
            _("That is the specificity, the hits among the other digits."),
        ),
        (
            lambda y, y_hat, d: 100 * sensitivity(y, y_hat, d),
            _("That is a percentage: here a fraction between 0 and 1 is meant."),
        ),
        (
            lambda y, y_hat, d: 1 - sensitivity(y, y_hat, d),
            _("That is the fraction missed: recall is the fraction found."),
        ),
        (
            lambda y, y_hat, d: hits(y, y_hat, d) / len(y),
            _("You divide by all images: how many of them are of that class?"),
        ),
        (
            lambda y, y_hat, d: (((y == d) == (y_hat == d)).sum().item() / len(y)),
            _("That counts the other digits too, as hits when nobody mistakes them: "
              "look only at the images of that class."),
        ),
        (
            lambda y, y_hat, d: (y == d).sum().item() / len(y),
            _("That is how frequent the digit is: the predictions are missing."),
        ),
        (
            lambda y, y_hat, d: (
                2 * hits(y, y_hat, d) / ((y == d).sum() + (y_hat == d).sum()).item()
            ),
            _("That is the F1 score, which mixes recall with precision: look only at "
              "the images that are that digit."),
        ),
        *(
            (
                lambda y, y_hat, d, fixed=fixed: sensitivity(y, y_hat, fixed),
                always.format(fixed=fixed),
            )
            for fixed in digits
        ),
    ]  # fmt: skip
    compare(
        answer,
        [(y, y_hat, digit) for digit in digits],
        sensitivity,
        mistakes,
        read=number,
        describe=lambda y, y_hat, digit: (
            f"y={y.tolist()}, y_hat={y_hat.tolist()}, digit={digit}"
        ),
        stop=_named_stop,
        unnamed=lambda got: (
            _("A fraction is never above 1: what do you divide by?")
            if any(isinstance(part, int | float) and part > 1 for part in got)
            else ""
        ),
    )
    return _("Try it on all ten digits: which one does your network miss most often?")


def _named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in recall, from the function that refused."""
    told = _("your code stops.")
    if stopped.operation == "__bool__":
        reason = _(
            "Between tensors, `&` takes the place of `and`, with each comparison in "
            "parentheses."
        )
    elif stopped.operation == "mean" and isinstance(stopped.error, TypeError):
        reason = _("That is NumPy's `mean`: use PyTorch's, of the tensor itself.")
    elif stopped.operation == "mean":
        reason = _(
            "True and False have no mean: turn them into numbers with `.float()`."
        )
    else:
        return None
    return Slip(f"{told} {reason}")
