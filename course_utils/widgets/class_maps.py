"""Three class-activation maps side by side: where a network sees what it answers.

From top to bottom: the maps, their words, the drawing, the controls. What is drawn is a
pure function of `Explained`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.explain import METHODS, class_map
from course_utils.guards import need, whole
from course_utils.locale import _
from course_utils.training import evaluate
from course_utils.widgets.base import (
    GRID,
    INK,
    MUTED,
    PAPER,
    Box,
    Curve,
    Interactive,
    Panel,
    Picture,
    Text,
    number,
    panels_to_html,
    panels_to_png,
)
from course_utils.widgets.controls import dropdown, named_slider

MOST_IMAGES = 40
PREDICTED = -1  # as a class to explain: whichever the network answers
NAMES = dict(zip(METHODS, ("Grad-CAM", "Grad-CAM++", "Score-CAM"), strict=True))


# --- the maps -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Subject:
    """What there is to explain: the arguments of `class_maps`."""

    model: nn.Module
    images: Tensor
    normalize: Callable[[Tensor], Tensor]
    classes: Sequence[str]
    layers: Mapping[str, nn.Module]

    def __post_init__(self):
        shape, dtype = tuple(self.images.shape), self.images.dtype
        fits = len(shape) == 4 and shape[1] in (1, 3) and dtype == torch.uint8
        fits = fits and 1 <= shape[0] <= MOST_IMAGES
        bounds = f"uint8 (1..{MOST_IMAGES}, 1 | 3, H, W)"
        need("class_maps", "images", (dtype, shape), fits, bounds)
        if not self.layers:
            raise ValueError(_("class_maps: there is no layer to look at."))


@dataclass(frozen=True, eq=False)
class Explained:
    """What the three methods say about one image.

    picture: uint8 (H, W, 3). place: the image's number, from 1. layer: its name.
    probabilities: the network's, float (K,). classes: their names. target: index of
    the class explained. maps: method -> float (h, w), 0..1. milliseconds: method ->
    what its map took, the only thing here that changes from run to run.
    """

    picture: np.ndarray
    place: int
    layer: str
    classes: Sequence[str]
    probabilities: np.ndarray
    target: int
    maps: dict[str, np.ndarray]
    milliseconds: dict[str, float]


def explain(
    subject: Subject, place: int = 1, layer: str = "", target: int = PREDICTED
) -> Explained:
    """Ask the network about one image, and each method for its map.

    place: of the image, 1 to n. layer: a key of `layers`; none: the first of them.
    target: index of the class to explain.
    Raises ValueError for one that is not there, or as `class_map` does.
    """
    n, k = len(subject.images), len(subject.classes)
    layer = layer or next(iter(subject.layers))
    there = whole(place, 1) and place <= n
    need("class_maps", "image", place, there, f"1..{n}")
    there = layer in subject.layers
    need("class_maps", "layer", layer, there, " | ".join(subject.layers))
    there = target == PREDICTED or (whole(target, 0) and target < k)
    need("class_maps", "class", target, there, f"0..{k - 1}")
    image = subject.images[place - 1 : place]
    x = subject.normalize(image)
    nothing = torch.zeros(1, dtype=torch.int64)  # no label is known, none is needed
    p = evaluate(subject.model, (x, nothing), resamples=1).probabilities[0].numpy()
    if len(p) != k:
        raise ValueError(
            _(
                "class_maps: the network knows {outputs} classes, but {names} names "
                "of classes are given."
            ).format(outputs=len(p), names=k)
        )
    target = int(p.argmax()) if target == PREDICTED else target
    maps, milliseconds = {}, {}
    for method in METHODS:
        start = time.perf_counter()
        found = class_map(
            subject.model, x, subject.layers[layer], torch.tensor([target]), method
        )
        milliseconds[method] = 1000 * (time.perf_counter() - start)
        maps[method] = found[0].numpy()
    picture = image[0].expand(3, -1, -1).permute(1, 2, 0).numpy()
    return Explained(
        picture, place, layer, subject.classes, p, target, maps, milliseconds
    )


def enlarged(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map (h, w) as large as its image, (height, width), bilinearly."""
    small = torch.from_numpy(values)[None, None]
    return F.interpolate(small, (height, width), mode="bilinear")[0, 0].numpy()


# --- in words -------------------------------------------------------------------------


