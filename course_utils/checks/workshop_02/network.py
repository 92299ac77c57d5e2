"""Exercise: the forward pass of a CNN."""

import re
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Slip,
    Stopped,
    call,
    difference,
    same,
    tensor,
)
from course_utils.locale import _

BATCHES = (6, 1, 3)  # the first says most; the others find a batch size built in


@exercise(
    "02.cnn_forward",
    hints=lambda: [
        _("Follow the shape of one image: (1, 28, 28), (8, 28, 28), (8, 14, 14), ..."),
        _(
            "Twice the same trio: convolution, ReLU, max-pooling of 2. Then a flat "
            "list for each image, and the dense layer."
        ),
        _("`flatten(1)` keeps the batch; the loss wants the logits as they come."),
    ],
)
def cnn_forward(answer):
    if not isinstance(answer, type) or not issubclass(answer, nn.Module):
        reason = _(
            "the check needs the class itself, SmallCNN without parentheses, and got "
            "something of type {kind}."
        )
        raise NotYet(reason.format(kind=type(answer).__name__))
    model = call(answer, case="SmallCNN()")
    _expect_layers(model)
    for n in BATCHES:
        x = torch.rand(n, 1, 28, 28) - 0.2
        case = _("x of shape {shape}").format(shape=tuple(x.shape))
        with torch.no_grad():
            wanted = _forward(model, x)
            got = _watched(model, x, case)
            if not same(got, wanted):
                named = _named_logits(model, x, got)
                told = difference(case, wanted, got)
                if named and got.shape == wanted.shape:  # one logit tells nobody much
                    told = _("the shape is right, but the values are not.")
                raise NotYet(f"{told} {named}".rstrip())
    return _(
        "Try it with 32x32 images: which layer complains, and what would you change?"
    )


def _expect_layers(model: nn.Module) -> None:
    shapes = {"conv1": (8, 1, 3, 3), "conv2": (16, 8, 3, 3), "fc": (10, 784)}
    for name, shape in shapes.items():
        layer = getattr(model, name, None)
        weight = getattr(layer, "weight", None)
        padded = getattr(layer, "padding", (1, 1)) == (1, 1)
        if not isinstance(weight, Tensor) or weight.shape != shape or not padded:
            reason = _("self.{name} is not as given: leave `__init__` as it was.")
            raise NotYet(reason.format(name=name))


def _forward(
    model: nn.Module,
    x: Tensor,
    *,
    active: tuple[bool, bool] = (True, True),
    pool: Callable = lambda tiles: tiles.amax((-2, -1)),
) -> Tensor:
    """The reference on the learner's own weights, with a part to be got wrong."""
    for conv, relu in zip((model.conv1, model.conv2), active, strict=True):
        x = F.conv2d(x, conv.weight, conv.bias, padding=1)
        x = x.clamp(min=0) if relu else x
        x = pool(x.unfold(2, 2, 2).unfold(3, 2, 2))
    weight = model.fc.weight.view(10, 16, 7, 7)
    return torch.einsum("nchw,kchw->nk", x, weight) + model.fc.bias


def _watched(model: nn.Module, x: Tensor, case: str) -> Tensor:
    """The learner's forward; if it stops, the reason is read off what reached fc."""
    reached: dict[str, tuple] = {}  # the last shape that reached each layer

    def note(name):
        def hook(_layer, inputs):  # what a hook returns would replace the input
            reached.pop(name, None)  # so that the last layer reached comes last
            reached[name] = tuple(getattr(inputs[0], "shape", ()))

        return hook

    hooks = [
        layer.register_forward_pre_hook(note(name))
        for name, layer in model.named_children()
    ]
    try:
        return tensor(call(model, x, case=case))
    except Stopped as stopped:
        raise _named_error(stopped) or _with_reason(stopped, reached, len(x)) from None
    finally:
        for hook in hooks:
            hook.remove()


