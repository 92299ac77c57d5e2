import gzip

import nibabel
import numpy as np
import pytest

from course_utils.data.brats_folder import convention_of, find, read, read_nifti
from course_utils.data.volumes import MODALITIES

parametrize = pytest.mark.parametrize

SHAPE = (12, 14, 10)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])

# The files of one patient by the year's habit: pattern, then the five words.
HABITS = {
    "2018": ("{name}_{what}.nii.gz", ["flair", "t1", "t1ce", "t2", "seg"]),
    "Kaggle": ("{name}_{what}.nii", ["flair", "t1", "t1ce", "t2", "seg"]),
    "2023": ("{name}-{what}.nii.gz", ["t2f", "t1n", "t1c", "t2w", "seg"]),
    "2015": (
        "{what}.nii.gz",
        [*(f"{m}_subtrMeanDivStd" for m in ("Flair", "T1", "T1c", "T2")),
         "OTMultiClass"],
    ),
    "whole": ("{what}.nii.gz", ["FLAIR", "T1", "T1c", "T2", "GT_W"]),
}  # fmt: skip
CONVENTION = {
    "2018": "brats2017",
    "Kaggle": "brats2017",
    "2023": "brats2023",
    "2015": "brats2015",
    "whole": "whole",
}


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, AFFINE), path)


def write(folder, habit="2018", name=None, label=1):
    """The files of one patient: image k is k + 1 all over; its label one voxel."""
    pattern, words = HABITS[habit]
    for k, what in enumerate(words):
        array = np.full(SHAPE, k + 1, np.int16)
        if k == 4:
            array[:] = 0
            array[5, 5, 5] = label
        save(folder / pattern.format(name=name or folder.name, what=what), array)
    return folder


def names(cases):
    return [case.name for case in cases]


@parametrize("habit", HABITS)
def test_the_files_of_every_year_are_known(tmp_path, habit):
    write(tmp_path / "data" / "BraTS-X-00001-000", habit)
    (case,), left_out = find(tmp_path)
    assert not left_out
    assert case.name == "BraTS-X-00001-000"
    assert set(case.files) == {*MODALITIES, "label"}
    assert convention_of(case) == CONVENTION[habit]
    content = read(case, ("t2", "flair", "t1", "t1ce"))
    assert list(content["images"]) == ["t2", "flair", "t1", "t1ce"]
    # As `write` numbered them, whatever the files are called.
    assert [int(v.array.max()) for v in content["images"].values()] == [4, 1, 2, 3]
    assert content["label"].array.dtype == np.uint8
    assert content["label"].array[5, 5, 5] == (2 if habit == "whole" else 1)
    assert np.array_equal(content["images"]["t1"].affine, AFFINE)
    assert content["brain"] is None


@parametrize(
    "habit, label, course",
    [("2018", 4, 3), ("2023", 3, 3), ("2015", 4, 3), ("2015", 3, 1), ("whole", 1, 2)],
)
def test_labels_are_converted_by_the_year_of_the_names(tmp_path, habit, label, course):
    write(tmp_path / "A_1", habit, label=label)
    (case,), _left_out = find(tmp_path)
    assert read(case, ["t1"])["label"].array[5, 5, 5] == course


@parametrize(
    "habit, label, file", [("2018", 3, "A_1_seg.nii.gz"), ("2023", 4, "A_1-seg.nii.gz")]
)
def test_a_label_of_another_year_is_refused(tmp_path, habit, label, file):
    write(tmp_path / "A_1", habit, label=label)
    (case,), _left_out = find(tmp_path)
    with pytest.raises(ValueError) as error:
        read(case, ["t1"])
    assert str(error.value).startswith(f"A_1: {file}: label {label} means nothing in")


def test_a_convention_that_is_passed_comes_before_the_names(tmp_path):
    write(tmp_path / "A_1", label=3)
    (case,), _left_out = find(tmp_path)
    assert read(case, ["t1"], "brats2023")["label"].array[5, 5, 5] == 3
    assert read(case, ["t1"], "brats2015")["label"].array[5, 5, 5] == 1


