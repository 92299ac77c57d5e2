"""Exercises: the calibration error, and the temperature that makes it smaller."""

import torch
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Slip,
    Stopped,
    any_number,
    compare,
    error_text,
    number,
    same_or_nan,
)
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.checks.workshop_03.calibration_mistakes import (
    best_temperature,
    ece_by_hand,
    ece_mistakes,
    temperature_mistakes,
)
from course_utils.locale import _


@exercise(
    "03.ece",
    hints=lambda: [
        _(
            "In a bin, two numbers are compared: the fraction of its images that the "
            "network gets right, and the mean of the confidence it had in them."
        ),
        _("`right[inside]` and `confidence[inside]` are those of one bin alone."),
        _(
            "How far apart the two are, without a sign, counts as much as the bin has "
            "images: its share of all of them."
        ),
    ],
)
def ece(answer):
    compare(
        answer,
        _ece_cases(),
        ece_by_hand,
        ece_mistakes(),
        read=number,
        describe=_describe_probabilities,
        agree=lambda got, wanted: same_or_nan(got, wanted, abs_tol=1e-4),
        stop=_named_ece_stop,
        unnamed=_of_errors,
    )
    return _("Try it with `bins=1`: which two numbers does it compare then?")


def _of_errors(got: list) -> str:
    """What to add where no mistake is named, about the first wrong value: it is shown.

    got: one outcome a case.
    """
    pairs = zip(got, _ece_cases(), strict=True)
    shown = next(
        e for e, case in pairs if not same_or_nan(e, ece_by_hand(*case), abs_tol=1e-4)
    )
    if isinstance(shown, int | float) and not 0 <= shown <= 1:
        return _("An ECE is never below 0 nor above 1.")
    return ""


def _ece_cases() -> list[tuple]:
    """The first can be done on paper; the third has a confidence of exactly 1."""
    generator = torch.Generator().manual_seed(3)

    def drawn(n: int, classes: int, sharper: float) -> tuple[Tensor, Tensor]:
        logits = 3 * torch.randn(n, classes, generator=generator)
        truth = (sharper * logits).softmax(1)
        y = torch.multinomial(truth, 1, generator=generator)[:, 0]
        return logits.softmax(1), y

    sure = torch.tensor([0.95, 0.92, 0.35, 0.38, 0.55])
    few = (torch.stack([sure, 1 - sure], 1), torch.tensor([0, 1, 1, 1, 0]))
    certain = drawn(60, 24, 0.6)
    certain[0][:3] = torch.eye(24)[:3]  # a confidence of 1, which a softmax reaches
    return [few, (*drawn(80, 3, 1.4), 15), (*certain, 5)]


def _describe_probabilities(probabilities: Tensor, y: Tensor, bins: int = 10) -> str:
    if len(y) > 6:
        shapes = f"`probabilities` {tuple(probabilities.shape)}, `y` {tuple(y.shape)}"
        return f"{shapes}, bins={bins}"
    rows = [", ".join(f"{p:.2f}" for p in row) for row in probabilities.tolist()]
    return f"probabilities=[[{'], ['.join(rows)}]], y={y.tolist()}, bins={bins}"


