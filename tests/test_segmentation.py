import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import segmentation
from course_utils.augment.segmentation import SegmentationAugment
from course_utils.data.brats_labels import regions
from course_utils.data.volumes import Patient
from course_utils.locale import set_language
from course_utils.models import UNet
from course_utils.segmentation import fit_segmentation, predict, slices


def patient(seed=0, sides=(8, 16, 24), channels=2):
    """A ball of brain with a ball of tumour in it, core within oedema, bright."""
    generator = torch.Generator().manual_seed(seed)
    axes = [torch.linspace(-1, 1, side) for side in sides]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    brain = grid.norm(dim=0) < 0.9
    place = torch.rand(3, 1, 1, 1, generator=generator) * 0.6 - 0.3
    away = (grid - place).norm(dim=0)
    label = torch.zeros(sides, dtype=torch.uint8)
    for value, radius in ((2, 0.5), (3, 0.35), (1, 0.2)):
        label[(away < radius) & brain] = value
    image = torch.randn(channels, *sides, generator=generator) * 0.3
    image[0] += 2 * (label > 0)
    image[1] += 2.0 * (label == 3) - 2.0 * (label == 1)
    affine = np.diag([-2.0, -2.0, 2.0, 1.0])
    return Patient(f"p{seed}", image * brain, label, brain, affine, sides[::-1], affine)


def bce_dice(logits, y):
    """What the workshop builds by hand: cross-entropy, and Dice over the batch."""
    p, axes = logits.sigmoid(), (0, *range(2, logits.ndim))
    shared, total = (p * y).sum(axes), (p + y).sum(axes)
    dice = (2 * shared + 1) / (total + 1)
    return F.binary_cross_entropy_with_logits(logits, y) + (1 - dice).mean()


def dice(p, y):
    """Of each region, over everything: (3,)."""
    p, y = ((t > 0.5).transpose(0, 1).flatten(1) for t in (p, y))
    return 2 * (p & y).sum(1) / (p.sum(1) + y.sum(1))


def network(seed=0, **kwargs):
    torch.manual_seed(seed)
    return UNet(2, 3, **{"width": 4, "levels": 3} | kwargs)


