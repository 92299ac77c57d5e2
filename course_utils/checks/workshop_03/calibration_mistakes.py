"""The ECE and the temperature, right and wrong: what the checks of 03 compare with."""

import functools
import math
from collections.abc import Callable, Iterable
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.locale import _


def ece_by_hand(probabilities: Tensor, y: Tensor, bins: int = 10) -> float:
    """The reference of 03.ece: one image after the other."""
    gap_of: dict[int, float] = {}
    for row, label in zip(probabilities.double().tolist(), y.tolist(), strict=True):
        b = math.ceil(max(row) * bins)
        right = row.index(max(row)) == label
        gap_of[b] = gap_of.get(b, 0.0) + right - max(row)
    return sum(abs(gap) for gap in gap_of.values()) / len(y)


def _bins(probabilities: Tensor, y: Tensor, bins: int = 10) -> list[SimpleNamespace]:
    """What is known of each bin that holds images, in order."""
    confidence, predicted = probabilities.double().max(1)
    right = (predicted == y).double()
    found = []
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        if inside.any():
            a, c = right[inside], confidence[inside]
            gap, share = (a.mean() - c.mean()).item(), inside.double().mean().item()
            found.append(SimpleNamespace(**locals()))
    return found


def ece_mistakes() -> list[tuple[Callable, str]]:
    """(wrong ECE, sentence)"""

    def added(term: Callable) -> Callable:
        return lambda *case: float(sum(term(v) for v in _bins(*case)))

    sign = _(
        "Some bins cancel others out: too sure in one and too unsure in another are "
        "two errors, so each distance counts without its sign."
    )
    alike = _(
        "You give every bin the same weight: one with a single image must count less "
        "than one with a hundred."
    )
    whole = _("You compare the means of all the images each time: where is `inside`?")
    middle = _(
        "You use the place of the bin: the confidence to compare is the mean over the "
        "images inside it."
    )
    early = _("You return in the first round: the `return` is aligned with the `for`.")
    return [
        (
            added(lambda v: abs(v.gap)),
            _("The bins are just added up: each counts by its share of the images."),
        ),
        (added(lambda v: v.share * v.gap), sign),
        (added(lambda v: -v.share * v.gap), sign),
        (added(lambda v: v.gap), sign),
        (added(lambda v: -v.gap), sign),
        (added(lambda v: abs(v.gap) / v.bins), alike),
        (lambda *case: _mean(abs(v.gap) for v in _bins(*case)), alike),
        (
            added(lambda v: v.share * v.gap**2),
            _("You square the distances: here they count as they are."),
        ),
        (
            lambda *case: sum(v.share * v.gap**2 for v in _bins(*case)) ** 0.5,
            _("You square the distances: here they count as they are."),
        ),
        (
            added(lambda v: v.share * abs(v.gap) * len(v.right)),
            _("You count the images of the bin: its share is that number over all of "
              "them."),
        ),
        (
            added(lambda v: v.share * abs(v.gap) * len(v.right) / v.bins),
            _("You divide by the number of bins: a share is out of all the images."),
        ),
        (
            added(lambda v: v.share * abs(v.gap) * len(v.a)),
            _("You add where means belong."),
        ),
        (added(lambda v: abs((v.right.mean() - v.confidence.mean()).item())), whole),
        (
            lambda *case: abs(sum(v.share * v.gap for v in _bins(*case))),
            _("You compare one mean with another, once: each bin has its own "
              "distance."),
        ),
        (
            added(lambda v: v.share * abs(v.a.mean() - v.confidence.mean())),
            _("The confidence is that of all the images: take that of the bin."),
        ),
        (
            added(lambda v: v.share * abs(v.right.mean() - v.c.mean())),
            _("The accuracy is that of all the images: take that of the bin."),
        ),
        (
            added(lambda v: v.share * (v.a - v.c).abs().mean()),
            _("You take the distance image by image: first the two means of the bin, "
              "and then their distance."),
        ),
        (
            added(lambda v: (v.a - v.c).abs().mean()),
            _("You take the distance image by image: first the two means of the bin, "
              "and then their distance."),
        ),
        (added(lambda v: v.share * abs(v.a.mean() - (v.b + 1) / v.bins)), middle),
        (added(lambda v: v.share * abs(v.a.mean() - (v.b + 0.5) / v.bins)), middle),
        (added(lambda v: v.share * abs(v.a.mean() - v.b / v.bins)), middle),
        (
            added(lambda v: v.share * v.a.mean()),
            _("That is the accuracy: the confidence is missing."),
        ),
        (
            added(lambda v: v.share * v.c.mean()),
            _("That is the mean confidence: the accuracy is missing."),
        ),
        (
            lambda *case: max(abs(v.gap) for v in _bins(*case)),
            _("That is the largest of the distances: here all count, by their share."),
        ),
        (
            lambda *case: 100 * ece_by_hand(*case),
            _("That is a percentage: here a fraction between 0 and 1 is meant."),
        ),
        (
            lambda *case: _share_of_gap(_bins(*case)[-1]),
            _("Only the last bin is left: `+=` adds, and `=` forgets what was there."),
        ),
        (lambda *case: _share_of_gap(_bins(*case)[0]), early),
        (lambda *case: _first_round(_bins(*case)), early),
        (
            lambda probabilities, y, bins=10: ece_by_hand(probabilities, y),
            _("You always use ten bins: where is `bins`?"),
        ),
        (
            lambda probabilities, y, bins=10: ece_by_hand(
                probabilities[probabilities.amax(1) < 1],
                y[probabilities.amax(1) < 1],
                bins,
            ) * (probabilities.amax(1) < 1).double().mean().item(),
            _("Images with a confidence of exactly 1 get lost: the upper edge belongs "
              "to the bin."),
        ),
    ]  # fmt: skip


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values)


