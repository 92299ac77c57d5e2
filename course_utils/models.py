"""The networks that a notebook builds by hand once and later ones reuse."""

from collections import OrderedDict
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.guards import need, whole
from course_utils.locale import _


def digit_cnn(width: int = 16) -> nn.Sequential:
    """The convolutional network of workshop 02: (N, 1, 28, 28) to (N, 10) logits.

    width: channels of the first block, int >= 1; the others have 2, 4 and 4 times as
        many. 16 gives 61,306 parameters, 8 gives 15,682.
    Returns a network with random weights. It takes float32 images of any side from 3
    pixels on; workshop 02 normalises them by mean and deviation of the training set.
    Raises ValueError for a width that is not an int >= 1.

    Batch norm: Ioffe, S., Szegedy, C. (2015). https://arxiv.org/abs/1502.03167
    """
    need("digit_cnn", "width", width, whole(width, 1), "int >= 1")
    return nn.Sequential(
        conv_block(1, width, kernel=5, stride=2),  # 28 -> 14: a cheap first look
        conv_block(width, 2 * width),
        nn.MaxPool2d(2),  # 14 -> 7
        conv_block(2 * width, 4 * width),
        conv_block(4 * width, 4 * width),
        nn.AdaptiveMaxPool2d(1),  # was the pattern anywhere? -> 1
        nn.Flatten(),
        nn.Linear(4 * width, 10),
    )


# The layers of images (2) and of volumes (3).
CONV = {2: nn.Conv2d, 3: nn.Conv3d}
CONV_TRANSPOSE = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
BATCH_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
MAX_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}


def conv_block(
    c_in: int, c_out: int, kernel: int = 3, stride: int = 1, dims: int = 2
) -> nn.Sequential:
    """Convolution, batch norm, ReLU: (N, c_in, H, W) to (N, c_out, H/stride, W/stride).

    kernel: odd side of the kernel; the padding keeps the size where stride is 1.
    dims: 2, or 3 for volumes (N, c_in, D, H, W).
    """
    conv, norm = CONV[dims], BATCH_NORM[dims]
    return nn.Sequential(
        # No bias: the batch norm that follows would subtract it again.
        conv(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
        norm(c_out),
        nn.ReLU(inplace=True),
    )


def sign_resnet(width: int = 32, classes: int = 24) -> nn.Sequential:
    """The residual network of workshop 03: (N, 1, 28, 28) to (N, classes) logits.

    width: channels of the first block, int >= 2; the next two have 2 and 4 times as
        many. 32 gives 314,376 parameters for 24 classes.
    classes: int >= 2.
    Returns a network with random weights, its children by name: stem, block1, block2,
    block3 (whose output, (N, 4 * width, 4, 4), is what Grad-CAM reads), pool, flatten,
    dropout, head. It takes float32 images of any side from 3 pixels on; workshop 03
    normalises each by its own mean and deviation.
    Raises ValueError for a width or a number of classes that cannot be.

    Residual networks: He, K. et al. (2016). https://arxiv.org/abs/1512.03385
    Stem of small kernels, average pooling in the shortcut, last batch norm of a block
    from 0: He, T. et al. (2019), ResNet-D. https://arxiv.org/abs/1812.01187
    """
    need("sign_resnet", "width", width, whole(width, 2), "int >= 2")
    need("sign_resnet", "classes", classes, whole(classes, 2), "int >= 2")
    return nn.Sequential(
        OrderedDict(
            stem=nn.Sequential(  # 28 -> 14
                conv_block(1, width // 2, stride=2), conv_block(width // 2, width)
            ),
            block1=ResidualBlock(width, width),
            block2=ResidualBlock(width, 2 * width, stride=2),  # 14 -> 7
            block3=ResidualBlock(2 * width, 4 * width, stride=2),  # 7 -> 4
            pool=nn.AdaptiveAvgPool2d(1),  # -> 1
            flatten=nn.Flatten(),
            dropout=nn.Dropout(0.2),
            head=nn.Linear(4 * width, classes),
        )
    )


class ResidualBlock(nn.Module):
    """relu(shortcut(x) + f(x)): (N, c_in, H, W) to (N, c_out, H/stride, W/stride).

    f is convolution, batch norm, ReLU, convolution, batch norm. stride: 1 or 2; an odd
    side is rounded up. The shortcut is x itself where it has the shape of f(x).

    He, K. et al. (2016). https://arxiv.org/abs/1512.03385
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        same = c_in == c_out and stride == 1
        self.shortcut = nn.Identity() if same else shortcut(c_in, c_out, stride)
        # f starts as 0: the network is as easy to train as one without the block.
        nn.init.zeros_(self.bn2.weight)

    def forward(self, x: Tensor) -> Tensor:
        f = F.relu(self.bn1(self.conv1(x)))
        f = self.bn2(self.conv2(f))
        return F.relu(self.shortcut(x) + f)


def shortcut(c_in: int, c_out: int, stride: int) -> nn.Sequential:
    """The way past a block that changes the shape: average, 1x1 convolution, norm.

    Averaging first: a 1x1 convolution of stride 2 would not look at 3 of 4 pixels.
    """
    shrink = nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)
    return nn.Sequential(
        shrink if stride == 2 else nn.Identity(),
        nn.Conv2d(c_in, c_out, 1, bias=False),
        nn.BatchNorm2d(c_out),
    )


class UNet(nn.Module):
    """The U-Net of workshop 04: (N, c_in, *sides) to logits (N, c_out, *sides).

    c_in, c_out: channels, int >= 1. The logits are for one sigmoid each: the regions
        of a tumour lie inside one another.
    width: channels of the first level, int >= 1; each level has twice those above it.
    levels: int >= 2. dims: 2 for images (H, W), 3 for volumes (D, H, W).
    attention: weigh each skip connection by an AttentionGate.
    From 4 channels to 3, the rest as it stands: 482,915 parameters; 488,406 with
        attention; 1,942,755 with 5 levels; 1,402,595 with dims=3.
    Raises ValueError for settings out of range and, when called, for x of another
    shape or with a side that is not a multiple of 2 ** (levels - 1).

    Ronneberger, O. et al. (2015). https://doi.org/10.1007/978-3-319-24574-4_28 (ours
    pads each convolution, so that the map of logits is as large as the image, and
    normalises it). Volumes: Cicek, O. et al. (2016). https://arxiv.org/abs/1606.06650
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        width: int = 16,
        levels: int = 4,
        dims: int = 2,
        attention: bool = False,
    ):
        super().__init__()
        for name, value in (("c_in", c_in), ("c_out", c_out), ("width", width)):
            need("UNet", name, value, whole(value, 1), "int >= 1")
        need("UNet", "levels", levels, whole(levels, 2), "int >= 2")
        need("UNet", "dims", dims, dims in CONV, "2 | 3")
        self.c_in, self.dims = c_in, dims
        widths = [width * 2**level for level in range(levels)]
        self.encoder = nn.ModuleList(
            double_conv(before, after, dims)
            for before, after in pairwise([c_in, *widths])
        )
        self.pool = MAX_POOL[dims](2)
        self.decoder = nn.ModuleList(
            UpBlock(2 * c, c, c, dims, attention) for c in reversed(widths[:-1])
        )
        self.head = CONV[dims](width, c_out, 1)

    @property
    def gates(self) -> list["AttentionGate"]:
        """The attention gates, from the coarsest level up; none without attention."""
        return [block.gate for block in self.decoder if block.gate is not None]

    def forward(self, x: Tensor) -> Tensor:
        self._need_sides(x)
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(self.pool(x) if level else x)
            skips.append(x)
        skips.pop()  # the lowest level has nobody across from it
        for block in self.decoder:
            x = block(x, skips.pop())
        return self.head(x)

    def _need_sides(self, x: Tensor) -> None:
        multiple, shape = 2 ** len(self.decoder), tuple(x.shape)
        even = not any(side % multiple for side in shape[2:])
        if len(shape) == self.dims + 2 and shape[1] == self.c_in and even:
            return
        raise ValueError(
            _(
                "UNet: x must be (N, {c}, {sides}) with sides that are multiples of "
                "{multiple}, got {shape}: crop it, or pad it with zeros."
            ).format(
                c=self.c_in,
                sides="H, W" if self.dims == 2 else "D, H, W",
                multiple=multiple,
                shape=shape,
            )
        )


