"""The recorded drawings and the page's words, without a browser."""

import re
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from course_utils.data import preprocess_drawing
from course_utils.demos import networks
from course_utils.demos.mnist_words import _page_labels, page_words
from course_utils.demos.places import demos_folder
from course_utils.locale import language, set_language
from course_utils.widgets.drawing_pad import SENT, _labels
from mnist_drawings import odd, recorded

RECORDED = recorded()


def test_there_are_two_drawings_of_each_digit():
    assert Counter(d.digit for d in RECORDED) == dict.fromkeys(range(10), 2)
    points = np.concatenate([p for d in RECORDED for p in d.strokes])
    assert points.min() >= 0 and points.max() <= 280


@pytest.mark.parametrize("drawing", RECORDED, ids=lambda d: str(d.digit))
def test_the_pixels_are_those_of_the_strokes(drawing):
    sheet = Image.new("L", (280, 280))
    pen = ImageDraw.Draw(sheet)
    for stroke in drawing.strokes:
        pen.line([tuple(point) for point in stroke], fill=255, width=22)
        for x, y in stroke:  # round ends and joints, as the pad has them
            pen.ellipse((x - 11, y - 11, x + 11, y + 11), fill=255)
    expected = np.asarray(sheet.resize((SENT, SENT), Image.Resampling.BOX)) > 127
    found = drawing.pixels > 127
    shared, total = int((expected & found).sum()), int((expected | found).sum())
    assert shared / total > 0.9


def test_a_network_of_the_course_reads_them():
    model = networks.load("digits")
    seen = torch.stack([preprocess_drawing(d.pixels) for d in RECORDED])[:, None]
    mean, std = networks.MNIST["mean"], networks.MNIST["std"]
    with torch.no_grad():
        read = model((seen / 255 - mean) / std).argmax(1).tolist()
    right = sum(a == d.digit for a, d in zip(read, RECORDED, strict=True))
    assert right >= 18, read


@pytest.mark.parametrize("name", odd())
def test_odd_sheets_keep_their_ink_inside_the_image(name):
    seen = preprocess_drawing(odd()[name])
    assert seen.shape == (28, 28)
    assert seen.any() == (name != "empty")


def test_the_page_has_every_word_it_asks_for_and_no_other():
    folder = demos_folder() / "mnist_web"
    text = "".join(p.read_text(encoding="utf-8") for p in sorted(folder.glob("*.js")))
    html = (folder / "index.html").read_text(encoding="utf-8")
    used = set(re.findall(r"say\(\"(\w+)\"", text))
    used |= set(re.findall(r"words\.(\w+)\b(?!\()", text)) - {"json"}
    used |= set(re.findall(r"Failure\(\"(\w+)\"", text))
    used |= set(re.findall(r"^    (\w+)(?::|,$)", facts(text), re.MULTILINE))
    used |= set(re.findall(r"data-word=\"(\w+)\"", html))
    assert used == set(_page_labels())
    assert not set(_labels()) & set(_page_labels())


def facts(script):
    """The table of main.js whose keys are the names of words."""
    return re.search(r"const facts = \{(.*?)\};", script, re.DOTALL)[1]


def test_the_words_are_in_both_languages_and_the_language_stays():
    set_language("es")
    try:
        words = page_words()
        assert language() == "es"
    finally:
        set_language("en")
    assert set(words) == {"en", "es"}
    assert words["en"].keys() == words["es"].keys()
    same = [k for k, said in words["en"].items() if said == words["es"][k]]
    assert same == []