def test_the_children_of_brats_have_to_be_told(tmp_path):
    write(tmp_path / "BraTS-PED-00001-000", "2023", label=3)
    (case,), _left_out = find(tmp_path)
    with pytest.raises(ValueError, match=r'^BraTS-PED-00001-000: .* convention="brats'):
        read(case, ["t1"])
    assert read(case, ["t1"], "brats2023")["label"].array.max() == 3


def test_a_mask_of_the_brain_is_read_where_there_is_one(tmp_path):
    write(tmp_path / "pat0003_1", "2015")
    save(tmp_path / "pat0003_1" / "brainmask.nii.gz", np.ones(SHAPE, np.int16))
    (case,), _left_out = find(tmp_path)
    assert read(case, ["t1"])["brain"].array.all()


def test_patients_are_found_where_kaggle_puts_them_in_the_order_of_numbers(tmp_path):
    inside = tmp_path / "BraTS2020_TrainingData" / "MICCAI_BraTS2020_TrainingData"
    for number in (11, 100, 2):
        write(inside / f"P_{number}", "Kaggle")
    (inside / "name_mapping.csv").write_text("Grade\n")
    cases, left_out = find(tmp_path)
    assert names(cases) == ["P_2", "P_11", "P_100"]
    assert not left_out
    assert names(find(inside / "P_2")[0]) == ["P_2"]  # a patient's own folder


def test_the_misnamed_segmentation_of_2020_is_one(tmp_path):
    place = write(tmp_path / "BraTS20_Training_355", "Kaggle", label=4)
    seg = place / "BraTS20_Training_355_seg.nii"
    seg.rename(place / "W39_1998.09.19_Segm.nii")
    (case,), left_out = find(tmp_path)
    assert not left_out
    assert case.files["label"].name == "W39_1998.09.19_Segm.nii"
    assert convention_of(case) == "brats2017"
    assert read(case, MODALITIES)["label"].array.max() == 3


def test_a_note_names_the_patient(tmp_path):
    write(tmp_path / "case_0", "whole")
    note = "Case_id: Brats18_CBICA_AOO_1\nSubject_id: Brats18_CBICA_AOO_2"
    (tmp_path / "case_0" / "subject_id.txt").write_text(note)
    assert names(find(tmp_path)[0]) == ["Brats18_CBICA_AOO_2"]


def test_traces_of_a_mac_and_other_files_are_passed_over(tmp_path):
    place = write(tmp_path / "A_1")
    (place / "._A_1_t1.nii.gz").write_bytes(b"\0Mac OS X")
    (place / "A_1_survival.nii.gz").write_bytes(b"")
    write(tmp_path / ".trash" / "B_1")
    (tmp_path / "C_1_t1.nii.gz").mkdir()
    (tmp_path / "notes").mkdir()
    cases, left_out = find(tmp_path)
    assert names(cases) == ["A_1"]
    assert left_out == []


def test_a_file_that_was_also_decompressed_is_one_file(tmp_path):
    place = write(tmp_path / "A_1")
    plain = gzip.decompress((place / "A_1_t1.nii.gz").read_bytes())
    (place / "A_1_t1.nii").write_bytes(plain)
    (case,), left_out = find(tmp_path)
    assert not left_out
    assert case.files["t1"].name == "A_1_t1.nii"


def test_two_patients_in_one_folder_are_refused(tmp_path):
    write(tmp_path / "all", name="A_1")
    write(tmp_path / "all", name="B_1")
    write(tmp_path / "C_1")
    cases, (said,) = find(tmp_path)
    assert names(cases) == ["C_1"]
    assert "A_1_flair.nii.gz and B_1_flair.nii.gz are both flair" in said
    assert str(tmp_path / "all") in said


def test_the_same_patient_twice_counts_once(tmp_path):
    write(tmp_path / "HGG" / "A_1")
    write(tmp_path / "LGG" / "A_1")
    (case,), (said,) = find(tmp_path)
    assert case.files["t1"].parent == tmp_path / "HGG" / "A_1"
    assert said.startswith(f"A_1: {tmp_path / 'LGG' / 'A_1'} holds this patient a sec")


def test_one_patient_without_a_segmentation_is_named(tmp_path):
    for name in ("A_1", "B_1"):
        write(tmp_path / name)
    (tmp_path / "B_1" / "B_1_seg.nii.gz").unlink()
    cases, (said,) = find(tmp_path)
    assert names(cases) == ["A_1"]
    assert said == f"B_1: there is no segmentation in {tmp_path / 'B_1'}."


