"""Each notebook is fit to teach from, its pictures described, its outputs stored."""

import re
from urllib.parse import unquote

import nbformat
import pytest

import course
import rules

every_notebook = pytest.mark.parametrize(
    "path", course.PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}"
)


@every_notebook
def test_style(path):
    assert rules.style(nbformat.read(path, as_version=4)) == []


@every_notebook
def test_stored_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert rules.stored(notebook) == []


@every_notebook
def test_local_links_and_images_lead_somewhere(path):
    notebook = nbformat.read(path, as_version=4)
    addresses = rules.links(notebook)
    addresses += [address for _, address in rules.images(rules.markdown(notebook))]
    local = [a.partition("#")[0] for a in addresses if not re.match(r"\w+:|#", a)]
    missing = [a for a in local if not (path.parent / unquote(a)).exists()]
    assert missing == []


@every_notebook
def test_opening(path):
    """Title first, set-up cell before any other code, links to Colab and Binder."""
    notebook = nbformat.read(path, as_version=4)
    first = notebook.cells[0].source
    assert first.startswith("# ")
    assert [level for level, _ in rules.headings(notebook)].count(1) == 1
    for mark in ("badges", "seconds"):
        assert f"<!-- {mark} -->" in first
    assert "setup" in rules.tags(rules.code_cells(notebook)[0])
