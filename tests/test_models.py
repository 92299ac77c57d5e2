import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.models import (
    ResidualBlock,
    conv_block,
    digit_cnn,
    shortcut,
    sign_resnet,
)
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
    with pytest.raises(ValueError, match="digit_cnn: width must be int >= 1"):
        digit_cnn(width)


def test_smallest_images():
    assert digit_cnn(2).eval()(torch.randn(1, 1, 3, 3)).shape == (1, 10)
    with pytest.raises(RuntimeError):
        digit_cnn(2).eval()(torch.randn(1, 1, 2, 2))


def test_sign_resnet_layer_by_layer():
    x, shapes = torch.randn(2, 1, 28, 28), {}
    for name, layer in sign_resnet(width=8).named_children():
        x = layer(x)
        shapes[name] = tuple(x.shape[1:])
    assert shapes == {
        "stem": (8, 14, 14),
        "block1": (8, 14, 14),
        "block2": (16, 7, 7),
        "block3": (32, 4, 4),
        "pool": (32, 1, 1),
        "flatten": (32,),
        "dropout": (32,),
        "head": (24,),
    }
    assert x.dtype == torch.float32


def test_sign_resnet_parameters_by_hand():
    def norm(c):
        return 2 * c

    def block(c_in, c_out):
        main = 9 * c_in * c_out + 9 * c_out**2 + 2 * norm(c_out)
        return main + (c_in * c_out + norm(c_out) if c_in != c_out else 0)

    for w, classes in ((32, 24), (16, 24), (4, 2)):
        stem = 9 * w // 2 + norm(w // 2) + 9 * w // 2 * w + norm(w)
        blocks = block(w, w) + block(w, 2 * w) + block(2 * w, 4 * w)
        head = 4 * w * classes + classes
        assert count_parameters(sign_resnet(w, classes)) == stem + blocks + head
    assert count_parameters(sign_resnet()) == 314_376
    assert count_parameters(sign_resnet(16)) == 79_760


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("c_out", [3, 5])
def test_residual_block_by_its_formula(c_out, stride):
    torch.manual_seed(0)
    block = ResidualBlock(3, c_out, stride).eval()
    for layer in (block.bn1, block.bn2):
        nn.init.uniform_(layer.weight, 0.5, 1.5)
        nn.init.uniform_(layer.running_mean, -1, 1)
    x = torch.randn(2, 3, 7, 7)
    f = F.conv2d(x, block.conv1.weight, stride=stride, padding=1)
    f = block.bn1(f).clamp(min=0)
    f = block.bn2(F.conv2d(f, block.conv2.weight, padding=1))
    y = block(x)
    torch.testing.assert_close(y, (f + block.shortcut(x)).clamp(min=0))
    assert y.shape == (2, c_out, *([7, 7] if stride == 1 else [4, 4]))
    assert isinstance(block.shortcut, nn.Identity) == (c_out == 3 and stride == 1)


def test_residual_block_starts_as_its_shortcut():
    x = torch.randn(4, 6, 5, 5)
    assert torch.equal(ResidualBlock(6, 6)(x), x.clamp(min=0))


def test_shortcut_looks_at_every_pixel():
    x = torch.randn(1, 2, 5, 5, requires_grad=True)
    shortcut(2, 3, stride=2).eval()(x).square().sum().backward()
    assert (x.grad != 0).all()  # the last row too, where the side is odd


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"width": 1}, "width must be int >= 2"),
        ({"width": 16.0}, "width must be int >= 2"),
        ({"classes": 1}, "classes must be int >= 2"),
        ({"classes": True}, "classes must be int >= 2"),
    ],
)
def test_sign_resnet_that_cannot_be(wrong, sentence):
    with pytest.raises(ValueError, match=f"sign_resnet: {sentence}"):
        sign_resnet(**wrong)
