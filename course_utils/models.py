"""The networks that a notebook builds by hand once and later ones reuse."""

from collections import OrderedDict

import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.guards import need, whole


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


def conv_block(
    c_in: int, c_out: int, kernel: int = 3, stride: int = 1
) -> nn.Sequential:
    """Convolution, batch norm, ReLU: (N, c_in, H, W) to (N, c_out, H/stride, W/stride).

    kernel: odd side of the kernel; the padding keeps the size where stride is 1.
    """
    return nn.Sequential(
        # No bias: the batch norm that follows would subtract it again.
        nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(c_out),
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
