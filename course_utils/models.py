"""The networks that a notebook builds by hand once and later ones reuse."""

from torch import nn

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
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        raise ValueError(
            _("digit_cnn: width must be an int >= 1, got {width!r}.").format(
                width=width
            )
        )
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
