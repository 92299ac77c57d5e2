"""The Dice explorer: move a prediction off the truth, and see what each score says.

From top to bottom: the masks and their scores, their words, the drawing, the controls.
All but the controls is a pure function of a `Scene`.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from course_utils.guards import need
from course_utils.locale import _
from course_utils.widgets.base import (
    INK,
    MUTED,
    PAPER,
    Box,
    Curve,
    Dot,
    Interactive,
    Panel,
    Picture,
    Text,
    number,
    panels_to_html,
    panels_to_png,
)
from course_utils.widgets.chart import Chart
from course_utils.widgets.controls import dropdown, named_slider

# --- the masks and their scores -------------------------------------------------------

GRID_SIDE = 72  # pixels, of 1 mm as a voxel of BraTS: the largest prediction fits
KINDS = ("disc", "ellipse", "square", "ring")
LIMITS = {
    "size": (4, 30),
    "right": (-12, 12),
    "down": (-12, 12),
    "scale": (0.5, 1.4),
    "speck": (0, 6),
}
STEPS = {"scale": 0.05}  # of the others: whole millimetres


@dataclass(frozen=True)
class Scene:
    """A lesion as it is, and as it was predicted.

    kind: "disc", "ellipse", "square" or "ring", of both. size: mm, width of the truth.
    right, down: mm by which the prediction is off. scale: its size, as a multiple of
    the truth's. speck: mm, side of a square predicted far away from the lesion.
    Raises ValueError for another kind, or a number out of `LIMITS`.
    """

    kind: str = "disc"
    size: int = 12
    right: int = 4
    down: int = 0
    scale: float = 1.0
    speck: int = 0

    def __post_init__(self):
        need("Scene", "kind", self.kind, self.kind in KINDS, " | ".join(KINDS))
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            need("Scene", name, value, low <= value <= high, f"{low}..{high}")

    @property
    def masks(self) -> tuple[np.ndarray, np.ndarray]:
        """Truth and prediction, bool (72, 72) each; neither is empty."""
        y, x = np.mgrid[:GRID_SIDE, :GRID_SIDE] + 0.5 - GRID_SIDE / 2
        radius = self.size / 2
        truth = _inside(self.kind, x, y, radius)
        pred = _inside(self.kind, x - self.right, y - self.down, radius * self.scale)
        pred[4 : 4 + self.speck, -4 - self.speck : -4] = True
        return truth, pred


def _inside(kind: str, x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    if kind == "square":
        return np.maximum(np.abs(x), np.abs(y)) <= radius
    away = np.hypot(x, y / 0.6 if kind == "ellipse" else y)
    hole = min(0.6 * radius, radius - 1) if kind == "ring" else -1
    return (away <= radius) & (away > hole)


class Scores(NamedTuple):
    """What there is to say about two masks: pixels, parts (0..1), millimetres."""

    hit: int
    missed: int
    false: int
    dice: float
    iou: float
    precision: float
    recall: float
    hd: float
    hd95: float


def score(scene: Scene) -> Scores:
    """All scores of a scene; HD95 as in `metrics.hausdorff95`."""
    truth, pred = scene.masks
    parts = truth & pred, truth & ~pred, pred & ~truth
    hit, missed, false = (int(part.sum()) for part in parts)
    there, back = (
        np.linalg.norm(way[:, 1] - way[:, 0], axis=1) for way in _ways(scene)
    )
    return Scores(
        hit,
        missed,
        false,
        dice=2 * hit / (2 * hit + missed + false),
        iou=hit / (hit + missed + false),
        precision=hit / (hit + false),
        recall=hit / (hit + missed),
        hd=float(max(there.max(), back.max())),
        hd95=float(max(np.percentile(there, 95), np.percentile(back, 95))),
    )


def _ways(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """From each place of the truth's outline to the nearest of the prediction's; back.

    (E, 2, 2) each: E pairs of places, row and column in pixels, that is in mm.
    """
    truth, pred = map(_outline, scene.masks)
    apart = np.linalg.norm(truth[:, None] - pred, axis=2)
    there = np.stack([truth, pred[apart.argmin(axis=1)]], axis=1)
    back = np.stack([pred, truth[apart.argmin(axis=0)]], axis=1)
    return there, back


def _outline(mask: np.ndarray) -> np.ndarray:
    """Rows and columns (E, 2) of the pixels beside which, on a side, one is outside."""
    around = np.pad(mask, 1)
    inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return np.argwhere(mask & ~inner)


def _farthest(scene: Scene) -> np.ndarray:
    """The two places (2, 2), row and column, between which HD is measured."""
    pairs = np.concatenate(_ways(scene))
    return pairs[np.linalg.norm(pairs[:, 1] - pairs[:, 0], axis=1).argmax()]


def dice_by_size(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Sizes in mm, and the Dice that the same error has on lesions of these sizes."""
    low, high = LIMITS["size"]
    sizes = np.arange(low, high + 1)
    pairs = (replace(scene, size=size).masks for size in sizes.tolist())
    return sizes, np.array([2 * (t & p).sum() / (t.sum() + p.sum()) for t, p in pairs])


