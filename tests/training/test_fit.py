import math

import pytest
import torch
from torch import nn

from course_utils import training
from course_utils.augment import GaussianNoise
from course_utils.locale import set_language
from course_utils.training import count_parameters, evaluate, fit, pick_device


@pytest.fixture
def snapshot():
    return lambda model: {k: v.clone() for k, v in model.state_dict().items()}


@pytest.mark.parametrize(("optimizer", "lr"), [("adamw", 0.01), ("sgd", 0.1)])
def test_learns(network, train, valid, optimizer, lr):
    model = network()
    before = evaluate(model, valid).accuracy
    history = fit(
        model, train, valid, epochs=6, lr=lr, batch_size=32, optimizer=optimizer
    )
    assert before < 0.6
    assert evaluate(model, valid).accuracy > 0.9
    assert history.train_loss[-1] < 0.7 * history.train_loss[0]
    assert len(history.train_loss) == len(history.valid_accuracy) == 6
    assert len(history.lr) == 6 * (330 // 32)
    assert not history.interrupted and history.seconds > 0


def test_same_seed_same_run_and_the_callers_generator_is_left_alone(
    network, train, valid, same
):
    kwargs = {"epochs": 2, "augment": GaussianNoise(0.1)}
    first, second, other = network(), network(), network()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    a = fit(first, train, valid, seed=5, **kwargs)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)  # dropout must not listen to it
    b = fit(second, train, valid, seed=5, **kwargs)
    fit(other, train, valid, seed=6, **kwargs)
    assert same(first.state_dict(), second.state_dict())
    assert a.train_loss == b.train_loss
    assert not same(first.state_dict(), other.state_dict())


def test_learning_rate_is_one_cycle(network, train, valid):
    lr = fit(network(), train, valid, epochs=10, lr=0.02, batch_size=32).lr
    top = lr.index(max(lr))
    assert max(lr) == pytest.approx(0.02, rel=0.01)
    assert top / len(lr) == pytest.approx(0.25, abs=0.03)
    assert lr[: top + 1] == sorted(lr[: top + 1])
    assert lr[top:] == sorted(lr[top:], reverse=True)
    assert lr[0] < 0.003 and lr[-1] < 0.0001


def test_a_run_of_one_step_still_learns(network, train, valid, same, snapshot):
    model = network()
    before = snapshot(model)
    history = fit(model, (train[0][:5], train[1][:5]), valid, epochs=1)
    assert len(history.lr) == 1 and history.lr[0] > 0.001
    assert not same(before, model.state_dict())


def test_every_epoch_sees_whole_batches_of_different_images(network, valid):
    seen = []

    def spy(x, _generator):
        seen.append(x[:, 0, 0, 0].clone())
        return x

    x = torch.randn(70, 1, 8, 8)
    x[:, 0, 0, 0] = torch.arange(70.0)
    y = torch.arange(70) % 3
    fit(network(), (x, y), valid, epochs=2, batch_size=32, augment=spy)
    assert [len(batch) for batch in seen] == [32] * 4
    first, second = torch.cat(seen[:2]), torch.cat(seen[2:])
    assert len(first.unique()) == 64
    assert not torch.equal(first, second)
    assert not torch.equal(first, first.sort().values)


def test_weight_decay_spares_biases_and_batch_norm(network, train, valid):
    """With a tremendous decay the matrices vanish; what began at 1 stays near 1."""
    model = network()
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim == 1:
                p.fill_(1)
    fit(model, train, valid, epochs=3, lr=0.01, batch_size=32, weight_decay=80.0)
    for p in model.parameters():
        assert (p > 0.7).all() if p.ndim == 1 else (p.abs() < 0.1).all()


def test_label_smoothing_raises_the_training_loss_only(network, train, valid):
    plain = fit(network(), train, valid, epochs=5, batch_size=32)
    smooth = fit(network(), train, valid, epochs=5, batch_size=32, label_smoothing=0.3)
    floor = -(0.8 * math.log(0.8) + 2 * 0.1 * math.log(0.1))  # entropy of the targets
    assert smooth.train_loss[-1] > floor > plain.train_loss[-1]
    assert smooth.valid_loss[-1] < floor


