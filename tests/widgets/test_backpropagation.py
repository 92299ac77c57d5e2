"""The backpropagation stepper: its gradients, its words, its drawing, its controls."""

import functools
import io
import re
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from PIL import Image

from course_utils import locale
from course_utils.widgets.backpropagation import (
    BACK,
    HEIGHT,
    PLACES,
    THERE,
    WIDE,
    WIDTH,
    _center,
    _panel,
    backpropagation,
    render_html,
    render_png,
)
from course_utils.widgets.base import Box, Curve, Text
from course_utils.widgets.computational_graph import (
    BACKWARD,
    FORWARD,
    LAST,
    LEADS_TO,
    WEIGHTS,
    Settings,
    describe,
    forward,
    number,
    steps,
)
from widget_parts import sentences, untranslated

CASES = [
    Settings(),
    Settings(x=-1.5, t=0.3, w=(2.0, -1.0, -0.7, 0.4), lr=0.1),
    Settings(x=0.0, t=0.0, w=(0.0, 0.0, 0.0, 0.0), lr=1.0),
    Settings(x=3.217, t=-19.7, w=(-1.234, 5.678, 12.34, -3.456), lr=9.99),
    Settings(x=20, t=-20, w=(-20, -20, 20, 20), lr=10),
    Settings(x=20, t=-20, w=(20, 20, -20, 20), lr=0),
]


# --- arithmetic -----------------------------------------------------------------------


@pytest.mark.parametrize("settings", CASES)
def test_values_and_gradients_are_those_of_autograd(settings):
    def leaf(value):
        return torch.tensor(float(value), dtype=torch.float64, requires_grad=True)

    w1, b1, w2, b2 = leaves = [leaf(w) for w in settings.w]
    z = w1 * settings.x + b1
    h = torch.sigmoid(z)
    y = w2 * h + b2
    loss = 0.5 * (settings.t - y) ** 2
    nodes = {
        "z": z,
        "h": h,
        "y": y,
        "L": loss,
        **dict(zip(WEIGHTS, leaves, strict=True)),
    }
    slopes = torch.autograd.grad(loss, list(nodes.values()), allow_unused=True)
    for (name, node), slope in zip(nodes.items(), slopes, strict=True):
        assert settings.values[name] == pytest.approx(node.item(), rel=1e-12, abs=0)
        expected = slope.item()
        # Where h rounds to 1, autograd's 1 - h is 0: hence the absolute tolerance.
        assert settings.gradients[name] == pytest.approx(expected, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("settings", CASES[:4])
@pytest.mark.parametrize("name", WEIGHTS)
def test_gradients_are_those_of_finite_differences(settings, name):
    given = {k: settings.values[k] for k in ("x", "t", *WEIGHTS)}
    step = 1e-5
    up, down = (
        forward(**given | {name: given[name] + change})["L"] for change in (step, -step)
    )
    expected = (up - down) / (2 * step)
    assert settings.gradients[name] == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("node", LEADS_TO)
def test_each_local_derivative_is_that_of_the_next_node(node):
    settings, step = CASES[1], 1e-6
    v = settings.values
    after = {
        "z": lambda v: v["w1"] * v["x"] + v["b1"],
        "h": lambda v: 1 / (1 + np.exp(-v["z"])),
        "y": lambda v: v["w2"] * v["h"] + v["b2"],
        "L": lambda v: (v["t"] - v["y"]) ** 2 / 2,
    }[LEADS_TO[node]]
    change = after(v | {node: v[node] + step}) - after(v | {node: v[node] - step})
    assert settings.local[node] == pytest.approx(change / (2 * step), abs=1e-8)


def test_the_default_example_by_hand():
    settings = Settings()
    assert settings.values["z"] == pytest.approx(0.5 * 2 + 0.1)
    assert settings.values["h"] == pytest.approx(0.75026, abs=1e-5)
    assert settings.values["y"] == pytest.approx(0.8 * 0.75026 - 0.2, abs=1e-5)
    slope = (0.40021 - 1) * 0.8 * 0.75026 * 0.24974 * 2
    assert settings.gradients["w1"] == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize("settings", CASES)
def test_the_update_goes_against_the_gradient(settings):
    for name, weight in zip(WEIGHTS, settings.w, strict=True):
        expected = weight - settings.lr * settings.gradients[name]
        assert settings.updated[name] == expected
    after = Settings(settings.x, settings.t, settings.w, 0.0)
    assert after.updated == dict(zip(WEIGHTS, settings.w, strict=True))
    assert after.loss == after.values["L"]
    moved = forward(settings.x, settings.t, **settings.updated)
    assert settings.loss == moved["L"]


def test_a_small_step_lowers_the_loss_and_settings_stay_as_they_are():
    settings = Settings(lr=0.01)
    assert settings.loss < settings.values["L"]
    with pytest.raises(FrozenInstanceError):
        settings.x = 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": 21}, "x must be a number from −20 to 20, got 21"),
        ({"t": float("nan")}, "t must be a number"),
        ({"w": (1, 2, 3)}, "four numbers, w1, b1, w2 and b2; got 3"),
        ({"w": (1, 2, 3, -1e9)}, "b2 must be a number"),
        ({"lr": -0.1}, "learning rate must lie between 0 and 10, got -0.1"),
        ({"lr": float("inf")}, "learning rate must lie"),
        ({"step": 13}, "no step 13: they go from 0 to 12"),
        ({"step": -1}, "no step -1"),
        ({"step": 0.5}, "no step 0.5"),
    ],
)
def test_what_cannot_be_shown_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        backpropagation(**arguments)


