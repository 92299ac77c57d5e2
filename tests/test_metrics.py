"""Scores: the truth table, brute force on small masks, MONAI, lesions made by hand."""

import itertools
import time
import warnings

import numpy as np
import pytest
import torch
from scipy import ndimage

from course_utils.data.volumes import Patient
from course_utils.metrics import (
    bootstrap_mean,
    dice,
    hausdorff95,
    largest_component,
    lesion_wise,
    score_patients,
    sensitivity,
)
from course_utils.metrics.lesions import _near

pytestmark = [
    pytest.mark.usefixtures("english"),
    pytest.mark.filterwarnings("error"),  # a notebook would show them
]


def empty(*shape):
    return torch.zeros(*shape, dtype=torch.bool)


def ball(shape, middle, radius):
    """Bool, the voxels within `radius` of one."""
    axes = np.ogrid[tuple(slice(side) for side in shape)]
    squares = [(axis - at) ** 2 for axis, at in zip(axes, middle, strict=True)]
    return torch.from_numpy(sum(squares) <= radius**2)


@pytest.fixture
def pairs():
    """Blobs of many shapes, (6, 2, 7, 9, 8), that overlap in part."""
    rng = np.random.RandomState(0)
    noise = ndimage.gaussian_filter(rng.randn(2, 6, 2, 7, 9, 8), (0, 0, 0, 1, 1, 1))
    mixed = torch.from_numpy(noise[0] + np.array([0 * noise[0], noise[1]]))
    return (mixed > 0.05).unbind(0)


# --- the truth table


@pytest.mark.parametrize(
    ("predicted", "true", "overlap", "distance", "found"),
    [
        (False, False, 1, 0, np.nan),
        (True, False, 0, 374, np.nan),
        (False, True, 0, 374, 0),
        (True, True, 1, 0, 1),
    ],
)
def test_what_empty_masks_score(predicted, true, overlap, distance, found):
    pred, target = (torch.full((1, 1, 4, 4, 4), value) for value in (predicted, true))
    assert dice(pred, target).item() == overlap
    assert hausdorff95(pred, target, 1).item() == distance
    assert sensitivity(pred, target).item() == pytest.approx(found, nan_ok=True)
    lesions = lesion_wise(pred[0, 0], target[0, 0], 1)
    assert lesions[:2] == (overlap, distance)
    assert lesions[2:] == (true, true and not predicted, predicted and not true)


def test_two_empty_masks_score_what_one_asks_for():
    both = empty(2, 3, 4, 4)
    assert (dice(both, both, empty=0.0) == 0).all()
    assert dice(both, both, empty=float("nan")).isnan().all()


def test_an_all_background_prediction_scores_zero_where_there_is_a_tumour():
    truth = empty(2, 3, 5, 5, 5)
    truth[0, :2, 2, 2, 2] = True
    scores = dice(torch.zeros_like(truth), truth)
    assert scores.tolist() == [[0, 0, 1], [1, 1, 1]]


# --- Dice and sensitivity


def test_dice_by_hand():
    pred = torch.tensor([[[[1, 1, 1, 0]], [[1, 0, 0, 0]]]])
    target = torch.tensor([[[[0, 1, 1, 1]], [[0, 0, 0, 1]]]])
    assert dice(pred, target)[0].tolist() == pytest.approx([4 / 6, 0])
    assert sensitivity(pred, target)[0].tolist() == pytest.approx([2 / 3, 0])
    assert dice(pred.float(), target.bool()).dtype == torch.float32


def test_dice_and_sensitivity_agree_with_a_loop(pairs):
    pred, target = pairs
    for n, c in np.ndindex(6, 2):
        a = {tuple(v) for v in pred[n, c].nonzero().tolist()}
        b = {tuple(v) for v in target[n, c].nonzero().tolist()}
        expected = 2 * len(a & b) / (len(a) + len(b))
        assert dice(pred, target)[n, c].item() == pytest.approx(expected)
        expected = len(a & b) / len(b)
        assert sensitivity(pred, target)[n, c].item() == pytest.approx(expected)


