"""The second tab: a photo of a hand, the letters it may spell, and where that shows."""

import io
import threading
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from course_utils.data.sign_language import CLASSES
from course_utils.data.synthetic import hands
from course_utils.demos.gradio_app.sketch import decode, encode, widget
from course_utils.demos.networks import normalize_signs
from course_utils.explain import class_map
from course_utils.locale import _
from course_utils.widgets.class_maps import enlarged, tinted
from course_utils.widgets.photo_input import _labels, read_photo

LONGEST = 400  # pixels a side of a square from the page, as in photo_input.js
ENLARGED = 6  # screen pixels for one of the 28
EXAMPLES, PEOPLE = "LYBWIVAC", (8, 9, 10, 11)  # people whom the network has not seen


class Reader:
    """A network that reads hands, for one question at a time.

    model: as `networks.load("signs")` gives it, its last feature maps in `block3`.
    """

    def __init__(self, model: nn.Module):
        self._model = model
        # The hooks of a class-activation map would hear another visitor's question.
        self._lock = threading.Lock()

    def read(self, question: dict) -> dict:
        """What the page shows of a photo.

        question: {"pixels": side x side x 3 bytes, red, green, blue, in base64;
        "side": 1..400}.
        Returns {"seen": 28 x 28 bytes in base64, "probabilities": 24 numbers, or none
        where nothing is to be seen, "error": a sentence, or ""}, and with probabilities
        the map of the most probable letter: "map", a data address of a PNG file,
        "map_title", "map_alt".
        """
        try:
            return self._answer(_photo(question))
        except ValueError as fault:
            return {
                "seen": encode(bytes(28 * 28)),
                "probabilities": [],
                "error": str(fault),
            }

    def _answer(self, photo: Tensor) -> dict:
        with self._lock:
            seen, p = read_photo(photo, self._predict, len(CLASSES))
            answer = {"seen": encode(seen.numpy().tobytes()), "error": ""}
            if p is None:
                return {**answer, "probabilities": []}
            best = p.argmax()
            values = class_map(
                self._model,
                normalize_signs(seen[None]),
                self._model.block3,
                best[None],
            )[0]
        letter = CLASSES[best]
        return {
            **answer,
            "probabilities": p.tolist(),
            "map": _overlay(seen[0].numpy(), values.numpy()),
            "map_title": _("What speaks for {letter} (Grad-CAM)").format(letter=letter),
            "map_alt": _(
                "The photo as the network sees it, orange where it finds what speaks "
                "for {letter}."
            ).format(letter=letter),
        }

    def _predict(self, seen: Tensor) -> Tensor:
        return self._model(normalize_signs(seen[None])).softmax(1)[0]


def _photo(question: dict) -> Tensor:
    """uint8 (side, side, 3). Raises ValueError for a question that holds no photo."""
    side = question.get("side")
    side = side if isinstance(side, int) and 0 < side <= LONGEST else LONGEST
    data = bytearray(decode(question.get("pixels"), 3 * side * side))
    return torch.frombuffer(data, dtype=torch.uint8).view(side, side, 3)


def _overlay(seen: np.ndarray, values: np.ndarray) -> str:
    """The data address of a PNG: uint8 (28, 28), in orange where the map is high."""
    from PIL import Image

    grey = seen.repeat(ENLARGED, 0).repeat(ENLARGED, 1)
    picture = tinted(
        np.repeat(grey[..., None], 3, axis=2),
        enlarged(values, *grey.shape),
    )
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png")
    return f"data:image/png;base64,{encode(file.getvalue())}"


def examples(letters: Sequence[str] = EXAMPLES) -> Tensor:
    """Rendered hands of people whom the network has not seen: uint8 (n, 28, 28)."""
    people = [PEOPLE[i % len(PEOPLE)] for i in range(len(letters))]
    return hands.render(letters, seed=5, people=people, vary=0.5)[:, 0]


def add_tab(model: nn.Module) -> None:
    """The contents of the tab, inside a Blocks. model: as for `Reader`."""
    reader, shown = Reader(model), examples()
    side = shown.shape[-1]
    first = shown[0][..., None].expand(side, side, 3).contiguous()
    question = {"pixels": encode(first.numpy().tobytes()), "side": side}
    private = _(
        "The photo goes only to the program behind this page (on a Space, to a machine "
        "of Hugging Face) and is not saved. The camera is off after the photo."
    )
    widget(
        "photo_input",
        "photo.js",
        reader.read,
        {**_labels(), "private": private},
        "course-photo",
        classes=list(CLASSES),
        samples=encode(shown.numpy().tobytes()),
        first=reader.read(question),
    )
