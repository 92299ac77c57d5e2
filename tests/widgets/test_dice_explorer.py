"""The Dice explorer: its scores against `metrics`, its words, drawing and controls."""

import io
import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils import locale, metrics
from course_utils.widgets.base import Box, Curve, Dot, Picture, Text
from course_utils.widgets.dice_explorer import (
    FALSE,
    GROUND,
    HIT,
    KINDS,
    LIMITS,
    MISSED,
    PIXEL,
    TOP,
    Scene,
    _edges,
    _farthest,
    _panels,
    describe,
    dice_by_size,
    dice_explorer,
    finding,
    render_html,
    render_png,
    score,
)
from widget_parts import nameless

SAME = Scene(right=0)
SCENES = [
    Scene(),
    SAME,
    Scene("ring", 24, 0, -3, 1.2, 1),
    Scene("ellipse", 30, 0, 0, 1.0, 6),
    Scene("square", 30, -12, 12, 1.4, 6),
    Scene("square", 30, 12, -12, 1.4),
    Scene("disc", 10, 12, 0),
    Scene("ring", 4, -12, -12, 0.5, 6),
    Scene("disc", 20, 0, 0, 0.8),
]


# --- masks and scores


@pytest.mark.parametrize("scene", SCENES)
def test_the_scores_are_those_of_metrics(scene):
    truth, pred = (torch.from_numpy(mask)[None, None] for mask in scene.masks)
    s = score(scene)
    assert s.dice == pytest.approx(metrics.dice(pred, truth).item())
    assert s.recall == pytest.approx(metrics.sensitivity(pred, truth).item())
    assert s.precision == pytest.approx(metrics.sensitivity(truth, pred).item())
    assert s.hd95 == pytest.approx(metrics.hausdorff95(pred, truth, 1).item(), rel=1e-5)
    assert s.iou == pytest.approx(s.dice / (2 - s.dice))
    assert s.hit + s.missed == truth.sum() and s.hit + s.false == pred.sum()


@pytest.mark.parametrize("scene", SCENES)
def test_hd_is_the_worst_of_all_places(scene):
    a, b = (np.argwhere(mask) for mask in scene.masks)
    apart = np.linalg.norm(a[:, None] - b, axis=2)
    # Of whole masks, not of outlines: only what lies inside the other is 0 here.
    outer = max(apart.min(axis=0).max(), apart.min(axis=1).max())
    hd = score(scene).hd
    assert hd >= outer - 1e-9 and hd >= score(scene).hd95
    if scene.kind != "ring":
        assert hd == pytest.approx(outer)
    assert np.linalg.norm(np.subtract(*_farthest(scene))) == pytest.approx(hd)


def test_no_mask_is_ever_empty_or_cut_off():
    ends = [LIMITS[name] for name in ("size", "right", "down", "scale", "speck")]
    for kind, values in itertools.product(KINDS, itertools.product(*ends)):
        truth, pred = Scene(kind, *values).masks
        assert truth.any() and pred.any()
        edge = np.ones_like(pred)
        edge[1:-1, 1:-1] = False
        assert not (pred & edge).any()
    for kind, size in itertools.product(KINDS, range(*LIMITS["size"])):
        for scale in np.linspace(0.5, 1.4, 19):
            assert all(mask.any() for mask in Scene(kind, size, scale=scale).masks)


def test_shapes_are_where_and_as_large_as_they_are_said_to_be():
    for kind in KINDS:
        truth, pred = Scene(kind, 20, right=5, down=-3).masks
        columns, rows = (np.flatnonzero(truth.any(axis)) for axis in (0, 1))
        assert np.ptp(columns) == 19 and columns.mean() == rows.mean() == 35.5
        assert np.ptp(rows) == (11 if kind == "ellipse" else 19)
        assert np.array_equal(np.roll(truth, (-3, 5), (0, 1)), pred)
        assert truth[36, 36] == (kind != "ring")
    speck = Scene(right=0, speck=3).masks
    assert (speck[1] & ~speck[0]).sum() == 9
    assert Scene("square", 20, 0, 0, 0.5).masks[1].sum() == 100


