"""Exercise: an enhancing tumour that is too small becomes core."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Slip,
    Stopped,
    compare,
    error_text,
    expect_callable,
    tensor,
)
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.locale import _


@exercise(
    "04.small_enhancing",
    hints=lambda: _hints(),
    blanks=2,
)
def small_enhancing(answer):
    expect_callable(answer)
    touched = []

    def watched(label: Tensor, least: int) -> object:
        before = label.clone()
        result = answer(label, least)
        touched.append(not torch.equal(label, before))
        return result

    compare(
        watched,
        _cases(),
        _by_counting,
        _mistakes(),
        read=_read,
        describe=_describe,
        stop=_named_stop,
        unnamed=_of_labels,
    )
    if any(touched):
        raise NotYet(
            _(
                "the result is right, but your function also changes the label that it "
                "was given: whoever compares before and after would see no difference."
            )
        )
    return _(
        "Try it on the validation part with several `least`, and look at TC as well: "
        "can it change?"
    )


def _read(result: object) -> Tensor:
    """As `tensor` reads it, but `small` may also be Python's True or False."""
    return tensor(torch.tensor(result) if isinstance(result, bool) else result)


def _hints() -> list[str]:
    return [
        _(
            "Two questions: how many voxels of the whole volume have the label 3, and "
            "is that fewer than `least`?"
        ),
        _(
            "A mask of True and False has a sum: the number of its voxels. What is "
            "removed from the enhancing tumour stays tumour core."
        ),
        _(
            "`torch.where(condition, a, b)` gives a new tensor, with a where the "
            "condition holds and b elsewhere; the label that came in stays as it was."
        ),
    ]


def _by_counting(label: Tensor, least: int) -> Tensor:
    """The reference, voxel by voxel."""
    values = label.flatten().tolist()
    if values.count(3) < least:
        values = [1 if value == 3 else value for value in values]
    return torch.tensor(values, dtype=label.dtype).view(label.shape)


def _cases() -> list[tuple[Tensor, int]]:
    """No two ways of counting agree on all: of voxels, of labels, by slice, of all."""
    generator = torch.Generator().manual_seed(8)

    def volume(enhancing: int, others: int, *shape: int) -> Tensor:
        label = torch.zeros(shape, dtype=torch.uint8)
        places = torch.randperm(label.numel(), generator=generator)
        kinds = torch.randint(1, 3, (others,), generator=generator, dtype=torch.uint8)
        label.view(-1)[places[:enhancing]] = 3
        label.view(-1)[places[enhancing : enhancing + others]] = kinds
        return label

    return [
        (volume(5, 12, 2, 3, 4), 8),
        (volume(9, 20, 3, 4, 4), 6),  # large enough, but not in any slice
        (volume(7, 20, 8, 2, 4), 7),  # just enough, and no more than there are slices
        (volume(30, 9, 2, 5, 4), 6),  # large enough in each slice
        (volume(3, 30, 3, 4, 5), 10),  # small, also where each voxel counts 3
        (volume(2, 6, 3, 5, 4), 10),  # small, also as a whole tumour
        (volume(1, 2, 4, 3, 5), 9),  # small, also as a sum of labels
        (volume(3, 4, 2, 2, 2), 30),  # the whole volume is smaller than that
        (volume(0, 9, 2, 3, 3), 4),
        (volume(1, 5, 2, 3, 3), 1),  # where True, a single voxel, is not less
    ]


def _describe(label: Tensor, least: int) -> str:
    text = _("{n} enhancing voxels in a label {shape}, least={least}")
    n = int((label == 3).sum())
    return text.format(n=n, shape=tuple(label.shape), least=least)


def _mistakes() -> list[tuple]:
    """(wrong version, sentence, *hints)"""
    return [
        *((*named, *_hints()[:2]) for named in _wrong_small()),
        *((*named, *_hints()[1:]) for named in _wrong_labels()),
    ]


