"""The healthy brain: MNI152, bent into that of another person.

Template: the symmetric ICBM 2009a average of 152 brains that nilearn carries.
Fonov, V. et al. (2011). NeuroImage 54(1). https://doi.org/10.1016/j.neuroimage.2010.07.033
"""

import functools
import importlib.util
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.data.synthetic.fields import (
    GRID,
    SPACING,
    Stream,
    coordinates,
    smooth,
)
from course_utils.locale import _

FILE = "datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
# First voxel of the 1 mm file that the grid takes along x, y and z; -2 is outside.
FIRST = np.array([18, 21, -2])
FILE_ORIGIN = np.array([-98.0, -134.0, -72.0])  # mm, of the file's voxel 0, 0, 0


class Brain(NamedTuple):
    """Maps of one brain, each float32 (*GRID).

    white, grey, fluid: what share of the voxel each tissue fills, 0..1, summing to 1
    inside. inside: 1 in the brain, 0 outside. depth: mm below the surface.
    detail: the T1 of the template relative to what its tissues explain, about 1: deep
    nuclei, thalamus.
    """

    white: Tensor
    grey: Tensor
    fluid: Tensor
    inside: Tensor
    depth: Tensor
    detail: Tensor


def affine() -> np.ndarray:
    """From NIfTI indices (right-left, anterior-posterior, inferior-superior) to RAS mm.

    The course's axes, reversed: the first two run against those of the template.
    """
    sides = np.array(GRID[::-1])
    first = FILE_ORIGIN + FIRST + 0.5  # the centre of a block of two voxels
    last = first + SPACING * (sides - 1)
    return np.array(
        [
            [-SPACING, 0, 0, last[0]],
            [0, -SPACING, 0, last[1]],
            [0, 0, SPACING, first[2]],
            [0, 0, 0, 1],
        ]
    )


@functools.lru_cache(maxsize=1)
def template() -> Brain:
    """The average brain on the course's grid.

    Raises ImportError where nilearn, whose files these are, is not installed.
    """
    from scipy.ndimage import distance_transform_edt  # late: only here

    t1, grey, white = (_on_grid(_read(kind)) for kind in ("t1", "gm", "wm"))
    inside = _on_grid((_read("t1") > 0).float())
    fluid = (inside - grey - white).clamp(0, 1)
    depth = SPACING * torch.from_numpy(distance_transform_edt(inside > 0.5)).float()
    # Half ventricle, half white matter looks like grey matter: it is none.
    ventricle = ((fluid > 0.5) & (depth > 16)).float()
    rim = (smooth(ventricle, 2) > 0.02) & (smooth(grey, 2) < 0.55)
    white = torch.where(rim, white + grey, white)
    grey = torch.where(rim, torch.zeros(()), grey)
    expected = 0.875 * white + 0.647 * grey + 0.271 * fluid  # where they are pure
    detail = ((t1 + 0.05) / (expected + 0.05)).clamp(0.7, 1.3)
    return Brain(white, grey, fluid, inside, depth, detail)


def _read(kind: str) -> Tensor:
    """One map of the template, float32 0..1, 1 mm, axes x, y, z of RAS."""
    found = importlib.util.find_spec("nilearn")  # importing it would take seconds
    if found is None:
        raise ImportError(
            _(
                "The synthetic brains need the package nilearn, which carries the "
                "MNI152 brain: pip install nilearn."
            )
        )
    import nibabel  # late: only here

    path = Path(found.submodule_search_locations[0]) / FILE.format(kind)
    return torch.from_numpy(np.asarray(nibabel.load(path).dataobj)).float() / 255


def _on_grid(volume: Tensor) -> Tensor:
    """Pooled from 1 to 2 mm, cropped, and turned to (D, H, W)."""
    sides = 2 * np.array(GRID[::-1])
    margins = []
    for first, side, length in zip(FIRST, sides, volume.shape, strict=True):
        margins = [-int(first), int(first + side - length), *margins]
    volume = F.avg_pool3d(F.pad(volume, margins)[None], 2)[0]
    return volume.flip(0, 1).permute(2, 1, 0).contiguous()


def bend(stream: Stream) -> Tensor:
    """Where another person's voxels lie in the template: voxels to add, (3, *GRID).

    Size and proportions of the head, a slight tilt, and smooth differences, left and
    right of their own.
    """
    centre = torch.tensor([(side - 1) / 2 for side in GRID])
    from_centre = coordinates() - centre.view(3, 1, 1, 1)
    linear = 0.02 * stream.normal(3, 3)  # shear and tilt
    size = 1.09 + 0.045 * stream.normal(1) + 0.025 * stream.normal(3)
    linear[range(3), range(3)] = size.clamp(1.0, 1.2) - 1
    moved = torch.tensordot(linear, from_centre, dims=1)
    moved += 2.2 * stream.fields(70) + 1.0 * stream.fields(26)
    return _centred(moved + 0.35 * stream.fields(10))


def _centred(displacement: Tensor) -> Tensor:
    """The same brain in the middle of the grid, as a loader of real ones puts it."""
    ends = in_template(displacement, template().inside > 0.5).nonzero().aminmax(dim=0)
    off = (ends.min + ends.max - torch.tensor(GRID) + 1).div(2, rounding_mode="floor")
    for axis, side in enumerate(GRID):
        source = (torch.arange(side) + off[axis]).clamp(0, side - 1)
        displacement = displacement.index_select(axis + 1, source)
    return displacement + off.view(3, 1, 1, 1)


def in_template(displacement: Tensor, values: Tensor) -> Tensor:
    """The template's values (*GRID) where a displacement leads, the nearest voxel's."""
    source = (coordinates() + displacement).round().long()
    d, h, w = (axis.clamp(0, side - 1) for axis, side in zip(source, GRID, strict=True))
    return values[d, h, w]


def warp(stream: Stream, displacement: Tensor) -> Brain:
    """The template seen through a displacement (3, *GRID), voxels, as one person's.

    An average of brains is blurred: here each voxel takes sides again, with folds of
    the person's own, and with as much fluid as the person's age asks for.
    """
    source = coordinates() + displacement
    sides = torch.tensor(GRID, dtype=torch.float32).view(3, 1, 1, 1)
    grid = (2 * source / (sides - 1) - 1).flip(0).permute(1, 2, 3, 0)[None]
    maps = F.grid_sample(
        torch.stack(template())[None], grid, padding_mode="border", align_corners=True
    )[0]
    white, grey, fluid, inside, depth, detail = maps
    inside = _stripped(stream, inside)
    low, high = stream.uniform(0.02, 0.14), stream.uniform(0.3, 0.6)
    fluid = ((fluid - low + 0.04 * stream.field(6)) / (high - low)).clamp(0, 1)
    sharpness = stream.uniform(0.7, 1.1)
    white = 0.5 + sharpness * (white - grey) + 0.12 * stream.field(5)
    white = white.clamp(0, 1) * (1 - fluid)
    return Brain(
        white * inside,
        (1 - white - fluid).clamp(0, 1) * inside,
        fluid * inside,
        inside,
        depth,
        detail,
    )


def _stripped(stream: Stream, inside: Tensor) -> Tensor:
    """What skull-stripping keeps: tighter or wider, sometimes without the crown."""
    edge = smooth(inside) + 0.08 * stream.field(8) * (inside > 0.01)
    inside = (edge > stream.uniform(0.35, 0.65)).float()
    if stream.chance(0.15):  # the scan ended there
        crown = int(inside.sum((1, 2)).nonzero().max())
        inside[crown - stream.pick(9) :] = 0
    return inside
