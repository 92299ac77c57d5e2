"""The playground of universal approximation: a small network learns a curve, live.

Here are the drawing, a pure function of `Settings` and `State`, and the controls; what
is drawn, and its words, come from approximation.py.
"""

from dataclasses import replace

import numpy as np

from course_utils.locale import _
from course_utils.plots import COLORS
from course_utils.widgets.approximation import (
    CURVES,
    LOSS_LIMIT,
    MOST_HIDDEN,
    MOST_NOISE,
    POINTS,
    RECORD,
    WHERE,
    Settings,
    State,
    activation_names,
    advance,
    contributions,
    curve_names,
    data,
    dead_neurons,
    describe,
    distance_words,
    diverged_words,
    losses,
    predict,
    short,
    start,
)
from course_utils.widgets.base import (
    MUTED,
    Interactive,
    Panel,
    panels_to_html,
    panels_to_png,
)
from course_utils.widgets.chart import Chart
from course_utils.widgets.controls import dropdown, named_slider

FRAME = 100  # steps of training from one picture to the next
INTERVAL, FRAMES = 150, 200  # ms a frame; frames until the player stops by itself
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

WIDTH, HEIGHT = 256, 240  # pixels of a chart: three fit JupyterLab beside its files
LINE = 14 / (HEIGHT - 82)  # a line of words, as a part of the plot area's height
MOST_DRAWN = 150  # entries of the histories
EDGE = WHERE[-1]
BAND, CURVE, FIT = "#E3E3E3", MUTED, COLORS["accent"]
POSITIVE, NEGATIVE, ALERT = "#1B7837", "#762A83", "#B3261E"  # signs as in the diagrams


# --- the drawing ----------------------------------------------------------------------


def render_html(settings: Settings, state: State) -> str:
    """The live view."""
    return panels_to_html(_panels(settings, state))


def render_png(settings: Settings, state: State) -> bytes:
    """The same as a PNG file, for those who see no live view."""
    return panels_to_png(_panels(settings, state))


def _panels(settings: Settings, state: State) -> list[Panel]:
    return [
        _fit_panel(settings, state),
        _neurons_panel(settings, state),
        _loss_panel(settings, state),
    ]


def _fit_panel(settings: Settings, state: State) -> Panel:
    chart, limits = _over_x(_("Data and fit"), "y", (-2, 2.6)), (-2, 2.6)
    chart.curve(WHERE, CURVES[settings.curve](WHERE), CURVE, stroke=1.5)
    x, y, x_valid, y_valid = data(settings)
    chart.dots(x_valid[:, 0], y_valid[:, 0], COLORS["valid"])
    chart.dots(x[:, 0], y[:, 0], COLORS["train"])
    fit = predict(settings, state.weights, WHERE[:, None])[:, 0]
    chart.curve(WHERE, fit, FIT, stroke=2.5)
    words = {
        f"● {_('training')}": COLORS["train"],
        f"● {_('validation')}": COLORS["valid"],
        f"— {_('fit')}": FIT,
        f"— {_('true curve')}": CURVE,
    }
    _legend(chart, limits, words)
    notes = [_("Shaded: no data there.")]
    if state.diverged:
        chart.text(-0.95, -1.75, _("It diverged"), ALERT, bold=True)
    else:
        notes.append(distance_words(settings, state))
    return chart.panel(describe(settings, state), notes)


