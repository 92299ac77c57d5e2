import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.models import (
    AttentionGate,
    ResidualBlock,
    UNet,
    UpBlock,
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


SIDES = {2: (16, 24), 3: (8, 16, 24)}


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("attention", [False, True])
def test_unet_level_by_level(dims, attention):
    model = UNet(2, 3, width=4, dims=dims, attention=attention).eval()
    seen = []
    for block in [*model.encoder, *model.decoder]:
        block.register_forward_hook(lambda _block, _x, y: seen.append(y.shape[1:]))
    sides = SIDES[dims]
    logits = model(torch.randn(2, 2, *sides))
    assert logits.shape == (2, 3, *sides) and logits.dtype == torch.float32
    assert logits.min() < 0  # logits, not probabilities
    down = [(c, *(s // (c // 4) for s in sides)) for c in (4, 8, 16, 32)]
    assert seen == down + down[-2::-1]


def test_unet_parameters_by_hand():
    def double(c_in, c_out, n):
        return n * c_in * c_out + n * c_out**2 + 4 * c_out

    for dims, levels, w, attention in [
        (2, 4, 16, False),
        (2, 5, 16, False),
        (2, 4, 16, True),
        (3, 4, 16, False),
        (3, 2, 5, True),
    ]:
        n, expected = 3**dims, double(4, w, 3**dims) + 3 * w + 3
        for c in [w * 2**level for level in range(levels - 1)]:
            expected += double(c, 2 * c, n)
            expected += 2**dims * 2 * c * c + c + double(2 * c, c, n)
            half = c // 2
            gate = 2 * c * half + half + half + 1
            expected += gate if attention else 0
        model = UNet(4, 3, w, levels, dims, attention)
        assert count_parameters(model) == expected
    documented = {"levels": 4}, {"attention": True}, {"levels": 5}, {"dims": 3}
    assert [count_parameters(UNet(4, 3, **kwargs)) for kwargs in documented] == [
        482_915,
        488_406,
        1_942_755,
        1_402_595,
    ]


@pytest.mark.parametrize("attention", [False, True])
def test_every_weight_of_the_unet_takes_part(attention):
    torch.manual_seed(0)
    model = UNet(2, 3, width=2, levels=3, attention=attention)
    model(torch.randn(4, 2, 8, 8)).square().sum().backward()
    unused = [n for n, p in model.named_parameters() if not p.grad.abs().sum()]
    assert unused == []


@pytest.mark.parametrize("attention", [False, True])
def test_unet_by_its_formula(attention):
    torch.manual_seed(0)
    model = UNet(2, 3, width=3, levels=3, attention=attention).eval()
    x = torch.randn(2, 2, 8, 12)
    fine, middle, coarse = model.encoder
    a = fine(x)
    b = middle(F.max_pool2d(a, 2))
    y = coarse(F.max_pool2d(b, 2))
    for block, skip in zip(model.decoder, (b, a), strict=True):
        up = block.up(y)
        weighed = block.gate(up, skip) if attention else skip
        y = block.conv(torch.cat([weighed, up], dim=1))
    torch.testing.assert_close(model(x), model.head(y))


@pytest.mark.parametrize("dims", [2, 3])
def test_up_block_by_its_formula(dims):
    torch.manual_seed(0)
    block = UpBlock(6, 3, 4, dims)
    sides = SIDES[dims]
    x, skip = torch.randn(2, 6, *sides), torch.randn(2, 3, *(2 * s for s in sides))
    block.eval()
    expected = block.conv(torch.cat([skip, block.up(x)], dim=1))
    torch.testing.assert_close(block(x, skip), expected)
    assert expected.shape == (2, 4, *(2 * s for s in sides))
    assert block.gate is None


@pytest.mark.parametrize("dims", [2, 3])
def test_attention_gate_by_its_formula(dims):
    torch.manual_seed(0)
    layer = AttentionGate(4, 3, 2, dims)
    sides = SIDES[dims]
    gate, skip = torch.randn(2, 4, *sides), torch.randn(2, 3, *sides)
    assert layer.alpha is None

    def one_by_one(conv, t):  # a 1 x 1 convolution is a matrix at each place
        weight = conv.weight.flatten(1)
        y = torch.einsum("oc,nc...->no...", weight, t)
        return y if conv.bias is None else y + conv.bias.view(-1, *[1] * dims)

    mixed = one_by_one(layer.of_gate, gate) + one_by_one(layer.of_skip, skip)
    alpha = one_by_one(layer.score, mixed.clamp(min=0)).sigmoid()
    y = layer(gate, skip)
    torch.testing.assert_close(y, alpha * skip)
    torch.testing.assert_close(layer.alpha, alpha.detach())
    assert not layer.alpha.requires_grad and layer.alpha.shape == (2, 1, *sides)
    assert layer.of_skip.bias is None


def test_gates_from_open_to_shut():
    torch.manual_seed(0)
    block = UpBlock(4, 2, 2, attention=True).eval()
    x, skip = torch.randn(1, 4, 4, 4), torch.randn(1, 2, 8, 8)
    for bias, factor in ((50.0, 1), (-50.0, 0)):
        nn.init.constant_(block.gate.score.bias, bias)
        expected = block.conv(torch.cat([factor * skip, block.up(x)], dim=1))
        torch.testing.assert_close(block(x, skip), expected)


def test_gates_are_within_reach_from_coarse_to_fine():
    model = UNet(2, 3, width=4, attention=True).eval()
    model(torch.randn(2, 2, 16, 24))
    shapes = [gate.alpha.shape for gate in model.gates]
    assert shapes == [(2, 1, 4, 6), (2, 1, 8, 12), (2, 1, 16, 24)]
    assert UNet(2, 3, width=4).gates == []
    assert not any("alpha" in name for name in model.state_dict())


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"c_in": 0}, "c_in must be int >= 1"),
        ({"c_out": 1.5}, "c_out must be int >= 1"),
        ({"width": "16"}, "width must be int >= 1"),
        ({"levels": 1}, "levels must be int >= 2"),
        ({"dims": 1}, r"dims must be 2 \| 3"),
    ],
)
def test_unet_that_cannot_be(wrong, sentence):
    with pytest.raises(ValueError, match=f"UNet: {sentence}"):
        UNet(**{"c_in": 4, "c_out": 3} | wrong)


@pytest.mark.parametrize(
    ("dims", "shape"),
    [
        (2, (1, 2, 20, 16)),
        (2, (1, 2, 16, 12)),
        (2, (1, 3, 16, 16)),
        (2, (2, 16, 16)),
        (2, (1, 2, 16, 16, 16)),
        (3, (1, 2, 16, 16)),
        (3, (1, 2, 9, 16, 16)),
    ],
)
def test_unet_names_the_shape_it_wants(dims, shape):
    sides = "H, W" if dims == 2 else "D, H, W"
    sentence = rf"x must be \(N, 2, {sides}\) with sides that are multiples of 8, got"
    with pytest.raises(ValueError, match=sentence):
        UNet(2, 1, width=2, dims=dims)(torch.randn(shape))
    UNet(2, 1, width=2, levels=2).eval()(torch.randn(1, 2, 6, 10))
