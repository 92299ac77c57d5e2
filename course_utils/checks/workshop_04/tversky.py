"""Exercise: the Tversky index, whose two kinds of error have their own weights."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Slip,
    Stopped,
    call,
    compare,
    error_text,
    same_or_nan,
    tensor,
)
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.checks.workshop_04.tversky_mistakes import (
    by_regions,
    wrong_errors,
    wrong_indices,
)
from course_utils.locale import _


@exercise(
    "04.tversky",
    hints=lambda: _hints(),
    blanks=3,
)
def tversky(answer):
    compare(
        answer,
        _cases(),
        by_regions,
        [
            *((*named, *_hints()[:2]) for named in wrong_errors()),
            *((*named, *_hints()[2:]) for named in wrong_indices()),
        ],
        read=tensor,
        describe=_describe,
        agree=same_or_nan,
        stop=_named_stop,
        unnamed=_of_indices,
    )
    _expect_gradient(answer)
    return _(
        "Try it with both weights at 0.5: which score of before comes back? And which "
        "one with both at 1?"
    )


def _hints() -> list[str]:
    return [
        _(
            "`hits` adds up the probability where there is tumour. What is missed "
            "there is the rest of that probability, up to 1."
        ),
        _(
            "A false alarm is probability where there is no tumour. Both are sums over "
            "the same `axes` as `hits`, so that each region keeps its own."
        ),
        _(
            "Above: the hits and 1. Below: the same, and each kind of error times its "
            "weight, `missed_weight` and `false_weight`."
        ),
    ]


def _cases() -> list[tuple]:
    """The first can be done on paper; the others have an image without tumour, a
    region that nobody has, and weights that do not add up to 1.
    """
    generator = torch.Generator().manual_seed(6)

    def drawn(*shape: int) -> tuple[Tensor, Tensor]:
        target = (torch.rand(shape, generator=generator) < 0.4).float()
        target[-1] = 0
        p = 0.4 * target + 0.6 * torch.rand(shape, generator=generator)
        p[:, 1], target[:, 1] = 0, 0
        return p, target

    p = torch.tensor([0.75, 0.5, 0.5, 1.0]).view(1, 1, 1, 4)
    target = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 1, 4)
    return [
        (p, target),
        drawn(3, 2, 4, 5),
        (*drawn(2, 3, 6, 5), 0.2, 0.9),
        (*drawn(4, 3, 2, 6), 0.5, 0.5),
    ]


def _describe(
    p: Tensor,
    target: Tensor,
    missed_weight: float = 0.7,
    false_weight: float = 0.3,
) -> str:
    told = f"p {tuple(p.shape)}"
    if p.numel() == 4:
        told = f"p={p.flatten().tolist()}, target={target.flatten().tolist()}"
    return f"{told}, missed_weight={missed_weight}, false_weight={false_weight}"


def _of_indices(got: list) -> str:
    """What to add where no mistake is named."""
    found = [part for part in got if isinstance(part, Tensor)]
    if any(part.ndim != 1 for part in found):
        return _("One number for each region is meant: which `axes` do the hits have?")
    if any(part.isnan().any() for part in found):
        return _("Is there a division by zero?")
    if any((part > 1).any() for part in found):
        return _("An index is never above 1: do the errors below count as positive?")
    return ""


def _expect_gradient(answer: Callable) -> None:
    """NotYet if no gradient comes back to p."""
    p, target = _cases()[1]
    p.requires_grad_()
    found = call(lambda: answer(p, target), case=_describe(p, target))  # not a copy
    if not found.requires_grad:
        raise NotYet(
            _(
                "the numbers are right, but no gradient comes back: `.item()`, "
                "`.detach()` and new tensors made of numbers cut it off."
            )
        )


def _named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in tversky_index."""
    text, told = error_text(stopped.error), _("your code stops.")
    if "bitwise" in text or "unary ~" in text or "operator.invert" in text:
        reason = _(
            "`~`, `&` and `|` are for masks of True and False. Here target holds the "
            "numbers 0 and 1: what turns one into the other?"
        )
        return Slip(f"{told} {reason}")
    return plain_tensor_stop(stopped)
