"""NIfTI files from somebody's browser as a patient, or a sentence that says why not.

Whatever is uploaded is checked and never trusted: a small file may unpack to a large
one, a header may promise anything.
"""

import gzip
import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from course_utils.data.brats_folder import (
    LAST_WORD,
    ROLES,
    Case,
    convention_of,
    read_nifti,
)
from course_utils.data.brats_labels import REGIONS, to_course_labels
from course_utils.data.volume_grid import Volume, voxel_sides
from course_utils.data.volumes import MODALITIES, SPACING, Patient, prepare
from course_utils.locale import _

MEGABYTES = 100  # of one file; BraTS's have 1 to 5, unpacked 18 to 71
MOST_VOXELS = 320**3  # of one file; BraTS's have 240 x 240 x 155
UNPACKED = 8 * MOST_VOXELS + 2**20  # bytes: the largest numbers, and a header
CHUNK, HEADER = 2**20, 348  # bytes: read at a time, of a NIfTI header
FIRST, LAST = 1.6, 2.5  # mm, of a voxel's side after pooling: what the network knows


class Upload(NamedTuple):
    """What was in the files.

    patient: on the grid of the course; without a segmentation its label is 0 all over.
    truth: the labels of the course in the file's own voxels, uint8 (i, j, k), or None
    without a segmentation. regions: those that the segmentation tells apart.
    """

    patient: Patient
    truth: np.ndarray | None
    regions: tuple[str, ...]


def read(paths: Sequence[str | os.PathLike]) -> Upload:
    """The patient that the files hold; their names say what each is.

    paths: a .nii or .nii.gz for each of FLAIR, T1, T1ce and T2, of equal shape and in
        one place, and where there is one, a segmentation and a mask of the brain, named
        as BraTS does, see `brats_folder.find`: names end in _flair, _t1, _t1ce, _t2,
        _seg, or in -t2f, -t1n, -t1c, -t2w, -seg.
    Raises ValueError, in one sentence that names the file, for whatever cannot be used.
    """
    files = _by_role(paths)
    name = _patient_of(files.values())
    volumes = {what: _volume(name, path) for what, path in files.items()}
    images = {modality: volumes[modality] for modality in MODALITIES}
    if "label" not in files:
        patient = prepare(
            name, images, _anything(images), brain=volumes.get("brain"), spacing=SPACING
        )
        patient = replace(patient, label=torch.zeros_like(patient.label))
        _check_voxels(patient)
        return Upload(patient, None, ())
    label, regions = _labels(Case(name, files), volumes["label"])
    patient = prepare(name, images, label, brain=volumes.get("brain"), spacing=SPACING)
    _check_voxels(patient)
    return Upload(patient, label.array, regions)


def _by_role(paths: Sequence[str | os.PathLike]) -> dict[str, Path]:
    """What each file is: "flair", "t1", "t1ce", "t2", "label", "brain"."""
    if not paths:
        raise ValueError(
            _("There are no files yet: choose one each for {names}.").format(
                names=", ".join(MODALITIES.values())
            )
        )
    files: dict[str, Path] = {}
    for path in map(Path, paths):
        role = _role(path.name)
        if role in files:
            raise ValueError(
                _("{first} and {second} are both {role}: take one of them out.").format(
                    first=files[role].name,
                    second=path.name,
                    role=MODALITIES.get(role, role),
                )
            )
        files[role] = path
    missing = [shown for role, shown in MODALITIES.items() if role not in files]
    if missing:
        raise ValueError(
            _("There is no file for {missing}: add it to the others.").format(
                missing=", ".join(missing)
            )
        )
    return files


def _role(name: str) -> str:
    """What a file is by its name. Raises ValueError where that does not tell."""
    stem = _stem(name)
    if stem == name:
        raise ValueError(
            _(
                "{file} is no NIfTI file by its name, which would end in .nii or "
                ".nii.gz: take it out."
            ).format(file=name)
        )
    role = ROLES.get(LAST_WORD.search(stem.lower())[0])
    if role is None:
        raise ValueError(
            _(
                "The name of {file} does not say what it is: let it end in {names}."
            ).format(file=name, names="_flair, _t1, _t1ce, _t2, _seg (.nii.gz)")
        )
    return role