def _share_of_gap(v: SimpleNamespace) -> float:
    return v.share * abs(v.gap)


def _first_round(found: list[SimpleNamespace]) -> float:
    """What is added up after the first bin, which may be empty."""
    return _share_of_gap(found[0]) if found[0].b == 0 else 0.0


def best_temperature(logits: Tensor, y: Tensor) -> float:
    """The reference of 03.temperature: golden-section search on log T, float64."""
    logits, ratio = logits.double(), (5**0.5 - 1) / 2

    def loss(log_t: float) -> float:
        return F.cross_entropy(logits / math.exp(log_t), y).item()

    low, high = -4.0, 4.0
    while high - low > 1e-4:
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return math.exp((low + high) / 2)


def _stub(loss_of: Callable, result_of: Callable = math.exp) -> Callable:
    """The notebook's stub with a loss of (log_t, logits, y), right or wrong."""

    def fitted(logits: Tensor, y: Tensor) -> float:
        log_t = torch.zeros((), requires_grad=True)
        optimizer = torch.optim.LBFGS([log_t], max_iter=50)

        def closure():
            optimizer.zero_grad()
            loss = loss_of(log_t, logits, y)
            loss.backward()
            return loss

        optimizer.step(closure)
        return result_of(log_t.item())

    return functools.cache(fitted)  # `compare` asks twice


def temperature_mistakes() -> list[tuple[Callable, str]]:
    """(wrong fit of T, sentence)"""
    softmax = _(
        "There is a softmax before the cross-entropy, which applies its own: give it "
        "the divided logits."
    )
    probabilities = _(
        "T divides probabilities: it is the logits that are divided, before the "
        "softmax."
    )
    plain = _(
        "You use `log_t` as if it were T: it starts at 0 and may be negative, and T is "
        "what has it as its logarithm."
    )
    outside = _(
        "T is outside the cross-entropy, and only makes the loss smaller or larger: it "
        "must divide the logits."
    )
    still = _(
        "T stays at 1: does the loss change with `log_t`? What is added to all the "
        "logits of an image changes no softmax."
    )
    start = _("That is where `log_t` starts: return T, after the optimiser's step.")
    return [
        (
            lambda logits, y: 1 / best_temperature(logits, y),
            _("That is 1/T: T divides the logits, and a network that is too sure needs "
              "one above 1."),
        ),
        (
            lambda logits, y: math.log(best_temperature(logits, y)),
            _("That is the logarithm of T, which may be negative: return T."),
        ),
        (
            lambda logits, y: -math.log(best_temperature(logits, y)),
            _("That is the logarithm of 1/T: T divides the logits, and T itself is "
              "returned."),
        ),
        (
            lambda logits, y: math.exp(best_temperature(logits, y)),
            _("You take the exponential once more: that of `log_t` already is T."),
        ),
        (
            lambda logits, y: math.nan,
            _(
                "T is lost, as nan. `log_t` is not T and starts at 0: do you divide by "
                "it? And `nll_loss` would want the logarithms of probabilities."
            ),
        ),
        (lambda logits, y: 1.0, still),
        (lambda logits, y: 0.0, start),
        (
            lambda logits, y: F.cross_entropy(
                logits / best_temperature(logits, y), y
            ).item(),
            _("That is the loss that the best T reaches: return T."),
        ),
        (
            _stub(lambda t, x, y: F.cross_entropy((x / t.exp()).softmax(1), y)),
            softmax,
        ),
        (_stub(lambda t, x, y: F.cross_entropy(x.softmax(1) / t.exp(), y)),
         probabilities),
        (
            _stub(lambda t, x, y: F.nll_loss((x / t.exp()).softmax(1), y)),
            _("`nll_loss` wants the logarithms of probabilities: the logarithm is "
              "missing."),
        ),
        (
            _stub(lambda t, x, y: -F.cross_entropy(x / t.exp(), y)),
            _("The sign is turned around: the optimiser makes the loss as small as "
              "possible."),
        ),
        (_stub(lambda t, x, y: F.cross_entropy(x * t, y)), plain),
        (_stub(lambda t, x, y: F.cross_entropy(x, y) / t.exp()), outside),
        (_stub(lambda t, x, y: F.cross_entropy(x, y) * t.exp()), outside),
        (
            _stub(lambda t, x, y: F.cross_entropy(t.exp() / x, y)),
            _("The division is upside down: T divides the logits."),
        ),
    ]  # fmt: skip
