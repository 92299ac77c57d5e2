"""Exercise: the labels of three conventions as those of the course."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import NotYet, Slip, Stopped, compare, tensor
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.locale import _

# What the course calls each label: 0 background, 1 core, 2 oedema, 3 enhancing tumour.
MEANINGS = {
    "BraTS 2021": {0: 0, 1: 1, 2: 2, 4: 3},
    "BraTS 2023": {0: 0, 1: 1, 2: 2, 3: 3},
    "MSD": {0: 0, 2: 1, 1: 2, 3: 3},
}


@exercise(
    "04.label_map",
    hints=lambda: [*_hints_of_tables(), *_hints_of_places()],
    blanks=3,
)
def label_map(answer):
    compare(
        answer,
        _cases(),
        _as_course,
        _mistakes(),
        read=tensor,
        describe=_describe,
        stop=_named_stop,
        unnamed=_of_labels,
    )
    return _(
        "Try it: what becomes of a file of BraTS 2021 that is read as one of 2023? "
        "Better an error than a wrong label."
    )


def _hints_of_tables() -> list[str]:
    return [
        _(
            "A table is read by position: at place k stands what the label k becomes. "
            "Write down what 1, 2 and 3 mean in each convention."
        ),
        _(
            "BraTS 2023 and MSD agree on the enhancing tumour, their 3. They do not "
            "agree on which of 1 and 2 is the oedema."
        ),
    ]


def _hints_of_places() -> list[str]:
    return [
        _(
            "A tensor takes a whole tensor of places between its brackets, and gives "
            "one value for each. The places must be int64: uint8 counts as a mask."
        ),
    ]


def _as_course(label: Tensor, convention: str) -> Tensor:
    known = [MEANINGS[convention][value] for value in label.flatten().tolist()]
    return torch.tensor(known, dtype=torch.uint8).view(label.shape)


def _cases() -> list[tuple[Tensor, str]]:
    """Each convention's labels in order; then mixed, in two and in three dimensions."""
    generator = torch.Generator().manual_seed(4)

    def mixed(convention: str, *shape: int) -> tuple[Tensor, str]:
        known = torch.tensor([*MEANINGS[convention]], dtype=torch.uint8)
        drawn = torch.randint(len(known), shape, generator=generator)
        drawn.view(-1)[: len(known)] = torch.arange(len(known))  # each at least once
        return known[drawn], convention

    in_order = [
        (torch.tensor(sorted(known), dtype=torch.uint8), convention)
        for convention, known in MEANINGS.items()
    ]
    shapes = [(3, 2), (3, 4, 2), (2, 3, 4)]
    pairs = zip(MEANINGS, shapes, strict=True)
    return in_order + [mixed(convention, *shape) for convention, shape in pairs]


def _describe(label: Tensor, convention: str) -> str:
    told = (
        f"label {tuple(label.shape)}" if label.ndim > 1 else f"label={label.tolist()}"
    )
    return f'{told}, convention="{convention}"'


def _table(convention: str) -> list[int]:
    """The right table, as the stub has it: 0 where a label is not used."""
    known = MEANINGS[convention]
    return [known.get(label, 0) for label in range(max(known) + 1)]


def _mistakes() -> list[tuple]:
    """(wrong version, sentence, *hints)"""
    of_tables = [(*named, *_hints_of_tables()) for named in _wrong_tables()]
    of_places = [(*named, *_hints_of_places()) for named in _wrong_places()]
    return of_tables + of_places