def test_a_validation_set_without_any_is_one_sentence(tmp_path):
    write(tmp_path / "train" / "A_1")
    for i in range(5):
        place = write(tmp_path / "valid" / f"V_{i}")
        (place / f"V_{i}_seg.nii.gz").unlink()
    cases, (said,) = find(tmp_path)
    assert names(cases) == ["A_1"]
    assert said == f"{tmp_path / 'valid'}: none of its patients (5) has a segmentation."


def test_a_folder_without_patients(tmp_path):
    assert find(tmp_path) == ([], [])
    assert find(tmp_path / "not there") == ([], [])


def test_a_missing_modality_is_named(tmp_path):
    place = write(tmp_path / "A_1")
    (place / "A_1_t1ce.nii.gz").unlink()
    (place / "A_1_t2.nii.gz").unlink()
    (case,), _left_out = find(tmp_path)
    assert list(read(case, ("flair", "t1"))["images"]) == ["flair", "t1"]
    with pytest.raises(ValueError) as error:
        read(case, MODALITIES)
    assert str(error.value) == f"A_1: there is no file for t1ce, t2 in {place}."


def flip(content):
    """One bit of the voxels, which only the sum of the file can tell."""
    plain = bytearray(gzip.decompress(content))
    plain[-5] ^= 1
    return gzip.compress(bytes(plain))[:-8] + content[-8:]


DAMAGES = {
    "half": lambda content: content[: len(content) // 2],
    "without its end": lambda content: content[:-8],
    "one bit": flip,
    "empty": lambda content: b"",
    "a web page": lambda content: b"<!DOCTYPE html><title>Synapse login</title>",
    "another web page": lambda content: gzip.compress(b"<html>" * 100),
    "half of what was packed": lambda content: gzip.compress(
        gzip.decompress(content)[:1000]
    ),
    "not packed": gzip.decompress,
}


@parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "A_1_t1.nii.gz"
    noise = np.random.RandomState(0).randint(0, 999, SHAPE).astype(np.int16)
    save(path, noise)
    assert np.array_equal(read_nifti("A_1", path).array, noise)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError) as error:
        read_nifti("A_1", path)
    said = str(error.value)
    assert said.startswith("A_1: A_1_t1.nii.gz is damaged or no NIfTI file (")
    assert "\n" not in said


def test_a_file_that_is_not_packed_may_be_cut_short_too(tmp_path):
    path = tmp_path / "A_1_t1.nii"
    save(path, np.ones(SHAPE, np.int16))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"A_1: A_1_t1.nii is damaged"):
        read_nifti("A_1", path)


# Folder: the names, what each has, the convention, the labels that the first two hold.
REAL = {
    "brats_4mod": (
        ["Brats18_CBICA_AAB_1", "TCGA-DU-7294", "TCGA-FG-6692"],
        set(MODALITIES),
        "brats2017",
        [[0, 1, 2, 3], [0, 1, 2]],
    ),
    "brats_expert_wt": (
        [
            "Brats18_CBICA_AOO_1",
            "Brats18_CBICA_ARW_1",
            "Brats18_CBICA_ASK_1",
            "Brats18_CBICA_ATV_1",
            "Brats18_TCIA02_471_1",
            "Brats18_TCIA08_105_1",
        ],
        {"flair", "t1"},
        "whole",
        [[0, 2]] * 2,
    ),
    "brats_expert_regions": (
        [f"brats_2013_pat000{k}_1" for k in (3, 4, 5, 6)],
        {"flair", "t1ce", "brain"},
        "brats2015",
        [[0, 1, 2, 3]] * 2,
    ),
}


@parametrize("name", REAL)
def test_the_real_folders(name, real_files):
    expected, roles, convention, labels = REAL[name]
    cases, left_out = find(real_files(name))
    assert not left_out
    assert names(cases) == expected
    for case in cases:
        assert set(case.files) == roles | {"label"}
        assert convention_of(case) == convention
    for case, held in zip(cases[:2], labels, strict=True):
        label = read(case, ())["label"]
        assert label.array.shape == (240, 240, 155)
        assert np.unique(label.array[::3, ::3, ::3]).tolist() == held
