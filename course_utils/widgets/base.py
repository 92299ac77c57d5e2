"""What the course's interactives share.

`Interactive` gives a live widget a picture for those who cannot run it. The rest draws:
panels are lists of a few kinds of shape, and print as SVG (the live view, quick to
redraw and sharp at any size) and as PNG (the picture), so that both show the same.
"""

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

VIEW = "application/vnd.jupyter.widget-view+json"
PAPER = "#FFFFFF"  # a ground of its own: drawings stay readable on a dark theme
INK, MUTED, GRID = "#1F2328", "#57606A", "#8C959F"  # of words, of lesser ones, of lines
MARGIN, GAP = 12, 18  # pixels around and between the panels


class Interactive:
    """A live widget together with a picture of what it shows.

    Jupyter, Colab and VS Code show the widget. A page on GitHub, a PDF or a screen
    reader, which have no kernel to talk to, get the picture and its description.

    widget: an ipywidgets or anywidget widget.
    png: a picture of its first state, or of one that says more; bytes of a PNG file.
    alt: what the picture shows, one or two sentences in the course's language.

    The plain-text form is `alt` too, not the widget's repr: it is what a text
    terminal shows, and it stays the same from run to run (nbval compares it).
    Raises ValueError if `png` is no PNG or `alt` is empty.
    """

    def __init__(self, widget, png: bytes, alt: str):
        if not png.startswith(b"\x89PNG\r\n\x1a\n"):
            raise ValueError(
                "png must hold the bytes of a PNG file (they begin with \\x89PNG); "
                f"these begin with {png[:8]!r}."
            )
        if not alt.strip():
            raise ValueError("alt is empty: describe in words what the picture shows.")
        self.widget = widget
        self.png = png
        self.alt = alt

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        # IPython itself applies include and exclude to what we return.
        view = {"version_major": 2, "version_minor": 0}
        own = {VIEW: {**view, "model_id": self.widget.model_id}}
        if hasattr(self.widget, "_repr_mimebundle_"):  # not in ipywidgets 7, Colab's
            own = self.widget._repr_mimebundle_()
        # ipywidgets answers with a bundle, anywidget with (bundle, metadata).
        bundle, metadata = own if isinstance(own, tuple) else (own, {})
        picture = {"image/png": base64.b64encode(self.png).decode("ascii")}
        data = {**bundle, **picture, "text/plain": self.alt}
        return data, {**metadata, "image/png": {"alt": self.alt}}


# --- words --------------------------------------------------------------------------


def number(value: float, digits: int = 2) -> str:
    """A number as people write it: rounded, no needless zeros, a true minus sign."""
    value = round(float(value), digits) + 0.0  # + 0.0 turns -0.0 into 0.0
    if abs(value) >= 1e5:
        return f"{value:.2e}".replace("-", "−")
    text = f"{value:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


# --- shapes; lengths in pixels, x to the right, y downwards ---------------------------


class Picture(NamedTuple):
    """An image whose pixels stay squares, stretched over a rectangle."""

    x: float
    y: float
    width: float
    height: float
    rgb: np.ndarray  # (rows, columns, 3) uint8


class Box(NamedTuple):
    """A rectangle, empty unless `fill` is a colour; a line where a side is 0."""

    x: float
    y: float
    width: float
    height: float
    color: str
    stroke: float
    dashed: bool = False
    fill: str = ""
    radius: float = 0  # of its corners


class Curve(NamedTuple):
    """A line through points; NaN breaks it. `fill` colours what it encloses."""

    points: np.ndarray  # (N, 2) float
    color: str
    stroke: float
    dashed: bool = False
    fill: str = ""


class Dot(NamedTuple):
    """A filled circle; x and y are its centre, `edge` the colour of its outline."""

    x: float
    y: float
    radius: float
    color: str
    edge: str = ""


class Text(NamedTuple):
    """One line of text; y is the middle of its digits."""

    x: float
    y: float
    text: str
    size: float
    color: str
    align: str = "center"  # left, center, right: where x lies
    bold: bool = False


Shape = Picture | Box | Curve | Dot | Text


class Panel(NamedTuple):
    """A drawing; what it says to a screen reader; its size."""

    shapes: Sequence[Shape]
    label: str
    width: int
    height: int


# --- printed as SVG -------------------------------------------------------------------


def panels_to_html(panels: Sequence[Panel]) -> str:
    """HTML of the panels as SVG drawings, side by side or, where narrow, stacked."""
    # All as high as the highest, or the others would stand in the middle of the row.
    height = max(panel.height for panel in panels)
    drawings = "".join(_svg(panel._replace(height=height)) for panel in panels)
    return (
        f'<div style="display:flex;flex-wrap:wrap;gap:6px {GAP}px;background:{PAPER};'
        f"border-radius:6px;padding:{MARGIN}px;line-height:normal;"
        f'font-family:system-ui,sans-serif">{drawings}</div>'
    )


def _svg(panel: Panel) -> str:
    width, height = panel.width, panel.height
    shapes = "".join(map(_svg_shape, panel.shapes))
    # Three pixels more on each side, or the outlines along an edge would be cut. They
    # grow in proportion, so that side by side they keep one scale.
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="-3 -3 {width + 6} {height + 6}" aria-label="{escape(panel.label)}" '
        f'style="flex:{width} 1 {width}px;min-width:0;max-width:{1.25 * width:.0f}px">'
        f"{shapes}</svg>"
    )