def test_the_same_shift_costs_a_small_lesion_more():
    sizes, dices = dice_by_size(Scene("square", right=4))
    assert (sizes[0], sizes[-1]) == LIMITS["size"]
    # Of a square of side a moved by 4, the part (a - 4) / a overlaps.
    even = sizes % 2 == 0
    assert dices[even] == pytest.approx((sizes[even] - 4) / sizes[even])
    for scene in SCENES:
        at = sizes.tolist().index(scene.size)
        assert dice_by_size(scene)[1][at] == pytest.approx(score(scene).dice)


def test_one_pixel_far_away_moves_hd_and_not_hd95():
    clean, speck = (score(Scene(size=30, right=2, speck=n)) for n in (0, 1))
    assert speck.hd > 10 * clean.hd and speck.hd95 == pytest.approx(clean.hd95)
    assert speck.dice == pytest.approx(clean.dice, abs=0.002)
    assert speck.precision < clean.precision and speck.recall == clean.recall
    large = score(Scene(size=30, right=2, speck=6))  # above 5 % of its outline
    assert large.hd95 > 10 * clean.hd95


# --- words


def test_the_description_says_it_all():
    assert describe(Scene()) == (
        "Truth: disc, 12 mm. Prediction: 4 mm right. 64 px hit, 48 missed, 48 false: "
        "Dice 0.57, IoU 0.4, precision 0.57, recall 0.57, HD 4 mm, HD95 4 mm. The same "
        "error on a small lesion and on a large one: Dice 0 at 4 mm, 0.83 at 30 mm."
    )


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (SAME, "Prediction: the same."),
        (Scene(right=-3, down=2), "Prediction: 3 mm left, 2 mm down."),
        (Scene(right=0, down=-2, scale=0.75), "Prediction: 2 mm up, size × 0.75."),
        (Scene(speck=2), "4 mm right, a false speck of 2 mm."),
    ],
)
def test_what_was_done_to_the_prediction(scene, words):
    assert words in describe(scene)


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (SAME, "Both are the same"),
        (Scene(right=12, size=10), "Nothing is hit"),
        (Scene(right=12, size=10, speck=1), "HD 12 → 39.6 mm; HD95 12 → 12 mm"),
        (Scene("square", 20), "Dice 0 at 4 mm, 0.87 at 30 mm"),
        (Scene(right=0, scale=0.8), "Precision 1, recall 0.68: too little is marked"),
        (Scene(right=0, scale=1.3), "recall 1: too much is marked"),
    ],
)
def test_the_finding(scene, words):
    assert words in finding(scene)
    assert finding(scene) in describe(scene)


# --- drawing


