"""Where a network looked, whether that means anything, and whether to believe it.

Class-activation maps, two tests that a map has to pass, and the numbers of a
reliability diagram. Nothing here draws: `widgets.class_maps` and the notebooks do.
"""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.guards import check_split, need, whole
from course_utils.locale import _
from course_utils.modes import eval_mode
from course_utils.training import evaluate

METHODS = ("gradcam", "gradcam++", "scorecam")
CHUNK = 250  # images at a time: their activations stay in memory until the gradient


def class_map(
    model: nn.Module,
    x: Tensor,
    layer: nn.Module,
    classes: Tensor | None = None,
    method: str = "gradcam",
) -> Tensor:
    """Where in each image a network sees what speaks for a class.

    model: maps a batch of images to logits (N, K). It is asked in eval mode, and comes
        back in the mode, with the gradients and with the hooks that it had.
    x: float (N, C, H, W), normalised as in training.
    layer: a module inside model that gives feature maps (N, M, h, w), best after a
        ReLU: Grad-CAM++ assumes that they are not negative.
    classes: int64 (N,), the class to explain in each image; None: the predicted one.
    method: "gradcam", "gradcam++", or "scorecam", which asks the network once for
        each of the M feature maps, and needs no gradient.
    Returns float32 (N, h, w) on the CPU, 0..1, the largest value of each map 1; a map
    is 0 all over where no feature speaks for the class.
    Raises ValueError, in a sentence, for what cannot be explained.

    Selvaraju, R. R. et al. (2017). https://doi.org/10.1109/ICCV.2017.74
    Chattopadhay, A. et al. (2018). https://doi.org/10.1109/WACV.2018.00097
    Wang, H. et al. (2020). https://doi.org/10.1109/CVPRW50498.2020.00020
    """
    need("class_map", "method", method, method in METHODS, " | ".join(METHODS))
    if all(layer is not module for module in model.modules()):
        raise ValueError(
            _(
                "class_map: this layer is no part of this model: take it from the "
                "model itself, for example model.block3 or model[4]."
            )
        )
    fits = x.ndim == 4 and len(x) > 0 and x.is_floating_point()
    need("class_map", "x", (x.dtype, tuple(x.shape)), fits, "float (N, C, H, W)")
    if classes is not None:
        fits = classes.shape == x.shape[:1] and classes.dtype == torch.int64
        found = (classes.dtype, tuple(classes.shape))
        need("class_map", "classes", found, fits, f"int64 ({len(x)},)")

    from torchcam import methods

    extractor = methods.ScoreCAM if method == "scorecam" else methods.GradCAM
    device = next((p.device for p in model.parameters()), x.device)
    maps = []
    with (
        eval_mode(model),
        torch.inference_mode(False),
        torch.enable_grad(),  # even where the caller has switched gradients off
        extractor(model, layer) as cam,
        # After torchcam's own hooks: the network goes on with a copy, or a ReLU that
        # works in place would change the feature maps that they hold.
        layer.register_forward_hook(lambda layer, inputs, output: output.clone()),
    ):
        for start in range(0, len(x), CHUNK):
            chunk = slice(start, start + CHUNK)
            wanted = None if classes is None else classes[chunk]
            part = x[chunk].detach().to(device)
            maps.append(_maps(cam, part, wanted, method == "gradcam++"))
    maps = torch.cat(maps).float().cpu()
    highest = maps.amax((1, 2), keepdim=True)
    return maps / torch.where(highest > 0, highest, 1.0)


def _maps(cam, x: Tensor, classes: Tensor | None, plus: bool) -> Tensor:
    """Maps (N, h, w) of one chunk, ReLU'd, in the units of the logits."""
    # The copy asks for a gradient, or a network whose weights are frozen would have no
    # path for one; the network gets a copy of it, which it may change in place.
    scores = cam.model(x.clone().requires_grad_().clone())
    shape = None if cam.hook_a[0] is None else tuple(cam.hook_a[0].shape)
    if shape is None or len(shape) != 4:
        raise ValueError(
            _(
                "class_map: the layer must give feature maps (N, M, h, w), it gave "
                "{shape}: choose one before the pooling and the flattening."
            ).format(shape=shape)
        )
    classes = scores.argmax(1) if classes is None else classes
    count = scores.shape[1]
    low, high = classes.min().item(), classes.max().item()
    inside = low >= 0 and high < count
    need("class_map", "classes", (low, high), inside, f"0 <= ... < {count}")
    maps = cam(classes.tolist(), scores, normalized=False)[0]
    return _grad_cam_plus_plus(cam.hook_a[0], cam.hook_g[0]) if plus else maps


