"""The brain viewer: a patient's volume slice by slice, with the tumour drawn over it.

Here are the drawing, a pure function of a `Brain` and of a `View`, and the controls;
what is drawn, and its words, come from brain_slices.py.
"""

import io
from collections.abc import Mapping, Sequence
from textwrap import wrap

import numpy as np
from torch import Tensor

from course_utils.data.brats_labels import REGIONS
from course_utils.data.volumes import MODALITIES, Patient
from course_utils.locale import _
from course_utils.plots import REGION_COLORS
from course_utils.widgets.base import (
    INK,
    MUTED,
    Box,
    Curve,
    Interactive,
    Panel,
    Picture,
    Text,
    panels_to_html,
    panels_to_png,
)
from course_utils.widgets.brain_slices import (
    PLANES,
    SIDE_BY_SIDE,
    Brain,
    View,
    as_brain,
    channels,
    cut,
    describe,
    drawn,
    largest,
    orientation,
    plane_names,
    region_names,
    source_names,
    volumes,
    where,
)
from course_utils.widgets.controls import dropdown, named_slider

STROKES = {"WT": 1.5, "TC": 3.2, "ET": 1.3}  # TC's stays seen where ET's runs on it


# --- the drawing ----------------------------------------------------------------------

SCALE, ALONE = 1.5, 2.25  # pixels a mm: side by side, and of one modality
TOP, APART = 26, 10  # of a picture's upper edge, between two: pixels
# Of the words: line, letter's width, size. Four pictures side by side are shown some
# 20% smaller on a laptop.
LINE, LETTER, WORDS = 19, 6.9, 12.5
LEGEND = 325  # pixels: its width
LEVEL = 4  # grey levels apart: two thirds of the bytes to send at each move
CAST = 16  # between the channels of a colour: less is meant to be grey
LIGHT = "#D0D7DE"  # of the orientation letters, on black
CASING = "#000000"  # along the truth's lines: seen on bright tissue as on dark


def render_html(shown: Brain, view: View) -> str:
    """The live view."""
    return panels_to_html([_panel(shown, view)])


def render_png(shown: Brain, view: View) -> bytes:
    """The same as a PNG file, for those who see no live view."""
    return _without_casts(panels_to_png([_panel(shown, view)]))


def pictures_to_html(shown: Brain, view: View) -> str:
    """The slices alone, a drawing for each modality, for a page with words of its own.

    The first drawing's description is that of all.
    """
    chosen, (width, height) = channels(shown, view), _size(shown, view)
    panels = []
    for channel in chosen:
        label = shown.modalities[channel] if panels else describe(shown, view)
        shapes = _picture(shown, view, channel, 0, width, height)
        panels.append(Panel(shapes, label, width, TOP + height))
    return panels_to_html(panels)


def _without_casts(png: bytes) -> bytes:
    """The picture with the nearly grey among its 256 colours made grey.

    They were chosen for tissue and coloured lines together: brown and green stains.
    """
    from PIL import Image

    image, file = Image.open(io.BytesIO(png)), io.BytesIO()
    palette = np.array(image.getpalette()).reshape(-1, 3)
    stained = np.ptp(palette, axis=1) <= CAST
    palette[stained] = palette[stained].mean(axis=1, keepdims=True).round()
    image.putpalette(palette.ravel().tolist())
    image.save(file, "png", optimize=True)
    return file.getvalue()


def _panel(shown: Brain, view: View) -> Panel:
    chosen, (width, height) = channels(shown, view), _size(shown, view)
    shapes, right, bottom = [], -APART, TOP + height
    for channel in chosen:
        shapes += _picture(shown, view, channel, right + APART, width, height)
        right += APART + width
    if len(chosen) > 1:  # the words below the pictures, else beside
        left, top = 0, bottom + LINE
    else:
        left, top, right = right + 2 * APART, TOP + 8, right + 2 * APART + LEGEND
    legend = _legend(shown, view, left, top)
    if right - left > 2 * LEGEND:
        left += LEGEND + 4 * APART
    else:
        top = _below(legend) + 4
    words = _notes(shown, view, left, top, right)
    low = max(bottom, _below(legend), _below(words) - LINE / 2)
    shapes += legend + words
    return Panel(shapes, describe(shown, view), max(right, LEGEND), round(low))


def _size(shown: Brain, view: View) -> tuple[int, int]:
    """Width and height of each picture in view, in pixels."""
    scale = SCALE if len(channels(shown, view)) > 1 else ALONE
    sides = np.delete(shown.voxel, PLANES[view.plane][0])
    rows, columns = cut(shown.grey, view.plane, view.at).shape[1:]
    return round(scale * sides[1] * columns), round(scale * sides[0] * rows)


