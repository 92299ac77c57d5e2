"""Exercise: a validation part cut by photo, not by image."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Slip,
    Stopped,
    call,
    expect_callable,
    part,
)
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.checks.workshop_03.photos_mistakes import (
    Case,
    named_stop,
    named_version,
)
from course_utils.locale import _

PARTS = ("train", "valid")


@exercise(
    "03.split_by_photo",
    hints=lambda: [
        _(
            "First choose photos, then ask of each image whether its photo is among "
            "the chosen ones."
        ),
        _(
            "`order` holds positions in `photos`, well shuffled: its first few, how "
            "many?, say which photos are chosen. Photo numbers need not be 0, 1, 2..."
        ),
        _(
            "Look up `torch.isin`. `valid` has one True or False for each image, so "
            "that `~valid` is the rest."
        ),
    ],
    blanks=2,
)
def split_by_photo(answer):
    expect_callable(answer)
    cases = [
        _case(1, photos=10, fraction=0.3),
        _case(2, photos=25, fraction=0.2, mixed=False),
        _case(3, photos=40, fraction=0.1),
    ]
    splits = [_split(answer, case) for case in cases]
    for case, (train, valid) in zip(cases, splits, strict=True):
        _expect_two_parts(case, train, valid)
    version = named_version(cases, splits)
    for case, (_train, valid) in zip(cases, splits, strict=True):
        _expect_whole_photos(case, valid, version)
        _expect_share(answer, case, valid, version)
    _expect_seed(answer, cases[1], splits[1], version)
    return _(
        "Try it: count the images of each letter in `valid`. Would you rather have as "
        "many photos of each?"
    )


def _case(seed: int, *, photos: int, fraction: float, mixed: bool = True) -> Case:
    """Photos of 1 to 12 images, mixed up or not, with numbers that begin beyond 99."""
    generator = torch.Generator().manual_seed(seed)
    ids = 100 + torch.randperm(4 * photos, generator=generator)[:photos]
    sizes = torch.randint(1, 13, (photos,), generator=generator)
    photo = ids.repeat_interleave(sizes)
    if mixed:
        photo = photo[torch.randperm(len(photo), generator=generator)]
    return Case(photo, fraction, seed)


def _split(answer: Callable, case: Case) -> tuple[Tensor, Tensor]:
    """The two parts of the answer as masks of True and False, (N,) each."""
    try:
        result = call(answer, *case, case=str(case))
    except Stopped as stopped:
        raise named_stop(stopped) or plain_tensor_stop(stopped) or stopped from None
    train, valid = (part(name, PARTS, _values)(result) for name in PARTS)
    if valid.dtype != torch.bool:
        _expect_no_turned_numbers(case, train, valid)
    valid = _mask("valid", valid, case)  # the learner's own; train is the stub's
    return _mask("train", train, case), valid


def _values(result: object) -> Tensor:
    if isinstance(result, np.ndarray | np.generic):
        result = torch.as_tensor(result)
    if isinstance(result, int):  # True and False too, and what `~` makes of them
        raise NotYet(_("there is one answer for all: each image needs its own."))
    if not isinstance(result, Tensor):
        reason = _(
            "I expected a tensor of True and False and got something of type {kind}."
        )
        raise Slip(reason.format(kind=type(result).__name__))
    return result.detach().cpu()


def _expect_no_turned_numbers(case: Case, train: Tensor, valid: Tensor) -> None:
    """NotYet if `~` was applied to whole numbers, which it turns negative."""
    if valid.is_floating_point() or train.shape != valid.shape:
        return
    if not torch.equal(train, ~valid):
        return
    told = _("`~` gives the other images only if `valid` is made of True and False.")
    if _zeros_and_ones(valid, case):
        reason = _("Yours is made of zeros and ones: compare them, or use `.bool()`.")
    elif torch.isin(valid, case.photo).all():
        reason = _(
            "Yours holds the numbers of the chosen photos: ask of each image whether "
            "its photo is among them."
        )
    else:
        reason = _("Yours holds whole numbers, and comes out negative.")
    raise NotYet(f"{told} {reason}")


def _zeros_and_ones(part: Tensor, case: Case) -> bool:
    return part.shape == case.photo.shape and bool(((part == 0) | (part == 1)).all())


def _mask(name: str, part: Tensor, case: Case) -> Tensor:
    n, m = len(case.photo), len(case.photos)
    told = _("`{name}` has the shape {shape}, and there are {n} images of {m} photos.")
    told = told.format(name=name, shape=tuple(part.shape), n=n, m=m)
    if part.dtype == torch.bool:
        if part.shape == (n,):
            return part
        if part.shape == (m,):
            reason = _(
                "You say of each photo whether it is chosen: say it of each image."
            )
        elif part.ndim == 1:
            reason = _(
                "You say it of the chosen photos: say of each image whether its photo "
                "is among them. What goes first into `isin`?"
            )
        elif part.ndim == 2 and n in part.shape:
            reason = _(
                "You compare each image with each chosen photo: one agreement among "
                "them is enough, so join them with `any`."
            )
        else:
            reason = _("One True or False for each image is meant.")
        raise NotYet(f"{told} {reason}")
    if part.is_floating_point() or part.ndim != 1 or _zeros_and_ones(part, case):
        reason = _(
            "`{name}` is of type {kind} and shape {shape}: a mask is meant, with one "
            "True or False for each image."
        )
        kind = str(part.dtype).removeprefix("torch.")
        raise NotYet(reason.format(name=name, kind=kind, shape=tuple(part.shape)))
    if len(part) and not 0 <= part.min() <= part.max() < n:
        reason = _(
            "`{name}` holds {value}, which is the position of no image (0 to {last})."
        )
        outside = part[(part < 0) | (part >= n)][0].item()
        raise NotYet(reason.format(name=name, value=outside, last=n - 1))
    mask = torch.zeros(n, dtype=torch.bool)
    mask[part.long()] = True
    return mask


def _expect_two_parts(case: Case, train: Tensor, valid: Tensor) -> None:
    both, none = int((train & valid).sum()), int((~train & ~valid).sum())
    told = _("for {case}: {n} images are in both parts.").format(case=case, n=both)
    if both and torch.equal(train, valid):
        reason = _("Your two parts are the same: `~` turns a mask around.")
        raise NotYet(f"{told} {reason}")
    if both:
        reason = _("What is validated must not be trained on.")
        raise NotYet(f"{told} {reason}")
    if none:
        reason = _("for {case}: {n} images are in neither part: none is thrown away.")
        raise NotYet(reason.format(case=case, n=none))


def _expect_whole_photos(case: Case, valid: Tensor, version: str) -> None:
    torn = [
        p for p in case.photos.tolist() if 0 < valid[case.photo == p].float().mean() < 1
    ]
    if not torn:
        return
    images = case.photo == torn[0]
    told = _(
        "for {case}: of photo {p}, {a} images train and {b} validate. That is the leak "
        "that this exercise is about: a photo stays whole."
    ).format(
        case=case,
        p=torn[0],
        a=int((images & ~valid).sum()),
        b=int((images & valid).sum()),
    )
    raise NotYet(f"{told} {version or _('Do you shuffle images or photos?')}")


def _expect_share(answer: Callable, case: Case, valid: Tensor, version: str) -> None:
    chosen, total = _chosen(case, valid), len(case.photos)
    if abs(chosen - case.wanted) <= 1 and 0 < chosen < total:
        return
    told = _(
        "for {case}: {n} of the {m} photos are in `valid`; I expected {wanted}."
    ).format(case=case, n=chosen, m=total, wanted=round(case.wanted))
    images = valid.float().mean().item()
    if version:
        reason = version
    elif abs(images - case.fraction) < 0.02:
        reason = _("That is the fraction of the images: here it is of the photos.")
    elif len({_chosen(case, _split(answer, c)[1]) for c in _other_seeds(case)}) > 1:
        reason = _("You draw how many: they must be `round(fraction * len(photos))`.")
    elif chosen == 0:
        reason = _("None is chosen: compare photo numbers with photo numbers.")
    elif abs(total - chosen - case.wanted) <= 1:
        reason = _("That is what should stay for training: are the parts swapped?")
    else:
        reason = ""
    raise NotYet(f"{told} {reason}".rstrip())


def _chosen(case: Case, valid: Tensor) -> int:
    return len(case.photo[valid].unique())


def _other_seeds(case: Case) -> list[Case]:
    return [case._replace(seed=seed) for seed in range(7, 12)]


def _expect_seed(answer: Callable, case: Case, split: tuple, version: str) -> None:
    """NotYet unless the seed, and nothing else, decides which photos are chosen."""
    if not torch.equal(split[1], _split(answer, case)[1]):
        raise NotYet(
            _(
                "twice the same seed gives two splits: draw with `generator`, so that "
                "a result can be repeated."
            )
        )
    others = [_split(answer, case._replace(seed=seed))[1] for seed in (7, 8)]
    if all(torch.equal(other, split[1]) for other in others):
        if version:
            reason = _("every seed gives the same split.")
            raise NotYet(f"{reason} {version}")
        raise NotYet(
            _("every seed gives the same split: do you pass `seed` to the generator?")
        )
