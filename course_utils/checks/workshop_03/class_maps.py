"""Exercise: Grad-CAM, from the activations of a layer and their gradients."""

import torch
from torch import Tensor, nn

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Slip,
    Stopped,
    call_text,
    compare,
    error_text,
    tensor,
)
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.locale import _


@exercise(
    "03.grad_cam",
    hints=lambda: [
        _(
            "Each channel has one weight: how strongly, on average over its positions, "
            "does the class's score grow with it?"
        ),
        _(
            "Dimensions count from 0: images, channels, rows, columns. The weights are "
            "a mean over the last two, and the map a sum over the channels."
        ),
        _(
            "Only what speaks for the class stays: what is negative after the sum "
            "becomes 0. To multiply whole maps, the weights keep four dimensions."
        ),
    ],
    blanks=2,
)
def grad_cam(answer):
    generator = torch.Generator().manual_seed(6)

    def whole(*shape: int) -> Tensor:
        return torch.randint(-4, 7, shape, generator=generator).float()

    # No two sides alike, so that a wrong dimension is an error and not a coincidence.
    shapes = [(2, 3, 4, 5), (3, 4, 2, 5), (1, 2, 3, 4)]
    cases = [(whole(*shape), whole(*shape) - 1) for shape in shapes]
    compare(
        answer,
        cases,
        lambda a, g: torch.einsum("nkhw,nk->nhw", a, _means(g)).clamp(min=0),
        _mistakes(),
        read=_map,
        describe=call_text("activations", "gradients"),
        stop=_named_stop,
    )
    return _(
        "Try it with `-gradients`: what does the map show then, of the same class?"
    )


def _means(values: Tensor) -> Tensor:
    """(N, K): the mean of each map (N, K, H, W)."""
    return values.flatten(2).mean(2)


def _weighted(activations: Tensor, weights: Tensor) -> Tensor:
    """(N, K, H, W): each map times its weight (N, K)."""
    return activations * weights[..., None, None]


def _mistakes() -> list:
    """(wrong map, sentence)"""

    def signed(a: Tensor, g: Tensor) -> Tensor:
        return _weighted(a, _means(g)).sum(1)

    def right(a: Tensor, g: Tensor) -> Tensor:
        return signed(a, g).clamp(min=0)

    def largest(maps: Tensor) -> Tensor:
        return maps.amax((1, 2), keepdim=True)

    added = _(
        "The weights are sums of gradients: they are means, so that a larger map does "
        "not weigh more."
    )
    early = _("The ReLU comes before the sum: the channels are added first, with sign.")
    scaled = _("You scale the map: here it stays as it comes out of the ReLU.")
    each = _(
        "Each position has its own weight: in Grad-CAM a channel has one, its mean "
        "gradient."
    )
    channels = _("The channels are still there: add them up into one map an image.")
    crossed = _(
        "That mean runs over the channels: each channel's weight is a mean over rows "
        "and columns."
    )
    averaged = _("You average the channels: their weighted maps are added up.")
    return [
        (
            signed,
            _("The ReLU is missing: what speaks against the class is still there, as "
              "negative numbers."),
        ),
        (
            lambda a, g: signed(a, g).abs(),
            _("You take absolute values: what speaks against the class looks as if it "
              "spoke for it."),
        ),
        (
            lambda a, g: (-signed(a, g)).clamp(min=0),
            _("The sign is turned around: you keep what speaks against the class."),
        ),
        (lambda a, g: right(a, g) * g[0, 0].numel(), added),
        (lambda a, g: signed(a, g) * g[0, 0].numel(), added),
        (lambda a, g: right(a, g) / a.shape[1], averaged),
        (lambda a, g: signed(a, g) / a.shape[1], averaged),
        (lambda a, g: _weighted(a, _means(g)).clamp(min=0).sum(1), early),
        (
            lambda a, g: _weighted(a, _means(g).clamp(min=0)).sum(1),
            _("The ReLU is on the weights: it comes at the end, on the sum."),
        ),
        (
            lambda a, g: _weighted(a, _means(g).clamp(min=0)).sum(1).clamp(min=0),
            _("There is a ReLU on the weights as well: only the one at the end stays."),
        ),
        (
            lambda a, g: _weighted(a, _means(g.clamp(min=0))).sum(1).clamp(min=0),
            _("There is a ReLU on the gradients: the negative ones count in the mean "
              "as well."),
        ),
        (
            lambda a, g: _weighted(a, _means(g.abs())).sum(1).clamp(min=0),
            _("You average the gradients without their sign: it says whether a channel "
              "is for or against."),
        ),
        (
            lambda a, g: _weighted(a.clamp(min=0), _means(g)).sum(1).clamp(min=0),
            _("There is a ReLU on the activations: they stay as the layer gave them."),
        ),
        (lambda a, g: (a * g).sum(1).clamp(min=0), each),
        (lambda a, g: (a * g).sum(1), each),
        (lambda a, g: (a * g).clamp(min=0).sum(1), each),
        (
            lambda a, g: _weighted(a, _means(a)).sum(1).clamp(min=0),
            _("Your weights come from the activations: they come from the gradients."),
        ),
        (
            lambda a, g: _weighted(g, _means(a)).sum(1).clamp(min=0),
            _("`activations` and `gradients` are swapped: the gradients give the "
              "weights."),
        ),
        (
            lambda a, g: _weighted(g, _means(g)).sum(1).clamp(min=0),
            _("Your weights multiply the gradients: they multiply the activations."),
        ),
        (
            lambda a, g: _weighted(a, g.amax((2, 3))).sum(1).clamp(min=0),
            _("Your weights are the largest gradients: here they are means."),
        ),
        (
            lambda a, g: a.sum(1).clamp(min=0),
            _("The weights are missing: `gradients` says how much each channel "
              "counts."),
        ),
        (lambda a, g: (a * g.mean(1, keepdim=True)).sum(1).clamp(min=0), crossed),
        (lambda a, g: (a * g.mean(1, keepdim=True)).sum(1), crossed),
        *(
            (
                lambda a, g, d=dims: (a * g.mean(d, keepdim=True)).sum(1).clamp(min=0),
                _("The mean of the gradients runs over rows and columns, both and "
                  "nothing else: count the dimensions."),
            )
            for dims in [(2,), (3,), (1, 2), (1, 3), (1, 2, 3), (0, 1)]
        ),
        (
            lambda a, g: (a * g.mean((0, 2, 3), keepdim=True)).sum(1).clamp(min=0),
            _("You average over the images too: each one has its own weights."),
        ),
        (lambda a, g: right(a, g) / largest(right(a, g)), scaled),
        (lambda a, g: right(a, g) / (largest(right(a, g)) + 1e-8), scaled),
        (lambda a, g: right(a, g) / right(a, g).amax(), scaled),
        (lambda a, g: right(a, g) / right(a, g).sum((1, 2), keepdim=True), scaled),
        (lambda a, g: signed(a, g).sigmoid(), scaled),
        (
            lambda a, g: right(a, g)[:, None],
            _("The numbers are right: drop the dimension of the channels, of which "
              "only one is left."),
        ),
        (lambda a, g: a.shape, channels),
        (
            lambda a, g: a.shape[1:],
            _("You add up the images: it is the channels that are added."),
        ),
        (
            lambda a, g: torch.Size([len(a), a.shape[1], a.shape[2]]),
            _("You add up along the rows: it is the channels that are added."),
        ),
        (
            lambda a, g: torch.Size([len(a)]),
            _("A single number an image is left: the sum runs over the channels only."),
        ),
        (
            lambda a, g: a.shape[2:],
            _("You add up the images too: each one keeps its own map."),
        ),
        (
            lambda a, g: a.shape[:2],
            _("Those look like the weights: they still have to multiply the "
              "activations."),
        ),
        (
            lambda a, g: torch.Size([*a.shape[:2], 1, 1]),
            _("Those look like the weights: they still have to multiply the "
              "activations."),
        ),
    ]  # fmt: skip


