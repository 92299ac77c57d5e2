"""Drawings: a timeline, a network whose weights can be read, networks as boxes."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from course_utils.locale import _
from course_utils.plots import COLORS, show

INK = "#1F2328"
DPI = 96  # of the screen: the drawings measure in pixels of the figure as shown


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure and the axes that fill it; a unit is a pixel, y upwards."""
    fig = plt.figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="none")
    ax = fig.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    ax.set_axis_off()
    return fig, ax


# --- the timeline ---------------------------------------------------------------------

WIDTH, EDGE = 710, 26  # of the figure; outside the first and the last year: pixels
LETTERS, POINTS, LINE = 17, 8.5, 13.5  # of a line of a label: letters, size, pixels
STEM, APART, OVERHANG = 20, 6, 2  # axis to label, label to label, label beyond its stem
TRIES = 20_000  # some 0.2 s; eleven events need a few dozen


class _Place(NamedTuple):
    """Where a label may stand: on a stem above (+1) or below (-1) the axis."""

    stem: float
    left: float
    right: float
    part: float  # of the label that lies left of its stem: 0, 0.5 or 1
    side: int
    level: int  # 0 is next to the axis

    def meets(self, other: "_Place") -> bool:
        """Whether the two labels touch, or the stem of one and the label of the other.

        A stem reaches from the axis up to its label, through all lower levels.
        """
        if self.side != other.side:
            return False
        if self.level == other.level:
            return self.left < other.right + APART and other.left < self.right + APART
        low, high = sorted((self, other), key=lambda place: place.level)
        return low.left - APART < high.stem < low.right + APART


