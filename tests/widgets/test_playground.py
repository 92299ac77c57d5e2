"""The playground's drawing and its controls, moved while it trains."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from course_utils import locale
from course_utils.widgets import playground
from course_utils.widgets.approximation import Settings, advance, describe, start
from course_utils.widgets.base import INK, MUTED, Box, Curve, Dot, Text
from course_utils.widgets.playground import (
    FRAME,
    approximation_playground,
    render_html,
    render_png,
)
from widget_parts import nameless, sentences, untranslated

STATES = {
    "trained": (Settings(), 1000),
    "untrained": (Settings("bump", 3, "logistic", noise=0.5), 0),
    "most": (Settings("chirp", 50, "relu", noise=0), 300),
    "least": (Settings("abs", 1, "relu", noise=0.3), 200),
    "diverged": (Settings("step", 50, lr=0.5), 3000),
    "overflown": (Settings("step", 50, "relu", lr=1e300), 3000),
}


def state_of(name):
    settings, steps = STATES[name]
    return settings, advance(settings, start(settings), steps)


# --- drawing


@pytest.mark.parametrize("language", locale.LANGUAGES)
@pytest.mark.parametrize("name", STATES)
def test_no_shape_leaves_its_panel(name, language):
    locale.set_language(language)
    for panel in playground._panels(*state_of(name)):
        for shape in panel.shapes:
            if isinstance(shape, Curve):
                points = shape.points[np.isfinite(shape.points).all(axis=1)]
                inside = (points >= 0) & (points <= (panel.width, panel.height))
                assert inside.all()
            elif isinstance(shape, Text):
                wide = (0.58 if shape.bold else 0.53) * shape.size * len(shape.text)
                left = {"left": 0, "center": wide / 2, "right": wide}[shape.align]
                assert shape.x - left >= -4 and shape.x - left + wide < panel.width + 8
                assert 0 <= shape.y <= panel.height
            else:
                assert isinstance(shape, Box | Dot)
                assert 0 <= shape.x <= panel.width and 0 <= shape.y <= panel.height


@pytest.mark.parametrize("language", locale.LANGUAGES)
def test_the_words_over_the_charts_do_not_overlap(language):
    locale.set_language(language)
    for panel in playground._panels(*state_of("trained")):
        words = [s for s in panel.shapes if isinstance(s, Text) and 44 < s.y < 90]
        words = [s for s in words if s.color not in (MUTED, INK) or s.text[0] in "—╌"]
        assert len(words) >= 3
        for i, one in enumerate(words):
            for two in words[i + 1 :]:
                if abs(one.y - two.y) < 11:
                    left, right = sorted((one, two))
                    assert left.x + 0.53 * left.size * len(left.text) <= right.x + 1


@pytest.mark.parametrize("name", STATES)
def test_the_live_view_holds_numbers_only(name):
    html = render_html(*state_of(name))
    assert html.count("<svg") == 3
    drawn = re.sub(r'aria-label="[^"]*"|>[^<]*<', "", html)
    assert "nan" not in drawn and "inf" not in drawn.replace("info", "")


def test_all_points_and_the_newest_losses_are_dots():
    fit, _neurons, loss = playground._panels(*state_of("trained"))
    dots = [s for s in fit.shapes if isinstance(s, Dot)]
    colors = [dot.color for dot in dots]
    assert colors.count("#0072B2") == colors.count("#D98200") == 60
    assert len([s for s in loss.shapes if isinstance(s, Dot)]) == 2


def test_each_neuron_is_a_line_in_the_colour_of_its_weight():
    settings, state = state_of("trained")
    panel = playground._panels(settings, state)[1]
    thin = {s.color: s for s in panel.shapes if getattr(s, "stroke", 0) == 0.8}
    positive = int((state.weights.W2 > 0).sum())
    for color, n in ((playground.POSITIVE, positive), (playground.NEGATIVE, None)):
        lines = np.isnan(thin[color].points).any(axis=1).sum() + 1
        assert lines >= (n or settings.hidden - positive)


def test_long_runs_are_drawn_with_few_points_and_the_newest():
    settings, state = state_of("trained")
    state = advance(settings, state, 4000)
    panel = playground._panels(settings, state)[2]
    curves = [s for s in panel.shapes if getattr(s, "stroke", 0) == 2]
    dots = [s for s in panel.shapes if isinstance(s, Dot)]
    assert len(curves) == 2
    for curve, dot in zip(curves, dots, strict=True):
        assert len(curve.points) <= playground.MOST_DRAWN + 1
        assert np.allclose(curve.points[0], (dot.x, dot.y))


def test_the_description_is_there_for_screen_readers():
    settings, state = state_of("trained")
    assert f'aria-label="{describe(settings, state)}"' in render_html(settings, state)


def test_divergence_is_said_where_one_looks():
    html = render_html(*state_of("diverged"))
    assert ">It diverged</text>" in html
    assert "It diverged: choose a lower learning rate" in html
    assert "diverged" not in render_html(*state_of("trained"))


@pytest.mark.parametrize("name", STATES)
def test_the_png_is_sharp_and_below_60_kilobytes(name):
    png = render_png(*state_of(name))
    assert len(png) < 60_000
    assert Image.open(io.BytesIO(png)).width > 1000


def test_every_sentence_is_in_the_spanish_catalogue():
    said = sentences("playground")
    assert len(said) > 20
    assert untranslated(said) == []


# --- controls


@pytest.fixture
def pad(monkeypatch):
    # The first picture takes half a second and is no business of the controls.
    png = b"\x89PNG\r\n\x1a\n"
    monkeypatch.setattr(playground, "render_png", lambda settings, state: png)
    return approximation_playground(hidden=5, steps=200)


def run(pad, ticks):
    """What the browser does while the player runs: it counts."""
    pad.playing = True
    for _ in range(ticks):
        pad.play.value += 1


def test_the_first_picture_shows_a_trained_network():
    first = approximation_playground("bump", 20, "logistic", 0.1, 0.2, steps=500)
    assert first.png == render_png(first.settings, first.state)
    assert first.settings == Settings("bump", 20, "logistic", 0.1, 0.2)
    assert first.state.step == 500 and "Step 500" in first.alt
    assert first.curve.value == "bump" and first.hidden.value == 20
    assert first.activation.value == "logistic" and first.noise.value == 0.2


def test_a_learning_rate_of_ones_own_joins_the_list():
    pad = approximation_playground(lr=0.03, steps=0)
    rates = [rate for _, rate in pad.lr.options]
    assert pad.lr.value == 0.03 and rates == sorted(rates) and len(rates) == 11


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"curve": "spiral"}, "curve must be one of"), ({"steps": -1}, "steps must be")],
)
def test_what_cannot_be_shown_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        approximation_playground(**arguments)


def test_playing_trains_and_redraws(pad):
    views = []
    pad.view.observe(lambda change: views.append(change.new), "value")
    run(pad, 5)
    assert pad.state.step == 200 + 5 * FRAME
    assert len(set(views)) == 5
    assert describe(pad.settings, pad.state) in pad.view.value
    assert "Step 200" in pad.alt  # the picture stays that of the first state


def test_ticks_that_were_skipped_cost_nothing(pad):
    pad.playing = True
    pad.play.value = 40  # a slow kernel hears of the newest count only
    assert pad.state.step == 200 + FRAME


def test_the_player_stops_by_itself_and_can_be_started_again(pad):
    assert not pad.play.show_repeat
    pad.playing = True
    pad.play.value = pad.play.max
    pad.play.value = pad.play.min  # what the browser sends when it is started again
    assert pad.state.step == 200 + 2 * FRAME


def test_counts_without_playing_train_nothing(pad):
    pad.play.value = 3
    assert pad.state.step == 200


def test_reset_stops_and_ignores_a_tick_on_its_way(pad):
    run(pad, 3)
    pad.reset.click()
    pad.play.value += 1
    assert pad.state.step == 0 and not pad.playing
    run(pad, 1)
    assert pad.state.step == FRAME


def test_reset_returns_to_the_same_weights(pad):
    pad.reset.click()
    first = pad.view.value
    run(pad, 2)
    pad.reset.click()
    assert pad.view.value == first


def test_the_step_button_advances_one_frame(pad):
    pad.step.click()
    assert pad.state.step == 200 + FRAME and not pad.playing
    assert str(FRAME) in pad.step.description


def test_new_weights_start_anew_and_keep_playing(pad):
    run(pad, 1)
    before = start(pad.settings).weights.W1
    pad.reseed.click()
    assert pad.state.step == 0 and pad.playing
    assert not np.allclose(before, pad.state.weights.W1)
    pad.play.value += 1
    assert pad.state.step == FRAME


@pytest.mark.parametrize(
    ("control", "value"),
    [
        ("curve", "chirp"),
        ("activation", "relu"),
        ("hidden", 50),
        ("hidden", 1),
        ("noise", 0.5),
        ("noise", 0),
    ],
)
def test_a_setting_changed_in_the_middle_of_a_run_starts_anew(pad, control, value):
    run(pad, 2)
    getattr(pad, control).value = value
    assert getattr(pad.settings, control) == value
    assert pad.state.step == 0 and pad.playing
    assert len(pad.state.weights.b1) == pad.settings.hidden
    pad.play.value += 1
    assert pad.state.step == FRAME and not pad.state.diverged


def test_another_learning_rate_goes_on_from_here(pad):
    run(pad, 2)
    weights = pad.state.weights
    pad.lr.value = 0.01
    assert pad.state.weights is weights and pad.settings.lr == 0.01
    assert "0.01 ∇L" in pad.view.value
    pad.play.value += 1
    assert pad.state.step == 200 + 3 * FRAME


def test_divergence_stops_the_player_and_a_lower_rate_starts_anew(pad):
    run(pad, 1)
    pad.hidden.value, pad.lr.value = 50, 1.0
    pad.play.value += 1
    assert pad.state.diverged and not pad.playing
    assert "It diverged" in pad.view.value
    run(pad, 1)  # and in vain
    assert pad.state.diverged and not pad.playing
    pad.step.click()
    assert "It diverged" in pad.view.value
    pad.lr.value = 0.05
    assert pad.state.step == 0 and not pad.state.diverged
    run(pad, 1)
    assert pad.state.step == FRAME and "diverged" not in pad.view.value


def test_reset_after_divergence_clears_it(pad):
    pad.lr.value = 1.0
    for _ in range(50):
        pad.step.click()
    assert pad.state.diverged
    pad.reset.click()
    assert pad.state.step == 0 and not pad.state.diverged


def test_a_slider_between_two_values_is_rounded(pad):
    pad.hidden.value, pad.noise.value = 7.4, 0.15000000000000002
    assert pad.settings.hidden == 7 and pad.settings.noise == 0.15


def test_colabs_older_ipywidgets_has_the_player_under_another_name(older_player):
    pad = approximation_playground(steps=0)
    pad.play._playing = True
    pad.play.value += 1
    assert pad.state.step == FRAME
    pad.reset.click()
    assert not pad.play._playing


def test_every_control_has_a_name(pad):
    unnamed = {one for one in nameless(pad.widget) if not isinstance(one.value, str)}
    # Sliders have a named box, the player has the button that trains one frame.
    assert unnamed == {pad.hidden, pad.noise, pad.play}
