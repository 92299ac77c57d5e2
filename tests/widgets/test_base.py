"""The picture behind a widget, and the two ways to print panels."""

import base64
import io
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from course_utils.widgets.base import (
    VIEW,
    Box,
    Curve,
    Dot,
    Interactive,
    Panel,
    Picture,
    Text,
    panels_to_html,
    panels_to_png,
)

ALT = "A red square beside the word maximum."
RED = np.full((2, 2, 3), (255, 0, 0), dtype=np.uint8)


@pytest.fixture
def panel():
    shapes = [
        Picture(10, 10, 40, 40, RED),
        Box(10, 10, 40, 40, "#0000FF", 2, dashed=True),
        Box(0, 60, 100, 0, "#0000FF", 1),
        Text(50, 80, "a < b & $x_1$", 12, "#000000", "left"),
    ]
    return Panel(shapes, 'says "a < b"', 100, 100)


@pytest.fixture
def png(panel):
    return panels_to_png([panel])


@pytest.mark.parametrize("library", ["ipywidgets", "anywidget"])
def test_the_bundle_holds_the_view_the_picture_and_its_description(png, library):
    if library == "ipywidgets":
        widget = pytest.importorskip("ipywidgets").HTML("live")
    else:
        base = pytest.importorskip("anywidget").AnyWidget
        widget = type("Pad", (base,), {"_esm": "export default {}"})()
    data, metadata = Interactive(widget, png, ALT)._repr_mimebundle_()
    assert data[VIEW]["model_id"] == widget.model_id
    assert base64.b64decode(data["image/png"]) == png
    assert metadata["image/png"]["alt"] == ALT
    assert data["text/plain"] == ALT


def test_the_view_of_an_ipywidgets_7_widget_is_found_too(png):
    """Colab's ipywidgets 7.7 has no _repr_mimebundle_, only the model's id."""
    data, _ = Interactive(SimpleNamespace(model_id="abc"), png, ALT)._repr_mimebundle_()
    assert data[VIEW] == {"version_major": 2, "version_minor": 0, "model_id": "abc"}


def test_ipython_displays_it_with_the_metadata(png):
    from IPython.core.interactiveshell import InteractiveShell
    from ipywidgets import HTML

    shell = InteractiveShell.instance()
    data, metadata = shell.display_formatter.format(Interactive(HTML(), png, ALT))
    assert data.keys() == {"text/plain", VIEW, "image/png"}
    assert metadata["image/png"]["alt"] == ALT


def test_the_plain_text_is_the_same_from_run_to_run(png):
    from ipywidgets import HTML

    twins = [Interactive(HTML(), png, ALT) for _ in range(2)]
    texts = {twin._repr_mimebundle_()[0]["text/plain"] for twin in twins}
    assert texts == {ALT} == set(map(repr, twins))


@pytest.mark.parametrize(
    ("png", "alt", "message"),
    [
        (b"GIF89a", ALT, "PNG file"),
        (b"", ALT, "PNG file"),
        (None, "  ", "alt is empty"),
    ],
)
def test_a_missing_picture_or_description_is_refused(panel, png, alt, message):
    png = panels_to_png([panel]) if png is None else png
    with pytest.raises(ValueError, match=message):
        Interactive(object(), png, alt)


def test_svg_has_every_shape_and_escapes_text(panel):
    html = panels_to_html([panel, panel])
    assert html.count("<svg") == html.count("</svg>") == 2
    assert html.count('role="img"') == 2
    assert html.count('aria-label="says &quot;a &lt; b&quot;"') == 2
    assert "a &lt; b &amp; $x_1$</text>" in html
    assert 'd="M0.0 60.0h100.0v0.0h-100.0z"' in html  # a line: a box without height
    assert html.count("stroke-dasharray") == 2
    source = re.search(r"data:image/png;base64,([^\"]+)", html)[1]
    pixels = Image.open(io.BytesIO(base64.b64decode(source)))
    assert np.array_equal(np.asarray(pixels), RED)


def test_png_shows_the_shapes_where_the_svg_has_them(panel):
    image = Image.open(io.BytesIO(panels_to_png([panel, panel])))
    assert image.size == (363, 186)  # 1.5 x (two of 100, margins 12, a gap of 18)
    pixels = image.convert("RGB")
    for left in (12, 12 + 100 + 18):
        assert pixels.getpixel((1.5 * (left + 30), 1.5 * (12 + 30))) == (255, 0, 0)
        assert pixels.getpixel((1.5 * (left + 90), 1.5 * (12 + 30))) == (255, 255, 255)


