"""A patient whom the network has segmented: the picture of a slice, scores, a file.

The network works once for each patient; a move of the slider only draws.
"""

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn

from course_utils.data.brats_labels import REGIONS, regions
from course_utils.data.people import split
from course_utils.data.synthetic import brains
from course_utils.data.volumes import MODALITIES, Patient, save_segmentation
from course_utils.demos.networks import segment
from course_utils.locale import _
from course_utils.metrics import dice
from course_utils.plots import REGION_COLORS as COLORS
from course_utils.widgets.base import number
from course_utils.widgets.brain_slices import (
    Brain,
    as_brain,
    region_names,
    source_names,
    volumes,
)


@dataclass(frozen=True, eq=False)
class Case:
    """One patient, segmented.

    brain: what is drawn; its masks are "truth", where somebody drew one, and
    "prediction". scores: Dice by region in the voxels of the file, {} without a truth.
    synthetic: whether the patient was computed. path: the prediction as NIfTI, in the
    place and of the shape of the file; gone with the Case.
    """

    brain: Brain
    scores: dict[str, float]
    synthetic: bool
    path: Path


class _Masks(dict):
    """Masks by source; where there is no truth, the prediction tells where to look."""

    def __missing__(self, source: str) -> np.ndarray:
        return self["prediction"]


def unseen() -> list[str]:
    """The names of the synthetic patients that the network was not trained with."""
    names = [f"phantom-{number:02d}" for number in range(brains.PATIENTS)]
    _train, _valid, test = split([SimpleNamespace(name=name) for name in names])
    return [patient.name for patient in test]


def synthetic_case(name: str, model: nn.Module) -> Case:
    """One of the patients of `unseen`, segmented. Raises ValueError for another."""
    if name not in unseen():
        raise ValueError(_("There is no patient {name}.").format(name=name))
    patient, label = _computed(int(name.removeprefix("phantom-")), model)
    truth = patient.label.permute(2, 1, 0).numpy()
    return _case(patient, label, truth, REGIONS, synthetic=True)


@lru_cache(maxsize=brains.PATIENTS)
def _computed(number: int, model: nn.Module) -> tuple[Patient, Tensor]:
    patient = brains.render(0, number)
    return patient, segment(model, patient)


def uploaded_case(
    patient: Patient,
    truth: np.ndarray | None,
    known: Sequence[str],
    model: nn.Module,
) -> Case:
    """What `upload.read` returned, segmented."""
    return _case(patient, segment(model, patient), truth, known, synthetic=False)


def _case(
    patient: Patient,
    label: Tensor,
    truth: np.ndarray | None,
    known: Sequence[str],
    *,
    synthetic: bool,
) -> Case:
    brain = as_brain(patient, list(MODALITIES.values()), label)
    if truth is None:
        brain = replace(brain, masks=_Masks(prediction=brain.masks["prediction"]))
    else:
        brain = replace(brain, known=known)
    folder = tempfile.mkdtemp(prefix="segmentation-")
    path = Path(folder) / f"{patient.name}_prediction.nii.gz"
    try:
        save_segmentation(label, patient, path)
        scores = {} if truth is None else _scores(path, truth, known)
        case = Case(brain, scores, synthetic, path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(case, shutil.rmtree, folder, ignore_errors=True)
    return case


def _scores(path: Path, truth: np.ndarray, known: Sequence[str]) -> dict[str, float]:
    """Dice of the saved prediction with labels of the same file's voxels."""
    import nibabel

    saved = torch.from_numpy(np.asarray(nibabel.load(path).dataobj))
    pair = (regions(labels)[None] for labels in (saved, torch.from_numpy(truth.copy())))
    scores = dict(zip(REGIONS, dice(*pair)[0].tolist(), strict=True))
    return {region: scores[region] for region in known}


def table(case: Case) -> str:
    """HTML of a table: each region's colour, its Dice, and its millilitres."""
    said = source_names()
    sizes = {source: volumes(case.brain, source) for source in case.brain.masks}
    head = [_("Region"), *(f"{said[source].capitalize()} (ml)" for source in sizes)]
    if case.scores:
        head.insert(1, _("Dice, synthetic patient") if case.synthetic else "Dice")
    rows = []
    for region, name in region_names().items():
        row = [of.get(region, "–") for of in sizes.values()]
        if case.scores:
            score = case.scores.get(region)
            row.insert(0, "–" if score is None else number(score))
        swatch = f'<span class="course-swatch" style="background:{COLORS[region]}">'
        cells = "".join(f"<td>{value}</td>" for value in row)
        rows.append(f'<tr><th scope="row">{swatch}</span>{name}</th>{cells}</tr>')
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    return (
        f'<table class="course-table"><caption>{_("In the whole volume")}</caption>'
        f"<thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
