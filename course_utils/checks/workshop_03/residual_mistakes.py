"""The residual block, and the typical mistakes in its forward pass."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from course_utils.locale import _


def _normalized(bn: nn.BatchNorm2d, maps: Tensor, training: bool) -> Tensor:
    if training:
        mean = maps.mean((0, 2, 3))
        var = maps.var((0, 2, 3), correction=0)
    else:
        mean, var = bn.running_mean, bn.running_var
    mean, var, weight, bias = (
        values.view(-1, 1, 1) for values in (mean, var, bn.weight, bn.bias)
    )
    return weight * (maps - mean) / (var + bn.eps).sqrt() + bias


def _relu(maps: Tensor) -> Tensor:
    return maps.clamp(min=0)


def _nothing(maps: Tensor) -> Tensor:
    return maps


@torch.no_grad()
def forward(
    block: nn.Module,
    x: Tensor,
    *,
    convs: tuple[str, str] = ("conv1", "conv2"),
    norms: tuple[str | None, str | None] = ("bn1", "bn2"),
    middle: Callable = _relu,
    first: Callable = _nothing,
    end: Callable = _nothing,
    short: Callable = lambda path, x, f: path(x),
    join: Callable = lambda f, s: f + s,
    last: Callable = _relu,
    restart: bool = False,
) -> Tensor:
    """The reference on the learner's own weights, with parts to be got wrong.

    middle, end, last: what comes after the first and the second batch norm, and after
    the sum. first: what comes before the first batch norm. restart: whether the second
    convolution takes x again.
    """

    def path(maps):  # on copies of what batch norm would note down
        noted = {name: b.clone() for name, b in block.shortcut.named_buffers()}
        return functional_call(block.shortcut, noted, (maps,))

    def step(name, norm, maps, before):
        conv = getattr(block, name)
        maps = before(F.conv2d(maps, conv.weight, None, conv.stride, 1))
        return maps if not norm else _normalized(getattr(block, norm), maps, training)

    training = block.training
    f = middle(step(convs[0], norms[0], x, first))
    f = end(step(convs[1], norms[1], x if restart else f, _nothing))
    return last(join(f, short(path, x, f)))


def mistakes() -> list[tuple[Callable, str]]:
    """(wrong version, sentence), the version a function of a block and x."""

    def wrong(**parts: object) -> Callable:
        return lambda block, x: forward(block, x, **parts)

    f_only, short_only = (lambda f, s: f), (lambda f, s: s)
    no_shortcut = _("The shortcut is missing: that is a block without a way around.")
    missing = _("{name} is missing: each convolution is followed by its batch norm.")
    twice = _("You use {name} twice: each layer of the block has its turn once.")
    return [
        (
            wrong(end=_relu, last=_nothing),
            _("You apply ReLU to `f` and then add: the sum comes first, and ReLU is "
              "the last thing."),
        ),
        (
            wrong(last=_nothing),
            _("The sum is right, and the last ReLU is missing."),
        ),
        (
            wrong(end=_relu),
            _("There is a ReLU too many: `f` goes into the sum as bn2 leaves it, also "
              "below 0."),
        ),
        (wrong(join=f_only), no_shortcut),
        (
            wrong(join=f_only, last=_nothing),
            _("You return the long path alone: the shortcut and the last ReLU are "
              "missing."),
        ),
        (
            wrong(join=short_only),
            _("You return the shortcut alone: `f` is never used."),
        ),
        (
            wrong(join=short_only, last=_nothing),
            _("You return the shortcut alone: `f` is never used."),
        ),
        (
            wrong(join=lambda f, s: f * s),
            _("You multiply both paths: they are added."),
        ),
        (
            wrong(join=lambda f, s: f * s, last=_nothing),
            _("You multiply both paths: they are added."),
        ),
        (
            wrong(join=lambda f, s: f - s),
            _("You subtract the shortcut: it is added."),
        ),
        (
            wrong(join=lambda f, s: (f + s) / 2),
            _("You average both paths: they are added."),
        ),
        *(
            (
                wrong(join=lambda f, s, d=d: torch.cat([f, s][::d], 1), last=last),
                _("You put both paths side by side, and the channels double. DenseNet "
                  "does that: a residual block adds them, place by place."),
            )
            for d in (1, -1) for last in (_relu, _nothing)
        ),
        *(
            (
                wrong(join=lambda f, s, put=put: put([f, s]), last=last),
                _("You put both paths one behind the other: a residual block adds "
                  "them, place by place."),
            )
            for put in (torch.cat, torch.stack)
            for last in (_relu, _nothing)
        ),
        (
            wrong(middle=_nothing),
            _("There is no ReLU between the two convolutions: without it, both are "
              "worth one."),
        ),
        (
            wrong(middle=_nothing, last=_nothing),
            _("There is no ReLU at all: one goes between the two convolutions, and one "
              "after the sum."),
        ),
        (
            wrong(middle=_nothing, first=_relu),
            _("Your first ReLU comes before bn1: its place is after it."),
        ),
        (wrong(norms=(None, "bn2")), missing.format(name="bn1")),
        (wrong(norms=("bn1", None)), missing.format(name="bn2")),
        (
            wrong(norms=(None, None)),
            _("Both batch norms are missing: each convolution is followed by its own."),
        ),
        (wrong(norms=("bn1", "bn1")), twice.format(name="bn1")),
        (wrong(norms=("bn2", "bn2")), twice.format(name="bn2")),
        (wrong(norms=("bn2", "bn1")), _("Are bn1 and bn2 swapped?")),
        (wrong(convs=("conv1", "conv1")), twice.format(name="conv1")),
        (wrong(convs=("conv2", "conv2")), twice.format(name="conv2")),
        (wrong(convs=("conv2", "conv1")), _("Are conv1 and conv2 swapped?")),
        (
            wrong(restart=True),
            _("conv2 takes x again, and the first line is lost: it goes on from `f`."),
        ),
        (
            wrong(short=lambda path, x, f: path(f)),
            _("The shortcut starts from `f`: it should start from x, what came in."),
        ),
        (
            wrong(short=lambda path, x, f: _relu(path(x))),
            _("You apply ReLU to the shortcut before adding: x goes by untouched, also "
              "where it is negative."),
        ),
        (
            wrong(end=_relu, short=lambda path, x, f: _relu(path(x))),
            _("You apply ReLU to both paths and then add: the sum comes first."),
        ),
        (
            wrong(short=lambda path, x, f: path(x) + path(x)),
            _("The shortcut is added twice."),
        ),
    ]  # fmt: skip
