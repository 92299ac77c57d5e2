"""The playground's network: its gradient, its training, its divergence, its words."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch

from course_utils.widgets.approximation import (
    ACTIVATIONS,
    CURVES,
    LOSS_LIMIT,
    RECORD,
    Settings,
    Weights,
    advance,
    contributions,
    data,
    dead_neurons,
    describe,
    loss_and_gradient,
    losses,
    predict,
    short,
    start,
)
from widget_parts import sentences, untranslated

TORCH = {"tanh": torch.tanh, "logistic": torch.sigmoid, "relu": torch.relu}


def trained(steps=0, **settings):
    settings = Settings(**settings)
    return settings, advance(settings, start(settings), steps)


# --- the gradient


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [1, 7, 50])
def test_the_gradient_is_autograds(activation, hidden):
    settings, state = trained(20, activation=activation, hidden=hidden, lr=0.01)
    x, y, *_ = data(settings)
    loss, gradient = loss_and_gradient(settings, state.weights, x, y)
    W1, b1, W2, b2 = (torch.tensor(w, requires_grad=True) for w in state.weights)
    y_hat = TORCH[activation](torch.tensor(x) @ W1 + b1) @ W2 + b2
    expected = (0.5 * (y_hat - torch.tensor(y)) ** 2).mean()
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    for ours, weight in zip(gradient, (W1, b1, W2, b2), strict=True):
        assert ours.shape == weight.shape
        assert np.allclose(ours, weight.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradient_is_the_slope_of_the_loss(activation):
    settings, state = trained(activation=activation, hidden=4)
    x, y, *_ = data(settings)
    gradient = loss_and_gradient(settings, state.weights, x, y)[1]
    for i, weight in enumerate(state.weights):
        for place in np.ndindex(weight.shape):
            ends = []
            for move in (-1e-6, 1e-6):
                moved = [w.copy() for w in state.weights]
                moved[i][place] += move
                ends.append(loss_and_gradient(settings, Weights(*moved), x, y)[0])
            slope = (ends[1] - ends[0]) / 2e-6
            assert gradient[i][place] == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_activations_survive_large_sums(activation):
    function, derivative, _ = ACTIVATIONS[activation]
    with np.errstate(all="raise"):
        h = function(np.array([-800.0, 0.0, 800.0]))
        assert np.isfinite(derivative(h)).all()
    assert h[0] <= 0 <= h[2]


# --- data


@pytest.mark.parametrize("curve", CURVES)
def test_without_noise_the_points_lie_on_the_curve(curve):
    points = data(Settings(curve, noise=0))
    assert {part.shape for part in points} == {(60, 1)}
    assert np.array_equal(points.y, CURVES[curve](points.x))
    assert np.array_equal(points.y_valid, CURVES[curve](points.x_valid))
    x = np.concatenate([points.x, points.x_valid])
    assert np.abs(x).max() <= 1 and len(np.unique(x)) == 120
    assert np.abs(points.y).max() <= 1


def test_the_noise_has_the_size_it_says_and_only_its_size_changes():
    clean, some, more = (data(Settings(noise=noise)).y for noise in (0, 0.1, 0.4))
    assert np.std(some - clean) == pytest.approx(0.1, rel=0.25)
    assert np.allclose(more - clean, 4 * (some - clean))


def test_another_seed_keeps_the_data_and_changes_the_weights():
    one, two = Settings(seed=1), Settings(seed=2)
    assert np.array_equal(data(one).y, data(two).y)
    assert not np.allclose(start(one).weights.W1, start(two).weights.W1)
    assert np.array_equal(start(one).weights.W1, start(one).weights.W1)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_neurons_bend_among_the_data(activation):
    W1, b1, W2, b2 = start(Settings(activation=activation, hidden=50)).weights
    bends = np.sort(-b1 / W1[0])
    assert np.abs(bends).max() <= 1 and np.diff(bends).max() < 0.1
    assert W2.shape == (50, 1) and b2.shape == (1,)


# --- training


def test_training_in_pieces_is_training_in_one():
    settings, whole = trained(137)
    pieces = start(settings)
    for steps in (0, 1, 6, 100, 30):
        pieces = advance(settings, pieces, steps)
    assert pieces.step == whole.step == 137
    assert all(map(np.array_equal, pieces.weights, whole.weights))
    assert np.array_equal(pieces.train_loss, whole.train_loss)
    assert np.array_equal(pieces.valid_loss, whole.valid_loss)


def test_advancing_changes_no_earlier_state():
    settings, first = trained(50)
    before = [w.copy() for w in first.weights]
    advance(settings, first, 50)
    assert all(map(np.array_equal, first.weights, before))
    assert first.step == 50 and len(first.train_loss) == 50 / RECORD


def test_the_histories_hold_the_losses_of_their_steps():
    settings, state = trained(95)
    assert len(state.train_loss) == len(state.valid_loss) == 10
    for i in (0, 4, 9):
        then = advance(settings, start(settings), i * RECORD)
        expected = pytest.approx(losses(settings, then), rel=1e-12)
        assert (state.train_loss[i], state.valid_loss[i]) == expected


def test_a_step_follows_the_gradient_by_the_learning_rate():
    settings, state = trained(lr=0.02)
    x, y, *_ = data(settings)
    gradient = loss_and_gradient(settings, state.weights, x, y)[1]
    after = advance(settings, state, 1)
    for old, new, g in zip(state.weights, after.weights, gradient, strict=True):
        assert np.allclose(new, old - 0.02 * g, rtol=0, atol=1e-15)


@pytest.mark.parametrize("curve", CURVES)
def test_ten_seconds_of_play_fit_every_curve(curve):
    settings, state = trained(6000, curve=curve, hidden=20)
    gap = predict(settings, state.weights, np.linspace(-1, 1, 201)[:, None])[:, 0]
    gap -= CURVES[curve](np.linspace(-1, 1, 201))
    assert np.abs(gap).mean() < 0.12


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_more_neurons_fit_better(activation):
    few, many = (
        losses(*trained(2000, activation=activation, hidden=n))[0] for n in (2, 50)
    )
    assert many < 0.3 * few


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("curve", CURVES)
def test_the_first_learning_rate_suits_fifty_neurons_too(activation, curve):
    settings, state = trained(500, activation=activation, curve=curve, hidden=50)
    assert not state.diverged
    assert losses(settings, state)[0] < 0.6 * state.train_loss[0]


def test_too_low_right_and_too_high():
    low, right = (trained(2000, lr=lr) for lr in (0.001, 0.05))
    assert losses(*low)[0] > 5 * losses(*right)[0]
    assert trained(2000, lr=1.0)[1].diverged


def test_noisy_targets_are_learnt_by_heart():
    settings, state = trained(5000, hidden=50, noise=0.4)
    train, valid = losses(settings, state)
    assert train < 0.4**2 / 2 < valid


def test_beyond_the_data_the_fit_says_nothing():
    settings, state = trained(5000, hidden=50)
    x = np.linspace(-1.5, 1.5, 301)[:, None]
    gap = np.abs(predict(settings, state.weights, x) - CURVES["wave"](x))
    assert gap[np.abs(x) > 1].mean() > 5 * gap[np.abs(x) <= 1].mean()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("lr", [2.0, 1e3, 1e300])
def test_divergence_is_said_and_crashes_nothing(activation, lr):
    settings, state = trained(3000, activation=activation, lr=lr, hidden=50)
    assert state.diverged and state.step < 3000
    assert not losses(settings, state)[0] <= LOSS_LIMIT
    assert advance(settings, state, 100) is state
    assert len(state.train_loss) == -(-state.step // RECORD)


def test_divergence_in_the_last_step_is_noticed_at_once():
    settings, state = trained(3000, lr=1.0)
    before = advance(settings, start(settings), state.step - 1)
    assert not before.diverged
    assert advance(settings, before, 1).diverged


def test_the_contributions_and_the_bias_add_up_to_the_answer():
    settings, state = trained(300)
    x = np.linspace(-1.5, 1.5, 30)[:, None]
    parts = contributions(settings, state.weights, x)
    assert parts.shape == (30, 10)
    whole = parts.sum(axis=1, keepdims=True) + state.weights.b2
    assert np.allclose(whole, predict(settings, state.weights, x))


def test_dead_neurons_are_counted():
    settings, state = trained(activation="relu", hidden=3)
    W1, b1, W2, b2 = state.weights
    assert dead_neurons(settings, state) == 0
    b1 = np.array([b1[0], -100, -100])
    state = replace(state, weights=Weights(W1, b1, W2, b2))
    assert dead_neurons(settings, state) == 2


# --- words and bad input


def test_the_description_holds_settings_and_outcome():
    settings, state = trained(100, curve="abs", activation="relu", hidden=3)
    text = describe(settings, state)
    train, valid = map(short, losses(settings, state))
    for words in ("Absolute value", "ReLU", "Hidden neurons: 3", "Step 100", "0.05"):
        assert words in text
    assert f"Training loss {train}, validation loss {valid}." in text


def test_the_description_of_a_diverged_run_says_what_to_do():
    text = describe(*trained(3000, lr=1.0))
    assert "diverged: choose a lower learning rate or press Reset" in text
    assert "loss" not in text and "nan" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0057, "0.0057"), (0.1, "0.10"), (1, "1.0"), (12.3, "12"), (2e4, "2.0e+04")],
)
def test_numbers_have_two_significant_digits(value, text):
    assert short(value) == text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"curve": "spiral"}, "curve must be one of wave, step, .*, got 'spiral'"),
        ({"activation": "sign"}, "activation must be one of tanh, logistic, relu, got"),
        ({"hidden": 0}, "hidden must be a whole number from 1 to 50, got 0"),
        ({"hidden": 51}, "from 1 to 50, got 51"),
        ({"hidden": 2.5}, "whole number from 1 to 50, got 2.5"),
        ({"lr": 0}, "lr, the learning rate, must be above 0, got 0"),
        ({"lr": np.nan}, "above 0, got nan"),
        ({"lr": np.inf}, "above 0, got inf"),
        ({"noise": -0.1}, "noise must be a number from 0 to 0.5, got -0.1"),
        ({"noise": np.nan}, "from 0 to 0.5, got nan"),
        ({"seed": -1}, "seed must be a whole number from 0, got -1"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Settings(**settings)


@pytest.mark.parametrize("steps", [-1, 0.5])
def test_steps_are_whole_numbers(steps):
    settings, state = trained()
    with pytest.raises(ValueError, match="steps must be a whole number from 0, got"):
        advance(settings, state, steps)


def test_settings_cannot_be_changed_unnoticed():
    with pytest.raises(FrozenInstanceError):
        Settings().lr = 1


def test_every_sentence_is_in_the_spanish_catalogue():
    said = sentences("approximation")
    assert len(said) > 10
    assert untranslated(said) == []
