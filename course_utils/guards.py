"""What `fit` and `evaluate` refuse, each in a sentence that names the cause."""

import math

import torch
from torch import Tensor, nn

from course_utils.locale import _

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
        raise ValueError(
            _("{where}: {name} must be a pair of tensors (x, y).").format(
                where=where, name=name
            )
        ) from None
    reason = _fault_of_images(x) or _fault_of_labels(x, y) or _misfit(model, x, y)
    if reason:
        raise ValueError(f"{where}: {name}: {reason}")
    return x, y


def _fault_of_images(x: Tensor) -> str | None:
    if len(x.shape) < 2 or len(x) == 0:
        return _("there are no images, x has the shape {shape}.").format(
            shape=tuple(x.shape)
        )
    if not x.is_floating_point():
        return _(
            "x holds {dtype}, the network wants float: (x.float() / 255 - mean) / std."
        ).format(dtype=x.dtype)
    if not torch.isfinite(x).all():
        return _("x holds values that are not finite (NaN or infinite).")
    return None


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
    mode = model.training
    model.eval()
    try:
        with torch.no_grad():
            logits = model(x[:2] if parameter is None else x[:2].to(parameter.device))
    except (RuntimeError, ValueError) as error:
        return _(
            "the network cannot take a batch of shape {shape} {dtype}: {error}"
        ).format(
            shape=(len(x[:2]), *x.shape[1:]),
            dtype=x.dtype,
            error=str(error).strip().splitlines()[0],
        )
    finally:
        model.train(mode)
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
