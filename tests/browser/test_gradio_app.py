"""The Gradio app in headless Chromium, from the first load to the saved file.

Screenshots go to artifacts/: look at them after a change of a page.
"""

import io
import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Error, expect

from course_utils.data.synthetic import brains, hands
from course_utils.demos import gradio_app
from course_utils.locale import set_language

ROOT = Path(__file__).resolve().parents[2]
LOADS = 20
CAMERA = [
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
LIMIT = 4 * 2**20  # bytes of a file, in this test
PATIENCE = 60_000  # ms, for a network that segments a brain
MODALITIES = "flair", "t1", "t1ce", "t2"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """(address, folder of what is uploaded) of the app, in English."""
    folder = tmp_path_factory.mktemp("uploads")
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    app = gradio_app.build_app("en")
    _server, address, _share = app.launch(
        prevent_thread_lock=True, quiet=True, max_file_size=LIMIT
    )
    yield address, folder
    app.close()
    assert uploaded(folder) == []  # nor what could not be used
    set_language("en")
    del os.environ["GRADIO_TEMP_DIR"]
    if before is not None:
        os.environ["GRADIO_TEMP_DIR"] = before


@pytest.fixture(scope="module")
def context(browser, site):
    """A visitor. At the end, everything asked for was on this machine."""
    context = browser.new_context(
        viewport={"width": 1100, "height": 900}, locale="en-US"
    )
    asked, faults = [], []
    context.on("request", lambda request: asked.append(request.url))
    context.on("weberror", lambda error: faults.append(str(error.error)))
    yield context
    context.close()
    local = "(blob:)?" + re.escape(site[0]) + "|data:"
    assert asked
    assert [url for url in asked if not re.match(local, url)] == []
    assert faults == []


class App:
    """A page with the app in it, and the gestures of a visitor."""

    def __init__(self, page, address):
        self.page = page
        page.goto(address)
        self.paper = page.get_by_role("application", name="Paper to draw a digit on")
        self.paper.wait_for()

    def tab(self, name):
        self.page.get_by_role("tab", name=name).click()

    def stroke(self, *points):
        """Draw through the points, in units of the paper (0 to 280)."""
        box = self.paper.bounding_box()
        places = [
            (box["x"] + x * box["width"] / 280, box["y"] + y * box["height"] / 280)
            for x, y in points
        ]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=4)
        self.page.mouse.up()

    def one(self):
        self.stroke((150, 60), (135, 220))

    def choose(self, within, *files):
        self.page.locator(f"{within} input[type=file]").set_input_files(files)

    def open_patient(self):
        """The first synthetic patient, in the third tab."""
        self.tab("Tumours")
        status = self.page.locator("#course-status")
        expect(status).to_contain_text("synthetic", timeout=PATIENCE)
        self.picture.wait_for()

    @property
    def picture(self):
        return self.page.locator("#course-slice svg[role=img]")

    @property
    def patient_files(self):
        return self.page.locator("input[type=file][multiple]")

    def send(self):
        self.page.get_by_role("button", name="Segment these files").click()


@pytest.fixture
def visit(context, site):
    pages = []

    def visit(scheme="light"):
        pages.append(context.new_page())
        pages[-1].emulate_media(color_scheme=scheme)
        return App(pages[-1], site[0])

    yield visit
    for page in pages:
        page.close()


def png(array):
    file = io.BytesIO()
    Image.fromarray(np.asarray(array, dtype=np.uint8)).save(file, "png")
    return file.getvalue()


def picture_file(array, name="picture.png"):
    return {"name": name, "mimeType": "image/png", "buffer": png(array)}


NOTHING = {"name": "notes.png", "mimeType": "image/png", "buffer": b"not a picture"}


# --- digits ---------------------------------------------------------------------------


def test_of_many_fresh_loads_no_drawing_is_lost(visit):
    lost = []
    for load in range(LOADS):
        app = visit()
        app.one()
        try:
            status = app.page.locator(".pad-status")
            expect(status).to_have_text(re.compile("It reads 1,"), timeout=10_000)
        except AssertionError:
            lost.append(load)
        app.page.close()
    assert lost == []


