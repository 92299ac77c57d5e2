"""What `brats_cpu.py` compares: brightness thresholds, and networks of two kinds.

A method learns from some patients and draws the tumours of others, on the voxels of
the files that these came from. Its clock is the CPU time of the process.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.augment.segmentation import SegmentationAugment
from course_utils.data.brats_labels import regions
from course_utils.data.volumes import Patient
from course_utils.metrics import dice, largest_component
from course_utils.models import UNet
from course_utils.segmentation import fit_segmentation, predict, slices
from course_utils.training import count_parameters

LEVELS = torch.arange(0.0, 4.0, 0.1)  # brightness, standard deviations over the mean


class Found(NamedTuple):
    """What a method gives back for the patients that it was asked about.

    masks: for each a bool Tensor (R, i, j, k) on the voxels of its file, the first R of
    WT, TC, ET. seconds: CPU seconds of learning. parameters: numbers that it learned.
    """

    masks: list[Tensor]
    seconds: float
    parameters: int


# --- thresholds -----------------------------------------------------------------------


def threshold_whole(train: Sequence[Patient], tests: Sequence[Patient]) -> Found:
    """The whole tumour is where FLAIR, averaged over 3x3x3 voxels, is bright.

    How bright is chosen on `train`, on the grid of the patients; of the bright places
    only the largest is kept. The first channel is FLAIR.
    """
    start = time.process_time()
    level = _best([_smooth(p.image[0]) for p in train], [p.label > 0 for p in train])
    seconds = time.process_time() - start
    masks = [largest_component(_bright(p, level))[None] for p in tests]
    return Found(masks, seconds, 1)


def threshold_regions(train: Sequence[Patient], tests: Sequence[Patient]) -> Found:
    """Whole tumour as above; inside it, ET is where T1ce is bright, TC is what ET
    encloses.

    Both levels are chosen on `train`. The channels are FLAIR and T1ce.
    """
    start = time.process_time()
    flair = [_smooth(p.image[0]) for p in train]
    level = _best(flair, [p.label > 0 for p in train])
    # The second level is chosen inside of what the first will find, not of the truth.
    inside = [largest_component(field > level) for field in flair]
    t1ce = [
        p.image[1].where(whole, -math.inf)
        for p, whole in zip(train, inside, strict=True)
    ]
    bright = _best(t1ce, [p.label == 3 for p in train], pick=Tensor.clone)
    seconds = time.process_time() - start
    masks = []
    for p in tests:
        whole = largest_component(_bright(p, level))
        enhancing = (to_native(p.image[1], p) > bright) & whole
        masks.append(torch.stack([whole, filled(enhancing) & whole, enhancing]))
    return Found(masks, seconds, 2)


def filled(mask: Tensor) -> Tensor:
    """The mask (i, j, k), closed over gaps of 2 voxels, and what each slice encloses.

    A rim with a gap encloses nothing in three directions, but often does in a slice.
    """
    from scipy import ndimage

    closed = ndimage.binary_closing(mask.numpy(), iterations=2)
    rows = [ndimage.binary_fill_holes(closed[..., k]) for k in range(closed.shape[2])]
    return torch.from_numpy(np.stack(rows, axis=2)) | mask


def _best(
    fields: Sequence[Tensor],
    truths: Sequence[Tensor],
    pick: Callable[[Tensor], Tensor] = largest_component,
) -> float:
    """The level whose masks, `pick`ed, have the highest mean Dice."""
    scores = []
    for level in LEVELS:
        masks = [pick(field > level) for field in fields]
        pairs = zip(masks, truths, strict=True)
        scores.append(sum(dice(m[None, None], t[None, None]).item() for m, t in pairs))
    return LEVELS[int(np.argmax(scores))].item()


def _bright(patient: Patient, level: float) -> Tensor:
    return to_native(_smooth(patient.image[0]), patient) > level


def _smooth(volume: Tensor) -> Tensor:
    return F.avg_pool3d(volume[None, None], 3, 1, 1)[0, 0]


# --- networks -------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """A network and how it learns.

    make: (channels, regions) -> network of logits. seen: slices or volumes that it sees
    while it learns, however many differ. voxel: 0, axial slices of the grid as it is;
    n: volumes, n voxels averaged along each side into one.
    """

    make: Callable[[int, int], nn.Module]
    seen: int
    voxel: int = 0


def network(
    recipe: Recipe,
    train: Sequence[Patient],
    tests: Sequence[Patient],
    *,
    outputs: int,
    seed: int,
    epochs: int | None = None,
) -> Found:
    """What a network that has learned by the recipe finds.

    outputs: R, the first so many of WT, TC, ET. epochs: instead of what the recipe asks
    for. Probabilities are cut at a half. Of WT only the largest piece is kept, and of
    TC and ET what lies in it.
    """
    start = time.process_time()
    model = learn(recipe, train, outputs, seed, epochs)
    seconds = time.process_time() - start
    masks = [_draw(probability(recipe, model, p), p) for p in tests]
    return Found(masks, seconds, count_parameters(model))


def _draw(field: Tensor, patient: Patient) -> Tensor:
    """Probabilities (R, D, H, W) as masks (R, i, j, k)."""
    mask = torch.stack([to_native(region, patient) > 0.5 for region in field])
    return mask & largest_component(mask[0])


def learn(
    recipe: Recipe,
    patients: Sequence[Patient],
    outputs: int,
    seed: int,
    epochs: int | None,
) -> nn.Module:
    """A network that has learned the recipe's way, in eval mode."""
    if recipe.voxel:
        x = torch.stack([coarse(p.image, recipe.voxel) for p in patients])
        whole = torch.stack([regions(p.label).float() for p in patients])
        y = coarse(whole, recipe.voxel) >= 0.5
    else:
        x, y, _patient = slices(patients)
        # Most slices hold no tumour: a third of those will do.
        kept = y[:, 0].flatten(1).any(1) | (torch.arange(len(y)) % 3 == 0)
        x, y = x[kept], y[kept]
    torch.manual_seed(seed)
    model = recipe.make(x.shape[1], outputs)
    size = 2 if recipe.voxel else 8
    in_a_pass = max(1, len(x) // size) * size  # the last, incomplete batch is left out
    fit_segmentation(
        model,
        (x, y[:, :outputs]),
        loss=volume_loss if recipe.voxel else slice_loss,
        epochs=epochs or max(1, round(recipe.seen / in_a_pass)),
        batch_size=size,
        augment=SegmentationAugment(),
        seed=seed,
        device="cpu",
        live=False,
    )
    return model


def probability(recipe: Recipe, model: nn.Module, patient: Patient) -> Tensor:
    """float32 (R, D, H, W) on the patient's grid, mean over both sides of a mirror."""
    if not recipe.voxel:
        return predict(model, patient, flips=True, device="cpu")
    small = replace(
        patient,
        image=coarse(patient.image, recipe.voxel),
        brain=coarse(patient.brain[None].float(), recipe.voxel)[0] > 0,
    )
    p = predict(model, small, flips=True, device="cpu")
    return F.interpolate(p[None], patient.brain.shape, mode="trilinear")[0]


def coarse(volume: Tensor, voxel: int) -> Tensor:
    """(C, D, H, W), the mean of voxel³ voxels in each place."""
    return F.avg_pool3d(volume, voxel)


def slice_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice of each region over the whole batch: alone, a slice
    without tumour would have a Dice of 0 or 1."""
    return _dice_and_entropy(logits, y, (0, 2, 3))


def volume_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice of each region in each volume."""
    return _dice_and_entropy(logits, y, (2, 3, 4))


def _dice_and_entropy(logits: Tensor, y: Tensor, axes: tuple[int, ...]) -> Tensor:
    p = logits.sigmoid()
    shared, total = (p * y).sum(axes), (p + y).sum(axes)
    overlap = (2 * shared + 1) / (total + 1)
    return F.binary_cross_entropy_with_logits(logits, y) + 1 - overlap.mean()


def ours(channels: int, outputs: int) -> nn.Module:
    return UNet(channels, outputs, width=16, levels=4)


def ours_with_attention(channels: int, outputs: int) -> nn.Module:
    return UNet(channels, outputs, width=16, levels=4, attention=True)


def ours_in_volumes(channels: int, outputs: int) -> nn.Module:
    return UNet(channels, outputs, width=8, levels=4, dims=3)


def monai_basic(channels: int, outputs: int) -> nn.Module:
    """MONAI's BasicUNet for slices, as wide as ours; it always has five levels."""
    from monai.networks.nets import BasicUNet

    return BasicUNet(2, channels, outputs, features=(16, 32, 64, 128, 256, 16))


def monai_attention(channels: int, outputs: int) -> nn.Module:
    """MONAI's AttentionUnet for slices, as wide and as deep as ours."""
    from monai.networks.nets import AttentionUnet

    widths, strides = (16, 32, 64, 128), (2, 2, 2)
    return AttentionUnet(2, channels, outputs, channels=widths, strides=strides)


# --- the expert's own voxels ----------------------------------------------------------


def to_native(field: Tensor, patient: Patient) -> Tensor:
    """A field (D, H, W) on the grid of a patient, read at the voxels of its file.

    Linear between the voxels, 0 outside. Returns float32 (i, j, k).
    """
    from scipy.ndimage import affine_transform

    # Both affines lead to millimetres: one there, the other back.
    back = np.linalg.inv(patient.affine) @ patient.native_affine
    values = affine_transform(
        field.numpy().T, back, output_shape=patient.native_shape, order=1
    )
    return torch.from_numpy(values)
