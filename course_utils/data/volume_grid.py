"""Volumes as files have them, and the grid to which all of a data set are brought."""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.locale import _

FIELD = (160, 192, 160)  # mm, (D, H, W): the least that a grid covers
MULTIPLE = 16  # of voxels: four halvings fit into every side
SAME_PLACE = 0.1  # mm: how far apart the corners of two volumes of one patient may be


class Volume(NamedTuple):
    """One file's content: array (i, j, k), affine (4, 4) to RAS+ mm, name of the file.

    `prepare` takes plain pairs (array, affine) as well.
    """

    array: np.ndarray
    affine: np.ndarray
    file: str = ""


def check_volumes(name: str, given: dict[str, Volume], files: dict[str, str]) -> None:
    """Raise ValueError where volumes are not of one place, or hold no numbers.

    name: the patient's. given: each Volume by what it is; files: what to call each.
    """
    first, reference = next(iter(given.items()))
    for what, (array, affine, _file) in given.items():
        if array.ndim != 3 or array.shape != reference.array.shape:
            raise ValueError(
                _("{patient}: {file} has shape {shape}, and {first} {other}.").format(
                    patient=name,
                    file=files[what],
                    shape=array.shape,
                    first=files[first],
                    other=reference.array.shape,
                )
            )
        if not abs(np.linalg.det(affine)) > 1e-6:  # mm3 of a voxel; also where NaN
            raise ValueError(
                _(
                    "{patient}: the affine of {file} gives its voxels no volume; the "
                    "header is damaged."
                ).format(patient=name, file=files[what])
            )
        apart = _apart(affine, reference.affine, array.shape)
        if not apart <= SAME_PLACE:
            raise ValueError(
                _(
                    "{patient}: {file} and {first} lie up to {apart:.1f} mm apart "
                    "by their affines; at most {most} mm is allowed."
                ).format(
                    patient=name,
                    file=files[what],
                    first=files[first],
                    apart=apart,
                    most=SAME_PLACE,
                )
            )
        if not np.isfinite(array).all():
            raise ValueError(
                _("{patient}: {file} holds values that are not finite (NaN).").format(
                    patient=name, file=files[what]
                )
            )


def _apart(affine: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """The greatest distance in mm between equal corners of two volumes."""
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(shape) - 1)
    difference = np.asarray(affine, float) - np.asarray(other, float)
    moved = corners @ difference[:3, :3].T + difference[:3, 3]
    return float(np.linalg.norm(moved, axis=1).max())


def to_lps(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A file's array (i, j, k) as (D, H, W), and the affine of its indices (W, H, D).

    The axes are turned to the nearest of left, back and up, whatever the file's order;
    nothing is interpolated. affine: (4, 4), from indices to RAS+ millimetres.
    """
    from nibabel import orientations  # late: only files need it

    turn = orientations.ornt_transform(
        orientations.io_orientation(affine),
        orientations.axcodes2ornt(("L", "P", "S")),
    )
    back = orientations.inv_ornt_aff(turn, array.shape)
    turned = orientations.apply_orientation(array, turn)
    return turned.T, np.asarray(affine, float) @ back


class Grid(NamedTuple):
    """Which blocks of voxels become which voxel; everything in the order (D, H, W)."""

    origin: np.ndarray  # index of the first voxel of the first block, may be negative
    factors: tuple[int, ...]  # sides of a block
    shape: tuple[int, ...]  # how many blocks
    affine: np.ndarray  # of the blocks' indices, (W, H, D)

    def cut(self, array: np.ndarray) -> Tensor:
        """float32 (1, D, H, W): the voxels of the blocks, 0 beyond the array."""
        ends = self.origin + np.multiply(self.factors, self.shape)
        inner = tuple(
            slice(max(start, 0), end)
            for start, end in zip(self.origin, ends, strict=True)
        )
        padding = [
            (max(-start, 0), max(end - side, 0))
            for start, end, side in zip(self.origin, ends, array.shape, strict=True)
        ]
        # A copy: the axes of a turned array may run backwards, which torch refuses.
        whole = np.pad(array[inner].astype(np.float32), padding)
        return torch.from_numpy(whole).unsqueeze(0)

    def mean(self, array: np.ndarray) -> Tensor:
        """float32 (D, H, W): the mean of each block."""
        return F.avg_pool3d(self.cut(array), self.factors)[0]

    def vote(self, label: np.ndarray) -> Tensor:
        """uint8 (D, H, W): tumour where half of a block is, of the commonest label."""
        cut = self.cut(label)
        shares = torch.cat(
            [F.avg_pool3d((cut == k).float(), self.factors) for k in (1, 2, 3)]
        )
        # The share of a block of 8 is exact; one of 27 may miss its half by a rounding.
        tumour = shares.sum(0) >= 0.5 - 1e-4
        return torch.where(tumour, shares.argmax(0) + 1, 0).to(torch.uint8)


def voxel_sides(affine: np.ndarray) -> np.ndarray:
    """mm between voxels along D, H and W; affine: of the indices (W, H, D)."""
    return np.linalg.norm(affine[:3, :3], axis=0)[::-1]


def grid_about(inside: np.ndarray, affine: np.ndarray, spacing: float) -> Grid:
    """The grid about the middle of the brain, of blocks as near to spacing as can be.

    inside: bool (D, H, W). affine: of the indices (W, H, D).
    """
    voxel = voxel_sides(affine)
    factors = np.maximum(np.rint(spacing / voxel), 1).astype(int)
    field = np.array(FIELD) / (voxel * factors)
    origin, shape = [], []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        occupied = np.flatnonzero(inside.any(axis=others))
        first, end = occupied[0], occupied[-1] + 1
        needed = max(field[axis] - 1e-3, (end - first) / factors[axis])
        side = MULTIPLE * math.ceil(needed / MULTIPLE)
        origin.append((first + end - side * factors[axis]) // 2)
        shape.append(side)
    blocks = np.eye(4)
    blocks[:3, :3] = np.diag(factors[::-1])
    blocks[:3, 3] = (np.array(origin) + (factors - 1) / 2)[::-1]
    return Grid(
        origin=np.array(origin),
        factors=tuple(factors.tolist()),
        shape=tuple(shape),
        affine=affine @ blocks,
    )