def _wrong_tables() -> list[tuple[Callable, str]]:
    """(wrong version, sentence)"""

    def with_tables(**other: list[int]) -> Callable:
        """The stub with some tables replaced, under the last word of their names."""

        def version(label: Tensor, convention: str) -> Tensor:
            table = other.get(f"of_{convention.split()[-1]}", _table(convention))
            return torch.tensor(table)[label.long()]

        return version

    alike = [0, 1, 2, 3]
    crossed = _table("MSD")
    enhancing = _(
        "You take MSD's 2 for the enhancing tumour, as a well-known tutorial does, and "
        "it is the part of the core that does not enhance."
    )
    return [
        (
            with_tables(of_MSD=alike),
            _("You leave MSD's labels as they are, and so oedema and core change "
              "places: what is its 1?"),
        ),
        (with_tables(of_MSD=[0, 2, 3, 1]), enhancing),
        (with_tables(of_MSD=[0, 1, 3, 2]), enhancing),
        (
            with_tables(of_MSD=[0, 3, 2, 1]),
            _("MSD's 1 becomes the enhancing tumour: it is the oedema."),
        ),
        (
            with_tables(of_MSD=[0, 3, 1, 2]),
            _("MSD's 3 becomes oedema: it is the enhancing tumour."),
        ),
        (
            with_tables(of_2023=_table("BraTS 2021")),
            _("That is the table of BraTS 2021: in 2023 the enhancing tumour moved to "
              "3, and you make it background."),
        ),
        *(
            (
                with_tables(of_2023=wrong),
                _("You give 4 for the enhancing tumour: that was its number in a file, "
                  "and in the course it is 3."),
            )
            for wrong in ([0, 1, 2, 4], [0, 1, 2, 4, 3])
        ),
        (
            with_tables(of_2023=crossed, of_MSD=alike),
            _("Are the tables of BraTS 2023 and MSD swapped?"),
        ),
        (
            with_tables(of_2023=crossed),
            _("In BraTS 2023 oedema and core are not in MSD's order."),
        ),
        (
            lambda label, convention: torch.tensor(_table("BraTS 2021"))[label.long()],
            _("You always use the table of BraTS 2021: where is `convention`?"),
        ),
    ]  # fmt: skip


def _wrong_places() -> list[tuple[Callable, str]]:
    """(wrong version, sentence)"""
    return [
        (
            lambda label, convention: label,
            _("You return the label as it came: where is `table`?"),
        ),
        (
            lambda label, convention: torch.tensor(_table(convention)),
            _("You return the table itself, and not what it says of each voxel."),
        ),
        (
            lambda label, convention: label[torch.tensor(_table(convention))],
            _("Table and label are swapped: it is the table that is looked up."),
        ),
        (
            lambda label, convention: _as_course(label, convention) == 3,
            _("That is the enhancing tumour alone: all four labels are meant."),
        ),
        (
            lambda label, convention: _as_course(label, convention) > 0,
            _("That is the whole tumour as a mask: its parts keep their numbers."),
        ),
    ]  # fmt: skip


def _of_labels(got: list) -> str:
    """What to add where no mistake is named."""
    found = [part for part in got if isinstance(part, Tensor)]
    if any(((part < 0) | (part > 3)).any() for part in found):
        return _("The course has the labels 0, 1, 2 and 3.")
    return _("Go through that convention label by label: what is its 1, 2, 3?")


def _named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in to_course."""
    text = str(stopped.error)
    told = _("for {case} your code stops.").format(case=stopped.case)
    if "shape of the mask" in text:
        reason = _(
            "Between brackets a tensor of uint8 counts as a mask of True and False: "
            "turn the label into whole numbers of 64 bits first."
        )
        return NotYet(f"{told} {reason}", _hints_of_places())
    if "out of bounds" in text:
        reason = _(
            "A label finds no place in the table: it needs one for each from 0 to the "
            "largest, so 3 needs four of them."
        )
        return NotYet(f"{told} {reason}", _hints_of_tables())
    if "integer tensors of a single element" in text:
        reason = _(
            "A list takes one number between its brackets: the tensor `table` takes a "
            "whole tensor."
        )
    elif "must be long, int" in text or "Expected a long" in text:
        reason = _("The places in a table are whole numbers, of type int64.")
    elif "dict" in text:
        reason = _(
            "A table is a list like the first one: its places say which label is meant."
        )
    elif isinstance(stopped.error, KeyError):
        reason = _("`tables` has no such name: look it up under `convention`.")
    else:
        return plain_tensor_stop(stopped)
    return Slip(f"{told} {reason}")
