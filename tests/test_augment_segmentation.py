import math

import pytest
import torch

from course_utils.augment.segmentation import SegmentationAugment
from course_utils.locale import set_language

STILL = {
    "degrees": 0,
    "scale": 0,
    "translate": 0,
    "flip": False,
    "intensity": 0,
    "noise": 0,
}
SIDES = {2: (32, 24), 3: (24, 32, 20)}


def only(**kwargs):
    """Nothing changes but what is said."""
    return SegmentationAugment(**STILL | kwargs)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def bricks(n=6, dims=2, sides=None):
    """Bricks of 2 in a first channel, of -1 in a second, 0 outside; the brick's mask.

    A brick is not in the middle, and no mirror leaves it as it is.
    """
    sides = sides or SIDES[dims]
    mask = torch.zeros(n, 1, *sides, dtype=torch.bool)
    mask[(slice(None), slice(None), *(slice(s // 4, s // 2) for s in sides))] = True
    mask[..., sides[-2] // 2, sides[-1] // 4 : 3 * sides[-1] // 4] = True
    return torch.cat([mask * 2.0, mask * -1.0], 1), mask


def middle(mask):
    """(N, d): the mean place of what is True, in voxels from the centre."""
    axes = [torch.arange(side) for side in mask.shape[2:]]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    weights = mask.flatten(2).double() / mask.flatten(2).sum(2, keepdim=True)
    centre = (torch.tensor(mask.shape[2:]) - 1) / 2
    return (weights @ places.flatten(1).T.double()).squeeze(1) - centre


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.uint8])
def test_shapes_dtypes_and_the_callers_tensors(dims, dtype):
    x, y = bricks(dims=dims)
    y = y.repeat(1, 3, *[1] * dims).to(dtype)
    before = x.clone(), y.clone()
    new_x, new_y = SegmentationAugment()(x, y, seeded())
    assert new_x.shape == x.shape and new_x.dtype == x.dtype
    assert new_y.shape == y.shape and new_y.dtype == dtype
    assert torch.equal(x, before[0]) and torch.equal(y, before[1])
    assert not torch.equal(new_x, x) and not torch.equal(new_y, y)
    assert set(new_y.double().unique().tolist()) == {0, 1}  # never a mixture


@pytest.mark.parametrize("dims", [2, 3])
def test_repeats_by_seed_and_changes_each_image_differently(dims):
    x, y = bricks(dims=dims)
    augment = SegmentationAugment()
    first, again, other = (augment(x, y, seeded(s)) for s in (0, 0, 1))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    for i in range(1, len(x)):
        assert not torch.equal(first[0][0], first[0][i])
        assert not torch.equal(first[1][0], first[1][i])


def test_without_generator_it_follows_the_global_seed():
    x, y = bricks()
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append(SegmentationAugment()(x, y)[0])
    assert torch.equal(*results)


@pytest.mark.parametrize("dims", [2, 3])
def test_ranges_of_zero_leave_all_as_it_is(dims):
    x, y = bricks(dims=dims)
    new_x, new_y = only()(x, y, seeded())
    torch.testing.assert_close(new_x, x, atol=1e-4, rtol=0)
    assert torch.equal(new_y, y)


@pytest.mark.parametrize("dims", [2, 3])
def test_image_and_mask_move_together(dims):
    """The brick of the image, cut in half between 0 and 2, is the brick of the mask."""
    x, y = bricks(dims=dims)
    new_x, new_y = SegmentationAugment(intensity=0, noise=0)(x, y, seeded())
    seen = new_x[:, :1] > 1
    dice = 2 * (seen & new_y).sum() / (seen.sum() + new_y.sum())
    assert dice > 0.95
    moved = 2 * (y & new_y).sum() / (y.sum() + new_y.sum())
    assert moved < 0.7


@pytest.mark.parametrize("dims", [2, 3])
def test_mirror_of_half_of_them_along_the_last_axis(dims):
    x, y = bricks(100, dims, sides=(8,) * dims)
    new_x, new_y = only(flip=True)(x, y, seeded())
    mirrored = (new_y == y.flip(-1)).flatten(1).all(1)
    same = (new_y == y).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 30 < mirrored.sum() < 70
    expected = torch.where(mirrored.view(-1, *[1] * (dims + 1)), x.flip(-1), x)
    torch.testing.assert_close(new_x, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("dims", [2, 3])
def test_shift_is_a_part_of_each_side(dims):
    _x, y = bricks(100, dims)
    new = only(translate=0.125)(y.float(), y, seeded())[1]
    shift = middle(new) - middle(y)
    for axis, side in enumerate(y.shape[2:]):
        assert shift[:, axis].abs().max() <= side / 8 + 0.51  # to the nearest voxel
        assert shift[:, axis].max() > side / 8 - 1
        assert shift[:, axis].min() < -side / 8 + 1


@pytest.mark.parametrize("dims", [2, 3])
def test_zoom_is_a_part_of_the_size(dims):
    x, y = bricks(100, dims, sides=(24,) * dims)
    content = only(scale=0.2)(x[:, :1], y, seeded())[0].flatten(1).sum(1)
    ratio = (content / x[0, 0].sum()) ** (1 / dims)
    assert 0.78 < ratio.min() < 0.83
    assert 1.17 < ratio.max() < 1.22


def test_rotation_keeps_shape_and_size_on_sides_of_unequal_length():
    """A point far from the centre travels on a circle, not on an ellipse."""
    y = torch.zeros(200, 1, 80, 40, dtype=torch.bool)
    y[:, :, 24:27, 18:21] = True
    new = only(degrees=60)(y.float(), y, seeded())[1]
    before, after = middle(y)[0], middle(new)
    radius = after.norm(dim=1)
    assert (radius - before.norm()).abs().max() < 0.7
    angle = torch.atan2(after[:, 1], after[:, 0]) - math.atan2(before[1], before[0])
    angle = (angle.rad2deg() + 180) % 360 - 180
    assert angle.abs().max() < 62
    assert angle.max() > 55 and angle.min() < -55
    assert (new.flatten(1).sum(1) - 9).abs().max() <= 4


def test_volumes_turn_about_each_of_three_axes():
    centre = [10, 10, 10]
    for axis in range(3):
        y = torch.zeros(100, 1, 21, 21, 21, dtype=torch.bool)
        place = centre.copy()
        place[axis] += 8
        y[:, 0, place[0], place[1], place[2]] = True
        x = torch.nn.functional.max_pool3d(y.float(), 3, 1, 1)  # too large to vanish
        new = only(degrees=30)(x, x.bool(), seeded())[1]
        after = middle(new)
        assert (after.norm(dim=1) - 8).abs().max() < 0.8
        sideways = after.abs().amax(0)
        assert all(sideways[other] > 2 for other in range(3) if other != axis)


def test_outside_comes_in_as_zero():
    x, y = torch.ones(8, 1, 16, 16), torch.ones(8, 1, 16, 16, dtype=torch.bool)
    new_x, new_y = only(translate=0.5)(x, y, seeded())
    assert new_x.min() == 0 and not new_y.all()
    assert ((new_x > 0.5) == new_y).float().mean() > 0.98


def test_intensity_is_one_gain_and_one_offset_a_channel():
    generator = seeded()
    x = torch.randn(300, 2, 6, 6, generator=generator)
    new = only(intensity=0.2)(x, x > 0, generator)[0]
    flat, changed = x.flatten(2), new.flatten(2)
    away = flat - flat.mean(2, keepdim=True)
    gain = (away * changed).sum(2) / away.square().sum(2)
    offset = changed.mean(2) - gain * flat.mean(2)
    line = gain.unsqueeze(2) * flat + offset.unsqueeze(2)
    torch.testing.assert_close(changed, line, atol=1e-3, rtol=0)
    for numbers, mean in ((gain, 1), (offset, 0)):
        assert abs(numbers.mean().item() - mean) < 0.03
        assert 0.17 < numbers.std() < 0.23
        across = torch.corrcoef(numbers.T)[0, 1]
        assert abs(across) < 0.2  # each channel its own


def test_noise_is_each_voxels_own():
    x = torch.ones(4, 2, 40, 40)
    away = only(noise=0.3)(x, x, seeded())[0] - 1
    assert 0.28 < away.std() < 0.32
    assert away[0, 0].unique().numel() > 1500


@pytest.mark.parametrize("dims", [2, 3])
def test_outside_of_the_brain_stays_zero(dims):
    x, y = bricks(dims=dims)
    x[:, 1] *= 0  # one channel alone says where the brain is
    new = only(intensity=0.5, noise=0.5)(x, y, seeded())[0]
    inside = y.expand_as(new)
    assert (new[~inside] == 0).all()
    assert (new[inside] != 0).float().mean() > 0.99


def test_the_masks_of_one_image_do_not_depend_on_the_intensity():
    x, y = bricks()
    plain = only(degrees=20)(x, y, seeded())[1]
    assert torch.equal(only(degrees=20, intensity=1, noise=1)(x, y, seeded())[1], plain)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"degrees": -1}, "degrees must be >= 0, got -1"),
        ({"scale": 1}, "scale must be >= 0, < 1, got 1"),
        ({"scale": (0.9, 1.1)}, "scale is a single number"),
        ({"translate": -0.1}, "translate must be >= 0"),
        ({"intensity": -0.1}, "intensity must be >= 0"),
        ({"noise": float("nan")}, "noise must be >= 0"),
    ],
)
def test_ranges_that_cannot_be(wrong, sentence):
    with pytest.raises(ValueError, match=f"SegmentationAugment: {sentence}"):
        SegmentationAugment(**wrong)


X, Y = bricks(2)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X[0], Y[0]),
        (X.to(torch.int64), Y),
        (X, Y[:1]),
        (X, Y[:, 0]),
        (X, Y[..., :5]),
    ],
    ids=["no batch", "integers", "fewer masks", "labels", "other sides"],
)
def test_pairs_that_do_not_belong_together(x, y):
    with pytest.raises(ValueError, match="SegmentationAugment: x must be float images"):
        SegmentationAugment()(x, y)


def test_the_sentence_in_spanish():
    set_language("es")
    try:
        with pytest.raises(ValueError, match="SegmentationAugment: scale"):
            SegmentationAugment(scale=2)
    finally:
        set_language("en")
