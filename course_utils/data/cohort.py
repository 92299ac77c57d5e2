"""From the files of many patients to a data set: what can be used, in three parts."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_utils.data.brats_labels import REGIONS
from course_utils.data.people import person, split
from course_utils.data.volume_grid import voxel_sides
from course_utils.data.volumes import (
    MODALITIES,
    Patient,
    Patients,
    common_grid,
    prepare,
)
from course_utils.locale import _

SAME_SPACING = 0.1  # how far from `spacing` a voxel's side may be, as a part of it


class Asked(NamedTuple):
    """What a call asks for, whatever the source."""

    patients: int | None
    modalities: tuple[str, ...]
    spacing: float
    convention: str | None


def collect(
    readers: Iterable[Callable[[], dict]], spacing: float, most: int | None
) -> tuple[list[Patient], list[str]]:
    """(the first `most` patients that can be used, a sentence for each that cannot).

    readers: each gives the arguments of `volumes.prepare` or raises ValueError. Those
    behind the last one needed are not called.
    """
    found, set_aside = [], []
    for read in readers:
        if len(found) == most:
            break
        try:
            patient = prepare(**read(), spacing=spacing)
            _check_voxels(patient, spacing)
        except ValueError as fault:
            set_aside.append(str(fault))
        else:
            found.append(patient)
    return found, set_aside


def _check_voxels(patient: Patient, spacing: float) -> None:
    """Raise ValueError where the files' voxels could not be pooled to the spacing."""
    sides = voxel_sides(patient.affine)[::-1]
    if np.abs(sides / spacing - 1).max() > SAME_SPACING:
        raise ValueError(
            _(
                "{patient}: voxels of {sides} mm are as near as its files come to "
                "{spacing:g} mm; choose another spacing."
            ).format(
                patient=patient.name,
                sides=" x ".join(f"{side:.3g}" for side in sides),
                spacing=spacing,
            )
        )


def assemble(
    found: list[Patient],
    asked: Asked,
    *,
    title: str,
    where: str | Path,
    set_aside: list[str],
    regions: tuple[str, ...] = REGIONS,
    real: bool = True,
) -> Patients:
    """The data set: all on one grid, cut in three by person.

    title: what they are. where: they come from. regions: what their labels tell.
    Raises ValueError for fewer than three people.
    """
    parts = split(common_grid(found)) if found else None
    if parts is None:
        sentence = _(
            "brats: three people are needed, one to train, one to validate and one to "
            "test, and {where} holds {n} that can be used. {reason}"
        ).format(
            where=where,
            n=len({person(patient.name) for patient in found}),
            reason=set_aside[0] if set_aside else "",
        )
        raise ValueError(sentence.strip())
    train, valid, test = parts
    source = _(
        "{title}: {train} to train, {valid} to validate, {test} to test."
    ).format(title=title, train=len(train), valid=len(valid), test=len(test))
    if regions == ("WT",):
        source += " " + _("Only the whole tumour is marked in them.")
    if set_aside:
        source += " " + _("Set aside: {n}; `set_aside` says why.").format(
            n=len(set_aside)
        )
    return Patients(
        train=train,
        valid=valid,
        test=test,
        modalities=tuple(MODALITIES[modality] for modality in asked.modalities),
        regions=regions,
        spacing=float(asked.spacing),
        source=source,
        real=real,
        set_aside=tuple(set_aside),
    )
