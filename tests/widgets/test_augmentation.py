"""The augmentation explorer: its changes against `augment`, its warnings, controls."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils import augment
from course_utils.augment.light import blur
from course_utils.widgets import augmentation
from course_utils.widgets.augmentation import (
    DRAWS,
    LIMITS,
    MODEST,
    Change,
    augmentation_explorer,
    changes,
    describe,
    draws,
    lost,
    recipe,
    render_html,
    render_png,
    transform,
    warnings,
)
from course_utils.widgets.base import Box, Picture, Text
from widget_parts import leaves, nameless


def hand(side=28):
    """A fist with one finger up and a wrist, off the middle: no mirror image of it."""
    image = torch.full((1, side, side), 60, dtype=torch.uint8)
    image[:, 1:14, 6:10] = 230
    image[:, 14:23, 4:18] = 215
    image[:, 23:, 4:11] = 200
    return image


FIST = hand()
FAR = Change(-45, 8, -8, 0.7, 1.5, 0.6, 2, 1.5, mirror=True)


# --- arithmetic


def test_no_change_gives_the_picture_back():
    assert torch.equal(transform(FIST, Change()), FIST)
    assert lost(FIST, Change()) == 0
    tiles, mirrored = draws(FIST, Change())
    assert torch.equal(tiles, FIST.expand(DRAWS, -1, -1, -1)) and not mirrored.any()


def test_one_change_is_one_that_augment_may_draw(monkeypatch):
    """With every draw at the end of its range, the random changes are this change."""
    change = Change(20, 3, 3, 1.2, 0.3, 0.25)
    for module in (augment.geometry, augment.light):
        monkeypatch.setattr(module, "draw", lambda shape, x, _: torch.ones(shape))
    tiles, _mirrored = draws(FIST, change)
    assert torch.equal(tiles[0], transform(FIST, change))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change(right=3), lambda x: x.roll(3, 2)),
        (Change(down=-3), lambda x: x.roll(-3, 1)),
        (Change(mirror=True), lambda x: x.flip(2)),
        (Change(mirror=True, right=-2), lambda x: x.flip(2).roll(-2, 2)),
    ],
)
def test_shifts_and_mirror_move_the_finger_where_they_say(change, expected):
    inside = (slice(None), slice(8, 20), slice(8, 20))  # away from what comes in
    assert torch.equal(transform(FIST, change)[inside], expected(FIST)[inside])


def test_rotation_is_clockwise():
    finger = transform(FIST, Change(rotation=40))[0, :4] > 120
    assert finger.nonzero()[:, 1].float().mean() > 14  # it stood left of the middle


def test_brightness_and_contrast_are_in_deviations_of_the_picture():
    x = FIST.float()
    spread = (x / 255).std() + 8 / 255
    brighter = transform(FIST, Change(brightness=0.5)).float()
    expected = (x + 0.5 * spread * 255).clamp(max=255)
    torch.testing.assert_close(brighter, expected, atol=0.51, rtol=0)
    stronger = transform(FIST, Change(contrast=0.4)).float()
    expected = (x + 0.4 * (x - x.mean())).clamp(0, 255)
    torch.testing.assert_close(stronger, expected, atol=0.51, rtol=0)


def test_blur_is_augments_and_noise_has_its_deviation_and_stays_the_same():
    x = FIST[None].float()
    expected = blur(x, torch.tensor([1.5]))[0]
    blurred = transform(FIST, Change(blur=1.5)).float()
    torch.testing.assert_close(blurred, expected, atol=0.51, rtol=0)
    noisy = transform(FIST, Change(noise=0.4)).float() - FIST.float()
    spread = FIST.float().std() + 8
    assert noisy.std().item() == pytest.approx(0.4 * spread.item(), rel=0.1)
    assert torch.equal(transform(FIST, Change(noise=0.4)).float(), noisy + FIST.float())


def test_the_draws_differ_repeat_by_seed_and_half_of_them_may_be_mirrored():
    tiles, mirrored = draws(FIST, MODEST, seed=3)
    assert tiles.shape == (DRAWS, 1, 28, 28) and tiles.dtype == torch.uint8
    assert len({tile.numpy().tobytes() for tile in tiles}) == DRAWS
    assert torch.equal(tiles, draws(FIST, MODEST, seed=3)[0])
    assert not torch.equal(tiles, draws(FIST, MODEST, seed=4)[0])
    assert not mirrored.any()
    tiles, mirrored = draws(FIST, Change(mirror=True), seed=3)
    assert mirrored.sum() == DRAWS // 2
    for tile, mark in zip(tiles, mirrored, strict=True):
        assert torch.equal(tile, FIST.flip(2) if mark else FIST)


@pytest.mark.parametrize(
    "change",
    [
        Change(right=7, down=5),
        Change(rotation=45),
        Change(zoom=1.5, rotation=-20, down=3),
        Change(right=8, mirror=True),
    ],
)
def test_the_share_lost_is_that_of_dots_that_leave_the_picture(change):
    """Followed one by one, each on a ground wide enough to hold it wherever it goes."""
    outline = np.hypot(*np.gradient(FIST[0].double().numpy()))
    gone = 0
    for i, j in np.argwhere(outline > 0):
        dot = torch.zeros(1, 1, 28, 28)
        dot[..., i, j] = 1
        dot = dot.flip(3) if change.mirror else dot
        padded = torch.nn.functional.pad(dot, (40, 40, 40, 40))
        numbers = {n: torch.tensor([float(getattr(change, n))]) for n in LIMITS}
        moved = augment.geometry.affine(
            padded,
            angle=torch.deg2rad(numbers["rotation"]),
            slant=torch.zeros(1),
            **{n: numbers[n] for n in ("zoom", "right", "down")},
        )
        y, x = divmod(moved.argmax().item(), 108)
        gone += outline[i, j] * (not (40 <= y < 68 and 40 <= x < 68))
    share = gone / outline.sum()
    assert lost(FIST, change) == pytest.approx(share, abs=0.06) and share > 0.05


def test_a_picture_without_outlines_loses_none():
    flat = torch.full((1, 28, 28), 90, dtype=torch.uint8)
    assert lost(flat, Change(right=8)) == 0
    assert torch.equal(transform(flat, Change(rotation=30)), flat)


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_out_of_its_range_is_refused(name):
    low, high = LIMITS[name]
    with pytest.raises(ValueError, match=f"Change: {name} must be {low}..{high}, got"):
        Change(**{name: high + 0.1})
    with pytest.raises(ValueError, match=name):
        Change(**{name: float("nan")})


# --- words


def test_changes_are_listed_with_their_directions():
    assert changes(Change()) == "no change"
    text = changes(Change(-12, 2, -1, 1.1, -0.3, 0.2, 0.5, 0.1, mirror=True))
    assert text == (
        "12° counterclockwise, 2 px right, 1 px up, zoom ×1.1, brightness −0.3, "
        "contrast +0.2, blur 0.5 px, noise 0.1, mirrored"
    )


def test_the_recipe_is_code_that_makes_the_draws():
    assert recipe(Change()) == []
    steps = recipe(Change(-12, 2, -3, 0.9, noise=0.1))
    assert steps == [
        "RandomAffine(degrees=12, translate=3, scale=0.1, shear=0)",
        "GaussianNoise(std=0.1)",
    ]
    made = [eval(step, vars(augment)) for step in steps]
    assert made[0] == augment.RandomAffine(12, 3, 0.1, 0)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (Change(mirror=True), "dextrocardia"),
        (Change(rotation=26), "Beyond 25°"),
        (Change(rotation=-26), "Beyond 25°"),
        (Change(down=-8), "of the outlines have left the picture"),
        (Change(zoom=0.7), "shrinks to 49% of its pixels"),
        (Change(blur=2), "A blur of 2 px closes the gaps"),
        (Change(noise=0.7), "The noise is 70% as strong"),
        (Change(brightness=-2), "pure black or white"),
    ],
)
def test_each_excess_has_its_sentence(change, word):
    (said,) = warnings(FIST, change)
    assert word in said and said in describe(FIST, change)
    assert "This goes too far: " in describe(FIST, change)


def test_a_pixel_that_was_black_already_does_not_count():
    paper = torch.full((1, 28, 28), 255, dtype=torch.uint8)
    paper[:, 5:20, 10:14] = 0
    assert warnings(paper, Change(brightness=0.2)) == []
    (said,) = warnings(255 - FIST, Change(brightness=2))
    assert "pure black or white" in said


@pytest.mark.parametrize("change", [Change(), MODEST, Change(rotation=25, blur=1.5)])
def test_within_bounds_there_is_no_warning(change):
    assert warnings(FIST, change, "K") == []
    assert describe(FIST, change).endswith("the label should still hold.")


@pytest.mark.parametrize(
    ("letter", "other"), [("K", "P"), ("P", "K"), ("Q", "G"), ("H", "U"), ("U", "H")]
)
def test_a_letter_whose_shape_has_two_directions_is_named(letter, other):
    (said,) = warnings(FIST, Change(rotation=30), letter)
    assert said.endswith(f"This one is {letter}: think of {other}.")


@pytest.mark.parametrize("letter", ["", "A", "normal", "3"])
def test_other_labels_are_not(letter):
    (said,) = warnings(FIST, Change(rotation=30), letter)
    assert "think of" not in said


def test_the_worst_comes_first_and_all_are_said():
    said = warnings(FIST, FAR, "K")
    assert len(said) == 7 and "Mirror" in said[0]


# --- drawing


def test_the_live_view_shows_both_pictures_and_eight_draws():
    left, right = augmentation._panels(FIST, MODEST, "B", seed=0)
    pictures = [s.rgb for s in left.shapes if isinstance(s, Picture)]
    assert np.array_equal(pictures[0][..., 0], FIST[0])
    assert np.array_equal(pictures[1][..., 2], transform(FIST, MODEST)[0])
    pictures = [s.rgb for s in right.shapes if isinstance(s, Picture)]
    tiles = draws(FIST, MODEST)[0][:, 0].numpy()
    assert np.array_equal(np.stack(pictures)[..., 1], tiles)
    html = render_html(FIST, MODEST, "B")
    assert "Original: B" in html and describe(FIST, MODEST, "B") in html
    assert render_html(FIST, MODEST, "B", seed=1) != html


def test_orange_marks_what_goes_too_far_and_the_mirrored_draws():
    def marked(change):
        panels = augmentation._panels(FIST, change, "", seed=0)
        frames = [s for p in panels for s in p.shapes if isinstance(s, Box) and s.width]
        return [f.color == augmentation.WARNING for f in frames]

    assert sum(marked(MODEST)) == 0
    assert sum(marked(Change(rotation=40))) == 1
    assert sum(marked(Change(mirror=True))) == 1 + DRAWS // 2


@pytest.mark.parametrize("change", [Change(), MODEST, FAR])
@pytest.mark.parametrize("image", [FIST, hand()[:, :, :24], hand(64)])
def test_nothing_leaves_its_panel_and_no_words_overlap(image, change):
    for panel in augmentation._panels(image, change, "U", seed=0):
        for shape in panel.shapes:
            assert min(shape.x, shape.y) >= 0
            if isinstance(shape, Text):
                assert shape.x + 0.55 * shape.size * len(shape.text) <= panel.width
                assert shape.y + shape.size / 2 <= panel.height
            else:
                assert shape.x + shape.width <= panel.width
                assert shape.y + shape.height <= panel.height
        lines = [(s.y, s.x) for s in panel.shapes if isinstance(s, Text) if s.y > 40]
        gaps = np.diff(sorted(y for y, _x in lines))
        assert (gaps >= 15).all()


def test_the_png_is_sharp_and_below_100_kilobytes():
    png = render_png(FIST, replace(FAR, mirror=False), "K")
    assert len(png) < 100_000
    assert Image.open(io.BytesIO(png)).width > 1000


# --- controls


@pytest.fixture
def explorer():
    return augmentation_explorer(torch.stack([FIST, FIST.flip(1)]), "KA")


def test_it_starts_with_a_modest_change_of_the_first_picture(explorer):
    assert explorer.change == MODEST
    assert explorer.alt == describe(FIST, MODEST, "K")
    assert explorer.alt in explorer.view.value
    assert [said for said, _key in explorer.image.options] == ["1: K", "2: A"]


@pytest.mark.parametrize("name", LIMITS)
def test_every_slider_changes_its_own_number_and_redraws(explorer, name):
    before = explorer.view.value
    explorer.sliders[name].value = LIMITS[name][1]
    assert explorer.change == replace(MODEST, **{name: LIMITS[name][1]})
    assert explorer.view.value != before
    assert describe(FIST, explorer.change, "K") in explorer.view.value


def test_sliders_give_the_numbers_they_show(explorer):
    explorer.sliders["zoom"].value = 1.1500000000000001
    explorer.sliders["contrast"].value = 0.30000000000000004
    assert (explorer.change.zoom, explorer.change.contrast) == (1.15, 0.3)
    assert "scale=0.15" in explorer.view.value


def test_mirror_picture_and_new_draws(explorer):
    explorer.mirror.value = True
    assert "dextrocardia" in explorer.view.value
    explorer.image.value = 1
    assert "Original: A" in explorer.view.value and explorer.change.mirror
    before = explorer.view.value
    explorer.again.click()
    assert explorer.view.value != before


def test_undo_and_set_move_all_controls_and_redraw_once(explorer):
    redraws = []
    explorer.view.observe(lambda change: redraws.append(change.new), "value")
    explorer.set(FAR)
    assert explorer.change == FAR and explorer.mirror.value
    explorer.reset.click()
    assert explorer.change == Change() and len(redraws) == 2
    assert explorer.sliders["zoom"].value == 1 and not explorer.mirror.value


def test_every_control_has_a_name_or_a_named_box_beside_it(explorer):
    assert set(nameless(explorer.widget)) == {*explorer.sliders.values(), explorer.view}


def test_one_picture_needs_no_choice_and_no_label():
    explorer = augmentation_explorer(FIST[None], change=Change(rotation=30))
    assert explorer.image not in leaves(explorer.widget)
    assert "A picture, the same with 30° clockwise" in explorer.alt
    assert "Original</text>" in explorer.view.value


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (FIST, None, r"uint8 \(n >= 1, 1, H >= 8, W >= 8\), got .*\(1, 28, 28\)"),
        (FIST[None].float(), None, "got .*float32"),
        (FIST[None][:0], None, r"\(0, 1, 28, 28\)"),
        (FIST[None][..., :5], None, r"\(1, 1, 28, 5\)"),
        (FIST[None].repeat(1, 3, 1, 1), None, r"\(1, 3, 28, 28\)"),
        (FIST[None], "KA", "1 images but 2 labels"),
    ],
)
def test_images_that_cannot_be_shown_are_refused(images, labels, message):
    with pytest.raises(ValueError, match=message):
        augmentation_explorer(images, labels)
