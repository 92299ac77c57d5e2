"""The brain viewer: which way up a slice is, its numbers, drawing, and controls."""

import io
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.data.brats_labels import regions
from course_utils.data.volumes import Patient
from course_utils.plots import REGION_COLORS as COLORS
from course_utils.widgets.base import Box, Curve, Picture, Text
from course_utils.widgets.brain_slices import (
    PLANES,
    SIDE_BY_SIDE,
    View,
    as_brain,
    cut,
    describe,
    largest,
    volumes,
)
from course_utils.widgets.brain_viewer import (
    CAST,
    LEVEL,
    _panel,
    brain_viewer,
    outline,
    pictures_to_html,
    render_html,
    render_png,
    tinted,
)
from widget_parts import nameless

TWO = ("FLAIR", "T1")
SHAPE = (12, 14, 10)
# Where a step along (x, y, z) of RAS+ millimetres leads.
WAYS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


def patient(name="P1", shape=SHAPE, channels=2, side=2.0, seed=0):
    """A box of noise with a tumour of three regions on the patient's right."""
    generator = torch.Generator().manual_seed(seed)
    inside = torch.zeros(shape, dtype=torch.bool)
    inside[1:-1, 1:-1, 1:-1] = True
    image = torch.randn(channels, *shape, generator=generator) * inside
    label = torch.zeros(shape, dtype=torch.uint8)
    label[4:9, 5:11, 1:5] = 2
    label[5:8, 6:9, 2:4] = 3
    label[6, 7, 2] = 1
    affine = np.diag([-side, -side, side, 1.0])
    return Patient(name, image, label, inside, affine, shape[::-1], affine)


@pytest.fixture
def shown():
    one = patient()
    return as_brain(one, TWO, torch.roll(one.label, 1, dims=1))


@pytest.fixture
def pair():
    other = patient("P2", seed=1)
    label = torch.zeros(SHAPE, dtype=torch.uint8)
    label[2, 3, 7] = 2
    return [patient(), replace(other, label=label)]


# --- the slices


@pytest.mark.parametrize("plane", PLANES)
def test_the_letters_say_where_the_edges_are(plane):
    """Along a picture's rows and columns, the affine leads where the letters say."""
    indices = [cut(volume, plane, 3) for volume in np.indices(SHAPE)]
    ijk = np.stack([*indices[::-1], np.ones_like(indices[0])])  # (W, H, D, 1)
    world = np.einsum("ab,brc->arc", patient().affine, ijk)[:3]
    top, bottom, left, right = PLANES[plane][1]
    for letter, way in (
        (top, world[:, 0, 0] - world[:, 1, 0]),
        (bottom, world[:, 1, 0] - world[:, 0, 0]),
        (left, world[:, 0, 0] - world[:, 0, 1]),
        (right, world[:, 0, 1] - world[:, 0, 0]),
    ):
        axis, sign = WAYS[letter]
        expected = np.zeros(3)
        expected[axis] = 2 * sign
        assert np.allclose(way, expected), letter


@pytest.mark.parametrize(
    ("plane", "at", "row", "column"),
    [("axial", 9, 2, 1), ("coronal", 2, 2, 1), ("sagittal", 1, 2, 2)],
)
def test_a_spot_up_in_front_on_the_right_is_drawn_there(plane, at, row, column):
    volume = np.zeros((3, *SHAPE))
    volume[:, 9, 2, 1] = 1  # 12 slices: the ninth is the third from the top
    three = cut(volume, plane, at)
    assert np.argwhere(three[0]).tolist() == [[row, column]]
    assert np.array_equal(cut(volume[1], plane, at), three[1])


def test_the_first_slice_is_that_with_most_tumour(shown):
    assert [largest(shown, plane) for plane in PLANES] == [4, 5, 1]
    one = patient()
    one.label[7, 0] = 2
    assert largest(as_brain(one, TWO), "axial") == 7
    healthy = as_brain(replace(one, label=torch.zeros_like(one.label)), TWO)
    assert [largest(healthy, plane) for plane in PLANES] == [6, 7, 5]


