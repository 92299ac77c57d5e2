"""The convolution explorer: move a 3x3 kernel over an image and read every product.

From top to bottom: the arithmetic, its words, the drawing, the controls. All but the
controls is a pure function of `Settings`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from course_utils.locale import _
from course_utils.widgets.base import (
    GRID,
    INK,
    MUTED,
    PAPER,
    Box,
    Interactive,
    Panel,
    Picture,
    Text,
    number,
    panels_to_html,
    panels_to_png,
)
from course_utils.widgets.controls import NAME, dropdown

PRESETS = {
    "identity": ((0, 0, 0), (0, 1, 0), (0, 0, 0)),
    # Binomial weights in sixteenths: exact in decimals, so that the sum can be checked.
    "blur": ((0.0625, 0.125, 0.0625), (0.125, 0.25, 0.125), (0.0625, 0.125, 0.0625)),
    "sobel_x": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "sobel_y": ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    "laplacian": ((0, 1, 0), (1, -4, 1), (0, 1, 0)),
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "cross": ((1, 0, 1), (0, 1, 0), (1, 0, 1)),
}
OWN = "own"
STRIDES, PADDINGS = (1, 2, 3), (0, 1, 2)
LIMIT = 99  # of a weight: what fits its box

WINDOW, BORDER = "#D55E00", "#56B4E9"  # orange as in the course's still figures
NEGATIVE, ZERO, POSITIVE = (118, 42, 131), (247, 247, 247), (27, 120, 55)


# --- the arithmetic -------------------------------------------------------------------


def convolve(
    image: ArrayLike, kernel: ArrayLike, stride: int = 1, padding: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Slide a kernel over an image; at each place multiply, add, and note the sum.

    This is what deep learning calls a convolution (in signal processing, a
    cross-correlation: the kernel is not flipped).

    image: (H, W) finite numbers, at least 3x3 once padded. kernel: (3, 3), weights from
    -99 to 99. stride: 1 to 3 pixels. padding: 0 to 2 pixels of zeros on each side.
    Returns (output, padded), both float64: output (H', W') with
    H' = (H + 2 padding - 3) // stride + 1, padded (H + 2 padding, W + 2 padding).
    Raises ValueError saying which argument is wrong and how.
    """
    image, kernel = _checked_image(image), _checked_kernel(kernel)
    _check_choice("stride", stride, STRIDES)
    _check_choice("padding", padding, PADDINGS)
    padded = np.pad(image, padding)
    if min(padded.shape) < 3:
        raise ValueError(
            _(
                "With its padding the image is {size}, smaller than the 3×3 kernel: "
                "use a larger image or more padding."
            ).format(size=_size(padded))
        )
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    return np.einsum("ijkl,kl->ij", windows[::stride, ::stride], kernel), padded


def window_at(step: int, columns: int, stride: int = 1) -> tuple[int, int]:
    """Row and column, in the padded image, of the window's upper left pixel at a step.

    step: 1 for the first window; row by row, as one reads. columns: the output's width.
    Raises ValueError if step or columns is below 1.
    """
    if step < 1 or columns < 1:
        raise ValueError(
            _("Steps and columns count from 1, got step {step}, {n} columns.").format(
                step=step, n=columns
            )
        )
    row, column = divmod(step - 1, columns)
    return row * stride, column * stride


@dataclass(eq=False)
class Settings:
    """What the explorer shows: the arguments of `convolve` and the step, from 1.

    The rest follows from them: the arrays; the place (row, column) of this step in the
    output; the corner (top, left) of its window in the padded image.
    Raises ValueError as `convolve` does, and if there is no such step.
    """

    image: ArrayLike
    kernel: ArrayLike
    stride: int = 1
    padding: int = 0
    step: int = 1
    output: np.ndarray = field(init=False, repr=False)
    padded: np.ndarray = field(init=False, repr=False)
    window: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        self.output, self.padded = convolve(
            self.image, self.kernel, self.stride, self.padding
        )
        self.image, self.kernel = np.asarray(self.image), _checked_kernel(self.kernel)
        if self.step not in range(1, self.output.size + 1):
            raise ValueError(
                _("There is no step {step}: an output of {size} has {n} steps.").format(
                    step=self.step, size=_size(self.output), n=self.output.size
                )
            )
        self.row, self.column = divmod(self.step - 1, self.output.shape[1])
        self.top, self.left = window_at(self.step, self.output.shape[1], self.stride)
        self.window = self.padded[self.top : self.top + 3, self.left : self.left + 3]


