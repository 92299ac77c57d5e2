"""A right hand of 25 joints: how long its bones are, and where a pose puts them.

Centimetres. The wrist is at 0, x runs to the thumb's side (radial), y to the fingertips
(distal), z out of the palm (palmar): with the palm to the camera, x is right, y is up
and z comes nearer. The joints: the wrist; CMC, MCP, PIP, DIP and tip of each finger;
CMC, MCP, IP and tip of the thumb.

Bone lengths: means of 66 adults, Buryanov, A., Kotiuk, V. (2010). International Journal
of Morphology 28(3). https://doi.org/10.4067/S0717-95022010000300015
"""

import csv
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np

from course_utils.data.synthetic.dice import Dice

FINGERS = ("index", "middle", "ring", "little")
LETTERS = tuple("ABCDEFGHIKLMNOPQRSTUVWXY")

# Per finger: proximal, middle and distal phalanx; radius at MCP, PIP, DIP and tip.
PHALANGES = np.array(
    [[3.98, 2.24, 1.58], [4.46, 2.63, 1.74], [4.14, 2.57, 1.73], [3.27, 1.81, 1.60]]
)
FINGER_RADII = np.array(
    [
        [1.00, 0.90, 0.80, 0.68],
        [1.02, 0.92, 0.82, 0.70],
        [0.97, 0.87, 0.77, 0.66],
        [0.85, 0.76, 0.67, 0.58],
    ]
)
# Where the metacarpals begin and end; they are 67, 65, 58 and 53 mm long.
CMC = np.array([[1.6, 3.0, 0.0], [0.3, 3.2, -0.1], [-0.8, 3.0, 0.0], [-1.8, 2.7, 0.15]])
MCP = np.array([[2.7, 9.6, 0.05], [0.5, 9.7, -0.1], [-1.5, 8.8, 0.0], [-3.2, 7.8, 0.2]])
SPLAY = np.array([5.0, 1.0, -5.0, -11.0])  # degrees, of an open hand at rest
BEND_LIMITS = np.array([[-8.0, 92.0], [-8.0, 108.0], [-8.0, 70.0]])  # MCP, PIP, DIP

THUMB_CMC = np.array([2.0, 1.9, 0.9])
THUMB_BONES = np.array([4.62, 3.16, 2.17])  # metacarpal, proximal, distal
THUMB_RADII = np.array([1.35, 1.12, 1.00, 0.78])  # CMC, MCP, IP, tip
_ALONG = np.array([0.62, 0.66, 0.42]) / np.linalg.norm([0.62, 0.66, 0.42])
_PAD = np.array([-0.7, 0.2, 0.6]) - _ALONG * (np.array([-0.7, 0.2, 0.6]) @ _ALONG)
_PAD /= np.linalg.norm(_PAD)
# Columns: across the thumb, along it, out of its pad; of a hand at rest.
THUMB_FRAME = np.stack([np.cross(_ALONG, _PAD), _ALONG, _PAD], axis=1)

DIRECTIONS = {
    "": (np.nan, np.nan, np.nan),
    "ulnar": (-1, 0, 0),
    "distal": (0, 1, 0),
    "radial": (1, 0, 0),
}
JOINTS = ("proximal", "intermediate", "distal", "tip")  # of a finger, as the table says


class Pose(NamedTuple):
    """What n hands are asked to do; the angles in degrees, as the table of poses says.

    bend: (n, 4, 3), flexion of MCP, PIP and DIP of each finger. spread: (n, 4), to the
    thumb's side, beyond SPLAY. thumb_joint: int (n, 2), the finger and its joint that
    the thumb's tip goes to; -1: out to the side. thumb_offset: (n, 3), cm from there.
    thumb_points: (n, 3), direction of its last bone, NaN where free. thumb_between:
    (n,), 1 where the thumb is pushed between fingers. forearm: (n, 2), how far it leans
    to the side of the palm and of the thumb. view: (n, 3), yaw, pitch, roll.
    """

    bend: np.ndarray
    spread: np.ndarray
    thumb_joint: np.ndarray
    thumb_offset: np.ndarray
    thumb_points: np.ndarray
    thumb_between: np.ndarray
    forearm: np.ndarray
    view: np.ndarray


class Anatomy(NamedTuple):
    """The measures of n hands, cm: see the constants of the same names."""

    cmc: np.ndarray  # (n, 4, 3)
    mcp: np.ndarray  # (n, 4, 3)
    phalanges: np.ndarray  # (n, 4, 3)
    radii: np.ndarray  # (n, 4, 4)
    thumb_cmc: np.ndarray  # (n, 3)
    thumb_bones: np.ndarray  # (n, 3)
    thumb_radii: np.ndarray  # (n, 4)
    width: np.ndarray  # (n,), 1 = as in the constants
    thickness: np.ndarray  # (n,), likewise


