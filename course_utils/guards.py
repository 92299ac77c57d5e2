"""What training and measuring refuse, each in a sentence that names the cause."""

import math

import torch
from torch import Tensor, nn

from course_utils.locale import _
from course_utils.modes import eval_mode

OPTIMIZERS = ("adamw", "sgd")


def check_settings(where: str, settings: dict) -> None:
    """Raise ValueError, on behalf of function `where`, for a setting out of range."""
    get = settings.__getitem__
    number = {
        name: isinstance(get(name), (int, float)) and math.isfinite(get(name))
        for name in ("lr", "weight_decay", "label_smoothing")
    }
    smoothing = number["label_smoothing"] and 0 <= get("label_smoothing") < 1
    for name, good, bounds in (
        ("epochs", whole(get("epochs"), 1), "int >= 1"),
        ("batch_size", whole(get("batch_size"), 1), "int >= 1"),
        ("seed", whole(get("seed"), 0), "int >= 0"),
        ("lr", number["lr"] and get("lr") > 0, "> 0"),
        ("weight_decay", number["weight_decay"] and get("weight_decay") >= 0, ">= 0"),
        ("label_smoothing", smoothing, ">= 0, < 1"),
        ("optimizer", get("optimizer") in OPTIMIZERS, " | ".join(OPTIMIZERS)),
    ):
        need(where, name, get(name), good, bounds)


def need(where: str, name: str, value, good: bool, bounds: str) -> None:
    """Raise ValueError unless `good`; bounds: what it had to be, in symbols."""
    if not good:
        raise ValueError(
            _("{where}: {name} must be {bounds}, got {value!r}.").format(
                where=where, name=name, bounds=bounds, value=value
            )
        )


