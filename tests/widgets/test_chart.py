"""The chart made of shapes: where data land, what is cut off, where names stand."""

import numpy as np
import pytest

from course_utils.widgets.base import Box, Curve, Dot, Text, panels_to_png
from course_utils.widgets.chart import LETTER, WORDS, Chart

BLUE, ORANGE = "#0072B2", "#D98200"


def chart(x=(0, 10), y=(-1, 1), **settings):
    return Chart("Title", "x (mm)", "y", x, y, **settings)


def kinds(drawn, kind):
    return [s for s in drawn.panel("").shapes if isinstance(s, kind)]


def words(drawn):
    return [text.text for text in kinds(drawn, Text)]


def plot_area(drawn):
    """left, top, right, bottom: from the two axis lines."""
    lines = [b for b in kinds(drawn, Box) if max(b.width, b.height) > 50]
    across = next(b for b in lines if b.width)
    down = next(b for b in lines if b.height)
    return across.x, down.y, across.x + across.width, across.y


def test_corners_of_the_data_are_corners_of_the_plot_area():
    drawn = chart()
    left, top, right, bottom = plot_area(drawn)
    drawn.dots([0, 10, 5], [-1, 1, 0], BLUE)
    at = [(d.x, d.y) for d in kinds(drawn, Dot)]
    middle = ((left + right) / 2, (top + bottom) / 2)
    assert np.allclose(at, [(left, bottom), (right, top), middle])


def test_dots_outside_or_not_finite_are_left_out():
    drawn = chart()
    drawn.dots([-1, 5, 5, np.nan, np.inf], [0, 0, 2, 0, 0], BLUE)
    assert len(kinds(drawn, Dot)) == 1


def test_a_curve_is_cut_where_it_crosses_the_axes():
    drawn = chart()
    left, top, right, bottom = plot_area(drawn)
    drawn.curve([0, 5, 10], [0, 2, 0], BLUE)  # leaves at x = 2.5, is back at x = 7.5
    points = kinds(drawn, Curve)[0].points
    width, middle = right - left, (top + bottom) / 2
    expected = [
        (left, middle),
        (left + width / 4, top),
        (np.nan, np.nan),
        (right - width / 4, top),
        (right, middle),
    ]
    assert np.allclose(points, expected, atol=1e-3, equal_nan=True)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_breaks_the_curve(bad):
    drawn = chart()
    drawn.curve([0, 1, 2, 3, 4], [0, 0, bad, 0, 0], BLUE)
    assert np.isnan(kinds(drawn, Curve)[0].points[:, 0]).tolist() == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("huge", [1e3, 1e300, -1e308])
def test_a_curve_that_explodes_stays_inside(huge):
    drawn = chart()
    left, top, right, bottom = plot_area(drawn)
    drawn.curve(np.arange(11), np.tile([0, huge], 6)[:11], BLUE, name="lost")
    points = kinds(drawn, Curve)[0].points
    points = points[np.isfinite(points).all(axis=1)]
    assert len(points) > 10
    assert ((points >= (left - 0.01, top - 0.01)).all()) and (
        (points <= (right + 0.01, bottom + 0.01)).all()
    )


def test_cutting_agrees_with_sampling():
    """A dense line cut exactly is the line's points that lie inside."""
    rng = np.random.default_rng(0)
    drawn = chart((0, 1), (0, 1))
    left, top, right, bottom = plot_area(drawn)
    x, y = rng.uniform(-1, 2, (2, 200))
    drawn.curve(x, y, BLUE)
    points = kinds(drawn, Curve)[0].points
    length = np.nansum(np.hypot(*np.diff(points, axis=0).T))
    fine = np.linspace(0, 199, 2_000_000)
    way = np.stack([np.interp(fine, np.arange(200), v) for v in (x, y)])
    inside = ((way >= 0) & (way <= 1)).all(axis=0)
    scale = np.array([[right - left], [bottom - top]])
    steps = np.hypot(*(np.diff(way, axis=1) * scale))
    assert length == pytest.approx(steps[inside[1:]].sum(), rel=1e-3)


@pytest.mark.parametrize(("x", "y"), [([], []), ([5], [0]), ([5, 6], [9, 9])])
def test_nothing_to_see_is_no_error(x, y):
    drawn = chart()
    drawn.curve(x, y, BLUE, name="absent")
    drawn.dots([], [], BLUE)
    assert "absent" not in words(drawn) and panels_to_png([drawn.panel("")])