def _wrong_small() -> list[tuple[Callable, str]]:
    """(wrong version, sentence), where `small` is something else."""

    def when(condition: Callable) -> Callable:
        return lambda label, least: _replaced(label, 1, condition(label, least))

    return [
        (
            when(lambda label, least: _count(label) <= least),
            _("Just `least` voxels are enough: only fewer are too small."),
        ),
        (
            when(lambda label, least: _count(label) > least),
            _("The comparison is the wrong way round: the large one is dropped."),
        ),
        (
            when(lambda label, least: _count(label) >= least),
            _("The comparison is the wrong way round: the large one is dropped."),
        ),
        (
            when(lambda label, least: 3 * _count(label) < least),
            _("You add up the labels, where each voxel counts 3: count the voxels."),
        ),
        (
            when(lambda label, least: int(label.sum()) < least),
            _("You add up all the labels: count the voxels that enhance."),
        ),
        (
            when(lambda label, least: int((label > 0).sum()) < least),
            _("You count the whole tumour: only what enhances is asked."),
        ),
        (
            when(lambda label, least: len(label) < least),
            _("`len` counts slices: the sum of a mask counts voxels."),
        ),
        (
            when(lambda label, least: label.numel() < least),
            _("You count all the voxels of the volume: only what enhances is asked."),
        ),
        *(
            (
                lambda label, least, of=of: torch.where(
                    (label == 3) & (of(label) < least), 1, label
                ),
                _("You compare voxel by voxel, and not how many voxels enhance: a sum "
                  "is missing."),
            )
            for of in (lambda label: label == 3, lambda label: label)
        ),
        (
            lambda label, least: torch.stack(
                [_replaced(s, 1, _count(s) < least) for s in label]
            ),
            _("You count slice by slice: a tumour is as large as all its slices "
              "together."),
        ),
    ]  # fmt: skip


def _wrong_labels() -> list[tuple[Callable, str]]:
    """(wrong version, sentence), where something else is returned."""

    def becomes(value: int) -> Callable:
        return lambda label, least: _replaced(label, value, _count(label) < least)

    return [
        (
            becomes(0),
            _("It becomes background, and the whole tumour shrinks: what does not "
              "enhance is still tumour."),
        ),
        (
            becomes(2),
            _("It becomes oedema, and the tumour core shrinks: it stays in the core."),
        ),
        (
            becomes(4),
            _("The course has the labels 0, 1, 2 and 3."),
        ),
        (
            lambda label, least: _replaced(label, 1, True),
            _("You always drop it, however large it is: does `small` decide?"),
        ),
        (
            lambda label, least: label,
            _("Nothing changes: what becomes of the voxels of a tumour too small?"),
        ),
        *(
            (
                lambda label, least, value=value: (
                    torch.full_like(label, value) if _count(label) < least else label
                ),
                _("You replace the whole label: only the voxels with 3 change."),
            )
            for value in (0, 1)
        ),
        (
            lambda label, least: torch.where(label == 3, 3, 1)
            if _count(label) >= least else torch.ones_like(label),
            _("You replace what does not enhance: only the voxels with 3 change."),
        ),
        (
            lambda label, least: (
                (label == 3) & (_count(label) < least)
            ),
            _("That is a mask: the label with its four numbers is meant."),
        ),
        (
            lambda label, least: (label == 3) & (_count(label) >= least),
            _("That is the enhancing tumour alone: the other labels stay."),
        ),
    ]  # fmt: skip


def _count(label: Tensor) -> int:
    return int((label == 3).sum())


def _replaced(label: Tensor, value: int, small: bool) -> Tensor:
    """`label` with `value` for 3 where it is small."""
    return torch.where(label == 3, value, label) if small else label


def _of_labels(got: list) -> str:
    """What to add where no mistake is named."""
    found = [part for part in got if isinstance(part, Tensor)]
    if any(((part < 0) | (part > 3)).any() for part in found):
        return _("The course has the labels 0, 1, 2 and 3.")
    if found and all(part.shape == () and part.dtype == torch.bool for part in found):
        return _(
            "That says whether the tumour is small: the label is meant, as it is after "
            "the change."
        )
    return ""


def _named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in drop_small_enhancing."""
    text, told = error_text(stopped.error), _("your code stops.")
    if stopped.operation == "where" or "where()" in text:
        reason = _(
            "`torch.where` wants a mask of the label's shape, then what stands where "
            "it is True, then what stands elsewhere."
        )
    elif "Boolean value of Tensor" in text:
        reason = _(
            "`if` and `and` want one True or False, and a mask has many: `&` goes "
            "place by place, and a sum makes one number of a mask."
        )
    elif stopped.operation == "mean":
        reason = _(
            "True and False have no mean: turn them into numbers with `.float()`."
        )
    else:
        return plain_tensor_stop(stopped)
    return Slip(f"{told} {reason}")
