import numpy as np
import pytest
import torch

from course_utils import data
from course_utils.data.photos import near_copies

parametrize = pytest.mark.parametrize


@pytest.fixture(scope="module")
def variants(signs):
    x, labels, photo = signs
    return torch.from_numpy(x[:, None]), torch.tensor(labels), torch.tensor(photo)


def same(groups):
    """Which pairs of images share a group, whatever its number."""
    return groups[:, None] == groups


# Which photo


def test_the_photos_are_found(variants):
    x, y, photo = variants
    found = data.photo_groups(x, y)
    assert (found.dtype, found.shape) == (torch.int64, (720,))
    assert torch.equal(same(found), same(photo))


def test_groups_are_numbered_as_they_appear(variants):
    found = data.photo_groups(*variants[:2])
    assert found[0] == 0
    highest = torch.cummax(found, 0).values
    assert set(highest.diff().tolist()) == {0, 1}
    assert highest[-1] == 239


def test_brightness_and_contrast_do_not_matter_and_floats_do_as_well(variants):
    x, y, photo = (t[:90] for t in variants)
    scale = torch.linspace(-0.5, 0.5, 90).view(-1, 1, 1, 1)
    found = data.photo_groups(x.double() / 255 * scale.exp() + scale, y)
    assert torch.equal(same(found), same(photo))


def test_more_images_of_a_class_than_a_block_holds(variants, monkeypatch):
    from course_utils.data import photos

    whole = data.photo_groups(*variants[:2])
    monkeypatch.setattr(photos, "BLOCK", 7)
    assert torch.equal(data.photo_groups(*variants[:2]), whole)


def test_a_chain_of_near_pairs_is_one_photo_and_its_ends_need_not_be_near():
    # Unit vectors 10 degrees apart: cos 10 = 0.985, cos 20 = 0.940, cos 30 = 0.866.
    first, second = np.array([[1, -1, 0, 0], [0, 0, 1, -1]]) / 2**0.5
    turns = [0, 20, 10, 30, 90]
    x = [np.cos(np.radians(t)) * first + np.sin(np.radians(t)) * second for t in turns]
    x = torch.tensor(np.array(x)).view(5, 1, 2, 2)
    y = torch.zeros(5, dtype=torch.int64)
    assert data.photo_groups(x, y).tolist() == [0, 0, 0, 0, 1]
    assert data.photo_groups(x[:2], y[:2]).tolist() == [0, 1]
    assert data.photo_groups(x[:2], y[:2], threshold=0.9).tolist() == [0, 0]


def test_images_of_two_classes_are_never_one_photo():
    x = torch.rand(1, 1, 28, 28).expand(4, -1, -1, -1)
    assert data.photo_groups(x, torch.tensor([3, 1, 3, 1])).tolist() == [0, 1, 0, 1]


def test_the_opposite_is_no_variant_and_plain_grey_correlates_with_nothing():
    x = torch.arange(4.0).view(1, 1, 2, 2)
    x = torch.cat([x, -x, torch.full_like(x, 7), torch.full_like(x, 7)])
    y = torch.zeros(4, dtype=torch.int64)
    assert data.photo_groups(x, y).tolist() == [0, 1, 2, 3]


def test_no_images_have_no_photos():
    empty = torch.zeros(0, dtype=torch.int64)
    assert data.photo_groups(torch.zeros(0, 1, 28, 28), empty).shape == (0,)


@parametrize("x, y", [((5, 28, 28), 5), ((5, 1, 28, 28), 4), ((5, 784), 5)])
def test_other_shapes_are_named(x, y):
    with pytest.raises(ValueError, match=r"photo_groups: x must hold images") as error:
        data.photo_groups(torch.zeros(x), torch.zeros(y))
    assert str(x) in str(error.value)


@parametrize("threshold", [0, 1, 98, -0.5, float("nan")])
def test_another_threshold_is_refused(variants, threshold):
    with pytest.raises(ValueError, match=f"got {threshold}"):
        data.photo_groups(*variants[:2], threshold=threshold)


# Near copies


def test_near_copies_are_told_from_strangers(variants):
    x, y, photo = variants
    there = photo % 2 == 0
    x, y, photo, of_x, of_y = x[:200], y[:200], photo[:200], x[there], y[there]
    found = near_copies(x, y, of_x, of_y)
    assert torch.equal(found, photo % 2 == 0)
    other_letter = (of_y + 1) % 24
    assert not near_copies(x, y, of_x, other_letter).any()


# A cut


def test_no_photo_is_in_both_parts_and_every_image_is_in_one(variants):
    _, y, photo = variants
    rest, part = data.split_by_photo(photo, y, 0.2)
    assert not set(photo[rest].tolist()) & set(photo[part].tolist())
    assert sorted(rest.tolist() + part.tolist()) == list(range(720))
    for indices in (rest, part):
        assert indices.dtype == torch.int64
        assert (indices.diff() > 0).all()


@parametrize("fraction, photos", [(0.2, 2), (0.04, 1), (0.35, 4), (0.99, 9)])
def test_each_class_gives_its_share_of_photos(variants, fraction, photos):
    _, y, photo = variants
    _, part = data.split_by_photo(photo, y, fraction)
    for label in y.unique():
        assert len(photo[part][y[part] == label].unique()) == photos


def test_a_lone_photo_stays_with_the_rest():
    photo, y = torch.tensor([7, 7, 3, 5, 3]), torch.tensor([0, 0, 1, 1, 1])
    rest, part = data.split_by_photo(photo, y, 0.9)
    assert rest.tolist()[:2] == [0, 1]
    assert part.tolist() in ([2, 4], [3])


def test_the_cut_depends_on_the_seed_and_on_nothing_else(variants):
    _, y, photo = variants
    torch.manual_seed(1)
    first = data.split_by_photo(photo, y, 0.2)[1]
    torch.manual_seed(2)
    assert torch.equal(first, data.split_by_photo(photo, y, 0.2, seed=0)[1])
    assert not torch.equal(first, data.split_by_photo(photo, y, 0.2, seed=1)[1])
    small = data.split_by_photo(torch.arange(10), torch.zeros(10), 0.3)[1]
    assert small.tolist() == [2, 4, 8]  # RandomState(0), whose stream never changes


def test_a_photo_of_two_classes_is_named():
    with pytest.raises(ValueError, match="photo 4 has images of more than one class"):
        data.split_by_photo(torch.tensor([1, 4, 4]), torch.tensor([0, 0, 1]), 0.5)


@parametrize("photo, y", [((5, 1), (5, 1)), ((5,), (4,))])
def test_one_number_per_image(photo, y):
    with pytest.raises(ValueError, match="each have one number per image"):
        data.split_by_photo(torch.zeros(photo), torch.zeros(y), 0.5)


@parametrize("fraction", [0, 1, 20, -0.2])
def test_another_fraction_is_refused(fraction):
    with pytest.raises(ValueError, match=f"between 0 and 1, got {fraction}"):
        data.split_by_photo(torch.arange(4), torch.zeros(4), fraction)
