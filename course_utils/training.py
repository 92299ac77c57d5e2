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
from course_utils.guards import (
    check_settings,
    check_split,
    need,
    need_parameters,
    whole,
)
from course_utils.history import History, Progress, is_interactive
from course_utils.locale import _
from course_utils.modes import eval_mode

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
        Best is the last epoch whose accuracy on valid is within two standard errors of
        the highest: between equals, the one with the lowest learning rate.
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
    One cycle: Smith, L., Topin, N. (2018). https://arxiv.org/abs/1708.07120
    Label smoothing: Szegedy, C. et al. (2016). https://arxiv.org/abs/1512.00567
    """
    settings = {
        "epochs": epochs,
        "lr": lr,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "weight_decay": weight_decay,
        "label_smoothing": label_smoothing,
        "seed": seed,
    }
    check_settings("fit", settings)
    train = check_split("fit", "train", train, model)
    valid = check_split("fit", "valid", valid, model)
    need_parameters("fit", model)
    settings["images"] = len(train[0])
    device = pick_device(device)
    live = is_interactive() if live is None else live
    steps = epochs * max(1, len(train[0]) // batch_size)
    history, best, losses = History(), snapshot(model), []
    start = time.perf_counter()

    def close_epoch() -> None:
        nonlocal best
        train_loss = torch.stack(losses).mean().item()
        losses.clear()
        if not math.isfinite(train_loss):
            raise ValueError(_not_finite(train[0], lr, len(history.valid_loss) + 1))
        now = snapshot(model)
        loss, accuracy = _loss_and_accuracy(_logits(model, valid[0]), valid[1])
        if history.add(train_loss, loss, accuracy, len(valid[1])):
            best = now

    with at_work(model, device, train[0].ndim), own_randomness(device):
        train, valid = ([part.to(device) for part in pair] for pair in (train, valid))
        stepper = build_optimizer(model, optimizer, lr, weight_decay)
        if checkpoint is not None and os.path.exists(checkpoint):
            best, history = _resume(checkpoint, model, stepper, settings)
        start -= history.seconds
        model.train()
        try:
            with Progress(history, epochs, steps, live) as progress:
                for epoch in range(len(history.valid_loss), epochs):
                    for x, y in _batches(train, batch_size, augment, seed, epoch):
                        rate = lr * one_cycle(len(history.lr), steps)
                        loss = _step(model, stepper, x, y, rate, label_smoothing)
                        history.lr.append(rate)
                        losses.append(loss)
                        progress.step()
                    close_epoch()
                    history.seconds = time.perf_counter() - start
                    if checkpoint is not None:
                        checkpoints.save(
                            checkpoint, model, stepper, best, history, settings
                        )
                    progress.epoch()
        except KeyboardInterrupt:
            history.interrupted = True
            if losses and not history.valid_loss:
                close_epoch()  # not even one epoch: keep what there is
            history.seconds = time.perf_counter() - start
            _say_stopped(len(history.valid_loss) + bool(losses), epochs)
        finally:
            model.load_state_dict(best)
            model.eval()
            stepper.zero_grad()
    return history


def evaluate(
    model: nn.Module,
    split: tuple[Tensor, Tensor],
    *,
    groups: Tensor | None = None,
    resamples: int = 1000,
    seed: int = 0,
    device: str = "auto",
) -> Evaluation:
    """Measure `model` on (x, y), with the uncertainty that so many images leave.

    split: x float (N, ...) normalised as in training, y int64 (N,) from 0 to K - 1.
    groups: int64 (N,), what each image was made from (its photo, its patient). The
        bootstrap then draws whole groups: variants of one photo are right or wrong
        together, and an interval that takes them for independent is too narrow.
    resamples: bootstrap repetitions, int >= 1. seed: of the bootstrap, int >= 0.
    device: as in `fit`. Dropout and batch norm are in eval mode meanwhile; each
    module comes back in the mode and the place where it was.
    Raises ValueError for data that do not fit the network, or settings out of range.
    """
    need("evaluate", "resamples", resamples, whole(resamples, 1), "int >= 1")
    need("evaluate", "seed", seed, whole(seed, 0), "int >= 0")
    x, y = check_split("evaluate", "split", split, model)
    device = pick_device(device)
    with at_work(model, device, x.ndim):
        logits = _logits(model, x.to(device)).cpu()
    y = y.cpu()
    if groups is not None:
        shape = tuple(getattr(groups, "shape", ()))
        good = isinstance(groups, Tensor) and not groups.is_floating_point()
        bounds = f"int64 {tuple(y.shape)}"
        need("evaluate", "groups", shape, good and shape == tuple(y.shape), bounds)
    loss, accuracy = _loss_and_accuracy(logits, y)
    right = logits.argmax(1) == y
    drawn = _bootstrap(right.numpy(), groups, resamples, np.random.default_rng(seed))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Evaluation(
        accuracy=accuracy,
        interval=(float(low), float(high)),
        loss=loss,
        probabilities=logits.softmax(1),
        predictions=logits.argmax(1),
    )


def _bootstrap(
    right: np.ndarray, groups: Tensor | None, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """`resamples` accuracies, each of as many images or groups drawn with replacement.

    right: bool (N,), whether each answer was right.
    """
    if groups is None:
        # Drawing N answers with replacement, each right or wrong, and counting the
        # right ones, is drawing once from a binomial distribution: no loop.
        return rng.binomial(len(right), right.mean(), size=resamples) / len(right)
    _names, member = np.unique(groups.cpu().numpy(), return_inverse=True)
    size, hits = np.bincount(member), np.bincount(member, weights=right)
    times = rng.multinomial(len(size), np.full(len(size), 1 / len(size)), resamples)
    return times @ hits / (times @ size)


def count_parameters(model: nn.Module) -> int:
    """How many numbers training can change in `model`; shared ones count once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def pick_device(name: str = "auto") -> torch.device:
    """The device to compute on.

    name: "auto" (the first there is of cuda, mps, cpu) or one by name, such as "cpu"
        or "cuda:1". Raises ValueError for one that is unknown or not there.
    """
    if name == "auto":
        cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            _('device {name!r} is not available here: use "auto" or "cpu".').format(
                name=name
            )
        ) from error
    return device


