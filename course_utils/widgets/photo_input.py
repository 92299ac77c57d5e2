"""A photo of one's own hand, from the camera or a file, and what the network reads.

`read_photo` is what happens to a photo, free of any widget; `photo_input` puts it
behind a camera. The browser's side is photo_input.js. Questions and answers travel as
messages, never as the widget's state: notebooks may save the state, and a photo of
somebody must not end up in a file that is shared.
"""

import io
from collections.abc import Iterable
from pathlib import Path

import anywidget
import torch
import traitlets
from torch import Tensor

from course_utils.data.photo import preprocess_photo
from course_utils.locale import _, language
from course_utils.widgets.base import Interactive
from course_utils.widgets.predictions import Predict, ask, check_samples

SHOWN = 3  # of the classes, the most probable first; as in photo_input.js


def read_photo(
    photo: Tensor, predict: Predict, classes: int
) -> tuple[Tensor, Tensor | None]:
    """What the network sees of a photo, and the probabilities it answers.

    photo: uint8 (H, W) or (H, W, 3), as preprocess_photo takes it.
    predict: called with what the network sees, uint8 (1, 28, 28), 0 = black; returns
        the probabilities of the classes, (classes,).
    classes: how many there are.
    Returns uint8 (1, 28, 28) and float32 (classes,), on the CPU; None in place of the
    probabilities where the photo has one grey everywhere, so nothing to be read.
    Raises ValueError, in one sentence, if predict fails or returns no probabilities.
    """
    seen = preprocess_photo(photo)
    if not seen.any():
        return seen, None
    return seen, ask(predict, seen, classes, _("0 = black"))


class PhotoInput(anywidget.AnyWidget):
    """The widget. Its state is what stands in it at first, and never a photo.

    The browser asks {"view", "request", "side"} with one buffer, the red, green and
    blue bytes of a square. Python answers {"view", "request", "probabilities": K or
    none, "error"} with one buffer, the 784 bytes of what the network sees.
    answer: the same of the first sample, with what the network sees as "seen".
    """

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")
    labels = traitlets.Dict().tag(sync=True)
    classes = traitlets.List().tag(sync=True)
    samples = traitlets.Bytes().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)

    def __init__(self, predict: Predict, classes: list[str], samples: Tensor | None):
        self._predict = predict
        first = torch.zeros(28, 28, dtype=torch.uint8)
        pictures = b""
        if samples is not None:
            first, pictures = samples[0], samples.numpy().tobytes()
        super().__init__(labels=_labels(), classes=classes, samples=pictures)
        self.answer = self._read(first)
        self.on_msg(self._reply)

    def __repr__(self) -> str:  # without the address, which changes from run to run
        return "PhotoInput()"

    def _reply(self, widget, question: dict, buffers: list) -> None:
        side = question["side"]
        photo = torch.frombuffer(bytearray(buffers[0]), dtype=torch.uint8)
        answer = self._read(photo.view(side, side, 3))
        number = {name: question[name] for name in ("view", "request")}
        seen = answer.pop("seen")
        self.send({**number, **answer}, buffers=[seen])

    def _read(self, photo: Tensor) -> dict:
        seen, probabilities, error = bytes(28 * 28), [], ""
        try:
            # An error here would only reach the log: it has to be shown in the page.
            image, p = read_photo(photo, self._predict, len(self.classes))
            seen = image.numpy().tobytes()
            probabilities = [] if p is None else p.tolist()
        except Exception as problem:
            error = str(problem)
        return {"seen": seen, "probabilities": probabilities, "error": error}


def photo_input(
    predict: Predict, classes: Iterable[str], samples: Tensor | None = None
) -> Interactive:
    """A camera for the hand: take a photo or upload one, and see what is read in it.

    predict: callable, uint8 tensor (1, 28, 28), 0 = black -> tensor (K,) of
        probabilities. What it raises is shown as a sentence. While the camera is open
        it is called up to ten times a second.
    classes: the K names, for instance letters, in the order of the probabilities.
    samples: uint8 (n, 28, 28), 1 to 20 pictures to try with a click; the first stands
        there at the beginning.
    Returns the camera with a picture of its first state. The square around the hand is
    moved by mouse, touch or keyboard; the browser asks before the camera starts, and
    photos go to the kernel only and are not saved. Raises ValueError for a wrong
    argument.
    """
    if not callable(predict):
        raise ValueError(
            _(
                "photo_input: predict must be a function from a uint8 tensor "
                "(1, 28, 28) to probabilities, got {kind}."
            ).format(kind=type(predict).__name__)
        )
    names = list(classes) if isinstance(classes, Iterable) else []
    if len(names) < 2 or not all(isinstance(name, str) for name in names):
        raise ValueError(
            _(
                "photo_input: classes must be the names of at least two classes, such "
                "as signs.classes of a data set; got {classes!r}."
            ).format(classes=classes)
        )
    if samples is not None:
        check_samples("photo_input", samples)
    widget = PhotoInput(predict, names, samples)
    return Interactive(widget, _picture(widget), _alt(widget))