def describe(shown: Explained) -> str:
    """What the network answers, and where each map is highest: the alternative text."""
    peaks = "; ".join(f"{NAMES[m]}: {_peak(v)}" for m, v in shown.maps.items())
    return _(
        "Image {place}: the network answers {answers}. What speaks for {target} in "
        "layer {layer} is strongest here: {peaks}."
    ).format(
        place=shown.place,
        answers=", ".join(f"{name} {share}" for name, share, _p in _answers(shown)),
        layer=shown.layer,
        target=shown.classes[shown.target],
        peaks=peaks,
    )


def _answers(shown: Explained) -> list[tuple[str, str, float]]:
    """Name, percentage and probability of the three first, and of the class explained.

    In this order, so that the class explained comes last where it is none of the three.
    """
    order = np.argsort(-shown.probabilities, kind="stable")[:3].tolist()
    order += [] if shown.target in order else [shown.target]
    p = shown.probabilities
    return [(shown.classes[k], f"{p[k]:.0%}", float(p[k])) for k in order]


def _peak(values: np.ndarray) -> str:
    if not values.any():
        return _("nowhere, the map is 0")
    row, column = np.unravel_index(values.argmax(), values.shape)
    third = [
        int(3 * (at + 0.5) / side)
        for at, side in zip((row, column), values.shape, strict=True)
    ]
    return (
        (_("upper left"), _("top centre"), _("upper right")),
        (_("left edge"), _("centre"), _("right edge")),
        (_("lower left"), _("bottom centre"), _("lower right")),
    )[third[0]][third[1]]


# --- the drawing ----------------------------------------------------------------------

SIDE, TOP = 184, 40  # of an image, of its upper edge: pixels
ROW, BAR = 20, 62  # of a probability: its line, and the length of 100 %
LETTER = 0.7 * 11.5  # its width, in bold
TINT, STRONGEST = (213, 94, 0), 0.8  # orange as in the course's figures; its opacity
HALF = 0.5  # of the maximum: where the outline runs


def render_html(shown: Explained) -> str:
    """The live view, with the milliseconds that each map took."""
    return panels_to_html(_panels(shown, timed=True))


def render_png(shown: Explained) -> bytes:
    """The same as a PNG file, without them: it stays the same from run to run."""
    return panels_to_png(_panels(shown, timed=False))


def _panels(shown: Explained, timed: bool) -> list[Panel]:
    maps = [_map_panel(shown, method, timed) for method in METHODS]
    return [_answer_panel(shown), *maps]


def _answer_panel(shown: Explained) -> Panel:
    title = _("Image {place}").format(place=shown.place)
    shapes = _pictured(shown.picture, title, _("what the network answers"))
    answers, y = _answers(shown), _below(shown)
    left = LETTER * max(len(name) for name, _share, _p in answers) + 3
    whole_bar = min(BAR, max(10, SIDE - left - 50))  # 50: a gap and the percentage
    for name, share, p in answers:
        wanted = name == shown.classes[shown.target]
        color = "#{:02X}{:02X}{:02X}".format(*TINT) if wanted else GRID
        length = whole_bar * p
        shapes += [
            Text(left, y, name, 11.5, INK, "right", bold=wanted),
            Box(left + 8, y - 6, length, 12, color, 0.5, fill=color),
            Text(left + 14 + length, y, share, 11, MUTED, "left"),
        ]
        y += ROW
    return Panel(shapes, describe(shown), SIDE, _below(shown) + round(3.5 * ROW))


def _map_panel(shown: Explained, method: str, timed: bool) -> Panel:
    values, name = shown.maps[method], shown.classes[shown.target]
    note = _("what speaks for {name}").format(name=name)
    large = enlarged(values, *shown.picture.shape[:2])
    shapes = _pictured(tinted(shown.picture, large), NAMES[method], note)
    outline = _outline(large)
    shapes += [Curve(outline, PAPER, 3), Curve(outline, INK, 1.2)]
    shapes += _scale(_below(shown))
    words = [_("The map is 0 everywhere.")]
    if values.any():
        size = f"{values.shape[0]}×{values.shape[1]}"
        words = [
            _("Line: half of the maximum."),
            _("Enlarged from {size} values.").format(size=size),
        ]
    if timed:
        milliseconds = number(shown.milliseconds[method], 1)
        words.append(_("Computed in {n} ms.").format(n=milliseconds))
    for i, line in enumerate(words, start=1):
        y = _below(shown) + 4 + i * ROW
        shapes.append(Text(0, y, line, 11, MUTED, "left"))
    label = f"{NAMES[method]}, {note}: {_peak(values)}"
    return Panel(shapes, label, SIDE, _below(shown) + round(3.5 * ROW))