# --- in words -------------------------------------------------------------------------


def describe(scene: Scene) -> str:
    """Both shapes, all scores and the finding: the alternative text."""
    s = score(scene)
    return _(
        "Truth: {kind}, {size} mm. Prediction: {change}. {hit} px hit, {missed} "
        "missed, {false} false: Dice {dice}, IoU {iou}, precision {precision}, recall "
        "{recall}, HD {hd} mm, HD95 {hd95} mm. {finding}"
    ).format(
        kind=_kinds()[scene.kind].lower(),
        size=scene.size,
        change=_change(scene),
        finding=finding(scene),
        **{name: number(value) for name, value in s._asdict().items()},
    )


def _change(scene: Scene) -> str:
    right, down = scene.right, scene.down
    parts = {
        _("{n} mm right"): max(right, 0),
        _("{n} mm left"): max(-right, 0),
        _("{n} mm down"): max(down, 0),
        _("{n} mm up"): max(-down, 0),
    }
    words = [said.format(n=n) for said, n in parts.items() if n]
    if scene.scale != 1:
        words.append(_("size × {n}").format(n=number(scene.scale)))
    if scene.speck:
        words.append(_("a false speck of {n} mm").format(n=scene.speck))
    return ", ".join(words) or _("the same")


def finding(scene: Scene) -> str:
    """The one thing that this scene shows."""
    s = score(scene)
    if s.dice == 1:
        return _(
            "Both are the same: Dice is 1, the distances are 0. Move the prediction a "
            "little, then make the lesion small."
        )
    if scene.speck:
        clean = score(replace(scene, speck=0))
        changes = {
            name: f"{number(getattr(clean, name))} → {number(getattr(s, name))}"
            for name in ("dice", "hd", "hd95")
        }
        return _(
            "What the speck does: Dice {dice}; HD {hd} mm; HD95 {hd95} mm. HD is the "
            "distance of the worst pixel, HD95 leaves out the worst twentieth of the "
            "outline."
        ).format(**changes)
    if not s.hit:
        return _(
            "Nothing is hit: Dice, IoU, precision and recall are 0 however far away "
            "the prediction lies. The distances still tell."
        )
    sizes, dices = dice_by_size(scene)
    if scene.right or scene.down:
        return _(
            "The same error on a small lesion and on a large one: Dice {small} at {a} "
            "mm, {large} at {b} mm."
        ).format(
            small=number(dices[0]), a=sizes[0], large=number(dices[-1]), b=sizes[-1]
        )
    return _(
        "Only the size is off, in proportion: Dice is much the same for small and for "
        "large lesions. Precision {precision}, recall {recall}: {what}."
    ).format(
        precision=number(s.precision),
        recall=number(s.recall),
        what=_("too much is marked") if scene.scale > 1 else _("too little is marked"),
    )


def _kinds() -> dict[str, str]:
    names = (_("Disc"), _("Ellipse"), _("Square"), _("Ring"))
    return dict(zip(KINDS, names, strict=True))


