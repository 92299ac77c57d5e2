"""Axial slices of patients, for a network that sees one at a time."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils.data.brats_labels import regions
from course_utils.data.volumes import Patient
from course_utils.guards import need, whole
from course_utils.locale import _


class Slices(NamedTuple):
    """Axial slices of several patients, from the first one's lowest slice on.

    x: float32 (N, C, H, W). y: bool (N, 3, H, W), the regions WT, TC, ET.
    patient: int64 (N,), the place of each slice's patient in the sequence given.
    """

    x: Tensor
    y: Tensor
    patient: Tensor


def slices(patients: Sequence[Patient], least: int = 50) -> Slices:
    """The axial slices of all patients that show at least `least` voxels of brain.

    patients: of one grid and the same modalities, at least one. least: int >= 0.
    Raises ValueError where there is nothing to return, or shapes differ.
    """
    need("slices", "least", least, whole(least, 0), "int >= 0")
    shapes = {tuple(patient.image.shape) for patient in patients}
    if len(shapes) > 1:
        raise ValueError(
            _("slices: all patients must have one shape, got {shapes}.").format(
                shapes=" | ".join(map(str, sorted(shapes)))
            )
        )
    x, y, number = [], [], []
    for place, patient in enumerate(patients):
        enough = patient.brain.flatten(1).sum(1) >= least
        x.append(patient.image[:, enough].transpose(0, 1))
        y.append(regions(patient.label[enough], dim=1))
        number.append(torch.full((len(x[-1]),), place))
    if not sum(map(len, number)):
        raise ValueError(
            _("slices: no slice of {n} patients has {least} voxels of brain.").format(
                n=len(patients), least=least
            )
        )
    return Slices(torch.cat(x), torch.cat(y), torch.cat(number))
