"""The attention gate, and the typical mistakes in its forward pass."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils.locale import _


def _conv(layer: nn.Module, values: Tensor) -> Tensor:
    """A 1x1 convolution, which is a product of matrices place by place."""
    out = torch.einsum("oc,nc...->no...", layer.weight.flatten(1), values)
    if layer.bias is None:
        return out
    return out + layer.bias.view(-1, *[1] * (values.ndim - 2))


def _relu(values: Tensor) -> Tensor:
    return values.clamp(min=0)


@torch.no_grad()
def coefficients(
    block: nn.Module,
    gate: Tensor,
    skip: Tensor,
    *,
    join: Callable = lambda g, s: g + s,
    middle: Callable = _relu,
    last: Callable = torch.sigmoid,
) -> Tensor:
    """The reference of the coefficients, with parts to be got wrong."""
    g, s = _conv(block.of_gate, gate), _conv(block.of_skip, skip)
    return last(_conv(block.score, middle(join(g, s))))


def weighed(block: nn.Module, gate: Tensor, skip: Tensor) -> Tensor:
    return torch.einsum("no...,nc...->nc...", coefficients(block, gate, skip), skip)


def coefficient_mistakes() -> list[tuple[Callable, str]]:
    """(wrong coefficients, sentence)"""

    def wrong(**parts: Callable) -> Callable:
        return lambda block, gate, skip: coefficients(block, gate, skip, **parts)

    def nothing(values: Tensor) -> Tensor:
        return values

    shared = _(
        "That shares one attention out among the places, so that they add up to 1: "
        "here each has its own, from 0 to 1."
    )
    no_sigmoid = _(
        "The sigmoid is missing: the coefficients lie below 0 and above 1, too."
    )
    early = _("The sigmoid comes before `self.score`: it belongs after it.")
    return [
        (
            wrong(last=torch.ones_like),
            _("All coefficients are 1: a softmax over a single channel always is, and "
              "the gate stands open."),
        ),
        (wrong(last=nothing), no_sigmoid),
        (wrong(last=_relu), no_sigmoid),
        (
            wrong(last=lambda a: a.clamp(0, 1)),
            _("You cut off below 0 and above 1, where no gradient is left: a sigmoid "
              "is meant."),
        ),
        (
            wrong(last=torch.tanh),
            _("`tanh` goes from -1 to 1: a coefficient goes from 0 to 1."),
        ),
        *(
            (wrong(last=lambda a, dims=dims: _softmax(a, dims)), shared)
            for dims in ((2,), (3,), (-1,), None)
        ),
        (wrong(middle=torch.sigmoid, last=nothing), early),
        (wrong(middle=lambda m: _relu(m).sigmoid(), last=nothing), early),
        (
            wrong(middle=torch.sigmoid),
            _("There is a sigmoid in the place of the ReLU."),
        ),
        (wrong(middle=lambda m: _relu(m).sigmoid()),
         _("There are two sigmoids: one, after `self.score`, is enough.")),
        (
            wrong(middle=nothing),
            _("The ReLU is missing: without it all is one linear layer, and gate and "
              "skip cannot agree on a place."),
        ),
        (
            wrong(middle=nothing, last=nothing),
            _("ReLU and sigmoid are missing, one before `self.score` and one after."),
        ),
        (
            wrong(join=lambda g, s: _relu(g) + _relu(s)),
            _("You apply ReLU to each of the two and then add: the sum comes first."),
        ),
        (
            wrong(last=lambda a: _relu(a).sigmoid()),
            _("There is a ReLU after `self.score`: no coefficient can be below one "
              "half."),
        ),
        (
            wrong(middle=nothing, last=lambda a: _relu(a).sigmoid()),
            _("The ReLU comes after `self.score`: it belongs before."),
        ),
        (
            wrong(join=lambda g, s: g * s),
            _("You multiply gate and skip: they are added."),
        ),
        (
            wrong(join=lambda g, s: g - s),
            _("You subtract one from the other: they are added."),
        ),
        (wrong(join=lambda g, s: g), _("The skip is missing in the sum.")),
        (wrong(join=lambda g, s: s), _("The gate is missing in the sum.")),
        (
            lambda block, gate, skip: coefficients(block, skip, gate),
            _("gate and skip are swapped: each has its own convolution."),
        ),
        *(
            (lambda block, gate, skip, part=part: torch.Size(
                [len(gate), part(block), *gate.shape[2:]]),
             _("One number a place is meant: `self.score` makes it out of all the "
               "channels."))
            for part in (lambda block: block.score.weight.shape[1],
                         lambda block: block.of_skip.weight.shape[1])
        ),
    ]  # fmt: skip


def _softmax(a: Tensor, dims: tuple[int] | None) -> Tensor:
    if dims is None:
        return a.flatten(2).softmax(2).view(a.shape)
    return a.softmax(dims[0])


def output_mistakes() -> list[tuple[Callable, str]]:
    """(wrong output, sentence), of right coefficients."""

    def wrong(formula: Callable) -> Callable:
        return lambda block, gate, skip: formula(
            coefficients(block, gate, skip), gate, skip
        )

    return [
        (
            wrong(lambda a, gate, skip: a),
            _("You return the coefficients: what they weigh is meant."),
        ),
        (
            wrong(lambda a, gate, skip: a * gate),
            _("You weigh the gate: it is the skip that goes on."),
        ),
        (
            wrong(lambda a, gate, skip: a + skip),
            _("You add the coefficients: they multiply, so that 0 shuts a place."),
        ),
        (
            wrong(lambda a, gate, skip: (1 - a) * skip),
            _("The gate is turned around: where alpha is 1, the skip passes."),
        ),
        (
            wrong(lambda a, gate, skip: skip + a * skip),
            _("The skip passes anyway, and is added to itself: the product alone is "
              "meant."),
        ),
        (wrong(lambda a, gate, skip: skip), _("The skip passes untouched.")),
        (wrong(lambda a, gate, skip: gate), _("You return the gate.")),
        (
            wrong(lambda a, gate, skip: a * skip + gate),
            _("The gate is added: it only asks, and goes its own way."),
        ),
        (
            wrong(lambda a, gate, skip: a * (skip + gate)),
            _("The gate is added: it only asks, and goes its own way."),
        ),
        (
            wrong(lambda a, gate, skip: torch.cat([a * skip, gate], 1)),
            _("The gate lies beside it: that comes later, in the block of the "
              "decoder."),
        ),
        (
            wrong(lambda a, gate, skip: _relu(a * skip)),
            _("There is a ReLU at the end: the skip keeps its sign."),
        ),
        (
            wrong(lambda a, gate, skip: (a * skip).sigmoid()),
            _("There is a sigmoid at the end: it belongs to alpha."),
        ),
        (
            wrong(lambda a, gate, skip: (a > 0.5) * skip),
            _("You let a place pass or not: a coefficient also lets half of it pass."),
        ),
    ]  # fmt: skip
