"""A small chart made of base.py's shapes: axes, curves, dots and areas.

matplotlib needs 100 to 250 ms to redraw a figure, too slow under a slider; a chart of
shapes takes a few, and prints as SVG and as PNG like every other panel.
"""

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
from numpy.typing import ArrayLike

from course_utils.locale import _
from course_utils.widgets.base import GRID, INK, MUTED, Box, Curve, Dot, Panel, Text

TITLE, WORDS = 12.5, 11  # sizes of text
LETTER, BOLD = 0.55, 1.13  # a letter's width in sizes; how much wider in bold
TOP, BOTTOM, LEFT, RIGHT = 44, 38, 36, 10  # pixels around the plot area
LINE = 17  # pixels: of a line of notes
CELL = 4  # pixels: of the grid on which free places are sought
FAR = 1e6  # pixels: beyond it a line is only a direction


class Chart:
    """Axes with curves, dots and areas, given in the units of the data.

    title: above the chart. x_label, y_label: what the axes measure, with units.
    x_limits, y_limits: (low, high), finite; what lies outside is cut off or left out.
    width, height: pixels of the whole panel. log_y: logarithmic y axis, limits above 0.
    x_names: words instead of numbers, at x = 0, 1, 2...

    Each method adds one thing, drawn over what came before; colours are "#RRGGBB". NaN
    and infinite values break a curve and are left out elsewhere.
    Raises ValueError for limits that span nothing.
    """

    def __init__(
        self,
        title: str,
        x_label: str,
        y_label: str,
        x_limits: tuple[float, float],
        y_limits: tuple[float, float],
        width: int = 300,
        height: int = 230,
        log_y: bool = False,
        x_names: Sequence[str] = (),
    ):
        _check_limits("x", x_limits, log=False)
        _check_limits("y", y_limits, log=log_y)
        self._words = title, x_label, y_label
        self._size, self._log = (width, height), log_y
        self._x, self._y = x_limits, y_limits
        self._x_ticks = list(enumerate(x_names)) or _ticks(*x_limits)
        self._y_ticks = _powers(*y_limits) if log_y else _ticks(*y_limits)
        widest = max((len(word) for _at, word in self._y_ticks), default=0)
        left = max(LEFT, LETTER * WORDS * widest + 10)
        # The plot area: its upper left and its lower right corner.
        self._low = np.array([left, TOP])
        self._high = np.array([width - RIGHT, height - BOTTOM])
        self._shapes: list = []
        self._names: list[tuple[np.ndarray, str, str]] = []

    def curve(
        self,
        x: ArrayLike,
        y: ArrayLike,
        color: str,
        *,
        stroke: float = 2,
        dashed: bool = False,
        name: str = "",
    ) -> None:
        """A line through (N,) points, cut at the axes; `name` stands at its end."""
        points = _clipped(self._pixels(x, y), self._low, self._high)
        self._shapes.append(Curve(points, color, stroke, dashed))
        if name and len(points):
            self._names.append((points[-1], name, color))

    def dots(
        self,
        x: ArrayLike,
        y: ArrayLike,
        color: str,
        *,
        radius: float = 2.5,
        edge: str = "",
    ) -> None:
        """Filled circles; those whose centre lies outside the axes are left out."""
        self._shapes += [
            Dot(*point, radius, color, edge)
            for point in self._pixels(x, y)
            if self._inside(point)
        ]

    def area(self, x: ArrayLike, y: ArrayLike, y0: ArrayLike, color: str) -> None:
        """The surface between y and y0, (N,) each or one number."""
        there, back = self._pixels(x, y), self._pixels(x, y0)
        known = np.isfinite(there).all(axis=1) & np.isfinite(back).all(axis=1)
        outline = np.concatenate([there[known], back[known][::-1]])
        outline = np.clip(outline, self._low, self._high)
        self._shapes.append(Curve(outline, "none", 0, fill=color))

    def band(self, x0: float, x1: float, color: str) -> None:
        """The full height between x0 and x1."""
        self.area([x0, x1], self._y[1], self._y[0], color)

    def bars(
        self, x: ArrayLike, y: ArrayLike, color: str, *, wide: float = 0.6
    ) -> None:
        """Bars from 0 to y, `wide` in the units of x."""
        for at, value in np.column_stack(np.broadcast_arrays(x, y)).tolist():
            self.area([at - wide / 2, at + wide / 2], value, 0, color)

    def vline(self, x: float, color: str, *, dashed: bool = True) -> None:
        """A vertical line over the full height."""
        self.curve([x, x], self._y, color, stroke=1, dashed=dashed)

    def hline(self, y: float, color: str, *, dashed: bool = True) -> None:
        """A horizontal line over the full width."""
        self.curve(self._x, [y, y], color, stroke=1, dashed=dashed)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        color: str,
        *,
        align: str = "left",
        bold: bool = False,
    ) -> None:
        """Words at a place, moved inside the axes where they would leave them."""
        (right, down), wide = self._pixels(x, y)[0], _width(text)
        before = {"left": 0, "center": wide / 2, "right": wide}[align]
        low, high = self._low[0] + before, self._high[0] - wide + before
        right = min(max(right, low), max(low, high))
        down = min(max(down, TOP + WORDS / 2), self._high[1] - WORDS / 2)
        self._shapes.append(Text(right, down, text, WORDS, color, align, bold))

    def panel(self, label: str, notes: Sequence[str] = ()) -> Panel:
        """The finished drawing, with notes in lines under it, each 17 pixels high.

        label: what it says to a screen reader.
        """
        width, height = self._size
        shapes = self._shapes + self._axes() + self._labels()
        height += 4 if notes else 0
        for note in notes:
            for line in wrap(note, int(width / _width("n"))):
                shapes.append(Text(0, height + LINE / 2, line, WORDS, INK, "left"))
                height += LINE
        return Panel(shapes, label, width, height)

    def _axes(self) -> list:
        title, x_label, y_label = self._words
        (left, top), (right, bottom) = self._low, self._high
        shapes = [
            Box(left, bottom, right - left, 0, GRID, 1),
            Box(left, top, 0, bottom - top, GRID, 1),
            Text(0, 10, title, TITLE, INK, "left", bold=True),
            Text(0, 28, y_label, WORDS, MUTED, "left"),
            Text(right, self._size[1] - 7, x_label, WORDS, MUTED, "right"),
        ]
        for value, word in self._x_ticks:
            x = self._pixels(value, self._y[0])[0, 0]
            shapes.append(Box(x, bottom, 0, 4, GRID, 1))
            shapes.append(Text(x, bottom + 12, word, WORDS, MUTED))
        for value, word in self._y_ticks:
            y = self._pixels(self._x[0], value)[0, 1]
            shapes.append(Box(left - 4, y, 4, 0, GRID, 1))
            shapes.append(Text(left - 7, y, word, WORDS, MUTED, "right"))
        return shapes

    def _labels(self) -> list[Text]:
        """The curves' names, each near its right end where least lies under it."""
        width, height = self._size
        taken = np.zeros((height // CELL + 1, width // CELL + 1))
        for shape in self._shapes:
            taken[self._cells(shape)] = 1
        labels = []
        for end, name, color in self._names:
            x, y = self._free_place(end, BOLD * _width(name), taken)
            labels.append(Text(x, y, name, WORDS, color, bold=True))
            taken[self._cells(labels[-1])] = 9
        return labels

    def _cells(self, shape) -> tuple[np.ndarray, np.ndarray]:
        columns, rows = np.clip(_covered(shape), 0, self._size).astype(int).T // CELL
        return rows, columns

    def _free_place(self, end: np.ndarray, wide: float, taken: np.ndarray):
        """Centre of a word: as near to a curve's end as it can, over nothing drawn."""
        half = np.array([wide, WORDS]) / 2 + 2
        low, high = self._low + half, self._high - half
        right = max(min(end[0] - half[0], high[0]), low[0])
        x, y = np.meshgrid(
            np.arange(right, max(low[0], right - 100) - 1, -CELL),
            np.arange(low[1], high[1] + 1, CELL),
        )
        # How much lies under a word at each place, from sums over rectangles.
        sums = np.pad(taken.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
        first = np.array([x - half[0], y - half[1]]).astype(int) // CELL
        last = np.array([x + half[0], y + half[1]]).astype(int) // CELL + 1
        last = np.minimum(last, np.array(sums.shape[::-1])[:, None, None] - 1)
        under = sums[last[1], last[0]] - sums[first[1], last[0]]
        under += sums[first[1], first[0]] - sums[last[1], first[0]]
        best = np.argmin(40 * under + 0.5 * (right - x) + np.abs(y - end[1]))
        return x.flat[best], y.flat[best]

    def _pixels(self, x: ArrayLike, y: ArrayLike) -> np.ndarray:
        """Data as pixels (N, 2), NaN where a value is not finite."""
        x, y = np.broadcast_arrays(np.atleast_1d(x), np.atleast_1d(y))
        low, high = self._y
        with np.errstate(all="ignore"):
            if self._log:
                y, low, high = np.log10(y), np.log10(low), np.log10(high)
            right = (x - self._x[0]) / (self._x[1] - self._x[0])
            part = np.stack([right, (high - y) / (high - low)], axis=1)
            pixels = self._low + part * (self._high - self._low)
        return np.where(np.isfinite(part), np.clip(pixels, -FAR, FAR), np.nan)

    def _inside(self, point: np.ndarray) -> bool:
        near = 0.5  # pixels: a rounding error is not outside
        return bool(((point >= self._low - near) & (point <= self._high + near)).all())


def _check_limits(name: str, limits: tuple[float, float], *, log: bool) -> None:
    low, high = limits
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(
            _(
                "Chart: {name}_limits must be two finite numbers, the smaller first, "
                "got {limits}."
            ).format(name=name, limits=limits)
        )
    if log and low <= 0:
        raise ValueError(
            _(
                "Chart: a logarithmic axis begins above 0, got y_limits {limits}."
            ).format(limits=limits)
        )


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Round numbers between the limits, and how they are written: alike, and short."""
    from matplotlib.ticker import MaxNLocator

    values = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high)
    near = 1e-9 * (high - low)
    values = [v + 0.0 for v in values if low - near <= v <= high + near]
    digits = [d for d in range(5) if np.allclose(values, np.round(values, d), 0, near)]
    if digits and max(abs(low), abs(high)) < 1e5:
        words = [f"{v:.{digits[0]}f}" for v in values]
    else:
        several = ([f"{v:.{d}e}" for v in values] for d in range(17))
        words = next(words for words in several if len({*words}) == len(words))
    minus = [word.replace("-", "−") for word in words]
    return list(zip(values, minus, strict=True))


def _powers(low: float, high: float) -> list[tuple[float, str]]:
    """Powers of ten between the limits, at most about five."""
    first, last = np.ceil(np.log10(low) - 1e-9), np.floor(np.log10(high) + 1e-9)
    exponents = np.arange(first, last + 1, max(1, (last - first + 1) // 5)).astype(int)
    return [(10.0**n, _power(n)) for n in exponents.tolist()]


def _power(exponent: int) -> str:
    if -3 <= exponent <= 4:
        return f"{10.0**exponent:g}"
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _clipped(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The part of a line inside a rectangle, NaN between its pieces.

    Liang, Y.-D. and Barsky, B. A. (1984). ACM Transactions on Graphics 3(1).
    https://doi.org/10.1145/357332.357333
    """
    near = 1e-6  # a line along the edge is inside
    start, way = points[:-1], np.diff(points, axis=0)
    with np.errstate(all="ignore"):
        cuts = (low - near - start) / way, (high + near - start) / way
    enter = np.minimum(*cuts).max(axis=1, initial=0)
    leave = np.maximum(*cuts).min(axis=1, initial=1)
    seen = enter <= leave  # False for NaN
    # Of each segment both ends and a gap; where two join, only the first one's end.
    pieces = np.full((len(start), 3, 2), np.nan)
    pieces[seen, 0] = start[seen] + enter[seen, None] * way[seen]
    pieces[seen, 1] = start[seen] + leave[seen, None] * way[seen]
    joined = seen[:-1] & seen[1:] & (leave[:-1] == 1) & (enter[1:] == 0)
    kept = np.repeat(seen[:, None], 3, axis=1)
    kept[1:, 0] &= ~joined
    kept[:-1, 2] &= ~joined
    kept[-1:, 2] = False
    return pieces[kept]


def _covered(shape) -> np.ndarray:
    """Points on a shape, some pixels apart: where no name should stand."""
    if isinstance(shape, Text):
        wide = _width(shape.text)
        left = shape.x - {"left": 0, "center": wide / 2, "right": wide}[shape.align]
        x = np.arange(left, left + wide + CELL, CELL)
        return np.array([(at, shape.y + y) for at in x for y in (-5, 0, 5)])
    if isinstance(shape, Dot):
        return np.array([shape[:2]])
    if not shape.stroke or not len(shape.points):  # an area
        return np.empty((0, 2))
    points = shape.points
    far = np.nanmax(np.abs(np.diff(points, axis=0)), initial=0)
    fine = np.linspace(0, len(points) - 1, int(len(points) * max(1, far / CELL)))
    places = np.arange(len(points))
    dense = np.stack([np.interp(fine, places, v) for v in points.T], axis=1)
    return dense[np.isfinite(dense).all(axis=1)]


def _width(text: str) -> float:
    return LETTER * WORDS * len(text)
