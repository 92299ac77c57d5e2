"""A pad to draw a digit on, with the network's answer beside it while one draws.

`read_drawing` is what happens to a drawing, free of any widget; `drawing_pad` puts it
behind a sheet of paper. The browser's side is drawing_pad.js: it sends the newest
drawing, waits for its answer, and only then sends the next, so that a slow network
never has a queue before it.
"""

import io
from pathlib import Path

import anywidget
import torch
import traitlets
from torch import Tensor

from course_utils.data.drawing import preprocess_drawing
from course_utils.locale import _, language
from course_utils.widgets.base import Interactive
from course_utils.widgets.predictions import Predict, ask, check_samples

SENT = 140  # side of the picture that the browser sends, as in drawing_pad.js


def read_drawing(
    drawing: Tensor, predict: Predict, center: bool = True
) -> tuple[Tensor, Tensor]:
    """What the network sees of a drawing, and the probabilities it answers.

    drawing: uint8 (H, W), 0 = paper, 255 = ink.
    predict: called with what the network sees, uint8 (28, 28), 255 = ink; returns the
        probabilities of the ten digits, (10,).
    center: prepare the drawing as MNIST's were (20x20 box, centre of mass in the
        middle); False only shrinks the whole sheet to 28x28.
    Returns uint8 (28, 28) and float32 (10,), on the CPU.
    Raises ValueError, in one sentence, if predict fails or returns no probabilities.
    """
    seen = preprocess_drawing(drawing, center=center)
    return seen, ask(predict, seen, 10, _("255 = ink"))


class DrawingPad(anywidget.AnyWidget):
    """The widget. The browser sets drawing, center and request; Python sets answer.

    drawing: (140 * 140) bytes, 255 = ink, or none before the first stroke.
    request: counts the questions; the answer carries the number of its question.
    answer: {"request", "seen": 784 bytes, "probabilities": ten or none, "error"}.
    """

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")
    labels = traitlets.Dict().tag(sync=True)
    samples = traitlets.Bytes().tag(sync=True)
    # Buffers come from the browser as memoryview, and need not be echoed to it.
    drawing = traitlets.Bytes().tag(
        sync=True, echo_update=False, from_json=lambda value, widget: bytes(value)
    )
    center = traitlets.Bool(True).tag(sync=True, echo_update=False)
    request = traitlets.Int(0).tag(sync=True, echo_update=False)
    answer = traitlets.Dict().tag(sync=True)

    def __init__(self, predict: Predict, **traits):
        self._predict = predict
        super().__init__(**traits)
        self._reply()

    def __repr__(self) -> str:  # without the address, which changes from run to run
        return "DrawingPad()"

    @traitlets.observe("request")
    def _reply(self, change=None) -> None:
        seen, probabilities, error = torch.zeros(28, 28, dtype=torch.uint8), [], ""
        try:
            # An error here would only reach the log: it has to be shown in the pad.
            if any(self.drawing):
                drawing = torch.frombuffer(bytearray(self.drawing), dtype=torch.uint8)
                drawing = drawing.view(-1, round(len(drawing) ** 0.5))
                seen, p = read_drawing(drawing, self._predict, self.center)
                probabilities = p.tolist()
        except Exception as problem:
            error = str(problem)
        self.answer = {
            "request": self.request,
            "seen": seen.numpy().tobytes(),
            "probabilities": probabilities,
            "error": error,
        }


def drawing_pad(predict: Predict, samples: Tensor | None = None) -> Interactive:
    """A pad on which one draws a digit, and sees at once what the network answers.

    predict: callable, uint8 tensor (28, 28), 255 = ink -> tensor (10,), probabilities.
        What it raises is shown in the pad as a sentence.
    samples: uint8 (n, 28, 28), 1 to 20 digits to load with a click; the first stands on
        the paper until the first stroke.
    Returns the pad with a picture of its first state. Mouse, touch, pen and keyboard
    draw; an image file can be uploaded. Raises ValueError for a wrong argument.
    """
    if not callable(predict):
        raise ValueError(
            _(
                "drawing_pad: predict must be a function from a uint8 tensor (28, 28) "
                "to ten probabilities, got {kind}."
            ).format(kind=type(predict).__name__)
        )
    pictures, example = b"", b""
    if samples is not None:
        check_samples("drawing_pad", samples)
        pictures, example = (x.numpy().tobytes() for x in (samples, samples[0]))
    pad = DrawingPad(predict, labels=_labels(), samples=pictures, drawing=example)
    return Interactive(pad, _picture(pad), _alt(pad))


