"""Who is who among the patients, and who goes to train, validate and test."""

import hashlib
import re
from collections.abc import Sequence

from course_utils.data.volumes import Patient

# 17 puts one synthetic patient without enhancing tumour to each part, by chance: the
# network has seen one, and the rules for empty masks have a case in both scored parts.
SEED = 17
TEST, VALID = 1 / 4, 1 / 6  # of the patients
# Examinations of one person: the part of their names that says who it is.
PEOPLE = (
    re.compile(r"(BraTS-\w+-\d+)-\d+", re.IGNORECASE),  # since 2023
    re.compile(r"(Brats1[789]_.+)_\d+", re.IGNORECASE),
    re.compile(r"(brats_.*pat\d+)_\d+", re.IGNORECASE),  # to 2016
)


def by_number(name: str) -> list:
    """A key that sorts names as people do: patient 9 before patient 10."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
        if part
    ]


def person(name: str) -> str:
    """Who was examined: the same for all examinations of one person.

    "BraTS-GLI-00017-001" is a later examination of "BraTS-GLI-00017-000". Names that
    do not tell are returned as they are.
    """
    for pattern in PEOPLE:
        if match := pattern.fullmatch(name):
            return match[1]
    return name


def split(found: Sequence[Patient]) -> tuple[tuple[Patient, ...], ...] | None:
    """(train, valid, test), nobody in two parts; None for fewer than three people.

    A quarter of the patients to test, a sixth to validate, at least one each, a person
    with all examinations; 24 patients: 14, 4, 6. People are drawn in the order of a
    hash of their names: whoever comes later to a longer list shifts the others little.
    """
    people: dict[str, list[Patient]] = {}
    for patient in found:
        people.setdefault(person(patient.name), []).append(patient)
    if len(people) < 3:
        return None
    order = sorted(
        people, key=lambda who: hashlib.sha256(f"{SEED} {who}".encode()).digest()
    )

    def take(share: float, spare: int) -> tuple[Patient, ...]:
        part: list[Patient] = []
        while len(part) < max(1, int(len(found) * share + 0.5)) and len(order) > spare:
            part += people[order.pop(0)]
        return tuple(sorted(part, key=lambda patient: by_number(patient.name)))

    test, valid = take(TEST, spare=2), take(VALID, spare=1)
    return take(1, spare=0), valid, test