def _grad_cam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Equation 19 of the paper, from (N, M, h, w) each; (N, h, w).

    Not torchcam's: up to 0.5.0 it never divides by the denominator. The paper's
    alpha = g^2 / (2 g^2 + sum(A) g^3) is here divided by g^2, so that small gradients
    do not underflow; where g <= 0 the product with ReLU(g) is 0 in both forms.
    """
    g = F.relu(gradients)
    alpha = 1 / (2 + activations.sum((2, 3), keepdim=True) * g)
    weights = (alpha * g).sum((2, 3), keepdim=True)
    return F.relu((weights * activations).sum(1))


def deletion_curve(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    maps: Tensor,
    steps: int = 10,
    fill: float = 0.0,
) -> Tensor:
    """How fast a class becomes improbable as the pixels that a map marks are deleted.

    x: float (N, C, H, W), normalised as in training. y: int64 (N,), the class whose
        probability is watched.
    maps: float (N, h, w), higher = deleted earlier; enlarged bilinearly to (H, W).
        Random maps (N, H, W) give the curve of random order, to compare with.
    steps: int >= 1; after each, another 1/steps of the pixels is gone.
    fill: what replaces a pixel; 0 is the mean grey of a normalised image.
    Returns float32 (steps + 1,): mean probability of y with 0, 1/steps, ..., all of
    the pixels gone. A good map makes it fall early: a small mean is a good one.
    Raises ValueError for data that do not fit each other or the network.

    Petsiuk, V., Das, A., Saenko, K. (2018). https://arxiv.org/abs/1806.07421
    """
    with eval_mode(model):
        x, y = check_split("deletion_curve", "(x, y)", (x, y), model)
    need("deletion_curve", "steps", steps, whole(steps, 1), "int >= 1")
    shape = tuple(maps.shape)
    fits = len(shape) == 3 and shape[0] == len(x)
    need("deletion_curve", "maps", shape, fits, f"float ({len(x)}, h, w)")
    count = x.shape[2] * x.shape[3]
    maps = F.interpolate(
        maps[:, None].to(x.device, torch.float32), x.shape[2:], mode="bilinear"
    ).flatten(1)
    # Equal values, such as a map's zeros, go in random order: row by row would be an
    # order of its own.
    mixed = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    mixed = mixed.to(x.device)
    order = mixed[maps[:, mixed].argsort(dim=1, descending=True, stable=True)]
    rank = order.argsort(dim=1).view(len(x), 1, *x.shape[2:])
    curve = []
    with eval_mode(model):
        for step in range(steps + 1):
            left = x.masked_fill(rank < round(step * count / steps), fill)
            p = evaluate(model, (left, y), resamples=1).probabilities
            curve.append(p.gather(1, y.cpu()[:, None]).mean())
    return torch.stack(curve)


def randomize_weights(
    model: nn.Module, layers: Sequence[str], seed: int = 0
) -> nn.Module:
    """A copy of a network in which some layers have forgotten what they learned.

    A map that explains the network must change with it: one that stays the same shows
    the image's edges, not the network's reasons.

    layers: names as in model.named_modules(); their weights, and those of all modules
        inside them, are drawn anew as PyTorch does for a new layer. From the output
        towards the input in the paper: ["head"], then ["head", "block3"], ...
    seed: int >= 0; gives the same weights on any device. PyTorch's own generator is
        left as it was, and so is model.
    Raises ValueError for a name that the model has not, or weights that cannot be
    drawn anew.

    Adebayo, J. et al. (2018). https://arxiv.org/abs/1810.03292
    """
    need("randomize_weights", "seed", seed, whole(seed, 0), "int >= 0")
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    forgetful = copy.deepcopy(model).cpu()
    known = dict(forgetful.named_modules())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name in layers:
            names = ", ".join(child for child, _module in model.named_children())
            need("randomize_weights", "layers", name, name in known, f"in: {names}")
            for part in known[name].modules():
                _reset(name, part)
    return forgetful.to(device)


def _reset(name: str, module: nn.Module) -> None:
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()
    elif next(module.parameters(recurse=False), None) is not None:
        raise ValueError(
            _(
                "randomize_weights: in layer {name!r}, a {kind} has weights but no "
                "reset_parameters() that would draw them anew."
            ).format(name=name, kind=type(module).__name__)
        )


class Reliability(NamedTuple):
    """What a reliability diagram shows, bin by bin; NaN where a bin is empty."""

    confidence: Tensor  # float32 (bins,): mean probability of the predicted class
    accuracy: Tensor  # float32 (bins,): share of right predictions
    count: Tensor  # int64 (bins,): how many predictions


def reliability(probabilities: Tensor, y: Tensor, bins: int = 10) -> Reliability:
    """Predictions sorted into bins by how sure the network was of them.

    probabilities: float (N, K), rows sum to 1. y: int64 (N,), the true classes.
    bins: int >= 1, of equal width: (0, 1/bins], (1/bins, 2/bins], ..., up to 1.
    Raises ValueError for logits instead of probabilities, or shapes that do not fit.

    Guo, C. et al. (2017). https://arxiv.org/abs/1706.04599
    """
    need("reliability", "bins", bins, whole(bins, 1), "int >= 1")
    shape = tuple(probabilities.shape)
    fits = len(shape) == 2 and shape[:1] == tuple(y.shape) and len(y) > 0
    need("reliability", "probabilities, y", (shape, tuple(y.shape)), fits, "(N, K) (N)")
    total = probabilities.sum(1)
    if probabilities.min() < 0 or (total - 1).abs().max() > 0.01:
        raise ValueError(
            _(
                "reliability: these are no probabilities (the smallest is {low:.2f}, "
                "the rows add up to {total:.2f} on average): apply softmax(1) first."
            ).format(low=probabilities.min().item(), total=total.mean().item())
        )
    confidence, predicted = probabilities.detach().float().max(1)
    edges = torch.arange(1, bins, device=y.device) / bins
    member = torch.bucketize(confidence, edges)
    count = member.bincount(minlength=bins)
    sure, right = (
        member.bincount(values.double(), minlength=bins) / count
        for values in (confidence, predicted == y)
    )
    return Reliability(sure.float(), right.float(), count)
