import time

import pytest
import torch
import torch.nn.functional as F

from course_utils import models
from course_utils.augment import (
    Compose,
    GaussianBlur,
    GaussianNoise,
    RandomAffine,
    RandomBrightnessContrast,
    RandomErasing,
    RandomLighting,
    geometry,
    light,
)

STEPS = {
    "affine": RandomAffine(),
    "brightness": RandomBrightnessContrast(0.3, 0.3),
    "lighting": RandomLighting(0.4),
    "noise": GaussianNoise(0.2),
    "blur": GaussianBlur(2),
    "erasing": RandomErasing(8, 1),
    "compose": Compose(RandomAffine(), GaussianNoise(0.1)),
}
IDENTITIES = {
    "affine": RandomAffine(0, 0, 0, 0),
    "brightness": RandomBrightnessContrast(0, 0),
    "lighting": RandomLighting(0),
    "noise": GaussianNoise(0),
    "blur": GaussianBlur(0),
    "no erasing": RandomErasing(8, 0),
    "nothing erased": RandomErasing(0, 1),
    "compose": Compose(),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def letter_f(side=29):
    """An F, alone among letters in looking like no turned or mirrored self."""
    x = torch.zeros(1, 1, side, side)
    x[..., 6:23, 10:13] = 1
    x[..., 6:9, 10:20] = 1
    x[..., 13:16, 10:17] = 1
    return x


@pytest.fixture
def drawn(monkeypatch):
    """Dictate what is drawn, as fractions of each range; affine: angle, zoom, slant,
    x, y."""

    def dictate(*values):
        def draw(shape, x, _generator):
            return torch.tensor(values).view(-1, *shape[1:]).to(x)

        monkeypatch.setattr(geometry, "draw", draw)
        monkeypatch.setattr(light, "draw", draw)

    return dictate


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_repeats_by_seed_and_changes_each_image_differently(step):
    x = letter_f().repeat(8, 1, 1, 1)
    first, again, other = step(x, seeded()), step(x, seeded()), step(x, seeded(1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    for i in range(1, 8):
        assert not torch.equal(first[0], first[i])


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_without_generator_it_follows_the_global_seed(step):
    torch.manual_seed(3)
    first = step(letter_f())
    torch.manual_seed(3)
    assert torch.equal(step(letter_f()), first)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(4, 1, 28, 28), (2, 3, 10, 16)])
def test_keeps_shape_and_dtype_and_leaves_x_alone(step, dtype, shape):
    x = torch.randn(shape, dtype=dtype)
    before = x.clone()
    y = step(x, seeded())
    assert y.shape == x.shape and y.dtype == dtype
    assert torch.equal(x, before)


@pytest.mark.parametrize("step", IDENTITIES.values(), ids=IDENTITIES)
def test_zero_ranges_change_nothing(step):
    x = torch.randn(5, 2, 28, 20)
    torch.testing.assert_close(step(x, seeded()), x, atol=1e-5, rtol=0)


def test_a_pair_in_the_place_of_a_number_is_refused():
    for pair in ({"translate": (0.1, 0.1)}, {"scale": (0.9, 1.1)}):
        with pytest.raises(ValueError, match="translate is a single number, in pixels"):
            RandomAffine(**pair)
    for kind, field in [
        (RandomAffine, "degrees"),
        (RandomBrightnessContrast, "contrast"),
        (RandomLighting, "strength"),
        (GaussianNoise, "std"),
        (GaussianBlur, "sigma"),
        (RandomErasing, "p"),
    ]:
        said = rf"{kind.__name__}: {field} is a single number, got \(0, 1\)"
        with pytest.raises(ValueError, match=said):
            kind(**{field: (0, 1)})


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_wrong_images_are_named(step):
    with pytest.raises(ValueError, match=r"float images \(N, C, H, W\), got .*uint8"):
        step(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), seeded())
    with pytest.raises(ValueError, match=r"got torch.float32 \(28, 28\)"):
        step(torch.zeros(28, 28), seeded())


@pytest.mark.parametrize(("direction", "turns"), [(1.0, -1), (-1.0, 1)])
def test_rotation_is_clockwise_for_a_positive_angle(drawn, direction, turns):
    drawn(direction, 0.0, 0.0, 0.0, 0.0)
    x = letter_f()
    y = RandomAffine(90, 0, 0, 0)(x)
    torch.testing.assert_close(y, x.rot90(turns, (2, 3)), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 1), (-1, 1)])
@pytest.mark.parametrize("shape", [(29, 29), (20, 32)])
def test_shift_in_pixels_right_and_down(drawn, right, down, shape):
    drawn(0.0, 0.0, 0.0, float(right), float(down))
    x = F.pad(torch.rand(1, 1, shape[0] - 10, shape[1] - 10), (5, 5, 5, 5))
    y = RandomAffine(0, 3, 0, 0)(x)
    expected = x.roll((3 * down, 3 * right), (2, 3))
    torch.testing.assert_close(y, expected, atol=1e-4, rtol=0)


