"""Finds the patients of a BraTS folder, of any year, and reads their files."""

import gzip
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_utils.data.brats_labels import to_course_labels
from course_utils.data.people import by_number
from course_utils.data.volumes import Volume
from course_utils.locale import _

# The last word of a file's name, and what the file is.
ROLES = {
    "flair": "flair",
    "t2f": "flair",
    "t1": "t1",
    "t1n": "t1",
    "t1ce": "t1ce",
    "t1c": "t1ce",
    "t2": "t2",
    "t2w": "t2",
    "seg": "label",
    "segm": "label",  # of patient 355 of 2020, whose file has a name of its own
    "otmulticlass": "label",
    "gt_w": "label",
    "brainmask": "brain",
}
LAST_WORD = re.compile(r"(gt_w|[^_-]*)$")
DEEP = 4  # folders below the one that is named: Kaggle's patients are three below


class Case(NamedTuple):
    """One examination of a patient: its files, found by name and not yet opened.

    files: per role ("flair", "t1", "t1ce", "t2", "label", "brain") the path.
    """

    name: str
    files: dict[str, Path]


def find(folder: Path) -> tuple[list[Case], list[str]]:
    """(the patients of a folder by name, a sentence for each folder left out).

    Any subfolder with files of known names is a patient, down to four levels:
    `ID/ID_flair.nii.gz` with t1, t1ce, t2, seg (2017 to 2021, Kaggle's brats20);
    `ID/ID-t2f.nii.gz` with t1n, t1c, t2w, seg (since 2023); `Flair_subtrMeanDivStd`,
    `T1c_subtrMeanDivStd`, `OTMultiClass`, `brainmask` (2015, prepared); `FLAIR`, `T1`,
    `GT_W` (2018, whole tumour). All `.nii` or `.nii.gz`. A file subject_id.txt in the
    folder says the patient's name; else the folder's name is.
    """
    cases, left_out = [], []
    unmarked: dict[Path, list[Case]] = {}  # by the folder above the patients'
    for place, names in _folders(folder):
        try:
            files = _roles(place, names)
            if not files.keys() - {"label", "brain"}:
                continue
            case = Case(_name(place), files)
        except ValueError as fault:
            left_out.append(str(fault))
            continue
        if "label" in files:
            cases.append(case)
        else:
            unmarked.setdefault(place.parent, []).append(case)
    marked = {case.files["label"].parent.parent for case in cases}
    for parent, without in unmarked.items():
        if parent in marked:
            left_out += [
                _("{patient}: there is no segmentation in {folder}.").format(
                    patient=case.name, folder=next(iter(case.files.values())).parent
                )
                for case in without
            ]
        else:  # the challenge's own validation set: one sentence for all
            left_out.append(
                _(
                    "{folder}: none of its patients ({count:,}) has a segmentation."
                ).format(folder=parent, count=len(without))
            )
    unique: dict[str, Case] = {}
    for case in cases:
        if case.name in unique:
            left_out.append(
                _("{patient}: {folder} holds this patient a second time.").format(
                    patient=case.name, folder=case.files["label"].parent
                )
            )
        unique.setdefault(case.name, case)
    return sorted(unique.values(), key=lambda case: by_number(case.name)), left_out


def convention_of(case: Case) -> str:
    """The convention of a case's labels, told by the names of its files.

    OTMultiClass: "brats2015". GT_W: "whole". Names with hyphens, as ID-seg and ID-t2f:
    "brats2023". All others: "brats2017". Raises ValueError for the children's files of
    BraTS-PED, whose labels changed from 2023 to 2024 under the same names.
    """
    name = _stem(case.files["label"].name)
    if name.lower() == "otmulticlass":
        return "brats2015"
    if name.lower() == "gt_w":
        return "whole"
    if "-ped-" in name.lower():
        raise ValueError(
            _(
                "{patient}: the labels of BraTS-PED mean one thing in 2023 and another "
                'in 2024; pass convention="brats2023" if the files are of 2023.'
            ).format(patient=case.name)
        )
    return "brats2023" if name.lower().endswith("-seg") else "brats2017"


