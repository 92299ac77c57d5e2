"""A one-hidden-layer perceptron that learns a curve: what the playground draws.

First the arithmetic, then its words; all is a pure function of `Settings` and `State`.
The optimiser is the plain gradient descent of the workshop, all training points at
every step, so that the learning rate means what it means there: too low crawls, too
high diverges.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import NamedTuple

import numpy as np

from course_utils.locale import _

CURVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "wave": lambda x: np.sin(2 * np.pi * x),
    "step": lambda x: 0.8 * np.sign(x),
    "abs": lambda x: 2 * np.abs(x) - 1,
    "bump": lambda x: 2 * np.exp(-((x / 0.3) ** 2)) - 1,
    "chirp": lambda x: np.sin(1.2 * np.pi * (x + 1.2) ** 2),
}


class Activation(NamedTuple):
    function: Callable[[np.ndarray], np.ndarray]  # of z
    derivative: Callable[[np.ndarray], np.ndarray]  # of h, the function's value: cheap
    slope: float  # typical size of the first weights: one neuron bends within the data


ACTIVATIONS = {
    "tanh": Activation(np.tanh, lambda h: 1 - h**2, 7),
    "logistic": Activation(
        lambda z: 0.5 * (1 + np.tanh(0.5 * z)), lambda h: h * (1 - h), 14
    ),
    "relu": Activation(lambda z: np.maximum(z, 0), lambda h: (h > 0) * 1.0, 2),
}
MOST_HIDDEN, MOST_NOISE = 50, 0.5
POINTS = 60  # of each part, training and validation
RECORD = 10  # steps from one entry of the histories to the next
LOSS_LIMIT = 1e4  # beyond it the run counts as diverged; targets are about 1 in size


@dataclass(frozen=True)
class Settings:
    """What is learnt, by which network, and how.

    curve: a key of `CURVES`. hidden: neurons, 1 to 50. activation: a key of
    `ACTIVATIONS`. lr: the learning rate, above 0. noise: standard deviation of the
    noise on the targets, 0 to 0.5. seed: of the first weights (the data stay the same).
    Raises ValueError, a sentence, for anything else.
    """

    curve: str = "wave"
    hidden: int = 10
    activation: str = "tanh"
    lr: float = 0.05
    noise: float = 0.1
    seed: int = 0

    def __post_init__(self):
        _check_name("curve", self.curve, CURVES)
        _check_name("activation", self.activation, ACTIVATIONS)
        if not (isinstance(self.hidden, Integral) and 1 <= self.hidden <= MOST_HIDDEN):
            message = _("hidden must be a whole number from 1 to {n}, got {value!r}.")
            raise ValueError(message.format(n=MOST_HIDDEN, value=self.hidden))
        if not 0 < self.lr < np.inf:
            message = _("lr, the learning rate, must be above 0, got {value!r}.")
            raise ValueError(message.format(value=self.lr))
        if not 0 <= self.noise <= MOST_NOISE:
            message = _("noise must be a number from 0 to {n}, got {value!r}.")
            raise ValueError(message.format(n=MOST_NOISE, value=self.noise))
        if not (isinstance(self.seed, Integral) and self.seed >= 0):
            message = _("seed must be a whole number from 0, got {value!r}.")
            raise ValueError(message.format(value=self.seed))


def _check_name(name: str, value: str, known: dict) -> None:
    if value not in known:
        raise ValueError(
            _("{name} must be one of {known}, got {value!r}.").format(
                name=name, known=", ".join(known), value=value
            )
        )


class Weights(NamedTuple):
    """Of the hidden layer, W1 (1, λ) and b1 (λ,), and of the output; all float64."""

    W1: np.ndarray
    b1: np.ndarray
    W2: np.ndarray  # (λ, 1)
    b2: np.ndarray  # (1,)


@dataclass(frozen=True, eq=False)
class State:
    """A network in training.

    step: updates made so far. train_loss, valid_loss: float64, entry i from before
    update number 10 i (`RECORD`). diverged: the loss passed `LOSS_LIMIT` or is no
    finite number; such a state cannot advance.
    """

    weights: Weights
    step: int = 0
    train_loss: np.ndarray = field(default_factory=lambda: np.empty(0))
    valid_loss: np.ndarray = field(default_factory=lambda: np.empty(0))
    diverged: bool = False


class Data(NamedTuple):
    """Training and validation points, x from -1 to 1; float64 (60, 1) each."""

    x: np.ndarray
    y: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray


def data(settings: Settings) -> Data:
    """The points to learn from and to validate on: the curve plus Gaussian noise.

    The same x and the same noise, but for its size, whatever the settings: moving a
    control changes only what it names.
    """
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2 * POINTS, 1))
    noise = rng.normal(size=x.shape)
    y = CURVES[settings.curve](x) + settings.noise * noise
    return Data(x[:POINTS], y[:POINTS], x[POINTS:], y[POINTS:])


def start(settings: Settings) -> State:
    """The untrained network.

    Sizes and signs are random; the places where the neurons bend are spread over the
    data, so that none has to travel far and a few seconds show what they can do.
    """
    rng, n = np.random.default_rng(settings.seed), settings.hidden
    size = ACTIVATIONS[settings.activation].slope * rng.uniform(0.5, 1.5, n)
    W1 = size * rng.choice([-1, 1], n)
    bends = (2 * np.arange(n) + 1 + rng.uniform(-1, 1, n)) / n - 1
    W2 = rng.normal(scale=0.5 / np.sqrt(n), size=(n, 1))
    return State(Weights(W1[None], -W1 * bends, W2, np.zeros(1)))  # z = 0 at the bends


def predict(settings: Settings, weights: Weights, x: np.ndarray) -> np.ndarray:
    """The network's answer g(x, w), float64 (N, 1), for x (N, 1)."""
    with np.errstate(all="ignore"):  # after divergence there is nothing to warn of
        return _hidden(settings, weights, x) @ weights.W2 + weights.b2