def test_keeps_the_best_epoch(network, train, valid, monkeypatch, same, snapshot):
    """Accuracies are dictated: the third epoch and the fourth tie, the later wins."""
    results = iter([(0.5, 0.2), (0.5, 0.1), (0.2, 0.9), (0.3, 0.9), (0.1, 0.3)])
    after = []
    model = network()

    def dictated(_logits, _y):
        after.append(snapshot(model))
        return next(results)

    monkeypatch.setattr(training, "_loss_and_accuracy", dictated)
    history = fit(model, train, valid, epochs=5, batch_size=64)
    assert history.best_epoch == 3
    assert same(model.state_dict(), after[3])
    assert not same(model.state_dict(), after[4])


def test_model_comes_back_in_eval_mode_and_contiguous(network, train, valid):
    model = network().train()
    fit(model, train, valid, epochs=1)
    assert not any(module.training for module in model.modules())
    assert all(p.is_contiguous() and p.grad is None for p in model.parameters())


def test_takes_flat_images_and_volumes(train, valid):
    flat = [(x.flatten(1), y) for x, y in (train, valid)]
    fit(nn.Linear(64, 3), *flat, epochs=1)
    deep = [(x.unsqueeze(1), y) for x, y in (train, valid)]
    volume = nn.Sequential(nn.Conv3d(1, 2, (1, 3, 3)), nn.Flatten(), nn.Linear(72, 3))
    fit(volume, *deep, epochs=1)


def test_frozen_weights_stay(network, train, valid):
    model = network()
    model[0].weight.requires_grad_(False)
    before = model[0].weight.clone()
    fit(model, train, valid, epochs=1)
    assert torch.equal(model[0].weight, before)


def interrupt_at(call):
    """An augmentation that is interrupted by hand at its n-th batch, counted from 1."""
    calls = iter(range(1, 10_000))

    def augment(x, _generator):
        if next(calls) == call:
            raise KeyboardInterrupt
        return x

    return augment


def test_interrupt_keeps_the_best_so_far(network, train, valid, capsys, same):
    stopped, whole = network(), network()
    kwargs = {"epochs": 20, "batch_size": 32}  # ten batches an epoch
    history = fit(stopped, train, valid, augment=interrupt_at(35), **kwargs)
    assert history.interrupted
    assert len(history.valid_accuracy) == 3
    assert "Stopped by hand in epoch 4 of 20" in capsys.readouterr().out
    measured = evaluate(stopped, valid)
    assert measured.accuracy == history.valid_accuracy[history.best_epoch]
    fit(whole, train, valid, **kwargs)
    assert not same(stopped.state_dict(), whole.state_dict())


def test_interrupt_in_the_first_epoch_keeps_what_there_is(network, train, valid):
    model = network()
    untrained = evaluate(model, valid).loss
    history = fit(
        model, train, valid, epochs=1, batch_size=16, augment=interrupt_at(15)
    )
    assert history.interrupted and len(history.valid_loss) == 1
    assert len(history.lr) == 14
    assert evaluate(model, valid).loss == pytest.approx(history.valid_loss[0])
    assert history.valid_loss[0] < untrained


def test_interrupt_before_the_first_step(network, train, valid, same, snapshot):
    model = network()
    before = snapshot(model)
    history = fit(model, train, valid, epochs=1, augment=interrupt_at(1))
    assert history.interrupted and history.valid_loss == []
    assert same(model.state_dict(), before)


def test_a_loss_that_explodes_names_lr_and_leaves_the_model(
    network, train, valid, same, snapshot
):
    model = network()
    before = snapshot(model)
    with pytest.raises(ValueError, match=r"smaller lr .*1e\+30.* normalised"):
        fit(model, train, valid, epochs=2, lr=1e30)
    assert same(model.state_dict(), before)


def test_spoilt_weights_are_named(network, train, valid):
    model = network()
    with torch.no_grad():
        model[0].weight.fill_(float("nan"))
    with pytest.raises(ValueError, match="build it anew"):
        fit(model, train, valid, epochs=1)