def test_a_digit_is_drawn_read_and_taken_back(visit, artifacts):
    app = visit()
    status = app.page.locator(".pad-status")
    rows = app.page.locator(".pad-table tbody tr")
    expect(status).to_have_text("Draw a digit and watch the answer.")
    app.stroke((90, 60), (80, 150), (190, 150))
    expect(status).to_have_text(re.compile("It (reads [^4]|hesitates)"))
    app.stroke((165, 60), (165, 230))  # a 4 by this last stroke only
    expect(status).to_have_text(re.compile(r"It reads 4, with probability 0\.\d{4}\."))
    assert rows.count() == 10
    values = [float(text) for text in app.page.locator(".pad-value").all_inner_texts()]
    assert sum(values) == pytest.approx(1, abs=1e-3)
    app.page.screenshot(path=artifacts / "gradio_digits.png", full_page=True)
    # Another tab and back: the drawing is still there.
    app.tab("Signs")
    app.tab("Digits")
    expect(status).to_contain_text("It reads 4")
    undo = app.page.get_by_role("button", name="Undo stroke")
    undo.click()
    expect(status).not_to_contain_text("It reads 4")
    undo.click()
    expect(status).to_have_text("Draw a digit and watch the answer.")


def test_an_image_of_a_digit_is_read_and_another_file_gets_a_sentence(visit):
    app = visit()
    alert = app.page.locator(".drawing-pad [role=alert]")
    app.choose("#course-pad", NOTHING)
    expect(alert).to_contain_text("notes.png cannot be read as an image")
    sheet = np.full((200, 200), 240)
    sheet[40:160, 95:108] = 20
    app.choose("#course-pad", picture_file(sheet))
    expect(app.page.locator(".pad-status")).to_contain_text("It reads 1,")
    expect(alert).to_have_text("")


# --- signs ----------------------------------------------------------------------------


def letters(app):
    return app.page.locator(".photo-table tbody tr")


def test_a_photo_gets_three_letters_and_where_they_show(visit, artifacts):
    app = visit()
    app.tab("Signs")
    alert = app.page.locator(".photo-input [role=alert]")
    status = app.page.locator(".photo-status")
    expect(letters(app)).to_have_count(3)
    hand = hands.render("B", seed=3, size=120, people=[9], vary=0.3)[0, 0].numpy()
    app.choose("#course-photo", picture_file(hand))
    expect(status).to_contain_text("It reads B,")
    expect(letters(app).first).to_contain_text("B")
    found = app.page.locator(".photo-map img")
    expect(found).to_have_attribute("alt", re.compile("what speaks for B"))
    expect(app.page.locator(".photo-map")).to_contain_text("(Grad-CAM)")
    app.page.screenshot(path=artifacts / "gradio_signs.png", full_page=True)
    app.choose("#course-photo", NOTHING)
    expect(alert).to_contain_text("notes.png cannot be read as an image")
    expect(status).to_contain_text("It reads B,")  # what was there is still there


def test_a_real_photo_of_a_hand_gets_three_letters(visit):
    folder = Path(os.environ.get("COURSE_REALDATA", ROOT.parent / "shared/realdata"))
    table = folder / "sign_mnist" / "sign_mnist_test.csv"
    if not table.is_file():
        pytest.skip(f"no sign_mnist in {folder}")
    with table.open() as lines:
        next(lines)
        pixels = np.array(next(lines).split(",")[1:], dtype=np.uint8).reshape(28, 28)
    app = visit()
    app.tab("Signs")
    example = app.page.locator(".photo-status").inner_text()
    app.choose("#course-photo", picture_file(pixels))
    expect(app.page.locator(".photo-status")).not_to_have_text(example)
    expect(letters(app)).to_have_count(3)
    for row in letters(app).all():
        assert re.fullmatch(r"[A-Y]\s+\d+\.\d%", row.inner_text().strip())


def test_the_camera_is_read(browser, site):
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    ways = [{"executable_path": found}] if found else [{}, {"channel": "chrome"}]
    for way in ways:
        with suppress(Error):
            other = browser.browser_type.launch(args=CAMERA, **way)
            break
    app = App(other.new_page(), site[0])
    app.tab("Signs")
    app.page.get_by_role("button", name="Open the camera").click()
    app.page.get_by_role("button", name="Take the photo").click()
    status = app.page.locator(".photo-status")
    expect(status).to_have_text(re.compile("It (reads|hesitates)"))
    expect(status).to_have_attribute("aria-busy", "false")
    other.close()


# --- tumours --------------------------------------------------------------------------


def test_a_synthetic_patient_slice_by_slice(visit, artifacts):
    app = visit()
    app.open_patient()
    page = app.page
    results = page.locator("#course-results")
    expect(results).to_contain_text("Dice, synthetic patient")
    expect(results.locator("tbody tr")).to_have_count(3)
    page.screenshot(path=artifacts / "gradio_tumour.png", full_page=True)
    place = page.get_by_role("slider", name=re.compile("Slice"))
    at = int(place.input_value())
    expect(app.picture).to_have_attribute("aria-label", re.compile(f"slice {at} of 80"))
    place.press("ArrowRight")
    expect(app.picture).to_have_attribute(
        "aria-label", re.compile(f"slice {at + 1} of 80")
    )
    page.get_by_label("Plane").click()
    page.get_by_role("option", name="coronal").click()
    expect(app.picture).to_have_attribute("aria-label", re.compile("coronal slice"))