def _named_error(stopped: Stopped) -> Slip | None:
    """What to say of an error that is about PyTorch and not about the network."""
    text = str(stopped.error)
    layer = re.search(r"(?:not |got \(|^')(ReLU|MaxPool2d|Flatten)\b", text)
    if layer:
        reason = _(
            "nn.{layer} is a layer, to be built first and applied later: here the "
            "functions of `F` are meant, such as F.relu."
        ).format(layer=layer[1])
    elif stopped.inside("max_pool2d"):
        reason = _(
            "The max_pool2d of your exercise is for a single map: here use that of `F`."
        )
    else:
        return None
    told = _("for {case} your code stops.").format(case=stopped.case)
    return Slip(f"{told} {reason}")


def _with_reason(stopped: Stopped, reached: dict[str, tuple], n: int) -> NotYet:
    reason = _named_stop(reached, n)
    return NotYet(f"{stopped} {reason}") if reason else stopped


def _named_stop(reached: dict[str, tuple], n: int) -> str:
    """A sentence for an error, from the shapes of what the layers got."""
    if n != BATCHES[0]:
        return _(
            "With {n} images it works: is the batch size written as a number?"
        ).format(n=BATCHES[0])
    shape = reached.get("fc")
    if "conv2" in reached and "conv1" not in reached:
        return _("conv2 comes without conv1 before it.")
    last = next(reversed(reached), "")
    channels = reached[last][1:2] if last else ()
    if last == "conv2" and channels == (1,):
        return _("conv2 got the image itself: did you keep the result of conv1 in x?")
    if last in ("conv1", "conv2") and channels != ({"conv1": 1, "conv2": 8}[last],):
        return _(
            "{layer} got maps of the wrong number of channels: is it the turn of that "
            "layer?"
        ).format(layer=last)
    if shape is None:
        return ""
    if len(shape) == 4:
        text = _(
            "What reaches fc is still a stack of maps, of shape {shape}: flatten it."
        )
        return text.format(shape=tuple(shape))
    if shape in ((n, 16 * 14 * 14), (n, 8 * 14 * 14)):
        return _("Maps of 14x14 reach fc: one pooling is missing.")
    if shape in ((n, 16 * 28 * 28), (n, 8 * 28 * 28)):
        return _("Maps of 28x28 reach fc: both poolings are missing.")
    if len(shape) == 1 or shape[0] == 1:
        return _("You flatten the batch too: each image must keep its own row.")
    return ""


def _named_logits(model: nn.Module, x: Tensor, got: Tensor) -> str:
    """A sentence for a wrong result, or an empty one."""
    logits, n = _forward(model, x), len(x)
    mean = lambda tiles: tiles.mean((-2, -1))  # noqa: E731
    no_relu = _("No ReLU after {layer}: without it, two layers are worth one.")
    mistakes = [
        (
            logits.softmax(1),
            _("There is a softmax at the end: the loss applies its own and wants "
              "logits."),
        ),
        (
            logits.softmax(0),
            _("There is a softmax at the end, and along the batch: return the logits."),
        ),
        (
            logits.log_softmax(1),
            _("There is a log_softmax at the end: cross-entropy applies its own."),
        ),
        (
            logits.clamp(min=0),
            _("There is a ReLU after the last layer: logits may be negative."),
        ),
        (logits.sigmoid(), _("There is a sigmoid at the end: return the logits.")),
        (
            _forward(model, x, active=(False, False)),
            _("Where are the ReLUs? Without them the network is hardly more than one "
              "linear layer."),
        ),
        (
            _forward(model, x, active=(False, True)),
            no_relu.format(layer="conv1"),
        ),
        (_forward(model, x, active=(True, False)), no_relu.format(layer="conv2")),
        (
            _forward(model, x, pool=mean),
            _("You pool by averaging: here it is max-pooling."),
        ),
        (torch.Size([n, 784]), _("The last layer, fc, is missing.")),
        (torch.Size([n, 16, 7, 7]), _("Flattening and the last layer are missing.")),
        (
            torch.Size([4 * n, 10]),
            _("There are four rows for each image: one pooling is missing, and "
              "`view(-1, ...)` hid it."),
        ),
    ]  # fmt: skip
    return next((text for wanted, text in mistakes if same(got, wanted)), "")
