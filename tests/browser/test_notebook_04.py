"""Notebook 04 in JupyterLab: its interactives answer to a hand.

Screenshots go to artifacts/: look at them after a change of a widget.
"""

import nbformat
import pytest

from jupyterlab_page import (
    ROOT,
    changed,
    interactive,
    notebook_page,
    ran_quietly,
    shown,
)

NOTEBOOK = ROOT / "notebooks" / "es" / "04_unet_brats.ipynb"
# Six patients are enough to look at, and a film needs no network to have been trained.
FEW = nbformat.v4.new_code_cell(
    "patients = data.brats(patients=6)\ntrain_people = patients.train"
)
FRAMES = nbformat.v4.new_code_cell(
    "from IPython.display import HTML\n"
    "look = train_people[0].image[0, 40]\n"
    "frames = [{'FLAIR': brain_plots.heat(look, 0 * look + e / 5)} for e in range(4)]\n"
    "display(widgets.film(frames, [f'{e} / 4' for e in range(4)], alt='x' * 30))\n"
    "HTML('<i class=\"the-end\"></i>')"
)
CELLS = ["setup", "imports", "imports-course", FEW, "viewer", "explorer", FRAMES]

pytestmark = pytest.mark.usefixtures("spanish")


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    with notebook_page(browser, folder, NOTEBOOK, CELLS, ".the-end") as page:
        yield page


def test_cells_run_without_an_error(lab):
    ran_quietly(lab)


def test_the_viewer_goes_to_another_patient_plane_and_slice(lab, artifacts):
    cell, view = interactive(lab, "brain_viewer")
    for change in (
        lambda: cell.locator("select").nth(0).select_option(index=1),
        lambda: cell.locator("select").nth(1).select_option(index=2),
        lambda: cell.locator("input[type=number]").first.fill("30"),
    ):
        before = view.inner_html()
        change()
        lab.keyboard.press("Enter")
        changed(view, before)
    cell.screenshot(path=artifacts / "brain_viewer.png")


def test_the_dice_explorer_moves_the_prediction(lab, artifacts):
    cell, view = interactive(lab, "dice_explorer")
    before = view.inner_html()
    move = cell.locator("input[type=number]").last
    move.fill("6")
    move.press("Enter")
    changed(view, before)
    cell.screenshot(path=artifacts / "dice_explorer.png")


def test_the_film_steps_through_its_frames(lab, artifacts):
    cell, view = interactive(lab, "film")
    shown(view, "3 / 4")
    place = cell.locator("input[type=number]").first
    place.fill("1")
    place.press("Enter")
    shown(view, "0 / 4")
    cell.screenshot(path=artifacts / "film.png")