def test_the_prediction_is_saved_as_nifti(visit, tmp_path):
    app = visit()
    app.open_patient()
    button = app.page.get_by_role("button", name="Download the prediction (NIfTI)")
    expect(button).to_be_enabled()
    with app.page.expect_download() as download:
        button.click()
    path = tmp_path / download.value.suggested_filename
    assert path.name == "phantom-01_prediction.nii.gz"
    download.value.save_as(path)
    saved = nibabel.load(path)
    assert saved.shape == (80, 96, 80)
    assert set(np.unique(np.asarray(saved.dataobj))) <= {0, 1, 2, 3}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A patient's files, as BraTS names them: four images and a segmentation."""
    folder = tmp_path_factory.mktemp("patient")
    patient = brains.render(1, 0)
    for what, image in zip(MODALITIES, patient.image, strict=True):
        array = np.where(patient.brain, 300 + 60 * image.numpy(), 0).astype(np.int16)
        save(folder / f"Case_7_{what}.nii.gz", array, patient.affine)
    label = patient.label.numpy()
    label = np.where(label == 3, 4, label).astype(np.uint8)
    save(folder / "Case_7_seg.nii.gz", label, patient.affine)
    return folder


def save(path, array, affine):
    nibabel.save(nibabel.Nifti1Image(array.T, affine), path)


def uploaded(folder):
    """The files of visitors that lie on the server's disk."""
    names = (path.name for path in folder.rglob("*.nii*"))
    return sorted(name for name in names if "prediction" not in name)


