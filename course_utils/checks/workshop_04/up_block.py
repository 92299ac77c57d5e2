"""Exercise: the forward pass of one level of the decoder."""

import copy
import re
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.checks import exercise
from course_utils.checks.answers import Almost, NotYet, Stopped, compare
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.checks.workshop_04.blocks import (
    built,
    describe,
    maps,
    named_slip,
    read,
)
from course_utils.locale import _

Case = tuple[nn.Module, Tensor, Tensor]


@exercise(
    "04.up_block",
    hints=lambda: [
        _(
            "x comes from below, small and with many channels; skip comes from the "
            "encoder, twice as large. What must happen to x before they can meet?"
        ),
        _(
            "The maps are laid side by side, not added: `torch.cat` takes a list and "
            "the dimension in which they are joined. Channels are dimension 1."
        ),
        _(
            "Three lines, three steps: `self.up` makes x larger, the skip goes first "
            "in the list and x second, and `self.conv` mixes both."
        ),
    ],
    blanks=3,
)
def up_block(answer):
    # With as many channels in both, a wrong order gives numbers and not an error.
    alike, other = _built(answer, 6, 4, 4), _built(answer, 6, 3, 5)
    solid = _built(answer, 4, 3, 3, dims=3)
    cases = [
        (alike, maps(2, 6, 3, 4), maps(2, 4, 6, 8)),
        (other, maps(1, 6, 4, 2), maps(1, 3, 8, 4)),
        (solid, maps(1, 4, 2, 3, 4), maps(1, 3, 4, 6, 8)),
    ]
    try:
        compare(
            lambda block, x, skip: block(x, skip),
            cases,
            _forward,
            _mistakes(),
            read=read,
            describe=lambda block, x, skip: describe(block, x=x, skip=skip),
            stop=lambda stopped: _named_stop(stopped, cases),
            unnamed=lambda got: _(
                "Go through your lines with the stub's comments: which step is "
                "missing, comes twice or in another place?"
            ),
        )
    except NotYet as error:
        if str(error).endswith(_other_order()):  # as good, with other weights
            raise Almost(str(error)) from None
        raise
    if not alike(*cases[0][1:]).requires_grad:
        raise NotYet(_("no gradient comes back through your block: what cuts it off?"))
    return _(
        "Try it: which of the weights in `self.conv` read the skip? Set them to 0, and "
        "you have a decoder without skip connections."
    )


def _built(
    answer: object, c_in: int, c_skip: int, c_out: int, dims: int = 2
) -> nn.Module:
    kind = nn.ConvTranspose2d if dims == 2 else nn.ConvTranspose3d
    side, side_of_2 = (4,) * dims, (2,) * dims
    wanted = (c_in, c_out, *side_of_2), (c_out,)

    def mixes(conv: nn.Module) -> bool:
        x = maps(2, c_out + c_skip, *side)
        return copy.deepcopy(conv).eval()(x).shape == (2, c_out, *side)

    def doubles(up: nn.Module) -> bool:
        good = up.stride == side_of_2 and up.padding == (0,) * dims
        shapes = up.weight.shape, up.bias.shape
        return isinstance(up, kind) and good and shapes == wanted

    layers = {"up": doubles, "conv": mixes}
    return built(answer, "UpBlock", (c_in, c_skip, c_out), dims, layers)


def _up(block: nn.Module, x: Tensor) -> Tensor:
    """The transposed convolution: each place becomes a small block of its own."""
    weight, sides = block.up.weight, [2 * side for side in x.shape[2:]]
    if x.ndim == 4:
        blocks = torch.einsum("nihw,ioab->nohawb", x, weight)
    else:
        blocks = torch.einsum("nidhw,ioabc->nodahbwc", x, weight)
    maps = blocks.reshape(len(x), -1, *sides)
    return maps + block.up.bias.view(-1, *[1] * len(sides))


@torch.no_grad()
def _forward(
    block: nn.Module,
    x: Tensor,
    skip: Tensor,
    *,
    after_up: Callable = lambda up: up,
    join: Callable = lambda up, skip: torch.cat([skip, up], 1),
    last: Callable = lambda block, joined: block.conv(joined),
) -> Tensor:
    """The reference on the learner's own weights, with parts to be got wrong."""
    return last(block, join(after_up(_up(block, x)), skip))


def _other_order() -> str:
    return _(
        "The channels of x come first: the skip goes before them, or saved weights "
        "would meet the wrong maps."
    )


