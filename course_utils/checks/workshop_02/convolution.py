"""Exercises: output size and convolution by hand."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import (
    Almost,
    NotYet,
    Slip,
    Stopped,
    call_text,
    compare,
    number,
    same,
    tensor,
)
from course_utils.locale import _


@exercise(
    "02.output_size",
    hints=lambda: [
        _("Draw a row of 5 squares and slide a window of 3 along it. How many stops?"),
        _("Padding adds squares at both ends; stride is the length of each jump."),
        _(
            "Count the jumps that fit between the first and the last position, drop "
            "what is left over, and remember that the first position counts too."
        ),
    ],
)
def output_size(answer):
    def positions(n, kernel, padding=0, stride=1):
        return len(range(0, n + 2 * padding - kernel + 1, stride))

    once = _("Is the padding on one side only? It surrounds the image.")
    mistakes = [
        (
            lambda n, k, p=0, s=1: (n - k + 2 * p) // s,
            _("How many positions are there from the first to the last, both counted?"),
        ),
        (lambda n, k, p=0, s=1: (n - k + p) // s + 1, once),
        (
            lambda n, k, p=0, s=1: n - k + 2 * p + 1,
            _("What does the stride do? With stride 2 the window skips positions."),
        ),
        (
            lambda n, k, p=0, s=1: (n - k) // s + 1,
            _("What does the padding do? The image grows before the window slides."),
        ),
        (
            lambda n, k, p=0, s=1: (n - k + 2 * p + 1) // s,
            _(
                "Which is first, dividing or adding one? The first position costs no "
                "jump."
            ),
        ),
        (
            lambda n, k, p=0, s=1: math.ceil((n - k + 2 * p) / s) + 1,
            _("You round up: a last jump that does not fit inside is not made."),
        ),
        (
            lambda n, k, p=0, s=1: (k - n + 2 * p) // s + 1,
            _("Are n and kernel swapped? The window moves inside the image."),
        ),
        (
            lambda n, k, p=0, s=1: (n - k + 2 * s) // p + 1,
            _("Are padding and stride swapped? Look at which one divides."),
        ),
        (
            lambda n, k, p=0, s=1: (n - s + 2 * p) // k + 1,
            _("Are kernel and stride swapped? Look at which one divides."),
        ),
        (
            lambda n, k, p=0, s=1: n + 2 * p - k // s + 1,
            _("Parentheses are missing: `//` comes before adding and subtracting."),
        ),
        (
            lambda n, k, p=0, s=1: (n - 2 * p - k) // s + 1,
            _("Does the padding shrink the image? It makes it larger."),
        ),
    ]
    got = compare(
        answer,
        [(5, 3), (28, 3, 1), (28, 5), (7, 3, 0, 2), (28, 3, 1, 2), (32, 5, 2, 3)],
        positions,
        mistakes,
        read=number,
        describe=call_text("n", "kernel", "padding=0", "stride=1"),
        # A float is compared without its decimals, so that mistakes keep their names.
        agree=lambda got, wanted: (
            math.floor(got) == wanted
            if isinstance(got, float) and isinstance(wanted, int)
            else same(got, wanted)
        ),
    )
    decimals = [size for size in got if isinstance(size, float)]
    if decimals:
        reason = _(
            "the size is a whole number of positions, and yours has decimals "
            "({value}): with stride=2 the kernel cannot stop halfway."
        )
        raise Almost(reason.format(value=max(decimals, key=lambda size: size % 1)))
    return _("Try it with the first layer of AlexNet: n=227, kernel=11, stride=4.")


@exercise(
    "02.conv2d",
    hints=lambda: [
        _(
            "Begin with i = 0 and j = 0: print the window and its shape, and compare "
            "it with the kernel's."
        ),
        _(
            "Each output number comes from one window of x, as big as the kernel: "
            "multiply both, square by square, and add everything up."
        ),
        _(
            "The window takes the rows from i times the stride to k further on, the "
            "last one not included; the columns, the same with j."
        ),
    ],
    blanks=2,
)
def conv2d(answer):
    generator = torch.Generator().manual_seed(2)

    def whole(*shape):
        return torch.randint(-5, 6, shape, generator=generator).float()

    kernel = torch.tensor([[1.0, 2, 0], [0, 1, -3], [-1, 0, 4]])
    cases = [
        (whole(4, 5), kernel),
        (whole(3, 4), torch.tensor([[1.0, 2], [3, -4]])),
        (whole(5, 6), kernel, 1),
        (whole(7, 9), kernel, 0, 2),
        (whole(6, 7), kernel, 2, 3),
    ]
    mistakes = [
        (
            lambda x, k, *rest: _correlate(x, k.flip(0, 1), *rest),
            _(
                "You turned the kernel around: that is the mathematicians' "
                "convolution. Networks slide it as it is, which is called "
                "cross-correlation."
            ),
        ),
        (
            lambda x, k, *rest: _correlate(x, k.T, *rest),
            _("Are rows and columns swapped in the kernel? It comes out transposed."),
        ),
        (
            lambda x, k, p=0, s=1: _correlate(x, k, 0, s),
            _("You ignore the padding: surround x with zeros before sliding."),
        ),
        (
            lambda x, k, p=0, s=1: _correlate(F.pad(x, (p, p)), k, 0, s),
            _("The padding is only at the left and right: top and bottom need it too."),
        ),
        (
            lambda x, k, p=0, s=1: _correlate(x, k, p, 1),
            _("You ignore the stride: the window visits every position."),
        ),
        (
            _unstrided,
            _("The size is right, but the windows start one pixel apart: what is the "
              "stride between two neighbours?"),
        ),
        (
            lambda x, k, *rest: _correlate(x, k, *rest) / k.numel(),
            _("You average the products: here they are added up."),
        ),
        (
            lambda x, k, *rest: _correlate(x, torch.ones_like(k), *rest) + k.sum(),
            _("You add the kernel to the window: each pixel is multiplied by its "
"weight."),
        ),
        (
            lambda x, k, p=0, s=1: (_padded_windows(x, k, p, s) @ k).sum((2, 3)),
            _("`@` multiplies matrices, rows by columns; here it goes square by "
"square."),
        ),
        (
            lambda x, k, *rest: k.shape,
            _("You stop at the products of one window: add them up into one number."),
        ),
        (
            lambda x, k, *rest: _correlate(x, k, *rest)[0, 0],
            _("That is only the first window: now slide it over all of x."),
        ),
        (
            lambda *case: _correlate(*case)[:1, :1].expand(_size(*case)),
            _("Every place repeats the first window: move it with the loops' "
"counters."),
        ),
        (
            lambda x, k, *rest: _only(_correlate(x, k, *rest), 1, 1),
            _("Only the first place is filled: is the `return` inside the loops?"),
        ),
        (
            lambda x, k, *rest: _only(_correlate(x, k, *rest), 1, None),
            _("Only the first row is filled: is the `return` inside the outer loop?"),
        ),
        (
            lambda x, *rest: x.shape,
            _("Your result is always as big as x: how many positions does the kernel "
              "have?"),
        ),
    ]  # fmt: skip
    compare(
        answer,
        cases,
        _correlate,
        mistakes,
        read=tensor,
        describe=call_text("x", "kernel", "padding=0", "stride=1"),
        stop=_named_stop,
    )
    return _(
        "Try it with the kernel of ones divided by 9, and guess first what it does to "
        "a digit."
    )


def _named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in conv2d, from the operation that refused."""
    told = _("for {case} your code stops.").format(case=stopped.case)
    shapes = [tuple(part.shape) for part in stopped.operands if hasattr(part, "shape")]
    if stopped.operation == "mul" and len(shapes) == 2:
        place = [stopped.local("i"), stopped.local("j")]
        kernel, window = sorted(shapes, key=lambda shape: shape[:1] != shape[1:])
        if kernel[:1] != kernel[1:] or place == [None, None]:
            return None
        reason = _(
            "At i={i}, j={j} your window has the shape {window}, and the kernel "
            "{kernel}: where does the window start, and where does it end?"
        ).format(i=place[0], j=place[1], window=window, kernel=kernel)
        return NotYet(f"{told} {reason}")
    if stopped.operation == "__setitem__" and len(shapes) == 2 and shapes[1]:
        reason = _(
            "You stop at the products of one window: add them up into one number."
        )
        if len(shapes[1]) == 1:
            also = _(
                "Python's `sum` only adds the rows together; PyTorch's, everything."
            )
            reason = f"{reason} {also}"
        return NotYet(f"{told} {reason}")
    if stopped.operation == "sum" and isinstance(stopped.error, TypeError):
        reason = _("That is NumPy's `sum`: use PyTorch's, of the tensor itself.")
        return Slip(f"{told} {reason}")
    return None


def _padded_windows(x: Tensor, kernel: Tensor, padding: int, stride: int) -> Tensor:
    """All windows of x (H, W) under kernel (k, k): shape (H', W', k, k)."""
    x = F.pad(x, (padding,) * 4)
    return x.unfold(0, len(kernel), stride).unfold(1, len(kernel), stride)


def _correlate(x: Tensor, kernel: Tensor, padding: int = 0, stride: int = 1) -> Tensor:
    windows = _padded_windows(x, kernel, padding, stride)
    return torch.einsum("ijkl,kl->ij", windows, kernel)


def _size(*case) -> torch.Size:
    return _correlate(*case).shape


def _unstrided(*case) -> Tensor:
    """The right size, filled with the windows of stride 1."""
    rows, columns = _size(*case)
    return _correlate(*case[:3])[:rows, :columns]


def _only(result: Tensor, rows: int, columns: int | None) -> Tensor:
    """`result` with zeros outside its first rows and columns."""
    kept = torch.zeros_like(result)
    kept[:rows, :columns] = result[:rows, :columns]
    return kept