def read(
    case: Case, modalities: Sequence[str], convention: str | None = None
) -> dict[str, object]:
    """The content of a case's files, as keywords for `volumes.prepare`.

    modalities: of "flair", "t1", "t1ce", "t2", in the order of the channels.
    convention: a key of brats_labels.CONVENTIONS; None: `convention_of`.
    Raises ValueError, naming patient and file, for a modality without a file, for files
    that are damaged or no NIfTI, and for labels that the convention does not know.
    """
    missing = [modality for modality in modalities if modality not in case.files]
    if missing:
        raise ValueError(
            _("{patient}: there is no file for {missing} in {folder}.").format(
                patient=case.name,
                missing=", ".join(missing),
                folder=case.files["label"].parent,
            )
        )
    convention = convention or convention_of(case)
    label = read_nifti(case.name, case.files["label"])
    try:
        array = to_course_labels(label.array, convention)
    except ValueError as fault:
        raise ValueError(f"{case.name}: {label.file}: {fault}") from None
    brain = case.files.get("brain")
    return {
        "name": case.name,
        "images": {
            modality: read_nifti(case.name, case.files[modality])
            for modality in modalities
        },
        "label": label._replace(array=array),
        "brain": brain and read_nifti(case.name, brain),
    }


def read_nifti(patient: str, path: Path) -> Volume:
    """The array, affine and name of a NIfTI file, whole or refused.

    The array keeps the file's type, or is float64 where the header scales it.
    Raises ValueError, naming patient and file, where it is cut short, damaged (the sum
    of a .gz file is checked), no NIfTI file or cannot be read.
    """
    import nibabel  # late: only files need it
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    try:
        content = path.read_bytes()
        if path.name.lower().endswith(".gz"):
            content = gzip.decompress(content)
        image = nibabel.Nifti1Image.from_bytes(content)
        array = np.asanyarray(image.dataobj)
    except (
        *(OSError, EOFError, ValueError, zlib.error),
        *(ImageFileError, HeaderDataError, WrapStructError),
    ) as error:
        raise ValueError(
            _(
                "{patient}: {file} is damaged or no NIfTI file ({error}); copy or "
                "download it again."
            ).format(
                patient=patient,
                file=path.name,
                error=(str(error).strip() or type(error).__name__).splitlines()[0],
            )
        ) from None
    return Volume(array, image.affine, path.name)


def _folders(folder: Path) -> list[tuple[Path, list[str]]]:
    """Each folder from here down to DEEP, with the NIfTI files in it, in order."""
    found = []
    for place, below, names in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        # A name that begins with a dot is not a patient's: "._" is a Mac's trace.
        below[:] = sorted(n for n in below if n[0] != "." and depth < DEEP)
        images = sorted(n for n in names if n[0] != "." and _stem(n) != n)
        if images:
            found.append((Path(place), images))
    return found


def _stem(name: str) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", name, flags=re.IGNORECASE)


def _roles(place: Path, names: list[str]) -> dict[str, Path]:
    """What each known file of a patient's folder is. Raises ValueError."""
    files: dict[str, Path] = {}
    for name in names:
        stem = re.sub("_subtrMeanDivStd$", "", _stem(name), flags=re.IGNORECASE)
        role = ROLES.get(LAST_WORD.search(stem.lower())[0])
        if role is None:
            continue
        if role in files and _stem(files[role].name) != _stem(name):
            raise ValueError(
                _(
                    "{folder}: {first} and {second} are both {role}; every patient "
                    "needs a folder."
                ).format(folder=place, first=files[role].name, second=name, role=role)
            )
        files.setdefault(role, place / name)
    return files


def _name(place: Path) -> str:
    """The patient's name: from subject_id.txt ("Subject_id: X"), or the folder's."""
    note = place / "subject_id.txt"
    if note.is_file():
        content = note.read_text(encoding="utf-8", errors="replace")
        if match := re.search(r"Subject_id:\s*(\S+)", content):
            return match[1]
    return place.resolve().name
