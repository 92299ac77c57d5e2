"""The scores of several patients, their tables, and what their mean is worth."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_utils.data.brats_labels import REGIONS
from course_utils.data.brats_labels import regions as regions_of
from course_utils.data.volume_grid import voxel_sides
from course_utils.data.volumes import Patient
from course_utils.guards import need, whole
from course_utils.locale import _
from course_utils.metrics.lesions import lesion_wise
from course_utils.metrics.masks import as_masks
from course_utils.metrics.overlap import dice, sensitivity
from course_utils.metrics.surface import hausdorff95


@dataclass(frozen=True, eq=False)
class PatientScores:
    """Scores of several patients; rows are patients, columns regions.

    names: of the P patients. regions: of the R columns, some of ("WT", "TC", "ET").
    dice, hd95, sensitivity, lesion_dice, lesion_hd95: float32 (P, R); the distances in
        mm; a sensitivity is NaN where the region does not exist.
    """

    names: tuple[str, ...]
    regions: tuple[str, ...]
    dice: Tensor
    hd95: Tensor
    sensitivity: Tensor
    lesion_dice: Tensor
    lesion_hd95: Tensor

    def table(self, score: str = "dice") -> str:
        """Markdown: one score of each patient, and the means in the last row.

        score: the name of one of the five.
        """
        known = tuple(_score_names())
        need("table", "score", score, score in known, " | ".join(known))
        values = getattr(self, score)
        head = [f"{_('patient')} · {_score_names()[score]}", *self.regions]
        rows = [
            [name, *(_short(score, v) for v in row)]
            for name, row in zip(self.names, values.tolist(), strict=True)
        ]
        means = values.nanmean(0).tolist()
        mean = [_("mean"), *(_short(score, v) for v in means)]
        return _markdown(head, [*rows, [f"**{cell}**" for cell in mean]])

    def summary(self) -> str:
        """Markdown: each score's mean over the patients, with its 95 % interval."""
        rows = []
        for score, said in _score_names().items():
            row = [said]
            for values in getattr(self, score).T:
                if values.isnan().all():
                    row.append(_short(score, math.nan))
                    continue
                low, high = (_short(score, v) for v in bootstrap_mean(values))
                mean = _short(score, values.nanmean().item())
                row.append(f"{mean} [{low}, {high}]")
            rows.append(row)
        return _markdown(
            [_("mean of {n}").format(n=len(self.names)), *self.regions], rows
        )


def score_patients(
    predictions: Sequence[Tensor],
    patients: Sequence[Patient],
    regions: Sequence[str] = REGIONS,
) -> PatientScores:
    """Every score of every patient, each volume whole.

    predictions: one bool or {0, 1} (3, D, H, W) a patient, its WT, TC and ET.
    patients: `Patient`s with the truth, in the same order.
    regions: those to score; `Patients.regions` says which ones the truth can tell.
    Raises ValueError naming the patient whose prediction does not fit.
    """
    known = len(regions) > 0 and {*regions} <= {*REGIONS}
    need("score_patients", "regions", tuple(regions), known, " | ".join(REGIONS))
    if len(predictions) != len(patients) or not len(patients):
        raise ValueError(
            _(
                "score_patients: there must be one prediction a patient, got "
                "{predictions} for {patients} patients."
            ).format(predictions=len(predictions), patients=len(patients))
        )
    chosen = [REGIONS.index(region) for region in regions]
    rows = []
    for prediction, patient in zip(predictions, patients, strict=True):
        where, truth = f"score_patients: {patient.name}", regions_of(patient.label)
        prediction, truth = as_masks(where, prediction, truth, "(3, D, H, W)", [4])
        rows.append(
            _scores(prediction[chosen], truth[chosen], voxel_sides(patient.affine))
        )
    names = tuple(patient.name for patient in patients)
    return PatientScores(names, tuple(regions), *torch.stack(rows, dim=1))


def _scores(pred: Tensor, truth: Tensor, spacing: np.ndarray) -> Tensor:
    """The five scores of one patient, (5, R), in the order of PatientScores."""
    single = [
        dice(pred[None], truth[None]),
        hausdorff95(pred[None], truth[None], spacing),
        sensitivity(pred[None], truth[None]),
    ]
    lesions = [lesion_wise(p, t, spacing)[:2] for p, t in zip(pred, truth, strict=True)]
    return torch.cat([*single, torch.tensor(lesions).T])


def bootstrap_mean(
    values: Tensor | Sequence[float], resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a mean over patients: what other patients might have given.

    values: (P,), one number a patient, or of each the difference of two methods: an
        interval without 0 speaks for one of them. NaN are left out.
    resamples: how many times P of them are drawn, with replacement; seed: of the draws.
    Returns (low, high), the percentiles 2.5 and 97.5 of the means. With few patients
    it is too narrow, and of one patient it says nothing: low = high.
    Raises ValueError where no number is left.

    Efron, B. (1979). https://doi.org/10.1214/aos/1176344552
    """
    values = np.asarray(values, dtype=np.float64)
    need("bootstrap_mean", "values", values.shape, values.ndim == 1, "(P,)")
    need("bootstrap_mean", "resamples", resamples, whole(resamples, 1), "int >= 1")
    values = values[~np.isnan(values)]
    if not len(values):
        raise ValueError(_("bootstrap_mean: there are no values, or all are NaN."))
    draws = np.random.RandomState(seed).randint(
        len(values), size=(resamples, len(values))
    )
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


# --- how scores are written -----------------------------------------------------------


def _score_names() -> dict[str, str]:
    return {
        "dice": "Dice",
        "hd95": _("HD95 (mm)"),
        "sensitivity": _("sensitivity"),
        "lesion_dice": _("Dice, lesion-wise"),
        "lesion_hd95": _("HD95, lesion-wise (mm)"),
    }


def _short(score: str, value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.{1 if 'hd95' in score else 2}f}"


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