def test_the_files_of_a_patient_are_segmented_scored_and_deleted(
    visit, site, files, artifacts
):
    # In a class everybody opens the same files, which Gradio keeps only once: they go
    # neither for the others when the first has read them, nor stay when all have gone.
    pair = app, other = visit(), visit()
    for one in pair:
        one.open_patient()
        one.patient_files.set_input_files(sorted(files.iterdir()))
        expect(one.page.locator("#course-files a")).to_have_count(5)
    expect(app.page.get_by_text("Case_7_t1ce")).to_be_visible()
    app.send()
    status = app.page.locator("#course-status")
    said = "The files of Case_7 have been read and deleted"
    expect(status).to_contain_text(said, timeout=PATIENCE)
    results = app.page.locator("#course-results")
    expect(results).not_to_contain_text("synthetic")
    score = results.locator("tbody tr").first.locator("td").first.inner_text()
    assert 0.5 < float(score) <= 1
    expect(app.picture).to_have_attribute("aria-label", re.compile("^Case_7, axial"))
    expect(app.page.get_by_text("Case_7_t1ce")).to_have_count(0)
    app.page.screenshot(path=artifacts / "gradio_upload.png", full_page=True)
    assert len(uploaded(site[1])) == 5
    other.page.close()
    deadline = time.monotonic() + 20
    while uploaded(site[1]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert uploaded(site[1]) == []
    # And back to the synthetic one.
    app.page.get_by_label("Synthetic patient").click()
    app.page.get_by_role("option", name="phantom-01").click()
    expect(status).to_contain_text("phantom-01: a synthetic", timeout=PATIENCE)
    expect(results).to_contain_text("Dice, synthetic patient")


def test_what_is_wrong_with_files_is_said_and_nothing_is_lost(visit, site, files):
    app = visit()
    app.open_patient()
    page, alert = app.page, app.page.locator("#course-status [role=alert]")
    shown = app.picture.get_attribute("aria-label")
    three = [files / f"Case_7_{what}.nii.gz" for what in ("flair", "t1", "t2")]
    app.patient_files.set_input_files(three)
    expect(page.get_by_text("Case_7_flair")).to_be_visible()
    app.send()
    expect(alert).to_have_text("There is no file for T1ce: add it to the others.")
    assert app.picture.get_attribute("aria-label") == shown
    # The one that was forgotten is added, but is damaged.
    whole = (files / "Case_7_t1ce.nii.gz").read_bytes()
    damaged = {
        "name": "Case_7_t1ce.nii.gz",
        "mimeType": "application/gzip",
        "buffer": whole[: len(whole) // 2],
    }
    app.patient_files.set_input_files([damaged])
    expect(page.get_by_text("Case_7_t1ce")).to_be_visible()
    app.send()
    expect(alert).to_contain_text("Case_7_t1ce.nii.gz is damaged or no NIfTI file")
    assert app.picture.get_attribute("aria-label") == shown
    expect(page.get_by_text("Case_7_flair")).to_be_visible()


def test_a_file_that_is_too_large_is_refused(visit, tmp_path):
    """By Gradio itself: what is beyond its limit never reaches us."""
    app = visit()
    app.tab("Tumours")
    large = tmp_path / "Case_7_t1.nii"
    large.write_bytes(bytes(LIMIT + 1))
    app.patient_files.set_input_files([large])
    said = app.page.get_by_text("exceed the maximum allowed size of 4.0 Mb")
    expect(said).to_contain_text("Case_7_t1.nii")


def test_the_real_files_of_a_patient(visit, site, tmp_path):
    folder = Path(os.environ.get("COURSE_REALDATA", ROOT.parent / "shared/realdata"))
    paths = sorted((folder / "brats_4mod").glob("TCGA-DU-7294/*.nii.gz"))
    if not paths:
        pytest.skip(f"no brats_4mod in {folder}")
    app = visit()
    app.open_patient()
    app.patient_files.set_input_files(paths)
    expect(app.page.get_by_text("TCGA-DU-7294_t1ce")).to_be_visible()
    app.send()
    status = app.page.locator("#course-status")
    expect(status).to_contain_text("TCGA-DU-7294 have been read", timeout=PATIENCE)
    expect(app.page.locator("#course-results tbody tr")).to_have_count(3)
    with app.page.expect_download() as download:
        app.page.get_by_role("button", name="Download the prediction").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    saved, native = nibabel.load(path), nibabel.load(paths[0])
    assert saved.shape == native.shape
    assert np.allclose(saved.affine, native.affine)
    assert not {path.name for path in paths} & set(uploaded(site[1]))


# --- for everybody --------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(visit, scheme):
    module = pytest.importorskip("axe_playwright_python.sync_playwright")
    app = visit(scheme)
    # Gradio turns dark by a script, after the page is there.
    expect(app.page.locator("body.dark")).to_have_count(int(scheme == "dark"))
    faults = []
    for open_tab in (lambda: None, lambda: app.tab("Signs"), app.open_patient):
        open_tab()
        for fault in module.Axe().run(app.page).response["violations"]:
            # Gradio's own: the place to drop files is called otherwise than it says.
            if fault["id"] != "label-content-name-mismatch":
                faults += [(fault["id"], node["html"]) for node in fault["nodes"]
                           if fault["impact"] in ("serious", "critical")]  # fmt: skip
    assert faults == []


# Elements in which something is cut or must be scrolled to; not a drawing's letters.
TOO_WIDE = """() => [...document.querySelectorAll(".tabitem *, [role=tablist] *")]
    .filter((e) => e.checkVisibility() && !e.closest("svg, .visually-hidden"))
    .filter((e) => !e.closest(".pad-table thead, .photo-table thead"))  // not seen
    .filter((e) => e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1)
    .map((e) => [e.tagName, e.id, String(e.className), e.scrollWidth, e.clientWidth])
"""


def test_on_a_telephone_all_is_below_one_another(visit, artifacts):
    app = visit()
    page = app.page
    page.set_viewport_size({"width": 360, "height": 700})

    def check(name):
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360, name
        assert page.evaluate(TOO_WIDE) == [], name
        path = artifacts / f"gradio_telephone_{name}.png"
        page.screenshot(path=path, full_page=True)

    check("digits")
    for tab in ("Digits", "Signs", "Tumours"):  # none behind a button
        expect(page.get_by_role("tab", name=tab)).to_be_visible()
    app.tab("Signs")
    check("signs")
    app.open_patient()
    check("tumour")
    picture, words, results, controls = (
        page.locator(where).bounding_box()
        for where in (
            "#course-slice svg",
            ".course-view > :last-child",
            "#course-results",
            "#course-files",
        )
    )
    assert picture["width"] > 300
    tops = [box["y"] for box in (picture, words, results, controls)]
    assert tops == sorted(tops)
    page.get_by_label("Modality").click()
    page.get_by_role("option", name="all, side by side").click()
    four = page.locator("#course-slice svg")
    expect(four).to_have_count(4)
    check("tumour_four")
    places = [one.bounding_box() for one in four.all()]
    assert len({round(box["x"]) for box in places}) == 2
    assert all(box["width"] > 130 for box in places)


def test_gradios_own_words_are_in_the_page_s_language(browser, site):
    """Not in that of the browser, which here is Spanish."""
    context = browser.new_context(locale="es-ES")
    app = App(context.new_page(), site[0])
    app.tab("Tumours")
    expect(app.page.get_by_text("Click to Upload")).to_be_visible()
    assert app.page.locator("html").get_attribute("lang") == "en"
    context.close()
