"""course_utils.brain_plots: colours on slices, dots of patients, and bad input."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from course_utils import brain_plots, plots

ALT = "A sentence that states what the figure shows."
IMAGE = torch.linspace(-1, 2, 30 * 20).view(30, 20)


def pixels(image):
    return np.asarray(PillowImage.open(io.BytesIO(image.data)).convert("RGB")) / 255


def nested():
    regions = torch.zeros(3, 30, 20, dtype=torch.bool)
    regions[0, 5:25, 3:17] = True
    regions[1, 10:20, 6:14] = True
    regions[2, 13:17, 8:12] = True
    return regions


def colour(name):
    return np.array(plots.mpl.colors.to_rgb(plots.REGION_COLORS[name]))


def distance(picture, name):
    """How near the nearest pixel comes to a region's colour, 0..sqrt(3)."""
    return np.sqrt(((picture - colour(name)) ** 2).sum(-1)).min()


# --- colours --------------------------------------------------------------------------


def test_the_region_colours_differ_in_grey_too():
    weights = np.array([0.299, 0.587, 0.114])
    greys = sorted(float(colour(name) @ weights) for name in plots.REGION_COLORS)
    assert list(plots.REGION_COLORS) == ["WT", "TC", "ET"]
    assert min(np.diff(greys)) > 0.12


def test_paint_covers_the_outer_region_with_the_inner_one():
    rgb = brain_plots.paint(IMAGE, nested(), opacity=1.0)
    assert rgb.shape == (30, 20, 3) and rgb.dtype == np.uint8
    for place, name in (((6, 4), "WT"), ((11, 7), "TC"), ((15, 10), "ET")):
        assert np.abs(rgb[place] / 255 - colour(name)).max() < 0.01
    assert len(set(rgb[0, 0])) == 1  # outside: grey


def test_paint_without_regions_is_grey_and_leaves_the_slice_alone():
    before = IMAGE.clone()
    rgb = brain_plots.paint(IMAGE, nested()[:0])
    assert (rgb[..., 0] == rgb[..., 2]).all()
    assert rgb.min() == 0 and rgb.max() == 255
    assert torch.equal(IMAGE, before)


def test_what_is_outside_the_brain_is_black():
    image = torch.randn(16, 16) + 0.01
    image[:, :5] = 0
    rgb = brain_plots.paint(image, np.zeros((0, 16, 16)))
    assert (rgb[:, :5] == 0).all() and rgb[:, 5:].mean() > 60


def test_a_flat_slice_is_black_and_not_an_error():
    assert (brain_plots.paint(torch.zeros(8, 8), np.zeros((0, 8, 8))) == 0).all()


def test_heat_is_clear_at_0_and_orange_at_1():
    values = torch.tensor([[0.0, 1.0]])
    rgb = brain_plots.heat(torch.zeros(16, 16), values)
    assert (rgb[:, 0] == 0).all()
    orange = 0.85 * 255 * np.array(plots.mpl.colors.to_rgb(plots.COLORS["valid"]))
    assert np.abs(rgb[0, -1] - orange).max() <= 1
    assert (brain_plots.heat(torch.zeros(16, 16), 5 * values) >= rgb).all()  # clipped


# --- figures --------------------------------------------------------------------------


def test_overlays_name_the_regions_that_they_show(displayed):
    panels = [(IMAGE, "one", nested()[:1]), (IMAGE, "two", None, nested()[:2])]
    brain_plots.overlays(panels, alt=ALT)
    picture = pixels(displayed[0])
    assert displayed[0].alt == ALT
    assert distance(picture, "WT") < 0.05 and distance(picture, "TC") < 0.05
    assert distance(picture, "ET") > 0.15  # nowhere in these slices


def test_overlays_without_regions_need_no_legend(displayed):
    brain_plots.overlays([(IMAGE, "one")], alt=ALT)
    picture = pixels(displayed[0])
    assert np.abs(picture - picture.mean(-1, keepdims=True)).max() < 0.02


def test_overlays_refuse_an_empty_list(displayed):
    with pytest.raises(ValueError, match="no slice"):
        brain_plots.overlays([], alt=ALT)


def test_scores_draw_a_dot_for_every_patient_and_leave_out_what_is_undefined(
    displayed, monkeypatch
):
    drawn = []
    monkeypatch.setattr(brain_plots, "show", lambda fig, alt: drawn.append(fig))
    scores = {
        "a": torch.tensor([[0.9, 0.5], [0.7, float("nan")], [0.8, 0.1]]),
        "b": torch.full((3, 2), float("nan")),
    }
    brain_plots.patient_scores(scores, ["WT", "ET"], y_label="Dice", alt=ALT)
    (ax,) = drawn[0].axes
    dots = [sorted(line.get_ydata().tolist()) for line in ax.lines]
    assert dots == [pytest.approx(v) for v in ([0.7, 0.8, 0.9], [0.1, 0.5], [], [])]
    bars = [segment[0][1] for c in ax.collections for segment in c.get_segments()]
    assert bars == pytest.approx([0.8, 0.3])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["WT", "ET"]
    plt.close(drawn[0])


def test_pictures_stand_side_by_side(displayed):
    shades = [np.full((10, 8, 3), value, np.uint8) for value in (10, 200)]
    brain_plots.pictures(shades, ["dark", "bright"], alt=ALT)
    picture = pixels(displayed[0])
    width = picture.shape[1]
    middle = picture.shape[0] // 2
    assert (
        picture[middle, width // 4].max()
        < 0.1
        < 0.7
        < picture[middle, -width // 4].min()
    )


def test_more_methods_than_colours_are_refused_not_left_out():
    scores = {f"method {n}": [[0.5]] for n in range(len(plots.CYCLE) + 1)}
    with pytest.raises(ValueError, match=r"7 series for 6 colours"):
        brain_plots.patient_scores(scores, ["WT"], y_label="Dice", alt=ALT)
    assert not plt.get_fignums()  # and no empty figure is left behind
