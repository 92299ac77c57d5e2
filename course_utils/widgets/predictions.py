"""What a network behind an interactive may answer, checked before it is shown."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.locale import _

Predict = Callable[[Tensor], Tensor]


def first_line(error: Exception) -> str:
    """What an error says, without the lines that follow and without a full stop."""
    return (str(error).strip().splitlines() or [""])[0].rstrip(".")


def probabilities(answer, count: int) -> Tensor:
    """`answer` as float32 (count,) on the CPU; ValueError if it is no distribution."""
    if not isinstance(answer, Tensor):
        raise ValueError(
            _(
                "predict returned {kind}; it must return a tensor of {count} "
                "probabilities."
            ).format(kind=type(answer).__name__, count=count)
        )
    if answer.shape != (count,):
        message = _(
            "predict returned the shape {shape}; expected ({count},), one probability "
            "a class. If it is a batch of one, take its first row: [0]."
        )
        raise ValueError(message.format(shape=tuple(answer.shape), count=count))
    values = answer.detach().to("cpu", torch.float32)
    if not values.isfinite().all():
        raise ValueError(
            _("predict returned values that are not finite (NaN or infinity).")
        )
    total = values.sum().item()
    if values.min() < 0 or abs(total - 1) > 0.01:  # bfloat16 rounds by up to 0.004
        message = _(
            "predict returned no probabilities: the smallest is {low:.2f} and they add "
            "up to {total:.2f}. If these are logits, apply softmax(dim=-1) first."
        )
        raise ValueError(message.format(low=values.min().item(), total=total))
    return values