def whole(value, least: int) -> bool:
    """Whether `value` is an int of at least `least` (True is not a number here)."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def need_parameters(where: str, model: nn.Module) -> None:
    """Raise ValueError for a network that nothing can be learnt by."""
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError(
            _("{where}: the model has no parameters to train.").format(where=where)
        )


def check_split(
    where: str, name: str, split: tuple[Tensor, Tensor], model: nn.Module
) -> tuple[Tensor, Tensor]:
    """(x, y) of `split` if `model` can learn from them; else ValueError.

    where, name: the function and its argument, for the sentence.
    """
    try:
        x, y = split
        x.shape, y.shape, x.is_floating_point()
    except (TypeError, ValueError, AttributeError):
        raise ValueError(_no_pair(where, name)) from None
    reason = _fault_of_images(x) or _fault_of_labels(x, y) or _misfit(model, x, y)
    if reason:
        raise ValueError(f"{where}: {name}: {reason}")
    return x, y


def _no_pair(where: str, name: str) -> str:
    return _("{where}: {name} must be a pair of tensors (x, y).").format(
        where=where, name=name
    )


def _not_finite(x: Tensor) -> str | None:
    if not torch.isfinite(x).all():
        return _("x holds values that are not finite (NaN or infinite).")
    return None


def _fault_of_images(x: Tensor) -> str | None:
    if len(x.shape) < 2 or len(x) == 0:
        return _("there are no images, x has the shape {shape}.").format(
            shape=tuple(x.shape)
        )
    if not x.is_floating_point():
        return _(
            "x holds {dtype}, the network wants float: (x.float() / 255 - mean) / std."
        ).format(dtype=x.dtype)
    return _not_finite(x)


def _fault_of_labels(x: Tensor, y: Tensor) -> str | None:
    if y.ndim != 1 or y.dtype != torch.int64:
        return _(
            "y must hold one class an image, int64 (N,), got {dtype} {shape}."
        ).format(dtype=y.dtype, shape=tuple(y.shape))
    if len(x) != len(y):
        return _("x has {x} images but y has {y} labels.").format(x=len(x), y=len(y))
    return None


def _misfit(model: nn.Module, x: Tensor, y: Tensor) -> str | None:
    """What is wrong between the network and the data, tried on two images."""
    parameter = next(model.parameters(), None)
    try:
        with torch.no_grad(), eval_mode(model):
            logits = model(x[:2] if parameter is None else x[:2].to(parameter.device))
    except (RuntimeError, ValueError) as error:
        return _(
            "the network cannot take a batch of shape {shape} {dtype}: {error}"
        ).format(
            shape=(len(x[:2]), *x.shape[1:]),
            dtype=x.dtype,
            error=str(error).strip().splitlines()[0],
        )
    shape = tuple(getattr(logits, "shape", ()))
    if len(shape) != 2 or shape[0] != len(x[:2]):
        return _(
            "the network must give logits of shape ({n}, classes), it gave {shape}."
        ).format(n=len(x[:2]), shape=shape)
    if not torch.isfinite(logits).all():
        return _(
            "the network gives values that are not finite: its weights are spoilt, "
            "build it anew."
        )
    low, high = y.min().item(), y.max().item()
    if low < 0 or high >= shape[1]:
        return _(
            "the labels run from {low} to {high}, but a network with {k} outputs knows "
            "the classes 0 to {last}."
        ).format(low=low, high=high, k=shape[1], last=shape[1] - 1)
    return None


# --- masks ----------------------------------------------------------------------------


def check_masks(
    where: str, name: str, pair: tuple[Tensor, Tensor], model: nn.Module
) -> tuple[Tensor, Tensor]:
    """(x, y) of `pair` if `model` can learn masks y from x; else ValueError.

    pair: may be longer, such as `Slices`. where, name: the function and its argument.
    """
    pair = pair[:2] if isinstance(pair, tuple | list) else ()
    if len(pair) != 2 or not all(isinstance(part, Tensor) for part in pair):
        raise ValueError(_no_pair(where, name))
    x, y = pair
    need_parameters(where, model)
    if reason := _fault_of_masks(x, y):
        raise ValueError(f"{where}: {reason}")
    with torch.no_grad(), eval_mode(model):
        logits = model(x[:1].to(next(model.parameters()).device))
    need_map(where, logits, x[:1])
    if logits.shape[1] != y.shape[1]:
        raise ValueError(
            _(
                "{where}: the network gives {k} maps an image, the masks have "
                "{channels}."
            ).format(where=where, k=logits.shape[1], channels=y.shape[1])
        )
    return x, y


def need_map(where: str, logits: Tensor, x: Tensor) -> None:
    """Raise ValueError unless `logits` are maps of the size of x, (N, C, *sides)."""
    shape, sides = tuple(getattr(logits, "shape", ())), tuple(x.shape[2:])
    if len(shape) != x.ndim or shape[0] != len(x) or shape[2:] != sides:
        raise ValueError(
            _(
                "{where}: the network must give a map of logits, (N, K) and the sides "
                "{sides}; it gave {shape} for an input of {given}."
            ).format(
                where=where,
                sides=sides,
                shape=shape or type(logits).__name__,
                given=tuple(x.shape),
            )
        )


def _fault_of_masks(x: Tensor, y: Tensor) -> str | None:
    if x.ndim not in (4, 5) or len(x) == 0 or not x.is_floating_point():
        return _(
            "x must be float images (N, C, H, W) or volumes (N, C, D, H, W), at "
            "least one, got {dtype} {shape}."
        ).format(dtype=x.dtype, shape=tuple(x.shape))
    if reason := _not_finite(x):
        return reason
    if y.ndim != x.ndim or len(y) != len(x) or y.shape[2:] != x.shape[2:]:
        return _(
            "y must hold a mask (K, *sides) for each x {x}, got {shape}; labels become "
            "masks by data.brats_labels.regions."
        ).format(x=tuple(x.shape), shape=tuple(y.shape))
    if y.dtype != torch.bool and not 0 <= y.min() <= y.max() <= 1:
        return _(
            "masks are 0 or 1, but y runs from {low:g} to {high:g}: labels become "
            "masks by data.brats_labels.regions."
        ).format(low=y.min().item(), high=y.max().item())
    return None
