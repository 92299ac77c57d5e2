"""Three class-activation maps side by side: their numbers, drawing, and controls."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from course_utils.explain import METHODS, class_map
from course_utils.widgets.class_maps import (
    HALF,
    SIDE,
    STRONGEST,
    TINT,
    TOP,
    Explained,
    Subject,
    _outline,
    _panels,
    class_maps,
    describe,
    enlarged,
    explain,
    render_html,
    render_png,
    tinted,
)
from widget_parts import nameless

CLASSES = ("A", "B", "C", "D", "E")


def normalize(images):
    return images.float() / 255 - 0.5


@pytest.fixture
def arguments():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 6, 3, stride=2, padding=1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU()),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    ).eval()
    model[4].weight.data *= 5
    images = torch.randint(256, (6, 1, 16, 16), dtype=torch.uint8)
    return {
        "model": model,
        "images": images,
        "normalize": normalize,
        "classes": CLASSES,
        "layers": {"late": model[1], "early": model[0]},
    }


@pytest.fixture
def widget(arguments):
    return class_maps(**arguments)


def shown(**changes):
    """A made-up state, with a maximum in another corner for each method."""
    maps = {method: np.zeros((6, 6), dtype=np.float32) for method in METHODS}
    maps["gradcam"][0, 5] = 1
    maps["gradcam++"][3, 2] = 1
    values = {
        "picture": np.full((12, 12, 3), 90, dtype=np.uint8),
        "place": 2,
        "layer": "block3",
        "classes": CLASSES,
        "probabilities": np.array([0.05, 0.62, 0.2, 0.1, 0.03], dtype=np.float32),
        "target": 1,
        "maps": maps,
        "milliseconds": {"gradcam": 1.26, "gradcam++": 2, "scorecam": 61.24},
    }
    return Explained(**values | changes)


# --- the maps


def test_the_maps_are_those_of_the_methods(arguments):
    now = explain(Subject(**arguments), place=3, layer="early", target=4)
    x, target = normalize(arguments["images"][2:3]), torch.tensor([4])
    model = arguments["model"]
    for method in METHODS:
        expected = class_map(model, x, model[0], target, method)[0]
        assert np.array_equal(now.maps[method], expected) and expected.shape == (8, 8)
        assert now.milliseconds[method] > 0
    p = model(x).softmax(1)[0].detach()
    assert np.allclose(now.probabilities, p, atol=1e-6)
    assert (now.picture == arguments["images"][2, 0][..., None].numpy()).all()


def test_the_first_layer_and_the_predicted_class_come_first(arguments):
    now = explain(Subject(**arguments))
    assert now.layer == "late" and now.place == 1
    assert now.target == now.probabilities.argmax()


def test_a_map_is_enlarged_about_the_middles_of_its_values():
    large = enlarged(np.array([[0, 1], [0, 1]], dtype=np.float32), 4, 4)
    assert np.allclose(large, [[0, 0.25, 0.75, 1]] * 4)


# --- words


def test_the_description_names_answers_and_peaks():
    assert describe(shown()) == (
        "Image 2: the network answers B 62%, C 20%, D 10%. What speaks for B in layer "
        "block3 is strongest here: Grad-CAM: upper right; Grad-CAM++: centre; "
        "Score-CAM: nowhere, the map is 0."
    )


def test_a_class_beyond_the_three_first_is_the_fourth_answer():
    text = describe(shown(target=4))
    assert "D 10%, E 3%. What speaks for E" in text
    two = shown(classes=("x", "y"), probabilities=np.array([0.3, 0.7]), target=0)
    assert "answers y 70%, x 30%. What" in describe(two)


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (0, 0, "upper left"),
        (1, 3, "top centre"),
        (2, 5, "right edge"),
        (3, 1, "left edge"),
        (5, 1, "lower left"),
        (4, 2, "bottom centre"),
        (4, 4, "lower right"),
    ],
)
def test_where_a_map_is_highest(row, column, words):
    values = np.zeros((6, 6), dtype=np.float32)
    values[row, column] = 1
    text = describe(shown(maps=dict.fromkeys(METHODS, values)))
    assert text.count(words) == 3


# --- drawing


def test_the_live_view_tells_the_time_and_nothing_that_is_stored_does():
    html = render_html(shown())
    assert "Computed in 1.3 ms." in html and "Computed in 61.2 ms." in html
    assert "ms" not in describe(shown()).split()
    slow = shown(milliseconds=dict.fromkeys(METHODS, 9999.0))
    assert render_png(slow) == render_png(shown())


def test_each_panel_says_what_it_shows_to_a_screen_reader():
    labels = [part.split('"')[0] for part in render_html(shown()).split('label="')[1:]]
    assert labels == [
        describe(shown()),
        "Grad-CAM, what speaks for B: upper right",
        "Grad-CAM++, what speaks for B: centre",
        "Score-CAM, what speaks for B: nowhere, the map is 0",
    ]


def test_the_bars_are_as_long_as_the_probabilities():
    now = shown(target=4)
    bars = [
        shape for shape in _panels(now, timed=False)[0].shapes if hasattr(shape, "fill")
    ]
    lengths = np.array([bar.width for bar in bars])
    assert lengths / lengths[0] == pytest.approx(
        np.array([0.62, 0.2, 0.1, 0.03]) / 0.62
    )
    assert [bar.fill for bar in bars].index("#D55E00") == 3  # the class explained


def test_an_empty_map_is_said_to_be_empty():
    html = render_html(shown())
    assert html.count("Enlarged from 6×6 values.") == 2
    assert html.count("The map is 0 everywhere.") == 1


def test_the_tint_grows_with_the_map_and_leaves_the_picture_readable():
    picture = np.array([[[0, 0, 0], [255, 255, 255], [80, 80, 80]]], dtype=np.uint8)
    assert np.array_equal(tinted(picture, np.zeros((1, 3))), picture)
    dark, light, _grey = tinted(picture, np.ones((1, 3)))[0].astype(int)
    assert np.array_equal(dark, np.round(STRONGEST * np.array(TINT)))
    assert (light - dark == 51).all()
    # From the picture to the tint in one direction: more map, more orange.
    redness = tinted(picture[:, 2:].repeat(11, 1), np.linspace(0, 1, 11)[None])[0]
    assert (np.diff(redness[:, 0].astype(int) - redness[:, 2]) > 0).all()


def test_the_outline_encloses_half_of_the_maximum():
    values = np.zeros((8, 8), dtype=np.float32)
    values[2:4, 4:7] = 1
    points = _outline(values) - (0, TOP)
    cell = SIDE / 8
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    assert HALF == 0.5
    assert low == pytest.approx([4 * cell, 2 * cell])
    assert high == pytest.approx([7 * cell, 4 * cell])
    values[:] = np.linspace(0, 1, 8)  # runs through the picture from edge to edge
    points = _outline(values) - (0, TOP)
    assert np.nanmin(points[:, 1]) == 0 and np.nanmax(points[:, 1]) == SIDE
    assert np.isnan(_outline(0 * values)).all()


@pytest.mark.parametrize("names", [CLASSES, ("normal", "pneumonia", "x", "y", "z")])
@pytest.mark.parametrize("size", [(12, 12), (20, 12), (8, 12)])
def test_no_shape_leaves_its_panel(names, size):
    now = shown(
        picture=np.zeros((*size, 3), dtype=np.uint8),
        classes=names,
        probabilities=np.array([0, 1, 0, 0, 0]),
        target=4,
    )
    for panel in _panels(now, timed=True):
        for shape in panel.shapes:
            if hasattr(shape, "points"):
                continue
            assert 0 <= shape.y <= panel.height
            if hasattr(shape, "width"):
                assert shape.x >= 0 and shape.x + shape.width <= panel.width
            else:
                wide = 0.55 * shape.size * len(shape.text)
                left = shape.x - (wide if shape.align == "right" else 0)
                assert left >= 0 and left + wide <= panel.width


def test_the_png_is_sharp_and_small(widget):
    assert len(widget.png) < 60_000
    assert Image.open(io.BytesIO(widget.png)).width > 1000
    assert widget.png == render_png(widget.shown)


# --- controls


def test_the_controls_redraw(widget):
    texts = {widget.view.value.split("Computed")[0]}
    widget.image.value = 4
    assert widget.shown.place == 4 and "Image 4" in widget.view.value
    widget.layer.value = "early"
    assert widget.shown.layer == "early" and "8×8 values" in widget.view.value
    other = int(widget.shown.probabilities.argmin())
    widget.target.value = other
    assert widget.shown.target == other
    assert f"what speaks for {CLASSES[other]}" in widget.view.value
    texts.add(widget.view.value.split("Computed")[0])
    assert len(texts) == 2


def test_the_predicted_class_is_followed_from_image_to_image(widget):
    for place in range(1, 7):
        widget.image.value = place
        assert widget.shown.target == widget.shown.probabilities.argmax()
    assert widget.target.value == -1


def test_the_picture_stays_that_of_the_first_state(widget):
    alt, png = widget.alt, widget.png
    widget.image.value = 5
    assert (widget.alt, widget.png) == (alt, png) and alt.startswith("Image 1: ")


def test_it_shows_the_network_as_it_is_now(widget, arguments):
    with torch.no_grad():
        arguments["model"][4].bias[:] = torch.tensor([0, 0, 0, 90.0, 0])
    widget.image.value = 2
    assert widget.shown.target == 3 and "D 100%" in describe(widget.shown)


def test_a_single_image_needs_no_choice(arguments, widget):
    def descriptions(one):
        yield getattr(one, "description", "")
        for child in getattr(one, "children", ()):
            yield from descriptions(child)

    assert {"Image", "Layer", "Class to explain"} <= set(descriptions(widget.widget))
    arguments["images"] = arguments["images"][:1]
    assert "Image" not in set(descriptions(class_maps(**arguments).widget))


def test_every_control_has_a_name(widget):
    # The slider has its named box.
    assert nameless(widget.widget) == [widget.image, widget.view]


def test_two_classes_and_colour_images(arguments):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    model = model.append(nn.Flatten()).append(nn.Linear(4, 2))
    images = torch.randint(256, (2, 3, 16, 16), dtype=torch.uint8)
    widget = class_maps(
        model, images, normalize, ["normal", "pneumonia"], {"only": model[1]}
    )
    assert np.array_equal(widget.shown.picture, images[0].permute(1, 2, 0))
    widget.target.value = 1
    assert "what speaks for pneumonia" in widget.view.value
    assert model.training  # as it came


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(3, 1, 16, 16)}, r"images must be uint8 \(1..40, 1 | 3"),
        ({"images": torch.zeros(41, 1, 8, 8, dtype=torch.uint8)}, "images must be"),
        ({"images": torch.zeros(0, 1, 8, 8, dtype=torch.uint8)}, "images must be"),
        ({"images": torch.zeros(8, 8, dtype=torch.uint8)}, "images must be"),
        ({"classes": "ABC"}, "knows 5 classes, but 3 names"),
        ({"layers": {}}, "no layer to look at"),
        ({"layers": {"foreign": nn.ReLU()}}, "no part of this model"),
        ({"normalize": lambda images: images}, "x holds torch.uint8"),
    ],
)
def test_what_cannot_be_shown_is_refused(arguments, change, message):
    with pytest.raises(ValueError, match=message):
        class_maps(**arguments | change)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"place": 0}, "image must be 1..6, got 0"),
        ({"place": 7}, "image must be 1..6, got 7"),
        ({"layer": "block9"}, r"layer must be late \| early, got 'block9'"),
        ({"target": 5}, "class must be 0..4, got 5"),
    ],
)
def test_what_is_not_there_is_refused(arguments, choice, message):
    with pytest.raises(ValueError, match=message):
        explain(Subject(**arguments), **choice)
