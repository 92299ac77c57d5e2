"""Scores of a segmentation by the rules of the BraTS challenge.

Per patient volume and per region, never a mean over slices and never with background.
The rules are those of the challenge's own code, which says what an empty mask scores:

    truth      prediction  Dice  HD95    sensitivity
    empty      empty       1     0 mm    -
    empty      something   0     374 mm  -
    something  empty       0     374 mm  0

Saluja, R. et al. (2023). https://github.com/rachitsaluja/BraTS-2023-Metrics
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_utils.data.brats_labels import REGIONS
from course_utils.data.brats_labels import regions as regions_of
from course_utils.data.volumes import Patient
from course_utils.guards import need, whole
from course_utils.locale import _

UNDEFINED = 374.0  # mm: a distance to nothing; the diagonal of a BraTS volume, rounded
SMALLEST = 50.0  # mm³: a true lesion up to this size is left out of the lesions' scores
NEAR, NEAR_IN_ALL = 3.0, 6.0  # mm along one axis, summed over all: still one lesion


def dice(pred: Tensor, target: Tensor, *, empty: float = 1.0) -> Tensor:
    """Dice coefficient of binary masks, 2|A∩B| / (|A| + |B|), per item and channel.

    pred, target: bool or {0, 1}, shape (N, C, *spatial), equal shapes.
    empty: the score where both masks are empty (BraTS: 1); one empty mask scores 0.
    Returns float32 (N, C). Raises ValueError for shapes or values other than these.

    Dice, L. R. (1945). Ecology 26(3). https://doi.org/10.2307/1932409
    """
    pred, target = _masks("dice", pred, target)
    shared = (pred & target).flatten(2).sum(2)
    total = pred.flatten(2).sum(2) + target.flatten(2).sum(2)
    return torch.where(total > 0, 2 * shared / total, empty)


def sensitivity(pred: Tensor, target: Tensor) -> Tensor:
    """Share of the true voxels that were found, |A∩B| / |B|, per item and channel.

    pred, target: as for `dice`. Returns float32 (N, C), NaN where the truth is empty:
    there is nothing to be found, and a mean should leave the patient out.
    """
    pred, target = _masks("sensitivity", pred, target)
    return (pred & target).flatten(2).sum(2) / target.flatten(2).sum(2)


def hausdorff95(
    pred: Tensor, target: Tensor, spacing: float | Sequence[float]
) -> Tensor:
    """How far apart two outlines are: 95 % of the way to the worst place, in mm.

    Of each outline's voxels the distances to the other outline are taken, of these the
    95th percentile, and of both directions the larger one.

    pred, target: as for `dice`, two or three spatial axes.
    spacing: mm between voxels, one number or one an axis, in the order of the axes.
    Returns float32 (N, C): 0 where both masks are empty, 374 where one is.

    Huttenlocher, D. P. et al. (1993). https://doi.org/10.1109/34.232073
    """
    pred, target = _masks("hausdorff95", pred, target)
    spacing = _millimetres("hausdorff95", spacing, pred.ndim - 2)
    distances = torch.zeros(pred.shape[:2])
    for n, c in np.ndindex(*distances.shape):
        distances[n, c] = _hausdorff95(pred[n, c], target[n, c], spacing)
    return distances


def _hausdorff95(pred: Tensor, target: Tensor, spacing: Sequence[float]) -> float:
    """Of one pair of masks (*spatial,)."""
    if not (pred.any() and target.any()):
        return UNDEFINED if pred.any() or target.any() else 0.0
    from monai.metrics import compute_hausdorff_distance

    box = _joint_box(pred, target)
    with warnings.catch_warnings():
        # MONAI 1.6 warns of an argument that it passes to itself.
        warnings.simplefilter("ignore", FutureWarning)
        return compute_hausdorff_distance(
            pred[box][None, None],
            target[box][None, None],
            include_background=True,  # it takes channel 0 for background; ours is not
            percentile=95,
            spacing=spacing,
        ).item()


class LesionScores(NamedTuple):
    """What `lesion_wise` says about one region of one patient."""

    dice: float  # 0..1, mean over true and false lesions
    hd95: float  # mm, mean over true and false lesions
    lesions: int  # true lesions that are scored
    missed: int  # those of them that no prediction comes near
    false: int  # predicted lesions that are near no true one


def lesion_wise(
    pred: Tensor, target: Tensor, spacing: float | Sequence[float]
) -> LesionScores:
    """Scores of one region, lesion by lesion: a small one counts as much as a large.

    True lesions that lie within some 6 mm of each other count as one, and the predicted
    pieces within some 3 mm of it are its prediction. Each true lesion above 50 mm³
    scores its Dice and HD95 (missed: 0 and 374); each predicted piece that is near no
    true lesion, however small, is a false one and scores 0 and 374 too. The result is
    the mean over both kinds, 1 and 0 where there is none.

    pred, target: bool or {0, 1}, shape (D, H, W).
    spacing: mm between voxels, one number or one an axis (D, H, W).

    At 1 mm these are the numbers of the challenge (BraTS 2023, gliomas), but that its
    HD95 is measured between surfaces, ours between the voxels along them. On a coarser
    grid, near is as many voxels as fit into these distances.
    """
    pred, target = _masks("lesion_wise", pred, target, "(D, H, W)", axes=[3])
    spacing = _millimetres("lesion_wise", spacing, 3)
    nothing = LesionScores(1.0, 0.0, 0, 0, 0)
    if not (pred.any() or target.any()):
        return nothing
    box = _joint_box(pred, target)
    pred, target = pred[box].numpy(), target[box].numpy()
    zones, count = _zones(target, spacing)
    pieces, _count = _components(pred)
    dices, distances, missed = [], [], 0
    for zone in range(1, count + 1):
        lesion = target & (zones == zone)
        if lesion.sum() * math.prod(spacing) <= SMALLEST:
            continue
        found = np.isin(pieces, np.unique(pieces[pred & (zones == zone)]))
        pair = torch.from_numpy(found), torch.from_numpy(lesion)
        box = _joint_box(*pair)
        dices.append(dice(*(mask[box][None, None] for mask in pair)).item())
        distances.append(_hausdorff95(*pair, spacing))
        missed += not found.any()
    false = len({*np.unique(pieces[pred])} - {*np.unique(pieces[pred & (zones > 0)])})
    scored = len(dices) + false
    if not scored:
        return nothing
    far = sum(distances) + false * UNDEFINED
    return LesionScores(sum(dices) / scored, far / scored, len(dices), missed, false)


def _zones(target: np.ndarray, spacing: Sequence[float]) -> tuple[np.ndarray, int]:
    """The number of the lesion that each voxel is near, 0 far from all; how many."""
    from scipy import ndimage

    zones = np.zeros(target.shape, dtype=np.int32)
    if not target.any():
        return zones, 0
    near = _near(spacing)
    # What is near lies within this box: the rest need not be searched.
    (inside,) = ndimage.find_objects(target.astype(np.uint8))
    box = tuple(
        slice(max(0, side.start - reach // 2), side.stop + reach // 2)
        for side, reach in zip(inside, near.shape, strict=True)
    )
    zones[box], count = _components(ndimage.binary_dilation(target[box], near))
    return zones, count


def _near(spacing: Sequence[float]) -> np.ndarray:
    """Which voxels around one are near it, bool, odd sides.

    The challenge dilates three times by the 18 neighbours. At 1 mm that reaches this
    far; written in mm it means the same on any grid.
    """
    slack = 1e-3  # the spacing of a file's header may be 1.0000001
    steps = [int(NEAR / side + slack) for side in spacing]
    away = [
        s * np.abs(np.arange(-n, n + 1)) for s, n in zip(spacing, steps, strict=True)
    ]
    return sum(np.ix_(*away)) <= NEAR_IN_ALL + slack


def largest_component(mask: Tensor) -> Tensor:
    """The mask without its smaller pieces: a false speck far away costs HD95 dearly.

    mask: bool or {0, 1}, shape (D, H, W), or (C, D, H, W): each channel on its own.
    Voxels that touch by a side, an edge or a corner belong together. Of two largest
    pieces the first in memory is kept. Returns bool of the same shape.
    """
    shape = tuple(mask.shape)
    need("largest_component", "mask", shape, len(shape) in (3, 4), "([C,] D, H, W)")
    mask = _mask("largest_component", "mask", mask)
    if mask.ndim == 4:
        return torch.stack([largest_component(channel) for channel in mask])
    pieces, count = _components(mask.numpy())
    if count < 2:
        return mask.clone()
    sizes = np.bincount(pieces.ravel())
    return torch.from_numpy(pieces == 1 + sizes[1:].argmax())


def _components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Number of each voxel's piece, 0 outside, and how many pieces there are."""
    from scipy import ndimage

    return ndimage.label(mask, np.ones((3, 3, 3)))


