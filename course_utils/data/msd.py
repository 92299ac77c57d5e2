"""Brain tumours of the Medical Segmentation Decathlon, a patient at a time.

Its Task01 is one tar of 7.6 GB: 484 patients with a mask, taken from BraTS 2016 and
2017. The server answers ranges, so that a dozen patients cost some 100 MB.
"""

import gzip
import re
import zlib
from pathlib import Path
from typing import NamedTuple

from course_utils.data import sources
from course_utils.data.brats_folder import read_nifti
from course_utils.data.brats_labels import to_course_labels
from course_utils.data.http_range import RangeFault
from course_utils.data.tar_range import Member, RangeTar
from course_utils.data.volumes import Volume
from course_utils.guards import need, whole
from course_utils.locale import _

URL = "https://msd-for-monai.s3-us-west-2.amazonaws.com/Task01_BrainTumour.tar"
PATIENTS = 484
FOLDER = "Task01_BrainTumour"  # in the archive, and in the cache folder
IMAGES, LABELS = "imagesTr", "labelsTr"
# A whole name: the archive also holds what macOS adds, ._BRATS_001.nii.gz.
FILE = r"BRATS_\d+\.nii\.gz"
INDEX = "members.json"
CHANNELS = ("flair", "t1", "t1ce", "t2")  # FLAIR, T1w, T1gd, T2w in its dataset.json


class Case(NamedTuple):
    """The two files of a patient, whose name is as in the archive: BRATS_449."""

    name: str
    image: Path
    label: Path


def cases(n: int, folder: Path) -> list[Case]:
    """n patients of Task01 in `folder`, downloaded where they are not there yet.

    n: from 1 to 484. folder: keeps imagesTr/ and labelsTr/ as the archive does, and
        members.json, the places of the files in it.
    Returns n Cases in the order of their numbers. Which patients: the first n of the
    archive, whose order is not that of the numbers; so a larger n takes the same and
    more. A folder filled by hand serves by number. The server is asked only where
    files are missing; what an interrupted download left is used. About 10 MB a patient,
    and 16 MB once to find the masks.
    Raises ValueError for another n; sources.Offline, RangeFault and OSError for what
    keeps the files from coming, for `sources.explain` to say.

    Antonelli, M., and others (2022). Nature Communications 13, 4128.
    https://doi.org/10.1038/s41467-022-30695-9
    """
    known = whole(n, 1) and n <= PATIENTS
    need("msd.cases", "n", n, known, f"1 .. {PATIENTS}")
    archive = RangeTar(URL, folder / INDEX)
    here = at_hand(folder)
    if len(here) < n:
        _download(archive, n, folder)
        here = at_hand(folder)
    return sorted(here[:n], key=_number)


def at_hand(folder: Path) -> list[Case]:
    """The patients of whom `folder` has both files, whole as far as sizes tell.

    In the order of the archive where the index knows it, else by number. Asks nothing
    of the network.
    """
    known = RangeTar(URL, folder / INDEX).known
    place = {name: i for i, name in enumerate(known)}
    found = []
    for path in (folder / IMAGES).glob("*.nii.gz"):
        if not re.fullmatch(FILE, path.name):
            continue
        case = _case(path.name, folder)
        pair = {_in_archive(file): file for file in case[1:]}
        if all(_whole(file, known.get(name)) for name, file in pair.items()):
            found.append(case)
    last = len(place)
    return sorted(
        found, key=lambda c: (place.get(_in_archive(c.image), last), _number(c))
    )


def read(name: str, image: Path, label: Path) -> dict:
    """A patient's files as the arguments of `volumes.prepare`.

    Returns {"name", "images": a Volume per modality, FLAIR, T1, T1ce, T2 in this order,
    "label": a Volume of the course's labels 0..3}.
    Raises ValueError, naming patient and file, for a damaged file, other dimensions
    than four modalities of a volume, and unknown labels.
    """
    volumes = _volume(name, image)
    if volumes.array.ndim != 4 or volumes.array.shape[3] != len(CHANNELS):
        raise ValueError(
            _(
                "{patient}: {file} should hold four modalities of a volume, "
                "(i, j, k, 4), and has the shape {shape}."
            ).format(patient=name, file=volumes.file, shape=volumes.array.shape)
        )
    mask = _volume(name, label)
    try:
        array = to_course_labels(mask.array, "msd")
    except ValueError as error:
        raise ValueError(f"{name}: {mask.file}: {error}") from None
    return {
        "name": name,
        "images": {
            modality: volumes._replace(array=volumes.array[..., channel])
            for channel, modality in enumerate(CHANNELS)
        },
        "label": mask._replace(array=array),
    }


def _volume(name: str, path: Path) -> Volume:
    """The file's content; errors tell its folder, since image and mask share a name."""
    part = path.parent.name
    volume = read_nifti(f"{name}, {part}", path)
    return volume._replace(file=f"{part}/{path.name}")


def _case(file: str, folder: Path) -> Case:
    name = file.removesuffix(".nii.gz")
    return Case(name, folder / IMAGES / file, folder / LABELS / file)


def _in_archive(path: Path) -> str:
    return f"{FOLDER}/{path.parent.name}/{path.name}"


def _number(case: Case) -> int:
    return int(re.search(r"\d+", case.name)[0])


def _whole(path: Path, member: Member | None) -> bool:
    """Whether the file is there, with the size that the archive has it at if known."""
    return path.is_file() and (not member or path.stat().st_size == member.size)


def _download(archive: RangeTar, n: int, folder: Path) -> None:
    """Bring the first n patients of the archive to the folder, one after the other."""
    if not sources.online(archive.url):
        raise sources.Offline
    from tqdm.auto import tqdm

    settings = {"unit": "B", "unit_scale": True, "leave": False}
    with tqdm(desc=_("where the files are"), **settings) as bar:
        archive.progress = bar.update
        images = archive.members(f"{FOLDER}/{IMAGES}/{FILE}", n)
        if len(images) < n:
            raise RangeFault(
                _("{url} holds {count} patients, not {n}").format(
                    url=archive.url, count=len(images), n=n
                )
            )
        wanted = [_case(Path(member.name).name, folder) for member in images]
        labels = archive.find(_in_archive(case.label) for case in wanted)
    missing = [
        (member, path)
        for case, *pair in zip(wanted, images, labels, strict=True)
        for member, path in zip(pair, case[1:], strict=True)
        if not _whole(path, member)
    ]
    total = sum(member.size for member, path in missing)
    with tqdm(desc=_("patients"), total=total, **settings) as bar:
        archive.progress = bar.update
        for member, path in missing:
            archive.fetch(member, path)
            _check(path)


def _check(path: Path) -> None:
    """Compare a new file with the checksum in it; a damaged one is deleted."""
    try:
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass
    except (OSError, EOFError, zlib.error) as error:
        path.unlink()
        raise RangeFault(
            _("{file} came damaged ({error})").format(file=path.name, error=error)
        ) from error
