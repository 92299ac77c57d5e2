"""A folder ready to be pushed as a Hugging Face Space: the app and its networks.

`python -m course_utils.demos space --out FOLDER` fills it. What the app needs lies in
the folder: nothing is fetched when it runs.
"""

import os
import re
import shutil
from pathlib import Path

from course_utils.data import sources
from course_utils.demos import networks
from course_utils.demos.places import demos_folder
from course_utils.guards import need
from course_utils.locale import LANGUAGES, _

PAGE = ("app.py", "README.md", "requirements.txt")  # of demos/gradio
CARDS = (".pt", ".json", ".md", ".es.md")  # of each network
# Of the package: code and what it reads, neither caches nor a learner's own files.
KEPT = (".py", ".js", ".css", ".csv", ".json", ".mo")
# By this file course_utils takes a folder for a clone, and finds demos/ in it.
MARK = '[project]\nname = "deep-learning-medical-images-space"\nversion = "0"\n'


def fill(folder: str | Path, lang: str = "es") -> Path:
    """Write everything that a Space needs into a folder.

    folder: made where it is not there, and refused where it is not empty. lang: "es" or
        "en", of the app.
    Returns the folder. Written beside and moved when whole. Raises ValueError for a
    folder with something in it, or another language; RuntimeError where the course's
    demos or the weights of a network are missing.
    """
    need("space", "lang", lang, lang in LANGUAGES, " | ".join(LANGUAGES))
    folder = Path(folder).expanduser()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ValueError(
            _("{folder} is not an empty folder: name another, or empty it.").format(
                folder=folder
            )
        )
    folder.mkdir(parents=True, exist_ok=True)
    with sources.staging(folder) as beside:
        _copy_page(beside, lang)
        _copy_networks(beside / "demos" / "weights")
        _copy_package(beside / "course_utils")
        (beside / "pyproject.toml").write_text(MARK, encoding="utf-8")
        for path in beside.iterdir():
            os.replace(path, folder / path.name)
    return folder


def _copy_page(folder: Path, lang: str) -> None:
    for name in PAGE:
        shutil.copyfile(demos_folder() / "gradio" / name, folder / name)
    app = folder / "app.py"
    code = app.read_text(encoding="utf-8")
    code = re.sub(r'^LANG = "\w+"', f'LANG = "{lang}"', code, flags=re.MULTILINE)
    app.write_text(code, encoding="utf-8")


def _copy_networks(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in networks.NETWORKS:
        weights = networks.shipped(name)
        if not weights.is_file():
            raise RuntimeError(
                _(
                    "There is no file {path}: train the network first, by "
                    "python -m course_utils.demos train {name}."
                ).format(path=weights, name=name)
            )
        for ending in CARDS:
            card = weights.with_name(name + ending)
            if card.is_file():
                shutil.copyfile(card, folder / card.name)


def _copy_package(folder: Path) -> None:
    package = Path(__file__).resolve().parents[1]
    for path in sorted(package.rglob("*")):
        if path.suffix in KEPT and "__pycache__" not in path.parts:
            target = folder / path.relative_to(package)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
