"""The Spanish catalogue: complete, with the same placeholders, compiled and shipped."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from io import BytesIO
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

from course_utils import locale
from course_utils.locale import _, language, set_language

PACKAGE = Path(locale.__file__).parents[1]
PO = PACKAGE / "locale" / "es" / "LC_MESSAGES" / "course_utils.po"


@pytest.fixture(autouse=True)
def back_to_english():
    set_language("en")
    yield
    set_language("en")


def sentences():
    """(file:line, sentence) of each `_("...")` in course_utils."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "_"
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                place = f"{path.relative_to(PACKAGE).as_posix()}:{node.lineno}"
                found.append((place, node.args[0].value))
    return found


def catalogue(path=PO):
    with path.open("rb") as file:
        return read_po(file, locale="es")


def placeholders(sentence):
    """The names, conversions and formats between braces, with how often each stands."""
    parts = Formatter().parse(sentence)
    return Counter((n, spec, how) for _text, n, spec, how in parts if n is not None)


def test_every_sentence_has_a_translation():
    translated = {m.id: m.string for m in catalogue() if m.id}
    found = sentences()
    assert len(found) > 100
    missing = [f"{place}: {said}" for place, said in found if not translated.get(said)]
    assert not missing, "add these to course_utils.po:\n" + "\n".join(missing)


def test_translations_have_the_same_placeholders():
    pairs = [(m.id, m.string) for m in catalogue() if m.id]
    different = [p for p in pairs if placeholders(p[0]) != placeholders(p[1])]
    assert not different
    assert placeholders("{n} of {total:,}") == placeholders("{total:,}: {n}")
    assert placeholders("{n}") != placeholders("{m}")
    assert placeholders("{n:.1f}") != placeholders("{n}")


def test_no_translation_is_fuzzy_or_listed_twice():
    messages = [m for m in catalogue() if m.id]
    assert not [m.id for m in messages if m.fuzzy]
    text = PO.read_text(encoding="utf-8")
    assert text.count("\nmsgid ") - 1 == len(messages)  # babel keeps the last of two


def test_the_compiled_catalogue_is_that_of_the_po():
    compiled = BytesIO()
    write_mo(compiled, catalogue())
    compiled.seek(0)
    with PO.with_suffix(".mo").open("rb") as file:
        shipped = {m.id: m.string for m in read_mo(file) if m.id}
    assert shipped == {m.id: m.string for m in read_mo(compiled) if m.id}, (
        "run: pybabel compile -d course_utils/locale -D course_utils"
    )


def test_the_language_is_chosen_at_call_time():
    said = "Not attempted yet: write your answer in place of `...`."
    assert (language(), _(said)) == ("en", said)
    set_language("es")
    assert language() == "es"
    assert _(said) == "Sin intentar todavía: escribe tu respuesta en lugar de `...`."
    set_language("en")
    assert _(said) == said


@pytest.mark.parametrize("lang", ["en", "es"])
def test_a_sentence_without_translation_stays_as_it_is(lang):
    set_language(lang)
    assert _("never translated {n}") == "never translated {n}"
    assert _("") == ""


@pytest.mark.parametrize("lang", ["fr", "ES", "es_MX", "", None, 3, ["es"], "../es"])
def test_an_unknown_language_is_refused_with_a_sentence(lang):
    set_language("es")
    with pytest.raises(ValueError, match=r'usa uno de "en", "es"'):
        set_language(lang)
    assert language() == "es"


def test_the_catalogue_and_the_demos_travel_in_the_wheel(tmp_path):
    pytest.importorskip("setuptools")
    source = tmp_path / "source"
    root = PACKAGE.parent
    for folder in ("course_utils", "demos"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / folder, source / folder, ignore=ignored)
    for path in root.glob("*"):
        if path.suffix in (".toml", ".md", "") and path.is_file():
            shutil.copy(path, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    options = ["--no-build-isolation", "--no-index", "--wheel-dir", str(tmp_path)]
    built = subprocess.run(
        [*pip, *options, str(source)], capture_output=True, text=True, cwd=tmp_path
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
        carried = archive.namelist()
    for path in (source / "demos").rglob("*.*"):
        name = f"/data/share/deep-learning-medical-images/{path.relative_to(source)}"
        assert any(n.endswith(name) for n in carried), name
    scripts = (source / "course_utils" / "demos").rglob("*.js")
    assert {str(path.relative_to(source)) for path in scripts} <= set(carried)
    code = (
        "import course_utils.locale as l; l.set_language('es');"
        "print(l.__file__); print(ascii(l._('Almost: {reason}')))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert ran.returncode == 0, ran.stderr
    place, said = ran.stdout.splitlines()[-2:]
    assert Path(place).is_relative_to(tmp_path / "installed")
    assert said == "'Casi: {reason}'"
