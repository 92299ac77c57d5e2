"""A glioma grown in a healthy brain: where, how large, and what it does around it.

The shapes follow what the challenge's experts drew: a core, dead or not, inside a rim
that takes up contrast, of uneven thickness and with gaps; oedema that runs along white
matter, much less into grey, and never through fluid; neighbours pushed aside.
"""

import functools
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.data.synthetic.anatomy import (
    Brain,
    affine,
    in_template,
    template,
)
from course_utils.data.synthetic.fields import (
    SPACING,
    Stream,
    coordinates,
    length,
    neighbours,
    smooth,
)

CORE, OEDEMA, ENHANCING = 1, 2, 3
TWO_LESIONS = 0.2  # chance
SKULL = 14.0  # mm below the surface within which less and less can be pushed
FAR = 1000.0  # mm, where the oedema has not come


class Lesion(NamedTuple):
    """One tumour before it is grown.

    lobes: (centre, shape) of balls that make it together; centre float32 (3,), voxels;
    shape float32 (3, 3), turns voxels from the centre into radii. radius: mm, of the
    first. push: how far its border moves the brain, as a part of the radius. reach:
    how much farther than the radius it pushes.
    """

    lobes: list[tuple[Tensor, Tensor]]
    radius: float
    push: float
    reach: float


class Growth(NamedTuple):
    """A grown tumour: label uint8 (*GRID), and how much of each voxel, 0..1, is what.

    necrosis, solid: core, dead or alive without enhancement. enhancing, oedema.
    """

    label: Tensor
    necrosis: Tensor
    solid: Tensor
    enhancing: Tensor
    oedema: Tensor


def plan(stream: Stream, displacement: Tensor) -> list[Lesion]:
    """One lesion, or now and then two, at any place of the cerebrum's white matter.

    displacement: of the brain that they grow in, see anatomy.warp.
    """
    places = in_template(displacement, _cerebral()).nonzero().float()
    radius = stream.log_uniform(7, 23)
    first = _lesion(stream, places[stream.pick(len(places))], radius)
    apart = SPACING * (places - first.lobes[0][0]).norm(dim=1)
    places = places[(apart > 1.8 * radius + 15) & (apart < 2.5 * radius + 60)]
    if not len(places) or not stream.chance(TWO_LESIONS):
        return [first]
    radius = max(6.0, radius * stream.uniform(0.35, 0.8))
    return [first, _lesion(stream, places[stream.pick(len(places))], radius)]


@functools.lru_cache(maxsize=1)
def _cerebral() -> Tensor:
    """White matter of the template, without cerebellum, brainstem and midline: bool."""
    to_mm = torch.from_numpy(affine()).float()
    d, h, w = coordinates()
    x, y, z = (to_mm[i, i] * axis + to_mm[i, 3] for i, axis in enumerate((w, h, d)))
    cerebellum = (y < -38) & (z < -8 + 0.15 * (-38 - y))
    brainstem = (x.abs() < 20) & (y < -8) & (z < -4)
    return (template().white > 0.5) & ~cerebellum & ~brainstem & (x.abs() > 8)


def _lesion(stream: Stream, centre: Tensor, radius: float) -> Lesion:
    lobes = [(centre, _shape(stream, radius))]
    for _lobe in range(stream.pick(3)):
        aside = F.normalize(stream.normal(3), dim=0) * radius / SPACING
        smaller = radius * stream.uniform(0.45, 0.8)
        lobes.append((centre + 0.9 * aside, _shape(stream, smaller)))
    return Lesion(lobes, radius, stream.uniform(0.1, 0.6), stream.uniform(1.6, 2.8))


def _shape(stream: Stream, radius: float) -> Tensor:
    """A ball of this radius in mm, pulled long or flat in any direction."""
    turn, _r = torch.linalg.qr(stream.normal(3, 3))
    stretch = torch.exp(0.18 * stream.normal(3))
    return turn @ torch.diag(SPACING / radius / stretch) @ turn.T


def push(lesions: list[Lesion]) -> Tensor:
    """How the lesions displace the brain: voxels to add to find the template's.

    float32 (3, *GRID). Nothing moves at the skull.
    """
    give = (template().depth / SKULL).clamp(0, 1)
    moved = torch.zeros(3, *give.shape)
    for lesion in lesions:
        away = coordinates() - lesion.lobes[0][0].view(3, 1, 1, 1)
        radii = length(away) * (SPACING / lesion.radius) + 1e-3
        size = lesion.push * torch.exp(-((radii / lesion.reach) ** 2)) / radii.clamp(1)
        moved -= away * (size * give)
    return moved


