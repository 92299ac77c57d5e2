"""Exercise: max-pooling by hand."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Slip,
    Stopped,
    call_text,
    compare,
    tensor,
    values_and_positions,
)
from course_utils.locale import _


@exercise(
    "02.max_pool2d",
    hints=lambda: [
        _(
            "In `blocks[i, a, j, b]`, i and j say which block; a and b, which pixel "
            "inside it."
        ),
        _(
            "Dimensions count from 0. Those of i and j stay in the result: the maximum "
            "runs over the other two."
        ),
        _(
            "Look in PyTorch's documentation for the maximum over several dimensions "
            "at once: they are given together, in a tuple."
        ),
    ],
)
def max_pool2d(answer):
    generator = torch.Generator().manual_seed(4)

    def whole(*shape):
        return torch.randint(-9, 10, shape, generator=generator).float()

    cases = [
        (torch.tensor([[7.0, 3, 5, 2], [8, 7, 1, 6], [4, 9, 3, 9], [0, 8, 4, 5]]),),
        (whole(4, 8) - 3,),
        (whole(6, 9), 3),
        (whole(5, 7), 2),
    ]
    mistakes = [
        (
            lambda x, size=2: _tiles(x, size).mean((2, 3)),
            _("You average: that is average pooling, and here the largest one stays."),
        ),
        (
            lambda x, size=2: _tiles(x, size).amin((2, 3)),
            _("You keep the smallest of each tile, and it is the largest that stays."),
        ),
        (
            lambda x, size=2: _tiles(x, size).sum((2, 3)),
            _("You add up each tile: only its largest number stays."),
        ),
        (
            lambda x, size=2: x.unfold(0, size, 1).unfold(1, size, 1).amax((2, 3)),
            _("Your windows overlap: they jump a whole tile, not one pixel."),
        ),
        (
            lambda x, size=2: x.unfold(0, size, size).amax(-1),
            _("You pool along the rows only: the columns are still all there."),
        ),
        (
            lambda x, size=2: x.unfold(1, size, size).amax(-1),
            _("You pool along the columns only: the rows are still all there."),
        ),
        (
            lambda x, size=2: _tiles(x, size).amax((2, 3)).T,
            _("Are rows and columns swapped? Your result is transposed."),
        ),
        (
            lambda x, size=2: x.reshape(
                len(x) // size, x.shape[1] // size, size, size
            ).amax((2, 3)),
            _("`reshape` takes the numbers row after row, so your groups are pieces of "
              "a row and not square tiles: print one."),
        ),
        (
            _whole_tiles_only,
            _("When the map is not a whole number of tiles, the leftover is dropped."),
        ),
        (
            lambda x, size=2: F.max_pool2d(x[None], size, ceil_mode=True)[0],
            _("You keep an incomplete tile: only whole ones count."),
        ),
        (
            lambda x, size=2: x.amax(),
            _("That is the largest of the whole map: here there is one for each tile."),
        ),
        (
            lambda x, size=2: _tiles(x, size).amax((2, 3)).clamp(min=0),
            _("With a tile of negative numbers you give 0: what does your search start "
              "from?"),
        ),
        (
            lambda x, size=2: _tiles(x, 2).amax((2, 3)),
            _("You always use tiles of 2: where is `size`?"),
        ),
        *(
            (
                _over(dims),
                _("Those are the wrong dimensions: in `blocks[i, a, j, b]`, which two "
                  "run inside a block?"),
            )
            for dims in [(0, 1), (0, 2), (0, 3), (1, 2), (2, 3), (0,), (2,)]
        ),
        *(
            (_over(dims), _("The maximum over the other dimension of a block is "
                            "missing."))
            for dims in [(1,), (3,)]
        ),
    ]  # fmt: skip
    compare(
        answer,
        cases,
        lambda x, size=2: _tiles(x, size).amax((2, 3)),
        mistakes,
        read=tensor,
        describe=call_text("x", "size=2"),
        stop=_named_stop,
    )
    return _(
        "Try it on a digit and on the same digit one pixel to the right: how much "
        "changes?"
    )


def _named_stop(stopped: Stopped) -> NotYet | None:
    """What to say of an error in max_pool2d, from the function that refused."""
    told = _("for {case} your code stops.").format(case=stopped.case)
    pair = values_and_positions(getattr(stopped.error, "obj", None))
    if pair:
        return Slip(f"{told} {pair}")
    if not isinstance(stopped.error, TypeError):
        return None
    if stopped.operation in ("max", "min"):
        reason = _(
            "`max` takes one dimension only: look for its sibling, which takes several."
        )
        return Slip(f"{told} {reason}")
    if stopped.operation in ("amax", "amin"):
        reason = _("Several dimensions go together, in a tuple with its parentheses.")
        return Slip(f"{told} {reason}")
    return None


def _over(dims: tuple[int, ...]) -> Callable:
    """The maximum of the stub's blocks over `dims`, right or wrong."""

    def pooled(x: Tensor, size: int = 2) -> Tensor:
        rows, columns = x.shape[0] // size, x.shape[1] // size
        blocks = x[: rows * size, : columns * size]
        return blocks.reshape(rows, size, columns, size).amax(dims)

    return pooled


def _tiles(x: Tensor, size: int) -> Tensor:
    """x (H, W) in whole tiles: (H//size, W//size, size, size)."""
    return x.unfold(0, size, size).unfold(1, size, size)


def _whole_tiles_only(x: Tensor, size: int = 2) -> Tensor:
    if any(side % size for side in x.shape):
        raise RuntimeError  # as reshape does
    return _tiles(x, size).amax((2, 3))