def _svg_shape(shape: Shape) -> str:
    if isinstance(shape, Curve):
        path = "".join(map(_svg_line, _runs(shape.points)))
        return f'<path d="{path}" {_svg_style(shape)} stroke-linejoin="round"/>'
    x, y = f"{shape.x:.1f}", f"{shape.y:.1f}"
    if isinstance(shape, Dot):
        edge = f' stroke="{shape.edge}"' if shape.edge else ""
        radius = f"{shape.radius:.1f}"
        return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{shape.color}"{edge}/>'
    if isinstance(shape, Text):
        anchor = {"left": "start", "center": "middle", "right": "end"}[shape.align]
        weight = "bold" if shape.bold else "normal"
        return (
            f'<text x="{x}" y="{y}" dy=".35em" text-anchor="{anchor}" '
            f'font-size="{shape.size:.1f}" font-weight="{weight}" fill="{shape.color}">'
            f"{escape(shape.text)}</text>"
        )
    if isinstance(shape, Picture):
        png = base64.b64encode(_pixels_to_png(shape.rgb)).decode("ascii")
        return (
            f'<image x="{x}" y="{y}" width="{shape.width:.1f}" '
            f'height="{shape.height:.1f}" preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" href="data:image/png;base64,{png}"/>'
        )
    return f'<path d="{_svg_box(shape)}" {_svg_style(shape)}/>'


def _svg_style(shape: Box | Curve) -> str:
    dashes = ' stroke-dasharray="5 3"' if shape.dashed else ""
    return (
        f'fill="{shape.fill or "none"}" stroke="{shape.color}" '
        f'stroke-width="{shape.stroke}"{dashes}'
    )


def _svg_box(box: Box) -> str:
    """A rectangle's path: SVG's own rectangle is not drawn without an area."""
    x, y, width, height, r = *box[:4], box.radius
    if not r:
        return f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z"
    h, v = f"{width - 2 * r:.1f}", f"{height - 2 * r:.1f}"
    arcs = [f"a{r} {r} 0 0 1 {i} {j}" for i, j in ((r, r), (-r, r), (-r, -r), (r, -r))]
    return (
        f"M{x + r:.1f} {y:.1f}h{h}{arcs[0]}v{v}{arcs[1]}h-{h}{arcs[2]}v-{v}{arcs[3]}z"
    )


def _svg_line(points: np.ndarray) -> str:
    # One format for all: many times faster than one a point.
    return "M" + ("%.1f %.1f " * len(points) % tuple(points.ravel().tolist())).strip()


def _runs(points: np.ndarray) -> list[np.ndarray]:
    """The unbroken pieces of a line, at least two points each."""
    points = np.asarray(points, dtype=float)
    broken = np.isnan(points).any(axis=1)
    pieces = np.split(points, np.flatnonzero(broken))
    pieces = [piece[np.isnan(piece).any(axis=1).sum() :] for piece in pieces]
    return [piece for piece in pieces if len(piece) > 1]


def _pixels_to_png(rgb: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "png")
    return file.getvalue()


# --- printed as PNG -------------------------------------------------------------------


def panels_to_png(panels: Sequence[Panel]) -> bytes:
    """The bytes of a PNG file with the panels side by side, at 1.5 times their size."""
    from matplotlib.figure import Figure
    from PIL import Image

    width = sum(p.width for p in panels) + GAP * (len(panels) - 1) + 2 * MARGIN
    height = max(p.height for p in panels) + 2 * MARGIN
    # At 72 dots an inch a point is a pixel, so sizes mean the same as in the SVG.
    figure = Figure(
        figsize=(width / 72, height / 72), dpi=72, facecolor=PAPER, layout="none"
    )
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    left = MARGIN
    for panel in panels:
        for shape in panel.shapes:
            _draw_shape(axes, _moved(shape, left, MARGIN))
        left += panel.width + GAP
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=1.5 * 72)
    # A third of the bytes. Of Pillow's ways to choose 256 colours, this one keeps the
    # rare ones too: no value moves by more than some 8 of 255.
    small = Image.open(file).convert("RGB")
    small = small.quantize(
        256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    )
    file = io.BytesIO()
    small.save(file, "png", optimize=True)
    return file.getvalue()


def _moved(shape: Shape, right: float, down: float) -> Shape:
    if isinstance(shape, Curve):
        return shape._replace(points=np.add(shape.points, (right, down)))
    return shape._replace(x=shape.x + right, y=shape.y + down)


def _draw_shape(axes, shape: Shape) -> None:
    if isinstance(shape, Text):
        axes.text(
            shape.x,
            shape.y + 0.35 * shape.size,
            shape.text,
            size=0.94 * shape.size,  # matplotlib's letters are wider than a browser's
            color=shape.color,
            ha=shape.align,
            weight="bold" if shape.bold else "normal",
            parse_math=False,
        )
    elif isinstance(shape, Picture):
        x, y, width, height = shape[:4]
        extent = (x, x + width, y + height, y)
        axes.imshow(shape.rgb, extent=extent, interpolation="nearest")
    else:
        for patch in _patches(shape):
            axes.add_patch(patch)


def _patches(shape: Box | Curve | Dot) -> list:
    from matplotlib import patches
    from matplotlib.path import Path

    if isinstance(shape, Dot):
        center, edge = (shape.x, shape.y), shape.edge or "none"
        style = {"facecolor": shape.color, "edgecolor": edge, "linewidth": 1}
        return [patches.Circle(center, shape.radius, **style)]
    style = {
        "facecolor": shape.fill or "none",
        "edgecolor": shape.color,
        "linewidth": shape.stroke,
        "linestyle": "--" if shape.dashed else "-",
    }
    if isinstance(shape, Box):
        if not shape.radius:
            return [patches.Rectangle(shape[:2], shape.width, shape.height, **style)]
        style["boxstyle"] = f"round,pad=0,rounding_size={shape.radius}"
        return [patches.FancyBboxPatch(shape[:2], shape.width, shape.height, **style)]
    runs = _runs(shape.points)
    return [patches.PathPatch(Path(r), joinstyle="round", **style) for r in runs]