def _checked_image(image: ArrayLike) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim != 2:
        raise ValueError(
            _(
                "The image must have two dimensions (height, width), got shape "
                "{shape}: take one image and one channel, for example x[0, 0]."
            ).format(shape=image.shape)
        )
    if image.dtype.kind not in "buif" or not np.isfinite(image).all():
        raise ValueError(_("The image must hold finite numbers only."))
    return image.astype(float)  # unsigned bytes would wrap around at a negative weight


def _checked_kernel(kernel: ArrayLike) -> np.ndarray:
    kernel = np.asarray(kernel)
    if kernel.shape != (3, 3):
        raise ValueError(
            _("The kernel must be 3×3, got shape {shape}.").format(shape=kernel.shape)
        )
    if kernel.dtype.kind not in "buif" or not (np.abs(kernel) <= LIMIT).all():
        raise ValueError(
            _("The kernel's weights must be numbers from −{n} to {n}.").format(n=LIMIT)
        )
    return kernel.astype(float)


def _check_choice(name: str, value: int, choices: tuple[int, ...]) -> None:
    if value not in choices:
        known = ", ".join(map(str, choices))
        raise ValueError(
            _("{name} must be one of {known}, got {value!r}.").format(
                name=name, known=known, value=value
            )
        )


# --- in words -------------------------------------------------------------------------


def equation(settings: Settings) -> list[str]:
    """The nine products, one line for each row of the kernel, and last their sum.

    The last line begins with "≈" instead of "=" where a number shown was rounded.
    """
    pixels, weights = settings.window, settings.kernel
    total = (pixels * weights).sum()
    lines = []
    for row in zip(pixels, weights, strict=True):
        factors = [(number(p), number(w, 4)) for p, w in zip(*row, strict=True)]
        # Brackets around negative factors: 3·(−1), not 3·−1.
        terms = [f"{_bracketed(p)}·{_bracketed(w)}" for p, w in factors]
        lines.append(" + ".join(terms))
    exact = np.allclose(pixels, pixels.round(2), rtol=0, atol=1e-9) and np.allclose(
        [*weights.flat, total],
        [*weights.round(4).flat, total.round(2)],
        rtol=0,
        atol=1e-9,
    )
    result = f"{'=' if exact else '≈'} {number(total)}"
    return [lines[0], f"+ {lines[1]}", f"+ {lines[2]}", result]


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("−") else text


def describe(settings: Settings) -> str:
    """The step and its result in a sentence: the alternative text of the picture."""
    return _(
        "Convolution, step {step} of {n}: the window at row {top}, column {left} of "
        "the {padded} input, times the kernel, gives {equation}, which is "
        "output[{row}, {column}] of {output}."
    ).format(
        step=settings.step,
        n=settings.output.size,
        top=settings.top,
        left=settings.left,
        padded=_size(settings.padded),
        equation=" ".join(equation(settings)),
        row=settings.row,
        column=settings.column,
        output=_size(settings.output),
    )


def _size(array: np.ndarray) -> str:
    return f"{array.shape[0]}×{array.shape[1]}"


def _size_lines(settings: Settings) -> list[str]:
    """The formula of the output's side with its numbers; two lines if not square."""
    height, width = (
        f"⌊({side} + 2·{settings.padding} − 3) / {settings.stride}⌋ + 1 = {result}"
        for side, result in zip(
            settings.image.shape, settings.output.shape, strict=True
        )
    )
    if height == width:
        return [_("Output side: {formula}").format(formula=height)]
    return [
        _("Output height: {formula}").format(formula=height),
        _("Output width: {formula}").format(formula=width),
    ]