def _batches(
    data: tuple[Tensor, Tensor],
    size: int,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None,
    seed: int,
    epoch: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of one epoch, shuffled and augmented."""
    x, y = data
    for batch, generator in shuffled(len(x), size, seed, epoch):
        batch = batch.to(x.device)
        yield augment(x[batch], generator) if augment else x[batch], y[batch]


def shuffled(
    images: int, size: int, seed: int, epoch: int
) -> Iterator[tuple[Tensor, torch.Generator]]:
    """The indices of each batch of one epoch, and the generator to augment it with.

    All that is random in an epoch, dropout too, follows from (seed, epoch): a resumed
    run need not know what was drawn before it.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
    order = torch.randperm(images, generator=generator)
    # A last batch of a few images would make a noisy step; a set smaller than a batch
    # is one batch.
    for batch in order.split(size)[: max(1, images // size)]:
        yield batch, generator


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    lr: float,
    label_smoothing: float,
) -> Tensor:
    """One step of gradient descent; the loss before it, detached."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    loss = F.cross_entropy(model(x), y, label_smoothing=label_smoothing)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def one_cycle(step: int, steps: int) -> float:
    """Fraction of the highest learning rate: cosine from 0.1 to 1, then to 0.001."""
    place = (step + 0.5) / steps
    low, way = (0.1, place / 0.25) if place < 0.25 else (0.001, (1 - place) / 0.75)
    return low + (1 - low) * (1 - math.cos(math.pi * way)) / 2


def build_optimizer(
    model: nn.Module, name: str, lr: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW or SGD; decay pulls on weights (matrices, kernels), on nothing else."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    # One call for all weights instead of one for each, where torch has it.
    fused = all(p.device.type in ("cpu", "cuda") for p in trainable) or None
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=lr, fused=fused)
    return torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True, fused=fused)


@torch.no_grad()
def _logits(model: nn.Module, x: Tensor) -> Tensor:
    """Logits (N, K) of all of x in eval mode; the modes are afterwards as before."""
    with eval_mode(model):
        return torch.cat([model(chunk) for chunk in x.split(CHUNK)])


def _loss_and_accuracy(logits: Tensor, y: Tensor) -> tuple[float, float]:
    hits = (logits.argmax(1) == y).sum().item()
    return F.cross_entropy(logits, y).item(), hits / len(y)


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of all that `load_state_dict` can bring back."""
    return {name: value.clone() for name, value in model.state_dict().items()}


@contextlib.contextmanager
def at_work(model: nn.Module, device: torch.device, ndim: int) -> Iterator[None]:
    """The model on `device`, its kernels laid out for speed; afterwards as it came.

    ndim: of x. With channels last, a CPU trains the network of workshop 02 1.3 times
    as fast.
    """
    home = next((p.device for p in model.parameters()), torch.device("cpu"))
    # A prediction in the middle of a training run must not undo the run's layout.
    plain = all(p.is_contiguous() for p in model.parameters())
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    layout = torch.preserve_format if device.type == "mps" else layouts.get(ndim)
    model.to(device, memory_format=layout or torch.preserve_format)
    try:
        yield
    finally:
        after = torch.contiguous_format if plain else torch.preserve_format
        model.to(home, memory_format=after)


def own_randomness(device: torch.device) -> contextlib.AbstractContextManager:
    """PyTorch's generators seeded inside are outside as they were."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def _resume(
    path: str | os.PathLike,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: dict,
) -> tuple[dict[str, Tensor], History]:
    best, history = checkpoints.load(path, model, optimizer, settings)
    print(
        _("{path}: {n} of {epochs} epochs are done, we go on from there.").format(
            path=path, n=len(history.valid_loss), epochs=settings["epochs"]
        )
    )
    return best, history


def _say_stopped(epoch: int, epochs: int) -> None:
    print(
        _(
            "Stopped by hand in epoch {n} of {epochs}; the model keeps the best "
            "weights so far."
        ).format(n=epoch, epochs=epochs)
    )


def _not_finite(x: Tensor, lr: float, epoch: int) -> str:
    return _(
        "fit: the loss is no longer finite in epoch {n}. Choose a smaller lr (it was "
        "{lr}) and see that x is normalised (its largest absolute value is {largest})."
    ).format(n=epoch, lr=lr, largest=f"{x.abs().max().item():.3g}")