def _labels() -> dict[str, str]:
    """The words in the language set; photo_input.js fills in the {names}."""
    return {
        "lang": language(),
        "tools": _("Camera and files"),
        "camera": _("Open the camera"),
        "snapshot": _("Take the photo"),
        "close": _("Close the camera"),
        "upload": _("Upload an image"),
        "mirror": _("Mirror the picture (for a left hand)"),
        "photo": _("Photo"),
        "empty_stage": _("Open the camera, or drop or paste an image here."),
        "hint": _(
            "One hand fills the square; plain background, light from the front. Drag "
            "the square or its corners; an image can also be dropped here or pasted. "
            "By keyboard: press Tab."
        ),
        "keys": _(
            "Arrows move the square (with Shift: one pixel), + and − change its size."
        ),
        "square": _("Square around the hand"),
        "place": _("Left {left}, top {top}, side {side}."),
        "seen": _("What the network sees (28×28)"),
        "probabilities": _("The most probable"),
        "class": _("Class"),
        "probability": _("Probability"),
        "samples": _("Or try one of these:"),
        "sample": _("Load example {n}"),
        "empty": _("Photograph your hand or upload an image."),
        "flat": _("Nothing can be seen in the square: is it dark?"),
        "reads": _("It reads {first}, with probability {p}."),
        "hesitates": _("It hesitates: {first} ({p}) or {second} ({q})?"),
        "waiting": _("Waiting for the kernel: is a cell still running?"),
        "private": _(
            "The photo goes only to the kernel of this notebook (in Colab, a machine "
            "of Google) and is not saved. The camera is off after the photo."
        ),
        "camera_insecure": _(
            "The browser lends its camera only to pages opened by https or from "
            "localhost. Upload an image instead."
        ),
        "camera_denied": _(
            "The camera was not allowed. Allow it beside the page's address and try "
            "again (VS Code never allows it), or upload an image."
        ),
        "camera_missing": _("No camera was found. Upload an image instead."),
        "camera_busy": _(
            "The camera does not answer: does another program use it? Close that one, "
            "or upload an image."
        ),
        "camera_lost": _("The camera was disconnected."),
        "too_large": _(
            "This file has {size} MB and the limit is {limit} MB: choose a smaller one."
        ),
        "not_image": _(
            "{name} cannot be read as an image: choose a PNG, JPEG, WebP, GIF or BMP "
            "file."
        ),
    }


def _alt(widget: PhotoInput) -> str:
    if widget.answer["error"]:
        return _("Camera for a photo of the hand: {error}").format(
            error=widget.answer["error"]
        )
    p = widget.answer["probabilities"]
    if not p:
        return _(
            "Camera for a photo of the hand, still without a photo: beside it are what "
            "the network sees, 28 by 28 pixels, and bars for the most probable classes."
        )
    return _(
        "Camera for a photo of the hand, with an example: beside it are what the "
        "network sees, 28 by 28 pixels, and the most probable classes; it reads {name}."
    ).format(name=widget.classes[p.index(max(p))])


def _picture(widget: PhotoInput) -> bytes:
    """The first state as a PNG: photo, what the network sees, probabilities."""
    from matplotlib.figure import Figure  # late: pyplot is not needed, nor any style

    fig = Figure(figsize=(7, 2.4), dpi=144, facecolor="white", layout="constrained")
    left, middle, right = fig.subplots(1, 3)
    photo = widget.samples[: 28 * 28] or bytes([235]) * 28 * 28
    for ax, data, title in (
        (left, photo, "photo"),
        (middle, widget.answer["seen"], "seen"),
    ):
        image = torch.frombuffer(bytearray(data), dtype=torch.uint8).view(28, 28)
        ax.imshow(image.numpy(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.set_title(widget.labels[title], fontsize=9, loc="left")
    p = torch.tensor(widget.answer["probabilities"] or [0.0] * SHOWN)
    values, places = (best.tolist() for best in p.topk(min(SHOWN, len(p))))
    names = [widget.classes[i] for i in places] if p.any() else ["–"] * SHOWN
    rows = range(len(names))
    right.barh(rows, values, height=0.5, color=["#0072B2", "#9a9a9a", "#9a9a9a"])
    for row, value in enumerate(values):
        text = f"{100 * value:.1f}%" if p.any() else ""
        right.text(1.05, row, text, va="center", fontsize=8)
    right.set(xticks=[], xlim=(0, 1.35), ylim=(SHOWN - 0.4, -0.6))
    right.set_yticks(rows, names)
    right.set_box_aspect(1)
    right.tick_params(length=0, labelsize=9)
    right.spines[["top", "right", "bottom"]].set_visible(False)
    right.set_title(widget.labels["probabilities"], fontsize=9, loc="left")
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png")
    return buffer.getvalue()