def test_monai_says_the_same(pairs):
    from monai.metrics import DiceMetric, compute_hausdorff_distance

    pred, target = pairs
    theirs = DiceMetric(include_background=True, ignore_empty=False, reduction="none")
    assert torch.allclose(dice(pred, target), theirs(pred, target))
    both = empty(1, 1, 3, 3)
    assert theirs(both, both).item() == dice(both, both).item() == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        theirs = compute_hausdorff_distance(
            pred, target, include_background=True, percentile=95, spacing=[1, 2, 3]
        )
    assert torch.allclose(hausdorff95(pred, target, (1, 2, 3)), theirs)


def test_a_large_volume_is_counted_without_rounding():
    volume = torch.ones(1, 1, 260, 256, 256, dtype=torch.bool)  # above 2 ** 24 voxels
    other = volume.clone()
    other[..., 0] = False
    assert dice(other, volume).item() == pytest.approx(2 * 255 / 511, rel=1e-6)


# --- HD95


def outline(mask):
    """Places (E, axes) of the voxels that have one outside beside them."""
    inside = {tuple(place) for place in np.argwhere(mask.numpy())}
    steps = list(itertools.product((-1, 0, 1), repeat=mask.ndim))
    steps = [np.array(s) for s in steps if np.abs(s).sum() == 1]
    edge = [p for p in inside if any(tuple(p + s) not in inside for s in steps)]
    return np.array(edge, dtype=float)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (3, 1, 1), (0.5, 2, 1.25)])
def test_hd95_agrees_with_brute_force(pairs, spacing):
    pred, target = pairs
    found = hausdorff95(pred, target, spacing)
    for n, c in np.ndindex(6, 2):
        a, b = (outline(mask[n, c]) * spacing for mask in (pred, target))
        apart = np.linalg.norm(a[:, None] - b, axis=2)
        ways = [np.percentile(apart.min(axis), 95) for axis in (0, 1)]
        assert found[n, c].item() == pytest.approx(max(ways), rel=1e-5)
    assert found.min() > 0


def test_hd95_of_a_shift_is_the_shift_in_millimetres():
    pred, target = empty(1, 1, 20, 8, 8), empty(1, 1, 20, 8, 8)
    target[..., 2:5, 2:6, 2:6] = True
    pred[..., 12:15, 2:6, 2:6] = True
    assert hausdorff95(pred, target, 1).item() == 10
    assert hausdorff95(pred, target, (3, 1, 1)).item() == 30
    assert hausdorff95(target, pred, (3, 1, 1)).item() == 30
    plane = hausdorff95(pred[:, :, :, 3], target[:, :, :, 3], (2, 1))  # (N, C, D, W)
    assert plane.item() == 20


def test_hd95_looks_both_ways():
    """A prediction inside the truth, and the truth inside the prediction."""
    large, small = ball((30, 30, 30), (15, 15, 15), 12), ball((30,) * 3, (15,) * 3, 4)
    large, small = large[None, None], small[None, None]
    assert hausdorff95(small, large, 1) == hausdorff95(large, small, 1)
    assert 7 < hausdorff95(small, large, 1).item() < 9


def test_a_speck_far_away_hardly_moves_hd95():
    target = ball((40, 40, 40), (12, 12, 12), 8)[None, None]
    pred = target.clone()
    pred[..., 38, 38, 38] = True
    assert hausdorff95(pred, target, 1).item() == 0


# --- lesion by lesion


