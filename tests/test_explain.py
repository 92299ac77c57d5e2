"""Class-activation maps against the papers' formulas, and the tests that maps pass."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import explain
from course_utils.explain import (
    METHODS,
    class_map,
    deletion_curve,
    randomize_weights,
    reliability,
)


def network(pool=nn.AdaptiveAvgPool2d, inplace=True, seed=0):
    """Two convolutions and a linear head with three classes; model[3] shows a map."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, stride=2),
        nn.ReLU(inplace=inplace),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(inplace=inplace),
        pool(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    ).eval()


@pytest.fixture
def images():
    return torch.randn(5, 1, 12, 12, generator=torch.Generator().manual_seed(1))


def features(model, x, classes, first=4):
    """Activations of model[:first] and the gradients of the classes' logits there."""
    activations = model[:first](x).detach().requires_grad_()
    scores = model[first:](activations.clone())
    (gradients,) = torch.autograd.grad(
        scores.gather(1, classes[:, None]).sum(), activations
    )
    return activations.detach(), gradients


def scaled(maps):
    """Of a map with positive values, the positive ones, the largest 1."""
    return maps.relu() / maps.amax((1, 2), keepdim=True)


# --- the three formulas


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d])
def test_grad_cam_by_hand(images, pool):
    model, classes = network(pool), torch.tensor([0, 1, 2, 1, 0])
    a, g = features(model, images, classes)
    by_hand = torch.einsum("nkij,nk->nij", a, g.mean((2, 3))).relu()
    maps = class_map(model, images, model[3], classes)
    assert maps.shape == (5, 5, 5) and maps.dtype == torch.float32
    highest = by_hand.amax((1, 2), keepdim=True)
    assert (highest > 0).sum() >= 3
    assert torch.allclose(maps * highest, by_hand, atol=1e-5)


def test_grad_cam_is_cam_under_a_linear_head_after_average_pooling(images):
    """Zhou, B. et al. (2016). https://doi.org/10.1109/CVPR.2016.319"""
    model = network()
    predicted = model(images).argmax(1)
    cam = torch.einsum("nkij,nk->nij", model[:4](images), model[6].weight[predicted])
    maps = class_map(model, images, model[3])
    lit = cam.amax((1, 2)) > 0
    assert lit.any()
    assert torch.allclose(maps[lit], scaled(cam[lit]), atol=1e-5)


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d])
@pytest.mark.parametrize("size", [1, 1e-6])
def test_grad_cam_plus_plus_by_hand(images, pool, size):
    """Equation 19 as printed; small gradients must not underflow in its powers."""
    model, classes = network(pool), torch.tensor([0, 1, 2, 1, 0])
    model[6].weight.data *= size
    a, g = (t.double() for t in features(model, images, classes))
    alpha = g**2 / (2 * g**2 + a.sum((2, 3), keepdim=True) * g**3)
    weights = (alpha.nan_to_num(0) * g.relu()).sum((2, 3))
    by_hand = torch.einsum("nkij,nk->nij", a, weights)
    maps = class_map(model, images, model[3], classes, "gradcam++")
    assert torch.allclose(maps.double(), scaled(by_hand), atol=1e-5)