GAPPED = np.array([[5, 5], [25, 5], [np.nan, 5], [50, 5], [70, 5], [70, 25], [90, 0]])


def test_a_curve_is_broken_at_nan_and_drawn_in_one_path():
    html = panels_to_html([Panel([Curve(GAPPED, "#000000", 2)], "", 100, 30)])
    assert 'd="M5.0 5.0 25.0 5.0M50.0 5.0 70.0 5.0 70.0 25.0 90.0 0.0"' in html
    assert 'fill="none"' in html and "nan" not in html


@pytest.mark.parametrize(
    "points", [np.empty((0, 2)), np.full((3, 2), np.nan), np.array([[1.0, 2.0]])]
)
def test_a_curve_without_two_points_draws_nothing(points):
    panel = Panel([Curve(points, "#000000", 2)], "", 50, 30)
    assert 'd=""' in panels_to_html([panel])
    assert (np.asarray(pixels_of([panel])) == 255).all()


def test_the_filled_shapes_are_the_same_in_svg_and_png():
    shapes = [
        Box(0, 0, 20, 20, "#0000FF", 1, fill="#FF0000"),
        Box(30, 0, 20, 20, "#0000FF", 1, fill="#FF0000", radius=8),
        Dot(70, 10, 10, "#00FF00", edge="#000000"),
        Curve(np.array([[90, 0], [110, 0], [90, 20]]), "none", 0, fill="#0000FF"),
    ]
    panel = Panel(shapes, "", 120, 30)
    html = panels_to_html([panel])
    assert html.count('fill="#FF0000"') == 2 and html.count("a8 8 0 0 1") == 4
    assert '<circle cx="70.0" cy="10.0" r="10.0" fill="#00FF00"' in html
    assert 'd="M90.0 0.0 110.0 0.0 90.0 20.0" fill="#0000FF"' in html
    pixels = pixels_of([panel])

    def at(x, y):
        return pixels.getpixel((int(1.5 * (12 + x)), int(1.5 * (12 + y))))

    assert at(10, 10) == at(40, 10) == (255, 0, 0)
    assert at(2, 2) == (255, 0, 0) and at(30.5, 0.5) == (255, 255, 255)  # the corner
    assert at(70, 10) == (0, 255, 0) and at(61, 1) == (255, 255, 255)
    assert at(95, 4) == (0, 0, 255) and at(108, 18) == (255, 255, 255)


def pixels_of(panels):
    return Image.open(io.BytesIO(panels_to_png(panels))).convert("RGB")


def test_panels_of_different_heights_are_aligned_at_the_top():
    html = panels_to_html([Panel([], "", 50, 40), Panel([], "", 50, 70)])
    assert html.count('viewBox="-3 -3 56 76"') == 2


def test_importing_the_package_loads_no_widget():
    code = (
        "import sys, course_utils.widgets as w;"
        "assert 'convolution_explorer' in dir(w);"
        "assert 'course_utils.widgets.convolution' not in sys.modules;"
        "assert callable(w.convolution_explorer);"
        "from course_utils.widgets import convolution_explorer;"
        "assert 'course_utils.widgets.drawing_pad' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "first",
    [
        "from course_utils.widgets import drawing_pad",
        "import course_utils.widgets.drawing_pad",
        "from course_utils.widgets.drawing_pad import drawing_pad",
    ],
)
def test_drawing_pad_is_the_function_whatever_is_imported_first(first):
    code = f"{first}; from course_utils.widgets import drawing_pad as pad; assert "
    code += "type(pad).__name__ == 'function'"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("first", ["", "import course_utils.widgets.backpropagation;"])
def test_every_name_is_a_function_also_one_that_a_module_shares(first):
    code = f"{first}import course_utils.widgets as w;"
    code += "assert all(type(getattr(w, n)).__name__ == 'function' for n in w.__all__)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_widget_is_an_attribute_error():
    import course_utils.widgets

    with pytest.raises(AttributeError, match="no attribute 'piano'"):
        course_utils.widgets.piano  # noqa: B018
