import numpy as np
import pytest
import torch

from course_utils.data.photo import preprocess_photo


def hand_like(side=28):
    """A picture that uses the whole range, each row and column in its own way."""
    rows, columns = torch.meshgrid(*[torch.arange(side)] * 2, indexing="ij")
    picture = (7 * rows + 2 * columns).float()
    return (255 * picture / picture.max()).round().to(torch.uint8)


def enlarge(image, times):
    return image.repeat_interleave(times, 0).repeat_interleave(times, 1)


@pytest.mark.parametrize("times", [1, 3, 10])
def test_an_enlarged_picture_comes_back(times):
    picture = hand_like()
    seen = preprocess_photo(enlarge(picture, times))
    assert seen.shape == (1, 28, 28) and seen.dtype == torch.uint8
    assert torch.equal(seen[0], picture)


def test_a_box_cuts_the_picture_out():
    picture = hand_like()
    photo = torch.full((200, 300), 99, dtype=torch.uint8)
    photo[50:134, 120:204] = enlarge(picture, 3)
    assert torch.equal(preprocess_photo(photo, (120, 50, 84))[0], picture)
    moved = preprocess_photo(photo, (121, 50, 84))
    assert not torch.equal(moved[0], picture)


def test_without_a_box_the_largest_square_in_the_middle():
    picture = hand_like()
    wide = torch.zeros(84, 184, dtype=torch.uint8)
    wide[:, 50:134] = enlarge(picture, 3)
    assert torch.equal(preprocess_photo(wide)[0], picture)
    assert torch.equal(preprocess_photo(wide.T)[0], picture.T)


def test_colours_weigh_as_the_eye_sees_them():
    photo = torch.zeros(28, 28, 3, dtype=torch.uint8)
    photo[0, 0] = 255  # white fixes the top of the range
    for column, channel in ((10, 0), (14, 1), (18, 2)):
        photo[5, column, channel] = 255
    seen = preprocess_photo(photo)[0]
    # ITU-R BT.601, section 2.5.1: 0.299 red, 0.587 green, 0.114 blue
    assert seen[5, [10, 14, 18]].tolist() == [76, 150, 29]


def test_a_grey_photo_and_the_same_in_three_channels_agree():
    grey = torch.randint(0, 256, (90, 120), dtype=torch.uint8)
    color = grey[..., None].expand(-1, -1, 3)
    box = (13, 7, 77)
    assert torch.equal(preprocess_photo(grey, box), preprocess_photo(color, box))


def test_pixels_are_means_of_areas():
    """A fine chequerboard becomes grey, it does not turn into a pattern of its own."""
    fine = (torch.arange(280)[:, None] + torch.arange(280)) % 2 * 255
    fine = fine.to(torch.uint8)
    fine[:10, :10], fine[-10:, -10:] = 0, 255
    seen = preprocess_photo(fine)[0].flatten()
    assert seen[0] == 0 and seen[-1] == 255
    assert set(seen[1:-1].tolist()) == {128}  # 127.5, rounded to the even one


def test_the_range_is_stretched_as_in_the_data():
    pale = hand_like() // 8 + 100
    seen = preprocess_photo(pale)
    assert seen.min() == 0 and seen.max() == 255
    once_more = preprocess_photo(seen[0])
    assert torch.equal(once_more, seen)


@pytest.mark.parametrize("level", [0, 31, 255])
@pytest.mark.parametrize("shape", [(60, 45), (60, 45, 3), (1, 1)])
def test_a_photo_of_one_grey_gives_zeros(level, shape):
    seen = preprocess_photo(torch.full(shape, level, dtype=torch.uint8))
    assert torch.equal(seen, torch.zeros(1, 28, 28, dtype=torch.uint8))


def test_a_small_square_is_enlarged():
    seen = preprocess_photo(hand_like(14))
    assert torch.equal(seen[0], enlarge(hand_like(14), 2))


def test_arrays_are_taken_as_tensors_are_and_left_alone():
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    before = photo.copy()
    expected = preprocess_photo(torch.from_numpy(photo))
    assert torch.equal(preprocess_photo(photo), expected)
    assert torch.equal(preprocess_photo(photo[:, ::-1]), expected.flip(2))
    photo.setflags(write=False)
    assert torch.equal(preprocess_photo(photo), expected)
    assert (photo == before).all()


def test_numpy_integers_make_a_box():
    photo = torch.randint(0, 256, (40, 60), dtype=torch.uint8)
    box = np.array([3, 2, 30])
    assert torch.equal(
        preprocess_photo(photo, box), preprocess_photo(photo, (3, 2, 30))
    )


@pytest.mark.parametrize(
    ("photo", "found"),
    [
        (torch.zeros(30, 40), r"float32 \(30, 40\)"),
        (np.zeros((30, 40)), r"float64 \(30, 40\)"),
        (torch.zeros(3, 30, 40, dtype=torch.uint8), r"uint8 \(3, 30, 40\)"),
        (torch.zeros(30, 40, 4, dtype=torch.uint8), r"uint8 \(30, 40, 4\)"),
        (torch.zeros(0, 40, dtype=torch.uint8), r"uint8 \(0, 40\)"),
        ("hand.jpg", "str"),
    ],
)
def test_what_is_no_photo_is_refused_in_a_sentence(photo, found):
    with pytest.raises(ValueError, match=f"expected a uint8 photo.*got {found}"):
        preprocess_photo(photo)


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 31),
        (11, 0, 30),
        (0, 1, 30),
        (-1, 0, 20),
        (0, 0, 0),
        (0.0, 0.0, 20.0),
        (0, 0),
        (0, 0, 20, 20),
        20,
        "all",
    ],
)
def test_a_box_that_leaves_the_photo_is_refused(box):
    photo = torch.zeros(30, 40, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"40 pixels wide, 30 high\), got"):
        preprocess_photo(photo, box)
