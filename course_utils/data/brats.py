"""Brain tumours in MR: real patients where they can be had, or synthetic ones."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from course_utils.data import brats_folder, brats_kaggle, sources
from course_utils.data.brats_labels import CONVENTIONS, REGIONS
from course_utils.data.cohort import Asked, assemble, collect
from course_utils.data.dataset import cache_folder
from course_utils.data.volumes import MODALITIES, SPACING, Patient, Patients, Volume
from course_utils.guards import need, whole
from course_utils.locale import _

REAL, SYNTHETIC = 12, 24  # patients, where nobody says how many
LEAST = 3  # one to train, one to validate, one to test
MEGABYTES = 10  # of one patient of the Decathlon
KAGGLE_MEGABYTES = 90


def brats(
    source: str | Path | None = None,
    *,
    patients: int | None = None,
    modalities: Sequence[str] = tuple(MODALITIES),
    spacing: float = SPACING,
    convention: str | None = None,
) -> Patients:
    """Patients with a brain tumour: MR volumes, and the tumour that experts drew.

    source: "auto" takes the cases of the Medical Segmentation Decathlon, Task01, from
        the cache folder, else downloads them (10 MB each, no account), else says in one
        sentence why not and goes on with those that are there, three or more, or with
        "embedded"; "download" does the same but raises RuntimeError instead of going
        on; "embedded" computes synthetic patients: no network, no real patient;
        "kaggle" downloads single patients of BraTS 2020 (90 MB each) or raises
        RuntimeError. A path: a folder of BraTS files, of 2015 to 2024, see
        `brats_folder.find`, or one that holds the imagesTr and labelsTr of the
        Decathlon. None: the variable COURSE_DATA, or "auto" where it is not set.
    patients: how many, int >= 3; None: 12 to download, 24 synthetic, all of a folder.
    modalities: which of "flair", "t1", "t1ce", "t2", in the order of the channels.
    spacing: mm, the side of a voxel of the grid: a multiple of that of the files.
    convention: of a folder's labels, a key of `brats_labels.CONVENTIONS`; None: told by
        the names of the files, see `brats_folder.convention_of`.
    Returns Patients, cut by person: a quarter to test, a sixth to validate. Who is
    where depends on the names alone, so it is the same on every machine, and
    examinations of one person are never in two parts. All patients have one grid.
    A patient whose files are damaged, incomplete or contradict each other is set aside,
    with a sentence in `set_aside`, and the others are kept.

    Raises ValueError for a setting out of range, and for fewer than three people.

    Menze, B. H., and others (2015). IEEE Transactions on Medical Imaging 34(10).
    https://doi.org/10.1109/TMI.2014.2377694
    Antonelli, M., and others (2022). Nature Communications 13, 4128.
    https://doi.org/10.1038/s41467-022-30695-9
    """
    one = isinstance(modalities, str)
    asked = Asked(
        patients, (modalities,) if one else tuple(modalities), spacing, convention
    )
    _check(asked)
    if named := sources.as_folder(source):
        return _from_folder(named, asked)
    if source == "kaggle":
        return _from_kaggle(asked)
    source = sources.choose("brats", source, folders=True)
    if source == "embedded":
        return _synthetic(asked)
    return _from_decathlon(source, asked) or _synthetic(asked)


def _check(asked: Asked) -> None:
    """Raise ValueError for a setting out of range."""
    patients, modalities, spacing, convention = asked
    known = set(modalities) <= set(MODALITIES)
    once = 0 < len(modalities) == len(set(modalities))
    number = isinstance(spacing, (int, float)) and 0.5 <= spacing <= 8
    year = convention is None or convention in CONVENTIONS
    several = patients is None or whole(patients, LEAST)
    for name, good, bounds in (
        ("modalities", known and once, " | ".join(MODALITIES)),
        ("patients", several, f"int >= {LEAST}"),
        ("spacing", number, "0.5 .. 8 (mm)"),
        ("convention", year, " | ".join(CONVENTIONS)),
    ):
        need("brats", name, getattr(asked, name), good, bounds)


def _from_folder(folder: Path, asked: Asked, title: str | None = None) -> Patients:
    """The patients of a folder. title: what they are, for the sentence."""
    title = title or _("Real patients from {folder}").format(folder=folder)
    if (folder / "imagesTr").is_dir():
        from course_utils.data import msd  # late: most folders are BraTS's

        return _decathlon(msd.at_hand(folder), asked, folder, title)
    cases, left_out = brats_folder.find(folder)
    readers = [
        lambda case=case: brats_folder.read(case, asked.modalities, asked.convention)
        for case in cases
    ]
    found, set_aside = collect(readers, asked.spacing, asked.patients)
    names = {patient.name for patient in found}
    conventions = {
        asked.convention or brats_folder.convention_of(case)
        for case in cases
        if case.name in names
    }
    return assemble(
        found,
        asked,
        title=title,
        where=folder,
        set_aside=left_out + set_aside,
        regions=("WT",) if "whole" in conventions else REGIONS,
    )


def _from_kaggle(asked: Asked) -> Patients:
    n = asked.patients or REAL
    need("brats", "patients", n, n <= brats_kaggle.COUNT, f"<= {brats_kaggle.COUNT}")
    folder = cache_folder() / "brats20"
    sources.obtain(
        lambda: brats_kaggle.fetch(n, folder),
        source="download",  # who asks for Kaggle by name wants nothing else
        name="BraTS 2020",
        otherwise="",
        call='data.brats("kaggle")',
        package="kagglehub",
        folder=folder,
        megabytes=n * KAGGLE_MEGABYTES,
    )
    title = _("BraTS 2020: real patients with glioma (Kaggle, {handle})").format(
        handle=brats_kaggle.HANDLE
    )
    return _from_folder(folder, asked._replace(patients=n), title)


def _from_decathlon(source: str, asked: Asked) -> Patients | None:
    """Cases of the Decathlon; None, after a sentence, where they cannot be had."""
    from course_utils.data import msd  # late: only here

    n = asked.patients or REAL
    need("brats", "patients", n, n <= msd.PATIENTS, f"<= {msd.PATIENTS}")
    folder = cache_folder() / msd.FOLDER

    def otherwise() -> str:
        if (here := len(msd.at_hand(folder))) < LEAST:
            return _("we go on with synthetic patients, no real ones; to have those")
        return _(
            "we go on with the {here} real patients that are here already, of {n}; to "
            "have the others"
        ).format(here=here, n=n)

    cases = sources.obtain(
        lambda: msd.cases(n, folder),
        source=source,
        name=_("Task01 of the Medical Segmentation Decathlon"),
        otherwise=otherwise,
        call="data.brats()",
        package="tqdm",
        folder=folder,
        megabytes=n * MEGABYTES,
    )
    if cases is None and len(cases := msd.at_hand(folder)) < LEAST:
        return None
    title = _(
        "Medical Segmentation Decathlon, Task01: real patients with glioma "
        "(Antonelli and others, 2022, doi 10.1038/s41467-022-30695-9, CC BY-SA 4.0)"
    )
    return _decathlon(cases, asked, folder, title)


def _decathlon(cases: Sequence, asked: Asked, folder: Path, title: str) -> Patients:
    from course_utils.data import msd  # late: only here

    def content(case) -> dict[str, object]:
        found = msd.read(*case)
        images = {modality: found["images"][modality] for modality in asked.modalities}
        return {**found, "images": images}

    readers = [lambda case=case: content(case) for case in cases]
    found, set_aside = collect(readers, asked.spacing, asked.patients)
    return assemble(found, asked, title=title, where=folder, set_aside=set_aside)


def _synthetic(asked: Asked) -> Patients:
    from course_utils.data.synthetic import brains  # late: only here

    channels = [list(MODALITIES).index(modality) for modality in asked.modalities]
    found = [
        replace(patient, image=patient.image[channels])
        for patient in brains.patients(asked.patients or SYNTHETIC)
    ]
    set_aside: list[str] = []
    if asked.spacing != SPACING:
        readers = [lambda patient=patient: _as_files(patient) for patient in found]
        found, set_aside = collect(readers, asked.spacing, None)
    return assemble(
        found,
        asked,
        title=_(
            "Synthetic patients: tumours grown in the MNI152 template brain, images "
            "from equations of the MR signal, no real patient among them, no internet "
            "needed"
        ),
        where="course_utils.data.synthetic.brains",
        set_aside=set_aside,
        real=False,
    )


def _as_files(patient: Patient) -> dict[str, object]:
    """A patient as keywords for `prepare`, to bring it to another grid."""

    def volume(tensor) -> Volume:
        return Volume(tensor.permute(2, 1, 0).numpy(), patient.affine)

    return {
        "name": patient.name,
        "images": {str(i): volume(image) for i, image in enumerate(patient.image)},
        "label": volume(patient.label),
        "brain": volume(patient.brain),
    }
