"""course_utils.plots: alternative text, readable on dark themes, and bad input."""

import io
import types

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from course_utils import plots

ALT = "A sentence that states what the figure shows."

BINS = {"before": ([0.3, 0.9], [0.2, 0.7], [10, 90]), "T": ([0, 0.8], [0, 0.8], [0, 5])}


def pixels(image):
    return np.asarray(PillowImage.open(io.BytesIO(image.data)).convert("RGBA"))


def fake_history(epochs):
    return types.SimpleNamespace(
        train_loss=np.linspace(2, 0.1, epochs),
        valid_loss=np.linspace(2, 0.2, epochs),
        valid_accuracy=np.linspace(0.1, 0.9, epochs),
        best_epoch=epochs - 1,
    )


def draw_lines():
    series = {"a": [0.1, 0.2], "b": [0.2, 0.2]}
    plots.lines([0, 1], series, x_label="x", y_label="y", alt=ALT, percent=True)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.images(torch.rand(12, 1, 28, 28), ["t"] * 12, alt=ALT),
        lambda: plots.images(np.zeros((3, 9, 9)), alt=ALT, limits=(0, 1)),
        draw_lines,
        lambda: plots.history(fake_history(5), alt=ALT),
        lambda: plots.history(fake_history(1), alt=ALT),
        lambda: plots.confusion(np.eye(10, dtype=int), "0123456789", alt=ALT),
        lambda: plots.reliability(BINS, alt=ALT),
        lambda: plots.roc(
            [1, 0.5, 0], [0, 0.9, 1], chosen={"0.5": (0.5, 0.9)}, alt=ALT
        ),
    ],
)
def test_every_figure_carries_its_alt_text_and_an_opaque_background(draw, displayed):
    draw()
    (image,) = displayed
    _data, metadata = image._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == ALT
    rgba = pixels(image)
    assert rgba[..., 3].min() == 255
    assert (rgba[0, 0, :3] > 240).all()


def test_shown_size_is_the_figure_size(displayed):
    plots.show(plt.figure(figsize=(4, 2)), alt=ALT)
    assert (displayed[0].width, displayed[0].height) == (384, 192)
    assert pixels(displayed[0]).shape[:2] == (288, 576)


def test_refuses_a_figure_without_alt(displayed):
    fig = plt.figure()
    with pytest.raises(ValueError, match="alt"):
        plots.show(fig, alt="figure")
    plt.close(fig)


def test_refuses_no_picture_and_uneven_titles(displayed):
    with pytest.raises(ValueError, match="no picture"):
        plots.images([], alt=ALT)
    with pytest.raises(ValueError, match="2 pictures but 1 titles"):
        plots.images(np.zeros((2, 5, 5)), ["one"], alt=ALT)


def test_matrix_writes_every_number_but_the_missing(displayed):
    fig, ax = plt.subplots()
    plots.matrix(ax, [[1, np.nan], [2.5, -3]], box=(0, 0, 1, 1))
    assert [t.get_text() for t in ax.texts] == ["1", "2.5", "-3"]
    assert len(ax.patches) == 1
    plt.close(fig)


def test_line_names_do_not_overlap(displayed):
    fig, ax = plt.subplots()
    ax.set_ylim(0, 1)
    plots._label_ends(ax, 1, [(0.5, "a", "k"), (0.5, "b", "k"), (0.51, "c", "k")])
    heights = sorted(t.xy[1] for t in ax.texts)
    assert np.diff(heights).min() > 0.05
    plt.close(fig)


@pytest.fixture
def drawn(monkeypatch):
    """The axes of the figures that plots.show gets, drawn."""
    axes = []

    def keep(fig, alt):
        fig.canvas.draw()
        axes.extend(fig.axes)
        plt.close(fig)

    monkeypatch.setattr(plots, "show", keep)
    plots.apply_style()
    return axes


def test_line_names_keep_their_distance_on_a_logarithmic_axis(drawn):
    series = {"a": [1, 1e-6], "b": [1, 1.1e-6], "c": [1, 1e3]}
    plots.lines([0, 1], series, x_label="x", y_label="y", alt=ALT, log=True)
    (ax,) = drawn
    assert ax.get_yscale() == "log"
    heights = sorted(ax.transData.transform(t.xy)[1] for t in ax.texts)
    assert np.diff(heights).min() > 0.05 * ax.bbox.height


def test_a_name_pushed_above_the_axes_is_still_drawn():
    fig, ax = plt.subplots()
    ax.set_ylim(0, 1)
    plots._label_ends(ax, 0.5, [(0.99, name, "k") for name in "abc"])
    inside = [t for t in ax.texts if t.xy[1] <= 1]
    assert len(inside) < 3, "no name was pushed out: the test shows nothing"
    renderer = fig.canvas.get_renderer()
    assert all(text._check_xy(renderer) for text in ax.texts)
    plt.close(fig)


def test_a_narrow_logarithmic_axis_has_plain_numbers(drawn):
    series = {"a": [0.03, 0.3]}
    plots.lines([0, 1], series, x_label="x", y_label="y", alt=ALT, log=True)
    (ax,) = drawn
    said = [t.get_text() for t in ax.get_yticklabels(which="both")]
    assert "0.1" in said and "0.05" in said


def test_many_points_are_a_thin_line_without_markers(drawn):
    for n in (10, 200):
        series = {"a": np.arange(n)}
        plots.lines(range(n), series, x_label="x", y_label="y", alt=ALT)
    few, many = (ax.lines[0] for ax in drawn)
    assert few.get_marker() == "o" and many.get_marker() == "None"
    assert many.get_linewidth() < few.get_linewidth()


def test_train_valid_test_are_told_apart_in_grey():
    def lightness(color):
        red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    grey = sorted(lightness(plots.COLORS[k]) for k in ("train", "valid", "test"))
    assert min(np.diff(grey)) >= 15


def test_a_large_confusion_matrix_has_room_for_its_numbers(drawn):
    for k in (10, 24):
        plots.confusion(np.full((k, k), 88), ["M"] * k, alt=ALT)
    for ax in drawn:
        cell = ax.get_window_extent().width / len(ax.get_xticks())
        assert cell > ax.texts[0].get_window_extent().width


def test_reliability_leaves_out_empty_bins_and_sizes_the_others(drawn):
    plots.reliability(BINS, alt=ALT)
    before, after = drawn[0].collections
    assert before.get_offsets().tolist() == [[0.3, 0.2], [0.9, 0.7]]
    assert after.get_offsets().tolist() == [[0.8, 0.8]]
    assert before.get_sizes()[1] > 4 * before.get_sizes()[0]


def test_roc_runs_over_false_alarms(drawn):
    plots.roc([1, 0.5, 0], [0, 0.9, 1], chosen={"0.5": (0.5, 0.9)}, alt=ALT)
    curve, point = drawn[0].lines[1:]
    assert curve.get_xdata().tolist() == [0, 0.5, 1]
    assert (point.get_xdata()[0], point.get_ydata()[0]) == (0.5, 0.9)


def test_whole_numbers_have_whole_ticks(drawn):
    for x in ([1, 2, 3], [0.5, 1, 2]):
        plots.lines(x, {"a": [1, 2, 3]}, x_label="x", y_label="y", alt=ALT)
    whole, broken = ([t % 1 for t in ax.get_xticks()] for ax in drawn)
    assert not any(whole) and any(broken)
