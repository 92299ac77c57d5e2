"""The notebooks of the course, for the tests that go through all of them."""

from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted(ROOT.glob("notebooks/e[sn]/*.ipynb"))
NAMES = sorted({path.stem for path in PATHS})
LANGUAGES = ("es", "en")


def path(name: str, lang: str) -> Path:
    return ROOT / "notebooks" / lang / f"{name}.ipynb"


def read(name: str, lang: str) -> nbformat.NotebookNode:
    return nbformat.read(path(name, lang), as_version=4)
