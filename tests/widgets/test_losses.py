"""The loss explorer: three losses and their gradients against torch, its controls."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from course_utils.widgets import losses
from course_utils.widgets.base import Curve, Dot, Text
from course_utils.widgets.losses import (
    FIRST,
    LOSSES,
    Settings,
    binary_cross_entropy,
    cross_entropy,
    describe,
    half_squared_error,
    loss_explorer,
    render_html,
    render_png,
    softmax,
)
from widget_parts import leaves, nameless

SETTINGS = [
    *FIRST.values(),
    Settings("mse", -1.5, (2.5,)),
    Settings("mse", 1.5, (-2.5,)),
    Settings("bce", 0, (-6.0,)),
    Settings("bce", 1, (-6.0,)),
    Settings("bce", 0, (6.0,)),
    Settings("ce", 0, (4.0, -4.0, -4.0)),
    Settings("ce", 2, (4.0, 4.0, -4.0)),
]


# --- arithmetic


def torch_loss(settings, z):
    if settings.loss == "mse":
        return 0.5 * F.mse_loss(z[0], torch.tensor(settings.target).double())
    if settings.loss == "bce":
        target = torch.tensor(settings.target).double()
        return F.binary_cross_entropy_with_logits(z[0], target)
    return F.cross_entropy(z[None], torch.tensor([settings.target]))


@pytest.mark.parametrize("settings", SETTINGS)
def test_loss_and_gradient_agree_with_torch(settings):
    z = torch.tensor(settings.z, dtype=torch.float64, requires_grad=True)
    loss = torch_loss(settings, z)
    loss.backward()
    assert settings.value == pytest.approx(loss.item(), abs=1e-12)
    assert np.allclose(settings.gradient, z.grad, atol=1e-12)


def test_the_decks_formulas():
    assert half_squared_error(3, 1) == 2
    t, y = np.array([0, 1, 0]), np.array([0.2, 0.7, 0.1])
    assert cross_entropy(1, np.log(y)) == pytest.approx(-np.sum(t * np.log(y)))
    p = 0.8
    assert binary_cross_entropy(1, np.log(p / (1 - p))) == pytest.approx(-np.log(p))
    assert binary_cross_entropy(0, np.log(p / (1 - p))) == pytest.approx(-np.log(1 - p))


def test_far_logits_do_not_overflow():
    with np.errstate(all="raise", under="ignore"):
        assert binary_cross_entropy(1, -1e4) == binary_cross_entropy(0, 1e4) == 1e4
        assert cross_entropy(0, (-1e4, 1e4, 0)) == 2e4
        assert softmax((1e4, 0, -1e4)).tolist() == [1, 0, 0]


def test_softmax_is_a_distribution_that_a_constant_does_not_change():
    z = np.array([0.3, -2.0, 1.1])
    assert softmax(z).sum() == pytest.approx(1)
    assert np.allclose(softmax(z), softmax(z + 100))
    assert np.allclose(softmax(z), F.softmax(torch.tensor(z), dim=0))


@pytest.mark.parametrize("settings", SETTINGS)
def test_output_target_and_gradient_have_one_shape(settings):
    assert settings.output.shape == settings.wanted.shape == np.shape(settings.z)
    assert np.allclose(settings.gradient, settings.output - settings.wanted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hinge",), "no loss 'hinge': use one of mse, bce, ce"),
        (("mse", 1.0, (1.0, 2.0)), "mse: z must hold 1 finite numbers"),
        (("ce", 0, (1.0,)), "ce: z must hold 3 finite"),
        (("bce", 1, (np.nan,)), "bce: z must hold 1 finite"),
        (("bce", 0.5, (1.0,)), "bce: the target must be one of 0, 1, got 0.5"),
        (("ce", 3, (1.0, 2.0, 3.0)), "one of 0, 1, 2, got 3"),
        (("mse", np.inf, (1.0,)), "target must be a finite number"),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Settings(*arguments)


# --- words and drawing


@pytest.mark.parametrize(
    ("loss", "output"), [("mse", "identity"), ("bce", "logistic"), ("ce", "softmax")]
)
def test_the_output_that_goes_with_the_loss_is_said(loss, output):
    assert f"output: {output}" in describe(FIRST[loss])
    assert f"Output: {output}" in render_html(FIRST[loss])


def test_the_arithmetic_is_written_with_its_numbers():
    html = render_html(Settings("mse", 1.0, (-1.0,)))
    assert "L = ½ (t − y)² = ½ (1 − (−1))² = 2" in html and "= −1 − 1 = −2" in html
    html = render_html(Settings("bce", 0, (3.0,)))
    assert "= −ln 0.047 ≈ 3.049" in html and "= 0.953 − 0 ≈ 0.953" in html
    html = render_html(Settings("ce", 2, (4.0, 4.0, -4.0)))
    assert "= −ln 0.00017 ≈ 8.693" in html  # and not -ln 0


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.filterwarnings("error")
def test_everything_drawn_stays_in_its_panel(settings):
    panels = losses._panels(settings)
    assert sum(p.width for p in panels) + 18 * (len(panels) - 1) + 24 <= 684
    for panel in panels:
        curves = [s.points for s in panel.shapes if isinstance(s, Curve)]
        assert any(len(points) > 1 for points in curves)
        for points in curves:
            assert np.nanmin(points, initial=0) >= 0
            assert (np.nanmax(points, axis=0) <= (panel.width, panel.height)).all()
        for text in (s for s in panel.shapes if isinstance(s, Text)):
            assert 0 <= text.y <= panel.height - 4
            if text.align == "left":
                assert text.x + 0.53 * text.size * len(text.text) <= panel.width


@pytest.mark.parametrize("settings", [s for s in SETTINGS if s.loss != "ce"])
def test_each_chart_shows_the_point_on_its_curve(settings):
    for panel in losses._panels(settings):
        (dot,) = [s for s in panel.shapes if isinstance(s, Dot)]
        curve = max((s for s in panel.shapes if isinstance(s, Curve)), key=_length)
        near = np.abs(curve.points - (dot.x, dot.y)).max(axis=1).min()
        assert near < 4


def _length(curve):
    return len(curve.points)


def test_a_right_answer_given_with_certainty_costs_nothing_and_pulls_nowhere():
    sure = Settings("ce", 0, (40.0, 0.0, 0.0))
    assert sure.value < 1e-12 and np.abs(sure.gradient).max() < 1e-12
    assert np.allclose(Settings("ce", 1, (40.0, 0.0, 0.0)).gradient, [1, -1, 0])


def test_the_bars_show_softmax_and_gradient():
    _, second, third = losses._panels(FIRST["ce"])
    shown = {s.text for s in second.shapes + third.shapes if isinstance(s, Text)}
    assert {"0.71", "0.26", "0.04", "−0.74", "A", "B", "C"} <= shown
    bars = [s for s in second.shapes if isinstance(s, Curve) and s.fill]
    heights = np.array([np.ptp(bar.points[:, 1]) for bar in bars])
    assert np.allclose(heights / heights.sum(), FIRST["ce"].output)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_png_is_sharp_and_small(loss):
    png = render_png(FIRST[loss])
    assert len(png) < 60_000 and Image.open(io.BytesIO(png)).width > 900


# --- controls


@pytest.mark.parametrize("loss", LOSSES)
def test_it_opens_on_the_loss_asked_for(loss):
    explorer = loss_explorer(loss)
    assert explorer.settings == FIRST[loss] and explorer.loss.value == loss
    assert explorer.view.value == render_html(FIRST[loss])
    assert explorer.alt == describe(FIRST[loss])


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="no loss 'dice'"):
        loss_explorer("dice")


@pytest.mark.parametrize("loss", LOSSES)
def test_only_the_controls_of_this_loss_are_shown_each_with_a_name(loss):
    explorer = loss_explorer()
    explorer.loss.value = loss
    shown = list(leaves(explorer.widget))
    assert explorer.targets[loss] in shown
    assert all(slider in shown for slider in explorer.z[loss])
    for other in set(LOSSES) - {loss}:
        assert explorer.targets[other] not in shown
    sliders = [*explorer.z[loss]] + [explorer.targets["mse"]] * (loss == "mse")
    assert set(nameless(explorer.widget)) == {*sliders, explorer.view}


def test_moving_a_control_redraws_once_and_each_loss_keeps_its_own():
    explorer, redraws = loss_explorer("ce"), []
    explorer.view.observe(lambda change: redraws.append(change.new), "value")
    explorer.z["ce"][2].value = 0.30000000000000004
    explorer.targets["ce"].value = 2
    assert len(redraws) == 2
    assert explorer.settings == Settings("ce", 2, (2.0, 1.0, 0.3))
    explorer.loss.value = "bce"
    explorer.targets["bce"].value = 0
    assert explorer.settings == Settings("bce", 0, (-1.5,))
    explorer.loss.value = "ce"
    assert explorer.settings == Settings("ce", 2, (2.0, 1.0, 0.3))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_sliders_ends_can_be_shown(loss):
    explorer = loss_explorer(loss)
    for slider in explorer.z[loss]:
        for end in (slider.min, slider.max):
            slider.value = end
            assert describe(explorer.settings) in explorer.view.value
