"""The photo of a hand: where the camera stands, light, skin, sleeve, background."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.data.synthetic.dice import Dice
from course_utils.data.synthetic.flesh import Flesh
from course_utils.data.synthetic.hand_model import rotation
from course_utils.data.synthetic.ray_marching import Field, Surface, trace

MARGIN = 0.1  # cm between the hand and the edge of the picture
FOREARM = 2  # capsules, the last ones of the palm: they may leave the picture


class Look(NamedTuple):
    """How n photos are lit and coloured; grey values 0..255 except where said."""

    light: np.ndarray  # (n, 3), unit vector towards the lamp
    ambient: np.ndarray  # (n,), share of light that comes from everywhere
    shadow: np.ndarray  # (n,), how much darker the shadows of the lamp are, 0..1
    occlusion: np.ndarray  # (n,), how much darker the hollows are, 0..1
    gloss: np.ndarray  # (n,), 0..1
    skin: np.ndarray  # (n,)
    sleeve: np.ndarray  # (n,), cm from the wrist to the cuff
    cloth: np.ndarray  # (n,), brightness of the sleeve relative to the skin
    wall: np.ndarray  # (n,)
    slope: np.ndarray  # (n, 2), of the wall's brightness to the right and up
    blotches: np.ndarray  # (n, 5, 5), soft unevenness of the wall
    edge: np.ndarray  # (n, 3): direction in radians, distance from the centre where
    # another background begins (half pictures), and how much brighter it is
    blur: np.ndarray  # (n,), 0 sharp .. 1
    grain: np.ndarray  # (n,), standard deviation of the sensor's noise


def look(person: Dice, shot: Dice) -> Look:
    """Draw it: sleeve and skin belong to the person, the rest to the photo."""
    n = len(shot)
    lamp = np.stack(
        [
            shot.uniform(-1, 1, -0.4),
            shot.uniform(-0.1, 1, 0.7),
            shot.uniform(0.4, 1.2, 0.8),
        ],
        axis=1,
    )
    dressed, table = person.chance(0.4), shot.chance(0.5)
    return Look(
        light=lamp / np.linalg.norm(lamp, axis=1, keepdims=True),
        ambient=shot.uniform(0.1, 0.4, 0.3),
        shadow=shot.uniform(0.4, 0.95, 0.6),
        occlusion=shot.uniform(0.6, 0.98, 0.75),
        gloss=shot.uniform(0, 0.12, 0.04),
        skin=person.uniform(180, 270, 230) + 15 * shot.normal(),
        sleeve=np.where(dressed, person.uniform(0.5, 4, 2), np.inf),
        cloth=person.uniform(0.1, 1, 0.5),
        wall=shot.uniform(120, 225, 185),
        slope=22 * shot.normal(2),
        blotches=shot.uniform(0, 3, 0)[:, None, None] * shot.normal(5, 5),
        edge=np.stack(
            [
                # Below, more often than not: a table, the body.
                shot.uniform(0.9 * np.pi, 2.1 * np.pi, 1.5 * np.pi),
                shot.uniform(0.4, 1.1, 1),
                np.where(table, shot.uniform(-150, 40, 0), np.zeros(n)),
            ],
            axis=1,
        ),
        blur=shot.uniform(0, 0.6, 0.2),
        grain=shot.uniform(0, 1.5, 0),
    )


def turn(body: Flesh, angles: np.ndarray) -> Flesh:
    """Turn n hands: angles (n, 3), degrees, yaw about the forearm (positive: the palm
    turns to the right), then pitch about x, then roll in the picture."""
    yaw, pitch, roll = angles.T
    matrix = rotation(2, roll) @ rotation(0, pitch) @ rotation(1, yaw)
    matrix = matrix.transpose(0, 2, 1)
    return body._replace(start=body.start @ matrix, end=body.end @ matrix)


def frame(body: Flesh, shot: Dice) -> tuple[np.ndarray, np.ndarray]:
    """Centre (n, 2) and half side (n,) of the square that holds the hand, cm."""
    hand = np.ones(body.start.shape[1], dtype=bool)
    hand[body.palm - FOREARM : body.palm] = False
    ends = np.concatenate([body.start[:, hand], body.end[:, hand]], axis=1)[..., :2]
    radii = [body.start_radius[:, hand], body.end_radius[:, hand]]
    reach = np.concatenate(radii, axis=1)[..., None] + MARGIN
    low, high = (ends - reach).min(1), (ends + reach).max(1)
    side = (high - low).max(1) / 2
    half = side / shot.uniform(0.85, 1.06, 1.0)
    return (low + high) / 2 + 0.05 * half[:, None] * shot.normal(2), half


def photograph(
    body: Flesh, i: int, center: np.ndarray, half: float, view: Look, grain: Tensor
) -> Tensor:
    """Hand i of `body` as float32 (side, side), 0..255.

    center (2,), half: see frame. view: the Look of this one photo.
    grain: float32 (side, side), standard normal numbers.
    """
    side = len(grain)
    grid = (torch.arange(side) + 0.5) / side * 2 - 1
    up, right = torch.meshgrid(-grid, grid, indexing="ij")
    xy = torch.stack([right, up], dim=-1).view(-1, 2) * half
    xy += torch.tensor(center, dtype=torch.float32)
    ends = [
        torch.tensor(ends[i], dtype=torch.float32)
        for ends in (body.start, body.end, body.start_radius, body.end_radius)
    ]
    # Rays that pass the hand's shadow on the picture's plane cannot hit it.
    flat = torch.tensor([1.0, 1.0, 0.0])
    outline = Field(ends[0] * flat, ends[1] * flat, *ends[2:], body.palm)
    inside = (outline(F.pad(xy, (0, 1))) < 0.1).nonzero()[:, 0]
    depth = torch.cat([ends[0], ends[1]])[:, 2]
    light = torch.tensor(view.light, dtype=torch.float32)
    near, far = depth.max().item() + 2, depth.min().item() - 2
    seen = trace(Field(*ends, body.palm), xy[inside], near, far, light)
    brightness = _shade(seen, light, view)
    forearm = ends[1][body.palm - 1] - ends[0][body.palm - 1]
    cuff = (seen.point - ends[0][body.palm - 1]) @ F.normalize(forearm, dim=0)
    brightness = torch.where(cuff > view.sleeve, brightness * view.cloth, brightness)
    picture = _background(right, up, view).view(-1)
    picture[inside[seen.ray]] = view.skin * brightness
    picture = picture.view(1, 1, side, side)
    soft = F.avg_pool2d(F.pad(picture, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return torch.lerp(picture, soft, float(view.blur))[0, 0] + view.grain * grain


def _shade(seen: Surface, light: Tensor, view: Look) -> Tensor:
    """Brightness (k,) of the points seen, about 0..1."""
    towards = seen.normal @ light
    # Light bleeds a little round the terminator: skin is translucent.
    lamp = ((towards + 0.3) / 1.3).clamp(0, 1) * (1 - view.shadow * (1 - seen.light))
    rim = 0.65 + 0.35 * seen.normal[:, 2].clamp(0, 1).sqrt()
    dull = (view.ambient + (1 - view.ambient) * lamp) * rim
    dull = dull * (1 - view.occlusion * seen.occlusion)
    return dull + view.gloss * towards.clamp(0, 1) ** 12


def _background(right: Tensor, up: Tensor, view: Look) -> Tensor:
    """A wall, float32 (side, side); right, up: -1..1."""
    blotches = torch.tensor(view.blotches, dtype=torch.float32)[None, None]
    wall = F.interpolate(blotches, size=right.shape, mode="bicubic")[0, 0]
    wall += view.wall + view.slope[0] * right + view.slope[1] * up
    direction, distance, step = view.edge
    beyond = np.cos(direction) * right + np.sin(direction) * up > distance
    return wall + step * beyond