@pytest.mark.parametrize(
    ("limits", "ticks"),
    [
        ((-6, 6), ["−6", "−4", "−2", "0", "2", "4", "6"]),
        ((0, 1), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ((-0.12, 0.29), ["−0.1", "0.0", "0.1", "0.2"]),
        ((0, 1000), ["0", "200", "400", "600", "800", "1000"]),
    ],
)
def test_ticks_are_round_numbers_written_alike(limits, ticks):
    drawn = chart(x=limits, y=(7.1, 7.2))
    found = [t for t in words(drawn) if not t.startswith("7.")]
    assert [t for t in found if t not in ("Title", "x (mm)", "y")] == ticks


def test_tiny_and_huge_scales_keep_different_ticks():
    for limits in ((1e-7, 5e-7), (1e6, 5e6), (1, 1.0004)):
        ticks = [t for t in words(chart(y=limits)) if t not in words(chart())]
        assert len(ticks) == len(set(ticks)) >= 3


def test_a_logarithmic_axis_is_even_in_powers_of_ten():
    drawn = chart(y=(1e-5, 1), log_y=True)
    _, top, _, bottom = plot_area(drawn)
    drawn.dots(5, [1, 1e-1, 1e-5], BLUE)
    assert np.allclose(
        [d.y for d in kinds(drawn, Dot)],
        [top, top + (bottom - top) / 5, bottom],
    )
    assert {"1", "0.1", "0.001", "10⁻⁵"} <= set(words(drawn))
    drawn.curve([0, 1, 2, 3, 4, 5], [1, 0.1, 0, -1, 0.1, 1], BLUE)  # 0, -1: no log
    assert np.isnan(kinds(drawn, Curve)[0].points[:, 0]).sum() == 1


def test_areas_bands_and_bars_are_filled_and_stay_inside():
    drawn = chart()
    left, top, right, bottom = plot_area(drawn)
    drawn.area([0, 5, 10], [0, 9, 0], 0, BLUE)
    drawn.band(8, 99, ORANGE)
    drawn.bars([2, 4], [0.5, -0.5], BLUE)
    area, band, up, down = kinds(drawn, Curve)
    middle, high = (top + bottom) / 2, (bottom - top) / 2
    assert area.fill == BLUE and area.points[:, 1].min() == top
    assert np.ptp(band.points[:, 0]) == pytest.approx((right - left) / 5)
    assert np.ptp(band.points[:, 1]) == bottom - top
    assert up.points[:, 1].min() == pytest.approx(middle - high / 2)
    assert down.points[:, 1].max() == pytest.approx(middle + high / 2)


def test_lines_across_are_drawn_only_inside():
    drawn = chart()
    drawn.vline(5, BLUE)
    drawn.hline(0, BLUE, dashed=False)
    drawn.vline(11, ORANGE)
    drawn.hline(-2, ORANGE)
    lines = [c for c in kinds(drawn, Curve) if len(c.points)]
    assert [(c.color, c.dashed) for c in lines] == [(BLUE, True), (BLUE, False)]


def box(text, wider=1.0):
    wide = wider * LETTER * WORDS * len(text.text)
    left = text.x - {"left": 0, "center": wide / 2, "right": wide}[text.align]
    return left, text.y - WORDS / 2, left + wide, text.y + WORDS / 2


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def test_names_stand_inside_and_overlap_neither_each_other_nor_a_curve():
    drawn = chart()
    left, top, right, bottom = plot_area(drawn)
    x = np.linspace(0, 10, 200)
    names = ["train", "validation", "fit", "true curve"]
    for i, name in enumerate(names):
        drawn.curve(x, 0.01 * i + 0.2 * np.sin(x), BLUE, name=name)
    shapes = drawn.panel("").shapes
    boxes = [box(s, 1.1) for s in shapes if isinstance(s, Text) and s.text in names]
    assert len(boxes) == 4
    for i, one in enumerate(boxes):
        assert one[0] >= left and one[2] <= right and one[1] >= top
        assert one[3] <= bottom
        assert not any(overlap(one, other) for other in boxes[:i])
        points = kinds(drawn, Curve)[0].points
        assert not any(overlap(one, (*p, *p)) for p in points)


@pytest.mark.parametrize("align", ["left", "center", "right"])
def test_words_near_the_edge_are_moved_inside(align):
    drawn = chart()
    left, top, right, bottom = plot_area(drawn)
    for x, y in ((0, 1), (10, -1), (99, 99)):
        drawn.text(x, y, "some words", BLUE, align=align)
    for text in (t for t in kinds(drawn, Text) if t.text == "some words"):
        one = box(text)
        assert one[0] >= left - 1e-6 and one[2] <= right + 1e-6
        assert one[1] >= top - 1e-6 and one[3] <= bottom + 1e-6


def test_notes_are_wrapped_under_the_chart():
    bare, noted = chart().panel("a"), chart().panel("a", ["short", "word " * 30])
    lines = [s for s in noted.shapes if isinstance(s, Text) and s.y > bare.height]
    assert len(lines) >= 4 and noted.height > lines[-1].y
    assert all(box(line)[2] <= noted.width for line in lines)


def test_names_instead_of_numbers():
    drawn = chart(x=(-0.5, 2.5), x_names=["A", "B", "C"])
    assert {"A", "B", "C"} <= set(words(drawn)) and "1" not in words(drawn)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"x": (1, 1)}, "x_limits must be two finite numbers"),
        ({"x": (2, 1)}, r"x_limits .* got \(2, 1\)"),
        ({"y": (0, np.nan)}, "y_limits must be two finite"),
        ({"y": (0, np.inf)}, "y_limits must be two finite"),
        ({"y": (0, 1), "log_y": True}, "begins above 0"),
    ],
)
def test_limits_that_span_nothing_are_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        chart(**limits)
