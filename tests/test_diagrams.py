"""The drawings: every label there, none on another, bad input named."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_utils import diagrams, locale, plots

ALT = "A sentence that states what the figure shows."
EVENTS = {
    "en": [
        (1936, "Turing: the machine that computes"),
        (1943, "McCulloch and Pitts: the first neuron"),
        (1956, "Dartmouth: artificial intelligence"),
        (1974, "Werbos: thesis on backpropagation"),
        (1986, "Rumelhart, Hinton and Williams: backpropagation"),
        (1989, "Cybenko, Hornik: universal approximation"),
        (1998, "LeNet reads cheques"),
        (2012, "AlexNet wins ImageNet"),
        (2014, "FCN: segmentation"),
        (2015, "U-Net"),
        (2015, "ResNet: 152 layers"),
    ],
    "es": [
        (1936, "Turing: la máquina que calcula"),
        (1943, "McCulloch y Pitts: la primera neurona"),
        (1956, "Dartmouth: inteligencia artificial"),
        (1974, "Werbos: tesis sobre la retropropagación"),
        (1986, "Rumelhart, Hinton y Williams: retropropagación"),
        (1989, "Cybenko, Hornik: aproximación universal"),
        (1998, "LeNet lee cheques en los bancos"),
        (2012, "AlexNet gana ImageNet con dos GPU"),
        (2014, "FCN: segmentación semántica"),
        (2015, "U-Net: segmentación de imágenes biomédicas"),
        (2015, "ResNet: 152 capas residuales"),
    ],
}


@pytest.fixture
def drawn(monkeypatch):
    """The figures a test draws, still open, with their alternative text."""
    figures = []
    monkeypatch.setattr(diagrams, "show", lambda fig, alt: figures.append((fig, alt)))
    locale.set_language("en")
    plots.apply_style()
    yield figures
    for fig, _alt in figures:
        plt.close(fig)
    assert plt.get_fignums() == []  # else Jupyter would show the figure twice


def boxes(fig):
    """(text, extent in pixels) of every visible line of text."""
    seen = (t for t in fig.axes[0].texts if t.get_text() and t.get_color() != "none")
    return [(t.get_text(), t.get_window_extent()) for t in seen]


def test_both_are_shown_with_their_alternative_text(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", shown.append)
    diagrams.timeline(EVENTS["en"], alt=ALT)
    diagrams.network(*weights(2, 3), alt=ALT)
    assert [image.alt for image in shown] == [ALT, ALT]
    assert plt.get_fignums() == []


# --- the timeline ---------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "es"])
def test_labels_of_the_course_are_complete_and_apart(drawn, lang):
    diagrams.timeline(EVENTS[lang], alt=ALT)
    ((fig, alt),) = drawn
    assert alt == ALT
    said = " ".join(text for text, _box in boxes(fig))
    for year, text in EVENTS[lang]:
        assert f"{year} {text}" in said
    width, height = fig.get_size_inches() * fig.dpi
    for _text, box in boxes(fig):
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height
    # Lines of one label may lean on each other: their boxes include descenders.
    for (one, a), (two, b) in combinations(boxes(fig), 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        down = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 0 or down < 3, (one, two)
    assert 7.2 < fig.get_size_inches()[0] < 7.6 and fig.get_size_inches()[1] < 3.3


@pytest.mark.parametrize("lang", ["en", "es"])
def test_no_stem_crosses_a_label(drawn, lang):
    diagrams.timeline(EVENTS[lang], alt=ALT)
    fig, ax = drawn[0][0], drawn[0][0].axes[0]
    stems = [line.get_xydata() for line in ax.lines if len(line.get_xydata()) == 2]
    stems = [s for s in stems if s[0, 0] == s[1, 0] and s[0, 1] == 0]
    assert len(stems) == len(EVENTS[lang])
    for stem in stems:
        (x, low), (_x, high) = ax.transData.transform(stem[np.argsort(stem[:, 1])])
        for text, box in boxes(fig):
            inside = box.x0 - 1 < x < box.x1 + 1 and box.y0 < high and low < box.y1
            assert not inside, text


def test_years_are_true_to_scale_and_in_any_order(drawn):
    diagrams.timeline(EVENTS["en"][::-1], alt=ALT)
    lines = drawn[0][0].axes[0].lines
    dots = [line.get_xdata()[0] for line in lines if line.get_marker() == "o"]
    years = [year for year, _text in EVENTS["en"]]
    slope = np.diff(dots)[np.diff(years) > 0] / np.diff(years)[np.diff(years) > 0]
    assert np.allclose(slope, slope[0]) and slope[0] > 0


@pytest.mark.parametrize("events", [[], [(2015, "U-Net")], [(2015, "a"), (2015, "b")]])
def test_a_timeline_needs_a_span(drawn, events):
    with pytest.raises(ValueError, match="span more than one year"):
        diagrams.timeline(events, alt=ALT)


def test_a_crowd_that_cannot_be_labelled_is_refused(drawn):
    crowd = [(1936, "Turing"), *((2015, f"network number {i}") for i in range(9))]
    with pytest.raises(ValueError, match="10 labels do not fit"):
        diagrams.timeline(crowd, alt=ALT)


# --- the network ----------------------------------------------------------------------


def weights(m, hidden):
    rng = np.random.default_rng(0)
    shapes = (m, hidden), (hidden,), (hidden, 1), (1,)
    return [rng.normal(size=shape).round(2) for shape in shapes]


def symbol(text):
    return text.replace("$", "").replace("{", "").replace("}", "")


def test_symbols_are_those_of_the_formula(drawn):
    first, bias, second, last = weights(2, 3)
    diagrams.network(first, bias, second, last, alt=ALT)
    said = {symbol(text) for text, _box in boxes(drawn[0][0])}
    expected = {f"w_{i + 1}{j + 1}^[1] = {w:g}" for (i, j), w in np.ndenumerate(first)}
    expected |= {f"w_3{j + 1}^[1] = {w:g}" for j, w in enumerate(bias)}
    expected |= {f"w_{j + 1}^[2] = {w:g}" for j, w in enumerate(second[:, 0])}
    expected |= {f"w_4^[2] = {last[0]:g}"}
    assert expected <= said and len(expected) == 13
    assert {"x_1", "x_2", "h_1", "h_2", "h_3", r"\haty", "1"} <= said


@pytest.mark.parametrize("hidden", [1, 2, 3, 4])
@pytest.mark.parametrize("m", [1, 2, 3])
def test_every_weight_is_written_inside_the_figure(drawn, m, hidden):
    diagrams.network(*weights(m, hidden), alt=ALT)
    fig = drawn[0][0]
    width, height = fig.get_size_inches() * fig.dpi
    for text, box in boxes(fig):
        assert box.x0 >= 0 and box.x1 <= width, text
        assert box.y0 >= 0 and box.y1 <= height, text
    written = [symbol(text).split(" = ")[-1] for text, _box in boxes(fig)]
    for weight in np.concatenate([np.ravel(w) for w in weights(m, hidden)]):
        assert f"{weight:g}" in written
    assert width <= 7.5 * fig.dpi


def test_colour_is_the_sign_and_width_the_size(drawn):
    diagrams.network([[0.5]], [-2.0], [[1.0]], [0.0], alt=ALT)
    arrows = [t.arrow_patch for t in drawn[0][0].axes[0].texts if hasattr(t, "xyann")]
    colors = [plt.matplotlib.colors.to_hex(a.get_edgecolor()).upper() for a in arrows]
    green, purple = diagrams.POSITIVE, diagrams.NEGATIVE
    assert colors == [green, purple, green, green]
    widths = [a.get_linewidth() for a in arrows]
    assert widths[1] > widths[2] > widths[0] > widths[3] > 0


def test_inputs_may_have_names_and_the_figure_a_size(drawn):
    names = ["age", "BMI", "blood pressure"]
    diagrams.network(*weights(3, 2), alt=ALT, x_names=names, figsize=(8, 3.5))
    fig = drawn[0][0]
    assert tuple(fig.get_size_inches()) == (8, 3.5)
    found = {text: box for text, box in boxes(fig) if text in names}
    assert set(found) == set(names) and min(b.x0 for b in found.values()) >= 0


def test_all_zero_weights_can_be_drawn(drawn):
    diagrams.network([[0.0]], [0.0], [[0.0]], [0.0], alt=ALT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (weights(4, 2), "4 inputs and 2 hidden neurons are too many"),
        (weights(2, 5), "at most 3 and 4"),
        ([[1.0, 2.0], [1.0], [[1.0]], [0.0]], r"got \(2,\), \(1,\), \(1, 1\), \(1,\)"),
        ([[[1.0, 2.0]], [1.0], [[1.0], [2.0]], [0.0]], r"expected the shapes W1 \(m"),
        ([np.ones((0, 2)), np.ones(2), np.ones((2, 1)), [0.0]], r"got \(0, 2\)"),
        ([[[np.nan]], [0.0], [[1.0]], [0.0]], "finite"),
    ],
)
def test_what_cannot_be_read_is_refused(drawn, arguments, message):
    with pytest.raises(ValueError, match=message):
        diagrams.network(*arguments, alt=ALT)


def test_names_must_be_as_many_as_inputs(drawn):
    with pytest.raises(ValueError, match="1 names of inputs, but W1 has 2 rows"):
        diagrams.network(*weights(2, 2), alt=ALT, x_names=["age"])


# --- networks as boxes ----------------------------------------------------------------

RESNETS = {
    "en": [
        ("ResNet", ["1×1 conv\nstride 2", "3×3 conv", "1×1 conv"], ["1×1 conv"]),
        ("ResNet-B", ["*1×1 conv", "*3×3 conv\nstride 2", "1×1 conv"], ["1×1 conv"]),
        ("ResNet-C, first layers", [*["*3×3 conv"] * 3, "3×3 max pool"], None),
        ("ResNet-D", ["1×1 conv", "3×3 conv"], ["*2×2 average pool", "*1×1 conv"]),
    ],
    "es": [
        ("ResNet", ["conv 1×1\npaso 2", "conv 3×3", "conv 1×1"], ["conv 1×1"]),
        ("ResNet-B", ["*conv 1×1", "*conv 3×3\npaso 2", "conv 1×1"], ["conv 1×1"]),
        ("ResNet-C, tallo", [*["*conv 3×3"] * 3, "agrup. máx. 3×3"], None),
        ("ResNet-D", ["conv 1×1", "conv 3×3"], ["*promedio 2×2\npaso 2", "*conv 1×1"]),
    ],
    "identity": [("plain", ["3×3 conv"], None), ("residual", ["3×3 conv"] * 2, [])],
}


def extents(fig):
    """(rectangle, extent in pixels) of every box, in the order in which they came."""
    patches = (p for p in fig.axes[0].patches if isinstance(p, plt.Rectangle))
    return [(p, p.get_window_extent()) for p in patches]


def arrows(fig):
    """(start, end, whether it has a head) of every line, in pixels."""
    ax = fig.axes[0]
    lines = [t for t in ax.texts if hasattr(t, "arrow_patch")]
    places = [ax.transData.transform([a.xyann, a.xy]).round(3) for a in lines]
    heads = [a.arrowprops["arrowstyle"] != "-" for a in lines]
    return [(*place, head) for place, head in zip(places, heads, strict=True)]


@pytest.mark.parametrize("columns", RESNETS.values(), ids=RESNETS)
def test_every_box_holds_its_words_and_touches_no_other(drawn, columns):
    diagrams.blocks(columns, alt=ALT)
    ((fig, alt),) = drawn
    assert alt == ALT
    found = [(p, box) for p, box in extents(fig)]
    wanted = [t for _title, main, skip in columns for t in [*main, *(skip or [])]]
    assert len(found) == len(wanted)
    words = boxes(fig)
    for text, (patch, box) in zip(wanted, found, strict=True):
        held = [
            (said, at)
            for said, at in words
            if box.x0 < at.x0 and at.x1 < box.x1 and box.y0 < at.y0 and at.y1 < box.y1
        ]
        words = [word for word in words if word not in held]
        assert " ".join(said for said, _at in held).split() == text.strip("*").split()
        orange = plt.matplotlib.colors.to_hex(patch.get_edgecolor()).upper()
        assert (orange == diagrams.ORANGE) == text.startswith("*")
    titles = " ".join(said for said, _at in words)
    assert titles == " ".join(title for title, *_paths in columns)
    for (_p, a), (_q, b) in combinations(found, 2):
        assert not a.overlaps(b)
    width, height = fig.get_size_inches() * fig.dpi
    for _what, box in [*found, *boxes(fig)]:
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height
    assert 7.2 < fig.get_size_inches()[0] < 7.6 and fig.get_size_inches()[1] < 3.5


@pytest.mark.parametrize("columns", RESNETS.values(), ids=RESNETS)
def test_an_arrow_enters_every_box_from_above_and_every_sum_from_its_skip(
    drawn, columns
):
    diagrams.blocks(columns, alt=ALT)
    fig = drawn[0][0]
    ends = np.array([end for _start, end, head in arrows(fig) if head])

    def reached(*place):
        return np.isclose(ends, place, atol=0.01).all(axis=1).sum() == 1

    assert all(reached((box.x0 + box.x1) / 2, box.y1) for _p, box in extents(fig))
    sums = [p for p in fig.axes[0].patches if isinstance(p, plt.Circle)]
    assert len(sums) == sum(skip is not None for *_rest, skip in columns)
    for circle in sums:
        x, y = circle.center
        assert reached(x, y + circle.radius) and reached(x + circle.radius, y)


def test_no_line_crosses_a_box(drawn):
    diagrams.blocks(RESNETS["identity"] + RESNETS["en"][:2], alt=ALT)
    fig = drawn[0][0]
    assert len(arrows(fig)) > 20
    for start, end, _head in arrows(fig):
        (left, low), (right, high) = np.minimum(start, end), np.maximum(start, end)
        for _patch, box in extents(fig):
            across = left < box.x1 - 1 and box.x0 + 1 < right + 1e-6
            assert not (across and low < box.y1 - 1 and box.y0 + 1 < high)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([], "each column needs a box"),
        (
            [("ResNet", ["3×3 conv"], None), ("empty", [], [])],
            "each column needs a box",
        ),
        (
            [("ResNet", ["conv"], ["batchnormalization"])] * 4,
            "'batchnormalization' does not fit into its box: shorten it",
        ),
        ([("Unpronounceable" * 3, ["conv"], None)], "does not fit"),
    ],
)
def test_boxes_that_cannot_be_drawn_are_refused(drawn, columns, message):
    with pytest.raises(ValueError, match=message):
        diagrams.blocks(columns, alt=ALT)
