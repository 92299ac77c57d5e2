"""What the open exercises share: judge a trained network that has to be small.

`expect_network`, `expect_split` and `expect_small` look at what the learner passes;
`logits` runs the network; `expect_accuracy` compares it with the goal.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_utils.checks.answers import Almost, NotYet, Slip, call, tensor
from course_utils.history import History
from course_utils.locale import _
from course_utils.modes import eval_mode


def expect_network(model: object) -> None:
    """Slip unless `model` is a network."""
    if isinstance(model, History):
        raise Slip(
            _(
                "`fit` trains the network in place and returns the record of the "
                "training: do not store what it returns in `small`."
            )
        )
    if not isinstance(model, nn.Module):
        reason = _("model must be a network (torch.nn.Module), and it is a {kind}.")
        raise Slip(reason.format(kind=type(model).__name__))


def expect_split(valid: object) -> tuple[Tensor, Tensor]:
    """(x, y) of `valid`, as many images as labels; Slip otherwise."""
    if not isinstance(valid, tuple | list) or len(valid) != 2:
        raise Slip(_("valid must be a pair (x, y) of images and labels."))
    x, y = valid
    if not isinstance(x, Tensor) or not isinstance(y, Tensor) or x.shape[:1] != y.shape:
        raise Slip(_("valid must be two tensors, as many images as labels."))
    if not x.is_floating_point():
        raise Slip(
            _(
                "valid holds pixels of type {kind}: normalise them as in training."
            ).format(kind=str(x.dtype).removeprefix("torch."))
        )
    if len(x) == 0:
        raise Slip(_("valid is empty."))
    return x, y


def expect_small(model: nn.Module, limit: int) -> int:
    """The number of parameters of `model`; NotYet if they are more than `limit`."""
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    total = sum(sizes.values())
    if total > limit:
        largest = max(sizes, key=sizes.get)
        raise NotYet(
            _(
                "your network has {total:,} parameters, {over:,} too many. The largest "
                "part is {name}, with {n:,}."
            ).format(
                total=total,
                over=total - limit,
                name=f"`{largest}`",
                n=sizes[largest],
            )
        )
    return total


def logits(model: nn.Module, x: Tensor) -> Tensor:
    """What `model` returns for x in eval mode, on the CPU; its modes are left as were.

    Raises Stopped or Slip as `call` and `tensor` do; the shape is not looked at.
    """
    place = next((p.device for p in model.parameters()), x.device)
    case = _("x of shape {shape}").format(shape=tuple(x.shape))
    with torch.no_grad(), eval_mode(model):
        parts = [
            tensor(call(model, part.to(place), case=case)) for part in x.split(500)
        ]
    return torch.cat(parts).cpu()


def expect_accuracy(
    y_hat: Tensor,
    y: Tensor,
    *,
    goal: float,
    almost: float,
    chance: float,
    total: int,
    hints: Sequence[str],
) -> float:
    """The accuracy 0..1 of the logits y_hat (N, K), if it reaches `goal`.

    almost, chance: accuracies from which on it is Almost, and below which nothing was
    learnt. total: the network's parameters. hints: those for a network not yet good
    enough. Raises NotYet, Almost or Slip otherwise.
    """
    if not y_hat.isfinite().all():
        raise NotYet(
            _("your network returns nan or inf: was the learning rate too high?")
        )
    accuracy = (y_hat.argmax(1) == y.cpu()).double().mean().item()
    if accuracy >= goal:
        return accuracy
    told = _(
        "it reaches {accuracy:.1%} with {total:,} parameters; {gap:.1f} points to go."
    )
    # Never rounded up to the goal: 96.96 % must not read as 97.0 %.
    told = told.format(
        accuracy=math.floor(1000 * accuracy + 1e-9) / 1000,
        total=total,
        gap=max(0.1, 100 * (goal - accuracy)),
    )
    if accuracy < chance:
        reason = _(
            "That is what chance gives: call `fit(small, train, valid, ...)` before "
            "the check."
        )
        raise Slip(f"{told} {reason}")
    failure = Almost if accuracy >= almost else NotYet
    raise failure(told, hints)