def test_the_brain_is_grey_and_all_else_black(shown):
    one = patient()
    assert shown.grey.dtype == np.uint8 and shown.grey.shape == (2, *SHAPE)
    assert not shown.grey[:, ~one.brain.numpy()].any()
    values, grey = one.image[0][one.brain].numpy(), shown.grey[0][one.brain.numpy()]
    assert grey.min() == 0 and grey.max() == 255
    assert (np.diff(grey[np.argsort(values)].astype(int)) >= 0).all()
    assert 0.05 < np.mean(grey < 80) < 0.5 < np.mean(grey < 170)


def test_predictions_are_labels_or_regions():
    one = patient()
    label = torch.roll(one.label, 1, dims=0)
    three = as_brain(one, TWO, regions(label)).masks["prediction"]
    assert np.array_equal(as_brain(one, TWO, label).masks["prediction"], three)
    assert np.array_equal(three.sum((1, 2, 3)), [120, 18, 17])


def test_volumes_are_those_of_the_voxels(shown):
    assert volumes(shown, "truth") == {"WT": "1", "TC": "0.1", "ET": "0.1"}
    one = patient(shape=(48, 32, 16))
    affine = np.diag([-1.0, -1.0, 4.0, 1.0])
    flat = as_brain(replace(one, affine=affine), TWO)
    assert flat.voxel == (4.0, 1.0, 1.0)
    assert volumes(flat, "truth")["WT"] == "0.5"  # 120 of 4 mm³


def test_where_only_the_whole_tumour_was_drawn_nothing_is_said_of_its_core():
    one = patient()
    whole = replace(one, label=2 * (one.label > 0).to(torch.uint8))
    shown = as_brain(whole, TWO, one.label)
    assert volumes(shown, "truth") == {"WT": "1"}
    assert volumes(shown, "prediction").keys() == {"WT", "TC", "ET"}


# --- words


def test_the_description_tells_place_sizes_and_side(shown):
    assert describe(shown, View(at=5)) == (
        "P1, axial slice 6 of 12. FLAIR, T1. Truth: WT 1 ml, TC 0.1 ml, ET 0.1 ml. "
        "Prediction: WT 1 ml, TC 0.1 ml, ET 0.1 ml. The tumour lies mostly on the "
        "patient's right."
    )
    empty = describe(shown, View("coronal", at=0, modality=1))
    assert empty.startswith("P1, coronal slice 1 of 14. T1. ")
    assert empty.endswith("None of it lies in this slice.")
    assert "None" not in describe(shown, View(at=0, overlay="none"))


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (slice(1, 4), "mostly on the patient's right"),
        (slice(6, 9), "mostly on the patient's left"),
        (slice(3, 7), "on both sides"),
        (slice(0, 0), ""),
    ],
)
def test_the_side_of_the_tumour(where, words):
    one = patient()
    label = torch.zeros_like(one.label)
    label[5, 5, where] = 2
    text = describe(as_brain(replace(one, label=label), TWO), View(at=5))
    assert words in text and ("The tumour lies" in text) == bool(words)


# --- drawing


def curves(panel, color):
    return [s for s in panel.shapes if isinstance(s, Curve) and s.color == color]


def test_the_tint_is_the_regions_colour_the_smaller_on_top():
    rgb = np.full((8, 12, 3), 100, dtype=np.uint8)
    masks = np.zeros((3, 4, 6), dtype=bool)
    masks[0, 1:, 1:], masks[1, 2:, 2:], masks[2, 3, 3] = True, True, True
    assert np.array_equal(tinted(rgb, masks, 0), rgb)
    full = tinted(rgb, masks, 1)
    colors = {r: list(bytes.fromhex(c[1:])) for r, c in COLORS.items()}
    assert (full[:2] == 100).all() and (full[:, :2] == 100).all()
    assert full[2, 2].tolist() == full[3, 11].tolist() == colors["WT"]
    assert full[4, 4].tolist() == full[7, 5].tolist() == colors["TC"]
    assert full[6, 6].tolist() == full[7, 7].tolist() == colors["ET"]
    half = tinted(rgb, masks, 0.5)[2, 2]
    assert np.abs(half - (100 + np.array(colors["WT"])) / 2).max() <= 0.5


