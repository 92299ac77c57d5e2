"""Drawings to test with: twenty recorded digits, and sheets that nobody expects."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from course_utils.widgets.drawing_pad import SENT

FIXTURES = Path(__file__).parents[1] / "demos" / "fixtures"


class Recorded(NamedTuple):
    """digit: what was meant. strokes: lists of points (x, y), 0..280 on the paper.

    pixels: what the pad made of them in Chromium, uint8 (140, 140), 255 = ink.
    """

    digit: int
    strokes: list[list[list[int]]]
    pixels: np.ndarray


def recorded() -> list[Recorded]:
    """The digits 0 to 9 in one hand, then in another."""
    drawings = json.loads((FIXTURES / "digits.json").read_text(encoding="utf-8"))
    sheet = 255 - np.asarray(Image.open(FIXTURES / "digits.png").convert("L"))
    rows, columns = (side // SENT for side in sheet.shape)
    cells = sheet.reshape(rows, SENT, columns, SENT).swapaxes(1, 2)
    pixels = cells.reshape(-1, SENT, SENT)
    pairs = zip(drawings, pixels, strict=True)
    return [Recorded(d["digit"], d["strokes"], cell) for d, cell in pairs]


def odd() -> dict[str, np.ndarray]:
    """Sheets at the edge of what can be drawn, uint8 (140, 140), 255 = ink."""
    names = "empty", "one pixel", "border", "faint", "specks", "one column", "halves"
    sheets = {name: np.zeros((SENT, SENT), dtype=np.uint8) for name in names}
    sheets["one pixel"][3, 136] = 255
    sheets["border"][:, -4:] = 255
    sheets["faint"][40:100, 60:70] = 19  # all of it, so that it is the strongest ink
    sheets["faint"][0, 0] = 1  # weaker than a tenth: no stroke
    sheets["specks"][60:90, 60:90] = 250
    sheets["specks"][70, 5] = 25  # a tenth of the strongest: no stroke either
    sheets["specks"][10, 70] = 26  # this is one
    sheets["one column"][20:120, 70] = 255
    # 88 pixels in 20: the edge at 11 covers half of a new pixel, 127.5 of 255.
    sheets["halves"][30:41, 20:108] = 255
    sheets["halves"][30:118, 20:31] = 255
    sheets["full"] = np.full((SENT, SENT), 255, dtype=np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (SENT, SENT))
    return {**sheets, "noise": noise.astype(np.uint8)}