def scored_by_the_challenge(pred, target, sides):
    """The rules once more, step by step on the whole volume; the neighbours at 1 mm."""
    near = ndimage.generate_binary_structure(3, 2)
    all_around = np.ones((3, 3, 3))
    pred, target = pred.numpy(), target.numpy()
    wide = ndimage.binary_dilation(target, near, iterations=3)
    groups, count = ndimage.label(wide, all_around)
    pieces, how_many = ndimage.label(pred, all_around)
    matched, rows = set(), []
    for group in range(1, count + 1):
        lesion = (groups == group) & target
        reach = ndimage.binary_dilation(lesion, near, iterations=3)
        own = {int(p) for p in pieces[reach]} - {0}
        matched |= own
        if lesion.sum() * np.prod(sides) > 50:
            found = torch.from_numpy(np.isin(pieces, list(own)))[None, None]
            lesion = torch.from_numpy(lesion)[None, None]
            both = dice(found, lesion).item(), hausdorff95(found, lesion, sides).item()
            rows.append((*both, bool(own)))
    false = how_many - len(matched)
    n = len(rows) + false
    missed = sum(not own for *_scores, own in rows)
    if not n:
        return 1, 0, 0, 0, 0
    overlap, distance = (sum(row[i] for row in rows) for i in (0, 1))
    return overlap / n, (distance + 374 * false) / n, len(rows), missed, false


def test_lesions_agree_with_the_rules_taken_step_by_step():
    rng = np.random.RandomState(1)
    seen = set()
    for sigma, off in itertools.product((1.2, 2, 3), (0, 1)):
        noise = ndimage.gaussian_filter(rng.randn(2, 40, 36, 44), (0, *[sigma] * 3))
        noise /= noise.std()
        target = torch.from_numpy(noise[0] > 2)
        pred = torch.from_numpy(noise[0] + off * noise[1] > 2.2)
        pred[: 0 if off else 25] = False
        found = lesion_wise(pred, target, 1)
        assert found == pytest.approx(scored_by_the_challenge(pred, target, (1, 1, 1)))
        seen |= {("missed", found.missed > 0), ("false", found.false > 0)}
        seen.add(("several", found.lesions > 1))
    assert len(seen) == 6


def test_what_is_near_at_one_millimetre_is_three_steps_of_eighteen_neighbours():
    point = np.zeros((9, 9, 9), dtype=bool)
    point[4, 4, 4] = True
    near = ndimage.generate_binary_structure(3, 2)
    expected = ndimage.binary_dilation(point, near, iterations=3)[1:-1, 1:-1, 1:-1]
    assert np.array_equal(_near([1.0, 1.0, 1.0000001]), expected)
    assert _near([2.0, 2.0, 2.0]).shape == (3, 3, 3)
    assert _near([3.0, 1.0, 5.0]).shape == (3, 7, 1)


@pytest.fixture
def two():
    """A large true lesion and a small one, 15 voxels between them."""
    large = ball((48, 24, 24), (12, 12, 12), 8)
    small = ball((48, 24, 24), (38, 12, 12), 3)
    return large, small


def test_a_missed_small_lesion_costs_half(two):
    large, small = two
    whole = dice(large[None, None], (large | small)[None, None]).item()
    assert whole > 0.97
    assert lesion_wise(large, large | small, 1) == (0.5, 187, 2, 1, 0)


def test_a_false_piece_costs_as_much_as_a_lesion(two):
    large, small = two
    assert lesion_wise(large | small, large, 1) == (0.5, 187, 1, 0, 1)
    speck = empty(48, 24, 24)
    speck[44, 20, 20] = True  # one voxel is enough
    assert lesion_wise(large | speck, large, 1) == (0.5, 187, 1, 0, 1)


def test_a_piece_is_false_from_four_millimetres_on(two):
    large, _small = two
    for gap, false in ((3, 0), (4, 1)):
        pred = large.clone()
        pred[20 + gap, 12, 12] = True  # the lesion's last voxel is at 20
        assert lesion_wise(pred, large, 1).false == false
        # On 2 mm only the neighbours are near.
        thin = pred[::2, ::2, ::2].clone()
        thin[10:] = False
        thin[10 + gap - 2, 6, 6] = True
        truth = large[::2, ::2, ::2]
        assert lesion_wise(thin, truth, 2).false == int(gap == 4)


