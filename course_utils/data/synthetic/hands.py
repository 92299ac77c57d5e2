"""Hands that spell: photos of 24 letters of American Sign Language, all computed.

An articulated hand (hand_model, thumb, flesh) stands before a camera (ray_marching,
studio). No real photo is in it, and nothing is downloaded.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.data.synthetic import studio
from course_utils.data.synthetic.dice import Dice
from course_utils.data.synthetic.flesh import flesh
from course_utils.data.synthetic.hand_model import (
    BEND_LIMITS,
    LETTERS,
    anatomy,
    finger_joints,
    poses,
    thumb_joints,
)
from course_utils.data.synthetic.thumb import reach
from course_utils.guards import need, whole
from course_utils.locale import _

SIDE = 28
OVERSAMPLING = 1.5  # rays per pixel and axis
PHOTO_SIDE = 42  # of the photos that a collection's images are made from
CROP = 0.92  # of a photo's side that an image shows, so that it can turn and move
TURN = 1.2  # degrees either way
COARSE = 20  # pixels a side of the coarse variants
# Degrees of yaw, pitch and roll from a letter's usual view, so that it can be read.
FARTHEST = np.array([28.0, 20.0, 16.0])
KEYS = "int, 0..2**32 - 1"  # that a random stream takes
PEOPLE, VARIANTS, PHOTOS = 12, 8, 30  # of the embedded data set; photos per letter


def render(
    letters: str | Sequence[str] | Sequence[int] | Tensor,
    *,
    seed: int,
    size: int = SIDE,
    people: Sequence[int] | Tensor | None = None,
    vary: float = 1.0,
) -> Tensor:
    """One rendered photo of a right hand for each letter.

    letters: names ("HOLA", ["H", "O"]) or indices into the 24 letters of
        LETTERS, N >= 0 of them. seed: int, 0..2**32 - 1; the same seed gives the same
        images on one machine, and each of them does not depend on the ones after it.
    size: pixels a side, >= 8. people: N ints >= 0; the same number is the same person:
        shape of the hand, skin, sleeve, habits of posing. None: N people.
    vary: how far poses, people, views and light depart from the plain letter; 0 draws
        that, 1 is meant for training.
    Returns uint8 (N, 1, size, size), 0 black .. 255 white.
    Raises ValueError for other arguments.
    """
    names, who = _checked("render", letters, people)
    need("render", "seed", seed, _key(seed), KEYS)
    need("render", "size", size, whole(size, 8), "int >= 8")
    number = isinstance(vary, (int, float)) and 0 <= vary < np.inf
    need("render", "vary", vary, number, ">= 0")
    photos = _photograph(names, who, seed, round(size * OVERSAMPLING), vary)
    return _pixels(_reduced(photos, size))


def collection(
    seed: int = 0, *, photos: int = PHOTOS, variants: int = VARIANTS
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A data set like Sign-Language-MNIST: few photos, many variants of each.

    seed: int, 0..2**32 - 1. photos: of each of the 24 letters, shared by 12 people.
    variants: images made from each photo by cropping, turning (up to 1.2 degrees),
        zooming, brightness (up to 15 %), and blur or coarser pixels, as was done there:
        so alike that data.photo_groups finds which belong together.
    Returns x uint8 (N, 1, 28, 28), y int64 (N,), indices into LETTERS, the
    number of each image's photo (N,) and of the person on it (N,), N = 24 * photos *
    variants; images of one photo lie together.
    Raises ValueError for numbers below 1.
    """
    need("collection", "seed", seed, _key(seed), KEYS)
    need("collection", "photos", photos, whole(photos, 1), "int >= 1")
    need("collection", "variants", variants, whole(variants, 1), "int >= 1")
    y = torch.arange(len(LETTERS)).repeat_interleave(photos)
    person = (torch.arange(photos) * PEOPLE // photos).repeat(len(LETTERS))
    names = [LETTERS[label] for label in y]
    pictures = _photograph(names, person.tolist(), seed, PHOTO_SIDE, vary=1.0)
    photo = torch.arange(len(y)).repeat_interleave(variants)
    x = _variants(pictures, variants, seed)
    return x, y[photo], photo, person[photo]


def _checked(where: str, letters, people) -> tuple[list[str], list[int] | None]:
    """Letters as names and people as ints, or a ValueError that says what is wrong."""
    if isinstance(letters, (Tensor, np.ndarray)):
        letters = letters.tolist()
    if not isinstance(letters, Sequence):
        letters = [letters]  # of which the next lines say what is wrong
    names = []
    for letter in letters:
        if whole(letter, 0) and letter < len(LETTERS):
            letter = LETTERS[letter]
        if not isinstance(letter, str) or letter not in LETTERS:
            raise ValueError(
                _(
                    "{where}: {letter!r} is none of the 24 letters {known} (J and Z "
                    "move) nor an index 0..23."
                ).format(where=where, letter=letter, known="".join(LETTERS))
            )
        names.append(letter)
    if people is None:
        return names, None
    if isinstance(people, (Tensor, np.ndarray)):
        people = people.tolist()
    people = list(people)
    if len(people) != len(names) or not all(map(_key, people)):
        raise ValueError(
            _(
                "{where}: people must be one number ({known}) for each of the {n} "
                "letters."
            ).format(where=where, known=KEYS, n=len(names))
        )
    return names, people


def _key(number) -> bool:
    return whole(number, 0) and number < 2**32


def _photograph(
    names: list[str], people: list[int] | None, seed: int, side: int, vary: float
) -> Tensor:
    """Square photos, float32 (N, 1, side, side), 0..255."""
    if not names:
        return torch.empty(0, 1, side, side)
    shot = Dice([(seed, i) for i in range(len(names))], vary)
    # Three numbers: nobody's stream is that of a photo.
    keys = [(1, seed, i) for i in range(len(names))]
    if people is not None:
        keys = [(2, 0, person) for person in people]
    person = Dice(keys, vary)
    pose = poses(names)
    aim = pose.thumb_offset + 0.15 * person.normal(3) + 0.25 * shot.normal(3)
    pose = pose._replace(thumb_offset=aim)
    hand = anatomy(person)
    habit = person.normal(4, 3) * [4, 5, 4] + person.normal(3)[:, None] * [4, 5, 4]
    bend = pose.bend + habit
    bend += shot.normal(4, 3) * [3, 4, 3] + shot.normal(3)[:, None] * [3, 4, 3]
    bend = np.clip(bend, *BEND_LIMITS.T)
    fingers = finger_joints(hand, bend, pose.spread + 1.5 * shot.normal(4))
    thumb = thumb_joints(hand, reach(hand, fingers, pose))
    forearm = pose.forearm + 12 * shot.normal(2)
    aside = person.normal(3) * [8, 6, 5] + shot.normal(3) * [14, 11, 9]
    view = pose.view + np.clip(aside, -FARTHEST, FARTHEST)
    body = studio.turn(flesh(hand, fingers, thumb, forearm), view)
    center, half = studio.frame(body, shot)
    looks = studio.look(person, shot)
    grain = torch.tensor(shot.normal(side, side), dtype=torch.float32)
    photos = torch.empty(len(names), 1, side, side)
    for i in range(len(names)):
        one = studio.Look(*(values[i] for values in looks))
        photos[i, 0] = studio.photograph(body, i, center[i], half[i], one, grain[i])
    # Highlights are cut; then from black to white, as in Sign-Language-MNIST.
    photos = photos.clamp_max(255)
    low, high = photos.amin((2, 3), keepdim=True), photos.amax((2, 3), keepdim=True)
    return (photos - low) * (255 / (high - low))


def _variants(photos: Tensor, variants: int, seed: int) -> Tensor:
    """`variants` images of each of N photos, uint8 (N * variants, 1, 28, 28)."""
    photos = photos.repeat_interleave(variants, dim=0)
    dice = Dice([(3, seed, i) for i in range(len(photos))])
    # Turned in even steps: each image is so like the next that a chain of near copies
    # joins all of a photo, as it does in the real set.
    step = 2 * TURN / variants
    angle = step * (np.arange(len(photos)) % variants + 0.5) - TURN
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    zoom = CROP * dice.uniform(0.995, 1.005, 1)
    right, down = dice.uniform(-0.006, 0.006, 0, 2).T
    theta = np.stack([zoom * cos, -zoom * sin, right, zoom * sin, zoom * cos, down], 1)
    theta = torch.tensor(theta, dtype=torch.float32).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(photos.shape), align_corners=False)
    turned = F.grid_sample(photos, grid, padding_mode="border", align_corners=False)
    images = _reduced(turned, SIDE)
    # A third stays sharp, a third is blurred, a third is a little coarser.
    kind = torch.tensor(dice.uniform(0, 3, 0)).long()[:, None, None, None]
    blurred = _reduced(turned, 3 * SIDE // 4)
    blurred = F.interpolate(blurred, size=SIDE, mode="bilinear")
    coarse = F.interpolate(_reduced(turned, COARSE), size=SIDE)
    images = torch.where(kind == 1, 0.7 * images + 0.3 * blurred, images)
    images = torch.where(kind == 2, 0.85 * images + 0.15 * coarse, images)
    gain = torch.tensor(dice.uniform(0.85, 1.15, 1), dtype=torch.float32)
    return _pixels(images * gain[:, None, None, None])


def _reduced(photos: Tensor, side: int) -> Tensor:
    return F.interpolate(
        photos, size=(side, side), mode="bilinear", antialias=True, align_corners=False
    )


def _pixels(images: Tensor) -> Tensor:
    return images.round().clamp(0, 255).to(torch.uint8)
