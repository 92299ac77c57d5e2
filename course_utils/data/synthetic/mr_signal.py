"""Four MR pictures of a brain, from signal equations and the faults of a scanner.

Signals as in Bernstein, M. A., King, K. F., Zhou, X. J. (2004). Handbook of MRI Pulse
Sequences. Relaxation times are for 1.5 to 3 T.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.data.synthetic.anatomy import Brain
from course_utils.data.synthetic.fields import Stream, coordinates, smooth
from course_utils.data.synthetic.tumour import Growth


class Tissue(NamedTuple):
    """t1, t2: relaxation times, ms. density: of protons, water 1."""

    t1: float
    t2: float
    density: float


TISSUES = {
    "white": Tissue(830, 78, 0.70),
    "grey": Tissue(1330, 93, 0.82),
    "fluid": Tissue(4000, 1800, 1.00),
    "necrosis": Tissue(2600, 260, 0.95),
    "solid": Tissue(1900, 165, 0.90),
    "enhancing": Tissue(1450, 125, 0.86),
    "oedema": Tissue(1800, 190, 0.90),
    "lesion": Tissue(1300, 130, 0.82),  # of ageing white matter: nothing to do with it
    "blood": Tissue(1600, 50, 0.80),  # flows: dark where there is time for it
    "scalp": Tissue(400, 90, 0.80),  # fat and skin that skull-stripping left
}
RELAXIVITY = 4.5  # 1/s of gadolinium, per mmol/l
# The template knows more of T1 than three tissues explain; T2 sees the inverse of it.
DETAIL = {"flair": -0.25, "t1": 0.8, "t1ce": 0.8, "t2": -0.4}
Sequence = Callable[[Tissue], float]


def spoiled_echo(tissue: Tissue, tr: float, te: float, degrees: float) -> float:
    """Signal of a spoiled gradient echo. tr, te: ms."""
    angle, decay = math.radians(degrees), math.exp(-tr / tissue.t1)
    steady = math.sin(angle) * (1 - decay) / (1 - math.cos(angle) * decay)
    return tissue.density * steady * math.exp(-te / tissue.t2)


def spin_echo(tissue: Tissue, tr: float, te: float) -> float:
    """Signal of a spin echo. tr, te: ms."""
    recovered = 1 - math.exp(-tr / tissue.t1)
    return tissue.density * recovered * math.exp(-te / tissue.t2)


def inversion_recovery(tissue: Tissue, tr: float, ti: float, te: float) -> float:
    """Magnitude of the signal of an inversion recovery. tr, ti, te: ms."""
    recovered = 1 - 2 * math.exp(-ti / tissue.t1) + math.exp(-tr / tissue.t1)
    return tissue.density * abs(recovered) * math.exp(-te / tissue.t2)


def scan(stream: Stream, brain: Brain, growth: Growth) -> Tensor:
    """FLAIR, T1, T1ce and T2 as one scanner sees them: float32 (4, *GRID).

    Each z-scored inside the brain, 0 outside.
    """
    tissues = {name: _vary(stream, tissue) for name, tissue in TISSUES.items()}
    tissues["necrosis"] = tissues["necrosis"]._replace(t1=stream.uniform(1900, 3100))
    oedema = tissues["oedema"]
    tissues["oedema"] = oedema._replace(t2=oedema.t2 * stream.uniform(0.85, 1.3))
    lit = _with_gadolinium(tissues, stream.log_uniform(0.2, 0.6))
    content = _content(stream, brain, growth)
    pictures = []
    for name, sequence in _protocol(stream).items():
        shown = lit if name == "t1ce" else tissues
        picture = sum(sequence(shown[t]) * part for t, part in content.items())
        healthy = content["white"] + content["grey"]
        picture = picture * (1 + DETAIL[name] * (brain.detail - 1) * healthy)
        pictures.append(_through_scanner(stream, picture, brain))
    return torch.stack(pictures)


def _vary(stream: Stream, tissue: Tissue) -> Tissue:
    """The same tissue in another person or at another field strength."""
    return Tissue(
        tissue.t1 * math.exp(stream.uniform(-0.12, 0.12)),
        tissue.t2 * math.exp(stream.uniform(-0.05, 0.05)),
        tissue.density * stream.uniform(0.97, 1.03),
    )


def _with_gadolinium(tissues: dict[str, Tissue], dose: float) -> dict[str, Tissue]:
    """What the contrast agent does: dose in mmol/l, where the barrier leaks; blood."""
    lit = dict(tissues)
    for name, part in {"enhancing": 1.0, "blood": 2.5, "solid": 0.04}.items():
        rate = 1000 / tissues[name].t1 + RELAXIVITY * dose * part
        lit[name] = tissues[name]._replace(t1=1000 / rate)
    return lit


def _protocol(stream: Stream) -> dict[str, Sequence]:
    """The four sequences of one hospital."""
    tr, te = stream.uniform(8000, 10000), stream.uniform(90, 140)
    fluid = TISSUES["fluid"].t1
    null = fluid * math.log(2 / (1 + math.exp(-tr / fluid)))  # where fluid is silent
    ti = null * stream.uniform(0.9, 1.05)
    t2_tr, t2_te = stream.uniform(3500, 6000), stream.uniform(80, 115)
    plain = _t1_weighted(stream)
    return {
        "flair": lambda tissue: inversion_recovery(tissue, tr, ti, te),
        "t1": plain,
        "t1ce": plain if stream.chance(0.5) else _t1_weighted(stream),
        "t2": lambda tissue: spin_echo(tissue, t2_tr, t2_te),
    }


def _t1_weighted(stream: Stream) -> Sequence:
    kind = stream.pick(3)
    if kind == 0:
        degrees = stream.uniform(18, 30)
        return lambda tissue: spoiled_echo(tissue, 9, 4, degrees)
    if kind == 1:
        tr, te = stream.uniform(450, 700), stream.uniform(9, 16)
        return lambda tissue: spin_echo(tissue, tr, te)
    ti = stream.uniform(850, 1100)
    return lambda tissue: inversion_recovery(tissue, 2200, ti, 3)


def _content(stream: Stream, brain: Brain, growth: Growth) -> dict[str, Tensor]:
    """How much of each voxel is which of TISSUES, summing to 1 in the brain."""
    content = {
        "necrosis": growth.necrosis,
        "solid": growth.solid,
        "enhancing": growth.enhancing,
        "oedema": growth.oedema,
    }
    free = (brain.inside - sum(content.values())).clamp(0, 1)
    ageing = free * _ageing(stream, brain)
    free = free - ageing
    blood = free * _vessels(stream, brain)
    free = free - blood
    scalp = free * _scalp(stream, brain)
    free = free - scalp
    return {
        **content,
        "lesion": ageing,
        "blood": blood,
        "scalp": scalp,
        "white": brain.white * free,
        "grey": brain.grey * free,
        "fluid": brain.fluid * free,
    }


def _ageing(stream: Stream, brain: Brain) -> Tensor:
    """Bright caps of the ventricles and spots in white matter, which nobody labels."""
    ventricle = smooth((brain.fluid > 0.6).float() * (brain.depth > 16), 2)
    caps = 2 * ventricle * (0.4 + 0.5 * stream.field(12)).clamp(0, 1)
    spots = (stream.field(5) - stream.uniform(2.0, 3.5)).clamp(0, 1)
    caps, spots = caps * stream.uniform(0, 1), spots * stream.uniform(0, 1)
    return ((caps + spots) * brain.white).clamp(0, 0.7)


def _vessels(stream: Stream, brain: Brain) -> Tensor:
    """Threads, where two random surfaces meet, in the fluid; the choroid plexus."""
    threads = torch.exp(-(stream.field(11) ** 2 + stream.field(11) ** 2) / 0.012)
    outer = (brain.depth < 16) & (brain.depth > 0)
    threads = threads * (0.15 + brain.fluid).clamp(0, 1) * outer
    ventricle = (brain.fluid > 0.8) & (brain.depth > 30)
    plexus = (stream.field(8) - 1.2).clamp(0, 1) * ventricle
    return (stream.uniform(0.5, 1) * threads + 0.7 * plexus).clamp(0, 0.9)


def _scalp(stream: Stream, brain: Brain) -> Tensor:
    """Remnants on the surface, in one patient of three."""
    amount = stream.chance(0.35) * stream.uniform(0.3, 1)
    surface = smooth(brain.inside) < 0.75
    return amount * (stream.field(14) - 0.5).clamp(0, 1) * surface


def _through_scanner(stream: Stream, picture: Tensor, brain: Brain) -> Tensor:
    """Texture, blur, uneven coil, noise, and the z-score of what is in the brain."""
    inside = brain.inside > 0.5
    picture = picture * (1 + 0.067 * smooth(stream.normal(*picture.shape)))
    picture = picture * torch.exp(stream.uniform(0.02, 0.12) * stream.field(60))
    slices = (1, 1, 1, 2, 3)[stream.pick(5)]  # voxels that a thick slice averages
    if slices > 1:
        picture = _thick(picture, slices)
    picture = torch.lerp(picture, smooth(picture), stream.uniform(0, 0.45))
    level = stream.log_uniform(0.008, 0.04) * picture[inside].mean()
    real = picture + level * stream.normal(*picture.shape)
    # The magnitude of a complex signal: noise after Rice.
    picture = torch.hypot(real, level * stream.normal(*picture.shape))
    if stream.chance(0.06):
        picture = picture * _seen(stream, inside)
    values = picture[inside]
    return torch.where(inside, (picture - values.mean()) / values.std(), 0.0)


def _seen(stream: Stream, inside: Tensor) -> Tensor:
    """False above a tilted plane near the crown, where this sequence's slices ended."""
    crown = int(inside.any(2).any(1).nonzero().max())
    d, _h, w = coordinates()
    slope = stream.uniform(-0.15, 0.15)
    return d < crown - stream.uniform(0, 9) + slope * (w - inside.shape[2] / 2)


def _thick(picture: Tensor, slices: int) -> Tensor:
    """What slices of several voxels, interpolated again, leave of it."""
    sides = list(picture.shape)
    thick = F.avg_pool3d(picture[None, None], (slices, 1, 1), ceil_mode=True)
    sides[0] = thick.shape[2] * slices
    again = F.interpolate(thick, size=sides, mode="trilinear")
    return again[0, 0, : picture.shape[0]]