# --- the drawing ----------------------------------------------------------------------

SIDE, TOP, HEIGHT = 212, 40, 272  # of an image, of its upper edge, of a panel: pixels
CELL, BETWEEN = 33, 22  # of the 3x3 matrices: a cell, and the room for × and =
LEGIBLE = 7.5  # smallest size of letters


def render_html(settings: Settings) -> str:
    """The live view."""
    return panels_to_html(_panels(settings))


def render_png(settings: Settings) -> bytes:
    """The same as a PNG file, for those who see no live view."""
    return panels_to_png(_panels(settings))


def _panels(settings: Settings) -> list[Panel]:
    return [
        _input_panel(settings),
        _computation_panel(settings),
        _output_panel(settings),
    ]


def _input_panel(settings: Settings) -> Panel:
    title = _("Input {size}").format(size=_size(settings.image))
    note = _("no padding")
    if settings.padding:
        note = _("with padding {p}: {size}").format(
            p=settings.padding, size=_size(settings.padded)
        )
    shapes, cell = _map(settings.padded, title, note)
    if settings.padding:
        inset = settings.padding * cell
        height, width = (side * cell for side in settings.image.shape)
        shapes.append(Box(inset, TOP + inset, width, height, BORDER, 1.5, dashed=True))
    shapes += _outline(settings.left * cell, TOP + settings.top * cell, 3 * cell)
    label = _("{title}, {note}; the window is at row {row}, column {column}.").format(
        title=title, note=note, row=settings.top, column=settings.left
    )
    return Panel(shapes, label, SIDE, HEIGHT)


def _output_panel(settings: Settings) -> Panel:
    output = settings.output
    title = _("Output {size}").format(size=_size(output))
    note = _("step {step} of {n}: [{row}, {column}]").format(
        step=settings.step, n=output.size, row=settings.row, column=settings.column
    )
    shapes, cell = _map(output, title, note)
    shapes += _outline(settings.column * cell, TOP + settings.row * cell, cell)
    label = _("{title}, {note}; values from {low} to {high}.").format(
        title=title, note=note, low=number(output.min()), high=number(output.max())
    )
    return Panel(shapes, label, SIDE, HEIGHT)


def _computation_panel(settings: Settings) -> Panel:
    side, apart = 3 * CELL, 3 * CELL + BETWEEN
    products = settings.window * settings.kernel
    shapes = []
    for i, (name, values, limits, digits) in enumerate(
        (
            (_("Window"), settings.window, _limits(settings.padded), 2),
            (_("Kernel"), settings.kernel, _limits(settings.kernel, signed=True), 4),
            (_("Products"), products, _limits(products, signed=True), 2),
        )
    ):
        shapes.append(Text(i * apart + side / 2, 12, name, 12.5, INK, bold=True))
        shapes += _cells(values, i * apart, TOP, CELL, limits, digits)
    shapes += _outline(0, TOP, side)
    for i, sign in enumerate("×=", start=1):
        shapes.append(Text(i * apart - BETWEEN / 2, TOP + side / 2, sign, 17, MUTED))
    *lines, result = equation(settings)
    for i, line in enumerate(lines):
        shapes.append(Text(0, 163 + 18 * i, line, 11.5, INK, "left"))
    shapes.append(Text(0, 222, result, 17, INK, "left", bold=True))
    for i, line in enumerate(_size_lines(settings)):
        shapes.append(Text(0, 248 + 16 * i, line, 11, MUTED, "left"))
    return Panel(shapes, describe(settings), 2 * apart + side, HEIGHT)


def _map(values: np.ndarray, title: str, note: str) -> tuple[list, float]:
    """The shapes of an image with its title and colour scale; the side of a pixel."""
    cell, limits = SIDE / max(values.shape), _limits(values)
    low, high = number(limits[0]), number(limits[1])
    y, x, length = TOP + SIDE + 13, 7 * len(low) + 6, 60
    ramp = _colors(np.linspace(*limits, length)[None], limits)
    shapes = [
        Text(0, 12, title, 12.5, INK, "left", bold=True),
        Text(0, 28, note, 11, MUTED, "left"),
        *_cells(values, 0, TOP, cell, limits, 2),
        Text(0, y, low, 10.5, MUTED, "left"),
        Picture(x, y - 4, length, 8, ramp),
        Box(x, y - 4, length, 8, GRID, 0.5),
        Text(x + length + 6, y, high, 10.5, MUTED, "left"),
    ]
    return shapes, cell