# --- over patients --------------------------------------------------------------------


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
        prediction, truth = _masks(where, prediction, truth, "(3, D, H, W)", [4])
        rows.append(_scores(prediction[chosen], truth[chosen], _grid(patient.affine)))
    names = tuple(patient.name for patient in patients)
    return PatientScores(names, tuple(regions), *torch.stack(rows, dim=1))


def _scores(pred: Tensor, truth: Tensor, spacing: tuple[float, ...]) -> Tensor:
    """The five scores of one patient, (5, R), in the order of PatientScores."""
    single = [
        dice(pred[None], truth[None]),
        hausdorff95(pred[None], truth[None], spacing),
        sensitivity(pred[None], truth[None]),
    ]
    lesions = [lesion_wise(p, t, spacing)[:2] for p, t in zip(pred, truth, strict=True)]
    return torch.cat([*single, torch.tensor(lesions).T])


def _grid(affine: np.ndarray) -> tuple[float, ...]:
    """mm between voxels along D, H and W; the affine's columns are W, H and D."""
    return tuple(np.linalg.norm(affine[:3, :3], axis=0)[::-1].tolist())


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


# --- what is refused ------------------------------------------------------------------


def _masks(
    where: str,
    pred: Tensor,
    target: Tensor,
    shape: str = "(N, C, *spatial)",
    axes: Sequence[int] = (3, 4, 5),
) -> tuple[Tensor, Tensor]:
    """Both as bool; ValueError unless they are masks of one such shape."""
    if pred.shape != target.shape or pred.ndim not in axes:
        raise ValueError(
            _(
                "{where}: pred and target must both be {shape}, of equal size; they "
                "are {pred} and {target}."
            ).format(
                where=where,
                shape=shape,
                pred=tuple(pred.shape),
                target=tuple(target.shape),
            )
        )
    return _mask(where, "pred", pred), _mask(where, "target", target)


def _mask(where: str, name: str, mask: Tensor) -> Tensor:
    mask = mask.detach().cpu()
    if not (mask == mask.bool()).all():
        raise ValueError(
            _(
                "{where}: {name} must be a mask of 0 and 1, but its values run from "
                "{low:.4g} to {high:.4g}: make a mask of probabilities (p > 0.5), "
                "regions of labels."
            ).format(
                where=where, name=name, low=mask.min().item(), high=mask.max().item()
            )
        )
    return mask.bool()


def _millimetres(
    where: str, spacing: float | Sequence[float], axes: int
) -> list[float]:
    """One number an axis."""
    each = np.asarray(spacing, dtype=np.float64)
    good = each.shape in ((), (axes,)) and (np.isfinite(each) & (each > 0)).all()
    need(where, "spacing", spacing, bool(good), f"mm > 0 | ({axes} × mm > 0)")
    return np.broadcast_to(each, axes).tolist()


def _joint_box(pred: Tensor, target: Tensor) -> tuple[slice, ...]:
    """The smallest box that holds both masks, which are not both empty."""
    inside = (pred | target).nonzero()
    low, high = inside.amin(0).tolist(), (inside.amax(0) + 1).tolist()
    return tuple(map(slice, low, high))
