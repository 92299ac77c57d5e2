"""The typical mistakes in cutting a validation part by photo."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils.checks.answers import NotYet, Slip, Stopped
from course_utils.locale import _


class Case(NamedTuple):
    """Which photo each image was made from, and what else the answer is given."""

    photo: Tensor
    fraction: float
    seed: int

    @property
    def photos(self) -> Tensor:
        return self.photo.unique()

    @property
    def wanted(self) -> float:
        """How many photos the validation part should have, before rounding."""
        return self.fraction * len(self.photos)

    def __str__(self) -> str:
        return _("{n} images of {m} photos, fraction={fraction}, seed={seed}").format(
            n=len(self.photo),
            m=len(self.photos),
            fraction=self.fraction,
            seed=self.seed,
        )


def named_version(cases: list[Case], splits: list) -> str:
    """The sentence of the wrong version that gave every split, or an empty one."""
    unshuffled = _("You take the photos in their own order: `order` is not used.")
    mistakes = [
        (
            lambda case, order, k: torch.isin(case.photo, order[:k]),
            _("`order` holds positions in the list of photos, and you take them for "
              "photo numbers."),
        ),
        (
            lambda case, order, k: torch.isin(case.photo, case.photos[:k]),
            unshuffled,
        ),
        (
            lambda case, order, k: torch.isin(case.photo, case.photos[-k:]),
            unshuffled,
        ),
        (
            lambda case, order, k: torch.isin(
                case.photo, case.photos[order[: round(case.fraction * len(case.photo))]]
            ),
            _("You count the images: here it is a fraction of the photos."),
        ),
        (
            lambda case, order, k: torch.isin(case.photo, case.photos[order[k]]),
            _("You take a single photo: a slice has a colon."),
        ),
        (
            lambda case, order, k: torch.isin(case.photo, case.photos[order]),
            _("You choose all the photos: how many of `order` are enough?"),
        ),
        (
            lambda case, order, k: torch.isin(case.photo, case.photo[order[:k]]),
            _("You look the positions up in `photo`, the images: they are positions in "
              "`photos`."),
        ),
        (
            lambda case, order, k: torch.isin(
                torch.arange(len(case.photo)), case.photos[order[:k]]
            ),
            _("You compare the positions of the images: their photos are meant."),
        ),
        *(
            (
                lambda case, order, k, fixed=fixed: torch.isin(
                    case.photo, case.photos[order[: round(fixed * len(order))]]
                ),
                _("You always take the same fraction: use `fraction`."),
            )
            for fixed in (0.1, 0.2, 0.25, 0.3)
        ),
    ]  # fmt: skip
    for version, text in mistakes:
        pairs = zip(cases, splits, strict=True)
        if all(
            torch.equal(valid, _as_stub(version, c)) for c, (_train, valid) in pairs
        ):
            return text
    return ""


def _as_stub(version: Callable, case: Case) -> Tensor:
    """What `version` gives with the order that the stub draws."""
    generator = torch.Generator().manual_seed(case.seed)
    order = torch.randperm(len(case.photos), generator=generator)
    return version(case, order, round(case.wanted))


def named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in split_by_photo, from the operation that refused."""
    told = _("for {case} your code stops.").format(case=stopped.case)
    text = str(stopped.error)
    if "slice indices must be integers" in text:
        reason = _("A slice needs a whole number of photos: `round` gives one.")
        return Slip(f"{told} {reason}")
    if "unary ~" in text or "operator.invert" in text or "bitwise_not" in text:
        reason = _(
            "`~` turns a mask of True and False around: a tensor of them is meant."
        )
        return Slip(f"{told} {reason}")
    if stopped.operation == "isin":
        return Slip(f"{told} {_('`torch.isin` takes two tensors.')}")
    if stopped.operation in ("eq", "__eq__", "ne", "__contains__"):
        reason = _(
            "You compare {n} images with the chosen photos place by place: ask of each "
            "image whether its photo is among them."
        ).format(n=len(stopped.local("photo")))
        return NotYet(f"{told} {reason}")
    if isinstance(stopped.error, IndexError):
        reason = _("A position lies outside: `order` holds positions in `photos`.")
        return NotYet(f"{told} {reason}")
    return None
