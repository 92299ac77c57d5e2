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


# What a notebook must reach on the test data: cell, where its number stands, at least.
PROMISES = {
    "01_mlp_regression": ("final-table", r"\| MLP \|.*\| ([\d.]+) \([^|]*\) \|", 0.45),
    "02_cnn_mnist": ("test", r"([\d.]+) ?%", 98.5),
    "03_cnn_sign_language": ("test", r"\*\*([\d.]+)%", 77.0),
}


def keeps_its_promise(notebook, name):
    """Whether the number that the promised cell prints is high enough."""
    if name not in PROMISES:
        return True
    cell_id, number, least = PROMISES[name]
    (cell,) = [c for c in notebook.cells if c.id == cell_id]
    said = cell.outputs[0].data["text/markdown"]
    return float(re.search(number, said)[1]) >= least


@every_notebook
def test_stored_outputs_keep_the_promise(path):
    assert keeps_its_promise(nbformat.read(path, as_version=4), path.stem)


# One run of a whole notebook each: conftest.py gives ids of own-worker a worker each.
@pytest.mark.parametrize(
    "path",
    course.PATHS,
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
    assert keeps_its_promise(notebook, path.stem)
