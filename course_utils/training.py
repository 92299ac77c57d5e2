"""Train a classifier on images in memory, and measure it honestly.

The loop is the one that workshop 01 writes by hand. Here it is once more with what a
lesson would not want to look at: schedule, best weights, interrupts, checkpoints.
"""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import checkpoint as checkpoints
from course_utils.history import History, Progress, is_interactive
from course_utils.locale import _

OPTIMIZERS = ("adamw", "sgd")
CHUNK = 500  # images at a time where no gradient is needed


@dataclass
class Evaluation:
    """How a network does on one split.

    accuracy: 0..1. interval: (low, high), 95 % percentile bootstrap of the accuracy.
    loss: mean cross-entropy. probabilities: float32 (N, K), rows sum to 1.
    predictions: int64 (N,), the most probable class. Both on the CPU.

    Efron, B. (1979). Annals of Statistics 7(1). https://doi.org/10.1214/aos/1176344552
    """

    accuracy: float
    interval: tuple[float, float]
    loss: float
    probabilities: Tensor
    predictions: Tensor


def fit(
    model: nn.Module,
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    *,
    epochs: int,
    lr: float = 0.01,
    batch_size: int = 128,
    optimizer: str = "adamw",
    weight_decay: float = 0.05,
    label_smoothing: float = 0.0,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    seed: int = 0,
    device: str = "auto",
    live: bool | None = None,
    checkpoint: str | os.PathLike | None = None,
) -> History:
    """Train `model` in place and leave it with the weights of its best epoch.

    model: maps a batch of x to logits (N, K).
    train, valid: (x, y), x float (N, ...) normalised, y int64 (N,) from 0 to K - 1.
        Best is the epoch of highest accuracy on valid; on a tie, of lowest loss.
    epochs: passes over train, int >= 1. Each leaves out the last, incomplete batch.
    lr: the highest learning rate; it rises for a quarter of the steps, then falls
        (one cycle).
    optimizer: "adamw", or "sgd" (Nesterov, momentum 0.9).
    weight_decay: for weights only, not for biases and batch norm.
    label_smoothing: 0..1, what the loss spreads over all classes.
    augment: called with each batch and a seeded generator, see course_utils.augment.
    seed: of everything random here; the same seed repeats the run. PyTorch's own
        generator is left as it was.
    device: "auto" (cuda, mps or cpu) or the name of one. The model comes back to where
        it was, in eval mode.
    live: bar and curve while it trains; None: in a notebook, except under CI.
    checkpoint: file that holds the run after each epoch. Where it exists, the run goes
        on from there and ends exactly as if nothing had happened (on the CPU).
    An interrupt of the kernel ends the run early and keeps the best weights so far.
    Raises ValueError, and leaves the model as it was, for data that do not fit the
    network, settings out of range, a loss that is no longer finite (the best epoch so
    far is kept), or a checkpoint of another run.

    AdamW: Loshchilov, I., Hutter, F. (2019). https://arxiv.org/abs/1711.05101
    One cycle: Smith, L. (2018). https://arxiv.org/abs/1803.09820
    Label smoothing: Szegedy, C. et al. (2016). https://arxiv.org/abs/1512.00567
    """
    _check_settings(epochs, lr, batch_size, optimizer, weight_decay, label_smoothing)
    device = pick_device(device)
    train = _check_split("fit", "train", train, model)
    valid = _check_split("fit", "valid", valid, model)
    settings = {
        "epochs": epochs,
        "lr": lr,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "weight_decay": weight_decay,
        "label_smoothing": label_smoothing,
        "seed": seed,
        "images": len(train[0]),
    }
    start = time.perf_counter()
    history = History()
    best = _copy(model)
    with _at_work(model, device, train[0].ndim), _own_randomness(device):
        train, valid = [[part.to(device) for part in pair] for pair in (train, valid)]
        stepper = _optimizer(model, optimizer, lr, weight_decay)
        if checkpoint is not None and os.path.exists(checkpoint):
            best, history = checkpoints.load(checkpoint, model, stepper, settings)
            print(
                _("{path}: {n} of {epochs} epochs are done, we go on from there.").format(
                    path=checkpoint, n=len(history.valid_loss), epochs=epochs
                )
            )
    raise NotImplementedError
