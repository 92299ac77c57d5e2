"""What the brain viewer shows: a patient's volume, cut in three planes, and its words.

The drawing and the controls are in brain_viewer.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_utils.data.brats_labels import REGIONS, regions
from course_utils.data.volume_grid import voxel_sides
from course_utils.data.volumes import Patient
from course_utils.guards import need
from course_utils.locale import _
from course_utils.widgets.base import number

SIDE_BY_SIDE = -1  # as a modality: all of them
# Of each plane: the axis that the slider walks along, and the letters of the picture's
# upper, lower, left and right edge.
PLANES = {"axial": (0, "APRL"), "coronal": (1, "SIRL"), "sagittal": (2, "SIAP")}
DARKEST, BRIGHTEST = 0.5, 99.7  # percentiles of the brain: beyond, black and white


# --- the slices -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Brain:
    """One patient as it is drawn.

    grey: uint8 (C, D, H, W), black outside the brain. modalities: the C names.
    masks: "truth", and "prediction" where there is one -> bool (3, D, H, W), WT, TC,
    ET. known: the regions that the truth tells apart: all, or WT alone.
    voxel: its sides, mm (D, H, W). middle: index along W of the brain's middle.
    """

    name: str
    modalities: Sequence[str]
    grey: np.ndarray
    masks: Mapping[str, np.ndarray]
    known: Sequence[str]
    voxel: tuple[float, float, float]
    middle: float


@dataclass(frozen=True)
class View:
    """What of a brain is shown.

    plane: axial, coronal, sagittal. at: index of the slice. modality: index, or -1 for
    all side by side. overlay: none, truth, prediction or both. opacity: of its colours.
    """

    plane: str = "axial"
    at: int = 0
    modality: int = SIDE_BY_SIDE
    overlay: str = "truth"
    opacity: float = 0.3


def as_brain(
    patient: Patient,
    modalities: Sequence[str],
    prediction: Tensor | None = None,
    name: str = "",
) -> Brain:
    """A patient made ready to be drawn.

    prediction: uint8 labels (D, H, W) of the course, or bool (3, D, H, W): WT, TC, ET.
    name: to show, default the patient's own.
    Raises ValueError for shapes or names that do not fit the patient.
    """
    shape, name = tuple(patient.label.shape), name or patient.name
    if len(modalities) != len(patient.image):
        raise ValueError(
            _(
                "brain_viewer: {patient} has {channels} modalities, but the "
                "names given are {names}: pass modalities=patients.modalities."
            ).format(
                patient=name, channels=len(patient.image), names=", ".join(modalities)
            )
        )
    masks = {"truth": regions(patient.label).numpy()}
    if prediction is not None:
        masks["prediction"] = _mask(prediction, shape, name)
    inside = patient.brain.numpy()
    return Brain(
        name=name,
        modalities=tuple(modalities),
        grey=np.stack([_grey(volume, inside) for volume in patient.image.numpy()]),
        masks=masks,
        known=REGIONS if masks["truth"][1].any() else REGIONS[:1],
        voxel=tuple(voxel_sides(patient.affine).tolist()),
        middle=float(np.average(np.arange(shape[2]), weights=inside.sum((0, 1)))),
    )


def _mask(prediction, shape: tuple[int, ...], name: str) -> np.ndarray:
    prediction = torch.as_tensor(prediction).cpu()
    kind, given = prediction.dtype, tuple(prediction.shape)
    labels = kind == torch.uint8 and given == shape and prediction.max() <= 3
    fits = labels or (kind == torch.bool and given == (3, *shape))
    bounds = f"uint8 {shape} 0..3 | bool {(3, *shape)}"
    need("brain_viewer", f"predictions[{name!r}]", (kind, given), fits, bounds)
    return (regions(prediction) if labels else prediction).numpy()


def _grey(volume: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """One modality in grey levels; the few darkest and brightest voxels are cut off."""
    low, high = np.percentile(volume[inside], (DARKEST, BRIGHTEST))
    part = (volume - low) / max(high - low, 1e-6)
    return np.where(inside, 255 * part.clip(0, 1), 0).round().astype(np.uint8)


def cut(volume: np.ndarray, plane: str, at: int) -> np.ndarray:
    """A slice of (..., D, H, W) as rows and columns of a picture.

    The patient's right is at the left of an axial slice, seen from the feet, and of a
    coronal one, seen from the front; in a sagittal slice the face is at the left.
    """
    if plane == "axial":
        return volume[..., at, :, :]
    upright = volume[..., ::-1, :, :]  # rows go from the top of the head downwards
    return upright[..., at, :] if plane == "coronal" else upright[..., at]


def largest(shown: Brain, plane: str) -> int:
    """Index of the slice with most tumour, the middle one where there is no tumour."""
    axis = PLANES[plane][0]
    area = shown.masks["truth"][0].sum(tuple({0, 1, 2} - {axis}))
    return int(area.argmax()) if area.any() else len(area) // 2


def channels(shown: Brain, view: View) -> Sequence[int]:
    """Indices of the modalities in view."""
    every = range(len(shown.modalities))
    return every if view.modality == SIDE_BY_SIDE else [view.modality]


def drawn(shown: Brain, view: View) -> dict[str, np.ndarray]:
    """The masks in view: "truth", "prediction" or both -> bool (3, D, H, W)."""
    wanted = ("truth", "prediction") if view.overlay == "both" else (view.overlay,)
    return {source: shown.masks[source] for source in wanted if source in shown.masks}


# --- in words -------------------------------------------------------------------------


def describe(shown: Brain, view: View) -> str:
    """What is seen, and how large the tumour is: the alternative text."""
    names = [shown.modalities[c] for c in channels(shown, view)]
    text = [f"{where(shown, view)} {', '.join(names)}."]
    for source in shown.masks:
        sizes = volumes(shown, source).items()
        said = ", ".join(f"{region} {size} ml" for region, size in sizes)
        text.append(f"{source_names()[source].capitalize()}: {said}.")
    text.append(_side(shown))
    masks = drawn(shown, view).values()
    if masks and not any(cut(mask, view.plane, view.at).any() for mask in masks):
        text.append(_("None of it lies in this slice."))
    return " ".join(filter(None, text))


def where(shown: Brain, view: View) -> str:
    """Whose brain, and which slice of it."""
    return _("{patient}, {plane} slice {place} of {last}.").format(
        patient=shown.name,
        plane=plane_names()[view.plane],
        place=view.at + 1,
        last=shown.grey.shape[1 + PLANES[view.plane][0]],
    )


def _side(shown: Brain) -> str:
    """On which side the tumour lies, "" where there is none."""
    across = shown.masks["truth"][0].sum((0, 1))
    if not across.any():
        return ""
    left = across[np.arange(len(across)) > shown.middle].sum() / across.sum()
    if left > 0.75:
        return _("The tumour lies mostly on the patient's left.")
    if left < 0.25:
        return _("The tumour lies mostly on the patient's right.")
    return _("The tumour lies on both sides of the middle.")


def volumes(shown: Brain, source: str) -> dict[str, str]:
    """Region -> millilitres in the whole volume; of the truth, those that are known."""
    totals = shown.masks[source].sum((1, 2, 3)) * np.prod(shown.voxel) / 1000
    known = shown.known if source == "truth" else REGIONS
    return {r: number(v, 1) for r, v in zip(REGIONS, totals, strict=True) if r in known}


def orientation(view: View) -> list[str]:
    """Sentences: which side is which, and what the letters mean."""
    if view.plane == "sagittal":
        return [
            _(
                "The face looks to the left: A anterior, P posterior, S superior, I "
                "inferior."
            )
        ]
    convention = _(
        "Radiological convention: the patient's right (R) is at the left of the "
        "picture, the left (L) at its right."
    )
    if view.plane == "axial":
        return [convention, _("A anterior, P posterior.")]
    return [convention, _("S superior, I inferior.")]


def plane_names() -> dict[str, str]:
    return {"axial": _("axial"), "coronal": _("coronal"), "sagittal": _("sagittal")}


def source_names() -> dict[str, str]:
    return {"truth": _("truth"), "prediction": _("prediction")}


def region_names() -> dict[str, str]:
    return {
        "WT": _("WT, whole tumour"),
        "TC": _("TC, tumour core"),
        "ET": _("ET, enhancing"),
    }
