import importlib
import os
import sys
import types
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from course_utils.data import brats_kaggle, msd, sources
from course_utils.data.brats_labels import regions, to_course_labels
from course_utils.data.people import person, split
from course_utils.data.synthetic import brains
from course_utils.data.volumes import Patient, save_segmentation

# `course_utils.data.brats` may be the function, which hides the module of that name.
module = importlib.import_module("course_utils.data.brats")
brats = module.brats
parametrize = pytest.mark.parametrize

SHAPE = (12, 14, 10)
AFFINE = np.diag([8.0, 8.0, 8.0, 1.0])  # 8 mm: a grid of 32 x 32 x 32, so quick
WORDS = ("flair", "t1", "t1ce", "t2", "seg")


def save(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


def arrays(seed):
    """Four images of noise with air about them, and a label with all of 0, 1, 2, 4."""
    rng = np.random.RandomState(seed)
    images = np.zeros((4, *SHAPE), np.int16)
    images[:, 1:-1, 1:-1, 1:-1] = rng.randint(1, 999, (4, 10, 12, 8))
    label = np.zeros(SHAPE, np.uint8)
    label[3:8, 3:8, 3:6] = 2
    label[4:7, 4:7, 3:5] = 4
    label[5, 4:6, 4] = 1
    return images, label


def write(folder, seed=0):
    """A patient's five files as BraTS of 2018 has them, `folder/ID/ID_t1.nii.gz`."""
    images, label = arrays(seed)
    for what, array in zip(WORDS, (*images, label), strict=True):
        save(folder / f"{folder.name}_{what}.nii.gz", array)
    return folder


@pytest.fixture
def folder(tmp_path):
    """Eight patients."""
    for i in range(8):
        write(tmp_path / "mine" / f"P_{i}", seed=i)
    return tmp_path / "mine"


@pytest.fixture
def synthetic(monkeypatch):
    """A stand-in for the synthetic patients, quick: channel c is about c all over.

    2 mm, 16 voxels a side; `synthetic.asked` is how many were asked for last.
    """
    stand_in = types.SimpleNamespace(asked=None)

    def patients(n=24, seed=0):
        stand_in.asked = n
        return [one(f"phantom-{i:02d}", i) for i in range(n)]

    def one(name, seed):
        noise = torch.randn(
            4, 16, 16, 16, generator=torch.Generator().manual_seed(seed)
        )
        label = torch.zeros(16, 16, 16, dtype=torch.uint8)
        label[4:12, 4:12, 4:12] = 3
        brain = torch.ones(16, 16, 16, dtype=torch.bool)
        affine = np.diag([-2.0, -2.0, 2.0, 1.0])
        image = noise + torch.arange(4.0).view(4, 1, 1, 1)
        return Patient(name, image, label, brain, affine, (16, 16, 16), affine)

    monkeypatch.setattr(brains, "patients", patients)
    return stand_in


@pytest.fixture
def decathlon(monkeypatch, tmp_path):
    """A stand-in for the Decathlon's server; `decathlon.error` is what it does."""
    server = types.SimpleNamespace(error=None, asked=None, folder=None)

    def cases(n, folder):
        server.asked, server.folder = n, folder
        if server.error:
            raise server.error
        found = []
        for i in range(1, n + 1):
            images, label = arrays(i)
            name = f"BRATS_{i:03d}"
            # Its own numbers: 1 oedema, 2 core without enhancement, 3 enhancing.
            own = np.array([0, 2, 1, 0, 3], np.uint8)[label]
            place = tmp_path / "tar"
            save(place / "imagesTr" / f"{name}.nii.gz", np.moveaxis(images, 0, 3))
            save(place / "labelsTr" / f"{name}.nii.gz", own)
            paths = [place / f"{kind}Tr/{name}.nii.gz" for kind in ("images", "labels")]
            found.append((name, *paths))
        return found

    monkeypatch.setattr(msd, "cases", cases)
    return server


def everybody(patients):
    return [*patients.train, *patients.valid, *patients.test]


def names(part):
    return [patient.name for patient in part]


def by_name(patients):
    return {patient.name: patient for patient in everybody(patients)}


def test_a_folder_as_patients_in_three_parts(folder):
    patients = brats(folder, spacing=8)
    parts = (patients.train, patients.valid, patients.test)
    assert [len(part) for part in parts] == [5, 1, 2]
    assert sorted(names(everybody(patients))) == [f"P_{i}" for i in range(8)]
    assert patients.modalities == ("FLAIR", "T1", "T1ce", "T2")
    assert patients.regions == ("WT", "TC", "ET")
    assert (patients.spacing, patients.real, patients.set_aside) == (8.0, True, ())
    assert patients.source == (
        f"Real patients from {folder}: 5 to train, 1 to validate, 2 to test."
    )
    for patient in everybody(patients):
        assert patient.image.shape == (4, 32, 32, 32)
        assert patient.label.unique().tolist() == [0, 1, 2, 3]
        whole, core, enhancing = regions(patient.label)
        assert (enhancing <= core).all() and (core <= whole).all()


def test_a_folder_may_be_named_by_a_text(folder, monkeypatch):
    assert names(brats(str(folder), spacing=8).test) == names(
        brats(folder, spacing=8).test
    )
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    assert len(everybody(brats("~/mine", spacing=8))) == 8


def test_channels_are_those_asked_for_in_their_order(folder):
    four = by_name(brats(folder, spacing=8))
    two = brats(folder, spacing=8, modalities=["t2", "flair"])
    assert two.modalities == ("T2", "FLAIR")
    for name, patient in by_name(two).items():
        assert torch.equal(patient.image, four[name].image[[3, 0]])


def test_the_first_patients_of_a_folder(folder):
    (folder / "P_1" / "P_1_t1.nii.gz").unlink()
    patients = brats(folder, patients=4, spacing=8)
    assert sorted(names(everybody(patients))) == ["P_0", "P_2", "P_3", "P_4"]
    assert len(patients.set_aside) == 1


def test_another_patient_changes_nothing_for_the_others(folder):
    before = by_name(brats(folder, spacing=8))
    write(folder / "P_3", seed=99)
    after = by_name(brats(folder, spacing=8))
    for name, patient in after.items():
        same = torch.equal(patient.image, before[name].image)
        assert same == (name != "P_3")
        assert torch.equal(patient.label, before[name].label)


def test_all_patients_share_the_grid_that_the_largest_needs(folder):
    images, label = arrays(0)
    long = np.pad(images, ((0, 0), (0, 0), (20, 20), (0, 0)), mode="edge")
    long[:, 5, :, 5] = 7  # a brain of 432 mm from front to back
    for what, array in zip(WORDS, long, strict=False):
        save(folder / "P_3" / f"P_3_{what}.nii.gz", array)
    save(folder / "P_3" / "P_3_seg.nii.gz", np.pad(label, ((0, 0), (20, 20), (0, 0))))
    shapes = {tuple(p.label.shape) for p in everybody(brats(folder, spacing=8))}
    assert shapes == {(32, 64, 32)}


def with_value(array, value):
    array = array.astype(np.float32)
    array[5, 5, 5] = value
    return array


MOVED = AFFINE.copy()
MOVED[0, 3] = 3
# What may be wrong with a patient: the file, and what becomes of it.
FAULTS = {
    "missing": ("t1ce", lambda path, array: path.unlink(), "no file for t1ce"),
    "moved": ("t2", lambda path, array: save(path, array, MOVED), "3.0 mm apart"),
    "another shape": ("t1", lambda path, array: save(path, array[1:]), "has shape"),
    "cut short": (
        "flair",
        lambda path, array: path.write_bytes(path.read_bytes()[:900]),
        "is damaged",
    ),
    "NaN": ("t1", lambda path, array: save(path, with_value(array, np.nan)), "(NaN)"),
    "no tumour": ("seg", lambda path, array: save(path, 0 * array), "no tumour"),
    "label 3": ("seg", lambda path, array: save(path, array // 4 * 3), "label 3 means"),
    "a fraction": (
        "seg",
        lambda path, array: save(path, with_value(array, 1.5)),
        "must be integers",
    ),
    "no contrast": ("t2", lambda path, array: save(path, array // array.max()), "same"),
}


@parametrize("fault", FAULTS)
def test_a_patient_with_a_fault_is_set_aside_and_the_others_kept(folder, fault):
    what, spoil, said = FAULTS[fault]
    path = folder / "P_3" / f"P_3_{what}.nii.gz"
    array = np.asarray(nibabel.load(path).dataobj)
    if fault == "no contrast":
        array = (array > 0).astype(np.int16)
    spoil(path, array)
    patients = brats(folder, spacing=8)
    assert sorted(names(everybody(patients))) == [
        f"P_{i}" for i in (0, 1, 2, 4, 5, 6, 7)
    ]
    (sentence,) = patients.set_aside
    assert sentence.startswith("P_3: ")
    assert said in sentence
    if fault != "missing":
        assert path.name in sentence
    assert patients.source.endswith("Set aside: 1; `set_aside` says why.")


def test_a_patient_without_a_brain_is_set_aside(folder):
    for what in WORDS[:4]:
        save(folder / "P_3" / f"P_3_{what}.nii.gz", np.zeros(SHAPE, np.int16))
    (sentence,) = brats(folder, spacing=8).set_aside
    assert sentence.startswith("P_3: there is no brain")
    assert "P_3_flair.nii.gz" in sentence


def test_voxels_that_cannot_become_those_asked_for(folder):
    with pytest.raises(ValueError) as error:
        brats(folder, spacing=2)
    said = str(error.value)
    assert f"{folder} holds 0 that can be used. P_0: " in said
    assert "P_0: voxels of 8 x 8 x 8 mm" in said
    affine = np.diag([8.0, 8.0, 10.0, 1.0])
    for what, array in zip(WORDS, (*arrays(3)[0], arrays(3)[1]), strict=True):
        save(folder / "P_3" / f"P_3_{what}.nii.gz", array, affine)
    assert "voxels of 8 x 8 x 10 mm" in brats(folder, spacing=8).set_aside[0]


def test_an_empty_folder_and_two_patients_are_too_few(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ValueError, match=r"^brats: three people .*empty holds 0 that can be used\.$"
    ):
        brats(tmp_path / "empty")
    with pytest.raises(ValueError, match="not there holds 0 that"):
        brats(tmp_path / "not there")
    for i in range(2, 8):
        (folder / f"P_{i}" / f"P_{i}_seg.nii.gz").unlink()
    with pytest.raises(ValueError) as error:
        brats(folder, spacing=8)
    said = str(error.value)
    assert "holds 2 that can be used. " in said
    assert "P_2: there is no segmentation" in said


def test_masks_of_the_whole_tumour_say_so(folder):
    for i in range(8):
        path = folder / f"P_{i}" / f"P_{i}_seg.nii.gz"
        label = np.asarray(nibabel.load(path).dataobj)
        path.unlink()
        save(path.parent / "GT_W.nii.gz", (label > 0).astype(np.float32))
    patients = brats(folder, spacing=8)
    assert patients.regions == ("WT",)
    assert patients.source.endswith("Only the whole tumour is marked in them.")
    assert patients.train[0].label.unique().tolist() == [0, 2]


def test_a_convention_that_is_passed_is_used(folder):
    with pytest.raises(ValueError, match=r'label 4 means nothing .* "brats2023"'):
        brats(folder, spacing=8, convention="brats2023")
    assert len(everybody(brats(folder, spacing=8, convention="brats2015"))) == 8


@parametrize(
    "settings, said",
    [
        ({"patients": 2}, "patients must be int >= 3, got 2"),
        ({"patients": 4.0}, "patients must be int >= 3, got 4.0"),
        ({"modalities": ()}, r"modalities must be flair \| t1 \| t1ce \| t2, got"),
        ({"modalities": ("flair", "flair")}, "modalities must be"),
        ({"modalities": ("t1c",)}, "modalities must be"),
        ({"spacing": 0}, "spacing must be 0.5 .. 8"),
        ({"spacing": "2"}, "spacing must be"),
        ({"convention": "2020"}, "convention must be brats2015"),
    ],
)
def test_settings_out_of_range(folder, settings, said):
    with pytest.raises(ValueError, match=f"brats: {said}"):
        brats(folder, **settings)


def test_one_modality_may_be_given_by_its_name(folder):
    assert brats(folder, modalities="flair", spacing=8).modalities == ("FLAIR",)


def some(people):
    return [types.SimpleNamespace(name=name) for name in people]


@parametrize(
    "n, sizes",
    [
        (3, [1, 1, 1]),
        (4, [2, 1, 1]),
        (6, [3, 1, 2]),
        (10, [5, 2, 3]),
        (12, [7, 2, 3]),
        (24, [14, 4, 6]),
        (100, [58, 17, 25]),
    ],
)
def test_sizes_of_the_parts(n, sizes):
    parts = split(some(f"P_{i}" for i in range(n)))
    assert [len(part) for part in parts] == sizes
    assert len({patient.name for part in parts for patient in part}) == n


def test_the_parts_depend_on_the_names_alone():
    people = [f"P_{i}" for i in range(24)]
    parts = [names(part) for part in split(some(people))]
    assert parts == [names(part) for part in split(some(people[::-1]))]
    # Written down, so that the test set of this year is that of the next.
    assert parts[1:] == [
        ["P_2", "P_7", "P_15", "P_20"],
        ["P_5", "P_6", "P_10", "P_12", "P_14", "P_16"],
    ]


def test_an_empty_enhancing_tumour_is_met_in_every_part():
    parts = split(some(f"phantom-{i:02d}" for i in range(24)))
    low_grade = {f"phantom-{i:02d}" for i in brains.LOW_GRADE}
    assert [len(low_grade & set(names(part))) for part in parts] == [1, 1, 1]


def test_a_longer_list_moves_few():
    short = split(some(f"P_{i}" for i in range(24)))
    long = split(some(f"P_{i}" for i in range(30)))
    moved = sum(
        len(set(names(a)) - set(names(b))) for a, b in zip(short, long, strict=True)
    )
    assert moved <= 6


@parametrize(
    "name, who",
    [
        ("BraTS-GLI-00017-000", "BraTS-GLI-00017"),
        ("BraTS-GLI-00017-001", "BraTS-GLI-00017"),
        ("Brats18_TCIA02_471_1", "Brats18_TCIA02_471"),
        ("brats_tcia_pat117_0003", "brats_tcia_pat117"),
        ("brats_2013_pat0003_1", "brats_2013_pat0003"),
        ("BraTS20_Training_001", "BraTS20_Training_001"),
        ("BraTS2021_00002", "BraTS2021_00002"),
        ("BRATS_449", "BRATS_449"),
        ("phantom-07", "phantom-07"),
        ("TCGA-DU-7294", "TCGA-DU-7294"),
    ],
)
def test_who_was_examined(name, who):
    assert person(name) == who


def test_examinations_of_one_person_stay_together():
    scans = [f"BraTS-GLI-{i:05d}-{k:03d}" for i in range(30) for k in range(1 + i % 3)]
    parts = split(some(scans))
    people = [{person(patient.name) for patient in part} for part in parts]
    assert sum(map(len, people)) == 30
    assert len(set.union(*people)) == 30
    assert sum(map(len, parts)) == len(scans)
    assert split(some(scans[:3])) is None  # one person and a half


def test_one_person_with_nearly_all_examinations_leaves_room_for_others():
    scans = [f"BraTS-GLI-00001-{k:03d}" for k in range(9)]
    for others in (("A", "B"), ("C", "D"), ("E", "F"), ("G", "H")):
        assert all(split(some([*scans, *others])))


def test_the_decathlon_is_taken_where_it_is(decathlon, synthetic, cache, capsys):
    patients = brats(spacing=8)
    assert (decathlon.asked, len(everybody(patients))) == (12, 12)
    assert decathlon.folder == cache / "Task01_BrainTumour"
    assert patients.real and synthetic.asked is None
    assert patients.source.startswith("Medical Segmentation Decathlon, Task01: real")
    assert patients.source.endswith("7 to train, 2 to validate, 3 to test.")
    # What `arrays` calls 4, 2, 1 is enhancing, oedema, core whoever numbers it.
    label = arrays(1)[1]
    counts = by_name(patients)["BRATS_001"].label.unique(return_counts=True)[1]
    expected = [int((label == k).sum()) for k in (1, 2, 4)]
    assert counts[1:].tolist() == expected
    assert capsys.readouterr().out == ""


def test_of_the_decathlon_some_modalities_and_more_patients(
    decathlon, synthetic, cache
):
    two = brats("download", patients=14, modalities=("t1ce", "flair"), spacing=8)
    assert decathlon.asked == 14
    four = by_name(brats("download", patients=14, spacing=8))
    for name, patient in by_name(two).items():
        assert torch.equal(patient.image, four[name].image[[2, 0]])
    with pytest.raises(ValueError, match="patients must be <= 484"):
        brats("download", patients=485)


def test_a_damaged_case_of_the_decathlon_is_set_aside(decathlon, synthetic, cache):
    first = msd.cases

    def cases(n, folder):
        found = first(n, folder)
        found[4][1].write_bytes(b"")
        return found

    msd.cases = cases  # the fixture's patch, undone with it
    patients = brats(spacing=8)
    assert len(everybody(patients)) == 11
    (sentence,) = patients.set_aside
    assert sentence.startswith("BRATS_005")


def test_a_folder_of_the_decathlon_filled_by_hand(decathlon, tmp_path):
    msd.cases(5, None)  # the stand-in's files
    decathlon.asked = None
    patients = brats(tmp_path / "tar", patients=4, spacing=8)
    assert sorted(names(everybody(patients))) == [f"BRATS_00{k}" for k in (1, 2, 3, 4)]
    assert patients.source.startswith(f"Real patients from {tmp_path / 'tar'}: ")
    assert decathlon.asked is None


def test_without_a_network_the_synthetic_patients(decathlon, synthetic, cache, capsys):
    decathlon.error = sources.Offline()
    patients = brats()
    said, noise = capsys.readouterr()
    assert (said.count("\n"), noise) == (1, "")
    assert said.startswith("Task01 of the Medical Segmentation Decathlon is not avail")
    assert "does not answer" in said
    assert "we go on with synthetic patients, no real ones; to have those, " in said
    assert not patients.real
    with pytest.raises(RuntimeError, match=r"does not answer.* call data.brats\(\)"):
        brats("download")
    assert capsys.readouterr().out == ""


def keep(cache, n):
    """Puts n patients of the stand-in where an earlier download would have."""
    folder = cache / msd.FOLDER
    for case in msd.cases(n, folder):
        for path in case[1:]:
            target = folder / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())


def test_without_a_network_the_real_patients_that_are_there(
    decathlon, synthetic, cache, capsys
):
    keep(cache, 5)
    decathlon.error = sources.Offline()
    patients = brats(spacing=8)
    said, noise = capsys.readouterr()
    assert (said.count("\n"), noise) == (1, "")
    assert "does not answer" in said
    assert "; we go on with the 5 real patients that are here already, of 12; " in said
    assert "12; to have the others, connect and call data.brats() again" in said
    assert patients.real and synthetic.asked is None
    assert sorted(names(everybody(patients))) == [f"BRATS_00{k}" for k in range(1, 6)]
    assert patients.source.startswith("Medical Segmentation Decathlon, Task01: real")
    with pytest.raises(RuntimeError, match="does not answer"):
        brats("download", spacing=8)


def test_a_download_that_breaks_counts_what_has_come(
    decathlon, synthetic, cache, capsys
):
    first = msd.cases

    def cases(n, folder):
        msd.cases = first
        keep(cache, 4)
        raise ConnectionResetError("reset by peer")

    msd.cases = cases  # the fixture's patch, undone with it
    assert len(everybody(brats(patients=6, spacing=8))) == 4
    said = capsys.readouterr().out
    assert "(reset by peer); we go on with the 4 real patients that are here" in said


def test_two_real_patients_are_too_few(decathlon, synthetic, cache, capsys):
    keep(cache, 2)
    decathlon.error = sources.Offline()
    assert not brats().real
    assert "we go on with synthetic patients" in capsys.readouterr().out


def test_synthetic_patients_are_called_synthetic(decathlon, synthetic, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "embedded")
    patients = brats()
    assert (synthetic.asked, decathlon.asked) == (24, None)
    assert [len(p) for p in (patients.train, patients.valid, patients.test)] == [
        14,
        4,
        6,
    ]
    assert patients.source.startswith("Synthetic patients: ")
    assert "no real patient" in patients.source
    assert not patients.real
    assert patients.spacing == 2
    assert len(everybody(brats(patients=6))) == 6


def test_synthetic_patients_with_fewer_modalities(synthetic):
    two = brats("embedded", patients=3, modalities=("t2", "flair"))
    for patient in everybody(two):
        # Channel c was made to be about c all over.
        assert patient.image.mean(dim=(1, 2, 3)).round().tolist() == [3, 0]


def test_synthetic_patients_on_a_coarser_grid(synthetic):
    fine = by_name(brats("embedded", patients=3))
    for name, patient in by_name(brats("embedded", patients=3, spacing=4)).items():
        assert np.allclose(np.abs(np.diag(patient.affine)[:3]), 4)
        assert 8 * (patient.label == 3).sum() == (fine[name].label == 3).sum()
        assert 8 * patient.brain.sum() == fine[name].brain.sum()
        assert patient.image[:, patient.brain].mean(1).abs().max() < 1e-5
    with pytest.raises(ValueError, match="phantom-00: voxels of 2 x 2 x 2 mm"):
        brats("embedded", patients=3, spacing=1)


def test_an_unknown_source_is_named():
    with pytest.raises(ValueError, match="brats: source is 'real': use one of"):
        brats("real")


@pytest.fixture
def kaggle(monkeypatch):
    """A stand-in for kagglehub: serves the files of BraTS 2020, `asked` lists them.

    `package.fail` is how many files it serves before it breaks.
    """
    package = types.ModuleType("kagglehub")
    package.asked, package.fail = [], None

    def dataset_download(handle, path):
        assert handle == "awsaf49/brats20-dataset-training-validation"
        if package.fail is not None and len(package.asked) >= package.fail:
            raise ConnectionResetError("reset by peer")
        package.asked.append(path)
        inside, middle, name, file = path.split("/")
        assert (inside, middle) == (
            "BraTS2020_TrainingData",
            "MICCAI_BraTS2020_TrainingData",
        )
        images, label = arrays(int(name[-3:]))
        what = file.removesuffix(".nii").rpartition("_")[2]
        array = label if what in ("seg", "Segm") else images[WORDS.index(what)]
        target = Path(os.environ["KAGGLEHUB_CACHE"], path)
        save(target, array)
        return str(target)

    package.dataset_download = dataset_download
    monkeypatch.setitem(sys.modules, "kagglehub", package)
    monkeypatch.setattr(sources, "online", lambda url: True)
    return package


def test_single_patients_from_kaggle(kaggle, cache, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", "mine")
    patients = brats("kaggle", patients=3, spacing=8)
    assert os.environ["KAGGLEHUB_CACHE"] == "mine"
    assert sorted(names(everybody(patients))) == [
        f"BraTS20_Training_00{k}" for k in (1, 2, 3)
    ]
    assert patients.real
    assert patients.source.startswith("BraTS 2020: real patients with glioma (Kaggle")
    assert len(kaggle.asked) == 15
    folder = cache / "brats20"
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        names(everybody(patients))
    )
    assert len(everybody(brats("kaggle", patients=4, spacing=8))) == 4
    assert len(kaggle.asked) == 20  # the fourth alone


def test_what_was_fetched_needs_no_network(kaggle, cache, monkeypatch):
    brats("kaggle", patients=3, spacing=8)
    monkeypatch.setattr(sources, "online", lambda url: pytest.fail("asked"))
    assert len(everybody(brats("kaggle", patients=3, spacing=8))) == 3


def test_a_download_from_kaggle_goes_on_where_it_broke(kaggle, cache):
    kaggle.fail = 7
    with pytest.raises(RuntimeError) as error:
        brats("kaggle", patients=3, spacing=8)
    said = str(error.value)
    assert said.startswith("BraTS 2020 is not available: the download failed (reset by")
    assert 'call data.brats("kaggle") again' in said
    assert [p.name for p in (cache / "brats20").iterdir()] == ["BraTS20_Training_001"]
    kaggle.fail = None
    brats("kaggle", patients=3, spacing=8)
    assert len(kaggle.asked) == 7 + 10


def test_kaggle_without_network_or_package(kaggle, cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(RuntimeError, match="kagglehub cannot be imported"):
        brats("kaggle", spacing=8)
    monkeypatch.setattr(sources, "online", lambda url: False)
    with pytest.raises(RuntimeError, match="does not answer"):
        brats("kaggle", spacing=8)
    with pytest.raises(ValueError, match="patients must be <= 369, got 370"):
        brats("kaggle", patients=370)


def test_the_misnamed_file_is_asked_for_by_its_name(kaggle, cache, monkeypatch):
    assert brats_kaggle.MISNAMED == {
        "BraTS20_Training_355_seg.nii": "W39_1998.09.19_Segm.nii"
    }
    renamed = {"BraTS20_Training_002_seg.nii": "W39_1998.09.19_Segm.nii"}
    monkeypatch.setattr(brats_kaggle, "MISNAMED", renamed)
    assert len(everybody(brats("kaggle", patients=3, spacing=8))) == 3


def test_kagglehub_takes_the_path_of_a_file():
    import inspect

    kagglehub = pytest.importorskip("kagglehub")
    parameters = inspect.signature(kagglehub.dataset_download).parameters
    assert {"handle", "path"} <= set(parameters)


def test_importing_stays_light(loaded_by):
    heavy = ["nibabel", "scipy", "kagglehub", "requests", "monai", "nilearn"]
    heavy += ["course_utils.data.msd", "course_utils.data.synthetic.brains"]
    assert loaded_by("from course_utils.data import brats", *heavy) == []


# Folder: the modalities it has, its regions, the sizes of the parts, its convention.
REAL = {
    "brats_4mod": (
        ("flair", "t1", "t1ce", "t2"),
        ("WT", "TC", "ET"),
        [1, 1, 1],
        "{name}/{name}_seg.nii.gz",
        "brats2017",
    ),
    "brats_expert_wt": (("flair", "t1"), ("WT",), [3, 1, 2], "case_*/GT_W.nii.gz", ""),
    "brats_expert_regions": (
        ("flair", "t1ce"),
        ("WT", "TC", "ET"),
        [2, 1, 1],
        "{name}/OTMultiClass.nii.gz",
        "brats2015",
    ),
}


@parametrize("name", REAL)
def test_the_real_folders(name, real_files, tmp_path):
    modalities, drawn, sizes, pattern, convention = REAL[name]
    folder = real_files(name)
    patients = brats(folder, modalities=modalities)
    parts = (patients.train, patients.valid, patients.test)
    assert [len(part) for part in parts] == sizes
    assert (patients.regions, patients.set_aside) == (drawn, ())
    for patient in everybody(patients):
        assert patient.image.shape == (len(modalities), 80, 96, 80)
        assert np.allclose(patient.affine[:3, :3], np.diag([-2, -2, 2]))
        assert patient.native_shape == (240, 240, 155)
        assert 1 < 8e-6 * patient.brain.sum() < 2  # litres
        # Hardly any tumour lies where there is no brain.
        outside = (patient.label > 0) & ~patient.brain
        assert outside.sum() <= 0.01 * (patient.label > 0).sum()
        # Tumours are brighter in FLAIR than the brain is on average.
        flair = patient.image[0]
        assert flair[patient.label > 0].mean() > 0.5
    if convention:
        patient = patients.test[0]
        path = save_segmentation(patient.label, patient, tmp_path / "seg.nii.gz")
        saved = nibabel.load(path)
        file = nibabel.load(folder / pattern.format(name=patient.name))
        assert np.allclose(saved.affine, file.affine)
        own = to_course_labels(np.asarray(file.dataobj), convention) > 0
        again = np.asarray(saved.dataobj) > 0
        # A grid of 2 mm costs that much of a mask of 1 mm, and no more.
        assert 2 * (own & again).sum() / (own.sum() + again.sum()) > 0.93
