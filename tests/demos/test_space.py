"""The folder of a Space: what lies in it, and that it runs on its own."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from course_utils.demos import networks, space
from course_utils.demos.places import demos_folder
from course_utils.locale import set_language

ROOT = Path(__file__).resolve().parents[2]
parametrize = pytest.mark.parametrize


@pytest.fixture(autouse=True)
def english():
    set_language("en")


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    return space.fill(tmp_path_factory.mktemp("space") / "new", "es")


def header(folder):
    return yaml.safe_load((folder / "README.md").read_text("utf-8").split("---")[1])


def names(folder, *patterns):
    found = (p for pattern in patterns for p in folder.rglob(pattern))
    return {p.relative_to(folder).as_posix() for p in found if "__pycache__" not in
            p.parts}  # fmt: skip


def test_what_the_app_needs_is_in_the_folder_and_nothing_else(filled):
    tops = {path.name for path in filled.iterdir()}
    expected = {"app.py", "README.md", "requirements.txt", "pyproject.toml"}
    assert tops == expected | {"course_utils", "demos"}
    kinds = "*.py", "*.js", "*.css", "*.csv", "*.mo"
    package = names(ROOT / "course_utils", *kinds)
    assert names(filled / "course_utils", *kinds) == package
    weights = {f"weights/{name}.pt" for name in networks.NETWORKS}
    assert names(filled / "demos", "*.pt") == weights
    for card in (".json", ".md", ".es.md"):
        cards = {name.replace(".pt", card) for name in weights}
        assert cards <= names(filled / "demos", "*")
    every = [path for path in filled.rglob("*") if path.is_file()]
    assert not [p for p in every if p.suffix in (".npz", ".npy", ".part", ".pyc")]
    assert sum(path.stat().st_size for path in every) < 5 * 2**20


def test_the_header_says_what_hugging_face_asks_for(filled):
    said = header(filled)
    assert said["sdk"] == "gradio"
    assert (filled / said["app_file"]).is_file()
    assert len(said["short_description"]) <= 60
    pins = (ROOT / "constraints.txt").read_text("utf-8")
    assert f"gradio=={said['sdk_version']}\n" in pins


def test_the_readme_says_that_it_is_no_medical_device(filled):
    text = (filled / "README.md").read_text("utf-8")
    assert "not a medical device" in text
    assert "No es un dispositivo médico" in text


def test_the_space_asks_for_what_the_course_asks_for(filled):
    def asked(path):
        lines = (line.partition("#")[0].strip() for line in
                 path.read_text("utf-8").splitlines())  # fmt: skip
        found = (Requirement(x) for x in lines if x and not x.startswith("--"))
        return {r.name: r.specifier for r in found}

    course = asked(ROOT / "requirements.txt")
    wanted = asked(filled / "requirements.txt")
    assert wanted.items() - {("pillow", wanted["pillow"])} <= course.items()


@parametrize("lang", ["es", "en"])
def test_the_language_is_set(tmp_path, lang):
    folder = space.fill(tmp_path / lang, lang)
    assert f'\nLANG = "{lang}"' in (folder / "app.py").read_text("utf-8")


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    mine = tmp_path / "thesis.txt"
    mine.write_text("mine")
    with pytest.raises(ValueError, match="is not an empty folder"):
        space.fill(tmp_path)
    with pytest.raises(ValueError, match="is not an empty folder"):
        space.fill(mine)
    assert mine.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [mine]


def test_another_language_is_refused(tmp_path):
    with pytest.raises(ValueError, match="got 'fr'"):
        space.fill(tmp_path / "new", "fr")
    assert not (tmp_path / "new").exists()


def test_without_weights_the_folder_stays_empty(tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "shipped", lambda name: tmp_path / f"{name}.pt")
    with pytest.raises(RuntimeError, match=r"no file .*digits\.pt: train"):
        space.fill(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def served(script, folder):
    """The page that a script serves when it is run from another folder."""
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                with urllib.request.urlopen(found[0], timeout=60) as page:
                    return page.read().decode("utf-8")
        pytest.fail("".join(said))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def config(page):
    """The components of a page of Gradio, as text."""
    start = page.index("window.gradio_config = ") + len("window.gradio_config = ")
    found, _end = json.JSONDecoder().raw_decode(page[start:])
    return json.dumps(found["components"], ensure_ascii=False)


def test_the_filled_folder_runs_on_its_own(filled, tmp_path):
    # A mark, to see that it is this copy that runs.
    words = filled / "course_utils" / "demos" / "gradio_app" / "words.py"
    code = words.read_text("utf-8")
    words.write_text(code.replace('_("Digits")', '"Digits of this copy"'), "utf-8")
    said = config(served(filled / "app.py", tmp_path))
    assert "Digits of this copy" in said
    assert "no un dispositivo médico" in said


STUB = """
import runpy, sys, types
app = types.SimpleNamespace(launch=lambda: print("launched"))
stub = types.ModuleType("course_utils.demos.gradio_app")
stub.build_app = lambda lang: print(lang, sys.path[0], sep="|") or app
sys.modules[stub.__name__] = stub
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def test_the_script_of_a_clone_runs_from_anywhere(tmp_path):
    script = demos_folder() / "gradio" / "app.py"
    said = subprocess.run(
        [sys.executable, "-c", STUB, str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.splitlines() == [f"es|{ROOT}", "launched"]
