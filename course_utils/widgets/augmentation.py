"""The augmentation explorer: change a picture, and see when the change goes too far.

From top to bottom: the arithmetic, its words, the drawing, the controls. All but the
controls is a pure function of the picture and of a `Change`.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from textwrap import wrap

import numpy as np
import torch
from torch import Generator, Tensor

from course_utils import augment
from course_utils.augment.geometry import affine
from course_utils.augment.light import blur
from course_utils.guards import need
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
    number,
    panels_to_html,
    panels_to_png,
)
from course_utils.widgets.controls import dropdown, named_slider

# ASL letters of one hand shape, which only the direction tells apart.
SAME_SHAPE = ("KP", "GQ", "HU")
DRAWS = 8


# --- the arithmetic -------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """What is done to a picture, in the units of `course_utils.augment`.

    rotation: degrees clockwise. right, down: pixels. zoom: factor of size. brightness:
    offset in standard deviations of the picture. contrast: relative change. blur: sigma
    of the bell in pixels. noise: its standard deviation in those of the picture.
    mirror: left and right exchanged. Raises ValueError for a number out of `LIMITS`.
    """

    rotation: float = 0
    right: float = 0
    down: float = 0
    zoom: float = 1
    brightness: float = 0
    contrast: float = 0
    blur: float = 0
    noise: float = 0
    mirror: bool = False

    def __post_init__(self):
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            need("Change", name, value, low <= value <= high, f"{low}..{high}")

    def as_ranges(self) -> augment.Compose:
        """Random changes that go as far as this one, either way."""
        translate = max(abs(self.right), abs(self.down))
        scale = round(
            abs(self.zoom - 1), 6
        )  # 0.1, where 1.1 - 1 is 0.10000000000000009
        return augment.Compose(
            augment.RandomAffine(abs(self.rotation), translate, scale, shear=0),
            augment.RandomBrightnessContrast(abs(self.brightness), abs(self.contrast)),
            augment.GaussianBlur(self.blur),
            augment.GaussianNoise(self.noise),
        )


LIMITS = {
    "rotation": (-45, 45),
    "right": (-8, 8),
    "down": (-8, 8),
    "zoom": (0.5, 1.5),
    "brightness": (-2, 2),
    "contrast": (-0.9, 0.9),
    "blur": (0, 3),
    "noise": (0, 2),
}
STEPS = {**dict.fromkeys(("rotation", "right", "down"), 1), "zoom": 0.05}
MODEST = Change(rotation=12, right=2, zoom=1.1, brightness=0.3, contrast=0.2, noise=0.1)


def transform(image: Tensor, change: Change) -> Tensor:
    """The picture after this change: uint8 (1, H, W), as image.

    It happens to the normalised picture, as in training, and is shown in its old grey
    levels; what lies beyond black and white is cut off. The noise is always the same.
    """
    x, back = _normalized(image)
    x = x.flip(3) if change.mirror else x
    there = {name: torch.tensor([float(getattr(change, name))]) for name in LIMITS}
    x = affine(
        x,
        angle=torch.deg2rad(there["rotation"]),
        zoom=there["zoom"],
        slant=torch.zeros(1),
        right=there["right"],
        down=there["down"],
    )
    x = x + change.brightness + (x - x.mean()) * change.contrast
    x = blur(x, there["blur"])
    return back(augment.GaussianNoise(change.noise)(x, Generator().manual_seed(0)))[0]


def draws(image: Tensor, change: Change, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Eight random changes within ± this one, and which of them are mirrored.

    Returns uint8 (8, 1, H, W) and bool (8,): with `mirror`, half of them.
    """
    x, back = _normalized(image)
    generator = Generator().manual_seed(seed)
    mirrored = torch.randperm(DRAWS, generator=generator) < DRAWS // 2
    mirrored &= change.mirror
    x = torch.where(mirrored.view(-1, 1, 1, 1), x.flip(3), x)
    return back(change.as_ranges()(x, generator)), mirrored


def _normalized(image: Tensor):
    """The image as the network sees it, float (1, 1, H, W), and the way back."""
    x = image[None] / 255
    mean, spread = x.mean(), x.std() + 8 / 255
    return (
        (x - mean) / spread,
        lambda x: ((x * spread + mean) * 255).round().clamp(0, 255).to(torch.uint8),
    )


def _saturated(image: Tensor) -> float:
    return ((image == 0) | (image == 255)).double().mean().item()