def _neurons_panel(settings: Settings, state: State) -> Panel:
    """Each neuron's part of the sum as a thin line, in the colour of its weight."""
    x = WHERE[::2]
    parts = contributions(settings, state.weights, x[:, None])
    bias, positive = state.weights.b2[0], state.weights.W2[:, 0] > 0
    total = parts.sum(axis=1) + bias
    sizes = np.abs([*parts.ravel(), *total])
    largest = _above(np.max(sizes, initial=1, where=np.isfinite(sizes)))
    limits = -largest, 1.4 * largest
    title = _("What each neuron adds")
    chart = _over_x(title, "wⱼ γ(zⱼ)", limits)
    for color, chosen in ((POSITIVE, positive), (NEGATIVE, ~positive)):
        # All of one colour in one line with gaps: many times faster than one by one.
        y = np.pad(parts[:, chosen], ((0, 1), (0, 0)), constant_values=np.nan)
        chart.curve(np.tile([*x, np.nan], chosen.sum()), y.T.ravel(), color, stroke=0.8)
    chart.hline(bias, CURVE)
    chart.curve(x, total, FIT, stroke=2.5)
    words = {
        "wⱼ > 0": POSITIVE,
        "wⱼ < 0": NEGATIVE,
        f"— {_('sum + bias')}": FIT,
        f"╌ {_('bias')}": CURVE,
    }
    _legend(chart, limits, words)
    notes = [_("The fit is the sum of all thin lines and of the output's bias.")]
    if n := dead_neurons(settings, state):
        dead = _("Dead neurons, 0 at every training point: {n} of {hidden}.")
        notes.append(dead.format(n=n, hidden=settings.hidden))
    return chart.panel(f"{title}. {' '.join(notes)}", notes)


def _over_x(title: str, y_label: str, limits: tuple[float, float]) -> Chart:
    chart = Chart(title, "x", y_label, (-EDGE, EDGE), limits, WIDTH, HEIGHT)
    chart.band(-EDGE, -1, BAND)
    chart.band(1, EDGE, BAND)
    return chart


def _legend(chart: Chart, limits: tuple[float, float], words: dict[str, str]) -> None:
    """Words and their colours in two columns on top: they stay while all else moves."""
    low, high = limits
    for i, (word, color) in enumerate(words.items()):
        row, column = divmod(i, 2)
        y = high - (high - low) * LINE * (row + 0.5)
        chart.text(0.03 if column else -0.97 * EDGE, y, word, color)


def _above(value: float) -> float:
    """The next of 1, 2, 5, 10, 20...: limits that move seldom."""
    power = 10.0 ** np.floor(np.log10(min(value, 1e6)))
    return next((m * power for m in (1, 2, 5) if value <= m * power), 10 * power)