def timeline(events: Sequence[tuple[int, str]], *, alt: str) -> None:
    """A horizontal line of years, true to scale, with a label for each event.

    events: (year, text) in any order. Labels stand above and below the line, further
    out where the years are crowded, and never overlap; the figure is 7.4 inches wide
    and as high as its labels need.
    alt: what the figure shows, as in `plots.show`.
    Raises ValueError if the events span no time, or are too crowded to be labelled.
    """
    events = sorted((int(year), str(text)) for year, text in events)
    years = np.array([year for year, _text in events])
    if len(set(years)) < 2:
        raise ValueError(_("timeline: the events must span more than one year."))
    labels = [[str(year), *textwrap.wrap(text, LETTERS)] for year, text in events]
    stems = EDGE + (WIDTH - 2 * EDGE) * (years - years[0]) / np.ptp(years)
    fig, ax = _canvas(WIDTH, 1)
    places = _arranged(stems, _widths(ax, labels))
    if places is None:
        plt.close(fig)
        raise ValueError(
            _(
                "timeline: {n} labels do not fit side by side: shorten the texts or "
                "leave out events of the crowded years."
            ).format(n=len(events))
        )
    starts, up, down = _levels(places, labels)
    fig.set_size_inches(WIDTH / DPI, (up + down) / DPI)
    ax.set_ylim(-down, up)
    decades = np.arange(-(-years[0] // 10) * 10, years[-1] + 1, 10)
    _draw_axis(ax, np.interp(decades, years[[0, -1]], stems[[0, -1]]))
    for place, lines in zip(places, labels, strict=True):
        _draw_label(ax, place, lines, starts[place.side, place.level])
    show(fig, alt)


def _widths(ax: Axes, labels: list[list[str]]) -> list[float]:
    """The width of each label in pixels, its widest line's."""
    probe, widths = ax.text(0, 0, "", size=POINTS), []
    for year, *lines in labels:
        probe.set(text="\n".join([year + "0", *lines]))  # a bold year is wider
        widths.append(probe.get_window_extent().width)
    probe.remove()
    return widths


def _arranged(stems: Sequence[float], widths: Sequence[float]) -> list[_Place] | None:
    """A place for each label such that none meets another, on as few levels as can be;
    None if there is none."""
    for levels in (1, 2, 3):
        found = _search(stems, widths, levels, [], iter(range(TRIES)))
        if found:
            return found
    return None


def _search(stems, widths, levels, placed, tries: Iterator) -> list[_Place] | None:
    """Place the next label where it meets none of the former; go back if none fits."""
    i = len(placed)
    if i == len(stems):
        return placed
    near = 1 if i % 2 == 0 else -1
    for level, side, part in product(range(levels), (near, -near), (0.5, 0, 1)):
        if next(tries, None) is None:
            return None
        # A label is centred on its stem, or hangs on it like a flag.
        left = stems[i] - part * widths[i] + OVERHANG * np.sign(part - 0.5)
        place = _Place(stems[i], left, left + widths[i], part, side, level)
        inside = place.left > 1 and place.right < WIDTH - 1
        if inside and not any(map(place.meets, placed)):
            found = _search(stems, widths, levels, [*placed, place], tries)
            if found:
                return found
    return None


def _levels(places, labels) -> tuple[dict[tuple[int, int], float], float, float]:
    """How far from the axis each (side, level) begins; how far each side reaches."""
    starts, reach = {}, {}
    for side in (1, -1):
        reach[side] = STEM
        for level in range(3):
            starts[side, level] = reach[side]
            lines = [
                len(label)
                for place, label in zip(places, labels, strict=True)
                if (place.side, place.level) == (side, level)
            ]
            reach[side] += max(lines) * LINE + APART if lines else 0
    return starts, reach[1], reach[-1]


def _draw_axis(ax: Axes, decades: np.ndarray) -> None:
    ax.plot([4, WIDTH - 4], [0, 0], color=COLORS["muted"], linewidth=2, zorder=1)
    for x in decades:
        ax.plot([x, x], [-4, 4], color=COLORS["muted"], linewidth=1, zorder=1)


def _draw_label(ax: Axes, place: _Place, lines: list[str], start: float) -> None:
    ax.plot(
        [place.stem] * 2,
        [0, place.side * (start - 3)],
        color=COLORS["muted"],
        linewidth=0.8,
        zorder=1,
    )
    ax.plot(place.stem, 0, "o", markersize=6, color=COLORS["train"], mec="white")
    x = place.left + place.part * (place.right - place.left)
    top = place.side * start + (len(lines) * LINE if place.side > 0 else 0)
    for i, line in enumerate(lines):
        color, weight = (INK, "normal") if i else (COLORS["train"], "bold")
        ax.text(
            x,
            top - (i + 0.5) * LINE,
            line,
            size=POINTS,
            color=color,
            weight=weight,
            ha={0: "left", 0.5: "center", 1: "right"}[place.part],
            va="center_baseline",
            parse_math=False,
        )


# --- the network ----------------------------------------------------------------------

NEGATIVE, POSITIVE = "#762A83", "#1B7837"  # the ends of the map PRGn
MOST_INPUTS, MOST_HIDDEN = 3, 4
MOST_SYMBOLS = 9  # arrows of a layer whose symbols fit beside their weights
RADIUS, ROW, GAPS = 17, 88, (390, 220)  # of a node; row to row; layer to layer: pixels
LEFT, TOP = 36, 8  # room beside the inputs, and for the names of the layers
LETTER = 6.5  # of a name beside an input: pixels


def network(
    W1: ArrayLike,
    b1: ArrayLike,
    W2: ArrayLike,
    b2: ArrayLike,
    *,
    alt: str,
    x_names: Sequence[str] | None = None,
    figsize: tuple[float, float] | None = None,
) -> None:
    """A multilayer perceptron with one output; each weight stands on its arrow.

    W1: (m, lambda), b1: (lambda,), W2: (lambda, 1), b2: (1,), finite numbers, with
    m <= 3 inputs and lambda <= 4 hidden neurons. The biases leave nodes that hold a 1,
    so the symbols are those of the formula: w_(m+1)j^[1] is b1[j], w_(lambda+1)^[2] b2.
    Colour says the sign (purple negative, green positive), width the size.
    alt: what the figure shows, as in `plots.show`. x_names: m names of the inputs.
    figsize: inches; by default what the network needs.
    Raises ValueError naming the shapes if they do not fit together or are too large.
    """
    first, second = _stacked(W1, b1, W2, b2)
    (m, hidden), names = (len(first) - 1, len(second) - 1), list(x_names or [])
    if names and len(names) != m:
        raise ValueError(
            _("network: {names} names of inputs, but W1 has {m} rows.").format(
                names=len(names), m=m
            )
        )
    left = LEFT + LETTER * max(map(len, names), default=0)
    width, height = left + sum(GAPS) + LEFT, ROW * (max(m, hidden) + 1) + TOP
    if figsize:
        width, height = (DPI * side for side in figsize)
    fig, ax = _canvas(width, height)
    x = left + (width - left - LEFT) / sum(GAPS) * np.array([0, GAPS[0], sum(GAPS)])
    # Each layer takes the full height; its bias stands below its neurons.
    counts = (m + 1, hidden + 1, 1)
    y = [(height - TOP) * (1 - (np.arange(n) + 0.5) / n) for n in counts]
    largest = max(np.abs(first).max(), np.abs(second).max()) or 1
    _draw_arrows(ax, x[:2], y[0], y[1][:-1], first, largest, 1)
    _draw_arrows(ax, x[1:], y[1], y[2], second, largest, 2)
    _draw_nodes(ax, x[0], y[0], [*(f"$x_{i + 1}$" for i in range(m)), "1"])
    _draw_nodes(ax, x[1], y[1], [*(f"$h_{j + 1}$" for j in range(hidden)), "1"])
    _draw_nodes(ax, x[2], y[2], [r"$\hat{y}$"])
    for i, name in enumerate(names):
        _write(ax, x[0] - RADIUS - 5, y[0][i], name, align="right", parse_math=False)
    words = {"left": _("input layer"), "center": _("hidden layer")}
    words["right"] = _("output layer")
    for column, shift, align in zip(x, (-RADIUS, 0, RADIUS), words, strict=True):
        at = (column + shift, height - 12)
        _write(ax, *at, words[align], color=COLORS["muted"], align=align)
    show(fig, alt)


def _stacked(W1, b1, W2, b2) -> tuple[np.ndarray, np.ndarray]:
    """The weights of each layer with the biases as last row: (m + 1, lambda) and
    (lambda + 1, 1)."""
    arrays = [np.asarray(a, dtype=float) for a in (W1, b1, W2, b2)]
    shapes = [a.shape for a in arrays]
    m, hidden = shapes[0] if len(shapes[0]) == 2 else (0, 0)
    if not (m and hidden) or shapes[1:] != [(hidden,), (hidden, 1), (1,)]:
        raise ValueError(
            _(
                "network: expected the shapes W1 (m, λ), b1 (λ,), W2 (λ, 1), b2 (1,); "
                "got {W1}, {b1}, {W2}, {b2}."
            ).format(W1=shapes[0], b1=shapes[1], W2=shapes[2], b2=shapes[3])
        )
    if m > MOST_INPUTS or hidden > MOST_HIDDEN:
        raise ValueError(
            _(
                "network: {m} inputs and {hidden} hidden neurons are too many to read "
                "their weights; draw at most {most_m} and {most_hidden}."
            ).format(m=m, hidden=hidden, most_m=MOST_INPUTS, most_hidden=MOST_HIDDEN)
        )
    if not all(np.isfinite(a).all() for a in arrays):
        raise ValueError(_("network: the weights must be finite numbers."))
    return np.vstack(arrays[:2]), np.vstack(arrays[2:])


def _draw_arrows(ax, x, sources, targets, weights, largest, layer) -> None:
    """All arrows of a layer, each with its weight.

    The weights stand in one column, about so far along their arrows that they are
    evenly spaced: further right the arrows cross.
    """
    apart = abs(sources[1] - sources[0])
    part = 0.45
    if len(targets) > 1:
        step = abs(targets[1] - targets[0])
        part = 0.92 * apart / (apart + len(targets) * step)
    for (i, j), weight in np.ndenumerate(weights):
        color = NEGATIVE if weight < 0 else POSITIVE
        start, end = np.array([x[0], sources[i]]), np.array([x[1], targets[j]])
        unit = (end - start) / np.linalg.norm(end - start)
        ax.annotate(
            "",
            end - RADIUS * unit,
            start + RADIUS * unit,
            zorder=1,
            arrowprops={
                "arrowstyle": "-|>,head_length=0.5,head_width=0.25",
                "color": color,
                "linewidth": 0.7 + 2.3 * abs(weight) / largest,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
        text = f"{weight:.3g}"
        if weights.size <= MOST_SYMBOLS:
            index = f"{i + 1}{j + 1}" if layer == 1 else f"{i + 1}"
            text = f"w_{{{index}}}^{{[{layer}]}} = {text}"
        at = start + part * (end - start)
        angle = np.degrees(np.arctan2(unit[1], unit[0]))
        style = {"rotation": angle, "rotation_mode": "anchor"}
        # The ground lies under all weights, or it would cut into the next one.
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        _write(ax, *at, f"${text}$", color="none", bbox=ground, zorder=2, **style)
        _write(ax, *at, f"${text}$", color=color, zorder=5, **style)


def _draw_nodes(ax: Axes, x: float, rows: np.ndarray, texts: list[str]) -> None:
    """The neurons of a layer and, dashed and grey, the 1 that a bias leaves."""
    for y, text in zip(rows, texts, strict=True):
        bias = text == "1"
        circle = plt.Circle(
            (x, y),
            RADIUS,
            facecolor="#F3F4F6" if bias else "#E3EEF7",
            edgecolor=COLORS["muted"] if bias else COLORS["train"],
            linestyle="--" if bias else "-",
            linewidth=1.2,
            zorder=3,
        )
        ax.add_patch(circle)
        _write(ax, x, y, text, size=10, zorder=4)


def _write(ax, x, y, text, *, color=INK, size=9, align="center", **style):
    return ax.text(x, y, text, color=color, size=size, ha=align, va="center", **style)


# --- networks as boxes ----------------------------------------------------------------

COLUMN, BESIDE, UNDER = 20, 10, 20  # from column to column, box to box: pixels
WIDEST = 130  # of a box: pixels
PAD, SUM, END = 4, 7, 18  # text to box; radius of a sum; a column's first, last arrow
ORANGE, PALE = "#B45F00", "#FDEBD3"  # of a box that differs: its edge and its ground


class _Block(NamedTuple):
    """A box of a column: its lines of text, and whether it is drawn in orange."""

    lines: list[str]
    marked: bool

    @property
    def height(self) -> float:
        return LINE * len(self.lines) + 2 * PAD


def blocks(
    columns: Sequence[tuple[str, Sequence[str], Sequence[str] | None]], *, alt: str
) -> None:
    """Parts of networks side by side, each from top to bottom, as boxes and arrows.

    columns: (title, boxes of the main path, boxes of the skip path) each. A skip path
    without boxes is the identity; None means that there is none. The two are added.
    A box's text is wrapped, and breaks where it has a line feed; one that begins with
    "*" is drawn in orange, its letters bold: what differs from the other columns.
    alt: what the figure shows, as in `plots.show`. It is 7.4 inches wide.
    Raises ValueError for a column without boxes, or a word that is wider than its box.
    """
    if not columns or not all(main for _title, main, _skip in columns):
        raise ValueError(
            _("blocks: each column needs a box, and one column is needed.")
        )
    # Each column is some boxes wide, and some pixels.
    fixed = sum(_span(skip, 0) + COLUMN for *_rest, skip in columns)
    parts = sum(_span(skip, 1) - _span(skip, 0) for *_rest, skip in columns)
    width = min((WIDTH - fixed) / parts, WIDEST)
    fig, ax = _canvas(WIDTH, 1)
    try:
        drawn = [_measured(ax, column, width) for column in columns]
    except ValueError:
        plt.close(fig)
        raise
    deep = max(
        sum(block.height + UNDER for block in path) + UNDER
        for _title, main, skip in drawn
        for path in (main, skip or [])
    )
    floor = END + 2 * SUM
    head = floor + deep + END
    height = head + LINE * max(len(title) for title, *_paths in drawn) + 8
    fig.set_size_inches(WIDTH / DPI, height / DPI)
    ax.set_ylim(0, height)
    left = (WIDTH - fixed - parts * width + COLUMN) / 2
    for title, main, skip in drawn:
        x = left + width / 2
        _line(ax, (x, head), (x, floor + deep))
        end = 2 if skip is None else floor
        y = _draw_path(ax, x, width, main, floor + deep, end)
        _line(ax, (x, y), (x, end), arrow=True)
        if skip is not None:
            _draw_skip(ax, x, width, skip, floor + deep, floor)
        for i, line in enumerate(title):
            y = height - 3 - (i + 0.5) * LINE
            _write(ax, left, y, line, align="left", weight="bold", parse_math=False)
        left += _span(skip, width) + COLUMN
    show(fig, alt)


def _span(skip: Sequence | None, width: float) -> float:
    """How wide a column is whose boxes have this width: pixels."""
    if skip is None:
        return width
    return 2 * width + BESIDE if skip else width + 2 * BESIDE


def _measured(ax: Axes, column, width: float) -> tuple:
    """A column with its texts in lines that fit its boxes, and its title."""
    title, main, skip = column
    paths = [[_block(ax, text, width) for text in path or []] for path in (main, skip)]
    title = _fitted(ax, title, _span(skip, width), "bold")
    return title, paths[0], None if skip is None else paths[1]


def _block(ax: Axes, text: str, width: float) -> _Block:
    marked = text.startswith("*")
    weight = "bold" if marked else "normal"
    lines = _fitted(ax, text.removeprefix("*"), width - 2 * PAD, weight)
    return _Block(lines, marked)


def _fitted(ax: Axes, text: str, width: float, weight: str) -> list[str]:
    """The text in lines of whole words, not wider than `width` pixels."""
    probe = ax.text(0, 0, "", size=POINTS, weight=weight, parse_math=False)

    def fits(words: str) -> bool:
        probe.set_text(words)
        return probe.get_window_extent().width <= width

    lines = []
    for part in text.split("\n"):
        lines.append("")
        for word in part.split():
            if not fits(word):
                raise ValueError(
                    _("blocks: {word!r} does not fit into its box: shorten it.").format(
                        word=word
                    )
                )
            longer = f"{lines[-1]} {word}".strip()
            lines[-1:] = [longer] if fits(longer) else [lines[-1], word]
    probe.remove()
    return lines


def _draw_path(ax: Axes, x: float, width: float, path, top: float, end: float) -> float:
    """Boxes spread evenly between two heights, an arrow to each; the lowest edge."""
    gap = (top - end - sum(block.height for block in path)) / (len(path) + 1)
    y = top
    for block in path:
        _line(ax, (x, y), (x, y - gap), arrow=True)
        y -= gap + block.height
        edge, ground = (ORANGE, PALE) if block.marked else (COLORS["train"], "#E3EEF7")
        box = plt.Rectangle(
            (x - width / 2, y),
            width,
            block.height,
            facecolor=ground,
            edgecolor=edge,
            linewidth=1.6 if block.marked else 1,
            zorder=3,
        )
        ax.add_patch(box)
        weight = "bold" if block.marked else "normal"
        for i, line in enumerate(block.lines):
            at = y + block.height - PAD - (i + 0.5) * LINE
            _write(ax, x, at, line, size=POINTS, weight=weight, zorder=4)
    return y


def _draw_skip(ax: Axes, x: float, width: float, skip, top: float, end: float) -> None:
    """The path beside the main one, which is at x, and the sum in which they meet."""
    aside, low = x - width / 2 + _span(skip, width), end - SUM
    aside -= width / 2 if skip else BESIDE
    _line(ax, (x, top), (aside, top))
    y = _draw_path(ax, aside, width, skip, top, end)
    _line(ax, (aside, y), (aside, low))
    _line(ax, (aside, low), (x + SUM, low), arrow=True)
    circle = plt.Circle((x, low), SUM, facecolor="white", edgecolor=INK, zorder=3)
    ax.add_patch(circle)
    _line(ax, (x - SUM, low), (x + SUM, low))
    _line(ax, (x, low - SUM), (x, low + SUM))
    _line(ax, (x, low - SUM), (x, 2), arrow=True)


def _line(ax: Axes, start, end, *, arrow: bool = False) -> None:
    style = "-|>,head_length=0.35,head_width=0.18" if arrow else "-"
    props = {"arrowstyle": style, "color": INK, "linewidth": 1, "shrinkA": 0}
    ax.annotate("", end, start, zorder=5, arrowprops={**props, "shrinkB": 0})