def lost(image: Tensor, change: Change) -> float:
    """The share of the picture's outlines that the change moves out of the picture.

    Outlines (where the grey level changes from pixel to pixel), because at 28x28 a hand
    cannot be cut out from any ground by its grey level, and they are what shows it.
    """
    grey = image[0].double().numpy()
    outline = np.hypot(*np.gradient(grey))
    height, width = grey.shape
    down, right = np.indices(grey.shape) + 0.5
    down, right = down - height / 2, right - width / 2
    right = -right if change.mirror else right
    angle = np.deg2rad(change.rotation)
    x = change.zoom * (np.cos(angle) * right - np.sin(angle) * down) + change.right
    y = change.zoom * (np.sin(angle) * right + np.cos(angle) * down) + change.down
    outside = (abs(x) > width / 2) | (abs(y) > height / 2)
    return float(outline[outside].sum() / (outline.sum() or 1))


# --- in words -------------------------------------------------------------------------


def changes(change: Change) -> str:
    """What is done, in a line: "rotation 12°, 2 px right, zoom 1.1"."""
    values = {name: number(abs(getattr(change, name))) for name in LIMITS}
    turn = _("{n}° clockwise") if change.rotation > 0 else _("{n}° counterclockwise")
    sideways = _("{n} px right") if change.right > 0 else _("{n} px left")
    upright = _("{n} px down") if change.down > 0 else _("{n} px up")
    signed = {name: f"{getattr(change, name):+g}" for name in LIMITS}
    said = {
        "rotation": turn.format(n=values["rotation"]),
        "right": sideways.format(n=values["right"]),
        "down": upright.format(n=values["down"]),
        "zoom": _("zoom ×{n}").format(n=values["zoom"]),
        "brightness": _("brightness {n}").format(n=signed["brightness"]),
        "contrast": _("contrast {n}").format(n=signed["contrast"]),
        "blur": _("blur {n} px").format(n=values["blur"]),
        "noise": _("noise {n}").format(n=values["noise"]),
        "mirror": _("mirrored"),
    }
    plain = Change()
    done = [name for name in said if getattr(change, name) != getattr(plain, name)]
    return ", ".join(said[name].replace("-", "−") for name in done) or _("no change")


def recipe(change: Change) -> list[str]:
    """The random changes that go as far as this one, as code, one step a line."""
    steps = [step for step in change.as_ranges().steps if any(astuple(step))]
    return list(map(repr, steps))


def warnings(image: Tensor, change: Change, letter: str = "") -> list[str]:
    """A sentence for each way in which the change goes too far, the worst first."""
    said = []
    if change.mirror:
        said.append(
            _(
                "Mirror: forbidden here. A right hand becomes a left one; in a chest "
                "radiograph the heart would change sides (dextrocardia). Left-handed "
                "people do sign mirrored: to read them too is a choice, to be tested "
                "on their photos."
            )
        )
    if abs(change.rotation) > 25:
        pair = next((pair for pair in SAME_SHAPE if letter and letter in pair), "")
        said.append(
            _(
                "Beyond 25° the direction gets lost, which tells letters apart: K and "
                "P, G and Q, H and U are each one hand shape in two directions."
            )
        )
        if pair:
            said[-1] += " " + _("This one is {letter}: think of {other}.").format(
                letter=letter, other=pair.replace(letter, "")
            )
    share = lost(image, change)
    if share > 0.25:
        said.append(
            _("{share} of the outlines have left the picture.").format(
                share=f"{share:.0%}"
            )
        )
    if change.zoom < 0.75:
        said.append(
            _(
                "The picture shrinks to {share} of its pixels: fingers run together."
            ).format(share=f"{change.zoom**2:.0%}")
        )
    if change.blur > 1.5:
        said.append(
            _(
                "A blur of {n} px closes the gaps between the fingers, which tell "
                "M from N and U from V."
            ).format(n=number(change.blur))
        )
    if change.noise > 0.6:
        said.append(
            _("The noise is {share} as strong as the picture itself.").format(
                share=f"{change.noise:.0%}"
            )
        )
    flat = _saturated(transform(image, change)) - _saturated(image)
    if flat > 0.3:
        said.append(
            _("{share} of the pixels would be pure black or white in a photo.").format(
                share=f"{flat:.0%}"
            )
        )
    return said


def describe(image: Tensor, change: Change, letter: str = "") -> str:
    """The change and its warnings in sentences: the alternative text of the picture."""
    picture = _("A picture")
    if letter:
        picture = _("A picture of {letter}").format(letter=letter)
    text = _("{picture}, the same with {changes}, and {n} random draws.").format(
        picture=picture, changes=changes(change), n=DRAWS
    )
    said = warnings(image, change, letter)
    return " ".join([text, _heading(said), *said])


def _heading(said: list[str]) -> str:
    if said:
        return _("This goes too far:")
    return _("None of our limits is crossed: the label should still hold.")