# --- words ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (0.5, "0.5"),
        (-2.0, "−2"),
        (0.750260, "0.7503"),
        (-0.08991, "−0.08991"),
        (9.99996, "10"),
        (1234.4, "1234"),
        (-19578, "−19578"),
        (100, "100"),
        (1.234e-5, "1.23·10⁻⁵"),
        (-2e-12, "−2·10⁻¹²"),
        (1.58e6, "1.58·10⁶"),
    ],
)
def test_numbers_have_four_digits(value, text):
    assert number(value) == text


def test_forward_node_by_node_then_backward_edge_by_edge_then_the_update():
    said = steps(Settings())
    assert len(said) == LAST + 1 == 13
    assert [s.phase for s in said] == [
        "start", *["forward"] * 4, *["backward"] * 7, "update"
    ]  # fmt: skip
    assert [s.node for s in said] == ["", *FORWARD, *BACKWARD, ""]
    # No edge is walked before the node that it leaves has its product.
    for i, node in enumerate(BACKWARD):
        assert LEADS_TO[node] in ("L", *BACKWARD[:i])


def test_the_equations_of_the_default_example():
    said = [s.equation for s in steps(Settings())]
    assert said[1] == "z = w₁·x + b₁ = 0.5·2 + 0.1 = 1.1"
    assert said[2] == "h = 1 / (1 + e^(−z)) = 1 / (1 + e^(−1.1)) ≈ 0.7503"
    assert said[3] == "y = w₂·h + b₂ ≈ 0.8·0.7503 + (−0.2) ≈ 0.4002"
    assert said[4] == "L = ½ (t − y)² ≈ ½ (1 − 0.4002)² ≈ 0.1799"
    assert said[5] == "∂L/∂y = y − t ≈ 0.4002 − 1 ≈ −0.5998"
    assert said[8] == "∂L/∂h = ∂L/∂y · ∂y/∂h ≈ (−0.5998) · 0.8 ≈ −0.4798"
    assert said[10] == "∂L/∂w₁ = ∂L/∂z · ∂z/∂w₁ ≈ (−0.08991) · 2 ≈ −0.1798"
    (chain,) = steps(Settings())[10].chain
    assert chain == (
        "∂L/∂w₁ = ∂L/∂y · ∂y/∂h · ∂h/∂z · ∂z/∂w₁ "
        "≈ (−0.5998) · 0.8 · 0.1874 · 2 ≈ −0.1798"
    )
    assert steps(Settings())[12].chain[3] == "b₂ ← −0.2 − 0.5·(−0.5998) ≈ 0.0999"


def evaluated(text):
    """What a written sum or product comes to."""
    text = re.sub(r"·10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", r"*10**(\1)", text)
    table = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−·^", "-0123456789-*_")
    text = text.replace("½", "0.5*").replace(")²", ")**2").translate(table)
    return eval(text.replace("e_(", "np.exp("), {"np": np})


@pytest.mark.parametrize("settings", CASES[:4])
def test_what_is_written_can_be_computed_and_equal_means_equal(settings):
    for step in steps(settings)[1:]:
        equations = [step.equation] if step.phase != "update" else []
        for text in (*equations, *step.chain):
            text = text.replace("←", "=") if step.phase == "update" else text
            parts = re.split(r" ([=≈]) ", text)
            *_formula, before, sign, after = parts
            exact = sign == "=" and "≈" not in parts
            result = evaluated(after)
            near = 1e-9 if exact else 2e-3 * max(1.0, abs(result))
            assert evaluated(before) == pytest.approx(result, abs=near), text