def double_conv(c_in: int, c_out: int, dims: int = 2) -> nn.Sequential:
    """Two conv_blocks of 3x3(x3), what a U-Net does at each level: c_in to c_out."""
    return nn.Sequential(
        conv_block(c_in, c_out, dims=dims), conv_block(c_out, c_out, dims=dims)
    )


class UpBlock(nn.Module):
    """One level of the decoder: twice the size, the skip beside it, double_conv.

    forward(x, skip): (N, c_in, *sides) and (N, c_skip, *twice the sides) to
    (N, c_out, *twice the sides). The skip's channels come first.
    gate: the AttentionGate that weighs the skip; None without attention.
    """

    def __init__(
        self,
        c_in: int,
        c_skip: int,
        c_out: int,
        dims: int = 2,
        attention: bool = False,
    ):
        super().__init__()
        self.up = CONV_TRANSPOSE[dims](c_in, c_out, kernel_size=2, stride=2)
        middle = max(1, c_skip // 2)
        self.gate = AttentionGate(c_out, c_skip, middle, dims) if attention else None
        self.conv = double_conv(c_out + c_skip, c_out, dims)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(x)
        if self.gate is not None:
            skip = self.gate(x, skip)
        return self.conv(torch.cat([skip, x], dim=1))


class AttentionGate(nn.Module):
    """Weigh each place of a skip connection by how much the decoder asks for it.

    forward(gate, skip): (N, c_gate, *sides) and (N, c_skip, *sides) to skip * alpha,
    alpha = sigmoid(score(relu(of_gate(gate) + of_skip(skip)))), one number from 0 to 1
    a place. c_mid: channels of the sum.
    alpha: (N, 1, *sides) of the last call, detached; None before the first.

    Oktay, O. et al. (2018). https://arxiv.org/abs/1804.03999. There the gate is the
    decoder's signal before upsampling, the skip is brought to that coarser grid, and
    alpha is interpolated; here the upsampled signal has the skip's size already.
    """

    def __init__(self, c_gate: int, c_skip: int, c_mid: int, dims: int = 2):
        super().__init__()
        conv = CONV[dims]
        self.of_gate = conv(c_gate, c_mid, 1)
        self.of_skip = conv(c_skip, c_mid, 1, bias=False)
        self.score = conv(c_mid, 1, 1)
        self.alpha: Tensor | None = None

    def forward(self, gate: Tensor, skip: Tensor) -> Tensor:
        mixed = F.relu(self.of_gate(gate) + self.of_skip(skip))
        alpha = self.score(mixed).sigmoid()
        self.alpha = alpha.detach()
        return skip * alpha
