"""Exercises: parameters and receptive field, on paper."""

import math
from collections.abc import Callable

from torch import nn

from course_utils.checks import exercise
from course_utils.checks.answers import (
    call,
    call_text,
    compare,
    expect_callable,
    number,
)
from course_utils.checks.source import uses_operator
from course_utils.locale import _


@exercise(
    "02.conv_parameters",
    hints=lambda: [
        _(
            "How many numbers are there in one single filter? It looks at every "
            "channel."
        ),
        _("A filter is a block of c_in x kernel x kernel weights. How many filters?"),
        _("Each filter gives one output channel, and has one bias of its own, if any."),
    ],
)
def conv_parameters(answer):
    def count(c_in, c_out, kernel, bias=True):
        layer = nn.Conv2d(c_in, c_out, kernel, bias=bias, device="meta")
        return sum(p.numel() for p in layer.parameters())

    expect_callable(answer)
    given = {
        number(call(answer, *case, case="c_in={}, c_out={}, kernel={}".format(*case)))
        for case in [(1, 6, 5), (3, 8, 3)]
    }
    alike = _(
        "You always give the same number, that of one layer: write it with the "
        "arguments."
    )
    power = _("In Python a power is written `**`; `^` is something else.")
    mistakes = [
        # The answer explains itself, so that this is told before anything else.
        *([(answer, power)] if uses_operator(answer, "^") else []),
        *([(answer, alike)] if len(given) == 1 else []),
        (
            lambda i, o, k, b=True: o * i * k * k,
            _("The biases are missing: with bias=True each filter adds one."),
        ),
        (
            lambda i, o, k, b=True: o * i * k * k + o,
            _("You count biases also when bias=False."),
        ),
        (
            lambda i, o, k, b=True: o * i * (k * k + b),
            _("You give a bias to each slice of the kernel: there is one per filter, "
              "added when all input channels are summed."),
        ),
        (
            lambda i, o, k, b=True: o * i * k * k * (1 + b),
            _("You give a bias to each weight: there is one per filter."),
        ),
        (
            lambda i, o, k, b=True: o * i * k * k + b,
            _("You add a single bias: how many filters are there, each with its own?"),
        ),
        (
            lambda i, o, k, b=True: o * i * k * k + b * i,
            _("You count one bias per input channel, and it belongs to the output: are "
              "c_in and c_out swapped?"),
        ),
        (
            lambda i, o, k, b=True: o * (k * k + b),
            _("The input channels are missing: a filter has weights for each of them."),
        ),
        (
            lambda i, o, k, b=True: i * k * k + b,
            _("That is one filter: how many are there?"),
        ),
        (
            lambda i, o, k, b=True: o * (i * k + b),
            _("The kernel is a square: how many weights are there in one of side 3?"),
        ),
        (
            lambda i, o, k, b=True: o * (i * k * 2 + b),
            _("Squared is not doubled: how many weights are there in one of side 5?"),
        ),
    ]  # fmt: skip
    compare(
        answer,
        [(1, 6, 5), (3, 8, 3), (8, 16, 3), (8, 16, 3, False), (16, 32, 1), (3, 4, 7)],
        count,
        mistakes,
        read=number,
        describe=call_text("c_in", "c_out", "kernel", "bias=True"),
    )
    return _(
        "Try it with the 3x3 layer of VGG from 512 to 512 channels. How many would a "
        "dense layer between the same maps, of 14x14, have?"
    )


@exercise(
    "02.receptive_field",
    hints=lambda: [
        _("Without layers, a pixel sees itself: begin with 1."),
        _("A kernel of 3 adds two neighbours, a kernel of 5 adds four."),
        _(
            "After a stride of 2, neighbours are two pixels of the image apart: keep "
            "that distance in a second variable, and update it after each layer."
        ),
    ],
    blanks=2,
)
def receptive_field(answer):
    def field(layers):  # from the last layer back to the image
        size = 1
        for kernel, stride in reversed(layers):
            size = (size - 1) * stride + kernel
        return size

    mistakes = [
        (
            lambda layers: sum(k for k, s in layers),
            _("You add up the kernels: two layers of 3 share their middle, and see 5."),
        ),
        (
            lambda layers: 1 + sum(k - 1 for k, s in layers),
            _("You ignore the strides: after one of 2, each step is worth two pixels."),
        ),
        (
            lambda layers: _field(layers, add=lambda k: k),
            _("Of each kernel one pixel was there already: how many does it add?"),
        ),
        (
            lambda layers: _field(layers, add=lambda k: k, start=0),
            _("The steps are right, but each kernel counts a pixel that was there "
              "already."),
        ),
        (
            lambda layers: _field(layers, start=0),
            _("One pixel is missing: before any layer, how much is seen?"),
        ),
        (
            lambda layers: _field(layers, own_stride=True),
            _("A layer's stride spreads the layers after it, not its own kernel: when "
              "do you multiply?"),
        ),
        (
            lambda layers: _field(layers[::-1]),
            _("You go through the layers in the wrong direction."),
        ),
        (
            lambda layers: _field(layers, spread=lambda jump, stride: stride),
            _("You keep only the last stride: the strides of all earlier layers "
              "multiply each other."),
        ),
        (
            lambda layers: _field(layers, spread=lambda jump, stride: jump + stride),
            _("You add the strides: two of 2 make steps of what length?"),
        ),
        (
            lambda layers: math.prod(k for k, s in layers),
            _("You multiply the kernels: the field grows by adding."),
        ),
        (
            _last,
            _("Each layer starts from nothing: do you add to what `field` already "
              "was?"),
        ),
        (
            lambda layers: 1 + _last(layers),
            _("Each layer starts again from 1: do you add to what `field` already "
              "was?"),
        ),
        (
            lambda layers: _field(layers[:1]),
            _("Only the first layer counts: is the `return` inside the loop?"),
        ),
        (
            lambda layers: 1 + sum((k - 1) * s for k, s in layers),
            _("You use each layer's own stride: what counts is `jump`, the product of "
              "those before it."),
        ),
        (
            lambda layers: math.prod(s for k, s in layers),
            _("That is `jump`, the distance between neighbours: `field` is asked for."),
        ),
    ]  # fmt: skip
    compare(
        answer,
        [
            ([(3, 1)],),
            ([(3, 1), (3, 1)],),
            ([(5, 1), (2, 2)],),
            ([(3, 2), (5, 1)],),
            ([(5, 1), (2, 2), (5, 1), (2, 2)],),
            ([(3, 2), (3, 2), (5, 3), (3, 1)],),
        ],
        field,
        mistakes,
        read=number,
        describe=call_text("layers"),
    )
    return _("Try it with twelve 3x3 layers of stride 1: do they see a digit of 28x28?")


def _last(layers: list) -> int:
    """What the last layer alone adds to the field."""
    return _field(layers) - _field(layers[:-1])


def _field(
    layers: list,
    *,
    start: int = 1,
    add: Callable = lambda kernel: kernel - 1,
    spread: Callable = lambda jump, stride: jump * stride,
    own_stride: bool = False,
) -> int:
    """The receptive field from the image on, with a part to be got wrong."""
    size, jump = start, 1
    for kernel, stride in layers:
        after = spread(jump, stride)
        size += add(kernel) * (after if own_stride else jump)
        jump = after
    return size
