import errno
import gzip
import io
import os
import tarfile
import time

import numpy as np
import pytest
import torch

from course_utils.data import msd, sources
from course_utils.data.http_range import RangeFault
from course_utils.data.volumes import prepare
from range_server import serving

nibabel = pytest.importorskip("nibabel")

ORDER = 457, 306, 12, 449, 5  # in the archive: not that of the numbers
SIDE = 12
AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])


def brain(number):
    """(image (i, j, k, 4) float32, label): a box of brain, in it a box of tumour."""
    rng = np.random.RandomState(number)
    image = np.zeros((SIDE, SIDE, SIDE, 4), np.float32)
    image[2:-2, 2:-2, 2:-2] = 100 + 50 * np.arange(4) + rng.rand(8, 8, 8, 4)
    label = np.zeros((SIDE, SIDE, SIDE), np.uint8)
    label[4:8, 4:8, 4:8] = 1  # oedema
    label[5:7, 5:7, 4:8] = 2  # core without enhancement
    label[6, 6, 4:8] = 3  # enhancing
    return image, label


def packed(array):
    return gzip.compress(nibabel.Nifti1Image(array, AFFINE).to_bytes())


@pytest.fixture(scope="module")
def files():
    """A small Task01: images of the training set first, its labels last."""
    found = {"dataset.json": b"{}"}
    brains = {number: brain(number) for number in ORDER}
    for folder, what in (("imagesTr", 0), ("imagesTs", 0), ("labelsTr", 1)):
        for number in ORDER:
            if folder == "imagesTs":
                number += 1
            name = f"{folder}/BRATS_{number:03d}.nii.gz"
            found[name.replace("BRATS", "._BRATS")] = b"finder"
            found[name] = packed(brains[number][what]) if number in brains else b"-"
    return found


@pytest.fixture(scope="module")
def archive(files):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"Task01_BrainTumour/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture
def server(archive, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with serving(archive) as running:
        monkeypatch.setattr(msd, "URL", running.url)
        yield running


@pytest.fixture
def folder(cache):
    return cache / "Task01_BrainTumour"


def written(folder):
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )


def filled(folder, files, numbers):
    """The files of some patients in the folder, as if copied there by hand."""
    for number in numbers:
        for part in ("imagesTr", "labelsTr"):
            path = folder / part / f"BRATS_{number:03d}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[f"{part}/{path.name}"])


def names(cases):
    return [case.name for case in cases]


# Which patients, and from where


def test_the_first_of_the_archive_in_the_order_of_their_numbers(server, folder, files):
    cases = msd.cases(3, folder)
    assert names(cases) == ["BRATS_012", "BRATS_306", "BRATS_457"]
    for name, image, label in cases:
        assert image.read_bytes() == files[f"imagesTr/{name}.nii.gz"]
        assert label.read_bytes() == files[f"labelsTr/{name}.nii.gz"]
    assert written(folder) == sorted(
        [f"{part}/{name}.nii.gz" for part in ("imagesTr", "labelsTr")
         for name in names(cases)] + ["members.json"]
    )  # fmt: skip


def test_files_at_hand_ask_nothing_of_the_network(server, folder, monkeypatch):
    first = msd.cases(3, folder)
    monkeypatch.setattr(sources, "online", lambda url: pytest.fail("asked"))
    server.asked.clear()
    assert msd.cases(3, folder) == first
    assert names(msd.cases(2, folder)) == ["BRATS_306", "BRATS_457"]
    assert server.asked == []


def test_more_patients_are_the_same_and_others(server, folder):
    msd.cases(2, folder)
    server.sent = 0
    size = sum(path.stat().st_size for path in folder.rglob("*.nii.gz"))
    assert names(msd.cases(4, folder)) == [
        "BRATS_012", "BRATS_306", "BRATS_449", "BRATS_457"
    ]  # fmt: skip
    new = sum(path.stat().st_size for path in folder.rglob("*.nii.gz")) - size
    assert server.sent < new + 40_000  # headers and the end of the archive


def test_a_folder_filled_by_hand_serves_by_number(folder, files, monkeypatch):
    monkeypatch.setattr(sources, "online", lambda url: False)
    filled(folder, files, (449, 5, 12))
    (folder / "imagesTr" / "._BRATS_001.nii.gz").write_bytes(b"finder")
    (folder / "labelsTr" / "._BRATS_001.nii.gz").write_bytes(b"finder")
    (folder / "imagesTr" / "BRATS_002.nii.gz").write_bytes(b"without a mask")
    assert names(msd.cases(2, folder)) == ["BRATS_005", "BRATS_012"]
    assert names(msd.at_hand(folder)) == ["BRATS_005", "BRATS_012", "BRATS_449"]
    with pytest.raises(sources.Offline):
        msd.cases(4, folder)


def test_at_hand_of_no_folder_is_nobody(folder):
    assert msd.at_hand(folder) == []


def test_a_file_of_another_size_than_in_the_archive_is_fetched_again(
    server, folder, files
):
    cases = msd.cases(2, folder)
    cases[0].label.write_bytes(b"half")
    assert names(msd.at_hand(folder)) == ["BRATS_457"]
    assert msd.cases(2, folder) == cases
    assert cases[0].label.read_bytes() == files[f"labelsTr/{cases[0].label.name}"]


