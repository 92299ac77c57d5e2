"""Exercise: the 24 letters with at most 100,000 parameters."""

import torch
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import Slip
from course_utils.checks.small_network import (
    expect_accuracy,
    expect_network,
    expect_small,
    expect_split,
    logits,
)
from course_utils.locale import _

MAX_PARAMETERS = 100_000
MIN_ACCURACY = 0.78
LETTERS = 24
LEAST_IMAGES = 100


@exercise(
    "03.small_sign_network",
    hints=lambda: [
        _("Where are the parameters? Count them layer by layer; one takes nearly all."),
        _(
            "A 3x3 convolution from 128 to 128 maps costs 147,456 by itself, and a "
            "dense layer on 64 maps of 7x7 costs 75,288: halve the width."
        ),
        _(
            "Residual blocks of 16, 32 and 64 maps, one of each, and a global pooling "
            "before the last layer stay below 100,000."
        ),
    ],
)
def small_sign_network(model, valid):
    expect_network(model)
    x, y = expect_split(valid)
    _expect_letters(y)
    if len(x) < LEAST_IMAGES:
        reason = _(
            "valid holds {n} images: too few to judge a network. Pass the whole "
            "validation part, {least} or more."
        )
        raise Slip(reason.format(n=len(x), least=LEAST_IMAGES))
    total = expect_small(model, MAX_PARAMETERS)
    y_hat = logits(model, x)
    if y_hat.shape != (len(x), LETTERS):
        reason = _(
            "your network returns the shape {got}; 24 logits an image make {wanted}."
        ).format(got=tuple(y_hat.shape), wanted=(len(x), LETTERS))
        if y_hat.shape in ((len(x), 25), (len(x), 26)):
            more = _("J and Z move and are in no photo: 24 letters are left.")
            reason = f"{reason} {more}"
        raise Slip(reason)
    accuracy = expect_accuracy(
        y_hat,
        y,
        goal=MIN_ACCURACY,
        almost=MIN_ACCURACY - 0.03,
        chance=0.1,
        total=total,
        hints=_training_hints(x),
    )
    if accuracy == 1:  # of photos never seen, that is too good to be true
        return _(
            "{accuracy:.1%} with {total:,} parameters. Is that `valid`, and not what "
            "the network saw?"
        ).format(accuracy=accuracy, total=total)
    return _(
        "{accuracy:.1%} with {total:,} parameters. Try it with half as many; and in "
        "the end ask the test part, once."
    ).format(accuracy=accuracy, total=total)


def _expect_letters(y: Tensor) -> None:
    """Slip unless y holds numbers of classes, 0..23."""
    if y.is_floating_point() or y.dtype == torch.bool:
        reason = _("the labels of valid are of type {kind}: here they are whole.")
        raise Slip(reason.format(kind=str(y.dtype).removeprefix("torch.")))
    if y.min() < 0 or y.max() >= LETTERS:
        raise Slip(
            _(
                "the labels of valid go from {low} to {high}, and those of the 24 "
                "letters from 0 to 23: are they the file's, which skip the 9?"
            ).format(low=y.min().item(), high=y.max().item())
        )


def _training_hints(x: Tensor) -> list[str]:
    """The hints for a network that is small enough and not yet good enough."""
    hints = [
        _(
            "The size is fine: it is the training's turn. Is training far above "
            "validation? Then your augmentation has to work harder."
        ),
        _(
            "There are few photos, and each has many copies: what counts are turns, "
            "shifts, zooms and lights that the copies do not show."
        ),
        _(
            "More epochs, since a small network is cheap; batch norm after each "
            "convolution; and other values of `lr`, looking at both curves."
        ),
    ]
    if x.min() >= 0:  # normalised images have a mean of 0
        raw = _(
            "The pixels of valid are never negative: did they pass through "
            "`normalize`, in validation as in training?"
        )
        return [raw, *hints[:2]]
    return hints