def test_score_cam_by_hand(images):
    model, classes = network(), torch.tensor([0, 1, 2, 1, 0])
    maps = class_map(model, images, model[3], classes, "scorecam")
    for x, target, found in zip(images, classes, maps, strict=True):
        scores = []
        a = model[:4](x[None])[0]
        for channel in a:
            mask = (channel - channel.min()) / (channel.max() - channel.min() + 1e-8)
            mask = F.interpolate(mask[None, None], x.shape[1:], mode="bilinear")
            scores.append(model(x * mask)[0, target])
        weights = torch.stack(scores).softmax(0)
        by_hand = torch.einsum("kij,k->ij", a, weights)
        assert torch.allclose(found, by_hand / by_hand.max(), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_largest_value_is_one_and_the_predicted_class_is_the_default(
    images, method
):
    model = network()
    maps = class_map(model, images, model[3], method=method)
    assert maps.min() >= 0 and set(maps.amax((1, 2)).tolist()) <= {0.0, 1.0}
    predicted = model(images).argmax(1)
    assert torch.equal(maps, class_map(model, images, model[3], predicted, method))


@pytest.mark.parametrize("method", ["gradcam", "gradcam++"])
def test_without_a_gradient_the_map_is_zero(images, method):
    model = network()
    model[6].weight.data[1] = 0
    maps = class_map(
        model, images, model[3], torch.tensor([1, 0, 1, 0, 1]), method=method
    )
    assert not maps[0::2].any() and maps[1::2].any()


# --- what goes wrong elsewhere


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layer", [0, 2])
def test_a_relu_in_place_does_not_change_the_layer_before_it(images, layer, method):
    safe, hasty = network(inplace=False), network(inplace=True)
    assert torch.equal(
        class_map(safe, images, safe[layer], method=method),
        class_map(hasty, images, hasty[layer], method=method),
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_off(images, method, off):
    model = network()
    expected = class_map(model, images, model[3], method=method)
    with off():
        maps = class_map(model, images + 0, model[3], method=method)
    assert torch.equal(maps, expected) and not maps.requires_grad


@pytest.mark.parametrize("method", METHODS)
def test_it_works_on_a_frozen_network(images, method):
    model = network()
    expected = class_map(model, images, model[3], method=method)
    model.requires_grad_(False)
    assert torch.equal(class_map(model, images, model[3], method=method), expected)


@pytest.mark.parametrize("method", METHODS)
def test_the_network_is_left_as_it_was(images, method):
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(0.5), *network()).train()
    model[0].eval()  # frozen, as in fine-tuning
    before, x = copy.deepcopy(model.state_dict()), images.clone()
    maps = class_map(model, x, model[5], method=method)
    assert [m.training for m in model.modules()] == [True, False] + [True] * 8
    assert torch.equal(maps, class_map(model.eval(), x, model[5], method=method))
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(p.grad is None for p in model.parameters()) and x.grad is None
    assert torch.equal(x, images) and not x.requires_grad
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_hooks_are_removed_after_an_error_too(images):
    model = network()
    with pytest.raises(ValueError, match="feature maps"):
        class_map(model, images, model[5])
    with pytest.raises(RuntimeError):
        class_map(model, images[:, :, :1], model[3], method="scorecam")
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert not any(m.training for m in model.modules())


@pytest.mark.parametrize("method", METHODS)
def test_chunks_and_single_images_give_the_same(images, method, monkeypatch):
    model, classes = network(), torch.tensor([0, 1, 2, 1, 0])
    whole = class_map(model, images, model[3], classes, method)
    monkeypatch.setattr(explain, "CHUNK", 2)
    assert torch.allclose(
        class_map(model, images, model[3], classes, method), whole, atol=1e-6
    )
    one = class_map(model, images[3:4], model[3], classes[3:4], method)
    assert torch.allclose(one, whole[3:4], atol=1e-6)


def test_another_class_gives_another_map(images):
    model = network()
    first, second = (
        class_map(model, images, model[3], torch.full((5,), k)) for k in (0, 1)
    )
    assert (first - second).abs().amax((1, 2)).min() > 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "cam"}, r"gradcam \| gradcam\+\+ \| scorecam, got 'cam'"),
        ({"layer": nn.ReLU()}, "no part of this model"),
        ({"x": torch.zeros(2, 1, 12, 12, dtype=torch.uint8)}, r"got \(torch.uint8"),
        ({"x": torch.zeros(1, 12, 12)}, r"float \(N, C, H, W\)"),
        ({"x": torch.zeros(0, 1, 12, 12)}, r"float \(N, C, H, W\)"),
        ({"classes": torch.zeros(4, dtype=torch.int64)}, r"must be int64 \(5,\)"),
        ({"classes": torch.zeros(5)}, r"must be int64 \(5,\), got \(torch.float32"),
        ({"classes": torch.tensor([0, 1, 2, 3, 0])}, r"0 <= ... < 3, got \(0, 3\)"),
        ({"classes": torch.tensor([0, 1, 2, -1, 0])}, r"got \(-1, 2\)"),
    ],
)
def test_what_cannot_be_explained_is_refused(images, change, message):
    model = network()
    arguments = {"x": images, "layer": model[3]} | change
    with pytest.raises(ValueError, match=message):
        class_map(model, **arguments)


