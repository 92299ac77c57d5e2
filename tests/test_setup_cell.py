"""The set-up cell where the project is not on the disk, as on Colab.

A new virtual environment sees the packages of the running one (PyTorch is too large to
install again) but not course_utils; the repository's address is a local git clone.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import sync

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = [
    "course_utils",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "LICENSE-CONTENT.md",
]
STUB = """\
import os
from pathlib import Path

def enable_custom_widget_manager():
    Path(os.environ["STUB_LOG"]).write_text("enabled")
"""
NEXT_CELL = """\
import course_utils
from course_utils import data, widgets
from course_utils.locale import language
from pathlib import Path
home = Path(course_utils.__file__).parent
print("language", language())
print("home", home)
for kind in ("*.mo", "*.js"):
    print(kind, len(list(home.rglob(kind))))
"""
pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


def run(*command, **options):
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", **options
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A git repository with what the project would publish, as it is now."""
    folder = tmp_path_factory.mktemp("published")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in PUBLISHED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy(source, folder / name)
    author = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (
        ["init", "-q"],
        ["add", "."],
        [*author, "commit", "-qm", "published"],
    ):
        run("git", *command, cwd=folder)
    return folder


@pytest.fixture
def colab(tmp_path):
    """A new environment: its Python, and the variables to run it under."""
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", venv)
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    inside = Path(run(python, "-c", ask).strip())
    # Python 3.11 brings an old setuptools along, which would hide the running one's.
    run(python, "-m", "pip", "uninstall", "-q", "-y", "setuptools")
    here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (inside / "running.pth").write_text("\n".join(here), encoding="utf-8")
    stub = tmp_path / "stub" / "google" / "colab"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text("")
    (stub / "output.py").write_text(STUB)
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(stub.parents[1]), os.environ["PYTHONPATH"]]),
        "STUB_LOG": str(tmp_path / "stub.log"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's own odd spelling: 0 means no isolation
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    return python, env


def execute(cells, python, env, folder):
    folder.mkdir(parents=True)
    script = folder / "cells.ipy"
    script.write_text("\n".join(cells), encoding="utf-8")
    return run(python, "-m", "IPython", "--colors=NoColor", script, cwd=folder, env=env)


def test_it_installs_what_the_next_cell_imports(repository, colab, tmp_path):
    python, env = colab
    cell = sync.setup_cell("es", sync.address())
    assert sync.address() in cell
    cell = cell.replace(sync.address(), f"file://{repository.as_posix()}")
    said = execute([cell, NEXT_CELL], python, env, tmp_path / "content" / "drive")
    assert "language es" in said
    home = Path(said.partition("home ")[2].partition("\n")[0])
    assert (python.parents[1]).resolve() in home.resolve().parents
    assert (tmp_path / "stub.log").read_text() == "enabled"
    for kind in ("*.mo", "*.js"):
        there = len(list((ROOT / "course_utils").rglob(kind)))
        assert f"{kind} {there}\n" in said and there


def test_a_checkout_is_used_as_it_is(tmp_path):
    """Where the project lies around the notebook, nothing is installed."""
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT / "course_utils", copy / "course_utils")
    cell = sync.setup_cell("en", "https://github.com/nobody/nothing")
    folder = copy / "notebooks" / "en"
    said = execute([cell, NEXT_CELL], sys.executable, dict(os.environ), folder)
    home = Path(said.partition("home ")[2].partition("\n")[0])
    assert home.resolve() == (copy / "course_utils").resolve()
