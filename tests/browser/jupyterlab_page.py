"""Chosen cells of a notebook in JupyterLab, in a browser, for this folder's tests."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
ERROR, STDERR = (
    f'[data-mime-type="application/vnd.jupyter.{kind}"]' for kind in ("error", "stderr")
)
QUIET = {"fetchNews": "false", "checkForUpdates": False}


@contextmanager
def notebook_page(browser, folder: Path, notebook: Path, cells: Sequence, last):
    """The page of a JupyterLab of its own in which those cells have been run.

    folder: an empty one to work in. cells: in order, ids of the notebook or cells of
    the test's own. last: a selector of what the last of them shows. On leaving, fails
    if the page had a fault or asked the network.
    """
    write_cells(folder, notebook, cells)
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    beyond, faults = [], []
    page.on("request", lambda request: beyond.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    with served(folder) as address:
        page.goto(address)
        # The dot in the corner says idle before the kernel is: the status bar knows.
        idle = page.get_by_text("Python 3 (ipykernel) | Idle")
        idle.wait_for(timeout=120_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        # Either what the last cell shows, or the error of a cell that stops the run.
        end = page.locator(f"{last}, {ERROR}").first
        end.wait_for(timeout=300_000, state="attached")
        idle.wait_for(timeout=60_000)
        yield page
        context.close()
    hosts = {urlsplit(url).hostname for url in beyond if url.startswith(("http", "ws"))}
    assert hosts <= {"127.0.0.1"}, "JupyterLab or a widget asked the network"
    assert faults == []


def write_cells(folder: Path, notebook: Path, cells: Sequence) -> None:
    """The cells without outputs as workshop.ipynb, and settings that ask no network."""
    content = nbformat.read(notebook, as_version=4)
    by_id = {cell.id: cell for cell in content.cells}
    content.cells = [by_id[c] if isinstance(c, str) else c for c in cells]
    for cell in content.cells:
        cell.outputs, cell.execution_count = [], None
    nbformat.write(content, folder / "workshop.ipynb")
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    text = json.dumps(QUIET)
    (settings / "notification.jupyterlab-settings").write_text(text)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of workshop.ipynb in a JupyterLab that serves the folder."""
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


def ran_quietly(lab):
    """No cell of the page has stopped or warned."""
    for trouble in (ERROR, STDERR):
        assert lab.locator(trouble).all_inner_texts() == []


def interactive(lab, call):
    """The cell that calls a widget, and the HTML view in its output."""
    cell = lab.locator(".jp-CodeCell", has_text=f"widgets.{call}(")
    cell.scroll_into_view_if_needed()
    return cell, cell.locator(".widget-html-content", has=lab.locator("svg")).last


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
