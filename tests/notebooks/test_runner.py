"""The runner, nbval's settings, and the guard that keeps kernels off the network."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

import conftest
import reproducible
import run_notebooks

ROOT = Path(__file__).resolve().parents[2]


def test_a_run_is_pinned_and_offline(tmp_path):
    connect = "import socket\nsocket.create_connection(('{}', 80), timeout=5)"
    asked = [
        "import os; print(*[os.environ.get(k) for k in ('CI', 'OMP_NUM_THREADS')])",
        connect.format("192.0.2.1"),
        connect.format("example.org"),
        f"import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', "
        f"{connect.format('192.0.2.1')!r}], capture_output=True, text=True).stderr)",
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname()).close()\nprint('reached')",
    ]
    cells = [new_code_cell(source, metadata={"tags": []}) for source in asked]
    for cell in cells[1:3]:
        cell.metadata.tags = ["raises-exception"]
    notebook = new_notebook(cells=cells)
    seconds = run_notebooks.execute(notebook, tmp_path)
    outputs = [cell.outputs[0] for cell in notebook.cells]
    assert outputs[0].text == "1 1\n"
    assert outputs[1].ename == outputs[2].ename == "BeyondLoopbackError"
    assert "BeyondLoopbackError" in outputs[3].text
    assert outputs[4].text == "reached\n"
    assert 0.1 < seconds < 60


def test_tests_themselves_are_offline():
    import socket

    for host in ("192.0.2.1", "example.org", "2001:db8::1"):
        with pytest.raises(OSError, match="without a network"):
            socket.create_connection((host, 80), timeout=5)


def test_timing_leaves_the_arithmetic_to_the_machine():
    pinned, free = run_notebooks.environment(), run_notebooks.environment(pinned=False)
    assert pinned["OMP_NUM_THREADS"] == "1"
    assert not run_notebooks.ARITHMETIC & set(free)
    assert free["CI"] == "1" and free["COURSE_DATA"] == "embedded"
    assert set(pinned) - set(free) == run_notebooks.ARITHMETIC


def test_applying_the_settings_removes_what_interferes():
    environ = {"COURSE_DATA_DIR": "/somewhere", "HOME": "/root", "CI": "no"}
    reproducible.apply(environ)
    assert environ == {"HOME": "/root"} | reproducible.ENVIRONMENT


def widget_output(**data):
    view = {run_notebooks.WIDGET: {"model_id": "1", "version_major": 2}}
    return new_output("display_data", data={**view, "text/plain": "widget", **data})


def test_normalising_drops_what_changes_from_run_to_run():
    cell = new_code_cell("x", outputs=[widget_output(**{"image/png": "AA"})])
    cell.metadata.execution = {"iopub.status.busy": "2026-01-01"}
    notebook = new_notebook(cells=[cell], metadata={"widgets": {"state": {}}, "a": 1})
    run_notebooks.normalise(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.cells[0].metadata == {}
    assert set(notebook.cells[0].outputs[0].data) == {"image/png", "text/plain"}


def test_a_widget_without_a_picture_keeps_its_view():
    notebook = new_notebook(cells=[new_code_cell("x", outputs=[widget_output()])])
    run_notebooks.normalise(notebook)
    assert run_notebooks.WIDGET in notebook.cells[0].outputs[0].data


def test_storing_writes_outputs_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "a.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("print(1 + 1)")]), path)
    run_notebooks.store(path)
    cell = nbformat.read(path, as_version=4).cells[0]
    assert cell.execution_count == 1
    assert cell.outputs[0].text == "2\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_notebook_is_not_stored(tmp_path):
    path = tmp_path / "a.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1 / 0")]), path)
    before = path.read_bytes()
    with pytest.raises(run_notebooks.CellExecutionError, match="ZeroDivisionError"):
        run_notebooks.store(path)
    assert path.read_bytes() == before


def test_an_unknown_notebook_is_named():
    with pytest.raises(ValueError, match="no notebook '99_nothing'"):
        run_notebooks.chosen(["99_nothing"])


# --- nbval ----------------------------------------------------------------------------

SHOW_WIDGET = """\
import ipywidgets
from IPython.display import display
view = ipywidgets.IntSlider()._repr_mimebundle_()
display({**view, "image/png": "BBBB", "text/plain": "slider"}, raw=True)"""
GOOD = [
    ("print('took 1.25 s, 98.6 % right')", "took 12 s, 100% right\n"),
    ("print('  7 s'); print(' 95.0%')", " 10 s\n100.0%\n"),
    ("print('3 squares')", "3 squares\n"),
]
BAD = [
    ("print(12)", "13\n"),
    ("print('3 squares')", "4 squares\n"),
    ("print('1.5 sv')", "2.5 sv\n"),
    ("import socket; socket.create_connection(('192.0.2.1', 80), 5)", ""),
]


def nbval(folder, cells):
    """Run nbval as the project sets it; returns the passed and the failed cells."""
    notebook = new_notebook(cells=cells)
    for count, cell in enumerate(notebook.cells, start=1):
        cell.execution_count = count
    nbformat.write(notebook, folder / "made_up.ipynb")
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, "--rootdir", ROOT, "-c", "pyproject.toml", folder / "made_up.ipynb"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    lines = run.stdout.splitlines()
    failed = [line for line in lines if line.startswith("FAILED")]
    assert f"{len(cells) - len(failed)} passed" in run.stdout or failed, run.stdout
    return len(cells) - len(failed), len(failed)


def printing(source, text):
    outputs = [new_output("stream", name="stdout", text=text)] if text else []
    return new_code_cell(source, outputs=outputs)


def test_nbval_forgives_seconds_percentages_and_live_views(tmp_path):
    stored = new_output(
        "display_data", data={"image/png": "AAAA", "text/plain": "slider"}
    )
    cells = [printing(*case) for case in GOOD]
    cells.append(new_code_cell(SHOW_WIDGET, outputs=[stored]))
    assert nbval(tmp_path, cells) == (len(cells), 0)


def test_nbval_compares_everything_else(tmp_path):
    cells = [printing(*case) for case in BAD]
    assert nbval(tmp_path, cells) == (0, len(cells))


# --- the time budget ------------------------------------------------------------------


def test_a_notebook_far_over_its_measured_time_is_named():
    recorded = {"02": {"seconds": 10.0}}
    limit = 10 * conftest.ONE_THREAD * conftest.MARGIN
    seconds = {
        "notebooks/es/02.ipynb": limit + 1,
        "notebooks/en/02.ipynb": limit - 1,
        "notebooks/en/03.ipynb": 1e6,
    }
    complaints = conftest.over_budget(seconds, recorded)
    assert len(complaints) == 1
    assert complaints[0].startswith("notebooks/es/02.ipynb took 61 s")


def test_every_notebook_was_timed():
    names = {path.stem for path in run_notebooks.NOTEBOOKS.glob("e[sn]/*.ipynb")}
    recorded = json.loads(run_notebooks.DURATIONS.read_text(encoding="utf-8"))
    assert set(recorded["notebooks"]) == names
