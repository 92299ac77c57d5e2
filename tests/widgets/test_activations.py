"""The activation explorer: eight functions and their derivatives, drawing, controls."""

import io
from html import escape

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.widgets import activations
from course_utils.widgets.activations import (
    ACTIVATIONS,
    FORMULAS,
    KINKS,
    REACH,
    Settings,
    activation_explorer,
    dead_zones,
    describe,
    render_html,
    render_png,
    result,
)
from course_utils.widgets.base import Curve, Dot, Text
from widget_parts import nameless

TORCH = {
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "softplus": lambda z: torch.nn.functional.softplus(z, threshold=1000),
    "piecewise": lambda z: torch.clamp(z + 0.5, 0, 1),
    "linear": lambda z: 1 * z,
}


# --- functions


def test_the_eight_of_the_deck_each_with_its_formula():
    deck = ["step", "sign", "linear", "piecewise"]
    deck += ["logistic", "tanh", "relu", "softplus"]
    assert list(ACTIVATIONS) == deck
    assert FORMULAS.keys() == ACTIVATIONS.keys() == activations._names().keys()


@pytest.mark.parametrize("name", TORCH)
def test_values_and_derivatives_agree_with_torch(name):
    z = torch.linspace(-30, 30, 1202, dtype=torch.float64, requires_grad=True)
    value = TORCH[name](z)
    value.sum().backward()
    function, derivative = ACTIVATIONS[name]
    assert np.allclose(function(z.detach().numpy()), value.detach(), atol=1e-12)
    assert np.allclose(derivative(z.detach().numpy()), z.grad, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("step", [0, 0, 0.5, 1, 1]),
        ("sign", [-1, -1, 0, 1, 1]),
        ("piecewise", [0, 0, 0.5, 1, 1]),
        ("relu", [0, 0, 0, 0.5, 2]),
    ],
)
def test_values_of_the_decks_table(name, values):
    assert ACTIVATIONS[name][0](np.array([-2, -0.5, 0, 0.5, 2])).tolist() == values


def test_there_is_no_derivative_at_a_jump_or_corner_and_relu_has_pytorchs():
    assert np.isnan(ACTIVATIONS["step"][1](0)) and np.isnan(ACTIVATIONS["sign"][1](0))
    assert np.isnan(ACTIVATIONS["piecewise"][1]([-0.5, 0.5])).all()
    assert ACTIVATIONS["relu"][1](0) == 0
    z = torch.zeros(1, requires_grad=True)
    torch.relu(z).backward()
    assert z.grad == 0


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_overflow_far_out(name):
    z = np.array([-1e4, -800.0, 800.0, 1e4])
    with np.errstate(all="raise", under="ignore"):
        value, slope = (f(z) for f in ACTIVATIONS[name])
    assert np.isfinite(value).all() and np.isfinite(slope).all()


# --- what is shown


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize(("a", "b"), [(1, 0), (-2.5, 1), (0.3, -4), (4, 5)])
def test_the_derivative_is_with_respect_to_z(name, a, b):
    settings = Settings(name, a, b)
    kinks = np.array(KINKS.get(name, ()))
    z = np.linspace(-6, 6, 97) + 0.01234
    z = z[(np.abs(a * z + b - kinks[:, None]) > 0.01).all(axis=0)]
    # settings.inside rounds u to nine decimals: hence the wide step and tolerance.
    h = 1e-4
    measured = (settings.value(z + h) - settings.value(z - h)) / (2 * h)
    assert np.allclose(settings.derivative(z), measured, atol=2e-4)


@pytest.mark.parametrize(
    ("settings", "zones"),
    [
        # 4 h (1 - h) = 0.05 at |u| = 4.357; 1 - tanh^2 = 0.05 at |u| = 2.178
        (("logistic",), [(-6, -4.36), (4.36, 6)]),
        (("tanh",), [(-6, -2.18), (2.18, 6)]),
        (("tanh", 2.0, 1.0), [(-6, -1.589), (0.589, 6)]),
        (("relu", 1.0, -2.0), [(-6, 2)]),
        (("relu", -1.0, -2.0), [(-2, 6)]),
        (("softplus",), [(-6, -2.944)]),
        (("piecewise",), [(-6, -0.5), (0.5, 6)]),
        (("logistic", 0.1, 5.0), [(-6, 6)]),  # u from 4.4 to 5.6
        (("linear", 4.0), []),
        (("linear", 0.0), [(-6, 6)]),
        (("step",), [(-6, 6)]),
        (("sign", 3.0, 1.0), [(-6, 6)]),
    ],
)
def test_where_the_gradient_dies(settings, zones):
    found = dead_zones(Settings(*settings))
    assert len(found) == len(zones)
    assert np.allclose(found, zones, atol=0.03)


def test_the_point_meets_a_kink_where_decimals_say_so():
    settings = Settings("step", 0.1, -0.3, 3.0)  # 0.1 * 3 - 0.3 is 5.6e-17 in floats
    assert settings.value(3.0) == 0.5 and np.isnan(settings.derivative(3.0))
    assert "is undefined" in describe(settings)