def test_regions_that_are_not_nested_are_all_drawn():
    masks = np.zeros((3, 2, 2), dtype=bool)
    masks[2, 0, 0] = True  # a network may find enhancement outside of any tumour
    full = tinted(np.zeros((2, 2, 3), np.uint8), masks, 1)
    assert full[0, 0].tolist() == list(bytes.fromhex(COLORS["ET"][1:]))
    assert not full[1].any()


def test_the_outline_runs_between_the_voxels_and_closes_at_the_edge():
    mask = np.zeros((6, 8), dtype=bool)
    mask[2:4, 3:7] = True
    points = outline(mask)
    assert np.nanmin(points, axis=0).tolist() == [3, 2]
    assert np.nanmax(points, axis=0).tolist() == [7, 4]
    mask[:] = True
    points = outline(mask)
    assert np.nanmax(points, axis=0).tolist() == [8, 6]
    assert np.nanmin(points) == 0 and (points[1] == points[-2]).all()
    assert np.isnan(outline(0 * mask)).all()


@pytest.mark.parametrize("plane", PLANES)
def test_the_outline_lies_on_the_tint(shown, plane):
    """The colours of the picture and the lines over it show the same voxels."""
    view = View(plane, largest(shown, plane), modality=0, opacity=1)
    panel = _panel(shown, view)
    picture = next(s for s in panel.shapes if isinstance(s, Picture))
    coloured = np.argwhere(np.ptp(picture.rgb.astype(int), axis=2) > 0)
    line = curves(panel, COLORS["WT"])[0].points - (picture.x, picture.y)
    assert np.nanmin(line, axis=0) == pytest.approx(coloured.min(0)[::-1], abs=1)
    assert np.nanmax(line, axis=0) == pytest.approx(coloured.max(0)[::-1], abs=1.1)


def test_truth_and_prediction_are_told_apart_by_their_lines(shown):
    panel = _panel(shown, View(at=5, modality=0, overlay="both"))
    for color in COLORS.values():
        solid, dashed = curves(panel, color)
        assert (solid.dashed, dashed.dashed) == (False, True)
        # The prediction is the truth, one voxel of 2 mm further back.
        step = dashed.points - solid.points
        assert np.nanmin(step[:, 1]) == np.nanmax(step[:, 1]) == pytest.approx(4.5)
    picture = next(s for s in panel.shapes if isinstance(s, Picture))
    assert not np.ptp(picture.rgb, axis=2).any()  # outlines alone, tissue as it is
    words = " ".join(s.text for s in panel.shapes if isinstance(s, Text))
    assert "Solid line: truth; dashed line: prediction." in words


@pytest.mark.parametrize("overlay", ["none", "truth", "prediction"])
def test_the_overlay_shows_what_was_chosen(shown, overlay):
    panel = _panel(shown, View(at=5, modality=0, overlay=overlay))
    found = curves(panel, COLORS["WT"])
    picture = next(s for s in panel.shapes if isinstance(s, Picture))
    assert np.ptp(picture.rgb.astype(int), axis=2).any() == (overlay != "none")
    assert len(found) == (overlay != "none")
    if found:
        first = np.nanmin(found[0].points[:, 1]) - picture.y
        assert first == pytest.approx(4.5 * (5 if overlay == "truth" else 6))


def test_a_picture_has_the_proportions_of_the_brain_and_three_pixels_a_voxel():
    brain = as_brain(patient(shape=(80, 96, 80)), TWO)
    for plane, size in (("axial", (96, 80)), ("sagittal", (80, 96))):
        pictures = [
            s for s in _panel(brain, View(plane)).shapes if isinstance(s, Picture)
        ]
        assert [(p.height, p.width) for p in pictures] == [
            tuple(3 * n for n in size)
        ] * 2
        assert (pictures[0].rgb % LEVEL == 0).all()
    thick = replace(patient(), affine=np.diag([-1.0, -1.0, 3.0, 1.0]))
    panel = _panel(as_brain(thick, TWO), View("coronal"))
    picture = next(s for s in panel.shapes if isinstance(s, Picture))
    assert picture.height / picture.width == pytest.approx(12 * 3 / 10, rel=0.03)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("modality", [SIDE_BY_SIDE, 0])
