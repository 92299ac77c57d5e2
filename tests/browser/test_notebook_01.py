"""Notebook 01 in JupyterLab: its four interactives answer to mouse and keyboard.

Screenshots go to artifacts/: look at them after a change of a widget.
"""

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

NOTEBOOK = ROOT / "notebooks" / "es" / "01_mlp_regression.ipynb"
# What the interactives need; the rest of the notebook is nbval's business.
CELLS = ["setup", "imports", "explorer", "loss-explorer", "graph", "playground"]

pytestmark = pytest.mark.usefixtures("spanish")


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    with notebook_page(browser, folder, NOTEBOOK, CELLS, ".widget-play") as page:
        yield page


def test_cells_run_without_an_error(lab):
    ran_quietly(lab)


@pytest.mark.parametrize("call", ["activation_explorer", "loss_explorer"])
def test_an_explorer_answers_to_its_dropdown_and_the_arrow_keys(lab, artifacts, call):
    cell, view = interactive(lab, call)
    before = view.inner_html()
    cell.locator("select").first.select_option(index=2)
    changed(view, before)
    before = view.inner_html()
    cell.locator(".noUi-handle").first.focus()
    lab.keyboard.press("ArrowRight")
    changed(view, before)
    cell.screenshot(path=artifacts / f"{call}.png")


def test_the_graph_is_walked_by_its_buttons(lab, artifacts):
    cell, view = interactive(lab, "backpropagation")
    following = cell.get_by_role("button", name=_("Next"))
    for step in (1, 2, 3, 4, 5):
        following.focus()
        lab.keyboard.press("Enter")
        shown(view, rf"\b{step}\b")
    cell.screenshot(path=artifacts / "backpropagation.png")
    before = view.inner_html()
    cell.get_by_role("button", name=_("Back")).click()
    changed(view, before)


def test_the_playground_trains_while_it_plays(lab, artifacts):
    cell, view = interactive(lab, "approximation_playground")
    before = view.inner_html()
    play = cell.locator(".widget-play button").first
    play.click()
    for _frame in range(5):
        changed(view, before)
        before = view.inner_html()
    play.click()
    lab.wait_for_timeout(1500)  # the frames under way arrive
    before = view.inner_html()
    lab.wait_for_timeout(1000)
    assert view.inner_html() == before, "it goes on after pause"
    cell.locator("select").first.select_option(index=1)
    changed(view, before)
    cell.screenshot(path=artifacts / "playground.png")