def contributions(settings: Settings, weights: Weights, x: np.ndarray) -> np.ndarray:
    """What each hidden neuron adds, w_j γ(z_j), (N, λ): their sum plus b2 is g."""
    with np.errstate(all="ignore"):
        return _hidden(settings, weights, x) * weights.W2[:, 0]


def _hidden(settings: Settings, weights: Weights, x: np.ndarray) -> np.ndarray:
    return ACTIVATIONS[settings.activation].function(x @ weights.W1 + weights.b1)


def dead_neurons(settings: Settings, state: State) -> int:
    """How many hidden neurons answer 0 at every training point and so learn nothing."""
    return int(
        (_hidden(settings, state.weights, data(settings).x) == 0).all(axis=0).sum()
    )


def half_mse(y_hat: np.ndarray, y: np.ndarray) -> float:
    """The loss, the mean of 1/2 (y - y_hat)^2."""
    with np.errstate(all="ignore"):
        return 0.5 * float(np.mean((y - y_hat) ** 2))


def losses(settings: Settings, state: State) -> tuple[float, float]:
    """Training and validation loss of the present weights."""
    x, y, x_valid, y_valid = data(settings)
    return (
        half_mse(predict(settings, state.weights, x), y),
        half_mse(predict(settings, state.weights, x_valid), y_valid),
    )


def loss_and_gradient(
    settings: Settings, weights: Weights, x: np.ndarray, y: np.ndarray
) -> tuple[float, Weights]:
    """The loss on points x, y (N, 1), and its gradient by backpropagation."""
    h = _hidden(settings, weights, x)
    y_hat = h @ weights.W2 + weights.b2
    delta2 = (y_hat - y) / len(x)
    delta1 = delta2 @ weights.W2.T * ACTIVATIONS[settings.activation].derivative(h)
    gradient = Weights(
        x.T @ delta1, delta1.sum(axis=0), h.T @ delta2, delta2.sum(axis=0)
    )
    return half_mse(y_hat, y), gradient


def advance(settings: Settings, state: State, steps: int) -> State:
    """The state after some steps of gradient descent, w(t+1) = w(t) - lr ∇L.

    steps: 0 or more, else ValueError. Stops where the loss diverges. In two calls or
    in one, the same steps give the same state.
    """
    if not (isinstance(steps, Integral) and steps >= 0):
        message = _("steps must be a whole number from 0, got {value!r}.")
        raise ValueError(message.format(value=steps))
    if state.diverged:
        return state
    points, weights, step = data(settings), state.weights, state.step
    train, valid = [], []
    with np.errstate(all="ignore"):  # divergence is said in words
        while True:
            loss, gradient = loss_and_gradient(settings, weights, points.x, points.y)
            diverged = not loss <= LOSS_LIMIT  # also where it is NaN
            if diverged or step == state.step + steps:
                break
            if step % RECORD == 0:
                y_hat = predict(settings, weights, points.x_valid)
                train.append(loss)
                valid.append(half_mse(y_hat, points.y_valid))
            pairs = zip(weights, gradient, strict=True)
            weights = Weights(*(w - settings.lr * g for w, g in pairs))
            step += 1
    return replace(
        state,
        weights=weights,
        step=step,
        train_loss=np.append(state.train_loss, train),
        valid_loss=np.append(state.valid_loss, valid),
        diverged=diverged,
    )


# --- in words -------------------------------------------------------------------------

WHERE = np.linspace(-1.5, 1.5, 151)  # x of the drawing: beyond the data on both sides


def curve_names() -> dict[str, str]:
    """How the curves are called, by their keys."""
    return {
        "wave": _("Sine wave"),
        "step": _("Step function"),
        "abs": _("Absolute value"),
        "bump": _("Gaussian bump"),
        "chirp": _("Ever faster wave"),
    }


def activation_names() -> dict[str, str]:
    """How the activation functions are called, by their keys."""
    return {
        "tanh": _("Hyperbolic tangent"),
        "logistic": _("Logistic (sigmoid)"),
        "relu": "ReLU",
    }


def describe(settings: Settings, state: State) -> str:
    """The state in a few sentences: the alternative text of the picture."""
    text = _(
        "Curve: {curve}; noise: {noise}. Hidden neurons: {hidden}; activation: "
        "{activation}. Step {step} with learning rate {lr}."
    ).format(
        curve=curve_names()[settings.curve],
        noise=f"{settings.noise:g}",
        hidden=settings.hidden,
        activation=activation_names()[settings.activation],
        step=state.step,
        lr=f"{settings.lr:g}",
    )
    if state.diverged:
        return f"{text} {diverged_words()}"
    train, valid = map(short, losses(settings, state))
    outcome = _("Training loss {train}, validation loss {valid}.")
    outcome = outcome.format(train=train, valid=valid)
    return f"{text} {outcome} {distance_words(settings, state)}"


def diverged_words() -> str:
    """What a learner reads when the loss has grown without end."""
    return _("It diverged: choose a lower learning rate or press Reset.")


def distance_words(settings: Settings, state: State) -> str:
    """How far the fit is from the curve without noise, where data are and beyond."""
    fit = predict(settings, state.weights, WHERE[:, None])[:, 0]
    gap, inside = np.abs(fit - CURVES[settings.curve](WHERE)), np.abs(WHERE) <= 1
    return _(
        "Mean distance from the true curve: {inside} among the data, {outside} beyond."
    ).format(inside=short(gap[inside].mean()), outside=short(gap[~inside].mean()))


def short(value: float) -> str:
    """Two significant digits."""
    return f"{value:#.2g}".rstrip(".")
