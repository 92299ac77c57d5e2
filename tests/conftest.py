"""What tests of several folders need."""

import subprocess
import sys
from pathlib import Path

import pytest

from course_utils import locale

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def english():
    before = locale.language()
    locale.set_language("en")
    yield
    locale.set_language(before)


@pytest.fixture
def displayed(monkeypatch, english):
    """The images that a test of plots displays, in order."""
    import matplotlib.pyplot as plt

    from course_utils import plots

    images = []
    monkeypatch.setattr(plots, "display", images.append)
    plots.apply_style()
    yield images
    assert plt.get_fignums() == []  # else Jupyter would show the figure twice


@pytest.fixture
def loaded_by():
    """loaded_by(code, *modules) -> those of the modules that a new Python has then."""

    def loaded_by(code, *modules, flags=()):
        program = f"import sys; {code}; print(*({set(modules)} & set(sys.modules)))"
        done = subprocess.run(
            [sys.executable, *flags, "-c", program],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
        return done.stdout.split()

    return loaded_by
