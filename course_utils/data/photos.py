"""Images that are variants of one photo: finding them, and cutting without a leak."""

import numpy as np
import torch
from torch import Tensor

from course_utils.locale import _

BLOCK = 2048  # images whose correlations with their class are held at once: 16 MB


def photo_groups(x: Tensor, y: Tensor, threshold: float = 0.98) -> Tensor:
    """Which photo each image was made from, as far as the pixels tell.

    Two images of one class are taken for variants of one photo where Pearson's
    correlation of their pixels is above `threshold`, or where a chain of such pairs
    joins them (connected components). An image of a single grey correlates with none.

    x: images (N, C, H, W), uint8 or float. y: int64 (N,), their classes.
    threshold: between 0 and 1. 0.98 tells the 344 photos of Sign-Language-MNIST's test
        images apart (about 21 variants each); other sets need their own.
    Returns int64 (N,): 0, 1, 2, ... in order of first appearance.
    Raises ValueError for other shapes or another threshold.
    """
    if x.dim() != 4 or y.shape != x.shape[:1]:
        raise ValueError(
            _(
                "photo_groups: x must hold images (N, C, H, W) and y one class for "
                "each, got {x} and {y}."
            ).format(x=tuple(x.shape), y=tuple(y.shape))
        )
    if not 0 < threshold < 1:
        raise ValueError(
            _(
                "photo_groups: threshold must lie between 0 and 1, got {value!r}."
            ).format(value=threshold)
        )
    from scipy.sparse import coo_array  # late: scipy takes a while to import
    from scipy.sparse.csgraph import connected_components

    pairs = [np.empty((2, 0), np.int64)]
    for label in y.unique():
        members = (y == label).nonzero().flatten()
        unit = _standardised(x[members])
        for first in range(0, len(members), BLOCK):
            near = (unit[first : first + BLOCK] @ unit.T > threshold).nonzero().T
            near[0] += first
            pairs.append(members[near].numpy())
    rows, columns = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), (len(y), len(y)))
    component = connected_components(graph, directed=False)[1]
    appears, group = np.unique(component, return_index=True, return_inverse=True)[1:]
    rank = np.argsort(np.argsort(appears))
    return torch.from_numpy(rank[group]).to(torch.int64)


def near_copies(
    x: Tensor, y: Tensor, of_x: Tensor, of_y: Tensor, threshold: float = 0.98
) -> Tensor:
    """Which images of one set are variants of some image of the same class in another.

    x, of_x: images (N, C, H, W) and (M, C, H, W), uint8 or float. y, of_y: their
    classes. threshold: of the correlation, as in photo_groups; here no chain of pairs.
    Returns bool (N,).
    """
    found = torch.zeros(len(y), dtype=torch.bool)
    for label in y.unique():
        members = (y == label).nonzero().flatten()
        others = _standardised(of_x[of_y == label])
        for block in members.split(BLOCK):
            near = _standardised(x[block]) @ others.T > threshold
            found[block] = near.any(1)
    return found


def _standardised(x: Tensor) -> Tensor:
    """float32 (N, C * H * W), each row with mean 0 and length 1, or 0 where flat."""
    rows = x.flatten(1).to(torch.float32)
    rows = rows - rows.mean(1, keepdim=True)
    return torch.nn.functional.normalize(rows)


def split_by_photo(
    photo: Tensor, y: Tensor, fraction: float, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Cut images in two so that all the variants of a photo stay together.

    photo, y: int64 (N,), the photo and the class of each image; a photo has one class.
    fraction: share of each class's photos that goes to the second part, between 0 and
        1, rounded to whole photos; of two photos or more, each part gets at least one;
        a class's only photo stays in the first.
    seed: int from 0 to 2**32 - 1.
    Returns (rest, part), the indices of the images, int64, ascending.
    Raises ValueError for other shapes, another fraction, or a photo of two classes.
    """
    if photo.dim() != 1 or photo.shape != y.shape:
        raise ValueError(
            _(
                "split_by_photo: photo and y must each have one number per image, got "
                "{photo} and {y}."
            ).format(photo=tuple(photo.shape), y=tuple(y.shape))
        )
    if not 0 < fraction < 1:
        raise ValueError(
            _(
                "split_by_photo: fraction must lie between 0 and 1, got {value!r}."
            ).format(value=fraction)
        )
    photos, image, group = np.unique(
        photo.numpy(), return_index=True, return_inverse=True
    )
    label = y.numpy()[image]  # of each photo
    mixed = y.numpy() != label[group]
    if mixed.any():
        raise ValueError(
            _(
                "split_by_photo: photo {photo} has images of more than one class."
            ).format(photo=photos[group[mixed][0]])
        )
    # RandomState, since NumPy promises never to change its stream.
    rng = np.random.RandomState(seed)
    chosen = np.zeros(len(photos), bool)
    for value in np.unique(label):
        mine = rng.permutation(np.flatnonzero(label == value))
        if len(mine) > 1:
            count = min(max(1, round(fraction * len(mine))), len(mine) - 1)
            chosen[mine[:count]] = True
    part = torch.from_numpy(chosen[group])
    return (~part).nonzero().flatten(), part.nonzero().flatten()
