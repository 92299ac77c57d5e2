"""Notebook 03 in JupyterLab: its three interactives answer to a hand.

Screenshots go to artifacts/: look at them after a change of a widget.
"""

import nbformat
import pytest

from course_utils.locale import _
from jupyterlab_page import (
    ROOT,
    changed,
    interactive,
    notebook_page,
    ran_quietly,
    shown,
)

NOTEBOOK = ROOT / "notebooks" / "es" / "03_cnn_sign_language.ipynb"
# An untrained network has answers and maps too; the training is nbval's business.
UNTRAINED = nbformat.v4.new_code_cell(
    "torch.manual_seed(0)\nmodel = build_net().eval()\nshown = torch.arange(40)"
)
CELLS = [
    "setup",
    "imports",
    "imports-course",
    "load",
    "look",
    "normalise",
    "explorer",
    "shortcut",
    "block",
    "stem",
    "build",
    UNTRAINED,
    "cams",
    "wild",
]

pytestmark = pytest.mark.usefixtures("spanish")


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    with notebook_page(browser, folder, NOTEBOOK, CELLS, ".photo-input") as page:
        yield page


def test_cells_run_without_an_error(lab):
    ran_quietly(lab)


def test_the_explorer_turns_a_hand_and_warns_of_the_mirror(lab, artifacts):
    cell, view = interactive(lab, "augmentation_explorer")
    turn = cell.get_by_label(_("Rotation (°)"), exact=True)
    turn.fill("-30")
    turn.press("Enter")
    shown(view, _("{n}° counterclockwise").format(n=30))
    cell.get_by_label(_("Mirror (flip)"), exact=True).check()
    shown(view, "dextrocardia")
    cell.screenshot(path=artifacts / "augmentation_explorer.png")


def test_class_maps_follow_image_layer_and_class(lab, artifacts):
    cell, view = interactive(lab, "class_maps")
    for change in (
        lambda: cell.locator("select").nth(1).select_option(index=5),
        lambda: cell.locator("select").nth(0).select_option(index=1),
        lambda: cell.locator("input[type=number]").first.fill("7"),
    ):
        before = view.inner_html()
        change()
        lab.keyboard.press("Enter")
        changed(view, before)
    shown(view, _("Image {place}").format(place=7))
    cell.screenshot(path=artifacts / "class_maps.png")


def test_a_sample_is_read_in_the_photo_input(lab, artifacts):
    box = lab.locator(".photo-input")
    box.scroll_into_view_if_needed()
    reading = box.locator(".photo-reading")
    before = reading.inner_html()
    box.locator(".photo-samples button").nth(3).click()
    changed(reading, before)
    box.screenshot(path=artifacts / "photo_input.png")
