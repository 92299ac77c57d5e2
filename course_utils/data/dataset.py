"""What every data set of the course returns, where it is kept, and how it is cut."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor


class Split(NamedTuple):
    """One part of a data set, in memory: `x, y = data.mnist().train`.

    Of a Dataset: x uint8 (N, C, H, W), 0..255; y int64 (N,), indices into `classes`, or
    uint8 (N, H, W), one a pixel.
    Of a Table: x float32 (N, m), a column for each of `features`; y float32 (N, 1).
    """

    x: Tensor
    y: Tensor


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set of images cut in three, with its class names and where it comes from.

    train, valid, test: Split. classes: one name per label.
    source: one sentence for the notebook to print, in the language in use.
    real: True where the images were measured in the world, False where computed.
    """

    train: Split
    valid: Split
    test: Split
    classes: tuple[str, ...]
    source: str
    real: bool


@dataclass(frozen=True, eq=False)
class Table:
    """A data set of rows and columns cut in three, in the units of its source.

    train, valid, test: Split. features, units: one text per column of x, the unit empty
    where there is none. target: what y is. source: one sentence for the notebook to
    print. All texts are in the language in use when it was loaded.
    real: True where it was measured in the world, False where computed.
    """

    train: Split
    valid: Split
    test: Split
    features: tuple[str, ...]
    units: tuple[str, ...]
    target: str
    source: str
    real: bool


def cache_folder() -> Path:
    """The folder that keeps downloads; it need not exist yet.

    The variable COURSE_DATA_DIR if set; else `data` of the checkout that this package
    runs from; else (package installed by pip) the user's cache folder.
    """
    named = os.environ.get("COURSE_DATA_DIR", "").strip()
    if named:
        return Path(named).expanduser().absolute()
    root = Path(__file__).resolve().parents[2]
    if (root / "pyproject.toml").is_file():
        return root / "data"
    import pooch  # late: only an installed package needs it

    return Path(pooch.os_cache("course_utils"))


def stratified_order(y: np.ndarray, seed: int) -> np.ndarray:
    """A random order of images in which every stretch holds the classes in proportion.

    y: integer labels (N,). seed: int >= 0. Returns int64 (N,), a permutation; the
    classes of any prefix are in the proportions of the whole to within one image, so
    that slices of it are stratified splits.
    """
    # RandomState, since NumPy promises never to change its stream: the test set of
    # this year's course is the test set of next year's.
    rng = np.random.RandomState(seed)
    order = rng.permutation(len(y))
    place = np.empty(len(y))
    for label in np.unique(y):
        members = order[y[order] == label]
        n = len(members)
        # The k-th of the n falls at random within the k-th n-th of the whole.
        place[members] = (np.arange(n) + rng.rand(n)) / n
    return np.argsort(place, kind="stable")