def test_zoom_is_about_the_centre(drawn):
    x = torch.zeros(1, 1, 40, 40)
    x[..., 15:25, 15:25] = 1
    for zoom in (1.0, -1.0):
        drawn(0.0, zoom, 0.0, 0.0, 0.0)
        area = RandomAffine(0, 0, 0.2, 0)(x).sum().item()
        assert area == pytest.approx(100 * (1 + 0.2 * zoom) ** 2, rel=0.03)


def test_slant_moves_the_top_against_the_bottom(drawn):
    x = torch.zeros(1, 1, 41, 41)
    x[..., :, 20] = 1
    drawn(0.0, 0.0, 1.0, 0.0, 0.0)
    y = RandomAffine(0, 0, 0, 0.5)(x)[0, 0]
    columns = y @ torch.arange(41.0) / y.sum(1)
    offset = columns - 20
    torch.testing.assert_close(
        offset[10:31], -0.5 * torch.arange(-10.0, 11.0), atol=0.05, rtol=0
    )


def test_rotation_keeps_angles_on_images_that_are_not_square(drawn):
    """A disc stays a disc: its second moments along both axes stay equal."""
    rows, columns = torch.meshgrid(
        torch.arange(24.0) - 11.5, torch.arange(48.0) - 23.5, indexing="ij"
    )
    disc = (rows**2 + columns**2 < 64).float()[None, None]
    drawn(1.0, 0.0, 0.0, 0.0, 0.0)
    y = RandomAffine(30, 0, 0, 0)(disc)[0, 0]
    high, wide = (y * rows**2).sum() / y.sum(), (y * columns**2).sum() / y.sum()
    assert high.item() == pytest.approx(wide.item(), rel=0.02)


def test_never_flips():
    """With the ranges of the course, an F stays nearer to an F than to its mirror."""
    x = letter_f().repeat(200, 1, 1, 1)
    y = RandomAffine()(x, seeded())
    # The mirror must not win only because the strokes no longer overlap: best shift.
    scores = [
        F.conv2d(y - y.mean(), kernel - kernel.mean(), padding=4).flatten(1).amax(1)
        for kernel in (letter_f(), letter_f().flip(3), letter_f().flip(2))
    ]
    assert (scores[0] > scores[1]).all() and (scores[0] > scores[2]).all()


def test_outside_repeats_the_edge():
    y = RandomAffine(45, 8, 0.3, 0.3)(torch.full((16, 1, 20, 20), -0.4), seeded())
    torch.testing.assert_close(y, torch.full_like(y, -0.4))


def test_ranges_are_kept_and_used():
    x = letter_f().repeat(2000, 1, 1, 1)
    centre = torch.arange(29.0)
    y = RandomAffine(0, 2, 0, 0)(x, seeded())
    for axis in (2, 3):
        weights, before = y.sum((1, 5 - axis)), x.sum((1, 5 - axis))
        shift = (weights @ centre) / weights.sum(1) - (before @ centre) / before.sum(1)
        assert shift.min() > -2.01 and shift.max() < 2.01
        assert shift.min() < -1.9 and shift.max() > 1.9
        assert abs(shift.mean()) < 0.1


def test_contrast_about_the_mean_then_brightness(drawn):
    x = torch.tensor([1.0, 3.0]).view(1, 1, 1, 2)
    drawn(1.0, -1.0)
    y = RandomBrightnessContrast(brightness=0.25, contrast=0.5)(x)
    torch.testing.assert_close(y.flatten(), torch.tensor([1.75, 2.75]))


def test_noise_has_the_deviation_asked_for():
    noise = GaussianNoise(0.3)(torch.zeros(50, 1, 28, 28), seeded())
    assert noise.std().item() == pytest.approx(0.3, rel=0.02)
    assert abs(noise.mean().item()) < 0.01


def test_light_from_the_right_and_from_below(drawn):
    x = torch.zeros(1, 2, 4, 5)
    drawn(0.0, 0.5)  # no angle: to the right; half the steepness
    slope = 0.1 * torch.tensor([-0.8, -0.4, 0, 0.4, 0.8])
    torch.testing.assert_close(RandomLighting(0.2)(x), slope.expand(1, 2, 4, 5))
    drawn(0.5, 1.0)  # a quarter turn: downwards
    slope = 0.2 * torch.tensor([-0.75, -0.25, 0.25, 0.75]).view(4, 1)
    torch.testing.assert_close(RandomLighting(0.2)(x), slope.expand(1, 2, 4, 5))


def test_lighting_is_a_plane_of_mean_zero_from_every_side():
    slope = RandomLighting(0.5)(torch.zeros(500, 1, 28, 28), seeded())[:, 0]
    torch.testing.assert_close(slope.mean((1, 2)), torch.zeros(500), atol=1e-6, rtol=0)
    bend = slope[:, 2:] - 2 * slope[:, 1:-1] + slope[:, :-2]
    torch.testing.assert_close(bend, torch.zeros_like(bend), atol=1e-6, rtol=0)
    down, right = slope[:, -1, 14] - slope[:, 0, 14], slope[:, 14, -1] - slope[:, 14, 0]
    quadrants = {(a.item(), b.item()) for a, b in zip(down > 0, right > 0, strict=True)}
    assert len(quadrants) == 4
    steepness = torch.hypot(down, right) / 2 * 28 / 27
    assert 0.45 < steepness.max() <= 0.5 + 1e-6 and steepness.min() < 0.05


