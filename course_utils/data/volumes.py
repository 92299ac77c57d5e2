"""Brains as volumes: what a patient is, how one is prepared, how a mask is saved.

Arrays are (D, H, W): D from the feet up, H from the face back, W from the patient's
right to the left. So `volume[d]` is an axial slice as a radiologist sees it: the
patient's right at the left of the picture.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.data import sources
from course_utils.data.brats_labels import REGIONS
from course_utils.data.volume_grid import Volume, check_volumes, grid_about, to_lps
from course_utils.locale import _

MODALITIES = {"flair": "FLAIR", "t1": "T1", "t1ce": "T1ce", "t2": "T2"}  # as shown
SPACING = 2.0  # mm


@dataclass(frozen=True, eq=False)
class Patient:
    """One brain on a common grid, with the tumour that somebody drew in it.

    image: float32 (C, D, H, W), each modality z-scored inside the brain, 0 outside.
    label: uint8 (D, H, W): 0 background, 1 core without enhancement, 2 oedema, 3
    enhancing. brain: bool (D, H, W). affine: float64 (4, 4), from the indices (W, H, D)
    of a voxel, in this order as in a NIfTI file, to RAS+ millimetres.
    native_shape (i, j, k), native_affine: of the file it came from; this grid's, W
    first, where there was none.
    """

    name: str
    image: Tensor
    label: Tensor
    brain: Tensor
    affine: np.ndarray
    native_shape: tuple[int, int, int]
    native_affine: np.ndarray


@dataclass(frozen=True, eq=False)
class Patients:
    """Patients cut in three, nobody in two parts, all of one grid.

    train, valid, test: tuples of Patient. modalities: the names to show, one per
    channel. regions: those that its labels can tell: ("WT", "TC", "ET"), or ("WT",)
    where only the whole tumour was drawn. spacing: mm, a voxel's side.
    source: one sentence for the notebook to print, in the language in use.
    real: True where the brains were measured, False where computed.
    set_aside: a sentence for each patient that was left out.
    """

    train: tuple[Patient, ...]
    valid: tuple[Patient, ...]
    test: tuple[Patient, ...]
    modalities: tuple[str, ...]
    spacing: float
    source: str
    real: bool
    regions: tuple[str, ...] = REGIONS
    set_aside: tuple[str, ...] = ()


def prepare(
    name: str,
    images: dict[str, Volume],
    label: Volume,
    *,
    brain: Volume | None = None,
    spacing: float = SPACING,
) -> Patient:
    """One patient's files as tensors, turned to (D, H, W), pooled, z-scored and cut.

    images: a Volume, or (array, affine), per modality, in the order of the channels.
    label: the course's labels 0..3, as `to_course_labels` returns them.
    brain: a mask, above 0.5 inside, for images whose background is not 0; None: the
        brain is where any modality is not 0.
    spacing: mm. Voxels are averaged over blocks of a whole number along each axis,
        the one that comes nearest to spacing; `affine` says what came out of it.
    Only voxels of the brain are averaged; a block is brain where half of it is. A block
    is tumour where half of it is, of the label that most of its tumour has (of two, the
    lower): a vote, since a mean of labels means nothing. One voxel in the place of the
    block costs 1 to 3 points of Dice against the file's own mask.
    The grid covers at least 160 x 192 x 160 mm, (80, 96, 80) voxels of 2 mm, about the
    middle of the brain; sides are multiples of 16, more where the brain needs them.

    Raises ValueError, naming patient and file, for shapes or affines that differ (more
    than 0.1 mm in a corner), values that are not finite, no brain, a modality that is
    constant, no tumour.
    """
    volumes = {modality: Volume(*given) for modality, given in images.items()}
    given = {**volumes, "label": Volume(*label)}
    if brain is not None:
        given["brain"] = Volume(*brain)
    # What to call each in an error: its file, where it came from one.
    files = {what: volume.file or what for what, volume in given.items()}
    check_volumes(name, given, files)
    turned = {what: to_lps(*volume[:2]) for what, volume in given.items()}
    arrays = {what: array for what, (array, _affine) in turned.items()}
    if brain is None:
        inside = np.logical_or.reduce([arrays[modality] != 0 for modality in volumes])
    else:
        inside = arrays["brain"] > 0.5
    if not inside.any():
        where = [files[what] for what in volumes] if brain is None else [files["brain"]]
        raise ValueError(
            _("{patient}: there is no brain: every voxel of {files} is 0.").format(
                patient=name, files=", ".join(where)
            )
        )
    grid = grid_about(inside, turned["label"][1], spacing)
    labels = grid.vote(arrays["label"])
    if not labels.any():
        raise ValueError(
            _(
                "{patient}: there is no tumour on the grid of {spacing:g} mm: {file} "
                "marks {count:,} voxels."
            ).format(
                patient=name,
                spacing=spacing,
                file=files["label"],
                count=np.count_nonzero(arrays["label"]),
            )
        )
    share = grid.mean(inside)  # of a block that is brain
    channels = []
    for modality in volumes:
        mean = grid.mean(np.where(inside, arrays[modality], 0)) / share.clamp(min=0.5)
        channel = _z_score(mean, share >= 0.5)
        if channel is None:
            raise ValueError(
                _("{patient}: {file} is the same all over the brain.").format(
                    patient=name, file=files[modality]
                )
            )
        channels.append(channel)
    return Patient(
        name=name,
        image=torch.stack(channels),
        label=labels,
        brain=share >= 0.5,
        affine=grid.affine,
        native_shape=given["label"].array.shape,
        native_affine=np.array(given["label"].affine, float),
    )


def common_grid(patients: Sequence[Patient]) -> list[Patient]:
    """The patients on grids of equal shape, the largest of each side.

    What is added is air, half on each side, and the affines say so. Patients that need
    none are returned as they are.
    """
    shape = tuple(np.max([patient.label.shape for patient in patients], axis=0))
    return [
        patient if patient.label.shape == shape else _grown(patient, shape)
        for patient in patients
    ]


def save_segmentation(label: Tensor, patient: Patient, path: str | Path) -> Path:
    """Write a segmentation as NIfTI, in the place and of the shape of the native file.

    label: the course's labels (D, H, W), 0..3, integers or bool, on the patient's grid.
    path: ends in .nii or .nii.gz; folders are made. Written beside, then renamed.
    Every voxel of the native file takes the label of the grid's voxel it lies in
    (nearest), 0 outside the grid. The file holds uint8, the course's labels.
    Returns the path. Raises ValueError for another shape, other labels, another name.
    """
    path = Path(path).expanduser()
    if not path.name.endswith((".nii", ".nii.gz")):
        raise ValueError(
            _("save_segmentation: {path} must end in .nii or .nii.gz.").format(
                path=path
            )
        )
    if label.shape != patient.label.shape:
        raise ValueError(
            _(
                "save_segmentation: the label is {found} voxels and the patient "
                "{patient} is {expected}; pass labels (D, H, W), not regions."
            ).format(
                found=tuple(label.shape),
                patient=patient.name,
                expected=tuple(patient.label.shape),
            )
        )
    if label.is_floating_point() or label.min() < 0 or label.max() > 3:
        raise ValueError(
            _(
                "save_segmentation: the label must hold integers from 0 to 3, not "
                "{dtype} from {low:g} to {high:g}."
            ).format(
                dtype=str(label.dtype).removeprefix("torch."),
                low=float(label.min()),
                high=float(label.max()),
            )
        )
    import nibabel  # late: only files need it
    from nibabel.processing import resample_from_to  # late: imports scipy

    array = label.detach().cpu().to(torch.uint8).permute(2, 1, 0).numpy()
    native = resample_from_to(
        nibabel.Nifti1Image(array, patient.affine),
        (patient.native_shape, patient.native_affine),
        order=0,
        # "constant" would take the outer half of the outermost voxels for outside.
        mode="grid-constant",
    )
    native.header.set_xyzt_units("mm")
    with sources.staging(path.parent) as beside:
        nibabel.save(native, beside / path.name)
        os.replace(beside / path.name, path)
    return path


def _z_score(image: Tensor, brain: Tensor) -> Tensor | None:
    """Mean 0 and deviation 1 inside the brain, 0 outside; None for a constant."""
    values = image[brain].double()
    deviation = values.std(correction=0)
    if not deviation > 1e-6 * values.abs().max():
        return None
    scored = torch.zeros(brain.shape)
    scored[brain] = ((values - values.mean()) / deviation).float()
    return scored


def _grown(patient: Patient, shape: tuple[int, ...]) -> Patient:
    added = [new - old for new, old in zip(shape, patient.label.shape, strict=True)]
    before = [n // 2 for n in added]
    # F.pad begins with the last axis.
    padding = [side for n in added[::-1] for side in (n // 2, n - n // 2)]
    affine = patient.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ before[::-1]
    return replace(
        patient,
        image=F.pad(patient.image, padding),
        label=F.pad(patient.label, padding),
        brain=F.pad(patient.brain, padding),
        affine=affine,
    )
