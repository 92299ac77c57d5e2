import pytest
import torch

from course_utils.models import conv_block, digit_cnn
from course_utils.training import count_parameters


@pytest.mark.parametrize("n", [1, 3])
def test_logits_of_digits(n):
    logits = digit_cnn().eval()(torch.randn(n, 1, 28, 28))
    assert logits.shape == (n, 10) and logits.dtype == torch.float32


def test_parameters_by_hand():
    def block(c_in, c_out, kernel):
        return c_in * c_out * kernel**2 + 2 * c_out

    for w in (16, 4):
        layers = [(1, w, 5), (w, 2 * w, 3), (2 * w, 4 * w, 3), (4 * w, 4 * w, 3)]
        expected = sum(block(*layer) for layer in layers) + 4 * w * 10 + 10
        assert count_parameters(digit_cnn(w)) == expected
    assert count_parameters(digit_cnn()) == 61_306
    assert count_parameters(digit_cnn(8)) == 15_682


def test_sizes_layer_by_layer():
    x, sides = torch.randn(2, 1, 28, 28), []
    for layer in digit_cnn():
        x = layer(x)
        sides.append(tuple(x.shape[1:]))
    assert sides == [
        (16, 14, 14),
        (32, 14, 14),
        (32, 7, 7),
        (64, 7, 7),
        (64, 7, 7),
        (64, 1, 1),
        (64,),
        (10,),
    ]


def test_block_normalises_and_cuts_negatives():
    torch.manual_seed(0)
    y = conv_block(2, 5, stride=2)(10 + 5 * torch.randn(64, 2, 9, 9))
    assert y.shape == (64, 5, 5, 5)
    assert y.min() == 0
    # Half of a standard normal, cut at zero, has mean 1 / sqrt(2 pi).
    torch.testing.assert_close(
        y.mean((0, 2, 3)), torch.full((5,), 0.399), atol=0.03, rtol=0
    )


@pytest.mark.parametrize("width", [0, -1, 1.5, True, "16"])
def test_width_that_cannot_be(width):
    with pytest.raises(ValueError, match="width must be an int >= 1"):
        digit_cnn(width)


def test_smallest_images():
    assert digit_cnn(2).eval()(torch.randn(1, 1, 3, 3)).shape == (1, 10)
    with pytest.raises(RuntimeError):
        digit_cnn(2).eval()(torch.randn(1, 1, 2, 2))
