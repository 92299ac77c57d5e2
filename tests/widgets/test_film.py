"""A film: its frames, drawing, and controls."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.widgets.base import Curve, Picture, Text
from course_utils.widgets.film import HEIGHT, WIDTH, Reel, _panel, film, render_png
from widget_parts import nameless

ALT = "From noise in epoch 1 to the tumour's outline in epoch 3."
CAPTIONS = ["Epoch 1: Dice 0.10.", "Epoch 2: Dice 0.55.", "Epoch 3: Dice 0.81."]


def frames(n=3, size=(96, 80)):
    """The k-th frame is grey level 40 k beside a red that grows with k."""
    red = np.zeros((*size, 3), dtype=np.uint8)
    return [
        {
            "Prediction": np.full(size, 40 * k, dtype=np.uint8),
            "Attention": red + np.uint8([60 * k, 0, 0]),
        }
        for k in range(1, n + 1)
    ]


@pytest.fixture
def widget():
    return film(frames(), CAPTIONS, alt=ALT)


def pictures(panel):
    return [shape for shape in panel.shapes if isinstance(shape, Picture)]


# --- drawing


def test_a_frame_shows_its_pictures_and_its_words(widget):
    panel = _panel(widget._reel, 1)
    grey, red = pictures(panel)
    assert (grey.rgb == 80).all() and (red.rgb == [120, 0, 0]).all()
    words = [shape.text for shape in panel.shapes if isinstance(shape, Text)]
    assert words == ["Prediction", "Attention", "Frame 2 of 3", CAPTIONS[1]]
    assert panel.label == "Frame 2 of 3: Epoch 2: Dice 0.55."


def test_tensors_are_pictures_too():
    tensors = [{"a": torch.full((4, 5), 7, dtype=torch.uint8)}]
    (picture,) = pictures(_panel(film(tensors, ["One."], alt=ALT)._reel, 0))
    assert picture.rgb.shape == (4, 5, 3) and (picture.rgb == 7).all()


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((96, 80), (288, 240)),  # whole numbers of pixels a pixel
        ((100, 70), (200, 140)),
        ((288, 240), (288, 240)),
        ((576, 480), (288, 240)),
        ((40, 320), (59, 474)),
    ],
)
def test_the_pictures_fit(size, shown):
    panel = _panel(
        Reel([{"a": np.zeros((*size, 3)), "b": np.zeros((*size, 3))}], "x"), 0
    )
    assert [(p.height, p.width) for p in pictures(panel)] == [shown] * 2
    assert shown[0] <= HEIGHT and panel.width <= WIDTH


def test_all_frames_are_as_high_as_that_with_most_words():
    long = "A sentence that goes on for a while. " * 5
    reel = film(frames(), ["Short.", long, "Short."], alt=ALT)._reel
    panels = [_panel(reel, place) for place in range(3)]
    assert len({(panel.width, panel.height) for panel in panels}) == 1
    for shape in panels[1].shapes:
        assert not isinstance(shape, Curve)
        assert shape.x >= 0 and 0 <= shape.y <= panels[1].height
        if isinstance(shape, Text):
            assert shape.x + 0.55 * shape.size * len(shape.text) <= panels[1].width
    lines = [s.text for s in panels[1].shapes if isinstance(s, Text)][3:]
    assert " ".join(lines) == long.strip() and len(lines) > 1


def test_the_words_under_a_small_picture_have_room():
    (one,) = [{"a": np.zeros((10, 4), dtype=np.uint8)}]
    panel = _panel(film([one], ["A caption longer than that."], alt=ALT)._reel, 0)
    assert panel.width >= 300


# --- controls


def test_the_last_frame_is_shown_first(widget):
    assert widget.place.value == 3 and "Frame 3 of 3" in widget.view.value
    assert widget.png == render_png(widget._reel, 2) and widget.alt == ALT
    pixels = Image.open(io.BytesIO(widget.png)).convert("RGB")
    assert pixels.getpixel((200, 200)) == (120, 120, 120)
    assert len(widget.png) < 30_000


def test_the_slider_redraws(widget):
    widget.place.value = 1
    assert "Frame 1 of 3: Epoch 1: Dice 0.10." in widget.view.value
    assert widget.alt == ALT


def test_the_players_count_moves_the_slider_and_the_other_way(widget):
    widget._player.value = 2
    assert widget.place.value == 2 and "Frame 2 of 3" in widget.view.value
    widget.place.value = 1
    assert widget._player.value == 1


def test_the_button_starts_and_stops_and_says_so(widget):
    assert widget.play.description == "Play"
    widget.play.value = True
    assert widget._player.playing and widget.play.description == "Pause"
    widget._player.playing = False  # as the browser does at the end
    assert not widget.play.value and widget.play.description == "Play"


def test_colabs_older_ipywidgets_has_the_player_under_another_name(older_player):
    widget = film(frames(), CAPTIONS, alt=ALT)
    widget.play.value = True
    assert widget._player._playing


def test_every_control_has_a_name(widget):
    # The slider has its named box; the player is not displayed, the button is.
    assert nameless(widget.widget) == [widget.place, widget._player, widget.view]
    assert widget._player.layout.display == "none"


def test_a_single_frame_has_no_controls():
    widget = film(frames(1), ["Only one."], alt=ALT)
    assert widget.widget.children == (widget.view,)
    assert "Frame 1 of 1" in widget.view.value


GREY = np.zeros((4, 4), dtype=np.uint8)


@pytest.mark.parametrize(
    ("given", "captions", "message"),
    [
        ([], [], "no frame to show"),
        ([{}], ["x"], "number 1 has 0"),
        ([{"a": GREY}], ["x", "y"], "1 frames but 2 captions"),
        ([{"a": GREY}, {"b": GREY}], ["x", "y"], "has a 4×4, number 2 has b 4×4"),
        ([{"a": GREY}, {"a": GREY[1:]}], ["x", "y"], "number 2 has a 3×4"),
        ([{"a": GREY / 1}], ["x"], r"a must be uint8 \(H, W\).*float64 \(4, 4\)"),
        ([{"a": GREY[None]}], ["x"], r"got uint8 \(1, 4, 4\)"),
        ([{"a": GREY[:0]}], ["x"], r"got uint8 \(0, 4\)"),
    ],
)
def test_what_cannot_be_shown_is_refused(given, captions, message):
    with pytest.raises(ValueError, match=message):
        film(given, captions, alt=ALT)


def test_an_empty_description_is_refused():
    with pytest.raises(ValueError, match="alt is empty"):
        film(frames(), CAPTIONS, alt=" ")