def _stem(name: str) -> str:
    return re.sub(r"(_subtrMeanDivStd)?\.nii(\.gz)?$", "", name, flags=re.IGNORECASE)


def _patient_of(files: Iterable[Path]) -> str:
    """What all names say besides what each file is, or a word for nothing.

    Raises ValueError where two say different things: all patients of BraTS have one
    shape and lie in one place, so nothing else would tell.
    """
    said = {}
    for file in files:
        name = LAST_WORD.sub("", _stem(file.name)).rstrip("_- ")
        if name:
            said.setdefault(name.lower(), (name, file.name))
    if len(said) > 1:
        (_first, first), (_second, second) = list(said.values())[:2]
        raise ValueError(
            _(
                "{first} and {second} are of two patients by their names: take one "
                "out, or let all names begin alike."
            ).format(first=first, second=second)
        )
    return next((name for name, _file in said.values()), _("patient"))


def _volume(name: str, path: Path) -> Volume:
    """One file, whole, of numbers and no larger than allowed. Raises ValueError."""
    try:
        if _is_too_large(path):
            raise MemoryError
        volume = read_nifti(name, path)
    except FileNotFoundError:
        raise ValueError(
            _("{file} has been deleted here meanwhile: choose it again.").format(
                file=path.name
            )
        ) from None
    except MemoryError:
        raise ValueError(
            _(
                "{file} is too large: it may have {megabytes} MB and {most:,} voxels; "
                "a volume of BraTS has 5 MB and 8,928,000 voxels."
            ).format(file=path.name, megabytes=MEGABYTES, most=MOST_VOXELS)
        ) from None
    if volume.array.dtype.kind not in "buif":
        raise ValueError(
            _(
                "{file} holds colours or complex numbers, where one number a voxel is "
                "expected."
            ).format(file=path.name)
        )
    return volume


def _is_too_large(path: Path) -> bool:
    """Whether a file is, unpacks to too much, or promises too many voxels."""
    from nibabel import Nifti1Header  # late: only files need it

    if path.stat().st_size > MEGABYTES * 2**20:
        return True
    packed = path.name.lower().endswith(".gz")
    size, head = 0, b""
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            while size <= UNPACKED and (chunk := file.read(CHUNK)):
                head, size = head or chunk, size + len(chunk)
        voxels = 0
        if Nifti1Header.may_contain_header(head):  # text would promise anything
            header = Nifti1Header(head[:HEADER], check=False)
            voxels = math.prod(map(int, header.get_data_shape()))
    except Exception:  # damaged in some way: read_nifti says in which
        voxels = 0
    return size > UNPACKED or abs(voxels) > MOST_VOXELS


def _anything(images: dict[str, Volume]) -> Volume:
    """A label where `prepare` wants one: every voxel that is not 0 counts as tumour."""
    first = next(iter(images.values()))
    marked = np.full(first.array.shape, 2, np.uint8)
    return Volume(marked, first.affine, first.file)


def _labels(case: Case, label: Volume) -> tuple[Volume, tuple[str, ...]]:
    """The segmentation in the labels of the course, and the regions it tells apart."""
    found = set(np.unique(label.array).tolist())
    convention = convention_of(case)
    if convention == "brats2017" and 3 in found and 4 not in found:
        convention = "brats2023"  # under an older name, as the course saves them
    if found <= {0, 1}:
        convention = "whole"
    try:
        array = to_course_labels(label.array, convention)
    except ValueError as fault:
        raise ValueError(f"{label.file}: {fault}") from None
    return label._replace(array=array), (
        REGIONS[:1] if convention == "whole" else REGIONS
    )


def _check_voxels(patient: Patient) -> None:
    """Raise ValueError where voxels of 2 mm could not be made of the file's."""
    sides = voxel_sides(patient.affine)[::-1]
    if sides.min() < FIRST or sides.max() > LAST:
        raise ValueError(
            _(
                "{patient}: the network knows voxels of 2 mm, and these files come no "
                "nearer than {sides} mm: bring them to 1 mm, as BraTS does."
            ).format(
                patient=patient.name,
                sides=" x ".join(f"{side:.3g}" for side in sides),
            )
        )
