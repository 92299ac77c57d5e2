"""The convolution explorer: its arithmetic against torch, its drawing, its controls."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.widgets import convolution
from course_utils.widgets.convolution import (
    PRESETS,
    Settings,
    convolution_explorer,
    convolve,
    describe,
    equation,
    number,
    render_html,
    render_png,
    window_at,
)
from widget_parts import nameless, sentences, untranslated

# The decks' own worked examples.
BINARY = np.array(
    [
        [1, 1, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 0],
        [0, 1, 1, 0, 0],
    ]
)
GREY = np.array(
    [
        [60, 113, 56, 139, 85],
        [73, 121, 54, 84, 128],
        [131, 99, 70, 129, 127],
        [80, 57, 115, 69, 134],
        [104, 126, 123, 95, 130],
    ],
    dtype=np.uint8,
)
DIGIT = (np.add.outer(np.arange(28), np.arange(28)) * 4).astype(np.uint8)


# --- arithmetic


def test_the_decks_results():
    output, padded = convolve(BINARY, PRESETS["cross"])
    assert output[0, 0] == 4 and output.shape == (3, 3)
    assert np.array_equal(padded, BINARY)
    output, padded = convolve(GREY, PRESETS["sharpen"], padding=1)
    assert output[0, 0] == 114 and output.shape == (5, 5)
    assert padded.shape == (7, 7) and padded[0].sum() == 0 and padded[1, 1] == 60


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_it_agrees_with_torch(preset, stride, padding):
    image = np.random.default_rng(0).normal(size=(9, 12))
    output, _ = convolve(image, PRESETS[preset], stride, padding)
    kernel = torch.tensor(PRESETS[preset], dtype=torch.float64)
    expected = torch.nn.functional.conv2d(
        torch.tensor(image)[None, None], kernel[None, None], None, stride, padding
    )
    assert output.shape == expected.shape[2:]
    assert np.allclose(output, expected[0, 0], atol=1e-12)


def test_tensors_and_bytes_do_not_wrap_around():
    output, _ = convolve(torch.tensor(GREY), PRESETS["laplacian"])
    assert output.min() < 0


def test_the_presets_do_what_their_names_say():
    assert np.sum(PRESETS["blur"]) == 1 == np.sum(PRESETS["sharpen"])
    for edges in ("sobel_x", "sobel_y", "laplacian"):
        assert np.sum(PRESETS[edges]) == 0
    assert np.array_equal(np.transpose(PRESETS["sobel_x"]), PRESETS["sobel_y"])
    assert np.array_equal(convolve(GREY, PRESETS["identity"], padding=1)[0], GREY)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_windows_visit_the_output_in_reading_order(stride):
    output, padded = convolve(DIGIT[:11, :8], PRESETS["sobel_x"], stride, 1)
    sums = []
    for step in range(1, output.size + 1):
        top, left = window_at(step, output.shape[1], stride)
        sums.append((padded[top : top + 3, left : left + 3] * PRESETS["sobel_x"]).sum())
    assert np.allclose(sums, output.ravel())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((DIGIT[None], PRESETS["blur"]), r"shape \(1, 28, 28\)"),
        ((np.full((4, 4), np.nan), PRESETS["blur"]), "finite"),
        ((np.full((4, 4), "a"), PRESETS["blur"]), "finite numbers"),
        ((np.ones((2, 5)), PRESETS["blur"]), "2×5, smaller than the 3×3"),
        ((DIGIT, np.ones((2, 2))), r"3×3, got shape \(2, 2\)"),
        ((DIGIT, np.full((3, 3), 100)), "from −99 to 99"),
        ((DIGIT, np.full((3, 3), np.nan)), "from −99 to 99"),
        ((DIGIT, PRESETS["blur"], 0), "stride must be one of 1, 2, 3, got 0"),
        ((DIGIT, PRESETS["blur"], 1, 3), "padding must be one of 0, 1, 2, got 3"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        convolve(*arguments)


@pytest.mark.parametrize(("step", "columns"), [(0, 5), (-1, 5), (1, 0)])
def test_steps_and_columns_count_from_one(step, columns):
    with pytest.raises(ValueError, match="count from 1"):
        window_at(step, columns)


@pytest.mark.parametrize("step", [0, 10])
def test_a_step_beyond_the_output_is_refused(step):
    with pytest.raises(ValueError, match="an output of 3×3 has 9 steps"):
        Settings(BINARY, PRESETS["cross"], step=step)


# --- words


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (3.0, 2, "3"),
        (-0.001, 2, "0"),
        (-1, 2, "−1"),
        (100, 0, "100"),
        (0.5, 2, "0.5"),
        (0.0625, 4, "0.0625"),
        (123456, 2, "1.23e+05"),
    ],
)
def test_numbers_are_short_and_keep_their_zeros(value, digits, text):
    assert number(value, digits) == text


def test_the_equation_writes_nine_products_and_their_sum():
    lines = equation(Settings(GREY, PRESETS["sharpen"], padding=1))
    assert lines == [
        "0·0 + 0·(−1) + 0·0",
        "+ 0·(−1) + 60·5 + 113·(−1)",
        "+ 0·0 + 73·(−1) + 121·0",
        "= 114",
    ]


@pytest.mark.parametrize(
    ("image", "preset", "sign"),
    [
        (GREY / 255, "sobel_x", "≈"),
        (GREY, "blur", "="),
        (GREY / 4, "blur", "≈"),
        (GREY / 4, "sharpen", "="),
        (-GREY / 3, "cross", "≈"),
    ],
)
def test_the_equation_claims_equality_only_where_nothing_is_rounded(
    image, preset, sign
):
    *lines, result = equation(Settings(image, PRESETS[preset], step=4))
    written = " ".join(lines).replace("−", "-").replace("·", "*")
    total = float(result[2:].replace("−", "-"))
    assert result[0] == sign
    assert abs(eval(written) - total) < (0.05 if sign == "≈" else 1e-9)


def test_the_description_states_step_and_result():
    text = describe(Settings(BINARY, PRESETS["cross"], step=6))
    assert "step 6 of 9" in text and "row 1, column 2" in text
    assert text.endswith("= 3, which is output[1, 2] of 3×3.")


def test_every_sentence_is_in_the_spanish_catalogue():
    said = sentences("convolution")
    assert len(said) > 30
    assert untranslated(said) == []


# --- drawing


def test_the_live_view_outlines_window_and_cell():
    settings = Settings(GREY, PRESETS["sharpen"], padding=1, step=8)
    left, _, right = convolution._panels(settings)
    cell = convolution.SIDE / 7
    outline = [s for s in left.shapes if getattr(s, "stroke", 0) == 2.6]
    assert [(b.x, b.y, b.width) for b in outline] == [
        pytest.approx((2 * cell, convolution.TOP + cell, 3 * cell))
    ]
    cell = convolution.SIDE / 5
    (box,) = [s for s in right.shapes if getattr(s, "stroke", 0) == 2.6]
    assert (box.x, box.y) == pytest.approx((2 * cell, convolution.TOP + cell))


def test_small_images_show_their_numbers_and_large_ones_do_not():
    html = render_html(Settings(GREY, PRESETS["sharpen"], padding=1))
    left, _, right = html.split("<svg")[1:]
    assert all(f">{value}</text>" in left for value in GREY.ravel())
    assert ">−135</text>" in right
    left, _, right = render_html(Settings(DIGIT, PRESETS["blur"])).split("<svg")[1:]
    assert left.count("<text") == 4  # title, note, and the ends of the scale


def test_the_size_formula_is_filled_in():
    square = render_html(Settings(DIGIT, PRESETS["blur"], 2, 1))
    assert "Output side: ⌊(28 + 2·1 − 3) / 2⌋ + 1 = 14" in square
    oblong = render_html(Settings(DIGIT[:9], PRESETS["blur"], 3, 0))
    assert "Output height: ⌊(9 + 2·0 − 3) / 3⌋ + 1 = 3" in oblong
    assert "Output width: ⌊(28 + 2·0 − 3) / 3⌋ + 1 = 9" in oblong


def test_the_equation_is_in_the_label_for_screen_readers():
    settings = Settings(GREY, PRESETS["sharpen"], padding=1)
    assert f'aria-label="{describe(settings)}"' in render_html(settings)


def test_colours_are_centred_at_zero_where_there_is_a_sign():
    limits = convolution._limits(np.array([-2.0, 1.0]))
    low, zero, high = convolution._colors(np.array([-2.0, 0.0, 2.0]), limits)
    assert tuple(low) == convolution.NEGATIVE and tuple(high) == convolution.POSITIVE
    assert tuple(zero) == convolution.ZERO
    black, white = convolution._colors(
        np.array([0, 9]), convolution._limits(GREY * 0 + 9)
    )
    assert tuple(black) == (0, 0, 0) and tuple(white) == (255, 255, 255)


@pytest.mark.parametrize("image", [GREY, DIGIT, DIGIT[:5], np.zeros((3, 3))])
def test_no_shape_leaves_its_panel_and_no_number_its_cell(image):
    settings = Settings(image, np.full((3, 3), -99.0), padding=2)
    for panel in convolution._panels(settings):
        for shape in panel.shapes:
            assert min(shape.x, shape.y) >= -1e-9 and shape.y <= panel.height
            if hasattr(shape, "width"):
                assert shape.x + shape.width <= panel.width + 1e-9
                assert shape.y + shape.height <= panel.height + 1e-9
            elif shape.align == "left":
                assert shape.x + 0.6 * shape.size * len(shape.text) <= panel.width


@pytest.mark.parametrize(
    "settings", [(GREY, "sharpen", 1, 2), (DIGIT, "sobel_x", 1, 1)]
)
def test_the_png_is_sharp_and_below_60_kilobytes(settings):
    image, preset, stride, padding = settings
    png = render_png(Settings(image, PRESETS[preset], stride, padding, 20))
    assert len(png) < 60_000
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    assert picture.width > 1000
    colors = {color for _, color in picture.getcolors(1 << 20)}
    orange = min(
        sum(abs(a - b) for a, b in zip(c, (213, 94, 0), strict=True)) for c in colors
    )
    assert orange < 12  # the window's outline is there


# --- controls


@pytest.fixture
def explorer():
    return convolution_explorer(
        {"digit": DIGIT, "grey": GREY}, kernel="sobel_x", step=500
    )


def test_a_single_image_needs_no_choice(explorer):
    def descriptions(widget):
        yield getattr(widget, "description", "")
        for child in getattr(widget, "children", ()):
            yield from descriptions(child)

    single = convolution_explorer(GREY)
    assert "Image" in set(descriptions(explorer.widget))
    assert "Image" not in set(descriptions(single.widget))


def test_moving_the_step_redraws(explorer):
    before = explorer.view.value
    explorer.step.value = 501
    assert explorer.view.value != before
    assert describe(explorer.settings) in explorer.view.value
    assert explorer.settings.step == 501


def test_the_picture_stays_that_of_the_first_state(explorer):
    first = explorer.alt
    explorer.step.value = 1
    assert explorer.alt == first and "step 500" in first


@pytest.mark.parametrize(
    ("control", "value", "steps"),
    [("image", "grey", 9), ("stride", 3, 81), ("padding", 2, 900)],
)
def test_the_slider_stays_in_range(explorer, control, value, steps):
    explorer.step.value = 600
    getattr(explorer, control).value = value
    assert explorer.step.max == steps == explorer.settings.output.size
    assert explorer.step.value == explorer.settings.step == min(600, steps)
    box = explorer.widget.children[1].children[0]  # the number beside the slider
    assert (box.value, box.max) == (explorer.step.value, steps)


def test_every_combination_of_settings_can_be_reached_from_the_last_step(explorer):
    for image in ("digit", "grey", "digit"):
        explorer.image.value = image
        for stride in (1, 2, 3):
            for padding in (0, 2, 1):
                explorer.step.value = explorer.step.max
                explorer.stride.value, explorer.padding.value = stride, padding
                assert explorer.settings.output.size == explorer.step.max


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fills_the_boxes_and_redraws_once(explorer, preset):
    explorer.preset.value = "cross" if preset == "identity" else "identity"
    redraws = []
    explorer.view.observe(lambda change: redraws.append(change.new), "value")
    explorer.preset.value = preset
    assert len(redraws) == 1
    assert np.array_equal(np.ravel(PRESETS[preset]), [b.value for b in explorer.kernel])
    assert np.array_equal(explorer.settings.kernel, PRESETS[preset])


def test_typing_a_weight_makes_the_kernel_your_own(explorer):
    explorer.kernel[0].value = 7
    assert explorer.preset.value == "own"
    assert explorer.settings.kernel[0, 0] == 7 and explorer.settings.kernel[1, 2] == 2
    explorer.preset.value = "blur"
    assert explorer.settings.kernel[0, 0] == 0.0625


def test_a_weight_too_large_is_held_at_the_limit(explorer):
    explorer.kernel[4].value = 1e9
    assert explorer.settings.kernel[1, 1] == 99


def test_every_control_has_a_name(explorer):
    # The slider has its named box.
    assert nameless(explorer.widget) == [explorer.step, explorer.view]


def test_the_first_kernel_may_be_your_own():
    explorer = convolution_explorer(GREY, kernel=np.eye(3), stride=2, padding=2)
    assert explorer.preset.value == "own" and explorer.stride.value == 2
    assert np.array_equal(explorer.settings.kernel, np.eye(3))


@pytest.mark.parametrize(
    ("image", "settings", "message"),
    [
        ({}, {}, "no image"),
        (DIGIT[None], {}, "two dimensions"),
        ({"good": GREY, "small": np.ones((2, 2))}, {"padding": 2}, "smaller than"),
        (GREY, {"kernel": "emboss"}, "no preset kernel 'emboss': use one of identity"),
        (GREY, {"kernel": np.ones((5, 5))}, "3×3"),
        (GREY, {"step": 10}, "no step 10"),
        (GREY, {"stride": 4}, "stride must be"),
    ],
)
def test_what_cannot_be_shown_is_refused(image, settings, message):
    with pytest.raises(ValueError, match=message):
        convolution_explorer(image, **settings)
