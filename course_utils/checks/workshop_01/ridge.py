"""Exercise: a network against ridge regression, on real patients."""

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_utils import data
from course_utils.checks import exercise
from course_utils.checks.answers import (
    Almost,
    NotYet,
    Slip,
    call,
    expect_callable,
    tensor,
)
from course_utils.locale import _

SEEDS = range(100, 110)  # other splits than the notebook's own, 0 to 19
STRETCH = (1 + len(SEEDS) * 88 / 266) ** 0.5  # patients to validate and to train with
MAX_SECONDS = 20  # for one training: the check makes ten


class Run(NamedTuple):
    """What a cut of the data said: RMSE on its validation part, in units of y.

    own: the model's RMSE on the part that it trained with. spread: deviation of its
    predictions. level: their mean. order: their correlation with y. apart: RMS distance
    to ridge's. curved: the part of the spread that no linear function explains.
    """

    model: float
    own: float
    ridge: float
    mean: float
    spread: float
    level: float
    order: float
    apart: float
    curved: float


def _fair_start() -> str:
    return _(
        "First a fair start: are `x` and `y` standardised, by the `x` and `y` that "
        "came in?"
    )


@exercise(
    "01.beat_ridge",
    hints=lambda: [
        _fair_start(),
        _(
            "266 patients are few: a small hidden layer, `weight_decay`, and fewer "
            "epochs. To choose them, set some of the patients that came in aside."
        ),
        _(
            "Networks that start from different weights err differently: average the "
            "predictions of several."
        ),
    ],
)
def beat_ridge(my_model):
    expect_callable(my_model)
    runs = [_run(my_model, seed) for seed in SEEDS]
    _expect_learning(runs)
    _expect_own_model(runs)
    difference = np.array([run.model - run.ridge for run in runs])
    low, high = _interval(difference, STRETCH)
    told = _(
        "RMSE on validation, mean of {n} splits: yours {model:.1f}, ridge {ridge:.1f}, "
        "always the mean {mean:.1f}. Yours minus ridge: {difference:+.2f}, interval "
        "(95%): {low:+.2f} to {high:+.2f}."
    ).format(
        n=len(runs),
        difference=difference.mean(),
        low=low,
        high=high,
        **_averages(runs),
    )
    if low > 0:
        reason = _("Ridge is better, beyond the interval.")
        average = _averages(runs)
        if average["own"] < 0.75 * average["model"]:
            learnt = _(
                "On the patients that it trained with, yours reaches {own:.1f}: "
                "overfitting."
            )
            reason = f"{reason} {learnt.format(**average)}"
        failure = Almost if difference.mean() < 1 else NotYet
        raise failure(f"{told} {reason}")
    if high < 0:
        finding = _(
            "Better than ridge, beyond the interval, which allows for the patients "
            "that the splits share. Before you celebrate, ask the test part, once."
        )
    else:
        finding = _(
            "It cannot be told from ridge, and this is a right answer too: with so few "
            "patients and so much noise, a linear model is hard to beat."
        )
    return f"{told} {finding}"