def _scale(y: float) -> list:
    """The colours from 0 to 1, on a middle grey, with the outline's place."""
    grey, length = np.full((1, 64, 3), 128, dtype=np.uint8), 100
    ramp = tinted(grey, np.linspace(0, 1, 64)[None])
    return [
        Text(0, y, "0", 10.5, MUTED, "left"),
        Picture(12, y - 5, length, 10, ramp),
        Box(12, y - 5, length, 10, GRID, 0.5),
        Box(12 + HALF * length, y - 7, 0, 14, INK, 1.2),
        Text(18 + length, y, _("1 (highest)"), 10.5, MUTED, "left"),
    ]


def tinted(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The picture in orange where the map is high: uint8 (H, W, 3), float (H, W).

    One hue, more or less of it: it does not depend on telling colours apart.
    """
    opacity = STRONGEST * values[..., None]
    return (picture * (1 - opacity) + opacity * TINT).round().astype(np.uint8)


def _outline(values: np.ndarray) -> np.ndarray:
    """Lines around all that is at least half of the maximum, in pixels of a panel."""
    from contourpy import contour_generator

    # Its coordinates are those of the pixels' centres: one more pixel on each side, or
    # lines would end half a pixel before the edge.
    padded = np.pad(values, 1, mode="edge")
    lines = contour_generator(z=padded).lines(HALF)
    gap = np.full((1, 2), np.nan)
    points = np.concatenate([gap, *(p for line in lines for p in (line, gap))])
    cell = SIDE / values.shape[1]
    return np.clip(points - 0.5, 0, values.shape[::-1]) * cell + (0, TOP)


def _pictured(picture: np.ndarray, title: str, note: str) -> list:
    return [
        Text(0, 12, title, 12.5, INK, "left", bold=True),
        Text(0, 28, note, 11, MUTED, "left"),
        Picture(0, TOP, SIDE, SIDE * picture.shape[0] / picture.shape[1], picture),
    ]


def _below(shown: Explained) -> int:
    """Where the first line under the pictures stands."""
    height, width = shown.picture.shape[:2]
    return TOP + round(SIDE * height / width) + 18


# --- the controls ---------------------------------------------------------------------


def class_maps(
    model: nn.Module,
    images: Tensor,
    normalize: Callable[[Tensor], Tensor],
    classes: Sequence[str],
    layers: Mapping[str, nn.Module],
) -> "ClassMaps":
    """Controls around three class-activation maps: which image, layer and class.

    model: maps a batch of normalised images to logits (N, K).
    images: uint8 (n, 1, H, W), or RGB (n, 3, H, W), 1 to 40 to choose from.
    normalize: makes the float batch that the model takes out of such images.
    classes: names of the K classes. layers: name -> module of the model that gives
    feature maps; the first is shown first.
    Raises ValueError, a sentence, for what cannot be shown.
    """
    return ClassMaps(Subject(model, images, normalize, classes, layers))


class ClassMaps(Interactive):
    """What `class_maps` returns; its controls can be set from code too.

    image: IntSlider from 1. layer, target: Dropdown, target an index among the classes
    or -1, the predicted one. view: HTML. shown: the `Explained` shown now.
    """

    def __init__(self, subject: Subject):
        import ipywidgets as w

        self._subject = subject
        explain(subject)  # once in vain: the first time everything takes far longer
        last = len(subject.images)
        self.image, row = named_slider(_("Image"), 1, (1, last), step=1)
        self.image.continuous_update = False  # the network runs when it is let go
        layers, named = list(subject.layers), subject.classes
        self.layer = dropdown(_("Layer"), layers, layers[0])
        choices = {PREDICTED: _("the predicted one"), **dict(enumerate(named))}
        self.target = dropdown(_("Class to explain"), choices, PREDICTED)
        self.view = w.HTML()
        self._show(explain(subject))
        choices = w.Box(
            [self.layer, self.target], layout=w.Layout(flex_flow="row wrap")
        )
        rows = [row, choices, self.view] if last > 1 else [choices, self.view]
        super().__init__(w.VBox(rows), render_png(self.shown), describe(self.shown))
        for control in (self.image, self.layer, self.target):
            control.observe(self._changed, "value")

    def _changed(self, change) -> None:
        now = self.image.value, self.layer.value, self.target.value
        self._show(explain(self._subject, *now))

    def _show(self, shown: Explained) -> None:
        self.shown = shown
        self.view.value = render_html(shown)
