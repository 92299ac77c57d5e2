import numpy as np
import pytest
import torch

from course_utils.data.brats_labels import (
    CONVENTIONS,
    REGIONS,
    regions,
    to_course_labels,
)

parametrize = pytest.mark.parametrize

# What a file holds, and what the same voxels are in the course: background, core
# without enhancement, oedema, enhancing.
MEANINGS = {
    "brats2015": ([0, 1, 2, 3, 4], [0, 1, 2, 1, 3]),
    "brats2017": ([0, 1, 2, 4], [0, 1, 2, 3]),
    "brats2023": ([0, 1, 2, 3], [0, 1, 2, 3]),
    "msd": ([0, 1, 2, 3], [0, 2, 1, 3]),
    "whole": ([0, 1], [0, 2]),
}


def test_every_convention_is_tested():
    assert set(MEANINGS) == set(CONVENTIONS)


@parametrize("convention", MEANINGS)
@parametrize("kind", [np.uint8, np.int16, np.int64, np.float32, np.float64])
def test_labels_mean_what_their_convention_says(convention, kind):
    found, expected = MEANINGS[convention]
    label = np.array(found, kind).reshape(1, -1, 1)
    course = to_course_labels(label, convention)
    assert course.dtype == np.uint8
    assert course.shape == label.shape
    assert course.ravel().tolist() == expected


def test_a_mask_of_booleans_and_a_tensor_are_labels_too():
    assert to_course_labels(np.array([True, False]), "whole").tolist() == [2, 0]
    assert to_course_labels(torch.tensor([4, 1]), "brats2017").tolist() == [3, 1]


def test_labels_stored_as_scaled_floats_are_rounded():
    label = np.array([0.0, 0.9999, 2.003, 3.996], np.float32)
    assert to_course_labels(label, "brats2017").tolist() == [0, 1, 2, 3]


@parametrize(
    "convention, label, named",
    [
        ("brats2015", 5, "5"),
        ("brats2017", 3, "3"),
        ("brats2023", 4, "4"),
        ("msd", 4, "4"),
        ("whole", 2, "2"),
        ("msd", -1, "-1"),
        ("brats2023", 259, "259"),  # 3 where uint8 goes round
    ],
)
@parametrize("kind", [np.int16, np.float32])
def test_a_label_of_another_convention_is_refused(convention, label, named, kind):
    with pytest.raises(ValueError) as error:
        to_course_labels(np.array([0, 1, label], kind), convention)
    assert f"label {named} means nothing" in str(error.value)
    assert f'"{convention}"' in str(error.value)


@parametrize("value", [0.5, 1.02, np.nan, np.inf])
def test_values_between_labels_are_refused(value):
    label = np.array([0, 1, value, value], np.float32)
    with pytest.raises(ValueError, match="must be integers, and 2 voxels are not"):
        to_course_labels(label, "brats2017")


def test_an_unknown_convention_is_named():
    with pytest.raises(ValueError, match=r"convention is 'brats': use one of"):
        to_course_labels(np.zeros(3), "brats")


def test_regions_are_the_three_of_the_challenge():
    label = torch.tensor([[0, 1], [2, 3]], dtype=torch.uint8)
    whole, core, enhancing = regions(label)
    assert whole.tolist() == [[False, True], [True, True]]
    assert core.tolist() == [[False, True], [False, True]]
    assert enhancing.tolist() == [[False, False], [False, True]]
    assert len(REGIONS) == 3


@parametrize("dim, shape", [(0, (3, 4, 5)), (1, (4, 3, 5)), (-1, (4, 5, 3))])
def test_regions_are_nested_along_the_axis_asked_for(dim, shape):
    label = torch.randint(0, 4, (4, 5), generator=torch.Generator().manual_seed(0))
    masks = regions(label, dim)
    assert (masks.shape, masks.dtype) == (shape, torch.bool)
    whole, core, enhancing = masks.unbind(dim)
    assert (core <= whole).all() and (enhancing <= core).all()
    assert whole.sum() > core.sum() > enhancing.sum() > 0