def test_erasing_sets_one_whole_square_to_zero_in_all_channels():
    x = torch.rand(400, 3, 12, 20) + 1
    y = RandomErasing(size=5, p=1)(x, seeded())
    erased = y == 0
    assert torch.equal(erased[:, 0], erased[:, 1]) and torch.equal(
        x[~erased], y[~erased]
    )
    rows, columns = erased[:, 0].any(2), erased[:, 0].any(1)
    assert (erased[:, 0].sum((1, 2)) == 25).all()
    assert (rows.sum(1) == 5).all() and (columns.sum(1) == 5).all()
    # Every place inside the image occurs, up to the last row and column.
    assert {*rows.int().argmax(1).tolist()} == {*range(8)}
    assert {*columns.int().argmax(1).tolist()} == {*range(16)}
    corners = torch.stack([rows.int().argmax(1), columns.int().argmax(1)], dim=1)
    assert len(corners.unique(dim=0)) > 100  # of 128: one does not follow the other


def test_erasing_meets_a_share_p_of_the_images():
    y = RandomErasing(size=28, p=0.3)(torch.ones(2000, 1, 28, 28), seeded())
    empty = (y == 0).all(3).all(2).float().mean().item()
    assert empty == pytest.approx(0.3, abs=0.03) and (y.mean((1, 2, 3)) % 1 == 0).all()


def test_erasing_refuses_images_smaller_than_its_square():
    with pytest.raises(ValueError, match="8 pixels does not fit into images of 28×7"):
        RandomErasing(8)(torch.zeros(1, 1, 28, 7))


def test_blur_agrees_with_scipy_away_from_the_edges(drawn):
    ndimage = pytest.importorskip("scipy.ndimage")
    x = torch.rand(1, 2, 40, 50, dtype=torch.float64)
    drawn(0.5)  # three quarters of the range
    y = GaussianBlur(2)(x)[..., 12:-12, 12:-12]
    expected = ndimage.gaussian_filter(x.numpy(), 1.5, axes=(2, 3), truncate=8)
    torch.testing.assert_close(y, torch.tensor(expected)[..., 12:-12, 12:-12])


def test_blur_keeps_a_flat_image_and_draws_between_none_and_sigma():
    flat = torch.full((50, 1, 9, 12), 0.7)
    torch.testing.assert_close(GaussianBlur(3)(flat, seeded()), flat)
    point = torch.zeros(500, 1, 41, 41)
    point[..., 20, 20] = 1
    y = GaussianBlur(3)(point, seeded())[:, 0]
    sigma = (y.sum(1) @ (torch.arange(41.0) - 20) ** 2).sqrt()
    assert sigma.min() < 0.1 and 2.9 < sigma.max() < 3.01
    assert sigma.mean().item() == pytest.approx(1.5, abs=0.1)


def test_compose_runs_in_order_with_one_generator():
    def double(x, _generator):
        return x * 2

    x, noise = torch.ones(2, 1, 4, 4), GaussianNoise(0.1)
    shared = seeded()
    expected = noise(noise(x, shared) * 2, shared)
    assert torch.equal(Compose(noise, double, noise)(x, seeded()), expected)
    assert repr(Compose(noise)) == "Compose(GaussianNoise(std=0.1))"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: RandomAffine(degrees=-1), "degrees must be >= 0, got -1"),
        (lambda: RandomAffine(translate=-2), "translate must be >= 0"),
        (lambda: RandomAffine(scale=1), "scale must be >= 0, < 1, got 1"),
        (lambda: RandomAffine(shear=float("nan")), "shear must be >= 0"),
        (lambda: RandomBrightnessContrast(brightness=-1), "brightness must be"),
        (lambda: RandomBrightnessContrast(contrast=1.5), "contrast must be"),
        (lambda: GaussianNoise(-0.1), "std must be >= 0"),
        (lambda: RandomLighting(-0.3), "strength must be >= 0, got -0.3"),
        (lambda: GaussianBlur(-1), "sigma must be >= 0"),
        (lambda: RandomErasing(-8), "size must be int >= 0, got -8"),
        (lambda: RandomErasing(7.5), "size must be int >= 0, got 7.5"),
        (lambda: RandomErasing(8, 1.5), "p must be >= 0, <= 1, got 1.5"),
        (lambda: Compose([GaussianNoise()]), r"cannot be called.*Compose\(a, b\)"),
    ],
)
def test_bad_ranges_are_named(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_cost_beside_a_training_step():
    """Augmentation must stay a small part of a step; the margin is wide on purpose."""
    x, y = torch.randn(128, 1, 28, 28), torch.arange(128) % 10
    model, step = models.digit_cnn(), RandomAffine()

    def seconds(action, repeats=8):
        action()
        start = time.process_time()
        for _ in range(repeats):
            action()
        return (time.process_time() - start) / repeats

    training = seconds(lambda: F.cross_entropy(model(x), y).backward())
    assert seconds(lambda: step(x, seeded())) < 0.5 * training