def _run(my_model: Callable, seed: int) -> Run:
    """Train on one cut and measure; the learner's code never gets valid.y or test."""
    table = data.diabetes(seed)
    (x, y), valid = table.train, table.valid
    start = time.perf_counter()
    with _quiet():
        predict = call(my_model, x, y, case=_sizes("my_model", x, y))
        if not callable(predict):
            reason = _(
                "my_model must return a function, `predict`, and returns something of "
                "type {kind}."
            )
            raise Slip(reason.format(kind=type(predict).__name__))
        seconds = time.perf_counter() - start
        if seconds > MAX_SECONDS:
            reason = _(
                "one training took {seconds:.0f} s, and the check makes {n}: with 266 "
                "patients {most} s are plenty. Take fewer epochs or neurons."
            )
            raise Slip(reason.format(seconds=seconds, n=len(SEEDS), most=MAX_SECONDS))
        y_hat, own = _predict(predict, valid.x), _predict(predict, x)
        if seed == SEEDS[0]:
            _expect_patients_apart(predict, valid.x, y_hat)
    by_ridge = _ridge(x, y, valid.x)
    return Run(
        model=_rmse(y_hat, valid.y),
        own=_rmse(own, y),
        ridge=_rmse(by_ridge, valid.y),
        mean=_rmse(y.double().mean(), valid.y),
        spread=y_hat.std().item(),
        level=y_hat.mean().item(),
        order=_correlation(y_hat, valid.y.double()),
        apart=_rmse(y_hat, by_ridge),
        curved=_curvature(valid.x, y_hat),
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing is printed ten times, and NumPy's random numbers begin alike."""
    state = np.random.get_state()
    np.random.seed(0)
    sink = io.StringIO()
    try:
        with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            yield
    finally:
        np.random.set_state(state)


def _sizes(name: str, *tensors: Tensor) -> str:
    arguments = zip("xy", tensors, strict=False)
    return f"{name}({', '.join(f'{a} {tuple(t.shape)}' for a, t in arguments)})"


def _predict(predict: Callable, x: Tensor) -> Tensor:
    """The predictions for x, float64 (N, 1); NotYet or Slip if they are none."""
    result = call(predict, x, case=_sizes("predict", x))
    if isinstance(result, np.ndarray) and result.dtype.kind in "fiu":
        result = torch.from_numpy(result)
    y_hat = tensor(result).cpu().double()
    if y_hat.shape != (len(x), 1):
        reason = _("predict returns the shape {got}; one column, {wanted}, is meant.")
        raise Slip(reason.format(got=tuple(y_hat.shape), wanted=(len(x), 1)))
    if not y_hat.isfinite().all():
        reason = _(
            "predict returns nan or inf: was the learning rate too high, or "
            "`x` not standardised?"
        )
        raise NotYet(reason, [_fair_start()])
    return y_hat


def _expect_patients_apart(predict: Callable, x: Tensor, y_hat: Tensor) -> None:
    """Slip if the prediction for a patient depends on chance or on the others."""
    tolerance = 0.01 * y_hat.std() + 0.01
    if (_predict(predict, x) - y_hat).abs().max() > tolerance:
        reason = _(
            "predict gives the same patients other values the second time: is there a "
            "dropout still on? `model.eval()` switches it off."
        )
        raise Slip(reason)
    half = len(x) // 2
    if (_predict(predict, x[:half]) - y_hat[:half]).abs().max() > tolerance:
        reason = _(
            "predict gives a patient another value when other patients come "
            "along: its statistics are those of the training, never of its "
            "own `x` (for batch norm, `model.eval()`)."
        )
        raise Slip(reason)


def _ridge(x: Tensor, y: Tensor, new: Tensor) -> Tensor:
    """Ridge's predictions for `new`, float64 (N, 1); alpha chosen inside x and y."""
    from sklearn.linear_model import RidgeCV  # late: a second to import
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 25)))
    ridge.fit(x.double().numpy(), y.double().numpy().ravel())
    return torch.from_numpy(ridge.predict(new.double().numpy()))[:, None]


def _rmse(y_hat: Tensor, y: Tensor) -> float:
    return ((y_hat - y.double()) ** 2).mean().sqrt().item()


def _correlation(a: Tensor, b: Tensor) -> float:
    """Between two columns, or 0 if one of them is constant."""
    found = torch.corrcoef(torch.cat([a, b], 1).T)[0, 1]
    return found.nan_to_num(0.0).item()


def _curvature(x: Tensor, y_hat: Tensor) -> float:
    """The part of y_hat's deviation that is no linear function of x, 0..1."""
    columns = (x.double() - x.double().mean(0)) / x.double().std(0)
    centred = y_hat - y_hat.mean()
    left = centred - columns @ torch.linalg.lstsq(columns, centred).solution
    return (left.norm() / centred.norm().clamp(min=1e-12)).item()


def _averages(runs: list[Run]) -> dict[str, float]:
    table = torch.tensor(runs, dtype=torch.float64).mean(0)
    return dict(zip(Run._fields, table.tolist(), strict=True))


