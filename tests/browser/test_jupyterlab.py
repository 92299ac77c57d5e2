"""Notebook 02 in JupyterLab: its cells run, its two interactives answer to a hand.

Screenshots go to artifacts/: look at them after a change of a widget.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import nbformat
import pytest

from course_utils import locale
from course_utils.locale import _

ROOT = Path(__file__).resolve().parents[2]
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
ERROR, STDERR = (
    f'[data-mime-type="application/vnd.jupyter.{kind}"]' for kind in ("error", "stderr")
)
QUIET = {"fetchNews": "false", "checkForUpdates": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the needed cells of the notebook, without outputs."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    notebook.cells = [cells[name] for name in CELLS]
    for cell in notebook.cells:
        cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, folder / "workshop.ipynb")
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    text = json.dumps(QUIET)
    (settings / "notification.jupyterlab-settings").write_text(text)
    return folder


@pytest.fixture(scope="module")
def address(folder):
    """The address of the notebook in a JupyterLab of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]]),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--ip=127.0.0.1", f"--ServerApp.root_dir={folder}"]
    command += ["--IdentityProvider.token=secret", "--ServerApp.port_retries=0"]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=folder)
    base = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{base}/api/status?token=secret", server, folder / "server.log")
        yield f"{base}/lab/tree/workshop.ipynb?token=secret"
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()


def wait_for(url, server, log):
    for _attempt in range(120):
        assert server.poll() is None, log.read_text()
        try:
            return urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"JupyterLab did not start\n{log.read_text()}")


@pytest.fixture(scope="module")
def lab(browser, address):
    """The page with the notebook open and all its cells run; watched for trouble."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    beyond, faults = [], []
    page.on("request", lambda request: beyond.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(address)
    # The dot in the corner says idle before the kernel is: the status bar knows.
    idle = page.get_by_text("Python 3 (ipykernel) | Idle")
    idle.wait_for(timeout=120_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    # Either the last cell's pad, or the error of a cell that stops the run.
    end = page.locator(f".drawing-pad, {ERROR}").first
    end.wait_for(timeout=300_000, state="attached")
    idle.wait_for(timeout=60_000)
    yield page
    context.close()
    hosts = {urlsplit(url).hostname for url in beyond if url.startswith(("http", "ws"))}
    assert hosts <= {"127.0.0.1"}, "JupyterLab or a widget asked the network"
    assert faults == []


def test_cells_run_without_an_error(lab):
    for trouble in (ERROR, STDERR):
        assert lab.locator(trouble).all_inner_texts() == []


def test_the_explorer_answers_to_slider_box_and_preset(lab, artifacts):
    explorer = lab.locator(".jp-OutputArea-output", has=lab.locator(".widget-slider"))
    explorer.scroll_into_view_if_needed()
    view = explorer.locator(".widget-html-content").last
    locale.set_language("es")
    label = _("Step")
    locale.set_language("en")
    step = explorer.get_by_label(label, exact=True)

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


def shown(element, pattern, seconds=15):
    """Wait until the element's text, or its accessible names, match the pattern."""
    for _attempt in range(seconds * 10):
        text = element.inner_text() + " ".join(
            re.findall(r'aria-label="([^"]*)"', element.inner_html())
        )
        if re.search(pattern, text):
            return
        element.page.wait_for_timeout(100)
    pytest.fail(f"{pattern!r} did not appear in {text!r}")


def changed(element, before, seconds=15):
    """Wait until the element's content differs."""
    for _attempt in range(seconds * 10):
        if element.inner_html() != before:
            return
        element.page.wait_for_timeout(100)
    pytest.fail("nothing changed")
