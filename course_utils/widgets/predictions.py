"""What an interactive with a network behind it checks: its samples, the answers."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.locale import _

MOST_SAMPLES = 20
Predict = Callable[[Tensor], Tensor]


def check_samples(function: str, samples) -> None:
    """Raise ValueError, for `function`, unless samples are uint8 (1..20, 28, 28)."""
    tensor = isinstance(samples, Tensor) and samples.dtype == torch.uint8
    shape = tuple(getattr(samples, "shape", ()))
    if not tensor or shape[1:] != (28, 28) or not 1 <= shape[0] <= MOST_SAMPLES:
        message = _(
            "{function}: samples must be a uint8 tensor (n, 28, 28) with n from 1 to "
            "{most}, got {kind} {dtype} {shape}; for a data split: valid.x[:8, 0]."
        )
        dtype = getattr(samples, "dtype", "")
        kind = type(samples).__name__
        raise ValueError(
            message.format(
                function=function,
                most=MOST_SAMPLES,
                kind=kind,
                dtype=dtype,
                shape=shape,
            )
        )


def ask(predict: Predict, seen: Tensor, count: int, scale: str) -> Tensor:
    """The `count` probabilities, float32 on the CPU, that predict answers to `seen`.

    scale: what the numbers of `seen` mean, in words, for the sentence of a failure.
    Raises ValueError, in one sentence, if predict fails or returns no probabilities.
    """
    try:
        with torch.no_grad():
            answer = predict(seen.clone())
    except Exception as error:  # whatever the learner's own function does
        message = _(
            "predict failed with {kind}: {error} (it was given a uint8 tensor of "
            "shape {shape}, {scale})."
        )
        # Of the error its first line, without the full stop that ends the sentence.
        said = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        kind, shape = type(error).__name__, tuple(seen.shape)
        raise ValueError(
            message.format(kind=kind, error=said, shape=shape, scale=scale)
        ) from error
    return _distribution(answer, count)


def _distribution(answer, count: int) -> Tensor:
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