def snapshot(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(scope="module")
def three():
    return [patient(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def train(three):
    return slices(three, least=1)


# --- slices ---------------------------------------------------------------------------


def test_slices_are_those_of_the_volumes(three):
    some = slices(three, least=100)
    assert some.x.dtype == torch.float32 and some.x.shape[1:] == (2, 16, 24)
    assert some.y.dtype == torch.bool and some.y.shape == (len(some.x), 3, 16, 24)
    assert some.patient.dtype == torch.int64
    place = 0
    for number, one in enumerate(three):
        for d in range(8):
            if one.brain[d].sum() < 100:
                continue
            assert torch.equal(some.x[place], one.image[:, d])
            assert torch.equal(some.y[place], regions(one.label)[:, d])
            assert some.patient[place] == number
            place += 1
    assert 3 < place == len(some.x) < 24


def test_regions_lie_inside_one_another(train):
    wt, tc, et = train.y.unbind(1)
    assert (wt | tc).equal(wt) and (tc | et).equal(tc)
    assert wt.sum() > tc.sum() > et.sum() > 0


def test_least_counts_voxels_of_brain(three):
    least = sorted({int(n) for n in three[0].brain.flatten(1).sum(1)})
    for n in least:
        expected = (three[0].brain.flatten(1).sum(1) >= n).sum()
        assert len(slices(three[:1], least=n).x) == expected
    assert len(slices(three, least=0).x) == 24


def test_changing_one_patient_leaves_the_others_slices(three):
    other = [three[0], patient(9), three[2]]
    a, b = slices(three), slices(other)
    for number in (0, 2):
        assert torch.equal(a.x[a.patient == number], b.x[b.patient == number])
        assert torch.equal(a.y[a.patient == number], b.y[b.patient == number])


def test_slices_that_cannot_be(three):
    with pytest.raises(ValueError, match="no slice of 0 patients"):
        slices([])
    with pytest.raises(ValueError, match="no slice of 3 patients has 999 voxels"):
        slices(three, least=999)
    with pytest.raises(ValueError, match="least must be int >= 0, got -1"):
        slices(three, least=-1)
    mixed = [three[0], patient(1, sides=(8, 16, 16))]
    with pytest.raises(ValueError, match=r"one shape, got \(2, 8, 16, 16\) \| \(2, 8"):
        slices(mixed)


# --- training -------------------------------------------------------------------------


def test_one_batch_can_be_learnt_by_heart(three):
    batch = slices(three[:1])
    model = network(width=8)
    history = fit_segmentation(model, batch, loss=bce_dice, epochs=60, lr=0.03)
    truth = regions(three[0].label)
    assert dice(predict(model, three[0])[None], truth[None]).min() > 0.95
    assert len(history.loss) == history.steps == 60
    assert history.loss[-1] < 0.3 * history.loss[0]
    assert history.seconds > 0 and not history.interrupted


def test_learns_what_carries_over_to_another_patient_unless_masks_are_drawn_by_lot():
    train = slices([patient(seed) for seed in range(6)])
    new = patient(7)
    truth = regions(new.label)[None]
    lot = torch.rand(train.y.shape, generator=torch.Generator().manual_seed(0))
    scores = []
    for y in (train.y, lot < 0.1):
        model = network(width=8)
        fit_segmentation(
            model, (train.x, y), loss=bce_dice, epochs=20, lr=0.03, batch_size=8
        )
        scores.append(dice(predict(model, new)[None], truth))
    assert scores[0].min() > 0.75
    # By chance, a mask of any size has at most 2 f / (1 + f), f the tumour's part.
    f = truth.transpose(0, 1).flatten(1).float().mean(1)
    assert (scores[1] <= 2 * f / (1 + f) + 0.1).all()


def test_volumes_are_learnt_too():
    volumes = [patient(seed) for seed in range(4)]
    x = torch.stack([one.image for one in volumes])
    y = torch.stack([regions(one.label) for one in volumes])
    model = network(dims=3, levels=2, width=8)
    history = fit_segmentation(
        model,
        (x, y),
        loss=bce_dice,
        epochs=15,
        lr=0.03,
        batch_size=2,
        augment=SegmentationAugment(intensity=0.05),
    )
    assert history.steps == 30 and history.loss[-1] < 0.7 * history.loss[0]
    p = predict(model, volumes[0])
    assert p.shape == (3, 8, 16, 24)
    assert dice(p[None], y[:1])[0] > 0.6


def test_same_seed_same_run_and_the_callers_generator_is_left_alone(train):
    kwargs = {"loss": bce_dice, "epochs": 2, "augment": SegmentationAugment()}
    models = [network() for _ in range(3)]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    a = fit_segmentation(models[0], train, seed=5, **kwargs)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    b = fit_segmentation(
        models[1], train, seed=5, after_epoch=lambda *_: torch.rand(7), **kwargs
    )
    fit_segmentation(models[2], train, seed=6, **kwargs)
    first, second, other = (model.state_dict() for model in models)
    assert same(first, second) and a.loss == b.loss
    assert not same(first, other)


def test_masks_as_bool_or_as_float_and_any_pair(train):
    results = []
    for data in (train, (train.x, train.y), [train.x, train.y.float()]):
        model = network()
        fit_segmentation(model, data, loss=bce_dice, epochs=1)
        results.append(model.state_dict())
    assert same(results[0], results[1]) and same(results[0], results[2])


def test_what_loss_and_augment_are_given(train):
    seen = []

    def augment(x, y, generator):
        assert isinstance(generator, torch.Generator)
        assert x.dtype == torch.float32 and y.dtype == torch.bool
        assert len(x) == len(y) == 5
        seen.append(x[:, 0].sum((1, 2)))
        return x, y.flip(-1)

    def loss(logits, y):
        assert logits.shape == y.shape == (5, 3, 16, 24)
        assert logits.dtype == y.dtype == torch.float32
        seen[-1] = seen[-1], y.flip(-1)
        return bce_dice(logits, y)

    n = len(train.x)
    fit_segmentation(
        network(), train, loss=loss, epochs=2, batch_size=5, augment=augment
    )
    assert len(seen) == 2 * (n // 5)
    fingerprints = train.x[:, 0].sum((1, 2))
    for sums, masks in seen:  # each picture with its own mask
        for one, mask in zip(sums, masks, strict=True):
            assert torch.equal(
                mask.bool(), train.y[(fingerprints - one).abs().argmin()]
            )


def test_gradients_are_clipped(train):
    """A loss a million times as steep takes steps no larger than one that is clipped.

    Adam does not care for a factor of all gradients, but for one of a single batch.
    """
    norms = []
    model = network()

    def loss(logits, y):
        return 1e6 * bce_dice(logits, y)

    step = torch.optim.AdamW.step

    def watched(optimizer, *args, **kwargs):
        grads = [p.grad.norm() for g in optimizer.param_groups for p in g["params"]]
        norms.append(torch.stack(grads).norm().item())
        return step(optimizer, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", watched)
        fit_segmentation(model, train, loss=loss, epochs=1)
    assert norms and max(norms) == pytest.approx(5, rel=0.01)


def test_after_epoch_sees_the_model_at_rest(train, three):
    calls = []
    model = network()

    def look(epoch, given):
        assert given is model
        assert not any(module.training for module in given.modules())
        assert not given(train.x[:1]).requires_grad
        assert predict(given, three[0]).shape == (3, 8, 16, 24)
        calls.append(epoch)

    def loss(logits, y):
        assert model.training and logits.requires_grad
        # A prediction in between must not spoil the layout that makes training fast.
        assert not model.encoder[1][0][0].weight.is_contiguous()
        return bce_dice(logits, y)

    watched, plain = model, network()
    fit_segmentation(watched, train, loss=loss, epochs=3, after_epoch=look)
    fit_segmentation(plain, train, loss=bce_dice, epochs=3)
    assert calls == [1, 2, 3]
    assert same(watched.state_dict(), plain.state_dict())


def test_model_comes_back_in_eval_mode_and_contiguous(train):
    model = network().train()
    fit_segmentation(model, train, loss=bce_dice, epochs=1)
    assert not any(module.training for module in model.modules())
    assert all(p.is_contiguous() and p.grad is None for p in model.parameters())


def test_seconds_are_those_of_the_steps(train, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(segmentation.time, "perf_counter", lambda: now[0])

    def passes(seconds):
        now[0] += seconds

    def loss(logits, y):
        passes(1)
        return bce_dice(logits, y)

    history = fit_segmentation(
        network(), train, loss=loss, epochs=3, after_epoch=lambda *_: passes(100)
    )
    assert history.seconds == history.steps == 3


def test_lower_precision_inside_autocast(train):
    def loss(logits, y):
        assert logits.dtype == torch.float32
        assert (logits.mT @ y).dtype == torch.float32  # the loss is not autocast
        return bce_dice(logits, y)

    low, full = network(), network()
    with torch.autocast("cpu", torch.bfloat16):
        history = fit_segmentation(low, train, loss=loss, epochs=12, lr=0.03)
    reference = fit_segmentation(full, train, loss=bce_dice, epochs=12, lr=0.03)
    assert history.loss != reference.loss
    assert history.loss == pytest.approx(reference.loss, rel=0.05)
    assert reference.loss[-1] < 0.85 * reference.loss[0]


def interrupt_at(call):
    """An augmentation that is interrupted by hand at its n-th batch, counted from 1."""
    calls = iter(range(1, 10_000))

    def augment(x, y, _generator):
        if next(calls) == call:
            raise KeyboardInterrupt
        return x, y

    return augment


def test_interrupt_keeps_the_weights_so_far(train, capsys):
    kwargs = {"loss": bce_dice, "epochs": 9, "batch_size": 7}
    batches = len(train.x) // 7
    stopped = network()
    steps = 2 * batches + 1
    history = fit_segmentation(
        stopped, train, augment=interrupt_at(steps + 1), **kwargs
    )
    assert history.interrupted and history.steps == steps and len(history.loss) == 3
    assert "Stopped by hand in epoch 3 of 9" in capsys.readouterr().out
    assert not any(module.training for module in stopped.modules())
    with torch.no_grad():
        after = [
            bce_dice(model.eval()(train.x), train.y.float())
            for model in (stopped, network())
        ]
    assert after[0] < after[1]


def test_interrupt_before_the_first_step(train, capsys):
    model = network()
    before = snapshot(model)
    history = fit_segmentation(
        model, train, loss=bce_dice, epochs=1, augment=interrupt_at(1)
    )
    assert history.interrupted and history.loss == [] and history.steps == 0
    assert same(model.state_dict(), before)
    assert "in epoch 1 of 1" in capsys.readouterr().out


def test_a_loss_that_explodes_names_lr_and_keeps_the_last_good_epoch(train):
    kept = []

    def loss(logits, y):
        return bce_dice(logits, y) / (len(kept) < 2)

    model = network()
    with pytest.raises(ValueError, match=r"finite in epoch 3.* lr \(it was 0.003\)"):
        fit_segmentation(
            model,
            train,
            loss=loss,
            epochs=5,
            after_epoch=lambda _epoch, model: kept.append(snapshot(model)),
        )
    assert same(model.state_dict(), kept[1])
    assert not any(module.training for module in model.modules())


def test_a_bar_where_somebody_watches(train, capsys):
    fit_segmentation(network(), train, loss=bce_dice, epochs=2, live=True)
    shown = capsys.readouterr().err
    fit_segmentation(network(), train, loss=bce_dice, epochs=2)
    assert f"/{2 * max(1, len(train.x) // 16)}" in shown
    assert capsys.readouterr().err == ""


X, Y = torch.randn(4, 2, 8, 8), torch.rand(4, 3, 8, 8) < 0.3
BAD_DATA = {
    "not a pair": (X, "must be a pair of tensors"),
    "alone": ((X,), "must be a pair of tensors"),
    "arrays": ((X.numpy(), Y.numpy()), "must be a pair of tensors"),
    "empty": ((X[:0], Y[:0]), "at least one, got torch.float32"),
    "uint8": ((X.byte(), Y), "x must be float images"),
    "flat": ((X.flatten(1), Y), "x must be float images"),
    "nan": ((X / 0, Y), "not finite"),
    "labels": ((X, Y[:, 0].long()), r"a mask \(K, \*sides\) for each x"),
    "labels of a channel": ((X, Y[:, :1] * 3), "y runs from 0 to 3"),
    "fewer": ((X, Y[:3]), "a mask"),
    "other sides": ((X, Y[..., :4]), "a mask"),
    "two regions": ((X, Y[:, :2]), "gives 3 maps an image, the masks have 2"),
    "odd sides": ((X[..., :7], Y[..., :7]), "multiples of 4"),
    "channels": ((X[:, :1], Y), r"x must be \(N, 2, H, W\)"),
}


@pytest.mark.parametrize(("data", "sentence"), BAD_DATA.values(), ids=BAD_DATA)
def test_bad_data_are_named(data, sentence):
    model = network()
    before = snapshot(model)
    with pytest.raises(ValueError, match=sentence):
        fit_segmentation(model, data, loss=bce_dice, epochs=1)
    assert same(model.state_dict(), before)


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("batch_size", 0), ("lr", 0), ("weight_decay", -1), ("seed", -1)],
)
def test_bad_settings_are_named(name, value):
    kwargs = {"epochs": 1} | {name: value}
    with pytest.raises(ValueError, match=f"fit_segmentation: {name} must be"):
        fit_segmentation(network(), (X, Y), loss=bce_dice, **kwargs)


class TwoThings(nn.Conv2d):
    def __init__(self):
        super().__init__(2, 3, 1)

    def forward(self, x):
        return super().forward(x), None


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (nn.Upsample(scale_factor=1), "no parameters"),
        (nn.Conv2d(2, 3, 3), r"sides \(8, 8\); it gave \(1, 3, 6, 6\)"),
        (TwoThings(), "it gave tuple"),
        (nn.Sequential(nn.Conv2d(2, 3, 1), nn.Flatten()), r"it gave \(1, 192\)"),
    ],
    ids=["no parameters", "smaller map", "tuple", "flat"],
)
def test_networks_that_give_no_map(model, sentence):
    with pytest.raises(ValueError, match=sentence):
        fit_segmentation(model, (X, Y), loss=bce_dice, epochs=1)


# --- prediction -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(train):
    model = network()
    fit_segmentation(model, train, loss=bce_dice, epochs=3)
    return model


def test_prediction_is_the_sigmoid_of_each_slice(trained, three):
    brain = three[1].brain.clone()
    brain[:2] = False
    one = dataclasses.replace(three[1], brain=brain)
    with torch.no_grad():
        expected = trained(one.image.transpose(0, 1)).sigmoid().transpose(0, 1)
    for batch in (1, 3, 32):
        p = predict(trained, one, batch=batch)
        assert p.dtype == torch.float32 and p.shape == (3, 8, 16, 24)
        torch.testing.assert_close(p[:, 2:7], expected[:, 2:7])
        assert (p[:, :2] == 0).all()
    assert not p.requires_grad


def test_prediction_of_a_volume_at_once(three):
    model = network(dims=3).eval()
    one = three[0]
    with torch.no_grad():
        expected = model(one.image[None]).sigmoid()[0]
    shown = one.brain.flatten(1).any(1)
    p = predict(model, one)
    torch.testing.assert_close(p[:, shown], expected[:, shown])
    assert (p[:, ~shown] == 0).all()


@pytest.mark.parametrize("dims", [2, 3])
def test_flips_average_with_the_patient_in_a_mirror(three, dims):
    model = network(dims=dims, levels=2).eval()
    one = three[0]
    mirrored = dataclasses.replace(
        one, image=one.image.flip(-1), brain=one.brain.flip(-1)
    )
    plain, other = predict(model, one), predict(model, mirrored)
    both = predict(model, one, flips=True)
    torch.testing.assert_close(both, (plain + other.flip(-1)) / 2)
    torch.testing.assert_close(predict(model, mirrored, flips=True), both.flip(-1))
    assert (both - plain).abs().max() > 1e-4


def test_the_model_comes_back_as_it_was(three):
    for mode in (True, False):
        model = network().train(mode)
        before = snapshot(model)
        predict(model, three[0])
        assert all(module.training == mode for module in model.modules())
        assert same(model.state_dict(), before)  # batch norm has seen nothing
        assert all(p.is_contiguous() for p in model.parameters())


def test_a_part_that_is_frozen_stays_so(three):
    model = network(levels=2)
    frozen = next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    model.train()
    frozen.eval()
    modes = [module.training for module in model.modules()]
    assert {*modes} == {True, False}
    predict(model, three[0])
    assert [module.training for module in model.modules()] == modes
    small = dataclasses.replace(three[0], image=three[0].image[:1])
    with pytest.raises(ValueError, match="x must be"):
        predict(model, small)
    assert [module.training for module in model.modules()] == modes


def test_any_number_of_maps(three):
    assert predict(UNet(2, 1, width=2), three[0]).shape == (1, 8, 16, 24)


def test_networks_that_predict_cannot_use(three):
    with pytest.raises(ValueError, match="predict: the network has no convolution"):
        predict(nn.Linear(24, 24), three[0])
    with pytest.raises(
        ValueError, match=r"predict: the network must give .* \(16, 24\)"
    ):
        predict(nn.Conv2d(2, 3, 3), three[0])
    with pytest.raises(ValueError, match="batch must be int >= 1, got 0"):
        predict(network(), three[0], batch=0)
    with pytest.raises(ValueError, match=r"x must be \(N, 4, H, W\)"):
        predict(UNet(4, 3, width=2), three[0])


def test_sentences_come_in_the_language_set():
    set_language("es")
    try:
        with pytest.raises(ValueError, match="fit_segmentation: epochs debe ser"):
            fit_segmentation(network(), (X, Y), loss=bce_dice, epochs=0)
    finally:
        set_language("en")
