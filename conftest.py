"""What every test runs under: pinned arithmetic, no network, a time budget."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

import reproducible

ROOT = Path(__file__).parent
# The notebooks' settings say CI=1: what the caller said is kept under its own name.
os.environ.setdefault("COURSE_TESTS_IN_CI", os.environ.get("CI", ""))
reproducible.apply()  # before anything imports torch

import loopback_only  # noqa: E402, F401  from here on, no connection beyond this machine

os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT / "tests" / "offline"), *filter(None, [os.environ.get("PYTHONPATH")])]
)

from xdist.scheduler import LoadFileScheduling  # noqa: E402

# A notebook under test has one thread where the measured run had two, beside another
# test on the other core; three times that is no longer a busy machine but a slow cell.
ONE_THREAD, MARGIN = 2, 3

notebook_seconds: Counter[str] = Counter()


class Scheduling(LoadFileScheduling):
    """A worker takes a file at a time; an id of own-worker counts as a file."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if "[own-worker-" in nodeid else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return Scheduling(config, log)


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        # On a machine where matplotlib never ran, the first cell that draws would print
        # that the font cache is being built, and nbval would see a changed output.
        import matplotlib.font_manager  # noqa: F401


def over_budget(seconds: dict[str, float], recorded: dict[str, dict]) -> list[str]:
    """A sentence for each notebook that took far longer than it was measured to.

    seconds: what the run took, by path ("notebooks/es/02_cnn_mnist.ipynb").
    recorded: the "notebooks" of notebooks/durations.json, by name ("02_cnn_mnist").
    """
    complaints = []
    for path, took in sorted(seconds.items()):
        measured = recorded.get(Path(path).stem)
        if measured is None:
            continue
        budget = measured["seconds"] * ONE_THREAD * MARGIN
        if took > budget:
            complaints.append(f"{path} took {took:.0f} s, its budget is {budget:.0f} s")
    return complaints


def pytest_runtest_logreport(report):
    path = report.nodeid.partition("::")[0]
    if path.endswith(".ipynb"):
        notebook_seconds[path] += report.duration


def pytest_sessionfinish(session):
    durations = ROOT / "notebooks" / "durations.json"
    if hasattr(session.config, "workerinput") or not durations.exists():
        return
    recorded = json.loads(durations.read_text(encoding="utf-8"))["notebooks"]
    session.config.slow_notebooks = over_budget(notebook_seconds, recorded)
    if session.config.slow_notebooks and session.exitstatus == 0:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter, config):
    for complaint in getattr(config, "slow_notebooks", []):
        terminalreporter.write_line(f"FAILED time budget: {complaint}", red=True)
