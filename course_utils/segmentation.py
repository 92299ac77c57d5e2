"""Train a segmentation network on slices or volumes in memory, and apply it.

The loop is that of `course_utils.training` with what masks need: a loss of the
learner's choice, and changes that move image and mask together.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from course_utils.data.brats_labels import regions
from course_utils.data.volumes import Patient
from course_utils.guards import check_settings, need, whole
from course_utils.history import is_interactive
from course_utils.locale import _
from course_utils.training import (
    at_work,
    build_optimizer,
    count_parameters,
    one_cycle,
    own_randomness,
    pick_device,
    shuffled,
)

CLIP = 5.0  # largest norm of a step's gradient: one odd batch must not undo an epoch

Augment = Callable[[Tensor, Tensor, Generator], tuple[Tensor, Tensor]]


class Slices(NamedTuple):
    """Axial slices of several patients, from the first one's lowest slice on.

    x: float32 (N, C, H, W). y: bool (N, 3, H, W), the regions WT, TC, ET.
    patient: int64 (N,), the place of each slice's patient in the sequence given.
    """

    x: Tensor
    y: Tensor
    patient: Tensor


@dataclass
class SegmentationHistory:
    """The course of one training run.

    loss: mean over the batches of an epoch as the network saw them, one number an
        epoch. seconds: wall time of the steps, without `after_epoch`. steps: how many.
    interrupted: True where the learner stopped the run by hand.
    """

    loss: list[float] = field(default_factory=list)
    seconds: float = 0.0
    steps: int = 0
    interrupted: bool = False


def slices(patients: Sequence[Patient], least: int = 50) -> Slices:
    """The axial slices of all patients that show at least `least` voxels of brain.

    patients: of one grid and the same modalities, at least one. least: int >= 0.
    Raises ValueError where there is nothing to return, or shapes differ.
    """
    need("slices", "least", least, whole(least, 0), "int >= 0")
    shapes = {tuple(patient.image.shape) for patient in patients}
    if len(shapes) > 1:
        raise ValueError(
            _("slices: all patients must have one shape, got {shapes}.").format(
                shapes=" | ".join(map(str, sorted(shapes)))
            )
        )
    x, y, number = [], [], []
    for place, patient in enumerate(patients):
        enough = patient.brain.flatten(1).sum(1) >= least
        x.append(patient.image[:, enough].transpose(0, 1))
        y.append(regions(patient.label[enough], dim=1))
        number.append(torch.full((len(x[-1]),), place))
    if not sum(map(len, number)):
        raise ValueError(
            _("slices: no slice of {n} patients has {least} voxels of brain.").format(
                n=len(patients), least=least
            )
        )
    return Slices(torch.cat(x), torch.cat(y), torch.cat(number))


def fit_segmentation(
    model: nn.Module,
    train: tuple[Tensor, Tensor] | Slices,
    *,
    loss: Callable[[Tensor, Tensor], Tensor],
    epochs: int,
    lr: float = 3e-3,
    batch_size: int = 16,
    augment: Augment | None = None,
    weight_decay: float = 1e-2,
    seed: int = 0,
    device: str = "auto",
    after_epoch: Callable[[int, nn.Module], object] | None = None,
    live: bool | None = None,
) -> SegmentationHistory:
    """Train `model` in place by AdamW and one cycle; it keeps its last weights.

    model: maps a batch of x to logits of the shape of y.
    train: (x, y), or what `slices` returns. x float (N, C, *sides) normalised, two
        sides or three; y bool or float in 0..1 (N, K, *sides).
    loss: called with logits and masks, both float32 (B, K, *sides); gives one number.
    epochs: passes over train, int >= 1. Each leaves out the last, incomplete batch.
    lr: the highest learning rate. weight_decay: for weights only.
    augment: called with x and y of each batch and a seeded generator, gives both; see
        course_utils.augment.segmentation.
    seed: of everything random here; PyTorch's own generator is left as it was.
    device: "auto" (cuda, mps or cpu) or the name of one. The model comes back to where
        it was, in eval mode.
    after_epoch: called with the number of epochs done (from 1) and the model, which is
        in eval mode and needs no gradients then.
    live: a bar while it trains; None: in a notebook, except under CI.
    An interrupt of the kernel ends the run early and keeps the weights so far. Inside
    `torch.autocast` the network computes in the lower precision, the loss does not.
    Raises ValueError for data that do not fit the network, settings out of range, or a
    loss that is no longer finite (the weights of the last good epoch are kept).

    AdamW: Loshchilov, I., Hutter, F. (2019). https://arxiv.org/abs/1711.05101
    One cycle: Smith, L., Topin, N. (2018). https://arxiv.org/abs/1708.07120
    Clipping: Pascanu, R. et al. (2013). https://arxiv.org/abs/1211.5063
    """
    settings = {"epochs": epochs, "lr": lr, "batch_size": batch_size, "seed": seed}
    settings |= {"weight_decay": weight_decay}
    fixed = {"optimizer": "adamw", "label_smoothing": 0.0}
    check_settings("fit_segmentation", settings | fixed)
    x, y = _checked(model, train)
    device = pick_device(device)
    steps = epochs * max(1, len(x) // batch_size)
    history, good, losses = SegmentationHistory(), _copy(model), []

    def close(epoch: int) -> None:
        """Keep what the epoch learned, unless its loss says that it is spoilt."""
        nonlocal good
        mean = torch.stack(losses).mean().item()
        if not math.isfinite(mean):
            model.load_state_dict(good)
            raise ValueError(_not_finite(x, lr, epoch))
        good = _copy(model)
        losses.clear()
        history.loss.append(mean)

    with at_work(model, device, x.ndim), own_randomness(device):
        stepper = build_optimizer(model, "adamw", lr, weight_decay)
        bar = _bar(steps, is_interactive() if live is None else live)
        try:
            for epoch in range(1, epochs + 1):
                start = time.perf_counter()
                model.train()
                for batch, generator in shuffled(len(x), batch_size, seed, epoch):
                    pair = x[batch].to(device), y[batch].to(device)
                    if augment:
                        pair = augment(*pair, generator)
                    rate = lr * one_cycle(history.steps, steps)
                    losses.append(_step(model, stepper, loss, *pair, rate))
                    history.steps += 1
                    if bar:
                        bar.update()
                close(epoch)
                history.seconds += time.perf_counter() - start
                if after_epoch:
                    model.eval()
                    with torch.no_grad():
                        after_epoch(epoch, model)
        except KeyboardInterrupt:
            history.interrupted = True
            if losses:
                history.seconds += time.perf_counter() - start
                close(epoch)
            _say_stopped(epoch, epochs)
        finally:
            model.eval()
            stepper.zero_grad()
            if bar:
                bar.close()
    return history


def predict(
    model: nn.Module,
    patient: Patient,
    *,
    flips: bool = False,
    batch: int = 32,
    device: str = "auto",
) -> Tensor:
    """Probabilities of each region in one patient's volume: float32 (K, D, H, W).

    model: gives K logits a place (3 regions: K = 3). Its first convolution tells
        whether it takes axial slices (2-D) or the whole volume (3-D).
    flips: average with what it says of the patient in a mirror, left for right.
    batch: slices at a time, int >= 1. device: as in `fit_segmentation`.
    Slices without brain are 0, unseen by a 2-D network. The model comes back in the
    mode and the place where it was; the result is on the CPU.
    Raises ValueError for a network without convolutions or with another output.
    """
    need("predict", "batch", batch, whole(batch, 1), "int >= 1")
    device = pick_device(device)
    mode = model.training
    shown = patient.brain.flatten(1).any(1)
    if _is_flat(model):
        x = patient.image[:, shown].transpose(0, 1)
    else:
        x, batch = patient.image[None], 1
    with torch.no_grad(), at_work(model, device, x.ndim):
        model.eval()
        try:
            parts = [_probabilities(model, part, flips) for part in x.split(batch)]
        finally:
            model.train(mode)
    if x.ndim == 5:
        return parts[0][0] * shown.view(-1, 1, 1)
    parts = torch.cat(parts).transpose(0, 1)
    whole_volume = parts.new_zeros(len(parts), *patient.label.shape)
    whole_volume[:, shown] = parts
    return whole_volume


def _is_flat(model: nn.Module) -> bool:
    """Whether the network takes slices rather than volumes."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            return isinstance(module, nn.Conv2d)
    raise ValueError(
        _(
            "predict: the network has no convolution, so it does not say whether it "
            "takes slices or volumes."
        )
    )


