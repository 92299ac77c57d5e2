"""Exercise: a step of gradient descent, in PyTorch."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import (
    Almost,
    NotYet,
    Slip,
    Stopped,
    call,
    difference,
    error_text,
    expect_callable,
    same,
)
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.locale import _


@exercise(
    "01.sgd_step",
    hints=lambda: [*_step_hints(), _clearing_hint()],
    blanks=2,
)
def sgd_step(answer):
    expect_callable(answer)
    for lr in (0.1, 0.5):
        before = _parameters()
        case = _("{n} parameters and lr={lr}").format(n=len(before), lr=lr)
        try:
            after = call(_step_of(answer), before, lr, case=case)
        except Stopped as stopped:
            named = _named_step_stop(stopped) or plain_tensor_stop(stopped)
            raise named or stopped from None
        _expect_step(before, after, lr, _uses_numpy(answer))
    return _("Try it with lr=10 in the training loop: predict first what will happen.")


def _step_hints() -> list[str]:
    return [
        _("Downhill: each parameter moves against its own gradient, `p.grad`."),
        _(
            "The step is the gradient, shortened by the learning rate. `-=` changes "
            "the tensor itself; `p = ...` only gives its name to another one."
        ),
    ]


def _clearing_hint() -> str:
    return _(
        "`backward` adds to the gradient that it finds: after the step there must be "
        "none, or zeros."
    )


def _parameters() -> list[Tensor]:
    """Three leaves with their gradients, none of them like another."""
    generator = torch.Generator().manual_seed(4)
    parameters = []
    for shape in [(2, 3), (3,), (3, 1)]:
        leaf = torch.randn(shape, generator=generator).requires_grad_()
        leaf.grad = torch.randn(shape, generator=generator)
        parameters.append(leaf)
    return parameters


def _step_of(answer: Callable) -> Callable:
    """The answer, returning the tensors that it was given and not what it returns."""

    def step(parameters: list[Tensor], lr: float) -> list[Tensor]:
        kept = list(parameters)
        answer(parameters, lr)
        return kept

    return step


def _named_step_stop(stopped: Stopped) -> Slip | None:
    """What to say of an error in sgd_step."""
    text, kind = error_text(stopped.error), type(stopped.error)
    if kind is RuntimeError and "leaf" in text:
        reason = _(
            "A parameter can be changed in place only inside `with torch.no_grad():`."
        )
    elif kind in (TypeError, AttributeError) and "NoneType" in text:
        reason = _("The gradient is already gone: use it first, clear it afterwards.")
    elif kind is TypeError and "assigned grad" in text:
        reason = _("`p.grad` holds a tensor, or None where there is no gradient.")
    else:
        return None
    told = _("for {case} your code stops.").format(case=stopped.case)
    return Slip(f"{told} {reason}")


def _expect_step(
    before: list[Tensor], after: list[Tensor], lr: float, by_numpy: bool
) -> None:
    """NotYet unless every parameter made its step and has no gradient left.

    by_numpy: whether the answer turns tensors into NumPy's arrays.
    """
    wanted = [(p - lr * p.grad).detach() for p in before]
    moved = [same(a.detach(), w) for a, w in zip(after, wanted, strict=True)]
    if not all(moved):
        i = moved.index(False)
        case = _("parameter {i} with lr={lr}").format(i=i + 1, lr=lr)
        told = difference(case, wanted[i], after[i].detach())
        _expect_movement(told, before, after, moved, by_numpy)
        raise NotYet(f"{told} {_named_step(before, after, lr)}".rstrip(), _step_hints())
    if not all(a.requires_grad for a in after):
        raise Slip(
            _(
                "the parameters no longer ask for gradients: leave `requires_grad` as "
                "it was, or nothing more is learnt."
            )
        )
    if any(_has_gradient(a) for a in after):
        raise Almost(
            _(
                "the step is right, and the gradients are still there: the next "
                "`backward` would add its own to them."
            ),
            [_clearing_hint()],
        )


def _uses_numpy(answer: Callable) -> bool:
    code = getattr(answer, "__code__", None)
    return "numpy" in getattr(code, "co_names", ())


def _has_gradient(parameter: Tensor) -> bool:
    return parameter.grad is not None and bool(parameter.grad.any())


def _expect_movement(
    told: str,
    before: list[Tensor],
    after: list[Tensor],
    moved: list[bool],
    by_numpy: bool,
) -> None:
    """NotYet if some parameters moved rightly and others, or all, not at all."""
    still = [same(a.detach(), b.detach()) for a, b in zip(after, before, strict=True)]
    if any(moved) and any(still):
        reason = _("Only some parameters move: is everything inside the loop?")
        raise Slip(f"{told} {reason}")
    if not all(still):
        return
    if by_numpy:
        reason = _(
            "Nothing moves: what `.numpy()` takes part in is an array, and no longer "
            "the parameter. It is not needed: `p.grad` is a tensor, as `p` is."
        )
        raise Slip(f"{told} {reason}")
    if all(_has_gradient(a) for a in after):
        reason = _(
            "Nothing moves: `p = ...` makes a new tensor, and the parameter stays as "
            "it was. Change it in place."
        )
        raise NotYet(f"{told} {reason}", _step_hints())
    reason = _(
        "Nothing moves: if the gradient is cleared before the step, there is nothing "
        "left to follow."
    )
    raise NotYet(f"{told} {reason}", [_clearing_hint()])


def _named_step(before: list[Tensor], after: list[Tensor], lr: float) -> str:
    """A sentence for a wrong step, or an empty one."""
    mistakes = [
        (
            lambda p, g: p + lr * g,
            _("You go uphill: the gradient points to where the loss grows."),
        ),
        (lambda p, g: p - g, _("The learning rate is missing.")),
        (
            lambda p, g: p + g,
            _("You go uphill, and the learning rate is missing."),
        ),
        (
            lambda p, g: p - lr,
            _("The gradient is missing: all the numbers move alike."),
        ),
        (
            lambda p, g: p - lr * p,
            _("You subtract a part of the parameter itself: where is its gradient?"),
        ),
        (
            lambda p, g: p - g / lr,
            _("You divide by the learning rate: a small one means a small step."),
        ),
        (
            lambda p, g: lr * g,
            _("That is the step alone: it is taken from where the parameter was."),
        ),
        (
            lambda p, g: -lr * g,
            _("That is the step alone: it is taken from where the parameter was."),
        ),
        (
            lambda p, g: p - lr * g.sign(),
            _("You use only the sign of the gradient: its size counts too."),
        ),
        (
            lambda p, g: p - lr * g / g.norm(),
            _("You divide by the gradient's length: here its size counts too."),
        ),
    ]
    for version, text in mistakes:
        pairs = zip(after, before, strict=True)
        if all(same(a.detach(), version(b.detach(), b.grad)) for a, b in pairs):
            return text
    return ""
