import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.training import evaluate


def oracle(wrong, n):
    """x whose 'network' (none at all) answers class 0, but class 1 for `wrong`."""
    x = torch.zeros(n, 2)
    x[:, 0] = 3.0
    x[:wrong] = torch.tensor([0.0, 1.0])
    return x, torch.zeros(n, dtype=torch.int64)


def test_values_by_hand():
    x, y = oracle(wrong=20, n=1000)
    result = evaluate(nn.Identity(), (x, y))
    assert result.accuracy == 0.98
    assert torch.equal(result.predictions, x.argmax(1))
    assert result.probabilities.shape == (1000, 2)
    torch.testing.assert_close(result.probabilities, x.softmax(1))
    by_hand = -x.log_softmax(1)[:, 0].mean().item()
    assert result.loss == pytest.approx(by_hand)
    assert result.predictions.dtype == torch.int64


def test_interval_is_that_of_the_plain_bootstrap():
    x, y = oracle(wrong=20, n=1000)
    low, high = evaluate(nn.Identity(), (x, y), resamples=20_000).interval
    right = (x.argmax(1) == y).numpy()
    rng = np.random.default_rng(3)
    plain = [right[rng.integers(1000, size=1000)].mean() for _ in range(4000)]
    expected = np.quantile(plain, [0.025, 0.975])
    assert (low, high) == pytest.approx(tuple(expected), abs=0.0015)
    assert low < 0.98 < high


def test_interval_is_seeded_and_narrows_with_more_images():
    few = evaluate(nn.Identity(), oracle(10, 100))
    again = evaluate(nn.Identity(), oracle(10, 100))
    other = evaluate(nn.Identity(), oracle(10, 100), seed=1, resamples=7)
    many = evaluate(nn.Identity(), oracle(1000, 10_000))
    assert few.interval == again.interval != other.interval
    assert np.ptp(many.interval) < np.ptp(few.interval) / 5


def test_interval_over_groups_is_that_of_as_many_independent_groups():
    # 100 photos of ten variants, right or wrong together, are worth 100 images.
    x, y = oracle(wrong=20, n=100)
    photo = torch.arange(100).repeat_interleave(10)
    many = (x[photo], y[photo])
    options = {"resamples": 20_000}
    grouped = evaluate(nn.Identity(), many, groups=photo + 7, **options)
    alone = evaluate(nn.Identity(), (x, y), **options)
    assert grouped.accuracy == alone.accuracy == 0.8
    assert grouped.interval == pytest.approx(alone.interval, abs=0.011)
    assert np.ptp(grouped.interval) > 2 * np.ptp(
        evaluate(nn.Identity(), many, **options).interval
    )


def test_groups_of_unequal_size_count_by_their_images():
    x, y = oracle(wrong=90, n=100)  # one group of 90, wrong; one of 10, right
    groups = (torch.arange(100) >= 90).long()
    low, high = evaluate(nn.Identity(), (x, y), groups=groups).interval
    assert (low, high) == (0.0, 1.0)  # both draws may be of the same group


@pytest.mark.parametrize("groups", [torch.zeros(8).long(), torch.zeros(9), [0] * 9])
def test_groups_that_do_not_fit_are_named(groups):
    with pytest.raises(ValueError, match="evaluate: groups must be int64"):
        evaluate(nn.Identity(), oracle(1, 9), groups=groups)


def test_nothing_wrong():
    assert evaluate(nn.Identity(), oracle(0, 50)).interval == (1.0, 1.0)


@pytest.mark.parametrize("mode", [True, False])
def test_measures_in_eval_mode_and_gives_the_mode_back(network, valid, mode, same):
    model = network().train(mode)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    first, second = evaluate(model, valid), evaluate(model, valid)
    assert torch.equal(first.probabilities, second.probabilities)  # no dropout
    assert same(before, model.state_dict())  # no running mean has moved
    assert model.training is mode


def test_more_images_than_a_chunk(network):
    x, y = torch.randn(1203, 1, 8, 8), torch.zeros(1203, dtype=torch.int64)
    model = network().eval()
    result = evaluate(model, (x, y))
    with torch.no_grad():
        expected = F.softmax(model(x), 1)
    torch.testing.assert_close(result.probabilities, expected)


def test_results_can_be_used_in_further_gradients(network, valid):
    probabilities = evaluate(network(), valid).probabilities
    weight = torch.ones(3, requires_grad=True)
    (probabilities @ weight).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize(
    ("name", "value"), [("resamples", 0), ("resamples", 10.5), ("seed", -1)]
)
def test_bad_settings_are_named(name, value):
    with pytest.raises(ValueError, match=f"evaluate: {name} must be"):
        evaluate(nn.Identity(), oracle(1, 9), **{name: value})