@pytest.mark.parametrize("settings", CASES)
def test_every_step_says_its_own_number(settings):
    for step in steps(settings)[1:-1]:
        values = settings.values if step.phase == "forward" else settings.gradients
        assert number(values[step.node]) in step.equation
        assert number(values[step.node]) in step.sentence


@pytest.mark.parametrize(
    ("lr", "words"),
    [(0.5, "falls from"), (10, "rises from"), (0, "no weight moves")],
)
def test_the_update_says_what_became_of_the_loss(lr, words):
    sentence = steps(Settings(lr=lr))[-1].sentence
    assert words in sentence and number(Settings().values["L"]) in sentence


def test_a_saturated_neuron_passes_next_to_nothing_but_not_nothing():
    settings = Settings(x=20, t=1, w=(2.0, 0.0, 1.0, 0.5))
    assert 0 < settings.local["z"] < 1e-17  # 1 - h would be 0


def test_where_paths_meet_their_products_are_added():
    assert "they are added" in steps(Settings())[8].sentence


def test_the_description_holds_equation_chain_and_sentence():
    text = describe(Settings(), 10)
    now = steps(Settings())[10]
    assert text.startswith("Backpropagation, step 10 of 12: Backward phase, edge from")
    assert now.equation in text and now.chain[0] in text and now.sentence in text


def test_every_sentence_is_in_the_spanish_catalogue():
    said = sentences("backpropagation", "computational_graph")
    assert len(said) > 30
    assert untranslated(said) == []


# --- drawing --------------------------------------------------------------------------


def drawn(step, settings=CASES[0]):
    return _panel(settings, step).shapes


def texts(step, settings=CASES[0]):
    return [s.text for s in drawn(step, settings) if isinstance(s, Text)]


def node_texts(step, node):
    """The value and, below, the gradient written into a node."""
    x, y = _center(node)
    inside = [
        s
        for s in drawn(step)
        if isinstance(s, Text) and abs(s.x - x) < 1 and abs(s.y - y) < 20
    ]
    return [s.text for s in sorted(inside, key=lambda s: s.y)]


def test_values_appear_one_node_a_step():
    for step in range(LAST + 1):
        unknown = [n for n in PLACES if node_texts(step, n)[0] == f"{n} = ?"]
        assert unknown == [n for n in PLACES if n in FORWARD[step:]]


def test_gradients_appear_one_node_a_step_and_stay():
    for step in range(LAST):
        found = {n for n in PLACES if node_texts(step, n)[1].startswith("∂L/∂")}
        reached = set(BACKWARD[: max(0, step - 4)])
        assert found == (reached | {"L"} if step > 4 else set())
    assert node_texts(10, "w1") == ["w₁ = 0.5", "∂L/∂w₁ ≈ −0.1798"]
    assert node_texts(10, "b1") == ["b₁ = 0.1", "bias"]


def test_the_local_derivative_stands_on_the_edge_just_walked():
    bold = {s.text for s in drawn(9) if isinstance(s, Text) and s.bold}
    assert {"∂h/∂z", "= h(1−h)", "≈ 0.1874"} <= bold
    assert "∂y/∂h" in texts(9) and "∂y/∂h" not in bold
    assert "∂y/∂w₂ = h" in texts(6) and "∂y/∂w₂ = h" not in texts(5)
    assert "∂z/∂b₁ = 1" in texts(11) and "= 1" not in texts(11)


def test_arrows_turn_round_where_the_gradient_has_walked():
    def heads(step, color):
        shapes = drawn(step)
        return [s.points for s in shapes if isinstance(s, Curve) and s.fill == color]

    assert len(heads(4, THERE)) == 9 and not heads(4, BACK)
    for step in range(5, LAST + 1):
        walked = min(step - 4, 7)
        assert len(heads(step, BACK)) == walked
        assert len(heads(step, THERE)) == 9 - walked  # at last, from the data x and t
        assert all(tip[0] < base[0] for tip, base, *_ in heads(step, BACK))
        assert all(tip[0] >= base[0] for tip, *_, base, _ in heads(step, THERE))


def test_the_whole_chain_is_drawn_thick():
    thick = [s for s in drawn(10) if isinstance(s, Curve) and s.stroke == 3]
    assert len(thick) == 4 and {s.color for s in thick} == {BACK}
    thick = [s for s in drawn(1) if isinstance(s, Curve) and s.stroke == 3]
    assert len(thick) == 3 and {s.color for s in thick} == {THERE}


def test_the_update_shows_old_and_new_weights_and_losses():
    assert node_texts(LAST, "w1") == ["w₁ = 0.5", "→ 0.5899"]
    assert node_texts(LAST, "L") == ["L ≈ 0.1799", "→ 0.004084"]
    active = [s for s in drawn(LAST) if isinstance(s, Box) and s.stroke > 2]
    assert len(active) == 5