@cache
def _table() -> dict[str, dict[str, str]]:
    path = resources.files("course_utils.data.synthetic") / "asl_poses.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return {row["letter"]: row for row in csv.DictReader(file)}


def poses(letters: list[str]) -> Pose:
    """The plain poses of `letters`, names out of LETTERS."""
    rows = [_table()[letter] for letter in letters]

    def columns(*names: str) -> np.ndarray:
        numbers = [[float(row[name] or 0) for name in names] for row in rows]
        return np.array(numbers, dtype=float).reshape(len(rows), len(names))

    bend = [
        f"{finger}_{joint}" for finger in FINGERS for joint in ("mcp", "pip", "dip")
    ]
    joints = []
    for row in rows:
        finger, _dash, joint = row["thumb_near_joint"].partition("-")
        joints.append(
            (FINGERS.index(finger), JOINTS.index(joint)) if finger else (-1, -1)
        )
    points = [DIRECTIONS[row["thumb_points"]] for row in rows]
    return Pose(
        bend=columns(*bend).reshape(-1, 4, 3),
        spread=columns(*(f"{finger}_spread" for finger in FINGERS)),
        thumb_joint=np.array(joints, dtype=int).reshape(-1, 2),
        thumb_offset=columns("radial_mm", "distal_mm", "palmar_mm") / 10,
        thumb_points=np.array(points, dtype=float).reshape(-1, 3),
        thumb_between=columns("thumb_between")[:, 0],
        forearm=columns("forearm_palmar", "forearm_radial"),
        view=columns("yaw", "pitch", "roll"),
    )


def anatomy(person: Dice) -> Anatomy:
    """Hands of different length, width and thickness, one per person."""
    n = len(person)
    length = 1 + 0.05 * person.normal(1)
    width = 1.04 + 0.05 * person.normal(1)
    thickness = 1.06 + 0.07 * person.normal(1)
    fingers = 1 + 0.03 * person.normal(4, 1)
    across = np.concatenate([width, np.ones((n, 2))], axis=1)
    # The tables' last bones end at the bone; the radius of the tip adds the flesh.
    pulp = np.array([0, 0, 0.25])
    return Anatomy(
        cmc=CMC * across[:, None],
        mcp=MCP * across[:, None],
        phalanges=PHALANGES * length[:, None] * fingers - pulp,
        radii=FINGER_RADII * thickness[:, None],
        thumb_cmc=THUMB_CMC * across,
        thumb_bones=THUMB_BONES * length - [0, 0, 0.2],
        thumb_radii=THUMB_RADII * thickness,
        width=width[:, 0],
        thickness=thickness[:, 0],
    )


def rotation(axis: int, degrees: np.ndarray) -> np.ndarray:
    """Right-handed rotation about x, y or z (0, 1, 2): degrees (n,) -> (n, 3, 3)."""
    angle = np.radians(degrees)
    matrix = np.zeros((*angle.shape, 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1
    matrix[..., i, i] = matrix[..., j, j] = np.cos(angle)
    matrix[..., j, i] = np.sin(angle)
    matrix[..., i, j] = -matrix[..., j, i]
    return matrix


def finger_joints(hand: Anatomy, bend: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Where the MCP, PIP, DIP joints and the tip of each finger are: (n, 4, 4, 3).

    bend (n, 4, 3) and spread (n, 4), degrees: see Pose.
    """
    aside = np.radians(SPLAY + spread)[..., None]
    bent = np.radians(np.cumsum(bend, axis=-1))
    # Fingers that bend come together, towards the scaphoid bone at the thumb's base.
    together = 0.5 * np.sin(np.radians(SPLAY))[:, None] * np.sin(bent)
    direction = np.stack(
        [
            np.sin(aside) * np.cos(bent) - together,
            np.cos(aside) * np.cos(bent),
            np.sin(bent),
        ],
        axis=-1,
    )
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    steps = np.cumsum(direction * hand.phalanges[..., None], axis=2)
    start = hand.mcp[:, :, None]
    return np.concatenate([start, start + steps], axis=2)


def thumb_joints(hand: Anatomy, angles: np.ndarray) -> np.ndarray:
    """Where the CMC, MCP, IP joints and the tip of the thumb are: (n, 4, 3).

    angles: (n, 5), degrees from rest: flexion, abduction and twist of the CMC joint,
    flexion of MCP and of IP.
    """
    flexion, abduction, twist, mcp, ip = angles.T
    base = THUMB_FRAME @ rotation(0, flexion) @ rotation(2, abduction)
    base = base @ rotation(1, twist)
    frames = (base, base @ rotation(0, mcp), base @ rotation(0, mcp + ip))
    joints = [hand.thumb_cmc]
    for i, frame in enumerate(frames):
        joints.append(joints[-1] + frame[:, :, 1] * hand.thumb_bones[:, [i]])
    return np.stack(joints, axis=1)