def test_the_description_states_value_slope_and_zone():
    text = describe(Settings("logistic", 2.0, -1.0, 1.0))
    assert "u = 2·z + (−1)" in text and "value is 0.731" in text
    assert "z is 0.393" in text and "dies for z in [−6, −1.7], [2.7, 6]" in text
    assert describe(Settings("linear")).endswith("dies nowhere.")


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.0, "= 2"), (-0.5, "= −0.5"), (0.73106, "≈ 0.731"), (0.00034, "≈ 0.00034")],
)
def test_equality_is_claimed_only_where_nothing_is_rounded(value, text):
    assert result(value) == text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gelu",), "no activation 'gelu': use one of step, sign"),
        (("tanh", 5.0), "slope must lie between −4 and 4, got 5.0"),
        (("tanh", 1.0, np.nan), "shift must lie between −5 and 5, got nan"),
        (("tanh", 1.0, 0.0, 7.0), "point must lie between −6 and 6"),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Settings(*arguments)


# --- drawing

EXTREMES = [(1, 0, 1), (-4, 5, -6), (4, 5, 6), (0, -5, 6), (2, 1, -0.5)]


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("numbers", EXTREMES)
@pytest.mark.filterwarnings("error")
def test_everything_drawn_stays_in_its_panel(name, numbers):
    for panel in activations._panels(Settings(name, *map(float, numbers))):
        curves = [s.points for s in panel.shapes if isinstance(s, Curve)]
        assert any(len(points) > 1 for points in curves)
        for points in curves:
            assert np.nanmin(points, initial=0) >= 0
            assert (np.nanmax(points, axis=0) <= (panel.width, panel.height)).all()
        for text in (s for s in panel.shapes if isinstance(s, Text)):
            assert 0 <= text.y <= panel.height - 4
            if text.align == "left":
                assert text.x + 0.53 * text.size * len(text.text) <= panel.width


def test_the_point_and_its_tangent_meet():
    left, right = activations._panels(Settings("tanh", 1.5, 0.5, 0.4))
    (dot,) = [s for s in left.shapes if isinstance(s, Dot)]
    tangent = [s for s in left.shapes if isinstance(s, Curve)][-1].points
    assert np.interp(dot.x, *tangent.T) == pytest.approx(dot.y, abs=0.01)
    assert len([s for s in right.shapes if isinstance(s, Dot)]) == 1


def test_where_there_is_no_derivative_no_tangent_is_drawn():
    assert "tangent</text>" in render_html(Settings("step", point=1.0))
    html = render_html(Settings("step", point=0.0))
    assert "tangent</text>" not in html and "undefined here" in html


def test_the_dead_zones_are_shaded():
    html = render_html(Settings("tanh"))
    assert html.count(activations.ZONE) == 2 and "here the gradient dies" in html
    assert activations.ZONE not in render_html(Settings("linear"))


def test_the_png_shows_both_curves_and_is_small():
    png = render_png(Settings("logistic"))
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    assert len(png) < 60_000 and picture.width > 900
    colors = np.array([color for _, color in picture.getcolors(1 << 20)])
    for wanted in (activations.FUNCTION, activations.SLOPE, activations.ZONE):
        rgb = [int(wanted[i : i + 2], 16) for i in (1, 3, 5)]
        assert np.abs(colors - rgb).sum(axis=1).min() < 15


# --- controls


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_it_opens_on_the_activation_asked_for(name):
    explorer = activation_explorer(name)
    assert explorer.name.value == name == explorer.settings.name
    assert explorer.alt == describe(explorer.settings)
    assert explorer.view.value == render_html(explorer.settings)


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="no activation 'swish'"):
        activation_explorer("swish")


@pytest.mark.parametrize("control", ["slope", "shift", "point"])
def test_moving_a_slider_redraws_once(control):
    explorer, redraws = activation_explorer(), []
    explorer.view.observe(lambda change: redraws.append(change.new), "value")
    getattr(explorer, control).value = 0.30000000000000004
    assert len(redraws) == 1 and getattr(explorer.settings, control) == 0.3


def test_choosing_another_activation_redraws():
    explorer = activation_explorer()
    for name in ACTIVATIONS:
        explorer.name.value = name
        assert escape(describe(explorer.settings)) in explorer.view.value
    assert "Softplus" in explorer.view.value


def test_the_sliders_reach_no_setting_that_is_refused():
    explorer = activation_explorer("tanh")
    for slider in (explorer.slope, explorer.shift, explorer.point):
        for value in (slider.min, slider.max):
            slider.value = value
    assert explorer.settings == Settings("tanh", 4.0, 5.0, REACH[1])


def test_every_control_has_a_name():
    explorer = activation_explorer()
    sliders = [explorer.slope, explorer.shift, explorer.point]
    # A slider has its named box.
    assert nameless(explorer.widget) == [*sliders, explorer.view]
