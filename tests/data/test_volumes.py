import itertools

import nibabel
import numpy as np
import pytest
import torch

from course_utils.data.volumes import (
    Volume,
    common_grid,
    prepare,
    save_segmentation,
)

parametrize = pytest.mark.parametrize

SHAPE = (36, 44, 40)  # of a file, (i, j, k) from the patient's right, back, feet: RAS
# Voxels of 4 mm on a grid of 8 mm: blocks of eight as from 1 to 2 mm, but quick.
VOXEL, SPACING = 4.0, 8.0


def world(affine, shape):
    """RAS+ millimetres of every voxel, (*shape, 3)."""
    return np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]


def head(affine, shape):
    """(images, label) of a head in millimetres, sampled on any file's voxels.

    A box from -60 to 60 mm, brighter to the left, to the front and upwards; its tumour
    is left, in front and above, with oedema, core and enhancing part one beside the
    other. Its boundaries are those of blocks of 8 mm.
    """
    x, y, z = np.moveaxis(world(affine, shape), -1, 0)
    brain = np.maximum(np.maximum(abs(x), abs(y)), abs(z)) < 60
    t1 = np.where(brain, 1000 - x + 2 * y + 3 * z, 0).astype(np.float32)
    flair = np.where(brain, 500 + y, 0).astype(np.int16)
    label = np.zeros(shape, np.uint8)
    # x is negative on the patient's left.
    tumour = (abs(x + 32) < 24) & (abs(y - 24) < 16) & (abs(z - 32) < 16)
    label[tumour] = 2
    label[tumour & (x < -24)] = 1
    label[tumour & (x < -40)] = 3
    return {"flair": (flair, affine), "t1": (t1, affine)}, (label, affine)


def straight(voxel=VOXEL, shape=SHAPE, offset=(0.0, 0.0, 0.0)):
    """The affine of a RAS file whose middle is at `offset`."""
    affine = np.diag([*np.broadcast_to(voxel, 3), 1.0])
    affine[:3, 3] = np.array(offset) - affine[:3, :3] @ (np.array(shape) - 1) / 2
    return affine


def turned(order, signs, voxel=VOXEL, offset=(0.0, 0.0, 0.0)):
    """(affine, shape) of a file with other axes: order of x, y, z, and directions."""
    sides = np.broadcast_to(voxel, 3)
    shape = tuple(SHAPE[axis] for axis in order)
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, (axis, sign) in enumerate(zip(order, signs, strict=True)):
        affine[axis, column] = sign * sides[column]
    affine[:3, 3] = np.array(offset) - affine[:3, :3] @ (np.array(shape) - 1) / 2
    return affine, shape


ORDERS = list(itertools.permutations(range(3)))
SIGNS = list(itertools.product([1, -1], repeat=3))


@pytest.fixture(scope="module")
def patient():
    return prepare("somebody", *head(straight(), SHAPE), spacing=SPACING)


def test_what_a_patient_is(patient):
    assert patient.name == "somebody"
    assert (patient.image.dtype, patient.label.dtype, patient.brain.dtype) == (
        torch.float32, torch.uint8, torch.bool
    )  # fmt: skip
    assert patient.image.shape == (2, *patient.label.shape)
    assert patient.brain.shape == patient.label.shape
    assert patient.affine.dtype == np.float64
    assert patient.native_shape == SHAPE
    assert np.array_equal(patient.native_affine, straight())


def test_intensities_are_scored_inside_the_brain_and_nothing_is_outside(patient):
    for image in patient.image:
        inside = image[patient.brain]
        assert abs(inside.mean()) < 1e-5
        assert abs(inside.std(correction=0) - 1) < 1e-5
        assert not image[~patient.brain].any()