def test_a_model_without_parameters(train, valid):
    model = nn.Sequential(nn.Flatten())
    with pytest.raises(ValueError, match="no parameters"):
        fit(model, train, valid, epochs=1)


X, Y = torch.randn(9, 1, 8, 8), torch.arange(9) % 3
BAD_SPLITS = {
    "empty": ((X[:0], Y[:0]), "there are no images"),
    "uint8": ((X.to(torch.uint8), Y), r"uint8, the network wants float: \(x.float"),
    "lengths": ((X, Y[:7]), "9 images but y has 7 labels"),
    "shape": ((X[..., :5], Y), r"cannot take a batch of shape \(2, 1, 8, 5\)"),
    "no channel": ((X[:, 0], Y), r"cannot take a batch of shape \(2, 8, 8\)"),
    "double": ((X.double(), Y), "cannot take a batch of .*float64"),
    "high label": ((X, Y + 1), "from 1 to 3, but a network with 3 outputs"),
    "negative label": ((X, Y - 1), "from -1 to 1"),
    "float labels": ((X, Y.float()), r"int64 \(N,\), got torch.float32 \(9,\)"),
    "one-hot": ((X, torch.eye(3, dtype=torch.int64)[Y]), r"torch.int64 \(9, 3\)"),
    "nan": ((torch.full_like(X, float("nan")), Y), "not finite"),
    "not a pair": (X, "must be a pair of tensors"),
    "arrays": ((X.numpy(), Y.numpy()), "must be a pair of tensors"),
    "scalar": ((torch.tensor(1.0), Y), "there are no images"),
}


@pytest.mark.parametrize(("split", "sentence"), BAD_SPLITS.values(), ids=BAD_SPLITS)
def test_bad_data_are_named(network, train, split, sentence):
    model = network()
    with pytest.raises(ValueError, match=f"fit: valid.*{sentence}"):
        fit(model, train, split, epochs=1)
    with pytest.raises(ValueError, match=f"fit: train.*{sentence}"):
        fit(model, split, train, epochs=1)
    with pytest.raises(ValueError, match=f"evaluate: split.*{sentence}"):
        evaluate(model, split)


def test_output_that_is_not_logits(train):
    with pytest.raises(ValueError, match=r"logits of shape \(2, classes\), it gave"):
        fit(nn.Conv2d(1, 3, 3), train, train, epochs=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.0),
        ("epochs", True),
        ("batch_size", 0),
        ("lr", 0),
        ("lr", float("nan")),
        ("lr", "0.01"),
        ("optimizer", "adam"),
        ("weight_decay", -0.1),
        ("label_smoothing", 1.0),
        ("label_smoothing", -0.1),
        ("seed", -1),
        ("seed", 0.5),
    ],
)
def test_bad_settings_are_named(network, train, valid, name, value):
    kwargs = {"epochs": 1} | {name: value}
    with pytest.raises(ValueError, match=f"fit: {name} must be .*, got {value!r}"):
        fit(network(), train, valid, **kwargs)


def test_sentences_come_in_the_language_set(network, train):
    set_language("es")
    try:
        with pytest.raises(ValueError, match="fit: epochs debe ser int >= 1"):
            fit(network(), train, train, epochs=0)
    finally:
        set_language("en")


def test_pick_device(monkeypatch):
    assert pick_device("cpu") == torch.device("cpu")
    for cuda, mps, expected in (
        (True, True, "cuda"),
        (False, True, "mps"),
        (False, False, "cpu"),
    ):
        monkeypatch.setattr(torch.cuda, "is_available", lambda here=cuda: here)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda here=mps: here)
        assert pick_device().type == expected


@pytest.mark.parametrize("name", ["tpu", "cuda:99", None])
def test_pick_device_that_is_not_there(name):
    with pytest.raises(ValueError, match='use "auto" or "cpu"'):
        pick_device(name)


def test_count_parameters():
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, shared, nn.BatchNorm1d(3))
    assert count_parameters(model) == 12 + 6  # running means are not trained
    shared.bias.requires_grad_(False)
    assert count_parameters(model) == 9 + 6
