"""Drawing smoothly joined capsules: a distance field, and rays that march to it.

Sphere tracing: Hart, J. C. (1996). The Visual Computer 12(10).
https://doi.org/10.1007/s003710050084
Smooth union by a sum of exponentials, after Quilez, I. (2013), "smooth minimum",
https://iquilezles.org/articles/smin/
"""

from typing import NamedTuple

import torch
from torch import Tensor

FINGER_BLEND, PALM_BLEND = 0.12, 0.40  # cm, width of the smooth union
SHARPER = PALM_BLEND / FINGER_BLEND
STEPS = 12
NEAR = 0.05  # cm from the surface: the ray has arrived
GRAZING = 0.25  # cm: so near after all steps, it touches
OCCLUDERS = ((0.4, 0.5), (1.4, 0.5))  # how far out we look for them, cm, and weight
SHADOW_STEPS = (0.3, 0.8, 2.0)  # cm towards the light


class Field:
    """Distance to m capsules, cm: negative inside, exact only far from the joins.

    start, end: float32 (m, 3). start_radius, end_radius: float32 (m,). palm: the first
    so many are joined widely, the others narrowly.
    """

    def __init__(self, start, end, start_radius, end_radius, palm: int):
        along = end - start
        length2 = (along * along).sum(1).clamp_min(1e-8)
        self.start, self.along, self.length2 = start, along, length2
        # The place of p's nearest point on an axis, in shares of its length, is
        # p @ unit + shift, cut to 0..1.
        self.unit = (along / length2[:, None]).T.contiguous()
        self.shift = -(start * along).sum(1) / length2
        self.twice = -2 * start.T.contiguous()
        self.start2 = (start * start).sum(1)
        self.radius, self.taper = start_radius, end_radius - start_radius
        self.palm = palm

    def __call__(self, p: Tensor) -> Tensor:
        """Distances (k,) of points p (k, 3)."""
        distance = self._capsules(p)[0]
        _palm, palms, fingers = self._nearness(distance)
        outer = palms**SHARPER
        total = outer.add_(fingers.sum(1)).clamp_min_(1e-30)
        return total.log_().mul_(-FINGER_BLEND)

    def normal(self, p: Tensor) -> Tensor:
        """The field's unit gradient (k, 3) at points p (k, 3)."""
        distance, axis, place = self._capsules(p)
        palm, palms, fingers = self._nearness(distance)
        share = palm * palms[:, None] ** (SHARPER - 1)
        # Each capsule pushes away from the nearest point of its axis.
        push = torch.cat([share, fingers], dim=1) / axis
        towards = push @ self.start + (push * place) @ self.along
        return torch.nn.functional.normalize(p * push.sum(1, keepdim=True) - towards)

    def _capsules(self, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Distance to each capsule and to its axis, place along it: (k, m) each."""
        place = torch.addmm(self.shift, p, self.unit)
        cut = place.clamp(0, 1)
        # |p - start - cut * along|^2, multiplied out to spare (k, m, 3) numbers.
        apart2 = torch.addmm(self.start2, p, self.twice)
        apart2 += (p * p).sum(1, keepdim=True)
        apart2 += place.mul_(-2).add_(cut).mul_(cut).mul_(self.length2)
        axis = apart2.clamp_min_(1e-6).sqrt_()
        return axis - self.radius - cut * self.taper, axis, cut

    def _nearness(self, distance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """exp(-distance / blend) of the palm's capsules, its sum, of the fingers'."""
        palm = distance[:, : self.palm].mul(-1 / PALM_BLEND).exp_()
        fingers = distance[:, self.palm :].mul(-1 / FINGER_BLEND).exp_()
        return palm, palm.sum(1).clamp_min_(1e-30), fingers


class Surface(NamedTuple):
    """What k rays found. ray: int64 (k,), which of the rays. point, normal: (k, 3).
    occlusion: (k,), 0 open .. 1 hidden. light: (k,), 0 in shadow .. 1."""

    ray: Tensor
    point: Tensor
    normal: Tensor
    occlusion: Tensor
    light: Tensor


def trace(field: Field, xy: Tensor, near: float, far: float, light: Tensor) -> Surface:
    """March rays along -z from z = near until the surface or z = far.

    xy: float32 (k, 2), where the rays run, cm. light: unit vector (3,), towards it.
    """
    p = torch.cat([xy, torch.full((len(xy), 1), near)], dim=1)
    arrived = torch.zeros(len(p), dtype=torch.bool)
    active = torch.arange(len(p))
    for _step in range(STEPS):
        if not len(active):
            break
        distance = field(p[active])
        p[active, 2] -= 0.95 * distance  # a smooth union may overestimate a little
        arrived[active[distance < NEAR]] = True
        active = active[(distance >= NEAR) & (p[active, 2] > far)]
    if len(active):
        arrived[active[field(p[active]) < GRAZING]] = True
    ray = arrived.nonzero()[:, 0]
    p = p[ray]
    normal = field.normal(p)
    occlusion = torch.zeros(len(p))
    for out, weight in OCCLUDERS:
        occlusion += weight * (1 - field(p + out * normal) / out).clamp(0, 1)
    lit = torch.ones(len(p))
    start = p + 0.1 * normal
    for out in SHADOW_STEPS:
        free = field(start + out * light) / out
        lit = torch.minimum(lit, (0.5 + 5 * free).clamp(0, 1))
    return Surface(ray, p, normal, occlusion, lit)