def grow(
    stream: Stream, brain: Brain, lesions: list[Lesion], *, enhances: bool
) -> Growth:
    """Grow them in this brain. enhances: False for a low grade: a core, no rim."""
    inside = brain.inside > 0.5
    own = [_distance(stream, lesion) for lesion in lesions]
    distance = functools.reduce(torch.minimum, own) + 1.2 * (brain.fluid - 0.5).clamp(0)
    tumour = (smooth((distance < 1).float()) > 0.5) & inside
    # In mm; one voxel at least, or nothing: a gap.
    rim = stream.uniform(4.5, 9) * (1 + 0.45 * stream.field(14))
    nodules = stream.field(9) > stream.uniform(1.0, 2.4)
    enhancing = tumour & ((_below(tumour) < rim) | nodules) & enhances
    core = tumour & ~enhancing
    oedema = _oedema(stream, brain, tumour)
    seen = (oedema > 0.5) & inside & (brain.fluid < 0.6)
    seen = (smooth((seen | tumour).float(), 2) > 0.5) & inside
    label = torch.zeros_like(tumour, dtype=torch.uint8)
    label[seen] = OEDEMA
    label[core] = CORE
    label[enhancing] = ENHANCING
    return _fractions(stream, brain, label, oedema, enhances)


def _below(mask: Tensor) -> Tensor:
    """How far each voxel of a mask lies from its outside: mm, float32; 0 outside."""
    from scipy.ndimage import distance_transform_edt  # late: only here

    below = torch.zeros(mask.shape)
    if not mask.any():
        return below
    box = tuple(slice(max(0, i.min() - 1), i.max() + 2) for i in mask.nonzero().T)
    inner = distance_transform_edt(mask[box].numpy(), sampling=SPACING)
    below[box] = torch.from_numpy(inner).float()
    return below


def _distance(stream: Stream, lesion: Lesion) -> Tensor:
    """1 on the lesion's border, 0 in the middle of a lobe."""
    lobes = [
        length(torch.tensordot(shape, coordinates() - centre.view(3, 1, 1, 1), 1))
        for centre, shape in lesion.lobes
    ]
    distance = functools.reduce(torch.minimum, lobes)
    distance += 0.16 * stream.field(max(8.0, 0.9 * lesion.radius))
    return distance + 0.06 * stream.field(6)


def _oedema(stream: Stream, brain: Brain, tumour: Tensor) -> Tensor:
    """How much of each voxel swells, 0..1, fading outwards."""
    arrival = _arrival(brain, tumour)
    uneven = 0.3 * stream.field(24) + 0.12 * stream.field(8)
    reach = stream.log_uniform(6, 30)
    fade = stream.uniform(0.6, 3.0)
    return torch.sigmoid((reach * (1 + uneven) - arrival) / fade)


def _arrival(brain: Brain, tumour: Tensor) -> Tensor:
    """Way in mm from the tumour, as long as if all were white matter.

    A front that spreads from voxel to neighbour, on a grid half as fine.
    """
    cost = 1 + 3 * brain.grey + 12 * (brain.fluid + 1 - brain.inside)
    step, start = F.avg_pool3d(torch.stack([cost, tumour.float()])[None], 2)[0]
    step = 2 * SPACING * step
    arrival = torch.where(start > 0.5, -SPACING * start, FAR)
    for _step in range(12):
        nearest, cube = arrival, arrival
        for axis in range(3):
            least = torch.minimum(*neighbours(arrival, axis))
            nearest = torch.minimum(nearest, least + step)
            cube = torch.minimum(cube, torch.minimum(*neighbours(cube, axis)))
        arrival = torch.minimum(nearest, cube + 1.5 * step)
    arrival = arrival.clamp(max=80)[None, None]
    arrival = F.interpolate(arrival, scale_factor=2, mode="trilinear")[0, 0]
    # What half the resolution cannot tell: the cortex beside white matter.
    return arrival + 7 * (brain.grey - 0.4).clamp(0) + 10 * brain.fluid


def _fractions(
    stream: Stream, brain: Brain, label: Tensor, oedema: Tensor, enhances: bool
) -> Growth:
    def share(mask: Tensor) -> Tensor:
        mask = mask.float()
        return 0.5 * mask + 0.5 * smooth(mask)  # borders are never quite sharp

    core, enhancing = share(label == CORE), share(label == ENHANCING)
    uptake = stream.uniform(0.6, 1.0) + 0.2 * stream.field(7)
    lit = enhancing * uptake.clamp(0.25, 1)
    solid = enhancing - lit
    if enhances:  # the core of a high grade dies, more or less
        alive = (stream.uniform(-0.6, 0.5) + 0.4 * stream.field(14)).clamp(0, 1)
    else:
        alive = (0.9 + 0.2 * stream.field(14)).clamp(0, 1)
    strength = stream.uniform(0.55, 1.15) + 0.18 * stream.field(14)
    around = share(label > 0) * oedema * strength.clamp(0.2, 1.1)
    free = (1 - core - enhancing).clamp(0, 1) * (1 - brain.fluid)
    return Growth(
        label=label,
        necrosis=core * (1 - alive),
        solid=core * alive + solid,
        enhancing=lit,
        oedema=around * free * (brain.white + 0.75 * brain.grey).clamp(0, 1),
    )
