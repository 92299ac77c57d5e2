"""The loss explorer: what a loss charges for a prediction, and the gradient it returns.

Three losses, each with the output function that goes with it. Whichever is chosen, the
gradient with respect to the network's last sum z is the same: prediction minus target.
"""

from dataclasses import dataclass

import numpy as np

from course_utils.locale import _
from course_utils.widgets.activations import bracketed, logistic, result, short
from course_utils.widgets.base import (
    GRID,
    INK,
    PAPER,
    Interactive,
    Panel,
    number,
    panels_to_html,
    panels_to_png,
)
from course_utils.widgets.chart import Chart
from course_utils.widgets.controls import dropdown, named_slider

# --- the losses -----------------------------------------------------------------------


def half_squared_error(t, y):
    """1/2 (t - y)^2 for a target t and a prediction y."""
    return np.square(np.subtract(t, y)) / 2


def binary_cross_entropy(t, z):
    """-t ln p - (1 - t) ln(1 - p) with p = logistic(z), t 0 or 1; finite at any z."""
    return np.logaddexp(0, z) - np.multiply(t, z)


def softmax(z) -> np.ndarray:
    """e^z_k / Σ_i e^z_i, (K,) -> (K,), without overflow."""
    powers = np.exp(np.subtract(z, np.max(z)))
    return powers / powers.sum()


def cross_entropy(t: int, z) -> float:
    """-ln softmax(z)[t] for K logits z and the target's class t; finite at any z."""
    return float(np.logaddexp.reduce(z) - z[t])


LOSSES = ("mse", "bce", "ce")
TARGETS, OUTPUTS = (-1.5, 1.5), (-2.5, 2.5)  # of t and y
LOGITS, SCORES = (-6.0, 6.0), (-4.0, 4.0)  # of one z, of three


def _names() -> dict[str, str]:
    return {
        "mse": _("Squared error (regression)"),
        "bce": _("Binary cross-entropy"),
        "ce": _("Multiclass cross-entropy"),
    }


