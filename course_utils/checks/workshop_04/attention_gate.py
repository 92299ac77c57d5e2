"""Exercise: the forward pass of an attention gate."""

import re

import torch
from torch import Tensor, nn

from course_utils.checks import exercise
from course_utils.checks.answers import NotYet, Slip, Stopped, compare
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.checks.workshop_04.attention_mistakes import (
    coefficient_mistakes,
    coefficients,
    output_mistakes,
    weighed,
)
from course_utils.checks.workshop_04.blocks import (
    built,
    describe,
    maps,
    named_slip,
    read,
)
from course_utils.locale import _

LAYERS = ("of_gate", "of_skip", "score")


@exercise(
    "04.attention_gate",
    hints=lambda: _hints(),
    blanks=3,
)
def attention_gate(answer):
    # With as many channels in both, what is swapped gives numbers and not an error.
    alike, other = _built(answer, 4, 4, 3), _built(answer, 5, 3, 2)
    solid = _built(answer, 3, 4, 2, dims=3)
    cases = [
        (alike, maps(2, 4, 5, 6), maps(2, 4, 5, 6) + 0.5),
        (other, maps(1, 5, 4, 3), maps(1, 3, 4, 3)),
        (solid, maps(2, 3, 2, 4, 3), maps(2, 4, 2, 4, 3)),
    ]
    for run, reference, mistakes, hints, what in [
        (_run_alpha, coefficients, coefficient_mistakes(), _hints()[:2], "self.alpha"),
        (_run, weighed, output_mistakes(), _hints()[2:], "forward"),
    ]:
        compare(
            run,
            cases,
            reference,
            [(*named, *hints) for named in mistakes],
            read=read,
            describe=lambda block, gate, skip, what=what: (
                f"`{what}`, {describe(block, gate=gate, skip=skip)}"
            ),
            stop=_named_stop,
            unnamed=_unnamed,
        )
    _expect_gradient(alike, *cases[0][1:])
    return _(
        "Try it: print `alpha.mean()` before any training. What does the gate let "
        "through then, and what would a bias of 5 in `self.score` change?"
    )


def _hints() -> list[str]:
    return [
        _(
            "The gate asks, the skip answers: both are brought to as many channels by "
            "their own 1x1 convolution, so that they can be added place by place."
        ),
        _(
            "`self.score` makes one number a place out of `mixed`; a sigmoid brings it "
            "between 0 and 1. A softmax over one channel would always give 1."
        ),
        _(
            "What comes out is the skip, each place weakened by its coefficient: one "
            "product, which PyTorch spreads over the channels."
        ),
    ]


def _built(
    answer: object, c_gate: int, c_skip: int, c_mid: int, dims: int = 2
) -> nn.Module:
    """The learner's gate, its weights larger, so that no two mistakes look alike."""
    kind, ones = (nn.Conv2d if dims == 2 else nn.Conv3d), (1,) * dims
    layers = {
        "of_gate": (kind, (c_mid, c_gate, *ones)),
        "of_skip": (kind, (c_mid, c_skip, *ones)),
        "score": (kind, (1, c_mid, *ones)),
    }
    gate = built(answer, "AttentionGate", (c_gate, c_skip, c_mid), dims, layers)
    generator = torch.Generator().manual_seed(c_gate)
    with torch.no_grad():
        for values in gate.parameters():
            values.normal_(generator=generator)
    return gate


def _run(block: nn.Module, gate: Tensor, skip: Tensor) -> object:
    return block(gate, skip)


def _run_alpha(block: nn.Module, gate: Tensor, skip: Tensor) -> object:
    """The coefficients, also where what comes after them stops."""
    try:
        result = block(gate, skip)
    except Exception:
        if not isinstance(getattr(block, "alpha", None), Tensor):
            raise
        return block.alpha
    if result is None or result is ...:
        return result
    if getattr(block, "alpha", None) is None:
        raise Slip(
            _(
                "the coefficients are not kept: store them as `self.alpha`, so that "
                "they can be looked at later."
            )
        )
    return block.alpha


def _unnamed(got: list) -> str:
    return _(
        "Go through your lines with the stub's comments: which step is missing, comes "
        "twice or in another place?"
    )


def _expect_gradient(block: nn.Module, gate: Tensor, skip: Tensor) -> None:
    """NotYet if nothing reaches the weights that make the coefficients."""
    result = block(gate, skip)
    if result.requires_grad:
        block.zero_grad()
        result.sum().backward()
    if not result.requires_grad or block.score.weight.grad is None:
        raise NotYet(
            _(
                "no gradient reaches `self.score`, and the gate would never learn: "
                "keep a detached alpha, if you want, but weigh with the other one."
            )
        )


def _named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in the forward pass."""
    if isinstance(stopped.error, Slip):
        return stopped.error
    slip = named_slip(stopped, LAYERS)
    if slip:
        return slip
    text = str(stopped.error)
    told = _("for {case} your code stops.").format(case=stopped.case)
    channels = re.search(r"to have (\d+) channels, but got (\d+)", text)
    if channels:
        reason = _(
            "A convolution for {wanted} channels gets {got}: `self.of_gate` is for the "
            "gate, `self.of_skip` for the skip, and `self.score` for their sum."
        ).format(wanted=channels[1], got=channels[2])
        return NotYet(f"{told} {reason}")
    if "must match the" in text and "mul" in stopped.operation:
        reason = _(
            "What the skip is multiplied by has other channels: one coefficient a "
            "place is meant, which fits any number of them."
        )
        return NotYet(f"{told} {reason}")
    if "must match the" in text:
        reason = _(
            "What meets there has other channels: gate and skip are added after their "
            "own convolutions."
        )
        return NotYet(f"{told} {reason}")
    return plain_tensor_stop(stopped)