def test_axes_run_up_back_and_to_the_left(patient):
    t1 = patient.image[1]  # brighter to the left (x falls), to the front and upwards
    middle = [side // 2 for side in t1.shape]
    d, h, w = middle
    assert t1[d + 3, h, w] > t1[d - 3, h, w]  # D goes up
    assert t1[d, h + 3, w] < t1[d, h - 3, w]  # H goes back
    assert t1[d, h, w + 3] > t1[d, h, w - 3]  # W goes to the left
    directions = np.sign(np.round(patient.affine[:3, :3]))
    assert directions.tolist() == [[-1, 0, 0], [0, -1, 0], [0, 0, 1]]


def test_the_affine_says_where_the_tumour_is(patient):
    places = world(patient.affine, patient.label.shape[::-1])  # (W, H, D, 3)
    enhancing = places[patient.label.permute(2, 1, 0).numpy() == 3]
    # As drawn: x from -56 to -40, y from 8 to 40, z from 16 to 48.
    assert np.allclose(enhancing.mean(0), [-48, 24, 32], atol=1e-9)
    volume = (patient.label == 3).sum() * np.linalg.det(patient.affine[:3, :3])
    assert abs(volume - 16 * 32 * 32) < 1e-6


@parametrize("order", ORDERS, ids=str)
def test_any_order_of_axes_gives_the_same_patient(patient, order):
    for signs in SIGNS:
        affine, shape = turned(order, signs)
        other = prepare("somebody", *head(affine, shape), spacing=SPACING)
        assert torch.equal(other.label, patient.label)
        assert torch.allclose(other.image, patient.image, atol=1e-5)
        assert np.allclose(other.affine, patient.affine)
        assert other.native_shape == shape


@parametrize("spacing, factor", [(4, 1), (8, 2), (12, 3), (11, 3), (3, 1)])
def test_blocks_are_as_near_to_the_spacing_as_whole_numbers_come(spacing, factor):
    made = prepare("somebody", *head(straight(), SHAPE), spacing=spacing)
    assert np.allclose(np.abs(np.diag(made.affine)[:3]), factor * VOXEL)


def test_at_the_spacing_of_the_file_the_labels_are_the_files():
    images, (label, affine) = head(straight(), SHAPE)
    made = prepare("somebody", images, (label, affine), spacing=VOXEL)
    assert made.label.shape == (48, 48, 48)  # 160, 192 and 160 mm, in sixteens
    d, h, w = (slice((48 - side) // 2, (48 + side) // 2) for side in SHAPE[::-1])
    assert np.array_equal(made.label[d, h, w], label[::-1, ::-1].T)
    assert made.label.count_nonzero() == np.count_nonzero(label)


def test_the_default_grid_is_that_of_the_course():
    affine = straight(1.0, (140, 172, 152))
    brain = np.zeros((140, 172, 152), np.float32)
    brain[5:135, 5:167, 5:147] = np.arange(142)
    label = np.zeros(brain.shape, np.uint8)
    label[40:60, 40:60, 40:60] = 1
    made = prepare("somebody", {"t1": (brain, affine)}, (label, affine))
    assert made.label.shape == (80, 96, 80)
    assert made.label.sum() == 1000


def one_block(values, labels, brain=None):
    """What becomes of one block of eight voxels amid a brain of other blocks."""
    image = np.full((8, 8, 8), 6.0, np.float32)
    image[:4] = 2.0
    label = np.ones((8, 8, 8), np.uint8)
    image[2:4, 2:4, 2:4] = np.reshape(values, (2, 2, 2))
    label[2:4, 2:4, 2:4] = np.reshape(labels, (2, 2, 2))
    affine = straight(VOXEL, image.shape)
    mask = None if brain is None else (np.reshape(brain, image.shape), affine)
    made = prepare(
        "x", {"t1": (image, affine)}, (label, affine), brain=mask, spacing=SPACING
    )
    # The block at (1, 1, 1) of four, turned to (D, H, W) and set in the middle of 32.
    place = (14 + 1, 14 + 2, 14 + 2)
    return made.image[0][place], made.label[place], made.brain[place]


def test_only_voxels_of_the_brain_are_averaged():
    image, _label, brain = one_block([0, 0, 0, 0, 9, 9, 9, 9], [1] * 8)
    assert brain
    assert image == one_block([9] * 8, [1] * 8)[0]


def test_a_block_with_little_brain_is_not_brain():
    image, _label, brain = one_block([0, 0, 0, 0, 0, 9, 9, 9], [1] * 8)
    assert not brain and image == 0


@parametrize(
    "labels, expected",
    [
        ([3] * 8, 3),
        ([0, 0, 0, 0, 0, 3, 3, 3], 0),  # less than half of it is tumour
        ([0, 0, 0, 0, 1, 2, 2, 3], 2),  # half is, most of that oedema
        ([0, 0, 0, 0, 1, 1, 3, 3], 1),  # of two, the lower
        ([1, 1, 1, 3, 3, 3, 3, 2], 3),  # 2 would be the mean of core and enhancing
        ([1, 1, 1, 1, 3, 3, 3, 3], 1),
    ],
)
def test_labels_are_voted_for_and_never_averaged(labels, expected):
    _image, label, _brain = one_block([5] * 8, labels)
    assert label == expected


def test_no_label_appears_that_the_file_does_not_hold():
    for spacing in (4, 8, 12, 16):
        images, (label, affine) = head(straight(), SHAPE)
        label = np.where(label == 1, 3, label)
        made = prepare("somebody", images, (label, affine), spacing=spacing)
        assert made.label.unique().tolist() == [0, 2, 3]


def test_negative_values_are_brain_as_well():
    images, label = head(straight(), SHAPE)
    lowered = {
        name: (np.where(image != 0, image - 900.0, 0), affine)
        for name, (image, affine) in images.items()
    }
    there = prepare("x", images, label, spacing=SPACING)
    here = prepare("x", lowered, label, spacing=SPACING)
    assert torch.equal(here.brain, there.brain)
    assert torch.allclose(here.image, there.image, atol=1e-4)


def test_a_mask_says_where_the_brain_is_when_the_background_is_not_0():
    images, label = head(straight(), SHAPE)
    brain = (images["t1"][0] != 0).astype(np.float32)
    scored = {name: (image - 700.0, affine) for name, (image, affine) in images.items()}
    # The header's scaling may leave the zeros of a mask a little above 0.
    made = prepare(
        "x", scored, label, brain=(brain + 1e-9, straight()), spacing=SPACING
    )
    plain = prepare("x", images, label, spacing=SPACING)
    assert torch.equal(made.brain, plain.brain)
    assert torch.allclose(made.image, plain.image, atol=1e-4)


def test_a_large_brain_gets_a_larger_grid_and_a_common_one_keeps_places(patient):
    shape = (36, 60, 40)
    affine = straight(shape=shape)
    images, label = head(affine, shape)
    images["t1"][0][20, 1, 20] = 5  # a brain of 240 mm from front to back
    images["t1"][0][20, -2, 20] = 5
    large = prepare("large", images, label, spacing=4)
    small = prepare("small", *head(straight(), SHAPE), spacing=4)
    assert large.label.shape == (48, 64, 48)
    assert small.label.shape == (48, 48, 48)
    same, grown = common_grid([large, small])
    assert same is large
    assert grown.image.shape == (2, 48, 64, 48)
    assert (grown.name, grown.native_shape) == ("small", SHAPE)

    def places(one):
        return world(one.affine, one.label.shape[::-1])[one.label.numpy().T == 3]

    assert np.allclose(places(grown), places(small))
    assert torch.equal(grown.image[:, :, 8:-8], small.image)
    assert grown.brain.sum() == small.brain.sum()


def test_patients_of_one_grid_stay_as_they_are(patient):
    assert common_grid([patient, patient]) == [patient, patient]


# Files in unusual places: what a scanner, another tool or a slip can make of them.
PLACES = {
    "straight": turned((0, 1, 2), (1, 1, 1)),
    "as BraTS": turned((0, 1, 2), (-1, -1, 1), offset=(0, 3, 0)),
    "flipped": turned((0, 1, 2), (-1, 1, -1)),
    "permuted": turned((2, 0, 1), (1, -1, 1)),
    "both, far off": turned((1, 2, 0), (-1, -1, 1), offset=(-31.5, 17.25, 120)),
}


@parametrize("place", PLACES)
@parametrize("spacing", [4, 8, 12])
def test_a_saved_segmentation_lies_where_the_patient_does(tmp_path, place, spacing):
    affine, shape = PLACES[place]
    centred = affine.copy()
    centred[:3, 3] = -affine[:3, :3] @ (np.array(shape) - 1) / 2
    images, (label, _affine) = head(centred, shape)  # wherever it is in the world
    images = {name: (image, affine) for name, (image, _affine) in images.items()}
    made = prepare("x", images, (label, affine), spacing=spacing)
    path = save_segmentation(made.label, made, tmp_path / "seg.nii.gz")
    file = nibabel.load(path)
    assert file.get_data_dtype() == np.uint8
    assert file.shape == shape
    assert np.allclose(file.affine, affine)
    saved = np.asarray(file.dataobj)
    if spacing == VOXEL:
        assert np.array_equal(saved, label)
    # Every voxel of the file has the label of the grid's voxel that it lies in.
    back = np.linalg.inv(made.affine)
    w, h, d = np.rint(world(back @ affine, shape)).astype(int).transpose(3, 0, 1, 2)
    grid = made.label.numpy()
    assert min(w.min(), h.min(), d.min()) >= 0
    assert np.array_equal(saved, grid[d, h, w])


def test_a_file_larger_than_the_grid_is_0_beyond_it_and_whole_within(tmp_path):
    shape = (70, 70, 70)
    made = prepare("x", *head(straight(shape=shape), shape), spacing=SPACING)
    assert made.label.shape == (32, 32, 32)  # of 70 voxels, 64
    full = torch.full_like(made.label, 3)
    path = save_segmentation(full, made, tmp_path / "seg.nii")
    expected = np.zeros(shape, np.uint8)
    expected[3:-3, 3:-3, 3:-3] = 3
    assert np.array_equal(np.asarray(nibabel.load(path).dataobj), expected)


def test_slices_of_3_mm_at_the_true_size(tmp_path):
    affine = straight((1, 1, 3), (140, 150, 40), offset=(5, -7, 11.5))
    brain = np.zeros((140, 150, 40), np.int16)
    brain[10:-10, 10:-10, 2:-2] = np.arange(1, 37)
    label = np.zeros(brain.shape, np.uint8)
    label[40:60, 40:60, 20:27] = 3
    label[60:80, 40:60, 20:27] = 2
    made = prepare("x", {"t1": (brain, affine)}, (label, affine))
    assert np.allclose(np.abs(np.diag(made.affine)[:3]), [2, 2, 3])
    # Along j two of its blocks are half tumour, and the vote gives them to it.
    assert (made.label == 3).sum() == 10 * 11 * 7
    path = save_segmentation(made.label, made, tmp_path / "deep" / "seg.nii")
    saved = np.asarray(nibabel.load(path).dataobj)
    grown = np.zeros_like(label)
    grown[40:60, 39:61, 20:27] = 3
    grown[60:80, 39:61, 20:27] = 2
    assert np.array_equal(saved, grown)


def test_a_file_is_replaced_as_a_whole_and_nothing_is_left_beside(tmp_path, patient):
    path = tmp_path / "seg.nii.gz"
    path.write_bytes(b"older")
    save_segmentation(patient.label == 3, patient, path)
    assert set(np.unique(np.asarray(nibabel.load(path).dataobj))) == {0, 1}
    assert [p.name for p in tmp_path.iterdir()] == ["seg.nii.gz"]


@parametrize(
    "change, said",
    [
        (lambda label: label[1:], "is 31, 32, 32".replace("is ", r"is \(")),
        (lambda label: torch.stack([label] * 3), "not regions"),
        (lambda label: label.float(), "not float32 from 0 to 3"),
        (lambda label: label.int() + 1, "not int32 from 1 to 4"),
        (lambda label: label.int() - 1, "from -1 to 2"),
    ],
)
def test_what_is_no_segmentation_is_not_saved(tmp_path, patient, change, said):
    with pytest.raises(ValueError, match=said):
        save_segmentation(change(patient.label), patient, tmp_path / "seg.nii")
    assert not list(tmp_path.iterdir())


def test_another_kind_of_file_is_not_saved(tmp_path, patient):
    with pytest.raises(ValueError, match=r"seg.png must end in .nii or .nii.gz"):
        save_segmentation(patient.label, patient, tmp_path / "seg.png")


def refused(images=None, label=None, **settings):
    """The sentence with which a head so changed is refused."""
    whole, mask = head(straight(), SHAPE)
    with pytest.raises(ValueError) as error:
        prepare(
            "Jane", {**whole, **(images or {})}, label or mask, spacing=8, **settings
        )
    sentence = str(error.value)
    assert sentence.startswith("Jane: ")
    return sentence


def test_shapes_that_differ():
    t1 = Volume(np.ones((36, 44, 39)), straight(), "jane_t1.nii")
    said = refused({"t1": t1})
    assert "jane_t1.nii has shape (36, 44, 39), and flair (36, 44, 40)" in said
    flat = np.zeros(SHAPE)[..., None]
    assert "label has shape" in refused(label=(flat, straight()))


@parametrize("shift", [(0.2, 0, 0), (0, 0, -5)])
def test_affines_that_differ(shift):
    affine = straight(offset=shift)
    label = head(straight(), SHAPE)[1][0]
    said = refused(label=Volume(label, affine, "seg.nii"))
    assert f"seg.nii and flair lie up to {max(map(abs, shift)):.1f} mm apart" in said
    turn = straight()
    turn[:2] = turn[1::-1]
    assert "mm apart" in refused(label=(label, turn))


def test_affines_that_differ_by_a_rounding_are_the_same():
    images, (label, _affine) = head(straight(), SHAPE)
    close = straight(offset=(0.04, -0.04, 0.04))
    assert prepare("x", images, (label, close), spacing=8).label.any()


def test_an_affine_that_is_no_place():
    singular = straight()
    singular[2, 2] = 0
    images = {"flair": Volume(np.ones(SHAPE), singular, "f.nii")}
    with pytest.raises(ValueError, match=r"Jane: the affine of f.nii"):
        prepare("Jane", images, (np.ones(SHAPE), singular))


@parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers(value):
    t1 = head(straight(), SHAPE)[0]["t1"][0]
    t1[18, 22, 20] = value
    assert "t1 holds values that are not finite" in refused({"t1": (t1, straight())})


def test_no_brain_no_tumour_no_contrast():
    nothing = np.zeros(SHAPE)
    both = {"flair": (nothing, straight()), "t1": (nothing, straight())}
    assert "there is no brain: every voxel of flair, t1 is 0" in refused(both)
    mask = Volume(nothing, straight(), "mask.nii")
    assert "every voxel of mask.nii is 0" in refused(brain=mask)
    assert "label marks 0 voxels" in refused(label=(nothing, straight()))
    few = nothing.copy()
    few[20, 20, 20] = 2
    assert "no tumour on the grid of 8 mm" in refused(label=(few, straight()))
    flat = (head(straight(), SHAPE)[0]["t1"][0] != 0) * 7.1
    assert "t1 is the same all over the brain" in refused({"t1": (flat, straight())})
