"""Exercise: the forward pass of a residual block."""

import copy
import re

import torch
from torch import Tensor, nn

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Slip,
    Stopped,
    call,
    compare,
    tensor,
)
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.checks.workshop_03.residual_mistakes import forward, mistakes
from course_utils.locale import _

LAYERS = ("conv1", "bn1", "conv2", "bn2", "shortcut")


@exercise(
    "03.residual_block",
    hints=lambda: [
        _(
            "There are two paths from x to the sum: a long one through both "
            "convolutions, and a short one."
        ),
        _(
            "The long path: convolution, batch norm, ReLU, convolution, batch norm. "
            "Where does the second ReLU go, if the sum is to be its input?"
        ),
        _(
            "Each line continues what the last one called `f`; only the shortcut goes "
            "back to x, since it must bring x to the shape of `f`."
        ),
    ],
    blanks=3,
)
def residual_block(answer):
    if not isinstance(answer, type) or not issubclass(answer, nn.Module):
        reason = _(
            "the check needs the class itself, ResidualBlock without parentheses, and "
            "got something of type {kind}."
        )
        raise Slip(reason.format(kind=type(answer).__name__))
    # The identity first, where a wrong order gives numbers and not an error.
    same, wider = _built(answer, 4, 4, 1), _built(answer, 4, 6, 1)
    halved, deeper = _built(answer, 4, 4, 2), _built(answer, 4, 6, 2)
    compare(
        lambda block, x: block(x),
        [
            (same.train(), _maps(5, 4, 6)),
            (copy.deepcopy(same).eval(), _maps(3, 4, 6)),
            (wider.eval(), _maps(2, 4, 5)),
            (halved.train(), _maps(4, 4, 8)),
            (deeper.eval(), _maps(1, 4, 7)),
        ],
        forward,
        mistakes(),
        read=_read,
        describe=_describe,
        stop=_named_stop,
        unnamed=lambda got: _(
            "Go through your lines with the stub's comments: which step is missing, "
            "comes twice or in another place?"
        ),
    )
    _expect_gradients(answer)
    return _(
        "Try it: what does a new block compute if the weights of its bn2 are set to 0? "
        "Very deep networks are often started like that."
    )


def _built(answer: type, *sizes: int) -> nn.Module:
    """A block whose batch norms have seen something: none of them is the identity."""
    case = "ResidualBlock({}, {}, stride={})".format(*sizes)
    try:
        block = call(answer, *sizes, case=case)
    except Stopped as stopped:
        if isinstance(stopped.error, NameError) and stopped.error.name == "shortcut":
            told = _("for {case} your code stops.").format(case=case)
            reason = _("Run the cell that defines `shortcut` first.")
            raise Slip(f"{told} {reason}") from None
        raise plain_tensor_stop(stopped) or stopped from None
    _expect_layers(block, *sizes)
    block.sizes = sizes
    generator = torch.Generator().manual_seed(sum(sizes))
    with torch.no_grad():
        for layer in block.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for values in (layer.weight, layer.running_var):
                    values.uniform_(0.5, 2, generator=generator)
                for values in (layer.bias, layer.running_mean):
                    values.normal_(generator=generator)
    return block