def _labels() -> dict[str, str]:
    """The words of the pad in the language set; drawing_pad.js fills in the {names}."""
    return {
        "lang": language(),
        "tools": _("Drawing tools"),
        "thinner": _("Thinner black"),
        "thicker": _("Thicker black"),
        "white": _("White stroke"),
        "undo": _("Undo stroke"),
        "reset": _("Reset"),
        "upload": _("Upload an image"),
        "preprocessing": _("MNIST preprocessing (20×20 box, centre of mass)"),
        "paper": _("Paper"),
        "draw": _("Paper to draw a digit on"),
        "hint": _("Draw with the mouse, a finger or a pen. By keyboard: press Tab."),
        "keys": _(
            "Arrows move the cursor (two at once: diagonally; with Shift: small "
            "steps). Space lowers or lifts the pen, Ctrl+Z undoes, Delete resets."
        ),
        "pen_down": _("Pen down, row {row}, column {column}."),
        "pen_up": _("Pen up, row {row}, column {column}."),
        "seen": _("What the network sees (28×28)"),
        "probabilities": _("Probability of each digit"),
        "digit": _("Digit"),
        "probability": _("Probability"),
        "samples": _("Or try one of these:"),
        "sample": _("Load digit {n}"),
        "empty": _("Draw a digit and watch the answer."),
        "reads": _("It reads {digit}, with probability {p}."),
        "hesitates": _("It hesitates: {digit} ({p}) or {second} ({q})?"),
        "waiting": _("Waiting for the kernel: is a cell still running?"),
        "took": _("Answered in {ms} ms"),
        "too_large": _(
            "This file has {size} MB and the limit is {limit} MB: choose a smaller one."
        ),
        "not_image": _(
            "{name} cannot be read as an image: choose a PNG, JPEG, WebP, GIF or BMP "
            "file."
        ),
        "no_digit": _(
            "No digit stands out in {name}: use a dark pen on white paper, in good "
            "light."
        ),
    }


def _alt(pad: DrawingPad) -> str:
    if not pad.drawing:
        return _(
            "Drawing pad, still empty: beside it are what the network sees, 28 by 28 "
            "pixels, and a bar for the probability of each of the ten digits."
        )
    if pad.answer["error"]:
        return _("Drawing pad: {error}").format(error=pad.answer["error"])
    p = pad.answer["probabilities"]
    return _(
        "Drawing pad with a digit on it: beside it are what the network sees, 28 by 28 "
        "pixels, and the probability of each of the ten digits; it reads {digit}."
    ).format(digit=p.index(max(p)))


def _picture(pad: DrawingPad) -> bytes:
    """The pad's present state as a PNG: paper, what the network sees, probabilities."""
    from matplotlib.figure import Figure  # late: pyplot is not needed, nor any style

    side = round(len(pad.drawing) ** 0.5) or 28
    paper = 255 - _square(pad.drawing or bytes(28 * 28), side)
    fig = Figure(figsize=(7, 2.4), dpi=144, facecolor="white", layout="constrained")
    left, middle, right = fig.subplots(1, 3)
    pictures = (left, paper, "paper"), (middle, _square(pad.answer["seen"], 28), "seen")
    for ax, image, title in pictures:
        ax.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.set_title(pad.labels[title], fontsize=9, loc="left")
    p = pad.answer["probabilities"] or [0] * 10
    colors = ["#0072B2" if v == max(p) else "#9a9a9a" for v in p]
    right.barh(range(10), p, color=colors)
    for digit, value in enumerate(pad.answer["probabilities"]):
        right.text(1.05, digit, f"{value:.4f}", va="center", fontsize=8)
    right.set(yticks=range(10), xticks=[], xlim=(0, 1.3), ylim=(9.6, -0.6))
    right.set_box_aspect(1)
    right.tick_params(length=0, labelsize=8)
    right.spines[["top", "right", "bottom"]].set_visible(False)
    right.set_title(pad.labels["probabilities"], fontsize=9, loc="left")
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png")
    return buffer.getvalue()


def _square(data: bytes, side: int):
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(side, side).numpy()
