"""Notebook 02 in JupyterLab: its cells run, its two interactives answer to a hand.

Screenshots go to artifacts/: look at them after a change of a widget.
"""

import re

import pytest

from course_utils.locale import _
from jupyterlab_page import ROOT, changed, notebook_page, ran_quietly, shown

NOTEBOOK = ROOT / "notebooks" / "es" / "02_cnn_mnist.ipynb"
# What the two interactives need; the rest of the notebook is nbval's business.
CELLS = [
    "setup",
    "imports",
    "load",
    "normalise",
    "window-plot",
    "example-1",
    "padding",
    "explorer",
    "conv-block",
    "build",
    "augment-look",
    "train",
    "pad",
    "pad-show",
]

pytestmark = pytest.mark.usefixtures("spanish")


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    with notebook_page(browser, folder, NOTEBOOK, CELLS, ".drawing-pad") as page:
        yield page


def test_cells_run_without_an_error(lab):
    ran_quietly(lab)


def test_the_explorer_answers_to_slider_box_and_preset(lab, artifacts):
    explorer = lab.locator(".jp-OutputArea-output", has=lab.locator(".widget-slider"))
    explorer.scroll_into_view_if_needed()
    view = explorer.locator(".widget-html-content").last
    step = explorer.get_by_label(_("Step"), exact=True)

    step.fill("300")
    step.press("Enter")
    shown(view, r"\b300\b")
    explorer.locator(".noUi-handle").focus()
    lab.keyboard.press("ArrowRight")
    shown(view, r"\b301\b")
    assert step.input_value() == "301"

    before = view.inner_html()
    preset = explorer.locator("select", has=lab.locator("option", has_text="Sobel y"))
    preset.select_option(index=3)
    changed(view, before)
    weights = explorer.locator("input[type=number]")
    values = [weights.nth(i).input_value() for i in range(weights.count())]
    assert [float(v) for v in values][:9] == [-1, -2, -1, 0, 0, 0, 1, 2, 1]
    explorer.screenshot(path=artifacts / "explorer.png")


def test_the_network_reads_a_drawn_digit(lab, artifacts):
    pad = lab.locator(".drawing-pad")
    pad.scroll_into_view_if_needed()
    pad.locator('[data-action="reset"]').click()
    paper = pad.get_by_role("application").bounding_box()

    def at(x, y):
        return paper["x"] + x * paper["width"], paper["y"] + y * paper["height"]

    lab.mouse.move(*at(0.52, 0.15))
    lab.mouse.down()
    lab.mouse.move(*at(0.48, 0.85), steps=12)
    lab.mouse.up()

    shown(pad.locator(".pad-status"), r"\b1\b.*0\.\d{4}")
    rows = re.findall(r"\b([01]\.\d{4})\b", pad.locator("table").inner_text())
    probabilities = [float(value) for value in rows]
    assert len(probabilities) == 10
    assert abs(sum(probabilities) - 1) < 0.001
    assert probabilities.index(max(probabilities)) == 1
    pad.screenshot(path=artifacts / "drawing_pad.png")