def _expect_layers(block: nn.Module, c_in: int, c_out: int, stride: int) -> None:
    wanted = {
        "conv1": ("weight", (c_out, c_in, 3, 3)),
        "bn1": ("running_mean", (c_out,)),
        "conv2": ("weight", (c_out, c_out, 3, 3)),
        "bn2": ("running_mean", (c_out,)),
    }
    good = dict.fromkeys(LAYERS, False)
    for name, (values, shape) in wanted.items():
        found = getattr(getattr(block, name, None), values, None)
        good[name] = isinstance(found, Tensor) and found.shape == shape
    for name, step in {"conv1": stride, "conv2": 1}.items():
        if good[name]:
            layer = getattr(block, name)
            as_given = (layer.stride, layer.padding, layer.bias)
            good[name] = as_given == ((step, step), (1, 1), None)
    x = _maps(2, c_in, 8)
    try:
        path = copy.deepcopy(block.shortcut).eval()(x)
        good["shortcut"] = path.shape == (2, c_out, 8 // stride, 8 // stride)
    except Exception:  # whatever the learner's own path does wrong
        good["shortcut"] = False
    if not all(good.values()):
        name = next(name for name in LAYERS if not good[name])
        reason = _("self.{name} is not as given: leave `__init__` as it was.")
        raise Slip(reason.format(name=name))


def _expect_gradients(answer: type) -> None:
    """NotYet if the block changes its input in place, or lets no gradient through."""
    blocks = nn.Sequential(_built(answer, 4, 4, 1), _built(answer, 4, 4, 1))
    x = _maps(2, 4, 6)
    before = x.clone()
    with torch.no_grad():
        blocks[0](x)
    if not torch.equal(x, before):
        raise NotYet(
            _(
                "`s += f` changes the very x that came in, and the gradient needs it: "
                "write `s + f`."
            )
        )
    try:
        blocks(before).sum().backward()
    except RuntimeError:
        raise NotYet(
            _(
                "no gradient comes back through your block: what ends in `_`, and "
                "`+=`, change what it needs, and `.detach()` cuts it off."
            )
        ) from None


def _maps(n: int, channels: int, side: int) -> Tensor:
    generator = torch.Generator().manual_seed(10 * n + side)
    return torch.randn(n, channels, side, side, generator=generator)


def _describe(block: nn.Module, x: Tensor) -> str:
    name = "ResidualBlock({}, {}, stride={})".format(*block.sizes)
    shape = tuple(x.shape)
    if block.training:
        return _("{block} in training and x {shape}").format(block=name, shape=shape)
    return _("{block} in evaluation and x {shape}").format(block=name, shape=shape)


def _read(result: object) -> Tensor:
    if isinstance(result, nn.Module):
        told = _("`forward` returns a layer, and not what it computes.")
        raise Slip(f"{told} {_layer_to_build(type(result).__name__)}")
    return tensor(result)


def _named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in the forward pass."""
    told = _("for {case} your code stops.").format(case=stopped.case)
    slip = _named_slip(stopped)
    if slip:
        return Slip(f"{told} {slip}")
    shapes = [tuple(p.shape) for p in stopped.operands if isinstance(p, Tensor)]
    x = stopped.local("x")
    if len(shapes) == 2 and stopped.operation in ("add", "__add__", "__iadd__", "add_"):
        reason = _("What you add has the shapes {a} and {b}.")
        reason = reason.format(a=shapes[0], b=shapes[1])
        if isinstance(x, Tensor) and tuple(x.shape) in shapes:
            also = _(
                "One is x itself, and the block changes its size or its channels: "
                "which layer of `__init__` brings x to the new shape?"
            )
            reason = f"{reason} {also}"
        return NotYet(f"{told} {reason}")
    channels = re.search(r"to have (\d+) channels, but got (\d+)", str(stopped.error))
    if channels:
        reason = _(
            "A convolution for {wanted} channels gets maps of {got}: is it the turn "
            "of that layer, and does it go on from `f`?"
        ).format(wanted=channels[1], got=channels[2])
        return NotYet(f"{told} {reason}")
    return plain_tensor_stop(stopped)


def _named_slip(stopped: Stopped) -> str:
    """A sentence for an error about Python or PyTorch and not about the block."""
    error, text = stopped.error, str(stopped.error)
    if re.search(r"\bshortcut\(\) (missing|takes)", text):
        return _(
            "`shortcut` alone is the function that builds shortcuts; this block's own "
            "is `self.shortcut(x)`."
        )
    if re.search(r"\bReLU\b", text):
        return _layer_to_build("ReLU")
    name, owner = getattr(error, "name", ""), getattr(error, "obj", None)
    if isinstance(owner, nn.Module) and hasattr(owner, "bn1"):
        reason = _("The block has no `{name}`: its layers are {layers}.")
        return reason.format(name=name, layers=", ".join(LAYERS))
    if isinstance(error, NameError) and name in LAYERS:
        reason = _("{name} belongs to the block: write `self.` before it.")
        return reason.format(name=name)
    if isinstance(owner, nn.Module) or re.search(r"'(Identity|Sequential)'", text):
        return _(
            "A layer is there without its parentheses: it needs to be told what to "
            "work on."
        )
    if "got (tuple" in text:
        return _(
            "A layer gets several things at once: put one call inside the other, or "
            "one after the other, without commas."
        )
    if stopped.operation == "relu" and "Boolean value" in text:
        return _("ReLU takes one thing: what do both paths become before it?")
    return ""


def _layer_to_build(name: str) -> str:
    return _(
        "nn.{layer} is a layer, to be built first and applied later: here the "
        "functions of `F` are meant, such as F.relu."
    ).format(layer=name)