def lightness(color):
    """L* of CIELAB, 0..100: what is left of a colour in grey."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    return 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16


def test_the_colours_are_told_apart_in_grey():
    shades = [lightness(color) for color in (MISSED, HIT, FALSE, GROUND)]
    assert np.diff(shades).min() > 18


def test_the_picture_shows_what_is_hit_missed_and_false():
    scene = SCENES[2]
    (picture,) = [s for s in _panels(scene)[0].shapes if isinstance(s, Picture)]
    found, s = picture.rgb.reshape(-1, 3).tolist(), score(scene)
    for color, count in ((HIT, s.hit), (MISSED, s.missed), (FALSE, s.false)):
        rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
        assert found.count(rgb) == count


def test_the_line_follows_the_pixels():
    mask = np.zeros((5, 5), dtype=bool)
    mask[1:3, 2:5] = True  # up to the right edge
    lines = _edges(mask).reshape(-1, 3, 2)
    assert len(lines) == 2 * (2 + 3) and np.isnan(lines[:, 2]).all()
    assert lines[:, :2].min((0, 1)).tolist() == [2, 1]
    assert lines[:, :2].max((0, 1)).tolist() == [5, 3]
    lengths = np.linalg.norm(lines[:, 1] - lines[:, 0], axis=1)
    assert (lengths == 1).all()


def test_hd_is_drawn_from_end_to_end():
    panel = _panels(Scene("square", 20, 6))[0]
    ends = np.array([s[:2] for s in panel.shapes if isinstance(s, Dot)][:2])
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(6 * PIXEL)
    assert not [s for s in _panels(SAME)[0].shapes if isinstance(s, Dot)]


def test_the_bars_are_as_long_as_the_scores():
    s = score(SCENES[2])
    bars = [b.width for b in _panels(SCENES[2])[1].shapes if isinstance(b, Box)]
    parts = [s.dice, s.iou, s.precision, s.recall]
    assert np.array(bars[:4]) / bars[0] == pytest.approx(np.array(parts) / s.dice)
    assert bars[5] / bars[4] == pytest.approx(s.hd95 / s.hd)
    html = render_html(SCENES[2])
    assert "2·184 / (2·184 + 100 + 225)" in html and "184 / (184 + 225)" in html


def test_the_dot_lies_on_the_curve():
    for scene in SCENES:
        shapes = _panels(scene)[2].shapes
        (dot,) = [s for s in shapes if isinstance(s, Dot)]
        curve = max((s for s in shapes if isinstance(s, Curve)), key=lambda c: c.stroke)
        assert np.abs(curve.points - (dot.x, dot.y)).max(axis=1).min() < 0.5


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.filterwarnings("error")
def test_everything_drawn_stays_in_its_panel(scene, language):
    locale.set_language(language)
    panels = _panels(scene)
    assert sum(panel.width for panel in panels) + 18 * 2 + 24 <= 800
    for panel in panels:
        for shape in panel.shapes:
            if isinstance(shape, Curve):
                assert np.nanmin(shape.points, initial=0) >= 0
                limits = panel.width, panel.height
                assert (np.nanmax(shape.points, axis=0) <= limits).all()
            elif isinstance(shape, Text):
                wide = 0.53 * shape.size * len(shape.text)
                left = shape.x - {"left": 0, "center": wide / 2, "right": wide}.get(
                    shape.align
                )
                assert left >= 0 and left + wide <= panel.width, shape.text
                assert 0 <= shape.y <= panel.height - 4
    (picture,) = [s for s in panels[0].shapes if isinstance(s, Picture)]
    assert picture.y == TOP and picture.width <= panels[0].width


def test_each_panel_says_what_it_shows_to_a_screen_reader():
    labels = [part.split('"')[0] for part in render_html(SAME).split('label="')[1:]]
    assert labels[0] == describe(SAME)
    assert labels[1].startswith("Dice: 1; IoU: 1; Precision: 1; Recall: 1; HD: 0;")
    assert labels[2].startswith("The same error by size. Both are the same")


def test_the_png_is_sharp_and_small():
    for scene in SCENES[:5:2]:
        png = render_png(scene)
        assert len(png) < 60_000 and Image.open(io.BytesIO(png)).width > 1000


def test_a_redraw_fits_under_a_slider():
    render_html(Scene())  # imports what drawing needs
    start = time.process_time()
    for size in range(10, 20):
        render_html(Scene(size=size, speck=2))
    assert (time.process_time() - start) / 10 < 0.1  # measured: 0.015 s


# --- controls


def test_it_opens_on_its_first_scene():
    explorer = dice_explorer()
    assert explorer.scene == Scene() and explorer.alt == describe(Scene())
    assert explorer.png == render_png(Scene())
    assert explorer.view.value == render_html(Scene())
    assert set(explorer.sliders) == set(LIMITS)


def test_moving_a_control_redraws_once():
    explorer, redraws = dice_explorer(), []
    explorer.view.observe(lambda change: redraws.append(change.new), "value")
    moves = {"size": 20, "right": -5, "down": 4, "scale": 1.0499999999999998}
    for name, value in {**moves, "speck": 3}.items():
        explorer.sliders[name].value = value
    explorer.kind.value = "ring"
    assert len(redraws) == 6
    assert explorer.scene == Scene("ring", 20, -5, 4, 1.05, 3)
    assert explorer.view.value == render_html(explorer.scene)
    assert explorer.alt == describe(Scene())  # the picture stays the first state's


def test_the_sliders_ends_can_be_shown():
    explorer = dice_explorer()
    for slider in explorer.sliders.values():
        for end in (slider.min, slider.max):
            slider.value = end
            assert describe(explorer.scene) in explorer.view.value


def test_every_control_has_a_name():
    explorer = dice_explorer()
    named_boxes_have_them = {*explorer.sliders.values(), explorer.view}
    assert set(nameless(explorer.widget)) == named_boxes_have_them


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"kind": "star"},
            r"kind must be disc \| ellipse \| square \| ring, got 'star'",
        ),
        ({"size": 3}, "size must be 4..30, got 3"),
        ({"right": 13}, "right must be -12..12, got 13"),
        ({"scale": 0.45}, "scale must be 0.5..1.4, got 0.45"),
        ({"speck": -1}, "speck must be 0..6, got -1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(Scene(), **change)
