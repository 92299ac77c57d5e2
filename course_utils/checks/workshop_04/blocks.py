"""What the exercises with a block of layers share: build it, say what went wrong."""

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils.checks.answers import NotYet, Slip, Stopped, call, tensor
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.locale import _


def built(
    answer: object, name: str, sizes: tuple[int, ...], dims: int, layers: dict
) -> nn.Module:
    """The learner's block `name`(*sizes, dims), in eval mode.

    layers: name -> (kind of layer, shape of its weights), or a function of the layer
    that says whether it is as given. Raises Slip if the answer is no class of layers,
    cannot be built, or has other layers.
    """
    if not isinstance(answer, type) or not issubclass(answer, nn.Module):
        reason = _(
            "the check needs the class itself, {name} without parentheses, and got "
            "something of type {kind}."
        )
        raise Slip(reason.format(name=name, kind=type(answer).__name__))
    case = f"{name}({', '.join(map(str, sizes))}, dims={dims})"
    try:
        block = call(answer, *sizes, dims, case=case)
    except Stopped as stopped:
        missing = getattr(stopped.error, "name", "")
        if isinstance(stopped.error, NameError) and missing == "double_conv":
            told = _("for {case} your code stops.").format(case=case)
            reason = _("Run the cell that defines `{name}` first.")
            raise Slip(f"{told} {reason.format(name=missing)}") from None
        raise plain_tensor_stop(stopped) or stopped from None
    for layer, wanted in layers.items():
        if not _as_given(getattr(block, layer, None), wanted):
            reason = _("self.{name} is not as given: leave `__init__` as it was.")
            raise Slip(reason.format(name=layer))
    block.made_as = case
    return block.eval()


def _as_given(layer: object, wanted: tuple | Callable) -> bool:
    if callable(wanted):
        try:
            return isinstance(layer, nn.Module) and wanted(layer)
        except Exception:  # whatever the learner's own layer does wrong
            return False
    kind, shape = wanted
    return isinstance(layer, kind) and layer.weight.shape == shape


def maps(*shape: int) -> Tensor:
    """float32 noise, the same for the same shape."""
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator)


def describe(block: nn.Module, **inputs: Tensor) -> str:
    shapes = (f"{name} {tuple(x.shape)}" for name, x in inputs.items())
    return ", ".join([block.made_as, *shapes])


def read(result: object) -> Tensor:
    """`result` as `tensor` reads it; a layer in its place has its own sentence."""
    if isinstance(result, nn.Module):
        told = _("`forward` returns a layer, and not what it computes.")
        raise Slip(f"{told} {layer_to_build(type(result).__name__)}")
    return tensor(result)


def layer_to_build(name: str) -> str:
    return _(
        "nn.{layer} is a layer, to be built first and applied later: here the "
        "functions of `F` and the methods of a tensor do."
    ).format(layer=name)


def named_slip(stopped: Stopped, layers: tuple[str, ...]) -> NotYet | None:
    """What to say of an error about Python or PyTorch and not about the block."""
    error, text = stopped.error, str(stopped.error)
    told = _("for {case} your code stops.").format(case=stopped.case)
    name, owner = getattr(error, "name", ""), getattr(error, "obj", None)
    layer = re.search(r"\b(ReLU|Sigmoid|Softmax|Upsample)\b", text)
    if isinstance(owner, nn.Module) and hasattr(owner, layers[0]):
        reason = _("The block has no `{name}`: its layers are {layers}.")
        reason = reason.format(name=name, layers=", ".join(layers))
    elif isinstance(error, NameError) and name in layers:
        reason = _("{name} belongs to the block: write `self.` before it.")
        reason = reason.format(name=name)
    elif layer:
        reason = layer_to_build(layer[1])
    elif isinstance(owner, nn.Module) or re.search(
        r"'(Conv|Sequential)\w*'|got Conv", text
    ):
        reason = _(
            "A layer is there without its parentheses: it needs to be told what to "
            "work on."
        )
    elif "tuple of Tensors, not Tensor" in text or re.search(
        r"(cat|concat\w*|hstack)\(\) (takes .* positional|received .* got \(Tensor)",
        text,
    ):
        reason = _("`torch.cat` takes all its tensors in one list, with brackets.")
    elif re.search(r"\bforward\(\) (takes|missing)|got \(tuple", text):
        reason = _("A layer takes one thing: a single tensor.")
    else:
        return None
    return Slip(f"{told} {reason}")
