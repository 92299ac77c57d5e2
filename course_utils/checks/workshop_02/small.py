"""Exercise: 97 % on MNIST with at most 5,000 parameters."""

from course_utils.checks import exercise
from course_utils.checks.answers import NotYet
from course_utils.checks.small_network import (
    expect_accuracy,
    expect_network,
    expect_small,
    expect_split,
    logits,
)
from course_utils.locale import _

MAX_PARAMETERS = 5_000
MIN_ACCURACY = 0.97


@exercise(
    "02.small_network",
    hints=lambda: [
        _("Where are the parameters? Count them layer by layer; one takes nearly all."),
        _(
            "A dense layer on 16 maps of 7x7 costs 7,850. What if the maps are "
            "smaller, or only one number of each is kept?"
        ),
        _(
            "Few channels at first (4 or 8), batch normalisation, pooling, up to 16, "
            "and a global pooling before the last layer; then train with augmentation "
            "and more epochs."
        ),
    ],
)
def small_network(model, valid):
    expect_network(model)
    x, y = expect_split(valid)
    total = expect_small(model, MAX_PARAMETERS)
    y_hat = logits(model, x)
    if y_hat.shape != (len(x), 10):
        reason = _(
            "your network returns the shape {got}; ten logits an image make {wanted}."
        )
        raise NotYet(reason.format(got=tuple(y_hat.shape), wanted=(len(x), 10)))
    accuracy = expect_accuracy(
        y_hat,
        y,
        goal=MIN_ACCURACY,
        almost=0.95,
        chance=0.2,
        total=total,
        hints=_training_hints(),
    )
    return _(
        "{accuracy:.1%} with {total:,} parameters. Try it with half as many. To "
        "compare: on MNIST's test images, a published network of 4,862 reaches 99.07%."
    ).format(accuracy=accuracy, total=total)


def _training_hints() -> list[str]:
    """The hints for a network that is small enough and not yet good enough."""
    return [
        _("The size is fine: it is the training's turn. More epochs are cheap here."),
        _("Try other values of `lr`, such as 0.01 and 0.02, and look at both curves."),
        _(
            "Augmentation with small turns and shifts helps if training is far above "
            "validation; batch norm after each convolution, in any case."
        ),
    ]