def _named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in grad_cam, from the function that refused."""
    text, told = error_text(stopped.error), _("your code stops.")
    weights = stopped.local("weights")
    pair = _means_and_maps(stopped)
    if pair and "must match the" in text:
        reason = _(
            "Your weights have the shape {weights} and the activations {activations}: "
            "keep the four dimensions of the mean with `keepdim=True`."
        ).format(weights=pair[0], activations=pair[1])
        return NotYet(f"{told} {reason}")
    if "must match the" and isinstance(weights, Tensor) and weights.ndim != 4:
        reason = _(
            "`weights` has the shape {shape}: to multiply whole maps it keeps its four "
            "dimensions, the last two of size 1. `mean` has an option for that."
        ).format(shape=tuple(weights.shape))
        return NotYet(f"{told} {reason}")
    if isinstance(getattr(stopped.error, "obj", None), nn.Module):
        return Slip(f"{told} {_of_layers(stopped.error.obj)}")
    if "argument 'keepdim'" in text and "bool" in text:
        reason = _("Several dimensions go together, in a tuple with its parentheses.")
        return Slip(f"{told} {reason}")
    if stopped.operation in ("matmul", "__matmul__"):
        reason = _("`@` multiplies matrices: here a weight multiplies a whole map.")
        return Slip(f"{told} {reason}")
    if "Boolean value of Tensor" in text:
        reason = _(
            "`max` and `if` want one number: `F` has the function that sets what is "
            "negative to 0, place by place."
        )
        return Slip(f"{told} {reason}")
    return plain_tensor_stop(stopped)


def _means_and_maps(stopped: Stopped) -> list[tuple[int, ...]]:
    """The shapes (N, K) and (N, K, H, W) of what did not fit, or an empty list.

    Means that lost their last two dimensions: the most frequent error here, wherever in
    the formula they stand.
    """
    shapes = [tuple(p.shape) for p in stopped.operands if isinstance(p, Tensor)]
    shapes.sort(key=len)
    found = [len(s) for s in shapes] == [2, 4] and shapes[0] == shapes[1][:2]
    return shapes if found else []


def _of_layers(layer: nn.Module) -> str:
    return _(
        "nn.{layer} is a layer, to be built first and applied later: here the "
        "functions of `F` are meant, such as F.relu."
    ).format(layer=type(layer).__name__)


def _map(result: object) -> Tensor:
    """`result` as `tensor` reads it; a layer in its place has its own sentence."""
    if isinstance(result, nn.Module):
        raise Slip(_("your function returns a layer.") + " " + _of_layers(result))
    return tensor(result)