def _loss_panel(settings: Settings, state: State) -> Panel:
    now, floor = losses(settings, state), settings.noise**2 / 2
    seen = np.array([*now, *state.train_loss, *state.valid_loss, floor or 1, 0.05])
    seen = np.clip(seen[np.isfinite(seen)], 1e-6, LOSS_LIMIT)
    low = 10 ** np.floor(np.log10(0.7 * seen.min()))
    high = 10 ** np.ceil(np.log10(max(1, seen.max())))
    steps = np.append(RECORD * np.arange(len(state.train_loss)), state.step) / 1000
    reach, title = _above(max(1, steps[-1])), _("Loss at step {n}").format(n=state.step)
    axes = _("thousands of steps"), _("L = mean of ½(t − y)²"), (0, reach), (low, high)
    chart = Chart(title, *axes, WIDTH, HEIGHT, log_y=True)
    if floor:
        chart.hline(floor, CURVE)
    every = -(-len(steps) // MOST_DRAWN)
    words = {}
    for part, name, value in (
        ("valid", _("validation"), now[1]),
        ("train", _("training"), now[0]),
    ):
        history = np.append(getattr(state, f"{part}_loss"), value)
        # Counted from the end, so that the newest is always drawn.
        chart.curve(steps[::-1][::every], history[::-1][::every], COLORS[part])
        chart.dots(steps[-1], value, COLORS[part])
        words[f"● {name} {short(value)}"] = COLORS[part]
    if floor:
        words[f"╌ {_('½σ², the noise alone')}"] = CURVE
    for i, (word, color) in enumerate(words.items()):
        y = high * (low / high) ** (LINE * (i + 0.5))
        chart.text(0.98 * reach, y, word, color, align="right")
    rule = _("Each step: w(t+1) = w(t) − {lr} ∇L, with all {n} training points.")
    notes = [diverged_words()] if state.diverged else []
    notes.append(rule.format(lr=f"{settings.lr:g}", n=POINTS))
    return chart.panel(f"{title}: {', '.join(words)}. {' '.join(notes)}", notes)


# --- the controls ---------------------------------------------------------------------


def approximation_playground(
    curve: str = "wave",
    hidden: int = 10,
    activation: str = "tanh",
    lr: float = 0.05,
    noise: float = 0.1,
    steps: int = 3000,
) -> "ApproximationPlayground":
    """A network with one hidden layer that learns a curve while one watches.

    curve, hidden, activation, lr, noise: the first ones, as in `Settings`.
    steps: how many steps of training the first picture shows, 0 or more.
    Raises ValueError, a sentence, for a value that is none of these.
    """
    settings = Settings(curve, hidden, activation, lr, noise)
    return ApproximationPlayground(settings, advance(settings, start(settings), steps))


class ApproximationPlayground(Interactive):
    """What `approximation_playground` returns; its controls can be set from code too.

    curve, activation, lr: Dropdown. hidden: IntSlider. noise: FloatSlider. play: Play.
    step, reset, reseed: Button. view: HTML.
    settings, state: the `Settings` and the `State` shown now.
    """

    def __init__(self, settings: Settings, state: State):
        import ipywidgets as w

        self.curve = dropdown(_("Curve"), curve_names(), settings.curve)
        names = activation_names()
        self.activation = dropdown(_("Activation"), names, settings.activation)
        rates = {rate: f"{rate:g}" for rate in sorted({*RATES, settings.lr})}
        self.lr = dropdown(_("Learning rate"), rates, settings.lr, "230px")
        self.hidden, hidden = named_slider(
            _("Neurons"), settings.hidden, (1, MOST_HIDDEN), 1
        )
        self.noise, noise = named_slider(
            _("Noise"), settings.noise, (0, MOST_NOISE), 0.05
        )
        # The browser drives: it counts, and sends its newest count once the last one
        # has been answered, so that a slow kernel skips frames and never queues them.
        self.play = w.Play(min=0, max=FRAMES, interval=INTERVAL)
        self.play.show_repeat = False
        # ipywidgets 7, Colab's, has this trait under a name of its own.
        self._flag = "playing" if self.play.has_trait("playing") else "_playing"
        self.step = w.Button(description=_("{n} steps").format(n=FRAME))
        self.reset = w.Button(description=_("Reset"))
        self.reseed = w.Button(description=_("New weights"))
        self.view = w.HTML()
        wrap = w.Layout(flex_flow="row wrap", align_items="center")
        buttons = [w.Label(_("Train:")), self.play, self.step, self.reset, self.reseed]
        choices = [self.curve, self.activation, self.lr]
        rows = [choices, [hidden, noise], buttons]
        rows = [w.Box(row, layout=wrap) for row in rows]
        self._show(settings, state)
        super().__init__(
            w.VBox([*rows, self.view]),
            render_png(settings, state),
            describe(settings, state),
        )
        for control in (*choices, self.hidden, self.noise):
            control.observe(self._changed, "value")
        self.play.observe(self._ticked, "value")
        self.step.on_click(lambda button: self._advance())
        self.reset.on_click(lambda button: self._reset())
        self.reseed.on_click(lambda button: self._reseed())

    @property
    def playing(self) -> bool:
        """Whether the player runs; it can be stopped by setting this to False."""
        return getattr(self.play, self._flag)

    @playing.setter
    def playing(self, value: bool) -> None:
        setattr(self.play, self._flag, value)

    def _ticked(self, change) -> None:
        # Counts that were on their way when somebody pressed Reset come too late.
        if self.playing:
            self._advance()

    def _advance(self) -> None:
        state = advance(self.settings, self.state, FRAME)
        if state.diverged:
            self.playing = False
        self._show(self.settings, state)

    def _reset(self) -> None:
        self.playing = False
        self._show(self.settings, start(self.settings))

    def _reseed(self) -> None:
        settings = replace(self.settings, seed=self.settings.seed + 1)
        self._show(settings, start(settings))

    def _changed(self, change) -> None:
        settings = Settings(
            self.curve.value,
            self.hidden.value,
            self.activation.value,
            self.lr.value,
            round(self.noise.value, 3),  # a slider says 0.15000000000000002
            self.settings.seed,
        )
        # Another learning rate goes on from here; all else needs new weights or data.
        goes_on = replace(settings, lr=self.settings.lr) == self.settings
        goes_on &= not self.state.diverged
        self._show(settings, self.state if goes_on else start(settings))

    def _show(self, settings: Settings, state: State) -> None:
        self.settings, self.state = settings, state
        self.view.value = render_html(settings, state)