def _named_ece_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in ece."""
    text, told = error_text(stopped.error), _("your code stops.")
    if stopped.operation == "mean" and "dtype" in text:
        reason = _(
            "True and False have no mean: turn them into numbers with `.float()`."
        )
    elif "must match the" in text or "broadcast shape" in text:
        reason = _(
            "`error` is one number, and each bin adds one: is a mean missing, or "
            "`[inside]` behind one of the two?"
        )
    else:
        return plain_tensor_stop(stopped)
    return Slip(f"{told} {reason}")


@exercise(
    "03.temperature",
    hints=lambda: [
        _(
            "T divides the logits before the softmax: which loss tells how well the "
            "probabilities that come out fit the classes `y`?"
        ),
        _(
            "The optimiser moves `log_t`, the logarithm of T, so that T is always "
            "positive: bring it back from the logarithm where T is needed."
        ),
        _(
            "The loss is the cross-entropy of the divided logits; the function returns "
            "T, not its logarithm."
        ),
    ],
    blanks=2,
)
def temperature(answer):
    compare(
        answer,
        _logit_cases(),
        best_temperature,
        temperature_mistakes(),
        read=any_number,
        describe=_describe_logits,
        agree=lambda got, wanted: same_or_nan(got, wanted, rel_tol=0.025),
        stop=_named_temperature_stop,
        unnamed=_of_temperatures,
    )
    return _("Try it with `10 * logits`: what happens to T, and what to the accuracy?")


def _logit_cases() -> list[tuple[Tensor, Tensor]]:
    """Classes drawn from known probabilities, and the logits of those times a scale."""
    generator = torch.Generator().manual_seed(1)

    def drawn(n: int, classes: int, scale: float) -> tuple[Tensor, Tensor]:
        logits = 2 * torch.randn(n, classes, generator=generator)
        y = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
        return scale * logits, y

    return [drawn(300, 4, 2.5), drawn(300, 5, 0.4), drawn(200, 24, 1.6)]


def _describe_logits(logits: Tensor, y: Tensor) -> str:
    text = _("{n} images of a network that is too sure")
    if best_temperature(logits, y) < 1:
        text = _("{n} images of a network that is not sure enough")
    return text.format(n=len(y))


def _of_temperatures(got: list) -> str:
    """What to add where no mistake is named, from all the temperatures."""
    numbers = [t for t in got if isinstance(t, int | float)]
    if any(t <= 0 for t in numbers):
        return _("A temperature is positive: is it a logarithm that you return?")
    if any(not 1e-3 < t < 1e3 for t in numbers):
        return _(
            "T runs away: which loss becomes smaller and smaller there? Print it in "
            "the closure."
        )
    return _("The tolerance is 2.5%.")


def _named_temperature_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in fit_temperature."""
    text, told = error_text(stopped.error), _("your code stops.")
    if "float()" in text and "NoneType" in text:
        reason = _("`closure` must return the loss: `return loss` is missing.")
    elif isinstance(stopped.error, NameError) and stopped.error.name in ("T", "t"):
        reason = _("There is no `{name}` here: it is `log_t.exp()`.")
        reason = reason.format(name=stopped.error.name)
    elif "no attribute 'backward'" in text and "tuple" in text:
        reason = _("The loss is a pair: the function that computes it is missing.")
    elif "no attribute 'backward'" in text:
        reason = _(
            "The loss is a plain number: leave it a tensor, so that `backward` finds "
            "the way to `log_t`."
        )
    elif "does not require grad" in text:
        reason = _(
            "The loss does not lead back to `log_t`: is it missing there, or cut off "
            "by `.item()`, `.detach()`, `float` or `math`?"
        )
    elif "Can't call numpy()" in text:
        reason = _("That is NumPy's: PyTorch has the same function, and a gradient.")
    elif "created only for scalar" in text:
        reason = _("The loss must be one number, the mean over the images.")
    elif "Boolean value of Tensor" in text:
        reason = _(
            "nn.{layer} is a layer, to be built first and applied later: here the "
            "functions of `F` are meant."
        ).format(layer="CrossEntropyLoss")
    elif stopped.operation in ("cross_entropy", "nll_loss", "mse_loss"):
        reason = _of_loss_functions(stopped.operation, text)
    else:
        return plain_tensor_stop(stopped)
    return Slip(f"{told} {reason}")


def _of_loss_functions(name: str, text: str) -> str:
    if "missing" in text:
        return _(
            "`{name}` compares two things: the logits and the classes `y`."
        ).format(name=name)
    if name == "mse_loss":
        return _("That loss is for numbers: for classes there is the cross-entropy.")
    return _(
        "`{name}` wants the logits (N, K) first and then `y`, the classes as whole "
        "numbers (N,), both as they are."
    ).format(name=name)