def _legend(shown: Brain, view: View, x: float, y: float) -> list:
    """The three regions, their colours, and how large each is in the whole volume."""
    rows = {"": source_names(), **{region: {} for region in REGIONS}}
    for source in shown.masks:
        for region, size in volumes(shown, source).items():
            rows[region][source] = _("{n} ml").format(n=size)
    names = {"": _("In the whole volume"), **region_names()}
    shapes = []
    for i, (region, said) in enumerate((r, s) for r, s in rows.items() if s):
        down = y + i * LINE
        if region:
            color = REGION_COLORS[region]
            shapes.append(Box(x + 1, down - 6, 12, 12, CASING, 1, fill=color))
        start = x + 20 if region else x
        color = INK if region else MUTED
        shapes.append(Text(start, down, names[region], WORDS, color, "left"))
        for source, right in zip(shown.masks, (LEGEND - 90, LEGEND), strict=False):
            word = said.get(source, "")
            shapes.append(Text(x + right, down, word, WORDS, color, "right"))
    return shapes


def notes(shown: Brain, view: View) -> list[str]:
    """Where we are, which line is whose, and which side is which."""
    said = [where(shown, view)]
    if view.overlay == "both":
        said.append(_("Solid line: truth; dashed line: prediction."))
    elif view.overlay in shown.masks:
        source = source_names()[view.overlay]
        said.append(_("Colours and lines: {what}.").format(what=source))
    return said + orientation(view)


def _notes(shown: Brain, view: View, x: float, y: float, right: float) -> list[Text]:
    room = int((right - x) / LETTER)
    lines = [line for note in notes(shown, view) for line in wrap(note, room)]
    return [
        Text(x, y + LINE * i, line, WORDS, MUTED if i else INK, "left")
        for i, line in enumerate(lines)
    ]


def _below(shapes: Sequence) -> float:
    """Where the next line of words goes: under the lowest one."""
    return LINE + max(shape.y for shape in shapes if isinstance(shape, Text))


def _picture(
    shown: Brain, view: View, channel: int, x: float, width: int, height: int
) -> list:
    """One modality's slice with its outlines, its name and its four letters."""
    grey = cut(shown.grey[channel], view.plane, view.at)
    masks = {s: cut(m, view.plane, view.at) for s, m in drawn(shown, view).items()}
    rgb = np.repeat(_enlarged(grey, width, height)[..., None], 3, axis=2)
    if view.overlay in masks:
        rgb = tinted(rgb, masks[view.overlay], view.opacity)
    shapes = [
        Text(x, 11, shown.modalities[channel], 14, INK, "left", bold=True),
        Picture(x, TOP, width, height, rgb),
    ]
    cell = width / grey.shape[1], height / grey.shape[0]
    for source, three in masks.items():
        dashed = view.overlay == "both" and source == "prediction"
        lines = {
            region: outline(mask) * cell + (x, TOP)
            for region, mask in zip(REGIONS, three, strict=True)
        }
        for region, line in lines.items():
            if not dashed:
                shapes.append(Curve(line, CASING, STROKES[region] + 1.2))
        for region, line in lines.items():
            stroke = STROKES[region] + 0.4 * dashed
            shapes.append(Curve(line, REGION_COLORS[region], stroke, dashed))
    middle, half = x + width / 2, TOP + height / 2
    edges = (middle, TOP + 9), (middle, TOP + height - 9), (x + 8, half)
    edges += ((x + width - 8, half),)
    for (right, down), letter in zip(edges, PLANES[view.plane][1], strict=True):
        shapes.append(Text(right, down, letter, WORDS, LIGHT, bold=True))
    return shapes


def _enlarged(grey: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 (h, w) as (height, width), smoothly: tissue has no corners."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(grey))
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image) // LEVEL * LEVEL


def tinted(rgb: np.ndarray, masks: np.ndarray, opacity: float) -> np.ndarray:
    """The picture with the three regions in their colours, the smaller on top.

    rgb: uint8 (height, width, 3). masks: bool (3, h, w), enlarged without smoothing.
    """
    height, width = rgb.shape[:2]
    rows = np.arange(height) * masks.shape[1] // height
    columns = np.arange(width) * masks.shape[2] // width
    result = rgb.astype(np.float32)
    painted = np.zeros((height, width, 3), np.float32)
    for mask, color in zip(masks, REGION_COLORS.values(), strict=True):
        painted[mask[rows][:, columns]] = list(bytes.fromhex(color[1:]))
    tumour = masks.any(0)[rows][:, columns]
    result[tumour] += opacity * (painted[tumour] - result[tumour])
    return result.round().astype(np.uint8)


def outline(mask: np.ndarray) -> np.ndarray:
    """Lines around a mask (h, w), (N, 2) as x, y in voxels from the upper left corner.

    They run half-way between the centres of voxels inside and outside; NaN between two.
    """
    from contourpy import contour_generator

    padded = np.pad(mask.astype(float), 1)  # closed also along the picture's edge
    lines = contour_generator(z=padded).lines(0.5)
    gap = np.full((1, 2), np.nan)
    points = np.concatenate([gap, *(part for line in lines for part in (line, gap))])
    return points - 0.5