def _mistakes() -> list[tuple[Callable, str]]:
    """(wrong version, sentence), the version a function of a block, x and skip."""

    def wrong(**parts: object) -> Callable:
        return lambda block, x, skip: _forward(block, x, skip, **parts)

    def unmixed(join: Callable) -> Callable:
        return wrong(join=join, last=lambda block, joined: joined)

    no_conv = _("`self.conv` is missing: it mixes what lies side by side.")
    lost = _("You return the enlarged x alone: the skip and `self.conv` are missing.")
    added = _(
        "You return the sum of x and skip: a U-Net lays them side by side, and lets "
        "`self.conv` mix them."
    )
    return [
        (wrong(join=lambda up, skip: torch.cat([up, skip], 1)), _other_order()),
        (unmixed(lambda up, skip: torch.cat([skip, up], 1)), no_conv),
        (unmixed(lambda up, skip: torch.cat([up, skip], 1)), no_conv),
        (unmixed(lambda up, skip: up), lost),
        (unmixed(lambda up, skip: up + skip), added),
        (unmixed(lambda up, skip: skip), _("You return the skip: x is never used.")),
        (
            wrong(join=lambda up, skip: torch.cat([skip, skip], 1)),
            _("The skip lies beside itself, and x is lost."),
        ),
        (
            wrong(join=lambda up, skip: torch.cat([up, up], 1)),
            _("x lies beside itself, and the skip is lost."),
        ),
        (
            wrong(after_up=F.relu),
            _("There is a ReLU too many: what `self.up` gives goes on as it is."),
        ),
        (
            wrong(join=lambda up, skip: F.relu(torch.cat([skip, up], 1))),
            _("There is a ReLU too many, before `self.conv`, which has its own."),
        ),
        (
            wrong(last=lambda block, joined: block.conv(joined).sigmoid()),
            _("There is a sigmoid at the end: it comes once, after the last layer of "
              "the network."),
        ),
    ]  # fmt: skip


def _named_stop(stopped: Stopped, cases: list[Case]) -> NotYet | None:
    """What to say of an error in the forward pass."""
    slip = named_slip(stopped, ("up", "conv"))
    if slip:
        return slip
    text = str(stopped.error)
    told = _("for {case} your code stops.").format(case=stopped.case)
    channels = re.search(r"to have (\d+) channels, but got (\d+)", text)
    sizes = re.search(r"Expected size (\d+) but got size (\d+)", text)
    if channels and "transpose" in stopped.operation:
        reason = _(
            "`self.up` is for {wanted} channels and gets {got}: it enlarges x, and x "
            "alone, once."
        ).format(wanted=channels[1], got=channels[2])
    elif channels:
        reason = _("`self.conv` is for {wanted} channels and gets {got}.")
        reason = reason.format(wanted=channels[1], got=channels[2])
        reason = f"{reason} {_of_conv(stopped.operands[0], cases)}"
    elif sizes:
        reason = _(
            "Maps of side {a} do not fit beside maps of side {b}: has x been enlarged "
            "just once, and the skip not at all?"
        ).format(a=sizes[1], b=sizes[2])
    elif re.search(r"Expected (3D|4D)", text):
        reason = _("`torch.stack` makes a new dimension: the channels are joined.")
    else:
        return plain_tensor_stop(stopped)
    return NotYet(f"{told} {reason}")


def _of_conv(given: object, cases: list[Case]) -> str:
    """A sentence for what `self.conv` was given instead of skip and x, side by side."""
    for block, x, skip in cases:
        for wrong, text in _wrong_for_conv(block, x, skip):
            alike = isinstance(given, Tensor) and given.shape == wrong.shape
            if alike and torch.allclose(given, wrong, atol=1e-4):
                return text
        channels, *sides = x.shape[1] + skip.shape[1], *skip.shape[2:]
        if getattr(given, "shape", ()) == (len(x), channels, *sides):
            return _(
                "x still has all its channels: `self.up` enlarges it and brings them "
                "down."
            )
    return _("They are the channels of skip and x together.")


@torch.no_grad()
def _wrong_for_conv(
    block: nn.Module, x: Tensor, skip: Tensor
) -> list[tuple[Tensor, str]]:
    up = _up(block, x)
    known = [
        (up, _("That is x alone: the skip is missing beside it.")),
        (skip, _("That is the skip alone: x is missing beside it.")),
        (_forward(block, x, skip), _("`self.conv` comes twice.")),
    ]
    if up.shape != skip.shape:
        return known
    behind = _(
        "x and skip lie one behind the other, as more images: the channels are "
        "dimension 1."
    )
    along = _(
        "x and skip are joined along a side of the picture: the channels are dimension "
        "1."
    )
    known += [
        (up + skip, _("You add x and skip: they are laid side by side.")),
        (up * skip, _("You multiply x and skip: they are laid side by side.")),
    ]
    for pair in ([skip, up], [up, skip]):
        known.append((torch.cat(pair, 0), behind))
        known += [(torch.cat(pair, dim), along) for dim in range(2, up.ndim)]
    return known