def test_a_layer_that_never_runs_is_refused(images):
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = network(), nn.Conv2d(1, 1, 1)

        def forward(self, x):
            return self.used(x)

    model = Idle()
    with pytest.raises(ValueError, match="it gave None"):
        class_map(model, images, model.idle)


# --- deletion


class Brightness(nn.Module):
    """Class 1 is as probable as the image is bright; its Grad-CAM map is the image."""

    def __init__(self):
        super().__init__()
        self.features = nn.ReLU()
        self.gain = nn.Parameter(torch.tensor(4.0))

    def forward(self, x):
        bright = self.features(x).mean((1, 2, 3))
        return torch.stack([0 * bright, self.gain * bright], dim=1)


@pytest.fixture
def squares():
    """Images of noise, each with a bright square at its own place."""
    generator = torch.Generator().manual_seed(0)
    x = 0.1 * torch.rand(8, 1, 10, 10, generator=generator)
    for i in range(8):
        x[i, 0, i % 4 : i % 4 + 4, i // 2 : i // 2 + 4] += 5
    return x, torch.ones(8, dtype=torch.int64)


def test_deleting_what_a_map_marks_hurts_more_than_at_random(squares):
    model, (x, y) = Brightness(), squares
    maps = class_map(model, x, model.features, y)
    random = torch.rand(8, 10, 10, generator=torch.Generator().manual_seed(1))
    marked = deletion_curve(model, x, y, maps)
    by_chance, spared = (
        deletion_curve(model, x, y, other) for other in (random, -maps)
    )
    assert marked.shape == (11,) and marked.dtype == torch.float32
    p = model(x).softmax(1)[:, 1].mean()
    for curve in (marked, by_chance, spared):
        assert curve[0] == pytest.approx(p.item()) and curve[-1] == 0.5
    assert marked.mean() + 0.1 < by_chance.mean() < spared.mean() - 0.1
    assert marked[2] < 0.56  # the square is a sixth of the image: it is gone by now


def test_deletion_by_hand():
    """Four pixels, one a step, the brightest map first; deleted ones become -1."""
    model, x = Brightness(), torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    maps = torch.tensor([[[0.2, 0.9], [0.1, 0.4]]])
    left = torch.tensor([10.0, 8.0, 4.0, 3.0, 0.0])  # sums: minus 2, 4, 1, 3
    curve = deletion_curve(model, x, torch.tensor([1]), maps, steps=4, fill=-1)
    assert torch.allclose(curve, torch.sigmoid(4 * left / 4))


def test_small_maps_are_enlarged_and_equal_values_mixed():
    model, y = Brightness(), torch.tensor([1])
    x = torch.zeros(1, 1, 20, 20)
    x[:, :, :10] = 1
    marked = torch.tensor([[[1.0], [0.0]]])
    curve = deletion_curve(model, x, y, marked, steps=2)
    assert curve[1] == 0.5
    curve = deletion_curve(model, x, y, torch.zeros(1, 2, 2), steps=2)
    quarter = torch.sigmoid(torch.tensor(1.0)).item()  # of the image is bright and left
    assert curve[1] == pytest.approx(quarter, abs=0.03)


def test_deletion_leaves_the_network_in_its_mode(squares):
    model, (x, y) = nn.Sequential(nn.BatchNorm2d(1), Brightness()).train(), squares
    model[0].eval()
    deletion_curve(model, x, y, torch.rand(8, 3, 3), steps=1)
    assert model.training and not model[0].training


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be int >= 1, got 0"),
        ({"maps": torch.zeros(7, 3, 3)}, r"float \(8, h, w\), got \(7, 3, 3\)"),
        ({"maps": torch.zeros(8, 1, 3, 3)}, r"float \(8, h, w\)"),
        ({"y": torch.full((8,), 2)}, "labels run from 2 to 2"),
    ],
)
def test_a_deletion_that_makes_no_sense_is_refused(squares, change, message):
    x, y = squares
    arguments = {"x": x, "y": y, "maps": torch.zeros(8, 3, 3)} | change
    with pytest.raises(ValueError, match=message):
        deletion_curve(Brightness(), **arguments)