def _expect_learning(runs: list[Run]) -> None:
    """NotYet if the model does no better than the mean of the training part."""
    average = _averages(runs)
    average["level"] = round(average["level"])  # an int has no -0
    falls = _("Print the loss now and then while it trains: how far does it fall?")
    units = _(
        "Standardise `x`, and `y` as well, by what came in; `predict` brings its "
        "result back to the units of `y`."
    )
    shapes = _(
        "In the loss, do both have the shape (N, 1)? A column and a row are compared "
        "all against all, and the mean wins."
    )
    off = abs(average["level"] - 152)  # of y: level 152, spread 77
    if average["order"] > 0.4 and (off > 40 or not 4 < average["spread"] < 200):
        reason = _(
            "you get the order right (correlation with `y` {order:.2f}), but on "
            "another scale: around {level:.0f}, with a spread of {spread:.1f}, and "
            "`y` is around 152, with one of 77. If `y` was standardised, does "
            "`predict` bring its result back to the units of `y`, with mean and "
            "deviation? If not, standardise it."
        )
        raise NotYet(reason.format(**average), [units, falls])
    if average["spread"] < 4:
        told = _(
            "your model says nearly the same of every patient, {level:.0f} (RMSE "
            "{model:.1f}, ridge {ridge:.1f})."
        ).format(**average)
        if off < 15:
            reason = _("It only predicts the mean: `x` makes no difference yet.")
            raise NotYet(f"{told} {reason}", [falls, units, shapes])
        reason = _(
            "It has not even reached the mean of `y`, 152, and `x` makes no difference "
            "yet."
        )
        raise NotYet(f"{told} {reason}", [falls, units])
    if average["model"] >= average["mean"]:
        reason = _(
            "your RMSE is {model:.1f}, and always saying the mean gets {mean:.1f}. "
            "Ridge: {ridge:.1f}."
        )
        raise NotYet(reason.format(**average), [falls, units])


def _expect_own_model(runs: list[Run]) -> None:
    """NotYet for ridge itself, its kin, linear in x, and what knows the answers."""
    average = _averages(runs)
    hidden = _(
        "The exercise wants a rival for ridge: a hidden layer with its activation."
    )
    if average["model"] < 40:
        reason = _(
            "your RMSE is {model:.1f}, and ridge's {ridge:.1f}: too good for this "
            "noise. Has your model already seen these patients?"
        )
        hint = _("Train with the `x` and `y` that come in, and with nothing else.")
        raise NotYet(reason.format(**average), [hint])
    if all(run.apart < 0.1 for run in runs):
        reason = _("this is ridge: its predictions are the same as those of its rival.")
        raise NotYet(reason, [hidden])
    if all(run.curved < 1e-4 for run in runs):
        reason = _(
            "your model behaves as linear in `x`, as ridge does, with other weights "
            "({model:.1f}, and ridge {ridge:.1f}): is the activation missing, or is "
            "every ReLU always on or always off because `x` is not standardised?"
        )
        raise NotYet(
            reason.format(**average),
            [
                hidden,
                _(
                    "Two layers without an activation between them are one. And "
                    "standardise `x`, by the `x` that came in: a ReLU bends only where "
                    "its weighted sum changes sign."
                ),
            ],
        )


def _interval(difference: np.ndarray, stretch: float) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over the splits, stretched from the mean.

    The percentiles of 10,000 resamples would hold for independent splits. These share
    patients: `stretch` is what that costs, sqrt(1 + splits * N_valid / N_train).

    Nadeau, C., Bengio, Y. (2003). Inference for the generalization error. Machine
    Learning 52(3). https://doi.org/10.1023/A:1024068626366
    """
    generator = np.random.RandomState(0)
    drawn = generator.randint(0, len(difference), (10_000, len(difference)))
    mean = difference.mean()
    low, high = np.quantile(difference[drawn].mean(1), [0.025, 0.975])
    return float(mean + stretch * (low - mean)), float(mean + stretch * (high - mean))
