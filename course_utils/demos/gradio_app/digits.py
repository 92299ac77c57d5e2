"""The first tab: a pad to draw a digit on, and what the network reads in it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils.demos.gradio_app.sketch import decode, encode, widget
from course_utils.widgets.drawing_pad import SENT, _labels, read_drawing


def read(question: dict, predict: Callable[[Tensor], Tensor]) -> dict:
    """What the page shows of a drawing.

    question: {"drawing": 140 x 140 bytes, 255 = ink, in base64; "center": bool}.
    predict: uint8 (28, 28), 255 = ink, to the ten probabilities, (10,).
    Returns {"seen": 28 x 28 bytes in base64, "probabilities": ten numbers, or none for
    an empty sheet, "error": a sentence, or ""}; a wrong question has an error, too.
    """
    seen, probabilities, error = torch.zeros(28, 28, dtype=torch.uint8), [], ""
    try:
        data = bytearray(decode(question.get("drawing"), SENT * SENT))
        drawing = torch.frombuffer(data, dtype=torch.uint8).view(SENT, SENT)
        if drawing.any():
            center = bool(question.get("center", True))
            seen, p = read_drawing(drawing, predict, center)
            probabilities = p.tolist()
    except ValueError as fault:
        error = str(fault)
    return {
        "seen": encode(seen.numpy().tobytes()),
        "probabilities": probabilities,
        "error": error,
    }


def add_tab(model: nn.Module, mean: float, std: float) -> None:
    """The contents of the tab, inside a Blocks.

    model: images (N, 1, 28, 28), (ink / 255 - mean) / std, to logits (N, 10).
    """

    def predict(seen: Tensor) -> Tensor:
        return model((seen[None, None] / 255 - mean) / std).softmax(1)[0]

    widget(
        "drawing_pad",
        "pad.js",
        lambda question: read(question, predict),
        _labels(),
        "course-pad",
    )
