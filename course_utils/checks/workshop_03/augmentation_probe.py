"""What an augmentation does, read off what it makes of two pictures of ours.

`Measured` runs it on many copies of a pattern that looks like none of its turned or
mirrored selves, and finds each copy again among turned, zoomed, mirrored and shifted
patterns; and on copies of a picture of two grey levels, to see what becomes of them.
"""

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

BATCHES, COPIES = 8, 8  # of each picture, so that one change a batch can be told
SIDE, HALF = 28, 14
REACH = 5  # pixels of the halved picture, either way
TURNS = torch.arange(-180.0, 180.0, 5.0)
ZOOMS = (0.75, 1.0, 1.33)
# row, column, radius in pixels, and grey level of the spots of the pattern
SPOTS = (
    (9, 14, 2.8, 0.6),
    (8, 15, 2.2, -1.1),
    (20, 10, 2.0, 0.9),
    (19, 14, 2.5, -0.8),
    (11, 12, 2.9, 0.7),
    (20, 13, 2.4, -1.1),
    (20, 12, 2.4, 1.0),
)


def pattern() -> Tensor:
    """Bright and dark spots, normalised as the course's images: (1, 1, 28, 28)."""
    places = torch.arange(float(SIDE))
    image = torch.zeros(SIDE, SIDE)
    for row, column, radius, grey in SPOTS:
        distance = (places[:, None] - row) ** 2 + (places - column) ** 2
        image += grey * (-distance / (2 * radius**2)).exp()
    return ((image - image.mean()) / image.std(correction=0)).view(1, 1, SIDE, SIDE)


def two_greys() -> Tensor:
    """-1 on the left, 1 on the right: (1, 1, 28, 28)."""
    return torch.ones(SIDE).index_fill(0, torch.arange(HALF), -1).expand(1, 1, SIDE, -1)


class Measured:
    """What `run` does: a function x -> x that draws anew at each call.

    Of each of 64 copies of the pattern, found again (tensors of 64):
    turn: by how many degrees. shift: the larger of its two shifts in pixels.
    likeness: the correlation with what was found. clear: whether that is high, so that
        the next two are to be believed.
    mirrored: whether it is far more like a mirrored pattern than any other.
    overturned: whether it is far more like one turned by 40 degrees or more.
    moved: whether the pattern is clearly not where it was, or not as it stood.
    noise: the standard deviation of its noise.
    Of 64 copies of the two greys, dark and bright: what became of -1 and of 1; lit:
        whether that is another grey, beyond what noise does.
    outputs: all that came out, (128, 1, 28, 28).
    """

    def __init__(self, run: Callable[[Tensor], Tensor]):
        patterns = _run(run, pattern())
        greys = _run(run, two_greys())
        self.outputs = torch.cat([patterns, greys])
        self._locate(patterns)
        self.noise = _noise(patterns)
        self.dark, self.bright, slope = _levels(greys)
        self.lit = (
            _lit(self.dark, -1, self.noise)
            | _lit(self.bright, 1, self.noise)
            | _lit(slope, 0, self.noise)
        )
        self._shapes = _unit(F.avg_pool2d(patterns, 2)).flatten(1)

    def _locate(self, patterns: Tensor) -> None:
        templates, turn, mirrored = _templates()
        around = F.pad(F.avg_pool2d(patterns, 2), (REACH,) * 4, mode="replicate")
        windows = F.unfold(around, HALF).mT.unflatten(-1, (HALF, HALF))
        alike = _unit(windows).flatten(2) @ templates.flatten(1).T
        best, place = alike.amax(2).max(1)
        rows = place.div(2 * REACH + 1, rounding_mode="floor") - REACH
        columns = place % (2 * REACH + 1) - REACH
        of_each = alike.amax(1)  # (64, templates), wherever in the picture
        self.likeness = best
        self.moved = _moved(patterns, best)
        self.shift = 2 * torch.maximum(rows.abs(), columns.abs())
        self.turn = turn[of_each.argmax(1)]

        def clearly(which: Tensor, margin: float) -> Tensor:
            return of_each[:, which].amax(1) > of_each[:, ~which].amax(1) + margin

        self.clear = best > 0.8
        self.mirrored = clearly(mirrored, 0.05) & self.clear
        self.overturned = clearly(turn.abs() > 37, 0.02) & self.clear

    def always_the_same(self) -> bool:
        """Whether every copy comes out alike, in all batches."""
        patterns = self.outputs[: BATCHES * COPIES]
        return bool((patterns - patterns[:1]).abs().max() < 1e-5)

    def one_a_batch(self) -> bool:
        """Whether all copies of a batch are placed alike, or lit alike."""
        light = torch.stack([self.dark, self.bright], 1)
        return _one_a_batch(self._shapes) or _one_a_batch(light)