# --- the controls ---------------------------------------------------------------------


def brain_viewer(
    patients: Sequence[Patient] | Mapping[str, Patient],
    predictions: Mapping[str, Tensor] | None = None,
    *,
    modalities: Sequence[str] = tuple(MODALITIES.values()),
) -> "BrainViewer":
    """Controls around a volume's slices, with the tumour drawn over them.

    patients: as `data.brats` returns them, one at least, or name to show -> patient.
    predictions: name -> uint8 labels (D, H, W), or bool (3, D, H, W): WT, TC, ET; one
        for each patient. Without, only the truth can be shown.
    modalities: the channels' names, `data.brats(...).modalities`.
    Raises ValueError, a sentence, for what cannot be shown.
    """
    if not isinstance(patients, Mapping):
        patients = {patient.name: patient for patient in patients}
    if not patients:
        raise ValueError(_("brain_viewer: there is no patient to show."))
    missing = [n for n in patients if predictions is not None and n not in predictions]
    if missing:
        raise ValueError(
            _(
                "brain_viewer: there is no prediction for {names}: give one for each "
                "patient, under the patient's name."
            ).format(names=", ".join(missing))
        )
    return BrainViewer(patients, predictions or {}, modalities)


class BrainViewer(Interactive):
    """What `brain_viewer` returns; its controls can be set from code too.

    patient, plane, modality, overlay: Dropdown, modality an index or -1, all of them.
    place: IntSlider from 1. opacity: FloatSlider. view: HTML.
    brain, shown: the `Brain` and the `View` shown now.
    """

    def __init__(
        self,
        patients: Mapping[str, Patient],
        predictions: Mapping[str, Tensor],
        modalities: Sequence[str],
    ):
        import ipywidgets as w

        self._patients, self._predictions = patients, predictions
        self._modalities, self._busy = modalities, False
        first = View(
            # Two outlines need a large picture.
            modality=0 if predictions or len(modalities) == 1 else SIDE_BY_SIDE,
            overlay="both" if predictions else "truth",
        )
        self._load(next(iter(patients)))
        names, wide = list(patients), "300px"
        self.patient = dropdown(_("Patient"), names, names[0], wide)
        self.plane = dropdown(_("Plane"), plane_names(), first.plane, wide)
        channels = dict(enumerate(modalities))
        if len(modalities) > 1:
            channels = {SIDE_BY_SIDE: _("all, side by side"), **channels}
        self.modality = dropdown(_("Modality"), channels, first.modality, wide)
        overlays = {"none": _("no overlay"), "truth": source_names()["truth"]}
        if predictions:
            overlays["prediction"] = source_names()["prediction"]
            overlays["both"] = _("both, as outlines")
        self.overlay = dropdown(_("Overlay"), overlays, first.overlay, wide)
        self.place, place = named_slider(_("Slice"), 1, (1, 2), 1)
        self.opacity, opacity = named_slider(_("Opacity"), first.opacity, (0, 1), 0.05)
        self._boxes = place.children[0], opacity.children[0]
        self.view = w.HTML()
        self._to_largest()
        self._show()
        choices = [self.patient, self.plane, self.modality, self.overlay]
        if len(patients) == 1:
            del choices[0]
        choices = w.Box(choices, layout=w.Layout(flex_flow="row wrap"))
        super().__init__(
            w.VBox([choices, place, opacity, self.view]),
            render_png(self.brain, self.shown),
            describe(self.brain, self.shown),
        )
        for control in (self.modality, self.overlay, self.place, self.opacity):
            control.observe(self._changed, "value")
        for control in (self.patient, self.plane):
            control.observe(self._turned, "value")

    def _load(self, name: str) -> None:
        prediction = self._predictions.get(name)
        self.brain = as_brain(self._patients[name], self._modalities, prediction, name)

    def _turned(self, change) -> None:
        """Another patient or plane: the slider goes where most of the tumour is."""
        if change["owner"] is self.patient:
            self._load(self.patient.value)
        self._to_largest()
        self._show()

    def _to_largest(self) -> None:
        plane = self.plane.value
        last = self.brain.grey.shape[1 + PLANES[plane][0]]
        self._busy = True
        for control in (self.place, self._boxes[0]):
            control.max = last
        self.place.value = largest(self.brain, plane) + 1
        self._busy = False

    def _changed(self, change) -> None:
        if not self._busy:
            self._show()

    def _show(self) -> None:
        self.shown = View(
            self.plane.value,
            self.place.value - 1,
            self.modality.value,
            self.overlay.value,
            round(self.opacity.value, 3),
        )
        for control in (self.opacity, self._boxes[1]):  # outlines alone have none
            control.disabled = self.overlay.value in ("none", "both")
        self.view.value = render_html(self.brain, self.shown)
