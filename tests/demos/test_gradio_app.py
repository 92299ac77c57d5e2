"""The three tabs of the Gradio app without a browser: right input, and wrong."""

import base64
import gzip
import io
import os
import re
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from course_utils import models
from course_utils.data import preprocess_drawing, preprocess_photo
from course_utils.data.brats_labels import regions
from course_utils.demos import gradio_app, networks
from course_utils.demos.gradio_app import case, digits, signs, tumour, upload, words
from course_utils.explain import class_map
from course_utils.locale import language, set_language
from course_utils.plots import REGION_COLORS
from course_utils.widgets.base import number

ROOT = Path(__file__).resolve().parents[2]
SHAPE = (70, 80, 66)
AFFINE = np.diag([-2.0, -2.0, 2.0, 1.0])
AFFINE[:3, 3] = 60, 70, -60
parametrize = pytest.mark.parametrize


@pytest.fixture(autouse=True)
def english():
    set_language("en")
    yield
    set_language("en")


class Threshold(nn.Module):
    """WT where FLAIR is above 1, TC where T1ce is above 1 in it, ET above 2."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 3, 1)
        self.calls = 0
        weight = torch.zeros(3, 4, 1, 1)
        weight[0, 0], weight[1:, 2] = 50, 50
        self.conv.weight.data = weight
        self.conv.bias.data = torch.tensor([-50.0, -50.0, -100.0])

    def forward(self, x):
        self.calls += 1
        return self.conv(x)


def shaken(model):
    """Weights that make a difference everywhere: some start as 0."""
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.3)
    return model


@pytest.fixture(scope="module")
def stand_ins():
    torch.manual_seed(0)
    return {
        "digits": models.digit_cnn(4).eval(),
        "signs": shaken(models.sign_resnet(4)).eval(),
        "tumour": Threshold().eval(),
    }


# --- the app --------------------------------------------------------------------------


def parts(app, kind):
    return [block for block in app.blocks.values() if block.get_block_name() == kind]


@parametrize("lang", ["es", "en"])
def test_the_app_says_on_top_and_in_each_tab_that_it_is_no_medical_device(
    stand_ins, lang
):
    app = gradio_app.build_app(lang, stand_ins)
    assert language() == lang
    said = {"en": "not a medical device", "es": "no un dispositivo médico"}[lang]
    notes = [b.value for b in parts(app, "html") if "course-note" in str(b.value)]
    assert len(notes) == 1 + len(parts(app, "tabitem")) == 4
    assert all(said in note for note in notes)


def test_nothing_is_reported_and_what_is_uploaded_is_deleted(stand_ins):
    app = gradio_app.build_app("en", stand_ins)
    assert app.analytics_enabled is False
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert sum(app.delete_cache) <= 3600  # how often is looked, and how old it may be
    settings = app.launch.keywords
    assert settings["max_file_size"] <= 200 * 2**20
    theme = settings["theme"]
    assert theme._stylesheets == theme._font_css == []  # no font is fetched


def test_every_control_has_a_name(stand_ins):
    app = gradio_app.build_app("en", stand_ins)
    for kind in ("dropdown", "slider", "file"):
        assert parts(app, kind)
        assert all(block.label for block in parts(app, kind)), kind
    buttons = parts(app, "button") + parts(app, "downloadbutton")
    assert len(buttons) == 2
    assert all(button.value or button.label for button in buttons)


def test_what_a_network_learnt_from_is_said_where_it_is_the_course_s_own():
    for name in ("signs", "tumour"):
        assert "synthetic" in words.about(name, own=False)
        assert "synthetic" not in words.about(name, own=True)
        assert "whoever opened this app" in words.about(name, own=True)
    if networks.card("digits"):
        assert "Measured: accuracy" in words.about("digits", own=False)


def test_an_unknown_language_or_network_is_refused(stand_ins):
    with pytest.raises(ValueError, match="Unknown language 'fr'"):
        gradio_app.build_app("fr")
    with pytest.raises(ValueError, match=r"digits \| signs \| tumour, got 'numbers'"):
        gradio_app.build_app("en", {"numbers": stand_ins["digits"]})


def test_an_old_gradio_gets_the_command_that_helps(stand_ins, monkeypatch):
    monkeypatch.setattr(gradio_app, "version", lambda package: "5.49.1")
    with pytest.raises(RuntimeError, match=r'5\.49\.1 .*pip install "gradio>=6\.7,<7"'):
        gradio_app.build_app("en", stand_ins)


def test_the_command_says_where_the_page_is_and_offers_nothing_else(
    monkeypatch, capsys
):
    class App:
        blocked = False

        def launch(self, **settings):
            assert settings["quiet"] and settings["prevent_thread_lock"]
            assert (settings["server_port"], settings["inbrowser"]) == (None, False)
            return None, "http://127.0.0.1:7860/", None

        def block_thread(self):
            self.blocked = True

    app = App()
    monkeypatch.setattr(gradio_app, "build_app", lambda lang: app)
    gradio_app.launch("en", browser=False)
    said = capsys.readouterr().out
    assert said == "The page is at http://127.0.0.1:7860/\nPress Ctrl+C to stop.\n"
    assert app.blocked


# --- digits ---------------------------------------------------------------------------


def encode(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def decoded(text, *shape):
    return np.frombuffer(base64.b64decode(text), dtype=np.uint8).reshape(shape)


def drawing():
    ink = np.zeros((140, 140), dtype=np.uint8)
    ink[10:100, 20:34] = 255
    return ink


@parametrize("center", [True, False])
def test_a_drawing_is_prepared_and_read(center):
    asked = []

    def predict(seen):
        asked.append(seen)
        return torch.full((10,), 0.1)

    question = {"drawing": encode(drawing()), "center": center}
    answer = digits.read(question, predict)
    expected = preprocess_drawing(drawing(), center=center)
    assert (decoded(answer["seen"], 28, 28) == expected.numpy()).all()
    assert torch.equal(asked[0], expected)
    assert answer["probabilities"] == pytest.approx([0.1] * 10)
    assert answer["error"] == ""


def test_an_empty_sheet_has_no_probabilities():
    empty = {"drawing": encode(np.zeros((140, 140), np.uint8)), "center": True}
    answer = digits.read(empty, None)
    assert answer["probabilities"] == []
    assert answer["error"] == ""


@parametrize(
    "question",
    [
        {},
        {"drawing": None},
        {"drawing": "%%%"},
        {"drawing": encode(np.ones(7, np.uint8))},
        {"drawing": 3},
    ],
)
def test_a_question_without_a_drawing_gets_a_sentence(question):
    answer = digits.read(question, None)
    assert answer["error"] == "The page sent no picture: load it again."
    assert answer["probabilities"] == []


def test_a_network_that_fails_gets_a_sentence():
    def predict(seen):
        raise RuntimeError("mat1 and mat2 cannot be multiplied\nand more")

    answer = digits.read({"drawing": encode(drawing())}, predict)
    assert answer["error"].startswith("predict failed with RuntimeError: mat1")
    assert "\n" not in answer["error"]


# --- signs ----------------------------------------------------------------------------


def test_a_photo_is_prepared_read_and_explained(stand_ins):
    photo = np.random.RandomState(0).randint(0, 256, (60, 60, 3)).astype(np.uint8)
    model = stand_ins["signs"]
    answer = signs.Reader(model).read({"pixels": encode(photo), "side": 60})
    seen = preprocess_photo(photo)
    x = networks.normalize_signs(seen[None])
    assert (decoded(answer["seen"], 28, 28) == seen[0].numpy()).all()
    with torch.no_grad():
        p = model(x).softmax(1)[0]
    assert answer["probabilities"] == pytest.approx(p.tolist(), abs=1e-6)
    letter = signs.CLASSES[p.argmax()]
    assert letter in answer["map_title"]
    assert letter in answer["map_alt"]
    kind, data = answer["map"].split(",")
    assert kind == "data:image/png;base64"
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(int)
    assert picture.shape == (168, 168, 3)
    # Orange, redder than blue, where the map is highest and nowhere else.
    values = class_map(model, x, model.block3)[0]
    tint = (picture[..., 0] - picture[..., 2]).reshape(4, 42, 4, 42).mean((1, 3))
    assert np.corrcoef(tint.ravel(), values.numpy().ravel())[0, 1] > 0.8


def test_the_hands_to_try_are_pictures_that_the_widget_takes():
    shown = signs.examples("LY")
    assert shown.shape == (2, 28, 28)
    assert shown.dtype == torch.uint8
    assert shown.float().std() > 10


def test_a_dark_photo_has_no_letter_and_no_map(stand_ins):
    dark = {"pixels": encode(np.full((40, 40, 3), 3, np.uint8)), "side": 40}
    answer = signs.Reader(stand_ins["signs"]).read(dark)
    assert answer["probabilities"] == []
    assert answer["error"] == ""
    assert "map" not in answer


@parametrize(
    "question",
    [
        {},
        {"side": 40},
        {"side": 40, "pixels": encode(np.ones(40 * 40, np.uint8))},
        {"side": -1, "pixels": ""},
        {"side": "40", "pixels": encode(np.ones(40 * 40 * 3, np.uint8))},
        {"side": 401, "pixels": encode(np.ones(401 * 401 * 3, np.uint8))},
    ],
)
def test_a_question_without_a_photo_gets_a_sentence(stand_ins, question):
    answer = signs.Reader(stand_ins["signs"]).read(question)
    assert answer["error"] == "The page sent no picture: load it again."


# --- files of a patient ---------------------------------------------------------------


def volume(k):
    """A ball of brain, brighter towards one corner in each modality."""
    grid = np.indices(SHAPE) - np.array(SHAPE).reshape(3, 1, 1, 1) / 2
    inside = (grid**2).sum(0) < 28**2
    tumour = ((grid - 8) ** 2).sum(0) < (12 - 2 * k) ** 2
    return np.where(inside, 100 + grid[0] + 200 * tumour, 0).astype(np.float32)


def mask():
    grid = np.indices(SHAPE) - np.array(SHAPE).reshape(3, 1, 1, 1) / 2 - 8
    far = (grid**2).sum(0)
    return np.select([far < 6**2, far < 8**2, far < 12**2], [4, 1, 2], 0).astype(
        np.uint8
    )


def save(path, array, affine=AFFINE):
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """The files of one patient, as BraTS names them."""
    folder = tmp_path_factory.mktemp("patient")
    for k, what in enumerate(("flair", "t1", "t1ce", "t2")):
        save(folder / f"Case_7_{what}.nii.gz", volume(k))
    save(folder / "Case_7_seg.nii.gz", mask())
    return folder


@pytest.fixture
def files(originals, tmp_path):
    """A copy of them that a test may spoil: what -> path."""
    copies = [shutil.copy(path, tmp_path) for path in sorted(originals.iterdir())]
    return {Path(p).name.split("_")[-1].partition(".")[0]: Path(p) for p in copies}


def test_four_files_and_a_segmentation_are_a_patient(files):
    read = upload.read(list(files.values()))
    assert read.patient.name == "Case_7"
    assert read.patient.image.shape == (4, 80, 96, 80)
    assert read.regions == ("WT", "TC", "ET")
    expected = np.where(mask() == 4, 3, mask())
    assert (read.truth == expected).all()
    assert read.patient.label.any()


def test_without_a_segmentation_there_is_no_truth(files):
    del files["seg"]
    read = upload.read(list(files.values()))
    assert read.truth is None
    assert read.regions == ()
    assert not read.patient.label.any()


@parametrize("name", ["X-{}.nii", "BraTS-GLI-00001-000-{}.nii.gz", "{}.nii.gz"])
def test_the_names_of_other_years_are_known(files, tmp_path, name):
    words = {"flair": "t2f", "t1": "t1n", "t1ce": "t1c", "t2": "t2w", "seg": "seg"}
    paths = []
    for what, path in files.items():
        image = nibabel.load(path)
        array = np.asarray(image.dataobj)
        array = np.where(array == 4, 3, array) if what == "seg" else array
        paths.append(save(tmp_path / name.format(words[what]), array))
    read = upload.read(paths)
    assert read.regions == ("WT", "TC", "ET")
    assert set(np.unique(read.truth)) == {0, 1, 2, 3}


def test_a_mask_of_ones_is_the_whole_tumour(files):
    save(files["seg"], (mask() > 0).astype(np.uint8))
    read = upload.read(list(files.values()))
    assert read.regions == ("WT",)
    assert set(np.unique(read.truth)) == {0, 2}


def test_the_labels_that_the_course_saves_are_read_as_they_are(files):
    save(files["seg"], np.where(mask() == 4, 3, mask()))
    assert (upload.read(list(files.values())).truth == 3).sum() == (mask() == 4).sum()


def other_file(files, name="notes.txt"):
    path = files["t1"].with_name(name)
    path.write_bytes(b"not a picture")
    files[name] = path


def of_another(files):
    """A file of another patient, which in BraTS would fit."""
    files["t2"] = files["t2"].rename(files["t2"].with_name("Case_8_t2.nii.gz"))


def plain_text(files):
    """As a header, these letters would promise an immense volume."""
    files["t1"].unlink()
    files["t1"] = files["t1"].with_name("Case_7_t1.nii")
    files["t1"].write_text("This is no volume. " * 50)


def truncated(files):
    files["t1"].write_bytes(files["t1"].read_bytes()[:-2000])


def text(files):
    files["t2"].write_bytes(b"<!DOCTYPE html><title>Log in</title>")


def resized(files):
    save(files["t2"], volume(3)[:-1])


def moved(files):
    save(files["t2"], volume(3), AFFINE + np.eye(4)[:, [3, 1, 2, 0]] * 9)


def with_nan(files):
    array = volume(1)
    array[40, 40, 40] = np.nan
    save(files["t1"], array)


def colours(files):
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    save(files["t1"], np.zeros(SHAPE, kind))


def complex_numbers(files):
    save(files["t1"], volume(1).astype(np.complex64))


def in_time(files):
    save(files["flair"], np.stack([volume(0)] * 2, axis=-1))


def coarse(files):
    for k, what in enumerate(("flair", "t1", "t1ce", "t2")):
        save(files[what], volume(k), AFFINE * [[5], [1], [1], [1]])
    save(files["seg"], mask(), AFFINE * [[5], [1], [1], [1]])


def empty_images(files):
    for what in ("flair", "t1", "t1ce", "t2"):
        save(files[what], np.zeros(SHAPE, np.float32))


def promises(files):
    """A header that promises more than follows."""
    content = bytearray(gzip.decompress(files["t1"].read_bytes()))
    content[42:48] = np.array([3000, 3000, 3000], "<i2").tobytes()
    files["t1"].write_bytes(gzip.compress(bytes(content), 1))


def negative(files):
    content = bytearray(gzip.decompress(files["t1"].read_bytes()))
    content[40:48] = np.array([3, -70, 80, 66], "<i2").tobytes()
    files["t1"].write_bytes(gzip.compress(bytes(content), 1))


WRONG = {
    "no file": (dict.clear, "There are no files yet"),
    "missing": (lambda files: files.pop("t1ce"), "no file for T1ce: add it"),
    "twice": (
        lambda files: files.update(
            more=Path(shutil.copy(files["t1"], files["t1"].with_name("B_t1.nii.gz")))
        ),
        "Case_7_t1.nii.gz and B_t1.nii.gz are both T1",
    ),
    "no NIfTI": (other_file, "notes.txt is no NIfTI file by its name"),
    "unknown": (
        lambda files: other_file(files, "scan.nii.gz"),
        "name of scan.nii.gz does not say what it is",
    ),
    "two patients": (
        of_another,
        "Case_7_flair.nii.gz and Case_8_t2.nii.gz are of two patients",
    ),
    "plain text": (plain_text, "Case_7_t1.nii is damaged or no NIfTI file"),
    "truncated": (truncated, "Case_7_t1.nii.gz is damaged"),
    "text": (text, "Case_7_t2.nii.gz is damaged or no NIfTI file"),
    "shape": (resized, r"Case_7_t2.nii.gz has shape \(69, 80, 66\)"),
    "place": (moved, "Case_7_t2.nii.gz and .* mm apart"),
    "NaN": (with_nan, r"Case_7_t1.nii.gz holds values that are not finite \(NaN\)"),
    "colours": (colours, "Case_7_t1.nii.gz holds colours"),
    "complex": (complex_numbers, "Case_7_t1.nii.gz holds colours or complex"),
    "in time": (in_time, r"(70, 80, 66, 2)"),
    "coarse": (coarse, "network knows voxels of 2 mm"),
    "empty": (empty_images, "every voxel .* is 0"),
    "promise": (promises, "Case_7_t1.nii.gz"),
    "negative": (negative, "Case_7_t1.nii.gz"),
    "label": (
        lambda files: save(files["seg"], mask() + np.uint8(5) * (mask() > 0)),
        "Case_7_seg.nii.gz: label 6, 7, 9 means nothing",
    ),
    "interpolated": (
        lambda files: save(files["seg"], mask() * 0.7),
        "Case_7_seg.nii.gz: labels must be integers",
    ),
    "no tumour": (lambda files: save(files["seg"], 0 * mask()), "there is no tumour"),
}


@parametrize("kind", WRONG)
def test_wrong_files_get_one_sentence_and_stay(files, tmp_path, kind):
    spoil, sentence = WRONG[kind]
    spoil(files)
    model = Threshold()
    with pytest.raises(ValueError, match=sentence) as error:
        tumour.from_files([str(path) for path in files.values()], model)
    said = str(error.value)
    assert "\n" not in said
    assert str(tmp_path) not in said
    assert all(path.exists() for path in files.values())
    assert model.calls == 0


@parametrize("name", ["Case_7_t1.nii.gz", "CASE_7_T1.NII.GZ"])
def test_a_small_file_that_unpacks_to_a_large_one_is_not_unpacked(
    files, monkeypatch, name
):
    monkeypatch.setattr(upload, "UNPACKED", 2**21)
    files["t1"] = files["t1"].rename(files["t1"].with_name(name))
    files["t1"].write_bytes(gzip.compress(bytes(2**22)))
    with pytest.raises(ValueError, match=f"{name} is too large"):
        upload.read(list(files.values()))


def test_a_file_that_is_gone_is_asked_for_again(files):
    files["t2"].unlink()
    with pytest.raises(ValueError, match=r"Case_7_t2.nii.gz has been deleted here"):
        upload.read(list(files.values()))


def test_files_whose_names_say_nothing_but_what_they_are_have_no_patient(files):
    paths = [path.rename(path.with_name(path.name[7:])) for path in files.values()]
    assert upload.read(paths).patient.name == "patient"


def test_a_file_goes_with_the_last_visitor_who_has_it(tmp_path):
    mine, ours = tmp_path / "mine.nii", tmp_path / "ours.nii"
    for path in (mine, ours):
        path.touch()
    visitors = tumour.Visitors()
    visitors.keep("Ana", [mine, ours])
    visitors.keep("Luis", [ours])
    visitors.keep("Ana", [ours])  # took one out of the list
    assert not mine.exists() and ours.exists()
    visitors.keep("Ana", None)
    assert ours.exists()
    visitors.keep("Eva", None)  # never had any
    visitors.keep("Luis", [])
    assert not ours.exists()


def test_a_file_of_too_many_megabytes_is_refused(files, monkeypatch):
    monkeypatch.setattr(upload, "MEGABYTES", 0.001)
    with pytest.raises(ValueError, match=r"Case_7_flair\.nii\.gz is too large"):
        upload.read(list(files.values()))


def test_a_volume_of_too_many_voxels_is_refused(files, monkeypatch):
    monkeypatch.setattr(upload, "MOST_VOXELS", 1000)
    with pytest.raises(
        ValueError, match=r"too large: it may have 100 MB and 1,000 voxels"
    ):
        upload.read(list(files.values()))


def test_labels_whose_meaning_changed_are_refused(files, tmp_path):
    paths = [path.rename(tmp_path / f"BraTS-PED-1-{w}.nii.gz") for w, path in zip(
        ("t2f", "seg", "t1n", "t1c", "t2w"),
        (files[w] for w in ("flair", "seg", "t1", "t1ce", "t2")),
        strict=True,
    )]  # fmt: skip
    with pytest.raises(ValueError, match="BraTS-PED"):
        upload.read(paths)


# --- a patient, segmented -------------------------------------------------------------


def test_a_prediction_is_scored_in_the_voxels_of_the_file_and_can_be_saved(files):
    paths = list(files.values())
    found, said = tumour.from_files([str(path) for path in paths], Threshold())
    assert said == "The files of Case_7 have been read and deleted here."
    image = nibabel.load(found.path)
    assert image.shape == SHAPE
    assert np.allclose(image.affine, AFFINE)
    saved = np.asarray(image.dataobj)
    assert set(np.unique(saved)) <= {0, 1, 2, 3}
    truth = regions(torch.from_numpy(np.where(mask() == 4, 3, mask())))
    ours = regions(torch.from_numpy(saved.copy()))
    for i, region in enumerate(("WT", "TC", "ET")):
        both, sizes = (ours[i] & truth[i]).sum(), ours[i].sum() + truth[i].sum()
        assert found.scores[region] == pytest.approx(2 * both.item() / sizes.item())
    assert found.scores["WT"] > 0.9
    text = case.table(found)
    assert "synthetic" not in text
    rows = [re.findall("<t[hd][^>]*>(.*?)</t[hd]>", row) for row in text.split("<tr>")]
    ml = number((mask() > 0).sum() * 8 / 1000, 1)
    predicted = number((saved > 0).sum() * 8 / 1000, 1)
    assert rows[1] == ["Region", "Dice", "Truth (ml)", "Prediction (ml)"]
    assert rows[2][1:] == [number(found.scores["WT"]), ml, predicted]
    # Each region beside the colour of its lines.
    for row, (region, color) in zip(rows[2:], REGION_COLORS.items(), strict=True):
        assert region in row[0] and f"background:{color}" in row[0]


def test_without_a_segmentation_there_is_no_dice_and_no_truth_to_show(files):
    files.pop("seg").unlink()
    found, said = tumour.from_files([str(p) for p in files.values()], Threshold())
    assert "Without a segmentation there is no Dice." in said
    assert "Dice" not in case.table(found)
    assert [key for _said, key in tumour.overlays(found)] == ["prediction", "none"]
    html = tumour.draw(found, "axial", 40, 0, "prediction")
    assert "truth" not in html.lower()
    assert "prediction" in html.lower()


def test_of_a_mask_of_the_whole_tumour_only_that_is_scored(files):
    save(files["seg"], (mask() > 0).astype(np.uint8))
    found, said = tumour.from_files([str(p) for p in files.values()], Threshold())
    assert list(found.scores) == ["WT"]
    assert "marks the whole tumour only" in said
    assert case.table(found).count("<td>–</td>") == 4


@pytest.fixture(scope="module")
def model():
    """One for several tests: a synthetic patient is computed once for each network."""
    return Threshold().eval()


def test_a_synthetic_patient_is_called_so_and_predicted_once(model):
    name = case.unseen()[0]
    found, said = tumour.from_choice(name, model)
    calls = model.calls
    assert calls > 0
    assert "synthetic patient" in said
    assert "Dice, synthetic patient" in case.table(found)
    assert set(found.scores) == {"WT", "TC", "ET"}
    again, _said = tumour.from_choice(name, model)
    pictures = {tumour.draw(again, "axial", at, 0, "both") for at in range(40, 50)}
    assert len(pictures) == 10
    assert model.calls == calls
    with pytest.raises(ValueError, match="no patient phantom-99"):
        tumour.from_choice("phantom-99", model)


@parametrize(("plane", "axes"), [("axial", (1, 2)), ("coronal", (0, 2))])
def test_the_slider_starts_where_most_of_the_tumour_is(model, plane, axes):
    found, _said = tumour.from_choice(case.unseen()[0], model)
    page = tumour._Page(*tumour._Page._fields)  # names in place of components
    shown = tumour._show(page, found, "", plane, 0)
    area = found.brain.masks["truth"][0].sum(axes)
    assert shown["place"].value == 1 + area.argmax()
    assert shown["place"].maximum == len(area)


def test_its_file_goes_when_the_case_does(model):
    found, _said = tumour.from_choice(case.unseen()[0], model)
    folder = found.path.parent
    assert [path.name for path in folder.iterdir()] == [found.path.name]
    del found
    assert not folder.exists()


def test_a_slice_says_in_words_what_it_shows(model):
    found, _said = tumour.from_choice(case.unseen()[0], model)
    for plane, last in (("axial", 80), ("coronal", 96), ("sagittal", 80)):
        html = tumour.draw(found, plane, 10_000, 0, "prediction")  # the last there is
        assert f"{plane} slice {last} of {last}" in html
        assert "<p>Colours and lines: prediction.</p>" in html
        assert 'role="img"' in html
    assert "slice 1 of 80" in tumour.draw(found, "axial", 0, -1, "none")
    assert "Choose a patient" in tumour.draw(None, "axial", 1, 0, "both")


def test_a_sentence_from_a_file_s_name_is_no_html():
    said = tumour.status("<img src=x>_t1.nii is damaged", wrong=True)
    assert "<img" not in said
    assert 'role="alert"' in said


def test_real_files_of_a_patient():
    folder = Path(os.environ.get("COURSE_REALDATA", ROOT.parent / "shared/realdata"))
    paths = sorted((folder / "brats_4mod").glob("TCGA-DU-7294/*.nii.gz"))
    if not paths:
        pytest.skip(f"no brats_4mod in {folder}")
    read = upload.read(paths)
    found = case.uploaded_case(*read, Threshold().eval())
    image, native = nibabel.load(found.path), nibabel.load(paths[0])
    assert image.shape == native.shape
    assert np.allclose(image.affine, native.affine)
    assert 0.2 < found.scores["WT"] < 1