def _run(run: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    return torch.cat([run(image.repeat(COPIES, 1, 1, 1)) for _i in range(BATCHES)])


@cache
def _templates() -> tuple[Tensor, Tensor, Tensor]:
    """Posed patterns (T, 14, 14) of length 1, their degrees, whether mirrored."""
    poses = torch.cartesian_prod(TURNS, torch.tensor(ZOOMS), torch.tensor([1.0, -1.0]))
    turn, zoom, side = poses.T
    images = F.avg_pool2d(_posed(turn, zoom, side), 2)
    return _unit(images)[:, 0], turn, side < 0


def _posed(
    turn: Tensor, zoom: Tensor, side: Tensor, right: Tensor = 0.0, down: Tensor = 0.0
) -> Tensor:
    """The pattern turned by degrees, zoomed, mirrored (side -1), shifted by pixels."""
    cos, sin = torch.deg2rad(turn).cos() / zoom, torch.deg2rad(turn).sin() / zoom
    zero = torch.zeros_like(turn)
    a, b, c, d = side * cos, side * sin, -sin, cos
    right, down = zero + right / HALF, zero + down / HALF
    rows = [a, b, -(a * right + b * down), c, d, -(c * right + d * down)]
    grid = F.affine_grid(
        torch.stack(rows, 1).view(-1, 2, 3), [len(turn), 1, SIDE, SIDE], False
    )
    images = pattern().expand(len(turn), -1, -1, -1)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _unit(images: Tensor) -> Tensor:
    """Each image (..., H, W) without its mean, scaled to length 1."""
    images = images - images.mean((-2, -1), keepdim=True)
    length = images.flatten(-2).norm(dim=-1)[..., None, None]
    return images / length.clamp(min=1e-6)


def _moved(patterns: Tensor, likeness: Tensor) -> Tensor:
    """Whether the patterns are far more like a moved one than like one at rest.

    likeness: that with the best of the templates. A blurred pattern is at rest.
    """
    still = [pattern()]
    for _i in range(15):
        still.append(F.avg_pool2d(still[-1], 3, 1, 1, count_include_pad=False))
    small = torch.tensor([-1.0, 0, 1])
    turn, zoom, right, down = torch.cartesian_prod(small, small, small, small).T
    near = _posed(4 * turn, 1 + 0.06 * zoom, torch.ones(81), right, down)
    here, far = _likeness(patterns, torch.cat(still)), _likeness(patterns, near)
    pooled = _likeness(F.avg_pool2d(patterns, 2), F.avg_pool2d(torch.cat(still), 2))
    slightly = 1 - far < 0.7 * (1 - here) - 0.001
    return slightly | (1 - likeness < 0.5 * (1 - pooled) - 0.001)


def _likeness(images: Tensor, others: Tensor) -> Tensor:
    """Of each image, its largest correlation with one of the others."""
    return (_unit(images).flatten(1) @ _unit(others).flatten(1).T).amax(1)


def _noise(images: Tensor) -> Tensor:
    """Standard deviation of each image's noise, after Immerkær (1996), by the median.

    https://doi.org/10.1006/cviu.1996.0060
    """
    mask = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]]).view(1, 1, 3, 3)
    return F.conv2d(images, mask).abs().flatten(1).median(1).values * 1.4826 / 6


def _levels(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The two grey levels around which the pixels of each image lie, and their slope.

    The slope is by how much they rise from the middle to a side, down or to the right.
    """
    pixels = images.flatten(1)
    middle = pixels.mean(1)
    gap = torch.zeros(len(pixels))
    for _i in range(4):  # two means, in the end without what is half-way, or covered
        dark = _median(pixels, pixels <= (middle - gap / 4)[:, None])
        bright = _median(pixels, pixels >= (middle + gap / 4)[:, None])
        middle, gap = (dark + bright) / 2, bright - dark
    away = pixels - middle[:, None]
    kept = (away.abs() >= gap[:, None] / 4).float()
    rest = kept * (away - away.sign() * gap[:, None] / 2)
    ramp = torch.linspace(-1, 1, SIDE)
    slopes = [
        (rest @ side.flatten()) / (kept @ side.flatten() ** 2).clamp(min=1)
        for side in (ramp.expand(SIDE, SIDE), ramp.view(-1, 1).expand(SIDE, SIDE))
    ]
    return dark, bright, torch.stack(slopes).abs().amax(0)


def _lit(grey: Tensor, before: float, noise: Tensor) -> Tensor:
    """Which grey levels, or slopes, are not what noise makes of `before`.

    Noise moves them a little by chance, and all alike since `_levels` cuts its tails.
    """
    usual = grey.median()
    if (usual - before).abs() > 0.05 + noise.median() ** 2:
        return torch.ones_like(grey, dtype=torch.bool)
    return (grey - usual).abs() > 0.05 + 0.1 * noise


def _median(pixels: Tensor, which: Tensor) -> Tensor:
    """Of each row, the median of those pixels, or of all where there are none."""
    which = which | ~which.any(1, keepdim=True)
    return pixels.where(which, torch.nan).nanmedian(1).values


def _one_a_batch(values: Tensor) -> bool:
    """Whether values (64, n) vary between the batches far more than inside them."""
    batches = values.unflatten(0, (BATCHES, COPIES)).double()
    between = batches.mean(1).var(0).sum() * COPIES
    inside = batches.var(1).mean(0).sum()
    return bool(between > 5 * inside + 1e-6)