def test_an_interrupted_download_keeps_whole_patients_and_goes_on(
    server, folder, monkeypatch
):
    fetch = msd.RangeTar.fetch

    def interrupted(self, member, path):
        if path.name == "BRATS_306.nii.gz" and path.parent.name == "labelsTr":
            raise KeyboardInterrupt
        fetch(self, member, path)

    with monkeypatch.context() as patch:
        patch.setattr(msd.RangeTar, "fetch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            msd.cases(3, folder)
    assert names(msd.at_hand(folder)) == ["BRATS_457"]
    image = folder / "imagesTr" / "BRATS_306.nii.gz"
    before = image.stat().st_mtime_ns
    assert len(msd.cases(3, folder)) == 3
    assert image.stat().st_mtime_ns == before


@pytest.mark.parametrize("n", [0, -1, 485, 2.0, "3", None, True])
def test_another_number_is_refused(folder, n):
    with pytest.raises(ValueError, match=r"msd.cases: n must be 1 .. 484, got"):
        msd.cases(n, folder)


# What can go wrong


def test_an_archive_of_fewer_patients(server, folder):
    with pytest.raises(RangeFault, match="holds 5 patients, not 6"):
        msd.cases(6, folder)


def test_no_network(folder, monkeypatch):
    monkeypatch.setattr(sources, "online", lambda url: False)
    with pytest.raises(sources.Offline):
        msd.cases(1, folder)
    assert not folder.exists()


def test_a_server_without_ranges(server, folder):
    server.ranges = False
    with pytest.raises(RangeFault, match="sends the whole file"):
        msd.cases(1, folder)


def test_a_file_that_came_damaged_does_not_stay(server, folder, archive, files):
    image = files["imagesTr/BRATS_457.nii.gz"]
    place = archive.index(image) + len(image) // 2
    flipped = bytes([archive[place] ^ 1])
    server.content = archive[:place] + flipped + archive[place + 1 :]
    with pytest.raises(RangeFault, match=r"BRATS_457.nii.gz came damaged \("):
        msd.cases(1, folder)
    assert written(folder) == ["members.json"]
    server.content = archive
    assert names(msd.cases(1, folder)) == ["BRATS_457"]


def test_dropped_connections_lose_nothing(server, folder, files):
    server.cut = [0, 100, 5, 1000, 0, 3]
    assert len(msd.cases(3, folder)) == 3
    assert server.cut == []


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC])
def test_a_disk_that_takes_nothing_is_named(server, folder, monkeypatch, code):
    def refuse(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(msd.Path, "mkdir", refuse)
    with pytest.raises(OSError) as error:
        msd.cases(1, folder)
    assert error.value.errno == code


# What is in the files


def test_a_patient_as_prepare_takes_it(server, folder):
    case = msd.cases(1, folder)[0]
    content = msd.read(*case)
    image, label = brain(457)
    assert content["name"] == "BRATS_457"
    assert list(content["images"]) == ["flair", "t1", "t1ce", "t2"]
    for channel, volume in enumerate(content["images"].values()):
        assert np.array_equal(volume.array, image[..., channel])
        assert np.array_equal(volume.affine, AFFINE)
        assert volume.file == "imagesTr/BRATS_457.nii.gz"
    mask = content["label"].array
    assert mask.dtype == np.uint8
    # The archive's 1 is oedema, its 2 the core that does not enhance.
    assert [(mask[label == k] == new).all() for k, new in enumerate((0, 2, 1, 3))] == [
        True
    ] * 4
    patient = prepare(**content, spacing=1.0)
    assert patient.image.shape[0] == 4
    assert patient.label.unique().tolist() == [0, 1, 2, 3]
    assert torch.equal(patient.label > 0, (patient.label > 0) & patient.brain)


def test_a_folder_of_another_form_is_told(folder, files):
    filled(folder, files, (5,))
    case = msd.at_hand(folder)[0]
    case.image.write_bytes(packed(brain(5)[0][..., :3]))
    with pytest.raises(ValueError) as error:
        msd.read(*case)
    assert str(error.value) == (
        "BRATS_005: imagesTr/BRATS_005.nii.gz should hold four modalities of a volume, "
        "(i, j, k, 4), and has the shape (12, 12, 12, 3)."
    )
    case.image.write_bytes(files["imagesTr/BRATS_005.nii.gz"])
    case.label.write_bytes(packed(brain(5)[1] + np.uint8(1)))
    with pytest.raises(ValueError, match=r"^BRATS_005: labelsTr/\S+: label 4"):
        msd.read(*case)


@pytest.mark.parametrize("which", ["image", "label"])
@pytest.mark.parametrize(
    "damage", [lambda c: c[: len(c) // 2], lambda c: b"", lambda c: b"<html>" * 99]
)
def test_a_damaged_file_is_named(folder, files, which, damage):
    filled(folder, files, (5,))
    case = msd.at_hand(folder)[0]
    path = getattr(case, which)
    path.write_bytes(damage(path.read_bytes()))
    where = f"^BRATS_005, {which}sTr: BRATS_005.nii.gz is damaged"
    with pytest.raises(ValueError, match=where):
        msd.read(*case)
