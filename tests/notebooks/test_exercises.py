"""Exercises: form, stubs that say not attempted, solutions that pass their checks."""

import re

import nbformat
import pytest

import course
import rules
import run_notebooks
from course_utils import locale
from course_utils.locale import _

every_notebook = pytest.mark.parametrize(
    "path", course.PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}"
)


@pytest.fixture
def in_language_of():
    """Sets the language of course_utils to a notebook's, and back afterwards."""
    before = locale.language()
    yield lambda path: locale.set_language(path.parent.name)
    locale.set_language(before)


@every_notebook
def test_form(path):
    notebook = nbformat.read(path, as_version=4)
    assert len(rules.exercises(notebook)) >= 6
    assert rules.exercise_form(notebook) == []


@every_notebook
def test_untouched_stubs_say_not_attempted(path, in_language_of):
    in_language_of(path)
    sentence = _("Not attempted yet: write your answer in place of `...`.")
    notebook = nbformat.read(path, as_version=4)
    for cell, _answer in rules.exercises(notebook):
        said = rules.printed(cell)
        assert said.count(sentence) == len(rules.checks(cell.source)), (cell.id, said)


# What the words of a notebook rest on: a cell, the numbers it prints, what they keep.
PROMISES = {
    "01_mlp_regression": [
        ("final-table", r"\| MLP \|.*\| ([\d.]+) \([^|]*\) \|", lambda r2: r2 >= 0.45)
    ],
    "02_cnn_mnist": [("test", r"([\d.]+) ?%", lambda accuracy: accuracy >= 98.5)],
    "03_cnn_sign_language": [
        ("test", r"\*\*([\d.]+)%", lambda accuracy: accuracy >= 77),
        (
            "trap-said",
            r"(\d+)%\D+(\d+)%\D+(\d+)%\D+(\d+)%",
            lambda random, test, photo, again: (
                random - test >= 15 and abs(photo - again) <= 15
            ),
        ),
        (
            "depth-plot",
            r"(\d\.\d\d)\D+(\d\.\d\d)\D*$",
            lambda plain, residual: plain > 5 * residual,
        ),
        (
            "gradient-plot",
            r" (\d+) \D+ (\d+) \D+$",
            lambda plain, residual: plain > 2 * residual,
        ),
        (
            "deletion",
            r"Grad-CAM ([\d.]+), .* ([\d.]+)\.$",
            lambda grad_cam, chance: grad_cam < chance - 0.03,
        ),
    ],
    "04_unet_brats": [
        (
            "test-table",
            r"\| U-Net \| ([\d.]+) [^|]*\| ([\d.]+) [^|]*\| ([\d.]+) ",
            lambda wt, tc, et: wt >= 0.88 and tc >= 0.7 and et >= 0.68,
        ),
        (
            "ceiling-plot",
            r"1/8\D+(\d+)%\D+(\d+)%\D+(\d+)%",
            lambda wt, tc, et: wt < tc < et and et >= 60,
        ),
        ("imbalance", r" ([\d.]+)%\D*$", lambda right: right >= 97),
        (
            "losses-compare",
            r"BCE (?:\|[^|]*){3}\| (\d+)% \|\n\| Dice (?:\|[^|]*){3}\| (\d+)%",
            lambda bce, dice: bce <= 5 and 45 <= dice <= 55,
        ),
        (
            "mistake-split",
            r"\| ([\d.]+) \|\n\|[^|]*\| ([\d.]+) \|",
            lambda saw, never: saw >= never + 0.1,
        ),
        (
            "mistake-count",
            r"BraTS\) \| ([\d.]+) \|\n\|[^|]*\| ([\d.]+) \|\n\|[^|]*\| ([\d.]+) ",
            lambda brats, slices, background: min(slices, background) > brats + 0.02,
        ),
        ("mistake-labels", r"TC (\d\.\d+)", lambda tc: tc < 0.6),
        (
            "mistake-norm",
            r": (\d\.\d+)\D+(\d\.\d+)\D*$",
            lambda own, common: own >= common + 0.1,
        ),
    ],
}


def broken_promises(notebook, name):
    """The cells whose printed numbers are not what the notebook says of them."""
    cells = {cell.id: cell for cell in notebook.cells}
    broken = []
    for cell_id, numbers, kept in PROMISES.get(name, []):
        (said,) = [
            output.data["text/markdown"]
            for output in cells[cell_id].outputs
            if "text/markdown" in output.get("data", {})
        ]
        found = re.search(numbers, said)
        if not found or not kept(*map(float, found.groups())):
            broken.append((cell_id, said))
    return broken


@every_notebook
def test_stored_outputs_keep_the_promise(path):
    assert broken_promises(nbformat.read(path, as_version=4), path.stem) == []


# One run of a whole notebook each: conftest.py gives ids of own-worker a worker each.
# Twins have the same code, solutions included (test_parity.py): one of each pair is
# run, in turn the Spanish and the English one.
@pytest.mark.parametrize(
    "path",
    [course.path(name, "es" if i % 2 else "en") for i, name in enumerate(course.NAMES)],
    ids=lambda path: f"own-worker-{path.parent.name}-{path.stem}",
)
def test_solutions_pass_their_checks(path, in_language_of):
    in_language_of(path)
    correct = _("Correct. {remark}").format(remark="").strip()
    notebook = rules.solved(nbformat.read(path, as_version=4))
    run_notebooks.execute(notebook, path.parent)
    for cell, _answer in rules.exercises(notebook):
        lines = rules.printed(cell).splitlines()
        passed = sum(line.startswith(correct) for line in lines)
        assert passed == len(rules.checks(cell.source)), (cell.id, lines)
    assert broken_promises(notebook, path.stem) == []
