"""The activation explorer: eight activation functions, and where their slope dies.

From top to bottom: the functions, what is shown, the drawing, the controls. All but the
controls is a pure function of `Settings`.
"""

from dataclasses import dataclass

import numpy as np

from course_utils.locale import _
from course_utils.widgets.base import (
    GRID,
    PAPER,
    Interactive,
    Panel,
    number,
    panels_to_html,
    panels_to_png,
)
from course_utils.widgets.chart import Chart
from course_utils.widgets.controls import dropdown, named_slider

# --- the functions --------------------------------------------------------------------


def logistic(z):
    """1 / (1 + e^-z), without overflow at any z."""
    return np.exp(-np.logaddexp(0, np.negative(z)))


def _logistic_slope(z):
    return logistic(z) * logistic(np.negative(z))  # h (1 - h), exact in the far tails


def _flat(z):
    return np.where(np.equal(z, 0), np.nan, 0.0)


def _piecewise_slope(z):
    inside = (np.abs(z) < 0.5).astype(float)
    return np.where(np.abs(z) == 0.5, np.nan, inside)


# Name -> (function, derivative), both of a number or an array, as the deck's table
# (Raschka 2016) defines them. A derivative is NaN where there is none; ReLU's at 0 is
# 0 as in PyTorch, where learners will meet it.
ACTIVATIONS = {
    "step": (lambda z: np.heaviside(z, 0.5), _flat),
    "sign": (np.sign, _flat),
    "linear": (lambda z: np.multiply(z, 1.0), np.ones_like),
    "piecewise": (lambda z: np.clip(np.add(z, 0.5), 0, 1), _piecewise_slope),
    "logistic": (logistic, _logistic_slope),
    "tanh": (np.tanh, lambda z: 4 * _logistic_slope(np.multiply(z, 2))),
    "relu": (lambda z: np.maximum(z, 0.0), lambda z: np.greater(z, 0).astype(float)),
    "softplus": (lambda z: np.logaddexp(0, z), logistic),
}
JUMPS = {"step": (0.0,), "sign": (0.0,)}
KINKS = {**JUMPS, "piecewise": (-0.5, 0.5), "relu": (0.0,)}
FORMULAS = {  # and the range
    "step": ("0 (u < 0), ½ (u = 0), 1 (u > 0)", "{0, ½, 1}"),
    "sign": ("−1 (u < 0), 0 (u = 0), 1 (u > 0)", "{−1, 0, 1}"),
    "linear": ("u", "(−∞, ∞)"),
    "piecewise": ("min(1, max(0, u + ½))", "[0, 1]"),
    "logistic": ("1 / (1 + e⁻ᵘ)", "(0, 1)"),
    "tanh": ("(eᵘ − e⁻ᵘ) / (eᵘ + e⁻ᵘ)", "(−1, 1)"),
    "relu": ("max(0, u)", "[0, ∞)"),
    "softplus": ("ln(1 + eᵘ)", "(0, ∞)"),
}
REACH, SLOPES, SHIFTS = (-6.0, 6.0), (-4.0, 4.0), (-5.0, 5.0)  # of z, a and b
DEAD = 0.05  # of the largest slope


def _names() -> dict[str, str]:
    return {
        "step": _("Unit step (Heaviside)"),
        "sign": _("Sign"),
        "linear": _("Linear"),
        "piecewise": _("Piecewise linear"),
        "logistic": _("Logistic (sigmoid)"),
        "tanh": _("Hyperbolic tangent"),
        "relu": "ReLU",
        "softplus": "Softplus",
    }


