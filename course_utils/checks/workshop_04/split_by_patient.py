"""Exercise: a validation part cut by person, not by examination."""

import random
import re
from collections.abc import Callable
from typing import NamedTuple

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Slip,
    Stopped,
    call,
    expect_callable,
    part,
)
from course_utils.checks.workshop_01.plain_words import plain_stop
from course_utils.locale import _

PARTS = ("train", "valid")


class Case(NamedTuple):
    """The examinations, and what else the answer is given."""

    scans: list[str]
    fraction: float
    seed: int

    @property
    def people(self) -> list[str]:
        return sorted({person_of(scan) for scan in self.scans})

    @property
    def wanted(self) -> float:
        """How many people the validation part should have, before rounding."""
        return self.fraction * len(self.people)

    def __str__(self) -> str:
        text = _("{n} examinations of {m} people, fraction={fraction}, seed={seed}")
        return text.format(
            n=len(self.scans),
            m=len(self.people),
            fraction=self.fraction,
            seed=self.seed,
        )


def person_of(scan: str) -> str:
    return scan.rpartition("-")[0]


Split = tuple[list[str], list[str]]


@exercise(
    "04.split_by_patient",
    hints=lambda: _hints(),
    blanks=3,
)
def split_by_patient(answer):
    expect_callable(answer)
    cases = [_case(1, 12, 0.25), _case(2, 30, 0.2), _case(3, 45, 0.1)]
    splits = [_split(answer, case) for case in cases]
    version = _named_version(cases, splits)
    for case, split in zip(cases, splits, strict=True):
        _expect_each_once(case, *split, version)
    for case, (_train, valid) in zip(cases, splits, strict=True):
        _expect_whole_people(case, valid, version)
        _expect_share(case, valid, version)
    _expect_seed(answer, cases[1], splits[1])
    return _(
        "Try it: how far is the fraction of the examinations from `fraction`, if "
        "somebody has ten of them? Which of the two should be kept?"
    )


def _hints() -> list[str]:
    """One for each blank, in their order."""
    return [
        _(
            "In BraTS-GLI-00017-001, which part says who it is, and which that it is a "
            "later examination of the same person?"
        ),
        _(
            "`person` goes from an examination to its person, `people` lists each of "
            "them once, well shuffled: how many of the first ones are chosen?"
        ),
        _(
            "`train` is built like `valid`, with the opposite condition: an "
            "examination is in it if its person is not among the chosen."
        ),
    ]


def _case(seed: int, people: int, fraction: float) -> Case:
    """People of one to three examinations each, mixed up, with gaps in the numbers."""
    generator = random.Random(seed)
    numbers = generator.sample(range(2, 2000), people)
    scans = [
        f"BraTS-GLI-{number:05d}-{k:03d}"
        for i, number in enumerate(numbers)
        for k in range(1 + i % 3)
    ]
    generator.shuffle(scans)
    return Case(scans, fraction, seed)


def _split(answer: Callable, case: Case) -> Split:
    try:
        result = call(answer, *case, case=str(case))
    except Stopped as stopped:
        raise _named_stop(stopped) or plain_stop(stopped) or stopped from None
    train, valid = (part(name, PARTS, _names)(result) for name in PARTS)
    known = set(case.scans)
    for name, names in zip(PARTS, (train, valid), strict=True):
        strange = [scan for scan in names if scan not in known]
        if strange:
            told = _("`{name}` holds {scan!r}, which is no examination.")
            told = told.format(name=name, scan=strange[0])
            if any(person.endswith(strange[0]) for person in case.people):
                reason = _("That is a person: list the examinations.")
                told = f"{told} {reason}"
            raise NotYet(told, _hints()[2:])
    return train, valid


def _names(result: object) -> list[str]:
    if not isinstance(result, list | tuple | set):
        reason = _(
            "I expected a list of examinations and got something of type {kind}."
        )
        raise Slip(reason.format(kind=type(result).__name__))
    for scan in result:
        if not isinstance(scan, str):
            reason = _(
                "an examination is a text, and there is something of type {kind}."
            )
            raise Slip(reason.format(kind=type(scan).__name__))
    return list(result)


def _expect_each_once(
    case: Case, train: list[str], valid: list[str], version: str
) -> None:
    both = set(train) & set(valid)
    if both:
        told = _("for {case}: {n} examinations are in both parts.")
        told, hints = told.format(case=case, n=len(both)), _hints()[2:]
        if len(both) == len(valid) and len(set(train)) == len(case.scans):
            reason = _(
                "Everybody is in `train`: `chosen` holds people, and a scan is not one "
                "of them; ask for its person."
            )
        elif version:
            reason, hints = version, _hints()[:1]
        else:
            reason = _("What is validated must not be trained on.")
        raise NotYet(f"{told} {reason}", hints)
    none = len(case.scans) - len(set(train)) - len(set(valid))
    if none:
        told = _("for {case}: {n} examinations are in neither part: none is lost.")
        raise NotYet(told.format(case=case, n=none), _hints()[2:])
    if len(train) + len(valid) > len(case.scans):
        told = _("for {case}: some examinations come twice.")
        raise NotYet(told.format(case=case), _hints()[2:])