# --- the drawing ----------------------------------------------------------------------

# Told apart by lightness too: dark, middle and light on a ground that is almost white.
MISSED, HIT, FALSE, GROUND = "#6E1A3B", "#1D8594", "#F2B134", "#F3F4F6"
PIXEL = 3.5  # screen pixels per mm
SIDE, TOP = round(GRID_SIDE * PIXEL), 40  # of the picture; where it begins
WIDE, ROW, BAR, NAMES = 262, 42, 92, 84  # of the scores: panel, line, bar, names
CHART = 222, 200  # width and height of the curve


def render_html(scene: Scene) -> str:
    """The live view."""
    return panels_to_html(_panels(scene))


def render_png(scene: Scene) -> bytes:
    """The same as a PNG file, for those who see no live view."""
    return panels_to_png(_panels(scene))


def _panels(scene: Scene) -> list[Panel]:
    s = score(scene)
    return [_picture_panel(scene, s), _score_panel(s), _size_panel(scene, s)]


def _picture_panel(scene: Scene, s: Scores) -> Panel:
    truth, pred = scene.masks
    colors = np.array([GROUND, MISSED, FALSE, HIT])[truth + 2 * pred]
    line = _("Line: outline of the truth. {size} mm wide.").format(size=GRID_SIDE)
    shapes = [
        Text(0, 10, _("Truth and prediction"), 12.5, INK, "left", bold=True),
        Text(0, 28, line, 11, MUTED, "left"),
        Picture(0, TOP, SIDE, SIDE, _rgb(colors)),
        Curve(_edges(truth) * PIXEL + (0, TOP), INK, 1.2),
    ]
    y = TOP + SIDE + 16
    if s.hd > 0:
        places = _farthest(scene)
        ends = (places[:, ::-1] + 0.5) * PIXEL + (0, TOP)
        # In the pixels' own colours: a speck of one pixel lies under its dot.
        shapes += _dumbbell(ends, [str(colors[tuple(place)]) for place in places])
        shapes += _dumbbell(np.array([[130, y], [148, y]]), [GROUND, GROUND])
        shapes.append(Text(158, y, _("farthest: HD"), 11, INK, "left"))
    for color, said, count in (
        (HIT, _("hit"), s.hit),
        (MISSED, _("missed"), s.missed),
        (FALSE, _("false"), s.false),
    ):
        shapes.append(Box(1, y - 6, 12, 12, INK, 0.5, fill=color))
        shapes.append(Text(20, y, f"{said}: {count} px", 11, INK, "left"))
        y += 18
    return Panel(shapes, describe(scene), SIDE, y - 6)


def _dumbbell(ends: np.ndarray, colors: list[str]) -> list:
    """A line between two places (2, 2) and a dot at each."""
    dots = [Dot(*end, 3.5, c, INK) for end, c in zip(ends, colors, strict=True)]
    return [Curve(ends, PAPER, 4.5), Curve(ends, INK, 2), *dots]


def _rgb(colors: np.ndarray) -> np.ndarray:
    """Colours "#RRGGBB" (H, W) as uint8 (H, W, 3)."""
    names, where = np.unique(colors, return_inverse=True)
    values = [list(bytes.fromhex(name[1:])) for name in names]
    return np.array(values, dtype=np.uint8)[where.reshape(colors.shape)]


def _edges(mask: np.ndarray) -> np.ndarray:
    """Where inside meets outside: lines (N, 2), x and y in pixels, NaN between them."""
    around = np.pad(mask, 1)
    rows, columns = np.argwhere(around[1:] != around[:-1]).T  # below and above differ
    flat = np.stack([columns - 1, rows, columns, rows], axis=1)
    rows, columns = np.argwhere(around[:, 1:] != around[:, :-1]).T
    steep = np.stack([columns, rows - 1, columns, rows], axis=1)
    lines = np.concatenate([flat, steep]).reshape(-1, 2, 2).astype(float)
    return np.pad(lines, ((0, 0), (0, 1), (0, 0)), constant_values=np.nan).reshape(
        -1, 2
    )


