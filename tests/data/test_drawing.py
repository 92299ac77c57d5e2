import numpy as np
import pytest
import torch

from course_utils.data import mnist, preprocess_drawing


@pytest.fixture(scope="module")
def digits():
    """60 real digits, six of each class."""
    return mnist("embedded").train.x[:60, 0]


def enlarge(image, times, top, left, side):
    """The image `times` larger, its corner at (top, left) of a square drawing."""
    large = image.repeat_interleave(times, 0).repeat_interleave(times, 1)
    drawing = torch.zeros(side, side, dtype=torch.uint8)
    drawing[top : top + large.shape[0], left : left + large.shape[1]] = large
    return drawing


def mass_center(image):
    image = image.double()
    place = torch.arange(28, dtype=torch.float64)
    total = image.sum()
    row = (image.sum(1) * place).sum() / total
    return row.item(), ((image.sum(0) * place).sum() / total).item()


@pytest.mark.parametrize("times, top, left", [(10, 0, 0), (10, 280, 37), (19, 3, 20)])
def test_an_enlarged_shifted_real_digit_comes_back(digits, times, top, left):
    errors = []
    for digit in digits:
        out = preprocess_drawing(enlarge(digit, times, top, left, 560))
        assert out.shape == (28, 28)
        assert out.dtype == torch.uint8
        errors.append((out.float() - digit.float()).abs().mean().item())
    # A whole pixel of shift costs about 20 of 255: only an exact tie may choose it.
    assert np.median(errors) < 0.05
    assert np.mean(errors) < 1


def test_the_center_of_mass_comes_to_row_14_column_14(digits):
    rng = np.random.RandomState(0)
    for digit in digits:
        top, left = rng.randint(0, 560 - 28 * 13, size=2)
        out = preprocess_drawing(enlarge(digit, 13, top, left, 560))
        # Half a pixel, and what rounding the mean to float32 may add to it.
        assert np.abs(np.array(mass_center(out)) - 14).max() <= 0.5 + 1e-5


def test_the_ink_fits_20_by_20_and_keeps_its_proportions():
    drawing = torch.zeros(300, 400, dtype=torch.uint8)
    drawing[100:200, 50:90] = 255  # 100 by 40
    out = preprocess_drawing(drawing)
    expected = torch.zeros(28, 28, dtype=torch.uint8)
    expected[4:24, 10:18] = 255  # 20 by 8
    assert out.equal(expected)


def test_a_small_drawing_is_enlarged():
    drawing = torch.zeros(30, 30, dtype=torch.uint8)
    drawing[3, 5] = 200
    out = preprocess_drawing(drawing)
    expected = torch.zeros(28, 28, dtype=torch.uint8)
    expected[4:24, 4:24] = 200
    assert out.equal(expected)


def test_a_lopsided_drawing_loses_no_ink():
    drawing = torch.zeros(200, 200, dtype=torch.uint8)
    drawing[0:30, 0:120] = 255
    drawing[0:200, 0:4] = 255  # its centre of mass is far from that of its box
    out = preprocess_drawing(drawing)
    assert out.any(1).sum() == 20
    assert out.any(0).sum() == 12
    assert out[0:8].sum() == 0  # as low as it can go


def test_paper_grain_does_not_count_as_ink(digits):
    drawing = enlarge(digits[0], 10, 100, 100, 560)
    clean = preprocess_drawing(drawing)
    drawing[:50, :50] = 6
    drawing[-1, -1] = 20
    assert preprocess_drawing(drawing).equal(clean)


def test_without_centering_the_whole_drawing_is_reduced(digits):
    drawing = enlarge(digits[0], 20, 0, 0, 560)
    assert preprocess_drawing(drawing, center=False).equal(digits[0])
    half = torch.zeros(56, 28, dtype=torch.uint8)
    half[:28] = 100
    out = preprocess_drawing(half, center=False)
    assert (out[:14] == 100).all()
    assert (out[14:] == 0).all()


def test_area_average_of_a_checkerboard_is_its_mean():
    board = torch.zeros(56, 56, dtype=torch.uint8)
    board[::2, ::2] = 200
    board[1::2, 1::2] = 200
    assert (preprocess_drawing(board, center=False) == 100).all()


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("shape", [(280, 280), (1, 1), (3, 500)])
def test_an_empty_drawing_gives_zeros(center, shape):
    out = preprocess_drawing(torch.zeros(shape, dtype=torch.uint8), center=center)
    assert out.equal(torch.zeros(28, 28, dtype=torch.uint8))


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (28, 28), (5, 3)])
def test_full_ink_of_any_shape(shape):
    out = preprocess_drawing(torch.full(shape, 255, dtype=torch.uint8))
    assert out.max() == 255
    assert max(out.any(0).sum(), out.any(1).sum()) == 20


def test_the_drawing_is_left_as_it_was(digits):
    drawing = enlarge(digits[0], 10, 0, 0, 280)
    before = drawing.clone()
    preprocess_drawing(drawing)
    assert drawing.equal(before)


@pytest.mark.filterwarnings("error")  # torch complains of arrays it may not write
def test_takes_an_array_even_read_only_or_strided(digits):
    drawing = enlarge(digits[0], 10, 40, 0, 400)
    array = np.frombuffer(drawing.numpy().tobytes(), np.uint8).reshape(400, 400)
    assert preprocess_drawing(array).equal(preprocess_drawing(drawing))
    assert preprocess_drawing(array[::-1]).equal(preprocess_drawing(drawing.flip(0)))


@pytest.mark.parametrize(
    "drawing, found",
    [
        (torch.zeros(28, 28), "float32 (28, 28)"),
        (torch.zeros(28, 28, dtype=torch.int64), "int64 (28, 28)"),
        (torch.zeros(28, 28, dtype=torch.bool), "bool (28, 28)"),
        (torch.zeros(1, 28, 28, dtype=torch.uint8), "uint8 (1, 28, 28)"),
        (torch.zeros(784, dtype=torch.uint8), "uint8 (784,)"),
        (torch.zeros(0, 28, dtype=torch.uint8), "uint8 (0, 28)"),
        (np.zeros((28, 28, 4), np.uint8), "uint8 (28, 28, 4)"),
        (np.zeros((28, 28)), "float64 (28, 28)"),
        ([[0, 255]], "list"),
        (None, "NoneType"),
    ],
)
def test_another_type_or_shape_is_refused_by_name(drawing, found):
    with pytest.raises(ValueError, match="expected a uint8 tensor") as error:
        preprocess_drawing(drawing)
    assert f"got {found}." in str(error.value)