def _expect_whole_people(case: Case, valid: list[str], version: str) -> None:
    counts = {
        p: [(scan in valid) for scan in case.scans if person_of(scan) == p]
        for p in case.people
    }
    torn = [p for p, inside in counts.items() if 0 < sum(inside) < len(inside)]
    if not torn:
        return
    told = _(
        "for {case}: of {person}, {a} examinations train and {b} validate. That is the "
        "leak that this exercise is about: a person stays whole."
    ).format(
        case=case,
        person=torn[0],
        a=counts[torn[0]].count(False),
        b=counts[torn[0]].count(True),
    )
    raise NotYet(f"{told} {version}".rstrip(), _hints()[:1] if version else ())


def _expect_share(case: Case, valid: list[str], version: str) -> None:
    chosen, total = len({person_of(scan) for scan in valid}), len(case.people)
    if abs(chosen - case.wanted) < 1 and 0 < chosen < total:
        return
    told = _(
        "for {case}: {n} of the {m} people are in `valid`; I expected {wanted}."
    ).format(case=case, n=chosen, m=total, wanted=round(case.wanted))
    hints = ()
    if version:
        reason, hints = version, _hints()[:1]
    elif abs(total - chosen - case.wanted) < 1:
        reason = _("That is what should stay for training: are the parts swapped?")
    elif chosen == 0:
        reason = _("None is chosen: how many different people does `person` know?")
    elif chosen == total:
        reason = _(
            "All are chosen: how many different people does `person` know, and how "
            "many of them are enough?"
        )
    elif abs(chosen - case.fraction * len(case.scans)) < 1:
        reason = _("You count the examinations: here it is a fraction of the people.")
        hints = _hints()[1:2]
    else:
        reason = ""
    raise NotYet(f"{told} {reason}".rstrip(), hints)


def _named_version(cases: list[Case], splits: list[Split]) -> str:
    """The sentence of the wrong version that gave every split, or an empty one."""
    number = _(
        "You take the number of the examination for the person: it counts the visits "
        "of each."
    )
    mistakes = [
        (
            lambda scan: scan,
            _("Your `person` is the examination itself: the same person would be "
              "somebody new each time."),
        ),
        *((lambda scan, k=k: scan[k:], number) for k in (-4, -3, -2, -1)),
    ]  # fmt: skip
    if not any(valid for _train, valid in splits):
        return ""  # so many ways lead to nobody
    for person, text in mistakes:
        pairs = zip(splits, cases, strict=True)
        if all(set(valid) in _as_stub(person, case) for (_train, valid), case in pairs):
            return text
    return ""


def _as_stub(person: Callable, case: Case) -> list[set[str]]:
    """What the stub puts into `valid` with that `person`, rounding up or down."""
    people = sorted({person(scan) for scan in case.scans})
    random.Random(case.seed).shuffle(people)
    size = case.fraction * len(people)
    return [
        {scan for scan in case.scans if person(scan) in people[:k]}
        for k in {int(size), round(size), int(size) + 1}
    ]


def _expect_seed(answer: Callable, case: Case, split: Split) -> None:
    """NotYet unless the seed, and nothing else, decides who is chosen."""
    if set(split[1]) != set(_split(answer, case)[1]):
        raise NotYet(
            _(
                "twice the same seed gives two splits: `people` is shuffled by `seed` "
                "already, so take from it."
            ),
            _hints()[1:2],
        )
    others = [_split(answer, case._replace(seed=seed))[1] for seed in (7, 8)]
    if all(set(other) == set(split[1]) for other in others):
        raise NotYet(
            _(
                "every seed gives the same split: take from `people` as it comes out "
                "of the shuffle."
            ),
            _hints()[1:2],
        )


def _named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in split_by_patient."""
    text = str(stopped.error)
    told = _("for {case} your code stops.").format(case=stopped.case)
    if "slice indices must be integers" in text:
        reason = _("A slice needs a whole number of people: `round` gives one.")
    elif "unhashable type" in text:
        reason = _(
            "`split` gives a list of parts, and a person is one text: which of them, "
            "or which put together?"
        )
    elif "indices must be integers" in text:
        reason = _("A list is not asked by name: `person` is, with `person[scan]`.")
    elif isinstance(stopped.error, KeyError):
        reason = _("`person` is asked with an examination, and answers with a person.")
    elif re.search("argument of type|'(int|float)' object is not iterable", text):
        reason = _("`chosen` holds people, and not how many they are.")
    else:
        return None
    return Slip(f"{told} {reason}")