def _cells(values, x, y, cell, limits, digits) -> list:
    """The image as colours; where there is room, a grid and the numbers too."""
    (rows, columns), colors = values.shape, _colors(values, limits)
    width, height = columns * cell, rows * cell
    shapes = [Picture(x, y, width, height, colors)]
    if cell < 2 * LEGIBLE:
        return shapes
    shapes += [Box(x, y + i * cell, width, 0, GRID, 0.5) for i in range(rows + 1)]
    shapes += [Box(x + j * cell, y, 0, height, GRID, 0.5) for j in range(columns + 1)]
    words = {place: number(v, digits) for place, v in np.ndenumerate(values)}
    size = min(13, 1.4 * cell / max(3, *map(len, words.values())))
    if size < LEGIBLE:
        return shapes
    bright = colors @ (0.299, 0.587, 0.114) > 115
    for (i, j), word in words.items():
        color = INK if bright[i, j] else PAPER
        shapes.append(
            Text(x + (j + 0.5) * cell, y + (i + 0.5) * cell, word, size, color)
        )
    return shapes


def _outline(x: float, y: float, side: float) -> list[Box]:
    """An orange square that stays visible on black and on white."""
    return [Box(x, y, side, side, PAPER, 5), Box(x, y, side, side, WINDOW, 2.6)]


def _limits(values: np.ndarray, signed: bool = False) -> tuple[float, float]:
    """Ends of the colour scale: 0 to the largest, or -m to m where there is a sign."""
    largest = np.abs(values).max() or 1.0
    return (-largest if signed or values.min() < 0 else 0.0), largest