# --- the drawing ----------------------------------------------------------------------

SIDE, TOP, APART = 190, 40, 12  # of a picture, of its upper edge, between two: pixels
TILE, BETWEEN, ROW = 92, 6, 4  # of a draw, between two, draws a row
LINE, LETTER = 17, 6.05  # of the words below: height of a line, width of a letter
WARNING, WARNING_WORDS, FINE = "#D55E00", "#B45F00", "#1B7837"


def render_html(image: Tensor, change: Change, letter: str = "", seed: int = 0) -> str:
    """The live view."""
    return panels_to_html(_panels(image, change, letter, seed))


def render_png(image: Tensor, change: Change, letter: str = "", seed: int = 0) -> bytes:
    """The same as a PNG file, for those who see no live view."""
    return panels_to_png(_panels(image, change, letter, seed))


def _panels(image: Tensor, change: Change, letter: str, seed: int) -> list[Panel]:
    return [_changed_panel(image, change, letter), _draws_panel(image, change, seed)]


def _changed_panel(image: Tensor, change: Change, letter: str) -> Panel:
    second, said = SIDE + APART, warnings(image, change, letter)
    title = _("Original: {letter}").format(letter=letter) if letter else _("Original")
    shapes = [
        _title(0, title),
        _title(second, _("Changed")),
        *_tile(image, 0, TOP, SIDE),
        *_tile(transform(image, change), second, TOP, SIDE, bool(said)),
    ]
    width, y = second + SIDE, TOP + SIDE + LINE
    shapes += _words([changes(change)], 0, y, width, MUTED)
    y = _below(shapes) + 4
    color = WARNING_WORDS if said else FINE
    shapes += _words([_heading(said)], 0, y, width, color, bold=True)
    for sentence in said:
        y = _below(shapes)
        shapes += _words([sentence], 10, y, width, INK)
        shapes.append(Box(0, y - 7, 0, _below(shapes) - y - 3, WARNING, 2.5))
    return Panel(shapes, describe(image, change, letter), width, _height(shapes))