# --- randomised weights


def test_named_layers_forget_and_the_others_do_not(images):
    model = network()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    forgetful = randomize_weights(model, ["6", "2"], seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
        kept = torch.equal(forgetful.state_dict()[name], value)
        assert kept == name.startswith("0.")
    predicted = model(images).argmax(1)
    own, other = (class_map(m, images, m[3], predicted) for m in (model, forgetful))
    assert (own - other).abs().amax((1, 2)).min() > 0.1


def test_the_seed_decides_and_what_lies_inside_a_layer_forgets_too():
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))
    model[0][1].running_mean += 7
    first, again, other = (randomize_weights(model, ["0"], s) for s in (1, 1, 2))
    assert torch.equal(first[0][0].weight, again[0][0].weight)
    assert not torch.equal(first[0][0].weight, other[0][0].weight)
    assert not first[0][1].running_mean.any()


class OwnWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["head", "7"], "layers must be in: head, own, got '7'"),
        (["own"], "in layer 'own', a OwnWeights has weights but no reset_parameters"),
    ],
)
def test_layers_that_cannot_forget_are_refused(layers, message):
    model = nn.ModuleDict({"head": nn.Linear(2, 2), "own": OwnWeights()})
    with pytest.raises(ValueError, match=message):
        randomize_weights(model, layers)


# --- reliability


def test_reliability_agrees_with_a_loop():
    generator = torch.Generator().manual_seed(0)
    p = (3 * torch.randn(500, 4, generator=generator)).softmax(1)
    y = torch.randint(4, (500,), generator=generator)
    found = reliability(p, y, bins=7)
    confidence, predicted = p.max(1)
    for b in range(7):
        inside = (confidence > b / 7) & (confidence <= (b + 1) / 7)
        assert found.count[b] == inside.sum()
        if inside.any():
            mean = confidence[inside].mean().item()
            assert found.confidence[b] == pytest.approx(mean)
            share = (predicted == y)[inside].float().mean().item()
            assert found.accuracy[b] == pytest.approx(share)
    assert found.count.sum() == 500 and found.count.dtype == torch.int64


def test_edges_belong_to_the_lower_bin_and_empty_bins_are_nan():
    p = torch.tensor([[0.5, 0.5], [0.3, 0.7], [1.0, 0.0], [0.0, 1.0]])
    found = reliability(p, torch.tensor([0, 0, 0, 0]))
    assert found.count.tolist() == [0, 0, 0, 0, 1, 0, 1, 0, 0, 2]
    assert found.accuracy[[4, 6, 9]].tolist() == [1, 0, 0.5]
    assert found.confidence[9] == 1
    empty = found.count == 0
    assert torch.equal(found.accuracy.isnan(), empty)
    assert torch.equal(found.confidence.isnan(), empty)


@pytest.mark.parametrize(
    ("p", "y", "bins", "message"),
    [
        (torch.tensor([[2.0, -1.0]]), [0], 10, r"smallest is -1.00.*softmax\(1\)"),
        (torch.tensor([[3.0, 1.0]]), [0], 10, "add up to 4.00"),
        (torch.ones(2, 1), [0], 10, r"\(\(2, 1\), \(1,\)\)"),
        (torch.ones(1), [0], 10, "probabilities, y must be"),
        (torch.ones(1, 1), [0], 0, "bins must be int >= 1"),
    ],
)
def test_what_are_no_probabilities_is_refused(p, y, bins, message):
    with pytest.raises(ValueError, match=message):
        reliability(p, torch.tensor(y), bins)
