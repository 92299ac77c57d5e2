"""What the labels of a brain tumour mean, whoever drew it: converted at the door."""

import numpy as np
import torch
from torch import Tensor

from course_utils.locale import _

# The label of the file -> that of the course: 0 background, 1 necrotic or other core
# that does not enhance, 2 oedema, 3 enhancing tumour.
CONVENTIONS = {
    "brats2015": {0: 0, 1: 1, 2: 2, 3: 1, 4: 3},  # to 2016; its 3: non-enhancing core
    "brats2017": {0: 0, 1: 1, 2: 2, 4: 3},  # 2017 to 2021
    "brats2023": {0: 0, 1: 1, 2: 2, 3: 3},  # since 2023
    "msd": {0: 0, 1: 2, 2: 1, 3: 3},  # its 1: oedema, its 2: core without enhancement
    "whole": {0: 0, 1: 2},  # one mask of the whole tumour
}
REGIONS = ("WT", "TC", "ET")  # whole tumour, tumour core, enhancing tumour
TOLERANCE = 0.01  # of a label stored as a float, rounded by a scaled file


def to_course_labels(label: np.ndarray | Tensor, convention: str) -> np.ndarray:
    """The labels of a file as those of the course, whatever numbers the file uses.

    label: integers, or floats within 0.01 of integers, of any shape.
    convention: a key of CONVENTIONS. "brats2017" (2017 to 2021): 1 necrotic and
        non-enhancing core, 2 oedema, 4 enhancing. "brats2023": 3 enhancing instead.
        "msd" (Medical Segmentation Decathlon, Task01): 1 oedema, 2 non-enhancing core,
        3 enhancing. "brats2015": 1 necrosis, 2 oedema, 3 non-enhancing core (both are
        1 here), 4 enhancing. "whole": 1 whole tumour (2 here: it says nothing of the
        core).
    Returns uint8 of the same shape: 0 background, 1 core without enhancement, 2 oedema,
    3 enhancing tumour.
    Raises ValueError for another convention, for labels that it does not know, naming
    them, and for values that are no labels: fractions, NaN.

    Menze, B. H., and others (2015). IEEE Transactions on Medical Imaging 34(10).
    https://doi.org/10.1109/TMI.2014.2377694
    Antonelli, M., and others (2022). Nature Communications 13, 4128.
    https://doi.org/10.1038/s41467-022-30695-9
    """
    if convention not in CONVENTIONS:
        raise ValueError(
            _("to_course_labels: convention is {value!r}: use one of {known}.").format(
                value=convention, known=", ".join(f'"{name}"' for name in CONVENTIONS)
            )
        )
    table = CONVENTIONS[convention]
    given = np.asarray(label)
    whole = given
    if given.dtype.kind not in "bui":
        whole = np.rint(given)
        with np.errstate(invalid="ignore"):  # of infinity
            off = ~(np.abs(given - whole) <= TOLERANCE)  # also where NaN
        if off.any():
            raise ValueError(
                _(
                    "labels must be integers, and {count:,} voxels are not: the first "
                    "of them is {value:.4g}; was the mask interpolated?"
                ).format(count=int(off.sum()), value=float(given[off][0]))
            )
    unknown = ~np.isin(whole, list(table))
    if unknown.any():
        found = ", ".join(f"{value:g}" for value in np.unique(whole[unknown])[:5])
        raise ValueError(
            _(
                "label {found} means nothing in the convention {convention}, which has "
                "{known}; is it another year's file?"
            ).format(
                found=found,
                convention=f'"{convention}"',
                known=", ".join(map(str, table)),
            )
        )
    places = np.zeros(max(table) + 1, np.uint8)
    places[list(table)] = list(table.values())
    return places[whole.astype(np.uint8)]


def regions(label: Tensor, dim: int = 0) -> Tensor:
    """The three nested regions that BraTS scores, as masks: ET within TC within WT.

    label: the course's labels, integers of any shape: 0 background, 1 core without
    enhancement, 2 oedema, 3 enhancing.
    Returns bool, a new axis of length 3 at `dim`: whole tumour (WT, labels 1, 2, 3),
    tumour core (TC, 1 and 3), enhancing tumour (ET, 3).
    """
    whole = label > 0
    return torch.stack((whole, whole & (label != 2), label == 3), dim)