def _draws_panel(image: Tensor, change: Change, seed: int) -> Panel:
    step, width = TILE + BETWEEN, ROW * TILE + (ROW - 1) * BETWEEN
    title = _("What the network would see")
    note = _("{n} draws, each as far as this or less, either way").format(n=DRAWS)
    shapes = [_title(0, title), Text(0, 28, note, 11, MUTED, "left")]
    tiles, mirrored = draws(image, change, seed)
    for i, (tile, mark) in enumerate(zip(tiles, mirrored.tolist(), strict=True)):
        shapes += _tile(tile, i % ROW * step, TOP + i // ROW * step, TILE, mark)
    said = recipe(change)
    heading = _("The same in code, steps of augment.Compose:")
    words = [heading, *said] if said else []
    y = TOP + DRAWS // ROW * step + LINE - BETWEEN
    shapes += _words(words, 0, y, width, MUTED)
    if change.mirror:
        note = _("Orange: mirrored draws, which no step of ours makes.")
        shapes += _words([note], 0, _below(shapes), width, WARNING_WORDS)
    label = " ".join([f"{title}:", note, *words])
    return Panel(shapes, label, width, _height(shapes))


def _title(x: float, title: str) -> Text:
    return Text(x, 12, title, 12.5, INK, "left", bold=True)


def _tile(image: Tensor, x: float, y: float, side: float, marked=False) -> list:
    """A picture in big pixels, outlined in orange where it is marked."""
    grey = image[0].numpy()
    scale = side / max(grey.shape)
    height, width = scale * grey.shape[0], scale * grey.shape[1]
    frame = (WARNING, 3) if marked else (GRID, 0.5)
    rgb = np.repeat(grey[..., None], 3, axis=2)
    return [Picture(x, y, width, height, rgb), Box(x, y, width, height, *frame)]


def _words(
    texts: Sequence[str], x: float, y: float, right: float, color: str, bold=False
) -> list[Text]:
    """The texts, each on new lines from y downwards, none further than `right`."""
    room = int((right - x) / LETTER)
    lines = [line for text in texts for line in wrap(text, room)]
    return [
        Text(x, y + LINE * i, line, 11, color, "left", bold)
        for i, line in enumerate(lines)
    ]


def _below(shapes: Sequence) -> float:
    """Where the next line of words goes: under the lowest one."""
    return LINE + max(shape.y for shape in shapes if isinstance(shape, Text))


def _height(shapes: Sequence) -> int:
    return round(max(_below(shapes) - LINE / 2, TOP + SIDE))


# --- the controls ---------------------------------------------------------------------


def augmentation_explorer(
    images: Tensor, labels: Sequence[str] | None = None, *, change: Change = MODEST
) -> "AugmentationExplorer":
    """Controls around a change of a picture, and eight random changes as large.

    images: uint8 (n, 1, H, W), n >= 1, H and W >= 8. labels: what each shows, the
    letter of a sign; some ASL letters get a warning of their own. change: the first.
    Raises ValueError, a sentence, for images that cannot be shown.
    """
    images = torch.as_tensor(images)
    shape = tuple(images.shape)
    fits = len(shape) == 4 and shape[1] == 1 and min(shape[0], *shape[2:]) >= 1
    fits = fits and min(shape[2:]) >= 8 and images.dtype == torch.uint8
    said = "uint8 (n >= 1, 1, H >= 8, W >= 8)"
    need("augmentation_explorer", "images", (images.dtype, shape), fits, said)
    letters = [""] * len(images) if labels is None else list(map(str, labels))
    if len(letters) != len(images):
        raise ValueError(
            _("augmentation_explorer: {images} images but {labels} labels.").format(
                images=len(images), labels=len(letters)
            )
        )
    return AugmentationExplorer(images, letters, change)


class AugmentationExplorer(Interactive):
    """What `augmentation_explorer` returns; its controls can be set from code too.

    image: Dropdown of places from 0. sliders: name of a field of `Change` -> slider.
    mirror: Checkbox. again, reset: Button. view: HTML. change: the `Change` shown now.
    """

    def __init__(self, images: Tensor, letters: Sequence[str], change: Change):
        import ipywidgets as w

        self._images, self._letters = images, letters
        self._seed, self._busy = 0, False
        self.change = change
        places = {
            i: f"{i + 1}: {s}" if s else f"{i + 1}" for i, s in enumerate(letters)
        }
        self.image = dropdown(_("Picture"), places, 0)
        self.sliders, rows = {}, []
        for name, title in _titles().items():
            value, step = getattr(change, name), STEPS.get(name, 0.1)
            slider, row = named_slider(title, value, LIMITS[name], step)
            slider.layout.flex, row.children[0].layout.width = "1 1 130px", "206px"
            row.children[0].style.description_width = "120px"  # two rows side by side
            self.sliders[name], rows = slider, [*rows, row]
        narrow = {"layout": w.Layout(width="auto")}
        self.mirror = w.Checkbox(
            value=change.mirror,
            description=_("Mirror (flip)"),
            indent=False,
            **narrow,
        )
        self.again = w.Button(description=_("New draws"), **narrow)
        self.reset = w.Button(description=_("Undo all changes"), **narrow)
        self.view = w.HTML()
        self._show()
        shown = images[0], change, letters[0]
        super().__init__(self._arranged(rows), render_png(*shown), describe(*shown))
        for control in (self.image, self.mirror, *self.sliders.values()):
            control.observe(self._changed, "value")
        self.again.on_click(self._draw_again)
        self.reset.on_click(lambda _button: self.set(Change()))

    def set(self, change: Change) -> None:
        """Move all controls to this change, and redraw once."""
        self._busy = True
        for name, slider in self.sliders.items():
            slider.value = getattr(change, name)
        self.mirror.value = change.mirror
        self._busy = False
        self._changed(None)

    def _arranged(self, rows: list):
        import ipywidgets as w

        wrap = w.Layout(flex_flow="row wrap", grid_gap="0 12px")
        half = w.Layout(flex="1 1 370px", max_width="520px")
        columns = [w.VBox(rows[:4], layout=half), w.VBox(rows[4:], layout=half)]
        choices = [self.mirror, self.again, self.reset]
        if len(self._images) > 1:
            choices.insert(0, self.image)
        return w.VBox(
            [w.Box(choices, layout=wrap), w.Box(columns, layout=wrap), self.view]
        )

    def _changed(self, _change) -> None:
        if self._busy:
            return
        values = {name: round(s.value, 6) for name, s in self.sliders.items()}
        self.change = Change(**values, mirror=self.mirror.value)
        self._show()

    def _draw_again(self, _button) -> None:
        self._seed += 1
        self._show()

    def _show(self) -> None:
        place = self.image.value
        self.view.value = render_html(
            self._images[place], self.change, self._letters[place], self._seed
        )


def _titles() -> dict[str, str]:
    return {
        "rotation": _("Rotation (°)"),
        "right": _("Shift right (px)"),
        "down": _("Shift down (px)"),
        "zoom": _("Zoom"),
        "brightness": _("Brightness"),
        "contrast": _("Contrast"),
        "blur": _("Blur (px)"),
        "noise": _("Noise"),
    }
