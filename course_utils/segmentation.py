"""Train a segmentation network on slices or volumes in memory, and apply it.

The loop is that of `course_utils.training` with what masks need: a loss of the
learner's choice, and changes that move image and mask together.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor, nn

from course_utils.data.slices import Slices, slices
from course_utils.data.volumes import Patient
from course_utils.guards import check_masks, check_settings, need, need_map, whole
from course_utils.history import is_interactive
from course_utils.locale import _
from course_utils.modes import eval_mode
from course_utils.training import (
    at_work,
    build_optimizer,
    one_cycle,
    own_randomness,
    pick_device,
    shuffled,
    snapshot,
)

__all__ = ["SegmentationHistory", "Slices", "fit_segmentation", "predict", "slices"]

CLIP = 5.0  # largest norm of a step's gradient: one odd batch must not undo an epoch

Augment = Callable[[Tensor, Tensor, Generator], tuple[Tensor, Tensor]]


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
    x, y = check_masks("fit_segmentation", "train", train, model)
    device = pick_device(device)
    steps = epochs * max(1, len(x) // batch_size)
    history, good, losses = SegmentationHistory(), snapshot(model), []

    def close(epoch: int) -> None:
        """Keep what the epoch learned, unless its loss says that it is spoilt."""
        nonlocal good
        mean = torch.stack(losses).mean().item()
        if not math.isfinite(mean):
            model.load_state_dict(good)
            raise ValueError(_not_finite(x, lr, epoch))
        good = snapshot(model)
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
    Slices without brain are 0, unseen by a 2-D network. Each module comes back in
    the mode and the place where it was; the result is on the CPU.
    Raises ValueError for a network without convolutions or with another output.
    """
    need("predict", "batch", batch, whole(batch, 1), "int >= 1")
    device = pick_device(device)
    shown = patient.brain.flatten(1).any(1)
    if _is_flat(model):
        x = patient.image[:, shown].transpose(0, 1)
    else:
        x, batch = patient.image[None], 1
    with torch.no_grad(), at_work(model, device, x.ndim), eval_mode(model):
        parts = [_probabilities(model, part, flips) for part in x.split(batch)]
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
    need_map("predict", logits, x)
    p = logits.float().sigmoid()
    if flips:
        p = (p + model(x.flip(-1).to(place)).float().sigmoid().flip(-1)) / 2
    return p.cpu()


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


def _bar(steps: int, live: bool):
    """A progress bar that disappears at the end; None where nobody is watching."""
    if not live:
        return None
    from tqdm.auto import tqdm

    return tqdm(total=steps, leave=False)


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