# --- what is shown --------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """A loss, a target and the network's last weighted sums.

    loss: "mse" (t any number, y = z), "bce" (t 0 or 1, p = logistic(z)) or "ce"
    (t the class 0, 1 or 2, p = softmax(z)).
    z: one number, or three for "ce". Raises ValueError naming what is none of these.
    """

    loss: str = "mse"
    target: float = 1.0
    z: tuple[float, ...] = (-1.0,)

    def __post_init__(self):
        if self.loss not in LOSSES:
            raise ValueError(
                _("There is no loss {name!r}: use one of {known}.").format(
                    name=self.loss, known=", ".join(LOSSES)
                )
            )
        count = 3 if self.loss == "ce" else 1
        if np.shape(self.z) != (count,) or not np.isfinite(self.z).all():
            raise ValueError(
                _("{loss}: z must hold {n} finite numbers, got {z}.").format(
                    loss=self.loss, n=count, z=self.z
                )
            )
        classes = {"bce": (0, 1), "ce": (0, 1, 2)}.get(self.loss, ())
        if classes and self.target not in classes:
            raise ValueError(
                _("{loss}: the target must be one of {known}, got {t}.").format(
                    loss=self.loss, known=", ".join(map(str, classes)), t=self.target
                )
            )
        if not np.isfinite(self.target):
            raise ValueError(_("The target must be a finite number."))

    @property
    def output(self) -> np.ndarray:
        """The prediction: y, p or the three p, (1,) or (3,)."""
        functions = {"mse": np.array, "bce": logistic, "ce": softmax}
        return functions[self.loss](self.z)

    @property
    def wanted(self) -> np.ndarray:
        """The target in the output's shape: t, or 1 at the target's class."""
        return np.eye(3)[self.target] if self.loss == "ce" else np.array([self.target])

    @property
    def value(self) -> float:
        """The loss."""
        if self.loss == "ce":
            return cross_entropy(self.target, self.z)
        loss = half_squared_error if self.loss == "mse" else binary_cross_entropy
        return float(loss(self.target, self.z[0]))

    @property
    def gradient(self) -> np.ndarray:
        """dL/dz: output minus target, whichever the loss, (1,) or (3,)."""
        return self.output - self.wanted


FIRST = {
    "mse": Settings(),
    "bce": Settings("bce", 1, (-1.5,)),
    "ce": Settings("ce", 1, (2.0, 1.0, -1.0)),
}


def describe(settings: Settings) -> str:
    """Output, loss and gradient in words: the alternative text of the picture."""
    return _(
        "{name}; output: {output}. For {target} the prediction is {prediction}, the "
        "loss {loss} and its gradient with respect to z, prediction minus target, "
        "{gradient}."
    ).format(
        name=_names()[settings.loss],
        output=", ".join(_output(settings)),
        target=_target_name(settings),
        prediction=_list(settings.output),
        loss=short(settings.value),
        gradient=_list(settings.gradient),
    )


def _output(settings: Settings) -> tuple[str, str]:
    """Name and formula of the output function."""
    return {
        "mse": (_("identity"), "y = z"),
        "bce": (_("logistic"), "p = 1 / (1 + exp(−z))"),
        "ce": ("softmax", "p_k = exp(z_k) / Σ exp(z_i)"),
    }[settings.loss]


def _target_name(settings: Settings) -> str:
    if settings.loss == "ce":
        return _("target class {name}").format(name=CLASSES[settings.target])
    return f"t = {number(settings.target)}"


def _list(values: np.ndarray) -> str:
    """One number, or several in brackets."""
    words = [short(v) for v in values]
    return words[0] if len(words) == 1 else f"[{'; '.join(words)}]"


# --- the drawing ----------------------------------------------------------------------

CLASSES = "ABC"
WIDE, NARROW, HEIGHT = 310, 200, 240  # of two panels, or of three side by side
LOSS, SLOPE = "#0072B2", "#B45F00"  # blue; a dark orange, legible as words


def render_html(settings: Settings) -> str:
    """The live view."""
    return panels_to_html(_panels(settings))


def render_png(settings: Settings) -> bytes:
    """The same as a PNG file, for those who see no live view."""
    return panels_to_png(_panels(settings))


def _panels(settings: Settings) -> list[Panel]:
    panels = {"mse": _mse_panels, "bce": _bce_panels, "ce": _ce_panels}
    return panels[settings.loss](settings)


def _mse_panels(settings: Settings) -> list[Panel]:
    t, (y,), value = settings.target, settings.z, settings.value
    many = np.linspace(*OUTPUTS, 121)
    chart = _loss_chart(_("Loss by prediction"), "y", OUTPUTS, 8.5, WIDE)
    chart.vline(t, GRID)
    chart.text(t + 0.1, 8.5, "t", INK, bold=True)
    chart.curve(many, half_squared_error(t, many), LOSS, stroke=2.5)
    _tangent_and_point(chart, settings, reach=0.8)
    arithmetic = f"½ ({number(t)} − {bracketed(y)})²"
    notes = [
        *_output_notes(settings),
        f"L = ½ (t − y)² = {arithmetic} {result(value)}",
    ]
    left = chart.panel(describe(settings), notes)
    formula, limits = "dL/dy = y − t", (-4.5, 4.5)
    return [left, _slope_panel(settings, "y", formula, many, many - t, limits, WIDE)]


def _bce_panels(settings: Settings) -> list[Panel]:
    t, (z,), (p,) = settings.target, settings.z, settings.output
    true, name = (p, "p") if t else (1 - p, "(1 − p)")
    charged = np.concatenate([np.geomspace(1e-3, 0.05, 50), np.linspace(0.06, 1, 50)])
    chart = _loss_chart(_("Loss by probability"), "p", (0, 1), 6.5, NARROW)
    chart.curve(charged if t else 1 - charged, -np.log(charged), LOSS, stroke=2.5)
    chart.dots(p, settings.value, LOSS, radius=5, edge=PAPER)
    notes = [
        *_output_notes(settings),
        f"L = −ln {name}",
        f"= −ln {short(true)} {result(settings.value)}",
    ]
    first = chart.panel(describe(settings), notes)
    many = np.linspace(*LOGITS, 121)
    chart = _loss_chart(_("Loss by logit"), "z", LOGITS, 6.5, NARROW)
    chart.curve(many, binary_cross_entropy(t, many), LOSS, stroke=2.5)
    _tangent_and_point(chart, settings, reach=2)
    notes = [f"z = {number(z)}", f"L {result(settings.value)}"]
    second = chart.panel(" ".join([_("Loss by logit"), *notes]), notes)
    formula, slopes, limits = "dL/dz = p − t", logistic(many) - t, (-1.1, 1.1)
    third = _slope_panel(settings, "z", formula, many, slopes, limits, NARROW)
    return [first, second, third]


def _ce_panels(settings: Settings) -> list[Panel]:
    t = settings.target
    p, name = settings.output[t], f"p_{CLASSES[t]}"
    charged = np.concatenate([np.geomspace(1e-4, 0.05, 50), np.linspace(0.06, 1, 50)])
    chart = _loss_chart(_("Loss by probability"), name, (0, 1), 9, NARROW)
    chart.curve(charged, -np.log(charged), LOSS, stroke=2.5)
    chart.dots(p, settings.value, LOSS, radius=5, edge=PAPER)
    notes = [
        *_output_notes(settings),
        f"L = −ln {name}",
        f"= −ln {short(p)} {result(settings.value)}",
    ]
    first = chart.panel(describe(settings), notes)
    title = "Softmax"
    chart = _bar_chart(title, "p", (0, 1.15), settings.output, LOSS)
    note = _("Dashed: the target t, 1 at class {name}.").format(name=CLASSES[t])
    edges = np.array([t - 0.4, t - 0.4, t + 0.4, t + 0.4])
    chart.curve(edges, [0, 1, 1, 0], INK, stroke=1.2, dashed=True)
    second = chart.panel(
        f"{title}: {_list(settings.output)}. {note}", [f"z = {_list(settings.z)}", note]
    )
    title = _("Gradient")
    chart = _bar_chart(title, "dL/dz", (-1.35, 1.35), settings.gradient, SLOPE)
    chart.hline(0, GRID, dashed=False)
    notes = ["dL/dz = p − t", f"{CLASSES[t]}: {short(p)} − 1 {result(p - 1)}"]
    third = chart.panel(f"{title}: {notes[0]} = {_list(settings.gradient)}", notes)
    return [first, second, third]


def _loss_chart(title: str, x: str, reach: tuple, top: float, width: int) -> Chart:
    return Chart(title, x, _("loss L"), reach, (0, top), width, HEIGHT)


def _output_notes(settings: Settings) -> list[str]:
    name, formula = _output(settings)
    return [_("Output: {name}").format(name=name), formula]


def _tangent_and_point(chart: Chart, settings: Settings, reach: float) -> None:
    (z,), value, (slope,) = settings.z, settings.value, settings.gradient
    away = np.array([-reach, reach])
    name = _("tangent")
    chart.curve(z + away, value + slope * away, SLOPE, stroke=1.5, name=name)
    chart.dots(z, value, LOSS, radius=5, edge=PAPER)


def _slope_panel(settings, x, formula, many, slopes, limits, width) -> Panel:
    """The gradient of a single output, and its arithmetic."""
    (output,), (slope,), (z,) = settings.output, settings.gradient, settings.z
    title, reach = _("Gradient"), (many[0], many[-1])
    chart = Chart(title, x, formula.split(" =")[0], reach, limits, width, HEIGHT)
    chart.hline(0, GRID)
    chart.curve(many, slopes, SLOPE, stroke=2.5)
    chart.dots(z, slope, SLOPE, radius=5, edge=PAPER)
    difference = f"{short(output)} − {bracketed(settings.target)}"
    notes = [formula, f"= {difference} {result(slope)}"]
    return chart.panel(f"{title}: {' '.join(notes)}", notes)


def _bar_chart(title, y_label, limits, values, color) -> Chart:
    """A bar for each class, with its number above or below it."""
    names = list(CLASSES)
    size = {"width": NARROW, "height": HEIGHT, "x_names": names}
    chart = Chart(title, _("class"), y_label, (-0.6, 2.6), limits, **size)
    chart.bars(range(3), values, color)
    apart = 0.05 * (limits[1] - limits[0])
    for k, value in enumerate(values):
        y = value + (apart if value >= 0 else -apart)
        chart.text(k, y, number(value), INK, align="center")
    return chart


# --- the controls ---------------------------------------------------------------------


def loss_explorer(loss: str = "mse") -> "LossExplorer":
    """Controls around a loss: which, its target, and the network's last sums.

    loss: the first one, "mse", "bce" or "ce". Raises ValueError for any other.
    """
    return LossExplorer(FIRST.get(loss) or Settings(loss))


class LossExplorer(Interactive):
    """What `loss_explorer` returns; its controls can be set from code too.

    loss: Dropdown. targets: loss -> FloatSlider or Dropdown. z: loss -> list of
    FloatSlider. view: HTML. settings: the `Settings` shown now.
    """

    def __init__(self, first: Settings):
        import ipywidgets as w

        self.loss = dropdown(_("Loss"), _names(), first.loss)
        target = FIRST["mse"].target
        t, t_row = named_slider(_("Target t"), target, TARGETS)
        self.targets = {
            "mse": t,
            "bce": dropdown(_("Target t"), (0, 1), FIRST["bce"].target),
            "ce": dropdown(
                _("Target class"), dict(enumerate(CLASSES)), FIRST["ce"].target
            ),
        }
        self._rows = {"mse": [t_row], **{k: [self.targets[k]] for k in ("bce", "ce")}}
        self.z = {loss: [] for loss in LOSSES}
        for loss, words, reach in (
            ("mse", [_("Prediction y")], OUTPUTS),
            ("bce", ["Logit z"], LOGITS),
            ("ce", [f"Logit z_{k}" for k in CLASSES], SCORES),
        ):
            for word, value in zip(words, FIRST[loss].z, strict=True):
                slider, row = named_slider(word, value, reach)
                self.z[loss].append(slider)
                self._rows[loss].append(row)
        self._controls, self.view = w.VBox(), w.HTML()
        self._show(first)
        everything = w.VBox([self.loss, self._controls, self.view])
        super().__init__(everything, render_png(first), describe(first))
        sliders = [slider for sliders in self.z.values() for slider in sliders]
        for control in (self.loss, *self.targets.values(), *sliders):
            control.observe(self._changed, "value")

    def _changed(self, change) -> None:
        # A browser's slider says 0.30000000000000004 where its box says 0.3.
        loss = self.loss.value
        target = round(self.targets[loss].value, 3)
        z = tuple(round(slider.value, 3) for slider in self.z[loss])
        self._show(Settings(loss, target, z))

    def _show(self, settings: Settings) -> None:
        self.settings = settings
        self._controls.children = self._rows[settings.loss]
        self.view.value = render_html(settings)