def _probabilities(model: nn.Module, x: Tensor, flips: bool) -> Tensor:
    """Sigmoid of the logits for x, float32 on the CPU."""
    place = next(model.parameters()).device
    logits = model(x.to(place))
    _need_map("predict", logits, x)
    p = logits.float().sigmoid()
    if flips:
        p = (p + model(x.flip(-1).to(place)).float().sigmoid().flip(-1)) / 2
    return p.cpu()


def _need_map(where: str, logits: Tensor, x: Tensor) -> None:
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


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    lr: float,
) -> Tensor:
    """One step of gradient descent; the loss before it, detached."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    logits = model(x).float()
    with torch.autocast(x.device.type, enabled=False):
        value = loss(logits, y.float())
    optimizer.zero_grad()
    value.backward()
    nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()
    # Within one autocast the weights of the first step would be used for ever.
    torch.clear_autocast_cache()
    return value.detach()


def _checked(model: nn.Module, train: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """(x, y) of `train` if `model` can learn from them; else ValueError."""
    pair = train[:2] if isinstance(train, tuple | list) else ()
    if len(pair) != 2 or not all(isinstance(part, Tensor) for part in pair):
        sentence = _("{where}: {name} must be a pair of tensors (x, y).")
        raise ValueError(sentence.format(where="fit_segmentation", name="train"))
    x, y = pair
    if not count_parameters(model):
        raise ValueError(_("fit_segmentation: the model has no parameters to train."))
    if reason := _fault(x, y):
        raise ValueError(f"fit_segmentation: {reason}")
    mode = model.training
    model.eval()
    try:
        with torch.no_grad():
            logits = model(x[:1].to(next(model.parameters()).device))
    finally:
        model.train(mode)
    _need_map("fit_segmentation", logits, x[:1])
    if logits.shape[1] != y.shape[1]:
        raise ValueError(
            _(
                "fit_segmentation: the network gives {k} maps an image, the masks "
                "have {channels}."
            ).format(k=logits.shape[1], channels=y.shape[1])
        )
    return x, y


def _fault(x: Tensor, y: Tensor) -> str | None:
    if x.ndim not in (4, 5) or len(x) == 0 or not x.is_floating_point():
        return _(
            "x must be float images (N, C, H, W) or volumes (N, C, D, H, W), at "
            "least one, got {dtype} {shape}."
        ).format(dtype=x.dtype, shape=tuple(x.shape))
    if not torch.isfinite(x).all():
        return _("x holds values that are not finite (NaN or infinite).")
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


def _bar(steps: int, live: bool):
    """A progress bar that disappears at the end; None where nobody is watching."""
    if not live:
        return None
    from tqdm.auto import tqdm

    return tqdm(total=steps, leave=False)


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def _say_stopped(epoch: int, epochs: int) -> None:
    print(
        _(
            "Stopped by hand in epoch {n} of {epochs}; the model keeps the weights it "
            "had then."
        ).format(n=epoch, epochs=epochs)
    )


def _not_finite(x: Tensor, lr: float, epoch: int) -> str:
    return _(
        "fit_segmentation: the loss is no longer finite in epoch {n}. Choose a smaller "
        "lr (it was {lr}), see that x is normalised (its largest absolute value is "
        "{largest}) and that the loss never divides by 0."
    ).format(n=epoch, lr=lr, largest=f"{x.abs().max().item():.3g}")