@functools.cache
def measured(text, bold):
    """Width of a text of size 1 in DejaVu, the widest of the usual letters."""
    font = FontProperties(weight="bold" if bold else "normal")
    return TextPath((0, 0), text, size=100, prop=font).get_extents().width / 100


@pytest.mark.parametrize("settings", [CASES[i] for i in (0, 3, 5)])
@pytest.mark.parametrize("lang", ["en", "es"])
def test_no_text_leaves_its_place_or_touches_another(settings, lang):
    locale.set_language(lang)
    walls = [x + side * WIDE / 2 for x, _y in map(_center, PLACES) for side in (-1, 1)]
    for step in range(LAST + 1):
        boxes = []
        for s in (s for s in drawn(step, settings) if isinstance(s, Text)):
            wide = s.size * measured(s.text, s.bold)
            left = s.x - {"left": 0, "center": 0.5}[s.align] * wide
            boxes.append((left, left + wide, s.y - 6, s.y + 6, s))
        for i, (left, right, top, bottom, s) in enumerate(boxes):
            assert s.size >= 7, s
            assert left >= 0 and right <= WIDTH and top >= 0 and bottom <= HEIGHT, s
            if s.align == "center":  # in a node or between two
                assert not [wall for wall in walls if left < wall < right], s
            for other in boxes[:i]:
                apart = right <= other[0] or other[1] <= left
                assert apart or bottom <= other[2] or other[3] <= top, (s, other[4])


def test_the_label_for_screen_readers_is_the_description():
    html = render_html(Settings(), 3)
    assert f'aria-label="{describe(Settings(), 3)}"' in html
    assert html.count("<svg") == 1 and "≈ 0.8·0.7503 + (−0.2) ≈ 0.4002</text>" in html


def test_the_png_is_sharp_and_small():
    png = render_png(Settings(), 10)
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    assert picture.width > 1200 and len(png) < 80_000
    colors = {color for _, color in picture.getcolors(1 << 20)}
    for wanted in ((176, 74, 0), (0, 114, 178)):
        near = min(
            sum(abs(a - b) for a, b in zip(c, wanted, strict=True)) for c in colors
        )
        assert near < 12


# --- controls -------------------------------------------------------------------------


@pytest.fixture
def stepper():
    return backpropagation(x=2, t=1, step=4)


def test_next_and_back_move_the_slider_and_redraw(stepper):
    stepper.next.click()
    assert stepper.step.value == 5
    assert describe(stepper.settings, 5) in stepper.view.value
    stepper.back.click()
    stepper.back.click()
    assert stepper.step.value == 3
    assert describe(stepper.settings, 3) in stepper.view.value
    stepper.step.value = 11
    assert describe(stepper.settings, 11) in stepper.view.value


def test_the_buttons_stop_at_the_ends(stepper):
    for _ in range(20):
        stepper.next.click()
    assert stepper.step.value == LAST
    assert stepper.next.disabled and not stepper.back.disabled
    for _ in range(20):
        stepper.back.click()
    assert stepper.step.value == 0
    assert stepper.back.disabled and not stepper.next.disabled


@pytest.mark.parametrize("name", ["x", "t", *WEIGHTS, "lr"])
def test_typing_a_number_keeps_the_step_and_redraws_once(stepper, name):
    stepper.step.value = LAST
    redraws = []
    stepper.view.observe(lambda change: redraws.append(change.new), "value")
    stepper.inputs[name].value = 1.7
    assert len(redraws) == 1 and stepper.step.value == LAST
    now = stepper.settings
    given = {"lr": now.lr, **now.values}
    assert given[name] == 1.7
    assert [v for k, v in given.items() if k in stepper.inputs].count(1.7) == 1


def test_a_number_too_large_is_held_at_the_limit(stepper):
    stepper.inputs["w2"].value = 1e9
    stepper.inputs["lr"].value = -3
    assert stepper.settings.values["w2"] == 20 and stepper.settings.lr == 0


def test_the_picture_and_its_words_are_those_of_the_whole_walk(stepper):
    stepper.step.value = 9
    assert stepper.alt == repr(stepper) == describe(Settings(), LAST)
    assert stepper.png == render_png(Settings(), LAST)


def test_every_control_has_a_name(stepper):
    controls = [c for row in stepper.widget.children[:2] for c in row.children]
    names = [c.description for c in controls]
    assert names == [
        "Back", "Next", "Go to step", "x", "t", "w₁", "b₁", "w₂", "b₂", "α"
    ]  # fmt: skip