# --- what is shown --------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """A neuron with one input, γ(u) with u = a z + b, and a point z on its curve.

    name: a key of `ACTIVATIONS`.
    slope: a, from -4 to 4. shift: b, from -5 to 5. point: z, from -6 to 6.
    Raises ValueError naming the argument that is none of these.
    """

    name: str = "logistic"
    slope: float = 1.0
    shift: float = 0.0
    point: float = 1.0

    def __post_init__(self):
        if self.name not in ACTIVATIONS:
            raise ValueError(
                _("There is no activation {name!r}: use one of {known}.").format(
                    name=self.name, known=", ".join(ACTIVATIONS)
                )
            )
        numbers = {"slope": SLOPES, "shift": SHIFTS, "point": REACH}
        for name, (low, high) in numbers.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(
                    _("{name} must lie between {low} and {high}, got {value}.").format(
                        name=name,
                        low=number(low),
                        high=number(high),
                        value=getattr(self, name),
                    )
                )

    def inside(self, z):
        """u = a z + b, rounded so that a kink is met where decimals say it is."""
        return np.round(np.multiply(self.slope, z) + self.shift, 9)

    def value(self, z):
        return ACTIVATIONS[self.name][0](self.inside(z))

    def derivative(self, z):
        """With respect to z: a γ′(u)."""
        return self.slope * ACTIVATIONS[self.name][1](self.inside(z))

    @property
    def steepest(self) -> float:
        """The largest |derivative| at any z, also one out of sight."""
        slopes = ACTIVATIONS[self.name][1](np.linspace(-40, 40, 801))
        return abs(self.slope) * float(np.nanmax(slopes))


def dead_zones(settings: Settings) -> list[tuple[float, float]]:
    """Intervals of z in sight where |derivative| < 5 % of its largest value.

    All of it where the largest value is 0.
    """
    z = _places(settings)
    slope = np.abs(np.nan_to_num(settings.derivative(z)))
    dead = (slope < DEAD * settings.steepest) | (settings.steepest == 0)
    edges = np.flatnonzero(np.diff(np.pad(dead, 1).astype(int)))
    return [(z[i], z[j - 1]) for i, j in edges.reshape(-1, 2).tolist()]


def _kinks(settings: Settings, kinks: dict[str, tuple[float, ...]]) -> np.ndarray:
    """The z in sight at which u is a kink."""
    if settings.slope == 0:
        return np.empty(0)
    z = (np.array(kinks.get(settings.name, ())) - settings.shift) / settings.slope
    return z[np.abs(z) <= REACH[1]]


def _places(settings: Settings) -> np.ndarray:
    """Where the curves are computed: evenly, and close on both sides of each kink."""
    kinks = _kinks(settings, KINKS)
    near = [kinks - 1e-6, kinks, kinks + 1e-6]
    return np.unique(np.concatenate([np.linspace(*REACH, 481), *near]))


def describe(settings: Settings) -> str:
    """The point and its slope in words: the alternative text of the picture."""
    text = _(
        "{name}, {formula} with u = {u}: at z = {z} the value is {value} and the "
        "derivative with respect to z is {slope}."
    ).format(
        name=_names()[settings.name],
        formula=_formula(settings),
        u=f"{number(settings.slope)}·z + {bracketed(settings.shift)}",
        z=number(settings.point),
        value=short(settings.value(settings.point)),
        slope=_slope_text(settings),
    )
    zones = dead_zones(settings)
    if not zones:
        return text + " " + _("The gradient dies nowhere.")
    where = ", ".join(f"[{number(low, 1)}, {number(high, 1)}]" for low, high in zones)
    return text + " " + _("The gradient dies for z in {where}.").format(where=where)


def _formula(settings: Settings) -> str:
    return f"γ(u) = {FORMULAS[settings.name][0]}"


def _slope_text(settings: Settings) -> str:
    slope = settings.derivative(settings.point)
    return _("undefined") if np.isnan(slope) else short(slope)


def short(value: float) -> str:
    """Three decimals, five for what would be lost in three."""
    return number(value, 3 if abs(value) >= 0.01 else 5)


def result(value: float) -> str:
    """The end of an equation: = 2, but ≈ 0.731."""
    exact = np.isclose(value, round(float(value), 3), rtol=0, atol=1e-9)
    return f"{'=' if exact else '≈'} {short(value)}"


def bracketed(value: float) -> str:
    """A number to stand after a sign."""
    return f"({number(value)})" if value < 0 else number(value)


# --- the drawing ----------------------------------------------------------------------

WIDTH, HEIGHT = 310, 240
FUNCTION, SLOPE, ZONE = (
    "#0072B2",
    "#B45F00",
    "#E3E3E3",
)  # blue; a dark orange, for words
HEIGHTS = {  # y limits of the function
    **dict.fromkeys(("step", "piecewise", "logistic"), (-0.2, 1.2)),
    **dict.fromkeys(("sign", "tanh"), (-1.4, 1.4)),
    **dict.fromkeys(("relu", "softplus"), (-1, 6)),
    "linear": (-6, 6),
}


def render_html(settings: Settings) -> str:
    """The live view."""
    return panels_to_html(_panels(settings))


def render_png(settings: Settings) -> bytes:
    """The same as a PNG file, for those who see no live view."""
    return panels_to_png(_panels(settings))


def _panels(settings: Settings) -> list[Panel]:
    return [_function_panel(settings), _derivative_panel(settings)]


def _function_panel(settings: Settings) -> Panel:
    z, at = _places(settings), settings.point
    value, slope = settings.value(at), settings.derivative(at)
    low, high = HEIGHTS[settings.name]
    limits = min(low, value), max(high, value)  # the point stays in sight
    title = _names()[settings.name]
    chart = Chart(title, "z", "γ(a z + b)", REACH, limits, WIDTH, HEIGHT)
    chart.hline(0, GRID)
    jumps = _kinks(settings, JUMPS)
    heights = np.where(np.isin(z, jumps), np.nan, settings.value(z))
    chart.curve(z, heights, FUNCTION, stroke=2.5)
    chart.dots(jumps, settings.value(jumps), FUNCTION)
    if np.isfinite(slope):
        ends = np.array([at - 2, at + 2])
        tangent, name = value + slope * (ends - at), _("tangent")
        chart.curve(ends, tangent, SLOPE, stroke=1.5, name=name)
    chart.dots(at, value, FUNCTION, radius=5, edge=PAPER)
    a, b = number(settings.slope), bracketed(settings.shift)
    u = number(settings.inside(at))
    notes = [
        _formula(settings),
        _("range: {range}").format(range=FORMULAS[settings.name][1]),
        f"u = a·z + b = {a}·{bracketed(at)} + {b} = {u}",
        f"γ(u) = γ({u}) {result(value)}",
    ]
    return chart.panel(describe(settings), notes)


def _derivative_panel(settings: Settings) -> Panel:
    z, at, slope = _places(settings), settings.point, settings.slope
    top = max(abs(slope), 1) * (settings.steepest / abs(slope) if slope else 1) or 1
    limits = (-1.15 * top, 0.15 * top) if slope < 0 else (-0.15 * top, 1.15 * top)
    title = _("Derivative with respect to z")
    chart = Chart(title, "z", "a·γ′(a z + b)", REACH, limits, WIDTH, HEIGHT)
    for zone in dead_zones(settings):
        chart.band(*zone, ZONE)
    chart.hline(0, GRID)
    kinks = _kinks(settings, KINKS)
    slopes = np.where(np.isin(z, kinks), np.nan, settings.derivative(z))
    chart.curve(z, slopes, SLOPE, stroke=2.5)
    here = settings.derivative(at)
    chart.dots(at, here, SLOPE, radius=5, edge=PAPER)
    inner = ACTIVATIONS[settings.name][1](settings.inside(at))
    product = _("a·γ′(u): undefined here, a jump or a corner")
    if np.isfinite(here):
        product = f"a·γ′(u) = {number(slope)}·{short(inner)} {result(here)}"
    notes = [product, _zone_note(settings)]
    return chart.panel(" ".join([title, *notes]), notes)


def _zone_note(settings: Settings) -> str:
    if settings.steepest == 0:
        return _(
            "Grey: here the gradient dies. It is 0 wherever it exists: gradient "
            "descent learns nothing through it."
        )
    if not dead_zones(settings):
        return _("No grey zone in sight: here the gradient lives.")
    return _(
        "Grey: here the gradient dies (below {part} of its largest value, {value})."
    ).format(part="5%", value=short(settings.steepest))


# --- the controls ---------------------------------------------------------------------


def activation_explorer(name: str = "logistic") -> "ActivationExplorer":
    """Controls around an activation function: which, its slope and shift, a point.

    name: the first one, a key of `ACTIVATIONS`. Raises ValueError for any other.
    """
    return ActivationExplorer(Settings(name))


class ActivationExplorer(Interactive):
    """What `activation_explorer` returns; its controls can be set from code too.

    name: Dropdown. slope, shift, point: FloatSlider. view: HTML.
    settings: the `Settings` shown now.
    """

    def __init__(self, first: Settings):
        import ipywidgets as w

        self.name = dropdown(_("Activation"), _names(), first.name)
        self.slope, a = named_slider(_("Slope a"), first.slope, SLOPES)
        self.shift, b = named_slider(_("Shift b"), first.shift, SHIFTS)
        self.point, z = named_slider(_("Point z"), first.point, REACH)
        self.view = w.HTML()
        self._show(first)
        controls = w.VBox([self.name, a, b, z, self.view])
        super().__init__(controls, render_png(first), describe(first))
        for control in (self.name, self.slope, self.shift, self.point):
            control.observe(self._changed, "value")

    def _changed(self, change) -> None:
        # A browser's slider says 0.30000000000000004 where its box says 0.3.
        sliders = (self.slope, self.shift, self.point)
        self._show(Settings(self.name.value, *(round(s.value, 3) for s in sliders)))

    def _show(self, settings: Settings) -> None:
        self.settings = settings
        self.view.value = render_html(settings)