def test_lesions_close_to_each_other_are_one():
    one, other = ball((40, 16, 16), (8, 8, 8), 5), ball((40, 16, 16), (25, 8, 8), 5)
    apart = lesion_wise(one | other, one | other, 1)  # 6 empty voxels between them
    assert apart.lesions == 1
    farther = other.roll(1, 0)
    assert lesion_wise(one | farther, one | farther, 1) == (1, 0, 2, 0, 0)
    # Of a pair that counts as one, half is found.
    half = lesion_wise(one, one | other, 1)
    assert half[2:] == (1, 0, 0) and half.dice == pytest.approx(2 / 3)


def test_a_tiny_lesion_counts_neither_found_nor_missed():
    tiny = empty(20, 20, 20)
    tiny[5:10, 5:10, 5:7] = True  # 50 mm³ at 1 mm
    assert lesion_wise(empty(20, 20, 20), tiny, 1) == (1, 0, 0, 0, 0)
    assert lesion_wise(tiny, tiny, 1) == (1, 0, 0, 0, 0)
    near = tiny.roll(2, 0)
    assert lesion_wise(near, tiny, 1) == (1, 0, 0, 0, 0)  # near it: not false either
    tiny[5, 5, 7] = True
    assert lesion_wise(empty(20, 20, 20), tiny, 1) == (0, 374, 1, 1, 0)
    assert lesion_wise(empty(20, 20, 20), tiny, 0.99).lesions == 0
    assert lesion_wise(empty(20, 20, 20), tiny, (1, 1, 3)).lesions == 1


def test_one_predicted_piece_may_stand_for_two_lesions(two):
    large, small = two
    bridge = large | small
    bridge[12:38, 12, 12] = True
    scores = lesion_wise(bridge, large | small, 1)
    assert scores[2:] == (2, 0, 0)
    own = [dice(bridge[None, None], lesion[None, None]).item() for lesion in two]
    assert scores.dice == pytest.approx(sum(own) / 2)


# --- the largest piece


def test_only_the_largest_piece_is_left():
    mask = empty(10, 10, 10)
    mask[:3, :3, :3] = True
    mask[3, 3, 3] = True  # touches by a corner
    expected = mask.clone()
    mask[7:, 7:, 7:9] = True
    before = mask.clone()
    assert torch.equal(largest_component(mask), expected)
    assert torch.equal(mask, before)
    assert largest_component(mask.float()).dtype == torch.bool


def test_each_channel_keeps_its_own_and_empty_stays_empty():
    masks = empty(3, 6, 6, 6)
    masks[0, 0, 0, 0] = masks[0, 3:, 3:, 3:] = True
    masks[1, 0, 0, :2] = masks[1, 5, 5, 5] = True
    kept = largest_component(masks)
    assert kept.flatten(1).sum(1).tolist() == [27, 2, 0] and kept.shape == masks.shape
    assert kept[1, 0, 0, 1]
    whole = masks[0, 3:, 3:, 3:]
    kept = largest_component(whole)
    kept[:] = False
    assert whole.all()  # a copy


# --- patients


def patient(name, label, sides=(1.0, 1.0, 1.0)):
    """Somebody with this label; sides in the affine's order (W, H, D), mm."""
    brain = torch.ones(label.shape, dtype=torch.bool)
    affine = np.diag([-sides[0], -sides[1], sides[2], 1.0])
    shape = tuple(label.shape[::-1])
    return Patient(name, brain[None].float(), label, brain, affine, shape, affine)


@pytest.fixture
def labelled():
    label = torch.zeros(16, 20, 24, dtype=torch.uint8)
    label[3:13, 3:15, 4:18] = 2
    label[5:10, 5:12, 6:14] = 1
    label[6:9, 6:11, 7:13] = 3
    low_grade = torch.where(label == 3, 1, label)
    return [patient("A", label), patient("B", low_grade, (2.0, 1.0, 3.0))]


def truth_of(label):
    return torch.stack([label > 0, (label == 1) | (label == 3), label == 3])


