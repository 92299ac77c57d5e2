"""The flesh of a hand: tapered capsules around the bones, joined smoothly later."""

from typing import NamedTuple

import numpy as np

from course_utils.data.synthetic.hand_model import (
    FINGER_RADII,
    THUMB_RADII,
    Anatomy,
)


class Flesh(NamedTuple):
    """m tapered capsules for each of n hands, cm.

    start, end: (n, m, 3), the ends of their axes. start_radius, end_radius: (n, m).
    palm: how many of them, the first ones, belong to palm and forearm, whose joins are
    wide; the others are fingers. The last two of the palm are the forearm.
    """

    start: np.ndarray
    end: np.ndarray
    start_radius: np.ndarray
    end_radius: np.ndarray
    palm: int


def flesh(
    hand: Anatomy, fingers: np.ndarray, thumb: np.ndarray, forearm: np.ndarray
) -> Flesh:
    """Capsules of n hands from their joints, (n, 4, 4, 3) and (n, 4, 3).

    forearm: (n, 2), degrees, see Pose.
    """
    n = len(thumb)
    across = np.stack([hand.width, np.ones(n), np.ones(n)], axis=1)

    def at(x: float, y: float, z: float) -> np.ndarray:
        return across * [x, y, z]

    parts = _palm(hand, fingers, thumb, at)
    palmar, radial = np.radians(forearm).T
    elbow = 14 * np.stack(
        [
            np.sin(radial) * np.cos(palmar),
            -np.cos(radial) * np.cos(palmar),
            np.sin(palmar),
        ],
        axis=1,
    )
    for side in (-1.05, 1.05):  # the forearm, with its two bones
        parts.append((at(side, 0.4, 0), at(side * 1.2, 0, 0) + elbow, 1.4, 1.9))
    palm = len(parts)
    for f in range(4):
        for k in range(3):
            radii = FINGER_RADII[f, k : k + 2]
            parts.append((fingers[:, f, k], fingers[:, f, k + 1], *radii))
    for k in (1, 2):
        parts.append((thumb[:, k], thumb[:, k + 1], *THUMB_RADII[k : k + 2]))
    starts, ends, start_radii, end_radii = zip(*parts, strict=True)
    return Flesh(
        start=np.stack(starts, axis=1),
        end=np.stack(ends, axis=1),
        start_radius=hand.thickness[:, None] * np.array(start_radii),
        end_radius=hand.thickness[:, None] * np.array(end_radii),
        palm=palm,
    )


def _palm(hand: Anatomy, fingers: np.ndarray, thumb: np.ndarray, at) -> list[tuple]:
    """(start, end, radius, radius) of the parts of the palm."""
    parts = []
    for f in range(4):
        knuckle, pip = fingers[:, f, 0], fingers[:, f, 1]
        first, second = FINGER_RADII[f, :2]
        parts.append((hand.cmc[:, f], knuckle, 1.0, first - 0.08))
        # Skin over the knuckle, which rounds the bend.
        parts.append((knuckle, 0.7 * knuckle + 0.3 * pip, first - 0.15, second - 0.2))
    base, mcp = thumb[:, 0], thumb[:, 1]
    middle = 0.4 * base + 0.6 * mcp
    parts += [
        (base, mcp, 1.25, 0.9),
        (at(0.9, 2.2, 0.6), middle, 1.15, 1.15),  # ball of the thumb
        (middle, at(2.0, 6.6, 0.2), 0.75, 0.7),  # web between thumb and index
        (
            at(-1.9, 1.2, 0.5),
            at(-2.9, 5.8, 0.4),
            1.2,
            0.95,
        ),  # ball of the little finger
        (at(0, 2.4, 0.2), at(0, 7.2, 0), 1.05, 1.05),
        (at(-1.1, 0.4, 0), at(1.1, 0.4, 0), 1.45, 1.45),  # wrist
    ]
    return parts