def test_no_shape_leaves_its_panel_and_no_words_overlap(channels, plane, modality):
    names = ("FLAIR", "T1", "T1ce", "T2")[:channels]
    one = patient("BraTS-GLI-00017-000", (40, 48, 40), channels, side=4.0)
    shown = as_brain(one, names, one.label)
    panel = _panel(shown, View(plane, 20, modality, "both"))
    taken = []
    for shape in panel.shapes:
        if isinstance(shape, Curve):
            continue
        assert 0 <= shape.y <= panel.height and shape.x >= 0
        if isinstance(shape, Picture | Box):
            assert shape.x + shape.width <= panel.width
            assert shape.y + shape.height <= panel.height
            continue
        wide = 0.55 * shape.size * len(shape.text)
        before = {"left": 0, "center": wide / 2, "right": wide}[shape.align]
        left, right = shape.x - before, shape.x - before + wide
        assert left >= 0 and right <= panel.width, shape.text
        for other in taken:
            apart = abs(shape.y - other[2]) >= 12
            assert apart or right <= other[0] or left >= other[1], shape.text
        taken.append((left, right, shape.y))


@pytest.mark.parametrize("modality", [SIDE_BY_SIDE, 1])
def test_the_pictures_alone_are_those_of_the_live_view(shown, modality):
    view = View("coronal", 5, modality, "both")
    html, live = pictures_to_html(shown, view), render_html(shown, view)
    pictures = re.findall('href="(.*?)"', html)
    assert pictures == re.findall('href="(.*?)"', live)
    labels = [unescape(said) for said in re.findall('aria-label="(.*?)"', html)]
    assert labels == [describe(shown, view), "T1"][: len(pictures)]
    words = re.findall("<text.*?>(.*?)</text>", html)
    names = TWO if modality == SIDE_BY_SIDE else ["T1"]
    assert words == [word for name in names for word in (name, *"SIRL")]
    # The lines of each region, both sources', in every picture.
    for color in COLORS.values():
        assert html.count(f'stroke="{color}"') == live.count(f'stroke="{color}"')


def test_the_colours_are_told_apart_in_grey():
    def lightness(color):
        rgb = np.array(list(bytes.fromhex(color[1:]))) / 255
        linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
        return 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16

    values = sorted(map(lightness, COLORS.values()))
    assert np.diff(values).min() > 15 and values[0] > 45  # and seen on black


def test_the_png_is_sharp_and_small():
    four = patient(shape=(80, 96, 80), channels=4)
    # As round as a head and as smooth as tissue at 2 mm, with noise.
    _z, y, x = torch.meshgrid(
        *(torch.linspace(-1, 1, n) for n in (80, 96, 80)), indexing="ij"
    )
    head = (x / 0.8) ** 2 + (y / 0.9) ** 2 < 1
    smooth = torch.nn.functional.avg_pool3d(four.image[None], 5, 1, 2)[0]
    image = (8 * smooth + 0.1 * four.image) * head
    four = replace(four, image=image, brain=head)
    shown = as_brain(four, ("FLAIR", "T1", "T1ce", "T2"))
    png = render_png(shown, View(at=40))
    assert len(png) < 150_000
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert image.width > 1400
    spread = np.ptp(np.asarray(image).astype(int), axis=2)
    # Grey is grey, coloured is coloured: nothing in between, no stains on the tissue.
    assert not ((spread > 0) & (spread <= CAST)).any() and (spread > 40).any()


# --- controls


@pytest.fixture
def viewer(pair):
    predictions = {one.name: torch.roll(one.label, 1, dims=2) for one in pair}
    return brain_viewer(pair, predictions, modalities=TWO)