def test_patients_are_scored_each_on_its_own_grid(labelled):
    truths = [truth_of(p.label) for p in labelled]
    moved = [t.roll(1, 1) for t in truths]  # by one voxel along D
    found = score_patients(moved, labelled)
    assert found.names == ("A", "B") and found.regions == ("WT", "TC", "ET")
    for p, (pred, true) in enumerate(zip(moved, truths, strict=True)):
        sides = [(1, 1, 1), (3, 1, 2)][p]
        assert torch.equal(found.dice[p], dice(pred[None], true[None])[0])
        assert torch.equal(found.hd95[p], hausdorff95(pred[None], true[None], sides)[0])
        share = sensitivity(pred[None], true[None])[0]
        assert torch.allclose(found.sensitivity[p], share, equal_nan=True)
        for c in range(3):
            lesions = lesion_wise(pred[c], true[c], sides)
            assert found.lesion_dice[p, c].item() == pytest.approx(lesions.dice)
            assert found.lesion_hd95[p, c].item() == pytest.approx(lesions.hd95)
    assert found.hd95[:, 0].tolist() == [1, 3]  # mm along D
    assert found.dice[1, 2] == 1 and found.sensitivity[1, 2].isnan()


def test_only_the_regions_that_the_truth_can_tell(labelled):
    predictions = [truth_of(p.label) for p in labelled]
    found = score_patients(predictions, labelled, ("WT",))
    assert found.dice.tolist() == [[1], [1]] and found.regions == ("WT",)
    both = score_patients([p.float() for p in predictions], labelled, ("ET", "TC"))
    assert both.sensitivity[1].isnan().tolist() == [True, False]


def test_the_tables(labelled):
    predictions = [truth_of(p.label) for p in labelled]
    predictions[0][2] = False
    found = score_patients(predictions, labelled)
    assert found.table().splitlines() == [
        "| patient · Dice | WT | TC | ET |",
        "| --- | ---: | ---: | ---: |",
        "| A | 1.00 | 1.00 | 0.00 |",
        "| B | 1.00 | 1.00 | 1.00 |",
        "| **mean** | **1.00** | **1.00** | **0.50** |",
    ]
    assert "| A | 0.0 | 0.0 | 374.0 |" in found.table("hd95")
    assert "| B | 1.00 | 1.00 | – |" in found.table("sensitivity")
    rows = found.summary().splitlines()
    assert rows[0] == "| mean of 2 | WT | TC | ET |"
    assert (
        rows[2]
        == "| Dice | 1.00 [1.00, 1.00] | 1.00 [1.00, 1.00] | 0.50 [0.00, 1.00] |"
    )
    assert len(rows) == 7
    without = score_patients(predictions[1:], labelled[1:], ("ET",)).summary()
    assert "| sensitivity | – |" in without
    with pytest.raises(ValueError, match=r"score must be dice \| hd95"):
        found.table("names")


def test_a_patient_takes_less_than_the_budget():
    """1.5 s of CPU; measured 0.3. MONAI's import, done by now, is not counted."""
    shape = (80, 96, 80)
    label = torch.zeros(shape, dtype=torch.uint8)
    for value, radius in ((2, 22), (1, 15), (3, 12)):
        label[ball(shape, (40, 40, 40), radius)] = value
    label[ball(shape, (65, 80, 60), 5)] = 3
    tumour, noise = truth_of(label), torch.Generator().manual_seed(0)
    specks = torch.rand(3, *shape, generator=noise) > 0.9998
    predictions = [tumour.roll((2, 1), (1, 3)) | specks]
    hausdorff95(tumour[None, :1, 38:40], tumour[None, :1, 38:40], 1)  # imports MONAI
    start = time.process_time()
    score_patients(predictions, [patient("A", label, (2.0, 2.0, 2.0))])
    assert time.process_time() - start < 1.5


# --- the interval


