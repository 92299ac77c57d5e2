"""tools/twins.py: the two languages as one text, and back."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import twins

ROOT = Path(__file__).resolve().parent.parent

TEXT = """\
%% markdown title
# Hola
=== en
# Hello

%% code cell-1 exercise nbval-ignore-output
shared = 1
es| if shared:
es|     word = "hola"
en| if shared:
en|     word = "hello"

last = 2
"""


def notebooks(text):
    pair = []
    for cells in twins.import_text(text).values():
        notebook = nbformat.v4.new_notebook()
        notebook.cells = cells
        pair.append(notebook)
    return pair


def test_import_gives_each_language_its_lines():
    es, en = notebooks(TEXT)
    assert es.cells[0].source == "# Hola"
    assert en.cells[0].source == "# Hello"
    assert es.cells[1].source == 'shared = 1\nif shared:\n    word = "hola"\n\nlast = 2'
    assert en.cells[1].metadata.tags == ["exercise", "nbval-ignore-output"]


def test_export_then_import_changes_nothing():
    pair = notebooks(TEXT)
    again = notebooks(twins.export_text(*pair))
    assert [[c.source for c in n.cells] for n in pair] == [
        [c.source for c in n.cells] for n in again
    ]
    assert [c.id for c in pair[0].cells] == [c.id for c in again[0].cells]


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks" / "es").glob("*.ipynb")))
def test_the_course_survives_the_round_trip(path):
    pair = [
        nbformat.read(ROOT / "notebooks" / lang / path.name, as_version=4)
        for lang in twins.LANGUAGES
    ]
    cells = twins.import_text(twins.export_text(*pair))
    for lang, notebook in zip(twins.LANGUAGES, pair, strict=True):
        assert [c.source for c in cells[lang]] == [
            c.source.strip("\n") for c in notebook.cells
        ]


def test_outputs_stay_where_the_source_did(tmp_path):
    path = tmp_path / "n.ipynb"
    twins.write(path, twins.import_text(TEXT)["es"])
    stored = nbformat.read(path, as_version=4)
    stored.cells[1].outputs = [nbformat.v4.new_output("stream", text="5")]
    stored.cells[1].execution_count = 7
    nbformat.write(stored, path)

    twins.write(path, twins.import_text(TEXT)["es"])
    assert nbformat.read(path, as_version=4).cells[1].execution_count == 7
    twins.write(path, twins.import_text(TEXT.replace("last = 2", "last = 3"))["es"])
    assert nbformat.read(path, as_version=4).cells[1].outputs == []


@pytest.mark.parametrize(
    "text, message",
    [
        ("loose words\n", "before the first cell"),
        ("%% prose a\nx\n=== en\ny\n", "line 1"),
        ("%% markdown a\nonly Spanish\n", "=== en"),
        ("%% code a\nx\n%% code a\ny\n", "used twice: a"),
    ],
)
def test_a_broken_text_is_refused_with_its_place(text, message):
    with pytest.raises(ValueError, match=message):
        twins.import_text(text)


def test_export_refuses_twins_that_do_not_pair():
    es, en = notebooks(TEXT)
    en.cells[1].id = "other"
    with pytest.raises(ValueError, match="cell ids differ"):
        twins.export_text(es, en)


def test_the_command_says_what_is_missing():
    command = [sys.executable, ROOT / "tools" / "twins.py", "export", "99_none"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1
    assert "99_none" in run.stderr and "Traceback" not in run.stderr
