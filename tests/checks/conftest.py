"""Each test begins as a new session does: no failure yet, and in English."""

import pytest

from course_utils import checks
from course_utils.locale import set_language

pytest.register_assert_rewrite("check_frame")


@pytest.fixture(autouse=True)
def fresh_session():
    checks._failures.clear()
    set_language("en")
    yield
    set_language("en")


@pytest.fixture
def shown(monkeypatch):
    """What `check` displays, in order."""
    displayed = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    return displayed