def test_the_interval_is_that_of_the_resampled_means():
    values = np.array([0.9, 0.8, 0.95, 0.4, 0.85, 0.7])
    low, high = bootstrap_mean(values)
    assert low < values.mean() < high
    assert bootstrap_mean(torch.from_numpy(values)) == (low, high)
    # All draws of 6 of 6 in equal shares, by hand.
    every = np.array(list(itertools.product(values, repeat=6))).mean(axis=1)
    assert (low, high) == pytest.approx(np.percentile(every, [2.5, 97.5]), abs=0.01)
    assert bootstrap_mean([*values, np.nan]) == (low, high)
    few = {bootstrap_mean(values, resamples=5, seed=seed) for seed in range(9)}
    assert len(few) > 1


def test_a_difference_that_is_always_the_same_has_no_width():
    assert bootstrap_mean([0.25, 0.25, 0.25]) == (0.25, 0.25)
    assert bootstrap_mean([0.5]) == (0.5, 0.5)


# --- what is refused


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: dice(empty(1, 1, 4, 4), empty(1, 3, 4, 4)),
            r"dice: pred and target must both be \(N, C, \*spatial\), of equal size; "
            r"they are \(1, 1, 4, 4\) and \(1, 3, 4, 4\)",
        ),
        (lambda: dice(empty(4, 4), empty(4, 4)), r"they are \(4, 4\) and"),
        (
            lambda: dice(torch.full((1, 1, 4), 0.5), empty(1, 1, 4)),
            "pred must be a mask of 0 and 1, but its values run from 0.5 to 0.5",
        ),
        (
            lambda: sensitivity(empty(1, 1, 4), torch.full((1, 1, 4), 3)),
            "sensitivity: target must be a mask",
        ),
        (lambda: hausdorff95(empty(1, 1, 4, 4), empty(1, 1, 4, 4), 0), "mm > 0"),
        (
            lambda: hausdorff95(empty(1, 1, 4, 4), empty(1, 1, 4, 4), (1, 1, 1)),
            r"spacing must be mm > 0 \| \(2 × mm > 0\), got \(1, 1, 1\)",
        ),
        (
            lambda: lesion_wise(empty(1, 4, 4, 4), empty(1, 4, 4, 4), 1),
            r"both be \(D, H, W\)",
        ),
        (lambda: lesion_wise(empty(4, 4, 4), empty(4, 4, 4), np.nan), "mm > 0"),
        (lambda: largest_component(empty(4, 4)), r"\(\[C,\] D, H, W\), got \(4, 4\)"),
        (lambda: largest_component(torch.full((2, 2, 2), 3)), "a mask of 0 and 1"),
        (lambda: bootstrap_mean([np.nan]), "no values, or all are NaN"),
        (lambda: bootstrap_mean(torch.zeros(2, 3)), r"values must be \(P,\)"),
        (lambda: bootstrap_mean([1.0], resamples=0), "resamples must be int >= 1"),
    ],
)
def test_what_are_no_masks_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_patients_that_do_not_fit_are_named(labelled):
    predictions = [truth_of(p.label) for p in labelled]
    with pytest.raises(ValueError, match="one prediction a patient, got 1 for 2"):
        score_patients(predictions[:1], labelled)
    with pytest.raises(ValueError, match="got 0 for 0"):
        score_patients([], [])
    with pytest.raises(ValueError, match=r"score_patients: B: .* \(3, D, H, W\)"):
        score_patients([predictions[0], labelled[1].label], labelled)
    with pytest.raises(ValueError, match="score_patients: A: pred must be a mask"):
        score_patients([3 * predictions[0].float(), predictions[1]], labelled)
    with pytest.raises(ValueError, match=r"regions must be WT \| TC \| ET"):
        score_patients(predictions, labelled, ("WT", "edema"))


def test_importing_stays_light(loaded_by):
    heavy = ["monai", "nibabel", "pandas", "scipy", "sklearn"]
    assert loaded_by("import course_utils.metrics", *heavy) == []
