"""A film: pictures that change from step to step of a training, and their captions.

From top to bottom: the frames, the drawing, the controls. What is drawn is a pure
function of a `Reel` and of a place in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np

from course_utils.locale import _
from course_utils.widgets.base import (
    GRID,
    INK,
    MUTED,
    Box,
    Interactive,
    Panel,
    Picture,
    Text,
    panels_to_html,
    panels_to_png,
)
from course_utils.widgets.controls import named_slider

INTERVAL = 600  # ms a frame: time to look


# --- the frames -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Reel:
    """The arguments of `film`, its pictures as uint8 RGB arrays (H, W, 3).

    Raises ValueError, a sentence, for frames that cannot follow one another.
    """

    frames: Sequence[Mapping[str, np.ndarray]]
    captions: Sequence[str]

    def __post_init__(self):
        if not self.frames:
            raise ValueError(_("film: there is no frame to show."))
        if len(self.captions) != len(self.frames):
            raise ValueError(
                _("film: {frames} frames but {captions} captions.").format(
                    frames=len(self.frames), captions=len(self.captions)
                )
            )
        sizes = {title: picture.shape for title, picture in self.frames[0].items()}
        for place, frame in enumerate(self.frames, start=1):
            these = {title: picture.shape for title, picture in frame.items()}
            if these != sizes or not sizes:
                raise ValueError(
                    _(
                        "film: every frame needs the same pictures, of the same size: "
                        "the first has {first}, number {place} has {other}."
                    ).format(first=_sizes(sizes), place=place, other=_sizes(these))
                )


def _sizes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    said = [f"{title} {shape[0]}×{shape[1]}" for title, shape in shapes.items()]
    return ", ".join(said) or "0"


def as_rgb(title: str, picture) -> np.ndarray:
    """A picture, grey or RGB, as uint8 (H, W, 3); ValueError if it is neither."""
    picture = np.asarray(picture)
    shape = picture.shape
    fits = picture.dtype == np.uint8 and picture.size > 0
    fits = fits and (len(shape) == 2 or (len(shape) == 3 and shape[2] == 3))
    if not fits:
        raise ValueError(
            _(
                "film: {title} must be uint8 (H, W), or (H, W, 3) for colours, got "
                "{dtype} {shape}."
            ).format(title=title, dtype=picture.dtype, shape=shape)
        )
    return np.repeat(picture[..., None], 3, axis=2) if len(shape) == 2 else picture


# --- the drawing ----------------------------------------------------------------------

HEIGHT, WIDTH = 288, 960  # pixels: of the pictures, of all of them together, at most
TOP, APART = 24, 12  # of a picture's upper edge, between two: pixels
LINE, LETTER, WORDS = 17, 6.05, 11  # of the words: line, letter's width, size
LEAST = 320  # pixels: the drawing's width, for the words under a small picture


def render_html(reel: Reel, place: int) -> str:
    """The live view of a frame, place from 0."""
    return panels_to_html([_panel(reel, place)])


def render_png(reel: Reel, place: int) -> bytes:
    """The same as a PNG file, for those who see no live view."""
    return panels_to_png([_panel(reel, place)])


def _panel(reel: Reel, place: int) -> Panel:
    frame, x, shapes = reel.frames[place], 0, []
    scale = _scale(frame)
    for title, picture in frame.items():
        height, width = (round(scale * side) for side in picture.shape[:2])
        shapes += [
            Text(x, 10, title, 12.5, INK, "left", bold=True),
            Picture(x, TOP, width, height, picture),
            Box(x, TOP, width, height, GRID, 0.5),
        ]
        x += width + APART
    right = max(x - APART, LEAST)
    y = TOP + LINE + max(shape.height for shape in shapes if isinstance(shape, Box))
    count = _("Frame {n} of {last}").format(n=place + 1, last=len(reel.frames))
    shapes.append(Text(0, y, count, WORDS, MUTED, "left"))
    captions = [wrap(caption, int(right / LETTER)) for caption in reel.captions]
    for i, line in enumerate(captions[place], start=1):
        shapes.append(Text(0, y + i * LINE, line, WORDS, INK, "left"))
    # All frames as high as the one with most words, or the page would jump.
    low = y + LINE * max(map(len, captions)) + LINE / 2
    label = f"{count}: {reel.captions[place]}"
    return Panel(shapes, label, round(right), round(low))


def _scale(frame: Mapping[str, np.ndarray]) -> float:
    """Pixels a pixel: a whole number, so that all are alike, unless they are many."""
    tall = max(picture.shape[0] for picture in frame.values())
    wide = sum(picture.shape[1] for picture in frame.values())
    scale = min(HEIGHT / tall, (WIDTH - APART * (len(frame) - 1)) / wide)
    return int(scale) if scale >= 2 else scale


# --- the controls ---------------------------------------------------------------------


def film(
    frames: Sequence[Mapping[str, np.ndarray]], captions: Sequence[str], *, alt: str
) -> "Film":
    """A slider and a player over pictures side by side; the last frame is shown first.

    frames: of each the pictures, title -> uint8 (H, W) grey or (H, W, 3) RGB, arrays or
        CPU tensors; every frame has the same titles, of the same sizes.
    captions: a sentence for each frame.
    alt: what the last frame shows and how it came to it, for a reader who sees neither.
    Raises ValueError, a sentence, for what cannot be shown.
    """
    rgb = [{t: as_rgb(t, picture) for t, picture in frame.items()} for frame in frames]
    return Film(Reel(rgb, tuple(captions)), alt)


class Film(Interactive):
    """What `film` returns; its controls can be set from code too.

    place: IntSlider from 1. play: ToggleButton, down while it runs. view: HTML.
    """

    def __init__(self, reel: Reel, alt: str):
        import ipywidgets as w

        self._reel, last = reel, len(reel.frames)
        self.place, row = named_slider(_("Frame"), last, (1, last), 1)
        self.play = w.ToggleButton(
            value=False,
            description=_("Play"),
            icon="play",
            layout=w.Layout(width="auto"),
        )
        # The browser counts the frames. Its own buttons have no name for a screen
        # reader: it is hidden, and ours starts and stops it.
        self._player = w.Play(value=last, min=1, max=last, interval=INTERVAL)
        self._player.layout.display = "none"
        # ipywidgets 7, Colab's, has this trait under a name of its own.
        flag = "playing" if self._player.has_trait("playing") else "_playing"
        w.link((self.play, "value"), (self._player, flag))
        w.link((self._player, "value"), (self.place, "value"))
        self.view = w.HTML()
        self._show()
        controls = w.Box(
            [self.play, row, self._player],
            layout=w.Layout(flex_flow="row wrap", align_items="center"),
        )
        rows = [controls, self.view] if last > 1 else [self.view]
        super().__init__(w.VBox(rows), render_png(reel, last - 1), alt)
        self.place.observe(self._show, "value")
        self.play.observe(self._named, "value")

    def _named(self, change) -> None:
        self.play.description = _("Pause") if self.play.value else _("Play")
        self.play.icon = "pause" if self.play.value else "play"

    def _show(self, change=None) -> None:
        self.view.value = render_html(self._reel, self.place.value - 1)