def _score_panel(s: Scores) -> Panel:
    """A bar, a number and the arithmetic of each score."""
    hit, missed, false = s.hit, s.missed, s.false
    parts = (
        ("Dice", s.dice, f"2·{hit} / (2·{hit} + {missed} + {false})"),
        ("IoU", s.iou, f"{hit} / ({hit} + {missed} + {false})"),
        (_("Precision"), s.precision, f"{hit} / ({hit} + {false})"),
        (_("Recall"), s.recall, f"{hit} / ({hit} + {missed})"),
    )
    distances = (
        ("HD", s.hd, _("greatest between the outlines")),
        ("HD95", s.hd95, _("without the worst 5%")),
    )
    shapes = [Text(0, 10, _("Scores"), 12.5, INK, "left", bold=True)]
    y = 36
    for name, value, note in parts + distances:
        part = (name, value, note) in parts
        # Beyond 50 mm, which only a speck reaches, the bar stays full.
        length = BAR * (value if part else min(value / 50, 1))
        said = f"{value:.2f}" if part else f"{number(value, 1)} mm"
        color = HIT if part else MUTED
        shapes += [
            Text(NAMES, y, name, 11.5, INK, "right", bold=True),
            Box(NAMES + 8, y - 6, length, 12, color, 0.5, fill=color),
            Text(NAMES + 14 + length, y, said, 11, INK, "left"),
            Text(NAMES + 8, y + 16, note, 10.5, MUTED, "left"),
        ]
        y += ROW
    label = "; ".join(
        f"{name}: {number(value)}" for name, value, _n in parts + distances
    )
    return Panel(shapes, label, WIDE, y)


def _size_panel(scene: Scene, s: Scores) -> Panel:
    """Why small lesions are cruel: the same error on lesions of every size."""
    sizes, dices = dice_by_size(scene)
    title = _("The same error by size")
    limits = LIMITS["size"]
    x_label = _("size of the lesion (mm)")
    chart = Chart(title, x_label, "Dice", limits, (0, 1), *CHART)
    chart.vline(scene.size, MUTED)
    chart.curve(sizes, dices, HIT, stroke=2.5)
    chart.dots(scene.size, s.dice, HIT, radius=5, edge=PAPER)
    said = finding(scene)
    return chart.panel(f"{title}. {said}", [said])


# --- the controls ---------------------------------------------------------------------


def dice_explorer() -> "DiceExplorer":
    """Controls around a lesion and its prediction: shape, size, shift, scale, speck."""
    return DiceExplorer()


class DiceExplorer(Interactive):
    """What `dice_explorer` returns; its controls can be set from code too.

    kind: Dropdown. sliders: name of another field of `Scene` -> slider. view: HTML.
    scene: the `Scene` shown now.
    """

    def __init__(self):
        import ipywidgets as w

        scene = Scene()
        self.kind = dropdown(_("Shape"), _kinds(), scene.kind)
        self.sliders, rows = {}, [self.kind]
        for name, title in _titles().items():
            value, step = getattr(scene, name), STEPS.get(name, 1)
            slider, row = named_slider(title, value, LIMITS[name], step)
            self.sliders[name] = slider
            rows.append(row)
        self.view = w.HTML()
        self._show(scene)
        everything = w.VBox([*rows, self.view])
        super().__init__(everything, render_png(scene), describe(scene))
        for control in (self.kind, *self.sliders.values()):
            control.observe(self._changed, "value")

    def _changed(self, change) -> None:
        # A browser's slider says 1.0499999999999998 where its box says 1.05.
        values = {name: round(s.value, 3) for name, s in self.sliders.items()}
        self._show(Scene(self.kind.value, **values))

    def _show(self, scene: Scene) -> None:
        self.scene = scene
        self.view.value = render_html(scene)


def _titles() -> dict[str, str]:
    return {
        "size": _("Size of the truth (mm)"),
        "right": _("Shift right (mm)"),
        "down": _("Shift down (mm)"),
        "scale": _("Size of prediction (×)"),
        "speck": _("False speck (mm)"),
    }