def _colors(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Grey from 0 upwards; purple, white, green where the scale has a sign."""
    anchors = [(0, 0, 0), (255, 255, 255)]
    if limits[0] < 0:
        anchors = [NEGATIVE, ZERO, POSITIVE]
    at = np.linspace(*limits, len(anchors))
    channels = [
        np.interp(values, at, channel) for channel in zip(*anchors, strict=True)
    ]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


# --- the controls ---------------------------------------------------------------------


def convolution_explorer(
    image: ArrayLike | Mapping[str, ArrayLike],
    *,
    kernel: str | ArrayLike = "sharpen",
    stride: int = 1,
    padding: int = 0,
    step: int = 1,
) -> "ConvolutionExplorer":
    """Controls around a convolution: image, kernel, stride, padding, and the step.

    image: (H, W) numbers, at least 3x3, or a mapping from names to such images, the
    first of which is shown first.
    kernel: the first one, a key of `PRESETS` or (3, 3) weights from -99 to 99.
    stride, padding, step: the first ones, as in `Settings`.
    Raises ValueError, a sentence, for an image, kernel or setting that cannot be shown.
    """
    images = image if isinstance(image, Mapping) else {"": image}
    if not images:
        raise ValueError(_("There is no image: the mapping of images is empty."))
    for picture in images.values():
        convolve(
            picture, PRESETS["identity"]
        )  # even unpadded it has to be large enough
    preset = OWN
    if isinstance(kernel, str):
        if kernel not in PRESETS:
            raise ValueError(
                _("There is no preset kernel {name!r}: use one of {known}.").format(
                    name=kernel, known=", ".join(PRESETS)
                )
            )
        preset, kernel = kernel, PRESETS[kernel]
    first = Settings(next(iter(images.values())), kernel, stride, padding, step)
    return ConvolutionExplorer(images, preset, first)


class ConvolutionExplorer(Interactive):
    """What `convolution_explorer` returns; its controls can be set from code too.

    image, preset, stride, padding: Dropdown. kernel: nine BoundedFloatText, row by row.
    step: IntSlider from 1. view: HTML. settings: the `Settings` shown now.
    """

    def __init__(self, images: Mapping[str, ArrayLike], preset: str, first: Settings):
        import ipywidgets as w

        self._images, self._busy = images, False
        names = list(images)
        self.image = dropdown(_("Image"), names, names[0])
        self.preset = dropdown(_("Kernel"), _preset_names(), preset)
        self.stride = dropdown(_("Stride"), STRIDES, first.stride)
        self.padding = dropdown(_("Padding"), PADDINGS, first.padding)
        self.kernel = [_weight_box(*item) for item in np.ndenumerate(first.kernel)]
        self.step = w.IntSlider(
            value=first.step,
            min=1,
            max=first.output.size,
            readout=False,
            layout=w.Layout(flex="1 1 200px", max_width="440px"),
        )
        self.view = w.HTML()
        self._show(first)
        super().__init__(self._arranged(), render_png(first), describe(first))

        self.preset.observe(self._preset_chosen, "value")
        for box in self.kernel:
            box.observe(self._weight_typed, "value")
        for control in (self.image, self.stride, self.padding, self.step):
            control.observe(self._changed, "value")

    def _arranged(self):
        import ipywidgets as w

        # A slider's handle has no name for a screen reader; this box has, and it takes
        # the arrow keys and typed numbers where the slider is too fine for a hand.
        box = w.BoundedIntText(
            value=self.step.value,
            min=1,
            max=self.step.max,
            description=_("Step"),
            layout=w.Layout(width="230px"),
            style=NAME,
        )
        w.link((self.step, "max"), (box, "max"))
        w.link((self.step, "value"), (box, "value"))
        choices = [self.preset, self.stride, self.padding]
        if len(self._images) > 1:
            choices.insert(0, self.image)
        columns = w.Layout(
            grid_template_columns="repeat(3, auto)",
            align_content="flex-start",
            margin="0 0 0 24px",
        )
        controls = [w.VBox(choices), w.GridBox(self.kernel, layout=columns)]
        wrap = w.Layout(flex_flow="row wrap")
        steps = w.Box([box, self.step], layout=wrap)
        return w.VBox([w.Box(controls, layout=wrap), steps, self.view])

    def _preset_chosen(self, change) -> None:
        if self._busy or change.new == OWN:
            return
        self._busy = True  # or each of the nine boxes would answer with a redraw
        for box, weight in zip(self.kernel, np.ravel(PRESETS[change.new]), strict=True):
            box.value = weight
        self._busy = False
        self._changed(change)

    def _weight_typed(self, change) -> None:
        if not self._busy:
            self.preset.value = OWN
            self._changed(change)

    def _changed(self, change) -> None:
        if self._busy:
            return
        kernel = np.reshape([box.value for box in self.kernel], (3, 3))
        now = (self._images[self.image.value], kernel)
        now += (self.stride.value, self.padding.value)
        self._busy = True  # the slider moves by itself where its maximum shrinks
        self.step.max = convolve(*now)[0].size
        self._busy = False
        self._show(Settings(*now, self.step.value))

    def _show(self, settings: Settings) -> None:
        self.settings = settings
        self.view.value = render_html(settings)


def _preset_names() -> dict[str, str]:
    return {
        "identity": _("Identity"),
        "blur": _("Blur"),
        "sobel_x": _("Sobel x: vertical edges"),
        "sobel_y": _("Sobel y: horizontal edges"),
        "laplacian": _("Laplacian: all edges"),
        "sharpen": _("Sharpen"),
        "cross": _("Diagonal cross"),
        OWN: _("Your own"),
    }


def _weight_box(place: tuple[int, int], weight: float):
    import ipywidgets as w

    row, column = place
    name = _("kernel, row {row}, column {column}").format(row=row, column=column)
    return w.BoundedFloatText(
        value=weight,
        min=-LIMIT,
        max=LIMIT,
        step=1,
        description=name,
        style={"description_width": "0px"},  # for screen readers; it takes no room
        layout=w.Layout(width="76px", margin="1px"),
    )
