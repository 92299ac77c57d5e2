"""One browser for all tests of this folder: Debian's, the system's, or playwright's."""

import os
import shutil
from pathlib import Path

import pytest

from course_utils import locale

pytest.register_assert_rewrite("jupyterlab_page")

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
NAMES = ["chromium", "chromium-browser", "google-chrome", "chrome"]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No name is looked up beyond this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]


def launched(playwright):
    """The first browser that starts. Raises playwright's Error where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    ways = [{"executable_path": found}] if found else [{}, {"channel": "chrome"}]
    for way in ways[:-1]:
        try:
            return playwright.chromium.launch(args=FLAGS, **way)
        except Exception:  # whatever is wrong with it, the next may do
            continue
    return playwright.chromium.launch(args=FLAGS, **ways[-1])


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium. Skips where there is none, but on CI that is a failure."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            browser = launched(playwright)
        except Error as error:
            reason = (
                "no browser: install Chromium, or run `playwright install chromium`"
            )
            if os.environ["COURSE_TESTS_IN_CI"]:
                pytest.fail(f"{reason}\n{error}")
            pytest.skip(reason)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def artifacts():
    """The folder for screenshots."""
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS


@pytest.fixture
def spanish():
    """The language of the notebooks, for the names of the controls."""
    locale.set_language("es")
    yield
    locale.set_language("en")