def test_it_begins_where_the_tumour_is_largest(pair):
    viewer = brain_viewer(pair, modalities=TWO)
    assert viewer.shown == View("axial", 4, SIDE_BY_SIDE, "truth", 0.3)
    assert viewer.place.value == 5 and viewer.place.max == 12
    assert viewer.png == render_png(viewer.brain, viewer.shown)
    assert viewer.alt == describe(viewer.brain, viewer.shown)
    assert "prediction" not in [value for _name, value in viewer.overlay.options]


def test_with_predictions_both_are_outlined_on_one_large_picture(viewer):
    assert viewer.shown == View("axial", 4, 0, "both", 0.3)
    assert viewer.view.value.count("<image") == 1
    assert "dashed line: prediction" in viewer.view.value


def test_the_controls_redraw(viewer):
    seen = {viewer.view.value}
    for control, value in (
        (viewer.place, 6),
        (viewer.modality, SIDE_BY_SIDE),
        (viewer.overlay, "truth"),
        (viewer.opacity, 0.8),
        (viewer.plane, "coronal"),
        (viewer.patient, "P2"),
    ):
        control.value = value
        assert viewer.view.value not in seen
        seen.add(viewer.view.value)
    assert viewer.shown == View("coronal", 3, SIDE_BY_SIDE, "truth", 0.8)
    assert "P2, coronal slice 4 of 14" in viewer.view.value


def test_the_slider_has_as_many_slices_as_the_plane(viewer):
    box = viewer._boxes[0]
    viewer.place.value = 12
    for plane, last, at in (("sagittal", 10, 1), ("coronal", 14, 5), ("axial", 12, 4)):
        viewer.plane.value = plane
        assert viewer.place.max == box.max == last
        assert viewer.place.value == box.value == at + 1 == viewer.shown.at + 1
    viewer.patient.value = "P2"
    assert viewer.shown.at == 2 and viewer.brain.name == "P2"


def test_a_choice_redraws_once(viewer, monkeypatch):
    drawn = []
    monkeypatch.setattr(viewer, "_show", lambda: drawn.append(viewer.place.value))
    viewer.plane.value = "sagittal"
    viewer.patient.value = "P2"
    assert drawn == [2, 8]


def test_opacity_is_for_colours(viewer):
    for overlay, off in (("none", True), ("truth", False), ("both", True)):
        viewer.overlay.value = overlay
        assert viewer.opacity.disabled == viewer._boxes[1].disabled == off


def test_the_picture_stays_that_of_the_first_state(viewer):
    alt, png = viewer.alt, viewer.png
    viewer.patient.value = "P2"
    assert (viewer.alt, viewer.png) == (alt, png) and alt.startswith("P1, ")


def test_names_can_be_given(pair):
    viewer = brain_viewer({"best": pair[1], "worst": pair[0]}, modalities=TWO)
    assert viewer.alt.startswith("best, axial slice 3 of 12.")


def test_a_single_patient_and_a_single_modality():
    viewer = brain_viewer([patient(channels=1)], modalities=["FLAIR"])
    assert viewer.shown.modality == 0
    choices = viewer.widget.children[0].children
    assert viewer.patient not in choices and viewer.plane in choices
    assert [value for _name, value in viewer.modality.options] == [0]


def test_every_control_has_a_name(viewer):
    # The sliders have their named boxes.
    assert nameless(viewer.widget) == [viewer.place, viewer.opacity, viewer.view]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patients": []}, "no patient to show"),
        ({"modalities": ("FLAIR",)}, "P1 has 2 modalities, but the names given are FL"),
        ({"predictions": {}}, "no prediction for P1: give one"),
        ({"predictions": {"P1": torch.zeros(SHAPE)}}, r"s\['P1'\] must be uint8 \(12,"),
        ({"predictions": {"P1": torch.zeros(SHAPE[1:]).byte()}}, "must be uint8"),
        ({"predictions": {"P1": torch.full(SHAPE, 4).byte()}}, r"0\.\.3 \| bool"),
        ({"predictions": {"P1": torch.ones(2, *SHAPE).bool()}}, r"bool \(3, 12, 14"),
    ],
)
def test_what_cannot_be_shown_is_refused(change, message):
    arguments = {"patients": [patient()], "modalities": TWO} | change
    with pytest.raises(ValueError, match=message):
        brain_viewer(**arguments)
